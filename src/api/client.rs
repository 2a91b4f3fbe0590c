/*! The HTTP client: one request, and its reply or why there is none. It retries nothing and follows nothing. */

use super::token::Token;
use rustls::CertificateError;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::{collections::VecDeque, fmt, mem, time::Duration, time::Instant};
use ureq::http::{Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration::NotHappening;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, NextTimeout,
};
use ureq::unversioned::transport::{RustlsConnector, TcpConnector, Transport};
use ureq::{Agent, Body, Error, Proxy, Timeout, config::Config};

/// Longest for a connection, with proxy and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest for one address of several, while it is not known that none of them answers at once (RFC 8305 has 250 ms).
const FIRST_ROUND: Duration = Duration::from_millis(300);
/// Longest for the head of a reply: a poll may be held open by the server for a while.
const HEAD_TIMEOUT: Duration = Duration::from_secs(90);
/// Longest silence while a request is sent or a body received. A steady transfer may take as long as it does.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for the body of a reply that is no success, and as long as that takes at most: its status says enough.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Shortest for one address.
const MIN_DIAL: Duration = Duration::from_millis(10);
/// How long a connection may lie idle and be used again.
const MAX_IDLE: Duration = Duration::from_secs(600);
/// Longest response body, in bytes.
const MAX_BODY: u64 = 64 << 20;
const USER_AGENT: &str = concat!("relevance-run/", env!("CARGO_PKG_VERSION"));

/// Called before the bytes of a request go out; an error keeps them from going.
#[derive(Clone)]
pub struct Gate(pub Arc<dyn Fn() -> io::Result<()> + Send + Sync>);

/// A connection to the API, kept open between requests.
pub struct Client {
    agent: Agent,
    base_url: String,
    token: Arc<Token>,
    /// The reply that is being read is no success.
    refused: Arc<AtomicBool>,
}

/// A reply, whatever its status.
pub struct Reply {
    pub status: u16,
    /// `Retry-After`, where it was given in seconds.
    pub retry_after: Option<Duration>,
    /// Whole where the status says success, else as much as came.
    pub body: Vec<u8>,
    pub took: Duration,
}

/// Why there is no reply.
pub struct TransportError {
    /// What happened, and what to do where that is known. It may quote the server and is not cleaned.
    pub message: String,
    /// The server's certificate did not verify, which trying again will not mend.
    pub is_certificate: bool,
}

impl Client {
    pub fn new(
        base_url: String,
        token: Arc<Token>,
        proxy: Option<Proxy>,
        roots: RootCerts,
        gate: Gate,
    ) -> Client {
        let (proxied, refused) = (proxy.is_some(), Arc::default());
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(USER_AGENT)
            .accept("application/json")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(HEAD_TIMEOUT))
            .timeout_per_write(Some(STALL_TIMEOUT))
            .max_idle_age(MAX_IDLE)
            .input_buffer_size(64 << 10)
            .output_buffer_size(16 << 10)
            .build();
        let connector = ().chain(ConnectProxyConnector::default());
        let connector = connector.chain(Dial {
            tcp: TcpConnector::default(),
            proxied,
        });
        let connector = connector.chain(RustlsConnector::default()).chain(Guard {
            proxied,
            gate,
            refused: Arc::clone(&refused),
        });
        Client {
            agent: Agent::with_parts(config, connector, Later),
            base_url,
            token,
            refused,
        }
    }

    /// `POST /agents/trigger`. Never repeated by this client: each call may start a run. `on_status` is called as soon
    /// as the head of the reply is here, whatever becomes of its body.
    pub fn trigger(
        &self,
        body: &[u8],
        on_status: impl FnOnce(u16),
    ) -> Result<Reply, TransportError> {
        let request = self
            .agent
            .post(self.url("/agents/trigger"))
            .header("Content-Type", "application/json");
        self.exchange(
            || {
                request
                    .header("Authorization", self.token.expose())
                    .send(body)
            },
            on_status,
        )
    }

    /// `GET` of a path below the base URL.
    pub fn get(&self, path: &str) -> Result<Reply, TransportError> {
        let request = self.agent.get(self.url(path));
        self.exchange(
            || request.header("Authorization", self.token.expose()).call(),
            |_| (),
        )
    }

    /// One request and its reply, of which only a success has to have its body whole.
    fn exchange(
        &self,
        send: impl FnOnce() -> Result<Response<Body>, Error>,
        on_status: impl FnOnce(u16),
    ) -> Result<Reply, TransportError> {
        let begun = Instant::now();
        let mut response = send().map_err(TransportError::of)?;
        let status = response.status().as_u16();
        on_status(status);
        let is_success = (200..300).contains(&status);
        self.refused.store(!is_success, Ordering::SeqCst);
        let read_begun = Instant::now();
        let mut reader = response.body_mut().with_config().limit(MAX_BODY).reader();
        let (mut body, mut buffer) = (Vec::new(), [0; 16 << 10]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => body.extend_from_slice(&buffer[..length]),
                Err(error) if is_success => return Err(TransportError::of(error.into())),
                Err(_) => break,
            }
            if !is_success && read_begun.elapsed() > REFUSAL_TIMEOUT {
                break;
            }
        }
        body.shrink_to_fit();
        let retry_after = response
            .headers()
            .get("Retry-After")
            .and_then(|after| after.to_str().ok()?.trim().parse().ok());
        Ok(Reply {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            body,
            took: begun.elapsed(),
        })
    }

    /// The URL of a path below the base URL.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}

