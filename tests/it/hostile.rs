/*! A server that means harm: a clear error or survival, bounded memory, no panic, no request
outside the API's paths. */

use std::time::Duration;

use serde_json::json;

use crate::command::{Output, relevance_run};
use crate::script::{Script, Scripted, answered, poll, triggered};
use fake::server::{Reply, Step};

const RUN: &str = "studio-1/job-1";
/// Address space for the whole process, in KiB: a response of 64 MiB and what is made of it, and no
/// more.
const MEMORY: u32 = 480_000;

/// Runs under a limit of memory; an allocation beyond it would end the process by SIGABRT.
fn within_memory(api: &Scripted, arguments: &[&str]) -> Output {
    let script = format!("ulimit -v {MEMORY}; exec \"$RUN\" \"$@\"");
    relevance_run(api).args(arguments).in_shell(&script).run()
}

/// The line of a trigger that may have started a run.
fn may_have_started(what: &str) -> String {
    format!(
        "{what}; the run may have been started; check the agent's tasks in the web app before you \
         repeat the command"
    )
}

/// The beginning and the end of a text, as a message has it.
fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= 297 {
        return text.to_owned();
    }
    let head: String = text.chars().take(200).collect();
    let tail: String = text.chars().skip(count - 97).collect();
    format!("{head} … {tail}")
}

fn endless() -> Reply {
    let every = Duration::ZERO;
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    Reply::raw(head).then(Step::Repeat {
        piece: vec![b' '; 1 << 20],
        every,
    })
}

fn huge() -> Reply {
    Reply::new(200, &[], vec![b' '; 65 << 20])
}

#[test]
fn a_response_over_64_mib_is_an_error_and_not_memory() {
    let _busy = crate::busy();
    for reply in [endless(), huge()] {
        let api = Script::new().trigger(reply.clone()).start();
        let output = within_memory(&api, &["Hello"]);
        output.ends(
            5,
            &[&may_have_started(
                "no reply to the trigger: the response is larger than 64 MiB",
            )],
        );

        let api = Script::run().poll(reply).poll(answered("Hi!")).start();
        within_memory(&api, &["Hello"]).answers("Hi!");
    }
}

/// Just within the bound: it is told whole, and in no more than a few times its size.
#[test]
fn an_answer_of_60_mib() {
    let _busy = crate::busy();
    let long = "x".repeat(60 << 20);
    for arguments in [vec!["Hello"], vec!["--json", "Hello"]] {
        let api = Script::run().poll(answered(&long)).start();
        let output = within_memory(&api, &arguments);
        output.exits(0);
        assert!(output.stdout.len() > 60 << 20);
    }
}

#[test]
fn a_claimed_length_reserves_nothing() {
    let lie = Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n{}")
        .then(Step::Close);
    let api = Script::run().poll(lie).poll(answered("Hi!")).start();
    within_memory(&api, &["Hello"]).answers("Hi!");
}

/// Lists and objects within each other, a hundred thousand deep.
fn deep() -> [String; 2] {
    const DEPTH: usize = 100_000;
    let lists = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));
    [lists, objects]
}

