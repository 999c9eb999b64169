//! One party alone in a file: what its journal says, where it ends, and which of them is kept when nobody
//! said so.

use super::repair::JournalLine;
use crate::audio::wav::DATA_OFFSET;
use crate::base::{CallId, CompanyId, MessageId, Rate, Samples, Span, Time, Wall};
use crate::ledger::{Channels, Keep, Marker, MarkerKind, MessageDraft, TakeId};
use serde::{Deserialize, Serialize};

/// What is known of a take when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeDraft {
    /// Of the file, and of the message that it may become.
    pub id: MessageId,
    pub call: CallId,
    pub take: TakeId,
    pub company: CompanyId,
    /// When its first sample was spoken.
    pub started: Wall,
    /// Samples per second.
    pub rate: u32,
    pub keep: Keep,
}

/// What a crash left of a take.
#[derive(Clone, Debug, PartialEq)]
pub struct RepairedTake {
    pub draft: TakeDraft,
    /// Samples of its one channel.
    pub samples: u64,
    /// It had ended.
    pub ended: bool,
    /// What it is to be, where that was said.
    pub keep: Option<Keep>,
    /// Nothing of it may remain.
    pub discarded: bool,
}

/// Reads what a crash left: the length of the file in bytes and the text of its journal, whose last line
/// may be torn. `None`: it is not the journal of a take.
pub fn repair_take(part_bytes: u64, journal: &str) -> Option<RepairedTake> {
    let mut repaired: Option<RepairedTake> = None;
    let there = part_bytes.saturating_sub(DATA_OFFSET) / Channels::Mono.frame_bytes();
    for line in journal.lines().filter_map(|line| serde_json::from_str::<JournalLine>(line).ok()) {
        match (line, &mut repaired) {
            (JournalLine::Take { draft }, _) => {
                let (ended, keep, discarded) = (false, None, false);
                repaired = Some(RepairedTake { draft: *draft, samples: there, ended, keep, discarded });
            }
            (JournalLine::Ended { samples }, Some(repaired)) => {
                repaired.samples = samples.min(there);
                repaired.ended = true;
            }
            (JournalLine::Keep { keep }, Some(repaired)) => repaired.keep = Some(*keep),
            (JournalLine::Refused, Some(repaired)) => repaired.discarded = true,
            (
                JournalLine::Draft { .. }
                | JournalLine::Part { .. }
                | JournalLine::Marker { .. }
                | JournalLine::Change { .. }
                | JournalLine::Joined { .. }
                | JournalLine::Codec { .. }
                | JournalLine::Ended { .. }
                | JournalLine::Keep { .. }
                | JournalLine::Refused,
                _,
            ) => {}
        }
    }
    repaired
}

/// A key whose last packet is this old is taken for down still.
const KEY: Span = Span::from_millis(250);
/// What stays of a silence that is taken off.
const TAIL: Span = Span::from_millis(200);

/// After the arrival of its last packet a party may still be heard for so long: the longest packet (120 ms), and
/// what stands a little later than it came.
const LAST: Span = Span::from_millis(180);

/// Where a take ends that is over at `over`: not long after the last packet, however long it took to learn that
/// the party had hung up. Where so much is taken off its end that was waited for silence, that is in it.
pub fn end_of(over: Time, heard: Option<Time>, cut: Span) -> Time {
    match heard.filter(|_| cut == Span::ZERO) {
        Some(heard) => over.min(heard + LAST),
        None => over,
    }
}

/// How much stays of a take of `samples`: less what is cut, less a key that was down at its end, and where
/// something was cut, less the silence before that. `spoken`: up to where somebody spoke, where that is known.
pub fn trimmed(samples: u64, rate: Rate, cut: Span, markers: &[Marker], spoken: Option<Samples>) -> u64 {
    let length = |span: Span| rate.samples(span).0;
    let mut end = samples.saturating_sub(length(cut));
    if let Some(Samples(spoken)) = spoken.filter(|_| cut > Span::ZERO) {
        end = end.min(spoken + length(TAIL));
    }
    let key = markers.iter().rfind(|marker| marker.kind == MarkerKind::DigitBlanked);
    match key {
        Some(key) if key.at + key.length.unsigned_abs() + length(KEY) >= samples => end.min(key.at),
        Some(_) | None => end,
    }
}

/// A take of which nothing was said when its call was over.
#[derive(Clone, Copy, Debug)]
pub struct Undecided<'a> {
    pub keep: &'a Keep,
    pub length: Span,
}

