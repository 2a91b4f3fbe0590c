/*! The command line: every way to write it, and what is said of the other ways. */

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::command::{bare, relevance_run};
use crate::script::{Script, answered};

const NO_SUCH_OPTION: &str = "see relevance-run --help (if this is the message, put -- before it)";
const DURATION: &str = "use a number and an optional unit (ms, s, m, h), such as 90, 1.5s or 30m, \
                        or combine them: 1h30m";
const EMPTY: &str = "check the command that produced the message (in a crontab, write \\% for %; \
                     with docker run, add -i to forward standard input)";
const FIELD: &str = "it is neither KEY=VALUE nor KEY@FILE";
const WRONG_CHARACTER: &str = "contains a character other than letters, digits, '.', '_' and '-'";
const RUN_ID: &str = "use the STUDIO_ID/JOB_ID printed when the run was started";

/// Exit 2 with this one line, and nothing is sent. The line is what failed, and what to do.
#[track_caller]
fn is_refused(arguments: &[&str], what: &str, next: &str) {
    let api = Script::new().start();
    let output = relevance_run(&api).args(arguments).run();
    output.ends(2, &[&format!("{what}; {next}")]);
    assert_eq!(api.server.connections(), 0, "{arguments:?}");
}

#[test]
fn an_option_that_there_is_not() {
    for (arguments, name) in [
        (["--typo", "Hello"], "--typo"),
        // The value is not shown: it may be a key.
        (["--typo=sk-secret", "Hello"], "--typo"),
        (["-x", "Hello"], "-x"),
        (["-jx", "Hello"], "-x"),
    ] {
        is_refused(
            &arguments,
            &format!("unknown option {name}"),
            NO_SUCH_OPTION,
        );
    }
}

#[test]
fn an_option_given_too_often() {
    let more_than_once = |arguments: &[&str], name: &str| {
        is_refused(
            arguments,
            &format!("{name} was given more than once"),
            "give it once",
        );
    };
    more_than_once(&["--json", "--json", "Hello"], "--json");
    more_than_once(&["-j", "--json", "Hello"], "--json");
    more_than_once(&["-a", "a", "--agent", "b", "Hello"], "--agent");
    more_than_once(&["--agent=a", "--agent=b", "Hello"], "--agent");
    more_than_once(&["-t", "1s", "-t", "2s", "Hello"], "--timeout");
    more_than_once(&["--no-wait", "--no-wait", "Hello"], "--no-wait");
    let api = Script::new().start();
    let output = relevance_run(&api).args(["-vvv", "Hello"]).run();
    output.ends(2, &["--verbose can be given at most twice (-vv)"]);
}

#[test]
fn an_option_without_its_value_or_with_one_too_many() {
    for (arguments, name) in [
        (vec!["Hello", "--agent"], "--agent"),
        (vec!["--agent", "--json", "Hello"], "--agent"),
        (vec!["--agent=", "Hello"], "--agent"),
        (vec!["--timeout", "-5", "Hello"], "--timeout"),
        (vec!["-r"], "--resume"),
    ] {
        let next = format!("if the value starts with '-', use {name}=VALUE");
        is_refused(&arguments, &format!("{name} needs a value"), &next);
    }
    is_refused(
        &["--json=yes", "Hello"],
        "--json takes no value",
        "use it on its own",
    );
    is_refused(
        &["-jt", "5m", "Hello"],
        "-t is bundled with other short options",
        "give it on its own",
    );
}

/// It is a dry run elsewhere, and here it would have started a run that costs money.
#[test]
fn there_is_no_short_form_of_no_wait() {
    for name in ["-n", "--dry-run"] {
        is_refused(
            &[name, "Hello"],
            &format!("unknown option {name}"),
            "to verify the settings without a run, use --check; to start a run and not wait for \
             it, --no-wait",
        );
    }
}

#[test]
fn more_than_one_message_or_an_empty_one() {
    for arguments in [
        ["one", "two"].as_slice(),
        &["one", "--", "two"],
        &["one", "-"],
    ] {
        is_refused(
            arguments,
            "expected one MESSAGE, got 2 arguments",
            "quote the message to make it one argument",
        );
    }
    is_refused(&[""], "MESSAGE is empty", EMPTY);
    is_refused(&[" \n\t"], "MESSAGE is empty", EMPTY);
}

