//! Events of real calls: streams, sockets, and webhooks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it waits for conditions"
)]
#![allow(dead_code, reason = "the scene serves other tests too")]

#[path = "http/mod.rs"]
mod http;
#[path = "scene/phones.rs"]
mod phones;
#[path = "events/receiver.rs"]
mod receiver;
#[path = "scene/mod.rs"]
mod scene;
#[path = "events/socket.rs"]
mod socket;

use http::service::{config, start};
use http::{Http, Session};
use phones::Phones;
use receiver::Receiver;
use scene::Scene;
use serde_json::{Value, json};
use socket::Message;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use telegraphone::api::http::Patience;
use telegraphone::base::{CallId, Direction, Random, Seeded, Span, Wall};
use telegraphone::ledger::{Because, CallRecord, Decision, Outcome, Party};
use telegraphone::notify::signature;
use telegraphone::service::Service;

const SCENE: Scene = Scene("api");
/// Ada is the admin, Mallory sees nothing; `other` is another company.
const PEOPLE: &str = r#"
[[user]]
extension = "203"
name = "Mallory"
password = "mallory-secret"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
"#;
const OTHER: &str = r#"
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "204"
name = "Eve"
password = "eve-secret"
role = "admin"
"#;
const OF_A_CALL: [&str; 5] = ["call.started", "call.answered", "recording.started", "call.ended", "recording.finished"];

async fn service(folder: &Path) -> (Service, SocketAddr, Http) {
    service_with(folder, Patience::default()).await
}

async fn service_with(folder: &Path, patience: Patience) -> (Service, SocketAddr, Http) {
    let mut config = config(folder);
    config.http.patience = patience;
    config.webhooks.guard.allow = vec!["127.0.0.0/8".parse().unwrap()];
    start(config, &[&format!("{}{PEOPLE}", SCENE.company()), OTHER]).await
}

/// Places so many calls, one after the other; the numbers of their callers go on from `first`.
fn calls(sip: SocketAddr, first: usize, count: usize) {
    Phones::registered(SCENE, sip).place(first..first + count, 10);
}

fn token(session: &Session, scopes: &[&str]) -> (i64, String) {
    let body = json!({ "name": "t", "scopes": scopes }).to_string();
    let made = session.send("POST", "/api/v1/tokens", &body).json();
    (made["token"]["id"].as_i64().unwrap(), made["secret"].as_str().unwrap().to_owned())
}

