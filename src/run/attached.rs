/*! What goes with the message: files, found fit to be sent before anything is, and URLs. */

use crate::cli::values::Attach;
use crate::error::Error;
use crate::session::Session;
use crate::text::io_reason;
use ring::digest::{Context, SHA256};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::SystemTime;

/// The vendor's limit, in bytes.
const MAX_SIZE: u64 = 100_000_000;

/// The types of files by their extensions, as far as they are likely.
const MEDIA_TYPES: [(&str, &str); 22] = [
    ("csv", "text/csv; charset=utf-8"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("gif", "image/gif"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wav", "audio/wav"),
    ("webp", "image/webp"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("xml", "text/xml; charset=utf-8"),
    ("zip", "application/zip"),
];

/// Something that goes with the message.
pub enum Attached {
    File(LocalFile),
    /// An https URL, passed on as it is.
    Url(String),
}

impl Attached {
    /// Errors: a usage error: a file cannot be read, or is not what the API takes.
    pub fn open(attach: Attach) -> Result<Attached, Error> {
        Ok(match attach {
            Attach::File(path) => Attached::File(LocalFile::open(path)?),
            Attach::Url(url) => Attached::Url(url),
        })
    }

    /// What tells it from others: a file by its name and contents, a URL by itself.
    /// Errors: `Unreachable`: the file cannot be read, or changed.
    pub fn digest(&self, session: &Session) -> Result<Vec<u8>, Error> {
        let mut context = Context::new(&SHA256);
        match self {
            Attached::Url(url) => context.update(url.as_bytes()),
            Attached::File(local) => {
                session.set_activity(format!("still reading {}", local.path.display()));
                context.update(local.name.as_bytes());
                // No name and no URL contains it.
                context.update(b"\0");
                local.read_into(&mut context)?;
                session.clear_activity();
            }
        }
        Ok(context.finish().as_ref().to_vec())
    }
}

/// A file that is to be uploaded. It is open, so that another one that takes its name is not sent
/// in its place.
pub struct LocalFile {
    file: File,
    path: PathBuf,
    pub size: u64,
    modified_at: Option<SystemTime>,
    pub name: String,
    /// In small letters; empty if there is none.
    pub extension: String,
}

impl LocalFile {
    fn open(path: PathBuf) -> Result<LocalFile, Error> {
        let cannot = |why: &str| Error::usage(format!("cannot attach {}: {why}", path.display()));
        let unreadable =
            |why: io::Error| cannot(&io_reason(&why)).next("check the path and its permissions");
        let kind = std::fs::metadata(&path).map_err(unreadable)?;
        if kind.is_dir() {
            return Err(cannot("it is a directory").next("attach files, or an archive of them"));
        }
        // Opening a pipe could block.
        if !kind.is_file() {
            return Err(cannot("it is not a regular file").next("write it to a file first"));
        }
        let file = File::open(&path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if found.len() == 0 {
            return Err(cannot("it is empty").next("check the command that produced it"));
        }
        if found.len() > MAX_SIZE {
            return Err(cannot("it is larger than 100 MB").next("attach a smaller file"));
        }
        Ok(LocalFile {
            file,
            size: found.len(),
            modified_at: found.modified().ok(),
            name: text(path.file_name()),
            extension: text(path.extension()).to_ascii_lowercase(),
            path,
        })
    }

    pub fn media_type(&self) -> &'static str {
        let known = MEDIA_TYPES
            .iter()
            .find(|(extension, _)| *extension == self.extension);
        known.map_or("application/octet-stream", |(_, media_type)| media_type)
    }

    /// What is in it, from the beginning on.
    pub fn contents(&self) -> Contents<'_> {
        Contents {
            local: self,
            offset: 0,
            failure: None,
        }
    }

    /// Errors: `Unreachable`: it is not what was checked any more.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        match self.file.metadata() {
            Ok(found) if found.len() == self.size && found.modified().ok() == self.modified_at => {
                Ok(())
            }
            Ok(_) => Err(self.changed()),
            Err(why) => Err(self.unreadable(&why)),
        }
    }

    fn read_into(&self, context: &mut Context) -> Result<(), Error> {
        let mut contents = self.contents();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match contents.read(&mut buffer) {
                Ok(0) => return self.check_unchanged(),
                Ok(read) => context.update(&buffer[..read]),
                Err(why) => return Err(contents.failure.unwrap_or_else(|| self.unreadable(&why))),
            }
        }
    }

    fn changed(&self) -> Error {
        let what = format!("cannot upload {}: it changed meanwhile", self.name);
        Error::unreachable(what).next("attach a copy of it, or repeat the command")
    }

    fn unreadable(&self, why: &io::Error) -> Error {
        Error::unreachable(format!("cannot upload {}: {}", self.name, io_reason(why)))
    }
}

fn text(part: Option<&OsStr>) -> String {
    part.map(|part| part.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// As many bytes of a file as it had when it was checked.
pub struct Contents<'a> {
    local: &'a LocalFile,
    offset: u64,
    /// Why reading failed. Whoever reads may report it as an error of the network.
    pub failure: Option<Error>,
}

impl Contents<'_> {
    pub fn is_at_end(&self) -> bool {
        self.offset == self.local.size
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.local.size - self.offset;
        let wanted = left.min(buffer.len() as u64) as usize;
        let read = self
            .local
            .file
            .read_at(&mut buffer[..wanted], self.offset)
            .inspect_err(|why| self.failure = Some(self.local.unreadable(why)))?;
        if read == 0 && wanted > 0 {
            self.failure = Some(self.local.changed());
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += read as u64;
        Ok(read)
    }
}
