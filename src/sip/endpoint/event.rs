//! What an endpoint hands out.

use crate::sip::Peer;
use crate::sip::message::{Request, Response};
use crate::sip::parse::Defect;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes for the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    pub peer: Peer,
    pub bytes: Bytes,
}

/// A request that we answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerTx(pub(super) u64);

/// A request that we sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientTx(pub(super) u64);

/// What the user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new request that passed every check of the endpoint; never ACK or CANCEL.
    Request { tx: ServerTx, request: Request, peer: Peer },
    /// The ACK of a 2xx, once.
    Ack { request: Request, peer: Peer },
    /// A CANCEL of this INVITE, already answered; the user answers 487 on `tx`.
    Cancelled { tx: ServerTx, request: Request },
    /// A response: the first 100, every other provisional, each final one; of 2xx to an INVITE
    /// the first of each To tag.
    Response { tx: ClientTx, response: Response, peer: Peer },
    /// No final response will come.
    Failed { tx: ClientTx, cause: FailCause },
    /// The 2xx was sent for 64*T1 without an ACK.
    AckMissing { tx: ServerTx },
}

/// Why a request of ours has no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailCause {
    /// Timer B or F, or no final response for 64*T1 after a CANCEL: counts as 408.
    Timeout,
    /// The transport refused or closed: counts as 503.
    Transport,
}

impl FailCause {
    /// The status that it counts as (RFC 3261 §8.1.3.1).
    pub const fn status(self) -> u16 {
        match self {
            FailCause::Timeout => 408,
            FailCause::Transport => 503,
        }
    }
}

/// What happened since the start, in messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that could not be read, by what is wrong with them.
    pub malformed: BTreeMap<Defect, u64>,
    /// Requests that could be read but not processed: 400 to 420 of the checks.
    pub refused: u64,
    /// Requests answered 482 because they came twice over different ways.
    pub merged: u64,
    /// Requests answered 503 because the tables are full.
    pub overloaded: u64,
    /// Requests and responses that had been received before.
    pub retransmissions_received: u64,
    /// Messages sent again by a timer or because the peer repeated itself.
    pub retransmissions_sent: u64,
    /// Empty datagrams.
    pub keep_alives: u64,
    /// Responses that fit no request of ours.
    pub stray_responses: u64,
    /// ACKs that fit no response of ours.
    pub stray_acks: u64,
    /// Responses of the user to a transaction that was over.
    pub late_responses: u64,
    /// Messages to an address that nothing may be sent to.
    pub unsendable: u64,
}
