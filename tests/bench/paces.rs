/*! The pace, from the pure function, beside other rules. */

use std::io::{self, Write};
use std::time::Duration;

use relevance_run::run::pace::pace;

use crate::simulate::notice;

/// From the time waited to the time until the next poll.
type Rule = dyn Fn(Duration) -> Duration;

/// Runs of about this many seconds, each with its share of all.
type Mixture = &'static [(f64, u64)];

const RUNS: [(&str, Mixture); 9] = [
    ("1 s", &[(1.0, 1)]),
    ("3 s", &[(1.0, 3)]),
    ("10 s", &[(1.0, 10)]),
    ("30 s", &[(1.0, 30)]),
    ("1 min", &[(1.0, 60)]),
    ("2 min", &[(1.0, 120)]),
    ("10 min", &[(1.0, 600)]),
    ("1 h", &[(1.0, 3600)]),
    ("85 % 20 s, 15 % 3 min", &[(0.85, 20), (0.15, 180)]),
];

pub fn paces(out: &mut impl Write) -> io::Result<()> {
    let rules: [(&str, &Rule); 4] = [
        ("relevance-run", &|waited| pace(waited, 0.5)),
        ("a tenth of the time waited", &|waited| {
            (waited / 10).clamp(Duration::from_millis(500), Duration::from_secs(10))
        }),
        ("fixed 3 s (sample)", &|_| Duration::from_secs(3)),
        ("fixed 1 s (SDK)", &|_| Duration::from_secs(1)),
    ];
    writeln!(
        out,
        "\nPolls, and mean and worst delay in s from a run's end to its notice, \
         for runs up to a tenth longer or shorter"
    )?;
    write!(out, "{:<22}", "run")?;
    for (name, _) in &rules {
        write!(out, "{name:>28}")?;
    }
    writeln!(out)?;
    for (name, mixture) in RUNS {
        write!(out, "{name:<22}")?;
        for (_, rule) in &rules {
            let (polls, mean, worst) = of_mixture(mixture, rule);
            let cell = format!("{polls:.1} polls, {mean:.2}, {worst:.2}");
            write!(out, "{cell:>28}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The mean number of polls, and the mean and the worst delay in seconds.
fn of_mixture(mixture: Mixture, rule: &Rule) -> (f64, f64, f64) {
    let (mut polls, mut mean, mut worst) = (0.0, 0.0, 0.0_f64);
    for (share, seconds) in mixture {
        let around = (900..=1100).map(|per_mille| Duration::from_secs(*seconds) * per_mille / 1000);
        let noticed: Vec<(u32, Duration)> = around.map(|run| notice(run, rule)).collect();
        let weight = share / noticed.len() as f64;
        for (count, delay) in noticed {
            polls += weight * f64::from(count);
            mean += weight * delay.as_secs_f64();
            worst = worst.max(delay.as_secs_f64());
        }
    }
    (polls, mean, worst)
}
