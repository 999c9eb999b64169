//! A call whose codecs change while it is up, over real sockets: by re-INVITE, and by transfers to
//! phones that speak something narrower or wider. One file is left, of the rate that the call began
//! with, and every tone stands in it where it was played.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it measures time"
)]
#![allow(dead_code, reason = "the scene serves other tests too")]

#[path = "scene/mod.rs"]
mod scene;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use scene::{Scene, media_of};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use telegraphone::audio::codec::{Encode, MOST_PAYLOAD, encoder};
use telegraphone::audio::{Coding, Law};
use telegraphone::base::Rate;
use telegraphone::directory::Transport as Listens;
use telegraphone::directory::file::CompanyFile;
use telegraphone::directory::plan::plan;
use telegraphone::ledger::{MarkerKind, RecordingRecord, RecordingState};
use telegraphone::rtp::{HEADER, rewrite_header};
use telegraphone::service::Service;
use telegraphone::service::clock::OsRandom;
use telegraphone::service::config::{Config, Listen};
use telegraphone::sip::dialog::Dialog;
use telegraphone::sip::message::{Message, Method, Request, Response};
use telegraphone::sip::parse::parse_datagram;
use telegraphone::store::RecordingFilter;

const SCENE: Scene = Scene("midcall");
const DEADLINE: Duration = Duration::from_secs(10);
const PACKET: Duration = Duration::from_millis(20);
/// How long each codec and each party is heard, in ms.
const STRETCH: u64 = 1_200;
const LEVEL: f64 = 8_000.0;
const PCMA: Coding = Coding::G711(Law::A);

/// The payload type that every party here uses for a coding.
fn payload_type(coding: Coding) -> u8 {
    match coding {
        Coding::Opus => 96,
        Coding::G722 => 9,
        PCMA => 8,
        _ => 0,
    }
}

fn description(codings: &[Coding], media: SocketAddr) -> String {
    let (ip, port) = (media.ip(), media.port());
    let types: String = codings.iter().map(|coding| format!(" {}", payload_type(*coding))).collect();
    let opus = if codings.contains(&Coding::Opus) { "a=rtpmap:96 opus/48000/2\r\n" } else { "" };
    format!(
        "v=0\r\no=- 1 {port} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP{types}\r\n\
         {opus}a=ptime:20\r\na=sendrecv\r\n"
    )
}

/// What a party plays: a tone in its codec, from its socket.
struct Voice {
    socket: UdpSocket,
    to: Option<SocketAddr>,
    coding: Coding,
    encoder: Box<dyn Encode>,
    hertz: f64,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    at: u64,
}

impl Voice {
    fn new(ip: &str, coding: Coding, hertz: f64, ssrc: u32) -> Voice {
        let encoder = encoder(coding, Rate::NARROW).unwrap();
        let (to, sequence, timestamp, at) = (None, 1, 1_000, 0);
        Voice { socket: bind(ip), to, coding, encoder, hertz, ssrc, sequence, timestamp, at }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Another codec from now on, and another tone.
    fn change(&mut self, coding: Coding, hertz: f64) {
        (self.coding, self.hertz) = (coding, hertz);
        self.encoder = encoder(coding, Rate::NARROW).unwrap();
    }

    fn speak(&mut self) {
        let Some(to) = self.to else { return };
        let samples: Vec<i16> = (self.at..self.at + 160)
            .map(|n| ((n as f64 * self.hertz * std::f64::consts::TAU / 8_000.0).sin() * LEVEL) as i16)
            .collect();
        self.at += 160;
        let mut packet = [0; HEADER + MOST_PAYLOAD];
        let bytes = self.encoder.encode(&samples, &mut packet[HEADER..]).unwrap();
        let header = packet.first_chunk_mut::<HEADER>().unwrap();
        rewrite_header(header, false, payload_type(self.coding), self.sequence, self.timestamp, self.ssrc);
        self.socket.send_to(&packet[..HEADER + bytes], to).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.coding.clock().0 / 50);
        while receive(&self.socket).is_some() {}
    }
}

fn bind(ip: &str) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 4_096];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    Some((buffer[..length].to_vec(), from))
}

