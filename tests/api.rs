//! Who may hear it, over HTTP, against a real service with a real call.

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
use telegraphone::directory::file::Secret;
use telegraphone::directory::plan::WebPassword;
use telegraphone::service::Service;
use telegraphone::service::clock::{Clock, OsRandom};

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

/// Seed 000: whoever is subscribed to a number's recordings has them the moment the call ends, and
/// nobody learns of them who is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recording_reaches_its_subscribers_when_the_call_ends_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let session = |company: &str, user: &str, password: &str| http.log_in(company, user, password);
        let (ada, jane) = (session("api", "204", "ada-secret"), session("api", "202", "jane-secret"));
        let (mallory, bob) = (session("api", "203", "mallory-secret"), session("api", "201", "api-secret"));
        let eve = session("other", "204", "eve-secret");

        let path = format!("/api/v1/numbers/{NUMBER}/subscribers/202");
        assert_eq!(jane.put(&path).status, 403, "only an admin chooses subscribers");
        assert_eq!(eve.put(&path).status, 404, "another company's number is none");
        assert_eq!(ada.put(&path).status, 204);
        let subscribers = ada.get(&format!("/api/v1/numbers/{NUMBER}/subscribers")).json();
        assert_eq!(subscribers, json!({ "subscribers": ["202"] }));

        let mut stream = jane.stream("/api/v1/events?kinds=recording.finished", None);
        calls(sip, 1);
        let event = stream.next();
        assert_eq!(event.name, "recording.finished");
        let recording = event.data["recording"].as_str().unwrap().to_owned();
        let call = event.data["call"].as_str().unwrap().to_owned();

        let page = jane.get("/api/v1/calls").json();
        let item = &page["calls"][0];
        assert_eq!(item["id"], *call, "it is in their list when the event comes: {page}");
        assert_eq!(item["seen"]["because"], "subscription");
        assert_eq!((&item["can_play"], &item["can_download"]), (&json!(true), &json!(false)));
        assert_eq!(item["recordings"][0]["id"], *recording);

        let audio = format!("/api/v1/recordings/{recording}/audio");
        let file = format!("/api/v1/recordings/{recording}/file");
        let whole = jane.get(&audio);
        assert_eq!((whole.status, whole.header("content-type")), (200, Some("audio/wav")));
        assert_eq!(whole.header("content-disposition"), Some("inline"), "playing offers no file");
        assert_eq!(&whole.body[..4], b"RIFF");
        let part = jane.get_with(&audio, &[("Range", "bytes=44-51")]);
        assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[44..52]));
        let total = whole.body.len();
        assert_eq!(part.header("content-range"), Some(format!("bytes 44-51/{total}").as_str()));
        assert_eq!(jane.get_with(&audio, &[("Range", &format!("bytes={total}-"))]).status, 416);
        assert_eq!(jane.get(&file).status, 403, "download is off");
        let fetched = ada.get(&file);
        let name = format!("attachment; filename=\"{recording}.wav\"");
        assert_eq!((fetched.status, fetched.header("content-disposition")), (200, Some(name.as_str())));
        assert_eq!(fetched.body, whole.body);
        assert_eq!(bob.get("/api/v1/calls").json()["calls"][0]["seen"]["because"], "party");

        hidden_from(&mallory, &call, &recording);
        hidden_from(&eve, &call, &recording);

        let unsubscribe = format!("/api/v1/numbers/{NUMBER}/subscribers/202");
        assert_eq!(ada.delete(&unsubscribe).status, 204);
        assert_eq!(jane.get(&audio).status, 200, "what was received stays");
        assert_eq!(ada.delete(&format!("{unsubscribe}?withdraw=true")).status, 204);
        hidden_from(&jane, &call, &recording);

        let shown = ada.get(&format!("/api/v1/recordings/{recording}")).json();
        let heard: Vec<&str> =
            shown["heard"].as_array().unwrap().iter().map(|heard| heard["extension"].as_str().unwrap()).collect();
        assert_eq!(heard, ["202", "204"], "the last to listen stands last; pieces of one listening are one");

        let one = format!("/api/v1/recordings/{recording}");
        assert_eq!(bob.delete(&one).status, 403, "only an admin deletes");
        assert_eq!(ada.delete(&one).status, 204);
        for path in [&one, &audio, &file] {
            let gone = ada.get(path);
            assert_eq!(gone.status, 410, "{path}");
            assert!(gone.json()["deleted"].is_string());
            assert_eq!(bob.get(path).status, 410, "{path}: they could see it");
            assert_eq!(mallory.get(path).status, 404, "{path}: they could not");
        }
        assert_eq!(bob.get("/api/v1/access-log").status, 403);
        let log = ada.get("/api/v1/access-log").json();
        let actions: Vec<&str> =
            log["lines"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
        for action in ["subscription.add", "recording.play", "recording.download", "recording.delete"] {
            assert!(actions.contains(&action), "{action} is not in {actions:?}");
        }
        let lines = |query: &str| {
            let page = ada.get(&format!("/api/v1/access-log?{query}")).json();
            let seqs = page["lines"].as_array().unwrap().iter().map(|line| line["seq"].as_i64().unwrap());
            (seqs.collect::<Vec<_>>(), page["next"].as_i64())
        };
        let (newest, next) = lines("newest=true&limit=2");
        assert!(newest[0] > newest[1] && next == Some(newest[1]), "{newest:?} {next:?}");
        let (older, _) = lines(&format!("before={}&limit=1000", newest[1]));
        assert!(older[0] < newest[1] && older.len() + 2 == actions.len(), "{older:?}");
        let of_recordings = actions.iter().filter(|action| action.starts_with("recording.")).count();
        assert_eq!(lines("action=recording&limit=1000").0.len(), of_recordings);
        let deleted = lines("action=recording.delete&text=ADA").0;
        assert_eq!((deleted.len(), lines("action=recording.delete&text=nobody").0.len()), (1, 0));
        assert_eq!(lines("until=2001-01-01T00:00:00Z"), (vec![], None));
        for wrong in ["until=yesterday", "limit=x", "action=", "nothing=1"] {
            let status = ada.get(&format!("/api/v1/access-log?{wrong}")).status;
            assert_eq!(status, if wrong == "action=" { 200 } else { 400 }, "{wrong}");
        }
        let of_eve = eve.get("/api/v1/access-log").json();
        let of_eve: Vec<&str> =
            of_eve["lines"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
        assert_eq!(of_eve, ["session.open"], "nothing of another company");
    });
    story.await.unwrap();
    let verified = service.store().verify_access_log().await.unwrap();
    assert!(verified.is_ok_and(|(lines, _)| lines > 5));
    service.stop().await;
}

