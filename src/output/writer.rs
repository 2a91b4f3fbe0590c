/*! The thread that writes standard error. */

use super::patient::Patient;
use super::progress::Progress;
use crate::text::redactor::Redactor;
use crate::text::visible::one_line;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// With `-v` the longest silence: CI systems end a step that says nothing for long.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two drawings of the progress line, which counts seconds.
const REDRAW: Duration = Duration::from_secs(1);
const CLEAR_LINE: &str = "\r\x1b[K";
/// Around the progress line, so that a narrow terminal cuts it off instead of wrapping it; then the
/// rest is cleared.
const NO_WRAP: &str = "\r\x1b[?7l";
const WRAP: &str = "\x1b[K\x1b[?7h\r";

/// What the threads share.
pub(super) struct Shared {
    pub(super) started_at: Instant,
    /// 0, 1 (`-v`) or 2 (`-vv`).
    pub(super) verbosity: u8,
    pub(super) idle: Idle,
    pub(super) redactor: Arc<Redactor>,
    pub(super) progress: Arc<Progress>,
    /// Lines that are handed over and not yet written.
    pub(super) queued: AtomicUsize,
}

/// What is written while there is no order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    Silent,
    Heartbeat,
    ProgressLine,
}

/// What the writer is told to do.
pub(super) enum Order {
    Write(String),
    /// No progress line any more: the result is being written.
    ClearProgress,
    /// Answer when everything before is done.
    Flush(Sender<()>),
}

impl Shared {
    pub(super) fn stamped(&self, message: &str) -> String {
        format!("[{:.3}] {message}", self.started_at.elapsed().as_secs_f64())
    }

    fn status(&self) -> String {
        self.progress.describe(self.started_at.elapsed())
    }

    pub(super) fn write_line(&self, before: &str, message: &str) {
        let line = one_line(message);
        let line = self.redactor.redact(&line);
        write(&format!("{before}relevance-run: {}\n", line.as_str()));
    }
}

/// The thread that writes.
pub(super) struct Writer<'a> {
    shared: &'a Shared,
    idle: Idle,
    is_progress_drawn: bool,
    last_written_at: Instant,
}

impl Writer<'_> {
    pub(super) fn new(shared: &Shared) -> Writer<'_> {
        Writer {
            shared,
            idle: shared.idle,
            is_progress_drawn: false,
            last_written_at: Instant::now(),
        }
    }

    pub(super) fn run(&mut self, orders: &Receiver<Order>) {
        loop {
            match self.next(orders) {
                Ok(order) => self.carry_out(order),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn next(&self, orders: &Receiver<Order>) -> Result<Order, RecvTimeoutError> {
        let period = match self.idle {
            Idle::Silent => return orders.recv().map_err(RecvTimeoutError::from),
            Idle::Heartbeat => HEARTBEAT,
            Idle::ProgressLine => REDRAW,
        };
        orders.recv_timeout(period.saturating_sub(self.last_written_at.elapsed()))
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Write(message) => {
                let before = self.take_progress_line();
                self.shared.write_line(before, &message);
                self.shared.queued.fetch_sub(1, Ordering::SeqCst);
                self.last_written_at = Instant::now();
            }
            Order::ClearProgress => {
                write(self.take_progress_line());
                self.idle = Idle::Silent;
            }
            // Whoever asked may have gone on.
            Order::Flush(done) => {
                let _ = done.send(());
            }
        }
    }

    /// What takes the progress line off the screen, if it is there.
    fn take_progress_line(&mut self) -> &'static str {
        let clear = if self.is_progress_drawn {
            CLEAR_LINE
        } else {
            ""
        };
        self.is_progress_drawn = false;
        clear
    }

    fn tick(&mut self) {
        let status = self.shared.status();
        if self.idle == Idle::Heartbeat {
            self.shared.write_line("", &self.shared.stamped(&status));
        } else if is_in_foreground() {
            // Written over what was there, so that nothing flickers. The cursor goes back to the
            // start, where the echo of a typed ^C does not wrap.
            let status = one_line(&status);
            write(&format!(
                "{NO_WRAP}{}{WRAP}",
                self.shared.redactor.redact(&status).as_str()
            ));
            self.is_progress_drawn = true;
        }
        self.last_written_at = Instant::now();
    }
}

/// If standard error cannot be written there is nobody left to report that to.
fn write(text: &str) {
    let _ = Patient(io::stderr().lock()).write_all(text.as_bytes());
}

/// Whether the terminal of standard error is this process's to draw on, or not known to be
/// another's: a background job must not draw over the prompt.
fn is_in_foreground() -> bool {
    match rustix::termios::tcgetpgrp(io::stderr()) {
        Ok(foreground) => foreground == rustix::process::getpgrp(),
        Err(_) => true,
    }
}
