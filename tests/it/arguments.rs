use std::os::unix::ffi::OsStrExt;

use crate::command::{bare, relevance_run};
use crate::script::{Script, answered};

/// Each is exit 2 with one line that says what and how to mend it, and nothing is sent.
#[test]
fn what_is_not_understood() {
    let long = "x".repeat(241);
    let resume_long = format!("{long}/job");
    for (arguments, parts) in [
        (vec!["--typo", "Hello"], vec!["--typo", "--help"]),
        (vec!["--typo=sk-secret", "Hello"], vec!["--typo", "--help"]),
        (vec!["-x", "Hello"], vec!["-x"]),
        (vec!["-jx", "Hello"], vec!["-x"]),
        (vec!["-vvv", "Hello"], vec!["-v", "twice"]),
        (vec!["-jt", "5m", "Hello"], vec!["-t", "twice"]),
        (vec!["Hello", "-"], vec!["'-'", "--file -"]),
        (vec!["--json=yes", "Hello"], vec!["--json", "no value"]),
        (vec!["--json", "--json", "Hello"], vec!["--json", "twice"]),
        (vec!["-j", "--json", "Hello"], vec!["--json", "twice"]),
        (
            vec!["-a", "a", "--agent", "b", "Hello"],
            vec!["--agent", "twice"],
        ),
        (
            vec!["--agent=a", "--agent=b", "Hello"],
            vec!["--agent", "twice"],
        ),
        (vec!["-t", "1s", "-t", "2s", "Hello"], vec!["-t", "twice"]),
        (vec!["Hello", "--agent"], vec!["--agent", "needs a value"]),
        (
            vec!["--agent", "--json", "Hello"],
            vec!["--agent", "needs a value"],
        ),
        (vec!["--agent=", "Hello"], vec!["--agent", "needs a value"]),
        (
            vec!["--timeout", "-5", "Hello"],
            vec!["--timeout", "needs a value"],
        ),
        (vec!["one", "two"], vec!["2 messages", "quote"]),
        (vec!["one", "--", "two"], vec!["2 messages"]),
        (vec!["--file", "x", "Hello"], vec!["message", "--file"]),
        (
            vec!["--file", "/does/not/exist"],
            vec!["--file", "No such file"],
        ),
        (vec!["--file", "/"], vec!["--file", "directory"]),
        (vec![""], vec!["empty"]),
        (vec![" \n\t"], vec!["empty"]),
        (vec!["--timeout", "soon", "Hello"], vec!["--timeout", "30m"]),
        (vec!["--interval=1x", "Hello"], vec!["--interval", "30m"]),
        (
            vec!["--interval", "0", "Hello"],
            vec!["--interval", "longer than 0"],
        ),
        (
            vec!["--set", "novalue", "Hello"],
            vec!["--set", "KEY=VALUE"],
        ),
        (vec!["--set", "=x", "Hello"], vec!["--set", "KEY=VALUE"]),
        (
            vec!["--set", "message=x", "Hello"],
            vec!["--set", "message", "MESSAGE"],
        ),
        (
            vec!["--set", "agent_id=x", "Hello"],
            vec!["agent_id", "--agent"],
        ),
        (
            vec!["-s", "conversation_id=x", "Hello"],
            vec!["conversation_id", "--conversation"],
        ),
        (
            vec!["-s", "a=1", "-s", "a=2", "Hello"],
            vec!["--set a", "twice"],
        ),
        (
            vec!["--agent", "a/b", "Hello"],
            vec!["--agent", "character"],
        ),
        (vec!["--agent", "..", "Hello"], vec!["--agent"]),
        (vec!["--agent", &long, "Hello"], vec!["--agent", "240"]),
        (
            vec![
                "--agent",
                "https://app.relevanceai.com/agents/us/p/a1?x=y",
                "Hello",
            ],
            vec!["URL", "a1"],
        ),
        (
            vec!["--conversation", "a b", "Hello"],
            vec!["--conversation", "character"],
        ),
        (
            vec!["--resume", "no-slash"],
            vec!["--resume", "STUDIO_ID/JOB_ID"],
        ),
        (vec!["--resume", "a/b/c"], vec!["--resume", "JOB_ID"]),
        (vec!["--resume", "../.."], vec!["--resume"]),
        (vec!["--resume", "a/"], vec!["--resume", "empty"]),
        (vec!["--resume", "a/b?c"], vec!["--resume"]),
        (vec!["--resume", &resume_long], vec!["--resume", "240"]),
        (
            vec!["--resume", "a/b", "Hello"],
            vec!["--resume", "message"],
        ),
        (
            vec!["--resume", "a/b", "--no-wait"],
            vec!["--resume", "--no-wait"],
        ),
        (
            vec!["--resume", "a/b", "--file", "x"],
            vec!["--resume", "--file"],
        ),
        (
            vec!["--resume", "a/b", "--set", "x=1"],
            vec!["--resume", "--set"],
        ),
        (
            vec!["--resume", "a/b", "-c", "x"],
            vec!["--resume", "--conversation"],
        ),
    ] {
        let api = Script::new().start();
        let output = relevance_run(&api).args(&arguments).run();
        output
            .fails(2, &parts)
            .never_says("sk-secret")
            .does_not_resume();
    }
}