impl TransportError {
    /// The error in a user's words.
    fn of(error: Error) -> TransportError {
        let cause = match &error {
            Error::Rustls(error) => Some(error),
            Error::Io(error) => error.get_ref().and_then(|error| error.downcast_ref()),
            _ => None,
        };
        if let Some(rustls::Error::InvalidCertificate(certificate)) = cause {
            use CertificateError::*;
            let why = match certificate {
                UnknownIssuer | BadSignature => {
                    "is not signed by a known authority; behind a proxy that inspects TLS, set SSL_CERT_FILE to its CA"
                }
                Expired | ExpiredContext { .. } => "has expired; check this machine's clock",
                NotValidYet | NotValidYetContext { .. } => {
                    "is not valid yet; check this machine's clock"
                }
                NotValidForName | NotValidForNameContext { .. } => {
                    "is for another name; check RELEVANCE_BASE_URL"
                }
                _ => "does not verify",
            };
            return TransportError {
                message: format!("the server's certificate {why} ({certificate})"),
                is_certificate: true,
            };
        }
        let message = match error {
            Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => {
                format!("stalled for {STALL_TIMEOUT:?}")
            }
            Error::Timeout(limit) => format!("timed out ({limit})"),
            Error::ConnectProxyFailed(why) => {
                format!("the proxy refused the tunnel: {why}; check HTTPS_PROXY")
            }
            Error::BodyExceedsLimit(_) => "the response is larger than 64 MiB".to_owned(),
            Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        TransportError {
            message,
            is_certificate: false,
        }
    }
}

/// Looks nothing up: ureq asks its resolver before it looks for a kept connection. See [`Dial`].
#[derive(Debug)]
struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(only(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))
    }
}

/// A list of one.
fn only(address: SocketAddr) -> ResolvedSocketAddrs {
    let mut list = ResolvedSocketAddrs::from_fn(|_| address);
    list.push(address);
    list
}

/// ureq's connector for TCP, which looks the name up when a connection is made and at no other time, and first gives
/// each of several addresses a short moment, so that one that swallows everything does not hold up the others.
#[derive(Debug)]
struct Dial {
    tcp: TcpConnector,
    proxied: bool,
}

