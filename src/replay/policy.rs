//! Whose calls a capture holds, and what policy says to each: the company file (the one that
//! `telegraphone apply` takes), or, without one, a company that records everything.
//!
//! | without a company file | |
//! |---|---|
//! | users of the company | every party whose address is not an E.164 number (`+…`, or 7 digits and more) |
//! | direction | both users: internal; one: outbound or inbound; none: inbound, not recorded |
//! | recording | on for every direction; every user may pause (`#11#`) and start (`#12#`) |

use crate::base::{CompanyId, Direction, NumberId, Side, Span, UserId};
use crate::directory::file::{CompanyFile, FileError};
use crate::directory::plan::standalone;
use crate::directory::{
    Company, Directory, Number, NumberRecording, Role, Route, Settings, User, UserOverrides, may_command,
    normalise_number,
};
use crate::ledger::{Channels, Party, PauseInFile};
use crate::media::Commander;
use crate::policy::{Facts, Matcher, Rules};
use crate::sip::uri::NameAddr;
use std::net::IpAddr;

/// Digits from which on an address without `+` is taken for a number of the outside.
const OUTSIDE_DIGITS: usize = 7;

/// Who asked for a call, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub from: NameAddr,
    pub to: NameAddr,
    /// Where the INVITE came from.
    pub source: IpAddr,
}

/// What holds for one call from its beginning to its end.
#[derive(Clone, Debug)]
pub struct Ruling {
    pub company: CompanyId,
    pub company_name: String,
    pub direction: Direction,
    /// Caller, callee.
    pub parties: [Party; 2],
    /// The company's number on this call.
    pub number: Option<NumberId>,
    pub rules: Rules,
    pub commanders: [Option<Commander>; 2],
    pub record_while_held: bool,
    pub channels: Channels,
    pub pause: PauseInFile,
    /// What was not as it should be, for people.
    pub note: Option<String>,
}

/// The policy that calls of captures are put to.
#[derive(Clone, Debug)]
pub struct Policy {
    directory: Directory,
    /// Addresses that look like extensions are users without being in the directory.
    anyone: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let settings = Settings {
            record_inbound: true,
            record_outbound: true,
            record_internal: true,
            agent_pause: true,
            ..Settings::default()
        };
        let company = Company {
            id: CompanyId(1),
            key: "replay".to_owned(),
            name: "Replay".to_owned(),
            domains: Vec::new(),
            realm: "replay".to_owned(),
            settings,
            default_number: None,
        };
        Policy { directory: Directory::new([company], [], [], []), anyone: true }
    }
}

/// A party as policy sees it.
struct Seen<'a> {
    party: Party,
    user: Option<&'a User>,
    /// The company's number that was dialled for it.
    number: Option<&'a Number>,
}

