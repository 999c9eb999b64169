//! Log-ins, lock-outs, passwords of the staff and tokens, against a real service.

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
#[path = "scene/mod.rs"]
mod scene;

use http::service::{config, start};
use http::{Http, Response, Session};
use process::Home;
use rcgen::{CertificateParams, KeyPair};
use scene::Scene;
use serde_json::{Value, json};
use std::path::Path;
use telegraphone::base::{CompanyId, Wall};
use telegraphone::directory::file::Secret;
use telegraphone::directory::plan::WebPassword;
use telegraphone::service::Service;
use telegraphone::service::clock::{Clock, OsRandom};
use telegraphone::service::config::Config;
use telegraphone::service::tls::{Tls, TlsConfig};
use telegraphone::store::StaffKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SCENE: Scene = Scene("api");
const ADA: &str = "[[user]]\nextension = \"204\"\nname = \"Ada\"\npassword = \"ada-secret\"\nrole = \"admin\"\n";
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

/// A service with two companies, the operator `root` and the reseller `rita`, whose passwords are
/// `NAME-secret`.
async fn service(folder: &Path, change: impl FnOnce(&mut Config)) -> (Service, Http) {
    let mut config = config(folder);
    change(&mut config);
    let (service, _, http) = start(config, &[&format!("{}{ADA}", SCENE.company()), OTHER]).await;
    let now = Clock::start().wall();
    for (name, kind) in [("root", StaffKind::Operator), ("rita", StaffKind::Reseller)] {
        let drawn = WebPassword::draw(Some(Secret::try_from(format!("{name}-secret")).unwrap()), &mut OsRandom);
        let added = service.store().add_staff(name, kind, &drawn.argon2().unwrap(), now).await.unwrap();
        if kind == StaffKind::Reseller {
            let company = service.store().load_directory().await.unwrap().company_by_key("api").unwrap().id;
            service.store().give_company(added.unwrap(), company).await.unwrap();
        }
    }
    (service, http)
}

async fn blocking(story: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(story).await.unwrap();
}

