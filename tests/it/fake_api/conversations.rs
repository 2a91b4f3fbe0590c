/*! Conversations, external ids, and the lists. */

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, LONG, client, hold_against_document, message_to_agent, quick, slow};
use fake::api::scenario::{
    Busy, ConversationId, ExternalId, ExternalIdFilter, SameExternalId, Scenario,
};

const TRIGGER: &str = "POST /latest/agents/trigger";

fn named(external_id: &str) -> Value {
    let mut body = message_to_agent("Hello");
    body["external_id"] = json!(external_id);
    body
}

/// The ids of the conversations that are listed for these filters.
fn listed(api: &Client, filters: &Value, rest: &str) -> Vec<String> {
    let text = filters.to_string();
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let list = api.get(&format!(
        "/agents/conversations/list?filters={encoded}{rest}"
    ));
    let id = |entry: &Value| {
        assert_eq!(entry["knowledge_set"], entry["metadata"]["knowledge_set"]);
        entry["knowledge_set"].as_str().unwrap().to_owned()
    };
    list["results"].as_array().unwrap().iter().map(id).collect()
}

fn filter(field: &str, values: Value) -> Value {
    json!([{
        "field": field,
        "filter_type": "exact_match",
        "condition": "==",
        "condition_value": values,
    }])
}

#[test]
fn a_message_may_continue_a_conversation() {
    let api = quick();
    assert_eq!(api.trigger("one")["conversation_id"], "conversation-1");
    let mut body = message_to_agent("two");
    body["conversation_id"] = json!("conversation-1");
    assert_eq!(
        api.post("/agents/trigger", &body)["conversation_id"],
        "conversation-1"
    );
    let texts: Vec<String> = api
        .messages("conversation-1")
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        texts,
        ["You said: two", "", "two", "You said: one", "", "one"]
    );
    // It is that agent's alone.
    body["agent_id"] = json!("demo-agent");
    assert_eq!(api.refused(TRIGGER, &body).0, 404);

    assert_eq!(api.continue_c("Hello")["conversation_id"], "c");
    let strict = client(Scenario {
        takes_any_conversation: false,
        ..Scenario::default()
    });
    body["conversation_id"] = json!("d");
    assert_eq!(
        strict.refused(TRIGGER, &body),
        (404, "Conversation d not found".to_owned())
    );
    assert_eq!(strict.api.runs(), 0);
}

#[test]
fn the_id_may_stand_in_another_place() {
    let scenario = Scenario {
        conversation_id: ConversationId::InJobInfo,
        ..Scenario::default()
    };
    let api = client(scenario);
    let reply = api
        .send(TRIGGER, &message_to_agent("Hello").to_string())
        .unwrap()
        .json();
    assert_eq!(reply["job_info"]["conversation_id"], "conversation-1");
    assert_eq!(reply.get("conversation_id"), None);
    // One page of the vendor's shows it so; the document forbids it.
    assert!(hold_against_document(TRIGGER, &reply).is_err());
}

#[test]
fn a_conversation_with_a_run_in_progress_takes_a_message_in_three_ways() {
    let queues = slow();
    queues.continue_c("one");
    let reply = queues.continue_c("two");
    assert_eq!(reply["queued_mid_run"], true);
    let line = format!("GET /latest{}", super::poll_path(&reply, ""));
    assert_eq!(queues.refused(&line, &json!(null)).0, 404);
    assert_eq!(queues.messages("c")[0].1, "two");

    let refuses = client(Scenario {
        takes: LONG,
        busy: Busy::Refuses,
        ..Scenario::default()
    });
    refuses.continue_c("one");
    let mut body = message_to_agent("two");
    body["conversation_id"] = json!("c");
    let refusal = (409, "The conversation has a run in progress".to_owned());
    assert_eq!(refuses.refused(TRIGGER, &body), refusal);
    assert_eq!((refuses.api.triggers(), refuses.api.runs()), (2, 1));

    let another = client(Scenario {
        takes: LONG,
        busy: Busy::StartsAnother,
        ..Scenario::default()
    });
    another.continue_c("one");
    assert_eq!(another.continue_c("two")["job_info"]["job_id"], "job-2");
}

