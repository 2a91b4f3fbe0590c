/*! What curl's variables mean: the proxy, what goes past it, and the authorities that are trusted. */

use super::env::{file, first};
use crate::output::exit::{Error, ensure, error};
use std::net::IpAddr;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};
use ureq::{Proxy, ProxyProtocol, http::Uri, http::uri::Authority};

/// The proxy for `base_url`, as curl chooses it. Plain http is for loopback alone: through a proxy the key would leave
/// the machine in the clear.
pub fn proxy(base_url: &str) -> Result<Option<Proxy>, Error> {
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let Some((name, value)) = first(&names)? else {
        return Ok(None);
    };
    let proxy = parse_proxy(&value).ok_or_else(|| {
        error!(Usage: "{name} cannot be used: set it to http://[USER:PASSWORD@]HOST:PORT (or https://), or unset it")
    })?;
    let exceptions = first(&["no_proxy", "NO_PROXY"])?
        .map(|(_, list)| list)
        .unwrap_or_default();
    let url: Uri = base_url
        .parse()
        .map_err(|_| error!(Usage: "the base URL is not a URL"))?;
    let host = url.host().unwrap_or_default();
    let direct = url.scheme_str() == Some("http") || bypasses_proxy(host, &exceptions);
    Ok(Some(proxy).filter(|_| !direct))
}

/// The authorities that `SSL_CERT_FILE` names, or those built in.
pub fn roots(waiting: &dyn Fn(String)) -> Result<RootCerts, Error> {
    const NAME: &str = "SSL_CERT_FILE";
    let Some(pem) = file(NAME, waiting)? else {
        return Ok(RootCerts::WebPki);
    };
    let certificate = |item| {
        if let PemItem::Certificate(it) = item {
            Some(it)
        } else {
            None
        }
    };
    let certificates: Vec<Certificate> =
        parse_pem(&pem).flatten().filter_map(certificate).collect();
    let der = certificates
        .iter()
        .map(|certificate| certificate.der().into());
    let (usable, _) = rustls::RootCertStore::empty().add_parsable_certificates(der);
    ensure!(usable > 0, Usage: "the file that {NAME} names holds no certificate; it must be a PEM bundle of CA \
        certificates");
    Ok(RootCerts::from(certificates))
}

/// Whether a host is there, with a port that is a number or with none; the parser lets others pass.
pub fn has_sound_port(authority: &Authority) -> bool {
    let host = authority.host();
    !host.is_empty() && (authority.port_u16().is_some() || authority.as_str().ends_with(host))
}

/// A proxy as curl writes it: `[http[s]://][USER[:PASSWORD]@]HOST[:PORT]`, by default port 1080, or 443 for https.
fn parse_proxy(text: &str) -> Option<Proxy> {
    let proxy = Proxy::new(text).ok()?;
    let default_port = match proxy.protocol() {
        ProxyProtocol::Http => 1080,
        ProxyProtocol::Https => 443,
        // SOCKS would cost a feature of ureq that nothing else needs.
        _ => return None,
    };
    let authority = proxy.uri().authority()?;
    if !has_sound_port(authority) || !matches!(proxy.uri().path(), "" | "/") {
        return None;
    }
    if proxy.uri().port_u16().is_some() {
        return Some(proxy);
    }
    Proxy::new(&format!(
        "{}://{authority}:{default_port}",
        proxy.uri().scheme_str()?
    ))
    .ok()
}

/// Whether `NO_PROXY` names the host, by curl's rules: `*` alone, a domain and all below it, an address, or a
/// network in CIDR form, separated by commas or spaces.
fn bypasses_proxy(host: &str, exceptions: &str) -> bool {
    let plain = |text: &str| {
        text.trim_matches(['[', ']'])
            .trim_end_matches('.')
            .to_ascii_lowercase()
    };
    let host = plain(host);
    if exceptions == "*" {
        return true;
    }
    let mut entries = exceptions
        .split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty());
    match host.parse::<IpAddr>() {
        Ok(address) => entries.any(|entry| match entry.split_once('/') {
            Some((network, bits)) => in_network(address, &plain(network), bits),
            None => plain(entry).parse() == Ok(address),
        }),
        Err(_) => entries.any(|entry| {
            let domain = plain(entry.trim_start_matches('.'));
            host.strip_suffix(&domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }),
    }
}

fn in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let as_number = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let ((address, width), (network, network_width)) = (as_number(address), as_number(network));
    // As many leading bits are equal as the prefix is long.
    width == network_width && bits <= width && (address ^ network).leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_as_in_curl() {
        let check = |expected, host, cases: &[&str]| {
            cases.iter().for_each(|list| {
                assert_eq!(bypasses_proxy(host, list), expected, "{host} with {list:?}")
            });
        };
        check(
            true,
            "api.example.com",
            &["example.com", ".example.com", "API.Example.com.", "*"],
        );
        check(
            true,
            "api.example.com",
            &["other.org, example.com", "other.org example.com"],
        );
        check(
            false,
            "api.example.com",
            &["pi.example.com", "*.example.com", ""],
        );
        check(true, "example.com", &[".example.com"]);
        check(
            true,
            "127.0.0.1",
            &["127.0.0.1", "127.0.0.0/8", "0.0.0.0/0"],
        );
        check(false, "127.0.0.1", &["0.0.1", "10.0.0.0/8", "127.0.0.0/33"]);
        check(true, "[::1]", &["::1", "[::1]"]);
        check(true, "[fd00::1]", &["fd00::/8"]);
        check(false, "[fd00::1]", &["127.0.0.0/8"]);
    }

    #[test]
    fn proxies_as_curl_writes_them() {
        for (text, host_and_port) in [
            ("http://proxy.example:3128", "proxy.example:3128"),
            ("proxy.example:3128", "proxy.example:3128"),
            ("http://user:p%40ss@proxy.example", "proxy.example:1080"),
            ("https://proxy.example", "proxy.example:443"),
        ] {
            let proxy = parse_proxy(text).unwrap();
            assert_eq!(
                format!("{}:{}", proxy.host(), proxy.port()),
                host_and_port,
                "{text}"
            );
        }
        for text in "socks5://a:1080 http:// http://a:port http://a:3128/path".split(' ') {
            assert!(parse_proxy(text).is_none(), "{text}");
        }
    }
}
