/*! What the environment says: token, region, API and agent, checked before anything is sent. */

use super::{args::parse_agent, env::first, env::first_or_file, network, network::has_sound_port};
use crate::api::{token::Token, wire::Id};
use crate::output::exit::{Error, ensure, error};
use std::{net::IpAddr, sync::Arc};
use ureq::{Proxy, http::Uri, tls::RootCerts};

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
    /// Errors: a usage error for whatever is malformed or unreadable, or one for all that is missing: what to set.
    pub fn read(
        agent_id: Option<Id>,
        needs_agent: bool,
        waiting: &dyn Fn(String),
    ) -> Result<Settings, Error> {
        let token = token(waiting)?;
        let region = region()?;
        let base_url = match first(&["RELEVANCE_BASE_URL"])? {
            Some((_, url)) => Some(parse_base_url(&url)?),
            None => region
                .as_ref()
                .map(|it| format!("https://api-{it}.stack.tryrelevance.com/latest")),
        };
        let variable = first(&["RELEVANCE_AGENT_ID"])?;
        let agent_id = agent_id.or(variable.map(|(_, id)| parse_agent(&id)).transpose()?);
        let no_key = "no key: set RELEVANCE_AUTH_TOKEN to the authorization token (project:key) of your API-keys page, \
            or RELEVANCE_AUTH_TOKEN_FILE to a file with it";
        let missing = [
            (token.is_none(), no_key),
            (
                base_url.is_none(),
                "no region: set RELEVANCE_REGION to us, eu, au or the code on your API-keys page",
            ),
            (
                needs_agent && agent_id.is_none(),
                "no agent: give --agent ID or set RELEVANCE_AGENT_ID",
            ),
        ];
        let missing: Vec<&str> = missing
            .iter()
            .filter(|(is_missing, _)| *is_missing)
            .map(|(_, what)| *what)
            .collect();
        let (Some(token), Some(base_url), true) = (token, base_url, missing.is_empty()) else {
            return Err(error!(Usage: "{}", missing.join("; ")));
        };
        let (proxy, roots) = (network::proxy(&base_url)?, network::roots(waiting)?);
        Ok(Settings {
            token: Arc::new(token),
            region,
            agent_id,
            proxy,
            base_url,
            roots,
        })
    }

    /// The host, and port if any, that requests go to, and the proxy on the way; without credentials.
    pub fn host(&self) -> String {
        let host = self.base_url.split('/').nth(2).unwrap_or_default();
        let through = self
            .proxy
            .as_ref()
            .map(|it| format!(" through the proxy {}:{}", it.host(), it.port()));
        format!("{host}{}", through.unwrap_or_default())
    }

    /// Where a person can look at an agent, or at one conversation with it.
    pub fn page(&self, conversation_id: Option<&Id>) -> Option<String> {
        let (region, agent_id) = (self.region.as_ref()?, self.agent_id.as_ref()?);
        let conversation = conversation_id
            .map(|id| format!("/{id}"))
            .unwrap_or_default();
        let project = self.token.project();
        Some(format!(
            "https://app.relevanceai.com/agents/{region}/{project}/{agent_id}{conversation}"
        ))
    }
}

fn token(waiting: &dyn Fn(String)) -> Result<Option<Token>, Error> {
    let token = |name: &str, text: &str| {
        Token::new(text)
            .map(Some)
            .map_err(|why| error!(Usage: "{name} {why}"))
    };
    if let Some((name, text)) = first_or_file(
        ["RELEVANCE_AUTH_TOKEN", "RELEVANCE_AUTH_TOKEN_FILE"],
        waiting,
    )? {
        return token(name, &text);
    }
    let key = first_or_file(["RELEVANCE_API_KEY", "RELEVANCE_API_KEY_FILE"], waiting)?;
    let key = key.map_or_else(|| first(&["RAI_API_KEY"]), |key| Ok(Some(key)))?;
    let Some((name, key)) = key else {
        return Ok(None);
    };
    if key.contains(':') {
        return token(name, &key);
    }
    // Checked with a stand-in first, so that a malformed key is said before a missing project.
    token(name, &format!("project:{key}"))?;
    let names = ["RELEVANCE_PROJECT", "RELEVANCE_PROJECT_ID", "RAI_PROJECT"];
    let Some((project_name, project)) = first(&names)? else {
        return Err(
            error!(Usage: "{name} is a key without its project: set RELEVANCE_PROJECT to the project's id"),
        );
    };
    ensure!(!project.contains(':'), Usage: "{project_name} holds a ':'; set it to the project's id alone");
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
    let is_code = region.len() <= MAX_REGION_LENGTH
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric());
    ensure!(is_code, Usage: "{name} is not a region: set it to us, eu, au or the code on your API-keys page, such as \
        bcbe5a");
    Ok(Some(region))
}

/// The API's URL, without a slash at the end.
fn parse_base_url(text: &str) -> Result<String, Error> {
    let bad = |why: &str| error!(Usage: "RELEVANCE_BASE_URL {why}");
    let url: Uri = text
        .parse()
        .map_err(|_| bad("is not a URL; set it to https://HOST[:PORT]/PATH"))?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err(bad(
            "has no scheme or no host; set it to https://HOST[:PORT]/PATH",
        ));
    };
    ensure!(
        has_sound_port(authority),
        bad("has no host or a bad port; set it to https://HOST[:PORT]/PATH")
    );
    let is_bare = !authority.as_str().contains('@') && url.query().is_none() && !text.contains('#');
    ensure!(
        is_bare,
        bad("has a user, a query or a fragment; leave only https://HOST[:PORT]/PATH")
    );
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let is_loopback = || {
        host.parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
    };
    match scheme {
        "https" => Ok(text.trim_end_matches('/').to_owned()),
        "http" if host.eq_ignore_ascii_case("localhost") || is_loopback() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        "http" => Err(bad(
            "is plain http, which would show the key to the network; use https://",
        )),
        _ => Err(bad(
            "is neither https nor http; set it to https://HOST[:PORT]/PATH",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let accepted = "https://api.example.com/latest/ https://api.example.com:8443 http://127.0.0.1:8080/latest \
            http://[::1]:8080 http://localhost:1/latest";
        let refused = "http://127.0.0.1.example.com/ http://localhost.example.com/ http://example.com http://0x7f.1/ \
            https://user:password@example.com/ https://example.com/?a=b https://example.com/#a \
            https://example.com:port/ https://:443/ ftp://example.com/ example.com /latest";
        accepted
            .split(' ')
            .for_each(|text| assert!(parse_base_url(text).is_ok(), "{text}"));
        refused
            .split(' ')
            .for_each(|text| assert!(parse_base_url(text).is_err(), "{text}"));
    }
}
