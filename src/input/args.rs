/*! The command line: what was typed, checked as far as it can be without the environment. */

use super::message::Source;
use crate::api::wire::{Id, Run};
use crate::output::exit::{Error, ensure, error};
use pico_args::{Arguments, Keys};
use serde_json::value::{RawValue, to_raw_value};
use std::{ffi::OsString, mem, path::PathBuf, time::Duration};

/// What `--version` prints.
pub const VERSION: &str = concat!("relevance-run ", env!("CARGO_PKG_VERSION"), "\n");

/// At most 80 columns and 50 lines: it is read on a terminal.
pub const HELP: &str = include_str!("help.txt");

/// The options that take a value, and those that take none: a short name, where there is one, before each long one.
const WITH_VALUE: &str = "-a --agent -c --conversation -f --file -o --output -r --resume -t --timeout -i --interval \
    --run-file -s --set";
const SWITCHES: &str =
    "-h --help -V --version -j --json -n --no-wait -q --quiet --check -v --verbose";

/// Unless `--timeout` says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The fields of the trigger that have an option of their own.
const OWN_FIELDS: [(&str, &str); 3] = [
    ("message", "MESSAGE"),
    ("agent_id", "--agent"),
    ("conversation_id", "--conversation"),
];

/// What the command line asks for.
pub enum Command {
    /// Print this text and exit.
    Print(&'static str),
    Run(Args),
}

/// What is to be done: start a run, or take one up.
pub enum Job {
    Trigger {
        source: Source,
        conversation_id: Option<Id>,
        /// Further top-level fields of the request, in the order given.
        fields: Vec<(String, Box<RawValue>)>,
        wait: bool,
        run_file: Option<PathBuf>,
    },
    Resume(Run),
    Check,
}

/// What the command line says of a run.
pub struct Args {
    pub job: Job,
    pub agent_id: Option<Id>,
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

/// Parses the arguments that follow the program's name.
/// Errors: whatever is not understood, as a usage error that says how to mend it.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, Error> {
    let text = |argument: OsString| argument.into_string();
    let options = arguments.map(text).collect::<Result<Vec<_>, _>>();
    let mut options =
        options.map_err(|_| error!(Usage: "an argument is not UTF-8 text; convert it first"))?;
    let mut messages = Vec::new();
    if let Some(end) = options.iter().position(|argument| argument == "--") {
        messages = options.split_off(end).split_off(1);
    }
    check_values_present(&options)?;

    let mut options = Arguments::from_vec(options.into_iter().map(OsString::from).collect());
    let mut take = |names| {
        let (keys, long) = keys(names);
        options
            .opt_value_from_str::<_, String>(keys)
            .map_err(|_| needs_value(long))
    };
    let (agent, conversation, file) = (
        take("-a --agent")?,
        take("-c --conversation")?,
        take("-f --file")?,
    );
    let (output, resume, run_file) = (
        take("-o --output")?,
        take("-r --resume")?,
        take("--run-file")?,
    );
    let (timeout, interval) = (take("-t --timeout")?, take("-i --interval")?);
    let mut fields = Vec::new();
    while let Some(field) = take("-s --set")? {
        fields.push(field);
    }
    let mut has = |names| options.contains(keys(names).0);
    let (help, version, json, no_wait) = (
        has("-h --help"),
        has("-V --version"),
        has("-j --json"),
        has("-n --no-wait"),
    );
    let (quiet, check, verbose) = (has("-q --quiet"), has("--check"), has("-v --verbose"));
    if help || version {
        return Ok(Command::Print(if help { HELP } else { VERSION }));
    }
    let verbosity = u8::from(verbose) + u8::from(has("-v --verbose"));

