//! Mails and pushes about new messages, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it waits for conditions"
)]
#![allow(dead_code, reason = "the client serves other tests too")]

#[path = "http/mod.rs"]
mod http;
#[path = "mail/push.rs"]
mod push;
#[path = "mail/server.rs"]
mod server;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::service::{config, start};
use http::{Http, Session};
use push::{Browser, PushService};
use serde_json::{Value, json};
use server::{Mail, Server};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use telegraphone::base::{MessageId, Random, Seeded, Wall};
use telegraphone::ledger::{MessageRecord, Party};
use telegraphone::notify::mail::{Encryption, Letter, Sender, Smtp, SmtpConfig, SmtpError};
use telegraphone::notify::{MailSettings, signature};
use telegraphone::service::Service;
use telegraphone::service::clock::Clock;
use telegraphone::service::config::Config;
use telegraphone::subscription::Receivers;

const COMPANY: &str = r#"
[[company]]
key = "acme"
name = "Acme"
domains = ["acme.example"]
[company.settings]
time_zone = "Europe/Berlin"
[[user]]
extension = "201"
name = "Jane"
password = "jane-secret"
[[user]]
extension = "202"
name = "Mallory"
password = "mallory-secret"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
"#;

fn mailbox(keys: &str) -> String {
    format!("[[voicemail]]\nnumber = \"201\"\nname = \"Jane\"\nowner = \"user:201\"\npassword = \"4711\"\n{keys}\n")
}

fn smtp(address: SocketAddr, encryption: Encryption, folder: &Path) -> SmtpConfig {
    SmtpConfig {
        host: address.ip().to_string(),
        port: address.port(),
        encryption,
        user: String::new(),
        password_file: None,
        hello: "voice.example.org".to_owned(),
        authorities: Some(folder.join("smtp.pem")),
    }
}

fn configured(folder: &Path, server: SocketAddr) -> Config {
    let mut config = config(folder);
    config.webhooks.guard.allow = vec!["127.0.0.0/8".parse().unwrap()];
    let from = Sender { name: "Voicemail".to_owned(), address: "voice@example.org".to_owned() };
    let link = "https://voice.example.org/m/{id}".to_owned();
    config.mail.smtp =
        Some((smtp(server, Encryption::None, folder), MailSettings { from, link, most_attached: 1 << 20 }));
    config
}

