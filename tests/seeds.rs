//! The product documents as stories: real calls by real phones, then the API as each of the people.
//!
//! Everything that an admin sets is set over HTTP. Voicemail messages and text conversations, of which
//! the documents on subscriptions, shared inboxes and inboxes speak as well, have no story here yet.

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

use http::{Http, Session, Stream, service};
use serde_json::{Value, json};
use std::time::Duration;
use telegraphone::base::Span;
use telegraphone::demo::phone::LivePhone;
use telegraphone::directory::file::Secret;
use telegraphone::directory::plan::WebPassword;
use telegraphone::service::clock::{Clock, OsRandom};
use telegraphone::sip::{Peer, Transport};
use telegraphone::ua::{PhoneConfig, PhoneEvent};
use tokio::runtime::Handle;

const SOON: Duration = Duration::from_secs(10);
const CUSTOMER: &str = "+12025550147";
/// A company with its first admin and nothing else; and another company.
const BEGINNING: &str = r#"
[[company]]
key = "abc"
name = "ABC Co."
domains = ["127.0.0.1"]
realm = "abc"
[[user]]
company = "abc"
extension = "100"
name = "Ada"
password = "100-secret"
role = "admin"
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "100"
name = "Eve"
password = "100-secret"
role = "admin"
"#;

/// The company, its admin, and a customer behind its trunk.
struct Story {
    rt: Handle,
    http: Http,
    server: std::net::SocketAddr,
    ada: Session,
    customer: LivePhone,
    events: Stream,
}

/// What became of a call.
struct Told {
    id: String,
    recording: Option<String>,
    call: Value,
}

impl Told {
    fn because(&self) -> (bool, &str) {
        (self.call["record"].as_bool().unwrap(), self.call["because"].as_str().unwrap())
    }
}

/// Plays a story against a service of its own.
async fn tell(story: impl FnOnce(&mut Story) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let (service, server, http) = service::start(service::config(folder.path()), &[BEGINNING]).await;
    let first = WebPassword::draw(Some(Secret::try_from("first-secret".to_owned()).unwrap()), &mut OsRandom);
    let (hash, now) = (first.argon2().unwrap(), Clock::start().wall());
    assert!(service.store().add_first_operator("operator", &hash, now).await.unwrap());
    let rt = Handle::current();
    let told = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("abc", "100", "100-secret");
        let events = ada.stream("/api/v1/events?kinds=call.ended,recording.finished", None);
        let customer = start(&rt, server, CUSTOMER, &server.to_string(), "127.0.0.2", "");
        let mut tale = Story { rt, http, server, ada, customer, events };
        let port = tale.customer.sip_address().port();
        tale.add("trunks", &json!({ "name": "carrier", "host": "127.0.0.2", "port": port }));
        tale.settings(&json!({ "country_code": "1" }));
        story(&mut tale);
    });
    told.await.unwrap();
    assert!(service.store().verify_access_log().await.unwrap().is_ok());
    service.stop().await;
}

fn start(rt: &Handle, server: std::net::SocketAddr, user: &str, domain: &str, ip: &str, password: &str) -> LivePhone {
    let ip: std::net::IpAddr = ip.parse().unwrap();
    // The phone fills in its own side.
    let peer = Peer { transport: Transport::Udp, local: server, remote: server, connection: None };
    let mut config = PhoneConfig::new(user, domain, peer, std::net::SocketAddr::new(ip, 0));
    config.password = password.to_owned();
    config.auto_answer = Some(Span::from_millis(20));
    rt.block_on(LivePhone::start(config, ip, 0, Box::new(OsRandom))).unwrap()
}

fn number_path(e164: &str) -> String {
    format!("/api/v1/numbers/{}", e164.replace('+', "%2B"))
}

impl Story {
    fn add(&self, kind: &str, keys: &Value) {
        let answer = self.ada.send("POST", &format!("/api/v1/{kind}"), &keys.to_string());
        assert_eq!(answer.status, 201, "{keys}: {}", String::from_utf8_lossy(&answer.body));
    }

    fn change(&self, path: &str, keys: &Value) {
        let answer = self.ada.send("PATCH", path, &keys.to_string());
        assert_eq!(answer.status, 200, "{path} {keys}: {}", String::from_utf8_lossy(&answer.body));
    }

    fn settings(&self, keys: &Value) {
        self.change("/api/v1/settings", keys);
    }

