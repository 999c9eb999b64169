//! The phone: commands and packets in, packets and events out.

use super::call::{Call, Sent};
use super::config::PhoneConfig;
use super::heard::Heard;
use super::media::Outbox;
use super::registration::Registration;
use super::{Ending, PhoneEvent};
use crate::base::{Random, Span, Time};
use crate::sdp::{Events, Flow, Format, Local, OfferAnswer, Security};
use crate::sip::Transport;
use crate::sip::endpoint::{ClientTx, Endpoint, EndpointConfig, Event, ServerTx, Transmit};
use crate::sip::message::{Method, Request, Response};
use crate::sip::parse::{Frame, Framer};
use crate::sip::uri::{NameAddr, Uri};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// What came and went, in packets, since the phone was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// RTP.
    pub sent: u64,
    /// RTP of the agreed payload types.
    pub received: u64,
    /// By the sequence numbers of what came.
    pub lost: u64,
    pub reports_sent: u64,
    pub reports_received: u64,
    /// RTP from where it should not come.
    pub strangers: u64,
    /// Neither RTP nor RTCP nor SIP.
    pub malformed: u64,
}

/// Drain the four `poll` functions after every other call.
pub struct Phone {
    pub(super) config: PhoneConfig,
    pub(super) random: Box<dyn Random + Send>,
    pub(super) endpoint: Endpoint,
    framer: Framer,
    pub(super) registration: Registration,
    pub(super) call: Call,
    /// Requests that have no final answer yet, and INVITEs that may still bring a forked one.
    pub(super) sent: HashMap<ClientTx, Sent>,
    pub(super) heard: Heard,
    pub(super) out: Outbox,
    pub(super) events: VecDeque<PhoneEvent>,
    pub(super) counters: Counters,
}

impl Phone {
    pub fn new(config: PhoneConfig, random: Box<dyn Random + Send>) -> Self {
        let endpoint = EndpointConfig {
            timers: config.timers,
            server_name: "telegraphone-phone".to_owned(),
            ..EndpointConfig::default()
        };
        Phone {
            heard: Heard::new(config.hear),
            config,
            random,
            endpoint: Endpoint::new(endpoint),
            framer: Framer::new(),
            registration: Registration::default(),
            call: Call::Idle,
            sent: HashMap::new(),
            out: Outbox::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    pub fn config(&self) -> &PhoneConfig {
        &self.config
    }

    /// Datagrams, or bytes of the stream to the server. Datagrams of others are dropped.
    pub fn handle_sip(&mut self, from: SocketAddr, bytes: &[u8], now: Time) {
        let server = self.config.server;
        if from.ip() != server.remote.ip() {
            self.counters.strangers += 1;
            return;
        }
        if server.transport.is_reliable() {
            self.framer.push(bytes);
            for frame in self.framer.by_ref() {
                match frame {
                    Ok(Frame::Ping) => {}
                    Ok(Frame::Message(message)) => {
                        self.endpoint.receive_message(Ok(message), server, now, self.random.as_mut());
                    }
                    Err(error) => self.endpoint.receive_message(Err(error), server, now, self.random.as_mut()),
                }
            }
        } else {
            let peer = crate::sip::Peer { remote: from, ..server };
            self.endpoint.receive(bytes, peer, now, self.random.as_mut());
        }
        self.drain(now);
    }

    /// The way to the server is broken: a refused datagram, or a stream that closed.
    pub fn transport_failed(&mut self, now: Time) {
        self.framer = Framer::new();
        self.endpoint.transport_failed(self.config.server, now);
        self.drain(now);
    }

    pub fn handle_rtp(&mut self, from: SocketAddr, bytes: &[u8], now: Time) {
        let Phone { call, heard, counters, .. } = self;
        let Some(media) = call.media_mut() else {
            counters.strangers += 1;
            return;
        };
        let before = media.totals();
        let key = media.rtp(from, bytes, heard, counters, now);
        let after = media.totals();
        counters.received += after.1 - before.1;
        // A late packet is one lost less.
        counters.lost = (counters.lost + after.0 + before.1).saturating_sub(after.1 + before.0);
        if let Some(key) = key {
            self.events.push_back(PhoneEvent::Digit(key));
        }
    }

    pub fn handle_rtcp(&mut self, _from: SocketAddr, bytes: &[u8], now: Time) {
        if let Some(media) = self.call.media_mut() {
            media.rtcp(bytes, &mut self.counters, now);
        }
    }

    /// How long it rings before it answers, from the next call on; `None`: until it is told to.
    pub fn answers_after(&mut self, ringing: Option<Span>) {
        self.config.auto_answer = ringing;
    }

    /// What it speaks from its next offer or answer on.
    pub fn speaks(&mut self, formats: Vec<Format>, events: Option<u8>, ptime_ms: u16) {
        (self.config.formats, self.config.events, self.config.ptime_ms) = (formats, events, ptime_ms);
    }

    /// Bytes for the server.
    pub fn poll_sip(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// A packet to be sent from the media port.
    pub fn poll_rtp(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.out.rtp.pop_front()
    }

    /// A packet to be sent from the port above the media port.
    pub fn poll_rtcp(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.out.rtcp.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<PhoneEvent> {
        self.events.pop_front()
    }

    pub fn next_timeout(&self) -> Option<Time> {
        [self.endpoint.next_timeout(), self.registration.next_timeout(), self.call.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
        self.registration_timeout(now);
        self.call_timeout(now);
        let Phone { call, config, out, counters, .. } = self;
        if let Some(media) = call.media_mut() {
            let busy = !media.keys_are_sent();
            media.handle_timeout(now, &config.voice, out, counters);
            if busy && media.keys_are_sent() && call.info_keys_are_sent() {
                self.events.push_back(PhoneEvent::DigitsSent);
            }
        }
    }

    /// What was heard in this call (after it, in the last one), from its first packet on: 8 kHz.
    pub fn heard(&self) -> &[i16] {
        self.heard.samples()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.call, Call::Idle)
    }

    fn drain(&mut self, now: Time) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, request, peer: _ } => self.on_request(tx, request, now),
                Event::Ack { request, peer: _ } => self.on_ack(&request, now),
                Event::Cancelled { tx, request: _ } => self.on_cancelled(tx, now),
                Event::Response { tx, response, peer: _ } => self.on_response(tx, &response, now),
                Event::Failed { tx, cause } => self.on_failed(tx, cause.status(), now),
                Event::AckMissing { tx: _ } => self.give_up(Ending::Refused { status: 408 }, now),
            }
        }
    }

