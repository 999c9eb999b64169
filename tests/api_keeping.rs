//! How recordings are kept, over HTTP and on the command line's own ways, against a real service with
//! real calls.

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

use http::service::{self, apply, start};
use http::{Http, Response, Session};
use phones::Phones;
use scene::Scene;
use serde_json::{Value, json};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use telegraphone::api::{Answer, Request};
use telegraphone::base::{Span, Wall};
use telegraphone::policy::Lifter;
use telegraphone::service::clock::Clock;
use telegraphone::service::config::Config;
use telegraphone::service::{Service, audit, backup, keeping};
use telegraphone::store::{Contact, Gone, Held};

const SCENE: Scene = Scene("keep");
/// The caller of the first call.
const CALLER: &str = "%2B1666000000";

const PEOPLE: &str = r#"
[[user]]
extension = "203"
name = "Mallory"
password = "mallory-secret"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
"#;
const SECOND_ADMIN: &str = r#"
[[user]]
company = "keep"
extension = "205"
name = "Grace"
password = "grace-secret"
role = "admin"
"#;
const OTHER: &str = r#"
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "204"
name = "Eve"
password = "eve-secret"
role = "admin"
"#;

/// Stops without waiting for calls.
fn config(folder: &Path) -> Config {
    let mut config = service::config(folder);
    config.shutdown.grace = Span::ZERO;
    config
}

async fn service(folder: &Path) -> (Service, SocketAddr, Http) {
    start(config(folder), &[&format!("{}{PEOPLE}", SCENE.company()), OTHER]).await
}

/// Places so many calls to the number, one after the other; each from a number of its own.
fn calls(sip: SocketAddr, count: usize) -> Phones {
    let phones = Phones::registered(SCENE, sip);
    phones.place(0..count, 25);
    phones
}

/// One more call, whose caller has been heard in the file when this returns.
fn heard_call(phones: &Phones, call: usize, dir: &Path) -> telegraphone::sip::message::Response {
    let answered = phones.call(call);
    assert_eq!(answered.status, 200, "{}", answered.reason);
    phones.speak(&answered, 25);
    let written = |path: &PathBuf| {
        let is_part = path.extension().is_some_and(|ending| ending == "part");
        is_part
            && std::fs::read(path)
                .is_ok_and(|bytes| bytes.get(44..4_000).is_some_and(|audio| audio.iter().any(|byte| *byte != 0)))
    };
    until(|| files(dir).iter().any(written).then_some(()));
    answered
}

fn ada(http: Http) -> Session {
    http.log_in("keep", "204", "ada-secret")
}

/// Waits until the viewer has so many recordings that are over, the newest first: call and recording.
fn finished(who: &Session, count: usize) -> Vec<(String, String)> {
    until(|| {
        let page = who.get("/api/v1/calls").json();
        let calls = page["calls"].as_array().unwrap();
        let one = |call: &Value| {
            let id = call["recordings"][0]["id"].as_str()?.to_owned();
            call["ended"].is_string().then(|| (call["id"].as_str().unwrap().to_owned(), id))
        };
        let found: Vec<_> = calls.iter().filter_map(one).collect();
        (found.len() == count).then_some(found)
    })
}

fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn post(who: &Session, path: &str, body: &Value) -> Response {
    who.send("POST", path, &body.to_string())
}

fn put(who: &Session, path: &str, body: &Value) -> Response {
    who.send("PUT", path, &body.to_string())
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// Those that the recording has, by their endings.
fn of_recording(dir: &Path, recording: &str) -> Vec<String> {
    let of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains(recording);
    let ending = |path: &PathBuf| path.extension().unwrap().to_str().unwrap().to_owned();
    let mut endings: Vec<String> = files(dir).iter().filter(|path| of(path)).map(ending).collect();
    endings.sort();
    endings
}

/// The database as whoever has the file has it.
async fn database(folder: &Path) -> sqlx::SqlitePool {
    let path = folder.join("telegraphone.db");
    sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(path)).await.unwrap()
}

