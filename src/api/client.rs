/*! The HTTP client: one request, and its reply or why there is none. It retries nothing and follows
nothing. */

use super::base_url::SafeUrl;
use super::dialer::{DeferredResolver, Dialer};
use super::failure::{Route, TransportError};
use super::time::Millis;
use super::tls::TlsConnector;
use super::transport::{
    BeforeSend, CONNECT_TIMEOUT, REJECTION_TIMEOUT, STALL_TIMEOUT, SendTracker, Tracker,
};
use crate::text::redactor::Untrusted;
use crate::text::token::Token;
use rustls::ClientConfig;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::header::HeaderMap;
use ureq::http::{Response, StatusCode};
use ureq::typestate::WithBody;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Body, Error, Proxy, RequestBuilder, SendBody};

/// Longest for the head of a reply: a poll may be held open by the server for a while.
const HEAD_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a connection may lie idle and be used again.
const MAX_IDLE: Duration = Duration::from_secs(600);
/// Longest response body, in bytes.
const MAX_BODY: u64 = 64 << 20;
/// How many more bytes, for each byte of a body, reading its JSON may take.
const MEMORY_FACTOR: usize = 2;
const USER_AGENT: &str = concat!("relevance-run/", env!("CARGO_PKG_VERSION"));

/// How a server is reached.
pub struct Access {
    pub url: SafeUrl,
    pub route: Route,
    pub proxy: Option<Proxy>,
    pub tls: Arc<ClientConfig>,
}

/// A connection to the API, kept open between requests.
pub struct Client {
    agent: Agent,
    url: SafeUrl,
    token: Arc<Token>,
    tracker: Arc<Tracker>,
    pub route: Route,
}

/// A reply, whatever its status.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// `Retry-After`, where it was given in seconds.
    pub retry_after: Option<Duration>,
    /// `x-request-id`.
    pub request_id: Option<Untrusted>,
    /// The server's clock, in `Date`.
    pub date: Option<Millis>,
    /// Whole where the status says success, else as much as came.
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Client {
    /// `before_send` is called before the bytes of a trigger go out.
    pub fn new(access: Access, token: Arc<Token>, before_send: Box<BeforeSend>) -> Client {
        let tracker = Tracker::new(before_send);
        Client {
            agent: agent(&access, &tracker),
            url: access.url,
            token,
            tracker,
            route: access.route,
        }
    }

    /// `POST` of a trigger. Never repeated by this client: each call may start a run. `on_status`
    /// is called as soon as the head of the reply is here, whatever becomes of its body.
    pub fn trigger(
        &self,
        path: &str,
        body: &[u8],
        on_status: impl FnOnce(u16),
    ) -> Result<Reply, TransportError> {
        self.tracker.is_trigger.store(true, Ordering::SeqCst);
        let reply = self.exchange(|| self.send(self.post_to(path), body), on_status);
        self.tracker.is_trigger.store(false, Ordering::SeqCst);
        reply
    }

    /// `POST` of a question: it changes nothing, and may be repeated.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Reply, TransportError> {
        self.exchange(|| self.send(self.post_to(path), body), |_| ())
    }

    /// The same, on a connection that is not used again.
    pub fn post_and_close(&self, path: &str, body: &[u8]) -> Result<Reply, TransportError> {
        let request = self.post_to(path).header("Connection", "close");
        self.exchange(|| self.send(request, body), |_| ())
    }

    /// `GET` of a path below the base URL.
    pub fn get(&self, path: &str) -> Result<Reply, TransportError> {
        let request = self.agent.get(self.url_of(path));
        self.exchange(
            || request.header("Authorization", self.token.expose()).call(),
            |_| (),
        )
    }

    /// The URL of a path below the base URL.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn post_to(&self, path: &str) -> RequestBuilder<WithBody> {
        self.agent
            .post(self.url_of(path))
            .header("Content-Type", "application/json")
            .header("Authorization", self.token.expose())
    }

    /// Sends a body in one write with its head, if it is short.
    fn send(
        &self,
        request: RequestBuilder<WithBody>,
        body: &[u8],
    ) -> Result<Response<Body>, Error> {
        self.tracker.is_head_next.store(true, Ordering::SeqCst);
        let reply = request.send(body);
        // Where no connection was made, nothing has been sent.
        self.tracker.is_head_next.store(false, Ordering::SeqCst);
        reply
    }

    fn exchange(
        &self,
        send: impl FnOnce() -> Result<Response<Body>, Error>,
        on_status: impl FnOnce(u16),
    ) -> Result<Reply, TransportError> {
        exchange(&self.tracker, send, on_status)
    }
}

