/*! `--check`: whether key, region, project and agent match, in one line; nothing is started. */

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::command::{Cmd, relevance_run, wait_within};
use crate::lines::body_size;
use crate::script::{Script, Scripted, unknown_key};
use fake::api::{Api, Scenario, TOKEN as DEMO_TOKEN};
use fake::server::{Reply, Server, Step};

const KEY_MATCHES: &str =
    "check that the API key is valid and that its project and RELEVANCE_REGION match";

fn key_info() -> Reply {
    let info = json!({"user_id": "u", "key_id": "k", "permissions": {"projects": {}}});
    Reply::json(200, info)
}

fn agent(id: &str, project: &str) -> Reply {
    let name = "News\u{1b}[31m of\nthe day";
    let agent = json!({"agent_id": id, "name": name, "project": project});
    Reply::json(200, json!({"agent": agent}))
}

fn good() -> Reply {
    agent("agent-1", "project-1")
}

fn checking(api: &Scripted) -> Cmd {
    relevance_run(api).arg("--check")
}

fn host(api: &Scripted) -> String {
    format!("localhost:{}", api.server.address.port())
}

#[test]
fn settings_that_work_are_one_line() {
    let api = Script::new().check(key_info()).check(good()).start();
    let mut command = checking(&api).command;
    // Standard input stays open: a command that reads it would never end.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _open = child.stdin.take();
    let status = wait_within(&mut child, Duration::from_secs(20));
    let output = child.wait_with_output().unwrap();
    assert!(status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            "ok: agent agent-1 (News [31m of the day), project project-1, {}\n",
            host(&api)
        )
    );
    let mut lines = Vec::new();
    for request in api.requests() {
        lines.push(format!("{} {}", request.method, request.target));
    }
    let expected = ["GET /latest/auth/info", "GET /latest/agents/agent-1/get"];
    assert_eq!(lines, expected);
    assert_eq!(api.server.connections(), 1);
}

#[test]
fn without_an_agent_only_the_token_is_verified_and_the_line_says_so() {
    let api = Script::new().check(key_info()).start();
    let output = checking(&api).unset("RELEVANCE_AGENT_ID").run();
    output.answers(&format!(
        "ok: {} accepts the token of project project-1; no agent checked (use --agent or \
         RELEVANCE_AGENT_ID)",
        host(&api)
    ));
}

fn login_page() -> Reply {
    let html = "<html><title>Log in</title>";
    Reply::new(200, &[("Content-Type", "text/html")], html)
}

/// Exit 3 with this one line; `{host}` stands for the API's host.
#[track_caller]
fn does_not_add_up(replies: &[Reply], line: &str) {
    let mut script = Script::new();
    for reply in replies {
        script = script.check(reply.clone());
    }
    let api = script.start();
    let line = line.replace("{host}", &host(&api));
    checking(&api).run().ends(3, &[&line]);
    assert_eq!(api.triggers(), 0);
}

#[test]
fn a_token_that_is_rejected_is_exit_3_with_what_to_do() {
    for (reply, said, next) in [
        (
            unknown_key(),
            "400: User key with id project-1 not found",
            KEY_MATCHES,
        ),
        (Reply::error(401, "no", "x"), "401: no", KEY_MATCHES),
        (
            Reply::error(402, "no credits", "x"),
            "402: no credits",
            "the plan's credits are used up: add credits, or wait for the next period",
        ),
        (
            Reply::new(404, &[], "<html>not here"),
            "404: <html>not here",
            "no such path; check that RELEVANCE_BASE_URL ends in /latest",
        ),
        (
            Reply::new(302, &[("Location", "http://127.0.0.1:9/")], ""),
            "302",
            "redirects are not followed, so check RELEVANCE_BASE_URL",
        ),
    ] {
        let line =
            format!("the API rejected GET /auth/info with {said}; nothing was started; {next}");
        does_not_add_up(&[reply], &line);
    }
}

#[test]
fn a_reply_that_is_not_the_apis_is_exit_3() {
    let unexpected = |said: &str, next: &str| {
        format!("unexpected reply from {{host}} (200: {said}); nothing was started; {next}")
    };
    let portal = unexpected(
        "<html><title>Log in</title>",
        "this is a web page, not the API: check for a captive portal or proxy login page, and \
         check RELEVANCE_BASE_URL",
    );
    does_not_add_up(&[login_page()], &portal);
    does_not_add_up(&[key_info(), login_page()], &portal);
    for body in ["[]", "{}"] {
        let line = unexpected(body, "check RELEVANCE_BASE_URL");
        does_not_add_up(&[Reply::text(200, body)], &line);
    }
    for body in [r#"{"agent":{"agent_id":"agent-1"}}"#, r#"{"agent":7}"#] {
        let line = unexpected(body, "check RELEVANCE_BASE_URL");
        does_not_add_up(&[key_info(), Reply::text(200, body)], &line);
    }
}

#[test]
fn an_agent_that_is_not_the_right_one_is_exit_3() {
    does_not_add_up(
        &[
            key_info(),
            Reply::error(404, "Agent agent-1 not found", "agent_not_found"),
        ],
        "the API rejected GET /agents/agent-1/get with 404: Agent agent-1 not found; nothing was \
         started; check the id of the agent and RELEVANCE_REGION",
    );
    does_not_add_up(
        &[key_info(), agent("agent-1", "project-2")],
        "agent agent-1 belongs to project project-2, but the token is for project project-1; \
         nothing was started; use the token of project project-2, or another agent",
    );
    does_not_add_up(
        &[key_info(), agent("agent-2", "project-1")],
        "asked {host} for agent agent-1, got agent agent-2; nothing was started; check the id of \
         the agent",
    );
}

