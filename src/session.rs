/*!
One run of the command: what both threads share. `wait.rs` says how it deals with the API, `outcome.rs` how it ends.
*/

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::client::Client;
use crate::error::Error;
use crate::outcome::Sink;
use crate::progress::{Deadline, Progress};
use crate::settings::Settings;
use crate::terminal::Console;

/// Everything that stays the same from the first request to the last word, and the progress, which does not.
pub struct Session {
    pub client: Client,
    pub settings: Arc<Settings>,
    pub console: Console,
    pub progress: Arc<Progress>,
    /// Where the result goes.
    pub sink: Sink,
    /// Whether the result is the JSON object.
    pub json: bool,
    /// Poll at this fixed interval instead of adapting.
    pub interval: Option<Duration>,
    pub started: Instant,
    pub deadline: Deadline,
}

impl Session {
    /// # Errors
    /// A usage error, if the environment is not good or the result could not be written.
    pub fn new(args: &Args, started: Instant) -> Result<Session, Error> {
        let settings = Arc::new(Settings::read()?);
        let progress = Arc::new(Progress::default());
        Ok(Session {
            client: Client::new(Arc::clone(&settings), Arc::clone(&progress)),
            console: Console::new(Arc::clone(&settings), args.verbose, args.quiet),
            sink: Sink::open(args.output.as_deref())?,
            json: args.json,
            interval: args.interval,
            started,
            deadline: Deadline::new(started, args.timeout),
            settings,
            progress,
        })
    }
}
