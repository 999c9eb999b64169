//! The sending half of a leg: our SSRC, and sequence numbers and timestamps without holes
//! where packets were swallowed or put in. What was lost on the way to us stays a gap.

use super::receive::Extended;
use crate::base::{Rate, Time};
use crate::rtp::{HEADER, rewrite_header};

/// How many changes of the shift are remembered for late packets.
const SHIFTS: usize = 8;

/// From the incoming sequence `from` on, the outgoing one is the incoming one plus `by`.
/// What lies in `[swallowed_from, from)` was swallowed.
#[derive(Clone, Copy, Debug)]
struct Shift {
    swallowed_from: i64,
    from: i64,
    by: i64,
}

/// How the other leg's stream maps onto ours.
#[derive(Clone, Debug)]
struct Mapping {
    ssrc: u32,
    shifts: [Option<Shift>; SHIFTS],
    newest: usize,
    highest_in: i64,
    timestamp_offset: u32,
}

/// Writes the headers of everything that we send on a leg.
#[derive(Clone, Debug)]
pub struct Sender {
    ssrc: u32,
    /// Of what it sends.
    clock: Rate,
    /// Highest sequence number sent, extended.
    highest_out: i64,
    last_timestamp: u32,
    last_at: Option<Time>,
    mapping: Option<Mapping>,
    pub packets: u32,
    pub octets: u32,
}

impl Sender {
    pub fn new(ssrc: u32, first_sequence: u16, first_timestamp: u32) -> Self {
        Sender {
            ssrc,
            clock: Rate::NARROW,
            // Far from zero, so that late packets of the very first ones stay positive.
            highest_out: i64::from(first_sequence) + (1 << 16),
            last_timestamp: first_timestamp,
            last_at: None,
            mapping: None,
            packets: 0,
            octets: 0,
        }
    }

    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// What is sent from now on has this clock.
    pub fn set_clock(&mut self, clock: Rate) {
        if self.clock != clock {
            self.clock = clock;
            self.mapping = None;
        }
    }

    /// The other leg's packets are not relayed any more, or are again: none follows the one before.
    pub fn unmap(&mut self) {
        self.mapping = None;
    }

    pub const fn last_at(&self) -> Option<Time> {
        self.last_at
    }

    /// The RTP timestamp that our stream shows at `now`.
    pub fn timestamp_at(&self, now: Time) -> u32 {
        let elapsed = self.last_at.map_or(0, |last| self.clock.samples(now.since(last)).0);
        self.last_timestamp.wrapping_add(elapsed as u32)
    }

    /// Maps a packet of the other leg; `None` when it lies in a swallowed stretch.
    /// Returns its sequence number and timestamp in our stream.
    pub fn map(&mut self, ssrc: u32, incoming: Extended, raw_timestamp: u32, now: Time) -> Option<(u16, u32)> {
        let timestamp_now = self.timestamp_at(now);
        let next_out = self.highest_out + 1;
        let mapping = match &mut self.mapping {
            Some(mapping) if mapping.ssrc == ssrc => mapping,
            _ => self.mapping.insert(Mapping::new(
                ssrc,
                incoming.sequence,
                next_out,
                timestamp_now.wrapping_sub(raw_timestamp),
            )),
        };
        let by = mapping.shift(incoming.sequence)?;
        mapping.highest_in = mapping.highest_in.max(incoming.sequence);
        let sequence = incoming.sequence + by;
        let timestamp = raw_timestamp.wrapping_add(mapping.timestamp_offset);
        if sequence > self.highest_out {
            self.highest_out = sequence;
            self.last_timestamp = timestamp;
            self.last_at = Some(now);
        }
        Some((sequence as u16, timestamp))
    }

    /// Somebody else speaks on the other leg from now on, perhaps with the same SSRC.
    pub fn new_source(&mut self) {
        self.mapping = None;
    }

    /// A packet of the other leg that does not go out.
    pub fn swallow(&mut self, ssrc: u32, incoming: Extended) {
        if let Some(mapping) = self.mapping.as_mut().filter(|mapping| mapping.ssrc == ssrc) {
            mapping.swallow(incoming.sequence);
        }
    }

    /// The sequence number of a packet of our own, put in now; `timestamp` is the stream's.
    pub fn insert(&mut self, timestamp: u32, now: Time) -> u16 {
        self.highest_out += 1;
        self.last_timestamp = timestamp;
        self.last_at = Some(now);
        if let Some(mapping) = &mut self.mapping {
            mapping.insert();
        }
        self.highest_out as u16
    }

    /// Writes the header and counts the packet.
    pub fn stamp(&mut self, header: &mut [u8; HEADER], marker: bool, payload_type: u8, at: (u16, u32), payload: usize) {
        let (sequence, timestamp) = at;
        rewrite_header(header, marker, payload_type, sequence, timestamp, self.ssrc);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload).unwrap_or(0));
    }
}

impl Mapping {
    fn new(ssrc: u32, first_in: i64, first_out: i64, timestamp_offset: u32) -> Self {
        let mut shifts = [None; SHIFTS];
        if let Some(slot) = shifts.first_mut() {
            *slot = Some(Shift { swallowed_from: i64::MIN, from: i64::MIN, by: first_out - first_in });
        }
        Mapping { ssrc, shifts, newest: 0, highest_in: first_in - 1, timestamp_offset }
    }

