/*! The run file: at most one trigger for one FILE, whatever ends the processes that hold it.
`claim.rs` has what is left alone; `killed.rs` and `injected.rs` what fails at a system call. */

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::command::{Cmd, Folder, Output, relevance_run};
use crate::faked::faked;
use crate::lines::RESUME;
use crate::script::{Kind, Script, Scripted, answered, in_progress, poll, triggered};
use fake::api::{Scenario, TOKEN};
use fake::server::{Reply, Step};

const RUN: &str = "studio-1/job-1";
pub const AGENT_PAGE: &str = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1";
pub const PAGE: &str = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1/conversation-1";

const FOUND: &str = "the reply to the trigger was lost, and its run was found; see \
    https://app.relevanceai.com/agents/bcbe5a/demo-project/agent-1/conversation-1";

pub fn with_file(api: &Scripted, file: &Path) -> Cmd {
    relevance_run(api)
        .env("RELEVANCE_REGION", "us")
        .arg("--run-file")
        .arg(file)
}

pub fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A folder, and the path of a run file in it.
pub fn place() -> (Folder, PathBuf) {
    let folder = Folder::new();
    let file = folder.0.join("run");
    (folder, file)
}

/// The line before the last one.
pub fn repeat_line(file: &Path) -> String {
    format!(
        "to resume, repeat the same command (--run-file {})",
        file.display()
    )
}

/// What a repeat says of a trigger that was about to be sent, and whose run is not found.
pub fn lost_line(file: &Path, place: &str) -> String {
    let file = file.display();
    format!(
        "--run-file {file}: an earlier attempt ended while sending the trigger; the run may have \
         been started; check {place}: if the run is there, wait for it there and remove {file}; \
         if not, remove {file} and repeat the command"
    )
}

/// An API whose list of conversations this key may not see, so that no run is found there.
fn without_list() -> Script {
    Script::new().conversations_forever(Reply::error(403, "no", "x"))
}

/// The command, ended by `signal` once `count` requests were made.
fn killed(command: Cmd, api: &Scripted, count: usize, signal: Signal) -> Output {
    let running = command.spawn();
    api.wait_for_requests(count);
    running.signal(signal);
    running.wait()
}

#[test]
fn it_is_there_during_the_run_and_gone_once_the_outcome_was_delivered() {
    let fail = || poll("failed", json!({"type": "chain-fail"}));
    for (end, code) in [(answered("Hi!"), 0), (fail(), 1)] {
        for json in [true, false] {
            let (folder, file) = place();
            let api = Script::run()
                .poll(end.clone().after(Duration::from_millis(200)))
                .start();
            let arguments: &[&str] = if json { &["-j", "Hello"] } else { &["Hello"] };
            let running = with_file(&api, &file).args(arguments).spawn();
            api.wait_for_requests(2);
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let written = fs::read_to_string(&file).unwrap();
            assert!(
                !written.contains("Hello") && !written.contains("sk-"),
                "{written}"
            );
            assert_eq!(lines(&file)[1], "run studio-1/job-1 conversation-1 running");
            running.wait().exits(code);
            assert!(folder.names().is_empty(), "{:?}", folder.names());
        }
    }
}

/// Whatever says that nothing was started leaves nothing behind.
#[test]
fn it_is_gone_where_nothing_was_started() {
    let (folder, file) = place();
    let api = Script::new().trigger(Reply::error(422, "no", "x")).start();
    let output = with_file(&api, &file).arg("Hello").run();
    let line = "the API rejected the trigger with 422: no; nothing was started; check the id of \
                the agent, and the fields of --set and --param";
    output.ends(3, &[line]);
    assert!(folder.names().is_empty());
    let api = Script::new().start();
    let nowhere = with_file(&api, &file).env("RELEVANCE_BASE_URL", "http://127.0.0.1:9");
    let output = nowhere.args(["-t", "1s", "Hello"]).run();
    let line = "timed out after 1s (--timeout); nothing was started (cannot reach 127.0.0.1:9: \
                Connection refused)";
    output.ends(4, &[line]);
    assert!(folder.names().is_empty());
    // What is wrong before the claim does not touch it.
    with_file(&api, &file).arg("").run().exits(2);
    assert!(folder.names().is_empty());
}

