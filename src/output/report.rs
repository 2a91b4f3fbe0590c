/*! The result, as text or as the JSON object. */

use crate::api::ids::{Id, RunId};
use crate::api::poll;
use crate::error::{Error, Exit};
use crate::text::redactor::{Redacted, Redactor, Untrusted};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::time::Duration;

/// What went well.
#[derive(Debug)]
pub enum Outcome {
    /// With `--no-wait`: the run was started. Its id, or what else resumes it.
    Started(String),
    /// The `output` of the run's ending update.
    Answered(Box<RawValue>),
    /// The same, of a tool.
    ToolResult(Box<RawValue>),
    /// The answer as the task has it.
    AnsweredInTask(String),
    /// A line that is the whole result, of `--check`.
    Checked(String),
    /// The help or the version.
    Text(&'static str),
}

impl Outcome {
    /// What is printed without `--json`.
    fn text(&self) -> String {
        match self {
            Outcome::Started(text) | Outcome::AnsweredInTask(text) | Outcome::Checked(text) => {
                text.clone()
            }
            Outcome::Answered(output) => poll::answer(output),
            Outcome::ToolResult(output) => poll::tool_result(output),
            Outcome::Text(text) => text.trim_end().to_owned(),
        }
    }

    /// The answer, for `--json`.
    fn answer(&self) -> Option<String> {
        match self {
            Outcome::Answered(_) | Outcome::ToolResult(_) | Outcome::AnsweredInTask(_) => {
                Some(self.text())
            }
            Outcome::Started(_) | Outcome::Checked(_) | Outcome::Text(_) => None,
        }
    }

    fn output(&self) -> Option<&RawValue> {
        match self {
            Outcome::Answered(output) | Outcome::ToolResult(output) => Some(output),
            _ => None,
        }
    }
}

/// What is known of the run, for the JSON object.
pub struct RunReport<'a> {
    pub agent_id: Option<&'a Id>,
    pub conversation_id: Option<&'a Id>,
    pub run_id: Option<&'a RunId>,
    pub url: Option<&'a str>,
    /// The task's state as last seen while the run was not over.
    pub state: Option<&'a Untrusted>,
    pub elapsed: Duration,
    pub polls: u64,
}

/// Writes the result as text.
pub fn write_text(out: &mut dyn Write, outcome: &Outcome, redactor: &Redactor) -> io::Result<()> {
    out.write_all(redactor.redact(&outcome.text()).as_str().as_bytes())?;
    out.write_all(b"\n")
}

/// The JSON object. It has the same members whatever the outcome; absent values are null.
struct Report<'a> {
    status: &'static str,
    exit: Exit,
    agent_id: Option<Redacted<'a>>,
    conversation_id: Option<Redacted<'a>>,
    run_id: Option<Redacted<'a>>,
    studio_id: Option<Redacted<'a>>,
    job_id: Option<Redacted<'a>>,
    url: Option<Redacted<'a>>,
    state: Option<Redacted<'a>>,
    answer: Option<Redacted<'a>>,
    output: Option<Json<'a>>,
    error: Option<ErrorReport<'a>>,
    elapsed: Duration,
    polls: u64,
}

struct ErrorReport<'a> {
    message: Redacted<'a>,
    http_status: Option<u16>,
    request_id: Option<Redacted<'a>>,
    details: Option<Json<'a>>,
}

// By hand, since serde's derive is a tenth of the time of a clean build.
impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tenths = (self.elapsed.as_secs_f64() * 10.0).round();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", self.status)?;
        map.serialize_entry("exit_code", &self.exit.code())?;
        map.serialize_entry("agent_id", &self.agent_id)?;
        map.serialize_entry("conversation_id", &self.conversation_id)?;
        map.serialize_entry("run_id", &self.run_id)?;
        map.serialize_entry("studio_id", &self.studio_id)?;
        map.serialize_entry("job_id", &self.job_id)?;
        map.serialize_entry("url", &self.url)?;
        map.serialize_entry("state", &self.state)?;
        map.serialize_entry("answer", &self.answer)?;
        map.serialize_entry("output", &self.output)?;
        map.serialize_entry("error", &self.error)?;
        map.serialize_entry("elapsed_seconds", &(tenths / 10.0))?;
        map.serialize_entry("polls", &self.polls)?;
        map.end()
    }
}

impl Serialize for ErrorReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("http_status", &self.http_status)?;
        map.serialize_entry("request_id", &self.request_id)?;
        map.serialize_entry("details", &self.details)?;
        map.end()
    }
}

/// Writes the JSON object.
pub fn write_json<'a>(
    out: &mut dyn Write,
    outcome: Result<&Outcome, &Error>,
    run: &RunReport<'a>,
    redactor: &Redactor,
) -> io::Result<()> {
    let exit = outcome.err().map_or(Exit::Success, |error| error.exit);
    let status = match outcome {
        Ok(Outcome::Started(_)) => "started",
        _ => exit.status(),
    };
    let run_id = run.run_id.map(RunId::to_string);
    let answer = outcome.ok().and_then(Outcome::answer);
    let message = outcome.err().map(|error| error.message());
    let cause = outcome.err().and_then(|error| error.cause.as_ref());
    let failure = outcome.err().and_then(|error| error.run.as_ref());
    let output = match outcome {
        Ok(outcome) => outcome.output(),
        Err(_) => failure.and_then(|failure| failure.output.as_deref()),
    };
    let details = failure.and_then(|failure| failure.details.as_deref());
    let text = |text| redactor.redact(text);
    let id = |id: &'a Id| redactor.redact(id.as_str());
    let json = |json| Json::redacted(json, redactor);
    let report = Report {
        status,
        exit,
        agent_id: run.agent_id.map(id),
        conversation_id: run.conversation_id.map(id),
        run_id: run_id.as_deref().map(text),
        studio_id: run.run_id.map(|run_id| id(&run_id.studio_id)),
        job_id: run.run_id.map(|run_id| id(&run_id.job_id)),
        url: run.url.map(text),
        state: run.state.map(|state| text(&state.0)),
        answer: answer.as_deref().map(text),
        output: output.map(json),
        error: message.as_deref().map(|message| ErrorReport {
            message: text(message),
            http_status: cause.map(|cause| cause.http_status),
            request_id: cause
                .and_then(|cause| cause.request_id.as_deref())
                .map(text),
            details: details.map(json),
        }),
        elapsed: run.elapsed,
        polls: run.polls,
    };
    serde_json::to_writer(&mut *out, &report)?;
    out.write_all(b"\n")
}

/// JSON as the server sent it, without the key in it. Nearly always that is the value itself.
struct Json<'a> {
    sent: &'a RawValue,
    redacted: Option<Box<RawValue>>,
}

impl<'a> Json<'a> {
    fn redacted(sent: &'a RawValue, redactor: &Redactor) -> Json<'a> {
        let text = redactor.redact(sent.get());
        let redacted = text.had_key().then(|| {
            let json = RawValue::from_string(text.as_str().to_owned());
            json.unwrap_or_else(|_| RawValue::NULL.to_owned())
        });
        Json { sent, redacted }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.redacted
            .as_deref()
            .unwrap_or(self.sent)
            .serialize(serializer)
    }
}
