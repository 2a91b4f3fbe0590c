/*! The URL that the API gives for an upload. */

use serde_json::json;

use super::host::says;
use super::{DOWNLOAD, api_to, attach, no_run, storage};
use crate::command::Folder;
use crate::script::upload_url;
use fake::server::Reply;

#[test]
fn a_hostile_upload_url_is_refused() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    let unencrypted = "uses http://, which would send the file unencrypted";
    for (url, why) in [
        ("http://10.0.0.1/1", unencrypted),
        ("http://169.254.169.254/latest/meta-data", unencrypted),
        ("http://[fd00::1]/1", unencrypted),
        ("http://0.0.0.0/1", unencrypted),
        ("http://files.example.com/1", unencrypted),
        ("http://127.0.0.1.example.com/1", unencrypted),
        ("http://localhost.example.com/1", unencrypted),
        ("ftp://files.example.com/1", "is not an https:// URL"),
        ("gopher://127.0.0.1:9/1", "is not an https:// URL"),
        ("file:///etc/passwd", "is not a URL"),
        ("javascript:alert(1)", "is not a URL"),
        ("//127.0.0.1:9/1", "is not a URL"),
        ("/temporary/1", "is not a URL"),
        ("", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://a b/", "is not a URL"),
        ("https://127.0.0.1:9\r\nX: y/", "is not a URL"),
        (
            "https://user:password@127.0.0.1:9/1",
            "contains credentials",
        ),
        ("http://user@localhost:9/1", "contains credentials"),
        ("https://127.0.0.1:port/1", "has no host or a bad port"),
        ("https://:443/1", "has no host or a bad port"),
    ] {
        let api = no_run(upload_url(url, DOWNLOAD));
        says(
            &attach(&api, &file).run(),
            3,
            &format!(
                "cannot upload a.txt: the upload URL that the API gave {why}; \
                 nothing was started; check RELEVANCE_BASE_URL"
            ),
        );
    }
    let (good, download) = ("http://127.0.0.1:9/1", DOWNLOAD);
    for body in [
        json!({"upload_url": null, "download_url": download}),
        json!({"upload_url": 1, "download_url": download}),
        json!({"upload_url": [good], "download_url": download}),
        json!({"download_url": download}),
        json!({"upload_url": good}),
        json!([]),
    ] {
        let api = no_run(Reply::json(200, body.clone()));
        let host = format!("localhost:{}", api.server.address.port());
        says(
            &attach(&api, &file).run(),
            3,
            &format!(
                "unexpected reply from {host} (200: {body}); nothing was started; \
                 check RELEVANCE_BASE_URL"
            ),
        );
    }
}

#[test]
fn another_port_of_this_machine_is_fine() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    for name in ["127.0.0.1", "localhost"] {
        let storage = storage();
        let port = storage.server.address.port();
        let url = format!("http://{name}:{port}/1");
        let api = api_to(&url);
        attach(&api, &file).run().answers("Hi!");
        assert_eq!(storage.requests().len(), 1);
    }
}

/// A name of 20,000 letters, which no server has, does not fill the screen.
#[test]
fn a_host_of_a_long_name_is_told_in_short() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "text");
    let url = format!("https://{}/1", "a".repeat(20_000));
    let api = no_run(upload_url(&url, DOWNLOAD));
    let output = attach(&api, &file).args(["-t", "1s"]).run();
    output.exits(4).prints("");
    let (head, tail) = ("a".repeat(200), "a".repeat(97));
    let line = output.stderr.strip_prefix(&format!(
        "relevance-run: timed out after 1s (--timeout); nothing was started \
         (cannot upload a.txt to {head} … {tail}: cannot resolve aaa"
    ));
    assert!(line.is_some_and(|rest| rest.len() < 300), "{output}");
}
