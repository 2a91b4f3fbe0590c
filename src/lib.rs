/*! The parts of `relevance-run`. What each directory may use stands above it in this list. */

// Text that is dangerous to print: the key, and whatever came from outside.
pub mod text;

// How the command ends.
pub mod error;

// The HTTP API.
pub mod api;

// What was typed.
pub mod cli;

// What the environment says.
pub mod config;

// What goes out.
pub mod output;

// How far the command has come.
pub mod session;

// What the command does with the API.
pub mod run;

// Check, resume, start.
pub mod command;
