use super::*;
use crate::base::{Seeded, Span};
use crate::sip::Transport;
use crate::sip::dialog::Dialog;
use crate::sip::message::{Method, Request, Response};
use crate::sip::uri::Uri;
use std::collections::BTreeMap;

const ALICE: &str = "192.0.2.1:5060";
const BOB: &str = "192.0.2.2:5060";

fn peer(local: &str, remote: &str, transport: Transport) -> Peer {
    Peer {
        transport,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        connection: transport.is_reliable().then_some(ConnectionId(7)),
    }
}

fn endpoint() -> Endpoint {
    Endpoint::new(EndpointConfig::default())
}

fn ms(millis: u64) -> Time {
    Time(millis * 1_000)
}

fn invite(call_id: &str) -> Request {
    Request::new(Method::Invite, Uri::parse("sip:bob@192.0.2.2").unwrap())
        .with_header("From", "<sip:alice@192.0.2.1>;tag=a1")
        .with_header("To", "<sip:bob@192.0.2.2>")
        .with_header("Call-ID", call_id)
        .with_header("CSeq", "1 INVITE")
        .with_header("Contact", "<sip:alice@192.0.2.1:5060>")
}

fn read(bytes: &Bytes) -> Message {
    parse::parse_datagram(bytes).unwrap()
}

fn sent(endpoint: &mut Endpoint) -> Vec<Message> {
    std::iter::from_fn(|| endpoint.poll_transmit()).map(|transmit| read(&transmit.bytes)).collect()
}

fn statuses(endpoint: &mut Endpoint) -> Vec<u16> {
    let responses = sent(endpoint).into_iter().filter_map(|message| match message {
        Message::Response(response) => Some(response.status),
        Message::Request(_) => None,
    });
    responses.collect()
}

fn methods(endpoint: &mut Endpoint) -> Vec<Method> {
    let requests = sent(endpoint).into_iter().filter_map(|message| match message {
        Message::Request(request) => Some(request.method),
        Message::Response(_) => None,
    });
    requests.collect()
}

fn events(endpoint: &mut Endpoint) -> Vec<Event> {
    std::iter::from_fn(|| endpoint.poll_event()).collect()
}

/// Runs the timers of one endpoint up to `until`.
fn run(endpoint: &mut Endpoint, until: Time) {
    while let Some(at) = endpoint.next_timeout().filter(|at| *at <= until) {
        endpoint.handle_timeout(at);
    }
}

/// An endpoint that received this INVITE from Alice over UDP.
fn bob_with(request: &Request) -> (Endpoint, ServerTx, Request) {
    let mut bob = endpoint();
    bob.receive(&request.to_bytes(), peer(BOB, ALICE, Transport::Udp), ms(0), &mut Seeded(2));
    match bob.poll_event() {
        Some(Event::Request { tx, request, .. }) => (bob, tx, request),
        other => panic!("{other:?}"),
    }
}

fn with_via(request: Request, branch: &str) -> Request {
    let mut request = request;
    request.headers.prepend("Via", format!("SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport"));
    request
}

/// Alice's endpoint with an INVITE out, and that INVITE.
fn alice_calling(transport: Transport) -> (Endpoint, ClientTx, Request) {
    let mut alice = endpoint();
    let tx = alice.request(invite("c"), peer(ALICE, BOB, transport), ms(0), &mut Seeded(3));
    let Some(Message::Request(request)) = sent(&mut alice).into_iter().next() else { panic!() };
    (alice, tx, request)
}

fn give(alice: &mut Endpoint, response: &Response, now: Time) {
    alice.receive(&response.to_bytes(), peer(ALICE, BOB, Transport::Udp), now, &mut Seeded(4));
}

/// One conversation between two endpoints over a network that loses and delays.
struct Lab {
    random: Seeded,
    now: Time,
    loss_percent: u32,
    transport: Transport,
    alice: Endpoint,
    bob: Endpoint,
    network: BTreeMap<(Time, u64), (bool, Bytes)>,
    packets: u64,
    invite: Option<ClientTx>,
    /// What Bob has to do, by time.
    todo: BTreeMap<(Time, u64), Todo>,
    alice_dialog: Option<Dialog>,
    bye: Option<ClientTx>,
    story: Story,
    answer_after: Span,
}

