//! Requests that come in.

use super::wake::Slot;
use super::{Endpoint, Event, ServerTx};
use crate::base::{Random, Time};
use crate::sip::Peer;
use crate::sip::check::check_request;
use crate::sip::message::{BRANCH_COOKIE, HeaderError, Method, Request, Response, Via};
use crate::sip::parse::{Defect, ParseError};
use crate::sip::transaction::{InviteServer, NonInviteServer, ServerStep};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;

/// The port that a sent-by without one means (RFC 3261 §18.2.2).
const DEFAULT_PORT: u16 = 5060;

/// A request that came over two ways is known by this (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MergeKey {
    call_id: String,
    from_tag: String,
    cseq: String,
}

/// The ACK of a 2xx is known by this (RFC 3261 §13.3.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AckKey {
    call_id: String,
    from_tag: String,
    to_tag: String,
    seq: u32,
}

#[derive(Debug)]
pub(super) struct Server {
    machine: Machine,
    key: String,
    merge_key: Option<MergeKey>,
    /// Where the request came from, and where its responses go.
    pub(super) peer: Peer,
    reply_to: Peer,
    /// The To tag of responses that have none of their own.
    tag: String,
    wake: Option<Time>,
}

#[derive(Debug)]
enum Machine {
    /// `ack_key` from the 2xx on; `cancelled` once the user was told.
    Invite {
        machine: InviteServer,
        ack_key: Option<AckKey>,
        cancelled: bool,
    },
    NonInvite(NonInviteServer),
}

impl Machine {
    fn next_timeout(&self) -> Option<Time> {
        match self {
            Machine::Invite { machine, .. } => machine.next_timeout(),
            Machine::NonInvite(machine) => machine.next_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Machine::Invite { machine, .. } => machine.is_terminated(),
            Machine::NonInvite(machine) => machine.is_terminated(),
        }
    }

    fn retransmitted(&self) -> ServerStep {
        match self {
            Machine::Invite { machine, .. } => machine.retransmitted(),
            Machine::NonInvite(machine) => machine.retransmitted(),
        }
    }

    fn handle_timeout(&mut self, now: Time) -> ServerStep {
        match self {
            Machine::Invite { machine, .. } => machine.handle_timeout(now),
            Machine::NonInvite(machine) => machine.handle_timeout(now),
        }
    }
}

impl Endpoint {
    /// The user's answer: any number of provisional ones, then a final one. A To tag is added
    /// where it lacks, the same for all answers to one request.
    pub fn respond(&mut self, tx: ServerTx, response: Response, now: Time) {
        let response = self.complete(response);
        let Some(server) = self.servers.get_mut(&tx.0) else {
            self.counters.late_responses += 1;
            return;
        };
        let response = if response.status > 100 { response.with_to_tag(&server.tag) } else { response };
        if response.status > 100
            && let Some(tag) = response.to_tag()
        {
            server.tag = tag;
        }
        let bytes = response.to_bytes();
        let (step, new_ack_key) = match &mut server.machine {
            Machine::NonInvite(machine) => (machine.respond(response.status, bytes, now), None),
            Machine::Invite { machine, ack_key, .. } => {
                let pending = machine.is_pending();
                let step = machine.respond(response.status, bytes, now);
                let new = if pending && response.is_success() { response_ack_key(&response) } else { None };
                if new.is_some() {
                    ack_key.clone_from(&new);
                }
                (step, new)
            }
        };
        if let Some(key) = new_ack_key {
            self.ack_keys.insert(key, tx.0);
        }
        match step {
            ServerStep::Nothing | ServerStep::AckMissing => self.counters.late_responses += 1,
            ServerStep::Send(_) => self.server_step(tx.0, step),
        }
        self.settle_server(tx.0);
    }

