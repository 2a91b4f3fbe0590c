/*! What the message is made of: an instruction and its data; and who reads standard input. */

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::command::{Cmd, Folder, Output, relevance_run, wait_within};
use crate::script::{Script, Scripted, answered};

pub fn simple() -> Scripted {
    Script::run().poll(answered("Hi!")).start()
}

/// The text of the message that the first request has.
fn content(api: &Scripted) -> String {
    let body = api.requests()[0].json();
    body["message"]["content"].as_str().unwrap().to_owned()
}

/// Runs it with a standard input that never ends: a command that reads it does not end either.
pub fn run_with_endless_input(command: Cmd) -> Output {
    let mut command = command.command;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let pipe = child.stdin.take();
    let status = wait_within(&mut child, Duration::from_secs(20));
    let took = started.elapsed();
    drop(pipe);
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    child.stdout.unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    Output {
        code: status.code(),
        signal: None,
        stdout,
        stderr,
        took,
    }
}

/// That it is a usage error, of exactly this line, and nothing was sent.
#[track_caller]
pub fn refuses(api: &Scripted, command: Cmd, line: &str) {
    let output = command.run();
    output.exits(2).prints("");
    assert_eq!(output.stderr, format!("relevance-run: {line}\n"));
    assert!(api.requests().is_empty());
}

#[test]
fn an_instruction_and_its_data_are_joined_by_a_blank_line() {
    let folder = Folder::new();
    let file = folder.file("data", "  - one\n  - two\n");
    let file = file.to_str().unwrap();
    for (arguments, stdin, expected) in [
        (
            &["Review this:", "--file", file][..],
            "",
            "Review this:\n\n  - one\n  - two\n",
        ),
        (
            &["--file", file, "Review this:"],
            "",
            "Review this:\n\n  - one\n  - two\n",
        ),
        (
            &["-f", "-", "Review this:"],
            "+ a\n",
            "Review this:\n\n+ a\n",
        ),
        (&["--file=-", "--", "--help"], "+ a\n", "--help\n\n+ a\n"),
        (
            &["-", "-f", file],
            "Review this:\n",
            "Review this:\n\n\n  - one\n  - two\n",
        ),
    ] {
        let api = simple();
        let command = relevance_run(&api).args(arguments).stdin(stdin);
        command.run().answers("Hi!");
        assert_eq!(content(&api), expected, "{arguments:?}");
    }
}

#[test]
fn a_dash_is_standard_input_and_after_two_dashes_a_dash() {
    for (arguments, expected) in [
        (&["-"][..], "from a pipe\n"),
        (&["-q", "-", "--timeout=1m"], "from a pipe\n"),
        (&["--", "-"], "-"),
        (&["--", "help"], "help"),
        (&["--", "--"], "--"),
    ] {
        let api = simple();
        let command = relevance_run(&api).args(arguments).stdin("from a pipe\n");
        command.run().answers("Hi!");
        assert_eq!(content(&api), expected, "{arguments:?}");
    }
}

#[test]
fn standard_input_is_never_read_unasked() {
    let folder = Folder::new();
    let file = folder.file("data", "data");
    let file = file.to_str().unwrap();
    let param = format!("text@{file}");
    for arguments in [
        &["Hello"][..],
        &["--file", file],
        &["Hello", "--file", file],
        &["Hello", "--param", &param, "--set", "version@/dev/null"],
        &["Hello", "--attach", "https://example.com/a.pdf"],
        &["--", "-"],
    ] {
        let api = simple();
        let output = run_with_endless_input(relevance_run(&api).args(arguments));
        output.answers("Hi!");
    }
}

#[test]
fn while_standard_input_is_read_the_deadline_counts() {
    for arguments in [
        &["-"][..],
        &["-f", "-", "Hello"],
        &[],
        &["Hello", "-p", "a@-"],
    ] {
        let api = Script::new().start();
        let command = relevance_run(&api).args(["-t", "300ms"]).args(arguments);
        let output = run_with_endless_input(command);
        output.exits(4).prints("");
        assert_eq!(
            output.stderr,
            "relevance-run: timed out after 300ms (--timeout); nothing was started \
             (still reading standard input)\n",
            "{arguments:?}"
        );
    }
}

#[test]
fn only_one_thing_may_read_standard_input() {
    const READERS: [&[&str]; 6] = [
        &["-"],
        &["-f", "-"],
        &["-p", "a@-"],
        &["--param=b@-"],
        &["-s", "c@-"],
        &["--set=d@-"],
    ];
    let api = Script::new().start();
    for (number, first) in READERS.iter().enumerate() {
        for second in &READERS[number + 1..] {
            let mut arguments = [*first, *second].concat();
            if !arguments.contains(&"-") {
                arguments.push("Hello");
            }
            refuses(
                &api,
                relevance_run(&api).args(&arguments).stdin("text"),
                "standard input can be read only once, and - stands for it twice; \
                 use a file for one of them",
            );
        }
    }
    // It would be the message as well, as none is given.
    refuses(
        &api,
        relevance_run(&api).args(["-p", "a@-"]).stdin("text"),
        "no message: standard input is read for KEY@-; \
         pass the message as an argument or with --file",
    );
    refuses(
        &api,
        relevance_run(&api).args(["--attach", "-", "Hello"]),
        "--attach cannot read standard input; \
         attach a file, or use --file - to put it into the message",
    );
}

#[test]
fn each_part_of_a_message_says_something() {
    let api = Script::new().start();
    let folder = Folder::new();
    let blank = folder.file("blank", " \n\t\n");
    let blank = blank.to_str().unwrap();
    let file = format!("--file {blank}");
    for (arguments, name) in [
        (&["", "-f", "-"][..], "MESSAGE"),
        (&["Hello", "-f", blank], file.as_str()),
        (&["Hello", "-f", "-"], "standard input"),
        (&["-"], "standard input"),
    ] {
        refuses(
            &api,
            relevance_run(&api).args(arguments).stdin("\n"),
            &format!(
                "{name} is empty; check the command that produced the message (in a crontab, write \
                 \\% for %; with docker run, add -i to forward standard input)"
            ),
        );
    }
}

/// Paths that cannot be read as text, each with what is said before and after its name.
pub fn unreadable(folder: &Folder) -> Vec<(PathBuf, &'static str, &'static str)> {
    vec![
        (
            folder.0.join("missing"),
            "cannot read ",
            ": No such file or directory; nothing was started; check the path and its permissions",
        ),
        (
            folder.0.clone(),
            "cannot read ",
            ": Is a directory; nothing was started; check the path and its permissions",
        ),
        (
            folder.file("latin1", b"caf\xe9"),
            "",
            " is not valid UTF-8; convert it first, for example with iconv",
        ),
    ]
}

#[test]
fn data_that_cannot_be_read_is_a_usage_error() {
    let api = Script::new().start();
    let folder = Folder::new();
    let huge = folder.file("huge", "");
    std::fs::File::options()
        .write(true)
        .open(&huge)
        .unwrap()
        .set_len((64 << 20) + 1)
        .unwrap();
    let mut unreadable = unreadable(&folder);
    unreadable.push((huge, "", " is longer than 64 MiB; shorten it"));
    for (path, before, why) in unreadable {
        let command = relevance_run(&api).arg("Review:").arg("--file").arg(&path);
        refuses(
            &api,
            command,
            &format!("{before}--file {}{why}", path.display()),
        );
    }
}
