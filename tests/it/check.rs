/*! `--check`: whether key, region, project and agent go together, told in one line; nothing is started. */

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::command::{Cmd, relevance_run};
use crate::fake::api::{Api, Scenario, TOKEN as DEMO_TOKEN};
use crate::fake::server::{Reply, Server, Step};
use crate::script::{Script, Scripted};

fn key_info() -> Reply {
    Reply::json(
        200,
        json!({"user_id": "u", "key_id": "k", "permissions": {"projects": {}}}),
    )
}

fn agent(id: &str, project: &str) -> Reply {
    Reply::json(
        200,
        json!({"agent": {"agent_id": id, "name": "News\u{1b}[31m of\nthe day", "project": project}}),
    )
}

fn good() -> Reply {
    agent("agent-1", "project-1")
}

fn checking(api: &Scripted) -> Cmd {
    relevance_run(api).arg("--check")
}

#[test]
fn a_configuration_that_works_is_told_in_one_line() {
    let api = Script::new().check(key_info()).check(good()).start();
    let mut command = checking(&api).command;
    // Standard input stays open: a command that reads it would never end.
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _open = child.stdin.take();
    let status = crate::command::wait_within(&mut child, Duration::from_secs(20));
    let output = child.wait_with_output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(status.success() && output.stderr.is_empty(), "{line}");
    assert_eq!(line.lines().count(), 1);
    for part in [
        "agent-1",
        "News [31m of the day",
        "project-1",
        &format!("localhost:{}", api.server.address.port()),
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let targets: Vec<String> = api
        .requests()
        .into_iter()
        .map(|it| format!("{} {}", it.method, it.target))
        .collect();
    assert_eq!(
        targets,
        ["GET /latest/auth/info", "GET /latest/agents/agent-1/get"]
    );
    assert_eq!(api.server.connections(), 1);
}

#[test]
fn without_an_agent_the_key_alone_is_asked_about() {
    let api = Script::new().check(key_info()).start();
    let output = checking(&api).unset("RELEVANCE_AGENT_ID").run();
    output.exits(0);
    assert!(String::from_utf8_lossy(&output.stdout).contains("no agent"));
}

#[test]
fn what_does_not_add_up_is_exit_3_with_what_to_mend() {
    let html = || {
        Reply::new(
            200,
            &[("Content-Type", "text/html")],
            "<html><title>Log in</title>",
        )
    };
    let wrong_key = Reply::error(
        400,
        "User key with id project-1 not found",
        "unset_error_type",
    );
    let no_agent = Reply::error(404, "Agent agent-1 not found", "agent_not_found");
    for (replies, parts) in [
        (
            vec![wrong_key],
            vec!["400", "check that the token", "RELEVANCE_REGION"],
        ),
        (vec![Reply::error(401, "no", "x")], vec!["401", "token"]),
        (
            vec![Reply::error(402, "no credits", "x")],
            vec!["402", "credits"],
        ),
        (
            vec![Reply::new(404, &[], "<html>not here")],
            vec!["404", "RELEVANCE_BASE_URL", "/latest"],
        ),
        (
            vec![Reply::new(302, &[("Location", "http://127.0.0.1:9/")], "")],
            vec!["302", "RELEVANCE_BASE_URL"],
        ),
        (vec![html()], vec!["web page", "login page"]),
        (
            vec![Reply::text(200, "[]")],
            vec!["not the API's", "RELEVANCE_BASE_URL"],
        ),
        (vec![Reply::text(200, "{}")], vec!["not the API's"]),
        (
            vec![key_info(), no_agent],
            vec![
                "404",
                "Agent agent-1 not found",
                "check the id of the agent",
            ],
        ),
        (vec![key_info(), html()], vec!["web page"]),
        (
            vec![
                key_info(),
                Reply::text(200, r#"{"agent":{"agent_id":"agent-1"}}"#),
            ],
            vec!["not the API's"],
        ),
        (
            vec![key_info(), Reply::text(200, r#"{"agent":7}"#)],
            vec!["not the API's"],
        ),
        (
            vec![key_info(), agent("agent-1", "project-2")],
            vec!["project-2", "project-1"],
        ),
        (
            vec![key_info(), agent("agent-2", "project-1")],
            vec!["agent-2", "agent-1"],
        ),
    ] {
        let script = replies.into_iter().fold(Script::new(), Script::check);
        let api = script.start();
        checking(&api).run().fails(3, &parts).does_not_resume();
        assert_eq!(api.triggers(), 0);
    }
}

/// What a poll survives, a check survives too, as often as a trigger is tried.
#[test]
fn what_passes_is_waited_through() {
    std::thread::scope(|scope| {
        for fault in [
            Reply::error(429, "wait", "x"),
            Reply::error(503, "down", "x"),
            Reply::new(500, &[], "<html>"),
            Reply::reset(),
            Reply::close(),
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"user_id\"")
                .then(Step::Close),
            Reply::raw("garbage\r\n\r\n").then(Step::Close),
        ] {
            scope.spawn(move || {
                let api = Script::new()
                    .check(fault)
                    .check(key_info())
                    .check(good())
                    .start();
                checking(&api).run().exits(0);
            });
        }
        for reply in [
            Reply::error(429, "wait", "x"),
            Reply::error(500, "down", "x"),
            Reply::close(),
        ] {
            scope.spawn(move || {
                let api = (0..5)
                    .fold(Script::new(), |script, _| script.check(reply.clone()))
                    .start();
                checking(&api).run().exits(4).prints("").does_not_resume();
            });
        }
    });
    let api = Script::new().check(Reply::hang()).start();
    let output = checking(&api).args(["-t", "1s"]).run();
    output.fails(4, &["timeout of 1s"]);
    assert!(output.took < Duration::from_secs(2));
    let nowhere = checking(&api)
        .env("RELEVANCE_BASE_URL", "http://127.0.0.1:9")
        .args(["-t", "300ms"])
        .run();
    nowhere.fails(4, &["refused"]);
}

#[test]
fn it_goes_with_few_other_options() {
    let api = Script::new().start();
    for arguments in [
        vec!["Hello"],
        vec!["--file", "x"],
        vec!["--resume", "a/b"],
        vec!["-c", "c"],
        vec!["-s", "a=1"],
        vec!["-n"],
        vec!["-j"],
        vec!["-o", "x"],
        vec!["-i", "1s"],
        vec!["--run-file", "x"],
    ] {
        checking(&api)
            .args(&arguments)
            .run()
            .fails(2, &["--check", "starts nothing"]);
    }
    let api = Script::new().check(key_info()).check(good()).start();
    checking(&api)
        .args(["-a", "agent-1", "-t", "5s", "-v", "-q"])
        .run()
        .exits(0)
        .says(&["check: 200 in "]);
}

/// The fake API refuses a key and an agent that it does not know.
#[test]
fn the_demonstration_api_answers_a_check() {
    let api = Api::new(Scenario::default());
    let server = Server::on("127.0.0.1:0", None, move |request| api.answer(&request)).unwrap();
    let unused = Script::new().start();
    let command = || {
        checking(&unused)
            .env(
                "RELEVANCE_BASE_URL",
                format!("http://{}/latest", server.address),
            )
            .env("RELEVANCE_AUTH_TOKEN", DEMO_TOKEN)
            .env("RELEVANCE_AGENT_ID", "demo-agent")
    };
    command().run().exits(0);
    command()
        .env("RELEVANCE_AUTH_TOKEN", "demo-project:sk-wrong-key")
        .run()
        .fails(3, &["User key with id"]);
    command()
        .env("RELEVANCE_AGENT_ID", "missing")
        .run()
        .fails(3, &["Agent missing not found"]);
    command()
        .env("RELEVANCE_BASE_URL", format!("http://{}", server.address))
        .run()
        .fails(3, &["ends in /latest"]);
}
