//! How voicemail messages are kept and go: erased with their caller, in archives, by retention, under a
//! legal hold; and what is said of those that have gone.

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
#[path = "mail/server.rs"]
mod server;

use http::service::{apply, config, start};
use http::{Http, Response, Session};
use scene::Scene;
use serde_json::{Value, json};
use server::Server;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use telegraphone::base::{CallId, MessageId, Span, Wall};
use telegraphone::directory::Directory;
use telegraphone::ledger::{CallRecord, Outcome, Party};
use telegraphone::notify::MailSettings;
use telegraphone::notify::mail::{Encryption, Sender, SmtpConfig};
use telegraphone::service::clock::Clock;
use telegraphone::service::config::Config;
use telegraphone::service::{Service, keeping};
use telegraphone::store::Held;

const SCENE: Scene = Scene("keep");
const BOXES: &str = r#"
[[user]]
extension = "202"
name = "Jane"
password = "jane-secret"
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
[[voicemail]]
number = "8201"
name = "Bob"
owner = "user:201"
password = "4711"
email = "bob@example.org"
[[voicemail]]
number = "8202"
name = "Jane"
owner = "user:202"
password = "4712"
[[voicemail]]
number = "8000"
name = "Everybody"
access = "global"
password = "4713"
"#;

async fn service(config: Config) -> (Service, Http) {
    let (service, _, http) = start(config, &[&format!("{}{BOXES}", SCENE.company())]).await;
    (service, http)
}

async fn blocking<T: Send + 'static>(story: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(story).await.unwrap()
}

/// Bob, Jane and Ada.
fn people(http: Http) -> [Session; 3] {
    [("201", "keep-secret"), ("202", "jane-secret"), ("204", "ada-secret")]
        .map(|(user, password)| http.log_in("keep", user, password))
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

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => found.extend(files(&entry.path())),
            // The service's own room for a full disk is nobody's.
            false if entry.file_name() == "reserve" => {}
            false => found.push(entry.path()),
        }
    }
    found
}

/// The files whose names contain this.
fn of(dir: &Path, name: &str) -> Vec<PathBuf> {
    files(dir).into_iter().filter(|path| path.file_name().unwrap().to_str().unwrap().contains(name)).collect()
}

