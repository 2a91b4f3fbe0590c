/*! Tools and uploads. */

use std::io::{Read, Write};
use std::net::TcpStream;

use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::{client, quick};
use fake::api::{PROJECT, Scenario};

const TRIGGER: &str = "/studios/tool-1/trigger_async";

#[test]
fn a_tool_is_run_and_its_output_is_an_object() {
    let api = quick();
    let body = json!({"params": {"city": "Ulm"}, "project": PROJECT, "version": "active"});
    let triggered = api.post(TRIGGER, &body);
    assert_eq!(
        triggered,
        json!({"job_id": "job-1", "project": PROJECT, "studio_id": "tool-1"})
    );
    let reply = api.poll(&triggered, "");
    let output = &reply["updates"][0]["output"];
    assert_eq!(
        (&reply["type"], &output["status"]),
        (&json!("complete"), &json!("complete"))
    );
    assert_eq!(output["output"], json!({"received": {"city": "Ulm"}}));
    // An id of the client's own.
    let mut named = body.clone();
    named["job_id"] = json!("my-job");
    assert_eq!(api.post(TRIGGER, &named)["job_id"], "my-job");
    let line = format!("POST /latest{TRIGGER}");
    assert_eq!(api.refused(&line, &named).0, 409);
    assert_eq!(api.refused(&line, &json!({"params": [1]})).0, 422);
    let other = "POST /latest/studios/other/trigger_async";
    assert_eq!(
        api.refused(other, &body),
        (404, "Studio other not found".to_owned())
    );
    assert_eq!((api.api.triggers(), api.api.runs()), (5, 2));
}

#[test]
fn a_tool_rehearses_too() {
    let api = quick();
    let says = |message: &str| json!({"params": {"message": message}});
    for (message, kind) in [
        ("fail: no", "failed"),
        ("silent: x", "complete"),
        ("wait: x", "complete"),
    ] {
        assert_eq!(
            api.poll(&api.post(TRIGGER, &says(message)), "")["type"],
            kind
        );
    }
    let line = format!("POST /latest{TRIGGER}");
    assert_eq!(api.refused(&line, &says("429: x")).0, 429);
    api.post(TRIGGER, &says("429: x"));
    assert_eq!(api.refused(&line, &says("500: x")).0, 500);
    let mut lost = says("lost: x");
    lost["job_id"] = json!("lost");
    assert!(api.send(&line, &lost.to_string()).is_err());
    let found = api.poll(&json!({"studio_id": "tool-1", "job_id": "lost"}), "");
    assert_eq!(found["type"], "complete");
    assert_eq!(api.api.runs(), 5);
}

/// Sends a request to the host of the uploads, and gives the status of its reply.
fn put(url: &str, method: &str, headers: &str, body: impl Iterator<Item = Vec<u8>>) -> u16 {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head =
        format!("{method} /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    for piece in body {
        stream.write_all(&piece).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_file_is_uploaded_to_another_host() {
    let api = quick();
    let url = |body: Value| {
        let reply = api.post("/services/get_temporary_file_upload_url", &body);
        (
            reply["upload_url"].as_str().unwrap().to_owned(),
            reply["download_url"].as_str().unwrap().to_owned(),
        )
    };
    let (upload, download) = url(json!({"filename": "a.pdf", "extension": "pdf"}));
    assert!(upload.starts_with(&download) && download.ends_with(".pdf"));
    assert!(!upload.contains(&api.server.address.to_string()));
    assert!(url(json!({"filename": "a.pdf"})).1.ends_with(".csv"));
    let wrong = "POST /latest/services/get_temporary_file_upload_url";
    assert_eq!(api.refused(wrong, &json!({"extension": 7})).0, 422);

    let file = || std::iter::once(b"some text".to_vec());
    let headers = "Content-Length: 9\r\nContent-Type: text/plain\r\n";
    assert_eq!(put(&upload, "PUT", headers, file()), 200);
    let authorized = format!("{headers}Authorization: demo-project:sk-x\r\n");
    assert_eq!(put(&upload, "PUT", &authorized, file()), 400);
    assert_eq!(put(&upload, "POST", headers, file()), 405);
    assert_eq!(put(&upload, "PUT", "", std::iter::empty()), 411);
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(put(&upload, "PUT", chunked, std::iter::empty()), 501);

    let received = api.api.uploads();
    let statuses: Vec<u16> = received.iter().map(|upload| upload.status).collect();
    assert_eq!(statuses, [200, 400, 405, 411, 501]);
    let first = &received[0];
    assert_eq!(first.request.header("Authorization"), None);
    assert_eq!(first.request.header("Content-Type"), Some("text/plain"));
    assert!(upload.ends_with(&first.request.target));
    let sha256_of_some_text = "b94f6f125c79e3a5ffaa826f584c10d52ada669e6762051b826b55776d05aed2";
    assert_eq!(
        (first.length, first.sha256.as_str()),
        (9, sha256_of_some_text)
    );
    assert_eq!(
        received[1].request.header("Authorization"),
        Some("demo-project:sk-x")
    );
}

#[test]
fn a_large_file_is_counted_and_not_kept_and_an_upload_may_fail() {
    let api = client(Scenario {
        upload_failures: 1,
        ..Scenario::default()
    });
    let reply = api.post("/services/get_temporary_file_upload_url", &json!({}));
    let url = reply["upload_url"].as_str().unwrap();
    let pieces = || (0..90).map(|number| vec![number; 1_000_000]);
    let headers = "Content-Length: 90000000\r\n";
    assert_eq!(
        put(url, "PUT", "Content-Length: 0\r\n", std::iter::empty()),
        503
    );
    assert_eq!(put(url, "PUT", headers, pieces()), 200);
    let mut digest = Context::new(&SHA256);
    pieces().for_each(|piece| digest.update(&piece));
    let sha256: String = digest
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // One that is cut off is not taken for whole.
    assert_eq!(put(url, "PUT", headers, pieces().take(1)), 400);
    assert_eq!(api.api.uploads()[2].length, 1_000_000);
    let received = &api.api.uploads()[1];
    assert_eq!((received.length, &received.sha256), (90_000_000, &sha256));
    assert!(received.request.body.is_empty());
}
