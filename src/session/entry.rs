/*! The lines of the run file, read and written. */

use crate::api::ids::Id;
use crate::api::task::TaskState;
use crate::api::time::Millis;
use crate::api::trigger::StartedRun;
use ring::digest::{Context, SHA256};
use std::io::{self, Write};

pub(super) const HEADER: &str = "relevance-run trigger ";
/// What stands for what is not known.
const ABSENT: &str = "-";

/// What tells one request from another: a digest.
pub struct Fingerprint(pub(super) String);

/// Takes in, by writing, whatever counts of a request.
pub struct Fingerprinter(Context);

impl Fingerprinter {
    pub fn new() -> Fingerprinter {
        Fingerprinter(Context::new(&SHA256))
    }

    pub fn finish(self) -> Fingerprint {
        Fingerprint(hex(self.0.finish().as_ref()))
    }
}

impl Default for Fingerprinter {
    fn default() -> Fingerprinter {
        Fingerprinter::new()
    }
}

impl Write for Fingerprinter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A trigger that was about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The name that the request carries, if it carries one.
    pub name: Option<String>,
    /// When the command began that sends it, by this machine's clock.
    pub began_at: Option<Millis>,
}

/// What a file says when it is claimed.
#[derive(Debug)]
pub enum Entry {
    /// Nothing: it is new, or nothing in it counts.
    Empty,
    /// That a trigger was about to be sent.
    Announced(Announcement),
    /// Which run was started, and by which trigger.
    Started(StartedRun, Announcement),
}

pub(super) fn first_line(fingerprint: &Fingerprint, announcement: &Announcement) -> String {
    let name = announcement.name.as_deref().unwrap_or(ABSENT);
    let time = announcement
        .began_at
        .map_or(ABSENT.to_owned(), |Millis(ms)| ms.to_string());
    format!("{HEADER}{} {name} {time}", fingerprint.0)
}

/// The digest of the request, and what was to be sent.
pub(super) fn parse_first_line(line: &str) -> (&str, Announcement) {
    let mut words = line.strip_prefix(HEADER).unwrap_or_default().split(' ');
    let digest = words.next().unwrap_or_default();
    let mut word = || words.next().filter(|word| *word != ABSENT);
    let name = word().map(ToOwned::to_owned);
    let began_at = word().and_then(|ms| ms.parse().ok()).map(Millis);
    (digest, Announcement { name, began_at })
}

pub(super) fn run_line(run: &StartedRun) -> String {
    let run_id = run
        .run_id
        .as_ref()
        .map_or(ABSENT.to_owned(), ToString::to_string);
    let conversation_id = run.conversation_id.as_ref().map_or(ABSENT, Id::as_str);
    // Only a word that is known: any other could be the key, which the server has seen.
    let state = run.state.as_ref().and_then(TaskState::known_word);
    format!(
        "run {run_id} {conversation_id} {}\n",
        state.unwrap_or(ABSENT)
    )
}

pub(super) fn parse_run(line: &str) -> Option<StartedRun> {
    let mut words = line.strip_prefix("run ")?.split(' ');
    let mut word = || {
        words
            .next()
            .map(|word| Some(word).filter(|word| *word != ABSENT))
    };
    let run_id = word()?.map(str::parse).transpose().ok()?;
    let conversation_id = word()?.map(str::parse).transpose().ok()?;
    let state = word()?.and_then(TaskState::of_new_run);
    let run = StartedRun {
        run_id,
        conversation_id,
        state,
    };
    Some(run).filter(StartedRun::is_named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::redactor::Untrusted;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let announcement = Announcement {
            name: Some("0123abcd".to_owned()),
            began_at: Some(Millis(1234)),
        };
        let fingerprint = Fingerprinter::new().finish();
        let line = first_line(&fingerprint, &announcement);
        assert_eq!(
            parse_first_line(&line),
            (fingerprint.0.as_str(), announcement)
        );
        let unnamed = Announcement {
            name: None,
            began_at: None,
        };
        let old = format!("{HEADER}{}", fingerprint.0);
        assert_eq!(parse_first_line(&old), (fingerprint.0.as_str(), unnamed));
        for line in ["run s/j c running\n", "run s/j - -\n", "run - c running\n"] {
            let run = parse_run(line.trim_end()).unwrap();
            assert_eq!(run_line(&run), line);
        }
        let mut run = parse_run("run s/j - -").unwrap();
        run.state = Some(TaskState::of(Untrusted("sk-0123456789".to_owned())));
        assert_eq!(run_line(&run), "run s/j - -\n");
        for line in ["run - - -", "run s c -", "run s/j", "walk s/j c -", ""] {
            assert_eq!(parse_run(line), None, "{line}");
        }
    }
}