fn wait_for_any(sockets: &[&UdpSocket], most: Duration) {
    let mut polled: Vec<_> = sockets.iter().map(|socket| PollFd::new(*socket, PollFlags::IN)).collect();
    let most = Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() };
    let _ = poll(&mut polled, Some(&most));
}

/// A caller on the trunk and whoever answers: the device 201, and numbers behind the trunk.
struct Stage {
    service: SocketAddr,
    carrier: UdpSocket,
    device: UdpSocket,
    caller: Voice,
    /// Who answers the next INVITE, and with what.
    next: Option<Voice>,
    /// The party that talks to the caller now.
    other: Option<Voice>,
    /// What was said on each answered leg, by Call-ID.
    bodies: HashMap<String, String>,
    /// The leg of the party that talks to the caller now, and whether it is the device's.
    leg: Option<(Dialog, bool)>,
    responses: Vec<Response>,
    next_packet: Instant,
    requests: u32,
}

impl Stage {
    fn new(caller: Voice) -> Stage {
        Stage {
            service: SocketAddr::from(([127, 0, 0, 1], 0)),
            carrier: bind("127.0.0.2"),
            device: bind("127.0.0.3"),
            caller,
            next: None,
            other: None,
            bodies: HashMap::new(),
            leg: None,
            responses: Vec::new(),
            next_packet: Instant::now(),
            requests: 0,
        }
    }

    /// The service with the company of the scene, whose trunk leads to the carrier's socket.
    async fn service(&mut self, folder: &std::path::Path) -> Service {
        let mut config = Config::default_for(folder);
        let address = "127.0.0.1:0".parse().unwrap();
        config.sip.listen = vec![Listen { transport: Listens::Udp, address, advertise: None }];
        let service = Service::start(config).await.unwrap();
        let port = format!("port = {}", self.carrier.local_addr().unwrap().port());
        let settings = "[company.settings]\ntransfer_from_outside = true\ndestinations = [\"+1\"]\n";
        let company = SCENE.company().replace("port = 5060", &port).replace("[company.settings]\n", settings);
        let company = company.replacen("domains =", "default_number = \"+15550100\"\ndomains =", 1);
        let plan =
            plan(&service.store().load_directory().await.unwrap(), &CompanyFile::parse(&company).unwrap(), false);
        service.store().apply(&plan.unwrap(), &mut OsRandom).await.unwrap();
        service.reload().await;
        self.service = service.sip_addresses()[0].1;
        self.register();
        service
    }

    fn register(&mut self) {
        let contact = self.device.local_addr().unwrap();
        let asked = SCENE.register(contact, "1", |request| {
            self.device.send_to(request.as_bytes(), self.service).unwrap();
            let deadline = Instant::now() + DEADLINE;
            loop {
                assert!(Instant::now() < deadline, "no answer to REGISTER");
                wait_for_any(&[&self.device], PACKET);
                if let Some((bytes, _)) = receive(&self.device)
                    && let Ok(Message::Response(response)) = parse_datagram(&bytes)
                {
                    return Ok(response);
                }
            }
        });
        asked.unwrap();
    }

