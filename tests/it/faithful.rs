/*! The fake API refuses what the real one refuses and lets a run take its course, for whatever client asks. */

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::api::{Api, Course, TOKEN};
use crate::fake::server::Server;

fn api(takes: Duration) -> Server {
    let api = Api::new(Course {
        takes,
        held: Duration::from_millis(50),
        history: 5,
    });
    Server::on("127.0.0.1:0", None, move |request| api.answer(&request)).unwrap()
}

/// A client that shares nothing with the program: bytes on a socket.
fn ask(server: &Server, line: &str, authorization: Option<&str>, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let header = authorization
        .map(|token| format!("Authorization: {token}\r\n"))
        .unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{header}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

const TRIGGER: &str = "POST /latest/agents/trigger";

#[test]
fn what_is_refused() {
    let server = api(Duration::ZERO);
    let good =
        json!({"message": {"role": "user", "content": "Hello"}, "agent_id": "a"}).to_string();
    let (status, body) = ask(&server, TRIGGER, None, &good);
    assert_eq!(
        (status, &body["error_type"]),
        (401, &json!("authorization_header_missing"))
    );
    assert_eq!(
        body["message"],
        "Authorization header cannot be missing or empty"
    );
    for wrong in [
        "demo-project:sk-wrong",
        &format!("Bearer {TOKEN}"),
        "nonsense",
    ] {
        let (status, body) = ask(&server, TRIGGER, Some(wrong), &good);
        assert_eq!(
            (status, &body["error_type"]),
            (400, &json!("unset_error_type"))
        );
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .starts_with("User key with id ")
        );
    }
    for malformed in [
        "",
        "[]",
        "{}",
        r#"{"message":"Hello","agent_id":"a"}"#,
        r#"{"message":{"role":"user","content":"x"}}"#,
    ] {
        let (status, body) = ask(&server, TRIGGER, Some(TOKEN), malformed);
        assert_eq!(status, 422, "{malformed}");
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .starts_with("Body Validation Error: must be ")
        );
    }
    let unknown = "GET /latest/studios/agent_empty_chain_inline/async_poll/job-9";
    assert_eq!(ask(&server, unknown, Some(TOKEN), "").0, 404);
}

/// How long a run takes: the first two polls come in a small part of it.
const TAKES: Duration = Duration::from_secs(3);

#[test]
fn the_course_of_a_run() {
    let server = api(TAKES);
    let body = json!({"message": {"role": "user", "content": "Hello"}, "agent_id": "a", "conversation_id": "c"});
    let (status, triggered) = ask(&server, TRIGGER, Some(TOKEN), &body.to_string());
    assert_eq!(
        (status, &triggered["state"], &triggered["conversation_id"]),
        (200, &json!("running"), &json!("c"))
    );
    let job = triggered["job_info"]["job_id"].as_str().unwrap();
    let poll = |query: &str| {
        let line = format!("GET /latest/studios/agent_empty_chain_inline/async_poll/{job}{query}");
        ask(&server, &line, Some(TOKEN), "").1
    };
    // Far from its end, however slow the machine is.
    let first = poll("?ending_update_only=true");
    assert_eq!(
        (&first["type"], &first["updates"]),
        (&json!("inprogress"), &json!([]))
    );
    assert_eq!(poll("")["type"], "timeout");
    crate::eventually("the end", || poll("")["type"] == "complete");
    let short = poll("?ending_update_only=true");
    assert_eq!(
        (&short["type"], short["updates"].as_array().unwrap().len()),
        (&json!("complete"), 1)
    );
    assert_eq!(
        short["updates"][0]["output"]["output"]["answer"],
        "You said: Hello"
    );
    assert_eq!(poll("")["updates"].as_array().unwrap().len(), 6);
    assert_eq!(
        poll("?after_message_id=4")["updates"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
