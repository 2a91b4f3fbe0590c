/*! The result is delivered whole, or the command says how to have it: exit 5, the resume line, and
the run file stays. */

use std::fs::{self, File};
use std::io::{self, PipeWriter, Read};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::json;

use crate::command::{Cmd, Folder, Output, bare, relevance_run, wait_within};
use crate::faked::faked;
use crate::lines::RESUME;
use crate::script::{Script, Scripted, answered, poll, triggered};
use fake::api::Scenario;

/// A text that was collected from standard error is these lines.
#[track_caller]
pub fn assert_text(text: &str, lines: &[&str]) {
    let mut expected = String::new();
    for line in lines {
        expected.push_str(&format!("relevance-run: {line}\n"));
    }
    assert_eq!(text, expected);
}

/// The forms in which a result comes, and whether the command waits for the run.
const FORMS: [(&[&str], bool); 3] = [
    (&["Hello"], true),
    (&["--json", "Hello"], true),
    (&["--no-wait", "Hello"], false),
];

fn api(waits: bool, answer: &str) -> Scripted {
    let script = Script::new().trigger(triggered());
    match waits {
        true => script.poll(answered(answer)).start(),
        false => script.start(),
    }
}

/// The exit code, and standard error, of a command whose standard output goes there.
fn into(command: Cmd, stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = command.command;
    let output = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn closed_pipe() -> PipeWriter {
    let (_, writer) = io::pipe().unwrap();
    writer
}

fn no_answer(why: &str) -> String {
    format!("cannot write the result to standard output: {why}")
}

#[test]
fn a_full_disk_is_exit_5_and_the_run_can_be_resumed() {
    for (arguments, waits) in FORMS {
        let api = api(waits, "Hi!");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, said) = into(relevance_run(&api).args(arguments), full);
        assert_eq!(code, Some(5), "{said}");
        assert_text(&said, &[&no_answer("No space left on device"), RESUME]);
    }
    let api = api(true, "Hi!");
    let output = relevance_run(&api).args(["-o", "/dev/full", "Hello"]).run();
    let line = "cannot write the result to /dev/full: No space left on device";
    output.ends(5, &[line, RESUME]);
}

/// `| true`, and a filter whose name is misspelt.
#[test]
fn a_reader_that_is_gone_is_exit_5_and_the_run_file_stays() {
    for (arguments, waits) in FORMS {
        let folder = Folder::new();
        let file = folder.0.join("run");
        let api = api(waits, "Hi!");
        let command = || relevance_run(&api).arg("--run-file").arg(&file);
        let (code, said) = into(command().args(arguments), closed_pipe());
        assert_eq!(code, Some(5), "{said}");
        let again = format!(
            "to resume, repeat the same command (--run-file {})",
            file.display()
        );
        assert_text(&said, &[&no_answer("Broken pipe"), &again, RESUME]);
        // And so the same command brings the answer.
        drop(api);
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.ends_with("\nrun studio-1/job-1 conversation-1 running\n"),
            "{text}"
        );
    }
}

#[test]
fn the_same_command_brings_the_answer_that_nobody_read() {
    let folder = Folder::new();
    let api = Script::run()
        .poll(answered("Hi!"))
        .poll(answered("Hi!"))
        .start();
    let file = folder.0.join("run");
    let command = || {
        relevance_run(&api)
            .arg("--run-file")
            .arg(&file)
            .arg("Hello")
    };
    let (code, said) = into(command(), closed_pipe());
    assert_eq!(code, Some(5), "{said}");
    command().run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
    assert!(folder.names().is_empty());
}

/// A reader that dies in the middle has only a part.
#[test]
fn a_reader_that_leaves_in_the_middle_is_exit_5() {
    let api = api(true, &"x".repeat(1 << 20));
    let script = r#"{ "$RUN" "$@"; echo "code $?" >&2; } | head -c 1000"#;
    let command = relevance_run(&api)
        .env("PATH", "/usr/bin:/bin")
        .arg("Hello");
    let output = command.in_shell(script).run();
    assert_eq!(output.stdout.len(), 1000);
    let expected = format!(
        "relevance-run: {}\nrelevance-run: {RESUME}\ncode 5\n",
        no_answer("Broken pipe")
    );
    assert_eq!(output.stderr, expected);
}

