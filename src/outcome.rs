/*!
What the command came to, and how it is told: the answer, the JSON object, the messages, the exit code.
*/

use std::collections::hash_map::RandomState;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Error, Exit, error};
use crate::progress::{Facts, Stage};
use crate::session::Session;
use crate::settings::Settings;
use crate::terminal;
use crate::wire::{Ending, Id};

/// What went well.
pub enum Outcome {
    /// With `--no-wait`: the run is on.
    Started,
    Answered {
        answer: String,
        output: Box<RawValue>,
    },
}

impl Outcome {
    /// # Errors
    /// `Failed`, where the run ended without success.
    pub fn of(ending: Ending, settings: &Settings) -> Result<Outcome, Error> {
        match ending {
            Ending::Success { answer, output } => Ok(Outcome::Answered { answer, output }),
            Ending::Failure { message, details, output } => {
                let mut why = settings.token.clean(&message);
                if why.is_empty() {
                    why.push_str("it gives no reason");
                }
                let error = error!(Failed, "the run ended without success: {why}");
                Err(Error { details, output, ..error })
            }
        }
    }
}

/// The object that `--json` prints, whatever the outcome; absent values are null.
#[derive(Serialize)]
struct Object<'a> {
    status: &'a str,
    exit_code: u8,
    agent_id: Option<&'a Id>,
    conversation_id: Option<&'a Id>,
    studio_id: Option<&'a Id>,
    job_id: Option<&'a Id>,
    answer: Option<&'a str>,
    output: Option<&'a RawValue>,
    error: Option<ErrorObject<'a>>,
    elapsed_seconds: f64,
    polls: u64,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    http_status: Option<u16>,
    details: Option<&'a RawValue>,
}

impl Session {
    /// Writes the result, then whatever there is to say, and settles the exit code.
    pub fn report(&self, result: Result<Outcome, Error>, facts: &Facts) -> Exit {
        self.console.clear();
        let exit = result.as_ref().map_or_else(|error| error.exit, |_| Exit::Success);
        let is_over = exit == Exit::Failed || matches!(result, Ok(Outcome::Answered { .. }));
        let written = match self.text(&result, exit, facts) {
            Some(text) => self.sink.write(&self.settings.token.redact(text)),
            None => Ok(()),
        };
        if let Err(error) = &result {
            self.console.say(&error.message);
        }
        let lost = match written {
            // The reader had enough, and nothing else is left to be done with the run.
            Err(why) if why.kind() == ErrorKind::BrokenPipe && is_over => false,
            Err(why) => {
                self.console
                    .say(&format!("cannot write the result to {}: {why}", self.sink.name()));
                true
            }
            Ok(()) => false,
        };
        let exit = match exit {
            Exit::Success if lost => Exit::Unknown,
            exit => exit,
        };
        if let Some(run) = &facts.run
            && (lost || !matches!(exit, Exit::Success | Exit::Failed))
        {
            let run = run.to_string();
            // An id may begin like an option.
            let separator = if run.starts_with('-') { '=' } else { ' ' };
            self.console.say(&format!("resume with: relevance-run --resume{separator}{run}"));
        }
        exit
    }

    /// What to write as the result, if anything.
    fn text(&self, result: &Result<Outcome, Error>, exit: Exit, facts: &Facts) -> Option<String> {
        if facts.stage == Stage::Reporting || exit == Exit::Usage {
            return None;
        }
        let mut text = match (self.json, result) {
            (true, _) => self.object(result, exit, facts)?,
            (false, Ok(Outcome::Answered { answer, .. })) => answer.clone(),
            (false, Ok(Outcome::Started)) => facts.run.as_ref()?.to_string(),
            (false, Err(_)) => return None,
        };
        text.push('\n');
        Some(text)
    }

    fn object(&self, result: &Result<Outcome, Error>, exit: Exit, facts: &Facts) -> Option<String> {
        let (answer, output) = match result {
            Ok(Outcome::Answered { answer, output }) => (Some(answer.as_str()), Some(&**output)),
            Ok(Outcome::Started) => (None, None),
            Err(error) => (None, error.output.as_deref()),
        };
        let object = Object {
            status: match result {
                Ok(Outcome::Started) => "started",
                _ => exit.status(),
            },
            exit_code: exit.code(),
            agent_id: facts.agent_id.as_ref(),
            conversation_id: facts.conversation_id.as_ref(),
            studio_id: facts.run.as_ref().map(|run| &run.studio_id),
            job_id: facts.run.as_ref().map(|run| &run.job_id),
            answer,
            output,
            error: result.as_ref().err().map(|error| ErrorObject {
                message: &error.message,
                http_status: error.http_status,
                details: error.details.as_deref(),
            }),
            elapsed_seconds: (self.started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            polls: facts.polls,
        };
        serde_json::to_string(&object).ok()
    }
}

/// Where the result goes.
pub enum Sink {
    Stdout,
    /// Whole or not at all: written to the temporary file beside it, then renamed.
    File {
        path: PathBuf,
        temporary: PathBuf,
    },
    /// A device or a pipe, which must not be replaced by a file.
    Special(PathBuf),
}

impl Sink {
    /// Where `--output` points, checked before anything is sent.
    ///
    /// # Errors
    /// A usage error if no file can be written there.
    pub fn open(output: Option<&Path>) -> Result<Sink, Error> {
        let Some(path) = output else {
            return Ok(Sink::Stdout);
        };
        let cannot = |why: &dyn Display| {
            error!(Usage, "cannot write --output {}: {why}; choose another file", path.display())
        };
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(cannot(&"it is a folder"));
        }
        // A link is kept and the file behind it replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let Some(name) = path.file_name() else {
            return Err(cannot(&"it names no file"));
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Err(cannot(&"it is a folder")),
            Ok(metadata) if !metadata.is_file() => return Ok(Sink::Special(path)),
            _ => {}
        }
        // Process ids repeat between containers that share a folder.
        let unique = RandomState::new().hash_one(process::id());
        let temporary =
            path.with_file_name(format!(".{}.{unique:016x}.tmp", name.to_string_lossy()));
        File::create_new(&temporary)
            .and_then(|_| fs::remove_file(&temporary))
            .map_err(|why| cannot(&why))?;
        Ok(Sink::File { path, temporary })
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let (path, temporary) = match self {
            Sink::Stdout => return terminal::print(text),
            Sink::Special(path) => {
                return OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes());
            }
            Sink::File { path, temporary } => (path, temporary),
        };
        let written = File::create_new(temporary).and_then(|mut file| {
            if let Ok(existing) = fs::metadata(path) {
                file.set_permissions(existing.permissions())?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(temporary, path)
        });
        if written.is_err() {
            let _ = self.discard();
        }
        written
    }

    /// Removes the temporary file, if there is one.
    pub fn discard(&self) -> io::Result<()> {
        match self {
            Sink::File { temporary, .. } => fs::remove_file(temporary),
            _ => Ok(()),
        }
    }

    fn name(&self) -> String {
        match self {
            Sink::Stdout => "standard output".to_owned(),
            Sink::File { path, .. } | Sink::Special(path) => path.display().to_string(),
        }
    }
}
