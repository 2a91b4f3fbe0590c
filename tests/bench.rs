/*!
`make bench`: the program beside what people use today, against the fake API over TLS; then the pace, from the pure
function; then what a poll costs as a run's history grows. Everything stays on loopback.
*/

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake;
#[path = "../src/run/pace.rs"]
mod pace;
mod simulate;
#[path = "it/tunnel.rs"]
mod tunnel;

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fake::api::{Api, Course, TOKEN};
use fake::server::{Reply, Server};
use fake::tls::Authority;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::json;
use simulate::notice;
use tunnel::Tunnel;

/// Rounds of the first table; every client runs once in each.
const ROUNDS: usize = 7;
/// A region that is not the vendor's, for the SDK, which knows its hosts by region alone.
const REGION: &str = "bench0";

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next().expect("the binary to measure");
    if first == "--measure" {
        return measure(arguments.next().expect("a program").as_ref(), arguments);
    }
    let ours = PathBuf::from(first);
    let mut out = io::stdout().lock();
    whole_runs(&mut out, &ours)?;
    paces(&mut out)?;
    growth(&mut out, &ours)
}

/// Runs a command and prints its CPU time in microseconds, its peak memory in KiB and its wall time in microseconds.
///
/// This is a process of its own, so that the usage of its children is that of this command alone. Linux counts this
/// process's own memory as the least that a child used; where the command used less, what `/proc` last said of it counts.
fn measure(program: &OsStr, arguments: impl Iterator<Item = std::ffi::OsString>) -> io::Result<()> {
    let started = Instant::now();
    let mut command = Command::new(program);
    let mut child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut sampled = 0;
    // The peak only grows, so the last sample is as good as the moment before the end.
    while let Some(kib) = peak_kib(child.id()) {
        sampled = kib;
    }
    let status = child.wait()?;
    let wall = started.elapsed().as_micros();
    let usage = |who| getrusage(who).map_err(io::Error::other);
    let (children, own) = (usage(UsageWho::RUSAGE_CHILDREN)?, usage(UsageWho::RUSAGE_SELF)?);
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(children.user_time()) + micros(children.system_time());
    let peak = if children.max_rss() > own.max_rss() { children.max_rss() } else { sampled };
    assert!(status.success(), "{program:?} failed: {status}");
    writeln!(io::stdout(), "{cpu} {peak} {wall}")
}

/// The peak memory of a process, or `None` once it has ended.
fn peak_kib(pid: u32) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

struct Client {
    name: &'static str,
    command: Vec<String>,
    size_on_disk: u64,
}

/// Figures of one run.
#[derive(Clone, Default)]
struct Figures([f64; 6]);

const COLUMNS: [&str; 7] = ["CPU ms", "peak MiB", "wall ms", "connections", "requests", "bytes received", "MB on disk"];

