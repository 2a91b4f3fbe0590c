/*! The start of a command with a run file: what is claimed, and what is refused and left alone. */

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::command::{Folder, Output, relevance_run};
use crate::run_file::{lines, place, with_file};
use crate::script::{Script, Scripted, answered};

const RUN: &str = "studio-1/job-1";

/// A run file with the run of a command that did not wait for it.
fn start(api: &Scripted, file: &Path) {
    let command = with_file(api, file).args(["--no-wait", "Hello"]);
    command.run().answers(RUN);
}

fn refusal(file: &Path, why: &str) -> String {
    format!("cannot use --run-file {}: {why}", file.display())
}

/// Another message, agent, field, conversation or API is another request; another key or output is
/// not.
#[test]
fn a_file_of_another_request_is_left_alone() {
    let (_folder, file) = place();
    let api = Script::run().start();
    start(&api, &file);
    let before = fs::read(&file).unwrap();
    let line = refusal(
        &file,
        "it belongs to another request (agent or tool, message, fields, attachments or API \
             differ), run \
         studio-1/job-1; nothing was started; repeat that command to finish it, or choose another \
         file",
    );
    for arguments in [
        vec!["Hello!"],
        vec!["-a", "b", "Hello"],
        vec!["-s", "a=1", "Hello"],
        vec!["-p", "a=1", "Hello"],
        vec!["-c", "c", "Hello"],
        vec!["--attach", "https://example.com/a.pdf", "Hello"],
    ] {
        let output = with_file(&api, &file).args(&arguments).run();
        output.ends(2, &[&line]);
    }
    let other = Script::new().start();
    let output = with_file(&other, &file).arg("Hello").run();
    output.ends(2, &[&line]);
    assert_eq!(fs::read(&file).unwrap(), before);
    // The very same, given otherwise.
    let command = with_file(&api, &file)
        .env("RELEVANCE_AUTH_TOKEN", "project-1:sk-another-key")
        .stdin("Hello");
    command.args(["--no-wait", "--json"]).run().exits(0);
}

