/*! Why there is no reply. */

use super::transport::STALL_TIMEOUT;
use crate::text::io_reason;
use crate::text::redactor::Untrusted;
use rustls::CertificateError;
use std::fmt;
use std::io;
use ureq::{Error, Timeout};

/// Why no reply arrived.
#[derive(Debug)]
pub enum TransportError {
    /// The server's certificate does not verify, which a retry does not change.
    Certificate(CertificateError),
    Refused(Refusal),
    Proxy(String),
    Timeout(Timeout),
    /// The body of the reply is larger than is read.
    TooLarge,
    /// There is not enough memory for the reply.
    OutOfMemory,
    /// What ureq or the system says.
    Other(String),
}

/// What this program's own part of the transport refused, handed on through ureq.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The name could not be resolved, with the resolver's own reason.
    Lookup { host: String, why: String },
    /// Plain http, and the name leads to another machine.
    NotLoopback { host: String },
    /// The trigger was not sent, since the journal, which must come first, could not be written.
    Journal(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refusal {}

/// A refusal as ureq can carry it.
pub fn hand_on(refusal: Refusal) -> Error {
    Error::Io(io::Error::other(refusal))
}

/// Which settings lead to a server, for advice.
#[derive(Clone, Debug)]
pub struct Route {
    /// The host that requests go to, with its port if one is given.
    pub host: String,
    /// The variable that determines it.
    pub host_variable: &'static str,
    /// The proxy on the way, `HOST:PORT`, and its variable.
    pub proxy: Option<(String, &'static str)>,
}

impl Route {
    /// The host and the proxy on the way, without credentials.
    pub fn describe(&self) -> String {
        match &self.proxy {
            Some((proxy, _)) => format!("{} through the proxy {proxy}", self.host),
            None => self.host.clone(),
        }
    }

    /// The variable that determines where a connection goes.
    fn variable(&self) -> &'static str {
        self.proxy
            .as_ref()
            .map_or(self.host_variable, |(_, variable)| variable)
    }
}

impl From<Error> for TransportError {
    fn from(error: Error) -> TransportError {
        match error {
            Error::Timeout(limit) => TransportError::Timeout(limit),
            Error::ConnectProxyFailed(why) => TransportError::Proxy(why),
            Error::BodyExceedsLimit(_) => TransportError::TooLarge,
            Error::Io(error) => from_io(&error),
            other => TransportError::Other(other.to_string()),
        }
    }
}

/// ureq hands on errors of TLS, and those of this program, inside errors of input and output.
fn from_io(error: &io::Error) -> TransportError {
    let inner = error.get_ref();
    if let Some(refusal) = inner.and_then(|inner| inner.downcast_ref::<Refusal>()) {
        return TransportError::Refused(refusal.clone());
    }
    match inner.and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(why)) => TransportError::Certificate(why.clone()),
        _ => TransportError::Other(io_reason(error)),
    }
}

impl TransportError {
    /// Whether another attempt may do better.
    pub fn is_transient(&self) -> bool {
        !matches!(
            self,
            TransportError::Certificate(_)
                | TransportError::Refused(Refusal::NotLoopback { .. } | Refusal::Journal(_))
        )
    }

    /// What happened. It may quote the server.
    pub fn reason(&self) -> Untrusted {
        Untrusted(match self {
            TransportError::Certificate(why) => {
                format!(
                    "the server's certificate {} ({why})",
                    Flaw::of(why).reason()
                )
            }
            TransportError::Refused(Refusal::Lookup { host, why }) => {
                format!("cannot resolve {host}: {why}")
            }
            TransportError::Refused(Refusal::NotLoopback { host }) => {
                format!("{host} is another machine, and http:// would send the API key unencrypted")
            }
            TransportError::Refused(Refusal::Journal(why)) => why.clone(),
            TransportError::Proxy(why) => {
                format!("the proxy rejected the tunnel{}", proxy_reason(why))
            }
            TransportError::Timeout(Timeout::PerRead | Timeout::PerWrite) => {
                format!("stalled for {} s", STALL_TIMEOUT.as_secs())
            }
            TransportError::Timeout(limit) => format!("timed out ({limit})"),
            TransportError::TooLarge => "the response is larger than 64 MiB".to_owned(),
            TransportError::OutOfMemory => "not enough memory for the response".to_owned(),
            TransportError::Other(why) if why.starts_with("Peer disconnected") => {
                "the server closed the connection".to_owned()
            }
            TransportError::Other(why) => why.clone(),
        })
    }

    /// What to do about it, where that is known.
    pub fn advice(&self, route: &Route) -> Option<String> {
        match self {
            TransportError::Certificate(why) => Flaw::of(why).advice(route),
            TransportError::Refused(Refusal::Lookup { .. }) => {
                Some(format!("check the network and {}", route.variable()))
            }
            TransportError::Refused(Refusal::NotLoopback { .. }) => {
                Some(format!("use https:// in {}", route.host_variable))
            }
            TransportError::Other(_) | TransportError::Timeout(_) if route.proxy.is_some() => {
                Some(format!("check the network and {}", route.variable()))
            }
            TransportError::Proxy(_) => Some(format!("check {}", route.variable())),
            _ => None,
        }
    }
}

/// Why a proxy makes no tunnel. ureq names a status, and the same number again for its words.
fn proxy_reason(why: &str) -> String {
    let status = why.strip_prefix("proxy server responded ");
    match status.and_then(|status| status.split_once('/')) {
        Some((status, _)) => format!(" with {status}"),
        None => format!(": {why}"),
    }
}

/// What is wrong with a certificate.
#[derive(Clone, Copy)]
enum Flaw {
    Issuer,
    Expired,
    NotYetValid,
    Name,
    Other,
}

impl Flaw {
    fn of(why: &CertificateError) -> Flaw {
        match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Flaw::Issuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Flaw::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Flaw::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Flaw::Name
            }
            _ => Flaw::Other,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Flaw::Issuer => "is not signed by a trusted CA",
            Flaw::Expired => "has expired",
            Flaw::NotYetValid => "is not valid yet",
            Flaw::Name => "is for another name",
            Flaw::Other => "does not verify",
        }
    }

    fn advice(self, route: &Route) -> Option<String> {
        match self {
            Flaw::Issuer => Some(
                "behind a TLS-inspecting proxy, set SSL_CERT_FILE to a PEM file with the proxy's CA"
                    .to_owned(),
            ),
            Flaw::Expired | Flaw::NotYetValid => Some("check this machine's clock".to_owned()),
            Flaw::Name => Some(format!("check {}", route.host_variable)),
            Flaw::Other => None,
        }
    }
}
