/*! How a run is going: `/studios/{studio_id}/async_poll/{job_id}`. */

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::runs::{Job, Run};
use super::scenario::Scenario;
use super::words::Word;
use super::{Answer, Api};
use crate::server::Request;

/// Which updates a poll asks for.
struct Wanted {
    only_ending: bool,
    /// The number of the last update that is known already.
    after: usize,
    /// How many at most.
    page: Option<usize>,
}

impl Api {
    pub(super) fn poll(&self, studio: &str, job: &str, request: &Request) -> Answer {
        if let Some(status) = self.scenario.polls_gone {
            return Answer::error(status, "This page is no longer served", "gone");
        }
        let Some(hold) = self.begin_poll(studio, job) else {
            return Answer::error(404, &format!("Job {job} not found"), "not_found");
        };
        thread::sleep(hold.unwrap_or_default());
        let wanted = Wanted::by(request, &self.scenario);
        let mut world = self.world();
        let run = world.run(studio, job).expect("a run is never forgotten");
        let mut reply = run.poll(&self.scenario, &wanted);
        if hold.is_some() && reply["type"] == "inprogress" {
            reply["type"] = json!("timeout");
        }
        Answer::ok(reply)
    }

    /// For how long this poll is held, if it is; `None` where there is no such job to be seen.
    fn begin_poll(&self, studio: &str, job: &str) -> Option<Option<Duration>> {
        let scenario = &self.scenario;
        let mut world = self.world();
        let run = world.run(studio, job)?;
        let elapsed = run.started.elapsed();
        if run.is_queued || elapsed < scenario.visible_after {
            return None;
        }
        run.polls += 1;
        let ends = run.job_ends_after(scenario);
        let is_over = ends.is_some_and(|ends| elapsed >= ends);
        if is_over || scenario.held.is_zero() || !run.polls.is_multiple_of(2) {
            return Some(None);
        }
        // It is answered as soon as there is an end to tell.
        let rest = ends.map_or(scenario.held, |ends| ends - elapsed);
        Some(Some(scenario.held.min(rest)))
    }
}

impl Wanted {
    /// A list may be cut, a single ending is not.
    fn by(request: &Request, scenario: &Scenario) -> Wanted {
        let number = |name: &str| request.query(name).and_then(|number| number.parse().ok());
        Wanted {
            // It is true where it is left out.
            only_ending: request.query("ending_update_only") != Some("false"),
            after: number("after_message_id").unwrap_or(0),
            page: number("page_size").or(scenario.poll_page),
        }
    }
}

impl Run {
    fn poll(&self, scenario: &Scenario, wanted: &Wanted) -> Value {
        let elapsed = self.started.elapsed();
        let job = self.job(scenario, elapsed);
        let kind = match job {
            Job::InProgress => "inprogress",
            Job::Over(Some(_)) if self.plan.is(Word::Fail) => "failed",
            Job::Over(_) => "complete",
        };
        let mut updates: Vec<(usize, Value)> = Vec::new();
        let happened = self.updates_so_far(scenario, elapsed);
        for number in 1..=happened {
            updates.push((number, on_the_way(number)));
        }
        let mut last_message_id = happened;
        if let Job::Over(Some(ending)) = job {
            last_message_id += 1;
            updates.push((last_message_id, ending));
        }
        updates.retain(|(number, _)| *number > wanted.after);
        if wanted.only_ending {
            updates.retain(|(number, _)| *number > happened);
        } else if let Some(page) = wanted.page {
            updates.truncate(page);
            last_message_id = updates
                .last()
                .map_or(last_message_id, |(number, _)| *number);
        }
        let updates: Vec<Value> = updates.into_iter().map(|(_, update)| update).collect();
        json!({"type": kind, "updates": updates, "last_message_id": last_message_id})
    }

    fn updates_so_far(&self, scenario: &Scenario, elapsed: Duration) -> usize {
        let Some(ends) = self.job_ends_after(scenario).filter(|ends| elapsed < *ends) else {
            return scenario.history;
        };
        (scenario.history as f64 * elapsed.as_secs_f64() / ends.as_secs_f64()) as usize
    }
}

/// An update on the way. The document says no more than that it has a `type`.
fn on_the_way(number: usize) -> Value {
    match number % 3 {
        1 => json!({"type": "step-start", "step": number}),
        2 => json!({"type": "agent-message", "message": format!("Working on part {number}")}),
        _ => json!({"type": "tool-run", "tool": "search", "output": {"found": number}}),
    }
}
