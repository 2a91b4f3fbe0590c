/*! The task: the second witness, asked where the run's job cannot tell. */

pub mod requests;

use super::api::Api;
use super::origin::Origin;
use super::pace::pace;
use super::retry::{ATTEMPTS, Failure, UNTIL_DEADLINE, jitter, with_retry};
use crate::api::ids::TaskId;
use crate::api::task::{Meaning, TaskState};
use crate::api::time::Millis;
use crate::api::turn::TurnResult;
use crate::error::{Error, RunFailure};
use crate::output::report::Outcome;
use crate::session::known::Known;
use requests::Witness;
use serde_json::value::RawValue;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

/// How long a task that is over may be without an answer: messages and states are not written at
/// one time.
const ANSWER_GRACE: Duration = Duration::from_secs(10);
/// How many looks in a row may fail before there are no more.
const MAX_FAILED_LOOKS: u32 = 2;
/// Between two looks, where the first one failed.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The watch over one task, and what is kept from one request to the next.
pub struct TaskWatch<'a> {
    api: &'a Api<'a>,
    pub task: TaskId,
    /// The run that was started in it, or none where another command did.
    origin: Option<Origin>,
    /// When this command began, by this machine's clock.
    began_at: Millis,
    followed_since: Instant,
    interval: Option<Duration>,
    /// In a row.
    failed_looks: u32,
    /// The API rejects the task's requests.
    is_closed: bool,
    is_failure_logged: bool,
    /// What was seen last, if anything was.
    last_seen: Option<Meaning>,
    /// It was seen in progress, so that a state that says that it is over is not one of before.
    was_in_progress: bool,
    /// It was reported that a person is waited for.
    is_waiting_reported: bool,
    is_unknown_reported: bool,
}

/// A failed look at the task.
struct FailedLook {
    /// How long the API asks to wait before the next one.
    retry_after: Option<Duration>,
}

