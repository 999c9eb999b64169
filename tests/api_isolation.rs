//! Every operation of the API, as its description lists them, asked by everybody who must not learn
//! of a company: people of every role of another company, the reseller of another, and nobody.
//!
//! What is asked for is there, and so is its twin that is not: both are answered alike. The
//! operations are read from the description, so a new one that has no row here fails the test.

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
#[path = "scene/messages.rs"]
mod messages;
#[path = "scene/phones.rs"]
mod phones;
#[path = "scene/mod.rs"]
mod scene;

use http::service::{config, start};
use http::{Http, Response, Session};
use phones::Phones;
use scene::Scene;
use std::net::SocketAddr;
use telegraphone::directory::file::Secret;
use telegraphone::directory::plan::WebPassword;
use telegraphone::service::Service;
use telegraphone::service::clock::{Clock, OsRandom};

const SCENE: Scene = Scene("api");

/// Words that stand nowhere but in the company that is to be kept from others.
const MARKS: [&str; 9] = ["Wilhelmina", "zebra", "quagga", "okapi", "+15550100", "tapir", "gnu", "kudu", "8471"];
const OURS: &str = r#"
[[user]]
extension = "202"
name = "Wilhelmina"
password = "jane-secret"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
[[group]]
name = "zebra"
members = ["202"]
[[inbox]]
name = "quagga"
numbers = ["+15550100"]
members = ["202"]
[[flow]]
name = "okapi"
[[flow.step]]
name = "first"
do = "ring"
target = "user:202"
[[number]]
number = "+15550101"
[[voicemail]]
number = "8471"
name = "gnu"
owner = "user:202"
password = "4711"
[[voicemail]]
number = "8000"
name = "kudu"
access = "global"
password = "4711"
"#;
const THEIRS: &str = r#"
[[company]]
key = "other"
domains = ["other.example"]
[[number]]
company = "other"
number = "+15550999"
[[user]]
company = "other"
extension = "301"
name = "Eve"
password = "eve-secret-1"
role = "admin"
[[user]]
company = "other"
extension = "302"
name = "Sam"
password = "eve-secret-2"
role = "supervisor"
[[user]]
company = "other"
extension = "303"
name = "Ann"
password = "eve-secret-3"
role = "analyst"
[[user]]
company = "other"
extension = "304"
name = "Guy"
password = "eve-secret-4"
role = "agent"
"#;

async fn service(folder: &std::path::Path) -> (Service, SocketAddr, Http) {
    let (service, sip, http) = start(config(folder), &[&format!("{}{OURS}", SCENE.company()), THEIRS]).await;
    let now = Clock::start().wall();
    for (name, is_first) in [("root", true), ("rita", false)] {
        let drawn = WebPassword::draw(Some(Secret::try_from(format!("{name}-secret")).unwrap()), &mut OsRandom);
        let hash = drawn.argon2().unwrap();
        match is_first {
            true => assert!(service.store().add_first_operator(name, &hash, now).await.unwrap()),
            false => {
                let kind = telegraphone::store::StaffKind::Reseller;
                let id = service.store().add_staff(name, kind, &hash, now).await.unwrap().unwrap();
                let other = service.store().load_directory().await.unwrap().company_by_key("other").unwrap().id;
                service.store().give_company(id, other).await.unwrap();
            }
        }
    }
    (service, sip, http)
}

/// What stands for a name in a path: a thing of ours, and one that nobody has.
struct Things {
    call: String,
    recording: String,
    /// Of ids that count: what was made for us.
    webhook: String,
    delivery: String,
    export: String,
    token: String,
    /// A number of the outside that we had a call with.
    contact: String,
    conversation: String,
    licence: String,
    /// On the call.
    note: String,
    /// In the box of 202.
    message: String,
    /// That box, and that user, as the compatible API names them.
    mailbox: String,
    user_uuid: String,
}

const NO_UUID: &str = "01939393-9393-7393-8393-939393939393";

