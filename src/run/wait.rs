/*!
Waiting for the run to end: a plain loop of polls and sleeps.
*/

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::pace;
use super::retry::{Failure, Retry, advice, suspicion};
use crate::api::client::{Client, Fault, Reply};
use crate::api::wire::{self, Ending, JobStatus, Poll, Run};
use crate::output::exit::{Error, Exit, error};
use crate::output::report::Outcome;

/// How long after the trigger a job may still be unknown to the API.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// The wait for one run.
pub struct Wait<'a> {
    pub client: &'a Client,
    pub retry: Retry<'a>,
    pub host: &'a str,
    pub run: &'a Run,
    /// Whether the run was started by another command, and nothing by this one (`--resume`).
    pub resumed: bool,
    /// Poll at this fixed interval instead of adapting.
    pub interval: Option<Duration>,
}

/// What is kept from one poll to the next.
struct Memory {
    begun: Instant,
    /// Polls begun.
    polls: u64,
    /// When the last one was begun, and whether it asked for the full list.
    last: (Instant, bool),
    /// How many updates have been told of.
    updates: usize,
    /// Whether a reply was had from a server that is trusted.
    trusted: bool,
    /// Of a last reply that says that the run is over and not how: whether it was asked for in full.
    unexplained: Option<bool>,
    warned: bool,
}

impl Wait<'_> {
    /// Polls until the run has ended.
    ///
    /// # Errors
    /// `Failed`: it ended without success. `Unknown`, or where it was resumed `Refused`: the API will not say how it
    /// ended. Where it was resumed also `Unreachable`: the server cannot be trusted.
    pub fn until_over(&self) -> Result<Outcome, Error> {
        let begun = Instant::now();
        let mut memory = Memory {
            begun,
            polls: 0,
            last: (begun, false),
            updates: 0,
            trusted: !self.resumed,
            unexplained: None,
            warned: false,
        };
        loop {
            let poll = self.retry.until_settled(|_| self.poll(&mut memory))?;
            let is_over = poll.status == JobStatus::Over;
            let was_over = memory.unexplained.is_some();
            memory.unexplained = is_over.then_some(memory.last.1);
            match (poll.ending, poll.status) {
                (Some(ending), _) => return self.conclude(ending),
                (None, JobStatus::Over) if was_over => {
                    let why = format!("it is {}, without a result and without a reason", poll.kind);
                    return self.conclude(Ending::Failure { details: None, otherwise: why, output: None });
                }
                (None, JobStatus::Over) => continue,
                (None, JobStatus::Unknown) if !memory.warned => {
                    memory.warned = true;
                    let kind = self.retry.token.clean(&poll.kind);
                    self.retry.console.say(format!("warning: the run's state '{kind}' is not known; still waiting"));
                }
                (None, JobStatus::Unknown | JobStatus::Running) => {}
            }
            let waited = memory.last.0.duration_since(begun);
            let pace = self.interval.unwrap_or_else(|| pace::pace(waited));
            thread::sleep(pace.saturating_sub(memory.last.0.elapsed()));
        }
    }

    /// One poll.
    fn poll(&self, memory: &mut Memory) -> Result<Poll, Failure> {
        memory.polls += 1;
        self.retry.state.lock().facts.polls = memory.polls;
        self.retry.console.polls.store(memory.polls, Ordering::SeqCst);
        // Either form may be short of the ending update: the ending one alone, or a list cut to a page.
        let in_full = match memory.unexplained {
            Some(was_in_full) => !was_in_full,
            None => self.retry.console.is_tracing() || pace::asks_in_full(memory.polls),
        };
        memory.last = (Instant::now(), in_full);
        let path = self.run.poll_path(in_full);
        self.retry.tell_sent(&format!("GET {}", self.client.url(&path)), b"");
        let reply = self.client.get(&path);
        let reply = reply.map_err(|fault| self.judge_fault(memory.trusted, &fault))?;
        memory.trusted = true;
        self.judge(memory, &reply)
    }

    fn judge_fault(&self, trusted: bool, fault: &Fault) -> Failure {
        let message = self.retry.explain(fault);
        if fault.is_certificate && !trusted {
            let host = self.host;
            return Failure::Permanent(error!(Unreachable, "cannot reach {host}: {message}"));
        }
        Failure::Transient(error!(Unknown, "{message}"), None)
    }

    fn judge(&self, memory: &mut Memory, reply: &Reply) -> Result<Poll, Failure> {
        let name = format!("poll {}", memory.polls);
        let status = reply.status;
        if !(200..300).contains(&status) {
            self.retry.tell_reply(&name, reply, "");
            let quoted = self.retry.quote(reply);
            let may_be_new = memory.begun.elapsed() < NOT_FOUND_GRACE;
            let is_transient = matches!(status, 408 | 425 | 429 | 500..) || status == 404 && may_be_new;
            if is_transient {
                let error = error!(Unknown, "the poll was answered {quoted}").with_status(status);
                return Err(Failure::Transient(error, reply.retry_after));
            }
            // What was resumed was not started here.
            let exit = if self.resumed { Exit::Refused } else { Exit::Unknown };
            let message = format!("the API refused the poll with {quoted}; {}", advice(reply));
            return Err(Failure::Permanent(Error::new(exit, message).with_status(status)));
        }
        let mut fresh = Vec::new();
        let poll = Poll::parse(&reply.body, |index, kind| {
            if self.retry.console.is_tracing() && index >= memory.updates {
                fresh.push(self.retry.token.clean(kind));
            }
        });
        let poll = poll.map_err(|why| {
            self.retry.tell_reply(&name, reply, "");
            let (quoted, suspicion) = (self.retry.quote(reply), suspicion(&reply.body));
            let error = error!(Unknown, "the poll's reply is not understood ({why}: {quoted}){suspicion}");
            Failure::Transient(error, None)
        })?;
        self.retry.tell_reply(&name, reply, &format!(", {}", self.retry.token.clean(&poll.kind)));
        for kind in fresh {
            self.retry.console.trace(|| format!("update: {kind}"));
        }
        memory.updates = memory.updates.max(poll.updates);
        Ok(poll)
    }

    /// What the end of the run comes to.
    fn conclude(&self, ending: Ending) -> Result<Outcome, Error> {
        let (details, otherwise, output) = match ending {
            Ending::Success { output } => return Ok(Outcome::Answered(output)),
            Ending::Failure { details, otherwise, output } => (details, otherwise, output),
        };
        let named = details.as_deref().map(wire::error_text).unwrap_or_default();
        let mut why = self.retry.token.clean(&named);
        if why.is_empty() {
            why = otherwise;
        }
        if why.is_empty() {
            why.push_str("it gives no reason");
        }
        let error = error!(Failed, "the run ended without success: {why} (run {})", self.run);
        Err(Error { details, output, ..error })
    }
}
