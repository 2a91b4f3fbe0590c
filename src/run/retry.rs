/*! Whether to try again, how long to wait before, and the waiting.

A trigger costs money and sends e-mail, so it is repeated only when it certainly never reached the
API or was rejected unprocessed. Questions are idempotent, so they are repeated whatever went wrong
with them. Nothing here watches the deadline or the signals: the watchdog ends the process whatever
the main thread is doing. */

use super::pace;
use crate::error::Error;
use crate::session::Session;
use crate::session::verdict::Interruption;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::thread;
use std::time::Duration;

/// How often a trigger, and what is asked of the API without a run, is sent at most.
pub const ATTEMPTS: u32 = 5;
/// What a wait for a run allows: only the deadline ends it.
pub const UNTIL_DEADLINE: u32 = u32::MAX;

/// What one attempt came to, if not to what was wanted. The error is the outcome if there is no
/// other attempt.
#[derive(Debug)]
pub enum Failure {
    /// Worth another attempt, no sooner than the API asks for.
    Transient {
        error: Error,
        retry_after: Option<Duration>,
    },
    Permanent(Error),
}

impl Failure {
    /// An error that another attempt may get over, or not.
    pub fn of(error: Error, is_transient: bool) -> Failure {
        match is_transient {
            true => Failure::Transient {
                error,
                retry_after: None,
            },
            false => Failure::Permanent(error),
        }
    }

    pub fn into_error(self) -> Error {
        match self {
            Failure::Transient { error, .. } | Failure::Permanent(error) => error,
        }
    }
}

pub type Attempt<T> = Result<T, Failure>;

/// Makes up to `limit` attempts, and sleeps longer after each that failed. `what` is attempted, for
/// `-v`. Each attempt is given its number, from 1.
/// Errors: that of the last attempt; or at once, where the API asks to wait until past the
/// deadline.
pub fn with_retry<T>(
    session: &Session,
    what: &str,
    limit: u32,
    mut act: impl FnMut(u32) -> Attempt<T>,
) -> Result<T, Error> {
    let mut number = 1;
    loop {
        let (error, retry_after) = match act(number) {
            Ok(value) => {
                session.clear_last_error();
                return Ok(value);
            }
            Err(Failure::Transient { error, retry_after }) if number < limit => {
                (error, retry_after)
            }
            Err(failure) => return Err(failure.into_error()),
        };
        let delay = pace::backoff(number, jitter()).max(retry_after.unwrap_or_default());
        session.stderr.log(|| {
            format!(
                "{what}: {}; retrying in {:.1} s",
                error.what,
                delay.as_secs_f64()
            )
        });
        session.set_last_error(error.what.clone());
        if let (Some(asked), Some(timeout)) = (retry_after, session.timeout())
            && !session.has_time_for(asked)
        {
            let mut interrupted = session.interrupted(Interruption::RetryAfter { asked, timeout });
            interrupted.cause.clone_from(&error.cause);
            return Err(interrupted);
        }
        thread::sleep(delay);
        number = number.saturating_add(1);
    }
}

/// A number from 0 to 1, by chance: from the standard library's own source of randomness.
pub fn jitter() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
