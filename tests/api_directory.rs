//! What a company consists of, over HTTP, against a real service.

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
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use telegraphone::api::{Answer, Request};
use telegraphone::audio::prompt::write_wav;
use telegraphone::service::Service;

const SCENE: Scene = Scene("api");

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
[[group]]
name = "sales"
members = ["201", "202"]
[[inbox]]
name = "support"
numbers = ["+15550100"]
primary = "+15550100"
members = ["201", "202"]
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
[[number]]
company = "other"
number = "+15550999"
"#;

async fn service(folder: &Path) -> (Service, SocketAddr, Http) {
    start(config(folder), &[&format!("{}{PEOPLE}", SCENE.company()), OTHER]).await
}

fn post(who: &Session, path: &str, body: &Value) -> Response {
    who.send("POST", &format!("/api/v1{path}"), &body.to_string())
}

fn patch(who: &Session, path: &str, body: &Value) -> Response {
    who.send("PATCH", &format!("/api/v1{path}"), &body.to_string())
}

fn get(who: &Session, path: &str) -> Value {
    let answer = who.get(&format!("/api/v1{path}"));
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

fn ok(answer: &Response, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

fn names(list: &Value, all: &str, key: &str) -> Vec<String> {
    list[all].as_array().unwrap().iter().map(|thing| thing[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_kind_of_thing_is_added_shown_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let steps = json!([{ "name": "ring", "do": "ring", "target": "group:night", "next": null }]);
        // Kind, what is added, what is changed to what, and what it then is.
        let rows = [
            (
                "users",
                "extension",
                json!({ "extension": "210", "name": "Zoe", "password": "zoe-secret" }),
                json!({ "play": "none" }),
            ),
            ("groups", "name", json!({ "name": "night", "members": ["210", "202"] }), json!({ "members": ["202"] })),
            ("flows", "name", json!({ "name": "night", "step": steps }), json!({ "start": "ring" })),
            (
                "numbers",
                "number",
                json!({ "number": "+15550101", "route": "flow:night" }),
                json!({ "recording": "on" }),
            ),
            (
                "inboxes",
                "name",
                json!({ "name": "night", "numbers": ["+15550101"] }),
                json!({ "primary": "+15550101" }),
            ),
            ("trunks", "name", json!({ "name": "second", "host": "192.0.2.9" }), json!({ "max_calls": 5 })),
        ];
        for (all, key, new, change) in &rows {
            let name = new[*key].as_str().unwrap();
            let added = post(&ada, &format!("/{all}"), new);
            let view = ok(&added, 201);
            assert!(view["id"].as_i64().unwrap() > 0, "{view}");
            let place = added.header("location").unwrap().to_owned();
            let shown = ada.get(&place);
            assert_eq!((shown.status, shown.json()), (200, view), "{place}");
            assert_eq!(post(&ada, &format!("/{all}"), new).status, 409, "{all}: it is there");
            let path = place.strip_prefix("/api/v1").unwrap();
            let changed = ok(&patch(&ada, path, change), 200);
            for (key, value) in change.as_object().unwrap() {
                assert_eq!(&changed[key], value, "{all}");
            }
            assert!(names(&get(&ada, &format!("/{all}")), all, key).contains(&name.to_owned()), "{all}");
        }
        let number = get(&ada, "/numbers/%2B15550101");
        assert_eq!(
            (&number["inbox"], &number["primary"], &number["type"]),
            (&json!("night"), &json!(true), &json!("company"))
        );
        let nulls = json!({ "play": null, "number": null });
        assert_eq!(ok(&patch(&ada, "/users/210", &nulls), 200)["play"], Value::Null, "as the company says");

        // What is still referred to stays, and all that refers to it is named.
        let used = ok(&ada.delete("/api/v1/groups/night"), 409);
        assert_eq!(used["errors"].as_array().unwrap().len(), 1, "{used}");
        assert_eq!(used["uses"], json!([{ "kind": "flow", "name": "night", "step": "ring" }]), "{used}");
        assert!(used["detail"].as_str().unwrap().contains("flow night of api: step ring: group:night"), "{used}");
        for (all, key, new, _) in [&rows[4], &rows[3], &rows[2], &rows[1], &rows[5], &rows[0]] {
            let path = format!("/api/v1/{all}/{}", new[*key].as_str().unwrap().replace('+', "%2B"));
            assert_eq!(ok(&ada.delete(&path), 204), Value::Null, "{path}");
            assert_eq!(ada.get(&path).status, 404, "{path}");
            assert_eq!(ada.delete(&path).status, 404, "{path}");
        }
        let log = get(&ada, "/access-log");
        let lines = names(&log, "lines", "thing");
        for line in [
            "user 210",
            "user 210: play",
            "group night: members",
            "number +15550101: recording",
            "trunk second: max_calls",
        ] {
            assert!(lines.iter().any(|said| said == line), "{line} is not in {lines:?}");
        }
        assert!(!log.to_string().contains("zoe-secret"));
    });
    story.await.unwrap();
    assert!(service.store().verify_access_log().await.unwrap().is_ok());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_that_is_wrong_is_said_at_once_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let before = service.store().directory_version().await.unwrap();
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let many = json!({ "role": "boss", "ring_s": 700, "colour": "red" });
        let said = ok(&patch(&ada, "/users/202", &many), 422);
        let errors = said["errors"].to_string();
        for part in ["role: unknown variant `boss`", "ring_s: 700 s cannot ring", "colour"] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
        for (path, body, part) in [
            ("/users", json!({ "name": "Nobody" }), "`extension` is missing"),
            ("/users", json!({ "extension": "205" }), "has no password"),
            ("/users", json!({ "extension": "205", "company": "other", "password": "long-enough" }), "company `other`"),
            ("/numbers", json!({ "number": "5550" }), "not an E.164 number"),
            ("/numbers", json!({ "number": "+15550999" }), "number +15550999 is taken"),
            ("/groups", json!({ "name": "x", "members": ["999"] }), "members `999`"),
            ("/flows", json!({ "name": "x" }), "no step"),
        ] {
            let said = ok(&post(&ada, path, &body), 422);
            assert!(said["detail"].as_str().unwrap().contains(part), "{path} {body}: {said}");
        }
        for (path, body, part) in [
            ("/users/202", json!({ "extension": "209" }), "never changes"),
            ("/users/202", json!({ "name": null }), "null means nothing here"),
            ("/company", json!({ "domains": ["other.example"] }), "domain `other.example` is taken"),
            ("/company", json!({ "realm": "another" }), "never changes"),
            ("/settings", json!({ "play": "loud", "commands": { "pause": "x" } }), "commands.pause"),
        ] {
            let said = ok(&patch(&ada, path, &body), 422);
            assert!(said["detail"].as_str().unwrap().contains(part), "{path} {body}: {said}");
            assert!(!said.to_string().contains("company other"), "another company is not named: {said}");
        }
        assert_eq!(patch(&ada, "/users/999", &json!({})).status, 404);
        assert_eq!(ada.get("/api/v1/users?colour=red").status, 400);
        assert_eq!(ada.get("/api/v1/users?limit=0").status, 400);
    });
    story.await.unwrap();
    assert_eq!(service.store().directory_version().await.unwrap(), before);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_no_admin_sees_what_they_need_and_another_company_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let (jane, mallory) = (http.log_in("api", "202", "jane-secret"), http.log_in("api", "203", "mallory-secret"));
        let eve = http.log_in("other", "204", "eve-secret");
        let colleague = get(&jane, "/users/201");
        let keys: Vec<&String> = colleague.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["extension", "id", "name"], "names of colleagues, no more");
        assert_eq!(names(&get(&jane, "/users"), "users", "extension"), ["201", "202", "203", "204"]);
        assert_eq!(names(&get(&jane, "/groups"), "groups", "name"), ["sales"]);
        assert_eq!(names(&get(&jane, "/inboxes"), "inboxes", "name"), ["support"]);
        assert_eq!(names(&get(&jane, "/numbers"), "numbers", "number"), ["+15550100"], "of an inbox that she is in");
        assert_eq!(get(&jane, "/company")["domains"], Value::Null);
        for list in ["groups", "inboxes", "numbers"] {
            assert_eq!(get(&mallory, &format!("/{list}"))[list], json!([]), "{list}");
        }
        for path in ["/groups/sales", "/inboxes/support", "/numbers/%2B15550100"] {
            let (hidden, unknown) = (mallory.get(&format!("/api/v1{path}")), mallory.get(&format!("/api/v1{path}9")));
            assert_eq!((hidden.status, &hidden.body), (404, &unknown.body), "{path}");
        }
        for path in [
            "/settings",
            "/flows",
            "/trunks",
            "/trunks/carrier",
            "/trunks/carrier/state",
            "/prompts",
            "/prompts/x/audio",
        ] {
            assert_eq!(jane.get(&format!("/api/v1{path}")).status, 403, "{path}");
        }
        for (method, path) in [
            ("POST", "/users"),
            ("PATCH", "/users/202"),
            ("DELETE", "/users/202"),
            ("PATCH", "/company"),
            ("PATCH", "/settings"),
            ("POST", "/users/203/password"),
            ("POST", "/users/203/activate"),
        ] {
            assert_eq!(jane.send(method, &format!("/api/v1{path}"), "{}").status, 403, "{method} {path}");
        }
        for path in ["/users/201", "/groups/sales", "/inboxes/support", "/numbers/%2B15550100", "/trunks/carrier"] {
            let path = format!("/api/v1{path}");
            let (theirs, unknown) = (eve.get(&path), eve.get(&format!("{path}9")));
            assert_eq!((theirs.status, &theirs.body), (404, &unknown.body), "{path}");
            assert_eq!(eve.send("PATCH", &path, "{}").status, 404, "{path}");
            assert_eq!(eve.delete(&path).status, 404, "{path}");
        }
        let state = |trunk: &str| format!("/api/v1/trunks/{trunk}/state");
        let (theirs, unknown) = (eve.get(&state("carrier")), eve.get(&state("nowhere")));
        assert_eq!((theirs.status, &theirs.body), (404, &unknown.body));
        assert_eq!(names(&get(&eve, "/users"), "users", "extension"), ["204"]);

        let ada = http.log_in("api", "204", "ada-secret");
        let now = get(&ada, "/trunks/carrier/state");
        assert_eq!((&now["name"], &now["calls"], now.get("registration")), (&json!("carrier"), &json!(0), None));
        assert_eq!(now["up"], now["targets"][0]["state"] == "up", "{now}");
        let page = get(&ada, "/users?limit=2");
        assert_eq!(
            (names(&page, "users", "extension"), &page["next"]),
            (vec!["201".to_owned(), "202".to_owned()], &json!("202"))
        );
        let rest = get(&ada, "/users?limit=2&after=202");
        assert_eq!(
            (names(&rest, "users", "extension"), rest.get("next")),
            (vec!["203".to_owned(), "204".to_owned()], None)
        );
        ok(&post(&ada, "/numbers", &json!({ "number": "+15550177" })), 201);
        for (query, found) in [
            ("type=assigned", vec!["+15550100"]),
            ("type=company", vec!["+15550177"]),
            ("inbox=support", vec!["+15550100"]),
            ("inbox=none", vec![]),
        ] {
            assert_eq!(names(&get(&ada, &format!("/numbers?{query}")), "numbers", "number"), found, "{query}");
        }
        assert_eq!(get(&ada, "/numbers/%2B15550100")["assigned_to"], json!("user:201"));
        let program = ok(&post(&ada, "/tokens", &json!({ "name": "p", "scopes": ["directory.read"], "days": 1 })), 201);
        let bearer = format!("Bearer {}", program["secret"].as_str().unwrap());
        let asks = |method: &str, path: &str| http.ask(method, path, &[("Authorization", &bearer)], "").status;
        assert_eq!((asks("GET", "/api/v1/users"), asks("DELETE", "/api/v1/users/203")), (200, 403));
    });
    story.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tags_save_what_is_known_and_guard_what_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        for path in ["/api/v1/users/202", "/api/v1/users", "/api/v1/settings", "/api/v1/company"] {
            let tag = ada.get(path).header("etag").unwrap().to_owned();
            let again = ada.get_with(path, &[("If-None-Match", &tag)]);
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            assert_eq!(ada.get_with(path, &[("If-None-Match", "\"other\"")]).status, 200, "{path}");
        }
        let tag = ada.get("/api/v1/users/202").header("etag").unwrap().to_owned();
        let change = |tag: &str, name: &str| {
            let body = json!({ "name": name }).to_string();
            ada.send_with("PATCH", "/api/v1/users/202", &[("If-Match", tag)], body.as_bytes())
        };
        let first = change(&tag, "Jane Doe");
        assert_eq!(first.status, 200);
        let second = change(&tag, "Jane Roe");
        assert_eq!(second.status, 412, "somebody else was faster");
        assert_eq!(get(&ada, "/users/202")["name"], json!("Jane Doe"));
        assert_eq!(change(first.header("etag").unwrap(), "Jane Roe").status, 200);
        assert_eq!(ada.send_with("DELETE", "/api/v1/groups/sales", &[("If-Match", &tag)], b"").status, 412);
    });
    story.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_post_that_is_sent_again_is_answered_and_not_carried_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let send = |who: &Session, path: &str, key: &str, body: &Value| {
            let path = format!("/api/v1{path}");
            who.send_with("POST", &path, &[("Idempotency-Key", key)], body.to_string().as_bytes())
        };
        let group = json!({ "name": "night" });
        let made = send(&ada, "/groups", "k1", &group);
        let again = send(&ada, "/groups", "k1", &group);
        assert_eq!((made.status, again.status, &made.body), (201, 201, &again.body));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(send(&ada, "/groups", "k1", &json!({ "name": "day" })).status, 422, "another request");
        let eve = http.log_in("other", "204", "eve-secret");
        assert_eq!(send(&eve, "/groups", "k1", &group).status, 201, "another person's key is another key");
        // What was refused is forgotten.
        let number = json!({ "number": "+15550188", "route": "group:none" });
        assert_eq!(send(&ada, "/numbers", "k2", &number).status, 422);
        assert_eq!(send(&ada, "/numbers", "k2", &json!({ "number": "+15550188" })).status, 201);

        let token = json!({ "name": "p", "scopes": ["calls.read"] });
        let secret = ok(&send(&ada, "/tokens", "k3", &token), 201)["secret"].as_str().unwrap().to_owned();
        let again = ok(&send(&ada, "/tokens", "k3", &token), 409);
        assert!(again["detail"].as_str().unwrap().contains("shown once"), "{again}");
        assert_eq!(get(&ada, "/tokens")["tokens"].as_array().unwrap().len(), 1);
        let user = json!({ "extension": "220", "generate_password": true });
        let password = ok(&send(&ada, "/users", "k4", &user), 201)["password"].as_str().unwrap().to_owned();
        assert_eq!(send(&ada, "/users", "k4", &user).status, 409);
        drop(http.log_in("api", "220", &password));
        assert_eq!(send(&ada, "/groups", "", &group).status, 400);
        (secret, password)
    });
    let (secret, password) = story.await.unwrap();
    service.stop().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [&secret, &password] {
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "a secret stands in {}", path.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_deactivated_is_out_at_once_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let control = folder.path().join("control.sock");
    let story = tokio::task::spawn_blocking(move || {
        let (ada, bob) = (http.log_in("api", "204", "ada-secret"), http.log_in("api", "201", "api-secret"));
        let phones = Phones::new(SCENE, sip);
        phones.register();
        let answered = phones.call(0);
        assert_eq!(answered.status, 200, "the device is registered");
        assert_eq!(phones.hang_up(0, &answered).status, 200);
        assert_eq!(ada.put("/api/v1/numbers/%2B15550100/subscribers/201").status, 204);
        let token = ok(&post(&bob, "/tokens", &json!({ "name": "p", "scopes": ["calls.read"], "days": 1 })), 201);
        let stream = bob.stream("/api/v1/events", None);

        assert_eq!(ada.delete("/api/v1/users/201").status, 409, "somebody has to take over");
        for (body, status) in [
            (json!({}), 400),
            (json!({ "replacement": "nobody" }), 400),
            (json!({ "replacement": "user:201" }), 422),
            (json!({ "replacement": "user:999" }), 422),
        ] {
            assert_eq!(post(&ada, "/users/201/deactivate", &body).status, status, "{body}");
        }
        let at = Instant::now();
        let gone = ok(&post(&ada, "/users/201/deactivate", &json!({ "replacement": "user:202" })), 200);
        assert_eq!((&gone["deactivated"], &gone["default_inbox"]), (&json!(true), &Value::Null));
        assert!(stream.ends(), "the stream is over");
        // Without the wake it would have ended with the next comment, which comes every 15 s.
        assert!(at.elapsed().as_secs() < 10, "at once, not after {:?}", at.elapsed());

        assert_eq!(bob.get("/api/v1/me").status, 401);
        let bearer = format!("Bearer {}", token["secret"].as_str().unwrap());
        assert_eq!(http.ask("GET", "/api/v1/calls", &[("Authorization", &bearer)], "").status, 401);
        let body = json!({ "company": "api", "user": "201", "password": "api-secret" }).to_string();
        assert_eq!(http.ask("POST", "/api/v1/session", &[], &body).status, 401);
        assert!(phones.may_register("2").is_err(), "its password is right and it is nobody's");
        assert_eq!(phones.call(1).status, 480, "the number leads to 202, who has no phone");

        assert_eq!(get(&ada, "/numbers/%2B15550100")["route"], json!("user:202"));
        assert_eq!(get(&ada, "/groups/sales")["members"], json!(["202"]));
        assert_eq!(get(&ada, "/inboxes/support")["members"], json!(["202"]));
        let subscribers = get(&ada, "/numbers/%2B15550100/subscribers");
        assert_eq!(subscribers, json!({ "subscribers": ["202"] }));
        let history = get(&ada, "/calls?user=201");
        assert_eq!(history["calls"].as_array().unwrap().len(), 1, "what they had stays");
        assert_eq!(names(&get(&ada, "/users?deactivated=true"), "users", "extension"), ["201"]);
        let jane = http.log_in("api", "202", "jane-secret");
        assert_eq!(jane.get("/api/v1/users/201").status, 404, "nobody to be called");
        let route = ok(&patch(&ada, "/numbers/%2B15550100", &json!({ "route": "user:201" })), 422);
        assert!(route["detail"].as_str().unwrap().contains("the user is deactivated"), "{route}");
        assert_eq!(post(&ada, "/users/201/deactivate", &json!({ "replacement": "user:202" })).status, 409);

        assert_eq!(ok(&post(&ada, "/users/201/activate", &json!({})), 200)["deactivated"], json!(false));
        drop(http.log_in("api", "201", "api-secret"));
        assert!(phones.may_register("3").is_ok());
        assert_eq!(ok(&ada.delete("/api/v1/users/202?replacement=user:201"), 204), Value::Null);
        assert_eq!(get(&ada, "/numbers/%2B15550100")["route"], json!("user:201"));
        let actions = names(&get(&ada, "/access-log?limit=1000"), "lines", "action");
        for action in ["user.deactivate", "user.hand-over", "user.activate", "user.remove", "session.open"] {
            assert!(actions.iter().any(|said| said == action), "{action} is not in {actions:?}");
        }
    });
    story.await.unwrap();
    let status = telegraphone::service::control::ask(&control, &Request::Status).await;
    assert!(matches!(status, Ok(Answer::Status { .. })), "{status:?}");
    service.stop().await;
}