    /// Signals and speaks for so long.
    fn run(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.step();
        }
    }

    fn step(&mut self) {
        wait_for_any(&[&self.carrier, &self.device], self.next_packet.saturating_duration_since(Instant::now()));
        for from_device in [false, true] {
            while let Some((bytes, from)) = receive(if from_device { &self.device } else { &self.carrier }) {
                match parse_datagram(&bytes) {
                    Ok(Message::Request(request)) => self.asked(&request, from, from_device),
                    Ok(Message::Response(response)) => self.responses.push(response),
                    Err(_) => {}
                }
            }
        }
        if Instant::now() >= self.next_packet {
            self.next_packet += PACKET;
            self.caller.speak();
            if let Some(other) = &mut self.other {
                other.speak();
            }
        }
    }

    fn asked(&mut self, request: &Request, from: SocketAddr, at_device: bool) {
        let socket = if at_device { &self.device } else { &self.carrier };
        let contact = format!("<sip:x@{}>", socket.local_addr().unwrap());
        let call = request.call_id().unwrap().to_owned();
        let response = match (&request.method, self.bodies.get(&call), self.next.take()) {
            (Method::Ack, _, next) => {
                self.next = next;
                return;
            }
            (Method::Invite, None, Some(mut voice)) => {
                voice.to = Some(media_of(&request.body));
                let body = description(&[voice.coding], voice.address());
                self.bodies.insert(call, body.clone());
                self.leg = Some((Dialog::uas(request, "t").unwrap(), at_device));
                self.other = Some(voice);
                if self.caller.to.is_none() {
                    // Nobody has spoken yet: nothing is to be caught up with.
                    self.next_packet = Instant::now();
                }
                request.response(200).with_to_tag("t").with_body("application/sdp", body)
            }
            // Asked again: the same holds.
            (Method::Invite, Some(body), next) => {
                self.next = next;
                request.response(200).with_body("application/sdp", body.clone())
            }
            (_, _, next) => {
                self.next = next;
                request.response(200)
            }
        };
        let socket = if at_device { &self.device } else { &self.carrier };
        socket.send_to(&response.with_header("Contact", contact).to_bytes(), from).unwrap();
    }

    /// The final answer to the caller's request with this CSeq.
    fn answer(&mut self, cseq: u32) -> Response {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let own = |response: &Response| {
                response.status >= 200 && response.cseq().is_ok_and(|found| found.seq == cseq) && {
                    response.call_id().is_ok_and(|id| id.starts_with(SCENE.0))
                }
            };
            if let Some(at) = self.responses.iter().position(own) {
                return self.responses.swap_remove(at);
            }
            assert!(Instant::now() < deadline, "no answer to request {cseq}");
            self.step();
        }
    }

    fn caller_says(&mut self, method: &str, cseq: u32, at: &Response, body: &str) {
        let local = self.carrier.local_addr().unwrap();
        let (target, to) = (at.contact().unwrap().uri.to_string(), at.to().unwrap().to_string());
        let text = SCENE.request((method, cseq), 0, local, &target, &to);
        let length = if body.is_empty() { String::new() } else { "Content-Type: application/sdp\r\n".to_owned() };
        let contact = format!("Contact: <sip:carrier@{local}>\r\n{length}Content-Length: {}\r\n\r\n{body}", body.len());
        let text = text.replace("Content-Length: 0\r\n\r\n", &contact);
        let text = text.replace(&format!("branch=z9hG4bK{method}0"), &format!("branch=z9hG4bK{method}{cseq}"));
        self.carrier.send_to(text.as_bytes(), self.service).unwrap();
    }

    /// The caller calls the number and speaks what was agreed; gives the 200.
    fn call(&mut self, codings: &[Coding], callee: Voice) -> Response {
        self.next = Some(callee);
        let local = self.carrier.local_addr().unwrap();
        let invite = SCENE.invite(0, local, self.service, &description(codings, self.caller.address()));
        self.carrier.send_to(invite.as_bytes(), self.service).unwrap();
        let ok = self.answer(1);
        assert_eq!(ok.status, 200, "{}", ok.reason);
        self.caller_says("ACK", 1, &ok, "");
        self.caller.to = Some(media_of(&ok.body));
        ok
    }

    /// The caller speaks another codec, and another tone.
    fn reinvite(&mut self, ok: &Response, cseq: u32, coding: Coding, hertz: f64) {
        let body = description(&[coding], self.caller.address());
        self.caller_says("INVITE", cseq, ok, &body);
        let again = self.answer(cseq);
        assert_eq!(again.status, 200, "{coding:?}: {}", again.reason);
        self.caller_says("ACK", cseq, &again, "");
        self.caller.change(coding, hertz);
    }

    /// The party that talks to the caller transfers it to `to`, who answers as `voice`.
    fn transfer(&mut self, to: &str, voice: Voice) {
        let (mut dialog, at_device) = self.leg.take().unwrap();
        let socket = if at_device { &self.device } else { &self.carrier };
        let local = socket.local_addr().unwrap();
        self.requests += 1;
        let refer = dialog.request(Method::Refer, &format!("<sip:x@{local}>"));
        let via = format!("SIP/2.0/UDP {local};branch=z9hG4bKrefer{};rport", self.requests);
        let refer = refer.with_header("Via", via).with_header("Refer-To", format!("<{to}>"));
        socket.send_to(&refer.to_bytes(), self.service).unwrap();
        self.next = Some(voice);
        let deadline = Instant::now() + DEADLINE;
        while self.next.is_some() {
            let said: Vec<_> = self.responses.iter().map(|response| (response.status, &response.reason)).collect();
            assert!(Instant::now() < deadline, "{to} was not called: {said:?}");
            self.step();
        }
    }

    /// The caller hangs up, and the only recording is finished.
    async fn hang_up(&mut self, ok: &Response, cseq: u32, service: &Service) -> RecordingRecord {
        self.caller_says("BYE", cseq, ok, "");
        self.caller.to = None;
        self.other = None;
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mut rows = service.store().recordings(&RecordingFilter::default(), 10).await.unwrap();
            if let Some(row) = rows.pop() {
                assert!(rows.is_empty(), "one file");
                // The call's end is written by another way than its recording.
                let call = service.store().call(row.call).await.unwrap();
                if call.is_some_and(|call| call.ended.is_some()) {
                    return row;
                }
            }
            assert!(Instant::now() < deadline, "no recording");
            self.step();
        }
    }
}

