//! A view of an RTP packet (RFC 3550 §5.1): fields by position, nothing copied.

use std::ops::Range;
use thiserror::Error;

/// Length of the fixed header in bytes.
pub const HEADER: usize = 12;

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PacketError {
    #[error("{0} bytes are shorter than an RTP header")]
    Short(usize),
    #[error("RTP version {0} is not 2")]
    Version(u8),
    #[error("CSRC list, extension or padding reach past the end of the packet")]
    Overrun,
}

/// The fields of one packet and where its payload stands in the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    pub sequence: u16,
    /// In ticks of the payload type's clock.
    pub timestamp: u32,
    pub ssrc: u32,
    /// The payload's bytes, without extension and padding.
    pub payload: Range<usize>,
}

impl View {
    /// Reads the header of `bytes`. Never panics, whatever they are.
    pub fn parse(bytes: &[u8]) -> Result<View, PacketError> {
        let Some((&[b0, b1, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3], _)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(PacketError::Short(bytes.len()));
        };
        let (start, _, _) = payload_start(bytes)?;
        let padding = match (b0 & 0x20 != 0, bytes.last()) {
            (true, Some(&last)) => usize::from(last.max(1)),
            _ => 0,
        };
        let end = bytes.len().checked_sub(padding).ok_or(PacketError::Overrun)?;
        if start > end {
            return Err(PacketError::Overrun);
        }
        Ok(View {
            marker: b1 & 0x80 != 0,
            payload_type: b1 & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            payload: start..end,
        })
    }
}

/// Where the payload begins, sequence number and SSRC: all that an encrypted packet lets one read.
pub(super) fn payload_start(bytes: &[u8]) -> Result<(usize, u16, u32), PacketError> {
    let Some((&[b0, _, s0, s1, _, _, _, _, r0, r1, r2, r3], _)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(PacketError::Short(bytes.len()));
    };
    if b0 >> 6 != 2 {
        return Err(PacketError::Version(b0 >> 6));
    }
    let mut start = HEADER + 4 * usize::from(b0 & 0x0f);
    if b0 & 0x10 != 0 {
        let words = match bytes.get(start + 2..start + 4) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => return Err(PacketError::Overrun),
        };
        start += 4 + 4 * usize::from(words);
    }
    match start <= bytes.len() {
        true => Ok((start, u16::from_be_bytes([s0, s1]), u32::from_be_bytes([r0, r1, r2, r3]))),
        false => Err(PacketError::Overrun),
    }
}

/// Writes a plain 12-byte header into the first bytes of `header`.
pub fn rewrite_header(
    header: &mut [u8; HEADER],
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
) {
    let [s0, s1] = sequence.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [r0, r1, r2, r3] = ssrc.to_be_bytes();
    let kind = (u8::from(marker) << 7) | (payload_type & 0x7f);
    *header = [0x80, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3];
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use webrtc_util::marshal::{Marshal, Unmarshal};

    #[test]
    fn the_view_agrees_with_the_rtp_crate() {
        let packet = rtp::packet::Packet {
            header: rtp::header::Header {
                version: 2,
                marker: true,
                payload_type: 101,
                sequence_number: 65_535,
                timestamp: 0xffff_fff0,
                ssrc: 0xdead_beef,
                csrc: vec![1, 2],
                ..Default::default()
            },
            payload: bytes::Bytes::from_static(b"abc"),
        };
        let bytes = packet.marshal().unwrap();
        let view = View::parse(&bytes).unwrap();
        assert_eq!((view.marker, view.payload_type, view.sequence), (true, 101, 65_535));
        assert_eq!((view.timestamp, view.ssrc), (0xffff_fff0, 0xdead_beef));
        assert_eq!(&bytes[view.payload], b"abc");
    }

    #[test]
    fn a_rewritten_header_is_read_back() {
        let mut bytes = [0; HEADER];
        rewrite_header(&mut bytes, true, 8, 7, 9, 11);
        let view = View::parse(&bytes).unwrap();
        assert_eq!((view.marker, view.payload_type, view.sequence, view.timestamp, view.ssrc), (true, 8, 7, 9, 11));
        let again = rtp::packet::Packet::unmarshal(&mut &bytes[..]).unwrap();
        assert_eq!(again.header.ssrc, 11);
    }

    #[test]
    fn damaged_packets_are_refused_by_reason() {
        assert_eq!(View::parse(&[0x80; 11]), Err(PacketError::Short(11)));
        assert_eq!(View::parse(&[0x40; 12]), Err(PacketError::Version(1)));
        assert_eq!(View::parse(&[0x8f; 12]), Err(PacketError::Overrun));
        let mut padded = [0u8; 16];
        padded[0] = 0xa0;
        padded[15] = 200;
        assert_eq!(View::parse(&padded), Err(PacketError::Overrun));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_view(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(view) = View::parse(&bytes) {
                prop_assert!(bytes.get(view.payload).is_some());
            }
        }
    }
}
