/*!
What the environment says: token, region, API and agent, checked before anything is sent.
*/

use std::net::IpAddr;
use std::sync::Arc;

use ureq::Proxy;
use ureq::http::Uri;
use ureq::tls::RootCerts;

use super::args::parse_agent;
use super::env::{first, first_or_file};
use super::network::{self, has_sound_port};
use crate::api::token::Token;
use crate::api::wire::Id;
use crate::output::exit::{Error, error};

/// The regions that have a name (API.md).
const NAMED_REGIONS: [(&str, &str); 3] = [("us", "bcbe5a"), ("eu", "d7b62b"), ("au", "f1db6c")];
/// A region code is short; this is far beyond any known.
const MAX_REGION_LENGTH: usize = 32;

/// What the environment says.
pub struct Settings {
    pub token: Arc<Token>,
    /// The API, without a slash at the end.
    pub base_url: String,
    /// `None` where `RELEVANCE_BASE_URL` makes it unnecessary.
    pub region: Option<String>,
    /// The agent, from the command line or the environment; there is one where one is needed.
    pub agent_id: Option<Id>,
    /// The proxy for the API, with `NO_PROXY` applied already.
    pub proxy: Option<Proxy>,
    pub roots: RootCerts,
}

impl Settings {
    /// Reads the environment, and the files that it names; `waiting` is told before each, since that may block.
    ///
    /// # Errors
    /// A usage error for whatever is malformed or unreadable, and one for all that is missing, with what to set.
    pub fn read(agent_id: Option<Id>, needs_agent: bool, waiting: &dyn Fn(String)) -> Result<Settings, Error> {
        let token = token(waiting)?;
        let region = region()?;
        let base_url = match first(&["RELEVANCE_BASE_URL"])? {
            Some((_, url)) => Some(parse_base_url(&url)?),
            None => region.as_ref().map(|it| format!("https://api-{it}.stack.tryrelevance.com/latest")),
        };
        let variable = first(&["RELEVANCE_AGENT_ID"])?;
        let variable = variable.map(|(_, id)| parse_agent(&id)).transpose()?;
        let agent_id = agent_id.or(variable);
        let missing: Vec<&str> = [
            (
                token.is_none(),
                "no key: set RELEVANCE_AUTH_TOKEN to the authorization token (project:key) of your API-keys page",
            ),
            (base_url.is_none(), "no region: set RELEVANCE_REGION to us, eu, au or the code on your API-keys page"),
            (needs_agent && agent_id.is_none(), "no agent: give --agent ID or set RELEVANCE_AGENT_ID"),
        ]
        .into_iter()
        .filter_map(|(is_missing, what)| is_missing.then_some(what))
        .collect();
        let (Some(token), Some(base_url), true) = (token, base_url, missing.is_empty()) else {
            return Err(error!(Usage, "{}", missing.join("; ")));
        };
        Ok(Settings {
            token: Arc::new(token),
            region,
            agent_id,
            proxy: network::proxy(&base_url)?,
            base_url,
            roots: network::roots(waiting)?,
        })
    }

    /// The host, and port if any, that requests go to, and the proxy on the way; without credentials.
    pub fn host(&self) -> String {
        let host = self.base_url.split('/').nth(2).unwrap_or_default();
        match &self.proxy {
            Some(proxy) => format!("{host} through the proxy {}:{}", proxy.host(), proxy.port()),
            None => host.to_owned(),
        }
    }

    /// Where a person can look at an agent, or at one conversation with it.
    pub fn page(&self, conversation_id: Option<&Id>) -> Option<String> {
        let (region, agent_id) = (self.region.as_ref()?, self.agent_id.as_ref()?);
        let project = self.token.project();
        let page = format!("https://app.relevanceai.com/agents/{region}/{project}/{agent_id}");
        Some(match conversation_id {
            Some(id) => format!("{page}/{id}"),
            None => page,
        })
    }
}

fn token(waiting: &dyn Fn(String)) -> Result<Option<Token>, Error> {
    let token = |name: &str, text: &str| Token::new(text).map(Some).map_err(|why| error!(Usage, "{name} {why}"));
    let names = ["RELEVANCE_AUTH_TOKEN", "RELEVANCE_AUTH_TOKEN_FILE"];
    if let Some((name, text)) = first_or_file(names[0], names[1], waiting)? {
        return token(name, &text);
    }
    let key = match first_or_file("RELEVANCE_API_KEY", "RELEVANCE_API_KEY_FILE", waiting)? {
        Some(key) => Some(key),
        None => first(&["RAI_API_KEY"])?,
    };
    let Some((name, key)) = key else { return Ok(None) };
    if key.contains(':') {
        return token(name, &key);
    }
    // Checked with a stand-in first, so that a malformed key is said before a missing project.
    token(name, &format!("project:{key}"))?;
    let names = ["RELEVANCE_PROJECT", "RELEVANCE_PROJECT_ID", "RAI_PROJECT"];
    let Some((project_name, project)) = first(&names)? else {
        return Err(error!(Usage, "{name} is a key without its project: set RELEVANCE_PROJECT to the project's id"));
    };
    if project.contains(':') {
        return Err(error!(Usage, "{project_name} holds a ':'; set it to the project's id alone"));
    }
    token(project_name, &format!("{project}:{key}"))
}

fn region() -> Result<Option<String>, Error> {
    let Some((name, region)) = first(&["RELEVANCE_REGION", "RAI_REGION"])? else {
        return Ok(None);
    };
    let region = region.to_ascii_lowercase();
    if let Some((_, code)) = NAMED_REGIONS.iter().find(|(named, _)| *named == region) {
        return Ok(Some((*code).to_owned()));
    }
    if region.len() > MAX_REGION_LENGTH || !region.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(error!(
            Usage,
            "{name} is not a region: set it to us, eu, au or the code on your API-keys page, such as bcbe5a"
        ));
    }
    Ok(Some(region))
}

/// The API's URL, without a slash at the end.
fn parse_base_url(text: &str) -> Result<String, Error> {
    let bad = |why: &str| Err(error!(Usage, "RELEVANCE_BASE_URL {why}"));
    let Ok(url) = text.parse::<Uri>() else {
        return bad("is not a URL; set it to https://HOST[:PORT]/PATH");
    };
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return bad("has no scheme or no host; set it to https://HOST[:PORT]/PATH");
    };
    if !has_sound_port(authority) {
        return bad("has no host or a bad port; set it to https://HOST[:PORT]/PATH");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if authority.as_str().contains('@') || url.query().is_some() || text.contains('#') {
        return bad("has a user, a query or a fragment; leave only https://HOST[:PORT]/PATH");
    }
    match scheme {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return bad("is plain http, which would show the key to the network; use https://");
        }
        _ => return bad("is neither https nor http; set it to https://HOST[:PORT]/PATH"),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        for (text, accepted) in [
            ("https://api.example.com/latest/", true),
            ("https://api.example.com:8443", true),
            ("http://127.0.0.1:8080/latest", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1/latest", true),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://example.com", false),
            ("http://0x7f.1/", false),
            ("https://user:password@example.com/", false),
            ("https://example.com/?a=b", false),
            ("https://example.com/#a", false),
            ("https://example.com:port/", false),
            ("https://:443/", false),
            ("ftp://example.com/", false),
            ("example.com", false),
            ("/latest", false),
            ("", false),
        ] {
            assert_eq!(parse_base_url(text).is_ok(), accepted, "{text}");
        }
    }
}
