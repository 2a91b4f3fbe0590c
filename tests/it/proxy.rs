/*! Proxies, as in curl and checked beside it where it is installed. */

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

use crate::command::{Trusted, relevance_run};
use crate::script::{Script, answered};
use crate::tunnel::{Tunnel, read_head};
use fake::server::Server;

/// Runs with these variables, where `{proxy}` is a proxy that leads to the API and `{dead}` one
/// that is not there; says whether the proxy was used. The same is asked of curl.
fn uses_proxy(variables: &[(&str, &str)], host: &str) -> bool {
    let trusted = Trusted::new();
    let api = trusted.api(host);
    let tunnel = Tunnel::to(api.server.address);
    let url = format!("https://{host}:{}", api.server.address.port());
    let proxy = tunnel.server.address.to_string();
    let mut command = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", format!("{url}/latest"))
        .env("SSL_CERT_FILE", &trusted.pem)
        .arg("Hello");
    let mut curl = Command::new("curl");
    curl.env_clear()
        .args(["--silent", "--cacert"])
        .arg(&trusted.pem);
    curl.arg(format!("{url}/not-there"));
    for (name, value) in variables {
        let value = value
            .replace("{proxy}", &proxy)
            .replace("{dead}", "127.0.0.1:9");
        curl.env(name, &value);
        command = command.env(name, value);
    }
    command.run().answers("Hi!");
    let used = !tunnel.heads().is_empty();
    if let Ok(output) = curl.output() {
        // Any reply will do: the question is which way it came.
        assert!(
            output.status.success(),
            "curl with {variables:?}: {output:?}"
        );
        let curl_used = tunnel.heads().len() > usize::from(used);
        assert_eq!(used, curl_used, "curl differs with {variables:?}");
        api.forget_unexpected();
    }
    used
}

#[test]
fn which_proxy_is_chosen() {
    for (variables, expected) in [
        (vec![("HTTPS_PROXY", "http://{proxy}")], true),
        (vec![("https_proxy", "http://{proxy}")], true),
        (vec![("ALL_PROXY", "http://{proxy}")], true),
        (vec![("all_proxy", "http://{proxy}")], true),
        (vec![("HTTPS_PROXY", "{proxy}")], true),
        (vec![("HTTP_PROXY", "http://{dead}")], false),
        (vec![("http_proxy", "http://{dead}")], false),
        (
            vec![
                ("HTTPS_PROXY", "http://{proxy}"),
                ("ALL_PROXY", "http://{dead}"),
            ],
            true,
        ),
        (
            vec![
                ("https_proxy", "http://{proxy}"),
                ("HTTPS_PROXY", "http://{dead}"),
            ],
            true,
        ),
        (
            vec![("HTTPS_PROXY", ""), ("ALL_PROXY", "http://{proxy}")],
            true,
        ),
    ] {
        assert_eq!(
            uses_proxy(&variables, "localhost"),
            expected,
            "{variables:?}"
        );
    }
}

#[test]
fn no_proxy() {
    for (list, host, expected) in [
        ("localhost", "localhost", false),
        ("*", "localhost", false),
        ("example.com,localhost", "localhost", false),
        (".localhost", "localhost", false),
        ("host", "localhost", true),
        ("example.com", "localhost", true),
        ("127.0.0.1", "127.0.0.1", false),
        ("127.0.0.0/8", "127.0.0.1", false),
        ("127.0.0.2", "127.0.0.1", true),
        ("10.0.0.0/8", "127.0.0.1", true),
    ] {
        for name in ["NO_PROXY", "no_proxy"] {
            let variables = [("HTTPS_PROXY", "http://{proxy}"), (name, list)];
            assert_eq!(
                uses_proxy(&variables, host),
                expected,
                "{name}={list} for {host}"
            );
        }
    }
}

