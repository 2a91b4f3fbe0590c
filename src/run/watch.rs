/*! The watcher: one thread that waits for a signal or the deadline, and ends the process whatever the main thread is
in: a name lookup, a half-open connection, a full pipe, a disk that hangs.

SIGINT, SIGTERM, SIGHUP and SIGQUIT need a handler for more than the message: process 1 of a container ignores every
signal that has none. The watcher itself never writes and never waits for a lock under which somebody writes. What there
is to say in the end is said by others, with a limit. */

use super::run_file::RunFile;
use super::state::{Phase, Shared};
use crate::output::exit::Exit;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level::pipe};
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::{fs, mem, os::unix::net::UnixStream, process, thread, time::Duration, time::Instant};

/// Longest that the end waits for a result that is being written, which is nearly always written by then.
const LAST_WRITE: Duration = Duration::from_millis(100);
/// Longest that it then waits for its own messages to be taken.
const LAST_WORDS: Duration = Duration::from_millis(600);
/// Longest for what is removed in the end.
const LAST_REMOVAL: Duration = Duration::from_millis(100);

/// A signal that was ignored from the start stays so: `nohup` and a script's `&` ask for just that.
pub fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let (mut wakes, wake) = UnixStream::pair()?;
    let caught = Arc::new(AtomicUsize::new(0));
    let ignored = ignored_mask();
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        if ignored & (1 << (signal - 1)) == 0 {
            flag::register_usize(signal, Arc::clone(&caught), signal as usize)?;
            pipe::register(signal, wake.try_clone()?)?;
        }
    }
    // A limit on the size of files is then an error of the write, and not the end.
    flag::register(SIGXFSZ, Arc::default())?;
    thread::Builder::new().spawn(move || {
        // Kept open, so that nothing but a signal or the deadline ends the read.
        let _wake = wake;
        loop {
            let remaining = shared.remaining();
            if remaining == Some(Duration::ZERO) {
                end(&shared, None);
            }
            // Every failure of either is one more round.
            let _ = wakes
                .set_read_timeout(remaining)
                .and_then(|()| wakes.read(&mut [0]));
            if let signal @ 1.. = caught.load(Ordering::SeqCst) {
                end(&shared, Some(signal as u8));
            }
        }
    })?;
    Ok(())
}

/// The signals ignored now, bit n-1 for signal n. Where there is no `/proc` (an empty root) none are: there the program
/// is the container's own command.
fn ignored_mask() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn end(shared: &Arc<Shared>, signal: Option<u8>) -> ! {
    // Held to the very end: no trigger begins any more, nothing is settled, and the main thread says nothing.
    let mut state = shared.lock_after_telling(LAST_WRITE);
    let passed = format!(
        "the timeout of {:?} passed",
        shared.timeout.unwrap_or_default()
    );
    let what = signal.map_or(passed, |signal| format!("ended by signal {signal}"));
    let (phase, facts, error) = (
        state.phase,
        state.facts.clone(),
        state.cut_short(signal, &what),
    );
    let (exit, words) = match phase {
        Phase::Settled(exit) => (exit, mem::take(&mut state.words)),
        _ => (error.exit, facts.words(&error)),
    };
    words.into_iter().for_each(|line| shared.console.say(line));
    let begun = Instant::now();
    let told = in_the_background(shared, move |shared| {
        // Nothing remains of a result that is half written.
        shared.sink().discard();
        if exit == Exit::Unreachable {
            shared.run_file.get().map(RunFile::remove);
        }
        if shared.sink.get().is_some() && !matches!(phase, Phase::Telling | Phase::Settled(_)) {
            let _ = shared.tell(Err(&error), &facts);
        }
    });
    shared.console.flush(Some(LAST_WORDS));
    if told
        .recv_timeout(LAST_WORDS.saturating_sub(begun.elapsed()))
        .is_err()
    {
        let discarded = in_the_background(shared, |shared| shared.sink().discard());
        let _ = discarded.recv_timeout(LAST_REMOVAL);
    }
    process::exit(exit.code().into());
}

/// Does something that may block. Its receiver hears when it is done, or that no thread could be had for it.
fn in_the_background(
    shared: &Arc<Shared>,
    act: impl FnOnce(&Shared) + Send + 'static,
) -> mpsc::Receiver<()> {
    let (done, finished) = mpsc::channel();
    let shared = Arc::clone(shared);
    // Dropped with the closure where there is no thread, which ends the wait.
    let _ = thread::Builder::new().spawn(move || {
        act(&shared);
        done.send(())
    });
    finished
}
