/*!
`relevance-run` triggers a Relevance AI agent, waits for its run to end, prints the answer and exits with a code that
says what happened.

This thread is the story, straight through and blocking: arguments, settings, message, trigger, wait, report. A second
one, the watcher, ends the process at a signal or the deadline, whatever this one is blocked in.
*/

mod input {
    pub mod args;
    pub mod env;
    pub mod message;
    pub mod network;
    pub mod settings;
}
mod api {
    pub mod client;
    pub mod token;
    pub mod wire;
}
mod run {
    pub mod check;
    pub mod pace;
    pub mod retry;
    pub mod run_file;
    pub mod state;
    pub mod trigger;
    pub mod wait;
    pub mod watch;
}
mod output {
    pub mod exit;
    pub mod report;
    pub mod sink;
    pub mod terminal;
}

use std::env;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use api::client::{Client, Gate};
use api::wire::{Id, Run, TriggerRequest, Triggered};
use input::args::{self, Args, Command, DEFAULT_TIMEOUT, Job};
use input::message::{self, Source};
use input::settings::Settings;
use output::exit::{Error, Exit, error};
use output::report::{self, Facts, Outcome};
use output::sink::Sink;
use output::terminal::Console;
use run::check::check;
use run::retry::{ATTEMPTS, Retry};
use run::run_file::RunFile;
use run::state::{Deadline, Phase, State};
use run::trigger::trigger;
use run::wait::Wait;
use run::watch::{self, Shared};

/// Longest that a result waits for the progress line to be taken off the screen.
const CLEARING: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let started = Instant::now();
    let command = args::parse(env::args_os().skip(1));
    let shared = Arc::new(share(&command, started));
    let outcome = match command {
        Ok(Command::Print(text)) => Ok(Outcome::Line(text.trim_end().to_owned())),
        Ok(Command::Run(args)) => watch(&shared).and_then(|()| follow(&shared, args)),
        Err(error) => watch(&shared).and(Err(error)),
    };
    ExitCode::from(conclude(&shared, outcome).code())
}

/// What the watcher shares, as far as the command line says.
fn share(command: &Result<Command, Error>, started: Instant) -> Shared {
    let args = match command {
        Ok(Command::Run(args)) => Some(args),
        _ => None,
    };
    let timeout = args.map_or(Some(DEFAULT_TIMEOUT), |args| args.timeout);
    let (verbosity, quiet) = args.map_or((0, true), |args| (args.verbosity, args.quiet));
    Shared {
        started,
        deadline: Deadline::new(started, timeout),
        json: args.is_some_and(|args| args.json),
        console: Console::new(started, verbosity, quiet),
        state: State::default(),
        sink: OnceLock::new(),
        run_file: OnceLock::new(),
    }
}

fn watch(shared: &Arc<Shared>) -> Result<(), Error> {
    watch::start(Arc::clone(shared)).map_err(|why| error!(Usage, "cannot start: {why}; nothing was sent"))
}

/// Does what the command line asks for.
fn follow(shared: &Arc<Shared>, args: Args) -> Result<Outcome, Error> {
    let (state, console) = (&shared.state, &shared.console);
    let waiting = |what: String| state.trouble(what);
    let starts = matches!(args.job, Job::Trigger { .. });
    let settings = Settings::read(args.agent_id, starts, &waiting)?;
    let _ = console.token.set(Arc::clone(&settings.token));
    let _ = shared.sink.set(Sink::open(args.output.as_deref())?);
    state.trouble(None);
    {
        let mut progress = state.lock();
        progress.facts.agent_id.clone_from(&settings.agent_id);
        progress.facts.page = settings.page(None);
    }
    let host = settings.host();
    console.detail(|| format!("api: {host}"));
    let client = connect(shared, &settings, starts);
    let retry = |what, limit| Retry { what, limit, console, state, deadline: shared.deadline, token: &settings.token };
    let wait_for = |run: &Run, resumed| {
        let retry = retry("poll", u32::MAX);
        let interval = args.interval;
        Wait { client: &client, retry, host: &host, run, resumed, interval }.until_over()
    };
    match args.job {
        Job::Check => {
            let agent_id = settings.agent_id.as_ref();
            check(&client, &retry("check", ATTEMPTS), &host, agent_id).map(Outcome::Line)
        }
        Job::Resume(run) => {
            let mut progress = state.lock();
            progress.phase = Phase::Started;
            progress.facts.run = Some(run.clone());
            drop(progress);
            wait_for(&run, true)
        }
        Job::Trigger { source, conversation_id, fields, wait, run_file } => {
            let body = request(source, conversation_id, fields, &settings, &waiting)?;
            state.trouble(None);
            let known = match run_file {
                Some(path) => claim(shared, &settings, &path, &body)?,
                None => None,
            };
            let run_file = shared.run_file.get();
            let is_new = known.is_none();
            let triggered = match known {
                Some(triggered) => triggered,
                None => trigger(&client, &retry("trigger", ATTEMPTS), &host, run_file, &body)?,
            };
            drop(body);
            started(shared, &settings, &triggered, is_new);
            match wait {
                true => wait_for(&triggered.run, false),
                false => Ok(Outcome::Started),
            }
        }
    }
}

/// The client. Before the first byte of a trigger goes out, it is written down that a run may be on.
fn connect(shared: &Arc<Shared>, settings: &Settings, starts: bool) -> Client {
    let gate = {
        let shared = Arc::clone(shared);
        move || {
            if starts && shared.state.lock().phase == Phase::Unsent {
                shared.run_file.get().map_or(Ok(()), RunFile::announce)?;
                shared.state.lock().phase = Phase::Sent;
            }
            Ok(())
        }
    };
    Client::new(
        settings.base_url.clone(),
        Arc::clone(&settings.token),
        settings.proxy.clone(),
        settings.roots.clone(),
        Gate(Arc::new(gate)),
    )
}

