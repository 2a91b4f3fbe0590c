/*!
`make bench`: the program beside what people use today, against the fake API over TLS; then the pace, from the pure
function; what a poll costs as a run's history grows; the memory for large replies; hundreds of runs at once; and, as
root, name look-ups and a dead address. Everything stays on loopback, or in a network namespace made for it.
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

use fake::api::{Api, Scenario, TOKEN};
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
    if first == "--isolated" {
        return isolated(arguments.next().expect("the binary to measure").as_ref());
    }
    let ours = PathBuf::from(first);
    let mut out = io::stdout().lock();
    whole_runs(&mut out, &ours)?;
    paces(&mut out)?;
    growth(&mut out, &ours)?;
    memory(&mut out, &ours)?;
    many(&mut out, &ours)?;
    names(&mut out, &ours)
}

/// Runs a command and prints its CPU time in microseconds, its peak memory in KiB and its wall time in microseconds.
///
/// This is a process of its own, so that the usage of its children is that of this command alone. Linux counts this
/// process's own memory as the least that a child used; where the command used less, what `/proc` last said of it counts.
fn measure(program: &OsStr, arguments: impl Iterator<Item = std::ffi::OsString>) -> io::Result<()> {
    let started = Instant::now();
    let mut command = Command::new(program);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut sampled = 0;
    // The peak only grows, so the last sample is as good as the moment before the end.
    while let Some(kib) = peak_kib(child.id()) {
        sampled = kib;
    }
    let status = child.wait()?;
    let wall = started.elapsed().as_micros();
    let usage = |who| getrusage(who).map_err(io::Error::other);
    let (children, own) = (
        usage(UsageWho::RUSAGE_CHILDREN)?,
        usage(UsageWho::RUSAGE_SELF)?,
    );
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(children.user_time()) + micros(children.system_time());
    let peak = if children.max_rss() > own.max_rss() {
        children.max_rss()
    } else {
        sampled
    };
    assert!(
        status.success() || env::var_os("MAY_FAIL").is_some(),
        "{program:?} failed: {status}"
    );
    writeln!(io::stdout(), "{cpu} {peak} {wall}")
}

/// The peak memory of a process, or `None` once it has ended.
fn peak_kib(pid: u32) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
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

const COLUMNS: [&str; 7] = [
    "CPU ms",
    "peak MiB",
    "wall ms",
    "connections",
    "requests",
    "bytes received",
    "MB on disk",
];

fn whole_runs(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    let (clients, missing) = clients(ours);
    let host = format!("api-{REGION}.stack.tryrelevance.com");
    let authority = Authority::new();
    let ca = env::temp_dir().join(format!("relevance-run-bench-{}.pem", std::process::id()));
    std::fs::write(&ca, &authority.pem)?;
    let api = Api::new(Scenario::default());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::on(
        "127.0.0.1:0",
        Some(authority.server(&["localhost", &host], false)),
        move |request| {
            counted.fetch_add(1, Ordering::SeqCst);
            api.answer(&request)
        },
    )?;
    let tunnel = Tunnel::to(server.address);

    let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); clients.len()];
    for _ in 0..ROUNDS {
        for (client, runs) in clients.iter().zip(&mut runs) {
            let before = (
                server.connections(),
                requests.load(Ordering::SeqCst),
                server.bytes_sent(),
            );
            let mut command = Command::new(env::current_exe()?);
            command.arg("--measure").args(&client.command).env_clear();
            command.env("PATH", env::var_os("PATH").unwrap_or_default());
            command.env(
                "RELEVANCE_BASE_URL",
                format!("https://localhost:{}/latest", server.address.port()),
            );
            command
                .env("RELEVANCE_AUTH_TOKEN", TOKEN)
                .env("RELEVANCE_AGENT_ID", "demo-agent");
            for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
                command.env(name, &ca);
            }
            if client.name.contains("SDK") {
                let (project, key) = TOKEN.split_once(':').unwrap();
                command
                    .env("RAI_PROJECT", project)
                    .env("RAI_API_KEY", key)
                    .env("RAI_REGION", REGION);
                command.env("HTTPS_PROXY", tunnel.url());
            }
            let output = command.stderr(Stdio::inherit()).output()?;
            assert!(output.status.success(), "{} failed", client.name);
            let text = String::from_utf8(output.stdout).unwrap();
            let numbers: Vec<f64> = text
                .split_whitespace()
                .map(|number| number.parse().unwrap())
                .collect();
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
            let decimals = if *value < 100.0 && value.fract() != 0.0 {
                1
            } else {
                0
            };
            write!(
                out,
                "{:>18}",
                format!("{value:.decimals$} ({:.1})", value / ours)
            )?;
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
        command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let python_size = |packages: &[&str]| -> u64 {
        let output = Command::new(&python)
            .arg(script("size_on_disk.py"))
            .args(packages)
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    let mut clients = vec![Client {
        name: "relevance-run",
        command: vec![ours.display().to_string(), "Hello".to_owned()],
        size_on_disk: std::fs::metadata(ours).unwrap().len(),
    }];
    let mut missing = Vec::new();
    let requests = [
        "requests",
        "urllib3",
        "idna",
        "certifi",
        "charset-normalizer",
    ];
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
    let sdk = [
        "relevanceai",
        "httpx",
        "httpcore",
        "h11",
        "anyio",
        "sniffio",
        "certifi",
        "idna",
        "pydantic",
        "pydantic_core",
    ];
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
    let shell =
        format!("p=$(command -v {program}); ls -lL \"$p\" $(ldd \"$p\" | grep -o '/[^ ]*')");
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_whitespace().nth(4)?.parse::<u64>().ok())
        .sum()
}

fn paces(out: &mut impl Write) -> io::Result<()> {
    let lengths = [
        (1, "1 s"),
        (3, "3 s"),
        (10, "10 s"),
        (30, "30 s"),
        (120, "2 min"),
        (600, "10 min"),
        (3600, "1 h"),
    ];
    writeln!(
        out,
        "Polls, and mean and worst delay in s from a run's end to its notice, for runs up to a tenth longer or shorter"
    )?;
    writeln!(
        out,
        "{:<10}{:>26}{:>26}{:>26}",
        "run", "relevance-run", "fixed 3 s (sample)", "fixed 1 s (SDK)"
    )?;
    let rules: [&dyn Fn(Duration) -> Duration; 3] =
        [&pace::pace, &|_| Duration::from_secs(3), &|_| {
            Duration::from_secs(1)
        }];
    for (seconds, name) in lengths {
        write!(out, "{name:<10}")?;
        for rule in rules {
            let around =
                (900..=1100).map(|thousandth| Duration::from_secs(seconds) * thousandth / 1000);
            let noticed: Vec<(u32, Duration)> = around.map(|run| notice(run, rule)).collect();
            let mean = noticed
                .iter()
                .map(|(_, delay)| delay.as_secs_f64())
                .sum::<f64>()
                / noticed.len() as f64;
            let worst = noticed
                .iter()
                .map(|(_, delay)| delay.as_secs_f64())
                .fold(0.0, f64::max);
            let polls = notice(Duration::from_secs(seconds), rule).0;
            write!(
                out,
                "{:>26}",
                format!("{polls} polls, {mean:.2}, {worst:.2}")
            )?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// What polls cost beside the loop that fetches the full list each time, which is what `-vv` does.
fn growth(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    let heads = (
        "updates",
        "polls",
        "short polls",
        "full polls",
        "bytes a short poll",
        "CPU ms in all",
    );
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
        (20, "the full list each time", "-vv"),
    ] {
        for history in [1, 1_000, 100_000] {
            let (short, full, bytes, cpu) = waiting(ours, option, history, polls)?;
            let each = bytes
                .checked_div(short)
                .map_or("-".to_owned(), |bytes| bytes.to_string());
            writeln!(
                out,
                "{name:<26}{history:>10}{polls:>8}{short:>14}{full:>12}{each:>20}{cpu:>16.1}"
            )?;
        }
    }
    Ok(())
}

/// Short polls, full polls, bytes of the short polls' replies, and CPU time in ms, of a run that ends at this poll.
fn waiting(
    ours: &Path,
    option: &str,
    history: usize,
    last: usize,
) -> io::Result<(usize, usize, usize, f64)> {
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
    command
        .arg("--measure")
        .arg(ours)
        .args([option, "--interval", "1ms", "Hello"])
        .env_clear();
    command.env("RELEVANCE_BASE_URL", format!("http://{}", server.address));
    command
        .env("RELEVANCE_AUTH_TOKEN", TOKEN)
        .env("RELEVANCE_AGENT_ID", "bench-agent");
    let output = command.stderr(Stdio::null()).output()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let cpu: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    let [polls, short, bytes] = [polls, short, bytes].map(|counter| counter.load(Ordering::SeqCst));
    Ok((short, polls - short, bytes, cpu / 1000.0))
}

/// The peak of memory for a reply of 40 MiB, as the run's result or as what is wrong with it.
fn memory(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    const SIZE: usize = 40 << 20;
    writeln!(
        out,
        "\nPeak memory for a reply of 40 MiB, in MiB and as a multiple of the reply"
    )?;
    let many = |piece: &str| piece.repeat(SIZE / piece.len() - 8);
    let answer = |text: String| {
        format!(
            r#"{{"type":"complete","updates":[{{"type":"chain-success","output":{{"answer":"{text}"}}}}]}}"#
        )
    };
    let errors = |list: String| {
        format!(r#"{{"type":"failed","updates":[{{"type":"chain-fail","errors":[{list}0]}}]}}"#)
    };
    let updates = |list: String| {
        let end = r#"{"type":"chain-success","output":{"answer":"Hi!"}}"#;
        format!(r#"{{"type":"complete","updates":[{list}{end}]}}"#)
    };
    for (name, body) in [
        ("an answer", answer(many("x"))),
        ("an answer of escapes", answer(many(r"\u0001"))),
        ("updates that are numbers", updates(many("0,"))),
        ("updates that are {}", updates(many("{},"))),
        ("errors that are {}", errors(many("{},"))),
        ("a page of a a a", many("a ")),
    ] {
        let is_page = name.starts_with("a page");
        let server = Server::on("127.0.0.1:0", None, move |request| {
            match (request.method.as_str(), is_page) {
                ("POST", false) => {
                    Reply::json(200, json!({"job_info": {"studio_id": "s", "job_id": "j"}}))
                }
                (_, is_page) => Reply::text(if is_page { 400 } else { 200 }, &body),
            }
        })?;
        let mut command = Command::new(env::current_exe()?);
        command
            .arg("--measure")
            .arg(ours)
            .args(["--json", "Hello"])
            .env_clear()
            .env("MAY_FAIL", "1");
        command.env("RELEVANCE_BASE_URL", format!("http://{}", server.address));
        command
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_AGENT_ID", "bench-agent");
        let output = command.stderr(Stdio::null()).output()?;
        let text = String::from_utf8(output.stdout).unwrap();
        let peak: f64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        let peak = peak / 1024.0;
        writeln!(out, "{name:<26}{peak:>10.0}{:>10.1}", peak / 40.0)?;
    }
    Ok(())
}

/// What a waiting run costs on a machine that has hundreds of them, and what that makes of more, on paper.
fn many(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    const SAMPLE: Duration = Duration::from_secs(20);
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/requests_loop.py");
    let script = script.display().to_string();
    let ours = ours.display().to_string();
    let interval = ["--interval", "10s", "--timeout", "0", "Hello"];
    writeln!(
        out,
        "\nRuns that wait at the same time, one poll in 10 s, each; sampled for {SAMPLE:?}"
    )?;
    let heads = (
        "at once",
        "MiB each",
        "threads",
        "CPU ms/min each",
        "requests/min",
        "MiB for 1,000",
        "polls/s for 100,000",
    );
    writeln!(
        out,
        "{:<28}{:>9}{:>10}{:>9}{:>17}{:>14}{:>15}{:>21}",
        "", heads.0, heads.1, heads.2, heads.3, heads.4, heads.5, heads.6
    )?;
    for (name, count, command) in [
        (
            "relevance-run",
            400,
            [&[ours.as_str()][..], &interval].concat(),
        ),
        (
            "Python loop with requests",
            40,
            vec![python.as_str(), script.as_str()],
        ),
    ] {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let server = Server::on("127.0.0.1:0", None, move |request| {
            counted.fetch_add(1, Ordering::SeqCst);
            match request.method.as_str() {
                "POST" => Reply::json(200, json!({"job_info": {"studio_id": "s", "job_id": "j"}})),
                _ => Reply::text(200, r#"{"type":"inprogress","updates":[]}"#),
            }
        })?;
        let mut children = Vec::new();
        for _ in 0..count {
            let mut child = Command::new(command[0]);
            child
                .args(&command[1..])
                .env_clear()
                .env("POLL_SECONDS", "10");
            child.env("PATH", env::var_os("PATH").unwrap_or_default());
            child.env("RELEVANCE_BASE_URL", format!("http://{}", server.address));
            child
                .env("RELEVANCE_AUTH_TOKEN", TOKEN)
                .env("RELEVANCE_AGENT_ID", "bench-agent");
            child
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            match child.spawn() {
                Ok(child) => children.push(child),
                Err(_) => break,
            }
        }
        // All have sent their trigger and their first poll.
        let begun = Instant::now();
        while requests.load(Ordering::SeqCst) < 2 * count
            && begun.elapsed() < Duration::from_secs(60)
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        let cpu = || -> f64 { children.iter().map(|child| cpu_seconds(child.id())).sum() };
        let before = (requests.load(Ordering::SeqCst), cpu());
        std::thread::sleep(SAMPLE);
        let minutes = SAMPLE.as_secs_f64() / 60.0;
        let polls = (requests.load(Ordering::SeqCst) - before.0) as f64 / minutes;
        let cpu = (cpu() - before.1) * 1000.0 / minutes / count as f64;
        let memory: f64 = children
            .iter()
            .map(|child| proportional_kib(child.id()))
            .sum::<f64>()
            / 1024.0
            / count as f64;
        let threads = status(children[0].id(), "Threads:");
        let each = polls / count as f64;
        writeln!(
            out,
            "{name:<28}{count:>9}{memory:>10.2}{threads:>9}{cpu:>17.2}{polls:>14.0}{:>15.0}{:>21.0}",
            memory * 1000.0,
            each * 100_000.0 / 60.0
        )?;
        for child in &mut children {
            child.kill()?;
            child.wait()?;
        }
    }
    Ok(())
}

/// Seconds that all threads of a process were on a processor; a tick is too coarse for a poll.
fn cpu_seconds(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let of_task = |task: std::fs::DirEntry| -> Option<f64> {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(of_task).sum::<f64>() / 1e9
}

/// Memory, with what is shared divided among those who share it.
fn proportional_kib(pid: u32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0.0)
}

fn status(pid: u32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or("?")
        .trim()
        .to_owned()
}

/// Look-ups and a dead address need a name server of their own, and so a network namespace.
fn names(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    out.flush()?;
    let script = r#"ip link set lo up && echo "nameserver 127.0.0.1" > "$CONF" && mount --bind "$CONF" /etc/resolv.conf &&
        ip link add dead0 type veth peer name dead1 && ip link set dead0 up && ip link set dead1 up &&
        ip addr add 10.99.0.1/24 dev dead0 && ip addr add 2001:db8:99::1/64 dev dead0 nodad &&
        ip neigh add 2001:db8:99::2 lladdr 02:00:00:00:00:02 dev dead0 nud permanent && exec "$@""#;
    let conf = env::temp_dir().join(format!("relevance-run-bench-{}.conf", std::process::id()));
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "sh", "-c", script, "sh"])
        .arg(env::current_exe()?)
        .arg("--isolated")
        .arg(ours);
    let done = command.env("CONF", &conf).status();
    let _ = std::fs::remove_file(conf);
    match done {
        Ok(status) if status.success() => Ok(()),
        _ => writeln!(
            out,
            "left out, it needs root and iproute2: name look-ups and a dead address"
        ),
    }
}

static QUERIES: AtomicUsize = AtomicUsize::new(0);

fn isolated(ours: &Path) -> io::Result<()> {
    const POLLS: usize = 20;
    fake::names::serve(|name| match name {
        "api.bench" => {
            QUERIES.fetch_add(1, Ordering::SeqCst);
            fake::names::Answer::Known(Some([127, 0, 0, 1]), None)
        }
        "dead.bench" => fake::names::Answer::Known(
            Some([10, 99, 0, 1]),
            Some([
                0x20, 0x01, 0x0d, 0xb8, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
            ]),
        ),
        _ => fake::names::Answer::Unknown,
    });
    let authority = Authority::new();
    let ca = env::temp_dir().join(format!("relevance-run-bench-{}.pem", std::process::id()));
    std::fs::write(&ca, &authority.pem)?;
    let serve = |address: &str, last: usize| {
        let polls = AtomicUsize::new(0);
        Server::on(
            address,
            Some(authority.server(&["api.bench", "dead.bench"], false)),
            move |request| {
                if request.method == "POST" {
                    return Reply::json(
                        200,
                        json!({"job_info": {"studio_id": "s", "job_id": "j"}}),
                    );
                }
                let output = json!({"output": {"answer": "Hi!"}});
                match polls.fetch_add(1, Ordering::SeqCst) + 1 == last {
                    true => Reply::json(
                        200,
                        json!({"type": "complete", "updates": [{"type": "chain-success", "output": output}]}),
                    ),
                    false => Reply::text(200, r#"{"type":"inprogress","updates":[]}"#),
                }
            },
        )
    };
    let set = |command: &mut Command, host: &str, server: &Server| {
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env(
            "RELEVANCE_BASE_URL",
            format!("https://{host}:{}/latest", server.address.port()),
        );
        command
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_AGENT_ID", "bench-agent")
            .env("POLL_SECONDS", "0.01");
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
            command.env(name, &ca);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
    };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\nDNS queries of one run with {POLLS} polls (a look-up asks for IPv4 and for IPv6)"
    )?;
    for Client { name, command, .. } in clients(ours)
        .0
        .iter()
        .filter(|client| !client.name.contains("SDK"))
    {
        let server = serve("127.0.0.1:0", POLLS)?;
        let before = QUERIES.load(Ordering::SeqCst);
        let mut client = Command::new(&command[0]);
        client.args(&command[1..]);
        set(&mut client, "api.bench", &server);
        if name == &"relevance-run" {
            client.args(["--interval", "10ms"]);
        }
        assert!(client.status()?.success(), "{name} failed");
        writeln!(
            out,
            "{name:<34}{:>8}",
            QUERIES.load(Ordering::SeqCst) - before
        )?;
    }
    writeln!(
        out,
        "\nWall ms where the first address of the API's name swallows everything (the least of 3)"
    )?;
    let server = serve("10.99.0.1:0", 1)?;
    let url = format!(
        "https://dead.bench:{}/latest/studios/s/async_poll/j",
        server.address.port()
    );
    let curl: Vec<String> = ["curl", "-sS", &url].map(str::to_owned).into();
    for (name, command) in [
        (
            "relevance-run, a whole run",
            vec![ours.display().to_string(), "Hello".to_owned()],
        ),
        ("curl, one request", curl),
    ] {
        let mut least = f64::MAX;
        for _ in 0..3 {
            let server = serve("10.99.0.1:0", 1)?;
            let mut client = Command::new(&command[0]);
            client.args(command[1..].iter().map(|it| {
                it.replace(
                    &url,
                    &format!("https://dead.bench:{}/", server.address.port()),
                )
            }));
            set(&mut client, "dead.bench", &server);
            let begun = Instant::now();
            match client.stderr(Stdio::null()).status() {
                Ok(status) if status.success() => {
                    least = least.min(begun.elapsed().as_secs_f64() * 1000.0)
                }
                _ => break,
            }
        }
        writeln!(out, "{name:<34}{least:>8.0}")?;
    }
    std::fs::remove_file(ca)
}
