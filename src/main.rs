/*! `relevance-run` triggers a Relevance AI agent, waits for its run to end, prints the answer and exits with a code
that says what happened.

This thread is the story, straight through and blocking: arguments, settings, message, trigger, wait, report. A second
one, the watcher, ends the process at a signal or the deadline, whatever this one is blocked in. */

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

use api::client::{Client, Gate};
use api::wire::{Run, Triggered, trigger_request};
use input::args::{self, Args, Command, DEFAULT_TIMEOUT, Job};
use input::{message, settings::Settings};
use output::exit::{Error, Exit, ensure, error};
use output::{report::Outcome, sink::Sink, sink::resolve, terminal::Console};
use run::state::{Phase, Shared};
use run::{check::check, retry::Api, run_file::RunFile, trigger::trigger, wait::until_over, watch};
use std::{
    env, io::ErrorKind, mem, path::Path, process::ExitCode, sync::Arc, thread, time::Duration,
    time::Instant,
};

/// Longest that a result waits for the progress line to be taken off the screen.
const CLEARING: Duration = Duration::from_millis(100);
/// Longest that a success waits for the details of `-v` to be read.
const LAST_DETAILS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let started = Instant::now();
    let command = args::parse(env::args_os().skip(1));
    let shared = Arc::new(share(&command, started));
    let watch = || {
        watch::start(&shared).map_err(|why| error!(Usage: "cannot start: {why}; nothing was sent"))
    };
    let outcome = match command {
        Ok(Command::Print(text)) => Ok(Outcome::Line(text.trim_end().to_owned())),
        Ok(Command::Run(args)) => watch().and_then(|()| follow(&shared, args)),
        Err(error) => watch().and(Err(error)),
    };
    ExitCode::from(conclude(&shared, &outcome).code())
}

/// What the watcher shares, as far as the command line says.
fn share(command: &Result<Command, Error>, started: Instant) -> Shared {
    let (timeout, json, verbosity, quiet) = match command {
        Ok(Command::Run(args)) => (args.timeout, args.json, args.verbosity, args.quiet),
        _ => (Some(DEFAULT_TIMEOUT), false, 0, true),
    };
    Shared::new(
        started,
        timeout,
        json,
        Console::new(started, verbosity, quiet),
    )
}

fn follow(shared: &Arc<Shared>, args: Args) -> Result<Outcome, Error> {
    let waiting = |what: String| shared.trouble(what);
    let starts = matches!(args.job, Job::Trigger { .. });
    let settings = Settings::read(args.agent_id, starts, &waiting)?;
    let _ = shared.console.token.set(Arc::clone(&settings.token));
    let _ = shared.sink.set(Sink::open(args.output.as_deref())?);
    shared.trouble(None);
    {
        let facts = &mut shared.lock().facts;
        facts.agent_id.clone_from(&settings.agent_id);
        facts.page = settings.page(None);
    }
    let host = settings.host();
    shared.console.detail(|| format!("api: {host}"));
    let api = Api {
        client: connect(shared, &settings, starts),
        host,
        token: &settings.token,
        shared,
    };
    let wait_for = |run: &Run, resumed| until_over(&api, run, resumed, args.interval);
    match args.job {
        Job::Check => check(&api, settings.agent_id.as_ref()).map(Outcome::Line),
        Job::Resume(run) => {
            shared.lock().started(&run);
            wait_for(&run, true)
        }
        Job::Trigger {
            source,
            conversation_id,
            fields,
            wait,
            run_file,
        } => {
            let message = message::read(source, &waiting)?;
            let body = trigger_request(
                &message,
                settings.agent_id.as_ref(),
                conversation_id.as_ref(),
                &fields,
            )
            .map_err(|why| error!(Usage: "the request cannot be written as JSON: {why}"))?;
            drop(message);
            shared.trouble(None);
            let known = run_file
                .map(|path| claim(shared, &settings, &path, &body))
                .transpose()?
                .flatten();
            let is_new = known.is_none();
            let mut triggered = known.map_or_else(|| trigger(&api, &body), Ok)?;
            drop(body);
            note_run(shared, &settings, &mut triggered, is_new);
            if wait {
                wait_for(&triggered.run, false)
            } else {
                Ok(Outcome::Started)
            }
        }
    }
}

/// The client. Before the first byte of a trigger goes out, it is written down that a run may be on.
fn connect(shared: &Arc<Shared>, settings: &Settings, starts: bool) -> Client {
    let shared = Arc::clone(shared);
    let gate = move || {
        if starts && shared.lock().phase == Phase::Unsent {
            // Nothing begins after the deadline: the watcher is about to end the process.
            while shared.remaining() == Some(Duration::ZERO) {
                thread::park();
            }
            shared.run_file.get().map_or(Ok(()), RunFile::announce)?;
            shared.lock().phase = Phase::Sent;
        }
        Ok(())
    };
    let (base_url, token) = (settings.base_url.clone(), Arc::clone(&settings.token));
    Client::new(
        base_url,
        token,
        settings.proxy.clone(),
        settings.roots.clone(),
        Gate(Arc::new(gate)),
    )
}

