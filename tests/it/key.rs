/*! Never let the key out: not in `ps`, not in output, not to another host. */

use serde_json::json;

use crate::command::{Folder, relevance_run};
use crate::fake::server::{Reply, Step};
use crate::fake::tls::Authority;
use crate::script::{Script, TOKEN, answered, poll};

const KEY: &str = "sk-0123456789abcdefghij";

/// Wherever the server echoes the token, or its key half alone, it is not shown.
#[test]
fn echoes_are_redacted() {
    for echo in [TOKEN, KEY] {
        let spoken = format!("your token is {echo}, isn't it");
        let header = [
            ("X-Echo", spoken.as_str()),
            ("Content-Type", "application/json"),
        ];
        let with_header = |status, body: &str| Reply::new(status, &header, body);
        for (script, code) in [
            (
                Script::new().trigger(Reply::error(400, &spoken, &spoken)),
                3,
            ),
            (Script::new().trigger(with_header(401, &spoken)), 3),
            (Script::new().trigger(with_header(500, &spoken)), 5),
            (Script::new().trigger(with_header(200, &spoken)), 5),
            (
                Script::new().trigger(Reply::raw(format!("{spoken}\r\n\r\n"))),
                5,
            ),
            (
                Script::new().trigger(Reply::new(
                    302,
                    &[("Location", &format!("http://127.0.0.1:9/{echo}"))],
                    "",
                )),
                3,
            ),
            (Script::run().poll(Reply::error(403, &spoken, "x")), 5),
            (
                Script::run().poll(poll(
                    "failed",
                    json!({"type": "chain-fail", "errors": [{"body": spoken}]}),
                )),
                1,
            ),
            (
                Script::run().poll(poll(
                    "failed",
                    json!({"type": "chain-fail", "errors": [spoken]}),
                )),
                1,
            ),
            (
                Script::run()
                    .poll(poll(&spoken, json!({"type": spoken})))
                    .poll(answered("Hi!")),
                0,
            ),
            (Script::run().poll(answered(&spoken)), 0),
        ] {
            let api = script.start();
            let output = relevance_run(&api)
                .args(["--verbose", "--json", "-i", "1ms", "Hello"])
                .run();
            output.exits(code).never_says(KEY);
            if !output.stdout.is_empty() {
                output.json();
            }
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
        relevance_run(&api)
            .arg("Hello")
            .run()
            .fails(3, &["400"])
            .never_says("sk-");
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
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Script::new().start();
        let location = format!("{}/agents/trigger", elsewhere.base_url());
        let redirect = || Reply::new(status, &[("Location", &location)], "");
        let api = Script::new().trigger(redirect()).start();
        let said = [
            status.to_string(),
            "redirects are not followed".into(),
            "RELEVANCE_BASE_URL".into(),
        ];
        let said = said.each_ref().map(String::as_str);
        relevance_run(&api).arg("Hello").run().fails(3, &said);
        let api = Script::run().poll(redirect()).start();
        relevance_run(&api)
            .arg("Hello")
            .run()
            .fails(5, &said)
            .resumes("studio-1/job-1");
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
    let proc = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    assert!(!proc("cmdline").contains(KEY));
    let children = proc(&format!("task/{pid}/children"));
    assert!(children.is_empty(), "children: {children}");
    assert!(folder.names().is_empty());
    running.signal(rustix::process::Signal::TERM);
    running.wait().exits(143).never_says(KEY);
}

/// Nothing is sent before the certificate has verified, the header least of all.
#[test]
fn a_server_that_is_not_trusted_is_sent_nothing() {
    let authority = Authority::new();
    let api = Script::new()
        .tls(authority.server(&["localhost"], false))
        .start();
    relevance_run(&api)
        .arg("Hello")
        .run()
        .fails(4, &["certificate"])
        .never_says(KEY);
    assert!(api.requests().is_empty());
}

/// In any form in which JSON can write it, wherever it comes back; and what is printed as JSON is still JSON.
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
        let success = format!(
            r#"{{"type":"complete","updates":[{{"type":"chain-success","output":{{"output":{{"answer":"{echo}","x":"{echo}"}}}}}}]}}"#
        );
        let structured = success.replace("answer", "other");
        let fail = format!(
            r#"{{"type":"failed","updates":[{{"type":"chain-fail","errors":[{{"body":"{echo}"}},"{echo}"]}}]}}"#
        );
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
            (Script::run().poll(Reply::text(403, &refusal)), 5),
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
fn hides(output: &crate::command::Output, echo: &str) {
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

/// An id that is the key could be neither shown nor kept: it names no run that can be used.
#[test]
fn an_id_that_is_the_key_is_no_id() {
    for (studio, conversation) in [(KEY, "c"), ("s", KEY)] {
        let job = json!({"studio_id": studio, "job_id": "job-1"});
        let reply = Reply::json(
            200,
            json!({"job_info": job, "conversation_id": conversation}),
        );
        for option in ["--no-wait", "--json"] {
            let api = Script::new().trigger(reply.clone()).start();
            let output = relevance_run(&api).args([option, "Hello"]).run();
            output
                .exits(5)
                .says(&["names no usable run", "[redacted]"])
                .never_says("sk-")
                .does_not_resume();
        }
    }
}
