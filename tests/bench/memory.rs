/*! The memory for large replies. */

use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::measure::{Usage, measured, usage};
use fake::api::TOKEN;
use fake::server::{Reply, Server};

/// The peak of memory for a reply of 40 MiB, as the run's result or as what is wrong with it.
pub fn memory(out: &mut impl Write, ours: &Path) -> io::Result<()> {
    const SIZE: usize = 40 << 20;
    writeln!(
        out,
        "\nPeak memory for a reply of 40 MiB, in MiB and as a multiple of the reply"
    )?;
    let many = |piece: &str| piece.repeat(SIZE / piece.len() - 8);
    let answer = |text: String| {
        let end = format!(r#"{{"type":"chain-success","output":{{"answer":"{text}"}}}}"#);
        format!(r#"{{"type":"complete","updates":[{end}]}}"#)
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
        (
            "one error",
            errors(format!(r#"{{"body":"{}"}},"#, many("x"))),
        ),
    ] {
        let is_page = name.starts_with("a page");
        let server = Server::on("127.0.0.1:0", move |request| {
            match (request.method.as_str(), is_page) {
                ("POST", false) => {
                    Reply::json(200, json!({"job_info": {"studio_id": "s", "job_id": "j"}}))
                }
                (_, is_page) => Reply::text(if is_page { 400 } else { 200 }, &body),
            }
        })?;
        let mut command = measured(ours)?;
        command
            .args(["--json", "Hello"])
            .env("MAY_FAIL", "1")
            .env("RELEVANCE_BASE_URL", format!("http://{}", server.address))
            .env("RELEVANCE_AUTH_TOKEN", TOKEN)
            .env("RELEVANCE_AGENT_ID", "bench-agent")
            .stderr(Stdio::null());
        let Usage { peak_mib, .. } = usage(&mut command)?;
        writeln!(out, "{name:<26}{peak_mib:>10.0}{:>10.2}", peak_mib / 40.0)?;
    }
    Ok(())
}
