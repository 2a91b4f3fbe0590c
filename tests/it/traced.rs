/*! A command under strace: which system calls it makes, and what becomes of it when one of them
kills it or fails. */

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::command::{Cmd, Folder, Output};
use crate::faked::{Faked, faked};
use fake::api::Scenario;

/// A run as usual.
pub const USUAL: &str = "Hello";
/// One whose trigger is rejected at first.
pub const BUSY: &str = "429: 1 Hello";
/// One whose reply is lost.
pub const LOST: &str = "lost: Hello";
/// One that has no job, so that only its task tells of it.
pub const QUEUED: &str = "queued: Hello";
pub const ANSWER: &str = "You said: Hello\n";
/// Trials at once: nearly all of their time is spent waiting for the tracer.
const WORKERS: usize = 6;

/// Where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `--output`.
    Output,
    /// Standard output, which is a file.
    Stdout,
}

/// A command whose run ends at once, and its files.
pub struct Trial {
    pub faked: Faked,
    pub folder: Folder,
    message: &'static str,
    target: Target,
}

/// A file that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    RunFile,
    Answer,
    /// The temporary file of `--output`, whose name is not known before.
    Temporary,
    Folder,
}

/// A call by its name, and how many of that name its thread has made by then: of all, or of those
/// that are about a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub name: String,
    pub number: usize,
    pub place: Option<Place>,
}

impl Trial {
    pub fn new(message: &'static str, target: Target) -> Trial {
        Trial {
            faked: faked(Scenario::default()),
            folder: Folder::new(),
            message,
            target,
        }
    }

    pub fn run_file(&self) -> PathBuf {
        self.folder.0.join("run")
    }

    pub fn answer(&self) -> PathBuf {
        self.folder.0.join("answer")
    }

    fn command(&self) -> Cmd {
        let command = self.faked.command().args(["-t", "60s", "--run-file"]);
        let command = command.arg(self.run_file());
        let command = match self.target {
            Target::Output => command.arg("--output").arg(self.answer()),
            Target::Stdout => command,
        };
        command.arg(self.message)
    }

    /// Runs the command, after these words of a shell.
    fn run_after(&self, before: &str) -> Output {
        let into = match self.target {
            Target::Output => "",
            Target::Stdout => r#" > "$ANSWER""#,
        };
        let command = self.command().env("ANSWER", self.answer());
        let command = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let script = format!(r#"exec {before} "$RUN" "$@"{into}"#);
        command.in_shell(&script).run()
    }

    pub fn run(&self) -> Output {
        self.run_after("")
    }

    /// Runs the command under strace, with these options of its own.
    pub fn run_traced(&self, options: &str) -> Output {
        self.run_after(&format!("strace -f -qq {options}"))
    }

    /// strace's option for calls that are about a file.
    pub fn option_for(&self, place: Option<Place>) -> String {
        let path = match place {
            Some(Place::RunFile) => self.run_file(),
            Some(Place::Answer) => self.answer(),
            Some(Place::Folder) => self.folder.0.clone(),
            Some(Place::Temporary) | None => return String::new(),
        };
        format!("-P '{}'", path.display())
    }

    fn place_of(&self, line: &str) -> Option<Place> {
        let is_about = |path: &Path| {
            let path = path.display();
            line.contains(&format!("<{path}>")) || line.contains(&format!("\"{path}\""))
        };
        if is_about(&self.run_file()) {
            Some(Place::RunFile)
        } else if line.contains("/.relevance-run-") {
            Some(Place::Temporary)
        } else if is_about(&self.answer()) {
            Some(Place::Answer)
        } else {
            is_about(&self.folder.0).then_some(Place::Folder)
        }
    }

    /// Every call that the command makes, in all of its threads.
    pub fn calls(&self) -> Vec<Call> {
        let log = Folder::new();
        let path = log.0.join("log");
        self.run_traced(&format!("-y -o '{}'", path.display()))
            .exits(0);
        let mut counts: HashMap<(String, String, Option<Place>), usize> = HashMap::new();
        let mut count = |thread: &str, name: &str, place| {
            let key = (thread.to_owned(), name.to_owned(), place);
            let count = counts.entry(key).or_default();
            *count += 1;
            *count
        };
        let mut calls = BTreeSet::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            let Some((thread, name, rest)) = parse(line) else {
                continue;
            };
            let of_all = count(thread, name, None);
            let place = self.place_of(rest);
            let number = match place {
                Some(Place::Temporary) | None => of_all,
                Some(_) => count(thread, name, place),
            };
            calls.insert(Call {
                name: name.to_owned(),
                number,
                place,
            });
        }
        calls.into_iter().collect()
    }
}

/// The thread of a line of strace's log, the name of the call, and what follows.
fn parse(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (name, rest) = rest.trim_start().split_once('(')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_name)).then_some((thread, name, rest))
}

/// What `act` comes to for each of these, several at once. Each one is tried, also where another
/// one failed.
pub fn for_each<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let result = panic::catch_unwind(AssertUnwindSafe(|| act(item)));
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let failed = results.iter().filter(|result| result.is_err()).count();
    assert_eq!(failed, 0, "of {}", results.len());
    results.into_iter().flatten().collect()
}
