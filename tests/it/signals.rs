/*! Signals: each ends the command at once, after the line that tells how to resume. */

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::command::{Cmd, Output, relevance_run, send_signal, wait_within};
use crate::deadline::FullQueue;
use crate::delivery::assert_text;
use crate::lines::RESUME;
use crate::script::{Script, answered};
use fake::server::{Reply, Server};

const RUN: &str = "studio-1/job-1";
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// What each of these would wait for is many seconds away; a busy machine takes some of this.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Signals that end the command by themselves.
const ENDING: [(Signal, &str); 8] = [
    (Signal::INT, "SIGINT"),
    (Signal::TERM, "SIGTERM"),
    (Signal::HUP, "SIGHUP"),
    (Signal::USR1, "SIGUSR1"),
    (Signal::USR2, "SIGUSR2"),
    (Signal::ALARM, "SIGALRM"),
    (Signal::VTALARM, "SIGVTALRM"),
    (Signal::PROF, "SIGPROF"),
];
/// Those that end it with an exit code: all but the last would leave a core dump, with the key in
/// it.
const CODES: [(Signal, &str, i32); 6] = [
    (Signal::QUIT, "SIGQUIT", 131),
    (Signal::XCPU, "SIGXCPU", 152),
    (Signal::ABORT, "SIGABRT", 134),
    (Signal::TRAP, "SIGTRAP", 133),
    (Signal::SYS, "SIGSYS", 159),
    (Signal::IO, "SIGIO", 157),
];
/// And those that only Linux has.
#[cfg(target_os = "linux")]
const OF_LINUX: [(Signal, &str, i32); 2] = [
    (Signal::STKFLT, "signal 16", 144),
    (Signal::POWER, "signal 30", 158),
];
#[cfg(not(target_os = "linux"))]
const OF_LINUX: [(Signal, &str, i32); 0] = [];

/// Ends `command` with `signal` as soon as `reached` says so.
fn ended_by(signal: Signal, command: Cmd, reached: impl FnOnce()) -> Output {
    let _timed = crate::timed();
    let running = command.spawn();
    reached();
    let sent_at = Instant::now();
    running.signal(signal);
    let output = running.wait();
    let took = sent_at.elapsed();
    assert!(took < AT_ONCE, "took {took:?}\n{output}");
    output
}

/// Ends a command that sleeps between two polls.
fn ended_asleep(signal: Signal) -> Output {
    let api = Script::run().poll(crate::script::in_progress()).start();
    let command = relevance_run(&api).args(["-i", "1h", "Hello"]);
    ended_by(signal, command, || api.wait_for_requests(2))
}

#[test]
fn each_signal_ends_the_command_by_itself_after_the_resume_line() {
    for (signal, name) in ENDING {
        let output = ended_asleep(signal);
        output.stopped_by(signal).prints("");
        let line = format!("stopped by {name}; the run continues");
        output.writes(&[&line, RESUME]);
    }
    // And the line brings the answer.
    let api = Script::new().poll(answered("Hi!")).start();
    relevance_run(&api)
        .args(["--resume", RUN])
        .run()
        .answers("Hi!");
}

#[test]
fn a_signal_that_leaves_a_core_dump_and_its_kin_are_exit_codes() {
    for (signal, name, code) in CODES.into_iter().chain(OF_LINUX) {
        let line = format!("stopped by {name}; the run continues");
        ended_asleep(signal).ends(code, &[&line, RESUME]);
    }
}

