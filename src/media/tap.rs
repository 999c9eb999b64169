//! What the tap hands to the recorder, and its form in the ring between the two threads.

use crate::audio::Coding;
use crate::base::{Side, Span, Time};

/// One event on the tap of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapEvent<'a> {
    /// Samples that the gate let through; comfort noise comes as it was sent.
    Frame { side: Side, coding: Coding, ssrc: u32, sequence: u16, timestamp: u32, arrival: Time, payload: &'a [u8] },
    /// The gate moved. `timestamp` is the place in the stream of `side` where the key that moved
    /// it went down; `None` where it moved for both legs at `at`.
    Gate { open: bool, at: Time, edge: Option<(Side, u32, u32)> },
    /// A key is down on `side` from `timestamp` for `length` ticks so far: that stretch is blanked.
    Key { side: Side, ssrc: u32, timestamp: u32, length: u32, first: bool },
    /// A party was put on hold, or taken back.
    Hold { side: Side, on: bool, at: Time },
    /// From here on another party, of this name, is on that side.
    Joined { side: Side, at: Time, name: &'a [u8] },
    /// The outside party does not want to be recorded: nothing of the recording remains, or where
    /// it came later, nothing from `since` on.
    Refused { since: Option<Time>, at: Time },
    /// The call has ended.
    End { at: Time },
}

impl<'a> TapEvent<'a> {
    /// What follows the fixed part in the ring.
    pub const fn payload(&self) -> &'a [u8] {
        match *self {
            TapEvent::Frame { payload, .. } => payload,
            TapEvent::Joined { name, .. } => name,
            TapEvent::Gate { .. }
            | TapEvent::Key { .. }
            | TapEvent::Hold { .. }
            | TapEvent::Refused { .. }
            | TapEvent::End { .. } => &[],
        }
    }

    /// Whether a full ring may lose it: its place becomes marked silence.
    pub const fn may_be_lost(&self) -> bool {
        match self {
            TapEvent::Frame { .. } => true,
            TapEvent::Joined { .. }
            | TapEvent::Gate { .. }
            | TapEvent::Key { .. }
            | TapEvent::Hold { .. }
            | TapEvent::Refused { .. }
            | TapEvent::End { .. } => false,
        }
    }
}

/// Length of an event without payload in the ring, in bytes.
pub const TAP_HEADER: usize = 32;

/// Writes an event's fixed part. The payload follows it in the ring.
///
/// ```text
/// 0 kind  1 side/coding/flag bits  2..4 payload length  4..8 call slot  8..12 ssrc
/// 12..16 timestamp  16..18 sequence  18..22 length  24..32 time in µs
/// ```
pub fn encode_tap(slot: u32, event: &TapEvent<'_>) -> [u8; TAP_HEADER] {
    let fields = match *event {
        TapEvent::Frame { side, coding, ssrc, sequence, timestamp, arrival, payload } => Fields {
            kind: 0,
            bits: side_bit(side) | (coding.code() << 1),
            payload: payload.len(),
            ssrc,
            timestamp,
            sequence,
            length: 0,
            time: arrival.0,
        },
        TapEvent::Gate { open, at, edge } => {
            let (side, ssrc, timestamp) = edge.unwrap_or((Side::Caller, 0, 0));
            let bits = side_bit(side) | (u8::from(open) << 1) | (u8::from(edge.is_some()) << 2);
            Fields { kind: 1, bits, payload: 0, ssrc, timestamp, sequence: 0, length: 0, time: at.0 }
        }
        TapEvent::Key { side, ssrc, timestamp, length, first } => Fields {
            kind: 2,
            bits: side_bit(side) | (u8::from(first) << 1),
            payload: 0,
            ssrc,
            timestamp,
            sequence: 0,
            length,
            time: 0,
        },
        TapEvent::Hold { side, on, at } => Fields {
            kind: 3,
            bits: side_bit(side) | (u8::from(on) << 1),
            payload: 0,
            ssrc: 0,
            timestamp: 0,
            sequence: 0,
            length: 0,
            time: at.0,
        },
        TapEvent::Joined { side, at, name } => Fields {
            kind: 5,
            bits: side_bit(side),
            payload: name.len(),
            ssrc: 0,
            timestamp: 0,
            sequence: 0,
            length: 0,
            time: at.0,
        },
        TapEvent::Refused { since, at } => Fields {
            kind: 6,
            bits: u8::from(since.is_some()) << 1,
            payload: 0,
            ssrc: 0,
            timestamp: 0,
            sequence: 0,
            // In µs: a notice and the time to refuse it are far shorter than the hour that fits.
            length: since.map_or(0, |since| u32::try_from(at.since(since).0).unwrap_or(u32::MAX)),
            time: at.0,
        },
        TapEvent::End { at } => {
            Fields { kind: 4, bits: 0, payload: 0, ssrc: 0, timestamp: 0, sequence: 0, length: 0, time: at.0 }
        }
    };
    fields.write(slot)
}

