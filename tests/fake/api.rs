/*!
The API as API.md describes it: it refuses what the real one refuses, with the same status and envelope, and its runs
take a while, through `inprogress`, a held `timeout`, and updates of other types, to a `chain-success`. A message that
begins with `fail:` ends in a `chain-fail`.
*/

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Reply, Request};

pub const TOKEN: &str = "demo-project:sk-demo-0123456789abcdef";

/// How the runs of this API go.
#[derive(Clone, Copy)]
pub struct Course {
    /// From the trigger to the ending update.
    pub takes: Duration,
    /// How long a poll that has nothing new is held before it answers `timeout`.
    pub held: Duration,
    /// Updates before the ending one.
    pub history: usize,
}

pub struct Api {
    course: Course,
    runs: Mutex<HashMap<String, Run>>,
}

struct Run {
    started: Instant,
    polls: usize,
    said: String,
}

impl Api {
    pub fn new(course: Course) -> Api {
        Api {
            course,
            runs: Mutex::new(HashMap::new()),
        }
    }

    pub fn answer(&self, request: &Request) -> Reply {
        let parts: Vec<&str> = request.path().split('/').collect();
        // What is told of an agent is told to everyone.
        if let ("GET", ["", "latest", "agents", agent, "get"]) =
            (request.method.as_str(), parts.as_slice())
        {
            return match *agent {
                "missing" => Reply::error(404, "Agent missing not found", "agent_not_found"),
                agent => Reply::json(
                    200,
                    json!({"agent": {"agent_id": agent, "name": "Demo agent", "project": "demo-project"}}),
                ),
            };
        }
        match request.header("Authorization") {
            None | Some("") => {
                let message = "Authorization header cannot be missing or empty";
                return Reply::error(401, message, "authorization_header_missing");
            }
            Some(TOKEN) => {}
            Some(token) => {
                let id = token.split(':').next().unwrap();
                return Reply::error(
                    400,
                    &format!("User key with id {id} not found"),
                    "unset_error_type",
                );
            }
        }
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["", "latest", "agents", "trigger"]) => self.trigger(&request.body),
            ("GET", ["", "latest", "auth", "info"]) => Reply::json(
                200,
                json!({"user_id": "demo-user", "key_id": "demo-key", "permissions": []}),
            ),
            (
                "GET",
                [
                    "",
                    "latest",
                    "studios",
                    "agent_empty_chain_inline",
                    "async_poll",
                    job,
                ],
            ) => {
                let only_ending = request.query("ending_update_only") == Some("true");
                let after = request
                    .query("after_message_id")
                    .and_then(|id| id.parse().ok())
                    .unwrap_or(0);
                self.poll(job, only_ending, after)
            }
            _ => Reply::new(
                404,
                &[("Content-Type", "text/html")],
                "<!DOCTYPE html><html><body>Cannot find it</body></html>",
            ),
        }
    }

    fn trigger(&self, body: &[u8]) -> Reply {
        let invalid = |what: &str| {
            Reply::error(
                422,
                &format!("Body Validation Error: {what}"),
                "validation_error",
            )
        };
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return invalid("must be object");
        };
        if body["message"]["role"] != "user" {
            return invalid("must be object /message");
        }
        let Some(said) = body["message"]["content"].as_str() else {
            return invalid("must be string /message/content");
        };
        let Some(agent_id) = body["agent_id"].as_str() else {
            return invalid("must be string /agent_id");
        };
        let mut runs = self.runs.lock().unwrap();
        let job_id = format!("job-{}", runs.len() + 1);
        let conversation_id = match body["conversation_id"].as_str() {
            Some(id) => id.to_owned(),
            None => format!("conversation-{}", runs.len() + 1),
        };
        let reply = json!({
            "job_info": {"studio_id": "agent_empty_chain_inline", "job_id": job_id},
            "conversation_id": conversation_id,
            "agent_id": agent_id,
            "state": "running",
        });
        let run = Run {
            started: Instant::now(),
            polls: 0,
            said: said.to_owned(),
        };
        runs.insert(job_id, run);
        Reply::json(200, reply)
    }

    fn poll(&self, job: &str, only_ending: bool, after: usize) -> Reply {
        let (started, polls, said) = {
            let mut runs = self.runs.lock().unwrap();
            let Some(run) = runs.get_mut(job) else {
                return Reply::error(404, "Job not found", "not_found");
            };
            run.polls += 1;
            (run.started, run.polls, run.said.clone())
        };
        let Course {
            takes,
            held,
            history,
        } = self.course;
        let mut kind = "inprogress";
        if polls.is_multiple_of(2) && started.elapsed() < takes {
            thread::sleep(held.min(takes.saturating_sub(started.elapsed())));
            kind = "timeout";
        }
        let over = started.elapsed() >= takes;
        let share = started.elapsed().as_secs_f64() / takes.as_secs_f64().max(0.001);
        let shown = if over {
            history
        } else {
            (history as f64 * share) as usize
        };
        let mut updates: Vec<Value> = match only_ending {
            true => Vec::new(),
            false => (after.min(shown)..shown).map(update).collect(),
        };
        if over {
            kind = "complete";
            let answer = format!("You said: {said}");
            let succeeded = json!({
                "type": "chain-success",
                "output": {
                    "status": "complete",
                    "errors": [],
                    "output": {"answer": answer, "history_items": [{"role": "ai", "message": answer}]},
                    "executionTime": takes.as_millis() as u64,
                    "credits_used": [],
                },
            });
            updates.push(match said.strip_prefix("fail:") {
                Some(reason) => json!({"type": "chain-fail", "errors": [{"body": reason}]}),
                None => succeeded,
            });
        }
        let last_message_id = shown + usize::from(over);
        Reply::json(
            200,
            json!({"type": kind, "updates": updates, "last_message_id": last_message_id}),
        )
    }
}

/// What an agent does on the way.
fn update(index: usize) -> Value {
    match index % 3 {
        0 => json!({"type": "step-start", "step": index}),
        1 => json!({"type": "agent-message", "message": format!("Working on part {index}")}),
        _ => json!({"type": "tool-run", "tool": "search", "output": {"found": index}}),
    }
}