#[test]
fn a_message_file_that_cannot_be_read() {
    let next = "nothing was started; check the path and its permissions";
    is_refused(
        &["--file", "/does/not/exist"],
        "cannot read --file /does/not/exist: No such file or directory",
        next,
    );
    is_refused(
        &["--file", "/"],
        "cannot read --file /: Is a directory",
        next,
    );
}

#[test]
fn a_duration_that_is_not_one() {
    for text in ["soon", "5 minutes", "1e3", "-"] {
        let argument = format!("--timeout={text}");
        is_refused(
            &[&argument, "Hello"],
            "invalid --timeout: not a duration",
            DURATION,
        );
    }
    is_refused(
        &["--interval=1x", "Hello"],
        "invalid --interval: not a duration",
        DURATION,
    );
    is_refused(
        &["--interval", "0", "Hello"],
        "--interval must be longer than 0",
        "leave it out to adapt to the run",
    );
}

#[test]
fn a_field_that_is_not_one() {
    for (option, text, example) in [
        ("--set", "novalue", "version=draft"),
        ("--set", "=x", "version=draft"),
        ("--param", "@x", "topic=news"),
    ] {
        is_refused(
            &[option, text, "Hello"],
            &format!("invalid {option}: {FIELD}"),
            &format!("for example: {option} {example}"),
        );
    }
    for (key, own) in [
        ("message", "MESSAGE"),
        ("agent_id", "--agent"),
        ("conversation_id", "--conversation"),
        ("params", "--param"),
    ] {
        is_refused(
            &["--set", &format!("{key}=x"), "Hello"],
            &format!("--set cannot set {key}"),
            &format!("use {own} instead"),
        );
    }
    is_refused(
        &["-s", "a=1", "-s", "a=2", "Hello"],
        "--set a was given more than once",
        "remove all but one",
    );
    is_refused(
        &["--set", r#"x={"a": 1, b}"#, "Hello"],
        "--set x: the value looks like JSON but does not parse (key must be a string at line 1 \
         column 10)",
        "fix it, and put single quotes around KEY=VALUE",
    );
}

#[test]
fn an_id_that_is_not_one() {
    let long = "x".repeat(241);
    for (option, text, why) in [
        ("--agent", "a/b", WRONG_CHARACTER),
        ("--agent", "..", "is not an id"),
        ("--agent", &long, "is longer than 240 characters"),
        ("--conversation", "a b", WRONG_CHARACTER),
        ("--tool", ".", "is not an id"),
    ] {
        let mut arguments = vec![option, text];
        if option != "--tool" {
            arguments.push("Hello");
        }
        is_refused(
            &arguments,
            &format!("invalid {option}: it {why}"),
            "use only the id",
        );
    }
    is_refused(
        &["-c", "https://app.relevanceai.com/agents/us/p/a/c", "Hello"],
        "invalid --conversation: this is a URL",
        "use only the id",
    );
}

#[test]
fn a_run_that_is_not_one() {
    let long = format!("{}/job", "x".repeat(241));
    for (text, why) in [
        ("a/b/c", format!("JOB_ID {WRONG_CHARACTER}")),
        ("../..", "STUDIO_ID is not an id".to_owned()),
        ("a/", "JOB_ID is empty".to_owned()),
        ("a/b?c", format!("JOB_ID {WRONG_CHARACTER}")),
        (&long, "STUDIO_ID is longer than 240 characters".to_owned()),
    ] {
        is_refused(
            &["--resume", text],
            &format!("invalid --resume: {why}"),
            RUN_ID,
        );
    }
    is_refused(
        &["--resume", "https://app.relevanceai.com/agents/us/p/a"],
        "invalid --resume: this is not the URL of a task",
        "use the run id that was printed, or \
         https://app.relevanceai.com/agents/REGION/PROJECT/AGENT_ID/CONVERSATION_ID",
    );
    is_refused(
        &["--resume", "a b"],
        &format!("invalid --resume: it {WRONG_CHARACTER}"),
        "use only the id",
    );
}

#[test]
fn what_starts_a_run_does_not_go_with_resume() {
    for (arguments, other) in [
        (["Hello"].as_slice(), "MESSAGE"),
        (&["--no-wait"], "--no-wait"),
        (&["--file", "x"], "--file"),
        (&["--set", "x=1"], "--set"),
        (&["--param", "x=1"], "--param"),
        (&["--attach", "x"], "--attach"),
        (&["--run-file", "x"], "--run-file"),
        (&["-c", "x"], "--conversation"),
        (&["--tool", "x"], "--tool"),
    ] {
        let all = [["--resume", "a/b"].as_slice(), arguments].concat();
        let what = format!("--resume does not start a run and cannot be combined with {other}");
        is_refused(&all, &what, "remove one of them");
    }
}

/// A conversation has to be one with somebody.
#[test]
fn resuming_a_conversation_needs_an_agent() {
    let api = Script::new().start();
    let command = relevance_run(&api).unset("RELEVANCE_AGENT_ID");
    let output = command.args(["--resume", "conversation-1"]).run();
    output.ends(2, &["no agent: give --agent ID or set RELEVANCE_AGENT_ID"]);
}

#[test]
fn an_empty_standard_input_is_an_empty_message() {
    let api = Script::new().start();
    let empty = format!("standard input is empty; {EMPTY}");
    relevance_run(&api).run().ends(2, &[&empty]);
    relevance_run(&api).stdin(b" \n").run().ends(2, &[&empty]);
    let not_text = "standard input is not valid UTF-8; convert it first, for example with iconv";
    relevance_run(&api)
        .stdin(b"\xff\xfe")
        .run()
        .ends(2, &[not_text]);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let api = Script::new().start();
    let latin1 = OsStr::from_bytes(b"caf\xe9");
    let line = "an argument is not valid UTF-8; convert it first";
    relevance_run(&api).arg(latin1).run().ends(2, &[line]);
    let command = relevance_run(&api).arg("--agent").arg(latin1).arg("Hello");
    command.run().ends(2, &[line]);
}

#[test]
fn every_way_to_write_an_option() {
    for arguments in [
        ["--agent", "agent-2", "Hello"].as_slice(),
        &["--agent=agent-2", "Hello"],
        &["-a", "agent-2", "Hello"],
        &["-aagent-2", "Hello"],
        &["Hello", "-a", "agent-2"],
        &["--agent=agent-2", "--", "Hello"],
        &["-a", "agent-2", "--file=-"],
        &["-a", "agent-2", "-f-"],
        &["-a", "agent-2", "-"],
    ] {
        let api = Script::run().poll(answered("Hi!")).start();
        let command = relevance_run(&api).args(arguments).stdin("Hello");
        command.run().answers("Hi!");
        let body = api.requests()[0].json();
        assert_eq!(body["agent_id"], "agent-2", "{arguments:?}");
        assert_eq!(body["message"]["content"], "Hello", "{arguments:?}");
    }
    // Switches in one word.
    let api = Script::run().poll(answered("Hi!")).start();
    let output = relevance_run(&api).args(["-jq", "Hello"]).run();
    assert_eq!(output.exits(0).json()["answer"], "Hi!");
}

#[test]
fn after_two_hyphens_anything_is_a_message() {
    for message in ["-h", "--json", "--", "-", "--agent=x", "help"] {
        let api = Script::run().poll(answered("Hi!")).start();
        let output = relevance_run(&api).args(["--", message]).run();
        output.answers("Hi!");
        assert_eq!(api.requests()[0].json()["message"]["content"], message);
    }
}

#[test]
fn help_and_version() {
    let help = bare().arg("--help").run();
    help.exits(0).writes(&[]);
    let text = String::from_utf8_lossy(&help.stdout);
    let usage = "Usage: relevance-run [OPTIONS] [MESSAGE]";
    assert!(text.lines().any(|line| line == usage), "{text}");
    assert_eq!(bare().arg("-h").run().exits(0).stdout, help.stdout);
    // Asked for help, nothing else is complained of.
    let beside = bare().args(["--typo", "--timeout", "soon", "--help"]).run();
    assert_eq!(beside.exits(0).stdout, help.stdout);
    for option in ["-V", "--version"] {
        let version = format!("relevance-run {}", env!("CARGO_PKG_VERSION"));
        bare().arg(option).run().answers(&version);
    }
}

#[test]
fn quiet_changes_nothing_where_nothing_is_said() {
    let api = Script::run().poll(answered("Hi!")).start();
    let output = relevance_run(&api).args(["--quiet", "Hello"]).run();
    output.answers("Hi!");
}