/// SIGKILL, a signal, the deadline, a rejected poll: the same command again resumes the run, and
/// starts nothing.
#[test]
fn the_same_command_again_resumes_the_run() {
    for signal in [Signal::KILL, Signal::TERM, Signal::USR1] {
        let (folder, file) = place();
        let api = Script::run()
            .poll(in_progress())
            .poll(Reply::hang())
            .poll(answered("Hi!"))
            .start();
        let command = || with_file(&api, &file).args(["-i", "1ms", "Hello"]);
        killed(command(), &api, 3, signal).stopped_by(signal);
        assert_eq!(lines(&file).len(), 2);
        command().run().answers("Hi!");
        assert_eq!(api.triggers(), 1);
        assert!(folder.names().is_empty());
    }
    for (reply, code) in [(in_progress(), 124), (Reply::error(403, "no", "x"), 5)] {
        let (folder, file) = place();
        let api = Script::run()
            .poll(reply)
            .poll(answered("Hi!"))
            .reply_forever(Kind::Metadata, Reply::error(403, "no", "x"))
            .start();
        let command = |timeout| with_file(&api, &file).args(["-i", "2s", "-t", timeout, "Hello"]);
        command("500ms").run().exits(code).resumes(RUN);
        let output = command("10s").arg("--json").run();
        assert_eq!(output.exits(0).json()["conversation_id"], "conversation-1");
        assert_eq!(api.triggers(), 1);
        assert!(folder.names().is_empty());
    }
}

/// The line before the last one says what is right with a run file; the last one is for use
/// without.
#[test]
fn ends_say_to_repeat_the_command() {
    let (_folder, file) = place();
    let again = repeat_line(&file);
    let api = Script::run().poll_forever(in_progress()).start();
    let command = || with_file(&api, &file).args(["-t", "1s", "Hello"]);
    let line = format!("timed out after 1s (--timeout); the run continues; see {PAGE}");
    for _ in 0..2 {
        command().run().ends(124, &[&line, &again, RESUME]);
    }
    let output = killed(
        with_file(&api, &file).args(["-t", "60s", "Hello"]),
        &api,
        api.requests().len() + 1,
        Signal::HUP,
    );
    output.stopped_by(Signal::HUP);
    let line = format!("stopped by SIGHUP; the run continues; see {PAGE}");
    output.writes(&[&line, &again, RESUME]);
}

/// A path that a shell would split is quoted, so that the line can be copied.
#[test]
fn a_path_with_a_space_is_quoted() {
    let folder = Folder::new();
    let file = folder.0.join("the run");
    let api = Script::run().poll_forever(in_progress()).start();
    let output = with_file(&api, &file).args(["-t", "1s", "Hello"]).run();
    let first = format!("timed out after 1s (--timeout); the run continues; see {PAGE}");
    let again = format!(
        "to resume, repeat the same command (--run-file '{}')",
        file.display()
    );
    output.ends(124, &[&first, &again, RESUME]);
}

/// With `--no-wait` it is kept: the same ids again, and without `--no-wait` the answer.
#[test]
fn no_wait_keeps_it() {
    let (folder, file) = place();
    let api = Script::run().poll(answered("Hi!")).start();
    for _ in 0..3 {
        with_file(&api, &file)
            .args(["--no-wait", "Hello"])
            .run()
            .answers(RUN);
        assert_eq!(lines(&file).len(), 2);
    }
    with_file(&api, &file).arg("Hello").run().answers("Hi!");
    assert!(folder.names().is_empty());
    assert_eq!(api.triggers(), 1);
}

/// The reply was lost, and the run is not found: nobody but a person can know.
#[test]
fn a_trigger_without_a_reply_is_not_sent_again() {
    let close = "no reply to the trigger: the server closed the connection";
    let down = "the API returned 500 to the trigger: down";
    for (reply, why) in [
        (Reply::close(), close),
        (Reply::error(500, "down", "x"), down),
    ] {
        let (_folder, file) = place();
        let api = without_list().trigger(reply).start();
        let output = with_file(&api, &file).arg("Hello").run();
        let line = format!(
            "{why}; the run may have been started; check {AGENT_PAGE}, or repeat the same \
            command to look for it again"
        );
        output.ends(5, &[&line]);
        for _ in 0..2 {
            let again = with_file(&api, &file).arg("Hello").run();
            again.ends(5, &[&lost_line(&file, AGENT_PAGE)]);
        }
        assert_eq!(api.triggers(), 1);
        assert_eq!(lines(&file).len(), 1);
    }
    // Ended while it was unanswered.
    for signal in [Signal::KILL, Signal::TERM] {
        let (_folder, file) = place();
        let api = without_list().trigger(Reply::hang()).start();
        killed(with_file(&api, &file).arg("Hello"), &api, 1, signal).stopped_by(signal);
        let again = with_file(&api, &file).arg("Hello").run();
        again.ends(5, &[&lost_line(&file, AGENT_PAGE)]);
        assert_eq!(api.triggers(), 1);
    }
}

