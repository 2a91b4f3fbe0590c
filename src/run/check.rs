/*! `--check`: whether key, region, project and agent go together, asked without starting anything. */

use super::retry::{ATTEMPTS, Api, Failure, suspicion};
use crate::api::client::Reply;
use crate::api::wire::{Id, agent, is_key_info};
use crate::output::exit::{Error, ensure, error};

/// What there is to say of a configuration that works, as one line.
/// Errors: `Refused`: something does not add up. `Unreachable`: the API gave no usable reply.
pub fn check(api: &Api, agent_id: Option<&Id>) -> Result<String, Error> {
    let (host, project) = (&api.host, api.token.project());
    let clean = |text: &str| api.token.clean(text);
    let not_understood = |reply: &Reply| {
        let (quoted, suspicion) = (api.quote(reply), suspicion(reply));
        error!(Refused: "the reply is not the API's ({quoted}){suspicion}; check RELEVANCE_REGION or \
            RELEVANCE_BASE_URL")
    };
    let reply = ask(api, "/auth/info")?;
    ensure!(is_key_info(&reply.body), not_understood(&reply));
    let Some(agent_id) = agent_id else {
        return Ok(format!("ok: project {project}, {host}; no agent was given"));
    };
    let reply = ask(api, &format!("/agents/{agent_id}/get"))?;
    let Some((their_id, theirs, name)) = agent(&reply.body) else {
        return Err(not_understood(&reply));
    };
    ensure!(theirs == project, Refused: "the agent {agent_id} is of project {} and the token of {project}; take both \
        from one project", clean(&theirs));
    ensure!(their_id == agent_id.to_string(), Refused: "asked for the agent {agent_id}, {host} told of {}; check the \
        id", clean(&their_id));
    let name = clean(name.as_deref().unwrap_or("without a name"));
    Ok(format!(
        "ok: agent {agent_id} ({name}), project {project}, {host}"
    ))
}

/// One question, which may be asked again whatever went wrong with it.
fn ask(api: &Api, path: &str) -> Result<Reply, Error> {
    api.until_settled("check", ATTEMPTS, |attempt| {
        api.shared
            .console
            .detail(|| format!("check: GET {path}, attempt {attempt}"));
        let reply = api.get(path).map_err(|error| api.unreached(&error, ""))?;
        api.tell_reply("check", &reply, "");
        let (host, http_status) = (&api.host, Some(reply.status));
        match reply.status {
            200..=299 => Ok(reply),
            429 | 500.. => {
                let error =
                    error!(Unreachable: "{host} answered {}; try again later", api.quote(&reply));
                Err(Failure::Transient(
                    Error {
                        http_status,
                        ..error
                    },
                    reply.retry_after,
                ))
            }
            _ => {
                let error =
                    error!(Refused: "{host} refused GET {path} with {}", api.refusal(&reply));
                Err(Failure::Permanent(Error {
                    http_status,
                    ..error
                }))
            }
        }
    })
}
