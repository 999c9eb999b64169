//! Voicemail over HTTP, against a real service: who hears a message, what they do with it, and what
//! becomes of boxes.

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

use http::service::{apply, config, start};
use http::{Http, Session};
use scene::Scene;
use serde_json::{Value, json};
use std::path::Path;
use telegraphone::audio::prompt::write_wav;
use telegraphone::directory::file::Secret;
use telegraphone::directory::plan::WebPassword;
use telegraphone::service::Service;
use telegraphone::service::clock::{Clock, OsRandom};
use telegraphone::service::config::Config;

const SCENE: Scene = Scene("api");
/// The people of the story of subscriptions: Jane and Bob, the sales team, and an admin.
const PEOPLE: &str = r#"
[[user]]
extension = "202"
name = "Jane"
password = "jane-secret"
[[user]]
extension = "203"
name = "Mallory"
password = "mallory-secret"
play = "none"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
[[group]]
name = "sales"
members = ["202"]
[[voicemail]]
number = "8201"
name = "Bob"
owner = "user:201"
password = "4711"
[[voicemail]]
number = "8100"
name = "Sales"
owner = "group:sales"
password = "4712"
[[voicemail]]
number = "8000"
name = "Shared Voicemail"
access = "global"
password = "4713"
"#;

async fn service(folder: &Path) -> (Service, Http) {
    let (service, _, http) = start(config(folder), &[&format!("{}{PEOPLE}", SCENE.company())]).await;
    (service, http)
}

async fn blocking(story: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(story).await.unwrap();
}

/// Bob, Jane, Mallory and Ada.
fn everybody(http: Http) -> [Session; 4] {
    [("201", "api-secret"), ("202", "jane-secret"), ("203", "mallory-secret"), ("204", "ada-secret")]
        .map(|(user, password)| http.log_in("api", user, password))
}

fn heard(who: &Session) -> Vec<String> {
    heard_of(who, "")
}

fn heard_of(who: &Session, query: &str) -> Vec<String> {
    let page = who.get(&format!("/api/v1/messages{query}"));
    assert_eq!(page.status, 200, "{query}");
    let ids = page.json()["messages"].as_array().unwrap().clone();
    ids.iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}

fn counts(who: &Session) -> (u64, u64) {
    let all = who.get("/api/v1/messages/counts").json()["all"].clone();
    (all["new"].as_u64().unwrap(), all["old"].as_u64().unwrap())
}

/// Seed 000: Bob adds Jane while he is away, and removes her when he is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bob_shares_his_messages_for_a_week_and_jane_keeps_what_she_received() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let before = messages::leave(&service, folder.path(), "api", "8201", 1).await.to_string();
    let [bob, jane, mallory, ada] = tokio::task::spawn_blocking(move || everybody(http)).await.unwrap();
    let (bob, jane) = blocking_with((bob, jane), |(bob, jane)| {
        assert_eq!(jane.put("/api/v1/voicemails/8201/subscribers/202").status, 404, "it is not hers to give");
        assert_eq!(bob.put("/api/v1/voicemails/8201/subscribers/202").status, 204);
        assert_eq!(bob.put("/api/v1/voicemails/8201/subscribers/999").status, 404);
        assert_eq!(heard(jane), [] as [&str; 0], "what was left before is not shared");
    })
    .await;
    let during = messages::leave(&service, folder.path(), "api", "8201", 2).await.to_string();
    let (bob, jane) = blocking_with((bob, jane), move |(bob, jane)| {
        assert_eq!(heard(jane), [during.as_str()]);
        let own = format!("/api/v1/messages/{during}");
        assert_eq!(jane.send("PATCH", &own, r#"{"folder":"old"}"#).json()["folder"], "old");
        assert_eq!((counts(jane), counts(bob)), ((0, 1), (2, 0)), "each has a state of their own");
        assert_eq!(jane.delete(&own).status, 204);
        assert_eq!((heard(jane), heard(bob).len()), (vec![], 2));
        assert_eq!(heard_of(jane, "?removed=true"), [during.as_str()]);
        assert_eq!(jane.send("POST", &format!("{own}/undelete"), "").json()["folder"], "old");
        assert_eq!(bob.delete("/api/v1/voicemails/8201/subscribers/202").status, 204);
        assert_eq!(heard(jane), [during.as_str()], "what was received stays");
    })
    .await;
    messages::leave(&service, folder.path(), "api", "8201", 1).await;
    blocking(move || {
        assert_eq!(heard(&jane).len(), 1, "nothing new comes");
        let subscribers = bob.get("/api/v1/voicemails/8201/subscribers").json();
        assert_eq!(subscribers["subscribers"][0]["extension"], "202", "{subscribers}");
        assert!(subscribers["subscribers"][0]["until"].is_string(), "{subscribers}");
        assert_eq!(ada.delete("/api/v1/voicemails/8201/subscribers/202?withdraw=true").status, 204);
        assert_eq!(heard(&jane), [] as [&str; 0], "it is taken back");
        assert_eq!(jane.get(&format!("/api/v1/messages/{before}")).status, 404);
        assert_eq!((heard(&mallory), heard(&ada)), (vec![], vec![]));
        let log = ada.get("/api/v1/access-log?limit=1000").json().to_string();
        for action in [
            "voicemail.subscribe",
            "voicemail.unsubscribe",
            "voicemail.withdraw",
            "message.move",
            "message.remove",
            "message.restore",
        ] {
            assert!(log.contains(action), "{action}");
        }
    })
    .await;
    service.stop().await;
}

async fn blocking_with<T: Send + 'static>(with: T, story: impl FnOnce(&T) + Send + 'static) -> T {
    tokio::task::spawn_blocking(move || {
        story(&with);
        with
    })
    .await
    .unwrap()
}