/// So does the reader of a FIFO.
#[test]
fn a_reader_of_a_fifo_that_leaves_is_exit_5() {
    let folder = Folder::new();
    let api = api(true, &"x".repeat(1 << 20));
    let path = folder.0.join("fifo");
    let script = r#"mkfifo "$FIFO"; head -c 1000 < "$FIFO" & "$RUN" -o "$FIFO" "$@""#;
    let command = relevance_run(&api)
        .env("PATH", "/usr/bin:/bin")
        .env("FIFO", &path)
        .arg("Hello");
    let output = command.in_shell(script).run();
    output.exits(5);
    let line = format!("cannot write the result to {}: Broken pipe", path.display());
    output.writes(&[&line, RESUME]);
}

/// A run that failed has nothing but its JSON object to deliver; without `--json` there is nothing
/// to lose.
#[test]
fn a_failure_whose_object_nobody_reads_is_exit_5() {
    let failing = || {
        let fail = json!({"type": "chain-fail", "errors": [{"body": "no"}]});
        Script::run().poll(poll("failed", fail)).start()
    };
    let failed = "the run failed: no (run studio-1/job-1)";
    let (code, said) = into(
        relevance_run(&failing()).args(["-j", "Hello"]),
        closed_pipe(),
    );
    assert_eq!(code, Some(5), "{said}");
    assert_text(&said, &[failed, &no_answer("Broken pipe"), RESUME]);
    let (code, said) = into(relevance_run(&failing()).arg("Hello"), closed_pipe());
    assert_eq!(code, Some(1), "{said}");
    assert_text(&said, &[failed]);
}

/// Where nothing was started, the command can be repeated.
#[test]
fn a_line_of_no_run_that_cannot_be_written_is_exit_4() {
    let checked = faked(Scenario::default());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (code, said) = into(checked.command().arg("--check"), full);
    assert_eq!(code, Some(4), "{said}");
    let line = format!(
        "{}; nothing was started",
        no_answer("No space left on device")
    );
    assert_text(&said, &[&line]);
    let (code, said) = into(bare().arg("--help"), closed_pipe());
    assert_eq!(code, Some(4), "{said}");
    let line = format!("{}; nothing was started", no_answer("Broken pipe"));
    assert_text(&said, &[&line]);
}

/// The folder goes away during the run: nothing is left of the file, and the run can be resumed.
#[test]
fn an_output_folder_that_goes_away_is_exit_5() {
    let folder = Folder::new();
    let inner = folder.0.join("inner");
    fs::create_dir(&inner).unwrap();
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_millis(300)))
        .start();
    let path = inner.join("answer");
    let running = relevance_run(&api)
        .arg("-o")
        .arg(&path)
        .arg("Hello")
        .spawn();
    api.wait_for_requests(2);
    fs::remove_dir(&inner).unwrap();
    let line = format!(
        "cannot write the result to {}: No such file or directory",
        path.display()
    );
    running.wait().ends(5, &[&line, RESUME]);
}

#[test]
fn messages_to_nobody_are_no_panic() {
    let api = api(true, "Hi!");
    let mut command = relevance_run(&api).args(["-v", "Hello"]).command;
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = command
        .stdin(Stdio::null())
        .stderr(full())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"Hi!\n");
    let mut command = relevance_run(&api).args(["--typo"]).command;
    assert_eq!(
        command.stderr(full()).output().unwrap().status.code(),
        Some(2)
    );
}

