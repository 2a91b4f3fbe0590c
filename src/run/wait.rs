/*! Waiting for the run to end: a plain loop of polls and sleeps. */

use super::pace;
use super::retry::{Api, Attempt, Failure, suspicion};
use crate::api::client::Reply;
use crate::api::wire::{self, Ending, Poll, Run};
use crate::output::exit::{Error, Exit, error};
use crate::output::report::Outcome;
use std::time::{Duration, Instant};
use std::{sync::atomic::Ordering, thread};

/// How long after the trigger a job may still be unknown to the API.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// Most new updates of one poll that are told of, with `-vv`.
const MAX_TOLD: usize = 1000;

/// The wait for one run, and what is kept from one poll to the next.
struct Wait<'a> {
    api: &'a Api<'a>,
    run: &'a Run,
    resumed: bool,
    begun: Instant,
    /// When the last one was begun, and whether it asked for the full list.
    last: (Instant, bool),
    /// How many updates have been told of.
    updates: usize,
    /// Whether a reply was had from a server that is trusted.
    trusted: bool,
    /// Of a last reply that says that the run is over and not how: whether it was asked for in full.
    unexplained: Option<bool>,
}

/// Polls until the run has ended, adapting to it or at a fixed interval. What was `resumed` was started by another
/// command, and nothing by this one.
/// Errors: `Failed`: it ended without success. `Unknown`, or where it was resumed `Refused`: the API will not say how
/// it ended. Where it was resumed also `Unreachable`: the server cannot be trusted.
pub fn until_over(
    api: &Api,
    run: &Run,
    resumed: bool,
    interval: Option<Duration>,
) -> Result<Outcome, Error> {
    let (begun, trusted) = (Instant::now(), !resumed);
    let last = (begun, false);
    let mut wait = Wait {
        api,
        run,
        resumed,
        begun,
        last,
        updates: 0,
        trusted,
        unexplained: None,
    };
    let mut warned = false;
    loop {
        let poll = api.until_settled("poll", u32::MAX, |_| wait.poll())?;
        let was_over = wait.unexplained.take().is_some();
        match (poll.ending, poll.kind.as_str()) {
            (Some(ending), _) => return wait.conclude(ending),
            (None, "complete" | "failed" | "cancelled") if was_over => {
                let why = format!("it is {}, without a result and without a reason", poll.kind);
                return wait.conclude(Ending::Failure {
                    details: None,
                    otherwise: why,
                    output: None,
                });
            }
            (None, "complete" | "failed" | "cancelled") => {
                wait.unexplained = Some(wait.last.1);
                continue;
            }
            // Running, and nothing new within the server's own budget.
            (None, "inprogress" | "timeout") => {}
            (None, unknown) if !warned => {
                warned = true;
                let kind = api.token.clean(unknown);
                api.shared.console.say(format!(
                    "warning: the run's state '{kind}' is not known; still waiting"
                ));
            }
            (None, _) => {}
        }
        let pace = interval.unwrap_or_else(|| pace::pace(wait.last.0.duration_since(begun)));
        thread::sleep(pace.saturating_sub(wait.last.0.elapsed()));
    }
}

impl Wait<'_> {
    fn poll(&mut self) -> Attempt<Poll> {
        let console = &self.api.shared.console;
        let polls = console.polls.fetch_add(1, Ordering::SeqCst) + 1;
        // Either form may be short of the ending update: the ending one alone, or a list cut to a page.
        let in_full = match self.unexplained {
            Some(was_in_full) => !was_in_full,
            None => console.is_tracing() || pace::asks_in_full(polls),
        };
        self.last = (Instant::now(), in_full);
        let Run { studio_id, job_id } = self.run;
        let query = if in_full {
            ""
        } else {
            "?ending_update_only=true"
        };
        let reply = self
            .api
            .get(&format!("/studios/{studio_id}/async_poll/{job_id}{query}"))
            .map_err(|error| {
                if error.is_certificate && !self.trusted {
                    return self.api.unreached(&error, "");
                }
                Failure::Transient(
                    error!(Unknown: "{}", self.api.token.clean(&error.message)),
                    None,
                )
            })?;
        self.trusted = true;
        self.judge(&format!("poll {polls}"), &reply)
    }

    fn judge(&mut self, name: &str, reply: &Reply) -> Attempt<Poll> {
        let (api, console) = (self.api, &self.api.shared.console);
        let (status, http_status) = (reply.status, Some(reply.status));
        if !(200..300).contains(&status) {
            api.tell_reply(name, reply, "");
            if status == 404 && self.begun.elapsed() < NOT_FOUND_GRACE {
                return Ok(Poll {
                    kind: "inprogress".to_owned(),
                    ending: None,
                    updates: 0,
                });
            }
            if matches!(status, 408 | 425 | 429 | 500..) {
                let error = error!(Unknown: "the poll was answered {}", api.quote(reply));
                return Err(Failure::Transient(
                    Error {
                        http_status,
                        ..error
                    },
                    reply.retry_after,
                ));
            }
            // What was resumed was not started here.
            let exit = if self.resumed {
                Exit::Refused
            } else {
                Exit::Unknown
            };
            let error = Error::new(
                exit,
                format!("the API refused the poll with {}", api.refusal(reply)),
            );
            return Err(Failure::Permanent(Error {
                http_status,
                ..error
            }));
        }
        let mut fresh = Vec::new();
        let poll = Poll::parse(&reply.body, |index, kind| {
            if console.is_tracing() && index >= self.updates && fresh.len() < MAX_TOLD {
                fresh.push(api.token.clean(kind));
            }
        });
        let poll = poll.map_err(|why| {
            api.tell_reply(name, reply, "");
            let (quoted, suspicion) = (api.quote(reply), suspicion(reply));
            let error =
                error!(Unknown: "the poll's reply is not understood ({why}: {quoted}){suspicion}");
            Failure::Transient(error, None)
        })?;
        api.tell_reply(name, reply, &format!(", {}", api.token.clean(&poll.kind)));
        fresh
            .into_iter()
            .for_each(|kind| console.trace(|| format!("update: {kind}")));
        self.updates = self.updates.max(poll.updates);
        Ok(poll)
    }

    /// What the end of the run comes to.
    fn conclude(&self, ending: Ending) -> Result<Outcome, Error> {
        let (details, otherwise, output) = match ending {
            Ending::Success(output) => return Ok(Outcome::Answered(output)),
            Ending::Failure {
                details,
                otherwise,
                output,
            } => (details, otherwise, output),
        };
        let named = self
            .api
            .token
            .clean(&details.as_deref().map(wire::error_text).unwrap_or_default());
        let why = [named, otherwise].into_iter().find(|why| !why.is_empty());
        let why = why.unwrap_or_else(|| "it gives no reason".to_owned());
        Err(Error {
            details,
            output,
            ..error!(Failed: "the run ended without success: {why} (run {})", self.run)
        })
    }
}
