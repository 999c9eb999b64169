//! The compatible API over real sockets: the examples of the product's documents as they are typed there,
//! and what Wazo's clients rely on.

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
#[path = "scene/mod.rs"]
mod scene;
#[path = "events/socket.rs"]
mod socket;

use base64::Engine;
use http::service::{config, start};
use http::{Http, Response};
use scene::Scene;
use serde_json::{Value, json};
use socket::Message;
use std::path::Path;
use telegraphone::audio::prompt::write_wav;
use telegraphone::service::Service;

const SCENE: Scene = Scene("api");
const PEOPLE: &str = r#"
[[user]]
extension = "202"
name = "Jane Doe"
password = "jane-secret"
download = true
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
"#;
const THEIRS: &str = r#"
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "301"
name = "Eve"
password = "eve-secret"
role = "admin"
"#;

/// The examples of seed 003, as they stand there.
const CREATE: &str = r#"
curl -X POST \
  https://<STACK>:<PORT>/api/confd/1.1/voicemails \
  -H 'Content-Type: application/json' \
  -H 'X-Auth-Token: <TOKEN>' \
  -H 'Wazo-Tenant: <TENANT_UUID>' \
  -d '{
  "name": "Shared Voicemail",
  "number": "8000",
  "context": "default",
  "accesstype": "global"
}'
"#;
const PROMOTE: &str = r#"
curl -X PUT \
  https://<STACK>:<PORT>/api/confd/1.1/voicemails/<VOICEMAIL_ID> \
  -H 'Content-Type: application/json' \
  -H 'X-Auth-Token: <TOKEN>' \
  -H 'Wazo-Tenant: <TENANT_UUID>' \
  -d '{
    "accesstype": "global"
  }'
"#;
const READ: &str = r"
curl https://<STACK>:<PORT>/api/calld/1.0/users/me/voicemails/messages?voicemail_type=all \
  -H 'X-Auth-Token: <TOKEN>'
";

/// Types an example: what stands in angle brackets is put in.
fn typed(http: Http, example: &str, put_in: &[(&str, &str)]) -> Response {
    let text = put_in.iter().fold(example.to_owned(), |text, (name, value)| text.replace(name, value));
    let mut words = words(&text).into_iter().skip(1);
    let (mut method, mut path, mut headers, mut body) = (String::new(), String::new(), Vec::new(), String::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-X" => method = words.next().unwrap(),
            "-H" => headers.push(words.next().unwrap()),
            "-d" => body = words.next().unwrap(),
            url => path = url.strip_prefix("https://<STACK>:<PORT>").unwrap_or_else(|| panic!("{url}")).to_owned(),
        }
    }
    let method = if method.is_empty() { "GET" } else { &method };
    let headers: Vec<(&str, &str)> = headers.iter().filter_map(|header| header.split_once(": ")).collect();
    http.ask(method, &path, &headers, &body)
}

/// The words of a command, as a shell reads them.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.replace("\\\n", " ").chars() {
        match c {
            '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Somebody with a token of the compatible API.
#[derive(Clone)]
struct Client {
    http: Http,
    token: String,
    tenant: String,
    uuid: String,
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}")))
}

