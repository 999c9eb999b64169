//! How the payload of an RTP stream is coded: names, clocks, and how long a payload lasts.

use super::Law;
use crate::base::Rate;

/// A coding of audio, as the media path knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    G711(Law),
    /// 64 kbit/s. Samples at 16 kHz under an RTP clock of 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// RFC 6716 in RTP (RFC 7587): clock 48 kHz, mono or stereo from packet to packet.
    Opus,
    /// With annex B: a payload may end in a frame of two bytes of comfort noise.
    G729,
    /// Comfort noise (RFC 3389): a level and a spectrum instead of samples.
    Noise,
    /// One that we lack: it can be passed through, never decoded. Its RTP clock in Hz.
    Foreign {
        clock: u32,
    },
}

impl Coding {
    pub const PCMU: Coding = Coding::G711(Law::Mu);
    pub const PCMA: Coding = Coding::G711(Law::A);

    /// The coding that an `a=rtpmap` names, where we have it.
    pub fn named(name: &str, clock: u32, channels: u8) -> Option<Self> {
        let known = [
            ("PCMU", 8_000, 1, Coding::PCMU),
            ("PCMA", 8_000, 1, Coding::PCMA),
            ("G722", 8_000, 1, Coding::G722),
            ("opus", 48_000, 2, Coding::Opus),
            ("G729", 8_000, 1, Coding::G729),
            ("CN", 8_000, 1, Coding::Noise),
        ];
        let same = |row: &&(&str, u32, u8, Coding)| {
            row.0.eq_ignore_ascii_case(name) && row.1 == clock && row.2 == channels.max(1)
        };
        known.iter().find(same).map(|row| row.3)
    }

    /// Ticks per second of its RTP timestamps.
    pub const fn clock(self) -> Rate {
        match self {
            Coding::G711(_) | Coding::G722 | Coding::G729 | Coding::Noise => Rate::NARROW,
            Coding::Opus => Rate::FULL,
            Coding::Foreign { clock } => Rate(clock),
        }
    }

    /// The sampling rate that it can carry.
    pub const fn bandwidth(self) -> Rate {
        match self {
            Coding::G711(_) | Coding::G729 | Coding::Noise | Coding::Foreign { .. } => Rate::NARROW,
            Coding::G722 => Rate::WIDE,
            Coding::Opus => Rate::FULL,
        }
    }

    /// The rate of a recording of two parties: what the poorer of them carries.
    pub fn rate_of_both(one: Coding, other: Coding) -> Rate {
        let (one, other) = (one.bandwidth(), other.bandwidth());
        if one.0 <= other.0 { one } else { other }
    }

    /// Whether a payload can be decoded into samples.
    pub const fn has_samples(self) -> bool {
        match self {
            Coding::G711(_) | Coding::G722 | Coding::Opus | Coding::G729 => true,
            Coding::Noise | Coding::Foreign { .. } => false,
        }
    }

    /// How long a payload lasts, in ticks of the RTP clock; 0 for comfort noise and for what we
    /// lack. `None`: it is malformed.
    pub fn ticks(self, payload: &[u8]) -> Option<u32> {
        match self {
            Coding::G711(_) | Coding::G722 => u32::try_from(payload.len()).ok(),
            Coding::Opus => opus_ticks(payload),
            Coding::G729 => g729_ticks(payload.len()),
            Coding::Noise | Coding::Foreign { .. } => Some(0),
        }
    }

    /// Whether a payload can be cut at any tick: one byte is one tick.
    pub const fn is_bytewise(self) -> bool {
        matches!(self, Coding::G711(_) | Coding::G722)
    }

    /// One byte for the ring between two threads; a foreign coding loses its clock there.
    pub const fn code(self) -> u8 {
        match self {
            Coding::G711(Law::Mu) => 0,
            Coding::G711(Law::A) => 1,
            Coding::G722 => 2,
            Coding::Opus => 3,
            Coding::G729 => 4,
            Coding::Noise => 5,
            Coding::Foreign { .. } => 6,
        }
    }

    /// What [`Coding::code`] stands for.
    pub const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Coding::PCMU),
            1 => Some(Coding::PCMA),
            2 => Some(Coding::G722),
            3 => Some(Coding::Opus),
            4 => Some(Coding::G729),
            5 => Some(Coding::Noise),
            6 => Some(Coding::Foreign { clock: 8_000 }),
            _ => None,
        }
    }
}

