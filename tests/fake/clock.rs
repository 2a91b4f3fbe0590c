/*! The server's clock: HTTP's form of a date, and the API's. */

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC, as a calendar has it.
struct Moment {
    year: u64,
    month: usize,
    day: u64,
    /// Sunday is 0.
    weekday: usize,
    second_of_day: u64,
    milliseconds: u32,
}

impl Moment {
    fn of(time: SystemTime) -> Moment {
        let since = time.duration_since(UNIX_EPOCH).expect("a time after 1970");
        let days = since.as_secs() / 86_400;
        // Counted from 1 March of the year 0, so that a leap day is the last of its year.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let leaps = day_of_era / 1_460 + day_of_era / 146_096;
        let year_of_era = (day_of_era + day_of_era / 36_524 - leaps) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let is_after_december = month_from_march >= 10;
        Moment {
            year: era * 400 + year_of_era + u64::from(is_after_december),
            month: ((month_from_march + 2) % 12) as usize,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: ((days + 4) % 7) as usize,
            second_of_day: since.as_secs() % 86_400,
            milliseconds: since.subsec_millis(),
        }
    }

    fn time_of_day(&self) -> String {
        let seconds = self.second_of_day;
        format!(
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

/// As in the header `Date`.
pub fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let it = Moment::of(time);
    let (weekday, month) = (DAYS[it.weekday], MONTHS[it.month]);
    format!(
        "{weekday}, {:02} {month} {} {} GMT",
        it.day,
        it.year,
        it.time_of_day()
    )
}

/// As the API writes a date.
pub fn iso_date(time: SystemTime) -> String {
    let it = Moment::of(time);
    let (month, milliseconds) = (it.month + 1, it.milliseconds);
    format!(
        "{}-{month:02}-{:02}T{}.{milliseconds:03}Z",
        it.year,
        it.day,
        it.time_of_day()
    )
}

/// `time` by a clock that is `seconds` ahead, or behind if they are negative.
pub fn moved(time: SystemTime, seconds: i64) -> SystemTime {
    let offset = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        time - offset
    } else {
        time + offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, http, iso) in [
            (
                0,
                "Thu, 01 Jan 1970 00:00:00 GMT",
                "1970-01-01T00:00:00.007Z",
            ),
            (
                951_782_399,
                "Mon, 28 Feb 2000 23:59:59 GMT",
                "2000-02-28T23:59:59.007Z",
            ),
            (
                951_868_799,
                "Tue, 29 Feb 2000 23:59:59 GMT",
                "2000-02-29T23:59:59.007Z",
            ),
            (
                951_868_800,
                "Wed, 01 Mar 2000 00:00:00 GMT",
                "2000-03-01T00:00:00.007Z",
            ),
            (
                1_788_019_445,
                "Sat, 29 Aug 2026 16:04:05 GMT",
                "2026-08-29T16:04:05.007Z",
            ),
            (
                1_798_761_599,
                "Thu, 31 Dec 2026 23:59:59 GMT",
                "2026-12-31T23:59:59.007Z",
            ),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(7);
            assert_eq!(
                (http_date(time).as_str(), iso_date(time).as_str()),
                (http, iso)
            );
            assert_eq!(moved(moved(time, -5), 5), time);
        }
    }
}
