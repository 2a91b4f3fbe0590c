/*!
The runs and their conversations: what a run has come to at a moment follows from when it was
started.
*/

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::scenario::{Approval, Scenario};
use super::words::{Plan, Word};

/// The studio of every agent's run.
pub const AGENT_STUDIO: &str = "agent_empty_chain_inline";

/// How late `late:` makes an ending, where the scenario does not say.
const LATE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct World {
    pub runs: Vec<Run>,
    pub conversations: Vec<Conversation>,
    /// How often a message has been answered 429 since it last started a run.
    pub refusals: HashMap<String, usize>,
}

pub struct Conversation {
    pub id: String,
    pub agent_id: String,
    pub external_id: Option<String>,
    pub started: Instant,
    pub started_at: SystemTime,
}

pub struct Run {
    pub job_id: String,
    /// The tool, or what stands for every agent.
    pub studio_id: String,
    /// Empty for a tool.
    pub conversation_id: String,
    /// It was queued into a run in progress: no job tells of it.
    pub is_queued: bool,
    pub plan: Plan,
    /// The user message, or the parameters of a tool.
    pub input: Value,
    pub started: Instant,
    /// The same moment by the server's clock.
    pub started_at: SystemTime,
    pub polls: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Running,
    /// A person is waited for.
    Waiting,
    Over,
}

/// What the job tells of the run.
pub enum Job {
    InProgress,
    /// It is over, with its ending update if that has come.
    Over(Option<Value>),
}

impl World {
    pub fn conversation(&self, id: &str) -> Option<&Conversation> {
        self.conversations
            .iter()
            .find(|conversation| conversation.id == id)
    }

    /// A job by its two ids.
    pub fn run(&mut self, studio_id: &str, job_id: &str) -> Option<&mut Run> {
        self.runs
            .iter_mut()
            .find(|run| run.studio_id == studio_id && run.job_id == job_id)
    }

    /// The runs of a conversation, the first one first.
    pub fn runs_of<'a>(&'a self, conversation_id: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs
            .iter()
            .filter(move |run| run.conversation_id == conversation_id)
    }
}

impl Run {
    pub fn is_tool(&self) -> bool {
        self.conversation_id.is_empty()
    }

    /// When the run asks for a person, if it does.
    pub fn asks_after(&self, scenario: &Scenario) -> Option<Duration> {
        let asks = self.plan.is(Word::Approve) || self.plan.is(Word::Wait);
        (asks && !self.is_tool()).then_some(scenario.takes / 2)
    }

    /// When the run ends, if it does: one that was approved takes twice as long.
    pub fn ends_after(&self, scenario: &Scenario) -> Option<Duration> {
        match self.asks_after(scenario) {
            Some(_) if self.plan.is(Word::Wait) => None,
            Some(_) => Some(scenario.takes * 2),
            None => Some(scenario.takes),
        }
    }

    /// When what came of the run can be seen.
    pub fn tells_after(&self, scenario: &Scenario) -> Option<Duration> {
        let late = match self.plan.is(Word::Late) && scenario.late.is_zero() {
            true => LATE,
            false => scenario.late,
        };
        self.ends_after(scenario).map(|ends| ends + late)
    }

    pub fn stage(&self, scenario: &Scenario, elapsed: Duration) -> Stage {
        let asks = self.asks_after(scenario);
        let is_over = self
            .ends_after(scenario)
            .is_some_and(|ends| elapsed >= ends);
        let was_approved = self.plan.is(Word::Approve) && elapsed >= scenario.takes * 3 / 2;
        match asks {
            _ if is_over => Stage::Over,
            Some(asks) if elapsed >= asks && !was_approved => Stage::Waiting,
            _ => Stage::Running,
        }
    }

    /// When the job is over, if it ever is.
    pub fn job_ends_after(&self, scenario: &Scenario) -> Option<Duration> {
        match (self.asks_after(scenario), scenario.approval) {
            (Some(asks), Approval::EndsJob) => Some(asks),
            (Some(_), Approval::LeavesJob) => None,
            (None, _) => self.ends_after(scenario),
        }
    }

    pub fn job(&self, scenario: &Scenario, elapsed: Duration) -> Job {
        let is_over = |ends: Duration| elapsed >= ends;
        if !self.job_ends_after(scenario).is_some_and(is_over) {
            return Job::InProgress;
        }
        // Once a person has approved, the run goes on in another job, and this one never tells.
        if self.asks_after(scenario).is_some() {
            return Job::Over(None);
        }
        match self.tells_after(scenario).is_some_and(is_over) {
            true => Job::Over(self.ending(scenario)),
            false => Job::Over(None),
        }
    }

    /// The ending update, of a run that has one.
    fn ending(&self, scenario: &Scenario) -> Option<Value> {
        let output = match self.plan.word {
            Some(Word::Silent) => return None,
            Some(Word::Fail) => {
                return Some(json!({"type": "chain-fail", "errors": self.errors()}));
            }
            Some(Word::ChainError) => {
                return Some(json!({"type": "chain-error", "errors": self.errors()}));
            }
            Some(Word::Output) => serde_json::from_str(&self.plan.text)
                .unwrap_or_else(|_| Value::String(self.plan.text.clone())),
            _ if self.is_tool() => json!({"received": self.input}),
            _ => {
                let answer = self.answer();
                json!({"answer": answer, "history_items": [{"role": "ai", "message": answer}]})
            }
        };
        let status = match self.plan.is(Word::Cancel) {
            true => "cancelled",
            false => "complete",
        };
        Some(json!({
            "type": "chain-success",
            "output": {
                "status": status,
                "errors": [],
                "output": output,
                "executionTime": scenario.takes.as_millis() as u64,
                "credits_used": [],
            },
        }))
    }

    pub fn answer(&self) -> String {
        let mut answer = format!("You said: {}", self.plan.text);
        for attachment in self.input["attachments"].as_array().into_iter().flatten() {
            let name = attachment["file_name"].as_str().unwrap_or("");
            answer.push_str(&format!("\nYou attached: {name}"));
        }
        answer
    }

    pub fn has_failed(&self) -> bool {
        self.plan.is(Word::Fail) || self.plan.is(Word::ChainError)
    }

    pub fn errors(&self) -> Value {
        json!([{
            "body": self.plan.text,
            "step_name": "demo_step",
            "category": "user_code_error",
            "error_audience": "user",
        }])
    }
}
