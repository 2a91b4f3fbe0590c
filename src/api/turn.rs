/*! The messages of a task: what became of one turn, which begins with a message of a user. */

use super::ids::TaskId;
use super::json;
use super::time::Millis;
use serde_json::value::RawValue;
use std::mem;

/// What is asked of a task's messages: the newest ones.
pub const VIEW_BODY: &[u8] = br#"{"page_size":100}"#;

/// The path of a task's messages.
pub fn view_path(task: &TaskId) -> String {
    let TaskId {
        agent_id,
        conversation_id,
    } = task;
    format!("/agents/{agent_id}/tasks/{conversation_id}/view")
}

/// Which message of a user began the turn that is waited for.
#[derive(Default)]
pub struct Turn<'a> {
    /// Tells whether a text is the one that was sent, where this command sent it.
    pub is_text: Option<&'a dyn Fn(&str) -> bool>,
    /// The command began the conversation, so that its first message is the command's.
    pub is_new_conversation: bool,
    /// Older messages belong to earlier turns. A time of the server's.
    pub not_before: Option<Millis>,
    /// Newer messages were sent by somebody else. A time of the server's.
    pub not_after: Option<Millis>,
}

/// What the messages say of a turn.
#[derive(Debug)]
pub enum TurnResult {
    Answer(String),
    /// An answer after which the agent used a tool, so that there may be another one.
    Unsettled(String),
    /// With the errors as the server sent them.
    Errors(Box<RawValue>),
    /// None of these, or a text that is not whole.
    Nothing,
    /// The turn's own message is not there.
    Unseen,
}

/// The result of one turn in the reply to `POST /agents/{agent_id}/tasks/{conversation_id}/view`,
/// which lists messages newest first. Only what is newer than the turn's own message counts, and
/// older than the next message of a user.
/// `None` if the body is not such a reply.
pub fn parse_turn(body: &[u8], turn: &Turn) -> Option<TurnResult> {
    let results = json::member(json::parse(body)?, "results")?;
    let mut search = TurnSearch {
        turn,
        since_user: Said::default(),
        since_newest: None,
        own: None,
        items: 0,
        user_messages: 0,
    };
    json::for_each(Some(results), |item| search.note(item));
    Some(search.result())
}

/// What the agent said and did after a message of a user.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    /// The newest message or error.
    newest: Option<&'a RawValue>,
    /// It used a tool after that.
    has_gone_on: bool,
}

struct TurnSearch<'a, 'b> {
    turn: &'b Turn<'b>,
    /// Since the user message that was seen last.
    since_user: Said<'a>,
    /// Since the newest message of a user, once that was seen.
    since_newest: Option<Said<'a>>,
    /// Since the turn's own message, once that was seen.
    own: Option<Said<'a>>,
    items: usize,
    user_messages: usize,
}

impl<'a> TurnSearch<'a, '_> {
    fn note(&mut self, item: &'a RawValue) {
        let Some(content) = json::member(item, "content").filter(|_| self.own.is_none()) else {
            return;
        };
        self.items += 1;
        let has_newest = self.since_user.newest.is_some();
        match json::text(content, "type").as_deref() {
            Some("user-message") => self.note_user_message(item, content),
            Some("agent-message" | "agent-error") if !has_newest && !self.is_early(item) => {
                self.since_user.newest = Some(content);
            }
            Some("tool-run") if !has_newest => self.since_user.has_gone_on = true,
            _ => {}
        }
    }

    fn note_user_message(&mut self, item: &RawValue, content: &RawValue) {
        self.user_messages += 1;
        // A message that is not the turn's own is somebody else's later one, and what came after it
        // answers that.
        let since_user = mem::take(&mut self.since_user);
        if self.is_own(item, content) {
            self.own = Some(since_user);
        }
        self.since_newest.get_or_insert(since_user);
    }

    fn is_own(&self, item: &RawValue, content: &RawValue) -> bool {
        let text = json::text(content, "text").unwrap_or_default();
        let is_text = self.turn.is_text.is_none_or(|is_text| is_text(&text));
        let is_late = match (self.turn.not_after, date_of(item)) {
            (Some(limit), Some(date)) => date > limit,
            _ => false,
        };
        is_text && !self.is_early(item) && !is_late
    }

    /// Whether an item may belong to an earlier turn.
    fn is_early(&self, item: &RawValue) -> bool {
        let is_early = |limit| date_of(item).is_none_or(|date| date < limit);
        self.turn.not_before.is_some_and(is_early)
    }

    fn result(self) -> TurnResult {
        let otherwise = match self.user_messages {
            // Where no message of a user is listed, the own one is older than the list.
            0 => Some(self.since_user).filter(|_| self.items > 0),
            // The only one of a new conversation is the own one, in whatever words.
            1 => self.since_newest.filter(|_| self.turn.is_new_conversation),
            _ => None,
        };
        let Some(said) = self.own.or(otherwise) else {
            return TurnResult::Unseen;
        };
        let Some(content) = said.newest else {
            return TurnResult::Nothing;
        };
        if json::text(content, "type").as_deref() == Some("agent-error") {
            let errors = json::member(content, "errors").unwrap_or(RawValue::NULL);
            return TurnResult::Errors(errors.to_owned());
        }
        match json::text(content, "text").filter(|_| is_whole(content)) {
            Some(answer) if said.has_gone_on => TurnResult::Unsettled(answer),
            Some(answer) => TurnResult::Answer(answer),
            None => TurnResult::Nothing,
        }
    }
}

/// Whether the text of an agent's message is all that it will be, and was not broken off.
fn is_whole(content: &RawValue) -> bool {
    let state = json::text(content, "generation_state");
    let is_partial = matches!(state.as_deref(), Some("streaming" | "cancelled" | "error"));
    !is_partial && !json::is_true(content, "generating")
}

/// When the server received an item, if it says so.
fn date_of(item: &RawValue) -> Option<Millis> {
    Millis::from_iso(&json::text(item, "insert_date_")?)
}

/// A message of a user.
#[derive(Debug)]
pub struct UserMessage {
    pub text: String,
    /// When the server received it, if it says so.
    pub received_at: Option<Millis>,
}

/// The last user message in the reply to `…/view`.
pub fn parse_last_user_message(body: &[u8]) -> Option<UserMessage> {
    let results = json::member(json::parse(body)?, "results")?;
    let mut newest = None;
    json::for_each(Some(results), |item| {
        let kind = json::path(item, &["content", "type"]).and_then(json::as_text);
        if newest.is_none() && kind.as_deref() == Some("user-message") {
            newest = Some(item);
        }
    });
    Some(UserMessage {
        text: json::as_text(json::path(newest?, &["content", "text"])?)?,
        received_at: date_of(newest?),
    })
}

#[cfg(test)]
mod tests;
