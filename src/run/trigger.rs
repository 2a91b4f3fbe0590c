/*!
Starting the run: the one request that must never be sent twice.
*/

use super::retry::{Failure, Retry, advice, suspicion};
use super::run_file::RunFile;
use super::state::{Phase, may_have_started};
use crate::api::client::{Client, Fault, Reply};
use crate::api::wire::Triggered;
use crate::output::exit::{Error, error};

/// Sends the trigger, again only where it certainly came to nothing.
///
/// # Errors
/// `Usage`, `Refused` or `Unreachable`: nothing was started. `Unknown`: something may have been.
pub fn trigger(
    client: &Client,
    retry: &Retry,
    host: &str,
    run_file: Option<&RunFile>,
    body: &[u8],
) -> Result<Triggered, Error> {
    retry.until_settled(|attempt| {
        retry.console.detail(|| format!("trigger: attempt {attempt}, {} bytes", body.len()));
        let url = client.url("/agents/trigger");
        retry.tell_sent(&format!("POST {url}"), body);
        let head = client.trigger(body).map_err(|fault| judge_fault(retry, host, fault))?;
        // The status counts at once, whatever becomes of the body: turned away is as good as never sent.
        if (300..500).contains(&head.status) {
            retry.state.lock().phase = Phase::Unsent;
            // If that fails the file says more than is true, which is safe.
            let _ = run_file.map(RunFile::retract);
        }
        let reply = head.read().map_err(|fault| judge_fault(retry, host, fault))?;
        retry.tell_reply("trigger", &reply, "");
        judge(retry, &reply)
    })
}

fn judge(retry: &Retry, reply: &Reply) -> Result<Triggered, Failure> {
    let (status, quoted) = (reply.status, retry.quote(reply));
    let error = match status {
        200..=299 => match Triggered::parse(&reply.body) {
            Some(triggered) => return Ok(triggered),
            None => {
                let suspicion = suspicion(&reply.body);
                let what = format!("the trigger's reply names no usable run ({quoted}){suspicion}");
                may_have_started(retry.state, &what)
            }
        },
        429 => {
            let advice = advice(reply);
            let error = error!(Unreachable, "nothing was started: the trigger was answered {quoted}; {advice}");
            return Err(Failure::Transient(error.with_status(status), reply.retry_after));
        }
        300..=499 => {
            error!(Refused, "the API refused the trigger with {quoted}; {}", advice(reply))
        }
        _ => may_have_started(retry.state, &format!("the trigger was answered {quoted}")),
    };
    Err(Failure::Permanent(error.with_status(status)))
}

fn judge_fault(retry: &Retry, host: &str, fault: Fault) -> Failure {
    let message = retry.explain(&fault);
    if retry.state.lock().phase != Phase::Unsent {
        let what = format!("no reply to the trigger: {message}");
        return Failure::Permanent(may_have_started(retry.state, &what));
    }
    let error = error!(Unreachable, "cannot reach {host}: {message}; nothing was started");
    match fault.is_certificate {
        true => Failure::Permanent(error),
        false => Failure::Transient(error, None),
    }
}
