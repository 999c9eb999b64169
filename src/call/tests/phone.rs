//! A scripted phone: an endpoint with one call at a time, obliging unless told otherwise.

use super::directory::password;
use super::sdp::{Voice, answer_flow, flow_of};
use super::{CARRIER, SWITCH, uri};
use crate::base::{Seeded, Span, Time};
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::digest::{Algorithm, Credentials, challenges, ha1, respond, verify};
use crate::sip::endpoint::{ClientTx, Endpoint, EndpointConfig, Event, ServerTx, Transmit};
use crate::sip::message::{Method, Request, Response};
use crate::sip::reliable::{Provisionals, RAck, Tick, rseq};
use crate::sip::{Peer, Transport};
use bytes::Bytes;

/// What a phone does with a call that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCall {
    Wait,
    /// 180 and 200 at once.
    Answer,
    Refuse(u16),
}

/// What a phone does with a re-INVITE or UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    Accept,
    Refuse(u16),
    Wait,
}

/// What a carrier challenges with.
#[derive(Clone, Debug)]
pub struct Gate {
    /// 401 or 407.
    pub status: u16,
    pub realm: String,
    pub user: String,
    pub password: String,
    /// The first answer to a challenge is said to have an old nonce.
    pub first_is_stale: bool,
}

impl Gate {
    pub fn new(status: u16) -> Self {
        let text = |text: &str| text.to_owned();
        Gate { status, realm: text("carrier"), user: text("acme"), password: text("open"), first_is_stale: false }
    }

    /// The challenge to `request`, unless it proves the password.
    fn objection(&mut self, request: &Request) -> Option<Response> {
        let names = if self.status == 401 {
            ["Authorization", "WWW-Authenticate"]
        } else {
            ["Proxy-Authorization", "Proxy-Authenticate"]
        };
        let [answer, challenge] = names;
        let credentials = request.headers.get(answer).map(|value| Credentials::parse(value).unwrap());
        let hash = ha1(Algorithm::Md5, &self.user, &self.realm, &self.password);
        let proven = credentials
            .as_ref()
            .is_some_and(|said| verify(said, request.method.as_str(), Some(&hash), None, &request.body));
        let stale = proven && std::mem::take(&mut self.first_is_stale);
        if proven && !stale {
            return None;
        }
        let stale = if stale { ", stale=true" } else { "" };
        let value = format!("Digest realm=\"{}\", nonce=\"n\", qop=\"auth\"{stale}", self.realm);
        Some(request.response(self.status).with_header(challenge, value))
    }
}

pub struct Phone {
    pub id: usize,
    pub domain: String,
    pub extension: String,
    pub password: String,
    pub peer: Peer,
    pub endpoint: Endpoint,
    dice: Seeded,
    pub on_call: OnCall,
    pub on_change: OnChange,
    /// Headers of every INVITE that it sends and every 2xx to one.
    pub extra: Vec<(String, String)>,
    pub voice: Voice,
    pub holding: bool,
    /// Its INVITE has no offer: the answer comes in the ACK.
    pub late_offer: bool,
    pub acks_itself: bool,
    /// It acknowledges reliable provisional responses.
    pub pracks: bool,
    /// The early dialog of its own call.
    early: Option<Dialog>,
    /// What it says reliably of the call that rings.
    reliable: Option<Provisionals>,
    /// It asks for this password, as a carrier does.
    pub gate: Option<Gate>,
    /// Retry-After of its refusals, in s.
    pub retry_after: Option<u32>,
    /// What it sends gets lost.
    pub is_mute: bool,
    /// What is sent to it gets lost.
    pub is_dead: bool,
    pub seq: u32,
    pub calls_made: u32,
    /// The INVITE that it sent last, before a dialog.
    pub outgoing: Option<(ClientTx, Request)>,
    /// The INVITE that rings here.
    pub incoming: Option<(ServerTx, Request)>,
    pub dialog: Option<Dialog>,
    /// Calls that it keeps beside the one it is in.
    pub parked: Vec<Dialog>,
    /// Requests of this method are never answered.
    pub deaf_to: Option<Method>,
    tag: String,
    pub changes: Vec<(ClientTx, Request)>,
    /// All that came, oldest first.
    pub requests: Vec<(ServerTx, Request)>,
    pub responses: Vec<(ClientTx, Request, Response)>,
    pub acks: Vec<Request>,
    pub failures: usize,
    pub cancelled: usize,
    asked: Vec<(ClientTx, Request)>,
}

