/*! The three things that the command does: check, resume, start. */

use crate::api::ids::{Id, TaskId};
use crate::api::time::Millis;
use crate::api::trigger::StartedRun;
use crate::cli::args::TriggerArgs;
use crate::cli::values::Resume;
use crate::config::settings::Settings;
use crate::error::{Error, RunState};
use crate::output::report::Outcome;
use crate::run::api::Api;
use crate::run::check::{Checked, check};
use crate::run::find::find;
use crate::run::origin::{Kind, Origin};
use crate::run::request::{Draft, Request};
use crate::run::target::Target;
use crate::run::task::{TaskWatch, report_waiting};
use crate::run::trigger::trigger;
use crate::run::upload::upload_all;
use crate::run::wait::wait_for_end;
use crate::session::Session;
use crate::session::entry::{Announcement, Entry};
use std::path::Path;
use std::time::Duration;

/// A command whose settings are known to be good.
pub struct Command<'a> {
    pub api: &'a Api<'a>,
    pub settings: &'a Settings,
    pub interval: Option<Duration>,
}

/// What an earlier process with the same run file left to do, or none.
enum Earlier {
    /// The trigger is to be sent, with this name.
    Nothing {
        new_name: Option<String>,
    },
    Started {
        run: StartedRun,
        origin: Origin,
    },
}

