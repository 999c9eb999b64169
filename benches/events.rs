//! Events to many open streams: `cargo bench --bench events -- [--streams N] [--recordings N] [--calls N]
//! [--slow N]`.
//!
//! The service is its own process with that many recordings in its database. So many streams are open
//! (an admin's, who sees every call), and some more whose readers ask for everything from the first event
//! on and take nothing. Then calls are placed, one after the other. Says how long after the BYE each
//! stream was told that the recording is there, and what memory the service takes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench stops where its expectation fails, and it measures time"
)]
#![allow(dead_code, reason = "the scene serves tests too")]

use history::recording;
use phones::Phones;
use process::{Home, data_dir};
use scene::{Scene, call_of_caller};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use telegraphone::base::{CallId, Direction, Random, Seeded, Span, Wall};
use telegraphone::ledger::{Because, CallRecord, Decision, Outcome, Party};
use telegraphone::store::Store;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

#[path = "support/history.rs"]
mod history;
#[path = "../tests/http/mod.rs"]
mod http;
#[path = "../tests/scene/phones.rs"]
mod phones;
#[path = "../tests/process/mod.rs"]
mod process;
#[path = "../tests/scene/mod.rs"]
mod scene;

const SCENE: Scene = Scene("events");
const PEOPLE: &str = r#"
[[user]]
extension = "204"
name = "Admin"
password = "admin-secret"
role = "admin"
"#;

fn argument(name: &str, otherwise: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    let said = args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    said.map_or(otherwise, |count| count.parse().unwrap())
}

fn main() {
    let [streams, recordings, calls, slow] =
        [("--streams", 1_000), ("--recordings", 100_000), ("--calls", 30), ("--slow", 20)]
            .map(|(name, otherwise)| argument(name, otherwise));
    let folder = tempfile::tempdir().unwrap();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_telegraphone"));
    let home = Home { binary, folder: folder.path().to_owned() };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let web = format!("[http]\nlisten = [\"127.0.0.1:{port}\"]\n");
    home.set_up(&web, &format!("{}{PEOPLE}", SCENE.company()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(fill(&data_dir(&home.folder), recordings));
    let process = home.serve();
    let pid = process.child.id();
    let http = http::Http(SocketAddr::from(([127, 0, 0, 1], port)));
    let admin = http.log_in(SCENE.0, "204", "admin-secret");
    let made = admin.send("POST", "/api/v1/tokens", r#"{ "name": "bench", "scopes": ["events.read"] }"#).json();
    let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
    println!("{recordings} recordings; {} MiB before the streams", resident(pid));
    let (told, mut hears) = mpsc::unbounded_channel();
    runtime.block_on(async {
        for number in 0..streams {
            let stream = open(http.0, number, &bearer, "kinds=recording.finished").await;
            tokio::spawn(hear(stream, told.clone()));
        }
    });
    let mut stalled = Vec::new();
    for number in 0..slow {
        stalled.push(runtime.block_on(open(http.0, number, &bearer, "after=0")));
    }
    println!("{} MiB with {streams} streams and {slow} that take nothing", resident(pid));
    let (phones, mut hung_up) = (Phones::registered(SCENE, process.sip), HashMap::new());
    for call in 0..calls {
        let answered = phones.call(call);
        assert_eq!(answered.status, 200, "{}", answered.reason);
        phones.speak(&answered, 10);
        hung_up.insert(call, Instant::now());
        assert_eq!(phones.hang_up(call, &answered).status, 200);
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut latest: Vec<Duration> = Vec::new();
    runtime.block_on(async {
        for _ in 0..streams * calls {
            let heard = tokio::time::timeout(Duration::from_secs(60), hears.recv()).await;
            let (call, at): (usize, Instant) = heard.expect("every stream is told of every call").unwrap();
            latest.push(at.duration_since(hung_up[&call]));
        }
    });
    latest.sort();
    let ms = |of: usize| latest[(latest.len() - 1) * of / 1_000].as_secs_f64() * 1_000.0;
    println!(
        "BYE to event, {} events: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
        latest.len(),
        ms(500),
        ms(990),
        ms(1_000)
    );
    println!("{} MiB at the end", resident(pid));
    drop(stalled);
}

/// Calls with their recordings, the last of them an hour ago.
async fn fill(data: &std::path::Path, recordings: usize) {
    let store = Store::open(&data.join("telegraphone.db")).await.unwrap();
    let directory = store.load_directory().await.unwrap();
    let company = directory.company_by_key(SCENE.0).unwrap().id;
    let number = directory.number_by_e164("+15550100").unwrap().id;
    let mut dice = Seeded(1);
    let first = Wall::from_unix_micros(1_700_000_000_000_000);
    let calls: Vec<CallRecord> = (0..u64::try_from(recordings).unwrap())
        .map(|call| {
            let started = first.plus(Span::from_secs(60).times(call));
            let party = |address: String| Party { user: None, address, name: String::new() };
            let direction = Direction::Inbound;
            CallRecord {
                id: CallId::new(started, dice.ten_bytes()),
                company,
                direction,
                caller: party(format!("+4930{call:07}")),
                callee: party("201".to_owned()),
                number: Some(number),
                started,
                answered: Some(started.plus(Span::from_secs(5))),
                ended: Some(started.plus(Span::from_secs(50))),
                outcome: Outcome::Completed,
                end_reason: None,
                decision: Decision { record: true, because: Because::Company { direction } },
                changes: Vec::new(),
                joined: Vec::new(),
                ended_paused: false,
            }
        })
        .collect();
    for some in calls.chunks(10_000) {
        store.save_calls(some).await.unwrap();
        let recorded: Vec<_> = some.iter().filter_map(|call| recording(call, &mut dice)).collect();
        store.hand_over_all(&recorded, first).await.unwrap();
        // Told before anybody listens: who listens later is told of the calls that are placed.
        while !store.pump_feed(first, 1_000).await.unwrap().is_empty() {}
    }
    store.close().await;
}

/// A stream of events from one of eight addresses, with the head of its answer read.
async fn open(service: SocketAddr, number: usize, bearer: &str, query: &str) -> BufReader<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    let source = std::net::Ipv4Addr::new(127, 0, 0, 10 + u8::try_from(number % 8).unwrap());
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    let mut stream = socket.connect(service).await.unwrap();
    let request = format!("GET /api/v1/events?{query} HTTP/1.1\r\nHost: {service}\r\nAuthorization: {bearer}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.unwrap();
    assert_eq!(line.trim_end(), "HTTP/1.1 200 OK");
    reader
}

async fn hear(stream: BufReader<TcpStream>, told: mpsc::UnboundedSender<(usize, Instant)>) {
    let mut lines = stream.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let now = Instant::now();
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        let caller = event["about"]["parties"][0]["address"].as_str().unwrap();
        told.send((call_of_caller(caller), now)).unwrap();
    }
}

/// Resident memory, in MiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}
