//! The caller on the trunk and the answering device of a [`Scene`], as two sockets that wait for
//! what they asked for.

use super::scene::{Scene, answer, call_at_device, description, media_of};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use telegraphone::rtp::{HEADER, rewrite_header};
use telegraphone::sip::message::{Message, Method, Request, Response};
use telegraphone::sip::parse::parse_datagram;

pub const DEADLINE: Duration = Duration::from_secs(20);

/// The carrier and the device; each waits for what it asked for.
pub struct Phones {
    scene: Scene,
    service: SocketAddr,
    carrier: UdpSocket,
    device: UdpSocket,
}

impl Phones {
    pub fn new(scene: Scene, service: SocketAddr) -> Self {
        let bind = |ip: &str| {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket
        };
        Phones { scene, service, carrier: bind("127.0.0.2"), device: bind("127.0.0.3") }
    }

    /// Whether the device can register, or why it cannot.
    pub fn may_register(&self, id: &str) -> Result<(), String> {
        self.scene.register(self.device.local_addr().unwrap(), id, |request| {
            self.device.send_to(request.as_bytes(), self.service).unwrap();
            Ok(response(&self.device))
        })
    }

    /// Phones of which the device is registered.
    pub fn registered(scene: Scene, service: SocketAddr) -> Self {
        let phones = Self::new(scene, service);
        phones.register();
        phones
    }

    /// Places these calls one after the other, each from a number of its own; in each the caller speaks
    /// so many packets and hangs up.
    pub fn place(&self, calls: std::ops::Range<usize>, packets: u16) {
        for call in calls {
            let answered = self.call(call);
            assert_eq!(answered.status, 200, "{}", answered.reason);
            self.speak(&answered, packets);
            assert_eq!(self.hang_up(call, &answered).status, 200);
        }
    }

    pub fn register(&self) {
        let asked = self.scene.register(self.device.local_addr().unwrap(), "1", |request| {
            self.device.send_to(request.as_bytes(), self.service).unwrap();
            Ok(response(&self.device))
        });
        asked.unwrap();
    }

    /// The final answer to the caller of `call`; the device answers when it rings.
    pub fn call(&self, call: usize) -> Response {
        let local = self.carrier.local_addr().unwrap();
        let invite = self.scene.invite(call, local, self.service, &description(call, local));
        self.carrier.send_to(invite.as_bytes(), self.service).unwrap();
        let mut first = self.response_to(call);
        if first.status == 100 {
            let invite = self.invite_of(call);
            let contact = self.device.local_addr().unwrap();
            let ok = answer(&invite, call, contact, description(call, contact));
            self.device.send_to(&ok.to_bytes(), self.service).unwrap();
            while first.status < 200 {
                first = self.response_to(call);
            }
        }
        let to = first.to().unwrap().to_string();
        let (target, branch) = match first.status {
            200 => (first.contact().unwrap().uri.to_string(), format!("z9hG4bKACK{call}")),
            // Of the INVITE's own transaction (RFC 3261 §17.1.1.3), or the refusal comes again and again.
            _ => (format!("sip:+15550100@{}", self.service), format!("z9hG4bKi{call}")),
        };
        let ack = self.scene.request(("ACK", 1), call, local, &target, &to);
        let ack = ack.replace(&format!("z9hG4bKACK{call}"), &branch);
        self.carrier.send_to(ack.as_bytes(), self.service).unwrap();
        first
    }

    /// The next response of `call`: one that was sent again for an earlier call is none of it.
    fn response_to(&self, call: usize) -> Response {
        loop {
            let response = response(&self.carrier);
            if self.scene.call_of(&response) == call {
                return response;
            }
        }
    }

    fn invite_of(&self, call: usize) -> Request {
        loop {
            if let Message::Request(request) = message(&self.device)
                && request.method == Method::Invite
                && call_at_device(&request) == call
            {
                return request;
            }
        }
    }

    pub fn hang_up(&self, call: usize, answered: &Response) -> Response {
        let target = answered.contact().unwrap().uri.to_string();
        self.send("BYE", 2, call, &target, &answered.to().unwrap().to_string());
        loop {
            let response = self.response_to(call);
            if response.cseq().unwrap().method == Method::Bye {
                return response;
            }
        }
    }

    /// The caller speaks: packets of PCMU to the call that `answered`.
    pub fn speak(&self, answered: &Response, packets: u16) {
        self.speak_on(answered, 0..packets);
    }

    /// Those of its packets, which come after others.
    pub fn speak_on(&self, answered: &Response, packets: std::ops::Range<u16>) {
        let to = media_of(&answered.body);
        for number in packets {
            let mut packet = [0x55; HEADER + 160];
            let (header, _) = packet.split_first_chunk_mut::<HEADER>().unwrap();
            rewrite_header(header, number == 0, 0, number, u32::from(number) * 160, 77);
            self.carrier.send_to(&packet, to).unwrap();
        }
    }

    fn send(&self, method: &str, cseq: u32, call: usize, target: &str, to: &str) {
        let request = self.scene.request((method, cseq), call, self.carrier.local_addr().unwrap(), target, to);
        self.carrier.send_to(request.as_bytes(), self.service).unwrap();
    }
}

/// The next SIP message; what else comes is the other side's audio.
fn message(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 4_096];
    loop {
        let (length, _) = socket.recv_from(&mut buffer).expect("an answer in time");
        if let Ok(message) = parse_datagram(&buffer[..length]) {
            return message;
        }
    }
}

fn response(socket: &UdpSocket) -> Response {
    loop {
        if let Message::Response(response) = message(socket) {
            return response;
        }
    }
}
