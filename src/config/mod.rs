/*! The environment: what it says, checked before anything is sent. */

pub mod env;
pub mod network;
pub mod region;
pub mod settings;
