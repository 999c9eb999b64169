//! What comes: protected packets in, plain ones out, in place.

use super::SrtpError;
use super::key::{Keys, MasterKey};
use super::session::{Session, TAG, Use};
use super::stream::{Stream, Streams};
use crate::rtp::packet::payload_start;

/// In front of the SRTCP index: the packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;
const RTCP_HEADER: usize = 8;
/// Packets between two rollovers.
const ROLLOVER: u64 = 1 << 16;

/// The receiving half of a leg.
///
/// After a new key packets under the old one are still on their way, and the new one's first
/// packets may have a rollover counter that goes on (RFC 3711 §3.3.1) or one that begins anew
/// (what phones do that make everything new): all three are tried until the new key has spoken.
pub struct Inbound {
    now: Context,
    before: Option<Box<Context>>,
}

impl Inbound {
    pub fn new(keys: &Keys) -> Self {
        Inbound { now: Context::new(keys, Streams::default()), before: None }
    }

    /// The far side has a new key.
    #[must_use]
    pub fn rekeyed(self, keys: &Keys) -> Self {
        let mut now = Context::new(keys, self.now.rtp_streams.rekeyed());
        now.unproven = true;
        Inbound { now, before: Some(Box::new(self.now)) }
    }

    /// Opens an RTP packet in place and returns its length without tag.
    ///
    /// # Errors
    /// When it is no RTP packet, not authentic, or was here before. It is unchanged then.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        match (self.now.unprotect(packet), &mut self.before) {
            (Err(SrtpError::Unauthentic), Some(before)) => before.unprotect(packet),
            (Ok(length), _) => {
                self.before = None;
                Ok(length)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Opens an RTCP packet in place and returns its length without index and tag.
    ///
    /// # Errors
    /// When it is too short, not authentic, or was here before. It is unchanged then.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        match (self.now.unprotect_rtcp(packet), &mut self.before) {
            (Err(SrtpError::Unauthentic), Some(before)) => before.unprotect_rtcp(packet),
            (outcome, _) => outcome,
        }
    }
}

/// Everything under one key.
struct Context {
    rtp: Session,
    rtcp: Session,
    tag: usize,
    mki: usize,
    rtp_streams: Streams,
    rtcp_streams: Streams,
    /// No packet has been authentic yet: the rollover counter may have begun anew.
    unproven: bool,
}

impl Context {
    fn new(keys: &Keys, rtp_streams: Streams) -> Self {
        let key: &MasterKey = &keys.receive;
        Context {
            rtp: Session::derive(key, Use::Rtp),
            rtcp: Session::derive(key, Use::Rtcp),
            tag: key.suite().tag_length(),
            mki: usize::from(keys.mki_length),
            rtp_streams,
            rtcp_streams: Streams::default(),
            unproven: false,
        }
    }

    fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (header, sequence, ssrc) = payload_start(packet)?;
        let short = SrtpError::Short { bytes: packet.len(), least: header + self.mki + self.tag };
        let tag_at = packet.len().checked_sub(self.tag).ok_or(short)?;
        let end = tag_at.checked_sub(self.mki).filter(|end| *end >= header).ok_or(short)?;
        let stream = self.rtp_streams.get(ssrc);
        let guesses = self.guesses(stream, sequence);
        if let (Some(stream), [Some(likely), ..]) = (stream, guesses) {
            stream.check(likely)?;
        }
        let (Some(body), Some(tag)) = (packet.get(..end), packet.get(tag_at..)) else { return Err(short) };
        let is_authentic = |index: &u64| self.rtp.is_authentic(body, Some((index >> 16) as u32), tag);
        let index = guesses.into_iter().flatten().find(is_authentic).ok_or(SrtpError::Unauthentic)?;
        if let Some(payload) = packet.get_mut(header..end) {
            self.rtp.crypt(ssrc, index, payload);
        }
        if std::mem::take(&mut self.unproven) && index < ROLLOVER {
            self.rtp_streams = Streams::default();
        }
        self.rtp_streams.take(ssrc, index);
        Ok(end)
    }

    /// The indices that a packet may have, the likeliest first.
    fn guesses(&self, stream: Option<&Stream>, sequence: u16) -> [Option<u64>; 2] {
        let first = u64::from(sequence);
        match stream {
            // It may have begun just before its numbers wrapped, and that was lost.
            None => [Some(first), Some(first + ROLLOVER)],
            Some(stream) => [Some(stream.guess(sequence)), self.unproven.then_some(first)],
        }
    }

    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let least = RTCP_HEADER + 4 + self.mki + TAG;
        let short = SrtpError::Short { bytes: packet.len(), least };
        let end = packet.len().checked_sub(least - RTCP_HEADER).filter(|end| *end >= RTCP_HEADER).ok_or(short)?;
        let (Some(&[_, _, _, _, r0, r1, r2, r3]), Some(&[i0, i1, i2, i3])) =
            (packet.first_chunk::<RTCP_HEADER>(), packet.get(end..).and_then(<[u8]>::first_chunk::<4>))
        else {
            return Err(short);
        };
        let (ssrc, word) = (u32::from_be_bytes([r0, r1, r2, r3]), u32::from_be_bytes([i0, i1, i2, i3]));
        let index = u64::from(word & !ENCRYPTED);
        if let Some(stream) = self.rtcp_streams.get(ssrc) {
            stream.check(index)?;
        }
        let (Some(signed), Some(tag)) = (packet.get(..end + 4), packet.get(end + 4 + self.mki..)) else {
            return Err(short);
        };
        if !self.rtcp.is_authentic(signed, None, tag) {
            return Err(SrtpError::Unauthentic);
        }
        // Unencrypted SRTCP was not agreed (RFC 4568 §6.3.2).
        if word & ENCRYPTED == 0 {
            return Err(SrtpError::Unencrypted);
        }
        if let Some(payload) = packet.get_mut(RTCP_HEADER..end) {
            self.rtcp.crypt(ssrc, index, payload);
        }
        self.rtcp_streams.take(ssrc, index);
        Ok(end)
    }
}
