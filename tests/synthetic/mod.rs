//! A capture of any length that is made while it is read: one G.711 call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

use std::collections::VecDeque;
use std::io::{self, Read};
use telegraphone::base::{Span, Wall};
use telegraphone::replay::capture::{CaptureWriter, Resolution};

const BEGAN: Wall = Wall::from_unix_micros(1_750_000_000_000_000);
const CALLER: &str = "198.51.100.11";
const CALLEE: &str = "198.51.100.12";
/// Packets made at once.
const BATCH: u64 = 64;

/// INVITE, 200, ACK, `packets` of 20 ms from each side, BYE.
pub struct Call {
    packets: u64,
    next: u64,
    said_bye: bool,
    waiting: VecDeque<u8>,
}

impl Call {
    pub fn of_seconds(seconds: u64) -> Self {
        let mut call = Call { packets: seconds * 50, next: 0, said_bye: false, waiting: VecDeque::new() };
        let offer = sdp(CALLER, 4_000);
        let answer = sdp(CALLEE, 5_000);
        call.write(true, |file| {
            file.write(
                BEGAN,
                sip(CALLER),
                sip(CALLEE),
                message("INVITE sip:202@example.test SIP/2.0", 1, "INVITE", "", &offer).as_bytes(),
            )
            .unwrap();
            file.write(
                at(0),
                sip(CALLEE),
                sip(CALLER),
                message("SIP/2.0 200 OK", 1, "INVITE", ";tag=b", &answer).as_bytes(),
            )
            .unwrap();
            file.write(
                at(0),
                sip(CALLER),
                sip(CALLEE),
                message("ACK sip:202@example.test SIP/2.0", 1, "ACK", ";tag=b", "").as_bytes(),
            )
            .unwrap();
        });
        call
    }

    fn write(&mut self, header: bool, fill: impl FnOnce(&mut CaptureWriter<&mut Vec<u8>>)) {
        let mut bytes = Vec::new();
        let mut file = CaptureWriter::new(&mut bytes, Resolution::Micros).unwrap();
        fill(&mut file);
        file.finish().unwrap();
        let skip = if header { 0 } else { 24 };
        self.waiting.extend(&bytes[skip..]);
    }

    fn more(&mut self) {
        let (from, to) = (self.next, self.packets.min(self.next + BATCH));
        self.next = to;
        if from == to {
            let bye = message("BYE sip:202@example.test SIP/2.0", 2, "BYE", ";tag=b", "");
            self.said_bye = true;
            return self
                .write(false, |file| file.write(at(from * 20), sip(CALLER), sip(CALLEE), bye.as_bytes()).unwrap());
        }
        self.write(false, |file| {
            for number in from..to {
                let (caller, callee) =
                    (format!("{CALLER}:4000").parse().unwrap(), format!("{CALLEE}:5000").parse().unwrap());
                file.write(at(number * 20 + 5), caller, callee, &rtp(number, 0x0a)).unwrap();
                file.write(at(number * 20 + 7), callee, caller, &rtp(number, 0x0b)).unwrap();
            }
        });
    }
}

impl Read for Call {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.waiting.is_empty() && !self.said_bye {
            self.more();
        }
        self.waiting.read(into)
    }
}

fn at(millis: u64) -> Wall {
    BEGAN.plus(Span::from_millis(1_000 + millis))
}

fn sip(host: &str) -> std::net::SocketAddr {
    format!("{host}:5060").parse().unwrap()
}

fn rtp(number: u64, ssrc: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend((number as u16).to_be_bytes());
    packet.extend(((number * 160) as u32).to_be_bytes());
    packet.extend([0, 0, 0, ssrc]);
    packet.extend((0..160u64).map(|n| (number * 7 + n * 13) as u8));
    packet
}

fn sdp(host: &str, port: u16) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}

fn message(start: &str, seq: u32, method: &str, tag: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{seq}{method}\r\nFrom: <sip:201@example.test>;tag=a\r\n\
         To: <sip:202@example.test>{tag}\r\nCall-ID: synthetic\r\nCSeq: {seq} {method}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
