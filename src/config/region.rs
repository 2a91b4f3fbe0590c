/*! Region codes, and what people write for them. */

use crate::error::Error;

/// The regions that have a name, and their codes.
const NAMED: [(&str, &str); 3] = [("us", "bcbe5a"), ("eu", "d7b62b"), ("au", "f1db6c")];
/// What people write for a name, by its beginning. There is no host for any of these.
const NICKNAMES: [(&str, &[&str]); 3] = [
    (
        "us",
        &[
            "usa", "us-", "us_", "useast", "uswest", "united", "america", "north",
        ],
    ),
    (
        "eu",
        &[
            "eur",
            "eu-",
            "eu_",
            "euwest",
            "eucentral",
            "emea",
            "uk",
            "gb",
            "german",
            "irel",
        ],
    ),
    (
        "au",
        &["aus", "au-", "au_", "ap-", "ap_", "apac", "asia", "sydney"],
    ),
];
/// Codes have six characters; this is far beyond any that is known.
const MAX_LENGTH: usize = 32;

/// The code of a region. `name` is the variable that it came from.
pub fn parse(name: &str, text: &str) -> Result<String, Error> {
    let region = text.to_ascii_lowercase();
    if let Some((_, code)) = NAMED.iter().find(|(named, _)| *named == region) {
        return Ok((*code).to_owned());
    }
    let what = format!("{name} is not a region");
    if let Some(meant) = nickname(&region) {
        return Err(Error::usage(what).next(format!("set it to {meant}")));
    }
    let is_code = region.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_code || region.len() > MAX_LENGTH {
        return Err(Error::usage(what).next(
            "set it to us, eu, au or the region code from the Integrations & API Keys page, such \
             as bcbe5a",
        ));
    }
    Ok(region)
}

fn nickname(region: &str) -> Option<&'static str> {
    let matches = |beginnings: &[&str]| beginnings.iter().any(|it| region.starts_with(it));
    NICKNAMES
        .iter()
        .find(|(_, beginnings)| matches(beginnings))
        .map(|(meant, _)| *meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_codes_and_nicknames() {
        for (text, code) in [
            ("us", "bcbe5a"),
            ("EU", "d7b62b"),
            ("au", "f1db6c"),
            ("1e3042", "1e3042"),
        ] {
            assert_eq!(parse("X", text).unwrap(), code);
        }
        for (text, meant) in [
            ("usa", "us"),
            ("US-East-1", "us"),
            ("europe", "eu"),
            ("eu-west-1", "eu"),
            ("australia", "au"),
            ("ap-southeast-2", "au"),
        ] {
            let error = parse("X", text).unwrap_err();
            assert_eq!(
                error.message(),
                format!("X is not a region; set it to {meant}")
            );
        }
        for text in ["b c", "../x", "a.b", &"a".repeat(33)] {
            assert!(parse("X", text).is_err(), "{text}");
        }
    }
}
