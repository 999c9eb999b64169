//! Where a call goes: pure functions of the directory that say why not.

use super::identity::{Wish, is_withheld, outside_party};
use super::path::Start;
use super::voicemail::Chosen;
use crate::base::{CompanyId, Direction, NumberId, TrunkId, UserId};
use crate::directory::{
    Barred, Company, DEFAULT_CONTEXT, Directory, Number, ShortNumber, Trunk, User, may_call, normalise_number,
    short_number,
};
use crate::ledger::Party;
use crate::sip::message::Request;
use crate::sip::uri::Uri;
use thiserror::Error;

/// Who is at the calling end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub company: CompanyId,
    pub caller: Party,
    /// Through which trunk it came.
    pub trunk: Option<TrunkId>,
    /// The caller's number is not shown to the called party.
    pub withheld: bool,
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
    /// Out through one of the company's trunks, to an E.164, emergency or service number, with the caller id of ours.
    Trunk {
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
    #[error("{0} is not a number that this user may call as")]
    NotYours(String),
    #[error(transparent)]
    Barred(#[from] Barred),
    #[error("the company has no trunk")]
    NoTrunk,
}

impl NoRoute {
    pub const fn status(&self) -> u16 {
        match self {
            NoRoute::Unknown(_) | NoRoute::Unrouted(_) => 404,
            NoRoute::NoCallerId | NoRoute::NotYours(_) | NoRoute::Barred(_) => 403,
            NoRoute::NoTrunk => 503,
        }
    }

    /// What the log may know: no number of people.
    pub fn for_log(&self) -> String {
        match self {
            NoRoute::NotYours(_) => "the caller id is not a number of this user".to_owned(),
            NoRoute::Unknown(_) | NoRoute::Unrouted(_) => "the number leads nowhere".to_owned(),
            NoRoute::NoCallerId | NoRoute::Barred(_) | NoRoute::NoTrunk => self.to_string(),
        }
    }

    /// Reason (RFC 3326) of what is refused on purpose: Q.850's "call rejected", and why.
    pub fn reason_header(&self) -> Option<String> {
        let refused = match self {
            NoRoute::NoCallerId | NoRoute::NotYours(_) | NoRoute::Barred(_) => true,
            NoRoute::Unknown(_) | NoRoute::Unrouted(_) | NoRoute::NoTrunk => false,
        };
        let text: String = self.to_string().chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
        refused.then(|| format!("Q.850;cause=21;text=\"{text}\""))
    }
}

/// A call of an authenticated user to what was dialled.
pub fn route_from_user(directory: &Directory, user: &User, dialled: &str, wish: &Wish) -> Result<Destination, NoRoute> {
    let unknown = || NoRoute::Unknown(dialled.to_owned());
    let company = directory.company(user.company).ok_or_else(unknown)?;
    let origin = Origin { company: company.id, caller: party_of(user), trunk: None, withheld: wish.withheld };
    let service = match short_number(dialled, company) {
        // Before all else: nothing that comes below may stand in its way.
        Some(ShortNumber::Emergency(called)) => return for_help(directory, user, origin, called),
        Some(ShortNumber::Service(called)) => Some(called),
        None => None,
    };
    if let Some(callee) = directory.user_by_extension(company.id, dialled) {
        return Ok(internal(directory, origin, callee));
    }
    if let Some(chosen) = menu_of(directory, user, dialled) {
        return Ok(to_menu(origin, dialled, chosen));
    }
    if let Some(called) = service {
        let number = caller_number(directory, user, company, None, wish)?;
        return through_a_trunk(directory, origin, called, number);
    }
    let (chosen, dialled) = match directory.by_dial_prefix(company.id, dialled) {
        Some((number, rest)) => (Some(number), rest),
        None => (None, dialled),
    };
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
    may_call(company, Some(user), &called)?;
    let number = caller_number(directory, user, company, chosen, wish)?;
    through_a_trunk(directory, origin, called, number)
}

/// Out to `called`, as `number`.
fn through_a_trunk(
    directory: &Directory,
    origin: Origin,
    called: String,
    number: &Number,
) -> Result<Destination, NoRoute> {
    directory.trunks_of(origin.company).next().ok_or(NoRoute::NoTrunk)?;
    Ok(Destination {
        direction: Direction::Outbound,
        origin,
        callee: Party { user: None, address: called.clone(), name: String::new() },
        number: Some(number.id),
        target: Target::Trunk { called, caller_id: number.e164.clone() },
        emergency: false,
    })
}

/// An emergency call. It needs a trunk and nothing else: without a caller id of the user or the
/// company it takes any number of the company, for the call back, and goes without one at the last.
fn for_help(directory: &Directory, user: &User, origin: Origin, called: String) -> Result<Destination, NoRoute> {
    directory.trunks_of(user.company).next().ok_or(NoRoute::NoTrunk)?;
    let usual = directory.caller_id_of(user).and_then(|id| directory.number(id));
    let number = usual.or_else(|| directory.numbers_of(user.company).next());
    let caller_id = number.map_or_else(|| "anonymous".to_owned(), |number| number.e164.clone());
    Ok(Destination {
        direction: Direction::Outbound,
        origin,
        callee: Party { user: None, address: called.clone(), name: String::new() },
        number: number.map(|number| number.id),
        target: Target::Trunk { called, caller_id },
        emergency: true,
    })
}

/// The number that the user chose for this call, by dial prefix or by P-Preferred-Identity, else
/// the usual one. A phone that names its own extension there has chosen nothing.
fn caller_number<'a>(
    directory: &'a Directory,
    user: &User,
    company: &Company,
    chosen: Option<&'a Number>,
    wish: &Wish,
) -> Result<&'a Number, NoRoute> {
    let said = wish.number.as_deref().filter(|said| *said != user.extension && *said != user.auth_name);
    let number = match (chosen, said) {
        (Some(number), _) => number,
        (None, Some(said)) => normalise_number(said, company)
            .and_then(|e164| directory.number_by_e164(&e164))
            .filter(|number| number.company == company.id)
            .ok_or_else(|| NoRoute::NotYours(said.to_owned()))?,
        (None, None) => {
            let usual = directory.caller_id_of(user).ok_or(NoRoute::NoCallerId)?;
            return directory.number(usual).ok_or(NoRoute::NoCallerId);
        }
    };
    match directory.may_call_as(user, number) {
        true => Ok(number),
        false => Err(NoRoute::NotYours(number.e164.clone())),
    }
}

