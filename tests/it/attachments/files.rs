/*! Files that cannot be sent, and files that change between the check and their upload's end. */

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use super::{DOWNLOAD, api, attach, place, storage};
use crate::command::{Folder, Output, relevance_run};
use crate::message::refuses;
use crate::script::{Kind, Script, Scripted, answered, triggered, upload_url};
use fake::server::{Reply, Server};

/// A file of so many zeros, which take no place on the disk.
pub fn sized(folder: &Folder, name: &str, size: u64) -> std::path::PathBuf {
    let path = folder.file(name, "");
    resize(&path, size);
    path
}

fn resize(path: &Path, size: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(size).unwrap();
}

#[test]
fn what_cannot_be_attached_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    let good = folder.file("good.txt", "text");
    let fifo = folder.0.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let dangling = folder.0.join("dangling");
    symlink(folder.0.join("nothing"), &dangling).unwrap();
    let irregular = "it is not a regular file; write it to a file first";
    for (path, why) in [
        (
            folder.file("empty", ""),
            "it is empty; check the command that produced it",
        ),
        (
            folder.0.clone(),
            "it is a directory; attach files, or an archive of them",
        ),
        (fifo, irregular),
        ("/dev/zero".into(), irregular),
        ("/dev/stdin".into(), irregular),
        (
            folder.0.join("missing"),
            "No such file or directory; check the path and its permissions",
        ),
        (
            dangling,
            "No such file or directory; check the path and its permissions",
        ),
        (
            good.join("below"),
            "Not a directory; check the path and its permissions",
        ),
        (
            sized(&folder, "large", 100_000_001),
            "it is larger than 100 MB; attach a smaller file",
        ),
    ] {
        let api = Script::new().start();
        // Also where others could be sent.
        let command = attach(&api, &good).arg("--attach").arg(&path);
        refuses(
            &api,
            command,
            &format!("cannot attach {}: {why}", path.display()),
        );
    }
}

#[test]
fn a_hundred_megabytes_are_not_too_much() {
    let folder = Folder::new();
    let file = sized(&folder, "large", 100_000_000);
    let (lengths, seen) = mpsc::channel();
    let host = Server::sockets(move |stream| {
        let mut stream = std::io::BufReader::new(stream);
        let Some(request) = fake::server::Request::read_head(&mut stream, 0)? else {
            return Ok(());
        };
        let length = request.content_length() as u64;
        let read = std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink())?;
        lengths.send(read).unwrap();
        let mut stream = stream.into_inner();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    });
    let api = taking(&format!("http://{}/1", host.address), Duration::ZERO);
    attach(&api, &file).run().answers("Hi!");
    assert_eq!(seen.recv().unwrap(), 100_000_000);
}

/// As a user to whom the file does not belong, whoever runs the tests. What stands in the folders
/// of root may be out of that user's reach, so the program is copied.
#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let program = std::env::temp_dir().join(format!("relevance-run-{}", std::process::id()));
    let file = program.with_extension("secret");
    fs::write(&file, "text").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    fs::copy(crate::command::binary(), &program).unwrap();
    let api = Script::new().start();
    let user = relevance_run(&api).command;
    let variables = user.get_envs();
    let variables = variables.filter_map(|(name, value)| Some((name, value?)));
    let mut command = Command::new(&program);
    command.env_clear().envs(variables).current_dir("/");
    command.args(["Hello", "--attach"]).arg(&file);
    if rustix::process::geteuid().is_root() {
        command.uid(65534);
    }
    let output = loop {
        match command.output() {
            // Another test has just forked, and holds the copy open for writing until it executes.
            Err(why) if why.kind() == ErrorKind::ExecutableFileBusy => continue,
            done => break done.unwrap(),
        }
    };
    let removed = fs::remove_file(&program).and(fs::remove_file(&file));
    removed.unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "relevance-run: cannot attach {}: Permission denied; check the path and its \
             permissions\n",
            file.display()
        )
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(api.requests().is_empty());
}

/// An API that names this place after a while, and whose run ends at once.
fn taking(place: &str, after: Duration) -> Scripted {
    Script::new()
        .upload_url(upload_url(place, DOWNLOAD).after(after))
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start()
}

