/*!
What the command came to, and how it is told: the answer, the JSON object, the messages.
*/

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::exit::{Error, Exit};
use crate::api::token::Token;
use crate::api::wire::{self, Id, Run};

/// What went well.
pub enum Outcome {
    /// With `--no-wait`: the run is on.
    Started,
    /// The `output` of the run's ending update.
    Answered(Box<RawValue>),
    /// A line that is all there is to tell: the result of `--check`.
    Line(String),
}

/// What is known of the run, whatever the outcome.
#[derive(Clone, Default)]
pub struct Facts {
    pub agent_id: Option<Id>,
    pub conversation_id: Option<Id>,
    pub run: Option<Run>,
    /// What the trigger said of the run; cleaned.
    pub state: Option<String>,
    /// The web page of the run, or of its agent as long as the run is not known.
    pub page: Option<String>,
    /// Polls begun.
    pub polls: u64,
}

impl Facts {
    /// Where a person can look.
    pub fn place_to_look(&self) -> &str {
        self.page.as_deref().unwrap_or("the agent's page in the web app")
    }

    /// What to do when a trigger may have reached the API.
    pub fn may_have_started(&self) -> String {
        let page = self.place_to_look();
        format!("the run may have been started, so look at {page} before you run it again")
    }

    /// What to say of an error: what happened, and how to take a run up that may be on.
    pub fn words(&self, error: &Error) -> Vec<String> {
        let mut first = error.message.clone();
        if let (Some(_), Some(page)) = (&self.run, &self.page)
            && !first.contains(page.as_str())
        {
            first = format!("{first}; see {page}");
        }
        let mut words = vec![first];
        // A run that the API does not know cannot be resumed.
        let is_unknown = error.exit == Exit::Refused && error.http_status == Some(404);
        if error.exit != Exit::Failed && !is_unknown {
            words.extend(self.resume_line());
        }
        words
    }

    /// The line that takes the run up again.
    pub fn resume_line(&self) -> Option<String> {
        let run = self.run.as_ref()?.to_string();
        // An id may begin like an option.
        let separator = if run.starts_with('-') { '=' } else { ' ' };
        Some(format!("resume with: relevance-run --resume{separator}{run}"))
    }
}

/// The object that `--json` prints, whatever the outcome; absent values are null.
#[derive(Serialize)]
struct Object<'a> {
    status: &'a str,
    exit_code: u8,
    agent_id: Option<&'a Id>,
    conversation_id: Option<&'a Id>,
    studio_id: Option<&'a Id>,
    job_id: Option<&'a Id>,
    page: Option<&'a str>,
    state: Option<&'a str>,
    answer: Option<&'a str>,
    output: Option<&'a RawValue>,
    error: Option<ErrorObject<'a>>,
    elapsed_seconds: f64,
    polls: u64,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    http_status: Option<u16>,
    details: Option<&'a RawValue>,
}

/// Writes the result as it is told without `--json`.
pub fn write_plain(out: &mut dyn Write, outcome: &Outcome, facts: &Facts, token: Option<&Token>) -> io::Result<()> {
    match outcome {
        Outcome::Answered(output) => {
            let answer = wire::answer(output);
            out.write_all(plain(&answer, token).as_bytes())?;
        }
        Outcome::Line(line) => out.write_all(line.as_bytes())?,
        Outcome::Started => {
            facts.run.iter().try_for_each(|run| write!(out, "{run}"))?;
        }
    }
    out.write_all(b"\n")
}

/// Writes the JSON object.
pub fn write_json(
    out: &mut dyn Write,
    outcome: Result<&Outcome, &Error>,
    facts: &Facts,
    token: Option<&Token>,
    elapsed: Duration,
) -> io::Result<()> {
    let (output, error) = match outcome {
        Ok(Outcome::Answered(output)) => (Some(output), None),
        Ok(_) => (None, None),
        Err(error) => (error.output.as_ref(), Some(error)),
    };
    let details = error.and_then(|error| error.details.as_ref());
    let [details, shown] = [details, output].map(|value| value.map(|value| redact(value, token)));
    let answer = match outcome {
        Ok(Outcome::Answered(output)) => Some(wire::answer(output)),
        _ => None,
    };
    let answer = answer.as_deref().map(|answer| plain(answer, token));
    let message = error.map(|error| plain(&error.message, token));
    let exit = error.map_or(Exit::Success, |error| error.exit);
    let object = Object {
        status: match outcome {
            Ok(Outcome::Started) => "started",
            _ => exit.status(),
        },
        exit_code: exit.code(),
        agent_id: facts.agent_id.as_ref(),
        conversation_id: facts.conversation_id.as_ref(),
        studio_id: facts.run.as_ref().map(|run| &run.studio_id),
        job_id: facts.run.as_ref().map(|run| &run.job_id),
        page: facts.page.as_deref().filter(|_| facts.run.is_some()),
        state: facts.state.as_deref(),
        answer: answer.as_deref(),
        output: shown.as_deref(),
        error: message.as_deref().map(|message| ErrorObject {
            message,
            http_status: error.and_then(|error| error.http_status),
            details: details.as_deref(),
        }),
        elapsed_seconds: (elapsed.as_secs_f64() * 10.0).round() / 10.0,
        polls: facts.polls,
    };
    serde_json::to_writer(&mut *out, &object)?;
    out.write_all(b"\n")
}

/// `text` without the key in it.
fn plain<'a>(text: &'a str, token: Option<&Token>) -> Cow<'a, str> {
    token.map_or(Cow::Borrowed(text), |token| token.redact(text))
}

/// `value` without the key in it; nearly always that is the value itself.
fn redact<'a>(value: &'a RawValue, token: Option<&Token>) -> Cow<'a, RawValue> {
    match token.map(|token| token.redact(value.get())) {
        Some(Cow::Owned(text)) => Cow::Owned(RawValue::from_string(text).unwrap_or(RawValue::NULL.to_owned())),
        _ => Cow::Borrowed(value),
    }
}