impl Things {
    /// `None`: the path names what this test does not know yet.
    fn stand_in(&self, path: &str, name: &str) -> Option<(String, &'static str)> {
        let ours = |text: &str| text.to_owned();
        let first = path.split('/').nth(3).unwrap_or_default();
        Some(match (first, name) {
            (_, "call") => (self.call.clone(), NO_UUID),
            (_, "recording") => (self.recording.clone(), NO_UUID),
            ("numbers", "number") => (ours("%2B15550100"), "%2B15550777"),
            ("contacts", "number" | "contact") => (self.contact.clone(), "%2B15550777"),
            (_, "extension") => (ours("202"), "777"),
            (_, "message" | "message_id") => (self.message.clone(), NO_UUID),
            (_, "voicemail_id") => (self.mailbox.clone(), "999999"),
            (_, "user_uuid") => (self.user_uuid.clone(), NO_UUID),
            (_, "folder_id") => (ours("1"), "1"),
            (_, "greeting") => (ours("busy"), "busy"),
            ("voicemails", "box") => (ours("8471"), "777"),
            ("voicemails", "kind") => (ours("busy"), "busy"),
            ("groups", "name") => (ours("zebra"), "nobody"),
            ("inboxes", "name") => (ours("quagga"), "nobody"),
            ("flows", "name") => (ours("okapi"), "nobody"),
            ("trunks" | "prompts", "name") => (ours("tapir"), "nobody"),
            ("staff", "name") => (ours("root"), "nobody"),
            ("staff" | "companies", "company" | "key") => (ours("api"), "nobody"),
            ("calls", "note") => (self.note.clone(), "999999"),
            ("webhooks", "id") => (self.webhook.clone(), "999999"),
            ("webhooks", "delivery") => (self.delivery.clone(), "999999"),
            ("exports", "id") => (self.export.clone(), "999999"),
            ("tokens", "id") => (self.token.clone(), "999999"),
            // Pushes and notices: there are none.
            ("me" | "notices", "id") => (ours("1"), "999999"),
            (_, "conversation") => (self.conversation.clone(), "999999"),
            ("licences", "id") => (self.licence.clone(), "999999"),
            ("carriers", "company") => (ours("api"), "nobody"),
            ("carriers", "trunk") => (ours("carrier"), "nobody"),
            _ => return None,
        })
    }

    /// The path with ours, and with what nobody has.
    fn both(&self, template: &str) -> [String; 2] {
        let mut paths = [template.to_owned(), template.to_owned()];
        for part in template.split('/').filter(|part| part.starts_with('{')) {
            let name = part.trim_matches(['{', '}']);
            let (ours, none) =
                self.stand_in(template, name).unwrap_or_else(|| panic!("{template}: say here what {part} stands for"));
            paths = [paths[0].replace(part, &ours), paths[1].replace(part, none)];
        }
        paths
    }
}

/// A body that the operation takes, where it takes one.
fn body(method: &str, path: &str) -> &'static str {
    let last = path.rsplit('/').next().unwrap_or_default();
    match (method, last) {
        ("put", "hold") => r#"{"reason":"a case"}"#,
        ("post", "deactivate") => r#"{"replacement":"user:301"}"#,
        ("post", "erase") => r#"{"confirm":"+15550100"}"#,
        ("post", "messages" | "notes") => r#"{"text":"hello"}"#,
        ("post", "conversations") => r#"{"to":"202","text":"hello"}"#,
        ("patch", "{message}") => r#"{"folder":"old"}"#,
        ("put", "{message_id}") => r#"{"folder_id":2}"#,
        ("put", "{voicemail_id}") => r#"{"name":"x"}"#,
        ("post", "copy") => r#"{"dest_greeting":"name"}"#,
        ("post", "forward") => r#"{"to":["8471"]}"#,
        ("put" | "post" | "patch", _) => "{}",
        _ => "",
    }
}

/// Answers that hold a stream open are looked at by tests of their own.
const STREAMS: [&str; 3] = ["/api/v1/events", "/api/v1/events/ws", "/api/v1/calls/live/levels"];
/// These end the log-in, or change who asks.
const OWN: [(&str, &str); 10] = [
    ("delete", "/api/v1/session"),
    ("post", "/api/v1/session"),
    ("put", "/api/v1/me/password"),
    ("post", "/api/v1/me/provisioning"),
    // Whoever knows a link sets a phone up by it.
    ("get", "/provision/{token}"),
    ("head", "/provision/{token}"),
    // Whoever knows a token's secret is who it is of.
    ("post", "/api/auth/0.1/token"),
    ("get", "/api/auth/0.1/token/{token}"),
    ("head", "/api/auth/0.1/token/{token}"),
    ("delete", "/api/auth/0.1/token/{token}"),
];

fn operations() -> Vec<(String, String)> {
    let api = serde_json::to_value(telegraphone::api::http::description()).unwrap();
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let known = ["get", "put", "post", "patch", "delete", "head"].contains(&method.as_str());
            if known && !STREAMS.contains(&path.as_str()) && !OWN.contains(&(method.as_str(), path.as_str())) {
                all.push((method.clone(), path.clone()));
            }
        }
    }
    all
}