impl<In: Transport> Connector<In> for Dial {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if chained.is_some() {
            return self.tcp.connect(details, chained);
        }
        let addresses = self.look_up(details)?;
        let begun = Instant::now();
        let mut queue: VecDeque<_> = addresses
            .iter()
            .map(|&address| (address, addresses.len() > 1))
            .collect();
        let mut failure = Error::HostNotFound;
        while let Some((address, is_first_round)) = queue.pop_front() {
            // Where none of several answered at once, what time is left is shared between those that said nothing.
            let left = CONNECT_TIMEOUT.saturating_sub(begun.elapsed());
            let limit = if is_first_round {
                left.min(FIRST_ROUND)
            } else {
                left / (queue.len() as u32 + 1)
            };
            let alone = ConnectionDetails {
                uri: details.uri,
                addrs: only(address),
                config: details.config,
                request_level: details.request_level,
                resolver: details.resolver,
                now: (details.current_time)(),
                timeout: NextTimeout {
                    after: limit.max(MIN_DIAL).into(),
                    ..details.timeout
                },
                current_time: details.current_time.clone(),
                run_connector: details.run_connector.clone(),
                register_shutdown: details.register_shutdown.clone(),
            };
            failure = match self.tcp.connect(&alone, None::<In>) {
                Ok(connected) => return Ok(connected),
                Err(error) => error,
            };
            if is_first_round && matches!(failure, Error::Timeout(_)) {
                queue.push_back((address, false));
            }
        }
        Err(failure)
    }
}

impl Dial {
    /// The addresses of the name that is to be connected to, without a limit of its own: for one, ureq makes a thread,
    /// and panics where none can be made. The system's resolver gives up by itself, and the process is ended when it is
    /// time, whatever it is in.
    fn look_up(&self, details: &ConnectionDetails) -> Result<ResolvedSocketAddrs, Error> {
        let unlimited = NextTimeout {
            after: NotHappening,
            ..details.timeout
        };
        DefaultResolver::default()
            .resolve(details.uri, details.config, unlimited)
            .map_err(|_| {
                let host = details.uri.host().unwrap_or_default();
                let source = if self.proxied {
                    "HTTPS_PROXY"
                } else {
                    "RELEVANCE_REGION"
                };
                let why = format!(
                    "the name {host} was not found; check the network, and {source}, which makes it"
                );
                Error::Io(io::Error::other(why))
            })
    }
}

/// The last link of the connector chain: tells "never sent" from "may have been sent" with no guessing from errors.
#[derive(Debug)]
struct Guard {
    proxied: bool,
    gate: Gate,
    refused: Arc<AtomicBool>,
}

impl<In: Transport> Connector<In> for Guard {
    type Out = Either<In, Guarded<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // A tunnel is made by running the whole chain for the proxy first, with the proxy taken out of the
        // configuration. What passes there is CONNECT and not yet the request.
        let is_tunnel = self.proxied && details.config.proxy().is_none();
        let (gate, refused) = (self.gate.clone(), Arc::clone(&self.refused));
        let guarded = |transport| Guarded {
            transport,
            gate,
            refused,
            held: Vec::new(),
        };
        Ok(chained.map(|chained| {
            if is_tunnel {
                Either::A(chained)
            } else {
                Either::B(guarded(chained))
            }
        }))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// A connection to the API. The TLS handshake is over by now, so that all it transmits is requests.
#[derive(Debug)]
struct Guarded<T> {
    transport: T,
    gate: Gate,
    refused: Arc<AtomicBool>,
    /// The head of a `POST`, which goes out in one write with the beginning of its body.
    held: Vec<u8>,
}

impl<T: Transport> Transport for Guarded<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.transport.buffers().output();
        let size = output.len();
        let mut bytes = mem::take(&mut self.held);
        bytes.extend_from_slice(&output[..amount]);
        // A part of the body may begin alike, but its last part does not end so: none is held back for good.
        if bytes.len() == amount && bytes.starts_with(b"POST ") && bytes.ends_with(b"\r\n\r\n") {
            self.held = bytes;
            return Ok(());
        }
        (self.gate.0)()?;
        bytes.chunks(size).try_for_each(|chunk| {
            self.transport.buffers().output()[..chunk.len()].copy_from_slice(chunk);
            self.transport.transmit_output(chunk.len(), timeout)
        })
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        // Of all that is waited for, a body alone has no limit as a whole.
        if timeout.after.is_not_happening() {
            let refused = self.refused.load(Ordering::SeqCst);
            timeout.per_read = Some(
                if refused {
                    REFUSAL_TIMEOUT
                } else {
                    STALL_TIMEOUT
                }
                .into(),
            );
        }
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
