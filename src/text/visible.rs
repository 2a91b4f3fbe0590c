/*! Text from outside, made harmless for a terminal: one list of what must not reach it. */

use std::borrow::Cow;
use std::io::{self, Write};

/// Whether a character controls a terminal, or breaks, reorders or hides the text around it:
/// control characters, line and paragraph separators, the marks and overrides of writing direction,
/// and what is invisible. The joiners of emoji and of some scripts are not among them: they change
/// nothing else.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` with each run of white space and unsafe characters as one space. They are replaced and
/// not removed, so that what they kept apart does not come together.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    let is_gap = |c: char| c.is_whitespace() || is_unsafe(c);
    for word in text.split(is_gap).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Writes an answer to a terminal: unsafe characters other than newline and tab in caret notation,
/// or as `<U+009B>`.
pub fn write_visible(out: &mut dyn Write, text: &str) -> io::Result<()> {
    for c in text.chars() {
        match c {
            '\n' | '\t' => write!(out, "{c}")?,
            '\0'..='\x1f' => write!(out, "^{}", char::from(c as u8 + b'@'))?,
            '\x7f' => write!(out, "^?")?,
            _ if is_unsafe(c) => write!(out, "<U+{:04X}>", u32::from(c))?,
            _ => write!(out, "{c}")?,
        }
    }
    Ok(())
}

/// The beginning and the end of a text that is longer than both together.
pub fn shorten(text: &str, head: usize, tail: usize) -> Cow<'_, str> {
    let begin = text.char_indices().nth(head).map(|(index, _)| index);
    let end = text
        .char_indices()
        .nth_back(tail.saturating_sub(1))
        .map(|(index, _)| index);
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {
            Cow::Owned(format!("{} … {}", &text[..begin], &text[end..]))
        }
        _ => Cow::Borrowed(text),
    }
}

/// A word for a shell: as it is where that is safe, else in single quotes.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(
            one_line("a\r\n\x1b[31mb\u{9b}c\u{202e}d\t e "),
            "a [31mb c d e"
        );
    }

    #[test]
    fn a_terminal_gets_nothing_that_controls_or_reorders_it() {
        let mut shown = Vec::new();
        write_visible(
            &mut shown,
            "a\n\tb\x1b[2J\x7f\u{9b}\u{202e}c\u{200b}👩\u{200d}💻",
        )
        .unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown, "a\n\tb^[[2J^?<U+009B><U+202E>c<U+200B>👩\u{200d}💻");
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_word("https://a/b_c"), "https://a/b_c");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
