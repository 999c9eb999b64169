//! One demultiplexer for all listeners: bytes in, events out; requests and responses in, bytes out.
//!
//! It answers by itself what needs no user: malformed requests, what [`check_request`] objects to,
//! merged requests, CANCEL, retransmissions, overload, and 100 where the user is slow.
//!
//! [`check_request`]: super::check::check_request

mod client;
mod event;
mod server;
mod wake;

pub use event::{ClientTx, Counters, Event, FailCause, ServerTx, Transmit};

use super::check::Capabilities;
use super::message::Message;
use super::parse::{self, ParseError};
use super::transaction::Timers;
use super::{ConnectionId, Peer};
use crate::base::{Random, Time};
use bytes::Bytes;
use client::Client;
use server::{AckKey, MergeKey, Server};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use wake::{Slot, Wakes};

/// What an endpoint is told once.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    pub timers: Timers,
    pub capabilities: Capabilities,
    /// Server in responses and User-Agent in requests; empty: neither.
    pub server_name: String,
    /// For a listener's address, the `host:port` that peers are to reach it by. A listener that
    /// is not here names its own address.
    pub advertise: Vec<(SocketAddr, String)>,
    /// Transactions beyond which requests outside a dialog get 503; twice as many, and requests
    /// inside get it too.
    pub max_transactions: usize,
    /// Retry-After of that 503, in seconds.
    pub retry_after_s: u32,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            timers: Timers::default(),
            capabilities: Capabilities::default(),
            server_name: String::new(),
            advertise: Vec::new(),
            max_transactions: 50_000,
            retry_after_s: 5,
        }
    }
}

/// All transactions of the service. Drain [`Endpoint::poll_transmit`] and
/// [`Endpoint::poll_event`] after every call.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    servers: HashMap<u64, Server>,
    server_keys: HashMap<String, u64>,
    merge_keys: HashMap<MergeKey, u64>,
    ack_keys: HashMap<AckKey, u64>,
    clients: HashMap<u64, Client>,
    client_keys: HashMap<String, u64>,
    wakes: Wakes,
    next_id: u64,
    /// Key of the tags of stateless answers, drawn at the first message.
    secret: Option<[u8; 16]>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Endpoint {
    pub fn new(config: EndpointConfig) -> Self {
        Endpoint {
            config,
            servers: HashMap::new(),
            server_keys: HashMap::new(),
            merge_keys: HashMap::new(),
            ack_keys: HashMap::new(),
            clients: HashMap::new(),
            client_keys: HashMap::new(),
            wakes: Wakes::default(),
            next_id: 0,
            secret: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// A datagram.
    pub fn receive(&mut self, bytes: &[u8], peer: Peer, now: Time, random: &mut dyn Random) {
        if parse::is_keep_alive(bytes) {
            self.counters.keep_alives += 1;
            return;
        }
        self.receive_message(parse::parse_datagram(bytes), peer, now, random);
    }

    /// What a [`parse::Framer`] found. A fatal error is answered like any other; closing the
    /// connection is the shell's.
    pub fn receive_message(
        &mut self,
        message: Result<Message, ParseError>,
        peer: Peer,
        now: Time,
        random: &mut dyn Random,
    ) {
        match message {
            Ok(Message::Request(request)) => self.receive_request(request, peer, now, random),
            Ok(Message::Response(response)) => self.receive_response(response, peer, now),
            Err(error) => {
                *self.counters.malformed.entry(error.defect).or_default() += 1;
                self.answer_malformed(error, peer, random);
            }
        }
    }

    /// A stream is gone: what waits for an answer on it has failed.
    pub fn connection_closed(&mut self, connection: ConnectionId, now: Time) {
        self.fail_clients(now, |client| client.peer.connection == Some(connection));
    }

    /// A datagram was refused (ICMP), or a stream to `peer` could not be opened or written.
    /// Over UDP only what had no answer at all has failed: a peer that answered is there.
    pub fn transport_failed(&mut self, peer: Peer, now: Time) {
        self.fail_clients(now, |client| {
            let same = client.peer.transport == peer.transport
                && client.peer.remote == peer.remote
                && client.peer.connection == peer.connection;
            same && (peer.transport.is_reliable() || client.is_calling())
        });
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.wakes.first()
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(slot) = self.wakes.pop_due(now) {
            match slot {
                Slot::Server(id) => self.server_timeout(id, now),
                Slot::Client(id) => self.client_timeout(id, now),
            }
        }
    }

    /// Transactions that are alive, both kinds.
    pub fn transactions(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Where a request came from.
    pub fn peer_of(&self, tx: ServerTx) -> Option<Peer> {
        self.servers.get(&tx.0).map(|server| server.peer)
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.config.capabilities
    }

    /// The `host:port` that a peer reaches `local` by: for Via and Contact.
    pub fn advertised(&self, local: SocketAddr) -> String {
        let found = self.config.advertise.iter().find(|(address, _)| *address == local);
        found.map_or_else(|| local.to_string(), |(_, host_port)| host_port.clone())
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Queues bytes, except to where no SIP peer can be (RFC 3261 §18.2.2 and RFC 4475 §3.3.10).
    fn transmit(&mut self, peer: Peer, bytes: Bytes) {
        if is_sendable(peer.remote) {
            self.transmits.push_back(Transmit { peer, bytes });
        } else {
            self.counters.unsendable += 1;
        }
    }

    fn secret(&mut self, random: &mut dyn Random) -> [u8; 16] {
        *self.secret.get_or_insert_with(|| {
            let mut secret = [0; 16];
            random.fill(&mut secret);
            secret
        })
    }
}

fn is_sendable(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = match ip {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests;
