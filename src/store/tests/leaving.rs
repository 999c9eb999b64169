//! Users who are deactivated or go, and the directory as a company file again.

use super::*;
use crate::directory::Sound;
use crate::directory::plan::{Edit, Prompts, Replacement, export, plan_edit};
use crate::store::By;

/// Nearly every key that a company file has, each with another value than it has by itself.
const RICH: &str = r##"
[[company]]
key = "rich"
name = "Rich & Sons"
domains = ["rich.example", "192.0.2.7"]
realm = "the realm"
default_number = "+15550101"
[company.settings]
record_inbound = true
agent_pause = true
call_visibility = "group_calls"
play = "all"
download = true
on_recording_failure = "announce"
notice = "outside"
notice_refuse = "9"
channels = "mono"
pause = "cut"
pause_reminder_s = 30
max_pause_s = 600
codecs = ["opus", "pcma"]
auth = ["sha-256", "md5"]
country_code = "49"
national_prefix = ""
emergency_numbers = ["110", "112"]
service_numbers = ["11833"]
destinations = ["+49", "!+49900"]
commands = { pause = "*1", start = "*2" }
[[user]]
extension = "201"
name = "Jürgen 'J' Müller"
auth_name = "juergen"
password = "juergen-secret"
role = "admin"
number = "+15550100"
default_inbox = "support"
agent_pause = false
call_visibility = "all"
play = "own"
download = false
auth = ["md5"]
ring_s = 20
on_busy = "group:sales"
on_no_answer = "number:+4930555"
on_unregistered = "user:202"
destinations = ["+"]
[[user]]
extension = "202"
password = "zwei-secret"
[[user]]
extension = "203"
password = "drei-secret"
deactivated = true
on_busy = "user:202"
[[number]]
number = "+15550100"
route = "user:201"
recording = "on"
notice = "both"
dial_prefix = "*1"
[[number]]
number = "+15550101"
[[number]]
number = "+15550102"
route = "flow:main"
[[number]]
number = "+15550103"
route = "inbox:support"
[[trunk]]
name = "carrier"
addresses = ["192.0.2.0/24"]
targets = [{ host = "a.example", transport = "tcp" }, { host = "b.example", port = 5080, order = 1, weight = 3 }]
number_format = "national"
trusted = true
max_calls = 7
keepalive_s = 60
patience_ms = 900
register = true
register_expires_s = 120
domain = "carrier.example"
only_encrypted = true
transfer_from_outside = false
username = "we"
password = "carrier-secret"
realm = "carrier"
[[trunk]]
name = "plain"
host = "198.51.100.9"
username = "we"
password = "clear-secret"
inbound_username = "they"
inbound_password = "their-secret"
[[group]]
name = "sales"
label = "The 'sales' people"
members = ["202", "201"]
subscribe_members = true
[[inbox]]
name = "support"
label = "Support"
numbers = ["+15550102", "+15550101"]
primary = "+15550101"
members = ["201"]
time_zone = "Europe/Berlin"
hours = ["mon-fri 09:00-17:00"]
holidays = ["12-25", "2027-05-31"]
flow = "main"
closed_flow = "closed"
[[flow]]
name = "main"
start = "record"
[[flow.step]]
name = "again"
do = "announce"
prompt = "hello"
next = "choose"
[[flow.step]]
name = "record"
do = "recording"
on = true
next = "again"
[[flow.step]]
name = "choose"
do = "menu"
prompt = "hello"
digits = { 1 = "team", "#" = "out", "*" = "hours" }
timeout = "team"
invalid = "again"
seconds = 9
[[flow.step]]
name = "team"
do = "ring"
target = "group:sales"
how = "longest_idle"
seconds = 12
next = "end"
[[flow.step]]
name = "out"
do = "forward"
to = "number:+4930555"
[[flow.step]]
name = "hours"
do = "schedule"
time_zone = "Europe/Berlin"
hours = ["daily 10:00-11:00"]
open = "team"
closed = "end"
[[flow.step]]
name = "end"
do = "hangup"
cause = 486
[[flow]]
name = "closed"
[[flow.step]]
name = "box"
do = "ring"
target = "inbox:support"
[[prompt]]
name = "hello"
file = "hello.wav"
"##;

fn rich() -> CompanyFile {
    with_sounds(CompanyFile::parse(RICH).unwrap_or_else(|errors| panic!("{errors:#?}")))
}

fn with_sounds(mut file: CompanyFile) -> CompanyFile {
    for prompt in &mut file.prompts {
        prompt.keys.sound = Some(Sound((0..4_000).map(|n| n as i16).collect()));
    }
    file
}

fn by(seconds: u64) -> By {
    By { at: at(seconds), user: None, who: "operator".to_owned(), source: "test".to_owned(), keeps: None }
}

impl Lab {
    async fn lay(&self, file: &CompanyFile) -> Applied {
        let plan = plan::plan(&self.store.load_directory().await.unwrap(), file, false);
        let plan = plan.unwrap_or_else(|errors| panic!("{errors:#?}"));
        self.store.apply_by(&plan, &by(0), &mut Seeded(1)).await.unwrap()
    }

    async fn edit(&self, edit: &Edit, seconds: u64) {
        let plan = plan_edit(&self.store.load_directory().await.unwrap(), edit).unwrap();
        self.store.apply_by(&plan, &by(seconds), &mut Seeded(1)).await.unwrap();
    }
}

