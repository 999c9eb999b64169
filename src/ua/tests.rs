//! Phone against phone on virtual time, over a network that takes 5 ms and may lose SIP.

use super::*;
use crate::audio::Law;
use crate::base::{Random, Samples, Seeded, Span, Time};
use crate::sdp::{Codec, Encryption, Format};
use crate::sip::digest::{self, Algorithm, Challenge, Credentials};
use crate::sip::message::{Message, Method, Request, Response};
use crate::sip::parse::parse_datagram;
use crate::sip::{Peer, Transport};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

const ALICE: usize = 0;
const BOB: usize = 1;
const LATENCY: Span = Span::from_millis(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Sip,
    Rtp,
    Rtcp,
}

struct Flight {
    from: SocketAddr,
    port: Port,
    bytes: Bytes,
}

/// What stands before Bob and asks who is there.
struct Doorman {
    realm: &'static str,
    password: &'static str,
    /// Requests that came with credentials, by whether those were right.
    seen: Vec<(Method, bool)>,
}

struct Lab {
    phones: [Phone; 2],
    now: Time,
    flights: BTreeMap<(Time, u64), (usize, Flight)>,
    flown: u64,
    /// Every datagram of SIP that was sent, lost ones too.
    sip: Vec<Message>,
    events: [Vec<PhoneEvent>; 2],
    lost_percent: u32,
    dice: Seeded,
    doorman: Option<Doorman>,
}

fn ms(millis: u64) -> Span {
    Span::from_millis(millis)
}

fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

fn address(phone: usize, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + phone as u8], port))
}

/// A voice that is another one at each position, and never digital silence.
fn voice(of: u8) -> Voice {
    Voice::Payload(Arc::new(move |at| (at % 100) as u8 + 100 * of))
}

fn config(phone: usize) -> PhoneConfig {
    let server = Peer {
        transport: Transport::Udp,
        local: address(phone, 5060),
        remote: address(1 - phone, 5060),
        connection: None,
    };
    let user = ["alice", "bob"][phone];
    PhoneConfig {
        auto_answer: (phone == BOB).then_some(ms(300)),
        voice: voice(phone as u8),
        ..PhoneConfig::new(user, &server.remote.to_string(), server, address(phone, 4000))
    }
}

impl Lab {
    fn new(change: impl Fn(usize, &mut PhoneConfig)) -> Self {
        let phone = |index: usize| {
            let mut config = config(index);
            change(index, &mut config);
            Phone::new(config, Box::new(Seeded(7 + index as u64)))
        };
        Lab {
            phones: [phone(ALICE), phone(BOB)],
            now: Time(1_000_000),
            flights: BTreeMap::new(),
            flown: 0,
            sip: Vec::new(),
            events: [Vec::new(), Vec::new()],
            lost_percent: 0,
            dice: Seeded(99),
            doorman: None,
        }
    }

    fn plain() -> Self {
        Self::new(|_, _| ())
    }

    fn act<T>(&mut self, phone: usize, action: impl FnOnce(&mut Phone, Time) -> T) -> T {
        let done = action(&mut self.phones[phone], self.now);
        self.drain();
        done
    }

