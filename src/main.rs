/*! `relevance-run` runs a Relevance AI agent or tool, waits for its run to end, prints the answer
and exits with a code that says whether the command may be repeated.

This thread is the story, straight through and blocking: arguments, settings, trigger, wait, report.
A second one, the watchdog, ends the process at a signal or the deadline, whatever this one is
doing. */

use relevance_run::api::client::Client;
use relevance_run::cli::args::{self, Args, DEFAULT_TIMEOUT, Mode, Parsed, Work};
use relevance_run::cli::values::Resume;
use relevance_run::command::Command;
use relevance_run::config::settings::{AgentUse, Settings, Wanted};
use relevance_run::error::Error;
use relevance_run::output::report::Outcome;
use relevance_run::output::sink::{GivenDescriptor, Sink};
use relevance_run::run::api::Api;
use relevance_run::session::{Options, Session, watchdog};
use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

fn main() -> ExitCode {
    let started_at = Instant::now();
    let parsed = args::parse(env::args_os().skip(1));
    let session = Session::new(started_at, options(&parsed));
    // Before this process opens anything, which might get the number of a descriptor that it was
    // not given.
    let given = match &parsed {
        Ok(Parsed::Run(args)) => args.output.as_deref().and_then(GivenDescriptor::of),
        _ => None,
    };
    let outcome = match parsed {
        Ok(Parsed::Text(text)) => Ok(Outcome::Text(text)),
        Ok(Parsed::Run(args)) => {
            watchdog::start(&session).and_then(|()| run(&session, *args, given))
        }
        // Standard error, on which it is printed, may block.
        Err(error) => watchdog::start(&session).and(Err(error)),
    };
    ExitCode::from(session.finish(outcome).code())
}

/// What the command line says of the session as a whole. What was not understood is reported, and
/// nothing else.
fn options(parsed: &Result<Parsed, Error>) -> Options {
    match parsed {
        Ok(Parsed::Run(args)) => Options {
            timeout: args.timeout,
            json: args.json,
            verbosity: args.verbosity,
            quiet: args.quiet,
        },
        _ => Options {
            timeout: Some(DEFAULT_TIMEOUT),
            json: false,
            verbosity: 0,
            quiet: true,
        },
    }
}

/// Everything that may take long, straight through. The watchdog may end the process at any line.
fn run(
    session: &Arc<Session>,
    args: Args,
    given: Option<GivenDescriptor>,
) -> Result<Outcome, Error> {
    // Until the redactor knows the key, it hides whatever looks like one: it may stand anywhere in
    // the settings.
    let settings = Settings::read(&wanted(&args), &|what| session.set_activity(what))?;
    session.redactor.learn(&settings.token);
    session.write_result_to(Sink::open(args.output.as_deref(), given)?);
    session.clear_activity();
    let sender = Arc::clone(session);
    let client = Client::new(
        settings.api(),
        Arc::clone(&settings.token),
        Box::new(move || sender.before_send()),
    );
    let api = Api { client, session };
    session.stderr.log(|| format!("api: {}", api.host()));
    let command = Command {
        api: &api,
        settings: &settings,
        interval: args.interval,
    };
    match args.mode {
        Mode::Check { tool_id } => command.check(tool_id.as_ref()),
        Mode::Resume(resume) => command.resume(resume),
        Mode::Trigger(trigger) => command.start(trigger),
    }
}

fn wanted(args: &Args) -> Wanted<'_> {
    let page = match &args.mode {
        Mode::Resume(Resume::Page(page)) => Some(page),
        _ => None,
    };
    let agent_use = match &args.mode {
        Mode::Trigger(trigger) if matches!(trigger.work, Work::Agent { .. }) => AgentUse::Needed,
        Mode::Resume(Resume::Conversation(_)) => AgentUse::Needed,
        Mode::Check { tool_id: None } => AgentUse::IfThereIsOne,
        Mode::Trigger(_) | Mode::Resume(_) | Mode::Check { .. } => AgentUse::IfGiven,
    };
    Wanted {
        agent: args.agent.as_deref(),
        agent_use,
        page,
    }
}
