/*!
The run from its trigger to its end: whether to try again, how long to wait before, and the waiting.

A trigger costs money and sends e-mail, so it is repeated only when it certainly never reached the API or was turned
away unprocessed. A poll is idempotent, so it is repeated whatever went wrong, until the deadline. Nothing here watches
the deadline or the signals: the main thread does, and ends the process under this one's feet.
*/

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Fault, Reply};
use crate::error::{Error, Exit};
use crate::pace;
use crate::progress::{Facts, Progress, Stage};
use crate::settings::Settings;
use crate::terminal::Console;
use crate::wire::{self, Ending, Phase, Poll, Run, Triggered};

/// How often the trigger is sent at most.
const TRIGGER_ATTEMPTS: u32 = 5;
/// How long after the trigger a job may still be unknown to the API.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// One command's dealings with the API.
pub struct Session {
    pub client: Client,
    pub settings: Arc<Settings>,
    pub console: Arc<Console>,
    pub progress: Arc<Progress>,
    /// Poll at this fixed interval instead of adapting.
    pub interval: Option<Duration>,
    pub deadline: Deadline,
}

/// The end of the whole command's time, and how much that was.
#[derive(Clone, Copy)]
pub struct Deadline {
    /// `None` is no limit.
    pub at: Option<Instant>,
    pub timeout: Duration,
}

impl Deadline {
    /// `None` is no limit, or one too far away to be reached.
    pub fn new(started: Instant, timeout: Option<Duration>) -> Deadline {
        Deadline {
            at: timeout.and_then(|timeout| started.checked_add(timeout)),
            timeout: timeout.unwrap_or_default(),
        }
    }

    /// `None` is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        self.at
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// What it means for the deadline to pass now.
    pub fn passed(&self, facts: &Facts, settings: &Settings) -> Error {
        let after = format!("the timeout of {:?} passed", self.timeout);
        match facts.stage {
            Stage::Unsent => {
                let why = facts.trouble.as_deref().unwrap_or("nothing was started");
                Error::new(
                    Exit::Unreachable,
                    format!("{after} before the trigger was sent: {why}"),
                )
            }
            Stage::Sent => Error::new(
                Exit::Unknown,
                format!(
                    "{after} before the trigger was answered; {}",
                    may_have_started(facts, settings)
                ),
            ),
            Stage::Started => {
                let trouble = facts.trouble.as_ref();
                let trouble = trouble.map(|why| format!(" ({why})")).unwrap_or_default();
                Error::new(
                    Exit::TimedOut,
                    format!("{after} while the run was on{trouble}"),
                )
            }
            Stage::Reporting => Error::new(
                Exit::Unknown,
                format!("{after} while the answer was being written"),
            ),
        }
    }
}

/// What to do when a trigger may have reached the API.
pub fn may_have_started(facts: &Facts, settings: &Settings) -> String {
    let page = facts
        .agent_id
        .as_ref()
        .and_then(|id| settings.page(id, None));
    let place = page.unwrap_or_else(|| "the agent's page in the web app".to_owned());
    format!("the run may have been started, so look at {place} before you run it again")
}

/// What one attempt came to.
enum Verdict<T> {
    Done(T),
    /// Worth another attempt, no sooner than `after`. The error is the answer if there is none.
    Again {
        error: Error,
        after: Option<Duration>,
    },
    Stop(Error),
}

impl Session {
    /// Starts the run.
    ///
    /// # Errors
    /// `Refused` or `Unreachable`: nothing was started. `Unknown`: something may have been.
    pub fn trigger(&self, body: &[u8]) -> Result<Triggered, Error> {
        self.persist("trigger", TRIGGER_ATTEMPTS, |attempt| {
            self.console
                .detail(|| format!("trigger: attempt {attempt}, {} bytes", body.len()));
            self.progress.lock().stage = Stage::Unsent;
            self.judge_trigger(self.client.trigger(body))
        })
    }

