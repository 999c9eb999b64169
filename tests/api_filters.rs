//! Filters of lists, streams and figures over HTTP: each inbox by itself, and no filter and no figure tells
//! of a thing that one may not know of.

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
#[path = "events/socket.rs"]
mod socket;

use http::service::{apply, config, start};
use http::{Http, Session};
use phones::Phones;
use scene::Scene;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use telegraphone::service::Service;

const SCENE: Scene = Scene("filter");
/// The callers of the first two calls.
const CALLERS: [&str; 2] = ["%2B1666000000", "%2B1666000001"];
const RANGE: &str = "from=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z";

/// Bob (201) takes every call and is in the inbox `front`. Jane sees every call and is in the group `sales`,
/// Mallory sees none, Sue supervises and sees all, Ada is the admin. `back` is Mallory's inbox.
const PEOPLE: &str = r#"
[[user]]
extension = "202"
name = "Jane"
password = "jane-secret"
call_visibility = "all"
[[user]]
extension = "203"
name = "Mallory"
password = "mallory-secret"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
call_visibility = "all"
[[user]]
extension = "205"
name = "Sue"
password = "sue-secret"
role = "supervisor"
call_visibility = "all"
[[user]]
extension = "207"
name = "Gone"
password = "gone-secret"
[[group]]
name = "sales"
members = ["202"]
[[group]]
name = "board"
members = ["204"]
[[inbox]]
name = "front"
label = "Front desk"
numbers = ["+15550100"]
members = ["201"]
[[inbox]]
name = "back"
members = ["203"]
[[flow]]
name = "main"
[[flow.step]]
name = "device"
do = "ring"
target = "user:201"
next = "sales"
[[flow.step]]
name = "sales"
do = "ring"
target = "group:sales"
"#;
const ROUTED: &str = "[[number]]\ncompany = \"filter\"\nnumber = \"+15550100\"\nroute = \"flow:main\"\n";
const OTHER: &str = r#"
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "209"
name = "Eve"
password = "eve-secret"
role = "admin"
[[group]]
company = "other"
name = "theirs"
[[inbox]]
company = "other"
name = "theirs"
[[number]]
company = "other"
number = "+15550199"
"#;

async fn service(folder: &Path) -> (Service, SocketAddr, Http) {
    let (service, sip, http) = start(config(folder), &[&format!("{}{PEOPLE}", SCENE.company()), OTHER]).await;
    apply(&service, ROUTED).await;
    (service, sip, http)
}

fn log_in(http: Http, extension: &str) -> Session {
    let password = match extension {
        "201" => "filter-secret",
        "202" => "jane-secret",
        "203" => "mallory-secret",
        "204" => "ada-secret",
        _ => "sue-secret",
    };
    http.log_in("filter", extension, password)
}

/// So many calls, one after the other, of which each recording has been told of.
fn calls(phones: &Phones, ada: &Session, calls: std::ops::Range<usize>) {
    let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", None);
    let count = calls.len();
    phones.place(calls, 25);
    (0..count).for_each(|_| drop(stream.next()));
}

fn count(who: &Session, path: &str, list: &str) -> usize {
    let page = who.get(path).json();
    page[list].as_array().unwrap_or_else(|| panic!("{path}: {page}")).len()
}

