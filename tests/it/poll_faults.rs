/*! Never lose a run: what goes wrong with a poll is waited through, until the deadline. */

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::command::relevance_run;
use crate::lines::RESUME;
use crate::script::{Script, answered, in_progress, metadata, triggered};
use crate::tunnel;
use fake::server::{Reply, Server, Step};

const RUN: &str = "studio-1/job-1";

/// Each fault once, then the answer: exit 0, and not a word on standard error.
fn survives(faults: Vec<Reply>) {
    thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                let shown: String = format!("{fault:?}").chars().take(200).collect();
                let api = Script::run().poll(fault).poll(answered("Hi!")).start();
                let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
                assert!(
                    output.code == Some(0) && output.stderr.is_empty(),
                    "{shown}\n{output}"
                );
                output.answers("Hi!");
                assert_eq!(api.triggers(), 1);
            });
        }
    });
}

#[test]
fn transport_faults() {
    survives(vec![
        Reply::reset(),
        Reply::close(),
        in_progress().then(Step::Close),
        in_progress().then(Step::Reset),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"type\":").then(Step::Close),
        Reply::raw("HTTP/1.1 200 OK\r\n").then(Step::Reset),
        Reply::raw("\0\0\0garbage\r\n\r\n").then(Step::Close),
        Reply::raw("HTTP/1.1 abc\r\n\r\n").then(Step::Close),
        Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n")
            .then(Step::Close),
    ]);
}

#[test]
fn statuses() {
    let mut faults: Vec<Reply> = [404, 408, 425, 429, 500, 502, 503, 504]
        .map(|status| Reply::error(status, "later", "x"))
        .into();
    faults.push(Reply::new(503, &[("Retry-After", "1")], "<html>"));
    faults.push(Reply::new(
        503,
        &[("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")],
        "",
    ));
    faults.push(Reply::new(
        429,
        &[("Retry-After", "99999999999999999999999")],
        "",
    ));
    faults.push(Reply::new(429, &[("Retry-After", "-1")], ""));
    survives(faults);
}

#[test]
fn bodies_that_are_no_poll() {
    let mut faults: Vec<Reply> = [
        "",
        "<html><body>Please wait</body></html>",
        r#"{"type":"inprogress","upda"#,
        "[]",
        r#"["complete",[]]"#,
        "null",
        "\"text\"",
        "7",
        "{",
        "\u{feff}{}",
    ]
    .map(|body| Reply::text(200, body))
    .into();
    faults.push(Reply::new(200, &[], b"\xff\xfe\x00garbage"));
    faults.push(Reply::new(200, &[], b"{\"type\":\"in\xc3progress\"}"));
    faults.push(Reply::new(200, &[("Content-Encoding", "gzip")], "not gzip"));
    faults.push(Reply::new(204, &[], ""));
    survives(faults);
}

#[test]
fn wrong_types_anywhere() {
    survives(
        [
            json!({"type": "inprogress", "updates": null}),
            json!({"type": "inprogress", "updates": {"type": "chain-success"}}),
            json!({"type": "inprogress", "updates": "chain-success"}),
            json!({"type": "inprogress", "updates": [1, 2, 3]}),
            json!({"type": "inprogress", "updates": [["chain-success", {}, {}]]}),
            json!({"type": "inprogress", "updates": [null, [], "chain-success", {}]}),
            json!({"type": "inprogress", "updates": [{"type": 7}, {"type": null}]}),
            json!({"type": "inprogress", "updates": [{"type": ["chain-success"]}]}),
            json!({"type": "inprogress"}),
        ]
        .map(|body| Reply::json(200, body))
        .into(),
    );
}

/// A type that is missing or not text is not known, so there is one warning.
#[test]
fn a_missing_type_is_waited_through() {
    for body in [
        json!({}),
        json!({"type": 7}),
        json!({"type": null}),
        json!({"updates": []}),
    ] {
        let script = Script::run().polls(2, Reply::json(200, body));
        let api = script.poll(answered("Hi!")).start();
        let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
        output.exits(0).prints("Hi!\n");
        output.writes(&["warning: unknown poll type ''; still waiting"]);
    }
}

