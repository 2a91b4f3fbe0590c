/*!
The run from its trigger to its end: whether to try again, how long to wait before, and the waiting.

A trigger costs money and sends e-mail, so it is repeated only when it certainly never reached the API or was turned
away unprocessed. A poll is idempotent, so it is repeated whatever went wrong, until the deadline. Nothing here watches
the deadline or the signals: the main thread does, and ends the process under this one's feet.
*/

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Fault, Reply};
use crate::error::{Error, Exit, error};
use crate::pace;
use crate::progress::Stage;
use crate::session::Session;
use crate::wire::{self, Ending, Phase, Poll, Run, Triggered};

/// How often the trigger is sent at most.
const TRIGGER_ATTEMPTS: u32 = 5;
/// How long after the trigger a job may still be unknown to the API.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// What one attempt came to, if not to what was wanted.
enum Setback {
    /// Worth another attempt, no sooner than this. The error is the answer if there is none.
    Transient(Error, Option<Duration>),
    Final(Error),
}

impl Session {
    /// Starts the run.
    ///
    /// # Errors
    /// `Refused` or `Unreachable`: nothing was started. `Unknown`: something may have been.
    pub fn trigger(&self, body: &[u8]) -> Result<Triggered, Error> {
        self.persist("trigger", TRIGGER_ATTEMPTS, |attempt| {
            let size = body.len();
            self.console.detail(|| format!("trigger: attempt {attempt}, {size} bytes"));
            self.progress.lock().stage = Stage::Unsent;
            match self.client.trigger(body) {
                Ok(reply) => self.judge_trigger(&reply),
                Err(fault) => Err(self.judge_trigger_fault(fault)),
            }
        })
    }

    fn judge_trigger(&self, reply: &Reply) -> Result<Triggered, Setback> {
        self.detail_reply("trigger", reply, "");
        match reply.status {
            200..=299 => {
                let triggered = Triggered::parse(&reply.body).ok_or_else(|| {
                    self.may_have_started(&format!(
                        "the trigger's reply {} names no usable run",
                        reply.status
                    ))
                });
                let triggered =
                    triggered.map_err(|error| Setback::Final(error.with_status(reply.status)))?;
                let mut facts = self.progress.lock();
                facts.stage = Stage::Started;
                facts.run = Some(triggered.run.clone());
                facts.conversation_id.clone_from(&triggered.conversation_id);
                Ok(triggered)
            }
            300..=499 => {
                // Turned away: as good as never sent.
                self.progress.lock().stage = Stage::Unsent;
                let (quoted, advice) = (self.quote(reply), advice(reply.status));
                let (status, after) = (reply.status, reply.retry_after);
                Err(match status {
                    429 => {
                        let error = error!(
                            Unreachable,
                            "nothing was started: the trigger was answered {quoted}; {advice}"
                        );
                        Setback::Transient(error.with_status(status), after)
                    }
                    _ => {
                        let error =
                            error!(Refused, "the API refused the trigger with {quoted}; {advice}");
                        Setback::Final(error.with_status(status))
                    }
                })
            }
            _ => {
                let quoted = self.quote(reply);
                let error = self.may_have_started(&format!("the trigger was answered {quoted}"));
                Err(Setback::Final(error.with_status(reply.status)))
            }
        }
    }

    fn judge_trigger_fault(&self, fault: Fault) -> Setback {
        let Fault { message, certificate } = fault;
        if self.progress.lock().stage != Stage::Unsent {
            return Setback::Final(
                self.may_have_started(&format!("no reply to the trigger: {message}")),
            );
        }
        let place = self.settings.place();
        let error = error!(Unreachable, "cannot reach {place}: {message}; nothing was started");
        match certificate {
            true => Setback::Final(error),
            false => Setback::Transient(error, None),
        }
    }

    fn may_have_started(&self, what: &str) -> Error {
        let advice = self.progress.lock().may_have_started(&self.settings);
        error!(Unknown, "{what}; {advice}")
    }

