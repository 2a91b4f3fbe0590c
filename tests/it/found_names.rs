/*! What a lost run is looked for by, its name; and what is not taken for it. */

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::{Cmd, Folder};
use crate::faked::{FOUND, faked, losing};
use crate::pages::AGENT_PAGE;
use crate::script::{
    Kind, Script, Scripted, agent_message, conversation, conversations, metadata, user_message,
};
use crate::task::{PAGE, messages, quick, says_only};
use fake::api::scenario::{ExternalId, SameExternalId, Scenario};
use fake::server::Reply;

/// A trigger that may have started a run.
pub fn down() -> Reply {
    Reply::error(500, "Down", "internal_error")
}

/// The end of a command with a run file whose run was not found.
pub fn not_found() -> String {
    format!(
        "{}, or repeat the same command to look for it again",
        lost()
    )
}

/// The same without a run file.
pub fn not_found_for_good() -> String {
    format!("{} before you repeat the command", lost())
}

fn lost() -> String {
    format!(
        "relevance-run: the API returned 500 to the trigger: Down; the run may have been started; \
         check {AGENT_PAGE}"
    )
}

/// The command that gives its run the name `mine`.
pub fn named(api: &Scripted, run_file: &Path) -> Cmd {
    quick(api)
        .args(["--set", "external_id=mine"])
        .arg("--run-file")
        .arg(run_file)
}

/// A turn that is over, by its minute.
pub fn turn(newest: u32) -> Reply {
    messages(&[
        (newest, agent_message("Hi!", false)),
        (newest, user_message("Hello")),
    ])
}

#[test]
fn the_users_own_name_serves_and_is_not_replaced() {
    let folder = Folder::new();
    let list = conversations(&[conversation("conversation-1", Some("mine"), "running")]);
    let api = Script::new()
        .trigger(down())
        .conversations(list)
        .view_forever(turn(31));
    let api = api.metadata(metadata("completed")).start();
    let output = named(&api, &folder.0.join("run")).run();
    output.exits(0).prints("Hi!\n");
    says_only(&output, &[&format!("{FOUND} {PAGE}")]);
    let body = json!({
        "message": {"role": "user", "content": "Hello"},
        "agent_id": "agent-1",
        "external_id": "mine",
    });
    assert_eq!(api.requests()[0].json(), body);
}

/// A name of the user's may be given again and again: the conversation that has it need not have
/// this message.
#[test]
fn an_older_conversation_of_the_users_name_is_not_taken_for_this_run() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let list = conversations(&[conversation("conversation-1", Some("mine"), "completed")]);
    let api = Script::new().trigger(down()).conversations_forever(list);
    let api = api.view_forever(turn(20)).start();
    let output = named(&api, &run_file).run();
    output.exits(5).prints("").does_not_resume();
    says_only(&output, &[&not_found()]);
    assert!(run_file.exists());

    let api = losing(
        Scenario {
            same_external_id: SameExternalId::StartsAnother,
            ..Scenario::default()
        },
        Reply::reset(),
    );
    let command = |message: &str| {
        api.command()
            .args(["--set", "external_id=nightly", message])
    };
    for message in ["one", "two"] {
        thread::sleep(Duration::from_secs(1));
        command(message)
            .run()
            .exits(0)
            .prints(&format!("You said: {message}\n"));
    }
    assert_eq!(api.api.triggers(), 2);
}

#[test]
fn only_an_entry_of_exactly_this_name_and_agent_counts() {
    let folder = Folder::new();
    let mut other_agent = conversation("conversation-2", Some("mine"), "running");
    other_agent["metadata"]["conversation"]["agent_id"] = json!("agent-2");
    let mut no_agent = conversation("conversation-3", Some("mine"), "running");
    no_agent["metadata"]["conversation"] = json!({});
    let mut key = conversation("x", Some("mine"), "running");
    key["knowledge_set"] = json!("sk-0123456789abcdefghij");
    let mut no_id = conversation("../x", Some("mine"), "running");
    no_id["metadata"]["knowledge_set"] = json!("a/b");
    let lists = [
        vec![conversation("conversation-1", Some("mine2"), "running")],
        vec![conversation("conversation-1", Some("Mine"), "running")],
        vec![conversation("conversation-1", None, "running")],
        vec![other_agent, no_agent],
        vec![no_id, json!(null), json!([]), json!("mine")],
        vec![key],
    ];
    thread::scope(|scope| {
        for (number, list) in lists.into_iter().enumerate() {
            let run_file = folder.0.join(format!("run-{number}"));
            scope.spawn(move || {
                let api = Script::new().trigger(down());
                let api = api.conversations_forever(conversations(&list)).start();
                let output = named(&api, &run_file).arg("-vv").run();
                output.exits(5).prints("").does_not_resume();
                output.never_says("sk-0123456789abcdefghij");
                assert!(run_file.exists(), "{list:?}");
                let kept = fs::read_to_string(&run_file).unwrap();
                assert_eq!(kept.lines().count(), 1, "{kept}");
            });
        }
    });
}