/// The run of a lost reply is found by the name that its request carried.
#[test]
fn a_run_whose_reply_was_lost_is_found_by_its_name() {
    let (folder, file) = place();
    let api = faked(Scenario::default());
    let command = api.command().arg("--run-file").arg(&file);
    let output = command.arg("lost: Hello").run();
    output.exits(0).prints("You said: Hello\n");
    output.writes(&[FOUND]);
    assert_eq!(api.api.runs(), 1);
    assert!(folder.names().is_empty());
}

/// And by another process, where the one that sent it was killed before it could look.
#[test]
fn a_run_whose_reply_was_lost_is_found_by_the_next_process() {
    let (folder, file) = place();
    let scenario = Scenario {
        listed_after: Duration::from_secs(2),
        ..Scenario::default()
    };
    let api = faked(scenario);
    let command = || {
        let command = api.command().arg("--run-file").arg(&file);
        command.arg("lost: Hello")
    };
    let running = command().spawn();
    crate::eventually("a look", || api.api.requests().len() >= 2);
    running.signal(Signal::KILL);
    running.wait();
    let output = command().run();
    output.exits(0).prints("You said: Hello\n");
    output.writes(&[FOUND]);
    assert_eq!(api.api.runs(), 1);
    assert!(folder.names().is_empty());
}

/// Killed while it waits after a 429, or before it ever connected, nothing was started, and the
/// file says so.
#[test]
fn what_was_rejected_may_be_sent_again_by_another_process() {
    let (_folder, file) = place();
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
    let (folder, file) = place();
    let api = without_list()
        .trigger_forever(triggered())
        .poll_forever(answered("Hi!"))
        .start();
    with_file(&api, &file)
        .args(["--no-wait", "Hello"])
        .run()
        .answers(RUN);
    let whole = fs::read_to_string(&file).unwrap();
    let first_line = whole.find('\n').unwrap();
    for length in (0..whole.len()).rev() {
        fs::write(&file, &whole[..length]).unwrap();
        if length > first_line {
            let output = with_file(&api, &file).arg("Hello").run();
            output.ends(5, &[&lost_line(&file, AGENT_PAGE)]);
            assert_eq!(fs::read_to_string(&file).unwrap(), whole[..length]);
        } else if length % 8 == 0 {
            with_file(&api, &file).arg("Hello").run().answers("Hi!");
            assert!(folder.names().is_empty());
        }
    }
}

/// A file of version 0.1.0 has neither a name nor a time.
#[test]
fn a_file_of_an_earlier_version_is_understood() {
    let (folder, file) = place();
    let api = without_list()
        .trigger(triggered())
        .poll_forever(answered("Hi!"))
        .start();
    with_file(&api, &file)
        .args(["--no-wait", "Hello"])
        .run()
        .answers(RUN);
    let written = lines(&file);
    let old = written[0].split(' ').take(3).collect::<Vec<_>>().join(" ");
    fs::write(&file, format!("{old}\n")).unwrap();
    let output = with_file(&api, &file).arg("Hello").run();
    output.ends(5, &[&lost_line(&file, AGENT_PAGE)]);
    fs::write(&file, format!("{old}\n{}\n", written[1])).unwrap();
    with_file(&api, &file).arg("Hello").run().answers("Hi!");
    assert!(folder.names().is_empty());
    assert_eq!(api.triggers(), 1);
}

