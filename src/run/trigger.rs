/*! Starting the run: the one request that must never be sent twice. */

use super::retry::{ATTEMPTS, Api, Attempt, Failure, suspicion};
use super::{run_file::RunFile, state::Phase};
use crate::api::{client::Reply, client::TransportError, wire::Triggered};
use crate::output::exit::{Error, error};

/// Sends the trigger, again only where it certainly came to nothing.
/// Errors: `Usage`, `Refused` or `Unreachable`: nothing was started. `Unknown`: something may have been.
pub fn trigger(api: &Api, body: &[u8]) -> Result<Triggered, Error> {
    let shared = api.shared;
    api.until_settled("trigger", ATTEMPTS, |attempt| {
        shared
            .console
            .detail(|| format!("trigger: attempt {attempt}, {} bytes", body.len()));
        api.tell_sent("POST", "/agents/trigger", body);
        let reply = api.client.trigger(body, |status| {
            // It counts at once, whatever becomes of the body: turned away is as good as never sent.
            if (300..500).contains(&status) {
                shared.lock().phase = Phase::Unsent;
                // If that fails the file says more than is true, which is safe.
                let _ = shared.run_file.get().map(RunFile::retract);
            }
        });
        let reply = reply.map_err(|error| judge_error(api, &error))?;
        api.tell_reply("trigger", &reply, "");
        judge(api, &reply)
    })
}

fn judge(api: &Api, reply: &Reply) -> Attempt<Triggered> {
    let http_status = Some(reply.status);
    // An id that is the key could be neither told nor kept.
    let can_be_shown = |it: &Triggered| {
        let ids = format!("{} {:?}", it.run, it.conversation_id);
        api.token.redact(&ids) == ids
    };
    let error = match reply.status {
        200..=299 => match Triggered::parse(&reply.body) {
            Some(triggered) if can_be_shown(&triggered) => return Ok(triggered),
            _ => {
                let (quoted, suspicion) = (api.quote(reply), suspicion(reply));
                let what = format!("the trigger's reply names no usable run ({quoted}){suspicion}");
                api.shared.may_have_started(&what)
            }
        },
        429 => {
            let refusal = api.refusal(reply);
            let error =
                error!(Unreachable: "nothing was started: the trigger was answered {refusal}");
            return Err(Failure::Transient(
                Error {
                    http_status,
                    ..error
                },
                reply.retry_after,
            ));
        }
        300..=499 => error!(Refused: "the API refused the trigger with {}", api.refusal(reply)),
        _ => api
            .shared
            .may_have_started(&format!("the trigger was answered {}", api.quote(reply))),
    };
    Err(Failure::Permanent(Error {
        http_status,
        ..error
    }))
}

fn judge_error(api: &Api, error: &TransportError) -> Failure {
    if api.shared.lock().phase == Phase::Unsent {
        return api.unreached(error, "; nothing was started");
    }
    let what = format!(
        "no reply to the trigger: {}",
        api.token.clean(&error.message)
    );
    Failure::Permanent(api.shared.may_have_started(&what))
}
