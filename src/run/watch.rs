/*!
The watcher: one thread that waits for a signal or the deadline, and ends the process whatever the main thread is in: a
name lookup, a half-open connection, a full pipe, a disk that hangs.

SIGINT, SIGTERM, SIGHUP and SIGQUIT need a handler for more than the message: process 1 of a container ignores every
signal that has none. The watcher itself never writes and never waits for a lock under which somebody writes. What there
is to say in the end is said by others, with a limit.
*/

use std::fs;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

use super::run_file::RunFile;
use super::state::{Deadline, Phase, State};
use crate::output::exit::Exit;
use crate::output::report;
use crate::output::sink::Sink;
use crate::output::terminal::Console;

/// Longest that the end waits for a result that is being written, which is nearly always written by then.
const LAST_WRITE: Duration = Duration::from_millis(100);
/// Longest that it then waits for its own messages to be taken.
const LAST_WORDS: Duration = Duration::from_millis(600);
/// Longest for what is removed in the end.
const LAST_REMOVAL: Duration = Duration::from_millis(100);

/// What the main thread shares with the watcher, which may have to end the process in its stead.
pub struct Shared {
    pub started: Instant,
    pub deadline: Deadline,
    /// Whether the result is the JSON object.
    pub json: bool,
    pub console: Arc<Console>,
    pub state: State,
    /// Where the result goes, once that is known.
    pub sink: OnceLock<Sink>,
    /// The run file, once it is claimed.
    pub run_file: OnceLock<RunFile>,
}

/// Starts the watcher.
///
/// A signal that was ignored from the start stays so: `nohup` and a script's `&` ask for just that.
pub fn start(shared: Arc<Shared>) -> io::Result<()> {
    let (mut wakes, wake) = UnixStream::pair()?;
    let caught = Arc::new(AtomicUsize::new(0));
    let ignored = ignored_mask();
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        if ignored & (1 << (signal - 1)) == 0 {
            flag::register_usize(signal, Arc::clone(&caught), signal as usize)?;
            pipe::register(signal, wake.try_clone()?)?;
        }
    }
    thread::Builder::new().spawn(move || {
        // Kept open, so that nothing but a signal or the deadline ends the read.
        let _wake = wake;
        loop {
            let remaining = shared.deadline.remaining();
            if remaining == Some(Duration::ZERO) {
                end(&shared, None);
            }
            // Every failure of either is one more round.
            let _ = wakes.set_read_timeout(remaining).and_then(|()| wakes.read(&mut [0]));
            match caught.load(Ordering::SeqCst) {
                0 => {}
                signal => end(&shared, Some(signal as u8)),
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
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Ends the process.
fn end(shared: &Arc<Shared>, signal: Option<u8>) -> ! {
    // Held to the very end: no trigger begins any more, nothing is settled, and the main thread says nothing.
    let mut progress = shared.state.lock_after_telling(LAST_WRITE);
    let timeout = shared.deadline.timeout;
    let what = match signal {
        Some(signal) => format!("ended by signal {signal}"),
        None => format!("the timeout of {timeout:?} passed"),
    };
    let (phase, facts) = (progress.phase, progress.facts.clone());
    let (exit, error, words) = match phase {
        Phase::Settled(exit) => (exit, None, std::mem::take(&mut progress.words)),
        _ => {
            let error = progress.cut_short(signal, &what);
            let words = facts.words(&error);
            (error.exit, Some(error), words)
        }
    };
    words.into_iter().for_each(|line| shared.console.say(line));
    let told = {
        let shared = Arc::clone(shared);
        in_the_background(move || {
            shared.discard();
            if exit == Exit::Unreachable {
                shared.run_file.get().map(RunFile::remove);
            }
            if let (Some(error), Some(sink), true) = (&error, shared.sink.get(), shared.json)
                && phase != Phase::Telling
            {
                let (token, elapsed) = (shared.console.token.get(), shared.started.elapsed());
                let token = token.map(|token| &**token);
                let _ = sink.write(|out| report::write_json(out, Err(error), &facts, token, elapsed));
            }
        })
    };
    let begun = Instant::now();
    shared.console.flush(Some(LAST_WORDS));
    if told.recv_timeout(LAST_WORDS.saturating_sub(begun.elapsed())).is_err() {
        let shared = Arc::clone(shared);
        let _ = in_the_background(move || shared.discard()).recv_timeout(LAST_REMOVAL);
    }
    process::exit(exit.code().into());
}

impl Shared {
    /// Leaves nothing of a result that is half written.
    fn discard(&self) {
        self.sink.get().iter().for_each(|sink| sink.discard());
    }
}

/// Does something that may block. Its receiver hears when it is done, or that no thread could be had for it.
fn in_the_background(act: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
    let (done, finished) = mpsc::channel();
    // Dropped with the closure where there is no thread, which ends the wait.
    let _ = thread::Builder::new().spawn(move || {
        act();
        done.send(())
    });
    finished
}
