//! Captured calls placed against a real service, and its recordings beside those of the replay.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use telegraphone::directory::Transport as Listens;
use telegraphone::directory::file::CompanyFile;
use telegraphone::directory::plan::plan;
use telegraphone::ledger::MarkerKind;
use telegraphone::live::{Account, LiveCall, LiveReport, Target, run};
use telegraphone::replay::{Options, Policy};
use telegraphone::service::Service;
use telegraphone::service::clock::OsRandom;
use telegraphone::service::config::{Config, Listen};
use telegraphone::sip::Transport;

/// Calls at a time: each has two users of its own.
const LANES: usize = 14;
/// A last packet may cross the BYE: two packets of 20 ms at each edge, in ms.
const EDGE_MS: f64 = 40.0;

/// A machine that is so late, in ms, may hold each side of a call up for longer than a stream is waited for.
const LATE_MS: u64 = 100;
/// How often a call is placed on such a machine, until it is placed in time.
const ATTEMPTS: u8 = 4;

/// What becomes of a capture.
enum Comes {
    /// Each call has a file whose channels have at least so many samples that are the replay's.
    Files(&'static [[u64; 2]]),
    /// The second call as above, the first is not placed; a part of a note says why.
    SecondFile(&'static str, [u64; 2]),
    /// It is placed, ends as the replay says, and leaves no file; a part of a note says why.
    NoFile(&'static str),
    /// It is not placed; a part of a note says why.
    NotPlaced(&'static str),
}

/// Nine seconds of both parties.
const TALK: Comes = Comes::Files(&[[60_000, 60_000]]);

/// Every capture of `fixtures/captures`.
fn rows() -> Vec<(&'static str, Comes)> {
    use Comes::{Files, NoFile, NotPlaced, SecondFile};
    vec![
        // The longest first.
        ("two-calls.pcap", Files(&[[60_000, 60_000], [60_000, 60_000]])),
        ("pause-info.pcap", Files(&[[50_000, 50_000]])),
        ("linphone-pause-rfc4733.pcap", Files(&[[50_000, 50_000]])),
        ("pause-rfc4733.pcap", Files(&[[30_000, 30_000]])),
        ("loss-pause.pcap", Files(&[[30_000, 30_000]])),
        ("plain-pcmu.pcap", TALK),
        ("plain-pcmu.pcapng", TALK),
        ("plain-vlan.pcap", TALK),
        ("plain-qinq.pcap", TALK),
        ("plain-rawip.pcap", TALK),
        ("plain-sll.pcap", TALK),
        ("plain-sll2.pcap", TALK),
        ("plain-fragments.pcap", TALK),
        ("plain-ipv6.pcap", TALK),
        ("plain-ipv6-fragments.pcap", TALK),
        ("plain-tcp.pcap", TALK),
        ("plain-pcma.pcap", TALK),
        ("plain-g722.pcap", Files(&[[120_000, 120_000]])),
        ("plain-opus.pcap", Files(&[[360_000, 360_000]])),
        ("srtp-sdes.pcap", TALK),
        ("opus-dtx.pcap", Files(&[[250_000, 250_000]])),
        ("mixed-codecs.pcap", Files(&[[55_000, 50_000]])),
        ("hold-resume.pcap", Files(&[[60_000, 40_000]])),
        ("hold-by-address.pcap", Files(&[[40_000, 40_000]])),
        ("hold-resume-baresip.pcap", Files(&[[40_000, 40_000]])),
        ("loss-reorder.pcap", TALK),
        ("reinvite.pcap", Files(&[[60_000, 60_000]])),
        ("reinvite-g722.pcap", Files(&[[60_000, 60_000]])),
        ("early-media.pcap", Files(&[[30_000, 30_000]])),
        ("late-offer.pcap", Files(&[[45_000, 45_000]])),
        ("digits-info.pcap", Files(&[[45_000, 45_000]])),
        ("voicemail-menu.pcap", Files(&[[60_000, 60_000]])),
        ("voicemail-left.pcap", Files(&[[45_000, 5_000]])),
        ("digits-rfc4733.pcap", Files(&[[40_000, 40_000]])),
        ("one-sided.pcap", Files(&[[60_000, 0]])),
        ("sdp-differs.pcap", Files(&[[0, 60_000]])),
        ("transfer-attended.pcap", SecondFile("a transfer", [8_000, 8_000])),
        ("transfer-blind.pcap", NotPlaced("a transfer")),
        ("unknown-codec.pcap", NoFile("GSM, which is not supported")),
        ("cancelled.pcap", NoFile("")),
        ("busy.pcap", NoFile("")),
        ("midcall.pcap", NotPlaced("no call from its beginning")),
        ("rtp-only.pcap", NotPlaced("no call from its beginning")),
    ]
}

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
    for extension in 201..201 + 2 * LANES {
        text.push_str(&format!(
            "\n[[user]]\nextension = \"{extension}\"\nname = \"User {extension}\"\npassword = \"secret-{extension}\"\nrole = \"agent\"\n"
        ));
    }
    text
}

/// What was sent so late is not the captured call any more.
fn is_late(report: &LiveReport) -> bool {
    report.calls.iter().any(|call| call.late_ms > LATE_MS)
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

#[test]
fn every_capture_has_a_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut captures: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    let mut rows: Vec<&str> = rows().into_iter().map(|(name, _)| name).collect();
    captures.sort_unstable();
    rows.sort_unstable();
    assert_eq!(captures, rows);
}

/// In real time, several at once; about half a minute, longer on a machine that is too busy for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_records_what_the_replay_does() {
    let folder = tempfile::tempdir().unwrap();
    let socket = Config::default_for(folder.path()).control.socket;
    let service = service(folder.path()).await;
    let server = service.sip_addresses().iter().find(|(kind, _)| *kind == Transport::Udp).unwrap().1;
    let captures = Arc::new(Mutex::new(rows().into_iter().map(|(name, _)| name).collect::<VecDeque<_>>()));
    let lanes = (0..LANES).map(|lane| {
        let (captures, socket, out) = (Arc::clone(&captures), socket.clone(), folder.path().join("replay"));
        let target = Target { server, caller: account(201 + 2 * lane), callee: account(202 + 2 * lane) };
        tokio::spawn(async move {
            let mut reports = Vec::new();
            loop {
                let next = captures.lock().unwrap().pop_front();
                let Some(name) = next else { return reports };
                let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures/captures", name].iter().collect();
                let mut attempt = 1;
                let report = loop {
                    let stem = format!("{}-{attempt}", name.replace('.', "-"));
                    let (policy, options) = (Policy::default(), Options::new(&out));
                    let report = run(&path, &stem, &target, Some(&socket), &policy, &options).await;
                    if attempt == ATTEMPTS || !report.as_ref().is_ok_and(is_late) {
                        break report;
                    }
                    attempt += 1;
                };
                reports.push((name, report.map_err(|error| error.to_string())));
            }
        })
    });
    let lanes: Vec<_> = lanes.collect();
    let mut reports = HashMap::new();
    for lane in lanes {
        reports.extend(lane.await.unwrap());
    }
    service.stop().await;
    for (name, comes) in rows() {
        holds(name, comes, reports.remove(name).unwrap().unwrap_or_else(|error| panic!("{name}: {error}")));
    }
}

fn holds(name: &str, comes: Comes, report: LiveReport) {
    let notes = || report.calls.iter().flat_map(|call| &call.notes).chain(&report.notes);
    let says = |part: &str| part.is_empty() || notes().any(|note| note.contains(part));
    match comes {
        Comes::NotPlaced(why) => {
            assert!(report.calls.iter().all(|call| call.live.is_none()), "{name}");
            assert!(says(why), "{name}: {:?}", notes().collect::<Vec<_>>());
        }
        Comes::NoFile(why) => {
            let [call] = report.calls.as_slice() else { panic!("{name}: {} calls", report.calls.len()) };
            ends_alike(name, call);
            assert!(call.replay.files.is_empty() && call.live.as_ref().unwrap().files.is_empty(), "{name}");
            assert!(says(why), "{name}: {:?}", notes().collect::<Vec<_>>());
        }
        Comes::SecondFile(why, identical) => {
            let [first, second] = report.calls.as_slice() else { panic!("{name}: {} calls", report.calls.len()) };
            assert!(first.live.is_none() && says(why), "{name}: {:?}", notes().collect::<Vec<_>>());
            ends_alike(name, second);
            is_identical(name, second, identical);
        }
        Comes::Files(identical) => {
            assert_eq!(report.calls.len(), identical.len(), "{name}");
            for (call, identical) in report.calls.iter().zip(identical) {
                ends_alike(name, call);
                is_identical(name, call, *identical);
            }
        }
    }
}

/// All was sent, and the call went as in the capture.
fn ends_alike(name: &str, call: &LiveCall) {
    let live = call.live.as_ref().unwrap();
    assert_eq!(call.unsent, [0, 0], "{name}");
    assert_eq!(live.decision.record, call.replay.decision.record, "{name}");
    assert!(live.commands_agree(&call.replay), "{name}: {:?}", live.commands);
    let replayed = &call.replay;
    assert_eq!((live.outcome, &live.end_reason), (replayed.outcome, &replayed.end_reason), "{name}");
}

fn is_identical(name: &str, call: &LiveCall, identical: [u64; 2]) {
    let live = call.live.as_ref().unwrap();
    // A busy machine is late in sending, and in taking what was sent.
    let late_ms = 2.0 * call.late_ms as f64;
    // With a BYE as well; what was said is compared sample by sample.
    let longer_ms = live.longer_by_ms.abs() as f64;
    assert!(longer_ms <= 500.0 + late_ms, "{name}: {longer_ms} ms longer, sent {} ms late", call.late_ms);
    let channels = live.channels.as_ref().unwrap_or_else(|| panic!("{name}: {:?} {:?}", live.files, call.notes));
    for (channel, least) in channels.iter().zip(identical) {
        let all = format!("{name}, sent {} ms late: {channel:?}, {:?}", call.late_ms, live.markers);
        assert!(channel.identical >= least, "{all}");
        let per_ms = call.replay.files[0].samples as f64 / call.replay.files[0].length_s / 1_000.0;
        let marks = |kind| live.markers.iter().filter(move |marker| marker.kind == kind).count();
        assert!(channel.edges.iter().all(|edge| *edge as f64 <= EDGE_MS * per_ms), "{all}");
        // Where the machine was so late that a clock was followed, its edges may differ: by 20 ms each time.
        // A command cuts the other party where it arrives: late by as much as it was sent and taken.
        let (followed, commands) = (marks(MarkerKind::Drift) as f64 * 20.0, live.commands.len() as f64 * late_ms);
        let edges = ((followed + commands) * per_ms) as u64;
        match channel.offsets.len() {
            0 => assert_eq!(least, 0, "{all}"),
            1 => assert!(channel.identical + edges >= channel.compared, "{all}"),
            _ => assert!(channel.share() >= 0.99 || channel.identical + edges >= channel.compared, "{all}"),
        }
    }
}
