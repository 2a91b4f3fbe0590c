/*! The watchdog: one thread that waits for a signal or the deadline, and ends the process whatever
the main thread is doing: a name lookup, a half-open connection, a full pipe, a disk that hangs.

Signals need a handler for more than the message: process 1 of a container ignores every signal that
has none. The watchdog itself never writes and never waits for a lock under which somebody writes.
What there is to say in the end is written by others, with a limit. */

use super::Session;
use super::known::Remote;
use super::verdict::{Interruption, verdict};
use crate::error::{Error, Exit};
use crate::text::io_reason;
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::flag;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::emulate_default_handler;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::panic;
use std::process;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Every signal that would end the process, can be caught, and is not a fault of the program.
const SIGNALS: [i32; 14] = [
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU, SIGVTALRM, SIGPROF,
    SIGIO, SIGABRT, SIGTRAP, SIGSYS,
];
/// And those that only Linux has: SIGSTKFLT and SIGPWR.
#[cfg(target_os = "linux")]
const MORE_SIGNALS: [i32; 2] = [16, 30];
#[cfg(not(target_os = "linux"))]
const MORE_SIGNALS: [i32; 0] = [];
/// Those whose default action leaves a core dump, in which the key would stand.
const DUMPING_SIGNALS: [i32; 5] = [SIGQUIT, SIGXCPU, SIGABRT, SIGTRAP, SIGSYS];

/// Longest that the end waits for a result that is being written, which is nearly always written by
/// then.
const REPORT_GRACE: Duration = Duration::from_millis(100);
/// Longest that it then waits for its own messages to be read.
const MESSAGE_GRACE: Duration = Duration::from_millis(600);
/// Longest for what is removed in the end.
const CLEANUP_GRACE: Duration = Duration::from_millis(100);
/// The end is never later than this.
const _: () = assert!(
    REPORT_GRACE.as_millis() + MESSAGE_GRACE.as_millis() + CLEANUP_GRACE.as_millis() < 1000
);
/// Pause after a read error that is not a timeout.
const READ_RETRY: Duration = Duration::from_millis(100);

/// Starts watching. A signal that was ignored from the start stays so: `nohup` and a script's `&`
/// ask for just that.
/// Errors: there is no thread to be had.
pub fn start(session: &Arc<Session>) -> Result<(), Error> {
    begin(session).map_err(|why| Error::unreachable(format!("cannot start: {}", io_reason(&why))))
}

fn begin(session: &Arc<Session>) -> io::Result<()> {
    let ignored = ignored_mask();
    let signals = SIGNALS
        .into_iter()
        .chain(MORE_SIGNALS)
        .filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let (wakes, wake) = UnixStream::pair()?;
    let mut caught = SignalDelivery::with_pipe(wakes, wake, SignalOnly, signals)?;
    // A limit on the size of files is then an error of the write, and not the end.
    flag::register(SIGXFSZ, Arc::default())?;
    end_on_panic(session);
    let session = Arc::clone(session);
    thread::Builder::new().spawn(move || {
        loop {
            let remaining = session.remaining();
            if remaining == Some(Duration::ZERO) {
                end(
                    &session,
                    Interruption::Deadline(session.timeout().unwrap_or_default()),
                );
            }
            wait(caught.get_read(), remaining.map(slice));
            if let Some(signal) = caught.pending().next() {
                end(&session, Interruption::Signal(signal as u8));
            }
        }
    })?;
    Ok(())
}

/// Waits for a signal, or for this long.
fn wait(mut wakes: &UnixStream, limit: Option<Duration>) {
    let waited = wakes
        .set_read_timeout(limit)
        .and_then(|()| wakes.read(&mut [0]));
    if let Err(why) = waited
        && !matches!(
            why.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        )
    {
        thread::sleep(limit.unwrap_or(READ_RETRY).min(READ_RETRY));
    }
}

/// How long to wait in one go, so that the end of `remaining` is not missed: the kernel may end a
/// socket's timeout late by an eighth of its length.
fn slice(remaining: Duration) -> Duration {
    const FINE: Duration = Duration::from_millis(500);
    if remaining <= FINE {
        return remaining;
    }
    (remaining * 3 / 4).max(FINE / 2)
}

