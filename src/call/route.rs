//! Where a call goes: pure functions of the directory that say why not.

use super::path::Start;
use crate::base::{CompanyId, Direction, NumberId, TrunkId, UserId};
use crate::directory::{Directory, Number, ShortNumber, User, normalise_number, short_number};
use crate::ledger::Party;
use crate::sip::message::Request;
use crate::sip::uri::Uri;
use std::net::IpAddr;
use thiserror::Error;

/// Who is at the calling end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub company: CompanyId,
    pub caller: Party,
    /// Through which trunk it came.
    pub trunk: Option<TrunkId>,
}

/// Where the call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub direction: Direction,
    pub origin: Origin,
    pub callee: Party,
    /// The called number (inbound, or internal over a number), or the caller id (outbound).
    pub number: Option<NumberId>,
    pub target: Target,
    /// A call for help: what limits or refuses other calls does not hold for it.
    pub emergency: bool,
}

/// Who is to be rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    User(UserId),
    /// As a call flow says, or the ways that a user has chosen for calls that they cannot take.
    Path(Start),
    /// Out through a trunk, to an E.164, emergency or service number, with the caller id of ours.
    Trunk {
        trunk: TrunkId,
        called: String,
        caller_id: String,
    },
}

/// Why a call goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoRoute {
    #[error("{0} is neither an extension nor a number that can be called")]
    Unknown(String),
    #[error("the number {0} leads nowhere")]
    Unrouted(String),
    #[error("no caller id: the user has no number and the company no default number")]
    NoCallerId,
    #[error("the company has no trunk")]
    NoTrunk,
}

impl NoRoute {
    pub const fn status(&self) -> u16 {
        match self {
            NoRoute::Unknown(_) | NoRoute::Unrouted(_) => 404,
            NoRoute::NoCallerId => 403,
            NoRoute::NoTrunk => 503,
        }
    }
}

/// A call of an authenticated user to what was dialled.
pub fn route_from_user(directory: &Directory, user: &User, dialled: &str) -> Result<Destination, NoRoute> {
    let unknown = || NoRoute::Unknown(dialled.to_owned());
    let company = directory.company(user.company).ok_or_else(unknown)?;
    let origin = Origin { company: company.id, caller: party_of(user), trunk: None };
    let service = match short_number(dialled, company) {
        // Before all else: nothing that comes below may stand in its way.
        Some(ShortNumber::Emergency(called)) => return for_help(directory, user, origin, called),
        Some(ShortNumber::Service(called)) => Some(called),
        None => None,
    };
    if let Some(callee) = directory.user_by_extension(company.id, dialled) {
        return Ok(internal(origin, callee, None));
    }
    if let Some(called) = service {
        return through_a_trunk(directory, user, origin, called);
    }
    let called = normalise_number(dialled, company).ok_or_else(unknown)?;
    // A company number dialled from inside is an internal call; another company's number is
    // reached through a trunk like anybody's.
    if let Some(number) = directory.number_by_e164(&called).filter(|number| number.company == company.id) {
        let (callee, target) = called_number_leads(directory, number).ok_or(NoRoute::Unrouted(called))?;
        return Ok(Destination {
            direction: Direction::Internal,
            origin,
            callee,
            number: Some(number.id),
            target,
            emergency: false,
        });
    }
    through_a_trunk(directory, user, origin, called)
}

/// Out to `called`, with the user's caller id.
fn through_a_trunk(directory: &Directory, user: &User, origin: Origin, called: String) -> Result<Destination, NoRoute> {
    let number = directory.caller_id_of(user).ok_or(NoRoute::NoCallerId)?;
    let caller_id = directory.number(number).ok_or(NoRoute::NoCallerId)?.e164.clone();
    let trunk = directory.trunks_of(user.company).next().ok_or(NoRoute::NoTrunk)?;
    Ok(Destination {
        direction: Direction::Outbound,
        origin,
        callee: Party { user: None, address: called.clone(), name: String::new() },
        number: Some(number),
        target: Target::Trunk { trunk: trunk.id, called, caller_id },
        emergency: false,
    })
}

/// An emergency call. It needs a trunk and nothing else: without a caller id of the user or the
/// company it takes any number of the company, for the call back, and goes without one at the last.
fn for_help(directory: &Directory, user: &User, origin: Origin, called: String) -> Result<Destination, NoRoute> {
    let trunk = directory.trunks_of(user.company).next().ok_or(NoRoute::NoTrunk)?;
    let usual = directory.caller_id_of(user).and_then(|id| directory.number(id));
    let number = usual.or_else(|| directory.numbers_of(user.company).next());
    Ok(Destination {
        direction: Direction::Outbound,
        origin,
        callee: Party { user: None, address: called.clone(), name: String::new() },
        number: number.map(|number| number.id),
        target: Target::Trunk {
            trunk: trunk.id,
            called,
            caller_id: number.map_or_else(|| "anonymous".to_owned(), |number| number.e164.clone()),
        },
        emergency: true,
    })
}

