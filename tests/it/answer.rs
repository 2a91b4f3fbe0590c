use std::time::Duration;

use serde_json::{Value, json};

use crate::command::{Folder, relevance_run};
use crate::fake::server::Reply;
use crate::script::{Script, Scripted, answered, in_progress, poll, triggered};

/// An API whose run ends with this `chain-success` update's `output`, written to the letter.
fn ending_in(output: &str) -> Scripted {
    let body = format!(
        r#"{{"type":"complete","updates":[{{"type":"chain-success","output":{output}}}]}}"#
    );
    Script::run().poll(Reply::text(200, &body)).start()
}

#[test]
fn where_the_answer_is_found() {
    for (output, answer) in [
        (r#"{"output":{"answer":"inner"},"answer":"outer"}"#, "inner"),
        (r#"{"answer":"outer","output":{"other":1}}"#, "outer"),
        (r#"{"output":{"answer":7},"answer":"outer"}"#, "outer"),
        (
            r#"{"output":{"b":1,"a":[2,  3]}}"#,
            r#"{"b":1,"a":[2,  3]}"#,
        ),
        (r#"{"output":{"answer":7}}"#, r#"{"answer":7}"#),
        (r#"{"output":"text"}"#, r#""text""#),
        (r#"{"output":[1,2]}"#, "[1,2]"),
        // Lists are results and not objects by position.
        (r#"{"output":["a","b","c","d"]}"#, r#"["a","b","c","d"]"#),
        (
            r#"["failed",{"answer":"x"},"y",[]]"#,
            r#"["failed",{"answer":"x"},"y",[]]"#,
        ),
        (r#"{"result":1}"#, r#"{"result":1}"#),
        (r#"{"output":null,"x":1}"#, r#"{"output":null,"x":1}"#),
        (r#""just text""#, r#""just text""#),
        ("null", "null"),
        (r#"{"output":{"answer":""}}"#, ""),
    ] {
        relevance_run(&ending_in(output))
            .arg("Hello")
            .run()
            .answers(answer);
    }
}

#[test]
fn a_success_without_any_output_is_null() {
    let api = Script::run()
        .poll(poll("complete", json!({"type": "chain-success"})))
        .start();
    relevance_run(&api).arg("Hello").run().answers("null");
}

/// Escapes, control characters and all: a pipe gets what the agent wrote.
#[test]
fn byte_for_byte_in_a_pipe() {
    let answer =
        "line\nline\r\n\ttab \u{1b}[31mred\u{1b}[0m \0 \u{9b} 🦀 \\n \"quoted\" trailing \n\n";
    let api = Script::run().poll(answered(answer)).start();
    relevance_run(&api).arg("Hello").run().answers(answer);
}

const DELICATE: &str = r#"{"z": 1, "a": 123456789012345678901234567890, "pi": 3.14159265358979323846264338327950288, "e": 1E400, "s": "\u00e9\/\ud83e\udd80", "answer": "x", "dup": 1, "dup": 2}"#;

#[test]
fn results_are_carried_character_for_character() {
    let structured = DELICATE.replace("\"answer\"", "\"reply\"");
    relevance_run(&ending_in(&format!(r#"{{"output": {structured}}}"#)))
        .arg("Hello")
        .run()
        .answers(&structured);

    let output = format!(r#"{{"status": "complete", "output": {DELICATE}}}"#);
    let json = relevance_run(&ending_in(&output))
        .args(["--json", "Hello"])
        .run();
    json.exits(0);
    let text = String::from_utf8(json.stdout).unwrap();
    assert!(text.contains(&format!("\"output\":{output},")), "{text}");
}

#[test]
fn json_has_its_members_in_order() {
    let late = answered("Hi!").after(Duration::from_millis(350));
    let api = Script::run().poll(in_progress()).poll(late).start();
    let output = relevance_run(&api)
        .args(["--json", "-i", "1ms", "Hello"])
        .run();
    output.exits(0);
    assert!(output.stderr.is_empty(), "{output}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 1);
    let elapsed = output.json()["elapsed_seconds"].as_f64().unwrap();
    assert!(
        (0.3..output.took.as_secs_f64() + 0.06).contains(&elapsed)
            && (elapsed * 10.0 - (elapsed * 10.0).round()).abs() < 1e-9,
        "{elapsed}"
    );
    let expected = format!(
        r#"{{"status":"success","exit_code":0,"agent_id":"agent-1","conversation_id":"conversation-1","studio_id":"studio-1","job_id":"job-1","page":null,"state":"running","answer":"Hi!","output":{{"output":{{"answer":"Hi!"}},"status":"complete"}},"error":null,"elapsed_seconds":{elapsed:?},"polls":2}}"#
    );
    assert_eq!(text.trim_end(), expected);
}

/// One object for each outcome, as `jq` would read it.
#[test]
fn json_for_every_outcome() {
    let fail = json!({"type": "chain-fail", "errors": [{"body": "no", "code": 12345678901234567890123u128 as f64}]});
    let html = Reply::new(200, &[], "<html>");
    for (script, arguments, code, status, expect) in [
        (
            Script::new().trigger(triggered()),
            vec!["--no-wait"],
            0,
            "started",
            vec![("/error", json!(null)), ("/answer", json!(null))],
        ),
        (
            Script::run().poll(poll("failed", fail.clone())),
            vec![],
            1,
            "failed",
            vec![
                ("/error/details/0/body", json!("no")),
                ("/job_id", json!("job-1")),
            ],
        ),
        (
            Script::new().trigger(Reply::error(422, "Body Validation Error", "x")),
            vec![],
            3,
            "error",
            vec![
                ("/error/http_status", json!(422)),
                ("/job_id", json!(null)),
                ("/agent_id", json!("agent-1")),
            ],
        ),
        (
            Script::new().trigger(html),
            vec![],
            5,
            "error",
            vec![
                ("/error/http_status", json!(200)),
                ("/studio_id", json!(null)),
            ],
        ),
        (
            Script::run().poll_forever(in_progress()),
            vec!["-t", "300ms"],
            124,
            "timeout",
            vec![
                ("/job_id", json!("job-1")),
                ("/conversation_id", json!("conversation-1")),
            ],
        ),
        (
            Script::run().poll(Reply::error(403, "no", "x")),
            vec![],
            5,
            "error",
            vec![("/error/http_status", json!(403)), ("/polls", json!(1))],
        ),
    ] {
        let api = script.start();
        let output = relevance_run(&api)
            .args(&arguments)
            .args(["--json", "Hello"])
            .run();
        output.exits(code);
        let object = output.json();
        assert_eq!(object["status"], status, "{output}");
        assert_eq!(object["exit_code"], code, "{output}");
        for (pointer, value) in expect {
            assert_eq!(
                object.pointer(pointer),
                Some(&value),
                "{pointer} in {output}"
            );
        }
        if code != 0 {
            let message = object["error"]["message"].as_str().unwrap();
            assert!(output.stderr.contains(message), "{output}");
        }
        let Value::Object(members) = object else {
            panic!("{output}")
        };
        assert_eq!(members.len(), 13);
    }
}

#[test]
fn json_without_a_server_to_reach() {
    // Port 9 is refused at once; the timeout leaves room for a single attempt.
    let output = crate::command::bare()
        .env("RELEVANCE_AUTH_TOKEN", "p1:k1")
        .env("RELEVANCE_BASE_URL", "http://127.0.0.1:9")
        .args(["-a", "agent-1", "--json", "-t", "400ms", "Hello"])
        .run();
    let object = output.exits(4).json();
    assert_eq!(object["status"], "error");
    assert_eq!(object["exit_code"], 4);
    assert_eq!(object["error"]["http_status"], Value::Null);
    output
        .says(&["refused", "nothing was started"])
        .does_not_resume();
}

#[test]
fn no_wait_and_resume_compose_in_a_shell() {
    let api = Script::run()
        .poll(in_progress())
        .poll(answered("Hi!"))
        .start();
    let script = r#"exec "$RUN" --resume "$("$RUN" --no-wait 'Hello')""#;
    relevance_run(&api).in_shell(script).run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
}

#[test]
fn no_wait_prints_the_run_and_sends_no_poll() {
    let api = Script::run().start();
    relevance_run(&api)
        .args(["-n", "Hello"])
        .run()
        .answers("studio-1/job-1");
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn resume_triggers_nothing_and_needs_no_agent() {
    let api = Script::new().poll(answered("Hi!")).start();
    let output = relevance_run(&api)
        .unset("RELEVANCE_AGENT_ID")
        .args(["-r", "studio-1/job-1", "--json"])
        .run();
    output.exits(0);
    assert_eq!(output.json()["job_id"], "job-1");
    assert_eq!(output.json()["agent_id"], Value::Null);
    assert_eq!(api.triggers(), 0);
}

#[test]
fn a_conversation_inside_job_info_is_found() {
    let reply = json!({"job_info": {"studio_id": "s", "job_id": "j", "conversation_id": "inside"}});
    let api = Script::new().trigger(Reply::json(200, reply)).start();
    let output = relevance_run(&api).args(["-n", "--json", "Hello"]).run();
    assert_eq!(output.exits(0).json()["conversation_id"], "inside");
}

#[test]
fn output_goes_to_a_file_whole() {
    let folder = Folder::new();
    let file = folder.file("answer.txt", "what was there before, and longer");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let api = Script::run().poll(answered("Hi!")).start();
    relevance_run(&api)
        .arg("--output")
        .arg(&file)
        .arg("Hello")
        .run()
        .exits(0)
        .prints("");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "Hi!\n");
    assert_eq!(folder.names(), ["answer.txt"]);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn output_is_left_alone_by_a_failure_unless_it_is_json() {
    let folder = Folder::new();
    let file = folder.file("answer.txt", "before");
    let failing = || {
        Script::run()
            .poll(poll("failed", json!({"type": "chain-fail"})))
            .start()
    };
    relevance_run(&failing())
        .arg("-o")
        .arg(&file)
        .arg("Hello")
        .run()
        .fails(1, &["without success"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    relevance_run(&failing())
        .arg("-o")
        .arg(&file)
        .args(["-j", "Hello"])
        .run()
        .exits(1)
        .prints("");
    let object: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(object["status"], "failed");
    assert_eq!(folder.names(), ["answer.txt"]);
}

#[test]
fn output_follows_a_link_and_does_not_replace_a_device() {
    let folder = Folder::new();
    let file = folder.file("real", "before");
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let api = Script::run().poll(answered("Hi!")).start();
    relevance_run(&api)
        .arg("-o")
        .arg(&link)
        .arg("Hello")
        .run()
        .exits(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "Hi!\n");
    assert!(link.symlink_metadata().unwrap().is_symlink());

    let api = Script::run().poll(answered("Hi!")).start();
    relevance_run(&api)
        .args(["-o", "/dev/null", "Hello"])
        .run()
        .exits(0)
        .prints("");
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(
        &std::fs::metadata("/dev/null").unwrap().file_type()
    ));

    let api = Script::run().poll(answered("Hi!")).start();
    relevance_run(&api)
        .args(["-o", "-", "Hello"])
        .run()
        .answers("Hi!");
}

#[test]
fn output_that_cannot_be_written_is_said_before_anything_is_sent() {
    let folder = Folder::new();
    for path in [
        folder.0.join("missing/answer"),
        folder.0.join("missing/"),
        folder.0.clone(),
        "/".into(),
        "..".into(),
    ] {
        let api = Script::new().start();
        let output = relevance_run(&api).arg("-o").arg(&path).arg("Hello").run();
        output.fails(2, &["--output", "choose another file"]);
    }
}

/// A link may lead to a file that is not there yet, also over another link and into another folder.
#[test]
fn output_follows_a_link_to_a_file_that_is_not_there_yet() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("inner")).unwrap();
    std::os::unix::fs::symlink("inner/second", folder.0.join("first")).unwrap();
    std::os::unix::fs::symlink("../real", folder.0.join("inner/second")).unwrap();
    for _ in 0..2 {
        let api = Script::run().poll(answered("Hi!")).start();
        relevance_run(&api)
            .arg("-o")
            .arg(folder.0.join("first"))
            .arg("Hello")
            .run()
            .exits(0);
        assert_eq!(
            std::fs::read_to_string(folder.0.join("real")).unwrap(),
            "Hi!\n"
        );
        assert!(
            folder
                .0
                .join("first")
                .symlink_metadata()
                .unwrap()
                .is_symlink()
        );
        assert_eq!(folder.names(), ["first", "inner", "real"]);
    }
    // Links in a circle lead nowhere.
    std::os::unix::fs::symlink("circle", folder.0.join("circle")).unwrap();
    let api = Script::new().start();
    relevance_run(&api)
        .arg("-o")
        .arg(folder.0.join("circle"))
        .arg("Hello")
        .run()
        .fails(2, &["circle"]);
}

#[test]
fn output_to_a_socket_or_a_device_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    let socket = folder.0.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let api = Script::new().start();
    let output = relevance_run(&api)
        .arg("-o")
        .arg(&socket)
        .arg("Hello")
        .run();
    output.fails(2, &["--output", "socket", "choose another file"]);
}

#[test]
fn output_to_a_long_name() {
    let folder = Folder::new();
    let name = "n".repeat(250);
    let api = Script::run().poll(answered("Hi!")).start();
    relevance_run(&api)
        .arg("-o")
        .arg(folder.0.join(&name))
        .arg("Hello")
        .run()
        .exits(0);
    assert_eq!(folder.names(), [name]);
}

/// `/dev/stdout` is standard output itself: what stands before it in a file stays, and what comes after it follows.
#[test]
fn output_to_standard_output_by_its_other_names() {
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"] {
        let folder = Folder::new();
        let api = Script::run().poll(answered("Hi!")).start();
        let script = format!(r#"{{ echo before; "$RUN" "$@" -o {name}; echo after; }} > "$INTO""#);
        let command = relevance_run(&api)
            .arg("Hello")
            .env("INTO", folder.0.join("all"));
        command.in_shell(&script).run().exits(0);
        assert_eq!(
            std::fs::read_to_string(folder.0.join("all")).unwrap(),
            "before\nHi!\nafter\n",
            "{name}"
        );
        assert_eq!(folder.names(), ["all"]);
    }
    // Process substitution in other shells: a pipe, opened by its name.
    let api = Script::run().poll(answered("Hi!")).start();
    let command = relevance_run(&api).args(["-o", "/dev/fd/7", "Hello"]);
    command
        .in_shell(r#"exec 7>&1 >/dev/null; exec "$RUN" "$@""#)
        .run()
        .answers("Hi!");
}

/// What names the run is taken for what it is, though it is no perfect JSON: the run is on.
#[test]
fn a_reply_that_names_the_run_is_understood_all_the_same() {
    let reply = r#"{"job_info":{"studio_id":"studio-1","job_id":"job-1"},"note":"?"}"#
        .replace('?', "\u{fffd}");
    let broken = reply.replace('\u{fffd}', "!").into_bytes();
    let broken: Vec<u8> = broken
        .into_iter()
        .map(|byte| if byte == b'!' { 0xff } else { byte })
        .collect();
    for body in [
        broken,
        format!("\u{feff}{reply}").into_bytes(),
        format!("{reply}xx").into_bytes(),
    ] {
        let api = Script::new()
            .trigger(Reply::new(200, &[], body))
            .poll(answered("Hi!"))
            .start();
        relevance_run(&api).arg("Hello").run().answers("Hi!");
    }
}

/// A name that no file system takes is refused before anything is sent.
#[test]
fn output_to_a_name_that_is_too_long() {
    let folder = Folder::new();
    let api = Script::new().start();
    let path = folder.0.join("n".repeat(300));
    relevance_run(&api)
        .arg("-o")
        .arg(path)
        .arg("Hello")
        .run()
        .fails(2, &["--output", "too long"]);
}
