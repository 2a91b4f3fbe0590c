use std::time::Duration;

use serde_json::json;

use crate::command::relevance_run;
use crate::fake::server::Reply;
use crate::script::{Script, answered, in_progress, poll, success};

fn phase(kind: &str) -> Reply {
    Reply::json(200, json!({"type": kind, "updates": []}))
}

#[test]
fn inprogress_and_timeout_are_waited_through() {
    let held = phase("timeout").after(Duration::from_millis(200));
    let script = Script::run()
        .poll(in_progress())
        .poll(held)
        .poll(answered("Hi!"));
    let api = script.start();
    relevance_run(&api)
        .args(["-i", "1ms", "Hello"])
        .run()
        .answers("Hi!");
}

#[test]
fn a_success_ends_the_wait_whatever_the_top_level_type() {
    for kind in [
        "inprogress",
        "timeout",
        "complete",
        "failed",
        "something-new",
    ] {
        let update = json!({"type": "chain-success", "output": {"output": {"answer": "Hi!"}}});
        let api = Script::run().poll(poll(kind, update)).start();
        relevance_run(&api).arg("Hello").run().answers("Hi!");
    }
}

#[test]
fn the_last_success_counts() {
    let update =
        |answer: &str| json!({"type": "chain-success", "output": {"output": {"answer": answer}}});
    let fail = json!({"type": "chain-fail", "errors": [{"body": "overcome"}]});
    let updates = json!([update("first"), fail, {"type": "agent-message"}, update("last"), {"type": "later"}]);
    let reply = Reply::json(200, json!({"type": "complete", "updates": updates}));
    let api = Script::run().poll(reply).start();
    relevance_run(&api).arg("Hello").run().answers("last");
}

/// Each way to end without success: exit 1, with the run's own words.
#[test]
fn runs_that_fail() {
    let fail =
        json!({"type": "chain-fail", "errors": [{"body": "no credits"}, {"body": "try later"}]});
    let odd = json!({"type": "chain-fail", "errors": [{"raw": 1}]});
    let inner = json!({"type": "chain-fail", "output": {"errors": [{"body": "from within"}]}});
    let status = |status: &str| json!({"type": "chain-success", "output": {"status": status, "errors": [{"body": "broke"}]}});
    let bare = json!({"type": "chain-success", "output": {"status": "cancelled"}});
    for (kind, update, said) in [
        ("failed", &fail, "no credits; try later"),
        ("inprogress", &fail, "no credits; try later"),
        ("failed", &odd, r#"{"raw":1}"#),
        ("failed", &inner, "from within"),
        ("complete", &status("failed"), "broke"),
        ("complete", &status("cancelled"), "broke"),
        ("complete", &bare, "cancelled"),
        ("failed", &json!({"type": "chain-fail"}), "no reason"),
        (
            "failed",
            &json!({"type": "chain-fail", "errors": "odd"}),
            "no reason",
        ),
    ] {
        let api = Script::run().poll(poll(kind, update.clone())).start();
        let output = relevance_run(&api).arg("Hello").run();
        output
            .fails(1, &["the run ended without success", said])
            .does_not_resume();
    }
}

/// Where a reply says that the run is over and not how, the other form is asked once.
#[test]
fn an_end_without_its_update_is_asked_for_once_more_in_full() {
    for kind in ["complete", "failed", "cancelled"] {
        let api = Script::run()
            .poll(phase(kind))
            .poll(answered("Hi!"))
            .start();
        relevance_run(&api).arg("Hello").run().answers("Hi!");
        let targets: Vec<String> = api
            .polls()
            .into_iter()
            .map(|request| request.target)
            .collect();
        assert!(
            targets[0].ends_with("?ending_update_only=true"),
            "{targets:?}"
        );
        assert!(!targets[1].contains('?'), "{targets:?}");

        let api = Script::run().poll(phase(kind)).poll(phase(kind)).start();
        let output = relevance_run(&api).arg("Hello").run();
        output
            .fails(1, &["without success", kind, "without a result"])
            .does_not_resume();
    }
}

/// With `-vv` the first answer is the full list, which may be cut to a page.
#[test]
fn a_full_list_without_the_end_is_checked_against_the_short_form() {
    let page = poll("complete", json!({"type": "step-start"}));
    let api = Script::run().poll(page).poll(answered("Hi!")).start();
    relevance_run(&api)
        .args(["-vv", "Hello"])
        .run()
        .exits(0)
        .prints("Hi!\n");
    assert!(api.polls()[1].target.ends_with("?ending_update_only=true"));
}

#[test]
fn an_end_that_the_short_form_withholds_is_found_by_the_eighth_poll() {
    let api = Script::run()
        .polls(7, in_progress())
        .poll(answered("Hi!"))
        .start();
    relevance_run(&api)
        .args(["-i", "1ms", "Hello"])
        .run()
        .answers("Hi!");
    let in_full: Vec<bool> = api
        .polls()
        .iter()
        .map(|request| !request.target.contains('?'))
        .collect();
    assert_eq!(
        in_full,
        [false, false, false, false, false, false, false, true]
    );
}

#[test]
fn an_unknown_type_is_waited_on_with_one_warning() {
    let script = Script::run()
        .polls(3, phase("paused\u{1b}[31m"))
        .poll(answered("Hi!"));
    let api = script.start();
    let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
    output
        .exits(0)
        .prints("Hi!\n")
        .says(&["warning", "paused", "still waiting"]);
    assert_eq!(output.stderr.lines().count(), 1);
    assert!(!output.stderr.contains('\u{1b}'));
}

/// From the start of one poll to the start of the next, so that a held poll is no further wait.
#[test]
fn the_pace_is_measured_from_start_to_start() {
    let _timed = crate::timed();
    let slow = in_progress().after(Duration::from_millis(400));
    let held = in_progress().after(Duration::from_millis(700));
    let script = Script::run()
        .poll(in_progress())
        .poll(slow)
        .poll(held)
        .poll(answered("Hi!"));
    let api = script.start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
    let starts: Vec<_> = api.requests().iter().map(|request| request.at).collect();
    let gaps: Vec<u128> = starts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_millis())
        .collect();
    // The trigger, then polls at 0, 0.5, 1.0 and 1.7 s; a busy machine may add to that, but not take away.
    for (gap, at_least, below) in [
        (gaps[0], 0, 450),
        (gaps[1], 480, 850),
        (gaps[2], 480, 850),
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
    let starts: Vec<_> = api.polls().iter().map(|request| request.at).collect();
    for pair in starts.windows(2) {
        assert!((pair[1] - pair[0]).as_millis() >= 45);
    }
    // At the adaptive pace four pauses are two seconds.
    assert!((starts[4] - starts[0]).as_millis() < 1500);
}

#[test]
fn a_structured_status_of_inprogress_within_a_success_is_a_success() {
    let update = json!({"type": "chain-success", "output": {"status": "inprogress", "output": {"answer": "Hi!"}}});
    let api = Script::run().poll(poll("complete", update)).start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
}

#[test]
fn one_connection_serves_the_whole_run() {
    let api = Script::run()
        .polls(9, in_progress())
        .poll(success(json!({"answer": "Hi!"})))
        .start();
    relevance_run(&api)
        .args(["-i", "1ms", "Hello"])
        .run()
        .answers("Hi!");
    assert_eq!(api.server.connections(), 1);
    assert_eq!(api.requests().len(), 11);
}
