/*!
Coverage-guided fuzzing of everything that is made of a response, by libFuzzer: `make fuzz`.

Built without it, this replays the files that it is given, such as an input that libFuzzer found.
*/

#![cfg_attr(fuzzing, no_main)]
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use relevance_run::api::ids::{Id, RunId};
use relevance_run::api::poll::{self, Ending, Poll, PollState};
use relevance_run::api::replies;
use relevance_run::api::task::parse_list;
use relevance_run::api::task::parse_state;
use relevance_run::api::trigger::Accepted;
use relevance_run::api::turn::{Turn, TurnResult, parse_last_user_message, parse_turn};
use relevance_run::text::redactor::{Redactor, Untrusted};
use relevance_run::text::token::Token;
use serde_json::value::RawValue;

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
    let redactor = Redactor::default();
    redactor.learn(&Token::new(&format!("project:{KEY}")).unwrap());
    let harmless = |text: &Untrusted| {
        let quoted = redactor.quote(text);
        assert!(!quoted.contains(|c: char| c.is_control()) && !quoted.contains(KEY));
        assert!(quoted.chars().count() <= 301);
    };
    harmless(&replies::error_message(response));
    let described = [
        replies::parse_agent(response),
        replies::parse_tool(response),
    ];
    for described in described.into_iter().flatten() {
        harmless(&described.id);
        harmless(&described.project);
    }
    check_accepted(response, &harmless);
    check_task(response, &harmless);
    check_poll(response, &redactor, &harmless);
}

fn check_accepted(response: &[u8], harmless: &dyn Fn(&Untrusted)) {
    let Some(Accepted::Started(run)) = Accepted::parse(response, None) else {
        return;
    };
    let run_id = run.run_id.expect("the ids of a run that was started");
    let shown = run_id.to_string();
    assert_eq!(shown.parse::<RunId>().as_ref(), Ok(&run_id));
    assert!(shown.len() <= 481 && shown.bytes().all(|byte| byte.is_ascii_graphic()));
    if let Some(conversation_id) = run.conversation_id {
        harmless(&Untrusted(conversation_id.to_string()));
    }
    if let Some(state) = run.state {
        harmless(&state.word);
    }
}

fn check_task(response: &[u8], harmless: &dyn Fn(&Untrusted)) {
    if let Some(state) = parse_state(response) {
        harmless(&state.word);
    }
    if let Some(TurnResult::Errors(errors)) = parse_turn(response, &Turn::default()) {
        harmless(&poll::error_text(&errors));
    }
    if let Some(message) = parse_last_user_message(response) {
        harmless(&Untrusted(message.text));
    }
    let agent_id: Id = "agent-1".parse().unwrap();
    if let Some(found) = parse_list(response, &agent_id, "name") {
        harmless(&Untrusted(found.conversation_id.to_string()));
    }
}

fn check_poll(response: &[u8], redactor: &Redactor, harmless: &dyn Fn(&Untrusted)) {
    let mut listed = 0;
    let parsed = Poll::parse(response, |index, kind| {
        assert!(index >= listed);
        listed = index + 1;
        harmless(&Untrusted(kind.to_owned()));
    });
    let Ok(poll) = parsed else {
        return;
    };
    assert!(listed <= poll.updates);
    harmless(&poll.kind);
    match poll.state {
        PollState::Ended(Ending::Success(output)) => {
            // What is carried through is the server's, to the letter.
            let response = String::from_utf8_lossy(response);
            assert!(response.contains(output.get()) || output.get() == "null");
            assert!(
                !redactor
                    .redact(&poll::answer(&output))
                    .as_str()
                    .contains(KEY)
            );
            let redacted = redactor.redact(output.get());
            assert!(serde_json::from_str::<&RawValue>(redacted.as_str()).is_ok());
        }
        PollState::Ended(Ending::Failure(failure)) => {
            if let Some(errors) = failure.errors {
                harmless(&poll::error_text(&errors));
            }
        }
        _ => {}
    }
}
