/*! The run file: a journal that makes one command of several processes, so that at most one trigger
is sent for it.

It has two lines at most, and a line counts once its newline is there:

```text
relevance-run trigger SHA256 NAME TIME      a trigger of this request is about to be sent
run STUDIO_ID/JOB_ID CONVERSATION_ID STATE  this is the run
```

What is not known is `-`. NAME is the `external_id` or `job_id` that the request carries, so that
the run can be looked for where the reply was lost; TIME is this machine's, in milliseconds since
1970. Files that were written before there were names have neither.

The first line is written without its newline when the file is claimed, so that its space is there;
the newline comes, synced, before the first byte of a trigger, and goes again when the trigger was
rejected. The second line is synced as soon as the reply names the run. The directory is synced at
the claim. Each write has a place of its own and is never appended: to repeat it gives the same
bytes.

On a local file system that keeps what was synced this holds: whatever ends the process, a SIGKILL
or a power cut included, no second trigger is sent for the same file, and a run whose ids were known
is resumed. What ends between the first byte and the second line leaves a file that says so. Once
the outcome was delivered the file is gone: what ends the process then is too late, and the same
command is a new one. A living process holds a lock (flock). On a file system without locks the
claim is refused; where locks do not reach other machines (some NFS mounts), two machines must not
share a file. A disk that lies about having synced can lose either line. */

use super::entry::{
    Announcement, Entry, Fingerprint, HEADER, first_line, parse_first_line, parse_run, run_line,
};
use crate::api::trigger::StartedRun;
use crate::error::{Error, RunState};
use crate::output::sink::sync_directory;
use crate::text::io_reason;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// More than any journal, whose ids are bounded.
const MAX_SIZE: u64 = 4096;

/// A claimed and locked run file.
pub struct Journal {
    file: File,
    pub path: PathBuf,
    /// The first line, without its newline.
    first_line: String,
}

impl Journal {
    /// Claims the file for this request and reads it. A file in which nothing counts gets its first
    /// line, for a trigger like `next`.
    /// Errors: a usage error: it cannot serve, and is left as it is. `Unreachable`: another process
    /// is using it.
    pub fn claim(
        path: &Path,
        fingerprint: &Fingerprint,
        next: &Announcement,
    ) -> Result<(Journal, Entry), Error> {
        let file = open_and_lock(path)?;
        let text = read(&file, path)?;
        let path = path_of(&file, path)?;
        let mut journal = Journal {
            file,
            path,
            first_line: String::new(),
        };
        let Some((first, rest)) = text.split_once('\n') else {
            journal.first_line = first_line(fingerprint, next);
            if let Err(why) = journal.begin() {
                // What was begun is of no use; that it cannot be removed either changes nothing.
                let _ = journal.remove();
                return Err(journal.cannot(&io_reason(&why)));
            }
            return Ok((journal, Entry::Empty));
        };
        journal.first_line = first.to_owned();
        let (digest, announcement) = parse_first_line(first);
        let second_line = rest.split_once('\n').map(|(line, _)| line);
        if digest != fingerprint.0 {
            return Err(journal.belongs_to_another(second_line.and_then(parse_run)));
        }
        match second_line.map(parse_run) {
            Some(Some(run)) => Ok((journal, Entry::Started(run, announcement))),
            Some(None) => Err(journal.damaged()),
            None => Ok((journal, Entry::Announced(announcement))),
        }
    }

    /// Claims a file in which nothing counts.
    fn begin(&self) -> io::Result<()> {
        let mut permissions = self.file.metadata()?.permissions();
        permissions.set_mode(0o600);
        self.file.set_permissions(permissions)?;
        self.file.set_len(0)?;
        self.file.write_all_at(self.first_line.as_bytes(), 0)?;
        self.file.sync_all()?;
        sync_directory(&self.path)
    }

    /// Makes the first line count: a trigger is about to be sent.
    pub fn announce(&self) -> io::Result<()> {
        self.file
            .write_all_at(b"\n", self.first_line.len() as u64)?;
        self.file.sync_all()
    }

    /// Takes that back: the trigger was rejected.
    pub fn retract(&self) -> io::Result<()> {
        self.file.set_len(self.first_line.len() as u64)?;
        self.file.sync_all()
    }

