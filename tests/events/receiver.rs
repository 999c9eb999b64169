//! A receiver of webhooks: takes deliveries, or refuses them first; over TLS where it has a certificate.

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
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
    tls: Option<Arc<ServerConfig>>,
}

/// An authority of its own, as PEM, and what it says of a server that is called `name`.
pub fn authority(name: &str) -> (String, Arc<ServerConfig>) {
    let (root_key, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(root, root_key);
    let server = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![CertificateDer::from(server.der().to_vec())];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    (pem, Arc::new(config.with_no_client_auth().with_single_cert(chain, key.into()).unwrap()))
}

impl Receiver {
    pub fn new(refusals: usize) -> Self {
        Self::listening(refusals, None)
    }

    pub fn secure(tls: Arc<ServerConfig>) -> Self {
        Self::listening(0, Some(tls))
    }

    fn listening(refusals: usize, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Receiver { address, seen: Arc::default(), refusals: Arc::new(Mutex::new(refusals)), tls };
        let taking = receiver.clone();
        std::thread::spawn(move || listener.incoming().for_each(|stream| taking.accept(stream.unwrap())));
        receiver
    }

    pub fn refuse(&self, refusals: usize) {
        *self.refusals.lock().unwrap() = refusals;
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/hook", self.address)
    }

    fn accept(&self, stream: TcpStream) {
        match &self.tls {
            None => self.take(stream),
            Some(tls) => self.take(StreamOwned::new(ServerConnection::new(Arc::clone(tls)).unwrap(), stream)),
        }
    }

    fn take(&self, stream: impl Read + Write) {
        let mut reader = BufReader::new(stream);
        let (mut line, mut headers) = (String::new(), HashMap::new());
        if reader.read_line(&mut line).is_err() {
            // It does not like the certificate.
            return;
        }
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
