/*! TLS, by rustls and *ring*.

ureq has a connector of its own, which this replaces for what it costs: it fills its buffers byte by
byte (an eighth of the instructions of a run), touches all of them (60 KB of memory in every wait),
parses a bundle of CAs a second time, and links the loading of client keys, which nothing here has.
*/

use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::{ALL_VERSIONS, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use ureq::Error;
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport, TransportAdapter,
};

/// The longest head of a reply, and how much of a body is read in one go.
const INPUT_SIZE: usize = 64 << 10;
/// How much of a request is sent in one go: as much as a TLS record holds.
const OUTPUT_SIZE: usize = 16 << 10;

/// What connections are made with: these CAs, and no client certificate.
pub fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = CryptoProvider {
        key_provider: &NoClientKeys,
        ..ring::default_provider()
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(ALL_VERSIONS)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Loads no keys, so that the code which would is not linked.
#[derive(Debug)]
struct NoClientKeys;

impl KeyProvider for NoClientKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General(
            "client certificates are not supported".to_owned(),
        ))
    }
}

/// Makes a connection to an https URL a TLS connection. The handshake is over when it is handed on.
#[derive(Debug)]
pub struct TlsConnector {
    pub config: Arc<ClientConfig>,
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        // What passes through the tunnel of an https proxy is not TLS yet: ureq's tunnel says so.
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details
            .uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut session =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(remaining(details));
        session.complete_io(&mut socket)?;
        let stream = StreamOwned::new(session, socket);
        Ok(Some(Either::B(TlsTransport {
            stream,
            buffers: PageBuffers::default(),
        })))
    }
}

/// What is left of the limit for connecting.
fn remaining(details: &ConnectionDetails) -> NextTimeout {
    let after = match (details.timeout.after, details.now) {
        (Duration::Exact(limit), Instant::Exact(since)) => {
            Duration::Exact(limit.saturating_sub(since.elapsed()))
        }
        (limit, _) => limit,
    };
    NextTimeout {
        after,
        ..details.timeout
    }
}

/// A TLS connection.
pub struct TlsTransport {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: PageBuffers,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// Buffers of zeroed pages, of which only those that are used take up memory.
#[derive(Default)]
struct PageBuffers {
    input: Vec<u8>,
    /// The input that was not consumed yet.
    start: usize,
    end: usize,
    output: Vec<u8>,
    /// The last call to consume took something.
    is_progressing: bool,
}

impl PageBuffers {
    fn allocate(&mut self) {
        if self.output.is_empty() {
            self.output = vec![0; OUTPUT_SIZE];
            self.input = vec![0; INPUT_SIZE];
        }
    }

    /// The free part of the input buffer, with the unconsumed part moved to its beginning.
    fn free_input(&mut self) -> &mut [u8] {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.input[self.end..]
    }
}

impl Buffers for PageBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.allocate();
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.allocate();
        self.free_input()
    }

    fn input_appended(&mut self, amount: usize) {
        self.end = (self.end + amount).min(self.input.len());
    }

    fn input_consume(&mut self, amount: usize) {
        self.is_progressing = amount > 0;
        self.start = (self.start + amount).min(self.end);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.allocate();
        (&mut self.input[self.end..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.is_progressing && self.start < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_read_in_order_and_its_space_is_used_again() {
        let mut buffers = PageBuffers::default();
        for round in 0..100_u8 {
            let free = buffers.input_append_buf();
            let length = free.len().min(50_000);
            free[..length].fill(round);
            buffers.input_appended(length);
            assert_eq!(buffers.input()[buffers.input().len() - 1], round);
            buffers.input_consume(length - 10);
            assert!(buffers.can_use_input());
            let rest = buffers.input().len();
            buffers.input_consume(rest - 10);
            assert_eq!(buffers.input(), [round; 10]);
        }
        buffers.input_consume(10);
        assert!(!buffers.can_use_input());
        assert_eq!(buffers.input_append_buf().len(), INPUT_SIZE);
    }
}