/// Sends a file to where the API wants it. This is another host, and never sees the token.
pub struct Uploader {
    agent: Agent,
    tracker: Arc<Tracker>,
}

impl Uploader {
    pub fn new(access: &Access) -> Uploader {
        let tracker = Tracker::new(Box::new(|| Ok(())));
        Uploader {
            agent: agent(access, &tracker),
            tracker,
        }
    }

    /// `PUT` of a file, streamed. Where it `asks_first`, the server has a second to say no.
    pub fn put(
        &self,
        url: &str,
        (size, media_type): (u64, &str),
        contents: &mut dyn Read,
        asks_first: bool,
    ) -> Result<Reply, TransportError> {
        self.tracker.sent.store(0, Ordering::SeqCst);
        let mut request = self
            .agent
            .put(url)
            .header("Content-Type", media_type)
            .header("Content-Length", size)
            .header("x-amz-tagging", "Expire=true");
        if asks_first {
            request = request.header("Expect", "100-continue");
        }
        let body = SendBody::from_reader(contents);
        exchange(&self.tracker, || request.send(body), |_| ())
    }

    /// How many bytes of this attempt have been handed to the network.
    pub fn sent(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let tracker = Arc::clone(&self.tracker);
        move || tracker.sent.load(Ordering::SeqCst)
    }
}

/// ureq with this program's limits. A body as a whole has none: a steady transfer is never cut off.
fn agent(access: &Access, tracker: &Arc<Tracker>) -> Agent {
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(access.proxy.clone())
        .user_agent(USER_AGENT)
        .accept("application/json")
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(HEAD_TIMEOUT))
        .timeout_per_write(Some(STALL_TIMEOUT))
        .max_idle_age(MAX_IDLE)
        .input_buffer_size(64 << 10)
        .output_buffer_size(16 << 10)
        .build();
    let is_proxied = access.proxy.is_some();
    let dialer = Dialer::new(!access.url.is_https());
    let connector = ()
        .chain(ConnectProxyConnector::default())
        .chain(dialer)
        .chain(TlsConnector {
            config: Arc::clone(&access.tls),
        })
        .chain(SendTracker {
            is_proxied,
            tracker: Arc::clone(tracker),
        });
    Agent::with_parts(config, connector, DeferredResolver)
}

/// One request and its reply. Only a success has to have its body whole.
fn exchange(
    tracker: &Tracker,
    send: impl FnOnce() -> Result<Response<Body>, Error>,
    on_status: impl FnOnce(u16),
) -> Result<Reply, TransportError> {
    let sent_at = Instant::now();
    let mut response = send()?;
    let status = response.status();
    on_status(status.as_u16());
    tracker
        .is_rejection
        .store(!status.is_success(), Ordering::SeqCst);
    let body = read_body(&mut response, status)?;
    let headers = response.headers();
    Ok(Reply {
        status: status.as_u16(),
        retry_after: header(headers, "Retry-After")
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs),
        request_id: header(headers, "x-request-id").map(|id| Untrusted(id.to_owned())),
        date: header(headers, "Date").and_then(Millis::from_http),
        body,
        took: sent_at.elapsed(),
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// The body, whole if the status is a success, else as much as comes in a second.
/// Errors: it breaks off, is too large, or there is not enough memory to read its JSON.
fn read_body(response: &mut Response<Body>, status: StatusCode) -> Result<Vec<u8>, TransportError> {
    let read_since = Instant::now();
    let mut reader = response.body_mut().with_config().limit(MAX_BODY).reader();
    let mut body = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                body.try_reserve(length)
                    .map_err(|_| TransportError::OutOfMemory)?;
                body.extend_from_slice(&buffer[..length]);
            }
            Err(error) if status.is_success() => return Err(Error::from(error).into()),
            Err(_) => break,
        }
        if !status.is_success() && read_since.elapsed() > REJECTION_TIMEOUT {
            break;
        }
    }
    body.shrink_to_fit();
    // Reserved and released at once: a lack of memory is an error here, but aborts the process
    // inside the parser.
    let mut spare: Vec<u8> = Vec::new();
    spare
        .try_reserve(body.len() * MEMORY_FACTOR)
        .map_err(|_| TransportError::OutOfMemory)?;
    Ok(body)
}