    let left = options
        .finish()
        .into_iter()
        .flat_map(text)
        .collect::<Vec<_>>();
    if let Some(option) = left.iter().find(|argument| argument.starts_with('-')) {
        return Err(not_understood(option));
    }
    let is_plain = messages.is_empty();
    messages.splice(0..0, left);
    let count = messages.len();
    ensure!(count < 2, Usage: "{count} messages were given and only one can be sent; quote it as one argument");
    let message = messages.pop();
    let word = message.as_deref().unwrap_or_default();
    let is_meant = !is_plain || !matches!(word, "help" | "version");
    ensure!(is_meant, Usage: "'{word}' would be sent to the agent; write --{word} for the {word}, or -- {word} to send \
        it");
    let given = [
        (message.is_some(), "a message"),
        (file.is_some(), "--file"),
        (conversation.is_some(), "--conversation"),
        (!fields.is_empty(), "--set"),
        (no_wait, "--no-wait"),
        (run_file.is_some(), "--run-file"),
        (check && resume.is_some(), "--resume"),
        (check && output.is_some(), "--output"),
        (check && interval.is_some(), "--interval"),
        (check && json, "--json"),
    ];
    let other = given
        .iter()
        .find(|(given, _)| *given && (check || resume.is_some()));
    if let Some((_, other)) = other {
        let option = if check { "--check" } else { "--resume" };
        return Err(
            error!(Usage: "{option} starts nothing and cannot go with {other}; leave one of them out"),
        );
    }
    ensure!(message.is_none() || file.is_none(), Usage: "both a message and --file were given; leave one of them out");
    let source = match (message, file) {
        (Some(text), _) => Source::Text(text),
        (None, Some(path)) => Source::File((path != "-").then(|| path.into())),
        (None, None) => Source::Unsaid,
    };
    let conversation_id = conversation
        .map(|id| parse_id("--conversation", &id))
        .transpose()?;
    let (fields, run_file, wait) = (parse_fields(fields)?, run_file.map(PathBuf::from), !no_wait);
    let job = match resume.map(|run| run.parse()) {
        None if check => Job::Check,
        None => Job::Trigger {
            source,
            conversation_id,
            fields,
            wait,
            run_file,
        },
        Some(Ok(run)) => Job::Resume(run),
        Some(Err(why)) => {
            return Err(error!(Usage: "--resume {why}; give STUDIO_ID/JOB_ID as it was printed"));
        }
    };
    let interval = interval
        .map(|text| parse_duration("--interval", &text))
        .transpose()?;
    let is_zero = interval == Some(Duration::ZERO);
    ensure!(!is_zero, Usage: "--interval must be longer than 0; leave it out to adapt to the run");
    let timeout = timeout.map_or(Ok(DEFAULT_TIMEOUT), |text| {
        parse_duration("--timeout", &text)
    })?;
    let timeout = Some(timeout).filter(|limit| !limit.is_zero());
    let agent_id = agent.map(|id| parse_agent(&id)).transpose()?;
    let output = output.filter(|path| path != "-").map(PathBuf::from);
    Ok(Command::Run(Args {
        job,
        agent_id,
        output,
        json,
        timeout,
        interval,
        verbosity,
        quiet,
    }))
}

/// An option's names as pico-args wants them, and the long one.
fn keys(names: &'static str) -> (Keys, &'static str) {
    names.split_once(' ').map_or_else(
        || (names.into(), names),
        |(short, long)| ([short, long].into(), long),
    )
}

/// The long name of an option, if it is among these.
fn long_name(options: &'static str, name: &str) -> Option<&'static str> {
    options
        .split(' ')
        .skip_while(|known| *known != name)
        .find(|known| known.starts_with("--"))
}

/// Refuses an option without its value before pico-args sees it, which would take the next option as the value.
fn check_values_present(options: &[String]) -> Result<(), Error> {
    for (index, option) in options.iter().enumerate() {
        let value = options
            .get(index + 1)
            .filter(|next| !next.starts_with('-') || *next == "-");
        if let Some(long) = long_name(WITH_VALUE, option).filter(|_| value.is_none()) {
            return Err(needs_value(long));
        }
    }
    Ok(())
}

fn needs_value(option: &str) -> Error {
    error!(Usage: "{option} needs a value; one that begins with '-' is written {option}=VALUE")
}

/// Why an option was left over. Its value is not shown: it may be a key that was meant for the environment.
fn not_understood(option: &str) -> Error {
    let (name, has_value) = option
        .split_once('=')
        .map_or((option, false), |(name, _)| (name, true));
    let is_switch = long_name(SWITCHES, name).is_some();
    let advice = match name {
        "-" => {
            return error!(Usage: "'-' is not a message; write '--file -' to read standard input, or '-- -' to send it");
        }
        _ if is_switch && has_value => {
            return error!(Usage: "{name} takes no value; write it alone");
        }
        "-v" | "--verbose" => return error!(Usage: "{name} counts twice and no more"),
        _ if is_switch || long_name(WITH_VALUE, name).is_some() => {
            return error!(Usage: "{name} was given twice, or in one word with another; write it once, and by itself");
        }
        // What people look for as an option.
        "--token" | "--auth-token" | "--auth" | "--key" | "--api-key" | "--apikey"
        | "--password" => "set RELEVANCE_AUTH_TOKEN, since an option would show in ps",
        "--project" => "set RELEVANCE_PROJECT",
        "--region" => "set RELEVANCE_REGION",
        "--url" | "--base-url" | "--host" => "set RELEVANCE_BASE_URL",
        "--proxy" => "set HTTPS_PROXY",
        "--message" | "-m" | "--prompt" => "give the message as an argument",
        _ => {
            let advice = match nearest(name) {
                Some(option) => format!("did you mean {option}? See 'relevance-run --help'"),
                None => {
                    "see 'relevance-run --help', and write -- before a message that begins with '-'"
                        .to_owned()
                }
            };
            return error!(Usage: "unknown option {name}; {advice}");
        }
    };
    error!(Usage: "there is no option {name}; {advice}")
}

/// The option that is misspelt as `name`, if one is near.
fn nearest(name: &str) -> Option<&'static str> {
    let known = WITH_VALUE
        .split(' ')
        .chain(SWITCHES.split(' '))
        .filter(|known| known.starts_with("--"));
    let is_part =
        |option: &str| name.len() > 4 && option.starts_with(name) || name.starts_with(option);
    let far = |option: &str| {
        if is_part(option) {
            0
        } else {
            distance(name, option)
        }
    };
    let near = known.map(|option| (far(option), option)).min();
    near.filter(|(distance, _)| *distance <= 2)
        .map(|(_, option)| option)
}

/// How many letters have to be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.bytes().enumerate() {
        let mut diagonal = mem::replace(&mut row[0], index + 1);
        for (column, b) in other.bytes().enumerate() {
            let kept = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = kept.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// A failed command leaves a word that is no id where a script puts one.
fn parse_id(what: &str, text: &str) -> Result<Id, Error> {
    let is_left_over = ["null", "none", "undefined"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    ensure!(!is_left_over, Usage: "{what} {text} is no id but what a failed command left; look at the one before");
    text.parse()
        .map_err(|why| error!(Usage: "{what} {why}; copy the id alone"))
}

/// The id of an agent, from the command line or the environment. The URL of its page is a likely mistake.
pub fn parse_agent(text: &str) -> Result<Id, Error> {
    const WHAT: &str = "the agent (--agent or RELEVANCE_AGENT_ID)";
    let Some((_, path)) = text.split_once("://") else {
        return parse_id(WHAT, text);
    };
    // HOST/agents/REGION/PROJECT/AGENT_ID[/CONVERSATION_ID]
    let mut parts = path
        .split(['/', '?', '#'])
        .skip_while(|part| *part != "agents");
    Err(match parts.nth(3).map(str::parse::<Id>) {
        Some(Ok(id)) => error!(Usage: "{WHAT} is a page's URL; give the id alone: {id}"),
        _ => error!(Usage: "{WHAT} is a URL; give the agent's id alone"),
    })
}

/// The fields of `--set`: VALUE as JSON if it parses as JSON, else as a string.
fn parse_fields(texts: Vec<String>) -> Result<Vec<(String, Box<RawValue>)>, Error> {
    let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
    for text in texts {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(error!(Usage: "--set needs KEY=VALUE, for example --set version=draft"));
        };
        let own = OWN_FIELDS
            .iter()
            .find(|(name, _)| *name == key)
            .map_or("", |(_, option)| option);
        ensure!(own.is_empty(), Usage: "--set cannot set {key}; use {own} for it");
        let is_new = fields.iter().all(|(name, _)| name != key);
        ensure!(is_new, Usage: "--set {key} was given twice; leave one of them out");
        let json = RawValue::from_string(value.to_owned());
        let is_sound = json.is_ok() || !value.trim_start().starts_with(['{', '[', '"']);
        ensure!(is_sound, Usage: "--set {key} begins like JSON and is none; mend it, and put single quotes around the \
            whole");
        let value = json.or_else(|_| to_raw_value(value));
        let value =
            value.map_err(|why| error!(Usage: "--set {key} cannot be written as JSON: {why}"))?;
        fields.push((key.to_owned(), value));
    }
    Ok(fields)
}

/// A DUR: a number with an optional fraction and `ms`, `s`, `m`, `h` or nothing for seconds; or several with a unit.
fn parse_duration(option: &str, text: &str) -> Result<Duration, Error> {
    const FORM: &str =
        "a number and ms, s, m or h, such as 90, 1.5s or 30m, or several, as in 1h30m";
    sum_durations(text).ok_or_else(|| error!(Usage: "{option} is not a duration; write {FORM}"))
}

fn sum_durations(text: &str) -> Option<Duration> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let (mut rest, mut total) = (text, Duration::ZERO);
    loop {
        let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(is_digit).unwrap_or(after.len()));
        let unit_seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "" if rest == text => 1.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        let duration = Duration::try_from_secs_f64(number * unit_seconds).ok()?;
        // Shorter than can be told is not the same as none.
        let least = Duration::from_nanos(u64::from(number > 0.0));
        total = total.checked_add(duration.max(least))?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let accepted =
            "90=90000 1.5s=1500 500ms=500 30m=1800000 2h=7200000 0=0 1m1.5s1ms=61501 .5=500";
        for (text, ms) in accepted.split(' ').flat_map(|case| case.split_once('=')) {
            assert_eq!(
                sum_durations(text),
                Some(Duration::from_millis(ms.parse().unwrap())),
                "{text}"
            );
        }
        assert!(sum_durations("0.0000000001").unwrap() > Duration::ZERO);
        for text in
            "1h30,30 1h,,s,-1,1e3,1.2.3,inf,NaN,5 m,5d,5M,99999999999999999999999h".split(',')
        {
            assert_eq!(sum_durations(text), None, "{text:?}");
        }
    }
}
