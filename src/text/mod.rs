/*! Text that is dangerous to print: the key, and whatever came from outside. */

pub mod duration;
pub mod redactor;
pub mod token;
pub mod visible;

use std::io;

/// An error of the operating system in words, without the " (os error 2)" that Rust adds: the
/// number means nothing to the reader.
pub fn io_reason(why: &io::Error) -> String {
    let text = why.to_string();
    match text.find(" (os error ") {
        Some(end) if why.raw_os_error().is_some() || text.ends_with(')') => text[..end].to_owned(),
        _ => text,
    }
}
