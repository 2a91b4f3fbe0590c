/*! What curl's variables mean: the proxy, what goes past it, and the CAs that are trusted. */

use super::env::{OnRead, first};
use super::roots::roots;
use crate::api::base_url::{SafeUrl, has_sound_port};
use crate::api::client::Access;
use crate::api::failure::Route;
use crate::api::tls::client_config;
use crate::error::Error;
use rustls::ClientConfig;
use std::net::IpAddr;
use std::sync::Arc;
use ureq::{Proxy, ProxyProtocol};

/// How servers are reached.
pub struct Network {
    proxy: Option<NamedProxy>,
    /// The list in `NO_PROXY`.
    exceptions: String,
    tls: Arc<ClientConfig>,
}

/// A proxy, and the variable that it came from.
struct NamedProxy {
    name: &'static str,
    proxy: Proxy,
}

impl Network {
    /// Errors: a usage error for a proxy or a bundle of CAs that cannot be used.
    pub fn read(on_read: OnRead) -> Result<Network, Error> {
        let exceptions = first(&["no_proxy", "NO_PROXY"])?;
        let tls = client_config(roots(on_read)?)
            .map_err(|why| Error::usage(format!("TLS cannot be set up: {why}")))?;
        Ok(Network {
            proxy: proxy()?,
            exceptions: exceptions.map(|list| list.value).unwrap_or_default(),
            tls,
        })
    }

    /// How the server of a URL is reached. Plain http is for this machine alone, and so never goes
    /// through a proxy.
    pub fn access(&self, url: SafeUrl, host_variable: &'static str) -> Access {
        let is_direct = !url.is_https() || bypasses_proxy(url.host(), &self.exceptions);
        let named = self.proxy.as_ref().filter(|_| !is_direct);
        let described = named.map(|named| {
            (
                format!("{}:{}", named.proxy.host(), named.proxy.port()),
                named.name,
            )
        });
        Access {
            route: Route {
                host: url.authority().to_owned(),
                host_variable,
                proxy: described,
            },
            url,
            proxy: named.map(|named| named.proxy.clone()),
            tls: Arc::clone(&self.tls),
        }
    }
}

/// The proxy for https, as curl chooses it.
fn proxy() -> Result<Option<NamedProxy>, Error> {
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let Some(found) = first(&names)? else {
        return Ok(None);
    };
    let name = found.name;
    match parse_proxy(&found.value) {
        Some(proxy) => Ok(Some(NamedProxy { name, proxy })),
        None => Err(Error::usage(format!("{name} is not a supported proxy URL")).next(
            "set it to http://[USER:PASSWORD@]HOST:PORT or https://…, or unset it (SOCKS is not \
             supported)",
        )),
    }
}

/// A proxy as curl writes it: `[http[s]://][USER[:PASSWORD]@]HOST[:PORT]`, by default port 1080, or
/// 443 for https.
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

/// Whether `NO_PROXY` names the host, by curl's rules: `*` alone, a domain and all below it, an
/// address, or a network in CIDR form, separated by commas or spaces.
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
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let (ours, theirs) = (Number::of(address), Number::of(network));
    // As many leading bits are equal as the prefix is long.
    let same_bits = (ours.bits ^ theirs.bits).leading_zeros();
    ours.width == theirs.width && bits <= ours.width && same_bits >= bits
}

/// An address as a number, at the upper end of 128 bits.
struct Number {
    bits: u128,
    width: u32,
}

impl Number {
    fn of(address: IpAddr) -> Number {
        match address {
            IpAddr::V4(v4) => Number {
                bits: u128::from(v4.to_bits()) << 96,
                width: 32,
            },
            IpAddr::V6(v6) => Number {
                bits: v6.to_bits(),
                width: 128,
            },
        }
    }
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
