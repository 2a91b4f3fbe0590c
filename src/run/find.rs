/*! A run whose reply was lost, looked for. Looking changes nothing, so it is safe where sending the
trigger again is not. */

use super::api::{Api, is_transient};
use super::origin::{Kind, MessageDigest, Name, Origin};
use crate::api::client::Reply;
use crate::api::ids::{Id, RunId, TaskId};
use crate::api::json;
use crate::api::poll::{Poll, PollState, poll_path};
use crate::api::task::parse_list;
use crate::api::time::Millis;
use crate::api::trigger::StartedRun;
use crate::api::turn::{VIEW_BODY, parse_last_user_message, view_path};
use std::thread;
use std::time::Duration;

/// How often the API is asked.
const LOOKS: u32 = 5;
/// Before the second look; doubling after each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What a run is looked for by, and what one look comes to.
enum Search<'a> {
    /// The list of the agent's conversations, for one of this `external_id`.
    List {
        agent_id: &'a Id,
        external_id: &'a str,
    },
    /// The last message of a conversation.
    Conversation {
        task: TaskId,
        message: &'a MessageDigest,
        began_at: Millis,
    },
    /// The job that a tool was asked to use.
    Job { run_id: RunId, is_users: bool },
}

/// What one look came to.
enum Look {
    Found(StartedRun),
    /// It may be there next time, which the API may ask to be no sooner than this.
    NotYet(Option<Duration>),
    /// The API does not let this key look, or never will answer.
    Closed,
}

/// Looks for the run of a trigger whose reply was lost, as far as there is a name for it.
pub fn find(api: &Api, origin: &Origin, name: Option<&Name>) -> Option<StartedRun> {
    let mut finder = Finder {
        api,
        origin,
        search: Search::of(origin, name)?,
        can_filter: true,
    };
    let mut pause = FIRST_PAUSE;
    for number in 1..=LOOKS {
        api.session
            .stderr
            .log(|| format!("find: look {number} of {LOOKS}"));
        let asked = match finder.look(number) {
            Look::Found(run) => return Some(run),
            Look::Closed => return None,
            Look::NotYet(_) if number == LOOKS => return None,
            Look::NotYet(asked) => asked.unwrap_or_default(),
        };
        if !api.session.has_time_for(asked) {
            return None;
        }
        thread::sleep(pause.max(asked));
        pause *= 2;
    }
    None
}

struct Finder<'a> {
    api: &'a Api<'a>,
    origin: &'a Origin,
    search: Search<'a>,
    /// The API has not rejected the filter by `external_id`.
    can_filter: bool,
}

impl Finder<'_> {
    fn look(&mut self, number: u32) -> Look {
        // Nobody knows whether the list can be filtered by `external_id`. Where such a filter shows
        // nothing, the newest conversations may: each second look is without it.
        let is_filtered = self.can_filter && number % 2 == 1;
        let is_list = matches!(self.search, Search::List { .. });
        match self.ask(&self.search, is_filtered) {
            Asked::Rejected(400 | 422) if is_list && is_filtered => {
                self.can_filter = false;
                Look::NotYet(None)
            }
            // What was just begun may not be known everywhere yet.
            Asked::Rejected(404) if !is_list => Look::NotYet(None),
            Asked::Rejected(_) => Look::Closed,
            Asked::Later(asked) => Look::NotYet(asked),
            Asked::Reply(reply) => match self.search.read(&reply) {
                Some(run) if is_list && run.has_key(&self.api.session.redactor) => Look::Closed,
                Some(run) if is_list => self.confirm(run),
                Some(run) => Look::Found(run),
                None => Look::NotYet(None),
            },
        }
    }

    /// A name of the user's may also be that of an older conversation, in which this message need
    /// not be.
    fn confirm(&self, run: StartedRun) -> Look {
        if matches!(self.origin.kind, Kind::Agent { is_new: true, .. }) {
            return Look::Found(run);
        }
        let search = run
            .conversation_id
            .as_ref()
            .and_then(|id| Search::in_conversation(self.origin, id));
        let Some(search) = search else {
            return Look::Closed;
        };
        match self.ask(&search, false) {
            Asked::Reply(reply) if search.read(&reply).is_some() => Look::Found(run),
            Asked::Reply(_) => Look::NotYet(None),
            Asked::Later(asked) => Look::NotYet(asked),
            Asked::Rejected(_) => Look::Closed,
        }
    }

    fn ask(&self, search: &Search, is_filtered: bool) -> Asked {
        let api = self.api;
        let reply = match search {
            Search::List {
                agent_id,
                external_id,
            } => {
                let external_id = Some(*external_id).filter(|_| is_filtered);
                api.get("find", &list_path(agent_id, external_id))
            }
            Search::Conversation { task, .. } => api.post("find", &view_path(task), VIEW_BODY),
            Search::Job { run_id, .. } => api.get("find", &poll_path(run_id, true)),
        };
        match reply {
            Ok(reply) if reply.is_success() => Asked::Reply(reply),
            Ok(reply) if is_transient(reply.status) => Asked::Later(reply.retry_after),
            Ok(reply) => Asked::Rejected(reply.status),
            Err(why) => {
                let reason = api.session.redactor.quote(&why.reason());
                api.session.stderr.log(|| format!("find: {reason}"));
                Asked::Later(None)
            }
        }
    }
}

