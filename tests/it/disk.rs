/*! Disks that are slow, full or mounted on one file alone; as root, with strace. */

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::command::{Cmd, Folder, Output, relevance_run};
use crate::isolated::{PATH, last_child, without_strace};
use crate::lines::RESUME;
use crate::script::{Script, Scripted, answered};
use fake::server::Reply;

/// The command under strace, with these options of its own.
fn traced(command: Cmd, options: &str) -> Cmd {
    let script = format!(r#"exec strace -f -qq -o /dev/null {options} "$RUN" "$@""#);
    command.env("PATH", PATH).in_shell(&script)
}

fn with_file(api: &Scripted, file: &Path) -> Cmd {
    let command = relevance_run(api).arg("--run-file").arg(file);
    command.arg("Hello")
}

/// Ends a traced command with a signal after this long.
fn ended_after(command: Cmd, wait: impl FnOnce(), signal: Signal) -> Output {
    let running = command.spawn();
    wait();
    kill_process(last_child(running.pid()), signal).unwrap();
    without_strace(running.wait())
}

/// Docker mounts a file so: `docker run -v $PWD/a.txt:/a.txt`. It cannot be replaced.
#[test]
#[ignore = "needs root"]
fn an_output_that_is_a_mount_is_written_into() {
    let folder = Folder::new();
    let (outer, inner) = (
        folder.file("outer", "what was there before"),
        folder.file("inner", ""),
    );
    let mounted = Command::new("mount")
        .arg("--bind")
        .args([&outer, &inner])
        .status();
    assert!(mounted.unwrap().success());
    let api = Script::run()
        .poll(answered("Hi!"))
        .poll(answered("Ho!"))
        .start();
    let to_inner = || relevance_run(&api).arg("-o").arg(&inner);
    to_inner().arg("Hello").run().exits(0).writes(&[]);
    assert_eq!(fs::read_to_string(&outer).unwrap(), "Hi!\n");
    let resumed = to_inner().args(["--resume", "studio-1/job-1"]).run();
    resumed.exits(0).writes(&[]);
    assert_eq!(fs::read_to_string(&outer).unwrap(), "Ho!\n");
    assert_eq!(folder.names(), ["inner", "outer"]);
    let unmounted = Command::new("umount").arg(&inner).status();
    assert!(unmounted.unwrap().success());
}

/// The answer is there, and the run file with it would answer the next command.
#[test]
#[ignore = "needs strace"]
fn a_run_file_whose_removal_hangs_is_warned_of() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run().poll(answered("Hi!")).start();
    let options = format!(
        "-P '{}' -e inject=unlink:delay_enter=4000000",
        file.display()
    );
    let command = with_file(&api, &file).args(["-t", "1s"]);
    let output = without_strace(traced(command, &options).run());
    output.exits(0).prints("Hi!\n");
    let line = format!(
        "warning: cannot remove --run-file {}: this took too long; remove it before you use it \
         again",
        file.display()
    );
    output.writes(&[&line]);
}

#[test]
#[ignore = "needs strace"]
fn a_run_file_that_cannot_be_removed_is_warned_of() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run().poll(answered("Hi!")).start();
    let line = format!(
        "warning: cannot remove --run-file {}: Stale file handle; remove it before you use it \
         again",
        file.display()
    );
    // The look before the removal, or the removal and the attempt to empty it.
    let options = format!(
        "-P '{}' -e inject=unlink,ftruncate:error=ESTALE:when=1+",
        file.display()
    );
    // Emptied at the claim, so the file is there before.
    fs::write(&file, "").unwrap();
    let started = with_file(&api, &file).arg("--no-wait").run();
    started.answers("studio-1/job-1");
    let output = traced(with_file(&api, &file), &options).run();
    output.exits(0).prints("Hi!\n").writes(&[&line]);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
}

/// A signal while the line that announces the trigger is on its way to the disk: nothing was
/// started, and the file says so.
#[test]
#[ignore = "needs strace"]
fn a_signal_while_the_trigger_is_announced_leaves_a_file_that_says_so() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run().poll(answered("Hi!")).start();
    // The first one is the claim's, the second the announcement's.
    let options = format!(
        "-P '{}' -e inject=fsync:delay_enter=2000000:when=2",
        file.display()
    );
    let is_announced = || fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'));
    let wait = || crate::eventually("the announcement", is_announced);
    let output = ended_after(traced(with_file(&api, &file), &options), wait, Signal::TERM);
    output.stopped_by(Signal::TERM);
    output.writes(&["stopped by SIGTERM; nothing was started"]);
    assert_eq!(api.triggers(), 0);
    assert!(!is_announced());
    with_file(&api, &file).run().answers("Hi!");
}

/// The line that records the run is tried again as long as the process lives, the last time at its
/// end.
#[test]
#[ignore = "needs strace"]
fn a_record_that_failed_is_written_at_the_end() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run()
        .poll(Reply::hang())
        .poll(answered("Hi!"))
        .start();
    // The claim, the announcement, then the record: at the reply, and before the first poll.
    let options = format!(
        "-P '{}' -e inject=pwrite64:error=ENOSPC:when=3..4",
        file.display()
    );
    let wait = || api.wait_for_requests(2);
    let output = ended_after(traced(with_file(&api, &file), &options), wait, Signal::TERM);
    output.stopped_by(Signal::TERM);
    let warning = format!(
        "warning: cannot write --run-file {}: No space left on device; run studio-1/job-1 has \
         started but is not recorded, so keep this id to resume it",
        file.display()
    );
    let again = format!(
        "to resume, repeat the same command (--run-file {})",
        file.display()
    );
    output.writes(&[
        &warning,
        "stopped by SIGTERM; the run continues",
        &again,
        RESUME,
    ]);
    with_file(&api, &file).run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
}

/// The thread that writes messages is slow to start, and the signal comes meanwhile.
#[test]
#[ignore = "needs strace"]
fn a_signal_while_the_last_lines_are_handed_over_takes_none_away() {
    for _ in 0..5 {
        let forbidden = || Reply::error(403, "no", "x");
        let api = Script::run()
            .poll(forbidden())
            .metadata(forbidden())
            .start();
        let command = relevance_run(&api).arg("Hello");
        // Of the main thread's: the first one is the watchdog.
        let options = "-e inject=clone,clone3:delay_exit=600000:when=2";
        let wait = || {
            api.wait_for_requests(3);
            thread::sleep(Duration::from_millis(300));
        };
        let output = ended_after(traced(command, options), wait, Signal::TERM);
        output
            .exits(5)
            .says(&["the API rejected the poll with 403: no", RESUME]);
    }
}

/// A poll that goes on while the disk hangs is no reason to be late.
#[test]
#[ignore = "needs strace"]
fn a_run_file_on_a_disk_that_hangs_does_not_hold_off_the_deadline() {
    let folder = Folder::new();
    let file = folder.0.join("run");
    let api = Script::run().start();
    let log = folder.0.join("log");
    let script = format!(
        r#"exec strace -f -qq -ttt -o "$LOG" -P '{}' \
        -e inject=fsync:delay_enter=4000000:when=3 "$RUN" "$@""#,
        file.display()
    );
    let command = with_file(&api, &file).args(["-t", "1s"]);
    let command = command.env("PATH", PATH).env("LOG", &log);
    let output = without_strace(command.in_shell(&script).run());
    let again = format!(
        "to resume, repeat the same command (--run-file {})",
        file.display()
    );
    let line = "timed out after 1s (--timeout); the run continues";
    output.ends(124, &[line, &again, RESUME]);
}
