/*! The task's requests as they go wrong: broken, slow, contradictory. */

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faked::RESUME;
use crate::script::{Kind, agent_message, metadata, user_message};
use crate::task::{PAGE, messages, quick, says_only, task_only};
use fake::server::{Reply, Step};

/// The refusal of a request about the task.
pub fn refused(status: u16) -> Reply {
    Reply::error(status, "The task may not be looked at", "forbidden")
}

/// What became of a task that is over with an answer.
pub fn whole() -> Reply {
    messages(&[
        (31, agent_message("Hi!", false)),
        (30, user_message("Hello")),
    ])
}

/// Replies that are none.
fn broken() -> Vec<Reply> {
    let deep = "[".repeat(100_000);
    let mut cut = Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"metadata\"");
    cut = cut.then(Step::Close);
    let texts = [
        "",
        "null",
        "[]",
        "{}",
        "<html><body>Log in</body></html>",
        r#"{"metadata": null}"#,
        r#"{"metadata": {"conversation": {"state": 7}}}"#,
        r#"{"metadata": {"conversation": {"state": ""}}}"#,
        r#"{"metadata": {"conversation": "running"}}"#,
        r#"{"results": "#,
        "\u{0}\u{ff}",
        &deep,
    ];
    let mut replies: Vec<Reply> = texts.iter().map(|text| Reply::text(200, text)).collect();
    replies.extend([cut, Reply::reset(), Reply::close()]);
    replies.extend([408, 425, 429, 500, 502].map(refused));
    replies
}

#[test]
fn a_broken_reply_is_asked_for_again() {
    thread::scope(|scope| {
        for reply in broken() {
            scope.spawn(move || {
                let shown = format!("{reply:?}");
                let shown: String = shown.chars().take(200).collect();
                let api = task_only()
                    .metadata(metadata("running"))
                    .metadata(reply.clone());
                let api = api.metadata_forever(metadata("completed"));
                let api = api.view(reply).view(whole()).start();
                let output = quick(&api).run();
                assert_eq!(output.stdout, b"Hi!\n", "{shown}\n{output}");
                assert_eq!(output.stderr, "", "{shown}\n{output}");
            });
        }
    });
}

#[test]
fn messages_that_are_not_what_they_should_be_are_no_answer() {
    let user = || user_message("Hello");
    let texts: [Value; 6] = [
        json!({"type": "agent-message"}),
        json!({"type": "agent-message", "text": 7}),
        json!({"type": "agent-message", "text": null}),
        json!({"type": "something-new", "text": "No"}),
        json!("No"),
        json!({"type": ["agent-message"], "text": "No"}),
    ];
    thread::scope(|scope| {
        for content in texts {
            scope.spawn(move || {
                let api = task_only().metadata_forever(metadata("completed"));
                let api = api
                    .view(messages(&[(31, content), (30, user())]))
                    .view(whole());
                quick(&api.start()).run().answers("Hi!");
            });
        }
    });
}

#[test]
fn a_list_of_a_hundred_thousand_messages_is_read() {
    let tool = json!({"type": "tool-run", "padding": "x".repeat(100)});
    let mut items = vec![(31, tool); 100_000];
    items[0] = (31, agent_message("Hi!", false));
    items.push((30, user_message("Hello")));
    let api = task_only().metadata_forever(metadata("completed"));
    quick(&api.view(messages(&items)).start())
        .run()
        .answers("Hi!");
}

#[test]
fn a_state_that_is_not_known_is_waited_on_with_one_warning() {
    let api = task_only()
        .metadata(metadata("running"))
        .metadata(metadata("dream\u{1b}[31ming\u{202e}"));
    let api = api
        .metadata(metadata("dreaming"))
        .metadata(metadata("completed"))
        .view(whole());
    let output = quick(&api.start()).run();
    output.exits(0).prints("Hi!\n");
    let line = "relevance-run: warning: unknown task state 'dream [31ming'; still waiting";
    says_only(&output, &[line]);
}

#[test]
fn a_state_of_any_length_is_shown_short() {
    let long = "x".repeat(1 << 20);
    let api = task_only().metadata_forever(metadata(&long)).start();
    let output = quick(&api).args(["--timeout", "2s", "--json"]).run();
    output.exits(124);
    let state = output.json()["state"].as_str().unwrap().to_owned();
    assert_eq!(state, "x".repeat(64));
}

#[test]
fn retry_after_is_honoured_and_past_the_deadline_it_stops_at_once() {
    let wait = |seconds: &str| refused(429).header("Retry-After", seconds);
    let api = task_only()
        .metadata(metadata("running"))
        .metadata(wait("3"));
    let api = api
        .metadata_forever(metadata("completed"))
        .view(whole())
        .start();
    quick(&api).run().answers("Hi!");
    let asked = api.requests_of(Kind::Metadata);
    assert!(asked[2].at - asked[1].at >= Duration::from_secs(3));

    let api = task_only()
        .metadata(metadata("running"))
        .metadata(wait("3600"));
    let api = api.start();
    let output = quick(&api).args(["--timeout", "30m"]).run();
    output.exits(124).prints("");
    let line = format!(
        "relevance-run: the API asked to wait 1h, which is past the --timeout of 30m; the run \
         continues (last error: the API returned 429 to the question for the task: The task \
         may not be looked at); see {PAGE}"
    );
    says_only(
        &output,
        &[&line, &format!("{RESUME} --resume studio-1/job-1")],
    );
}

#[test]
fn the_deadline_and_signals_end_a_task_that_does_not_answer() {
    let _timed = crate::timed();
    let trickle =
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").then(Step::Repeat {
            piece: b" ".to_vec(),
            every: Duration::from_millis(50),
        });
    let resume = format!("{RESUME} --resume studio-1/job-1");
    for reply in [Reply::hang(), trickle] {
        let api = || {
            let api = task_only().metadata(metadata("running"));
            api.metadata_forever(reply.clone()).start()
        };
        let server = api();
        let output = quick(&server).args(["--timeout", "2s"]).run();
        output.exits(124).prints("");
        let line =
            format!("relevance-run: timed out after 2s (--timeout); the run continues; see {PAGE}");
        says_only(&output, &[&line, &resume]);
        let late = output.took.saturating_sub(Duration::from_secs(2));
        assert!(late < Duration::from_secs(1), "{output}");

        let server = api();
        let running = quick(&server).spawn();
        server.wait_for_requests(4);
        running.signal(Signal::TERM);
        let output = running.wait_within(Duration::from_secs(5));
        output.stopped_by(Signal::TERM).prints("");
        let line = format!("relevance-run: stopped by SIGTERM; the run continues; see {PAGE}");
        says_only(&output, &[&line, &resume]);
    }
}

#[test]
fn the_deadline_passes_while_the_task_is_in_progress_without_a_busy_loop() {
    let api = task_only().metadata_forever(metadata("running")).start();
    let command = crate::command::relevance_run(&api).env("RELEVANCE_REGION", "us");
    let output = command.args(["--timeout", "4s", "Hello"]).run();
    output.exits(124);
    let asked = api.requests_of(Kind::Metadata).len();
    assert!((5..=11).contains(&asked), "asked {asked} times");
}

#[test]
fn the_key_in_a_task_is_never_shown() {
    let key = "sk-0123456789abcdefghij";
    let told = format!("my key is {key}");
    let view = messages(&[
        (31, agent_message(&told, false)),
        (30, user_message("Hello")),
    ]);
    let api = task_only()
        .metadata(metadata(key))
        .metadata(metadata("completed"))
        .view(view);
    let output = quick(&api.start()).arg("-vv").run();
    output.exits(0).never_says(key);
}
