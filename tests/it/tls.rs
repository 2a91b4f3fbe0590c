/*! Real TLS, with an authority made on the spot. */

use std::path::PathBuf;

use crate::command::{Cmd, Folder, relevance_run};
use crate::script::{Script, Scripted, answered, in_progress};
use fake::tls::Authority;

#[test]
fn the_right_authority_in_ssl_cert_file_works() {
    let (authority, other) = (Authority::generate(), Authority::generate());
    let folder = Folder::new();
    // A bundle has more than one, and may have names in Latin-1 above them.
    let mut bundle = b"# Autorit\xe9\n".to_vec();
    bundle.extend(format!("{}\n{}", other.pem, authority.pem).bytes());
    let pem = folder.file("ca.pem", bundle);
    let api = Script::run()
        .polls(5, in_progress())
        .poll(answered("Hi!"))
        .tls(authority.server(&["localhost"], false))
        .start();
    let command = relevance_run(&api).env("SSL_CERT_FILE", pem);
    let output = command.args(["-i", "1ms", "Hello"]).run();
    output.answers("Hi!");
    assert_eq!(
        api.server.connections(),
        1,
        "one connection for the whole run"
    );
}

/// One attempt, exit 4, no request; and the same with `--resume`, which says how to resume again.
#[track_caller]
fn does_not_verify(api: &Scripted, pem: Option<&PathBuf>, why: (&str, &str), next: &str) {
    let command = || -> Cmd {
        match pem {
            Some(pem) => relevance_run(api).env("SSL_CERT_FILE", pem),
            None => relevance_run(api),
        }
    };
    let host = format!("localhost:{}", api.server.address.port());
    let begin = format!("cannot reach {host}: the server's certificate {}", why.0);
    let end = format!("{}; nothing was started; {next}", why.1);
    let output = command().arg("Hello").run();
    let lines = output.exits(4).prints("").lines();
    assert_eq!(lines.len(), 1, "{output}");
    assert!(
        lines[0].starts_with(&begin) && lines[0].ends_with(&end),
        "{output}"
    );
    assert_eq!(api.server.connections(), 1, "one attempt");

    let output = command().args(["--resume", "a/b"]).run();
    let lines = output.exits(4).prints("").lines();
    assert_eq!(lines.len(), 2, "{output}");
    assert!(
        lines[0].starts_with(&begin) && lines[0].ends_with(&end),
        "{output}"
    );
    assert_eq!(lines[1], "resume with: relevance-run --resume a/b");
    assert_eq!(api.server.connections(), 2, "one attempt");
    assert!(api.requests().is_empty());
}

#[test]
fn certificates_that_do_not_verify() {
    let (authority, other) = (Authority::generate(), Authority::generate());
    let folder = Folder::new();
    let right = folder.file("right.pem", &authority.pem);
    let wrong = folder.file("wrong.pem", &other.pem);
    let serving = |name: &str, is_expired: bool| {
        let tls = authority.server(&[name], is_expired);
        Script::new().tls(tls).start()
    };
    let proxy =
        "behind a TLS-inspecting proxy, set SSL_CERT_FILE to a PEM file with the proxy's CA";
    let issuer = ("is not signed by a trusted CA (", ")");
    does_not_verify(&serving("localhost", false), None, issuer, proxy);
    does_not_verify(&serving("localhost", false), Some(&wrong), issuer, proxy);
    does_not_verify(
        &serving("localhost", true),
        Some(&right),
        ("has expired (certificate expired: ", ")"),
        "check this machine's clock",
    );
    does_not_verify(
        &serving("other.example", false),
        Some(&right),
        ("is for another name (", ")"),
        "check RELEVANCE_BASE_URL",
    );
}

#[test]
fn plain_http_where_tls_is_expected_is_not_reached() {
    let api = Script::new().start();
    let url = api.base_url().replace("http://", "https://");
    let command = relevance_run(&api).env("RELEVANCE_BASE_URL", url);
    let output = command.args(["-t", "1s", "Hello"]).run();
    let host = format!("localhost:{}", api.server.address.port());
    let begin =
        format!("timed out after 1s (--timeout); nothing was started (cannot reach {host}: ");
    let lines = output.exits(4).prints("").lines();
    assert!(lines.len() == 1 && lines[0].starts_with(&begin), "{output}");
}
