/*! Files that go with the message are uploaded. All of them are before the trigger is sent, so that
whatever fails here has started nothing. */

use super::api::{Api, Exits, Subject, is_transient};
use super::attached::{Attached, LocalFile};
use super::retry::{Attempt, Failure, UNTIL_DEADLINE, with_retry};
use crate::api::base_url::{SafeUrl, UrlProblem};
use crate::api::client::{Access, Reply, Uploader};
use crate::api::failure::{Refusal, TransportError};
use crate::api::json;
use crate::api::replies::{UploadUrls, parse_upload_urls};
use crate::api::trigger::Attachment;
use crate::config::network::Network;
use crate::error::{Error, Exit};
use crate::output::progress::Upload;
use crate::text::redactor::Untrusted;

/// Before more bytes than these the host is asked whether it takes them (`Expect: 100-continue`).
/// Once they are on the way, a rejection is lost: it comes with a reset.
const MAX_UNASKED: u64 = 1 << 20;

/// Uploads what is a file; a URL is passed on.
/// Errors: `Rejected` or `Unreachable`: nothing was started.
pub fn upload_all(
    api: &Api,
    network: &Network,
    attachments: &[Attached],
) -> Result<Vec<Attachment>, Error> {
    let mut uploaded = Vec::new();
    for attached in attachments {
        uploaded.push(match attached {
            Attached::File(local) => upload(api, network, local)?,
            Attached::Url(url) => Attachment {
                file_name: last_part(url).to_owned(),
                file_url: url.clone(),
            },
        });
    }
    api.session.progress.set_upload(None);
    Ok(uploaded)
}

/// The last part of a URL's path, which serves as the name of what is there.
fn last_part(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(path)
}

fn upload(api: &Api, network: &Network, local: &LocalFile) -> Result<Attachment, Error> {
    let session = api.session;
    session.set_activity(format!("still uploading {}", local.name));
    let urls = ask_where(api, local)?;
    let url =
        SafeUrl::parse(&urls.upload_url).map_err(|problem| unsafe_url(&local.name, problem))?;
    let access = network.access(url, "the upload URL that the API gave");
    let transfer = Transfer {
        api,
        local,
        url: &urls.upload_url,
        host: session.redactor.quote(&Untrusted(access.route.describe())),
        uploader: Uploader::new(&access),
        access,
    };
    session.progress.set_upload(Some(Upload {
        name: local.name.clone(),
        size: local.size,
        sent: Box::new(transfer.uploader.sent()),
    }));
    with_retry(session, "upload", UNTIL_DEADLINE, |attempt| {
        transfer.attempt(attempt)
    })?;
    session.clear_activity();
    Ok(Attachment {
        file_url: urls.download_url,
        file_name: local.name.clone(),
    })
}

/// Asks where the file goes. The question changes nothing, so it may be repeated. Its connection is
/// not kept: it would lie idle during the upload, and a trigger that is sent on a connection that
/// something on the way has forgotten is lost.
fn ask_where(api: &Api, local: &LocalFile) -> Result<UploadUrls, Error> {
    const PATH: &str = "/services/get_temporary_file_upload_url";
    let question = question(local);
    with_retry(api.session, "upload", UNTIL_DEADLINE, |_| {
        api.log_request("POST", PATH, question.as_bytes());
        let reply = api
            .client
            .post_and_close(PATH, question.as_bytes())
            .map_err(|why| api.unreachable(&why))?;
        api.log_reply("upload", &reply, "");
        let reply = api.expect_success("the upload", reply, Exits::BEFORE_RUN, Subject::Upload)?;
        parse_upload_urls(&reply.body)
            .ok_or_else(|| Failure::Permanent(api.unexpected(Exit::Rejected, &reply)))
    })
}

