/*!
Tests through the real binary, against the fake API on real sockets. This file is the table of contents.
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The command runner.
mod command;
/// The fake API, and the HTTP server below it.
#[allow(dead_code)]
#[path = "../fake/mod.rs"]
mod fake;
/// The scripted API.
mod script;

/// A proxy.
mod tunnel;

/// Where the answer is found, and the forms in which it is told.
mod answer;
/// The command line's corners.
mod arguments;
/// What blocks, and what must happen all the same.
mod blocked;
/// `--check`.
mod check;
/// Signals, the deadline, lost output.
mod ends;
/// The fake API itself, held against the vendor's document.
mod fake_api;
/// Servers that mean harm.
mod hostile;
/// Names, process 1 and an empty root; as root.
mod isolated;
/// The key, which stays where it is.
mod key;
/// Killed at every system call; needs strace.
mod killed;
/// Two hundred at once, and twenty thousand polls.
mod load;
/// What `-v` and `-vv` show.
mod looking;
/// The README and the help, held against each other.
mod manual;
/// The twenty likeliest mistakes, and what is said of each.
mod mistakes;
/// The rule for the pace.
mod pace;
/// Proxies, beside curl.
mod proxy;
/// The run file, and ends that tell.
mod run_file;
/// A terminal.
mod screen;
/// The scripted API itself.
mod scripted;
/// The environment.
mod settings;
/// Limits of minutes; run apart.
mod slow;
/// What is waited through.
mod survive;
/// Certificates.
mod tls;
/// What the trigger sends.
mod trigger;
/// What is sent again, and what is not.
mod twice;
/// The wait for the end, and its pace.
mod waiting;

/// Waits for an event, within a bound.
pub fn eventually(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(
            started.elapsed() < command::LIMIT,
            "waited in vain for {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// Tests that hold the program to a time and tests that keep every core busy do not run at the same time.
static MACHINE: RwLock<()> = RwLock::new(());

/// For as long as this is held, no test keeps the machine busy.
pub fn timed() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// For as long as this is held, no test is held to a time.
pub fn busy() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}
