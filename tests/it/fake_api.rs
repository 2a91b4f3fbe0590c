/*!
The fake API against the vendor's document: it refuses what the document forbids, every reply that
it gives here is held against the document, and what the document leaves open it shows both ways.
*/

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use fake::api::{Api, Scenario, TOKEN};
use fake::document;
use fake::schema;
use fake::server::{Request, Server};

/// Conversations, external ids, and the lists.
mod conversations;
/// The course of a run, as polls tell it.
mod polls;
/// What is refused, and what can be asked without a run.
mod refusals;
/// What a message asks for by its first word.
mod rehearsal;
/// The task's state and messages.
mod tasks;
/// Tools and uploads.
mod tools;

/// Longer than any test: a run that is in progress stays so.
const LONG: Duration = Duration::from_secs(600);

/// A client that shares nothing with the program: bytes on a socket.
struct Client {
    api: Arc<Api>,
    server: Server,
    token: Option<&'static str>,
}

struct Received {
    status: u16,
    headers: Vec<(String, String)>,
    text: String,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// The fake API as this scenario has it.
fn client(scenario: Scenario) -> Client {
    let api = Arc::new(Api::new(scenario));
    let answering = Arc::clone(&api);
    let server = Server::on("127.0.0.1:0", move |request| answering.answer(&request));
    Client {
        api,
        server: server.unwrap(),
        token: Some(TOKEN),
    }
}

/// Where every run is over at once.
fn quick() -> Client {
    client(Scenario::default())
}

/// Where no run ends.
fn slow() -> Client {
    client(Scenario {
        takes: LONG,
        ..Scenario::default()
    })
}

impl Client {
    /// What is received for a request, if anything is; nothing is held against the document.
    fn send(&self, line: &str, body: &str) -> std::io::Result<Received> {
        let mut stream = TcpStream::connect(self.server.address)?;
        let authorization = match self.token {
            Some(token) => format!("Authorization: {token}\r\n"),
            None => String::new(),
        };
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
            Content-Length: {length}\r\n{authorization}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, text) = reply.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        };
        Ok(Received {
            status,
            headers: lines.map(header).collect(),
            text: text.to_owned(),
        })
    }

    /// The reply to a request, as the document and the vendor's envelope want it.
    fn ask(&self, line: &str, body: &str) -> Received {
        let received = self.send(line, body).unwrap();
        let id = received.header("x-request-id").expect("a request id");
        assert!(received.header("Date").expect("a date").ends_with(" GMT"));
        if received.header("Content-Type") != Some("application/json") {
            assert_eq!(received.status, 404);
            return received;
        }
        if received.status == 200 {
            if let Err(fault) = hold_against_document(line, &received.json()) {
                panic!("{line}: {fault:?} in {}", received.text);
            }
            return received;
        }
        let body = received.json();
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(
            members,
            ["error_audience", "error_id", "error_type", "message"]
        );
        assert_eq!(
            (&body["error_id"], &body["error_audience"]),
            (&json!(id), &json!("platform"))
        );
        assert!(body["message"].is_string() && body["error_type"].is_string());
        received
    }

    /// The body of a reply with status 200.
    fn get(&self, path: &str) -> Value {
        let received = self.ask(&format!("GET /latest{path}"), "");
        assert_eq!(received.status, 200, "{path}: {}", received.text);
        received.json()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let received = self.ask(&format!("POST /latest{path}"), &body.to_string());
        assert_eq!(received.status, 200, "{path}: {}", received.text);
        received.json()
    }

    /// The status and the message of a refusal.
    fn refused(&self, line: &str, body: &Value) -> (u16, String) {
        let received = self.ask(line, &body.to_string());
        assert_ne!(received.status, 200, "{line}: {}", received.text);
        (
            received.status,
            received.json()["message"].as_str().unwrap().to_owned(),
        )
    }

    /// Starts a run, and gives what the trigger was answered.
    fn trigger(&self, message: &str) -> Value {
        self.post("/agents/trigger", &message_to_agent(message))
    }

    /// The same for a message to the conversation `c`.
    fn continue_c(&self, message: &str) -> Value {
        let mut body = message_to_agent(message);
        body["conversation_id"] = json!("c");
        self.post("/agents/trigger", &body)
    }

    fn poll(&self, triggered: &Value, query: &str) -> Value {
        self.get(&poll_path(triggered, query))
    }

    fn metadata(&self, conversation: &str) -> Value {
        self.get(&format!("/agents/agent-1/tasks/{conversation}/metadata"))["metadata"].clone()
    }

    fn state(&self, conversation: &str) -> String {
        let state = &self.metadata(conversation)["conversation"]["state"];
        state.as_str().unwrap().to_owned()
    }

    fn view(&self, conversation: &str, body: &Value) -> Value {
        self.post(&format!("/agents/agent-1/tasks/{conversation}/view"), body)
    }

    /// What was said in the task, the newest first: the type of each item, and its text where it
    /// has one.
    fn messages(&self, conversation: &str) -> Vec<(String, String)> {
        let view = self.view(conversation, &json!({"page_size": 100}));
        let mut messages = Vec::new();
        for item in view["results"].as_array().unwrap() {
            let text = |name: &str| item["content"][name].as_str().unwrap_or("").to_owned();
            messages.push((text("type"), text("text")));
        }
        messages
    }
}