fn whole_runs(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    let (clients, missing) = clients(ours);
    let host = format!("api-{REGION}.stack.tryrelevance.com");
    let authority = Authority::new();
    let ca = env::temp_dir().join(format!("relevance-run-bench-{}.pem", std::process::id()));
    std::fs::write(&ca, &authority.pem)?;
    let api = Api::new(Course { takes: Duration::ZERO, held: Duration::ZERO, history: 6 });
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::on("127.0.0.1:0", Some(authority.server(&["localhost", &host], false)), move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        api.answer(&request)
    })?;
    let tunnel = Tunnel::to(server.address);

    let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); clients.len()];
    for _ in 0..ROUNDS {
        for (client, runs) in clients.iter().zip(&mut runs) {
            let before = (server.connections(), requests.load(Ordering::SeqCst), server.bytes_sent());
            let mut command = Command::new(env::current_exe()?);
            command.arg("--measure").args(&client.command).env_clear();
            command.env("PATH", env::var_os("PATH").unwrap_or_default());
            command.env("RELEVANCE_BASE_URL", format!("https://localhost:{}/latest", server.address.port()));
            command.env("RELEVANCE_AUTH_TOKEN", TOKEN).env("RELEVANCE_AGENT_ID", "bench-agent");
            for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
                command.env(name, &ca);
            }
            if client.name.contains("SDK") {
                let (project, key) = TOKEN.split_once(':').unwrap();
                command.env("RAI_PROJECT", project).env("RAI_API_KEY", key).env("RAI_REGION", REGION);
                command.env("HTTPS_PROXY", tunnel.url());
            }
            let output = command.stderr(Stdio::inherit()).output()?;
            assert!(output.status.success(), "{} failed", client.name);
            let text = String::from_utf8(output.stdout).unwrap();
            let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
            runs.push(Figures([
                numbers[0] / 1000.0,
                numbers[1] / 1024.0,
                numbers[2] / 1000.0,
                (server.connections() - before.0) as f64,
                (requests.load(Ordering::SeqCst) - before.1) as f64,
                (server.bytes_sent() - before.2) as f64,
            ]));
        }
    }
    std::fs::remove_file(ca)?;

    writeln!(
        out,
        "One whole run over TLS with an immediate answer, median of {ROUNDS}; in brackets the ratio to ours"
    )?;
    write!(out, "{:<34}", "")?;
    for column in COLUMNS {
        write!(out, "{column:>18}")?;
    }
    writeln!(out)?;
    let rows: Vec<Vec<f64>> = clients
        .iter()
        .zip(&runs)
        .map(|(client, runs)| {
            let mut row: Vec<f64> = (0..6).map(|column| median(runs, column)).collect();
            row.push(client.size_on_disk as f64 / 1e6);
            row
        })
        .collect();
    for (client, row) in clients.iter().zip(&rows) {
        write!(out, "{:<34}", client.name)?;
        for (value, ours) in row.iter().zip(&rows[0]) {
            let decimals = if *value < 100.0 && value.fract() != 0.0 { 1 } else { 0 };
            write!(out, "{:>18}", format!("{value:.decimals$} ({:.1})", value / ours))?;
        }
        writeln!(out)?;
    }
    for name in missing {
        writeln!(out, "left out, not installed: {name}")?;
    }
    writeln!(out)
}

