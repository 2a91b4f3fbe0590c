/*! Where the result goes: standard output, or the FILE of `--output`. */

use super::descriptor;
use super::patient::Patient;
use crate::error::Error;
use crate::text::io_reason;
use crate::text::visible::write_visible;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;

/// As many links are followed as Linux follows.
const MAX_LINKS: usize = 40;

/// Writes the result into what it is given.
pub type WriteResult<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Where the result goes.
pub enum Sink {
    Stdout,
    Stderr,
    /// Another descriptor that this process was given.
    Descriptor {
        path: PathBuf,
        file: File,
    },
    /// Complete or not at all: written to the temporary file in the same directory, then renamed.
    Replaced {
        path: PathBuf,
        temporary: PathBuf,
    },
    /// Written into as it is: a device, a pipe, or a file that cannot be replaced.
    Existing(PathBuf),
}

/// A descriptor that `--output` means by its number.
pub struct GivenDescriptor {
    number: i32,
    file: io::Result<File>,
}

impl GivenDescriptor {
    /// `None` where the path means something else. To be called before this process opens anything:
    /// a number that it was not given must not lead to a descriptor of its own.
    pub fn of(output: &Path) -> Option<GivenDescriptor> {
        let number = descriptor::number(output)?;
        let file = descriptor::duplicate(number);
        Some(GivenDescriptor { number, file })
    }
}

impl Sink {
    /// Where `--output` points, checked before anything is sent.
    /// Errors: a usage error if it can never be written there.
    pub fn open(output: Option<&Path>, given: Option<GivenDescriptor>) -> Result<Sink, Error> {
        let Some(path) = output else {
            return Ok(Sink::Stdout);
        };
        if let Some(given) = given {
            return open_given(path, given);
        }
        match fs::metadata(path).map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_dir() => return Err(cannot(path, "it is a directory")),
            Ok(kind) if kind.is_socket() => return Err(cannot(path, "it is a socket")),
            // Opened, it would wait for its reader.
            Ok(kind) if kind.is_fifo() => return Ok(Sink::Existing(path.to_owned())),
            Ok(kind) if !kind.is_file() => return existing(path),
            Err(why) if why.kind() != ErrorKind::NotFound => {
                return Err(cannot(path, &io_reason(&why)));
            }
            _ if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(cannot(path, "it is a directory"));
            }
            _ => {}
        }
        open_file(path)
    }

    /// Writes the result.
    /// Errors: whatever says that not all of it arrived, a closed pipe included. Nothing remains
    /// then of a file that would have been replaced.
    pub fn write(&self, write_result: WriteResult) -> io::Result<()> {
        match self {
            Sink::Stdout => write_through(descriptor::own(io::stdout().as_fd())?, write_result),
            Sink::Stderr => write_through(descriptor::own(io::stderr().as_fd())?, write_result),
            Sink::Descriptor { file, .. } => write_through(file.try_clone()?, write_result),
            Sink::Existing(path) => write_into(path, write_result),
            Sink::Replaced { path, temporary } => {
                let written = replace(path, temporary, write_result);
                if written.is_err() {
                    self.discard();
                }
                written
            }
        }
    }

    /// Removes the temporary file, if there is one.
    pub fn discard(&self) {
        if let Sink::Replaced { temporary, .. } = self {
            // It is there only if the result is half written.
            let _ = fs::remove_file(temporary);
        }
    }

    pub fn name(&self) -> String {
        match self {
            Sink::Stdout => "standard output".to_owned(),
            Sink::Stderr => "standard error".to_owned(),
            Sink::Descriptor { path, .. } | Sink::Replaced { path, .. } | Sink::Existing(path) => {
                path.display().to_string()
            }
        }
    }

    /// Whether the result goes into this very file.
    pub fn writes_to(&self, path: &Path) -> bool {
        let found = match self {
            Sink::Stdout => descriptor::own(io::stdout().as_fd()).and_then(|file| file.metadata()),
            Sink::Stderr => descriptor::own(io::stderr().as_fd()).and_then(|file| file.metadata()),
            Sink::Descriptor { file, .. } => file.metadata(),
            Sink::Existing(own) => fs::metadata(own),
            Sink::Replaced { path: own, .. } if *own == resolve(path) => return true,
            Sink::Replaced { path: own, .. } => fs::metadata(own),
        };
        let (Ok(ours), Ok(theirs)) = (found, fs::metadata(path)) else {
            return false;
        };
        ours.is_file() && (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
    }
}