    fn run(&mut self, span: Span) -> &mut Self {
        let end = self.now + span;
        loop {
            let flight = self.flights.keys().next().map(|(at, _)| *at);
            let timeouts = self.phones.iter().filter_map(Phone::next_timeout);
            let Some(next) = timeouts.chain(flight).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, flight) = entry.remove();
                self.land(to, flight);
            }
            for phone in &mut self.phones {
                if phone.next_timeout().is_some_and(|at| at <= self.now) {
                    phone.handle_timeout(self.now);
                }
            }
            self.drain();
        }
        self.now = end;
        self
    }

    fn land(&mut self, to: usize, flight: Flight) {
        let Flight { from, port, bytes } = flight;
        let phone = &mut self.phones[to];
        match port {
            Port::Sip => phone.handle_sip(from, &bytes, self.now),
            Port::Rtp => phone.handle_rtp(from, &bytes, self.now),
            Port::Rtcp => phone.handle_rtcp(from, &bytes, self.now),
        }
    }

    fn drain(&mut self) {
        for phone in [ALICE, BOB] {
            while let Some(transmit) = self.phones[phone].poll_sip() {
                let message = parse_datagram(&transmit.bytes).expect("what a phone says can be read");
                self.sip.push(message.clone());
                if phone == ALICE
                    && let Message::Request(request) = &message
                    && let Some(answer) = self.doorman.as_mut().and_then(|doorman| doorman.hear(request))
                {
                    self.fly(ALICE, address(BOB, 5060), Port::Sip, answer);
                    continue;
                }
                if self.dice.u32() % 100 >= self.lost_percent {
                    self.fly(1 - phone, transmit.peer.local, Port::Sip, transmit.bytes);
                }
            }
            while let Some((to, bytes)) = self.phones[phone].poll_rtp() {
                if to.port() % 2 == 0 {
                    self.fly(1 - phone, address(phone, 4000), Port::Rtp, bytes);
                }
            }
            while let Some((_, bytes)) = self.phones[phone].poll_rtcp() {
                self.fly(1 - phone, address(phone, 4001), Port::Rtcp, bytes);
            }
            while let Some(event) = self.phones[phone].poll_event() {
                self.events[phone].push(event);
            }
        }
    }

    fn fly(&mut self, to: usize, from: SocketAddr, port: Port, bytes: Bytes) {
        self.flown += 1;
        self.flights.insert((self.now + LATENCY, self.flown), (to, Flight { from, port, bytes }));
    }

    /// Alice has called Bob and both talk.
    fn talking(mut self) -> Self {
        self.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
        self.run(secs(1));
        assert!(self.has(ALICE, &PhoneEvent::Answered), "{:?}", self.events);
        assert!(self.has(BOB, &PhoneEvent::Answered), "{:?}", self.events);
        self
    }

    fn has(&self, phone: usize, event: &PhoneEvent) -> bool {
        self.events[phone].contains(event)
    }

    fn digits(&self, phone: usize) -> String {
        let keys = self.events[phone].iter().filter_map(|event| match event {
            PhoneEvent::Digit(key) => Some(char::from(*key)),
            _ => None,
        });
        keys.collect()
    }

    fn endings(&self, phone: usize) -> Vec<Ending> {
        let ends = self.events[phone].iter().filter_map(|event| match event {
            PhoneEvent::Ended(ending) => Some(ending.clone()),
            _ => None,
        });
        ends.collect()
    }

    fn requests(&self, method: &Method) -> usize {
        self.sip.iter().filter(|message| matches!(message, Message::Request(r) if r.method == *method)).count()
    }

    /// All that was heard of the other's voice is it, sample for sample, in its place; returns
    /// how many samples that are.
    fn heard_exactly(&self, phone: usize, law: Law) -> usize {
        let theirs = voice(1 - phone as u8);
        let heard = self.phones[phone].heard();
        for (at, sample) in heard.iter().enumerate() {
            assert_eq!(*sample, law.decode(theirs.byte(at as u64, law)), "phone {phone}, sample {at}");
        }
        heard.len()
    }
}

impl Doorman {
    /// His answer, where he does not let the request through.
    fn hear(&mut self, request: &Request) -> Option<Bytes> {
        if request.method == Method::Ack {
            return None;
        }
        let Some(value) = request.headers.get("Authorization") else {
            let challenge =
                Challenge { realm: self.realm.into(), nonce: "n0".into(), algorithm: Algorithm::Md5, stale: false };
            let response = self.response(request, 401).with_header("WWW-Authenticate", challenge.value());
            return Some(response.to_bytes());
        };
        let credentials = Credentials::parse(value).unwrap();
        let ha1 = digest::ha1(Algorithm::Md5, &credentials.username, self.realm, self.password);
        let right = digest::verify(&credentials, request.method.as_str(), Some(&ha1), None, b"");
        self.seen.push((request.method.clone(), right));
        match (right, &request.method) {
            (false, _) => Some(self.response(request, 403).to_bytes()),
            (true, Method::Register) => {
                let contact = format!("{};expires=60", request.contact().unwrap());
                Some(self.response(request, 200).with_header("Contact", contact).to_bytes())
            }
            (true, _) => None,
        }
    }

    fn response(&self, request: &Request, status: u16) -> Response {
        request.response(status).with_to_tag("door")
    }
}