/// Which takes of a call are kept, in the order in which they were begun: the first that is a message and
/// long enough. Another one after it in the same box is a new try that nobody has confirmed; a greeting
/// and an introduction are nothing until they are confirmed.
pub fn kept_of(takes: &[Undecided<'_>]) -> Vec<bool> {
    let mut boxes = Vec::new();
    let each = takes.iter().map(|Undecided { keep, length }| match keep {
        Keep::Message(MessageDraft { mailbox, minimum, .. }) => {
            let kept = *length > Span::ZERO && length >= minimum && !boxes.contains(mailbox);
            boxes.extend(kept.then_some(*mailbox));
            kept
        }
        Keep::Greeting { .. } | Keep::Introduction { .. } => false,
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BoxId;
    use crate::ledger::{GreetingKind, Party};

    fn message(mailbox: i64) -> Keep {
        let call = CallId::new(Wall::default(), [2; 10]);
        let (caller, minimum) = (Party::default(), Span::from_secs(2));
        let (number, urgent, forwarded) = (None, false, None);
        Keep::Message(MessageDraft { mailbox: BoxId(mailbox), call, caller, number, urgent, forwarded, minimum })
    }

    fn draft() -> TakeDraft {
        TakeDraft {
            id: MessageId::new(Wall::default(), [1; 10]),
            call: CallId::new(Wall::default(), [2; 10]),
            take: TakeId(1),
            company: CompanyId(1),
            started: Wall::default(),
            rate: 8_000,
            keep: message(1),
        }
    }

    fn journal(lines: &[JournalLine]) -> String {
        let lines: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
        format!("{}\n{{\"line\":\"ke", lines.join("\n"))
    }

    #[test]
    fn a_torn_journal_says_what_the_take_was_to_be_and_how_much_of_it_stays() {
        let take = JournalLine::Take { draft: Box::new(draft()) };
        let urgent = JournalLine::Keep { keep: Box::new(message(7)) };
        let rows = [
            ("in the middle", vec![take.clone()], (500, false, None, false)),
            ("ended", vec![take.clone(), JournalLine::Ended { samples: 400 }], (400, true, None, false)),
            (
                "ended, not all on disk",
                vec![take.clone(), JournalLine::Ended { samples: 900 }],
                (500, true, None, false),
            ),
            (
                "kept",
                vec![take.clone(), JournalLine::Ended { samples: 400 }, urgent],
                (400, true, Some(message(7)), false),
            ),
            ("thrown away", vec![take, JournalLine::Refused], (500, false, None, true)),
        ];
        for (name, lines, expected) in rows {
            let RepairedTake { samples, ended, keep, discarded, .. } =
                repair_take(44 + 2 * 500 + 1, &journal(&lines)).unwrap();
            assert_eq!((samples, ended, keep, discarded), expected, "{name}");
        }
        let other = JournalLine::Part { part: 0, from: 0 };
        assert_eq!(repair_take(1_000, &journal(&[other])), None, "a recording of a call");
    }

    #[test]
    fn a_take_ends_soon_after_its_last_packet_whenever_one_learns_of_it() {
        let at = |ms: u64| Time(ms * 1_000);
        for (over, heard, cut, expected) in [
            (at(10_000), Some(at(9_990)), Span::ZERO, at(10_000)),
            (at(10_000), Some(at(9_400)), Span::ZERO, at(9_580)),
            (at(10_000), None, Span::ZERO, at(10_000)),
            (at(10_000), Some(at(5_000)), Span::from_secs(5), at(10_000)),
        ] {
            assert_eq!(end_of(over, heard, cut), expected);
        }
    }

    #[test]
    fn the_end_of_a_take_is_without_its_key_and_its_silence() {
        let key = |at, length| Marker { at, length, kind: MarkerKind::DigitBlanked, side: None, name: String::new() };
        let gap = Marker { kind: MarkerKind::Gap, ..key(79_000, 100) };
        let millis = Span::from_millis;
        let rows = [
            ("nothing to take off", Span::ZERO, vec![gap], Some(40_000), 80_000),
            ("a key that is down", Span::ZERO, vec![key(100, 800), key(79_200, 160)], None, 79_200),
            ("one that went up just now", Span::ZERO, vec![key(78_000, 800)], Some(10), 78_000),
            ("one from before", Span::ZERO, vec![key(70_000, 800)], None, 80_000),
            ("what is cut", millis(2_000), vec![], None, 64_000),
            ("a silence, told late", millis(2_000), vec![], Some(60_000), 61_600),
            ("a silence that is shorter than what is cut", millis(2_000), vec![], Some(70_000), 64_000),
            ("more than there is", millis(20_000), vec![], None, 0),
        ];
        for (name, cut, markers, spoken, expected) in rows {
            assert_eq!(trimmed(80_000, Rate::NARROW, cut, &markers, spoken.map(Samples)), expected, "{name}");
        }
    }

    #[test]
    fn of_what_nobody_decided_the_first_message_of_a_box_is_kept_that_is_long_enough() {
        let greeting = Keep::Greeting { mailbox: BoxId(1), kind: GreetingKind::Busy };
        let Keep::Message(draft) = message(1) else { panic!() };
        let introduction = Keep::Introduction { forward: MessageId::new(Wall::default(), [9; 10]), draft };
        let (one, two) = (message(1), message(2));
        let take = |keep, seconds| Undecided { keep, length: Span::from_secs(seconds) };
        let rows = [
            (vec![take(&one, 5)], vec![true]),
            (vec![take(&one, 1)], vec![false]),
            (vec![take(&one, 5), take(&one, 9)], vec![true, false]),
            (vec![take(&one, 1), take(&one, 9)], vec![false, true]),
            (vec![take(&one, 5), take(&two, 5)], vec![true, true]),
            (vec![take(&greeting, 5), take(&introduction, 5), take(&one, 2)], vec![false, false, true]),
        ];
        for (takes, expected) in rows {
            assert_eq!(kept_of(&takes), expected, "{takes:?}");
        }
    }
}
