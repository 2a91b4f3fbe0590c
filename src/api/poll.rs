/*! The poll: where a run stands, how it ended, and the answer in its output. */

use super::ids::RunId;
use super::json;
use crate::text::redactor::Untrusted;
use serde_json::value::RawValue;

/// How a run ended, by the update that says so; all as the server sent it.
#[derive(Debug)]
pub enum Ending {
    /// With the run's `output`.
    Success(Box<RawValue>),
    Failure(Failure),
}

/// A run that failed.
#[derive(Debug, Default)]
pub struct Failure {
    /// The run's errors, if it names any; see [`error_text`].
    pub errors: Option<Box<RawValue>>,
    /// `failed` or `cancelled`, where the output says so.
    pub status: Option<&'static str>,
    pub output: Option<Box<RawValue>>,
}

/// Where a run stands.
#[derive(Debug)]
pub enum PollState {
    Running,
    Ended(Ending),
    /// It is over, by this word, and the list of updates does not say how it ended.
    OverWithoutEnding(&'static str),
    /// A `type` that is not known.
    Unknown(Untrusted),
}

/// The reply to a poll.
#[derive(Debug)]
pub struct Poll {
    pub state: PollState,
    /// The top-level `type` as it was sent, for the log.
    pub kind: Untrusted,
    /// How many updates the reply lists.
    pub updates: usize,
}

impl Poll {
    /// `on_update` is called with the number, from 0, and the type of each update that is listed.
    /// Errors: what the body is instead of a JSON object.
    pub fn parse(body: &[u8], mut on_update: impl FnMut(usize, &str)) -> Result<Poll, String> {
        let body: &RawValue = serde_json::from_slice(body).map_err(|why| why.to_string())?;
        if !body.get().starts_with('{') {
            return Err("not a JSON object".to_owned());
        }
        let mut updates = 0;
        let mut last = LastUpdates::default();
        json::for_each(json::member(body, "updates"), |update| {
            let kind = json::text(update, "type").unwrap_or_default();
            on_update(updates, &kind);
            updates += 1;
            last.note(&kind, update);
        });
        let kind = json::text(body, "type").unwrap_or_default();
        let over = over_word(&kind);
        let state = match (last.ending(over.is_some()), over, kind.as_str()) {
            (Some(ending), _, _) => PollState::Ended(ending),
            (None, Some(word), _) => PollState::OverWithoutEnding(word),
            // `timeout` means that the server held the poll and has nothing new.
            (None, None, "inprogress" | "timeout") => PollState::Running,
            (None, None, unknown) => PollState::Unknown(Untrusted(unknown.to_owned())),
        };
        Ok(Poll {
            state,
            kind: Untrusted(kind),
            updates,
        })
    }
}

/// The path of a poll. Left out, `ending_update_only` is true.
pub fn poll_path(run_id: &RunId, is_full: bool) -> String {
    let RunId { studio_id, job_id } = run_id;
    let is_short = !is_full;
    format!("/studios/{studio_id}/async_poll/{job_id}?ending_update_only={is_short}")
}

/// The types that say that a run is over.
fn over_word(kind: &str) -> Option<&'static str> {
    ["complete", "failed", "cancelled"]
        .into_iter()
        .find(|word| *word == kind)
}

/// The last update of each sort that can end a run.
#[derive(Default)]
struct LastUpdates<'a> {
    success: Option<&'a RawValue>,
    failure: Option<&'a RawValue>,
    /// Of another type, and with errors.
    with_errors: Option<&'a RawValue>,
}

impl<'a> LastUpdates<'a> {
    fn note(&mut self, kind: &str, update: &'a RawValue) {
        match kind {
            "chain-success" => self.success = Some(update),
            "chain-fail" => self.failure = Some(update),
            _ if errors_of(update).is_some() => self.with_errors = Some(update),
            _ => {}
        }
    }

    /// A success counts before a failure that was overcome. An update of another type ends the run
    /// only where the run is over: `chain-error` and `chain-failed` are in nobody's document.
    fn ending(&self, is_over: bool) -> Option<Ending> {
        if let Some(update) = self.success {
            return Some(success_or_failure(update));
        }
        let update = self.failure.or(self.with_errors.filter(|_| is_over))?;
        Some(Ending::Failure(Failure {
            errors: errors_of(update).map(ToOwned::to_owned),
            status: None,
            output: json::member(update, "output").map(ToOwned::to_owned),
        }))
    }
}

/// A `chain-success` whose output says that it failed is a failure.
fn success_or_failure(update: &RawValue) -> Ending {
    let output = json::member(update, "output");
    let status = output
        .and_then(|output| json::text(output, "status"))
        .unwrap_or_default();
    match ["failed", "cancelled"]
        .into_iter()
        .find(|word| *word == status)
    {
        None => Ending::Success(output.unwrap_or(RawValue::NULL).to_owned()),
        Some(status) => Ending::Failure(Failure {
            errors: errors_of(update).map(ToOwned::to_owned),
            status: Some(status),
            output: output.map(ToOwned::to_owned),
        }),
    }
}

/// The errors of an update, or of its output, if it names any.
fn errors_of(update: &RawValue) -> Option<&RawValue> {
    let own = json::member(update, "errors");
    let errors = own.or_else(|| json::path(update, &["output", "errors"]))?;
    Some(errors).filter(|errors| json::is_filled_list(errors))
}

/// A run's errors as text: for each, its step and category where given, then its body, or what was
/// sent instead of one.
pub fn error_text(errors: &RawValue) -> Untrusted {
    let mut joined = String::new();
    json::for_each(Some(errors), |error| {
        if !joined.is_empty() {
            joined.push_str("; ");
        }
        let step = json::text(error, "step_name");
        let category = json::text(error, "category");
        let place = match (step, category) {
            (Some(step), Some(category)) => format!("{step} ({category}): "),
            (Some(place), None) | (None, Some(place)) => format!("{place}: "),
            (None, None) => String::new(),
        };
        joined.push_str(&place);
        joined.push_str(json::text(error, "body").as_deref().unwrap_or(error.get()));
    });
    Untrusted(joined)
}

/// The answer in a successful run's `output`: text as the agent wrote it, or a structured result as
/// JSON.
pub fn answer(output: &RawValue) -> String {
    let inner = json::member(output, "output");
    inner
        .and_then(|inner| json::text(inner, "answer"))
        .or_else(|| json::text(output, "answer"))
        .or_else(|| last_message(inner?))
        .unwrap_or_else(|| text_or_json(inner.unwrap_or(output)))
}

/// The result of a tool: its outputs, unchanged.
pub fn tool_result(output: &RawValue) -> String {
    text_or_json(json::member(output, "output").unwrap_or(output))
}

fn text_or_json(value: &RawValue) -> String {
    json::as_text(value).unwrap_or_else(|| value.get().to_owned())
}

/// The message of the last `history_items` entry of the role `ai`.
fn last_message(output: &RawValue) -> Option<String> {
    let mut last = None;
    json::for_each(json::member(output, "history_items"), |item| {
        if json::text(item, "role").as_deref() == Some("ai") {
            last = Some(item);
        }
    });
    json::text(last?, "message")
}
