/*! The authorization token: a type that never shows itself. */

use std::fmt;

/// No token is as long, in bytes, and no header of a request should be.
const MAX_LENGTH: usize = 4096;
/// What people paste with the token.
const SCHEMES: [&str; 3] = ["bearer ", "basic ", "authorization:"];

/// `project:key`, or `project:key:region[:…]`, verbatim the value of the `Authorization` header.
/// It has no `Display`.
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Token {
    /// Errors: what is wrong with `text`, without showing any of it.
    pub fn new(text: &str) -> Result<Token, &'static str> {
        if is_assignment(text) {
            return Err("contains NAME=value; set it to only the value");
        }
        let lower = text.to_ascii_lowercase();
        if SCHEMES.iter().any(|scheme| lower.starts_with(scheme)) {
            return Err(
                "contains more than the token; remove 'Authorization:', 'Bearer' or 'Basic'",
            );
        }
        if text.len() > MAX_LENGTH {
            return Err("is longer than any valid token; copy it again");
        }
        if text.contains(['"', '\'', '`']) {
            return Err("contains a quotation mark; set it without quotes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("contains a space or an invalid character; copy it again");
        }
        let token = Token(text.to_owned());
        if token.project().is_empty() || token.key().is_empty() {
            return Err("is not in the form project:key; copy the whole authorization token");
        }
        if token.project().starts_with("sk-") {
            return Err("has the key before the project; set it to project:key");
        }
        Ok(token)
    }

    /// The value of the `Authorization` header. Only the HTTP client and the redactor call this.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The project's id, which is not secret.
    pub fn project(&self) -> &str {
        self.part(0)
    }

    /// The secret part.
    pub(super) fn key(&self) -> &str {
        self.part(1)
    }

    /// The region that some tokens carry as their third part.
    pub fn region(&self) -> Option<&str> {
        Some(self.part(2)).filter(|region| !region.is_empty() && *region != "undefined")
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}

/// Whether this is a line of a script, `NAME=value`, instead of the value.
fn is_assignment(text: &str) -> bool {
    let Some((name, _)) = text.split_once('=') else {
        return false;
    };
    let name = name.trim_start_matches("export ");
    name.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let token = Token::new("p:sk-1:bcbe5a:undefined").unwrap();
        assert_eq!(token.project(), "p");
        assert_eq!(token.key(), "sk-1");
        assert_eq!(token.region(), Some("bcbe5a"));
        assert_eq!(Token::new("p:sk-1").unwrap().region(), None);
        assert_eq!(Token::new("p:sk-1:undefined").unwrap().region(), None);
        assert_eq!(format!("{token:?}"), "[redacted]");
    }

    #[test]
    fn what_is_not_a_token() {
        for text in [
            "",
            "p",
            "p:",
            ":k",
            "sk-1:p",
            "KEY=p:k",
            "export KEY=p:k",
            "Bearer p:k",
        ] {
            assert!(Token::new(text).is_err(), "{text}");
        }
    }
}
