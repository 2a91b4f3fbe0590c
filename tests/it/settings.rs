/*! The environment: what each variable does, and the line that names the one to change. */

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::command::{Cmd, Folder, Trusted, bare, relevance_run};
use crate::script::{Script, TOKEN, answered};
use crate::tunnel::Tunnel;
use fake::tls::Authority;

/// The variables that make a good environment, for an API that must not be asked.
const GOOD: [(&str, &str); 3] = [
    ("RELEVANCE_AUTH_TOKEN", TOKEN),
    ("RELEVANCE_AGENT_ID", "agent-1"),
    ("RELEVANCE_BASE_URL", "http://127.0.0.1:9/latest"),
];
const NO_TOKEN: (&str, &str) = ("RELEVANCE_AUTH_TOKEN", "");
const NO_BASE_URL: (&str, &str) = ("RELEVANCE_BASE_URL", "");

/// A good environment with these changes; an empty value unsets the variable.
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

/// Exit 2 with this one line. Nothing listens at port 9, and reaching for it would be exit 4.
#[track_caller]
fn is_refused(changes: &[(&str, &str)], line: &str) {
    with(changes).run().ends(2, &[line]);
    // `--json` has no object for a usage error.
    with(changes).arg("--json").run().ends(2, &[line]);
}

/// Whether a run with these variables sends this token.
#[track_caller]
fn sends(variables: &[(&str, &str)], token: &str) {
    let api = Script::run().poll(answered("Hi!")).start();
    let mut command = relevance_run(&api)
        .unset("RELEVANCE_AUTH_TOKEN")
        .arg("Hello");
    for (name, value) in variables {
        command = command.env(name, value);
    }
    command.run().answers("Hi!");
    let sent = &api.requests()[0];
    assert_eq!(sent.header("Authorization"), Some(token), "{variables:?}");
}

#[test]
fn the_token_is_sent_verbatim() {
    sends(&[("RELEVANCE_AUTH_TOKEN", TOKEN)], TOKEN);
    sends(&[("RELEVANCE_AUTH_TOKEN", " p1:k1 \n")], "p1:k1");
    for whole in ["p1:k1:bcbe5a", "p1:k1:bcbe5a:undefined", "p1:k1:undefined"] {
        sends(&[("RELEVANCE_AUTH_TOKEN", whole)], whole);
    }
    let folder = Folder::new();
    let file = folder.file("token", format!("  {TOKEN}\r\n"));
    sends(
        &[("RELEVANCE_AUTH_TOKEN_FILE", file.to_str().unwrap())],
        TOKEN,
    );
}

#[test]
fn the_token_in_two_parts() {
    for (key, project) in [
        ("RELEVANCE_API_KEY", "RELEVANCE_PROJECT_ID"),
        ("RELEVANCE_API_KEY", "RELEVANCE_PROJECT"),
        ("RAI_API_KEY", "RELEVANCE_PROJECT_ID"),
        ("RAI_API_KEY", "RAI_PROJECT"),
    ] {
        sends(&[(key, "k1"), (project, "p1")], "p1:k1");
    }
    let folder = Folder::new();
    let file = folder.file("key", "file-key\n");
    let key = ("RELEVANCE_API_KEY_FILE", file.to_str().unwrap());
    sends(&[key, ("RELEVANCE_PROJECT_ID", "p1")], "p1:file-key");
    // A key that contains a ':' is a whole token already.
    let whole = ("RELEVANCE_API_KEY", "p2:k2");
    sends(&[whole, ("RELEVANCE_PROJECT_ID", "p1")], "p2:k2");
    sends(&[("RAI_API_KEY", "p2:k2")], "p2:k2");
}

#[test]
fn the_first_that_is_set_and_not_empty_wins() {
    let key = ("RELEVANCE_API_KEY", "p2:k2");
    sends(&[("RELEVANCE_AUTH_TOKEN", "p1:k1"), key], "p1:k1");
    sends(&[("RELEVANCE_AUTH_TOKEN", " "), key], "p2:k2");
    sends(&[("RAI_API_KEY", "p1:k1"), key], "p2:k2");
    let projects = [
        ("RELEVANCE_API_KEY", "k"),
        ("RAI_PROJECT", "p3"),
        ("RELEVANCE_PROJECT", "p2"),
        ("RELEVANCE_PROJECT_ID", "p1"),
    ];
    for (count, token) in [(2, "p3:k"), (3, "p2:k"), (4, "p1:k")] {
        sends(&projects[..count], token);
    }
}

