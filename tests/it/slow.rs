/*! Limits of one request, which are minutes: run apart, by `make slow`, all at once. */

use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::command::relevance_run;
use crate::script::{Script, answered};
use fake::server::{Reply, Server, Step};

/// Longer than any of these takes.
const PATIENCE: Duration = Duration::from_secs(240);

const STALLED: &str = "no reply to the trigger: stalled for 30 s; the run may have been started; \
                       check the agent's tasks in the web app before you repeat the command";

fn seconds(count: u64) -> Step {
    Step::Pause(Duration::from_secs(count))
}

/// Two minutes of a byte now and then are a transfer like any other: taken once, and not begun
/// again.
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
    output.exits(0).prints("Hi!\n");
    output.logs("poll: stalled for 30 s; retrying in # s");
    let took = output.took.as_secs();
    assert!((30..36).contains(&took), "{output}");
    let api = Script::new().trigger(stalled()).start();
    relevance_run(&api).arg("Hello").run().ends(5, &[STALLED]);
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
    output.exits(0).prints("Hi!\n");
    output.logs("poll: timed out (receive response); retrying in # s");
    let polls = api.polls();
    let gap = (polls[1].at - polls[0].at).as_secs();
    assert!((90..93).contains(&gap), "{gap} s");
}

/// A mute handshake takes ten seconds and no more.
#[test]
#[ignore = "takes a minute"]
fn connecting_has_ten_seconds() {
    let silent = Server::sockets(|mut stream| io::copy(&mut stream, &mut io::sink()).map(drop));
    let api = Script::new().start();
    let command =
        relevance_run(&api).env("RELEVANCE_BASE_URL", format!("https://{}", silent.address));
    let output = command.args(["-v", "-t", "12s", "Hello"]).run();
    output.exits(4).never_says("attempt 3");
    output.logs(&format!(
        "timed out after 12s (--timeout); nothing was started (cannot reach {}: timed out \
         (connect))",
        silent.address
    ));
}

/// A message that goes out slowly is sent whole; only a reader that takes nothing for half a minute
/// ends it.
#[test]
#[ignore = "takes half a minute"]
fn a_request_that_nobody_takes_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let taken = thread::spawn(move || listener.accept().unwrap());
    let api = Script::new().start();
    let command = relevance_run(&api).env("RELEVANCE_BASE_URL", format!("http://{address}"));
    let output = command.stdin(vec![b'x'; 20 << 20]).args(["-t", "5m"]).run();
    output.ends(5, &[STALLED]);
    let took = output.took.as_secs();
    // What the kernel takes into its buffers counts as going on.
    assert!((30..100).contains(&took), "{output}");
    drop(taken.join());
}

/// The kernel ends a socket's timeout late by up to an eighth of its length: 17 s here. A poll that
/// is held, and quick ones, are ended alike.
#[test]
#[ignore = "takes two minutes"]
fn the_deadline_is_met_however_long_it_is() {
    std::thread::scope(|scope| {
        let quick = crate::script::in_progress;
        for poll in [quick().after(Duration::from_secs(60)), quick()] {
            scope.spawn(move || {
                let api = Script::run()
                    .poll_forever(poll)
                    .metadata_forever(crate::script::metadata("running"))
                    .start();
                let output = relevance_run(&api)
                    .args(["-t", "140s", "Hello"])
                    .spawn()
                    .wait_within(PATIENCE);
                output.ends(
                    124,
                    &[
                        "timed out after 2m20s (--timeout); the run continues",
                        crate::lines::RESUME,
                    ],
                );
                let took = output.took.as_secs_f64();
                assert!((140.0..141.0).contains(&took), "{output}");
            });
        }
    });
}