#[test]
fn a_call_is_answered_heard_on_both_sides_and_ended_by_either() {
    for ends in [ALICE, BOB] {
        let mut lab = Lab::plain().talking();
        assert!(lab.has(ALICE, &PhoneEvent::Ringing { status: 180 }));
        assert!(lab.has(BOB, &PhoneEvent::Incoming { from: "alice".into(), to: "bob".into() }));
        lab.run(secs(5));
        lab.act(ends, Phone::hang_up).unwrap();
        lab.run(secs(1));
        assert_eq!(lab.endings(ends), [Ending::Here]);
        assert_eq!(lab.endings(1 - ends), [Ending::There { reason: None }]);
        for phone in [ALICE, BOB] {
            assert!(lab.phones[phone].is_idle());
            assert!(lab.heard_exactly(phone, Law::Mu) > 8_000 * 5, "phone {phone}");
            let counters = lab.phones[phone].counters();
            assert!(counters.received > 250 && counters.lost == 0 && counters.malformed == 0, "{counters:?}");
            assert!(counters.reports_sent >= 2 && counters.reports_received >= 1, "{counters:?}");
        }
    }
}

#[test]
fn what_a_phone_leaves_behind_is_nothing() {
    let mut lab = Lab::plain().talking();
    lab.act(ALICE, Phone::hang_up).unwrap();
    lab.run(secs(60));
    for phone in &lab.phones {
        assert_eq!(phone.next_timeout(), None);
        assert_eq!(phone.endpoint.transactions(), 0);
    }
}

#[test]
fn the_caller_gets_the_first_law_that_both_speak() {
    let mut lab = Lab::new(|phone, config| {
        config.formats =
            if phone == ALICE { vec![Format::PCMA, Format::PCMU] } else { vec![Format::PCMU, Format::PCMA] };
        config.ptime_ms = 30;
    })
    .talking();
    lab.run(secs(1));
    assert!(lab.heard_exactly(ALICE, Law::A) > 8_000);
    assert!(lab.heard_exactly(BOB, Law::A) > 8_000);
}

#[test]
fn phones_without_a_common_law_do_not_talk() {
    let mut lab =
        Lab::new(|phone, config| config.formats = vec![if phone == ALICE { Format::PCMA } else { Format::PCMU }]);
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(secs(2));
    assert_eq!(lab.endings(ALICE), [Ending::Refused { status: 488 }]);
    assert!(lab.phones.iter().all(Phone::is_idle));
}

#[test]
fn digits_go_both_ways_as_events_and_as_info() {
    type Change = fn(&mut PhoneConfig);
    let rows: [(&str, Change); 3] = [
        ("events", |_| ()),
        ("INFO", |config| {
            config.events = None;
            config.info_digits = true;
        }),
        ("long packets", |config| config.ptime_ms = 60),
    ];
    for (name, change) in rows {
        let mut lab = Lab::new(|_, config| change(config)).talking();
        lab.act(ALICE, |phone, now| phone.digits("#11#", now)).unwrap();
        lab.act(BOB, |phone, now| phone.digits("*90D", now)).unwrap();
        lab.run(secs(3));
        assert_eq!((lab.digits(BOB).as_str(), lab.digits(ALICE).as_str()), ("#11#", "*90D"), "{name}");
        assert_eq!(lab.events[ALICE].iter().filter(|e| **e == PhoneEvent::DigitsSent).count(), 1, "{name}");
    }
}

#[test]
fn a_key_replaces_the_voice_and_the_clock_runs_on() {
    let mut lab = Lab::plain().talking();
    lab.act(ALICE, |phone, now| phone.digits("5", now)).unwrap();
    lab.run(secs(1));
    let heard = lab.phones[BOB].heard();
    let silent = heard.iter().filter(|sample| **sample == 0).count();
    assert_eq!(silent, 7 * 160, "five packets of the key and two more ends");
    let theirs = voice(ALICE as u8);
    let last = heard.len() - 1;
    assert_eq!(heard[last], Law::Mu.decode(theirs.byte(last as u64, Law::Mu)));
}

#[test]
fn keys_that_cannot_be_sent_are_refused() {
    let mut lab = Lab::new(|_, config| config.events = None).talking();
    assert_eq!(lab.act(ALICE, |phone, now| phone.digits("1", now)), Err(PhoneError::NoDigits));
    assert_eq!(lab.act(ALICE, |phone, now| phone.digits("1x", now)), Err(PhoneError::Key(b'x')));
    lab.act(ALICE, Phone::hang_up).unwrap();
    assert_eq!(lab.act(ALICE, |phone, now| phone.digits("1", now)), Err(PhoneError::NoCall));
}

