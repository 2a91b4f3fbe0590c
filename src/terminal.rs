/*!
What a person sees: messages on standard error, the progress line, and text from outside made harmless.
*/

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Settings;
use crate::token;

/// With `--verbose` the longest silence: CI systems end a step that says nothing for long.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two drawings of the progress line, which counts seconds.
const REDRAW: Duration = Duration::from_secs(1);
const CLEAR_LINE: &str = "\r\x1b[K";
const CLEAR_REST: &str = "\x1b[K";
/// Around the progress line, so that a narrow terminal cuts it off instead of wrapping it.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// One line on standard error, for messages that hold nothing from the server.
///
/// If standard error cannot be written there is nobody left to tell.
pub fn complain(message: &str) {
    write_line("", message);
}

fn write_line(before: &str, message: &str) {
    let line = format!("{before}relevance-run: {}\n", token::one_line(message));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Writes a text to standard output, on a terminal with its control characters made visible.
///
/// # Errors
/// Whatever the write or the flush says, a closed pipe included.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        stdout.write_all(visible(text).as_bytes())?;
    } else {
        stdout.write_all(text.as_bytes())?;
    }
    stdout.flush()
}

/// `text` with control characters other than newline and tab in caret notation, or as `<U+009B>`.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\0'..='\x1f' => {
                shown.push('^');
                shown.push(char::from(c as u8 + b'@'));
            }
            '\x7f' => shown.push_str("^?"),
            c if c.is_control() => {
                let _ = write!(shown, "<U+{:04X}>", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Standard error during a run, shared by the threads.
pub struct Console {
    settings: Arc<Settings>,
    verbose: bool,
    has_progress_line: bool,
    state: Mutex<State>,
}

struct State {
    /// The progress line is on the screen.
    drawn: bool,
    /// The result is being told: no progress line comes between.
    over: bool,
    last_output: Instant,
}

impl Console {
    pub fn new(settings: Arc<Settings>, verbose: bool, quiet: bool) -> Console {
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Console {
            settings,
            verbose,
            has_progress_line: !quiet && !verbose && !dumb && io::stderr().is_terminal(),
            state: Mutex::new(State { drawn: false, over: false, last_output: Instant::now() }),
        }
    }

    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// A line that everyone sees.
    pub fn say(&self, message: &str) {
        let mut state = self.lock();
        let before = if state.drawn { CLEAR_LINE } else { "" };
        write_line(before, &self.settings.token.redact(message.to_owned()));
        state.drawn = false;
        state.last_output = Instant::now();
    }

    /// A line for `--verbose`.
    pub fn detail(&self, message: impl FnOnce() -> String) {
        if self.verbose {
            self.say(&message());
        }
    }

    /// How long the watching thread may sleep before it calls [`Console::tick`]; `None` is for ever.
    pub fn next_tick(&self) -> Option<Duration> {
        let period = match (self.verbose, self.has_progress_line) {
            (true, _) => HEARTBEAT,
            (false, true) => REDRAW,
            (false, false) => return None,
        };
        // Whoever holds the lock is saying something, or is held up because nobody reads it.
        let state = self.state.try_lock().ok();
        Some(state.map_or(period, |state| period.saturating_sub(state.last_output.elapsed())))
    }

    /// Shows that the command is alive: as a line with `--verbose`, else by redrawing the progress line.
    pub fn tick(&self, status: &str) {
        let Ok(mut state) = self.state.try_lock() else {
            return;
        };
        state.last_output = Instant::now();
        if self.verbose {
            return write_line("", status);
        }
        if state.over {
            return;
        }
        // Written over what was there, so that nothing flickers. The cursor goes back to the start, where the echo
        // of a typed ^C does not wrap.
        let line = format!("\r{NO_WRAP}{status}{CLEAR_REST}{WRAP}\r");
        let _ = io::stderr().lock().write_all(line.as_bytes());
        state.drawn = true;
    }

    /// Takes the progress line off the screen, for good.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.over = true;
        if state.drawn {
            let _ = io::stderr().lock().write_all(CLEAR_LINE.as_bytes());
            state.drawn = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_become_visible() {
        assert_eq!(visible("a\tb\nc\x1b[31m\r\x7f\u{9b}é\0"), "a\tb\nc^[[31m^M^?<U+009B>é^@");
    }
}
