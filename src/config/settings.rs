/*! Token, region, API and agent. */

use super::env::{Named, OnRead, first, first_or_file};
use super::network::Network;
use super::region;
use crate::api::base_url::{SafeUrl, UrlProblem};
use crate::api::client::Access;
use crate::api::ids::{Id, PageUrl, is_url};
use crate::cli::values::parse_id;
use crate::error::Error;
use crate::text::token::Token;
use std::env;
use std::sync::Arc;

const BASE_URL: &str = "RELEVANCE_BASE_URL";
const AGENT_ID: &str = "RELEVANCE_AGENT_ID";
/// The form of a base URL.
const FORM: &str = "set it to https://HOST[:PORT]/PATH";

/// What the command line says that belongs to the settings.
pub struct Wanted<'a> {
    /// The value of `--agent`.
    pub agent: Option<&'a str>,
    pub agent_use: AgentUse,
    /// The page that `--resume` names.
    pub page: Option<&'a PageUrl>,
}

/// What an agent is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AgentUse {
    /// It is needed: that of `--agent`, else of `RELEVANCE_AGENT_ID`.
    Needed,
    /// The same, if there is one.
    IfThereIsOne,
    /// Only that of `--agent` counts.
    IfGiven,
}

/// What the environment says.
pub struct Settings {
    pub token: Arc<Token>,
    pub base_url: SafeUrl,
    /// `None` where `RELEVANCE_BASE_URL` makes it unnecessary.
    pub region: Option<String>,
    /// There is one where one is needed.
    pub agent_id: Option<Id>,
    pub network: Network,
    /// `CI` is set: a job that is killed is to leave a trace of the run.
    pub is_ci: bool,
    /// The variable that determines where the API is.
    host_variable: &'static str,
}

impl Settings {
    /// Reads the environment, and the files that it points to.
    /// Errors: a usage error for whatever is malformed or unreadable, or one for all that is
    /// missing.
    pub fn read(wanted: &Wanted, on_read: OnRead) -> Result<Settings, Error> {
        let token = token(on_read)?;
        let agent = agent(wanted)?;
        let agent_page = agent.as_ref().and_then(|agent| agent.page.as_ref());
        let page = wanted.page.or(agent_page);
        let base_url = base_url()?;
        let region = match (own_region()?, region_elsewhere(token.as_ref(), page)) {
            (Some(region), _) => Some(region),
            // Where the URL of the API is set, the region is only for the URL of the run.
            (None, elsewhere) if base_url.is_some() => elsewhere.unwrap_or_default(),
            (None, elsewhere) => elsewhere?,
        };
        let from_page = wanted.page.map(|page| page.agent_id.clone());
        let agent_id = from_page.or(agent.as_ref().map(|agent| agent.id.clone()));
        let has_agent = agent_id.is_some() || wanted.agent_use != AgentUse::Needed;
        let has_api = base_url.is_some() || region.is_some();
        let (Some(token), true, true) = (token.as_ref(), has_api, has_agent) else {
            return Err(missing(token.is_some(), has_api, has_agent));
        };
        let host_variable = if base_url.is_some() {
            BASE_URL
        } else {
            "RELEVANCE_REGION"
        };
        let base_url = match (base_url, &region) {
            (Some(base_url), _) => base_url,
            (None, region) => url_of(region.as_deref().unwrap_or_default())?,
        };
        for page in [wanted.page, agent_page].into_iter().flatten() {
            check_page(page, token, region.as_deref())?;
        }
        check_agents(wanted, agent.as_ref())?;
        Ok(Settings {
            token: Arc::clone(token),
            network: Network::read(on_read)?,
            is_ci: env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false"),
            base_url,
            region,
            agent_id,
            host_variable,
        })
    }

    /// How the API is reached.
    pub fn api(&self) -> Access {
        self.network
            .access(self.base_url.clone(), self.host_variable)
    }

    /// The web app's page of an agent, or of one conversation with it.
    pub fn page(&self, agent_id: &Id, conversation_id: Option<&Id>) -> Option<String> {
        let region = self.region.as_ref()?;
        Some(PageUrl::of(
            region,
            self.token.project(),
            agent_id,
            conversation_id,
        ))
    }
}

/// The error for all that is missing.
fn missing(has_token: bool, has_api: bool, has_agent: bool) -> Error {
    let mut parts = Vec::new();
    if !has_token {
        parts.push(
            "no API key: set RELEVANCE_AUTH_TOKEN to the authorization token (project:key) from \
             the Integrations & API Keys page, or RELEVANCE_AUTH_TOKEN_FILE to a file that \
             contains it",
        );
    }
    if !has_api {
        parts.push(
            "no region: set RELEVANCE_REGION to us, eu, au or the region code from the \
             Integrations & API Keys page",
        );
    }
    if !has_agent {
        parts.push("no agent: give --agent ID or set RELEVANCE_AGENT_ID");
    }
    Error::usage(parts.join("; "))
}

