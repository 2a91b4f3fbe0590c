/*! A message that was queued into a run in progress: the ids of its job are placeholders. */

use serde_json::json;

use crate::command::Folder;
use crate::faked::RESUME;
use crate::pages::AGENT_PAGE;
use crate::run_file::lost_line;
use crate::script::{Kind, Script, agent_message, metadata, user_message};
use crate::task::{PAGE, messages, quick, says_only};
use fake::server::Reply;

/// The reply to its trigger.
fn queued(conversation: &str) -> Reply {
    Reply::json(
        200,
        json!({
            "job_info": {"studio_id": "placeholder", "job_id": "placeholder"},
            "conversation_id": conversation,
            "agent_id": "agent-1",
            "state": "running",
            "queued_mid_run": true,
        }),
    )
}

#[test]
fn a_message_that_was_queued_is_named_by_its_task() {
    let api = Script::new().trigger(queued("conversation-1")).start();
    let output = quick(&api)
        .args(["-c", "conversation-1", "--no-wait"])
        .run();
    output.answers(PAGE);

    let api = Script::new().trigger(queued("conversation-1")).start();
    let output = quick(&api).args(["--no-wait", "--json"]).run();
    let report = output.exits(0).json();
    assert_eq!(
        (&report["run_id"], &report["job_id"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        (&report["url"], &report["state"]),
        (&json!(PAGE), &json!(null))
    );
    output.never_says("placeholder");

    // Without a region there is no URL.
    let api = Script::new().trigger(queued("conversation-1")).start();
    let output = quick(&api).unset("RELEVANCE_REGION").arg("--no-wait").run();
    output.answers("conversation-1");
}

#[test]
fn a_queued_run_without_ids_is_resumed_by_its_page_or_its_conversation() {
    let resumes_with = |conversation: &str, region: bool| {
        let api = Script::new().trigger(queued(conversation));
        let api = api.metadata_forever(metadata("running")).start();
        let command = quick(&api).args(["--timeout", "1s"]);
        let command = if region {
            command
        } else {
            command.unset("RELEVANCE_REGION")
        };
        let output = command.run();
        output.exits(124).never_says("placeholder");
        output.stderr.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        resumes_with("conversation-1", true),
        format!("{RESUME} --resume {PAGE}")
    );
    let both = |id: &str| format!("{RESUME} --agent=agent-1 --resume={id}");
    assert_eq!(
        resumes_with("conversation-1", false),
        both("conversation-1")
    );
    assert_eq!(resumes_with("-c-", false), both("-c-"));
    // As a part of a URL it would be taken for the word of a page.
    assert_eq!(resumes_with("talk", true), both("talk"));
}

#[test]
fn a_queued_run_is_followed_and_its_run_file_names_it() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    // The reply need not repeat which conversation was continued.
    let mut reply = json!({"queued_mid_run": true});
    reply["job_info"] = json!({"studio_id": "placeholder", "job_id": "placeholder"});
    let api = Script::new().trigger(Reply::json(200, reply));
    let view = messages(&[
        (31, agent_message("Hi!", false)),
        (30, user_message("Hello")),
    ]);
    let api = api
        .metadata(metadata("running"))
        .metadata(metadata("completed"))
        .view(view);
    let api = api.start();
    let command = || {
        let command = quick(&api).args(["-c", "conversation-1"]);
        command.arg("--run-file").arg(&run_file)
    };
    for _ in 0..2 {
        command().arg("--no-wait").run().answers(PAGE);
    }
    let text = std::fs::read_to_string(&run_file).unwrap();
    assert_eq!(text.lines().nth(1), Some("run - conversation-1 -"));
    // The message is older than this command, which did not send it.
    std::thread::sleep(std::time::Duration::from_secs(3));
    command().run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
    assert!(!run_file.exists());
}

#[test]
fn a_queued_run_of_no_known_conversation_may_have_been_started() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let api = Script::new().trigger(Reply::json(200, json!({"queued_mid_run": true})));
    let api = api
        .conversations_forever(Reply::error(403, "no", "x"))
        .start();
    let command = || quick(&api).arg("--run-file").arg(&run_file);
    let output = command().run();
    output.exits(5).prints("");
    let line = format!(
        "relevance-run: the reply to the trigger contains no usable run id (200: \
         {{\"queued_mid_run\":true}}); the run may have \
         been started; check {AGENT_PAGE}, or repeat the same command to look for it again"
    );
    says_only(&output, &[&line]);
    let output = command().run();
    output.exits(5).prints("");
    let line = format!("relevance-run: {}", lost_line(&run_file, AGENT_PAGE));
    says_only(&output, &[&line]);
    assert_eq!(api.triggers(), 1);
    assert_eq!(api.requests_of(Kind::Poll).len(), 0);
}
