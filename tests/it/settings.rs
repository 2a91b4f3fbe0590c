use crate::command::{Cmd, Folder, Trusted, bare, relevance_run};
use crate::script::{Script, TOKEN, answered};
use crate::tunnel::Tunnel;

/// The variables that make a good environment, for an API that must not be asked.
const GOOD: [(&str, &str); 3] = [
    ("RELEVANCE_AUTH_TOKEN", TOKEN),
    ("RELEVANCE_AGENT_ID", "agent-1"),
    ("RELEVANCE_BASE_URL", "http://127.0.0.1:9/latest"),
];

fn with(changes: &[(&str, &str)]) -> Cmd {
    let mut command = bare().arg("Hello");
    for (name, value) in GOOD.iter().chain(changes) {
        command = match *value {
            "" => command.unset(name),
            value => command.env(name, value),
        };
    }
    command
}

/// Each way to give the token, and the header that it makes.
#[test]
fn credentials() {
    let folder = Folder::new();
    let file = |name: &str, contents: &str| folder.file(name, contents).display().to_string();
    let token_file = file("token", &format!("  {TOKEN}\r\n"));
    let key_file = file("key", "file-key\n");
    for (variables, expected) in [
        (vec![("RELEVANCE_AUTH_TOKEN", TOKEN)], TOKEN),
        (vec![("RELEVANCE_AUTH_TOKEN", " p1:k1 \n")], "p1:k1"),
        (
            vec![("RELEVANCE_AUTH_TOKEN_FILE", token_file.as_str())],
            TOKEN,
        ),
        (
            vec![("RELEVANCE_API_KEY", "k1"), ("RELEVANCE_PROJECT", "p1")],
            "p1:k1",
        ),
        (vec![("RAI_API_KEY", "k1"), ("RAI_PROJECT", "p1")], "p1:k1"),
        (
            vec![("RAI_API_KEY", "k1"), ("RELEVANCE_PROJECT_ID", "p1")],
            "p1:k1",
        ),
        (
            vec![
                ("RELEVANCE_API_KEY_FILE", key_file.as_str()),
                ("RELEVANCE_PROJECT", "p1"),
            ],
            "p1:file-key",
        ),
        // A key that holds a ':' is a whole token already.
        (
            vec![("RELEVANCE_API_KEY", "p2:k2"), ("RELEVANCE_PROJECT", "p1")],
            "p2:k2",
        ),
        (vec![("RAI_API_KEY", "p2:k2")], "p2:k2"),
        // The first that is set and not empty wins.
        (
            vec![
                ("RELEVANCE_AUTH_TOKEN", "p1:k1"),
                ("RELEVANCE_API_KEY", "p2:k2"),
            ],
            "p1:k1",
        ),
        (
            vec![
                ("RELEVANCE_AUTH_TOKEN", " "),
                ("RELEVANCE_API_KEY", "p2:k2"),
            ],
            "p2:k2",
        ),
        (
            vec![("RELEVANCE_API_KEY", "p1:k1"), ("RAI_API_KEY", "p2:k2")],
            "p1:k1",
        ),
        (
            vec![
                ("RELEVANCE_API_KEY", "k"),
                ("RELEVANCE_PROJECT_ID", "p2"),
                ("RELEVANCE_PROJECT", "p1"),
            ],
            "p1:k",
        ),
        (
            vec![
                ("RELEVANCE_API_KEY", "k"),
                ("RELEVANCE_PROJECT_ID", "p2"),
                ("RAI_PROJECT", "p3"),
            ],
            "p2:k",
        ),
    ] {
        let api = Script::run().poll(answered("Hi!")).start();
        let mut command = relevance_run(&api)
            .unset("RELEVANCE_AUTH_TOKEN")
            .arg("Hello");
        for (name, value) in &variables {
            command = command.env(name, value);
        }
        command.run().answers("Hi!");
        assert_eq!(
            api.requests()[0].header("Authorization"),
            Some(expected),
            "{variables:?}"
        );
    }
}