/// What a script sees is the same for both.
#[cfg(target_os = "linux")]
#[test]
fn a_shell_sees_128_and_the_number_of_the_signal() {
    for (signal, code) in [
        (Signal::TERM, 143),
        (Signal::USR1, 138),
        (Signal::QUIT, 131),
    ] {
        let api = Script::run().poll(Reply::hang()).start();
        let command = relevance_run(&api).arg("Hello");
        let running = command.in_shell(r#""$RUN" "$@"; echo $?"#).spawn();
        api.wait_for_requests(2);
        kill_process(only_child(running.pid()), signal).unwrap();
        let output = running.wait();
        output.exits(0).prints(&format!("{code}\n"));
    }
}

#[cfg(target_os = "linux")]
pub fn only_child(parent: Pid) -> Pid {
    let parent = parent.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let child = children.unwrap().trim().parse().expect("one child");
    Pid::from_raw(child).unwrap()
}

/// The shell leaves its loop only if the command died of the signal: otherwise Ctrl-C would start
/// the next run, and pay for it.
#[test]
fn ctrl_c_ends_the_loop_of_a_shell() {
    let api = Script::run().poll(Reply::hang()).start();
    let script = r#"exec bash -c 'for n in 1 2 3; do "$RUN" "$@"; done' bash "$@""#;
    let mut command = relevance_run(&api)
        .env("PATH", PATH)
        .arg("Hello")
        .in_shell(script);
    command.command.process_group(0);
    let running = command.spawn();
    api.wait_for_requests(2);
    // As a terminal does: to every process in the foreground.
    kill_process_group(running.pid(), Signal::INT).unwrap();
    let output = running.wait();
    output.stopped_by(Signal::INT);
    output.writes(&["stopped by SIGINT; the run continues", RESUME]);
    assert_eq!(api.triggers(), 1);
}

#[test]
fn a_signal_ends_a_held_poll() {
    let api = Script::run().poll(Reply::hang()).start();
    let output = ended_by(Signal::TERM, relevance_run(&api).arg("Hello"), || {
        api.wait_for_requests(2)
    });
    output.stopped_by(Signal::TERM);
    output.writes(&["stopped by SIGTERM; the run continues", RESUME]);
}

#[test]
fn a_signal_while_the_trigger_is_unanswered_says_that_it_may_have_started() {
    let api = Script::new().trigger(Reply::hang()).start();
    let command = relevance_run(&api)
        .args(["--json", "Hello"])
        .env("RELEVANCE_REGION", "us");
    let output = ended_by(Signal::INT, command, || api.wait_for_requests(1));
    let line = "stopped by SIGINT; the run may have been started; check \
                https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1 before you repeat the \
                command";
    output.stopped_by(Signal::INT);
    output.writes(&[line]);
    let json = output.json();
    assert_eq!(json["exit_code"], 130);
    assert_eq!(json["status"], "interrupted");
    assert_eq!(json["error"]["message"], line);
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
    let soon = || thread::sleep(Duration::from_millis(200));
    let output = ended_by(Signal::INT, connect, soon);
    output.stopped_by(Signal::INT);
    output.writes(&["stopped by SIGINT; nothing was started"]);

    let silent =
        Server::sockets(|mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop));
    let handshake = to(format!("https://{}", silent.address));
    let connected = || crate::eventually("a connection", || silent.connections() == 1);
    let output = ended_by(Signal::TERM, handshake, connected);
    output.stopped_by(Signal::TERM);
    output.writes(&["stopped by SIGTERM; nothing was started"]);

    let mut reading = relevance_run(&mute).command;
    let mut child = reading
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    soon();
    send_signal(&child, Signal::INT);
    // Held open, so that what ends the command is the signal.
    let input = child.stdin.take();
    wait_within(&mut child, AT_ONCE);
    drop(input);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    let line = "stopped by SIGINT; nothing was started (still reading standard input)";
    assert_text(&said, &[line]);
}

/// `nohup` and a script's `&` ignore signals for the command on purpose.
#[test]
fn a_signal_ignored_from_the_start_stays_ignored() {
    for (name, signal) in [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("ALRM", Signal::ALARM),
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

/// Some starters block signals and forget to undo it. The command hears them all the same.
#[test]
fn a_signal_blocked_from_the_start_is_heard() {
    for signal in [Signal::TERM, Signal::INT, Signal::USR1] {
        let api = Script::run().poll(Reply::hang()).start();
        let command = relevance_run(&api)
            .env("PATH", PATH)
            .arg("Hello")
            .in_shell(r#"exec env --block-signal "$RUN" "$@""#);
        let output = ended_by(signal, command, || api.wait_for_requests(2));
        output.stopped_by(signal).says(&[RESUME]);
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
            // It may have ended already.
            let _ = kill_process(running.pid(), Signal::TERM);
        }
        let output = running.wait();
        output.stopped_by(Signal::TERM);
        output.writes(&["stopped by SIGTERM; the run continues", RESUME]);
    }
}
