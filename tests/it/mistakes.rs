/*! The likeliest mistakes: the one line says what to do about each. */

use std::thread;

use crate::command::{Cmd, Folder, Trusted, relevance_run};
use crate::lines::RESUME;
use crate::script::{Script, TOKEN, unknown_key};
use fake::server::Reply;

const KEY_MATCHES: &str = "check that the API key is valid and that its project and \
                           RELEVANCE_REGION match (relevance-run --check does)";

/// Command lines with a good environment, and the line that each is answered with.
const COMMAND_LINES: [(&[&str], &str); 21] = [
    (
        &["help"],
        "'help' would be sent to the agent as a message; did you mean --help? To send it anyway, \
         use -- help",
    ),
    (
        &["version"],
        "'version' would be sent to the agent as a message; did you mean --version? To send it \
         anyway, use -- version",
    ),
    (
        &["--timout", "5m", "Hello"],
        "unknown option --timout; did you mean --timeout? See relevance-run --help",
    ),
    (
        &["--converstaion=c", "Hello"],
        "unknown option --converstaion; did you mean --conversation? See relevance-run --help",
    ),
    (
        &["--josn", "Hello"],
        "unknown option --josn; did you mean --json? See relevance-run --help",
    ),
    (
        &["--time", "5", "Hello"],
        "unknown option --time; did you mean --timeout? See relevance-run --help",
    ),
    (
        &["--agent_id=a", "Hello"],
        "unknown option --agent_id; did you mean --agent? See relevance-run --help",
    ),
    (
        &["--region", "us", "Hello"],
        "unknown option --region; set RELEVANCE_REGION instead",
    ),
    (
        &["--project", "p", "Hello"],
        "unknown option --project; set RELEVANCE_PROJECT_ID instead",
    ),
    (
        &["--token", "p:sk-1", "Hello"],
        "unknown option --token; set RELEVANCE_AUTH_TOKEN instead (command-line options are \
         visible in ps)",
    ),
    (
        &["--api-key=sk-12345678", "Hello"],
        "unknown option --api-key; set RELEVANCE_AUTH_TOKEN instead (command-line options are \
         visible in ps)",
    ),
    (
        &["-m", "Hello"],
        "unknown option -m; give the message as an argument",
    ),
    (
        &["--set", "tone={bad json}", "Hello"],
        "--set tone: the value looks like JSON but does not parse (key must be a string at line 1 \
         column 2); fix it, and put single quotes around KEY=VALUE",
    ),
    (
        &["--param", "x=[1,", "Hello"],
        "--param x: the value looks like JSON but does not parse (EOF while parsing a value at \
         line 1 column 3); fix it, and put single quotes around KEY=VALUE",
    ),
    (
        &["--set", "x= {1", "Hello"],
        "--set x: the value looks like JSON but does not parse (key must be a string at line 1 \
         column 3); fix it, and put single quotes around KEY=VALUE",
    ),
    (
        &["-a", "null", "Hello"],
        "invalid --agent null: this is what a failed command leaves behind, not an id; check the \
         command that should have printed it",
    ),
    (
        &["-c", "null", "Hello"],
        "invalid --conversation null: this is what a failed command leaves behind, not an id; \
         check the command that should have printed it",
    ),
    (
        &["-c", "None", "Hello"],
        "invalid --conversation None: this is what a failed command leaves behind, not an id; \
         check the command that should have printed it",
    ),
    (
        &["--resume", "undefined"],
        "invalid --resume undefined: this is what a failed command leaves behind, not an id; check \
         the command that should have printed it",
    ),
    (
        &["Report", "of", "today"],
        "expected one MESSAGE, got 3 arguments; quote the message to make it one argument",
    ),
    (
        &["--timeout", "5 minutes", "Hello"],
        "invalid --timeout: not a duration; use a number and an optional unit (ms, s, m, h), such \
         as 90, 1.5s or 30m, or combine them: 1h30m",
    ),
];

/// Exit 2 with this line, before a connection is made.
#[track_caller]
fn is_answered(change: impl Fn(Cmd) -> Cmd, line: &str) {
    let api = Script::new().start();
    change(relevance_run(&api)).run().ends(2, &[line]);
    assert_eq!(api.server.connections(), 0, "{line}");
}

#[test]
fn mistakes_of_the_command_line() {
    for (arguments, line) in COMMAND_LINES {
        is_answered(|command| command.args(arguments), line);
    }
}

