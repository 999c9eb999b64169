//! What a refusal of the called side means to the caller.

use crate::ledger::Outcome;

/// The status that the caller is told. Redirections and challenges of the far side are ours to
/// deal with, and objections to our own request are none of the caller's (RFC 3261 §16.7 for 503).
pub const fn for_caller(status: u16) -> u16 {
    match status {
        300..=399 => 480,
        401 | 407 => 502,
        400 | 402 | 405 | 406 | 413..=423 | 428..=439 | 481 | 489 | 493 | 494 | 503 => 500,
        408 => 480,
        400..=699 => status,
        _ => 500,
    }
}

/// Of two refusals of devices that rang together, the one to tell: a 6xx, then busy and declined,
/// then whatever is not merely unreachable.
pub const fn better(one: u16, other: u16) -> u16 {
    if rank(other) < rank(one) { other } else { one }
}

const fn rank(status: u16) -> u8 {
    match status {
        600..=699 => 0,
        486 => 1,
        400..=407 | 409..=479 | 482..=485 | 487..=499 => 2,
        480 | 481 => 3,
        300..=399 => 4,
        408 => 6,
        _ => 5,
    }
}

/// How a call that was refused is written down.
pub const fn outcome(status: u16) -> Outcome {
    match status {
        486 | 600 => Outcome::Busy,
        408 | 480 => Outcome::NoAnswer,
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_mapped_for_the_caller() {
        let rows = [
            (302, 480),
            (401, 502),
            (404, 404),
            (408, 480),
            (415, 500),
            (480, 480),
            (486, 486),
            (488, 488),
            (500, 500),
            (503, 500),
            (603, 603),
        ];
        for (status, expected) in rows {
            assert_eq!(for_caller(status), expected, "{status}");
        }
    }

    #[test]
    fn the_most_telling_refusal_of_several_devices_wins() {
        for (one, other, best) in [(408, 486, 486), (486, 603, 603), (480, 408, 480), (404, 480, 404), (486, 486, 486)]
        {
            assert_eq!(better(one, other), best);
            assert_eq!(better(other, one), best);
        }
    }
}
