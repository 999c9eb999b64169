//! What is said, as words: each clip stands for the text that it was made from (`make/spoken`).

use super::*;
use crate::base::{Language, Span, Wall};
use jiff::civil::{Date, Time, date, time};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::HashMap;

use Language::{English, French, German, Spanish};

fn words(language: Language, clips: &[Clip]) -> String {
    let spoken: HashMap<_, _> = spoken(language).collect();
    clips.iter().map(|clip| spoken[clip.to_string().as_str()]).collect::<Vec<_>>().join(" ")
}

const M: Option<Gender> = Some(Gender::Masculine);
const F: Option<Gender> = Some(Gender::Feminine);

#[test]
fn numbers_are_said_as_each_language_says_them() {
    let rows: &[(Language, u32, Option<Gender>, &str)] = &[
        (English, 0, None, "zero"),
        (English, 21, None, "twenty-one"),
        (English, 100, None, "a hundred"),
        (English, 101, None, "a hundred and one"),
        (English, 111, None, "a hundred and eleven"),
        (English, 200, None, "two hundred"),
        (English, 342, None, "three hundred and forty-two"),
        (English, 1_000, None, "a thousand"),
        (English, 1_001, None, "a thousand and one"),
        (English, 1_100, None, "one thousand one hundred"),
        (English, 2_018, None, "two thousand and eighteen"),
        (English, 100_000, None, "a hundred thousand"),
        (English, 121_121, None, "a hundred and twenty-one thousand one hundred and twenty-one"),
        (English, 999_999, None, "nine hundred and ninety-nine thousand nine hundred and ninety-nine"),
        (English, 1_000_000, None, "one zero zero zero zero zero zero"),
        (German, 1, None, "eins"),
        (German, 1, M, "ein"),
        (German, 1, F, "eine"),
        (German, 16, None, "sechzehn"),
        (German, 17, None, "siebzehn"),
        (German, 21, F, "einundzwanzig"),
        (German, 30, None, "dreißig"),
        (German, 101, F, "einhundert eins"),
        (German, 176, None, "einhundert sechsundsiebzig"),
        (German, 1_000, None, "eintausend"),
        (German, 1_001, None, "eintausend eins"),
        (German, 1_100, None, "eintausend einhundert"),
        (German, 21_031, None, "einundzwanzig tausend einunddreißig"),
        (German, 101_000, None, "einhundert ein tausend"),
        (German, 654_321, None, "sechshundert vierundfünfzig tausend dreihundert einundzwanzig"),
        (French, 1, F, "une"),
        (French, 21, M, "vingt et un"),
        (French, 61, F, "soixante et une"),
        (French, 70, None, "soixante-dix"),
        (French, 71, F, "soixante et onze"),
        (French, 77, None, "soixante-dix-sept"),
        (French, 80, None, "quatre-vingts"),
        (French, 81, None, "quatre-vingt-un"),
        (French, 81, F, "quatre-vingt-une"),
        (French, 91, F, "quatre-vingt-onze"),
        (French, 99, None, "quatre-vingt-dix-neuf"),
        (French, 100, None, "cent"),
        (French, 101, F, "cent une"),
        (French, 200, None, "deux cents"),
        (French, 201, None, "deux cent un"),
        (French, 1_000, None, "mille"),
        (French, 1_980, None, "mille neuf cent quatre-vingts"),
        (French, 21_021, F, "vingt et un mille vingt et une"),
        (Spanish, 1, None, "uno"),
        (Spanish, 1, M, "un"),
        (Spanish, 1, F, "una"),
        (Spanish, 16, None, "dieciséis"),
        (Spanish, 21, None, "veintiuno"),
        (Spanish, 21, M, "veintiún"),
        (Spanish, 21, F, "veintiuna"),
        (Spanish, 22, None, "veintidós"),
        (Spanish, 31, M, "treinta y un"),
        (Spanish, 100, M, "cien"),
        (Spanish, 101, M, "ciento un"),
        (Spanish, 200, F, "doscientas"),
        (Spanish, 555, None, "quinientos cincuenta y cinco"),
        (Spanish, 700, None, "setecientos"),
        (Spanish, 1_000, None, "mil"),
        (Spanish, 1_500, None, "mil quinientos"),
        (Spanish, 21_000, None, "veintiún mil"),
        (Spanish, 100_000, None, "cien mil"),
        (Spanish, 200_201, F, "doscientas mil doscientas una"),
    ];
    for (language, n, gender, expected) in rows {
        assert_eq!(words(*language, &say_number(*language, *n, *gender)), *expected, "{language:?} {n} {gender:?}");
    }
}

