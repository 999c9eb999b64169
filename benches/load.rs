//! Holds N concurrent recorded calls against the real service, and checks every recorded sample.
//!
//! `cargo bench --bench load -- [--calls N] [--seconds S] [--rate CALLS_PER_S] [--dir DIR]
//! [--srtp FRACTION] [--opus CALLS] [--heard CALLS_PER_S] [--voicemail CALLS] [--bare]`
//!
//! `--srtp FRACTION` makes that part of the calls SRTP on the caller's side.
//!
//! `--opus CALLS` makes so many of the calls Opus on the caller's side, which are transcoded: 20 ms
//! packets, coded before the calls begin. Of these the PCMU side of the file has to be exact, and the
//! other what was said, by correlation and length. The delay is that of the calls that are not transcoded.
//!
//! `--heard CALLS_PER_S`: while the calls are held, so many a second end and are replaced, and a
//! subscriber of the number listens to events and looks at their list over HTTP. Says how long after
//! the BYE a recording was heard of. With `--seconds` well below calls / rate, each lasts long enough.
//!
//! `--voicemail CALLS`: so many callers leave a message at the same time, for `--seconds` with the greeting
//! before it. Every message has to be what its caller sent, and the owner of the box has to hear of each.
//!
//! `--bare` puts a relay of nothing but system calls in the service's place: what the kernel asks
//! for the same packets on the same machine, to compare with.
//!
//! The service is its own process on core 0 (real sockets, real disk, RTCP on); this process is
//! one generator thread on another core. Each call comes in over the trunk and is answered by a
//! registered device; both are this generator. Every packet of every call and side is distinct:
//! its first four bytes are its number, the rest follows from call, side and number.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench stops where its expectation fails, and it measures time"
)]

use bare::Bare;
use cipher::Cipher;
use heard::Subscriber;
use opus::Voice;
use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use telegraphone::audio::Law;
use telegraphone::rtp::{HEADER, View, rewrite_header};
use telegraphone::sip::message::{Message, Method, Request, Response};
use telegraphone::sip::parse::parse_datagram;

#[path = "support/bare.rs"]
mod bare;
#[path = "support/cipher.rs"]
mod cipher;
#[path = "support/heard.rs"]
mod heard;
#[allow(dead_code, reason = "it serves the tests too")]
#[path = "../tests/http/mod.rs"]
mod http;
#[path = "support/opus.rs"]
mod opus;
#[allow(dead_code, reason = "it serves the tests too")]
#[path = "../tests/process/mod.rs"]
mod process;
#[path = "../tests/scene/mod.rs"]
mod scene;
#[path = "support/voicemail.rs"]
mod voicemail;

use process::{Home, Process, data_dir, files_in};
use scene::{Scene, answer, call_at_device, call_of_caller, description, media_of};

const SCENE: Scene = Scene("load");

const FRAME: usize = 160;
const SOCKETS: usize = 16;
/// Send times that are remembered per call and side.
const REMEMBERED: usize = 64;
/// From a side's last packet to the BYE, so that no packet is under way then.
const QUIET: Duration = Duration::from_millis(60);
/// How long one waits at most to hear of the last recordings.
const PATIENCE: Duration = Duration::from_secs(10);

struct Options {
    calls: usize,
    seconds: u64,
    rate: f64,
    dir: PathBuf,
    binary: PathBuf,
    pin: bool,
    bare: bool,
    /// Share of the calls whose caller speaks SRTP, 0 to 1.
    srtp: f64,
    /// Calls whose caller speaks Opus; they are never SRTP.
    opus: usize,
    /// Calls a second that end while the others are held; 0: none.
    heard: f64,
    /// The calls leave messages.
    voicemail: bool,
}