/// What was heard, from when to when, in ms after the answer.
struct Stretch {
    from: u64,
    to: u64,
    hertz: [f64; 2],
}

struct File {
    rate: u32,
    channels: [Vec<f64>; 2],
    /// What is marked in it, for who looks for what went wrong.
    marked: String,
}

impl File {
    fn read(folder: &std::path::Path, row: &RecordingRecord) -> File {
        let wav = hound::WavReader::open(folder.join("recordings").join(&row.path)).unwrap();
        assert_eq!((wav.spec().channels, u64::from(wav.duration())), (2, row.samples));
        let rate = wav.spec().sample_rate;
        let samples: Vec<f64> = wav.into_samples::<i16>().map(|sample| f64::from(sample.unwrap())).collect();
        let channel = |first: usize| samples.iter().skip(first).step_by(2).copied().collect();
        let marked = row.sidecar.markers.iter().map(|marker| {
            let ms = |samples: u64| samples * 1_000 / u64::from(rate);
            format!(" {} {} ms", marker.kind.as_str(), ms(marker.at))
        });
        File { rate, channels: [channel(0), channel(1)], marked: marked.collect() }
    }

    /// Amplitude of a tone in a stretch of a channel, and its share of all that is heard there. By
    /// blocks of 50 ms: a clock that was followed by a step of 5 ms moves the phase.
    fn tone(&self, channel: usize, from: u64, to: u64, hertz: f64) -> (f64, f64) {
        let at = |ms: u64| (ms * u64::from(self.rate) / 1_000) as usize;
        let step = std::f64::consts::TAU * hertz / f64::from(self.rate);
        let (mut power, mut all, mut blocks) = (0.0, 0.0, 0.0);
        for block in self.channels[channel][at(from)..at(to)].chunks_exact(at(50)) {
            let part = |wave: fn(f64) -> f64| -> f64 {
                let product = block.iter().enumerate().map(|(n, sample)| sample * wave(n as f64 * step));
                product.sum::<f64>() / block.len() as f64
            };
            power += 2.0 * (part(f64::sin).powi(2) + part(f64::cos).powi(2));
            all += block.iter().map(|sample| sample * sample).sum::<f64>() / block.len() as f64;
            blocks += 1.0;
        }
        ((2.0 * power / blocks).sqrt(), power / all.max(1.0))
    }

    fn check(&self, stretches: &[Stretch]) {
        for Stretch { from, to, hertz } in stretches {
            for (channel, hertz) in hertz.iter().enumerate() {
                // Not where the codecs change hands.
                let (level, share) = self.tone(channel, from + 300, to - 150, *hertz);
                let place = format!("channel {channel}, {from} to {to} ms, {hertz} Hz; marked:{}", self.marked);
                assert!(share > 0.8, "{place}: {share:.2} of what is heard");
                assert!((0.7..1.3).contains(&(level / LEVEL)), "{place}: level {level:.0}");
            }
        }
    }
}

