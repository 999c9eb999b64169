//! The memory limit of a real service: new calls get 503 with Retry-After, the running one goes on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it measures time"
)]
#![allow(dead_code, reason = "the scene serves other tests too")]

#[path = "scene/mod.rs"]
mod scene;

#[path = "scene/phones.rs"]
mod phones;

use phones::{DEADLINE, Phones};
use scene::Scene;
use std::net::SocketAddr;
use std::time::Instant;
use telegraphone::directory::Transport as Listens;
use telegraphone::directory::file::CompanyFile;
use telegraphone::directory::plan::plan;
use telegraphone::service::Service;
use telegraphone::service::clock::OsRandom;
use telegraphone::service::config::{Config, Listen};

const SCENE: Scene = Scene("limits");
const MIB: u64 = 1 << 20;
/// Between what the process uses at first and the limit.
const ROOM: u64 = 150 * MIB;
/// What it uses more, later: so much that it is over the limit, whatever else there is.
const BALLAST: u64 = 2 * ROOM;

/// Resident memory of this process, in which the service runs.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * rustix::param::page_size() as u64
}

async fn service(config: Config) -> (Service, SocketAddr) {
    let service = Service::start(config).await.unwrap();
    let file = CompanyFile::parse(&SCENE.company()).unwrap();
    let plan = plan(&service.store().load_directory().await.unwrap(), &file, false).unwrap();
    service.store().apply(&plan, &mut OsRandom).await.unwrap();
    service.reload().await;
    let address = service.sip_addresses()[0].1;
    (service, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_memory_limit_new_calls_wait_and_the_running_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default_for(folder.path());
    let address = "127.0.0.1:0".parse().unwrap();
    config.sip.listen = vec![Listen { transport: Listens::Udp, address, advertise: None }];
    config.limits.memory = Some(resident() + ROOM);
    let (service, address) = service(config).await;
    let phones = Phones::new(SCENE, address);
    phones.register();
    let running = phones.call(0);
    assert_eq!(running.status, 200, "below the limit: {}", running.reason);

    let ballast = vec![1_u8; usize::try_from(BALLAST).unwrap()];
    let (mut call, deadline) = (1, Instant::now() + DEADLINE);
    let refused = loop {
        let answer = phones.call(call);
        if answer.status != 200 {
            break answer;
        }
        // The look at the memory is still to come.
        assert_eq!(phones.hang_up(call, &answer).status, 200);
        assert!(Instant::now() < deadline, "{} MiB, and calls are still taken", resident() / MIB);
        call += 1;
    };
    assert_eq!((refused.status, refused.headers.has("Retry-After")), (503, true), "{}", refused.reason);
    assert!(refused.reason.contains("memory"), "{}", refused.reason);
    assert_eq!(service.calls().await.len(), 1, "the running call is still up");

    assert_eq!(ballast.iter().map(|byte| u64::from(*byte)).sum::<u64>(), BALLAST);
    drop(ballast);
    let again = loop {
        call += 1;
        let answer = phones.call(call);
        if answer.status == 200 {
            break answer;
        }
        assert!(Instant::now() < deadline + DEADLINE, "{} MiB, and no call is taken", resident() / MIB);
    };
    assert_eq!(phones.hang_up(call, &again).status, 200);
    assert_eq!(phones.hang_up(0, &running).status, 200, "the call of before ends as calls do");
    service.stop().await;
}