async fn blocking(story: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(story).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_is_told_from_its_beginning_to_its_recording_to_those_who_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    blocking(move || {
        let log_in = |company: &str, user: &str, password: &str| http.log_in(company, user, password);
        let (ada, bob) = (log_in("api", "204", "ada-secret"), log_in("api", "201", "api-secret"));
        let (mallory, eve) = (log_in("api", "203", "mallory-secret"), log_in("other", "204", "eve-secret"));
        let mut streams = [&ada, &bob].map(|who| who.stream("/api/v1/events", None));
        let mut ended = ada.stream("/api/v1/events?kinds=call.ended", None);
        calls(sip, 0, 1);
        for stream in &mut streams {
            let events: Vec<http::Event> = OF_A_CALL.iter().map(|_| stream.next()).collect();
            assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), OF_A_CALL);
            assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id));
            let (answered, over) = (&events[1].data, &events[3].data);
            assert_eq!(answered["about"]["callee"]["user"], "201", "named as people name them: {answered}");
            assert_eq!(answered["about"]["number"], "+15550100");
            assert_eq!(
                (&answered["about"]["outcome"], &answered["about"]["ended"]),
                (&json!("answered"), &Value::Null)
            );
            assert_eq!((&over["about"]["outcome"], &over["about"]["missed"]), (&json!("completed"), &json!(false)));
            assert_eq!(over["about"]["end_reason"], "caller_hung_up");
            assert!(events.iter().all(|event| event.data["call"] == over["call"]));
        }
        assert_eq!(ended.next().name, "call.ended");
        for nobody in [&mallory, &eve] {
            let told = nobody.first_events_after(0);
            assert!(!told.contains("data:"), "{told}");
        }
        assert_eq!(ada.get("/api/v1/events?kinds=call.endet").status, 400);
        assert_eq!(ada.get("/api/v1/events?after=-1").status, 400);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_socket_tells_the_same_and_says_why_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let (id, secret) = token(&ada, &["events.read"]);
        let bearer = format!("Bearer {secret}");
        let with_token = [("Authorization", bearer.as_str())];
        let path = "/api/v1/events/ws?after=0&kinds=call.*,recording.finished";
        let mut socket = socket::open(http.0, path, &with_token).unwrap_or_else(|status| panic!("{status}"));
        calls(sip, 0, 1);
        for expected in ["call.started", "call.answered", "call.ended", "recording.finished"] {
            let Message::Event(event) = socket.next() else { panic!("it has ended before {expected}") };
            assert_eq!(event["event"], expected);
        }
        assert_eq!(ada.delete(&format!("/api/v1/tokens/{id}")).status, 204);
        assert_eq!(socket.next(), Message::Closed(4001), "the token has ended");
        assert_eq!(socket::open(http.0, path, &with_token).err(), Some(401));
        let (_, other) = token(&ada, &["calls.read"]);
        let bearer = format!("Bearer {other}");
        assert_eq!(socket::open(http.0, path, &[("Authorization", &bearer)]).err(), Some(403));
        let (own, cookie) = (format!("http://{}", http.0), ada.cookie().to_owned());
        for (origin, opened) in [(own.as_str(), true), ("http://evil.example", false), ("null", false)] {
            let headers = [("Cookie", cookie.as_str()), ("Origin", origin)];
            assert_eq!(socket::open(http.0, path, &headers).is_ok(), opened, "{origin}");
        }
        assert_eq!(socket::open(http.0, path, &[("Cookie", &cookie)]).err(), Some(403), "a page says who it is");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_that_is_cut_at_any_event_misses_nothing_and_gets_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let (_, secret) = token(&ada, &["events.read"]);
        let bearer = format!("Bearer {secret}");
        const CALLS: usize = 12;
        let placing = std::thread::spawn(move || calls(sip, 0, CALLS));
        let (mut last, mut told) = (0, Vec::new());
        // Cut after 1, 2, 3, … events, by turns over HTTP and over a socket, while calls go on.
        for round in 1.. {
            let mut socket = (round % 2 == 0).then(|| {
                let path = format!("/api/v1/events/ws?after={last}");
                socket::open(http.0, &path, &[("Authorization", &bearer)]).unwrap_or_else(|status| panic!("{status}"))
            });
            let mut stream = socket.is_none().then(|| ada.stream("/api/v1/events", Some(last)));
            for _ in 0..1 + round % 5 {
                if told.len() == CALLS * OF_A_CALL.len() {
                    break;
                }
                let data = match (&mut socket, &mut stream) {
                    (Some(socket), _) => match socket.next() {
                        Message::Event(event) => event,
                        Message::Closed(code) => panic!("closed: {code}"),
                    },
                    (None, Some(stream)) => stream.next().data,
                    (None, None) => unreachable!(),
                };
                let seq = data["seq"].as_i64().unwrap();
                assert!(seq > last, "{seq} after {last}");
                last = seq;
                told.push((data["call"].as_str().unwrap().to_owned(), data["event"].as_str().unwrap().to_owned()));
            }
            if told.len() == CALLS * OF_A_CALL.len() {
                break;
            }
        }
        placing.join().unwrap();
        let mut by_call: HashMap<&str, Vec<&str>> = HashMap::new();
        for (call, event) in &told {
            by_call.entry(call).or_default().push(event);
        }
        assert_eq!(by_call.len(), CALLS);
        assert!(by_call.values().all(|events| events == &OF_A_CALL), "{by_call:?}");
    })
    .await;
    service.stop().await;
}

/// Connections of one address are limited: they come from several.
fn stream_from(source: &str, http: Http, bearer: &str) -> BufReader<std::net::TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let source: SocketAddr = format!("{source}:0").parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&http.0.into()).unwrap();
    let mut stream: std::net::TcpStream = socket.into();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: {bearer}\r\n\r\n", http.0);
    stream.write_all(request.as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Kinds on a stream, until the recording is finished.
fn kinds_until_finished(stream: &mut BufReader<std::net::TcpStream>) -> Vec<String> {
    let mut kinds = Vec::new();
    let mut line = String::new();
    while kinds.last().is_none_or(|kind| kind != "recording.finished") {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended");
        kinds.extend(line.trim_end().strip_prefix("event: ").map(str::to_owned));
    }
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_streams_are_told_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let (_, secret) = token(&ada, &["events.read"]);
        let bearer = format!("Bearer {secret}");
        let mut streams: Vec<_> =
            (0..1_000).map(|at| stream_from(&format!("127.0.0.{}", 10 + at % 8), http, &bearer)).collect();
        // Each has its answer's head before the call begins.
        for stream in &mut streams {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            assert_eq!(line.trim_end(), "HTTP/1.1 200 OK");
        }
        calls(sip, 0, 1);
        for stream in &mut streams {
            assert_eq!(kinds_until_finished(stream), OF_A_CALL);
        }
    })
    .await;
    service.stop().await;
}

