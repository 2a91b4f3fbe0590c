/*! Tools: `/studios/{studio_id}/get` and `/studios/{studio_id}/trigger_async`. */

use std::time::Instant;

use serde_json::{Value, json};

use super::runs::Run;
use super::trigger::unless_lost;
use super::words::Plan;
use super::{Answer, Api, PROJECT};

impl Api {
    pub(super) fn tool(&self, id: &str) -> Answer {
        if !self.has_tool(id) {
            return no_tool(id);
        }
        let tool = json!({"studio_id": id, "title": "Demo tool", "project": PROJECT});
        Answer::ok(json!({"studio": tool}))
    }

    fn has_tool(&self, id: &str) -> bool {
        self.scenario.tools.iter().any(|tool| tool == id)
    }

    /// `body` is valid by the document.
    pub(super) fn trigger_tool(&self, tool: &str, body: &Value) -> Answer {
        if !self.has_tool(tool) {
            return no_tool(tool);
        }
        let params = body["params"].clone();
        let message = params["message"].as_str().unwrap_or("");
        let plan = Plan::of(message);
        let mut world = self.world();
        if let Some(refusal) = world.refuse_at_first(message, &plan) {
            return refusal;
        }
        let made = format!("job-{}", world.runs.len() + 1);
        let job_id = body["job_id"].as_str().map_or(made, str::to_owned);
        // What the API does with an id that it has already is not known.
        if world.run(tool, &job_id).is_some() {
            return Answer::error(409, &format!("Job {job_id} exists"), "job_exists");
        }
        let reply = json!({"job_id": job_id, "project": PROJECT, "studio_id": tool});
        world.runs.push(Run {
            job_id,
            studio_id: tool.to_owned(),
            conversation_id: String::new(),
            is_queued: false,
            plan: plan.clone(),
            input: params,
            started: Instant::now(),
            started_at: self.now(),
            polls: 0,
        });
        unless_lost(&plan, Answer::ok(reply))
    }
}

fn no_tool(id: &str) -> Answer {
    Answer::error(404, &format!("Studio {id} not found"), "studio_not_found")
}
