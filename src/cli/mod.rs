/*! The command line: what was typed, checked as far as it can be without the environment. */

pub mod advice;
pub mod args;
pub mod options;
mod typed;
pub mod values;
