//! A receiver of webhooks: takes deliveries, or refuses them first.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct Delivery {
    pub headers: HashMap<String, String>,
    pub body: String,
    /// What it was answered with.
    pub status: u16,
}

impl Delivery {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    seen: Arc<(Mutex<Vec<Delivery>>, Condvar)>,
    /// So many are refused before one is taken.
    refusals: Arc<Mutex<usize>>,
}

impl Receiver {
    pub fn new(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Receiver { address, seen: Arc::default(), refusals: Arc::new(Mutex::new(refusals)) };
        let taking = receiver.clone();
        std::thread::spawn(move || listener.incoming().for_each(|stream| taking.take(stream.unwrap())));
        receiver
    }

    pub fn refuse(&self, refusals: usize) {
        *self.refusals.lock().unwrap() = refusals;
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn take(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let (mut line, mut headers) = (String::new(), HashMap::new());
        reader.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "POST /hook HTTP/1.1");
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let mut refusals = self.refusals.lock().unwrap();
        let status = if *refusals > 0 { 503 } else { 200 };
        *refusals = refusals.saturating_sub(1);
        drop(refusals);
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = reader.get_mut().write_all(answer.as_bytes());
        let body = String::from_utf8(body).unwrap();
        self.seen.0.lock().unwrap().push(Delivery { headers, body, status });
        self.seen.1.notify_all();
    }

    /// Everything that came, once `enough` says so.
    pub fn until(&self, enough: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = self.seen.0.lock().unwrap();
        while !enough(&seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not enough came: {seen:#?}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        seen.clone()
    }
}
