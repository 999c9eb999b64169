use super::*;
use crate::directory::Transport;
use crate::service::config::Listen;
use crate::service::make_folder;
use crate::store::Store;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A deployment that listens where nobody does, with a database.
async fn deployment(folder: &Path) -> Config {
    let mut config = Config::default_for(folder);
    let address = "127.0.0.1:0".parse().unwrap();
    config.sip.listen = vec![Listen { transport: Transport::Udp, address, advertise: None }];
    make_folder(&config.data_dir).unwrap();
    make_folder(&config.recording.dir).unwrap();
    Store::open(&config.data_dir.join("telegraphone.db")).await.unwrap().close().await;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    config
}

async fn failures(config: &Config) -> Vec<Finding> {
    let found = examine(config, Clock::start()).await;
    found.into_iter().filter(|finding| finding.verdict == Verdict::Fail).collect()
}

fn one(failures: &[Finding]) -> &Finding {
    let [one] = failures else { panic!("one failure: {failures:?}") };
    assert!(!one.way_out.is_empty(), "{one:?}");
    one
}

#[tokio::test]
async fn nothing_fails_where_everything_is_as_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let config = deployment(folder.path()).await;
    assert_eq!(failures(&config).await, []);
    assert_eq!(std::fs::read_dir(&config.recording.dir).unwrap().count(), 0, "nothing is left of the looking");
}

#[tokio::test]
async fn a_port_that_another_program_has_is_told_over_udp_and_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = deployment(folder.path()).await;
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    config.sip.listen[0].address = udp.local_addr().unwrap();
    let found = failures(&config).await;
    assert!(one(&found).found.contains("another program has it"), "{found:?}");
    config.sip.listen[0].address = "127.0.0.1:0".parse().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    config.metrics.listen = vec![tcp.local_addr().unwrap()];
    assert!(one(&failures(&config).await).found.starts_with("metrics on"));
    drop(tcp);
    assert_eq!(failures(&config).await, []);
    let nowhere: SocketAddr = "192.0.2.77:5060".parse().unwrap();
    config.sip.listen[0].address = nowhere;
    assert!(one(&failures(&config).await).found.contains("no such address"));
}

#[tokio::test]
async fn a_disk_without_room_and_a_folder_that_is_not_there_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = deployment(folder.path()).await;
    config.recording.refuse_free = u64::MAX / 2;
    let found = failures(&config).await;
    assert!(one(&found).check == "disk" && one(&found).way_out.contains("make room"), "{found:?}");
    config.recording.refuse_free = 0;
    config.recording.dir = folder.path().join("not-mounted");
    assert_eq!(failures(&config).await, [], "before the first start");
    std::fs::write(&config.audit.key, "of the first start").unwrap();
    std::fs::set_permissions(&config.audit.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(one(&failures(&config).await).found.contains("is not there"));
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_is_for_another_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = deployment(folder.path()).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let write = |config: &mut Config, from: i32, until: i32| {
        let mut params = rcgen::CertificateParams::new(vec!["*.sip.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let [certificate, secret] = ["crt", "key"].map(|name| folder.path().join(name));
        std::fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        config.tls.certificate = Some(certificate);
        config.tls.key = Some(secret);
    };
    write(&mut config, 2020, 2021);
    let found = failures(&config).await;
    assert!(one(&found).check == "certificate" && one(&found).found.contains("expired"), "{found:?}");

    write(&mut config, 2020, 2120);
    config.sip.listen[0].transport = Transport::Tls;
    let names = |config: &Config| network::certificates(config, Clock::start().wall()).pop().unwrap();
    assert_eq!(names(&config).verdict, Verdict::Warn, "an address is not in it");
    let advertise = |host: &str| Some(crate::service::config::Advertise { host: host.to_owned(), port: None });
    config.sip.listen[0].advertise = advertise("a.sip.example");
    assert_eq!(names(&config).verdict, Verdict::Ok);
    config.sip.listen[0].advertise = advertise("a.b.sip.example");
    assert_eq!(names(&config).verdict, Verdict::Warn, "an asterisk is one label");
}

#[tokio::test]
async fn what_everybody_can_read_and_a_database_that_is_none_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = deployment(folder.path()).await;
    let database = config.data_dir.join("telegraphone.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(one(&failures(&config).await).check, "permissions");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&database, vec![7; 8_192]).unwrap();
    assert_eq!(one(&failures(&config).await).check, "database");
}

#[tokio::test]
async fn unfinished_recordings_and_ports_for_too_few_calls_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = deployment(folder.path()).await;
    std::fs::create_dir(config.recording.dir.join("acme")).unwrap();
    std::fs::write(config.recording.dir.join("acme/a.part"), b"RIFF").unwrap();
    (config.rtp.port_min, config.rtp.port_max) = (10_000, 10_039);
    let found = examine(&config, Clock::start()).await;
    let warned = |check: &str| found.iter().any(|finding| finding.check == check && finding.verdict == Verdict::Warn);
    assert!(warned("leftovers") && warned("media ports"), "{found:?}");
}
