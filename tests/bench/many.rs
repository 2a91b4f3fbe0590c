/*! Hundreds of runs at once. */

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use fake::api::TOKEN;
use fake::server::{Reply, Server};

/// What a waiting run costs on a machine that has hundreds of them, and what that makes of more,
/// on paper.
pub fn many(out: &mut impl Write, ours: &Path) -> io::Result<()> {
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
        let server = Server::on("127.0.0.1:0", move |request| {
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
            "{name:<28}{count:>9}{memory:>10.2}{threads:>9}{cpu:>17.2}{polls:>14.0}\
             {:>15.0}{:>21.0}",
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
