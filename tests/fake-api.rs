/*!
The fake API alone, for any HTTP client: `make fake-api` prints its base URL and a token, and serves until it is
ended. With a command after `--`, it serves for as long as that command runs, with the environment set for it.

`FAKE_API_TAKES` is how many milliseconds a run takes (1500), and `FAKE_API_RECORD` a file that gets a line for each
trigger that was sent: the message as a JSON string.
*/

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod fake;

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use fake::api::{Api, Course, TOKEN};
use fake::server::Server;
use serde_json::Value;

fn main() -> io::Result<ExitCode> {
    let takes = env::var("FAKE_API_TAKES").map_or(Ok(1500), |takes| takes.parse());
    let api = Api::new(Course {
        takes: Duration::from_millis(takes.map_err(io::Error::other)?),
        held: Duration::from_millis(300),
        history: 6,
    });
    let record = env::var_os("FAKE_API_RECORD")
        .map(|path| OpenOptions::new().create(true).append(true).open(path))
        .transpose()?;
    let server = Server::on("127.0.0.1:0", None, move |request| {
        if let (Some(mut record), "POST") = (record.as_ref(), request.method.as_str()) {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            record
                .write_all(format!("{}\n", body["message"]["content"]).as_bytes())
                .unwrap();
        }
        api.answer(&request)
    })?;
    let base_url = format!("http://{}/latest", server.address);

    let mut command = env::args_os()
        .skip(1)
        .skip_while(|argument| argument == "--");
    if let Some(program) = command.next() {
        let status = Command::new(program)
            .args(command)
            .env("RELEVANCE_BASE_URL", base_url)
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_AGENT_ID", "demo-agent")
            .env("RELEVANCE_REGION", "us")
            .status()?;
        return Ok(status
            .code()
            .map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)));
    }
    writeln!(
        io::stdout(),
        "export RELEVANCE_BASE_URL={base_url}\nexport RELEVANCE_AUTH_TOKEN={TOKEN}\nexport RELEVANCE_AGENT_ID=demo-agent"
    )?;
    loop {
        thread::park();
    }
}
