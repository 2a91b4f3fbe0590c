/*! The two requests about a task, and what their failures mean. */

use super::TaskWatch;
use crate::api::client::Reply;
use crate::api::ids::TaskId;
use crate::api::task::{TaskState, parse_state};
use crate::api::turn::{Turn, TurnResult, VIEW_BODY, parse_turn, view_path};
use crate::error::Exit;
use crate::run::api::{Exits, Subject};
use crate::run::origin::Kind;
use crate::run::retry::{Attempt, Failure};
use std::time::Duration;

/// How long a task may be unknown to the API after its run was started.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// What the task is a witness of, and so what a rejection of its requests means for the command.
#[derive(Clone, Copy)]
pub enum Witness {
    /// The task is all there is, and this command started the run.
    Only,
    /// The task is all there is, and another command started the run.
    OnlyResumed,
    /// The job was asked first, and its word counts where the task has none.
    Second,
}

impl Witness {
    fn exits(self) -> Exits {
        let rejected = match self {
            Witness::Only | Witness::Second => Exit::Unknown,
            Witness::OnlyResumed => Exit::Rejected,
        };
        Exits {
            transient: Exit::Unknown,
            rejected,
        }
    }
}

impl TaskWatch<'_> {
    pub(super) fn ask_state(&self, witness: Witness) -> Attempt<TaskState> {
        let TaskId {
            agent_id,
            conversation_id,
        } = &self.task;
        let path = format!("/agents/{agent_id}/tasks/{conversation_id}/metadata");
        let reply = self
            .api
            .get("task", &path)
            .map_err(|why| self.api.no_reply(&why))?;
        let reply = self.expect_success(reply, witness)?;
        parse_state(&reply.body).ok_or_else(|| self.not_understood(&reply))
    }

    pub(super) fn ask_result(&self, witness: Witness) -> Attempt<TurnResult> {
        let path = view_path(&self.task);
        let reply = self
            .api
            .post("messages", &path, VIEW_BODY)
            .map_err(|why| self.api.no_reply(&why))?;
        let reply = self.expect_success(reply, witness)?;
        let result = parse_turn(
            &reply.body,
            &self.turn(&reply, &|text| self.is_own_text(text)),
        );
        result.ok_or_else(|| self.not_understood(&reply))
    }

    fn is_own_text(&self, text: &str) -> bool {
        let message = self
            .origin
            .as_ref()
            .and_then(|origin| origin.message.as_ref());
        message.is_some_and(|message| message.matches(text))
    }

    /// Which message of a user counts, by the clock of the server.
    fn turn<'b>(&self, reply: &Reply, is_text: &'b dyn Fn(&str) -> bool) -> Turn<'b> {
        let Some(origin) = &self.origin else {
            let began_at = self.began_at.latest_on_server(reply.date, reply.took);
            return Turn {
                not_after: reply.date.map(|_| began_at),
                ..Turn::default()
            };
        };
        let is_new_conversation = matches!(origin.kind, Kind::Agent { is_new: true, .. });
        let began_at = origin.began_at.filter(|_| !is_new_conversation);
        Turn {
            is_text: origin.message.is_some().then_some(is_text),
            is_new_conversation,
            not_before: began_at.map(|time| time.earliest_on_server(reply.date)),
            not_after: None,
        }
    }

    fn expect_success(&self, reply: Reply, witness: Witness) -> Attempt<Reply> {
        let status = reply.status;
        let is_early = self.followed_since.elapsed() < NOT_FOUND_GRACE;
        let expected = self.api.expect_success(
            "the question for the task",
            reply,
            witness.exits(),
            Subject::Task,
        );
        match expected {
            Err(Failure::Permanent(error)) if status == 404 && is_early => {
                Err(Failure::of(error, true))
            }
            Err(Failure::Permanent(mut error)) => {
                error.is_unknown_run = status == 404 && matches!(witness, Witness::OnlyResumed);
                Err(Failure::Permanent(error))
            }
            expected => expected,
        }
    }

    fn not_understood(&self, reply: &Reply) -> Failure {
        Failure::of(self.api.unexpected(Exit::Unknown, reply), true)
    }
}
