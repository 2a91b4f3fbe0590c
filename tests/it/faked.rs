/*! The binary against the fake API, whose replies a test may lose on their way. */

use std::sync::Arc;

use crate::command::{Cmd, bare};
use fake::api::{Api, Scenario, TOKEN};
use fake::server::{Reply, Request, Server};

pub const RESUME: &str = "relevance-run: resume with: relevance-run";
/// Where the pages of the fake API's agent are.
pub const PAGES: &str = "https://app.relevanceai.com/agents/bcbe5a/demo-project/agent-1";

/// What is printed of a run that was found.
pub const FOUND: &str =
    "relevance-run: the reply to the trigger was lost, and its run was found; see";

pub struct Faked {
    pub api: Arc<Api>,
    server: Server,
}

/// The fake API as this scenario has it.
pub fn faked(scenario: Scenario) -> Faked {
    faked_with(scenario, |api, request| api.answer(request))
}

/// The same, where `lost` comes instead of each reply to a trigger, which is carried out.
pub fn losing(scenario: Scenario, lost: Reply) -> Faked {
    faked_with(scenario, move |api, request| {
        let reply = api.answer(request);
        if request.is_trigger() {
            return lost.clone();
        }
        reply
    })
}

/// The same, where `answer` makes the replies.
pub fn faked_with(
    scenario: Scenario,
    answer: impl Fn(&Api, &Request) -> Reply + Send + Sync + 'static,
) -> Faked {
    let api = Arc::new(Api::new(scenario));
    let answering = Arc::clone(&api);
    let server = Server::on("127.0.0.1:0", move |request| answer(&answering, &request));
    Faked {
        api,
        server: server.unwrap(),
    }
}

impl Faked {
    /// The command of a user of it.
    pub fn command(&self) -> Cmd {
        let url = format!("http://localhost:{}/latest", self.server.address.port());
        bare()
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_BASE_URL", url)
            .env("RELEVANCE_REGION", "us")
            .env("RELEVANCE_AGENT_ID", "agent-1")
    }

    /// The requests whose path ends like this.
    pub fn requests(&self, end: &str) -> Vec<Request> {
        let mut requests = self.api.requests();
        requests.retain(|request| request.path().ends_with(end));
        requests
    }

    /// The bodies of the triggers.
    pub fn bodies(&self) -> Vec<serde_json::Value> {
        let requests = self.api.requests();
        let triggers = requests.iter().filter(|request| request.is_trigger());
        triggers.map(Request::json).collect()
    }
}
