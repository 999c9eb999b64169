//! A trunk peer on 127.0.0.2 and a registered device on 127.0.0.3 with several calls at once: both
//! ends of every call, in one thread.

use crate::Dead;
use crate::scene::{Scene, answer, call_at_device, description, media_of};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use telegraphone::rtp::{HEADER, rewrite_header};
use telegraphone::sip::message::{Message, Method, Request, Response};
use telegraphone::sip::parse::parse_datagram;

/// Samples of a packet.
const FRAME: usize = 160;
const PACKET_TIME: Duration = Duration::from_millis(20);
pub const SCENE: Scene = Scene("kill");

struct Call {
    /// Where the service receives the media of caller and callee.
    media: [Option<SocketAddr>; 2],
    packets: [u32; 2],
    up: Option<Instant>,
    /// For the requests of the caller: the target and the To of the dialog.
    target: String,
    to: String,
    over: bool,
}

pub struct Phones {
    service: SocketAddr,
    carrier: UdpSocket,
    device: UdpSocket,
    media: [UdpSocket; 2],
    calls: Vec<Call>,
    /// The first of the calls that the living process knows.
    first: usize,
    next_packets: Instant,
}

/// The code that a party of a call speaks all the time: no code of silence.
pub fn code(call: usize, side: usize) -> u8 {
    u8::try_from((2 * call + side) % 100).unwrap() + 1
}