fn kinds_of(delivered: &[receiver::Delivery]) -> Vec<(String, String)> {
    let taken = delivered.iter().filter(|delivery| delivery.status == 200).map(receiver::Delivery::json);
    taken
        .map(|json| (json["call"].as_str().unwrap_or("").to_owned(), json["event"].as_str().unwrap().to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hook_is_told_signed_in_order_and_again_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (first, sip, http) = service(folder.path()).await;
    let receiver = Receiver::new(2);
    let hook = receiver.clone();
    let secret = tokio::task::spawn_blocking(move || {
        let (ada, bob) = (http.log_in("api", "204", "ada-secret"), http.log_in("api", "201", "api-secret"));
        let eve = http.log_in("other", "204", "eve-secret");
        let body = json!({ "url": hook.url(), "kinds": ["call.*", "recording.finished"] }).to_string();
        assert_eq!(bob.send("POST", "/api/v1/webhooks", &body).status, 403, "admins only");
        for url in ["http://hooks.example.invalid@x/", "https://10.0.0.1/", "http://169.254.169.254/latest", "ftp://x/"]
        {
            let body = json!({ "url": url, "kinds": ["*"] }).to_string();
            assert_eq!(ada.send("POST", "/api/v1/webhooks", &body).status, 400, "{url}");
        }
        let wrong = json!({ "url": hook.url(), "kinds": ["calls.*"] }).to_string();
        assert_eq!(ada.send("POST", "/api/v1/webhooks", &wrong).status, 400);
        let made = ada.send("POST", "/api/v1/webhooks", &body);
        assert_eq!(made.status, 201);
        let made = made.json();
        let (id, secret) = (made["webhook"]["id"].as_i64().unwrap(), made["secret"].as_str().unwrap().to_owned());
        let path = format!("/api/v1/webhooks/{id}");
        assert!(!String::from_utf8_lossy(&ada.get(&path).body).contains(&secret), "shown once");
        assert_eq!((eve.get(&path).status, eve.get("/api/v1/webhooks").json()), (404, json!({ "webhooks": [] })));
        let phones = Phones::new(SCENE, sip);
        phones.register();
        phones.place(0..1, 10);
        let delivered = hook.until(|seen| seen.iter().filter(|one| one.status == 200).count() == 4);
        let kinds: Vec<String> = kinds_of(&delivered).into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(
            kinds,
            ["call.started", "call.answered", "call.ended", "recording.finished"],
            "in order, though refused"
        );
        assert_eq!(delivered.len(), 6, "what was refused came again, and nothing else");
        for one in &delivered {
            let (stamp, signed) = (&one.headers["telegraphone-timestamp"], &one.headers["telegraphone-signature"]);
            assert_eq!(*signed, signature(&secret, stamp, &one.body));
            assert_eq!(one.headers["telegraphone-event"], one.json()["event"].as_str().unwrap());
            assert_eq!(one.headers["telegraphone-event-id"], one.json()["seq"].to_string());
        }
        assert_eq!(ada.send("POST", &format!("{path}/test"), "").status, 202);
        let delivered = hook.until(|seen| seen.len() == 7);
        assert_eq!(delivered[6].json()["event"], "webhook.test");
        // What is refused from here on is pending when the service stops.
        hook.refuse(usize::MAX);
        phones.place(1..1 + 2, 10);
        hook.until(|seen| seen.len() >= 9);
        secret
    });
    let secret = secret.await.unwrap();
    first.stop().await;
    let (second, _, http) = service(folder.path()).await;
    receiver.refuse(0);
    blocking(move || {
        let delivered = receiver.until(|seen| seen.iter().filter(|one| one.status == 200).count() == 5 + 8);
        let mut by_call: HashMap<String, Vec<String>> = HashMap::new();
        for (call, kind) in kinds_of(&delivered).into_iter().filter(|(call, _)| !call.is_empty()) {
            by_call.entry(call).or_default().push(kind);
        }
        let whole = ["call.started", "call.answered", "call.ended", "recording.finished"];
        assert_eq!(by_call.len(), 3);
        assert!(by_call.values().all(|kinds| kinds == &whole), "each once and in order: {by_call:?}");
        let last = delivered.last().unwrap();
        let stamp = &last.headers["telegraphone-timestamp"];
        assert_eq!(last.headers["telegraphone-signature"], signature(&secret, stamp, &last.body));
        let ada = http.log_in("api", "204", "ada-secret");
        let hooks = ada.get("/api/v1/webhooks").json();
        let id = hooks["webhooks"][0]["id"].as_i64().unwrap();
        let list = ada.get(&format!("/api/v1/webhooks/{id}/deliveries?limit=2")).json();
        assert_eq!((list["deliveries"].as_array().unwrap().len(), list["next"].is_i64()), (2, true), "{list}");
        let delivery = &list["deliveries"][0]["id"];
        let replayed = ada.send("POST", &format!("/api/v1/webhooks/{id}/deliveries/{delivery}/replay"), "");
        assert_eq!(replayed.json(), json!({ "replayed": 1 }));
        let count = delivered.len();
        receiver.until(|seen| seen.len() > count);
        assert_eq!(ada.delete(&format!("/api/v1/webhooks/{id}")).status, 204);
        assert_eq!(ada.get(&format!("/api/v1/webhooks/{id}")).status, 404);
    })
    .await;
    second.stop().await;
}

/// The next event of a stream, which has to be that of rights, in less time than nothing happens for.
fn told_of_rights(stream: &mut http::Stream) {
    let asked = std::time::Instant::now();
    let event = stream.next();
    assert_eq!((event.name.as_str(), event.id, event.data), ("rights", 0, json!({})));
    assert!(asked.elapsed() < KEEP_ALIVE / 3, "{:?}", asked.elapsed());
}

/// A stream on which nothing happens is looked at so often.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_that_asks_for_it_is_told_when_its_viewer_may_see_something_else_and_of_nobody_elses_rights() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    blocking(move || {
        let log_in = |company: &str, user: &str, password: &str| http.log_in(company, user, password);
        let (ada, bob) = (log_in("api", "204", "ada-secret"), log_in("api", "201", "api-secret"));
        let (mallory, eve) = (log_in("api", "203", "mallory-secret"), log_in("other", "204", "eve-secret"));
        let path = "/api/v1/events?rights=true&kinds=call.*";
        let [mut of_bob, mut of_mallory, mut of_eve] = [&bob, &mallory, &eve].map(|who| who.stream(path, None));
        let mut unasked = bob.stream("/api/v1/events?kinds=call.*", None);
        let (_, secret) = token(&mallory, &["events.read"]);
        let bearer = format!("Bearer {secret}");
        let socket = socket::open(http.0, "/api/v1/events/ws?rights=true", &[("Authorization", &bearer)]);
        let mut socket = socket.unwrap_or_else(|status| panic!("{status}"));

        let phones = Phones::registered(SCENE, sip);
        let subscription = "/api/v1/numbers/%2B15550100/subscribers/203";
        for change in ["PUT", "DELETE"] {
            assert_eq!(ada.send(change, subscription, "").status, 204);
            told_of_rights(&mut of_mallory);
            assert_eq!(socket.next(), Message::Event(json!({ "event": "rights" })));
        }
        // What became of Mallory's is nothing of Bob's: the first that he is told is a call.
        phones.place(0..1, 10);
        assert_eq!(["call.started", "call.answered", "call.ended"], [(); 3].map(|()| of_bob.next().name));

        // A name is shown to all of the company, and to nobody else.
        assert_eq!(ada.send("PATCH", "/api/v1/users/203", r#"{"name":"Mal"}"#).status, 200);
        told_of_rights(&mut of_bob);
        told_of_rights(&mut of_mallory);
        phones.place(1..2, 10);
        let names: Vec<String> = (0..6).map(|_| unasked.next().name).collect();
        assert!(!names.contains(&"rights".to_owned()), "who did not ask is not told: {names:?}");
        // All of that was before this, and Eve was told nothing: this is the one that she is told.
        let changed = std::time::Instant::now();
        assert_eq!(eve.send("PATCH", "/api/v1/users/204", r#"{"name":"Eva"}"#).status, 200);
        told_of_rights(&mut of_eve);
        assert!(changed.elapsed() < KEEP_ALIVE / 3);
        assert_eq!(eve.delete("/api/v1/session").status, 204);
        let rest = of_eve.rest();
        assert!(!rest.contains("rights"), "and nothing else, until it ends: {rest}");

        // Whoever comes back does not know what has changed meanwhile.
        told_of_rights(&mut mallory.stream(path, Some(0)));
        assert_eq!(ada.get("/api/v1/events?rights=perhaps").status, 400);
    })
    .await;
    service.stop().await;
}

/// More events than all buffers between the service and a reader hold.
const MANY: u64 = 8_000;

/// Calls that were: started, answered and ended.
async fn many_calls(service: &Service) -> i64 {
    let directory = service.store().load_directory().await.unwrap();
    let company = directory.companies().find(|company| company.key == "api").unwrap().id;
    let begun = Wall::from_unix_micros(1_700_000_000_000_000);
    let mut dice = Seeded(1);
    let calls: Vec<CallRecord> = (0..MANY)
        .map(|call| {
            let started = begun.plus(Span::from_secs(1).times(call));
            let party = |address: &str| Party { user: None, address: address.to_owned(), name: "A name".repeat(10) };
            let direction = Direction::Inbound;
            CallRecord {
                id: CallId::new(started, dice.ten_bytes()),
                company,
                direction,
                caller: party("+4930123456"),
                callee: party("201"),
                number: None,
                started,
                answered: Some(started),
                ended: Some(started.plus(Span::from_secs(1))),
                outcome: Outcome::Completed,
                end_reason: None,
                decision: Decision { record: false, because: Because::Company { direction } },
                changes: Vec::new(),
                joined: Vec::new(),
                ended_paused: false,
            }
        })
        .collect();
    service.store().save_calls(&calls).await.unwrap();
    service.store().outbox_after(0, u32::MAX).await.unwrap().last().unwrap().seq
}

/// Whether the service's end of a connection is still open (`/proc/net/tcp`: 01 is ESTABLISHED).
fn is_open(service: SocketAddr, reader: SocketAddr) -> bool {
    let ends = format!(":{:04X} ", service.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote, state) = (fields.next(), fields.next(), fields.next());
        local.is_some_and(|local| format!("{local} ").ends_with(&ends))
            && remote.is_some_and(|remote| remote.ends_with(&format!(":{:04X}", reader.port())))
            && state == Some("01")
    })
}

/// A connection that takes little, and nothing before it is read.
fn narrow(http: Http, request: &str) -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&http.0.into()).unwrap();
    let mut stream: std::net::TcpStream = socket.into();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    write!(stream, "GET {request}\r\n\r\n").unwrap();
    stream
}

