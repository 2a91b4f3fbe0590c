/*! The URLs of the web app's pages, where an id may stand, and where they are printed. */

use serde_json::json;

use crate::command::{Cmd, relevance_run};
use crate::faked::RESUME;
use crate::script::{Script, Scripted, TOKEN, agent_message, answered, metadata, user_message};
use crate::task::{PAGE, messages, says_only};
use fake::server::Reply;

/// The page of the agent of every scripted run.
pub const AGENT_PAGE: &str = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1";

fn over() -> Scripted {
    let view = messages(&[
        (29, agent_message("Hi!", false)),
        (28, user_message("Hello")),
    ]);
    Script::new()
        .metadata(metadata("completed"))
        .view(view)
        .start()
}

fn resuming(api: &Scripted, run: &str) -> Cmd {
    relevance_run(api)
        .unset("RELEVANCE_AGENT_ID")
        .args(["--resume", run])
}

#[test]
fn resume_takes_the_url_of_a_task_or_a_conversation_with_an_agent() {
    for page in [
        PAGE.to_owned(),
        format!("{PAGE}/"),
        format!("{PAGE}?tab=1#x"),
    ] {
        resuming(&over(), &page).run().answers("Hi!");
    }
    resuming(&over(), "conversation-1")
        .args(["--agent", "agent-1"])
        .run()
        .answers("Hi!");
    let api = over();
    let by_variable = resuming(&api, "conversation-1").env("RELEVANCE_AGENT_ID", "agent-1");
    by_variable.run().answers("Hi!");
    let api = over();
    let by_page = resuming(&api, "conversation-1").args(["--agent", AGENT_PAGE]);
    by_page.run().answers("Hi!");

    let api = over();
    let output = resuming(&api, PAGE).arg("--json").run();
    let report = output.json();
    assert_eq!(
        json!({
            "agent_id": "agent-1", "conversation_id": "conversation-1", "run_id": null,
            "studio_id": null, "job_id": null, "url": PAGE, "state": null, "answer": "Hi!",
            "output": null, "error": null,
        }),
        json!({
            "agent_id": report["agent_id"], "conversation_id": report["conversation_id"],
            "run_id": report["run_id"], "studio_id": report["studio_id"],
            "job_id": report["job_id"], "url": report["url"], "state": report["state"],
            "answer": report["answer"], "output": report["output"], "error": report["error"],
        })
    );
    let paths: Vec<String> = api.requests().iter().map(|it| it.target.clone()).collect();
    let task = "/latest/agents/agent-1/tasks/conversation-1";
    assert_eq!(paths, [format!("{task}/metadata"), format!("{task}/view")]);
    assert_eq!(api.requests()[1].json(), json!({"page_size": 100}));
}

#[test]
fn a_resumed_task_that_waits_for_a_person_is_said_and_followed() {
    let view = messages(&[
        (29, agent_message("Hi!", false)),
        (28, user_message("Hello")),
    ]);
    let api = Script::new()
        .metadata(metadata("escalated"))
        .metadata(metadata("running"));
    let api = api.metadata(metadata("completed")).view(view).start();
    let output = resuming(&api, PAGE).env("RELEVANCE_REGION", "us").run();
    output.exits(0).prints("Hi!\n");
    let line = format!("relevance-run: the run is waiting for a person (escalated); see {PAGE}");
    says_only(&output, &[&line]);
}

#[test]
fn a_resumed_task_that_may_not_be_seen_is_rejected() {
    let api = Script::new()
        .metadata(Reply::error(403, "No", "forbidden"))
        .start();
    let output = resuming(&api, PAGE).run();
    output.exits(3).prints("");
    let line = format!(
        "relevance-run: the API rejected the question for the task with 403: No; nothing was \
         started; check that the API key is valid and that its project and RELEVANCE_REGION match \
         (relevance-run --check does); see {PAGE}"
    );
    says_only(&output, &[&line, &format!("{RESUME} --resume {PAGE}")]);

    let api = Script::new().metadata_forever(Reply::error(404, "No such task", "not_found"));
    let api = api.start();
    let output = resuming(&api, PAGE).run();
    output.exits(3).prints("").does_not_resume();
    let line = format!(
        "relevance-run: the API rejected the question for the task with 404: No such task; nothing \
         was started; check the id of the run and RELEVANCE_REGION; see {PAGE}"
    );
    says_only(&output, &[&line]);
}

