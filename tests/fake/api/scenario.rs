/*!
What the document leaves open, and what else may differ between one run and another, as a switch
each.
*/

use std::time::Duration;

/// How the API and its runs behave.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// From the trigger to the end of a run.
    pub takes: Duration,
    /// How long every second poll that has nothing new is held before it answers `timeout`. Zero:
    /// no poll is held.
    pub held: Duration,
    /// Updates before the ending one.
    pub history: usize,
    /// How many updates a poll gives at most that names no `page_size`.
    pub poll_page: Option<usize>,
    /// How long after the trigger the poll does not yet know the job.
    pub visible_after: Duration,
    /// How long a run is over before its ending update and the last message of its task are there.
    pub late: Duration,
    /// The status of every poll, where the pages of the poll were taken away.
    pub polls_gone: Option<u16>,
    /// The status of every request about a task, where the key may not look.
    pub task_refused: Option<u16>,
    /// The state of a task whose run is in progress.
    pub running_state: String,
    /// The state of a task whose run ended well.
    pub end_state: String,
    /// How long a task still tells the state of before.
    pub state_lag: Duration,
    /// How long after the trigger a conversation is not yet in the list.
    pub listed_after: Duration,
    pub conversation_id: ConversationId,
    /// Whether a trigger with a `conversation_id` that nobody knows begins that conversation.
    pub takes_any_conversation: bool,
    pub approval: Approval,
    pub busy: Busy,
    pub external_id: ExternalId,
    pub same_external_id: SameExternalId,
    pub external_id_filter: ExternalIdFilter,
    /// How far the server's clock is ahead of this machine's.
    pub clock_offset_s: i64,
    /// How many uploads are answered 503 before one is taken.
    pub upload_failures: usize,
    /// The agents that there are.
    pub agents: Vec<String>,
    /// The tools that there are.
    pub tools: Vec<String>,
}

/// Where the reply to a trigger has the conversation's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationId {
    /// As the document has it.
    AtTopLevel,
    /// As one page of the vendor's shows it.
    InJobInfo,
}

/// What the job of a run does that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// It completes without an ending update.
    EndsJob,
    /// It stays in progress, also when the run has gone on in another job.
    LeavesJob,
}

/// What becomes of a message to a conversation that has a run in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// `queued_mid_run`: the run has no job.
    Queues,
    /// 409.
    Refuses,
    /// It starts a run beside the other one.
    StartsAnother,
}

/// What becomes of a trigger with an `external_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalId {
    Accepted,
    /// 422 that names the field.
    Rejected,
}

/// What a trigger does whose `external_id` a conversation has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameExternalId {
    /// It starts nothing and answers with the last run of that conversation; with
    /// `extend-conversation` it continues it.
    AnswersAgain,
    /// It starts another conversation.
    StartsAnother,
}

/// What the list of conversations does with a filter on `external_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalIdFilter {
    Honoured,
    Ignored,
    /// 422.
    Rejected,
}

impl Default for Scenario {
    fn default() -> Scenario {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Scenario {
            takes: Duration::ZERO,
            held: Duration::ZERO,
            history: 6,
            poll_page: None,
            visible_after: Duration::ZERO,
            late: Duration::ZERO,
            polls_gone: None,
            task_refused: None,
            running_state: "running".to_owned(),
            end_state: "completed".to_owned(),
            state_lag: Duration::ZERO,
            listed_after: Duration::ZERO,
            conversation_id: ConversationId::AtTopLevel,
            takes_any_conversation: true,
            approval: Approval::EndsJob,
            busy: Busy::Queues,
            external_id: ExternalId::Accepted,
            same_external_id: SameExternalId::AnswersAgain,
            external_id_filter: ExternalIdFilter::Honoured,
            clock_offset_s: 0,
            upload_failures: 0,
            // The last ones are the placeholders of the examples.
            agents: names(&["demo-agent", "agent-1", "your-agent-id"]),
            tools: names(&["demo-tool", "tool-1", "your-tool-id"]),
        }
    }
}

