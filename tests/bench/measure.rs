/*! One command, measured. */

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

/// What a command used.
pub struct Usage {
    pub cpu_ms: f64,
    pub peak_mib: f64,
    pub wall_ms: f64,
}

/// A command that runs `program` under [`measure`], for [`usage`].
pub fn measured(program: impl AsRef<OsStr>) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--measure").arg(program).env_clear();
    Ok(command)
}

/// Runs a command that [`measured`] made.
pub fn usage(command: &mut Command) -> io::Result<Usage> {
    let output = command.output()?;
    assert!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut figures = text.split_whitespace().map(|word| word.parse::<f64>());
    let mut figure = || figures.next().unwrap().unwrap();
    Ok(Usage {
        cpu_ms: figure() / 1000.0,
        peak_mib: figure() / 1024.0,
        wall_ms: figure() / 1000.0,
    })
}

/// Runs a command and prints its CPU time in microseconds, its peak memory in KiB and its wall time
/// in microseconds.
///
/// This is a process of its own, so that the usage of its children is that of this command alone.
/// Linux counts this process's own memory as the least that a child used; where the command used
/// less, what `/proc` last said of it counts.
pub fn measure(
    program: &OsStr,
    arguments: impl Iterator<Item = std::ffi::OsString>,
) -> io::Result<()> {
    let started = Instant::now();
    let mut command = Command::new(program);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut sampled = 0;
    // The peak only grows, so the last sample is as good as the moment before the end.
    while let Some(kib) = peak_kib(child.id()) {
        sampled = kib;
    }
    let status = child.wait()?;
    let wall = started.elapsed().as_micros();
    let usage = |who| getrusage(who).map_err(io::Error::other);
    let (children, own) = (
        usage(UsageWho::RUSAGE_CHILDREN)?,
        usage(UsageWho::RUSAGE_SELF)?,
    );
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(children.user_time()) + micros(children.system_time());
    let peak = if children.max_rss() > own.max_rss() {
        children.max_rss()
    } else {
        sampled
    };
    assert!(
        status.success() || env::var_os("MAY_FAIL").is_some(),
        "{program:?} failed: {status}"
    );
    writeln!(io::stdout(), "{cpu} {peak} {wall}")
}

/// The peak memory of a process, or `None` once it has ended.
fn peak_kib(pid: u32) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
