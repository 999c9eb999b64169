//! What people look up, over HTTP, against a real service with real calls.

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

use http::service::{apply, config, start};
use http::{Http, Session};
use phones::Phones;
use scene::Scene;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use telegraphone::service::Service;

const SCENE: Scene = Scene("api");
const NUMBER: &str = "%2B15550100";

/// Jane is subscribed later, Mallory is not, 204 is the admin; `other` is another company.
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

async fn service(folder: &Path) -> (Service, SocketAddr, Http) {
    start(config(folder), &[&format!("{}{PEOPLE}", SCENE.company()), OTHER]).await
}

/// Places so many calls to the number, one after the other; in each the caller speaks and hangs up.
fn calls(sip: SocketAddr, count: usize) {
    Phones::registered(SCENE, sip).place(0..count, 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outside_numbers_and_figures_are_of_the_calls_that_one_sees() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    apply(&service, "[[company]]\nkey = \"api\"\n[company.settings]\ntime_zone = \"Pacific/Auckland\"\n").await;
    let story = tokio::task::spawn_blocking(move || {
        let (ada, bob) = (http.log_in("api", "204", "ada-secret"), http.log_in("api", "201", "api-secret"));
        let (mallory, eve) = (http.log_in("api", "203", "mallory-secret"), http.log_in("other", "204", "eve-secret"));
        let mut stream = ada.stream("/api/v1/events", None);
        calls(sip, 2);
        let mut finished = || loop {
            let event = stream.next();
            if event.name == "recording.finished" {
                break event.data["recording"].as_str().unwrap().to_owned();
            }
        };
        let recording = finished();
        finished();

        let contacts = ada.get("/api/v1/contacts").json();
        let all = contacts["contacts"].as_array().unwrap().clone();
        let outside = all[0]["number"].as_str().unwrap().to_owned();
        assert!(outside.starts_with('+'), "{contacts}");
        let counted: u64 = all.iter().map(|contact| contact["calls"].as_u64().unwrap()).sum();
        assert_eq!(counted, 2, "{contacts}");
        assert_eq!(bob.get("/api/v1/contacts").json()["contacts"], contacts["contacts"], "he was on them");
        assert_eq!(
            ada.get(&format!("/api/v1/contacts?text={}", &outside[4..])).json()["contacts"][0]["number"],
            outside
        );
        let path = format!("/api/v1/contacts/{}", outside.replace('+', "%2B"));
        let one = ada.get(&path).json();
        assert_eq!(one["entries"][0]["kind"], "call", "{one}");
        assert_eq!(one["entries"][0]["recordings"].as_array().unwrap().len(), 1);
        for stranger in [&mallory, &eve] {
            assert_eq!(stranger.get("/api/v1/contacts").json(), json!({ "contacts": [] }));
            let (hidden, none) = (stranger.get(&path), stranger.get("/api/v1/contacts/%2B1999"));
            assert_eq!((hidden.status, &hidden.body), (404, &none.body), "as a number that there is not");
        }

        // Seed 001: in figures the company's settings are for admins too, and they see their own calls only.
        let figures = |who: &Session, query: &str| who.get(&format!("/api/v1/analytics?{query}")).json();
        assert_eq!(figures(&ada, "")["total"]["calls"], 0);
        let days = figures(&bob, "");
        assert_eq!((&days["total"]["calls"], &days["time_zone"]), (&json!(2), &json!("Pacific/Auckland")));
        assert_eq!(days["buckets"].as_array().unwrap().len(), 31, "days without a call are there too: {days}");
        assert_eq!(days["buckets"][30]["recorded_share"], 1.0, "{days}");
        assert_eq!(figures(&bob, "by=number")["buckets"][0]["key"], "+15550100");
        assert_eq!(figures(&bob, "by=user")["buckets"][0]["key"], "201");
        assert_eq!(figures(&bob, "by=user&direction=outbound")["total"]["calls"], 0);
        let table = bob.get_with("/api/v1/analytics?by=number", &[("Accept", "text/csv")]);
        assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
        assert!(String::from_utf8(table.body).unwrap().contains("+15550100,,2,2,0,"));
        assert_eq!(bob.get("/api/v1/analytics.csv").status, 200);
        for wrong in ["by=colour", "from=then", "from=2020-01-01&until=2026-01-01", "number=1", "x=1"] {
            let refused = ada.get(&format!("/api/v1/analytics?{wrong}")).status;
            assert!([400, 404].contains(&refused), "{wrong}: {refused}");
        }

        // What was heard, by whom.
        let played = |who: &Session, wanted: bool| {
            let page = who.get(&format!("/api/v1/calls?played={wanted}")).json();
            page["calls"].as_array().unwrap().len()
        };
        assert_eq!((played(&bob, true), played(&bob, false), played(&ada, false)), (0, 2, 2));
        assert_eq!(bob.get(&format!("/api/v1/recordings/{recording}/audio")).status, 200);
        assert_eq!((played(&bob, true), played(&bob, false), played(&ada, true)), (1, 1, 0));
        let heard = bob.get(&format!("/api/v1/recordings/{recording}")).json();
        assert_eq!(heard["played"], true, "{heard}");
        assert_eq!(bob.get("/api/v1/calls?played=true&recorded=false").status, 400);

        let me = bob.get("/api/v1/me").json();
        assert_eq!((&me["time_zone"], &me["rights"]["play"]["from"]), (&json!("Pacific/Auckland"), &json!("company")));
        assert_eq!(me["numbers"], json!(["+15550100"]));
        assert_eq!(me["devices"][0]["transport"], "udp", "his phone is registered: {me}");
        // Whoever asks why a phone does not ring sees it too, and nobody else.
        for path in ["/api/v1/devices", "/api/v1/users/201/devices"] {
            let all = ada.get(path).json();
            assert_eq!(
                (&all["devices"][0]["extension"], &all["devices"][0]["transport"]),
                (&json!("201"), &json!("udp"))
            );
            assert_eq!((all["devices"].as_array().unwrap().len(), all.get("next")), (1, None), "{all}");
            assert_eq!(bob.get(path).status, 403, "{path}");
        }
        assert_eq!(ada.get("/api/v1/users/202/devices").json(), json!({ "devices": [] }));
        assert_eq!(ada.get("/api/v1/devices?after=201").json(), json!({ "devices": [] }));
        assert_eq!(ada.get("/api/v1/users/999/devices").status, 404);
        assert_eq!(eve.get("/api/v1/devices").json(), json!({ "devices": [] }), "those of her own company");

        // Whatever the router refuses by itself is a problem as well.
        for (method, path, status) in [
            ("PUT", "/api/v1/calls", 405),
            ("GET", "/api/v1/nowhere", 404),
            ("GET", "/nowhere", 404),
            ("GET", "/api/v1/calls/%FF", 400),
        ] {
            let refused = ada.send(method, path, "");
            assert_eq!(
                (refused.status, refused.header("content-type")),
                (status, Some("application/problem+json")),
                "{path}"
            );
            assert_eq!(refused.json()["status"], status);
        }
        assert!(ada.send("PUT", "/api/v1/calls", "").header("allow").unwrap().contains("GET"));
    });
    story.await.unwrap();
    service.stop().await;
}
