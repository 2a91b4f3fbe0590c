/*! What the command does with the API: check, upload, trigger, find, wait. */

pub mod api;
pub mod attached;
pub mod check;
pub mod find;
pub mod job;
pub mod message;
pub mod origin;
pub mod pace;
pub mod request;
pub mod retry;
pub mod target;
pub mod task;
pub mod trigger;
pub mod upload;
pub mod wait;
