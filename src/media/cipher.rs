//! The encryption of one leg: it stands in front of and behind the bridge, which sees plain packets.

use crate::rtp::srtp::{Inbound, Keys, OVERHEAD, Outbound, SrtpError};
use std::fmt;

/// Largest packet that is protected; no datagram that we take is longer.
const PACKET: usize = 2_048;

/// Both halves of a leg's SRTP, and where outgoing packets are written.
pub struct Cipher {
    outbound: Outbound,
    inbound: Inbound,
    room: [u8; PACKET + OVERHEAD],
}

impl Cipher {
    /// What holds after `new` was agreed in the place of `old`: unchanged keys keep their packet
    /// indices, a changed one goes on counting under the new key.
    pub fn follow(before: Option<Box<Self>>, old: Option<&Keys>, new: Option<&Keys>) -> Option<Box<Self>> {
        let new = new?;
        let Some((mut cipher, old)) = before.zip(old) else {
            let (outbound, inbound) = (Outbound::new(&new.send), Inbound::new(new));
            return Some(Box::new(Cipher { outbound, inbound, room: [0; PACKET + OVERHEAD] }));
        };
        if old.send != new.send {
            cipher.outbound = cipher.outbound.rekeyed(&new.send);
        }
        if old.receive != new.receive || old.mki_length != new.mki_length {
            let Cipher { outbound, inbound, room } = *cipher;
            cipher = Box::new(Cipher { outbound, inbound: inbound.rekeyed(new), room });
        }
        Some(cipher)
    }

    pub fn protect(&mut self, packet: &[u8]) -> Result<&[u8], SrtpError> {
        self.outbound.protect(packet, &mut self.room)
    }

    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Result<&[u8], SrtpError> {
        self.outbound.protect_rtcp(packet, &mut self.room)
    }

    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.inbound.unprotect(packet)
    }

    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.inbound.unprotect_rtcp(packet)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(not shown)")
    }
}

#[cfg(test)]
mod tests;
