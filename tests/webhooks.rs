//! Webhooks: over TLS, when nobody takes anything for a day, and on the command line.

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
#[path = "process/mod.rs"]
mod process;
#[path = "events/receiver.rs"]
mod receiver;
#[path = "scene/mod.rs"]
mod scene;

use http::service::{apply, config, start};
use http::{Http, Session};
use process::{Home, data_dir};
use receiver::{Delivery, Receiver, authority};
use scene::Scene;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use telegraphone::base::{Random, Span, Wall};
use telegraphone::directory::file::CompanyFile;
use telegraphone::directory::plan::plan;
use telegraphone::notify::{Courier, GIVE_UP, Guard, Postman, World, signature};
use telegraphone::service::Service;
use telegraphone::service::clock::{Clock, OsRandom};
use telegraphone::store::{Attempt, DeliveryRow, DeliveryState, NewDelivery, NewWebhook, Store};
use telegraphone::subscription::Kinds;
use tokio::sync::watch;

const SCENE: Scene = Scene("hooked");
const ADA: &str = "[[user]]\nextension = \"204\"\nname = \"Ada\"\npassword = \"ada-secret\"\nrole = \"admin\"\n";

fn company() -> String {
    format!("{}{ADA}", SCENE.company())
}

fn guard() -> Guard {
    Guard { allow: vec!["127.0.0.0/8".parse().unwrap()] }
}

async fn service(folder: &Path, authorities: Option<&Path>) -> (Service, Http) {
    let mut config = config(folder);
    config.webhooks.guard = guard();
    config.webhooks.authorities = authorities.map(Path::to_owned);
    let (service, _, http) = start(config, &[]).await;
    if service.store().load_directory().await.unwrap().company_by_key("hooked").is_none() {
        apply(&service, &company()).await;
    }
    (service, http)
}

async fn blocking(story: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(story).await.unwrap();
}

/// Makes a hook and has it tested; its path and its secret.
fn tested(ada: &Session, url: &str) -> (String, String) {
    let made = ada.send("POST", "/api/v1/webhooks", &json!({ "url": url, "kinds": ["*"] }).to_string());
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    let made = made.json();
    let path = format!("/api/v1/webhooks/{}", made["webhook"]["id"]);
    assert_eq!(ada.send("POST", &format!("{path}/test"), "").status, 202);
    (path, made["secret"].as_str().unwrap().to_owned())
}