/// All events up to that one, each once.
fn takes_all(session: &Session, after: i64, last: i64) {
    let mut stream = session.stream("/api/v1/events", Some(after));
    for seq in after + 1..=last {
        assert_eq!(stream.next().id, seq);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_takes_nothing_is_cut_off_alone_and_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let stall = std::time::Duration::from_secs(2);
    let (service, _, http) = service_with(folder.path(), Patience { stall, ..Patience::default() }).await;
    let last = many_calls(&service).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let request = format!("/api/v1/events?after=0 HTTP/1.1\r\nHost: {}\r\nCookie: {}", http.0, ada.cookie());
        let slow = narrow(http, &request);
        takes_all(&ada, 0, last);
        let reader = slow.local_addr().unwrap();
        let waits = std::time::Instant::now();
        while is_open(http.0, reader) {
            assert!(waits.elapsed() < phones::DEADLINE, "it is still served");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // What was under way is there, up to some event.
        let mut bytes = Vec::new();
        let _ = std::io::Read::read_to_end(&mut BufReader::new(slow), &mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        let ids: Vec<i64> =
            whole.lines().filter_map(|line| line.trim_end().strip_prefix("id: ")?.parse().ok()).collect();
        let stood = *ids.last().unwrap();
        assert_eq!(ids, (1..=stood).collect::<Vec<_>>(), "each once");
        assert!(stood < last, "it was cut off");
        takes_all(&ada, stood, last);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_socket_whose_reader_takes_nothing_is_told_so_and_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    // Too slow with the first message that does not go out at once; the last word may take its time.
    let (slow, farewell) = (std::time::Duration::ZERO, std::time::Duration::from_secs(60));
    let (service, _, http) = service_with(folder.path(), Patience { slow, farewell, ..Patience::default() }).await;
    let last = many_calls(&service).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let (_, secret) = token(&ada, &["events.read"]);
        let bearer = format!("Bearer {secret}");
        let path = "/api/v1/events/ws?after=0";
        let mut socket = socket::open(http.0, path, &[("Authorization", &bearer)]).unwrap_or_else(|s| panic!("{s}"));
        // Meanwhile this one is told everything.
        takes_all(&ada, 0, last);
        let mut stood = 0;
        let code = loop {
            match socket.next() {
                Message::Event(event) => {
                    assert_eq!(event["seq"], stood + 1, "each once");
                    stood += 1;
                }
                Message::Closed(code) => break code,
            }
        };
        assert_eq!(code, 4008);
        assert!(stood > 0 && stood < last, "{stood} of {last}");
        takes_all(&ada, stood, last);
    })
    .await;
    service.stop().await;
}
