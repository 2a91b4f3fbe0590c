/*! How the run of a tool ends, and what is known of it then. */

use rustix::process::Signal;
use serde_json::json;

use super::{Documented, RUN, ended, started, tool_run};
use crate::command::{Folder, relevance_run};
use crate::script::{Script, in_progress, poll, tool_triggered};
use fake::server::Reply;

/// Its ends, and what each says: the code and the lines.
#[test]
fn it_ends_like_the_run_of_an_agent() {
    let failed = || {
        let errors = json!([{"body": "no such city", "step_name": "Look up"}]);
        poll("failed", json!({"type": "chain-fail", "errors": errors}))
    };
    let refused =
        |status, message: &str| Script::new().tool_trigger(Reply::error(status, message, "x"));
    for (script, code, stderr) in [
        (
            started().poll(failed()),
            1,
            "the run failed: Look up: no such city (run tool-1/job-1)\n".to_owned(),
        ),
        (
            refused(404, "Studio tool-1 not found"),
            3,
            "the API rejected the trigger with 404: Studio tool-1 not found; \
             nothing was started; check the id of the tool and RELEVANCE_REGION\n"
                .to_owned(),
        ),
        (
            refused(422, "city is required"),
            3,
            "the API rejected the trigger with 422: city is required; \
             nothing was started; check the fields of --param and --set\n"
                .to_owned(),
        ),
        (
            started().poll(Reply::error(403, "no", "x")),
            5,
            format!(
                "the API rejected the poll with 403: no; the run continues; \
                 check that the API key is valid and that its project and RELEVANCE_REGION \
                      match (relevance-run --check does)\n\
                 relevance-run: resume with: relevance-run --resume {RUN}\n"
            ),
        ),
        (
            started().poll_forever(in_progress()),
            124,
            format!(
                "timed out after 1.5s (--timeout); the run continues\n\
                 relevance-run: resume with: relevance-run --resume {RUN}\n"
            ),
        ),
    ] {
        let api = script.start();
        let output = tool_run(&api).args(["-t", "1500ms"]).run();
        output.exits(code).prints("");
        assert_eq!(output.stderr, format!("relevance-run: {stderr}"));
        assert_eq!(api.triggers(), 1);
    }
}

#[test]
fn a_trigger_is_repeated_only_where_it_came_to_nothing() {
    let api = Script::new()
        .tool_trigger(Reply::error(429, "slow down", "rate_limited"))
        .tool_trigger(tool_triggered())
        .poll(ended("1"))
        .start();
    tool_run(&api).run().answers("1");

    for reply in [
        Reply::error(500, "no", "x"),
        Reply::reset(),
        Reply::text(200, "{}"),
    ] {
        let api = Script::new().tool_trigger(reply).start();
        let output = tool_run(&api).run();
        output
            .exits(5)
            .prints("")
            .says(&["; the run may have been started; "]);
        output.does_not_resume();
        assert_eq!(api.triggers(), 1);
    }
}

#[test]
fn a_signal_and_no_wait_tell_how_to_resume() {
    let api = started().poll(Reply::hang()).start();
    let running = tool_run(&api).spawn();
    api.wait_for_requests(2);
    running.signal(Signal::TERM);
    let output = running.wait();
    output.stopped_by(Signal::TERM);
    assert_eq!(
        output.stderr,
        format!(
            "relevance-run: stopped by SIGTERM; the run continues\n\
             relevance-run: resume with: relevance-run --resume {RUN}\n"
        )
    );

    let api = started().start();
    tool_run(&api).arg("--no-wait").run().answers(RUN);

    let api = Script::new().poll(ended(r#"{"a":  1}"#)).start();
    let resumed = relevance_run(&api).unset("RELEVANCE_AGENT_ID");
    resumed
        .args(["--resume", RUN])
        .run()
        .answers(r#"{"a":  1}"#);
}

#[test]
fn with_a_run_file_it_carries_a_job_id_and_is_taken_up() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = started()
        .poll(Reply::error(403, "no", "x"))
        .poll(ended("1"))
        .start();
    let command = |param| {
        let command = tool_run(&api).args(["-p", param, "--run-file"]);
        command.arg(&file)
    };
    let output = command("city=Ulm").run();
    output.exits(5).resumes(RUN);
    let trigger = &api.requests()[0];
    let job_id = trigger.json()["job_id"].as_str().unwrap().to_owned();
    let is_hex = |byte: u8| byte.is_ascii_hexdigit();
    assert!(job_id.len() == 32 && job_id.bytes().all(is_hex), "{job_id}");
    assert_eq!(
        String::from_utf8_lossy(&trigger.body),
        format!(r#"{{"params":{{"city":"Ulm"}},"project":"project-1","job_id":"{job_id}"}}"#)
    );
    // Another parameter is another request.
    let other = command("city=Bonn").run();
    other.exits(2).prints("");
    command("city=Ulm").run().answers("1");
    assert_eq!(api.triggers(), 1);
    assert!(folder.names().is_empty());
}

/// Against the fake API, which starts a run and loses the reply.
#[test]
fn a_lost_reply_is_found_by_its_job_id() {
    for word in ["lost:", "lost-500:"] {
        let (documented, folder) = (Documented::new(), Folder::new());
        let command = documented.run().arg("-p").arg(format!("message={word} x"));
        let output = command.arg("--run-file").arg(folder.0.join("run")).run();
        output.exits(0);
        assert!(output.stdout.starts_with(b"{"), "{output}");
        assert_eq!(documented.api.triggers(), 1);
        assert!(folder.names().is_empty());
        // Without a run file there is no name to look for.
        let documented = Documented::new();
        let command = documented.run().arg("-p").arg(format!("message={word} x"));
        let output = command.run();
        output.exits(5).says(&["; the run may have been started; "]);
        assert_eq!(documented.api.triggers(), 1);
    }
}

#[test]
fn a_job_id_that_is_rejected_is_left_out() {
    let folder = Folder::new();
    let rejection = Reply::error(422, "Unexpected property: 'job_id'", "x");
    let api = Script::new()
        .tool_trigger(rejection)
        .tool_trigger(tool_triggered())
        .poll(ended("1"))
        .start();
    let command = tool_run(&api).arg("--run-file").arg(folder.0.join("run"));
    command.run().answers("1");
    assert_eq!(
        api.requests()[1].json(),
        json!({"params": {}, "project": "project-1"})
    );
}