#[derive(Debug)]
enum Todo {
    Answer(ServerTx, Box<Request>, u16),
    Cancel,
}

/// What the two users saw.
#[derive(Debug, Default)]
struct Story {
    invites: u32,
    acks: u32,
    ack_missing: u32,
    cancelled: u32,
    byes: u32,
    accepted: u32,
    refused: Vec<u16>,
    failed: u32,
    bye_answered: u32,
    bye_failed: u32,
    bob_final: Option<u16>,
}

impl Lab {
    fn new(seed: u64, loss_percent: u32, transport: Transport, answer_after: Span) -> Self {
        let mut lab = Lab {
            random: Seeded(seed),
            now: ms(0),
            loss_percent,
            transport,
            alice: endpoint(),
            bob: endpoint(),
            network: BTreeMap::new(),
            packets: 0,
            invite: None,
            todo: BTreeMap::new(),
            alice_dialog: None,
            bye: None,
            story: Story::default(),
            answer_after,
        };
        let tx = lab.alice.request(invite("lab"), peer(ALICE, BOB, transport), lab.now, &mut lab.random);
        lab.invite = Some(tx);
        // A caller that nobody answers gives up some day.
        lab.plan(Span::from_secs(70), Todo::Cancel);
        lab
    }

    fn plan(&mut self, after: Span, todo: Todo) {
        self.packets += 1;
        self.todo.insert((self.now + after, self.packets), todo);
    }

    fn run(mut self) -> Story {
        loop {
            self.drain();
            let times = [
                self.network.keys().next().map(|(at, _)| *at),
                self.todo.keys().next().map(|(at, _)| *at),
                self.alice.next_timeout(),
                self.bob.next_timeout(),
            ];
            let Some(next) = times.into_iter().flatten().min() else { break };
            self.now = self.now.max(next);
            assert!(self.now < Time(400_000_000), "never ends: {:?}", self.story);
            self.step();
        }
        assert_eq!((self.alice.transactions(), self.bob.transactions()), (0, 0), "{:?}", self.story);
        assert!(self.alice.client_keys.is_empty() && self.bob.server_keys.is_empty());
        assert!(self.bob.merge_keys.is_empty() && self.bob.ack_keys.is_empty());
        self.story
    }

