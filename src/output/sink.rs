/*! Where the result goes: standard output, or the FILE of `--output`. */

use super::exit::{Error, ensure, error};
use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::{fd::AsFd, fd::BorrowedFd, unix::fs::FileTypeExt};
use std::path::{Path, PathBuf};
use std::{fmt::Display, hash::BuildHasher, process};

/// As many links are followed as Linux follows.
const MAX_LINKS: usize = 40;

/// Where the result goes.
pub enum Sink {
    Stdout,
    Stderr,
    /// Whole or not at all: written to the temporary file beside it, then renamed.
    File {
        path: PathBuf,
        temporary: PathBuf,
    },
    /// A device or a pipe, which must not be replaced by a file.
    Special(PathBuf),
}

impl Sink {
    /// Where `--output` points, checked before anything is sent.
    /// Errors: a usage error if it can never be written there.
    pub fn open(output: Option<&Path>) -> Result<Sink, Error> {
        let Some(path) = output else {
            return Ok(Sink::Stdout);
        };
        let name = path.display();
        let cannot = |why: &dyn Display| error!(Usage: "cannot write --output {name}: {why}; choose another file");
        // The descriptor itself: opened again it would have a position of its own.
        match path.to_str() {
            Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => return Ok(Sink::Stdout),
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => return Ok(Sink::Stderr),
            _ => {}
        }
        match fs::metadata(path).map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_dir() => return Err(cannot(&"it is a folder")),
            Ok(kind) if kind.is_socket() => return Err(cannot(&"it is a socket")),
            Ok(kind) if kind.is_fifo() => return Ok(Sink::Special(path.to_owned())),
            Ok(kind) if !kind.is_file() => {
                OpenOptions::new()
                    .write(true)
                    .open(path)
                    .map_err(|why| cannot(&why))?;
                return Ok(Sink::Special(path.to_owned()));
            }
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(cannot(&why)),
            _ if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(cannot(&"it is a folder"));
            }
            _ => {}
        }
        let path = resolve(path);
        ensure!(path.file_name().is_some(), cannot(&"it names no file"));
        // Process ids repeat between containers that share a folder.
        let unique = RandomState::new().hash_one(process::id());
        let temporary = path.with_file_name(format!(".relevance-run-{unique:016x}.tmp"));
        File::create_new(&temporary)
            .and_then(|_| fs::remove_file(&temporary))
            .map_err(|why| cannot(&why))?;
        Ok(Sink::File { path, temporary })
    }

    /// Writes what `tell` writes.
    /// Errors: whatever says that it did not arrive, a closed pipe included. Of a file nothing remains then.
    pub fn write(&self, tell: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let (path, temporary) = match self {
            Sink::Stdout => return write_through(io::stdout().as_fd(), tell),
            Sink::Stderr => return write_through(io::stderr().as_fd(), tell),
            Sink::Special(path) => {
                let file = OpenOptions::new().write(true).open(path)?;
                return write_through(file.as_fd(), tell);
            }
            Sink::File { path, temporary } => (path, temporary),
        };
        let write = || {
            let mut file = BufWriter::new(File::create_new(temporary)?);
            if let Ok(existing) = fs::metadata(path) {
                file.get_ref().set_permissions(existing.permissions())?;
            }
            tell(&mut file)?;
            file.flush()?;
            file.get_ref().sync_all()?;
            fs::rename(temporary, path)?;
            // That the name is on the disk too matters after a power cut alone, and some file systems cannot say.
            let _ = sync_folder(path);
            Ok(())
        };
        let written = write();
        if written.is_err() {
            self.discard();
        }
        written
    }

    /// Removes the temporary file, if there is one.
    pub fn discard(&self) {
        if let Sink::File { temporary, .. } = self {
            let _ = fs::remove_file(temporary);
        }
    }

    pub fn name(&self) -> String {
        match self {
            Sink::Stdout => "standard output".to_owned(),
            Sink::Stderr => "standard error".to_owned(),
            Sink::File { path, .. } | Sink::Special(path) => path.display().to_string(),
        }
    }
}

/// Writes to a descriptor, past the standard library's own handles: they take a closed one for a good one.
fn write_through(
    descriptor: BorrowedFd,
    tell: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(64 << 10, File::from(descriptor.try_clone_to_owned()?));
    if descriptor.is_terminal() {
        let mut whole = Vec::new();
        tell(&mut whole)?;
        write_visible(&mut file, &String::from_utf8_lossy(&whole))?;
    } else {
        tell(&mut file)?;
    }
    file.flush()?;
    // A file outlives a power cut as the run file does; what is none cannot be synced.
    let _ = file.get_ref().sync_all();
    Ok(())
}

/// The file behind a path, which need not be there yet: a link is kept, and what it leads to is meant.
pub fn resolve(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path.pop();
        path.push(target);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Syncs the folder that a file is in, so that its name is on the disk. Some file systems do that only by themselves.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path.parent().unwrap_or(path))?.sync_all() {
        Err(why) if matches!(why.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// For a terminal: control characters other than newline and tab in caret notation, or as `<U+009B>`.
fn write_visible(out: &mut impl Write, text: &str) -> io::Result<()> {
    text.chars().try_for_each(|c| match c {
        '\0'..='\x1f' if !matches!(c, '\n' | '\t') => {
            write!(out, "^{}", char::from(c as u8 + b'@'))
        }
        '\x7f' => write!(out, "^?"),
        '\u{80}'..='\u{9f}' => write!(out, "<U+{:04X}>", u32::from(c)),
        _ => write!(out, "{c}"),
    })
}
