/*!
Whether to try again, how long to wait before, and the waiting; and one exchange with the API, as `-v` tells of it.

A trigger costs money and sends e-mail, so it is repeated only when it certainly never reached the API or was turned
away unprocessed. What only asks is idempotent, so it is repeated whatever went wrong with it. Nothing here watches the
deadline or the signals: the watcher ends the process under the main thread's feet.
*/

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pace;
use super::state::{Deadline, State};
use crate::api::client::{Fault, Reply};
use crate::api::token::Token;
use crate::api::wire;
use crate::output::exit::Error;
use crate::output::terminal::Console;

/// How often a trigger, and what is asked of the API without a run, is sent at most.
pub const ATTEMPTS: u32 = 5;

/// What one attempt came to, if not to what was wanted. The error is the outcome if there is no other attempt.
pub enum Failure {
    /// Worth another attempt, no sooner than this.
    Transient(Error, Option<Duration>),
    Permanent(Error),
}

/// What the attempts at one thing have in common.
pub struct Retry<'a> {
    /// What is attempted, for `-v`.
    pub what: &'static str,
    /// How many attempts there are at most.
    pub limit: u32,
    pub console: &'a Arc<Console>,
    pub state: &'a State,
    pub deadline: Deadline,
    pub token: &'a Token,
}

impl Retry<'_> {
    /// Attempts until it is settled or the limit is reached, waiting longer after each failure.
    pub fn until_settled<T>(&self, mut attempt: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, Error> {
        let mut number = 1;
        loop {
            let (error, after) = match attempt(number) {
                Ok(value) => {
                    self.state.trouble(None);
                    return Ok(value);
                }
                Err(Failure::Transient(error, after)) if number < self.limit => (error, after),
                Err(Failure::Transient(error, _) | Failure::Permanent(error)) => return Err(error),
            };
            let delay = pace::backoff(number, chance()).max(after.unwrap_or_default());
            let (why, seconds) = (&error.message, delay.as_secs_f64());
            self.console.detail(|| format!("{}: {why}; again in {seconds:.1} s", self.what));
            let http_status = error.http_status;
            self.state.trouble(error.message);
            if let (Some(after), Some(remaining)) = (after, self.deadline.remaining())
                && after >= remaining
            {
                let timeout = self.deadline.timeout;
                let what = format!("waiting {after:?} would pass the timeout of {timeout:?}");
                return Err(Error { http_status, ..self.state.lock().cut_short(None, &what) });
            }
            thread::sleep(delay);
            number = number.saturating_add(1);
        }
    }

    /// Tells what is sent, with `-vv`.
    pub fn tell_sent(&self, request: &str, body: &[u8]) {
        self.console.trace(|| format!("sent: {request} {}", self.token.transcribe(body)));
    }

    /// Tells of a reply, and with `-vv` also what came.
    pub fn tell_reply(&self, name: &str, reply: &Reply, more: &str) {
        let (status, seconds, size) = (reply.status, reply.took.as_secs_f64(), reply.body.len());
        self.console.detail(|| format!("{name}: {status} in {seconds:.3} s, {size} bytes{more}"));
        let body = || self.token.transcribe(&reply.body);
        self.console.trace(|| format!("received: {size} bytes: {}", body()));
    }

    /// The fault, as a part of a message.
    pub fn explain(&self, fault: &Fault) -> String {
        self.token.clean(&fault.message)
    }

    /// The status of a reply that is no use, and what the API said with it.
    pub fn quote(&self, reply: &Reply) -> String {
        let said = self.token.clean(&wire::refusal_text(&reply.body));
        let separator = if said.is_empty() { "" } else { ": " };
        format!("{}{separator}{said}", reply.status)
    }
}

/// What to do about a refusal with this status.
pub fn advice(reply: &Reply) -> &'static str {
    match reply.status {
        300..=399 => "redirects are not followed, so check RELEVANCE_BASE_URL",
        400 | 401 | 403 => "check that the token, its project and RELEVANCE_REGION belong together",
        402 => "the plan's credits are used up: add credits, or wait for the next period",
        404 if looks_like_html(&reply.body) => "there is no such path: check RELEVANCE_BASE_URL, which ends in /latest",
        404 => "check the id of the agent or run, and RELEVANCE_REGION",
        422 => "check the agent's id and the fields of --set",
        429 => "the plan's rate limit is reached, so try again later",
        _ => "mend it and try again",
    }
}

/// What to add about a success that is none of the API's.
pub fn suspicion(body: &[u8]) -> &'static str {
    match looks_like_html(body) {
        true => "; this is a web page and not the API: check for a login page of the network, and RELEVANCE_BASE_URL",
        false => "",
    }
}

fn looks_like_html(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// A number from 0 to 1, from the standard library's own source of randomness.
fn chance() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