    fn step(&mut self) {
        let now = self.now;
        self.alice.handle_timeout(now);
        self.bob.handle_timeout(now);
        while let Some(entry) = self.network.first_entry().filter(|entry| entry.key().0 <= now) {
            let (to_bob, bytes) = entry.remove();
            if to_bob {
                self.bob.receive(&bytes, peer(BOB, ALICE, self.transport), now, &mut self.random);
            } else {
                self.alice.receive(&bytes, peer(ALICE, BOB, self.transport), now, &mut self.random);
            }
        }
        while let Some(entry) = self.todo.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Todo::Answer(tx, request, status) => self.answer(tx, &request, status),
                Todo::Cancel => self.cancel(),
            }
        }
    }

    fn cancel(&mut self) {
        if let Some(tx) = self.invite {
            self.alice.cancel(tx, self.now, &mut self.random);
        }
    }

    fn answer(&mut self, tx: ServerTx, request: &Request, status: u16) {
        if status >= 200 && request.method == Method::Invite {
            if self.story.bob_final.is_some() {
                return;
            }
            self.story.bob_final = Some(status);
        }
        let response = request.response(status).with_to_tag("b1").with_header("Contact", "<sip:bob@192.0.2.2:5060>");
        self.bob.respond(tx, response, self.now);
    }

    fn drain(&mut self) {
        loop {
            let before = self.packets;
            while let Some(event) = self.alice.poll_event() {
                self.alice_hears(event);
            }
            while let Some(event) = self.bob.poll_event() {
                self.bob_hears(event);
            }
            for to_bob in [true, false] {
                let from = if to_bob { &mut self.alice } else { &mut self.bob };
                while let Some(transmit) = from.poll_transmit() {
                    self.packets += 1;
                    let lost = self.random.u32() % 100 < self.loss_percent;
                    let delay = Span::from_millis(5 + u64::from(self.random.u32() % 40));
                    if !lost {
                        self.network.insert((self.now + delay, self.packets), (to_bob, transmit.bytes));
                    }
                }
            }
            if before == self.packets {
                break;
            }
        }
    }

    fn alice_hears(&mut self, event: Event) {
        self.packets += 1;
        match event {
            Event::Response { tx, response, .. } if Some(tx) == self.invite => self.invite_answered(tx, &response),
            Event::Response { tx, .. } if Some(tx) == self.bye => self.story.bye_answered += 1,
            Event::Failed { tx, .. } if Some(tx) == self.invite => self.story.failed += 1,
            Event::Failed { tx, .. } if Some(tx) == self.bye => self.story.bye_failed += 1,
            other => panic!("{other:?}"),
        }
    }

    fn invite_answered(&mut self, tx: ClientTx, response: &Response) {
        if !response.is_final() {
            return;
        }
        if !response.is_success() {
            self.story.refused.push(response.status);
            return;
        }
        self.story.accepted += 1;
        let mut dialog = Dialog::uac(&invite("lab"), response).unwrap();
        let to_bob = peer(ALICE, BOB, self.transport);
        self.alice.ack(tx, dialog.ack(1, ""), to_bob, self.now, &mut self.random);
        let bye = dialog.request(Method::Bye, "");
        self.alice_dialog = Some(dialog);
        self.bye = Some(self.alice.request(bye, to_bob, self.now, &mut self.random));
    }

    fn bob_hears(&mut self, event: Event) {
        self.packets += 1;
        match event {
            Event::Request { tx, request, .. } if request.method == Method::Invite => {
                self.story.invites += 1;
                self.answer(tx, &request, 180);
                self.plan(self.answer_after, Todo::Answer(tx, Box::new(request), 200));
            }
            Event::Request { tx, request, .. } => {
                assert_eq!(request.method, Method::Bye);
                self.story.byes += 1;
                self.answer(tx, &request, 200);
            }
            Event::Ack { .. } => self.story.acks += 1,
            Event::AckMissing { .. } => self.story.ack_missing += 1,
            Event::Cancelled { tx, request } => {
                self.story.cancelled += 1;
                assert_eq!(request.method, Method::Cancel);
                let invite = self.todo.values().find_map(|todo| match todo {
                    Todo::Answer(_, request, _) => Some((**request).clone()),
                    Todo::Cancel => None,
                });
                self.answer(tx, &invite.expect("a pending INVITE has its answer to come"), 487);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_call_survives_20_percent_loss_or_times_out_as_the_rfc_says() {
    let mut completed = 0;
    for seed in 0..600 {
        let story = Lab::new(seed, 20, Transport::Udp, Span::from_millis(900)).run();
        assert!(story.invites <= 1 && story.byes <= 1, "{seed}: {story:?}");
        assert_eq!(story.accepted + story.failed + u32::try_from(story.refused.len()).unwrap(), 1, "{seed}: {story:?}");
        assert_eq!(story.bye_answered + story.bye_failed, story.accepted, "{seed}: {story:?}");
        // A 2xx that arrived is acknowledged, and the callee knows.
        if story.bob_final == Some(200) {
            assert_eq!(story.acks + story.ack_missing, 1, "{seed}: {story:?}");
        }
        completed += u32::from(story.accepted == 1 && story.acks == 1 && story.bye_answered == 1);
    }
    assert!(completed >= 595, "{completed} of 600");
}

#[test]
fn a_call_without_loss_needs_no_retransmission_but_of_the_answer_in_flight() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let story = Lab::new(1, 0, transport, Span::from_millis(900)).run();
        assert_eq!((story.accepted, story.acks, story.byes, story.bye_answered), (1, 1, 1, 1), "{story:?}");
    }
}

#[test]
fn nothing_at_all_arrives_and_both_sides_end() {
    let story = Lab::new(1, 100, Transport::Udp, Span::ZERO).run();
    assert_eq!((story.failed, story.invites), (1, 0), "{story:?}");
}

#[test]
fn a_cancel_and_an_answer_that_race_end_in_one_of_the_two() {
    let (mut accepted, mut cancelled) = (0, 0);
    for seed in 0..400 {
        let mut lab = Lab::new(seed, 20, Transport::Udp, Span::from_millis(500));
        let at = Span::from_millis(u64::from(Seeded(seed).u32() % 1_000));
        lab.plan(at, Todo::Cancel);
        let story = lab.run();
        assert!(story.cancelled <= 1, "{seed}: {story:?}");
        assert_eq!(story.accepted + story.failed + u32::try_from(story.refused.len()).unwrap(), 1, "{seed}: {story:?}");
        assert!(story.refused.iter().all(|status| *status == 487), "{seed}: {story:?}");
        if story.accepted == 1 {
            assert_eq!(story.bob_final, Some(200), "{seed}: {story:?}");
            accepted += 1;
        }
        cancelled += u32::from(story.refused == [487]);
    }
    assert!(accepted > 50 && cancelled > 50, "{accepted} {cancelled}");
}

#[test]
fn an_invite_that_the_user_is_slow_with_gets_100_after_200_ms() {
    let (mut bob, tx, request) = bob_with(&with_via(invite("c"), "z9hG4bK1"));
    assert_eq!(bob.next_timeout(), Some(ms(200)));
    run(&mut bob, ms(200));
    assert_eq!(statuses(&mut bob), [100]);
    bob.respond(tx, request.response(180), ms(300));
    run(&mut bob, ms(10_000));
    assert_eq!(statuses(&mut bob), [180]);
}

#[test]
fn a_user_that_is_quick_sends_no_100() {
    let (mut bob, tx, request) = bob_with(&with_via(invite("c"), "z9hG4bK1"));
    bob.respond(tx, request.response(180), ms(100));
    run(&mut bob, ms(5_000));
    assert_eq!(statuses(&mut bob), [180]);
}

#[test]
fn a_repeated_invite_gets_the_last_response_and_is_no_news() {
    let wire = with_via(invite("c"), "z9hG4bK1");
    let (mut bob, tx, request) = bob_with(&wire);
    bob.respond(tx, request.response(183), ms(10));
    bob.respond(tx, request.response(180), ms(20));
    sent(&mut bob);
    bob.receive(&wire.to_bytes(), peer(BOB, ALICE, Transport::Udp), ms(500), &mut Seeded(2));
    assert_eq!(statuses(&mut bob), [180]);
    assert!(events(&mut bob).is_empty());
}

#[test]
fn all_responses_to_one_request_carry_one_tag() {
    let (mut bob, tx, request) = bob_with(&with_via(invite("c"), "z9hG4bK1"));
    bob.respond(tx, request.response(180), ms(10));
    bob.respond(tx, request.response(486), ms(20));
    let tags: Vec<_> = sent(&mut bob)
        .iter()
        .map(|message| match message {
            Message::Response(response) => response.to_tag(),
            Message::Request(_) => None,
        })
        .collect();
    assert!(tags[0].is_some() && tags[0] == tags[1], "{tags:?}");
}

#[test]
fn a_2xx_is_sent_again_with_doubling_intervals_over_tcp_too_until_ack_missing() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut bob = endpoint();
        let wire = with_via(invite("c"), "z9hG4bK1");
        bob.receive(&wire.to_bytes(), peer(BOB, ALICE, transport), ms(0), &mut Seeded(2));
        let Some(Event::Request { tx, request, .. }) = bob.poll_event() else { panic!() };
        bob.respond(tx, request.response(200), ms(0));
        assert_eq!(statuses(&mut bob), [200]);
        let mut times = Vec::new();
        while let Some(at) = bob.next_timeout() {
            bob.handle_timeout(at);
            times.extend(statuses(&mut bob).iter().map(|_| at.0 / 1_000));
        }
        assert_eq!(times, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500], "{transport}");
        assert_eq!(events(&mut bob), [Event::AckMissing { tx }]);
        assert_eq!(bob.transactions(), 0);
    }
}