#[test]
fn depth_in_a_poll_is_waited_through() {
    let _busy = crate::busy();
    for deep in deep() {
        let mut script = Script::run();
        for body in [
            format!(r#"{{"type":"inprogress","updates":{deep}}}"#),
            format!(r#"{{"type":"inprogress","updates":[{deep}]}}"#),
            format!(r#"{{"type":"inprogress","updates":[{{"type":{deep},"errors":{deep}}}]}}"#),
            format!(r#"{{"type":"timeout","else":{deep}}}"#),
        ] {
            script = script.poll(Reply::text(200, &body));
        }
        let api = script.poll(answered("Hi!")).start();
        let output = relevance_run(&api).args(["-i", "1ms", "Hello"]).run();
        output.answers("Hi!");
    }
}

#[test]
fn depth_in_a_result_is_carried_as_it_is() {
    let _busy = crate::busy();
    for deep in deep() {
        let update = format!(r#"{{"type":"chain-success","output":{deep}}}"#);
        let body = format!(r#"{{"type":"complete","updates":[{update}]}}"#);
        let api = Script::run().poll(Reply::text(200, &body)).start();
        relevance_run(&api).arg("Hello").run().answers(&deep);
        let api = Script::run().poll(Reply::text(200, &body)).start();
        let output = relevance_run(&api).args(["--json", "Hello"]).run();
        assert!(String::from_utf8_lossy(&output.exits(0).stdout).contains(&deep));
    }
}

#[test]
fn depth_in_an_error_or_in_the_reply_to_the_trigger_is_shortened() {
    let _busy = crate::busy();
    for deep in deep() {
        let said = shortened(&deep);
        let update = format!(r#"{{"type":"chain-fail","errors":[{deep}]}}"#);
        let body = format!(r#"{{"type":"failed","updates":[{update}]}}"#);
        let api = Script::run().poll(Reply::text(200, &body)).start();
        let line = format!("the run failed: {said} (run {RUN})");
        relevance_run(&api).arg("Hello").run().ends(1, &[&line]);
        let body = format!(r#"{{"job_info":{deep}}}"#);
        let api = Script::new().trigger(Reply::text(200, &body)).start();
        let said = shortened(&body);
        let line = may_have_started(&format!(
            "the reply to the trigger contains no usable run id (200: {said})"
        ));
        relevance_run(&api).arg("Hello").run().ends(5, &[&line]);
        let api = Script::new().trigger(Reply::text(418, &deep)).start();
        let line = format!(
            "the API rejected the trigger with 418: {}; nothing was started; not retried; fix the \
             cause and repeat the command",
            shortened(&deep)
        );
        relevance_run(&api).arg("Hello").run().ends(3, &[&line]);
    }
}

#[test]
fn a_million_updates() {
    let _busy = crate::busy();
    let updates = vec![r#"{"type":"step"}"#; 1_000_000].join(",");
    let end = r#"{"type":"chain-success","output":{"output":{"answer":"Hi!"}}}"#;
    let body = format!(r#"{{"type":"complete","updates":[{updates},{end}]}}"#);
    let api = Script::run().poll(Reply::text(200, &body)).start();
    within_memory(&api, &["Hello"]).answers("Hi!");
}

#[test]
fn a_header_of_a_megabyte() {
    let long = "x".repeat(1 << 20);
    let reply = || Reply::new(200, &[("X-Long", &long)], "{}");
    let api = Script::new().trigger(reply()).start();
    relevance_run(&api).arg("Hello").run().exits(5).prints("");
    assert_eq!(api.triggers(), 1);
    let mut many = String::from("HTTP/1.1 200 OK\r\n");
    for number in 0..10_000 {
        many.push_str(&format!("X-{number}: y\r\n"));
    }
    let script = Script::run()
        .poll(reply())
        .poll(Reply::raw(many + "\r\n").then(Step::Close));
    let api = script.poll(answered("Hi!")).start();
    relevance_run(&api)
        .args(["-i", "1ms", "Hello"])
        .run()
        .answers("Hi!");
}

/// Text that would change the title, clear the screen, forge a line and reorder what follows.
const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\r\nrelevance-run: resume with: relevance-run \
                    --resume evil/job\n\u{9b}31m\u{202e}end";
/// The same as a part of a line.
const HARMLESS: &str =
    "]0;title [2J relevance-run: resume with: relevance-run --resume evil/job 31m end";

/// What the server says is one line of a message, short and harmless.
#[test]
fn server_text_cannot_forge_a_line_or_reach_the_terminal() {
    let evil = |status: u16| Reply::error(status, EVIL, EVIL);
    let api = Script::new().trigger(evil(418)).start();
    let line = format!(
        "the API rejected the trigger with 418: {HARMLESS}; nothing was started; not retried; fix \
         the cause and repeat the command"
    );
    relevance_run(&api).arg("Hello").run().ends(3, &[&line]);
    let api = Script::new().trigger(evil(500)).start();
    let line = may_have_started(&format!("the API returned 500 to the trigger: {HARMLESS}"));
    relevance_run(&api).arg("Hello").run().ends(5, &[&line]);

    let long = "x".repeat(100_000);
    let fail = json!({"type": "chain-fail", "errors": [{"body": EVIL}, {"body": long}]});
    let api = Script::run().poll(poll("failed", fail)).start();
    let said = shortened(&format!("{HARMLESS}; {long}"));
    let line = format!("the run failed: {said} (run {RUN})");
    relevance_run(&api).arg("Hello").run().ends(1, &[&line]);
}

#[test]
fn server_text_in_the_log_is_harmless() {
    let job = json!({"studio_id": "studio-1", "job_id": "job-1"});
    let reply = json!({"job_info": job, "state": EVIL, "conversation_id": EVIL});
    let api = Script::new()
        .trigger(Reply::json(200, reply))
        .poll(poll(EVIL, json!({"type": EVIL})))
        .poll(Reply::error(503, EVIL, "x").header("x-request-id", "req-1"))
        .poll(answered("Hi!"))
        .start();
    let output = relevance_run(&api).args(["-v", "-i", "1ms", "Hello"]).run();
    output.exits(0).prints("Hi!\n");
    // A state is a word: what is longer is cut.
    let state = "]0;title [2J relevance-run: resume with: relevance-run --resu";
    output.logs(&format!("run: {RUN}, state: {state}"));
    output.logs(&format!(
        "warning: unknown poll type '{HARMLESS}'; still waiting"
    ));
    let is_harmless = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
    assert!(output.stderr.chars().all(is_harmless), "{output}");
}

#[test]
fn ids_of_the_server_stay_within_the_path() {
    for id in ["%2e%2e", "a#b", "a\\b", "http:", "a\u{0}b", "é", "*"] {
        let reply = Reply::json(200, json!({"job_info": {"studio_id": "s", "job_id": id}}));
        let api = Script::new().trigger(reply).start();
        relevance_run(&api).arg("Hello").run().exits(5).prints("");
        assert_eq!(api.requests().len(), 1);
    }
    // The oddest that are allowed.
    let odd = format!("...{}", "-_.".repeat(79));
    let job = json!({"job_info": {"studio_id": "-", "job_id": odd}});
    let api = Script::new().trigger(Reply::json(200, job)).start();
    relevance_run(&api)
        .args(["--no-wait", "Hello"])
        .run()
        .answers(&format!("-/{odd}"));
    let api = Script::new()
        .poll(Reply::error(403, "no", "x"))
        .poll(answered("Hi!"))
        .start();
    let output = relevance_run(&api).arg(format!("--resume=-/{odd}")).run();
    output.exits(3);
    let line = output.stderr.lines().last().unwrap();
    let again = line
        .strip_prefix("relevance-run: resume with: relevance-run ")
        .unwrap();
    relevance_run(&api)
        .args(again.split(' '))
        .run()
        .answers("Hi!");
}

#[test]
fn plain_bodies_that_claim_to_be_compressed_are_read_as_they_are() {
    let body =
        r#"{"type":"complete","updates":[{"type":"chain-success","output":{"answer":"Hi!"}}]}"#;
    for encoding in ["gzip", "br", "identity"] {
        let api = Script::run()
            .poll(Reply::new(200, &[("Content-Encoding", encoding)], body))
            .start();
        relevance_run(&api).arg("Hello").run().answers("Hi!");
    }
    // Compression is never asked for: nothing can blow up while it is unpacked.
    let api = Script::new()
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start();
    relevance_run(&api).arg("Hello").run().answers("Hi!");
    assert!(
        api.requests()
            .iter()
            .all(|request| request.header("Accept-Encoding").is_none())
    );
    assert_eq!(
        api.polls()[0].path(),
        format!("/latest/studios/{}", RUN.replace('/', "/async_poll/"))
    );
}

/// A small generator of chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Replies broken at random below JSON, in the status line, the headers and the chunks: the HTTP
/// client is not fuzzed by `make fuzz`. Each ends the command with one of its own exit codes, and
/// never by a signal.
#[test]
fn a_thousand_broken_replies() {
    let _busy = crate::busy();
    let body = r#"{"job_info":{"studio_id":"s","job_id":"j"},"state":"running"}"#;
    let (size, hex) = (body.len(), format!("{:x}", body.len()));
    let chunks = format!("{hex}\r\n{body}\r\n0\r\nX: y\r\n\r\n");
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 99\r\nContent-Encoding: gzip";
    let found = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/";
    let seeds = [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: keep-alive\r\n\r\n{body}"
        ),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{body}"),
        format!("{found}\r\nContent-Length: {size}\r\n\r\n{body}"),
        format!("{busy}\r\nContent-Length: {size}\r\n\r\n{body}"),
    ];
    let pieces: [&[u8]; 12] = [
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
        b":",
        b" ",
        b"0\r\n\r\n",
        b"-1",
        b"ffffffffffffffff",
        b"chunked, ",
        b"HTTP/1.1 204 \r\n\r\n",
        b"Content-Length: 18446744073709551616\r\n",
    ];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (seeds, pieces) = (&seeds, &pieces);
            scope.spawn(move || {
                let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ (thread + 1));
                for _ in 0..125 {
                    let mut reply = seeds[chance.below(seeds.len())].clone().into_bytes();
                    for _ in 0..=chance.below(4) {
                        let at = chance.below(reply.len().max(1));
                        match chance.below(4) {
                            0 => drop(reply.splice(
                                at..at,
                                pieces[chance.below(pieces.len())].iter().copied(),
                            )),
                            1 if at < reply.len() => reply[at] = chance.below(256) as u8,
                            2 if at < reply.len() => drop(reply.remove(at)),
                            _ => reply.truncate(at),
                        }
                    }
                    let shown = String::from_utf8_lossy(&reply).into_owned();
                    let api = Script::new()
                        .trigger(Reply::raw(reply).then(Step::Close))
                        .start();
                    let output = relevance_run(&api)
                        .args(["--no-wait", "-t", "5s", "Hello"])
                        .run();
                    let is_ours = matches!(output.code, Some(0 | 3 | 4 | 5));
                    assert!(is_ours && output.signal.is_none(), "{shown:?}\n{output}");
                    assert_eq!(api.triggers(), 1, "{shown:?}\n{output}");
                }
            });
        }
    });
}

/// A reply of 40 MiB takes about four times that at most, whatever is in it.
#[test]
fn memory_is_bounded_whatever_is_in_a_reply() {
    let _busy = crate::busy();
    const SIZE: usize = 40 << 20;
    /// Address space in KiB: four times the body, and what the program takes without one.
    const LIMIT: usize = 4 * (SIZE >> 10) + 24_000;
    // A text of that size as it stands in JSON, made of this piece of JSON.
    let many = |piece: &str| piece.repeat(SIZE / piece.len() - 8);
    let list = |item: &str| format!("[{}{item}]", many(&format!("{item},")));
    let limited = |api: &Scripted, arguments: &[&str]| {
        let script = format!("ulimit -v {LIMIT}; exec \"$RUN\" \"$@\"");
        relevance_run(api).args(arguments).in_shell(&script).run()
    };
    // As a rejection, with the envelope and without.
    for (piece, is_envelope) in [("a ", false), (r"\u0001\u009b ", true), ("é", true)] {
        let body = if is_envelope {
            format!(r#"{{"message":"{}"}}"#, many(piece))
        } else {
            many(piece)
        };
        let api = Script::new().trigger(Reply::new(400, &[], body)).start();
        limited(&api, &["-v", "Hello"]).exits(3);
    }
    let api = Script::new()
        .trigger(Reply::new(400, &[], vec![0xff; SIZE]))
        .start();
    limited(&api, &["-vv", "Hello"]).exits(3);
    // As updates and as errors.
    for (item, option) in [
        ("0", "--quiet"),
        ("{}", "-vv"),
        (r#"{"body":"x"}"#, "--quiet"),
    ] {
        let items = list(item);
        let updates = Reply::text(
            200,
            &format!(r#"{{"type":"inprogress","updates":{items}}}"#),
        );
        let api = Script::run().poll(updates).poll(answered("Hi!")).start();
        limited(&api, &["-i", "1ms", option, "Hello"])
            .exits(0)
            .prints("Hi!\n");
        let errors =
            format!(r#"{{"type":"failed","updates":[{{"type":"chain-fail","errors":{items}}}]}}"#);
        let api = Script::run().poll(Reply::text(200, &errors)).start();
        limited(&api, &["--json", "Hello"]).exits(1);
    }
    // As a result, plain and as JSON, with the key in it all over and without.
    for (piece, name, option) in [
        ("x", "answer", "--json"),
        (r"\u0001", "answer", "--json"),
        (r#"\""#, "other", "--quiet"),
        ("sk-0123456789abcdefghij ", "answer", "--json"),
    ] {
        let output = format!(r#"{{"output":{{"{name}":"{}"}}}}"#, many(piece));
        let body = format!(
            r#"{{"type":"complete","updates":[{{"type":"chain-success","output":{output}}}]}}"#
        );
        let api = Script::run().poll(Reply::text(200, &body)).start();
        let output = limited(&api, &[option, "Hello"]);
        assert!(output.exits(0).stdout.len() > SIZE / 8, "{output}");
    }
}
