//! Notes on calls, call flows that are tried, and softphones that are set up by a link, over HTTP against a
//! real service.

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

use http::service::{config, start};
use http::{Http, Response, Session};
use phones::Phones;
use scene::Scene;
use serde_json::{Value, json};
use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use telegraphone::service::Service;
use telegraphone::service::config::Config;

const SCENE: Scene = Scene("office");
/// 201 is on the calls; Jane sees those of the inbox; Mallory sees none.
const PEOPLE: &str = r#"
[[user]]
extension = "202"
name = "Jane"
password = "jane-secret"
[[user]]
extension = "203"
name = "Mallory"
password = "mallory-secret"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
[[user]]
extension = "205"
name = "Grace"
password = "grace-secret"
role = "admin"
[[inbox]]
name = "front"
numbers = ["+15550100"]
members = ["202"]
[[flow]]
name = "main"
[[flow.step]]
name = "first"
do = "recording"
on = true
next = "ring"
[[flow.step]]
name = "ring"
do = "ring"
target = "user:202"
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

async fn service(config: Config) -> (Service, SocketAddr, Http) {
    start(config, &[&format!("{}{PEOPLE}", SCENE.company()), OTHER]).await
}

/// Tells a story of a service that runs in a folder of its own.
async fn story(change: impl FnOnce(&mut Config), tell: impl FnOnce(SocketAddr, Http) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    change(&mut config);
    let (service, sip, http) = service(config).await;
    tokio::task::spawn_blocking(move || tell(sip, http)).await.unwrap();
    service.stop().await;
}

fn post(who: &Session, path: &str, body: &Value) -> Response {
    who.send("POST", path, &body.to_string())
}