#[test]
fn the_ack_of_a_2xx_is_reported_once_and_stops_it() {
    let (mut bob, tx, request) = bob_with(&with_via(invite("c"), "z9hG4bK1"));
    bob.respond(tx, request.response(200).with_to_tag("b1"), ms(0));
    let dialog = Dialog::uac(&request, &request.response(200).with_to_tag("b1")).unwrap();
    let ack = with_via(dialog.ack(1, ""), "z9hG4bK2").to_bytes();
    for now in [100, 200] {
        bob.receive(&ack, peer(BOB, ALICE, Transport::Udp), ms(now), &mut Seeded(2));
    }
    assert!(matches!(events(&mut bob).as_slice(), [Event::Ack { .. }]));
    assert_eq!(statuses(&mut bob), [200]);
    run(&mut bob, ms(32_000));
    assert!(statuses(&mut bob).is_empty());
    assert!(events(&mut bob).is_empty());
    assert_eq!(bob.transactions(), 0);
}

#[test]
fn the_ack_of_a_refusal_ends_it_without_a_word() {
    let wire = with_via(invite("c"), "z9hG4bK1");
    let (mut bob, tx, request) = bob_with(&wire);
    bob.respond(tx, request.response(486).with_to_tag("b1"), ms(0));
    let ack = with_via(
        Request::new(Method::Ack, request.uri.clone())
            .with_header("From", "<sip:alice@192.0.2.1>;tag=a1")
            .with_header("To", "<sip:bob@192.0.2.2>;tag=b1")
            .with_header("Call-ID", "c")
            .with_header("CSeq", "1 ACK"),
        "z9hG4bK1",
    );
    run(&mut bob, ms(600));
    assert_eq!(statuses(&mut bob), [486, 486]);
    bob.receive(&ack.to_bytes(), peer(BOB, ALICE, Transport::Udp), ms(700), &mut Seeded(2));
    run(&mut bob, ms(40_000));
    assert!(statuses(&mut bob).is_empty());
    assert!(events(&mut bob).is_empty());
    assert_eq!(bob.transactions(), 0);
}