async fn served(folder: &Path, server: SocketAddr, keys: &str) -> (Service, Http) {
    let text = format!("{COMPANY}{}", mailbox(keys));
    let (service, _, http) = start(configured(folder, server), &[&text]).await;
    (service, http)
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Leaves a message of 35 seconds in Jane's box, at half past two in the afternoon in Berlin.
async fn leave(service: &Service, seed: u64, folder: &Path) -> MessageRecord {
    let directory = service.store().load_directory().await.unwrap();
    let company = directory.company_by_key("acme").unwrap().id;
    let mailbox = directory.mailbox_by_number(company, "default", "201").unwrap();
    let left = Wall::from_unix_micros(1_780_489_800_000_000 + i64::try_from(seed).unwrap());
    let message = MessageRecord {
        id: MessageId::new(left, Seeded(seed).ten_bytes()),
        company,
        mailbox: mailbox.id,
        call: None,
        caller: Party { user: None, address: "+4930123456".to_owned(), name: "Bob\r\nBcc: x@y.org".to_owned() },
        number: None,
        left,
        samples: 280_000,
        rate: 8_000,
        path: format!("acme/messages/{seed}.wav"),
        bytes: 6,
        digest: String::new(),
        urgent: false,
        forwarded: None,
    };
    let path = folder.join("recordings").join(&message.path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, b"RIFF\xff\0").unwrap();
    let now = Clock::start().wall();
    assert!(service.store().deliver(&message, Receivers::of(mailbox), now).await.unwrap());
    message
}

/// The text of a mail, whichever way it was encoded.
fn text(mail: &Mail) -> String {
    mail.data.replace("=\r\n", "").replace("=C3=A4", "ä").replace("=3A", ":")
}

fn subject(mail: &Mail) -> String {
    let unfolded = mail.data.replace("\r\n ", " ");
    let line = unfolded.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
    let words = line.split(' ').map(|word| {
        let coded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
        coded.map_or(format!("{word} "), |coded| String::from_utf8(STANDARD.decode(coded).unwrap()).unwrap())
    });
    words.collect::<String>().trim().to_owned()
}

/// Asks until the answer fits.
fn until(session: &Session, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let answer = session.get(path).json();
        if fits(&answer) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{path}: {}", session.get(path).json());
}

async fn gone(service: &Service, id: MessageId) {
    for _ in 0..600 {
        if service.store().message(id).await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the message is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_by_tls_by_starttls_and_with_a_login_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "secret\n").unwrap();
    let letter = |body: &str| Letter {
        to: "jane@example.org".to_owned(),
        from: Sender { name: String::new(), address: "voice@example.org".to_owned() },
        subject: "x".to_owned(),
        body: body.to_owned(),
        attachment: None,
        id: "1".to_owned(),
    };
    for encryption in [Encryption::None, Encryption::Starttls, Encryption::Tls] {
        let server = Server::start(listener(), encryption, folder.path(), Some(("voice", "secret")));
        let open = smtp(server.address, encryption, folder.path());
        let file = Some(folder.path().join("password"));
        let config = SmtpConfig { user: "voice".to_owned(), password_file: file, ..open.clone() };
        Smtp::new(&config).unwrap().send(&letter("a\n.\n..b\n")).await.unwrap();
        let mail = server.mails(1).remove(0);
        let login = Some(("voice".to_owned(), "secret".to_owned()));
        assert_eq!(
            (mail.from.as_str(), mail.to.as_slice()),
            ("voice@example.org", &["jane@example.org".to_owned()][..])
        );
        assert_eq!((mail.encrypted, mail.login), (encryption != Encryption::None, login));
        assert!(mail.data.contains("\r\na\r\n.\r\n..b\r\n"), "{}", mail.data);
        // Without the login it is the service that is wrong, not the mail.
        let refused = Smtp::new(&open).unwrap().send(&letter("x")).await;
        assert!(matches!(refused, Err(SmtpError::Later(_))), "{refused:?}");
        let wrong = SmtpConfig { user: "other".to_owned(), ..config.clone() };
        assert!(matches!(Smtp::new(&wrong).unwrap().send(&letter("x")).await, Err(SmtpError::Later(_))));
        server.answer(&[550]);
        let never = Smtp::new(&config).unwrap().send(&letter("x")).await;
        assert!(matches!(never, Err(SmtpError::Never(_))), "{never:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_who_it_should_be_gets_no_mail() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let letter = Letter {
        to: "jane@example.org".to_owned(),
        from: Sender { name: String::new(), address: "voice@example.org".to_owned() },
        subject: "x".to_owned(),
        body: "x".to_owned(),
        attachment: None,
        id: "1".to_owned(),
    };
    server::certificate(other.path());
    for encryption in [Encryption::Starttls, Encryption::Tls] {
        let server = Server::start(listener(), encryption, folder.path(), None);
        let config = smtp(server.address, encryption, other.path());
        let refused = Smtp::new(&config).unwrap().send(&letter).await;
        assert!(matches!(refused, Err(SmtpError::Later(_))), "{refused:?}");
    }
    // Nor one that offers no encryption where it was asked for.
    let server = Server::start(listener(), Encryption::None, folder.path(), None);
    let config = smtp(server.address, Encryption::Starttls, folder.path());
    assert!(matches!(Smtp::new(&config).unwrap().send(&letter).await, Err(SmtpError::Later(_))));
    assert!(server.mails(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_message_is_mailed_in_the_language_and_by_the_clocks_of_its_box() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(listener(), Encryption::None, folder.path(), None);
    let keys = "email = \"jane@example.org\"\npager = \"pager@example.org\"\nlanguage = \"de\"\nattach_audio = true";
    let (service, _) = served(folder.path(), server.address, keys).await;
    let message = leave(&service, 1, folder.path()).await;
    let mails = server.mails(2);
    let mail = mails.iter().find(|mail| mail.to == ["jane@example.org"]).unwrap();
    assert_eq!(subject(mail), "Neue Sprachnachricht von Bob  Bcc: x@y.org <+4930123456> im Postfach 201");
    let said = text(mail);
    for part in [
        "Guten Tag Jane,",
        "Mittwoch, 3. Juni 2026, 14:30 Uhr",
        "Länge: 0:35",
        "Nachrichten im Postfach: 1",
        &format!("https://voice.example.org/m/{}", message.id),
        "filename=\"msg0001.wav\"",
        "Von: Bob  Bcc: x@y.org <+4930123456>",
        "UklGRv8A",
        "From: Voicemail <voice@example.org>",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!mail.data.lines().any(|line| line.starts_with("Bcc:")), "{}", mail.data);
    let pager = mails.iter().find(|mail| mail.to == ["pager@example.org"]).unwrap();
    assert_eq!(subject(pager), "Sprachnachricht");
    assert!(!pager.data.contains("UklGRv8A"));
    assert!(service.store().message(message.id).await.unwrap().is_some(), "it stays");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_now_comes_later_and_what_is_refused_for_good_is_dead_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(listener(), Encryption::None, folder.path(), None);
    let (service, http) = served(folder.path(), server.address, "email = \"jane@example.org\"").await;
    let (ada, mallory) = (http.log_in("acme", "204", "ada-secret"), http.log_in("acme", "202", "mallory-secret"));
    server.answer(&[450]);
    leave(&service, 1, folder.path()).await;
    server.mails(1);
    let sent = until(&ada, "/api/v1/notices?state=sent", |list| list["notices"][0]["attempts"] == 2);
    assert_eq!(
        (&sent["notices"][0]["to"], &sent["notices"][0]["mailbox"]),
        (&json!("jane@example.org"), &json!("201"))
    );
    server.answer(&[550]);
    leave(&service, 2, folder.path()).await;
    let dead = until(&ada, "/api/v1/notices?state=dead", |list| list["notices"][0]["state"] == "dead");
    let notice = &dead["notices"][0];
    assert_eq!((&notice["attempts"], &notice["channel"]), (&json!(1), &json!("mail")));
    assert!(notice["last_error"].as_str().unwrap().contains("550"), "{notice}");
    assert_eq!(mallory.get("/api/v1/notices").status, 403);
    let replay = format!("/api/v1/notices/{}/replay", notice["id"]);
    assert_eq!(mallory.send("POST", &replay, "").status, 403);
    assert_eq!(ada.send("POST", "/api/v1/notices/999/replay", "").status, 404);
    assert_eq!(ada.send("POST", &replay, "").json(), json!({ "replayed": 1 }));
    server.mails(2);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_deleted_once_the_mail_with_its_audio_was_taken_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(listener(), Encryption::None, folder.path(), None);
    let keys = "email = \"jane@example.org\"\nattach_audio = true\ndelete_messages = true";
    let (service, _) = served(folder.path(), server.address, keys).await;
    server.answer(&[450]);
    let message = leave(&service, 1, folder.path()).await;
    server.refused(1);
    assert!(service.store().message(message.id).await.unwrap().is_some(), "nobody has it yet");
    assert!(server.mails(1)[0].data.contains("UklGRv8A"));
    gone(&service, message.id).await;
    let file = folder.path().join("recordings").join(&message.path);
    for _ in 0..600 {
        if !file.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!file.exists());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_mail_server_outlives_a_restart_and_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    // An address where nobody listens yet.
    let address = { listener().local_addr().unwrap() };
    let (service, http) = served(folder.path(), address, "email = \"jane@example.org\"").await;
    leave(&service, 1, folder.path()).await;
    let ada = http.log_in("acme", "204", "ada-secret");
    until(&ada, "/api/v1/notices?state=pending", |list| list["notices"][0]["attempts"].as_u64() > Some(0));
    service.stop().await;
    let server = Server::start(TcpListener::bind(address).unwrap(), Encryption::None, folder.path(), None);
    let (service, _, http) = start(configured(folder.path(), address), &[]).await;
    server.mails(1);
    let ada = http.log_in("acme", "204", "ada-secret");
    until(&ada, "/api/v1/notices?state=sent", |list| list["notices"].as_array().is_some_and(|list| list.len() == 1));
    leave(&service, 2, folder.path()).await;
    assert_eq!(server.mails(2).len(), 2, "each once");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_message_wakes_the_browsers_of_those_who_hear_it_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = served(folder.path(), "127.0.0.1:9".parse().unwrap(), "").await;
    let push = PushService::start();
    let (jane, mallory) = (http.log_in("acme", "201", "jane-secret"), http.log_in("acme", "202", "mallory-secret"));
    let (browser, other) = (Browser::new(), Browser::new());
    let endpoint = format!("http://{}/jane", push.address);
    let made = jane.send("POST", "/api/v1/me/push", &browser.subscription(&endpoint));
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    let elsewhere = other.subscription(&format!("http://{}/mallory", push.address));
    assert_eq!(mallory.send("POST", "/api/v1/me/push", &elsewhere).status, 201);
    let message = leave(&service, 1, folder.path()).await;
    let pushed = push.pushed(1);
    let one = &pushed[0];
    assert_eq!((one.path.as_str(), one.headers["content-encoding"].as_str()), ("/jane", "aes128gcm"));
    assert_eq!((one.headers["ttl"].as_str(), one.headers["urgency"].as_str()), ("86400", "normal"));
    assert_eq!(one.headers["topic"], message.id.to_string().replace('-', ""));
    let key = jane.get("/api/v1/me/push").json()["key"].as_str().unwrap().to_owned();
    let (token, shown) = one.headers["authorization"].strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(shown, key);
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["aud"], format!("http://{}", push.address));
    let told = browser.open(&one.body);
    assert_eq!((&told["message"], &told["mailbox"]["number"]), (&json!(message.id.to_string()), &json!("201")));
    assert_eq!((&told["caller"]["number"], &told["length_ms"]), (&json!("+4930123456"), &json!(35_000)));
    // A browser that has gone is forgotten.
    push.answer(410);
    leave(&service, 2, folder.path()).await;
    until(&jane, "/api/v1/me/push", |mine| mine["subscriptions"] == json!([]));
    assert_eq!(mallory.get("/api/v1/me/push").json()["subscriptions"].as_array().unwrap().len(), 1);
    assert!(push.pushed(2).iter().all(|one| one.path == "/jane"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_subscription_is_its_owners_and_leads_nowhere_inside() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = served(folder.path(), "127.0.0.1:9".parse().unwrap(), "").await;
    let (jane, mallory) = (http.log_in("acme", "201", "jane-secret"), http.log_in("acme", "202", "mallory-secret"));
    let subscription = Browser::new().subscription("https://push.example.net/x");
    let made = jane.send("POST", "/api/v1/me/push", &subscription).json();
    let again = jane.send("POST", "/api/v1/me/push", &subscription).json();
    assert_eq!(made["id"], again["id"], "the same browser again is the same one");
    let path = format!("/api/v1/me/push/{}", made["id"]);
    assert_eq!(mallory.delete(&path).status, 404);
    assert_eq!(mallory.get("/api/v1/me/push").json()["subscriptions"], json!([]));
    assert_eq!(jane.delete(&path).status, 204);
    assert_eq!(jane.delete(&path).status, 404);
    for endpoint in ["https://10.0.0.1/x", "http://push.example.net@10.0.0.1/", "ftp://push.example.net/", "x"] {
        assert_eq!(
            jane.send("POST", "/api/v1/me/push", &Browser::new().subscription(endpoint)).status,
            400,
            "{endpoint}"
        );
    }
    let keyless = json!({ "endpoint": "https://push.example.net/x", "keys": { "p256dh": "AAAA", "auth": "AAAA" } });
    assert_eq!(jane.send("POST", "/api/v1/me/push", &keyless.to_string()).status, 400);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_told_whose_apps_to_wake_and_can_check_who_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (service, http) = served(folder.path(), "127.0.0.1:9".parse().unwrap(), "").await;
    let gateway = PushService::start();
    let (ada, mallory) = (http.log_in("acme", "204", "ada-secret"), http.log_in("acme", "202", "mallory-secret"));
    let body = json!({ "url": format!("http://{}/wake", gateway.address) }).to_string();
    assert_eq!(mallory.send("PUT", "/api/v1/push-gateway", &body).status, 403);
    assert_eq!(ada.get("/api/v1/push-gateway").status, 404);
    let made = ada.send("PUT", "/api/v1/push-gateway", &body).json();
    let secret = made["secret"].as_str().unwrap();
    assert!(ada.get("/api/v1/push-gateway").json().get("secret").is_none());
    let message = leave(&service, 1, folder.path()).await;
    let told = gateway.pushed(1).remove(0);
    let text = String::from_utf8(told.body).unwrap();
    let stamp = &told.headers["telegraphone-timestamp"];
    assert_eq!(told.headers["telegraphone-signature"], signature(secret, stamp, &text));
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&said["user"]["extension"], &said["message"]), (&json!("201"), &json!(message.id.to_string())));
    let sent =
        until(&ada, "/api/v1/notices?state=sent", |list| list["notices"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(sent["notices"].as_array().unwrap().len(), 1, "nobody else hears it: {sent}");
    assert_eq!(ada.delete("/api/v1/push-gateway").status, 204);
    service.stop().await;
}
