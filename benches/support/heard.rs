//! A subscriber of the number: when each recording comes over their open stream of events, and when
//! its call stands in their list of recorded calls.

use super::http::{Http, Session};
use super::scene::call_of_caller;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Of the company file, beside the scene's: the subscriber, and who subscribes them.
pub const PEOPLE: &str = r#"
[[user]]
extension = "202"
name = "Subscriber"
password = "subscriber-secret"
[[user]]
extension = "204"
name = "Admin"
password = "admin-secret"
role = "admin"
"#;
/// Between two looks at the list: what it shows is known this much later at most.
const LOOK: Duration = Duration::from_millis(20);

/// By call, when it was first seen.
pub type Seen = Arc<Mutex<HashMap<usize, Instant>>>;

pub struct Subscriber {
    pub told: Seen,
    pub listed: Seen,
    over: Arc<AtomicBool>,
    looking: Option<JoinHandle<()>>,
}

impl Subscriber {
    pub fn listen(service: SocketAddr, company: &str) -> Subscriber {
        let http = Http(service);
        let admin = http.log_in(company, "204", "admin-secret");
        assert_eq!(admin.put("/api/v1/numbers/+15550100/subscribers/202").status, 204);
        let user = http.log_in(company, "202", "subscriber-secret");
        let (told, listed, over) = (Seen::default(), Seen::default(), Arc::new(AtomicBool::new(false)));
        let stream = stream(service, &user, "/api/v1/events?kinds=recording.finished");
        let into = Arc::clone(&told);
        std::thread::spawn(move || hear(stream, &into));
        let (into, stop) = (Arc::clone(&listed), Arc::clone(&over));
        let looking = std::thread::spawn(move || look(&user, &into, &stop));
        Subscriber { told, listed, over, looking: Some(looking) }
    }

    /// Looks no more; the stream goes on until the service ends it.
    pub fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.looking.take().unwrap().join().unwrap();
    }
}

/// An open stream of events at `path`.
pub fn stream(service: SocketAddr, user: &Session, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(service).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {service}\r\nCookie: {}\r\n\r\n", user.cookie()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    reader.read_line(&mut head).unwrap();
    assert_eq!(head.trim_end(), "HTTP/1.1 200 OK");
    reader
}

fn hear(stream: BufReader<TcpStream>, told: &Seen) {
    for line in stream.lines() {
        let Ok(line) = line else { return };
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let now = Instant::now();
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        let caller = event["about"]["parties"][0]["address"].as_str().unwrap();
        let twice = told.lock().unwrap().insert(call_of_caller(caller), now);
        assert!(twice.is_none(), "told twice: {event}");
    }
}

fn look(user: &Session, listed: &Seen, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let page = user.get("/api/v1/calls?recorded=true&limit=20").json();
        let now = Instant::now();
        for item in page["calls"].as_array().unwrap().iter().filter(|item| !item["ended"].is_null()) {
            let call = call_of_caller(item["caller"]["address"].as_str().unwrap());
            listed.lock().unwrap().entry(call).or_insert(now);
        }
        std::thread::sleep(LOOK);
    }
}
