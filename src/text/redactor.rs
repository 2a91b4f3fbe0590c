/*! The one redactor: everything that is printed passes through it. It exists from the start, and
learns the key as soon as that is known. */

use super::token::Token;
use super::visible::{is_unsafe, one_line, shorten};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A shorter key is not a real one, and would be found in ordinary words.
const MIN_KEY_LENGTH: usize = 8;
/// How many characters of the beginning of a long text are quoted, and how many of its end.
const QUOTED_BEGINNING: usize = 200;
const QUOTED_END: usize = 97;
/// What stands where the key stood.
const REDACTED: &str = "[redacted]";

/// Text from the server, or from anywhere else outside. It has no `Display`: only a [`Redactor`]
/// makes it printable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untrusted(pub String);

/// Text without the key in it. Only a [`Redactor`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted<'a>(Cow<'a, str>);

impl Redacted<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key was in it.
    pub fn had_key(&self) -> bool {
        matches!(self.0, Cow::Owned(_))
    }
}

impl serde::Serialize for Redacted<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Removes the key from text.
#[derive(Default)]
pub struct Redactor {
    secret: OnceLock<Secret>,
}

/// What is looked for.
struct Secret {
    /// A key is without its backslashes: those in a text are skipped too, since JSON adds some.
    text: String,
    /// A key that is cut off counts from this many characters on. `None` where only the whole
    /// counts.
    min_prefix: Option<usize>,
}

impl Secret {
    fn of(token: &Token) -> Secret {
        let key = token.key().replace('\\', "");
        if key.len() >= MIN_KEY_LENGTH || key.starts_with("sk-") {
            return Secret {
                text: key,
                min_prefix: Some(MIN_KEY_LENGTH),
            };
        }
        Secret {
            text: token.expose().to_owned(),
            min_prefix: None,
        }
    }
}

impl Redactor {
    /// From now on this token's key is never shown.
    pub fn learn(&self, token: &Token) {
        // There is one token in a process; a second would be a mistake of the caller's and is
        // ignored.
        let _ = self.secret.set(Secret::of(token));
    }

    /// `text` without the key, in whatever way JSON can write it, also JSON within JSON. Nearly
    /// always that is the text itself, however long. Valid JSON stays valid.
    pub fn redact<'a>(&self, text: &'a str) -> Redacted<'a> {
        match self.secret.get() {
            Some(secret) => Redacted(redact(text, secret)),
            None => Redacted(hide_whatever_looks_like_a_key(text)),
        }
    }

    /// Text from outside as a part of a message: one short line, without control characters or key.
    pub fn quote(&self, text: &Untrusted) -> String {
        // Redacted before it is shortened: a cut would leave most of a key unrecognised.
        let redacted = self.redact(&text.0);
        // To clean megabytes would copy them. White space hardly ever fills this much.
        let enough = shorten(redacted.as_str(), 20_000, 10_000);
        shorten(&one_line(&enough), QUOTED_BEGINNING, QUOTED_END).into_owned()
    }

    /// A whole message for `-vv`: one line, escaped, its middle left out where it is long.
    pub fn transcribe(&self, body: &[u8]) -> String {
        let mut text = String::new();
        for chunk in body.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push('?');
            }
        }
        let redacted = self.redact(&text);
        let mut transcript = String::new();
        for c in shorten(redacted.as_str(), 3000, 1000).chars() {
            if is_unsafe(c) {
                transcript.extend(c.escape_default());
            } else {
                transcript.push(c);
            }
        }
        transcript
    }
}

/// While the key is not known, as on a command line that is wrong: each word in `text` that begins
/// as keys do, and is as long as one, is taken for it.
fn hide_whatever_looks_like_a_key(text: &str) -> Cow<'_, str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find("sk-") {
        let (before, word) = rest.split_at(begin);
        let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let is_word = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
        hidden.push_str(before);
        hidden.push_str(match is_word && end >= MIN_KEY_LENGTH {
            true => REDACTED,
            false => &word[..end],
        });
        rest = &word[end..];
    }
    if !hidden.contains(REDACTED) {
        return Cow::Borrowed(text);
    }
    hidden.push_str(rest);
    Cow::Owned(hidden)
}

/// For example, with the key `sk-01`: `a \u0073k-01 b` becomes `a [redacted] b`.
fn redact<'a>(text: &'a str, secret: &Secret) -> Cow<'a, str> {
    let bytes = text.as_bytes();
    let first = secret.text.as_bytes().first().copied().unwrap_or_default();
    let mut redacted = String::new();
    let mut copied_until = 0;
    let mut cursor = 0;
    while let Some(skipped) = bytes[cursor..]
        .iter()
        .position(|byte| *byte == b'\\' || *byte == first)
    {
        cursor += skipped;
        let backslashes = Backslashes::at(bytes, cursor);
        if let Some(end) = end_of(bytes, cursor, secret) {
            let begin = cursor + backslashes.kept();
            // The key may begin once more inside its own beginning.
            if begin >= copied_until {
                redacted.push_str(&text[copied_until..begin]);
                redacted.push_str(REDACTED);
            }
            copied_until = end.max(copied_until);
        }
        cursor += backslashes.length.max(1);
    }
    if copied_until == 0 {
        return Cow::Borrowed(text);
    }
    redacted.push_str(&text[copied_until..]);
    Cow::Owned(redacted)
}

/// Where the secret ends, if it stands at `cursor`: each of its characters as it is, behind
/// backslashes, or as `\u0073`.
fn end_of(bytes: &[u8], mut cursor: usize, secret: &Secret) -> Option<usize> {
    for (matched, &wanted) in secret.text.as_bytes().iter().enumerate() {
        let here = cursor;
        let backslashes = Backslashes::at(bytes, cursor).length;
        cursor += backslashes;
        cursor += match bytes.get(cursor) {
            Some(b'u') if backslashes > 0 && code_at(bytes, cursor + 1) == Some(wanted) => 5,
            Some(byte) if *byte == wanted => 1,
            _ => {
                return secret
                    .min_prefix
                    .filter(|least| matched >= *least)
                    .map(|_| here);
            }
        };
    }
    Some(cursor)
}

/// The backslashes before a character, with which JSON escapes it, and JSON within JSON escapes
/// them.
struct Backslashes {
    /// In bytes.
    length: usize,
    /// One of them is written as `\u005c`.
    has_code: bool,
}

impl Backslashes {
    fn at(bytes: &[u8], cursor: usize) -> Backslashes {
        let (mut length, mut has_code) = (0, false);
        loop {
            let here = cursor + length;
            match bytes.get(here) {
                Some(b'\\') => length += 1,
                Some(b'u') if length > 0 && code_at(bytes, here + 1) == Some(b'\\') => {
                    has_code = true;
                    length += 5;
                }
                _ => return Backslashes { length, has_code },
            }
        }
    }

    /// How many bytes of them stay where the character is redacted. An odd backslash belongs to the
    /// character behind it.
    fn kept(&self) -> usize {
        match self.has_code {
            true => 0,
            false => self.length - self.length % 2,
        }
    }
}

/// The character that four hexadecimal digits at `cursor` stand for, if it is a single byte.
fn code_at(bytes: &[u8], cursor: usize) -> Option<u8> {
    let digits = bytes.get(cursor..cursor + 4)?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
