/*! How the command ends: the exit codes, and the error that carries one.

An [`Error`] is data. It becomes text in one place, [`ErrorData::message`], and nothing is decided
on its text. */

use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

/// How the command ends. Its code answers one question: is it safe to repeat the command?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The answer was delivered, or with `--no-wait` the run was started.
    Success,
    /// The run failed. A repeat starts a new run.
    Failed,
    /// Usage or configuration. Nothing was sent.
    Usage,
    /// The API rejected the request. Nothing was started.
    Rejected,
    /// The API could not be reached, or kept saying 429. Nothing was started.
    Unreachable,
    /// The run was started, or may have been, and its outcome is unknown.
    Unknown,
    /// The timeout passed while the run was in progress.
    TimedOut,
    /// Stopped by this signal.
    Signal(u8),
}

impl Exit {
    /// The number for the shell. 124 is that of `timeout`, 128+n that of a shell for signal n.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Rejected => 3,
            Exit::Unreachable => 4,
            Exit::Unknown => 5,
            Exit::TimedOut => 124,
            Exit::Signal(number) => number.saturating_add(128),
        }
    }

    /// The code as a word, for the JSON object.
    pub fn status(self) -> &'static str {
        match self {
            Exit::Success => "success",
            Exit::Failed => "failed",
            // It has no object.
            Exit::Usage => "usage",
            Exit::Rejected => "rejected",
            Exit::Unreachable => "unreachable",
            Exit::Unknown => "unknown",
            Exit::TimedOut => "timeout",
            Exit::Signal(_) => "interrupted",
        }
    }
}

/// What an error says of a run that has not failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    NothingStarted,
    MayHaveStarted,
    Continues,
}

impl RunState {
    /// The phrase, which never varies: it is what people search their mail for.
    fn phrase(self) -> &'static str {
        match self {
            RunState::NothingStarted => "nothing was started",
            RunState::MayHaveStarted => "the run may have been started",
            RunState::Continues => "the run continues",
        }
    }
}

/// The phrase for a run that has failed. The run's own reason follows.
const RUN_FAILED: &str = "the run failed";

/// What a message adds to the state of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The run waits for a person, its task being in this state.
    WaitsForPerson(&'static str),
    /// The task was last seen in this state, in which it is over.
    TaskOver(&'static str),
    /// What went wrong last, while the run was waited for.
    LastError(String),
    /// What was being done, or went wrong last, before the run was known.
    Activity(String),
}

impl Remark {
    fn text(&self) -> String {
        match self {
            Remark::WaitsForPerson(state) => format!(", and is waiting for a person ({state})"),
            Remark::TaskOver(state) => format!(" (its task was last seen as {state})"),
            Remark::LastError(why) => format!(" (last error: {why})"),
            Remark::Activity(what) => format!(" ({what})"),
        }
    }
}

/// The reply that caused an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    pub http_status: u16,
    /// The API's `x-request-id`, cleaned. The vendor's support asks for it.
    pub request_id: Option<String>,
}

/// What a run says of its failure, as the server sent it.
#[derive(Debug, Default)]
pub struct RunFailure {
    /// Its `errors`.
    pub details: Option<Box<RawValue>>,
    /// Its `output`.
    pub output: Option<Box<RawValue>>,
}

/// Why the command did not succeed. In a box, since it is handed through nearly every function.
#[derive(Debug)]
pub struct Error(Box<ErrorData>);

impl Deref for Error {
    type Target = ErrorData;

    fn deref(&self) -> &ErrorData {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut ErrorData {
        &mut self.0
    }
}

/// What an error says.
#[derive(Debug)]
pub struct ErrorData {
    pub exit: Exit,
    /// What was attempted and what happened, without the state of the run.
    pub what: String,
    /// What became of the run, where the message has to say it.
    pub state: Option<RunState>,
    pub remark: Option<Remark>,
    /// What to do next.
    pub next: Option<Cow<'static, str>>,
    /// The reply with an HTTP status that was the cause.
    pub cause: Option<Cause>,
    /// What the run itself says of its failure.
    pub run: Option<RunFailure>,
    /// The API does not know this run, so that it cannot be resumed.
    pub is_unknown_run: bool,
}

impl Error {
    /// An error that says what its exit code says of the run.
    pub fn new(exit: Exit, what: impl Into<String>) -> Error {
        let state = match exit {
            Exit::Rejected | Exit::Unreachable => Some(RunState::NothingStarted),
            Exit::TimedOut => Some(RunState::Continues),
            Exit::Success | Exit::Failed | Exit::Usage | Exit::Unknown | Exit::Signal(_) => None,
        };
        Error(Box::new(ErrorData {
            exit,
            what: what.into(),
            state,
            remark: None,
            next: None,
            cause: None,
            run: None,
            is_unknown_run: false,
        }))
    }

    /// A mistake on the command line or in the environment; nothing was sent.
    pub fn usage(what: impl Into<String>) -> Error {
        Error::new(Exit::Usage, what)
    }

    /// The API rejected a request, and nothing was started.
    pub fn rejected(what: impl Into<String>) -> Error {
        Error::new(Exit::Rejected, what)
    }

    /// The API could not be reached, and nothing was started.
    pub fn unreachable(what: impl Into<String>) -> Error {
        Error::new(Exit::Unreachable, what)
    }

    /// A run was started, or may have been, and its outcome is unknown.
    pub fn unknown(what: impl Into<String>) -> Error {
        Error::new(Exit::Unknown, what)
    }

    /// The run failed. `why` is the run's own reason.
    pub fn failed(why: impl AsRef<str>) -> Error {
        Error::new(Exit::Failed, format!("{RUN_FAILED}: {}", why.as_ref()))
    }

    /// With what to do next.
    pub fn next(mut self, next: impl Into<Cow<'static, str>>) -> Error {
        self.next = Some(next.into());
        self
    }

    /// With what became of the run.
    pub fn state(mut self, state: RunState) -> Error {
        self.state = Some(state);
        self
    }

    /// With the reply that caused it.
    pub fn cause(mut self, cause: Cause) -> Error {
        self.cause = Some(cause);
        self
    }
}

impl ErrorData {
    /// `what failed: cause; state of the run; next step`, in one line.
    pub fn message(&self) -> String {
        let mut message = self.what.clone();
        if let Some(state) = self.state {
            message.push_str("; ");
            message.push_str(state.phrase());
            if let Some(remark) = &self.remark {
                message.push_str(&remark.text());
            }
        }
        if let Some(next) = &self.next {
            message.push_str("; ");
            message.push_str(next);
        }
        message
    }
}
