//! Packets that somebody else composed, sent as they are but for their payload type.

use super::phone::Phone;
use super::{PhoneError, call::Call};
use crate::base::Time;
use crate::rtp::{HEADER, event_of_key, rewrite_header};
use crate::sdp::{Codec, Format, Negotiated};
use bytes::Bytes;

/// What a payload is, whatever number its type had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawKind {
    Audio(Codec),
    /// A telephone event (RFC 4733).
    Event,
}

/// An RTP packet without its payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPacket {
    pub kind: RawKind,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Bytes,
}

impl Phone {
    /// Sends a packet under the payload type that was agreed for its kind. For phones that say
    /// nothing by themselves ([`super::Voice::Nothing`]). Whether it could be sent.
    pub fn send_packet(&mut self, packet: &RawPacket) -> bool {
        let Phone { call, out, counters, .. } = self;
        let sealed = call.media_mut().and_then(|media| {
            let negotiated = media.negotiated();
            let (to, bytes) = (negotiated.remote, bytes(packet, negotiated)?);
            Some((to, media.sealed(bytes)?))
        });
        let Some((to, bytes)) = sealed else { return false };
        counters.sent += 1;
        out.rtp.push_back((to, bytes));
        true
    }

    /// Presses keys as SIP INFO, also where events were agreed.
    pub fn info_digits(&mut self, keys: &str, now: Time) -> Result<(), PhoneError> {
        if let Some(bad) = keys.bytes().find(|key| event_of_key(*key).is_none()) {
            return Err(PhoneError::Key(bad));
        }
        let Call::Talking(talk) = &mut self.call else { return Err(PhoneError::NoCall) };
        talk.queue_info(keys.as_bytes());
        self.send_info(now);
        Ok(())
    }
}

/// Whoever composes packets decides when: the agreed direction does not hold them back.
fn bytes(packet: &RawPacket, negotiated: &Negotiated) -> Option<Bytes> {
    if negotiated.held_by_address {
        return None;
    }
    let payload_type = match &packet.kind {
        RawKind::Event => negotiated.send_events?.pt,
        RawKind::Audio(codec) => number(codec, negotiated)?,
    };
    let RawPacket { kind: _, marker, sequence, timestamp, ssrc, payload } = packet;
    let mut header = [0; HEADER];
    rewrite_header(&mut header, *marker, payload_type, *sequence, *timestamp, *ssrc);
    Some([&header[..], payload].concat().into())
}

/// What a codec is sent as: as the far side wants it, as both named it, or as everybody knows it.
fn number(codec: &Codec, negotiated: &Negotiated) -> Option<u8> {
    let named = [&negotiated.send].into_iter().chain(&negotiated.receive).find(|format| format.codec == *codec);
    named.map(|format| format.pt).or(match codec {
        Codec::Pcmu => Some(Format::PCMU.pt),
        Codec::Pcma => Some(Format::PCMA.pt),
        Codec::Other { .. } => None,
    })
}