/// The body of the question. Without an extension the API would make the file a `csv`.
fn question(local: &LocalFile) -> String {
    let extension = match local.extension.as_str() {
        "" => "bin",
        extension => extension,
    };
    let (name, extension) = (json::quoted(&local.name), json::quoted(extension));
    format!(r#"{{"filename":{name},"extension":{extension}}}"#)
}

/// The way of one file to the host that takes it.
struct Transfer<'a> {
    api: &'a Api<'a>,
    local: &'a LocalFile,
    url: &'a str,
    access: Access,
    /// For messages.
    host: String,
    uploader: Uploader,
}

impl Transfer<'_> {
    /// Sends the whole file.
    fn attempt(&self, number: u32) -> Attempt<()> {
        let Transfer { local, host, .. } = self;
        self.api.session.stderr.log(|| {
            format!(
                "upload: {} to {host}, attempt {number}, {} bytes",
                local.name, local.size
            )
        });
        local.check_unchanged().map_err(Failure::Permanent)?;
        let mut contents = local.contents();
        // Each second attempt does not ask: some hosts do not understand the question.
        let asks_first = number % 2 == 1 && local.size > MAX_UNASKED;
        let sent = self.uploader.put(
            self.url,
            (local.size, local.media_type()),
            &mut contents,
            asks_first,
        );
        let is_whole = contents.is_at_end();
        if let Some(error) = contents.failure {
            return Err(Failure::Permanent(error));
        }
        let reply = sent.map_err(|why| self.no_reply(&why))?;
        self.api.log_reply("upload", &reply, "");
        self.classify(&reply, is_whole)?;
        local.check_unchanged().map_err(Failure::Permanent)
    }

    /// `is_whole` is whether all of the file was sent.
    fn classify(&self, reply: &Reply, is_whole: bool) -> Attempt<()> {
        if reply.is_success() && is_whole {
            return Ok(());
        }
        let Transfer { host, .. } = self;
        let name = &self.local.name;
        let cause = self.api.cause(reply);
        // A success that comes too early, and 417, are what a host says that does not know
        // `Expect`.
        if is_transient(reply.status) || reply.is_success() || reply.status == 417 {
            let what = self
                .api
                .returned(host, reply, &format!("the upload of {name}"));
            return Err(Failure::Transient {
                error: Error::unreachable(what)
                    .next("try again later")
                    .cause(cause),
                retry_after: reply.retry_after,
            });
        }
        let quoted = self.api.status_and_message(reply);
        let what = format!("{host} rejected the upload of {name} with {quoted}");
        let error = Error::rejected(what)
            .next(advice(reply.status))
            .cause(cause);
        Err(Failure::Permanent(error))
    }

    fn no_reply(&self, why: &TransportError) -> Failure {
        let name = &self.local.name;
        if let TransportError::Refused(Refusal::NotLoopback { host }) = why {
            let what = format!(
                "cannot upload {name}: {host} is another machine, and http:// would send the file \
                 unencrypted"
            );
            return Failure::Permanent(Error::rejected(what).next("check RELEVANCE_BASE_URL"));
        }
        let reason = self.api.session.redactor.quote(&why.reason());
        let mut error =
            Error::unreachable(format!("cannot upload {name} to {}: {reason}", self.host));
        if let Some(advice) = why.advice(&self.access.route) {
            error = error.next(advice);
        }
        Failure::of(error, why.is_transient())
    }
}

/// What to do about a rejection by the host that was to take the file.
fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects of an upload are not followed",
        413 => "attach a smaller file",
        _ => "repeat the command, which asks for another upload URL",
    }
}

/// The API gave a URL that a file must not be sent to.
fn unsafe_url(name: &str, problem: UrlProblem) -> Error {
    let why = match problem {
        UrlProblem::NotAUrl => "is not a URL",
        UrlProblem::BadHostOrPort => "has no host or a bad port",
        UrlProblem::HasUser => "contains credentials",
        UrlProblem::HasQueryOrFragment => "contains a query or fragment",
        UrlProblem::Unencrypted => "uses http://, which would send the file unencrypted",
        UrlProblem::OtherScheme => "is not an https:// URL",
    };
    Error::rejected(format!(
        "cannot upload {name}: the upload URL that the API gave {why}"
    ))
    .next("check RELEVANCE_BASE_URL")
}
