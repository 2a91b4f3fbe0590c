/*!
How far the command has come: shared by the thread that works and the one that watches over it.

The lock is what makes the exit code true at any instant: the first byte of the trigger passes under it, so whoever
holds it while deciding how the command ends knows that no request goes out behind its back.
*/

use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// The facts under their lock.
#[derive(Default)]
pub struct Progress(Mutex<Facts>);

impl Progress {
    /// Whoever holds the lock never leaves the facts half changed, so a poisoned one is as good.
    pub fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
