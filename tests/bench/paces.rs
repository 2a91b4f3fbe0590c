/*! The pace, from the pure function, beside other rules. */

use std::io::{self, Write};
use std::time::Duration;

use relevance_run::run::pace::pace;

use crate::simulate::notice;

/// From the time waited to the time until the next poll.
type Rule = dyn Fn(Duration) -> Duration;

/// A share of all runs, and about how many seconds they take.
type Share = (f64, u64);

const RUNS: [(&str, &[Share]); 9] = [
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

/// What a rule comes to.
#[derive(Default)]
struct Figures {
    mean_polls: f64,
    /// In seconds, from a run's end to its notice.
    mean_delay: f64,
    worst_delay: f64,
}

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
    for (name, shares) in RUNS {
        write!(out, "{name:<22}")?;
        for (_, rule) in &rules {
            let figures = figures(shares, rule);
            let cell = format!(
                "{:.1} polls, {:.2}, {:.2}",
                figures.mean_polls, figures.mean_delay, figures.worst_delay
            );
            write!(out, "{cell:>28}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn figures(shares: &[Share], rule: &Rule) -> Figures {
    let mut figures = Figures::default();
    for (share, seconds) in shares {
        let around = (900..=1100).map(|per_mille| Duration::from_secs(*seconds) * per_mille / 1000);
        let noticed: Vec<(u32, Duration)> = around.map(|run| notice(run, rule)).collect();
        let weight = share / noticed.len() as f64;
        for (polls, delay) in noticed {
            let delay = delay.as_secs_f64();
            figures.mean_polls += weight * f64::from(polls);
            figures.mean_delay += weight * delay;
            figures.worst_delay = figures.worst_delay.max(delay);
        }
    }
    figures
}
