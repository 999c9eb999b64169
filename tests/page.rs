//! The pages over real HTTP: coming in, what each may contain, who gets which, and that nobody learns from
//! a page what the API keeps from them.

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
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use telegraphone::directory::file::Secret;
use telegraphone::directory::plan::WebPassword;
use telegraphone::page::{Area, PAGES, Page};
use telegraphone::service::Service;
use telegraphone::service::clock::{Clock, OsRandom};
use telegraphone::store::StaffKind;

const SCENE: Scene = Scene("api");
/// Words that stand nowhere but in the company that is to be kept from others.
const MARKS: [&str; 9] = ["Wilhelmina", "zebra", "quagga", "okapi", "15550100", "tapir", "gnu", "kudu", "8471"];
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
const NO_UUID: &str = "01939393-9393-7393-8393-939393939393";
/// A page is asked for as a whole, and by its script for a part of it.
const WHOLE: &[(&str, &str)] = &[];
const PART: &[(&str, &str)] = &[("HX-Request", "true")];
/// HTML, styles and scripts of a page.
const PAGE_BYTES: usize = 300_000;

/// Two companies, the operator `root`, and `rita`, the reseller of the other one.
async fn service(folder: &Path) -> (Service, SocketAddr, Http) {
    let (service, sip, http) = start(config(folder), &[&format!("{}{OURS}", SCENE.company()), THEIRS]).await;
    let now = Clock::start().wall();
    for (name, kind) in [("root", StaffKind::Operator), ("rita", StaffKind::Reseller)] {
        let drawn = WebPassword::draw(Some(Secret::try_from(format!("{name}-secret")).unwrap()), &mut OsRandom);
        let id = service.store().add_staff(name, kind, &drawn.argon2().unwrap(), now).await.unwrap().unwrap();
        if kind == StaffKind::Reseller {
            let other = service.store().load_directory().await.unwrap().company_by_key("other").unwrap().id;
            service.store().give_company(id, other).await.unwrap();
        }
    }
    (service, sip, http)
}

async fn blocking(story: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(story).await.unwrap();
}

/// What it says; templates write `/` as a reference.
fn text(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body).replace("&#x2f;", "/")
}

/// Sends the form of the log-in.
fn sent(http: Http, form: &str, headers: &[(&str, &str)]) -> Response {
    http.ask("POST", "/login", headers, form)
}

