/*! The task as the second witness: when it is asked, and what is said of it. */

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::command::{Cmd, Output, relevance_run};
use crate::faked::{PAGES, RESUME, faked};
use crate::script::{Kind, Script, Scripted, answered, in_progress, metadata, triggered};
use fake::api::scenario::{Approval, Scenario};
use fake::server::Reply;

/// The page of the task of every scripted run.
pub const PAGE: &str = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1/conversation-1";
/// What is printed of a scripted run that waits for a person.
pub const WAITING: &str = "relevance-run: the run is waiting for a person (pending-approval); see";

/// The command of a user whose region is known, with a message, and a pace at which twenty polls
/// are soon over.
pub fn quick(api: &Scripted) -> Cmd {
    relevance_run(api)
        .env("RELEVANCE_REGION", "us")
        .args(["--interval", "20ms", "Hello"])
}

/// The end of a job that says nothing of how the run ended.
pub fn silent_end() -> Reply {
    let body = json!({"type": "complete", "updates": [], "last_message_id": 1});
    Reply::json(200, body)
}

/// A run whose polls are rejected at once, so that its task is all there is.
pub fn task_only() -> Script {
    Script::run().poll(Reply::error(410, "Gone", "gone"))
}

/// Messages by their minutes in the hour of [`clock`], the newest first.
pub fn messages(items: &[(u32, Value)]) -> Reply {
    let mut listed = Vec::new();
    for (minute, content) in items {
        let date = format!("2026-08-29T12:{minute:02}:00.000Z");
        listed.push(json!({"item_id": "i", "insert_date_": date, "content": content}));
    }
    clock(Reply::json(200, json!({"results": listed})))
}

/// The reply of a server whose clock stands at half past twelve of a day long ago.
pub fn clock(reply: Reply) -> Reply {
    reply.header("Date", "Sat, 29 Aug 2026 12:30:00 GMT")
}

/// The whole of standard error, as lines.
#[track_caller]
pub fn says_only(output: &Output, lines: &[&str]) {
    let said: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(said, lines, "{output}");
}

/// That the task is over, and nothing in it is an answer.
#[track_caller]
pub fn has_no_answer(output: &Output) {
    let line = format!(
        "relevance-run: the run failed: the task is completed, without an answer (conversation \
         conversation-1); see {PAGE}"
    );
    output.exits(1).prints("");
    says_only(output, &[&line]);
}

#[test]
fn a_quick_run_asks_nothing_more_than_ever() {
    let api = Script::run().polls(6, in_progress()).poll(answered("Hi!"));
    let api = api.start();
    quick(&api).run().answers("Hi!");
    let requests = api.requests();
    let body = br#"{"message":{"role":"user","content":"Hello"},"agent_id":"agent-1"}"#;
    assert_eq!(requests[0].body, body);
    assert_eq!(requests.len(), 8);
    for poll in &requests[1..] {
        let path = "/latest/studios/studio-1/async_poll/job-1?ending_update_only=true";
        assert_eq!(poll.target, path);
    }
}