#[tokio::test]
async fn an_export_changes_nothing_here_and_makes_the_same_elsewhere() {
    let lab = Lab::new().await;
    lab.lay(&rich()).await;
    lab.apply("[[company]]\nkey = \"small\"\ndomains = [\"small.example\"]", false).await;
    let directory = lab.store.load_directory().await.unwrap();
    let exported = export(&directory, None, Prompts::Written).unwrap();
    for secret in ["-secret", "juergen:"] {
        assert!(!exported.text.contains(secret), "{}", exported.text);
    }
    assert_eq!(exported.sounds.len(), 1);
    let file = with_sounds(CompanyFile::parse(&exported.text).unwrap_or_else(|errors| panic!("{errors:#?}")));
    for prune in [false, true] {
        assert_eq!(plan::plan(&directory, &file, prune).unwrap().changes, []);
    }
    // Secrets of trunks are to be given anew: until then nothing is applied.
    let other = Lab::new().await;
    let missing = plan::plan(&Directory::default(), &file, false).unwrap_err();
    assert_eq!(missing.len(), 3, "{missing:?}");
    let text = exported
        .text
        .replace("# password is not exported: where the trunk is new, give it here", "password = \"new-secret\"")
        .replace(
            "# inbound_password is not exported: where the trunk is new, give it here",
            "inbound_password = 'new'",
        );
    let applied = other.lay(&with_sounds(CompanyFile::parse(&text).unwrap())).await;
    assert_eq!(applied.generated.len(), 3, "users get passwords that are made there");
    let there = other.store.load_directory().await.unwrap();
    assert_eq!(export(&there, None, Prompts::Written).unwrap(), exported);
    assert_eq!(plan::plan(&there, &file, true).unwrap().changes, []);

    let one = export(&directory, Some("small"), Prompts::Named).unwrap();
    assert!(one.text.contains("small.example") && !one.text.contains("rich"), "{}", one.text);
    assert_eq!(export(&directory, Some("none"), Prompts::Named), None);
    assert!(export(&directory, Some("rich"), Prompts::Named).unwrap().text.contains("# prompt hello of rich"));
}

#[tokio::test]
async fn who_is_deactivated_can_do_nothing_and_loses_nothing_of_before() {
    let lab = Lab::new().await;
    lab.lay(&rich()).await;
    let before = lab.store.load_directory().await.unwrap();
    let company = before.company_by_key("rich").unwrap().id;
    let user = before.user_by_extension(company, "201").unwrap().id;
    let heir = before.user_by_extension(company, "202").unwrap().id;
    let number = |e164: &str| before.number_by_e164(e164).unwrap().id;
    let (one, two) = (number("+15550100"), number("+15550102"));
    lab.store.subscribe(company, one, user, at(1)).await;
    lab.store.subscribe(company, two, user, at(1)).await;
    lab.store.subscribe(company, two, heir, at(2)).await;
    let new = crate::store::NewToken {
        kind: crate::store::TokenKind::Token,
        owner: crate::store::Owner::User(user),
        name: "t".to_owned(),
        hash: "h".to_owned(),
        scopes: Vec::new(),
        created: at(1),
        expires: at(1_000),
    };
    lab.store.add_token(&new, u32::MAX).await.unwrap().unwrap();

    let to = Replacement::User("202".to_owned());
    let edit = Edit::Deactivate { company: "rich".to_owned(), extension: "201".to_owned(), to };
    let plan = plan_edit(&before, &edit).unwrap();
    let unsigned = lab.store.apply(&plan, &mut Seeded(1)).await;
    assert!(matches!(unsigned, Err(StoreError::Unsigned)), "what ends, ends at a time");
    lab.edit(&edit, 10).await;

    let now = lab.store.load_directory().await.unwrap();
    assert!(now.user(user).is_none() && now.user_by_extension(company, "201").is_none());
    assert!(now.user_by_auth(company, "juergen").is_none());
    assert_eq!(now.user_ever(user).map(|user| user.name.as_str()), Some("Jürgen 'J' Müller"));
    assert_eq!(lab.store.token_by_hash("h", at(11)).await.unwrap(), None);
    let intervals = lab.store.subscriptions_of(user).await.unwrap();
    assert!(intervals.len() == 2 && intervals.iter().all(|one| one.until == Some(at(10))), "{intervals:?}");
    let of_heir = lab.store.subscriptions_of(heir).await.unwrap();
    let since: Vec<_> = of_heir.iter().map(|one| (one.number, one.from, one.until)).collect();
    assert!(
        since.contains(&(one, at(10), None)) && since.contains(&(two, at(2), None)) && since.len() == 2,
        "{since:?}"
    );
    let log = lab.store.access_log(company, 0, 1_000).await.unwrap();
    let lines: Vec<&str> = log.iter().map(|line| line.thing.as_str()).collect();
    assert!(
        lines.contains(&"user 201: to 202") && lines.contains(&"user 201: number, default_inbox, deactivated"),
        "{lines:?}"
    );
    assert!(lab.store.verify_access_log().await.unwrap().is_ok());

    // Their name stays theirs, and they come back as they were.
    let taken = "[[user]]\ncompany='rich'\nextension='204'\nauth_name='juergen'\npassword='another-one'";
    let refused = plan::plan(&now, &CompanyFile::parse(taken).unwrap(), false).unwrap_err();
    assert!(refused[0].to_string().contains("is that of user 201 too"), "{refused:?}");
    lab.lay(&CompanyFile::parse("[[user]]\ncompany='rich'\nextension='201'\ndeactivated=false").unwrap()).await;
    let back = lab.store.load_directory().await.unwrap();
    let user_back = back.user(user).unwrap();
    assert_eq!((user_back.number, &user_back.ha1_md5), (None, &before.user(user).unwrap().ha1_md5));
    assert!(lab.store.subscribers_of(one).await.unwrap() == [heir], "subscriptions do not come back by themselves");
}
