/*! `--check`: whether token, region, project and agent match, asked without starting anything. */

use super::api::{Api, Exits, Subject};
use super::retry::{ATTEMPTS, with_retry};
use crate::api::client::Reply;
use crate::api::ids::Id;
use crate::api::replies::{Described, is_key_info, parse_agent, parse_tool};
use crate::error::{Error, Exit};
use crate::text::redactor::Untrusted;

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
    let (kind, id) = match checked {
        Checked::Agent(id) => ("agent", id),
        Checked::Tool(id) => ("tool", id),
        Checked::Nothing => {
            return Ok(format!(
                "ok: {host} accepts the token of project {project}; no agent checked (use --agent \
                 or RELEVANCE_AGENT_ID)"
            ));
        }
    };
    let (reply, described) = match checked {
        Checked::Tool(_) => {
            let reply = ask(api, &format!("/studios/{id}/get"), Subject::Tool)?;
            let described = parse_tool(&reply.body);
            (reply, described)
        }
        _ => {
            let reply = ask(api, &format!("/agents/{id}/get"), Subject::Agent)?;
            let described = parse_agent(&reply.body);
            (reply, described)
        }
    };
    let Some(described) = described else {
        return Err(api.unexpected(Exit::Rejected, &reply));
    };
    compare(api, project, kind, id, &described)?;
    let unnamed = Untrusted("unnamed".to_owned());
    let name = api
        .session
        .redactor
        .quote(described.name.as_ref().unwrap_or(&unnamed));
    Ok(format!(
        "ok: {kind} {id} ({name}), project {project}, {host}"
    ))
}

/// Whether what was described is what was asked for.
fn compare(
    api: &Api,
    project: &str,
    kind: &str,
    id: &Id,
    described: &Described,
) -> Result<(), Error> {
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
    Ok(())
}

/// One question, which may be asked again whatever went wrong with it.
fn ask(api: &Api, path: &str, subject: Subject) -> Result<Reply, Error> {
    let exits = Exits {
        transient: Exit::Unreachable,
        rejected: Exit::Rejected,
    };
    let what = format!("GET {path}");
    with_retry(api.session, "check", ATTEMPTS, |attempt| {
        api.session
            .stderr
            .log(|| format!("check: {what}, attempt {attempt}"));
        let reply = api
            .get("check", path)
            .map_err(|why| api.unreachable(&why))?;
        api.expect_success(&what, reply, exits, subject)
    })
}
