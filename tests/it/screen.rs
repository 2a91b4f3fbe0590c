/*! On a terminal: a pseudo-terminal with a real emulator behind it, so that what is tested is what is seen. */

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::command::{Cmd, relevance_run, send_signal, wait_within};
use crate::eventually;
use crate::fake::server::Reply;
use crate::script::{Script, answered, in_progress};

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

    fn spawn(&self, command: Cmd) -> Child {
        let mut command = command.env("TERM", "xterm").command;
        let end = || self.terminal.try_clone().unwrap();
        command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap()
    }

    fn text(&self) -> String {
        self.seen.lock().unwrap().screen().contents()
    }

    fn wait_for(&self, text: &str) {
        eventually(text, || self.text().contains(text));
    }

    fn raw(&self) -> String {
        String::from_utf8(self.raw.lock().unwrap().clone()).unwrap()
    }

    fn ends(&self, mut child: Child, code: i32, text: &str) {
        assert_eq!(
            wait_within(&mut child, Duration::from_secs(20)).code(),
            Some(code),
            "{}",
            self.raw()
        );
        eventually("the last of the output", || self.text().trim_end() == text);
    }
}

#[test]
fn one_progress_line_within_the_width_and_gone_at_the_end() {
    for columns in [40, 120] {
        let screen = Screen::new(columns);
        let held = answered("Hi!").after(Duration::from_millis(2500));
        let api = Script::run().poll(in_progress()).poll(held).start();
        let child = screen.spawn(relevance_run(&api).arg("Hello"));
        screen.wait_for("waiting 0:00:02, 2 polls");
        // In place: nothing is left behind on other lines.
        assert_eq!(
            screen.text().trim_end().lines().count(),
            1,
            "{:?}",
            screen.text()
        );
        screen.ends(child, 0, "Hi!");
        // Drawn once a second, and each time in one write that starts by clearing the line.
        assert!(
            screen.raw().matches("waiting").count() <= 4,
            "{:?}",
            screen.raw()
        );
        assert!(!screen.seen.lock().unwrap().screen().hide_cursor());
    }
}

#[test]
fn an_interrupted_run_leaves_a_clean_prompt() {
    let screen = Screen::new(80);
    let api = Script::run().poll(Reply::hang()).start();
    let child = screen.spawn(relevance_run(&api).arg("Hello"));
    screen.wait_for("waiting");
    send_signal(&child, rustix::process::Signal::INT);
    let said = "relevance-run: ended by signal 2; the run goes on\n\
                relevance-run: resume with: relevance-run --resume studio-1/job-1";
    screen.ends(child, 130, said);
    assert_eq!(
        screen.seen.lock().unwrap().screen().cursor_position(),
        (2, 0)
    );
    assert!(screen.raw().matches("\x1b[?7l").count() == screen.raw().matches("\x1b[?7h").count());
}

#[test]
fn no_progress_line_where_it_is_not_wanted() {
    for (option, term) in [("--quiet", "xterm"), ("--json", "dumb"), ("--json", "")] {
        let screen = Screen::new(80);
        let api = Script::run()
            .poll(answered("Hi!").after(Duration::from_millis(1500)))
            .start();
        let mut command = relevance_run(&api)
            .args([option, "Hello"])
            .env("TERM", term)
            .command;
        let end = || screen.terminal.try_clone().unwrap();
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        api.wait_for_requests(2);
        assert!(child.wait_with_output().unwrap().status.success());
        screen.wait_for("Hi!");
        assert!(
            !screen.raw().contains('\x1b') && !screen.raw().contains("waiting"),
            "{:?}",
            screen.raw()
        );
    }
    // Nor in a pipe, whatever TERM says.
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_millis(1500)))
        .start();
    relevance_run(&api)
        .env("TERM", "xterm")
        .arg("Hello")
        .run()
        .answers("Hi!");
}

#[test]
fn control_characters_in_an_answer_are_made_visible() {
    let screen = Screen::new(80);
    let api = Script::run()
        .poll(answered("a\tb\n\x1b[31mred\x07 \u{9b}2J é\r\x7f\0\u{a0}!"))
        .start();
    let child = screen.spawn(relevance_run(&api).args(["-q", "Hello"]));
    screen.ends(child, 0, "a       b\n^[[31mred^G <U+009B>2J é^M^?^@\u{a0}!");
    assert!(!screen.raw().contains('\x1b'));
}

#[test]
fn a_message_is_not_read_from_a_terminal_unless_it_is_asked_for() {
    let screen = Screen::new(120);
    let api = Script::new().start();
    let child = screen.spawn(relevance_run(&api));
    screen.ends(
        child,
        2,
        "relevance-run: no message: give it as an argument, with --file, or through a pipe on standard input",
    );

    let screen = Screen::new(120);
    let api = Script::run().poll(answered("Hi!")).start();
    let child = screen.spawn(relevance_run(&api).args(["-q", "--file", "-"]));
    File::from(screen.master.try_clone().unwrap())
        .write_all(b"typed\n\x04")
        .unwrap();
    screen.wait_for("Hi!");
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(api.requests()[0].json()["message"]["content"], "typed\n");
}

/// A CI system ends a step that is silent for long, and a held poll may be.
#[test]
fn verbose_has_a_heartbeat() {
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_secs(17)))
        .start();
    let output = relevance_run(&api).args(["-v", "Hello"]).run();
    output.exits(0).says(&["] waiting 0:00:15, 1 polls\n"]);
}
