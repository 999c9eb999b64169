//! RTCP reports (RFC 3550 §6.4), made anew for each leg.
//!
//! The `rtcp` crate marshals and unmarshals; as published it panics on some malformed packets,
//! so [`valid`] stands before it.

use rtcp::goodbye::Goodbye;
use rtcp::packet::Packet;
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;
use rtcp::source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem};
use webrtc_util::marshal::Unmarshal;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;

/// What we say of the packets that we sent on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// NTP timestamp (RFC 3550 §4): 32.32 bits of seconds since 1900.
    pub ntp: u64,
    /// Our RTP clock at the same moment.
    pub rtp_time: u32,
    pub packets: u32,
    pub octets: u32,
}

/// What we say of the packets that we received on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// 24 bits.
    pub lost: u32,
    pub highest_sequence: u32,
    /// In ticks of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last sender report; 0 for none.
    pub last_sr: u32,
    /// Since that report, in 1/65536 s.
    pub delay: u32,
}

/// A compound packet: SR (or RR where nothing was sent), SDES with our CNAME, BYE at the end.
pub fn report(ssrc: u32, cname: &str, sent: Option<Sent>, received: Option<Received>, bye: bool) -> Vec<u8> {
    let reports: Vec<ReceptionReport> = received.into_iter().map(reception).collect();
    let first: Box<dyn Packet + Send + Sync> = match sent {
        Some(sent) => Box::new(SenderReport {
            ssrc,
            ntp_time: sent.ntp,
            rtp_time: sent.rtp_time,
            packet_count: sent.packets,
            octet_count: sent.octets,
            reports,
            ..Default::default()
        }),
        None => Box::new(ReceiverReport { ssrc, reports, ..Default::default() }),
    };
    let description = SourceDescription {
        chunks: vec![SourceDescriptionChunk {
            source: ssrc,
            items: vec![SourceDescriptionItem {
                sdes_type: SdesType::SdesCname,
                text: bytes::Bytes::copy_from_slice(cname.as_bytes()),
            }],
        }],
    };
    let mut packets: Vec<Box<dyn Packet + Send + Sync>> = vec![first, Box::new(description)];
    if bye {
        packets.push(Box::new(Goodbye { sources: vec![ssrc], ..Default::default() }));
    }
    packets.iter().filter_map(|packet| packet.marshal().ok()).flat_map(|bytes| bytes.to_vec()).collect()
}

fn reception(received: Received) -> ReceptionReport {
    ReceptionReport {
        ssrc: received.ssrc,
        fraction_lost: received.fraction_lost,
        total_lost: received.lost.min(0x00ff_ffff),
        last_sequence_number: received.highest_sequence,
        jitter: received.jitter,
        last_sender_report: received.last_sr,
        delay: received.delay,
    }
}

/// What a far side told us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Middle 32 bits of the NTP timestamp of its sender report.
    pub sender_report: Option<u32>,
    /// Its view of our stream: (share lost in 1/256, jitter in ticks).
    pub reception: Option<(u8, u32)>,
}

/// Reads a compound packet; `None` when it is not valid RTCP.
pub fn read(bytes: &[u8]) -> Option<Heard> {
    if !valid(bytes) {
        return None;
    }
    let mut heard = Heard::default();
    for (kind, packet) in Packets(bytes) {
        let mut content = packet;
        match kind {
            SENDER_REPORT => {
                let report = SenderReport::unmarshal(&mut content).ok()?;
                heard.sender_report = Some((report.ntp_time >> 16) as u32);
                heard.reception = report.reports.first().map(|r| (r.fraction_lost, r.jitter)).or(heard.reception);
            }
            RECEIVER_REPORT => {
                let report = ReceiverReport::unmarshal(&mut content).ok()?;
                heard.reception = report.reports.first().map(|r| (r.fraction_lost, r.jitter)).or(heard.reception);
            }
            _ => {}
        }
    }
    Some(heard)
}

/// The checks of RFC 3550 §A.2, and that every report has the blocks that it counts.
pub fn valid(bytes: &[u8]) -> bool {
    let mut at = 0;
    let mut first = true;
    while at < bytes.len() {
        let Some(&[b0, kind, l0, l1]) = bytes.get(at..at + 4) else {
            return false;
        };
        let length = 4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1);
        let blocks = 24 * usize::from(b0 & 0x1f);
        let least = match kind {
            SENDER_REPORT => 28 + blocks,
            RECEIVER_REPORT => 8 + blocks,
            _ => 4,
        };
        let starts_right = !first || kind == SENDER_REPORT || kind == RECEIVER_REPORT;
        if b0 >> 6 != 2 || !starts_right || length < least || at + length > bytes.len() {
            return false;
        }
        first = false;
        at += length;
    }
    !first
}

/// Whether a datagram on a muxed port is RTCP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(192..=223))
}

/// The packets of a compound that [`valid`] has accepted.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[_, kind, l0, l1], _) = self.0.split_first_chunk::<4>()?;
        let length = 4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1);
        let (packet, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((kind, packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENT: Sent = Sent { ntp: 0x1234_5678_9abc_def0, rtp_time: 160, packets: 50, octets: 8_000 };

    #[test]
    fn a_report_of_ours_is_valid_and_read_back() {
        let received =
            Received { ssrc: 5, fraction_lost: 12, lost: 3, highest_sequence: 9, jitter: 40, last_sr: 1, delay: 2 };
        let bytes = report(7, "telegraphone", Some(SENT), Some(received), true);
        let heard = read(&bytes).expect("valid");
        assert_eq!(heard.sender_report, Some(0x5678_9abc));
        assert_eq!(heard.reception, Some((12, 40)));
        let silent = report(7, "telegraphone", None, None, false);
        assert_eq!(read(&silent), Some(Heard::default()));
    }

    #[test]
    fn damaged_compounds_are_refused() {
        let good = report(7, "t", Some(SENT), None, false);
        assert!(!valid(&[]));
        assert!(!valid(&good[..good.len() - 1]), "cut");
        let mut counted = good.clone();
        counted[0] |= 5;
        assert!(!valid(&counted), "counts five blocks that are not there");
        let mut version = good;
        version[0] = 0x40;
        assert!(!valid(&version));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_flipped_byte_breaks_the_reader(at in 0usize..80, value in any::<u8>()) {
            let mut bytes = report(7, "telegraphone", Some(SENT), None, true);
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = read(&bytes);
        }
    }
}
