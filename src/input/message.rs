/*! The message: where it is said to be, read exactly as it is. */

use crate::output::exit::{Error, ensure, error};
use std::io::{self, IsTerminal, Read};
use std::{fs::File, path::PathBuf};

/// Longest message, in bytes: as much as a response may have.
const MAX_MESSAGE: u64 = 64 << 20;

/// Where the message is.
pub enum Source {
    Text(String),
    /// `None` is standard input, which may then be a terminal.
    File(Option<PathBuf>),
    /// Nothing was said: standard input, unless that is a terminal.
    Unsaid,
}

/// The message, exactly as it was given; `waiting` is told before it is read, since that may block.
/// Errors: a usage error: it cannot be read, or sent.
pub fn read(source: Source, waiting: &dyn Fn(String)) -> Result<String, Error> {
    let name = match &source {
        Source::Text(_) => "the message".to_owned(),
        Source::Unsaid | Source::File(None) => "standard input".to_owned(),
        Source::File(Some(path)) => format!("--file {}", path.display()),
    };
    let is_said = !matches!(source, Source::Unsaid) || !io::stdin().is_terminal();
    ensure!(is_said, Usage: "no message: give it as an argument, with --file, or through a pipe on standard input");
    waiting(format!("still reading {name}"));
    let read = match source {
        Source::Text(text) => Ok(text.into_bytes()),
        Source::Unsaid | Source::File(None) => read_limited(io::stdin()),
        Source::File(Some(path)) => File::open(path).and_then(read_limited),
    };
    let bytes = read.map_err(|why| error!(Usage: "cannot read {name}: {why}; nothing was sent"))?;
    ensure!(bytes.len() as u64 <= MAX_MESSAGE, Usage: "{name} is longer than 64 MiB; shorten it");
    let text = String::from_utf8(bytes).map_err(
        |_| error!(Usage: "{name} is not UTF-8 text; convert it first, for example with iconv"),
    )?;
    ensure!(!text.trim().is_empty(), Usage: "{name} is empty; say something to the agent (in a crontab, write \\% \
        for %; docker run needs -i to pass a pipe on; look at the command that made the message)");
    Ok(text)
}

fn read_limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_MESSAGE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