/// The body of the trigger.
fn request(
    source: Source,
    conversation_id: Option<Id>,
    fields: Vec<(String, Box<RawValue>)>,
    settings: &Settings,
    waiting: &dyn Fn(String),
) -> Result<Vec<u8>, Error> {
    let request = TriggerRequest {
        message: &message::read(source, waiting)?,
        agent_id: settings.agent_id.as_ref(),
        conversation_id: conversation_id.as_ref(),
        fields: &fields,
    };
    serde_json::to_vec(&request).map_err(|why| error!(Usage, "the request cannot be written as JSON: {why}"))
}

/// The run that an earlier process started for this command and this run file, if there was one.
fn claim(shared: &Shared, settings: &Settings, path: &Path, body: &[u8]) -> Result<Option<Triggered>, Error> {
    let page = shared.state.lock().facts.place_to_look().to_owned();
    let (run_file, known) = RunFile::claim(path, &settings.base_url, body, &page)?;
    let _ = shared.run_file.set(run_file);
    Ok(known)
}

/// Takes note of the run that was started, now or earlier.
fn started(shared: &Shared, settings: &Settings, triggered: &Triggered, is_new: bool) {
    let console = &shared.console;
    let page = settings.page(triggered.conversation_id.as_ref());
    let state = triggered.state.as_ref().map(|state| settings.token.clean(state));
    let person = {
        let mut progress = shared.state.lock();
        progress.phase = Phase::Started;
        progress.facts.run = Some(triggered.run.clone());
        progress.facts.conversation_id.clone_from(&triggered.conversation_id);
        progress.facts.state.clone_from(&state);
        progress.facts.page.clone_from(&page);
        progress.person()
    };
    if let Some(run_file) = shared.run_file.get().filter(|_| is_new)
        && let Err(why) = run_file.record(triggered)
    {
        let (path, run) = (run_file.path.display(), &triggered.run);
        console.say(format!(
            "warning: cannot write --run-file {path}: {why}; it does not know of the run {run}, which is on"
        ));
    }
    let state = state.as_deref().unwrap_or("not said");
    console.detail(|| format!("run: {}, state: {state}", triggered.run));
    if let Some(page) = &page {
        console.detail(|| format!("page: {page}"));
    }
    if let Some(person) = person {
        let page = page.as_deref().unwrap_or("the agent's page in the web app");
        console.say(format!("{person}; see {page}"));
    }
}

/// Writes the result, then whatever there is to say, and fixes the exit code.
fn conclude(shared: &Shared, outcome: Result<Outcome, Error>) -> Exit {
    let (state, console, json) = (&shared.state, &shared.console, shared.json);
    console.clear(CLEARING);
    let facts = state.lock().facts.clone();
    match &outcome {
        Ok(_) => state.lock().phase = Phase::Telling,
        // Said by the watcher, if what is written first is held up.
        Err(error) => state.settle(error.exit, facts.words(error)),
    }
    let sink = shared.sink.get().unwrap_or(&Sink::Stdout);
    let token = console.token.get().map(|token| &**token);
    let told = match &outcome {
        Err(error) if !json || error.exit == Exit::Usage => Ok(()),
        Ok(outcome) if !json => sink.write(|out| report::write_plain(out, outcome, &facts, token)),
        either => sink.write(|out| report::write_json(out, either.as_ref(), &facts, token, shared.started.elapsed())),
    };
    let is_told = told.is_ok();
    let exit = settle(state, &facts, &outcome, told.err(), sink);
    let words = mem::take(&mut state.lock().words);
    words.into_iter().for_each(|line| console.say(line));
    console.flush(None);
    let is_over = is_told && !matches!(outcome, Ok(Outcome::Started));
    let is_done = match exit {
        Exit::Success | Exit::Failed => is_over,
        Exit::Usage | Exit::Refused | Exit::Unreachable => facts.run.is_none(),
        _ => false,
    };
    if let Some(run_file) = shared.run_file.get().filter(|_| is_done)
        && let Err(why) = run_file.remove()
    {
        let path = run_file.path.display();
        console.say(format!("warning: cannot remove --run-file {path}: {why}; remove it"));
        console.flush(None);
    }
    exit
}

/// Fixes the exit code and what is said, now that the result is written, or is not because of `lost`.
fn settle(
    state: &State,
    facts: &Facts,
    outcome: &Result<Outcome, Error>,
    lost: Option<io::Error>,
    sink: &Sink,
) -> Exit {
    // The reader had enough, and nothing else is left to be done with the run.
    let is_over = match outcome {
        Ok(outcome) => !matches!(outcome, Outcome::Started),
        Err(error) => error.exit == Exit::Failed,
    };
    let lost = lost.filter(|why| why.kind() != ErrorKind::BrokenPipe || !is_over);
    let lost = lost.map(|why| format!("cannot write the result to {}: {why}", sink.name()));
    let (exit, words) = match (outcome, lost) {
        (Ok(_), None) => (Exit::Success, Vec::new()),
        (Ok(outcome), Some(lost)) => {
            let exit = match outcome {
                Outcome::Line(_) => Exit::Usage,
                _ => Exit::Unknown,
            };
            (exit, facts.words(&Error::new(exit, lost)))
        }
        (Err(error), None) => (error.exit, facts.words(error)),
        (Err(error), Some(lost)) => {
            let mut words = facts.words(error);
            words.insert(1, lost);
            if error.exit == Exit::Failed {
                words.extend(facts.resume_line());
            }
            (error.exit, words)
        }
    };
    state.settle(exit, words);
    exit
}
