/*!
The HTTP client: one request, one reply or one reason why there was none. It retries nothing and follows nothing.
*/

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::CertificateError;
use ureq::config::Config;
use ureq::http::{HeaderMap, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    self, Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, NextTimeout,
    RustlsConnector, TcpConnector, Transport,
};

use crate::progress::{Progress, Stage};
use crate::settings::Settings;
use crate::wire::Run;

/// Longest for a connection, with proxy and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest for one request and its reply: a poll may be held open by the server for a while.
const REPLY_TIMEOUT: Duration = Duration::from_secs(90);
/// Longest response body, in bytes.
const MAX_BODY: u64 = 64 << 20;
const USER_AGENT: &str = concat!("relevance-run/", env!("CARGO_PKG_VERSION"));

/// A connection to the API, kept open between requests.
pub struct Client {
    agent: ureq::Agent,
    settings: Arc<Settings>,
}

/// A reply, whatever its status.
pub struct Reply {
    pub status: u16,
    /// `Retry-After`, where it was given in seconds.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
    pub took: Duration,
}

/// Why there is no reply.
pub struct Fault {
    /// What happened, and what to do where that is known; cleaned.
    pub message: String,
    /// The server's certificate did not verify, which trying again will not mend.
    pub certificate: bool,
}

impl Client {
    /// `progress` learns when the first byte of a request is about to be sent.
    pub fn new(settings: Arc<Settings>, progress: Arc<Progress>) -> Client {
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(settings.proxy.clone())
            .tls_config(TlsConfig::builder().root_certs(settings.roots.clone()).build())
            .user_agent(USER_AGENT)
            .accept("application/json")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REPLY_TIMEOUT))
            .input_buffer_size(64 << 10)
            .output_buffer_size(16 << 10)
            .build();
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(RustlsConnector::default())
                .chain(WatchSending { proxied: settings.proxy.is_some(), progress });
        Client {
            agent: ureq::Agent::with_parts(config, connector, LookUp(DefaultResolver::default())),
            settings,
        }
    }

    /// `POST /agents/trigger`. Never repeated by this client: each call may start a run.
    pub fn trigger(&self, body: &[u8]) -> Result<Reply, Fault> {
        let url = format!("{}/agents/trigger", self.settings.base_url);
        let request = self.agent.post(url).header("Content-Type", "application/json");
        self.reply(|| request.header("Authorization", self.settings.token.expose()).send(body))
    }

    /// `GET …/async_poll/…`, of all updates or of the ending one alone.
    pub fn poll(&self, run: &Run, in_full: bool) -> Result<Reply, Fault> {
        let url = format!(
            "{}/studios/{}/async_poll/{}{}",
            self.settings.base_url,
            run.studio_id,
            run.job_id,
            if in_full { "" } else { "?ending_update_only=true" },
        );
        let request = self.agent.get(url);
        self.reply(|| request.header("Authorization", self.settings.token.expose()).call())
    }

    fn reply(
        &self,
        send: impl FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Reply, Fault> {
        let started = Instant::now();
        let received = send().and_then(|mut response| {
            let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec()?;
            Ok((response, body))
        });
        match received {
            Ok((response, body)) => Ok(Reply {
                status: response.status().as_u16(),
                retry_after: retry_after(response.headers()),
                body,
                took: started.elapsed(),
            }),
            Err(error) => {
                let (message, certificate) = explain(&error);
                Err(Fault { message: self.settings.token.clean(&message), certificate })
            }
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("Retry-After")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The error in a user's words, and whether the server's certificate is the cause.
fn explain(error: &ureq::Error) -> (String, bool) {
    if let Some(certificate) = certificate_error(error) {
        let why = match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "is not signed by a known authority; behind a proxy that inspects TLS, set SSL_CERT_FILE to its CA"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "has expired; check this machine's clock"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "is not valid yet; check this machine's clock"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "is for another name; check RELEVANCE_BASE_URL"
            }
            _ => "does not verify",
        };
        return (format!("the server's certificate {why} ({certificate})"), true);
    }
    let message = match error {
        ureq::Error::HostNotFound => {
            "its name was not found; check the network, and RELEVANCE_REGION for a misspelt region"
                .to_owned()
        }
        ureq::Error::Timeout(limit) => format!("timed out ({limit})"),
        ureq::Error::ConnectProxyFailed(why) => {
            format!("the proxy refused the tunnel: {why}; check HTTPS_PROXY")
        }
        ureq::Error::BodyExceedsLimit(_) => "the response is larger than 64 MiB".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    (message, false)
}

fn certificate_error(error: &ureq::Error) -> Option<&CertificateError> {
    let error = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    match error {
        rustls::Error::InvalidCertificate(certificate) => Some(certificate),
        _ => None,
    }
}

/// The default resolver, with a failed lookup told apart from other I/O errors, and without a limit of its own.
///
/// For a limit ureq makes a thread and panics where none can be made. The system's resolver gives up by itself, and
/// the main thread ends the process when it is time, whatever this one is in.
#[derive(Debug)]
struct LookUp(DefaultResolver);

impl Resolver for LookUp {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        mut timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        timeout.after = transport::time::Duration::NotHappening;
        let resolved = self.0.resolve(uri, config, timeout);
        resolved.map_err(|error| match error {
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            other => other,
        })
    }
}

/// The last link of the connector chain: tells "never sent" from "may have been sent" with no guessing from errors.
struct WatchSending {
    proxied: bool,
    progress: Arc<Progress>,
}

impl<In: Transport> Connector<In> for WatchSending {
    type Out = Either<In, Watched<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A tunnel is made by running the whole chain for the proxy first, with the proxy taken out of the
        // configuration. What passes there is CONNECT and not yet the request.
        let is_tunnel = self.proxied && details.config.proxy().is_none();
        Ok(chained.map(|transport| {
            if is_tunnel {
                Either::A(transport)
            } else {
                Either::B(Watched { transport, progress: Arc::clone(&self.progress) })
            }
        }))
    }
}

impl fmt::Debug for WatchSending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchSending")
    }
}

/// A connection to the API. The TLS handshake is over by now, so that all it transmits is requests.
struct Watched<T> {
    transport: T,
    progress: Arc<Progress>,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let mut facts = self.progress.lock();
        if facts.stage == Stage::Unsent {
            facts.stage = Stage::Sent;
        }
        drop(facts);
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}