#[test]
fn the_task_is_asked_after_the_polls_number_8_16_and_32_which_ask_in_full() {
    let api = Script::run().polls(32, in_progress()).poll(answered("Hi!"));
    let api = api.metadata_forever(metadata("running")).start();
    quick(&api).run().answers("Hi!");
    let mut polls = 0;
    let (mut full, mut asked) = (Vec::new(), Vec::new());
    for request in &api.requests()[1..] {
        match Kind::of(request) {
            Some(Kind::Poll) => {
                polls += 1;
                if request.query("ending_update_only") == Some("false") {
                    full.push(polls);
                }
            }
            Some(Kind::Metadata) => asked.push(polls),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (full.as_slice(), asked.as_slice()),
        (&[8, 16, 32][..], &[8, 16, 32][..])
    );
}

#[test]
fn each_wait_for_a_person_is_said_once() {
    let api = Script::run().polls(64, in_progress()).poll(answered("Hi!"));
    let states = [
        "pending-approval",
        "pending-approval",
        "running",
        "pending-approval",
    ];
    let api = states
        .iter()
        .fold(api, |api, state| api.metadata(metadata(state)));
    let api = api.start();
    let output = quick(&api).run();
    output.exits(0).prints("Hi!\n");
    let line = format!("{WAITING} {PAGE}");
    says_only(&output, &[&line, &line]);
}

#[test]
fn a_wait_that_begins_with_the_run_is_said_once_as_well() {
    let mut body = json!({"conversation_id": "conversation-1", "state": "pending-approval"});
    body["job_info"] = json!({"studio_id": "studio-1", "job_id": "job-1"});
    let api = Script::new().trigger(Reply::json(200, body));
    let api = api.polls(8, in_progress()).poll(answered("Hi!"));
    let api = api.metadata(metadata("pending-approval")).start();
    let output = quick(&api).run();
    output.exits(0).prints("Hi!\n");
    says_only(&output, &[&format!("{WAITING} {PAGE}")]);
}

#[test]
fn to_be_queued_is_not_to_wait_for_a_person() {
    for (state, waits) in [
        ("idle", false),
        ("starting-up", false),
        ("running", false),
        ("pending-approval", true),
        ("waiting-for-capacity", false),
        ("cancelled", false),
        ("timed-out", false),
        ("escalated", true),
        ("unrecoverable", false),
        ("paused", true),
        ("completed", false),
        ("errored-pending-approval", true),
        ("queued-for-approval", false),
        ("queued-for-rejection", false),
        ("queued-for-rerun", false),
        ("something-new", false),
    ] {
        let api = Script::run().polls(8, in_progress()).poll(answered("Hi!"));
        let api = api.metadata(metadata(state)).start();
        let output = quick(&api).run();
        output.exits(0).prints("Hi!\n");
        let line = format!("relevance-run: the run is waiting for a person ({state}); see {PAGE}");
        let expected: &[&str] = if waits { &[&line] } else { &[] };
        says_only(&output, expected);
    }
}

#[test]
fn what_is_waited_for_is_said_again_at_the_end() {
    let waiting = format!("{WAITING} {PAGE}");
    let continues = "the run continues, and is waiting for a person (pending-approval)";
    let resume = format!("{RESUME} --resume studio-1/job-1");
    let script = || {
        let api = Script::run().poll_forever(in_progress());
        api.metadata_forever(metadata("pending-approval")).start()
    };
    let api = script();
    let output = quick(&api).args(["--timeout", "2s", "--json"]).run();
    output.exits(124);
    let ended = format!("timed out after 2s (--timeout); {continues}");
    let end = format!("relevance-run: {ended}; see {PAGE}");
    says_only(&output, &[&waiting, &end, &resume]);
    assert_eq!(output.json()["state"], "pending-approval");
    assert_eq!(output.json()["error"]["message"], ended.as_str());

    let api = script();
    let running = quick(&api).spawn();
    crate::eventually("a look", || !api.requests_of(Kind::Metadata).is_empty());
    // The line is there once another poll is.
    api.wait_for_requests(11);
    running.signal(Signal::TERM);
    let output = running.wait();
    output.stopped_by(Signal::TERM).prints("");
    let end = format!("relevance-run: stopped by SIGTERM; {continues}; see {PAGE}");
    says_only(&output, &[&waiting, &end, &resume]);
}

#[test]
fn where_the_job_stays_in_progress_it_is_believed_and_the_resume_line_names_the_task() {
    let api = faked(Scenario {
        takes: Duration::from_millis(100),
        approval: Approval::LeavesJob,
        ..Scenario::default()
    });
    let command = || api.command().args(["--interval", "100ms"]);
    let output = command().args(["--timeout", "3s", "approve: Hello"]).run();
    let page = format!("{PAGES}/conversation-1");
    output.exits(124).prints("");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let end = format!(
        "relevance-run: timed out after 3s (--timeout); the run continues (its task was last seen \
         as completed); see {page}"
    );
    let resume = format!("{RESUME} --resume {page}");
    assert_eq!(lines[lines.len() - 2..], [&end, &resume]);
    command()
        .args(["--resume", &page])
        .run()
        .answers("You said: Hello");
    assert_eq!(api.api.triggers(), 1);
}

#[test]
fn a_state_of_before_does_not_change_how_a_run_is_named() {
    let mut body = json!({"conversation_id": "conversation-1", "state": "completed"});
    body["job_info"] = json!({"studio_id": "studio-1", "job_id": "job-1"});
    let api = Script::new().trigger(Reply::json(200, body)).start();
    let output = quick(&api).arg("--no-wait").run();
    output.answers("studio-1/job-1");
}

#[test]
fn in_ci_one_line_names_the_page_as_soon_as_the_run_is_started() {
    let run = |api: &Scripted, ci: &str| quick(api).env("CI", ci);
    let api = || Script::run().poll(answered("Hi!")).start();
    let line = format!("relevance-run: the run was started; see {PAGE}");
    for ci in ["true", "1"] {
        let output = run(&api(), ci).run();
        output.exits(0).prints("Hi!\n");
        says_only(&output, &[&line]);
    }
    for ci in ["false", ""] {
        run(&api(), ci).run().answers("Hi!");
    }
    run(&api(), "true").arg("-q").run().answers("Hi!");
    let output = run(&api(), "true").unset("RELEVANCE_REGION").run();
    output.exits(0);
    says_only(
        &output,
        &["relevance-run: the run was started: studio-1/job-1"],
    );

    // It is there while the run is in progress.
    let api = Script::new()
        .trigger(triggered())
        .poll(Reply::hang())
        .start();
    let script = r#": >"$LOG"; "$RUN" "$@" 2>"$LOG" & PID=$!
        while ! grep -q started "$LOG"; do sleep 0.05; done; kill -9 $PID; cat "$LOG" >&2"#;
    let folder = crate::command::Folder::new();
    let log = folder.0.join("log");
    let output = run(&api, "true")
        .env("LOG", log)
        .env("PATH", "/usr/bin:/bin")
        .in_shell(script);
    says_only(&output.run(), &[&line]);
}