#[test]
fn agent_takes_the_url_of_any_of_its_pages() {
    for end in [
        "",
        "/",
        "/edit",
        "/edit/tools?x=1",
        "/conversation-1",
        "#top",
    ] {
        let page = format!("{AGENT_PAGE}{end}");
        let api = Script::run().poll(answered("Hi!")).start();
        let command = relevance_run(&api).unset("RELEVANCE_AGENT_ID");
        command
            .args(["--agent", &page, "Hello"])
            .run()
            .answers("Hi!");
        assert_eq!(api.requests()[0].json()["agent_id"], "agent-1");

        // With the region, which makes the page of the task.
        let api = Script::run().start();
        let command = relevance_run(&api).env("RELEVANCE_AGENT_ID", &page);
        let output = command.args(["--no-wait", "--json", "Hello"]).run();
        assert_eq!(output.exits(0).json()["url"], PAGE);
    }
}

#[test]
fn what_contradicts_a_page_is_a_usage_error_and_nothing_is_sent() {
    let page = |region: &str, project: &str| {
        format!("https://app.relevanceai.com/agents/{region}/{project}/agent-1/conversation-1")
    };
    let project = "the URL is for project project-2, but the token is for project project-1; use a \
                   URL and a token from the same project";
    let region = "the URL is for region d7b62b, but the settings are for bcbe5a; unset \
                  RELEVANCE_REGION, or use a URL from that region";
    for (url, said) in [
        (page("bcbe5a", "project-2"), project),
        (page("d7b62b", "project-1"), region),
        (page("eu", "project-1"), region),
    ] {
        let api = Script::new().start();
        let command = || relevance_run(&api).env("RELEVANCE_REGION", "us");
        for command in [
            command().args(["--agent", &url, "Hello"]),
            command().env("RELEVANCE_AGENT_ID", &url).arg("Hello"),
            command().args(["--resume", &url]),
            command().args(["--agent", &url, "--check"]),
        ] {
            let output = command.run();
            output.exits(2).prints("");
            says_only(&output, &[&format!("relevance-run: {said}")]);
        }
        assert!(api.requests().is_empty());
    }
    // A token may say the region, too.
    let api = Script::new().start();
    let command = relevance_run(&api).env("RELEVANCE_AUTH_TOKEN", format!("{TOKEN}:us"));
    let output = command.args(["--resume", &page("eu", "project-1")]).run();
    output.exits(2);
    says_only(&output, &[&format!("relevance-run: {region}")]);
}

#[test]
fn what_is_no_page_is_a_usage_error() {
    let form = "https://app.relevanceai.com/agents/REGION/PROJECT/AGENT_ID";
    let api = Script::new().start();
    for url in [
        "https://app.relevanceai.com/",
        "https://app.relevanceai.com/agents/bcbe5a/project-1",
        "https://app.relevanceai.com/tools/bcbe5a/project-1/tool-1",
        "http://app.relevanceai.com/agents/bcbe5a/project-1/agent-1",
        "https://app.relevanceai.com/agents/bcbe5a/project-1/agent 1",
    ] {
        let command = relevance_run(&api).unset("RELEVANCE_AGENT_ID");
        let output = command.args(["--agent", url, "Hello"]).run();
        let line = format!(
            "relevance-run: invalid --agent: this is not the URL of an agent's page; use the agent \
             id, or {form}"
        );
        output.exits(2);
        says_only(&output, &[&line]);
        let output = relevance_run(&api).args(["--resume", url]).run();
        let line = format!(
            "relevance-run: invalid --resume: this is not the URL of a task; use the run id that \
             was printed, or {form}/CONVERSATION_ID"
        );
        output.exits(2);
        says_only(&output, &[&line]);
    }
    // The page of an agent is not that of a task.
    for url in [AGENT_PAGE.to_owned(), format!("{AGENT_PAGE}/edit")] {
        relevance_run(&api).args(["--resume", &url]).run().exits(2);
    }
    // A conversation is one of an agent.
    resuming(&api, "conversation-1").run().exits(2);
}
