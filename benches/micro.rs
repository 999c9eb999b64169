//! One number each for the hot paths, with its unit: `cargo bench --bench micro`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench stops where its expectation fails, and it measures time"
)]

use std::hint::black_box;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;
use telegraphone::audio::codec::{MOST_PAYLOAD, MOST_SAMPLES, decoder, encoder};
use telegraphone::audio::{Coding, DtmfDetector, Law, ToneKey};
use telegraphone::base::{Direction, Rate, Seeded, Side, Span, Time};
use telegraphone::directory::NumberRecording;
use telegraphone::ledger::PauseInFile;
use telegraphone::media::{Bridge, BridgeConfig, Fact, LegMedia, Out, TakeSlot, TapEvent};
use telegraphone::policy::{Facts, Rules};
use telegraphone::recording::{JournalLine, Layout, PartFile, Take, TimelineConfig};
use telegraphone::rtp::srtp::{Inbound, Keys, MasterKey, OVERHEAD, Outbound, Suite};
use telegraphone::rtp::{HEADER, rewrite_header};
use telegraphone::sip::parse::parse_datagram;

const INVITE: &str = "INVITE sip:202@acme.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK77asjd;rport\r\n\
Max-Forwards: 70\r\nFrom: \"Alice\" <sip:201@acme.example>;tag=1928301774\r\nTo: <sip:202@acme.example>\r\n\
Call-ID: a84b4c76e66710@192.0.2.9\r\nCSeq: 314159 INVITE\r\nContact: <sip:201@192.0.2.9:5060>\r\n\
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE\r\nSupported: timer, replaces\r\nUser-Agent: bench\r\n\
Content-Type: application/sdp\r\nContent-Length: 142\r\n\r\n\
v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n\r\n";

/// Runs `step` in rounds and prints the median of the nanoseconds per step.
fn measure(name: &str, steps: u64, mut step: impl FnMut(u64)) {
    let mut rounds = Vec::new();
    for round in 0..7 {
        let began = Instant::now();
        for n in 0..steps {
            step(round * steps + n);
        }
        rounds.push(began.elapsed().as_nanos() as f64 / steps as f64);
    }
    rounds.sort_by(f64::total_cmp);
    println!("{name:<48} {:>9.0} ns", rounds[3]);
}

struct Nowhere;

impl Out for Nowhere {
    fn rtp(&mut self, _: Side, to: SocketAddr, packet: &[u8]) {
        black_box((to, packet));
    }
    fn rtcp(&mut self, _: Side, to: SocketAddr, packet: &[u8]) {
        black_box((to, packet));
    }
    fn tap(&mut self, event: &TapEvent<'_>) -> bool {
        black_box(event);
        true
    }
    fn tap_take(&mut self, take: TakeSlot, event: &TapEvent<'_>) -> bool {
        black_box((take, event));
        true
    }
    fn fact(&mut self, fact: Fact) {
        black_box(fact);
    }
}

impl PartFile for Nowhere {
    fn discard(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn create(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }
    fn write_at(&mut self, _: u64, bytes: &[u8]) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }
    fn read_at(&mut self, _: u64, bytes: &mut [u8]) -> io::Result<()> {
        bytes.fill(0);
        Ok(())
    }
    fn journal(&mut self, _: &JournalLine) -> io::Result<()> {
        Ok(())
    }
}

fn bridge(now: Time) -> Bridge {
    let facts = Facts {
        refused: false,
        voicemail: false,
        step: None,
        command: None,
        number: NumberRecording::On,
        direction: Direction::Inbound,
        toggle: true,
    };
    let config = BridgeConfig {
        start: [(1, 1, 1), (2, 2, 2)],
        rules: Rules { facts, failed: false },
        commanders: [None, None],
        record_while_held: false,
        silence_timeout: Span::from_secs(60),
        rtcp_interval: Span::from_secs(5),
        cnames: ["a".into(), "b".into()],
    };
    let mut bridge = Bridge::new(config, now);
    for side in Side::BOTH {
        let remote: SocketAddr = format!("192.0.2.{}:4000", 1 + side.channel()).parse().unwrap();
        let media = LegMedia {
            remote,
            remote_rtcp: remote,
            rtcp_mux: true,
            signalling_ip: remote.ip(),
            send: (0, Coding::PCMU),
            receive: LegMedia::received([(0, Coding::PCMU), (8, Coding::PCMA)]),
            ptime: 20,
            send_events: Some((101, 8_000)),
            receive_events: Some((101, 8_000)),
            info: false,
            sends: true,
            receives: true,
            held: false,
            keys: None,
        };
        bridge.set_media(side, media, now, &mut Nowhere);
    }
    bridge.connect(now, &mut Nowhere);
    bridge
}

