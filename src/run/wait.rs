/*! Waiting for the run to end: a plain loop of polls and sleeps. */

use super::api::Api;
use super::job::{JobEnd, JobWatch};
use super::target::Target;
use super::task::TaskWatch;
use super::task::requests::Witness;
use crate::error::{Error, Exit, RunState};
use crate::output::report::Outcome;
use std::time::Duration;

/// Waits until the run has ended.
/// Errors: `Failed`: it ended without success. `Unknown`, or where it was resumed `Rejected`: the
/// API does not say how it ended. Where it was resumed also `Unreachable`: the server cannot be
/// trusted.
pub fn wait_for_end(
    api: &Api,
    mut target: Target,
    interval: Option<Duration>,
) -> Result<Outcome, Error> {
    let witness = if target.is_resumed {
        Witness::OnlyResumed
    } else {
        Witness::Only
    };
    let Some(run_id) = target.run_id.take() else {
        return match &mut target.task {
            Some(task) => task.follow(witness),
            None => Err(
                Error::unknown("the reply to the trigger names no run that can be polled")
                    .next(api.session.known().check_before_repeating()),
            ),
        };
    };
    let mut job = JobWatch::new(api, run_id, &target, interval);
    let error = match job.poll_to_end(&mut target.task) {
        JobEnd::Decided(result) => return result,
        JobEnd::Silent(error) => error,
    };
    // The job has no more to say. The task decides, as far as it can be asked.
    let Some(task) = &mut target.task else {
        return Err(error);
    };
    if !task.ask_until_seen() {
        return Err(unless_in_progress(task, api, error));
    }
    match task.follow(Witness::Second) {
        Err(own) if own.exit == Exit::Unknown && !task.is_in_progress() => {
            api.session.stderr.log(|| format!("task: {}", own.what));
            Err(error)
        }
        end => end,
    }
}

/// The job's own error, unless the task was last seen in progress: then the run goes on in another
/// job, and did not fail.
fn unless_in_progress(task: &TaskWatch, api: &Api, error: Error) -> Error {
    if error.exit != Exit::Failed || !task.is_in_progress() {
        return error;
    }
    let mut unknown =
        Error::unknown("the run's job ended without a result, and its task cannot be asked")
            .state(RunState::Continues);
    unknown.remark = api.session.known().remark();
    unknown
}
