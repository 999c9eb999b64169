//! What a phone hears, placed by RTP timestamp.

use crate::base::{Rate, Samples, Time};
use crate::rtp::Unwrap32;

/// Packets that were sent before the first one may come up to this much later, in samples.
const BEFORE_FIRST: usize = 8_000;

/// Decoded samples of one stream after another. What never came is silence.
#[derive(Debug, Default)]
pub(super) struct Heard {
    samples: Vec<i16>,
    limit: usize,
    first_arrival: Option<Time>,
    stream: Option<Stream>,
}

/// The sender's clock, tied to a position.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    clock: Unwrap32,
    /// Extended timestamp of position 0; below the first packet's for a later stream.
    origin: i64,
}

impl Heard {
    pub(super) fn new(limit: Samples) -> Self {
        Heard { limit: usize::try_from(limit.0).unwrap_or(usize::MAX), ..Heard::default() }
    }

    pub(super) fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Puts a packet in its place. A new SSRC begins a stream, which is placed by arrival.
    pub(super) fn place(&mut self, ssrc: u32, timestamp: u32, now: Time, decoded: impl ExactSizeIterator<Item = i16>) {
        if self.limit == 0 {
            return;
        }
        let first_arrival = *self.first_arrival.get_or_insert(now);
        if self.stream.as_ref().is_none_or(|stream| stream.ssrc != ssrc) {
            let arrived = i64::try_from(Rate::NARROW.samples(now.since(first_arrival)).0).unwrap_or(i64::MAX);
            let mut clock = Unwrap32::default();
            let origin = clock.extend(timestamp).saturating_sub(arrived);
            self.stream = Some(Stream { ssrc, clock, origin });
        }
        let Some(stream) = &mut self.stream else { return };
        let at = stream.clock.extend(timestamp) - stream.origin;
        let at = match usize::try_from(at) {
            Ok(at) => at,
            Err(_) => {
                let missing = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
                if missing > BEFORE_FIRST {
                    return;
                }
                self.samples.splice(0..0, std::iter::repeat_n(0, missing));
                stream.origin += at;
                0
            }
        };
        self.write(at, decoded);
    }

    fn write(&mut self, at: usize, decoded: impl ExactSizeIterator<Item = i16>) {
        let end = at.saturating_add(decoded.len()).min(self.limit);
        if self.samples.len() < end {
            self.samples.resize(end, 0);
        }
        for (place, sample) in self.samples.iter_mut().skip(at).zip(decoded) {
            *place = sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (ssrc, timestamp, arrival in ms, value) as packets of 160 samples.
    fn heard(rows: &[(u32, u32, u64, i16)]) -> Vec<(i16, usize)> {
        let mut heard = Heard::new(Samples(8_000));
        for &(ssrc, timestamp, ms, value) in rows {
            heard.place(ssrc, timestamp, Time(ms * 1_000), [value; 160].into_iter());
        }
        let mut runs: Vec<(i16, usize)> = Vec::new();
        for sample in heard.samples() {
            match runs.last_mut() {
                Some((value, length)) if value == sample => *length += 1,
                _ => runs.push((*sample, 1)),
            }
        }
        runs
    }

    #[test]
    fn every_packet_stands_where_its_timestamp_says() {
        type Row = (&'static str, &'static [(u32, u32, u64, i16)], &'static [(i16, usize)]);
        let rows: [Row; 7] = [
            ("in order", &[(1, 1_000, 0, 1), (1, 1_160, 20, 2)], &[(1, 160), (2, 160)]),
            ("a loss is silence", &[(1, 0, 0, 1), (1, 320, 40, 3)], &[(1, 160), (0, 160), (3, 160)]),
            ("reordered", &[(1, 0, 0, 1), (1, 320, 40, 3), (1, 160, 41, 2)], &[(1, 160), (2, 160), (3, 160)]),
            ("before the first", &[(1, 160, 0, 2), (1, 0, 1, 1)], &[(1, 160), (2, 160)]),
            ("twice", &[(1, 0, 0, 1), (1, 0, 1, 1)], &[(1, 160)]),
            ("the timestamp wraps", &[(1, u32::MAX - 79, 0, 1), (1, 80, 20, 2)], &[(1, 160), (2, 160)]),
            ("another stream by arrival", &[(1, 0, 0, 1), (2, 90_000, 40, 3)], &[(1, 160), (0, 160), (3, 160)]),
        ];
        for (name, packets, expected) in rows {
            assert_eq!(heard(packets), expected, "{name}");
        }
    }

    #[test]
    fn no_more_is_kept_than_was_asked_for() {
        let mut heard = Heard::new(Samples(200));
        heard.place(1, 0, Time(0), [1; 160].into_iter());
        heard.place(1, 160, Time(0), [2; 160].into_iter());
        heard.place(1, 1_600_000, Time(0), [3; 160].into_iter());
        assert_eq!(heard.samples().len(), 200);
        let mut deaf = Heard::new(Samples(0));
        deaf.place(1, 0, Time(0), [1; 160].into_iter());
        assert!(deaf.samples().is_empty());
    }
}