/// Seed 003: one state for all, whoever reads; and `play = "none"` is about calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_companys_box_is_read_by_everybody_and_everybody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let ([_, jane, mallory, ada], mut streams) = tokio::task::spawn_blocking(move || {
        let all = everybody(http);
        let streams = [&all[0], &all[2]].map(|who| who.stream("/api/v1/events?kinds=voicemail.*", None));
        (all, streams)
    })
    .await
    .unwrap();
    let id = messages::leave(&service, folder.path(), "api", "8000", 2).await.to_string();
    let private = messages::leave(&service, folder.path(), "api", "8201", 1).await.to_string();
    let secret = WebPassword::draw(Some(Secret::try_from("root-secret".to_owned()).unwrap()), &mut OsRandom);
    assert!(
        service.store().add_first_operator("root", &secret.argon2().unwrap(), Clock::start().wall()).await.unwrap()
    );
    blocking(move || {
        // An operator has an admin's rights there: what is in a box of one person's is managed, and not among theirs.
        let root = http.log_in_as_staff("root", "root-secret").of("api");
        let managed = root.get("/api/v1/voicemails/8201/messages").json();
        assert_eq!(managed["messages"][0]["id"], json!(private), "{managed}");
        assert_eq!(root.get(&format!("/api/v1/messages/{private}/audio")).status, 404);
        for who in [&jane, &mallory, &ada, &root] {
            assert_eq!(heard(who), [id.as_str()]);
            assert_eq!(counts(who), (1, 0));
        }
        let own = format!("/api/v1/messages/{id}");
        let ranged = mallory.get_with(&format!("{own}/audio"), &[("Range", "bytes=0-43")]);
        assert_eq!((ranged.status, ranged.body.len()), (206, 44));
        assert_eq!(counts(&mallory), (1, 0), "fetching the audio marks nothing");
        assert_eq!(mallory.get(&format!("{own}/file")).status, 403, "listening is not fetching");
        assert_eq!(ada.get(&format!("{own}/file")).status, 200);
        let read = mallory.send("PATCH", &own, r#"{"folder":"old"}"#).json();
        assert_eq!((&read["read_by"], &read["because"]), (&json!("203"), &json!("global")));
        assert_eq!((counts(&jane), counts(&ada)), ((0, 1), (0, 1)), "one state for all");
        assert_eq!(heard_of(&jane, "?folder=new"), [] as [&str; 0]);
        assert_eq!(heard_of(&jane, "?folder=old&box=8000&caller=%2B16660001&text=ott"), [id.as_str()]);
        assert_eq!(heard_of(&jane, "?box=8201"), [] as [&str; 0]);
        assert_eq!(jane.delete(&own).status, 204);
        assert_eq!(heard(&mallory), [] as [&str; 0]);

        let [of_bob, of_mallory] = &mut streams;
        let names = |events: &[http::Event]| events.iter().map(|event| event.name.clone()).collect::<Vec<_>>();
        let told: Vec<http::Event> = (0..3).map(|_| of_mallory.next()).collect();
        assert_eq!(names(&told), ["voicemail.created", "voicemail.updated", "voicemail.deleted"]);
        let created = &told[0].data;
        assert_eq!((&created["message"], &created["about"]["mailbox"]), (&json!(id), &json!("8000")));
        assert_eq!((&created["about"]["global"], &created["about"]["length_ms"]), (&json!(true), &json!(2_000)));
        assert_eq!(told[1].data["about"]["by"], "203");
        assert!(told.iter().all(|event| event.data["about"].get("facts").is_none()), "{created}");
        let of_both: Vec<http::Event> = (0..4).map(|_| of_bob.next()).collect();
        assert!(of_both.iter().any(|event| event.data["message"] == json!(private)), "his own besides");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_is_forwarded_and_managed_and_a_box_goes_with_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let id = messages::leave(&service, folder.path(), "api", "8201", 1).await.to_string();
    let recordings = Config::default_for(folder.path()).recording.dir;
    blocking(move || {
        let [bob, jane, _, ada] = everybody(http);
        assert_eq!(ada.put("/api/v1/voicemails/8100/subscribers/202").status, 204);
        assert_eq!(bob.put("/api/v1/voicemails/8100/subscribers/201").status, 404);
        assert_eq!(ada.put("/api/v1/voicemails/8000/subscribers/202").status, 403, "it is everybody's");
        let forward =
            |to: Value| bob.send("POST", &format!("/api/v1/messages/{id}/forward"), &json!({ "to": to }).to_string());
        assert_eq!(forward(json!([])).status, 400);
        assert_eq!(forward(json!(["8999"])).status, 404);
        let made = forward(json!(["8100", "8000", "8100"])).json();
        assert_eq!(made["messages"].as_array().unwrap().len(), 2, "{made}");
        let copy = jane.get("/api/v1/messages?box=8100").json()["messages"][0].clone();
        assert_eq!((&copy["forwarded"]["from"], &copy["forwarded"]["by"]["user"]), (&json!("8201"), &json!("201")));
        assert_eq!(copy["caller"]["address"], messages::CALLER, "who left it first");
        let path = format!("/api/v1/messages/{}/audio", copy["id"].as_str().unwrap());
        assert_eq!(jane.get(&path).body, bob.get(&format!("/api/v1/messages/{id}/audio")).body);
        assert_eq!(bob.get("/api/v1/voicemails/8201/messages").status, 403, "that is for admins");

        // Greetings: its owner's, and an admin's.
        let wav = write_wav(&vec![500; 12_000]);
        let greeting = "/api/v1/voicemails/8201/greetings/unavailable";
        assert_eq!(jane.send_with("PUT", greeting, &[], &wav).status, 404);
        assert_eq!(bob.send_with("PUT", greeting, &[], b"no wav").status, 422);
        assert_eq!(bob.send_with("PUT", greeting, &[], &wav).status, 204);
        assert_eq!(ada.get(greeting).body, wav);
        let list = bob.get("/api/v1/voicemails/8201/greetings").json();
        assert_eq!(list["greetings"][0]["length_ms"], 1_500, "{list}");
        assert_eq!(bob.send_with("PUT", "/api/v1/voicemails/8201/greetings/other", &[], &wav).status, 400);
        assert_eq!(bob.delete(greeting).status, 204);
        assert_eq!(bob.get(greeting).status, 404);
        assert_eq!(bob.send_with("PUT", greeting, &[], &wav).status, 204);

        // The box as such.
        let shown = ada.get("/api/v1/voicemails/8201").json();
        assert_eq!((&shown["owner"], &shown["has_password"]), (&json!("user:201"), &json!(true)));
        assert!(!shown.to_string().contains("4711") && shown.get("warnings").is_none(), "{shown}");
        assert!(bob.get("/api/v1/voicemails/8201").json().get("email").is_none());
        let open = ada.send("PATCH", "/api/v1/voicemails/8201", r#"{"password":null}"#).json();
        assert!(open["warnings"][0].as_str().unwrap().contains("no password"), "{open}");
        let second = ada.send("POST", "/api/v1/voicemails", r#"{"number":"8001","access":"global"}"#);
        let said = String::from_utf8_lossy(&second.body).into_owned();
        assert!(second.status == 422 && said.contains("There can be only one global voicemail per context."), "{said}");

        // One message goes for everybody, then the box with the rest.
        let of_group = format!("/api/v1/voicemails/8100/messages/{}", copy["id"].as_str().unwrap());
        assert_eq!(ada.get(&of_group).json()["because"], "admin");
        assert_eq!(ada.delete(&of_group).status, 204);
        let gone = ada.get(&of_group);
        assert_eq!((gone.status, &gone.json()["because"]), (410, &json!("deleted by 204 Ada")));
        assert_eq!((jane.get(&path).status, bob.get(&path).status), (410, 404), "to those who could hear it");
        let would = ada.send("DELETE", "/api/v1/voicemails/8201?dry_run=true", "").json();
        assert_eq!(would, json!({ "messages": 1, "dry_run": true }));
        assert_eq!(bob.delete("/api/v1/voicemails/8201").status, 403);
        assert_eq!(
            ada.send("DELETE", "/api/v1/voicemails/8201", "").json(),
            json!({ "messages": 1, "dry_run": false })
        );
        assert_eq!(ada.get("/api/v1/voicemails/8201").status, 404);
        assert_eq!(files(&recordings).len(), 1, "of the company's box: {:?}", files(&recordings));
        let left = heard(&bob);
        assert_eq!(left.len(), 1, "what was forwarded is a message of its own");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_shape_of_a_message_is_for_those_who_hear_it_and_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    let id = messages::leave(&service, folder.path(), "api", "8201", 2).await.to_string();
    let recordings = Config::default_for(folder.path()).recording.dir;
    blocking(move || {
        let [bob, jane, _, ada] = everybody(http);
        let path = format!("/api/v1/messages/{id}/peaks");
        let shape = bob.get(&path).json();
        assert_eq!((&shape["message"], &shape["rate"], &shape["duration"]), (&json!(id), &json!(8_000), &json!(2.0)));
        assert_eq!((&shape["samples"], &shape["samples_per_peak"]), (&json!(16_000), &json!(80)));
        let points = |shape: &Value| shape["peaks"][0].as_array().unwrap().clone();
        assert_eq!((shape["peaks"].as_array().unwrap().len(), points(&shape).len()), (1, 200), "one party alone");
        // 1,000 of 32,768, rounded up to a 255th.
        assert!(points(&shape).iter().all(|point| point == &json!(0.031)), "{shape}");
        let fewer = bob.get(&format!("{path}?points=60")).json();
        assert_eq!((&fewer["samples_per_peak"], points(&fewer).len()), (&json!(320), 50));
        assert_eq!(bob.get(&format!("{path}?points=0")).status, 422);
        assert_eq!(counts(&bob), (1, 0), "a look at it marks nothing");
        let log = ada.get("/api/v1/access-log?limit=1000").json().to_string();
        assert!(!log.contains("message.play"), "and is no listening");

        let managed = format!("/api/v1/voicemails/8201/messages/{id}/peaks");
        assert_eq!((jane.get(&path).status, ada.get(&path).status), (404, 404));
        assert_eq!((bob.get(&managed).status, ada.get(&managed).json()["samples"].clone()), (403, json!(16_000)));
        assert_eq!(ada.delete(managed.trim_end_matches("/peaks")).status, 204);
        assert_eq!((bob.get(&path).status, ada.get(&managed).status), (410, 410));
        assert_eq!(files(&recordings), [] as [std::path::PathBuf; 0], "nothing of it is left");
    })
    .await;
    service.stop().await;
}

/// README "By inbox".
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_and_what_waits_can_be_of_one_inbox_that_one_may_know_of() {
    const INBOXES: &str = "[[inbox]]\ncompany = \"api\"\nname = \"front\"\nnumbers = [\"+15550100\"]\nmembers = [\"201\"]\n\
                           [[inbox]]\ncompany = \"api\"\nname = \"back\"\nmembers = [\"203\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    apply(&service, INBOXES).await;
    let mut ids = Vec::new();
    for (mailbox, number) in [("8201", Some("+15550100")), ("8000", Some("+15550100")), ("8000", None), ("8201", None)]
    {
        let id = messages::leave_over(&service, folder.path(), "api", mailbox, 1, number).await;
        ids.push(id.to_string());
    }
    blocking(move || {
        let [bob, jane, _, ada] = everybody(http);
        let [own, global, without, _] = ids.as_slice() else { panic!("four were left") };
        assert_eq!(heard(&bob).len(), 4);
        assert_eq!(heard_of(&bob, "?inbox=front"), [global.as_str(), own.as_str()]);
        assert_eq!(heard_of(&bob, "?inbox=front&box=8201&folder=new"), [own.as_str()]);
        assert_eq!(heard_of(&bob, &format!("?inbox=front&caller={}", messages::CALLER.replace('+', "%2B"))).len(), 2);
        let first = bob.get("/api/v1/messages?inbox=front&limit=1").json();
        let next = first["next"].as_str().unwrap().to_owned();
        assert_eq!(heard_of(&bob, &format!("?inbox=front&limit=1&before={next}")), [own.as_str()]);
        assert_eq!(
            (heard(&jane), heard_of(&ada, "?inbox=front")),
            (vec![without.clone(), global.clone()], vec![global.clone()])
        );

        let new = |who: &Session, query: &str| {
            let counts = who.get(&format!("/api/v1/messages/counts{query}"));
            assert_eq!(counts.status, 200, "{query}");
            let boxes: Vec<u64> = counts.json()["boxes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["waiting"]["new"].as_u64().unwrap())
                .collect();
            (counts.json()["all"]["new"].as_u64().unwrap(), boxes.iter().sum::<u64>())
        };
        for (who, query, waits) in [
            (&bob, "", 4),
            (&bob, "?inbox=front", 2),
            (&bob, "?inbox=back", 0),
            (&jane, "", 2),
            (&ada, "?inbox=front", 1),
        ] {
            assert_eq!(new(who, query), (waits, waits), "{query}");
        }
        // Jane is in no inbox, Bob not in `back`: both are as one that there is not.
        for (who, hidden) in [(&bob, "back"), (&jane, "front"), (&jane, "back")] {
            for list in ["messages", "messages/counts"] {
                let answer = |name: &str| who.get(&format!("/api/v1/{list}?inbox={name}"));
                let (hidden, nowhere) = (answer(hidden), answer("nowhere"));
                assert_eq!((hidden.status, hidden.json()), (200, nowhere.json()), "{list}");
                assert_eq!(nowhere.status, 200, "{list}");
            }
            assert_eq!(heard_of(who, &format!("?inbox={hidden}")), [""; 0]);
        }
        for list in ["messages", "messages/counts", "voicemails/8201/messages", "voicemails/8201/counts"] {
            assert_eq!(ada.get(&format!("/api/v1/{list}?inbox=nowhere")).status, 404, "{list}");
        }
        let managed = ada.get("/api/v1/voicemails/8201/messages?inbox=front").json();
        assert_eq!((managed["messages"].as_array().unwrap().len(), &managed["messages"][0]["id"]), (1, &json!(own)));
        assert_eq!(ada.get("/api/v1/voicemails/8201/counts?inbox=front").json()["all"]["new"], 1);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_owner_of_a_box_sets_what_is_theirs_of_it_and_nobody_else_does() {
    const PATH: &str = "/api/v1/me/voicemail";
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path()).await;
    blocking(move || {
        let [bob, jane, mallory, ada] = everybody(http);
        let mut expected = json!({
            "id": ada.get("/api/v1/voicemails/8201").json()["id"], "key": "8201", "name": "Bob", "email": null,
            "attach_audio": false, "has_password": true, "language": null, "time_zone": null, "review": true,
        });
        assert_eq!(bob.get(PATH).json(), expected);
        let change = |who: &Session, keys: Value| who.send("PATCH", PATH, &keys.to_string());
        // Jane is in the group that owns 8100, and hears 8000; neither is hers.
        for who in [&jane, &mallory, &ada] {
            assert_eq!((who.get(PATH).status, change(who, json!({ "email": "x@api.example" })).status), (404, 404));
            assert_eq!(change(who, json!({ "owner": "user:202" })).status, 404);
        }
        for who in [&jane, &mallory] {
            assert_eq!(who.send("PATCH", "/api/v1/voicemails/8201", r#"{"email":"x@api.example"}"#).status, 403);
        }

        // What cannot be is said with key and value, all at once, and changes nothing.
        let refused = |keys: Value| {
            let answer = change(&bob, keys);
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(answer.status, 422, "{said}");
            said
        };
        let said = refused(json!({ "email": "bob at home", "language": "xx", "time_zone": "Mars/Olympus" }));
        for part in ["email: `bob at home` is not an address of mail", "`xx`", "`Mars/Olympus`"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = refused(json!({ "password": "word4711x" }));
        assert!(said.contains("password") && !said.contains("word4711x"), "{said}");
        let said = refused(
            json!({ "delete_messages": true, "max_messages": 5, "owner": "user:202", "email": "b@api.example" }),
        );
        for key in ["delete_messages", "max_messages", "owner"] {
            assert!(said.contains(&format!("`{key}` is not yours to change")), "{said}");
        }
        for key in ["access", "enabled", "ask_password", "name", "number", "company", "colour"] {
            assert!(refused(json!({ (key): "x" })).contains(&format!("`{key}`")), "{key}");
        }
        assert!(refused(json!({ "attach_audio": null })).contains("attach_audio"));
        assert_eq!(bob.send("PATCH", PATH, "[]").status, 400);
        assert_eq!(bob.get(PATH).json(), expected);

        let tag = bob.get(PATH).header("etag").unwrap().to_owned();
        let keys = json!({ "email": "bob@api.example", "attach_audio": true, "password": "0815", "language": "de",
                           "time_zone": "Europe/Berlin", "review": false });
        let answer = bob.send_with("PATCH", PATH, &[("If-Match", &tag)], keys.to_string().as_bytes());
        for (key, value) in keys.as_object().unwrap().iter().filter(|(key, _)| *key != "password") {
            expected[key] = value.clone();
        }
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "and no password");
        assert_eq!(bob.send_with("PATCH", PATH, &[("If-Match", &tag)], b"{}").status, 412, "it has changed");
        let current = answer.header("etag").unwrap();
        assert_eq!(bob.get_with(PATH, &[("If-None-Match", current)]).status, 304);
        let managed = ada.get("/api/v1/voicemails/8201").json();
        assert_eq!((&managed["email"], &managed["review"]), (&json!("bob@api.example"), &json!(false)));
        assert_eq!((&managed["owner"], &managed["delete_messages"]), (&json!("user:201"), &json!(false)));

        // A box that deletes what it has mailed must be able to mail it.
        assert_eq!(ada.send("PATCH", "/api/v1/voicemails/8201", r#"{"delete_messages":true}"#).status, 200);
        for keys in [json!({ "email": null }), json!({ "email": "" }), json!({ "attach_audio": false })] {
            let said = refused(keys);
            assert!(said.contains("`delete_messages` is on") && said.contains("ask an admin"), "{said}");
        }
        assert_eq!(change(&bob, json!({ "email": "b@api.example", "language": null })).status, 200);
        assert_eq!(ada.send("PATCH", "/api/v1/voicemails/8201", r#"{"delete_messages":false}"#).status, 200);
        let without = change(&bob, json!({ "email": null, "password": null, "time_zone": null })).json();
        assert_eq!((&without["email"], &without["has_password"]), (&Value::Null, &json!(false)), "{without}");
        assert_eq!(change(&bob, json!({ "password": "0816" })).json()["has_password"], true);

        // Who did it is in the log, with the keys and no value.
        let log = ada.get("/api/v1/access-log?limit=1000").json();
        // Without the digests, in which any digits can stand.
        let line = |line: &Value| format!("{}: {}\n", line["who"], line["thing"]);
        let log: String = log["lines"].as_array().unwrap().iter().map(line).collect();
        let keys = "voicemail 8201: email, language, time_zone, attach_audio, review, password";
        assert!(log.contains(keys) && log.contains("201 Device"), "{log}");
        assert!(!log.contains("0815") && !log.contains("bob@api.example"), "{log}");

        // A token reads and changes it as messages are.
        for (scope, reads, changes) in
            [("messages.read", 200, 403), ("messages.write", 403, 200), ("directory.write", 403, 403)]
        {
            let new = json!({ "name": scope, "scopes": [scope], "days": 1 }).to_string();
            let token = bob.send("POST", "/api/v1/tokens", &new).json();
            let bearer = format!("Bearer {}", token["secret"].as_str().unwrap());
            let ask = |method: &str| http.ask(method, PATH, &[("Authorization", &bearer)], "{}").status;
            assert_eq!(
                (http.ask("GET", PATH, &[("Authorization", &bearer)], "").status, ask("PATCH")),
                (reads, changes),
                "{scope}"
            );
        }
    })
    .await;
    let directory = service.store().load_directory().await.unwrap();
    let company = directory.company_by_key("api").unwrap().id;
    assert_eq!(directory.mailbox_by_name(company, "8201").unwrap().settings.password, "0816");
    service.stop().await;
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|ending| ending == "wav") => found.push(path),
            false => {}
        }
    }
    found
}
