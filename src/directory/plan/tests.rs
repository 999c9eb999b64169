mod edits;
mod facilities;
mod mailboxes;

use super::*;
use crate::base::{CompanyId, NumberId, Seeded, TrunkId, UserId};
use crate::directory::{
    Company, InboundLogin, Login, LoginSecret, Number, NumberRecording, Role, Route, Settings, Transport, Trunk,
    TrunkSettings, TrunkTarget, UserOverrides,
};
use std::collections::BTreeSet;

const EXAMPLE: &str = include_str!("../../../fixtures/company.example.toml");

fn file(text: &str) -> CompanyFile {
    CompanyFile::parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn planned(current: &Directory, text: &str, prune: bool) -> Vec<String> {
    let plan = plan(current, &file(text), prune).unwrap_or_else(|errors| panic!("{errors:#?}"));
    plan.changes.iter().map(ToString::to_string).collect()
}

fn refused(current: &Directory, text: &str, prune: bool) -> Vec<String> {
    let errors = plan(current, &file(text), prune).expect_err("accepted");
    errors.iter().map(ToString::to_string).collect()
}

fn company(id: i64, key: &str, domain: &str) -> Company {
    Company {
        id: CompanyId(id),
        key: key.to_owned(),
        name: key.to_owned(),
        domains: vec![domain.to_owned()],
        realm: domain.to_owned(),
        settings: Settings::default(),
        default_number: None,
    }
}

/// Password `password-NAME`.
fn user(id: i64, company: i64, realm: &str, extension: &str) -> User {
    let (ha1_md5, ha1_sha256) = ha1(extension, realm, &format!("password-{extension}"));
    User {
        id: UserId(id),
        company: CompanyId(company),
        extension: extension.to_owned(),
        name: extension.to_owned(),
        auth_name: extension.to_owned(),
        ha1_md5,
        ha1_sha256,
        role: Role::Agent,
        overrides: UserOverrides::default(),
        number: None,
        auth: None,
        calls: Default::default(),
        destinations: None,
    }
}

/// Companies `a` (users 201 and 202, number +100 to 201, trunk t) and `b` (user 201, +200).
fn current() -> Directory {
    let number = |id, company, e164: &str, route| Number {
        id: NumberId(id),
        company: CompanyId(company),
        e164: e164.to_owned(),
        route,
        recording: NumberRecording::Inherit,
        notice: None,
        dial_prefix: None,
        retention_days: None,
    };
    let trunk = Trunk {
        id: TrunkId(1),
        company: CompanyId(1),
        name: "t".to_owned(),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        targets: vec![TrunkTarget {
            host: "192.0.2.1".to_owned(),
            port: 5060,
            transport: Transport::Udp,
            order: 0,
            weight: 1,
        }],
        settings: TrunkSettings::default(),
        login: None,
        inbound: None,
        texts_secret: None,
    };
    Directory::new(
        [company(1, "a", "a.example"), company(2, "b", "b.example")],
        [user(1, 1, "a.example", "201"), user(2, 1, "a.example", "202"), user(3, 2, "b.example", "201")],
        [number(1, 1, "+100", Route::User(UserId(1))), number(2, 2, "+200", Route::Unrouted)],
        [trunk],
    )
    .with_version(7)
}

#[test]
fn a_first_file_adds_everything() {
    let lines = planned(&Directory::default(), EXAMPLE, false);
    let heads: Vec<_> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = [
        "+ company acme",
        "+ user 201 of acme",
        "+ user 202 of acme",
        "+ number +15550100 of acme",
        "+ trunk carrier of acme",
    ];
    assert_eq!(heads, expected);
    assert!(lines[1].contains("name Alice, auth_name 201, role supervisor, number +15550100, password as given"));
}

#[test]
fn what_the_file_does_not_mention_is_left_alone() {
    let current = current();
    assert_eq!(planned(&current, "[[company]]\nkey = 'a'", false), [""; 0]);
    assert_eq!(planned(&current, "[[user]]\ncompany = 'a'\nextension = '201'", false), [""; 0]);
    assert_eq!(
        planned(&current, "[[company]]\nkey = 'a'\n[company.settings]\nrecord_inbound = true\nplay = 'all'", false),
        ["~ company a: record_inbound off → on, play own → all"]
    );
}

#[test]
fn a_company_has_emergency_numbers_and_no_user_stands_in_their_way() {
    let current = current();
    let settings = |keys: &str| format!("[[company]]\nkey = 'a'\n[company.settings]\n{keys}");
    assert_eq!(
        planned(&current, &settings("emergency_numbers = ['110', '112']\nservice_numbers = ['11833']"), false),
        ["~ company a: emergency_numbers 112, 911 → 110, 112, service_numbers none → 11833"]
    );
    assert_eq!(
        refused(&current, &settings("emergency_numbers = []"), false),
        ["company a: `emergency_numbers` is empty: nobody could call for help; write e.g. [\"112\", \"911\"]"]
    );
    let taken = refused(&current, &settings("emergency_numbers = ['112', '201']"), false);
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(taken[0].starts_with("user 201 of a: 201 is an emergency number of this company"), "{taken:?}");
    let unreadable = CompanyFile::parse(&settings("emergency_numbers = ['+112']")).unwrap_err();
    assert!(unreadable[0].to_string().contains("`+112` is not a short number"), "{unreadable:?}");
}

#[test]
fn a_company_says_what_its_recordings_are_like() {
    let current = current();
    let settings = |keys: &str| format!("[[company]]\nkey = 'a'\n[company.settings]\n{keys}");
    let keys = "channels = 'mono'\npause = 'cut'\npause_reminder_s = 15\nmax_pause_s = 600\nnotice_refuse = '9'";
    assert_eq!(
        planned(&current, &settings(keys), false),
        ["~ company a: notice_refuse off → 9, channels stereo → mono, pause silence → cut, pause_reminder_s 0 → 15, \
          max_pause_s 0 → 600"]
    );
    assert_eq!(
        planned(&current, &settings("time_zone = 'Europe/Berlin'"), false),
        ["~ company a: time_zone UTC → Europe/Berlin"]
    );
    let defaults = "time_zone = 'UTC'\nchannels = 'stereo'\npause = 'silence'\npause_reminder_s = 0\nmax_pause_s = 0\nnotice_refuse = 'off'";
    assert_eq!(planned(&current, &settings(defaults), false), [""; 0]);
    for (keys, problem) in [
        ("channels = 'left'", "unknown variant `left`"),
        ("pause = 'loud'", "unknown variant `loud`"),
        ("pause_reminder_s = 1", "1 s is not a time between two reminders"),
        ("max_pause_s = 4", "4 s is not the longest pause"),
        ("notice_refuse = '99'", "`99` is not a key of a phone"),
        ("time_zone = 'Berlin'", "`Berlin` is not a time zone: write its IANA name"),
    ] {
        let unreadable = CompanyFile::parse(&settings(keys)).unwrap_err();
        assert!(unreadable[0].to_string().contains(problem), "{unreadable:?}");
    }
}

#[test]
fn a_company_and_a_number_say_how_long_recordings_are_kept() {
    let current = current();
    let file = |company: &str, number: &str| {
        format!(
            "[[company]]\nkey = 'a'\n[company.settings]\nretention_days = {company}\n\
             [[number]]\nnumber = '+100'\nretention_days = {number}"
        )
    };
    assert_eq!(
        planned(&current, &file("365", "0"), false),
        ["~ company a: retention_days 0 → 365", "~ number +100 of a: retention_days inherit → 0"]
    );
    assert_eq!(planned(&current, &file("0", "'inherit'"), false), [""; 0]);
    for (company, number) in [("36501", "0"), ("'inherit'", "0"), ("0", "-1"), ("0", "'for ever'")] {
        assert!(CompanyFile::parse(&file(company, number)).is_err(), "{company}, {number}");
    }
}

#[test]
fn each_kind_of_change_is_one_line() {
    let text = "
        [[company]]
        key = 'a'
        default_number = '+101'
        domains = ['a.example', 'x.example']
        [company.settings]
        auth = ['sha-256', 'md5']
        country_code = '49'
        [[user]]
        extension = '201'
        name = 'Alice'
        number = '+101'
        agent_pause = true
        [[user]]
        extension = '202'
        password = 'another-one'
        [[user]]
        extension = '203'
        generate_password = true
        [[number]]
        number = '+100'
        route = 'user:203'
        recording = 'off'
        [[number]]
        number = '+101'
        [[trunk]]
        name = 't'
        transport = 'tcp'
        [[trunk]]
        name = 'u'
        host = '198.51.100.7'
        only_encrypted = true
        transfer_from_outside = false
    ";
    let expected = [
        "~ company a: domains a.example → a.example, x.example, default_number none → +101, \
         auth md5 → sha-256, md5, country_code none → 49",
        "~ user 201 of a: name 201 → Alice, number none → +101, agent_pause inherit → on",
        "~ user 202 of a: password as given",
        "+ user 203 of a: name 203, auth_name 203, role agent, password generated",
        "~ number +100 of a: route user:201 → user:203, recording inherit → off",
        "+ number +101 of a: route unrouted",
        "~ trunk t of a: targets 192.0.2.1:5060/udp → 192.0.2.1:5060/tcp",
        "+ trunk u of a: addresses 198.51.100.7, targets 198.51.100.7:5060/udp, number_format plus, \
         patience_ms 5000, only_encrypted yes, transfer_from_outside no",
    ];
    assert_eq!(planned(&current(), text, false), expected);
}

#[test]
fn a_password_that_is_the_stored_one_is_no_change() {
    let text = |password: &str| format!("[[user]]\ncompany = 'a'\nextension = '201'\npassword = '{password}'");
    assert_eq!(planned(&current(), &text("password-201"), false), [""; 0]);
    assert_eq!(planned(&current(), &text("password-202"), false), ["~ user 201 of a: password as given"]);
    let generate = "[[user]]\ncompany = 'a'\nextension = '201'\ngenerate_password = true";
    assert_eq!(planned(&current(), generate, false), [""; 0], "one is made only where there is none");
}

#[test]
fn prune_removes_what_a_named_company_does_not_name() {
    let text = "
        [[company]]
        key = 'a'
        [[user]]
        extension = '202'
    ";
    let expected = ["- user 201 of a (201)", "- number +100 of a", "- trunk t of a"];
    assert_eq!(planned(&current(), text, true), expected);
    assert_eq!(planned(&current(), text, false), [""; 0]);
    let unnamed = "[[user]]\ncompany = 'a'\nextension = '202'";
    assert_eq!(planned(&current(), unnamed, true), [""; 0], "a company without [[company]] is not pruned");
}

#[test]
fn a_number_can_move_to_another_company_only_when_it_leaves_the_first() {
    let text = "
        [[company]]
        key = 'a'
        [[company]]
        key = 'b'
        [[number]]
        company = 'b'
        number = '+100'
    ";
    let expected = [
        "- user 201 of a (201)",
        "- user 202 of a (202)",
        "- number +100 of a",
        "- trunk t of a",
        "- user 201 of b (201)",
        "- number +200 of b",
        "+ number +100 of b: route unrouted",
    ];
    assert_eq!(planned(&current(), text, true), expected);
    let owned = "number +100 of b: number +100 belongs to company a: take it from there first, or choose another";
    assert_eq!(refused(&current(), text, false), [owned]);
}

#[test]
fn what_would_not_hold_is_refused_with_the_way_out() {
    let table = [
        ("[[company]]\nkey = 'a'\nrealm = 'new'", "company a: realm `new`: the realm is `a.example` and never changes"),
        ("[[company]]\nkey = 'a'\ndomains = []", "company a: `domains` is empty"),
        ("[[company]]\nkey = 'c'", "company c: `domains` is empty"),
        (
            "[[company]]\nkey = 'b'\ndomains = ['b.example', 'A.Example']",
            "company b: domain `a.example` belongs to company a",
        ),
        ("[[company]]\nkey = 'a'\ndomains = ['b.example']", "company a: domain `b.example` belongs to company b"),
        ("[[number]]\ncompany = 'a'\nnumber = '+200'", "number +200 of a: number +200 belongs to company b"),
        (
            "[[user]]\ncompany = 'a'\nextension = '199'\nauth_name = '202'\npassword = 'long-enough'",
            "user 199 of a: auth_name `202` is that of user 202 too",
        ),
        ("[[company]]\nkey = 'b'\ndomains = ['b.example', 'B.example']", "company b: domain `b.example` stands twice"),
        (
            "[[company]]\nkey = 'a'\ndefault_number = '+200'",
            "company a: default_number +200 is not a number of this company",
        ),
        (
            "[[company]]\nkey = 'a'\n[company.settings.commands]\npause = '#12#'",
            "company a: commands: pause `#12#` and start `#12#`: one contains the other",
        ),
        (
            "[[company]]\nkey = 'a'\n[company.settings.commands]\npause = '12'",
            "company a: commands: pause `12` and start `#12#`: one contains the other",
        ),
        (
            "[[company]]\nkey = 'a'\n[company.settings]\nnotice_refuse = '5'",
            "company a: notice_refuse `5`: the service's own words say nine",
        ),
        ("[[company]]\nkey = 'a'\n[company.settings]\nauth = []", "company a: auth names no algorithm"),
        (
            "[[company]]\nkey = 'a'\n[company.settings]\nauth = ['md5', 'md5']",
            "company a: auth names an algorithm twice",
        ),
        (
            "[[user]]\ncompany = 'z'\nextension = '201'",
            "user 201 of z: company `z` is neither in this file nor in the service",
        ),
        (
            "[[trunk]]\ncompany = 'z'\nname = 't'",
            "trunk t of z: company `z` is neither in this file nor in the service",
        ),
        ("[[number]]\ncompany = 'z'\nnumber = '+33'", "number +33 of z: company `z` is neither in this file"),
        ("[[user]]\ncompany = 'a'\nextension = '203'", "user 203 of a: has no password"),
        (
            "[[user]]\ncompany = 'a'\nextension = '203'\npassword = 'long-enough'\ngenerate_password = true",
            "user 203 of a: both `password` and `generate_password`",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\nauth_name = 'alice'",
            "user 201 of a: auth_name becomes `alice`: give `password` too",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '202'\nauth_name = '201'\npassword = 'long-enough'",
            "user 202 of a: auth_name `201` is that of user 201 too",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\nnumber = '+200'",
            "user 201 of a: number +200 is not a number of this company",
        ),
        ("[[number]]\ncompany = 'a'\nnumber = '+100'\nroute = 'user:999'", "number +100 of a: route `user:999`"),
        ("[[number]]\ncompany = 'b'\nnumber = '+200'\nroute = 'user:202'", "number +200 of b: route `user:202`"),
        ("[[trunk]]\ncompany = 'a'\nname = 'new'", "trunk new of a: `host` is missing"),
    ];
    for (text, expected) in table {
        let errors = refused(&current(), text, false);
        assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
        assert!(errors[0].starts_with(expected), "{text}\n got {}\nwant {expected}", errors[0]);
    }
}

#[test]
fn pruning_a_user_whom_a_number_still_routes_to_is_refused() {
    let text = "[[company]]\nkey = 'a'\n[[number]]\nnumber = '+100'";
    let errors = refused(&current(), text, true);
    assert_eq!(
        errors,
        ["number +100 of a: route `user:201`: the company has no such user: add one, or route elsewhere"]
    );
}

#[test]
fn problems_of_several_things_are_said_together() {
    let text = "[[company]]\nkey = 'a'\nrealm = 'x'\n[[user]]\nextension = '300'\n[[trunk]]\nname = 'q'";
    assert_eq!(refused(&current(), text, false).len(), 3);
}

#[test]
fn a_plan_carries_the_version_it_was_made_for() {
    let plan = plan(&current(), &file("[[company]]\nkey = 'a'\nname = 'A'"), false).unwrap();
    assert_eq!((plan.version, plan.changes.len()), (7, 1));
}

#[test]
fn hashes_are_those_of_the_rfcs() {
    // RFC 7616 §3.9.1.
    let (md5, sha256) = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
    assert_eq!(md5, "3d78807defe7de2157e2b0b6573a855f");
    assert_eq!(sha256, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
}

#[test]
fn a_generated_password_can_be_typed_and_is_never_shown_by_the_plan() {
    let wanted =
        NewPassword { realm: "a.example".to_owned(), auth_name: "201".to_owned(), what: PasswordWanted::Generate };
    let drawn = wanted.draw(&mut Seeded(1));
    let secret = drawn.generated().unwrap().reveal().to_owned();
    assert_eq!(secret.len(), 20);
    assert!(secret.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{secret}");
    assert!(!format!("{drawn:?}").contains(&secret));
    let hashes = drawn.hash().unwrap();
    assert_eq!(hashes.ha1_md5, ha1("201", "a.example", &secret).0);
    assert!(hashes.argon2.starts_with("$argon2id$v=19$"), "{}", hashes.argon2);
    assert_ne!(wanted.draw(&mut Seeded(2)).generated().unwrap().reveal(), secret);
}

/// The trunk that the file makes of `before`.
fn trunk_of(before: Option<Trunk>, keys: &str) -> Result<TrunkState, Vec<String>> {
    let current = Directory::new([company(1, "a", "a.example")], [], [], before);
    let text = format!("[[trunk]]\ncompany = 'a'\nname = 't'\n{keys}");
    let plan = plan(&current, &file(&text), false);
    let plan = plan.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    match plan.changes.into_iter().next() {
        Some(Change::AddTrunk { to } | Change::ChangeTrunk { from: _, to }) => Ok(to),
        change => panic!("{change:?}"),
    }
}

fn row(state: TrunkState) -> Trunk {
    let TrunkState { company: _, name, addresses, targets, settings, login, inbound, texts_secret } = state;
    Trunk { id: TrunkId(1), company: CompanyId(1), name, addresses, targets, settings, login, inbound, texts_secret }
}

const HOST: &str = "host = '192.0.2.1'\n";

#[test]
fn a_password_for_a_carrier_is_kept_as_hashes_where_its_realm_is_named_and_else_in_clear() {
    let clear = trunk_of(None, &format!("{HOST}username = 'acme'\npassword = 'x1'")).unwrap();
    let Some(Login { user, secret: LoginSecret::Clear(secret) }) = &clear.login else { panic!("{clear:?}") };
    assert_eq!((user.as_str(), secret.reveal()), ("acme", "x1"));
    let (md5, sha256) = ha1("acme", "carrier", "x1");
    let hashes = Some(LoginSecret::Hashes { realm: "carrier".to_owned(), md5, sha256 });
    let named = trunk_of(Some(row(clear)), "realm = 'carrier'").unwrap();
    assert_eq!(named.login.as_ref().map(|login| login.secret.clone()), hashes, "naming the realm is enough");
    let shown = format!(
        "{named:?} {}",
        planned(
            &current(),
            &format!("[[trunk]]\ncompany = 'a'\nname = 'z'\n{HOST}username = 'acme'\npassword = 'x1-sesame'"),
            false
        )
        .concat()
    );
    assert!(!shown.contains("sesame") && shown.contains("in clear"), "{shown}");
    for (keys, error) in [("realm = 'other'", "realm changes"), ("username = 'zoe'", "username changes")] {
        let errors = trunk_of(Some(row(named.clone())), keys).unwrap_err();
        assert!(errors.concat().contains(error), "{errors:?}");
    }
    assert_eq!(trunk_of(Some(row(named)), "username = ''").unwrap().login, None);
}

#[test]
fn of_a_trunks_own_password_only_hashes_in_the_companys_realm_are_kept() {
    let trunk = trunk_of(None, &format!("{HOST}inbound_username = 'pbx'\ninbound_password = 'y'")).unwrap();
    let (ha1_md5, ha1_sha256) = ha1("pbx", "a.example", "y");
    assert_eq!(trunk.inbound, Some(InboundLogin { user: "pbx".to_owned(), ha1_md5, ha1_sha256 }));
    let changed = "[[trunk]]\ncompany = 'a'\nname = 't'\ninbound_password = 'other'";
    let current = Directory::new([company(1, "a", "a.example")], [], [], [row(trunk)]);
    assert_eq!(planned(&current, changed, false), ["~ trunk t of a: password as given"]);
    let same = changed.replace("other", "y");
    assert_eq!(planned(&current, &same, false), [""; 0]);
}

#[test]
fn targets_are_one_host_or_a_list() {
    let several = "targets = [{ host = 'a.example' }, { host = 'b.example', port = 5070, order = 1, weight = 3 }]";
    let trunk = trunk_of(None, several).unwrap();
    let shown: Vec<_> = trunk.targets.iter().map(|t| (t.to_string(), t.order, t.weight)).collect();
    assert_eq!(shown, [("a.example:5060/udp".to_owned(), 0, 1), ("b.example:5070/udp".to_owned(), 1, 3)]);
    assert_eq!(trunk.addresses, [], "a name is no address");
    let one = trunk_of(Some(row(trunk.clone())), "host = 'c.example'\nport = 5080").unwrap();
    assert_eq!(one.targets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["c.example:5080/udp"]);
    let moved = trunk_of(Some(row(one)), "port = 5090").unwrap();
    assert_eq!(moved.targets[0].to_string(), "c.example:5090/udp");
    let limited = trunk_of(Some(row(trunk)), "max_calls = 5").unwrap();
    assert_eq!((limited.targets.len(), limited.settings.max_calls), (2, Some(5)));
}

#[test]
fn what_cannot_hold_of_a_trunk_is_said_with_the_way_out() {
    let table = [
        ("targets = []", "`targets` is empty"),
        ("targets = [{ port = 5060 }]", "target 1 has no `host`"),
        ("host = 'a.example'\ntargets = [{ host = 'b.example' }]", "both `targets` and `host`"),
        ("host = 'a.example'\nregister = true", "`register = true` without `username`"),
        ("host = 'a.example'\nusername = 'u'", "`username` `u` has no password"),
        ("host = 'a.example'\npassword = 'p'", "`password` without `username`"),
        ("host = 'a.example'\ninbound_username = 'u'", "give `inbound_password`"),
        ("host = 'a.example'\nnumber_format = 'national'", "no `country_code`"),
        ("host = 'a.example'\naddresses = ['0.0.0.0/0']", "nearly everybody is in it"),
    ];
    for (keys, expected) in table {
        let errors = trunk_of(None, keys).expect_err(keys).concat();
        assert!(errors.contains(expected), "{keys}: {errors}");
    }
    let open = "host = 'a.example'\naddresses = ['0.0.0.0/0']\ninbound_username = 'u'\ninbound_password = 'p'";
    assert!(trunk_of(None, open).is_ok());
    let taken =
        "[[trunk]]\ncompany = 'a'\nname = 'q'\nhost = 'h.example'\ninbound_username = '201'\ninbound_password = 'p'";
    assert_eq!(
        refused(&current(), taken, false),
        ["trunk q of a: inbound_username `201` is that of user 201 too: choose another"]
    );
}

/// What is shown and exported ([`keys`]) and what a plan tells of ([`state::Field`]) are the same keys, but
/// for the name of a thing and what is told of in one piece.
#[test]
fn a_plan_tells_of_every_key_that_is_shown() {
    let world = state::worlds(&standalone(&file(EXAMPLE)).unwrap()).into_values().next().unwrap();
    let apart = |kind: &str, shown: keys::Keys, told: Vec<state::Field>, but: [&[&'static str]; 2]| {
        let shown: BTreeSet<&'static str> = shown.into_iter().map(|(key, _)| key).collect();
        let told: BTreeSet<&'static str> = told.into_iter().map(|(key, _)| key).collect();
        let only = |one: &BTreeSet<&'static str>, other: &BTreeSet<&'static str>| {
            one.difference(other).copied().collect::<Vec<_>>()
        };
        assert_eq!([only(&shown, &told), only(&told, &shown)], but.map(<[_]>::to_vec), "{kind}");
    };
    let company = &world.company;
    let shown = company.keys().into_iter().chain(keys::setting_keys(&company.settings)).collect();
    // What a plan tells of in parts.
    let parts = |field: &state::Field| field.0.contains('.');
    let (in_parts, told): (Vec<_>, Vec<_>) = company.fields().into_iter().partition(parts);
    apart("company", shown, told, [&["commands", "key", "voicemail"], &[]]);
    let tables: BTreeSet<&str> = in_parts.iter().filter_map(|(key, _)| key.split('.').next()).collect();
    assert_eq!(tables.into_iter().collect::<Vec<_>>(), ["commands", "voicemail"]);
    world.users.values().for_each(|user| apart("user", user.keys(), user.fields(), [&["extension"], &[]]));
    world.numbers.values().for_each(|number| apart("number", number.keys(), number.fields(), [&["number"], &[]]));
    for trunk in world.trunks.values() {
        apart("trunk", trunk.keys(), trunk.fields(), [&["name", "realm", "register_expires_s"], &["password"]]);
    }
    assert!(world.trunks.len() + world.users.len() + world.numbers.len() > 2, "the example has some of each");
}
