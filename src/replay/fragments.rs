//! IP packets put together from their fragments. Pure, and bounded whatever comes.
//!
//! Fragments may come in any order and more than once. Two that overlap and are not the same make
//! the whole packet void (RFC 5722 §3 for IPv6; the same is safe for IPv4): nobody can say which
//! of them the receiver took.

use super::packet::{Fragment, Whole};
use crate::base::Wall;
use std::collections::{BTreeMap, HashMap};

/// Packets that wait for a part at a time; beyond them the oldest is given up.
const MOST_WAITING: usize = 256;
/// Parts of a packet; 64 KiB in the least MTU of IPv6 have 54.
const MOST_PARTS: usize = 128;
/// Octets of an IP packet.
const MOST_BYTES: usize = 65_535;
/// Octets of all parts that wait.
const MOST_HELD: usize = 4 * 1024 * 1024;
/// µs from the first part on: identifications are used again (RFC 791 §3.2: 15 s and more).
const PATIENCE: i64 = 30_000_000;

/// What a fragment led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// The last part was missing: what the packet carries.
    Whole(Vec<u8>),
    /// It waits for others, or was there before.
    Waits,
}

/// Packets that wait for a part.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    waiting: HashMap<Whole, Waiting>,
    begun: u64,
    held: usize,
    lost: u64,
}

#[derive(Debug)]
struct Waiting {
    /// Which of all packets it was.
    number: u64,
    began: Wall,
    parts: BTreeMap<usize, Vec<u8>>,
    /// Octets of the whole, once the last part is there.
    length: Option<usize>,
    held: usize,
}

impl Joiner {
    /// Takes a fragment that was captured at that moment.
    pub fn take(&mut self, at: Wall, fragment: Fragment<'_>) -> Joined {
        let Fragment { of, offset, more, payload } = fragment;
        let outdated = |waiting: &Waiting| at.unix_micros().saturating_sub(waiting.began.unix_micros()) > PATIENCE;
        if self.waiting.get(&of).is_some_and(outdated) {
            self.give_up(of);
        }
        let number = self.begun;
        let waiting = self.waiting.entry(of).or_insert_with(|| Waiting {
            number,
            began: at,
            parts: BTreeMap::new(),
            length: None,
            held: 0,
        });
        if waiting.number == number {
            self.begun += 1;
        }
        match waiting.add(offset, more, payload) {
            Some(0) => {}
            Some(added) => self.held += added,
            None => {
                self.lost += 1;
                self.give_up(of);
                return Joined::Waits;
            }
        }
        if waiting.is_whole() {
            return self.remove(of).map_or(Joined::Waits, |whole| Joined::Whole(whole.join()));
        }
        while self.waiting.len() > MOST_WAITING || self.held > MOST_HELD {
            let oldest = self.waiting.iter().min_by_key(|(_, waiting)| waiting.number).map(|(of, _)| *of);
            let Some(oldest) = oldest else { break };
            self.give_up(oldest);
        }
        Joined::Waits
    }

    /// Fragments that never became a packet, since the last time; at the end also those that wait.
    pub fn take_lost(&mut self, at_the_end: bool) -> u64 {
        if at_the_end {
            let all: Vec<Whole> = self.waiting.keys().copied().collect();
            all.into_iter().for_each(|of| self.give_up(of));
        }
        std::mem::take(&mut self.lost)
    }

    fn give_up(&mut self, of: Whole) {
        if let Some(waiting) = self.remove(of) {
            self.lost += waiting.parts.len() as u64;
        }
    }

    fn remove(&mut self, of: Whole) -> Option<Waiting> {
        let waiting = self.waiting.remove(&of)?;
        self.held -= waiting.held;
        Some(waiting)
    }
}

impl Waiting {
    /// Octets that the part adds, 0 for one that is there; `None`: the packet is void.
    fn add(&mut self, offset: usize, more: bool, payload: &[u8]) -> Option<usize> {
        let end = offset + payload.len();
        let whole_units = payload.len().is_multiple_of(8) || !more;
        if payload.is_empty() || end > MOST_BYTES || !whole_units {
            return None;
        }
        if self.parts.get(&offset).is_some_and(|part| part == payload) && (more || self.length == Some(end)) {
            return Some(0);
        }
        let before = self.parts.range(..end).next_back();
        let overlaps = before.is_some_and(|(from, part)| from + part.len() > offset);
        let beyond = self.length.is_some_and(|length| !more || end > length);
        let cut = !more && self.parts.last_key_value().is_some_and(|(from, part)| from + part.len() > end);
        if overlaps || beyond || cut || self.parts.len() >= MOST_PARTS {
            return None;
        }
        if !more {
            self.length = Some(end);
        }
        self.parts.insert(offset, payload.to_vec());
        self.held += payload.len();
        Some(payload.len())
    }

    /// Parts do not overlap: they are all there when they are as long as the whole.
    fn is_whole(&self) -> bool {
        self.length == Some(self.held)
    }

