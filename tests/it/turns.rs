/*! Which messages of a task count: only those of the turn that is waited for. */

use std::thread;

use std::time::Duration;

use serde_json::{Value, json};

use crate::command::{Folder, relevance_run};
use crate::faked::RESUME;
use crate::script::{Kind, Script, agent_error, agent_message, metadata, user_message};
use crate::task::{PAGE, clock, has_no_answer, messages, quick, says_only, task_only};
use fake::server::Reply;

fn said(text: &str) -> Value {
    agent_message(text, false)
}

/// The reply to a trigger whose message was queued into a run in progress.
fn queued() -> Reply {
    let placeholder = json!({"studio_id": "placeholder", "job_id": "placeholder"});
    Reply::json(
        200,
        json!({
            "job_info": placeholder,
            "conversation_id": "conversation-1",
            "agent_id": "agent-1",
            "state": "running",
            "queued_mid_run": true,
        }),
    )
}

/// The answer to `Hello` in a conversation of before, which the command continues.
fn continued(first: &str, views: &[Reply]) -> Script {
    let api = Script::new()
        .trigger(queued())
        .metadata(clock(metadata(first)));
    let api = api.metadata_forever(clock(metadata("completed")));
    views.iter().fold(api, |api, view| api.view(view.clone()))
}

const CONTINUE: [&str; 2] = ["-c", "conversation-1"];

#[test]
fn never_the_answer_of_the_turn_before() {
    // The clocks differ by months; the server's counts.
    let before = [(20, said("Old")), (10, user_message("Other"))];
    let mut views = vec![messages(&before)];
    let mut items = vec![(30, user_message("Hello"))];
    items.extend(before.clone());
    views.push(messages(&items));
    items.insert(0, (31, said("New")));
    views.push(messages(&items));
    let api = continued("idle", &views).start();
    quick(&api).args(CONTINUE).run().answers("New");
}

#[test]
fn never_the_answer_to_the_same_words_in_an_earlier_turn() {
    let before = [(20, said("Old")), (10, user_message("Hello"))];
    let mut items = vec![(31, said("New")), (30, user_message("Hello"))];
    items.extend(before.clone());
    let api = continued("completed", &[messages(&before), messages(&items)]).start();
    quick(&api).args(CONTINUE).run().answers("New");
}

#[test]
fn without_a_date_the_own_clock_counts() {
    let old = json!({"insert_date_": "2020-08-29T12:00:00.000Z", "content": said("Old")});
    let same =
        json!({"insert_date_": "2020-08-29T12:00:00.000Z", "content": user_message("Hello")});
    let new = json!({"insert_date_": "2999-08-29T12:00:00.000Z", "content": said("New")});
    let own = json!({"insert_date_": "2999-08-29T12:00:00.000Z", "content": user_message("Hello")});
    let before = Reply::json(200, json!({"results": [old, same]}));
    let after = Reply::json(200, json!({"results": [new, own, old, same]}));
    let api = continued("completed", &[before, after]).start();
    quick(&api).args(CONTINUE).run().answers("New");
}

#[test]
fn what_has_no_date_may_be_of_an_earlier_turn() {
    let undated = [
        json!({"content": said("Old")}),
        json!({"content": user_message("Hello")}),
    ];
    let view = Reply::json(200, json!({"results": undated}));
    let api = Script::new().trigger(queued());
    let api = api
        .metadata_forever(metadata("completed"))
        .view_forever(view)
        .start();
    let output = quick(&api).args(CONTINUE).run();
    output.exits(5).prints("");
    let line = format!(
        "relevance-run: the task is completed, and the message is not in it (conversation \
         conversation-1); see {PAGE}"
    );
    says_only(&output, &[&line, &format!("{RESUME} --resume {PAGE}")]);
}

/// Its state is that of the turn before, and the message is on its way: to call that a failure
/// would let a run file go, and the same command would start a second run.
#[test]
fn a_message_that_is_not_in_the_task_is_no_failed_run() {
    thread::scope(|scope| {
        for state in ["completed", "idle", "cancelled", "unrecoverable"] {
            scope.spawn(move || message_is_not_in_the_task(state));
        }
    });
}

fn message_is_not_in_the_task(state: &str) {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let view = messages(&[(20, said("Old")), (10, user_message("Other"))]);
    let api = Script::new().trigger(queued());
    let api = api
        .metadata_forever(metadata(state))
        .view_forever(view)
        .start();
    let output = quick(&api)
        .args(CONTINUE)
        .arg("--run-file")
        .arg(&run_file)
        .run();
    output.exits(5).prints("");
    let line = format!(
        "relevance-run: the task is {state}, and the message is not in it (conversation \
             conversation-1); see {PAGE}"
    );
    assert_eq!(
        output.stderr.lines().next(),
        Some(line.as_str()),
        "{output}"
    );
    assert!(run_file.exists());
    assert_eq!(api.triggers(), 1);
}

