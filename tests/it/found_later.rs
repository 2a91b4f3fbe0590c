/*! A run that is found when the command is repeated, or not at all. */

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use crate::command::Folder;
use crate::faked::{FOUND, PAGES, faked, losing};
use crate::found::with_file;
use crate::found_names::{named, turn};
use crate::pages::AGENT_PAGE;
use crate::run_file::lost_line;
use crate::script::{Script, Scripted, answered, conversation, conversations, metadata, triggered};
use crate::task::{quick, says_only};
use fake::api::scenario::Scenario;
use fake::server::Reply;

/// How a process ends while the trigger has no reply.
#[test]
fn a_process_that_ends_without_a_reply_is_succeeded_by_one_that_finds_the_run() {
    for end in ["timeout", "TERM", "KILL"] {
        let folder = Folder::new();
        let run_file = folder.0.join("run");
        let api = losing(Scenario::default(), Reply::hang());
        let command = || with_file(&api, &run_file).arg("Hello");
        let may_have = format!(
            "the run may have been started; check {PAGES}, or repeat the same command \
            to look for it again"
        );
        if end == "timeout" {
            let output = command().args(["--timeout", "1s"]).run();
            output.exits(5).prints("");
            let line = format!("relevance-run: timed out after 1s (--timeout); {may_have}");
            says_only(&output, &[&line]);
        } else {
            let running = command().spawn();
            crate::eventually("the trigger", || api.api.triggers() == 1);
            if end == "TERM" {
                running.signal(Signal::TERM);
                let output = running.wait();
                output.stopped_by(Signal::TERM).prints("");
                says_only(
                    &output,
                    &[&format!("relevance-run: stopped by SIGTERM; {may_have}")],
                );
            } else {
                running.signal(Signal::KILL);
                running.wait().stopped_by(Signal::KILL);
            }
        }
        assert!(run_file.exists(), "{end}");
        let output = command().run();
        output.exits(0).prints("You said: Hello\n");
        says_only(&output, &[&format!("{FOUND} {PAGES}/conversation-1")]);
        assert_eq!((api.api.triggers(), api.api.runs()), (1, 1), "{end}");
        assert!(!run_file.exists(), "{end}");
    }
}

#[test]
fn a_run_that_was_found_is_recorded() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let api = losing(Scenario::default(), Reply::reset());
    let command = || with_file(&api, &run_file).arg("Hello");
    let page = format!("{PAGES}/conversation-1");
    let output = command().arg("--no-wait").run();
    output.exits(0).prints(&format!("{page}\n"));
    says_only(&output, &[&format!("{FOUND} {page}")]);
    let text = fs::read_to_string(&run_file).unwrap();
    assert!(
        text.lines()
            .nth(1)
            .unwrap()
            .starts_with("run - conversation-1 "),
        "{text}"
    );
    let lists = api.requests("/conversations/list").len();
    command().run().answers("You said: Hello");
    assert_eq!(api.requests("/conversations/list").len(), lists);
    assert_eq!(api.api.triggers(), 1);
}

#[test]
fn what_is_not_found_is_looked_for_at_each_repetition() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let api = faked(Scenario {
        task_refused: Some(403),
        ..Scenario::default()
    });
    let command = || with_file(&api, &run_file).arg("lost: Hello");
    let output = command().run();
    output.exits(5).prints("").does_not_resume();
    for repetition in 1..=3 {
        assert_eq!(api.requests("/conversations/list").len(), repetition);
        let before = fs::read(&run_file).unwrap();
        let output = command().run();
        output.exits(5).prints("");
        let line = format!("relevance-run: {}", lost_line(&run_file, PAGES));
        says_only(&output, &[&line]);
        assert_eq!(fs::read(&run_file).unwrap(), before);
    }
    assert_eq!(api.api.triggers(), 1);
}

#[test]
fn a_list_that_shows_nothing_is_asked_five_times() {
    let folder = Folder::new();
    let api = faked(Scenario {
        listed_after: Duration::from_secs(600),
        ..Scenario::default()
    });
    let output = with_file(&api, &folder.0.join("run"))
        .arg("lost-500: Hello")
        .run();
    output.exits(5).prints("");
    let line = format!(
        "relevance-run: the API returned 500 to the trigger: Internal Server Error (request id \
         req-00000001); the run may have been started; check {PAGES}, or repeat the same \
         command to look for it again"
    );
    says_only(&output, &[&line]);
    let lists = api.requests("/conversations/list");
    assert_eq!(lists.len(), 5);
    for (number, least) in [1, 2, 4, 8].iter().enumerate() {
        let pause = lists[number + 1].at - lists[number].at;
        assert!(pause >= Duration::from_secs(*least), "{pause:?}");
    }
    assert!(folder.0.join("run").exists());
    assert_eq!(api.api.triggers(), 1);
}

/// The digest that a run file begins with, of the command `quick`, and the file itself.
fn announced(folder: &Folder, script: &Scripted, more: &[&str]) -> (String, PathBuf) {
    let run_file = folder.0.join("run");
    let output = quick(script)
        .args(more)
        .arg("--no-wait")
        .arg("--run-file")
        .arg(&run_file)
        .run();
    output.exits(0);
    let text = fs::read_to_string(&run_file).unwrap();
    (text.split(' ').nth(2).unwrap().to_owned(), run_file)
}

#[test]
fn run_files_of_the_version_before_are_understood() {
    let folder = Folder::new();
    let api = Script::run().polls(3, answered("Hi!")).start();
    let (digest, run_file) = announced(&folder, &api, &[]);
    let command = || quick(&api).arg("--run-file").arg(&run_file);
    for second in [
        "run studio-1/job-1 conversation-1 running\n",
        "run studio-1/job-1 conversation-1 completed\n",
        "run studio-1/job-1 - -\n",
    ] {
        fs::write(
            &run_file,
            format!("relevance-run trigger {digest}\n{second}"),
        )
        .unwrap();
        command().run().answers("Hi!");
        assert!(!run_file.exists(), "{second}");
    }
    fs::write(&run_file, format!("relevance-run trigger {digest}\n")).unwrap();
    let output = command().run();
    output.exits(5).prints("");
    let line = format!("relevance-run: {}", lost_line(&run_file, AGENT_PAGE));
    says_only(&output, &[&line]);
    assert!(run_file.exists());
    assert_eq!(api.triggers(), 1);
}

#[test]
fn a_torn_second_line_counts_as_not_written() {
    let folder = Folder::new();
    let list = |name: &str| conversations(&[conversation("conversation-1", Some(name), "running")]);
    let api = Script::new()
        .trigger(triggered())
        .conversations(list("mine"));
    let api = api
        .view_forever(turn(31))
        .metadata(metadata("completed"))
        .start();
    let (digest, run_file) = announced(&folder, &api, &["--set", "external_id=mine"]);
    let text = format!("relevance-run trigger {digest} - 1700000000000\nrun studio-1/jo");
    fs::write(&run_file, text).unwrap();
    let output = named(&api, &run_file).run();
    output.exits(0).prints("Hi!\n");
    assert_eq!(api.triggers(), 1);
}
