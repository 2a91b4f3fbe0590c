/*! Name look-ups and a dead address. */

use std::env;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::whole_runs::{Client, clients};
use fake::api::TOKEN;
use fake::names::{Answer, serve as serve_names};
use fake::server::{Reply, Server};
use fake::tls::Authority;

/// Look-ups and a dead address need a name server of their own, and so a network namespace.
pub fn names(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    if !can_isolate() {
        return writeln!(
            out,
            "left out, it needs root and iproute2: name look-ups and a dead address"
        );
    }
    out.flush()?;
    let script = r#"ip link set lo up && echo "nameserver 127.0.0.1" > "$CONF" &&
        mount --bind "$CONF" /etc/resolv.conf &&
        ip link add dead0 type veth peer name dead1 &&
        ip link set dead0 up && ip link set dead1 up &&
        ip addr add 10.99.0.1/24 dev dead0 && ip addr add 2001:db8:99::1/64 dev dead0 nodad &&
        ip neigh add 2001:db8:99::2 lladdr 02:00:00:00:00:02 dev dead0 nud permanent && exec "$@""#;
    let conf = env::temp_dir().join(format!("relevance-run-bench-{}.conf", std::process::id()));
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "sh", "-c", script, "sh"])
        .arg(env::current_exe()?)
        .arg("--isolated")
        .arg(ours);
    let status = command.env("CONF", &conf).status();
    let _ = std::fs::remove_file(conf);
    assert!(status?.success(), "name look-ups could not be measured");
    Ok(())
}

/// Whether there is a network namespace to be had.
fn can_isolate() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "ip", "link"]);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

static QUERIES: AtomicUsize = AtomicUsize::new(0);

pub fn isolated(ours: &Path) -> io::Result<()> {
    const POLLS: usize = 20;
    serve_names(|name| match name {
        "api.bench" => {
            QUERIES.fetch_add(1, Ordering::SeqCst);
            Answer::Known(Some([127, 0, 0, 1]), None)
        }
        "dead.bench" => Answer::Known(
            Some([10, 99, 0, 1]),
            Some([
                0x20, 0x01, 0x0d, 0xb8, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
            ]),
        ),
        _ => Answer::Unknown,
    });
    let authority = Authority::generate();
    let ca = env::temp_dir().join(format!("relevance-run-bench-{}.pem", std::process::id()));
    std::fs::write(&ca, &authority.pem)?;
    let serve = |address: &str, last: usize| {
        let polls = AtomicUsize::new(0);
        Server::over_tls(
            TcpListener::bind(address)?,
            authority.server(&["api.bench", "dead.bench"], false),
            move |request| {
                if request.method == "POST" {
                    return Reply::json(
                        200,
                        json!({"job_info": {"studio_id": "s", "job_id": "j"}}),
                    );
                }
                let end = json!({"type": "chain-success", "output": {"output": {"answer": "Hi!"}}});
                match polls.fetch_add(1, Ordering::SeqCst) + 1 == last {
                    true => Reply::json(200, json!({"type": "complete", "updates": [end]})),
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
