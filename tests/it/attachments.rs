/*! `--attach`: files are uploaded before the trigger is sent, to another host, without the key. */

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use serde_json::json;

use crate::command::{Cmd, Folder, bare, relevance_run};
use crate::message::refuses;
use crate::script::{Kind, Script, Scripted, TOKEN, answered, triggered, upload_url};
use fake::api::{Api, Scenario, TOKEN as DEMO_TOKEN};
use fake::server::{Reply, Server};

/// How an upload ends before its time.
mod ends;
/// Files that cannot be sent, or change while they are.
mod files;
/// The host that takes the file, and what is made of its replies.
mod host;
/// Large files.
mod large;
/// What is seen of an upload.
mod progress;
/// The URL that the API gives for it.
mod urls;
/// Certificates and proxies.
mod way;

const DOWNLOAD: &str = "https://files.example.com/temporary/1";

/// Where the uploads go: another host than the API's, by its address.
fn place(storage: &Scripted, name: &str) -> String {
    let address = storage.server.address;
    format!("http://{address}/temporary/{name}?X-Amz-Signature=abc%2Fdef")
}

/// A host that takes every upload.
fn storage() -> Scripted {
    let taken = Reply::new(200, &[], "");
    Script::new().upload_forever(taken).start()
}

/// An API that sends every file to `storage`, and whose run ends at once.
fn api(storage: &Scripted) -> Scripted {
    Script::new()
        .upload_url_forever(upload_url(&place(storage, "1"), DOWNLOAD))
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start()
}

/// An API that sends one file to this URL, and whose run ends at once.
fn api_to(url: &str) -> Scripted {
    Script::new()
        .upload_url(upload_url(url, DOWNLOAD))
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start()
}

/// An API that takes no trigger.
fn no_run(upload_url: Reply) -> Scripted {
    Script::new().upload_url(upload_url).start()
}

fn attach(api: &Scripted, what: impl AsRef<OsStr>) -> Cmd {
    relevance_run(api).args(["Hello", "--attach"]).arg(what)
}

fn trigger_body(api: &Scripted) -> String {
    let triggers = api.requests_of(Kind::Trigger);
    let [trigger] = triggers.as_slice() else {
        panic!("{triggers:?}");
    };
    String::from_utf8(trigger.body.clone()).unwrap()
}

