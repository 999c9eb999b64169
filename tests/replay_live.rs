//! Captured calls placed against a real service, and its recordings beside those of the replay.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its expectation fails")]

use std::path::{Path, PathBuf};
use telegraphone::directory::Transport as Listens;
use telegraphone::directory::file::CompanyFile;
use telegraphone::directory::plan::plan;
use telegraphone::live::{Account, LiveReport, Target, run};
use telegraphone::replay::{Options, Policy};
use telegraphone::service::Service;
use telegraphone::service::clock::OsRandom;
use telegraphone::service::config::{Config, Listen};
use telegraphone::sip::Transport;

const CALLS: [&str; 3] = ["plain-pcmu", "pause-rfc4733", "digits-rfc4733"];
/// A last packet may cross the BYE: two packets of 20 ms at each edge, in samples.
const EDGE: u64 = 320;

fn company() -> String {
    let mut text = r#"
[[company]]
key = "acme"
name = "Acme"
domains = ["acme.example"]
realm = "acme.example"

[company.settings]
record_internal = true
agent_pause = true
country_code = "1"
"#
    .to_owned();
    for extension in 201..=206 {
        text.push_str(&format!(
            "\n[[user]]\nextension = \"{extension}\"\nname = \"User {extension}\"\npassword = \"secret-{extension}\"\nrole = \"agent\"\n"
        ));
    }
    text
}

fn account(extension: usize) -> Account {
    format!("{extension}:secret-{extension}@acme.example").parse().unwrap()
}

async fn service(folder: &Path) -> Service {
    let mut config = Config::default_for(folder);
    let address = "127.0.0.1:0".parse().unwrap();
    config.sip.listen = vec![Listen { transport: Listens::Udp, address, advertise: None }];
    let service = Service::start(config).await.unwrap();
    let file = CompanyFile::parse(&company()).unwrap();
    let plan = plan(&service.store().load_directory().await.unwrap(), &file, false).unwrap();
    service.store().apply(&plan, &mut OsRandom).await.unwrap();
    service.reload().await;
    service
}

/// In real time, all at once; about 12 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_records_what_the_replay_does() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::default_for(folder.path());
    let service = service(folder.path()).await;
    let server = service.sip_addresses().iter().find(|(kind, _)| *kind == Transport::Udp).unwrap().1;
    let out = folder.path().join("replay");
    let place = |at: usize| {
        let (socket, out) = (config.control.socket.clone(), out.clone());
        async move {
            let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures/captures", CALLS[at]].iter().collect();
            let target = Target { server, caller: account(201 + 2 * at), callee: account(202 + 2 * at) };
            let (path, options) = (path.with_extension("pcap"), Options::new(out));
            run(&path, CALLS[at], &target, Some(&socket), &Policy::default(), &options).await.unwrap()
        }
    };
    let (one, two, three) = tokio::join!(place(0), place(1), place(2));
    service.stop().await;
    for report in [one, two, three] {
        holds(&report);
    }
}

fn holds(report: &LiveReport) {
    let (name, live) = (report.capture.display(), report.live.as_ref().unwrap());
    assert_eq!(report.unsent, [0, 0], "{name}");
    assert_eq!(live.decision, report.replay.decision, "{name}");
    assert!(live.commands_agree(&report.replay), "{name}: {:?}", live.commands);
    assert!(live.longer_by_ms.abs() <= 100, "{name}: {} ms longer", live.longer_by_ms);
    for channel in live.channels.as_ref().unwrap() {
        let all = format!("{name}: {channel:?}, {:?}", live.markers);
        assert!(channel.compared > 30_000, "{all}");
        assert!(channel.edges.iter().all(|edge| *edge <= EDGE), "{all}");
        // Where the machine was so late that a clock was followed, its edges may differ.
        match channel.offsets.len() {
            1 => assert_eq!(channel.identical, channel.compared, "{all}"),
            _ => assert!(channel.share() >= 0.99, "{all}"),
        }
    }
}
