/*! One exchange with the API, as `-v` logs it, and what its failure means. */

use super::retry::{Attempt, Failure};
use crate::api::client::{Client, Reply};
use crate::api::failure::{Refusal, TransportError};
use crate::api::poll::error_text;
use crate::api::replies;
use crate::error::{Cause, Error, Exit};
use crate::session::Session;
use crate::text::redactor::Untrusted;
use serde_json::value::RawValue;

/// The API, and the session that logs each exchange with it.
pub struct Api<'a> {
    pub client: Client,
    pub session: &'a Session,
}

/// What a request was about, for the advice that a rejection comes with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The token, which `--check` asks about.
    Token,
    Agent,
    Tool,
    Run,
    Task,
    Upload,
}

impl Api<'_> {
    /// Where requests go, for messages.
    pub fn host(&self) -> String {
        self.client.route.describe()
    }

    /// `GET` of a path below the base URL. `name` is what the log calls it.
    pub fn get(&self, name: &str, path: &str) -> Result<Reply, TransportError> {
        self.log_request("GET", path, b"");
        let reply = self.client.get(path)?;
        self.log_reply(name, &reply, "");
        Ok(reply)
    }

    /// `POST` of a question.
    pub fn post(&self, name: &str, path: &str, body: &[u8]) -> Result<Reply, TransportError> {
        self.log_request("POST", path, body);
        let reply = self.client.post(path, body)?;
        self.log_reply(name, &reply, "");
        Ok(reply)
    }

    /// Logs what is sent, with `-vv`.
    pub fn log_request(&self, method: &str, path: &str, body: &[u8]) {
        let redactor = &self.session.redactor;
        self.session.stderr.trace(|| {
            format!(
                "sent: {method} {} {}",
                self.client.url_of(path),
                redactor.transcribe(body)
            )
        });
    }

    /// Logs a reply, and with `-vv` also its body. `more` is what is known of it beside.
    pub fn log_reply(&self, name: &str, reply: &Reply, more: &str) {
        let redactor = &self.session.redactor;
        let size = reply.body.len();
        self.session.stderr.log(|| {
            let seconds = reply.took.as_secs_f64();
            let id = match &reply.request_id {
                Some(id) if !reply.is_success() => format!(", request id {}", redactor.quote(id)),
                _ => String::new(),
            };
            format!(
                "{name}: {} in {seconds:.3} s, {size} bytes{more}{id}",
                reply.status
            )
        });
        self.session.stderr.trace(|| {
            format!(
                "received: {size} bytes: {}",
                redactor.transcribe(&reply.body)
            )
        });
    }

    /// That no reply arrived: worth another attempt, unless the server is not to be trusted.
    pub fn unreachable(&self, why: &TransportError) -> Failure {
        let reason = self.session.redactor.quote(&why.reason());
        let mut error = Error::unreachable(match why {
            TransportError::Refused(Refusal::Lookup { .. }) => reason,
            _ => format!("cannot reach {}: {reason}", self.host()),
        });
        if let Some(advice) = why.advice(&self.client.route) {
            error = error.next(advice);
        }
        Failure::of(error, why.is_transient())
    }

    /// The same of a run that was started: what became of it is unknown.
    pub fn no_reply(&self, why: &TransportError) -> Failure {
        let error = Error::unknown(self.session.redactor.quote(&why.reason()));
        // Without enough memory the same reply would be as large next time.
        Failure::of(error, !matches!(why, TransportError::OutOfMemory))
    }

    /// The status of a reply that is no use, what the API said with it, and its request id.
    pub fn status_and_message(&self, reply: &Reply) -> String {
        format!("{}{}", reply.status, self.said(reply))
    }

    /// That a server returned a status that is no use. `who` is the server, `what` was sent to it.
    pub fn returned(&self, who: &str, reply: &Reply, what: &str) -> String {
        format!(
            "{who} returned {} to {what}{}",
            reply.status,
            self.said(reply)
        )
    }

    /// What a server said with a status, and the request id.
    fn said(&self, reply: &Reply) -> String {
        let redactor = &self.session.redactor;
        let mut quoted = String::new();
        let message = redactor.quote(&replies::error_message(&reply.body));
        if !message.is_empty() {
            quoted.push_str(": ");
            quoted.push_str(&message);
        }
        if let Some(id) = &reply.request_id {
            quoted.push_str(&format!(" (request id {})", redactor.quote(id)));
        }
        quoted
    }

    /// The reply as the cause of an error.
    pub fn cause(&self, reply: &Reply) -> Cause {
        let id = reply.request_id.as_ref();
        Cause {
            http_status: reply.status,
            request_id: id.map(|id| self.session.redactor.quote(id)),
        }
    }

    /// The error of a request that the API rejected. `what` was rejected.
    pub fn rejection(&self, exit: Exit, what: &str, reply: &Reply, subject: Subject) -> Error {
        Error::new(
            exit,
            format!(
                "the API rejected {what} with {}",
                self.status_and_message(reply)
            ),
        )
        .next(advice(reply, subject))
        .cause(self.cause(reply))
    }

    /// Sorts the reply to a request that starts nothing: a success is handed on, what may pass is
    /// worth another attempt, anything else is a rejection.
    pub fn expect_success(
        &self,
        what: &str,
        reply: Reply,
        exits: Exits,
        subject: Subject,
    ) -> Attempt<Reply> {
        if reply.is_success() {
            return Ok(reply);
        }
        if is_transient(reply.status) {
            let what = self.returned("the API", &reply, what);
            let error = Error::new(exits.transient, what)
                .next("try again later")
                .cause(self.cause(&reply));
            return Err(Failure::Transient {
                error,
                retry_after: reply.retry_after,
            });
        }
        Err(Failure::Permanent(self.rejection(
            exits.rejected,
            what,
            &reply,
            subject,
        )))
    }

    /// Why a run failed: what its own errors say, else the word that says how it ended.
    pub fn reason(&self, errors: Option<&RawValue>, status: Option<&str>) -> String {
        let text = errors.map(error_text).unwrap_or_default();
        let quoted = self.session.redactor.quote(&text);
        match status {
            _ if !quoted.is_empty() => quoted,
            Some(status) => format!("status {status}"),
            None => "no reason given".to_owned(),
        }
    }

    /// Warns of a word that this program does not know, and that the run is waited for all the
    /// same. `what` says what kind of word it is.
    pub fn warn_of_unknown(&self, what: &str, word: &Untrusted) {
        let word = self.session.redactor.quote(word);
        let message = format!("warning: unknown {what} '{word}'; still waiting");
        self.session.stderr.message(message);
    }

    /// A success that is not what the API answers.
    pub fn unexpected(&self, exit: Exit, reply: &Reply) -> Error {
        let what = format!(
            "unexpected reply from {} ({})",
            self.host(),
            self.status_and_message(reply)
        );
        Error::new(exit, what).next(match captive_portal_hint(reply) {
            Some(hint) => hint.to_owned(),
            None => format!("check {}", self.client.route.host_variable),
        })
    }
}