fn options() -> Options {
    let mut options = Options {
        calls: 1_000,
        seconds: 30,
        rate: 100.0,
        dir: std::env::temp_dir().join(format!("telegraphone-load-{}", std::process::id())),
        binary: PathBuf::from(env!("CARGO_BIN_EXE_telegraphone")),
        pin: true,
        bare: false,
        srtp: 0.0,
        opus: 0,
        heard: 0.0,
        voicemail: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("a value");
        match arg.as_str() {
            "--calls" => options.calls = value().parse().unwrap(),
            "--seconds" => options.seconds = value().parse().unwrap(),
            "--rate" => options.rate = value().parse().unwrap(),
            "--dir" => options.dir = value().into(),
            "--binary" => options.binary = value().into(),
            "--no-pin" => options.pin = false,
            "--bare" => options.bare = true,
            "--srtp" => options.srtp = value().parse().unwrap(),
            "--opus" => options.opus = value().parse().unwrap(),
            "--heard" => options.heard = value().parse().unwrap(),
            "--voicemail" => {
                options.calls = value().parse().unwrap();
                options.voicemail = true;
            }
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    options
}

fn main() {
    let options = options();
    if options.bare {
        return run_bare(&options);
    }
    let mut service = Running::start(&options);
    let outcome = match options.voicemail {
        true => voicemail::run(&options, &service),
        false => run(&options, &service),
    };
    service.stop();
    match outcome {
        Ok(()) => {
            let _ = std::fs::remove_dir_all(&options.dir);
        }
        Err(problem) => {
            eprintln!("load: {problem} (files kept in {})", options.dir.display());
            std::process::exit(1);
        }
    }
}

/// The service in its own process.
struct Running {
    home: Home,
    process: Process,
    /// Where the API is, where it was asked for.
    http: Option<SocketAddr>,
}

impl Running {
    fn start(options: &Options) -> Running {
        let home = Home { binary: options.binary.clone(), folder: options.dir.clone() };
        let config = format!(
            "max_calls = {}\n[rtp]\nport_min = 10000\nport_max = 31999\n[media]\nworkers = 1\npin = false\n\
             [log]\nfilter = \"warn\"\n",
            options.calls + 100
        );
        let http = (options.heard > 0.0 || options.voicemail).then(|| {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap()
        });
        let (mut config, mut company) = (config, SCENE.company());
        if let Some(http) = http {
            config.push_str(&format!("[http]\nlisten = [\"{http}\"]\n"));
            company.push_str(if options.voicemail { voicemail::BOX } else { heard::PEOPLE });
        }
        home.set_up(&config, &company);
        if options.pin {
            pin(0);
        }
        let process = home.serve();
        if options.pin {
            pin(1);
        }
        Running { home, process, http }
    }

    /// User and system time in µs.
    fn cpu(&self) -> u64 {
        cpu_of(&format!("/proc/{}/stat", self.process.child.id()))
    }

    /// CPU per thread name, in ms.
    fn cpu_by_thread(&self) -> Vec<(String, u64)> {
        let mut threads: HashMap<String, u64> = HashMap::new();
        for entry in std::fs::read_dir(format!("/proc/{}/task", self.process.child.id())).unwrap().flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            let (head, tail) = text.rsplit_once(") ").unwrap();
            let fields: Vec<&str> = tail.split(' ').collect();
            let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
            let name = head.split_once('(').unwrap().1.to_owned();
            *threads.entry(name).or_default() += ticks * 10;
        }
        let mut list: Vec<_> = threads.into_iter().collect();
        list.sort();
        list
    }

    fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.process.child.id())).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
    }

    fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.process.child.id().to_string()).status();
        let _ = self.process.child.wait();
    }
}

/// User and system time of a process or thread, in µs, from its `stat`.
fn cpu_of(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10_000
}

fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Byte `i` of packet `number` of a side of a call.
fn payload(call: usize, side: usize, number: u32, out: &mut [u8; FRAME]) {
    let mut x = ((call as u64) << 40) ^ ((side as u64) << 39) ^ (u64::from(number) << 1) ^ 0x9e37_79b9_7f4a_7c15;
    for chunk in out.chunks_mut(8) {
        x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = x;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    // Six bits a byte: no code of silence (0x7f, 0xff) stands in the number, nor in the rest.
    for (at, byte) in out[..4].iter_mut().enumerate() {
        *byte = (number >> (6 * at)) as u8 & 0x3f;
    }
    for byte in &mut out[4..] {
        if matches!(*byte, 0x7f | 0xff) {
            *byte = 0x2a;
        }
    }
}

/// The number of a received packet, where its payload is what was sent.
fn number_of(bytes: &[u8]) -> u32 {
    (0..4).map(|at| u32::from(bytes[at] & 0x3f) << (6 * at)).sum()
}

#[derive(Clone)]
struct Leg {
    /// Where the service receives this side's media.
    to: Option<SocketAddr>,
    sent: u32,
    received: u32,
    times: [u32; REMEMBERED],
}

struct Call {
    legs: [Leg; 2],
    invited: Instant,
    set_up: Option<Duration>,
    /// Headers of our dialogs, for ACK and BYE.
    to_header: String,
    contact: String,
    started: bool,
    over: bool,
    /// When the BYE was sent.
    bye: Option<Instant>,
    /// Of the caller's side.
    cipher: Option<Box<Cipher>>,
    /// The caller speaks Opus.
    opus: bool,
}

struct Generator {
    /// Where the service hears SIP.
    sip: SocketAddr,
    carrier: UdpSocket,
    device: UdpSocket,
    media: [Vec<UdpSocket>; 2],
    calls: Vec<Call>,
    by_port: HashMap<(usize, u16), usize>,
    /// The oldest call that nobody has ended, where calls end while others are held.
    oldest: usize,
    /// Calls whose BYE is due then.
    ending: VecDeque<(usize, Instant)>,
    origin: Instant,
    delays: Vec<u32>,
    corrupt: u64,
    unknown: u64,
    voice: Voice,
    /// The least likeness of a channel of Opus to what was said.
    likeness: std::cell::Cell<f64>,
}

impl Generator {
    fn new(sip: SocketAddr) -> Generator {
        let nonblocking = |address: &str| {
            let socket = UdpSocket::bind(address).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
            socket
        };
        let media = |ip: &str| (0..SOCKETS).map(|_| nonblocking(&format!("{ip}:0"))).collect::<Vec<_>>();
        Generator {
            sip,
            carrier: nonblocking("127.0.0.2:0"),
            device: nonblocking("127.0.0.3:0"),
            media: [media("127.0.0.2"), media("127.0.0.3")],
            calls: Vec::new(),
            by_port: HashMap::new(),
            oldest: 0,
            ending: VecDeque::new(),
            origin: Instant::now(),
            delays: Vec::with_capacity(32 << 20),
            corrupt: 0,
            unknown: 0,
            voice: Voice::new(),
            likeness: std::cell::Cell::new(1.0),
        }
    }
}

impl Call {
    fn new() -> Call {
        let leg = Leg { to: None, sent: 0, received: 0, times: [0; REMEMBERED] };
        Call {
            legs: [leg.clone(), leg],
            invited: Instant::now(),
            set_up: None,
            to_header: String::new(),
            contact: String::new(),
            started: false,
            over: false,
            bye: None,
            cipher: None,
            opus: false,
        }
    }
}

/// What was seen while the calls were held.
struct Hold {
    packets: u64,
    held: Duration,
    cpu: u64,
    /// Of each packet, sorted, in µs.
    delays: Vec<u32>,
}

impl Hold {
    fn print(&self) {
        let percentile = |p: f64| {
            f64::from(self.delays.get(((self.delays.len() as f64 - 1.0) * p) as usize).copied().unwrap_or(0)) / 1_000.0
        };
        println!("held                  {:.1} s", self.held.as_secs_f64());
        println!("packets relayed       {} ({:.0}/s)", self.packets, self.packets as f64 / self.held.as_secs_f64());
        println!(
            "added delay           p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            percentile(0.5),
            percentile(0.99),
            percentile(0.999)
        );
        println!(
            "service CPU           {:.2} µs per packet ({:.0} % of a core)",
            self.cpu as f64 / self.packets as f64,
            self.cpu as f64 / self.held.as_micros() as f64 * 100.0
        );
    }
}

fn run_bare(options: &Options) {
    let mut generator = Generator::new(SocketAddr::from(([127, 0, 0, 1], 9)));
    let parties: Vec<[SocketAddr; 2]> = (0..options.calls)
        .map(|call| [0, 1].map(|side| generator.media[side][call % SOCKETS].local_addr().unwrap()))
        .collect();
    let mut bare = Bare::start(&parties);
    pin(1);
    for (call, [caller, callee]) in bare.addresses.iter().enumerate() {
        generator.calls.push(Call::new());
        generator.starts(call, 0, *caller);
        generator.starts(call, 1, *callee);
    }
    let hold = generator.hold(options, &mut 0, || bare.cpu());
    bare.stop();
    println!("bare relay, {} calls: system calls alone", options.calls);
    hold.print();
}

fn run(options: &Options, service: &Running) -> Result<(), String> {
    let mut generator = Generator::new(service.process.sip);
    generator.register()?;
    let idle_memory = service.resident();

    // Ramp up.
    let mut next_invite = Instant::now();
    let mut tick = 0u64;
    while generator.calls.iter().filter(|call| call.started).count() < options.calls {
        if generator.calls.len() < options.calls && Instant::now() >= next_invite {
            generator.invite(options);
            next_invite += Duration::from_secs_f64(1.0 / options.rate);
        }
        generator.step(&mut tick);
        if generator.calls.len() == options.calls
            && generator.calls.last().unwrap().invited.elapsed() > Duration::from_secs(10)
        {
            let up = generator.calls.iter().filter(|call| call.started).count();
            return Err(format!("only {up} of {} calls were set up", options.calls));
        }
    }
    let mut subscriber = service.http.map(|http| Subscriber::listen(http, SCENE.0));
    let threads_before = service.cpu_by_thread();
    let hold = generator.hold(options, &mut tick, || service.cpu());
    let threads = service.cpu_by_thread();
    let memory = service.resident();
    if let Some(subscriber) = &mut subscriber {
        generator.wait_until_heard(subscriber, &mut tick);
        subscriber.stop();
        generator.print_heard(subscriber);
    }
    // Let what is under way arrive, then hang up.
    let quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(100) {
        generator.receive();
    }
    let (sent, received) = (
        generator.sent(),
        generator.calls.iter().flat_map(|call| &call.legs).map(|leg| u64::from(leg.received)).sum::<u64>(),
    );
    generator.hang_up(&service.home);

    let mut set_ups: Vec<Duration> = generator.calls.iter().filter_map(|call| call.set_up).collect();
    set_ups.sort();
    let encrypted = generator.calls.iter().filter(|call| call.cipher.is_some()).count();
    println!(
        "calls                 {}, {encrypted} of them SRTP on one side, {} Opus to PCMU",
        options.calls, options.opus
    );
    println!("lost                  {} of {sent}", sent as i64 - received as i64);
    println!("corrupt, unknown      {}, {}", generator.corrupt, generator.unknown);
    hold.print();
    for (name, ms) in &threads {
        let before = threads_before.iter().find(|(other, _)| other == name).map_or(0, |(_, ms)| *ms);
        if ms - before > 50 {
            println!("  thread {name:<16} {:.2} µs per packet", (ms - before) as f64 * 1_000.0 / hold.packets as f64);
        }
    }
    println!(
        "memory                {:.0} KiB per call",
        (memory.saturating_sub(idle_memory)) as f64 / 1_024.0 / options.calls as f64
    );
    let set_up = |p: f64| set_ups[((set_ups.len() as f64 - 1.0) * p) as usize].as_secs_f64() * 1_000.0;
    println!("set-up at {:.0}/s      p50 {:.2} ms, p99 {:.2} ms", options.rate, set_up(0.5), set_up(0.99));

    let files = generator.verify(&service.home)?;
    println!("files                 {files} of {} exact, every sample", generator.calls.len());
    if options.opus > 0 {
        println!("channels of Opus      like what was said by {:.4} at least", generator.likeness.get());
    }
    match (sent == received, files == generator.calls.len()) {
        (true, true) => Ok(()),
        (false, _) => Err("packets were lost".to_owned()),
        (_, false) => Err("files are not exact".to_owned()),
    }
}

impl Generator {
    /// Holds the calls that are up; `cpu` tells what the relay has used, in µs.
    fn hold(&mut self, options: &Options, tick: &mut u64, cpu: impl Fn() -> u64) -> Hold {
        let from = Instant::now();
        self.delays.clear();
        let (cpu_before, sent_before) = (cpu(), self.sent());
        let mut next_end = from;
        while from.elapsed() < Duration::from_secs(options.seconds) {
            if options.heard > 0.0 && Instant::now() >= next_end {
                next_end += Duration::from_secs_f64(1.0 / options.heard);
                self.replace_oldest(options);
            }
            self.step(tick);
        }
        let mut delays = std::mem::take(&mut self.delays);
        delays.sort_unstable();
        Hold { packets: self.sent() - sent_before, held: from.elapsed(), cpu: cpu() - cpu_before, delays }
    }

    /// The oldest call falls silent, and its BYE is due soon; another one takes its place.
    fn replace_oldest(&mut self, options: &Options) {
        self.calls[self.oldest].over = true;
        self.ending.push_back((self.oldest, Instant::now() + QUIET));
        self.oldest += 1;
        self.invite(options);
    }

    fn end_what_is_due(&mut self) {
        while let Some((call, _)) = self.ending.front().copied().filter(|(_, due)| *due <= Instant::now()) {
            self.ending.pop_front();
            self.bye(call);
        }
    }

    fn wait_until_heard(&mut self, subscriber: &Subscriber, tick: &mut u64) {
        let from = Instant::now();
        let heard = |seen: &std::sync::Mutex<HashMap<usize, Instant>>| seen.lock().unwrap().len();
        while from.elapsed() < PATIENCE
            && (heard(&subscriber.told) < self.oldest || heard(&subscriber.listed) < self.oldest)
        {
            self.step(tick);
        }
    }

    fn print_heard(&self, subscriber: &Subscriber) {
        for (what, seen) in [("BYE to event", &subscriber.told), ("BYE to list", &subscriber.listed)] {
            let seen = seen.lock().unwrap();
            let ended = (0..self.oldest).filter_map(|call| Some((self.calls[call].bye?, *seen.get(&call)?)));
            let mut times: Vec<f64> = ended.map(|(bye, seen)| (seen - bye).as_secs_f64() * 1_000.0).collect();
            times.sort_by(f64::total_cmp);
            let at = |p: f64| times.get(((times.len() as f64 - 1.0) * p) as usize).copied().unwrap_or(f64::NAN);
            println!(
                "{what:<21} p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms ({} of {} calls)",
                at(0.5),
                at(0.99),
                at(1.0),
                times.len(),
                self.oldest
            );
        }
    }

    /// A side's packets go to `to`, and what comes from there is of this call.
    fn starts(&mut self, call: usize, side: usize, to: SocketAddr) {
        self.calls[call].legs[side].to = Some(to);
        self.calls[call].started = true;
        self.by_port.insert((side, to.port()), call);
    }

    fn sent(&self) -> u64 {
        self.calls.iter().flat_map(|call| &call.legs).map(|leg| u64::from(leg.sent)).sum()
    }

    fn register(&self) -> Result<(), String> {
        SCENE.register(self.device.local_addr().unwrap(), "device", |request| {
            self.device.send_to(request.as_bytes(), self.sip).unwrap();
            self.wait_response(&self.device)
        })
    }

    fn wait_response(&self, socket: &UdpSocket) -> Result<Response, String> {
        let mut buffer = [0; 4_096];
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            if let Ok((length, _)) = socket.recv_from(&mut buffer)
                && let Ok(Message::Response(response)) = parse_datagram(&buffer[..length])
            {
                return Ok(response);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("no answer to REGISTER".to_owned())
    }

    fn sdp(&self, side: usize, call: usize) -> String {
        description(call, self.media[side][call % SOCKETS].local_addr().unwrap())
    }

    fn invite(&mut self, options: &Options) {
        let call = self.calls.len();
        let service = self.sip;
        // Spread evenly: one more as often as the whole part grows.
        let is_one = |part: f64| ((call + 1) as f64 * part).floor() > (call as f64 * part).floor();
        let opus = (call + 1) * options.opus / options.calls > call * options.opus / options.calls;
        let cipher = (is_one(options.srtp) && !opus).then(|| Box::new(Cipher::new(call)));
        let plain = self.sdp(0, call);
        let offer = match (&cipher, opus) {
            (Some(cipher), _) => cipher.offer(&plain),
            (None, true) => Voice::offer(&plain),
            (None, false) => plain,
        };
        let text = SCENE.invite(call, self.carrier.local_addr().unwrap(), service, &offer);
        self.carrier.send_to(text.as_bytes(), service).unwrap();
        self.calls.push(Call { cipher, opus, ..Call::new() });
    }

    /// A millisecond: signalling, the packets that are due, everything that has arrived.
    fn step(&mut self, tick: &mut u64) {
        self.signalling();
        self.end_what_is_due();
        let now = self.origin.elapsed();
        let target = now.as_millis() as u64;
        while *tick < target {
            *tick += 1;
            self.send_due(*tick);
        }
        self.receive();
        let next = Duration::from_millis(*tick + 1);
        let now = self.origin.elapsed();
        if next > now {
            std::thread::sleep((next - now).min(Duration::from_micros(300)));
        }
    }

    fn send_due(&mut self, tick: u64) {
        let phase = (tick % 20) as usize;
        let mut packet = [0u8; HEADER + FRAME];
        let mut coded = Vec::with_capacity(2_048);
        let mut room = [0u8; _];
        let micros = self.origin.elapsed().as_micros() as u32;
        let mut call = phase;
        while call < self.calls.len() {
            for side in 0..2 {
                let entry = &mut self.calls[call];
                let Some(to) = entry.legs[side].to.filter(|_| entry.started && !entry.over) else { continue };
                let leg = &mut entry.legs[side];
                let number = leg.sent;
                leg.sent += 1;
                leg.times[number as usize % REMEMBERED] = micros;
                let (header, body) = packet.split_first_chunk_mut::<HEADER>().unwrap();
                rewrite_header(
                    header,
                    number == 0,
                    0,
                    number as u16,
                    number.wrapping_mul(160),
                    (call as u32) << 1 | side as u32,
                );
                payload(call, side, number, body.first_chunk_mut().unwrap());
                let bytes = match &mut entry.cipher {
                    Some(cipher) if side == 0 => cipher.protect(&packet, &mut room),
                    None if side == 0 && entry.opus => {
                        opus_packet(&mut coded, call, number, self.voice.packet(call, number));
                        &coded
                    }
                    Some(_) | None => &packet[..],
                };
                let _ = self.media[side][call % SOCKETS].send_to(bytes, to);
            }
            call += 20;
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0u8; 2_048];
        let mut expected = [0u8; FRAME];
        for side in 0..2 {
            for at in 0..SOCKETS {
                while let Ok((mut length, from)) = self.media[side][at].recv_from(&mut buffer) {
                    let known = self.by_port.get(&(side, from.port())).copied().filter(|_| side == 0);
                    if let Some(cipher) = known.and_then(|call| self.calls[call].cipher.as_mut()) {
                        match cipher.open(&mut buffer[..length]) {
                            Some(plain) => length = plain,
                            None => {
                                self.corrupt += 1;
                                continue;
                            }
                        }
                    }
                    let Ok(view) = View::parse(&buffer[..length]) else { continue };
                    let bytes = &buffer[view.payload.clone()];
                    if let Some(call) = self.by_port.get(&(side, from.port())).copied().filter(|c| self.calls[*c].opus)
                    {
                        // Made anew by the service: what is in it stands in the file.
                        self.calls[call].legs[1 - side].received += 1;
                        continue;
                    }
                    let (Some(call), 160) = (self.by_port.get(&(side, from.port())).copied(), bytes.len()) else {
                        // RTCP shares no port here; anything else is unexpected.
                        self.unknown += 1;
                        continue;
                    };
                    let number = number_of(bytes);
                    payload(call, 1 - side, number, &mut expected);
                    if bytes != expected {
                        self.corrupt += 1;
                        continue;
                    }
                    // What one side receives, the other has sent.
                    let leg = &mut self.calls[call].legs[1 - side];
                    leg.received += 1;
                    let now = self.origin.elapsed().as_micros() as u32;
                    self.delays.push(now.wrapping_sub(leg.times[number as usize % REMEMBERED]));
                }
            }
        }
    }

    fn signalling(&mut self) {
        let mut buffer = [0; 4_096];
        while let Ok((length, _)) = self.carrier.recv_from(&mut buffer) {
            if let Ok(Message::Response(response)) = parse_datagram(&buffer[..length]) {
                self.answered(&response);
            }
        }
        while let Ok((length, from)) = self.device.recv_from(&mut buffer) {
            if let Ok(Message::Request(request)) = parse_datagram(&buffer[..length]) {
                self.rings(&request, from);
            }
        }
    }

    /// The device is called: it answers at once.
    fn rings(&mut self, request: &Request, from: SocketAddr) {
        let response = match request.method {
            Method::Invite => {
                let call = call_at_device(request);
                let to = media_of(&request.body);
                self.calls[call].legs[1].to = Some(to);
                self.by_port.insert((1, to.port()), call);
                answer(request, call, self.device.local_addr().unwrap(), self.sdp(1, call))
            }
            Method::Ack => return,
            _ => request.response(200),
        };
        self.device.send_to(&response.to_bytes(), from).unwrap();
    }

    /// The carrier's INVITE (or BYE) is answered.
    fn answered(&mut self, response: &Response) {
        let cseq = response.cseq().unwrap();
        let call = SCENE.call_of(response);
        if cseq.method != Method::Invite || response.status < 200 {
            return;
        }
        assert_eq!(response.status, 200, "call {call}: {} {}", response.status, response.reason);
        let (local, service) = (self.carrier.local_addr().unwrap(), self.sip);
        let entry = &mut self.calls[call];
        let target = response.contact().map_or_else(|| format!("sip:{service}"), |contact| contact.uri.to_string());
        let to = response.to().unwrap().to_string();
        let ack = SCENE.request(("ACK", 1), call, local, &target, &to);
        self.carrier.send_to(ack.as_bytes(), service).unwrap();
        if entry.set_up.is_none() {
            entry.set_up = Some(entry.invited.elapsed());
            entry.to_header = to;
            entry.contact = target;
            if let Some(cipher) = &mut entry.cipher {
                cipher.answered(&response.body);
            }
            self.starts(call, 0, media_of(&response.body));
        }
    }

    fn bye(&mut self, call: usize) {
        let local = self.carrier.local_addr().unwrap();
        let entry = &mut self.calls[call];
        entry.over = true;
        let bye = SCENE.request(("BYE", 2), call, local, &entry.contact, &entry.to_header);
        entry.bye = Some(Instant::now());
        self.carrier.send_to(bye.as_bytes(), self.sip).unwrap();
    }

    fn hang_up(&mut self, home: &Home) {
        for call in 0..self.calls.len() {
            if self.calls[call].bye.is_some() {
                continue;
            }
            self.bye(call);
            if call % 20 == 0 {
                std::thread::sleep(Duration::from_millis(2));
                self.signalling();
            }
        }
        // The device answers the service's BYEs until all calls are gone.
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            for _ in 0..50 {
                self.signalling();
                std::thread::sleep(Duration::from_millis(2));
            }
            let status = home.ask(&["status"]);
            if status["status"]["calls"] == 0 {
                return;
            }
        }
    }

    /// Waits for every file, then compares each sample with what was sent.
    fn verify(&self, home: &Home) -> Result<usize, String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let recordings = data_dir(&home.folder).join("recordings");
        let mut files = Vec::new();
        while files.len() < self.calls.len() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(200));
            files = files_in(&recordings);
            files.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
        }
        let mut exact = 0;
        for wav in &files {
            match self.compare(wav) {
                Ok(()) => exact += 1,
                Err(problem) => eprintln!("{}: {problem}", wav.display()),
            }
        }
        Ok(exact)
    }

    fn compare(&self, wav: &Path) -> Result<(), String> {
        let sidecar: serde_json::Value =
            serde_json::from_slice(&std::fs::read(wav.with_extension("json")).map_err(|error| error.to_string())?)
                .map_err(|error| error.to_string())?;
        let caller = sidecar["parties"][0]["party"]["address"].as_str().unwrap_or("");
        let call = call_of_caller(caller);
        let mut bytes = Vec::new();
        std::fs::File::open(wav)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        let samples = sidecar["samples"].as_u64().unwrap_or(0) as usize;
        let audio = &bytes[44..44 + 4 * samples];
        let drift: Vec<(usize, i64, usize)> = sidecar["markers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|m| m["kind"] == "drift")
            .map(|m| {
                let side = usize::from(m["side"] == "callee");
                (m["at"].as_u64().unwrap_or(0) as usize, m["length"].as_i64().unwrap_or(0), side)
            })
            .collect();
        for side in 0..2 {
            let channel: Vec<i16> =
                audio.chunks_exact(4).map(|frame| i16::from_le_bytes([frame[2 * side], frame[2 * side + 1]])).collect();
            let steps: Vec<(usize, i64)> =
                drift.iter().filter(|(_, _, of)| *of == side).map(|(at, by, _)| (*at, *by)).collect();
            let sent = self.calls[call].legs[side].sent;
            if side == 0 && self.calls[call].opus {
                let likeness = self.voice.likeness(&channel, call, sent)?;
                self.likeness.set(self.likeness.get().min(likeness));
                continue;
            }
            check_channel(&channel, call, side, sent, &steps)?;
        }
        Ok(())
    }
}