fn guess(http: Http, company: &str, user: &str) -> http::Response {
    let body = json!({ "company": company, "user": user, "password": "guessed" }).to_string();
    http.ask("POST", "/api/v1/session", &[], &body)
}

/// Call and recording answer as ones that do not exist, and are in no list.
fn hidden_from(session: &Session, call: &str, recording: &str) {
    let nobodys = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(session.get("/api/v1/calls").json(), json!({ "calls": [] }));
    for (path, of) in [
        ("/api/v1/calls/ID", call),
        ("/api/v1/recordings/ID", recording),
        ("/api/v1/recordings/ID/audio", recording),
        ("/api/v1/recordings/ID/file", recording),
    ] {
        let (seen, unknown) = (session.get(&path.replace("ID", of)), session.get(&path.replace("ID", nobodys)));
        assert_eq!((seen.status, &seen.body), (404, &unknown.body), "{path}");
    }
    assert_eq!(session.delete(&format!("/api/v1/recordings/{recording}")).status, 404);
    let events = session.first_events_after(0);
    assert!(!events.contains(recording), "{events}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_goes_on_where_it_stood_and_settings_act_on_the_next_request() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        calls(sip, 2);
        let first = ada.stream("/api/v1/events?kinds=recording.finished", Some(0)).next();
        let mut again = ada.stream("/api/v1/events?kinds=recording.finished", Some(first.id));
        let second = again.next();
        assert!(second.id > first.id && second.data["recording"] != first.data["recording"]);
        let mut all = ada.stream("/api/v1/events?kinds=recording.finished", Some(0));
        assert_eq!([all.next().id, all.next().id], [first.id, second.id], "nothing is lost, nothing comes twice");
        let mallory = http.log_in("api", "203", "mallory-secret");
        assert_eq!(mallory.get("/api/v1/calls").json()["calls"], json!([]));
        mallory
    });
    let mallory = story.await.unwrap();
    // Everything of before is deleted after its retention.
    let later = telegraphone::base::Wall::from_unix_micros(i64::MAX);
    service.store().purge_events(later, 100).await.unwrap();
    let purged = service.store().feed_purged().await.unwrap();
    let gone = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let after = |id: i64| ada.get_with("/api/v1/events", &[("Last-Event-ID", &id.to_string())]);
        let refused = after(purged - 1);
        assert_eq!(refused.status, 410, "it has missed some");
        assert!(refused.json()["detail"].as_str().unwrap().contains(&purged.to_string()));
        assert_eq!(after(-1).status, 400);
        drop(ada.stream("/api/v1/events?kinds=recording.finished", Some(purged)));
    });
    gone.await.unwrap();
    apply(&service, "[[company]]\nkey = \"api\"\n[company.settings]\ncall_visibility = \"all\"\nplay = \"all\"\n")
        .await;
    let after = tokio::task::spawn_blocking(move || {
        let page = mallory.get("/api/v1/calls?limit=1").json();
        assert_eq!(page["calls"][0]["seen"]["because"], "every_call");
        let next = page["next"].as_str().unwrap();
        let rest = mallory.get(&format!("/api/v1/calls?limit=1&before={next}")).json();
        assert!(rest["calls"][0]["id"].as_str().unwrap() < next && rest.get("next").is_none(), "{rest}");
        for (query, count) in [
            ("direction=inbound", 2),
            ("direction=internal", 0),
            (&format!("number={NUMBER}&recorded=true"), 2),
            ("user=201&missed=false", 2),
            ("user=202", 0),
            ("text=1666000", 2),
            ("until=2020-01-01T00:00:00Z", 0),
            ("from=2020-01-01T00:00:00Z", 2),
        ] {
            let page = mallory.get(&format!("/api/v1/calls?{query}")).json();
            assert_eq!(page["calls"].as_array().unwrap().len(), count, "{query}: {page}");
        }
        for query in ["limit=0", "limit=999", "direction=up", "from=yesterday", "colour=red", "before=x"] {
            let refused = mallory.get(&format!("/api/v1/calls?{query}"));
            assert_eq!(refused.status, 400, "{query}");
            assert_eq!(refused.header("content-type"), Some("application/problem+json"));
            let key = query.split('=').next().unwrap();
            assert!(refused.json()["detail"].as_str().unwrap().contains(key), "{query}: the answer names it");
        }
        // To whoever is no admin an inbox that is not there is one that they are not in.
        let none = mallory.get("/api/v1/calls?inbox=none");
        assert_eq!((none.status, none.json()["calls"].clone()), (200, json!([])));
    });
    after.await.unwrap();
    service.stop().await;
}

