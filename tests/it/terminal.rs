/*! On a terminal: a pseudo-terminal with a real emulator behind it, so that what is tested is what
is seen. */

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;

use crate::command::{Cmd, relevance_run, send_signal, wait_within};
use crate::eventually;
use crate::script::{Script, answered, in_progress, poll};
use fake::server::Reply;

pub struct Screen {
    master: OwnedFd,
    pub terminal: OwnedFd,
    seen: Arc<Mutex<vt100::Parser>>,
    /// Every byte, as it came.
    raw: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    pub fn new(columns: u16) -> Screen {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal: OwnedFd = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap()
            .into();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();
        let seen = Arc::new(Mutex::new(vt100::Parser::new(24, columns, 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let (parser, bytes, mut output) = (
            Arc::clone(&seen),
            Arc::clone(&raw),
            File::from(master.try_clone().unwrap()),
        );
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = output.read(&mut buffer) {
                parser.lock().unwrap().process(&buffer[..length]);
                bytes.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Screen {
            master,
            terminal,
            seen,
            raw,
        }
    }

    pub fn spawn(&self, command: Cmd) -> Child {
        self.spawn_with(command, "xterm")
    }

    fn spawn_with(&self, command: Cmd, term: &str) -> Child {
        let mut command = command.env("TERM", term).command;
        let end = || self.terminal.try_clone().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        command.spawn().unwrap()
    }

    pub fn text(&self) -> String {
        self.seen.lock().unwrap().screen().contents()
    }

    pub fn wait_for(&self, text: &str) {
        eventually(text, || self.text().contains(text));
    }

    pub fn raw(&self) -> String {
        String::from_utf8(self.raw.lock().unwrap().clone()).unwrap()
    }

    /// The command ends as expected, and this is all that is left on the screen.
    #[track_caller]
    pub fn ends(&self, mut child: Child, code: i32, text: &str) {
        let status = wait_within(&mut child, Duration::from_secs(20));
        assert_eq!(status.code(), Some(code), "{}", self.raw());
        self.shows(text);
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let is_shown = || self.text().trim_end() == text;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_shown() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(self.text().trim_end(), text);
    }
}

#[test]
fn one_progress_line_within_the_width_and_gone_at_the_end() {
    for columns in [44, 120] {
        let screen = Screen::new(columns);
        let held = answered("Hi!").after(Duration::from_millis(2500));
        let api = Script::run().poll(in_progress()).poll(held).start();
        let child = screen.spawn(relevance_run(&api).arg("Hello"));
        // In place: nothing is left behind on other lines.
        screen.shows("waiting for the run, 0:00:02, polls: 2");
        screen.ends(child, 0, "Hi!");
        // Drawn once a second, and each time in one write that starts by clearing the line.
        let drawn = screen.raw().matches("waiting").count();
        assert!(drawn <= 4, "{:?}", screen.raw());
        assert!(!screen.seen.lock().unwrap().screen().hide_cursor());
    }
}

#[test]
fn an_interrupted_run_leaves_a_clean_prompt() {
    let screen = Screen::new(80);
    let api = Script::run().poll(Reply::hang()).start();
    let mut child = screen.spawn(relevance_run(&api).arg("Hello"));
    screen.wait_for("waiting");
    send_signal(&child, Signal::INT);
    let status = wait_within(&mut child, Duration::from_secs(20));
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()));
    screen.shows(
        "relevance-run: stopped by SIGINT; the run continues\n\
         relevance-run: resume with: relevance-run --resume studio-1/job-1",
    );
    let position = screen.seen.lock().unwrap().screen().cursor_position();
    assert_eq!(position, (2, 0));
    let count = |mode: &str| screen.raw().matches(mode).count();
    assert_eq!(count("\x1b[?7l"), count("\x1b[?7h"));
}

#[test]
fn no_progress_line_where_it_is_not_wanted() {
    for (option, term) in [("--quiet", "xterm"), ("--json", "dumb"), ("--json", "")] {
        let screen = Screen::new(80);
        let late = answered("Hi!").after(Duration::from_millis(1500));
        let api = Script::run().poll(late).start();
        let command = relevance_run(&api).args([option, "Hello"]);
        let mut child = screen.spawn_with(command, term);
        assert!(wait_within(&mut child, Duration::from_secs(20)).success());
        screen.wait_for("Hi!");
        let raw = screen.raw();
        assert!(!raw.contains('\x1b') && !raw.contains("waiting"), "{raw:?}");
    }
    // Nor in a pipe, whatever TERM says.
    let late = answered("Hi!").after(Duration::from_millis(1500));
    let api = Script::run().poll(late).start();
    let command = relevance_run(&api).env("TERM", "xterm");
    command.arg("Hello").run().answers("Hi!");
}

#[test]
fn control_characters_in_an_answer_are_made_visible() {
    let screen = Screen::new(80);
    let answer = "a\tb\n\x1b[31mred\x07 \u{9b}2J é\r\x7f\0\u{a0}!";
    let api = Script::run().poll(answered(answer)).start();
    let child = screen.spawn(relevance_run(&api).args(["-q", "Hello"]));
    screen.ends(child, 0, "a       b\n^[[31mred^G <U+009B>2J é^M^?^@\u{a0}!");
    assert!(!screen.raw().contains('\x1b'));
}

/// An answer is untrusted text: `\u{202e}` and its kin let it look like another.
#[test]
fn what_reorders_or_hides_text_is_made_visible() {
    let reordering = [
        '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
        '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{200b}', '\u{2028}',
        '\u{feff}',
    ];
    let mut answer = String::new();
    let mut shown = String::new();
    for c in reordering {
        answer.push_str(&format!("{c}a\n"));
        shown.push_str(&format!("<U+{:04X}>a\n", u32::from(c)));
    }
    for option in ["--quiet", "--json"] {
        let screen = Screen::new(400);
        let api = Script::run().poll(answered(&answer)).start();
        let mut child = screen.spawn(relevance_run(&api).args([option, "Hello"]));
        assert!(wait_within(&mut child, Duration::from_secs(20)).success());
        screen.wait_for("<U+FEFF>a");
        assert!(!screen.raw().contains(reordering), "{:?}", screen.raw());
        if option == "--quiet" {
            screen.shows(shown.trim_end());
        }
    }
    // In a message it becomes a space.
    let screen = Screen::new(200);
    let error = json!({"type": "chain-fail", "errors": [{"body": "a\u{202e}b\u{2066}c"}]});
    let api = Script::run().poll(poll("failed", error)).start();
    let child = screen.spawn(relevance_run(&api).arg("Hello"));
    screen.ends(
        child,
        1,
        "relevance-run: the run failed: a b c (run studio-1/job-1)",
    );
    // A pipe gets what the agent wrote.
    let api = Script::run().poll(answered(&answer)).start();
    relevance_run(&api).arg("Hello").run().answers(&answer);
}

#[test]
fn a_message_is_not_read_from_a_terminal_unless_it_is_asked_for() {
    let screen = Screen::new(160);
    let api = Script::new().start();
    let child = screen.spawn(relevance_run(&api));
    screen.ends(
        child,
        2,
        "relevance-run: no message; pass it as an argument, with --file, or on standard input \
         through a pipe; see relevance-run --help",
    );
    for arguments in [["-q", "--file", "-"].as_slice(), &["-q", "-"]] {
        let screen = Screen::new(120);
        let api = Script::run().poll(answered("Hi!")).start();
        let mut child = screen.spawn(relevance_run(&api).args(arguments));
        let mut keyboard = File::from(screen.master.try_clone().unwrap());
        keyboard.write_all(b"typed\n\x04").unwrap();
        screen.wait_for("Hi!");
        assert!(wait_within(&mut child, Duration::from_secs(20)).success());
        assert_eq!(api.requests()[0].json()["message"]["content"], "typed\n");
    }
}
