use super::*;

/// The demo as it is, on any free port; about 12 s of real time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_finds_its_files_right() {
    let folder = tempfile::tempdir().unwrap();
    let progress = Progress { clock: Clock::start(), shown: true };
    let stage = Stage::set(folder.path(), 0, &progress).await.unwrap();
    let mut cast = Cast::start(&stage).await.unwrap();
    let report = stage.play(&mut cast, &progress).await;
    stage.service.stop().await;
    let report = report.unwrap();
    assert_eq!(report.problems, Vec::<String>::new(), "\n{}", report.table());
    let recorded: Vec<_> = report.findings.iter().map(|f| (f.direction.as_str(), f.file.is_some())).collect();
    assert_eq!(recorded, [("inbound", true), ("outbound", true), ("internal", false)]);
    assert_ne!(report.findings[0].pause, "–");
}

/// As a reader's own softphone does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_softphone_over_tcp_registers_calls_and_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let progress = Progress { clock: Clock::start(), shown: false };
    let stage = Stage::set(folder.path(), 0, &progress).await.unwrap();
    let voices = Voices { agent: speech::agent().unwrap(), customer: speech::customer().unwrap() };
    let outside = Outside::start(stage.server, carrier_ip(), &voices).await.unwrap();
    stage.apply_company(outside.trunk()).await.unwrap();
    let People { you, anna, .. } = &stage.people;
    let mut you = calls::registered(stage.server, Transport::Tcp, you, voices.agent).await.unwrap();
    let mut anna = calls::registered(stage.server, Transport::Udp, anna, voices.customer).await.unwrap();
    calls::connect(&mut you, &mut anna, "101").await.unwrap();
    calls::disconnect(&mut you, &mut anna).await.unwrap();
    calls::connect(&mut anna, &mut you, "200").await.unwrap();
    calls::disconnect(&mut anna, &mut you).await.unwrap();
    drop((you, anna));
    stage.service.stop().await;
}

#[test]
fn a_port_that_is_taken_is_another() {
    let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
    let taken = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port();
    let holder = UdpSocket::bind((ip, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    assert_ne!(free_port(ip, port).unwrap(), port);
    assert!(free_port(ip, taken).is_ok());
}

#[test]
fn a_folder_with_something_in_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(make_empty(&folder.path().join("new")).is_ok());
    assert!(matches!(make_empty(folder.path()), Err(DemoError::NotEmpty(_))));
}
