/*! `--check`: whether token, region, project and agent match, asked without starting anything. */

use super::api::{Api, Exits, Subject};
use super::retry::{ATTEMPTS, with_retry};
use crate::api::client::Reply;
use crate::api::ids::Id;
use crate::api::replies::{Described, is_key_info, parse_agent, parse_tool};
use crate::error::{Error, Exit};

/// What is checked beside the token.
pub enum Checked<'a> {
    Agent(&'a Id),
    Tool(&'a Id),
    Nothing,
}

/// What there is to say of settings that work, as one line.
/// Errors: `Rejected`: something does not match. `Unreachable`: the API gave no usable reply.
pub fn check(api: &Api, project: &str, checked: &Checked) -> Result<String, Error> {
    let host = api.host();
    let reply = ask(api, "/auth/info", Subject::Token)?;
    if !is_key_info(&reply.body) {
        return Err(api.unexpected(Exit::Rejected, &reply));
    }
    match checked {
        Checked::Nothing => Ok(format!(
            "ok: {host} accepts the token of project {project}; no agent checked (use --agent or \
             RELEVANCE_AGENT_ID)"
        )),
        Checked::Agent(id) => {
            let reply = ask(api, &format!("/agents/{id}/get"), Subject::Agent)?;
            let described = described(api, &reply, parse_agent)?;
            compare(api, project, "agent", id, &described)
        }
        Checked::Tool(id) => {
            let reply = ask(api, &format!("/studios/{id}/get"), Subject::Tool)?;
            let described = described(api, &reply, parse_tool)?;
            compare(api, project, "tool", id, &described)
        }
    }
}

fn described(
    api: &Api,
    reply: &Reply,
    parse: fn(&[u8]) -> Option<Described>,
) -> Result<Described, Error> {
    parse(&reply.body).ok_or_else(|| api.unexpected(Exit::Rejected, reply))
}

/// The line for what was described, if it is what was asked for.
fn compare(
    api: &Api,
    project: &str,
    kind: &str,
    id: &Id,
    described: &Described,
) -> Result<String, Error> {
    let redactor = &api.session.redactor;
    if described.project.0 != project {
        let theirs = redactor.quote(&described.project);
        let what = format!(
            "{kind} {id} belongs to project {theirs}, but the token is for project {project}"
        );
        return Err(Error::rejected(what).next(format!(
            "use the token of project {theirs}, or another {kind}"
        )));
    }
    if described.id.0 != id.as_str() {
        let theirs = redactor.quote(&described.id);
        let what = format!("asked {} for {kind} {id}, got {kind} {theirs}", api.host());
        return Err(Error::rejected(what).next(format!("check the id of the {kind}")));
    }
    let name = match &described.name {
        Some(name) => redactor.quote(name),
        None => "unnamed".to_owned(),
    };
    Ok(format!(
        "ok: {kind} {id} ({name}), project {project}, {}",
        api.host()
    ))
}

/// One question, which may be asked again whatever went wrong with it.
fn ask(api: &Api, path: &str, subject: Subject) -> Result<Reply, Error> {
    let what = format!("GET {path}");
    with_retry(api.session, "check", ATTEMPTS, |attempt| {
        api.session
            .stderr
            .log(|| format!("check: {what}, attempt {attempt}"));
        let reply = api
            .get("check", path)
            .map_err(|why| api.unreachable(&why))?;
        api.expect_success(&what, reply, Exits::BEFORE_RUN, subject)
    })
}