/// Each mistake in the environment: exit 2, one line that names the variable to set, and nothing sent.
#[test]
fn mistakes_name_the_variable() {
    let folder = Folder::new();
    let empty = folder.file("empty", " \n").display().to_string();
    let two_lines = folder.file("two", "p1:k1\np2:k2\n").display().to_string();
    let no_certificate = folder
        .file("pem", "not a certificate")
        .display()
        .to_string();
    let bad_der = "-----BEGIN CERTIFICATE-----\nbm90IERFUg==\n-----END CERTIFICATE-----\n";
    let bad_der = folder.file("der", bad_der).display().to_string();
    let missing = folder.0.join("missing").display().to_string();
    let no_token = ("RELEVANCE_AUTH_TOKEN", "");
    for (changes, parts) in [
        (vec![no_token], vec!["RELEVANCE_AUTH_TOKEN", "project:key"]),
        (
            vec![no_token, ("RELEVANCE_API_KEY", "k1")],
            vec!["RELEVANCE_API_KEY", "RELEVANCE_PROJECT"],
        ),
        (
            vec![no_token, ("RAI_API_KEY", "k1")],
            vec!["RAI_API_KEY", "RELEVANCE_PROJECT"],
        ),
        (
            vec![no_token, ("RELEVANCE_PROJECT", "p1")],
            vec!["RELEVANCE_AUTH_TOKEN"],
        ),
        (
            vec![
                no_token,
                ("RELEVANCE_API_KEY", "k"),
                ("RELEVANCE_PROJECT", "a:b"),
            ],
            vec!["RELEVANCE_PROJECT"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", "no-colon")],
            vec!["RELEVANCE_AUTH_TOKEN", "project:key"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", ":key")],
            vec!["RELEVANCE_AUTH_TOKEN", "project:key"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", "project:")],
            vec!["RELEVANCE_AUTH_TOKEN", "project:key"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", "'p:k'")],
            vec!["RELEVANCE_AUTH_TOKEN", "quot"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", "Bearer p:k")],
            vec!["RELEVANCE_AUTH_TOKEN", "Bearer"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", "p:k k")],
            vec!["RELEVANCE_AUTH_TOKEN", "space"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", "p:k\nX: y")],
            vec!["RELEVANCE_AUTH_TOKEN", "line break"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN", "p:k\u{e9}")],
            vec!["RELEVANCE_AUTH_TOKEN"],
        ),
        (
            vec![("RELEVANCE_AUTH_TOKEN_FILE", &empty)],
            vec!["RELEVANCE_AUTH_TOKEN", "both", "unset"],
        ),
        (
            vec![no_token, ("RELEVANCE_AUTH_TOKEN_FILE", &empty)],
            vec!["RELEVANCE_AUTH_TOKEN_FILE", "empty"],
        ),
        (
            vec![no_token, ("RELEVANCE_AUTH_TOKEN_FILE", &missing)],
            vec!["RELEVANCE_AUTH_TOKEN_FILE", "No such file"],
        ),
        (
            vec![no_token, ("RELEVANCE_AUTH_TOKEN_FILE", &two_lines)],
            vec!["RELEVANCE_AUTH_TOKEN_FILE", "line break"],
        ),
        (
            vec![
                no_token,
                ("RELEVANCE_API_KEY", "k"),
                ("RELEVANCE_API_KEY_FILE", &empty),
            ],
            vec!["RELEVANCE_API_KEY", "RELEVANCE_API_KEY_FILE", "both"],
        ),
        (
            vec![("RELEVANCE_BASE_URL", "")],
            vec!["RELEVANCE_REGION", "us, eu, au"],
        ),
        (
            vec![("RELEVANCE_REGION", "x.evil.example/")],
            vec!["RELEVANCE_REGION", "us, eu, au"],
        ),
        (
            vec![("RAI_REGION", "a@b")],
            vec!["RAI_REGION", "us, eu, au"],
        ),
        (
            vec![("RELEVANCE_REGION", "eu-west")],
            vec!["RELEVANCE_REGION", "us, eu, au"],
        ),
        (
            vec![("RELEVANCE_BASE_URL", "http://api.example.com/latest")],
            vec!["RELEVANCE_BASE_URL", "https"],
        ),
        (
            vec![("RELEVANCE_BASE_URL", "api.example.com")],
            vec!["RELEVANCE_BASE_URL", "https://"],
        ),
        (
            vec![("RELEVANCE_AGENT_ID", "")],
            vec!["--agent", "RELEVANCE_AGENT_ID"],
        ),
        (
            vec![("RELEVANCE_AGENT_ID", "a/b")],
            vec!["RELEVANCE_AGENT_ID"],
        ),
        (
            vec![("RELEVANCE_AGENT_ID", "..")],
            vec!["RELEVANCE_AGENT_ID"],
        ),
        (
            vec![(
                "RELEVANCE_AGENT_ID",
                "https://app.relevanceai.com/agents/bcbe5a/p1/0f3c-9a/c1",
            )],
            vec!["RELEVANCE_AGENT_ID", "URL", "0f3c-9a"],
        ),
        (
            vec![("HTTPS_PROXY", "socks5://127.0.0.1:1080")],
            vec!["HTTPS_PROXY", "http://"],
        ),
        (
            vec![("https_proxy", "http://host:port")],
            vec!["https_proxy"],
        ),
        (vec![("ALL_PROXY", "::")], vec!["ALL_PROXY"]),
        (
            vec![("SSL_CERT_FILE", &missing)],
            vec!["SSL_CERT_FILE", "No such file"],
        ),
        (
            vec![("SSL_CERT_FILE", &no_certificate)],
            vec!["SSL_CERT_FILE", "no certificate"],
        ),
        (
            vec![("SSL_CERT_FILE", &bad_der)],
            vec!["SSL_CERT_FILE", "no certificate"],
        ),
    ] {
        // Nothing listens at port 9, and reaching for it would be exit 4.
        let output = with(&changes).run();
        output.fails(2, &parts).never_says("k1");
        // `--json` has no object for a usage error.
        with(&changes).arg("--json").run().fails(2, &parts);
    }
}

#[test]
fn values_that_are_not_text_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let latin1 = std::ffi::OsStr::from_bytes(b"p:\xe9");
    let output = with(&[]).env("RELEVANCE_AUTH_TOKEN", latin1).run();
    output.fails(2, &["RELEVANCE_AUTH_TOKEN", "UTF-8"]);
}

/// The real URL, with the real names: a proxy of the test's own leads to a server of the test's own.
#[test]
fn regions_lead_to_their_hosts() {
    let trusted = Trusted::new();
    for (name, value, code) in [
        ("RELEVANCE_REGION", "us", "bcbe5a"),
        ("RELEVANCE_REGION", "EU", "d7b62b"),
        ("RAI_REGION", "au", "f1db6c"),
        ("RELEVANCE_REGION", "1e3042", "1e3042"),
    ] {
        let host = format!("api-{code}.stack.tryrelevance.com");
        let api = trusted.api(&host);
        let tunnel = Tunnel::to(api.server.address);
        let output = relevance_run(&api)
            .unset("RELEVANCE_BASE_URL")
            .env(name, value)
            .env(
                "RAI_REGION",
                if name == "RAI_REGION" {
                    value
                } else {
                    "ignored"
                },
            )
            .env("SSL_CERT_FILE", &trusted.pem)
            .env("HTTPS_PROXY", tunnel.url())
            .args(["--verbose", "Hello"])
            .run();
        output.exits(0).prints("Hi!\n");
        let page =
            format!("https://app.relevanceai.com/agents/{code}/project-1/agent-1/conversation-1");
        output.says(&[&page, &host]);
        assert_eq!(api.requests()[0].target, "/latest/agents/trigger");
        let heads = tunnel.heads();
        assert_eq!(heads.len(), 1, "one connection for the whole run");
        assert!(
            heads[0].starts_with(&format!("CONNECT {host}:443 HTTP/1.1\r\n")),
            "{heads:?}"
        );
    }
}

#[test]
fn base_url_may_end_in_a_slash() {
    let api = Script::run().poll(answered("Hi!")).start();
    let url = format!("{}/", api.base_url());
    relevance_run(&api)
        .env("RELEVANCE_BASE_URL", url)
        .arg("Hello")
        .run()
        .answers("Hi!");
}
