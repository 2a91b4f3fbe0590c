/*! What a file of 90 MB costs that goes with the message, beside a run without one. */

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;

use crate::measure::{measured, usage};
use fake::api::TOKEN;
use fake::server::{Reply, Request, Server};
use fake::tls::Authority;

const SIZE: u64 = 90_000_000;
/// Each row is the median of so many runs.
const ROUNDS: usize = 5;

/// The table.
pub fn uploads(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    let files = Files::new()?;
    writeln!(
        out,
        "\nA run with a file of 90 MB attached, over TLS, median of {ROUNDS}"
    )?;
    writeln!(
        out,
        "{:<26}{:>10}{:>10}{:>10}",
        "", "CPU ms", "peak MiB", "wall ms"
    )?;
    for (name, has_file) in [("no file", false), ("90 MB", true)] {
        let [cpu, peak, wall] = median_run(ours, &files, has_file)?;
        writeln!(out, "{name:<26}{cpu:>10.0}{peak:>10.1}{wall:>10.0}")?;
    }
    Ok(())
}

/// What is written to disk, until the table is there.
struct Files {
    attached: PathBuf,
    authority: Authority,
    pem: PathBuf,
}

impl Files {
    fn new() -> io::Result<Files> {
        let path = |name: &str| {
            let name = format!("relevance-run-bench-{}-{name}", std::process::id());
            env::temp_dir().join(name)
        };
        let files = Files {
            attached: path("90.bin"),
            authority: Authority::generate(),
            pem: path("ca.pem"),
        };
        File::create(&files.attached)?.set_len(SIZE)?;
        std::fs::write(&files.pem, &files.authority.pem)?;
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.attached, &self.pem] {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// CPU in milliseconds, the peak in MiB, and the time in milliseconds.
fn median_run(ours: &Path, files: &Files, has_file: bool) -> io::Result<[f64; 3]> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    let tls = files.authority.server(&["localhost"], false);
    let place = url.clone();
    let _server = Server::over_tls(listener, tls, move |request| answer(&request, &place))?;
    let mut runs = Vec::new();
    for _ in 0..ROUNDS {
        let mut command = measured(ours)?;
        command.arg("Hello");
        if has_file {
            command.arg("--attach").arg(&files.attached);
        }
        command
            .env("RELEVANCE_BASE_URL", &url)
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_AGENT_ID", "bench-agent")
            .env("SSL_CERT_FILE", &files.pem)
            .stderr(Stdio::null());
        let used = usage(&mut command)?;
        runs.push([used.cpu_ms, used.peak_mib, used.wall_ms]);
    }
    Ok([0, 1, 2].map(|column| {
        let mut values: Vec<f64> = runs.iter().map(|run| run[column]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }))
}

/// An API, and the host that takes the file.
fn answer(request: &Request, place: &str) -> Reply {
    let path = request.path();
    match request.method.as_str() {
        "PUT" => {
            assert_eq!(request.body.len() as u64, SIZE);
            Reply::new(200, &[], "")
        }
        "POST" if path.ends_with("/get_temporary_file_upload_url") => {
            let url = format!("{place}/90.bin");
            Reply::json(200, json!({"upload_url": url, "download_url": url}))
        }
        "POST" => Reply::json(200, json!({"job_info": {"studio_id": "s", "job_id": "j"}})),
        _ => {
            let end = json!({"type": "chain-success", "output": {"answer": "Hi!"}});
            Reply::json(200, json!({"type": "complete", "updates": [end]}))
        }
    }
}