#[test]
fn a_token_that_is_not_one() {
    let whole = "is not in the form project:key; copy the whole authorization token";
    for (value, wrong) in [
        ("no-colon", whole),
        (":key", whole),
        ("project:", whole),
        ("'p:k1'", "contains a quotation mark; set it without quotes"),
        (
            "Bearer p:k1",
            "contains more than the token; remove 'Authorization:', 'Bearer' or 'Basic'",
        ),
        (
            "p:k1 k1",
            "contains a space or an invalid character; copy it again",
        ),
        (
            "p:k\u{e9}",
            "contains a space or an invalid character; copy it again",
        ),
        (
            "p:k1\nX: y",
            "contains a line break or another control character; remove it",
        ),
    ] {
        let changes = [("RELEVANCE_AUTH_TOKEN", value)];
        is_refused(&changes, &format!("RELEVANCE_AUTH_TOKEN {wrong}"));
    }
    let not_text = OsStr::from_bytes(b"p:\xe9");
    let output = with(&[]).env("RELEVANCE_AUTH_TOKEN", not_text).run();
    output.ends(
        2,
        &["RELEVANCE_AUTH_TOKEN is not valid UTF-8; set it again"],
    );
}

#[test]
fn a_key_without_its_project() {
    let next = "also needs a project; set RELEVANCE_PROJECT_ID to the project id";
    for name in ["RELEVANCE_API_KEY", "RAI_API_KEY"] {
        is_refused(&[NO_TOKEN, (name, "k1")], &format!("{name} {next}"));
    }
    is_refused(
        &[NO_TOKEN, ("RELEVANCE_API_KEY", "'k1'")],
        "RELEVANCE_API_KEY contains a quotation mark; set it without quotes",
    );
    for name in ["RELEVANCE_PROJECT_ID", "RELEVANCE_PROJECT", "RAI_PROJECT"] {
        is_refused(
            &[NO_TOKEN, ("RELEVANCE_API_KEY", "k1"), (name, "a:b")],
            &format!("{name} contains ':'; set it to the project id only"),
        );
    }
    // The two in each other's place.
    is_refused(
        &[
            NO_TOKEN,
            ("RELEVANCE_API_KEY", "project-1"),
            ("RELEVANCE_PROJECT_ID", "sk-0123456789"),
        ],
        "RELEVANCE_PROJECT_ID has the key before the project; set it to project:key",
    );
}

#[test]
fn a_project_without_a_key() {
    is_refused(
        &[NO_TOKEN, ("RELEVANCE_PROJECT_ID", "p1")],
        "no API key: set RELEVANCE_AUTH_TOKEN to the authorization token (project:key) from the \
         Integrations & API Keys page, or RELEVANCE_AUTH_TOKEN_FILE to a file that contains it",
    );
}

#[test]
fn a_file_of_a_secret_that_cannot_be_used() {
    let folder = Folder::new();
    let empty = folder.file("empty", " \n").display().to_string();
    let two_lines = folder.file("two", "p1:k1\np2:k2\n").display().to_string();
    let not_text = folder.file("latin1", b"p:\xe9").display().to_string();
    let missing = folder.0.join("missing").display().to_string();
    for (path, line) in [
        (
            &empty,
            "the file in RELEVANCE_AUTH_TOKEN_FILE is empty; put the authorization token or API \
             key in it",
        ),
        (
            &two_lines,
            "the file in RELEVANCE_AUTH_TOKEN_FILE contains a line break or another control \
             character; remove it",
        ),
        (
            &not_text,
            "the file in RELEVANCE_AUTH_TOKEN_FILE is not valid UTF-8; set it again",
        ),
        (
            &missing,
            &format!(
                "cannot read the file in RELEVANCE_AUTH_TOKEN_FILE, {missing}: No such file or \
                 directory; check the path and its permissions"
            ),
        ),
    ] {
        is_refused(&[NO_TOKEN, ("RELEVANCE_AUTH_TOKEN_FILE", path)], line);
    }
    is_refused(
        &[("RELEVANCE_AUTH_TOKEN_FILE", &empty)],
        "both RELEVANCE_AUTH_TOKEN and RELEVANCE_AUTH_TOKEN_FILE are set; unset one of them",
    );
    is_refused(
        &[
            NO_TOKEN,
            ("RELEVANCE_API_KEY", "k"),
            ("RELEVANCE_API_KEY_FILE", &empty),
        ],
        "both RELEVANCE_API_KEY and RELEVANCE_API_KEY_FILE are set; unset one of them",
    );
}