#[test]
fn hold_silences_both_and_unhold_brings_both_back() {
    let mut lab = Lab::plain().talking();
    lab.act(ALICE, Phone::hold).unwrap();
    lab.run(ms(500));
    assert!(lab.has(ALICE, &PhoneEvent::Changed) && lab.has(BOB, &PhoneEvent::Held));
    let (sent, heard) = (lab.phones[BOB].counters().sent, lab.phones[BOB].heard().len());
    lab.run(secs(1));
    assert_eq!(lab.phones[BOB].counters().sent, sent, "who is held sends nothing");
    assert!(lab.phones[BOB].heard()[heard..].iter().all(|sample| *sample == 0));
    lab.act(ALICE, Phone::unhold).unwrap();
    lab.run(secs(1));
    assert!(lab.has(BOB, &PhoneEvent::Unheld));
    let at = lab.phones[BOB].heard().len() - 1;
    assert_eq!(lab.phones[BOB].heard()[at], Law::Mu.decode(voice(0).byte(at as u64, Law::Mu)));
    assert!(lab.phones[BOB].counters().sent > sent + 40);
}

#[test]
fn two_holds_at_once_are_both_taken_in_the_end() {
    let mut lab = Lab::plain().talking();
    lab.act(ALICE, Phone::hold).unwrap();
    lab.act(BOB, Phone::hold).unwrap();
    lab.run(secs(6));
    assert!(lab.has(ALICE, &PhoneEvent::Changed) && lab.has(BOB, &PhoneEvent::Changed), "{:?}", lab.events);
    assert!(lab.requests(&Method::Invite) >= 4, "the glare made someone ask again");
}

#[test]
fn media_moves_to_another_address() {
    let mut lab = Lab::plain().talking();
    lab.act(ALICE, |phone, now| phone.move_media(address(ALICE, 4100), now)).unwrap();
    lab.run(ms(100));
    assert!(lab.has(ALICE, &PhoneEvent::Changed));
    let mut to = Vec::new();
    let now = lab.now + ms(40);
    lab.phones[BOB].handle_timeout(now);
    while let Some((address, _)) = lab.phones[BOB].poll_rtp() {
        to.push(address);
    }
    assert!(!to.is_empty() && to.iter().all(|to| *to == address(ALICE, 4100)), "{to:?}");
}

#[test]
fn a_call_survives_the_loss_of_a_fifth_of_sip() {
    for seed in 0..40 {
        let mut lab = Lab::plain();
        lab.lost_percent = 20;
        lab.dice = Seeded(seed);
        lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
        lab.run(secs(10));
        assert!(lab.has(ALICE, &PhoneEvent::Answered) && lab.has(BOB, &PhoneEvent::Answered), "seed {seed}");
        lab.act(BOB, Phone::hold).unwrap();
        lab.run(secs(10));
        assert!(lab.has(ALICE, &PhoneEvent::Held), "seed {seed}");
        lab.act(BOB, Phone::hang_up).unwrap();
        lab.run(secs(40));
        assert_eq!(lab.endings(BOB), [Ending::Here], "seed {seed}");
        assert_eq!(lab.endings(ALICE), [Ending::There { reason: None }], "seed {seed}");
    }
}

#[test]
fn a_busy_phone_and_one_that_refuses_say_so() {
    let mut lab = Lab::plain().talking();
    let mut other = Phone::new(config(ALICE), Box::new(Seeded(31)));
    other.call("bob", lab.now).unwrap();
    let mut refusals = Vec::new();
    for _ in 0..4 {
        while let Some(transmit) = other.poll_sip() {
            lab.phones[BOB].handle_sip(address(ALICE, 5060), &transmit.bytes, lab.now);
        }
        while let Some(transmit) = lab.phones[BOB].poll_sip() {
            other.handle_sip(address(BOB, 5060), &transmit.bytes, lab.now);
        }
        while let Some(event) = other.poll_event() {
            refusals.push(event);
        }
    }
    assert_eq!(refusals, [PhoneEvent::Ended(Ending::Refused { status: 486 })]);

    let mut lab = Lab::new(|_, config| config.auto_answer = None);
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(secs(1));
    assert_eq!(lab.act(ALICE, |phone, now| phone.call("bob", now)), Err(PhoneError::Busy));
    lab.act(BOB, |phone, now| phone.refuse(603, now)).unwrap();
    lab.run(secs(1));
    assert_eq!(lab.endings(ALICE), [Ending::Refused { status: 603 }]);
    assert!(lab.phones.iter().all(Phone::is_idle));
}

