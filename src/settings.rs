/*!
The environment: token, place, proxy and roots, checked before anything is sent.

The value of a variable is never shown in an error: a key may have been put into the wrong one.
*/

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;

use ureq::http::Uri;
use ureq::http::uri::Authority;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};
use ureq::{Proxy, ProxyProtocol};

use crate::args;
use crate::error::{Error, error};
use crate::token::Token;
use crate::wire::Id;

/// The regions that have a name (API.md).
const NAMED_REGIONS: [(&str, &str); 3] = [("us", "bcbe5a"), ("eu", "d7b62b"), ("au", "f1db6c")];
/// A region code is short; this is far beyond any known.
const MAX_REGION_LENGTH: usize = 32;

/// What the environment says.
pub struct Settings {
    pub token: Token,
    /// The API, without a slash at the end.
    pub base_url: String,
    /// `None` where `RELEVANCE_BASE_URL` makes it unnecessary.
    pub region: Option<String>,
    pub agent_id: Option<Id>,
    /// The proxy for the API, with `NO_PROXY` applied already.
    pub proxy: Option<Proxy>,
    pub roots: RootCerts,
}

impl Settings {
    /// Reads the environment, and the files that it names.
    ///
    /// # Errors
    /// A usage error for whatever is missing, malformed or unreadable; it names the variable to set.
    pub fn read() -> Result<Settings, Error> {
        let token = token()?;
        let region = region()?;
        let base_url = match (first(&["RELEVANCE_BASE_URL"])?, &region) {
            (Some((_, url)), _) => parse_base_url(&url)?,
            (None, Some(region)) => format!("https://api-{region}.stack.tryrelevance.com/latest"),
            (None, None) => {
                return Err(error!(
                    Usage,
                    "no region: set RELEVANCE_REGION to us, eu, au or the code on your API-keys page"
                ));
            }
        };
        let agent_id = first(&["RELEVANCE_AGENT_ID"])?;
        Ok(Settings {
            token,
            region,
            agent_id: agent_id.map(|(_, id)| args::parse_agent(&id)).transpose()?,
            proxy: proxy(&base_url)?,
            base_url,
            roots: roots()?,
        })
    }

    /// The host, and port if any, that requests go to, and the proxy on the way; without credentials.
    pub fn place(&self) -> String {
        let host = self.base_url.split('/').nth(2).unwrap_or_default();
        match &self.proxy {
            Some(proxy) => format!("{host} through the proxy {}:{}", proxy.host(), proxy.port()),
            None => host.to_owned(),
        }
    }

    /// Where a person can look at an agent, or at one conversation with it.
    pub fn page(&self, agent_id: &Id, conversation_id: Option<&Id>) -> Option<String> {
        let region = self.region.as_ref()?;
        let page = format!(
            "https://app.relevanceai.com/agents/{region}/{}/{agent_id}",
            self.token.project()
        );
        Some(match conversation_id {
            Some(id) => format!("{page}/{id}"),
            None => page,
        })
    }
}

