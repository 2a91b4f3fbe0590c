/*! How an upload ends before its time, and what a run file makes of it. */

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::files::sized;
use super::{DOWNLOAD, attach, no_run, place, storage};
use crate::command::{Cmd, Folder, relevance_run};
use crate::script::{Kind, Script, Scripted, answered, in_progress, triggered, upload_url};
use fake::server::{Reply, Server};

/// A host that reads no more than `limit` bytes.
pub fn stalling(limit: u64) -> Server {
    Server::sockets(move |mut stream| {
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n")?;
        std::io::copy(&mut (&stream).take(limit), &mut std::io::sink())?;
        std::thread::sleep(Duration::from_secs(60));
        Ok(())
    })
}

#[test]
fn a_signal_during_an_upload_says_that_nothing_was_started() {
    let folder = Folder::new();
    let file = sized(&folder, "a.bin", 60_000_000);
    let run = folder.0.join("run");
    let (host, storage) = (stalling(1_000_000), storage());
    let stalls = || upload_url(&format!("http://{}/1", host.address), DOWNLOAD);
    let api = Script::new()
        .upload_url(stalls())
        .upload_url(stalls())
        .upload_url(upload_url(&place(&storage, "1"), DOWNLOAD))
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start();
    for (number, signal, name) in [(1, Signal::INT, "SIGINT"), (2, Signal::TERM, "SIGTERM")] {
        let running = with_run_file(&api, &run, &file).spawn();
        crate::eventually("the upload", || host.connections() == number);
        std::thread::sleep(Duration::from_millis(100));
        running.signal(signal);
        let output = running.wait_within(Duration::from_secs(2));
        output.stopped_by(signal).prints("");
        assert_eq!(
            output.stderr,
            format!(
                "relevance-run: stopped by {name}; nothing was started (still uploading a.bin)\n"
            )
        );
    }
    // The same command again uploads, and starts the run.
    with_run_file(&api, &run, &file).run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
    assert_eq!(folder.names(), ["a.bin"]);
}

#[test]
fn the_deadline_during_an_upload_says_that_nothing_was_started() {
    let _timed = crate::timed();
    let folder = Folder::new();
    // More than the buffers of two sockets take, and soon digested.
    let file = sized(&folder, "a.bin", 20_000_000);
    let host = stalling(1_000_000);
    let url = format!("http://{}/1", host.address);
    let asked = no_run(upload_url(&url, DOWNLOAD));
    let command = attach(&asked, &file).args(["-t", "2s", "--run-file"]);
    let output = command.arg(folder.0.join("run")).run();
    output.exits(4).prints("");
    assert_eq!(
        output.stderr,
        "relevance-run: timed out after 2s (--timeout); nothing was started \
         (still uploading a.bin)\n"
    );
    assert!(output.took < Duration::from_secs(3), "{output}");
    assert_eq!(folder.names(), ["a.bin"]);
}

#[test]
fn the_json_object_of_an_upload_that_is_rejected() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    let storage = Script::new().upload(Reply::new(403, &[], "no")).start();
    let asked = no_run(upload_url(&place(&storage, "1"), DOWNLOAD));
    let object = attach(&asked, &file).arg("-j").run().exits(3).json();
    assert_eq!(object["status"], "rejected");
    assert_eq!(object["error"]["http_status"], 403);
}

fn with_run_file(api: &Scripted, run: &Path, file: &Path) -> Cmd {
    attach(api, file).arg("--run-file").arg(run)
}

#[test]
fn a_repetition_whose_run_is_known_uploads_nothing() {
    let (folder, storage) = (Folder::new(), storage());
    let file = folder.file("a.txt", "text");
    let run = folder.0.join("run");
    let api = Script::new()
        .upload_url(upload_url(&place(&storage, "1"), DOWNLOAD))
        .trigger(triggered())
        .poll_forever(in_progress())
        .start();
    let first = with_run_file(&api, &run, &file).args(["-t", "1s"]).run();
    first.exits(124).resumes("studio-1/job-1");
    let again = with_run_file(&api, &run, &file).args(["-t", "1s"]).run();
    again.exits(124).resumes("studio-1/job-1");
    assert_eq!(storage.requests().len(), 1);
    assert_eq!(api.requests_of(Kind::UploadUrl).len(), 1);
    assert_eq!(api.triggers(), 1);
    let journal = fs::read_to_string(&run).unwrap();
    assert!(
        !journal.contains("a.txt") && !journal.contains("text"),
        "{journal}"
    );
    // A file touched or written anew with the same contents is the same request.
    fs::remove_file(&file).unwrap();
    fs::write(&file, "text").unwrap();
    let again = with_run_file(&api, &run, &file).args(["-t", "1s"]).run();
    again.exits(124);
}

#[test]
fn other_attachments_are_another_request() {
    let (folder, storage) = (Folder::new(), storage());
    let file = folder.file("a.txt", "text");
    let other = folder.file("b.txt", "text");
    let run = folder.0.join("run");
    let api = Script::new()
        .upload_url_forever(upload_url(&place(&storage, "1"), DOWNLOAD))
        .trigger(triggered())
        .poll_forever(in_progress())
        .start();
    let url = [
        "--attach",
        "https://example.com/a",
        "--attach",
        "https://example.com/b",
    ];
    let command = |file: &Path, urls: &[&str]| {
        let command = with_run_file(&api, &run, file).args(["-t", "1s"]);
        command.args(urls)
    };
    command(&file, &url).run().exits(124);
    let journal = fs::read(&run).unwrap();
    let refused = |command: Cmd| {
        let output = command.run();
        output.exits(2).prints("");
        assert_eq!(output.stderr.lines().count(), 1);
        output.says(&["it belongs to another request"]);
        assert_eq!(fs::read(&run).unwrap(), journal);
    };
    refused(command(&other, &url));
    refused(command(&file, &url[..2]));
    refused(command(
        &file,
        &["--attach", "https://example.com/ahttps://example.com/b"],
    ));
    refused(command(
        &file,
        &[
            "--attach",
            "https://example.com/b",
            "--attach",
            "https://example.com/a",
        ],
    ));
    let bare = relevance_run(&api).args(["Hello", "--run-file"]).arg(&run);
    refused(bare);
    fs::write(&file, "Text").unwrap();
    refused(command(&file, &url));
    fs::write(&file, "text").unwrap();
    command(&file, &url).run().exits(124);
    assert_eq!(api.triggers(), 1);
    assert_eq!(storage.requests().len(), 1);
}
