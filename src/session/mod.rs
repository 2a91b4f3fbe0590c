/*! How far the command has come, shared by the main thread and the watchdog.

Reading this file and `state.rs` proves that no trigger goes out twice: how far the trigger has come
([`Remote`]) and how far the report has are private there, and only its methods change them. The
transport of each connection ([`crate::api::transport`]) calls [`Session::before_send`] before the
first byte of a trigger, which has the journal written first; after it the trigger counts as sent
until its reply rejects it.

The lock is what makes the exit code true at any instant: whoever holds it while deciding how the
command ends knows that no request goes out behind its back. Nobody writes, or waits for anything,
while holding it. */

pub mod entry;
pub mod finish;
pub mod journal;
pub mod known;
mod record;
mod state;
pub mod verdict;
pub mod watchdog;

use crate::api::ids::Id;
use crate::api::task::TaskState;
use crate::api::trigger::StartedRun;
use crate::error::Error;
use crate::output::progress::Progress;
use crate::output::sink::Sink;
use crate::output::stderr::Stderr;
use crate::text::io_reason;
use crate::text::redactor::Redactor;
use entry::{Announcement, Entry, Fingerprint};
use journal::Journal;
use known::{Known, Remote};
use state::State;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use verdict::Interruption;

/// What the command line says of the session as a whole.
pub struct Options {
    /// Longest that the whole command may take; `None` is no limit.
    pub timeout: Option<Duration>,
    /// Whether the result is the JSON object.
    pub json: bool,
    pub verbosity: u8,
    pub quiet: bool,
}

/// One command, from its start to its end.
pub struct Session {
    pub started_at: Instant,
    options: Options,
    pub redactor: Arc<Redactor>,
    pub progress: Arc<Progress>,
    pub stderr: Stderr,
    /// Where the result goes, once that is known.
    sink: OnceLock<Sink>,
    /// The run file, once it is claimed.
    journal: OnceLock<Journal>,
    state: Mutex<State>,
    reported: Condvar,
}

impl Session {
    pub fn new(started_at: Instant, options: Options) -> Arc<Session> {
        let redactor = Arc::new(Redactor::default());
        let progress = Arc::new(Progress::default());
        let stderr = Stderr::new(
            started_at,
            options.verbosity,
            options.quiet,
            Arc::clone(&redactor),
            Arc::clone(&progress),
        );
        Arc::new(Session {
            started_at,
            options,
            redactor,
            progress,
            stderr,
            sink: OnceLock::new(),
            journal: OnceLock::new(),
            state: Mutex::new(State::default()),
            reported: Condvar::new(),
        })
    }

    pub fn timeout(&self) -> Option<Duration> {
        self.options.timeout
    }

    /// Whether only errors are wanted on standard error.
    pub fn is_quiet(&self) -> bool {
        self.options.quiet
    }

    /// What is left of the timeout; `None` is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        Some(
            self.options
                .timeout?
                .saturating_sub(self.started_at.elapsed()),
        )
    }

    /// Whether a wait of this length ends before the deadline.
    pub fn has_time_for(&self, wait: Duration) -> bool {
        self.remaining().is_none_or(|remaining| wait < remaining)
    }

    /// The state is never left half changed, so a lock that a panic poisoned is safe to use.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn known(&self) -> Known {
        self.lock().known().clone()
    }

    /// What is being waited for, in case the command is ended now.
    pub fn set_activity(&self, what: String) {
        self.lock().set_activity(Some(what));
    }

    pub fn clear_activity(&self) {
        self.lock().set_activity(None);
    }

    /// What went wrong, in case the command is ended before it goes well.
    pub fn set_last_error(&self, why: String) {
        self.lock().set_last_error(Some(why));
    }

    pub fn clear_last_error(&self) {
        self.lock().set_last_error(None);
    }

    /// Whose run it is, and the page where it can be seen.
    pub fn set_agent(&self, agent_id: Option<Id>, url: Option<String>) {
        self.lock().set_agent(agent_id, url);
    }

    /// The state of the task, as seen now.
    pub fn set_task_state(&self, seen: TaskState) {
        self.lock().set_task_state(seen);
    }

    /// Where the result goes from now on.
    pub fn write_result_to(&self, sink: Sink) {
        // There is one sink in a process.
        let _ = self.sink.set(sink);
    }

    fn sink(&self) -> &Sink {
        self.sink.get().unwrap_or(&Sink::Stdout)
    }

    /// Claims the run file for a request, or finds out what an earlier process did for it.
    pub fn claim(
        &self,
        path: &Path,
        fingerprint: &Fingerprint,
        next: &Announcement,
    ) -> Result<Entry, Error> {
        if self.sink().writes_to(path) {
            let result = match self.sink() {
                Sink::Stdout => "standard output",
                _ => "--output",
            };
            return Err(
                Error::usage(format!("--run-file and {result} are the same file"))
                    .next("use a different file for each"),
            );
        }
        let (journal, entry) = Journal::claim(path, fingerprint, next)?;
        let mut state = self.lock();
        state.set_run_file(path.to_owned());
        // Before the watchdog can see the journal: it removes one of which nothing was started.
        match &entry {
            Entry::Empty => {}
            Entry::Announced(_) => state.mark_sent(),
            Entry::Started(run, _) => {
                state.mark_started(run.clone());
                state.mark_recorded();
            }
        }
        // There is one run file in a process.
        let _ = self.journal.set(journal);
        Ok(entry)
    }

    /// Called before any byte of a trigger goes out: from now on a run may have been started. The
    /// journal has it first.
    /// Errors: the journal cannot be written, and nothing goes out.
    pub fn before_send(&self) -> Result<(), String> {
        if self.lock().known().remote != Remote::Unsent {
            return Ok(());
        }
        if self.remaining() == Some(Duration::ZERO) {
            // Nothing begins after the deadline: the watchdog is about to end the process.
            loop {
                thread::park();
            }
        }
        // The watchdog may take this back while it is written: it holds the lock until the process
        // has ended, so that nothing is sent then.
        if let Some(journal) = self.journal.get() {
            journal.announce().map_err(|why| {
                let path = journal.path.display();
                format!("cannot write --run-file {path}: {}", io_reason(&why))
            })?;
        }
        self.lock().mark_sent();
        Ok(())
    }

    /// Whether nothing can have been started: no trigger was sent, or each was rejected.
    pub fn is_unsent(&self) -> bool {
        self.lock().known().remote == Remote::Unsent
    }

    /// The trigger was rejected unprocessed, which is as good as never sent.
    pub fn rejected(&self) {
        self.lock().mark_rejected();
        if let Some(journal) = self.journal.get() {
            // If that fails the file says more than is true, which is safe.
            let _ = journal.retract();
        }
    }

    /// The run is known: started now, or by an earlier command.
    pub fn started(&self, run: StartedRun) {
        let run = run.without_key(&self.redactor);
        self.lock().mark_started(run);
    }

    /// The error of a command that ends now, before it came to an outcome.
    pub fn interrupted(&self, why: Interruption) -> Error {
        self.lock().interrupted(why)
    }
}

#[cfg(test)]
mod tests;