#[test]
fn a_list_that_is_broken_is_asked_again_and_one_that_is_forbidden_is_not() {
    let found = || conversations(&[conversation("conversation-1", Some("mine"), "running")]);
    let broken = [
        Reply::text(200, ""),
        Reply::text(200, "<html>"),
        Reply::text(200, &"[".repeat(100_000)),
        Reply::json(200, json!({"results": "none"})),
        Reply::reset(),
        Reply::error(429, "Slower", "rate_limited").header("Retry-After", "2"),
        down(),
    ];
    thread::scope(|scope| {
        for list in broken {
            scope.spawn(move || {
                let folder = Folder::new();
                let api = Script::new().trigger(down()).conversations(list);
                let api = api.conversations(found()).view_forever(turn(31));
                let api = api.metadata(metadata("completed")).start();
                let output = named(&api, &folder.0.join("run")).run();
                output.exits(0).prints("Hi!\n");
            });
        }
    });
    for status in [301, 401, 403, 404, 405] {
        let folder = Folder::new();
        let api = Script::new().trigger(down());
        let api = api.conversations(Reply::error(status, "No", "no")).start();
        let output = named(&api, &folder.0.join("run")).run();
        output.exits(5).prints("");
        says_only(&output, &[&not_found()]);
        assert!(folder.0.join("run").exists());
    }
}

#[test]
fn retry_after_of_the_list_is_honoured_and_past_the_deadline_ends_the_search() {
    let slower =
        |seconds: &str| Reply::error(429, "Slower", "rate_limited").header("Retry-After", seconds);
    let list = conversations(&[conversation("conversation-1", Some("mine"), "running")]);
    let folder = Folder::new();
    let api = Script::new()
        .trigger(down())
        .conversations(slower("3"))
        .conversations(list);
    let api = api
        .view_forever(turn(31))
        .metadata(metadata("completed"))
        .start();
    named(&api, &folder.0.join("run"))
        .run()
        .exits(0)
        .prints("Hi!\n");
    let asked = api.requests_of(Kind::Conversations);
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(3));

    let folder = Folder::new();
    let api = Script::new()
        .trigger(down())
        .conversations(slower("3600"))
        .start();
    let output = named(&api, &folder.0.join("run")).run();
    output.exits(5);
    says_only(&output, &[&not_found()]);
}

/// The body of a 422 that is about a field.
pub fn invalid(field: &str) -> Reply {
    let message = format!("Body Validation Error - Unexpected property: '{field}'");
    Reply::error(422, &message, "validation_error")
}

#[test]
fn a_name_that_is_rejected_is_left_out_once_and_never_twice() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let api = faked(Scenario {
        external_id: ExternalId::Rejected,
        ..Scenario::default()
    });
    let command = api.command().arg("--run-file").arg(&run_file);
    command.arg("Hello").run().answers("You said: Hello");
    let [named, plain] = <[Value; 2]>::try_from(api.bodies()).unwrap();
    let body = json!({"message": {"role": "user", "content": "Hello"}, "agent_id": "agent-1"});
    assert!(named["external_id"].is_string());
    assert_eq!(plain, body);
    assert_eq!(api.api.runs(), 1);

    let rejected = "relevance-run: the API rejected the trigger with 422: Body Validation Error - \
                    Unexpected property: ";
    let advice = "; nothing was started; check the id of the agent, and the fields of --set and \
                  --param";
    let api = Script::new()
        .trigger_forever(invalid("external_id"))
        .start();
    let output = quick(&api).arg("--run-file").arg(&run_file).run();
    output.exits(3).prints("");
    says_only(&output, &[&format!("{rejected}'external_id'{advice}")]);
    assert_eq!(api.triggers(), 2);
    assert!(!run_file.exists());

    for (field, set) in [("mode", "mode=chat"), ("external_id", "external_id=mine")] {
        let api = Script::new().trigger_forever(invalid(field)).start();
        let command = quick(&api)
            .args(["--set", set])
            .arg("--run-file")
            .arg(&run_file);
        let output = command.run();
        output.exits(3).prints("");
        says_only(&output, &[&format!("{rejected}'{field}'{advice}")]);
        assert_eq!(api.triggers(), 1);
        assert!(!run_file.exists());
    }
}

/// Sent without its name, a lost run cannot be looked for; it is not sent again either.
#[test]
fn a_trigger_that_is_lost_after_its_name_was_rejected_may_have_been_started() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let api = Script::new()
        .trigger(invalid("external_id"))
        .trigger(Reply::reset());
    let api = api.conversations_forever(conversations(&[])).start();
    let command = || quick(&api).arg("--run-file").arg(&run_file);
    command().run().exits(5).prints("");
    command().run().exits(5).prints("");
    assert_eq!(api.triggers(), 2);
    assert!(run_file.exists());
}
