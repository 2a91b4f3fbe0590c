/*! When to ask next: pure functions of the time waited, of what went wrong, and of chance.

The pace grows with the square root of the time waited: a short run is noticed quickly, a long one
costs few requests, and for runs whose length is not known no other rule is much better at every
length. Backoff doubles, as is usual for a shared service. Both are spread by chance, so that many
commands that started or failed together do not come back together. */

use std::time::Duration;

/// The pace after one second, in seconds.
const PACE: f64 = 0.4;
/// The shortest time from the start of one poll to the start of the next.
const MIN_PACE: Duration = Duration::from_millis(500);
/// The longest; more would be noticed by a person waiting.
const MAX_PACE: Duration = Duration::from_secs(10);
/// By how much of itself the pace is spread.
const PACE_SPREAD: f64 = 0.1;
/// The longest backoff, before it is spread.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// The first poll that asks in full although the short form would do, and that is followed by a
/// look at the task.
const FIRST_LOOK: u64 = 8;

/// From the start of a poll to the start of the next, where that poll started `waited` after the
/// wait began. `jitter` is from 0 to 1.
pub fn pace(waited: Duration, jitter: f64) -> Duration {
    let pace = Duration::from_secs_f64(PACE * waited.as_secs_f64().sqrt());
    pace.clamp(MIN_PACE, MAX_PACE)
        .mul_f64(1.0 - PACE_SPREAD + 2.0 * PACE_SPREAD * jitter)
}

/// How long to wait after `failures` failures in a row (1 or more): 1 s, doubling up to 30 s,
/// spread over half to one and a half of that by `jitter`, which is from 0 to 1.
pub fn backoff(failures: u32, jitter: f64) -> Duration {
    let doubled = Duration::from_secs(1 << failures.saturating_sub(1).min(5));
    doubled.min(MAX_BACKOFF).mul_f64(0.5 + jitter)
}

/// Whether poll number `poll` (from 1) asks for all updates, and is followed by a look at the task.
/// Powers of two: over a whole run that costs only a logarithm of requests.
pub fn is_look(poll: u64) -> bool {
    poll >= FIRST_LOOK && poll.is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_grows_with_the_square_root_within_its_bounds_and_is_spread() {
        for (waited, ms) in [
            (0, 500),
            (1, 500),
            (4, 800),
            (100, 4000),
            (625, 10_000),
            (9000, 10_000),
        ] {
            let waited = Duration::from_secs(waited);
            assert_eq!(pace(waited, 0.5).as_millis(), ms, "{waited:?}");
        }
        assert_eq!(pace(Duration::ZERO, 0.0).as_millis(), 450);
        assert_eq!(pace(Duration::ZERO, 1.0).as_millis(), 550);
    }

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