#[test]
fn what_is_not_a_run_file_is_refused_and_left_alone() {
    let folder = Folder::new();
    let api = Script::new().start();
    let not_one = "it is not a run file; nothing was started; choose another file";
    let digest = "0".repeat(64);
    let of_another = "it belongs to another request (agent or tool, message, fields, \
         attachments or API differ), \
                      run a/b; nothing was started; repeat that command to finish it, or choose \
                      another file";
    for (junk, why) in [
        ("my notes".to_owned(), not_one),
        ("\n".to_owned(), not_one),
        ("{}\n".to_owned(), not_one),
        ("\0\0\0".to_owned(), not_one),
        ("x".repeat(100_000), not_one),
        (
            format!("relevance-run trigger {digest}\nrun a/b c d\n"),
            of_another,
        ),
    ] {
        let file = folder.file("junk", &junk);
        let output = with_file(&api, &file).arg("Hello").run();
        output.ends(2, &[&refusal(&file, why)]);
        assert_eq!(fs::read_to_string(&file).unwrap(), junk);
    }
    for bytes in [&b"\xff\xfe"[..], b"relevance-run trigger \xff"] {
        let file = folder.file("junk", bytes);
        let output = with_file(&api, &file).arg("Hello").run();
        output.ends(2, &[&refusal(&file, not_one)]);
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

/// The request's own first line, and a second that is none: a run may be in progress.
#[test]
fn a_damaged_file_says_what_to_do() {
    let (_folder, file) = place();
    let api = Script::run().start();
    start(&api, &file);
    let first = lines(&file).remove(0);
    let line = refusal(
        &file,
        "it is damaged (line 2 is not understood); nothing was started; check the agent's tasks \
         for the run, then remove the file",
    );
    for second in ["run", "run a", "run a/b", "run ../.. - -", "walk a/b - -"] {
        let damaged = format!("{first}\n{second}\n");
        fs::write(&file, &damaged).unwrap();
        let output = with_file(&api, &file).arg("Hello").run();
        output.ends(2, &[&line]);
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
    }
}

/// A device, a pipe that nobody has opened, a directory, a directory that is not there.
#[test]
fn what_is_not_a_file_is_refused() {
    let folder = Folder::new();
    let api = Script::new().start();
    let fifo = folder.0.join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let irregular = "it is not a regular file; nothing was started; choose another file";
    for path in [
        "/dev/null".into(),
        "/dev/full".into(),
        fifo,
        folder.0.clone(),
    ] {
        let output = with_file(&api, &path).args(["-t", "10s", "Hello"]).run();
        output.ends(2, &[&refusal(&path, irregular)]);
    }
    let missing = folder.0.join("missing/run");
    let output = with_file(&api, &missing).arg("Hello").run();
    let line = refusal(&missing, "No such file or directory; nothing was started");
    output.ends(2, &[&line]);
}

#[test]
fn a_link_is_followed() {
    let folder = Folder::new();
    let (link, file) = (folder.0.join("link"), folder.0.join("file"));
    symlink("file", &link).unwrap();
    let api = Script::run().poll(answered("Hi!")).start();
    start(&api, &link);
    assert_eq!(lines(&file).len(), 2);
    with_file(&api, &link).arg("Hello").run().answers("Hi!");
    assert_eq!(folder.names(), ["link"]);
}

/// An empty file, which a scheduler may have made, is as good as none.
#[test]
fn an_empty_file_is_claimed() {
    let folder = Folder::new();
    let file = folder.file("run", "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_millis(100)))
        .start();
    let running = with_file(&api, &file).arg("Hello").spawn();
    api.wait_for_requests(2);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    running.wait().answers("Hi!");
    assert!(folder.names().is_empty());
}

/// Six at once, again and again: one trigger, and everyone else is told that another is using the
/// file.
#[test]
fn six_at_once() {
    for _ in 0..5 {
        let (folder, file) = place();
        let api = Script::run()
            .poll(answered("Hi!").after(Duration::from_millis(700)))
            .start();
        let running: Vec<_> = (0..6)
            .map(|_| with_file(&api, &file).arg("Hello").spawn())
            .collect();
        let outputs: Vec<Output> = running.into_iter().map(|it| it.wait()).collect();
        let (winners, others): (Vec<_>, Vec<_>) =
            outputs.iter().partition(|output| output.code == Some(0));
        assert_eq!(winners.len(), 1);
        winners[0].answers("Hi!");
        let line = format!(
            "another process is using --run-file {}; nothing was started; wait for it, or repeat \
             the command later",
            file.display()
        );
        for other in others {
            other.ends(4, &[&line]);
        }
        assert_eq!(api.triggers(), 1);
        assert!(folder.names().is_empty());
    }
}

#[test]
fn it_does_not_go_with_what_starts_nothing_nor_with_itself() {
    let api = Script::new().start();
    for arguments in [
        vec!["--resume", "a/b"],
        vec!["--check"],
        vec!["-o", "run", "Hello"],
    ] {
        let output = relevance_run(&api)
            .args(["--run-file", "run"])
            .args(&arguments)
            .run();
        output.fails(2, &["--run-file"]);
    }
}

/// The result would replace the run file, and the run file's removal the result.
#[test]
fn run_file_and_output_by_any_path_are_two_files() {
    let folder = Folder::new();
    symlink("run", folder.0.join("link")).unwrap();
    let api = Script::new().start();
    for (file, output) in [
        ("run", "run"),
        ("run", "./run"),
        ("run", "link"),
        ("link", "run"),
        ("link", "link"),
    ] {
        let mut command = relevance_run(&api).args(["--run-file", file, "-o", output, "Hello"]);
        command.command.current_dir(&folder.0);
        let line = "--run-file and --output are the same file; use a different file for each";
        command.run().ends(2, &[line]);
        assert_eq!(folder.names(), ["link"]);
    }
}

/// What somebody else has put in its place meanwhile is theirs, and a warning says so.
#[test]
fn a_file_put_in_its_place_is_not_removed() {
    let (_folder, file) = place();
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_millis(400)))
        .start();
    let running = with_file(&api, &file).arg("Hello").spawn();
    api.wait_for_requests(2);
    fs::remove_file(&file).unwrap();
    fs::write(&file, "another's").unwrap();
    let output = running.wait();
    output.exits(0).prints("Hi!\n");
    let line = format!(
        "warning: cannot remove --run-file {}: another file is there now; remove it before you use \
         it again",
        file.display()
    );
    output.writes(&[&line]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "another's");
}

/// No room for the first line, here by a limit on the size of files: nothing is sent, and nothing
/// left.
#[test]
fn a_claim_that_cannot_be_written_is_exit_2() {
    let (folder, file) = place();
    let api = Script::new().start();
    let command = with_file(&api, &file).arg("Hello");
    let output = command.in_shell(r#"ulimit -f 0; exec "$RUN" "$@""#).run();
    let line = refusal(&file, "File too large; nothing was started");
    output.ends(2, &[&line]);
    assert!(folder.names().is_empty());
}
