/*! The request that starts a run: what it sends, the name it carries, and what tells it from
others. */

use super::attached::Attached;
use super::message::{read_fields, read_message};
use super::origin::{Kind, MessageDigest, Name, Origin};
use crate::api::ids::Id;
use crate::api::time::Millis;
use crate::api::trigger::{AgentRequest, Attachment, Field, ToolRequest};
use crate::cli::args::{TriggerArgs, Work};
use crate::config::settings::Settings;
use crate::error::Error;
use crate::session::Session;
use crate::session::entry::{Fingerprint, Fingerprinter, hex};
use crate::text::io_reason;
use ring::rand::{SecureRandom, SystemRandom};
use std::io::{self, Write};

/// A request before its files are uploaded.
pub struct Draft {
    work: DraftWork,
    params: Vec<Field>,
    fields: Vec<Field>,
}

/// Whose run it starts.
enum DraftWork {
    Agent {
        agent_id: Id,
        conversation_id: Option<Id>,
        message: String,
        attachments: Vec<Attached>,
    },
    Tool {
        tool_id: Id,
        project: String,
    },
}

/// A request as it is sent.
pub struct Request {
    pub path: String,
    body: Vec<u8>,
    /// The name by which its run can be looked for, if it carries one.
    pub name: Option<Name>,
    /// Where the name begins in the body, if this program added it.
    added_at: Option<usize>,
    pub origin: Origin,
}

impl Draft {
    /// Reads whatever the command line names.
    /// Errors: a usage error: something cannot be read, or sent.
    pub fn read(args: TriggerArgs, settings: &Settings, session: &Session) -> Result<Draft, Error> {
        let work = match args.work {
            Work::Tool(tool_id) => DraftWork::Tool {
                tool_id,
                project: settings.token.project().to_owned(),
            },
            Work::Agent {
                message,
                attachments,
                conversation_id,
            } => {
                let Some(agent_id) = settings.agent_id.clone() else {
                    return Err(Error::usage("no agent"));
                };
                let attachments: Result<Vec<_>, _> =
                    attachments.into_iter().map(Attached::open).collect();
                let attachments = attachments?;
                let message = read_message(message, session)?;
                DraftWork::Agent {
                    agent_id,
                    conversation_id,
                    message,
                    attachments,
                }
            }
        };
        Ok(Draft {
            work,
            params: read_fields("--param", args.params, session)?,
            fields: read_fields("--set", args.fields, session)?,
        })
    }

    fn write(&self, out: &mut dyn Write, attachments: &[Attachment]) -> io::Result<()> {
        match &self.work {
            DraftWork::Agent {
                agent_id,
                conversation_id,
                message,
                ..
            } => AgentRequest {
                message,
                attachments,
                agent_id,
                conversation_id: conversation_id.as_ref(),
                params: &self.params,
                fields: &self.fields,
            }
            .write(out),
            DraftWork::Tool { project, .. } => ToolRequest {
                project,
                params: &self.params,
                fields: &self.fields,
            }
            .write(out),
        }
    }

    /// What tells this request from others: the API, the body, and the contents of attached files.
    /// Errors: `Unreachable`: a file cannot be read, or changed.
    pub fn fingerprint(&self, api: &str, session: &Session) -> Result<Fingerprint, Error> {
        let mut fingerprinter = Fingerprinter::new();
        let written =
            writeln!(fingerprinter, "{api}").and_then(|()| self.write(&mut fingerprinter, &[]));
        written.map_err(|why| not_json(&why))?;
        for attached in self.attachments() {
            let digest = attached.digest(session)?;
            fingerprinter
                .write_all(&digest)
                .map_err(|why| not_json(&why))?;
        }
        Ok(fingerprinter.finish())
    }

    pub fn attachments(&self) -> &[Attached] {
        match &self.work {
            DraftWork::Agent { attachments, .. } => attachments,
            DraftWork::Tool { .. } => &[],
        }
    }

