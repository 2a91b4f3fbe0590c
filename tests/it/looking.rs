/*! `-v` and `-vv`: what there is to see when something is wrong, and nothing that must not be seen. */

use serde_json::json;

use crate::command::relevance_run;
use crate::fake::server::Reply;
use crate::script::{Script, TOKEN, answered, in_progress, poll};

/// Each line has the seconds since the start, and the polls are the cheap ones: CI runs with it for an hour.
#[test]
fn verbose_lines_are_stamped_and_its_polls_short() {
    let api = Script::run()
        .polls(3, in_progress())
        .poll(answered("Hi!"))
        .start();
    let output = relevance_run(&api)
        .args(["-v", "-i", "20ms", "Hello"])
        .run();
    output.exits(0).prints("Hi!\n");
    let mut last = 0.0;
    for line in output.stderr.lines() {
        let stamp = line
            .strip_prefix("relevance-run: [")
            .and_then(|rest| rest.split_once("] "));
        let seconds: f64 = stamp.expect(line).0.parse().unwrap();
        assert!(seconds >= last && seconds < 60.0, "{output}");
        last = seconds;
    }
    assert!(last >= 0.06, "{output}");
    assert!(
        api.polls()
            .iter()
            .all(|request| request.query("ending_update_only") == Some("true"))
    );
    output
        .never_says("sent:")
        .never_says("received:")
        .never_says("update:");
}

/// One option leads from an unexpected answer to the raw reply.
#[test]
fn twice_shows_what_was_sent_and_what_came() {
    let step = |kind: &str| json!({"type": kind, "text": "two\nlines \u{1b}[2J"});
    let first = Reply::json(
        200,
        json!({"type": "inprogress", "updates": [step("step-1")]}),
    );
    let second = Reply::json(
        200,
        json!({"type": "inprogress", "updates": [step("step-1"), step("step-2")]}),
    );
    let success = json!({"type": "chain-success", "output": {"answer": "Hi!"}});
    let end = Reply::json(
        200,
        json!({"type": "complete", "updates": [step("step-1"), step("step-2"), success]}),
    );
    let api = Script::run().poll(first).poll(second).poll(end).start();
    let output = relevance_run(&api)
        .args(["-vv", "-i", "1ms", "Hello"])
        .run();
    output
        .exits(0)
        .prints("Hi!\n")
        .never_says("sk-")
        .never_says("\u{1b}");
    let base = api.base_url();
    output.says(&[
        &format!("sent: POST {base}/agents/trigger {{\"message\":{{\"role\":\"user\",\"content\":\"Hello\"}}"),
        "bytes: {\"agent_id\":\"agent-1\",\"conversation_id\":\"conversation-1\",\"job_info\":",
        &format!("sent: GET {base}/studios/studio-1/async_poll/job-1\n"),
        r#""text":"two\nlines"#,
        "update: chain-success",
    ]);
    // New updates alone are told of, and the polls ask for all of them.
    assert_eq!(output.stderr.matches("update: step-1").count(), 1);
    assert_eq!(output.stderr.matches("update: step-2").count(), 1);
    assert!(
        api.polls()
            .iter()
            .all(|request| !request.target.contains('?'))
    );
    assert!(
        output
            .stderr
            .lines()
            .all(|line| line.starts_with("relevance-run: [")),
        "{output}"
    );
}

#[test]
fn what_is_too_long_is_shortened_in_the_middle_with_its_size() {
    let long = format!("begin {} end", "x".repeat(100_000));
    let api = Script::run().poll(answered(&long)).start();
    let output = relevance_run(&api).args(["-vv", "Hello"]).run();
    output.exits(0);
    let line = output
        .stderr
        .lines()
        .find(|line| line.contains("begin"))
        .unwrap();
    assert!(
        line.len() < 5000 && line.contains(" … ") && line.ends_with("}]}"),
        "{line}"
    );
    let size = api.requests().len();
    assert_eq!(size, 2);
    assert!(line.contains("received: 1001"), "{line}");
}

/// What was sent and came may hold the key; none of it is shown.
#[test]
fn nothing_shows_the_key() {
    let echo = json!({"type": "chain-success", "output": {"answer": TOKEN}});
    let api = Script::run().poll(poll(TOKEN, echo)).start();
    let output = relevance_run(&api).args(["-vv", TOKEN]).run();
    output
        .exits(0)
        .never_says("sk-0123456789")
        .says(&["[redacted]"]);
    // It was sent all the same: what is said is said.
    assert_eq!(api.requests()[0].json()["message"]["content"], TOKEN);
}
