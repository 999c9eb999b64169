//! Telephone events (RFC 4733): one key press is one digit, however it arrives.

/// The payload of a telephone event (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// 0 to 15 are the DTMF keys.
    pub event: u8,
    pub end: bool,
    /// −dBm0, 0 to 63.
    pub volume: u8,
    /// In ticks of the event's clock.
    pub duration: u16,
}

impl EventPayload {
    pub fn parse(payload: &[u8]) -> Option<Self> {
        match payload {
            [event, flags, d0, d1, ..] => Some(EventPayload {
                event: *event,
                end: flags & 0x80 != 0,
                volume: flags & 0x3f,
                duration: u16::from_be_bytes([*d0, *d1]),
            }),
            _ => None,
        }
    }

    pub const fn to_bytes(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, ((self.end as u8) << 7) | (self.volume & 0x3f), d0, d1]
    }
}

/// The key of an event code (RFC 4733 §3.2): `0-9`, `*`, `#`, `A-D`.
pub fn key_of_event(event: u8) -> Option<u8> {
    b"0123456789*#ABCD".get(usize::from(event)).copied()
}

/// The event code of a key, in either case.
pub fn event_of_key(key: u8) -> Option<u8> {
    let key = key.to_ascii_uppercase();
    b"0123456789*#ABCD".iter().position(|k| *k == key).and_then(|at| u8::try_from(at).ok())
}

/// A new key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPress {
    /// `0-9`, `*`, `#`, `A-D`.
    pub key: u8,
    /// RTP timestamp at which the key went down.
    pub timestamp: u32,
}

/// What an event packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first packet of a press that has come (its marker may be lost).
    Press(KeyPress),
    /// The press goes on: its length so far, in ticks of the event's clock.
    Going { length: u32 },
    /// The press has ended, with this length. Retransmissions say it again.
    Ended { length: u32 },
    /// A packet of a press that is over, or no DTMF key.
    Old,
}

/// How many presses back a late packet is still recognised.
const REMEMBERED: usize = 8;

/// Turns event packets into presses.
///
/// A press is known by its timestamp. A long press goes on in segments (RFC 4733 §2.5.1.3):
/// the next timestamp is the last one plus the last duration, without a marker.
#[derive(Clone, Debug, Default)]
pub struct KeyDetector {
    current: Option<Current>,
    /// Timestamps of presses and segments that were seen, newest overwrites oldest.
    seen: [Option<(u32, u8)>; REMEMBERED],
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    event: u8,
    /// Of the press.
    started: u32,
    /// Of the segment that is going on.
    segment: u32,
    duration: u16,
    ended: bool,
}

impl KeyDetector {
    pub fn handle(&mut self, marker: bool, timestamp: u32, payload: EventPayload) -> Seen {
        let Some(key) = key_of_event(payload.event) else {
            return Seen::Old;
        };
        if let Some(current) = &mut self.current {
            if current.segment == timestamp && current.event == payload.event {
                return current.update(payload);
            }
            if current.continues(marker, timestamp, payload.event) {
                current.segment = timestamp;
                current.duration = payload.duration;
                current.ended = payload.end;
                let seen = current.seen();
                self.remember(timestamp, payload.event);
                return seen;
            }
        }
        if self.seen.contains(&Some((timestamp, payload.event))) {
            return Seen::Old;
        }
        self.remember(timestamp, payload.event);
        self.current = Some(Current {
            event: payload.event,
            started: timestamp,
            segment: timestamp,
            duration: payload.duration,
            ended: payload.end,
        });
        Seen::Press(KeyPress { key, timestamp })
    }

    /// How long the press that is known last has gone on, and whether it has ended.
    pub fn length(&self) -> Option<(u32, bool)> {
        self.current.map(|current| (current.length(), current.ended))
    }

    fn remember(&mut self, timestamp: u32, event: u8) {
        if let Some(slot) = self.seen.get_mut(self.next) {
            *slot = Some((timestamp, event));
        }
        self.next = (self.next + 1) % REMEMBERED;
    }
}