/// What a question was answered.
enum Asked {
    /// With a success.
    Reply(Reply),
    /// Not this time; with how long the API asks to wait.
    Later(Option<Duration>),
    /// With this status.
    Rejected(u16),
}

impl<'a> Search<'a> {
    fn of(origin: &'a Origin, name: Option<&'a Name>) -> Option<Search<'a>> {
        if let Some(conversation_id) = origin.continued() {
            return Search::in_conversation(origin, conversation_id);
        }
        let name = name?;
        match &origin.kind {
            Kind::Agent { agent_id, .. } => Some(Search::List {
                agent_id,
                external_id: &name.value,
            }),
            Kind::Tool(tool_id) => Some(Search::Job {
                run_id: RunId {
                    studio_id: tool_id.clone(),
                    job_id: name.value.parse().ok()?,
                },
                is_users: name.is_users,
            }),
        }
    }

    fn in_conversation(origin: &'a Origin, conversation_id: &Id) -> Option<Search<'a>> {
        let Kind::Agent { agent_id, .. } = &origin.kind else {
            return None;
        };
        Some(Search::Conversation {
            task: TaskId {
                agent_id: agent_id.clone(),
                conversation_id: conversation_id.clone(),
            },
            message: origin.message.as_ref()?,
            began_at: origin.began_at?,
        })
    }

    /// The run, if the reply shows it.
    fn read(&self, reply: &Reply) -> Option<StartedRun> {
        match self {
            Search::List {
                agent_id,
                external_id,
            } => {
                let found = parse_list(&reply.body, agent_id, external_id)?;
                Some(StartedRun {
                    run_id: None,
                    conversation_id: Some(found.conversation_id),
                    state: found.state,
                })
            }
            Search::Conversation {
                task,
                message,
                began_at,
            } => is_own_message(reply, message, *began_at).then(|| StartedRun {
                run_id: None,
                conversation_id: Some(task.conversation_id.clone()),
                state: None,
            }),
            Search::Job { run_id, is_users } => {
                let poll = Poll::parse(&reply.body, |_, _| ()).ok()?;
                let is_known = match poll.state {
                    PollState::Unknown(_) => false,
                    PollState::Running => true,
                    // A name that the user chose may be that of an earlier run, which has ended.
                    PollState::Ended(_) | PollState::OverWithoutEnding(_) => !is_users,
                };
                is_known.then(|| StartedRun {
                    run_id: Some(run_id.clone()),
                    conversation_id: None,
                    state: None,
                })
            }
        }
    }
}

/// Whether the last message of a user is this one, and newer than the command. Clocks differ, so
/// the time is the server's, which its reply tells.
fn is_own_message(reply: &Reply, message: &MessageDigest, began_at: Millis) -> bool {
    let Some(last) = parse_last_user_message(&reply.body) else {
        return false;
    };
    let is_newer = last
        .received_at
        .is_some_and(|at| at >= began_at.earliest_on_server(reply.date));
    is_newer && message.matches(&last.text)
}

/// The list of an agent's newest conversations, filtered by this `external_id` where the API can.
fn list_path(agent_id: &Id, external_id: Option<&str>) -> String {
    let filter = |field: &str, value: &str| {
        let value = json::quoted(value);
        let kind = r#""filter_type":"exact_match","condition":"==""#;
        format!(r#"{{"field":"{field}",{kind},"condition_value":[{value}]}}"#)
    };
    let mut filters = filter("conversation.agent_id", agent_id.as_str());
    if let Some(external_id) = external_id {
        filters.push(',');
        filters.push_str(&filter("external_id", external_id));
    }
    let filters = percent_encode(&format!("[{filters}]"));
    let sort = percent_encode(r#"[{"insert_date":"desc"}]"#);
    format!("/agents/conversations/list?filters={filters}&sort={sort}&page_size=20")
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
