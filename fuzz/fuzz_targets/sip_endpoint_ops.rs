//! Any sequence of operations on an endpoint: nothing breaks, and in the end nothing is left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telegraphone::base::{Seeded, Span, Time};
use telegraphone::sip::dialog::Dialog;
use telegraphone::sip::endpoint::{ClientTx, Endpoint, EndpointConfig, Event, ServerTx};
use telegraphone::sip::message::{Method, Request, Response};
use telegraphone::sip::uri::Uri;
use telegraphone::sip::{ConnectionId, Peer, Transport};

const METHODS: [&str; 6] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INVITE"];
const STATUSES: [u16; 6] = [100, 180, 200, 302, 486, 603];

struct World {
    endpoint: Endpoint,
    random: Seeded,
    now: Time,
    servers: Vec<(ServerTx, Request)>,
    clients: Vec<(ClientTx, Request)>,
    answered: Vec<(ClientTx, Response)>,
}

fn peer(choice: u8) -> Peer {
    let transport = if choice & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    Peer {
        transport,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "192.0.2.2:5060".parse().expect("an address"),
        connection: transport.is_reliable().then_some(ConnectionId(u64::from(choice >> 6))),
    }
}

fn incoming(method: &str, a: u8, b: u8) -> String {
    let to_tag = if b & 1 == 0 { "" } else { ";tag=t" };
    format!(
        "{method} sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{}\r\nFrom: <sip:a@a>;tag=f\r\n\
         To: <sip:b@b>{to_tag}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:a@192.0.2.2>\r\n\r\n",
        a & 7,
        b >> 5,
        a >> 6,
    )
}

impl World {
    fn step(&mut self, op: u8, a: u8, b: u8) {
        let pick = |length: usize| if length == 0 { None } else { Some(usize::from(a) % length) };
        match op % 9 {
            0 | 1 => {
                let method = METHODS[usize::from(op / 9) % METHODS.len()];
                self.endpoint.receive(incoming(method, a, b).as_bytes(), peer(b), self.now, &mut self.random);
            }
            2 => {
                if let Some(at) = pick(self.servers.len()) {
                    let (tx, request) = &self.servers[at];
                    let response = request.response(STATUSES[usize::from(b) % STATUSES.len()]).with_to_tag("t");
                    self.endpoint.respond(*tx, response, self.now);
                }
            }
            3 => self.send(a, b),
            4 => {
                if let Some(at) = pick(self.clients.len()) {
                    let (_, request) = &self.clients[at];
                    let tag = format!("t{}", b >> 5);
                    let response = request.response(STATUSES[usize::from(b) % STATUSES.len()]).with_to_tag(&tag);
                    self.endpoint.receive(&response.to_bytes(), peer(0), self.now, &mut self.random);
                }
            }
            5 => {
                if let Some(at) = pick(self.clients.len()) {
                    self.endpoint.cancel(self.clients[at].0, self.now, &mut self.random);
                }
            }
            6 => {
                if let Some(at) = pick(self.answered.len()) {
                    let (tx, response) = self.answered[at].clone();
                    let invite = self.clients.iter().find(|(other, _)| *other == tx).map(|(_, request)| request);
                    if let Some(Ok(dialog)) = invite.map(|invite| Dialog::uac(invite, &response)) {
                        self.endpoint.ack(tx, dialog.ack(1, ""), peer(b), self.now, &mut self.random);
                    }
                }
            }
            7 => match b & 1 {
                0 => self.endpoint.transport_failed(peer(a), self.now),
                _ => self.endpoint.connection_closed(ConnectionId(u64::from(a & 3)), self.now),
            },
            _ => {
                self.now = self.now + Span::from_millis(u64::from(a) * u64::from(b));
                self.endpoint.handle_timeout(self.now);
            }
        }
        self.drain();
    }

    fn send(&mut self, a: u8, b: u8) {
        let method = if a & 1 == 0 { Method::Invite } else { Method::Options };
        let request = Request::new(method.clone(), Uri::sip("b", "192.0.2.2"))
            .with_header("From", "<sip:a@a>;tag=f")
            .with_header("To", "<sip:b@b>")
            .with_header("Call-ID", format!("out{a}"))
            .with_header("CSeq", format!("1 {method}"));
        let tx = self.endpoint.request(request.clone(), peer(b), self.now, &mut self.random);
        let mut sent = request;
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if let Ok(telegraphone::sip::message::Message::Request(request)) =
                telegraphone::sip::parse::parse_datagram(&transmit.bytes)
            {
                sent = request;
            }
        }
        self.clients.push((tx, sent));
    }

    fn drain(&mut self) {
        while self.endpoint.poll_transmit().is_some() {}
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, request, .. } => self.servers.push((tx, request)),
                Event::Response { tx, response, .. } => self.answered.push((tx, response)),
                Event::Ack { .. } | Event::Cancelled { .. } | Event::Failed { .. } | Event::AckMissing { .. } => {}
            }
        }
    }

    /// Every open end is closed by its user; then time does the rest.
    fn finish(&mut self) {
        for (tx, request) in std::mem::take(&mut self.servers) {
            self.endpoint.respond(tx, request.response(500), self.now);
        }
        for (tx, _) in std::mem::take(&mut self.clients) {
            self.endpoint.cancel(tx, self.now, &mut self.random);
        }
        for _ in 0..10_000 {
            self.drain();
            let Some(at) = self.endpoint.next_timeout() else { break };
            self.endpoint.handle_timeout(at);
        }
        assert_eq!(self.endpoint.transactions(), 0);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut world = World {
        endpoint: Endpoint::new(EndpointConfig { max_transactions: 40, ..EndpointConfig::default() }),
        random: Seeded(1),
        now: Time(0),
        servers: Vec::new(),
        clients: Vec::new(),
        answered: Vec::new(),
    };
    for op in data.chunks_exact(3).take(400) {
        world.step(op[0], op[1], op[2]);
    }
    world.finish();
});