fn said(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

fn erase(ada: &Session, dry_run: bool) -> Value {
    let body = json!({ "dry_run": dry_run, "confirm": messages::CALLER }).to_string();
    said(&ada.send("POST", &format!("/api/v1/contacts/{}/erase", of_caller()), &body))
}

fn of_caller() -> String {
    messages::CALLER.replace('+', "%2B")
}

fn later(days: u64) -> Wall {
    Clock::start().wall().plus(Span::from_secs(days * 86_400))
}

async fn leave(service: &Service, folder: &Path, mailbox: &str) -> MessageId {
    messages::leave(service, folder, "keep", mailbox, 2).await
}

async fn scalars(folder: &Path, query: &'static str) -> Vec<String> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("telegraphone.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let rows = sqlx::query_scalar(query).fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows
}

fn member(archive: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap_or_else(|_| panic!("no {name}")).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Names in an archive.
fn members(archive: &[u8]) -> Vec<String> {
    let archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    archive.file_names().map(|name| name.unwrap().into_owned()).collect()
}

/// A call that has left a message: its row, which a hold can be on.
async fn call_of(service: &Service, message: MessageId) -> CallId {
    let store = service.store();
    let directory = store.load_directory().await.unwrap();
    let record = store.message(message).await.unwrap().unwrap();
    let call = some_call(&directory, record.left);
    store.save_call(&call).await.unwrap();
    call.id
}

fn some_call(directory: &Directory, at: Wall) -> CallRecord {
    use telegraphone::base::Direction;
    use telegraphone::ledger::{Because, Decision};
    let company = directory.company_by_key("keep").unwrap().id;
    let party = |user, address: &str| Party { user, address: address.to_owned(), name: String::new() };
    CallRecord {
        id: CallId::new(at, [7; 10]),
        company,
        direction: Direction::Inbound,
        caller: party(None, messages::CALLER),
        callee: party(directory.user_by_extension(company, "201").map(|user| user.id), "201"),
        number: directory.number_by_e164("+15550100").map(|number| number.id),
        started: at,
        answered: Some(at),
        ended: Some(at.plus(Span::from_secs(5))),
        outcome: Outcome::Voicemail,
        end_reason: None,
        decision: Decision { record: false, because: Because::Voicemail },
        changes: Vec::new(),
        joined: Vec::new(),
        ended_paused: false,
    }
}

/// The caller wants to be forgotten: rows and files of what they left go, in every box and where it was sent
/// on to; greetings stay, and nobody is mailed any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_an_erased_caller_has_left_is_gone_and_was_in_their_archive() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody takes the mails, yet.
    let mails = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = mails.local_addr().unwrap();
    drop(mails);
    let mut config = config(folder.path());
    let smtp = SmtpConfig {
        host: address.ip().to_string(),
        port: address.port(),
        encryption: Encryption::None,
        user: String::new(),
        password_file: None,
        hello: "voice.example.org".to_owned(),
        authorities: None,
    };
    let from = Sender { name: "Voicemail".to_owned(), address: "voice@example.org".to_owned() };
    config.mail.smtp = Some((smtp, MailSettings { from, link: String::new(), most_attached: 1 << 20 }));
    let recordings = config.recording.dir.clone();
    let (service, http) = service(config).await;
    let (of_bob, of_all) = (leave(&service, folder.path(), "8201").await, leave(&service, folder.path(), "8000").await);
    let dir = recordings.clone();
    let (ada, bob, gone) = blocking(move || {
        let [bob, _, ada] = people(http);
        let sent_on = bob.send("POST", &format!("/api/v1/messages/{of_bob}/forward"), r#"{"to":["8202"]}"#).json();
        let sent_on = sent_on["messages"][0].as_str().unwrap().to_owned();
        let greeting = telegraphone::audio::prompt::write_wav(&[500; 8_000]);
        let path = "/api/v1/voicemails/8201/greetings/unavailable";
        assert_eq!(bob.send_with("PUT", path, &[], &greeting).status, 204);
        let gone = [of_bob.to_string(), of_all.to_string(), sent_on];
        gone.iter().for_each(|id| assert_eq!(of(&dir, id).len(), 1, "{id}"));

        let asked = ada.send("POST", &format!("/api/v1/contacts/{}/export", of_caller()), "{}");
        let id = asked.json()["id"].as_i64().unwrap();
        let export = until(|| {
            let export = ada.get(&format!("/api/v1/exports/{id}")).json();
            (export["state"] == "ready").then_some(export)
        });
        assert_eq!(export["contact"], messages::CALLER);
        let archive = ada.get(&format!("/api/v1/exports/{id}/file")).body;
        for id in &gone {
            let name = members(&archive).into_iter().find(|name| name.contains(id.as_str()) && name.ends_with(".wav"));
            let name = name.unwrap_or_else(|| panic!("{id} is not in {:?}", members(&archive)));
            assert_eq!(member(&archive, &name), std::fs::read(&of(&dir, id)[0]).unwrap(), "bit by bit");
        }

        until(|| (ada.get("/api/v1/notices?state=pending").json()["notices"].as_array()?.len() == 1).then_some(()));
        let dry = erase(&ada, true);
        assert_eq!((&dry["messages"], &dry["dry_run"]), (&json!(3), &json!(true)), "{dry}");
        gone.iter().for_each(|id| assert_eq!(of(&dir, id).len(), 1, "a look changes nothing"));
        let report = erase(&ada, false);
        assert_eq!((&report["messages"], &report["kept"]), (&json!(3), &json!(0)), "{report}");
        gone.iter().for_each(|id| assert!(of(&dir, id).is_empty(), "{id} is still there"));
        assert_eq!(ada.get(path).body, greeting, "what Bob said is his");
        assert_eq!(ada.get(&format!("/api/v1/exports/{id}/file")).status, 410, "its copy neither");
        assert_eq!(erase(&ada, false)["messages"], 0, "again finds nothing");
        (ada, bob, gone)
    })
    .await;
    // Now somebody would take the mail, and there is none.
    let server = Server::start(TcpListener::bind(address).unwrap(), Encryption::None, folder.path(), None);
    let (ada, told) = blocking(move || {
        until(|| {
            let notices = ada.get("/api/v1/notices").json();
            let notices = notices["notices"].as_array().unwrap().clone();
            notices.iter().all(|notice| notice["state"] == "dropped").then_some(notices.len())
        });
        for (who, id) in [(&bob, &gone[0]), (&bob, &gone[1]), (&ada, &gone[1])] {
            let answer = who.get(&format!("/api/v1/messages/{id}/audio"));
            assert_eq!((answer.status, &answer.json()["because"]), (410, &json!("erased")));
        }
        let other = ada.get(&format!("/api/v1/messages/{}", gone[0]));
        assert_eq!(other.status, 404, "to those who did not hear it it never was");
        (ada, server.mails(0).len())
    })
    .await;
    assert_eq!(told, 0, "nobody was mailed");
    drop(ada);
    service.stop().await;
    let left = scalars(
        folder.path(),
        "SELECT 'message' FROM messages UNION ALL SELECT 'state' FROM message_states
         UNION ALL SELECT 'file' FROM doomed_files
         UNION ALL SELECT DISTINCT 'event' FROM feed WHERE event LIKE '%16660001%' OR event LIKE '%Otto%'
         UNION ALL SELECT DISTINCT 'outbox' FROM outbox WHERE told LIKE '%16660001%' OR told LIKE '%Otto%'
         UNION ALL SELECT 'export' FROM exports WHERE what LIKE '%16660001%'
         UNION ALL SELECT 'log' FROM access_log WHERE thing LIKE '%16660001%'",
    );
    assert_eq!(left.await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_expires_as_recordings_do_and_says_why_to_those_who_could_hear_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Config::default_for(folder.path()).recording.dir;
    let (service, http) = service(config(folder.path())).await;
    let (id, all) = (leave(&service, folder.path(), "8201").await, leave(&service, folder.path(), "8000").await);
    let sweep = async |days: u64| keeping::sweep(service.store(), &dir, later(days)).await.unwrap().messages;
    assert_eq!(sweep(400).await, 0, "by default they are kept for ever");
    apply(&service, "[[company]]\nkey = \"keep\"\n[company.settings]\nretention_days = 3\n").await;
    assert_eq!(sweep(2).await, 0, "their time is not over");
    let before = blocking(move || {
        let [bob, jane, ada] = people(http);
        let streams = [&bob, &ada].map(|who| who.stream("/api/v1/events?kinds=voicemail.deleted", None));
        assert_eq!(bob.get(&format!("/api/v1/messages/{id}")).status, 200);
        (bob, jane, ada, streams)
    });
    let (bob, jane, ada, streams) = before.await;
    assert_eq!((sweep(4).await, sweep(4).await), (2, 0), "once is enough");
    assert!(files(&dir).is_empty(), "{:?}", files(&dir));
    blocking(move || {
        for path in ["", "/audio", "/file"] {
            let gone = bob.get(&format!("/api/v1/messages/{id}{path}"));
            assert_eq!((gone.status, &gone.json()["because"]), (410, &json!("expired after 3 days")), "{path}");
            assert!(gone.json()["deleted"].is_string(), "{path}");
            assert_eq!(jane.get(&format!("/api/v1/messages/{id}{path}")).status, 404, "they could not");
        }
        let own = format!("/api/v1/messages/{id}");
        assert_eq!(bob.send("PATCH", &own, r#"{"folder":"old"}"#).status, 410);
        assert_eq!(bob.delete(&own).status, 410);
        assert_eq!(ada.get(&format!("/api/v1/voicemails/8201/messages/{id}")).status, 410, "an admin of any box");
        assert_eq!(ada.get(&format!("/api/v1/voicemails/8202/messages/{id}")).status, 404, "it was in another one");
        assert_eq!(jane.get(&format!("/api/v1/messages/{all}")).status, 410, "the company's is everybody's");
        assert_eq!(bob.get("/api/v1/messages").json()["messages"], json!([]));
        for mut stream in streams {
            let told: Vec<Value> = (0..2).map(|_| stream.next().data).collect();
            assert!(told.iter().all(|event| event["about"]["because"] == "expired after 3 days"), "{told:?}");
        }
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hold_on_the_call_keeps_its_message_and_the_box_from_everybody_until_it_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Config::default_for(folder.path()).recording.dir;
    let (service, http) = service(config(folder.path())).await;
    let id = leave(&service, folder.path(), "8201").await;
    let call = call_of(&service, id).await;
    let of_call = format!("UPDATE messages SET call_id = '{call}' WHERE id = '{id}' RETURNING id");
    scalars(folder.path(), of_call.leak()).await;
    apply(&service, "[[company]]\nkey = \"keep\"\n[company.settings]\nretention_days = 3\n").await;
    let ada = blocking(move || {
        let [bob, _, ada] = people(http);
        let path = format!("/api/v1/calls/{call}/hold");
        assert_eq!(ada.send("PUT", &path, r#"{"reason":"case 7"}"#).status, 200);
        let in_box = format!("/api/v1/voicemails/8201/messages/{id}");
        let refused = ada.delete(&in_box);
        assert_eq!((refused.status, &refused.json()["hold"]["reason"]), (409, &json!("case 7")));
        assert_eq!(ada.delete("/api/v1/voicemails/8201").status, 409, "its box neither");
        // For oneself it may be thrown away: it is there for the others, and for the court.
        assert_eq!(bob.delete(&format!("/api/v1/messages/{id}")).status, 204);
        let report = erase(&ada, false);
        assert_eq!(report["messages"], 0, "{report}");
        assert!(report["kept_calls"][0]["because"].as_str().unwrap().contains("case 7"), "{report}");
        ada
    })
    .await;
    let swept = keeping::sweep(service.store(), &dir, later(400)).await.unwrap();
    assert_eq!((swept.messages, swept.held), (0, 1), "neither retention, nor that everybody threw it away");
    assert_eq!(files(&dir).len(), 1);
    let ada = blocking(move || {
        assert_eq!(ada.get(&format!("/api/v1/voicemails/8201/messages/{id}/audio")).status, 200);
        let path = format!("/api/v1/calls/{call}/hold");
        assert_eq!(ada.delete(&path).status, 202, "a second one confirms");
        let grace = http.log_in("keep", "205", "grace-secret");
        assert_eq!(grace.delete(&path).status, 204);
        ada
    })
    .await;
    assert_eq!(service.store().hold_on(Held::Call(call)).await.unwrap(), None);
    let swept = keeping::sweep(service.store(), &dir, later(400)).await.unwrap();
    assert_eq!((swept.messages, swept.held), (1, 0));
    assert!(files(&dir).is_empty(), "{:?}", files(&dir));
    blocking(move || {
        let gone = ada.get(&format!("/api/v1/voicemails/8201/messages/{id}"));
        assert_eq!((gone.status, &gone.json()["because"]), (410, &json!("expired after 3 days")));
        assert_eq!(said(&ada.send("DELETE", "/api/v1/voicemails/8201", ""))["messages"], 0);
    })
    .await;
    service.stop().await;
}

/// What is deleted of a caller's messages takes the archive of that caller along, and no other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_archive_with_a_deleted_message_is_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(config(folder.path())).await;
    let id = leave(&service, folder.path(), "8000").await;
    blocking(move || {
        let [_, _, ada] = people(http);
        let ask = |number: &str| {
            let asked = ada.send("POST", &format!("/api/v1/contacts/%2B{number}/export"), "{}");
            format!("/api/v1/exports/{}", asked.json()["id"])
        };
        let (with, without) = (ask(&messages::CALLER[1..]), ask("166600011"));
        for path in [&with, &without] {
            until(|| (ada.get(path).json()["state"] == "ready").then_some(()));
        }
        assert_eq!(ada.delete(&format!("/api/v1/voicemails/8000/messages/{id}")).status, 204);
        assert_eq!(ada.get(&with).json()["state"], "withdrawn");
        assert_eq!(ada.get(&format!("{with}/file")).status, 410);
        assert_eq!(ada.get(&without).json()["state"], "ready");
    })
    .await;
    service.stop().await;
}