fn log_in(http: Http, name: &str, password: &str) -> Response {
    http.ask("POST", "/api/auth/0.1/token", &[("Authorization", &basic(name, password))], r#"{"expiration":3600}"#)
}

impl Client {
    fn of(http: Http, name: &str, password: &str) -> Self {
        let answer = log_in(http, name, password);
        assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
        let data = answer.json()["data"].clone();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{data}")).to_owned();
        Client {
            http,
            token: text(&data["token"]),
            tenant: text(&data["metadata"]["tenant_uuid"]),
            uuid: text(&data["metadata"]["uuid"]),
        }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Response {
        self.http.ask(method, path, &[("X-Auth-Token", &self.token)], body)
    }

    fn get(&self, path: &str) -> Response {
        self.send("GET", path, "")
    }

    fn example(&self, example: &str, id: &str) -> Response {
        let put_in = [("<TOKEN>", self.token.as_str()), ("<TENANT_UUID>", &self.tenant), ("<VOICEMAIL_ID>", id)];
        typed(self.http, example, &put_in)
    }

    fn events(&self, more: &str) -> socket::Socket {
        open(self.http, &self.token, more)
    }

    fn stream(&self, kinds: &str) -> http::Stream {
        self.http.stream_with(
            &format!("/api/v1/events?kinds={}", kinds.replace('#', "%23")),
            &[("X-Auth-Token", &self.token)],
        )
    }
}

async fn service(folder: &Path) -> (Service, Http) {
    let (service, _, http) = start(config(folder), &[&format!("{}{PEOPLE}", SCENE.company()), THEIRS]).await;
    (service, http)
}

async fn blocking<T: Send + 'static>(story: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(story).await.unwrap()
}

const MESSAGES: &str = "/api/calld/1.0/users/me/voicemails/messages";

/// Seed 003: the shared box is made, or another is promoted; everybody reads, marks and deletes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_examples_of_the_documents_work_as_they_are_typed() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let (ada, jane, mut stream) = blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        let made = ada.example(CREATE, "");
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
        let shared = made.json();
        assert_eq!(
            (&shared["accesstype"], &shared["ask_password"], &shared["delete_messages"]),
            (&json!("global"), &json!(true), &json!(false))
        );
        assert_eq!((&shared["tenant_uuid"], &shared["users"]), (&json!(ada.tenant), &json!([])));
        assert!(shared["id"].is_i64(), "{shared}");

        let night = r#"{"name":"Night","number":"8001","context":"default"}"#;
        let night = ada.send("POST", "/api/confd/1.1/voicemails", night).json();
        assert_eq!(night["accesstype"], "personal");
        let second = ada.example(PROMOTE, &night["id"].to_string());
        assert_eq!(second.status, 400);
        let said = second.json().to_string();
        assert!(
            second.json().is_array() && said.contains("There can be only one global voicemail per context."),
            "{said}"
        );
        let own = |id: &Value| format!("/api/confd/1.1/voicemails/{id}");
        assert_eq!(ada.send("DELETE", &own(&shared["id"]), "").status, 204);
        assert_eq!(ada.example(PROMOTE, &night["id"].to_string()).status, 204);
        assert_eq!(ada.get(&own(&night["id"])).json()["accesstype"], "global");

        let jane = Client::of(http, "202@api.example", "jane-secret");
        assert_eq!(jane.example(READ, "").json(), json!({ "items": [], "total": 0 }));
        let stream = jane.stream("events.voicemails.global.messages.#");
        (ada, jane, stream)
    })
    .await;
    let id = messages::leave(&service, folder.path(), "api", "8001", 4).await.to_string();
    blocking(move || {
        let created = stream.next();
        assert_eq!(created.name, "global_voicemail_message_created");
        assert_eq!(created.data["data"]["message_id"], id.as_str());
        assert_eq!(created.data["data"].get("user_uuid"), None, "{}", created.data);
        assert_eq!(created.data["data"]["message"]["voicemail"]["accesstype"], "global");

        let read = jane.example(READ, "");
        assert_eq!(read.status, 200);
        let page = read.json();
        assert_eq!(page["total"], 1);
        let message = &page["items"][0];
        assert_eq!((&message["id"], &message["duration"], &message["empty"]), (&json!(id), &json!(4), &json!(false)));
        assert_eq!((&message["caller_id_name"], &message["caller_id_num"]), (&json!("Otto"), &json!(messages::CALLER)));
        assert_eq!(message["folder"], json!({ "id": 1, "name": "inbox", "type": "new" }));
        assert_eq!((message.get("transcription"), message["timestamp"].is_i64()), (Some(&Value::Null), true));
        for (kind, total) in [("personal", 0), ("global", 1), ("all", 1)] {
            let page = jane.get(&format!("{MESSAGES}?voicemail_type={kind}")).json();
            assert_eq!(page["total"], total, "{kind}");
        }

        let own = format!("{MESSAGES}/{id}");
        let wav = jane.get(&format!("{own}/recording?download=1"));
        assert_eq!((wav.status, wav.header("content-type"), &wav.body[..4]), (200, Some("audio/wav"), &b"RIFF"[..]));
        assert!(wav.header("content-disposition").unwrap().contains(&format!("vm-msg-{id}.wav")));
        let by_url = http.ask("GET", &format!("{own}/recording?token={}", jane.token), &[], "");
        assert_eq!((by_url.status, &by_url.body), (200, &wav.body), "a player sends no headers");
        assert_eq!(http.ask("GET", &format!("{own}?token={}", jane.token), &[], "").status, 401);
        assert_eq!(jane.get(&own).json()["folder"]["id"], 1, "fetching the audio marks nothing");
        assert_eq!(jane.send("PUT", &own, r#"{"folder_id": 2}"#).status, 204);
        assert_eq!(stream.next().name, "global_voicemail_message_updated");
        assert_eq!(ada.get(&own).json()["folder"]["type"], "old", "the state is everybody's");
        assert_eq!(jane.send("PUT", &own, r#"{"folder_id": 9}"#).status, 404);
        assert_eq!(jane.send("PUT", &own, r#"{"folder_id": "x"}"#).status, 400);
        assert_eq!(jane.send("DELETE", &own, "").status, 204);
        assert_eq!(stream.next().name, "global_voicemail_message_deleted");
        assert_eq!(ada.get(&own).status, 404);
        assert_eq!(ada.example(READ, "").json()["total"], 0);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_is_given_for_a_password_and_holds_as_long_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    blocking(move || {
        for (name, password) in
            [("204@api", "wrong"), ("204@nobody", "ada-secret"), ("299@api", "ada-secret"), ("204", "x")]
        {
            let refused = log_in(http, name, password);
            assert_eq!((refused.status, refused.json()["reason"].is_array()), (401, true), "{name}");
        }
        assert_eq!(http.ask("POST", "/api/auth/0.1/token", &[], "{}").status, 401);
        let given = [("Authorization", basic("204@api", "ada-secret"))];
        let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(http.ask("POST", "/api/auth/0.1/token", &given, r#"{"expiration":0}"#).status, 400);

        let jane = Client::of(http, "202@api", "jane-secret");
        let path = format!("/api/auth/0.1/token/{}", jane.token);
        let data = http.ask("GET", &path, &[], "").json()["data"].clone();
        assert_eq!((&data["token"], &data["metadata"]["uuid"]), (&json!(jane.token), &json!(jane.uuid)));
        assert!(data["utc_expires_at"].as_str() > data["utc_issued_at"].as_str(), "{data}");
        for (query, status) in [
            ("", 204),
            ("?scope=calld.users.me.voicemails.messages.read", 204),
            ("?scope=confd.voicemails.create", 403),
            (&format!("?tenant={}", jane.tenant), 204),
            ("?tenant=other", 403),
            ("?tenant=nobody", 403),
        ] {
            assert_eq!(http.ask("HEAD", &format!("{path}{query}"), &[], "").status, status, "{query}");
        }
        assert_eq!(jane.get(MESSAGES).status, 200);
        assert_eq!(jane.get("/api/v1/calls").status, 403, "it is for the compatible API");
        assert_eq!(jane.get("/api/confd/1.1/voicemails").status, 401);
        let ended = http.ask("DELETE", &path, &[], "");
        assert_eq!((ended.status, ended.json()), (200, json!({ "data": { "message": "success" } })));
        assert_eq!(jane.get(MESSAGES).status, 401);
        assert_eq!(http.ask("GET", &path, &[], "").status, 404);
    })
    .await;
    service.stop().await;
}

/// What `@wazo/sdk` asks for when somebody logs in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_is_told_who_has_logged_in_and_of_others_only_an_admin_is() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    blocking(move || {
        let (ada, jane) = (Client::of(http, "204@api", "ada-secret"), Client::of(http, "202@api", "jane-secret"));
        let eve = Client::of(http, "301@other", "eve-secret");
        let own = format!("/api/confd/1.1/users/{}", jane.uuid);
        let shown = jane.get(&own).json();
        assert_eq!((&shown["uuid"], &shown["tenant_uuid"]), (&json!(jane.uuid), &json!(jane.tenant)));
        assert_eq!((&shown["firstname"], &shown["lastname"]), (&json!("Jane"), &json!("Doe")));
        assert_eq!(shown["lines"][0]["extensions"][0]["exten"], "202");
        assert_eq!((&shown["voicemail"], &shown["services"]["dnd"]["enabled"]), (&Value::Null, &json!(false)));
        assert_eq!(jane.get("/api/confd/1.1/users/me").json(), shown);
        let made =
            ada.send("POST", &format!("{own}/voicemails"), r#"{"name":"Jane","number":"202","context":"default"}"#);
        assert_eq!(made.status, 201);
        let with_box = ada.get(&own).json();
        assert_eq!(with_box["voicemail"], json!({ "id": made.json()["id"], "name": "Jane" }));
        for (who, path, status) in [
            (&jane, format!("/api/confd/1.1/users/{}", ada.uuid), 401),
            (&eve, own.clone(), 404),
            (&ada, "/api/confd/1.1/users/01939393-9393-4393-8393-939393939393".to_owned(), 404),
        ] {
            assert_eq!(who.get(&path).status, status, "{path}");
        }
        let infos = jane.get("/api/confd/1.1/infos").json();
        assert!(infos["wazo_version"].is_string() && infos["uuid"] == json!(jane.tenant), "{infos}");
        assert_eq!(http.ask("GET", "/api/confd/1.1/infos", &[], "").status, 401);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_that_is_not_ones_own_is_as_one_that_there_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        let eve = Client::of(http, "301@other", "eve-secret");
        let own = ada.example(CREATE, "").json()["id"].to_string();
        for path in ["/api/confd/1.1/voicemails", MESSAGES, "/api/calld/1.0/voicemails/messages"] {
            let of = |tenant: &str| {
                let headers = [("X-Auth-Token", eve.token.as_str()), ("Wazo-Tenant", tenant)];
                let answer = http.ask("GET", path, &headers, "");
                (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
            };
            assert_eq!(of(&eve.tenant).0, 200, "{path}");
            assert_eq!(of("other").0, 200, "{path}: by its key");
            let hidden = of(&ada.tenant);
            assert_eq!((hidden.0, hidden.clone()), (401, of("01939393-9393-4393-8393-939393939393")), "{path}");
        }
        for (method, path) in [
            ("GET", format!("/api/confd/1.1/voicemails/{own}")),
            ("PUT", format!("/api/confd/1.1/voicemails/{own}")),
            ("DELETE", format!("/api/confd/1.1/voicemails/{own}")),
            ("GET", format!("/api/calld/1.0/voicemails/{own}")),
            ("GET", format!("/api/confd/1.1/users/{}/voicemails", ada.uuid)),
        ] {
            let (hidden, none) = (eve.send(method, &path, "{}"), {
                let path = path
                    .replace(&format!("/voicemails/{own}"), "/voicemails/999999")
                    .replace(&ada.uuid, "01939393-9393-4393-8393-939393939393");
                eve.send(method, &path, "{}")
            });
            assert_eq!((hidden.status, &hidden.body), (404, &none.body), "{method} {path}");
        }
        assert_eq!(ada.get(&format!("/api/confd/1.1/voicemails/{own}")).status, 200);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn boxes_are_listed_given_to_users_and_refused_with_a_list_of_messages() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        let jane = Client::of(http, "202@api", "jane-secret");
        const BOXES: &str = "/api/confd/1.1/voicemails";
        let add = |body: Value| ada.send("POST", BOXES, &body.to_string());
        let full = json!({ "name": "Full", "number": "8100", "context": "default", "password": "1234",
            "email": "full@example.com", "language": "fr_FR", "timezone": "Europe/Paris", "max_messages": 10,
            "attach_audio": true, "delete_messages": true, "ask_password": true, "options": [["saycid", "yes"]] });
        let made = add(full.clone());
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
        let (location, made) = (made.header("location").unwrap().to_owned(), made.json());
        for (key, value) in full.as_object().unwrap() {
            assert_eq!(&made[key], value, "{key}");
        }
        assert_eq!(ada.get(&location).json(), made);
        let refused = |answer: Response, part: &str| {
            let said = answer.json();
            assert_eq!(answer.status, 400, "{said}");
            let messages = said.as_array().unwrap_or_else(|| panic!("{said}"));
            assert!(messages.iter().any(|message| message.as_str().unwrap().contains(part)), "{part}: {said}");
        };
        refused(add(full), "8100");
        refused(add(json!({})), "name");
        refused(add(json!({ "name": "x", "number": "8x", "context": "default" })), "8x");
        refused(
            add(json!({ "name": "x", "number": "8101", "context": "default", "delete_messages": true })),
            "delete_messages",
        );
        assert_eq!(add(json!({ "name": "Other", "number": "8100", "context": "sales" })).status, 201);
        let shared = ada.example(CREATE, "").json()["id"].clone();

        let of = |uuid: &str| format!("/api/confd/1.1/users/{uuid}/voicemails");
        refused(ada.send("PUT", &format!("{}/{shared}", of(&jane.uuid)), ""), "global voicemail cannot be associated");
        let own = format!("{}/{}", of(&jane.uuid), made["id"]);
        assert_eq!((ada.send("PUT", &own, "").status, ada.send("PUT", &own, "").status), (204, 204));
        let theirs = jane.get(&of("me")).json();
        assert_eq!((&theirs["total"], &theirs["items"][0]["users"][0]["uuid"]), (&json!(1), &json!(jane.uuid)));
        assert_eq!(theirs["items"][0]["users"][0]["lastname"], "Doe");
        assert_eq!(jane.get(&of(&ada.uuid)).status, 401, "a colleague's is not theirs to see");
        refused(ada.send("DELETE", &location, ""), "associated with a User");
        refused(ada.send("PUT", &location, r#"{"accesstype":"global"}"#), "global voicemail cannot be associated");
        let second = json!({ "name": "Second", "number": "8102", "context": "default" }).to_string();
        refused(ada.send("POST", &of(&jane.uuid), &second), "box");
        assert_eq!(ada.send("POST", &of(&ada.uuid), &second).status, 201);
        assert_eq!(ada.send("DELETE", &of(&jane.uuid), "").status, 204);
        assert_eq!(jane.get(&of("me")).json()["total"], 0);

        let numbers = |query: &str| -> Vec<String> {
            let page = ada.get(&format!("{BOXES}{query}")).json();
            let items = page["items"].as_array().unwrap_or_else(|| panic!("{query}: {page}")).clone();
            items.iter().map(|item| item["number"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(numbers(""), ["8000", "8100", "8100", "8102"]);
        assert_eq!(numbers("?order=number&direction=desc&limit=1&offset=1"), ["8100"]);
        assert_eq!(numbers("?search=shared"), ["8000"]);
        assert_eq!(numbers("?accesstype=personal&context=sales"), ["8100"]);
        let page = ada.get(&format!("{BOXES}?limit=1&recurse=true")).json();
        assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(4), 1));
        refused(ada.get(&format!("{BOXES}?order=colour&direction=up&limit=-1")), "order");
        assert_eq!(ada.send("DELETE", &location, "").status, 204);
        assert_eq!(ada.get(&location).status, 404);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn options_that_are_known_act_and_others_are_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        const GENERAL: &str = "/api/confd/1.1/asterisk/voicemail/general";
        const ZONES: &str = "/api/confd/1.1/asterisk/voicemail/zonemessages";
        assert_eq!(ada.get(GENERAL).json()["options"]["maxsecs"], "180");
        let body = json!({ "options": { "maxsecs": "60", "emailsubject": "New from ${VM_CIDNAME}", "tz": "eu" } });
        assert_eq!(ada.send("PUT", GENERAL, &body.to_string()).status, 204);
        let options = ada.get(GENERAL).json()["options"].clone();
        assert_eq!(
            (&options["maxsecs"], &options["tz"], &options["minsecs"]),
            (&json!("60"), &json!("eu"), &json!("2"))
        );
        let settings = ada.http.log_in("api", "204", "ada-secret").get("/api/v1/company/settings");
        if settings.status == 200 {
            assert_eq!(settings.json()["voicemail"]["max_s"], 60);
        }
        let wrong = ada.send("PUT", GENERAL, r#"{"options":{"maxsecs":"long"}}"#);
        assert_eq!((wrong.status, wrong.json().is_array()), (400, true));
        let zones = json!({ "items": [{ "name": "eu", "timezone": "Europe/Berlin", "message": "'vm-received' Q" }] });
        assert_eq!(ada.send("PUT", ZONES, &zones.to_string()).status, 204);
        assert_eq!(ada.get(ZONES).json(), zones);
        assert_eq!(ada.get(GENERAL).json()["options"]["tz"], "eu");
        let body = json!({ "name": "x", "number": "8300", "context": "default", "timezone": "eu" }).to_string();
        assert_eq!(ada.send("POST", "/api/confd/1.1/voicemails", &body).json()["timezone"], "Europe/Berlin");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_are_paged_managed_by_admins_and_given_by_the_patterns_of_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let (ada, jane, own) = blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        let jane = Client::of(http, "202@api", "jane-secret");
        let body = json!({ "name": "Jane", "number": "8202", "context": "default", "password": "4711" }).to_string();
        let own = ada.send("POST", &format!("/api/confd/1.1/users/{}/voicemails", jane.uuid), &body).json();
        (ada, jane, own["id"].clone())
    })
    .await;
    let mut ids = Vec::new();
    for seconds in [3, 1, 2] {
        ids.push(messages::leave(&service, folder.path(), "api", "8202", seconds).await.to_string());
    }
    blocking(move || {
        let seconds = |who: &Client, query: &str| -> Vec<u64> {
            let page = who.get(&format!("{MESSAGES}?{query}")).json();
            let items = page["items"].as_array().unwrap_or_else(|| panic!("{query}: {page}")).clone();
            items.iter().map(|item| item["duration"].as_u64().unwrap()).collect()
        };
        assert_eq!(seconds(&jane, ""), [3, 1, 2]);
        assert_eq!(seconds(&jane, "direction=desc&limit=2"), [2, 1]);
        assert_eq!(seconds(&jane, "order=duration&offset=1&limit=1"), [2]);
        assert_eq!(seconds(&jane, "voicemail_type=global"), [] as [u64; 0]);
        assert_eq!(seconds(&ada, ""), [] as [u64; 0], "an admin's own are not the colleague's");
        assert_eq!(jane.get(&format!("{MESSAGES}?order=colour")).status, 400);

        let whole = jane.get("/api/calld/1.0/users/me/voicemails").json();
        assert_eq!((&whole["number"], whole["folders"].as_array().unwrap().len()), (&json!("8202"), 6));
        assert_eq!(whole["folders"][0]["messages"].as_array().unwrap().len(), 3);
        assert_eq!(jane.get("/api/calld/1.0/users/me/voicemails/folders/2").json()["messages"], json!([]));
        assert_eq!(jane.get("/api/calld/1.0/users/me/voicemails/folders/7").status, 404);
        assert_eq!(ada.get("/api/calld/1.0/users/me/voicemails").status, 404);

        let all = |query: &str| ada.get(&format!("/api/calld/1.0/voicemails/messages?{query}")).json();
        assert_eq!((&all("")["total"], &all("limit=1")["filtered"]), (&json!(3), &json!(3)));
        assert_eq!(all(&format!("user_uuid={}", jane.uuid))["total"], 3);
        assert_eq!(all(&format!("user_uuid={}", ada.uuid))["total"], 0);
        assert_eq!(all(&format!("voicemail_id={own}&until=2001-01-01T00:00:00Z"))["filtered"], 0);
        assert_eq!(all("voicemail_id=999999")["total"], 0);
        assert_eq!(jane.get("/api/calld/1.0/voicemails/messages").status, 401);

        let managed = format!("/api/calld/1.0/voicemails/{own}/messages/{}", ids[0]);
        assert_eq!(ada.get(&managed).json()["duration"], 3);
        assert_eq!(ada.get(&format!("{managed}/recording")).header("content-type"), Some("audio/wav"));
        assert_eq!(ada.get(&format!("/api/calld/1.0/voicemails/999999/messages/{}", ids[0])).status, 404);
        assert_eq!(ada.send("DELETE", &managed, "").status, 204);
        assert_eq!(jane.get(&format!("{MESSAGES}/{}", ids[0])).status, 404);

        let session = http.log_in("api", "202", "jane-secret");
        let body = r#"{"name":"reader","scopes":["calld.users.me.voicemails.#","!calld.users.me.voicemails.messages.*.delete"]}"#;
        let secret = session.send("POST", "/api/v1/tokens", body).json()["secret"].as_str().unwrap().to_owned();
        let reader = Client { token: secret, ..jane.clone() };
        let message = format!("{MESSAGES}/{}", ids[1]);
        assert_eq!(reader.get(&message).status, 200);
        assert_eq!(reader.send("DELETE", &message, "").status, 401);
        assert_eq!(reader.send("PUT", &message, r#"{"folder_id":4}"#).status, 204);
        let body = r#"{"name":"scoped","scopes":["messages.read"]}"#;
        let secret = session.send("POST", "/api/v1/tokens", body).json()["secret"].as_str().unwrap().to_owned();
        let scoped = Client { token: secret, ..jane.clone() };
        assert_eq!((scoped.get(&message).status, scoped.send("DELETE", &message, "").status), (200, 401));
        assert_eq!(scoped.get("/api/v1/messages").status, 200, "a token of ours is one of theirs");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn greetings_are_made_replaced_copied_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        let jane = Client::of(http, "202@api", "jane-secret");
        let body = json!({ "name": "Jane", "number": "8202", "context": "default", "password": "4711" }).to_string();
        let made = ada.send("POST", &format!("/api/confd/1.1/users/{}/voicemails", jane.uuid), &body).json();
        let greeting = |kind: &str| format!("/api/calld/1.0/users/me/voicemails/greetings/{kind}");
        let upload = |who: &Client, method: &str, path: &str, wav: &[u8]| {
            who.http.ask_with_bytes(method, path, &[("X-Auth-Token", &who.token)], wav).status
        };
        let (wav, other) = (write_wav(&[1_000; 16_000]), write_wav(&[2_000; 8_000]));
        assert_eq!(jane.send("HEAD", &greeting("busy"), "").status, 404);
        assert_eq!(upload(&jane, "PUT", &greeting("busy"), &wav), 404);
        assert_eq!(upload(&jane, "POST", &greeting("busy"), b"no sound"), 400);
        assert_eq!(upload(&jane, "POST", &greeting("busy"), &wav), 204);
        assert_eq!(upload(&jane, "POST", &greeting("busy"), &wav), 409);
        assert_eq!(jane.send("HEAD", &greeting("busy"), "").status, 200);
        assert_eq!(jane.get(&greeting("busy")).body, wav);
        assert_eq!(upload(&jane, "PUT", &greeting("busy"), &other), 204);
        let copy = format!("{}/copy", greeting("busy"));
        assert_eq!(jane.send("POST", &copy, r#"{"dest_greeting":"name"}"#).status, 204);
        assert_eq!(jane.send("POST", &copy, r#"{"dest_greeting":"loud"}"#).status, 400);
        assert_eq!(ada.get(&format!("/api/calld/1.0/voicemails/{}/greetings/name", made["id"])).body, other);
        assert_eq!(jane.send("DELETE", &greeting("busy"), "").status, 204);
        assert_eq!((jane.get(&greeting("busy")).status, jane.get(&greeting("loud")).status), (404, 404));
        assert_eq!(jane.get(&greeting("name")).status, 200);
    })
    .await;
    service.stop().await;
}

/// What happens to one's own messages is told with one's own UUID, and to nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_ones_own_messages_come_by_ones_own_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let (jane, ada, own, mut managing, mut socket) = blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        let jane = Client::of(http, "202@api", "jane-secret");
        let body = json!({ "name": "Jane", "number": "8202", "context": "default", "password": "4711" }).to_string();
        assert_eq!(ada.send("POST", &format!("/api/confd/1.1/users/{}/voicemails", jane.uuid), &body).status, 201);
        assert_eq!(ada.example(CREATE, "").status, 201);
        let body = json!({ "name": "Ada", "number": "8204", "context": "default", "password": "4712" }).to_string();
        assert_eq!(ada.send("POST", &format!("/api/confd/1.1/users/{}/voicemails", ada.uuid), &body).status, 201);
        let own = jane.stream("events.users.me.voicemails");
        let managing = ada.stream("events.users.*.voicemails.messages.#,!events.voicemails.#");
        let mut socket = jane.events("&version=2");
        for said in [r#"{"op":"subscribe","data":{"event_name":"*"}}"#, r#"{"op":"start"}"#] {
            socket.next();
            socket.say(said);
        }
        socket.next();
        (jane, ada, own, managing, socket)
    })
    .await;
    let theirs = messages::leave(&service, folder.path(), "api", "8204", 1).await.to_string();
    let (jane, own, managing) = blocking(move || {
        assert_eq!(managing.next().data["data"]["message_id"], theirs.as_str());
        // Whoever comes in the place of another is told what happens from then on.
        socket.say(&format!(r#"{{"op":"token","data":{{"token":"{}"}}}}"#, ada.token));
        assert_eq!(socket.next(), said("token", Value::Null));
        socket.say(r#"{"op":"ping","data":{"payload":"now"}}"#);
        assert_eq!(socket.next(), said("pong", json!({ "payload": "now" })));
        (jane, own, managing)
    })
    .await;
    let (mut own, mut managing) = (own, managing);
    messages::leave(&service, folder.path(), "api", "8000", 1).await;
    let id = messages::leave(&service, folder.path(), "api", "8202", 1).await.to_string();
    blocking(move || {
        for event in [own.next(), managing.next()] {
            assert_eq!(event.name, "user_voicemail_message_created");
            assert_eq!(
                (&event.data["data"]["user_uuid"], &event.data["data"]["message_id"]),
                (&json!(jane.uuid), &json!(id))
            );
            assert_eq!(event.data["tenant_uuid"], jane.tenant.as_str());
        }
        assert_eq!(jane.send("PUT", &format!("{MESSAGES}/{id}"), r#"{"folder_id":2}"#).status, 204);
        let updated = own.next();
        assert_eq!(
            (updated.name.as_str(), &updated.data["data"]["message"]["folder"]["id"]),
            ("user_voicemail_message_updated", &json!(2))
        );
    })
    .await;
    service.stop().await;
}

/// Wazo's protocol of events: names are subscribed to, and after the start those events come.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_subscribe_to_events_by_name_over_a_websocket() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let (ada, jane, mut own, mut old, mut deaf) = blocking(move || {
        let ada = Client::of(http, "204@api", "ada-secret");
        let jane = Client::of(http, "202@api", "jane-secret");
        assert_eq!(ada.example(CREATE, "").status, 201);
        let mut own = jane.events("&version=2");
        assert_eq!(own.next(), said("init", json!({ "version": 2 })));
        own.say(r#"{"op":"subscribe","data":{"event_name":"global_voicemail_message_created"}}"#);
        assert_eq!(own.next(), said("subscribe", Value::Null));
        own.say(r#"{"op":"start"}"#);
        assert_eq!(own.next(), said("start", Value::Null));
        own.say(r#"{"op":"ping","data":{"payload":"pong"}}"#);
        assert_eq!(own.next(), said("pong", json!({ "payload": "pong" })));
        let again = Client::of(http, "202@api", "jane-secret");
        own.say(&format!(r#"{{"op":"token","data":{{"token":"{}"}}}}"#, again.token));
        assert_eq!(own.next(), said("token", Value::Null));

        // The older version, and everything.
        let mut old = ada.events("");
        assert_eq!(old.next(), said("init", json!({ "version": 1 })));
        old.say(r#"{"op":"subscribe","data":{"event_name":"*"}}"#);
        assert_eq!(old.next(), said("subscribe", Value::Null));
        old.say(r#"{"op":"start"}"#);
        assert_eq!(old.next(), said("start", Value::Null));
        // It has not started: nothing is told.
        let mut deaf = jane.events("&version=2");
        assert_eq!(deaf.next(), said("init", json!({ "version": 2 })));
        deaf.say(r#"{"op":"subscribe","data":{"event_name":"*"}}"#);
        assert_eq!(deaf.next(), said("subscribe", Value::Null));
        (ada, jane, own, old, deaf)
    })
    .await;
    let id = messages::leave(&service, folder.path(), "api", "8000", 1).await.to_string();
    blocking(move || {
        let Message::Event(told) = own.next() else { panic!("closed") };
        assert_eq!((&told["op"], &told["code"]), (&json!("event"), &json!(0)));
        let event = &told["data"];
        assert_eq!(event["name"], "global_voicemail_message_created");
        assert_eq!((&event["data"]["message_id"], &event["tenant_uuid"]), (&json!(id), &json!(jane.tenant)));
        assert_eq!(old.next(), Message::Event(event.clone()));

        // What was not subscribed to does not come between.
        assert_eq!(jane.send("PUT", &format!("{MESSAGES}/{id}"), r#"{"folder_id":2}"#).status, 204);
        let Message::Event(updated) = old.next() else { panic!("closed") };
        assert_eq!(updated["name"], "global_voicemail_message_updated");
        for socket in [&mut own, &mut deaf] {
            socket.say(r#"{"op":"ping","data":{"payload":"still"}}"#);
            assert_eq!(socket.next(), said("pong", json!({ "payload": "still" })));
        }

        for (token, more, said, code) in [
            ("", "&version=2", "", 4001),
            ("nobody", "&version=2", "", 4002),
            (&jane.token, "&version=3", "", 4004),
            (&jane.token, "&version=2", r#"{"op":"fly"}"#, 4004),
            (&jane.token, "&version=2", "nonsense", 4004),
            (&jane.token, "&version=2", r#"{"op":"token","data":{"token":"nobody"}}"#, 4002),
        ] {
            let mut socket = open(jane.http, token, more);
            if !said.is_empty() {
                socket.next();
                socket.say(said);
            }
            assert_eq!(socket.next(), Message::Closed(code), "{token} {more} {said}");
        }
        let no_events = [("Authorization", basic("204@api", "ada-secret"))];
        let no_events: Vec<(&str, &str)> = no_events.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = r#"{"acl": ["calld.#"]}"#;
        let narrow = ada.http.ask("POST", "/api/auth/0.1/token", &no_events, body).json();
        let narrow = narrow["data"]["token"].as_str().unwrap().to_owned();
        assert_eq!(open(ada.http, &narrow, "").next(), Message::Closed(4002));
        // The first token of the socket has nothing to do with it any more, and the log-out of its own ends it.
        let own_token = &jane.token;
        assert_eq!(jane.http.ask("DELETE", &format!("/api/auth/0.1/token/{own_token}"), &[], "").status, 200);
        assert_eq!(deaf.next(), Message::Closed(4003));
        own.say(r#"{"op":"ping","data":{"payload":"still"}}"#);
        assert_eq!(own.next(), said("pong", json!({ "payload": "still" })));
        assert_eq!(jane.http.ask("GET", "/api/websocketd/", &[], "").status, 401, "nobody");
        assert_eq!(ada.get("/api/websocketd/").status, 400, "no handshake");
    })
    .await;
    service.stop().await;
}

fn said(op: &str, data: Value) -> Message {
    Message::Event(json!({ "op": op, "code": 0, "data": data }))
}

fn open(http: Http, token: &str, more: &str) -> socket::Socket {
    socket::open(http.0, &format!("/api/websocketd/?token={token}{more}"), &[]).unwrap()
}