fn token(on_read: OnRead) -> Result<Option<Arc<Token>>, Error> {
    if let Some(found) =
        first_or_file("RELEVANCE_AUTH_TOKEN", "RELEVANCE_AUTH_TOKEN_FILE", on_read)?
    {
        return parse_token(found.name, &found.value).map(Some);
    }
    let key = match first_or_file("RELEVANCE_API_KEY", "RELEVANCE_API_KEY_FILE", on_read)? {
        Some(key) => key,
        None => match first(&["RAI_API_KEY"])? {
            Some(key) => key,
            None => return Ok(None),
        },
    };
    if key.value.contains(':') {
        return parse_token(key.name, &key.value).map(Some);
    }
    // Checked with a stand-in first, so that a malformed key is reported before a missing project.
    parse_token(key.name, &format!("project:{}", key.value))?;
    let names = ["RELEVANCE_PROJECT_ID", "RELEVANCE_PROJECT", "RAI_PROJECT"];
    let Some(project) = first(&names)? else {
        return Err(Error::usage(format!("{} also needs a project", key.name))
            .next("set RELEVANCE_PROJECT_ID to the project id"));
    };
    if project.value.contains(':') {
        return Err(Error::usage(format!("{} contains ':'", project.name))
            .next("set it to the project id only"));
    }
    parse_token(project.name, &format!("{}:{}", project.value, key.value)).map(Some)
}

fn parse_token(name: &str, text: &str) -> Result<Arc<Token>, Error> {
    Token::new(text)
        .map(Arc::new)
        .map_err(|why| Error::usage(format!("{name} {why}")))
}

fn own_region() -> Result<Option<String>, Error> {
    match first(&["RELEVANCE_REGION", "RAI_REGION"])? {
        Some(Named { name, value }) => region::parse(name, &value).map(Some),
        None => Ok(None),
    }
}

/// The region that the token or the URL of a page carries.
fn region_elsewhere(
    token: Option<&Arc<Token>>,
    page: Option<&PageUrl>,
) -> Result<Option<String>, Error> {
    if let Some(text) = token.and_then(|token| token.region()) {
        return region::parse("the third part of the token", text).map(Some);
    }
    match page {
        Some(page) => region::parse("the region in the agent's URL", &page.region).map(Some),
        None => Ok(None),
    }
}

/// The agent that was named.
struct Agent {
    id: Id,
    page: Option<PageUrl>,
}

fn agent(wanted: &Wanted) -> Result<Option<Agent>, Error> {
    let default = match wanted.agent {
        Some(_) => None,
        None => first(&[AGENT_ID])?.filter(|_| wanted.agent_use != AgentUse::IfGiven),
    };
    let (name, text) = match (wanted.agent, &default) {
        (Some(text), _) => ("--agent", text),
        (None, Some(Named { name, value })) => (*name, value.as_str()),
        (None, None) => return Ok(None),
    };
    if !is_url(text) {
        return Ok(Some(Agent {
            id: parse_id(name, text)?,
            page: None,
        }));
    }
    let Some(page) = PageUrl::parse(text) else {
        return Err(Error::usage(format!(
            "invalid {name}: this is not the URL of an agent's page"
        ))
        .next("use the agent id, or https://app.relevanceai.com/agents/REGION/PROJECT/AGENT_ID"));
    };
    Ok(Some(Agent {
        id: page.agent_id.clone(),
        page: Some(page),
    }))
}

/// Refuses `--resume` with the URL of a task of another agent than `--agent`.
fn check_agents(wanted: &Wanted, agent: Option<&Agent>) -> Result<(), Error> {
    match (wanted.page, agent) {
        (Some(page), Some(agent)) if page.agent_id != agent.id => {
            let (theirs, ours) = (&page.agent_id, &agent.id);
            let what = format!("--resume names a task of agent {theirs}, but --agent is {ours}");
            Err(Error::usage(what).next("remove --agent"))
        }
        _ => Ok(()),
    }
}

/// Refuses the URL of a page that belongs to another project or region than the settings.
fn check_page(page: &PageUrl, token: &Token, region: Option<&str>) -> Result<(), Error> {
    if page.project != token.project() {
        let what = format!(
            "the URL is for project {}, but the token is for project {}",
            page.project,
            token.project()
        );
        return Err(Error::usage(what).next("use a URL and a token from the same project"));
    }
    let theirs = region::parse("the region in the URL", &page.region)?;
    match region {
        Some(ours) if ours != theirs => {
            let what = format!("the URL is for region {theirs}, but the settings are for {ours}");
            Err(Error::usage(what).next("unset RELEVANCE_REGION, or use a URL from that region"))
        }
        _ => Ok(()),
    }
}

fn url_of(region: &str) -> Result<SafeUrl, Error> {
    let text = format!("https://api-{region}.stack.tryrelevance.com/latest");
    SafeUrl::parse_base(&text).map_err(|_| Error::usage("RELEVANCE_REGION is not a region"))
}

fn base_url() -> Result<Option<SafeUrl>, Error> {
    let Some(Named { value, .. }) = first(&[BASE_URL])? else {
        return Ok(None);
    };
    SafeUrl::parse_base(&value).map(Some).map_err(|problem| {
        let (what, next) = match problem {
            UrlProblem::NotAUrl => ("is not a URL", FORM),
            UrlProblem::BadHostOrPort => ("has no host or a bad port", FORM),
            UrlProblem::HasUser => ("must not contain a user", FORM),
            UrlProblem::HasQueryOrFragment => ("must not contain a query or fragment", FORM),
            UrlProblem::Unencrypted => (
                "uses http://, which would send the API key unencrypted",
                "use https:// (http:// is for localhost only)",
            ),
            UrlProblem::OtherScheme => ("is neither https:// nor http://", FORM),
        };
        Error::usage(format!("{BASE_URL} {what}")).next(next)
    })
}
