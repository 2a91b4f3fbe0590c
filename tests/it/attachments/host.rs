/*! What the upload is answered, by the API and by the host that takes the file. */

use std::time::Duration;

use super::{DOWNLOAD, api, attach, no_run, place, storage};
use crate::command::{Cmd, Folder, Output};
use crate::script::{Kind, Script, Scripted, answered, triggered, upload_url};
use fake::server::{Reply, Step};

fn taken() -> Reply {
    Reply::new(200, &[], "")
}

/// What may pass, and what it is called.
fn passing(status: u16) -> Reply {
    Reply::error(status, "not now", "x")
}

#[track_caller]
pub fn says(output: &Output, code: i32, line: &str) {
    output.exits(code).prints("");
    assert_eq!(output.stderr, format!("relevance-run: {line}\n"));
}

#[test]
fn what_may_pass_is_asked_again_and_sent_again() {
    let cut = || Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{").then(Step::Close);
    for reply in [
        passing(408),
        passing(425),
        passing(429),
        passing(500),
        passing(503),
        Reply::reset(),
        Reply::close(),
        cut(),
    ] {
        let folder = Folder::new();
        let file = folder.file("a.txt", "text");
        let storage = Script::new().upload(reply.clone()).upload(taken()).start();
        let api = Script::new()
            .upload_url(reply)
            .upload_url(upload_url(&place(&storage, "1"), DOWNLOAD))
            .trigger(triggered())
            .poll(answered("Hi!"))
            .start();
        attach(&api, &file).run().answers("Hi!");
        // Each time from its beginning.
        let bodies: Vec<Vec<u8>> = storage.requests().into_iter().map(|it| it.body).collect();
        assert_eq!(bodies, [b"text", b"text"]);
        assert_eq!(api.triggers(), 1);
    }
}

#[test]
fn until_the_deadline_and_then_nothing_was_started() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    let timed_out = "timed out after 1.5s (--timeout); nothing was started";
    let run = |api: &Scripted| attach(api, &file).args(["-t", "1500ms"]).run();

    let asked = Script::new().upload_url_forever(passing(503)).start();
    says(
        &run(&asked),
        4,
        &format!("{timed_out} (the API returned 503 to the upload: not now)"),
    );
    let asked = Script::new().upload_url(Reply::hang()).start();
    says(
        &run(&asked),
        4,
        &format!("{timed_out} (still uploading a.txt)"),
    );

    let storage = Script::new().upload_forever(passing(503)).start();
    let host = storage.server.address;
    let asked = no_run(upload_url(&place(&storage, "1"), DOWNLOAD));
    says(
        &run(&asked),
        4,
        &format!("{timed_out} ({host} returned 503 to the upload of a.txt: not now)"),
    );
    let storage = Script::new().upload(Reply::hang()).start();
    let asked = no_run(upload_url(&place(&storage, "1"), DOWNLOAD));
    says(
        &run(&asked),
        4,
        &format!("{timed_out} (still uploading a.txt)"),
    );
    // Nobody is there.
    let url = "http://127.0.0.1:9/1";
    let asked = no_run(upload_url(url, DOWNLOAD));
    says(
        &run(&asked),
        4,
        &format!("{timed_out} (cannot upload a.txt to 127.0.0.1:9: Connection refused)"),
    );
}

#[test]
fn a_wait_that_passes_the_deadline_is_not_begun() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    let later = || passing(429).header("Retry-After", "60");
    let line = "the API asked to wait 1m, which is past the --timeout of 20s; nothing was started";
    let asked = Script::new().upload_url(later()).start();
    let output = attach(&asked, &file).args(["-t", "20s"]).run();
    says(
        &output,
        4,
        &format!("{line} (the API returned 429 to the upload: not now)"),
    );
    assert!(output.took < Duration::from_secs(10));
}

#[test]
fn what_is_rejected_is_not_repeated() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    for (reply, line) in [
        (
            Reply::error(400, "no such key", "x"),
            "the API rejected the upload with 400: no such key; nothing was started; \
             check that the API key is valid",
        ),
        (
            Reply::error(422, "no", "x"),
            "the API rejected the upload with 422: no; nothing was started; \
             not retried; fix the cause and repeat the command",
        ),
        (
            Reply::new(307, &[("Location", "http://127.0.0.1:9/")], ""),
            "the API rejected the upload with 307; nothing was started; \
             redirects are not followed, so check RELEVANCE_BASE_URL",
        ),
    ] {
        says(&attach(&no_run(reply), &file).run(), 3, line);
    }
    for (status, headers, body, quoted, advice) in [
        (
            403,
            vec![],
            "<Error><Code>AccessDenied</Code></Error>",
            ": <Error><Code>AccessDenied</Code></Error>",
            "repeat the command, which asks for another upload URL",
        ),
        (413, vec![], "", "", "attach a smaller file"),
        (
            302,
            vec![("Location", "http://127.0.0.1:9/")],
            "",
            "",
            "redirects of an upload are not followed",
        ),
    ] {
        let storage = Script::new()
            .upload(Reply::new(status, &headers, body))
            .start();
        let host = storage.server.address;
        let api = no_run(upload_url(&place(&storage, "1"), DOWNLOAD));
        says(
            &attach(&api, &file).run(),
            3,
            &format!(
                "{host} rejected the upload of a.txt with {status}{quoted}; \
                 nothing was started; {advice}"
            ),
        );
    }
}

/// While a file is uploaded the connection to the API lies idle, and whatever is between may have
/// forgotten it by then: a trigger on it could be lost.
#[test]
fn the_trigger_does_not_go_on_a_connection_that_lay_idle() {
    let (folder, storage) = (Folder::new(), storage());
    let file = folder.file("a.txt", "text");
    let api = api(&storage);
    attach(&api, &file).run().answers("Hi!");
    let connection = |kind| api.requests_of(kind)[0].connection;
    assert_ne!(connection(Kind::UploadUrl), connection(Kind::Trigger));
    assert_eq!(connection(Kind::Trigger), connection(Kind::Poll));
}

#[test]
fn many_files_one_after_another() {
    let (folder, storage) = (Folder::new(), storage());
    let api = api(&storage);
    let mut command: Cmd = attach(&api, "https://example.com/0");
    for number in 1..30 {
        let file = folder.file(&format!("{number}.txt"), number.to_string());
        command = command.arg("--attach").arg(file);
    }
    command.run().answers("Hi!");
    let bodies: Vec<String> = storage
        .requests()
        .into_iter()
        .map(|it| String::from_utf8(it.body).unwrap())
        .collect();
    let numbers: Vec<String> = (1..30).map(|number| number.to_string()).collect();
    assert_eq!(bodies, numbers);
}
