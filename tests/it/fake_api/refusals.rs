/*! What is refused, and what can be asked without a run. */

use serde_json::json;

use super::{client, message_to_agent, quick};
use fake::api::scenario::{SWITCHES, Scenario};
use fake::api::{PROJECT, TOKEN};

const TRIGGER: &str = "POST /latest/agents/trigger";

#[test]
fn a_key_that_is_not_known_is_refused() {
    let mut api = quick();
    let hello = message_to_agent("Hello");
    for (token, status, error_type, message) in [
        (
            None,
            401,
            "authorization_header_missing",
            "Authorization header cannot be missing or empty",
        ),
        (
            Some("demo-project:sk-wrong"),
            400,
            "unset_error_type",
            "User key with id demo-project not found",
        ),
        (
            Some("Bearer demo-project:sk-demo-0123456789abcdef"),
            400,
            "unset_error_type",
            "User key with id Bearer demo-project not found",
        ),
        (
            Some("demo-project:sk-demo-0123456789abcdefg"),
            400,
            "unset_error_type",
            "User key with id demo-project not found",
        ),
    ] {
        api.token = token;
        let reply = api.ask(TRIGGER, &hello.to_string());
        let body = reply.json();
        assert_eq!(
            (reply.status, &body["error_type"], &body["message"]),
            (status, &json!(error_type), &json!(message))
        );
    }
    assert_eq!((api.api.triggers(), api.api.runs()), (4, 0));
    // Its longer forms are sent whole.
    for token in [TOKEN, "demo-project:sk-demo-0123456789abcdef:us:undefined"] {
        api.token = Some(token);
        api.trigger("Hello");
    }
}

#[test]
fn a_message_is_strict() {
    let api = quick();
    let attachment = json!({"file_url": "https://x/y", "file_name": "y"});
    for (name, value) in [
        ("sent_at", json!("2026-08-29T00:00:00Z")),
        ("attachments", json!([attachment])),
        ("importance_level", json!("short-term-memory")),
        ("timezone", json!("Europe/Berlin")),
    ] {
        let mut body = message_to_agent("Hello");
        body["message"][name] = value;
        api.post("/agents/trigger", &body);
    }
    let sized = json!({"file_url": "u", "file_name": "n", "size": 1});
    let missing = |name: &str| format!("Missing required property: '{name}'");
    for (message, why) in [
        (json!({"content": "x"}), missing("role")),
        (json!({"role": "user"}), missing("content")),
        (
            json!({"role": "user", "content": "x", "name": "y"}),
            "Unexpected property: 'name' (/message)".to_owned(),
        ),
        (
            json!({"role": "user", "content": 7}),
            "Expected \"string\" (/message/content)".to_owned(),
        ),
        (
            json!({"role": "user", "content": "x", "importance_level": "high"}),
            "Expected one of [\"normal\",\"short-term-memory\"] (/message/importance_level)"
                .to_owned(),
        ),
        (
            json!({"role": "user", "content": "x", "attachments": [{"file_url": "u"}]}),
            missing("file_name"),
        ),
        (
            json!({"role": "user", "content": "x", "attachments": [sized]}),
            "Unexpected property: 'size' (/message/attachments/0)".to_owned(),
        ),
        (json!("Hello"), "Expected \"object\" (/message)".to_owned()),
    ] {
        let body = json!({"message": message, "agent_id": "agent-1"});
        let refusal = (422, format!("Body Validation Error - {why}"));
        assert_eq!(api.refused(TRIGGER, &body), refusal);
    }
    let no_agent = json!({"message": {"role": "user", "content": "x"}});
    for (body, why) in [
        (json!({}), missing("message")),
        (json!([]), "Expected \"object\"".to_owned()),
        (no_agent, missing("agent_id")),
    ] {
        let refusal = (422, format!("Body Validation Error - {why}"));
        assert_eq!(api.refused(TRIGGER, &body), refusal);
    }
    assert_eq!(api.ask(TRIGGER, "").status, 422);
    assert_eq!(api.ask(TRIGGER, "{").status, 422);
    // This is valid, and beyond what the fake does.
    let approval = json!({"role": "action-confirm", "action": "a", "action_request_id": "b"});
    let body = json!({"message": approval, "agent_id": "agent-1"});
    assert_eq!(api.refused(TRIGGER, &body).0, 501);
    assert_eq!(api.api.runs(), 4);
}

