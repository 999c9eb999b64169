//! Numbers, and what is counted, in the grammar of each language.

use super::clip::{Clip, Gender, Word};
use crate::base::{Language, Span};

/// Above it a number is read digit by digit.
const MOST: u32 = 999_999;

/// A cardinal number. `gender`: of what is counted and named behind it; `None` where nothing is.
pub fn say_number(language: Language, n: u32, gender: Option<Gender>) -> Vec<Clip> {
    if n > MOST {
        return say_digits(&n.to_string());
    }
    // German counts by gender only one thing: "eine Nachricht", "einhunderteins Nachrichten".
    let gender = gender.filter(|_| language != Language::German || n == 1);
    let hundreds = gender.unwrap_or(Gender::Masculine);
    let (thousands, rest) = (n / 1_000, n % 1_000);
    let mut clips = Vec::new();
    match (thousands, rest) {
        (0, _) => {}
        (1, 0) => clips.push(Clip::Word(Word::AThousand)),
        (1, 1..100) => clips.push(Clip::Word(Word::AThousandAnd)),
        (1, _) => clips.push(Clip::Word(Word::OneThousand)),
        (_, _) => {
            // "Veintiún mil", "vingt et un mille", "einhunderteintausend", whatever is counted.
            below_thousand(&mut clips, thousands, Some(Gender::Masculine), hundreds, true);
            clips.push(Clip::Word(if matches!(rest, 1..100) { Word::ThousandAnd } else { Word::Thousand }));
        }
    }
    if rest > 0 || thousands == 0 {
        below_thousand(&mut clips, rest, gender, hundreds, thousands == 0);
    }
    clips
}

/// `first`: the number begins with it.
fn below_thousand(clips: &mut Vec<Clip>, n: u32, ones: Option<Gender>, hundreds: Gender, first: bool) {
    let (count, rest) = (small(n / 100), n % 100);
    let more = rest > 0;
    match (count, first) {
        (0, _) => {}
        (1, true) => clips.push(Clip::AHundred { more }),
        (count, _) => clips.push(Clip::Hundred { count, gender: hundreds, more }),
    }
    if more || count == 0 {
        clips.push(below_hundred(small(rest), ones));
    }
}

pub(super) fn below_hundred(n: u8, gender: Option<Gender>) -> Clip {
    match (n / 10, n % 10, gender) {
        (1, _, _) | (_, _, None) => Clip::Number(n),
        (tens, 1, Some(gender)) => Clip::One { tens, gender },
        (_, _, Some(_)) => Clip::Number(n),
    }
}

fn small(n: u32) -> u8 {
    u8::try_from(n).unwrap_or(u8::MAX)
}

/// One by one: digits, `+`, `*` and `#`. What is none of them is left out.
pub fn say_digits(text: &str) -> Vec<Clip> {
    let digit = |key: char| match key {
        '+' => Some(Clip::Word(Word::Plus)),
        '*' => Some(Clip::Word(Word::Star)),
        '#' => Some(Clip::Word(Word::Pound)),
        other => Some(Clip::Number(small(other.to_digit(10)?))),
    };
    text.chars().filter_map(digit).collect()
}

/// "You have two urgent messages, one new message and three saved messages."
pub fn say_messages(language: Language, urgent: u32, new: u32, saved: u32) -> Vec<Clip> {
    let kinds = [
        (urgent, Word::UrgentMessage, Word::UrgentMessages),
        (new, Word::NewMessage, Word::NewMessages),
        (saved, Word::SavedMessage, Word::SavedMessages),
    ];
    let gender = match language {
        Language::German => Gender::Feminine,
        Language::English | Language::French | Language::Spanish => Gender::Masculine,
    };
    let there: Vec<_> = kinds.into_iter().filter(|(count, ..)| *count > 0).collect();
    let Some(last) = there.len().checked_sub(1) else { return vec![Clip::Word(Word::YouHaveNoMessages)] };
    let mut clips = vec![Clip::Word(Word::YouHave)];
    for (at, (count, one, many)) in there.into_iter().enumerate() {
        if at > 0 && at == last {
            clips.push(Clip::Word(Word::And));
        }
        clips.extend(counted(language, count, gender, one, many));
    }
    clips
}

fn counted(language: Language, n: u32, gender: Gender, one: Word, many: Word) -> Vec<Clip> {
    let mut clips = say_number(language, n, Some(gender));
    let single = n == 1 || (n == 0 && language == Language::French);
    clips.push(Clip::Word(if single { one } else { many }));
    clips
}

/// A length in minutes and seconds, rounded to the second: "one minute twenty seconds".
pub fn say_length(language: Language, length: Span) -> Vec<Clip> {
    let seconds = u32::try_from((length.as_millis() + 500) / 1_000).unwrap_or(u32::MAX);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let minute = match language {
        Language::German | Language::French => Gender::Feminine,
        Language::English | Language::Spanish => Gender::Masculine,
    };
    let mut clips = Vec::new();
    if minutes > 0 {
        clips.extend(counted(language, minutes, minute, Word::Minute, Word::Minutes));
    }
    if seconds > 0 || minutes == 0 {
        // Masculine and feminine alike: in all four a second has the gender of a minute.
        clips.extend(counted(language, seconds, minute, Word::Second, Word::Seconds));
    }
    clips
}
