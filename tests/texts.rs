//! Text messages: the document on shared inboxes as a story, by real SIP MESSAGEs and the API; and
//! carriers over HTTP.

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
#[path = "events/receiver.rs"]
mod receiver;

use http::Session;
use http::service::{apply, config, start};
use receiver::Receiver;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use telegraphone::directory::file::Secret;
use telegraphone::directory::plan::{WebPassword, plan};
use telegraphone::notify::{Network, signature};
use telegraphone::service::Service;
use telegraphone::service::clock::{Clock, OsRandom};
use telegraphone::sip::digest;
use telegraphone::sip::message::{Message, Method, Request, Response};
use telegraphone::sip::parse::parse_datagram;
use telegraphone::store::By;

const SOON: Duration = Duration::from_secs(10);
const CUSTOMER: &str = "+12025550147";
const SALES: &str = "+12025550100";

/// A phone or a carrier: answers texts with its status (0: says nothing), and keeps those that it took.
struct Line {
    socket: Arc<UdpSocket>,
    server: SocketAddr,
    user: String,
    status: Arc<AtomicU16>,
    got: mpsc::Receiver<Request>,
    answers: mpsc::Receiver<Response>,
    asked: u32,
    /// Requests, those that say the same again among them.
    sent: u32,
}

impl Line {
    fn new(server: SocketAddr, user: &str, ip: &str) -> Line {
        let socket = Arc::new(UdpSocket::bind((ip, 0)).unwrap());
        let status = Arc::new(AtomicU16::new(200));
        let (took, got) = mpsc::channel();
        let (answered, answers) = mpsc::channel();
        let (reading, answer_with) = (Arc::clone(&socket), Arc::clone(&status));
        std::thread::spawn(move || {
            let (mut buffer, mut seen) = ([0; 65_536], BTreeSet::new());
            while let Ok((length, from)) = reading.recv_from(&mut buffer) {
                match parse_datagram(&buffer[..length]) {
                    Ok(Message::Request(request)) => {
                        let status = answer_with.load(Ordering::Relaxed);
                        if request.method != Method::Message || status == 0 {
                            continue;
                        }
                        let response = request.response(status).with_to_tag("line");
                        reading.send_to(&response.to_bytes(), from).unwrap();
                        // As a phone does: one that it has already is not shown again.
                        let id = request.call_id().unwrap().to_owned();
                        if status == 200 && seen.insert(id) && took.send(request).is_err() {
                            return;
                        }
                    }
                    Ok(Message::Response(response)) if response.status >= 200 => {
                        let Ok(()) = answered.send(response) else { return };
                    }
                    _ => {}
                }
            }
        });
        Line { socket, server, user: user.to_owned(), status, got, answers, asked: 0, sent: 0 }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Asks, and asks again with the password where that is wanted.
    fn ask(&mut self, method: &str, uri: &str, to: &str, call_id: &str, rest: &str, body: &str) -> Response {
        let local = self.socket.local_addr().unwrap();
        let host = if self.user.starts_with('+') { local.to_string() } else { "127.0.0.1".to_owned() };
        let mut authorization = String::new();
        loop {
            self.asked += 1;
            self.sent += 1;
            let (seq, sent, user) = (self.asked, self.sent, &self.user);
            let request = format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{user}{call_id}{sent};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@{host}>;tag=l\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\n\
                 CSeq: {seq} {method}\r\n{authorization}{rest}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            self.socket.send_to(request.as_bytes(), self.server).unwrap();
            let response = loop {
                let response = self.answers.recv_timeout(SOON).expect("an answer in time");
                if response.call_id().unwrap() == call_id && response.cseq().unwrap().seq == seq {
                    break response;
                }
            };
            if response.status != 401 || !authorization.is_empty() {
                return response;
            }
            let challenges = digest::challenges(&response.headers);
            let password = format!("{user}-secret");
            let value = digest::respond(&challenges, user, &password, method, uri, "cnonce", 1).unwrap();
            authorization = format!("Authorization: {value}\r\n");
        }
    }

    fn register(&mut self) {
        let contact = format!("<sip:{}@{}>", self.user, self.socket.local_addr().unwrap());
        let instance = format!("+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000000000{}>\"", self.user);
        let rest = format!("Contact: {contact};{instance}\r\nExpires: 600\r\n");
        let to = format!("sip:{}@127.0.0.1", self.user);
        let call_id = format!("register-{}", self.user);
        assert_eq!(self.ask("REGISTER", "sip:127.0.0.1", &to, &call_id, &rest, "").status, 200);
    }

    /// Writes a text; the status of the answer.
    fn write(&mut self, to: &str, text: &str) -> u16 {
        let call_id = format!("text-{}", self.asked);
        self.write_as(to, text, &call_id, "")
    }

    fn write_as(&mut self, to: &str, text: &str, call_id: &str, rest: &str) -> u16 {
        let uri = match self.user.starts_with('+') {
            true => format!("sip:{to}@{}", self.server),
            false => format!("sip:{to}@127.0.0.1"),
        };
        let rest = format!("{rest}Content-Type: text/plain;charset=UTF-8\r\n");
        self.ask("MESSAGE", &uri.clone(), &uri, call_id, &rest, text).status
    }

    /// The next text that it took.
    fn takes(&self) -> (String, String) {
        let request = self.got.recv_timeout(SOON).expect("a text in time");
        let from = request.from().unwrap().uri.user_unescaped().unwrap_or_default().to_string();
        (from, String::from_utf8(request.body.to_vec()).unwrap())
    }

    /// Nothing has come. It is asked after something that comes later was seen.
    fn has_nothing(&self) {
        assert!(self.got.try_recv().is_err(), "{} has a text that it must not have", self.user);
    }
}

fn file(port: u16) -> String {
    let user = |extension: &str, name: &str, role: &str, more: &str| {
        format!(
            "[[user]]\ncompany = \"abc\"\nextension = \"{extension}\"\nname = \"{name}\"\n\
             password = \"{extension}-secret\"\nrole = \"{role}\"\n{more}\n"
        )
    };
    let users = [
        user("100", "Ada", "admin", ""),
        user("201", "Jane", "agent", "number = \"+12025550101\""),
        user("202", "Bob", "agent", ""),
        user("203", "Zoe", "agent", ""),
    ];
    format!(
        r#"
[[company]]
key = "abc"
name = "ABC Co."
domains = ["127.0.0.1"]
realm = "abc"
[company.settings]
country_code = "1"
{}
[[number]]
company = "abc"
number = "{SALES}"
[[number]]
company = "abc"
number = "+12025550101"
route = "user:201"
[[number]]
company = "abc"
number = "+12025550102"
[[inbox]]
company = "abc"
name = "sales"
label = "Sales"
members = []
primary = "{SALES}"
numbers = ["{SALES}"]
[[trunk]]
company = "abc"
name = "carrier"
addresses = ["127.0.0.2"]
host = "127.0.0.2"
port = {port}
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "100"
password = "100-secret"
role = "admin"
"#,
        users.concat()
    )
}

async fn staff(service: &Service) {
    let first = WebPassword::draw(Some(Secret::try_from("first-secret".to_owned()).unwrap()), &mut OsRandom);
    let (hash, now) = (first.argon2().unwrap(), Clock::start().wall());
    assert!(service.store().add_first_operator("operator", &hash, now).await.unwrap());
}

fn said(answer: &http::Response, expected: u16) -> Value {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, expected, "{text}");
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

fn get(who: &Session, path: &str) -> Value {
    said(&who.get(&format!("/api/v1{path}")), 200)
}

fn post(who: &Session, path: &str, body: &Value) -> Value {
    said(&who.send("POST", &format!("/api/v1{path}"), &body.to_string()), 201)
}

fn path_of(number: &str) -> String {
    format!("/api/v1/numbers/{}/shared-inbox", number.replace('+', "%2B"))
}

/// All that somebody reads, the oldest first: of all their conversations.
fn reads(who: &Session) -> Vec<String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for conversation in get(who, "/conversations")["conversations"].as_array().unwrap() {
        let messages = get(who, &format!("/conversations/{}/messages", conversation["id"]));
        for message in messages["messages"].as_array().unwrap() {
            all.push((message["id"].as_str().unwrap().to_owned(), message["text"].as_str().unwrap().to_owned()));
        }
    }
    all.sort();
    all.into_iter().map(|(_, text)| text).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn state_of(who: &Session, message: &Value) -> String {
    let page = get(who, &format!("/conversations/{}/messages", message["conversation"]));
    let all = page["messages"].as_array().unwrap();
    let one = all.iter().find(|one| one["id"] == message["id"]).unwrap();
    one["state"].as_str().unwrap().to_owned()
}

/// Shared inboxes: one number, one conversation with each customer, everybody in it sees what
/// colleagues write.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shared_inbox_is_one_conversation_with_each_customer_for_whoever_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = start(config(folder.path()), &[]).await;
    let mut customer = Line::new(sip, CUSTOMER, "127.0.0.2");
    apply(&service, &file(customer.port())).await;
    staff(&service).await;
    let story = tokio::task::spawn_blocking(move || {
        let as_user = |extension: &str| http.log_in("abc", extension, &format!("{extension}-secret"));
        let (ada, jane, bob, zoe) = (as_user("100"), as_user("201"), as_user("202"), as_user("203"));
        let mut janes = Line::new(sip, "201", "127.0.0.3");
        let mut bobs = Line::new(sip, "202", "127.0.0.4");
        janes.register();
        bobs.register();

        // Nothing is there yet: a text to the number is refused.
        assert_eq!(customer.write(SALES, "too early"), 404);
        // Only an admin switches it on; a number of a user cannot be shared.
        let keys = json!({ "label": "Sales", "users": ["201", "202"] });
        assert_eq!(jane.send("PUT", &path_of(SALES), &keys.to_string()).status, 403);
        let refused = ada.send("PUT", &path_of("+12025550101"), &keys.to_string());
        assert!(String::from_utf8_lossy(&refused.body).contains("+12025550101"), "{}", refused.status);
        assert_eq!(refused.status, 422);
        let shared = said(&ada.send("PUT", &path_of(SALES), &keys.to_string()), 200);
        assert_eq!(shared["assigned_to"], "Shared Inbox [Sales]");
        let number = get(&ada, &format!("/numbers/{}", SALES.replace('+', "%2B")));
        assert_eq!(number["assigned_to"], "Shared Inbox [Sales]", "{number}");

        // A customer writes: both have it on their phones, in the list, and on the stream.
        let mut stream = jane.stream("/api/v1/events?kinds=message.*", None);
        let mut zoes = zoe.stream("/api/v1/events?kinds=message.*", None);
        assert_eq!(customer.write(SALES, "Is the ü-bolt in stock? 🙂"), 200);
        let text = (CUSTOMER.to_owned(), "Is the ü-bolt in stock? 🙂".to_owned());
        assert_eq!((janes.takes(), bobs.takes()), (text.clone(), text));
        assert_eq!(stream.next().name, "message.received");
        let listed = get(&jane, "/conversations?unread=true");
        let conversation = &listed["conversations"][0];
        assert_eq!((&conversation["contact"], &conversation["unread"]), (&json!(CUSTOMER), &json!(1)));
        // Since when she reads it, where that is not all of it.
        let since = |who: &Session| get(who, "/conversations")["conversations"][0]["since"].as_str().map(str::to_owned);
        let came = conversation["last"]["at"].as_str().unwrap().to_owned();
        let (janes_since, bobs_since) = (since(&jane).unwrap(), since(&bob).unwrap());
        assert!(janes_since == bobs_since && janes_since <= came, "{janes_since} is before {came}");
        assert_eq!(reads(&zoe), [""; 0], "whoever is not in it sees nothing");
        assert_eq!(reads(&ada), [""; 0], "an admin is in it only where they are chosen");
        let id = conversation["id"].as_i64().unwrap();
        let path = format!("/conversations/{id}");
        assert_eq!(zoe.get(&format!("/api/v1{path}")).status, 404);

        // Jane answers from her phone, and it leaves from the inbox's number; Bob sees that she did.
        assert_eq!(janes.write(CUSTOMER, "Yes, 20 of them"), 202);
        assert_eq!(customer.takes(), (SALES.to_owned(), "Yes, 20 of them".to_owned()));
        until("Bob sees who answered", || get(&bob, &path)["answered_by"]["extension"] == "201");
        let last = get(&bob, &path)["last"].clone();
        until("it is delivered", || state_of(&bob, &last) == "delivered");
        // Bob writes a note, which goes nowhere, and an answer over the API, once.
        post(&bob, &format!("{path}/notes"), &json!({ "text": "She wants the long one" }));
        let (body, key) = (json!({ "text": "Shall we keep one?" }).to_string(), [("Idempotency-Key", "k1")]);
        for _ in 0..2 {
            let answer = bob.send_with("POST", &format!("/api/v1{path}/messages"), &key, body.as_bytes());
            said(&answer, 201);
        }
        assert_eq!(customer.takes(), (SALES.to_owned(), "Shall we keep one?".to_owned()));
        assert_eq!(customer.write_as(SALES, "please", "again-1", ""), 200);
        assert_eq!((janes.takes().1, bobs.takes().1), ("please".to_owned(), "please".to_owned()));
        customer.has_nothing();
        let all =
            ["Is the ü-bolt in stock? 🙂", "Yes, 20 of them", "She wants the long one", "Shall we keep one?", "please"];
        assert_eq!(reads(&jane), all);
        assert_eq!(reads(&bob), all);

        // It is searched over the whole conversation; what is read is read for oneself.
        for (who, query, found) in [(&jane, "text=u-bolt", 0), (&jane, "text=bolt%20in", 1), (&bob, "text=long", 1)] {
            assert_eq!(get(who, &format!("/conversations?{query}"))["conversations"].as_array().unwrap().len(), found);
        }
        said(&jane.send("POST", &format!("/api/v1{path}/read"), "{}"), 204);
        assert_eq!(get(&jane, &path)["unread"], 0);
        assert_eq!(get(&bob, &path)["unread"], 1, "Bob wrote last before `please`");

        // Without history Zoe sees what comes after she was added; with it, everything.
        let users = |users: &Value, history: bool| {
            let keys = json!({ "users": users, "history": history }).to_string();
            said(&ada.send("PATCH", &path_of(SALES), &keys), 200);
        };
        users(&json!(["201", "202", "203"]), false);
        assert_eq!(reads(&zoe), [""; 0]);
        assert_eq!(customer.write(SALES, "still there?"), 200);
        assert_eq!(zoes.next().name, "message.received", "the stream that was open all the time");
        assert_eq!(reads(&zoe), ["still there?"]);
        assert_eq!(get(&zoe, "/conversations?text=bolt")["conversations"], json!([]), "nor does she find it");
        let zoes_since = since(&zoe).unwrap();
        let last = get(&zoe, &path)["last"]["at"].as_str().unwrap().to_owned();
        assert!(came < zoes_since && zoes_since <= last, "{came}, {zoes_since}, {last}");
        assert_eq!(get(&zoe, &path)["since"], json!(zoes_since), "by itself as in the list");
        users(&json!(["201", "202", "203"]), true);
        assert_eq!(reads(&zoe).len(), 6);
        assert_eq!((since(&zoe), since(&jane)), (None, None), "all of it");
        users(&json!(["201", "202", "203"]), false);
        assert_eq!(reads(&zoe), ["still there?"]);
        assert_eq!((since(&zoe), since(&jane)), (Some(zoes_since.clone()), Some(janes_since.clone())));

        // Jane is removed: all of it is gone at once; added again, she sees what comes from then on.
        janes.takes();
        bobs.takes();
        users(&json!(["202", "203"]), false);
        assert_eq!(reads(&jane), [""; 0]);
        assert_eq!(jane.get(&format!("/api/v1{path}")).status, 404);
        assert_eq!(customer.write(SALES, "while she was away"), 200);
        assert_eq!(bobs.takes().1, "while she was away");
        users(&json!(["201", "202", "203"]), false);
        assert_eq!(customer.write(SALES, "welcome back"), 200);
        assert_eq!((janes.takes().1, bobs.takes().1), ("welcome back".to_owned(), "welcome back".to_owned()));
        assert_eq!(reads(&jane), ["welcome back"]);
        assert!(since(&jane).unwrap() > zoes_since, "of this time, not of the first");
        let told: Vec<String> = std::iter::repeat_with(|| stream.next())
            .take_while(|event| event.data["text"] != get(&jane, &path)["last"]["id"])
            .map(|event| event.data["text"].as_str().unwrap().to_owned())
            .collect();
        let away = get(&bob, &format!("{path}/messages"))["messages"][1]["id"].clone();
        assert!(!told.iter().any(|id| away == **id), "what she missed was not on her stream");

        // A phone that was off gets what it missed when it registers; once.
        bobs.says(0);
        assert_eq!(customer.write(SALES, "one"), 200);
        assert_eq!(janes.takes().1, "one");
        assert_eq!(customer.write(SALES, "two"), 200);
        assert_eq!(janes.takes().1, "two");
        assert_eq!(customer.write_as(SALES, "once", "twice", ""), 200);
        assert_eq!(janes.takes().1, "once");
        (http, ada, jane, bob, customer, janes, bobs)
    });
    let (http, ada, jane, bob, customer, janes, mut bobs) = story.await.unwrap();
    // The attempt at Bob's phone is over only after a while: a service that is started anew does not
    // wait for it, and goes on where it stood.
    service.stop().await;
    drop((http, ada, jane, bob));
    let (service, sip, http) = start(config(folder.path()), &[]).await;
    let story = tokio::task::spawn_blocking(move || {
        let (mut customer, mut janes) = (customer, janes);
        let as_user = |extension: &str| http.log_in("abc", extension, &format!("{extension}-secret"));
        let (ada, jane, bob) = (as_user("100"), as_user("201"), as_user("202"));
        for line in [&mut customer, &mut janes, &mut bobs] {
            line.server = sip;
        }
        bobs.says(200);
        bobs.register();
        janes.register();
        assert_eq!([(); 3].map(|()| bobs.takes().1), ["one", "two", "once"]);
        // The same text again, as from a carrier that heard no answer, is there once.
        customer.asked -= 1;
        assert_eq!(customer.write_as(SALES, "once", "twice", ""), 200);
        assert_eq!(reads(&bob).iter().filter(|text| *text == "once").count(), 1);
        bobs.register();
        assert_eq!(customer.write(SALES, "three"), 200);
        assert_eq!((bobs.takes().1, janes.takes().1), ("three".to_owned(), "three".to_owned()));

        // Switched off: the number takes no texts, conversations are unseen, and kept.
        let before = reads(&bob);
        said(&ada.send("DELETE", &path_of(SALES), ""), 204);
        assert_eq!(reads(&bob), [""; 0]);
        assert_eq!(customer.write(SALES, "anybody?"), 404);
        let number = get(&ada, &format!("/numbers/{}", SALES.replace('+', "%2B")));
        assert_eq!(number["assigned_to"], Value::Null, "{number}");
        let licence = get(&ada, "/licences")["licences"][0].clone();
        assert_eq!(licence["in_use"], false);
        let of_licence = format!("/api/v1/licences/{}", licence["id"]);
        assert_eq!(ada.delete(&of_licence).status, 403, "an operator releases it");
        said(&ada.send("PUT", &path_of(SALES), "{}"), 200);
        assert_eq!(reads(&bob), before);
        assert_eq!(get(&ada, "/licences")["licences"].as_array().unwrap().len(), 1, "the same licence");
        let operator = http.log_in_as_staff("operator", "first-secret").of("abc");
        assert_eq!(operator.delete(&of_licence).status, 409, "it is in use");
        said(&ada.send("DELETE", &path_of(SALES), ""), 204);
        assert_eq!(operator.delete(&of_licence).status, 204);
        assert_eq!(get(&ada, "/licences")["licences"], json!([]));

        // A number of a user is their own.
        assert_eq!(customer.write("+12025550101", "Jane?"), 200);
        assert_eq!(janes.takes(), (CUSTOMER.to_owned(), "Jane?".to_owned()));
        assert_eq!(janes.write(CUSTOMER, "Yes?"), 202);
        assert_eq!(customer.takes(), ("+12025550101".to_owned(), "Yes?".to_owned()));
        let mine = get(&jane, "/conversations");
        assert_eq!(mine["conversations"][0]["kind"], "own");
        assert_eq!(reads(&bob), [""; 0]);
        let contact = get(&jane, "/contacts/%2B12025550147");
        let kinds: Vec<&str> =
            contact["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["text", "text"]);

        // Colleagues write to each other.
        assert_eq!(janes.write("202", "lunch?"), 200);
        assert_eq!(bobs.takes(), ("201".to_owned(), "lunch?".to_owned()));
        let between = get(&bob, "/conversations?user=201")["conversations"][0].clone();
        assert_eq!((&between["kind"], &between["unread"]), (&json!("colleague"), &json!(1)));
        post(&bob, &format!("/conversations/{}/messages", between["id"]), &json!({ "text": "at one" }));
        assert_eq!(janes.takes(), ("202".to_owned(), "at one".to_owned()));

        // The customer wants to be forgotten.
        let erased = ada.send(
            "POST",
            "/api/v1/contacts/%2B12025550147/erase",
            &json!({ "confirm": CUSTOMER, "dry_run": false }).to_string(),
        );
        let report = said(&erased, 200);
        assert!(report["texts"].as_u64().unwrap() > 10, "{report}");
        assert_eq!(reads(&jane), ["lunch?", "at one"]);
        said(&ada.send("PUT", &path_of(SALES), &json!({ "users": ["202"], "history": true }).to_string()), 200);
        assert_eq!(reads(&bob), ["lunch?", "at one"]);
        assert_eq!(get(&bob, "/conversations?text=bolt")["conversations"], json!([]));
        let stranger = http.log_in("other", "100", "100-secret");
        assert_eq!(reads(&stranger), [""; 0]);
    });
    story.await.unwrap();
    assert!(service.store().verify_access_log().await.unwrap().is_ok());
    service.stop().await;
}

/// A carrier without SIP MESSAGE: texts come and go over HTTP, long ones in parts, with receipts; what
/// is not taken is tried again, also by the next process.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_carrier_brings_and_takes_texts_over_http() {
    const SECRET: &str = "a-secret-of-the-carrier";
    let folder = tempfile::tempdir().unwrap();
    let settings = || {
        let mut config = config(folder.path());
        config.webhooks.guard.allow.push("127.0.0.0/8".parse::<Network>().unwrap());
        config
    };
    let carrier = Receiver::new(1_000);
    let more = format!(
        "[[trunk]]\ncompany = \"abc\"\nname = \"carrier\"\ntexts = \"http\"\ntexts_url = \"{}\"\ntexts_split = true\n\
         texts_secret = \"{SECRET}\"\n",
        carrier.url()
    );
    let (service, _, http) = start(settings(), &[&file(5_060), &more]).await;
    share(&service).await;
    let story = tokio::task::spawn_blocking(move || {
        let bob = http.log_in("abc", "202", "202-secret");
        let now = || (Clock::start().wall().unix_micros() / 1_000_000).to_string();
        let bring = |body: &Value, what: &str| {
            let (body, stamp) = (body.to_string(), now());
            let signed = signature(SECRET, &stamp, &body);
            let headers = [("Telegraphone-Timestamp", stamp.as_str()), ("Telegraphone-Signature", signed.as_str())];
            http.ask("POST", &format!("/api/v1/carriers/abc/carrier/{what}"), &headers, &body)
        };
        let text = |id: &str, text: &str| json!({ "id": id, "from": CUSTOMER, "to": SALES, "text": text });
        for _ in 0..2 {
            said(&bring(&text("a1", "hello"), "texts"), 204);
        }
        let part = |id: &str, part: u32, words: &str| {
            let mut one = text(id, words);
            one["concatenation"] = json!({ "reference": "9", "part": part, "parts": 2 });
            one
        };
        for (id, place, words) in [("p2", 2, "world"), ("p2", 2, "world"), ("p1", 1, "whole "), ("p1", 1, "whole ")] {
            said(&bring(&part(id, place, words), "texts"), 204);
        }
        assert_eq!(reads(&bob), ["hello", "whole world"]);
        // Nobody else brings any.
        let path = "/api/v1/carriers/abc/carrier/texts";
        let body = text("x", "forged").to_string();
        let old = signature(SECRET, "1700000000", &body);
        for headers in [
            vec![],
            vec![("Authorization", "Bearer another-secret-of-some-length")],
            vec![("Telegraphone-Timestamp", "1700000000"), ("Telegraphone-Signature", old.as_str())],
        ] {
            assert_eq!(http.ask("POST", path, &headers, &body).status, 401, "{headers:?}");
        }
        let bearer = format!("Bearer {SECRET}");
        for path in ["/api/v1/carriers/abc/nobody/texts", "/api/v1/carriers/nobody/carrier/texts"] {
            assert_eq!(http.ask("POST", path, &[("Authorization", &bearer)], &body).status, 401);
        }
        let ok = text("a2", "with a token").to_string();
        assert_eq!(http.ask("POST", path, &[("Authorization", &bearer)], &ok).status, 204);
        let mut elsewhere = text("a3", "to nobody");
        elsewhere["to"] = json!("+12025550102");
        assert_eq!(bring(&elsewhere, "texts").status, 422, "the number takes no texts");

        // Bob answers with more than an SMS holds; the carrier takes nothing yet.
        let id = get(&bob, "/conversations")["conversations"][0]["id"].as_i64().unwrap();
        let long = "0123456789".repeat(20);
        let message = post(&bob, &format!("/conversations/{id}/messages"), &json!({ "text": long }));
        assert_eq!(message["state"], "queued");
        carrier.until(|seen| seen.len() >= 2);
        (carrier, message, long)
    });
    let (carrier, message, long) = story.await.unwrap();
    service.stop().await;
    carrier.refuse(0);
    let (service, _, http) = start(settings(), &[]).await;
    let story = tokio::task::spawn_blocking(move || {
        let bob = http.log_in("abc", "202", "202-secret");
        let seen = carrier.until(|seen| seen.iter().filter(|one| one.status == 200).count() == 2);
        let taken: Vec<Value> = seen.iter().filter(|one| one.status == 200).map(|one| one.json()).collect();
        let words: String = taken.iter().map(|one| one["text"].as_str().unwrap()).collect();
        assert_eq!(words, long);
        for (one, place) in taken.iter().zip([1, 2]) {
            assert_eq!((&one["from"], &one["to"], &one["id"]), (&json!(SALES), &json!(CUSTOMER), &message["id"]));
            assert_eq!((&one["concatenation"]["part"], &one["concatenation"]["parts"]), (&json!(place), &json!(2)));
        }
        for one in &seen {
            let signed = signature(SECRET, &one.headers["telegraphone-timestamp"], &one.body);
            assert_eq!(one.headers["telegraphone-signature"], signed);
        }
        until("it is sent", || state_of(&bob, &message) == "sent");
        let bearer = format!("Bearer {SECRET}");
        let receipt = |body: Value| {
            let path = "/api/v1/carriers/abc/carrier/receipts";
            http.ask("POST", path, &[("Authorization", &bearer)], &body.to_string()).status
        };
        assert_eq!(receipt(json!({ "id": message["id"], "part": 1, "state": "delivered" })), 204);
        assert_eq!(state_of(&bob, &message), "sent", "a part of it is not all");
        assert_eq!(receipt(json!({ "id": message["id"], "part": 2, "state": "delivered" })), 204);
        assert_eq!(state_of(&bob, &message), "delivered");
        let other = "01939393-9393-7393-8393-939393939393";
        assert_eq!(receipt(json!({ "id": other, "state": "failed" })), 404);
    });
    story.await.unwrap();
    service.stop().await;
}

/// Sales is shared, and Bob is in it.
async fn share(service: &Service) {
    let text =
        format!("[[inbox]]\ncompany = \"abc\"\nname = \"sales\"\nmembers = [\"202\"]\nmessaging = [\"{SALES}\"]\n");
    let file = telegraphone::directory::file::CompanyFile::parse(&text).unwrap();
    let plan = plan(&service.store().load_directory().await.unwrap(), &file, false).unwrap();
    let by = By {
        at: Clock::start().wall(),
        user: None,
        who: "the operator".to_owned(),
        source: String::new(),
        keeps: None,
    };
    service.store().apply_by(&plan, &by, &mut OsRandom).await.unwrap();
    service.reload().await;
}
