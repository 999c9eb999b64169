//! Changes of single things that a company file cannot say: one goes, a user is deactivated.
//!
//! Whoever leaves hands over their place first, so that no call and no number leads nowhere:
//! numbers, call flows and what colleagues forward to, and subscriptions. Memberships in groups and
//! inboxes end.

use super::super::FacilityKind;
use super::super::file::{FileError, Place, Problem, RouteTo};
use super::super::flow::{Flow, ForwardTo, RingTo, Step};
use super::super::{Facility, GroupText};
use super::Change;
use super::state::World;
use std::collections::BTreeMap;
use std::fmt;

/// A change of one thing of the company with that key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It goes; nothing may refer to it any more.
    Remove { company: String, thing: Thing },
    /// The user goes, and `to` takes their place.
    RemoveUser { company: String, extension: String, to: Replacement },
    /// The user stays as one who can do nothing, and `to` takes their place.
    Deactivate { company: String, extension: String, to: Replacement },
}

/// What can go, by its name in the company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// By extension.
    User(String),
    /// By E.164.
    Number(String),
    Trunk(String),
    Facility(FacilityKind, String),
}

impl Thing {
    pub(super) fn place(&self, company: &str) -> Place {
        let company = company.to_owned();
        match self.clone() {
            Thing::User(extension) => Place::User { company, extension },
            Thing::Number(e164) => Place::Number { company, e164 },
            Thing::Trunk(name) => Place::Trunk { company, name },
            Thing::Facility(kind, name) => Place::Facility { company, kind, name },
        }
    }
}

/// Who takes over from a user: `user:203` or `group:sales`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// By extension.
    User(String),
    Group(String),
}

/// A text that names nobody who could take over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no replacement: write \"user:EXTENSION\" or \"group:NAME\"")]
pub struct BadReplacement(pub String);

impl std::str::FromStr for Replacement {
    type Err = BadReplacement;

