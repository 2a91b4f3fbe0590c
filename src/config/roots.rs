/*! The CAs that are trusted: those of a bundle in PEM (RFC 7468), or Mozilla's.

rustls reads PEM as well, byte by byte. For a system's bundle of 144 CAs that takes longer than all
the rest of a run. Line by line, with `base64` to decode them, it takes half of that.
*/

use super::env::{OnRead, file};
use crate::error::Error;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::borrow::Cow;

const CA_FILE: &str = "SSL_CERT_FILE";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// As lenient as other readers of PEM.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The CAs in the file that `SSL_CERT_FILE` points to, or those of Mozilla.
pub fn roots(on_read: OnRead) -> Result<RootCertStore, Error> {
    let Some(pem) = file(CA_FILE, on_read)? else {
        return Ok(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
    };
    // Comments may be in any encoding.
    let pem = String::from_utf8(pem)
        .unwrap_or_else(|why| String::from_utf8_lossy(why.as_bytes()).into_owned());
    let roots = parse(&pem).map_err(|Damaged { number }| {
        Error::usage(format!(
            "certificate {number} in the file in {CA_FILE} is damaged"
        ))
        .next("copy the PEM bundle of CA certificates again")
    })?;
    if roots.is_empty() {
        return Err(
            Error::usage(format!("the file in {CA_FILE} contains no certificate"))
                .next("it must be a PEM bundle of CA certificates"),
        );
    }
    Ok(roots)
}

/// The certificate with this number, counted from 1, is damaged.
#[derive(Debug, PartialEq)]
struct Damaged {
    number: usize,
}

/// The certificates of a bundle. Whatever stands between them is passed over.
fn parse(pem: &str) -> Result<RootCertStore, Damaged> {
    // Some editors begin a file with a byte order mark, and some end lines with CR.
    let pem = pem.trim_start_matches('\u{feff}');
    let pem = match pem.contains('\r') {
        true => Cow::Owned(pem.replace('\r', "\n")),
        false => Cow::Borrowed(pem),
    };
    let mut roots = RootCertStore::empty();
    // Used again for each certificate: with musl, memory of its own for each costs more than the
    // decoding.
    let mut base64 = String::new();
    let mut der = Vec::new();
    let mut is_inside = false;
    for line in pem.split('\n').map(str::trim_ascii_end) {
        if !is_inside {
            is_inside = line == BEGIN;
        } else if line == END {
            is_inside = false;
            add(&mut roots, &mut base64, &mut der)?;
            base64.clear();
        } else {
            base64.push_str(line);
        }
    }
    match is_inside {
        true => Err(damaged(&roots)),
        false => Ok(roots),
    }
}

/// Adds one certificate. `der` is where it is decoded.
fn add(roots: &mut RootCertStore, base64: &mut String, der: &mut Vec<u8>) -> Result<(), Damaged> {
    der.clear();
    if BASE64.decode_vec(base64.as_bytes(), der).is_err() {
        // White space within a line is rare, and looked for only now.
        base64.retain(|c| !c.is_ascii_whitespace());
        der.clear();
        BASE64
            .decode_vec(base64.as_bytes(), der)
            .map_err(|_| damaged(roots))?;
    }
    roots
        .add(CertificateDer::from(der.as_slice()))
        .map_err(|_| damaged(roots))
}

/// The certificate after these is damaged.
fn damaged(roots: &RootCertStore) -> Damaged {
    Damaged {
        number: roots.len() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fake::tls::Authority;

    #[test]
    fn bundles_as_people_have_them() {
        let one = Authority::generate().pem;
        let count = |pem: &str| parse(pem).map(|roots| roots.len());
        for (pem, expected) in [
            (one.clone(), Ok(1)),
            (one.trim_end().to_owned(), Ok(1)),
            (one.replace('\n', "\r\n"), Ok(1)),
            (one.replace('\n', "\r"), Ok(1)),
            (one.replace('\n', " \n"), Ok(1)),
            (format!("\u{feff}{one}"), Ok(1)),
            (format!("{} {}", &one[..50], &one[50..]), Ok(1)),
            (one.replace("=\n", "\n").replace("=\n", "\n"), Ok(1)),
            (format!("# A name\n{one}\nAnother:\n{one}"), Ok(2)),
            (one.replace("-----BEGIN", "# -----BEGIN"), Ok(0)),
            (one.replace('\n', "\n "), Err(Damaged { number: 1 })),
            (format!(" {}", one.replace('\n', "\n ")), Ok(0)),
            (one.replace("CERTIFICATE", "PRIVATE KEY") + &one, Ok(1)),
            (String::new(), Ok(0)),
            // Files that were joined without the newline between them.
            (one.trim_end().to_owned() + &one, Err(Damaged { number: 1 })),
            (one[..200].to_owned() + &one, Err(Damaged { number: 1 })),
            (one.clone() + &one[..200], Err(Damaged { number: 2 })),
        ] {
            assert_eq!(count(&pem), expected, "{pem}");
        }
    }
}
