/*! The lists: an agent's conversations, and the runs of one. */

use serde_json::{Value, json};

use super::runs::{Conversation, Job, Run};
use super::scenario::ExternalIdFilter;
use super::{Answer, Api, PROJECT};
use crate::clock::iso_date;
use crate::document::percent_decoded;
use crate::server::Request;

impl Api {
    pub(super) fn conversations(&self, request: &Request) -> Answer {
        let filters = query_json(request, "filters");
        let filters: Vec<&Value> = filters.as_array().into_iter().flatten().collect();
        let asks_external_id = filters
            .iter()
            .any(|filter| filter["field"] == "external_id");
        if asks_external_id && self.scenario.external_id_filter == ExternalIdFilter::Rejected {
            return Answer::invalid("Unexpected filter: 'external_id'");
        }
        let world = self.world();
        let mut found: Vec<&Conversation> = Vec::new();
        for conversation in &world.conversations {
            let is_listed = conversation.started.elapsed() >= self.scenario.listed_after;
            if is_listed
                && filters
                    .iter()
                    .all(|filter| self.passes(conversation, filter))
            {
                found.push(conversation);
            }
        }
        if query_json(request, "sort") == json!([{"insert_date": "desc"}]) {
            found.reverse();
        }
        let mut results = Vec::new();
        for conversation in page(request, &found) {
            results.push(json!({
                "knowledge_set": conversation.id,
                "metadata": self.metadata(&world, conversation),
            }));
        }
        Answer::ok(json!({"results": results}))
    }

    fn passes(&self, conversation: &Conversation, filter: &Value) -> bool {
        let value = match filter["field"].as_str() {
            Some("conversation.agent_id") => Some(conversation.agent_id.as_str()),
            Some("external_id")
                if self.scenario.external_id_filter == ExternalIdFilter::Honoured =>
            {
                conversation.external_id.as_deref()
            }
            _ => return true,
        };
        let wanted = &filter["condition_value"];
        let value = json!(value);
        *wanted == value
            || wanted
                .as_array()
                .is_some_and(|values| values.contains(&value))
    }

    pub(super) fn conversation_runs(&self, request: &Request) -> Answer {
        let agent = request.query("agent_id").unwrap_or("");
        let conversation = request.query("conversation_id").unwrap_or("");
        let world = self.world();
        let is_known = world
            .conversation(conversation)
            .is_some_and(|it| it.agent_id == agent);
        let mut runs: Vec<&Run> = Vec::new();
        if is_known {
            runs.extend(world.runs_of(conversation).filter(|run| !run.is_queued));
        }
        let mut results = Vec::new();
        for run in page(request, &runs) {
            results.push(self.listed_run(run, agent));
        }
        Answer::ok(json!({"results": results}))
    }

    fn listed_run(&self, run: &Run, agent: &str) -> Value {
        let mut entry = json!({
            "_id": run.job_id,
            "studio_id": run.studio_id,
            "title": "Demo agent",
            "project": PROJECT,
            "insert_date_": iso_date(run.started_at),
            "errors": [],
            "executor": {
                "type": "agent",
                "agent_id": agent,
                "conversation_id": run.conversation_id,
            },
        });
        match run.job(&self.scenario, run.started.elapsed()) {
            Job::InProgress => entry["status"] = json!("inprogress"),
            Job::Over(Some(_)) if run.has_failed() => {
                entry["status"] = json!("failed");
                entry["errors"] = run.errors();
            }
            Job::Over(ending) => {
                let output = ending.map(|it| it["output"].clone()).unwrap_or_default();
                entry["status"] = output.get("status").cloned().unwrap_or(json!("complete"));
                if output["output"].is_object() {
                    entry["output_preview"] = output["output"].clone();
                }
            }
        }
        entry
    }
}

/// A parameter of the query that is JSON, or null.
fn query_json(request: &Request, name: &str) -> Value {
    let text = percent_decoded(request.query(name).unwrap_or("null"));
    serde_json::from_str(&text).unwrap_or_default()
}

/// The page that is asked for, of twenty if its size is not said.
fn page<'a, T>(request: &Request, all: &'a [T]) -> &'a [T] {
    let number = |name: &str| {
        request
            .query(name)
            .and_then(|number| number.parse::<usize>().ok())
    };
    let size = number("page_size").unwrap_or(20);
    let from = size * (number("page").unwrap_or(1).max(1) - 1);
    &all[from.min(all.len())..(from + size).min(all.len())]
}