/// A limit on the size of files is an error of the write, and not a signal that ends the command
/// without a word.
#[test]
fn a_limit_on_the_size_of_files_is_exit_5() {
    let folder = Folder::new();
    let path = folder.0.join("answer");
    for arguments in [vec!["Hello"], vec!["--json", "Hello"]] {
        let api = api(true, &"x".repeat(10_000));
        let command = relevance_run(&api).arg("-o").arg(&path).args(&arguments);
        // Blocks of 512 bytes, or of 1,024.
        let output = command.in_shell(r#"ulimit -f 4; exec "$RUN" "$@""#).run();
        let line = format!(
            "cannot write the result to {}: File too large",
            path.display()
        );
        output.ends(5, &[&line, RESUME]);
        assert!(folder.names().is_empty());
    }
}

/// Whoever shares the pipe may have set it so. A slow reader has the whole answer.
#[test]
fn a_pipe_that_does_not_block_is_waited_for() {
    let long = "x".repeat(300 << 10);
    let api = api(true, &long);
    let (mut reader, writer) = io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let mut command = relevance_run(&api).arg("Hello").command;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(command);
    api.wait_for_requests(2);
    // The pipe is full by then: it holds 64 KiB.
    thread::sleep(Duration::from_millis(200));
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        read.extend_from_slice(&buffer[..length]);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(
        wait_within(&mut child, Duration::from_secs(20)).code(),
        Some(0)
    );
    assert_eq!(String::from_utf8(read).unwrap(), format!("{long}\n"));
}

/// A descriptor of a file is the file as its owner has it: with what was written before, and at its
/// position. It is not opened again, emptied or replaced.
#[cfg(target_os = "linux")]
#[test]
fn an_own_descriptor_keeps_what_is_there_and_its_position() {
    for (path, redirection) in [
        ("/dev/fd/3", "3>"),
        ("/proc/self/fd/3", "3>"),
        ("/dev/fd/3", "3<>"),
        ("/dev/stdout", ">"),
        ("/dev/stderr", "2>"),
    ] {
        let folder = Folder::new();
        let api = api(true, "Hi!");
        let number = redirection.trim_end_matches(['<', '>']);
        let number = if number.is_empty() { "1" } else { number };
        let script = format!(
            r#"exec {redirection}"$FILE"
            echo before >&{number}; "$RUN" "$@"; echo after >&{number}"#
        );
        let command = relevance_run(&api)
            .env("FILE", folder.0.join("file"))
            .args(["-o", path, "Hello"]);
        command.in_shell(&script).run().exits(0);
        let text = fs::read_to_string(folder.0.join("file")).unwrap();
        assert_eq!(text, "before\nHi!\nafter\n", "{path} {redirection}");
        assert_eq!(folder.names(), ["file"]);
    }
}

/// What can never be written is refused before a run is paid for.
#[test]
fn a_descriptor_that_is_not_open_for_writing_is_refused() {
    let closed = "Bad file descriptor";
    let read_only = "it is open for reading only";
    for (path, redirections, why) in [
        // Numbers that the program itself might use are not meant.
        // The lowest free number, which the program takes itself.
        ("/dev/fd/3", "3>&-", closed),
        ("/dev/fd/4", "", closed),
        ("/dev/fd/9", "", closed),
        ("/dev/fd/3", "3</dev/null", read_only),
        ("/dev/stdin", "", read_only),
        ("/dev/stdout", ">&-", read_only),
    ] {
        let api = Script::new().start();
        let script = format!(r#"exec "$RUN" "$@" {redirections}"#);
        let command = relevance_run(&api).args(["-o", path, "Hello"]);
        let line = format!("cannot write --output {path}: {why}; choose another file");
        command.in_shell(&script).run().ends(2, &[&line]);
    }
}

/// The run file would go with the answer in it.
#[test]
fn a_run_file_that_is_where_the_result_goes_is_refused() {
    for (script, output, result) in [
        (r#"exec "$RUN" "$@" > run"#, None, "standard output"),
        (r#"exec "$RUN" "$@" >> run"#, None, "standard output"),
        (r#"exec "$RUN" "$@" 3> run"#, Some("/dev/fd/3"), "--output"),
    ] {
        let line =
            format!("--run-file and {result} are the same file; use a different file for each");
        let folder = Folder::new();
        let api = Script::new().start();
        let mut command = relevance_run(&api).args(["--run-file", "run", "Hello"]);
        if let Some(path) = output {
            command = command.args(["-o", path]);
        }
        let mut command = command.in_shell(script);
        command.command.current_dir(&folder.0);
        command.run().ends(2, &[&line]);
        assert_eq!(folder.names(), ["run"]);
        assert!(fs::read_to_string(folder.0.join("run")).unwrap().is_empty());
    }
}

/// A reply for which there is no memory is an end like any other.
#[test]
fn memory_that_is_not_there_is_exit_5_and_the_run_can_be_resumed() {
    let _busy = crate::busy();
    let api = Script::run().poll(answered(&"x".repeat(30 << 20))).start();
    let command = relevance_run(&api).args(["-t", "20s", "Hello"]);
    let output: Output = command
        .in_shell(r#"ulimit -v 60000; exec "$RUN" "$@""#)
        .run();
    output.ends(5, &["not enough memory for the response", RESUME]);
}