    fn judge_trigger(&self, reply: Result<Reply, Fault>) -> Verdict<Triggered> {
        let stage = self.progress.lock().stage;
        let unknown = |what: String| {
            let advice = may_have_started(&self.progress.lock(), &self.settings);
            Error::new(Exit::Unknown, format!("{what}; {advice}"))
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(fault) if stage == Stage::Unsent => {
                let place = self.settings.place();
                let error = Error::new(
                    Exit::Unreachable,
                    format!(
                        "cannot reach {place}: {}; nothing was started",
                        fault.message
                    ),
                );
                return match fault.certificate {
                    true => Verdict::Stop(error),
                    false => Verdict::Again { error, after: None },
                };
            }
            Err(fault) => {
                return Verdict::Stop(unknown(format!(
                    "no reply to the trigger: {}",
                    fault.message
                )));
            }
        };
        self.detail_reply("trigger", &reply, "");
        match reply.status {
            200..=299 => match Triggered::parse(&reply.body) {
                Some(triggered) => {
                    let mut facts = self.progress.lock();
                    facts.stage = Stage::Started;
                    facts.run = Some(triggered.run.clone());
                    facts.conversation_id.clone_from(&triggered.conversation_id);
                    Verdict::Done(triggered)
                }
                None => {
                    let what = format!(
                        "the trigger was answered {} without a usable run id",
                        reply.status
                    );
                    Verdict::Stop(self.with_status(unknown(what), &reply))
                }
            },
            300..=499 => {
                // Turned away: as good as never sent.
                self.progress.lock().stage = Stage::Unsent;
                match reply.status {
                    429 => Verdict::Again {
                        error: self.refusal(
                            Exit::Unreachable,
                            "nothing was started: the trigger was turned away",
                            &reply,
                        ),
                        after: reply.retry_after,
                    },
                    _ => Verdict::Stop(self.refusal(
                        Exit::Refused,
                        "the API refused the trigger",
                        &reply,
                    )),
                }
            }
            _ => {
                let what = format!("the trigger was answered {}", self.quote(&reply));
                Verdict::Stop(self.with_status(unknown(what), &reply))
            }
        }
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
        let (mut seen, mut warned) = (0, false);
        // The phase of a reply that says the run is over and not how, and the form in which it was asked.
        let mut unexplained: Option<bool> = None;
        loop {
            let (mut poll_begun, mut in_full) = (begun, false);
            let poll = self.persist("poll", u32::MAX, |_| {
                let number = {
                    let mut facts = self.progress.lock();
                    facts.polls += 1;
                    facts.polls
                };
                poll_begun = Instant::now();
                // Either form may be short of the ending update: the ending one alone, or a list cut to a page.
                in_full = match unexplained {
                    Some(was_in_full) => !was_in_full,
                    None => self.console.is_verbose() || pace::asks_in_full(number),
                };
                let may_be_new = begun.elapsed() < NOT_FOUND_GRACE;
                let reply = self.client.poll(run, in_full);
                let verdict = self.judge_poll(number, reply, seen, resumed, trusted, may_be_new);
                trusted |= matches!(verdict, Verdict::Done(_));
                verdict
            })?;
            seen = seen.max(poll.updates);
            if let Some(ending) = poll.ending {
                return Ok(ending);
            }
            match poll.phase {
                Phase::Over if unexplained.is_some() => {
                    return Ok(Ending::Failure {
                        message: format!(
                            "it is {}, without a result and without a reason",
                            poll.kind
                        ),
                        details: None,
                        output: None,
                    });
                }
                Phase::Over => {
                    unexplained = Some(in_full);
                    continue;
                }
                Phase::Unheard if !warned => {
                    warned = true;
                    let kind = self.settings.token.clean(&poll.kind);
                    self.console.say(&format!(
                        "warning: the run's state is '{kind}', which is not known; still waiting"
                    ));
                }
                Phase::Unheard | Phase::Running => {}
            }
            unexplained = None;
            let pace = self
                .interval
                .unwrap_or_else(|| pace::pace(poll_begun.duration_since(begun)));
            thread::sleep(pace.saturating_sub(poll_begun.elapsed()));
        }
    }

