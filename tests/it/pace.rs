/*! What the rule for the pace promises, counted exactly. */

use std::time::Duration;

#[allow(dead_code)]
#[path = "../../src/run/pace.rs"]
mod rule;
#[path = "../simulate.rs"]
mod simulate;

use rule::pace;
use simulate::notice;

fn fixed(seconds: u64) -> impl Fn(Duration) -> Duration {
    move |_| Duration::from_secs(seconds)
}

#[test]
fn polls_by_length_of_the_run() {
    for (seconds, polls) in [
        (1, 3),
        (3, 7),
        (10, 19),
        (30, 30),
        (120, 45),
        (600, 93),
        (3600, 393),
    ] {
        assert_eq!(
            notice(Duration::from_secs(seconds), pace).0,
            polls,
            "{seconds} s"
        );
    }
}

#[test]
fn the_notice_is_never_later_than_half_a_second_or_a_tenth_of_the_run() {
    for ms in (0..4_000_000).step_by(997) {
        let run = Duration::from_millis(ms);
        let (_, delay) = notice(run, pace);
        assert!(
            delay <= Duration::from_millis(500).max(run / 10),
            "{run:?} is noticed {delay:?} late"
        );
    }
}

#[test]
fn short_runs_are_noticed_sooner_and_long_ones_cost_fewer_requests_than_a_fixed_pace() {
    let mean = |rule: &dyn Fn(Duration) -> Duration| -> Duration {
        let delays = (1..1000).map(|step| notice(Duration::from_millis(step * 10), rule).1);
        delays.sum::<Duration>() / 999
    };
    assert!(mean(&pace) * 4 < mean(&fixed(3)));
    for seconds in [70, 120, 600, 3600] {
        let run = Duration::from_secs(seconds);
        assert!(
            notice(run, pace).0 < notice(run, fixed(1)).0,
            "{seconds} s beside a fixed second"
        );
    }
    for seconds in [180, 600, 3600] {
        let run = Duration::from_secs(seconds);
        assert!(
            notice(run, pace).0 < notice(run, fixed(3)).0,
            "{seconds} s beside a fixed three seconds"
        );
    }
}

#[test]
fn the_pace_is_a_tenth_of_the_time_waited_within_bounds() {
    for (waited_ms, pace_ms) in [
        (0, 500),
        (5_000, 500),
        (20_000, 2_000),
        (100_000, 10_000),
        (3_600_000, 10_000),
    ] {
        assert_eq!(
            pace(Duration::from_millis(waited_ms)),
            Duration::from_millis(pace_ms),
            "waited {waited_ms} ms"
        );
    }
}

#[test]
fn full_polls_are_powers_of_two_from_eight_on() {
    let full: Vec<u64> = (1..=100).filter(|&poll| rule::asks_in_full(poll)).collect();
    assert_eq!(full, [8, 16, 32, 64]);
}
