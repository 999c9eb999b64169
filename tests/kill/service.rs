//! A `telegraphone serve` of its own process, and what its command line says of it.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use telegraphone::ledger::{CallRecord, RecordingRecord};
use telegraphone::store::Store;
use telegraphone::subscription::FeedEntry;

/// Longer than anything here should take.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// More than there are of anything.
const ALL: &str = "100000";

const COMPANY: &str = r#"
[[company]]
key = "kill"
name = "Kill"
domains = ["kill.example"]
realm = "kill.example"
[company.settings]
record_inbound = true
[[user]]
extension = "201"
name = "Device"
password = "kill-secret"
role = "agent"
[[number]]
number = "+15550100"
route = "user:201"
[[trunk]]
name = "carrier"
addresses = ["127.0.0.2"]
host = "127.0.0.2"
port = 5060
"#;

pub struct Service {
    child: Child,
    pub sip: SocketAddr,
    folder: PathBuf,
}

pub fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

impl Service {
    /// Starts on what is in `folder`; the first time with a company.
    pub fn start(folder: &Path) -> Service {
        let config = folder.join("telegraphone.toml");
        if !config.exists() {
            set_up(folder);
        }
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut child = telegraphone(folder).arg("serve").stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        // Said when the calls of before are put right and the sockets are bound; the end of a
        // process that failed reads as an empty line.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = line.split_once("UDP ").map(|(_, rest)| rest.split([' ', ',']).next().unwrap_or(""));
        let address = said.map(|address| address.trim_end_matches('.').parse());
        let log = || std::fs::read_to_string(folder.join("log")).unwrap();
        let Some(Ok(sip)) = address else { panic!("the service did not start: {line:?}\n{}", log()) };
        Service { child, sip, folder: folder.to_owned() }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ask(&self, words: &[&str]) -> Value {
        let Output { status: _, stdout, stderr } =
            telegraphone(&self.folder).args(words).arg("--json").output().unwrap();
        let said = serde_json::from_slice(&stdout);
        said.unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&stderr)))
    }

    pub fn recordings(&self) -> Vec<RecordingRecord> {
        let answer = self.ask(&["recording", "list", "--limit", ALL]);
        serde_json::from_value(answer["recordings"].clone()).unwrap()
    }

    /// What `recording verify` finds wrong.
    pub fn verify(&self) -> Vec<String> {
        let answer = self.ask(&["recording", "verify"]);
        let problems = answer["results"].as_array().unwrap().iter().map(|result| &result["problem"]);
        problems.filter(|problem| **problem != "").map(ToString::to_string).collect()
    }

    /// All events, once there are `count` of them.
    pub fn events(&self, count: usize) -> Vec<FeedEntry> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = self.ask(&["event", "list", "--limit", ALL]);
            let events: Vec<FeedEntry> = serde_json::from_value(answer["events"].clone()).unwrap();
            if events.len() >= count {
                return events;
            }
            assert!(Instant::now() < deadline, "{} of {count} events", events.len());
        }
    }

    /// Every call, also those that are over: the command line lists only those that are up.
    pub fn stored_calls(&self) -> Vec<CallRecord> {
        runtime().block_on(async {
            let store = Store::open(&data_dir(&self.folder).join("telegraphone.db")).await.unwrap();
            let calls = store.calls(u32::MAX, None).await.unwrap();
            store.close().await;
            calls
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_up(folder: &Path) {
    let config = format!(
        "data_dir = \"{}\"\n[sip]\nlisten = [{{ transport = \"udp\", address = \"127.0.0.1:0\" }}]\n\
         [media]\nworkers = 1\npin = false\n[recording]\nwarn_free_mib = 2\nrefuse_free_mib = 1\n[log]\nfilter = \"warn\"\n",
        data_dir(folder).display()
    );
    std::fs::write(folder.join("telegraphone.toml"), config).unwrap();
    let company = folder.join("company.toml");
    std::fs::write(&company, COMPANY).unwrap();
    let applied = telegraphone(folder).arg("apply").arg(&company).output().unwrap();
    assert!(applied.status.success(), "apply: {}", String::from_utf8_lossy(&applied.stderr));
}

fn telegraphone(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telegraphone"));
    command.arg("--config").arg(folder.join("telegraphone.toml"));
    command
}

/// Every file below `dir`.
pub fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files_in(&path)),
            false => found.push(path),
        }
    }
    found
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
