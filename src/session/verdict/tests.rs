/*! The end of every command, as a table. */

use super::*;
use crate::api::task::TaskState;
use crate::api::trigger::StartedRun;
use crate::text::redactor::Untrusted;

const URL: &str = "https://app/a/c";
const RESUME: &str = "resume with: relevance-run --resume s/j";
const REPEAT: &str = "to resume, repeat the same command (--run-file f.run)";

fn known(remote: Remote) -> Known {
    Known {
        remote,
        agent_id: Some("a".parse().unwrap()),
        url: Some(URL.to_owned()),
        state: None,
        run_file: Some("f.run".into()),
    }
}

fn started() -> Known {
    known(Remote::Started(StartedRun {
        run_id: Some("s/j".parse().unwrap()),
        conversation_id: Some("c".parse().unwrap()),
        state: None,
    }))
}

fn seen_as(state: &str) -> Known {
    Known {
        state: Some(TaskState::of(Untrusted(state.to_owned()))),
        ..started()
    }
}

/// The code, the lines, and whether the run file stays.
fn check(end: &Verdict, exit: Exit, lines: &[&str], keeps_run_file: bool) {
    let expected = Verdict {
        exit,
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        keeps_run_file,
    };
    assert_eq!(*end, expected);
}

fn answer() -> Outcome {
    Outcome::AnsweredInTask("Hi!".to_owned())
}

#[test]
fn what_was_delivered_is_a_success() {
    let number = || Outcome::Started("s/j".to_owned());
    for (outcome, keeps_run_file) in [
        (answer(), false),
        (number(), true),
        (Outcome::Checked("ok".to_owned()), false),
        (Outcome::Text("help"), false),
    ] {
        let end = verdict(Ok(&outcome), None, &started());
        check(&end, Exit::Success, &[], keeps_run_file);
    }
}

#[test]
fn what_was_not_delivered_is_unknown_where_there_is_a_run() {
    let lost = Some("standard output: Broken pipe");
    let line = "cannot write the result to standard output: Broken pipe";
    let with_url = format!("{line}; see {URL}");
    for outcome in [answer(), Outcome::Started("s/j".to_owned())] {
        let end = verdict(Ok(&outcome), lost, &started());
        check(&end, Exit::Unknown, &[&with_url, REPEAT, RESUME], true);
    }
    let nothing = format!("{line}; nothing was started");
    for outcome in [Outcome::Checked("ok".to_owned()), Outcome::Text("help")] {
        let end = verdict(Ok(&outcome), lost, &known(Remote::Unsent));
        check(&end, Exit::Unreachable, &[&nothing], false);
    }
}

#[test]
fn an_error_keeps_its_code_and_resumes_what_may_be_resumed() {
    let unsent = || known(Remote::Unsent);
    let sent = || known(Remote::Sent);
    let why = |exit: Exit| Error::new(exit, "why");
    let (usage, rejected) = (Exit::Usage, Exit::Rejected);
    let nothing = "why; nothing was started";
    let see = "why; see https://app/a/c";
    let nothing_see = "why; nothing was started; see https://app/a/c";
    let continues = "why; the run continues; see https://app/a/c";
    let all: &[&str] = &[see, REPEAT, RESUME];
    for (error, known, lines, keeps_run_file) in [
        (why(usage), unsent(), &["why"] as &[&str], false),
        (why(rejected), unsent(), &[nothing], false),
        (why(Exit::Unreachable), unsent(), &[nothing], false),
        (why(Exit::Unknown), sent(), &["why"], true),
        (why(Exit::Unknown), started(), all, true),
        (why(Exit::Failed), started(), &[see], false),
        (
            why(Exit::TimedOut),
            started(),
            &[continues, REPEAT, RESUME],
            true,
        ),
        (why(Exit::Signal(15)), started(), all, true),
        // Of a run that was resumed.
        (
            why(rejected),
            started(),
            &[nothing_see, REPEAT, RESUME],
            true,
        ),
    ] {
        let end = verdict(Err(&error), None, &known);
        check(&end, error.exit, lines, keeps_run_file);
    }
    // One that the API does not know cannot be resumed.
    let mut error = why(rejected);
    error.is_unknown_run = true;
    let end = verdict(Err(&error), None, &started());
    check(&end, rejected, &[nothing_see], true);
}

