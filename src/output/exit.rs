/*! How the command ends: the table of exit codes, and the error that carries one.

Everything that goes wrong becomes an [`Error`] where it happens; nothing but [`Exit::code`] decides a number. */

use serde_json::value::RawValue;

/// How the command ends. Its code answers one question: is it safe to run the same command again?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The answer was printed, or with `--no-wait` the run was started.
    Success,
    /// The run ended without success; another would be a new run.
    Failed,
    /// Usage or configuration; nothing was sent.
    Usage,
    /// The API refused the request; nothing was started.
    Refused,
    /// The API could not be reached, or kept saying 429; nothing was started.
    Unreachable,
    /// The run was started, or may have been, and its outcome did not arrive.
    Unknown,
    /// The timeout passed while the run was on.
    TimedOut,
    /// Ended by this signal.
    Signal(u8),
}

impl Exit {
    /// The number for the shell. 124 is that of `timeout`, 128+n that of a shell for signal n.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Unreachable => 4,
            Exit::Unknown => 5,
            Exit::TimedOut => 124,
            Exit::Signal(number) => 128 + number,
        }
    }
}

/// Why the command did not succeed.
#[derive(Debug)]
pub struct Error {
    pub exit: Exit,
    /// One line: what was attempted, what happened, what to do next.
    pub message: String,
    /// The HTTP status, where a reply with one was the cause.
    pub http_status: Option<u16>,
    /// The run's own `errors`, as the server sent them.
    pub details: Option<Box<RawValue>>,
    /// The `output` of a run that ended without success, as the server sent it.
    pub output: Option<Box<RawValue>>,
}

impl Error {
    /// Without what only some errors have; see the macro `error` for the usual way.
    pub fn new(exit: Exit, message: String) -> Error {
        Error {
            exit,
            message,
            http_status: None,
            details: None,
            output: None,
        }
    }
}

/// An [`Error`] of that exit, with a message as for `format!`: `error!(Usage: "cannot read {name}")`.
macro_rules! error {
    ($exit:ident: $($message:tt)*) => {
        $crate::output::exit::Error::new($crate::output::exit::Exit::$exit, format!($($message)*))
    };
}

/// Returns an error unless something holds: `ensure!(count < 2, Usage: "{count} were given")`.
macro_rules! ensure {
    ($holds:expr, $exit:ident: $($message:tt)*) => { ensure!($holds, error!($exit: $($message)*)) };
    ($holds:expr, $error:expr) => { if !$holds { return Err($error); } };
}
pub(crate) use {ensure, error};