#[test]
fn a_merged_request_gets_482() {
    let (mut bob, ..) = bob_with(&with_via(invite("c"), "z9hG4bK1"));
    let other_way = with_via(invite("c"), "z9hG4bK2").to_bytes();
    bob.receive(&other_way, peer(BOB, ALICE, Transport::Udp), ms(10), &mut Seeded(2));
    assert_eq!(statuses(&mut bob), [482]);
    assert!(events(&mut bob).is_empty());
    assert_eq!(bob.counters().merged, 1);
}

fn cancel_of(branch: &str) -> Request {
    with_via(
        Request::new(Method::Cancel, Uri::parse("sip:bob@192.0.2.2").unwrap())
            .with_header("From", "<sip:alice@192.0.2.1>;tag=a1")
            .with_header("To", "<sip:bob@192.0.2.2>")
            .with_header("Call-ID", "c")
            .with_header("CSeq", "1 CANCEL"),
        branch,
    )
}

#[test]
fn a_cancel_is_answered_each_time_and_reported_once() {
    let (mut bob, tx, _) = bob_with(&with_via(invite("c"), "z9hG4bK1"));
    for now in [10, 20] {
        bob.receive(&cancel_of("z9hG4bK1").to_bytes(), peer(BOB, ALICE, Transport::Udp), ms(now), &mut Seeded(2));
    }
    assert_eq!(statuses(&mut bob), [200, 200]);
    assert!(matches!(events(&mut bob).as_slice(), [Event::Cancelled { tx: cancelled, .. }] if *cancelled == tx));
}

#[test]
fn a_cancel_of_nothing_gets_481_and_one_after_the_answer_changes_nothing() {
    let (mut bob, tx, request) = bob_with(&with_via(invite("c"), "z9hG4bK1"));
    let from = peer(BOB, ALICE, Transport::Udp);
    bob.receive(&cancel_of("z9hG4bKother").to_bytes(), from, ms(10), &mut Seeded(2));
    assert_eq!(statuses(&mut bob), [481]);
    bob.respond(tx, request.response(200), ms(20));
    bob.receive(&cancel_of("z9hG4bK1").to_bytes(), from, ms(30), &mut Seeded(2));
    assert_eq!(statuses(&mut bob), [200, 200]);
    assert!(events(&mut bob).is_empty());
}