    fn join(self) -> Vec<u8> {
        self.parts.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(id: u32) -> Whole {
        let (src, dst) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        Whole { src, dst, protocol: 17, id }
    }

    fn at(secs: i64) -> Wall {
        Wall::from_unix_micros(secs * 1_000_000)
    }

    fn take(joiner: &mut Joiner, id: u32, offset: usize, more: bool, payload: &[u8]) -> Joined {
        joiner.take(at(0), Fragment { of: whole(id), offset, more, payload })
    }

    #[test]
    fn parts_in_any_order_and_twice_are_one_packet() {
        let mut joiner = Joiner::default();
        assert_eq!(take(&mut joiner, 1, 16, false, b"tail"), Joined::Waits);
        assert_eq!(take(&mut joiner, 1, 0, true, b"01234567"), Joined::Waits);
        assert_eq!(take(&mut joiner, 2, 0, true, b"ABCDEFGH"), Joined::Waits);
        assert_eq!(take(&mut joiner, 1, 0, true, b"01234567"), Joined::Waits, "it was there");
        assert_eq!(take(&mut joiner, 1, 8, true, b"89abcdef"), Joined::Whole(b"0123456789abcdeftail".to_vec()));
        assert_eq!(take(&mut joiner, 2, 8, false, b"."), Joined::Whole(b"ABCDEFGH.".to_vec()));
        assert_eq!((joiner.take_lost(true), joiner.held), (0, 0));
    }

    #[test]
    fn parts_that_overlap_or_contradict_each_other_void_the_packet() {
        let rows: [(&str, [(usize, bool, &[u8]); 2]); 6] = [
            ("other bytes", [(0, true, b"01234567"), (0, true, b"01234568")]),
            ("over the end", [(0, true, b"0123456789abcdef"), (8, false, b"89ab")]),
            ("over the begin", [(8, true, b"89abcdef"), (0, true, b"0123456789abcdef")]),
            ("two ends", [(8, false, b"89"), (16, false, b"ab")]),
            ("behind the end", [(8, false, b"89"), (16, true, b"01234567")]),
            ("an end before what is there", [(16, true, b"01234567"), (8, false, b"89")]),
        ];
        for (what, parts) in rows {
            let mut joiner = Joiner::default();
            for (offset, more, payload) in parts {
                assert_eq!(take(&mut joiner, 1, offset, more, payload), Joined::Waits, "{what}");
            }
            assert_eq!((joiner.take_lost(false), joiner.held, joiner.waiting.len()), (2, 0, 0), "{what}");
        }
    }

    #[test]
    fn a_part_that_cannot_be_one_is_refused() {
        for (offset, more, payload) in [(0, true, &b"odd"[..]), (65_528, false, b"too far away"), (8, false, b"")] {
            let mut joiner = Joiner::default();
            assert_eq!(take(&mut joiner, 1, offset, more, payload), Joined::Waits);
            assert_eq!((joiner.take_lost(false), joiner.waiting.len()), (1, 0), "{payload:?}");
        }
    }

    #[test]
    fn an_identification_that_comes_again_is_another_packet() {
        let mut joiner = Joiner::default();
        take(&mut joiner, 1, 0, true, b"01234567");
        let tail = Fragment { of: whole(1), offset: 8, more: false, payload: b"tail" };
        assert_eq!(joiner.take(at(31), tail), Joined::Waits);
        assert_eq!(joiner.take_lost(false), 1, "the first of the old one");
        assert_eq!(joiner.take_lost(true), 1, "the last of the new one");
    }

    #[test]
    fn memory_is_bounded_whatever_never_becomes_whole() {
        let mut joiner = Joiner::default();
        let part = [0; 60_000];
        for id in 0..2_000 {
            take(&mut joiner, id, 8, true, &part[..if id % 2 == 0 { 8 } else { 60_000 }]);
            assert!(joiner.held <= MOST_HELD && joiner.waiting.len() <= MOST_WAITING);
        }
        assert_eq!(joiner.take_lost(true), 2_000);
        for offset in 0..1_000 {
            take(&mut joiner, 1, 16 * offset, true, &[0; 8]);
        }
        assert!(joiner.held <= 8 * MOST_PARTS);
    }

    proptest! {
        /// However a packet is cut and shuffled, it is put together once, and nothing is left.
        #[test]
        fn any_cut_in_any_order_gives_the_packet_back(
            bytes in proptest::collection::vec(any::<u8>(), 1..2_000),
            cuts in proptest::collection::vec(1usize..40, 1..20),
            order in any::<u64>(),
        ) {
            let mut parts = Vec::new();
            let (mut from, mut cuts) = (0, cuts.iter().cycle());
            while from < bytes.len() {
                let to = (from + 8 * cuts.next().unwrap()).min(bytes.len());
                parts.push((from, to));
                from = to;
            }
            let mut state = order | 1;
            for n in (1..parts.len()).rev() {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                parts.swap(n, (state >> 33) as usize % (n + 1));
            }
            prop_assume!(parts.len() <= MOST_PARTS);
            let mut joiner = Joiner::default();
            let mut found = Vec::new();
            for (from, to) in parts {
                if let Joined::Whole(whole) = take(&mut joiner, 1, from, to < bytes.len(), &bytes[from..to]) {
                    found.push(whole);
                }
            }
            prop_assert_eq!(found, [bytes]);
            prop_assert_eq!((joiner.take_lost(true), joiner.held), (0, 0));
        }
    }
}