    fn from_str(text: &str) -> Result<Self, BadReplacement> {
        match RouteTo::try_from(text.to_owned()) {
            Ok(RouteTo::User(extension)) => Ok(Replacement::User(extension)),
            Ok(RouteTo::Group(name)) => Ok(Replacement::Group(name)),
            Ok(RouteTo::Unrouted | RouteTo::Inbox(_) | RouteTo::Flow(_)) | Err(_) => {
                Err(BadReplacement(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replacement::User(extension) => write!(f, "user:{extension}"),
            Replacement::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl Replacement {
    fn route(&self) -> RouteTo {
        match self.clone() {
            Replacement::User(extension) => RouteTo::User(extension),
            Replacement::Group(name) => RouteTo::Group(name),
        }
    }

    fn forward(&self) -> ForwardTo {
        match self.clone() {
            Replacement::User(extension) => ForwardTo::User(extension),
            Replacement::Group(name) => ForwardTo::Group(name),
        }
    }

    fn ring(&self) -> RingTo {
        match self.clone() {
            Replacement::User(extension) => RingTo::User(extension),
            Replacement::Group(name) => RingTo::Group(name),
        }
    }
}

/// Carries `edit` out on `worlds`; what else is to be done with the database is returned.
pub(super) fn carry_out(worlds: &mut BTreeMap<String, World>, edit: &Edit) -> Result<Vec<Change>, Vec<FileError>> {
    match edit {
        Edit::Remove { company, thing } => {
            let error = || vec![FileError { place: thing.place(company), problem: Problem::NotThere }];
            let world = worlds.get_mut(company).ok_or_else(error)?;
            remove(world, thing).then(Vec::new).ok_or_else(error)
        }
        Edit::RemoveUser { company, extension, to } => leave(worlds, company, extension, to, |world| {
            world.users.remove(extension);
        }),
        Edit::Deactivate { company, extension, to } => {
            let there = worlds.get(company).is_some_and(|world| world.has_deactivated(extension));
            if there {
                let place = Place::User { company: company.clone(), extension: extension.clone() };
                return Err(vec![FileError { place, problem: Problem::DeactivatedAlready }]);
            }
            leave(worlds, company, extension, to, |world| {
                if let Some(user) = world.users.get_mut(extension) {
                    user.deactivated = true;
                    user.leaves_behind();
                }
            })
        }
    }
}

/// Takes `thing` out; whether it was there.
fn remove(world: &mut World, thing: &Thing) -> bool {
    match thing {
        Thing::User(extension) => world.users.remove(extension).is_some(),
        Thing::Number(e164) => world.numbers.remove(e164).is_some(),
        Thing::Trunk(name) => world.trunks.remove(name).is_some(),
        Thing::Facility(kind, name) => world.facilities.remove(&(*kind, name.clone())).is_some(),
    }
}

fn leave(
    worlds: &mut BTreeMap<String, World>,
    company: &str,
    extension: &str,
    to: &Replacement,
    go: impl FnOnce(&mut World),
) -> Result<Vec<Change>, Vec<FileError>> {
    let error = |problem| {
        let (company, extension) = (company.to_owned(), extension.to_owned());
        vec![FileError { place: Place::User { company, extension }, problem }]
    };
    let world = worlds.get_mut(company).ok_or_else(|| error(Problem::NotThere))?;
    if !world.users.contains_key(extension) {
        return Err(error(Problem::NotThere));
    }
    let heirs = heirs(world, extension, to);
    if heirs.is_empty() {
        return Err(error(Problem::Replacement(to.to_string())));
    }
    hand_over(world, extension, to);
    go(world);
    Ok(vec![Change::HandOver { company: company.to_owned(), from: extension.to_owned(), to: heirs }])
}

/// The users who take over: the one that is named, or the other active members of the group.
fn heirs(world: &World, extension: &str, to: &Replacement) -> Vec<String> {
    let named = match to {
        Replacement::User(other) => vec![other.clone()],
        Replacement::Group(name) => {
            match world.facilities.get(&(FacilityKind::Group, name.clone())).map(|state| &state.facility) {
                Some(Facility::Group(GroupText { members, .. })) => members.clone(),
                Some(Facility::Inbox(_) | Facility::Flow(_) | Facility::Prompt(_) | Facility::Voicemail(_)) | None => {
                    Vec::new()
                }
            }
        }
    };
    named.into_iter().filter(|other| other != extension && world.has_active(other)).collect()
}

/// Everything that leads to the user leads to `to`; the user is in no group and no inbox any more.
fn hand_over(world: &mut World, extension: &str, to: &Replacement) {
    for number in world.numbers.values_mut() {
        if number.route == RouteTo::User(extension.to_owned()) {
            number.route = to.route();
        }
    }
    own_number(world, extension, to);
    for user in world.users.values_mut() {
        let unanswered = &mut user.calls.unanswered;
        for way in [&mut unanswered.busy, &mut unanswered.no_answer, &mut unanswered.unregistered] {
            if *way == Some(ForwardTo::User(extension.to_owned())) {
                // What the replacement themselves forwarded to the user is answered by nobody else.
                *way = Some(to.forward()).filter(|next| *next != ForwardTo::User(user.extension.clone()));
            }
        }
    }
    for state in world.facilities.values_mut() {
        match &mut state.facility {
            Facility::Group(group) => group.members.retain(|member| member != extension),
            Facility::Inbox(inbox) => inbox.members.retain(|member| member != extension),
            Facility::Flow(flow) => steps(flow, extension, to),
            Facility::Prompt(_) | Facility::Voicemail(_) => {}
        }
    }
    super::mailbox::hand_over(world, extension, to);
}

/// The user's own number becomes the replacement's own, unless they have one already or are many.
fn own_number(world: &mut World, extension: &str, to: &Replacement) {
    let number = world.users.get_mut(extension).and_then(|user| user.number.take());
    match to {
        Replacement::User(other) => {
            if let Some(heir) = world.users.get_mut(other)
                && heir.number.is_none()
            {
                heir.number = number;
            }
        }
        Replacement::Group(_) => {}
    }
}

fn steps(flow: &mut Flow, extension: &str, to: &Replacement) {
    for step in flow.steps.values_mut() {
        match step {
            Step::Ring { target, .. } if *target == RingTo::User(extension.to_owned()) => *target = to.ring(),
            Step::Forward { to: next } if *next == ForwardTo::User(extension.to_owned()) => *next = to.forward(),
            Step::Ring { .. }
            | Step::Forward { .. }
            | Step::Recording { .. }
            | Step::Announce { .. }
            | Step::Schedule { .. }
            | Step::Menu { .. }
            | Step::Voicemail { .. }
            | Step::Hangup { .. } => {}
        }
    }
}
