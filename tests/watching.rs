//! What operators look at while the service runs: readiness and metrics, against a real service with a
//! real call.

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
#[path = "process/mod.rs"]
mod process;
#[path = "scene/mod.rs"]
mod scene;

use http::Http;
use http::service::{config, start};
use phones::Phones;
use process::Home;
use scene::Scene;
use std::collections::BTreeMap;
use std::path::Path;
use telegraphone::service::Service;
use telegraphone::service::config::Config;

const SCENE: Scene = Scene("watched");
const ADA: &str = "[[user]]\nextension = \"204\"\nname = \"Ada\"\npassword = \"ada-secret\"\nrole = \"admin\"\n";

async fn service(folder: &Path, change: impl FnOnce(&mut Config)) -> Service {
    let mut config = config(folder);
    config.metrics.listen = vec!["127.0.0.1:0".parse().unwrap()];
    change(&mut config);
    start(config, &[&format!("{}{ADA}", SCENE.company())]).await.0
}

/// Samples by name and labels, as the format says: HELP, TYPE and then the samples of each family, each
/// family and each sample once.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
    let mut family = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty(), "{line}");
            family = (name.to_owned(), String::new());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(family.0 == name && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
            assert!(kind != "counter" || name.ends_with("_total"), "{name} is a counter");
            family.1 = kind.to_owned();
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            let of_family = match family.1.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().any(|end| name == format!("{}{end}", family.0)),
                _ => name == family.0,
            };
            assert!(of_family, "{line} stands in the family {family:?}");
            if let Some(labels) = sample.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap();
                for label in inner.split("\",") {
                    let (key, value) = label.split_once("=\"").unwrap();
                    assert!(key.bytes().all(|byte| byte.is_ascii_lowercase()) && !value.is_empty(), "{line}");
                }
            }
            assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{line} comes twice");
        }
    }
    samples
}

