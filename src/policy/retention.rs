//! Whether a recording is kept, and why.

use crate::base::{Span, Wall};

/// What retention looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `retention_days` of the company; 0: for ever.
    pub company_days: u32,
    /// That of the number that the call came or went over, where it has its own.
    pub number_days: Option<u32>,
    /// When the call ended; `None` while it is up.
    pub ended: Option<Wall>,
    /// A legal hold is on the recording or on its call.
    pub held: bool,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Nothing says how long.
    ForEver,
    /// The call is up.
    Open,
    /// Its time is not over.
    Until(Wall),
    /// Its time is over, and a legal hold keeps it.
    Held,
    /// Its time is over: so many days.
    Expired { days: u32 },
}

const DAY: u64 = 86_400;

/// What is so at `now`.
pub fn retention(kept: Kept, now: Wall) -> Retention {
    let Kept { company_days, number_days, ended, held } = kept;
    let days = number_days.unwrap_or(company_days);
    let Some(ended) = ended else { return Retention::Open };
    if days == 0 {
        return Retention::ForEver;
    }
    match ended.plus(Span::from_secs(u64::from(days) * DAY)) {
        until if until > now => Retention::Until(until),
        _ if held => Retention::Held,
        _ => Retention::Expired { days },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_goes_when_its_time_is_over_and_nothing_holds_it() {
        let at = |days: i64| Wall::from_unix_micros(days * 86_400_000_000);
        let rows = [
            ("nothing is said", 0, None, Some(0), false, Retention::ForEver),
            ("the company's days are over", 7, None, Some(3), false, Retention::Expired { days: 7 }),
            ("to the moment", 7, None, Some(4), false, Retention::Until(at(11))),
            ("they are not", 7, None, Some(5), false, Retention::Until(at(12))),
            ("the number keeps longer", 7, Some(30), Some(3), false, Retention::Until(at(33))),
            ("the number keeps for ever", 7, Some(0), Some(3), false, Retention::ForEver),
            ("the number keeps shorter", 0, Some(1), Some(3), false, Retention::Expired { days: 1 }),
            ("a hold is on it", 7, None, Some(3), true, Retention::Held),
            ("the call is up", 1, None, None, false, Retention::Open),
        ];
        let now = at(11).minus(Span(1));
        for (name, company_days, number_days, ended, held, expected) in rows {
            let kept = Kept { company_days, number_days, ended: ended.map(at), held };
            assert_eq!(retention(kept, now), expected, "{name}");
        }
        let kept = Kept { company_days: 7, number_days: None, ended: Some(at(4)), held: false };
        assert_eq!(retention(kept, at(11)), Retention::Expired { days: 7 }, "at the moment itself");
    }
}
