//! Dates and times as they are spoken, as the time at which something happened: "on Monday, the
//! third of June, at two thirty p.m."

use super::clip::{Clip, Gender, Word};
use super::number::{below_hundred, say_number};
use crate::base::{Language, Wall};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// "Today", "yesterday", or the day with its weekday; with the year where that is another than today's.
pub fn say_date(language: Language, date: Date, today: Date) -> Vec<Clip> {
    if date == today {
        return vec![Clip::Word(Word::Today)];
    }
    if date.tomorrow().is_ok_and(|next| next == today) {
        return vec![Clip::Word(Word::Yesterday)];
    }
    let year = date.year() != today.year();
    let mut clips = vec![
        Clip::Weekday(date.weekday().to_monday_one_offset().unsigned_abs()),
        Clip::Day(date.day().unsigned_abs()),
        Clip::Month { month: date.month().unsigned_abs(), year },
    ];
    if year {
        clips.extend(say_year(language, u32::from(date.year().unsigned_abs())));
    }
    clips
}

/// English reads most years in pairs: "twenty twenty-six", but "two thousand and five".
fn say_year(language: Language, year: u32) -> Vec<Clip> {
    let pair = |n: u32| u8::try_from(n).ok().map(Clip::Number);
    match (language, year / 100, year % 100) {
        (Language::English, 11..30, 10..) => [pair(year / 100), pair(year % 100)].into_iter().flatten().collect(),
        (Language::English | Language::German | Language::French | Language::Spanish, _, _) => {
            say_number(language, year, None)
        }
    }
}

/// To the minute; in English with a.m. and p.m., in the others by 24 hours.
pub fn say_time(language: Language, time: Time) -> Vec<Clip> {
    let (hour, minute) = (time.hour().unsigned_abs(), time.minute().unsigned_abs());
    let mut clips = vec![Clip::Hour { hour, past: minute > 0 }];
    match (language, minute) {
        (_, 0) => {}
        (Language::English, 1..10) => clips.extend([Clip::Word(Word::Oh), Clip::Number(minute)]),
        // "Vingt et une": minutes are feminine, and not named.
        (Language::French, _) => clips.push(below_hundred(minute, Some(Gender::Feminine))),
        (Language::English | Language::German | Language::Spanish, _) => clips.push(Clip::Number(minute)),
    }
    if language == Language::English {
        clips.push(Clip::Word(if hour < 12 { Word::Am } else { Word::Pm }));
    }
    clips
}

/// "Received today at two thirty p.m.", by the clocks of `zone`.
pub fn say_received(language: Language, at: Wall, now: Wall, zone: &TimeZone) -> Vec<Clip> {
    let here =
        |wall: Wall| jiff::Timestamp::from_microsecond(wall.unix_micros()).unwrap_or_default().to_zoned(zone.clone());
    let at = here(at);
    let mut clips = vec![Clip::Word(Word::Received)];
    clips.extend(say_date(language, at.date(), here(now).date()));
    clips.extend(say_time(language, at.time()));
    clips
}