fn metrics(at: Http) -> (String, BTreeMap<String, f64>) {
    let answer = at.ask("GET", "/metrics", &[], "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let text = String::from_utf8(answer.body).unwrap();
    let samples = parsed(&text);
    (text, samples)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn metrics_tell_of_calls_packets_recordings_and_requests_and_of_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path(), |_| {}).await;
    let (sip, http) = (service.sip_addresses()[0].1, Http(service.http_addresses()[0]));
    let at = Http(service.metrics_addresses()[0]);
    let story = tokio::task::spawn_blocking(move || {
        let (_, before) = metrics(at);
        for name in ["telegraphone_calls", "telegraphone_legs", "telegraphone_event_streams"] {
            assert_eq!(before[name], 0.0, "{name}");
        }
        let ada = http.log_in("watched", "204", "ada-secret");
        assert_eq!(
            http.ask("POST", "/api/v1/session", &[], r#"{"company":"watched","user":"204","password":"no"}"#).status,
            401
        );
        let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", None);
        let phones = Phones::new(SCENE, sip);
        phones.register();
        let answered = phones.call(0);
        phones.speak(&answered, 25);
        // Told once a second.
        let (text, up) = loop {
            let (text, up) = metrics(at);
            if up["telegraphone_rtp_packets_received_total"] >= 25.0 {
                break (text, up);
            }
        };
        for (name, value) in [
            ("telegraphone_calls", 1.0),
            ("telegraphone_legs", 2.0),
            ("telegraphone_registrations", 1.0),
            ("telegraphone_recorder_calls", 1.0),
            ("telegraphone_event_streams", 1.0),
            ("telegraphone_rtp_packets_lost_total", 0.0),
            ("telegraphone_recorder_frames_dropped_total", 0.0),
            ("telegraphone_recording_possible", 1.0),
            ("telegraphone_ready", 1.0),
            (r#"telegraphone_trunks{state="up"}"#, 1.0),
        ] {
            assert_eq!(up[name], value, "{name} in\n{text}");
        }
        assert_eq!(phones.hang_up(0, &answered).status, 200);
        let call = stream.next().data["call"].as_str().unwrap().to_owned();
        drop(stream);
        assert_eq!(ada.get(&format!("/api/v1/calls/{call}")).status, 200);
        assert_eq!(ada.get("/api/v1/nothing/+4930123456").status, 404);
        let (text, after) = loop {
            let (text, after) = metrics(at);
            if after["telegraphone_calls"] == 0.0 {
                break (text, after);
            }
        };
        for (name, value) in [
            (r#"telegraphone_recordings_handed_over_total{state="complete"}"#, 1.0),
            (r#"telegraphone_recordings_handed_over_total{state="failed"}"#, 0.0),
            ("telegraphone_recordings_waiting", 0.0),
            ("telegraphone_rtp_packets_received_total", 25.0),
            ("telegraphone_outbox_lag", 0.0),
            (r#"telegraphone_webhook_deliveries{state="dead"}"#, 0.0),
            (r#"telegraphone_http_requests_total{method="POST",route="/api/v1/session",status="200"}"#, 1.0),
            (r#"telegraphone_http_requests_total{method="POST",route="/api/v1/session",status="401"}"#, 1.0),
            (r#"telegraphone_http_requests_total{method="GET",route="/api/v1/calls/{call}",status="200"}"#, 1.0),
            (r#"telegraphone_http_requests_total{method="GET",route="none",status="404"}"#, 1.0),
            (r#"telegraphone_http_request_duration_seconds_count{method="POST",route="/api/v1/session"}"#, 2.0),
            (
                r#"telegraphone_http_request_duration_seconds_bucket{method="POST",route="/api/v1/session",le="+Inf"}"#,
                2.0,
            ),
        ] {
            assert_eq!(after.get(name), Some(&value), "{name} in\n{text}");
        }
        assert!(after["telegraphone_feed_position"] >= 4.0 && after["telegraphone_disk_free_bytes"] > 0.0, "{text}");
        assert!(after["process_open_fds"] > 5.0 && after["process_resident_memory_bytes"] > 1e6, "{text}");
        // A check of a password takes its time: it is in no lower bucket than the others.
        let bucket = |le: &str| {
            let of = r#"method="POST",route="/api/v1/session""#;
            after[&format!(r#"telegraphone_http_request_duration_seconds_bucket{{{of},le="{le}"}}"#)]
        };
        let ends = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
        assert!(ends.windows(2).all(|ends| bucket(ends[0]) <= bucket(ends[1])), "{text}");
        for secret in ["1666", "15550100", "4930123456", "Ada", "watched", &call] {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
        assert_eq!(at.ask("GET", "/api/v1/me", &[], "").status, 404, "there is nothing else");
        assert_eq!(at.ask("POST", "/metrics", &[], "{}").status, 405);
    });
    story.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_not_allowed_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::default_for(folder.path()).metrics;
    for (source, admitted) in [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("192.0.2.1", false)] {
        assert_eq!(config.admits(source.parse().unwrap()), admitted, "{source}");
    }
    let mut named = config;
    named.allow.push("192.0.2.0/28".parse().unwrap());
    for (source, admitted) in [("192.0.2.1", true), ("::ffff:192.0.2.15", true), ("192.0.2.16", false)] {
        assert_eq!(named.admits(source.parse().unwrap()), admitted, "{source}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readiness_needs_no_log_in_and_says_which_part_does_not_work() {
    let folder = tempfile::tempdir().unwrap();
    let ready = service(folder.path(), |_| {}).await;
    let http = Http(ready.http_addresses()[0]);
    let ask = move |http: Http| tokio::task::spawn_blocking(move || http.ask("GET", "/ready", &[], ""));
    let answer = ask(http).await.unwrap();
    let said = answer.json();
    assert_eq!((answer.status, &said["ready"]), (200, &serde_json::json!(true)), "{said}");
    let parts: Vec<&str> =
        said["parts"].as_array().unwrap().iter().map(|part| part["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["database", "disk", "signalling", "media", "recorder", "archivist"]);
    assert!(said["parts"].as_array().unwrap().iter().all(|part| part["ok"] == true), "{said}");
    ready.stop().await;

    // More has to be free than any disk has.
    let full = service(folder.path(), |config| config.recording.refuse_free = u64::MAX / 2).await;
    let answer = ask(Http(full.http_addresses()[0])).await.unwrap();
    let said = answer.json();
    assert_eq!((answer.status, &said["ready"]), (503, &serde_json::json!(false)), "{said}");
    let disk = &said["parts"][1];
    assert!(disk["ok"] == false && disk["problem"].as_str().unwrap().contains("MiB are free"), "{said}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "it is no problem of the request");
    full.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_another_program_keeps_is_told() {
    use sqlx::{Connection, SqliteConnection};
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path(), |_| {}).await;
    let http = Http(service.http_addresses()[0]);
    let database = format!("sqlite://{}", folder.path().join("telegraphone.db").display());
    let mut other = SqliteConnection::connect(&database).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let answer = tokio::task::spawn_blocking(move || http.ask("GET", "/ready", &[], "")).await.unwrap();
    let said = answer.json();
    assert_eq!((answer.status, &said["ready"]), (503, &serde_json::json!(false)), "{said}");
    let wrong: Vec<&serde_json::Value> =
        said["parts"].as_array().unwrap().iter().filter(|part| part["ok"] == false).collect();
    assert_eq!((wrong.len(), &wrong[0]["part"]), (1, &serde_json::json!("database")), "{said}");
    assert_eq!(wrong[0]["problem"], "the database was not written within 2 s");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    service.stop().await;
}

/// A process of its own, as it is installed: signalling, media, recorder, archivist and API write one log.
#[test]
fn every_line_of_the_log_that_tells_of_a_call_has_its_id_and_none_tells_who_called() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home { binary: env!("CARGO_BIN_EXE_telegraphone").into(), folder: folder.path().to_owned() };
    let more = "[http]\nlisten = [\"127.0.0.1:0\"]\n[log]\nformat = \"json\"\n";
    home.set_up(more, &format!("{}{ADA}", SCENE.company()));
    let service = home.serve();
    let lines = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(folder.path().join("log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    };
    let bound = lines().into_iter().find(|line| line["message"] == "the API is listening").unwrap();
    let http = Http(bound["address"].as_str().unwrap().parse().unwrap());
    let ada = http.log_in("watched", "204", "ada-secret");
    let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", None);
    let phones = Phones::new(SCENE, service.sip);
    phones.register();
    let answered = phones.call(7);
    phones.speak(&answered, 25);
    let call = ada.get("/api/v1/calls/live").json()["calls"][0]["id"].as_str().unwrap().to_owned();
    for order in ["pause", "record"] {
        assert_eq!(ada.send("POST", &format!("/api/v1/calls/{call}/{order}"), "").status, 204, "{order}");
    }
    assert_eq!(phones.hang_up(7, &answered).status, 200);
    assert_eq!(stream.next().data["call"], *call);

    let lines = lines();
    let of_call = |line: &&serde_json::Value| line["call"] == *call;
    let said: Vec<&str> = lines.iter().filter(of_call).map(|line| line["message"].as_str().unwrap()).collect();
    for message in [
        "a call has begun",
        "a call was answered",
        "a recording was begun",
        "an order over the API",
        "recording commanded",
        "the media of a call are over",
        "a call has ended",
        "a recording was handed over",
        "event",
    ] {
        assert!(said.contains(&message), "{message} in {said:#?}");
    }
    for line in &lines {
        let tells =
            line["message"].as_str().is_some_and(|message| message.contains("call")) || line.get("recording").is_some();
        let text = line.to_string();
        assert!(line["call"] == *call || !(tells || text.contains(&call)), "{text} has no `call`");
        let secrets = [
            "1666",
            "15550100",
            "Ada",
            "-secret",
            "Authorization",
            "authorization",
            "Digest",
            "nonce",
            "Cookie",
            "Bearer",
            ada.cookie(),
        ];
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}