#[test]
fn the_output_folder_is_missing() {
    let folder = Folder::new();
    let path = folder.0.join("missing/answer");
    let line = format!(
        "cannot write --output {}: No such file or directory; choose another file",
        path.display()
    );
    is_answered(
        |command| command.arg("--output").arg(&path).arg("Hello"),
        &line,
    );
}

/// A value of `RELEVANCE_AUTH_TOKEN`, and what is wrong with it.
#[test]
fn mistakes_with_the_token() {
    let long = format!("p:{}", "k".repeat(60_000));
    for (value, wrong) in [
        (
            "\"project-1:sk-1234567\"",
            "contains a quotation mark; set it without quotes",
        ),
        (
            "Bearer project-1:sk-1234567",
            "contains more than the token; remove 'Authorization:', 'Bearer' or 'Basic'",
        ),
        (
            "RELEVANCE_AUTH_TOKEN=p:sk-1",
            "contains NAME=value; set it to only the value",
        ),
        (
            "export RELEVANCE_AUTH_TOKEN=p:sk-1",
            "contains NAME=value; set it to only the value",
        ),
        (
            "sk-1234567:project-1",
            "has the key before the project; set it to project:key",
        ),
        (&long, "is longer than any valid token; copy it again"),
    ] {
        let change = |command: Cmd| command.env("RELEVANCE_AUTH_TOKEN", value).arg("Hello");
        is_answered(change, &format!("RELEVANCE_AUTH_TOKEN {wrong}"));
    }
}

#[test]
fn mistakes_with_the_file_of_the_token() {
    let missing = Folder::new().0.join("secret").display().to_string();
    let next = "check the path and its permissions";
    for (path, line) in [
        (
            missing.as_str(),
            format!(
                "cannot read the file in RELEVANCE_AUTH_TOKEN_FILE, {missing}: No such file or \
                 directory; {next}"
            ),
        ),
        // The key in place of the path.
        (
            "p:sk-1234567",
            format!(
                "cannot read the file in RELEVANCE_AUTH_TOKEN_FILE, (not shown, it looks like a \
                 key): No such file or directory; {next}"
            ),
        ),
        (
            "/dev/zero",
            "the file in RELEVANCE_AUTH_TOKEN_FILE is larger than 16 MiB; check the path"
                .to_owned(),
        ),
    ] {
        let change = |command: Cmd| {
            let command = command.unset("RELEVANCE_AUTH_TOKEN").arg("Hello");
            command.env("RELEVANCE_AUTH_TOKEN_FILE", path)
        };
        is_answered(change, &line);
    }
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let change = |command: Cmd| {
        let command = command.unset("RELEVANCE_AUTH_TOKEN").arg("Hello");
        command
            .unset("RELEVANCE_BASE_URL")
            .unset("RELEVANCE_AGENT_ID")
    };
    is_answered(
        change,
        "no API key: set RELEVANCE_AUTH_TOKEN to the authorization token (project:key) from the \
         Integrations & API Keys page, or RELEVANCE_AUTH_TOKEN_FILE to a file that contains it; no \
         region: set RELEVANCE_REGION to us, eu, au or the region code from the Integrations & API \
         Keys page; no agent: give --agent ID or set RELEVANCE_AGENT_ID",
    );
}

/// What the API answers to the trigger, and the line.
#[test]
fn mistakes_that_the_api_finds() {
    let no_path = "<!DOCTYPE html><html>Cannot POST /agents/trigger</html>";
    for (reply, said, next) in [
        (
            unknown_key(),
            "400: User key with id project-1 not found",
            KEY_MATCHES,
        ),
        // A key of another region is as unknown there as a wrong one.
        (
            Reply::error(401, "Unauthorized", "unauthorized"),
            "401: Unauthorized",
            KEY_MATCHES,
        ),
        (
            Reply::error(404, "Agent not found", "agent_not_found"),
            "404: Agent not found",
            "check the id of the agent and RELEVANCE_REGION",
        ),
        (
            Reply::error(402, "Payment required", "x"),
            "402: Payment required",
            "the plan's credits are used up: add credits, or wait for the next period",
        ),
        (
            Reply::new(404, &[], no_path),
            &format!("404: {no_path}"),
            "no such path; check that RELEVANCE_BASE_URL ends in /latest",
        ),
    ] {
        let api = Script::new().trigger(reply).start();
        let line = format!("the API rejected the trigger with {said}; nothing was started; {next}");
        relevance_run(&api).arg("Hello").run().ends(3, &[&line]);
    }
}

