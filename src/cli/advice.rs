/*! What to say of an option that was not understood. */

use super::options::{self, OPTIONS, Spec, Times};
use crate::error::Error;
use std::mem;

/// What people look for as an option, and where it is.
const ELSEWHERE: [(&[&str], &str); 6] = [
    (
        &[
            "--token",
            "--auth-token",
            "--auth",
            "--key",
            "--api-key",
            "--apikey",
            "--password",
        ],
        "set RELEVANCE_AUTH_TOKEN instead (command-line options are visible in ps)",
    ),
    (
        &["--project", "--project-id"],
        "set RELEVANCE_PROJECT_ID instead",
    ),
    (&["--region"], "set RELEVANCE_REGION instead"),
    (
        &["--url", "--base-url", "--host"],
        "set RELEVANCE_BASE_URL instead",
    ),
    (&["--proxy"], "set HTTPS_PROXY instead"),
    (
        &["--message", "-m", "--prompt"],
        "give the message as an argument",
    ),
];

/// Why an option was left over. Its value is not shown: it may be a key that was meant for the
/// environment.
pub fn not_understood(option: &str) -> Error {
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    };
    let known = options::find(name);
    if known.is_some_and(|spec| !spec.takes_value) && value.is_some() {
        return Error::usage(format!("{name} takes no value")).next("use it on its own");
    }
    if known.is_some() {
        let what = format!("{name} is bundled with other short options");
        return Error::usage(what).next("give it on its own");
    }
    if name == "-n" || name == "--dry-run" {
        return Error::usage(format!("unknown option {name}")).next(
            "to verify the settings without a run, use --check; to start a run and not wait \
                 for it, --no-wait",
        );
    }
    Error::usage(format!("unknown option {name}")).next(advice(name))
}

fn advice(name: &str) -> String {
    for (names, advice) in ELSEWHERE {
        if names.contains(&name) {
            return advice.to_owned();
        }
    }
    match nearest(name) {
        Some(option) => format!("did you mean {option}? See relevance-run --help"),
        None => "see relevance-run --help (if this is the message, put -- before it)".to_owned(),
    }
}

/// An option was given more often than it can be.
pub fn too_often(spec: &Spec) -> Error {
    let long = spec.long;
    match spec.times {
        Times::Twice => Error::usage(format!("{long} can be given at most twice (-vv)")),
        _ => Error::usage(format!("{long} was given more than once")).next("give it once"),
    }
}

/// The option that is misspelt as `name`, if one is near.
fn nearest(name: &str) -> Option<&'static str> {
    let mut best: Option<(usize, &'static str)> = None;
    for spec in &OPTIONS {
        let is_beginning = name.len() > 4 && spec.long.starts_with(name);
        let is_part = is_beginning || name.starts_with(spec.long);
        let far = if is_part {
            0
        } else {
            distance(name, spec.long)
        };
        if best.is_none_or(|(least, _)| far < least) {
            best = Some((far, spec.long));
        }
    }
    let (far, option) = best?;
    Some(option).filter(|_| far <= 2)
}

/// How many letters have to be put in, taken out or replaced to make one of the other
/// (Levenshtein).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_options() {
        for (name, meant) in [
            ("--jsn", Some("--json")),
            ("--resum", Some("--resume")),
            ("--conversation-id", Some("--conversation")),
            ("--params", Some("--param")),
            ("--frobnicate", None),
            ("-x", None),
        ] {
            assert_eq!(nearest(name), meant, "{name}");
        }
    }
}
