/*! The pace, from the pure function. */

use std::io::{self, Write};
use std::time::Duration;

use relevance_run::run::pace::pace;

use crate::simulate::notice;

pub fn paces(out: &mut impl Write) -> io::Result<()> {
    let lengths = [
        (1, "1 s"),
        (3, "3 s"),
        (10, "10 s"),
        (30, "30 s"),
        (120, "2 min"),
        (600, "10 min"),
        (3600, "1 h"),
    ];
    writeln!(
        out,
        "Polls, and mean and worst delay in s from a run's end to its notice, \
         for runs up to a tenth longer or shorter"
    )?;
    writeln!(
        out,
        "{:<10}{:>26}{:>26}{:>26}",
        "run", "relevance-run", "fixed 3 s (sample)", "fixed 1 s (SDK)"
    )?;
    let rules: [&dyn Fn(Duration) -> Duration; 3] = [
        &|waited| pace(waited, 0.5),
        &|_| Duration::from_secs(3),
        &|_| Duration::from_secs(1),
    ];
    for (seconds, name) in lengths {
        write!(out, "{name:<10}")?;
        for rule in rules {
            let around =
                (900..=1100).map(|thousandth| Duration::from_secs(seconds) * thousandth / 1000);
            let noticed: Vec<(u32, Duration)> = around.map(|run| notice(run, rule)).collect();
            let mean = noticed
                .iter()
                .map(|(_, delay)| delay.as_secs_f64())
                .sum::<f64>()
                / noticed.len() as f64;
            let worst = noticed
                .iter()
                .map(|(_, delay)| delay.as_secs_f64())
                .fold(0.0, f64::max);
            let polls = notice(Duration::from_secs(seconds), rule).0;
            write!(
                out,
                "{:>26}",
                format!("{polls} polls, {mean:.2}, {worst:.2}")
            )?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}