impl Current {
    /// A further packet of this segment; a late one never shortens it.
    fn update(&mut self, payload: EventPayload) -> Seen {
        self.duration = self.duration.max(payload.duration);
        self.ended |= payload.end;
        self.seen()
    }

    fn seen(&self) -> Seen {
        match self.ended {
            true => Seen::Ended { length: self.length() },
            false => Seen::Going { length: self.length() },
        }
    }

    fn length(&self) -> u32 {
        self.segment.wrapping_sub(self.started).wrapping_add(u32::from(self.duration))
    }

    /// Whether an event that starts at `timestamp` is the next segment of this press. A segment
    /// follows only where the one before ran to the end of its 16-bit duration, nearly.
    fn continues(&self, marker: bool, timestamp: u32, event: u8) -> bool {
        const NEARLY_FULL: u32 = 0xffff - 2 * 480;
        let ahead = timestamp.wrapping_sub(self.segment);
        !marker && !self.ended && event == self.event && (NEARLY_FULL..=0xffff).contains(&ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(event: u8, end: bool, duration: u16) -> EventPayload {
        EventPayload { event, end, volume: 10, duration }
    }

    /// Feeds (marker, timestamp, event, end, duration) and returns the keys pressed.
    fn keys(rows: &[(bool, u32, u8, bool, u16)]) -> String {
        let mut detector = KeyDetector::default();
        rows.iter()
            .filter_map(|&(marker, ts, event, end, duration)| {
                match detector.handle(marker, ts, packet(event, end, duration)) {
                    Seen::Press(press) => Some(char::from(press.key)),
                    Seen::Going { .. } | Seen::Ended { .. } | Seen::Old => None,
                }
            })
            .collect()
    }

    #[test]
    fn one_press_is_one_digit() {
        let rows: &[(&str, &[(bool, u32, u8, bool, u16)], &str)] = &[
            ("plain", &[(true, 100, 1, false, 160), (false, 100, 1, false, 320), (false, 100, 1, true, 480)], "1"),
            (
                "end three times",
                &[
                    (true, 100, 1, false, 160),
                    (false, 100, 1, true, 320),
                    (false, 100, 1, true, 320),
                    (false, 100, 1, true, 320),
                ],
                "1",
            ),
            ("lost marker", &[(false, 100, 11, false, 320), (false, 100, 11, true, 480)], "#"),
            ("lost end", &[(true, 100, 1, false, 160), (true, 2000, 1, false, 160)], "11"),
            ("only the end came", &[(false, 100, 10, true, 800)], "*"),
            (
                "late packet of the press before",
                &[(true, 100, 1, true, 160), (true, 900, 2, true, 160), (false, 100, 1, true, 160)],
                "12",
            ),
            (
                "segments of a long press",
                &[(true, 0, 5, false, 0xff00), (false, 0xffff, 5, false, 160), (false, 0xffff, 5, true, 320)],
                "5",
            ),
            ("same key again after an end", &[(true, 0, 5, true, 0xffff), (true, 0xffff, 5, true, 320)], "55"),
            ("not a DTMF key", &[(true, 0, 32, true, 400)], ""),
            (
                "wrap of the timestamp",
                &[(true, u32::MAX - 10, 3, false, 160), (false, u32::MAX - 10, 3, true, 320)],
                "3",
            ),
        ];
        for (name, packets, expected) in rows {
            assert_eq!(&keys(packets), expected, "{name}");
        }
    }

    #[test]
    fn an_event_payload_survives_a_round_trip() {
        let payload = packet(11, true, 1_280);
        assert_eq!(EventPayload::parse(&payload.to_bytes()), Some(payload));
        assert_eq!(EventPayload::parse(&[1, 2, 3]), None);
    }

    #[test]
    fn keys_and_events_are_each_others_inverse() {
        for event in 0..16 {
            assert_eq!(key_of_event(event).and_then(event_of_key), Some(event));
        }
        assert_eq!(event_of_key(b'd'), Some(15));
        assert_eq!(key_of_event(16), None);
    }
}