/// The first variable that is set and not blank, with its name; white space around the value is trimmed.
fn first<'a>(names: &[&'a str]) -> Result<Option<(&'a str, String)>, Error> {
    for name in names {
        if let Some(value) = env::var_os(name)
            && let Some(value) = tidy(name, value)?
        {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

/// As `first` for one name, or the contents of the file that `file_name` names.
fn first_or_file(
    name: &'static str,
    file_name: &'static str,
) -> Result<Option<(&'static str, String)>, Error> {
    let value = first(&[name])?;
    let Some((_, path)) = first(&[file_name])? else {
        return Ok(value);
    };
    if value.is_some() {
        return Err(error!(Usage, "both {name} and {file_name} are set; unset one of them"));
    }
    let contents = fs::read_to_string(&path)
        .map_err(|why| error!(Usage, "cannot read the file that {file_name} names: {why}"))?;
    match tidy(file_name, contents.into())? {
        Some(contents) => Ok(Some((file_name, contents))),
        None => {
            Err(error!(Usage, "the file that {file_name} names is empty; write the key into it"))
        }
    }
}

fn token() -> Result<Token, Error> {
    let token =
        |name: &str, text: &str| Token::new(text).map_err(|why| error!(Usage, "{name} {why}"));
    if let Some((name, text)) = first_or_file("RELEVANCE_AUTH_TOKEN", "RELEVANCE_AUTH_TOKEN_FILE")?
    {
        return token(name, &text);
    }
    let key = match first_or_file("RELEVANCE_API_KEY", "RELEVANCE_API_KEY_FILE")? {
        Some(key) => Some(key),
        None => first(&["RAI_API_KEY"])?,
    };
    let Some((name, key)) = key else {
        return Err(error!(
            Usage,
            "no key: set RELEVANCE_AUTH_TOKEN to the authorization token (project:key) of your API-keys page"
        ));
    };
    if key.contains(':') {
        return token(name, &key);
    }
    // Checked with a stand-in first, so that a malformed key is said before a missing project.
    token(name, &format!("project:{key}"))?;
    let Some((project_name, project)) =
        first(&["RELEVANCE_PROJECT", "RELEVANCE_PROJECT_ID", "RAI_PROJECT"])?
    else {
        return Err(error!(
            Usage,
            "{name} is a key without its project: set RELEVANCE_PROJECT to the project's id"
        ));
    };
    if project.contains(':') {
        return Err(error!(Usage, "{project_name} holds a ':'; set it to the project's id alone"));
    }
    token(project_name, &format!("{project}:{key}"))
}

fn region() -> Result<Option<String>, Error> {
    let Some((name, region)) = first(&["RELEVANCE_REGION", "RAI_REGION"])? else {
        return Ok(None);
    };
    let region = region.to_ascii_lowercase();
    if let Some((_, code)) = NAMED_REGIONS.iter().find(|(named, _)| *named == region) {
        return Ok(Some((*code).to_owned()));
    }
    if region.len() > MAX_REGION_LENGTH || !region.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Err(error!(
            Usage,
            "{name} is not a region: set it to us, eu, au or the code on your API-keys page, such as bcbe5a"
        ));
    }
    Ok(Some(region))
}

/// The proxy for `base_url`, as curl chooses it.
///
/// Plain http is for loopback alone: through a proxy the key would leave the machine in the clear.
fn proxy(base_url: &str) -> Result<Option<Proxy>, Error> {
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let Some((name, value)) = first(&names)? else {
        return Ok(None);
    };
    let proxy = parse_proxy(&value).ok_or_else(|| {
        error!(Usage, "{name} cannot be used: set it to http://[USER:PASSWORD@]HOST:PORT (or https://), or unset it")
    })?;
    let exceptions = first(&["no_proxy", "NO_PROXY"])?.map(|(_, list)| list).unwrap_or_default();
    let url: Uri = base_url.parse().map_err(|_| error!(Usage, "the base URL is not a URL"))?;
    let host = url.host().unwrap_or_default();
    let direct = url.scheme_str() == Some("http") || bypasses_proxy(host, &exceptions);
    Ok(Some(proxy).filter(|_| !direct))
}

fn roots() -> Result<RootCerts, Error> {
    let Some((name, path)) = first(&["SSL_CERT_FILE"])? else {
        return Ok(RootCerts::WebPki);
    };
    let pem = fs::read(&path)
        .map_err(|why| error!(Usage, "cannot read the file that {name} names: {why}"))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    let (usable, _) = rustls::RootCertStore::empty()
        .add_parsable_certificates(certificates.iter().map(|certificate| certificate.der().into()));
    if usable == 0 {
        return Err(error!(
            Usage,
            "the file that {name} names holds no certificate; it must be a PEM bundle of CA certificates"
        ));
    }
    Ok(RootCerts::from(certificates))
}

/// A value without the white space around it; `None` if nothing is left.
fn tidy(name: &str, value: OsString) -> Result<Option<String>, Error> {
    let Ok(value) = value.into_string() else {
        return Err(error!(Usage, "{name} is not UTF-8 text; set it again"));
    };
    let value = value.trim();
    if value.chars().any(char::is_control) {
        return Err(error!(
            Usage,
            "{name} holds a line break or another control character; set it again without"
        ));
    }
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// The API's URL, without a slash at the end.
fn parse_base_url(text: &str) -> Result<String, Error> {
    let bad = |why: &str| Err(error!(Usage, "RELEVANCE_BASE_URL {why}"));
    let Ok(url) = text.parse::<Uri>() else {
        return bad("is not a URL; set it to https://HOST[:PORT]/PATH");
    };
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return bad("has no scheme or no host; set it to https://HOST[:PORT]/PATH");
    };
    if !has_sound_port(authority) {
        return bad("has no host or a bad port; set it to https://HOST[:PORT]/PATH");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if authority.as_str().contains('@') || url.query().is_some() || text.contains('#') {
        return bad("has a user, a query or a fragment; leave only https://HOST[:PORT]/PATH");
    }
    match scheme {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return bad("is plain http, which would show the key to the network; use https://");
        }
        _ => return bad("is neither https nor http; set it to https://HOST[:PORT]/PATH"),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether a host is there, with a port that is a number or with none; the parser lets others pass.
fn has_sound_port(authority: &Authority) -> bool {
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
    let mut builder = Proxy::builder(proxy.protocol()).host(proxy.host()).port(default_port);
    if let Some(username) = proxy.username() {
        builder = builder.username(username).password(proxy.password().unwrap_or_default());
    }
    builder.build().ok()
}

/// Whether `NO_PROXY` names the host, by curl's rules: `*` alone, a domain and all below it, an address, or a
/// network in CIDR form, separated by commas or spaces.
fn bypasses_proxy(host: &str, exceptions: &str) -> bool {
    let plain =
        |text: &str| text.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let host = plain(host);
    if exceptions == "*" {
        return true;
    }
    let mut entries = exceptions.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    match host.parse::<IpAddr>() {
        Ok(address) => entries.any(|entry| match entry.split_once('/') {
            Some((network, bits)) => in_network(address, &plain(network), bits),
            None => plain(entry).parse() == Ok(address),
        }),
        Err(_) => entries.any(|entry| {
            let domain = plain(entry.trim_start_matches('.'));
            host.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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
        for (host, exceptions, expected) in [
            ("api.example.com", "example.com", true),
            ("api.example.com", ".example.com", true),
            ("example.com", ".example.com", true),
            ("api.example.com", "API.Example.com.", true),
            ("notexample.com", "example.com", false),
            ("api.example.com", "other.org, example.com", true),
            ("api.example.com", "other.org example.com", true),
            ("api.example.com", "*", true),
            ("api.example.com", "*.example.com", false),
            ("api.example.com", "", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "0.0.1", false),
            ("127.0.0.1", "127.0.0.0/8", true),
            ("127.0.0.1", "10.0.0.0/8", false),
            ("127.0.0.1", "0.0.0.0/0", true),
            ("127.0.0.1", "127.0.0.0/33", false),
            ("[::1]", "::1", true),
            ("[::1]", "[::1]", true),
            ("[fd00::1]", "fd00::/8", true),
            ("[fd00::1]", "127.0.0.0/8", false),
        ] {
            assert_eq!(bypasses_proxy(host, exceptions), expected, "{host} with {exceptions:?}");
        }
    }

    #[test]
    fn base_urls() {
        for (text, accepted) in [
            ("https://api.example.com/latest/", true),
            ("https://api.example.com:8443", true),
            ("http://127.0.0.1:8080/latest", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1/latest", true),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://example.com", false),
            ("http://0x7f.1/", false),
            ("https://user:password@example.com/", false),
            ("https://example.com/?a=b", false),
            ("https://example.com/#a", false),
            ("https://example.com:port/", false),
            ("https://:443/", false),
            ("ftp://example.com/", false),
            ("example.com", false),
            ("/latest", false),
            ("", false),
        ] {
            assert_eq!(parse_base_url(text).is_ok(), accepted, "{text}");
        }
    }

    #[test]
    fn proxies_as_curl_writes_them() {
        for (text, expected) in [
            ("http://proxy.example:3128", Some(("proxy.example", 3128))),
            ("proxy.example:3128", Some(("proxy.example", 3128))),
            ("proxy.example", Some(("proxy.example", 1080))),
            ("http://user:p%40ss@proxy.example", Some(("proxy.example", 1080))),
            ("https://proxy.example", Some(("proxy.example", 443))),
            ("socks5://proxy.example:1080", None),
            ("http://", None),
            ("http://proxy.example:port", None),
            ("http://proxy.example:3128/path", None),
        ] {
            let proxy = parse_proxy(text);
            let parts = proxy.as_ref().map(|proxy| (proxy.host(), proxy.port()));
            assert_eq!(parts, expected, "{text}");
        }
    }
}