/// 20 ms of a swelling chord, encoded and decoded at the rates that two legs meet in.
fn codecs() {
    for (name, coding, rate) in [
        ("G.722 at 16 kHz", Coding::G722, Rate::WIDE),
        ("Opus at 8 kHz", Coding::Opus, Rate::NARROW),
        ("Opus at 16 kHz", Coding::Opus, Rate::WIDE),
        ("G.729", Coding::G729, Rate::NARROW),
    ] {
        let (mut encoder, mut decoder) = (encoder(coding, rate).unwrap(), decoder(coding, rate).unwrap());
        let length = rate.0 as usize / 50;
        let voice = |n: u64| {
            let wave = |at: usize, hertz: f32| (at as f32 * hertz * std::f32::consts::TAU / rate.0 as f32).sin();
            let from = (n % 50) as usize * length;
            (from..from + length).map(|at| ((wave(at, 150.0) + wave(at, 430.0)) * 6_000.0) as i16).collect::<Vec<_>>()
        };
        let frames: Vec<Vec<i16>> = (0..50).map(voice).collect();
        let mut payload = [0; MOST_PAYLOAD];
        let mut packets = Vec::new();
        for frame in &frames {
            let bytes = encoder.encode(frame, &mut payload).unwrap();
            packets.push(payload[..bytes].to_vec());
        }
        measure(&format!("{name}: 20 ms encoded"), 500, |n| {
            black_box(encoder.encode(&frames[(n % 50) as usize], &mut payload).unwrap());
        });
        let mut samples = [0; MOST_SAMPLES];
        measure(&format!("{name}: 20 ms decoded"), 500, |n| {
            black_box(decoder.decode(&packets[(n % 50) as usize], &mut samples).unwrap());
        });
    }
}

fn main() {
    measure("SIP: an INVITE with SDP parsed", 20_000, |_| {
        black_box(parse_datagram(INVITE.as_bytes()).is_ok());
    });

    let mut relay = bridge(Time(0));
    let from: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let mut packet = [0x55u8; HEADER + 160];
    measure("relay: a packet through bridge, gate and tap", 200_000, |n| {
        let header = packet.first_chunk_mut::<HEADER>().unwrap();
        rewrite_header(header, false, 0, n as u16, (n * 160) as u32, 7);
        relay.on_rtp(Side::Caller, from, &mut packet, Time(n * 20_000), &mut Nowhere);
    });

    for suite in [Suite::Aes128Tag80, Suite::Aes256Tag80] {
        let key = MasterKey::random(suite, &mut Seeded(1));
        let keys = Keys { send: key.clone(), receive: key.clone(), mki_length: 0 };
        let (mut outbound, mut inbound) = (Outbound::new(&key), Inbound::new(&keys));
        let mut room = [0u8; HEADER + 160 + OVERHEAD];
        let mut plain = [0x55u8; HEADER + 160];
        measure(&format!("SRTP: {suite} protected"), 200_000, |n| {
            rewrite_header(plain.first_chunk_mut().unwrap(), false, 0, n as u16, (n * 160) as u32, 7);
            black_box(outbound.protect(&plain, &mut room).unwrap());
        });
        measure(&format!("SRTP: {suite} protected and opened"), 200_000, |n| {
            rewrite_header(plain.first_chunk_mut().unwrap(), false, 0, n as u16, (n * 160) as u32, 9);
            let length = outbound.protect(&plain, &mut room).unwrap().len();
            black_box(inbound.unprotect(&mut room[..length]).unwrap());
        });
    }

    let mut take = Take::new(
        TimelineConfig {
            window: Span::from_millis(300),
            rate: Rate::NARROW,
            layout: Layout::Stereo,
            pause: PauseInFile::Silence,
        },
        1 << 40,
    );
    take.handle(&TapEvent::Gate { open: true, at: Time(0), edge: None }, &mut Nowhere).unwrap();
    let payload = [0x55u8; 160];
    measure("record: a 20 ms frame to timeline and WAV bytes", 100_000, |n| {
        let (side, number) = (Side::BOTH[(n % 2) as usize], n / 2);
        let arrival = Time(number * 20_000);
        let frame = TapEvent::Frame {
            side,
            coding: Coding::PCMU,
            ssrc: 7,
            sequence: number as u16,
            timestamp: (number * 160) as u32,
            arrival,
            payload: &payload,
        };
        take.handle(&frame, &mut Nowhere).unwrap();
        if n % 25 == 0 {
            take.advance(arrival, &mut Nowhere);
        }
    });

    let mut detector = DtmfDetector::default();
    let mut keys = 0;
    let speech: Vec<u8> = (0..1_600u32).map(|n| Law::Mu.encode(((n * n) % 7_919) as i16 - 3_960)).collect();
    measure("DTMF in band: 20 ms of a leg without events", 20_000, |n| {
        let from = (n % 10) as usize * 160;
        let frame = speech[from..from + 160].iter().map(|byte| Law::Mu.decode(*byte));
        detector.feed(frame, |key, _| keys += u32::from(matches!(key, ToneKey::Down { .. })));
    });
    black_box(keys);

    codecs();

    // What the kernel alone costs here: the yardstick for the load bench.
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let to = other.local_addr().unwrap();
    let mut buffer = [0u8; 2_048];
    measure("kernel: one sendto and one recvfrom on loopback", 100_000, |_| {
        one.send_to(&packet, to).unwrap();
        black_box(other.recv_from(&mut buffer).unwrap());
    });
}
