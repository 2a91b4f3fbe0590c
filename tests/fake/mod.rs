/*!
A fake of the API on a real socket, in plain std: a small HTTP server, and on it the API as API.md describes it.
*/

// A fake that cannot go on fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod api;
pub mod names;
pub mod server;
pub mod tls;
