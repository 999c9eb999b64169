use super::*;
use crate::base::Span;
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;
use proptest::prelude::*;

/// 204 and 205 are agents in the group `sales`; 206 is an agent alone; `support` is 205's inbox.
const COMPANY: &str = r#"
[[company]]
key = "acme"
domains = ["acme.example"]
[company.settings]
LEVELS
[[user]]
extension = "201"
role = "admin"
password = "first-secret"
[[user]]
extension = "202"
role = "supervisor"
password = "first-secret"
OVERRIDES
[[user]]
extension = "203"
role = "analyst"
password = "first-secret"
OVERRIDES
[[user]]
extension = "204"
password = "first-secret"
OVERRIDES
[[user]]
extension = "205"
password = "first-secret"
[[user]]
extension = "206"
password = "first-secret"
[[group]]
name = "sales"
members = ["204", "205"]
[[number]]
number = "+15550101"
route = "group:sales"
[[number]]
number = "+15550102"
route = "user:204"
[[number]]
number = "+15550103"
[[number]]
number = "+15550104"
route = "flow:desk"
[[number]]
number = "+15550105"
route = "user:206"
[[inbox]]
name = "support"
numbers = ["+15550103"]
members = ["205"]
[[flow]]
name = "desk"
[[flow.step]]
name = "hours"
do = "schedule"
time_zone = "UTC"
hours = ["mon-fri 09:00-17:00"]
open = "sales"
closed = "away"
[[flow.step]]
name = "sales"
do = "ring"
target = "group:sales"
[[flow.step]]
name = "away"
do = "forward"
to = "number:+15550105"
"#;

fn directory(levels: &str, overrides: &str) -> Directory {
    let text = COMPANY.replace("LEVELS", levels).replace("OVERRIDES", overrides);
    standalone(&CompanyFile::parse(&text).unwrap()).unwrap()
}

fn user<'d>(directory: &'d Directory, extension: &str) -> (&'d Company, &'d User) {
    let company = directory.company_by_key("acme").unwrap();
    (company, directory.user_by_extension(company.id, extension).unwrap())
}

fn scope(directory: &Directory, extension: &str, subscribed: &[Subscribed]) -> Scope {
    let (company, user) = user(directory, extension);
    Scope::of(directory, company, user, subscribed.to_vec())
}

fn at(seconds: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
}

/// A call over `number` (its last digit) between `users` and the outside, ended at 100 s.
fn call(directory: &Directory, number: u8, users: &[&str]) -> CallFacts {
    let (company, _) = user(directory, "201");
    let number = directory.number_by_e164(&format!("+1555010{number}")).unwrap();
    CallFacts {
        company: company.id,
        users: users.iter().map(|extension| user(directory, extension).1.id).collect(),
        number: Some(number.id),
        missed: users.is_empty(),
        ended: Some(at(100)),
        recorded: true,
    }
}

#[test]
fn each_level_shows_an_agent_what_seed_001_says() {
    // The number of the call, its parties; whether 204 sees it at the four levels.
    let rows: [(&str, u8, &[&str], [bool; 4]); 9] = [
        ("a call that they took", 5, &["204"], [true, true, true, true]),
        ("missed, to their group", 1, &[], [true, true, true, true]),
        ("missed, to their number", 2, &[], [true, true, true, true]),
        ("missed, to a flow that rings their group", 4, &[], [true, true, true, true]),
        ("missed, to somebody else", 5, &[], [false, false, false, true]),
        ("another's, through their group", 1, &["205"], [false, true, true, true]),
        ("another's, through a flow that rings their group", 4, &["205"], [false, true, true, true]),
        ("another's, through their number", 2, &["205"], [false, false, true, true]),
        ("another's, through an inbox that they are not in", 3, &["205"], [false, false, false, true]),
    ];
    let levels = ["own_and_missed", "group_calls", "group_and_number_calls", "all"];
    for (what, number, users, seen) in rows {
        for (level, seen) in levels.into_iter().zip(seen) {
            let company = directory(&format!("call_visibility = \"{level}\""), "");
            let reason = scope(&company, "204", &[]).visible(&call(&company, number, users));
            assert_eq!(reason.is_some(), seen, "{what}, at {level}: {reason:?}");
            // The user's own setting rules over the company's.
            let own = directory("call_visibility = \"own_and_missed\"", &format!("call_visibility = \"{level}\""));
            let reason = scope(&own, "204", &[]).visible(&call(&own, number, users));
            assert_eq!(reason.is_some(), seen, "{what}, at their own {level}: {reason:?}");
        }
    }
}

#[test]
fn members_of_an_inbox_see_all_its_calls_whatever_the_level() {
    let company = directory("call_visibility = \"own_and_missed\"", "");
    let inbox = company.inboxes_of(company.company_by_key("acme").unwrap().id).next().unwrap().id;
    let taken = call(&company, 3, &["206"]);
    assert_eq!(scope(&company, "205", &[]).visible(&taken), Some(Reason::Inbox { inbox }));
    assert_eq!(scope(&company, "204", &[]).visible(&taken), None);
}

