/*! From the words of the command line to what they mean. */

use super::options::Needs;
use super::typed::Typed;
use super::values::{
    Attach, FieldArg, FieldValue, Resume, parse_attach, parse_fields, parse_id, parse_resume,
};
use crate::api::ids::Id;
use crate::error::Error;
use crate::text::duration;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What `--version` prints.
const VERSION: &str = concat!("relevance-run ", env!("CARGO_PKG_VERSION"));

/// At most 80 columns and 50 lines: it is read on a terminal.
const HELP: &str = include_str!("help.txt");

/// Unless `--timeout` says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The fields of the requests that have something of their own to set them.
const RESERVED: [(&str, &str); 4] = [
    ("message", "MESSAGE"),
    ("agent_id", "--agent"),
    ("conversation_id", "--conversation"),
    ("params", "--param"),
];
const RESERVED_WITH_TOOL: [(&str, &str); 2] =
    [("params", "--param"), ("project", "RELEVANCE_PROJECT_ID")];

/// What the command line asks for.
pub enum Parsed {
    /// Print this text.
    Text(&'static str),
    Run(Box<Args>),
}

/// What the command line says of a run.
pub struct Args {
    pub mode: Mode,
    /// The agent, an id or the URL of one of its pages.
    pub agent: Option<String>,
    /// Where the result goes instead of standard output.
    pub output: Option<PathBuf>,
    pub json: bool,
    /// Longest the whole command may take; `None` is no limit.
    pub timeout: Option<Duration>,
    /// Poll at this fixed interval instead of adapting.
    pub interval: Option<Duration>,
    /// 0, 1 (`-v`) or 2 (`-vv`).
    pub verbosity: u8,
    pub quiet: bool,
}

pub enum Mode {
    Trigger(TriggerArgs),
    Resume(Resume),
    Check { tool_id: Option<Id> },
}

/// A run that is to be started.
pub struct TriggerArgs {
    pub work: Work,
    pub params: Vec<FieldArg>,
    /// Further top-level fields of the request, in the order given.
    pub fields: Vec<FieldArg>,
    pub wait: bool,
    pub run_file: Option<PathBuf>,
}

/// Whose run it is.
pub enum Work {
    Agent {
        message: Vec<Part>,
        attachments: Vec<Attach>,
        conversation_id: Option<Id>,
    },
    Tool(Id),
}

/// Where a part of the message is.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    File(PathBuf),
    Stdin,
    /// Nothing was said: standard input, unless that is a terminal.
    StdinIfPiped,
}

/// Parses the arguments that follow the program's name.
/// Errors: a usage error for whatever is not understood, which says how to fix it.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Parsed, Error> {
    let mut words = Vec::new();
    for argument in arguments {
        let word = argument
            .into_string()
            .map_err(|_| Error::usage("an argument is not valid UTF-8").next("convert it first"))?;
        words.push(word);
    }
    let mut typed = Typed::take(words)?;
    if typed.has("--help") {
        return Ok(Parsed::Text(HELP));
    }
    if typed.has("--version") {
        return Ok(Parsed::Text(VERSION));
    }
    typed.reject_leftovers()?;
    let mode = mode(&mut typed)?;
    let interval = match typed.value("--interval") {
        Some(text) => Some(parse_duration("--interval", &text)?),
        None => None,
    };
    if interval == Some(Duration::ZERO) {
        return Err(Error::usage("--interval must be longer than 0")
            .next("leave it out to adapt to the run"));
    }
    let timeout = match typed.value("--timeout") {
        Some(text) => parse_duration("--timeout", &text)?,
        None => DEFAULT_TIMEOUT,
    };
    let output = typed.value("--output").filter(|path| path != "-");
    Ok(Parsed::Run(Box::new(Args {
        mode,
        agent: typed.value("--agent"),
        output: output.map(PathBuf::from),
        json: typed.has("--json"),
        timeout: Some(timeout).filter(|limit| !limit.is_zero()),
        interval,
        verbosity: typed.count("--verbose"),
        quiet: typed.has("--quiet"),
    })))
}

