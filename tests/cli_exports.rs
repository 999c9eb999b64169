//! Archives and lists of an inbox on the command line, against a running service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it waits for conditions"
)]
#![allow(dead_code, reason = "the scene serves other tests too")]

#[path = "http/mod.rs"]
mod http;
#[path = "scene/phones.rs"]
mod phones;
#[path = "scene/mod.rs"]
mod scene;

use http::Http;
use http::service::{config, start};
use phones::Phones;
use scene::Scene;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

const SCENE: Scene = Scene("archive");
const PEOPLE: &str = r#"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
[[inbox]]
name = "front"
numbers = ["+15550100"]
members = ["201"]
[[inbox]]
name = "back"
"#;

fn export<'w>(words: &[&'w str]) -> Vec<&'w str> {
    [&["recording", "export"], words].concat()
}

struct Line<'a>(&'a Path);

impl Line<'_> {
    fn said(&self, words: &[&str]) -> (bool, String, String) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_telegraphone"));
        let output = command.arg("--data").arg(self.0).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    fn good(&self, words: &[&str]) -> String {
        let (success, out, error) = self.said(words);
        assert!(success, "{words:?}: {error}");
        out
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.good(words)).unwrap()
    }

    fn bad(&self, words: &[&str]) -> String {
        let (success, out, error) = self.said(words);
        assert!(!success, "{words:?}: {out}");
        error
    }
}

fn placed(http: Http, sip: std::net::SocketAddr) -> Phones {
    let ada = http.log_in("archive", "204", "ada-secret");
    let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", None);
    let phones = Phones::registered(SCENE, sip);
    phones.place(0..2, 25);
    (0..2).for_each(|_| drop(stream.next()));
    phones
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_archive_is_asked_for_listed_fetched_proven_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (service, sip, http) = start(config(&data), &[&format!("{}{PEOPLE}", SCENE.company())]).await;
    tokio::task::spawn_blocking(move || placed(http, sip)).await.unwrap();
    let there = data.clone();
    let (file, again) = (folder.path().join("calls.zip"), folder.path().join("calls.zip"));
    tokio::task::spawn_blocking(move || {
        let line = Line(&there);
        assert!(line.bad(&export(&["make", "archive", "--inbox", "nowhere"])).contains("inbox"));
        assert!(line.bad(&export(&["make", "nobody"])).contains("nobody"));
        assert!(line.bad(&export(&["make", "archive", "--everything-with", "+15550100"])).contains("outside"));
        let asked = line.json(&export(&["make", "archive", "--inbox", "front", "--json"]));
        let id = asked["id"].to_string();
        let begun = Instant::now();
        let ready = loop {
            let list = line.json(&export(&["list", "--json"]));
            if list[0]["state"] == "ready" {
                break list[0].clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{list}");
            std::thread::sleep(Duration::from_millis(200));
        };
        assert_eq!((&ready["id"], &ready["calls"], &ready["recordings"]), (&asked["id"], &2.into(), &2.into()));
        let table = line.good(&export(&["list", "--company", "archive"]));
        assert!(table.contains("ready") && table.contains("archive"), "{table}");
        let ada = http.log_in("archive", "204", "ada-secret");
        assert_eq!(ada.get("/api/v1/exports").json()["exports"], serde_json::json!([]), "it is the operator's own");
        assert_eq!(ada.get(&format!("/api/v1/exports/{id}/file")).status, 404);

        let said = line.good(&export(&["fetch", &id, file.to_str().unwrap()]));
        assert!(said.contains(ready["sha256"].as_str().unwrap()), "{said}");
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&file).unwrap()).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let waves: Vec<&String> = names.iter().filter(|name| name.ends_with(".wav")).collect();
        assert_eq!(waves.len(), 2, "{names:?}");
        let mut wave = Vec::new();
        archive.by_name(waves[0]).unwrap().read_to_end(&mut wave).unwrap();
        assert_eq!(&wave[..4], b"RIFF");
        line.bad(&export(&["fetch", &id, again.to_str().unwrap()]));

        assert!(line.good(&export(&["remove", &id, "--dry-run"])).contains("nothing was changed"));
        assert_eq!(line.json(&export(&["list", "--json"])).as_array().unwrap().len(), 1);
        assert_eq!(line.json(&export(&["remove", &id, "--json"]))["dry_run"], false);
        assert!(line.good(&export(&["list"])).contains("no exports"));
        assert!(line.bad(&export(&["remove", &id])).contains("there is no export"));
        let log = line.good(&["audit", "list", "archive"]);
        assert!(["export.make", "export.fetch", "export.remove"].iter().all(|action| log.contains(action)), "{log}");
    })
    .await
    .unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_are_of_one_inbox_where_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let (service, sip, http) = start(config(&data), &[&format!("{}{PEOPLE}", SCENE.company())]).await;
    let phones = tokio::task::spawn_blocking(move || placed(http, sip)).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let line = Line(&data);
        let answered = phones.call(5);
        for (list, all, least) in [("call", "calls", 1), ("recording", "recordings", 2), ("event", "events", 5)] {
            let found = |inbox: &str| {
                let listed = line.json(&[list, "list", "--inbox", inbox, "--json"]);
                listed[all].as_array().unwrap().len()
            };
            assert!(found("archive/front") >= least, "{list}");
            assert_eq!(found("archive/back"), 0, "{list}");
            assert!(line.bad(&[list, "list", "--inbox", "archive/nowhere"]).contains("nowhere"));
            assert!(line.bad(&[list, "list", "--inbox", "front"]).contains("COMPANY/NAME"));
        }
        assert_eq!(phones.hang_up(5, &answered).status, 200);
    })
    .await
    .unwrap();
    service.stop().await;
}
