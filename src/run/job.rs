/*! The run's job: the first witness, polled until it says how the run ended. */

use super::api::{Api, Subject, is_rejection, is_transient, with_portal_hint};
use super::pace::{is_look, pace};
use super::retry::{Attempt, Failure, UNTIL_DEADLINE, jitter, with_retry};
use super::target::Target;
use super::task::TaskWatch;
use crate::api::client::Reply;
use crate::api::failure::TransportError;
use crate::api::ids::RunId;
use crate::api::poll::{Ending, Poll, PollState, poll_path};
use crate::error::{Error, Exit, RunFailure, RunState};
use crate::output::report::Outcome;
use crate::text::redactor::Untrusted;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

/// How long after the trigger a job may still be unknown to the API.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);
/// How long the ending update of a run that is over may be late.
const ENDING_GRACE: Duration = Duration::from_secs(5);
/// At most this many new updates per poll are logged, with `-vv`.
const MAX_LOGGED_UPDATES: usize = 1000;

/// How the polling ended.
pub enum JobEnd {
    Decided(Result<Outcome, Error>),
    /// Without a word on how the run ended. The error counts where the task does not know either.
    Silent(Error),
}

/// Which updates a poll asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The ending one alone.
    Short,
    Full,
}

/// The wait for one run, and what is kept from one poll to the next.
pub struct JobWatch<'a> {
    api: &'a Api<'a>,
    run_id: RunId,
    is_resumed: bool,
    is_tool: bool,
    interval: Option<Duration>,
    wait_started_at: Instant,
    last_poll_at: Instant,
    last_form: Form,
    /// How many updates have been logged.
    logged_updates: usize,
    /// A reply was had from a server whose certificate verified.
    is_server_trusted: bool,
    is_unknown_reported: bool,
    /// Since when the run is said to be over, without an ending update.
    over_since: Option<Instant>,
}

/// What a poll came to.
enum Polled {
    State(PollState),
    /// The API does not know the job yet.
    NotVisibleYet,
}

