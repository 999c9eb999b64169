//! The service over TLS: requests, keep-alives, a phone behind NAT that is called over its own
//! connection, and a certificate that is renewed under it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its expectation fails"
)]

use rcgen::{CertificateParams, KeyPair};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use telegraphone::base::Wall;
use telegraphone::directory::Transport as Listens;
use telegraphone::service::Service;
use telegraphone::service::config::{Config, Listen};
use telegraphone::service::tls::{Tls, TlsConfig};
use telegraphone::sip::Transport;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const LONG: Duration = Duration::from_secs(10);

/// Writes `NAME.crt` and `NAME.key` for `sip.test`.
fn certificate(folder: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["sip.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

async fn service(folder: &Path) -> (Service, SocketAddr, SocketAddr) {
    let mut config = Config::default_for(&folder.join("data"));
    let address = "127.0.0.1:0".parse().unwrap();
    config.sip.listen =
        [Listens::Tcp, Listens::Tls].map(|transport| Listen { transport, address, advertise: None }).to_vec();
    config.tls.certificate = Some(folder.join("sip.crt"));
    config.tls.key = Some(folder.join("sip.key"));
    let service = Service::start(config).await.unwrap();
    let of = |wanted| service.sip_addresses().iter().find(|(kind, _)| *kind == wanted).unwrap().1;
    let (tcp, tls) = (of(Transport::Tcp), of(Transport::Tls));
    (service, tcp, tls)
}

/// What trusts the certificate that stands in the folder now.
fn trusting(folder: &Path) -> Tls {
    let config = TlsConfig { authorities: Some(folder.join("sip.crt")), ..TlsConfig::default() };
    Tls::load(config, Wall::from_unix_micros(0)).unwrap()
}

async fn says(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut buffer = [0; 4_096];
    // A connection that is cut off says nothing.
    let length = tokio::time::timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn options(transport: &str, branch: u32) -> String {
    format!(
        "OPTIONS sip:sip.test SIP/2.0\r\nVia: SIP/2.0/{transport} 10.0.0.1:5061;branch=z9hG4bK{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@sip.test>;tag=1\r\nTo: <sip:sip.test>\r\nCall-ID: {branch}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_behind_nat_is_answered_where_it_is_and_its_keep_alives_too() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "sip");
    let (service, tcp, tls) = service(folder.path()).await;
    let mut plain = TcpStream::connect(tcp).await.unwrap();
    let mut secure = trusting(folder.path()).connect(tls, &["sip.test".to_owned()]).await.unwrap();
    let port = secure.get_ref().0.local_addr().unwrap().port();
    let answer = says(&mut secure, &options("TLS", 1)).await;
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert!(answer.contains("received=127.0.0.1") && answer.contains(&format!("rport={port}")), "{answer}");
    // RFC 5626 §4.4.1: a double CRLF is answered with a single one, also between messages.
    assert_eq!(says(&mut secure, "\r\n\r\n").await, "\r\n");
    assert_eq!(says(&mut plain, "\r\n\r\n").await, "\r\n");
    assert!(says(&mut secure, &options("TLS", 2)).await.starts_with("SIP/2.0 200 "));
    assert!(says(&mut plain, &options("TCP", 3)).await.starts_with("SIP/2.0 200 "));
    // SIP in clear on the TLS port gets no answer of SIP.
    let mut wrong = TcpStream::connect(tls).await.unwrap();
    assert!(!says(&mut wrong, &options("TLS", 4)).await.contains("SIP/2.0"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "sip");
    let (service, _, tls) = service(folder.path()).await;
    let names = ["sip.test".to_owned()];
    let before = trusting(folder.path());
    let mut old = before.connect(tls, &names).await.unwrap();
    certificate(folder.path(), "sip");
    service.reload().await;
    let after = trusting(folder.path());
    assert!(before.connect(tls, &names).await.is_err(), "the old certificate is not shown any more");
    let mut new = after.connect(tls, &names).await.unwrap();
    for (stream, branch) in [(&mut old, 1), (&mut new, 2)] {
        assert!(says(stream, &options("TLS", branch)).await.starts_with("SIP/2.0 200 "));
    }
    std::fs::write(folder.path().join("sip.key"), "no key\n").unwrap();
    service.reload().await;
    assert!(after.connect(tls, &names).await.is_ok(), "a broken key leaves the old certificate in use");
    service.stop().await;
}
