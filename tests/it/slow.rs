/*! Limits of one request, which are minutes: run apart, by `make slow`, all at once. */

use std::time::Duration;

use crate::command::relevance_run;
use crate::fake::server::{Reply, Step};
use crate::script::{Script, answered};

/// Longer than any of these takes.
const PATIENCE: Duration = Duration::from_secs(240);

fn seconds(count: u64) -> Step {
    Step::Pause(Duration::from_secs(count))
}

/// Two minutes of a byte now and then are a transfer like any other: taken once, and not begun again.
#[test]
#[ignore = "takes two minutes"]
fn a_steady_reply_is_taken_however_long_it_takes() {
    let Reply(steps) = answered("Hi!");
    let [Step::Send(whole)] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    let mut slow = Reply(Vec::new());
    for piece in whole.chunks(whole.len().div_ceil(12)) {
        slow = slow.then(Step::Send(piece.to_vec())).then(seconds(11));
    }
    let api = Script::run().poll(slow).start();
    let output = relevance_run(&api)
        .args(["-t", "10m", "Hello"])
        .spawn()
        .wait_within(PATIENCE);
    output.answers("Hi!");
    assert!(output.took > Duration::from_secs(110), "{output}");
}

#[test]
#[ignore = "takes half a minute"]
fn a_stall_of_half_a_minute_in_a_body_ends_the_attempt() {
    let stalled = || Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").then(Step::Hang);
    let api = Script::run().poll(stalled()).poll(answered("Hi!")).start();
    let output = relevance_run(&api)
        .args(["-v", "-i", "1ms", "-t", "2m", "Hello"])
        .run();
    output.exits(0).prints("Hi!\n").says(&["stalled for 30s"]);
    let took = output.took.as_secs();
    assert!((30..36).contains(&took), "{output}");
    let api = Script::new().trigger(stalled()).start();
    relevance_run(&api)
        .arg("Hello")
        .run()
        .fails(5, &["stalled for 30s", "may have been started"]);
}

/// A poll may be held open for a while, and then it is given up: the head of a reply has 90 s.
#[test]
#[ignore = "takes two minutes"]
fn a_poll_that_is_held_is_waited_for_and_a_lost_one_given_up() {
    let held = answered("Hi!").after(Duration::from_secs(75));
    let api = Script::run().poll(Reply::hang()).poll(held).start();
    let output = relevance_run(&api)
        .args(["-v", "-t", "10m", "Hello"])
        .spawn()
        .wait_within(PATIENCE);
    output
        .exits(0)
        .prints("Hi!\n")
        .says(&["timed out (receive response)"]);
    let polls = api.polls();
    let gap = (polls[1].at - polls[0].at).as_secs();
    assert!((90..93).contains(&gap), "{gap} s");
}

/// A mute handshake takes ten seconds and no more.
#[test]
#[ignore = "takes a minute"]
fn connecting_has_ten_seconds() {
    let silent = crate::fake::server::Server::sockets(|mut stream| {
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
    });
    let api = Script::new().start();
    let command =
        relevance_run(&api).env("RELEVANCE_BASE_URL", format!("https://{}", silent.address));
    let output = command.args(["-v", "-t", "12s", "Hello"]).run();
    output
        .exits(4)
        .says(&["timed out (connect)", "attempt 2"])
        .never_says("attempt 3");
}

/// A message that goes out slowly is sent whole; only a reader that takes nothing for half a minute ends it.
#[test]
#[ignore = "takes half a minute"]
fn a_request_that_nobody_takes_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let taken = std::thread::spawn(move || listener.accept().unwrap());
    let api = Script::new().start();
    let command = relevance_run(&api).env("RELEVANCE_BASE_URL", format!("http://{address}"));
    let output = command.stdin(vec![b'x'; 20 << 20]).args(["-t", "5m"]).run();
    output.fails(5, &["stalled for 30s", "may have been started"]);
    let took = output.took.as_secs();
    // What the kernel takes into its buffers counts as going on.
    assert!((30..100).contains(&took), "{output}");
    drop(taken.join());
}