    fn judge_poll(
        &self,
        number: u64,
        reply: Result<Reply, Fault>,
        seen: usize,
        resumed: bool,
        trusted: bool,
        may_be_new: bool,
    ) -> Verdict<Poll> {
        let lost = |what: String| Error::new(Exit::Unknown, what);
        let reply = match reply {
            Ok(reply) => reply,
            Err(fault) if fault.certificate && !trusted => {
                let what = format!("cannot reach {}: {}", self.settings.place(), fault.message);
                return Verdict::Stop(Error::new(Exit::Unreachable, what));
            }
            Err(fault) => {
                return Verdict::Again {
                    error: lost(fault.message),
                    after: None,
                };
            }
        };
        let name = format!("poll {number}");
        match reply.status {
            200..=299 => match Poll::parse(&reply.body, seen) {
                Ok(poll) => {
                    self.detail_reply(
                        &name,
                        &reply,
                        &format!(", {}", self.settings.token.clean(&poll.kind)),
                    );
                    for kind in &poll.fresh {
                        self.console
                            .detail(|| format!("update: {}", self.settings.token.clean(kind)));
                    }
                    Verdict::Done(poll)
                }
                Err(why) => {
                    self.detail_reply(&name, &reply, "");
                    Verdict::Again {
                        error: lost(format!("the reply is not understood: {why}")),
                        after: None,
                    }
                }
            },
            status => {
                self.detail_reply(&name, &reply, "");
                let transient =
                    matches!(status, 408 | 425 | 429 | 500..=599) || (status == 404 && may_be_new);
                if transient {
                    let error = lost(format!("the poll was answered {}", self.quote(&reply)));
                    return Verdict::Again {
                        error,
                        after: reply.retry_after,
                    };
                }
                let exit = if resumed {
                    Exit::Refused
                } else {
                    Exit::Unknown
                };
                Verdict::Stop(self.refusal(exit, "the API refused to say how the run is", &reply))
            }
        }
    }

    /// Attempts until a verdict is final or `limit` attempts are made, waiting longer after each failure.
    fn persist<T>(
        &self,
        what: &str,
        limit: u32,
        mut attempt: impl FnMut(u32) -> Verdict<T>,
    ) -> Result<T, Error> {
        let mut number = 0;
        loop {
            number += 1;
            let (error, after) = match attempt(number) {
                Verdict::Done(value) => {
                    self.progress.lock().trouble = None;
                    return Ok(value);
                }
                Verdict::Stop(error) => return Err(error),
                Verdict::Again { error, after } if number < limit => (error, after),
                Verdict::Again { error, .. } => return Err(error),
            };
            let delay = pace::backoff(number, chance()).max(after.unwrap_or_default());
            self.console.detail(|| {
                let seconds = delay.as_secs_f64();
                format!("{what}: {}; again in {seconds:.1} s", error.message)
            });
            let mut facts = self.progress.lock();
            facts.trouble = Some(error.message);
            if after.is_some()
                && self
                    .deadline
                    .remaining()
                    .is_some_and(|remaining| delay >= remaining)
            {
                let mut passed = self.deadline.passed(&facts, &self.settings);
                passed.http_status = error.http_status;
                return Err(passed);
            }
            drop(facts);
            thread::sleep(delay);
        }
    }

    fn detail_reply(&self, what: &str, reply: &Reply, more: &str) {
        self.console.detail(|| {
            let (status, seconds, size) =
                (reply.status, reply.took.as_secs_f64(), reply.body.len());
            format!("{what}: {status} in {seconds:.3} s, {size} bytes{more}")
        });
    }

    /// The status, and what the API said with it.
    fn quote(&self, reply: &Reply) -> String {
        let said = self.settings.token.clean(&wire::refusal_text(&reply.body));
        match said.as_str() {
            "" => reply.status.to_string(),
            said => format!("{}: {said}", reply.status),
        }
    }

    fn refusal(&self, exit: Exit, what: &str, reply: &Reply) -> Error {
        let advice = match reply.status {
            300..=399 => "redirects are not followed, so check RELEVANCE_BASE_URL",
            400 | 401 | 403 => {
                "check that the token, its project and RELEVANCE_REGION belong together"
            }
            404 => "check the id of the agent or run, and RELEVANCE_REGION",
            422 => "check the agent's id and the fields of --set",
            429 => "the plan's rate limit is reached, so try again later",
            _ => "mend it and try again",
        };
        let error = Error::new(exit, format!("{what} with {}; {advice}", self.quote(reply)));
        self.with_status(error, reply)
    }

    fn with_status(&self, error: Error, reply: &Reply) -> Error {
        Error {
            http_status: Some(reply.status),
            ..error
        }
    }
}

/// A number from 0 to 1, from the standard library's own source of randomness.
fn chance() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