    pub(super) fn receive_request(&mut self, mut request: Request, peer: Peer, now: Time, random: &mut dyn Random) {
        let via = mark_source(&mut request, &peer).ok();
        if request.method == Method::Ack {
            self.receive_ack(request, peer, now);
            return;
        }
        let key = via.as_ref().map(|via| server_key(&request, via, &request.method));
        if let Some(id) = key.as_ref().and_then(|key| self.server_keys.get(key)).copied() {
            self.counters.retransmissions_received += 1;
            if let Some(step) = self.servers.get(&id).map(|server| server.machine.retransmitted()) {
                self.repeat(id, step);
            }
            return;
        }
        let (via, key) = match (check_request(&request, &self.config.capabilities), via, key) {
            (Ok(()), Some(via), Some(key)) => (via, key),
            (Ok(()), _, _) => return,
            (Err(response), via, _) => {
                self.counters.refused += 1;
                self.answer_stateless(&request, response, via.as_ref(), peer, random);
                return;
            }
        };
        if request.method == Method::Cancel {
            self.receive_cancel(request, &via, peer, random);
            return;
        }
        if let Some(refusal) = self.refusal(&request) {
            self.answer_stateless(&request, refusal, Some(&via), peer, random);
            return;
        }
        self.begin_server(request, &via, key, peer, now, random);
    }

    /// 482 for a merged request, 503 where the tables are full.
    fn refusal(&mut self, request: &Request) -> Option<Response> {
        if merge_key(request).is_some_and(|key| self.merge_keys.contains_key(&key)) {
            self.counters.merged += 1;
            return Some(request.response(482));
        }
        let inside_dialog = request.to_tag().is_some();
        let limit = self.config.max_transactions.saturating_mul(if inside_dialog { 2 } else { 1 });
        if self.transactions() >= limit {
            self.counters.overloaded += 1;
            let retry_after = self.config.retry_after_s.to_string();
            return Some(request.response(503).with_header("Retry-After", retry_after));
        }
        None
    }

