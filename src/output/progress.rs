/*! How far the command is, for whoever waits. */

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How far the command is, for the progress line, the heartbeat and the JSON object.
#[derive(Default)]
pub struct Progress {
    /// Polls begun.
    polls: AtomicU64,
    upload: Mutex<Option<Upload>>,
}

/// A file that is being sent.
pub struct Upload {
    pub name: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Tells how many bytes have been sent.
    pub sent: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Progress {
    /// A poll begins. Returns its number, from 1.
    pub fn count_poll(&self) -> u64 {
        self.polls.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// How many polls have begun.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::SeqCst)
    }

    /// Shows this upload from now on, or none.
    pub fn set_upload(&self, upload: Option<Upload>) {
        *self.upload.lock().unwrap_or_else(PoisonError::into_inner) = upload;
    }

    /// One line: the upload, or the time and the polls.
    pub fn describe(&self, elapsed: Duration) -> String {
        let upload = self.upload.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(upload) = &*upload {
            let percent = (upload.sent)() * 100 / upload.size.max(1);
            return format!("uploading {}, {}%", upload.name, percent.min(100));
        }
        let seconds = elapsed.as_secs();
        let clock = format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        format!("waiting for the run, {clock}, polls: {}", self.polls())
    }
}
