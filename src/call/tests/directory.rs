//! Two companies with the same extensions, behind one carrier.

use crate::base::{CompanyId, NumberId, TrunkId, UserId};
use crate::directory::{
    Company, Directory, Number, NumberRecording, Role, Route, Settings, Transport, Trunk, TrunkSettings, TrunkTarget,
    User, UserOverrides,
};
use crate::sip::digest::{Algorithm, ha1};

pub const ACME: &str = "acme.test";
pub const BOLT: &str = "bolt.test";
/// The address of the carrier that both companies have a trunk to.
pub const CARRIER: &str = "192.0.2.99";

/// The password of every user of the company.
pub fn password(domain: &str) -> String {
    format!("secret of {domain}")
}

/// What a directory is made of.
pub struct Parts {
    pub companies: Vec<Company>,
    pub users: Vec<User>,
    pub numbers: Vec<Number>,
    pub trunks: Vec<Trunk>,
}

/// Acme: 201 Alice (+49301110001), 202 Bob, 203 Carol (no number), all recorded; default number
/// +49301110002 to Bob; +49301110009 leads nowhere. Bolt: 201 Otto (+49302220001), 202 Olga.
pub fn companies() -> Parts {
    let settings = Settings {
        record_inbound: true,
        record_outbound: true,
        record_internal: true,
        agent_pause: true,
        country_code: "49".to_owned(),
        ..Settings::default()
    };
    let company = |id, key: &str, domain: &str, default_number: Option<i64>| Company {
        id: CompanyId(id),
        key: key.to_owned(),
        name: key.to_owned(),
        domains: vec![domain.to_owned()],
        realm: key.to_owned(),
        settings: settings.clone(),
        default_number: default_number.map(NumberId),
    };
    Parts {
        companies: vec![company(1, "acme", ACME, Some(2)), company(2, "bolt", BOLT, None)],
        users: vec![
            user(1, 1, "201", "Alice", Some(1)),
            user(2, 1, "202", "Bob", None),
            user(3, 1, "203", "Carol", None),
            user(11, 2, "201", "Otto", Some(11)),
            user(12, 2, "202", "Olga", None),
        ],
        numbers: vec![
            number(1, 1, "+49301110001", Route::User(UserId(1))),
            number(2, 1, "+49301110002", Route::User(UserId(2))),
            number(9, 1, "+49301110009", Route::Unrouted),
            number(11, 2, "+49302220001", Route::User(UserId(11))),
        ],
        trunks: vec![trunk(1, 1), trunk(2, 2)],
    }
}

pub fn build(parts: Parts) -> Directory {
    let Parts { companies, users, numbers, trunks } = parts;
    Directory::new(companies, users, numbers, trunks)
}

fn user(id: i64, company: i64, extension: &str, name: &str, number: Option<i64>) -> User {
    let (realm, domain) = if company == 1 { ("acme", ACME) } else { ("bolt", BOLT) };
    let password = password(domain);
    User {
        id: UserId(id),
        company: CompanyId(company),
        extension: extension.to_owned(),
        name: name.to_owned(),
        auth_name: extension.to_owned(),
        ha1_md5: ha1(Algorithm::Md5, extension, realm, &password),
        ha1_sha256: ha1(Algorithm::Sha256, extension, realm, &password),
        role: Role::Agent,
        overrides: UserOverrides::default(),
        number: number.map(NumberId),
        auth: None,
        calls: Default::default(),
        destinations: None,
    }
}

fn number(id: i64, company: i64, e164: &str, route: Route) -> Number {
    Number {
        id: NumberId(id),
        company: CompanyId(company),
        e164: e164.to_owned(),
        route,
        recording: NumberRecording::Inherit,
        notice: None,
        dial_prefix: None,
        retention_days: None,
    }
}

/// A target on port 5060 over UDP.
pub fn target(host: &str, order: u16) -> TrunkTarget {
    TrunkTarget { host: host.to_owned(), port: 5060, transport: Transport::Udp, order, weight: 1 }
}

pub fn trunk(id: i64, company: i64) -> Trunk {
    Trunk {
        id: TrunkId(id),
        company: CompanyId(company),
        name: "carrier".to_owned(),
        addresses: vec![CARRIER.parse().unwrap()],
        targets: vec![target(CARRIER, 0)],
        settings: TrunkSettings::default(),
        login: None,
        inbound: None,
        texts_secret: None,
    }
}
