/*!
`relevance-run` triggers a Relevance AI agent, waits for its run to end, prints the answer and exits with a code that
says what happened.

One thread does the work, straight through and blocking: read the message, trigger, poll, write. The main thread
watches over it for a signal or the deadline, and ends the process whatever the other is blocked in: a name lookup,
a half-open connection, a full pipe.
*/

mod args;
mod client;
mod error;
mod outcome;
mod pace;
mod progress;
mod session;
mod settings;
mod signals;
mod terminal;
mod token;
mod wait;
mod wire;

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::mem;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use args::{Args, Command, Job, Source};
use error::{Error, Exit, error};
use outcome::Outcome;
use progress::{Facts, Stage};
use session::Session;
use wire::{Run, TriggerRequest};

/// Longest message, in bytes: as much as a response may have.
const MAX_MESSAGE: u64 = 64 << 20;
/// Longest that the end waits for a result that is being written.
const LAST_WRITE: Duration = Duration::from_millis(100);
/// Longest that the end waits for its own messages to be taken.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the main thread waits for.
enum Event {
    Done(Exit),
    Signal(u8),
}

fn main() -> ExitCode {
    let started = Instant::now();
    let exit = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Print(text)) => print(text),
        Ok(Command::Run(args)) => run(args, started),
        Err(error) => Err(error),
    };
    let exit = exit.unwrap_or_else(|error| {
        terminal::complain(&error.message);
        error.exit
    });
    ExitCode::from(exit.code())
}

/// Prints the help or the version.
fn print(text: &str) -> Result<Exit, Error> {
    match terminal::print(text) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(error!(Usage, "cannot write to standard output: {why}"))
        }
        _ => Ok(Exit::Success),
    }
}

/// Everything after the command line: a thread that works, and this one, which watches over it.
fn run(args: Args, started: Instant) -> Result<Exit, Error> {
    let session = Arc::new(Session::new(&args, started)?);
    let (events, inbox) = mpsc::channel();
    let signalled = events.clone();
    let cannot_start = |why: io::Error| error!(Usage, "cannot start: {why}; nothing was sent");
    signals::forward(move |signal| drop(signalled.send(Event::Signal(signal))))
        .map_err(cannot_start)?;
    let working = Arc::clone(&session);
    let worker = thread::Builder::new().spawn(move || {
        let result = work(&working, args);
        // From here on the result is written by this thread alone, and the lock is free for the main thread.
        let facts = {
            let mut facts = working.progress.lock();
            let known = facts.clone();
            facts.stage = Stage::Reporting;
            known
        };
        drop(events.send(Event::Done(working.report(result, &facts))));
    });
    worker.map_err(cannot_start)?;
    Ok(watch(&inbox, &session))
}

