/*!
Coverage-guided fuzzing of everything that is made of a response, by libFuzzer: `make fuzz`.

Built without it, this replays the files that it is given, such as an input that libFuzzer found.
*/

#![cfg_attr(fuzzing, no_main)]
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

#[path = "../src/api/token.rs"]
mod token;
#[path = "../src/api/wire.rs"]
mod wire;

use serde_json::value::RawValue;
use token::Token;
use wire::{Ending, Id, Poll, Run, Triggered};

const KEY: &str = "sk-0123456789";

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|response: &[u8]| check(response));

#[cfg(not(fuzzing))]
fn main() {
    for file in std::env::args_os().skip(1) {
        check(&std::fs::read(file).expect("a file"));
    }
}

/// Whatever the server sends: no panic, and nothing of it is believed that was not checked.
fn check(response: &[u8]) {
    let token = Token::new(&format!("project:{KEY}")).unwrap();
    let harmless = |text: &str| {
        let cleaned = token.clean(text);
        assert!(!cleaned.contains(|c: char| c.is_control()) && !cleaned.contains(KEY));
        assert!(cleaned.chars().count() <= 301);
    };
    harmless(&wire::refusal_text(response));
    harmless(&format!("{:?}", wire::agent(response)));
    if let Some(triggered) = Triggered::parse(response) {
        let shown = triggered.run.to_string();
        assert_eq!(shown.parse::<Run>().as_ref(), Ok(&triggered.run));
        assert!(shown.len() <= 481 && shown.bytes().all(|byte| byte.is_ascii_graphic()));
        triggered
            .conversation_id
            .iter()
            .for_each(|id: &Id| harmless(&id.to_string()));
        harmless(&triggered.state.unwrap_or_default());
    }
    let mut listed = 0;
    let Ok(poll) = Poll::parse(response, |index, kind| {
        assert!(index >= listed);
        listed = index + 1;
        harmless(kind);
    }) else {
        return;
    };
    assert!(listed <= poll.updates);
    harmless(&poll.kind);
    match poll.ending {
        Some(Ending::Success(output)) => {
            // What is carried through is the server's, to the letter.
            let response = String::from_utf8_lossy(response);
            assert!(response.contains(output.get()) || output.get() == "null");
            let answer = wire::answer(&output);
            assert!(!token.redact(&answer).contains(KEY));
            let redacted = token.redact(output.get());
            assert!(serde_json::from_str::<&RawValue>(&redacted).is_ok());
        }
        Some(Ending::Failure {
            details: Some(details),
            ..
        }) => {
            harmless(&wire::error_text(&details));
        }
        _ => {}
    }
}