/// The file is as long as the call, as the service has it; `elapsed`: as the caller has it.
async fn check_row(service: &Service, row: &RecordingRecord, rate: Rate, elapsed: Duration) {
    assert_eq!((row.state, row.rate), (RecordingState::Complete, rate.0), "{}", row.problem);
    let length = i64::try_from(row.samples * 1_000 / u64::from(row.rate)).unwrap();
    let call = service.store().call(row.call).await.unwrap().unwrap();
    let stored = (call.ended.unwrap().unix_micros() - call.answered.unwrap().unix_micros()) / 1_000;
    assert!((length - stored).abs() < 150, "the file lasts {length} ms, the call {stored} ms");
    let seen = i64::try_from(elapsed.as_millis()).unwrap();
    assert!((length - seen).abs() < 500, "the file lasts {length} ms, the caller saw {seen} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reinvite_to_another_codec_leaves_one_file_with_every_tone_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(Voice::new("127.0.0.2", Coding::PCMU, 440.0, 1));
    let service = stage.service(folder.path()).await;
    let ok = stage.call(&[Coding::PCMU], Voice::new("127.0.0.3", Coding::PCMU, 330.0, 2));
    let answered = Instant::now();
    let changes = [(Coding::Opus, 620.0), (PCMA, 800.0), (Coding::G722, 1_000.0), (Coding::PCMU, 540.0)];
    let mut stretches = Vec::new();
    let mut begun = 0;
    let mut hertz = 440.0;
    for (cseq, next) in (2..).zip(changes.into_iter().map(Some).chain([None])) {
        stage.run(Duration::from_millis(STRETCH));
        let now = u64::try_from(answered.elapsed().as_millis()).unwrap();
        stretches.push(Stretch { from: begun, to: now, hertz: [hertz, 330.0] });
        begun = now;
        if let Some((coding, tone)) = next {
            stage.reinvite(&ok, cseq, coding, tone);
            hertz = tone;
        }
    }
    let elapsed = answered.elapsed();
    let row = stage.hang_up(&ok, 9, &service).await;
    check_row(&service, &row, Rate::NARROW, elapsed).await;
    File::read(folder.path(), &row).check(&stretches);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_to_narrower_and_wider_phones_leave_one_file_of_the_rate_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(Voice::new("127.0.0.2", Coding::Opus, 440.0, 1));
    let service = stage.service(folder.path()).await;
    let all = [Coding::Opus, Coding::G722, Coding::PCMU];
    let ok = stage.call(&all, Voice::new("127.0.0.3", Coding::Opus, 330.0, 2));
    let answered = Instant::now();
    let outside = format!("sip:+15550777@{}.example", SCENE.0);
    let inside = format!("sip:201@{}.example", SCENE.0);
    let transfers = [
        (outside.as_str(), Voice::new("127.0.0.2", Coding::PCMU, 550.0, 3)),
        (inside.as_str(), Voice::new("127.0.0.3", Coding::G722, 770.0, 4)),
    ];
    let mut stretches = Vec::new();
    let (mut begun, mut hertz) = (0, 330.0);
    for next in transfers.into_iter().map(Some).chain([None]) {
        stage.run(Duration::from_millis(STRETCH));
        let now = u64::try_from(answered.elapsed().as_millis()).unwrap();
        stretches.push(Stretch { from: begun, to: now, hertz: [440.0, hertz] });
        begun = now;
        if let Some((to, voice)) = next {
            hertz = voice.hertz;
            stage.transfer(to, voice);
        }
    }
    let elapsed = answered.elapsed();
    let row = stage.hang_up(&ok, 9, &service).await;
    check_row(&service, &row, Rate::FULL, elapsed).await;
    let transfers = row.sidecar.markers.iter().filter(|marker| marker.kind == MarkerKind::Transfer);
    assert_eq!(transfers.count(), 2);
    let codecs: Vec<&str> = row.sidecar.parties.iter().map(|party| party.codec.as_str()).collect();
    assert_eq!(codecs, ["opus", "opus", "PCMU", "G722"]);
    File::read(folder.path(), &row).check(&stretches);
    service.stop().await;
}
