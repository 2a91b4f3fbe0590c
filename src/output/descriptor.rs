/*! Descriptors and mounts, as the system knows them. */

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// A descriptor of this process as a file, with the position that it shares with its owner.
pub fn own(descriptor: BorrowedFd) -> io::Result<File> {
    Ok(File::from(descriptor.try_clone_to_owned()?))
}

/// The descriptor of this number. Opened again by its path, it would be at the beginning of its
/// file and not where its owner is.
#[cfg(target_os = "linux")]
pub fn duplicate(number: i32) -> io::Result<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    use std::os::fd::AsRawFd;
    let duplicate = pidfd_open(getpid(), PidfdFlags::empty()).and_then(|own| {
        // This one got the lowest number that was free. If it is the one that is asked for, nobody
        // gave that to this process.
        if own.as_raw_fd() == number {
            return Err(rustix::io::Errno::BADF);
        }
        pidfd_getfd(own, number, PidfdGetfdFlags::empty())
    });
    match duplicate {
        Ok(descriptor) => Ok(File::from(descriptor)),
        // A kernel before 5.6, or a sandbox that forbids the call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => open_by_path(number),
        Err(why) => Err(why.into()),
    }
}

/// Elsewhere the path means the descriptor itself.
#[cfg(not(target_os = "linux"))]
pub fn duplicate(number: i32) -> io::Result<File> {
    open_by_path(number)
}

fn open_by_path(number: i32) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .open(format!("/dev/fd/{number}"))
}

/// Whether a descriptor was opened for writing, as far as the system says.
pub fn is_writable(file: &File) -> bool {
    use rustix::fs::{OFlags, fcntl_getfl};
    fcntl_getfl(file).is_ok_and(|flags| flags & OFlags::ACCMODE != OFlags::RDONLY)
}

/// Whether something is mounted on this very file, so that it cannot be replaced.
#[cfg(target_os = "linux")]
pub fn is_mount_point(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::TYPE);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Elsewhere that is found out when it is replaced.
#[cfg(not(target_os = "linux"))]
pub fn is_mount_point(_: &Path) -> bool {
    false
}

/// The number of the descriptor that a path means, if it means one.
pub fn number(path: &Path) -> Option<i32> {
    let text = path.to_str()?;
    match text {
        "/dev/stdin" => return Some(0),
        "/dev/stdout" => return Some(1),
        "/dev/stderr" => return Some(2),
        _ => {}
    }
    let number = text
        .strip_prefix("/dev/fd/")
        .or_else(|| text.strip_prefix("/proc/self/fd/"))?;
    number.parse().ok().filter(|number| *number >= 0)
}
