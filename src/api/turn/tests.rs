/*! Which messages count, in tables. */

use super::*;
use serde_json::{Value, json};

fn user(text: &str, minute: u8) -> Value {
    let date = format!("2026-01-01T00:{minute:02}:00.000Z");
    json!({"insert_date_": date, "content": {"type": "user-message", "text": text}})
}

fn agent(text: &str) -> Value {
    json!({"content": {"type": "agent-message", "text": text}})
}

fn at(mut item: Value, minute: u8) -> Value {
    item["insert_date_"] = json!(format!("2026-01-01T00:{minute:02}:00.000Z"));
    item
}

fn result(turn: &Turn, items: &[Value]) -> Option<String> {
    let body = json!({ "results": items }).to_string();
    match parse_turn(body.as_bytes(), turn).unwrap() {
        TurnResult::Answer(answer) => Some(answer),
        TurnResult::Unsettled(answer) => Some(format!("{answer}?")),
        TurnResult::Errors(errors) => Some(errors.get().to_owned()),
        TurnResult::Nothing => Some("nothing".to_owned()),
        TurnResult::Unseen => None,
    }
}

/// Newest first, as the API lists them; the own message is "mine".
#[test]
fn only_what_is_newer_than_the_own_message_counts() {
    let is_text = |text: &str| text == "mine";
    let turn = Turn {
        is_text: Some(&is_text),
        ..Turn::default()
    };
    let old = [agent("old"), user("before", 1)];
    for (newer, expected) in [
        (vec![], None),
        (vec![user("mine", 2)], Some("nothing")),
        (
            vec![agent("new"), agent("first"), user("mine", 2)],
            Some("new"),
        ),
        (
            vec![
                agent("theirs"),
                user("other", 3),
                agent("new"),
                user("mine", 2),
            ],
            Some("new"),
        ),
        (
            vec![agent("theirs"), user("other", 3), user("mine", 2)],
            Some("nothing"),
        ),
    ] {
        let items = [newer, old.to_vec()].concat();
        assert_eq!(result(&turn, &items).as_deref(), expected, "{items:?}");
    }
    // More steps than a page has: the message is not in the list any more.
    let items = [agent("new"), json!({"content": {"type": "tool-run"}})];
    assert_eq!(result(&turn, &items).as_deref(), Some("new"));
}

#[test]
fn the_only_message_of_a_new_conversation_is_the_own_one_in_whatever_words() {
    let is_text = |text: &str| text == "mine";
    let turn = Turn {
        is_text: Some(&is_text),
        is_new_conversation: true,
        ..Turn::default()
    };
    let once = [agent("new"), user("MINE", 1)];
    assert_eq!(result(&turn, &once).as_deref(), Some("new"));
    let twice = [
        agent("theirs"),
        user("other", 2),
        agent("new"),
        user("MINE", 1),
    ];
    assert_eq!(result(&turn, &twice), None);
    let mut twice = twice;
    twice[3] = user("mine", 1);
    assert_eq!(result(&turn, &twice).as_deref(), Some("new"));
}

#[test]
fn the_same_words_of_an_earlier_turn_are_another_message() {
    let is_text = |text: &str| text == "mine";
    let not_before = Millis::from_iso("2026-01-01T00:02:00Z");
    let turn = Turn {
        is_text: Some(&is_text),
        not_before,
        ..Turn::default()
    };
    assert_eq!(result(&turn, &[agent("old"), user("mine", 1)]), None);
    let items = [at(agent("new"), 3), user("mine", 3)];
    assert_eq!(result(&turn, &items).as_deref(), Some("new"));
    let mut undated = user("mine", 3);
    undated["insert_date_"] = json!("yesterday");
    assert_eq!(result(&turn, &[at(agent("new"), 3), undated]), None);
    // The own message is not listed, and what the agent said is from before it.
    let items = [
        json!({"content": {"type": "tool-run"}}),
        at(agent("old"), 1),
    ];
    assert_eq!(result(&turn, &items).as_deref(), Some("nothing"));
}

#[test]
fn where_the_text_is_not_known_the_time_tells() {
    let items = [agent("b"), user("other", 3), agent("a"), user("x", 1)];
    for (minute, expected) in [(2, "a"), (4, "b")] {
        let not_after = Millis::from_iso(&format!("2026-01-01T00:{minute:02}:00Z"));
        let turn = Turn {
            not_after,
            ..Turn::default()
        };
        assert_eq!(result(&turn, &items).as_deref(), Some(expected));
    }
}

#[test]
fn after_a_tool_there_may_be_another_answer() {
    let tool = json!({"content": {"type": "tool-run"}});
    let items = [tool.clone(), agent("first"), user("mine", 2)];
    let unsettled = result(&Turn::default(), &items);
    assert_eq!(unsettled.as_deref(), Some("first?"));
    let items = [agent("last"), tool, agent("first"), user("mine", 2)];
    let settled = result(&Turn::default(), &items);
    assert_eq!(settled.as_deref(), Some("last"));
}

#[test]
fn a_list_without_anything_says_nothing() {
    assert_eq!(result(&Turn::default(), &[]), None);
    let turn = Turn {
        is_new_conversation: true,
        ..Turn::default()
    };
    assert_eq!(result(&turn, &[]), None);
}

#[test]
fn a_text_that_is_being_generated_is_not_an_answer() {
    for (key, value) in [
        ("generating", json!(true)),
        ("generation_state", json!("streaming")),
        ("generation_state", json!("cancelled")),
        ("generation_state", json!("error")),
    ] {
        let mut message = agent("half");
        message["content"][key] = value;
        let items = [message, user("mine", 2)];
        let expected = Some("nothing".to_owned());
        assert_eq!(result(&Turn::default(), &items), expected, "{key}");
    }
}