impl Phone {
    pub fn new(id: usize, domain: &str, extension: &str, peer: Peer) -> Self {
        Phone {
            id,
            domain: domain.to_owned(),
            extension: extension.to_owned(),
            password: password(domain),
            peer,
            endpoint: Endpoint::new(hears_of_transfers()),
            dice: Seeded(1_000 + id as u64),
            on_call: OnCall::Wait,
            on_change: OnChange::Accept,
            extra: vec![("Allow".to_owned(), "INVITE, ACK, BYE, CANCEL, INFO, UPDATE".to_owned())],
            voice: Voice {
                ip: peer.local.ip().to_string(),
                port: 4_000,
                formats: vec![0, 8],
                events: Some(101),
                version: 0,
                proto: "RTP/AVP",
                crypto: Vec::new(),
            },
            holding: false,
            late_offer: false,
            acks_itself: true,
            pracks: true,
            early: None,
            reliable: None,
            gate: None,
            retry_after: None,
            is_mute: false,
            is_dead: false,
            seq: 0,
            calls_made: 0,
            outgoing: None,
            incoming: None,
            dialog: None,
            parked: Vec::new(),
            deaf_to: None,
            tag: format!("phone{id}"),
            changes: Vec::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            acks: Vec::new(),
            failures: 0,
            cancelled: 0,
            asked: Vec::new(),
        }
    }

    pub fn contact(&self) -> String {
        let transport = match self.peer.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        format!("<sip:{}@{}{transport}>", self.extension, self.peer.local)
    }

    pub fn is_talking(&self) -> bool {
        self.dialog.is_some()
    }

    pub fn is_at(&self, peer: &Peer) -> bool {
        let same_way = self.peer.connection == peer.connection || peer.connection.is_none();
        self.peer.local == peer.remote && self.peer.transport == peer.transport && same_way
    }

    pub fn send(&mut self, request: Request, now: Time) -> ClientTx {
        let tx = self.endpoint.request(request.clone(), self.peer, now, &mut self.dice);
        self.asked.push((tx, request));
        tx
    }

    /// A request outside of any dialog.
    pub fn outside(&mut self, method: Method, to: &str, call_id: &str) -> Request {
        self.seq += 1;
        let from = format!("<sip:{}@{}>;tag=t{}-{}", self.extension, self.domain, self.id, self.calls_made);
        let seq = format!("{} {method}", self.seq);
        Request::new(method, uri(to))
            .with_header("From", from)
            .with_header("To", format!("<{to}>"))
            .with_header("Call-ID", call_id)
            .with_header("CSeq", seq)
            .with_header("Contact", self.contact())
    }

    pub fn register(&mut self, headers: &[(&str, &str)], now: Time) {
        let aor = format!("sip:{}@{}", self.extension, self.domain);
        let id = format!("register-{}", self.id);
        let mut request = self.outside(Method::Register, &aor, &id);
        request.uri = uri(&format!("sip:{}", self.domain));
        for (name, value) in headers {
            request.headers.set(name, *value);
        }
        self.send(request, now);
    }

    /// Asks to be told of what waits for this user.
    pub fn subscribe(&mut self, to: &str, headers: &[(&str, &str)], now: Time) {
        self.calls_made += 1;
        let (aor, id) = (format!("sip:{to}@{}", self.domain), format!("watch-{}-{}", self.id, self.calls_made));
        let mut request = self.outside(Method::Subscribe, &aor, &id).with_header("Event", "message-summary");
        for (name, value) in headers {
            request.headers.set(name, *value);
        }
        self.send(request, now);
    }

    /// The same in the dialog that it made.
    pub fn subscribe_again(&mut self, seconds: &str, now: Time) {
        let contact = self.contact();
        let request = self.parked.last_mut().expect("a subscription").request(Method::Subscribe, &contact);
        let request = request.with_header("Event", "message-summary").with_header("Expires", seconds);
        self.send(request, now);
    }