/// Waits for the worker to be done, a signal, or the deadline, whichever is first.
fn watch(inbox: &mpsc::Receiver<Event>, session: &Session) -> Exit {
    let (console, deadline) = (&session.console, session.deadline);
    loop {
        let waits = [deadline.remaining(), console.next_tick()];
        let event = match waits.into_iter().flatten().min() {
            Some(wait) => inbox.recv_timeout(wait),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        // While this is held no trigger begins.
        let facts = session.progress.lock();
        let (signal, what) = match event {
            Ok(Event::Done(exit)) => return exit,
            Ok(Event::Signal(signal)) => (Some(signal), format!("ended by signal {signal}")),
            Err(_) if deadline.remaining() == Some(Duration::ZERO) => {
                (None, format!("the timeout of {:?} passed", deadline.timeout))
            }
            Err(_) => {
                let status = status(&facts, session.started);
                drop(facts);
                console.tick(&status);
                continue;
            }
        };
        // A result that is being written is nearly always written by now.
        if facts.stage == Stage::Reporting
            && let Ok(Event::Done(exit)) = inbox.recv_timeout(LAST_WRITE)
        {
            return exit;
        }
        // Nothing remains of one that is not.
        drop(session.sink.discard());
        let error = facts.cut_short(signal, &what, &session.settings);
        // If nobody reads what is said now, that does not hold up the end.
        let code = error.exit.code();
        let last_words = thread::Builder::new().spawn(move || {
            thread::sleep(LAST_WORDS);
            process::exit(code.into());
        });
        drop(last_words);
        let exit = session.report(Err(error), &facts);
        // Held to the very end: what was just said to be unsent stays so while the process goes down.
        mem::forget(facts);
        return exit;
    }
}

/// The progress line, and the heartbeat of `--verbose`.
fn status(facts: &Facts, started: Instant) -> String {
    let seconds = started.elapsed().as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("waiting {hours}:{minutes:02}:{seconds:02}, {} polls", facts.polls)
}

/// The whole job: message, trigger, wait.
fn work(session: &Session, args: Args) -> Result<Outcome, Error> {
    session.console.detail(|| format!("api: {}", session.settings.place()));
    match args.job {
        Job::Resume(run) => {
            {
                let mut facts = session.progress.lock();
                facts.agent_id = args.agent_id;
                facts.run = Some(run.clone());
                facts.stage = Stage::Started;
            }
            wait_for(session, &run, true)
        }
        Job::Trigger { source, conversation_id, fields, wait } => {
            let Some(agent_id) = args.agent_id.or_else(|| session.settings.agent_id.clone()) else {
                return Err(error!(Usage, "no agent: give --agent ID or set RELEVANCE_AGENT_ID"));
            };
            let message = read_message(source)?;
            let request = TriggerRequest {
                message: &message,
                agent_id: &agent_id,
                conversation_id: conversation_id.as_ref(),
                fields: &fields,
            };
            let body = serde_json::to_vec(&request)
                .map_err(|why| error!(Usage, "the request cannot be written as JSON: {why}"))?;
            session.progress.lock().agent_id = Some(agent_id.clone());
            let triggered = session.trigger(&body)?;
            session.console.detail(|| {
                let state = triggered.state.as_deref().unwrap_or("not said");
                format!("run: {}, state: {}", triggered.run, session.settings.token.clean(state))
            });
            if let Some(page) = session.settings.page(&agent_id, triggered.conversation_id.as_ref())
            {
                session.console.detail(|| format!("page: {page}"));
            }
            match wait {
                true => wait_for(session, &triggered.run, false),
                false => Ok(Outcome::Started),
            }
        }
    }
}

fn wait_for(session: &Session, run: &Run, resumed: bool) -> Result<Outcome, Error> {
    Outcome::of(session.wait(run, resumed)?, &session.settings)
}

/// The message, exactly as it was given.
fn read_message(source: Source) -> Result<String, Error> {
    let (name, read) = match source {
        Source::Text(text) => ("the message".to_owned(), Ok(text.into_bytes())),
        Source::Unsaid if io::stdin().is_terminal() => {
            return Err(error!(
                Usage,
                "no message: give it as an argument, with --file, or through a pipe on standard input"
            ));
        }
        Source::Unsaid | Source::File(None) => {
            ("standard input".to_owned(), read_limited(io::stdin()))
        }
        Source::File(Some(path)) => {
            let name = format!("--file {}", path.display());
            (name, File::open(path).and_then(read_limited))
        }
    };
    let bytes = read.map_err(|why| error!(Usage, "cannot read {name}: {why}; nothing was sent"))?;
    if bytes.len() as u64 > MAX_MESSAGE {
        return Err(error!(Usage, "{name} is longer than 64 MiB; shorten it"));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        error!(Usage, "{name} is not UTF-8 text; convert it first, for example with iconv")
    })?;
    if text.trim().is_empty() {
        return Err(error!(
            Usage,
            "{name} is empty; say something to the agent (in a crontab, write \\% for %)"
        ));
    }
    Ok(text)
}

fn read_limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_MESSAGE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
