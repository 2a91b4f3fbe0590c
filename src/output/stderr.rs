/*! Standard error: messages, the log of `-v`, and the progress line.

Whoever has something to print hands it over and goes on; a thread of its own, the writer, writes
it. So a reader that stalls, or a terminal stopped with Ctrl-S, holds up the writer and nobody else.
The writer exists from the start on a terminal and with `-v`, else only from the first message on.
*/

use super::progress::Progress;
use super::writer::{Idle, Order, Shared, Writer};
use crate::text::redactor::Redactor;
use std::env;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Log lines beyond these, while nobody reads, are dropped.
const MAX_LOG_LINES: usize = 1000;

/// Standard error, shared by the threads.
pub struct Stderr {
    shared: Arc<Shared>,
    /// To the writer, once there is one.
    orders: Mutex<Option<Sender<Order>>>,
}

impl Stderr {
    pub fn new(
        started_at: Instant,
        verbosity: u8,
        quiet: bool,
        redactor: Arc<Redactor>,
        progress: Arc<Progress>,
    ) -> Stderr {
        let idle = match verbosity {
            0 if !quiet && !is_dumb() && io::stderr().is_terminal() => Idle::ProgressLine,
            0 => Idle::Silent,
            _ => Idle::Heartbeat,
        };
        let queued = AtomicUsize::new(0);
        let shared = Arc::new(Shared {
            started_at,
            verbosity,
            idle,
            redactor,
            progress,
            queued,
        });
        let stderr = Stderr {
            shared,
            orders: Mutex::new(None),
        };
        if idle != Idle::Silent {
            // Without a thread to spare the messages come all the same, and nothing between them.
            let _ = stderr.orders();
        }
        stderr
    }

    /// Whether bodies and updates are logged (`-vv`).
    pub fn is_tracing(&self) -> bool {
        self.shared.verbosity > 1
    }

    /// A line that everyone sees.
    pub fn message(&self, message: String) {
        let Ok(orders) = self.orders() else {
            return self.shared.write_line("", &message);
        };
        self.shared.queued.fetch_add(1, Ordering::SeqCst);
        // The writer lives as long as the process.
        let _ = orders.send(Order::Write(message));
    }

    /// A line for `-v`, with the seconds since the start.
    pub fn log(&self, message: impl FnOnce() -> String) {
        let has_room = self.shared.queued.load(Ordering::SeqCst) < MAX_LOG_LINES;
        if self.shared.verbosity > 0 && has_room {
            self.message(self.shared.stamped(&message()));
        }
    }

    /// A line for `-vv`.
    pub fn trace(&self, message: impl FnOnce() -> String) {
        if self.is_tracing() {
            self.log(message);
        }
    }

    /// Takes the progress line off the screen, for good, if that can be done within `limit`.
    pub fn clear_progress(&self, limit: Duration) {
        self.order(Order::ClearProgress);
        self.flush(Some(limit));
    }

    /// Waits until everything is written, or at the longest for `limit`.
    pub fn flush(&self, limit: Option<Duration>) {
        let (done, is_done) = mpsc::channel();
        self.order(Order::Flush(done));
        // Either it is done, or there is no writer, or the limit has passed.
        let _ = match limit {
            Some(limit) => is_done.recv_timeout(limit).ok(),
            None => is_done.recv().ok(),
        };
    }

    fn lock(&self) -> MutexGuard<'_, Option<Sender<Order>>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an order to the writer, if there is one.
    fn order(&self, order: Order) {
        if let Some(orders) = &*self.lock() {
            let _ = orders.send(order);
        }
    }

    /// Where orders to the writer go. It is started now if there was none.
    fn orders(&self) -> io::Result<Sender<Order>> {
        let mut orders = self.lock();
        if let Some(orders) = &*orders {
            return Ok(orders.clone());
        }
        let (sender, received) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().spawn(move || Writer::new(&shared).run(&received))?;
        Ok(orders.insert(sender).clone())
    }
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
