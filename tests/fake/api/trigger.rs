/*! Starting a run of an agent: `/agents/trigger`. */

use std::time::Instant;

use serde_json::{Value, json};

use super::account::no_agent;
use super::runs::{AGENT_STUDIO, Conversation, Run, Stage, World};
use super::scenario::{Busy, ConversationId, ExternalId, SameExternalId};
use super::words::{Plan, Word};
use super::{Answer, Api};

/// The ids of a run that has none.
const PLACEHOLDER: &str = "placeholder";

impl Api {
    /// `body` is valid by the document.
    pub(super) fn trigger_agent(&self, body: &Value) -> Answer {
        if body["message"]["role"] != "user" {
            let message = "The fake API takes user messages alone";
            return Answer::error(501, message, "not_implemented");
        }
        let Some(agent_id) = body["agent_id"].as_str() else {
            return Answer::invalid("Missing required property: 'agent_id'");
        };
        let external_id = body["external_id"].as_str();
        if external_id.is_some() && self.scenario.external_id == ExternalId::Rejected {
            return Answer::invalid("Unexpected property: 'external_id'");
        }
        if !self.has_agent(agent_id) {
            return no_agent(agent_id);
        }
        let message = body["message"]["content"]
            .as_str()
            .expect("a checked message");
        let plan = Plan::of(message);
        let mut world = self.world();
        if let Some(refusal) = world.refuse_at_first(message, &plan) {
            return refusal;
        }
        if plan.is(Word::Busy) {
            return busy();
        }
        if let Some(run) = self.same_run(&world, agent_id, body) {
            return self.triggered(&world, run);
        }
        let conversation = match self.conversation_for(&mut world, agent_id, body) {
            Ok(conversation) => conversation,
            Err(refusal) => return refusal,
        };
        let is_in_progress = self.has_run_in_progress(&world, &conversation);
        if is_in_progress && self.scenario.busy == Busy::Refuses {
            return busy();
        }
        let joins = is_in_progress && self.scenario.busy == Busy::Queues;
        let number = world.runs.len() + 1;
        let run = Run {
            job_id: format!("job-{number}"),
            studio_id: AGENT_STUDIO.to_owned(),
            conversation_id: conversation,
            is_queued: joins || plan.is(Word::Queued),
            plan,
            input: body["message"].clone(),
            started: Instant::now(),
            started_at: self.now(),
            polls: 0,
        };
        world.runs.push(run);
        let run = world.runs.last().expect("the run that was started");
        unless_lost(&run.plan, self.triggered(&world, run))
    }

    fn has_run_in_progress(&self, world: &World, conversation: &str) -> bool {
        let last = world.runs_of(conversation).last();
        last.is_some_and(|run| run.stage(&self.scenario, run.started.elapsed()) != Stage::Over)
    }

    /// The run that a trigger with an `external_id` that exists is answered with, instead of a new
    /// one.
    fn same_run<'a>(&self, world: &'a World, agent_id: &str, body: &Value) -> Option<&'a Run> {
        let extends = body["external_id_behaviour"] == "extend-conversation";
        if extends || self.scenario.same_external_id == SameExternalId::StartsAnother {
            return None;
        }
        let conversation = named_by_client(world, agent_id, body)?;
        world.runs_of(&conversation.id).last()
    }

    /// The id of the conversation that the message goes to, which is made if need be.
    fn conversation_for(
        &self,
        world: &mut World,
        agent_id: &str,
        body: &Value,
    ) -> Result<String, Answer> {
        let wanted = body["conversation_id"].as_str();
        let known = match wanted {
            Some(id) => world.conversation(id),
            None if body["external_id_behaviour"] == "extend-conversation" => {
                named_by_client(world, agent_id, body)
            }
            None => None,
        };
        if let Some(conversation) = known.filter(|it| it.agent_id == agent_id) {
            return Ok(conversation.id.clone());
        }
        if let (Some(id), true) = (
            wanted,
            known.is_some() || !self.scenario.takes_any_conversation,
        ) {
            let message = format!("Conversation {id} not found");
            return Err(Answer::error(404, &message, "conversation_not_found"));
        }
        let made = format!("conversation-{}", world.runs.len() + 1);
        let id = wanted.map_or(made, str::to_owned);
        world.conversations.push(Conversation {
            id: id.clone(),
            agent_id: agent_id.to_owned(),
            external_id: body["external_id"].as_str().map(str::to_owned),
            started: Instant::now(),
            started_at: self.now(),
        });
        Ok(id)
    }

    fn triggered(&self, world: &World, run: &Run) -> Answer {
        let conversation = world
            .conversation(&run.conversation_id)
            .expect("a conversation");
        let mut reply = json!({
            "job_info": {"studio_id": run.studio_id, "job_id": run.job_id},
            "conversation_id": conversation.id,
            "agent_id": conversation.agent_id,
            "state": self.scenario.running_state,
        });
        if run.is_queued {
            reply["job_info"] = json!({"studio_id": PLACEHOLDER, "job_id": PLACEHOLDER});
            reply["queued_mid_run"] = json!(true);
        }
        if self.scenario.conversation_id == ConversationId::InJobInfo {
            reply["job_info"]["conversation_id"] = reply["conversation_id"].take();
            reply
                .as_object_mut()
                .expect("an object")
                .remove("conversation_id");
        }
        Answer::ok(reply)
    }
}

fn named_by_client<'a>(world: &'a World, agent: &str, body: &Value) -> Option<&'a Conversation> {
    let external_id = body["external_id"].as_str()?;
    let mut conversations = world.conversations.iter();
    conversations.find(|it| it.agent_id == agent && it.external_id.as_deref() == Some(external_id))
}

fn busy() -> Answer {
    Answer::error(
        409,
        "The conversation has a run in progress",
        "conversation_busy",
    )
}

/// The reply to a trigger that has started a run, as the words have it.
pub(super) fn unless_lost(plan: &Plan, reply: Answer) -> Answer {
    match plan.word {
        Some(Word::Lost) => Answer::Lost,
        Some(Word::LostToError) => Answer::error(500, "Internal Server Error", "internal_error"),
        _ => reply,
    }
}

impl World {
    /// The refusal of a trigger that is not to start a run yet.
    pub(super) fn refuse_at_first(&mut self, message: &str, plan: &Plan) -> Option<Answer> {
        if plan.is(Word::Down) {
            return Some(Answer::error(
                500,
                "Internal Server Error",
                "internal_error",
            ));
        }
        let refusals = self.refusals.entry(message.to_owned()).or_default();
        if *refusals >= plan.refusals {
            self.refusals.remove(message);
            return None;
        }
        *refusals += 1;
        let refusal = Answer::error(429, "Too many requests", "rate_limited");
        Some(match plan.is(Word::TooManyAfter) {
            true => refusal.retry_after(1),
            false => refusal,
        })
    }
}