/// 10 bytes are 10 ms; two bytes at the end are a frame of comfort noise (RFC 3551 §4.5.6).
fn g729_ticks(bytes: usize) -> Option<u32> {
    let frames = match bytes % 10 {
        0 | 2 if bytes > 0 => bytes.div_ceil(10),
        _ => return None,
    };
    u32::try_from(frames * 80).ok().filter(|ticks| *ticks <= OPUS_MOST)
}

/// 120 ms at 48 kHz: no packet lasts longer (RFC 6716 §3.2.5, R5).
const OPUS_MOST: u32 = 5_760;

/// Frames times their length (RFC 6716 §3.1, §3.2).
fn opus_ticks(payload: &[u8]) -> Option<u32> {
    let (toc, rest) = payload.split_first()?;
    let configuration = toc >> 3;
    let frame = match (configuration, configuration & 3) {
        (0..12, 0) | (12..16, 0 | 2) => 480,
        (0..12, 1) | (12..16, _) => 960,
        (0..12, 2) => 1_920,
        (0..12, _) => 2_880,
        (_, 0) => 120,
        (_, 1) => 240,
        (_, 2) => 480,
        (_, _) => 960,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    Some(frames * frame).filter(|ticks| (1..=OPUS_MOST).contains(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sdp_are_known_with_clock_and_channels() {
        let rows = [
            ("PCMU", 8_000, 1, Some(Coding::PCMU)),
            ("pcma", 8_000, 0, Some(Coding::PCMA)),
            ("G722", 8_000, 1, Some(Coding::G722)),
            ("G722", 16_000, 1, None),
            ("OPUS", 48_000, 2, Some(Coding::Opus)),
            ("opus", 48_000, 1, None),
            ("G729", 8_000, 1, Some(Coding::G729)),
            ("iLBC", 8_000, 1, None),
        ];
        for (name, clock, channels, coding) in rows {
            assert_eq!(Coding::named(name, clock, channels), coding, "{name}/{clock}/{channels}");
        }
    }

    #[test]
    fn a_payload_lasts_as_long_as_its_frames() {
        let rows: [(Coding, &[u8], Option<u32>); 13] = [
            (Coding::PCMU, &[0; 160], Some(160)),
            (Coding::G722, &[0; 160], Some(160)),
            (Coding::G729, &[0; 20], Some(160)),
            (Coding::G729, &[0; 12], Some(160)),
            (Coding::G729, &[0; 2], Some(80)),
            (Coding::G729, &[0; 3], None),
            (Coding::Opus, &[], None),
            // SILK wideband 20 ms, one frame; CELT fullband 2.5 ms, two; SILK 60 ms, two.
            (Coding::Opus, &[9 << 3, 0], Some(960)),
            (Coding::Opus, &[(28 << 3) | 1, 0, 0], Some(240)),
            (Coding::Opus, &[(11 << 3) | 1, 0, 0], Some(5_760)),
            // Hybrid 10 ms, three frames; no frame at all; more than 120 ms.
            (Coding::Opus, &[(12 << 3) | 3, 3, 0], Some(1_440)),
            (Coding::Opus, &[(12 << 3) | 3, 0], None),
            (Coding::Opus, &[(11 << 3) | 3, 3, 0], None),
        ];
        for (coding, payload, ticks) in rows {
            assert_eq!(coding.ticks(payload), ticks, "{coding:?} {:02x?}", payload.get(..2));
        }
    }

    #[test]
    fn a_recording_has_the_rate_of_the_poorer_leg() {
        let rows = [
            (Coding::PCMU, Coding::Opus, Rate::NARROW),
            (Coding::G722, Coding::G722, Rate::WIDE),
            (Coding::Opus, Coding::G722, Rate::WIDE),
            (Coding::Opus, Coding::Opus, Rate::FULL),
        ];
        for (one, other, rate) in rows {
            assert_eq!(Coding::rate_of_both(one, other), rate, "{one:?} {other:?}");
        }
    }

    #[test]
    fn every_coding_survives_its_code() {
        for code in 0..7 {
            assert_eq!(Coding::of_code(code).map(Coding::code), Some(code));
        }
        assert_eq!(Coding::of_code(7), None);
    }
}