/// What an answer says, without what it was asked with.
fn told(answer: &Response, path: &str) -> String {
    let mut text = String::from_utf8_lossy(&answer.body).into_owned();
    // What was just made has an id and a moment of its own.
    if let Ok(serde_json::Value::Object(mut made)) = serde_json::from_slice(&answer.body)
        && answer.status < 300
    {
        ["id", "created"].into_iter().for_each(|key| drop(made.remove(key)));
        text = serde_json::Value::Object(made).to_string();
    }
    let parts = path.split('/').skip(4).flat_map(|part| [part.to_owned(), part.replace("%2B", "+")]);
    parts.filter(|part| part.len() > 2).fold(text, |text, part| text.replace(&part, "…"))
}

fn made(answer: &Response, key: &str) -> String {
    let value = answer.json();
    let found = value.get(key).or_else(|| value.as_object()?.values().find_map(|inner| inner.get(key)));
    let found = found.unwrap_or_else(|| panic!("{}: {value}", answer.status));
    found.as_str().map_or_else(|| found.to_string(), str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_of_another_company_learns_whether_a_thing_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let message = messages::leave(&service, folder.path(), "api", "8471", 1).await;
    let directory = service.store().load_directory().await.unwrap();
    let company = directory.company_by_key("api").unwrap().id;
    let mailbox = directory.mailbox_by_name(company, "8471").unwrap().id.to_string();
    let user = directory.user_by_extension(company, "202").unwrap().id;
    let user_uuid = service.store().user_uuid(user).await.unwrap().unwrap();
    let story = tokio::task::spawn_blocking(move || {
        let phones = Phones::registered(SCENE, sip);
        let ada = http.log_in("api", "204", "ada-secret");
        let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", Some(0));
        phones.place(0..1, 25);
        let event = stream.next();
        let text = |key: &str| event.data[key].as_str().unwrap().to_owned();
        let hook = ada.send("POST", "/api/v1/webhooks", r#"{"url":"https://tapir.example/","kinds":["call.*"]}"#);
        let export = ada.send("POST", "/api/v1/exports", "{}");
        let token = ada.send("POST", "/api/v1/tokens", r#"{"name":"tapir","scopes":["calls.read"]}"#);
        let contacts = ada.get("/api/v1/contacts").json();
        let contact = contacts["contacts"][0]["number"].as_str().unwrap_or_else(|| panic!("{contacts}")).to_owned();
        let written = ada.send("POST", "/api/v1/conversations", r#"{"to":"202","text":"a tapir and an okapi"}"#);
        let keys = r#"{"label":"tapir","users":["202"]}"#;
        let answer = ada.send("PUT", "/api/v1/numbers/%2B15550101/shared-inbox", keys);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let shared = ada.get("/api/v1/licences");
        let note = ada.send("POST", &format!("/api/v1/calls/{}/notes", text("call")), r#"{"text":"an okapi"}"#);
        let things = Things {
            note: made(&note, "id"),
            call: text("call"),
            recording: text("recording"),
            webhook: made(&hook, "id"),
            delivery: "1".to_owned(),
            export: made(&export, "id"),
            token: made(&token, "id"),
            contact: contact.replace('+', "%2B"),
            conversation: made(&written, "conversation"),
            licence: shared.json()["licences"][0]["id"].to_string(),
            message: message.to_string(),
            mailbox,
            user_uuid,
        };
        let strangers: Vec<(&str, Session)> = vec![
            ("their admin", http.log_in("other", "301", "eve-secret-1")),
            ("their supervisor", http.log_in("other", "302", "eve-secret-2")),
            ("their analyst", http.log_in("other", "303", "eve-secret-3")),
            ("their agent", http.log_in("other", "304", "eve-secret-4")),
            ("their reseller", http.log_in_as_staff("rita", "rita-secret").of("other")),
        ];
        let mut asked = 0;
        for (method, template) in operations() {
            let [ours, none] = things.both(&template);
            let (body, verb) = (body(&method, &template), method.to_uppercase());
            for (who, session) in &strangers {
                let row = format!("{method} {template} by {who}");
                let answer = session.send(&verb, &ours, body);
                asked += 1;
                assert!(answer.status < 500, "{row}: {}", answer.status);
                if ours == none {
                    let text = String::from_utf8_lossy(&answer.body);
                    let learned = MARKS.iter().find(|mark| text.contains(**mark));
                    assert_eq!(learned, None, "{row}: {text}");
                    let named = [&things.call, &things.recording, &things.message]
                        .into_iter()
                        .find(|id| text.contains(id.as_str()));
                    assert_eq!(named, None, "{row}: {text}");
                } else {
                    let twin = session.send(&verb, &none, body);
                    let (one, other) = (told(&answer, &ours), told(&twin, &none));
                    assert_eq!((answer.status, one), (twin.status, other), "{row}");
                    // Numbers of the outside are anybody's; of our own no answer is a success.
                    let is_contact = template.starts_with("/api/v1/contacts");
                    assert!(is_contact || answer.status >= 400, "{row}: {}", answer.status);
                }
            }
            let nobody = http.ask(&verb, &ours, &[], body);
            assert_eq!(nobody.status, 401, "{method} {template}: nobody is logged in");
        }
        assert!(asked > 100, "{asked}");

        // All of it is still there.
        assert_eq!(ada.get(&format!("/api/v1/recordings/{}/audio", things.recording)).status, 200);
        for path in [
            "/users/202",
            "/groups/zebra",
            "/inboxes/quagga",
            "/flows/okapi",
            "/numbers/%2B15550100",
            "/voicemails/8471",
        ] {
            assert_eq!(ada.get(&format!("/api/v1{path}")).status, 200, "{path}");
        }
        let audio = format!("/api/v1/voicemails/8471/messages/{}/audio", things.message);
        assert_eq!(ada.get(&audio).status, 200);
        // And who may see it does.
        let root = http.log_in_as_staff("root", "root-secret");
        assert_eq!(root.of("api").get(&format!("/api/v1/calls/{}", things.call)).status, 200);
    });
    story.await.unwrap();
    service.stop().await;
}

/// Within a company the same holds for what a role or a setting hides.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_colleague_who_may_not_see_a_call_learns_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let phones = Phones::registered(SCENE, sip);
        let ada = http.log_in("api", "204", "ada-secret");
        let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", Some(0));
        phones.place(0..1, 25);
        let event = stream.next();
        let text = |key: &str| event.data[key].as_str().unwrap().to_owned();
        // In no inbox, no group and no number of that call any more.
        let gone = ada.send("PATCH", "/api/v1/inboxes/quagga", r#"{"members":[]}"#);
        assert!(gone.status < 300, "{}: {}", gone.status, String::from_utf8_lossy(&gone.body));
        let colleague = http.log_in("api", "202", "jane-secret");
        for (method, template) in operations() {
            let of = ["{call}", "{recording}"].into_iter().find(|part| template.contains(part));
            let Some(part) = of else { continue };
            let ours = template.replace(part, &text(part.trim_matches(['{', '}'])));
            let none = template.replace(part, NO_UUID);
            let (body, verb) = (body(&method, &template), method.to_uppercase());
            let (answer, twin) = (colleague.send(&verb, &ours, body), colleague.send(&verb, &none, body));
            let (one, other) = (told(&answer, &ours), told(&twin, &none));
            assert_eq!((answer.status, one), (twin.status, other), "{method} {template}");
            assert!(answer.status >= 400, "{method} {template}: {}", answer.status);
        }
        assert_eq!(colleague.get("/api/v1/calls").json()["calls"], serde_json::json!([]));
        assert_eq!(ada.get(&format!("/api/v1/calls/{}", text("call"))).status, 200);
    });
    story.await.unwrap();
    service.stop().await;
}

/// A message is for whom it was left: a colleague, and an admin by the routes of their own messages, learn
/// nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_colleague_who_does_not_hear_a_message_learns_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let message = messages::leave(&service, folder.path(), "api", "8471", 1).await.to_string();
    let story = tokio::task::spawn_blocking(move || {
        let (ada, jane) = (http.log_in("api", "204", "ada-secret"), http.log_in("api", "202", "jane-secret"));
        let bob = http.log_in("api", "201", "api-secret");
        let mut asked = 0;
        for (method, template) in operations().into_iter().filter(|(_, path)| path.contains("{message}")) {
            let fill = |template: &str, mailbox: &str, message: &str| {
                template.replace("{box}", mailbox).replace("{message}", message)
            };
            let (body, verb) = (body(&method, &template), method.to_uppercase());
            let ours = fill(&template, "8471", &message);
            let none = fill(&template, if template.contains("{box}") { "777" } else { "8471" }, NO_UUID);
            // An admin manages by the box; of their own messages it is none.
            let viewers = if template.contains("{box}") { vec![&bob] } else { vec![&bob, &ada] };
            for viewer in viewers {
                let (answer, twin) = (viewer.send(&verb, &ours, body), viewer.send(&verb, &none, body));
                let (one, other) = (told(&answer, &ours), told(&twin, &none));
                assert_eq!((answer.status, one), (twin.status, other), "{method} {template}");
                assert!(answer.status >= 400, "{method} {template}: {}", answer.status);
                asked += 1;
            }
        }
        assert!(asked > 10, "{asked}");
        for viewer in [&bob, &ada] {
            assert_eq!(viewer.get("/api/v1/messages").json()["messages"], serde_json::json!([]));
        }
        assert_eq!(bob.get("/api/v1/voicemails/8471").status, 404, "a colleague's box is as one that there is not");
        assert_eq!(jane.get(&format!("/api/v1/messages/{message}/audio")).status, 200);
    });
    story.await.unwrap();
    service.stop().await;
}