/// SPEC section 4: a change of a membership acts on the next request and on open streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_leaves_an_inbox_or_a_group_sees_no_more_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let (ada, jane) = (http.log_in("api", "204", "ada-secret"), http.log_in("api", "202", "jane-secret"));
        let settings = json!({ "call_visibility": "group_calls", "play": "all" });
        ok(&patch(&ada, "/settings", &settings), 200);
        let phones = Phones::new(SCENE, sip);
        phones.register();
        let call = |id: usize| {
            let answered = phones.call(id);
            assert_eq!(answered.status, 200, "{}", answered.reason);
            phones.speak(&answered, 25);
            assert_eq!(phones.hang_up(id, &answered).status, 200);
        };
        let mut all = ada.stream("/api/v1/events?kinds=recording.finished", None);
        let mut janes = jane.stream("/api/v1/events?kinds=recording.finished", None);
        let sees = || get(&jane, "/calls")["calls"].as_array().unwrap().len();
        call(0);
        let first = all.next().id;
        assert_eq!((janes.next().id, sees()), (first, 1), "she is in the number's inbox");

        // A user leaves the inbox.
        ok(&patch(&ada, "/inboxes/support", &json!({ "members": ["201"] })), 200);
        assert_eq!(sees(), 0, "on the next request");
        call(1);
        all.next();
        // The number leaves the inbox that she is in again.
        ok(&patch(&ada, "/inboxes/support", &json!({ "members": ["201", "202"] })), 200);
        assert_eq!(sees(), 2);
        ok(&patch(&ada, "/inboxes/support", &json!({ "numbers": [], "primary": null })), 200);
        assert_eq!(sees(), 0);
        call(2);
        all.next();
        // The number goes to her group, and she leaves that.
        let flow = json!({ "name": "team", "step": [{ "name": "ring", "do": "ring", "target": "group:sales" }] });
        ok(&post(&ada, "/flows", &flow), 201);
        ok(&patch(&ada, "/numbers/%2B15550100", &json!({ "route": "flow:team" })), 200);
        assert_eq!(sees(), 3);
        ok(&patch(&ada, "/groups/sales", &json!({ "members": ["201"] })), 200);
        assert_eq!(sees(), 0);
        call(3);
        all.next();
        // A subscription begins, and ends.
        let subscribers = "/api/v1/numbers/%2B15550100/subscribers/202";
        assert_eq!(ada.put(subscribers).status, 204);
        call(4);
        let fourth = all.next().id;
        assert_eq!(janes.next().id, fourth, "of all that was between, her stream says nothing");
        assert_eq!(sees(), 1);
        assert_eq!(ada.delete(subscribers).status, 204);
        call(5);
        let fifth = all.next().id;
        assert_eq!(sees(), 1, "what she received stays, and nothing new comes");
        assert_eq!(ada.put(subscribers).status, 204);
        call(6);
        let sixth = all.next().id;
        assert!(fifth < sixth && janes.next().id == sixth);
    });
    story.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn passwords_are_set_by_admins_and_by_oneself_and_end_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let (jane, elsewhere) = (http.log_in("api", "202", "jane-secret"), http.log_in("api", "202", "jane-secret"));
        let own = |present: &str, password: &str| {
            jane.send("PUT", "/api/v1/me/password", &json!({ "present": present, "password": password }).to_string())
        };
        assert_eq!(own("wrong-secret", "jane-newer").status, 400);
        assert_eq!(own("jane-secret", "short").status, 400);
        assert_eq!(own("jane-secret", "jane-newer").status, 204);
        assert_eq!((jane.get("/api/v1/me").status, elsewhere.get("/api/v1/me").status), (200, 401), "the others end");
        drop(http.log_in("api", "202", "jane-newer"));

        let made = ok(&post(&ada, "/users/202/password", &json!({})), 200);
        let password = made["password"].as_str().unwrap();
        assert_eq!(jane.get("/api/v1/me").status, 401, "whoever knew the old one is out");
        let jane = http.log_in("api", "202", password);
        let set = ok(&post(&ada, "/users/202/password", &json!({ "password": "jane-third" })), 200);
        assert_eq!(set, json!({ "extension": "202" }), "who gave it knows it");
        assert_eq!(jane.get("/api/v1/me").status, 401);
        let jane = http.log_in("api", "202", "jane-third");

        assert_eq!(patch(&jane, "/me", &json!({ "default_inbox": "support" })).status, 204);
        assert_eq!(get(&ada, "/users/202")["default_inbox"], json!("support"));
        assert_eq!(patch(&jane, "/me", &json!({ "default_inbox": "none" })).status, 404);
        assert_eq!(patch(&jane, "/me", &json!({ "role": "admin" })).status, 400);
        assert_eq!(patch(&jane, "/me", &json!({ "default_inbox": null })).status, 204);
        assert_eq!(get(&ada, "/users/202")["default_inbox"], Value::Null);

        // Tokens: as many as there may be, and none that outlives the one that made it.
        let token = |who: &str, days: u32| {
            let body = json!({ "name": "t", "scopes": ["tokens.write"], "days": days }).to_string();
            http.ask("POST", "/api/v1/tokens", &[("Authorization", who)], &body)
        };
        let first = ok(&post(&jane, "/tokens", &json!({ "name": "t", "scopes": ["tokens.write"], "days": 2 })), 201);
        let bearer = format!("Bearer {}", first["secret"].as_str().unwrap());
        assert_eq!((token(&bearer, 3).status, token(&bearer, 1).status), (403, 201));
        for _ in 2..50 {
            ok(&token(&bearer, 1), 201);
        }
        assert_eq!(token(&bearer, 1).status, 409);
        let id = first["token"]["id"].as_i64().unwrap();
        let stream = jane.stream("/api/v1/events", None);
        assert_eq!(jane.delete(&format!("/api/v1/tokens/{id}")).status, 204);
        assert_eq!(token(&bearer, 1).status, 401);
        assert_eq!(jane.delete("/api/v1/session").status, 204);
        assert!(stream.ends(), "with its session");
        let actions = names(&get(&ada, "/access-log?limit=1000"), "lines", "action");
        for action in ["session.open", "session.close", "token.add", "token.remove", "user.change"] {
            assert!(actions.iter().any(|said| said == action), "{action} is not in {actions:?}");
        }
    });
    story.await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_prompt_is_a_wav_file_that_comes_back_as_it_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let wav = write_wav(&(0..80_000).map(|n| (n % 251) as i16).collect::<Vec<i16>>());
        assert!(wav.len() > 64 << 10, "longer than any other body");
        let put = |path: &str, body: &[u8]| ada.send_with("PUT", path, &[], body);
        let made = ok(&put("/api/v1/prompts/hello", &wav), 200);
        assert_eq!((&made["name"], &made["seconds"]), (&json!("hello"), &json!(10.0)));
        let back = ada.get("/api/v1/prompts/hello/audio");
        assert_eq!((back.header("content-type"), &back.body), (Some("audio/wav"), &wav));
        assert_eq!(ok(&put("/api/v1/prompts/hello", b"ID3"), 422)["errors"].as_array().unwrap().len(), 1);
        assert_eq!(put("/api/v1/prompts/long", &vec![0; (2 << 20) + 1]).status, 413);
        assert_eq!(put("/api/v1/prompts/No", &wav).status, 422, "no name");
        let flow = json!({ "name": "say", "step": [{ "name": "say", "do": "announce", "prompt": "hello" }] });
        ok(&post(&ada, "/flows", &flow), 201);
        assert_eq!(ada.delete("/api/v1/prompts/hello").status, 409);
        assert_eq!(ada.delete("/api/v1/flows/say").status, 204);
        assert_eq!(ada.delete("/api/v1/prompts/hello").status, 204);
        assert_eq!(get(&ada, "/prompts"), json!({ "prompts": [] }));
    });
    story.await.unwrap();
    service.stop().await;
}