/// What is to be done.
fn mode(typed: &mut Typed) -> Result<Mode, Error> {
    if typed.has("--check") {
        let why = "does not start a run";
        typed.reject_beside("--check", why, |needs| needs != Needs::Nothing)?;
        reject_agent_with_tool(typed)?;
        let tool_id = tool_id(typed)?;
        return Ok(Mode::Check { tool_id });
    }
    if let Some(run) = typed.value("--resume") {
        let is_refused = |needs| matches!(needs, Needs::Trigger | Needs::Agent);
        typed.reject_beside("--resume", "does not start a run", is_refused)?;
        if typed.is_given("--tool") {
            return Err(Error::usage(
                "--resume does not start a run and cannot be combined with --tool",
            )
            .next("remove one of them"));
        }
        return parse_resume(&run).map(Mode::Resume);
    }
    if typed.is_given("--tool") {
        typed.reject_beside("--tool", "runs a tool", |needs| needs == Needs::Agent)?;
        reject_agent_with_tool(typed)?;
    }
    let work = match tool_id(typed)? {
        Some(tool_id) => Work::Tool(tool_id),
        None => agent_work(typed)?,
    };
    let reserved: &[_] = match work {
        Work::Agent { .. } => &RESERVED,
        Work::Tool(_) => &RESERVED_WITH_TOOL,
    };
    let trigger = TriggerArgs {
        params: parse_fields("--param", typed.values("--param"), &[])?,
        fields: parse_fields("--set", typed.values("--set"), reserved)?,
        work,
        wait: !typed.has("--no-wait"),
        run_file: typed.value("--run-file").map(PathBuf::from),
    };
    check_one_reads_stdin(&trigger)?;
    Ok(Mode::Trigger(trigger))
}

fn reject_agent_with_tool(typed: &Typed) -> Result<(), Error> {
    if typed.is_given("--tool") && typed.is_given("--agent") {
        return Err(
            Error::usage("--tool runs a tool and cannot be combined with --agent")
                .next("remove one of them"),
        );
    }
    Ok(())
}

fn tool_id(typed: &mut Typed) -> Result<Option<Id>, Error> {
    match typed.value("--tool") {
        Some(text) => parse_id("--tool", &text).map(Some),
        None => Ok(None),
    }
}

fn agent_work(typed: &mut Typed) -> Result<Work, Error> {
    let mut message: Vec<Part> = typed.message()?.into_iter().collect();
    match typed.value("--file") {
        Some(path) if path == "-" => message.push(Part::Stdin),
        Some(path) => message.push(Part::File(path.into())),
        None => {}
    }
    if message.is_empty() {
        message.push(Part::StdinIfPiped);
    }
    let mut attachments = Vec::new();
    for text in typed.values("--attach") {
        attachments.push(parse_attach(text)?);
    }
    let conversation_id = match typed.value("--conversation") {
        Some(text) => Some(parse_id("--conversation", &text)?),
        None => None,
    };
    Ok(Work::Agent {
        message,
        attachments,
        conversation_id,
    })
}

/// Only one thing may read standard input. Where a field does, nothing is left for a message that
/// was not given.
fn check_one_reads_stdin(trigger: &TriggerArgs) -> Result<(), Error> {
    let fields = trigger.params.iter().chain(&trigger.fields);
    let mut readers = fields
        .filter(|field| matches!(field.value, FieldValue::Stdin))
        .count();
    if let Work::Agent { message, .. } = &trigger.work {
        let asked = message.iter().filter(|part| **part == Part::Stdin).count();
        if readers > 0 && message.contains(&Part::StdinIfPiped) {
            return Err(Error::usage("no message: standard input is read for KEY@-")
                .next("pass the message as an argument or with --file"));
        }
        readers += asked;
    }
    if readers > 1 {
        return Err(Error::usage(
            "standard input can be read only once, and - stands for it twice",
        )
        .next("use a file for one of them"));
    }
    Ok(())
}

fn parse_duration(option: &str, text: &str) -> Result<Duration, Error> {
    duration::parse(text).ok_or_else(|| {
        Error::usage(format!("invalid {option}: not a duration")).next(
            "use a number and an optional unit (ms, s, m, h), such as 90, 1.5s or 30m, or combine \
             them: 1h30m",
        )
    })
}
