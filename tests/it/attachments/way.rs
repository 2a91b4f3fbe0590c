/*! The way to the host that takes the file: certificates and proxies. */

use super::{DOWNLOAD, attach, storage};
use crate::command::{Folder, Trusted};
use crate::script::{Script, TOKEN, answered, triggered, upload_url};
use crate::tunnel::Tunnel;
use fake::server::Reply;

/// To a host with a certificate, as a real one has.
#[test]
fn an_upload_goes_over_tls_and_only_to_who_can_prove_it() {
    let (trusted, stranger, folder) = (Trusted::new(), Trusted::new(), Folder::new());
    let file = folder.file("a.txt", "text");
    for (authority, is_trusted) in [(&trusted.authority, true), (&stranger.authority, false)] {
        let tls = authority.server(&["localhost"], false);
        let mut script = Script::new().tls(tls);
        if is_trusted {
            script = script.upload(Reply::new(200, &[], ""));
        }
        let storage = script.start();
        let port = storage.server.address.port();
        let url = format!("https://localhost:{port}/1?signature=x");
        let mut script = Script::new().upload_url(upload_url(&url, DOWNLOAD));
        if is_trusted {
            script = script.trigger(triggered()).poll(answered("Hi!"));
        }
        let api = script.start();
        let output = attach(&api, &file).env("SSL_CERT_FILE", &trusted.pem).run();
        if is_trusted {
            output.answers("Hi!");
            continue;
        }
        output.exits(4).prints("");
        assert_eq!(
            output.stderr,
            format!(
                "relevance-run: cannot upload a.txt to localhost:{port}: the server's certificate \
                 is not signed by a trusted CA (BadSignature); nothing was started; \
                 behind a TLS-inspecting proxy, set SSL_CERT_FILE to a PEM file with the proxy's \
                 CA\n"
            )
        );
        assert!(storage.requests().is_empty());
    }
}

/// A host that only the proxy can reach; and one on this machine, to which no proxy leads.
#[test]
fn an_upload_goes_through_the_proxy_of_https() {
    let (trusted, folder) = (Trusted::new(), Folder::new());
    let file = folder.file("a.txt", "text");
    let tls = trusted.authority.server(&["files.example"], false);
    let far = Script::new()
        .upload(Reply::new(200, &[], ""))
        .tls(tls)
        .start();
    let tunnel = Tunnel::to(far.server.address);
    let near = storage();
    let near_url = format!("http://{}/2", near.server.address);
    let api = Script::new()
        .upload_url(upload_url("https://files.example/1?a=b", DOWNLOAD))
        .upload_url(upload_url(&near_url, DOWNLOAD))
        .trigger(triggered())
        .poll(answered("Hi!"))
        .start();
    let command = attach(&api, &file).arg("--attach").arg(&file);
    let command = command
        .env("HTTPS_PROXY", tunnel.url())
        .env("SSL_CERT_FILE", &trusted.pem);
    command.run().answers("Hi!");
    let heads = tunnel.heads();
    let [head] = heads.as_slice() else {
        panic!("{heads:?}");
    };
    assert!(
        head.starts_with("CONNECT files.example:443 HTTP/1.1\r\n"),
        "{head}"
    );
    let key = TOKEN.split_once(':').unwrap().1;
    assert!(!head.contains(&key[..8]), "{head}");
    let (far, near) = (far.requests(), near.requests());
    assert_eq!(
        (far[0].target.as_str(), near[0].target.as_str()),
        ("/1?a=b", "/2")
    );
    assert!(far[0].header("Authorization").is_none());
}
