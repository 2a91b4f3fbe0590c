/*!
What goes over the wire and comes back, as types: pure, and hostile until parsed.

Only what is used is named, and whatever else a reply holds is tolerated. A member of the wrong type counts as absent.
Results are carried as raw JSON, so that no number is rounded and no key reordered on the way through.
*/

use std::fmt;
use std::str::FromStr;

use serde::de::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The longest id (the vendor's schema).
const MAX_ID_LENGTH: usize = 240;

/// An id of the API: 1 to 240 letters, digits, `.`, `_` and `-`, so that it is safe inside a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(String);

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Id, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        match text {
            "" => Err("is empty"),
            // Path segments that a URL parser would resolve away.
            "." | ".." => Err("is not an id"),
            _ if text.len() > MAX_ID_LENGTH => Err("is longer than the 240 characters of an id"),
            _ if !text.bytes().all(allowed) => {
                Err("has a character other than the letters, digits, '.', '_' and '-' of an id")
            }
            _ => Ok(Id(text.to_owned())),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A started run: what the trigger answers, and all that is needed to wait for it. Shown as `STUDIO_ID/JOB_ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub studio_id: Id,
    pub job_id: Id,
}

impl FromStr for Run {
    type Err = String;

    fn from_str(text: &str) -> Result<Run, Self::Err> {
        let (studio_id, job_id) = text.split_once('/').ok_or("has no '/' between the two ids")?;
        let id = |name: &str, text: &str| text.parse().map_err(|why| format!("{name} {why}"));
        Ok(Run { studio_id: id("STUDIO_ID", studio_id)?, job_id: id("JOB_ID", job_id)? })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.studio_id, self.job_id)
    }
}

/// The body of the trigger.
pub struct TriggerRequest<'a> {
    pub message: &'a str,
    pub agent_id: &'a Id,
    pub conversation_id: Option<&'a Id>,
    /// Further top-level fields, in the order given.
    pub fields: &'a [(String, Box<RawValue>)],
}

impl Serialize for TriggerRequest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Message<'a> {
            role: &'a str,
            content: &'a str,
        }
        let mut body = serializer.serialize_map(None)?;
        let message = Message { role: "user", content: self.message };
        body.serialize_entry("message", &message)?;
        body.serialize_entry("agent_id", self.agent_id)?;
        if let Some(conversation_id) = self.conversation_id {
            body.serialize_entry("conversation_id", conversation_id)?;
        }
        for (key, value) in self.fields {
            body.serialize_entry(key, value)?;
        }
        body.end()
    }
}

/// What the trigger answered.
pub struct Triggered {
    pub run: Run,
    pub conversation_id: Option<Id>,
    /// Where the run stood at once: `running`, `queued-for-approval` and the like.
    pub state: Option<String>,
}

impl Triggered {
    /// `None` if the body does not name the run, whose state is then unknown.
    pub fn parse(body: &[u8]) -> Option<Triggered> {
        #[derive(serde::Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            job_info: &'a RawValue,
            #[serde(borrow)]
            conversation_id: Option<&'a RawValue>,
            #[serde(borrow)]
            state: Option<&'a RawValue>,
        }
        #[derive(serde::Deserialize)]
        struct JobInfo<'a> {
            studio_id: String,
            job_id: String,
            #[serde(borrow)]
            conversation_id: Option<&'a RawValue>,
        }
        let body: Body = object(serde_json::from_slice(body).ok())?;
        let job: JobInfo = object(Some(body.job_info))?;
        // One page of the vendor's shows the conversation's id inside `job_info`.
        let conversation_id = [body.conversation_id, job.conversation_id]
            .into_iter()
            .find_map(|id| read::<String>(id)?.parse().ok());
        Some(Triggered {
            run: Run { studio_id: job.studio_id.parse().ok()?, job_id: job.job_id.parse().ok()? },
            conversation_id,
            state: read(body.state),
        })
    }
}

/// Where a run stands, by the top-level `type` of a poll's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `inprogress`, or `timeout`: nothing new within the server's own budget.
    Running,
    /// `complete`, `failed` or `cancelled`.
    Over,
    /// Anything else, or nothing.
    Unheard,
}

/// How a run ended, by the update that says so.
#[derive(Debug)]
pub enum Ending {
    Success {
        /// A text as the agent wrote it, or a structured result as JSON.
        answer: String,
        output: Box<RawValue>,
    },
    Failure {
        /// What the run says went wrong; may be empty.
        message: String,
        details: Option<Box<RawValue>>,
        output: Option<Box<RawValue>>,
    },
}

/// What a poll answered.
#[derive(Debug)]
pub struct Poll {
    /// The top-level `type` as it was sent; empty where there is none.
    pub kind: String,
    pub phase: Phase,
    pub ending: Option<Ending>,
    /// How many updates the reply lists.
    pub updates: usize,
    /// The types of those after the first `seen`.
    pub fresh: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Update<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

#[derive(Default, serde::Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    answer: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

impl Poll {
    /// The reply of a poll; `seen` updates are known already and not listed again.
    ///
    /// # Errors
    /// What the body is instead of a JSON object.
    pub fn parse(body: &[u8], seen: usize) -> Result<Poll, String> {
        #[derive(serde::Deserialize)]
        struct Body<'a> {
            #[serde(rename = "type", borrow)]
            kind: Option<&'a RawValue>,
            #[serde(borrow)]
            updates: Option<&'a RawValue>,
        }
        let body: &RawValue = serde_json::from_slice(body).map_err(|why| why.to_string())?;
        let body: Body = object(Some(body)).ok_or("it is no JSON object of a known form")?;
        let updates: Vec<&RawValue> = read(body.updates).unwrap_or_default();
        let mut fresh = Vec::new();
        let (mut success, mut failure) = (None, None);
        for (index, update) in updates.iter().enumerate() {
            let Some(update) = object::<Update>(Some(update)) else {
                continue;
            };
            let kind: String = read(update.kind).unwrap_or_default();
            match kind.as_str() {
                "chain-success" => success = Some(update),
                "chain-fail" => failure = Some(update),
                _ => {}
            }
            if index >= seen {
                fresh.push(kind);
            }
        }
        let kind: String = read(body.kind).unwrap_or_default();
        Ok(Poll {
            phase: match kind.as_str() {
                "inprogress" | "timeout" => Phase::Running,
                "complete" | "failed" | "cancelled" => Phase::Over,
                _ => Phase::Unheard,
            },
            kind,
            // The last of a kind counts, and a success counts before a failure that was overcome.
            ending: success.map(Ending::of_success).or(failure.map(Ending::of_failure)),
            updates: updates.len(),
            fresh,
        })
    }
}

impl Ending {
    fn of_success(update: Update) -> Ending {
        let output: Output = object(update.output).unwrap_or_default();
        let status: String = read(output.status).unwrap_or_default();
        if status == "failed" || status == "cancelled" {
            return Ending::failure(&update, &output, format!("its status is {status}"));
        }
        let inner: Output = object(output.output).unwrap_or_default();
        let whole = output.output.or(update.output);
        let answer = read(inner.answer)
            .or_else(|| read(output.answer))
            .unwrap_or_else(|| whole.map_or("null", RawValue::get).to_owned());
        Ending::Success { answer, output: update.output.unwrap_or(RawValue::NULL).to_owned() }
    }

    fn of_failure(update: Update) -> Ending {
        let output: Output = object(update.output).unwrap_or_default();
        Ending::failure(&update, &output, String::new())
    }

    /// `otherwise` is said where the update names no error.
    fn failure(update: &Update, output: &Output, otherwise: String) -> Ending {
        let details = update.errors.or(output.errors);
        let message = details.map(error_text).filter(|text| !text.is_empty());
        Ending::Failure {
            message: message.unwrap_or(otherwise),
            details: details.map(ToOwned::to_owned),
            output: update.output.map(ToOwned::to_owned),
        }
    }
}

/// The `body` texts of a run's errors; where they have none, what was sent instead.
fn error_text(errors: &RawValue) -> String {
    #[derive(serde::Deserialize)]
    struct RunError {
        body: String,
    }
    let listed: Vec<&RawValue> = read(Some(errors)).unwrap_or_default();
    let texts: Vec<String> = listed
        .into_iter()
        .map(|error| match object::<RunError>(Some(error)) {
            Some(error) => error.body,
            None => error.get().to_owned(),
        })
        .collect();
    texts.join("; ")
}

/// The `message` of the API's error envelope, else the body as it is.
pub fn refusal_text(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Envelope {
        message: String,
    }
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

/// A member as a `T`, or `None` where it is absent or something else.
fn read<'a, T: Deserialize<'a>>(member: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}

/// A member as a `T` that is an object. On its own serde would take a list too, by position.
fn object<'a, T: Deserialize<'a>>(member: Option<&'a RawValue>) -> Option<T> {
    read(member.filter(|raw| raw.get().starts_with('{')))
}
