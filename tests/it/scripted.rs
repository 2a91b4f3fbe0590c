/*! The scripted API itself: it gives what it was told to give, and fails the test otherwise. */

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use crate::fake_api::hold_against_document;
use crate::script::{self, Kind, Script, Scripted};
use fake::server::Reply;

/// The head and the body of the reply to a request that begins with `line`.
fn ask(api: &Scripted, line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(api.server.address).unwrap();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

const TRIGGER: &str = "POST /latest/agents/trigger";
const TOOL_TRIGGER: &str = "POST /latest/studios/tool-1/trigger_async";
const POLL: &str = "GET /latest/studios/studio-1/async_poll/job-1?ending_update_only=true";
const CHECK: &str = "GET /latest/agents/agent-1/get";
const TOOL: &str = "GET /latest/studios/tool-1/get";
const METADATA: &str = "GET /latest/agents/agent-1/tasks/conversation-1/metadata";
const VIEW: &str = "POST /latest/agents/agent-1/tasks/conversation-1/view";
const CONVERSATIONS: &str = "GET /latest/agents/conversations/list?page_size=20";
const RUNS: &str = "GET /latest/agents/conversations/studios/list?page_size=100";
const UPLOAD_URL: &str = "POST /latest/services/get_temporary_file_upload_url";
const UPLOAD: &str = "PUT /some/file?signature=x";

#[test]
fn each_kind_of_request_has_its_own_replies() {
    let number = |number: u32| Reply::json(200, json!(number));
    let api = Script::new()
        .trigger(number(10))
        .trigger_forever(number(11))
        .tool_trigger(number(20))
        .tool_trigger_forever(number(21))
        .poll(number(30))
        .poll_forever(number(31))
        .check(number(40))
        .check_forever(number(41))
        .tool(number(50))
        .tool_forever(number(51))
        .metadata(number(60))
        .metadata_forever(number(61))
        .view(number(70))
        .view_forever(number(71))
        .conversations(number(80))
        .conversations_forever(number(81))
        .runs(number(90))
        .runs_forever(number(91))
        .upload_url(number(100))
        .upload_url_forever(number(101))
        .upload(number(110))
        .upload_forever(number(111))
        .start();
    let lines = [
        TRIGGER,
        TOOL_TRIGGER,
        POLL,
        CHECK,
        TOOL,
        METADATA,
        VIEW,
        CONVERSATIONS,
        RUNS,
        UPLOAD_URL,
        UPLOAD,
    ];
    for round in 0..3 {
        for (index, line) in lines.iter().enumerate() {
            let expected = (index + 1) * 10 + round.min(1);
            assert_eq!(ask(&api, line).1, expected.to_string(), "{line}");
        }
    }
    // Requests that change nothing are no triggers, whatever their method.
    assert_eq!((api.triggers(), api.polls().len()), (6, 3));
    assert_eq!(
        api.requests_of(Kind::Upload)[0].target,
        "/some/file?signature=x"
    );
    assert_eq!(api.requests().len(), 33);
}

#[test]
fn what_is_not_as_scripted_fails_the_test() {
    let fails = |api: Scripted| catch_unwind(AssertUnwindSafe(|| drop(api))).is_err();
    for script in [Script::new().view(Reply::close()), Script::run()] {
        assert!(fails(script.start()));
    }
    for line in [
        VIEW,
        "GET /latest/agents/agent-1/list",
        "DELETE /latest/agents/trigger",
    ] {
        let api = Script::new().poll_forever(Reply::close()).start();
        assert!(ask(&api, line).0.starts_with("HTTP/1.1 400 "));
        assert!(fails(api));
    }
    let api = Script::new().poll_forever(Reply::close()).start();
    assert!(!fails(api));
}

#[test]
fn a_reply_has_a_request_id_where_the_test_says_so() {
    let named = Reply::error(409, "busy", "x").header("x-request-id", "req-7");
    let api = Script::new()
        .trigger(named)
        .trigger(script::triggered())
        .start();
    assert!(ask(&api, TRIGGER).0.contains("\r\nx-request-id: req-7"));
    assert!(!ask(&api, TRIGGER).0.contains("x-request-id"));
}

#[test]
fn the_usual_replies_are_valid_by_the_document() {
    let error = json!([{"body": "no", "step_name": "s", "category": "internal"}]);
    let messages = [
        script::agent_error(error),
        script::agent_message("Hi", true),
        script::agent_message("Hi!", false),
        script::user_message("Hello"),
    ];
    let entries = [
        script::conversation("conversation-1", Some("name"), "running"),
        script::conversation("conversation-2", None, "idle"),
    ];
    for (kind, line, reply) in [
        (Kind::Trigger, TRIGGER, script::triggered()),
        (Kind::ToolTrigger, TOOL_TRIGGER, script::tool_triggered()),
        (Kind::Poll, POLL, script::in_progress()),
        (Kind::Poll, POLL, script::answered("Hi!")),
        (Kind::Tool, TOOL, script::tool("tool-1", "project-1")),
        (
            Kind::Metadata,
            METADATA,
            script::metadata("pending-approval"),
        ),
        (Kind::View, VIEW, script::view(5, &messages)),
        (
            Kind::Conversations,
            CONVERSATIONS,
            script::conversations(&entries),
        ),
        (Kind::Runs, RUNS, script::runs(&["complete", "inprogress"])),
        (
            Kind::UploadUrl,
            UPLOAD_URL,
            script::upload_url("https://a/b", "https://c/d"),
        ),
    ] {
        let api = Script::new().reply(kind, reply).start();
        let body: Value = serde_json::from_str(&ask(&api, line).1).unwrap();
        assert_eq!(hold_against_document(line, &body), Ok(()), "{line}");
    }
    // The newest comes first.
    let api = Script::new().view(script::view(1, &messages)).start();
    let body: Value = serde_json::from_str(&ask(&api, VIEW).1).unwrap();
    let dates = ["2026-08-29T12:01:00.000Z", "2026-08-29T12:00:59.000Z"];
    assert_eq!(
        [
            &body["results"][0]["insert_date_"],
            &body["results"][1]["insert_date_"]
        ],
        dates
    );
}
