/*! The result, as text or as the JSON object. */

use crate::api::poll;
use crate::error::{Error, Exit};
use crate::text::redactor::{Redacted, Redactor};
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
    pub fn text(&self) -> String {
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
#[derive(Default)]
pub struct RunReport {
    pub agent_id: Option<String>,
    pub conversation_id: Option<String>,
    pub studio_id: Option<String>,
    pub job_id: Option<String>,
    pub url: Option<String>,
    /// The task's state as last seen while the run was not over.
    pub state: Option<String>,
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
pub fn write_json(
    out: &mut dyn Write,
    outcome: Result<&Outcome, &Error>,
    run: &RunReport,
    redactor: &Redactor,
) -> io::Result<()> {
    let answer = outcome.ok().and_then(Outcome::answer);
    let message = outcome.err().map(Error::message);
    let run_id = match (&run.studio_id, &run.job_id) {
        (Some(studio_id), Some(job_id)) => Some(format!("{studio_id}/{job_id}")),
        _ => None,
    };
    let failure = outcome.err().and_then(|error| error.run.as_ref());
    let output = match outcome {
        Ok(outcome) => outcome.output(),
        Err(_) => failure.and_then(|failure| failure.output.as_deref()),
    };
    let cause = outcome.err().and_then(|error| error.cause.as_ref());
    let details = failure.and_then(|failure| failure.details.as_deref());
    let exit = outcome.err().map_or(Exit::Success, |error| error.exit);
    let report = Report {
        status: status(outcome),
        exit,
        agent_id: plain(redactor, run.agent_id.as_deref()),
        conversation_id: plain(redactor, run.conversation_id.as_deref()),
        run_id: plain(redactor, run_id.as_deref()),
        studio_id: plain(redactor, run.studio_id.as_deref()),
        job_id: plain(redactor, run.job_id.as_deref()),
        url: plain(redactor, run.url.as_deref()),
        state: plain(redactor, run.state.as_deref()),
        answer: plain(redactor, answer.as_deref()),
        output: output.map(|json| Json::redacted(json, redactor)),
        error: message.as_deref().map(|message| ErrorReport {
            message: redactor.redact(message),
            http_status: cause.map(|cause| cause.http_status),
            request_id: cause
                .and_then(|cause| cause.request_id.as_deref())
                .map(|id| redactor.redact(id)),
            details: details.map(|json| Json::redacted(json, redactor)),
        }),
        elapsed: run.elapsed,
        polls: run.polls,
    };
    serde_json::to_writer(&mut *out, &report)?;
    out.write_all(b"\n")
}

fn plain<'a>(redactor: &Redactor, text: Option<&'a str>) -> Option<Redacted<'a>> {
    text.map(|text| redactor.redact(text))
}

/// What the exit code says, as a word.
fn status(outcome: Result<&Outcome, &Error>) -> &'static str {
    let exit = match outcome {
        Ok(Outcome::Started(_)) => return "started",
        Ok(_) => Exit::Success,
        Err(error) => error.exit,
    };
    match exit {
        Exit::Success => "success",
        Exit::Failed => "failed",
        Exit::Usage => "usage",
        Exit::Rejected => "rejected",
        Exit::Unreachable => "unreachable",
        Exit::Unknown => "unknown",
        Exit::TimedOut => "timeout",
        Exit::Signal(_) => "interrupted",
    }
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
