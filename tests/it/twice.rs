/*! Never start a run twice: what is sent again, and above all what is not. */

use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;

use crate::command::{Trusted, relevance_run, send_signal, wait_within};
use crate::fake::server::{Reply, Server, Step};
use crate::script::{Script, answered, triggered};
use crate::tunnel;

/// After each of these the run may be on. There is no second trigger, and the message says where to look.
#[test]
fn what_may_have_started_is_never_sent_again() {
    let cut_off = |body: &str| {
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{body}"
        ))
        .then(Step::Close)
    };
    let ids = |ids: &str| Reply::text(200, &format!(r#"{{"job_info":{ids},"state":"running"}}"#));
    let long = format!(r#"{{"studio_id":"s","job_id":"{}"}}"#, "x".repeat(10_000));
    let replies = [
        Reply::error(500, "oops", "x"),
        Reply::error(502, "oops", "x"),
        Reply::error(503, "oops", "x"),
        Reply::new(503, &[("Retry-After", "1")], ""),
        Reply::error(504, "oops", "x"),
        Reply::new(599, &[], "odd"),
        Reply::reset(),
        Reply::close(),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Le").then(Step::Close),
        Reply::raw("not HTTP at all\r\n\r\n").then(Step::Close),
        cut_off(r#"{"job_info":"#),
        cut_off(""),
        Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n")
            .then(Step::Close),
        Reply::new(
            200,
            &[("Content-Type", "text/html")],
            "<html>Welcome</html>",
        ),
        Reply::text(200, r#"{"job_info":{"studio_id":"s","job_"#),
        Reply::text(200, ""),
        Reply::new(204, &[], ""),
        Reply::text(200, "[]"),
        Reply::text(200, "{}"),
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
        ids(&long),
    ];
    thread::scope(|scope| {
        for reply in replies {
            scope.spawn(move || {
                let what = format!("{reply:?}");
                let api = Script::new().trigger(reply).start();
                let output = relevance_run(&api).env("RELEVANCE_REGION", "eu").arg("Hello").run();
                let page = "https://app.relevanceai.com/agents/d7b62b/project-1/agent-1 before you run it again";
                output.fails(5, &["may have been started", page]).does_not_resume();
                assert_eq!(api.requests().len(), 1, "{what}");
            });
        }
    });
}

#[test]
fn a_refusal_is_final_and_says_what_to_do() {
    for (reply, parts) in [
        (
            Reply::error(400, "User key with id k1 not found", "unset_error_type"),
            vec!["400", "User key", "RELEVANCE_REGION"],
        ),
        (Reply::error(401, "no", "x"), vec!["401", "token"]),
        (Reply::error(403, "no", "x"), vec!["403", "token"]),
        (
            Reply::error(404, "no such agent", "x"),
            vec!["404", "no such agent", "check the id"],
        ),
        (Reply::error(408, "slow", "x"), vec!["408", "slow"]),
        (
            Reply::error(422, "Body Validation Error: must be object", "x"),
            vec!["422", "must be object", "--set"],
        ),
        (
            Reply::new(418, &[], "plain text"),
            vec!["418", "plain text"],
        ),
        (Reply::new(400, &[], ""), vec!["400;"]),
    ] {
        let api = Script::new().trigger(reply).start();
        let output = relevance_run(&api).arg("Hello").run();
        output.fails(3, &parts).does_not_resume();
    }
}

/// Turns the first connection away with these bytes, and leads later ones to `address`.
fn busy_at_first(address: SocketAddr, refusal: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::sockets(move |mut client| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            std::io::Read::read(&mut client, &mut [0; 4096])?;
            std::io::Write::write_all(&mut client, refusal.as_bytes())?;
            return client.shutdown(Shutdown::Both);
        }
        tunnel::join(client, TcpStream::connect(address)?)
    })
}

#[test]
fn a_connection_refused_at_first_is_tried_again() {
    // Bound and not yet listening: whoever connects is refused, and no other test can have the port meanwhile.
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
    output
        .exits(0)
        .prints("Hi!\n")
        .says(&["refused", "again in", "attempt 2"]);
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
fn turned_away_with_429_is_sent_again_and_retry_after_is_honoured() {
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
    let output = relevance_run(&api).arg("Hello").run();
    output
        .fails(4, &["429", "rate limit", "try again later"])
        .does_not_resume();
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

/// A label of 64 characters is no name to any resolver, so nothing is asked of the network.
#[test]
fn a_name_that_does_not_resolve_is_exit_4() {
    let api = Script::new().start();
    let output = relevance_run(&api)
        .env(
            "RELEVANCE_BASE_URL",
            format!("https://{}.example/latest", "x".repeat(64)),
        )
        .args(["-v", "Hello"])
        .run();
    output.exits(4).prints("").says(&[
        "was not found",
        "RELEVANCE_REGION",
        "attempt 5",
        "nothing was started",
    ]);
    output.never_says("attempt 6").does_not_resume();
}

/// The second trigger goes out on the connection that answered 429 and gets no reply: there is no third.
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
        output
            .fails(5, &["no reply to the trigger", "may have been started"])
            .does_not_resume();
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

/// What was said to be unsent stays so while the process goes down, which a full standard error makes long.
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
    assert_eq!(
        wait_within(&mut child, Duration::from_secs(20)).code(),
        Some(143)
    );
    assert!(
        sent.elapsed() > Duration::from_millis(580),
        "the end took {:?}",
        sent.elapsed()
    );
    assert_eq!(api.triggers(), 1);
}