impl Policy {
    /// The policy of a company file. Passwords in it are not needed.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn from_company_file(text: &str) -> Result<Self, Vec<FileError>> {
        let directory = standalone(&CompanyFile::parse(text)?)?;
        Ok(Policy { directory, anyone: false })
    }

    /// What holds for a call.
    pub fn rule(&self, asked: &Asked) -> Ruling {
        let Some(company) = self.company_of(asked) else {
            return nobodys(asked, "no company of the company file is a party of it".to_owned());
        };
        let outside = self.directory.trunk_from(asked.source, company.id).is_some();
        let caller = self.see(company, &asked.from, outside);
        let callee = self.see(company, &asked.to, false);
        self.ruling(company, caller, callee)
    }

    /// What holds where nothing but addresses is known of the parties: both may be users.
    pub fn rule_unnamed(&self, parties: [String; 2]) -> Ruling {
        let Some(company) = self.directory.companies().next() else {
            let [from, to] = parties;
            return without_company([from, to].map(|address| Party { address, ..Party::default() }), "no company");
        };
        let settings = &company.settings;
        let facts = Facts::at_start(Direction::Internal, settings, NumberRecording::Inherit, None);
        Ruling {
            company: company.id,
            company_name: company.name.clone(),
            direction: Direction::Internal,
            parties: parties.map(|address| Party { address, ..Party::default() }),
            number: None,
            rules: Rules { facts, failed: false },
            commanders: [Some(commander(company, Ok(()))), Some(commander(company, Ok(())))],
            record_while_held: settings.record_while_held,
            channels: settings.channels,
            pause: settings.pause,
            note: Some("no signalling: taken for an internal call whose parties may both command".to_owned()),
        }
    }

    /// By domain, by trunk, by number, else the only one that there is.
    fn company_of(&self, asked: &Asked) -> Option<&Company> {
        let by_domain = |address: &NameAddr| self.directory.company_of_domain(&address.uri.host.to_string());
        let by_number = |address: &NameAddr| {
            let number = self.directory.number_by_e164(&address.uri.user_unescaped()?)?;
            self.directory.company(number.company)
        };
        let (from, to) = (&asked.from, &asked.to);
        let trunks = self.directory.trunks_from(asked.source);
        let by_trunk = || self.directory.company(trunks.first()?.company);
        let mut all = self.directory.companies();
        let only = all.next().filter(|_| all.next().is_none());
        by_number(to)
            .or_else(|| by_domain(from))
            .or_else(|| by_domain(to))
            .or_else(by_trunk)
            .or_else(|| by_number(from))
            .or(only)
    }

    fn see<'a>(&'a self, company: &'a Company, address: &NameAddr, outside: bool) -> Seen<'a> {
        let said = said(address);
        let name = address.display.clone().unwrap_or_default();
        let directory = &self.directory;
        let user = directory.user_by_extension(company.id, &said).or_else(|| directory.user_by_auth(company.id, &said));
        if let Some(user) = user.filter(|_| !outside) {
            return Seen { party: party_of(user), user: Some(user), number: None };
        }
        let e164 = normalise_number(&said, company);
        let number = e164
            .as_deref()
            .and_then(|e164| directory.number_by_e164(e164))
            .filter(|number| number.company == company.id);
        let routed = number.filter(|_| !outside).and_then(|number| match number.route {
            Route::User(user) => directory.user(user),
            Route::Unrouted | Route::Group(_) | Route::Inbox(_) | Route::Flow(_) => None,
        });
        match routed {
            Some(user) => Seen { party: party_of(user), user: Some(user), number },
            None => Seen { party: Party { user: None, address: e164.unwrap_or(said), name }, user: None, number },
        }
    }

    fn ruling<'a>(&'a self, company: &Company, mut caller: Seen<'a>, mut callee: Seen<'a>) -> Ruling {
        if self.anyone {
            for Party { user, address, .. } in [&mut caller.party, &mut callee.party] {
                *user = user.or_else(|| extension(address));
            }
        }
        let (from_inside, to_inside) = (caller.party.user.is_some(), callee.party.user.is_some());
        let direction = match (from_inside, to_inside) {
            (true, true) => Direction::Internal,
            (true, false) => Direction::Outbound,
            (false, true | false) => Direction::Inbound,
        };
        let number = match direction {
            Direction::Outbound => {
                let id = caller.user.and_then(|user| self.directory.caller_id_of(user));
                id.and_then(|id| self.directory.number(id))
            }
            Direction::Inbound | Direction::Internal => callee.number,
        };
        let known = from_inside || to_inside || callee.number.is_some();
        let recording = number.map_or(NumberRecording::Inherit, |number| number.recording);
        let mut facts = Facts::at_start(direction, &company.settings, recording, None);
        facts.toggle &= known;
        let note = (!known).then(|| "neither party is a user or a number of the company: not recorded".to_owned());
        Ruling {
            company: company.id,
            company_name: company.name.clone(),
            direction,
            number: number.map(|number| number.id),
            rules: Rules { facts, failed: false },
            commanders: [self.commander(company, &caller), self.commander(company, &callee)],
            parties: [caller.party, callee.party],
            record_while_held: company.settings.record_while_held,
            channels: company.settings.channels,
            pause: company.settings.pause,
            note,
        }
    }

    fn commander(&self, company: &Company, seen: &Seen<'_>) -> Option<Commander> {
        seen.party.user?;
        let permitted = match seen.user {
            Some(user) => may_command(&company.settings, user, true),
            None => may_command(&company.settings, &stand_in(company), true),
        };
        Some(commander(company, permitted))
    }
}

fn commander(company: &Company, permitted: Result<(), crate::ledger::Refusal>) -> Commander {
    let settings = &company.settings;
    Commander {
        matcher: Matcher::new(&settings.commands.pause, &settings.commands.start),
        permitted,
        max_hold: Span::from_millis(u64::from(settings.max_hold_ms)),
    }
}

