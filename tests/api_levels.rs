//! How loud the parties of real calls are, over HTTP.

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
use http::{Http, Stream};
use phones::Phones;
use scene::Scene;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use telegraphone::sip::message::Response;

const SCENE: Scene = Scene("api");
/// Ada is the admin, Mallory sees nothing; the call is over the number of `support`. `other` is another company.
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
[[number]]
number = "+15550101"
[[inbox]]
name = "support"
numbers = ["+15550100"]
[[inbox]]
name = "sales"
numbers = ["+15550101"]
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
const PATH: &str = "/api/v1/calls/live/levels";
/// A change of rights acts within a second; what a busy machine may take besides.
const SOON: Duration = Duration::from_secs(5);

/// A call in which the caller speaks now and then, and the callee never does.
struct Call {
    phones: Phones,
    answered: Response,
    spoken: u16,
}

impl Call {
    fn placed(phones: Phones) -> Self {
        let answered = phones.call(0);
        assert_eq!(answered.status, 200, "{}", answered.reason);
        Call { phones, answered, spoken: 0 }
    }

    /// 200 ms of the caller.
    fn speak(&mut self) {
        self.phones.speak_on(&self.answered, self.spoken..self.spoken + 10);
        self.spoken += 10;
    }

    /// What a stream tells of the call once it is told that the caller is heard; the caller speaks meanwhile.
    fn heard_on(&mut self, stream: &mut Stream) -> Value {
        for _ in 0..200 {
            self.speak();
            let told = next(stream);
            if let [call] = told.as_slice()
                && call["caller"].is_number()
            {
                return call.clone();
            }
            assert!(told.len() < 2, "there is one call: {told:?}");
        }
        panic!("nobody is heard");
    }
}

/// The calls of the next event.
fn next(stream: &mut Stream) -> Vec<Value> {
    let event = stream.next();
    assert_eq!((event.name.as_str(), event.id), ("levels", 0));
    event.data["calls"].as_array().unwrap().clone()
}

/// Waits until a stream tells of so many calls.
fn until(stream: &mut Stream, calls: usize) {
    let asked = Instant::now();
    while next(stream).len() != calls {
        assert!(asked.elapsed() < SOON);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_speaks_is_loud_and_who_is_silent_is_not_for_those_who_see_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{}{PEOPLE}", SCENE.company());
    let (service, sip, http) = start(config(folder.path()), &[&file, OTHER]).await;
    let story = tokio::task::spawn_blocking(move || {
        let log_in = |company: &str, user: &str, password: &str| http.log_in(company, user, password);
        let (ada, bob) = (log_in("api", "204", "ada-secret"), log_in("api", "201", "api-secret"));
        let (mallory, eve) = (log_in("api", "203", "mallory-secret"), log_in("other", "204", "eve-secret"));
        let [mut of_ada, mut of_bob, mut of_mallory, of_eve] =
            [&ada, &bob, &mallory, &eve].map(|who| who.stream(PATH, None));
        for stream in [&mut of_ada, &mut of_bob, &mut of_mallory] {
            assert_eq!(next(stream), [] as [Value; 0], "nobody calls yet");
        }
        let mut call = Call::placed(Phones::registered(SCENE, sip));
        let id = ada.get("/api/v1/calls/live").json()["calls"][0]["id"].clone();
        for stream in [&mut of_ada, &mut of_bob] {
            // What the caller says is -716 all the time.
            assert_eq!(call.heard_on(stream), json!({ "id": id, "caller": -33.2, "callee": null }));
        }
        narrowed(http, &mut call);

        // As loud while nothing of it is recorded.
        let id = id.as_str().unwrap();
        assert_eq!(bob.send("POST", &format!("/api/v1/calls/{id}/pause"), "").status, 204);
        assert_eq!(call.heard_on(&mut ada.stream(PATH, None))["caller"], json!(-33.2));

        // Rights act on a stream that is open.
        for (role, calls) in [("admin", 1), ("agent", 0)] {
            let change = json!({ "role": role }).to_string();
            assert_eq!(ada.send("PATCH", "/api/v1/users/203", &change).status, 200);
            until(&mut of_mallory, calls);
        }
        assert_eq!(call.phones.hang_up(0, &call.answered).status, 200);
        until(&mut of_ada, 0);
        for (who, stream) in [(mallory, of_mallory), (eve, of_eve)] {
            assert_eq!(who.delete("/api/v1/session").status, 204);
            let rest = stream.rest();
            assert!(!rest.contains(id), "{rest}");
        }
    });
    story.await.unwrap();
    service.stop().await;
}

/// By inbox, and what is refused.
fn narrowed(http: Http, call: &mut Call) {
    let ada = http.log_in("api", "204", "ada-secret");
    let of = |inbox: &str| format!("{PATH}?inbox={inbox}");
    call.heard_on(&mut ada.stream(&of("support"), None));
    assert_eq!(next(&mut ada.stream(&of("sales"), None)), [] as [Value; 0]);
    assert_eq!((ada.get(&of("nobody")).status, ada.get(&format!("{PATH}?inboxes=x")).status), (404, 400));
    assert_eq!(http.ask("GET", PATH, &[], "").status, 401);
    for (scope, status) in [("events.read", 403), ("calls.read", 200)] {
        let body = json!({ "name": "t", "scopes": [scope] }).to_string();
        let secret = ada.send("POST", "/api/v1/tokens", &body).json()["secret"].as_str().unwrap().to_owned();
        let program = http.as_program(&secret, None);
        match status {
            200 => drop(call.heard_on(&mut program.stream(PATH, None))),
            _ => assert_eq!(program.get(PATH).status, status, "{scope}"),
        }
    }
}