#[test]
fn chunked_and_slow_bodies() {
    let pause = Step::Pause(Duration::from_millis(30));
    let mut slow = Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in r#"{"type":"inprogress","updates":[]}"#.as_bytes().chunks(5) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        slow = slow.then(pause.clone()).then(Step::Send(chunk));
    }
    survives(vec![slow.then(Step::Send(b"0\r\n\r\n".to_vec()))]);
}

#[test]
fn a_server_restart_in_mid_wait() {
    let api = Script::run().poll(in_progress()).start();
    let target = Arc::new(Mutex::new(Some(api.server.address)));
    let leads_to = Arc::clone(&target);
    // In front of it, so that its port is nobody else's meanwhile: while it is down, connections
    // are closed at once.
    let front = Server::sockets(move |client| {
        let target = *leads_to.lock().unwrap();
        target.map_or(Ok(()), |address| {
            tunnel::join(client, TcpStream::connect(address)?)
        })
    });
    let url = format!("http://{}/latest", front.address);
    let running = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", url)
        .args(["-i", "300ms", "Hello"])
        .spawn();
    api.wait_for_requests(2);
    *target.lock().unwrap() = None;
    drop(api);
    // At least one poll fails before it is back.
    thread::sleep(Duration::from_millis(700));
    let api = Script::new().poll(answered("Hi!")).start();
    *target.lock().unwrap() = Some(api.server.address);
    running.wait().answers("Hi!");
    assert!(front.connections() >= 3 && api.triggers() == 0);
}

/// What went wrong and was overcome is no reason for anything later.
#[test]
fn an_error_that_is_over_is_not_reported() {
    let script = Script::run()
        .poll(Reply::error(503, "down for a moment", "x"))
        .poll_forever(in_progress())
        .metadata_forever(metadata("running"));
    let api = script.start();
    let command = relevance_run(&api).args(["-i", "50ms", "--timeout", "2500ms", "Hello"]);
    let line = "timed out after 2.5s (--timeout); the run continues";
    command.run().ends(124, &[line, RESUME]);
    assert!(api.polls().len() > 2);
}

/// Many failures in a row are no reason to give up, and are reported with `--verbose`.
#[test]
fn failures_in_a_row_back_off_until_the_deadline() {
    let down = Reply::error(503, "down", "x").header("x-request-id", "req-9");
    let api = Script::run().poll_forever(down).start();
    let output = relevance_run(&api)
        .args(["-v", "--timeout", "4s", "Hello"])
        .run();
    output.exits(124);
    let said = "the API returned 503 to the poll: down (request id req-9)";
    output.logs(&format!("poll: {said}; retrying in # s"));
    let last = format!("timed out after 4s (--timeout); the run continues (last error: {said})");
    assert_eq!(output.log()[output.log().len() - 2..], [&last, RESUME]);
    let polls = api.polls().len();
    // At 0 s, then after 0.5 to 1.5 s, 1 to 3 s, 2 to 6 s.
    assert!((2..=4).contains(&polls), "{polls} polls");
}

/// There is nothing to resume then.
#[test]
fn not_found_is_believed_after_ten_seconds() {
    let not_found = Reply::error(404, "Job not found", "x");
    let api = Script::new().poll_forever(not_found).start();
    let output = relevance_run(&api).args(["--resume", RUN]).run();
    output.ends(
        3,
        &["the API rejected the poll with 404: Job not found; nothing was started; check the id of \
           the run and RELEVANCE_REGION"],
    );
    let took = output.took.as_secs();
    assert!((10..13).contains(&took), "{output}");
}

/// A rejection of the poll leaves the run where it is; what was resumed was not started here.
#[test]
fn a_rejected_poll_is_exit_5_and_with_resume_exit_3() {
    let key = "check that the API key is valid and that its project and RELEVANCE_REGION match \
               (relevance-run --check does)";
    let cause = "not retried; fix the cause, then resume the run";
    for (status, next) in [
        (400, key),
        (401, key),
        (403, key),
        (405, cause),
        (410, cause),
        (422, cause),
    ] {
        let rejection = || Reply::error(status, "no", "x");
        let api = Script::run()
            .poll(rejection())
            .metadata(rejection())
            .start();
        let line =
            format!("the API rejected the poll with {status}: no; the run continues; {next}");
        relevance_run(&api)
            .arg("Hello")
            .run()
            .ends(5, &[&line, RESUME]);
        let api = Script::new().poll(rejection()).start();
        let line =
            format!("the API rejected the poll with {status}: no; nothing was started; {next}");
        let output = relevance_run(&api).args(["--resume", RUN]).run();
        output.ends(3, &[&line, RESUME]);
    }
}

