/*! Writing to a descriptor that does not block, as whoever shares it may have set it. */

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

/// How long to wait before the next attempt, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// A writer that waits where the other side is not ready, instead of failing.
pub struct Patient<W>(pub W);

impl<W: Write> Patient<W> {
    fn retry<T>(&mut self, mut act: impl FnMut(&mut W) -> io::Result<T>) -> io::Result<T> {
        let mut wait = FIRST_WAIT;
        loop {
            match act(&mut self.0) {
                Err(why) if why.kind() == ErrorKind::WouldBlock => thread::sleep(wait),
                done => return done,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(|writer| writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retry(Write::flush)
    }
}