    /// Records which run was started.
    pub fn record(&self, run: &StartedRun) -> io::Result<()> {
        let line = run_line(run);
        self.file
            .write_all_at(line.as_bytes(), self.first_line.len() as u64 + 1)?;
        self.file.sync_all()
    }

    /// Removes the file, once the outcome was delivered or nothing was started.
    /// Errors: it is still there with something in it, or another file may be there now.
    pub fn remove(&self) -> io::Result<()> {
        let here = self.file.metadata()?;
        let there = match fs::metadata(&self.path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        if !is_same(&here, &there) {
            return Err(io::Error::other("another file is there now"));
        }
        // If it cannot be removed, it is emptied: an empty file counts as unused.
        fs::remove_file(&self.path).or_else(|_| self.file.set_len(0))?;
        // After a power cut the file could be back, and with it the old answer. Some file systems
        // cannot sync a directory, and the file is gone all the same.
        let _ = sync_directory(&self.path);
        Ok(())
    }

    fn cannot(&self, why: &str) -> Error {
        cannot(&self.path, why)
    }

    fn belongs_to_another(&self, run: Option<StartedRun>) -> Error {
        let run = run
            .and_then(|run| run.run_id)
            .map(|id| format!(", run {id}"));
        let what = format!(
            "it belongs to another request (agent or tool, message, fields, attachments or API \
             differ){}",
            run.unwrap_or_default()
        );
        self.cannot(&what)
            .next("repeat that command to finish it, or choose another file")
    }

    fn damaged(&self) -> Error {
        self.cannot("it is damaged (line 2 is not understood)")
            .next("check the agent's tasks for the run, then remove the file")
    }
}

fn cannot(path: &Path, why: &str) -> Error {
    let what = format!("cannot use --run-file {}: {why}", path.display());
    Error::usage(what).state(RunState::NothingStarted)
}

fn open_and_lock(path: &Path) -> Result<File, Error> {
    // Opening a device or a pipe could block or do something.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(cannot(path, "it is not a regular file").next("choose another file"));
    }
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    let file = opened.map_err(|why| cannot(path, &io_reason(&why)))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(busy(path)),
        Err(TryLockError::Error(why)) => Err(cannot(path, &io_reason(&why))),
    }
}

fn busy(path: &Path) -> Error {
    Error::unreachable(format!(
        "another process is using --run-file {}",
        path.display()
    ))
    .next("wait for it, or repeat the command later")
}

/// The text of the file.
fn read(mut file: &File, path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    file.by_ref()
        .take(MAX_SIZE)
        .read_to_end(&mut bytes)
        .map_err(|why| cannot(path, &io_reason(&why)))?;
    let not_one = || cannot(path, "it is not a run file").next("choose another file");
    let is_whole = (bytes.len() as u64) < MAX_SIZE;
    let text = String::from_utf8(bytes).map_err(|_| not_one())?;
    let first_line = text.split('\n').next().unwrap_or_default();
    // A torn first line is a part of the header, or begins with it.
    let is_torn_header = text == first_line && HEADER.starts_with(first_line);
    if !is_whole || !(first_line.starts_with(HEADER) || is_torn_header) {
        return Err(not_one());
    }
    Ok(text)
}

/// Where the locked file is.
fn path_of(file: &File, path: &Path) -> Result<PathBuf, Error> {
    let resolved = match fs::canonicalize(path) {
        Ok(resolved) => resolved,
        // Removed between the opening and the lock: whoever held it was using it until just now.
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Err(busy(path)),
        Err(why) => return Err(cannot(path, &io_reason(&why))),
    };
    let here = file
        .metadata()
        .map_err(|why| cannot(path, &io_reason(&why)))?;
    match fs::metadata(&resolved) {
        Ok(there) if is_same(&here, &there) => Ok(resolved),
        Ok(_) => Err(busy(path)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Err(busy(path)),
        Err(why) => Err(cannot(path, &io_reason(&why))),
    }
}

fn is_same(here: &fs::Metadata, there: &fs::Metadata) -> bool {
    (here.dev(), here.ino()) == (there.dev(), there.ino())
}