/// The switches by name, and what a value of each means.
pub const SWITCHES: [(&str, &str); 23] = [
    ("TAKES", "milliseconds from the trigger to the end of a run"),
    (
        "HELD",
        "milliseconds for which every second poll is held; 0: none is",
    ),
    ("HISTORY", "updates before the ending one"),
    (
        "POLL_PAGE",
        "updates that a poll without page_size gives at most",
    ),
    ("VISIBLE_AFTER", "milliseconds until the poll knows the job"),
    (
        "LATE",
        "milliseconds from the end of a run to its ending update and last message",
    ),
    ("POLLS_GONE", "the status of every poll: 404, 405, 410"),
    (
        "TASK_REFUSED",
        "the status of every request about a task: 401, 403, 404, 500",
    ),
    (
        "RUNNING_STATE",
        "the state of a task in progress, known or not",
    ),
    (
        "END_STATE",
        "the state of a task that ended well: completed, idle, or one that is not known",
    ),
    (
        "STATE_LAG",
        "milliseconds for which a task still tells the state of before",
    ),
    (
        "LISTED_AFTER",
        "milliseconds until a conversation is in the list",
    ),
    (
        "CONVERSATION_ID",
        "top-level or job-info: where the trigger's reply has it",
    ),
    (
        "ANY_CONVERSATION",
        "yes or no: whether an unknown conversation_id begins a conversation",
    ),
    (
        "APPROVAL",
        "ends-job or leaves-job: what the job does while a person is waited for",
    ),
    (
        "BUSY",
        "queues, refuses or starts-another: a message to a conversation in progress",
    ),
    ("EXTERNAL_ID", "accepted or rejected"),
    ("SAME_EXTERNAL_ID", "answers-again or starts-another"),
    ("EXTERNAL_ID_FILTER", "honoured, ignored or rejected"),
    (
        "CLOCK_OFFSET",
        "seconds by which the server's clock is ahead",
    ),
    (
        "UPLOAD_FAILURES",
        "uploads that are answered 503 before one is taken",
    ),
    ("AGENTS", "the ids of the agents, between commas"),
    ("TOOLS", "the ids of the tools, between commas"),
];

impl Scenario {
    /// Sets the switch of this name in `SWITCHES`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if !SWITCHES.iter().any(|(known, _)| *known == name) {
            return Err(format!("there is no switch {name}"));
        }
        let wrong = || format!("{value:?} is not a value of it");
        let number = || value.parse::<usize>().map_err(|_| wrong());
        let milliseconds = || number().map(|number| Duration::from_millis(number as u64));
        let status = || value.parse().map(Some).map_err(|_| wrong());
        let names = || value.split(',').map(str::to_owned).collect();
        match name {
            "TAKES" => self.takes = milliseconds()?,
            "HELD" => self.held = milliseconds()?,
            "HISTORY" => self.history = number()?,
            "POLL_PAGE" => self.poll_page = Some(number()?),
            "VISIBLE_AFTER" => self.visible_after = milliseconds()?,
            "LATE" => self.late = milliseconds()?,
            "POLLS_GONE" => self.polls_gone = status()?,
            "TASK_REFUSED" => self.task_refused = status()?,
            "RUNNING_STATE" => self.running_state = value.to_owned(),
            "END_STATE" => self.end_state = value.to_owned(),
            "STATE_LAG" => self.state_lag = milliseconds()?,
            "LISTED_AFTER" => self.listed_after = milliseconds()?,
            "CLOCK_OFFSET" => self.clock_offset_s = value.parse().map_err(|_| wrong())?,
            "UPLOAD_FAILURES" => self.upload_failures = number()?,
            "AGENTS" => self.agents = names(),
            "TOOLS" => self.tools = names(),
            _ => self.choose(name, value).ok_or_else(wrong)?,
        }
        Ok(())
    }

    /// Sets a switch that has names for its values; `None` where there is no such value.
    fn choose(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("CONVERSATION_ID", "top-level") => self.conversation_id = ConversationId::AtTopLevel,
            ("CONVERSATION_ID", "job-info") => self.conversation_id = ConversationId::InJobInfo,
            ("ANY_CONVERSATION", "yes") => self.takes_any_conversation = true,
            ("ANY_CONVERSATION", "no") => self.takes_any_conversation = false,
            ("APPROVAL", "ends-job") => self.approval = Approval::EndsJob,
            ("APPROVAL", "leaves-job") => self.approval = Approval::LeavesJob,
            ("BUSY", "queues") => self.busy = Busy::Queues,
            ("BUSY", "refuses") => self.busy = Busy::Refuses,
            ("BUSY", "starts-another") => self.busy = Busy::StartsAnother,
            ("EXTERNAL_ID", "accepted") => self.external_id = ExternalId::Accepted,
            ("EXTERNAL_ID", "rejected") => self.external_id = ExternalId::Rejected,
            ("SAME_EXTERNAL_ID", "answers-again") => {
                self.same_external_id = SameExternalId::AnswersAgain;
            }
            ("SAME_EXTERNAL_ID", "starts-another") => {
                self.same_external_id = SameExternalId::StartsAnother;
            }
            ("EXTERNAL_ID_FILTER", "honoured") => {
                self.external_id_filter = ExternalIdFilter::Honoured;
            }
            ("EXTERNAL_ID_FILTER", "ignored") => {
                self.external_id_filter = ExternalIdFilter::Ignored;
            }
            ("EXTERNAL_ID_FILTER", "rejected") => {
                self.external_id_filter = ExternalIdFilter::Rejected;
            }
            _ => return None,
        }
        Some(())
    }
}