    /// What it was told of messages: state of the subscription, and the line with the counts.
    pub fn told(&self) -> Vec<(String, String)> {
        let notifies = self.requests.iter().filter(|(_, request)| request.method == Method::Notify);
        let line = |request: &Request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            body.lines().find(|line| line.starts_with("Voice-Message")).unwrap_or("").to_owned()
        };
        let state = |request: &Request| request.headers.get("Subscription-State").unwrap_or("").to_owned();
        notifies.map(|(_, request)| (state(request), line(request))).collect()
    }

    pub fn invite(&mut self, dialled: &str) -> Request {
        self.calls_made += 1;
        let host = if self.domain == CARRIER { SWITCH } else { &self.domain };
        let to = if dialled.contains(':') { dialled.to_owned() } else { format!("sip:{dialled}@{host}") };
        let id = format!("call-{}-{}", self.id, self.calls_made);
        let mut request = self.outside(Method::Invite, &to, &id);
        for (name, value) in &self.extra {
            request.headers.set(name, value.clone());
        }
        if !self.late_offer {
            request = request.with_body("application/sdp", self.voice.say("sendrecv"));
        }
        request
    }

    pub fn call(&mut self, dialled: &str, now: Time) {
        let request = self.invite(dialled);
        self.early = None;
        let tx = self.send(request.clone(), now);
        self.outgoing = Some((tx, request));
    }

    pub fn ring(&mut self, status: u16, early_media: bool, now: Time) {
        let (tx, request) = self.incoming.clone().expect("a call rings");
        let mut response =
            request.response(status).with_to_tag(&self.tag.clone()).with_header("Contact", self.contact());
        if early_media {
            response = response.with_body("application/sdp", self.answer_to(&request.body));
        }
        self.endpoint.respond(tx, response, now);
    }

    /// Rings with a response that has to be acknowledged.
    pub fn ring_reliably(&mut self, status: u16, early_media: bool, now: Time) {
        let (tx, request) = self.incoming.clone().expect("a call rings");
        let mut response =
            request.response(status).with_to_tag(&self.tag.clone()).with_header("Contact", self.contact());
        if early_media {
            response = response.with_body("application/sdp", self.answer_to(&request.body));
        }
        let ours = self.reliable.get_or_insert_with(|| Provisionals::new(&request, 40, Span::from_millis(500)));
        if let Some(response) = ours.say(response, now) {
            self.endpoint.respond(tx, response, now);
        }
    }

    fn on_prack(&mut self, tx: ServerTx, request: &Request, now: Time) {
        let rack = RAck::of(request).expect("a readable RAck");
        match self.reliable.as_mut().map(|ours| ours.acknowledged(&rack, now)) {
            Some(Ok(next)) => {
                self.endpoint.respond(tx, request.response(200), now);
                if let (Some(next), Some((invite, _))) = (next, self.incoming.clone()) {
                    self.endpoint.respond(invite, next, now);
                }
            }
            Some(Err(_)) | None => self.endpoint.respond(tx, request.response(481), now),
        }
    }

    /// PRACK for a response to its own INVITE, with an answer where that has the offer.
    pub fn prack(&mut self, request: &Request, response: &Response, now: Time) {
        let Some(rseq) = rseq(response) else { return };
        let made = Dialog::uac(request, response).unwrap();
        let contact = self.contact();
        let early = self.early.get_or_insert(made);
        let rack = RAck { rseq, cseq: request.cseq().unwrap() };
        let mut prack = early.request(Method::Prack, &contact).with_header("RAck", rack.value());
        if request.body.is_empty() && !response.body.is_empty() {
            prack = prack.with_body("application/sdp", self.answer_to(&response.body));
        }
        self.send(prack, now);
    }

    fn answer_to(&mut self, offer: &[u8]) -> Bytes {
        match offer.is_empty() {
            true => self.voice.say(if self.holding { "sendonly" } else { "sendrecv" }),
            false => self.voice.say(answer_flow(flow_of(offer), self.holding)),
        }
    }

    /// The 200 to the INVITE that rings.
    pub fn ok(&mut self, tag: &str) -> Response {
        let (_, request) = self.incoming.clone().expect("a call rings");
        let mut response = request.response(200).with_to_tag(tag).with_header("Contact", self.contact());
        for (name, value) in &self.extra {
            response.headers.set(name, value.clone());
        }
        response.with_body("application/sdp", self.answer_to(&request.body))
    }

    pub fn answer(&mut self, now: Time) {
        let response = self.ok(&self.tag.clone());
        self.answer_with(response, now);
    }

    pub fn answer_with(&mut self, response: Response, now: Time) {
        let (tx, request) = self.incoming.clone().expect("a call rings");
        self.dialog = Dialog::uas(&request, &response.to_tag().unwrap()).ok();
        if let Some(reliable) = &mut self.reliable {
            reliable.stop();
        }
        self.endpoint.respond(tx, response, now);
    }

    pub fn refuse(&mut self, status: u16, now: Time) {
        let (tx, request) = self.incoming.take().expect("a call rings");
        let mut response = request.response(status).with_header("Contact", "<sip:elsewhere@192.0.2.200>");
        if let Some(seconds) = self.retry_after {
            response = response.with_header("Retry-After", seconds.to_string());
        }
        self.endpoint.respond(tx, response, now);
    }

    pub fn cancel(&mut self, now: Time) {
        let (tx, _) = self.outgoing.clone().expect("a call of its own");
        self.endpoint.cancel(tx, now, &mut self.dice);
    }

    pub fn hang_up(&mut self, now: Time) {
        let request = self.inside(Method::Bye);
        self.send(request, now);
        self.dialog = None;
    }

    /// The next request in the dialog.
    pub fn inside(&mut self, method: Method) -> Request {
        let contact = self.contact();
        self.dialog.as_mut().expect("a dialog").request(method, &contact)
    }

    pub fn change(&mut self, method: Method, flow: Option<&str>, now: Time) {
        self.holding = matches!(flow, Some("sendonly" | "inactive" | "zero"));
        let mut request = self.inside(method);
        if let Some(flow) = flow {
            request = request.with_body("application/sdp", self.voice.say(flow));
        }
        let tx = self.send(request.clone(), now);
        self.changes.push((tx, request));
    }

    /// Keeps the call for later, and is free for another.
    pub fn park(&mut self) {
        self.parked.extend(self.dialog.take());
    }

    /// REFER in the call that it is in.
    pub fn refer(&mut self, to: &str, headers: &[(&str, &str)], now: Time) {
        let mut request = self.inside(Method::Refer).with_header("Refer-To", to);
        for (name, value) in headers {
            request.headers.push(name, *value);
        }
        self.send(request, now);
    }

    /// The status lines that it heard of its transfers.
    pub fn progress(&self) -> Vec<u16> {
        let notifies = self.requests.iter().filter(|(_, request)| request.method == Method::Notify);
        let status = |body: &[u8]| String::from_utf8_lossy(body).split(' ').nth(1).and_then(|s| s.parse().ok());
        notifies.filter_map(|(_, request)| status(&request.body)).collect()
    }

    pub fn info(&mut self, kind: &str, body: &str, now: Time) {
        let request = self.inside(Method::Info).with_body(kind, body.to_owned());
        self.send(request, now);
    }

    pub fn receive(&mut self, bytes: &[u8], now: Time) {
        self.endpoint.receive(bytes, self.peer, now, &mut self.dice);
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let reliable = self.reliable.as_ref().and_then(Provisionals::next_timeout);
        self.endpoint.next_timeout().into_iter().chain(reliable).min()
    }

    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        match self.reliable.as_mut().map_or(Tick::Nothing, |ours| ours.handle_timeout(now)) {
            Tick::Nothing => {}
            Tick::Send(response) => match &self.incoming {
                Some((tx, _)) => self.endpoint.respond(*tx, response, now),
                None => self.reliable = None,
            },
            Tick::GiveUp => {
                self.failures += 1;
                self.reliable = None;
            }
        }
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// Deals with what its endpoint found.
    pub fn work(&mut self, now: Time) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, request, .. } => self.on_request(tx, request, now),
                Event::Ack { request, .. } => self.acks.push(request),
                Event::Cancelled { tx, .. } => self.on_cancelled(tx, now),
                Event::Response { tx, response, .. } => self.on_response(tx, response, now),
                Event::Failed { .. } => self.failures += 1,
                Event::AckMissing { .. } => self.failures += 1,
            }
        }
    }

    fn on_cancelled(&mut self, tx: ServerTx, now: Time) {
        self.cancelled += 1;
        if let Some((_, request)) = self.incoming.take_if(|(of, _)| *of == tx) {
            self.endpoint.respond(tx, request.response(487), now);
        }
    }

    fn on_request(&mut self, tx: ServerTx, request: Request, now: Time) {
        self.requests.push((tx, request.clone()));
        let inside = request.to_tag().is_some();
        if inside && request.method != Method::Prack {
            if self.deaf_to.as_ref() == Some(&request.method) {
                return;
            }
            let mut all = self.parked.iter_mut().chain(&mut self.dialog);
            if !all.any(|dialog| dialog.accept(&request).is_ok()) {
                return self.endpoint.respond(tx, request.response(481), now);
            }
        }
        if let Some(objection) = self.gate.as_mut().and_then(|gate| gate.objection(&request)) {
            return self.endpoint.respond(tx, objection, now);
        }
        match (&request.method, inside) {
            (Method::Invite, false) => self.on_invite(tx, request, now),
            (Method::Prack, _) => self.on_prack(tx, &request, now),
            (Method::Invite | Method::Update, true) => match self.on_change {
                OnChange::Accept => self.accept_change(tx, &request, now),
                OnChange::Refuse(status) => self.endpoint.respond(tx, request.response(status), now),
                OnChange::Wait => {}
            },
            (Method::Bye, _) => {
                let of = DialogId::of_request(&request);
                self.parked.retain(|dialog| Some(dialog.id()) != of);
                self.dialog = self.dialog.take().filter(|dialog| Some(dialog.id()) != of);
                self.endpoint.respond(tx, request.response(200), now);
            }
            _ => self.endpoint.respond(tx, request.response(200), now),
        }
    }

    fn on_invite(&mut self, tx: ServerTx, request: Request, now: Time) {
        self.incoming = Some((tx, request));
        self.reliable = None;
        match self.on_call {
            OnCall::Wait => {}
            OnCall::Answer => {
                self.ring(180, false, now);
                self.answer(now);
            }
            OnCall::Refuse(status) => self.refuse(status, now),
        }
    }

    pub fn accept_change(&mut self, tx: ServerTx, request: &Request, now: Time) {
        let mut response = request.response(200).with_header("Contact", self.contact());
        if !request.body.is_empty() || request.method == Method::Invite {
            response = response.with_body("application/sdp", self.answer_to(&request.body));
        }
        self.endpoint.respond(tx, response, now);
    }

    fn on_response(&mut self, tx: ClientTx, response: Response, now: Time) {
        let Some((_, request)) = self.asked.iter().find(|(of, _)| *of == tx).cloned() else { return };
        self.responses.push((tx, request.clone(), response.clone()));
        let challenged = response.status == 401 && !request.headers.has("Authorization");
        if challenged && !challenges(&response.headers).is_empty() {
            return self.prove(tx, request, &response, now);
        }
        if request.method == Method::Invite && response.is_provisional() && self.pracks {
            self.prack(&request, &response, now);
        }
        if request.method == Method::Subscribe && response.is_success() && request.to_tag().is_none() {
            self.parked.extend(Dialog::uac(&request, &response).ok());
        }
        if request.method != Method::Invite || !response.is_success() {
            return;
        }
        let Ok(dialog) = Dialog::uac(&request, &response) else { return };
        if request.to_tag().is_none() {
            let counted = self.early.take().map_or(0, |early| early.local_seq);
            self.dialog = Some(Dialog { local_seq: dialog.local_seq.max(counted), ..dialog.clone() });
        }
        if self.acks_itself {
            self.ack(tx, &dialog, &request, &response, now);
        }
    }

    pub fn ack(&mut self, tx: ClientTx, dialog: &Dialog, request: &Request, response: &Response, now: Time) {
        let seq = request.cseq().unwrap().seq;
        let mut ack = dialog.ack(seq, "");
        if request.body.is_empty() && !response.body.is_empty() {
            ack = ack.with_body("application/sdp", self.answer_to(&response.body));
        }
        self.endpoint.ack(tx, ack, self.peer, now, &mut self.dice);
    }

    /// The same request with the password.
    fn prove(&mut self, tx: ClientTx, mut request: Request, response: &Response, now: Time) {
        let value = self.authorization(&request, response, 1);
        request.headers.push("Authorization", value);
        self.seq += 1;
        request.headers.set("CSeq", format!("{} {}", self.seq, request.method));
        let again = self.send(request.clone(), now);
        if self.outgoing.as_ref().is_some_and(|(of, _)| *of == tx) {
            self.outgoing = Some((again, request));
        }
    }

    pub fn authorization(&self, request: &Request, response: &Response, count: u32) -> String {
        let values = challenges(&response.headers);
        let (method, to) = (request.method.as_str(), request.uri.to_string());
        respond(&values, &self.extension, &self.password, method, &to, "cnonce", count).unwrap()
    }

    pub fn statuses(&self, method: Method) -> Vec<u16> {
        let of = self.responses.iter().filter(|(_, request, _)| request.method == method);
        of.map(|(_, _, response)| response.status).collect()
    }

    pub fn last_status(&self, method: Method) -> Option<u16> {
        self.statuses(method).last().copied()
    }

    pub fn last_response(&self, method: Method) -> &Response {
        let of = self.responses.iter().rev().find(|(_, request, _)| request.method == method);
        &of.expect("a response").2
    }

    pub fn got(&self, method: Method) -> usize {
        self.requests.iter().filter(|(_, request)| request.method == method).count()
    }

    pub fn last_request(&self, method: Method) -> &Request {
        let of = self.requests.iter().rev().find(|(_, request)| request.method == method);
        &of.expect("a request").1
    }
}

/// Phones take NOTIFY, of transfers and of messages, which the service has no use for.
fn hears_of_transfers() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config.capabilities.methods.push(Method::Notify);
    config.capabilities.content_types.push("message/sipfrag".to_owned());
    config.capabilities.content_types.push("application/simple-message-summary".to_owned());
    config
}