/// What a poll survives, a check survives too, as often as a trigger is tried.
#[test]
fn what_passes_is_waited_through() {
    let cut_off = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"user_id\"";
    thread::scope(|scope| {
        for fault in [
            Reply::error(429, "wait", "x"),
            Reply::error(503, "down", "x"),
            Reply::new(500, &[], "<html>"),
            Reply::reset(),
            Reply::close(),
            Reply::raw(cut_off).then(Step::Close),
            Reply::raw("garbage\r\n\r\n").then(Step::Close),
        ] {
            scope.spawn(move || {
                let script = Script::new().check(fault).check(key_info()).check(good());
                let api = script.start();
                checking(&api).run().exits(0);
            });
        }
    });
}

#[test]
fn what_does_not_pass_is_exit_4_after_five_attempts() {
    let later = "nothing was started; try again later";
    thread::scope(|scope| {
        for (reply, line) in [
            (
                Reply::error(429, "wait", "x"),
                format!("the API returned 429 to GET /auth/info: wait; {later}"),
            ),
            (
                Reply::error(500, "down", "x"),
                format!("the API returned 500 to GET /auth/info: down; {later}"),
            ),
            (
                Reply::close(),
                "cannot reach {host}: the server closed the connection; nothing was started".into(),
            ),
        ] {
            scope.spawn(move || {
                let mut script = Script::new();
                for _ in 0..5 {
                    script = script.check(reply.clone());
                }
                let api = script.start();
                checking(&api)
                    .run()
                    .ends(4, &[&line.replace("{host}", &host(&api))]);
            });
        }
    });
}

#[test]
fn a_check_has_a_deadline() {
    let api = Script::new().check(Reply::hang()).start();
    let output = checking(&api).args(["-t", "1s"]).run();
    output.ends(4, &["timed out after 1s (--timeout); nothing was started"]);
    assert!(output.took < Duration::from_secs(2), "{output}");
    let nowhere = checking(&api).env("RELEVANCE_BASE_URL", "http://127.0.0.1:9");
    nowhere.args(["-t", "1s"]).run().ends(
        4,
        &[
            "timed out after 1s (--timeout); nothing was started (cannot reach 127.0.0.1:9: \
             Connection refused)",
        ],
    );
}

#[test]
fn it_goes_with_few_other_options() {
    let api = Script::new().start();
    for (arguments, other) in [
        (["Hello"].as_slice(), "MESSAGE"),
        (&["--file", "x"], "--file"),
        (&["--resume", "a/b"], "--resume"),
        (&["-c", "c"], "--conversation"),
        (&["-s", "a=1"], "--set"),
        (&["-p", "a=1"], "--param"),
        (&["--attach", "x"], "--attach"),
        (&["--no-wait"], "--no-wait"),
        (&["-j"], "--json"),
        (&["-o", "x"], "--output"),
        (&["-i", "1s"], "--interval"),
        (&["--run-file", "x"], "--run-file"),
    ] {
        let line = format!(
            "--check does not start a run and cannot be combined with {other}; remove one of them"
        );
        checking(&api).args(arguments).run().ends(2, &[&line]);
    }
    let api = Script::new().check(key_info()).check(good()).start();
    let output = checking(&api)
        .args(["-a", "agent-1", "-t", "5s", "-v", "-q"])
        .run();
    output.exits(0);
    let expected = [
        format!("api: {}", host(&api)),
        "check: GET /auth/info, attempt 1".to_owned(),
        format!("check: 200 in # s, {} bytes", body_size(&key_info())),
        "check: GET /agents/agent-1/get, attempt 1".to_owned(),
        format!("check: 200 in # s, {} bytes", body_size(&good())),
    ];
    assert_eq!(output.log(), expected);
}

/// The fake API rejects a key and an agent that it does not know. Its replies have a request id.
#[test]
fn the_fake_api_answers_a_check() {
    let api = Api::new(Scenario::default());
    let server = Server::on("127.0.0.1:0", move |request| api.answer(&request)).unwrap();
    let unused = Script::new().start();
    let url = format!("http://{}", server.address);
    let command = || {
        checking(&unused)
            .env("RELEVANCE_BASE_URL", format!("{url}/latest"))
            .env("RELEVANCE_AUTH_TOKEN", DEMO_TOKEN)
            .env("RELEVANCE_AGENT_ID", "demo-agent")
    };
    command().run().exits(0).writes(&[]);
    let is_rejected = |command: Cmd, path: &str, said: &str, next: &str| {
        let output = command.run();
        let lines = output.exits(3).prints("").lines();
        assert_eq!(lines.len(), 1, "{output}");
        let begin = format!("the API rejected GET {path} with {said} (request id ");
        let end = format!("); nothing was started; {next}");
        assert!(
            lines[0].starts_with(&begin) && lines[0].ends_with(&end),
            "{output}"
        );
    };
    is_rejected(
        command().env("RELEVANCE_AUTH_TOKEN", "demo-project:sk-wrong-key"),
        "/auth/info",
        "400: User key with id demo-project not found",
        KEY_MATCHES,
    );
    is_rejected(
        command().env("RELEVANCE_AGENT_ID", "missing"),
        "/agents/missing/get",
        "404: Agent missing not found",
        "check the id of the agent and RELEVANCE_REGION",
    );
    let output = command().env("RELEVANCE_BASE_URL", &url).run();
    let line = output.exits(3).lines()[0];
    let end = "no such path; check that RELEVANCE_BASE_URL ends in /latest";
    assert!(line.ends_with(end), "{output}");
}
