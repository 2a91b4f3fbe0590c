/*! The twenty likeliest mistakes: the one line says what to do about each. */

use std::path::Path;

use crate::command::{Cmd, Folder, Output, Trusted, relevance_run};
use crate::fake::server::Reply;
use crate::script::{Script, Scripted, TOKEN};

/// What was done, the exit code, and what the line has to have.
type Mistake<'a> = (
    &'a str,
    Box<dyn Fn(&Scripted) -> Cmd + 'a>,
    i32,
    &'a [&'a str],
);

fn mistakes(folder: &Path) -> Vec<Mistake<'_>> {
    let hello = |api: &Scripted| relevance_run(api).arg("Hello");
    let token = move |value: &'static str| {
        Box::new(move |api: &Scripted| hello(api).env("RELEVANCE_AUTH_TOKEN", value))
            as Box<dyn Fn(&Scripted) -> Cmd>
    };
    let region = move |value: &'static str| {
        Box::new(move |api: &Scripted| {
            hello(api)
                .unset("RELEVANCE_BASE_URL")
                .env("RELEVANCE_REGION", value)
        }) as Box<dyn Fn(&Scripted) -> Cmd>
    };
    let with = move |arguments: &'static [&'static str]| {
        Box::new(move |api: &Scripted| relevance_run(api).args(arguments))
            as Box<dyn Fn(&Scripted) -> Cmd>
    };
    vec![
        (
            "no token",
            Box::new(move |api| hello(api).unset("RELEVANCE_AUTH_TOKEN")),
            2,
            &["set RELEVANCE_AUTH_TOKEN", "project:key", "API-keys page"],
        ),
        (
            "key without project",
            Box::new(move |api| {
                hello(api)
                    .unset("RELEVANCE_AUTH_TOKEN")
                    .env("RELEVANCE_API_KEY", "sk-1234567")
            }),
            2,
            &["key without its project", "set RELEVANCE_PROJECT"],
        ),
        (
            "region name misspelt",
            region("eu-west-1"),
            2,
            &["RELEVANCE_REGION", "us, eu, au", "such as bcbe5a"],
        ),
        (
            "quoted key",
            token("\"project-1:sk-1234567\""),
            2,
            &["RELEVANCE_AUTH_TOKEN", "without quotes"],
        ),
        (
            "Bearer prefix",
            token("Bearer project-1:sk-1234567"),
            2,
            &["RELEVANCE_AUTH_TOKEN", "leave out", "'Bearer'"],
        ),
        (
            "all that is missing at once",
            Box::new(move |api| {
                relevance_run(api)
                    .unset("RELEVANCE_AUTH_TOKEN")
                    .unset("RELEVANCE_BASE_URL")
                    .unset("RELEVANCE_AGENT_ID")
                    .arg("Hello")
            }),
            2,
            &[
                "set RELEVANCE_AUTH_TOKEN",
                "set RELEVANCE_REGION",
                "--agent ID or set RELEVANCE_AGENT_ID",
            ],
        ),
        (
            "help as a word",
            with(&["help"]),
            2,
            &["'help'", "--help", "-- help"],
        ),
        (
            "version as a word",
            with(&["version"]),
            2,
            &["'version'", "--version", "-- version"],
        ),
        (
            "a misspelt option",
            with(&["--timout", "5m", "Hello"]),
            2,
            &["--timout", "did you mean --timeout?"],
        ),
        (
            "another",
            with(&["--converstaion=c", "Hello"]),
            2,
            &["did you mean --conversation?"],
        ),
        (
            "one that begins wrongly",
            with(&["--josn", "Hello"]),
            2,
            &["did you mean --json?"],
        ),
        (
            "the region as an option",
            with(&["--region", "us", "Hello"]),
            2,
            &["--region", "set RELEVANCE_REGION"],
        ),
        (
            "the key as an option",
            with(&["--token", "p:sk-1", "Hello"]),
            2,
            &["--token", "RELEVANCE_AUTH_TOKEN"],
        ),
        (
            "the same with =",
            with(&["--api-key=sk-12345678", "Hello"]),
            2,
            &["--api-key;", "RELEVANCE_AUTH_TOKEN"],
        ),
        (
            "a message as an option",
            with(&["-m", "Hello"]),
            2,
            &["-m", "as an argument"],
        ),
        (
            "bad JSON",
            with(&["--set", "params={bad json}", "Hello"]),
            2,
            &["--set params", "JSON", "single quotes"],
        ),
        (
            "a list that is none",
            with(&["--set", "x=[1,", "Hello"]),
            2,
            &["--set x", "JSON"],
        ),
        (
            "half of an option",
            with(&["--time", "5", "Hello"]),
            2,
            &["did you mean --timeout?"],
        ),
        (
            "more than an option",
            with(&["--agent_id=a", "Hello"]),
            2,
            &["did you mean --agent?"],
        ),
        (
            "an agent that a failed command left",
            with(&["-a", "null", "Hello"]),
            2,
            &["--agent", "failed command"],
        ),
        (
            "a key that is none",
            token(Box::leak(
                format!("p:{}", "k".repeat(60_000)).into_boxed_str(),
            )),
            2,
            &["longer"],
        ),
        (
            "JSON behind a space",
            with(&["--set", "x= {1", "Hello"]),
            2,
            &["--set x", "JSON"],
        ),
        (
            "a secret file without an end",
            Box::new(move |api| {
                hello(api)
                    .unset("RELEVANCE_AUTH_TOKEN")
                    .env("RELEVANCE_AUTH_TOKEN_FILE", "/dev/zero")
            }),
            2,
            &["RELEVANCE_AUTH_TOKEN_FILE", "larger"],
        ),
        (
            "the id of a failed command",
            with(&["-c", "null", "Hello"]),
            2,
            &["--conversation null", "failed command"],
        ),
        (
            "the same in Python",
            with(&["-c", "None", "Hello"]),
            2,
            &["--conversation None"],
        ),
        (
            "a secret file that is not there",
            Box::new(move |api| {
                let file = folder.join("secret");
                hello(api)
                    .unset("RELEVANCE_AUTH_TOKEN")
                    .env("RELEVANCE_AUTH_TOKEN_FILE", file)
            }),
            2,
            &["RELEVANCE_AUTH_TOKEN_FILE", "/secret: No such file"],
        ),
        (
            "the key in place of the file's path",
            Box::new(move |api| {
                hello(api)
                    .unset("RELEVANCE_AUTH_TOKEN")
                    .env("RELEVANCE_AUTH_TOKEN_FILE", "p:sk-1234567")
            }),
            2,
            &["RELEVANCE_AUTH_TOKEN_FILE", "not shown"],
        ),
        (
            "an assignment for a token",
            token("RELEVANCE_AUTH_TOKEN=p:sk-1"),
            2,
            &["NAME=value", "only the value"],
        ),
        (
            "an exported one",
            token("export RELEVANCE_AUTH_TOKEN=p:sk-1"),
            2,
            &["NAME=value"],
        ),
        (
            "page's URL for an agent",
            with(&[
                "-a",
                "https://app.relevanceai.com/agents/bcbe5a/p1/0f3c9a",
                "Hello",
            ]),
            2,
            &["--agent", "give the id alone: 0f3c9a"],
        ),
        (
            "empty message",
            with(&[""]),
            2,
            &["the message is empty", "say something"],
        ),
        (
            "% in cron",
            with(&[]),
            2,
            &["standard input is empty", "in a crontab, write \\% for %"],
        ),
        (
            "% in cron, unquoted",
            with(&["Report", "of", "today"]),
            2,
            &["3 messages", "quote it"],
        ),
        (
            "bad duration",
            with(&["--timeout", "5 minutes", "Hello"]),
            2,
            &["--timeout", "such as 90, 1.5s or 30m"],
        ),
        (
            "--resume without a slash",
            with(&["--resume", "job-1"]),
            2,
            &["--resume", "give STUDIO_ID/JOB_ID"],
        ),
        (
            "output folder missing",
            Box::new(move |api| {
                hello(api)
                    .arg("--output")
                    .arg(folder.join("missing/answer"))
            }),
            2,
            &["missing/answer", "No such file", "choose another file"],
        ),
    ]
}