#[test]
fn counts_of_messages_agree_with_what_is_counted() {
    let rows: &[(Language, (u32, u32, u32), &str)] = &[
        (English, (0, 0, 0), "You have no messages."),
        (English, (0, 1, 0), "You have one new message"),
        (English, (2, 1, 3), "You have two urgent messages one new message and three saved messages"),
        (German, (0, 0, 0), "Sie haben keine Nachrichten."),
        (German, (0, 1, 2), "Sie haben eine neue Nachricht und zwei gespeicherte Nachrichten"),
        (German, (1, 0, 21), "Sie haben eine dringende Nachricht und einundzwanzig gespeicherte Nachrichten"),
        (French, (0, 0, 0), "Vous n'avez aucun message."),
        (French, (1, 1, 0), "Vous avez un message urgent et un nouveau message"),
        (French, (0, 21, 0), "Vous avez vingt et un nouveaux messages"),
        (Spanish, (0, 0, 0), "No tiene mensajes."),
        (Spanish, (0, 1, 31), "Tiene un mensaje nuevo y treinta y un mensajes guardados"),
    ];
    for (language, (urgent, new, saved), expected) in rows {
        assert_eq!(words(*language, &say_messages(*language, *urgent, *new, *saved)), *expected);
    }
}

#[test]
fn lengths_name_minutes_and_seconds_that_there_are() {
    let rows: &[(Language, u64, &str)] = &[
        (English, 0, "zero seconds"),
        (English, 61_000, "one minute one second"),
        (German, 60_400, "eine Minute"),
        (German, 1_000, "eine Sekunde"),
        (French, 0, "zéro seconde"),
        (French, 81_000, "une minute vingt et une secondes"),
        (Spanish, 81_000, "un minuto veintiún segundos"),
    ];
    for (language, ms, expected) in rows {
        assert_eq!(words(*language, &say_length(*language, Span::from_millis(*ms))), *expected);
    }
}

#[test]
fn dates_are_said_by_their_distance_from_today() {
    let today = date(2026, 6, 4);
    let rows: &[(Language, Date, &str)] = &[
        (English, today, "today"),
        (English, date(2026, 6, 3), "yesterday"),
        (English, date(2026, 6, 1), "on Monday the first of June"),
        (English, date(2025, 12, 31), "on Wednesday the thirty-first of December twenty twenty-five"),
        (English, date(2005, 5, 22), "on Sunday the twenty-second of May two thousand and five"),
        (English, date(2026, 6, 5), "on Friday the fifth of June"),
        (German, date(2026, 6, 3), "gestern"),
        (German, date(2026, 6, 1), "am Montag dem ersten Juni"),
        (German, date(2026, 3, 3), "am Dienstag dem dritten März"),
        (German, date(2025, 12, 31), "am Mittwoch dem einunddreißigsten Dezember zwei tausend fünfundzwanzig"),
        (French, date(2026, 6, 1), "le lundi premier juin"),
        (French, date(2025, 8, 21), "le jeudi vingt et un août deux mille vingt-cinq"),
        (Spanish, date(2026, 6, 1), "el lunes uno de junio"),
        (Spanish, date(2025, 12, 31), "el miércoles treinta y uno de diciembre de dos mil veinticinco"),
    ];
    for (language, day, expected) in rows {
        assert_eq!(words(*language, &say_date(*language, *day, today)), *expected, "{language:?} {day}");
    }
}

