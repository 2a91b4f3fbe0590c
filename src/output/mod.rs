/*! What goes out: the result, and standard error. */

mod descriptor;
mod patient;
pub mod progress;
pub mod report;
pub mod sink;
pub mod stderr;
mod writer;
