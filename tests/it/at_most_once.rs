/*! Never start a run twice: what is sent again, and above all what is not. */

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;
use serde_json::json;

use crate::command::{Trusted, relevance_run, send_signal, wait_within};
use crate::lines::body_size;
use crate::script::{Script, Scripted, answered, metadata, triggered};
use crate::tunnel;
use fake::server::{Reply, Server, Step};

/// Exit 5 with this one line, of which `what` is the beginning; and there is no second trigger.
#[track_caller]
fn may_have_started(reply: Reply, what: &str) {
    let shown = format!("{reply:?}");
    let api = Script::new().trigger(reply).start();
    let output = relevance_run(&api)
        .env("RELEVANCE_REGION", "eu")
        .arg("Hello")
        .run();
    let line = format!(
        "{what}; the run may have been started; check \
         https://app.relevanceai.com/agents/d7b62b/project-1/agent-1 before you repeat the command"
    );
    output.ends(5, &[&line]);
    assert_eq!(api.requests().len(), 1, "{shown}");
}

#[test]
fn an_error_of_the_server_is_not_an_invitation_to_send_again() {
    for (reply, said) in [
        (Reply::error(500, "oops", "x"), "500 to the trigger: oops"),
        (Reply::error(502, "oops", "x"), "502 to the trigger: oops"),
        (Reply::error(503, "oops", "x"), "503 to the trigger: oops"),
        (
            Reply::new(503, &[("Retry-After", "1")], ""),
            "503 to the trigger",
        ),
        (Reply::error(504, "oops", "x"), "504 to the trigger: oops"),
        (Reply::new(599, &[], "odd"), "599 to the trigger: odd"),
        (
            Reply::error(500, "oops", "x").header("x-request-id", "req-7"),
            "500 to the trigger: oops (request id req-7)",
        ),
    ] {
        may_have_started(reply, &format!("the API returned {said}"));
    }
}