#[test]
fn mistakes_of_the_command_line_and_the_environment() {
    let folder = Folder::new();
    for (what, command, code, parts) in mistakes(&folder.0) {
        let api = Script::new().start();
        command(&api).run().fails(code, parts);
        assert_eq!(api.server.connections(), 0, "{what}");
    }
}

fn answered_by(reply: Reply) -> Output {
    let api = Script::new().trigger(reply).start();
    relevance_run(&api).arg("Hello").run()
}

#[test]
fn mistakes_that_the_api_finds() {
    let wrong_key = Reply::error(
        400,
        "User key with id project-1 not found",
        "unset_error_type",
    );
    answered_by(wrong_key).fails(
        3,
        &[
            "User key",
            "check that the token, its project and RELEVANCE_REGION belong together",
        ],
    );
    // A key of another region is as unknown there as a wrong one.
    let wrong_region = Reply::error(401, "Unauthorized", "unauthorized");
    answered_by(wrong_region).fails(3, &["RELEVANCE_REGION"]);
    let unknown_agent = Reply::error(404, "Agent not found", "not_found");
    answered_by(unknown_agent).fails(3, &["Agent not found", "check the id of the agent or run"]);
    answered_by(Reply::error(402, "Payment required", "x")).fails(3, &["402", "credits"]);
    let no_path = Reply::new(
        404,
        &[],
        "<!DOCTYPE html><html>Cannot POST /agents/trigger</html>",
    );
    answered_by(no_path).fails(
        3,
        &[
            "404",
            "no such path",
            "RELEVANCE_BASE_URL, which ends in /latest",
        ],
    );
    // A captive portal answers for everyone.
    let login = || {
        Reply::new(
            200,
            &[("Content-Type", "text/html")],
            "\n <html><title>Log in</title>",
        )
    };
    answered_by(login()).fails(5, &["web page", "login page of the network", "Log in"]);
    let api = Script::run().poll_forever(login()).start();
    let output = relevance_run(&api).args(["-t", "400ms", "Hello"]).run();
    output
        .fails(124, &["web page", "login page"])
        .resumes("studio-1/job-1");
    let api = Script::new()
        .trigger(Reply::new(429, &[("Retry-After", "60")], ""))
        .start();
    let rate_limit = relevance_run(&api).args(["--timeout", "5s", "Hello"]).run();
    rate_limit.fails(
        4,
        &[
            "429",
            "the plan's rate limit is reached, so try again later",
        ],
    );
}

