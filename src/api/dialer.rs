/*! Names and addresses: when a name is looked up, and how long each address may take.

This uses ureq's `unversioned` interface, which may change with any minor version of ureq; the lock
file holds it to one. */

use super::failure::{Refusal, hand_on};
use super::transport::CONNECT_TIMEOUT;
use crate::text::io_reason;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration::NotHappening;
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};

/// Longest for one address of several, while it is not known that none of them answers at once
/// (RFC 8305 has 250 ms).
const FIRST_ROUND: Duration = Duration::from_millis(300);
/// Shortest for one address.
const MIN_DIAL: Duration = Duration::from_millis(10);
/// Below TLS there are only records on their way through. Larger buffers would be memory and
/// nothing else.
const RECORD_BUFFER: usize = 4 << 10;

/// Looks nothing up: ureq asks its resolver before it looks for a kept connection, and so once a
/// poll. [`Dialer`] looks names up, once a connection. The address here is never connected to.
#[derive(Debug)]
pub struct DeferredResolver;

impl Resolver for DeferredResolver {
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

/// ureq's connector for TCP, which looks the name up when a connection is made, and first gives
/// each of several addresses a short moment, so that one that never answers does not hold up the
/// others.
#[derive(Debug, Default)]
pub struct Dialer {
    tcp: TcpConnector,
    /// Plain http is for this machine alone, whatever a name leads to.
    is_loopback_only: bool,
}

impl Dialer {
    pub fn new(is_loopback_only: bool) -> Dialer {
        Dialer {
            is_loopback_only,
            ..Dialer::default()
        }
    }
}

impl<In: Transport> Connector<In> for Dialer {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if chained.is_some() {
            return self.tcp.connect(details, chained);
        }
        let mut addresses = look_up(details)?;
        if self.is_loopback_only {
            addresses = only_loopback(&addresses, details.uri)?;
        }
        let dial_started_at = Instant::now();
        let mut queue = VecDeque::new();
        for &address in &addresses {
            queue.push_back((address, addresses.len() > 1));
        }
        let mut failure = Error::HostNotFound;
        while let Some((address, is_first_round)) = queue.pop_front() {
            let left = CONNECT_TIMEOUT.saturating_sub(dial_started_at.elapsed());
            // Where none of several answered at once, those that said nothing share what is left.
            let limit = match is_first_round {
                true => left.min(FIRST_ROUND),
                false => left / (queue.len() as u32 + 1),
            };
            match self.dial(details, address, limit.max(MIN_DIAL)) {
                Ok(connected) => return Ok(connected),
                Err(error) => failure = error,
            }
            if is_first_round && matches!(failure, Error::Timeout(_)) {
                queue.push_back((address, false));
            }
        }
        Err(failure)
    }
}

impl Dialer {
    /// Connects to one address.
    fn dial<In: Transport>(
        &self,
        details: &ConnectionDetails,
        address: SocketAddr,
        limit: Duration,
    ) -> Result<Option<<Self as Connector<In>>::Out>, Error> {
        let small_buffers;
        let mut config = details.config;
        if details.needs_tls() {
            small_buffers = Config::builder()
                .input_buffer_size(RECORD_BUFFER)
                .output_buffer_size(RECORD_BUFFER)
                .build();
            config = &small_buffers;
        }
        let alone = ConnectionDetails {
            uri: details.uri,
            addrs: only(address),
            config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: (details.current_time)(),
            timeout: NextTimeout {
                after: limit.into(),
                ..details.timeout
            },
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        self.tcp.connect(&alone, None::<In>)
    }
}

/// The addresses of the name that is to be connected to, without a limit of its own: for one, ureq
/// makes a thread, and panics where none can be made. The system's resolver gives up by itself, and
/// the process is ended when it is time, whatever it is doing.
fn look_up(details: &ConnectionDetails) -> Result<ResolvedSocketAddrs, Error> {
    let unlimited = NextTimeout {
        after: NotHappening,
        ..details.timeout
    };
    let found = DefaultResolver::default().resolve(details.uri, details.config, unlimited);
    found.map_err(|error| {
        let why = match &error {
            // The standard library says the same before each reason.
            Error::Io(why) => io_reason(why)
                .trim_start_matches("failed to lookup address information: ")
                .to_owned(),
            other => other.to_string(),
        };
        let host = details.uri.host().unwrap_or_default().to_owned();
        hand_on(Refusal::Lookup { host, why })
    })
}

/// Those addresses of this machine that are in the list.
fn only_loopback(addresses: &[SocketAddr], uri: &Uri) -> Result<ResolvedSocketAddrs, Error> {
    let mut list = ResolvedSocketAddrs::from_fn(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    for address in addresses
        .iter()
        .filter(|address| address.ip().is_loopback())
    {
        list.push(*address);
    }
    if list.is_empty() {
        let host = uri.host().unwrap_or_default().to_owned();
        return Err(hand_on(Refusal::NotLoopback { host }));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::super::failure::TransportError;
    use super::*;

    #[test]
    fn plain_http_goes_to_addresses_of_this_machine_alone() {
        let uri: Uri = "http://localhost/latest".parse().unwrap();
        let addresses = ["10.0.0.1:80", "127.0.0.1:80", "[fd00::1]:80", "[::1]:80"];
        let addresses = addresses.map(|text| text.parse().unwrap());
        let kept = only_loopback(&addresses, &uri).unwrap();
        assert_eq!(&kept[..], [addresses[1], addresses[3]]);
        let error = only_loopback(&addresses[..1], &uri).unwrap_err();
        let error = TransportError::from(error);
        assert!(matches!(
            &error,
            TransportError::Refused(Refusal::NotLoopback { host }) if host == "localhost"
        ));
        assert!(!error.is_transient());
    }
}