impl Phones {
    pub fn new() -> Phones {
        let bind = |ip: &str| {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Phones {
            service: SocketAddr::from(([127, 0, 0, 1], 0)),
            carrier: bind("127.0.0.2"),
            device: bind("127.0.0.3"),
            media: [bind("127.0.0.2"), bind("127.0.0.3")],
            calls: Vec::new(),
            first: 0,
            next_packets: Instant::now(),
        }
    }

    /// Registers the device.
    fn register(&self, service: SocketAddr) {
        let registered = SCENE.register(self.device.local_addr().unwrap(), &service.to_string(), |request| {
            self.device.send_to(request.as_bytes(), service).unwrap();
            Ok(self.response())
        });
        registered.unwrap();
    }

    fn response(&self) -> Response {
        let deadline = Instant::now() + crate::DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "no answer to REGISTER");
            wait_for_any(&[&self.device], Duration::from_millis(100));
            while let Some((bytes, _)) = receive(&self.device) {
                if let Ok(Message::Response(response)) = parse_datagram(&bytes) {
                    return response;
                }
            }
        }
    }

    /// The process that knew the calls and the device is dead; the next one listens at `service`.
    pub fn turn_to(&mut self, service: SocketAddr) {
        self.service = service;
        self.first = self.calls.len();
        // What the dead one still sent.
        while receive(&self.carrier).is_some() || receive(&self.device).is_some() {}
        self.register(service);
        self.next_packets = Instant::now();
    }

    /// What is known of the calls of the process that is dead now.
    pub fn dead(&self) -> Vec<Dead> {
        let calls = self.calls[self.first..].iter();
        let sent = |call: &Call| call.packets.map(|packets| packets as usize * FRAME);
        calls.map(|call| Dead { up: call.up.map(|up| up.elapsed()), sent: sent(call) }).collect()
    }

    /// Calls of the living process that the caller knows to be answered.
    pub fn up(&self) -> usize {
        self.calls[self.first..].iter().filter(|call| call.up.is_some()).count()
    }

    pub fn invite(&mut self) {
        let call = self.calls.len();
        let text = SCENE.invite(call, self.carrier.local_addr().unwrap(), self.service, &self.description(call, 0));
        self.carrier.send_to(text.as_bytes(), self.service).unwrap();
        let (target, to) = (String::new(), String::new());
        self.calls.push(Call { media: [None, None], packets: [0, 0], up: None, target, to, over: false });
    }

    fn description(&self, call: usize, side: usize) -> String {
        description(call, self.media[side].local_addr().unwrap())
    }

    /// The caller of every call that is up hangs up.
    pub fn hang_up(&mut self) {
        for call in self.first..self.calls.len() {
            self.calls[call].over = true;
            if self.calls[call].up.is_some() {
                let target = self.calls[call].target.clone();
                self.request(call, "BYE", 3, &target);
            }
        }
    }

    /// The caller of a call presses a key, told as SIP INFO.
    pub fn press(&self, call: usize, cseq: u32, key: char) {
        let (local, entry) = (self.carrier.local_addr().unwrap(), &self.calls[call]);
        let text = SCENE.request(("INFO", cseq), call, local, &entry.target, &entry.to);
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        let head = format!("Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n", body.len());
        let text = text.replace("Content-Length: 0\r\n\r\n", &(head + &body));
        assert!(text.contains(&body), "{text}");
        self.carrier.send_to(text.as_bytes(), self.service).unwrap();
    }

    /// A request in the dialog of a call.
    fn request(&self, call: usize, method: &str, cseq: u32, target: &str) {
        let (local, to) = (self.carrier.local_addr().unwrap(), &self.calls[call].to);
        let text = SCENE.request((method, cseq), call, local, target, to);
        self.carrier.send_to(text.as_bytes(), self.service).unwrap();
    }

    /// Answers and speaks until then.
    pub fn run_until(&mut self, end: Instant) {
        loop {
            self.signalling();
            let now = Instant::now();
            if now >= end {
                return;
            }
            if now >= self.next_packets {
                self.speak();
                // A phone that was late catches up: its clock goes on with that on the wall. One that fell
                // behind a little again and again would seem to have stopped, and its silence be recorded.
                self.next_packets += PACKET_TIME;
            }
            let wait = self.next_packets.min(end).saturating_duration_since(now);
            wait_for_any(&[&self.carrier, &self.device], wait);
        }
    }

    fn signalling(&mut self) {
        while let Some((bytes, _)) = receive(&self.carrier) {
            if let Ok(Message::Response(response)) = parse_datagram(&bytes) {
                self.answered(&response);
            }
        }
        while let Some((bytes, from)) = receive(&self.device) {
            if let Ok(Message::Request(request)) = parse_datagram(&bytes) {
                self.asked(&request, from);
            }
        }
        for socket in &self.media {
            while receive(socket).is_some() {}
        }
    }

    /// The device answers every call at once.
    fn asked(&mut self, request: &Request, from: SocketAddr) {
        let response = match request.method {
            Method::Invite => {
                let call = call_at_device(request);
                self.calls[call].media[1] = Some(media_of(&request.body));
                answer(request, call, self.device.local_addr().unwrap(), self.description(call, 1))
            }
            Method::Ack => return,
            _ => request.response(200),
        };
        self.device.send_to(&response.to_bytes(), from).unwrap();
    }

    fn answered(&mut self, response: &Response) {
        let call = SCENE.call_of(response);
        if response.cseq().unwrap().method != Method::Invite || response.status < 200 || call < self.first {
            return;
        }
        assert_eq!(response.status, 200, "call {call}: {}", response.reason);
        let entry = &mut self.calls[call];
        entry.target = response.contact().unwrap().uri.to_string();
        entry.to = response.to().unwrap().to_string();
        entry.media[0] = Some(media_of(&response.body));
        entry.up.get_or_insert_with(Instant::now);
        let target = entry.target.clone();
        self.request(call, "ACK", 1, &target);
    }

    /// A packet of each party of every call that is up.
    fn speak(&mut self) {
        for (call, entry) in self.calls.iter_mut().enumerate().skip(self.first) {
            if entry.over || entry.up.is_none() {
                continue;
            }
            for side in 0..2 {
                let Some(to) = entry.media[side] else { continue };
                let number = entry.packets[side];
                let mut packet = [code(call, side); HEADER + FRAME];
                let header = packet.first_chunk_mut::<HEADER>().unwrap();
                let ssrc = u32::try_from(2 * call + side).unwrap() + 1;
                rewrite_header(header, number == 0, 0, u16::try_from(number).unwrap(), number * FRAME as u32, ssrc);
                self.media[side].send_to(&packet, to).unwrap();
                entry.packets[side] += 1;
            }
        }
    }
}

fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 4_096];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    Some((buffer[..length].to_vec(), from))
}

/// Returns when one of them can be read, or after `most`.
fn wait_for_any(sockets: &[&UdpSocket], most: Duration) {
    let mut polled: Vec<_> = sockets.iter().map(|socket| PollFd::new(*socket, PollFlags::IN)).collect();
    let most = Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() };
    let _ = poll(&mut polled, Some(&most));
}
