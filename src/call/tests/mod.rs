//! Scenarios of whole calls on virtual time: a switch, scripted phones, a lossy network.
//!
//! ```text
//! Phone (Endpoint) ─► Wire (delay, loss, seeded) ─► Switch ─► Wire ─► Phone
//!                                                     └─► Desk: orders, records, bridges
//! ```

mod changes;
mod desk;
mod digits;
mod directory;
mod encryption;
mod ends;
mod flows;
mod guessing;
mod holds;
mod identity;
mod laws;
mod loss;
mod notices;
mod offers;
mod pausing;
mod phone;
mod refusals;
mod register;
mod reliable;
mod replaces;
mod ringing;
mod routes;
mod sdp;
mod shortages;
mod texts;
mod timers;
mod transfer;
mod transfer_flows;
mod trunks;
mod voicemail;
mod waiting;

pub use desk::Desk;
pub use directory::{ACME, BOLT, CARRIER, Parts, companies};
pub use phone::{Gate, OnCall, OnChange, Phone};

use super::switch::{Listener, Switch, SwitchConfig};
use crate::base::{Random, Seeded, Span, Time, Wall};
use crate::ledger::{CallRecord, EndReason, Outcome};
use crate::registrar::Lifetimes;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::EndpointConfig;
use crate::sip::message::{Message, Method, Request, Response};
use crate::sip::parse::parse_datagram;
use crate::sip::session_timer::Policy;
use crate::sip::uri::Uri;
use crate::sip::{ConnectionId, Peer, Transport};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

pub const SWITCH: &str = "192.0.2.1:5060";

pub const fn ms(millis: u64) -> Span {
    Span::from_millis(millis)
}

pub const fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

/// A phone of the lab.
pub type Id = usize;

struct Packet {
    from: Peer,
    bytes: Bytes,
    /// Where the receiver sees it: `None` is the switch.
    to: Option<Id>,
}

pub struct Lab {
    pub now: Time,
    pub switch: Switch,
    pub desk: Desk,
    pub phones: Vec<Phone>,
    wire: BTreeMap<(Time, u64), Packet>,
    sent: u64,
    /// Of every datagram, in each direction.
    pub loss_percent: u32,
    pub delay: Span,
    /// Up to this much more, at random: datagrams overtake each other.
    pub jitter: Span,
    dice: Seeded,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    pub fn new() -> Self {
        Self::seeded(1)
    }

    pub fn seeded(seed: u64) -> Self {
        let local: SocketAddr = SWITCH.parse().unwrap();
        let listeners = [Transport::Udp, Transport::Tcp, Transport::Tls].map(|transport| Listener { transport, local });
        let config = SwitchConfig {
            endpoint: EndpointConfig::default(),
            listeners: listeners.to_vec(),
            lifetimes: Lifetimes { least: 60, usual: 36_000, most: 72_000 },
            nonce_lifetime: secs(300),
            session_timer: Policy::default(),
            ring_timeout: secs(60),
            max_calls: 100,
            silence_timeout: Some(secs(60)),
            rtcp_interval: secs(5),
            strict_source: false,
        };
        Lab {
            now: Time(1_000_000),
            switch: Switch::new(config, Arc::new(directory::build(companies())), [7; 32]),
            desk: Desk::new(seed),
            phones: Vec::new(),
            wire: BTreeMap::new(),
            sent: 0,
            loss_percent: 0,
            delay: ms(5),
            jitter: Span::ZERO,
            dice: Seeded(seed ^ 0xabcd),
        }
    }