fn internal(directory: &Directory, origin: Origin, callee: &User) -> Destination {
    let target = user_target(directory, callee);
    let (direction, callee) = (Direction::Internal, party_of(callee));
    Destination { direction, origin, callee, number: None, target, emergency: false }
}

/// The call that opens a user's own voicemail box; with a number behind [`ANY_BOX`], that box.
const OWN_BOX: &str = "*98";
const ANY_BOX: &str = "*99";

/// The box that a user wants to listen to by what they dialled.
fn menu_of(directory: &Directory, user: &User, dialled: &str) -> Option<Chosen> {
    if dialled == OWN_BOX {
        return Some(Chosen::Own);
    }
    let number = dialled.strip_prefix(ANY_BOX)?;
    if number.is_empty() {
        return Some(Chosen::Ask);
    }
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mailbox = directory.mailbox_by_number(user.company, context_of(directory, user.id), number);
    Some(mailbox.map_or(Chosen::Unknown, |mailbox| Chosen::Box(mailbox.id)))
}

/// Where the boxes are that a user can name by their number alone: where their own is.
pub(super) fn context_of(directory: &Directory, user: UserId) -> &str {
    directory.mailbox_of_user(user).map_or(DEFAULT_CONTEXT, |mailbox| &mailbox.context)
}

fn to_menu(origin: Origin, dialled: &str, chosen: Chosen) -> Destination {
    let callee = Party { user: None, address: dialled.to_owned(), name: String::new() };
    let target = Target::Path(Start::Menu(chosen));
    Destination { direction: Direction::Internal, origin, callee, number: None, target, emergency: false }
}

