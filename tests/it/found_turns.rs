/*! A continued conversation, whose lost run is recognised by its last message. */

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::Cmd;
use crate::faked::{FOUND, Faked, PAGES, losing};
use crate::found_names::{down, not_found_for_good};
use crate::script::{Kind, Script, agent_message, metadata, user_message};
use crate::task::{PAGE, clock, messages, quick, says_only};
use fake::api::scenario::Scenario;
use fake::server::Reply;

fn continuing(api: &Faked) -> Cmd {
    api.command().args(["-c", "c-1"])
}

#[test]
fn a_continued_conversation_is_recognised_by_its_last_message_whatever_the_clocks_say() {
    thread::scope(|scope| {
        for clock_offset_s in [0, 7200, -7200, 1] {
            scope.spawn(move || {
                let api = losing(
                    Scenario {
                        clock_offset_s,
                        takes: Duration::from_millis(100),
                        ..Scenario::default()
                    },
                    Reply::reset(),
                );
                let output = continuing(&api).arg("Hello").run();
                output.exits(0).prints("You said: Hello\n");
                says_only(&output, &[&format!("{FOUND} {PAGES}/c-1")]);
                assert_eq!(api.api.triggers(), 1);
            });
        }
    });
}

#[test]
fn the_same_words_in_an_earlier_turn_are_not_this_message() {
    // The trigger never arrived: what is there is of an earlier command.
    let before = messages(&[
        (29, agent_message("Old", false)),
        (28, user_message("Hello")),
    ]);
    let others = messages(&[(31, user_message("Other")), (30, user_message("Hello"))]);
    let undated = json!({"results": [{"content": user_message("Hello")}]});
    let undated = clock(Reply::json(200, undated));
    let none = clock(Reply::json(200, json!({"results": []})));
    let broken = Reply::text(200, "<html>");
    thread::scope(|scope| {
        for view in [before, others, undated, none, broken, down()] {
            scope.spawn(move || {
                let api = Script::new().trigger(down()).view_forever(view).start();
                let output = quick(&api).args(["-c", "conversation-1"]).run();
                output.exits(5).prints("");
                says_only(&output, &[&not_found_for_good()]);
                assert_eq!(api.requests_of(Kind::View).len(), 5);
            });
        }
    });
}

#[test]
fn without_a_date_of_the_servers_the_own_clock_counts() {
    let dated = |year: &str, content: Value| {
        let date = format!("{year}-01-01T00:00:00.000Z");
        json!({"insert_date_": date, "content": content})
    };
    let view = |year: &str| {
        let items = [
            dated(year, agent_message("Hi!", false)),
            dated(year, user_message("Hello")),
        ];
        Reply::json(200, json!({ "results": items }))
    };
    let api = Script::new()
        .trigger(down())
        .view(view("2020"))
        .view_forever(view("2999"));
    let api = api.metadata(metadata("completed")).start();
    let output = quick(&api).args(["-c", "conversation-1"]).run();
    output.exits(0).prints("Hi!\n");
    says_only(&output, &[&format!("{FOUND} {PAGE}")]);
}
