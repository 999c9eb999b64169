//! What we send: plain packets in, protected ones out.

use super::key::MasterKey;
use super::session::{Session, TAG, Use};
use super::stream::Streams;
use super::{OVERHEAD, SrtpError};
use crate::rtp::packet::payload_start;

/// A key protects at most this many packets (RFC 3711 §9.2): 2⁴⁸ of RTP, 2³¹ of RTCP.
const RTP_INDEX_END: u64 = 1 << 48;
const RTCP_INDEX_END: u32 = 1 << 31;
/// In front of the SRTCP index: the packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;
/// What stays readable of an RTCP packet: its first header and SSRC.
const RTCP_HEADER: usize = 8;

/// The sending half of a leg.
pub struct Outbound {
    rtp: Session,
    rtcp: Session,
    tag: usize,
    streams: Streams,
    rtcp_index: u32,
}

impl Outbound {
    pub fn new(key: &MasterKey) -> Self {
        Outbound {
            rtp: Session::derive(key, Use::Rtp),
            rtcp: Session::derive(key, Use::Rtcp),
            tag: key.suite().tag_length(),
            streams: Streams::default(),
            rtcp_index: 0,
        }
    }

    /// The same streams under a new key (RFC 3711 §3.3.1).
    #[must_use]
    pub fn rekeyed(&self, key: &MasterKey) -> Self {
        Outbound { streams: self.streams.rekeyed(), ..Outbound::new(key) }
    }

    /// Protects an RTP packet into `room`, which needs [`OVERHEAD`] bytes more than the packet has.
    /// Nothing is ever sent twice under one index: that would give the keystream away.
    ///
    /// # Errors
    /// When it is no RTP packet, does not fit, or its index was used.
    pub fn protect<'b>(&mut self, packet: &[u8], room: &'b mut [u8]) -> Result<&'b [u8], SrtpError> {
        let (header, sequence, ssrc) = payload_start(packet)?;
        let stream = self.streams.get(ssrc);
        let index = stream.map_or(u64::from(sequence), |stream| stream.guess(sequence));
        if index >= RTP_INDEX_END {
            return Err(SrtpError::KeyUsedUp);
        }
        if let Some(stream) = stream {
            stream.check(index)?;
        }
        let protected = copy(packet, self.tag, room)?;
        let Some((body, tag)) = protected.split_at_mut_checked(packet.len()) else { return Ok(&[]) };
        if let Some(payload) = body.get_mut(header..) {
            self.rtp.crypt(ssrc, index, payload);
        }
        put(tag, &self.rtp.tag(body, Some((index >> 16) as u32)));
        self.streams.take(ssrc, index);
        Ok(protected)
    }

    /// Protects a compound RTCP packet into `room`, as [`protect`](Self::protect).
    ///
    /// # Errors
    /// When it is shorter than an RTCP header, does not fit, or the key is used up.
    pub fn protect_rtcp<'b>(&mut self, packet: &[u8], room: &'b mut [u8]) -> Result<&'b [u8], SrtpError> {
        let Some((&[_, _, _, _, r0, r1, r2, r3], _)) = packet.split_first_chunk::<RTCP_HEADER>() else {
            return Err(SrtpError::Short { bytes: packet.len(), least: RTCP_HEADER });
        };
        if self.rtcp_index >= RTCP_INDEX_END {
            return Err(SrtpError::KeyUsedUp);
        }
        let index = self.rtcp_index;
        let protected = copy(packet, OVERHEAD, room)?;
        let Some((signed, tag)) = protected.split_at_mut_checked(packet.len() + 4) else { return Ok(&[]) };
        let Some((body, trailer)) = signed.split_at_mut_checked(packet.len()) else { return Ok(&[]) };
        if let Some(payload) = body.get_mut(RTCP_HEADER..) {
            self.rtcp.crypt(u32::from_be_bytes([r0, r1, r2, r3]), u64::from(index), payload);
        }
        put(trailer, &(ENCRYPTED | index).to_be_bytes());
        put(tag, &self.rtcp.tag(signed, None));
        self.rtcp_index = index + 1;
        Ok(protected)
    }
}

/// The packet, with `more` bytes behind it.
fn copy<'b>(packet: &[u8], more: usize, room: &'b mut [u8]) -> Result<&'b mut [u8], SrtpError> {
    debug_assert!(more <= 4 + TAG);
    let (bytes, have) = (packet.len() + more, room.len());
    let place = room.get_mut(..bytes).ok_or(SrtpError::NoRoom { bytes, room: have })?;
    put(place, packet);
    Ok(place)
}

/// Writes as much of `bytes` as there is room for.
fn put(place: &mut [u8], bytes: &[u8]) {
    let length = place.len().min(bytes.len());
    if let (Some(place), Some(bytes)) = (place.get_mut(..length), bytes.get(..length)) {
        place.copy_from_slice(bytes);
    }
}