    fn begin_server(
        &mut self,
        request: Request,
        via: &Via,
        key: String,
        peer: Peer,
        now: Time,
        random: &mut dyn Random,
    ) {
        let id = self.new_id();
        let tag = self.stateless_tag(&request, random);
        let reliable = peer.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            let trying = self.complete(request.response(100)).to_bytes();
            let machine = InviteServer::new(self.config.timers, reliable, trying, now);
            Machine::Invite { machine, ack_key: None, cancelled: false }
        } else {
            Machine::NonInvite(NonInviteServer::new(self.config.timers, reliable, now))
        };
        let merge_key = merge_key(&request);
        if let Some(key) = &merge_key {
            self.merge_keys.insert(key.clone(), id);
        }
        self.server_keys.insert(key.clone(), id);
        let reply_to = reply_peer(peer, Some(via));
        self.servers.insert(id, Server { machine, key, merge_key, peer, reply_to, tag, wake: None });
        self.settle_server(id);
        self.events.push_back(Event::Request { tx: ServerTx(id), request, peer });
    }

    fn receive_ack(&mut self, request: Request, peer: Peer, now: Time) {
        let branch_match = request.via_top().ok().and_then(|via| {
            let key = server_key(&request, &via, &Method::Invite);
            self.server_keys.get(&key).copied()
        });
        if let Some(id) = branch_match
            && let Some(Machine::Invite { machine, .. }) = self.servers.get_mut(&id).map(|s| &mut s.machine)
            && machine.is_refused()
        {
            machine.acked(now);
            self.settle_server(id);
            return;
        }
        let accepted = request_ack_key(&request).and_then(|key| self.ack_keys.get(&key).copied());
        let machine = accepted.and_then(|id| self.servers.get_mut(&id)).map(|server| &mut server.machine);
        match (accepted, machine) {
            (Some(id), Some(Machine::Invite { machine, .. })) => {
                if machine.accepted_acked() {
                    self.settle_server(id);
                    self.events.push_back(Event::Ack { request, peer });
                } else {
                    self.counters.retransmissions_received += 1;
                }
            }
            (_, _) => self.counters.stray_acks += 1,
        }
    }

    /// Answered without a transaction of its own: while the INVITE lives, a repeated CANCEL finds
    /// it again and gets the same answer.
    fn receive_cancel(&mut self, request: Request, via: &Via, peer: Peer, random: &mut dyn Random) {
        let id = self.server_keys.get(&server_key(&request, via, &Method::Invite)).copied();
        let Some((id, server)) = id.and_then(|id| self.servers.get_mut(&id).map(|server| (id, server))) else {
            let response = request.response(481);
            self.answer_stateless(&request, response, Some(via), peer, random);
            return;
        };
        let response = request.response(200).with_to_tag(&server.tag);
        let news = match &mut server.machine {
            Machine::Invite { machine, cancelled, .. } => machine.is_pending() && !std::mem::replace(cancelled, true),
            Machine::NonInvite(_) => false,
        };
        self.answer_stateless(&request, response, Some(via), peer, random);
        if news {
            self.events.push_back(Event::Cancelled { tx: ServerTx(id), request });
        }
    }

    /// The answer to a message that could not be read, if it was a request.
    pub(super) fn answer_malformed(&mut self, error: ParseError, peer: Peer, random: &mut dyn Random) {
        let Some(mut request) = error.reply_to else {
            return;
        };
        let via = mark_source(&mut request, &peer).ok();
        let response = request.response(error.status).with_reason(&error.reason);
        self.answer_stateless(&request, response, via.as_ref(), peer, random);
    }

    /// Nothing is kept: the same request again gets the same answer, tag included.
    fn answer_stateless(
        &mut self,
        request: &Request,
        response: Response,
        via: Option<&Via>,
        peer: Peer,
        random: &mut dyn Random,
    ) {
        if request.method == Method::Ack {
            return;
        }
        let tag = self.stateless_tag(request, random);
        let response = self.complete(response).with_to_tag(&tag);
        self.transmit(reply_peer(peer, via), response.to_bytes());
    }

    /// A tag that a stranger cannot guess and that the same request always gets.
    fn stateless_tag(&mut self, request: &Request, random: &mut dyn Random) -> String {
        let mut hash = Sha256::new();
        hash.update(self.secret(random));
        for name in ["Call-ID", "CSeq", "From", "Via"] {
            hash.update(request.headers.get(name).unwrap_or(""));
            hash.update([0]);
        }
        hex::encode(hash.finalize().get(..8).unwrap_or(&[]))
    }

    fn complete(&self, response: Response) -> Response {
        if self.config.server_name.is_empty() || response.headers.has("Server") {
            return response;
        }
        response.with_header("Server", self.config.server_name.clone())
    }

    pub(super) fn server_timeout(&mut self, id: u64, now: Time) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        server.wake = None;
        let step = server.machine.handle_timeout(now);
        self.repeat(id, step);
        self.settle_server(id);
    }

    fn repeat(&mut self, id: u64, step: ServerStep) {
        match step {
            ServerStep::Nothing => {}
            ServerStep::AckMissing => self.server_step(id, step),
            ServerStep::Send(_) => {
                self.counters.retransmissions_sent += 1;
                self.server_step(id, step);
            }
        }
    }

    fn server_step(&mut self, id: u64, step: ServerStep) {
        match step {
            ServerStep::Nothing => {}
            ServerStep::AckMissing => self.events.push_back(Event::AckMissing { tx: ServerTx(id) }),
            ServerStep::Send(bytes) => {
                if let Some(reply_to) = self.servers.get(&id).map(|server| server.reply_to) {
                    self.transmit(reply_to, bytes);
                }
            }
        }
    }

    /// After every change: the next wake-up, or the end.
    fn settle_server(&mut self, id: u64) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let next = server.machine.next_timeout();
        self.wakes.move_to(Slot::Server(id), server.wake, next);
        server.wake = next;
        if server.machine.is_terminated() {
            self.forget_server(id);
        }
    }

    fn forget_server(&mut self, id: u64) {
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        let Server { machine, key, merge_key, peer: _, reply_to: _, tag: _, wake } = server;
        self.wakes.move_to(Slot::Server(id), wake, None);
        self.server_keys.remove(&key);
        if let Some(key) = merge_key {
            self.merge_keys.remove(&key);
        }
        if let Machine::Invite { ack_key: Some(key), .. } = machine {
            self.ack_keys.remove(&key);
        }
    }

    /// A response that could be read but makes no sense.
    pub(super) fn count_malformed_header(&mut self) {
        *self.counters.malformed.entry(Defect::Header).or_default() += 1;
    }
}