fn cannot(path: &Path, why: &str) -> Error {
    Error::usage(format!("cannot write --output {}: {why}", path.display()))
        .next("choose another file")
}

fn open_given(path: &Path, given: GivenDescriptor) -> Result<Sink, Error> {
    let GivenDescriptor { number, file } = given;
    let file = file.map_err(|why| cannot(path, &io_reason(&why)))?;
    if !descriptor::is_writable(&file) {
        return Err(cannot(path, "it is open for reading only"));
    }
    Ok(match number {
        1 => Sink::Stdout,
        2 => Sink::Stderr,
        _ => Sink::Descriptor {
            path: path.to_owned(),
            file,
        },
    })
}

/// A file, which need not be there yet. Whether it can be written is found out before money is
/// spent.
fn open_file(path: &Path) -> Result<Sink, Error> {
    let resolved = resolve(path);
    if resolved.file_name().is_none() {
        return Err(cannot(path, "it has no file name"));
    }
    if descriptor::is_mount_point(&resolved) {
        return existing(&resolved);
    }
    // Process ids repeat between containers that share a directory.
    let unique = RandomState::new().hash_one(process::id());
    let temporary = resolved.with_file_name(format!(".relevance-run-{unique:016x}.tmp"));
    let probe = File::create_new(&temporary).and_then(|_| fs::remove_file(&temporary));
    match probe {
        Ok(()) => Ok(Sink::Replaced {
            path: resolved,
            temporary,
        }),
        Err(_) if resolved.is_file() => existing(&resolved),
        Err(why) => Err(cannot(path, &io_reason(&why))),
    }
}

/// What is written into as it is, if it can be.
fn existing(path: &Path) -> Result<Sink, Error> {
    match OpenOptions::new().write(true).open(path) {
        Ok(_) => Ok(Sink::Existing(path.to_owned())),
        Err(why) => Err(cannot(path, &io_reason(&why))),
    }
}

fn replace(path: &Path, temporary: &Path, write_result: WriteResult) -> io::Result<()> {
    let mut file = BufWriter::new(File::create_new(temporary)?);
    if let Ok(existing) = fs::metadata(path) {
        file.get_ref().set_permissions(existing.permissions())?;
    }
    write_result(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    drop(file);
    match fs::rename(temporary, path) {
        Ok(()) => {
            // That the name is on the disk too matters only after a power cut, and some file
            // systems cannot say.
            let _ = sync_directory(path);
            Ok(())
        }
        // Something was mounted on it meanwhile: it cannot be replaced, and perhaps be written
        // into.
        Err(why) if why.kind() == ErrorKind::ResourceBusy => {
            write_into(path, write_result)?;
            fs::remove_file(temporary)
        }
        Err(why) => Err(why),
    }
}

/// Writes into what is there: a file is emptied first, and again where not all of it arrives.
fn write_into(path: &Path, write_result: WriteResult) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file {
        file.set_len(0)?;
    }
    let written = write_through(file.try_clone()?, write_result);
    if written.is_err() && is_file {
        // Half a result would pass for a whole one.
        let _ = file.set_len(0);
    }
    written
}

/// Writes to an open descriptor, past the standard library's own handles: they take a closed one
/// for a good one.
fn write_through(file: File, write_result: WriteResult) -> io::Result<()> {
    let is_terminal = file.is_terminal();
    let mut out = BufWriter::with_capacity(64 << 10, Patient(&file));
    if is_terminal {
        let mut whole = Vec::new();
        write_result(&mut whole)?;
        write_visible(&mut out, &String::from_utf8_lossy(&whole))?;
    } else {
        write_result(&mut out)?;
    }
    out.flush()?;
    drop(out);
    sync(&file)
}

/// Syncs what is a file, so that it outlives a power cut as the run file does.
/// Errors: whatever does not say that this cannot be synced at all.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(why) if matches!(why.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// Syncs the directory that a file is in, so that its name is on the disk. Some file systems do
/// that only by themselves.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    sync(&File::open(path.parent().unwrap_or(path))?)
}

/// The file behind a path, which need not be there yet: a link is kept, and what it leads to is
/// meant.
fn resolve(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path.pop();
        path.push(target);
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match (
        fs::canonicalize(parent.unwrap_or(Path::new("."))),
        path.file_name(),
    ) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path,
    }
}
