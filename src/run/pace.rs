/*! When to ask next: pure functions of the time waited and of what went wrong.

The pace is a tenth of the time waited so far, so that a short run is noticed quickly, a long one costs few requests,
and the notice never comes later than a tenth of the run's length. Backoff doubles, as is usual for a shared service,
and is spread by chance so that many jobs that failed together do not come back together. */

use std::time::Duration;

/// The shortest time from the start of one poll to the start of the next.
const MIN_PACE: Duration = Duration::from_millis(500);
/// The longest; more would be noticed by a person waiting.
const MAX_PACE: Duration = Duration::from_secs(10);
/// The longest backoff, before it is spread.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// The first poll that asks in full although the short form would do.
const FIRST_FULL_POLL: u64 = 8;

/// From the start of a poll to the start of the next, where that poll started `waited` after the wait began.
pub fn pace(waited: Duration) -> Duration {
    (waited / 10).clamp(MIN_PACE, MAX_PACE)
}

/// How long to wait after `failures` failures in a row (1 or more): 1 s, doubling up to 30 s, spread over
/// half to one and a half of that by `chance`, which is from 0 to 1.
pub fn backoff(failures: u32, chance: f64) -> Duration {
    let doubled = Duration::from_secs(1 << failures.saturating_sub(1).min(5));
    doubled.min(MAX_BACKOFF).mul_f64(0.5 + chance)
}

/// Whether poll number `poll` (from 1) asks for the full list, in case the short form withholds an end.
/// Powers of two: over a whole run the full list is fetched only a logarithm of times.
pub fn asks_in_full(poll: u64) -> bool {
    poll >= FIRST_FULL_POLL && poll.is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound_and_is_spread() {
        for (failures, seconds) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (3, 4),
            (5, 16),
            (6, 30),
            (u32::MAX, 30),
        ] {
            assert_eq!(
                backoff(failures, 0.5),
                Duration::from_secs(seconds),
                "{failures} failures"
            );
        }
        assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
        assert_eq!(backoff(1, 1.0), Duration::from_millis(1500));
    }
}
