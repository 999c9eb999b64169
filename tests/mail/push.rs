//! A push service and a browser for tests (RFC 8030, 8291, 8292).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Pushed {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

/// Takes pushes, and answers as the test wants.
#[derive(Clone)]
pub struct PushService {
    pub address: SocketAddr,
    seen: Arc<(Mutex<Vec<Pushed>>, Condvar)>,
    status: Arc<Mutex<u16>>,
}

impl PushService {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let service = PushService { address, seen: Arc::default(), status: Arc::new(Mutex::new(201)) };
        let taking = service.clone();
        std::thread::spawn(move || listener.incoming().for_each(|stream| taking.take(stream.unwrap())));
        service
    }

    pub fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    fn take(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let (mut line, mut headers) = (String::new(), HashMap::new());
        reader.read_line(&mut line).unwrap();
        let path = line.split(' ').nth(1).unwrap().to_owned();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let status = *self.status.lock().unwrap();
        self.seen.0.lock().unwrap().push(Pushed { path, headers, body });
        self.seen.1.notify_all();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = reader.get_mut().write_all(answer.as_bytes());
    }

    /// All that came, once there are so many.
    pub fn pushed(&self, count: usize) -> Vec<Pushed> {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = self.seen.0.lock().unwrap();
        while seen.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not enough came: {seen:?}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        seen.clone()
    }
}

/// A browser that reads one message.
pub struct Browser {
    private: EphemeralPrivateKey,
    pub p256dh: String,
    pub auth: String,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) {
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(info, Length(out.len())).unwrap().fill(out).unwrap();
}

impl Browser {
    pub fn new() -> Self {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let p256dh = URL_SAFE_NO_PAD.encode(private.compute_public_key().unwrap());
        Browser { private, p256dh, auth: URL_SAFE_NO_PAD.encode([7; 16]) }
    }

    /// What `PushSubscription.toJSON()` gives.
    pub fn subscription(&self, endpoint: &str) -> String {
        let keys = serde_json::json!({ "p256dh": self.p256dh, "auth": self.auth });
        serde_json::json!({ "endpoint": endpoint, "expirationTime": null, "keys": keys, "name": "Test" }).to_string()
    }

    /// Reads a message (RFC 8291 §3.4, RFC 8188 §2).
    pub fn open(self, body: &[u8]) -> serde_json::Value {
        let (salt, public, record) = (&body[..16], &body[21..86], &mut body[86..].to_vec());
        assert_eq!(body[16..21], [0, 0, 16, 0, 65], "one record of 4096, a key of 65 bytes");
        let own = URL_SAFE_NO_PAD.decode(&self.p256dh).unwrap();
        let mut secret = [0; 32];
        let info: [&[u8]; 3] = [b"WebPush: info\0", &own, public];
        let sender = UnparsedPublicKey::new(&ECDH_P256, public.to_vec());
        agree_ephemeral(self.private, &sender, |shared| expand(&[7; 16], shared, &info, &mut secret)).unwrap();
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        expand(salt, &secret, &[b"Content-Encoding: aes128gcm\0"], &mut key);
        expand(salt, &secret, &[b"Content-Encoding: nonce\0"], &mut nonce);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let plain = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), record).unwrap();
        let (end, text) = plain.split_last().unwrap();
        assert_eq!(*end, 2);
        serde_json::from_slice(text).unwrap()
    }
}
