/*! Never let the key out: not in `ps`, not in output, not to another host. */

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::command::{Folder, Output, bare, relevance_run};
use crate::lines::RESUME;
use crate::script::{Script, Scripted, TOKEN, answered, poll};
use fake::server::{Reply, Step};
use fake::tls::Authority;

const KEY: &str = "sk-0123456789abcdefghij";

/// Wherever the server echoes the token, or its key half alone, it is not shown.
#[test]
fn echoes_are_redacted() {
    for echo in [TOKEN, KEY] {
        let spoken = format!("your token is {echo}, isn't it");
        let headers = [
            ("X-Echo", spoken.as_str()),
            ("x-request-id", echo),
            ("Content-Type", "application/json"),
        ];
        let with_headers = |status, body: &str| Reply::new(status, &headers, body);
        let redirect = [("Location", format!("http://127.0.0.1:9/{echo}"))];
        let redirect = redirect
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let fail = |error| poll("failed", json!({"type": "chain-fail", "errors": [error]}));
        let trigger = |reply| Script::new().trigger(reply);
        for (script, code) in [
            (trigger(Reply::error(400, &spoken, &spoken)), 3),
            (trigger(with_headers(401, &spoken)), 3),
            (trigger(with_headers(500, &spoken)), 5),
            (trigger(with_headers(200, &spoken)), 5),
            (trigger(Reply::raw(format!("{spoken}\r\n\r\n"))), 5),
            (trigger(Reply::new(302, &redirect, "")), 3),
            (
                Script::run()
                    .poll(Reply::error(403, &spoken, "x"))
                    .metadata(Reply::error(403, &spoken, "x")),
                5,
            ),
            (Script::run().poll(fail(json!({"body": spoken}))), 1),
            (
                Script::run().poll(fail(json!({"step_name": spoken, "category": spoken}))),
                1,
            ),
            (Script::run().poll(fail(json!(spoken))), 1),
            (
                Script::run()
                    .poll(poll(&spoken, json!({"type": spoken})))
                    .poll(answered("Hi!")),
                0,
            ),
            (Script::run().poll(answered(&spoken)), 0),
        ] {
            let api = script.start();
            let command = relevance_run(&api).args(["--verbose", "--json", "-i", "1ms", "Hello"]);
            let output = command.run();
            output.exits(code).never_says(KEY);
            output.json();
        }
    }
}

#[test]
fn a_long_text_is_not_cut_within_the_key() {
    for padding in 270..305 {
        let api = Script::new()
            .trigger(Reply::error(
                400,
                &format!("{}{KEY}", "x".repeat(padding)),
                "x",
            ))
            .start();
        let output = relevance_run(&api).arg("Hello").run();
        output.exits(3).prints("").never_says("sk-");
    }
}

#[test]
fn an_answer_with_the_key_in_it_is_redacted_and_nothing_else_is() {
    let api = Script::run()
        .poll(answered(&format!("the key {KEY} of project-1")))
        .start();
    relevance_run(&api)
        .arg("Hello")
        .run()
        .answers("the key [redacted] of project-1");
}

/// The redirect's target would have to be contacted for anything to reach it.
#[test]
fn redirects_are_not_followed() {
    let next = "redirects are not followed, so check RELEVANCE_BASE_URL";
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Script::new().start();
        let location = format!("{}/agents/trigger", elsewhere.base_url());
        let redirect = || Reply::new(status, &[("Location", &location)], "");
        let api = Script::new().trigger(redirect()).start();
        let line =
            format!("the API rejected the trigger with {status}; nothing was started; {next}");
        relevance_run(&api).arg("Hello").run().ends(3, &[&line]);
        let api = Script::run().poll(redirect()).metadata(redirect()).start();
        let line = format!("the API rejected the poll with {status}; the run continues; {next}");
        relevance_run(&api)
            .arg("Hello")
            .run()
            .ends(5, &[&line, RESUME]);
        assert_eq!(elsewhere.server.connections(), 0);
    }
}

#[test]
fn the_key_is_on_no_command_line_and_in_no_file() {
    let folder = Folder::new();
    let api = Script::run().poll(Reply::hang()).start();
    let mut command = relevance_run(&api).args(["-v", "-o", "answer", "Hello"]);
    command.command.current_dir(&folder.0);
    let running = command.spawn();
    api.wait_for_requests(2);
    let pid = running.pid().as_raw_nonzero();
    let proc = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    assert!(!proc("cmdline").contains(KEY));
    let children = proc(&format!("task/{pid}/children"));
    assert!(children.is_empty(), "children: {children}");
    assert!(folder.names().is_empty());
    running.signal(Signal::TERM);
    running.wait().stopped_by(Signal::TERM).never_says(KEY);
}

