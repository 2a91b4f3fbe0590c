/*! A run without a server: when a rule for the pace notices that it has ended. */

use std::time::Duration;

/// The number of polls, and the delay from the end of a run of this length to the start of the poll
/// that notices it. `next` is the time from the start of a poll to the start of the next, given
/// when the poll started.
pub fn notice(run: Duration, next: impl Fn(Duration) -> Duration) -> (u32, Duration) {
    let (mut polls, mut at) = (1, Duration::ZERO);
    while at < run {
        at += next(at);
        polls += 1;
    }
    (polls, at - run)
}
