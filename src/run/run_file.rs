/*! The run file: a journal that makes one command of several processes, so that at most one trigger is sent for it.

It has two lines at most, and a line counts once its newline is there:

```text
relevance-run trigger SHA-256-OF-THE-REQUEST      a trigger of this request is about to be sent
run STUDIO_ID/JOB_ID CONVERSATION_ID STATE        this is the run; what was not told is "-"
```

The first line is written without its newline when the file is claimed, so that its space is there; the newline comes,
synced, before the first byte of a trigger, and goes again when the trigger was certainly turned away. The second line
is synced as soon as the reply names the run. The file's folder is synced at the claim.

What is promised, on a local file system that keeps what was synced: whatever ends the process, a SIGKILL or a power
cut included, no second trigger is sent for the same file, and a run whose ids were known is taken up again. What ends
between the first byte and the second line leaves a file that says so, and a person has to look. Once the outcome was
told the file is gone: what ends the process then is too late, and the same command is a new one. A living process holds
a lock (flock). On a file system without locks the claim is refused; on one whose locks do not reach other machines
(some NFS mounts), two machines must not share a file. A disk that lies about having synced can lose either line. */

use crate::api::wire::{Id, Triggered};
use crate::output::exit::{Error, ensure, error};
use crate::output::sink::sync_folder;
use ring::digest::{SHA256, digest};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt::Display, path::Path, path::PathBuf};

const HEADER: &str = "relevance-run trigger ";
/// More than any journal, whose ids are bounded.
const MAX_SIZE: u64 = 4096;

/// A claimed and locked run file.
pub struct RunFile {
    file: File,
    pub path: PathBuf,
    /// The first line, without its newline.
    first_line: String,
    /// Whether the first line counts.
    announced: AtomicBool,
}

impl RunFile {
    /// Claims the file for this request, or finds the run that it names.
    /// Errors: `Usage`: it cannot serve, and is left as it is. `Unreachable`: another process is at it. `Unknown`: the
    /// request may have been sent; `page` is where to look.
    pub fn claim(
        path: &Path,
        api: &str,
        request: &[u8],
        page: &str,
    ) -> Result<(RunFile, Option<Triggered>), Error> {
        let name = path.display();
        let cannot = |why: &dyn Display| error!(Usage: "cannot use --run-file {name}: {why}; nothing was sent");
        // Opening a device or a pipe could block or do something.
        let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file());
        ensure!(!is_special, cannot(&"it is no regular file"));
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path);
        let mut file = opened.map_err(|why| cannot(&why))?;
        let busy =
            || error!(Unreachable: "another process is at --run-file {name}; nothing was started");
        file.try_lock().map_err(|why| match why {
            TryLockError::WouldBlock => busy(),
            TryLockError::Error(why) => cannot(&why),
        })?;
        let path = fs::canonicalize(path).map_err(|_| busy())?;
        let here = file.metadata().map_err(|why| cannot(&why))?;
        // Removed between the opening and the lock: whoever had it was at it until just now.
        ensure!(is_at(&file, &path), busy());
        let mut text = String::new();
        let is_text = (&mut file).take(MAX_SIZE).read_to_string(&mut text).is_ok();
        let sha256 = digest(&SHA256, &[api.as_bytes(), b"\n", request].concat());
        let digits: String = sha256
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let first_line = format!("{HEADER}{digits}");
        let run_file = RunFile {
            file,
            path,
            first_line,
            announced: AtomicBool::new(false),
        };
        let first = text.split('\n').next().unwrap_or_default();
        let is_header = first.starts_with(HEADER) || HEADER.starts_with(&*text);
        let is_journal = is_text && (text.len() as u64) < MAX_SIZE && is_header;
        ensure!(is_journal, cannot(&"it is none; choose another FILE"));
        let Some((first, rest)) = text.split_once('\n') else {
            let started = run_file.start(here.permissions());
            started
                .or_else(|why| run_file.remove().and(Err(why)))
                .map_err(|why| cannot(&why))?;
            return Ok((run_file, None));
        };
        let second = rest.split_once('\n').map(|(line, _)| parse_run(line));
        if first != run_file.first_line {
            let run = second
                .flatten()
                .map(|it| format!(", whose run is {}", it.run))
                .unwrap_or_default();
            return Err(cannot(&format!(
                "it is of another request (agent, message, fields or API){run}; \
                finish that one, or choose another FILE"
            )));
        }
        match second {
            Some(Some(triggered)) => Ok((run_file, Some(triggered))),
            Some(None) => Err(cannot(&"its second line is not understood")),
            None => Err(
                error!(Unknown: "--run-file {name} says that the trigger was about to be sent, so the run may \
                have been started; look at {page}, and if there is none, remove {name} and run the command again"),
            ),
        }
    }

    /// Claims a file in which nothing counts.
    fn start(&self, mut permissions: fs::Permissions) -> io::Result<()> {
        permissions.set_mode(0o600);
        self.file.set_permissions(permissions)?;
        self.file.set_len(0)?;
        (&self.file).write_all(self.first_line.as_bytes())?;
        self.file.sync_all()?;
        sync_folder(&self.path)
    }

    /// Makes the first line count: a trigger is about to be sent.
    pub fn announce(&self) -> io::Result<()> {
        (&self.file).write_all(b"\n")?;
        self.announced.store(true, Ordering::SeqCst);
        self.file.sync_all()
    }

    /// Takes that back: the trigger was turned away.
    pub fn retract(&self) -> io::Result<()> {
        if self.announced.swap(false, Ordering::SeqCst) {
            self.file.set_len(self.first_line.len() as u64)?;
            self.file.sync_all()?;
        }
        Ok(())
    }

    /// Writes down which run was started.
    pub fn record(&self, triggered: &Triggered) -> io::Result<()> {
        let Triggered {
            run,
            conversation_id,
            state,
        } = triggered;
        let conversation_id = conversation_id
            .as_ref()
            .map_or("-".to_owned(), Id::to_string);
        let is_word =
            |state: &&str| !state.is_empty() && state.bytes().all(|b| b.is_ascii_graphic());
        let state = state
            .as_deref()
            .filter(is_word)
            .filter(|it| it.len() < 100)
            .unwrap_or("-");
        (&self.file).write_all(format!("run {run} {conversation_id} {state}\n").as_bytes())?;
        self.file.sync_all()
    }

    /// Removes the file, once the outcome was told or nothing was started.
    /// Errors: if it is still there with something in it.
    pub fn remove(&self) -> io::Result<()> {
        // What is there by now may be another's; and where it cannot be removed, an empty file is as good.
        let removed = if is_at(&self.file, &self.path) {
            fs::remove_file(&self.path)
        } else {
            Ok(())
        };
        removed.or_else(|_| self.file.set_len(0))
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |here: fs::Metadata, there: fs::Metadata| {
        (here.dev(), here.ino()) == (there.dev(), there.ino())
    };
    file.metadata()
        .and_then(|here| Ok(same(here, fs::metadata(path)?)))
        .unwrap_or(false)
}

fn parse_run(line: &str) -> Option<Triggered> {
    let mut words = line.strip_prefix("run ")?.split(' ');
    let run = words.next()?.parse().ok()?;
    let mut word = || {
        words
            .next()
            .map(|word| Some(word).filter(|word| *word != "-"))
    };
    let (conversation_id, state) = (word()?, word()?);
    let conversation_id = conversation_id.map(str::parse).transpose().ok()?;
    Some(Triggered {
        run,
        conversation_id,
        state: state.map(ToOwned::to_owned),
    })
}
