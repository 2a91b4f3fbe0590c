/*! `make bench`: the program beside what people use today, against the fake API over TLS; its
instructions, system calls and private memory; then the pace, from the pure function; what a poll
costs as a run's history grows; the memory for large replies; a large upload; hundreds of runs at
once; and, as root, name look-ups and a dead address. Everything stays on loopback, or in a network
namespace made for it.
*/

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "bench/floor.rs"]
mod floor;
#[path = "bench/growth.rs"]
mod growth;
#[path = "bench/many.rs"]
mod many;
#[path = "bench/measure.rs"]
mod measure;
#[path = "bench/memory.rs"]
mod memory;
#[path = "bench/names.rs"]
mod names;
#[path = "bench/paces.rs"]
mod paces;
mod simulate;
#[path = "it/tunnel.rs"]
mod tunnel;
#[path = "bench/upload.rs"]
mod upload;
#[path = "bench/whole_runs.rs"]
mod whole_runs;

use std::env;
use std::io;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next().expect("the binary to measure");
    if first == "--measure" {
        return measure::measure(arguments.next().expect("a program").as_ref(), arguments);
    }
    if first == "--isolated" {
        return names::isolated(arguments.next().expect("the binary to measure").as_ref());
    }
    let ours = PathBuf::from(first);
    let mut out = io::stdout().lock();
    whole_runs::whole_runs(&mut out, &ours)?;
    floor::floor(&mut out, &ours)?;
    paces::paces(&mut out)?;
    growth::growth(&mut out, &ours)?;
    memory::memory(&mut out, &ours)?;
    upload::uploads(&mut out, &ours)?;
    many::many(&mut out, &ours)?;
    names::names(&mut out, &ours)
}