/// A user who has neither a box nor a way of their own for calls that they cannot take is simply rung.
fn user_target(directory: &Directory, user: &User) -> Target {
    let has_box = directory.mailbox_of_user(user.id).is_some_and(|mailbox| mailbox.settings.enabled);
    match user.calls.unanswered.is_empty() && user.calls.ring_s.is_none() && !has_box {
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
            return Some((party_of(user), user_target(directory, user)));
        }
        Start::Group(id) => label(&directory.group(id)?.label),
        Start::Inbox(id) => label(&directory.inbox(id)?.label),
        Start::Flow(id) => label(&directory.flow(id)?.name),
        // No number leads there.
        Start::Menu(_) => return None,
    };
    Some((party, Target::Path(start)))
}

/// Out through a trunk, for a call to `number` that is sent on: with that number as caller id,
/// else the company's default. Where `user` has chosen to be reached there, their list of
/// destinations holds, else the company's.
pub(super) fn onward(
    directory: &Directory,
    company: CompanyId,
    number: Option<NumberId>,
    user: Option<UserId>,
    called: &str,
) -> Result<Target, NoRoute> {
    let of = directory.company(company).ok_or_else(|| NoRoute::Unknown(called.to_owned()))?;
    may_call(of, user.and_then(|id| directory.user(id)), called)?;
    let number = number.or(of.default_number).and_then(|id| directory.number(id)).ok_or(NoRoute::NoCallerId)?;
    directory.trunks_of(company).next().ok_or(NoRoute::NoTrunk)?;
    Ok(Target::Trunk { called: called.to_owned(), caller_id: number.e164.clone() })
}

/// A call that comes from one of `trunks`: the called number picks the company, and the trunk.
pub fn route_from_trunk(directory: &Directory, trunks: &[&Trunk], request: &Request) -> Result<Destination, NoRoute> {
    let dialled = called_names(request);
    for trunk in trunks {
        let Some(company) = directory.company(trunk.company) else { continue };
        let read = |said: &String| trunk.settings.number_format.read(said, company);
        let ours = |called: String| directory.number_by_e164(&called).filter(|number| number.company == company.id);
        let Some(number) = dialled.iter().filter_map(read).find_map(ours) else { continue };
        let (callee, target) =
            called_number_leads(directory, number).ok_or_else(|| NoRoute::Unrouted(number.e164.clone()))?;
        let caller = outside_party(request, trunk, company);
        let withheld = is_withheld(request);
        let origin = Origin { company: company.id, caller, trunk: Some(trunk.id), withheld };
        return Ok(Destination {
            direction: Direction::Inbound,
            origin,
            callee,
            number: Some(number.id),
            target,
            emergency: false,
        });
    }
    Err(NoRoute::Unknown(user_part(&request.uri)))
}

/// Where a carrier may have written the called number: a trunk that registers is often called by
/// its user name, with the number in P-Called-Party-ID (RFC 7315 §4.2) or To.
pub(super) fn called_names(request: &Request) -> Vec<String> {
    let party = request.headers.address("P-Called-Party-ID").ok().map(|address| user_part(&address.uri));
    let to = request.to().ok().map(|address| user_part(&address.uri));
    [Some(user_part(&request.uri)), party, to].into_iter().flatten().collect()
}

/// The company of the called number, where the domain names none and the company has a trunk that
/// proves itself by digest: such a trunk may call us by our address.
pub fn company_of_called<'a>(directory: &'a Directory, request: &Request) -> Option<&'a Company> {
    let called = user_part(&request.uri);
    let number = directory.number_by_e164(&format!("+{}", called.trim_start_matches('+').trim_start_matches("00")))?;
    let proves = directory.trunks_of(number.company).any(|trunk| trunk.inbound.is_some());
    directory.company(number.company).filter(|_| proves)
}

/// The user part of a URI, unescaped; of a `tel:` URI the number.
pub fn user_part(uri: &Uri) -> String {
    uri.user_unescaped().unwrap_or_else(|| uri.host.to_string())
}

fn party_of(user: &User) -> Party {
    Party { user: Some(user.id), address: user.extension.clone(), name: user.name.clone() }
}
