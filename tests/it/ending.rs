/*! How a run ends: well, badly, late, or without a word. */

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::relevance_run;
use crate::script::{Kind, Script, answered, poll};
use crate::waiting::{are_short, forbidden, phase};
use fake::server::Reply;

#[test]
fn a_success_ends_the_wait_whatever_the_top_level_type() {
    for kind in ["inprogress", "timeout", "complete", "failed", "new"] {
        let update = json!({"type": "chain-success", "output": {"output": {"answer": "Hi!"}}});
        let api = Script::run().poll(poll(kind, update)).start();
        relevance_run(&api).arg("Hello").run().answers("Hi!");
    }
}

#[test]
fn the_last_success_counts() {
    let update = |answer: &str| {
        let output = json!({"output": {"answer": answer}});
        json!({"type": "chain-success", "output": output})
    };
    let fail = json!({"type": "chain-fail", "errors": [{"body": "overcome"}]});
    let other = json!({"type": "chain-error", "errors": [{"body": "overcome too"}]});
    let updates = json!([update("first"), fail, other, update("last"), {"type": "later"}]);
    let reply = Reply::json(200, json!({"type": "complete", "updates": updates}));
    let api = Script::run().poll(reply).start();
    relevance_run(&api).arg("Hello").run().answers("last");
}

#[test]
fn a_structured_status_of_inprogress_within_a_success_is_a_success() {
    let output = json!({"status": "inprogress", "output": {"answer": "Hi!"}});
    let update = json!({"type": "chain-success", "output": output});
    let api = Script::run().poll(poll("complete", update)).start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
}

/// Exit 1, with the run's own words.
#[track_caller]
fn fails(reply: Reply, why: &str) {
    let api = Script::run().poll(reply).start();
    let line = format!("the run failed: {why} (run studio-1/job-1)");
    relevance_run(&api).arg("Hello").run().ends(1, &[&line]);
}