struct Fields {
    kind: u8,
    bits: u8,
    payload: usize,
    ssrc: u32,
    timestamp: u32,
    sequence: u16,
    length: u32,
    time: u64,
}

impl Fields {
    fn write(self, slot: u32) -> [u8; TAP_HEADER] {
        let Fields { kind, bits, payload, ssrc, timestamp, sequence, length, time } = self;
        let [p0, p1] = u16::try_from(payload).unwrap_or(u16::MAX).to_le_bytes();
        let [c0, c1, c2, c3] = slot.to_le_bytes();
        let [r0, r1, r2, r3] = ssrc.to_le_bytes();
        let [t0, t1, t2, t3] = timestamp.to_le_bytes();
        let [s0, s1] = sequence.to_le_bytes();
        let [l0, l1, l2, l3] = length.to_le_bytes();
        let [a0, a1, a2, a3, a4, a5, a6, a7] = time.to_le_bytes();
        [
            kind, bits, p0, p1, c0, c1, c2, c3, r0, r1, r2, r3, t0, t1, t2, t3, s0, s1, l0, l1, l2, l3, 0, 0, a0, a1,
            a2, a3, a4, a5, a6, a7,
        ]
    }
}

const fn side_bit(side: Side) -> u8 {
    match side {
        Side::Caller => 0,
        Side::Callee => 1,
    }
}

/// How many payload bytes follow an event's fixed part.
pub const fn payload_length(header: &[u8; TAP_HEADER]) -> usize {
    let [_, _, p0, p1, ..] = *header;
    u16::from_le_bytes([p0, p1]) as usize
}

/// Reads what [`encode_tap`] wrote: the call's slot and the event.
pub fn decode_tap<'a>(header: &[u8; TAP_HEADER], payload: &'a [u8]) -> Option<(u32, TapEvent<'a>)> {
    let [
        kind,
        bits,
        _,
        _,
        c0,
        c1,
        c2,
        c3,
        r0,
        r1,
        r2,
        r3,
        t0,
        t1,
        t2,
        t3,
        s0,
        s1,
        l0,
        l1,
        l2,
        l3,
        _,
        _,
        a0,
        a1,
        a2,
        a3,
        a4,
        a5,
        a6,
        a7,
    ] = *header;
    let slot = u32::from_le_bytes([c0, c1, c2, c3]);
    let ssrc = u32::from_le_bytes([r0, r1, r2, r3]);
    let timestamp = u32::from_le_bytes([t0, t1, t2, t3]);
    let time = Time(u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]));
    let side = if bits & 1 == 0 { Side::Caller } else { Side::Callee };
    let flag = bits & 2 != 0;
    let event = match kind {
        0 => TapEvent::Frame {
            side,
            coding: Coding::of_code(bits >> 1)?,
            ssrc,
            sequence: u16::from_le_bytes([s0, s1]),
            timestamp,
            arrival: time,
            payload,
        },
        1 => TapEvent::Gate { open: flag, at: time, edge: (bits & 4 != 0).then_some((side, ssrc, timestamp)) },
        2 => TapEvent::Key { side, ssrc, timestamp, length: u32::from_le_bytes([l0, l1, l2, l3]), first: flag },
        3 => TapEvent::Hold { side, on: flag, at: time },
        4 => TapEvent::End { at: time },
        5 => TapEvent::Joined { side, at: time, name: payload },
        6 => {
            let before = Span(u64::from(u32::from_le_bytes([l0, l1, l2, l3])));
            TapEvent::Refused { since: flag.then(|| time - before), at: time }
        }
        _ => return None,
    };
    Some((slot, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_survives_the_ring() {
        let payload = [1u8, 2, 3];
        let events = [
            TapEvent::Frame {
                side: Side::Callee,
                coding: Coding::Opus,
                ssrc: 7,
                sequence: 65_535,
                timestamp: u32::MAX,
                arrival: Time(u64::MAX),
                payload: &payload,
            },
            TapEvent::Frame {
                side: Side::Caller,
                coding: Coding::PCMU,
                ssrc: 7,
                sequence: 1,
                timestamp: 2,
                arrival: Time(3),
                payload: &payload,
            },
            TapEvent::Gate { open: true, at: Time(9), edge: None },
            TapEvent::Gate { open: false, at: Time(9), edge: Some((Side::Callee, 5, 6)) },
            TapEvent::Key { side: Side::Caller, ssrc: 1, timestamp: 2, length: 70_000, first: true },
            TapEvent::Hold { side: Side::Callee, on: true, at: Time(4) },
            TapEvent::Joined { side: Side::Callee, at: Time(4), name: &payload },
            TapEvent::Refused { since: None, at: Time(5) },
            TapEvent::Refused { since: Some(Time(5)), at: Time(9_000_000) },
            TapEvent::End { at: Time(5) },
        ];
        for event in events {
            let header = encode_tap(77, &event);
            let with = &payload[..payload_length(&header)];
            assert_eq!(decode_tap(&header, with), Some((77, event)));
        }
    }
}