/// The run that an earlier process started for this command and this run file, if there was one.
fn claim(
    shared: &Shared,
    settings: &Settings,
    path: &Path,
    body: &[u8],
) -> Result<Option<Triggered>, Error> {
    let is_result = matches!(shared.sink.get(), Some(Sink::File { path: result, .. }) if *result == resolve(path));
    ensure!(!is_result, Usage: "--run-file and --output name one file; give each its own");
    let page = shared.lock().facts.place_to_look().to_owned();
    let (run_file, known) = RunFile::claim(path, &settings.base_url, body, &page)?;
    let _ = shared.run_file.set(run_file);
    Ok(known)
}

/// Takes note of the run that was started, now or earlier.
fn note_run(shared: &Shared, settings: &Settings, triggered: &mut Triggered, is_new: bool) {
    triggered.state = triggered
        .state
        .take()
        .map(|state| settings.token.clean(&state));
    let (console, run, state) = (&shared.console, &triggered.run, &triggered.state);
    let page = settings.page(triggered.conversation_id.as_ref());
    let (person, place) = {
        let mut now = shared.lock();
        now.started(run);
        now.facts
            .conversation_id
            .clone_from(&triggered.conversation_id);
        now.facts.state.clone_from(state);
        now.facts.page.clone_from(&page);
        (now.person(), now.facts.place_to_look().to_owned())
    };
    if let Some(run_file) = shared.run_file.get().filter(|_| is_new)
        && let Err(why) = run_file.record(triggered)
    {
        let (path, unknown) = (
            run_file.path.display(),
            format!("it does not know of the run {run}, which is on"),
        );
        console.say(format!(
            "warning: cannot write --run-file {path}: {why}; {unknown}"
        ));
    }
    console.detail(|| {
        format!(
            "run: {run}, state: {}",
            state.as_deref().unwrap_or("not said")
        )
    });
    page.iter()
        .for_each(|page| console.detail(|| format!("page: {page}")));
    person
        .iter()
        .for_each(|person| console.say(format!("{person}; see {place}")));
}

/// Writes the result, then whatever there is to say, and fixes the exit code.
fn conclude(shared: &Shared, outcome: &Result<Outcome, Error>) -> Exit {
    let console = &shared.console;
    console.clear(CLEARING);
    let facts = shared.lock().facts.clone();
    match outcome {
        Ok(_) => shared.lock().phase = Phase::Telling,
        // Said by the watcher, if what is written first is held up.
        Err(error) => shared.settle(error.exit, facts.words(error)),
    }
    let told = shared.tell(outcome.as_ref(), &facts);
    let is_over = match outcome {
        Ok(outcome) => !matches!(outcome, Outcome::Started),
        Err(error) => error.exit == Exit::Failed,
    };
    // A reader that had enough is content where nothing else is left to be done with the run.
    let lost = told
        .err()
        .filter(|why| why.kind() != ErrorKind::BrokenPipe || !is_over);
    let lost =
        lost.map(|why| format!("cannot write the result to {}: {why}", shared.sink().name()));
    let is_told = lost.is_none();
    let (exit, words) = match (outcome, lost) {
        (Ok(_), None) => (Exit::Success, Vec::new()),
        (Ok(outcome), Some(lost)) => {
            let exit = if matches!(outcome, Outcome::Line(_)) {
                Exit::Usage
            } else {
                Exit::Unknown
            };
            (exit, facts.words(&Error::new(exit, lost)))
        }
        (Err(error), lost) => {
            let mut words = facts.words(error);
            // What failed is over, and only what was not told of it is worth taking up again.
            let resume_line = facts
                .resume_line()
                .filter(|_| lost.is_some() && error.exit == Exit::Failed);
            words.splice(1..1, lost);
            words.extend(resume_line);
            (error.exit, words)
        }
    };
    shared.settle(exit, words);
    let words = mem::take(&mut shared.lock().words);
    words.into_iter().for_each(|line| console.say(line));
    // Details that nobody reads do not hold up a success; what else there is to say waits for its reader.
    console.flush((exit == Exit::Success).then_some(LAST_DETAILS));
    let is_done = match exit {
        Exit::Success | Exit::Failed => is_over && is_told,
        Exit::Usage | Exit::Refused | Exit::Unreachable => facts.run.is_none(),
        _ => false,
    };
    if let Some(run_file) = shared.run_file.get().filter(|_| is_done)
        && let Err(why) = run_file.remove()
    {
        let path = run_file.path.display();
        console.say(format!(
            "warning: cannot remove --run-file {path}: {why}; remove it"
        ));
        console.flush(None);
    }
    exit
}