#[test]
fn an_external_id_may_be_taken_or_rejected() {
    let api = quick();
    let first = api.post("/agents/trigger", &named("e"));
    assert_eq!(api.metadata("conversation-1")["external_id"], "e");
    // The same name starts nothing more, if it is not to continue the conversation.
    assert_eq!(api.post("/agents/trigger", &named("e")), first);
    let mut extending = named("e");
    extending["external_id_behaviour"] = json!("extend-conversation");
    let extended = api.post("/agents/trigger", &extending);
    assert_eq!(extended["conversation_id"], first["conversation_id"]);
    assert_ne!(extended["job_info"], first["job_info"]);
    assert_eq!((api.api.triggers(), api.api.runs()), (3, 2));

    let another = client(Scenario {
        same_external_id: SameExternalId::StartsAnother,
        ..Scenario::default()
    });
    let ids =
        [(); 2].map(|()| another.post("/agents/trigger", &named("e"))["conversation_id"].clone());
    assert_eq!(ids, [json!("conversation-1"), json!("conversation-2")]);

    let rejects = client(Scenario {
        external_id: ExternalId::Rejected,
        ..Scenario::default()
    });
    let why = "Body Validation Error - Unexpected property: 'external_id'";
    assert_eq!(rejects.refused(TRIGGER, &named("e")), (422, why.to_owned()));
    rejects.trigger("Hello");
    assert_eq!(rejects.api.runs(), 1);
}

#[test]
fn the_list_may_honour_a_filter_on_the_external_id_or_not() {
    let by_external_id = filter("external_id", json!(["b"]));
    for (filtering, ids) in [
        (ExternalIdFilter::Honoured, vec!["conversation-2"]),
        (
            ExternalIdFilter::Ignored,
            vec!["conversation-1", "conversation-2", "conversation-3"],
        ),
    ] {
        let api = client(Scenario {
            external_id_filter: filtering,
            ..Scenario::default()
        });
        for body in [named("a"), named("b"), message_to_agent("Hello")] {
            api.post("/agents/trigger", &body);
        }
        assert_eq!(listed(&api, &by_external_id, ""), ids);
    }
    let rejects = client(Scenario {
        external_id_filter: ExternalIdFilter::Rejected,
        ..Scenario::default()
    });
    let line = format!(
        "GET /latest/agents/conversations/list?filters={}",
        by_external_id.to_string().replace(' ', "")
    );
    assert_eq!(rejects.refused(&line, &json!(null)).0, 422);
    let line = "GET /latest/agents/conversations/list?filters=external_id";
    assert_eq!(rejects.refused(line, &json!(null)).0, 422);
}

#[test]
fn the_list_is_of_an_agent_sorted_and_in_pages() {
    let api = quick();
    for agent in ["agent-1", "agent-1", "demo-agent", "agent-1"] {
        let mut body = message_to_agent("Hello");
        body["agent_id"] = json!(agent);
        api.post("/agents/trigger", &body);
    }
    let of_agent = filter("conversation.agent_id", json!(["agent-1"]));
    let ids = ["conversation-1", "conversation-2", "conversation-4"];
    assert_eq!(listed(&api, &of_agent, ""), ids);
    assert_eq!(
        listed(
            &api,
            &filter("conversation.agent_id", json!("demo-agent")),
            ""
        ),
        ["conversation-3"]
    );
    let sorted = "&sort=[{%22insert_date%22:+%22desc%22}]";
    assert_eq!(
        listed(&api, &of_agent, &format!("{sorted}&page_size=2")),
        [ids[2], ids[1]]
    );
    assert_eq!(
        listed(&api, &of_agent, &format!("{sorted}&page_size=2&page=2")),
        [ids[0]]
    );
    assert_eq!(listed(&api, &json!([]), "").len(), 4);

    let listing_after = |listed_after: Duration| {
        let api = client(Scenario {
            listed_after,
            ..Scenario::default()
        });
        api.trigger("Hello");
        api
    };
    assert_eq!(listed(&listing_after(LONG), &of_agent, ""), [""; 0]);
    let late = listing_after(Duration::from_millis(100));
    crate::eventually("the conversation", || {
        listed(&late, &of_agent, "") == ["conversation-1"]
    });
}

#[test]
fn the_runs_of_a_conversation_are_listed() {
    let api = quick();
    for message in [
        "Hello",
        "fail: no",
        "cancel: no",
        "queued: Hello",
        "wait: Hello",
    ] {
        api.continue_c(message);
    }
    let path =
        "/agents/conversations/studios/list?agent_id=agent-1&conversation_id=c&page_size=100";
    let list = api.get(path);
    let runs = list["results"].as_array().unwrap();
    let statuses: Vec<&str> = runs
        .iter()
        .map(|run| run["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["complete", "failed", "cancelled", "complete"]);
    assert_eq!(runs[0]["output_preview"]["answer"], "You said: Hello");
    assert_eq!(runs[1]["errors"][0]["body"], "no");
    let other = path.replace("agent-1", "demo-agent");
    assert_eq!(api.get(&other)["results"], json!([]));
    let running = slow();
    running.continue_c("Hello");
    assert_eq!(running.get(path)["results"][0]["status"], "inprogress");
}