fn median(runs: &[Figures], column: usize) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(|figures| figures.0[column]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Who takes part, and who is not installed.
fn clients(ours: &Path) -> (Vec<Client>, Vec<&'static str>) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench");
    let script = |name: &str| scripts.join(name).display().to_string();
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let succeeds = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let python_size = |packages: &[&str]| -> u64 {
        let output = Command::new(&python).arg(script("size_on_disk.py")).args(packages).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    let mut clients = vec![Client {
        name: "relevance-run",
        command: vec![ours.display().to_string(), "Hello".to_owned()],
        size_on_disk: std::fs::metadata(ours).unwrap().len(),
    }];
    let mut missing = Vec::new();
    let requests = ["requests", "urllib3", "idna", "certifi", "charset-normalizer"];
    if succeeds(&python, &["-c", "import requests"]) {
        clients.push(Client {
            name: "Python loop with requests",
            command: vec![python.clone(), script("requests_loop.py")],
            size_on_disk: python_size(&requests),
        });
    } else {
        missing.push("Python with requests");
    }
    if succeeds("curl", &["--version"]) && succeeds("jq", &["--version"]) {
        clients.push(Client {
            name: "shell loop with curl and jq",
            command: vec!["sh".to_owned(), script("curl_loop.sh")],
            size_on_disk: ["curl", "jq"].into_iter().map(with_libraries).sum(),
        });
    } else {
        missing.push("curl and jq");
    }
    let sdk =
        ["relevanceai", "httpx", "httpcore", "h11", "anyio", "sniffio", "certifi", "idna", "pydantic", "pydantic_core"];
    if succeeds(&python, &["-c", "import relevanceai"]) {
        clients.push(Client {
            name: "vendor's Python SDK (by a proxy)",
            command: vec![python.clone(), script("sdk_loop.py")],
            size_on_disk: python_size(&sdk),
        });
    } else {
        missing.push("the vendor's Python SDK (relevanceai)");
    }
    (clients, missing)
}

/// The size of a program and of the shared libraries that it loads.
fn with_libraries(program: &str) -> u64 {
    let shell = format!("p=$(command -v {program}); ls -lL \"$p\" $(ldd \"$p\" | grep -o '/[^ ]*')");
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().nth(4)?.parse::<u64>().ok()).sum()
}

fn paces(out: &mut impl Write) -> io::Result<()> {
    let lengths = [(1, "1 s"), (3, "3 s"), (10, "10 s"), (30, "30 s"), (120, "2 min"), (600, "10 min"), (3600, "1 h")];
    writeln!(
        out,
        "Polls, and mean and worst delay in s from a run's end to its notice, for runs up to a tenth longer or shorter"
    )?;
    writeln!(out, "{:<10}{:>26}{:>26}{:>26}", "run", "relevance-run", "fixed 3 s (sample)", "fixed 1 s (SDK)")?;
    let rules: [&dyn Fn(Duration) -> Duration; 3] =
        [&pace::pace, &|_| Duration::from_secs(3), &|_| Duration::from_secs(1)];
    for (seconds, name) in lengths {
        write!(out, "{name:<10}")?;
        for rule in rules {
            let around = (900..=1100).map(|thousandth| Duration::from_secs(seconds) * thousandth / 1000);
            let noticed: Vec<(u32, Duration)> = around.map(|run| notice(run, rule)).collect();
            let mean = noticed.iter().map(|(_, delay)| delay.as_secs_f64()).sum::<f64>() / noticed.len() as f64;
            let worst = noticed.iter().map(|(_, delay)| delay.as_secs_f64()).fold(0.0, f64::max);
            let polls = notice(Duration::from_secs(seconds), rule).0;
            write!(out, "{:>26}", format!("{polls} polls, {mean:.2}, {worst:.2}"))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// What polls cost beside the loop that fetches the full list each time, which is what `--verbose` does.
fn growth(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    let heads = ("updates", "polls", "short polls", "full polls", "bytes a short poll", "CPU ms in all");
    writeln!(
        out,
        "Cost of waiting, by the number of updates in the run's history; the eighth poll is the first in full"
    )?;
    writeln!(
        out,
        "{:<26}{:>10}{:>8}{:>14}{:>12}{:>20}{:>16}",
        "", heads.0, heads.1, heads.2, heads.3, heads.4, heads.5
    )?;
    for (polls, name, option) in [
        (7, "relevance-run", "--quiet"),
        (20, "relevance-run", "--quiet"),
        (20, "the full list each time", "--verbose"),
    ] {
        for history in [1, 1_000, 100_000] {
            let (short, full, bytes, cpu) = waiting(ours, option, history, polls)?;
            let each = bytes.checked_div(short).map_or("-".to_owned(), |bytes| bytes.to_string());
            writeln!(out, "{name:<26}{history:>10}{polls:>8}{short:>14}{full:>12}{each:>20}{cpu:>16.1}")?;
        }
    }
    Ok(())
}

/// Short polls, full polls, bytes of the short polls' replies, and CPU time in ms, of a run that ends at this poll.
fn waiting(ours: &Path, option: &str, history: usize, last: usize) -> io::Result<(usize, usize, usize, f64)> {
    let update = json!({"type": "agent-message", "message": "Working on the next part"});
    let list = json!({"type": "inprogress", "updates": vec![update; history]}).to_string();
    let [polls, short, bytes] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&polls), Arc::clone(&short), Arc::clone(&bytes));
    let server = Server::on("127.0.0.1:0", None, move |request| {
        if request.method == "POST" {
            return Reply::json(200, json!({"job_info": {"studio_id": "s", "job_id": "j"}}));
        }
        let is_short = request.query("ending_update_only") == Some("true");
        let body = if counters.0.fetch_add(1, Ordering::SeqCst) + 1 == last {
            r#"{"type":"complete","updates":[{"type":"chain-success","output":{"answer":"Hi!"}}]}"#
        } else if is_short {
            r#"{"type":"inprogress","updates":[]}"#
        } else {
            &list
        };
        if is_short {
            counters.1.fetch_add(1, Ordering::SeqCst);
            counters.2.fetch_add(body.len(), Ordering::SeqCst);
        }
        Reply::text(200, body)
    })?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("--measure").arg(ours).args([option, "--interval", "1ms", "Hello"]).env_clear();
    command.env("RELEVANCE_BASE_URL", format!("http://{}", server.address));
    command.env("RELEVANCE_AUTH_TOKEN", TOKEN).env("RELEVANCE_AGENT_ID", "bench-agent");
    let output = command.stderr(Stdio::null()).output()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let cpu: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    let [polls, short, bytes] = [polls, short, bytes].map(|counter| counter.load(Ordering::SeqCst));
    Ok((short, polls - short, bytes, cpu / 1000.0))
}
