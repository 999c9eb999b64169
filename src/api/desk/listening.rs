//! What was fetched in the last minutes, so that a recording that a player fetches piece by piece is one
//! listening.
//!
//! Two generations: what is fetched goes into the young one, and when that is [`WHILE`] old it becomes
//! the old one, whose own place is freed at once. Nothing is ever searched through.

use crate::api::AudioUse;
use crate::base::{RecordingId, Span, Time};
use std::collections::HashMap;

/// Pieces that are fetched within this time of each other are one listening.
const WHILE: Span = Span::from_secs(600);
/// Listenings of a generation.
const MOST: usize = 10_000;

/// By whose token what is fetched, and what for.
type Key = (i64, RecordingId, AudioUse);

/// Listenings that go on, with the time of their last piece.
#[derive(Debug, Default)]
pub struct Listenings {
    young: HashMap<Key, Time>,
    old: HashMap<Key, Time>,
    /// When the young generation began.
    since: Time,
}

impl Listenings {
    /// A piece is fetched: whether a listening begins with it.
    pub fn begins(&mut self, key: Key, now: Time) -> bool {
        if now.since(self.since) >= WHILE {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
        let last = self.young.get(&key).copied().or_else(|| self.old.remove(&key));
        // More listenings than are remembered: each piece is a line of the log then, and none is lost.
        if self.young.len() < MOST || self.young.contains_key(&key) {
            self.young.insert(key, now);
        }
        last.is_none_or(|last| now.since(last) >= WHILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recording(at: u8) -> RecordingId {
        RecordingId::parse(&format!("01890a5d-ac96-774b-bcce-b302099a80{at:02x}")).unwrap()
    }

    fn secs(seconds: u64) -> Time {
        Time(0) + Span::from_secs(seconds)
    }

    #[test]
    fn pieces_of_one_player_are_one_listening_until_ten_minutes_pass_without_one() {
        let mut listenings = Listenings::default();
        let play = (1, recording(1), AudioUse::Play);
        for (at, begins) in [(0, true), (1, false), (599, false), (1_198, false), (1_797, false), (2_397, true)] {
            assert_eq!(listenings.begins(play, secs(at)), begins, "after {at} s");
        }
        for other in [
            (2, recording(1), AudioUse::Play),
            (1, recording(2), AudioUse::Play),
            (1, recording(1), AudioUse::Download),
        ] {
            assert!(listenings.begins(other, secs(2_398)), "{other:?} is another one");
        }
    }

    #[test]
    fn what_is_not_remembered_is_a_listening_each_time_and_memory_is_bounded() {
        let mut listenings = Listenings::default();
        for token in 0..i64::try_from(MOST).unwrap() {
            assert!(listenings.begins((token, recording(1), AudioUse::Play), secs(1)));
        }
        let more = (-1, recording(1), AudioUse::Play);
        assert!(listenings.begins(more, secs(1)) && listenings.begins(more, secs(1)));
        assert!(!listenings.begins((0, recording(1), AudioUse::Play), secs(2)), "those before are still known");
        assert_eq!(listenings.young.len(), MOST);
        assert!(listenings.begins(more, secs(700)));
        assert!(!listenings.begins(more, secs(701)), "there is room again");
        assert_eq!((listenings.young.len(), listenings.old.len()), (1, MOST));
    }

    proptest! {
        /// However pieces come: as if every one of them were remembered.
        #[test]
        fn it_is_as_if_all_were_remembered(pieces in prop::collection::vec((0u8..4, 0u64..900), 1..200)) {
            let (mut listenings, mut all) = (Listenings::default(), HashMap::new());
            let mut now = 0;
            for (which, after) in pieces {
                now += after;
                let key = (1, recording(which), AudioUse::Play);
                let last: Option<Time> = all.insert(key, secs(now));
                let expected = last.is_none_or(|last| secs(now).since(last) >= WHILE);
                prop_assert_eq!(listenings.begins(key, secs(now)), expected, "recording {} at {} s", which, now);
            }
        }
    }
}
