/*! The server's time, as its replies write it: the `Date` header, and the dates of messages. */

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Milliseconds since 1970, by some clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i64);

impl Millis {
    /// This machine's time.
    pub fn now() -> Millis {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// When a moment of this process was, by this machine's clock of now.
    pub fn at(moment: Instant) -> Millis {
        let elapsed = moment.elapsed().as_millis() as i64;
        Millis(Millis::now().0 - elapsed)
    }

    /// This time of this machine's clock by the server's clock, whose reply has just said `date`.
    /// Without a date the clocks are taken to agree. `Date` drops the fraction of a second, so this
    /// is the earliest that it can be.
    pub fn earliest_on_server(self, date: Option<Millis>) -> Millis {
        let ahead = date.map_or(0, |Millis(theirs)| theirs - Millis::now().0);
        Millis(self.0.saturating_add(ahead))
    }

    /// The same at the latest, where the reply took so long.
    pub fn latest_on_server(self, date: Option<Millis>, took: Duration) -> Millis {
        let Millis(earliest) = self.earliest_on_server(date);
        Millis(earliest.saturating_add(1000 + took.as_millis() as i64))
    }

    /// `Thu, 26 Nov 2026 13:26:00 GMT`, as the header `Date` has it.
    pub fn from_http(text: &str) -> Option<Millis> {
        let mut words = text.split_once(", ")?.1.split(' ');
        let day = words.next()?.parse().ok()?;
        let month = words.next()?;
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        let year = words.next()?.parse().ok()?;
        let seconds = seconds_of_day(words.next()?)?;
        Millis::of(year, i64::try_from(month).ok()?, day, seconds)
    }

    /// `2026-11-26T13:26:00.123Z`, as the API dates messages.
    pub fn from_iso(text: &str) -> Option<Millis> {
        let (date, time) = text.split_once('T')?;
        let mut numbers = date.splitn(3, '-');
        let year = numbers.next()?.parse().ok()?;
        let month = numbers.next()?.parse().ok()?;
        let day = numbers.next()?.parse().ok()?;
        let time = time
            .strip_suffix('Z')
            .or_else(|| time.strip_suffix("+00:00"))?;
        let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let Millis(whole) = Millis::of(year, month, day, seconds_of_day(whole)?)?;
        let fraction: f64 = format!("0.{fraction}").parse().ok()?;
        Some(Millis(whole + (fraction * 1000.0) as i64))
    }

    fn of(year: i64, month: i64, day: i64, seconds: i64) -> Option<Millis> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day)
        {
            return None;
        }
        Some(Millis((days(year, month, day) * 86_400 + seconds) * 1000))
    }
}

/// `13:26:00` in seconds.
fn seconds_of_day(text: &str) -> Option<i64> {
    let mut numbers = text.splitn(3, ':');
    let hours: u8 = numbers.next()?.parse().ok()?;
    let minutes: u8 = numbers.next()?.parse().ok()?;
    let seconds: u8 = numbers.next()?.parse().ok()?;
    Some(i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds))
}

/// Days since 1970 of a date in the Gregorian calendar, counted in years that begin in March, so
/// that the leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_one_time() {
        for (http, iso, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z", 0),
            (
                "Tue, 29 Feb 2028 23:59:59 GMT",
                "2028-02-29T23:59:59.000Z",
                1_835_481_599,
            ),
            (
                "Thu, 26 Nov 2026 13:26:00 GMT",
                "2026-11-26T13:26:00+00:00",
                1_795_699_560,
            ),
        ] {
            assert_eq!(
                Millis::from_http(http),
                Some(Millis(seconds * 1000)),
                "{http}"
            );
            assert_eq!(Millis::from_iso(iso), Some(Millis(seconds * 1000)), "{iso}");
        }
        assert_eq!(
            Millis::from_iso("1970-01-01T00:00:00.25Z"),
            Some(Millis(250))
        );
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00Z",
            "-1-1-1T0:0:0Z",
        ] {
            assert_eq!(Millis::from_iso(text), None, "{text}");
            assert_eq!(Millis::from_http(text), None, "{text}");
        }
    }
}
