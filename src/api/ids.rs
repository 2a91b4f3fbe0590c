/*! The names that the API gives to things, checked before they enter a URL. */

use std::fmt;
use std::str::FromStr;

/// The longest id, in characters.
const MAX_ID_LENGTH: usize = 240;

/// An id of the API: 1 to 240 letters, digits, `.`, `_` and `-`, so that it is safe inside a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(String);

impl Id {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Id, Self::Err> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        match text {
            "" => Err("is empty"),
            // Path segments that a URL parser would resolve away.
            "." | ".." => Err("is not an id"),
            _ if text.len() > MAX_ID_LENGTH => Err("is longer than 240 characters"),
            _ if !text.bytes().all(is_allowed) => {
                Err("contains a character other than letters, digits, '.', '_' and '-'")
            }
            _ => Ok(Id(text.to_owned())),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A run as the API polls it, shown and read as `STUDIO_ID/JOB_ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunId {
    pub studio_id: Id,
    pub job_id: Id,
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<RunId, Self::Err> {
        let Some((studio_id, job_id)) = text.split_once('/') else {
            return Err("there is no '/' between the two ids".to_owned());
        };
        Ok(RunId {
            studio_id: studio_id
                .parse()
                .map_err(|why| format!("STUDIO_ID {why}"))?,
            job_id: job_id.parse().map_err(|why| format!("JOB_ID {why}"))?,
        })
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.studio_id, self.job_id)
    }
}

/// A task: one conversation with one agent. The web app has a page for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskId {
    pub agent_id: Id,
    pub conversation_id: Id,
}

/// What the URL of a page in the web app contains:
/// `https://app.relevanceai.com/agents/REGION/PROJECT/AGENT_ID[/CONVERSATION_ID]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUrl {
    pub region: String,
    pub project: String,
    pub agent_id: Id,
    pub conversation_id: Option<Id>,
}

/// Whether this is a URL, and not an id.
pub fn is_url(text: &str) -> bool {
    text.contains("://")
}

impl PageUrl {
    /// `None` if the URL is not that of a page of an agent.
    pub fn parse(text: &str) -> Option<PageUrl> {
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let path = rest.split(['?', '#']).next()?;
        let mut parts = path.split('/').skip(1);
        if parts.next()? != "agents" {
            return None;
        }
        let region: Id = parts.next()?.parse().ok()?;
        let project: Id = parts.next()?.parse().ok()?;
        let agent_id = parts.next()?.parse().ok()?;
        // The editor's page ends in the word `edit`; a conversation's id is much longer.
        let conversation_id = parts
            .next()
            .filter(|part| !part.bytes().all(|byte| byte.is_ascii_lowercase()))
            .and_then(|part| part.parse().ok());
        Some(PageUrl {
            region: region.to_string(),
            project: project.to_string(),
            agent_id,
            conversation_id,
        })
    }

    /// The page of an agent, or of one conversation with it.
    pub fn of(region: &str, project: &str, agent_id: &Id, conversation_id: Option<&Id>) -> String {
        let mut url = format!("https://app.relevanceai.com/agents/{region}/{project}/{agent_id}");
        if let Some(conversation_id) = conversation_id {
            url.push('/');
            url.push_str(conversation_id.as_str());
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let base = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-1";
        let agent = PageUrl::parse(base).unwrap();
        assert_eq!(
            (agent.region.as_str(), agent.project.as_str()),
            ("bcbe5a", "project-1")
        );
        assert_eq!(agent.agent_id.as_str(), "agent-1");
        for (end, conversation) in [
            ("", None),
            ("/", None),
            ("/edit", None),
            ("/edit?tab=1", None),
            ("/conversation-1", Some("conversation-1")),
            ("/conversation-1#top", Some("conversation-1")),
        ] {
            let page = PageUrl::parse(&format!("{base}{end}")).unwrap();
            assert_eq!(
                page.conversation_id.as_ref().map(Id::as_str),
                conversation,
                "{end}"
            );
        }
        for text in [
            "https://app.relevanceai.com/",
            "https://app.relevanceai.com/agents/bcbe5a/project-1",
            "http://app.relevanceai.com/agents/bcbe5a/project-1/agent-1",
            "https://app.relevanceai.com/tools/bcbe5a/project-1/agent-1",
            "https://app.relevanceai.com/agents/bcbe5a/project-1/a b",
        ] {
            assert_eq!(PageUrl::parse(text), None, "{text}");
        }
    }
}