impl Command<'_> {
    fn session(&self) -> &Session {
        self.api.session
    }

    /// `--check`.
    pub fn check(&self, tool_id: Option<&Id>) -> Result<Outcome, Error> {
        let checked = match (tool_id, &self.settings.agent_id) {
            (Some(tool_id), _) => Checked::Tool(tool_id),
            (None, Some(agent_id)) => Checked::Agent(agent_id),
            (None, None) => Checked::Nothing,
        };
        check(self.api, self.settings.token.project(), &checked).map(Outcome::Checked)
    }

    /// `--resume`: starts nothing.
    pub fn resume(&self, resume: Resume) -> Result<Outcome, Error> {
        let (run_id, conversation_id) = match resume {
            Resume::Run(run_id) => (Some(run_id), None),
            Resume::Page(page) => (None, page.conversation_id),
            Resume::Conversation(conversation_id) => (None, Some(conversation_id)),
        };
        let run = StartedRun {
            run_id,
            conversation_id,
            state: None,
        };
        self.note_agent(run.conversation_id.as_ref());
        self.session().started(run.clone());
        let target = Target {
            task: self.task_of(&run, None),
            run_id: run.run_id,
            is_resumed: true,
            is_tool: false,
        };
        wait_for_end(self.api, target, self.interval)
    }

    /// Starts a run, or resumes the one that the run file names.
    pub fn start(&self, args: TriggerArgs) -> Result<Outcome, Error> {
        let (wait, run_file) = (args.wait, args.run_file.clone());
        let draft = Draft::read(args, self.settings, self.session())?;
        self.note_agent(None);
        let began_at = Millis::at(self.session().started_at);
        let earlier = match run_file {
            Some(path) => self.claim(&path, &draft, began_at)?,
            None => Earlier::Nothing { new_name: None },
        };
        let (run, origin) = match earlier {
            Earlier::Started { run, origin } => (run, origin),
            Earlier::Nothing { new_name } => {
                let attachments =
                    upload_all(self.api, &self.settings.network, draft.attachments())?;
                let mut request = draft.into_request(&attachments, new_name, began_at)?;
                (self.trigger(&mut request)?, request.origin)
            }
        };
        if !wait {
            return Ok(Outcome::Started(self.session().known().printed_id()));
        }
        let target = Target {
            task: self.task_of(&run, Some(&origin)),
            run_id: run.run_id,
            is_resumed: false,
            is_tool: matches!(origin.kind, Kind::Tool(_)),
        };
        wait_for_end(self.api, target, self.interval)
    }

    /// Claims the run file, and finds out what an earlier process did for this request.
    /// Errors: it cannot be used; or a trigger was about to be sent, and its run is not found.
    fn claim(&self, path: &Path, draft: &Draft, began_at: Millis) -> Result<Earlier, Error> {
        let session = self.session();
        let fingerprint = draft.fingerprint(&self.settings.base_url.to_string(), session)?;
        let new_name = draft.new_name()?;
        let next = Announcement {
            name: new_name.clone(),
            began_at: Some(began_at),
        };
        match session.claim(path, &fingerprint, &next)? {
            Entry::Empty => Ok(Earlier::Nothing { new_name }),
            Entry::Started(run, announced) => {
                let origin = draft.origin(announced.began_at);
                self.note_run(&run);
                Ok(Earlier::Started { run, origin })
            }
            Entry::Announced(announced) => {
                let origin = draft.origin(announced.began_at);
                let name = draft.name(announced.name);
                let run =
                    find(self.api, &origin, name.as_ref()).ok_or_else(|| self.still_lost(path))?;
                self.note_found(&run);
                Ok(Earlier::Started { run, origin })
            }
        }
    }

    /// An earlier attempt ended while sending the trigger, and its run is not found.
    fn still_lost(&self, path: &Path) -> Error {
        let path = path.display();
        let known = self.session().known();
        let place = known.place();
        Error::unknown(format!(
            "--run-file {path}: an earlier attempt ended while sending the trigger"
        ))
        .state(RunState::MayHaveStarted)
        .next(format!(
            "check {place}: if the run is there, wait for it there and remove {path}; if not, \
             remove {path} and repeat the command"
        ))
    }

    /// Sends the trigger; where its reply is lost, looks for the run.
    fn trigger(&self, request: &mut Request) -> Result<StartedRun, Error> {
        let error = match trigger(self.api, request) {
            Ok(run) => {
                self.note_new(&run);
                return Ok(run);
            }
            Err(error) => error,
        };
        if self.session().is_unsent() {
            return Err(error);
        }
        self.session().set_last_error(error.what.clone());
        let found = find(self.api, &request.origin, request.name.as_ref());
        if let Some(run) = &found {
            self.note_found(run);
        }
        found.ok_or(error)
    }

    /// Takes note of a run that this command started.
    fn note_new(&self, run: &StartedRun) {
        self.note_run(run);
        self.session().record();
        if self.settings.is_ci && !self.session().is_quiet() {
            self.report_run("the run was started");
        }
    }

    /// Takes note of a run that was looked for.
    fn note_found(&self, run: &StartedRun) {
        self.note_run(run);
        self.session().clear_last_error();
        self.session().record();
        if !self.session().is_quiet() {
            self.report_run("the reply to the trigger was lost, and its run was found");
        }
    }

    /// One line with the URL of the run, or with what else is known of it.
    fn report_run(&self, what: &str) {
        let known = self.session().known();
        let line = match &known.url {
            Some(url) => format!("{what}; see {url}"),
            None => format!("{what}: {}", known.printed_id()),
        };
        self.session().stderr.message(line);
    }

    /// Takes note of a run, started now or earlier.
    fn note_run(&self, run: &StartedRun) {
        let session = self.session();
        self.note_agent(run.conversation_id.as_ref());
        session.started(run.clone());
        let known = session.known();
        session.stderr.log(|| {
            let id = run
                .run_id
                .as_ref()
                .map_or("unknown".to_owned(), ToString::to_string);
            let state = known
                .state
                .as_ref()
                .map(|state| session.redactor.quote(&state.word));
            format!(
                "run: {id}, state: {}",
                state.as_deref().unwrap_or("unknown")
            )
        });
        if let Some(url) = &known.url {
            session.stderr.log(|| format!("url: {url}"));
        }
        report_waiting(self.api, &known);
    }

    /// Takes note of the agent, and of the page of its conversation, once that is known.
    fn note_agent(&self, conversation_id: Option<&Id>) {
        let agent_id = self.settings.agent_id.clone();
        let url = agent_id
            .as_ref()
            .and_then(|id| self.settings.page(id, conversation_id));
        self.session().set_agent(agent_id, url);
    }

    /// The task of a run, as far as it is known.
    fn task_of(&self, run: &StartedRun, origin: Option<&Origin>) -> Option<TaskWatch<'_>> {
        let task = TaskId {
            agent_id: self.settings.agent_id.clone()?,
            conversation_id: run.conversation_id.clone()?,
        };
        Some(TaskWatch::new(
            self.api,
            task,
            origin.cloned(),
            self.interval,
        ))
    }
}