/// The page of the run is named wherever it continues or ended badly, and its ids where it ended
/// badly.
#[test]
fn ends_say_where_to_look() {
    let us = |api: &Scripted| relevance_run(api).env("RELEVANCE_REGION", "us");
    let fail = || {
        let fail = json!({"type": "chain-fail", "errors": [{"body": "no"}]});
        poll("failed", fail)
    };
    let api = Script::run().poll(fail()).start();
    let output = us(&api).arg("Hello").run();
    let line = format!("the run failed: no (run {RUN}); see {PAGE}");
    output.ends(1, &[&line]);
    let api = Script::run().poll(fail()).start();
    let json = us(&api).args(["--json", "Hello"]).run();
    assert_eq!(json.exits(1).json()["url"], PAGE);
    let api = Script::run().poll_forever(in_progress()).start();
    let output = us(&api).args(["-t", "1s", "Hello"]).run();
    let line = format!("timed out after 1s (--timeout); the run continues; see {PAGE}");
    output.ends(124, &[&line, RESUME]);
    let api = Script::run().poll(Reply::hang()).start();
    let output = killed(us(&api).arg("Hello"), &api, 2, Signal::TERM);
    output.stopped_by(Signal::TERM);
    let line = format!("stopped by SIGTERM; the run continues; see {PAGE}");
    output.writes(&[&line, RESUME]);
}

#[test]
fn a_run_that_waits_for_a_person_is_reported_at_once_and_again() {
    for state in ["pending-approval", "escalated", "paused"] {
        let reply = Reply::json(
            200,
            json!({
                "job_info": {"studio_id": "studio-1", "job_id": "job-1"},
                "conversation_id": "conversation-1",
                "state": state,
            }),
        );
        let (_folder, file) = place();
        let api = Script::new()
            .trigger(reply)
            .poll_forever(in_progress())
            .start();
        let command = || with_file(&api, &file).args(["-t", "1s", "Hello"]);
        let at_once = format!("the run is waiting for a person ({state}); see {PAGE}");
        let at_the_end = format!(
            "timed out after 1s (--timeout); the run continues, and is waiting for a person \
             ({state}); see {PAGE}"
        );
        // By the process that started it, and by the one that resumes it.
        for _ in 0..2 {
            let lines = [&at_once, &at_the_end, &repeat_line(&file), RESUME];
            command().run().ends(124, &lines);
        }
        assert_eq!(api.triggers(), 1);
    }
}

/// The last line of a traceback is the one that matters; and what cannot be understood is quoted.
#[test]
fn quoted_texts_keep_their_beginning_and_their_end() {
    let steps = "a step in a file ".repeat(100);
    let long = format!("Traceback of {steps} ValueError: no such row");
    let fail = json!({"type": "chain-fail", "errors": [{"body": long}]});
    let api = Script::run().poll(poll("failed", fail)).start();
    let output = relevance_run(&api).arg("Hello").run();
    output.fails(
        1,
        &["Traceback of a step", " … ", "ValueError: no such row"],
    );
    assert!(output.stderr.len() < 600);
    let odd = Reply::text(200, r#"{"status": "accepted", "ticket": 7}"#);
    let api = Script::new().trigger(odd.then(Step::Close)).start();
    let output = relevance_run(&api).arg("Hello").run();
    let line = "the reply to the trigger contains no usable run id (200: {\"status\": \
                \"accepted\", \"ticket\": 7}); the run may have been started; check the agent's \
                tasks in the web app before you repeat the command";
    output.ends(5, &[line]);
    let api = Script::run()
        .poll_forever(Reply::text(200, "Bad gateway, sorry"))
        .start();
    let output = relevance_run(&api).args(["-t", "1s", "Hello"]).run();
    output.fails(124, &["Bad gateway, sorry"]).resumes(RUN);
}

/// The key in the place of a conversation is not written down, and the run is found all the same.
#[test]
fn the_file_holds_no_key_that_was_given_as_an_id() {
    let (folder, file) = place();
    let scenario = Scenario {
        takes: Duration::from_secs(3),
        ..Scenario::default()
    };
    let api = faked(scenario);
    let (_, key) = TOKEN.split_once(':').unwrap();
    let command = || {
        let command = api.command().arg("--run-file").arg(&file);
        command.args(["-c", key, "lost: Hello"])
    };
    let running = command().spawn();
    crate::eventually("the task", || !api.requests("/metadata").is_empty());
    let written = fs::read_to_string(&file).unwrap();
    assert!(!written.contains("sk-"), "{written}");
    running.signal(Signal::TERM);
    running.wait().stopped_by(Signal::TERM).never_says("sk-");
    let output = command().run();
    output
        .exits(0)
        .prints("You said: Hello\n")
        .never_says("sk-");
    assert_eq!(api.api.runs(), 1);
    assert!(folder.names().is_empty());
}

/// Whatever the server says of the run, the file holds no key.
#[test]
fn the_file_holds_no_key_that_the_server_echoes() {
    let (_folder, file) = place();
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
            .args(["--no-wait", "Hello"])
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
