/*!
The fake API alone, for any HTTP client: `make fake-api` prints the environment of a client, and
serves until it is ended. With a command after `--`, it serves for as long as that command runs,
with the environment set for it.

`FAKE_API_RECORD` is a file that gets a line for each trigger that was sent: the message, or the
parameters of a tool, as JSON. Every other variable `FAKE_API_…` sets a switch of the API, listed in
`api/scenario.rs`: `FAKE_API_TAKES` is how many milliseconds a run takes (1500). A word at the
start of a message makes its run go another way, listed in `api/words.rs`. Both lists are
printed by `make fake-api`.
*/

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use fake::api::scenario::SWITCHES;
use fake::api::words::WORDS;
use fake::api::{Api, Scenario, TOKEN};
use fake::server::{Request, Server};
use serde_json::Value;

const RECORD: &str = "FAKE_API_RECORD";
/// Who has a token of their own has it here, and not both this and the fake's may be set.
const TOKEN_FILE: &str = "RELEVANCE_AUTH_TOKEN_FILE";

fn main() -> io::Result<ExitCode> {
    let scenario = match scenario() {
        Ok(scenario) => scenario,
        Err(why) => {
            writeln!(io::stderr(), "fake-api: {why}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let api = Api::new(scenario);
    let record = env::var_os(RECORD)
        .map(|path| OpenOptions::new().create(true).append(true).open(path))
        .transpose()?;
    let server = Server::on("127.0.0.1:0", move |request| {
        if let (Some(mut record), true) = (record.as_ref(), request.is_trigger()) {
            record.write_all(recorded(&request).as_bytes()).unwrap();
        }
        api.answer(&request)
    })?;
    let environment = [
        (
            "RELEVANCE_BASE_URL",
            format!("http://{}/latest", server.address),
        ),
        ("RELEVANCE_AUTH_TOKEN", TOKEN.to_owned()),
        ("RELEVANCE_AGENT_ID", "demo-agent".to_owned()),
        ("RELEVANCE_REGION", "us".to_owned()),
    ];

    let mut command = env::args_os()
        .skip(1)
        .skip_while(|argument| argument == "--");
    if let Some(program) = command.next() {
        let status = Command::new(program)
            .args(command)
            .env_remove(TOKEN_FILE)
            .envs(environment)
            .status()?;
        return Ok(status
            .code()
            .map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)));
    }
    let mut exports = format!("unset {TOKEN_FILE}\n");
    for (name, value) in environment {
        exports.push_str(&format!("export {name}={value}\n"));
    }
    io::stderr().write_all(hints().as_bytes())?;
    // At once, so that who waits for one line finds them all.
    io::stdout().write_all(exports.as_bytes())?;
    writeln!(
        io::stderr(),
        "\nThen run there: relevance-run 'Hello'. Ctrl-C ends the fake API."
    )?;
    loop {
        thread::park();
    }
}

/// The scenario that the environment asks for.
fn scenario() -> Result<Scenario, String> {
    let mut scenario = Scenario {
        takes: Duration::from_millis(1500),
        held: Duration::from_millis(300),
        ..Scenario::default()
    };
    for (name, value) in env::vars_os() {
        let name = name.to_string_lossy();
        let Some(switch) = name.strip_prefix("FAKE_API_").filter(|_| name != RECORD) else {
            continue;
        };
        let value = value.to_string_lossy();
        scenario
            .set(switch, &value)
            .map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(scenario)
}

/// The line for one trigger.
fn recorded(request: &Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let sent = body["message"].get("content").unwrap_or(&body["params"]);
    format!("{sent}\n")
}

/// What can be rehearsed, and what to do next.
fn hints() -> String {
    let mut hints =
        String::from("A word at the start of a message makes its run go another way:\n");
    for (word, _, what_follows, meaning) in WORDS {
        hints.push_str(&format!("  {word:<12} {what_follows:<7} {meaning}\n"));
    }
    hints.push_str("A tool, demo-tool, takes the word in its parameter `message`.\n");
    hints.push_str("\nVariables for `make fake-api` change what every run does:\n");
    for (name, meaning) in SWITCHES {
        hints.push_str(&format!("  FAKE_API_{name:<18}  {meaning}\n"));
    }
    hints.push_str(&format!(
        "  {RECORD:<27}  a file that gets a line for each trigger\n"
    ));
    hints.push_str("\nThe fake API is serving. Paste these lines into another shell:\n\n");
    hints
}
