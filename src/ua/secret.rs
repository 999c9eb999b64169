//! SRTP of a phone's call, with the keys of its descriptions (RFC 3711, RFC 4568).

use crate::rtp::srtp::{Inbound, Keys, OVERHEAD, Outbound};
use bytes::Bytes;
use std::fmt;

/// Both halves, under the keys that were agreed last.
pub(super) struct Secret {
    keys: Keys,
    outbound: Outbound,
    inbound: Inbound,
}

impl Secret {
    pub(super) fn new(keys: &Keys) -> Box<Self> {
        Box::new(Secret { outbound: Outbound::new(&keys.send), inbound: Inbound::new(keys), keys: keys.clone() })
    }

    /// What holds under the keys agreed now: packets go on being counted.
    pub(super) fn follow(before: Option<Box<Self>>, now: Option<&Keys>) -> Option<Box<Self>> {
        let keys = now?;
        let Some(secret) = before else { return Some(Secret::new(keys)) };
        let Secret { keys: old, outbound, inbound } = *secret;
        let outbound = if old.send == keys.send { outbound } else { outbound.rekeyed(&keys.send) };
        let inbound = match old.receive == keys.receive && old.mki_length == keys.mki_length {
            true => inbound,
            false => inbound.rekeyed(keys),
        };
        Some(Box::new(Secret { keys: keys.clone(), outbound, inbound }))
    }

    pub(super) fn protect(&mut self, packet: &[u8]) -> Option<Bytes> {
        let mut room = vec![0; packet.len() + OVERHEAD];
        self.outbound.protect(packet, &mut room).ok().map(Bytes::copy_from_slice)
    }

    pub(super) fn protect_rtcp(&mut self, packet: &[u8]) -> Option<Bytes> {
        let mut room = vec![0; packet.len() + OVERHEAD];
        self.outbound.protect_rtcp(packet, &mut room).ok().map(Bytes::copy_from_slice)
    }

    /// The plain packet; `None` where it is not authentic.
    pub(super) fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut plain = packet.to_vec();
        let length = self.inbound.unprotect(&mut plain).ok()?;
        plain.truncate(length);
        Some(plain)
    }

    pub(super) fn open_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut plain = packet.to_vec();
        let length = self.inbound.unprotect_rtcp(&mut plain).ok()?;
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}
