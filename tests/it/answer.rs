/*! Where the answer is found, and how a run is named and resumed. */

use serde_json::{Value, json};

use crate::command::relevance_run;
use crate::script::{Script, Scripted, answered, in_progress, poll};
use fake::server::Reply;

/// An API whose run ends with this `chain-success` update's `output`, written to the letter.
pub fn ending_in(output: &str) -> Scripted {
    let update = format!(r#"{{"type":"chain-success","output":{output}}}"#);
    let body = format!(r#"{{"type":"complete","updates":[{update}]}}"#);
    Script::run().poll(Reply::text(200, &body)).start()
}

/// The `output` of a success, and the answer that is found in it.
#[track_caller]
fn has_answer(output: &str, answer: &str) {
    let api = ending_in(output);
    relevance_run(&api).arg("Hello").run().answers(answer);
    let object = relevance_run(&ending_in(output))
        .args(["--json", "Hello"])
        .run()
        .json();
    assert_eq!(object["answer"], answer);
}

#[test]
fn the_answer_is_a_string_of_this_name() {
    has_answer(r#"{"output":{"answer":"inner"},"answer":"outer"}"#, "inner");
    has_answer(r#"{"answer":"outer","output":{"other":1}}"#, "outer");
    has_answer(r#"{"output":{"answer":7},"answer":"outer"}"#, "outer");
    has_answer(r#"{"output":{"answer":""}}"#, "");
}

#[test]
fn without_one_it_is_the_last_message_of_the_agent() {
    let items = |items: &str| format!(r#"{{"output":{{"history_items":[{items}]}}}}"#);
    let ai = |message: &str| format!(r#"{{"role":"ai","message":{message}}}"#);
    let user = r#"{"role":"user","message":"Hello"}"#;
    let (one, two) = (ai(r#""one""#), ai(r#""two""#));
    has_answer(&items(&[user, &one, user, &two].join(",")), "two");
    has_answer(&items(&[&one, user].join(",")), "one");
    // A text of its own name comes first.
    let both = format!(r#"{{"output":{{"answer":"own","history_items":[{one}]}}}}"#);
    has_answer(&both, "own");
    // Where the last one is not text, or there is none, the whole output is the answer.
    for other in [
        [one.as_str(), &ai("7")].join(","),
        user.to_owned(),
        String::new(),
        "1,null,\"x\"".to_owned(),
    ] {
        let inner = format!(r#"{{"history_items":[{other}]}}"#);
        has_answer(&format!(r#"{{"output":{inner}}}"#), &inner);
    }
}

#[test]
fn a_plain_string_is_text_and_anything_else_is_json_unchanged() {
    has_answer(r#"{"output":"text"}"#, "text");
    has_answer(r#"{"output":"\u00e9\n"}"#, "é\n");
    has_answer(r#""just text""#, "just text");
    for json in [
        r#"{"b":1,"a":[2,  3]}"#,
        r#"{"answer":7}"#,
        "[1,2]",
        "7",
        "false",
        // Lists are results and not objects by position.
        r#"["a","b","c","d"]"#,
    ] {
        has_answer(&format!(r#"{{"output":{json}}}"#), json);
    }
    for whole in [
        r#"["failed",{"answer":"x"},"y",[]]"#,
        r#"{"result":1}"#,
        r#"{"output":null,"x":1}"#,
        "null",
    ] {
        has_answer(whole, whole);
    }
}

/// JavaScript writes a string so that was cut within an emoji. JSON can hold it, and text cannot.
#[test]
fn half_an_emoji_is_a_replacement_character() {
    for (output, answer) in [
        (r#"{"output":{"answer":"cut \ud83d"}}"#, "cut \u{fffd}"),
        (
            r#"{"output":{"answer":"\ude00\ud83d\ude00"}}"#,
            "\u{fffd}😀",
        ),
        (r#"{"output":"cut \ud83d"}"#, "cut \u{fffd}"),
        (
            r#"{"output":{"history_items":[{"role":"ai","message":"cut \ud83d"}]}}"#,
            "cut \u{fffd}",
        ),
        (r#"{"output":{"\ud83d":1,"answer":"Hi!"}}"#, "Hi!"),
        // In a result that is JSON it stays as it is.
        (
            r#"{"output":{"text":"cut \ud83d"}}"#,
            r#"{"text":"cut \ud83d"}"#,
        ),
    ] {
        let api = ending_in(output);
        relevance_run(&api).arg("Hello").run().answers(answer);
    }
    let api = ending_in(r#"{"output":{"answer":"cut \ud83d"}}"#);
    let output = relevance_run(&api).args(["--json", "Hello"]).run();
    let text = String::from_utf8(output.exits(0).stdout.clone()).unwrap();
    let members =
        "\"answer\":\"cut \u{fffd}\",\"output\":{\"output\":{\"answer\":\"cut \\ud83d\"}}";
    assert!(text.contains(members), "{text}");
}

#[test]
fn a_success_without_any_output_is_null() {
    let update = json!({"type": "chain-success"});
    let api = Script::run().poll(poll("complete", update)).start();
    relevance_run(&api).arg("Hello").run().answers("null");
}

/// Escapes, control characters and all: a pipe gets what the agent wrote.
#[test]
fn byte_for_byte_in_a_pipe() {
    let answer =
        "line\nline\r\n\ttab \u{1b}[31mred\u{1b}[0m \0 \u{9b} 🦀 \\n \"quoted\" trailing \n\n";
    let api = Script::run().poll(answered(answer)).start();
    relevance_run(&api).arg("Hello").run().answers(answer);
}

#[test]
fn no_wait_and_resume_compose_in_a_shell() {
    let api = Script::run()
        .poll(in_progress())
        .poll(answered("Hi!"))
        .start();
    let script = r#"exec "$RUN" --resume "$("$RUN" --no-wait 'Hello')""#;
    relevance_run(&api).in_shell(script).run().answers("Hi!");
    assert_eq!(api.triggers(), 1);
}

#[test]
fn no_wait_prints_the_run_and_sends_no_poll() {
    let api = Script::run().start();
    let output = relevance_run(&api).args(["--no-wait", "Hello"]).run();
    output.answers("studio-1/job-1");
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn resume_triggers_nothing_and_needs_no_agent() {
    let api = Script::new().poll(answered("Hi!")).start();
    let command = relevance_run(&api).env("RELEVANCE_REGION", "eu");
    let output = command.args(["-r", "studio-1/job-1", "--json"]).run();
    let object = output.exits(0).json();
    assert_eq!(object["run_id"], "studio-1/job-1");
    // The default agent need not be the one whose run it is.
    assert_eq!(object["agent_id"], Value::Null);
    assert_eq!(object["url"], Value::Null);
    assert_eq!(api.triggers(), 0);

    let api = Script::new().poll(answered("Hi!")).start();
    let command = relevance_run(&api)
        .env("RELEVANCE_REGION", "eu")
        .args(["--agent", "agent-2"]);
    let output = command.args(["-r", "studio-1/job-1", "--json"]).run();
    let object = output.exits(0).json();
    assert_eq!(object["agent_id"], "agent-2");
    assert_eq!(
        object["url"],
        "https://app.relevanceai.com/agents/d7b62b/project-1/agent-2"
    );
}

#[test]
fn a_conversation_inside_job_info_is_found() {
    let job = json!({"studio_id": "s", "job_id": "j", "conversation_id": "inside"});
    let reply = Reply::json(200, json!({"job_info": job}));
    let api = Script::new().trigger(reply).start();
    let output = relevance_run(&api)
        .args(["--no-wait", "--json", "Hello"])
        .run();
    assert_eq!(output.exits(0).json()["conversation_id"], "inside");
}

/// What names the run is taken for what it is, although it is not quite JSON: the run was started.
#[test]
fn a_reply_that_names_the_run_is_understood_all_the_same() {
    let reply = r#"{"job_info":{"studio_id":"studio-1","job_id":"job-1"},"note":"?"}"#
        .replace('?', "\u{fffd}");
    let broken = reply.replace('\u{fffd}', "!").into_bytes();
    let broken: Vec<u8> = broken
        .into_iter()
        .map(|byte| if byte == b'!' { 0xff } else { byte })
        .collect();
    for body in [
        broken,
        format!("\u{feff}{reply}").into_bytes(),
        format!("{reply}xx").into_bytes(),
    ] {
        let api = Script::new()
            .trigger(Reply::new(200, &[], body))
            .poll(answered("Hi!"))
            .start();
        relevance_run(&api).arg("Hello").run().answers("Hi!");
    }
}