fn later(days: u64) -> Wall {
    Clock::start().wall().plus(Span::from_secs(days * 86_400))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recording_expires_by_its_number_or_company_and_says_so_and_a_hold_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (service, sip, http) = service(folder.path()).await;
    let placed = tokio::task::spawn_blocking(move || {
        calls(sip, 2);
        let ada = ada(http);
        let found = finished(&ada, 2);
        for (_, recording) in &found {
            assert_eq!(ada.get(&format!("/api/v1/recordings/{recording}/peaks")).status, 200);
        }
        let held = format!("/api/v1/recordings/{}/hold", found[1].1);
        assert_eq!(put(&ada, &held, &json!({ "reason": "case 7" })).status, 200);
        found
    });
    let found = placed.await.unwrap();
    let (expires, held) = (found[0].1.clone(), found[1].1.clone());
    let sweep = async |days: u64| {
        let swept = keeping::sweep(service.store(), &dir, later(days)).await.unwrap();
        (swept.expired, swept.held, swept.stuck)
    };
    assert_eq!(sweep(400).await, (0, 0, 0), "by default recordings are kept for ever");
    apply(&service, "[[company]]\nkey = \"keep\"\n[company.settings]\nretention_days = 30\n").await;
    assert_eq!(sweep(29).await, (0, 0, 0), "their time is not over");
    apply(&service, "[[number]]\ncompany = \"keep\"\nnumber = \"+15550100\"\nretention_days = 0\n").await;
    assert_eq!(sweep(400).await, (0, 0, 0), "the number keeps them for ever");
    apply(&service, "[[number]]\ncompany = \"keep\"\nnumber = \"+15550100\"\nretention_days = 3\n").await;
    assert_eq!(of_recording(&dir, &expires), ["json", "peaks", "wav"]);
    assert_eq!(sweep(4).await, (1, 1, 0), "the number's days are over, and one is held");
    assert_eq!(sweep(4).await, (0, 1, 0), "once is enough");
    assert_eq!(of_recording(&dir, &expires), [""; 0], "file, sidecar and peaks are gone");
    assert_eq!(of_recording(&dir, &held), ["json", "peaks", "wav"]);
    let told = tokio::task::spawn_blocking(move || {
        let (ada, bob) = (ada(http), http.log_in("keep", "201", "keep-secret"));
        for path in ["", "/audio", "/file", "/peaks"] {
            let gone = ada.get(&format!("/api/v1/recordings/{expires}{path}"));
            assert_eq!(gone.status, 410, "{path}");
            assert_eq!(gone.json()["because"], "expired after 3 days", "{path}");
            assert!(gone.json()["deleted"].is_string(), "{path}");
        }
        assert_eq!(bob.get(&format!("/api/v1/recordings/{expires}")).status, 410, "they could see it");
        let mallory = http.log_in("keep", "203", "mallory-secret");
        assert_eq!(mallory.get(&format!("/api/v1/recordings/{expires}")).status, 404, "they could not");
        let page = ada.get("/api/v1/calls").json();
        assert_eq!(page["calls"][0]["recordings"][0]["state"], "deleted", "the list says so");
        let events = until(|| {
            let events = ada.first_events_after(0);
            events.contains("recording.deleted").then_some(events)
        });
        assert_eq!(events.matches("event: recording.deleted").count(), 1, "{events}");
    });
    told.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn retention_never_touches_a_call_that_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (service, sip, http) = service(folder.path()).await;
    apply(&service, "[[company]]\nkey = \"keep\"\n[company.settings]\nretention_days = 1\n").await;
    let up = tokio::task::spawn_blocking({
        let dir = dir.clone();
        move || {
            let phones = calls(sip, 0);
            let answered = heard_call(&phones, 0, &dir);
            (phones, answered)
        }
    });
    let (phones, answered) = up.await.unwrap();
    let swept = keeping::sweep(service.store(), &dir, later(900)).await.unwrap();
    assert_eq!(swept, keeping::Swept::default());
    assert!(files(&dir).iter().any(|path| path.extension().is_some_and(|ending| ending == "part")));
    let over = tokio::task::spawn_blocking(move || {
        assert_eq!(phones.hang_up(0, &answered).status, 200);
        let ada = ada(http);
        let (_, recording) = finished(&ada, 1).remove(0);
        assert_eq!(ada.get(&format!("/api/v1/recordings/{recording}/audio")).status, 200);
    });
    over.await.unwrap();
    let swept = keeping::sweep(service.store(), &dir, later(2)).await.unwrap();
    assert_eq!(swept.expired, 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hold_stops_everybody_and_two_lift_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let held = tokio::task::spawn_blocking(move || {
        calls(sip, 2);
        let (ada, bob) = (ada(http), http.log_in("keep", "201", "keep-secret"));
        let (mallory, eve) = (http.log_in("keep", "203", "mallory-secret"), http.log_in("other", "204", "eve-secret"));
        let found = finished(&ada, 2);
        let (call, recording) = &found[0];
        let reason = json!({ "reason": "the regulator asks" });
        let path = format!("/api/v1/calls/{call}/hold");
        assert_eq!(put(&bob, &path, &reason).status, 403, "only an admin holds");
        for stranger in [&mallory, &eve] {
            assert_eq!(put(stranger, &path, &reason).status, 404, "they do not see it");
        }
        assert_eq!(put(&ada, &path, &json!({ "reason": " " })).status, 400);
        assert_eq!(put(&ada, &path, &json!({ "reason": "x", "colour": "red" })).status, 400);
        let placed = put(&ada, &path, &reason);
        assert_eq!((placed.status, &placed.json()["call"]), (200, &json!(call)));
        let refused = ada.delete(&format!("/api/v1/recordings/{recording}"));
        assert_eq!(refused.status, 409);
        assert_eq!(refused.json()["hold"]["reason"], "the regulator asks", "it names the hold");
        let holds = ada.get("/api/v1/holds").json();
        assert_eq!(holds["holds"][0]["by"], "204 Ada");
        assert_eq!(holds["holds"].as_array().unwrap().len(), 1);
        let seen = |who: &Session| {
            let (list, one) = (who.get("/api/v1/calls").json(), who.get(&format!("/api/v1/calls/{call}")).json());
            let of =
                |list: &Value| list["calls"].as_array().unwrap().iter().find(|one| one["id"] == json!(call)).cloned();
            assert_eq!(of(&list).unwrap()["hold"], one["hold"], "the list says what the call says");
            let shown = who.get(&format!("/api/v1/recordings/{recording}")).json();
            (one["hold"]["reason"].clone(), shown["call_hold"]["reason"].clone())
        };
        let asks = || json!("the regulator asks");
        assert_eq!(seen(&ada), (asks(), asks()), "who may lift it sees it");
        assert_eq!(seen(&bob), (Value::Null, Value::Null));
        let own = format!("/api/v1/recordings/{}/hold", found[1].1);
        assert_eq!(put(&ada, &own, &json!({ "reason": "case 4" })).status, 200);
        let other = ada.get(&format!("/api/v1/calls/{}", found[1].0)).json();
        assert_eq!(other["recordings"][0]["hold"]["reason"], "case 4", "{other}");
        assert_eq!(ada.get(&format!("/api/v1/recordings/{}", found[1].1)).json()["hold"]["by"], "204 Ada");
        assert_eq!(bob.get("/api/v1/holds").status, 403);
        assert_eq!(eve.get("/api/v1/holds").json(), json!({ "holds": [] }));

        assert_eq!(ada.delete(&format!("/api/v1/recordings/{recording}/hold")).status, 404, "it is on the call");
        let asked = ada.delete(&path);
        assert_eq!((asked.status, &asked.json()["lifted"]), (202, &json!(false)));
        assert!(asked.json()["confirm"].as_str().unwrap().contains("operator"), "there is one admin");
        assert_eq!(ada.delete(&path).status, 409, "nobody confirms what they asked themselves");
        assert_eq!(ada.delete(&format!("/api/v1/recordings/{recording}")).status, 409, "it is still on");
        (call.clone(), recording.clone(), found[1].1.clone())
    });
    let (call, recording, second) = held.await.unwrap();
    let id: telegraphone::base::RecordingId = serde_json::from_value(json!(recording)).unwrap();
    let refused = service.handle().answer(Request::RecordingDelete { recording: id, by: None }).await;
    assert!(matches!(refused, Answer::Held { .. }), "the operator neither: {refused:?}");

    let store = service.store();
    let directory = store.load_directory().await.unwrap();
    let company = directory.company_by_key("keep").unwrap();
    let thing = Held::Call(serde_json::from_value(json!(call)).unwrap());
    let hold = store.hold_on(thing).await.unwrap().unwrap();
    let who = (&Lifter::Operator, "operator");
    telegraphone::api::lift_hold(store, &directory, company, &hold, who, later(0)).await.unwrap();
    apply(&service, SECOND_ADMIN).await;
    let lifted = tokio::task::spawn_blocking(move || {
        let (ada, grace) = (ada(http), http.log_in("keep", "205", "grace-secret"));
        assert_eq!(ada.delete(&format!("/api/v1/recordings/{recording}")).status, 204, "the operator has lifted it");
        let path = format!("/api/v1/recordings/{second}/hold");
        assert_eq!(put(&ada, &path, &json!({ "reason": "again" })).status, 200);
        let asked = ada.delete(&path);
        assert!(asked.json()["confirm"].as_str().unwrap().contains("another admin"), "there are two");
        assert_eq!(grace.delete(&path).status, 204, "another one confirms");
        assert_eq!(grace.delete(&path).status, 404, "it is off");
        assert_eq!(grace.delete(&format!("/api/v1/recordings/{second}")).status, 204);
        assert_eq!(put(&ada, &path, &json!({ "reason": "late" })).status, 410, "nothing is there to hold");
        let log = ada.get("/api/v1/access-log").json();
        let actions: Vec<&str> =
            log["lines"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
        for action in ["hold.place", "hold.lift_asked", "hold.lift"] {
            assert!(actions.contains(&action), "{action} is not in {actions:?}");
        }
        let gone = ada.get(&format!("/api/v1/recordings/{second}")).json();
        assert_eq!(gone["because"], "deleted by 205 Grace");
    });
    lifted.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn peaks_are_for_those_who_may_play_and_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (service, sip, http) = service(folder.path()).await;
    let seen = tokio::task::spawn_blocking(move || {
        let phones = calls(sip, 0);
        let answered = heard_call(&phones, 0, &dir);
        assert_eq!(phones.hang_up(0, &answered).status, 200);
        let (ada, bob) = (ada(http), http.log_in("keep", "201", "keep-secret"));
        let mallory = http.log_in("keep", "203", "mallory-secret");
        let (_, recording) = finished(&ada, 1).remove(0);
        let path = format!("/api/v1/recordings/{recording}/peaks");
        assert_eq!(mallory.get(&path).status, 404);
        let peaks = bob.get(&path).json();
        let length = ada.get(&format!("/api/v1/recordings/{recording}")).json()["length_ms"].as_u64().unwrap();
        assert_eq!((&peaks["rate"], &peaks["samples_per_peak"]), (&json!(8_000), &json!(80)));
        let samples = peaks["samples"].as_u64().unwrap();
        assert_eq!(samples / 8, length);
        let channels = peaks["peaks"].as_array().unwrap();
        assert_eq!(channels.len(), 2, "caller and callee");
        let loudest =
            |channel: &Value| channel.as_array().unwrap().iter().map(|peak| peak.as_f64().unwrap()).fold(0.0, f64::max);
        assert_eq!(channels[0].as_array().unwrap().len() as u64, samples.div_ceil(80));
        // 0x55 in PCMU is -716.
        assert!((0.02..0.03).contains(&loudest(&channels[0])), "the caller spoke: {}", loudest(&channels[0]));
        assert_eq!(loudest(&channels[1]), 0.0, "the callee did not");
        let kept = files(&dir).into_iter().find(|path| path.extension().is_some_and(|ending| ending == "peaks"));
        let made = std::fs::metadata(kept.unwrap()).unwrap();
        assert_eq!(made.permissions().mode() & 0o777, 0o600);
        assert_eq!(bob.get(&path).json(), peaks, "the same again");
        let count = samples.div_ceil(80);
        for points in [1, 3, count - 1, count, 20_000] {
            let fewer = bob.get(&format!("{path}?points={points}")).json();
            let stretch = 80 * count.div_ceil(points);
            assert_eq!((&fewer["samples_per_peak"], &fewer["samples"]), (&json!(stretch), &json!(samples)));
            let of_both = fewer["peaks"].as_array().unwrap();
            assert!(of_both.iter().all(|one| one.as_array().unwrap().len() as u64 == samples.div_ceil(stretch)));
            assert!(samples.div_ceil(stretch) <= points, "{points}");
            assert_eq!((loudest(&of_both[0]), loudest(&of_both[1])), (loudest(&channels[0]), 0.0), "{points}");
        }
        for points in ["0", "20001", "many", "-1"] {
            let refused = bob.get(&format!("{path}?points={points}"));
            assert_eq!(refused.status, 422);
            let told = refused.json()["detail"].to_string();
            assert!(told.contains(&format!("points: `{points}`")), "{told}");
        }
        assert_eq!(mallory.get(&format!("{path}?points=10")).status, 404);
        assert_eq!(ada.delete(&format!("/api/v1/recordings/{recording}")).status, 204);
        assert_eq!(ada.get(&path).status, 410);
        assert_eq!(of_recording(&dir, &recording), [""; 0], "they went with the recording");
    });
    seen.await.unwrap();
    service.stop().await;
}

/// Waits until the export is no longer being made.
fn made(who: &Session, id: i64) -> Value {
    until(|| {
        let export = who.get(&format!("/api/v1/exports/{id}")).json();
        (!matches!(export["state"].as_str().unwrap(), "waiting" | "making")).then_some(export)
    })
}

fn ask_export(who: &Session, path: &str, filter: &Value) -> i64 {
    let asked = post(who, path, filter);
    assert_eq!(asked.status, 202, "{}", String::from_utf8_lossy(&asked.body));
    let id = asked.json()["id"].as_i64().unwrap();
    if path.ends_with("exports") {
        assert_eq!(asked.header("location"), Some(format!("/api/v1/exports/{id}").as_str()));
    }
    id
}

fn member(archive: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_has_what_its_owner_may_fetch_and_goes_with_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let exports = folder.path().join("exports");
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        calls(sip, 3);
        let (ada, bob) = (ada(http), http.log_in("keep", "201", "keep-secret"));
        let eve = http.log_in("other", "204", "eve-secret");
        let found = finished(&ada, 3);
        assert_eq!(post(&bob, "/api/v1/exports", &json!({})).status, 403, "download is off for agents");
        for wrong in [json!({ "limit": 5 }), json!({ "colour": "red" }), json!({ "direction": "up" })] {
            assert_eq!(post(&ada, "/api/v1/exports", &wrong).status, 400, "{wrong}");
        }
        assert_eq!(post(&ada, "/api/v1/exports", &json!({ "inbox": "none" })).status, 404);

        let id = ask_export(&ada, "/api/v1/exports", &json!({ "direction": "inbound" }));
        let ready = made(&ada, id);
        assert_eq!((&ready["state"], &ready["calls"], &ready["recordings"]), (&json!("ready"), &json!(3), &json!(3)));
        let path = format!("/api/v1/exports/{id}/file");
        for (who, what) in [(&bob, "a colleague"), (&eve, "another company")] {
            assert_eq!(who.get(&path).status, 404, "{what}");
            assert_eq!(who.get(&format!("/api/v1/exports/{id}")).status, 404, "{what}");
            assert_eq!(who.delete(&format!("/api/v1/exports/{id}")).status, 404, "{what}");
            assert_eq!(who.get("/api/v1/exports").json(), json!({ "exports": [] }), "{what}");
        }
        let whole = ada.get(&path);
        assert_eq!((whole.status, whole.header("content-type")), (200, Some("application/zip")));
        assert_eq!(ready["bytes"], json!(whole.body.len()));
        let part = ada.get_with(&path, &[("Range", "bytes=0-3")]);
        assert_eq!((part.status, part.body.as_slice()), (206, b"PK\x03\x04".as_slice()));
        let index: Value = serde_json::from_slice(&member(&whole.body, "index.json")).unwrap();
        let calls = index["calls"].as_array().unwrap();
        assert_eq!(
            calls.iter().map(|call| call["id"].as_str().unwrap()).collect::<Vec<_>>(),
            found.iter().map(|(call, _)| call.as_str()).collect::<Vec<_>>(),
            "the newest first"
        );
        let file = &calls[0]["files"][0];
        let audio = member(&whole.body, file["file"].as_str().unwrap());
        let recording = file["recording"].as_str().unwrap();
        assert_eq!(audio, ada.get(&format!("/api/v1/recordings/{recording}/file")).body);
        let csv = String::from_utf8(member(&whole.body, "index.csv")).unwrap();
        assert_eq!(csv.lines().count(), 4, "{csv}");
        assert!(csv.contains(file["audio_sha256"].as_str().unwrap()) && csv.contains("\"+1666000000\""), "{csv}");
        let on_disk = files(&exports);
        assert_eq!(on_disk.len(), 1, "no drafts are left: {on_disk:?}");
        assert_eq!(std::fs::metadata(&on_disk[0]).unwrap().permissions().mode() & 0o777, 0o600);

        let about = ask_export(&ada, &format!("/api/v1/contacts/{CALLER}/export"), &json!({}));
        let about = made(&ada, about);
        assert_eq!((&about["calls"], &about["contact"]), (&json!(1), &json!("+1666000000")));

        // A copy of what is deleted is in no archive either.
        assert_eq!(ada.delete(&format!("/api/v1/recordings/{recording}")).status, 204);
        let gone = ada.get(&path);
        assert_eq!(
            (gone.status, ada.get(&format!("/api/v1/exports/{id}")).json()["state"].clone()),
            (410, json!("withdrawn"))
        );
        let kept = format!("/api/v1/exports/{}/file", about["id"]);
        assert_eq!(ada.get(&kept).status, 200, "the other one has nothing of it");
        assert_eq!(ada.delete(kept.trim_end_matches("/file")).status, 204);
        until(|| files(&exports).is_empty().then_some(()));
        assert_eq!(ada.get(&kept).status, 404);
    });
    story.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_is_limited_and_is_fetched_only_while_its_owner_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    (config.exports.per_user, config.exports.max_bytes) = (2, 1 << 20);
    let service = Service::start(config).await.unwrap();
    let people = PEOPLE.replacen(
        "name = \"Mallory\"",
        "name = \"Mallory\"\ndownload = true\nplay = \"all\"\ncall_visibility = \"all\"",
        1,
    );
    apply(&service, &format!("{}{people}", SCENE.company())).await;
    let (sip, http) = (service.sip_addresses()[0].1, Http(service.http_addresses()[0]));
    let before = tokio::task::spawn_blocking(move || {
        calls(sip, 1);
        let mallory = http.log_in("keep", "203", "mallory-secret");
        finished(&mallory, 1);
        let id = ask_export(&mallory, "/api/v1/exports", &json!({ "recorded": true }));
        assert_eq!(made(&mallory, id)["state"], "ready");
        assert_eq!(mallory.get(&format!("/api/v1/exports/{id}/file")).status, 200);
        let second = ask_export(&mallory, "/api/v1/exports", &json!({ "recorded": false }));
        let empty = made(&mallory, second);
        assert_eq!((&empty["state"], &empty["calls"]), (&json!("ready"), &json!(0)));
        let third = post(&mallory, "/api/v1/exports", &json!({}));
        assert_eq!(third.status, 429);
        assert!(third.json()["detail"].as_str().unwrap().contains("2 exports"));
        (mallory, id)
    });
    let (mallory, id) = before.await.unwrap();
    apply(&service, "[[user]]\ncompany = \"keep\"\nextension = \"203\"\ndownload = false\n").await;
    let after = tokio::task::spawn_blocking(move || {
        let path = format!("/api/v1/exports/{id}");
        assert_eq!(mallory.get(&format!("{path}/file")).status, 410, "the right is gone, and so is the archive");
        assert_eq!(mallory.get(&path).json()["state"], "withdrawn");
    });
    after.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_that_a_stop_interrupted_is_made_at_the_next_start_and_expires() {
    let folder = tempfile::tempdir().unwrap();
    let (first, sip, http) = service(folder.path()).await;
    let placed = tokio::task::spawn_blocking(move || {
        calls(sip, 1);
        let ada = ada(http);
        finished(&ada, 1);
        made(&ada, ask_export(&ada, "/api/v1/exports", &json!({})))["id"].as_i64().unwrap()
    });
    let id = placed.await.unwrap();
    first.stop().await;
    // As a kill leaves it in the middle.
    let pool = database(folder.path()).await;
    sqlx::query("UPDATE exports SET state = 'making'").execute(&pool).await.unwrap();
    let zip = folder.path().join(format!("exports/{id}.zip"));
    std::fs::rename(&zip, folder.path().join(format!("exports/{id}.zip.tmp"))).unwrap();
    let again = Service::start(config(folder.path())).await.unwrap();
    let http = Http(again.http_addresses()[0]);
    let story = tokio::task::spawn_blocking(move || {
        let ada = ada(http);
        assert_eq!(made(&ada, id)["state"], "ready");
        assert_eq!(ada.get(&format!("/api/v1/exports/{id}/file")).status, 200);
    });
    story.await.unwrap();
    sqlx::query("UPDATE exports SET expires = 1").execute(&pool).await.unwrap();
    pool.close().await;
    let over = tokio::task::spawn_blocking(move || {
        let gone = ada(http).get(&format!("/api/v1/exports/{id}/file"));
        assert_eq!(gone.status, 410, "its time is over");
    });
    over.await.unwrap();
    again.stop().await;
}

/// What an erase says of calls, recordings, events (whether there were any), exports and calls that it kept.
fn erased(report: &Value) -> [u64; 5] {
    let of = |key: &str| report[key].as_u64().unwrap();
    [of("calls"), of("recordings"), of("events").min(1), of("exports"), of("kept")]
}

/// Where the database still tells of the first caller.
async fn told_of_the_caller(folder: &Path) -> Vec<String> {
    let pool = database(folder).await;
    let found = sqlx::query_scalar(
        "SELECT 'call' FROM calls WHERE caller_address LIKE '%1666000000' OR detail LIKE '%1666000000%'
         UNION ALL SELECT 'recording' FROM recordings WHERE sidecar LIKE '%1666000000%'
         UNION ALL SELECT DISTINCT 'event' FROM feed WHERE event LIKE '%1666000000%'
         UNION ALL SELECT DISTINCT 'outbox' FROM outbox WHERE told LIKE '%1666000000%'
         UNION ALL SELECT 'export' FROM exports WHERE what LIKE '%1666000000%'
         UNION ALL SELECT 'log' FROM access_log WHERE thing LIKE '%1666000000%'",
    );
    let found = found.fetch_all(&pool).await.unwrap();
    pool.close().await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_contact_is_erased_everywhere_but_where_a_hold_is_and_again_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (service, sip, http) = service(folder.path()).await;
    apply(&service, SECOND_ADMIN).await;
    let path = format!("/api/v1/contacts/{CALLER}/erase");
    let real = json!({ "dry_run": false, "confirm": "+1666000000" });
    let held = tokio::task::spawn_blocking({
        let (path, real, dir) = (path.clone(), real.clone(), dir.clone());
        move || {
            calls(sip, 2);
            let (ada, bob) = (ada(http), http.log_in("keep", "201", "keep-secret"));
            let found = finished(&ada, 2);
            until(|| (ada.first_events_after(0).matches("event: recording.finished").count() == 2).then_some(()));
            let hold = format!("/api/v1/calls/{}/hold", found[1].0);
            assert_eq!(put(&ada, &hold, &json!({ "reason": "case 9" })).status, 200);
            assert_eq!(post(&bob, &path, &json!({})).status, 403);
            let refused = post(&ada, &path, &json!({ "dry_run": false }));
            assert_eq!(refused.status, 400, "the number has to be said once more");
            assert_eq!(post(&ada, "/api/v1/contacts/%2B15550100/erase", &json!({})).status, 400, "it is the company's");
            let report = post(&ada, &path, &real).json();
            assert_eq!(erased(&report), [0, 0, 0, 0, 1], "{report}");
            assert!(report["kept_calls"][0]["because"].as_str().unwrap().contains("case 9"));
            assert_eq!(of_recording(&dir, &found[1].1), ["json", "wav"], "what is held stays whole");
            let call = ada.get(&format!("/api/v1/calls/{}", found[1].0)).json();
            assert_eq!(call["caller"]["address"], "+1666000000");
            assert_eq!(ada.delete(&hold).status, 202);
            assert_eq!(http.log_in("keep", "205", "grace-secret").delete(&hold).status, 204);
            made(&ada, ask_export(&ada, &format!("/api/v1/contacts/{CALLER}/export"), &json!({})));
            let dry = post(&ada, &path, &json!({})).json();
            assert_eq!((erased(&dry), &dry["dry_run"]), ([1, 1, 1, 1, 0], &json!(true)), "{dry}");
            assert_eq!(finished(&ada, 2), found, "nothing was touched");
            found
        }
    });
    let found = held.await.unwrap();
    assert_eq!(told_of_the_caller(folder.path()).await, ["call", "recording", "event", "outbox", "export"]);
    let done = tokio::task::spawn_blocking(move || {
        let ada = ada(http);
        let report = post(&ada, &path, &real).json();
        assert_eq!((erased(&report), &report["files_left"]), ([1, 1, 1, 1, 0], &json!(0)), "{report}");
        let again = post(&ada, &path, &real).json();
        assert_eq!(erased(&again), [0; 5], "{again}");
        let (call, recording) = &found[1];
        let shown = ada.get(&format!("/api/v1/calls/{call}")).json();
        assert_eq!((&shown["caller"]["address"], &shown["caller"]["name"]), (&json!("erased"), &json!("erased")));
        assert_eq!(shown["callee"]["user"], "201", "nobody else is blanked");
        let gone = ada.get(&format!("/api/v1/recordings/{recording}"));
        assert_eq!((gone.status, &gone.json()["because"]), (410, &json!("erased")));
        assert_eq!(of_recording(&dir, recording), [""; 0]);
        let other = ada.get(&format!("/api/v1/calls/{}", found[0].0)).json();
        assert_eq!(other["caller"]["address"], "+1666000001");
        assert_eq!(of_recording(&dir, &found[0].1), ["json", "wav"]);
    });
    done.await.unwrap();
    let left = told_of_the_caller(folder.path()).await;
    assert_eq!(left, [""; 0], "nothing tells of it, not even the log, which is kept for ever");
    service.stop().await;
}

/// A process that dies in the middle of an erase leaves rows that say that their files have to go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_erase_that_died_before_its_files_went_is_finished_by_the_next_look_and_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (first, sip, http) = service(folder.path()).await;
    let placed = tokio::task::spawn_blocking(move || {
        calls(sip, 2);
        finished(&ada(http), 2)
    });
    let found = placed.await.unwrap();
    let erase = async |service: &Service, at: usize, number: &str| {
        let call = serde_json::from_value(json!(found[at].0)).unwrap();
        let contact = Contact::parse(number).unwrap();
        let gone = Gone { at: later(0), because: "erased".to_owned(), by: "204 Ada".to_owned() };
        service.store().erase_call(call, &contact, &gone).await.unwrap();
        assert_eq!(of_recording(&dir, &found[at].1), ["json", "wav"], "the rows first, then the files");
    };
    erase(&first, 0, "+1666000001").await;
    let swept = keeping::sweep(first.store(), &dir, later(0)).await.unwrap();
    assert_eq!((swept.expired, swept.stuck), (0, 0));
    assert_eq!(of_recording(&dir, &found[0].1), [""; 0]);
    erase(&first, 1, "+1666000000").await;
    first.stop().await;
    let again = Service::start(config(folder.path())).await.unwrap();
    assert_eq!(of_recording(&dir, &found[1].1), [""; 0]);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_not_as_it_was_recorded_is_named_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (service, sip, http) = service(folder.path()).await;
    let placed = tokio::task::spawn_blocking(move || {
        let phones = calls(sip, 4);
        let ada = ada(http);
        // The two newest have audio.
        for call in [4, 5] {
            finished(&ada, call);
            let answered = heard_call(&phones, call, &dir);
            assert_eq!(phones.hang_up(call, &answered).status, 200);
        }
        let found = finished(&ada, 6);
        for (_, recording) in &found {
            assert_eq!(ada.get(&format!("/api/v1/recordings/{recording}/peaks")).status, 200);
        }
        let (_, last) = &found[5];
        let wav = files(&dir).into_iter().find(|path| path.display().to_string().ends_with(&format!("{last}.wav")));
        let wav = wav.unwrap();
        let kept = std::fs::read(&wav).unwrap();
        assert_eq!(ada.delete(&format!("/api/v1/recordings/{last}")).status, 204);
        std::fs::write(&wav, kept).unwrap();
        let path = |at: usize, ending: &str| {
            let name = format!("{}.{ending}", found[at].1);
            files(&dir).into_iter().find(|path| path.display().to_string().ends_with(&name)).unwrap()
        };
        let flip = |path: &Path, at: usize| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[at] ^= 1;
            std::fs::write(path, bytes).unwrap();
        };
        flip(&path(0, "wav"), 100);
        flip(&path(3, "wav"), 8);
        let text = std::fs::read_to_string(path(2, "json")).unwrap();
        std::fs::write(path(2, "json"), text.replace("+1666", "+1777")).unwrap();
        let peaks = path(1, "peaks");
        let end = std::fs::metadata(&peaks).unwrap().len() as usize;
        flip(&peaks, end - 1);
        std::fs::remove_file(path(4, "json")).unwrap();
        found.into_iter().map(|(_, recording)| recording).collect::<Vec<_>>()
    });
    let found = placed.await.unwrap();
    let answer = service.handle().answer(Request::RecordingVerify { recording: None, before: None }).await;
    let Answer::Verified { results, next } = answer else { panic!("{answer:?}") };
    assert_eq!((results.len(), next), (6, None));
    for (recording, told) in found.iter().zip([
        "the audio is not what was recorded",
        "the peaks are not those of the audio",
        "the sidecar is not what the row says",
        "header or markers are not what was written",
        "the sidecar cannot be read",
        "it was deleted, and",
    ]) {
        let result = results.iter().find(|result| result.recording.to_string() == *recording).unwrap();
        assert!(result.problem.contains(told), "{told}: {}", result.problem);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_while_a_call_is_up_comes_back_elsewhere_and_can_be_played() {
    let (folder, copy, elsewhere) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = copy.path().join("backup");
    let dir = folder.path().join("recordings");
    let (first, sip, http) = service(folder.path()).await;
    let before = tokio::task::spawn_blocking(move || {
        let phones = calls(sip, 2);
        let ada = ada(http);
        let found = finished(&ada, 2);
        let answered = heard_call(&phones, 7, &dir);
        let audio = ada.get(&format!("/api/v1/recordings/{}/audio", found[0].1)).body;
        (found, audio, phones, answered)
    });
    let (found, audio, phones, answered) = before.await.unwrap();
    let running = config(folder.path());
    let quiet = |_| ();
    let done = backup::backup(&running, &copy, false, later(0), quiet).await.unwrap();
    assert_eq!((done.recordings, done.copied, done.open_calls.len()), (2, 2, 1), "{done:?}");
    assert_eq!(done.problems, [""; 0]);
    let parts = files(&copy).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "part"));
    assert_eq!(parts.count(), 0, "the open call's part is not there");
    let again = backup::backup(&running, &copy, true, later(0), quiet).await.unwrap();
    assert_eq!((again.recordings, again.copied), (2, 0), "what is there is not copied again");

    // What is deleted goes from the backup too; what ends in between comes into the next one.
    let deleted = found[1].1.clone();
    let ended = tokio::task::spawn_blocking(move || {
        assert_eq!(phones.hang_up(7, &answered).status, 200);
        let ada = ada(http);
        finished(&ada, 3);
        assert_eq!(ada.delete(&format!("/api/v1/recordings/{deleted}")).status, 204);
    });
    let open = again.open_calls[0];
    ended.await.unwrap();
    let third = backup::backup(&running, &copy, false, later(0), quiet).await.unwrap();
    assert_eq!((third.recordings, third.copied, third.removed), (2, 1, 2), "{third:?}");
    first.stop().await;

    let other = config(elsewhere.path());
    let restored = backup::restore(&other, &copy, quiet).await.unwrap();
    assert_eq!((restored.problems.len(), restored.open_calls.len()), (0, 0), "{restored:?}");
    let refused = backup::restore(&other, &copy, quiet).await.unwrap_err().to_string();
    assert!(refused.contains("is not empty"), "{refused}");
    let second = Service::start(other.clone()).await.unwrap();
    let http = Http(second.http_addresses()[0]);
    let played = tokio::task::spawn_blocking(move || {
        let ada = ada(http);
        assert_eq!(ada.get(&format!("/api/v1/recordings/{}/audio", found[0].1)).body, audio);
        assert_eq!(ada.get(&format!("/api/v1/recordings/{}/audio", found[1].1)).status, 410);
        assert_eq!(ada.get(&format!("/api/v1/calls/{open}")).json()["recordings"].as_array().unwrap().len(), 1);
    });
    played.await.unwrap();
    let proven = audit::verify(second.store(), &other.audit, None).await.unwrap();
    assert!(proven.is_ok(), "the access log goes on: {proven:?}");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_of_an_open_call_says_so_and_a_damaged_one_does_not_come_back() {
    let (folder, copy, elsewhere) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = folder.path().join("recordings");
    let (first, sip, http) = service(folder.path()).await;
    let up = tokio::task::spawn_blocking(move || {
        let phones = calls(sip, 1);
        finished(&ada(http), 1);
        let answered = heard_call(&phones, 7, &dir);
        (phones, answered)
    });
    let (phones, answered) = up.await.unwrap();
    let done = backup::backup(&config(folder.path()), copy.path(), false, later(0), |_| ()).await.unwrap();
    let open = done.open_calls[0];
    let over = tokio::task::spawn_blocking(move || phones.hang_up(7, &answered).status);
    assert_eq!(over.await.unwrap(), 200);
    first.stop().await;
    let other = config(elsewhere.path());
    for (name, damage) in [("wav", 60usize), ("db", 5_000)] {
        let file = files(copy.path()).into_iter().find(|path| path.extension().is_some_and(|ending| ending == name));
        let file = file.unwrap();
        let kept = std::fs::read(&file).unwrap();
        let mut bytes = kept.clone();
        bytes[damage] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let refused = backup::restore(&other, copy.path(), |_| ()).await.unwrap_err().to_string();
        assert!(refused.contains("is not what the manifest says"), "{name}: {refused}");
        assert_eq!(files(elsewhere.path()).len(), 0, "{name}: nothing of it stays");
        std::fs::write(&file, kept).unwrap();
    }
    let restored = backup::restore(&other, copy.path(), |_| ()).await.unwrap();
    assert_eq!(restored.open_calls, [open], "it is told");
    let second = Service::start(other).await.unwrap();
    let http = Http(second.http_addresses()[0]);
    let told = tokio::task::spawn_blocking(move || {
        let call = ada(http).get(&format!("/api/v1/calls/{open}")).json();
        assert_eq!((&call["end_reason"], &call["recordings"][0]["state"]), (&json!("crashed"), &json!("failed")));
    });
    told.await.unwrap();
    second.stop().await;
}

