/*! What goes over the wire and comes back, as types: pure, and hostile until parsed.

Only what is used is named, and whatever else a reply holds is tolerated. A member of the wrong type counts as absent.
Results are carried as raw JSON, so that no number is rounded and no key reordered on the way through. Lists are read
one item at a time: a list of a million items takes no more memory than its text. */

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::{borrow::Cow, fmt, str::FromStr};

/// The longest id (the vendor's schema).
const MAX_ID_LENGTH: usize = 240;

/// An id of the API: 1 to 240 letters, digits, `.`, `_` and `-`, so that it is safe inside a URL.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
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

/// A started run: what the trigger answers, and all that is needed to wait for it. Shown as `STUDIO_ID/JOB_ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub studio_id: Id,
    pub job_id: Id,
}

impl FromStr for Run {
    type Err = String;

    fn from_str(text: &str) -> Result<Run, Self::Err> {
        let (studio_id, job_id) = text
            .split_once('/')
            .ok_or("has no '/' between the two ids")?;
        let id = |name: &str, text: &str| text.parse().map_err(|why| format!("{name} {why}"));
        Ok(Run {
            studio_id: id("STUDIO_ID", studio_id)?,
            job_id: id("JOB_ID", job_id)?,
        })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.studio_id, self.job_id)
    }
}

