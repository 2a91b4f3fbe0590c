/*! A task that is followed: to its answer, its failure, or neither. */

use std::time::Duration;

use serde_json::json;

use crate::faked::{PAGES, faked};
use crate::script::{
    Kind, Script, agent_error, agent_message, answered, metadata, poll, user_message,
};
use crate::task::{
    PAGE, WAITING, has_no_answer, messages, quick, says_only, silent_end, task_only,
};
use fake::api::scenario::Scenario;

#[test]
fn a_run_that_is_approved_is_followed_to_its_answer() {
    let api = faked(Scenario {
        takes: Duration::from_secs(8),
        ..Scenario::default()
    });
    let output = api.command().args(["--json", "approve: Hello"]).run();
    output.exits(0);
    let line = format!("{WAITING} {PAGES}/conversation-1");
    says_only(&output, &[&line]);
    let report = output.json();
    assert_eq!(report["answer"], "You said: Hello");
    assert_eq!(
        (&report["output"], &report["state"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(report["run_id"], "agent_empty_chain_inline/job-1");
    assert_eq!(api.api.triggers(), 1);
}

#[test]
fn a_poll_that_is_rejected_is_followed_by_the_task() {
    for status in [400, 403, 405, 410] {
        let api = faked(Scenario {
            polls_gone: Some(status),
            takes: Duration::from_secs(2),
            ..Scenario::default()
        });
        api.command().arg("Hello").run().answers("You said: Hello");
        assert_eq!(api.requests("/job-1").len(), 1, "{status}");
        assert_eq!(api.api.triggers(), 1);
    }
}

#[test]
fn a_poll_that_is_not_found_for_ten_seconds_is_followed_by_the_task() {
    let api = faked(Scenario {
        polls_gone: Some(404),
        ..Scenario::default()
    });
    let output = api.command().arg("Hello").run();
    output.answers("You said: Hello");
    assert!(output.took >= Duration::from_secs(10), "{output}");
}

#[test]
fn a_task_that_fails_is_a_failed_run_with_its_errors() {
    let errors =
        json!([{"body": "No credits", "step_name": "search", "category": "billing_quota"}]);
    let view = messages(&[
        (31, agent_error(errors.clone())),
        (30, user_message("Hello")),
    ]);
    let api = task_only()
        .metadata_forever(metadata("unrecoverable"))
        .view(view)
        .start();
    let output = quick(&api).arg("--json").run();
    output.exits(1);
    let message =
        "the run failed: search (billing_quota): No credits (conversation conversation-1)";
    says_only(&output, &[&format!("relevance-run: {message}; see {PAGE}")]);
    let report = output.json();
    assert_eq!(report["error"]["message"], message);
    assert_eq!(report["error"]["details"], errors);
    assert_eq!(report["state"], json!(null));

    for state in ["cancelled", "timed-out", "unrecoverable"] {
        let view = messages(&[
            (31, agent_message("partly", false)),
            (30, user_message("Hello")),
        ]);
        let api = task_only()
            .metadata(metadata("running"))
            .metadata_forever(metadata(state));
        let api = api.view(view).start();
        let output = quick(&api).run();
        let line = format!(
            "relevance-run: the run failed: status {state} (conversation conversation-1); see \
             {PAGE}"
        );
        output.exits(1).prints("");
        says_only(&output, &[&line]);
    }
}

#[test]
fn a_task_that_is_over_without_an_answer_is_asked_again_for_ten_seconds() {
    let view = messages(&[(30, user_message("Hello"))]);
    let api = task_only()
        .metadata_forever(metadata("completed"))
        .view_forever(view)
        .start();
    let output = quick(&api).run();
    has_no_answer(&output);
    assert!(output.took >= Duration::from_secs(10), "{output}");
    let asked = api.requests_of(Kind::View).len();
    assert!((8..=13).contains(&asked), "asked {asked} times");
}

#[test]
fn an_answer_that_comes_late_is_an_answer() {
    let nothing = messages(&[(30, user_message("Hello"))]);
    let whole = messages(&[
        (31, agent_message("Hi!", false)),
        (30, user_message("Hello")),
    ]);
    let api = task_only().metadata_forever(metadata("idle"));
    let api = api.view(nothing).view(whole).start();
    quick(&api).run().answers("Hi!");
}

#[test]
fn a_job_that_is_over_without_a_word_is_asked_before_its_task() {
    let view = messages(&[
        (31, agent_message("Hi!", false)),
        (30, user_message("Hello")),
    ]);
    let api = Script::run().poll_forever(silent_end());
    let api = api
        .metadata_forever(metadata("completed"))
        .view(view)
        .start();
    let output = quick(&api).run();
    output.answers("Hi!");
    assert!(output.took >= Duration::from_secs(5), "{output}");

    // What the job says at last counts.
    let api = Script::run().poll(silent_end()).poll(answered("Late"));
    quick(&api.start()).run().answers("Late");
    let late = poll(
        "failed",
        json!({"type": "chain-fail", "errors": [{"body": "No"}]}),
    );
    let api = Script::run().poll(silent_end()).poll(late).start();
    let output = quick(&api).run();
    output.exits(1);
    let line = format!("relevance-run: the run failed: No (run studio-1/job-1); see {PAGE}");
    says_only(&output, &[&line]);
}