fn with_attachments(attachments: &str) -> String {
    let message = format!(r#"{{"role":"user","content":"Hello","attachments":[{attachments}]}}"#);
    format!(r#"{{"message":{message},"agent_id":"agent-1"}}"#)
}

#[test]
fn a_file_is_uploaded_and_then_named_in_the_trigger() {
    let (folder, storage) = (Folder::new(), storage());
    let contents: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let file = folder.file("Report 1.PDF", &contents);
    let api = api(&storage);
    attach(&api, &file).run().answers("Hi!");

    let question = &api.requests()[0];
    assert_eq!(
        question.target,
        "/latest/services/get_temporary_file_upload_url"
    );
    assert_eq!(question.header("Authorization"), Some(TOKEN));
    assert_eq!(
        question.json(),
        json!({"filename": "Report 1.PDF", "extension": "pdf"})
    );

    let puts = storage.requests();
    let [put] = puts.as_slice() else {
        panic!("{} requests", puts.len());
    };
    assert_eq!(put.method, "PUT");
    assert_eq!(put.target, "/temporary/1?X-Amz-Signature=abc%2Fdef");
    assert!(put.body == contents);
    let mut headers = put.headers.clone();
    headers.sort();
    let agent = concat!("relevance-run/", env!("CARGO_PKG_VERSION"));
    let host = storage.server.address.to_string();
    let expected = [
        ("accept", "application/json"),
        ("content-length", "300000"),
        ("content-type", "application/pdf"),
        ("host", &host),
        ("user-agent", agent),
        ("x-amz-tagging", "Expire=true"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers, expected);

    assert_eq!(
        trigger_body(&api),
        with_attachments(&format!(
            r#"{{"file_url":"{DOWNLOAD}","file_name":"Report 1.PDF"}}"#
        ))
    );
}

#[test]
fn the_message_can_come_from_standard_input() {
    let (folder, storage) = (Folder::new(), storage());
    let file = folder.file("a.txt", "text");
    for before in [&[][..], &["-"], &["--file", "-"]] {
        let api = api(&storage);
        let command = relevance_run(&api).args(before).arg("--attach").arg(&file);
        command.stdin("Hello").run().answers("Hi!");
        assert_eq!(
            trigger_body(&api),
            with_attachments(&format!(
                r#"{{"file_url":"{DOWNLOAD}","file_name":"a.txt"}}"#
            ))
        );
    }
}

#[test]
fn files_and_urls_stay_in_their_order() {
    let (folder, storage) = (Folder::new(), storage());
    let (one, two) = (folder.file("1.txt", "one"), folder.file("2", "two"));
    let api = Script::new()
        .upload_url(upload_url(&place(&storage, "one"), "https://f/one"))
        .upload_url(upload_url(&place(&storage, "two"), "https://f/two"))
        .upload_url(upload_url(&place(&storage, "three"), "https://f/three"))
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start();
    let url = "https://example.com/a/b%20c.pdf?page=1/2#3";
    let command = attach(&api, &one)
        .args(["--attach", url, "--attach"])
        .arg(&two)
        .arg("--attach")
        .arg(&one)
        .args(["--param", "a=1", "--set", "version=draft"]);
    command.run().answers("Hi!");
    let sent: Vec<(String, Vec<u8>)> = storage
        .requests()
        .into_iter()
        .map(|it| (it.path().to_owned(), it.body))
        .collect();
    let expected = [("one", "one"), ("two", "two"), ("three", "one")]
        .map(|(place, text)| (format!("/temporary/{place}"), text.as_bytes().to_vec()));
    assert_eq!(sent, expected);
    let attachments = [
        ("https://f/one", "1.txt"),
        (url, "b%20c.pdf"),
        ("https://f/two", "2"),
        ("https://f/three", "1.txt"),
    ]
    .map(|(url, name)| format!(r#"{{"file_url":"{url}","file_name":"{name}"}}"#));
    let mut body = with_attachments(&attachments.join(","));
    body.pop();
    body.push_str(r#","params":{"a":1},"version":"draft"}"#);
    assert_eq!(trigger_body(&api), body);
}

#[test]
fn a_name_is_sent_as_it_is() {
    for (name, extension, media_type) in [
        (r#"a "quoted" \name'.csv"#, "csv", "text/csv; charset=utf-8"),
        ("two\nlines\t.md", "md", "text/markdown; charset=utf-8"),
        ("\u{1f980} \u{202e}fdp.png", "png", "image/png"),
        ("archive.tar.gz", "gz", "application/octet-stream"),
        ("LICENSE", "bin", "application/octet-stream"),
        (".bashrc", "bin", "application/octet-stream"),
        ("-p", "bin", "application/octet-stream"),
        ("a.JPEG", "jpeg", "image/jpeg"),
    ] {
        let (folder, storage) = (Folder::new(), storage());
        let file = folder.file(name, "text");
        let api = api(&storage);
        attach(&api, &file).run().answers("Hi!");
        assert_eq!(
            api.requests()[0].json(),
            json!({"filename": name, "extension": extension})
        );
        let put = &storage.requests()[0];
        assert_eq!(put.header("Content-Type"), Some(media_type));
        let body: serde_json::Value = serde_json::from_str(&trigger_body(&api)).unwrap();
        assert_eq!(
            body["message"]["attachments"],
            json!([{"file_url": DOWNLOAD, "file_name": name}])
        );
    }
}

#[test]
fn a_path_that_is_not_text_is_refused() {
    let api = Script::new().start();
    refuses(
        &api,
        attach(&api, OsStr::from_bytes(b"caf\xe9.txt")),
        "an argument is not valid UTF-8; convert it first",
    );
}

#[test]
fn a_url_is_passed_on_and_nothing_is_uploaded() {
    for (url, name) in [
        ("https://example.com/a.pdf", "a.pdf"),
        ("https://example.com/a/?b=/c", "a"),
        ("HTTPS://example.com/a\"b.pdf", "a\"b.pdf"),
        ("https://example.com", "example.com"),
    ] {
        let api = Script::run().poll(answered("Hi!")).start();
        attach(&api, url).run().answers("Hi!");
        let body: serde_json::Value = serde_json::from_str(&trigger_body(&api)).unwrap();
        assert_eq!(
            body["message"]["attachments"],
            json!([{"file_url": url, "file_name": name}])
        );
    }
    let api = Script::new().start();
    for url in [
        "http://example.com/a.pdf",
        "file:///etc/passwd",
        "ftp://example.com/a",
        "https://",
        "https://example.com/a b",
        "https://example.com/a\nb",
    ] {
        refuses(
            &api,
            attach(&api, url),
            "invalid --attach: the URL does not begin with https://; \
             use an https:// URL, or download the file and attach that",
        );
    }
}

#[test]
fn the_upload_host_sees_nothing_of_the_key() {
    let (folder, storage) = (Folder::new(), storage());
    let file = folder.file("a.txt", "text");
    let api = api(&storage);
    let output = attach(&api, &file).arg("-vv").run();
    output.exits(0);
    let seen = format!("{:?}", storage.requests());
    let (project, key) = TOKEN.split_once(':').unwrap();
    assert!(!seen.contains(key) && !seen.contains(project), "{seen}");
    assert!(!seen.contains(&key[..8]), "{seen}");
    output.never_says(key);
}

/// The fake API refuses what the vendor's document forbids, and its host what such hosts refuse.
#[test]
fn the_documented_api_takes_it() {
    let documented = Arc::new(Api::new(Scenario {
        upload_failures: 1,
        ..Scenario::default()
    }));
    let answering = Arc::clone(&documented);
    let answer = move |request| answering.answer(&request);
    let server = Server::on("127.0.0.1:0", answer).unwrap();
    let folder = Folder::new();
    let file = folder.file("a.txt", "abc");
    let command = bare()
        .env("RELEVANCE_AUTH_TOKEN", DEMO_TOKEN)
        .env(
            "RELEVANCE_BASE_URL",
            format!("http://{}/latest", server.address),
        )
        .args(["--agent", "demo-agent", "Hello", "--attach"])
        .arg(&file);
    command.run().exits(0);
    let uploads = documented.uploads();
    let statuses: Vec<u16> = uploads.iter().map(|upload| upload.status).collect();
    assert_eq!(statuses, [503, 200]);
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(
        uploads
            .iter()
            .all(|upload| upload.sha256 == abc && upload.length == 3)
    );
    assert_eq!(documented.triggers(), 1);
}
