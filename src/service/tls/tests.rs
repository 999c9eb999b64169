#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::service::clock::Clock;
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpListener;

/// A folder with a certificate for a name.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Files { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Writes `NAME.crt` and `NAME.key`; returns the certificate as DER.
    fn certificate(&self, name: &str, host: &str, years: (i32, i32)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        certificate.der().to_vec()
    }

    fn config(&self, certificate: &str, key: &str, authorities: Option<&str>) -> TlsConfig {
        TlsConfig {
            certificate: Some(self.path(certificate)),
            key: Some(self.path(key)),
            authorities: authorities.map(|name| self.path(name)),
        }
    }
}

fn now() -> Wall {
    Clock::start().wall()
}

/// A server with that certificate, which takes one connection after the other.
async fn serving(tls: Tls) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = tls.accept(stream).await;
        }
    });
    address
}

/// The certificate that the server shows.
async fn shown(server: SocketAddr, client: &Tls, name: &str) -> Result<Vec<u8>, SecureError> {
    let stream = client.connect(server, &[name.to_owned()]).await?;
    let TlsStream::Client(stream) = stream else { panic!("not a client") };
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn what_is_wrong_with_the_files_is_named_with_the_way_out() {
    let files = Files::new();
    files.certificate("good", "sip.test", (2020, 2090));
    files.certificate("other", "sip.test", (2020, 2090));
    files.certificate("old", "sip.test", (2001, 2003));
    files.certificate("future", "sip.test", (2080, 2090));
    files.write("empty", "nothing\n");
    files.write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let rows = [
        ("good.crt", "good.key", Some("good.crt"), vec![]),
        ("none.crt", "good.key", None, vec!["tls.certificate: ", "none.crt: No such file"]),
        ("good.crt", "none.key", None, vec!["tls.key: ", "none.key: No such file"]),
        ("good.crt", "other.key", None, vec!["tls.key: ", "other.key is not the key of ", "good.crt"]),
        ("empty", "good.key", None, vec!["tls.certificate: ", "no certificate in PEM form"]),
        ("good.crt", "empty", None, vec!["tls.key: ", "no key in PEM form"]),
        ("good.key", "good.key", None, vec!["tls.certificate: ", "no certificate in PEM form"]),
        ("broken", "good.key", None, vec!["tls.certificate"]),
        (
            "old.crt",
            "old.key",
            None,
            vec!["tls.certificate: ", "old.crt expired on 2003-01-01T00:00:00.000Z: renew it"],
        ),
        ("future.crt", "future.key", None, vec!["future.crt is valid from 2080-01-01"]),
        ("good.crt", "good.key", Some("empty"), vec!["tls.authorities: ", "no certificate in PEM form"]),
    ];
    for (certificate, key, authorities, expected) in rows {
        let problems = problems(&files.config(certificate, key, authorities), now());
        let row = format!("{certificate} {key} {authorities:?}: {problems:?}");
        assert_eq!(problems.len(), usize::from(!expected.is_empty()), "{row}");
        for part in expected {
            assert!(problems[0].to_string().contains(part), "{row}");
        }
    }
    assert!(problems(&TlsConfig::default(), now()).is_empty());
}

#[test]
fn an_expired_certificate_does_not_keep_the_service_down_and_a_useless_one_does() {
    let files = Files::new();
    files.certificate("old", "sip.test", (2001, 2003));
    assert!(Tls::load(files.config("old.crt", "old.key", None), now()).is_ok());
    assert!(Tls::load(files.config("old.crt", "none.key", None), now()).is_err());
}

#[tokio::test]
async fn a_trunk_is_believed_only_with_a_good_certificate_for_its_name() {
    let files = Files::new();
    files.certificate("trunk", "trunk.test", (2020, 2090));
    files.certificate("stranger", "trunk.test", (2020, 2090));
    files.certificate("old", "trunk.test", (2001, 2003));
    files.certificate("ip", "127.0.0.1", (2020, 2090));
    let rows = [
        ("trunk", "trunk.crt", "trunk.test", true),
        ("trunk", "trunk.crt", "other.test", false),
        ("trunk", "stranger.crt", "trunk.test", false),
        ("old", "old.crt", "trunk.test", false),
        ("ip", "ip.crt", "127.0.0.1", true),
        ("ip", "ip.crt", "127.0.0.2", false),
    ];
    for (shows, trusts, name, good) in rows {
        let server = Tls::load(files.config(&format!("{shows}.crt"), &format!("{shows}.key"), None), now()).unwrap();
        let client = TlsConfig { authorities: Some(files.path(trusts)), ..TlsConfig::default() };
        let client = Tls::load(client, now()).unwrap();
        let address = serving(server).await;
        let got = shown(address, &client, name).await;
        assert_eq!(got.is_ok(), good, "{shows} {trusts} {name}: {:?}", got.err());
        let either = client.connect(address, &["nobody.test".to_owned(), name.to_owned()]).await;
        assert_eq!(either.is_ok(), good, "one of several names: {shows} {trusts} {name}");
        assert!(matches!(client.connect(address, &[]).await, Err(SecureError::NoName)));
    }
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_and_a_broken_one_is_not() {
    let files = Files::new();
    let first = files.certificate("sip", "sip.test", (2020, 2090));
    let server = Tls::load(files.config("sip.crt", "sip.key", None), now()).unwrap();
    let address = serving(server.clone()).await;
    let shown = async || {
        // Whoever it is now: what counts is which one it is.
        for authority in ["sip.crt", "first.crt"] {
            let trust = TlsConfig { authorities: Some(files.path(authority)), ..TlsConfig::default() };
            let Ok(client) = Tls::load(trust, now()) else { continue };
            if let Ok(der) = shown(address, &client, "sip.test").await {
                return der;
            }
        }
        panic!("no certificate that is known")
    };
    std::fs::copy(files.path("sip.crt"), files.path("first.crt")).unwrap();
    assert_eq!(shown().await, first);
    let old_key = std::fs::read(files.path("sip.key")).unwrap();
    let second = files.certificate("sip", "sip.test", (2021, 2090));
    let (new_key, new_certificate) =
        (std::fs::read(files.path("sip.key")).unwrap(), std::fs::read(files.path("sip.crt")).unwrap());
    std::fs::write(files.path("sip.key"), old_key).unwrap();
    server.reload(now());
    assert_eq!(shown().await, first, "the key does not fit");
    std::fs::write(files.path("sip.key"), new_key).unwrap();
    files.write("sip.crt", "half a certifi");
    server.reload(now());
    assert_eq!(shown().await, first, "it cannot be read");
    std::fs::write(files.path("sip.crt"), new_certificate).unwrap();
    server.reload(now());
    assert_eq!(shown().await, second);
    files.certificate("sip", "sip.test", (2001, 2003));
    server.reload(now());
    std::fs::write(files.path("first.crt"), pem(&second)).unwrap();
    assert_eq!(shown().await, second, "it has expired");
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn a_changed_file_is_taken_over_by_itself() {
    let files = Files::new();
    files.certificate("sip", "sip.test", (2020, 2090));
    let server = Tls::load(files.config("sip.crt", "sip.key", None), now()).unwrap();
    let used = |tls: &Tls| tls.loaded.read().unwrap().server.clone().unwrap();
    let before = used(&server);
    let watching = tokio::spawn(server.clone().watch(Duration::from_millis(5), now));
    // The watch has seen the first files before they change.
    tokio::task::yield_now().await;
    files.certificate("sip", "sip.test", (2021, 2090));
    files.write("sip.key", &format!("{}\n", std::fs::read_to_string(files.path("sip.key")).unwrap()));
    let changed = async {
        while Arc::ptr_eq(&used(&server), &before) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), changed).await.expect("it is taken over");
    watching.abort();
}
