/*!
The fake API alone, for any HTTP client: `make fake-api` prints its base URL and a token, and serves until it is
ended. With a command after `--`, it serves for as long as that command runs, with the environment set for it.
*/

#[allow(dead_code)]
mod fake;

use std::env;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use fake::api::{Api, Course, TOKEN};
use fake::server::Server;

fn main() -> io::Result<ExitCode> {
    let api = Api::new(Course { takes: Duration::from_millis(1500), held: Duration::from_millis(300), history: 6 });
    let server = Server::on("127.0.0.1:0", None, move |request| api.answer(&request))?;
    let base_url = format!("http://{}/latest", server.address);

    let mut command = env::args_os().skip(1).skip_while(|argument| argument == "--");
    if let Some(program) = command.next() {
        let status = Command::new(program)
            .args(command)
            .env("RELEVANCE_BASE_URL", base_url)
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_AGENT_ID", "demo-agent")
            .env("RELEVANCE_REGION", "us")
            .status()?;
        return Ok(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)));
    }
    writeln!(
        io::stdout(),
        "export RELEVANCE_BASE_URL={base_url}\nexport RELEVANCE_AUTH_TOKEN={TOKEN}\nexport RELEVANCE_AGENT_ID=demo-agent"
    )?;
    loop {
        thread::park();
    }
}