/// The agent that an extension without a directory stands for.
fn stand_in(company: &Company) -> User {
    User {
        id: UserId(0),
        company: company.id,
        extension: String::new(),
        name: String::new(),
        auth_name: String::new(),
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

/// The user that an address stands for where no directory says it: its number is the id.
fn extension(address: &str) -> Option<UserId> {
    let digits = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_digit());
    let outside = address.starts_with('+') || (digits && address.len() >= OUTSIDE_DIGITS) || address == "anonymous";
    (!outside).then(|| UserId(address.parse().unwrap_or(0)))
}

fn said(address: &NameAddr) -> String {
    address.uri.user_unescaped().unwrap_or_else(|| "anonymous".to_owned())
}

fn party_of(user: &User) -> Party {
    Party { user: Some(user.id), address: user.extension.clone(), name: user.name.clone() }
}

fn nobodys(asked: &Asked, note: String) -> Ruling {
    let party = |address: &NameAddr| Party {
        user: None,
        address: said(address),
        name: address.display.clone().unwrap_or_default(),
    };
    without_company([party(&asked.from), party(&asked.to)], &note)
}

fn without_company(parties: [Party; 2], note: &str) -> Ruling {
    let direction = Direction::Inbound;
    let facts = Facts {
        refused: false,
        voicemail: false,
        step: None,
        command: None,
        number: NumberRecording::Inherit,
        direction,
        toggle: false,
    };
    Ruling {
        company: CompanyId(0),
        company_name: String::new(),
        direction,
        parties,
        number: None,
        rules: Rules { facts, failed: false },
        commanders: [None, None],
        record_while_held: false,
        channels: Channels::Stereo,
        pause: PauseInFile::Silence,
        note: Some(format!("{note}: not recorded")),
    }
}

/// Who `side` is, for the list of commands.
pub fn name_of(ruling: &Ruling, side: Side) -> (UserId, String) {
    let [caller, callee] = &ruling.parties;
    let party = match side {
        Side::Caller => caller,
        Side::Callee => callee,
    };
    let name = if party.name.is_empty() { &party.address } else { &party.name };
    (party.user.unwrap_or(UserId(0)), name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Refusal;

    fn asked(from: &str, to: &str, source: &str) -> Asked {
        let address = |text: &str| NameAddr::parse(text).unwrap();
        Asked { from: address(from), to: address(to), source: source.parse().unwrap() }
    }

    #[test]
    fn without_a_file_extensions_are_users_and_numbers_are_outside() {
        let rows = [
            ("201", "202", Direction::Internal, true, [true, true]),
            ("+441632960123", "202", Direction::Inbound, true, [false, true]),
            ("201", "+441632960456", Direction::Outbound, true, [true, false]),
            ("201", "5550100", Direction::Outbound, true, [true, false]),
            ("alice", "bob", Direction::Internal, true, [true, true]),
            ("+441632960123", "+441632960456", Direction::Inbound, false, [false, false]),
        ];
        for (from, to, direction, record, commanders) in rows {
            let address = |user: &str| format!("<sip:{user}@example.test>");
            let ruling = Policy::default().rule(&asked(&address(from), &address(to), "198.51.100.11"));
            let commands = ruling.commanders.map(|commander| commander.is_some_and(|c| c.permitted.is_ok()));
            assert_eq!(
                (ruling.direction, ruling.rules.open(), commands),
                (direction, record, commanders),
                "{from} to {to}"
            );
        }
    }

    const FILE: &str = "
        [[company]]
        key = 'acme'
        domains = ['acme.example']
        default_number = '+15550100'
        [company.settings]
        record_inbound = true
        record_internal = false
        agent_pause = true
        [[user]]
        extension = '201'
        name = 'Alice'
        [[user]]
        extension = '202'
        role = 'analyst'
        [[number]]
        number = '+15550100'
        route = 'user:201'
        [[number]]
        number = '+15550199'
        route = 'user:202'
        recording = 'off'
        [[trunk]]
        name = 'carrier'
        host = '192.0.2.1'
    ";

    #[test]
    fn a_company_file_says_who_is_who_and_what_is_recorded() {
        let policy = Policy::from_company_file(FILE).unwrap();
        let rows = [
            ("<sip:201@acme.example>", "<sip:202@acme.example>", "10.0.0.1", Direction::Internal, false),
            ("<sip:+4916093@x.example>", "<sip:+15550100@acme.example>", "192.0.2.1", Direction::Inbound, true),
            ("<sip:201@x.example>", "<sip:+15550100@acme.example>", "192.0.2.1", Direction::Inbound, true),
            ("<sip:+4916093@x.example>", "<sip:+15550199@acme.example>", "192.0.2.1", Direction::Inbound, false),
            ("<sip:201@acme.example>", "<sip:+15550999@acme.example>", "10.0.0.1", Direction::Outbound, false),
            ("<sip:201@acme.example>", "<sip:+15550199@acme.example>", "10.0.0.1", Direction::Internal, false),
            ("<sip:8@x.example>", "<sip:9@y.example>", "10.0.0.1", Direction::Inbound, false),
        ];
        for (from, to, source, direction, record) in rows {
            let ruling = policy.rule(&asked(from, to, source));
            assert_eq!((ruling.direction, ruling.rules.open()), (direction, record), "{from} to {to} from {source}");
        }
        let ruling = policy.rule(&asked("<sip:201@acme.example>", "<sip:202@acme.example>", "10.0.0.1"));
        let permitted = ruling.commanders.map(|commander| commander.map(|c| c.permitted));
        assert_eq!(permitted, [Some(Ok(())), Some(Err(Refusal::Role))]);
        assert_eq!(name_of(&ruling, Side::Caller).1, "Alice");
    }
}