/// What the hook's newest delivery says, once it was tried.
fn tried(ada: &Session, path: &str) -> Value {
    for _ in 0..1_000 {
        let list = ada.get(&format!("{path}/deliveries")).json();
        if list["deliveries"][0]["attempts"].as_u64().unwrap() > 0 {
            return list["deliveries"][0].clone();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{path} was never tried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delivery_goes_over_tls_to_a_receiver_whose_authority_is_named_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (named, trusted) = authority("127.0.0.1");
    let (_, stranger) = authority("127.0.0.1");
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, named).unwrap();
    let (service, http) = service(&folder.path().join("data"), Some(&file)).await;
    blocking(move || {
        let ada = http.log_in("hooked", "204", "ada-secret");
        let receiver = Receiver::secure(trusted);
        let (path, secret) = tested(&ada, &receiver.url());
        let delivered = receiver.until(|seen| seen.len() == 1);
        let Delivery { headers, body, .. } = &delivered[0];
        assert_eq!(headers["telegraphone-event"], "webhook.test");
        assert_eq!(headers["host"], receiver.address.to_string());
        assert_eq!(headers["telegraphone-signature"], signature(&secret, &headers["telegraphone-timestamp"], body));
        let told = tried(&ada, &path);
        assert_eq!((&told["state"], &told["last_status"]), (&json!("delivered"), &json!(200)), "{told}");

        // The same names, also the authority's, and other keys.
        let other = Receiver::secure(stranger);
        let (path, _) = tested(&ada, &other.url());
        let told = tried(&ada, &path);
        assert_eq!((&told["state"], &told["last_status"]), (&json!("pending"), &Value::Null), "{told}");
        assert!(told["last_error"].as_str().unwrap().contains("invalid peer certificate"), "{told}");
        assert_eq!((receiver.until(|_| true).len(), other.until(|_| true).len()), (1, 0), "they were told nothing");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_certificate_for_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (named, tls) = authority("hooks.example");
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, named).unwrap();
    let (service, http) = service(&folder.path().join("data"), Some(&file)).await;
    blocking(move || {
        let ada = http.log_in("hooked", "204", "ada-secret");
        let receiver = Receiver::secure(tls);
        let (path, _) = tested(&ada, &receiver.url());
        let told = tried(&ada, &path);
        assert_eq!(told["state"], "pending", "{told}");
        assert!(told["last_error"].as_str().unwrap().contains("certificate"), "{told}");
        assert_eq!(receiver.until(|_| true).len(), 0);
    })
    .await;
    service.stop().await;
}

/// A calendar that the test turns.
#[derive(Clone)]
struct Turned(Arc<AtomicI64>);

impl Turned {
    fn turn(&self, by: Span) {
        self.0.fetch_add(i64::try_from(by.0).unwrap(), Ordering::SeqCst);
    }
}

impl World for Turned {
    fn wall(&self) -> Wall {
        Wall::from_unix_micros(self.0.load(Ordering::SeqCst))
    }

    fn random(&self) -> Box<dyn Random + Send> {
        Box::new(OsRandom)
    }
}

async fn until(store: &Store, hook: i64, what: &str, enough: impl Fn(&[DeliveryRow]) -> bool) -> Vec<DeliveryRow> {
    for _ in 0..2_000 {
        let rows = store.deliveries(hook, None, None, 10).await.unwrap();
        if enough(&rows) {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: {:#?}", store.deliveries(hook, None, None, 10).await.unwrap());
}

/// A hook of the company, and two events of one call for it.
async fn queued(store: &Store, url: String, now: Wall) -> i64 {
    let plan = plan(&store.load_directory().await.unwrap(), &CompanyFile::parse(&company()).unwrap(), false).unwrap();
    store.apply(&plan, &mut OsRandom).await.unwrap();
    let company = store.load_directory().await.unwrap().company_by_key("hooked").unwrap().id;
    let kinds = Kinds::parse("*").unwrap();
    let new = NewWebhook { company, url, kinds, secret: "s".to_owned(), made_by: None };
    let hook = store.add_webhook(&new, now).await.unwrap().unwrap().id;
    let event = |seq: i64, kind: &str| NewDelivery {
        seq,
        lane: "call one".to_owned(),
        kind: kind.to_owned(),
        body: json!({ "event": kind, "seq": seq }).to_string(),
    };
    let events = [event(1, "call.started"), event(2, "call.ended")];
    store.queue_deliveries(hook, &events, 0, (now, now.plus(GIVE_UP))).await.unwrap();
    hook
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_nobody_takes_for_a_day_is_dead_and_listed_and_can_be_sent_anew() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::new(usize::MAX);
    let began = Clock::start().wall().minus(Span::from_secs(25 * 3_600));
    let calendar = Turned(Arc::new(AtomicI64::new(began.unix_micros())));
    let store = Store::open(&folder.path().join("telegraphone.db")).await.unwrap();
    let hook = queued(&store, receiver.url(), began).await;
    let courier = Courier::new(store.clone(), Postman::new(guard(), None).unwrap(), Box::new(calendar.clone()));
    let (fed, feed) = watch::channel(0);
    let running = tokio::spawn(courier.run(feed));

    // The newest stands first: the second event of the call waits for the first.
    let rows = until(&store, hook, "one attempt", |rows| rows[1].attempts == 1).await;
    assert_eq!((rows[0].attempts, rows[1].state, rows[1].last_status), (0, DeliveryState::Pending, Some(503)));
    assert!(rows[1].next_at > began && rows[1].next_at <= began.plus(Span::from_secs(1)), "a second later at most");
    calendar.turn(Span::from_secs(23 * 3_600));
    fed.send_replace(1);
    let rows = until(&store, hook, "within the day", |rows| rows[1].attempts == 2).await;
    assert_eq!((rows[1].state, rows[0].attempts), (DeliveryState::Pending, 0), "an hour is left");
    calendar.turn(Span::from_secs(3_600));
    fed.send_replace(2);
    let rows = until(&store, hook, "dead", |rows| rows.iter().all(|row| row.state == DeliveryState::Dead)).await;
    assert_eq!((rows[1].attempts, rows[0].attempts), (3, 1), "the later one had its turn when the first was given up");
    assert_eq!(rows[1].last_error, "the receiver answered 503");
    running.abort();
    let _ = running.await;
    assert_eq!(receiver.until(|_| true).len(), 4);
    store.close().await;

    let (service, http) = service(folder.path(), None).await;
    receiver.refuse(0);
    blocking(move || {
        let ada = http.log_in("hooked", "204", "ada-secret");
        let path = format!("/api/v1/webhooks/{hook}");
        let shown = ada.get(&path).json();
        assert_eq!((&shown["dead"], &shown["pending"], &shown["failing"]), (&json!(2), &json!(0), &json!(true)));
        let listed = |state: &str| ada.get(&format!("{path}/deliveries?state={state}")).json()["deliveries"].clone();
        let dead = listed("dead");
        let events: Vec<&str> = dead.as_array().unwrap().iter().map(|one| one["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["call.ended", "call.started"]);
        assert!(dead[0].get("next").is_none(), "nobody tries it any more: {dead}");
        let page = ada.get(&format!("{path}/deliveries?state=dead&limit=1")).json();
        let rest = ada.get(&format!("{path}/deliveries?state=dead&limit=1&before={}", page["next"])).json();
        assert_eq!(rest["deliveries"][0], dead[1], "{rest}");

        // One of them, and then all that are left.
        let one = ada.send("POST", &format!("{path}/deliveries/{}/replay", dead[0]["id"]), "");
        assert_eq!(one.json(), json!({ "replayed": 1 }));
        let taken = |seen: &[Delivery]| seen.iter().filter(|one| one.status == 200).count();
        receiver.until(|seen| taken(seen) == 1);
        let nobodys = ada.send("POST", &format!("{path}/deliveries/999999/replay"), "");
        assert_eq!(nobodys.status, 404);
        assert_eq!(ada.send("POST", &format!("{path}/replay"), "").json(), json!({ "replayed": 1 }));
        let seen = receiver.until(|seen| taken(seen) == 2);
        let told: Vec<Value> = seen[4..].iter().map(|one| one.json()["seq"].clone()).collect();
        assert_eq!(told, [json!(2), json!(1)]);
        while listed("delivered").as_array().unwrap().len() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(listed("dead"), json!([]));
        let shown = ada.get(&path).json();
        assert_eq!((&shown["dead"], &shown["failing"]), (&json!(0), &json!(false)), "{shown}");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_company_has_as_many_hooks_as_it_may_however_fast_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("telegraphone.db")).await.unwrap();
    let now = Clock::start().wall();
    queued(&store, "https://hooks.example/".to_owned(), now).await;
    let company = store.load_directory().await.unwrap().company_by_key("hooked").unwrap().id;
    let one = |at: usize| {
        let (store, kinds) = (store.clone(), Kinds::parse("*").unwrap());
        let new =
            NewWebhook { company, url: format!("https://{at}.example/"), kinds, secret: String::new(), made_by: None };
        tokio::spawn(async move { store.add_webhook(&new, now).await.unwrap().is_some() })
    };
    let tasks: Vec<_> = (0..60).map(one).collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap());
    }
    assert_eq!((made, store.webhooks(Some(company)).await.unwrap().len()), (49, 50));
    store.close().await;
    let (service, http) = service(folder.path(), None).await;
    blocking(move || {
        let ada = http.log_in("hooked", "204", "ada-secret");
        let more = ada.send("POST", "/api/v1/webhooks", r#"{"url":"https://hooks.example/","kinds":["*"]}"#);
        assert_eq!(more.status, 409);
        assert!(more.json()["detail"].as_str().unwrap().contains("50 webhooks at most"));
    })
    .await;
    service.stop().await;
}

/// The rows as the courier leaves what nobody took for a day.
async fn give_up(home: &Home, hook: i64) {
    let store = Store::open(&data_dir(&home.folder).join("telegraphone.db")).await.unwrap();
    let rows = store.deliveries(hook, None, None, 10).await.unwrap();
    let at = Clock::start().wall();
    let attempt = Attempt { at, status: Some(503), error: "the receiver answered 503".to_owned(), again: None };
    let given_up: Vec<_> = rows.into_iter().map(|row| (attempt.clone(), row)).collect();
    store.note_attempts(&given_up).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_are_made_looked_at_replayed_and_removed_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home { binary: env!("CARGO_BIN_EXE_telegraphone").into(), folder: folder.path().to_owned() };
    home.set_up("[http]\nlisten = [\"127.0.0.1:0\"]\n[webhooks]\nallow = [\"127.0.0.0/8\"]\n", &company());
    let service = home.serve();
    let http = Http(home.ask(&["status"])["status"]["http"][0].as_str().unwrap().parse().unwrap());
    let receiver = Receiver::new(0);
    let url = receiver.url();
    let does = |words: &[&str]| {
        let (done, said) = home.run(words);
        assert!(done, "{words:?}: {said}");
        said
    };
    let refuses = |words: &[&str], why: &str| {
        let (done, said) = home.run(words);
        assert!(!done && said.contains(why), "{words:?}: {said}");
    };
    refuses(&["webhook", "add", "hooked", "https://10.0.0.1/"], "webhooks.allow");
    refuses(&["webhook", "add", "hooked", &url, "--kinds", "calls.*"], "calls.*");
    refuses(&["webhook", "add", "nobody", &url], "there is no company nobody");
    let said = does(&["webhook", "add", "hooked", &url, "--kinds", "call.*,recording.finished"]);
    assert!(said.starts_with("webhook 1; its secret (shown this once): "), "{said}");
    let secret = said.trim().rsplit(' ').next().unwrap().to_owned();
    let listed = home.ask(&["webhook", "list", "--company", "hooked"]);
    let hook = &listed["webhooks"][0];
    assert_eq!((&hook["url"], &hook["company"], &hook["active"]), (&json!(url), &json!("hooked"), &json!(true)));
    assert_eq!(hook["kinds"], json!(["call.*", "recording.finished"]));
    let table = does(&["webhook", "list"]);
    assert!(table.contains("works") && !table.contains(&secret), "{table}");

    tokio::task::block_in_place(|| {
        let ada = http.log_in("hooked", "204", "ada-secret");
        assert_eq!(ada.send("POST", "/api/v1/webhooks/1/test", "").status, 202);
        let delivered = receiver.until(|seen| seen.len() == 1);
        let headers = &delivered[0].headers;
        let expected = signature(&secret, &headers["telegraphone-timestamp"], &delivered[0].body);
        assert_eq!(headers["telegraphone-signature"], expected, "the secret that was shown signs");
        while home.ask(&["webhook", "deliveries", "1"])["deliveries"][0]["state"] != "delivered" {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    give_up(&home, 1).await;
    let dead = home.ask(&["webhook", "deliveries", "1", "--state", "dead"]);
    assert_eq!((&dead["deliveries"][0]["event"], dead["deliveries"][1].is_null()), (&json!("webhook.test"), true));
    assert_eq!(home.ask(&["webhook", "deliveries", "1", "--state", "pending"]), json!({ "deliveries": [] }));
    assert!(does(&["webhook", "deliveries", "1"]).contains("the receiver answered 503"));
    assert_eq!(home.ask(&["webhook", "list"])["webhooks"][0]["dead"], 1);
    refuses(&["webhook", "deliveries", "1", "--state", "lost"], "pending, delivered or dead");
    refuses(&["webhook", "deliveries", "2"], "there is no webhook 2");
    refuses(&["webhook", "replay", "1", "77"], "no delivery 77");
    assert_eq!(does(&["webhook", "replay", "1"]).trim(), "1 deliveries are sent anew.");
    receiver.until(|seen| seen.len() == 2);

    assert!(does(&["webhook", "remove", "1", "--dry-run"]).contains("would go"));
    assert_eq!(home.ask(&["webhook", "list"])["webhooks"].as_array().unwrap().len(), 1);
    does(&["webhook", "remove", "1"]);
    assert_eq!(home.ask(&["webhook", "list"]), json!({ "webhooks": [] }));
    let log = home.ask(&["audit", "list", "hooked"]);
    let actions: Vec<&str> = log.as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    for action in ["webhook.add", "webhook.replay", "webhook.remove"] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    drop(service);
}
