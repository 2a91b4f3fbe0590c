/*! `--tool`: a tool is run like an agent, with the same promises; its result is JSON as it came. */

use std::sync::Arc;

use serde_json::json;

use crate::command::{Cmd, Output, bare, relevance_run};
use crate::message::run_with_endless_input;
use crate::script::{Kind, Script, Scripted, TOKEN, in_progress, success, tool, tool_triggered};
use fake::api::{Api, Scenario, TOKEN as DEMO_TOKEN};
use fake::server::{Reply, Server};

/// How its run ends.
mod ends;
/// What makes no sense with it.
mod mistakes;

const RUN: &str = "tool-1/job-1";

/// A tool needs no agent.
fn tool_run(api: &Scripted) -> Cmd {
    relevance_run(api)
        .unset("RELEVANCE_AGENT_ID")
        .args(["--tool", "tool-1"])
}

fn started() -> Script {
    Script::new().tool_trigger(tool_triggered())
}

/// The end of a run, with `output.output` to the letter.
fn ended(output: &str) -> Reply {
    let updates = format!(
        r#"[{{"type":"chain-success","output":{{"status":"complete","output":{output}}}}}]"#
    );
    Reply::text(
        200,
        &format!(r#"{{"type":"complete","updates":{updates},"last_message_id":1}}"#),
    )
}

/// The fake API, which refuses what the vendor's document forbids.
struct Documented {
    api: Arc<Api>,
    server: Server,
}

impl Documented {
    fn new() -> Documented {
        let api = Arc::new(Api::new(Scenario::default()));
        let answering = Arc::clone(&api);
        let answer = move |request| answering.answer(&request);
        let server = Server::on("127.0.0.1:0", answer).unwrap();
        Documented { api, server }
    }

    fn run(&self) -> Cmd {
        bare()
            .env("RELEVANCE_AUTH_TOKEN", DEMO_TOKEN)
            .env(
                "RELEVANCE_BASE_URL",
                format!("http://{}/latest", self.server.address),
            )
            .args(["--tool", "demo-tool"])
    }
}

#[test]
fn the_requests_are_exactly_what_the_api_documents() {
    let api = started().poll(ended("{}")).start();
    let command = tool_run(&api).args(["-p", "city=Ulm", "-p", "n=1.0", "-s", "version=active"]);
    command.run().answers("{}");
    let requests = api.requests();
    let [trigger, poll] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    assert_eq!(trigger.target, "/latest/studios/tool-1/trigger_async");
    assert_eq!(trigger.header("Authorization"), Some(TOKEN));
    assert_eq!(trigger.header("Content-Type"), Some("application/json"));
    assert_eq!(
        std::str::from_utf8(&trigger.body).unwrap(),
        r#"{"params":{"city":"Ulm","n":1.0},"project":"project-1","version":"active"}"#
    );
    assert_eq!(
        poll.target,
        "/latest/studios/tool-1/async_poll/job-1?ending_update_only=true"
    );

    let api = started().poll(ended("{}")).start();
    tool_run(&api).run().answers("{}");
    assert_eq!(
        std::str::from_utf8(&api.requests()[0].body).unwrap(),
        r#"{"params":{},"project":"project-1"}"#
    );
}

#[test]
fn the_result_is_json_unchanged_and_text_as_it_is() {
    for (output, printed) in [
        (
            r#"{ "z": 1.10,"a":[ 12345678901234567890 ], "é": "\u00e9"}"#,
            r#"{ "z": 1.10,"a":[ 12345678901234567890 ], "é": "\u00e9"}"#,
        ),
        // An agent's answer is told by this name; a tool's output is the whole.
        (
            r#"{"answer": "x", "sources": []}"#,
            r#"{"answer": "x", "sources": []}"#,
        ),
        (r#""two\nlines""#, "two\nlines"),
        ("[1, 2]", "[1, 2]"),
        ("false", "false"),
    ] {
        let api = started().poll(ended(output)).start();
        tool_run(&api).run().answers(printed);
    }
}

#[test]
fn the_json_object_has_no_agent_and_no_url() {
    let api = started()
        .poll(in_progress())
        .poll(ended(r#"{"a": 1.0}"#))
        .start();
    let output = tool_run(&api).args(["--json", "-i", "1ms"]).run();
    let mut object = output.exits(0).json();
    assert!(object["elapsed_seconds"].take().is_f64());
    assert_eq!(
        object,
        json!({
            "status": "success", "exit_code": 0, "agent_id": null, "conversation_id": null,
            "run_id": RUN, "studio_id": "tool-1", "job_id": "job-1", "url": null, "state": null,
            "answer": "{\"a\": 1.0}", "output": {"status": "complete", "output": {"a": 1.0}},
            "error": null, "elapsed_seconds": null, "polls": 2,
        })
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#""output":{"a": 1.0}"#));
}

#[test]
fn the_documented_tool_answers() {
    let documented = Documented::new();
    let output = documented.run().args(["-p", "city=Ulm", "-p", "n=1"]).run();
    output.exits(0);
    assert_eq!(output.json(), json!({"received": {"city": "Ulm", "n": 1}}));
    let check = documented.run().arg("--check").run();
    let host = documented.server.address;
    check.answers(&format!(
        "ok: tool demo-tool (Demo tool), project demo-project, {host}"
    ));
    assert_eq!(documented.api.triggers(), 1);
}

#[test]
fn the_agent_of_the_environment_is_not_asked_about() {
    for agent in ["agent-1", "not an id", "https://example.com/", ""] {
        let api = started().poll(ended("1")).start();
        let command = tool_run(&api).env("RELEVANCE_AGENT_ID", agent);
        let output = command.arg("--json").run();
        let object = output.exits(0).json();
        assert_eq!(
            (&object["agent_id"], &object["url"]),
            (&json!(null), &json!(null))
        );
        let api = Script::new()
            .check(key_info())
            .tool(tool("tool-1", "project-1"))
            .start();
        let command = tool_run(&api).env("RELEVANCE_AGENT_ID", agent);
        command.arg("--check").run().exits(0);
    }
}

#[test]
fn standard_input_is_not_read_for_a_tool() {
    let api = started().poll(success(json!("done"))).start();
    run_with_endless_input(tool_run(&api)).answers("done");
    // But a parameter may.
    let api = started().poll(success(json!("done"))).start();
    let command = tool_run(&api).args(["-p", "diff@-"]).stdin("+ a\n");
    command.run().answers("done");
    assert_eq!(api.requests()[0].json()["params"], json!({"diff": "+ a\n"}));
}

fn key_info() -> Reply {
    let info = json!({"user_id": "u", "key_id": "k", "permissions": {}});
    Reply::json(200, info)
}

fn checked(reply: Reply) -> (Scripted, Output) {
    let api = Script::new().check(key_info()).tool(reply).start();
    let output = tool_run(&api).arg("--check").run();
    (api, output)
}

#[test]
fn check_asks_about_the_tool_and_starts_nothing() {
    let (api, output) = checked(tool("tool-1", "project-1"));
    let host = format!("localhost:{}", api.server.address.port());
    output.answers(&format!(
        "ok: tool tool-1 (Tool), project project-1, {host}"
    ));
    let targets: Vec<String> = api.requests().into_iter().map(|it| it.target).collect();
    assert_eq!(targets, ["/latest/auth/info", "/latest/studios/tool-1/get"]);

    let nothing = "nothing was started";
    for (reply, line) in [
        (
            tool("tool-1", "project-2"),
            format!(
                "tool tool-1 belongs to project project-2, but the token is for project project-1; \
                 {nothing}; use the token of project project-2, or another tool"
            ),
        ),
        (
            Reply::error(404, "Studio tool-1 not found", "x"),
            format!(
                "the API rejected GET /studios/tool-1/get with 404: Studio tool-1 not found; \
                 {nothing}; check the id of the tool and RELEVANCE_REGION"
            ),
        ),
    ] {
        let (_, output) = checked(reply);
        output.exits(3).prints("");
        assert_eq!(output.stderr, format!("relevance-run: {line}\n"));
    }
    // An agent is no tool.
    let agent = json!({"agent": {"agent_id": "tool-1", "name": "x", "project": "project-1"}});
    let (_, output) = checked(Reply::json(200, agent));
    output.fails(
        3,
        &[
            "unexpected reply from localhost:",
            "; nothing was started; ",
        ],
    );
}

/// A tool has no task: nothing is asked but its job, however long it takes.
#[test]
fn no_task_is_asked_for() {
    let api = started().polls(17, in_progress()).poll(ended("1")).start();
    let command = tool_run(&api).env("RELEVANCE_AGENT_ID", "agent-1");
    command.args(["-i", "1ms"]).run().answers("1");
    assert_eq!(api.requests_of(Kind::Poll).len(), 18);
}
