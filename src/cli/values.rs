/*! The values of options: ids, KEY=VALUE, what to resume, what to attach. */

use crate::api::ids::{Id, PageUrl, RunId, is_url};
use crate::error::Error;
use serde_json::value::{RawValue, to_raw_value};
use std::path::PathBuf;

/// What a failed command leaves where a script puts its output.
const LEFT_BY_FAILURE: [&str; 3] = ["null", "none", "undefined"];

/// An id. `what` is the option or variable that it came from.
pub fn parse_id(what: &str, text: &str) -> Result<Id, Error> {
    if LEFT_BY_FAILURE
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        let what = format!(
            "invalid {what} {text}: this is what a failed command leaves behind, not an id"
        );
        return Err(Error::usage(what).next("check the command that should have printed it"));
    }
    if is_url(text) {
        return Err(Error::usage(format!("invalid {what}: this is a URL")).next("use only the id"));
    }
    text.parse()
        .map_err(|why| Error::usage(format!("invalid {what}: it {why}")).next("use only the id"))
}

/// What `--resume` waits for.
pub enum Resume {
    Run(RunId),
    /// The task at this page, which names its conversation.
    Page(PageUrl),
    /// A conversation with the agent of the settings.
    Conversation(Id),
}

/// A RUN: a run id, the URL of a task, or the id of a conversation.
pub fn parse_resume(text: &str) -> Result<Resume, Error> {
    const WHAT: &str = "--resume";
    if is_url(text) {
        let page = PageUrl::parse(text).filter(|page| page.conversation_id.is_some());
        return page.map(Resume::Page).ok_or_else(|| {
            Error::usage("invalid --resume: this is not the URL of a task").next(
                "use the run id that was printed, or \
                       https://app.relevanceai.com/agents/REGION/PROJECT/AGENT_ID/CONVERSATION_ID",
            )
        });
    }
    if !text.contains('/') {
        return parse_id(WHAT, text).map(Resume::Conversation);
    }
    text.parse().map(Resume::Run).map_err(|why| {
        Error::usage(format!("invalid --resume: {why}"))
            .next("use the STUDIO_ID/JOB_ID printed when the run was started")
    })
}

/// Something to attach.
pub enum Attach {
    File(PathBuf),
    /// An https URL, passed on as it is.
    Url(String),
}

/// Errors: it is neither a path nor an https URL.
pub fn parse_attach(text: String) -> Result<Attach, Error> {
    if text == "-" {
        return Err(Error::usage("--attach cannot read standard input")
            .next("attach a file, or use --file - to put it into the message"));
    }
    if !is_url(&text) {
        return Ok(Attach::File(text.into()));
    }
    let is_https = text
        .get(..8)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    if !is_https || text.len() == 8 || text.contains(char::is_whitespace) {
        return Err(
            Error::usage("invalid --attach: the URL does not begin with https://")
                .next("use an https:// URL, or download the file and attach that"),
        );
    }
    Ok(Attach::Url(text))
}

/// `KEY=VALUE`, or `KEY@FILE`.
pub struct FieldArg {
    pub key: String,
    pub value: FieldValue,
}

pub enum FieldValue {
    Json(Box<RawValue>),
    /// The contents of a file, as a string.
    File(PathBuf),
    /// The contents of standard input, as a string.
    Stdin,
}

/// The values of one option: VALUE as JSON if it parses as JSON, else as a string. A key in
/// `reserved` has something else to set it.
pub fn parse_fields(
    option: &str,
    texts: Vec<String>,
    reserved: &[(&str, &str)],
) -> Result<Vec<FieldArg>, Error> {
    let mut fields: Vec<FieldArg> = Vec::new();
    for text in texts {
        let field = parse_field(option, &text)?;
        let key = &field.key;
        if let Some((_, own)) = reserved.iter().find(|(name, _)| name == key) {
            let what = format!("{option} cannot set {key}");
            return Err(Error::usage(what).next(format!("use {own} instead")));
        }
        if fields.iter().any(|earlier| earlier.key == *key) {
            let what = format!("{option} {key} was given more than once");
            return Err(Error::usage(what).next("remove all but one"));
        }
        fields.push(field);
    }
    Ok(fields)
}

fn parse_field(option: &str, text: &str) -> Result<FieldArg, Error> {
    let separator = text.find(['=', '@']).filter(|at| *at > 0);
    let Some(at) = separator else {
        let what = format!("invalid {option}: it is neither KEY=VALUE nor KEY@FILE");
        let example = match option {
            "--set" => "version=draft",
            _ => "topic=news",
        };
        return Err(Error::usage(what).next(format!("for example: {option} {example}")));
    };
    let (key, value) = (text[..at].to_owned(), &text[at + 1..]);
    let value = match (text.as_bytes()[at], value) {
        (b'@', "") => {
            return Err(Error::usage(format!("{option} {key}@ names no file"))
                .next(format!("use {option} {key}@FILE")));
        }
        (b'@', "-") => FieldValue::Stdin,
        (b'@', path) => FieldValue::File(path.into()),
        _ => FieldValue::Json(parse_value(option, &key, value)?),
    };
    Ok(FieldArg { key, value })
}

fn parse_value(option: &str, key: &str, value: &str) -> Result<Box<RawValue>, Error> {
    let why = match RawValue::from_string(value.to_owned()) {
        Ok(json) => return Ok(json),
        Err(why) => why,
    };
    if value.trim_start().starts_with(['{', '[', '"']) {
        let what = format!("{option} {key}: the value looks like JSON but does not parse ({why})");
        return Err(Error::usage(what).next("fix it, and put single quotes around KEY=VALUE"));
    }
    to_raw_value(value)
        .map_err(|why| Error::usage(format!("{option} {key} cannot be written as JSON: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let texts = [
            "a=1",
            "b=x y",
            "c=",
            "d@e=f",
            "g=h@i",
            r#"j={"k": 1.0}"#,
            "l@-",
        ];
        let texts = texts.map(str::to_owned).to_vec();
        let fields = parse_fields("--set", texts, &[]).unwrap();
        let shown: Vec<String> = fields.iter().map(show).collect();
        let expected = [
            "a 1",
            r#"b "x y""#,
            r#"c """#,
            "d file e=f",
            r#"g "h@i""#,
            r#"j {"k": 1.0}"#,
            "l stdin",
        ];
        assert_eq!(shown, expected);
    }

    fn show(field: &FieldArg) -> String {
        match &field.value {
            FieldValue::Json(json) => format!("{} {json}", field.key),
            FieldValue::File(path) => format!("{} file {}", field.key, path.display()),
            FieldValue::Stdin => format!("{} stdin", field.key),
        }
    }

    #[test]
    fn what_is_not_a_field() {
        for text in ["", "a", "=1", "@f", "a@", "a={", "message=x"] {
            let reserved = [("message", "MESSAGE")];
            let parsed = parse_fields("--set", vec![text.to_owned()], &reserved);
            assert!(parsed.is_err(), "{text}");
        }
        let twice = vec!["a=1".to_owned(), "a=2".to_owned()];
        assert!(parse_fields("--set", twice, &[]).is_err());
    }
}