#[test]
fn credentials_in_the_url_are_sent_to_the_proxy_alone() {
    let trusted = Trusted::new();
    let api = trusted.api("localhost");
    let tunnel = Tunnel::to(api.server.address);
    let output = relevance_run(&api)
        .env(
            "HTTPS_PROXY",
            tunnel.url().replace("://", "://us%65r:pass%40word@"),
        )
        .env("SSL_CERT_FILE", &trusted.pem)
        .args(["-v", "Hello"])
        .run();
    output.exits(0).prints("Hi!\n").never_says("pass");
    output.logs(&format!(
        "api: localhost:{} through the proxy {}",
        api.server.address.port(),
        tunnel.server.address
    ));
    let head = &tunnel.heads()[0];
    // "user:pass@word" in Base64.
    assert!(
        head.contains("Proxy-Authorization: Basic dXNlcjpwYXNzQHdvcmQ=\r\n"),
        "{head}"
    );
    assert!(!head.contains("sk-"), "{head}");
    assert!(
        api.requests()
            .iter()
            .all(|request| request.header("Proxy-Authorization").is_none())
    );
}

/// TLS to the proxy, and within it TLS to the API.
#[test]
fn a_proxy_may_be_https() {
    let trusted = Trusted::new();
    let api = trusted.api("api.example.com");
    let (address, config) = (
        api.server.address,
        trusted.authority.server(&["localhost"], false),
    );
    let proxy = Server::sockets(move |client| {
        let mut client =
            StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), client);
        let head = read_head(&mut client)?;
        assert!(head.starts_with("CONNECT api.example.com:443 HTTP/1.1\r\n"));
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        tunnel_by_turns(client, TcpStream::connect(address)?)
    });
    let output = relevance_run(&api)
        .env("RELEVANCE_BASE_URL", "https://api.example.com/latest")
        .env(
            "HTTPS_PROXY",
            format!("https://localhost:{}", proxy.address.port()),
        )
        .env("SSL_CERT_FILE", &trusted.pem)
        .arg("Hello")
        .run();
    output.answers("Hi!");
    assert_eq!(proxy.connections(), 1);
}

/// A TLS stream cannot be read and written by two threads, so the two directions take turns.
fn tunnel_by_turns(
    mut client: StreamOwned<ServerConnection, TcpStream>,
    mut api: TcpStream,
) -> std::io::Result<()> {
    let turn = Some(Duration::from_millis(5));
    client.sock.set_read_timeout(turn)?;
    api.set_read_timeout(turn)?;
    let mut buffer = [0; 65536];
    loop {
        for to_api in [true, false] {
            let read = if to_api {
                client.read(&mut buffer)
            } else {
                api.read(&mut buffer)
            };
            match read {
                Ok(0) => return Ok(()),
                Ok(length) if to_api => api.write_all(&buffer[..length])?,
                Ok(length) => client.write_all(&buffer[..length])?,
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                Err(why) => return Err(why),
            }
        }
    }
}

/// Exit 4 after five attempts, with a line that names the variable that leads to the proxy.
#[test]
fn a_proxy_that_rejects_the_tunnel_or_is_not_there_is_exit_4() {
    let rejecting = Server::sockets(|mut client| {
        read_head(&mut client)?;
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    });
    let rejected = rejecting.address.to_string();
    let reason = "the proxy rejected the tunnel with 407";
    thread::scope(|scope| {
        for (variable, proxy, why, next) in [
            (
                "HTTPS_PROXY",
                rejected.as_str(),
                reason,
                "; check HTTPS_PROXY",
            ),
            ("all_proxy", rejected.as_str(), reason, "; check all_proxy"),
            (
                "ALL_PROXY",
                "127.0.0.1:9",
                "Connection refused",
                "; check the network and ALL_PROXY",
            ),
        ] {
            scope.spawn(move || {
                let api = Script::new().start();
                let output = relevance_run(&api)
                    .env("RELEVANCE_BASE_URL", "https://api.example.com/latest")
                    .env(variable, format!("http://user:secret@{proxy}"))
                    .arg("Hello")
                    .run();
                let line = format!(
                    "cannot reach api.example.com through the proxy {proxy}: {why}; nothing was \
                     started{next}"
                );
                output.ends(4, &[&line]);
            });
        }
    });
    assert_eq!(rejecting.connections(), 10);
}

/// In the clear the key goes nowhere but to this machine.
#[test]
fn plain_http_on_loopback_takes_no_proxy() {
    let api = Script::run().poll(answered("Hi!")).start();
    let proxy = Script::new().start();
    let url = format!("http://{}", proxy.server.address);
    relevance_run(&api)
        .env("ALL_PROXY", &url)
        .env("HTTPS_PROXY", &url)
        .arg("Hello")
        .run()
        .answers("Hi!");
    assert_eq!(proxy.server.connections(), 0);
}