#[test]
fn a_region_that_is_not_one() {
    let codes = "set it to us, eu, au or the region code from the Integrations & API Keys page, \
                 such as bcbe5a";
    for name in ["RELEVANCE_REGION", "RAI_REGION"] {
        for value in ["x.evil.example/", "a@b", "../x"] {
            let line = format!("{name} is not a region; {codes}");
            is_refused(&[NO_BASE_URL, (name, value)], &line);
        }
    }
    is_refused(
        &[NO_BASE_URL],
        "no region: set RELEVANCE_REGION to us, eu, au or the region code from the Integrations & \
         API Keys page",
    );
    // The one in the token counts where none is set, and so does what is wrong with it.
    is_refused(
        &[NO_BASE_URL, ("RELEVANCE_AUTH_TOKEN", "p1:k1:a_b")],
        &format!("the third part of the token is not a region; {codes}"),
    );
}

/// There is no host of these names, although they look like region codes.
#[test]
fn what_people_write_for_a_region_is_answered_with_the_right_name() {
    for (value, meant) in [
        ("usa", "us"),
        ("US-East-1", "us"),
        ("europe", "eu"),
        ("eu-west-1", "eu"),
        ("australia", "au"),
        ("ap-southeast-2", "au"),
    ] {
        is_refused(
            &[NO_BASE_URL, ("RELEVANCE_REGION", value)],
            &format!("RELEVANCE_REGION is not a region; set it to {meant}"),
        );
    }
    is_refused(
        &[NO_BASE_URL, ("RELEVANCE_AUTH_TOKEN", "p1:k1:europe")],
        "the third part of the token is not a region; set it to eu",
    );
}

#[test]
fn a_base_url_that_is_not_one() {
    let form = "set it to https://HOST[:PORT]/PATH";
    for (value, wrong) in [
        (
            "http://api.example.com/latest",
            "uses http://, which would send the API key unencrypted; use https:// (http:// is for \
             localhost only)"
                .to_owned(),
        ),
        ("api.example.com", format!("is not a URL; {form}")),
        (
            "https://a:b@api.example.com/",
            format!("must not contain a user; {form}"),
        ),
        (
            "https://api.example.com/?a=b",
            format!("must not contain a query or fragment; {form}"),
        ),
        (
            "https://api.example.com:x/",
            format!("has no host or a bad port; {form}"),
        ),
        (
            "ftp://api.example.com/",
            format!("is neither https:// nor http://; {form}"),
        ),
    ] {
        let changes = [("RELEVANCE_BASE_URL", value)];
        is_refused(&changes, &format!("RELEVANCE_BASE_URL {wrong}"));
    }
}

#[test]
fn an_agent_that_is_not_one() {
    is_refused(
        &[("RELEVANCE_AGENT_ID", "")],
        "no agent: give --agent ID or set RELEVANCE_AGENT_ID",
    );
    let wrong = "it contains a character other than letters, digits, '.', '_' and '-'";
    for (value, wrong) in [("a/b", wrong), ("..", "it is not an id")] {
        is_refused(
            &[("RELEVANCE_AGENT_ID", value)],
            &format!("invalid RELEVANCE_AGENT_ID: {wrong}; use only the id"),
        );
    }
    is_refused(
        &[("RELEVANCE_AGENT_ID", "null")],
        "invalid RELEVANCE_AGENT_ID null: this is what a failed command leaves behind, not an id; \
         check the command that should have printed it",
    );
}

/// The URL of any of its pages names an agent, its project and its region.
#[test]
fn the_url_of_an_agents_page_must_not_contradict_the_settings() {
    let page = "https://app.relevanceai.com/agents/bcbe5a/project-1/agent-7/edit";
    is_refused(
        &[(
            "RELEVANCE_AGENT_ID",
            "https://app.relevanceai.com/agents/bcbe5a/project-2/agent-7",
        )],
        "the URL is for project project-2, but the token is for project project-1; use a URL and a \
         token from the same project",
    );
    is_refused(
        &[("RELEVANCE_AGENT_ID", page), ("RELEVANCE_REGION", "eu")],
        "the URL is for region bcbe5a, but the settings are for d7b62b; unset RELEVANCE_REGION, or \
         use a URL from that region",
    );
    for url in [
        "https://app.relevanceai.com/",
        "https://app.relevanceai.com/tools/bcbe5a/project-1/agent-7",
        "http://app.relevanceai.com/agents/bcbe5a/project-1/agent-7",
    ] {
        is_refused(
            &[("RELEVANCE_AGENT_ID", url)],
            "invalid RELEVANCE_AGENT_ID: this is not the URL of an agent's page; use the agent id, \
             or https://app.relevanceai.com/agents/REGION/PROJECT/AGENT_ID",
        );
    }
    let api = Script::run().poll(answered("Hi!")).start();
    let command = relevance_run(&api).args(["--agent", page, "Hello"]);
    command.run().answers("Hi!");
    assert_eq!(api.requests()[0].json()["agent_id"], "agent-7");
}

