/*! What the trigger sends. */

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::{Folder, Trusted, relevance_run, wait_within};
use crate::script::{Script, TOKEN, answered};
use fake::server::Server;

fn simple() -> Script {
    Script::run().poll(answered("Hi!"))
}

const MESSAGES: [&str; 6] = [
    "Hello",
    "two\nlines\r\n\tand a tab\n",
    r#"quotes " ' ` and \ backslashes \n"#,
    "emoji 🦀, combined e\u{301}, right-to-left שלום",
    "  kept blanks  ",
    "$HOME `id` %s %% & | ;",
];

#[test]
fn request_is_exactly_what_the_api_documents() {
    let api = simple().start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
    let requests = api.requests();
    let [trigger, poll] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    let agent = format!("relevance-run/{}", env!("CARGO_PKG_VERSION"));
    for request in [trigger, poll] {
        assert_eq!(request.header("Authorization"), Some(TOKEN));
        assert_eq!(request.header("User-Agent"), Some(agent.as_str()));
    }
    assert_eq!(trigger.target, "/latest/agents/trigger");
    assert_eq!(trigger.header("Content-Type"), Some("application/json"));
    let body = json!({"message": {"role": "user", "content": "Hello"}, "agent_id": "agent-1"});
    assert_eq!(trigger.json(), body);
    assert_eq!(
        poll.target,
        "/latest/studios/studio-1/async_poll/job-1?ending_update_only=true"
    );
}

#[test]
fn message_as_an_argument() {
    for message in MESSAGES {
        let api = simple().start();
        relevance_run(&api).arg(message).run().answers("Hi!");
        assert_eq!(api.requests()[0].json()["message"]["content"], message);
    }
}

#[test]
fn message_from_a_file_and_from_standard_input() {
    let folder = Folder::new();
    for message in MESSAGES {
        let file = folder.file("message", message);
        let from_file = ["--file".as_ref(), file.as_os_str()];
        let from_stdin = ["-f".as_ref(), "-".as_ref()];
        for arguments in [&from_file[..], &from_stdin, &[]] {
            let api = simple().start();
            relevance_run(&api)
                .args(arguments)
                .stdin(message)
                .run()
                .answers("Hi!");
            assert_eq!(
                api.requests()[0].json()["message"]["content"],
                message,
                "{arguments:?}"
            );
        }
    }
}

#[test]
fn a_megabyte_of_text() {
    let message = "héllo wörld ".repeat(90_000);
    let api = simple().start();
    relevance_run(&api)
        .stdin(message.as_str())
        .run()
        .answers("Hi!");
    assert_eq!(
        api.requests()[0].json()["message"]["content"],
        message.as_str()
    );
}

#[test]
fn with_a_message_standard_input_is_not_read() {
    let api = simple().start();
    let mut command = relevance_run(&api).arg("Hello").command;
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The pipe stays open: a command that reads it would never end.
    let mut pipe = child.stdin.take().unwrap();
    let status = wait_within(&mut child, Duration::from_secs(20));
    assert!(status.success());
    let _ = pipe.write_all(b"too late");
}

#[test]
fn conversation_and_agent_are_sent() {
    let api = simple().start();
    let command = relevance_run(&api).args(["-c", "conversation-7", "--agent=agent-9", "Hello"]);
    command.run().answers("Hi!");
    let body = api.requests()[0].json();
    assert_eq!(body["conversation_id"], "conversation-7");
    assert_eq!(body["agent_id"], "agent-9");
}

#[test]
fn set_sends_json_or_else_a_string() {
    let api = simple().start();
    let fields = [
        ("version", "draft", "\"draft\""),
        (
            "metadata",
            r#"{"tone": "brief", "n": 12345678901234567890123}"#,
            "",
        ),
        ("debug", "true", ""),
        ("quoted", "\"true\"", ""),
        ("external_id", "a=b", "\"a=b\""),
        ("nothing", "null", ""),
        ("empty", "", "\"\""),
        ("price", "1.10", ""),
    ];
    let mut command = relevance_run(&api);
    for (key, value, _) in fields {
        command = command.arg("--set").arg(format!("{key}={value}"));
    }
    command.arg("Hello").run().answers("Hi!");
    let request = &api.requests()[0];
    let body = String::from_utf8(request.body.clone()).unwrap();
    for (key, value, written) in fields {
        let written = if written.is_empty() { value } else { written };
        // Character for character: no number is rounded and no key reordered.
        assert!(
            body.contains(&format!("\"{key}\":{written}")),
            "{key} in {body}"
        );
    }
    let Value::Object(members) = request.json() else {
        panic!("{body}");
    };
    assert_eq!(members.len(), 2 + fields.len());
}

/// A part of a long message that begins like a request is a part of a message.
#[test]
fn a_message_of_post_post_post() {
    for shift in 0..5 {
        let message = "x".repeat(shift) + &"POST ".repeat(4000);
        let api = simple().start();
        relevance_run(&api)
            .stdin(message.as_str())
            .run()
            .answers("Hi!");
        assert_eq!(
            api.requests()[0].json()["message"]["content"],
            message.as_str()
        );
    }
}

/// The types of the TLS records in what was sent.
fn records(mut sent: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = sent {
        types.push(*kind);
        sent = &rest[usize::from(*high) << 8 | usize::from(*low)..];
    }
    types
}

/// The head of the trigger and its body go out in one write, and so in one TLS record.
#[test]
fn a_short_trigger_is_one_write() {
    let trusted = Trusted::new();
    let tls = trusted.authority.server(&["localhost"], false);
    let api = Script::run().tls(tls).start();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (address, recorded) = (api.server.address, Arc::clone(&sent));
    let front = Server::sockets(move |mut client| {
        let mut api = TcpStream::connect(address)?;
        let (mut from, mut to) = (api.try_clone()?, client.try_clone()?);
        thread::spawn(move || io::copy(&mut from, &mut to));
        let mut buffer = [0; 65536];
        loop {
            let length = client.read(&mut buffer)?;
            if length == 0 {
                return api.shutdown(Shutdown::Both);
            }
            recorded
                .lock()
                .unwrap()
                .extend_from_slice(&buffer[..length]);
            api.write_all(&buffer[..length])?;
        }
    });
    let url = format!("https://localhost:{}/latest", front.address.port());
    let output = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", url)
        .env("SSL_CERT_FILE", &trusted.pem)
        .args(["--no-wait", "Hello"])
        .run();
    output.answers("studio-1/job-1");
    // The greeting, a change of cipher for old middleboxes, the end of the handshake, the trigger.
    let records = records(&sent.lock().unwrap());
    assert_eq!(records, [22, 20, 23, 23]);
}