/// The answer comes although the fault lies between two polls on one connection.
#[test]
fn a_connection_closed_silently_between_polls() {
    let script = Script::new()
        .trigger(triggered().then(Step::Close))
        .poll(in_progress().then(Step::Close));
    let api = script.poll(answered("Hi!")).start();
    relevance_run(&api)
        .args(["-i", "50ms", "Hello"])
        .run()
        .answers("Hi!");
    assert_eq!(api.server.connections(), 3);
}

/// Lost on the way: the client learns of it only by sending into it.
#[test]
fn a_connection_that_swallows_the_poll() {
    let api = Script::run()
        .poll(in_progress())
        .poll(answered("Hi!"))
        .start();
    let address = api.server.address;
    let count = AtomicUsize::new(0);
    let front = Server::sockets(move |client| {
        let api = TcpStream::connect(address)?;
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            // Lets the trigger and one poll through, then drops the connection under the next poll.
            return tunnel::join_requests(client, api, 2);
        }
        tunnel::join(client, api)
    });
    let url = format!("http://{}/latest", front.address);
    let output = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", url)
        .args(["-i", "50ms", "Hello"])
        .run();
    output.answers("Hi!");
    assert_eq!(api.triggers(), 1);
}

/// A reply that says that it is longer than what comes.
fn cut_off(status: u16, end: Step) -> Reply {
    let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: 1000\r\n\r\n");
    Reply::raw(head + "{\"message\":\"no").then(end)
}

/// A reply of this status and whatever becomes of its body.
fn broken(status: u16) -> [Reply; 4] {
    let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: 100000\r\n\r\n");
    let trickling = Reply::raw(head.clone()).then(Step::Repeat {
        piece: b"x".to_vec(),
        every: Duration::from_millis(50),
    });
    let stalling = Reply::raw(head + "x").then(Step::Hang);
    let [closed, reset] = [Step::Close, Step::Reset].map(|end| cut_off(status, end));
    [closed, reset, trickling, stalling]
}

/// The status counts once the head is read; only a success needs its body whole.
#[test]
fn a_rejection_counts_whatever_becomes_of_the_body() {
    thread::scope(|scope| {
        for status in [401, 403, 422, 302] {
            for reply in broken(status) {
                scope.spawn(move || {
                    let api = Script::new().trigger(reply.clone()).start();
                    let output = relevance_run(&api).args(["-t", "5s", "Hello"]).run();
                    let begin = format!("the API rejected the trigger with {status}");
                    let lines = output.exits(3).prints("").lines();
                    assert!(lines.len() == 1 && lines[0].starts_with(&begin), "{output}");
                    let script = Script::run().poll(reply.clone()).metadata(reply);
                    let api = script.start();
                    let output = relevance_run(&api).args(["-t", "8s", "Hello"]).run();
                    let begin = format!("the API rejected the poll with {status}");
                    let lines = output.exits(5).prints("").lines();
                    assert!(lines[0].starts_with(&begin), "{output}");
                    assert_eq!(lines[1..], [RESUME], "{output}");
                });
            }
        }
    });
}

#[test]
fn a_429_and_a_success_that_are_cut_off() {
    thread::scope(|scope| {
        for end in [Step::Close, Step::Reset] {
            let busy = cut_off(429, end.clone());
            scope.spawn(move || {
                let script = Script::new().trigger(busy.clone()).trigger(triggered());
                let api = script.poll(busy).poll(answered("Hi!")).start();
                let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
                output.answers("Hi!");
                assert_eq!(api.triggers(), 2);
            });
            let success = cut_off(200, end);
            scope.spawn(move || {
                let api = Script::new().trigger(success.clone()).start();
                relevance_run(&api).arg("Hello").run().exits(5);
                assert_eq!(api.triggers(), 1);
                let api = Script::run().poll(success).poll(answered("Hi!")).start();
                let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
                output.answers("Hi!");
            });
        }
    });
}
