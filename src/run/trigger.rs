/*! Starting the run: the one request that must never be sent twice. */

use super::api::{Api, Subject, with_portal_hint};
use super::origin::Kind;
use super::request::Request;
use super::retry::{ATTEMPTS, Attempt, Failure, with_retry};
use crate::api::client::Reply;
use crate::api::failure::{Refusal, TransportError};
use crate::api::replies;
use crate::api::trigger::{Accepted, StartedRun};
use crate::error::{Error, Exit, RunState};

/// Sends the trigger, again only where it certainly came to nothing.
/// Errors: `Usage`, `Rejected` or `Unreachable`: nothing was started. `Unknown`: something may have
/// been, and [`crate::session::Session::is_unsent`] says so.
pub fn trigger(api: &Api, request: &mut Request) -> Result<StartedRun, Error> {
    loop {
        match send(api, request)? {
            Sent::Accepted(run) => return Ok(run),
            // Once: without a name of ours in it, the same reply is an error.
            Sent::NameRejected => request.drop_name(),
        }
    }
}

/// What a trigger came to that was not an error.
enum Sent {
    Accepted(StartedRun),
    /// It was rejected because of the name that this program added.
    NameRejected,
}

fn send(api: &Api, request: &Request) -> Result<Sent, Error> {
    let session = api.session;
    with_retry(session, "trigger", ATTEMPTS, |attempt| {
        let body = request.body();
        session
            .stderr
            .log(|| format!("trigger: attempt {attempt}, {} bytes", body.len()));
        api.log_request("POST", &request.path, body);
        let reply = api.client.trigger(&request.path, body, |status| {
            // It counts at once, whatever becomes of the body: rejected is as good as never sent.
            if (300..500).contains(&status) {
                session.rejected();
            }
        });
        let reply = reply.map_err(|why| classify_error(api, &why))?;
        api.log_reply("trigger", &reply, "");
        classify_reply(api, request, &reply)
    })
}

fn classify_reply(api: &Api, request: &Request, reply: &Reply) -> Attempt<Sent> {
    let subject = match request.origin.kind {
        Kind::Agent { .. } => Subject::Agent,
        Kind::Tool(_) => Subject::Tool,
    };
    let error = match reply.status {
        200..=299 => match accepted_run(api, request, reply) {
            Some(run) => return Ok(Sent::Accepted(run)),
            None => without_run_id(api, reply).cause(api.cause(reply)),
        },
        429 => {
            let error = api.rejection(Exit::Unreachable, "the trigger", reply, subject);
            return Err(Failure::Transient {
                error,
                retry_after: reply.retry_after,
            });
        }
        422 if names_added_key(request, reply) => return Ok(Sent::NameRejected),
        300..=499 => api.rejection(Exit::Rejected, "the trigger", reply, subject),
        _ => may_have_started(api, api.returned("the API", reply, "the trigger"))
            .cause(api.cause(reply)),
    };
    Err(Failure::Permanent(error))
}

/// Whether a rejection is about the name that this program added. It is told only by its words.
fn names_added_key(request: &Request, reply: &Reply) -> bool {
    let Some(key) = request.added_key() else {
        return false;
    };
    replies::error_message(&reply.body).0.contains(key)
}

fn accepted_run(api: &Api, request: &Request, reply: &Reply) -> Option<StartedRun> {
    let run = Accepted::parse(&reply.body, request.origin.continued())?.into_run();
    Some(run).filter(|run| !run.has_key(&api.session.redactor))
}

fn without_run_id(api: &Api, reply: &Reply) -> Error {
    let what = format!(
        "the reply to the trigger contains no usable run id ({})",
        api.status_and_message(reply)
    );
    may_have_started(api, with_portal_hint(what, reply))
}

fn classify_error(api: &Api, why: &TransportError) -> Failure {
    if let TransportError::Refused(Refusal::Journal(why)) = why {
        let error = Error::usage(why.clone())
            .state(RunState::NothingStarted)
            .next("check the disk, or choose another file");
        return Failure::Permanent(error);
    }
    if api.session.is_unsent() {
        return api.unreachable(why);
    }
    let reason = api.session.redactor.quote(&why.reason());
    Failure::Permanent(may_have_started(
        api,
        format!("no reply to the trigger: {reason}"),
    ))
}

/// The error of a trigger after which a run may be in progress.
fn may_have_started(api: &Api, what: String) -> Error {
    Error::unknown(what)
        .state(RunState::MayHaveStarted)
        .next(api.session.known().check_before_repeating())
}