/// A packet of Opus of a caller.
fn opus_packet(out: &mut Vec<u8>, call: usize, number: u32, payload: &[u8]) {
    out.resize(HEADER, 0);
    let header = out.first_chunk_mut::<HEADER>().unwrap();
    let timestamp = number.wrapping_mul(opus::TICKS);
    rewrite_header(header, number == 0, opus::PT, number as u16, timestamp, (call as u32) << 1);
    out.truncate(HEADER);
    out.extend_from_slice(payload);
}

/// Every packet of a side stands in its channel, one after the other, except at marked steps.
fn check_channel(
    channel: &[i16],
    call: usize,
    side: usize,
    packets: u32,
    drift: &[(usize, i64)],
) -> Result<(), String> {
    let mut sent = vec![0i16; packets as usize * FRAME];
    let mut bytes = [0; FRAME];
    for number in 0..packets {
        payload(call, side, number, &mut bytes);
        for (place, byte) in sent[number as usize * FRAME..].iter_mut().zip(bytes) {
            *place = Law::Mu.decode(byte);
        }
    }
    // The first packet is found by its own samples; the file begins before it.
    let head = &sent[..FRAME];
    let start =
        channel.windows(FRAME).take(16_000).position(|window| window == head).ok_or("the first packet is not there")?;
    if channel[..start].iter().any(|sample| *sample != 0) {
        return Err(format!("side {side}: something stands before the first packet"));
    }
    let mut steps = drift.to_vec();
    steps.sort_unstable();
    let (mut at, mut from) = (start, 0usize);
    for (position, by) in steps.into_iter().chain([(usize::MAX, 0)]) {
        let count = (sent.len() - from).min(position.saturating_sub(at));
        let file = channel
            .get(at..at + count)
            .ok_or_else(|| format!("side {side}: the file ends {} samples early", at + count - channel.len()))?;
        if file != &sent[from..from + count] {
            let wrong = file.iter().zip(&sent[from..]).position(|(a, b)| a != b).unwrap_or(0);
            return Err(format!("side {side}: sample {} of the file is wrong", at + wrong));
        }
        at += count;
        from += count;
        if by > 0 {
            at += by as usize;
        } else {
            from += by.unsigned_abs() as usize;
        }
    }
    match channel[at.min(channel.len())..].iter().all(|sample| *sample == 0) {
        true => Ok(()),
        false => Err(format!("side {side}: something stands behind the last packet")),
    }
}
