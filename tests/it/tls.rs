/*! Real TLS, with an authority made on the spot. */

use crate::command::{Folder, relevance_run};
use crate::fake::tls::Authority;
use crate::script::{Script, answered, in_progress};

#[test]
fn the_right_authority_in_ssl_cert_file_works() {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = Folder::new();
    // A bundle holds more than one.
    let pem = folder.file(
        "ca.pem",
        format!("# a comment\n{}\n{}", other.pem, authority.pem),
    );
    let api = Script::run()
        .polls(5, in_progress())
        .poll(answered("Hi!"))
        .tls(authority.server(&["localhost"], false))
        .start();
    relevance_run(&api)
        .env("SSL_CERT_FILE", pem)
        .args(["-i", "1ms", "Hello"])
        .run()
        .answers("Hi!");
    assert_eq!(
        api.server.connections(),
        1,
        "one TLS connection for the whole run"
    );
}

/// Exit 4 after one attempt, a message that says which it was, and no request.
#[test]
fn certificates_that_do_not_verify() {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = Folder::new();
    let right = folder.file("right.pem", &authority.pem);
    let wrong = folder.file("wrong.pem", &other.pem);
    let (ours, theirs): (&[&str], &[&str]) = (&["localhost"], &["other.example"]);
    for (pem, names, expired, said) in [
        (
            None,
            ours,
            false,
            ["not signed by a known authority", "SSL_CERT_FILE"],
        ),
        (
            Some(&wrong),
            ours,
            false,
            ["not signed by a known authority", "SSL_CERT_FILE"],
        ),
        (Some(&right), ours, true, ["has expired", "clock"]),
        (
            Some(&right),
            theirs,
            false,
            ["is for another name", "RELEVANCE_BASE_URL"],
        ),
    ] {
        let api = Script::new().tls(authority.server(names, expired)).start();
        let mut command = relevance_run(&api).arg("Hello");
        if let Some(pem) = pem {
            command = command.env("SSL_CERT_FILE", pem);
        }
        let output = command.run();
        output
            .fails(4, &said)
            .says(&["nothing was started"])
            .does_not_resume();
        assert_eq!(api.server.connections(), 1, "one attempt");
        assert!(api.requests().is_empty());

        let mut command = relevance_run(&api).args(["--resume", "a/b"]);
        if let Some(pem) = pem {
            command = command.env("SSL_CERT_FILE", pem);
        }
        command.run().fails(4, &said).resumes("a/b");
        assert_eq!(api.server.connections(), 2, "one attempt");
    }
}

#[test]
fn plain_http_where_tls_is_expected_is_not_reached() {
    let api = Script::new().start();
    let url = api.base_url().replace("http://", "https://");
    let output = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", url)
        .args(["-t", "2s", "Hello"])
        .run();
    output.fails(4, &["nothing was started"]);
}
