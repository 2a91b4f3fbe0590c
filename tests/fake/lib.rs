/*!
A fake of the API on a real socket: a small HTTP server, blocking and with a thread for each
connection, and on it the API as the vendor's document has it.
*/

pub mod api;
pub mod clock;
pub mod document;
pub mod http;
pub mod names;
pub mod schema;
pub mod server;
#[cfg(feature = "tls")]
pub mod tls;