#[test]
fn a_failure_of_the_turn_before_is_not_that_of_this_one() {
    let own = (30, user_message("Hello"));
    let answer = messages(&[(31, said("New")), own.clone()]);
    let api = Script::new().trigger(queued());
    let api = api
        .metadata(metadata("cancelled"))
        .metadata(metadata("cancelled"));
    let api = api.metadata_forever(metadata("completed"));
    let api = api
        .view(messages(&[own]))
        .view(answer.clone())
        .view(answer)
        .start();
    quick(&api).args(CONTINUE).run().answers("New");
}

#[test]
fn never_a_text_that_is_still_being_generated_or_was_broken_off() {
    let own = (30, user_message("Hello"));
    let partial = messages(&[(31, agent_message("Hi", true)), own.clone()]);
    let whole = messages(&[(31, said("Hi!")), own.clone()]);
    for state in ["streaming", "cancelled", "error"] {
        let mut message = said("Hi");
        message["generation_state"] = json!(state);
        let unfinished = messages(&[(31, message), own.clone()]);
        let api = task_only().metadata_forever(metadata("completed"));
        let api = api
            .view(partial.clone())
            .view(unfinished)
            .view(whole.clone())
            .start();
        quick(&api).run().answers("Hi!");
    }
}

/// A state may be that of a while ago, and a message before a tool need not be the last word.
#[test]
fn after_a_tool_another_answer_is_waited_for() {
    let own = (30, user_message("Hello"));
    let tool = (32, json!({"type": "tool-run", "tool_run_state": "running"}));
    let mut items = vec![tool, (31, said("Let me look")), own.clone()];
    let first = messages(&items);
    items.insert(0, (33, said("Found")));
    let api = task_only().metadata_forever(metadata("completed"));
    let api = api.view(first.clone()).view(messages(&items)).start();
    quick(&api).run().answers("Found");

    // There is none: then that was the answer.
    let api = task_only()
        .metadata_forever(metadata("completed"))
        .view_forever(first)
        .start();
    let output = quick(&api).run();
    output.answers("Let me look");
    assert!(output.took >= Duration::from_secs(10), "{output}");
}

#[test]
fn never_an_answer_to_somebody_elses_later_message() {
    let own = (30, user_message("Hello"));
    let theirs = [(33, said("Theirs")), (32, user_message("And me?"))];
    let mut items = theirs.to_vec();
    items.extend([(31, said("Mine")), own.clone()]);
    let api = task_only()
        .metadata_forever(metadata("completed"))
        .view(messages(&items))
        .start();
    quick(&api).run().answers("Mine");

    let mut items = theirs.to_vec();
    items.push(own);
    let view = messages(&items);
    let api = task_only()
        .metadata_forever(metadata("completed"))
        .view_forever(view)
        .start();
    let output = quick(&api).run();
    has_no_answer(&output);
}

/// Without a trigger of its own the command knows no words; what was said after it began is
/// somebody else's.
#[test]
fn what_is_resumed_is_the_last_turn_before_the_command() {
    let turn = [(29, said("Mine")), (28, user_message("Hello"))];
    let mut items = vec![(33, said("Theirs")), (32, user_message("And me?"))];
    items.extend(turn.clone());
    for (items, answer) in [(items.clone(), "Mine"), (turn.to_vec(), "Mine")] {
        let api = Script::new().metadata_forever(metadata("completed"));
        let api = api.view(messages(&items)).start();
        let command = relevance_run(&api).env("RELEVANCE_REGION", "us");
        command.args(["--resume", PAGE]).run().answers(answer);
    }
    // What was just said counts, although a reply that takes long makes the command seem earlier.
    let slow = messages(&[
        (30, said("New")),
        (30, user_message("Hello")),
        (20, said("Old")),
    ]);
    let slow = slow.after(Duration::from_secs(3));
    let api = Script::new()
        .metadata_forever(metadata("completed"))
        .view(slow)
        .start();
    let command = relevance_run(&api).env("RELEVANCE_REGION", "us");
    command.args(["--resume", PAGE]).run().answers("New");
}

#[test]
fn an_error_of_the_turn_before_is_not_this_ones() {
    let error = agent_error(json!([{"body": "Old"}]));
    let mut items = vec![(20, error), (10, user_message("Hello"))];
    let before = messages(&items);
    items.insert(0, (30, user_message("Hello")));
    items.insert(0, (31, said("New")));
    let api = continued("completed", &[before, messages(&items)]).start();
    quick(&api).args(CONTINUE).run().answers("New");
    assert_eq!(api.requests_of(Kind::View).len(), 2);
}