#[test]
fn mistakes_of_the_network() {
    let api = Script::new().start();
    let elsewhere = |url: &str| {
        relevance_run(&api)
            .env("RELEVANCE_BASE_URL", url)
            .args(["--timeout", "400ms", "Hello"])
    };
    // One attempt fits the timeout, and what went wrong with it is told.
    let no_name = format!("https://{}.example", "x".repeat(64));
    let said = format!("the name {}.example was not found", "x".repeat(64));
    let parts = [
        &said,
        "check the network, and RELEVANCE_REGION, which makes it",
        "nothing was started",
    ];
    elsewhere(&no_name).run().fails(4, &parts);
    let no_proxy = elsewhere("https://api.example.com")
        .env("HTTPS_PROXY", format!("http://{}.example", "x".repeat(64)));
    no_proxy
        .run()
        .fails(4, &[&said, "HTTPS_PROXY, which makes it"]);
    let proxy = elsewhere("https://api.example.com").env("HTTPS_PROXY", "http://127.0.0.1:9");
    proxy.run().fails(
        4,
        &[
            "through the proxy 127.0.0.1:9",
            "refused",
            "nothing was started",
        ],
    );

    let Trusted { authority, pem, .. } = &Trusted::new();
    let inspected = Script::new()
        .tls(authority.server(&["localhost"], false))
        .start();
    let company = relevance_run(&inspected).arg("Hello").run();
    company.fails(
        4,
        &["behind a proxy that inspects TLS, set SSL_CERT_FILE to its CA"],
    );
    let expired = Script::new()
        .tls(authority.server(&["localhost"], true))
        .start();
    let clock = relevance_run(&expired)
        .env("SSL_CERT_FILE", pem)
        .arg("Hello")
        .run();
    clock
        .fails(4, &["has expired", "check this machine's clock"])
        .never_says(TOKEN);
}