/// Seed 004: inboxes can be filtered across all pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_list_and_every_stream_can_be_of_one_inbox() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let first = tokio::task::spawn_blocking(move || {
        let (ada, bob) = (log_in(http, "204"), log_in(http, "201"));
        let phones = Phones::registered(SCENE, sip);
        calls(&phones, &ada, 0..2);
        for (who, inbox, found) in [(&ada, "front", 2), (&bob, "front", 2), (&ada, "back", 0)] {
            assert_eq!(count(who, &format!("/api/v1/calls?inbox={inbox}"), "calls"), found);
            assert_eq!(count(who, &format!("/api/v1/contacts?inbox={inbox}"), "contacts"), found);
            assert_eq!(count(who, &format!("/api/v1/contacts?inbox={inbox}&text=1666"), "contacts"), found);
            let entries = who.get(&format!("/api/v1/contacts/{}?inbox={inbox}", CALLERS[0]));
            match found {
                0 => assert_eq!(entries.body, who.get("/api/v1/contacts/%2B1999").body, "no call with it is there"),
                _ => assert_eq!(entries.json()["entries"].as_array().unwrap().len(), 1),
            }
        }
        assert_eq!(count(&ada, "/api/v1/contacts?inbox=front&limit=1", "contacts"), 1);
        let next = ada.get("/api/v1/contacts?inbox=front&limit=1").json()["next"].as_str().unwrap().to_owned();
        let second = ada.get(&format!("/api/v1/contacts?inbox=front&limit=1&after={next}")).json();
        assert_eq!(second["contacts"][0]["number"], "+1666000000", "{second}");

        let answered = phones.call(2);
        for (who, inbox, found) in [(&ada, "front", 1), (&bob, "front", 1), (&ada, "back", 0)] {
            assert_eq!(count(who, &format!("/api/v1/calls/live?inbox={inbox}"), "calls"), found, "{inbox}");
        }
        assert_eq!(ada.get("/api/v1/calls/live?inbox=front").json()["calls"][0]["inbox"], "front");
        assert_eq!(phones.hang_up(2, &answered).status, 200);
        phones
    });
    let phones = first.await.unwrap();
    let ada = tokio::task::spawn_blocking(move || log_in(http, "204")).await.unwrap();
    let (ada, streams) = tokio::task::spawn_blocking(move || {
        let stream = ada.stream("/api/v1/events?inbox=back&kinds=call.ended", None);
        let cookie = [("Cookie", ada.cookie()), ("Origin", &format!("http://{}", http.0))];
        let path = "/api/v1/events/ws?inbox=back&kinds=call.ended";
        let socket = socket::open(http.0, path, &cookie).unwrap_or_else(|status| panic!("{status}"));
        calls(&phones, &ada, 3..4);
        (ada, (stream, socket, phones))
    })
    .await
    .unwrap();
    // The number goes to the other inbox: streams that are open tell of it from then on.
    apply(&service, "[[inbox]]\ncompany = \"filter\"\nname = \"front\"\nnumbers = []\n[[inbox]]\ncompany = \"filter\"\nname = \"back\"\nnumbers = [\"+15550100\"]\n").await;
    tokio::task::spawn_blocking(move || {
        let (mut stream, mut socket, phones) = streams;
        calls(&phones, &ada, 4..5);
        let told = stream.next();
        assert_eq!(told.data["about"]["caller"]["address"], "+1666000004", "and of no call before: {}", told.data);
        let socket::Message::Event(told) = socket.next() else { panic!("it was closed") };
        assert_eq!(told["about"]["caller"]["address"], "+1666000004");
    })
    .await
    .unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_filter_by_what_one_may_not_know_of_answers_as_one_by_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let (ada, bob, jane, mallory) =
            (log_in(http, "204"), log_in(http, "201"), log_in(http, "202"), log_in(http, "203"));
        let phones = Phones::registered(SCENE, sip);
        calls(&phones, &ada, 0..1);
        let left = ada.send("POST", "/api/v1/users/207/deactivate", &json!({ "replacement": "user:201" }).to_string());
        assert_eq!(left.status, 200);
        // Of each filter: what the viewer may not know of, and what nobody has.
        for (who, filter, hidden, nothing) in [
            (&bob, "inbox", "back", "nowhere"),
            (&jane, "inbox", "front", "nowhere"),
            (&mallory, "inbox", "front", "nowhere"),
            (&jane, "inbox", "theirs", "nowhere"),
            (&bob, "group", "sales", "nobody"),
            (&bob, "group", "board", "nobody"),
            (&jane, "group", "theirs", "nobody"),
            (&bob, "user", "207", "999"),
            (&bob, "user", "209", "999"),
            (&mallory, "user", "201", "999"),
            (&mallory, "number", "%2B15550100", "%2B15559999"),
            (&jane, "number", "%2B15550199", "%2B15559999"),
        ] {
            let mut paths = vec![format!("/api/v1/calls?{filter}=")];
            paths.extend(
                ["day", "user", "group", "number", "inbox"]
                    .map(|by| format!("/api/v1/analytics?{RANGE}&by={by}&{filter}=")),
            );
            if filter == "inbox" {
                paths.extend(
                    ["contacts", "calls/live", "contacts/%2B1666000000", "numbers"]
                        .map(|list| format!("/api/v1/{list}?inbox=")),
                );
            }
            for path in paths {
                let (hidden, nothing) = (who.get(&format!("{path}{hidden}")), who.get(&format!("{path}{nothing}")));
                assert_eq!(hidden.status, nothing.status, "{path}");
                assert_eq!(hidden.json(), nothing.json(), "{path}");
            }
        }
        assert_eq!(count(&jane, "/api/v1/calls", "calls"), 1, "she sees them all, and not by the inbox's name");
        assert_eq!(jane.get("/api/v1/calls").json()["calls"][0]["inbox"], Value::Null);
        assert_eq!(bob.get("/api/v1/calls").json()["calls"][0]["inbox"], "front");
        assert_eq!(count(&jane, "/api/v1/calls?group=sales", "calls"), 1);
        // An admin is told of what is not there, and of nobody else's.
        for wrong in ["inbox=nowhere", "inbox=theirs", "group=theirs", "user=209", "number=%2B15550199"] {
            assert_eq!(ada.get(&format!("/api/v1/calls?{wrong}")).status, 404, "{wrong}");
        }
        assert_eq!(ada.get("/api/v1/calls?user=207").status, 200, "who has left had calls");
        for list in ["contacts", "calls/live", "events"] {
            assert_eq!(ada.get(&format!("/api/v1/{list}?inbox=nowhere")).status, 404, "{list}");
        }
        // Streams: both are open, and neither tells of the call.
        for inbox in ["front", "nowhere"] {
            let cookie = [("Cookie", mallory.cookie()), ("Origin", &format!("http://{}", http.0))];
            assert!(socket::open(http.0, &format!("/api/v1/events/ws?inbox={inbox}"), &cookie).is_ok(), "{inbox}");
        }
    });
    story.await.unwrap();
    service.stop().await;
}