    fn user(&self, extension: &str, keys: &Value) {
        self.change(&format!("/api/v1/users/{extension}"), keys);
    }

    fn hire(&self, extension: &str, name: &str, role: &str) -> Session {
        let password = format!("{extension}-secret");
        self.add("users", &json!({ "extension": extension, "name": name, "role": role, "password": password }));
        self.http.log_in("abc", extension, &password)
    }

    /// A number with its route.
    fn number(&self, e164: &str, route: &str) {
        self.add("numbers", &json!({ "number": e164, "route": route }));
    }

    /// A registered phone of the user.
    fn phone(&self, extension: &str) -> LivePhone {
        let domain = format!("127.0.0.1:{}", self.server.port());
        let mut phone = start(&self.rt, self.server, extension, &domain, "127.0.0.1", &format!("{extension}-secret"));
        let registered = self.rt.block_on(phone.register(SOON)).unwrap();
        assert_eq!(registered, PhoneEvent::Registered);
        phone
    }

    fn connect(&self, caller: &mut LivePhone, callee: &mut LivePhone, target: &str) {
        self.rt.block_on(async {
            caller.call(target).await.unwrap();
            let settled = |event: &PhoneEvent| matches!(event, PhoneEvent::Answered | PhoneEvent::Ended(_));
            assert_eq!(caller.wait_for(settled, SOON).await.unwrap(), PhoneEvent::Answered, "{target}");
            callee.wait_for(|event| *event == PhoneEvent::Answered, SOON).await.unwrap();
            // Both talk until some of it has come across.
            for phone in [&*caller, &*callee] {
                let before = phone.counters().await.unwrap().received;
                let talk = async {
                    while phone.counters().await.unwrap().received < before + 10 {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(SOON, talk).await.expect("they hear each other");
            }
        });
    }

    fn dial(&self, phone: &mut LivePhone, keys: &str) {
        self.rt.block_on(async {
            phone.digits(keys).await.unwrap();
            phone.wait_for(|event| *event == PhoneEvent::DigitsSent, SOON).await.unwrap();
        });
    }

    /// The caller hangs up; what is known of the call then, as the admin sees it.
    fn end(&mut self, caller: &mut LivePhone, callee: &mut LivePhone) -> Told {
        self.rt.block_on(async {
            caller.hang_up().await.unwrap();
            for phone in [caller, callee] {
                phone.wait_for(|event| matches!(event, PhoneEvent::Ended(_)), SOON).await.unwrap();
            }
        });
        self.ended()
    }

    fn ended(&mut self) -> Told {
        let (mut id, mut recording) = (None, None);
        loop {
            let event = self.events.next();
            match event.name.as_str() {
                "call.ended" => id = event.data["call"].as_str().map(str::to_owned),
                _ => recording = event.data["recording"].as_str().map(str::to_owned),
            }
            let Some(id) = &id else { continue };
            let call = self.ada.get(&format!("/api/v1/calls/{id}")).json();
            let started = |change: &Value| change["record"] == true && change["refused"].is_null();
            let recorded = call["record"] == true || call["changes"].as_array().unwrap().iter().any(started);
            if recorded && call["answered"].is_string() && recording.is_none() {
                continue;
            }
            return Told { id: id.clone(), recording, call };
        }
    }

    fn talk(&mut self, caller: &mut LivePhone, callee: &mut LivePhone, target: &str) -> Told {
        self.connect(caller, callee, target);
        self.end(caller, callee)
    }

    /// The customer calls the number, and the phone takes it.
    fn inbound(&mut self, callee: &mut LivePhone, e164: &str) -> Told {
        let mut customer = self.take_customer();
        let told = self.talk(&mut customer, callee, e164);
        self.customer = customer;
        told
    }

    /// The phone calls the customer.
    fn outbound(&mut self, caller: &mut LivePhone, target: &str) -> Told {
        let mut customer = self.take_customer();
        let told = self.talk(caller, &mut customer, target);
        self.customer = customer;
        told
    }

    /// The customer calls the number, which nobody can take.
    fn missed(&mut self, e164: &str) -> Told {
        let customer = &mut self.customer;
        self.rt.block_on(async {
            customer.call(e164).await.unwrap();
            customer.wait_for(|event| matches!(event, PhoneEvent::Ended(_)), SOON).await.unwrap();
        });
        let told = self.ended();
        assert_eq!(told.call["missed"], true, "{}", told.call);
        told
    }

    /// The customer calls the number, and the phone refuses it.
    fn unanswered(&mut self, callee: &mut LivePhone, e164: &str) -> Told {
        let customer = &mut self.customer;
        self.rt.block_on(async {
            customer.call(e164).await.unwrap();
            callee.wait_for(|event| matches!(event, PhoneEvent::Incoming { .. }), SOON).await.unwrap();
            callee.refuse(486).await.unwrap();
            customer.wait_for(|event| matches!(event, PhoneEvent::Ended(_)), SOON).await.unwrap();
        });
        let told = self.ended();
        assert_eq!(told.call["missed"], true, "{}", told.call);
        told
    }

    fn take_customer(&mut self) -> LivePhone {
        let stand_in = start(&self.rt, self.server, CUSTOMER, &self.server.to_string(), "127.0.0.2", "");
        std::mem::replace(&mut self.customer, stand_in)
    }
}

/// Ids of the calls that somebody lists, the newest first.
fn listed(who: &Session, query: &str) -> Vec<String> {
    let answer = who.get(&format!("/api/v1/calls?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.body));
    let calls = answer.json()["calls"].as_array().unwrap().clone();
    calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
}

fn sees(who: &Session, told: &Told) -> bool {
    let one = who.get(&format!("/api/v1/calls/{}", told.id)).status == 200;
    assert_eq!(one, listed(who, "limit=200").contains(&told.id), "the list and the call itself agree");
    one
}

/// What somebody gets of a recording: listening, and the file.
fn hears(who: &Session, told: &Told) -> (u16, u16) {
    let path = format!("/api/v1/recordings/{}", told.recording.as_ref().unwrap());
    (who.get(&format!("{path}/audio")).status, who.get(&format!("{path}/file")).status)
}

/// Subscriptions: "If you are subscribed to Phone Number's call recordings, the recordings will appear
/// in your account immediately after the call is concluded."
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribers_of_a_number_receive_its_recordings_until_they_are_removed() {
    tell(|story| {
        const SALES: &str = "+12025550100";
        let (jane, bob, zoe) =
            (story.hire("201", "Jane", "agent"), story.hire("202", "Bob", "agent"), story.hire("203", "Zoe", "agent"));
        story.hire("209", "Sam", "agent");
        story.add("groups", &json!({ "name": "sales", "members": ["203", "209"] }));
        story.number(SALES, "user:209");
        let mut sam = story.phone("209");

        // "Call recordings can be turned on or off at the Phone Number level."
        story.change(&number_path(SALES), &json!({ "recording": "off" }));
        assert_eq!(story.inbound(&mut sam, SALES).because(), (false, "number"));
        story.change(&number_path(SALES), &json!({ "recording": "on" }));

        // "The Admin can decide who will have access to the recordings by choosing subscribers."
        let subscriber = |extension: &str| format!("{}/subscribers/{extension}", number_path(SALES));
        assert_eq!(bob.put(&subscriber("202")).status, 403, "the admin decides");
        assert_eq!(story.ada.put(&subscriber("201")).status, 204);
        let mut stream = jane.stream("/api/v1/events?kinds=recording.finished", None);
        let first = story.inbound(&mut sam, SALES);
        assert_eq!(first.because(), (true, "number"));
        let event = stream.next();
        assert_eq!(event.data["recording"], *first.recording.as_ref().unwrap(), "on the stream");
        assert!(sees(&jane, &first), "and in the list");
        assert_eq!(hears(&jane, &first).0, 200);
        assert!(!sees(&bob, &first), "nobody else");
        story.change(&number_path(SALES), &json!({ "route": "group:sales" }));
        assert_eq!(hears(&zoe, &first).0, 404, "members of a group are not subscribed by that");

        // Bob joins later: what ended before is not his. "He can easily remove Jane".
        assert_eq!(story.ada.put(&subscriber("202")).status, 204);
        assert!(!sees(&bob, &first));
        assert_eq!(story.ada.delete(&subscriber("201")).status, 204);
        let second = story.inbound(&mut sam, SALES);
        assert_eq!((sees(&jane, &second), sees(&bob, &second)), (false, true), "nothing new comes to Jane");
        assert_eq!(hears(&jane, &first).0, 200, "what was received stays");
        assert_eq!(hears(&jane, &second).0, 404);

        assert_eq!(story.ada.delete(&format!("{}?withdraw=true", subscriber("201"))).status, 204);
        assert_eq!((sees(&jane, &first), hears(&jane, &first)), (false, (404, 404)), "withdrawn");
        let path = format!("/api/v1/recordings/{}", second.recording.as_ref().unwrap());
        assert_eq!(story.ada.delete(&path).status, 204);
        assert_eq!((bob.get(&path).status, jane.get(&path).status), (410, 404), "gone, to those who could see it");
    })
    .await;
}

/// Call Recordings: "When this setting is switched on, all inbound (outbound, internal) calls will be
/// recorded", with its exceptions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_toggle_records_its_direction_but_for_steps_commands_and_numbers() {
    tell(|story| {
        const MAIN: &str = "+12025550100";
        story.hire("201", "Anna", "agent");
        let ben = story.hire("202", "Ben", "analyst");
        let sue = story.hire("203", "Sue", "supervisor");
        story.number(MAIN, "user:201");
        story.change("/api/v1/company", &json!({ "default_number": MAIN }));
        let (mut anna, mut bens) = (story.phone("201"), story.phone("202"));

        for on in ["record_inbound", "record_outbound", "record_internal"] {
            for toggle in ["record_inbound", "record_outbound", "record_internal"] {
                story.settings(&json!({ toggle: toggle == on }));
            }
            let calls = [
                ("record_inbound", story.inbound(&mut anna, MAIN)),
                ("record_outbound", story.outbound(&mut anna, CUSTOMER)),
                ("record_internal", story.talk(&mut anna, &mut bens, "202")),
            ];
            for (toggle, told) in calls {
                assert_eq!(told.because(), (toggle == on, "company"), "{toggle} while {on}");
                assert_eq!(told.recording.is_some(), toggle == on, "{toggle} while {on}");
                assert_eq!(told.call["direction"], toggle.trim_start_matches("record_"));
            }
        }

        // "To pause call recording #11#. To start or resume #12#." While the setting is off: nothing.
        story.settings(&json!({ "record_internal": false, "agent_pause": false }));
        story.connect(&mut anna, &mut bens, "202");
        story.dial(&mut anna, "#12#");
        let told = story.end(&mut anna, &mut bens);
        assert_eq!(told.call["changes"][0]["refused"], "agent_pause_off", "{}", told.call);
        assert!(told.recording.is_none());
        // "Settings for individual users will override the company settings of this feature."
        story.user("201", &json!({ "agent_pause": true }));
        story.user("202", &json!({ "agent_pause": true }));
        story.connect(&mut anna, &mut bens, "202");
        story.dial(&mut bens, "#12#");
        story.dial(&mut anna, "#12#");
        story.dial(&mut anna, "#11#");
        let told = story.end(&mut anna, &mut bens);
        let changes = told.call["changes"].as_array().unwrap();
        let heard: Vec<(&str, Option<&str>, bool)> = changes
            .iter()
            .map(|change| {
                (change["name"].as_str().unwrap(), change["refused"].as_str(), change["record"].as_bool().unwrap())
            })
            .collect();
        assert_eq!(heard, [("Ben", Some("role"), false), ("Anna", None, true), ("Anna", None, false)]);
        assert_eq!((told.recording.is_some(), &told.call["ended_paused"]), (true, &json!(true)));

        // Over the API: by who sees the call and whose role may.
        story.settings(&json!({ "agent_pause": true }));
        story.connect(&mut anna, &mut bens, "202");
        let live = sue.get("/api/v1/calls/live").json();
        let id = live["calls"][0]["id"].as_str().unwrap().to_owned();
        let order = |who: &Session, what: &str| who.send("POST", &format!("/api/v1/calls/{id}/{what}"), "").status;
        assert_eq!(order(&ben, "record"), 409, "an analyst commands nothing");
        assert_eq!((order(&sue, "record"), order(&sue, "pause")), (204, 204));
        let told = story.end(&mut anna, &mut bens);
        assert!(told.recording.is_some());

        // A recording step goes before all: "company settings will be ignored", and commands too.
        for on in [true, false] {
            let name = if on { "recorded" } else { "private" };
            story.settings(&json!({ "record_inbound": !on }));
            story.change(&number_path(MAIN), &json!({ "recording": if on { "off" } else { "on" } }));
            let steps = json!([
                { "name": "record", "do": "recording", "on": on, "next": "ring" },
                { "name": "ring", "do": "ring", "target": "user:201" },
            ]);
            story.add("flows", &json!({ "name": name, "start": "record", "step": steps }));
            story.change(&number_path(MAIN), &json!({ "route": format!("flow:{name}") }));
            let mut customer = story.take_customer();
            story.connect(&mut customer, &mut anna, MAIN);
            story.dial(&mut anna, if on { "#11#" } else { "#12#" });
            let told = story.end(&mut customer, &mut anna);
            story.customer = customer;
            assert_eq!((told.because(), told.recording.is_some()), ((on, "flow_step"), on));
            assert_eq!(told.call["changes"][0]["refused"], "flow_step", "{}", told.call);
        }
    })
    .await;
}

/// Call Recordings: who sees, plays and downloads which calls, and what counts in analytics.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn levels_of_visibility_play_and_download_are_the_agents_and_admins_see_all() {
    tell(|story| {
        const TEAM: &str = "+12025550100";
        const OWN: &str = "+12025550101";
        let gwen = story.hire("201", "Gwen", "agent");
        story.hire("202", "Tom", "agent");
        let (sue, lee) = (story.hire("203", "Sue", "supervisor"), story.hire("204", "Lee", "analyst"));
        story.add("groups", &json!({ "name": "team", "members": ["201", "202"] }));
        story.number(TEAM, "group:team");
        story.number(OWN, "user:201");
        story.settings(&json!({ "record_inbound": true, "record_internal": true, "play": "all", "download": true }));
        let missed_team = story.missed(TEAM);
        let mut gwens = story.phone("201");
        let missed_own = story.unanswered(&mut gwens, OWN);
        story.rt.block_on(gwens.unregister()).unwrap();
        story.rt.block_on(gwens.wait_for(|event| *event == PhoneEvent::Unregistered, SOON)).unwrap();
        drop(gwens);
        let mut tom = story.phone("202");
        let of_group = story.inbound(&mut tom, TEAM);
        // Tom takes a call over Gwen's number while she is away.
        story.user("201", &json!({ "on_unregistered": "user:202" }));
        let of_number = story.inbound(&mut tom, OWN);
        let mut gwens = story.phone("201");
        let made = story.talk(&mut gwens, &mut tom, "202");
        let mut sues = story.phone("203");
        let of_others = story.talk(&mut sues, &mut tom, "202");
        let all = [&missed_team, &missed_own, &of_group, &of_number, &made, &of_others];

        let seen = |who: &Session| all.map(|told| sees(who, told));
        for (level, expected) in [
            ("own_and_missed", [true, true, false, false, true, false]),
            ("group_calls", [true, true, true, false, true, false]),
            ("group_and_number_calls", [true, true, true, true, true, false]),
            ("all", [true; 6]),
        ] {
            story.settings(&json!({ "call_visibility": level }));
            assert_eq!(seen(&gwen), expected, "{level}");
            assert_eq!((seen(&sue), seen(&lee), seen(&story.ada)), ([true; 6], [true; 6], [true; 6]), "{level}");
            // "Analytics applies these settings to all user roles instead of just agent users."
            let figures = |who: &Session| who.get("/api/v1/analytics").json()["total"]["calls"].as_u64().unwrap();
            let everything = level == "all";
            assert_eq!(figures(&story.ada), if everything { 6 } else { 0 }, "{level}: an admin too");
            assert_eq!(figures(&sue), if everything { 6 } else { 1 }, "{level}: her own call");
            let count = expected.iter().filter(|seen| **seen).count();
            assert_eq!(figures(&gwen), count as u64, "{level}");
        }
        // "Settings for individual agents will override the company settings"; supervisors have only their own.
        story.user("201", &json!({ "call_visibility": "own_and_missed" }));
        assert_eq!(seen(&gwen), [true, true, false, false, true, false]);
        story.user("201", &json!({ "call_visibility": null }));
        story.user("203", &json!({ "call_visibility": "own_and_missed" }));
        assert_eq!(seen(&sue), [false, false, false, false, false, true]);
        story.user("203", &json!({ "call_visibility": null }));

        let heard = |who: &Session| (hears(who, &made), hears(who, &of_others));
        assert_eq!(heard(&gwen), ((200, 200), (200, 200)));
        story.settings(&json!({ "play": "own" }));
        assert_eq!(heard(&gwen), ((200, 200), (404, 404)), "only recordings of their calls");
        story.settings(&json!({ "play": "none" }));
        assert_eq!(heard(&gwen), ((404, 404), (404, 404)));
        let call = gwen.get(&format!("/api/v1/calls/{}", made.id)).json();
        assert_eq!((&call["recordings"], &call["can_play"]), (&json!([]), &json!(false)), "none is listed either");
        for who in [&sue, &lee, &story.ada] {
            assert_eq!(heard(who), ((200, 200), (200, 200)), "company settings are for agents");
        }
        story.user("201", &json!({ "play": "all" }));
        story.settings(&json!({ "download": false }));
        assert_eq!(heard(&gwen), ((200, 403), (200, 403)), "listening is not fetching");
        story.user("201", &json!({ "download": true }));
        story.user("204", &json!({ "play": "own", "download": false }));
        assert_eq!((heard(&gwen), heard(&lee)), (((200, 200), (200, 200)), ((404, 404), (404, 404))));
        story.user("100", &json!({ "play": "none", "download": false, "call_visibility": "own_and_missed" }));
        assert_eq!(heard(&story.ada), ((200, 200), (200, 200)), "an admin can always play and download");
    })
    .await;
}

/// Shared Inboxes: "Company Numbers are numbers that are only routed for voice and not assigned to a
/// specific user." "Assigned numbers can not be assigned to multiple people."
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_number_is_the_companys_or_one_users_and_resellers_administer_what_they_are_given() {
    tell(|story| {
        const LINE: &str = "+12025550100";
        story.hire("201", "Anna", "agent");
        story.hire("202", "Ben", "agent");
        story.add("groups", &json!({ "name": "sales", "members": ["201", "202"] }));
        story.number(LINE, "group:sales");
        let kind = |who: &Session| {
            let of = |kind: &str| who.get(&format!("/api/v1/numbers?type={kind}")).json()["numbers"].clone();
            let (company, assigned) = (of("company"), of("assigned"));
            assert_eq!(company.as_array().unwrap().len() + assigned.as_array().unwrap().len(), 1);
            let number = who.get(&number_path(LINE)).json();
            assert_eq!(number["type"] == "company", company != json!([]), "{number}");
            (number["type"].as_str().unwrap().to_owned(), number["assigned_to"].clone())
        };
        let (company, assigned) = (("company".to_owned(), Value::Null), ("assigned".to_owned(), json!("user:201")));
        assert_eq!(kind(&story.ada), company, "routed for voice, and to no one user");
        story.change(&number_path(LINE), &json!({ "route": "user:201" }));
        assert_eq!(kind(&story.ada), assigned);
        story.change(&number_path(LINE), &json!({ "route": "group:sales" }));
        assert_eq!(kind(&story.ada), company);
        story.user("201", &json!({ "number": LINE }));
        assert_eq!(kind(&story.ada), assigned);
        let second = story.ada.send("PATCH", "/api/v1/users/202", &json!({ "number": LINE }).to_string());
        assert_eq!(second.status, 422, "it is one user's");
        let detail = second.json()["detail"].to_string();
        assert!(detail.contains(LINE) && detail.contains("201"), "{detail}");
        let routed = story.ada.send("PATCH", &number_path(LINE), r#"{"route":"user:202"}"#);
        assert_eq!(routed.status, 422, "neither can it ring another one as theirs");
        story.user("201", &json!({ "number": null }));
        assert_eq!(kind(&story.ada), company);

        let operator = story.http.log_in_as_staff("operator", "first-secret");
        let made = operator.send("POST", "/api/v1/staff", r#"{"name":"rita","kind":"reseller"}"#).json();
        let rita = story.http.log_in_as_staff("rita", made["password"].as_str().unwrap());
        assert_eq!(rita.of("abc").get(&number_path(LINE)).status, 404);
        assert_eq!(operator.put("/api/v1/staff/rita/companies/abc").status, 204);
        let of_abc = rita.of("abc");
        assert_eq!(of_abc.send("PATCH", &number_path(LINE), r#"{"route":"user:202"}"#).status, 200);
        assert_eq!(kind(&of_abc).1, json!("user:202"), "an admin's rights there");
        assert_eq!(rita.of("other").get("/api/v1/users").status, 404, "and none elsewhere");
    })
    .await;
}

/// Understanding Inboxes: "All users tied to an inbox can see the calls within that inbox, regardless of
/// which phone number inside the inbox was used."
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_in_an_inbox_sees_all_calls_of_its_numbers_and_calls_with_its_primary_one() {
    tell(|story| {
        const YELP: &str = "+12025550101";
        const MAPS: &str = "+12025550102";
        const STEEL: &str = "+12025550201";
        const WOOD: &str = "+12025550202";
        let (rep, worker) = (story.hire("201", "Rep", "agent"), story.hire("202", "Worker", "agent"));
        let (boss, stranger) = (story.hire("203", "Boss", "agent"), story.hire("204", "Stranger", "agent"));
        for number in [YELP, MAPS, STEEL, WOOD] {
            story.add("numbers", &json!({ "number": number }));
        }
        story.add(
            "inboxes",
            &json!({ "name": "support", "numbers": [YELP, MAPS], "primary": MAPS, "members": ["201", "203"] }),
        );
        story.add(
            "inboxes",
            &json!({ "name": "warehouse", "numbers": [STEEL, WOOD], "primary": STEEL, "members": ["202", "203"] }),
        );
        story.settings(&json!({ "record_inbound": true, "play": "all" }));
        let (mut reps, mut workers) = (story.phone("201"), story.phone("202"));
        let support = [story.inbound(&mut reps, YELP), story.inbound(&mut reps, MAPS)];
        let warehouse = [story.inbound(&mut workers, STEEL), story.inbound(&mut workers, WOOD)];
        let everything: Vec<&Told> = support.iter().chain(&warehouse).collect();
        let seen = |who: &Session| everything.iter().map(|told| sees(who, told)).collect::<Vec<_>>();
        assert_eq!(seen(&rep), [true, true, false, false]);
        assert_eq!(seen(&worker), [false, false, true, true]);
        assert_eq!(seen(&boss), [true; 4], "there is no limit to the inboxes of one user");
        assert_eq!(seen(&stranger), [false; 4]);
        assert_eq!(hears(&boss, &support[0]).0, 200);

        // "You can filter inboxes across all pages."
        let ids = |told: &[Told; 2]| vec![told[1].id.clone(), told[0].id.clone()];
        assert_eq!(listed(&boss, "inbox=support"), ids(&support));
        assert_eq!(listed(&boss, "inbox=warehouse"), ids(&warehouse));
        for query in ["inbox=support", "inbox=none", "number=%2B12025550101", "number=%2B19", "group=none"] {
            assert_eq!(listed(&stranger, query), Vec::<String>::new(), "{query}: as one that is not there");
        }
        let figures = boss.get("/api/v1/analytics?by=inbox").json();
        let keys: Vec<&Value> = figures["buckets"].as_array().unwrap().iter().map(|bucket| &bucket["key"]).collect();
        assert_eq!(keys, ["support", "warehouse"]);
        let numbers = boss.get("/api/v1/numbers?inbox=warehouse").json();
        assert_eq!(
            (&numbers["numbers"][0]["primary"], &numbers["numbers"][1]["primary"]),
            (&json!(true), &json!(false))
        );

        // "This default inbox determines the phone number used for outbound calls."
        let choose = |who: &Session, inbox: &str| {
            who.send("PATCH", "/api/v1/me", &json!({ "default_inbox": inbox }).to_string())
        };
        assert!([200, 204].contains(&choose(&rep, "support").status));
        let (hidden, none) = (choose(&rep, "warehouse"), choose(&rep, "nowhere"));
        assert_eq!((hidden.status, &hidden.body), (404, &none.body), "an inbox that one is not in is none");
        assert_eq!(story.outbound(&mut reps, CUSTOMER).call["number"], MAPS, "its primary number");
        story.change("/api/v1/inboxes/support", &json!({ "primary": YELP }));
        assert_eq!(story.outbound(&mut reps, CUSTOMER).call["number"], YELP);
        // "Employees can always change which number to call from before making the call."
        story.change(&number_path(MAPS), &json!({ "dial_prefix": "*7" }));
        let told = story.outbound(&mut reps, &format!("*7{CUSTOMER}"));
        assert_eq!(told.call["number"], MAPS);
        assert_eq!(told.call["inbox"], "support");
        assert!(sees(&boss, &told), "calls that others make with a number of the inbox are seen too");

        story.change("/api/v1/inboxes/warehouse", &json!({ "members": ["202"] }));
        assert_eq!(seen(&boss), [true, true, false, false], "on the next request");
        story.change("/api/v1/inboxes/support", &json!({ "numbers": [YELP], "primary": YELP }));
        assert_eq!(seen(&boss), [true, false, false, false]);
    })
    .await;
}
