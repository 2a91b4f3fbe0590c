/*! The wait for the end of the run: what ends it, in which form it is asked, and at what pace. */

use std::time::{Duration, Instant};

use serde_json::json;

use crate::command::relevance_run;
use crate::lines::RESUME;
use crate::script::{Kind, Script, answered, in_progress, metadata, success};
use fake::server::{Reply, Request};

/// A poll's reply of this type, without updates.
pub fn phase(kind: &str) -> Reply {
    Reply::json(
        200,
        json!({"type": kind, "updates": [], "last_message_id": 1}),
    )
}

/// A key that may not look at tasks.
pub fn forbidden() -> Reply {
    Reply::error(403, "no", "x")
}

/// Which of these polls asked for the ending update alone.
pub fn are_short(polls: &[Request]) -> Vec<bool> {
    let mut are_short = Vec::new();
    for poll in polls {
        are_short.push(match poll.query("ending_update_only") {
            Some("true") => true,
            Some("false") => false,
            other => panic!("{other:?} in {}", poll.target),
        });
    }
    are_short
}

#[test]
fn inprogress_and_timeout_are_waited_through() {
    let held = phase("timeout").after(Duration::from_millis(200));
    let script = Script::run().poll(in_progress()).poll(held);
    let api = script.poll(answered("Hi!")).start();
    let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
    output.answers("Hi!");
}

#[test]
fn an_end_that_the_short_form_withholds_is_found_by_the_eighth_poll() {
    let api = Script::run()
        .polls(7, in_progress())
        .poll(answered("Hi!"))
        .start();
    let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
    output.answers("Hi!");
    let mut expected = vec![true; 7];
    expected.push(false);
    assert_eq!(are_short(&api.polls()), expected);
}

#[test]
fn polls_number_8_16_and_32_are_in_full_and_followed_by_a_look_at_the_task() {
    let api = Script::run()
        .polls(33, in_progress())
        .poll(answered("Hi!"))
        .metadata(metadata("running"))
        .metadata(metadata("running"))
        .metadata(metadata("running"))
        .start();
    let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
    output.answers("Hi!");
    let mut polls = 0;
    let mut looks = Vec::new();
    for request in api.requests() {
        match Kind::of(&request) {
            Some(Kind::Poll) => polls += 1,
            Some(Kind::Metadata) => looks.push(polls),
            _ => {}
        }
    }
    assert_eq!(looks, [8, 16, 32]);
    for (index, is_short) in are_short(&api.polls()).into_iter().enumerate() {
        assert_eq!(
            is_short,
            ![8, 16, 32].contains(&(index + 1)),
            "poll {}",
            index + 1
        );
    }
}

/// A look that fails is tried once more, and then there are no more. Nothing else changes.
#[test]
fn a_task_that_cannot_be_looked_at_changes_nothing() {
    for (reply, looks) in [(forbidden(), 1), (Reply::error(500, "down", "x"), 2)] {
        let mut script = Script::run().polls(33, in_progress()).poll(answered("Hi!"));
        for _ in 0..looks {
            script = script.metadata(reply.clone());
        }
        let api = script.start();
        let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
        output.answers("Hi!");
    }
    let api = Script::run()
        .polls(8, in_progress())
        .poll(answered("Hi!"))
        .metadata(forbidden())
        .start();
    let output = relevance_run(&api).args(["-v", "-i", "1ms", "Hello"]).run();
    output
        .exits(0)
        .logs("task: cannot be asked: the API rejected the question for the task with 403: no");
}

#[test]
fn an_unknown_type_is_waited_on_with_one_warning() {
    let script = Script::run().polls(3, phase("paused\u{1b}[31m"));
    let api = script.poll(answered("Hi!")).start();
    let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
    output.exits(0).prints("Hi!\n");
    output.writes(&["warning: unknown poll type 'paused [31m'; still waiting"]);
}

/// A person may be waited for all the same.
#[test]
fn the_task_is_looked_at_while_the_type_is_unknown() {
    let script = Script::run().polls(8, phase("paused"));
    let api = script
        .metadata(metadata("pending-approval"))
        .poll(answered("Hi!"))
        .start();
    let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
    output.exits(0).prints("Hi!\n");
    output.writes(&[
        "warning: unknown poll type 'paused'; still waiting",
        "the run is waiting for a person (pending-approval); see the agent's tasks in the web app",
    ]);
}

#[test]
fn a_rejected_poll_is_one_question_for_the_task_and_then_the_end() {
    let rejected = || Reply::error(400, "no such thing", "x").header("x-request-id", "req-1");
    let api = Script::run().poll(rejected()).metadata(forbidden()).start();
    let output = relevance_run(&api).args(["--json", "Hello"]).run();
    let message = "the API rejected the poll with 400: no such thing (request id req-1); the run \
                   continues; check that the API key is valid and that its project and \
                   RELEVANCE_REGION match (relevance-run --check does)";
    output.exits(5).writes(&[message, RESUME]);
    let error = &output.json()["error"];
    assert_eq!(error["message"], message);
    assert_eq!(error["http_status"], 400);
    assert_eq!(error["request_id"], "req-1");
    assert_eq!(api.requests().len(), 3);
}

/// When each request began, from the first one on.
fn starts(requests: &[Request]) -> Vec<Instant> {
    requests.iter().map(|request| request.at).collect()
}

fn gaps(requests: &[Request]) -> Vec<u128> {
    let mut gaps = Vec::new();
    for pair in starts(requests).windows(2) {
        gaps.push((pair[1] - pair[0]).as_millis());
    }
    gaps
}

/// From the start of one poll to the start of the next, so that a held poll is no further wait.
#[test]
fn the_pace_is_measured_from_start_to_start() {
    let _timed = crate::timed();
    let slow = in_progress().after(Duration::from_millis(300));
    let held = in_progress().after(Duration::from_millis(700));
    let script = Script::run().poll(in_progress()).poll(slow).poll(held);
    let api = script.poll(answered("Hi!")).start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
    let gaps = gaps(&api.requests());
    // The trigger, then polls at 0, 0.5, 1.0 and 1.7 s, spread by a tenth; a busy machine may add
    // to that, but not take away.
    for (gap, at_least, below) in [
        (gaps[0], 0, 450),
        (gaps[1], 449, 850),
        (gaps[2], 449, 850),
        (gaps[3], 690, 1150),
    ] {
        assert!((at_least..below).contains(&gap), "{gaps:?}");
    }
}

#[test]
fn a_fixed_interval_replaces_the_pace() {
    let _timed = crate::timed();
    let script = Script::run().polls(4, in_progress()).poll(answered("Hi!"));
    let api = script.start();
    let output = relevance_run(&api)
        .args(["--interval", "50ms", "Hello"])
        .run();
    output.answers("Hi!");
    let gaps = gaps(&api.polls());
    assert!(gaps.iter().all(|gap| *gap >= 45), "{gaps:?}");
    // At the adaptive pace four pauses are two seconds.
    assert!(gaps.iter().sum::<u128>() < 1500, "{gaps:?}");
}

#[test]
fn one_connection_serves_the_whole_run() {
    let api = Script::run()
        .polls(9, in_progress())
        .poll(success(json!({"answer": "Hi!"})))
        .metadata(metadata("running"))
        .start();
    let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
    output.answers("Hi!");
    assert_eq!(api.server.connections(), 1);
    assert_eq!(api.requests().len(), 12);
}