#[test]
fn a_proxy_that_is_not_one() {
    for (name, value) in [
        ("HTTPS_PROXY", "socks5://127.0.0.1:1080"),
        ("https_proxy", "http://host:port"),
        ("ALL_PROXY", "::"),
    ] {
        is_refused(
            &[(name, value)],
            &format!(
                "{name} is not a supported proxy URL; set it to http://[USER:PASSWORD@]HOST:PORT \
                 or https://…, or unset it (SOCKS is not supported)"
            ),
        );
    }
}

#[test]
fn a_bundle_of_cas_that_cannot_be_used() {
    let folder = Folder::new();
    let good = Authority::generate().pem;
    let not_der = "-----BEGIN CERTIFICATE-----\nbm90IERFUg==\n-----END CERTIFICATE-----\n";
    let not_base64 = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let cut_off = good.split_once("-----END").unwrap().0;
    let damaged = |number: usize| {
        format!(
            "certificate {number} in the file in SSL_CERT_FILE is damaged; copy the PEM bundle of \
             CA certificates again"
        )
    };
    let none = "the file in SSL_CERT_FILE contains no certificate; it must be a PEM bundle of CA \
                certificates";
    for (contents, line) in [
        ("not a certificate", none.to_owned()),
        ("", none.to_owned()),
        (not_der, damaged(1)),
        (not_base64, damaged(1)),
        (cut_off, damaged(1)),
        (&format!("{good}{not_der}"), damaged(2)),
        (&format!("{good}{not_base64}{good}"), damaged(2)),
        (&format!("{good}{cut_off}"), damaged(2)),
    ] {
        let path = folder.file("bundle", contents).display().to_string();
        is_refused(&[("SSL_CERT_FILE", &path)], &line);
    }
    let missing = folder.0.join("missing").display().to_string();
    is_refused(
        &[("SSL_CERT_FILE", &missing)],
        &format!(
            "cannot read the file in SSL_CERT_FILE, {missing}: No such file or directory; check \
             the path and its permissions"
        ),
    );
}

/// The real URL, with the real names: a proxy of the test's own leads to a server of its own.
#[test]
fn regions_lead_to_their_hosts() {
    let trusted = Trusted::new();
    for (variables, code) in [
        (vec![("RELEVANCE_REGION", "us")], "bcbe5a"),
        (
            vec![("RELEVANCE_REGION", "EU"), ("RAI_REGION", "us")],
            "d7b62b",
        ),
        (vec![("RAI_REGION", "au")], "f1db6c"),
        (vec![("RELEVANCE_REGION", "1e3042")], "1e3042"),
        // The third part of a token counts where no region is set.
        (
            vec![("RELEVANCE_AUTH_TOKEN", "project-1:sk-012345678:d7b62b")],
            "d7b62b",
        ),
        (
            vec![(
                "RELEVANCE_AUTH_TOKEN",
                "project-1:sk-012345678:au:undefined",
            )],
            "f1db6c",
        ),
        (
            vec![
                ("RELEVANCE_AUTH_TOKEN", "project-1:sk-012345678:d7b62b"),
                ("RELEVANCE_REGION", "us"),
            ],
            "bcbe5a",
        ),
    ] {
        let host = format!("api-{code}.stack.tryrelevance.com");
        let api = trusted.api(&host);
        let tunnel = Tunnel::to(api.server.address);
        let mut command = relevance_run(&api)
            .unset("RELEVANCE_BASE_URL")
            .env("SSL_CERT_FILE", &trusted.pem)
            .env("HTTPS_PROXY", tunnel.url())
            .args(["--verbose", "Hello"]);
        for (name, value) in variables {
            command = command.env(name, value);
        }
        let output = command.run();
        output.exits(0).prints("Hi!\n");
        output.logs(&format!(
            "api: {host} through the proxy {}",
            tunnel.server.address
        ));
        output.logs(&format!(
            "url: https://app.relevanceai.com/agents/{code}/project-1/agent-1/conversation-1"
        ));
        assert_eq!(api.requests()[0].target, "/latest/agents/trigger");
        let heads = tunnel.heads();
        assert_eq!(heads.len(), 1, "one connection for the whole run");
        let first = format!("CONNECT {host}:443 HTTP/1.1\r\n");
        assert!(heads[0].starts_with(&first), "{heads:?}");
    }
}

#[test]
fn base_url_may_end_in_a_slash() {
    let api = Script::run().poll(answered("Hi!")).start();
    let url = format!("{}/", api.base_url());
    let command = relevance_run(&api).env("RELEVANCE_BASE_URL", url);
    command.arg("Hello").run().answers("Hi!");
}
