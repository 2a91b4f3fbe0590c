/*! Tests that hold the program to a time and tests that keep a core busy do not run at the same
time. */

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// As many tests keep a core busy at once as every machine has cores.
const MAX_BUSY: usize = 2;

/// The tests that run now.
struct Running {
    timed: usize,
    busy: usize,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { timed: 0, busy: 0 });
static CHANGED: Condvar = Condvar::new();

fn running() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while(must_wait: impl Fn(&Running) -> bool) -> MutexGuard<'static, Running> {
    CHANGED
        .wait_while(running(), |running| must_wait(running))
        .unwrap_or_else(PoisonError::into_inner)
}

/// As long as this lives, no test keeps the machine busy.
pub struct Timed(());

pub fn timed() -> Timed {
    wait_while(|running| running.busy > 0).timed += 1;
    Timed(())
}

impl Drop for Timed {
    fn drop(&mut self) {
        running().timed -= 1;
        CHANGED.notify_all();
    }
}

/// As long as this lives, no test is held to a time.
pub struct Busy(());

pub fn busy() -> Busy {
    wait_while(|running| running.timed > 0 || running.busy >= MAX_BUSY).busy += 1;
    Busy(())
}

impl Drop for Busy {
    fn drop(&mut self) {
        running().busy -= 1;
        CHANGED.notify_all();
    }
}