    fn newest(&self) -> Shift {
        let fallback = Shift { swallowed_from: i64::MIN, from: i64::MIN, by: 0 };
        self.shifts.get(self.newest).copied().flatten().unwrap_or(fallback)
    }

    /// The shift that holds for an incoming sequence number, looking back from the newest.
    fn shift(&self, sequence: i64) -> Option<i64> {
        let mut at = self.newest;
        for _ in 0..SHIFTS {
            let shift = self.shifts.get(at).copied().flatten()?;
            if sequence >= shift.from {
                return Some(shift.by);
            }
            if sequence >= shift.swallowed_from {
                return None;
            }
            at = (at + SHIFTS - 1) % SHIFTS;
        }
        None
    }

    fn swallow(&mut self, sequence: i64) {
        let newest = self.newest();
        if sequence <= self.highest_in {
            return;
        }
        // What was lost inside a run of swallowed packets is taken for one of them.
        const RUN: i64 = 4;
        let run_goes_on = newest.from != i64::MIN
            && newest.swallowed_from < newest.from
            && sequence - newest.from <= RUN
            && self.highest_in < newest.from;
        let first = if run_goes_on { newest.from } else { sequence };
        let shift = Shift {
            swallowed_from: if run_goes_on { newest.swallowed_from } else { sequence },
            from: sequence + 1,
            by: newest.by - (sequence + 1 - first),
        };
        self.highest_in = sequence;
        match run_goes_on {
            true => self.replace_newest(shift),
            false => self.push(shift),
        }
    }

    fn insert(&mut self) {
        let newest = self.newest();
        let from = self.highest_in + 1;
        match newest.from == from {
            true => self.replace_newest(Shift { by: newest.by + 1, ..newest }),
            false => self.push(Shift { swallowed_from: from, from, by: newest.by + 1 }),
        }
    }

    fn replace_newest(&mut self, shift: Shift) {
        if let Some(slot) = self.shifts.get_mut(self.newest) {
            *slot = Some(shift);
        }
    }

    fn push(&mut self, shift: Shift) {
        self.newest = (self.newest + 1) % SHIFTS;
        self.replace_newest(shift);
    }
}

#[cfg(test)]
mod tests {
    use super::super::receive::Place;
    use super::*;
    use proptest::prelude::*;

    fn packet(sequence: i64) -> Extended {
        Extended { place: Place::InOrder, sequence, timestamp: sequence * 160 }
    }

    fn out(sender: &mut Sender, sequence: i64) -> Option<u16> {
        sender.map(1, packet(sequence), (sequence * 160) as u32, Time(0)).map(|(sequence, _)| sequence)
    }

    #[test]
    fn swallowed_packets_leave_no_hole_and_lost_ones_do() {
        let mut sender = Sender::new(9, 100, 0);
        assert_eq!(out(&mut sender, 10), Some(101));
        assert_eq!(out(&mut sender, 11), Some(102));
        sender.swallow(1, packet(12));
        sender.swallow(1, packet(13));
        assert_eq!(out(&mut sender, 14), Some(103));
        assert_eq!(out(&mut sender, 16), Some(105), "15 was lost on the way to us");
        assert_eq!(out(&mut sender, 15), Some(104), "and comes late into its place");
    }

    #[test]
    fn a_packet_lost_among_swallowed_ones_counts_as_swallowed() {
        let mut sender = Sender::new(9, 100, 0);
        assert_eq!(out(&mut sender, 10), Some(101));
        sender.swallow(1, packet(11));
        sender.swallow(1, packet(13));
        assert_eq!(out(&mut sender, 14), Some(102));
        assert_eq!(out(&mut sender, 12), None, "its place is gone");
    }

    #[test]
    fn inserted_packets_push_the_rest_back() {
        let mut sender = Sender::new(9, 100, 0);
        assert_eq!(out(&mut sender, 10), Some(101));
        assert_eq!(sender.insert(0, Time(0)), 102);
        assert_eq!(sender.insert(0, Time(0)), 103);
        assert_eq!(out(&mut sender, 11), Some(104));
    }

    #[test]
    fn a_new_stream_goes_on_where_the_old_one_was() {
        let mut sender = Sender::new(9, 100, 5_000);
        let first = sender.map(1, packet(10), 1_600, Time(0));
        assert_eq!(first, Some((101, 5_000)));
        let second = sender.map(2, packet(77), 900_000, Time(20_000));
        assert_eq!(second, Some((102, 5_160)));
    }

    proptest! {
        /// In order and without loss, any mix of relayed, swallowed and inserted packets comes
        /// out with consecutive sequence numbers.
        #[test]
        fn without_loss_the_outgoing_sequence_has_no_hole(steps in proptest::collection::vec(0u8..3, 1..200)) {
            let mut sender = Sender::new(9, 65_500, 0);
            let mut incoming = 65_530i64;
            let first = out(&mut sender, incoming).unwrap();
            let mut expected = first;
            for step in steps {
                match step {
                    0 => {
                        incoming += 1;
                        expected = expected.wrapping_add(1);
                        prop_assert_eq!(out(&mut sender, incoming), Some(expected));
                    }
                    1 => {
                        incoming += 1;
                        sender.swallow(1, packet(incoming));
                    }
                    _ => {
                        expected = expected.wrapping_add(1);
                        prop_assert_eq!(sender.insert(0, Time(0)), expected);
                    }
                }
            }
        }
    }
}
