/*!
`--check`: whether key, region, project and agent go together, asked without starting anything.
*/

use super::retry::{Failure, Retry, advice, suspicion};
use crate::api::client::{Client, Reply};
use crate::api::wire::{Id, agent, is_key_info};
use crate::output::exit::{Error, error};

/// What there is to say of a configuration that works, as one line.
///
/// # Errors
/// `Refused`: something does not add up. `Unreachable`: the API gave no usable reply.
pub fn check(client: &Client, retry: &Retry, host: &str, agent_id: Option<&Id>) -> Result<String, Error> {
    let project = retry.token.project();
    let reply = ask(client, retry, host, "/auth/info")?;
    if !is_key_info(&reply.body) {
        return Err(not_understood(retry, &reply));
    }
    let Some(agent_id) = agent_id else {
        return Ok(format!("ok: project {project}, {host}; no agent was given"));
    };
    let reply = ask(client, retry, host, &format!("/agents/{agent_id}/get"))?;
    let Some((their_id, their_project, name)) = agent(&reply.body) else {
        return Err(not_understood(retry, &reply));
    };
    let clean = |text: &str| retry.token.clean(text);
    if their_project != project {
        let theirs = clean(&their_project);
        return Err(error!(
            Refused,
            "the agent {agent_id} is of project {theirs} and the token of {project}; take both from one project"
        ));
    }
    if their_id != agent_id.as_ref() {
        let other = clean(&their_id);
        return Err(error!(Refused, "asked for the agent {agent_id}, {host} told of {other}; check the id"));
    }
    let name = clean(name.as_deref().unwrap_or("without a name"));
    Ok(format!("ok: agent {agent_id} ({name}), project {project}, {host}"))
}

/// One question, which may be asked again whatever went wrong with it.
fn ask(client: &Client, retry: &Retry, host: &str, path: &str) -> Result<Reply, Error> {
    retry.until_settled(|attempt| {
        retry.console.detail(|| format!("check: GET {path}, attempt {attempt}"));
        retry.tell_sent(&format!("GET {}", client.url(path)), b"");
        let reply = client.get(path).map_err(|fault| {
            let error = error!(Unreachable, "cannot reach {host}: {}", retry.explain(&fault));
            match fault.is_certificate {
                true => Failure::Permanent(error),
                false => Failure::Transient(error, None),
            }
        })?;
        retry.tell_reply("check", &reply, "");
        let (status, quoted) = (reply.status, retry.quote(&reply));
        match status {
            200..=299 => Ok(reply),
            429 | 500.. => {
                let error = error!(Unreachable, "{host} answered {quoted}; try again later");
                Err(Failure::Transient(error.with_status(status), reply.retry_after))
            }
            _ => {
                let advice = advice(&reply);
                let error = error!(Refused, "{host} refused GET {path} with {quoted}; {advice}");
                Err(Failure::Permanent(error.with_status(status)))
            }
        }
    })
}

fn not_understood(retry: &Retry, reply: &Reply) -> Error {
    let (quoted, suspicion) = (retry.quote(reply), suspicion(&reply.body));
    error!(Refused, "the reply is not the API's ({quoted}){suspicion}; check RELEVANCE_REGION or RELEVANCE_BASE_URL")
}
