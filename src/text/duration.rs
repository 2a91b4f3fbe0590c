/*! A DUR: `90`, `1.5s`, `500ms`, `30m`, `1h30m`. */

use std::time::Duration;

/// Each unit, and how many milliseconds it has.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A number with an optional fraction and an optional unit, seconds without; or several with a
/// unit.
pub fn parse(text: &str) -> Option<Duration> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = text;
    let mut total = Duration::ZERO;
    loop {
        let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(is_digit).unwrap_or(after.len()));
        let ms = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, ms)) => *ms,
            None if unit.is_empty() && rest == text => 1000,
            None => return None,
        };
        let number: f64 = number.parse().ok()?;
        let duration = Duration::try_from_secs_f64(number * ms as f64 / 1000.0).ok()?;
        // What is not zero must not be rounded to zero, which means no limit.
        let least = Duration::from_nanos(u64::from(number > 0.0));
        total = total.checked_add(duration.max(least))?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

/// A duration as it is typed, to the millisecond: `1h30m`, `1.5s`.
pub fn format(duration: Duration) -> String {
    let mut ms = duration.as_millis() as u64;
    let mut text = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000)] {
        if ms >= size {
            text.push_str(&format!("{}{unit}", ms / size));
            ms %= size;
        }
    }
    match ms {
        0 if !text.is_empty() => {}
        1..1000 => text.push_str(&format!("{ms}ms")),
        _ => text.push_str(&format!("{}s", ms as f64 / 1000.0)),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (text, ms, shown) in [
            ("90", 90_000, "1m30s"),
            ("1.5s", 1500, "1.5s"),
            ("500ms", 500, "500ms"),
            ("30m", 1_800_000, "30m"),
            ("2h", 7_200_000, "2h"),
            ("1h30m", 5_400_000, "1h30m"),
            ("0", 0, "0s"),
            ("1m1.5s1ms", 61_501, "1m1.501s"),
            (".5", 500, "500ms"),
        ] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(text), Some(duration), "{text}");
            assert_eq!(format(duration), shown, "{text}");
            assert_eq!(parse(shown), Some(duration), "{shown}");
        }
        assert!(parse("0.0000000001").unwrap() > Duration::ZERO);
    }

    #[test]
    fn what_is_not_a_duration() {
        for text in [
            "1h30",
            "",
            "s",
            "-1",
            "1e3",
            "1.2.3",
            "inf",
            "NaN",
            "5 m",
            "5d",
            "5M",
            "99999999999999999999999h",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