#[test]
fn a_caller_who_gives_up_leaves_nothing_ringing() {
    for after in [ms(0), ms(3), ms(8), ms(100), ms(299), ms(302), ms(304), ms(306)] {
        let mut lab = Lab::plain();
        lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
        lab.run(after);
        lab.act(ALICE, Phone::hang_up).unwrap();
        lab.run(secs(2));
        assert_eq!(lab.endings(ALICE), [Ending::Here], "after {after:?}");
        assert!(lab.phones.iter().all(Phone::is_idle), "after {after:?}");
        assert_eq!(lab.endings(BOB).len(), 1, "after {after:?}");
    }
}

#[test]
fn a_callee_who_hangs_up_at_once_waits_for_the_ack() {
    let mut lab = Lab::new(|_, config| config.auto_answer = None);
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(ms(50));
    lab.act(BOB, Phone::answer).unwrap();
    lab.act(BOB, Phone::hang_up).unwrap();
    assert_eq!(lab.requests(&Method::Bye), 0);
    lab.run(ms(100));
    assert_eq!(lab.requests(&Method::Bye), 1);
    assert_eq!(lab.endings(ALICE), [Ending::There { reason: None }]);
    assert_eq!(lab.endings(BOB), [Ending::Here]);
}

#[test]
fn a_call_that_nobody_hears_fails() {
    let mut lab = Lab::plain();
    lab.lost_percent = 100;
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(secs(40));
    assert_eq!(lab.endings(ALICE), [Ending::Refused { status: 408 }]);
    assert!(lab.phones[ALICE].is_idle());
}

#[test]
fn challenges_are_answered_with_the_password() {
    let mut lab = Lab::new(|_, config| config.password = "secret".into());
    lab.doorman = Some(Doorman { realm: "example.org", password: "secret", seen: Vec::new() });
    lab.act(ALICE, Phone::register);
    lab.run(secs(1));
    assert_eq!(lab.events[ALICE], [PhoneEvent::Registered]);
    lab.run(secs(40));
    assert_eq!(lab.events[ALICE].len(), 2, "the 60 s are refreshed at half");
    lab.act(ALICE, Phone::unregister);
    lab.run(secs(1));
    assert!(lab.has(ALICE, &PhoneEvent::Unregistered));
    let mut lab = lab.talking();
    lab.act(ALICE, Phone::hold).unwrap();
    lab.run(secs(1));
    assert!(lab.has(ALICE, &PhoneEvent::Changed), "in a dialog too");
    lab.act(ALICE, Phone::hang_up).unwrap();
    lab.run(secs(1));
    assert_eq!(lab.endings(BOB), [Ending::There { reason: None }]);
    let seen = &lab.doorman.as_ref().unwrap().seen;
    assert!(seen.len() >= 6 && seen.iter().all(|(_, right)| *right), "{seen:?}");
}

#[test]
fn a_wrong_password_is_not_tried_for_ever() {
    let mut lab = Lab::new(|_, config| config.password = "guess".into());
    lab.doorman = Some(Doorman { realm: "example.org", password: "secret", seen: Vec::new() });
    lab.act(ALICE, Phone::register);
    lab.run(secs(60));
    assert_eq!(lab.events[ALICE], [PhoneEvent::RegistrationFailed { status: 403 }]);
    assert_eq!(lab.requests(&Method::Register), 2);
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(secs(5));
    assert_eq!(lab.endings(ALICE), [Ending::Refused { status: 403 }]);
}

#[test]
fn a_phone_without_password_does_not_answer_challenges() {
    let mut lab = Lab::plain();
    lab.doorman = Some(Doorman { realm: "example.org", password: "secret", seen: Vec::new() });
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(secs(5));
    assert_eq!(lab.endings(ALICE), [Ending::Refused { status: 401 }]);
}

#[test]
fn a_server_that_is_away_is_asked_again() {
    let mut lab = Lab::plain();
    lab.lost_percent = 100;
    lab.act(ALICE, Phone::register);
    lab.run(secs(33));
    assert_eq!(lab.events[ALICE], [PhoneEvent::RegistrationFailed { status: 408 }]);
    let before = lab.requests(&Method::Register);
    lab.run(secs(31));
    assert!(lab.requests(&Method::Register) > before);
}

