/*! What is between ureq and the network: the limits of a request, and the moment at which it may
have reached the server.

That moment is what promise 1 rests on. The TLS handshake and a proxy's tunnel are over before
[`SendTracker`] hands a connection on, so that all it then transmits is requests: it tells "never
sent" from "may have been sent" without guessing from error kinds.

This uses ureq's `unversioned` interface, which may change with any minor version of ureq; the lock
file holds it to one. */

use super::failure::{Refusal, hand_on};
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport,
};

/// Longest for a connection, with proxy and TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence while a request is sent or a body received. A steady transfer may take as long
/// as it does.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for the body of a reply that is not a success, and the longest that such a body takes:
/// its status says enough.
pub const REJECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Called before the bytes of a trigger go out. An error keeps them from going.
pub type BeforeSend = dyn Fn() -> Result<(), String> + Send + Sync;

/// What is shared between a client and its connections.
pub struct Tracker {
    /// The request that is being sent is a trigger.
    pub is_trigger: AtomicBool,
    /// What is sent next is the head of a request whose body follows at once.
    pub is_head_next: AtomicBool,
    /// The reply that is being read is not a success.
    pub is_rejection: AtomicBool,
    /// Bytes of requests that were handed to the network.
    pub sent: AtomicU64,
    before_send: Box<BeforeSend>,
}

impl Tracker {
    pub fn new(before_send: Box<BeforeSend>) -> Arc<Tracker> {
        Arc::new(Tracker {
            is_trigger: AtomicBool::new(false),
            is_head_next: AtomicBool::new(false),
            is_rejection: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            before_send,
        })
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracker")
    }
}

/// The last link of the connector chain.
#[derive(Debug)]
pub struct SendTracker {
    pub is_proxied: bool,
    pub tracker: Arc<Tracker>,
}

impl<In: Transport> Connector<In> for SendTracker {
    type Out = Either<In, Tracked<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        // A tunnel is made by running the whole chain for the proxy first, with the proxy taken out
        // of the configuration. What passes there is CONNECT and not yet the request.
        if self.is_proxied && details.config.proxy().is_none() {
            return Ok(Some(Either::A(transport)));
        }
        let tracker = Arc::clone(&self.tracker);
        Ok(Some(Either::B(Tracked {
            transport,
            tracker,
            held_head: Vec::new(),
        })))
    }
}

/// A connection to the server.
#[derive(Debug)]
pub struct Tracked<T> {
    transport: T,
    tracker: Arc<Tracker>,
    /// The head of a request that goes out with the beginning of its body.
    held_head: Vec<u8>,
}

impl<T: Transport> Tracked<T> {
    /// Sends the first `amount` bytes of the output buffer.
    fn send(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.transport.transmit_output(amount, timeout)?;
        self.tracker.sent.fetch_add(amount as u64, Ordering::SeqCst);
        Ok(())
    }

    /// Sends the head that was held, and behind it the first `amount` bytes of the output buffer.
    fn send_with_head(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.transport.buffers().output();
        let size = output.len();
        let mut bytes = mem::take(&mut self.held_head);
        bytes.extend_from_slice(&output[..amount]);
        for piece in bytes.chunks(size) {
            self.transport.buffers().output()[..piece.len()].copy_from_slice(piece);
            self.send(piece.len(), timeout)?;
        }
        Ok(())
    }
}

impl<T: Transport> Transport for Tracked<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.tracker.is_head_next.swap(false, Ordering::SeqCst) {
            // One packet and one TLS record for a short request, instead of two.
            let head = &self.transport.buffers().output()[..amount];
            self.held_head = head.to_vec();
            return Ok(());
        }
        if self.tracker.is_trigger.load(Ordering::SeqCst) {
            (self.tracker.before_send)().map_err(|why| hand_on(Refusal::Journal(why)))?;
        }
        if self.held_head.is_empty() {
            return self.send(amount, timeout);
        }
        self.send_with_head(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        // Of all that is waited for, only a body has no limit as a whole: the client sets none.
        if timeout.after.is_not_happening() {
            let is_rejection = self.tracker.is_rejection.load(Ordering::SeqCst);
            let limit = if is_rejection {
                REJECTION_TIMEOUT
            } else {
                STALL_TIMEOUT
            };
            timeout.per_read = Some(limit.into());
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
