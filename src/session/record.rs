/*! Recording in the run file which run was started. */

use super::Session;
use crate::text::io_reason;
use std::io;

impl Session {
    /// Writes the run into the journal, and warns where that fails.
    pub fn record(&self) {
        if let Err(why) = self.try_record()
            && let Some(journal) = self.journal.get()
        {
            let path = journal.path.display();
            let why = io_reason(&why);
            let id = self.known().printed_id();
            self.stderr.message(format!(
                "warning: cannot write --run-file {path}: {why}; run {id} has started but is not \
                 recorded, so keep this id to resume it"
            ));
        }
    }

    /// Writes the run into the journal if that failed before.
    pub fn record_if_due(&self) {
        if self.try_record().is_ok() {
            return;
        }
        // It was reported once, and is tried again as long as the process lives.
        self.stderr
            .log(|| "the run file still cannot be written".to_owned());
    }

    fn try_record(&self) -> io::Result<()> {
        let Some(journal) = self.journal.get() else {
            return Ok(());
        };
        let unrecorded = self.lock().unrecorded().cloned();
        if let Some(run) = unrecorded {
            journal.record(&run)?;
            self.lock().mark_recorded();
        }
        Ok(())
    }
}