impl<'a> JobWatch<'a> {
    pub fn new(
        api: &'a Api<'a>,
        run_id: RunId,
        target: &Target,
        interval: Option<Duration>,
    ) -> JobWatch<'a> {
        let now = Instant::now();
        JobWatch {
            api,
            run_id,
            is_resumed: target.is_resumed,
            is_tool: target.is_tool,
            interval,
            wait_started_at: now,
            last_poll_at: now,
            last_form: Form::Short,
            logged_updates: 0,
            is_server_trusted: !target.is_resumed,
            is_unknown_reported: false,
            over_since: None,
        }
    }

    pub fn poll_to_end(&mut self, task: &mut Option<TaskWatch>) -> JobEnd {
        let session = self.api.session;
        loop {
            session.record_if_due();
            let polled = match with_retry(session, "poll", UNTIL_DEADLINE, |_| self.poll()) {
                Ok(polled) => polled,
                // Only after a rejection can the task know more.
                Err(error) if is_rejection(&error) => {
                    return JobEnd::Silent(error);
                }
                Err(error) => return JobEnd::Decided(Err(error)),
            };
            match polled {
                Polled::State(PollState::Ended(ending)) => {
                    return JobEnd::Decided(self.outcome(ending));
                }
                Polled::State(PollState::OverWithoutEnding(word)) => {
                    let over_since = *self.over_since.get_or_insert_with(Instant::now);
                    if over_since.elapsed() >= ENDING_GRACE {
                        let why = format!("status {word}, without a result and without a reason");
                        return JobEnd::Silent(self.failed(&why));
                    }
                }
                Polled::State(PollState::Unknown(kind)) => {
                    if !mem::replace(&mut self.is_unknown_reported, true) {
                        self.api.warn_of_unknown("poll type", &kind);
                    }
                    self.over_since = None;
                    self.look(task);
                }
                Polled::State(PollState::Running) | Polled::NotVisibleYet => {
                    self.over_since = None;
                    self.look(task);
                }
            }
            self.sleep();
        }
    }

    /// A look at the task, beside the polls of certain numbers.
    fn look(&self, task: &mut Option<TaskWatch>) {
        if let Some(task) = task
            && is_look(self.api.session.progress.polls())
        {
            task.look();
        }
    }

    /// Sleeps until the next poll.
    fn sleep(&self) {
        let waited = self.last_poll_at.duration_since(self.wait_started_at);
        let until_next = match self.over_since {
            // That poll was the first to say that the run is over: the next one follows at once.
            Some(since) if since >= self.last_poll_at => Duration::ZERO,
            Some(_) => pace(Duration::ZERO, jitter()),
            None => self.interval.unwrap_or_else(|| pace(waited, jitter())),
        };
        thread::sleep(until_next.saturating_sub(self.last_poll_at.elapsed()));
    }

    fn poll(&mut self) -> Attempt<Polled> {
        let session = self.api.session;
        let number = session.progress.count_poll();
        self.last_form = self.form(number);
        self.last_poll_at = Instant::now();
        let path = poll_path(&self.run_id, self.last_form == Form::Full);
        self.api.log_request("GET", &path, b"");
        let reply = self
            .api
            .client
            .get(&path)
            .map_err(|why| self.no_reply(&why))?;
        self.is_server_trusted = true;
        self.classify(&format!("poll {number}"), &reply)
    }

    /// Either form may withhold the ending update of a run that is over: the short one as it is, or
    /// a list that is cut to a page. So both are asked for by turns.
    fn form(&self, number: u64) -> Form {
        match (self.over_since, self.last_form) {
            (Some(_), Form::Full) => Form::Short,
            (Some(_), Form::Short) => Form::Full,
            (None, _) if self.api.session.stderr.is_tracing() || is_look(number) => Form::Full,
            (None, _) => Form::Short,
        }
    }

    fn no_reply(&self, why: &TransportError) -> Failure {
        let is_untrusted = matches!(why, TransportError::Certificate(_)) && !self.is_server_trusted;
        if is_untrusted {
            return self.api.unreachable(why);
        }
        self.api.no_reply(why)
    }

    fn classify(&mut self, name: &str, reply: &Reply) -> Attempt<Polled> {
        let api = self.api;
        if reply.is_success() {
            return self.read(name, reply).map(Polled::State);
        }
        api.log_reply(name, reply, "");
        if reply.status == 404 && self.wait_started_at.elapsed() < NOT_FOUND_GRACE {
            return Ok(Polled::NotVisibleYet);
        }
        // What was resumed was not started here.
        let rejected = if self.is_resumed {
            Exit::Rejected
        } else {
            Exit::Unknown
        };
        if is_transient(reply.status) {
            let what = api.returned("the API", reply, "the poll");
            let error = Error::unknown(what).cause(api.cause(reply));
            return Err(Failure::Transient {
                error,
                retry_after: reply.retry_after,
            });
        }
        let mut error = api.rejection(rejected, "the poll", reply, Subject::Run);
        if !self.is_resumed {
            error = error.state(RunState::Continues);
        }
        error.is_unknown_run = self.is_resumed && reply.status == 404;
        Err(Failure::Permanent(error))
    }

    /// Reads a successful reply, and logs what is new in it.
    fn read(&mut self, name: &str, reply: &Reply) -> Attempt<PollState> {
        let session = self.api.session;
        let mut fresh = Vec::new();
        let parsed = Poll::parse(&reply.body, |index, kind| {
            let is_new = index >= self.logged_updates && fresh.len() < MAX_LOGGED_UPDATES;
            if is_new && session.stderr.is_tracing() {
                fresh.push(session.redactor.quote(&Untrusted(kind.to_owned())));
            }
        });
        let poll = match parsed {
            Ok(poll) => poll,
            Err(why) => {
                self.api.log_reply(name, reply, "");
                return Err(self.not_understood(&why, reply));
            }
        };
        let kind = session.redactor.quote(&poll.kind);
        self.api.log_reply(name, reply, &format!(", type {kind}"));
        for kind in fresh {
            session.stderr.trace(|| format!("update: {kind}"));
        }
        self.logged_updates = self.logged_updates.max(poll.updates);
        Ok(poll.state)
    }

    fn not_understood(&self, why: &str, reply: &Reply) -> Failure {
        let quoted = self.api.status_and_message(reply);
        let what = format!("cannot parse the reply to the poll ({why}: {quoted})");
        Failure::of(Error::unknown(with_portal_hint(what, reply)), true)
    }

    /// What the end of the run comes to.
    fn outcome(&self, ending: Ending) -> Result<Outcome, Error> {
        let failure = match ending {
            Ending::Success(output) if self.is_tool => return Ok(Outcome::ToolResult(output)),
            Ending::Success(output) => return Ok(Outcome::Answered(output)),
            Ending::Failure(failure) => failure,
        };
        let reason = self.api.reason(failure.errors.as_deref(), failure.status);
        let mut error = self.failed(&reason);
        error.run = Some(RunFailure {
            details: failure.errors,
            output: failure.output,
        });
        Err(error)
    }

    fn failed(&self, reason: &str) -> Error {
        Error::failed(format!("{reason} (run {})", self.run_id))
    }
}
