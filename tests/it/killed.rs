/*! SIGKILL at every system call of a run, as databases are tested: then the same command again,
until it ends. Over all of them never more than one run, the answer wherever a run was started,
and nothing left behind. So for a usual run, for one that is rejected at first, for one whose
reply is lost, and for one that only its task tells of.

`make isolated` runs it; it needs strace, which kills the process as a thread of it enters its Nth
call of a name. */

use std::fs;
use std::path::Path;

use crate::faked::PAGES;
use crate::run_file::lost_line;
use crate::traced::{ANSWER, BUSY, Call, LOST, QUEUED, Target, Trial, USUAL, for_each};

/// How the command ended that was given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Answered,
    /// A person has to look whether there is a run.
    Asked,
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What becomes of the command when it is killed at this call, if it is.
fn survive(message: &'static str, call: &Call) -> End {
    let trial = Trial::new(message, Target::Output);
    let option = trial.option_for(call.place);
    let (name, number) = (&call.name, call.number);
    trial.run_traced(&format!(
        "{option} -o /dev/null -e inject={name}:signal=SIGKILL:when={number}"
    ));
    let (file, answer) = (trial.run_file(), trial.answer());
    let journal = read(&file);
    // The outcome was delivered, and nothing is left to be done: a scheduler would not repeat it,
    // or start anew.
    let is_done = answer.exists() && (!file.exists() || journal.is_empty());
    let output = (!is_done).then(|| trial.run());
    let runs = trial.faked.api.runs();
    assert!(runs <= 1, "{message} {call:?}: {runs} runs");
    if let Some(output) = output.filter(|output| output.code != Some(0)) {
        assert_eq!(runs, 0, "{message} {call:?}: there is a run\n{output}");
        let line = lost_line(&file, PAGES);
        output.ends(5, &[&line]);
        assert_eq!(trial.folder.names(), ["run"], "{message} {call:?}");
        return End::Asked;
    }
    assert_eq!(read(&answer), ANSWER, "{message} {call:?}");
    // What the killed process could not take with it: a temporary file, and an empty run file.
    let mut left = trial.folder.names();
    left.retain(|name| !name.ends_with(".tmp"));
    assert!(
        left == ["answer"] || left == ["answer", "run"] && read(&file).is_empty(),
        "{message} {call:?}: {left:?}"
    );
    End::Answered
}

fn survive_every_call(message: &'static str) {
    let calls = Trial::new(message, Target::Output).calls();
    let ends = for_each(&calls, |call| survive(message, call));
    let asked = ends.iter().filter(|end| **end == End::Asked).count();
    // Between the line that announces the trigger and its first byte.
    assert!(
        ends.len() > 100 && asked > 0 && asked < 12,
        "{} calls, {asked} asked a person",
        ends.len()
    );
}

#[test]
#[ignore = "needs strace"]
fn at_every_system_call() {
    survive_every_call(USUAL);
}

#[test]
#[ignore = "needs strace"]
fn at_every_system_call_of_a_run_that_is_found_again() {
    survive_every_call(LOST);
}

#[test]
#[ignore = "needs strace"]
fn at_every_system_call_of_a_run_that_only_its_task_tells_of() {
    survive_every_call(QUEUED);
}

#[test]
#[ignore = "needs strace"]
fn at_every_system_call_of_a_run_that_is_rejected_at_first() {
    survive_every_call(BUSY);
}
