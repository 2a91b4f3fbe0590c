/*! Usual replies of the API. They carry no `x-request-id`: a test that wants one adds it. */

use serde_json::{Value, json};

use fake::server::Reply;

/// A usual reply to the trigger, of the run `studio-1/job-1`.
/// To a key that the API does not know.
pub fn unknown_key() -> Reply {
    let message = "User key with id project-1 not found";
    Reply::error(400, message, "unset_error_type")
}

pub fn triggered() -> Reply {
    Reply::json(
        200,
        json!({
            "job_info": {"studio_id": "studio-1", "job_id": "job-1"},
            "conversation_id": "conversation-1",
            "agent_id": "agent-1",
            "state": "running",
        }),
    )
}

pub fn in_progress() -> Reply {
    Reply::json(
        200,
        json!({"type": "inprogress", "updates": [], "last_message_id": 1}),
    )
}

/// The poll's reply with one update.
pub fn poll(kind: &str, update: Value) -> Reply {
    Reply::json(
        200,
        json!({"type": kind, "updates": [update], "last_message_id": 2}),
    )
}

/// The end of a run that went well, with `output.output` as given.
pub fn success(output: Value) -> Reply {
    poll(
        "complete",
        json!({"type": "chain-success", "output": {"status": "complete", "output": output}}),
    )
}

pub fn answered(answer: &str) -> Reply {
    success(json!({"answer": answer}))
}

/// A usual reply to the trigger of the tool `tool-1`.
pub fn tool_triggered() -> Reply {
    let run = json!({"job_id": "job-1", "project": "project-1", "studio_id": "tool-1"});
    Reply::json(200, run)
}

/// A tool, as `--check` is told of it.
pub fn tool(id: &str, project: &str) -> Reply {
    let tool = json!({"studio_id": id, "title": "Tool", "project": project});
    Reply::json(200, json!({"studio": tool}))
}

fn about(conversation_id: &str, external_id: Option<&str>, state: &str) -> Value {
    let mut metadata = json!({
        "_id": format!("project-1_{conversation_id}"),
        "project": "project-1",
        "knowledge_set": conversation_id,
        "conversation": {"agent_id": "agent-1", "state": state},
    });
    if let Some(external_id) = external_id {
        metadata["external_id"] = json!(external_id);
    }
    metadata
}

/// The task of `conversation-1` in this state.
pub fn metadata(state: &str) -> Reply {
    let metadata = about("conversation-1", None, state);
    Reply::json(200, json!({"metadata": metadata}))
}

/// One page of a task's messages: each item's content, the newest first. Each is a second older
/// than the one before it, from `newest` on, which is a minute of an hour.
pub fn view(newest: u32, contents: &[Value]) -> Reply {
    let mut items = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let second = newest * 60 - number as u32;
        let (minute, second) = (second / 60, second % 60);
        items.push(json!({
            "item_id": format!("item-{number}"),
            "insert_date_": format!("2026-08-29T12:{minute:02}:{second:02}.000Z"),
            "is_in_hidden_group": false,
            "is_expanded_by_default": true,
            "content": content,
        }));
    }
    Reply::json(200, json!({"results": items}))
}

pub fn user_message(text: &str) -> Value {
    let ids = json!({"user": "message-1"});
    json!({"type": "user-message", "text": text, "original_message_ids": ids})
}

/// A message that is whole, or one that is still being written.
pub fn agent_message(text: &str, is_partial: bool) -> Value {
    json!({
        "type": "agent-message",
        "text": text,
        "generating": is_partial,
        "generation_state": if is_partial { "streaming" } else { "complete" },
        "original_message_ids": {"agent": "message-2"},
    })
}

pub fn agent_error(errors: Value) -> Value {
    let ids = json!({"agent-error": "message-2"});
    json!({"type": "agent-error", "errors": errors, "original_message_ids": ids})
}

/// An entry of the list of conversations.
pub fn conversation(id: &str, external_id: Option<&str>, state: &str) -> Value {
    json!({"knowledge_set": id, "metadata": about(id, external_id, state)})
}

pub fn conversations(entries: &[Value]) -> Reply {
    Reply::json(200, json!({"results": entries}))
}

/// The list of a conversation's runs, by their statuses.
pub fn runs(statuses: &[&str]) -> Reply {
    let run = |status: &&str| json!({"studio_id": "studio-1", "status": status, "errors": []});
    let runs: Vec<Value> = statuses.iter().map(run).collect();
    Reply::json(200, json!({"results": runs}))
}

/// Where to send a file, and where it is then.
pub fn upload_url(upload_url: &str, download_url: &str) -> Reply {
    let urls = json!({"upload_url": upload_url, "download_url": download_url});
    Reply::json(200, urls)
}