#[test]
fn a_failure_that_was_not_delivered_can_be_delivered_again() {
    let lost = "standard output: Broken pipe";
    let line = "cannot write the result to standard output: Broken pipe";
    let failed = Error::failed("no");
    let end = verdict(Err(&failed), Some(lost), &started());
    let first = format!("the run failed: no; see {URL}");
    check(&end, Exit::Unknown, &[&first, line, REPEAT, RESUME], true);
    // Any other code says more than that.
    let error = Error::new(Exit::TimedOut, "why");
    let end = verdict(Err(&error), Some(lost), &started());
    let first = format!("why; the run continues; see {URL}");
    check(&end, Exit::TimedOut, &[&first, line, REPEAT, RESUME], true);
    let error = Error::rejected("why");
    let end = verdict(Err(&error), Some(lost), &known(Remote::Unsent));
    check(
        &end,
        Exit::Rejected,
        &["why; nothing was started", line],
        false,
    );
}

#[test]
fn an_interruption_says_how_far_the_command_had_come() {
    let seconds = Duration::from_secs;
    let signal = || Interruption::Signal(15);
    let deadline = || Interruption::Deadline(seconds(5400));
    let panic = || Interruption::Panic("a.rs:1".to_owned());
    let asked = || Interruption::RetryAfter {
        asked: seconds(3600),
        timeout: seconds(60),
    };
    let may = "the run may have been started; check https://app/a/c, or repeat the same command to \
               look for it again";
    let waits = "the API asked to wait 1h, which is past the --timeout of 1m";
    for (why, remote, exit, text) in [
        (
            signal(),
            Remote::Unsent,
            Exit::Signal(15),
            "stopped by SIGTERM; nothing was started".to_owned(),
        ),
        (
            Interruption::Signal(250),
            Remote::Unsent,
            Exit::Signal(250),
            "stopped by signal 250; nothing was started".to_owned(),
        ),
        (
            signal(),
            Remote::Sent,
            Exit::Signal(15),
            format!("stopped by SIGTERM; {may}"),
        ),
        (
            signal(),
            started().remote,
            Exit::Signal(15),
            "stopped by SIGTERM; the run continues".to_owned(),
        ),
        (
            deadline(),
            Remote::Unsent,
            Exit::Unreachable,
            "timed out after 1h30m (--timeout); nothing was started".to_owned(),
        ),
        (
            deadline(),
            Remote::Sent,
            Exit::Unknown,
            format!("timed out after 1h30m (--timeout); {may}"),
        ),
        (
            deadline(),
            started().remote,
            Exit::TimedOut,
            "timed out after 1h30m (--timeout); the run continues".to_owned(),
        ),
        (
            asked(),
            Remote::Unsent,
            Exit::Unreachable,
            format!("{waits}; nothing was started"),
        ),
        (
            asked(),
            started().remote,
            Exit::TimedOut,
            format!("{waits}; the run continues"),
        ),
        (
            panic(),
            Remote::Unsent,
            Exit::Unreachable,
            "internal error at a.rs:1; nothing was started".to_owned(),
        ),
        (
            panic(),
            Remote::Sent,
            Exit::Unknown,
            format!("internal error at a.rs:1; {may}"),
        ),
        (
            panic(),
            started().remote,
            Exit::Unknown,
            "internal error at a.rs:1; the run continues".to_owned(),
        ),
    ] {
        let error = why.into_error(&known(remote), None, false);
        assert_eq!((error.exit, error.message()), (exit, text));
    }
}

#[test]
fn an_interruption_says_what_is_known_beside() {
    let deadline = || Interruption::Deadline(Duration::from_secs(90));
    let last = Some("down");
    let before = "timed out after 1m30s (--timeout); ";
    for (known, is_reporting, after) in [
        (known(Remote::Unsent), false, "nothing was started (down)"),
        (started(), false, "the run continues (last error: down)"),
        (started(), true, "the result was being written"),
        (
            seen_as("paused"),
            false,
            "the run continues, and is waiting for a person (paused)",
        ),
        (
            seen_as("completed"),
            false,
            "the run continues (its task was last seen as completed)",
        ),
        (
            seen_as("running"),
            false,
            "the run continues (last error: down)",
        ),
    ] {
        let error = deadline().into_error(&known, last, is_reporting);
        assert_eq!(error.message(), format!("{before}{after}"));
    }
}
