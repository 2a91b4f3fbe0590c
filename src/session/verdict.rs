/*! The end, decided: from the outcome, what became of the report and what is known of the run, to
the exit code, the lines and whether the run file stays. Pure, and used by the main thread and the
watchdog alike. */

use super::known::{Known, Remote};
use crate::error::{Error, Exit, Remark, RunState};
use crate::output::report::Outcome;
use crate::text::duration;
use signal_hook::low_level::signal_name;
use std::time::Duration;

/// How the command ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub exit: Exit,
    /// For standard error, in this order.
    pub lines: Vec<String>,
    pub keeps_run_file: bool,
}

/// The end of a command that came to an outcome. `undelivered` is where the result could not be
/// written, and why.
pub fn verdict(
    outcome: Result<&Outcome, &Error>,
    undelivered: Option<&str>,
    known: &Known,
) -> Verdict {
    let lost = undelivered.map(|why| format!("cannot write the result to {why}"));
    match (outcome, lost) {
        (Ok(outcome), None) => Verdict {
            exit: Exit::Success,
            lines: Vec::new(),
            keeps_run_file: matches!(outcome, Outcome::Started(_)),
        },
        (Ok(Outcome::Checked(_) | Outcome::Text(_)), Some(lost)) => {
            of_error(&Error::unreachable(lost), known)
        }
        (Ok(_), Some(lost)) => of_error(&Error::unknown(lost), known),
        (Err(error), None) => of_error(error, known),
        (Err(error), Some(lost)) => of_lost_error(error, lost, known),
    }
}

fn of_error(error: &Error, known: &Known) -> Verdict {
    let is_started = matches!(known.remote, Remote::Started(_));
    let mut line = error.message();
    if let Some(url) = known.url.as_ref().filter(|_| is_started) {
        line.push_str("; see ");
        line.push_str(url);
    }
    let mut lines = vec![line];
    if error.exit != Exit::Failed && !error.is_unknown_run {
        lines.extend(known.resume_lines());
    }
    let keeps_run_file = match error.exit {
        Exit::Success | Exit::Failed => false,
        Exit::Usage | Exit::Rejected | Exit::Unreachable => known.remote != Remote::Unsent,
        Exit::Unknown | Exit::TimedOut | Exit::Signal(_) => true,
    };
    Verdict {
        exit: error.exit,
        lines,
        keeps_run_file,
    }
}

/// An error whose JSON object did not arrive. Where the run failed, that is all that there was to
/// deliver, and it can be delivered again.
fn of_lost_error(error: &Error, lost: String, known: &Known) -> Verdict {
    let mut verdict = of_error(error, known);
    if error.exit == Exit::Failed {
        verdict.exit = Exit::Unknown;
        verdict.lines.extend(known.resume_lines());
        verdict.keeps_run_file = true;
    }
    // Behind the error itself.
    verdict.lines.insert(1, lost);
    verdict
}

/// Why the command ends before it came to an outcome.
#[derive(Clone, Debug)]
pub enum Interruption {
    Signal(u8),
    /// The timeout, which has passed.
    Deadline(Duration),
    /// The API asked to wait this long, and the timeout is shorter.
    RetryAfter {
        asked: Duration,
        timeout: Duration,
    },
    /// A fault of this program, and where.
    Panic(String),
}

impl Interruption {
    fn what(&self) -> String {
        match self {
            Interruption::Signal(signal) => match signal_name(i32::from(*signal)) {
                Some(name) => format!("stopped by {name}"),
                None => format!("stopped by signal {signal}"),
            },
            Interruption::Deadline(timeout) => {
                format!("timed out after {} (--timeout)", duration::format(*timeout))
            }
            Interruption::RetryAfter { asked, timeout } => format!(
                "the API asked to wait {}, which is past the --timeout of {}",
                duration::format(*asked),
                duration::format(*timeout)
            ),
            Interruption::Panic(place) => format!("internal error at {place}"),
        }
    }

    /// The error that it means. `last_error` is what went wrong last, or what is being waited for;
    /// `is_reporting` that the outcome is there and its result was being written.
    pub fn into_error(self, known: &Known, last_error: Option<&str>, is_reporting: bool) -> Error {
        let mut error = match known.remote {
            Remote::Unsent => Error::unreachable(self.what()),
            Remote::Sent => Error::unknown(self.what())
                .state(RunState::MayHaveStarted)
                .next(known.check_before_repeating()),
            Remote::Started(_) if is_reporting => {
                let what = format!("{}; the result was being written", self.what());
                let mut error = Error::new(Exit::TimedOut, what);
                error.state = None;
                error
            }
            Remote::Started(_) => Error::new(Exit::TimedOut, self.what()),
        };
        let last_error = last_error.map(ToOwned::to_owned);
        error.remark = match error.state {
            Some(RunState::Continues) => known.remark().or(last_error.map(Remark::LastError)),
            Some(_) => last_error.map(Remark::Activity),
            None => None,
        };
        match self {
            Interruption::Signal(signal) => error.exit = Exit::Signal(signal),
            Interruption::Panic(_) if known.remote != Remote::Unsent => error.exit = Exit::Unknown,
            _ => {}
        }
        error
    }
}

#[cfg(test)]
mod tests;