#[test]
fn a_reply_that_is_lost_or_cut_off_is_not_asked_for_again() {
    let cut_off = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
        Reply::raw(format!("{head}{body}")).then(Step::Close)
    };
    let closed = "the server closed the connection";
    for (reply, why) in [
        (Reply::reset(), "Connection reset by peer"),
        (Reply::close(), closed),
        (
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Le").then(Step::Close),
            closed,
        ),
        (cut_off(r#"{"job_info":"#), closed),
        (cut_off(""), closed),
        (
            Reply::raw("not HTTP at all\r\n\r\n").then(Step::Close),
            "protocol: http parse fail: invalid HTTP version",
        ),
        (
            Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n")
                .then(Step::Close),
            "protocol: chunk length cannot be read as a number",
        ),
    ] {
        may_have_started(reply, &format!("no reply to the trigger: {why}"));
    }
}

#[test]
fn a_success_that_names_no_usable_run_may_have_started_one() {
    let ids = |ids: &str| format!(r#"{{"job_info":{ids},"state":"running"}}"#);
    for body in [
        r#"{"job_info":{"studio_id":"s","job_"#.to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        ids("null"),
        ids(r#"{"studio_id":"s"}"#),
        ids(r#"{"job_id":"j"}"#),
        ids(r#"{"studio_id":1,"job_id":"j"}"#),
        ids(r#"{"studio_id":"..","job_id":"j"}"#),
        ids(r#"{"studio_id":"../..","job_id":"j"}"#),
        ids(r#"{"studio_id":"a/b","job_id":"j"}"#),
        ids(r#"{"studio_id":"s","job_id":"a?b"}"#),
        ids(r#"{"studio_id":"s","job_id":"a b"}"#),
        ids(r#"{"studio_id":"s","job_id":"a\nb"}"#),
        ids(r#"{"studio_id":"s","job_id":""}"#),
    ] {
        let what = format!("the reply to the trigger contains no usable run id (200: {body})");
        may_have_started(Reply::text(200, &body), &what);
    }
    for (reply, said) in [
        (Reply::text(200, ""), "200"),
        (Reply::new(204, &[], ""), "204"),
        (
            Reply::text(200, "{}").header("x-request-id", "req-7"),
            "200: {} (request id req-7)",
        ),
    ] {
        let what = format!("the reply to the trigger contains no usable run id ({said})");
        may_have_started(reply, &what);
    }
    let long = ids(&format!(
        r#"{{"studio_id":"s","job_id":"{}"}}"#,
        "x".repeat(10_000)
    ));
    let said = format!("{} … {}", &long[..200], &long[long.len() - 97..]);
    let what = format!("the reply to the trigger contains no usable run id (200: {said})");
    may_have_started(Reply::text(200, &long), &what);
}

/// Exit 3 with this one line.
#[track_caller]
fn is_rejected(reply: Reply, said: &str, next: &str) {
    let api = Script::new().trigger(reply).start();
    let line = format!("the API rejected the trigger with {said}; nothing was started; {next}");
    relevance_run(&api).arg("Hello").run().ends(3, &[&line]);
}

#[test]
fn a_rejection_is_final_and_says_what_to_do() {
    let key = "check that the API key is valid and that its project and RELEVANCE_REGION match \
               (relevance-run --check does)";
    let cause = "not retried; fix the cause and repeat the command";
    is_rejected(
        Reply::error(400, "User key with id k1 not found", "unset_error_type"),
        "400: User key with id k1 not found",
        key,
    );
    is_rejected(Reply::error(401, "no", "x"), "401: no", key);
    is_rejected(Reply::error(403, "no", "x"), "403: no", key);
    is_rejected(Reply::new(400, &[], ""), "400", key);
    is_rejected(
        Reply::error(404, "no such agent", "x"),
        "404: no such agent",
        "check the id of the agent and RELEVANCE_REGION",
    );
    is_rejected(Reply::error(408, "slow", "x"), "408: slow", cause);
    is_rejected(Reply::new(418, &[], "plain text"), "418: plain text", cause);
    is_rejected(
        Reply::error(422, "Body Validation Error: must be object", "x"),
        "422: Body Validation Error: must be object",
        "check the id of the agent, and the fields of --set and --param",
    );
    is_rejected(
        Reply::error(409, "Conversation is busy", "x"),
        "409: Conversation is busy",
        "the conversation has a run in progress: wait for it, then repeat the command",
    );
}

/// The vendor's support asks for it.
#[test]
fn a_rejection_has_its_request_id_in_the_message_in_json_and_in_the_log() {
    let reply = Reply::error(401, "no", "x").header("x-request-id", "req-1");
    let size = body_size(&reply);
    let api = Script::new().trigger(reply).start();
    let output = relevance_run(&api).args(["-v", "--json", "Hello"]).run();
    output.exits(3);
    output.logs(&format!(
        "trigger: 401 in # s, {size} bytes, request id req-1"
    ));
    let message = "the API rejected the trigger with 401: no (request id req-1); nothing was \
                   started; check that the API key is valid and that its project and \
                   RELEVANCE_REGION match (relevance-run --check does)";
    output.logs(message);
    assert_eq!(
        output.json()["error"],
        json!({
            "message": message,
            "http_status": 401,
            "request_id": "req-1",
            "details": null,
        })
    );
}

/// The ids of such a reply are placeholders.
#[test]
fn a_message_that_was_queued_into_a_run_has_no_job_of_its_own() {
    let queued = || {
        let mut body = json!({
            "job_info": {"studio_id": "placeholder", "job_id": "placeholder"},
            "conversation_id": "conversation-1",
            "agent_id": "agent-1",
            "state": "running",
        });
        body["queued_mid_run"] = json!(true);
        Reply::json(200, body)
    };
    let page = "https://app.relevanceai.com/agents/d7b62b/project-1/agent-1/conversation-1";
    let run = |api: &Scripted, arguments: &[&str]| {
        let command = relevance_run(api).env("RELEVANCE_REGION", "eu");
        let output = command.args(arguments).arg("Hello").run();
        output.never_says("placeholder");
        assert!(api.polls().is_empty());
        output
    };
    let api = Script::new().trigger(queued()).start();
    run(&api, &["--no-wait", "-v"])
        .exits(0)
        .prints(&format!("{page}\n"));
    let api = Script::new().trigger(queued()).start();
    let object = run(&api, &["--no-wait", "--json"]).exits(0).json();
    assert_eq!(object["run_id"], json!(null));
    assert_eq!(object["job_id"], json!(null));
    assert_eq!(object["url"], page);
    // Its task is followed, and where that is forbidden, it is exit 5 with the URL.
    let forbidden = Reply::error(403, "no", "x");
    let api = Script::new().trigger(queued()).metadata(forbidden).start();
    let output = run(&api, &[]);
    output.ends(
        5,
        &[
            &format!(
                "the API rejected the question for the task with 403: no; check that the API key \
                 is valid and that its project and RELEVANCE_REGION match (relevance-run --check \
                 does); see {page}"
            ),
            &format!("resume with: relevance-run --resume {page}"),
        ],
    );
    let api = Script::new()
        .trigger(queued())
        .metadata_forever(metadata("running"))
        .start();
    let output = run(&api, &["-i", "50ms", "-t", "1s"]);
    output.ends(
        124,
        &[
            &format!("timed out after 1s (--timeout); the run continues; see {page}"),
            &format!("resume with: relevance-run --resume {page}"),
        ],
    );
}

/// Turns the first connection away with these bytes, and leads later ones to `address`.
fn busy_at_first(address: SocketAddr, refusal: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::sockets(move |mut client| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            let _ignored = client.read(&mut [0; 4096])?;
            client.write_all(refusal.as_bytes())?;
            return client.shutdown(Shutdown::Both);
        }
        tunnel::join(client, TcpStream::connect(address)?)
    })
}

#[test]
fn a_connection_refused_at_first_is_tried_again() {
    // Bound and not yet listening: whoever connects is refused, and no other test can have the
    // port meanwhile.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listener = TcpListener::from(socket);
    let port = listener.local_addr().unwrap();
    let elsewhere = Script::new().start();
    let running = relevance_run(&elsewhere)
        .env("RELEVANCE_BASE_URL", format!("http://{port}/latest"))
        .args(["-v", "Hello"])
        .spawn();
    thread::sleep(Duration::from_millis(200));
    rustix::net::listen(&listener, 16).unwrap();
    let api = Script::run()
        .poll(answered("Hi!"))
        .start_listening(listener);
    let output = running.wait();
    output.exits(0).prints("Hi!\n");
    let log = output.log();
    let refused = format!("trigger: cannot reach {port}: Connection refused; retrying in # s");
    assert_eq!(log[2], refused, "{output}");
    assert!(log[3].starts_with("trigger: attempt 2, "), "{output}");
    assert_eq!(api.triggers(), 1);
}

#[test]
fn a_handshake_cut_off_is_tried_again() {
    let trusted = Trusted::new();
    let api = trusted.api("localhost");
    let front = busy_at_first(api.server.address, "");
    let output = relevance_run(&api)
        .env(
            "RELEVANCE_BASE_URL",
            format!("https://localhost:{}/latest", front.address.port()),
        )
        .env("SSL_CERT_FILE", &trusted.pem)
        .arg("Hello")
        .run();
    output.answers("Hi!");
    assert_eq!(api.triggers(), 1);
}

#[test]
fn a_tunnel_refused_at_first_is_tried_again() {
    let trusted = Trusted::new();
    for refusal in [
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 407 Who\r\n\r\n",
        "",
    ] {
        let api = trusted.api("localhost");
        let tunnel = tunnel::Tunnel::to(api.server.address);
        let front = busy_at_first(tunnel.server.address, refusal);
        let output = relevance_run(&api)
            .env("HTTPS_PROXY", format!("http://{}", front.address))
            .env("SSL_CERT_FILE", &trusted.pem)
            .arg("Hello")
            .run();
        output.answers("Hi!");
        assert_eq!(api.triggers(), 1);
    }
}

#[test]
fn rejected_with_429_it_is_sent_again_and_retry_after_is_honoured() {
    let busy = Reply::new(429, &[("Retry-After", "2")], r#"{"message":"rate limit"}"#);
    let api = Script::new()
        .trigger(busy)
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
    let requests = api.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(2));
    assert_eq!(api.triggers(), 2);
}

#[test]
fn at_most_five_attempts_each_waiting_longer() {
    let _timed = crate::timed();
    let busy = || Reply::error(429, "rate limit", "x");
    let mut script = Script::new();
    for _ in 0..5 {
        script = script.trigger(busy());
    }
    let api = script.start();
    let line = "the API rejected the trigger with 429: rate limit; nothing was started; the plan's \
                rate limit is reached: repeat the command later";
    relevance_run(&api).arg("Hello").run().ends(4, &[line]);
    let starts: Vec<_> = api.requests().iter().map(|request| request.at).collect();
    let gaps: Vec<f64> = starts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    for (gap, nominal) in gaps.iter().zip([1.0, 2.0, 4.0, 8.0]) {
        assert!(
            *gap >= nominal * 0.5 && *gap < nominal * 1.5 + 1.0,
            "{gaps:?}"
        );
    }
}

/// The second trigger goes out on the connection that answered 429 and gets no reply: there is no
/// third.
#[test]
fn a_reused_connection_that_breaks_is_not_sent_on_again() {
    for end in [
        Reply::reset(),
        Reply::close(),
        Reply::raw("HTTP/1.1 2").then(Step::Close),
    ] {
        let api = Script::new()
            .trigger(Reply::error(429, "wait", "x"))
            .trigger(end)
            .start();
        let output = relevance_run(&api).arg("Hello").run();
        let lines = output.exits(5).prints("").lines();
        assert!(
            lines[0].starts_with("no reply to the trigger: "),
            "{output}"
        );
        let end = "; the run may have been started; check the agent's tasks in the web app before \
                   you repeat the command";
        assert!(lines.len() == 1 && lines[0].ends_with(end), "{output}");
        assert_eq!(api.server.connections(), 1, "the connection was reused");
        assert_eq!(api.triggers(), 2);
    }
}

/// Closed while idle: nothing was sent on it, and a new one is made.
#[test]
fn an_idle_connection_that_was_closed_is_replaced() {
    let closing = Reply::error(429, "wait", "x").then(Step::Close);
    let api = Script::new()
        .trigger(closing)
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
    assert_eq!(api.triggers(), 2);
    assert_eq!(api.server.connections(), 2);
}

/// What was said to be unsent stays so while the process goes down, which a full standard error
/// makes long.
#[test]
fn no_trigger_slips_out_while_the_process_goes_down() {
    let _timed = crate::timed();
    // The second attempt is due between one and one and a half seconds after the first.
    let api = Script::new()
        .trigger(Reply::new(429, &[("Retry-After", "1")], ""))
        .start();
    let (_unread, full) = crate::blocked::full_pipe();
    let mut command = relevance_run(&api).args(["-v", "Hello"]).command;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    drop(command);
    api.wait_for_requests(1);
    thread::sleep(Duration::from_millis(930));
    send_signal(&child, Signal::TERM);
    let sent = Instant::now();
    let status = wait_within(&mut child, Duration::from_secs(20));
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
    let took = sent.elapsed();
    assert!(took > Duration::from_millis(580), "the end took {took:?}");
    assert_eq!(api.triggers(), 1);
}
