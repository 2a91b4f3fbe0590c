/*!
How far the command has come, and what it means to be ended there: shared by the main thread and the watcher.

The lock is what makes the exit code true at any instant: the first byte of the trigger passes only after it was taken,
so whoever holds it while deciding how the command ends knows that no request goes out behind its back. Nobody writes,
or waits for anything, while holding it.
*/

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::output::exit::{Error, Exit, error};
use crate::output::report::Facts;

/// The states of a run that wait for a person (API.md).
const WAITING_FOR_A_PERSON: [&str; 4] = ["queued-for-approval", "pending-approval", "escalated", "paused"];

/// How much may have happened at the API, and to the outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No byte of a trigger has been sent, or each that was sent was turned away.
    #[default]
    Unsent,
    /// The trigger is on its way: a run may have been started.
    Sent,
    /// The run is known and waited for.
    Started,
    /// Its result is being written.
    Telling,
    /// Nothing changes the exit code any more.
    Settled(Exit),
}

/// All that is known of the command's progress.
#[derive(Default)]
pub struct Progress {
    pub phase: Phase,
    pub facts: Facts,
    /// What is being waited for before anything is sent, or why the last attempt came to nothing.
    pub trouble: Option<String>,
    /// What remains to be said once the exit code is settled.
    pub words: Vec<String>,
}

/// The progress under its lock.
#[derive(Default)]
pub struct State {
    progress: Mutex<Progress>,
    settled: Condvar,
}

/// The end of the whole command's time, and how much that was.
#[derive(Clone, Copy)]
pub struct Deadline {
    /// `None` is no limit.
    at: Option<Instant>,
    pub timeout: Duration,
}

impl Deadline {
    /// `None` is no limit, and one too far away to be reached is as good.
    pub fn new(started: Instant, timeout: Option<Duration>) -> Deadline {
        Deadline { at: timeout.and_then(|timeout| started.checked_add(timeout)), timeout: timeout.unwrap_or_default() }
    }

    /// `None` is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

impl State {
    /// Whoever holds the lock never leaves the progress half changed, so a poisoned one is as good.
    pub fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is waited for, or what went wrong, in case the command is ended now.
    pub fn trouble(&self, what: impl Into<Option<String>>) {
        self.lock().trouble = what.into();
    }

    /// Fixes the exit code, and what remains to be said.
    pub fn settle(&self, exit: Exit, words: Vec<String>) {
        let mut progress = self.lock();
        progress.phase = Phase::Settled(exit);
        progress.words = words;
        self.settled.notify_all();
    }

    /// The progress, once a result that is being written is written, or at the latest after `limit`.
    pub fn lock_after_telling(&self, limit: Duration) -> MutexGuard<'_, Progress> {
        let is_telling = |progress: &mut Progress| progress.phase == Phase::Telling;
        let waited = self.settled.wait_timeout_while(self.lock(), limit, is_telling);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Progress {
    /// What a run is said to wait for, where that is a person.
    pub fn person(&self) -> Option<String> {
        let state = self.facts.state.as_deref()?;
        let waits = WAITING_FOR_A_PERSON.contains(&state);
        waits.then(|| format!("the run waits for a person ({state})"))
    }

    /// What it means for the command to be ended now: by a signal, else because `what` says that time is up.
    pub fn cut_short(&self, signal: Option<u8>, what: &str) -> Error {
        const NOTHING: &str = "nothing was started";
        let trouble = self.trouble.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        let (exit, meaning) = match self.phase {
            Phase::Unsent => (
                Exit::Unreachable,
                match &self.trouble {
                    Some(why) if why.contains(NOTHING) => why.clone(),
                    _ => format!("{NOTHING}{trouble}"),
                },
            ),
            Phase::Sent => (Exit::Unknown, self.facts.may_have_started()),
            Phase::Telling => (Exit::TimedOut, "the result was being written".to_owned()),
            Phase::Started | Phase::Settled(_) => {
                let person = self.person().map(|why| format!("; {why}")).unwrap_or_default();
                (Exit::TimedOut, format!("the run goes on{trouble}{person}"))
            }
        };
        Error::new(signal.map_or(exit, Exit::Signal), format!("{what}; {meaning}"))
    }
}

/// The error for a trigger after which a run may be on.
pub fn may_have_started(state: &State, what: &str) -> Error {
    let advice = state.lock().facts.may_have_started();
    error!(Unknown, "{what}; {advice}")
}