#[test]
fn responses_go_to_the_source_port_with_rport_and_to_the_via_port_without() {
    let source = "198.51.100.9:40000";
    let rows = [
        ("SIP/2.0/UDP 10.0.0.1:5080;branch=z9hG4bK1;rport", "198.51.100.9:40000", "received=198.51.100.9"),
        ("SIP/2.0/UDP 10.0.0.1:5080;branch=z9hG4bK1", "198.51.100.9:5080", "received=198.51.100.9"),
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;maddr=224.0.1.75", "198.51.100.9:5060", "received="),
        ("SIP/2.0/UDP 198.51.100.9:40000;branch=z9hG4bK1", "198.51.100.9:40000", "branch=z9hG4bK1"),
    ];
    for (via, expected, part) in rows {
        let mut bob = endpoint();
        let mut wire = invite("c");
        wire.headers.prepend("Via", via);
        bob.receive(&wire.to_bytes(), peer(BOB, source, Transport::Udp), ms(0), &mut Seeded(2));
        let Some(Event::Request { tx, request, .. }) = bob.poll_event() else { panic!("{via}") };
        assert!(request.headers.get("Via").unwrap().contains(part), "{via}");
        bob.respond(tx, request.response(486), ms(0));
        let transmit = bob.poll_transmit().unwrap();
        assert_eq!(transmit.peer.remote, expected.parse().unwrap(), "{via}");
    }
}

#[test]
fn nothing_is_sent_to_broadcast_multicast_or_nowhere() {
    for remote in ["255.255.255.255:5060", "224.0.1.75:5060", "0.0.0.0:5060", "192.0.2.1:0", "[ff02::1]:5060"] {
        let mut alice = endpoint();
        alice.request(invite("c"), peer(ALICE, remote, Transport::Udp), ms(0), &mut Seeded(1));
        assert_eq!(alice.poll_transmit(), None, "{remote}");
        assert_eq!(alice.counters().unsendable, 1, "{remote}");
    }
}

#[test]
fn a_request_carries_our_advertised_via_and_70_hops() {
    let mut config = EndpointConfig { server_name: "test".to_owned(), ..EndpointConfig::default() };
    config.advertise.push((ALICE.parse().unwrap(), "sip.example.com:5070".to_owned()));
    let mut alice = Endpoint::new(config);
    alice.request(invite("c"), peer(ALICE, BOB, Transport::Udp), ms(0), &mut Seeded(1));
    let Some(Message::Request(request)) = sent(&mut alice).into_iter().next() else { panic!() };
    let via = request.via_top().unwrap();
    assert_eq!((via.host.to_string().as_str(), via.port), ("sip.example.com", Some(5070)));
    assert!(via.wants_rport() && via.branch().unwrap().starts_with("z9hG4bK"));
    assert_eq!(request.max_forwards(), Some(70));
    assert_eq!(request.headers.get("User-Agent"), Some("test"));
}

#[test]
fn an_invite_is_repeated_with_doubling_intervals_and_fails_after_64_t1() {
    let (mut alice, tx, _) = alice_calling(Transport::Udp);
    let mut times = Vec::new();
    while let Some(at) = alice.next_timeout() {
        alice.handle_timeout(at);
        times.extend(methods(&mut alice).iter().map(|_| at.0 / 1_000));
    }
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(events(&mut alice), [Event::Failed { tx, cause: FailCause::Timeout }]);
}

#[test]
fn over_tcp_nothing_is_repeated_but_still_given_up() {
    let (mut alice, tx, _) = alice_calling(Transport::Tcp);
    run(&mut alice, ms(32_000));
    assert!(methods(&mut alice).is_empty());
    assert_eq!(events(&mut alice), [Event::Failed { tx, cause: FailCause::Timeout }]);
    assert_eq!(alice.transactions(), 0);
}