#[test]
fn an_empty_standard_input_is_an_empty_message() {
    let api = Script::new().start();
    relevance_run(&api)
        .run()
        .fails(2, &["standard input is empty"]);
    relevance_run(&api)
        .stdin(b"\xff\xfe")
        .run()
        .fails(2, &["standard input", "UTF-8"]);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let api = Script::new().start();
    let latin1 = std::ffi::OsStr::from_bytes(b"caf\xe9");
    relevance_run(&api)
        .arg(latin1)
        .run()
        .fails(2, &["argument", "UTF-8"]);
    relevance_run(&api)
        .arg("--agent")
        .arg(latin1)
        .arg("Hello")
        .run()
        .fails(2, &["argument", "UTF-8"]);
}

#[test]
fn every_way_to_write_an_option() {
    for arguments in [
        vec!["--agent", "agent-2", "Hello"],
        vec!["--agent=agent-2", "Hello"],
        vec!["-a", "agent-2", "Hello"],
        vec!["Hello", "-a", "agent-2"],
        vec!["--agent=agent-2", "--", "Hello"],
        vec!["-a", "agent-2", "--file=-"],
    ] {
        let api = Script::run().poll(answered("Hi!")).start();
        relevance_run(&api)
            .args(&arguments)
            .stdin("Hello")
            .run()
            .answers("Hi!");
        let body = api.requests()[0].json();
        assert_eq!(body["agent_id"], "agent-2", "{arguments:?}");
        assert_eq!(body["message"]["content"], "Hello", "{arguments:?}");
    }
}

#[test]
fn after_two_hyphens_anything_is_a_message() {
    for message in ["-h", "--json", "--", "-", "--agent=x"] {
        let api = Script::run().poll(answered("Hi!")).start();
        relevance_run(&api)
            .args(["--", message])
            .run()
            .answers("Hi!");
        assert_eq!(api.requests()[0].json()["message"]["content"], message);
    }
}

#[test]
fn help_and_version() {
    for option in ["-h", "--help"] {
        let output = bare().arg(option).run();
        output.exits(0).says(&[]);
        assert!(
            String::from_utf8_lossy(&output.stdout)
                .contains("Usage: relevance-run [OPTIONS] [MESSAGE]")
        );
        assert!(output.stderr.is_empty());
    }
    for option in ["-V", "--version"] {
        bare()
            .arg(option)
            .run()
            .answers(&format!("relevance-run {}", env!("CARGO_PKG_VERSION")));
    }
    // Asked for help, nothing else is complained of.
    bare()
        .args(["--typo", "--timeout", "soon", "--help"])
        .run()
        .exits(0);
}

/// A quick look at each exit code of the table; the themes have more.
#[test]
fn quiet_and_verbose() {
    let api = Script::run().poll(answered("Hi!")).start();
    relevance_run(&api)
        .args(["--quiet", "Hello"])
        .run()
        .answers("Hi!");
    let api = Script::run().poll(answered("Hi!")).start();
    let output = relevance_run(&api).args(["--verbose", "Hello"]).run();
    output.exits(0).prints("Hi!\n").says(&[
        "api: localhost:",
        "trigger: attempt 1, ",
        "trigger: 200 in ",
        "run: studio-1/job-1, state: running",
        "poll 1: 200 in ",
        ", complete",
    ]);
}
