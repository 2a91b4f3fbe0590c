/*! Who asks, and what may be checked without a run. */

use serde_json::json;

use super::{Answer, Api, PROJECT, TOKEN};
use crate::server::Request;

/// The project and the key, verbatim. Tokens with a region at their end are in use as well, and
/// sent whole.
pub(super) fn authorize(request: &Request) -> Result<(), Answer> {
    let token = request.header("Authorization").unwrap_or("");
    if token.is_empty() {
        let message = "Authorization header cannot be missing or empty";
        return Err(Answer::error(401, message, "authorization_header_missing"));
    }
    let is_known = token
        .strip_prefix(TOKEN)
        .is_some_and(|it| it.is_empty() || it.starts_with(':'));
    if is_known {
        return Ok(());
    }
    let id = token.split(':').next().unwrap_or("");
    let message = format!("User key with id {id} not found");
    Err(Answer::error(400, &message, "unset_error_type"))
}

pub(super) fn info() -> Answer {
    let actions = json!({"agents:trigger": true, "agents:read": true, "knowledge_sets:read": true});
    Answer::ok(json!({
        "user_id": "demo-user",
        "key_id": "demo-key",
        "permissions": {"projects": {PROJECT: {
            "items": {"demo-policy": {"resources": {}, "actions": actions}},
            "role_context": {"entity_type": "project", "role": "editor"},
        }}},
    }))
}

impl Api {
    pub(super) fn agent(&self, id: &str) -> Answer {
        if !self.has_agent(id) {
            return no_agent(id);
        }
        let agent = json!({"_id": id, "agent_id": id, "project": PROJECT, "name": "Demo agent"});
        Answer::ok(json!({"agent": agent}))
    }

    pub(super) fn has_agent(&self, id: &str) -> bool {
        self.scenario.agents.iter().any(|agent| agent == id)
    }
}

pub(super) fn no_agent(id: &str) -> Answer {
    Answer::error(404, &format!("Agent {id} not found"), "agent_not_found")
}
