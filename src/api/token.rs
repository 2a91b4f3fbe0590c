/*! The authorization token: a type that never shows itself, and the cleaning of text from outside. */

use std::{borrow::Cow, fmt};

/// A shorter key half is no real key, and would be found in ordinary words.
const MIN_KEY_LENGTH: usize = 8;
/// No token is as long, in bytes, and no header of a request should be.
const MAX_LENGTH: usize = 4096;
/// What stands where the key stood.
const REDACTED: &str = "[redacted]";
/// How many characters of a text's beginning and of its end stand in a message.
const QUOTED: (usize, usize) = (200, 97);
/// The same for `-vv`.
const TRANSCRIBED: (usize, usize) = (3000, 1000);

/// `project:key`, verbatim the value of the `Authorization` header. It has no `Display`.
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Token {
    /// Errors: what is wrong with `text`, without showing any of it.
    pub fn new(text: &str) -> Result<Token, &'static str> {
        let (lower, name) = (
            text.to_ascii_lowercase(),
            text.split_once('=').map(|(name, _)| name),
        );
        let is_name = |name: &str| {
            name.trim_start_matches("export ")
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let is_scheme = |prefix: &&str| lower.starts_with(*prefix);
        match text.split_once(':') {
            _ if name.is_some_and(is_name) => Err("holds NAME=value; leave only the value"),
            _ if ["bearer ", "basic ", "authorization:"]
                .iter()
                .any(is_scheme) =>
            {
                Err("holds more than the token; leave out 'Authorization:', 'Bearer' or 'Basic'")
            }
            _ if text.len() > MAX_LENGTH => Err("is longer than any key; copy it again"),
            _ if text.contains(['"', '\'', '`']) => {
                Err("holds a quotation mark; set it without quotes")
            }
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("holds a space or a character that no key has; copy it again")
            }
            Some((project, key)) if !project.is_empty() && !key.is_empty() => {
                Ok(Token(text.to_owned()))
            }
            _ => Err("is not of the form project:key; copy the whole authorization token"),
        }
    }

    /// The value of the `Authorization` header; for the HTTP client alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The project's id, which is no secret.
    pub fn project(&self) -> &str {
        self.halves().0
    }

    fn halves(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or((&self.0, ""))
    }

    /// `text` without the key, in whatever way JSON can write it, also JSON within JSON. Nearly always that is the text
    /// itself, however long. Valid JSON stays valid.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let key = self.halves().1;
        let is_real = key.len() >= MIN_KEY_LENGTH || key.starts_with("sk-");
        let secret = if is_real { key } else { self.0.as_str() };
        let (bytes, mut redacted, mut copied, mut at) = (text.as_bytes(), String::new(), 0, 0);
        let may_begin = |byte: &u8| *byte == b'\\' || *byte == secret.as_bytes()[0];
        while let Some(skipped) = bytes[at..].iter().position(may_begin) {
            at += skipped;
            // An odd backslash belongs to the character behind it.
            let backslashes = bytes[at..]
                .iter()
                .take_while(|byte| **byte == b'\\')
                .count();
            let begin = at + backslashes - backslashes % 2;
            match end_of(
                bytes,
                at,
                secret.as_bytes(),
                if is_real { MIN_KEY_LENGTH } else { usize::MAX },
            ) {
                Some(end) => {
                    redacted.push_str(&text[copied..begin]);
                    redacted.push_str(REDACTED);
                    (copied, at) = (end, end);
                }
                None => at += backslashes.max(1),
            }
        }
        redacted.push_str(&text[copied..]);
        if copied == 0 {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(redacted)
        }
    }

    /// Text from the server as a part of a message: one short line, no control characters, never the key.
    pub fn clean(&self, text: &str) -> String {
        // Redacted before it is shortened: a cut would leave most of a key unrecognised.
        shorten(&one_line(&self.redact(text)), QUOTED).into_owned()
    }

    /// A whole message for `-vv`: one line, escaped, in its middle shortened to what a terminal can hold.
    pub fn transcribe(&self, body: &[u8]) -> String {
        let text = body.utf8_chunks().flat_map(|chunk| {
            [
                chunk.valid(),
                if chunk.invalid().is_empty() { "" } else { "?" },
            ]
        });
        let text: String = text.collect();
        let text = self.redact(&text);
        let escape = |c: char| {
            if reorders(c) {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        };
        shorten(&text, TRANSCRIBED).chars().map(escape).collect()
    }
}