/// Seed 001: who is on the call and permitted, and admins and supervisors who see it, pause and start.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_is_up_is_paused_and_ended_by_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let (ada, bob) = (http.log_in("api", "204", "ada-secret"), http.log_in("api", "201", "api-secret"));
        let (mallory, eve) = (http.log_in("api", "203", "mallory-secret"), http.log_in("other", "204", "eve-secret"));
        let phones = Phones::new(SCENE, sip);
        phones.register();
        let answered = phones.call(0);
        assert_eq!(answered.status, 200);
        let live = || ada.get("/api/v1/calls/live").json()["calls"][0].clone();
        let call = live()["id"].as_str().unwrap().to_owned();
        let order = |who: &Session, what: &str| who.send("POST", &format!("/api/v1/calls/{call}/{what}"), "").status;
        assert_eq!((&live()["recording"], &live()["because"]), (&json!(true), &json!("company")));
        for what in ["pause", "record", "hang-up"] {
            assert_eq!((order(&mallory, what), order(&eve, what)), (404, 404), "{what}: they do not see it");
        }
        assert_eq!(mallory.get("/api/v1/calls/live").json(), json!({ "calls": [] }));
        assert_eq!(order(&bob, "sing"), 404);
        assert_eq!(order(&bob, "pause"), 204);
        assert_eq!(live()["recording"], json!(false));
        assert_eq!(order(&ada, "record"), 204);
        assert_eq!(live()["recording"], json!(true));
        let changes = live()["changes"].clone();
        let told = |at: usize, key: &str| changes[at][key].clone();
        assert_eq!((told(0, "how"), told(0, "by")), (json!("api"), json!("user")), "{changes}");
        assert_eq!((told(1, "wanted"), told(1, "by")), (json!(true), json!("colleague")), "{changes}");
        assert_eq!(order(&ada, "hang-up"), 204);
        let ended = ada.stream("/api/v1/events?kinds=recording.finished", Some(0)).next();
        assert_eq!(ended.data["about"]["end_reason"]["reason"], "ended_by_user");
        assert_eq!(order(&ada, "hang-up"), 404, "it is over");
    });
    story.await.unwrap();
    service.stop().await;
}

