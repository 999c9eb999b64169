//! An SMTP server for tests: real sockets, TLS from the start or by STARTTLS, authentication, and
//! answers as the test wants them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use telegraphone::notify::mail::Encryption;

const DEADLINE: Duration = Duration::from_secs(60);

/// A mail as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub data: String,
    pub encrypted: bool,
    /// Name and password.
    pub login: Option<(String, String)>,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    /// Answers to the next RCPT commands; 250 where there is none left.
    answers: VecDeque<u16>,
    refused: usize,
}

#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    encryption: Encryption,
    tls: Arc<ServerConfig>,
    /// Who may send; empty: everybody.
    login: Option<(String, String)>,
    state: Arc<(Mutex<State>, Condvar)>,
}

/// Writes a certificate for 127.0.0.1 (`smtp.pem`) and its key into `folder`.
pub fn certificate(folder: &Path) -> Arc<ServerConfig> {
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("smtp.pem"), certificate.pem()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

impl Server {
    pub fn start(listener: TcpListener, encryption: Encryption, folder: &Path, login: Option<(&str, &str)>) -> Self {
        let address = listener.local_addr().unwrap();
        let login = login.map(|(name, password)| (name.to_owned(), password.to_owned()));
        let server = Server { address, encryption, tls: certificate(folder), login, state: Arc::default() };
        let taking = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let taking = taking.clone();
                std::thread::spawn(move || taking.take(stream.unwrap()));
            }
        });
        server
    }

    /// The next recipients are answered so.
    pub fn answer(&self, codes: &[u16]) {
        self.state.0.lock().unwrap().answers.extend(codes);
    }

    /// All that came, once there are so many.
    pub fn mails(&self, count: usize) -> Vec<Mail> {
        self.wait(|state| state.mails.len() >= count).mails.clone()
    }

    /// Waits until so many recipients were refused.
    pub fn refused(&self, count: usize) {
        drop(self.wait(|state| state.refused >= count));
    }

    fn wait(&self, enough: impl Fn(&State) -> bool) -> std::sync::MutexGuard<'_, State> {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state.0.lock().unwrap();
        while !enough(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not enough came: {:#?}", state.mails);
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
        state
    }

    fn take(&self, mut stream: TcpStream) {
        if self.encryption == Encryption::Tls {
            return self.talk(self.secure(stream), true, true);
        }
        let offer = self.encryption == Encryption::Starttls;
        if !offer {
            return self.talk(stream, false, true);
        }
        // Until STARTTLS nothing else is taken.
        stream.write_all(b"220 test ESMTP\r\n").unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while reader.read_line(&mut line).unwrap_or(0) > 0 {
            let answer = match line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => "250-test\r\n250 STARTTLS\r\n",
                "STARTTLS" => {
                    stream.write_all(b"220 go on\r\n").unwrap();
                    return self.talk(self.secure(stream), true, false);
                }
                "QUIT" => return,
                _ => "530 Must issue a STARTTLS command first\r\n",
            };
            stream.write_all(answer.as_bytes()).unwrap();
            line.clear();
        }
    }

    fn secure(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.tls)).unwrap(), stream)
    }

    fn talk<S: Read + Write>(&self, stream: S, encrypted: bool, greet: bool) {
        let mut stream = BufReader::new(stream);
        let mut mail = Mail { from: String::new(), to: Vec::new(), data: String::new(), encrypted, login: None };
        if greet && stream.get_mut().write_all(b"220 test ESMTP\r\n").is_err() {
            return;
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end();
            let answer = match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n".to_owned(),
                "AUTH" => {
                    mail.login = login_of(line);
                    let good = mail.login.is_some() && mail.login == self.login;
                    (if good { "235 welcome\r\n" } else { "535 who are you?\r\n" }).to_owned()
                }
                "MAIL" if self.login.is_some() && mail.login.is_none() => "530 log in first\r\n".to_owned(),
                "MAIL" => {
                    mail.from = between(line);
                    mail.to.clear();
                    "250 good\r\n".to_owned()
                }
                "RCPT" => self.recipient(line, &mut mail),
                "DATA" => {
                    stream.get_mut().write_all(b"354 go on\r\n").unwrap();
                    mail.data = body(&mut stream);
                    self.state.0.lock().unwrap().mails.push(mail.clone());
                    self.state.1.notify_all();
                    "250 taken\r\n".to_owned()
                }
                "QUIT" => {
                    let _ = stream.get_mut().write_all(b"221 bye\r\n");
                    return;
                }
                _ => "250 good\r\n".to_owned(),
            };
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn recipient(&self, line: &str, mail: &mut Mail) -> String {
        let mut state = self.state.0.lock().unwrap();
        let code = state.answers.pop_front().unwrap_or(250);
        if code == 250 {
            mail.to.push(between(line));
        } else {
            state.refused += 1;
        }
        self.state.1.notify_all();
        format!("{code} as the test says\r\n")
    }
}

fn between(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).unwrap().0.to_owned()
}

/// AUTH PLAIN with its initial response (RFC 4616).
fn login_of(line: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(line.split(' ').nth(2)?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut parts = text.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// Up to the dot, with dots that were stuffed taken out (RFC 5321 §4.5.2).
fn body(stream: &mut impl BufRead) -> String {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap() == 0 || line == ".\r\n" {
            return data;
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
