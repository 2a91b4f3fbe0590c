/*!
The vendor's document, as far as it is needed here: which requests and replies are valid. The fake
API refuses by it, and the tests hold the fake's replies against it.
*/

use std::sync::LazyLock;

use serde_json::Value;

use super::http::Request;
use super::schema::{self, Fault};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("openapi.json")).expect("the document is JSON")
});

/// One kind of request, and the reply to it.
#[derive(Clone, Copy)]
pub struct Operation(&'static Value);

/// The operation that a request asks for, with the names that stand in its path, in order.
pub fn operation(request: &Request) -> Option<(&'static str, Operation, Vec<&str>)> {
    let path = request.path().strip_prefix("/latest")?;
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    for (template, methods) in paths {
        let operation = methods.get(request.method.to_lowercase());
        if let (Some(operation), Some(names)) = (operation, match_path(template, path)) {
            return Some((template, Operation(operation), names));
        }
    }
    None
}

fn match_path<'a>(template: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let mut names = Vec::new();
    let mut parts = path.split('/');
    for wanted in template.split('/') {
        let part = parts.next()?;
        if wanted.starts_with('{') {
            names.push(part);
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(names)
}

impl Operation {
    /// Holds the query and the body of a request against the document.
    pub fn check_request(self, request: &Request) -> Result<(), Fault> {
        for parameter in self.0["parameters"].as_array().expect("parameters") {
            let name = parameter["name"].as_str().expect("a name");
            let schema = &parameter["schema"];
            let Some(text) = request.query(name) else {
                continue;
            };
            let text = Value::String(percent_decoded(text));
            let value = match schema["type"].as_str() {
                Some("string") => text,
                // What is no JSON stays text, which is then not what was asked for.
                _ => serde_json::from_str(text.as_str().unwrap_or("")).unwrap_or(text),
            };
            check(schema, &value)?;
        }
        let Some(schema) = self.0.get("requestBody") else {
            return Ok(());
        };
        check(
            schema,
            &serde_json::from_slice(&request.body).unwrap_or(Value::Null),
        )
    }

    /// Holds the body of a reply with status 200 against the document.
    pub fn check_reply(self, body: &Value) -> Result<(), Fault> {
        check(&self.0["response"], body)
    }
}

fn check(schema: &Value, value: &Value) -> Result<(), Fault> {
    schema::check(schema, value, &DOCUMENT["components"]["schemas"])
}

/// The text that stands in a URL as `text`.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
