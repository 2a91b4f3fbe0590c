/*!
Coverage-guided fuzzing of everything that is made of a response, by libFuzzer: `make fuzz`.

Built without it, this replays the files that it is given, such as an input that libFuzzer found.
*/

#![cfg_attr(fuzzing, no_main)]
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

#[path = "../src/token.rs"]
mod token;
#[path = "../src/wire.rs"]
mod wire;

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
    if let Some(triggered) = Triggered::parse(response) {
        let shown = triggered.run.to_string();
        assert_eq!(shown.parse::<Run>().as_ref(), Ok(&triggered.run));
        assert!(shown.len() <= 481 && shown.bytes().all(|byte| byte.is_ascii_graphic()));
        triggered.conversation_id.iter().for_each(|id: &Id| harmless(&id.to_string()));
        harmless(&triggered.state.unwrap_or_default());
    }
    let Ok(poll) = Poll::parse(response, 1) else {
        return;
    };
    assert!(poll.fresh.len() <= poll.updates);
    harmless(&poll.kind);
    poll.fresh.iter().for_each(|kind| harmless(kind));
    match poll.ending {
        // What is carried through is the server's, to the letter.
        Some(Ending::Success { answer, output }) => {
            assert!(
                String::from_utf8_lossy(response).contains(output.get()) || output.get() == "null"
            );
            assert!(!token.redact(answer).contains(KEY));
        }
        Some(Ending::Failure { message, .. }) => harmless(&message),
        None => {}
    }
}