    /// The name that the user gave the run with `--set`, if it is text.
    fn own_name(&self) -> Option<Name> {
        let key = self.name_key();
        let field = self.fields.iter().find(|field| field.key == key)?;
        let value = serde_json::from_str(field.value.get()).ok()?;
        Some(Name {
            key,
            value,
            is_users: true,
        })
    }

    fn is_named_by_user(&self) -> bool {
        let key = self.name_key();
        self.fields.iter().any(|field| field.key == key)
    }

    fn name_key(&self) -> &'static str {
        match self.work {
            DraftWork::Agent { .. } => "external_id",
            DraftWork::Tool { .. } => "job_id",
        }
    }

    /// The name that the request is to carry, if it needs one of its own: a continued conversation
    /// and a name of the user's serve as well.
    /// Errors: the system has no randomness.
    pub fn new_name(&self) -> Result<Option<String>, Error> {
        let is_continued = matches!(
            &self.work,
            DraftWork::Agent {
                conversation_id: Some(_),
                ..
            }
        );
        if is_continued || self.is_named_by_user() {
            return Ok(None);
        }
        let mut bytes = [0; 16];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Error::unreachable("the system gives no random numbers"))?;
        Ok(Some(hex(&bytes)))
    }

    /// Whose run it is. `began_at` is when the command began that sent it.
    pub fn origin(&self, began_at: Option<Millis>) -> Origin {
        match &self.work {
            DraftWork::Agent {
                agent_id,
                conversation_id,
                message,
                ..
            } => Origin {
                kind: Kind::Agent {
                    agent_id: agent_id.clone(),
                    continued: conversation_id.clone(),
                    is_new: conversation_id.is_none() && !self.is_named_by_user(),
                },
                message: Some(MessageDigest::of(message)),
                began_at,
            },
            DraftWork::Tool { tool_id, .. } => Origin {
                kind: Kind::Tool(tool_id.clone()),
                message: None,
                began_at,
            },
        }
    }

    /// The name by which the run can be looked for: the user's, or this one.
    pub fn name(&self, new_name: Option<String>) -> Option<Name> {
        let own = || {
            Some(Name {
                key: self.name_key(),
                value: new_name?,
                is_users: false,
            })
        };
        self.own_name().or_else(own)
    }

    /// The request as it is sent. `new_name` is the name that this program gives the run.
    pub fn into_request(
        self,
        attachments: &[Attachment],
        new_name: Option<String>,
        began_at: Millis,
    ) -> Result<Request, Error> {
        let path = match &self.work {
            DraftWork::Agent { .. } => "/agents/trigger".to_owned(),
            DraftWork::Tool { tool_id, .. } => format!("/studios/{tool_id}/trigger_async"),
        };
        let mut body = Vec::new();
        self.write(&mut body, attachments)
            .map_err(|why| not_json(&why))?;
        let added_at = new_name.as_ref().map(|value| {
            // In the place of the brace that ends the body.
            body.pop();
            let at = body.len();
            body.extend_from_slice(format!(r#","{}":"{value}"}}"#, self.name_key()).as_bytes());
            at
        });
        Ok(Request {
            path,
            body,
            name: self.name(new_name),
            added_at,
            origin: self.origin(Some(began_at)),
        })
    }
}

impl Request {
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The member of the body that this program added, if it did.
    pub fn added_key(&self) -> Option<&'static str> {
        let name = self.name.as_ref()?;
        self.added_at.map(|_| name.key)
    }

    /// Takes the name that this program added out of the request.
    pub fn drop_name(&mut self) {
        if let Some(at) = self.added_at.take() {
            self.name = None;
            self.body.truncate(at);
            self.body.push(b'}');
        }
    }
}

fn not_json(why: &io::Error) -> Error {
    Error::usage(format!(
        "the request cannot be written as JSON: {}",
        io_reason(why)
    ))
}
