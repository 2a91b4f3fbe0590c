/*! The trigger: what it sends, and what it answers. */

use super::ids::{Id, RunId};
use super::json;
use super::task::TaskState;
use crate::text::redactor::Redactor;
use serde_json::value::RawValue;
use std::io::{self, Write};

/// A member of a request: `--set` and `--param` make them.
#[derive(Debug)]
pub struct Field {
    pub key: String,
    pub value: Box<RawValue>,
}

/// A file that goes with the message.
pub struct Attachment {
    pub file_url: String,
    pub file_name: String,
}

/// `POST /agents/trigger`.
pub struct AgentRequest<'a> {
    pub message: &'a str,
    pub attachments: &'a [Attachment],
    pub agent_id: &'a Id,
    pub conversation_id: Option<&'a Id>,
    /// The members of `params`, if there are any.
    pub params: &'a [Field],
    /// Further top-level fields, in the order given.
    pub fields: &'a [Field],
}

impl AgentRequest<'_> {
    /// Writes the body.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(br#"{"message":{"role":"user","content":"#)?;
        serde_json::to_writer(&mut *out, self.message)?;
        self.write_attachments(out)?;
        // An id needs no escaping.
        write!(out, r#"}},"agent_id":"{}""#, self.agent_id)?;
        if let Some(conversation_id) = self.conversation_id {
            write!(out, r#","conversation_id":"{conversation_id}""#)?;
        }
        if !self.params.is_empty() {
            out.write_all(br#","params":"#)?;
            write_object(out, self.params)?;
        }
        write_fields(out, self.fields)?;
        out.write_all(b"}")
    }

    fn write_attachments(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.attachments.is_empty() {
            return Ok(());
        }
        out.write_all(br#","attachments":["#)?;
        for (index, attachment) in self.attachments.iter().enumerate() {
            if index > 0 {
                out.write_all(b",")?;
            }
            out.write_all(br#"{"file_url":"#)?;
            serde_json::to_writer(&mut *out, &attachment.file_url)?;
            out.write_all(br#","file_name":"#)?;
            serde_json::to_writer(&mut *out, &attachment.file_name)?;
            out.write_all(b"}")?;
        }
        out.write_all(b"]")
    }
}

/// `POST /studios/{tool_id}/trigger_async`.
pub struct ToolRequest<'a> {
    pub project: &'a str,
    pub params: &'a [Field],
    pub fields: &'a [Field],
}

impl ToolRequest<'_> {
    /// Writes the body.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(br#"{"params":"#)?;
        write_object(out, self.params)?;
        out.write_all(br#","project":"#)?;
        serde_json::to_writer(&mut *out, self.project)?;
        write_fields(out, self.fields)?;
        out.write_all(b"}")
    }
}

fn write_object(out: &mut dyn Write, fields: &[Field]) -> io::Result<()> {
    out.write_all(b"{")?;
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        write_field(out, field)?;
    }
    out.write_all(b"}")
}

fn write_fields(out: &mut dyn Write, fields: &[Field]) -> io::Result<()> {
    for field in fields {
        out.write_all(b",")?;
        write_field(out, field)?;
    }
    Ok(())
}

fn write_field(out: &mut dyn Write, field: &Field) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &field.key)?;
    write!(out, ":{}", field.value)
}

/// A run that was started: all that is needed to wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedRun {
    /// `None` where only the conversation is known.
    pub run_id: Option<RunId>,
    pub conversation_id: Option<Id>,
    /// Where the task stood at once.
    pub state: Option<TaskState>,
}

impl StartedRun {
    /// Whether anything is known that leads to it.
    pub fn is_named(&self) -> bool {
        self.run_id.is_some() || self.conversation_id.is_some()
    }

    /// Whether an id contains the key: it could be neither printed nor recorded.
    pub fn has_key(&self, redactor: &Redactor) -> bool {
        *self != self.clone().without_key(redactor)
    }

    /// The run without the ids that contain the key.
    pub fn without_key(mut self, redactor: &Redactor) -> StartedRun {
        let has_key = |id: &str| redactor.redact(id).had_key();
        self.run_id = self.run_id.filter(|id| !has_key(&id.to_string()));
        self.conversation_id = self.conversation_id.filter(|id| !has_key(id.as_str()));
        self
    }
}

/// What a trigger was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Accepted {
    Started(StartedRun),
    /// The message was put into a run in progress (`queued_mid_run`). The ids of the job are
    /// placeholders, and are not even read.
    Queued(Id),
}

impl Accepted {
    /// `continued` is the conversation that the message was sent to, if it was sent to one.
    /// `None` if the body does not name the run: whether one was started is then unknown.
    pub fn parse(body: &[u8], continued: Option<&Id>) -> Option<Accepted> {
        let body = json::parse_leniently(body)?;
        let job = json::member(&body, "job_info");
        // One page of the vendor's shows the conversation's id inside `job_info`.
        let conversation_id = id(&body, "conversation_id")
            .or_else(|| id(job?, "conversation_id"))
            .or_else(|| continued.cloned());
        if json::is_true(&body, "queued_mid_run") {
            return conversation_id.map(Accepted::Queued);
        }
        // A tool's reply has the ids at the top.
        let ids = job.unwrap_or(&body);
        let run_id = RunId {
            studio_id: id(ids, "studio_id")?,
            job_id: id(ids, "job_id")?,
        };
        let state = json::text(&body, "state").and_then(|word| TaskState::of_new_run(&word));
        Some(Accepted::Started(StartedRun {
            run_id: Some(run_id),
            conversation_id,
            state,
        }))
    }

    /// What is known of the run.
    pub fn into_run(self) -> StartedRun {
        match self {
            Accepted::Started(run) => run,
            Accepted::Queued(conversation_id) => StartedRun {
                run_id: None,
                conversation_id: Some(conversation_id),
                state: None,
            },
        }
    }
}

fn id(object: &RawValue, name: &str) -> Option<Id> {
    json::text(object, name)?.parse().ok()
}
