/*! What is known of the run, whatever the outcome. */

use crate::api::ids::{Id, PageUrl, RunId};
use crate::api::task::{Meaning, TaskState};
use crate::api::trigger::StartedRun;
use crate::error::Remark;
use crate::text::visible::shell_word;
use std::path::PathBuf;

/// How far the trigger has come at the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Remote {
    /// No byte of a trigger has been sent, or each that was sent was rejected.
    #[default]
    Unsent,
    /// The trigger is on its way: a run may have been started.
    Sent,
    /// The run is known.
    Started(StartedRun),
}

/// What is known of the run.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub remote: Remote,
    pub agent_id: Option<Id>,
    /// The page of the task once that is known, else that of the agent.
    pub url: Option<String>,
    /// The task's state as last seen while the run was not over.
    pub state: Option<TaskState>,
    pub run_file: Option<PathBuf>,
}

impl Known {
    pub fn run(&self) -> Option<&StartedRun> {
        match &self.remote {
            Remote::Started(run) => Some(run),
            Remote::Unsent | Remote::Sent => None,
        }
    }

    pub fn run_id(&self) -> Option<&RunId> {
        self.run()?.run_id.as_ref()
    }

    pub fn conversation_id(&self) -> Option<&Id> {
        self.run()?.conversation_id.as_ref()
    }

    /// Where a person can look.
    pub fn place(&self) -> &str {
        match (&self.url, &self.agent_id) {
            (Some(url), _) => url,
            (None, Some(_)) => "the agent's tasks in the web app",
            (None, None) => "the runs in the web app",
        }
    }

    /// What to do when a trigger may have reached the API.
    pub fn check_before_repeating(&self) -> String {
        let place = self.place();
        match self.run_file {
            // With a run file a repeat looks for the run, and starts no other one.
            Some(_) => format!("check {place}, or repeat the same command to look for it again"),
            None => format!("check {place} before you repeat the command"),
        }
    }

    /// The state in which the run waits for a person, if it does.
    pub fn waits_for_person(&self) -> Option<&'static str> {
        let state = self.state.as_ref()?;
        state
            .known_word()
            .filter(|_| state.meaning == Meaning::WaitsForPerson)
    }

    /// The state of a task that was last seen to be over, although its job is in progress.
    pub fn task_over(&self) -> Option<&'static str> {
        let state = self.state.as_ref()?;
        let is_over = matches!(state.meaning, Meaning::Over | Meaning::Failed);
        state.known_word().filter(|_| is_over)
    }

    /// What is known of a run that continues, apart from its state.
    pub fn remark(&self) -> Option<Remark> {
        let waits = self.waits_for_person().map(Remark::WaitsForPerson);
        waits.or(self.task_over().map(Remark::TaskOver))
    }

    /// The lines that tell how to resume the run, the last one to be printed last.
    pub fn resume_lines(&self) -> Vec<String> {
        let Some(run) = self.resume_words() else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        if let Some(path) = &self.run_file {
            let path = path.display().to_string();
            let path = shell_word(&path);
            lines.push(format!(
                "to resume, repeat the same command (--run-file {path})"
            ));
        }
        lines.push(format!("resume with: relevance-run {run}"));
        lines
    }

    /// The options that resume the run: by its id, or where that is not known, or its task seems to
    /// be over already, by its task.
    fn resume_words(&self) -> Option<String> {
        self.run()?;
        let run = self.resume_target();
        let by_run = run.map(|run| {
            // An id may begin like an option.
            let separator = if run.starts_with('-') { '=' } else { ' ' };
            format!("--resume{separator}{}", shell_word(&run))
        });
        by_run.or_else(|| {
            let conversation_id = self.conversation_id()?;
            let agent_id = self.agent_id.as_ref()?;
            Some(format!("--agent={agent_id} --resume={conversation_id}"))
        })
    }

    /// A RUN for `--resume`, if one says it all.
    pub fn resume_target(&self) -> Option<String> {
        // The word of a page may stand where an id does, and then the URL does not name the task.
        let names_task =
            |url: &String| PageUrl::parse(url).is_some_and(|page| page.conversation_id.is_some());
        let by_task = self.url.clone().filter(names_task);
        match self.run_id() {
            Some(run_id) if self.task_over().is_none() => Some(run_id.to_string()),
            Some(run_id) => Some(by_task.unwrap_or_else(|| run_id.to_string())),
            None => by_task,
        }
    }

    /// What `--no-wait` prints: whatever resumes the run, or at least names it.
    pub fn printed_id(&self) -> String {
        let conversation_id = self.conversation_id().map(Id::to_string);
        self.resume_target().or(conversation_id).unwrap_or_default()
    }
}
