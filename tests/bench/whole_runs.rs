/*! Whole runs, beside what people use today. */

use std::env;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::measure::{measured, usage};
use crate::tunnel::Tunnel;
use fake::api::{Api, Scenario, TOKEN};
use fake::server::Server;
use fake::tls::Authority;

/// Rounds of the first table; every client runs once in each.
const ROUNDS: usize = 7;

/// A region that is not the vendor's, for the SDK, which knows its hosts by region alone.
const REGION: &str = "bench0";

pub struct Client {
    pub name: &'static str,
    pub command: Vec<String>,
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

pub fn whole_runs(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    let (clients, missing) = clients(ours);
    let host = format!("api-{REGION}.stack.tryrelevance.com");
    let authority = Authority::generate();
    let ca = env::temp_dir().join(format!("relevance-run-bench-{}.pem", std::process::id()));
    std::fs::write(&ca, &authority.pem)?;
    let api = Api::new(Scenario::default());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::over_tls(
        TcpListener::bind("127.0.0.1:0")?,
        authority.server(&["localhost", &host], false),
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
            let mut command = measured(&client.command[0])?;
            command.args(&client.command[1..]);
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
            let used = usage(command.stderr(Stdio::inherit()))?;
            runs.push(Figures([
                used.cpu_ms,
                used.peak_mib,
                used.wall_ms,
                (server.connections() - before.0) as f64,
                (requests.load(Ordering::SeqCst) - before.1) as f64,
                (server.bytes_sent() - before.2) as f64,
            ]));
        }
    }
    std::fs::remove_file(ca)?;

    writeln!(
        out,
        "One whole run over TLS with an immediate answer, median of {ROUNDS}; \
         in brackets the ratio to ours"
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
pub fn clients(ours: &Path) -> (Vec<Client>, Vec<&'static str>) {
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