    /// A lab whose directory is changed before anything happens.
    pub fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let mut lab = Self::new();
        lab.set_directory(change);
        lab
    }

    /// From now on the directory is that of [`companies`], changed.
    pub fn set_directory(&mut self, change: impl FnOnce(&mut Parts)) {
        let mut parts = companies();
        change(&mut parts);
        self.switch.set_directory(Arc::new(directory::build(parts)));
    }

    pub fn wall(&self) -> Wall {
        Wall::from_unix_micros(1_700_000_000_000_000).plus(self.now.since(Time::ZERO))
    }

    /// A phone that has not registered yet.
    pub fn new_phone(&mut self, domain: &str, extension: &str, transport: Transport) -> Id {
        let id = self.phones.len();
        let address = format!("192.0.2.{}:5060", 10 + id);
        self.add_phone(domain, extension, transport, &address)
    }

    pub fn add_phone(&mut self, domain: &str, extension: &str, transport: Transport, address: &str) -> Id {
        let id = self.phones.len();
        let peer = Peer {
            transport,
            local: address.parse().unwrap(),
            remote: SWITCH.parse().unwrap(),
            connection: transport.is_reliable().then_some(ConnectionId(100 + id as u64)),
        };
        self.phones.push(Phone::new(id, domain, extension, peer));
        id
    }

    /// A registered phone over UDP.
    pub fn phone(&mut self, domain: &str, extension: &str) -> Id {
        self.phone_over(domain, extension, Transport::Udp)
    }

    pub fn phone_over(&mut self, domain: &str, extension: &str, transport: Transport) -> Id {
        let id = self.new_phone(domain, extension, transport);
        self.act(id, |phone, now| phone.register(&[("Expires", "36000")], now));
        self.run(ms(500));
        assert_eq!(self.phones[id].last_status(Method::Register), Some(200), "{extension}@{domain} registers");
        id
    }

    /// The carrier that both companies share: it never registers.
    pub fn carrier(&mut self) -> Id {
        let id = self.add_phone(CARRIER, "carrier", Transport::Udp, &format!("{CARRIER}:5060"));
        self.phones[id].on_call = OnCall::Wait;
        id
    }

    /// The service is started anew: nothing is left but the devices that were kept, and nonces are
    /// made with another secret. The connections have gone with the process.
    pub fn restart(&mut self) {
        let kept = self.switch.changed_bindings();
        let (config, directory) = (self.switch.config.clone(), Arc::clone(&self.switch.directory));
        self.switch = Switch::new(config, directory, [8; 32]);
        for (user, bindings) in kept {
            for binding in bindings {
                self.switch.restore_binding(user, binding, self.now);
            }
        }
    }

    /// Lets a phone do something, and takes what it sends.
    pub fn act<T>(&mut self, id: Id, step: impl FnOnce(&mut Phone, Time) -> T) -> T {
        let done = step(&mut self.phones[id], self.now);
        self.pump();
        done
    }

    /// A phone calls; `dialled` is an extension, a number, or a whole URI.
    pub fn calls(&mut self, id: Id, dialled: &str) -> &mut Self {
        self.act(id, |phone, now| phone.call(dialled, now));
        self
    }

    pub fn rings(&mut self, id: Id, status: u16) -> &mut Self {
        self.act(id, |phone, now| phone.ring(status, false, now));
        self
    }

    pub fn rings_early(&mut self, id: Id, status: u16) -> &mut Self {
        self.act(id, |phone, now| phone.ring(status, true, now));
        self
    }

    pub fn answers(&mut self, id: Id) -> &mut Self {
        self.act(id, Phone::answer);
        self
    }

    pub fn refuses(&mut self, id: Id, status: u16) -> &mut Self {
        self.act(id, |phone, now| phone.refuse(status, now));
        self
    }

    pub fn cancels(&mut self, id: Id) -> &mut Self {
        self.act(id, Phone::cancel);
        self
    }

    pub fn hangs_up(&mut self, id: Id) -> &mut Self {
        self.act(id, Phone::hang_up);
        self
    }

    /// A re-INVITE with that flow.
    pub fn reinvites(&mut self, id: Id, flow: &str) -> &mut Self {
        self.act(id, |phone, now| phone.change(Method::Invite, Some(flow), now));
        self
    }

    pub fn updates(&mut self, id: Id, flow: &str) -> &mut Self {
        self.act(id, |phone, now| phone.change(Method::Update, Some(flow), now));
        self
    }

    /// A call from `caller` to `callee` that is up.
    pub fn talk(&mut self, caller: Id, callee: Id, dialled: &str) -> &mut Self {
        self.calls(caller, dialled).run(ms(100)).rings(callee, 180).run(secs(1)).answers(callee).run(secs(1));
        assert!(
            self.phones[caller].is_talking(),
            "the caller talks: {:?}",
            self.phones[caller].statuses(Method::Invite)
        );
        assert!(self.phones[callee].is_talking(), "the callee talks");
        self
    }

    /// Bytes of a phone that no endpoint would send.
    pub fn raw(&mut self, id: Id, bytes: impl Into<Bytes>) -> &mut Self {
        let from = self.phones[id].peer;
        self.send(Packet { from, bytes: bytes.into(), to: None });
        self
    }

    /// Whatever the lab does with the switch itself.
    pub fn operate<T>(&mut self, step: impl FnOnce(&mut Switch, Time, Wall, &mut Desk) -> T) -> T {
        self.desk.now = self.now;
        let wall = self.wall();
        let done = step(&mut self.switch, self.now, wall, &mut self.desk);
        self.pump();
        done
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Span) -> &mut Self {
        let until = self.now + span;
        let mut rounds = 0;
        self.pump();
        while let Some(at) = self.next_event().filter(|at| *at <= until) {
            rounds = if at > self.now { 0 } else { rounds + 1 };
            assert!(rounds < 20_000, "time stands still at {at:?}");
            self.now = self.now.max(at);
            self.step();
        }
        self.now = until;
        self
    }

    fn next_event(&self) -> Option<Time> {
        let wire = self.wire.keys().next().map(|(at, _)| *at);
        let phones = self.phones.iter().filter_map(Phone::next_timeout);
        phones.chain(wire).chain(self.switch.next_timeout()).chain(self.desk.next_timeout()).min()
    }

    fn step(&mut self) {
        let (now, wall) = (self.now, self.wall());
        self.desk.now = now;
        while self.wire.keys().next().is_some_and(|(at, _)| *at <= now) {
            let Some((_, packet)) = self.wire.pop_first() else { break };
            self.deliver(packet);
            self.pump();
        }
        if self.switch.next_timeout().is_some_and(|at| at <= now) {
            self.switch.handle_timeout(now, wall, &mut self.desk);
        }
        for phone in &mut self.phones {
            phone.handle_timeout(now);
        }
        self.desk.tick();
        self.pump();
    }

    fn deliver(&mut self, packet: Packet) {
        let (now, wall) = (self.now, self.wall());
        self.desk.now = now;
        let Packet { from, bytes, to } = packet;
        match to {
            None => {
                let peer = Peer { local: from.remote, remote: from.local, ..from };
                self.switch.datagram(&bytes, peer, now, wall, &mut self.desk);
            }
            Some(id) => self.phones[id].receive(&bytes, now),
        }
    }

    /// Takes what everybody wants to send, until nobody does.
    fn pump(&mut self) {
        loop {
            let mut busy = false;
            while let Some(transmit) = self.switch.poll_transmit() {
                busy = true;
                let to = self.phones.iter().position(|phone| phone.is_at(&transmit.peer));
                let Some(to) = to else { continue };
                self.desk.note(&transmit.bytes);
                self.send(Packet { from: transmit.peer, bytes: transmit.bytes, to: Some(to) });
            }
            for id in 0..self.phones.len() {
                self.phones[id].work(self.now);
                while let Some(transmit) = self.phones[id].poll_transmit() {
                    busy = true;
                    if !self.phones[id].is_mute {
                        self.send(Packet { from: transmit.peer, bytes: transmit.bytes, to: None });
                    }
                }
            }
            while let Some((call, fact)) = self.desk.facts.pop_front() {
                busy = true;
                self.desk.now = self.now;
                let wall = self.wall();
                self.switch.fact(call, fact, self.now, wall, &mut self.desk);
            }
            if !busy {
                return;
            }
        }
    }

    fn send(&mut self, packet: Packet) {
        let lossy = packet.from.transport == Transport::Udp;
        if lossy && self.dice.u32() % 100 < self.loss_percent {
            return;
        }
        if packet.to.is_some_and(|id| self.phones[id].is_dead) {
            return;
        }
        let jitter = if lossy && self.jitter > Span::ZERO {
            Span(u64::from(self.dice.u32()) % self.jitter.0)
        } else {
            Span::ZERO
        };
        self.sent += 1;
        self.wire.insert((self.now + self.delay + jitter, self.sent), packet);
    }

    /// The record of the last call that was saved.
    pub fn record(&self) -> &CallRecord {
        self.desk.saved.last().expect("a record was saved")
    }

    pub fn ended(&self) -> (Outcome, EndReason) {
        let record = self.record();
        (record.outcome, record.end_reason.clone().expect("the call has ended"))
    }

    /// The statuses that a phone got for its INVITEs, without 100 and 401.
    pub fn heard(&self, id: Id) -> Vec<u16> {
        self.phones[id].statuses(Method::Invite).into_iter().filter(|status| !matches!(status, 100 | 401)).collect()
    }

    /// The leak law: 64 × T1 and a little more after the last call nothing is left.
    pub fn finish(&mut self) {
        self.run(secs(32 + 40));
        assert_eq!(self.switch.leftovers(), [0; 5], "calls, transactions, requests, dialogs, timers");
        assert_eq!(self.switch.call_count(), 0);
        self.desk.assert_balanced();
    }
}

pub fn read(bytes: &[u8]) -> Message {
    parse_datagram(bytes).expect("a readable message")
}

pub fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

/// The dialog that `response` to `request` makes.
pub fn dialog_of(request: &Request, response: &Response) -> Dialog {
    Dialog::uac(request, response).unwrap()
}
