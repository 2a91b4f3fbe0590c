/*!
How far the command has come, and what it means to be ended there: shared by the thread that works and the one that
watches over it.

The lock is what makes the exit code true at any instant: the first byte of the trigger passes under it, so whoever
holds it while deciding how the command ends knows that no request goes out behind its back.
*/

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Exit};
use crate::settings::Settings;
use crate::wire::{Id, Run};

/// How much may have happened at the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// No byte of a trigger has been sent, or each that was sent was turned away.
    #[default]
    Unsent,
    /// The trigger is on its way: a run may have been started.
    Sent,
    /// The run is known and waited for.
    Started,
    /// The outcome is known and being written.
    Reporting,
}

/// What is known so far.
#[derive(Clone, Default)]
pub struct Facts {
    pub stage: Stage,
    pub agent_id: Option<Id>,
    pub conversation_id: Option<Id>,
    pub run: Option<Run>,
    /// Why the last attempt came to nothing, while another is due.
    pub trouble: Option<String>,
    /// Polls begun.
    pub polls: u64,
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
        Deadline {
            at: timeout.and_then(|timeout| started.checked_add(timeout)),
            timeout: timeout.unwrap_or_default(),
        }
    }

    /// `None` is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

impl Facts {
    /// Counts a poll and gives its number, from 1.
    pub fn count_poll(&mut self) -> u64 {
        self.polls += 1;
        self.polls
    }

    /// What to do when a trigger may have reached the API.
    pub fn may_have_started(&self, settings: &Settings) -> String {
        let page = self.agent_id.as_ref().and_then(|id| settings.page(id, None));
        let page = page.as_deref().unwrap_or("the agent's page in the web app");
        format!("the run may have been started, so look at {page} before you run it again")
    }

    /// What it means for the command to be ended now: by a signal, else because `what` says that time is up.
    pub fn cut_short(&self, signal: Option<u8>, what: &str, settings: &Settings) -> Error {
        let trouble = self.trouble.as_deref();
        let (exit, meaning) = match self.stage {
            Stage::Unsent => {
                (Exit::Unreachable, trouble.unwrap_or("nothing was started").to_owned())
            }
            Stage::Sent => (Exit::Unknown, self.may_have_started(settings)),
            Stage::Started => {
                let trouble = trouble.map(|why| format!(" ({why})")).unwrap_or_default();
                (Exit::TimedOut, format!("the run goes on{trouble}"))
            }
            Stage::Reporting => (Exit::Unknown, "the answer was being written".to_owned()),
        };
        Error::new(signal.map_or(exit, Exit::Signal), format!("{what}; {meaning}"))
    }
}

/// The facts under their lock.
#[derive(Default)]
pub struct Progress(Mutex<Facts>);

impl Progress {
    /// Whoever holds the lock never leaves the facts half changed, so a poisoned one is as good.
    pub fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
