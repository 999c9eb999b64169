//! SIP (RFC 3261) as pure values and machines: bytes in, bytes and events out.
//!
//! Nothing here opens a socket or reads a clock. [`endpoint::Endpoint`] joins the parser, the
//! checks and the transactions behind one interface; the rest can be used by itself.

pub mod check;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod message;
pub mod parse;
pub mod refer;
pub mod reliable;
pub mod session_timer;
pub mod transaction;
pub mod uri;

mod lex;
mod reason;

use crate::base::Random;
use std::fmt;
use std::net::SocketAddr;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    /// Whether the transport itself delivers or fails: no retransmission then (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls => true,
        }
    }

    /// As Via spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stream connection, unique in this run of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The two ends that a message travels between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// The stream that carries the message; `None` for UDP, or where one is still to be opened.
    pub connection: Option<ConnectionId>,
}

/// `bytes` random bytes as hex: tags, branches, Call-IDs, nonces.
pub fn token(random: &mut dyn Random, bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    random.fill(&mut buffer);
    hex::encode(buffer)
}
