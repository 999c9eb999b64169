//! Requests that go out.

use super::wake::Slot;
use super::{ClientTx, Endpoint, Event, FailCause};
use crate::base::{Random, Time};
use crate::sip::message::{BRANCH_COOKIE, CSeq, Method, Request, Response};
use crate::sip::transaction::{ClientStep, InviteClient, NonInviteClient};
use crate::sip::{Peer, token};
use bytes::Bytes;

/// Branches beyond which further 2xx of one INVITE are no news.
const MAX_FORKS: usize = 32;

#[derive(Debug)]
pub(super) struct Client {
    kind: Kind,
    key: String,
    pub(super) peer: Peer,
    wake: Option<Time>,
}

#[derive(Debug)]
enum Kind {
    Invite(Box<Invite>),
    NonInvite(NonInviteClient),
    /// A CANCEL: the user hears nothing of its answer.
    Cancel(NonInviteClient),
}

#[derive(Debug)]
struct Invite {
    machine: InviteClient,
    /// As sent: ACK and CANCEL are made of it.
    request: Request,
    branch: String,
    cancel: Cancel,
    /// Of the CANCEL: its Reason header.
    reason: Option<&'static str>,
    /// The user has seen a 100.
    trying: bool,
    /// The 2xx that came, by To tag.
    forks: Vec<Fork>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// Waits for the first provisional response (RFC 3261 §9.1).
    Wanted,
    Sent,
}

#[derive(Debug)]
struct Fork {
    tag: String,
    /// What a repeated 2xx is answered with; `None` until the user acknowledges.
    ack: Option<(Peer, Bytes)>,
}

impl Client {
    /// No response of any kind yet.
    pub(super) fn is_calling(&self) -> bool {
        match &self.kind {
            Kind::Invite(invite) => invite.machine.is_calling(),
            Kind::NonInvite(machine) | Kind::Cancel(machine) => machine.is_calling(),
        }
    }