/// The signals ignored now, bit n-1 for signal n. Where there is no `/proc` (an empty root) none
/// are: there the program is the container's own command.
fn ignored_mask() -> u64 {
    // Nearly always it fits, and is read in one go.
    let mut status = String::with_capacity(4096);
    let _ = File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status));
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// A panic is an end like any other, with the line that tells how to resume.
fn end_on_panic(session: &Arc<Session>) {
    let session = Arc::clone(session);
    panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let session = Arc::clone(&session);
        // In another thread: this one must not wait for a lock that it may hold. Where it does hold
        // it, the process aborts after a second.
        let ended = thread::Builder::new().spawn(move || end(&session, Interruption::Panic(place)));
        if ended.is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    }));
}

/// Ends the process.
fn end(session: &Arc<Session>, why: Interruption) -> ! {
    // Held to the very end: no trigger begins any more, no exit code is fixed, and the main thread
    // prints nothing.
    let mut state = session.lock_after_report(REPORT_GRACE);
    let error = state.interrupted(why);
    let known = state.known().clone();
    let exit = state.final_exit().unwrap_or(error.exit);
    let unrecorded = state.unrecorded().cloned();
    let verdict = verdict(Err(&error), None, &known);
    let mut lines = state.take_lines();
    if state.final_exit().is_none() {
        lines.extend(verdict.lines);
    }
    for line in lines {
        session.stderr.message(line);
    }
    let messages_since = Instant::now();
    let is_working = state.is_working();
    let cleaned = in_background(session, move |session| {
        // Nothing remains of a result that is half written.
        session.sink().discard();
        if is_working && known.remote == Remote::Unsent {
            release_run_file(session, verdict.keeps_run_file);
        }
        if is_working && session.sink.get().is_some() {
            // There is nobody left to report a failure to.
            let _ = session.deliver(Err(&error), &known);
        }
        if let (Some(journal), Some(run)) = (session.journal.get(), unrecorded) {
            // The last attempt of several; that the others failed was reported.
            let _ = journal.record(&run);
        }
    });
    session.stderr.flush(Some(MESSAGE_GRACE));
    let left = MESSAGE_GRACE.saturating_sub(messages_since.elapsed());
    if cleaned.recv_timeout(left).is_err() {
        // It is still writing the JSON object, which nobody reads: its temporary file goes.
        let discarded = in_background(session, |session| session.sink().discard());
        let _ = discarded.recv_timeout(CLEANUP_GRACE);
    }
    exit_as(exit)
}

/// Nothing was started: the run file goes, or says so where it is kept. That it may say more than
/// is true, where this fails, is safe.
fn release_run_file(session: &Session, is_kept: bool) {
    if let Some(journal) = session.journal.get() {
        let _ = match is_kept {
            true => journal.retract(),
            false => journal.remove(),
        };
    }
}

/// Does something that may block. Its receiver hears when it is done, or that there is no thread
/// for it.
fn in_background(
    session: &Arc<Session>,
    act: impl FnOnce(&Session) + Send + 'static,
) -> mpsc::Receiver<()> {
    let (done, finished) = mpsc::channel();
    let session = Arc::clone(session);
    // Dropped with the closure where there is no thread, which ends the wait.
    let _ = thread::Builder::new().spawn(move || {
        act(&session);
        done.send(())
    });
    finished
}

/// Exits with the code, or by the signal, so that a shell's loop stops as well. Process 1 cannot be
/// ended by a signal that it sends itself; and without unsafe code there is no way to be ended by
/// SIGIO, or by what only Linux has. A shell shows the same number for either.
fn exit_as(exit: Exit) -> ! {
    if let Exit::Signal(signal) = exit {
        let signal = i32::from(signal);
        if process::id() != 1 && !DUMPING_SIGNALS.contains(&signal) {
            // It returns where the signal is not one that it can emulate.
            let _ = emulate_default_handler(signal);
        }
    }
    process::exit(exit.code().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_met_however_long_it_is_and_however_late_the_kernel_wakes() {
        for seconds in [1, 25, 150, 1800, 86_400 * 30] {
            let timeout = Duration::from_secs(seconds);
            let (mut remaining, mut late, mut wakes) = (timeout, Duration::ZERO, 0);
            while remaining > Duration::ZERO {
                let waited = slice(remaining);
                let woken_after = waited + waited / 8;
                late = woken_after.saturating_sub(remaining);
                remaining = remaining.saturating_sub(woken_after);
                wakes += 1;
            }
            assert!(
                late < Duration::from_millis(100),
                "{seconds} s: {late:?} late"
            );
            assert!(wakes < 25, "{seconds} s: {wakes} wakes");
        }
    }
}
