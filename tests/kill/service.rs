//! A `telegraphone serve` of its own process, and what its command line says of it.

use crate::phones::SCENE;
use crate::process::{Home, Process, data_dir};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use telegraphone::ledger::{CallRecord, RecordingRecord};
use telegraphone::store::Store;
use telegraphone::subscription::FeedEntry;

/// Longer than anything here should take.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// More than there are of anything.
const ALL: &str = "100000";

/// `[recording]` comes last, for a test that says more of it.
const CONFIG: &str = "[media]\nworkers = 1\npin = false\n[log]\nfilter = \"warn\"\n\
                      [recording]\nwarn_free_mib = 2\nrefuse_free_mib = 1\n";

pub struct Service {
    home: Home,
    process: Process,
    pub sip: SocketAddr,
}

impl Service {
    /// Starts on what is in `folder`; the first time with a company.
    pub fn start(folder: &Path) -> Service {
        if !data_dir(folder).exists() {
            Service::set_up(folder, "");
        }
        let home = home(folder);
        let process = home.serve();
        Service { sip: process.sip, process, home }
    }

    /// The configuration, with `recording` more of its last section, and the company.
    pub fn set_up(folder: &Path, recording: &str) {
        home(folder).set_up(&format!("{CONFIG}{recording}"), &SCENE.company());
    }

    /// The same for a company with these settings besides.
    pub fn set_up_with(folder: &Path, settings: &str) {
        let company = SCENE.company().replacen("[company.settings]", &format!("[company.settings]\n{settings}"), 1);
        assert!(company.contains(settings), "the company has settings");
        home(folder).set_up(CONFIG, &company);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }

    pub fn recordings(&self) -> Vec<RecordingRecord> {
        let answer = self.home.ask(&["recording", "list", "--limit", ALL]);
        serde_json::from_value(answer["recordings"].clone()).unwrap()
    }

    /// `call pause` or `call resume` of the only call that is up.
    pub fn command(&self, word: &str) {
        let calls = self.home.ask(&["call", "list"]);
        let calls: Vec<&str> =
            calls["calls"].as_array().unwrap().iter().map(|call| call["record"]["id"].as_str().unwrap()).collect();
        let [call] = calls[..] else { panic!("one call is up: {calls:?}") };
        let answer = self.home.ask(&["call", word, call]);
        assert_eq!(answer["answer"], "done", "{word}: {answer}");
    }

    /// What `recording verify` finds wrong.
    pub fn verify(&self) -> Vec<String> {
        let answer = self.home.ask(&["recording", "verify"]);
        let problems = answer["results"].as_array().unwrap().iter().map(|result| &result["problem"]);
        problems.filter(|problem| **problem != "").map(ToString::to_string).collect()
    }

    /// All events of finished and failed recordings, once there are `count` of them.
    pub fn events(&self, count: usize) -> Vec<FeedEntry> {
        self.events_until(|event| event.recording().is_some(), count)
    }

    /// All events of which `wanted` is true, once there are `count` of them.
    pub fn events_until(&self, wanted: impl Fn(&FeedEntry) -> bool, count: usize) -> Vec<FeedEntry> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = self.home.ask(&["event", "list", "--limit", ALL]);
            let mut events: Vec<FeedEntry> = serde_json::from_value(answer["events"].clone()).unwrap();
            events.retain(&wanted);
            if events.len() >= count {
                return events;
            }
            assert!(Instant::now() < deadline, "{} of {count} events", events.len());
        }
    }

    /// Every call, also those that are over: the command line lists only those that are up.
    pub fn stored_calls(&self) -> Vec<CallRecord> {
        runtime().block_on(async {
            let store = Store::open(&data_dir(&self.home.folder).join("telegraphone.db")).await.unwrap();
            let calls = store.calls(u32::MAX, None).await.unwrap();
            store.close().await;
            calls
        })
    }
}

fn home(folder: &Path) -> Home {
    Home { binary: env!("CARGO_BIN_EXE_telegraphone").into(), folder: folder.to_owned() }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
