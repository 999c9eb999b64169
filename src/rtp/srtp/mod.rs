//! SRTP and SRTCP (RFC 3711, RFC 6188): AES in counter mode, HMAC-SHA1, in place.
//!
//! ```text
//! MasterKey ─derive─► Session (RTP) ─┬─ Outbound: plain ─protect──► encrypted
//!              └────► Session (RTCP) ┴─ Inbound: encrypted ─unprotect─► plain
//! ```
//! Authentication comes before everything: a packet that fails it changes nothing, neither the
//! index that is expected next nor the replay window. Nothing allocates per packet. Keys are
//! overwritten when they are dropped, and no `Debug` shows them.

mod inbound;
mod key;
mod outbound;
mod session;
mod stream;
#[cfg(test)]
mod tests;

pub use inbound::Inbound;
pub use key::{KeyError, Keys, MasterKey, Suite};
pub use outbound::Outbound;

use super::PacketError;
use thiserror::Error;

/// The most that a packet grows: the SRTCP index and an 80-bit tag.
pub const OVERHEAD: usize = 4 + 10;

/// Why a packet was not protected or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SrtpError {
    #[error("not RTP: {0}")]
    Packet(#[from] PacketError),
    #[error("{bytes} bytes are shorter than header, index and tag together ({least})")]
    Short { bytes: usize, least: usize },
    #[error("{bytes} bytes do not fit into {room}")]
    NoRoom { bytes: usize, room: usize },
    #[error("the authentication tag is wrong")]
    Unauthentic,
    #[error("packet {index} of its stream has been here before, or is too old to know")]
    Replayed { index: u64 },
    #[error("the packet says that it is not encrypted")]
    Unencrypted,
    #[error("the key has protected as many packets as it may")]
    KeyUsedUp,
}