const RIGHT: &str = "company=api&user=204&password=ada-secret";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_form_opens_a_session_and_leads_to_where_one_wanted_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    blocking(move || {
        let turned_away = http.ask("GET", "/numbers?type=company", &[], "");
        assert_eq!(turned_away.status, 303);
        let place = turned_away.header("location").unwrap();
        assert_eq!(place, "/login?next=%2Fnumbers%3Ftype%3Dcompany");
        let form = http.ask("GET", place, &[], "");
        assert_eq!((form.status, form.header("cache-control")), (200, Some("no-store")));
        assert!(text(&form).contains(r#"name="next" value="/numbers?type=company""#), "{}", text(&form));

        let part = http.ask("GET", "/calls", &[("HX-Request", "true")], "");
        assert_eq!((part.status, part.header("hx-redirect")), (401, Some("/login?next=%2Fcalls")));

        let answer = sent(http, &format!("{RIGHT}&next=%2Fnumbers%3Ftype%3Dcompany"), &[]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/numbers?type=company")));
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        assert_eq!(http.ask("GET", "/calls", &[("Cookie", cookie)], "").status, 200);
        // Logged out elsewhere, the page leads to the log-in again.
        let csrf = http.ask("GET", "/calls", &[("Cookie", cookie)], "");
        let csrf = between(&text(&csrf), "data-csrf=\"", "\"").unwrap().to_owned();
        let out = http.ask("DELETE", "/api/v1/session", &[("Cookie", cookie), ("X-CSRF-Token", &csrf)], "");
        assert!(out.status < 300, "{}", out.status);
        assert_eq!(http.ask("GET", "/calls", &[("Cookie", cookie)], "").status, 303);
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_in_never_leads_to_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    blocking(move || {
        for next in [
            "https%3A%2F%2Fevil.example%2F",
            "%2F%2Fevil.example",
            "%2F%5Cevil.example",
            "%5C%5Cevil.example",
            "javascript%3Aalert(1)",
            "%2Fcalls%0D%0ASet-Cookie%3A+x%3D1",
            "%2Fapi%2Fv1%2Fme",
            "%2Flogin%3Fnext%3D%2F",
        ] {
            let form = text(&http.ask("GET", &format!("/login?next={next}"), &[], ""));
            assert!(form.contains(r#"name="next" value="/calls""#), "{next}: {form}");
            let answer = sent(http, &format!("{RIGHT}&next={next}"), &[]);
            assert_eq!((answer.status, answer.header("location")), (303, Some("/calls")), "{next}");
        }
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_a_form_of_another_site_open_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    blocking(move || {
        for headers in [
            [("Sec-Fetch-Site", "cross-site")],
            [("Sec-Fetch-Site", "same-site")],
            [("Origin", "https://evil.example")],
            [("Origin", "null")],
        ] {
            let answer = sent(http, RIGHT, &headers);
            assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{headers:?}");
        }
        let wrong = ["company=api&user=204&password=x", "company=none&user=204&password=ada-secret", "user=&password="];
        for form in wrong {
            let answer = sent(http, form, &[]);
            assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{form}");
            assert!(text(&answer).contains("role=\"alert\""), "{form}");
            // What was typed stands there again, but for the password.
            assert!(!text(&answer).contains("ada-secret"), "{form}");
        }
        let mut last = sent(http, wrong[0], &[]);
        for _ in 0..20 {
            last = sent(http, wrong[0], &[]);
        }
        assert_eq!((last.status, last.header("set-cookie")), (429, None));
        assert!(text(&last).contains("role=\"alert\""), "{}", text(&last));
        assert_eq!(sent(http, RIGHT, &[]).status, 429, "the right password is not tried either");
    })
    .await;
    service.stop().await;
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    text.split_once(from)?.1.split_once(to).map(|(inner, _)| inner)
}

/// What stands for the names in the paths of pages: ours, and what nobody has.
struct Things {
    call: String,
    message: String,
    conversation: String,
    contact: String,
    webhook: String,
}

impl Things {
    /// Something of everything that a page can show, of the company `api`.
    fn make(ada: &Session, sip: SocketAddr, message: String) -> Self {
        let phones = Phones::registered(SCENE, sip);
        let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", Some(0));
        phones.place(0..1, 25);
        let call = stream.next().data["call"].as_str().unwrap().to_owned();
        let hook = ada.send("POST", "/api/v1/webhooks", r#"{"url":"https://tapir.example/","kinds":["call.*"]}"#);
        let hook = hook.json();
        let webhook = hook.get("id").or_else(|| hook["webhook"].get("id")).unwrap().to_string();
        let contacts = ada.get("/api/v1/contacts").json();
        let contact = contacts["contacts"][0]["number"].as_str().unwrap().to_owned();
        let written = ada.send("POST", "/api/v1/conversations", r#"{"to":"202","text":"a tapir and an okapi"}"#);
        let conversation = written.json()["conversation"].to_string();
        let keys = r#"{"label":"tapir","users":["202"]}"#;
        let shared = ada.send("PUT", "/api/v1/numbers/%2B15550101/shared-inbox", keys);
        assert_eq!(shared.status, 200, "{}", text(&shared));
        Things { call, message, conversation, contact: contact.replace('+', "%2B"), webhook }
    }

    /// The path of a page with ours, and with what nobody has.
    fn both(&self, page: &Page) -> [String; 2] {
        let first = page.path.split('/').nth(1).unwrap_or_default();
        let Some(part) = page.path.split('/').find(|part| part.starts_with('{')) else {
            return [page.path.to_owned(), page.path.to_owned()];
        };
        let (ours, none) = match first {
            "calls" => (self.call.as_str(), NO_UUID),
            "voicemail" => (&*self.message, NO_UUID),
            "mailbox" | "boxes" => ("8471", "7777"),
            "messages" => (&*self.conversation, "999999"),
            "contacts" => (&*self.contact, "%2B15550777"),
            "users" => ("202", "7777777"),
            "groups" => ("zebra", "zzyzx"),
            "numbers" => ("%2B15550100", "%2B15550777"),
            "inboxes" => ("quagga", "zzyzx"),
            "trunks" => ("carrier", "zzyzx"),
            "flows" => ("okapi", "zzyzx"),
            "webhooks" => (&*self.webhook, "999999"),
            "companies" => ("api", "zzyzx"),
            "staff" => ("root", "zzyzx"),
            other => panic!("{}: say here what {part} of {other} stands for", page.path),
        };
        [page.path.replace(part, ours), page.path.replace(part, none)]
    }
}

/// What must not stand in a page: its policy would not let it act.
fn check_page(row: &str, answer: &Response) {
    let html = text(answer);
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{row}: no policy"));
    assert!(policy.contains("script-src 'self';") && policy.contains("default-src 'none'"), "{row}: {policy}");
    assert!(!policy.contains("unsafe"), "{row}: {policy}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{row}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{row}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{row}");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{row}");
    assert!(!html.contains("<style"), "{row}: a style");
    for tag in tags(&html) {
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let attributes = attributes(tag);
        if name == "script" {
            let is_data = attributes.iter().any(|(key, value)| key == "type" && value == "application/json");
            assert!(is_data || attributes.iter().any(|(key, _)| key == "src"), "{row}: <{tag}>");
        }
        for (key, value) in &attributes {
            assert!(key != "style" && !key.starts_with("on") && !key.starts_with("hx-on"), "{row}: <{tag}>");
            if ["src", "href", "action", "formaction", "poster"].contains(&key.as_str()) {
                let own = ["/", "#", "?"].iter().any(|start| value.starts_with(start)) && !value.starts_with("//");
                let named = ["tel:", "mailto:", "sip:"].iter().any(|scheme| value.starts_with(scheme));
                assert!(own || (name == "a" && named), "{row}: <{tag}>");
            }
        }
    }
}

/// What stands between `<` and `>`; quoted values may have either.
fn tags(html: &str) -> Vec<&str> {
    let (mut all, mut rest) = (Vec::new(), html);
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let mut quote = None;
        let end = rest.char_indices().find(|(_, c)| match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            (None, c) => *c == '>',
            (Some(open), c) => {
                if open == *c {
                    quote = None;
                }
                false
            }
        });
        let Some((end, _)) = end else { break };
        let tag = &rest[..end];
        all.push(tag);
        rest = &rest[end..];
        // What stands in a script is no markup.
        if tag.starts_with("script") {
            rest = rest.find("</script").map_or("", |end| &rest[end..]);
        }
    }
    all
}

fn attributes(tag: &str) -> Vec<(String, String)> {
    let mut rest = tag.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let length = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        if length == 0 {
            return all;
        }
        let name = rest[..length].to_ascii_lowercase();
        rest = &rest[length..];
        let value = match rest.strip_prefix('=') {
            Some(quoted) if quoted.starts_with(['"', '\'']) => {
                let (value, after) = quoted[1..].split_once(&quoted[..1]).unwrap_or((&quoted[1..], ""));
                rest = after;
                value
            }
            Some(plain) => {
                let end = plain.find(char::is_whitespace).unwrap_or(plain.len());
                rest = &plain[end..];
                &plain[..end]
            }
            None => "",
        };
        all.push((name, value.to_owned()));
    }
}

#[test]
fn tags_and_attributes_are_read_as_a_browser_reads_them() {
    let html = r#"<!doctype html><p title="a > b" onclick='x()'>1 < 2<script type="application/json">{"<b>": 1}</script><br/><a href=x>"#;
    assert_eq!(tags(html).len(), 4, "{:?}", tags(html));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(attributes(tags(html)[0]), [pair("title", "a > b"), pair("onclick", "x()")]);
    assert_eq!(attributes(tags(html)[3]), [pair("href", "x")]);
}

/// Each page with its status for this viewer, as a whole and as a part.
fn statuses(viewer: &Session, things: &Things) -> Vec<(&'static Page, u16)> {
    let each = PAGES.iter().map(|page| {
        let [ours, _] = things.both(page);
        let whole = viewer.get(&ours);
        let part = viewer.get_with(&ours, &[("HX-Request", "true")]);
        assert_eq!(whole.status, part.status, "{}", page.path);
        if whole.status != 303 {
            check_page(page.path, &whole);
            check_page(page.path, &part);
        }
        (page, whole.status)
    });
    each.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_page_is_there_for_whom_it_is_meant_and_has_nothing_inline() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let message = messages::leave(&service, folder.path(), "api", "8471", 1).await.to_string();
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let things = Things::make(&ada, sip, message);
        let wrong: Vec<_> = statuses(&ada, &things)
            .into_iter()
            .filter(|(page, status)| {
                // A message is for whom it was left, also from an admin.
                let none = page.area == Area::Staff || page.path == "/voicemail/{id}";
                *status != if none { 404 } else { 200 }
            })
            .map(|(page, status)| (page.path, status))
            .collect();
        assert!(wrong.is_empty(), "for an admin: {wrong:?}");
        let jane = http.log_in("api", "202", "jane-secret");
        let wrong: Vec<_> = statuses(&jane, &things)
            .into_iter()
            .filter(|(page, status)| *status != if page.area == Area::Everybody { 200 } else { 404 })
            .map(|(page, status)| (page.path, status))
            .collect();
        assert!(wrong.is_empty(), "for an agent: {wrong:?}");
        let root = http.log_in_as_staff("root", "root-secret");
        let wrong: Vec<_> = statuses(&root, &things)
            .into_iter()
            .filter(|(page, status)| *status != if page.area == Area::Staff { 200 } else { 303 })
            .map(|(page, status)| (page.path, status))
            .collect();
        assert!(wrong.is_empty(), "for an operator who has chosen no company: {wrong:?}");
        for (page, status) in statuses(&root.of("api"), &things) {
            assert!([200, 404].contains(&status), "{} for an operator: {status}", page.path);
            assert!(status == 200 || page.area == Area::Everybody, "{} for an operator", page.path);
        }
        let absent = ada.get_with("/nowhere", &[("Accept", "text/html")]);
        assert_eq!(absent.status, 404);
        check_page("/nowhere", &absent);
    })
    .await;
    service.stop().await;
}

/// The scripts and styles that a page names.
fn assets(html: &str) -> BTreeSet<String> {
    let named = tags(html).into_iter().flat_map(attributes);
    let places = named.filter(|(key, value)| ["src", "href"].contains(&key.as_str()) && value.starts_with("/assets/"));
    places.map(|(_, place)| place).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn assets_are_kept_for_ever_under_the_name_of_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let message = messages::leave(&service, folder.path(), "api", "8471", 1).await.to_string();
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let things = Things::make(&ada, sip, message);
        let mut all = assets(&text(&http.ask("GET", "/login", &[], "")));
        for page in PAGES {
            all.extend(assets(&text(&ada.get(&things.both(page)[0]))));
        }
        assert!(all.len() > 5, "{all:?}");
        for place in &all {
            let asset = http.ask("GET", place, &[], "");
            assert_eq!(asset.status, 200, "{place}");
            let kind = match place.rsplit('.').next().unwrap() {
                "css" => "text/css; charset=utf-8",
                "js" => "text/javascript; charset=utf-8",
                "svg" => "image/svg+xml",
                "png" => "image/png",
                other => panic!("{place}: {other}"),
            };
            assert_eq!(asset.header("content-type"), Some(kind), "{place}");
            assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"), "{place}");
            assert_eq!(asset.header("x-content-type-options"), Some("nosniff"), "{place}");
            let version = place.split('/').nth(2).unwrap();
            let old = http.ask("GET", &place.replace(version, "0123456789abcdef"), &[], "");
            assert_eq!((old.status, old.header("cache-control")), (200, Some("no-cache")), "{place}");
        }
        for (place, kind) in
            [("/sw.js", "text/javascript; charset=utf-8"), ("/manifest.webmanifest", "application/manifest+json")]
        {
            let asset = http.ask("GET", place, &[], "");
            assert_eq!((asset.status, asset.header("content-type")), (200, Some(kind)), "{place}");
            assert_eq!(asset.header("cache-control"), Some("no-cache"), "{place}");
        }
        for none in ["/assets/0/none.js", "/assets/0/..%2Fmod.rs", "/assets/0/../templates/base.html"] {
            assert_eq!(http.ask("GET", none, &[], "").status, 404, "{none}");
        }
    })
    .await;
    service.stop().await;
}

/// What an answer says, without what it was asked with and what is another one each time.
fn told(answer: &Response, path: &str) -> String {
    let mut html = text(answer);
    for (from, to) in [("data-nonce=\"", "\""), ("data-csrf=\"", "\"")] {
        if let Some(value) = between(&html, from, to).map(str::to_owned) {
            html = html.replace(&value, "…");
        }
    }
    let parts = path.split(['/', '=', '?', '&']).flat_map(|part| {
        [part.to_owned(), part.replace("%2B", "+"), part.replace('+', "%2B"), part.replace("%2B", "&#x2b;")]
    });
    let pages = ["calls", "voicemail", "messages", "contacts", "numbers", "users", "number", "inbox", "user", "group"];
    parts
        .filter(|part| part.len() > 2 && !pages.contains(&part.as_str()))
        .fold(html, |html, part| without(&html, &part))
}

/// The text without a part of it, where that stands by itself: 202 is no part of 2026.
fn without(html: &str, part: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(html.len()), html);
    while let Some((before, after)) = rest.split_once(part) {
        kept.push_str(before);
        let escaped = kept.len() >= 3 && kept.as_bytes()[kept.len() - 3] == b'%';
        let begins = escaped || !kept.ends_with(|last: char| last.is_ascii_alphanumeric());
        let ends = !after.starts_with(|next: char| next.is_ascii_alphanumeric());
        kept.push_str(if begins && ends { "…" } else { part });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// Lists, narrowed to things of ours and to such as nobody has.
fn filtered(things: &Things) -> Vec<[String; 2]> {
    let pairs = [
        ("/calls?inbox=", "quagga", "zzyzx"),
        ("/calls?number=", "%2B15550100", "%2B15550777"),
        ("/calls?user=", "202", "7777777"),
        ("/calls?group=", "zebra", "zzyzx"),
        ("/calls?contact=", &*things.contact, "%2B15550777"),
        ("/calls?text=", "Wilhelmina", "zzyzx"),
        ("/calls?before=", &*things.call, NO_UUID),
        ("/live?inbox=", "quagga", "zzyzx"),
        ("/voicemail?box=", "8471", "7777"),
        ("/messages?inbox=", "quagga", "zzyzx"),
        ("/messages?text=", "tapir", "zzyzx"),
        ("/contacts?inbox=", "quagga", "zzyzx"),
        ("/contacts?text=", "1666", "1777"),
        ("/analytics?inbox=", "quagga", "zzyzx"),
        ("/analytics?number=", "%2B15550100", "%2B15550777"),
        ("/analytics?user=", "202", "7777777"),
    ];
    pairs.iter().map(|(page, ours, none)| [format!("{page}{ours}"), format!("{page}{none}")]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_of_another_company_learns_from_a_page_whether_a_thing_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let message = messages::leave(&service, folder.path(), "api", "8471", 1).await.to_string();
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let things = Things::make(&ada, sip, message);
        let ids = [&things.call, &things.message];
        let strangers: Vec<(&str, Session)> = vec![
            ("their admin", http.log_in("other", "301", "eve-secret-1")),
            ("their supervisor", http.log_in("other", "302", "eve-secret-2")),
            ("their analyst", http.log_in("other", "303", "eve-secret-3")),
            ("their agent", http.log_in("other", "304", "eve-secret-4")),
            ("their reseller", http.log_in_as_staff("rita", "rita-secret").of("other")),
        ];
        for (who, session) in &strangers {
            for headers in [WHOLE, PART] {
                let pairs = PAGES.iter().map(|page| things.both(page)).chain(filtered(&things));
                for [ours, none] in pairs {
                    let row = format!("{ours} for {who}, {headers:?}");
                    let answer = session.get_with(&ours, headers);
                    assert!(answer.status < 500, "{row}: {}", answer.status);
                    if ours == none {
                        let html = told(&answer, "");
                        let learned = MARKS.iter().find(|mark| html.contains(**mark));
                        assert_eq!(learned, None, "{row}: {html}");
                        assert!(!ids.iter().any(|id| html.contains(id.as_str())), "{row}: {html}");
                        continue;
                    }
                    let twin = session.get_with(&none, headers);
                    assert_eq!(answer.status, twin.status, "{row}");
                    assert_eq!(told(&answer, &ours), told(&twin, &none), "{row}");
                    let is_list = ours.contains('?') || ours.starts_with("/contacts/");
                    assert!(is_list || answer.status == 404, "{row}: {}", answer.status);
                }
            }
        }
        // And it is all there for whom it is.
        let html = text(&ada.get("/calls"));
        assert!(html.contains(&things.call), "{html}");
        for mark in ["Wilhelmina", "zebra", "quagga"] {
            let pages = ["/users", "/groups", "/inboxes"].map(|page| text(&ada.get(page)));
            assert!(pages.iter().any(|html| html.contains(mark)), "{mark}");
        }
    })
    .await;
    service.stop().await;
}

/// Within a company the same holds for what a role, a setting or a box keeps from a colleague.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_colleague_learns_from_no_page_of_what_is_not_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let message = messages::leave(&service, folder.path(), "api", "8471", 1).await.to_string();
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let things = Things::make(&ada, sip, message);
        let (jane, bob) = (http.log_in("api", "202", "jane-secret"), http.log_in("api", "201", "api-secret"));
        // Jane is in the inbox of the call's number: she sees it until she is not.
        assert_eq!(jane.get(&format!("/calls/{}", things.call)).status, 200);
        let gone = ada.send("PATCH", "/api/v1/inboxes/quagga", r#"{"members":[]}"#);
        assert!(gone.status < 300, "{}", text(&gone));
        let (call, message) = (format!("/calls/{}", things.call), format!("/voicemail/{}", things.message));
        let conversation = format!("/messages/{}", things.conversation);
        let none = |page: &str| format!("{page}/{}", if page == "/messages" { "999999" } else { NO_UUID });
        for (who, session, path) in
            [("Jane", &jane, &call), ("Bob", &bob, &message), ("Ada", &ada, &message), ("Bob", &bob, &conversation)]
        {
            for headers in [WHOLE, PART] {
                let answer = session.get_with(path, headers);
                let page = path.rsplit_once('/').unwrap().0;
                let twin = session.get_with(&none(page), headers);
                assert_eq!((answer.status, twin.status), (404, 404), "{path} for {who}");
                assert_eq!(told(&answer, path), told(&twin, &none(page)), "{path} for {who}");
            }
        }
        for (who, session, page, id) in [
            ("Jane", &jane, "/calls", &things.call),
            ("Jane", &jane, "/contacts", &things.contact.replace("%2B", "")),
            ("Bob", &bob, "/voicemail", &things.message),
            ("Ada", &ada, "/voicemail", &things.message),
            ("Bob", &bob, "/messages", &format!("/messages/{}\"", things.conversation)),
        ] {
            for headers in [WHOLE, PART] {
                let html = text(&session.get_with(page, headers));
                assert!(!html.contains(id.as_str()), "{page} for {who}: {html}");
            }
        }
        // Those whose it is see it.
        for (session, path) in [(&bob, &call), (&ada, &call), (&jane, &message), (&jane, &conversation)] {
            assert_eq!(session.get(path).status, 200, "{path}");
        }
        assert!(text(&bob.get("/calls")).contains(&things.call));
        assert!(text(&jane.get("/voicemail")).contains(&things.message));
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_company_that_was_chosen_once_gives_nobody_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    let message = messages::leave(&service, folder.path(), "api", "8471", 1).await.to_string();
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let things = Things::make(&ada, sip, message);
        let eve = http.log_in("other", "301", "eve-secret-1");
        let rita = http.log_in_as_staff("rita", "rita-secret");
        for key in ["api", "other", "none", ""] {
            for page in PAGES {
                let [ours, _] = things.both(page);
                let cookie = format!("{}; telegraphone_company={key}", eve.cookie());
                let answer = http.ask("GET", &ours, &[("Cookie", &cookie)], "");
                let html = told(&answer, "");
                assert_eq!(answer.status, eve.get(&ours).status, "{ours} with {key}");
                let is_echo = ours != page.path;
                let learned = MARKS.iter().find(|mark| html.contains(**mark));
                assert!(is_echo || learned.is_none(), "{ours} with {key}: {learned:?} {html}");

                // A reseller has that one company, and no other.
                let cookie = format!("{}; telegraphone_company={key}", rita.cookie());
                let answer = http.ask("GET", &ours, &[("Cookie", &cookie)], "");
                let html = told(&answer, "");
                let learned = MARKS.iter().find(|mark| html.contains(**mark));
                assert!(is_echo || learned.is_none(), "{ours} with {key} for a reseller: {learned:?} {html}");
                if key != "other" && page.area != Area::Staff {
                    // What was wanted is behind the choice.
                    let led = answer.header("location").map(|place| place.split('?').next().unwrap_or_default());
                    assert_eq!((answer.status, led), (303, Some("/companies")), "{ours} with {key} for a reseller");
                }
            }
        }
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_with_its_scripts_and_styles_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let (service, sip, http) = service(folder.path()).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let phones = Phones::registered(SCENE, sip);
        let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", Some(0));
        phones.place(0..50, 3);
        let mut call = String::new();
        for _ in 0..50 {
            call = stream.next().data["call"].as_str().unwrap().to_owned();
        }
        for path in ["/calls".to_owned(), format!("/calls/{call}")] {
            let page = ada.get(&path);
            assert_eq!(page.status, 200, "{path}");
            let html = text(&page);
            if path == "/calls" {
                assert_eq!(html.matches("class=\"row call-row\"").count(), 50, "{path}");
            }
            let parts = assets(&html).into_iter().filter(|place| place.ends_with(".js") || place.ends_with(".css"));
            let bytes = page.body.len() + parts.map(|place| http.ask("GET", &place, &[], "").body.len()).sum::<usize>();
            assert!(bytes < PAGE_BYTES, "{path}: {bytes} bytes");
        }
    })
    .await;
    service.stop().await;
}

/// Groups, inboxes and others come 200 at a time from the API; whoever chooses among them has all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_long_list_of_choices_is_there_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        for number in 0..230 {
            let group = format!(r#"{{"name":"long-{number:03}","members":["202"]}}"#);
            assert_eq!(ada.send("POST", "/api/v1/groups", &group).status, 201, "{group}");
        }
        for path in ["/calls", "/analytics"] {
            let html = text(&ada.get(path));
            let options = html.matches(r#"<option value="long-"#).count();
            assert_eq!(options, 230, "{path}");
        }
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_reads_german_is_told_in_german_what_is_wrong_and_a_program_in_english() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _, http) = service(folder.path()).await;
    blocking(move || {
        let ada = http.log_in("api", "204", "ada-secret");
        let jane = http.log_in("api", "202", "jane-secret");
        let detail = |answer: &Response| -> String {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            body["detail"].as_str().unwrap().to_owned()
        };
        let wrong =
            |headers: &[(&str, &str)]| ada.send_with("PATCH", "/api/v1/users/201", headers, br#"{"name":"a\"b"}"#);
        let english = wrong(&[("Accept-Language", "en-GB")]);
        assert!(detail(&english).contains("is not a name: write 1 to 100 characters"), "{}", detail(&english));
        let german = wrong(&[("Accept-Language", "de-CH, en;q=0.5")]);
        assert_eq!((german.status, german.header("content-language")), (english.status, Some("de")));
        assert!(detail(&german).contains("1 bis 100 Zeichen"), "{}", detail(&german));
        // The key stands in it as it is, so that the page finds the field.
        assert!(detail(&german).contains("name: `a\"b`"), "{}", detail(&german));
        let hidden = jane.send_with("PATCH", "/api/v1/users/201", &[("Accept-Language", "fr")], b"{}");
        assert_eq!((hidden.status, hidden.header("content-language")), (403, Some("fr")));
        assert!(!detail(&hidden).contains("only an admin"), "{}", detail(&hidden));

        // A program reads what it is written for, whatever the language of its machine.
        let made = ada.send("POST", "/api/v1/tokens", r#"{"name":"program","scopes":["directory.write"],"days":1}"#);
        let made: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
        let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
        let headers = [("Authorization", bearer.as_str()), ("Accept-Language", "de")];
        let program = http.ask("PATCH", "/api/v1/users/201", &headers, r#"{"name":"a\"b"}"#);
        assert_eq!((program.header("content-language"), detail(&program)), (None, detail(&english)));

        // Sentences of a call that is tried, too; and what people wrote stays as they wrote it.
        let flow =
            r#"{"flow":{"start":"s","step":[{"name":"s","do":"hangup"}]},"number":"+12025550100","caller":"+4930555"}"#;
        let tried = ada.send_with("POST", "/api/v1/flows/try", &[("Accept-Language", "es")], flow.as_bytes());
        let tried = text(&tried);
        assert!(!tried.contains("Nobody takes the call"), "{tried}");
    })
    .await;
    service.stop().await;
}
