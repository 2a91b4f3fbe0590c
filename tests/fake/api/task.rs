/*! The task of an agent's runs: its state, and its messages. */

use std::time::Duration;

use serde_json::{Value, json};

use super::runs::{Conversation, Run, Stage, World};
use super::words::Word;
use super::{Answer, Api, PROJECT};
use crate::clock::iso_date;

impl Api {
    pub(super) fn task_metadata(&self, agent: &str, conversation: &str) -> Answer {
        let world = self.world();
        match find(&world, agent, conversation) {
            Some(conversation) => {
                Answer::ok(json!({"metadata": self.metadata(&world, conversation)}))
            }
            None => no_task(conversation),
        }
    }

    /// `body` is valid by the document.
    pub(super) fn task_view(&self, agent: &str, conversation: &str, body: &Value) -> Answer {
        let world = self.world();
        let Some(conversation) = find(&world, agent, conversation) else {
            return no_task(conversation);
        };
        let mut items: Vec<Value> = Vec::new();
        for run in world.runs_of(&conversation.id) {
            items.extend(self.messages(run));
        }
        // By their dates, which have one form. The newest comes first.
        items.sort_by_key(|item| item["insert_date_"].as_str().map(str::to_owned));
        items.reverse();
        let place = |id: &Value| items.iter().position(|item| item["item_id"] == *id);
        let from = place(&body["cursor"]["after"]).map_or(0, |place| place + 1);
        let to = place(&body["cursor"]["before"])
            .unwrap_or(items.len())
            .max(from);
        let page_size = body["page_size"].as_u64().unwrap_or(20) as usize;
        let page = &items[from..to.min(from + page_size)];
        let mut reply = json!({"results": page});
        if let (Some(last), true) = (page.last(), from + page.len() < items.len()) {
            reply["next_cursor"] = last["item_id"].clone();
        }
        if body["include_metadata"] == true {
            reply["metadata"] = self.metadata(&world, conversation);
        }
        Answer::ok(reply)
    }

    /// What is told of a conversation, here and in the list.
    pub(super) fn metadata(&self, world: &World, conversation: &Conversation) -> Value {
        let mut told_as: Option<(&Run, Duration)> = None;
        for run in world.runs_of(&conversation.id) {
            // A state may be that of a while ago.
            if let Some(elapsed) = run.started.elapsed().checked_sub(self.scenario.state_lag) {
                told_as = Some((run, elapsed));
            }
        }
        let (state, has_errored) = match told_as {
            Some((run, elapsed)) => self.state(run, elapsed),
            None => ("idle", false),
        };
        let mut about = json!({
            "agent_id": conversation.agent_id,
            "state": state,
            "title": "Demo task",
            "has_errored": has_errored,
        });
        if state == "pending-approval" {
            let request = json!({
                "action": "demo-tool",
                "action_request_id": "action-1",
                "action_params": {},
            });
            about["pending_approvals"] = json!([{"approval_request": request, "agent_chain": []}]);
        }
        let mut metadata = json!({
            "_id": format!("{PROJECT}_{}", conversation.id),
            "project": PROJECT,
            "knowledge_set": conversation.id,
            "insert_date": iso_date(conversation.started_at),
            "update_date": iso_date(self.now()),
            "conversation": about,
        });
        if let Some(external_id) = &conversation.external_id {
            metadata["external_id"] = json!(external_id);
        }
        metadata
    }

    fn state(&self, run: &Run, elapsed: Duration) -> (&str, bool) {
        match run.stage(&self.scenario, elapsed) {
            Stage::Running => (&self.scenario.running_state, false),
            Stage::Waiting => ("pending-approval", false),
            Stage::Over if run.has_failed() => ("unrecoverable", true),
            Stage::Over if run.plan.is(Word::Cancel) => ("cancelled", false),
            Stage::Over => (&self.scenario.end_state, false),
        }
    }

    /// The items of one run's part of the task.
    fn messages(&self, run: &Run) -> Vec<Value> {
        let scenario = &self.scenario;
        let elapsed = run.started.elapsed();
        let mut items = vec![item(run, "user", Duration::ZERO, user_message(run))];
        let stage = run.stage(scenario, elapsed);
        if elapsed >= scenario.takes / 2 {
            items.push(item(run, "tool", scenario.takes / 2, tool_run(run, stage)));
        }
        items.extend(self.outcome(run, elapsed));
        items
    }

    /// The item that says what came of the run, or the first words of it.
    fn outcome(&self, run: &Run, elapsed: Duration) -> Option<Value> {
        let ends = run.ends_after(&self.scenario)?;
        let is_told = elapsed >= run.tells_after(&self.scenario)?;
        match run.plan.word {
            Some(Word::Silent | Word::Cancel) => None,
            _ if run.has_failed() => is_told.then(|| item(run, "agent", ends, agent_error(run))),
            _ if is_told => Some(item(
                run,
                "agent",
                ends,
                agent_message(&run.answer(), false),
            )),
            // An answer is in the task while it is still being written.
            _ => {
                let begins = ends * 3 / 4;
                let message = || item(run, "agent", begins, agent_message("You sa", true));
                (elapsed >= begins).then(message)
            }
        }
    }
}

fn find<'a>(world: &'a World, agent: &str, conversation: &str) -> Option<&'a Conversation> {
    world
        .conversation(conversation)
        .filter(|conversation| conversation.agent_id == agent)
}

fn no_task(id: &str) -> Answer {
    Answer::error(404, &format!("Task {id} not found"), "not_found")
}

fn item(run: &Run, what: &str, after: Duration, content: Value) -> Value {
    json!({
        "item_id": format!("{}-{what}", run.job_id),
        "insert_date_": iso_date(run.started_at + after),
        "is_in_hidden_group": false,
        "is_expanded_by_default": true,
        "content": content,
    })
}

fn user_message(run: &Run) -> Value {
    let mut message = json!({
        "type": "user-message",
        "text": run.input["content"],
        "is_trigger_message": true,
        "original_message_ids": {"user": "message-1"},
    });
    if run.input["attachments"].is_array() {
        message["attachments"] = run.input["attachments"].clone();
    }
    message
}

fn agent_message(text: &str, is_partial: bool) -> Value {
    json!({
        "type": "agent-message",
        "text": text,
        "generating": is_partial,
        "generation_state": if is_partial { "streaming" } else { "complete" },
        "original_message_ids": {"agent": "message-3"},
    })
}

fn agent_error(run: &Run) -> Value {
    json!({
        "type": "agent-error",
        "errors": run.errors(),
        "original_message_ids": {"agent-error": "message-3"},
    })
}

/// A tool on the way; it is what a person is asked to approve.
fn tool_run(run: &Run, stage: Stage) -> Value {
    let mut content = json!({
        "type": "tool-run",
        "tool_run_state": if stage == Stage::Waiting { "pending" } else { "finished" },
        "tool_config": {
            "type": "tool",
            "id": "demo-tool",
            "version": "1",
            "title": "Demo tool",
            "description": "Finds what was asked for",
            "params_schema": {},
        },
        "action_details": {"action_request_id": "action-1", "action": "demo-tool"},
        "params": {"valid": true, "json": {"query": run.plan.text}},
        "original_message_ids": {"action-request": "message-2"},
    });
    if stage == Stage::Waiting {
        content["requires_confirmation"] = json!("approval");
    }
    content
}
