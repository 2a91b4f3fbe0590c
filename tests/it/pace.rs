/*! What the rule for the pace promises, counted exactly. */

use std::time::Duration;

use relevance_run::run::pace::pace;

#[path = "../simulate.rs"]
mod simulate;

use simulate::notice;

/// The product's own rule, without its spread.
fn own(waited: Duration) -> Duration {
    pace(waited, 0.5)
}

fn fixed(seconds: u64) -> impl Fn(Duration) -> Duration {
    move |_| Duration::from_secs(seconds)
}

#[test]
fn polls_by_length_of_the_run() {
    for (seconds, polls) in [
        (1, 3),
        (3, 7),
        (10, 15),
        (30, 26),
        (60, 38),
        (600, 122),
        (3600, 422),
    ] {
        let run = Duration::from_secs(seconds);
        assert_eq!(notice(run, own).0, polls, "{seconds} s");
    }
}

#[test]
fn short_runs_are_noticed_sooner_and_long_ones_cost_fewer_requests_than_a_fixed_pace() {
    let mean = |rule: &dyn Fn(Duration) -> Duration| -> Duration {
        let delays = (1..1000).map(|step| notice(Duration::from_millis(step * 10), rule).1);
        delays.sum::<Duration>() / 999
    };
    assert!(mean(&own) * 3 < mean(&fixed(3)));
    for seconds in [30, 60, 120, 600, 3600] {
        let run = Duration::from_secs(seconds);
        let (polls, _) = notice(run, own);
        assert!(
            polls < notice(run, fixed(1)).0,
            "{seconds} s beside a fixed second"
        );
    }
}

#[test]
fn no_notice_is_later_than_the_longest_pace() {
    for ms in (0..4_000_000).step_by(997) {
        let run = Duration::from_millis(ms);
        let (_, delay) = notice(run, own);
        assert!(delay <= own(run), "{run:?} is noticed {delay:?} late");
    }
}