/// Nothing is sent before the certificate has verified, the header least of all.
#[test]
fn a_server_that_is_not_trusted_is_sent_nothing() {
    let tls = Authority::generate().server(&["localhost"], false);
    let api = Script::new().tls(tls).start();
    let output = relevance_run(&api).args(["-vv", "Hello"]).run();
    output.exits(4).prints("").never_says(KEY);
    assert!(api.requests().is_empty());
}

/// In any form in which JSON can write it, wherever it comes back; and what is printed as JSON is
/// still JSON.
#[test]
fn escaped_echoes_are_redacted() {
    let token = "project-1:sk-aa/bb0123456789";
    for echo in [
        r"sk-aa\/bb0123456789",
        r"\u0073k-aa/bb0123456789",
        r"\u0073\u006b\u002D\u0061a\u002fbb0123456789",
        r"sk-aa\u002Fbb012345678\u0039",
        r"project-1:sk-aa\/bb0123456789",
        // JSON within JSON.
        r"key: \\\/sk-aa\\/bb0123456789",
        r"\\u0073k-aa/bb0123456789",
    ] {
        let ended =
            |kind: &str, update: String| format!(r#"{{"type":"{kind}","updates":[{update}]}}"#);
        let output = format!(r#"{{"output":{{"answer":"{echo}","x":"{echo}"}}}}"#);
        let update = format!(r#"{{"type":"chain-success","output":{output}}}"#);
        let success = ended("complete", update);
        let structured = success.replace("answer", "other");
        let errors = format!(r#"[{{"body":"{echo}"}},"{echo}"]"#);
        let update = format!(r#"{{"type":"chain-fail","errors":{errors}}}"#);
        let fail = ended("failed", update);
        let refusal = format!(r#"{{"message":"{echo}"}}"#);
        let odd = format!(r#"{{"type":"{echo}","updates":[{{"type":"{echo}"}}]}}"#);
        for (body, code) in [(&success, 0), (&structured, 0), (&fail, 1)] {
            for option in ["--json", "-vv", "--quiet"] {
                let script = Script::run()
                    .poll(Reply::text(200, &odd))
                    .poll(Reply::text(200, body));
                let api = script.start();
                let command = relevance_run(&api).env("RELEVANCE_AUTH_TOKEN", token);
                let output = command.args([option, "-i", "1ms", "Hello"]).run();
                output.exits(code);
                hides(&output, echo);
                if option == "--json" {
                    output.json();
                }
            }
        }
        for (script, code) in [
            (Script::new().trigger(Reply::text(401, &refusal)), 3),
            (Script::new().trigger(Reply::text(200, &refusal)), 5),
            (
                Script::run()
                    .poll(Reply::text(403, &refusal))
                    .metadata(Reply::text(403, &refusal)),
                5,
            ),
        ] {
            let api = script.start();
            let command = relevance_run(&api).env("RELEVANCE_AUTH_TOKEN", token);
            let output = command.args(["-vv", "--json", "Hello"]).run();
            output.exits(code).json();
            hides(&output, echo);
        }
    }
}

/// However often what was printed is read as JSON, the key does not come out.
#[track_caller]
fn hides(output: &Output, echo: &str) {
    for text in [
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.stderr.clone(),
    ] {
        let mut plain = text;
        for _ in 0..3 {
            assert!(!plain.contains("bb012345678"), "{echo}\n{output}");
            plain = plain.replace("\\\\", "\\").replace("\\/", "/");
            for (code, letter) in [
                ("0073", "s"),
                ("006b", "k"),
                ("002f", "/"),
                ("002F", "/"),
                ("0039", "9"),
            ] {
                plain = plain.replace(&format!("\\u{code}"), letter);
            }
        }
    }
}

/// A reply that breaks off within the key, or a server that shows only its beginning.
#[test]
fn the_beginning_of_the_key_is_not_shown_either() {
    for length in 8..KEY.len() {
        let part = &KEY[..length];
        let broken = format!(
            "HTTP/1.1 400 No\r\nContent-Length: 900\r\n\r\n{{\"message\":\"User key {part}"
        );
        for reply in [
            Reply::raw(broken).then(Step::Close),
            Reply::error(400, &format!("key {part}... not found"), "x"),
        ] {
            let api = Script::new().trigger(reply).start();
            relevance_run(&api)
                .args(["-vv", "Hello"])
                .run()
                .exits(3)
                .never_says("sk-01234");
        }
    }
}

/// An id that contains the key could be neither printed nor stored: it names no usable run.
#[test]
fn an_id_that_is_the_key_is_no_id() {
    for (studio, conversation) in [(KEY, "c"), ("s", KEY)] {
        let job = json!({"studio_id": studio, "job_id": "job-1"});
        let reply = json!({"conversation_id": conversation, "job_info": job});
        let shown = reply.to_string().replace(KEY, "[redacted]");
        let line = format!(
            "the reply to the trigger contains no usable run id (200: {shown}); the run may have \
             been started; check the agent's tasks in the web app before you repeat the command"
        );
        for option in ["--no-wait", "--json"] {
            let api = Script::new()
                .trigger(Reply::json(200, reply.clone()))
                .start();
            let output = relevance_run(&api).args([option, "Hello"]).run();
            output.exits(5).writes(&[&line]).never_says("sk-");
        }
    }
}

/// What is put in the wrong place is not shown there either.
#[test]
fn the_key_where_something_else_should_be_is_not_shown() {
    let rejected = || Reply::error(404, &format!("Agent {KEY} not found"), "agent_not_found");
    let is_hidden = |api: &Scripted, arguments: &[&str], code: i32| {
        let command = relevance_run(api).env("RELEVANCE_REGION", "us");
        let output = command.args(arguments).run();
        output.exits(code).never_says(KEY);
        output
    };
    // As the agent: it is sent where the key may be sent, and shown nowhere.
    let api = Script::new().trigger(rejected()).start();
    let output = is_hidden(&api, &["-vv", "--json", "-a", KEY, "Hello"], 3);
    assert_eq!(output.json()["agent_id"], "[redacted]");
    // As a conversation, which makes the URL of the task.
    let api = Script::run().poll(answered("Hi!")).start();
    let command = relevance_run(&api).env("RELEVANCE_REGION", "us");
    let output = command
        .args(["-v", "--json", "--agent", KEY, "Hello"])
        .run();
    output.exits(0).never_says(KEY);
    assert_eq!(
        output.json()["url"],
        "https://app.relevanceai.com/agents/bcbe5a/project-1/[redacted]/conversation-1"
    );
    let api = Script::new().poll(Reply::error(401, KEY, "x")).start();
    let resumed = format!("{KEY}/job-1");
    is_hidden(&api, &["-vv", "--json", "--resume", &resumed], 3);
    // As the name of a field, on a command line that is wrong otherwise: the key is not known yet.
    let unused = Script::new().start();
    let field = format!("{KEY}=1");
    let json = format!("{KEY}={{");
    let option = format!("--{KEY}");
    for arguments in [
        ["--set", &field, "--set", &field].as_slice(),
        &["--set", &json],
        &["--param", &field, "--param", &field],
        &[option.as_str()],
        &["--agent", KEY, "--conversation", "a b"],
        &["--agent", "null", "--run-file", KEY],
    ] {
        is_hidden(&unused, arguments, 2);
    }
}

/// Two in the environment in each other's place.
#[test]
fn the_key_in_the_wrong_variable_is_not_shown() {
    let url = format!("https://app.relevanceai.com/agents/us/{KEY}/agent-1");
    for (name, value) in [
        ("RELEVANCE_REGION", KEY),
        ("RELEVANCE_BASE_URL", KEY),
        ("RELEVANCE_AGENT_ID", &url),
        ("HTTPS_PROXY", &format!("socks5://{KEY}")),
        ("SSL_CERT_FILE", KEY),
        ("RELEVANCE_AUTH_TOKEN_FILE", KEY),
        ("RELEVANCE_API_KEY_FILE", KEY),
    ] {
        let mut command = bare()
            .env("RELEVANCE_BASE_URL", "http://127.0.0.1:9")
            .env("RELEVANCE_AGENT_ID", "agent-1")
            .arg("Hello");
        if !name.ends_with("_FILE") || name == "SSL_CERT_FILE" {
            command = command.env("RELEVANCE_AUTH_TOKEN", "project-1:sk-another-key");
        }
        let output = command.env(name, value).run();
        output.exits(2).prints("").never_says(KEY);
        assert_eq!(output.lines().len(), 1, "{output}");
    }
}
