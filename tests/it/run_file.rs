/*!
The run file: at most one trigger for one FILE, whatever ends the processes that hold it; and nothing of anybody else's is
touched. `killed.rs` has what a SIGKILL at every system call leaves behind.
*/

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::command::{Cmd, Folder, Output, relevance_run};
use crate::fake::server::{Reply, Step};
use crate::script::{Script, Scripted, answered, in_progress, poll, triggered};

const RUN: &str = "studio-1/job-1";

fn with_file(api: &Scripted, file: &Path) -> Cmd {
    relevance_run(api)
        .env("RELEVANCE_REGION", "us")
        .arg("--run-file")
        .arg(file)
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The command, ended by `signal` once `count` requests were made.
fn killed(command: Cmd, api: &Scripted, count: usize, signal: Signal) -> Output {
    let running = command.spawn();
    api.wait_for_requests(count);
    running.signal(signal);
    running.wait()
}

#[test]
fn it_is_there_while_the_run_is_on_and_gone_once_its_outcome_was_told() {
    let fail = || poll("failed", json!({"type": "chain-fail"}));
    for (end, code) in [(answered("Hi!"), 0), (fail(), 1)] {
        for json in [true, false] {
            let folder = Folder::new();
            let file = folder.0.join("run");
            let api = Script::run()
                .poll(end.clone().after(Duration::from_millis(200)))
                .start();
            let running = with_file(&api, &file)
                .args(if json {
                    vec!["-j", "Hello"]
                } else {
                    vec!["Hello"]
                })
                .spawn();
            api.wait_for_requests(2);
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
            let written = fs::read_to_string(&file).unwrap();
            assert!(
                !written.contains("Hello")
                    && !written.contains("sk-")
                    && written.lines().count() == 2,
                "{written}"
            );
            running.wait().exits(code);
            assert!(folder.names().is_empty(), "{:?}", folder.names());
        }
    }
}

/// Whatever says that nothing was started leaves nothing behind.
#[test]
fn it_is_gone_where_nothing_was_started() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::new().trigger(Reply::error(422, "no", "x")).start();
    with_file(&api, &file).arg("Hello").run().fails(3, &["422"]);
    assert!(folder.names().is_empty());
    let api = Script::new().start();
    let nowhere = with_file(&api, &file).env("RELEVANCE_BASE_URL", "http://127.0.0.1:9");
    nowhere
        .args(["-t", "300ms", "Hello"])
        .run()
        .fails(4, &["nothing was started"]);
    assert!(folder.names().is_empty());
    // What is wrong before the claim does not touch it.
    with_file(&api, &file).arg("").run().fails(2, &["empty"]);
    assert!(folder.names().is_empty());
}

/// SIGKILL, SIGTERM, the deadline, a refused poll: the same command again takes the run up, and starts nothing.
#[test]
fn the_same_command_again_takes_the_run_up() {
    for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
        let folder = Folder::new();
        let file = folder.0.join("run");
        let api = Script::run()
            .poll(in_progress())
            .poll(Reply::hang())
            .poll(answered("Hi!"))
            .start();
        let command = || with_file(&api, &file).args(["-i", "1ms", "Hello"]);
        killed(command(), &api, 3, signal);
        assert_eq!(lines(&file).len(), 2);
        command().run().answers("Hi!");
        assert_eq!(api.triggers(), 1);
        assert!(folder.names().is_empty());
    }
    for (reply, code) in [(in_progress(), 124), (Reply::error(403, "no", "x"), 5)] {
        let folder = Folder::new();
        let file = folder.0.join("run");
        let api = Script::run().poll(reply).poll(answered("Hi!")).start();
        let command = |timeout| with_file(&api, &file).args(["-i", "2s", "-t", timeout, "Hello"]);
        command("500ms").run().exits(code).resumes(RUN);
        let output = command("10s").arg("--json").run();
        assert_eq!(output.exits(0).json()["conversation_id"], "conversation-1");
        assert_eq!(api.triggers(), 1);
        assert!(folder.names().is_empty());
    }
}

