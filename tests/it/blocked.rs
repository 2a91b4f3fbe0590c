/*! Outlets and inlets that block: a full pipe, a stopped terminal, a FIFO that nobody opens. None
holds up a signal or the deadline, none loses the resume line of an outlet that works, none
changes an exit code that is settled. */

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;
use rustix::termios::{Action, tcflow};

use crate::command::{Cmd, Folder, bare, relevance_run, send_signal, wait_within};
use crate::delivery::assert_text;
use crate::lines::RESUME;
use crate::script::{Script, Scripted, answered, in_progress, metadata};
use crate::terminal::Screen;
use fake::server::Reply;

const RUN: &str = "studio-1/job-1";
/// What a signal or the deadline may take.
const A_SECOND: Duration = Duration::from_secs(1);

/// A pipe that holds all it can.
pub fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for piece in [4096, 1] {
        while writer.write(&vec![b'.'; piece]).is_ok() {}
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

fn fifo(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.0.join(name);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .unwrap();
    path
}

/// What brings the end about, and how the command ends then: with this exit code, or with none
/// where it ends by the signal.
struct End {
    signal: Option<Signal>,
    code: Option<i32>,
}

/// A signal, and the deadline. `code` is the exit code; where it speaks of the deadline or of
/// nothing started, a signal is the end itself.
fn both(code: i32) -> [End; 2] {
    let is_settled = !matches!(code, 4 | 124);
    let by_signal = End {
        signal: Some(Signal::TERM),
        code: Some(code).filter(|_| is_settled),
    };
    let by_deadline = End {
        signal: None,
        code: Some(code),
    };
    [by_signal, by_deadline]
}

/// Starts the command, brings its end about once `reached` says so, and holds it to a second.
fn ends_in_time(
    command: Cmd,
    end: &End,
    prepare: impl FnOnce(&mut Command) -> &mut Command,
    reached: impl FnOnce(),
) {
    let _timed = crate::timed();
    let timeout = if end.signal.is_some() { "60s" } else { "1s" };
    let mut command = command.args(["--timeout", timeout]).command;
    command.stdin(Stdio::null());
    prepare(&mut command);
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    drop(command);
    reached();
    let since = match end.signal {
        Some(signal) => {
            // Long enough for it to be inside of what blocks; that is no event that can be seen
            // from here.
            std::thread::sleep(Duration::from_millis(150));
            send_signal(&child, signal);
            Instant::now()
        }
        None => begun + A_SECOND,
    };
    let status = wait_within(&mut child, Duration::from_secs(20));
    let took = since.elapsed();
    assert_eq!(status.code(), end.code, "after {took:?}: {status}");
    if end.code.is_none() {
        assert_eq!(status.signal(), end.signal.map(Signal::as_raw));
    }
    assert!(
        took < A_SECOND,
        "took {took:?} beyond the signal or the deadline"
    );
}

/// What the command says of its end.
fn cause(end: &End) -> &'static str {
    match end.signal {
        Some(_) => "stopped by SIGTERM",
        None => "timed out after 1s (--timeout)",
    }
}

fn waiting() -> Scripted {
    Script::run()
        .poll_forever(in_progress())
        .metadata_forever(metadata("running"))
        .start()
}

/// What came into a pipe whose writers are gone.
fn all(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn details_that_nobody_reads() {
    for end in both(124) {
        let api = waiting();
        let (_unread, full) = full_pipe();
        let command = relevance_run(&api).args(["-v", "-i", "10ms", "Hello"]);
        ends_in_time(
            command,
            &end,
            |command| command.stdout(Stdio::null()).stderr(full),
            || api.wait_for_requests(5),
        );
    }
}

/// Starts a command whose log goes where nothing has room: the child, its answer, and the end of the
/// log that nobody reads.
fn with_a_full_log(command: Cmd) -> (Child, PipeReader, PipeReader) {
    let (unread, full) = full_pipe();
    let (answer, stdout) = std::io::pipe().unwrap();
    let mut command = command.command;
    command.stdin(Stdio::null()).stdout(stdout).stderr(full);
    (command.spawn().unwrap(), answer, unread)
}

/// And the answer of such a run comes at once.
#[test]
fn an_answer_does_not_wait_for_details() {
    for option in ["-v", "-vv"] {
        let _timed = crate::timed();
        let api = Script::run()
            .poll(in_progress())
            .poll(answered("Hi!"))
            .start();
        let command = relevance_run(&api).args([option, "-i", "1ms", "-t", "60s", "Hello"]);
        let (mut child, answer, _unread) = with_a_full_log(command);
        let begun = Instant::now();
        assert_eq!(
            wait_within(&mut child, Duration::from_secs(20)).code(),
            Some(0)
        );
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "took {:?}",
            begun.elapsed()
        );
        assert_eq!(all(answer), "Hi!\n");
    }
}