/// SPEC section 4: what a user may not see is as what does not exist, in figures too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn figures_name_the_groups_and_inboxes_that_one_may_know_of_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = log_in(http, "204");
        let phones = Phones::registered(SCENE, sip);
        calls(&phones, &ada, 0..2);
        let names = |who: &str, by: &str| {
            let figures = log_in(http, who).get(&format!("/api/v1/analytics?by={by}")).json();
            assert_eq!(figures["total"]["calls"], 2, "{who} {by}: {figures}");
            let buckets = figures["buckets"].as_array().unwrap();
            let name = |bucket: &Value| (bucket["key"].as_str().unwrap().to_owned(), bucket["calls"].as_u64().unwrap());
            assert!(!figures.to_string().contains("Front desk") || by == "inbox", "{figures}");
            buckets.iter().map(name).collect::<Vec<_>>()
        };
        let two = |name: &str| vec![(name.to_owned(), 2)];
        for (who, by, found) in [
            ("201", "group", vec![]),
            ("202", "group", two("sales")),
            ("204", "group", two("sales")),
            ("205", "group", two("sales")),
            ("201", "inbox", two("front")),
            ("202", "inbox", two("")),
            ("204", "inbox", two("front")),
            ("205", "inbox", two("front")),
            ("201", "number", two("+15550100")),
            ("202", "user", two("201")),
        ] {
            assert_eq!(names(who, by), found, "{who} by {by}");
        }
        let jane = log_in(http, "202").get("/api/v1/analytics?by=inbox").json();
        assert!(!jane.to_string().contains("Front"), "{jane}");
        // Names of the directory are known by the same rule.
        let listed = |who: &str, all: &str| count(&log_in(http, who), &format!("/api/v1/{all}"), all);
        assert_eq!((listed("205", "inboxes"), listed("205", "groups")), (2, 2), "who sees every call knows them all");
        assert_eq!((listed("202", "inboxes"), listed("202", "groups")), (0, 1));
    });
    story.await.unwrap();
    service.stop().await;
}