#[test]
fn without_an_offer_the_callee_makes_it_and_ack_brings_the_answer() {
    let mut lab = Lab::plain();
    lab.act(ALICE, |phone, now| phone.call_without_offer("bob", now)).unwrap();
    lab.run(secs(3));
    let has_body = |method: &Method| {
        lab.sip
            .iter()
            .any(|message| matches!(message, Message::Request(r) if r.method == *method && !r.body.is_empty()))
    };
    assert!(!has_body(&Method::Invite) && has_body(&Method::Ack));
    assert!(lab.heard_exactly(ALICE, Law::Mu) > 8_000 && lab.heard_exactly(BOB, Law::Mu) > 8_000);
}

fn raw(sequence: u16, codec: Codec) -> RawPacket {
    let payload = Bytes::from_static(&[0x55; 160]);
    let timestamp = u32::from(sequence) * 160;
    RawPacket { kind: RawKind::Audio(codec), marker: false, sequence, timestamp, ssrc: 7, payload }
}

#[test]
fn after_a_183_both_may_send_and_the_answer_repeats_it() {
    let mut lab = Lab::new(|_, config| {
        config.auto_answer = None;
        config.voice = Voice::Nothing;
    });
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(ms(100));
    assert!(!lab.act(BOB, |phone, _| phone.send_packet(&raw(1, Codec::Pcmu))), "nothing is agreed yet");
    lab.act(BOB, Phone::progress).unwrap();
    lab.run(ms(100));
    assert!(lab.has(ALICE, &PhoneEvent::Ringing { status: 183 }));
    for phone in [ALICE, BOB] {
        assert!(lab.act(phone, |phone, _| phone.send_packet(&raw(2, Codec::Pcmu))));
        assert!(!lab.act(phone, |phone, _| phone.send_packet(&raw(2, Codec::named("G722", 8_000, 1)))), "not agreed");
    }
    lab.act(BOB, Phone::answer).unwrap();
    lab.run(ms(100));
    for phone in [ALICE, BOB] {
        assert!(lab.has(phone, &PhoneEvent::Answered));
        assert_eq!(lab.phones[phone].counters().received, 1, "phone {phone}");
    }
    let bodies: Vec<&Bytes> = lab.sip.iter().filter_map(described).collect();
    let [offer, early, answer] = bodies.as_slice() else { panic!("{} descriptions", bodies.len()) };
    assert!(early == answer && offer != early);
}

fn described(message: &Message) -> Option<&Bytes> {
    let body = match message {
        Message::Request(request) => &request.body,
        Message::Response(response) => &response.body,
    };
    Some(body).filter(|body| !body.is_empty())
}

#[test]
fn a_hold_by_address_stops_the_far_side_until_it_is_over() {
    let mut lab = Lab::plain().talking();
    lab.act(BOB, |phone, now| phone.change(|wish| Wish { by_address: true, ..wish }, now)).unwrap();
    lab.run(secs(1));
    assert!(lab.has(ALICE, &PhoneEvent::Held) && lab.has(BOB, &PhoneEvent::Changed));
    let sent = lab.phones[ALICE].counters().sent;
    lab.run(secs(1));
    assert_eq!(lab.phones[ALICE].counters().sent, sent);
    lab.act(BOB, Phone::unhold).unwrap();
    lab.run(secs(1));
    assert!(lab.has(ALICE, &PhoneEvent::Unheld));
    assert!(lab.phones[ALICE].counters().sent > sent);
}

#[test]
fn an_encrypted_call_is_heard_on_both_sides_and_nowhere_between() {
    let mut lab = Lab::new(|phone, config| {
        config.encryption = Some(if phone == ALICE { Encryption::Offered } else { Encryption::Accepted });
    })
    .talking();
    lab.run(secs(3));
    assert!(lab.heard_exactly(ALICE, Law::Mu) > 8_000 * 2 && lab.heard_exactly(BOB, Law::Mu) > 8_000 * 2);
    let mut seen = 0;
    for _ in 0..20 {
        lab.run(ms(1));
        for (_, flight) in lab.flights.values().filter(|(_, flight)| flight.port == Port::Rtp) {
            assert_eq!(flight.bytes.len(), 12 + 160 + 10);
            seen += 1;
        }
    }
    assert!(seen > 0, "packets were under way");
    lab.act(ALICE, Phone::hold).unwrap();
    lab.run(secs(1));
    lab.act(ALICE, Phone::unhold).unwrap();
    lab.run(secs(5));
    for phone in [ALICE, BOB] {
        let counters = lab.phones[phone].counters();
        assert!(counters.received > 300 && counters.malformed == 0 && counters.reports_received >= 1, "{counters:?}");
    }
    let now = lab.now;
    let forged = [&[0x80, 0, 0, 1][..], &[0; 168]].concat();
    lab.phones[ALICE].handle_rtp(address(BOB, 4000), &forged, now);
    assert_eq!(lab.phones[ALICE].counters().malformed, 1);
}

