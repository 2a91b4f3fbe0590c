/*!
Tests through the real binary, against the fake API on real sockets. This file is the table of
contents.
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::thread;
use std::time::{Duration, Instant};

pub use machine::{busy, timed};

/// The command runner.
mod command;
/// The binary against the fake API.
mod faked;
/// Who may keep the machine busy, and when.
mod machine;
/// The scripted API.
mod script;
/// Commands whose system calls are listed, killed at, or made to fail; needs strace.
mod traced;

/// A proxy.
mod tunnel;

/// Where the answer is found, and how a run is named and resumed.
mod answer;
/// The command line: every way to write it, and what is said of the other ways.
mod arguments;
/// What is sent again, and above all what is not.
mod at_most_once;
/// `--attach`: files that go with the message.
mod attachments;
/// What blocks, and what must happen all the same.
mod blocked;
/// `--check`: whether key, region, project and agent match.
mod check;
/// Run files that are claimed, and those that are left alone.
mod claim;
/// The deadline.
mod deadline;
/// Results that are delivered whole, or not.
mod delivery;
/// Disks that are slow, full, or mounted on one file alone; as root.
mod disk;
/// The help, the man page, the README and the completions, held against each other.
mod docs;
/// How a run ends: well, badly, late, or without a word.
mod ending;
/// The fake API itself, held against the vendor's document.
mod fake_api;
/// A task that is followed to its end.
mod followed;
/// A trigger whose reply is lost.
mod found;
/// A lost run that is found when the command is repeated, or not at all.
mod found_later;
/// What a lost run is looked for by.
mod found_names;
/// The job of a tool, by which its run can be looked for.
mod found_tools;
/// A continued conversation, whose lost run is recognised by its last message.
mod found_turns;
/// Servers that mean harm.
mod hostile;
/// Every system call fails once; needs strace.
mod injected;
/// Names, process 1 and an empty root; as root.
mod isolated;
/// The object of `--json`, for each outcome.
mod json;
/// The key, which stays where it is.
mod key;
/// Killed at every system call; needs strace.
mod killed;
/// What users read, held line by line.
mod lines;
/// Two hundred at once, and twenty thousand polls.
mod load;
/// What the message is made of, and standard input.
mod message;
/// The likeliest mistakes, and the line that says what to do about each.
mod mistakes;
/// Where `--output` writes, and what it leaves alone.
mod output;
/// The rule for the pace.
mod pace;
/// The URLs of the web app's pages.
mod pages;
/// `--param` and `--set`.
mod params;
/// What goes wrong with a poll and is waited through.
mod poll_faults;
/// Proxies, beside curl.
mod proxy;
/// A message that was queued into a run in progress.
mod queued;
/// The run file, and what its ends say.
mod run_file;
/// The scripted API itself.
mod scripted;
/// The environment: what each variable does, and the line that names the one to change.
mod settings;
/// Signals.
mod signals;
/// Limits of minutes; run apart.
mod slow;
/// The task: when it is asked, and what is said of it.
mod task;
/// A key that may not look at tasks.
mod task_denied;
/// The task's requests as they go wrong.
mod task_faults;
/// A terminal.
mod terminal;
/// Certificates.
mod tls;
/// `--tool`.
mod tools;
/// What the trigger sends.
mod trigger;
/// Which messages of a task count.
mod turns;
/// Another user than root, from whom the key is kept.
mod user;
/// What `-v` and `-vv` show.
mod verbose;
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
