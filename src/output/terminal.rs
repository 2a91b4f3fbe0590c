/*! Standard error: messages, the details of `-v`, and the progress line.

Whoever has something to say hands it over and goes on; a thread of its own, the scribe, writes it. So a reader that
stalls, or a terminal stopped with Ctrl-S, holds up the scribe and nobody else. The scribe exists from the start on a
terminal and with `-v`, else only from the first message on. */

use crate::api::token::{Token, one_line};
use std::io::{self, IsTerminal, Write};
use std::os::{fd::AsFd, unix::fs::MetadataExt};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, fs, fs::File, mem, thread, time::Duration, time::Instant};

/// With `-v` the longest silence: CI systems end a step that says nothing for long.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two drawings of the progress line, which counts seconds.
const REDRAW: Duration = Duration::from_secs(1);
/// More details than this wait for nobody: they are dropped.
const MAX_DETAILS: usize = 1000;
const CLEAR_LINE: &str = "\r\x1b[K";
/// Around the progress line, so that a narrow terminal cuts it off instead of wrapping it; then the rest is cleared.
const NO_WRAP: &str = "\r\x1b[?7l";
const WRAP: &str = "\x1b[K\x1b[?7h\r";

/// Standard error during a run, shared by the threads.
pub struct Console {
    started: Instant,
    /// 0, 1 (`-v`) or 2 (`-vv`).
    verbosity: u8,
    has_progress_line: bool,
    /// What is never shown, once it is known.
    pub token: OnceLock<Arc<Token>>,
    /// Polls begun.
    pub polls: AtomicU64,
    /// Lines that are handed over and not yet written.
    waiting: AtomicUsize,
    scribe: Mutex<Option<Sender<Task>>>,
}

enum Task {
    Write(String),
    /// No progress line any more: the result is being told.
    Clear,
    /// Say when everything before is done.
    Answer(Sender<()>),
}

impl Console {
    pub fn new(started: Instant, verbosity: u8, quiet: bool) -> Arc<Console> {
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let has_progress_line = !quiet && verbosity == 0 && !dumb && io::stderr().is_terminal();
        let (token, polls, waiting, scribe) = Default::default();
        let console = Arc::new(Console {
            started,
            verbosity,
            has_progress_line,
            token,
            polls,
            waiting,
            scribe,
        });
        if has_progress_line || verbosity > 0 {
            // Without a thread to spare the messages come all the same, and nothing between them.
            let _ = console.scribe();
        }
        console
    }

    /// Whether updates and bodies are told of (`-vv`).
    pub fn is_tracing(&self) -> bool {
        self.verbosity > 1
    }

    /// A line that everyone sees.
    pub fn say(self: &Arc<Console>, message: String) {
        let Ok(scribe) = self.scribe() else {
            return self.write_line("", &message);
        };
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _ = scribe.send(Task::Write(message));
    }

    /// A line for `-v`, with the seconds since the start.
    pub fn detail(self: &Arc<Console>, message: impl FnOnce() -> String) {
        if self.verbosity > 0 && self.waiting.load(Ordering::SeqCst) < MAX_DETAILS {
            self.say(self.stamped(&message()));
        }
    }

    /// A line for `-vv`.
    pub fn trace(self: &Arc<Console>, message: impl FnOnce() -> String) {
        if self.is_tracing() {
            self.detail(message);
        }
    }

    /// Takes the progress line off the screen, for good, if that can be done within `limit`.
    pub fn clear(&self, limit: Duration) {
        self.ask(Task::Clear);
        self.flush(Some(limit));
    }

    /// Waits until everything is written, or at the longest for `limit`.
    pub fn flush(&self, limit: Option<Duration>) {
        let (done, is_done) = mpsc::channel();
        self.ask(Task::Answer(done));
        let _ = limit.map_or_else(
            || is_done.recv().ok(),
            |limit| is_done.recv_timeout(limit).ok(),
        );
    }

    fn lock(&self) -> MutexGuard<'_, Option<Sender<Task>>> {
        self.scribe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, task: Task) {
        self.lock().as_ref().map(|scribe| scribe.send(task));
    }

    /// The scribe, employed now if there was none.
    fn scribe(self: &Arc<Console>) -> io::Result<Sender<Task>> {
        let mut scribe = self.lock();
        if let Some(scribe) = &*scribe {
            return Ok(scribe.clone());
        }
        let (sender, tasks) = mpsc::channel();
        let console = Arc::clone(self);
        thread::Builder::new().spawn(move || console.write_down(&tasks))?;
        Ok(scribe.insert(sender).clone())
    }

    fn write_down(&self, tasks: &Receiver<Task>) {
        let beats = self.verbosity > 0;
        let period = if beats { HEARTBEAT } else { REDRAW };
        let (mut ticking, mut drawn) = (beats || self.has_progress_line, false);
        let mut last = Instant::now();
        loop {
            let tick = period.saturating_sub(last.elapsed());
            let task = if ticking {
                tasks.recv_timeout(tick)
            } else {
                tasks.recv().map_err(RecvTimeoutError::from)
            };
            let before = if mem::take(&mut drawn) {
                CLEAR_LINE
            } else {
                ""
            };
            match task {
                Ok(Task::Write(message)) => {
                    self.write_line(before, &message);
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                }
                Ok(Task::Clear) => {
                    write(before);
                    ticking = false;
                }
                Ok(Task::Answer(done)) => {
                    drawn = !before.is_empty();
                    // Whoever asked may have gone on.
                    let _ = done.send(());
                    continue;
                }
                Err(RecvTimeoutError::Timeout) if beats => {
                    self.write_line("", &self.stamped(&self.status()))
                }
                // Written over what was there, so that nothing flickers. The cursor goes back to the start, where the
                // echo of a typed ^C does not wrap.
                Err(RecvTimeoutError::Timeout) => {
                    drawn = is_in_foreground();
                    if drawn {
                        write(&format!("{NO_WRAP}{}{WRAP}", self.status()));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            last = Instant::now();
        }
    }

    /// The progress line, and the heartbeat of `-v`.
    fn status(&self) -> String {
        let (seconds, polls) = (
            self.started.elapsed().as_secs(),
            self.polls.load(Ordering::SeqCst),
        );
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("waiting {hours}:{minutes:02}:{seconds:02}, {polls} polls")
    }

    fn stamped(&self, message: &str) -> String {
        format!("[{:.3}] {message}", self.started.elapsed().as_secs_f64())
    }

    fn write_line(&self, before: &str, message: &str) {
        let line = one_line(message);
        let line = self
            .token
            .get()
            .map_or(line.as_str().into(), |token| token.redact(&line));
        write(&format!("{before}relevance-run: {line}\n"));
    }
}

/// If standard error cannot be written there is nobody left to tell.
fn write(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether the terminal of standard error is this process's to draw on, or not known to be another's: a background job
/// must not draw over the prompt. As `/proc` tells it, where there is one.
fn is_in_foreground() -> bool {
    let known = || {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(2);
        let fields: Vec<i64> = fields.take(4).flat_map(str::parse).collect();
        let [group, _, terminal, foreground] = fields[..] else {
            return None;
        };
        let ours = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?)
            .metadata()
            .ok()?;
        Some(terminal != ours.rdev() as i64 || group == foreground)
    };
    known().unwrap_or(true)
}