/// A captive portal answers for everyone.
#[test]
fn a_login_page_is_taken_for_what_it_is() {
    let login = || {
        Reply::new(
            200,
            &[("Content-Type", "text/html")],
            "\n <title>Log in</title>",
        )
    };
    let portal = "this is a web page, not the API: check for a captive portal or proxy login page, \
                  and check RELEVANCE_BASE_URL";
    let api = Script::new().trigger(login()).start();
    let line = format!(
        "the reply to the trigger contains no usable run id (200: <title>Log in</title>); \
         {portal}; the run may have been started; check the agent's tasks in the web app before \
         you repeat the command"
    );
    relevance_run(&api).arg("Hello").run().ends(5, &[&line]);
    let api = Script::run().poll_forever(login()).start();
    let line = format!(
        "timed out after 1s (--timeout); the run continues (last error: cannot parse the reply \
         to the poll (expected value at line 2 column 2: 200: <title>Log in</title>); {portal})"
    );
    let output = relevance_run(&api).args(["-t", "1s", "Hello"]).run();
    output.ends(124, &[&line, RESUME]);
}

#[test]
fn a_rate_limit_that_outlasts_the_timeout() {
    let busy = Reply::new(429, &[("Retry-After", "60")], "");
    let api = Script::new().trigger(busy).start();
    let output = relevance_run(&api).args(["-t", "5s", "Hello"]).run();
    output.ends(
        4,
        &[
            "the API asked to wait 1m, which is past the --timeout of 5s; nothing was started (the \
             API rejected the trigger with 429)",
        ],
    );
}

/// A label of 64 characters is no name to any resolver, so nothing is asked of the network.
#[test]
fn a_name_that_does_not_resolve_blames_the_variable_that_it_came_from() {
    let name = format!("{}.example", "x".repeat(64));
    let (no_name, no_proxy) = (format!("https://{name}/latest"), format!("http://{name}:1"));
    thread::scope(|scope| {
        for (variable, value) in [
            ("RELEVANCE_BASE_URL", &no_name),
            ("HTTPS_PROXY", &no_proxy),
            ("all_proxy", &no_proxy),
        ] {
            let name = &name;
            scope.spawn(move || {
                let api = Script::new().start();
                let output = relevance_run(&api)
                    .env("RELEVANCE_BASE_URL", "https://api.example.com/latest")
                    .env(variable, value)
                    .arg("Hello")
                    .run();
                // In the words of either libc.
                let lines = ["Name or service not known", "Name does not resolve"].map(|why| {
                    format!(
                        "cannot resolve {name}: {why}; nothing was started; check the network and \
                         {variable}"
                    )
                });
                output.exits(4).prints("");
                assert_eq!(output.lines().len(), 1, "{output}");
                assert!(
                    lines.iter().any(|line| line == output.lines()[0]),
                    "{output}"
                );
            });
        }
    });
}

#[test]
fn nothing_listens_at_the_proxy() {
    let api = Script::new().start();
    let command = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", "https://api.example.com/latest")
        .env("HTTPS_PROXY", "http://127.0.0.1:9");
    let output = command.args(["-t", "1s", "Hello"]).run();
    output.ends(
        4,
        &[
            "timed out after 1s (--timeout); nothing was started (cannot reach api.example.com \
             through the proxy 127.0.0.1:9: Connection refused)",
        ],
    );
}

#[test]
fn a_proxy_that_inspects_tls_and_a_clock_that_is_wrong() {
    let trusted = Trusted::new();
    let authority = &trusted.authority;
    let inspected = Script::new()
        .tls(authority.server(&["localhost"], false))
        .start();
    let host = format!("localhost:{}", inspected.server.address.port());
    let line = format!(
        "cannot reach {host}: the server's certificate is not signed by a trusted CA \
         (UnknownIssuer); nothing was started; behind a TLS-inspecting proxy, set SSL_CERT_FILE to \
         a PEM file with the proxy's CA"
    );
    relevance_run(&inspected)
        .arg("Hello")
        .run()
        .ends(4, &[&line]);

    let expired = Script::new()
        .tls(authority.server(&["localhost"], true))
        .start();
    let command = relevance_run(&expired).env("SSL_CERT_FILE", &trusted.pem);
    let output = command.arg("Hello").run();
    output.exits(4).never_says(TOKEN);
    let line = output.lines()[0];
    let host = format!("localhost:{}", expired.server.address.port());
    let begin = format!("cannot reach {host}: the server's certificate has expired (");
    let end = "); nothing was started; check this machine's clock";
    assert!(line.starts_with(&begin) && line.ends_with(end), "{output}");
}
