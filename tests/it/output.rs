/*! Where `--output` writes, and what it leaves alone. */

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::command::{Cmd, Folder, relevance_run};
use crate::script::{Script, Scripted, answered, poll};

/// A command that writes its result to this file.
fn into(api: &Scripted, path: impl AsRef<Path>) -> Cmd {
    relevance_run(api)
        .arg("--output")
        .arg(path.as_ref())
        .arg("Hello")
}

fn hi() -> Scripted {
    Script::run().poll(answered("Hi!")).start()
}

/// Exit 2 with this reason, and nothing is sent.
#[track_caller]
fn cannot_be_written(path: &Path, why: &str) {
    let api = Script::new().start();
    let line = format!(
        "cannot write --output {}: {why}; choose another file",
        path.display()
    );
    into(&api, path).run().ends(2, &[&line]);
}

#[test]
fn output_goes_to_a_file_whole() {
    let folder = Folder::new();
    let file = folder.file("answer.txt", "what was there before, and longer");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    into(&hi(), &file).run().exits(0).prints("");
    assert_eq!(fs::read_to_string(&file).unwrap(), "Hi!\n");
    assert_eq!(folder.names(), ["answer.txt"]);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn output_is_left_alone_by_a_failure_unless_it_is_json() {
    let folder = Folder::new();
    let file = folder.file("answer.txt", "before");
    let failing = || {
        let fail = json!({"type": "chain-fail"});
        Script::run().poll(poll("failed", fail)).start()
    };
    let line = "the run failed: no reason given (run studio-1/job-1)";
    into(&failing(), &file).run().ends(1, &[line]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    into(&failing(), &file).arg("-j").run().ends(1, &[line]);
    let object: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(object["status"], "failed");
    assert_eq!(folder.names(), ["answer.txt"]);
}

#[test]
fn output_follows_a_link_and_does_not_replace_a_device() {
    let folder = Folder::new();
    let file = folder.file("real", "before");
    let link = folder.0.join("link");
    symlink(&file, &link).unwrap();
    into(&hi(), &link).run().exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "Hi!\n");
    assert!(link.symlink_metadata().unwrap().is_symlink());

    into(&hi(), "/dev/null").run().exits(0).prints("");
    let kind = fs::metadata("/dev/null").unwrap().file_type();
    assert!(kind.is_char_device());

    into(&hi(), "-").run().answers("Hi!");
}

#[test]
fn output_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    let path = |name: &str| folder.0.join(name);
    cannot_be_written(&path("missing/answer"), "No such file or directory");
    cannot_be_written(&path("missing/"), "it is a directory");
    cannot_be_written(&folder.0, "it is a directory");
    cannot_be_written("/".as_ref(), "it is a directory");
    cannot_be_written("..".as_ref(), "it is a directory");
    let _listener = UnixListener::bind(path("socket")).unwrap();
    cannot_be_written(&path("socket"), "it is a socket");
    let line = "cannot write --output /dev/fd/99: Bad file descriptor; choose another file";
    let api = Script::new().start();
    into(&api, "/dev/fd/99").run().ends(2, &[line]);
}

/// A link may lead to a file that is not there yet, also over another link and into another folder.
#[test]
fn output_follows_a_link_to_a_file_that_is_not_there_yet() {
    let folder = Folder::new();
    let path = |name: &str| folder.0.join(name);
    fs::create_dir(path("inner")).unwrap();
    symlink("inner/second", path("first")).unwrap();
    symlink("../real", path("inner/second")).unwrap();
    for _ in 0..2 {
        into(&hi(), path("first")).run().exits(0);
        assert_eq!(fs::read_to_string(path("real")).unwrap(), "Hi!\n");
        assert!(path("first").symlink_metadata().unwrap().is_symlink());
        assert_eq!(folder.names(), ["first", "inner", "real"]);
    }
}

#[test]
fn output_to_a_long_name() {
    let folder = Folder::new();
    let name = "n".repeat(250);
    into(&hi(), folder.0.join(&name)).run().exits(0);
    assert_eq!(folder.names(), [name]);
}

/// `/dev/stdout` is standard output itself: what stands before it in a file stays, and what comes
/// after it follows.
#[test]
fn output_to_standard_output_by_its_other_names() {
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"] {
        let folder = Folder::new();
        let api = Script::run().poll(answered("Hi!")).start();
        let script = format!(r#"{{ echo before; "$RUN" "$@" -o {name}; echo after; }} > "$INTO""#);
        let command = relevance_run(&api)
            .arg("Hello")
            .env("INTO", folder.0.join("all"));
        command.in_shell(&script).run().exits(0);
        assert_eq!(
            fs::read_to_string(folder.0.join("all")).unwrap(),
            "before\nHi!\nafter\n",
            "{name}"
        );
        assert_eq!(folder.names(), ["all"]);
    }
    // Process substitution in other shells: a pipe, opened by its name.
    let api = Script::run().poll(answered("Hi!")).start();
    let command = relevance_run(&api).args(["-o", "/dev/fd/7", "Hello"]);
    command
        .in_shell(r#"exec 7>&1 >/dev/null; exec "$RUN" "$@""#)
        .run()
        .answers("Hi!");
}
