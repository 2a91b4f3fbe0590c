/*! The URL that all requests to the API begin with, or that a file is uploaded to. */

use std::fmt;
use std::net::IpAddr;
use ureq::http::Uri;
use ureq::http::uri::Authority;

/// A URL that may be sent a request: https, or http to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeUrl {
    /// Without a slash at the end.
    text: String,
    host: String,
    /// The host as it stands in the URL, with the port if one is given.
    authority: String,
    is_https: bool,
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlProblem {
    NotAUrl,
    BadHostOrPort,
    HasUser,
    HasQueryOrFragment,
    /// http, to another machine than this.
    Unencrypted,
    OtherScheme,
}

impl SafeUrl {
    /// A URL that paths are added to: it has no query and no fragment.
    pub fn parse_base(text: &str) -> Result<SafeUrl, UrlProblem> {
        let url = SafeUrl::parse(text)?;
        if text.contains(['?', '#']) {
            return Err(UrlProblem::HasQueryOrFragment);
        }
        Ok(url)
    }

    pub fn parse(text: &str) -> Result<SafeUrl, UrlProblem> {
        let uri: Uri = text.parse().map_err(|_| UrlProblem::NotAUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UrlProblem::NotAUrl);
        };
        if authority.as_str().contains('@') {
            return Err(UrlProblem::HasUser);
        }
        if !has_sound_port(authority) {
            return Err(UrlProblem::BadHostOrPort);
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let is_https = match scheme {
            "https" => true,
            // Where the name leads to is checked again when a connection is made.
            "http" if is_loopback(&host) => false,
            "http" => return Err(UrlProblem::Unencrypted),
            _ => return Err(UrlProblem::OtherScheme),
        };
        Ok(SafeUrl {
            text: text.trim_end_matches('/').to_owned(),
            host,
            authority: authority.to_string(),
            is_https,
        })
    }

    /// The host, without port and brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, and the port if one is given.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn is_https(&self) -> bool {
        self.is_https
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_loopback(host: &str) -> bool {
    let is_address = host
        .parse()
        .is_ok_and(|address: IpAddr| address.is_loopback());
    is_address || host.eq_ignore_ascii_case("localhost")
}

/// Whether there is a host, with a port that is a number or with none; the parser lets others pass.
pub fn has_sound_port(authority: &Authority) -> bool {
    let host = authority.host();
    let has_port = authority.port_u16().is_some();
    !host.is_empty() && (has_port || authority.as_str().ends_with(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sent_a_request() {
        for text in [
            "https://api.example.com/latest/",
            "https://api.example.com:8443",
            "http://127.0.0.1:8080/latest",
            "http://[::1]:8080",
            "http://localhost:1/latest",
        ] {
            assert!(SafeUrl::parse_base(text).is_ok(), "{text}");
        }
        for (text, problem) in [
            ("http://127.0.0.1.example.com/", UrlProblem::Unencrypted),
            ("http://localhost.example.com/", UrlProblem::Unencrypted),
            ("http://10.0.0.1/", UrlProblem::Unencrypted),
            ("http://0x7f.1/", UrlProblem::Unencrypted),
            ("https://user:password@example.com/", UrlProblem::HasUser),
            ("https://example.com/?a=b", UrlProblem::HasQueryOrFragment),
            ("https://example.com/#a", UrlProblem::HasQueryOrFragment),
            ("https://example.com:port/", UrlProblem::BadHostOrPort),
            ("https://:443/", UrlProblem::BadHostOrPort),
            ("ftp://example.com/", UrlProblem::OtherScheme),
            ("file:///etc/passwd", UrlProblem::NotAUrl),
            ("example.com", UrlProblem::NotAUrl),
            ("/latest", UrlProblem::NotAUrl),
        ] {
            assert_eq!(SafeUrl::parse_base(text), Err(problem), "{text}");
        }
        assert!(SafeUrl::parse("https://bucket.example.com/a?signature=b").is_ok());
    }
}
