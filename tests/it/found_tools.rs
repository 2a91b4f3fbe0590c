/*! The job of a tool, by which its run can be looked for. */

use serde_json::json;

use crate::command::{Cmd, Folder, relevance_run};
use crate::found_names::{down, invalid};
use crate::script::{Script, Scripted, in_progress, success};
use crate::task::says_only;
use fake::server::Reply;

fn tool(api: &Scripted) -> Cmd {
    relevance_run(api)
        .unset("RELEVANCE_AGENT_ID")
        .args(["--tool", "tool-1", "--interval", "20ms"])
}

#[test]
fn a_tool_carries_a_job_of_its_own_and_polling_it_tells() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let unknown = || Reply::error(404, "Job not found", "not_found");
    let nonsense = Reply::text(200, "{}");
    let api = Script::new()
        .tool_trigger(Reply::reset())
        .poll(unknown())
        .poll(nonsense);
    let api = api
        .poll(in_progress())
        .poll(success(json!({"sum": 3})))
        .start();
    let output = tool(&api).arg("--run-file").arg(&run_file).run();
    output.exits(0).prints("{\"sum\":3}\n");
    let body = api.requests()[0].json();
    let job = body["job_id"].as_str().unwrap();
    assert_eq!(job.len(), 32);
    assert_eq!(
        body,
        json!({"params": {}, "project": "project-1", "job_id": job})
    );
    let line = format!(
        "relevance-run: the reply to the trigger was lost, and its run was found: tool-1/{job}"
    );
    says_only(&output, &[&line]);
    for poll in api.polls() {
        assert_eq!(
            poll.path(),
            format!("/latest/studios/tool-1/async_poll/{job}")
        );
    }
    assert!(!run_file.exists());
}

#[test]
fn a_tool_without_a_run_file_carries_none_and_the_users_own_serves() {
    let api = Script::new().tool_trigger(Reply::reset()).start();
    tool(&api).run().exits(5).prints("");
    assert_eq!(
        api.requests()[0].json(),
        json!({"params": {}, "project": "project-1"})
    );

    let api = Script::new()
        .tool_trigger(down())
        .poll(in_progress())
        .poll_forever(success(json!({"sum": 3})))
        .start();
    let output = tool(&api).args(["--set", "job_id=job-7"]).run();
    output.exits(0).prints("{\"sum\":3}\n");
    assert_eq!(
        api.polls()[0].path(),
        "/latest/studios/tool-1/async_poll/job-7"
    );

    let api = Script::new().tool_trigger(invalid("job_id"));
    let run = json!({"job_id": "job-1", "project": "project-1", "studio_id": "tool-1"});
    let api = api
        .tool_trigger(Reply::json(200, run))
        .poll(success(json!({"sum": 3})))
        .start();
    let folder = Folder::new();
    let output = tool(&api).arg("--run-file").arg(folder.0.join("run")).run();
    output.answers("{\"sum\":3}");
    assert_eq!(
        api.requests()[1].json(),
        json!({"params": {}, "project": "project-1"})
    );
}

/// The job of a name that the user chose may be that of yesterday's run.
#[test]
fn a_job_of_the_users_name_that_has_ended_is_not_taken_for_this_run() {
    let api = Script::new()
        .tool_trigger(down())
        .poll_forever(success(json!({"sum": 3})))
        .start();
    let output = tool(&api)
        .args(["-t", "3s", "--set", "job_id=nightly"])
        .run();
    output.exits(5).prints("");
    assert_eq!(api.triggers(), 1);
}