fn ok(answer: &Response, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Places one call, and waits until it is over: its id.
fn call(ada: &Session, sip: SocketAddr) -> String {
    let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", None);
    Phones::registered(SCENE, sip).place(0..1, 25);
    stream.next().data["call"].as_str().unwrap().to_owned()
}

fn member(archive: &[u8], name: &str) -> Value {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_sees_a_call_reads_and_writes_its_notes_and_their_writer_or_an_admin_deletes_them() {
    story(
        |_| {},
        |sip, http| {
            let (ada, jane) = (http.log_in("office", "204", "ada-secret"), http.log_in("office", "202", "jane-secret"));
            let (mallory, eve) =
                (http.log_in("office", "203", "mallory-secret"), http.log_in("other", "204", "eve-secret"));
            let bob = http.log_in("office", "201", "office-secret");
            let id = call(&ada, sip);
            let (of_call, notes) = (format!("/api/v1/calls/{id}"), format!("/api/v1/calls/{id}/notes"));
            assert_eq!(ok(&jane.get(&notes), 200), json!({ "notes": [] }));
            let mut told = jane.stream("/api/v1/events?kinds=call.noted", None);
            let hello = json!({ "text": " Wants a call back.\nOn Monday. " });
            let first = ok(&post(&bob, &notes, &hello), 201);
            assert_eq!(first["text"], "Wants a call back.\nOn Monday.");
            assert_eq!(first["by"], json!({ "extension": "201", "name": "Device" }));
            let event = told.next();
            assert_eq!((event.name.as_str(), &event.data["call"]), ("call.noted", &json!(id)));
            assert_eq!(event.data["note"], json!({ "id": first["id"], "user": "201", "name": "Device" }));
            assert!(!event.data.to_string().contains("call back"), "what it says is fetched: {}", event.data);
            let second = ok(&post(&jane, &notes, &json!({ "text": "Done." })), 201);

            for wrong in ["", " \n ", "\u{7}", &"x".repeat(4_001)] {
                assert_eq!(post(&jane, &notes, &json!({ "text": wrong })).status, 400, "{wrong:.20}");
            }
            assert_eq!(post(&jane, &notes, &json!({ "text": "x", "colour": "red" })).status, 400);
            assert_eq!(ok(&post(&jane, &notes, &json!({ "text": "ü".repeat(4_000) })), 201)["id"], json!(3));

            let page = ok(&ada.get(&format!("{notes}?limit=2")), 200);
            assert_eq!(page["notes"], json!([first, second]), "the oldest first");
            let rest = ok(&ada.get(&format!("{notes}?limit=2&after={}", page["next"])), 200);
            assert_eq!((rest["notes"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
            for path in ["?limit=0", "?limit=201", "?after=x", "?before=1"] {
                assert_eq!(ada.get(&format!("{notes}{path}")).status, 400, "{path}");
            }
            for who in [&ada, &jane, &bob] {
                assert_eq!(who.get(&of_call).json()["notes"], 3);
                assert_eq!(who.get("/api/v1/calls").json()["calls"][0]["notes"], 3);
            }

            let one = format!("{notes}/{}", first["id"]);
            for stranger in [&mallory, &eve] {
                assert_eq!(stranger.get(&notes).status, 404);
                assert_eq!(post(stranger, &notes, &json!({ "text": "x" })).status, 404);
                assert_eq!(stranger.delete(&one).status, 404);
            }
            assert_eq!(jane.delete(&one).status, 403, "it is another's");
            assert_eq!(jane.delete(&format!("{notes}/{}", second["id"])).status, 204, "it is her own");
            assert_eq!(ada.delete(&format!("{notes}/3")).status, 204, "an admin");
            assert_eq!(ada.delete(&format!("{notes}/3")).status, 404);
            assert_eq!(ada.get(&of_call).json()["notes"], 1);
            let log = ada.get("/api/v1/access-log").json();
            let of_notes = |line: &&Value| line["action"].as_str().unwrap().starts_with("call.note");
            let lines: Vec<String> =
                log["lines"].as_array().unwrap().iter().filter(of_notes).map(Value::to_string).collect();
            assert_eq!(lines.len(), 5, "{lines:?}");
            assert!(lines.iter().all(|line| line.contains(&id) && !line.contains("call back")), "{lines:?}");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_reads_notes_with_one_scope_and_writes_them_with_another() {
    story(
        |_| {},
        |sip, http| {
            let ada = http.log_in("office", "204", "ada-secret");
            let notes = format!("/api/v1/calls/{}/notes", call(&ada, sip));
            for (scope, reads, writes) in [("calls.read", 200, 403), ("calls.note", 403, 201)] {
                let made = post(&ada, "/api/v1/tokens", &json!({ "name": "t", "scopes": [scope] })).json();
                let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
                let bearer = [("Authorization", bearer.as_str())];
                assert_eq!(http.ask("GET", &notes, &bearer, "").status, reads, "{scope}");
                assert_eq!(http.ask("POST", &notes, &bearer, r#"{"text":"x"}"#).status, writes, "{scope}");
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn notes_are_in_archives_go_with_an_erased_contact_and_stay_under_a_hold() {
    story(
        |_| {},
        |sip, http| {
            let (ada, grace) =
                (http.log_in("office", "204", "ada-secret"), http.log_in("office", "205", "grace-secret"));
            let id = call(&ada, sip);
            let (notes, hold) = (format!("/api/v1/calls/{id}/notes"), format!("/api/v1/calls/{id}/hold"));
            let note = ok(&post(&ada, &notes, &json!({ "text": "She was angry." })), 201);
            let contact =
                ada.get(&format!("/api/v1/calls/{id}")).json()["caller"]["address"].as_str().unwrap().to_owned();
            let of_contact = format!("/api/v1/contacts/{}", contact.replace('+', "%2B"));

            for path in ["/api/v1/exports", &format!("{of_contact}/export")] {
                let export = post(&ada, path, &json!({}));
                assert!(export.status < 300, "{}", String::from_utf8_lossy(&export.body));
                let of_export = format!("/api/v1/exports/{}", export.json()["id"]);
                until(|| (ada.get(&of_export).json()["state"] == "ready").then_some(()));
                let index = member(&ada.get(&format!("{of_export}/file")).body, "index.json");
                assert_eq!(index["calls"][0]["notes"], 1, "{path}");
                assert_eq!(index["calls"][0]["written_notes"], json!([note]), "{path}");
            }

            assert_eq!(ada.send("PUT", &hold, r#"{"reason":"case 3"}"#).status, 200);
            let held = ada.delete(&format!("{notes}/{}", note["id"]));
            assert_eq!((held.status, &held.json()["hold"]["reason"]), (409, &json!("case 3")));
            let erase = |dry_run: bool| {
                let body = json!({ "dry_run": dry_run, "confirm": contact });
                ok(&post(&ada, &format!("{of_contact}/erase"), &body), 200)
            };
            assert_eq!(erase(false)["notes"], 0, "what is held is not touched");
            assert_eq!(ok(&ada.get(&notes), 200)["notes"], json!([note]));
            assert_eq!(ada.delete(&hold).status, 202);
            assert_eq!(grace.delete(&hold).status, 204);
            assert_eq!(erase(true)["notes"], 1);
            assert_eq!(ok(&ada.get(&notes), 200)["notes"], json!([note]));
            let report = erase(false);
            assert_eq!((&report["notes"], &report["calls"]), (&json!(1), &json!(1)), "{report}");
            assert_eq!(ok(&ada.get(&notes), 200)["notes"], json!([]));
            let log = ada.get("/api/v1/access-log").json().to_string();
            assert!(log.contains("1 calls, 1 recordings, 1 notes"), "{log}");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flow_is_tried_before_it_is_there_and_what_is_wrong_with_it_is_said() {
    story(
        |_| {},
        |_, http| {
            let (ada, jane) = (http.log_in("office", "204", "ada-secret"), http.log_in("office", "202", "jane-secret"));
            let path = "/api/v1/flows/try";
            let as_it_is = ok(&post(&ada, path, &json!({ "name": "main", "number": "+15550100" })), 200);
            assert_eq!(
                (&as_it_is["valid"], &as_it_is["record"], &as_it_is["because"]),
                (&json!(true), &json!(true), &json!("flow_step")),
                "{as_it_is}"
            );
            assert_eq!(as_it_is["because_text"], "Recorded: the recording step `first` of the call flow `main`.");
            assert_eq!(as_it_is["ends"]["users"], json!(["202"]));
            let step = &as_it_is["path"][0];
            assert_eq!(
                (&step["flow"], &step["step"], &step["does"]),
                (&json!("main"), &json!("first"), &json!("recording"))
            );
            assert_eq!(step["branch"]["to"], "ring");

            // Midnight in Berlin, said in three ways.
            assert_eq!(ada.send("PATCH", "/api/v1/settings", r#"{"time_zone":"Europe/Berlin"}"#).status, 200);
            let flow = json!({ "name": "night", "step": [
                { "name": "hours", "do": "schedule", "time_zone": "Europe/Berlin", "hours": ["mon-fri 08:00-18:00"],
                  "open": "ring", "closed": "menu" },
                { "name": "menu", "do": "menu", "prompt": "closed", "digits": { "1": "ring" }, "timeout": "bye" },
                { "name": "ring", "do": "ring", "target": "user:201" },
                { "name": "bye", "do": "hangup", "cause": 486 },
            ] });
            for at in ["2026-11-27T23:00:00Z", "2026-11-28T00:00:00+01:00", "2026-11-28T00:00"] {
                let body = json!({ "flow": flow, "at": at, "keys": { "menu": "1" }, "caller": "+4930555" });
                let tried = ok(&post(&ada, path, &body), 200);
                let exits: Vec<&str> = tried["path"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|step| step["branch"]["exit"].as_str().unwrap())
                    .collect();
                assert_eq!(exits, ["closed", "1", "answered"], "{at}: {tried}");
                assert_eq!(
                    (&tried["ends"]["kind"], &tried["because"]),
                    (&json!("answered"), &json!("company")),
                    "{at}"
                );
            }
            let silent = json!({ "flow": flow, "at": "2026-11-27T23:00:00Z" });
            assert_eq!(ok(&post(&ada, path, &silent), 200)["ends"]["status"], 486);
            let unanswered = json!({ "flow": flow, "at": "2026-11-27T12:00:00Z", "answered": false });
            assert_eq!(ok(&post(&ada, path, &unanswered), 200)["ends"]["status"], 480);
            let inside = json!({ "flow": flow, "at": "2026-11-27T12:00:00Z", "caller": "202" });
            assert_eq!(ok(&post(&ada, path, &inside), 200)["record"], false, "internal calls are not recorded here");
            assert_eq!(ada.get("/api/v1/flows/night").status, 404, "nothing was kept");

            let broken = json!({ "flow": { "step": [
                { "name": "a", "do": "announce", "prompt": "nosuch", "next": "b" },
                { "name": "b", "do": "ring", "target": "user:999", "next": "gone" },
                { "name": "c", "do": "schedule", "hours": ["mon"], "open": "a", "closed": "a", "time_zone": "Mars" },
            ] } });
            let said = ok(&post(&ada, path, &broken), 200);
            assert_eq!((&said["valid"], &said["path"], &said["record"]), (&json!(false), &json!([]), &Value::Null));
            let values: Vec<&str> =
                said["errors"].as_array().unwrap().iter().map(|error| error["value"].as_str().unwrap()).collect();
            assert_eq!(values, ["mon", "Mars"], "what cannot be read comes first: {said}");
            let readable = json!({ "flow": { "step": [broken["flow"]["step"][0], broken["flow"]["step"][1]] } });
            let said = ok(&post(&ada, path, &readable), 200);
            let errors: Vec<(&str, &str, &str)> = said["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| {
                    let text = |key: &str| error[key].as_str().unwrap();
                    assert!(!text("expected").is_empty());
                    (text("step"), text("key"), text("value"))
                })
                .collect();
            assert_eq!(
                errors,
                [("a", "prompt", "nosuch"), ("b", "next", "gone"), ("b", "target", "user:999")],
                "{said}"
            );

            assert_eq!(post(&jane, path, &json!({ "name": "main" })).status, 403, "admins");
            for (wrong, status) in [
                (json!({}), 400),
                (json!({ "name": "main", "flow": {} }), 400),
                (json!({ "name": "nosuch" }), 404),
                (json!({ "name": "main", "number": "+15550999" }), 404),
                (json!({ "name": "main", "caller": "bob" }), 400),
                (json!({ "name": "main", "at": "noon" }), 400),
                (json!({ "name": "main", "keys": { "m": "x" } }), 400),
                (json!({ "name": "main", "colour": "red" }), 400),
            ] {
                assert_eq!(post(&ada, path, &wrong).status, status, "{wrong}");
            }
        },
    )
    .await;
}

fn token_of(view: &Value) -> String {
    view["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_sets_a_softphone_up_once_for_whoever_proves_the_password() {
    story(
        |_| {},
        |sip, http| {
            let (ada, jane) = (http.log_in("office", "204", "ada-secret"), http.log_in("office", "202", "jane-secret"));
            let mine = "/api/v1/me/provisioning";
            let view = ok(&post(&jane, mine, &json!({ "password": "jane-secret" })), 200);
            let url = view["url"].as_str().unwrap();
            assert!(url.starts_with(&format!("http://{}/provision/", http.0)), "{url}");
            assert_eq!((&view["extension"], &view["password_changed"]), (&json!("202"), &json!(false)));
            assert_eq!(view.get("password"), None);
            assert!(view["qr"].as_str().unwrap().starts_with("<svg "), "{view}");
            let path = format!("/provision/{}", token_of(&view));
            assert_eq!(http.ask("HEAD", &path, &[], "").status, 404, "a look takes nothing");
            let looked = http.ask("GET", &path, &[("Accept", "text/html,*/*;q=0.8")], "");
            let page = String::from_utf8(looked.body).unwrap();
            assert!(page.contains("This link sets up a softphone") && !page.contains(&token_of(&view)), "{page}");
            let fetched = http.ask("GET", &path, &[], "");
            let kind = fetched.header("content-type");
            assert_eq!((fetched.status, kind), (200, Some("application/xml; charset=utf-8")));
            assert_eq!(fetched.header("cache-control"), Some("no-store"));
            let text = String::from_utf8(fetched.body).unwrap();
            for expected in [
                "&lt;sip:202@office.example&gt;".to_owned(),
                format!("&lt;sip:{sip};transport=udp&gt;"),
                ">jane-secret</entry>".to_owned(),
            ] {
                assert!(text.contains(&expected), "{expected} is not in {text}");
            }
            let (used, none) = (http.ask("GET", &path, &[], ""), http.ask("GET", "/provision/0123", &[], ""));
            assert_eq!((used.status, &used.body), (404, &none.body), "one that was used is as one that never was");

            let of_bob = "/api/v1/users/201/provisioning";
            assert_eq!(post(&jane, of_bob, &json!({ "password": "office-secret" })).status, 403);
            assert_eq!(
                post(&jane, "/api/v1/users/777/provisioning", &json!({})).status,
                403,
                "nobody learns who is there"
            );
            assert_eq!(post(&jane, mine, &json!({})).status, 400, "only an admin has a new one made");
            assert_eq!(post(&ada, "/api/v1/users/777/provisioning", &json!({})).status, 404);
            let old = ok(&post(&ada, of_bob, &json!({ "password": "office-secret" })), 200);
            let bob = http.log_in("office", "201", "office-secret");
            let new = ok(&post(&ada, of_bob, &json!({})), 200);
            assert_eq!(new["password_changed"], true);
            assert_eq!(bob.get("/api/v1/me").status, 401, "his sessions are over");
            let made = new["password"].as_str().unwrap();
            assert_eq!(http.log_in("office", "201", made).get("/api/v1/me").status, 200);
            let gone = http.ask("GET", &format!("/provision/{}", token_of(&old)), &[], "");
            assert_eq!(gone.status, 404, "a user has one link at a time");
            let fetched = http.ask("GET", &format!("/provision/{}", token_of(&new)), &[], "");
            assert!(String::from_utf8(fetched.body).unwrap().contains(&format!(">{made}</entry>")));
            let log = ada.get("/api/v1/access-log").json().to_string();
            assert!(log.contains("user.provision") && !log.contains(&token_of(&new)), "{log}");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_for_a_link_lock_out_as_at_a_log_in_and_links_begin_as_configured() {
    story(
        |config| config.http.url = Some("https://calls.example.org".to_owned()),
        |_, http| {
            let ada = http.log_in("office", "204", "ada-secret");
            let path = "/api/v1/users/202/provisioning";
            let view = ok(&post(&ada, path, &json!({ "password": "jane-secret" })), 200);
            assert!(view["url"].as_str().unwrap().starts_with("https://calls.example.org/provision/"), "{view}");
            let guess = || post(&ada, path, &json!({ "password": "a-wrong-one" }));
            assert_eq!(guess().status, 400);
            let locked = (0..50).map(|_| guess()).find(|answer| answer.status == 429).unwrap();
            assert!(locked.header("retry-after").is_some());
            assert_eq!(post(&ada, path, &json!({ "password": "jane-secret" })).status, 429, "the right one as well");
            let credentials = r#"{"company":"office","user":"202","password":"jane-secret"}"#;
            assert_eq!(http.ask("POST", "/api/v1/session", &[], credentials).status, 429, "it is one lock");
        },
    )
    .await;
}