fn internal(origin: Origin, callee: &User, number: Option<NumberId>) -> Destination {
    let target = user_target(callee);
    Destination { direction: Direction::Internal, origin, callee: party_of(callee), number, target, emergency: false }
}

/// A user who has chosen nothing for calls that they cannot take is simply rung.
fn user_target(user: &User) -> Target {
    match user.calls.unanswered.is_empty() && user.calls.ring_s.is_none() {
        true => Target::User(user.id),
        false => Target::Path(Start::User(user.id)),
    }
}

/// Whom a call to a number of the company is for, and where it goes; `None`: nowhere.
pub(super) fn called_number_leads(directory: &Directory, number: &Number) -> Option<(Party, Target)> {
    let label = |name: &str| Party { user: None, address: number.e164.clone(), name: name.to_owned() };
    let start = Start::of(directory.route_of(number))?;
    let party = match start {
        Start::User(id) => {
            let user = directory.user(id)?;
            return Some((party_of(user), user_target(user)));
        }
        Start::Group(id) => label(&directory.group(id)?.label),
        Start::Inbox(id) => label(&directory.inbox(id)?.label),
        Start::Flow(id) => label(&directory.flow(id)?.name),
    };
    Some((party, Target::Path(start)))
}

/// Out through a trunk, for a call to `number` that is sent on: with that number as caller id,
/// else the company's default.
pub(super) fn onward(
    directory: &Directory,
    company: CompanyId,
    number: Option<NumberId>,
    called: &str,
) -> Result<Target, NoRoute> {
    let default = directory.company(company).and_then(|company| company.default_number);
    let number = number.or(default).and_then(|id| directory.number(id)).ok_or(NoRoute::NoCallerId)?;
    let trunk = directory.trunks_of(company).next().ok_or(NoRoute::NoTrunk)?;
    Ok(Target::Trunk { trunk: trunk.id, called: called.to_owned(), caller_id: number.e164.clone() })
}

/// A call that comes from the address of a trunk: the called number picks the company. `None` when
/// no trunk has that address.
pub fn route_from_trunk(
    directory: &Directory,
    from: IpAddr,
    request: &Request,
) -> Option<Result<Destination, NoRoute>> {
    let trunks = directory.trunks_from(from);
    if trunks.is_empty() {
        return None;
    }
    let dialled = user_part(&request.uri);
    for trunk in trunks.iter().filter_map(|id| directory.trunk(*id)) {
        let Some(company) = directory.company(trunk.company) else { continue };
        let Some(called) = called_number(&dialled, company) else { continue };
        let Some(number) = directory.number_by_e164(&called).filter(|number| number.company == company.id) else {
            continue;
        };
        let Some((callee, target)) = called_number_leads(directory, number) else {
            return Some(Err(NoRoute::Unrouted(called)));
        };
        let origin = Origin { company: company.id, caller: outside_party(request, company), trunk: Some(trunk.id) };
        return Some(Ok(Destination {
            direction: Direction::Inbound,
            origin,
            callee,
            number: Some(number.id),
            target,
            emergency: false,
        }));
    }
    Some(Err(NoRoute::Unknown(dialled)))
}

/// Carriers write numbers with or without the plus sign.
fn called_number(dialled: &str, company: &crate::directory::Company) -> Option<String> {
    let bare = dialled.trim_start_matches('+');
    let with_plus = normalise_number(&format!("+{bare}"), company);
    match dialled.starts_with("00") {
        true => normalise_number(dialled, company),
        false => with_plus.or_else(|| normalise_number(dialled, company)),
    }
}

/// The user part of a URI, unescaped; of a `tel:` URI the number.
pub fn user_part(uri: &Uri) -> String {
    uri.user_unescaped().unwrap_or_else(|| uri.host.to_string())
}

fn party_of(user: &User) -> Party {
    Party { user: Some(user.id), address: user.extension.clone(), name: user.name.clone() }
}

fn outside_party(request: &Request, company: &crate::directory::Company) -> Party {
    let Ok(from) = request.from() else {
        return Party { address: "anonymous".to_owned(), ..Party::default() };
    };
    let said = from.uri.user_unescaped().unwrap_or_else(|| "anonymous".to_owned());
    let address = called_number(&said, company).unwrap_or(said);
    Party { user: None, address, name: from.display.unwrap_or_default() }
}
