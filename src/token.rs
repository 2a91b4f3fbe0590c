/*!
The authorization token: a type that never shows itself, and the cleaning of what came from outside.
*/

use std::fmt;

/// Longest text from the server in a message, in characters.
const MAX_QUOTED: usize = 300;
/// A shorter key half is no real key, and would be found in ordinary words.
const MIN_KEY_LENGTH: usize = 8;
/// What stands where the token stood.
const REDACTED: &str = "[redacted]";

/// `project:key`, verbatim the value of the `Authorization` header. It has no `Display`.
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Token {
    /// # Errors
    /// What is wrong with `text`, without showing any of it.
    pub fn new(text: &str) -> Result<Token, &'static str> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("bearer ")
            || lower.starts_with("basic ")
            || lower.starts_with("authorization:")
        {
            return Err(
                "holds more than the token; leave out 'Authorization:', 'Bearer' or 'Basic'",
            );
        }
        if text.contains(['"', '\'', '`']) {
            return Err("holds a quotation mark; set it without quotes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("holds a space or a character that no key has; copy it again");
        }
        match text.split_once(':') {
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

    /// `text` without the token and without its key half. Nearly always that is the text itself, however long.
    pub fn redact(&self, mut text: String) -> String {
        let key = self.halves().1;
        let is_real = key.len() >= MIN_KEY_LENGTH || key.starts_with("sk-");
        for secret in [self.0.as_str(), key].into_iter().take(1 + usize::from(is_real)) {
            if text.contains(secret) {
                text = text.replace(secret, REDACTED);
            }
        }
        text
    }

    /// Text from the server as a part of a message: one short line, no control characters, never the token.
    pub fn clean(&self, text: &str) -> String {
        // Redacted before it is shortened: a cut would leave most of a key unrecognised.
        let text = self.redact(one_line(text));
        match text.char_indices().nth(MAX_QUOTED) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

/// `text` with each run of white space and control characters as one space.
///
/// Controls are replaced and not removed, so that what they kept apart does not come together. With them go the
/// characters that reorder or break a line on their own.
pub fn one_line(text: &str) -> String {
    let unsafe_or_space = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let words: Vec<&str> = text.split(unsafe_or_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_the_whole_and_the_key_half() {
        let token = Token::new("project-1:sk-0123456789").unwrap();
        assert_eq!(token.redact("a project-1:sk-0123456789 b".into()), "a [redacted] b");
        assert_eq!(token.redact("sk-0123456789 and project-1".into()), "[redacted] and project-1");
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(
            Token::new("p:key").unwrap().redact("a key of p:key".into()),
            "a key of [redacted]"
        );
    }

    #[test]
    fn cleaning_leaves_no_part_of_a_key_at_the_cut() {
        let token = Token::new("p:sk-0123456789abcdef").unwrap();
        let cleaned = token.clean(&format!("{} sk-0123456789abcdef", "x".repeat(MAX_QUOTED - 8)));
        assert!(!cleaned.contains("sk-"), "{cleaned}");
        assert!(cleaned.chars().count() <= MAX_QUOTED + 1);
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\r\n\x1b[31mb\u{9b}c\u{202e}d\t e "), "a [31mb c d e");
    }
}
