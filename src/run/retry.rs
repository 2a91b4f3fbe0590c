/*! One exchange with the API, as `-v` tells of it; whether to try again, how long to wait before, and the waiting.

A trigger costs money and sends e-mail, so it is repeated only when it certainly never reached the API or was turned
away unprocessed. What only asks is idempotent, so it is repeated whatever went wrong with it. Nothing here watches the
deadline or the signals: the watcher ends the process under the main thread's feet. */

use super::{pace, state::Shared};
use crate::api::client::{Client, Reply, TransportError};
use crate::api::{token::Token, wire};
use crate::output::exit::{Error, error};
use std::{collections::hash_map::RandomState, hash::BuildHasher, thread, time::Duration};

/// How often a trigger, and what is asked of the API without a run, is sent at most.
pub const ATTEMPTS: u32 = 5;

/// What one attempt came to, if not to what was wanted. The error is the outcome if there is no other attempt.
pub enum Failure {
    /// Worth another attempt, no sooner than this.
    Transient(Error, Option<Duration>),
    Permanent(Error),
}
pub type Attempt<T> = Result<T, Failure>;

/// The API, and what is told and kept of each exchange with it.
pub struct Api<'a> {
    pub client: Client,
    /// Where requests go, for messages.
    pub host: String,
    pub token: &'a Token,
    pub shared: &'a Shared,
}

impl Api<'_> {
    /// Attempts until it is settled or `limit` attempts were made, waiting longer after each failure. `what` is
    /// attempted, for `-v`.
    pub fn until_settled<T>(
        &self,
        what: &str,
        limit: u32,
        mut act: impl FnMut(u32) -> Attempt<T>,
    ) -> Result<T, Error> {
        let mut number = 1;
        loop {
            let (error, after) = match act(number) {
                Ok(value) => {
                    self.shared.trouble(None);
                    return Ok(value);
                }
                Err(Failure::Transient(error, after)) if number < limit => (error, after),
                Err(Failure::Transient(error, _) | Failure::Permanent(error)) => return Err(error),
            };
            // The standard library's own source of randomness.
            let chance = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
            let delay = pace::backoff(number, chance).max(after.unwrap_or_default());
            let (why, seconds) = (&error.message, delay.as_secs_f64());
            self.shared
                .console
                .detail(|| format!("{what}: {why}; again in {seconds:.1} s"));
            let http_status = error.http_status;
            self.shared.trouble(error.message);
            if let (Some(after), Some(timeout), Some(remaining)) =
                (after, self.shared.timeout, self.shared.remaining())
                && after >= remaining
            {
                let what = format!("waiting {after:?} would pass the timeout of {timeout:?}");
                return Err(Error {
                    http_status,
                    ..self.shared.lock().cut_short(None, &what)
                });
            }
            thread::sleep(delay);
            number = number.saturating_add(1);
        }
    }

    /// `GET` of a path below the base URL; with `-vv` it is told.
    pub fn get(&self, path: &str) -> Result<Reply, TransportError> {
        self.tell_sent("GET", path, b"");
        self.client.get(path)
    }

    /// Tells what is sent, with `-vv`.
    pub fn tell_sent(&self, method: &str, path: &str, body: &[u8]) {
        let url = self.client.url(path);
        self.shared
            .console
            .trace(|| format!("sent: {method} {url} {}", self.token.transcribe(body)));
    }

    /// Tells of a reply, and with `-vv` also what came.
    pub fn tell_reply(&self, name: &str, reply: &Reply, more: &str) {
        let (status, seconds, size) = (reply.status, reply.took.as_secs_f64(), reply.body.len());
        self.shared
            .console
            .detail(|| format!("{name}: {status} in {seconds:.3} s, {size} bytes{more}"));
        self.shared.console.trace(|| {
            format!(
                "received: {size} bytes: {}",
                self.token.transcribe(&reply.body)
            )
        });
    }

    /// The failure to get any reply: worth another attempt, unless the server is not to be trusted.
    pub fn unreached(&self, why: &TransportError, more: &str) -> Failure {
        let error = error!(Unreachable: "cannot reach {}: {}{more}", self.host, self.token.clean(&why.message));
        if why.is_certificate {
            Failure::Permanent(error)
        } else {
            Failure::Transient(error, None)
        }
    }

    /// The status of a reply that is no use, and what the API said with it.
    pub fn quote(&self, reply: &Reply) -> String {
        let said = self.token.clean(&wire::refusal_text(&reply.body));
        let separator = if said.is_empty() { "" } else { ": " };
        format!("{}{separator}{said}", reply.status)
    }

    /// The same, and what to do about it.
    pub fn refusal(&self, reply: &Reply) -> String {
        let advice = match reply.status {
            300..=399 => "redirects are not followed, so check RELEVANCE_BASE_URL",
            400 | 401 | 403 => {
                "check that the token, its project and RELEVANCE_REGION belong together"
            }
            402 => "the plan's credits are used up: add credits, or wait for the next period",
            404 if is_html(reply) => {
                "there is no such path: check RELEVANCE_BASE_URL, which ends in /latest, and the ids"
            }
            404 => "check the id of the agent or run, and RELEVANCE_REGION",
            422 => "check the agent's id and the fields of --set",
            429 => "the plan's rate limit is reached, so try again later",
            _ => "mend it and try again",
        };
        format!("{}; {advice}", self.quote(reply))
    }
}

/// What to add about a success that is none of the API's.
pub fn suspicion(reply: &Reply) -> &'static str {
    const PAGE: &str = "; this is a web page and not the API: check for a login page of the network, and \
        RELEVANCE_BASE_URL";
    if is_html(reply) { PAGE } else { "" }
}

fn is_html(reply: &Reply) -> bool {
    reply.body.trim_ascii_start().starts_with(b"<")
}