/// With `--no-wait` it is kept: the same ids again, and without `--no-wait` the answer.
#[test]
fn no_wait_keeps_it() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run().poll(answered("Hi!")).start();
    for _ in 0..3 {
        with_file(&api, &file)
            .args(["-n", "Hello"])
            .run()
            .answers(RUN);
        assert_eq!(lines(&file).len(), 2);
    }
    with_file(&api, &file).arg("Hello").run().answers("Hi!");
    assert!(folder.names().is_empty());
    assert_eq!(api.triggers(), 1);
}

/// The reply was lost: a run may be on, and nobody but a person can know.
#[test]
fn a_trigger_without_a_reply_is_not_sent_again() {
    for reply in [
        Reply::close(),
        Reply::error(500, "down", "x"),
        Reply::text(200, "<html>"),
    ] {
        let folder = Folder::new();
        let file = folder.0.join("run");
        let api = Script::new().trigger(reply).start();
        with_file(&api, &file)
            .arg("Hello")
            .run()
            .fails(5, &["may have been started"]);
        for _ in 0..2 {
            let again = with_file(&api, &file).arg("Hello").run();
            let page = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1";
            again
                .fails(
                    5,
                    &[
                        "may have been started",
                        page,
                        &file.display().to_string(),
                        "remove",
                    ],
                )
                .does_not_resume();
        }
        assert_eq!(api.triggers(), 1);
        assert_eq!(lines(&file).len(), 1);
    }
    // Killed while it was unanswered.
    for signal in [Signal::KILL, Signal::TERM] {
        let folder = Folder::new();
        let file = folder.0.join("run");
        let api = Script::new().trigger(Reply::hang()).start();
        killed(with_file(&api, &file).arg("Hello"), &api, 1, signal);
        with_file(&api, &file)
            .arg("Hello")
            .run()
            .fails(5, &["may have been started", "remove"]);
        assert_eq!(api.triggers(), 1);
    }
}

/// Killed while it waits after a 429, or before it ever connected, nothing was started, and the file knows.
#[test]
fn what_was_turned_away_may_be_sent_again_by_another_process() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let busy = Reply::new(429, &[("Retry-After", "30")], "");
    let api = Script::new()
        .trigger(busy)
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start();
    let running = with_file(&api, &file).args(["-v", "Hello"]).spawn();
    api.wait_for_requests(1);
    crate::eventually("the journal to take it back", || {
        fs::read_to_string(&file).is_ok_and(|text| !text.is_empty() && !text.ends_with('\n'))
    });
    running.signal(Signal::KILL);
    running.wait();
    with_file(&api, &file).arg("Hello").run().answers("Hi!");
    assert_eq!(api.triggers(), 2);
}

#[test]
fn a_torn_last_line_counts_as_not_written() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    // For the first, and for every eighth length of the first line, which has 86 characters.
    let script = (0..12).fold(Script::new(), |script, _| script.trigger(triggered()));
    let api = script.poll_forever(answered("Hi!")).start();
    with_file(&api, &file)
        .args(["-n", "Hello"])
        .run()
        .answers(RUN);
    let whole = fs::read_to_string(&file).unwrap();
    let first_line = whole.find('\n').unwrap();
    assert_eq!(first_line, 86);
    for length in (0..whole.len()).rev() {
        fs::write(&file, &whole[..length]).unwrap();
        if length > first_line {
            with_file(&api, &file)
                .arg("Hello")
                .run()
                .fails(5, &["may have been started"]);
            assert_eq!(fs::read_to_string(&file).unwrap(), whole[..length]);
        } else if length % 8 == 0 {
            with_file(&api, &file).arg("Hello").run().answers("Hi!");
            assert!(folder.names().is_empty());
        }
    }
}

