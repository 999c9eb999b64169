//! The clips that speech is put together from. Every language has every one of them.

use super::Phrase;
use std::fmt;

/// The gender of what is counted, where the language has one: "une", "veintiuna".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gender {
    /// Neuter too: German counts both alike.
    Masculine,
    Feminine,
}

impl Gender {
    pub const ALL: [Gender; 2] = [Gender::Masculine, Gender::Feminine];

    const fn letter(self) -> char {
        match self {
            Gender::Masculine => 'm',
            Gender::Feminine => 'f',
        }
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $file:literal,)*) => {
        /// A piece that numbers, counts and times are put together with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Word { $($(#[$doc])* $name,)* }

        impl Word {
            pub const ALL: &'static [Word] = &[$(Word::$name,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Word::$name => $file,)* }
            }
        }
    };
}

words! {
    YouHave = "you-have",
    YouHaveNoMessages = "you-have-no-messages",
    And = "and",
    UrgentMessage = "urgent-message",
    UrgentMessages = "urgent-messages",
    NewMessage = "new-message",
    NewMessages = "new-messages",
    SavedMessage = "saved-message",
    SavedMessages = "saved-messages",
    /// A number follows.
    MessageNumber = "message-number",
    Second = "second",
    Seconds = "seconds",
    Minute = "minute",
    Minutes = "minutes",
    /// A date and a time follow.
    Received = "received",
    Today = "today",
    Yesterday = "yesterday",
    /// English minutes below ten: "two oh five".
    Oh = "oh",
    Am = "am",
    Pm = "pm",
    Plus = "plus",
    Star = "star",
    Pound = "pound",
    Thousand = "thousand",
    /// A number below a hundred follows.
    ThousandAnd = "thousand-and",
    /// A hundred or more follow.
    OneThousand = "one-thousand",
    AThousand = "a-thousand",
    AThousandAnd = "a-thousand-and",
}

/// One recorded piece. Its [`fmt::Display`] is its name, and that of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clip {
    Phrase(Phrase),
    Word(Word),
    /// 0 to 99, as one counts.
    Number(u8),
    /// 1, 21, 31 … 91 before what they count. `tens`: 0, 2 to 9.
    One {
        tens: u8,
        gender: Gender,
    },
    /// 100 to 900. `more`: a number below a hundred follows.
    Hundred {
        count: u8,
        gender: Gender,
        more: bool,
    },
    /// 100 where a number begins with it.
    AHundred {
        more: bool,
    },
    /// "On Monday": 1, to Sunday: 7.
    Weekday(u8),
    /// Of the month, 1 to 31: "the third of".
    Day(u8),
    /// 1 to 12. `year`: it follows.
    Month {
        month: u8,
        year: bool,
    },
    /// "At two", 0 to 23. `past`: minutes follow.
    Hour {
        hour: u8,
        past: bool,
    },
}

impl Clip {
    /// All there are.
    pub fn all() -> Vec<Clip> {
        let mut all: Vec<Clip> = Phrase::ALL.iter().copied().map(Clip::Phrase).collect();
        all.extend(Word::ALL.iter().copied().map(Clip::Word));
        all.extend((0..100).map(Clip::Number));
        for gender in Gender::ALL {
            all.extend((0..10).filter(|tens| *tens != 1).map(|tens| Clip::One { tens, gender }));
        }
        for more in [false, true] {
            all.push(Clip::AHundred { more });
            for gender in Gender::ALL {
                all.extend((1..10).map(|count| Clip::Hundred { count, gender, more }));
            }
            all.extend((1..=12).map(|month| Clip::Month { month, year: more }));
            all.extend((0..24).map(|hour| Clip::Hour { hour, past: more }));
        }
        all.extend((1..=7).map(Clip::Weekday));
        all.extend((1..=31).map(Clip::Day));
        all
    }

    pub fn named(name: &str) -> Option<Clip> {
        Self::all().into_iter().find(|clip| clip.to_string() == name)
    }
}

impl fmt::Display for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let and = |more: &bool| if *more { "-and" } else { "" };
        match self {
            Clip::Phrase(phrase) => f.write_str(phrase.name()),
            Clip::Word(word) => f.write_str(word.name()),
            Clip::Number(number) => write!(f, "n-{number}"),
            Clip::One { tens, gender } => write!(f, "n-{}-{}", tens * 10 + 1, gender.letter()),
            Clip::Hundred { count, gender, more } => write!(f, "hundred-{count}-{}{}", gender.letter(), and(more)),
            Clip::AHundred { more } => write!(f, "a-hundred{}", and(more)),
            Clip::Weekday(day) => write!(f, "weekday-{day}"),
            Clip::Day(day) => write!(f, "day-{day}"),
            Clip::Month { month, year } => write!(f, "month-{month}{}", if *year { "-year" } else { "" }),
            Clip::Hour { hour, past } => write!(f, "hour-{hour}{}", if *past { "-past" } else { "" }),
        }
    }
}
