/*! The end of a command: the result, the lines, the run file, in this order. */

use super::Session;
use super::known::Known;
use super::state::State;
use super::verdict::{Verdict, verdict};
use crate::error::{Error, Exit};
use crate::output::report::{self, Outcome, RunReport};
use crate::text::io_reason;
use std::io;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Longest that a result waits for the progress line to be taken off the screen.
const CLEARING_GRACE: Duration = Duration::from_millis(100);
/// Longest that a success waits for the log of `-v` to be read.
const LOG_GRACE: Duration = Duration::from_secs(1);
/// The reason in the warning, where the watchdog ends the process before the run file is removed.
const TOO_LONG: &str = "this took too long";

impl Session {
    /// Writes the result, then whatever there is to say, and fixes the exit code. The watchdog may
    /// end the process at any line, and then says what this had to say.
    pub fn finish(&self, outcome: Result<Outcome, Error>) -> Exit {
        let outcome = outcome.as_ref();
        self.record_if_due();
        self.stderr.clear_progress(CLEARING_GRACE);
        let known = self.known();
        self.begin_report(outcome.err().map(|error| verdict(Err(error), None, &known)));
        let undelivered = self
            .deliver(outcome, &known)
            .err()
            .map(|why| format!("{}: {}", self.sink().name(), io_reason(&why)));
        let end = verdict(outcome, undelivered.as_deref(), &known);
        let exit = end.exit;
        let is_success = exit == Exit::Success;
        // A success is delivered by now, so that its run file is to go; a failure is once its line
        // is read.
        let overdue = match is_success && !end.keeps_run_file {
            true => self.removal_warning(TOO_LONG),
            false => None,
        };
        self.fix_exit_and_print(exit, end.lines, overdue);
        if !is_success {
            self.stderr.flush(None);
        }
        if !end.keeps_run_file {
            self.remove_run_file(exit);
        }
        if is_success {
            // A log that nobody reads does not hold it up.
            self.stderr.flush(Some(LOG_GRACE));
        }
        exit
    }

    /// From now on a result is being written. The exit code depends on that where there is an
    /// answer, or the JSON object of a run that failed. Any other error keeps its code, which is
    /// fixed at once; its lines are printed by the watchdog if the writing blocks.
    fn begin_report(&self, error: Option<Verdict>) {
        match error {
            None => self.lock().begin_report(Vec::new()),
            Some(end) if end.exit == Exit::Failed && self.options.json => {
                self.lock().begin_report(end.lines);
            }
            Some(end) => self.fix_exit(end.exit, end.lines),
        }
    }

    fn fix_exit(&self, exit: Exit, lines: Vec<String>) {
        self.lock().fix_exit(exit, lines);
        self.reported.notify_all();
    }

    /// Fixes the exit code, and hands over the lines that there are to print. The watchdog, which
    /// may end the process at any moment, finds each line either still here or handed over: so the
    /// lock is held until the last one is. `overdue` is what it prints from then on.
    fn fix_exit_and_print(&self, exit: Exit, lines: Vec<String>, overdue: Option<String>) {
        let mut state = self.lock();
        state.fix_exit(exit, overdue.into_iter().collect());
        self.reported.notify_all();
        for line in lines {
            self.stderr.message(line);
        }
    }

    /// Removes the run file. Where that hangs, the watchdog prints the warning.
    fn remove_run_file(&self, exit: Exit) {
        let Some(journal) = self.journal.get() else {
            return;
        };
        let overdue = self.removal_warning(TOO_LONG);
        self.fix_exit(exit, overdue.into_iter().collect());
        let removed = journal.remove();
        self.lock().take_lines();
        if let Err(why) = removed
            && let Some(warning) = self.removal_warning(&io_reason(&why))
        {
            self.stderr.message(warning);
            self.stderr.flush(None);
        }
    }

    /// What there is to say of a run file that could not be removed, if there is one.
    fn removal_warning(&self, why: &str) -> Option<String> {
        let path = self.journal.get()?.path.display();
        Some(format!(
            "warning: cannot remove --run-file {path}: {why}; remove it before you use it again"
        ))
    }

    /// Writes the result where it goes. Without `--json` an error has none.
    pub(super) fn deliver(
        &self,
        outcome: Result<&Outcome, &Error>,
        known: &Known,
    ) -> io::Result<()> {
        match (outcome, self.options.json) {
            (Ok(outcome), false) => self
                .sink()
                .write(&|out| report::write_text(out, outcome, &self.redactor)),
            (Err(_), false) => Ok(()),
            // There is nothing that an object could describe.
            (Err(error), true) if error.exit == Exit::Usage => Ok(()),
            (_, true) => {
                let run = self.run_report(outcome, known);
                self.sink()
                    .write(&|out| report::write_json(out, outcome, &run, &self.redactor))
            }
        }
    }

    fn run_report<'a>(&self, outcome: Result<&Outcome, &Error>, known: &'a Known) -> RunReport<'a> {
        let state = known.state.as_ref().map(|state| &state.word);
        RunReport {
            agent_id: known.agent_id.as_ref(),
            conversation_id: known.conversation_id(),
            run_id: known.run_id(),
            url: known.url.as_deref().filter(|_| known.run().is_some()),
            state: state.filter(|_| !is_over(outcome)),
            elapsed: self.started_at.elapsed(),
            polls: self.progress.polls(),
        }
    }

    /// The state, once a result that is being written is written, or at the latest after `limit`.
    pub(super) fn lock_after_report(&self, limit: Duration) -> MutexGuard<'_, State> {
        let is_reporting = |state: &mut State| state.is_reporting();
        let waited = self
            .reported
            .wait_timeout_while(self.lock(), limit, is_reporting);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Whether the run has ended.
fn is_over(outcome: Result<&Outcome, &Error>) -> bool {
    match outcome {
        Ok(outcome) => !matches!(outcome, Outcome::Started(_)),
        Err(error) => error.exit == Exit::Failed,
    }
}