    /// Waits for the run to end.
    ///
    /// # Errors
    /// `Unknown`, or with `resumed` `Refused`: the API will not say how the run ended. With `resumed` also
    /// `Unreachable`, where the server cannot be trusted.
    pub fn wait(&self, run: &Run, resumed: bool) -> Result<Ending, Error> {
        let begun = Instant::now();
        // The trigger's reply was had from a server whose certificate verified.
        let mut trusted = !resumed;
        let mut warned = false;
        // How many updates are known. Who is not told of them does not pay for them.
        let mut seen = if self.console.is_verbose() { 0 } else { usize::MAX };
        // Of a reply that says the run is over and not how: whether it was asked for in full.
        let mut unexplained: Option<bool> = None;
        loop {
            let (mut poll_begun, mut in_full) = (begun, false);
            let poll = self.persist("poll", u32::MAX, |_| {
                poll_begun = Instant::now();
                let number = self.progress.lock().count_poll();
                // Either form may be short of the ending update: the ending one alone, or a list cut to a page.
                in_full = match unexplained {
                    Some(was_in_full) => !was_in_full,
                    None => self.console.is_verbose() || pace::asks_in_full(number),
                };
                let reply = self.client.poll(run, in_full).map_err(|fault| {
                    if !fault.certificate || trusted {
                        return Setback::Transient(error!(Unknown, "{}", fault.message), None);
                    }
                    let place = self.settings.place();
                    Setback::Final(error!(Unreachable, "cannot reach {place}: {}", fault.message))
                })?;
                trusted = true;
                let may_be_new = begun.elapsed() < NOT_FOUND_GRACE;
                self.judge_poll(number, &reply, seen, may_be_new).map_err(|setback| match setback {
                    // What was resumed was not started here.
                    Setback::Final(error) if resumed => {
                        Setback::Final(Error { exit: Exit::Refused, ..error })
                    }
                    other => other,
                })
            })?;
            seen = seen.max(poll.updates);
            match (poll.ending, poll.phase) {
                (Some(ending), _) => return Ok(ending),
                (None, Phase::Over) if unexplained.is_some() => {
                    let message =
                        format!("it is {}, without a result and without a reason", poll.kind);
                    return Ok(Ending::Failure { message, details: None, output: None });
                }
                (None, Phase::Over) => {
                    unexplained = Some(in_full);
                    continue;
                }
                (None, Phase::Unheard) if !warned => {
                    warned = true;
                    let kind = self.settings.token.clean(&poll.kind);
                    self.console.say(&format!(
                        "warning: the run's state '{kind}' is not known; still waiting"
                    ));
                }
                (None, Phase::Unheard | Phase::Running) => {}
            }
            unexplained = None;
            let waited = poll_begun.duration_since(begun);
            let pace = self.interval.unwrap_or_else(|| pace::pace(waited));
            thread::sleep(pace.saturating_sub(poll_begun.elapsed()));
        }
    }

    fn judge_poll(
        &self,
        number: u64,
        reply: &Reply,
        seen: usize,
        may_be_new: bool,
    ) -> Result<Poll, Setback> {
        let name = format!("poll {number}");
        let status = reply.status;
        if !(200..=299).contains(&status) {
            self.detail_reply(&name, reply, "");
            let quoted = self.quote(reply);
            let is_transient =
                matches!(status, 408 | 425 | 429 | 500..) || (status == 404 && may_be_new);
            return Err(match is_transient {
                true => Setback::Transient(
                    error!(Unknown, "the poll was answered {quoted}"),
                    reply.retry_after,
                ),
                false => {
                    let advice = advice(status);
                    let error = error!(Unknown, "the API refused the poll with {quoted}; {advice}");
                    Setback::Final(error.with_status(status))
                }
            });
        }
        let poll = Poll::parse(&reply.body, seen).map_err(|why| {
            self.detail_reply(&name, reply, "");
            Setback::Transient(error!(Unknown, "the poll's reply is not understood: {why}"), None)
        })?;
        let clean = |text: &str| self.settings.token.clean(text);
        self.detail_reply(&name, reply, &format!(", {}", clean(&poll.kind)));
        for kind in &poll.fresh {
            self.console.detail(|| format!("update: {}", clean(kind)));
        }
        Ok(poll)
    }

    /// Attempts until it is settled or `limit` attempts are made, waiting longer after each failure.
    fn persist<T>(
        &self,
        what: &str,
        limit: u32,
        mut attempt: impl FnMut(u32) -> Result<T, Setback>,
    ) -> Result<T, Error> {
        let mut number = 1;
        loop {
            let (error, after) = match attempt(number) {
                Ok(value) => {
                    self.progress.lock().trouble = None;
                    return Ok(value);
                }
                Err(Setback::Transient(error, after)) if number < limit => (error, after),
                Err(Setback::Transient(error, _) | Setback::Final(error)) => return Err(error),
            };
            let delay = pace::backoff(number, chance()).max(after.unwrap_or_default());
            let (why, seconds) = (&error.message, delay.as_secs_f64());
            self.console.detail(|| format!("{what}: {why}; again in {seconds:.1} s"));
            let mut facts = self.progress.lock();
            let http_status = error.http_status;
            facts.trouble = Some(error.message);
            if after.is_some()
                && self.deadline.remaining().is_some_and(|remaining| delay >= remaining)
            {
                let what = format!(
                    "waiting {delay:?} would pass the timeout of {:?}",
                    self.deadline.timeout
                );
                let error = facts.cut_short(None, &what, &self.settings);
                return Err(Error { http_status, ..error });
            }
            drop(facts);
            thread::sleep(delay);
            number = number.saturating_add(1);
        }
    }

    fn detail_reply(&self, what: &str, reply: &Reply, more: &str) {
        let (status, seconds, size) = (reply.status, reply.took.as_secs_f64(), reply.body.len());
        self.console.detail(|| format!("{what}: {status} in {seconds:.3} s, {size} bytes{more}"));
    }

    /// The status of a reply that is no success, and what the API said with it.
    fn quote(&self, reply: &Reply) -> String {
        let said = self.settings.token.clean(&wire::refusal_text(&reply.body));
        let separator = if said.is_empty() { "" } else { ": " };
        format!("{}{separator}{said}", reply.status)
    }
}

/// What to do about a refusal with this status.
fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects are not followed, so check RELEVANCE_BASE_URL",
        400 | 401 | 403 => "check that the token, its project and RELEVANCE_REGION belong together",
        404 => "check the id of the agent or run, and RELEVANCE_REGION",
        422 => "check the agent's id and the fields of --set",
        429 => "the plan's rate limit is reached, so try again later",
        _ => "mend it and try again",
    }
}

/// A number from 0 to 1, from the standard library's own source of randomness.
fn chance() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
