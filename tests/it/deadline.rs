/*! The deadline: whatever the command is doing, it is over within a second of it. */

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::command::{Cmd, Output, relevance_run};
use crate::lines::RESUME;
use crate::script::{Script, answered, in_progress};
use fake::server::{Reply, Server, Step};

/// A listener whose queue is full, so that a further connection is never made.
pub struct FullQueue {
    pub address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl FullQueue {
    pub fn new() -> FullQueue {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            waiting.push(stream);
        }
        FullQueue {
            address,
            _listener: listener,
            _waiting: waiting,
        }
    }
}

/// Runs with `--timeout 1s` and holds it to that.
fn within_a_second(command: Cmd) -> Output {
    let _timed = crate::timed();
    let output = command.args(["--timeout", "1s", "Hello"]).run();
    let took = output.took.as_secs_f64();
    assert!((0.9..2.0).contains(&took), "took {took} s\n{output}");
    output
}

fn trickle(before: &str, piece: &str) -> Reply {
    let every = Duration::from_millis(100);
    Reply::raw(before).then(Step::Repeat {
        piece: piece.into(),
        every,
    })
}

fn endless_head() -> Reply {
    trickle("HTTP/1.1 200 OK\r\nX-Slow: ", "x")
}

#[test]
fn it_holds_while_the_trigger_is_unanswered() {
    let endless_body = || trickle("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", " ");
    for reply in [Reply::hang(), endless_head(), endless_body()] {
        let api = Script::new().trigger(reply).start();
        let output = within_a_second(relevance_run(&api));
        let line = "timed out after 1s (--timeout); the run may have been started; check the \
                    agent's tasks in the web app before you repeat the command";
        output.ends(5, &[line]);
        assert_eq!(api.triggers(), 1);
    }
}

#[test]
fn it_holds_while_waiting() {
    let endless_body = || {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        trickle(head, "1\r\n \r\n")
    };
    for reply in [Reply::hang(), endless_head(), endless_body(), in_progress()] {
        let api = Script::run().poll_forever(reply).start();
        let output = within_a_second(relevance_run(&api));
        let line = "timed out after 1s (--timeout); the run continues";
        output.ends(124, &[line, RESUME]);
    }
}

#[test]
fn it_holds_before_anything_is_sent() {
    let api = Script::new().start();
    let full = FullQueue::new();
    let silent =
        || Server::sockets(|mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop));
    let (mute, proxy) = (silent(), silent());
    let slow_proxy = Server::sockets(|mut stream| {
        loop {
            stream.write_all(b"H")?;
            thread::sleep(Duration::from_millis(100));
        }
    });
    let to = |url: String| relevance_run(&api).env("RELEVANCE_BASE_URL", url);
    let through = |proxy: &Server| {
        to("https://api.example.com".into()).env("HTTPS_PROXY", format!("http://{}", proxy.address))
    };
    for command in [
        to(format!("http://{}", full.address)),
        to(format!("https://{}", mute.address)),
        through(&proxy),
    ] {
        let output = within_a_second(command);
        let line = "timed out after 1s (--timeout); nothing was started";
        output.ends(4, &[line]);
    }
    // A reply to CONNECT that never comes to an end is read, and is no HTTP; then it is tried
    // again.
    let output = within_a_second(through(&slow_proxy));
    output
        .exits(4)
        .says(&["timed out after 1s (--timeout); nothing was started"]);
}

#[test]
fn a_timeout_of_0_is_no_limit() {
    let api = Script::run()
        .poll(in_progress())
        .poll(answered("Hi!"))
        .start();
    relevance_run(&api)
        .args(["-t", "0", "-i", "1ms", "Hello"])
        .run()
        .answers("Hi!");
}

/// A very short timeout is not the same as none.
#[test]
fn a_timeout_too_short_to_tell_is_over_at_once() {
    let api = Script::new().start();
    let output = relevance_run(&api)
        .args(["-t", "0.0000000001", "Hello"])
        .run();
    output.exits(4).says(&["nothing was started"]);
    assert!(api.requests().is_empty());
}

/// It is printed as it is written.
#[test]
fn a_timeout_is_printed_as_it_is_written() {
    let api = Script::run().poll_forever(in_progress()).start();
    let output = relevance_run(&api)
        .args(["-t", "1250ms", "-i", "300ms", "Hello"])
        .run();
    let line = "timed out after 1.25s (--timeout); the run continues";
    output.ends(124, &[line, RESUME]);
}

/// Where waiting as long as asked would pass the deadline, there is nothing to wait for.
#[test]
fn retry_after_beyond_the_deadline_ends_at_once() {
    let busy = || Reply::new(429, &[("Retry-After", "3600")], "");
    let api = Script::new().trigger(busy()).start();
    let output = relevance_run(&api)
        .args(["--timeout", "20s", "--json", "Hello"])
        .run();
    let line = "the API asked to wait 1h, which is past the --timeout of 20s; nothing was started \
                (the API rejected the trigger with 429)";
    output.exits(4);
    output.writes(&[line]);
    assert_eq!(output.json()["error"]["http_status"], 429);
    assert!(output.took < Duration::from_secs(10));

    let api = Script::run().poll(busy()).start();
    let output = relevance_run(&api)
        .args(["--timeout", "90s", "Hello"])
        .run();
    let line = "the API asked to wait 1h, which is past the --timeout of 1m30s; the run continues \
                (last error: the API returned 429 to the poll)";
    output.ends(124, &[line, RESUME]);
    assert!(output.took < Duration::from_secs(10));
}

/// What is asked for with `Retry-After` is waited for; that the backoff is longer is no reason to
/// give up earlier.
#[test]
fn a_short_retry_after_does_not_end_the_wait_early() {
    let _timed = crate::timed();
    let busy = Reply::new(429, &[("Retry-After", "1")], "");
    let api = Script::run().poll_forever(busy).start();
    let output = relevance_run(&api).args(["--timeout", "4s", "Hello"]).run();
    output.exits(124).says(&[
        "4s",
        "; the run continues (last error: the API returned 429 to the poll)\n",
        RESUME,
    ]);
    // What is left is less than the second that was asked for, or nothing.
    assert!(
        output.took >= Duration::from_millis(2990),
        "gave up after {:?}",
        output.took
    );
}
