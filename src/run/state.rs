/*! How far the command has come, and what it means to be ended there: shared by the main thread and the watcher.

The lock is what makes the exit code true at any instant: the first byte of the trigger passes only after it was taken,
so whoever holds it while deciding how the command ends knows that no request goes out behind its back. Nobody writes,
or waits for anything, while holding it. */

use super::run_file::RunFile;
use crate::api::wire::Run;
use crate::output::exit::{Error, Exit, error};
use crate::output::report::{self, Facts, Outcome};
use crate::output::{sink::Sink, terminal::Console};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, atomic::Ordering};
use std::{io, time::Duration, time::Instant};

/// The states of a run that wait for a person (API.md).
const WAITING_FOR_A_PERSON: [&str; 4] = [
    "queued-for-approval",
    "pending-approval",
    "escalated",
    "paused",
];

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

/// How far the command has come, and all that is known of its run.
#[derive(Default)]
pub struct State {
    pub phase: Phase,
    pub facts: Facts,
    /// What is being waited for before anything is sent, or why the last attempt came to nothing.
    pub trouble: Option<String>,
    /// What remains to be said once the exit code is settled.
    pub words: Vec<String>,
}

/// What the main thread shares with the watcher, which may have to end the process in its stead.
pub struct Shared {
    pub started: Instant,
    /// Longest that the whole command may take; `None` is no limit.
    pub timeout: Option<Duration>,
    /// Whether the result is the JSON object.
    pub json: bool,
    pub console: Arc<Console>,
    /// Where the result goes, once that is known.
    pub sink: OnceLock<Sink>,
    /// The run file, once it is claimed.
    pub run_file: OnceLock<RunFile>,
    state: Mutex<State>,
    settled: Condvar,
}

impl Shared {
    pub fn new(
        started: Instant,
        timeout: Option<Duration>,
        json: bool,
        console: Arc<Console>,
    ) -> Shared {
        let (sink, run_file, state, settled) = Default::default();
        Shared {
            started,
            timeout,
            json,
            console,
            sink,
            run_file,
            state,
            settled,
        }
    }

    /// What is left of the timeout; `None` is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        self.timeout
            .map(|timeout| timeout.saturating_sub(self.started.elapsed()))
    }

    /// Whoever holds the lock never leaves it half changed, so a poisoned one is as good.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is waited for, or what went wrong, in case the command is ended now.
    pub fn trouble(&self, what: impl Into<Option<String>>) {
        self.lock().trouble = what.into();
    }

    /// Fixes the exit code, and what remains to be said.
    pub fn settle(&self, exit: Exit, words: Vec<String>) {
        let mut state = self.lock();
        state.phase = Phase::Settled(exit);
        state.words = words;
        self.settled.notify_all();
    }

    /// The same, once a result that is being written is written, or at the latest after `limit`.
    pub fn lock_after_telling(&self, limit: Duration) -> MutexGuard<'_, State> {
        let is_telling = |state: &mut State| state.phase == Phase::Telling;
        let waited = self
            .settled
            .wait_timeout_while(self.lock(), limit, is_telling);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Where the result goes, as far as that is known.
    pub fn sink(&self) -> &Sink {
        self.sink.get().unwrap_or(&Sink::Stdout)
    }

    /// Writes the result where it goes. Without `--json` an error has none.
    pub fn tell(&self, outcome: Result<&Outcome, &Error>, facts: &Facts) -> io::Result<()> {
        let (sink, polls) = (self.sink(), self.console.polls.load(Ordering::SeqCst));
        let token = self.console.token.get().map(Arc::as_ref);
        match outcome {
            Err(error) if !self.json || error.exit == Exit::Usage => Ok(()),
            Ok(outcome) if !self.json => {
                sink.write(|out| report::write_plain(out, outcome, facts, token))
            }
            either => sink.write(|out| {
                report::write_json(out, either, facts, token, self.started.elapsed(), polls)
            }),
        }
    }

    /// The error for a trigger after which a run may be on.
    pub fn may_have_started(&self, what: &str) -> Error {
        error!(Unknown: "{what}; {}", self.lock().facts.may_have_started())
    }
}

impl State {
    /// From now on this run is on.
    pub fn started(&mut self, run: &Run) {
        self.phase = Phase::Started;
        self.facts.run = Some(run.clone());
    }

    /// What a run is said to wait for, where that is a person.
    pub fn person(&self) -> Option<String> {
        let state = self
            .facts
            .state
            .as_deref()
            .filter(|state| WAITING_FOR_A_PERSON.contains(state))?;
        Some(format!("the run waits for a person ({state})"))
    }

    /// What it means for the command to be ended now: by a signal, else because `what` says that time is up.
    pub fn cut_short(&self, signal: Option<u8>, what: &str) -> Error {
        const NOTHING: &str = "nothing was started";
        let trouble = self
            .trouble
            .as_deref()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default();
        let (exit, meaning) = match (self.phase, &self.trouble) {
            (Phase::Unsent, Some(why)) if why.contains(NOTHING) => (Exit::Unreachable, why.clone()),
            (Phase::Unsent, _) => (Exit::Unreachable, format!("{NOTHING}{trouble}")),
            (Phase::Sent, _) => (Exit::Unknown, self.facts.may_have_started()),
            (Phase::Telling, _) => (Exit::TimedOut, "the result was being written".to_owned()),
            (Phase::Started | Phase::Settled(_), _) => {
                let person = self
                    .person()
                    .map(|why| format!("; {why}"))
                    .unwrap_or_default();
                (Exit::TimedOut, format!("the run goes on{trouble}{person}"))
            }
        };
        Error::new(
            signal.map_or(exit, Exit::Signal),
            format!("{what}; {meaning}"),
        )
    }
}