#[test]
fn company_settings_are_for_agents_and_in_analytics_for_everybody() {
    let strict = "call_visibility = \"own_and_missed\"\nplay = \"none\"\ndownload = false";
    let company = directory(strict, "");
    let other = call(&company, 5, &["206"]);
    for (extension, sees) in [("201", true), ("202", true), ("203", true), ("204", false)] {
        let scope = scope(&company, extension, &[]);
        assert_eq!(scope.visible(&other).is_some(), sees, "{extension}");
        assert_eq!(scope.downloadable(&other), sees, "{extension}");
        let (of, user) = user(&company, extension);
        let analytics = Scope::in_analytics(&company, of, user, Vec::new());
        assert_eq!(analytics.visible(&other), None, "{extension} in analytics");
    }
    // Their own settings bind supervisors and analysts; an admin has none that does.
    let bound = directory("call_visibility = \"all\"\nplay = \"all\"", "call_visibility = \"own_and_missed\"");
    for (extension, sees) in [("201", true), ("202", false), ("203", false), ("204", false)] {
        assert_eq!(scope(&bound, extension, &[]).visible(&call(&bound, 5, &["206"])).is_some(), sees, "{extension}");
    }
}

#[test]
fn play_and_download_limit_what_is_seen() {
    let mine = |company: &Directory| call(company, 1, &["204"]);
    let others = |company: &Directory| call(company, 1, &["205"]);
    // play, download; what 204 can play and fetch of their own call, and of another's.
    let rows = [
        ("all", true, [true, true], [true, true]),
        ("all", false, [true, false], [true, false]),
        ("own", true, [true, true], [false, false]),
        ("own", false, [true, false], [false, false]),
        ("none", true, [false, false], [false, false]),
    ];
    for (play, download, own, other) in rows {
        let settings = format!("call_visibility = \"group_calls\"\nplay = \"{play}\"\ndownload = {download}");
        let company = directory(&settings, "");
        let scope = scope(&company, "204", &[]);
        for (call, [plays, fetches]) in [(mine(&company), own), (others(&company), other)] {
            assert!(scope.visible(&call).is_some());
            assert_eq!(scope.playable(&call), plays, "play = {play}: {call:?}");
            assert_eq!(scope.downloadable(&call), fetches, "play = {play}, download = {download}");
            assert_eq!(scope.playing().visible(&call).is_some(), plays, "play = {play}, as a list");
        }
    }
}

#[test]
fn a_subscriber_gets_the_recordings_that_end_in_their_interval() {
    let company = directory("call_visibility = \"own_and_missed\"\nplay = \"own\"", "");
    let number = company.number_by_e164("+15550105").unwrap().id;
    let taken = call(&company, 5, &["206"]);
    let rows = [
        ("from before, and on", 50, None, true),
        ("begun at its end", 100, None, true),
        ("begun after it", 101, None, false),
        ("over before it", 0, Some(100), false),
        ("over after it: what was received stays", 0, Some(101), true),
    ];
    for (what, from, until, gets) in rows {
        let subscribed = [Subscribed { number, from: at(from), until: until.map(at) }];
        let scope = scope(&company, "204", &subscribed);
        assert_eq!(scope.visible(&taken) == Some(Reason::Subscription), gets, "{what}");
        assert_eq!(scope.playable(&taken), gets, "{what}: listening is granted under `own` too");
        let unrecorded = CallFacts { recorded: false, ..taken.clone() };
        assert_eq!(scope.visible(&unrecorded), None, "{what}: it is the recordings that are subscribed to");
    }
    let silent = directory("play = \"none\"", "");
    let subscribed = [Subscribed { number, from: at(0), until: None }];
    assert!(!scope(&silent, "204", &subscribed).playable(&taken), "`none` withholds every recording");
    assert_eq!(scope(&silent, "204", &subscribed).visible(&taken), None);
}

#[test]
fn nothing_of_another_company_is_ever_seen() {
    let company = directory("call_visibility = \"all\"\nplay = \"all\"", "");
    let foreign = CallFacts { company: CompanyId(99), ..call(&company, 1, &["204"]) };
    for extension in ["201", "202", "203", "204", "205", "206"] {
        let number = foreign.number.unwrap();
        let scope = scope(&company, extension, &[Subscribed { number, from: at(0), until: None }]);
        assert_eq!(scope.visible(&foreign), None, "{extension}");
        assert!(!scope.playable(&foreign) && !scope.downloadable(&foreign));
    }
    assert!(Scope::of_whole(foreign.company).downloadable(&foreign));
}

proptest! {
    /// What can be fetched can be played, what can be played is seen, and the narrowed scope of
    /// a list of recordings is exactly what can be played.
    #[test]
    fn rights_are_nested(
        level in prop::sample::select(vec!["own_and_missed", "group_calls", "group_and_number_calls", "all"]),
        play in prop::sample::select(vec!["all", "own", "none"]),
        download: bool,
        viewer in prop::sample::select(vec!["201", "202", "203", "204", "205", "206"]),
        number in 1u8..=5,
        parties in prop::sample::subsequence(vec!["201", "204", "205", "206"], 0..=2),
        recorded: bool,
        subscribed in prop::option::of((0u64..200, prop::option::of(0u64..200))),
    ) {
        let settings = format!("call_visibility = \"{level}\"\nplay = \"{play}\"\ndownload = {download}");
        let company = directory(&settings, "");
        let call = CallFacts { recorded, ..call(&company, number, &parties) };
        let interval = subscribed.map(|(from, until)| Subscribed {
            number: call.number.unwrap(),
            from: at(from),
            until: until.map(at),
        });
        let scope = scope(&company, viewer, interval.as_slice());
        prop_assert!(!scope.downloadable(&call) || scope.playable(&call));
        prop_assert!(!scope.playable(&call) || scope.visible(&call).is_some());
        prop_assert_eq!(scope.playing().visible(&call).is_some(), scope.playable(&call));
    }
}