/// Adds `received` and `rport` to the top Via (RFC 3261 §18.2.1, RFC 3581 §4); what the sender
/// claims of itself there is replaced.
fn mark_source(request: &mut Request, peer: &Peer) -> Result<Via, HeaderError> {
    let mut via = request.via_top()?;
    let before = via.clone();
    let source = peer.remote.ip().to_canonical();
    if via.wants_rport() {
        via.params.set("rport", Some(&peer.remote.port().to_string()));
        via.params.set("received", Some(&source.to_string()));
    } else if via.host.ip().map(|ip| ip.to_canonical()) != Some(source) {
        via.params.set("received", Some(&source.to_string()));
    } else {
        via.params.remove("received");
    }
    if via != before {
        request.headers.replace_first_value("Via", via.to_string());
    }
    Ok(via)
}

/// Where responses go (RFC 3261 §18.2.2, RFC 3581 §4): over a stream, the same way back; over
/// UDP, to the source address, at the source port if asked so, else at the port of the Via.
/// `maddr` is not followed: it would let a stranger aim our answers.
fn reply_peer(peer: Peer, via: Option<&Via>) -> Peer {
    match via {
        Some(via) if !peer.transport.is_reliable() && !via.wants_rport() => {
            let remote = SocketAddr::new(peer.remote.ip(), via.port.unwrap_or(DEFAULT_PORT));
            Peer { remote, ..peer }
        }
        Some(_) | None => peer,
    }
}

/// RFC 3261 §17.2.3. `method` is INVITE for the ACK and the CANCEL of one.
fn server_key(request: &Request, via: &Via, method: &Method) -> String {
    let sent_by = via.port.map_or_else(|| via.host.to_string(), |port| format!("{}:{port}", via.host));
    let branch = via.branch().unwrap_or("");
    let cookie = branch.get(..BRANCH_COOKIE.len()).unwrap_or("");
    if cookie.eq_ignore_ascii_case(BRANCH_COOKIE) {
        return format!("{}|{}|{method}", branch.to_ascii_lowercase(), sent_by);
    }
    // RFC 2543 peers: the To tag is left out, since the ACK has ours and the INVITE had none.
    let seq = request.cseq().map_or(0, |cseq| cseq.seq);
    let call_id = request.call_id().unwrap_or("");
    let from_tag = request.from_tag().unwrap_or_default();
    format!("2543|{}|{from_tag}|{call_id}|{seq}|{via}|{method}", request.uri)
}

/// Only requests outside a dialog can merge.
fn merge_key(request: &Request) -> Option<MergeKey> {
    if request.to_tag().is_some() {
        return None;
    }
    Some(MergeKey {
        call_id: request.call_id().ok()?.to_owned(),
        from_tag: request.from_tag()?,
        cseq: request.cseq().ok()?.to_string(),
    })
}

fn response_ack_key(response: &Response) -> Option<AckKey> {
    Some(AckKey {
        call_id: response.call_id().ok()?.to_owned(),
        from_tag: response.from_tag().unwrap_or_default(),
        to_tag: response.to_tag().unwrap_or_default(),
        seq: response.cseq().ok()?.seq,
    })
}

fn request_ack_key(request: &Request) -> Option<AckKey> {
    Some(AckKey {
        call_id: request.call_id().ok()?.to_owned(),
        from_tag: request.from_tag().unwrap_or_default(),
        to_tag: request.to_tag().unwrap_or_default(),
        seq: request.cseq().ok()?.seq,
    })
}
