/*! The task: its state, and the list of conversations. */

use super::ids::Id;
use super::json;
use crate::text::redactor::Untrusted;
use serde_json::value::RawValue;

/// What a task's state means for who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Queued or running.
    Working,
    /// Nothing happens until a person has acted.
    WaitsForPerson,
    /// Over, with or without an answer.
    Over,
    /// Over without success.
    Failed,
    /// A word that is not in the vendor's document.
    Unknown,
}

/// The states of the vendor's document, and what its SDK makes of them. The states `queued-for-…`
/// follow a person's decision, and do not wait for one.
const MEANINGS: [(&str, Meaning); 15] = [
    ("idle", Meaning::Over),
    ("completed", Meaning::Over),
    ("starting-up", Meaning::Working),
    ("waiting-for-capacity", Meaning::Working),
    ("queued-for-approval", Meaning::Working),
    ("queued-for-rejection", Meaning::Working),
    ("queued-for-rerun", Meaning::Working),
    ("running", Meaning::Working),
    ("pending-approval", Meaning::WaitsForPerson),
    ("escalated", Meaning::WaitsForPerson),
    ("paused", Meaning::WaitsForPerson),
    ("errored-pending-approval", Meaning::WaitsForPerson),
    ("cancelled", Meaning::Failed),
    ("timed-out", Meaning::Failed),
    ("unrecoverable", Meaning::Failed),
];

/// The longest state that is kept, in characters: far beyond any that is known.
const MAX_STATE: usize = 64;

/// The state of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    pub word: Untrusted,
    pub meaning: Meaning,
}

impl TaskState {
    pub fn of(word: Untrusted) -> TaskState {
        let known = MEANINGS.iter().find(|(known, _)| *known == word.0);
        TaskState {
            word: Untrusted(word.0.chars().take(MAX_STATE).collect()),
            meaning: known.map_or(Meaning::Unknown, |(_, meaning)| *meaning),
        }
    }

    /// The state of a run that was just started, if it says something of that run: a state may be
    /// that of a while ago, and what has just begun is not over.
    pub fn of_new_run(word: &str) -> Option<TaskState> {
        let state = TaskState::of(Untrusted(word.to_owned()));
        let is_over = matches!(state.meaning, Meaning::Over | Meaning::Failed);
        Some(state).filter(|state| !is_over && !state.word.0.is_empty())
    }

    /// The word, if it is one of the vendor's document.
    pub fn known_word(&self) -> Option<&'static str> {
        MEANINGS
            .iter()
            .map(|(known, _)| *known)
            .find(|known| *known == self.word.0)
    }
}

/// The state in the reply to `GET /agents/{agent_id}/tasks/{conversation_id}/metadata`.
/// `None` if the body is not such a reply, or has no state.
pub fn parse_state(body: &[u8]) -> Option<TaskState> {
    let metadata = json::member(json::parse(body)?, "metadata")?;
    let state = json::path(metadata, &["conversation", "state"]).and_then(json::as_text)?;
    Some(TaskState::of(Untrusted(state))).filter(|state| !state.word.0.is_empty())
}

/// A conversation that was found in a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub conversation_id: Id,
    pub state: Option<TaskState>,
}

/// The conversation of this agent with exactly this `external_id` in the reply to
/// `GET /agents/conversations/list`, whatever else is listed.
pub fn parse_list(body: &[u8], agent_id: &Id, external_id: &str) -> Option<Found> {
    let results = json::member(json::parse(body)?, "results")?;
    let mut found = None;
    json::for_each(Some(results), |entry| {
        found = found
            .take()
            .or_else(|| match_entry(entry, agent_id, external_id));
    });
    found
}

fn match_entry(entry: &RawValue, agent_id: &Id, external_id: &str) -> Option<Found> {
    let metadata = json::member(entry, "metadata")?;
    let conversation = json::member(metadata, "conversation")?;
    if json::text(metadata, "external_id")? != external_id
        || json::text(conversation, "agent_id")? != agent_id.as_str()
    {
        return None;
    }
    let own_id = json::text(entry, "knowledge_set");
    let conversation_id = own_id.or_else(|| json::text(metadata, "knowledge_set"))?;
    let state = json::text(conversation, "state").and_then(|word| TaskState::of_new_run(&word));
    Some(Found {
        conversation_id: conversation_id.parse().ok()?,
        state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn only_the_exact_name_and_agent_count() {
        let entry = |agent: &str, name: &str| {
            let conversation = json!({ "agent_id": agent });
            let metadata = json!({"external_id": name, "conversation": conversation});
            json!({"knowledge_set": "c-1", "metadata": metadata})
        };
        let agent_id: Id = "agent-1".parse().unwrap();
        let find = |entries: &[Value]| {
            let body = json!({ "results": entries }).to_string();
            parse_list(body.as_bytes(), &agent_id, "name")
        };
        let others = [entry("agent-2", "name"), entry("agent-1", "name2")];
        assert_eq!(find(&others), None);
        let found = find(&[entry("agent-2", "name"), entry("agent-1", "name")]).unwrap();
        assert_eq!(found.conversation_id.as_str(), "c-1");
        assert_eq!(parse_list(b"<html>", &agent_id, "name"), None);
    }
}
