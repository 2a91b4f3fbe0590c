/*! A key that may not look at tasks, or not at all of them. */

use std::thread;

use crate::command::Folder;
use crate::faked::RESUME;
use crate::script::{Kind, Script, Scripted, answered, in_progress, metadata};
use crate::task::{PAGE, quick, says_only, silent_end};
use crate::task_faults::refused;
use fake::server::Reply;

/// How often the task was asked for anything.
fn asked(api: &Scripted) -> usize {
    api.requests_of(Kind::Metadata).len() + api.requests_of(Kind::View).len()
}

#[test]
fn a_key_that_may_not_look_changes_nothing_and_is_not_asked_again_and_again() {
    thread::scope(|scope| {
        for status in [401, 403, 404, 405, 500, 503] {
            scope.spawn(move || {
                let forbidden = |api: Script| {
                    let api = api.metadata_forever(refused(status));
                    api.view_forever(refused(status)).start()
                };
                let api = Script::run()
                    .polls(150, in_progress())
                    .poll(answered("Hi!"));
                let api = forbidden(api);
                quick(&api).run().answers("Hi!");
                assert!(asked(&api) <= 2, "{status}: asked {} times", asked(&api));

                let api = forbidden(Script::run().poll_forever(silent_end()));
                let output = quick(&api).run();
                output.exits(1).prints("");
                let line = format!(
                    "relevance-run: the run failed: status complete, without a result and without \
                     a reason (run studio-1/job-1); see {PAGE}"
                );
                says_only(&output, &[&line]);
                assert!(asked(&api) <= 2, "{status}: asked {} times", asked(&api));

                let api = forbidden(Script::run().poll(Reply::error(410, "Gone", "gone")));
                let output = quick(&api).run();
                output.exits(5).prints("");
                let line = format!(
                    "relevance-run: the API rejected the poll with 410: Gone; the run \
                     continues; not retried; fix the cause, then resume the run; see {PAGE}"
                );
                let resume = format!("{RESUME} --resume studio-1/job-1");
                says_only(&output, &[&line, &resume]);
                assert!(asked(&api) <= 2, "{status}: asked {} times", asked(&api));
            });
        }
    });
}

#[test]
fn that_the_task_cannot_be_asked_is_said_once_with_v() {
    let api = Script::run().polls(40, in_progress()).poll(answered("Hi!"));
    let api = api.metadata(refused(403)).start();
    let output = quick(&api).arg("-v").run();
    output.exits(0);
    let said = "task: cannot be asked: the API rejected the question for the task with 403: The \
                task may not be looked at";
    let count = output.stderr.matches(said).count();
    assert_eq!(count, 1, "{output}");
}

/// The state may be seen, and the messages not.
#[test]
fn where_the_messages_may_not_be_read_the_job_has_the_last_word() {
    thread::scope(|scope| {
        for status in [403, 500] {
            scope.spawn(move || {
                let api = Script::run().poll_forever(silent_end());
                let api = api.metadata_forever(metadata("completed"));
                let api = api.view_forever(refused(status)).start();
                let output = quick(&api).run();
                output.exits(1).prints("");
                let line = format!(
                    "relevance-run: the run failed: status complete, without a result and without \
                     a reason (run studio-1/job-1); see {PAGE}"
                );
                says_only(&output, &[&line]);
            });
        }
    });
}

/// It was seen to wait for a person, and then the task can be asked no more: the run has not
/// failed, and without its run file the same command would start a second one.
#[test]
fn a_run_that_was_seen_to_wait_for_a_person_did_not_fail_without_a_word() {
    let folder = Folder::new();
    let run_file = folder.0.join("run");
    let api = Script::run()
        .polls(8, in_progress())
        .poll_forever(silent_end());
    let api = api
        .metadata(metadata("pending-approval"))
        .metadata_forever(refused(503));
    let api = api.start();
    let output = quick(&api).arg("--run-file").arg(&run_file).run();
    output.exits(5).prints("");
    let waiting =
        format!("relevance-run: the run is waiting for a person (pending-approval); see {PAGE}");
    let end = format!(
        "relevance-run: the run's job ended without a result, and its task cannot be asked; the \
         run continues, and is waiting for a person (pending-approval); see {PAGE}"
    );
    let path = run_file.display();
    let repeat = format!("relevance-run: to resume, repeat the same command (--run-file {path})");
    let resume = format!("{RESUME} --resume studio-1/job-1");
    says_only(&output, &[&waiting, &end, &repeat, &resume]);
    assert!(run_file.exists());
}
