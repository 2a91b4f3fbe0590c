/*! Never lose a run: signals, the deadline and lost output end the command at once, and it says how to resume. */

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::command::{Cmd, Folder, relevance_run, send_signal, wait_within};
use crate::fake::server::{Reply, Server, Step};
use crate::script::{Script, Scripted, answered, in_progress, poll, triggered};

const RUN: &str = "studio-1/job-1";
/// What each of these would wait for is many seconds away; a busy machine takes some of this.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A listener whose queue is full, so that a further connection is never made.
struct FullQueue {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl FullQueue {
    fn new() -> FullQueue {
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

/// Ends `command` with `signal` as soon as `reached` says so.
fn ended_by(signal: Signal, command: Cmd, reached: impl FnOnce()) -> crate::command::Output {
    let _timed = crate::timed();
    let running = command.spawn();
    reached();
    let sent = Instant::now();
    running.signal(signal);
    let output = running.wait();
    assert!(
        sent.elapsed() < AT_ONCE,
        "took {:?}\n{output}",
        sent.elapsed()
    );
    output
}

#[test]
fn each_signal_ends_a_sleep() {
    for (signal, code) in [
        (Signal::INT, 130),
        (Signal::TERM, 143),
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
    ] {
        let api = Script::run().poll(in_progress()).start();
        let command = relevance_run(&api).args(["-i", "1h", "Hello"]);
        let output = ended_by(signal, command, || api.wait_for_requests(2));
        output
            .fails(code, &["ended by signal", "goes on"])
            .resumes(RUN);
        // And the line brings the answer.
        let api = Script::new().poll(answered("Hi!")).start();
        relevance_run(&api)
            .args(["--resume", RUN])
            .run()
            .answers("Hi!");
    }
}

#[test]
fn a_signal_ends_a_held_poll() {
    let api = Script::run().poll(Reply::hang()).start();
    let output = ended_by(Signal::TERM, relevance_run(&api).arg("Hello"), || {
        api.wait_for_requests(2)
    });
    output.fails(143, &["goes on"]).resumes(RUN);
}

#[test]
fn a_signal_while_the_trigger_is_unanswered_says_that_it_may_have_started() {
    let api = Script::new().trigger(Reply::hang()).start();
    let command = relevance_run(&api)
        .args(["--json", "Hello"])
        .env("RELEVANCE_REGION", "us");
    let output = ended_by(Signal::INT, command, || api.wait_for_requests(1));
    output.exits(130).says(&[
        "may have been started",
        "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1",
    ]);
    output.does_not_resume();
    assert_eq!(output.json()["exit_code"], 130);
    assert_eq!(output.json()["status"], "error");
}

#[test]
fn a_signal_ends_a_connect_a_handshake_and_a_read_of_standard_input() {
    let api = Script::new().start();
    let full = FullQueue::new();
    let mute = Script::new().start();
    let to = |url: String| {
        relevance_run(&api)
            .env("RELEVANCE_BASE_URL", url)
            .arg("Hello")
    };
    let connect = to(format!("http://{}", full.address));
    // Long enough to be inside; there is no event to wait for.
    let soon = || std::thread::sleep(Duration::from_millis(200));
    ended_by(Signal::INT, connect, soon)
        .fails(130, &["nothing was started"])
        .does_not_resume();

    let silent =
        Server::sockets(|mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop));
    let handshake = to(format!("https://{}", silent.address));
    let connected = || crate::eventually("a connection", || silent.connections() == 1);
    ended_by(Signal::TERM, handshake, connected).fails(143, &["nothing was started"]);

    let mut reading = relevance_run(&mute).command;
    let mut child = reading
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    soon();
    send_signal(&child, Signal::INT);
    assert_eq!(wait_within(&mut child, AT_ONCE).code(), Some(130));
}

/// `nohup` and a script's `&` ignore signals for the command on purpose.
#[test]
fn a_signal_ignored_from_the_start_stays_ignored() {
    for (name, signal) in [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
    ] {
        let held = answered("Hi!").after(Duration::from_millis(300));
        let api = Script::run().poll(held).start();
        let command = relevance_run(&api).arg("Hello");
        let running = command
            .in_shell(&format!(r#"trap "" {name}; exec "$RUN" "$@""#))
            .spawn();
        api.wait_for_requests(2);
        running.signal(signal);
        running.wait().answers("Hi!");
    }
}

/// Runs with `--timeout 1s` and holds it to that.
fn within_a_second(command: Cmd) -> crate::command::Output {
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

#[test]
fn the_deadline_holds_while_the_trigger_is_unanswered() {
    let endless_head = || trickle("HTTP/1.1 200 OK\r\nX-Slow: ", "x");
    let endless_body = || trickle("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", " ");
    for reply in [Reply::hang(), endless_head(), endless_body()] {
        let api = Script::new().trigger(reply).start();
        let output = within_a_second(relevance_run(&api));
        output
            .fails(5, &["timeout of 1s", "may have been started"])
            .does_not_resume();
        assert_eq!(api.triggers(), 1);
    }
}

#[test]
fn the_deadline_holds_while_waiting() {
    let endless_head = || trickle("HTTP/1.1 200 OK\r\nX-Slow: ", "x");
    let endless_body = || {
        trickle(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\n \r\n",
        )
    };
    for reply in [Reply::hang(), endless_head(), endless_body(), in_progress()] {
        let api = Script::run().poll_forever(reply).start();
        let output = within_a_second(relevance_run(&api));
        output
            .fails(124, &["timeout of 1s", "the run goes on"])
            .resumes(RUN);
    }
}

#[test]
fn the_deadline_holds_before_anything_is_sent() {
    let api = Script::new().start();
    let full = FullQueue::new();
    let silent =
        || Server::sockets(|mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop));
    let (mute, proxy) = (silent(), silent());
    let slow_proxy = Server::sockets(|mut stream| {
        loop {
            std::io::Write::write_all(&mut stream, b"H")?;
            std::thread::sleep(Duration::from_millis(100));
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
        through(&slow_proxy),
    ] {
        let output = within_a_second(command);
        output
            .fails(4, &["timeout of 1s", "nothing was started"])
            .does_not_resume();
    }
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

/// Where waiting as long as asked would pass the deadline, there is nothing to wait for.
#[test]
fn retry_after_beyond_the_deadline_ends_at_once() {
    let busy = || Reply::new(429, &[("Retry-After", "3600")], "");
    let api = Script::new().trigger(busy()).start();
    let output = relevance_run(&api)
        .args(["--timeout", "20s", "--json", "Hello"])
        .run();
    output
        .exits(4)
        .says(&["429", "rate limit", "nothing was started"])
        .does_not_resume();
    assert_eq!(output.json()["error"]["http_status"], 429);
    assert!(output.took < Duration::from_secs(10));

    let api = Script::run().poll(busy()).start();
    let output = relevance_run(&api)
        .args(["--timeout", "20s", "Hello"])
        .run();
    output.fails(124, &["429"]).resumes(RUN);
    assert!(output.took < Duration::from_secs(10));
}

#[test]
fn a_full_disk_is_exit_5_and_the_run_can_be_resumed() {
    for arguments in [
        vec!["Hello"],
        vec!["--json", "Hello"],
        vec!["--no-wait", "Hello"],
    ] {
        let waits = arguments[0] != "--no-wait";
        let script = Script::new().trigger(triggered());
        let api = if waits {
            script.poll(answered("Hi!")).start()
        } else {
            script.start()
        };
        let mut command = relevance_run(&api).args(&arguments).command;
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{stderr}");
        assert!(
            stderr.contains("cannot write the result to standard output: No space left"),
            "{stderr}"
        );
        assert!(
            stderr.ends_with(&format!("resume with: relevance-run --resume {RUN}\n")),
            "{stderr}"
        );
    }
    let api = Script::run().poll(answered("Hi!")).start();
    let output = relevance_run(&api).args(["-o", "/dev/full", "Hello"]).run();
    output
        .fails(5, &["/dev/full", "No space left"])
        .resumes(RUN);
}

/// The folder goes away during the run: nothing is left of the file, and the run can be resumed.
#[test]
fn an_output_folder_that_goes_away_is_exit_5() {
    let folder = Folder::new();
    let inner = folder.0.join("inner");
    std::fs::create_dir(&inner).unwrap();
    let api = Script::run()
        .poll(answered("Hi!").after(Duration::from_millis(300)))
        .start();
    let running = relevance_run(&api)
        .arg("-o")
        .arg(inner.join("answer"))
        .arg("Hello")
        .spawn();
    api.wait_for_requests(2);
    std::fs::remove_dir(&inner).unwrap();
    running
        .wait()
        .fails(5, &["answer", "No such file"])
        .resumes(RUN);
}

fn into_a_closed_pipe(api: &Scripted, arguments: &[&str]) -> std::process::Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = relevance_run(api).args(arguments).command;
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .output()
        .unwrap()
}

#[test]
fn a_broken_pipe_is_quiet_once_the_run_is_over() {
    let api = Script::run().poll(answered("Hi!")).start();
    let output = into_a_closed_pipe(&api, &["Hello"]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let api = Script::run()
        .poll(poll("failed", json!({"type": "chain-fail"})))
        .start();
    let output = into_a_closed_pipe(&api, &["--json", "Hello"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    assert_eq!(into_a_closed_pipe(&api, &["--help"]).status.code(), Some(0));
}

/// With `--no-wait` the reader that went away has lost a run that is on.
#[test]
fn a_broken_pipe_does_not_lose_a_run_that_is_on() {
    let api = Script::run().start();
    let output = into_a_closed_pipe(&api, &["--no-wait", "Hello"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(
        stderr.ends_with(&format!("resume with: relevance-run --resume {RUN}\n")),
        "{stderr}"
    );
}

#[test]
fn a_stalled_reader_does_not_hold_off_a_signal_or_the_deadline() {
    let long = "x".repeat(1 << 20);
    for (timeout, code) in [("60s", 143), ("1s", 124)] {
        let api = Script::run().poll(answered(&long)).start();
        let mut command = relevance_run(&api)
            .args(["--timeout", timeout, "Hello"])
            .command;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        api.wait_for_requests(2);
        std::thread::sleep(Duration::from_millis(300));
        if code == 143 {
            send_signal(&child, Signal::TERM);
        }
        // The pipe is never read while the command runs.
        assert_eq!(
            wait_within(&mut child, Duration::from_secs(10)).code(),
            Some(code)
        );
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
        assert!(
            stderr.ends_with(&format!("resume with: relevance-run --resume {RUN}\n")),
            "{stderr}"
        );
    }
}

/// Nobody reads standard error, and it is full.
#[test]
fn a_stalled_reader_of_messages_does_not_hold_off_a_signal_or_the_deadline() {
    let _timed = crate::timed();
    for (timeout, code) in [("60s", 143), ("1s", 124)] {
        let updates = vec![json!({"type": "x".repeat(100)}); 2000];
        let reply = Reply::json(200, json!({"type": "inprogress", "updates": updates}));
        let api = Script::run().poll_forever(reply).start();
        let mut command = relevance_run(&api)
            .args(["-vv", "-i", "1ms", "-t", timeout, "Hello"])
            .command;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        api.wait_for_requests(2);
        std::thread::sleep(Duration::from_millis(300));
        if code == 143 {
            send_signal(&child, Signal::TERM);
        }
        let ended = wait_within(&mut child, Duration::from_secs(4));
        assert_eq!(ended.code(), Some(code));
    }
}

/// `timeout` and a terminal that hangs up send a signal twice in a row.
#[test]
fn a_second_signal_does_not_take_the_last_line_away() {
    for _ in 0..20 {
        let api = Script::run().poll(Reply::hang()).start();
        let running = relevance_run(&api).arg("Hello").spawn();
        api.wait_for_requests(2);
        for _ in 0..3 {
            let _ = rustix::process::kill_process(running.pid(), Signal::TERM);
        }
        running.wait().fails(143, &["the run goes on"]).resumes(RUN);
    }
}

#[test]
fn messages_to_nobody_are_no_panic() {
    let api = Script::run().poll(answered("Hi!")).start();
    let mut command = relevance_run(&api).args(["-v", "Hello"]).command;
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = command
        .stdin(Stdio::null())
        .stderr(full())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"Hi!\n");
    let mut command = relevance_run(&api).args(["--typo"]).command;
    assert_eq!(
        command.stderr(full()).output().unwrap().status.code(),
        Some(2)
    );
}

/// A very short timeout is not the same as none.
#[test]
fn a_timeout_too_short_to_tell_is_over_at_once() {
    let api = Script::new().start();
    let output = relevance_run(&api)
        .args(["-t", "0.0000000001", "Hello"])
        .run();
    output.exits(4).says(&["timeout", "nothing was started"]);
    assert!(api.requests().is_empty());
}

/// What is asked for with `Retry-After` is waited for; that the backoff is longer is no reason to give up earlier.
#[test]
fn a_short_retry_after_does_not_end_the_wait_early() {
    let _timed = crate::timed();
    let busy = Reply::new(429, &[("Retry-After", "1")], "");
    let api = Script::run().poll_forever(busy).start();
    let output = relevance_run(&api).args(["--timeout", "4s", "Hello"]).run();
    output
        .fails(124, &["the timeout of 4s", "429"])
        .resumes(RUN);
    // What is left is less than the second that was asked for, or nothing.
    assert!(
        output.took >= Duration::from_millis(2990),
        "gave up after {:?}",
        output.took
    );
}

/// A limit on the size of files is an error of the write, and not a signal that ends the command without a word.
#[test]
fn a_limit_on_the_size_of_files_is_exit_5() {
    let folder = Folder::new();
    let long = "x".repeat(10_000);
    for arguments in [vec!["Hello"], vec!["--json", "Hello"]] {
        let api = Script::run().poll(answered(&long)).start();
        let command = relevance_run(&api)
            .arg("-o")
            .arg(folder.0.join("answer"))
            .args(&arguments);
        // Blocks of 512 bytes, or of 1,024.
        command
            .in_shell(r#"ulimit -f 4; exec "$RUN" "$@""#)
            .run()
            .fails(5, &["cannot write the result"])
            .resumes(RUN);
        assert!(folder.names().is_empty());
    }
}