impl<'a> TaskWatch<'a> {
    pub fn new(
        api: &'a Api<'a>,
        task: TaskId,
        origin: Option<Origin>,
        interval: Option<Duration>,
    ) -> TaskWatch<'a> {
        let was_waiting = api.session.known().waits_for_person().is_some();
        TaskWatch {
            api,
            task,
            origin,
            began_at: Millis::at(api.session.started_at),
            followed_since: Instant::now(),
            interval,
            failed_looks: 0,
            is_closed: false,
            is_failure_logged: false,
            last_seen: None,
            was_in_progress: false,
            // That is how the run began, and was reported then.
            is_waiting_reported: was_waiting,
            is_unknown_reported: false,
        }
    }

    /// A look beside the polls, whose failure changes nothing.
    pub fn look(&mut self) {
        if self.may_look() {
            let _ = self.try_look();
        }
    }

    /// Asks until the task was seen, or it is clear that it cannot be. Looks that failed a while
    /// ago do not count.
    pub fn ask_until_seen(&mut self) -> bool {
        self.failed_looks = 0;
        while self.may_look() {
            let Err(FailedLook { retry_after }) = self.try_look() else {
                return true;
            };
            let pause = LOOK_PAUSE.max(retry_after.unwrap_or_default());
            if !self.may_look() || !self.api.session.has_time_for(pause) {
                return false;
            }
            thread::sleep(pause);
        }
        false
    }

    fn may_look(&self) -> bool {
        !self.is_closed && self.failed_looks < MAX_FAILED_LOOKS
    }

    fn try_look(&mut self) -> Result<(), FailedLook> {
        match self.ask_state(Witness::Second) {
            Ok(state) => {
                self.failed_looks = 0;
                self.note(&state);
                Ok(())
            }
            Err(failure) => Err(self.note_failed_look(failure)),
        }
    }

    /// A key may be forbidden to look at tasks, which is said once.
    fn note_failed_look(&mut self, failure: Failure) -> FailedLook {
        self.failed_looks += 1;
        self.is_closed = matches!(failure, Failure::Permanent(_));
        let retry_after = match failure {
            Failure::Transient { retry_after, .. } => retry_after,
            Failure::Permanent(_) => None,
        };
        if !self.may_look() && !self.is_failure_logged {
            self.is_failure_logged = true;
            let error = failure.into_error();
            self.api
                .session
                .stderr
                .log(|| format!("task: cannot be asked: {}", error.what));
        }
        FailedLook { retry_after }
    }

    /// Whether the task was in progress when it was seen last.
    pub fn is_in_progress(&self) -> bool {
        matches!(
            self.last_seen,
            Some(Meaning::Working | Meaning::WaitsForPerson)
        )
    }

    /// Takes note of a state, and reports at once that a person is waited for.
    fn note(&mut self, state: &TaskState) {
        let session = self.api.session;
        session.set_task_state(state.clone());
        self.last_seen = Some(state.meaning);
        self.was_in_progress |= self.is_in_progress();
        let is_waiting = state.meaning == Meaning::WaitsForPerson;
        if is_waiting && !self.is_waiting_reported {
            report_waiting(self.api, &session.known());
        }
        self.is_waiting_reported = is_waiting;
    }

    /// Follows the task to its end.
    /// Errors: `Failed`: it ended without success. Else the API does not say how it ended.
    pub fn follow(&mut self, witness: Witness) -> Result<Outcome, Error> {
        let session = self.api.session;
        self.followed_since = Instant::now();
        let mut over_since: Option<Instant> = None;
        loop {
            let asked_at = Instant::now();
            session.record_if_due();
            session.progress.count_poll();
            let state = with_retry(session, "task", UNTIL_DEADLINE, |_| self.ask_state(witness))?;
            self.note(&state);
            match state.meaning {
                Meaning::Over | Meaning::Failed => {
                    let is_last = over_since.is_some_and(|since| since.elapsed() >= ANSWER_GRACE);
                    if let Some(outcome) = self.read_end(&state, witness, is_last)? {
                        return Ok(outcome);
                    }
                    over_since.get_or_insert(asked_at);
                }
                Meaning::Unknown => {
                    over_since = None;
                    if !mem::replace(&mut self.is_unknown_reported, true) {
                        self.api.warn_of_unknown("task state", &state.word);
                    }
                }
                Meaning::Working | Meaning::WaitsForPerson => over_since = None,
            }
            let waited = asked_at.duration_since(self.followed_since);
            let until_next = match over_since {
                Some(_) => pace(Duration::ZERO, jitter()) * 2,
                None => self.interval.unwrap_or_else(|| pace(waited, jitter())),
            };
            thread::sleep(until_next.saturating_sub(asked_at.elapsed()));
        }
    }

    /// The result of a task that is over: `None` where there is none yet.
    /// Errors: the run failed.
    fn read_end(
        &self,
        state: &TaskState,
        witness: Witness,
        is_last: bool,
    ) -> Result<Option<Outcome>, Error> {
        let word = state.known_word().unwrap_or_default();
        let has_failed = state.meaning == Meaning::Failed;
        let limit = match witness {
            Witness::Second => ATTEMPTS,
            Witness::Only | Witness::OnlyResumed => UNTIL_DEADLINE,
        };
        let result = with_retry(self.api.session, "messages", limit, |_| {
            self.ask_result(witness)
        })?;
        match result {
            TurnResult::Errors(errors) => Err(self.failure(&errors)),
            TurnResult::Unseen if is_last => Err(self.unseen(word)),
            TurnResult::Unseen => Ok(None),
            // A message of a run that failed is not its answer. But the state may be that of the
            // turn before, if it never was another one.
            _ if has_failed && (is_last || self.was_in_progress) => {
                Err(self.failed(&format!("status {word}")))
            }
            _ if has_failed => Ok(None),
            TurnResult::Answer(answer) => Ok(Some(Outcome::AnsweredInTask(answer))),
            TurnResult::Unsettled(answer) if is_last => Ok(Some(Outcome::AnsweredInTask(answer))),
            TurnResult::Nothing if is_last => {
                Err(self.failed(&format!("the task is {word}, without an answer")))
            }
            TurnResult::Unsettled(_) | TurnResult::Nothing => Ok(None),
        }
    }

    /// A task that is over, although the message that is waited for is not in it: it may come yet.
    fn unseen(&self, word: &str) -> Error {
        Error::unknown(format!(
            "the task is {word}, and the message is not in it (conversation {})",
            self.task.conversation_id
        ))
    }

    fn failure(&self, errors: &RawValue) -> Error {
        let mut error = self.failed(&self.api.reason(Some(errors), None));
        error.run = Some(RunFailure {
            details: Some(errors.to_owned()),
            output: None,
        });
        error
    }

    fn failed(&self, reason: &str) -> Error {
        Error::failed(format!(
            "{reason} (conversation {})",
            self.task.conversation_id
        ))
    }
}

/// Reports that the run waits for a person, and where it can be approved.
pub fn report_waiting(api: &Api, known: &Known) {
    if let Some(state) = known.waits_for_person() {
        let place = known.place();
        let message = format!("the run is waiting for a person ({state}); see {place}");
        api.session.stderr.message(message);
    }
}
