/*! What a message asks for by its first word. */

use serde_json::{Value, json};

use super::{Client, message_to_agent, quick};
use fake::api::words::WORDS;

const TRIGGER: &str = "POST /latest/agents/trigger";

/// The poll of the run that this message starts.
fn run(api: &Client, message: &str) -> Value {
    api.poll(&api.trigger(message), "")
}

fn statuses(api: &Client, message: &str, count: usize) -> Vec<(u16, Option<String>)> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        let reply = api.ask(TRIGGER, &message_to_agent(message).to_string());
        let retry_after = reply.header("Retry-After").map(str::to_owned);
        statuses.push((reply.status, retry_after));
    }
    statuses
}

#[test]
fn a_run_ends_as_its_message_asks() {
    let api = quick();
    let error = json!([{
        "body": "no news",
        "step_name": "demo_step",
        "category": "user_code_error",
        "error_audience": "user",
    }]);
    let failed = run(&api, "fail: no news");
    assert_eq!(failed["type"], "failed");
    assert_eq!(
        failed["updates"],
        json!([{"type": "chain-fail", "errors": error}])
    );
    let failed = run(&api, "chain-error: no news");
    assert_eq!(failed["type"], "complete");
    assert_eq!(
        failed["updates"],
        json!([{"type": "chain-error", "errors": error}])
    );
    let cancelled = run(&api, "cancel: Hello");
    assert_eq!(cancelled["updates"][0]["output"]["status"], "cancelled");
    for word in ["silent:", "late:"] {
        let reply = run(&api, &format!("{word} Hello"));
        assert_eq!(
            (&reply["type"], &reply["updates"]),
            (&json!("complete"), &json!([]))
        );
    }
    for (message, output) in [
        (r#"output: {"rows": 3}"#, json!({"rows": 3})),
        ("output:[1]", json!([1])),
        ("output: some text", json!("some text")),
    ] {
        assert_eq!(run(&api, message)["updates"][0]["output"]["output"], output);
    }
    let mut body = message_to_agent("Look at this");
    body["message"]["attachments"] = json!([{"file_url": "https://x/y", "file_name": "a.pdf"}]);
    let reply = api.poll(&api.post("/agents/trigger", &body), "");
    let answer = &reply["updates"][0]["output"]["output"]["answer"];
    assert_eq!(answer, "You said: Look at this\nYou attached: a.pdf");
}

#[test]
fn a_late_ending_comes() {
    let api = quick();
    let triggered = api.trigger("late: Hello");
    crate::eventually("the end", || {
        api.poll(&triggered, "")["updates"] != json!([])
    });
    assert_eq!(api.messages("conversation-1")[0].1, "You said: Hello");
}

#[test]
fn a_trigger_is_refused_as_its_message_asks() {
    let api = quick();
    assert_eq!(statuses(&api, "busy: Hello", 2), [(409, None), (409, None)]);
    assert_eq!(statuses(&api, "500: Hello", 2), [(500, None), (500, None)]);
    assert_eq!(api.api.runs(), 0);
    let once = [(429, None), (200, None), (429, None)];
    assert_eq!(statuses(&api, "429: Hello", 3), once);
    let after = |status: u16| (status, (status == 429).then(|| "1".to_owned()));
    assert_eq!(
        statuses(&api, "429-after: 2 Hello", 3),
        [after(429), after(429), after(200)]
    );
    assert_eq!((api.api.triggers(), api.api.runs()), (10, 2));
    for id in ["conversation-1", "conversation-2"] {
        assert_eq!(api.messages(id)[0].1, "You said: Hello");
    }
}

#[test]
fn a_reply_is_lost_and_its_run_is_there() {
    let api = quick();
    assert!(
        api.send(TRIGGER, &message_to_agent("lost: Hello").to_string())
            .is_err()
    );
    assert_eq!(statuses(&api, "lost-500: Hello again", 1), [(500, None)]);
    assert_eq!((api.api.triggers(), api.api.runs()), (2, 2));
    assert_eq!(api.messages("conversation-1")[0].1, "You said: Hello");
    assert_eq!(api.messages("conversation-2")[0].1, "You said: Hello again");
}

#[test]
fn a_message_is_queued_into_a_run() {
    let api = quick();
    let reply = api.continue_c("queued: Hello");
    assert_eq!(reply["queued_mid_run"], true);
    let line = format!("GET /latest{}", super::poll_path(&reply, ""));
    assert_eq!(api.refused(&line, &json!(null)).0, 404);
    assert_eq!(
        (api.state("c").as_str(), api.messages("c")[0].1.as_str()),
        ("completed", "You said: Hello")
    );
}

/// Every word changes something, and what it changes is said; other words are just said.
#[test]
fn every_word_is_in_the_list() {
    let api = quick();
    let plain = run(&api, "Hello");
    for (word, ..) in WORDS {
        let message = format!("{word} 7");
        let changed = match api.send(TRIGGER, &message_to_agent(&message).to_string()) {
            Ok(reply) if reply.status == 200 && reply.json().get("queued_mid_run").is_none() => {
                api.poll(&reply.json(), "") != plain
            }
            _ => true,
        };
        assert!(changed, "{word}");
    }
    let reply = run(&api, "unheard-of: Hello");
    assert_eq!(
        reply["updates"][0]["output"]["output"]["answer"],
        "You said: unheard-of: Hello"
    );
}

#[test]
fn every_request_is_recorded() {
    let api = quick();
    let triggered = api.trigger("Hello");
    api.poll(&triggered, "?page_size=5");
    let targets: Vec<String> = api
        .api
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    let poll = format!("/latest{}", super::poll_path(&triggered, "?page_size=5"));
    assert_eq!(targets, ["/latest/agents/trigger", &poll]);
}
