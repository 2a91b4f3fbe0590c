/*! What makes no sense with a tool. */

use super::{RUN, tool_run};
use crate::command::relevance_run;
use crate::message::refuses;
use crate::script::Script;

#[test]
fn what_makes_no_sense_with_a_tool_is_a_usage_error() {
    let api = Script::new().start();
    for (arguments, other) in [
        (&["Hello"][..], "MESSAGE"),
        (&["-"], "MESSAGE"),
        (&["--", "-p"], "MESSAGE"),
        (&["--file", "/dev/null"], "--file"),
        (&["-f", "-"], "--file"),
        (&["--attach", "/dev/null"], "--attach"),
        (&["--attach=https://example.com/a"], "--attach"),
        (&["-c", "conversation-1"], "--conversation"),
        (&["--agent", "agent-1"], "--agent"),
        (&["--check", "--agent", "agent-1"], "--agent"),
    ] {
        refuses(
            &api,
            tool_run(&api).args(arguments).stdin("text"),
            &format!("--tool runs a tool and cannot be combined with {other}; remove one of them"),
        );
    }
    refuses(
        &api,
        tool_run(&api).args(["--resume", RUN]),
        "--resume does not start a run and cannot be combined with --tool; remove one of them",
    );
    refuses(
        &api,
        tool_run(&api).args(["--check", "-p", "a=1"]),
        "--check does not start a run and cannot be combined with --param; remove one of them",
    );
    for (key, own) in [("params", "--param"), ("project", "RELEVANCE_PROJECT_ID")] {
        refuses(
            &api,
            tool_run(&api).arg("--set").arg(format!("{key}=x")),
            &format!("--set cannot set {key}; use {own} instead"),
        );
    }
}

#[test]
fn an_id_that_is_none_is_a_usage_error() {
    let api = Script::new().start();
    let run = |id: &str| relevance_run(&api).args(["--tool", id]);
    refuses(
        &api,
        run("null"),
        "invalid --tool null: this is what a failed command leaves behind, not an id; \
         check the command that should have printed it",
    );
    refuses(
        &api,
        run("https://app.relevanceai.com/notebook/bcbe5a/project-1/tool-1"),
        "invalid --tool: this is a URL; use only the id",
    );
    for id in ["", "a/b", "..", "a b", "a?b"] {
        let output = run(id).run();
        output.fails(
            2,
            &["relevance-run: invalid --tool: it ", "; use only the id"],
        );
    }
    assert!(api.requests().is_empty());
}
