/*! What repeats from run to run: the instructions and the system calls of a run, where valgrind and
strace are installed, and the private memory of a wait, as root, since the program's memory is
closed to others. All over TLS. */

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use fake::api::{Api, Scenario, TOKEN};
use fake::server::Server;
use fake::tls::Authority;

/// Where Debian and its kin keep the CAs of the system.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Until the wait has settled.
const SETTLED: Duration = Duration::from_millis(2500);

/// The table.
pub fn floor(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    let authority = Authority::generate();
    let files = Files::new(&authority)?;
    let run = serve(&authority, Scenario::default())?;
    writeln!(out, "\nOver TLS, with a certificate of P-256")?;
    for (name, bundle) in [("a run", &files.own), ("with a system bundle", &files.all)] {
        let instructions = instructions(command(ours, &run, bundle));
        let instructions = instructions.unwrap_or_else(|| "no valgrind:".to_owned());
        let system_calls = system_calls(command(ours, &run, bundle));
        let system_calls = system_calls.unwrap_or_else(|| "no strace:".to_owned());
        writeln!(
            out,
            "{name:<26}{instructions:>12} instructions{system_calls:>12} system calls"
        )?;
    }
    let takes = Duration::from_secs(60);
    let wait = serve(
        &authority,
        Scenario {
            takes,
            ..Scenario::default()
        },
    )?;
    let memory = private_memory(command(ours, &wait, &files.own))?;
    let memory = memory.unwrap_or_else(|| "not told: needs root".to_owned());
    writeln!(out, "{:<26}{memory:>12} private KB", "a wait")
}

/// The bundles of CAs, until the table is there.
struct Files {
    own: PathBuf,
    /// The system's CAs as well.
    all: PathBuf,
}

impl Files {
    fn new(authority: &Authority) -> io::Result<Files> {
        let path = |name: &str| {
            let name = format!("relevance-run-bench-{}-{name}", std::process::id());
            env::temp_dir().join(name)
        };
        let files = Files {
            own: path("own.pem"),
            all: path("all.pem"),
        };
        fs::write(&files.own, &authority.pem)?;
        let system = fs::read_to_string(SYSTEM_BUNDLE).unwrap_or_default();
        fs::write(&files.all, system + &authority.pem)?;
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.own, &self.all] {
            let _ = fs::remove_file(path);
        }
    }
}

fn serve(authority: &Authority, scenario: Scenario) -> io::Result<Server> {
    let api = Api::new(scenario);
    let tls = authority.server(&["localhost"], false);
    Server::over_tls(TcpListener::bind("127.0.0.1:0")?, tls, move |request| {
        api.answer(&request)
    })
}

/// The arguments and the environment of a run; the program comes first.
fn command(ours: &Path, server: &Server, bundle: &Path) -> Command {
    let mut command = Command::new(ours);
    let url = format!("https://localhost:{}/latest", server.address.port());
    command
        .args(["--interval", "500ms", "Hello"])
        .env_clear()
        .env("RELEVANCE_BASE_URL", url)
        .env("RELEVANCE_AUTH_TOKEN", TOKEN)
        .env("RELEVANCE_AGENT_ID", "demo-agent")
        .env("SSL_CERT_FILE", bundle)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// What callgrind collects.
fn instructions(plain: Command) -> Option<String> {
    let tool = [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
    ];
    let report = under(&tool, plain)?;
    let line = report.lines().find(|line| line.contains("Collected"))?;
    Some(line.rsplit(' ').next()?.to_owned())
}

/// What strace counts, of all threads.
fn system_calls(plain: Command) -> Option<String> {
    let report = under(&["strace", "-f", "-c", "-U", "calls,name"], plain)?;
    let line = report.lines().find(|line| line.ends_with("total"))?;
    Some(line.split_whitespace().next()?.to_owned())
}

/// Runs a command under a tool, and returns what is printed on standard error.
fn under(tool: &[&str], plain: Command) -> Option<String> {
    let mut command = Command::new(tool[0]);
    command
        .args(&tool[1..])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .env("PATH", env::var_os("PATH")?);
    for (name, value) in plain.get_envs() {
        command.env(name, value?);
    }
    let output = command.stdin(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The private memory of a command that waits. Only what no file is behind: the kernel counts the
/// pages of a binary that was built just now as private too.
fn private_memory(mut command: Command) -> io::Result<Option<String>> {
    let mut child = command.stderr(Stdio::null()).spawn()?;
    thread::sleep(SETTLED);
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id()));
    child.kill()?;
    child.wait()?;
    let rollup = rollup.unwrap_or_default();
    let line = rollup.lines().find(|line| line.starts_with("Anonymous"));
    Ok(line
        .and_then(|line| line.split_whitespace().nth(1))
        .map(ToOwned::to_owned))
}
