/*! How far the trigger and the report have come. Only the methods here change either. */

use super::known::{Known, Remote};
use super::verdict::Interruption;
use crate::api::ids::Id;
use crate::api::task::TaskState;
use crate::api::trigger::StartedRun;
use crate::error::{Error, Exit};
use std::mem;
use std::path::PathBuf;

/// How far the report of the outcome has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Local {
    #[default]
    Working,
    /// The result is being written.
    Reporting,
    /// Nothing changes the exit code any more.
    Final(Exit),
}

#[derive(Default)]
pub(super) struct State {
    local: Local,
    known: Known,
    /// What is being waited for before anything is sent.
    activity: Option<String>,
    /// What went wrong last, if nothing has gone well since.
    last_error: Option<String>,
    /// What the watchdog prints if it ends the process now.
    lines: Vec<String>,
    /// The journal may not have the run yet.
    is_record_due: bool,
}

impl State {
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// A trigger goes out: from now on a run may have been started.
    pub fn mark_sent(&mut self) {
        self.known.remote = Remote::Sent;
    }

    /// Each trigger that went out was rejected unprocessed.
    pub fn mark_rejected(&mut self) {
        self.known.remote = Remote::Unsent;
    }

    /// The run is known. Unless it was known before, the journal is to record it: that is due in
    /// the same moment, so that the watchdog finds no run that nobody records.
    pub fn mark_started(&mut self, run: StartedRun) {
        if run.state.is_some() {
            self.known.state.clone_from(&run.state);
        }
        let remote = Remote::Started(run);
        self.is_record_due |= self.known.remote != remote;
        self.known.remote = remote;
    }

    pub fn set_run_file(&mut self, path: PathBuf) {
        self.known.run_file = Some(path);
    }

    pub fn set_agent(&mut self, agent_id: Option<Id>, url: Option<String>) {
        self.known.agent_id = agent_id;
        self.known.url = url;
    }

    pub fn set_task_state(&mut self, seen: TaskState) {
        self.known.state = Some(seen);
    }

    pub fn set_activity(&mut self, what: Option<String>) {
        self.activity = what;
    }

    pub fn set_last_error(&mut self, why: Option<String>) {
        self.last_error = why;
    }

    /// The journal has the run.
    pub fn mark_recorded(&mut self) {
        self.is_record_due = false;
    }

    /// The run that the journal may not have yet. One without a name cannot be recorded.
    pub fn unrecorded(&self) -> Option<&StartedRun> {
        let run = self.known.run().filter(|run| run.is_named());
        run.filter(|_| self.is_record_due)
    }

    /// The result is being written. `lines` are printed if that takes too long.
    pub fn begin_report(&mut self, lines: Vec<String>) {
        self.local = Local::Reporting;
        self.lines = lines;
    }

    /// Fixes the exit code. `lines` are printed if what is left to do takes too long.
    pub fn fix_exit(&mut self, exit: Exit, lines: Vec<String>) {
        self.local = Local::Final(exit);
        self.lines = lines;
    }

    pub fn is_working(&self) -> bool {
        self.local == Local::Working
    }

    pub fn is_reporting(&self) -> bool {
        self.local == Local::Reporting
    }

    /// The exit code, once it is fixed.
    pub fn final_exit(&self) -> Option<Exit> {
        match self.local {
            Local::Final(exit) => Some(exit),
            Local::Working | Local::Reporting => None,
        }
    }

    pub fn take_lines(&mut self) -> Vec<String> {
        mem::take(&mut self.lines)
    }

    /// The error of a command that ends now, before it came to an outcome.
    pub fn interrupted(&self, why: Interruption) -> Error {
        let what = self.last_error.as_deref().or(self.activity.as_deref());
        why.into_error(&self.known, what, self.is_reporting())
    }
}
