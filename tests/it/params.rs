/*! `--param` and `--set`: what they put into the request, from the command line or from a file. */

use crate::command::{Cmd, Folder, relevance_run};
use crate::message::{refuses, simple, unreadable};
use crate::script::{Script, Scripted};

/// The body of the first request, to the letter.
fn body(api: &Scripted) -> String {
    String::from_utf8(api.requests()[0].body.clone()).unwrap()
}

fn hello(api: &Scripted) -> Cmd {
    relevance_run(api).arg("Hello")
}

const MESSAGE: &str = r#"{"message":{"role":"user","content":"Hello"},"agent_id":"agent-1""#;

#[test]
fn parameters_are_the_members_of_params_in_their_order() {
    let api = simple();
    let params = [
        "z=1.10",
        "name=Ada L.",
        r#"list=[1, {"a": null}]"#,
        "empty=",
        "text=\"1\"",
        "mail=a@b=c",
        r#"q"\=x"#,
    ];
    let mut command = hello(&api).args(["--set", "version=draft"]);
    for param in params {
        command = command.args(["-p", param]);
    }
    command.run().answers("Hi!");
    let members = [
        r#""z":1.10"#,
        r#""name":"Ada L.""#,
        r#""list":[1, {"a": null}]"#,
        r#""empty":"""#,
        r#""text":"1""#,
        r#""mail":"a@b=c""#,
        r#""q\"\\":"x""#,
    ];
    let params = members.join(",");
    let expected = format!(r#","params":{{{params}}},"version":"draft"}}"#);
    assert_eq!(body(&api), format!("{MESSAGE}{expected}"));
}

#[test]
fn without_parameters_there_are_no_params() {
    let api = simple();
    hello(&api).run().answers("Hi!");
    assert_eq!(body(&api), format!("{MESSAGE}}}"));
}

/// What a file contains is text, also where it is JSON.
#[test]
fn a_value_can_be_the_contents_of_a_file() {
    let folder = Folder::new();
    let json = folder.file("a=b@c", "{\"a\": 1}\n");
    let empty = folder.file("empty", "");
    let api = simple();
    let command = hello(&api)
        .arg("--param")
        .arg(format!("json@{}", json.display()))
        .arg("--set")
        .arg(format!("note@{}", empty.display()))
        .args(["--param", "piped@-"]);
    command.stdin("two\nlines\0").run().answers("Hi!");
    let expected = r#","params":{"json":"{\"a\": 1}\n","piped":"two\nlines\u0000"},"note":""}"#;
    assert_eq!(body(&api), format!("{MESSAGE}{expected}"));

    let api = simple();
    let command = hello(&api).args(["-s", "note@-"]).stdin("[1]");
    command.run().answers("Hi!");
    assert_eq!(body(&api), format!(r#"{MESSAGE},"note":"[1]"}}"#));
}

/// A pipe has no size, and is read to its end.
#[test]
fn a_value_can_come_from_another_command() {
    let api = simple();
    let command = hello(&api).args(["-p", "text@/dev/fd/3"]);
    let script = r#"{ echo one; sleep 0.1; echo two; } | { exec 3<&0 </dev/null; "$RUN" "$@"; }"#;
    command.in_shell(script).run().answers("Hi!");
    let expected = r#","params":{"text":"one\ntwo\n"}}"#;
    assert_eq!(body(&api), format!("{MESSAGE}{expected}"));
}

#[test]
fn a_key_is_given_once() {
    let api = Script::new().start();
    for option in ["--param", "--set"] {
        for (one, other) in [("k=1", "k=1"), ("k=1", "k@-"), ("k@-", "k=")] {
            refuses(
                &api,
                hello(&api).args([option, one, option, other]),
                &format!("{option} k was given more than once; remove all but one"),
            );
        }
    }
    // One of each is two different members.
    let api = simple();
    let command = hello(&api).args(["--param", "k=1", "--set", "k=2"]);
    command.run().answers("Hi!");
    assert_eq!(
        body(&api),
        format!(r#"{MESSAGE},"params":{{"k":1}},"k":2}}"#)
    );
}

#[test]
fn what_has_an_option_of_its_own_is_not_set() {
    let api = Script::new().start();
    for (key, own) in [
        ("message", "MESSAGE"),
        ("agent_id", "--agent"),
        ("conversation_id", "--conversation"),
        ("params", "--param"),
    ] {
        for value in ["=x", "@/dev/null"] {
            refuses(
                &api,
                hello(&api).arg("--set").arg(format!("{key}{value}")),
                &format!("--set cannot set {key}; use {own} instead"),
            );
        }
    }
    // As a parameter each is a name like any other.
    let api = simple();
    hello(&api).args(["-p", "message=x"]).run().answers("Hi!");
    assert_eq!(
        body(&api),
        format!(r#"{MESSAGE},"params":{{"message":"x"}}}}"#)
    );
}

#[test]
fn what_is_no_field_is_a_usage_error() {
    let api = Script::new().start();
    for (option, example) in [("--param", "topic=news"), ("--set", "version=draft")] {
        for (text, line) in [
            (
                "key",
                "invalid OPTION: it is neither KEY=VALUE nor KEY@FILE; \
                 for example: OPTION EXAMPLE",
            ),
            (
                "=value",
                "invalid OPTION: it is neither KEY=VALUE nor KEY@FILE; \
                 for example: OPTION EXAMPLE",
            ),
            (
                "@/dev/null",
                "invalid OPTION: it is neither KEY=VALUE nor KEY@FILE; \
                 for example: OPTION EXAMPLE",
            ),
            ("key@", "OPTION key@ names no file; use OPTION key@FILE"),
            (
                "key={\"a\": }",
                "OPTION key: the value looks like JSON but does not parse (expected value at \
                 line 1 column 7); fix it, and put single quotes around KEY=VALUE",
            ),
        ] {
            refuses(
                &api,
                hello(&api).args([option, text]),
                &line.replace("OPTION", option).replace("EXAMPLE", example),
            );
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_usage_error() {
    let api = Script::new().start();
    let folder = Folder::new();
    for option in ["--param", "--set"] {
        for (path, before, why) in unreadable(&folder) {
            let field = format!("key@{}", path.display());
            refuses(
                &api,
                hello(&api).args([option, field.as_str()]),
                &format!("{before}{option} {field}{why}"),
            );
        }
    }
}