/// Where the secret ends, if it stands at `at`: each of its characters as it is, behind backslashes, or as `\u0073`. Its
/// beginning is as good, if it is not shorter than `least`: a text may be cut off.
fn end_of(bytes: &[u8], mut at: usize, secret: &[u8], least: usize) -> Option<usize> {
    for (matched, &wanted) in secret.iter().enumerate() {
        let here = at;
        let backslashes = bytes[at..]
            .iter()
            .take_while(|byte| **byte == b'\\')
            .count();
        at += backslashes;
        let code = bytes
            .get(at + 1..at + 5)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .unwrap_or_default();
        at += match bytes.get(at) {
            Some(b'u') if backslashes > 0 && u8::from_str_radix(code, 16) == Ok(wanted) => 5,
            Some(byte) if *byte == wanted => 1,
            _ => return (matched >= least).then_some(here),
        };
    }
    Some(at)
}

/// The beginning and the end of a text that is longer than both.
fn shorten(text: &str, (head, tail): (usize, usize)) -> Cow<'_, str> {
    let cuts = (
        text.char_indices().nth(head),
        text.char_indices().nth_back(tail - 1),
    );
    match cuts {
        (Some((begin, _)), Some((end, _))) if begin < end => {
            format!("{} … {}", &text[..begin], &text[end..]).into()
        }
        _ => text.into(),
    }
}

/// `text` with each run of white space and control characters as one space: replaced and not removed, so that what they
/// kept apart does not come together.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text
        .split(|c: char| c.is_whitespace() || reorders(c))
        .filter(|word| !word.is_empty())
    {
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    line
}

/// Control characters, and what reorders or breaks a line on its own.
fn reorders(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_the_key_in_every_form() {
        let token = Token::new("n-1:sk-01/3456789").unwrap();
        for (text, redacted) in [
            ("a n-1:sk-01/3456789 b", "a n-1:[redacted] b"),
            ("sk-sk-01/3456789 sk-01/3", "sk-[redacted] sk-01/3"),
            ("cut off: sk-01/345", "cut off: [redacted]"),
            (r"sk-01\/345... \", r"[redacted]... \"),
            (r"sk-01\/3456789", "[redacted]"),
            (r"\u0073k-01\u002F3456789!", "[redacted]!"),
            (r"\\u0073k-01\\\/3456789", r"\\[redacted]"),
            // What is escaped stays so: the JSON is still valid.
            (r"\n\\sk-01/3456789\n", r"\n\\[redacted]\n"),
            (r"\u00e9 sk-01\/3 \u00", r"\u00e9 sk-01\/3 \u00"),
            (r"s\\\", r"s\\\"),
        ] {
            assert_eq!(token.redact(text), redacted, "{text}");
        }
        assert_eq!(
            Token::new("p:nkey-0123").unwrap().redact(r"a\nkey-0123"),
            "a[redacted]"
        );
        assert_eq!(
            Token::new("p:key").unwrap().redact("a key of p:key"),
            "a key of [redacted]"
        );
        assert_eq!(format!("{token:?}"), "[redacted]");
    }

    #[test]
    fn cleaning_keeps_the_beginning_and_the_end_and_no_part_of_a_key_at_a_cut() {
        let token = Token::new("p:sk-0123456789abcdef").unwrap();
        for padding in 170..310 {
            let cleaned = token.clean(&format!(
                "{} sk-0123456789abcdef {}end",
                "x".repeat(padding),
                "y ".repeat(200)
            ));
            assert!(
                !cleaned.contains("sk-") && cleaned.ends_with("y end"),
                "{cleaned}"
            );
            assert_eq!(cleaned.chars().count(), 300);
        }
        assert_eq!(token.clean(&"é".repeat(297)), "é".repeat(297));
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(
            one_line("a\r\n\x1b[31mb\u{9b}c\u{202e}d\t e "),
            "a [31mb c d e"
        );
        assert_eq!(
            Token::new("p:k").unwrap().transcribe(b"a\n\x1b  b\xff"),
            "a\\n\\u{1b}  b?"
        );
    }
}