#[test]
fn other_fields_of_the_trigger_pass() {
    let api = quick();
    let mut body = message_to_agent("Hello");
    for (name, value) in [
        ("external_id", json!("e")),
        ("external_id_behaviour", json!("nothing")),
        ("params", json!({"a": 1})),
        ("conversation_id", json!("c")),
        ("metadata", json!({"display_name": "x"})),
        ("version", json!("draft")),
        ("max_job_duration", json!("hours")),
        ("mode", json!("chat")),
        ("of_no_schema", json!([1])),
    ] {
        body[name] = value;
    }
    let reply = api.post("/agents/trigger", &body);
    assert_eq!(
        (
            &reply["conversation_id"],
            &reply["agent_id"],
            &reply["state"]
        ),
        (&json!("c"), &json!("agent-1"), &json!("running"))
    );
    for (name, value) in [
        ("params", json!("a=1")),
        ("max_job_duration", json!("days")),
        ("external_id", json!(7)),
        ("external_id_behaviour", json!("replace")),
    ] {
        let mut wrong = body.clone();
        wrong[name] = value;
        let (status, message) = api.refused(TRIGGER, &wrong);
        assert_eq!(status, 422);
        assert!(message.ends_with(&format!("(/{name})")), "{message}");
    }
}

#[test]
fn what_there_is_can_be_asked_without_a_run() {
    let mut api = quick();
    let info = api.get("/auth/info");
    assert!(info["permissions"]["projects"][PROJECT].is_object());
    let agent = api.get("/agents/demo-agent/get");
    assert_eq!(
        (&agent["agent"]["agent_id"], &agent["agent"]["project"]),
        (&json!("demo-agent"), &json!(PROJECT))
    );
    let tool = api.get("/studios/demo-tool/get");
    assert_eq!(
        (&tool["studio"]["studio_id"], &tool["studio"]["project"]),
        (&json!("demo-tool"), &json!(PROJECT))
    );
    let page = api.ask("GET /latest/latest/auth/info", "");
    assert_eq!(
        (page.status, page.header("Content-Type")),
        (404, Some("text/html"))
    );
    // Nobody is told of an agent that is not there, with a key or without.
    for token in [Some(TOKEN), None] {
        api.token = token;
        let reply = api.ask("GET /latest/agents/other/get", "");
        let body = reply.json();
        assert_eq!(
            (reply.status, &body["message"], &body["error_type"]),
            (
                404,
                &json!("Agent other not found"),
                &json!("agent_not_found")
            )
        );
    }
    api.token = Some(TOKEN);
    let mut body = message_to_agent("Hello");
    body["agent_id"] = json!("other");
    assert_eq!(
        api.refused(TRIGGER, &body),
        (404, "Agent other not found".to_owned())
    );
    assert_eq!(
        api.refused("GET /latest/studios/other/get", &json!(null)).0,
        404
    );
    assert_eq!(api.api.runs(), 0);
}

#[test]
fn the_clock_is_the_servers() {
    let api = client(Scenario {
        clock_offset_s: -86_400 * 366,
        ..Scenario::default()
    });
    let (now, then) = (quick(), &api);
    let year = |api: &super::Client| {
        let date = api
            .ask("GET /latest/auth/info", "")
            .header("Date")
            .unwrap()
            .to_owned();
        date.split(' ').nth(3).unwrap().parse::<u32>().unwrap()
    };
    assert!(year(then) < year(&now));
    api.continue_c("Hello");
    let inserted = api.view("c", &json!({}))["results"][0]["insert_date_"].clone();
    assert!(
        inserted
            .as_str()
            .unwrap()
            .starts_with(&year(then).to_string()),
        "{inserted}"
    );
}

#[test]
fn every_switch_can_be_set_by_its_name() {
    for (name, meaning) in SWITCHES {
        let mut scenario = Scenario::default();
        let before = format!("{scenario:?}");
        // Numbers and lists take this, and the others name their values.
        let first_words = meaning
            .split([':', ' ', ','])
            .filter(|word| !word.is_empty());
        let candidates = first_words.chain([
            "no",
            "job-info",
            "leaves-job",
            "rejected",
            "refuses",
            "starts-another",
            "417",
        ]);
        let sets = |value: &str| {
            let mut changed = Scenario::default();
            changed.set(name, value).is_ok() && format!("{changed:?}") != before
        };
        let value = candidates.into_iter().find(|value| sets(value));
        let value = value.unwrap_or_else(|| panic!("no value for {name}"));
        scenario.set(name, value).unwrap();
        assert_ne!(format!("{scenario:?}"), before);
    }
    let mut scenario = Scenario::default();
    for (name, value) in [
        ("TAKES", "1s"),
        ("BUSY", "no"),
        ("POLLS_GONE", "x"),
        ("OTHER", "1"),
    ] {
        assert!(scenario.set(name, value).is_err(), "{name}={value}");
    }
}