/// Nor does the removal of the run file: else a signal in that moment would leave it behind, and
/// the same command would print the old answer again.
#[test]
fn a_run_file_does_not_wait_for_details_to_be_read() {
    let _timed = crate::timed();
    let folder = Folder::new();
    let api = Script::run().poll(answered("Hi!")).start();
    let command = relevance_run(&api).arg("--run-file");
    let command = command.arg(folder.0.join("run")).args(["-v", "Hello"]);
    let (mut child, answer, _unread) = with_a_full_log(command);
    let mut line = String::new();
    BufReader::new(answer).read_line(&mut line).unwrap();
    assert_eq!(line, "Hi!\n");
    std::thread::sleep(Duration::from_millis(150));
    send_signal(&child, Signal::TERM);
    let status = wait_within(&mut child, Duration::from_secs(20));
    assert_eq!(status.code(), Some(0));
    assert!(folder.names().is_empty());
}

#[test]
fn a_terminal_stopped_with_ctrl_s() {
    for end in both(124) {
        for option in ["-v", "--json"] {
            let screen = Screen::new(80);
            tcflow(&screen.terminal, Action::OOff).unwrap();
            let api = waiting();
            let command = relevance_run(&api)
                .env("TERM", "xterm")
                .args([option, "-i", "10ms", "Hello"]);
            let terminal = || screen.terminal.try_clone().unwrap();
            let (result, stdout) = std::io::pipe().unwrap();
            ends_in_time(
                command,
                &end,
                |command| command.stdout(stdout).stderr(terminal()),
                || api.wait_for_requests(5),
            );
            // Standard output works, and has what there is to tell.
            let told = all(result);
            assert_eq!(
                told.contains(r#""job_id":"job-1""#),
                option == "--json",
                "{told}"
            );
        }
    }
}

/// Standard output is full; standard error says how to resume the run.
#[test]
fn a_result_that_nobody_takes() {
    for json in [true, false] {
        for end in both(124) {
            // The run is over, and its result cannot be written.
            let api = Script::run().poll(answered("Hi!")).start();
            let (_unread, full) = full_pipe();
            let (messages, stderr) = std::io::pipe().unwrap();
            let command = relevance_run(&api).args(if json {
                vec!["--json", "Hello"]
            } else {
                vec!["Hello"]
            });
            ends_in_time(
                command,
                &end,
                |it| it.stdout(full).stderr(stderr),
                || api.wait_for_requests(2),
            );
            let line = format!("{}; the result was being written", cause(&end));
            assert_text(&all(messages), &[&line, RESUME]);
        }
    }
    // The same for the object that tells of the deadline itself.
    for end in both(124) {
        let api = waiting();
        let (_unread, full) = full_pipe();
        let (messages, stderr) = std::io::pipe().unwrap();
        let command = relevance_run(&api).args(["--json", "Hello"]);
        ends_in_time(
            command,
            &end,
            |it| it.stdout(full).stderr(stderr),
            || api.wait_for_requests(2),
        );
        let line = format!("{}; the run continues", cause(&end));
        assert_text(&all(messages), &[&line, RESUME]);
    }
}

#[test]
fn a_result_for_a_fifo_that_nobody_reads() {
    for no_wait in [false, true] {
        for end in both(124) {
            let folder = Folder::new();
            let script = if no_wait {
                Script::run()
            } else {
                Script::run().poll(answered("Hi!"))
            };
            let api = script.start();
            let (messages, stderr) = std::io::pipe().unwrap();
            let command = relevance_run(&api)
                .arg("-o")
                .arg(fifo(&folder, "fifo"))
                .args(["--json", "Hello"]);
            let command = if no_wait {
                command.arg("--no-wait")
            } else {
                command
            };
            ends_in_time(
                command,
                &end,
                |it| it.stdout(Stdio::null()).stderr(stderr),
                || api.wait_for_requests(1 + usize::from(!no_wait)),
            );
            let line = format!("{}; the result was being written", cause(&end));
            assert_text(&all(messages), &[&line, RESUME]);
            assert_eq!(folder.names(), ["fifo"]);
        }
    }
}

/// A refusal and a usage error are what they are, whether they can be told or not.
#[test]
fn a_settled_outcome_keeps_its_code() {
    let refusing = || {
        Script::new()
            .trigger(Reply::error(422, "no such field", "x"))
            .start()
    };
    for end in both(3) {
        // The JSON cannot be written, the message can.
        let (folder, api) = (Folder::new(), refusing());
        let (messages, stderr) = std::io::pipe().unwrap();
        let command = relevance_run(&api)
            .arg("-o")
            .arg(fifo(&folder, "fifo"))
            .args(["--json", "Hello"]);
        ends_in_time(
            command,
            &end,
            |it| it.stderr(stderr),
            || api.wait_for_requests(1),
        );
        let line = "the API rejected the trigger with 422: no such field; nothing was started; \
                    check the id of the agent, and the fields of --set and --param";
        assert_text(&all(messages), &[line]);
        // Neither can.
        let (api, (_unread, full)) = (refusing(), full_pipe());
        let error = full.try_clone().unwrap();
        let command = relevance_run(&api).args(["--json", "Hello"]);
        ends_in_time(
            command,
            &end,
            |it| it.stdout(full).stderr(error),
            || api.wait_for_requests(1),
        );
    }
    for end in both(1) {
        let fail = crate::script::poll("failed", serde_json::json!({"type": "chain-fail"}));
        let (api, (_unread, full)) = (Script::run().poll(fail).start(), full_pipe());
        let command = relevance_run(&api).arg("Hello");
        ends_in_time(
            command,
            &end,
            |it| it.stdout(Stdio::null()).stderr(full),
            || api.wait_for_requests(2),
        );
    }
    // Of the command line, and of the environment.
    for command in [bare().arg("--typo"), bare().arg("Hello")] {
        let (_unread, full) = full_pipe();
        let end = End {
            signal: Some(Signal::TERM),
            code: Some(2),
        };
        ends_in_time(command, &end, |it| it.stderr(full), || {});
    }
}

/// Files that are read before anything is sent: whatever is waited for is named.
#[test]
fn inlets_that_nobody_writes_to() {
    let folder = Folder::new();
    let path = fifo(&folder, "fifo");
    let api = Script::new().start();
    let with = |name: &str, path: &Path| relevance_run(&api).env(name, path).arg("Hello");
    for end in both(4) {
        for (command, what) in [
            (
                with("RELEVANCE_AUTH_TOKEN_FILE", &path).unset("RELEVANCE_AUTH_TOKEN"),
                "the file in RELEVANCE_AUTH_TOKEN_FILE".to_owned(),
            ),
            (
                with("SSL_CERT_FILE", &path),
                "the file in SSL_CERT_FILE".to_owned(),
            ),
            (
                relevance_run(&api).arg("--file").arg(&path),
                format!("--file {}", path.display()),
            ),
        ] {
            let (messages, stderr) = std::io::pipe().unwrap();
            ends_in_time(command, &end, |it| it.stderr(stderr), || {});
            let line = format!(
                "{}; nothing was started (still reading {what})",
                cause(&end)
            );
            assert_text(&all(messages), &[&line]);
        }
        let (messages, stderr) = std::io::pipe().unwrap();
        let (silent, _open) = std::io::pipe().unwrap();
        ends_in_time(
            relevance_run(&api),
            &end,
            |it| it.stdin(silent).stderr(stderr),
            || {},
        );
        let line = format!(
            "{}; nothing was started (still reading standard input)",
            cause(&end)
        );
        assert_text(&all(messages), &[&line]);
    }
    assert!(api.requests().is_empty());
}

/// A signal while the result is being written, and the writing goes on: nothing of it is left, the
/// run can be resumed.
#[test]
fn nothing_half_written_is_left() {
    let folder = Folder::new();
    let long = "x".repeat(8 << 20);
    for delay in [0, 1, 2, 4, 8, 16, 32] {
        let api = Script::run().poll(answered(&long)).start();
        let file = folder.0.join("answer");
        let running = relevance_run(&api)
            .arg("-o")
            .arg(&file)
            .arg("Hello")
            .spawn();
        api.wait_for_requests(2);
        std::thread::sleep(Duration::from_millis(delay));
        running.signal(Signal::TERM);
        let output = running.wait();
        match output.code {
            Some(0) => assert_eq!(std::fs::metadata(&file).unwrap().len(), (8 << 20) + 1),
            _ => drop(output.stopped_by(Signal::TERM).resumes(RUN)),
        }
        let left = folder.names();
        assert!(left.is_empty() || left == ["answer"], "{left:?}");
        let _ = std::fs::remove_file(file);
    }
}

/// `>&-` in a shell. The standard library would open `/dev/null` in its place, and take the answer
/// for written.
#[test]
fn a_closed_standard_output_is_no_place_for_an_answer() {
    for script in [r#"exec "$RUN" "$@" >&-"#, r#"exec "$RUN" "$@" <&- >&-"#] {
        let api = Script::run().poll(answered("Hi!")).start();
        let output = relevance_run(&api).arg("Hello").in_shell(script).run();
        let line = "cannot write the result to standard output: Bad file descriptor";
        output.ends(5, &[line, RESUME]);
    }
    // With the result in a file nothing is amiss.
    let (folder, api) = (Folder::new(), Script::run().poll(answered("Hi!")).start());
    let command = relevance_run(&api)
        .arg("-o")
        .arg(folder.0.join("answer"))
        .arg("Hello");
    command.in_shell(r#"exec "$RUN" "$@" >&-"#).run().exits(0);
    assert_eq!(
        std::fs::read_to_string(folder.0.join("answer")).unwrap(),
        "Hi!\n"
    );
}

/// A result that is nearly written when the signal comes is written, and the run is over.
#[test]
fn a_result_that_is_nearly_written_is_waited_for() {
    let _timed = crate::timed();
    let api = Script::run().poll(answered("Hi!")).start();
    let (mut reader, full) = full_pipe();
    let mut command = relevance_run(&api).arg("Hello").command;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(command);
    api.wait_for_requests(2);
    std::thread::sleep(Duration::from_millis(150));
    send_signal(&child, Signal::TERM);
    std::thread::sleep(Duration::from_millis(20));
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert!(all.ends_with("Hi!\n"));
    assert_eq!(
        wait_within(&mut child, Duration::from_secs(20)).code(),
        Some(0)
    );
}
