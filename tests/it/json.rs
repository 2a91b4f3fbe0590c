/*! The object of `--json`, for each outcome. */

use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::ending_in;
use crate::command::{bare, relevance_run};
use crate::script::{Script, Scripted, answered, in_progress, metadata, poll};
use fake::server::Reply;

/// Keys in their order and twice, numbers that no machine has, escapes.
const DELICATE: &str = concat!(
    r#"{"z": 1, "a": 123456789012345678901234567890, "#,
    r#""pi": 3.14159265358979323846264338327950288, "e": 1E400, "#,
    r#""s": "\u00e9\/\ud83e\udd80", "answer": "x", "dup": 1, "dup": 2}"#
);

#[test]
fn results_are_carried_character_for_character() {
    let structured = DELICATE.replace("\"answer\"", "\"reply\"");
    let api = ending_in(&format!(r#"{{"output": {structured}}}"#));
    relevance_run(&api).arg("Hello").run().answers(&structured);

    let output = format!(r#"{{"status": "complete", "output": {DELICATE}}}"#);
    let json = relevance_run(&ending_in(&output))
        .args(["--json", "Hello"])
        .run();
    let text = String::from_utf8(json.exits(0).stdout.clone()).unwrap();
    assert!(text.contains(&format!("\"output\":{output},")), "{text}");
}

#[test]
fn json_has_its_members_in_order() {
    let late = answered("Hi!").after(Duration::from_millis(350));
    let api = Script::run().poll(in_progress()).poll(late).start();
    let command = relevance_run(&api).env("RELEVANCE_REGION", "eu");
    let output = command.args(["--json", "-i", "1ms", "Hello"]).run();
    output.exits(0).writes(&[]);
    let elapsed = output.json()["elapsed_seconds"].as_f64().unwrap();
    let tenths = elapsed * 10.0;
    assert!((tenths - tenths.round()).abs() < 1e-9, "{elapsed}");
    assert!(
        (0.3..output.took.as_secs_f64() + 0.06).contains(&elapsed),
        "{elapsed}"
    );
    let page = "https://app.relevanceai.com/agents/d7b62b/project-1/agent-1/conversation-1";
    let members = [
        r#""status":"success""#,
        r#""exit_code":0"#,
        r#""agent_id":"agent-1""#,
        r#""conversation_id":"conversation-1""#,
        r#""run_id":"studio-1/job-1""#,
        r#""studio_id":"studio-1""#,
        r#""job_id":"job-1""#,
        &format!(r#""url":"{page}""#),
        r#""state":null"#,
        r#""answer":"Hi!""#,
        r#""output":{"output":{"answer":"Hi!"},"status":"complete"}"#,
        r#""error":null"#,
        &format!(r#""elapsed_seconds":{elapsed:?}"#),
        r#""polls":2"#,
    ];
    let expected = format!("{{{}}}\n", members.join(","));
    output.prints(&expected);
}

/// What `--json` has to say of an outcome, as `jq` would read it.
#[track_caller]
fn json_says(
    api: &Scripted,
    arguments: &[&str],
    code: i32,
    status: &str,
    expected: &[(&str, Value)],
) {
    let command = relevance_run(api).args(arguments).args(["--json", "Hello"]);
    let output = command.run();
    let object = output.exits(code).json();
    assert_eq!(object["status"], status, "{output}");
    assert_eq!(object["exit_code"], code, "{output}");
    assert_eq!(object.as_object().unwrap().len(), 14, "{output}");
    for (pointer, value) in expected {
        assert_eq!(
            object.pointer(pointer),
            Some(value),
            "{pointer} in {output}"
        );
    }
    if code == 0 {
        assert_eq!(object["error"], Value::Null, "{output}");
        return;
    }
    let message = object["error"]["message"].as_str().unwrap();
    assert_eq!(output.lines()[0], message, "{output}");
    assert_eq!(object["error"].as_object().unwrap().len(), 4, "{output}");
}

#[test]
fn json_of_a_run_that_was_started() {
    let api = Script::run().start();
    let expected = [
        ("/run_id", json!("studio-1/job-1")),
        ("/state", json!("running")),
        ("/answer", json!(null)),
    ];
    json_says(&api, &["--no-wait"], 0, "started", &expected);
}

#[test]
fn json_of_a_run_that_failed() {
    let error = json!({"step_name": "search", "body": "no", "code": 1e22});
    let fail = json!({"type": "chain-fail", "errors": [error]});
    let api = Script::run().poll(poll("failed", fail)).start();
    let expected = [
        (
            "/error/message",
            json!("the run failed: search: no (run studio-1/job-1)"),
        ),
        ("/error/http_status", json!(null)),
        ("/error/request_id", json!(null)),
        ("/error/details/0/step_name", json!("search")),
        ("/run_id", json!("studio-1/job-1")),
        ("/state", json!(null)),
    ];
    json_says(&api, &[], 1, "failed", &expected);
}

#[test]
fn json_of_a_rejection() {
    let rejection = Reply::error(422, "Body Validation Error", "x");
    let api = Script::new()
        .trigger(rejection.header("x-request-id", "req-1"))
        .start();
    let expected = [
        ("/error/http_status", json!(422)),
        ("/error/request_id", json!("req-1")),
        ("/run_id", json!(null)),
        ("/job_id", json!(null)),
        ("/agent_id", json!("agent-1")),
        ("/url", json!(null)),
    ];
    json_says(&api, &[], 3, "rejected", &expected);
}

#[test]
fn json_without_a_server_to_reach() {
    // Port 9 is refused at once.
    let output = bare()
        .env("RELEVANCE_AUTH_TOKEN", "p1:k1")
        .env("RELEVANCE_BASE_URL", "http://127.0.0.1:9")
        .args(["-a", "agent-1", "--json", "-t", "1s", "Hello"])
        .run();
    let object = output.exits(4).json();
    let message = "timed out after 1s (--timeout); nothing was started (cannot reach \
                   127.0.0.1:9: Connection refused)";
    output.writes(&[message]);
    assert_eq!(object["status"], "unreachable");
    assert_eq!(object["exit_code"], 4);
    assert_eq!(object["error"]["message"], message);
    assert_eq!(object["error"]["http_status"], Value::Null);
}

#[test]
fn json_of_an_outcome_that_is_not_known() {
    let api = Script::new()
        .trigger(Reply::new(200, &[], "<html>"))
        .start();
    let expected = [
        ("/error/http_status", json!(200)),
        ("/studio_id", json!(null)),
        ("/run_id", json!(null)),
    ];
    json_says(&api, &[], 5, "unknown", &expected);
    let forbidden = || Reply::error(403, "no", "x");
    let api = Script::run()
        .poll(forbidden())
        .metadata(forbidden())
        .start();
    let expected = [
        ("/error/http_status", json!(403)),
        ("/run_id", json!("studio-1/job-1")),
        ("/state", json!("running")),
        ("/polls", json!(1)),
    ];
    json_says(&api, &[], 5, "unknown", &expected);
}

#[test]
fn json_of_a_timeout_has_the_state_as_last_seen() {
    let api = Script::run().poll_forever(in_progress()).start();
    let expected = [
        ("/run_id", json!("studio-1/job-1")),
        ("/conversation_id", json!("conversation-1")),
        ("/state", json!("running")),
    ];
    json_says(&api, &["-t", "1s"], 124, "timeout", &expected);
    let api = Script::run()
        .poll_forever(in_progress())
        .metadata_forever(metadata("waiting-for-capacity"))
        .start();
    let expected = [("/state", json!("waiting-for-capacity"))];
    json_says(
        &api,
        &["-t", "800ms", "-i", "20ms"],
        124,
        "timeout",
        &expected,
    );
}

/// Usage errors have no object: nothing was sent that it could describe.
#[test]
fn json_of_a_usage_error_is_nothing() {
    let api = Script::new().start();
    let output = relevance_run(&api)
        .args(["--json", "-t", "soon", "Hello"])
        .run();
    output.exits(2).prints("");
}