#[test]
fn times_are_said_by_the_clock_that_people_read() {
    let rows: &[(Language, Time, &str)] = &[
        (English, time(0, 0, 0, 0), "at twelve A M"),
        (English, time(2, 5, 0, 0), "at two oh five A M"),
        (English, time(12, 30, 0, 0), "at twelve thirty P M"),
        (English, time(14, 0, 59, 0), "at two P M"),
        (German, time(1, 0, 0, 0), "um ein Uhr"),
        (German, time(14, 1, 0, 0), "um vierzehn Uhr eins"),
        (French, time(1, 0, 0, 0), "à une heure"),
        (French, time(21, 21, 0, 0), "à vingt et une heures vingt et une"),
        (Spanish, time(1, 10, 0, 0), "a la una y diez"),
        (Spanish, time(14, 0, 0, 0), "a las catorce"),
        (Spanish, time(21, 31, 0, 0), "a las veintiuna y treinta y uno"),
    ];
    for (language, at, expected) in rows {
        assert_eq!(words(*language, &say_time(*language, *at)), *expected, "{language:?} {at}");
    }
}

#[test]
fn what_was_received_is_told_by_the_clocks_of_the_zone() {
    let wall = |text: &str| Wall::from_unix_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let (at, now) = (wall("2026-06-03T22:30:00Z"), wall("2026-06-04T10:00:00Z"));
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    assert_eq!(words(German, &say_received(German, at, now, &zone)), "Eingegangen heute um null Uhr dreißig");
    let received = say_received(English, at, now, &TimeZone::UTC);
    assert_eq!(words(English, &received), "Received yesterday at ten thirty P M");
}

#[test]
fn digits_are_said_one_by_one_and_other_signs_are_left_out() {
    assert_eq!(words(German, &say_digits("+49 (30)-1#*")), "plus vier neun drei null eins Raute Stern");
    assert!(say_digits("anonymous").is_empty());
}

fn marked(value: i16) -> crate::audio::prompt::Pcm {
    vec![value; 80].into()
}

#[test]
fn a_company_speaks_before_the_folder_and_the_folder_before_the_service() {
    let welcome = Clip::Phrase(Phrase::Welcome);
    let voices = Voices::with([(German, welcome, marked(7))]);
    let zone = TimeZone::UTC;
    let manner = |language| Manner { language, zone: &zone, now: Wall::default() };
    let say = [Say::Phrase(Phrase::Welcome)];
    let nobody = |_: &str| None;
    assert_eq!(voices.speak(&say, manner(German), &nobody), marked(7));
    assert_eq!(voices.speak(&say, manner(English), &nobody), Voices::default().pcm(English, welcome));
    let company = |name: &str| match name {
        "vm-welcome-de" => Some(marked(9)),
        "vm-welcome" => Some(marked(8)),
        _ => None,
    };
    assert_eq!(voices.speak(&say, manner(German), &company), marked(9));
    assert_eq!(voices.speak(&say, manner(English), &company), marked(8));
}

#[test]
fn pieces_follow_one_another_with_a_gap_and_a_pause_is_as_long_as_it_says() {
    let manner = Manner { language: English, zone: &TimeZone::UTC, now: Wall::default() };
    let clip = || Say::Clip(marked(5));
    let spoken = |say: &[Say]| Voices::default().speak(say, manner, &|_| None);
    assert_eq!(spoken(&[clip(), clip()]).len(), 80 + 960 + 80);
    assert_eq!(spoken(&[clip(), Say::Pause(10)]).len(), 80 + 80);
    assert_eq!(spoken(&[clip(), Say::Digits("x".to_owned())]).len(), 80);
    let tone = spoken(&[Say::Tone]);
    let heard = tone.iter().rposition(|sample| sample.unsigned_abs() > 500).unwrap();
    assert!((3_100..3_200).contains(&heard), "{heard}");
}

proptest! {
    #[test]
    fn whatever_is_said_every_language_has_the_clips(n in any::<u32>(), at in 0i64..4_000_000_000, now in 0i64..4_000_000_000) {
        let wall = |seconds: i64| Wall::from_unix_micros(seconds * 1_000_000);
        for language in Language::ALL {
            let spoken: HashMap<_, _> = spoken(language).collect();
            let mut clips = say_received(language, wall(at), wall(now), &TimeZone::UTC);
            for gender in [None, M, F] {
                clips.extend(say_number(language, n, gender));
                clips.extend(say_number(language, n % 1_000_000, gender));
            }
            clips.extend(say_messages(language, n % 3, n % 5, n % 1_000));
            for clip in clips {
                prop_assert!(spoken.contains_key(clip.to_string().as_str()), "{language:?} {clip}");
            }
        }
    }
}