/// What becomes of the command if `change` happens between the check and the upload; and what was
/// uploaded.
fn changed(before: &str, change: impl FnOnce(&Path)) -> (Output, Vec<Vec<u8>>) {
    let (folder, storage) = (Folder::new(), storage());
    let file = folder.file("a.txt", before);
    let reply = upload_url(&place(&storage, "1"), DOWNLOAD).after(Duration::from_millis(300));
    let api = Script::new()
        .upload_url(reply)
        .trigger_forever(triggered())
        .poll_forever(answered("Hi!"))
        .start();
    let running = attach(&api, &file).spawn();
    api.wait_for_requests(1);
    change(&file);
    let output = running.wait_within(Duration::from_secs(20));
    let uploads = storage.requests().into_iter().map(|it| it.body).collect();
    if output.code != Some(0) {
        assert!(api.requests_of(Kind::Trigger).is_empty());
    }
    (output, uploads)
}

/// What is sent is what was checked: another file of the same name is not.
#[test]
fn a_file_that_is_replaced_is_sent_as_it_was() {
    let (output, uploads) = changed("old", |path| {
        let new = path.with_extension("new");
        fs::write(&new, "another").unwrap();
        fs::rename(&new, path).unwrap();
    });
    output.answers("Hi!");
    assert_eq!(uploads, [b"old"]);
    let (output, uploads) = changed("old", |path| fs::remove_file(path).unwrap());
    output.answers("Hi!");
    assert_eq!(uploads, [b"old"]);
}

const CHANGED: &str = "relevance-run: cannot upload a.txt: it changed meanwhile; \
    nothing was started; attach a copy of it, or repeat the command\n";

#[test]
fn a_file_that_shrinks_grows_or_is_rewritten_starts_nothing() {
    for change in [
        |path: &Path| resize(path, 2),
        |path: &Path| resize(path, 0),
        |path: &Path| resize(path, 5),
        |path: &Path| fs::write(path, "TEXT").unwrap(),
    ] {
        let (output, _) = changed("text", change);
        output.exits(4).prints("");
        assert_eq!(output.stderr, CHANGED);
    }
}

/// In the middle of its upload.
#[test]
fn a_file_that_shrinks_while_it_is_sent_starts_nothing() {
    let folder = Folder::new();
    let file = sized(&folder, "a.txt", 90_000_000);
    let (begun, has_begun) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    let goes_on = std::sync::Mutex::new(goes_on);
    let host = Server::sockets(move |mut stream| {
        let mut buffer = vec![0; 1 << 16];
        stream.read_exact(&mut buffer[..1])?;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        stream.read_exact(&mut buffer)?;
        begun.send(()).unwrap();
        goes_on.lock().unwrap().recv().unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
    });
    let url = format!("http://{}/1", host.address);
    let api = Script::new().upload_url(upload_url(&url, DOWNLOAD)).start();
    let running = attach(&api, &file).args(["-t", "30s"]).spawn();
    has_begun.recv().unwrap();
    resize(&file, 70_000_000);
    go_on.send(()).unwrap();
    let output = running.wait_within(Duration::from_secs(20));
    output.exits(4).prints("");
    assert_eq!(output.stderr, CHANGED);
    assert_eq!(host.connections(), 1);
}

/// The same for a retry: what was sent once and what is sent then are the same.
#[test]
fn a_file_that_changes_between_two_attempts_starts_nothing() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    let storage = Script::new()
        .upload(Reply::error(503, "no", "x"))
        .upload_forever(Reply::new(200, &[], ""))
        .start();
    let api = Script::new()
        .upload_url(upload_url(&place(&storage, "1"), DOWNLOAD))
        .start();
    let running = attach(&api, &file).spawn();
    storage.wait_for_requests(1);
    fs::write(&file, "TEXT").unwrap();
    let output = running.wait();
    output.exits(4).prints("");
    assert_eq!(output.stderr, CHANGED);
}

#[test]
fn through_a_link_the_name_is_the_link_s() {
    let (folder, storage) = (Folder::new(), storage());
    let file = folder.file("a.txt", "text");
    let link = folder.0.join("b.md");
    symlink(&file, &link).unwrap();
    let api = api(&storage);
    attach(&api, &link).run().answers("Hi!");
    let question = api.requests()[0].json();
    assert_eq!(
        (&question["filename"], &question["extension"]),
        (&"b.md".into(), &"md".into())
    );
    assert_eq!(storage.requests()[0].body, b"text");
}