    fn on_request(&mut self, tx: ServerTx, request: Request, now: Time) {
        let in_dialog = request.to_tag().is_some();
        match (&request.method, in_dialog) {
            (Method::Options, false) => self.answer_options(tx, &request, now),
            (Method::Invite, false) => self.on_invite(tx, request, now),
            (Method::Invite | Method::Update | Method::Bye | Method::Info | Method::Options, true) => {
                self.on_request_in_dialog(tx, &request, now);
            }
            (Method::Message, false) => self.on_text(tx, &request, now),
            (Method::Bye | Method::Info | Method::Update, false) => self.reply(tx, request.response(481), now),
            (
                Method::Ack
                | Method::Cancel
                | Method::Register
                | Method::Prack
                | Method::Refer
                | Method::Notify
                | Method::Subscribe
                | Method::Message
                | Method::Publish
                | Method::Other(_),
                _,
            ) => {
                let allow = self.endpoint.capabilities().allow();
                self.reply(tx, request.response(405).with_header("Allow", allow), now);
            }
        }
    }

    pub(super) fn answer_options(&mut self, tx: ServerTx, request: &Request, now: Time) {
        let capabilities = self.endpoint.capabilities();
        let response = request
            .response(200)
            .with_header("Allow", capabilities.allow())
            .with_header("Accept", capabilities.accept());
        self.reply(tx, response, now);
    }

    pub(super) fn reply(&mut self, tx: ServerTx, response: Response, now: Time) {
        self.endpoint.respond(tx, response, now);
    }

    /// Sends a request and keeps what it was, for its answer.
    pub(super) fn send(&mut self, sent: Sent, now: Time) -> ClientTx {
        let tx = self.endpoint.request(sent.request.clone(), self.config.server, now, self.random.as_mut());
        self.sent.insert(tx, sent);
        tx
    }

    /// A leg's exchange of descriptions, with keys of its own where we may encrypt.
    pub(super) fn exchange(&mut self) -> OfferAnswer {
        let exchange = OfferAnswer::new(u64::from(self.random.u32()));
        match self.config.encryption {
            Some(encryption) => exchange.secured(Security::new(encryption, self.random.as_mut())),
            None => exchange,
        }
    }

    /// Our address as From and Contact name it.
    pub(super) fn address(&self) -> NameAddr {
        NameAddr::new(Uri::sip(&self.config.user, &self.config.domain)).with_display(&self.config.display)
    }

    pub(super) fn contact(&self) -> NameAddr {
        let mut uri = Uri::sip(&self.config.user, &self.config.server.local.to_string());
        match self.config.server.transport {
            Transport::Udp => {}
            Transport::Tcp | Transport::Tls => uri.params.set("transport", Some("tcp")),
        }
        NameAddr::new(uri)
    }

    /// What we can do, at a media address.
    pub(super) fn local(&self, media: SocketAddr, flow: Flow) -> Local {
        Local {
            // The exchange fills in these three.
            session_id: 0,
            version: 0,
            address: media.ip(),
            port: media.port(),
            formats: self.config.formats.clone(),
            events: self.config.events.map(|pt| Events { pt, clock: 8_000 }),
            flow,
            ptime: Some(self.config.ptime_ms),
            rtcp_mux: false,
            security: Default::default(),
        }
    }
}
