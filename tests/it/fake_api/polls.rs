/*! The course of a run, as polls tell it. */

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{LONG, client, poll_path, quick, slow};
use fake::api::Scenario;

fn updates(reply: &Value) -> Vec<&str> {
    let updates = reply["updates"].as_array().unwrap();
    updates
        .iter()
        .map(|update| update["type"].as_str().unwrap())
        .collect()
}

#[test]
fn the_ending_update_alone_is_what_is_told_unless_all_are_asked_for() {
    let api = client(Scenario {
        history: 3,
        ..Scenario::default()
    });
    let run = api.trigger("Hello");
    for query in ["", "?ending_update_only=true", "?after_message_id=0"] {
        let reply = api.poll(&run, query);
        assert_eq!(
            (&reply["type"], &reply["last_message_id"]),
            (&json!("complete"), &json!(4))
        );
        assert_eq!(updates(&reply), ["chain-success"], "{query}");
    }
    let all = api.poll(&run, "?ending_update_only=false");
    assert_eq!(
        updates(&all),
        ["step-start", "agent-message", "tool-run", "chain-success"]
    );
    assert_eq!(all["updates"][3], api.poll(&run, "")["updates"][0]);
    let newer = api.poll(&run, "?ending_update_only=false&after_message_id=2");
    assert_eq!(updates(&newer), ["tool-run", "chain-success"]);
    assert!(updates(&api.poll(&run, "?ending_update_only=false&after_message_id=4")).is_empty());
    let output = &all["updates"][3]["output"];
    assert_eq!(
        (&output["status"], &output["errors"]),
        (&json!("complete"), &json!([]))
    );
    assert_eq!(output["output"]["answer"], "You said: Hello");
    assert_eq!(output["output"]["history_items"][0]["role"], "ai");
}

#[test]
fn a_list_may_be_cut_to_a_page() {
    let cut = client(Scenario {
        history: 3,
        poll_page: Some(2),
        ..Scenario::default()
    });
    let run = cut.trigger("Hello");
    let page = cut.poll(&run, "?ending_update_only=false");
    assert_eq!(
        (updates(&page), &page["last_message_id"]),
        (vec!["step-start", "agent-message"], &json!(2))
    );
    let rest = cut.poll(&run, "?ending_update_only=false&after_message_id=2");
    assert_eq!(
        (updates(&rest), &rest["last_message_id"]),
        (vec!["tool-run", "chain-success"], &json!(4))
    );
    assert_eq!(
        updates(&cut.poll(&run, "?ending_update_only=false&page_size=9")).len(),
        4
    );
    assert_eq!(updates(&cut.poll(&run, "")), ["chain-success"]);
    let (status, message) = cut.refused(
        &format!("GET /latest{}", poll_path(&run, "?page_size=many")),
        &json!(null),
    );
    assert_eq!(
        (status, message.as_str()),
        (422, "Body Validation Error - Expected \"number\"")
    );
}

#[test]
fn a_run_in_progress_has_no_end_yet() {
    let api = slow();
    let run = api.trigger("Hello");
    for query in ["", "?ending_update_only=false"] {
        let reply = api.poll(&run, query);
        assert_eq!(
            (&reply["type"], &reply["updates"]),
            (&json!("inprogress"), &json!([]))
        );
    }
    let api = client(Scenario {
        takes: LONG,
        history: 100_000,
        ..Scenario::default()
    });
    let run = api.trigger("Hello");
    crate::eventually("an update on the way", || {
        let reply = api.poll(&run, "?ending_update_only=false");
        assert_eq!(reply["type"], "inprogress");
        !updates(&reply).is_empty()
    });
    assert!(updates(&api.poll(&run, "")).is_empty());
}

#[test]
fn a_poll_is_held_or_not() {
    let held = Duration::from_millis(50);
    let api = client(Scenario {
        takes: LONG,
        held,
        ..Scenario::default()
    });
    let run = api.trigger("Hello");
    for _ in 0..2 {
        assert_eq!(api.poll(&run, "")["type"], "inprogress");
        let started = Instant::now();
        assert_eq!(api.poll(&run, "")["type"], "timeout");
        assert!(started.elapsed() >= held);
    }
    // No longer than there is nothing to tell.
    let api = client(Scenario {
        takes: Duration::from_millis(100),
        held: LONG,
        ..Scenario::default()
    });
    let run = api.trigger("Hello");
    crate::eventually("the end", || api.poll(&run, "")["type"] == "complete");
}

#[test]
fn a_job_may_not_be_known_yet_or_no_more_or_not_at_all() {
    let api = client(Scenario {
        visible_after: LONG,
        ..Scenario::default()
    });
    let run = api.trigger("Hello");
    let line = format!("GET /latest{}", poll_path(&run, ""));
    let not_found = (404, "Job job-1 not found".to_owned());
    assert_eq!(api.refused(&line, &json!(null)), not_found);
    let api = client(Scenario {
        visible_after: Duration::from_millis(100),
        ..Scenario::default()
    });
    api.trigger("Hello");
    crate::eventually("the job", || api.ask(&line, "").status == 200);

    for status in [404, 405, 410] {
        let api = client(Scenario {
            polls_gone: Some(status),
            ..Scenario::default()
        });
        let run = api.trigger("Hello");
        let line = format!("GET /latest{}", poll_path(&run, ""));
        assert_eq!(api.refused(&line, &json!(null)).0, status);
        assert_eq!(
            api.state(run["conversation_id"].as_str().unwrap()),
            "completed"
        );
    }

    let api = quick();
    api.trigger("Hello");
    for wrong in [
        "agent_empty_chain_inline/async_poll/job-9",
        "demo-tool/async_poll/job-1",
    ] {
        assert_eq!(
            api.refused(&format!("GET /latest/studios/{wrong}"), &json!(null))
                .0,
            404
        );
    }
}

#[test]
fn an_ending_update_may_come_late() {
    let api = client(Scenario {
        late: LONG,
        ..Scenario::default()
    });
    let run = api.trigger("Hello");
    for query in ["", "?ending_update_only=false&after_message_id=6"] {
        let reply = api.poll(&run, query);
        assert_eq!(
            (&reply["type"], &reply["updates"]),
            (&json!("complete"), &json!([]))
        );
    }
    let api = client(Scenario {
        late: Duration::from_millis(100),
        ..Scenario::default()
    });
    let run = api.trigger("Hello");
    crate::eventually("the end", || {
        updates(&api.poll(&run, "")) == ["chain-success"]
    });
}