fn message_to_agent(message: &str) -> Value {
    json!({"message": {"role": "user", "content": message}, "agent_id": "agent-1"})
}

fn poll_path(triggered: &Value, query: &str) -> String {
    let job = triggered.get("job_info").unwrap_or(triggered);
    let id = |name: &str| job[name].as_str().unwrap().to_owned();
    format!(
        "/studios/{}/async_poll/{}{query}",
        id("studio_id"),
        id("job_id")
    )
}

/// Whether the document allows `body` as the reply to a request that begins with `line`.
pub fn hold_against_document(line: &str, body: &Value) -> Result<(), schema::Fault> {
    let (method, target) = line.split_once(' ').unwrap();
    let request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        connection: 0,
        at: Instant::now(),
    };
    let (_, operation, _) = document::operation(&request).expect("an operation of the document");
    operation.check_reply(body)
}

/// What `ask` relies on: a reply of the fake with anything wrong in it is found.
#[test]
fn an_invalid_reply_is_found() {
    let api = quick();
    let triggered = api.trigger("Hello");
    let conversation = triggered["conversation_id"].as_str().unwrap();
    let view = format!("/agents/agent-1/tasks/{conversation}/view");
    let replies = [
        ("POST /latest/agents/trigger".to_owned(), triggered.clone()),
        (
            format!("GET /latest{}", poll_path(&triggered, "")),
            api.poll(&triggered, ""),
        ),
        (format!("POST /latest{view}"), api.post(&view, &json!({}))),
        ("GET /latest/auth/info".to_owned(), api.get("/auth/info")),
    ];
    let required = [
        &["job_info", "conversation_id", "agent_id", "state"][..],
        &["type", "updates", "last_message_id"],
        &["results"],
        &["user_id", "key_id", "permissions"],
    ];
    for ((line, reply), required) in replies.iter().zip(required) {
        assert_eq!(hold_against_document(line, reply), Ok(()));
        for name in required {
            let mut short = reply.clone();
            short.as_object_mut().unwrap().remove(*name);
            let fault = hold_against_document(line, &short).unwrap_err();
            assert_eq!(fault.what, format!("Missing required property: '{name}'"));
            let mut wrong = reply.clone();
            wrong[name] = json!(true);
            assert!(
                hold_against_document(line, &wrong).is_err(),
                "{name} in {line}"
            );
        }
    }
    let (line, mut view) = replies[2].clone();
    view["results"][0]["content"]["more"] = json!(1);
    let fault = hold_against_document(&line, &view).unwrap_err();
    assert_eq!(
        (fault.path.as_str(), fault.what.as_str()),
        ("/results/0/content", "Unexpected property: 'more'")
    );
}