/// The operator's own words for it, without a service that runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_command_line_holds_proves_erases_backs_up_and_restores() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy, new) = (folder.path().join("data"), folder.path().join("copy"), folder.path().join("new"));
    let (service, sip, http) = service(&data).await;
    let placed = tokio::task::spawn_blocking(move || {
        calls(sip, 2);
        finished(&ada(http), 2)
    });
    let found = placed.await.unwrap();
    service.stop().await;
    let said = |data: &Path, words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_telegraphone"));
        let output = command.arg("--data").arg(data).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let good = |data: &Path, words: &[&str]| {
        let (success, out, error) = said(data, words);
        assert!(success, "{words:?}: {error}");
        out
    };
    let (call, recording) = &found[1];
    assert!(good(&data, &["recording", "verify"]).contains("2 of 2"));
    let proven: Value = serde_json::from_str(&good(&data, &["recording", "verify", recording, "--json"])).unwrap();
    assert_eq!((&proven["results"][0]["recording"], &proven["results"][0]["problem"]), (&json!(recording), &json!("")));
    assert!(good(&data, &["recording", "hold", call, "--reason", "case 3"]).contains("case 3"));
    let holds: Value = serde_json::from_str(&good(&data, &["recording", "holds", "--json"])).unwrap();
    assert_eq!(holds[0]["call"], json!(call));
    let told = good(&data, &["contact", "erase", "keep", "+1666000000"]);
    assert!(told.contains("case 3") && told.contains("Nothing was changed"), "{told}");
    assert!(good(&data, &["recording", "lift", call]).contains("another admin"), "it takes two");
    let (success, _, error) = said(&data, &["recording", "lift", call]);
    assert!(!success && error.contains("asked already"), "{error}");
    let told = good(&data, &["contact", "erase", "keep", "+1666000001", "--confirm", "+1666000001", "--json"]);
    assert_eq!(erased(&serde_json::from_str(&told).unwrap())[..2], [1, 1], "{told}");
    let (_, backup) = (good(&data, &["audit", "verify"]), good(&data, &["backup", copy.to_str().unwrap()]));
    assert!(backup.contains("1 recordings, 1 of them copied now"), "{backup}");
    assert!(good(&new, &["restore", copy.to_str().unwrap()]).contains("2 recordings proven"), "that one is gone, too");
    assert!(good(&new, &["recording", "verify"]).contains("2 of 2"));
    assert!(good(&new, &["audit", "verify"]).contains("agree"));
    let (success, _, error) = said(&new, &["restore", copy.to_str().unwrap()]);
    assert!(!success && error.contains("is not empty"), "{error}");
}