/// Another message, agent, field, conversation or API is another request; another key or output is not.
#[test]
fn a_file_of_another_request_is_left_alone() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run().start();
    with_file(&api, &file)
        .args(["-n", "Hello"])
        .run()
        .answers(RUN);
    let before = fs::read(&file).unwrap();
    let other = Script::new().start();
    for arguments in [
        vec!["Hello!"],
        vec!["-a", "b", "Hello"],
        vec!["-s", "a=1", "Hello"],
        vec!["-c", "c", "Hello"],
    ] {
        let output = with_file(&api, &file).args(&arguments).run();
        output
            .fails(2, &["another request", RUN, "nothing was sent"])
            .does_not_resume();
    }
    with_file(&other, &file)
        .arg("Hello")
        .run()
        .fails(2, &["another request"]);
    assert_eq!(fs::read(&file).unwrap(), before);
    // The very same, told otherwise.
    let command = with_file(&api, &file)
        .env("RELEVANCE_AUTH_TOKEN", "project-1:sk-another-key")
        .stdin("Hello");
    command.args(["-n", "--json"]).run().exits(0);
}

#[test]
fn what_is_no_run_file_is_refused_and_left_alone() {
    let folder = Folder::new();
    let api = Script::new().start();
    let digest = "0".repeat(64);
    for junk in [
        "my notes".to_owned(),
        "\n".to_owned(),
        "{}\n".to_owned(),
        "\0\0\0".to_owned(),
        format!("relevance-run trigger {digest}\nrun a/b c d\n"),
        "x".repeat(100_000),
    ] {
        let file = folder.file("junk", &junk);
        with_file(&api, &file)
            .arg("Hello")
            .run()
            .fails(2, &["--run-file", "nothing was sent"])
            .does_not_resume();
        assert_eq!(fs::read_to_string(&file).unwrap(), junk);
    }
    for bytes in [&b"\xff\xfe"[..], b"relevance-run trigger \xff"] {
        let file = folder.file("junk", bytes);
        with_file(&api, &file)
            .arg("Hello")
            .run()
            .fails(2, &["--run-file"]);
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
    // The request's own first line, and a second that is none.
    let file = folder.0.join("own");
    let starting = Script::run().start();
    with_file(&starting, &file)
        .args(["-n", "Hello"])
        .run()
        .answers(RUN);
    let first = lines(&file).remove(0);
    for second in ["run", "run a", "run a/b", "run ../.. - -", "walk a/b - -"] {
        fs::write(&file, format!("{first}\n{second}\n")).unwrap();
        with_file(&starting, &file)
            .arg("Hello")
            .run()
            .fails(2, &["not understood"]);
    }
    // A device, a pipe that nobody has opened, a folder, a folder that is not there.
    let fifo = folder.0.join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    for path in [
        "/dev/null".into(),
        "/dev/full".into(),
        fifo,
        folder.0.clone(),
        folder.0.join("missing/run"),
        "/sys/run".into(),
    ] {
        let output = with_file(&api, &path).args(["-t", "10s", "Hello"]).run();
        output.fails(2, &["--run-file", "nothing was sent"]);
    }
}

#[test]
fn a_link_is_followed() {
    let folder = Folder::new();
    let (link, file) = (folder.0.join("link"), folder.0.join("file"));
    symlink("file", &link).unwrap();
    let api = Script::run().poll(answered("Hi!")).start();
    with_file(&api, &link)
        .args(["-n", "Hello"])
        .run()
        .answers(RUN);
    assert_eq!(lines(&file).len(), 2);
    with_file(&api, &link).arg("Hello").run().answers("Hi!");
    assert_eq!(folder.names(), ["link"]);
}

/// An empty file, which a scheduler may have made, is as good as none.
#[test]
fn an_empty_file_is_claimed() {
    let folder = Folder::new();
    let file = folder.file("run", "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_millis(100)))
        .start();
    let running = with_file(&api, &file).arg("Hello").spawn();
    api.wait_for_requests(2);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    running.wait().answers("Hi!");
    assert!(folder.names().is_empty());
}

/// Six at once, again and again: one trigger, and everyone else is told that another is at it.
#[test]
fn six_at_once() {
    for _ in 0..5 {
        let folder = Folder::new();
        let file = folder.0.join("run");
        let api = Script::run()
            .poll(answered("Hi!").after(Duration::from_millis(700)))
            .start();
        let running: Vec<_> = (0..6)
            .map(|_| with_file(&api, &file).arg("Hello").spawn())
            .collect();
        let outputs: Vec<Output> = running.into_iter().map(|it| it.wait()).collect();
        let (winners, others): (Vec<_>, Vec<_>) =
            outputs.iter().partition(|output| output.code == Some(0));
        assert_eq!(winners.len(), 1);
        winners[0].answers("Hi!");
        for other in others {
            other
                .fails(4, &["another process", "nothing was started"])
                .does_not_resume();
        }
        assert_eq!(api.triggers(), 1);
        assert!(folder.names().is_empty());
    }
}

#[test]
fn it_does_not_go_with_what_starts_nothing_nor_with_itself() {
    let api = Script::new().start();
    for arguments in [
        vec!["--resume", "a/b"],
        vec!["--check"],
        vec!["-o", "run", "Hello"],
    ] {
        let output = relevance_run(&api)
            .args(["--run-file", "run"])
            .args(&arguments)
            .run();
        output.fails(2, &["--run-file"]);
    }
}

/// The page of the run is named wherever it goes on or ended badly, and its ids where it ended badly.
#[test]
fn ends_tell_where_to_look() {
    let page = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1/conversation-1";
    let us = |api: &Scripted| relevance_run(api).env("RELEVANCE_REGION", "us");
    let fail = || {
        poll(
            "failed",
            json!({"type": "chain-fail", "errors": [{"body": "no"}]}),
        )
    };
    let api = Script::run().poll(fail()).start();
    us(&api)
        .arg("Hello")
        .run()
        .fails(1, &["without success: no", RUN, page]);
    let api = Script::run().poll(fail()).start();
    let json = us(&api).args(["--json", "Hello"]).run();
    assert_eq!(json.exits(1).json()["page"], page);
    assert_eq!(json.json()["state"], "running");
    let api = Script::run().poll_forever(in_progress()).start();
    us(&api)
        .args(["-t", "300ms", "Hello"])
        .run()
        .fails(124, &["goes on", page])
        .resumes(RUN);
    let api = Script::run().poll(Reply::error(403, "no", "x")).start();
    us(&api)
        .arg("Hello")
        .run()
        .fails(5, &["403", page])
        .resumes(RUN);
    let api = Script::run().poll(Reply::hang()).start();
    killed(us(&api).arg("Hello"), &api, 2, Signal::TERM)
        .fails(143, &["goes on", page])
        .resumes(RUN);
}

#[test]
fn a_run_that_waits_for_a_person_is_said_at_once_and_again() {
    let page = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1/conversation-1";
    for state in [
        "queued-for-approval",
        "pending-approval",
        "escalated",
        "paused",
    ] {
        let reply = Reply::json(
            200,
            json!({"job_info": {"studio_id": "studio-1", "job_id": "job-1"}, "conversation_id": "conversation-1", "state": state}),
        );
        let (folder, api) = (
            Folder::new(),
            Script::new()
                .trigger(reply)
                .poll_forever(in_progress())
                .start(),
        );
        let command = || with_file(&api, &folder.0.join("run")).args(["-t", "400ms", "Hello"]);
        // By the process that started it, and by the one that takes it up.
        for _ in 0..2 {
            let output = command().run();
            output.exits(124).resumes(RUN);
            let lines: Vec<&str> = output.stderr.lines().collect();
            assert_eq!(lines.len(), 3, "{output}");
            assert!(
                lines[0].contains("person") && lines[0].contains(state) && lines[0].contains(page),
                "{output}"
            );
            assert!(
                lines[1].contains("timeout")
                    && lines[1].contains(state)
                    && lines[1].contains("person"),
                "{output}"
            );
        }
        assert_eq!(api.triggers(), 1);
    }
}

/// The last line of a traceback is the one that matters; and what cannot be understood is quoted.
#[test]
fn quoted_texts_keep_their_beginning_and_their_end() {
    let long = format!(
        "Traceback of {} ValueError: no such row",
        "a step in a file ".repeat(100)
    );
    let api = Script::run()
        .poll(poll(
            "failed",
            json!({"type": "chain-fail", "errors": [{"body": long}]}),
        ))
        .start();
    let output = relevance_run(&api).arg("Hello").run();
    output.fails(
        1,
        &["Traceback of a step", " … ", "ValueError: no such row"],
    );
    assert!(output.stderr.len() < 600);
    let odd = Reply::text(200, r#"{"status": "accepted", "ticket": 7}"#);
    let api = Script::new().trigger(odd.then(Step::Close)).start();
    relevance_run(&api).arg("Hello").run().fails(
        5,
        &[
            "names no usable run",
            r#"200: {"status": "accepted""#,
            "ticket",
        ],
    );
    let api = Script::run()
        .poll(Reply::text(200, "Bad gateway, sorry"))
        .start();
    let output = relevance_run(&api).args(["-t", "400ms", "Hello"]).run();
    output.fails(124, &["Bad gateway, sorry"]).resumes(RUN);
}

/// A reader that had enough of the answer was told of it.
#[test]
fn a_broken_pipe_after_the_answer_is_an_end() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    for (arguments, is_over) in [
        (vec!["Hello"], true),
        (vec!["--json", "Hello"], true),
        (vec!["-n", "Hello"], false),
    ] {
        let api = if is_over {
            Script::run().poll(answered("Hi!"))
        } else {
            Script::run()
        }
        .start();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = with_file(&api, &file).args(&arguments).command;
        let status = command
            .stdin(std::process::Stdio::null())
            .stdout(writer)
            .stderr(std::process::Stdio::null())
            .status();
        assert_eq!(status.unwrap().code(), Some(if is_over { 0 } else { 5 }));
        assert_eq!(file.exists(), !is_over);
    }
}

/// The result would replace the run file, and the run file's removal the result.
#[test]
fn run_file_and_output_by_any_path_are_two_files() {
    let folder = Folder::new();
    symlink("run", folder.0.join("link")).unwrap();
    let api = Script::new().start();
    for (file, output) in [
        ("run", "run"),
        ("run", "./run"),
        ("run", "link"),
        ("link", "run"),
        ("link", "link"),
    ] {
        let mut command = relevance_run(&api).args(["--run-file", file, "-o", output, "Hello"]);
        command.command.current_dir(&folder.0);
        command
            .run()
            .fails(2, &["--run-file and --output name one file"]);
        assert_eq!(folder.names(), ["link"]);
    }
}

/// Whatever the server says of the run, the file holds no key.
#[test]
fn the_file_holds_no_key_that_the_server_echoes() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let job = json!({"studio_id": "studio-1", "job_id": "job-1"});
    for state in [
        crate::script::TOKEN,
        "sk-0123456789abcdefghij",
        "two words",
        "",
        "line\nbreak",
    ] {
        let reply = Reply::json(200, json!({"job_info": job, "state": state}));
        let api = Script::new().trigger(reply).poll(answered("Hi!")).start();
        with_file(&api, &file)
            .args(["-n", "Hello"])
            .run()
            .answers(RUN);
        let written = fs::read_to_string(&file).unwrap();
        assert!(
            !written.contains("sk-") && written.lines().count() == 2,
            "{written}"
        );
        with_file(&api, &file).arg("Hello").run().answers("Hi!");
    }
}

/// What somebody else has put in its place meanwhile is theirs.
#[test]
fn a_file_put_in_its_place_is_not_removed() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_millis(400)))
        .start();
    let running = with_file(&api, &file).arg("Hello").spawn();
    api.wait_for_requests(2);
    fs::remove_file(&file).unwrap();
    fs::write(&file, "another's").unwrap();
    running.wait().answers("Hi!");
    assert_eq!(fs::read_to_string(&file).unwrap(), "another's");
}

/// No room for the first line, here by a limit on the size of files: nothing is sent, and nothing left.
#[test]
fn a_claim_that_cannot_be_written_is_exit_2() {
    let folder = Folder::new();
    let api = Script::new().start();
    let command = with_file(&api, &folder.0.join("run")).arg("Hello");
    command
        .in_shell(r#"ulimit -f 0; exec "$RUN" "$@""#)
        .run()
        .fails(2, &["--run-file", "nothing was sent"]);
    assert!(folder.names().is_empty());
}
