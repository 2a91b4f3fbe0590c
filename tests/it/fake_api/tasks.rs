/*! The task's state and messages. */

use std::time::Duration;

use serde_json::{Value, json};

use super::{LONG, client, hold_against_document, quick, slow};
use fake::api::scenario::{Approval, Scenario};

fn said(messages: &[(&str, &str)]) -> Vec<(String, String)> {
    messages
        .iter()
        .map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn a_task_tells_its_state_and_what_was_said_the_newest_first() {
    let api = quick();
    let run = api.trigger("Hello");
    let id = run["conversation_id"].as_str().unwrap();
    let metadata = api.metadata(id);
    assert_eq!(
        (
            &metadata["knowledge_set"],
            &metadata["conversation"]["state"]
        ),
        (&json!(id), &json!("completed"))
    );
    assert_eq!(
        api.messages(id),
        said(&[
            ("agent-message", "You said: Hello"),
            ("tool-run", ""),
            ("user-message", "Hello")
        ])
    );
    let whole = api.view(id, &json!({"include_metadata": true}));
    assert_eq!(whole["metadata"]["conversation"]["state"], "completed");
    assert_eq!(
        whole["results"][0]["content"]["generation_state"],
        "complete"
    );
    assert_eq!(api.view(id, &json!({})).get("metadata"), None);

    let running = slow();
    let run = running.trigger("Hello");
    let id = run["conversation_id"].as_str().unwrap();
    assert_eq!(running.state(id), "running");
    assert_eq!(running.messages(id), said(&[("user-message", "Hello")]));
    for unknown in ["agent-1/tasks/other", "demo-agent/tasks/conversation-1"] {
        let line = format!("GET /latest/agents/{unknown}/metadata");
        assert_eq!(running.refused(&line, &json!(null)).0, 404);
        let line = format!("POST /latest/agents/{unknown}/view");
        assert_eq!(running.refused(&line, &json!({})).0, 404);
    }
    let line = format!("POST /latest/agents/agent-1/tasks/{id}/view");
    assert_eq!(running.refused(&line, &json!({"page_size": "all"})).0, 422);
}

#[test]
fn a_view_is_given_in_pages() {
    let api = quick();
    for message in ["one", "two"] {
        api.continue_c(message);
    }
    let ids = |view: &Value| -> Vec<Value> {
        view["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["item_id"].clone())
            .collect()
    };
    let all = ids(&api.view("c", &json!({"page_size": 100})));
    assert_eq!(all.len(), 6);
    let first = api.view("c", &json!({"page_size": 4}));
    assert_eq!(
        (ids(&first).as_slice(), &first["next_cursor"]),
        (&all[..4], &all[3])
    );
    let second = api.view(
        "c",
        &json!({"page_size": 4, "cursor": {"after": first["next_cursor"]}}),
    );
    assert_eq!(
        (ids(&second).as_slice(), second.get("next_cursor")),
        (&all[4..], None)
    );
    let before = api.view("c", &json!({"cursor": {"before": all[2]}}));
    assert_eq!(ids(&before).as_slice(), &all[..2]);
}

#[test]
fn a_text_is_in_the_task_while_it_is_being_written() {
    let api = client(Scenario {
        late: LONG,
        ..Scenario::default()
    });
    api.continue_c("Hello");
    let newest = api.view("c", &json!({}))["results"][0]["content"].clone();
    assert_eq!(
        (
            &newest["type"],
            &newest["generating"],
            &newest["generation_state"],
            &newest["text"]
        ),
        (
            &json!("agent-message"),
            &json!(true),
            &json!("streaming"),
            &json!("You sa")
        )
    );
    assert_eq!(api.state("c"), "completed");
}

#[test]
fn a_run_that_waits_for_a_person_says_so_in_its_task() {
    let api = quick();
    let run = api.continue_c("wait: Hello");
    assert_eq!(run["state"], "running");
    let about = api.metadata("c")["conversation"].clone();
    assert_eq!(about["state"], "pending-approval");
    assert_eq!(
        about["pending_approvals"][0]["approval_request"]["action"],
        "demo-tool"
    );
    let newest = api.view("c", &json!({}))["results"][0]["content"].clone();
    assert_eq!(
        (&newest["tool_run_state"], &newest["requires_confirmation"]),
        (&json!("pending"), &json!("approval"))
    );
    // The job is over without a word, or never over.
    let reply = api.poll(&run, "");
    assert_eq!(
        (&reply["type"], &reply["updates"]),
        (&json!("complete"), &json!([]))
    );
    let api = client(Scenario {
        approval: Approval::LeavesJob,
        ..Scenario::default()
    });
    for word in ["wait:", "approve:"] {
        assert_eq!(
            api.poll(&api.trigger(&format!("{word} Hello")), "")["type"],
            "inprogress"
        );
    }
}

#[test]
fn an_approved_run_goes_on_in_its_task_to_its_answer() {
    let api = slow();
    let run = api.continue_c("approve: Hello");
    assert_eq!(api.state("c"), "running");
    assert_eq!(api.poll(&run, "")["type"], "inprogress");
    let api = client(Scenario {
        takes: Duration::from_millis(100),
        ..Scenario::default()
    });
    let run = api.continue_c("approve: Hello");
    crate::eventually("the end of the job", || {
        api.poll(&run, "")["type"] == "complete"
    });
    crate::eventually("the end", || api.state("c") == "completed");
    assert_eq!(api.messages("c")[0].1, "You said: Hello");
    assert_eq!(api.poll(&run, "")["updates"], json!([]));
}

#[test]
fn a_task_may_end_otherwise() {
    let api = quick();
    for (message, state, newest) in [
        ("fail: no", "unrecoverable", "agent-error"),
        ("cancel: no", "cancelled", "tool-run"),
        ("silent: no", "completed", "tool-run"),
    ] {
        let run = api.trigger(message);
        let id = run["conversation_id"].as_str().unwrap();
        assert_eq!(
            (api.state(id).as_str(), api.messages(id)[0].0.as_str()),
            (state, newest)
        );
    }
    let errors = api.view("conversation-1", &json!({}))["results"][0]["content"]["errors"].clone();
    assert_eq!(
        (&errors[0]["body"], &errors[0]["category"]),
        (&json!("no"), &json!("user_code_error"))
    );
    assert_eq!(
        api.metadata("conversation-1")["conversation"]["has_errored"],
        true
    );
}

#[test]
fn a_state_may_be_stale_or_of_no_known_name() {
    let idle = client(Scenario {
        end_state: "idle".to_owned(),
        ..Scenario::default()
    });
    idle.continue_c("Hello");
    assert_eq!(idle.state("c"), "idle");
    let stale = client(Scenario {
        state_lag: LONG,
        ..Scenario::default()
    });
    stale.continue_c("fail: no");
    assert_eq!(stale.state("c"), "idle");
    let lag = Duration::from_millis(100);
    let stale = client(Scenario {
        state_lag: lag,
        ..Scenario::default()
    });
    stale.continue_c("fail: no");
    crate::eventually("the state", || stale.state("c") == "unrecoverable");

    // The document forbids it, and a client must survive it.
    let scenario = Scenario {
        takes: LONG,
        running_state: "pondering".to_owned(),
        ..Scenario::default()
    };
    let unknown = client(scenario);
    let body = super::message_to_agent("Hello").to_string();
    let line = "POST /latest/agents/trigger";
    let reply = unknown.send(line, &body).unwrap().json();
    assert_eq!(
        hold_against_document(line, &reply).unwrap_err().path,
        "/state"
    );
    let line = "GET /latest/agents/agent-1/tasks/conversation-1/metadata";
    let reply = unknown.send(line, "").unwrap().json();
    let place = "/metadata/conversation/state";
    assert_eq!(hold_against_document(line, &reply).unwrap_err().path, place);
    assert_eq!(reply.pointer(place), Some(&json!("pondering")));
}

#[test]
fn a_key_may_not_be_allowed_to_look() {
    for status in [401, 403, 404, 500] {
        let api = client(Scenario {
            task_refused: Some(status),
            ..Scenario::default()
        });
        let run = api.continue_c("Hello");
        for (line, body) in [
            ("GET /latest/agents/agent-1/tasks/c/metadata", json!(null)),
            ("POST /latest/agents/agent-1/tasks/c/view", json!({})),
            ("GET /latest/agents/conversations/list", json!(null)),
            (
                "GET /latest/agents/conversations/studios/list?agent_id=agent-1",
                json!(null),
            ),
        ] {
            assert_eq!(api.refused(line, &body).0, status);
        }
        assert_eq!(api.poll(&run, "")["type"], "complete");
    }
}