#[test]
fn each_fork_is_reported_once_and_its_ack_repeated_for_each_repetition() {
    let (mut alice, tx, request) = alice_calling(Transport::Udp);
    let first = request.response(200).with_to_tag("b1");
    let second = request.response(200).with_to_tag("b2");
    for response in [&first, &first, &second] {
        give(&mut alice, response, ms(100));
    }
    let tags: Vec<_> = events(&mut alice)
        .into_iter()
        .map(|event| match event {
            Event::Response { response, .. } => response.to_tag().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tags, ["b1", "b2"]);
    assert!(methods(&mut alice).is_empty());
    let ack = Dialog::uac(&request, &first).unwrap().ack(1, "");
    alice.ack(tx, ack, peer(ALICE, BOB, Transport::Udp), ms(110), &mut Seeded(5));
    let original = sent(&mut alice);
    give(&mut alice, &first, ms(600));
    assert_eq!(sent(&mut alice), original);
    give(&mut alice, &second, ms(700));
    assert!(sent(&mut alice).is_empty());
    assert!(events(&mut alice).is_empty());
    run(&mut alice, ms(40_000));
    assert_eq!(alice.transactions(), 0);
}

#[test]
fn a_refusal_is_acknowledged_on_the_same_branch_each_time_and_reported_once() {
    let (mut alice, _, request) = alice_calling(Transport::Udp);
    let busy = request.response(486).with_to_tag("b1");
    give(&mut alice, &busy, ms(100));
    give(&mut alice, &busy, ms(600));
    let acks = sent(&mut alice);
    assert_eq!(acks.len(), 2);
    for ack in acks {
        let Message::Request(ack) = ack else { panic!() };
        assert_eq!(ack.method, Method::Ack);
        assert_eq!(ack.via_top().unwrap(), request.via_top().unwrap());
        assert_eq!(ack.to_tag().as_deref(), Some("b1"));
        assert_eq!(ack.cseq().unwrap().to_string(), "1 ACK");
    }
    assert_eq!(events(&mut alice).len(), 1);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let (mut alice, tx, request) = alice_calling(Transport::Udp);
    alice.cancel(tx, ms(10), &mut Seeded(6));
    assert!(methods(&mut alice).is_empty());
    give(&mut alice, &request.response(100), ms(20));
    let cancels = sent(&mut alice);
    let [Message::Request(cancel)] = cancels.as_slice() else { panic!("{cancels:?}") };
    assert_eq!(cancel.method, Method::Cancel);
    assert_eq!(cancel.via_top().unwrap(), request.via_top().unwrap());
    assert_eq!(cancel.uri, request.uri);
    assert_eq!(cancel.to_tag(), None);
    alice.cancel(tx, ms(30), &mut Seeded(6));
    assert!(methods(&mut alice).is_empty());
}

#[test]
fn a_cancelled_invite_without_a_final_response_fails_after_64_t1() {
    let (mut alice, tx, request) = alice_calling(Transport::Udp);
    give(&mut alice, &request.response(180).with_to_tag("b1"), ms(20));
    alice.cancel(tx, ms(1_000), &mut Seeded(6));
    events(&mut alice);
    run(&mut alice, ms(33_000));
    assert_eq!(events(&mut alice), [Event::Failed { tx, cause: FailCause::Timeout }]);
    assert_eq!(alice.transactions(), 0);
}

#[test]
fn of_100_only_the_first_is_reported_of_180_each() {
    let (mut alice, _, request) = alice_calling(Transport::Udp);
    for status in [100, 100, 180, 180] {
        give(&mut alice, &request.response(status), ms(20));
    }
    assert_eq!(events(&mut alice).len(), 3);
}

#[test]
fn responses_that_are_not_ours_are_dropped_and_counted() {
    let (mut alice, _, request) = alice_calling(Transport::Udp);
    let mut two_vias = request.response(200);
    two_vias.headers.push("Via", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23");
    let mut other_branch = request.response(200);
    other_branch.headers.set("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother");
    give(&mut alice, &two_vias, ms(10));
    give(&mut alice, &other_branch, ms(10));
    assert!(events(&mut alice).is_empty());
    assert_eq!(alice.counters().stray_responses, 2);
}

#[test]
fn a_refused_datagram_fails_only_what_had_no_answer() {
    let (mut alice, tx, _) = alice_calling(Transport::Udp);
    alice.transport_failed(peer(ALICE, BOB, Transport::Udp), ms(10));
    assert_eq!(events(&mut alice), [Event::Failed { tx, cause: FailCause::Transport }]);
    assert_eq!(alice.transactions(), 0);

    let (mut alice, _, request) = alice_calling(Transport::Udp);
    give(&mut alice, &request.response(180), ms(10));
    events(&mut alice);
    alice.transport_failed(peer(ALICE, BOB, Transport::Udp), ms(20));
    assert!(events(&mut alice).is_empty());
}

#[test]
fn a_closed_connection_fails_what_waits_on_it() {
    let (mut alice, tx, _) = alice_calling(Transport::Tcp);
    alice.connection_closed(ConnectionId(8), ms(10));
    assert!(events(&mut alice).is_empty());
    alice.connection_closed(ConnectionId(7), ms(10));
    assert_eq!(events(&mut alice), [Event::Failed { tx, cause: FailCause::Transport }]);
    assert_eq!(alice.next_timeout(), None);
}

#[test]
fn full_tables_refuse_new_calls_first_and_hold_requests_inside_dialogs_longer() {
    let mut bob = Endpoint::new(EndpointConfig { max_transactions: 1, ..EndpointConfig::default() });
    let from = peer(BOB, ALICE, Transport::Udp);
    let mut give = |request: Request, branch: &str| {
        bob.receive(&with_via(request, branch).to_bytes(), from, ms(0), &mut Seeded(2));
        let got = events(&mut bob).len();
        (got, statuses(&mut bob))
    };
    assert_eq!(give(invite("1"), "z9hG4bK1"), (1, vec![]));
    assert_eq!(give(invite("2"), "z9hG4bK2"), (0, vec![503]));
    let mut inside = invite("3");
    inside.headers.set("To", "<sip:bob@192.0.2.2>;tag=b1");
    assert_eq!(give(inside.clone(), "z9hG4bK3"), (1, vec![]));
    assert_eq!(give(inside, "z9hG4bK4"), (0, vec![503]));
}

#[test]
fn a_malformed_request_is_answered_alike_each_time_and_leaves_nothing() {
    let mut bob = endpoint();
    let bytes = b"OPTIONS sip:a@b SIP/7.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nTo: <sip:b@b>\r\n\
        From: <sip:a@a>;tag=1\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    for _ in 0..2 {
        bob.receive(bytes, peer(BOB, ALICE, Transport::Udp), ms(0), &mut Seeded(2));
    }
    let answers = sent(&mut bob);
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(bob.transactions(), 0);
    assert_eq!(bob.counters().malformed.values().sum::<u64>(), 2);
}

#[test]
fn a_malformed_ack_or_response_is_never_answered() {
    let rows: [&[u8]; 4] = [
        b"ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nno colon here\r\n\r\n",
        b"ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\r\n",
        b"SIP/2.0 9999 What\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\r\n",
        b"\r\n\r\n",
    ];
    for bytes in rows {
        let mut bob = endpoint();
        bob.receive(bytes, peer(BOB, ALICE, Transport::Udp), ms(0), &mut Seeded(2));
        assert_eq!(bob.poll_transmit(), None);
        assert_eq!(bob.poll_event(), None);
    }
}

#[test]
fn a_request_that_the_user_forgets_is_forgotten() {
    let mut bob = endpoint();
    let options = with_via(invite("c"), "z9hG4bK1");
    let mut options = Request { method: Method::Options, ..options };
    options.headers.set("CSeq", "1 OPTIONS");
    bob.receive(&options.to_bytes(), peer(BOB, ALICE, Transport::Udp), ms(0), &mut Seeded(2));
    assert_eq!(bob.transactions(), 1);
    run(&mut bob, ms(32_000));
    assert_eq!(bob.transactions(), 0);
}
