//! Days of the company, and times as people read them.

use super::words::Language;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// The moment at which a day (`2026-11-27`), or the one so many days later, begins in a zone; `None` where it is none.
pub fn as_moment(day: &str, zone: &str, later: i64) -> Option<String> {
    let date: Date = day.parse().ok().filter(|_| day.len() == 10)?;
    let date = date.checked_add(later.days()).ok()?;
    Some(date.to_zoned(TimeZone::get(zone).ok()?).ok()?.timestamp().to_string())
}

/// A time (RFC 3339) in a zone.
pub fn local(at: &str, zone: &str) -> Option<Zoned> {
    let at: Timestamp = at.parse().ok()?;
    Some(at.to_zoned(TimeZone::get(zone).unwrap_or(TimeZone::UTC)))
}

/// The date, as it is written there.
pub fn date(at: &Zoned, language: Language) -> String {
    let (day, month, year) = (at.day(), at.month(), at.year());
    let name = language.month(month);
    match language {
        Language::English => format!("{day} {name} {year}"),
        Language::German => format!("{day}. {name} {year}"),
        Language::French => format!("{day}{} {name} {year}", if day == 1 { "er" } else { "" }),
        Language::Spanish => format!("{day} de {name} de {year}"),
    }
}

/// Hours and minutes.
pub fn clock(at: &Zoned) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// With seconds.
pub fn time(at: &Zoned) -> String {
    format!("{}:{:02}", clock(at), at.second())
}

/// A length of audio or of a call: `0:07`, `12:34`, `1:02:03`.
pub fn length(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_company_is() {
        assert_eq!(as_moment("2026-11-27", "America/New_York", 0).as_deref(), Some("2026-11-27T05:00:00Z"));
        assert_eq!(as_moment("2026-12-31", "UTC", 1).as_deref(), Some("2027-01-01T00:00:00Z"));
        for none in ["", "2026-13-01", "27.11.2026", "2026-11-27T00:00:00Z"] {
            assert_eq!(as_moment(none, "UTC", 0), None, "{none}");
        }
        assert_eq!(as_moment("2026-11-27", "Nowhere/None", 0), None);
    }

    #[test]
    fn lengths_and_dates_are_as_people_write_them() {
        for (ms, text) in [(0, "0:00"), (7_900, "0:07"), (754_000, "12:34"), (3_723_000, "1:02:03")] {
            assert_eq!(length(ms), text);
        }
        let at = local("2026-03-01T23:30:00Z", "Europe/Berlin").unwrap();
        assert_eq!((date(&at, Language::German), clock(&at)), ("2. März 2026".to_owned(), "00:30".to_owned()));
        let first = local("2026-11-01T12:00:00Z", "UTC").unwrap();
        assert_eq!(date(&first, Language::French), "1er novembre 2026");
        assert_eq!(date(&first, Language::Spanish), "1 de noviembre de 2026");
    }
}