    fn is_answered(&self) -> bool {
        match &self.kind {
            Kind::Invite(invite) => !invite.machine.is_calling() && !invite.machine.is_proceeding(),
            Kind::NonInvite(machine) | Kind::Cancel(machine) => machine.is_answered(),
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        match &self.kind {
            Kind::Invite(invite) => invite.machine.next_timeout(),
            Kind::NonInvite(machine) | Kind::Cancel(machine) => machine.next_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match &self.kind {
            Kind::Invite(invite) => invite.machine.is_terminated(),
            Kind::NonInvite(machine) | Kind::Cancel(machine) => machine.is_terminated(),
        }
    }

    fn handle_timeout(&mut self, now: Time) -> ClientStep {
        match &mut self.kind {
            Kind::Invite(invite) => invite.machine.handle_timeout(now),
            Kind::NonInvite(machine) | Kind::Cancel(machine) => machine.handle_timeout(now),
        }
    }

    fn received(&mut self, response: &Response, now: Time) -> ClientStep {
        match &mut self.kind {
            Kind::Invite(invite) => {
                let Invite { machine, request, .. } = invite.as_mut();
                machine.received(response.status, || refusal_ack(request, response).to_bytes(), now)
            }
            Kind::NonInvite(machine) | Kind::Cancel(machine) => machine.received(response.status, now),
        }
    }

    fn is_silent(&self) -> bool {
        match &self.kind {
            Kind::Cancel(_) => true,
            Kind::Invite(_) | Kind::NonInvite(_) => false,
        }
    }
}

impl Endpoint {
    /// Sends a request of the user, with a Via of its own (branch, rport, advertised sent-by),
    /// and Max-Forwards 70 unless it has one. ACK and CANCEL have calls of their own.
    pub fn request(&mut self, mut request: Request, peer: Peer, now: Time, random: &mut dyn Random) -> ClientTx {
        let branch = self.add_via(&mut request, &peer, random);
        let bytes = request.to_bytes();
        let (timers, reliable) = (self.config.timers, peer.transport.is_reliable());
        let key = client_key(&branch, &request.method);
        let kind = if request.method == Method::Invite {
            let machine = InviteClient::new(timers, reliable, bytes.clone(), now);
            let cancel = Cancel::No;
            Kind::Invite(Box::new(Invite {
                machine,
                request,
                branch,
                cancel,
                reason: None,
                trying: false,
                forks: Vec::new(),
            }))
        } else {
            Kind::NonInvite(NonInviteClient::new(timers, reliable, bytes.clone(), now))
        };
        ClientTx(self.begin_client(kind, key, peer, bytes))
    }

    /// Cancels an INVITE: at once if it has a provisional response, else with the first one. A
    /// final response that is quicker is reported as usual. Without one in 64*T1 after the CANCEL
    /// the INVITE has failed.
    pub fn cancel(&mut self, tx: ClientTx, now: Time, _random: &mut dyn Random) {
        self.cancel_because(tx, None, now);
    }

    /// The same, with a Reason header (RFC 3326): phones show no missed call where the call was
    /// completed elsewhere.
    pub fn cancel_because(&mut self, tx: ClientTx, reason: Option<&'static str>, now: Time) {
        let Some(Client { kind: Kind::Invite(invite), .. }) = self.clients.get_mut(&tx.0) else {
            return;
        };
        if invite.cancel != Cancel::No {
            return;
        }
        invite.reason = reason;
        if invite.machine.is_calling() {
            invite.cancel = Cancel::Wanted;
        } else if invite.machine.is_proceeding() {
            self.send_cancel(tx.0, now);
        }
    }

    /// Acknowledges the 2xx whose To tag `ack` has; each repetition of that 2xx is answered with
    /// the same ACK from here.
    pub fn ack(&mut self, tx: ClientTx, mut ack: Request, peer: Peer, _now: Time, random: &mut dyn Random) {
        self.add_via(&mut ack, &peer, random);
        let bytes = ack.to_bytes();
        let tag = ack.to_tag().unwrap_or_default();
        if let Some(Client { kind: Kind::Invite(invite), .. }) = self.clients.get_mut(&tx.0)
            && let Some(fork) = invite.forks.iter_mut().find(|fork| fork.tag == tag)
        {
            fork.ack = Some((peer, bytes.clone()));
        }
        self.transmit(peer, bytes);
    }

    pub(super) fn receive_response(&mut self, response: Response, peer: Peer, now: Time) {
        let (Ok(vias), Ok(cseq)) = (response.vias(), response.cseq()) else {
            self.count_malformed_header();
            return;
        };
        // More than one Via: it was never ours to receive (RFC 3261 §8.1.3.3).
        let branch = match vias.as_slice() {
            [via] => via.branch().unwrap_or(""),
            _ => "",
        };
        let key = client_key(branch, &cseq.method);
        let Some(id) = self.client_keys.get(&key).copied() else {
            self.counters.stray_responses += 1;
            return;
        };
        let Some(step) = self.clients.get_mut(&id).map(|client| client.received(&response, now)) else {
            return;
        };
        match step {
            ClientStep::Nothing | ClientStep::TimedOut => self.counters.retransmissions_received += 1,
            ClientStep::Send(bytes) => {
                self.counters.retransmissions_received += 1;
                self.send_again(id, bytes);
            }
            ClientStep::Deliver => self.deliver(id, response, peer, now),
            ClientStep::DeliverAndSend(bytes) => {
                self.send_client(id, bytes);
                self.deliver(id, response, peer, now);
            }
        }
        self.settle_client(id);
    }

    fn deliver(&mut self, id: u64, response: Response, peer: Peer, now: Time) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let (news, again, cancel) = match &mut client.kind {
            Kind::Cancel(_) => (false, None, false),
            Kind::NonInvite(_) => (true, None, false),
            Kind::Invite(invite) => invite.news(&response),
        };
        if let Some((peer, ack)) = again {
            self.counters.retransmissions_sent += 1;
            self.transmit(peer, ack);
        }
        if cancel {
            self.send_cancel(id, now);
        }
        if news {
            self.events.push_back(Event::Response { tx: ClientTx(id), response, peer });
        } else {
            self.counters.retransmissions_received += 1;
        }
    }

    fn send_cancel(&mut self, id: u64, now: Time) {
        let Some(Client { kind: Kind::Invite(invite), peer, .. }) = self.clients.get_mut(&id) else {
            return;
        };
        invite.cancel = Cancel::Sent;
        invite.machine.cancelled(now);
        let mut cancel = hop_request(&invite.request, Method::Cancel, None);
        if let Some(reason) = invite.reason {
            cancel.headers.push("Reason", reason);
        }
        let bytes = cancel.to_bytes();
        let (key, peer) = (client_key(&invite.branch, &Method::Cancel), *peer);
        let machine = NonInviteClient::new(self.config.timers, peer.transport.is_reliable(), bytes.clone(), now);
        self.begin_client(Kind::Cancel(machine), key, peer, bytes);
        self.settle_client(id);
    }

    fn begin_client(&mut self, kind: Kind, key: String, peer: Peer, bytes: Bytes) -> u64 {
        let id = self.new_id();
        self.client_keys.insert(key.clone(), id);
        self.clients.insert(id, Client { kind, key, peer, wake: None });
        self.transmit(peer, bytes);
        self.settle_client(id);
        id
    }

    fn add_via(&mut self, request: &mut Request, peer: &Peer, random: &mut dyn Random) -> String {
        let branch = format!("{BRANCH_COOKIE}{}", token(random, 12));
        let sent_by = self.advertised(peer.local);
        request.headers.prepend("Via", format!("SIP/2.0/{} {sent_by};branch={branch};rport", peer.transport));
        if request.max_forwards().is_none() {
            request.headers.set("Max-Forwards", "70");
        }
        if !self.config.server_name.is_empty() && !request.headers.has("User-Agent") {
            request.headers.push("User-Agent", self.config.server_name.clone());
        }
        branch
    }

    pub(super) fn client_timeout(&mut self, id: u64, now: Time) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.wake = None;
        let silent = client.is_silent();
        match client.handle_timeout(now) {
            ClientStep::Nothing | ClientStep::Deliver | ClientStep::DeliverAndSend(_) => {}
            ClientStep::Send(bytes) => self.send_again(id, bytes),
            ClientStep::TimedOut if silent => {}
            ClientStep::TimedOut => {
                self.events.push_back(Event::Failed { tx: ClientTx(id), cause: FailCause::Timeout });
            }
        }
        self.settle_client(id);
    }

