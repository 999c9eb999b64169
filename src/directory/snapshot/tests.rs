use super::*;
use crate::directory::{NumberRecording, Settings, Transport, TrunkSettings, TrunkTarget, UserOverrides};

fn company(id: i64, key: &str, domains: &[&str]) -> Company {
    Company {
        id: CompanyId(id),
        key: key.to_owned(),
        name: key.to_owned(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        realm: key.to_owned(),
        settings: Settings::default(),
        default_number: None,
    }
}

fn user(id: i64, company: i64, extension: &str) -> User {
    User {
        id: UserId(id),
        company: CompanyId(company),
        extension: extension.to_owned(),
        name: String::new(),
        auth_name: format!("auth{extension}"),
        ha1_md5: String::new(),
        ha1_sha256: String::new(),
        role: Role::Agent,
        overrides: UserOverrides::default(),
        number: None,
        auth: None,
        calls: Default::default(),
        destinations: None,
    }
}

fn number(id: i64, company: i64, e164: &str) -> Number {
    Number {
        id: NumberId(id),
        company: CompanyId(company),
        e164: e164.to_owned(),
        route: Route::Unrouted,
        recording: NumberRecording::Inherit,
        notice: None,
        dial_prefix: None,
        retention_days: None,
    }
}

fn trunk(id: i64, company: i64, name: &str, addresses: &[&str]) -> Trunk {
    Trunk {
        id: TrunkId(id),
        company: CompanyId(company),
        name: name.to_owned(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        targets: vec![TrunkTarget {
            host: "carrier.example".to_owned(),
            port: 5060,
            transport: Transport::Udp,
            order: 0,
            weight: 1,
        }],
        settings: TrunkSettings::default(),
        login: None,
        inbound: None,
        texts_secret: None,
    }
}

fn two_companies() -> Directory {
    Directory::new(
        [company(1, "acme", &["acme.example", "192.0.2.1", "2001:db8::1"]), company(2, "other", &["other.example"])],
        [user(1, 1, "201"), user(2, 1, "202"), user(3, 2, "201")],
        [number(1, 1, "+15550100"), number(2, 2, "+15550200"), number(3, 1, "+15550000")],
        [
            trunk(1, 2, "carrier", &["203.0.113.1"]),
            trunk(2, 1, "zeta", &["203.0.113.1"]),
            trunk(3, 1, "alpha", &["203.0.113.1", "203.0.113.1", "203.0.113.2", "198.51.100.0/24"]),
        ],
    )
}

#[test]
fn a_domain_is_found_in_every_spelling() {
    let directory = two_companies();
    let table = [
        ("acme.example", Some(1)),
        ("ACME.Example.", Some(1)),
        ("192.0.2.1", Some(1)),
        ("::ffff:192.0.2.1", Some(1)),
        ("[2001:DB8:0::1]", Some(1)),
        ("2001:db8::1", Some(1)),
        ("other.example", Some(2)),
        ("192.0.2.2", None),
        ("sub.acme.example", None),
        ("", None),
    ];
    for (domain, expected) in table {
        let got = directory.company_of_domain(domain).map(|company| company.id.0);
        assert_eq!(got, expected, "{domain}");
    }
}

#[test]
fn the_same_extension_in_two_companies_is_two_users() {
    let directory = two_companies();
    let id = |company| directory.user_by_extension(CompanyId(company), "201").map(|user| user.id);
    assert_eq!((id(1), id(2), id(3)), (Some(UserId(1)), Some(UserId(3)), None));
    assert_eq!(directory.user_by_auth(CompanyId(1), "auth202").map(|user| user.id), Some(UserId(2)));
    assert!(directory.user_by_auth(CompanyId(2), "auth202").is_none(), "no company sees another's users");
}

#[test]
fn one_carrier_address_serves_several_companies() {
    let directory = two_companies();
    let from = |ip: &str| directory.trunks_from(ip.parse().unwrap()).iter().map(|trunk| trunk.id).collect::<Vec<_>>();
    assert_eq!(from("203.0.113.1"), [TrunkId(3), TrunkId(2), TrunkId(1)], "by company, then name");
    assert_eq!(from("::ffff:203.0.113.2"), [TrunkId(3)], "an IPv4 sender on a socket of both families");
    assert_eq!((from("198.51.100.77"), from("198.51.101.1")), (vec![TrunkId(3)], vec![]), "a network");
    assert_eq!(from("203.0.113.9"), []);
    let of = |company| directory.trunk_from("203.0.113.1".parse().unwrap(), CompanyId(company)).map(|trunk| trunk.id);
    assert_eq!((of(1), of(2)), (Some(TrunkId(3)), Some(TrunkId(1))));
}

#[test]
fn lists_are_ordered() {
    let directory = two_companies();
    let names: Vec<_> = directory.trunks_of(CompanyId(1)).map(|trunk| trunk.name.as_str()).collect();
    assert_eq!(names, ["alpha", "zeta"]);
    let numbers: Vec<_> = directory.numbers_of(CompanyId(1)).map(|number| number.e164.as_str()).collect();
    assert_eq!(numbers, ["+15550000", "+15550100"]);
    assert_eq!(directory.users_of(CompanyId(1)).count(), 2);
    assert_eq!(directory.companies().count(), 2);
    assert_eq!(directory.number_by_e164("+15550200").map(|number| number.company), Some(CompanyId(2)));
}

#[test]
fn commanding_needs_agent_pause_and_a_role_that_may() {
    let table = [
        (false, None, Role::Agent, Err(Refusal::AgentPauseOff)),
        (true, None, Role::Agent, Ok(())),
        (true, None, Role::Supervisor, Ok(())),
        (true, None, Role::Admin, Ok(())),
        (true, None, Role::Analyst, Err(Refusal::Role)),
        (true, Some(false), Role::Admin, Err(Refusal::AgentPauseOff)),
        (false, Some(true), Role::Agent, Ok(())),
        (false, Some(true), Role::Analyst, Err(Refusal::Role)),
    ];
    for (company_setting, own, role, expected) in table {
        let settings = Settings { agent_pause: company_setting, ..company(1, "acme", &[]).settings };
        let overrides = UserOverrides { agent_pause: own, ..UserOverrides::default() };
        let user = User { role, overrides, ..user(1, 1, "201") };
        let what = format!("company {company_setting}, own {own:?}, {role:?}");
        assert_eq!(may_command(&settings, &user, true), expected, "{what}");
        // Of a call that they are not on agents may not, whatever is set.
        let from_outside = if role == Role::Agent { Err(Refusal::Role) } else { expected };
        assert_eq!(may_command(&settings, &user, false), from_outside, "{what}, not on the call");
    }
}

#[test]
fn the_caller_id_is_the_users_number_else_the_companys() {
    let mut acme = company(1, "acme", &[]);
    acme.default_number = Some(NumberId(7));
    let directory = Directory::new([acme, company(2, "other", &[])], [], [], []);
    let own = User { number: Some(NumberId(3)), ..user(1, 1, "201") };
    assert_eq!(directory.caller_id_of(&own), Some(NumberId(3)));
    assert_eq!(directory.caller_id_of(&user(2, 1, "202")), Some(NumberId(7)));
    assert_eq!(directory.caller_id_of(&user(3, 2, "201")), None);
}

#[test]
fn a_user_may_call_as_the_numbers_of_the_inboxes_that_they_are_in() {
    let inbox = crate::directory::InboxText {
        label: "Sales".to_owned(),
        numbers: vec!["+4930111".to_owned(), "+4930112".to_owned()],
        primary: Some("+4930111".to_owned()),
        members: vec!["201".to_owned()],
        schedule: None,
        flow: None,
        closed_flow: None,
        messaging: Vec::new(),
        history: false,
    };
    let facility = crate::directory::Facility::Inbox(inbox);
    let row = FacilityRow { id: 9, company: CompanyId(1), name: "sales".to_owned(), facility };
    let numbers = vec![number(1, 1, "+4930111"), number(2, 1, "+4930112"), number(3, 1, "+4930113")];
    let users = vec![user(1, 1, "201"), user(2, 1, "202")];
    let directory = Directory::new(vec![], users, numbers, vec![]).with_facilities([row]);
    let may = |user, number| {
        directory.may_call_as(directory.user(UserId(user)).unwrap(), directory.number(NumberId(number)).unwrap())
    };
    assert_eq!([may(1, 1), may(1, 2), may(1, 3), may(2, 2)], [true, true, false, false]);
}
