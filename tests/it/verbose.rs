/*! `-v` and `-vv`: what there is to see when something is wrong, and nothing that must not be. */

use std::time::Duration;

use serde_json::json;

use crate::command::relevance_run;
use crate::lines::body_size;
use crate::script::{Script, TOKEN, answered, in_progress, poll, triggered};
use fake::server::Reply;

/// The whole log of a run.
#[test]
fn verbose_tells_the_story_of_a_run() {
    let api = Script::run()
        .poll(in_progress())
        .poll(answered("Hi!"))
        .start();
    let command = relevance_run(&api).env("RELEVANCE_REGION", "us");
    let output = command.args(["-v", "-i", "20ms", "Hello"]).run();
    output.exits(0).prints("Hi!\n");
    let sent = api.requests()[0].body.len();
    let expected = [
        format!("api: localhost:{}", api.server.address.port()),
        format!("trigger: attempt 1, {sent} bytes"),
        format!("trigger: 200 in # s, {} bytes", body_size(&triggered())),
        "run: studio-1/job-1, state: running".to_owned(),
        "url: https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1/conversation-1"
            .to_owned(),
        format!(
            "poll 1: 200 in # s, {} bytes, type inprogress",
            body_size(&in_progress())
        ),
        format!(
            "poll 2: 200 in # s, {} bytes, type complete",
            body_size(&answered("Hi!"))
        ),
    ];
    assert_eq!(output.log(), expected);
}

/// Each line has the seconds since the start, and the polls are the cheap ones: CI runs with it for
/// an hour.
#[test]
fn verbose_lines_are_stamped_and_the_polls_short() {
    let api = Script::run()
        .polls(3, in_progress())
        .poll(answered("Hi!"))
        .start();
    let output = relevance_run(&api)
        .args(["-v", "-i", "20ms", "Hello"])
        .run();
    output.exits(0).prints("Hi!\n");
    let mut last = 0.0;
    for line in output.lines() {
        let stamp = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "));
        let seconds: f64 = stamp.expect(line).0.parse().unwrap();
        assert!(seconds >= last && seconds < 60.0, "{output}");
        last = seconds;
    }
    assert!(last >= 0.06, "{output}");
    for poll in api.polls() {
        assert_eq!(poll.query("ending_update_only"), Some("true"));
    }
    for word in ["sent:", "received:", "update:"] {
        output.never_says(word);
    }
}

/// One option leads from an unexpected answer to the raw reply.
#[test]
fn twice_shows_what_was_sent_and_received() {
    let step = |kind: &str| json!({"type": kind, "text": "two\nlines \u{1b}[2J"});
    let first = json!({"type": "inprogress", "updates": [step("step-1")]});
    let second = json!({"type": "inprogress", "updates": [step("step-1"), step("step-2")]});
    let success = json!({"type": "chain-success", "output": {"answer": "Hi!"}});
    let third = json!({"type": "complete", "updates": [step("step-1"), step("step-2"), success]});
    let api = Script::run()
        .poll(Reply::json(200, first.clone()))
        .poll(Reply::json(200, second.clone()))
        .poll(Reply::json(200, third.clone()))
        .start();
    let output = relevance_run(&api)
        .args(["-vv", "-i", "1ms", "Hello"])
        .run();
    output
        .exits(0)
        .prints("Hi!\n")
        .never_says("sk-")
        .never_says("\u{1b}");
    let base = api.base_url();
    let body = r#"{"message":{"role":"user","content":"Hello"},"agent_id":"agent-1"}"#;
    output.logs(&format!("sent: POST {base}/agents/trigger {body}"));
    // The polls ask for all updates, and only new ones are listed.
    let poll = format!("{base}/studios/studio-1/async_poll/job-1?ending_update_only=false");
    let received = |body: &serde_json::Value| {
        let size = body.to_string().len();
        format!("received: {size} bytes: {body}")
    };
    let log = output.log();
    let polls: Vec<&str> = log[6..].iter().map(String::as_str).collect();
    let expected = [
        format!("sent: GET {poll} "),
        format!(
            "poll 1: 200 in # s, {} bytes, type inprogress",
            first.to_string().len()
        ),
        received(&first),
        "update: step-1".to_owned(),
        format!("sent: GET {poll} "),
        format!(
            "poll 2: 200 in # s, {} bytes, type inprogress",
            second.to_string().len()
        ),
        received(&second),
        "update: step-2".to_owned(),
        format!("sent: GET {poll} "),
        format!(
            "poll 3: 200 in # s, {} bytes, type complete",
            third.to_string().len()
        ),
        received(&third),
        "update: chain-success".to_owned(),
    ];
    assert_eq!(
        polls,
        expected.each_ref().map(|line| line.trim_end()),
        "{output}"
    );
    for poll in api.polls() {
        assert_eq!(poll.query("ending_update_only"), Some("false"));
    }
}

#[test]
fn what_is_too_long_is_shortened_in_the_middle_with_its_size() {
    let reply = answered(&format!("begin {} end", "x".repeat(100_000)));
    let size = body_size(&reply);
    let api = Script::run().poll(reply).start();
    let output = relevance_run(&api).args(["-vv", "Hello"]).run();
    let log = output.exits(0).log();
    let line = log.iter().find(|line| line.contains("begin")).unwrap();
    let begin = format!("received: {size} bytes: {{");
    assert!(line.starts_with(&begin) && line.ends_with("}]}"), "{line}");
    assert!(line.len() < 5000 && line.contains(" … "), "{line}");
}

/// What was sent and came may contain the key; none of it is shown.
#[test]
fn nothing_shows_the_key() {
    let echo = json!({"type": "chain-success", "output": {"answer": TOKEN}});
    let api = Script::run().poll(poll(TOKEN, echo)).start();
    let output = relevance_run(&api).args(["-vv", TOKEN]).run();
    output.exits(0).never_says("sk-0123456789");
    let base = api.base_url();
    output.logs(&format!(
        "sent: POST {base}/agents/trigger {{\"message\":{{\"role\":\"user\",\
         \"content\":\"project-1:[redacted]\"}},\"agent_id\":\"agent-1\"}}"
    ));
    // It was sent all the same: what is said is said.
    assert_eq!(api.requests()[0].json()["message"]["content"], TOKEN);
}

#[test]
fn each_retry_has_its_reason() {
    let api = Script::run()
        .poll(Reply::error(503, "down", "x"))
        .poll(Reply::reset())
        .poll(answered("Hi!"))
        .start();
    let output = relevance_run(&api).args(["-v", "-i", "1ms", "Hello"]).run();
    output.exits(0).prints("Hi!\n");
    output.logs("poll: the API returned 503 to the poll: down; retrying in # s");
    output.logs("poll: Connection reset by peer; retrying in # s");
}

/// A CI system ends a step that is silent for long, and a held poll may be.
#[test]
fn verbose_has_a_heartbeat() {
    let held = answered("Hi!").after(Duration::from_secs(17));
    let api = Script::run().poll(held).start();
    let output = relevance_run(&api).args(["-v", "Hello"]).run();
    output.exits(0).prints("Hi!\n");
    output.logs("waiting for the run, 0:00:15, polls: 1");
}