/// How the command ends where a question is not answered.
#[derive(Clone, Copy)]
pub struct Exits {
    pub transient: Exit,
    pub rejected: Exit,
}

impl Exits {
    /// Before a run is started: whatever goes wrong, nothing was.
    pub const BEFORE_RUN: Exits = Exits {
        transient: Exit::Unreachable,
        rejected: Exit::Rejected,
    };
}

/// Whether an error says that the API rejected a request.
pub fn is_rejection(error: &Error) -> bool {
    error
        .cause
        .as_ref()
        .is_some_and(|cause| !is_transient(cause.http_status))
}

/// A status that says nothing of the request itself.
pub fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

/// What to do about a rejection.
fn advice(reply: &Reply, subject: Subject) -> &'static str {
    match (reply.status, subject) {
        (300..=399, _) => "redirects are not followed, so check RELEVANCE_BASE_URL",
        (400 | 401 | 403, Subject::Upload) => "check that the API key is valid",
        (400 | 401 | 403, Subject::Token) => {
            "check that the API key is valid and that its project and RELEVANCE_REGION match"
        }
        (400 | 401 | 403, _) => {
            "check that the API key is valid and that its project and RELEVANCE_REGION match \
             (relevance-run --check does)"
        }
        (402, _) => "the plan's credits are used up: add credits, or wait for the next period",
        (404, _) if is_html(reply) => "no such path; check that RELEVANCE_BASE_URL ends in /latest",
        (404, Subject::Agent) => "check the id of the agent and RELEVANCE_REGION",
        (404, Subject::Tool) => "check the id of the tool and RELEVANCE_REGION",
        (404, Subject::Run | Subject::Task) => "check the id of the run and RELEVANCE_REGION",
        (409, Subject::Agent) => {
            "the conversation has a run in progress: wait for it, then repeat the command"
        }
        (422, Subject::Agent) => "check the id of the agent, and the fields of --set and --param",
        (422, Subject::Tool) => "check the fields of --param and --set",
        (429, _) => "the plan's rate limit is reached: repeat the command later",
        // A run is there already: to repeat the command would start another one.
        (_, Subject::Run | Subject::Task) => "not retried; fix the cause, then resume the run",
        _ => "not retried; fix the cause and repeat the command",
    }
}

/// What happened, with what to add about a success that the API did not send.
pub fn with_portal_hint(what: String, reply: &Reply) -> String {
    match captive_portal_hint(reply) {
        Some(hint) => format!("{what}; {hint}"),
        None => what,
    }
}

fn captive_portal_hint(reply: &Reply) -> Option<&'static str> {
    is_html(reply).then_some(
        "this is a web page, not the API: check for a captive portal or proxy login page, and \
         check RELEVANCE_BASE_URL",
    )
}

fn is_html(reply: &Reply) -> bool {
    reply.body.trim_ascii_start().starts_with(b"<")
}