#[test]
fn a_phone_without_keys_refuses_what_is_encrypted() {
    let mut lab = Lab::new(|phone, config| config.encryption = (phone == ALICE).then_some(Encryption::Required));
    lab.act(ALICE, |phone, now| phone.call("bob", now)).unwrap();
    lab.run(secs(2));
    assert_eq!(lab.endings(ALICE), [Ending::Refused { status: 488 }]);
}

#[test]
fn strangers_are_not_heard() {
    let mut lab = Lab::plain().talking();
    let heard = lab.phones[ALICE].heard().len();
    let packet = rtp::packet::Packet {
        header: rtp::header::Header { version: 2, ..Default::default() },
        payload: Bytes::from_static(&[1; 160]),
    };
    let bytes = webrtc_util::marshal::Marshal::marshal(&packet).unwrap();
    let now = lab.now;
    lab.phones[ALICE].handle_rtp(address(BOB, 6000), &bytes, now);
    lab.phones[ALICE].handle_sip(SocketAddr::from(([203, 0, 113, 9], 5060)), b"OPTIONS sip:a SIP/2.0\r\n\r\n", now);
    assert_eq!(lab.phones[ALICE].heard().len(), heard);
    assert_eq!(lab.phones[ALICE].counters().strangers, 2);
    assert!(lab.phones[ALICE].poll_sip().is_none());
}

#[test]
fn lost_packets_are_counted_and_stand_as_silence() {
    let mut lab = Lab::plain().talking();
    lab.run(secs(1));
    let mut left = 10;
    while left > 0 {
        lab.flights.retain(|_, (to, flight)| {
            let drop = *to == BOB && flight.port == Port::Rtp && left > 0;
            left -= usize::from(drop);
            !drop
        });
        lab.run(ms(1));
    }
    lab.run(secs(1));
    assert_eq!(lab.phones[BOB].counters().lost, 10);
    let silent = lab.phones[BOB].heard().iter().filter(|sample| **sample == 0).count();
    assert_eq!(silent, 10 * 160);
}

#[test]
fn a_looped_voice_begins_again() {
    let voice = Voice::Loop(Arc::from([1_000, -1_000, 0].as_slice()));
    let said: Vec<i16> = (0..5).map(|at| Law::A.decode(voice.byte(at, Law::A))).collect();
    assert_eq!((said[0], said[1]), (said[3], said[4]));
    assert_eq!(Voice::Loop(Arc::from([].as_slice())).byte(3, Law::Mu), Law::Mu.silence());
}

#[test]
fn a_phone_may_be_deaf() {
    let mut lab = Lab::new(|_, config| config.hear = Samples(0)).talking();
    lab.run(secs(1));
    assert!(lab.phones[ALICE].heard().is_empty());
    assert!(lab.phones[ALICE].counters().received > 50);
}

#[test]
fn a_text_comes_whole_and_its_answer_is_told() {
    let mut lab = Lab::plain();
    lab.act(ALICE, |phone, now| phone.text("bob", "Grüße\nund mehr", now)).unwrap();
    lab.run(secs(1));
    let text = PhoneEvent::Text { from: "alice".to_owned(), text: "Grüße\nund mehr".to_owned() };
    assert!(lab.has(BOB, &text), "{:?}", lab.events);
    assert!(lab.has(ALICE, &PhoneEvent::TextAnswered { status: 200 }));
    lab.lost_percent = 100;
    lab.act(ALICE, |phone, now| phone.text("bob", "Hello?", now)).unwrap();
    lab.run(secs(40));
    assert!(lab.has(ALICE, &PhoneEvent::TextAnswered { status: 408 }), "{:?}", lab.events);
}
