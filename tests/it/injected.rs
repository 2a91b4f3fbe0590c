/*! Every system call that touches the run file, the temporary file of `--output`, or standard
output that is a file, fails once, and from then on, with each error that it can have. Then the
same command again. Over all of them never more than one run, no run lost, no exit 0 without
the bytes, and no message that blames something else.

`make isolated` runs it; it needs strace. */

use std::fs;
use std::path::Path;

use crate::command::Output;
use crate::traced::{ANSWER, BUSY, Call, LOST, Place, QUEUED, Target, Trial, USUAL, for_each};

/// An error by its name, and the system's words for it.
type Fault = (&'static str, &'static str);

const EACCES: Fault = ("EACCES", "Permission denied");
const EDQUOT: Fault = ("EDQUOT", "Disk quota exceeded");
const EINTR: Fault = ("EINTR", "Interrupted system call");
const EIO: Fault = ("EIO", "Input/output error");
const ENOLCK: Fault = ("ENOLCK", "No locks available");
const ENOSPC: Fault = ("ENOSPC", "No space left on device");
const EPERM: Fault = ("EPERM", "Operation not permitted");
const ESTALE: Fault = ("ESTALE", "Stale file handle");

/// The errors that this call can have.
fn faults(call: &Call) -> &'static [Fault] {
    match call.name.as_str() {
        "openat" | "open" => &[EACCES, EDQUOT, EINTR, EIO, ENOSPC, ESTALE],
        "write" | "pwrite64" | "fsync" | "ftruncate" => &[EDQUOT, EINTR, EIO, ENOSPC, ESTALE],
        "rename" | "renameat" | "renameat2" => &[EACCES, EDQUOT, EIO, ENOSPC, ESTALE],
        "unlink" | "unlinkat" => &[EACCES, EIO, ESTALE],
        "fchmod" => &[EPERM, EINTR, EIO],
        "flock" => &[EINTR, ENOLCK],
        "stat" | "lstat" | "fstat" | "newfstatat" | "statx" | "readlink" | "readlinkat" => {
            &[EACCES, EIO, ESTALE]
        }
        "read" | "readv" => &[EINTR, EIO, ESTALE],
        _ => &[],
    }
}

#[derive(Debug)]
struct Failure<'a> {
    call: &'a Call,
    fault: Fault,
    /// Every further call fails as well.
    is_lasting: bool,
}

impl Failure<'_> {
    /// The thread that writes messages makes this call too, and then nobody hears of anything.
    fn is_mute(&self) -> bool {
        self.call.name == "write" && self.call.place == Some(Place::Temporary)
    }

    /// The answer is not where it should be, or not for certain.
    fn loses_the_answer(&self) -> bool {
        let is_answer = matches!(self.call.place, Some(Place::Answer | Place::Temporary));
        let is_write = ["write", "fsync", "rename"].contains(&self.call.name.as_str());
        is_answer && is_write && self.fault != EINTR
    }
}

fn failures(calls: &[Call]) -> Vec<Failure<'_>> {
    let mut failures = Vec::new();
    for call in calls.iter().filter(|call| call.place.is_some()) {
        for &fault in faults(call) {
            for is_lasting in [false, true] {
                // What is interrupted succeeds in the end, or its caller would never go on.
                if !(is_lasting && fault == EINTR) {
                    failures.push(Failure {
                        call,
                        fault,
                        is_lasting,
                    });
                }
            }
        }
    }
    failures
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Brings the failure about, and holds the command and its repeat to what is promised.
fn survive(message: &'static str, target: Target, failure: &Failure) {
    let trial = Trial::new(message, target);
    let call = failure.call;
    let options = format!(
        "{} -o /dev/null -e inject={}:error={}:when={}{}",
        trial.option_for(call.place),
        call.name,
        failure.fault.0,
        call.number,
        if failure.is_lasting { "+" } else { "" },
    );
    let output = trial.run_traced(&options);
    let context = format!("{message} {target:?} {failure:?}\n{output}");
    let runs = trial.faked.api.runs();
    let is_recorded = !read(&trial.run_file()).is_empty();
    match output.code {
        Some(0) => {
            assert_eq!(read(&trial.answer()), ANSWER, "{context}");
            let is_warned = output.stderr.contains("warning: cannot remove --run-file ");
            assert_eq!(is_recorded, is_warned, "{context}");
        }
        Some(2) => assert_eq!(runs, 0, "{context}"),
        Some(5) => assert!(
            output.stderr.contains("\nrelevance-run: resume with: ") || failure.is_mute(),
            "{context}"
        ),
        _ => panic!("{context}"),
    }
    if failure.loses_the_answer() {
        assert_eq!(output.code, Some(5), "{context}");
    }
    if output.code != Some(0) && !failure.is_mute() {
        assert_names_the_file(failure, &output, &context);
    }
    // What cannot be removed stays; an empty run file is as good as none.
    let is_removal = call.name.starts_with("unlink");
    let mut left = trial.folder.names();
    left.retain(|name| name.ends_with(".tmp"));
    assert!(left.is_empty() || is_removal, "{left:?}\n{context}");

    let mut context = context;
    if output.code != Some(0) || is_recorded {
        let again = trial.run();
        context.push_str(&format!("\nagain: {again}"));
        assert_eq!(again.code, Some(0), "{context}");
        assert_eq!(read(&trial.answer()), ANSWER, "{context}");
        assert!(!trial.run_file().exists(), "{context}");
    }
    assert_eq!(trial.faked.api.runs(), 1, "{context}");
    assert!(!trial.run_file().exists() || is_removal, "{context}");
}

/// The line that says what failed names the file and the system's reason, and nothing else is
/// blamed.
fn assert_names_the_file(failure: &Failure, output: &Output, context: &str) {
    let reason = failure.fault.1;
    // musl has shorter words for two of them.
    let short = match reason {
        "Input/output error" => "I/O error",
        "Disk quota exceeded" => "Quota exceeded",
        other => other,
    };
    let is_said = output.stderr.lines().any(|line| {
        let files = ["use --run-file ", "write --run-file ", "write --output "];
        let result = ["cannot write the result to "];
        let mut files = files.iter().chain(&result);
        let has_reason = line.contains(reason) || line.contains(short);
        has_reason && files.any(|file| line.contains(file))
    });
    assert!(is_said, "{context}");
    for part in ["cannot reach", "network", "RELEVANCE_"] {
        assert!(!output.stderr.contains(part), "{context}");
    }
}

fn survive_every_failure(message: &'static str, target: Target) {
    let calls = Trial::new(message, target).calls();
    let failures = failures(&calls);
    assert!(failures.len() > 100, "{} failures", failures.len());
    for_each(&failures, |failure| survive(message, target, failure));
}

#[test]
#[ignore = "needs strace"]
fn with_output() {
    survive_every_failure(USUAL, Target::Output);
}

#[test]
#[ignore = "needs strace"]
fn with_standard_output_that_is_a_file() {
    survive_every_failure(USUAL, Target::Stdout);
}

#[test]
#[ignore = "needs strace"]
fn with_a_run_that_is_found_again() {
    survive_every_failure(LOST, Target::Output);
}

#[test]
#[ignore = "needs strace"]
fn with_a_run_that_only_its_task_tells_of() {
    survive_every_failure(QUEUED, Target::Output);
}

#[test]
#[ignore = "needs strace"]
fn with_a_trigger_that_is_rejected_at_first() {
    survive_every_failure(BUSY, Target::Output);
}
