/*! What the command came to, and how it is told: the answer, the JSON object, the messages. */

use super::exit::{Error, Exit};
use crate::api::{token::Token, wire, wire::Id, wire::Run};
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::{borrow::Cow, time::Duration};

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
}

impl Facts {
    /// Where a person can look.
    pub fn place_to_look(&self) -> &str {
        self.page
            .as_deref()
            .unwrap_or("the agent's page in the web app")
    }

    /// What to do when a trigger may have reached the API.
    pub fn may_have_started(&self) -> String {
        format!(
            "the run may have been started, so look at {} before you run it again",
            self.place_to_look()
        )
    }

    /// What to say of an error: what happened, and how to take a run up that may be on.
    pub fn words(&self, error: &Error) -> Vec<String> {
        let page = self
            .page
            .as_deref()
            .filter(|page| self.run.is_some() && !error.message.contains(page));
        let mut words = vec![
            error.message.clone() + &page.map(|page| format!("; see {page}")).unwrap_or_default(),
        ];
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
        Some(format!(
            "resume with: relevance-run --resume{separator}{run}"
        ))
    }
}

/// Writes the result as it is told without `--json`.
pub fn write_plain(
    out: &mut dyn Write,
    outcome: &Outcome,
    facts: &Facts,
    token: Option<&Token>,
) -> io::Result<()> {
    match outcome {
        Outcome::Answered(output) => {
            out.write_all(plain(&wire::answer(output), token).as_bytes())?
        }
        Outcome::Line(line) => out.write_all(line.as_bytes())?,
        Outcome::Started => facts.run.iter().try_for_each(|run| write!(out, "{run}"))?,
    }
    out.write_all(b"\n")
}

/// Writes the JSON object, which has the same members whatever the outcome; absent values are null.
pub fn write_json(
    out: &mut dyn Write,
    outcome: Result<&Outcome, &Error>,
    facts: &Facts,
    token: Option<&Token>,
    elapsed: Duration,
    polls: u64,
) -> io::Result<()> {
    #[derive(serde::Serialize)]
    struct ErrorObject<'a> {
        message: Cow<'a, str>,
        http_status: Option<u16>,
        details: Option<Cow<'a, RawValue>>,
    }
    let exit = outcome.err().map_or(Exit::Success, |error| error.exit);
    let (status, output) = match outcome {
        Ok(Outcome::Started) => ("started", None),
        Ok(Outcome::Line(_)) => ("success", None),
        Ok(Outcome::Answered(output)) => ("success", Some(output)),
        Err(Error {
            exit: Exit::Failed,
            output,
            ..
        }) => ("failed", output.as_ref()),
        Err(Error {
            exit: Exit::TimedOut,
            ..
        }) => ("timeout", None),
        Err(_) => ("error", None),
    };
    let answer = output
        .filter(|_| outcome.is_ok())
        .map(|output| wire::answer(output));
    let error = outcome.err().map(|error| ErrorObject {
        message: plain(&error.message, token),
        http_status: error.http_status,
        details: error.details.as_ref().map(|details| redact(details, token)),
    });
    let mut json = serde_json::Serializer::new(&mut *out);
    let mut object = json.serialize_map(None)?;
    object.serialize_entry("status", status)?;
    object.serialize_entry("exit_code", &exit.code())?;
    object.serialize_entry("agent_id", &facts.agent_id)?;
    object.serialize_entry("conversation_id", &facts.conversation_id)?;
    object.serialize_entry("studio_id", &facts.run.as_ref().map(|run| &run.studio_id))?;
    object.serialize_entry("job_id", &facts.run.as_ref().map(|run| &run.job_id))?;
    object.serialize_entry("page", &facts.page.as_ref().filter(|_| facts.run.is_some()))?;
    object.serialize_entry("state", &facts.state)?;
    object.serialize_entry(
        "answer",
        &answer.as_deref().map(|answer| plain(answer, token)),
    )?;
    object.serialize_entry("output", &output.map(|output| redact(output, token)))?;
    object.serialize_entry("error", &error)?;
    object.serialize_entry(
        "elapsed_seconds",
        &((elapsed.as_secs_f64() * 10.0).round() / 10.0),
    )?;
    object.serialize_entry("polls", &polls)?;
    object.end()?;
    out.write_all(b"\n")
}

/// `text` without the key in it.
fn plain<'a>(text: &'a str, token: Option<&Token>) -> Cow<'a, str> {
    token.map_or(Cow::Borrowed(text), |token| token.redact(text))
}

/// `value` without the key in it; nearly always that is the value itself.
fn redact<'a>(value: &'a RawValue, token: Option<&Token>) -> Cow<'a, RawValue> {
    match plain(value.get(), token) {
        Cow::Owned(text) => {
            Cow::Owned(RawValue::from_string(text).unwrap_or(RawValue::NULL.to_owned()))
        }
        Cow::Borrowed(_) => Cow::Borrowed(value),
    }
}
