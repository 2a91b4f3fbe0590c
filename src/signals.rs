/*!
Signals as events: SIGINT, SIGTERM and SIGHUP end the command at once, and it says how to resume.

A handler is needed for more than the message: process 1 of a container ignores every signal that has none.
*/

use std::fs;
use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `deliver` with the number of each signal that arrives, from a thread of its own.
///
/// A signal that was ignored from the start stays so: `nohup` and a script's `&` ask for just that.
pub fn forward(deliver: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    let ignored = ignored_mask();
    let wanted =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = Signals::new(wanted)?;
    thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            deliver(signal as u8);
        }
    })?;
    Ok(())
}

/// The signals ignored now, bit n-1 for signal n. Where there is no `/proc` (an empty root) none are:
/// there the program is the container's own command.
fn ignored_mask() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        })
        .unwrap_or(0)
}