/// Seed 002: a reseller has an admin's rights in the companies given to them and sees nothing of
/// others; the operator has all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reseller_administers_the_companies_given_to_them_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let first = WebPassword::draw(Some(Secret::try_from("first-secret".to_owned()).unwrap()), &mut OsRandom);
    let (hash, now) = (first.argon2().unwrap(), Clock::start().wall());
    assert!(service.store().add_first_operator("operator", &hash, now).await.unwrap());
    assert!(!service.store().add_first_operator("second", &hash, now).await.unwrap(), "there is one");
    let store = service.store().clone();
    let story = tokio::task::spawn_blocking(move || {
        let operator = http.log_in_as_staff("operator", "first-secret");
        let keys = |who: &Session| -> Vec<String> {
            let list = who.get("/api/v1/companies").json();
            list["companies"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(keys(&operator), ["api", "other"]);
        let made = operator.send("POST", "/api/v1/staff", r#"{"name":"rita","kind":"reseller"}"#);
        assert_eq!(made.status, 201);
        let password = made.json()["password"].as_str().unwrap().to_owned();
        let again = operator.send("POST", "/api/v1/staff", r#"{"name":"rita","kind":"operator"}"#);
        assert_eq!(again.status, 409, "the name is taken");
        let rita = http.log_in_as_staff("rita", &password);
        assert_eq!(rita.get("/api/v1/me").json(), json!({ "name": "rita", "kind": "reseller", "companies": [] }));
        assert_eq!((keys(&rita), rita.get("/api/v1/calls").status), (Vec::<String>::new(), 400));
        assert_eq!(operator.put("/api/v1/staff/rita/companies/api").status, 204);
        let new = r#"{"key":"fresh","domains":["fresh.example"],"admin":"100","admin_name":"Fay"}"#;
        assert_eq!(rita.send("POST", "/api/v1/companies", new).status, 403, "operators make companies");
        let made = operator.send("POST", "/api/v1/companies", new);
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
        let fay = http.log_in("fresh", "100", made.json()["password"].as_str().unwrap());
        assert_eq!(fay.get("/api/v1/me").json()["role"], "admin");
        assert_eq!(operator.send("POST", "/api/v1/companies", new).status, 409);
        let wrong = operator.send("POST", "/api/v1/companies", r#"{"key":"Bad Key","domains":[],"admin":"x"}"#);
        assert_eq!(wrong.status, 422, "{}", String::from_utf8_lossy(&wrong.body));
        assert_eq!(keys(&rita), ["api"]);

        calls(sip, 1);
        let (of_api, of_other) = (rita.of("api"), rita.of("other"));
        let listed = |who: &Session| who.get("/api/v1/calls?recorded=true").json()["calls"].as_array().unwrap().len();
        let mut stream = of_api.stream("/api/v1/events?kinds=recording.finished", Some(0));
        let event = stream.next();
        assert_eq!((listed(&of_api), listed(&operator.of("api")), listed(&operator.of("other"))), (1, 1, 0));
        let recording = event.data["recording"].as_str().unwrap().to_owned();
        assert_eq!(of_api.get(&format!("/api/v1/recordings/{recording}/audio")).status, 200);
        let (there, nowhere) = (of_other.get("/api/v1/calls"), rita.of("nowhere").get("/api/v1/calls"));
        assert_eq!((there.status, there.body), (404, nowhere.body), "a company of others is as none");

        for (method, path, body) in [
            ("GET", "/api/v1/staff".to_owned(), ""),
            ("POST", "/api/v1/staff".to_owned(), r#"{"name":"x","kind":"operator"}"#),
            ("PUT", "/api/v1/staff/rita/companies/other".to_owned(), ""),
            ("PUT", "/api/v1/staff/operator/password".to_owned(), "{}"),
            ("DELETE", "/api/v1/staff/operator".to_owned(), ""),
        ] {
            assert_eq!(rita.send(method, &path, body).status, 403, "{method} {path}");
        }
        assert_eq!(http.log_in("api", "204", "ada-secret").get("/api/v1/staff").status, 404, "no user sees the staff");
        assert_eq!(http.log_in("api", "204", "ada-secret").of("other").get("/api/v1/calls").status, 404);

        let log = http.log_in("api", "204", "ada-secret").get("/api/v1/access-log").json();
        let lines = log["lines"].as_array().unwrap();
        assert!(lines.iter().any(|line| line["who"] == "reseller rita" && line["action"] == "recording.play"), "{log}");

        assert_eq!(operator.delete("/api/v1/staff/rita/companies/api").status, 204);
        assert_eq!(
            (keys(&rita), of_api.get("/api/v1/calls").status),
            (Vec::<String>::new(), 404),
            "on the next request"
        );
        assert_eq!(operator.delete("/api/v1/staff/operator").status, 409, "the last operator stays");
        assert_eq!(operator.delete("/api/v1/staff/rita").status, 204);
        assert_eq!(rita.get("/api/v1/me").status, 401);
    });
    story.await.unwrap();
    assert!(store.verify_access_log().await.unwrap().is_ok());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_ins_and_tokens_open_what_they_should_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        assert_eq!(http.ask("GET", "/health", &[], "").status, 200);
        for path in ["/api/v1/me", "/api/v1/calls", "/api/v1/events", "/api/v1/access-log"] {
            let refused = http.ask("GET", path, &[], "");
            assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{path}");
            assert_eq!(http.ask("GET", path, &[("Authorization", "Bearer nothing")], "").status, 401, "{path}");
        }
        assert_eq!(http.ask("GET", "/api/v1/none", &[], "").status, 404);
        let wrong = |company: &str, user: &str| guess(http, company, user);
        let (known, unknown) = (wrong("api", "202"), wrong("nowhere", "999"));
        assert_eq!((known.status, &known.body), (401, &unknown.body), "nobody learns who exists");

        let jane = http.log_in("api", "202", "jane-secret");
        let me = jane.get("/api/v1/me").json();
        assert_eq!((&me["extension"], &me["role"], &me["play"]), (&json!("202"), &json!("agent"), &json!("own")));
        let new = json!({ "name": "reports", "scopes": ["calls.read"], "days": 1 }).to_string();
        assert_eq!(jane.without_csrf("POST", "/api/v1/tokens", &new).status, 403, "a form of another site cannot");
        let made = jane.send("POST", "/api/v1/tokens", &new);
        assert_eq!(made.status, 201);
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {secret}");
        let program = |method: &str, path: &str| http.ask(method, path, &[("Authorization", &bearer)], "");
        assert_eq!(program("GET", "/api/v1/calls").status, 200);
        assert_eq!(program("GET", "/api/v1/me").json()["scopes"], json!(["calls.read"]));
        for path in ["/api/v1/tokens", "/api/v1/events"] {
            assert_eq!(program("GET", path).status, 403, "{path}: it has no scope for that");
        }
        let listed = jane.get("/api/v1/tokens").json();
        let id = listed["tokens"][0]["id"].as_i64().unwrap();
        assert!(!listed.to_string().contains(&secret), "a secret is shown once");
        let mallory = http.log_in("api", "203", "mallory-secret");
        assert_eq!(mallory.delete(&format!("/api/v1/tokens/{id}")).status, 404, "it is not theirs");
        assert_eq!(jane.delete(&format!("/api/v1/tokens/{id}")).status, 204);
        assert_eq!(program("GET", "/api/v1/calls").status, 401);
        for (body, key) in [
            (json!({ "name": "x", "scopes": ["everything"] }), "scopes"),
            (json!({ "name": "x", "scopes": [], "days": 0 }), "days"),
            (json!({ "name": "", "scopes": [] }), "name"),
            (json!({ "name": "x" }), "body"),
        ] {
            let refused = jane.send("POST", "/api/v1/tokens", &body.to_string());
            assert_eq!(refused.status, 400, "{body}");
            assert!(refused.json()["detail"].as_str().unwrap().contains(key), "{body}");
        }
        assert_eq!(jane.delete("/api/v1/session").status, 204);
        assert_eq!(jane.get("/api/v1/me").status, 401, "the session is over");

        // All at once, which is no more than one after the other.
        let guess = || std::thread::spawn(move || guess(http, "api", "204").status);
        let guesses: Vec<_> = (0..15).map(|_| guess()).collect();
        let outcomes: Vec<u16> = guesses.into_iter().map(|guess| guess.join().unwrap()).collect();
        let tried = outcomes.iter().filter(|status| **status == 401).count();
        assert!(tried <= 10 && outcomes.contains(&429), "guessing ends: {outcomes:?}");
        let locked = wrong("api", "204");
        assert!(locked.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    });
    story.await.unwrap();
    service.stop().await;
}