#[test]
fn a_run_that_fails_says_why() {
    let fail = |errors: Value| json!({"type": "chain-fail", "errors": errors});
    let bodies = fail(json!([{"body": "no credits"}, {"body": "try later"}]));
    for kind in ["failed", "inprogress", "complete"] {
        fails(poll(kind, bodies.clone()), "no credits; try later");
    }
    fails(poll("failed", fail(json!([{"raw": 1}]))), r#"{"raw":1}"#);
    fails(poll("failed", fail(json!(["plain"]))), "\"plain\"");
    let inner = json!({"type": "chain-fail", "output": {"errors": [{"body": "from within"}]}});
    fails(poll("failed", inner), "from within");
    for no_reason in [json!("odd"), json!([]), json!({}), json!(null)] {
        fails(poll("failed", fail(no_reason)), "no reason given");
    }
}

#[test]
fn a_failure_names_its_step_and_its_category() {
    let with = |error: Value| poll("failed", json!({"type": "chain-fail", "errors": [error]}));
    fails(
        with(json!({"step_name": "search", "category": "rate_limit", "body": "slow down"})),
        "search (rate_limit): slow down",
    );
    fails(
        with(json!({"step_name": "search", "body": "slow down"})),
        "search: slow down",
    );
    fails(
        with(json!({"category": "billing_quota", "body": "no"})),
        "billing_quota: no",
    );
    let no_body = json!({"step_name": "search", "raw": {"code": 7}});
    fails(
        with(no_body),
        r#"search: {"raw":{"code":7},"step_name":"search"}"#,
    );
    let two = json!([
        {"step_name": "one", "category": "timeout", "body": "late"},
        {"body": "and more"},
    ]);
    let reply = poll("failed", json!({"type": "chain-fail", "errors": two}));
    fails(reply, "one (timeout): late; and more");
}

#[test]
fn a_success_whose_status_says_otherwise_is_a_failure() {
    let ended = |output: Value| {
        poll(
            "complete",
            json!({"type": "chain-success", "output": output}),
        )
    };
    for status in ["failed", "cancelled"] {
        let errors = json!({"status": status, "errors": [{"body": "broke"}]});
        fails(ended(errors), "broke");
        fails(
            ended(json!({"status": status})),
            &format!("status {status}"),
        );
    }
}

/// Nobody has seen them sent, and programs look for them.
#[test]
fn an_ending_update_of_another_name_with_errors_is_the_failure_of_a_run_that_is_over() {
    for name in ["chain-error", "chain-failed", "something-new"] {
        let update = json!({"type": name, "errors": [{"step_name": "search", "body": "broke"}]});
        for kind in ["failed", "complete", "cancelled"] {
            fails(poll(kind, update.clone()), "search: broke");
        }
        // A run that is not over may overcome it.
        let api = Script::run()
            .poll(poll("inprogress", update))
            .poll(answered("Hi!"))
            .start();
        let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
        output.answers("Hi!");
    }
    let update = json!({"type": "chain-error", "errors": [{"body": "broke"}]});
    let api = Script::run().poll(poll("failed", update)).start();
    let object = relevance_run(&api).args(["--json", "Hello"]).run().json();
    assert_eq!(object["error"]["details"], json!([{"body": "broke"}]));
}

/// Either form may withhold it, or it comes late: both are asked by turns, for five seconds.
#[test]
fn an_ending_update_that_is_late_counts() {
    thread::scope(|scope| {
        for kind in ["complete", "failed", "cancelled"] {
            for late in [1, 2, 7] {
                scope.spawn(move || {
                    let script = Script::run().polls(late, phase(kind));
                    let api = script.poll(answered("Hi!")).start();
                    relevance_run(&api).arg("Hello").run().answers("Hi!");
                    let by_turns: Vec<bool> = (0..=late).map(|number| number % 2 == 0).collect();
                    assert_eq!(are_short(&api.polls()), by_turns);
                });
            }
        }
    });
}

/// The second look is at once; with `-vv` the first form is the full one.
#[test]
fn a_full_list_without_the_end_is_checked_against_the_short_form() {
    let page = poll("complete", json!({"type": "step-start"}));
    let api = Script::run().poll(page).poll(answered("Hi!")).start();
    let output = relevance_run(&api).args(["-vv", "-i", "1m", "Hello"]).run();
    output.exits(0).prints("Hi!\n");
    assert_eq!(are_short(&api.polls()), [false, true]);
    assert!(output.took < Duration::from_secs(5), "{output}");
}

#[test]
fn a_run_that_stays_silent_is_a_failure_after_five_seconds_and_one_question_for_its_task() {
    thread::scope(|scope| {
        for kind in ["complete", "failed", "cancelled"] {
            scope.spawn(move || {
                let script = Script::run().poll_forever(phase(kind));
                let api = script.metadata(forbidden()).start();
                let output = relevance_run(&api).arg("Hello").run();
                let line = format!(
                    "the run failed: status {kind}, without a result and without a reason (run \
                     studio-1/job-1)"
                );
                output.ends(1, &[&line]);
                let took = output.took;
                assert!(
                    took >= Duration::from_secs(5) && took < Duration::from_secs(8),
                    "{output}"
                );
                // The task is asked when the polls are over.
                let requests = api.requests();
                assert_eq!(Kind::of(requests.last().unwrap()), Some(Kind::Metadata));
            });
        }
    });
}

#[test]
fn a_resumed_run_without_an_agent_has_no_task_to_ask() {
    let api = Script::new().poll_forever(phase("complete")).start();
    let output = relevance_run(&api)
        .args(["--resume", "studio-1/job-1"])
        .run();
    output.ends(
        1,
        &[
            "the run failed: status complete, without a result and without a reason (run \
           studio-1/job-1)",
        ],
    );
}

/// Half of a surrogate pair, which JSON can hold and text cannot: in a name, a type, a text.
#[test]
fn half_an_emoji_hides_nothing() {
    let half = r#"\ud83d"#;
    let ended = format!(
        r#"{{"{half}":"{half}","type":"{half}","updates":[{{"{half}":1,"type":"chain-success",
           "output":{{"{half}":[],"output":{{"answer":"Hi!","{half}":1}}}}}}]}}"#
    );
    let api = Script::run().poll(Reply::text(200, &ended)).start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
    let failed = format!(
        r#"{{"type":"failed","updates":[{{"type":"chain-fail","{half}":1,
           "errors":[{{"{half}":1,"body":"cut {half}"}}]}}]}}"#
    );
    fails(Reply::text(200, &failed), "cut \u{fffd}");
}