    fn send_again(&mut self, id: u64, bytes: Bytes) {
        self.counters.retransmissions_sent += 1;
        self.send_client(id, bytes);
    }

    fn send_client(&mut self, id: u64, bytes: Bytes) {
        if let Some(peer) = self.clients.get(&id).map(|client| client.peer) {
            self.transmit(peer, bytes);
        }
    }

    pub(super) fn fail_clients(&mut self, _now: Time, failed: impl Fn(&Client) -> bool) {
        let hit = self.clients.iter().filter(|(_, client)| !client.is_answered() && failed(client));
        let mut ids: Vec<(u64, bool)> = hit.map(|(id, client)| (*id, client.is_silent())).collect();
        ids.sort_unstable();
        for (id, silent) in ids {
            self.forget_client(id);
            if !silent {
                self.events.push_back(Event::Failed { tx: ClientTx(id), cause: FailCause::Transport });
            }
        }
    }

    /// After every change: the next wake-up, or the end.
    fn settle_client(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let next = client.next_timeout();
        self.wakes.move_to(Slot::Client(id), client.wake, next);
        client.wake = next;
        if client.is_terminated() {
            self.forget_client(id);
        }
    }

    fn forget_client(&mut self, id: u64) {
        let Some(Client { kind: _, key, peer: _, wake }) = self.clients.remove(&id) else {
            return;
        };
        self.wakes.move_to(Slot::Client(id), wake, None);
        self.client_keys.remove(&key);
    }
}

impl Invite {
    /// Whether the user hears of `response`, the ACK to repeat instead, and whether the CANCEL
    /// that waited goes out now.
    fn news(&mut self, response: &Response) -> (bool, Option<(Peer, Bytes)>, bool) {
        let cancel = response.is_provisional() && self.cancel == Cancel::Wanted;
        if response.status == 100 {
            return (!std::mem::replace(&mut self.trying, true), None, cancel);
        }
        if !response.is_success() {
            return (true, None, cancel);
        }
        let tag = response.to_tag().unwrap_or_default();
        match self.forks.iter().find(|fork| fork.tag == tag) {
            Some(fork) => (false, fork.ack.clone(), false),
            None if self.forks.len() < MAX_FORKS => {
                self.forks.push(Fork { tag, ack: None });
                (true, None, false)
            }
            None => (false, None, false),
        }
    }
}

fn client_key(branch: &str, method: &Method) -> String {
    format!("{}|{method}", branch.to_ascii_lowercase())
}

/// The ACK of a 3xx to 6xx (RFC 3261 §17.1.1.3).
fn refusal_ack(request: &Request, response: &Response) -> Request {
    hop_request(request, Method::Ack, response.headers.get("To"))
}

/// ACK or CANCEL of an INVITE: same Via, Request-URI and Route, so that it goes the same way
/// (RFC 3261 §9.1, §17.1.1.3).
fn hop_request(invite: &Request, method: Method, to: Option<&str>) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    let copied = |name: &str| invite.headers.get(name).unwrap_or("").to_owned();
    request.headers.push("Via", copied("Via"));
    request.headers.push("Max-Forwards", "70");
    for route in invite.headers.all("Route") {
        request.headers.push("Route", route);
    }
    request.headers.push("From", copied("From"));
    request.headers.push("To", to.map_or_else(|| copied("To"), str::to_owned));
    request.headers.push("Call-ID", copied("Call-ID"));
    let seq = invite.cseq().map_or(0, |cseq| cseq.seq);
    request.headers.push("CSeq", CSeq { seq, method }.to_string());
    if invite.headers.has("User-Agent") {
        request.headers.push("User-Agent", copied("User-Agent"));
    }
    request
}
