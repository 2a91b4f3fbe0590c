/*! A trigger whose reply is lost: it is looked for, and never sent again. */

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::command::{Cmd, Folder};
use crate::faked::{FOUND, Faked, PAGES, faked, faked_with, losing};
use crate::task::says_only;
use fake::api::scenario::{ExternalIdFilter, Scenario};
use fake::server::{Reply, Step};

/// Every way in which a reply gets lost or is none.
fn ways() -> Vec<(&'static str, Reply)> {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n";
    let cut = Reply::raw(format!("{head}\r\n{{\"job_info\""));
    let error = |status| Reply::error(status, "Down", "internal_error");
    vec![
        ("500", error(500)),
        (
            "502 with HTML",
            Reply::text(502, "<html>Bad gateway</html>"),
        ),
        ("503", error(503)),
        ("504", error(504)),
        ("reset", Reply::reset()),
        ("close", Reply::close()),
        ("a cut head", Reply::raw("HTTP/1.1 20").then(Step::Close)),
        ("a cut body", cut.clone().then(Step::Close)),
        ("a reset in the body", cut.then(Step::Reset)),
        ("no HTTP", Reply::raw("hello\r\n\r\n").then(Step::Close)),
        ("empty", Reply::text(200, "")),
        ("HTML", Reply::text(200, "<html>Log in</html>")),
        ("no object", Reply::text(200, "[1]")),
        ("no ids", Reply::text(200, "{}")),
        ("empty ids", ids(json!({"studio_id": "", "job_id": "j"}))),
        (
            "ids that are none",
            ids(json!({"studio_id": "a/b", "job_id": "../x"})),
        ),
        (
            "ids of another type",
            ids(json!({"studio_id": 1, "job_id": true})),
        ),
        ("no body at all", Reply::new(204, &[], "")),
    ]
}

fn ids(job: serde_json::Value) -> Reply {
    Reply::json(200, json!({ "job_info": job }))
}

pub fn with_file(api: &Faked, run_file: &Path) -> Cmd {
    api.command().arg("--run-file").arg(run_file)
}

#[test]
fn with_a_run_file_every_lost_reply_ends_in_the_answer() {
    thread::scope(|scope| {
        for (way, lost) in ways() {
            scope.spawn(move || {
                let folder = Folder::new();
                let run_file = folder.0.join("run");
                let scenario = Scenario {
                    takes: Duration::from_millis(500),
                    ..Scenario::default()
                };
                let api = losing(scenario, lost);
                let output = with_file(&api, &run_file).arg("Hello").run();
                assert_eq!(output.stdout, b"You said: Hello\n", "{way}\n{output}");
                output.exits(0);
                says_only(&output, &[&format!("{FOUND} {PAGES}/conversation-1")]);
                assert_eq!((api.api.triggers(), api.api.runs()), (1, 1), "{way}");
                assert!(!run_file.exists(), "{way}");
            });
        }
    });
}

#[test]
fn without_a_name_nothing_is_looked_for_and_nothing_is_sent_twice() {
    thread::scope(|scope| {
        for (way, lost) in ways() {
            scope.spawn(move || {
                let api = losing(Scenario::default(), lost);
                let output = api.command().arg("Hello").run();
                output.exits(5).prints("").does_not_resume();
                let end = format!(
                    "; the run may have been started; check {PAGES} before you repeat the command\n"
                );
                assert!(output.stderr.ends_with(&end), "{way}: {output}");
                assert_eq!(api.api.requests().len(), 1, "{way}");
                let body = json!({
                    "message": {"role": "user", "content": "Hello"}, "agent_id": "agent-1",
                });
                assert_eq!(api.bodies(), [body]);
            });
        }
    });
}

#[test]
fn the_filter_of_the_list_may_be_honoured_ignored_or_rejected_and_the_list_late() {
    thread::scope(|scope| {
        for filter in [
            ExternalIdFilter::Honoured,
            ExternalIdFilter::Ignored,
            ExternalIdFilter::Rejected,
        ] {
            for listed_after in [0, 2] {
                scope.spawn(move || {
                    let folder = Folder::new();
                    let api = faked(Scenario {
                        external_id_filter: filter,
                        listed_after: Duration::from_secs(listed_after),
                        ..Scenario::default()
                    });
                    let output = with_file(&api, &folder.0.join("run"))
                        .arg("lost: Hello")
                        .run();
                    output.exits(0).prints("You said: Hello\n");
                    assert_eq!(api.api.triggers(), 1);
                });
            }
        }
    });
}

#[test]
fn other_conversations_are_not_taken_for_it() {
    let folder = Folder::new();
    let api = faked(Scenario {
        external_id_filter: ExternalIdFilter::Ignored,
        ..Scenario::default()
    });
    for other in ["one", "two", "three"] {
        api.command()
            .args(["--set", "external_id=x", other])
            .run()
            .exits(0);
    }
    let output = with_file(&api, &folder.0.join("run"))
        .arg("lost-500: Hello")
        .run();
    output.exits(0).prints("You said: Hello\n");
    assert_eq!(api.api.triggers(), 4);
}

/// The name that the request carries stands in the file, with its newline, before the trigger's
/// first byte.
#[test]
fn the_name_is_in_the_run_file_before_it_is_sent() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let (seen_at, noted) = (run_file.clone(), folder.0.join("noted"));
    let note_at = noted.clone();
    let api = faked_with(Scenario::default(), move |api, request| {
        if request.is_trigger() {
            fs::copy(&seen_at, &note_at).unwrap();
        }
        api.answer(request)
    });
    let mut names = Vec::new();
    for _ in 0..2 {
        with_file(&api, &run_file)
            .arg("Hello")
            .run()
            .answers("You said: Hello");
        let name = api.bodies().last().unwrap()["external_id"].clone();
        let name = name.as_str().unwrap().to_owned();
        assert_eq!(name.len(), 32, "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        let text = fs::read_to_string(&noted).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        let [_, _, digest, named, time] = words.as_slice() else {
            panic!("{text}");
        };
        assert!(text.starts_with("relevance-run trigger "), "{text}");
        assert_eq!((digest.len(), *named), (64, name.as_str()));
        let milliseconds = time.strip_suffix('\n').unwrap().parse::<u64>().unwrap();
        assert!(milliseconds > 1_600_000_000_000, "{text}");
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_continued_conversation_needs_no_name() {
    let folder = Folder::new();
    let api = faked(Scenario::default());
    let output = with_file(&api, &folder.0.join("run"))
        .args(["-c", "c-1", "Hello"])
        .run();
    output.answers("You said: Hello");
    let body = json!({
        "message": {"role": "user", "content": "Hello"},
        "agent_id": "agent-1",
        "conversation_id": "c-1",
    });
    assert_eq!(api.bodies(), [body]);
}
