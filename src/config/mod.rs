/*! The environment: what it says, checked before anything is sent. */

pub mod env;
pub mod network;
pub mod region;
mod roots;
pub mod settings;
