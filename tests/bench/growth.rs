/*! What a poll costs as a run's history grows. */

use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::measure::{Usage, measured, usage};
use fake::api::TOKEN;
use fake::server::{Reply, Server};

/// What polls cost beside the loop that fetches the full list each time, which is what `-vv` does.
pub fn growth(out: &mut impl Write, ours: &Path) -> io::Result<()> {
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
        "Cost of waiting, by the number of updates in the run's history; \
         the eighth poll is the first in full"
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

/// Short polls, full polls, bytes of the short polls' replies, and CPU time in ms, of a run that
/// ends at this poll.
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
    let server = Server::on("127.0.0.1:0", move |request| {
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
    let mut command = measured(ours)?;
    command
        .args([option, "--interval", "1ms", "Hello"])
        .env("RELEVANCE_BASE_URL", format!("http://{}", server.address))
        .env("RELEVANCE_AUTH_TOKEN", TOKEN)
        .env("RELEVANCE_AGENT_ID", "bench-agent")
        .stderr(Stdio::null());
    let Usage { cpu_ms, .. } = usage(&mut command)?;
    let [polls, short, bytes] = [polls, short, bytes].map(|counter| counter.load(Ordering::SeqCst));
    Ok((short, polls - short, bytes, cpu_ms))
}