/// The body of the trigger, with further top-level `fields` in the order given.
pub fn trigger_request(
    message: &str,
    agent_id: Option<&Id>,
    conversation_id: Option<&Id>,
    fields: &[(String, Box<RawValue>)],
) -> io::Result<Vec<u8>> {
    let mut body = br#"{"message":{"role":"user","content":"#.to_vec();
    serde_json::to_writer(&mut body, message)?;
    body.push(b'}');
    // An id needs no escaping.
    for (name, id) in [("agent_id", agent_id), ("conversation_id", conversation_id)] {
        id.map_or(Ok(()), |id| write!(body, r#","{name}":"{id}""#))?;
    }
    for (key, value) in fields {
        write!(body, ",{}:{value}", serde_json::to_string(key)?)?;
    }
    body.push(b'}');
    Ok(body)
}

pub struct Triggered {
    pub run: Run,
    pub conversation_id: Option<Id>,
    /// Where the run stood at once: `running`, `queued-for-approval` and the like.
    pub state: Option<String>,
}

impl Triggered {
    /// `None` if the body does not name the run, whose state is then unknown.
    pub fn parse(body: &[u8]) -> Option<Triggered> {
        // What names a run is read as far as it can be: a byte order mark, what follows, or what is no text is no harm.
        let body: String = body.utf8_chunks().map(|chunk| chunk.valid()).collect();
        let mut values =
            serde_json::Deserializer::from_str(body.trim_start_matches('\u{feff}')).into_iter();
        let body: &RawValue = values.next()?.ok()?;
        let job = member(body, "job_info")?;
        let id = |object, name| text(object, name)?.parse().ok();
        Some(Triggered {
            run: Run {
                studio_id: id(job, "studio_id")?,
                job_id: id(job, "job_id")?,
            },
            // One page of the vendor's shows the conversation's id inside `job_info`.
            conversation_id: id(body, "conversation_id").or_else(|| id(job, "conversation_id")),
            state: text(body, "state"),
        })
    }
}

/// How a run ended, by the update that says so; all as the server sent it.
#[derive(Debug)]
pub enum Ending {
    /// With the run's `output`.
    Success(Box<RawValue>),
    Failure {
        /// The run's errors, if it names any; see [`error_text`].
        details: Option<Box<RawValue>>,
        /// What there is to say where it names none; may be empty.
        otherwise: String,
        output: Option<Box<RawValue>>,
    },
}

#[derive(Debug)]
pub struct Poll {
    /// The top-level `type` as it was sent; empty where there is none.
    pub kind: String,
    pub ending: Option<Ending>,
    /// How many updates the reply lists.
    pub updates: usize,
}

impl Poll {
    /// The reply of a poll. `on_update` is called with the number, from 0, and the type of each update that it lists.
    /// Errors: what the body is instead of a JSON object.
    pub fn parse(body: &[u8], mut on_update: impl FnMut(usize, &str)) -> Result<Poll, String> {
        let body: &RawValue = serde_json::from_slice(body).map_err(|why| why.to_string())?;
        if !body.get().starts_with('{') {
            return Err("it is no JSON object".to_owned());
        }
        let (mut success, mut failure, mut updates) = (None, None, 0);
        for_each(member(body, "updates"), |update| {
            let kind = text(update, "type").unwrap_or_default();
            on_update(updates, &kind);
            updates += 1;
            match kind.as_str() {
                "chain-success" => success = Some(update),
                "chain-fail" => failure = Some(update),
                _ => {}
            }
        });
        let kind = text(body, "type").unwrap_or_default();
        // The last of a kind counts, and a success counts before a failure that was overcome.
        let ending = success
            .or(failure)
            .map(|update| Ending::of(update, success.is_some()));
        Ok(Poll {
            kind,
            ending,
            updates,
        })
    }
}

impl Ending {
    fn of(update: &RawValue, is_success: bool) -> Ending {
        let output = member(update, "output");
        let otherwise = match output.and_then(|output| text(output, "status")).as_deref() {
            _ if !is_success => String::new(),
            Some(status @ ("failed" | "cancelled")) => format!("its status is {status}"),
            _ => return Ending::Success(output.unwrap_or(RawValue::NULL).to_owned()),
        };
        let details = member(update, "errors").or_else(|| member(output?, "errors"));
        let [details, output] = [details, output].map(|value| value.map(ToOwned::to_owned));
        Ending::Failure {
            details,
            otherwise,
            output,
        }
    }
}

/// The answer in a successful run's `output`: a text as the agent wrote it, or a structured result as JSON.
pub fn answer(output: &RawValue) -> String {
    let inner = member(output, "output");
    inner
        .and_then(|inner| text(inner, "answer"))
        .or_else(|| text(output, "answer"))
        .unwrap_or_else(|| inner.unwrap_or(output).get().to_owned())
}

/// The `body` texts of a run's errors, or what was sent instead of one.
pub fn error_text(errors: &RawValue) -> String {
    let mut joined = String::new();
    for_each(Some(errors), |error| {
        joined.push_str(if joined.is_empty() { "" } else { "; " });
        joined.push_str(text(error, "body").as_deref().unwrap_or(error.get()));
    });
    joined
}

/// The `message` of the API's error envelope, else the body as it is, without what is no text.
pub fn refusal_text(body: &[u8]) -> String {
    let message = json(body).and_then(|body| text(body, "message"));
    message.unwrap_or_else(|| body.utf8_chunks().map(|chunk| chunk.valid()).collect())
}

/// The id, the project and the name of the agent that `GET /agents/{agent_id}/get` tells of.
pub fn agent(body: &[u8]) -> Option<(String, String, Option<String>)> {
    let agent = member(json(body)?, "agent")?;
    Some((
        text(agent, "agent_id")?,
        text(agent, "project")?,
        text(agent, "name"),
    ))
}

/// Whether a body is what `GET /auth/info` answers to a key that is known.
pub fn is_key_info(body: &[u8]) -> bool {
    let has = |body| {
        ["user_id", "key_id", "permissions"]
            .iter()
            .any(|name| member(body, name).is_some())
    };
    json(body).is_some_and(has)
}

fn json(body: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(body).ok()
}

/// A member of an object that is a text.
fn text(object: &RawValue, name: &str) -> Option<String> {
    serde_json::from_str(member(object, name)?.get()).ok()
}

/// A member of an object. Whatever is no object, or has it as null, has none.
fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let mut found = None;
    let find = |key: Option<Cow<str>>, value| {
        found = if key.as_deref() == Some(name) {
            Some(value)
        } else {
            found
        }
    };
    serde_json::Deserializer::from_str(object.get())
        .deserialize_any(Each(find))
        .ok()?;
    found.filter(|value| value.get() != "null")
}

/// Calls `act` with each item of a list, one at a time. Whatever is no list has none.
fn for_each<'a>(list: Option<&'a RawValue>, mut act: impl FnMut(&'a RawValue)) {
    let list = list.map_or("", RawValue::get);
    let item = |key: Option<Cow<str>>, item| key.map_or_else(|| act(item), |_| ());
    // An item that is called for has been read, so what an error would say is known already: there is no more.
    let _ = serde_json::Deserializer::from_str(list).deserialize_any(Each(item));
}

/// Calls its function with each item of a list, or with each member of an object and its name.
struct Each<F>(F);

impl<'a, F: FnMut(Option<Cow<'a, str>>, &'a RawValue)> Visitor<'a> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some((name, value)) = members.next_entry()? {
            (self.0)(Some(name), value);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.0)(None, item);
        }
        Ok(())
    }
}