fn says(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

/// A log-in with some headers; the cookie that it sets.
fn cookie(http: Http, headers: &[(&str, &str)]) -> String {
    let body = r#"{"company":"api","user":"204","password":"ada-secret"}"#;
    let answer = http.ask("POST", "/api/v1/session", headers, body);
    assert_eq!(answer.status, 200, "{}", says(&answer));
    answer.header("set-cookie").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behind_a_named_proxy_that_speaks_tls_the_cookie_travels_over_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    let (service_, http) =
        service(folder.path(), |config| config.http.proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    blocking(move || {
        let from = ("X-Forwarded-For", "203.0.113.5");
        let set = cookie(http, &[from, ("X-Forwarded-Proto", "https")]);
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{set}");
        for headers in [&[from, ("X-Forwarded-Proto", "http")][..], &[from], &[]] {
            let set = cookie(http, headers);
            assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{headers:?}: {set}");
        }
        let ada = http.log_in("api", "204", "ada-secret");
        let out = ada.send_with("DELETE", "/api/v1/session", &[from, ("X-Forwarded-Proto", "https")], b"");
        let gone = out.header("set-cookie").unwrap();
        assert!(gone.contains("telegraphone_session=;") && gone.contains("; Secure"), "{gone}");
    })
    .await;
    service_.stop().await;

    // Whoever is no named proxy can say what they like.
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path(), |_| {}).await;
    blocking(move || {
        let set = cookie(http, &[("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https")]);
        assert!(!set.contains("Secure"), "{set}");
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_tls_the_cookie_travels_over_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, secret] = ["api.crt", "api.key"].map(|name| folder.path().join(name));
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["api.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(&certificate, made.pem()).unwrap();
    std::fs::write(&secret, key.serialize_pem()).unwrap();
    let files = (certificate.clone(), secret);
    let (service, http) = service(&folder.path().join("data"), |config| {
        config.tls.certificate = Some(files.0);
        config.tls.key = Some(files.1);
        config.http.listen[0].tls = true;
    })
    .await;
    let trusting = TlsConfig { authorities: Some(certificate), ..TlsConfig::default() };
    let trusting = Tls::load(trusting, Wall::from_unix_micros(0)).unwrap();
    let mut stream = trusting.connect(http.0, &["api.test".to_owned()]).await.unwrap();
    let body = r#"{"company":"api","user":"204","password":"ada-secret"}"#;
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // It may end without a farewell of TLS.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let set = answer.lines().find(|line| line.starts_with("set-cookie:")).unwrap_or_else(|| panic!("{answer}"));
    assert!(answer.starts_with("http/1.1 200 ") && set.contains("; secure"), "{answer}");
    service.stop().await;
}

fn guess(http: Http, company: Option<&str>, user: &str) -> u16 {
    let body = json!({ "company": company, "user": user, "password": "guessed" }).to_string();
    http.ask("POST", "/api/v1/session", &[], &body).status
}

/// Guesses until the answer is that one is locked out.
fn until_locked(http: Http, company: Option<&str>, user: &str) {
    for _ in 0..30 {
        if guess(http, company, user) == 429 {
            return;
        }
    }
    panic!("{company:?} {user} is never locked");
}

/// What somebody sees of locks over HTTP: what, address and name.
fn locks(who: &Session) -> Vec<(String, String, String)> {
    let answer = who.get("/api/v1/lockouts");
    assert_eq!(answer.status, 200, "{}", says(&answer));
    let text = |lock: &Value, key: &str| lock[key].as_str().unwrap().to_owned();
    let list = answer.json()["locks"].clone();
    let http = list.as_array().unwrap().iter().filter(|lock| lock["over"] == "http");
    http.map(|lock| (text(lock, "what"), text(lock, "source"), text(lock, "name"))).collect()
}

fn three(what: &str, source: &str, name: &str) -> (String, String, String) {
    (what.to_owned(), source.to_owned(), name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_locked_out_over_http_is_listed_and_let_in_again_by_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path(), |_| {}).await;
    let store = service.store().clone();
    blocking(move || {
        // Each proves a password first: the pair is known here, and obeys its own counter only.
        let (ada, eve) = (http.log_in("api", "204", "ada-secret"), http.log_in("other", "204", "eve-secret"));
        let bob = http.log_in("api", "201", "api-secret");
        let (root, rita) = (http.log_in_as_staff("root", "root-secret"), http.log_in_as_staff("rita", "rita-secret"));
        assert_eq!(locks(&root), []);
        until_locked(http, Some("api"), "204");
        until_locked(http, None, "rita");
        until_locked(http, Some("other"), "204");
        until_locked(http, Some("nowhere"), "999");
        let [of_api, of_other] = ["api/204", "other/204"].map(|name| three("pair", "127.0.0.1", name));
        let (of_rita, address) = (three("pair", "127.0.0.1", "rita"), three("source", "127.0.0.1", ""));
        assert_eq!(locks(&root), [of_api.clone(), of_other.clone(), of_rita.clone(), address.clone()]);
        assert_eq!(locks(&root.of("api")), std::slice::from_ref(&of_api), "of a company they see what its admin sees");
        assert_eq!((locks(&ada), locks(&rita.of("api"))), (vec![of_api.clone()], vec![of_api.clone()]));
        assert_eq!(locks(&eve), std::slice::from_ref(&of_other), "nothing of another company, and no address");
        for (who, method, status) in
            [(&bob, "GET", 403), (&bob, "DELETE", 403), (&rita, "GET", 400), (&rita, "DELETE", 400)]
        {
            assert_eq!(who.send(method, "/api/v1/lockouts", "").status, status, "{method}");
        }
        let page = root.get("/api/v1/lockouts?limit=3").json();
        let next = page["next"].as_str().unwrap().replace(' ', "%20").replace('/', "%2F");
        let rest = root.get(&format!("/api/v1/lockouts?limit=3&after={next}")).json();
        assert_eq!((page["locks"].as_array().unwrap().len(), rest["locks"].as_array().unwrap().len()), (3, 1));
        assert!(rest.get("next").is_none(), "{rest}");

        let clear = |who: &Session, only: &str| {
            let answer = who.delete(&format!("/api/v1/lockouts{only}"));
            assert_eq!(answer.status, 200, "{}", says(&answer));
            answer.json()["entries"].as_u64().unwrap()
        };
        // What is not of the company is as what is not there.
        for only in ["api%2F204", "rita", "nobody", "192.0.2.1", "nowhere%2F999"] {
            assert_eq!(clear(&eve, &format!("?only={only}")), 0, "{only}");
        }
        assert_eq!(clear(&eve, "?only=127.0.0.1"), 1, "of an address what is of the company, and not the address");
        assert_eq!(locks(&root), [of_api.clone(), of_rita.clone(), address.clone()]);
        http.log_in("other", "204", "eve-secret");
        assert_eq!(guess(http, Some("api"), "204"), 429, "the others are where they were");
        assert_eq!(clear(&ada, ""), 1, "all of the company");
        http.log_in("api", "204", "ada-secret");
        assert_eq!(locks(&root), [of_rita, address]);
        assert_eq!(guess(http, Some("nowhere"), "999"), 429);
        assert!(clear(&root, "?only=127.0.0.1") >= 2, "the address, and every name there");
        assert_eq!(locks(&root), []);
        http.log_in_as_staff("rita", "rita-secret");
        assert_eq!(guess(http, Some("nowhere"), "999"), 401);
        for wrong in ["?only=", "?who=204"] {
            assert_eq!(root.delete(&format!("/api/v1/lockouts{wrong}")).status, 400, "{wrong}");
        }

        // By scope: to look one needs another right than to clear.
        let token = |scope: &str| {
            let new = json!({ "name": "t", "scopes": [scope] }).to_string();
            format!("Bearer {}", ada.send("POST", "/api/v1/tokens", &new).json()["secret"].as_str().unwrap())
        };
        let (reads, clears) = (token("access.read"), token("lockouts.write"));
        let asked =
            |bearer: &str, method: &str| http.ask(method, "/api/v1/lockouts", &[("Authorization", bearer)], "").status;
        assert_eq!((asked(&reads, "GET"), asked(&reads, "DELETE")), (200, 403));
        assert_eq!((asked(&clears, "GET"), asked(&clears, "DELETE")), (403, 200));

        let log = ada.get("/api/v1/access-log").json();
        let cleared = log["lines"].as_array().unwrap().iter().filter(|line| line["action"] == "lockout.clear");
        let things: Vec<&str> = cleared.map(|line| line["thing"].as_str().unwrap()).collect();
        assert_eq!(things, ["all", "all"]);
    })
    .await;
    let lines = store.access_log(CompanyId(0), 0, 100).await.unwrap();
    let cleared: Vec<_> = lines.iter().filter(|line| line.action == "lockout.clear").collect();
    assert_eq!((cleared.len(), cleared[0].who.as_str(), cleared[0].thing.as_str()), (1, "operator root", "127.0.0.1"));
    service.stop().await;
}

#[test]
fn locks_over_http_are_shown_and_ended_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home { binary: env!("CARGO_BIN_EXE_telegraphone").into(), folder: folder.path().to_owned() };
    home.set_up("[http]\nlisten = [\"127.0.0.1:0\"]\n", &format!("{}{ADA}", SCENE.company()));
    let (done, said) = home.run(&["lockout", "list"]);
    assert!(!done && said.contains("the service is not running"), "{said}");
    let service = home.serve();
    let http = Http(home.ask(&["status"])["status"]["http"][0].as_str().unwrap().parse().unwrap());
    assert!(home.run(&["lockout", "list"]).1.contains("Nobody is locked out."));
    http.log_in("api", "204", "ada-secret");
    until_locked(http, Some("api"), "204");
    until_locked(http, Some("api"), "203");
    let listed = home.ask(&["lockout", "list"]);
    let found: Vec<(&str, &str, &str)> = listed["locks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lock| (lock["over"].as_str().unwrap(), lock["what"].as_str().unwrap(), lock["name"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [("http", "pair", "api/204"), ("http", "source", "")]);
    let (_, table) = home.run(&["lockout", "list"]);
    assert!(table.contains("HTTP") && table.contains("api/204"), "{table}");
    let (done, said) = home.run(&["lockout", "clear", "api/204"]);
    assert!(done && said.trim() == "1 entries forgotten.", "{said}");
    http.log_in("api", "204", "ada-secret");
    assert_eq!(guess(http, Some("api"), "203"), 429);
    home.run(&["lockout", "clear"]);
    assert_eq!(guess(http, Some("api"), "203"), 401);
    assert_eq!(home.ask(&["lockout", "list"])["locks"], json!([]));
    drop(service);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_of_the_staff_changes_their_own_password_proves_the_present_one() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path(), |_| {}).await;
    let store = service.store().clone();
    blocking(move || {
        let (root, rita) = (http.log_in_as_staff("root", "root-secret"), http.log_in_as_staff("rita", "rita-secret"));
        let own = |body: Value| rita.send("PUT", "/api/v1/staff/rita/password", &body.to_string());
        for body in [json!({ "password": "rita-second" }), json!({ "present": "wrong", "password": "rita-second" })] {
            let refused = own(body.clone());
            assert_eq!(refused.status, 400, "{body}");
            let detail = refused.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("present") && !detail.contains("wrong") && !detail.contains("rita-"), "{detail}");
        }
        let by_root = |body: Value| root.send("PUT", "/api/v1/staff/root/password", &body.to_string()).status;
        assert_eq!(by_root(json!({})), 400, "an operator's own is no exception");
        http.log_in_as_staff("rita", "rita-secret");
        let set = own(json!({ "present": "rita-secret", "password": "rita-second" }));
        assert_eq!((set.status, set.json()), (200, json!({ "name": "rita" })));
        assert_eq!(rita.get("/api/v1/me").status, 401, "every session is over");
        let rita = http.log_in_as_staff("rita", "rita-second");

        // Another's is set without it, and made where none is given.
        let made = root.send("PUT", "/api/v1/staff/rita/password", "{}");
        assert_eq!(made.status, 200);
        assert_eq!(rita.get("/api/v1/me").status, 401);
        let password = made.json()["password"].as_str().unwrap().to_owned();
        let rita = http.log_in_as_staff("rita", &password);

        // Guessing with a session that somebody left open ends as it does at the log-in.
        let guess = |present: &str| {
            let body = json!({ "present": present, "password": "stolen-secret" }).to_string();
            rita.send("PUT", "/api/v1/staff/rita/password", &body)
        };
        let outcomes: Vec<u16> = (0..11).map(|_| guess("guessed").status).collect();
        assert_eq!(outcomes, [[400; 10].as_slice(), &[429]].concat());
        let locked = guess(&password);
        assert_eq!(locked.status, 429, "also with the right one");
        assert!(locked.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
        let body = json!({ "user": "rita", "password": password }).to_string();
        assert_eq!(http.ask("POST", "/api/v1/session", &[], &body).status, 429, "it is the same lock");
    })
    .await;
    let lines = store.access_log(CompanyId(0), 0, 1_000).await.unwrap();
    let said: Vec<(&str, &str)> = lines
        .iter()
        .filter(|line| line.action == "staff.password")
        .map(|line| (line.who.as_str(), line.thing.as_str()))
        .collect();
    assert_eq!(said, [("reseller rita", "rita"), ("operator root", "rita")], "what was refused is no change");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_of_users_and_staff_obey_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = service(folder.path(), |_| {}).await;
    let store = service.store().clone();
    blocking(move || {
        let (ada, root) = (http.log_in("api", "204", "ada-secret"), http.log_in_as_staff("root", "root-secret"));
        for (who, name) in [(&ada, "ada"), (&root, "root")] {
            let new = |scopes: &[&str]| {
                let body = json!({ "name": name, "scopes": scopes, "days": 2 }).to_string();
                who.send("POST", "/api/v1/tokens", &body)
            };
            let made = new(&["events.read", "calls.read"]);
            assert_eq!(made.status, 201, "{name}: {}", says(&made));
            let (id, secret) = (made.json()["token"]["id"].clone(), made.json()["secret"].as_str().unwrap().to_owned());
            let program = http.as_program(&secret, Some("api"));
            assert_eq!(program.get("/api/v1/calls").status, 200, "{name}");
            let stream = program.stream("/api/v1/events", None);
            assert_eq!(who.delete(&format!("/api/v1/tokens/{id}")).status, 204, "{name}");
            assert!(stream.ends(), "{name}: its stream ends");
            assert_eq!(program.get("/api/v1/calls").status, 401, "{name}");
            assert_eq!(who.delete(&format!("/api/v1/tokens/{id}")).status, 404, "{name}: it is over");
            for (body, key) in [
                (json!({ "name": "x", "scopes": ["everything"] }), "scopes"),
                (json!({ "name": "x", "scopes": [], "days": 367 }), "days"),
                (json!({ "name": "", "scopes": [] }), "name"),
            ] {
                let refused = who.send("POST", "/api/v1/tokens", &body.to_string());
                assert_eq!(refused.status, 400, "{name}: {body}");
                assert!(refused.json()["detail"].as_str().unwrap().contains(key), "{name}: {body}");
            }
            // All at once.
            let made: usize = std::thread::scope(|scope| {
                let tries: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| (0..7).filter(|_| new(&[]).status == 201).count())).collect();
                tries.into_iter().map(|tried| tried.join().unwrap()).sum()
            });
            assert_eq!(made, 50, "{name}");
            let full = new(&[]);
            assert_eq!(full.status, 409, "{name}");
            assert!(full.json()["detail"].as_str().unwrap().contains("there are 50 tokens"), "{name}");
            assert_eq!(who.get("/api/v1/tokens").json()["tokens"].as_array().unwrap().len(), 50, "{name}");
        }
        assert_eq!(ada.get("/api/v1/tokens").json()["tokens"][0]["name"], "ada");
    })
    .await;
    let api = store.load_directory().await.unwrap().company_by_key("api").unwrap().id;
    for (company, who) in [(api, "204 Ada"), (CompanyId(0), "operator root")] {
        let lines = store.access_log(company, 0, 1_000).await.unwrap();
        let of = |action: &str| lines.iter().filter(|line| line.action == action && line.who == who).count();
        assert_eq!((of("token.add"), of("token.remove")), (51, 1), "{who}");
    }
    service.stop().await;
}
