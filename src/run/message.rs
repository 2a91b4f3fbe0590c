/*! The message, and the other things that are read before anything is sent. */

use crate::api::trigger::Field;
use crate::cli::args::Part;
use crate::cli::values::{FieldArg, FieldValue};
use crate::error::{Error, RunState};
use crate::session::Session;
use crate::text::io_reason;
use serde_json::value::to_raw_value;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

/// Longest text that is read, in bytes: as much as a response may have.
const MAX_TEXT: u64 = 64 << 20;

/// The message, exactly as it was given; two parts are joined by a blank line.
/// Errors: a usage error: it cannot be read, or sent.
pub fn read_message(parts: Vec<Part>, session: &Session) -> Result<String, Error> {
    let mut message = String::new();
    for part in parts {
        let text = match part {
            Part::Text(text) => check_text("MESSAGE", text)?,
            Part::File(path) => {
                let name = format!("--file {}", path.display());
                check_text(&name, read_file(&name, &path, session)?)?
            }
            Part::StdinIfPiped if io::stdin().is_terminal() => {
                return Err(Error::usage("no message").next(
                    "pass it as an argument, with --file, or on standard input through a pipe; see \
                     relevance-run --help",
                ));
            }
            Part::Stdin | Part::StdinIfPiped => check_text("standard input", read_stdin(session)?)?,
        };
        if message.is_empty() {
            message = text;
        } else {
            message.push_str("\n\n");
            message.push_str(&text);
        }
    }
    Ok(message)
}

/// Refuses a text that says nothing.
fn check_text(name: &str, text: String) -> Result<String, Error> {
    if text.trim().is_empty() {
        return Err(Error::usage(format!("{name} is empty")).next(
            "check the command that produced the message (in a crontab, write \\% for %; with \
             docker run, add -i to forward standard input)",
        ));
    }
    Ok(text)
}

/// The members of a request, with the files that they name.
/// Errors: a usage error: a file cannot be read.
pub fn read_fields(
    option: &str,
    arguments: Vec<FieldArg>,
    session: &Session,
) -> Result<Vec<Field>, Error> {
    let mut fields = Vec::new();
    for FieldArg { key, value } in arguments {
        let text = match value {
            FieldValue::Json(value) => {
                fields.push(Field { key, value });
                continue;
            }
            FieldValue::File(path) => {
                let name = format!("{option} {key}@{}", path.display());
                read_file(&name, &path, session)?
            }
            FieldValue::Stdin => read_stdin(session)?,
        };
        let value = to_raw_value(&text).map_err(|why| {
            Error::usage(format!("{option} {key} cannot be written as JSON: {why}"))
        })?;
        fields.push(Field { key, value });
    }
    Ok(fields)
}

fn read_stdin(session: &Session) -> Result<String, Error> {
    const NAME: &str = "standard input";
    session.set_activity(format!("still reading {NAME}"));
    let text = to_text(NAME, read_limited(io::stdin(), 0));
    session.clear_activity();
    text
}

/// `name` is what messages call the file.
fn read_file(name: &str, path: &Path, session: &Session) -> Result<String, Error> {
    session.set_activity(format!("still reading {name}"));
    let read = File::open(path).and_then(|file| {
        let size = file.metadata().map_or(0, |found| found.len());
        read_limited(file, size)
    });
    session.clear_activity();
    to_text(name, read)
}

fn to_text(name: &str, read: io::Result<Vec<u8>>) -> Result<String, Error> {
    let bytes = read.map_err(|why| {
        Error::usage(format!("cannot read {name}: {}", io_reason(&why)))
            .state(RunState::NothingStarted)
            .next("check the path and its permissions")
    })?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(Error::usage(format!("{name} is longer than 64 MiB")).next("shorten it"));
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::usage(format!("{name} is not valid UTF-8"))
            .next("convert it first, for example with iconv")
    })
}

/// `size` is what a file is said to have, so that it is read into one piece of memory.
fn read_limited(source: impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size.min(MAX_TEXT) as usize + 1)?;
    source.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
