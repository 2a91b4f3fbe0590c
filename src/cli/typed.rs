/*! What was typed, by option: pico-args, and the table of options. */

use super::advice;
use super::args::Part;
use super::options::{self, Needs, OPTIONS, Spec, Times};
use crate::error::Error;
use pico_args::{Arguments, Keys};
use std::ffi::OsString;

/// What was typed, by option.
pub(super) struct Typed {
    values: Vec<(&'static str, String)>,
    switches: Vec<&'static str>,
    /// What was not understood, and MESSAGE.
    rest: Vec<String>,
    /// What followed `--`.
    after_dashes: Vec<String>,
}

impl Typed {
    /// Errors: an option without its value, or given too often.
    pub(super) fn take(mut words: Vec<String>) -> Result<Typed, Error> {
        let mut after_dashes = Vec::new();
        if let Some(end) = words.iter().position(|word| word == "--") {
            after_dashes = words.split_off(end).split_off(1);
        }
        check_values_present(&words)?;
        let mut arguments = Arguments::from_vec(words.into_iter().map(OsString::from).collect());
        let mut typed = Typed {
            values: Vec::new(),
            switches: Vec::new(),
            rest: Vec::new(),
            after_dashes,
        };
        // pico-args wants the values first: it would take a switch out of a value.
        for spec in OPTIONS.iter().filter(|spec| spec.takes_value) {
            typed.take_values(&mut arguments, spec)?;
        }
        for spec in OPTIONS.iter().filter(|spec| !spec.takes_value) {
            typed.take_switches(&mut arguments, spec)?;
        }
        typed.rest = arguments
            .finish()
            .into_iter()
            .flat_map(OsString::into_string)
            .collect();
        Ok(typed)
    }

    fn take_values(&mut self, arguments: &mut Arguments, spec: &'static Spec) -> Result<(), Error> {
        let mut times = 0;
        while let Some(value) = arguments
            .opt_value_from_str(keys(spec))
            .map_err(|_| needs_value(spec.long))?
        {
            self.values.push((spec.long, value));
            times += 1;
        }
        if times > 1 && spec.times == Times::Once {
            return Err(advice::too_often(spec));
        }
        Ok(())
    }

    fn take_switches(
        &mut self,
        arguments: &mut Arguments,
        spec: &'static Spec,
    ) -> Result<(), Error> {
        let most = if spec.times == Times::Twice { 2 } else { 1 };
        let mut times = 0;
        while arguments.contains(keys(spec)) {
            self.switches.push(spec.long);
            times += 1;
        }
        // `--help` is understood whatever stands beside it.
        if times > most && spec.long != "--help" {
            return Err(advice::too_often(spec));
        }
        Ok(())
    }

    pub(super) fn has(&self, long: &str) -> bool {
        self.switches.contains(&long)
    }

    pub(super) fn count(&self, long: &str) -> u8 {
        self.switches.iter().filter(|name| **name == long).count() as u8
    }

    pub(super) fn is_given(&self, long: &str) -> bool {
        self.has(long) || self.values.iter().any(|(name, _)| *name == long)
    }

    /// Takes the value of an option that is given once.
    pub(super) fn value(&mut self, long: &str) -> Option<String> {
        let at = self.values.iter().position(|(name, _)| *name == long)?;
        Some(self.values.remove(at).1)
    }

    /// Takes all values of an option.
    pub(super) fn values(&mut self, long: &str) -> Vec<String> {
        let mut values = Vec::new();
        while let Some(value) = self.value(long) {
            values.push(value);
        }
        values
    }

    pub(super) fn reject_leftovers(&self) -> Result<(), Error> {
        let is_option = |word: &&String| word.starts_with('-') && *word != "-";
        match self.rest.iter().find(is_option) {
            Some(option) => Err(advice::not_understood(option)),
            None => Ok(()),
        }
    }

    /// Refuses what cannot be combined with `option`.
    pub(super) fn reject_beside(
        &self,
        option: &str,
        why: &str,
        is_refused: fn(Needs) -> bool,
    ) -> Result<(), Error> {
        let typed = OPTIONS
            .iter()
            .filter(|spec| is_refused(spec.needs) && spec.long != option);
        let mut refused = typed
            .filter(|spec| self.is_given(spec.long))
            .map(|spec| spec.long);
        let has_message = !self.rest.is_empty() || !self.after_dashes.is_empty();
        let other = match has_message && is_refused(Needs::Agent) {
            true => "MESSAGE",
            false => match refused.next() {
                Some(other) => other,
                None => return Ok(()),
            },
        };
        let what = format!("{option} {why} and cannot be combined with {other}");
        Err(Error::usage(what).next("remove one of them"))
    }

    /// MESSAGE, if it was given.
    pub(super) fn message(&mut self) -> Result<Option<Part>, Error> {
        let count = self.rest.len() + self.after_dashes.len();
        if count > 1 {
            return Err(
                Error::usage(format!("expected one MESSAGE, got {count} arguments"))
                    .next("quote the message to make it one argument"),
            );
        }
        if let Some(text) = self.after_dashes.pop() {
            return Ok(Some(Part::Text(text)));
        }
        match self.rest.pop() {
            Some(word) if word == "help" || word == "version" => {
                let what = format!("'{word}' would be sent to the agent as a message");
                let next = format!("did you mean --{word}? To send it anyway, use -- {word}");
                Err(Error::usage(what).next(next))
            }
            Some(word) if word == "-" => Ok(Some(Part::Stdin)),
            other => Ok(other.map(Part::Text)),
        }
    }
}

/// An option's names as pico-args wants them.
fn keys(spec: &'static Spec) -> Keys {
    match spec.short {
        "" => spec.long.into(),
        short => [short, spec.long].into(),
    }
}

/// Refuses an option without its value before pico-args sees it, which would take the next option
/// as the value.
fn check_values_present(words: &[String]) -> Result<(), Error> {
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1);
        let has_value = next.is_some_and(|next| !next.starts_with('-') || next == "-");
        if let Some(spec) = options::find(word)
            && spec.takes_value
            && !has_value
        {
            return Err(needs_value(spec.long));
        }
    }
    Ok(())
}

fn needs_value(option: &str) -> Error {
    Error::usage(format!("{option} needs a value"))
        .next(format!("if the value starts with '-', use {option}=VALUE"))
}
