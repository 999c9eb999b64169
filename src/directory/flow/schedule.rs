//! Opening hours: a time zone, hours of weekdays, and days on which nobody is there.

use crate::base::Wall;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;

/// When somebody is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub time_zone: Zone,
    /// Open in any of these. None: never open.
    pub hours: Vec<Hours>,
    /// Closed all day, whatever the hours say.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
}

impl Schedule {
    /// Whether somebody is there at `at`.
    pub fn is_open(&self, at: Wall) -> bool {
        let Some(zone) = self.time_zone.zone() else { return false };
        let Ok(instant) = jiff::Timestamp::from_microsecond(at.unix_micros()) else { return false };
        let local = instant.to_zoned(zone);
        if self.is_holiday(local.date()) {
            return false;
        }
        let minute = 60 * minutes(local.hour()) + minutes(local.minute());
        let (today, yesterday) = (local.weekday(), local.weekday().previous());
        self.hours.iter().any(|hours| hours.hold(today, yesterday, minute))
    }

    fn is_holiday(&self, date: Date) -> bool {
        self.holidays.iter().any(|holiday| holiday.is_on(date))
    }

    /// What day and time it is there, and whether somebody is, for people.
    pub fn said(&self, at: Wall) -> String {
        let instant = jiff::Timestamp::from_microsecond(at.unix_micros()).unwrap_or_default();
        let local = instant.to_zoned(self.time_zone.time_zone());
        let there = format!(
            "{} {} ({})",
            // As the hours call it.
            local.strftime("%a").to_string().to_lowercase(),
            local.strftime("%Y-%m-%d %H:%M"),
            self.time_zone
        );
        let hours = self.hours.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (self.is_open(at), self.is_holiday(local.date())) {
            (true, _) => format!("{there} is in the opening hours ({hours})"),
            (false, true) => format!("{there} is on a holiday"),
            (false, false) => format!("{there} is outside the opening hours ({hours})"),
        }
    }
}

/// What cannot stand in a schedule, and what can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    #[error("`{0}` is not a time zone: write its IANA name, e.g. \"Europe/Berlin\" or \"America/New_York\"")]
    Zone(String),
    #[error("`{0}` are no hours: write e.g. \"mon-fri 09:00-17:30\", \"sat,sun 10:00-12:00\" or \"daily 22:00-06:00\"")]
    Hours(String),
    #[error("`{0}` is not a holiday: write \"2026-12-24\", or \"12-25\" for every year")]
    Holiday(String),
}

/// An IANA time zone, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(String);

impl Default for Zone {
    fn default() -> Self {
        Zone("UTC".to_owned())
    }
}

impl Zone {
    fn zone(&self) -> Option<TimeZone> {
        TimeZone::get(&self.0).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its rules; those of UTC where this machine does not know the zone.
    pub fn time_zone(&self) -> TimeZone {
        self.zone().unwrap_or(TimeZone::UTC)
    }

    /// The day on which `at` is here.
    pub fn day_of(&self, at: Wall) -> Date {
        let zone = self.zone().unwrap_or(TimeZone::UTC);
        jiff::Timestamp::from_microsecond(at.unix_micros()).unwrap_or_default().to_zoned(zone).date()
    }

    /// When that day begins here: mostly at midnight, and later where clocks skip it.
    pub fn beginning_of(&self, day: Date) -> Option<Wall> {
        let begins = day.to_zoned(self.zone().unwrap_or(TimeZone::UTC)).ok()?;
        Some(Wall::from_unix_micros(begins.timestamp().as_microsecond()))
    }

    /// Stretches of time in which clocks here do not change, in order: where each begins, and how many
    /// µs clocks are ahead of UTC in it. The last one ends at `until`.
    pub fn offsets(&self, from: Wall, until: Wall) -> Vec<(Wall, i64)> {
        let zone = self.zone().unwrap_or(TimeZone::UTC);
        let at = |wall: Wall| jiff::Timestamp::from_microsecond(wall.unix_micros()).unwrap_or_default();
        let micros = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000_000;
        let mut stretches = vec![(from, micros(zone.to_offset(at(from))))];
        for change in zone.following(at(from)).take_while(|change| change.timestamp() < at(until)) {
            let offset = micros(change.offset());
            // A change of the name alone is none.
            if stretches.last().is_none_or(|(_, last)| *last != offset) {
                stretches.push((Wall::from_unix_micros(change.timestamp().as_microsecond()), offset));
            }
        }
        stretches
    }
}

impl TryFrom<String> for Zone {
    type Error = BadSchedule;
    fn try_from(text: String) -> Result<Self, BadSchedule> {
        match TimeZone::get(&text) {
            Ok(_) => Ok(Zone(text)),
            Err(_) => Err(BadSchedule::Zone(text)),
        }
    }
}

/// Hours of some weekdays. Those that end before they begin go on into the next day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    text: String,
    /// Monday first.
    days: [bool; 7],
    /// In minutes after midnight; the end is not in it.
    from: u16,
    to: u16,
}

impl Hours {
    fn on(&self, day: Weekday) -> bool {
        usize::try_from(day.to_monday_zero_offset()).ok().and_then(|at| self.days.get(at)).copied().unwrap_or(false)
    }

    fn hold(&self, today: Weekday, yesterday: Weekday, minute: u16) -> bool {
        match self.from < self.to {
            true => self.on(today) && (self.from..self.to).contains(&minute),
            false => (self.on(today) && minute >= self.from) || (self.on(yesterday) && minute < self.to),
        }
    }
}

impl TryFrom<String> for Hours {
    type Error = BadSchedule;
    fn try_from(text: String) -> Result<Self, BadSchedule> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let read = match parts.as_slice() {
            [days, times] => days_of(days).zip(times.split_once('-')).and_then(|(days, (from, to))| {
                let (from, to) = (minute_of(from)?, minute_of(to)?);
                (from < 24 * 60 && from != to).then_some((days, from, to))
            }),
            [] | [_] | [_, _, ..] => None,
        };
        match read {
            Some((days, from, to)) => Ok(Hours { days, from, to, text }),
            None => Err(BadSchedule::Hours(text)),
        }
    }
}

fn days_of(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    if text == "daily" {
        return Some([true; 7]);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day_of(first)?, day_of(last)?);
        // `fri-mon` goes over the end of the week.
        let count = (last + 7 - first) % 7 + 1;
        for day in first..first + count {
            *days.get_mut(day % 7)? = true;
        }
    }
    Some(days)
}

fn day_of(text: &str) -> Option<usize> {
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].into_iter().position(|day| day == text)
}

/// `09:00` to `24:00`, in minutes after midnight.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= 24 * 60).then_some(total)
}

fn minutes(value: i8) -> u16 {
    u16::try_from(value).unwrap_or(0)
}

/// A day on which nobody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Holiday {
    Once(Date),
    /// Month and day of every year.
    Yearly(i8, i8),
}

impl Holiday {
    fn is_on(self, date: Date) -> bool {
        match self {
            Holiday::Once(day) => day == date,
            Holiday::Yearly(month, day) => (date.month(), date.day()) == (month, day),
        }
    }
}

impl TryFrom<String> for Holiday {
    type Error = BadSchedule;
    fn try_from(text: String) -> Result<Self, BadSchedule> {
        if let Some(date) = (text.len() == 10).then(|| text.parse::<Date>().ok()).flatten() {
            return Ok(Holiday::Once(date));
        }
        // 2024 has a 29 February.
        let yearly = (text.len() == 5).then(|| format!("2024-{text}").parse::<Date>().ok()).flatten();
        yearly.map(|date| Holiday::Yearly(date.month(), date.day())).ok_or(BadSchedule::Holiday(text))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holiday::Once(date) => write!(f, "{date}"),
            Holiday::Yearly(month, day) => write!(f, "{month:02}-{day:02}"),
        }
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.text
    }
}

impl From<Holiday> for String {
    fn from(holiday: Holiday) -> Self {
        holiday.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(zone: &str, hours: &[&str], holidays: &[&str]) -> Schedule {
        Schedule {
            time_zone: Zone::try_from(zone.to_owned()).unwrap(),
            hours: hours.iter().map(|text| Hours::try_from((*text).to_owned()).unwrap()).collect(),
            holidays: holidays.iter().map(|text| Holiday::try_from((*text).to_owned()).unwrap()).collect(),
        }
    }

    fn at(utc: &str) -> Wall {
        Wall::from_unix_micros(utc.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    #[test]
    fn hours_hold_in_the_schedules_own_time_zone_through_summer_time() {
        let office = schedule("Europe/Berlin", &["mon-fri 09:00-17:00", "sat 10:00-12:00"], &["12-25", "2026-06-05"]);
        let rows = [
            ("2026-01-12T07:59:59Z", false, "a minute before nine in winter"),
            ("2026-01-12T08:00:00Z", true, "nine in winter"),
            ("2026-07-13T06:59:00Z", false, "a minute before nine in summer"),
            ("2026-07-13T07:00:00Z", true, "nine in summer"),
            ("2026-07-13T14:59:59Z", true, "before five"),
            ("2026-07-13T15:00:00Z", false, "five: the end is not in it"),
            ("2026-07-18T08:30:00Z", true, "saturday at half past ten"),
            ("2026-07-19T08:30:00Z", false, "sunday"),
            ("2026-12-25T10:00:00Z", false, "a holiday of every year"),
            ("2026-06-05T10:00:00Z", false, "a holiday of that year"),
            ("2025-06-05T10:00:00Z", true, "the same day of another year"),
        ];
        for (utc, open, why) in rows {
            assert_eq!(office.is_open(at(utc)), open, "{why}");
        }
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
        let night = schedule("UTC", &["fri 22:00-06:00"], &[]);
        for (utc, open) in [
            ("2026-07-17T21:59:00Z", false),
            ("2026-07-17T22:00:00Z", true),
            ("2026-07-18T05:59:00Z", true),
            ("2026-07-18T06:00:00Z", false),
            ("2026-07-17T03:00:00Z", false),
        ] {
            assert_eq!(night.is_open(at(utc)), open, "{utc}");
        }
        assert!(schedule("UTC", &["daily 00:00-24:00"], &[]).is_open(at("2026-07-18T23:59:59Z")));
        assert!(schedule("UTC", &["sat-mon 00:00-24:00"], &[]).is_open(at("2026-07-19T12:00:00Z")));
    }

    #[test]
    fn what_is_no_schedule_is_named() {
        for zone in ["Berlin", "", "Europe/Nowhere"] {
            assert_eq!(Zone::try_from(zone.to_owned()), Err(BadSchedule::Zone(zone.to_owned())));
        }
        for hours in
            ["mon", "mon 9:00-17:00", "mon 09:00-25:00", "mon 09:00-09:00", "day 09:00-10:00", "mon 24:00-01:00"]
        {
            assert_eq!(Hours::try_from(hours.to_owned()), Err(BadSchedule::Hours(hours.to_owned())));
        }
        for holiday in ["2026-13-01", "02-30", "25.12.", "1-1"] {
            assert_eq!(Holiday::try_from(holiday.to_owned()), Err(BadSchedule::Holiday(holiday.to_owned())));
        }
    }
}
