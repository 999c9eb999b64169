//! The names in a query: what they mean for whoever asks.
//!
//! A name is looked up among the things that the person may know of. One that is not there is told to
//! an admin, who knows of everything; for everybody else nothing fits it. So a filter answers the same
//! whether the thing is not there, is another company's, or is none of theirs.

use super::{NO_USER, Person, number_of};
use crate::api::{CallQuery, Problem};
use crate::base::{NumberId, UserId};
use crate::directory::{Directory, Group, Number};
use crate::store::CallFilter;
use std::collections::BTreeSet;

/// No user has this id.
const NOBODY: UserId = UserId(0);

/// What is not there is told to admins only; others get what nothing fits.
fn known_to(person: &Person<'_>, found: Result<BTreeSet<NumberId>, Problem>) -> Result<BTreeSet<NumberId>, Problem> {
    match found {
        Err(_) if !person.is_admin() => Ok(BTreeSet::new()),
        found => found,
    }
}

/// The numbers of an inbox that the person may know of.
pub(super) fn numbers_of_inbox(
    directory: &Directory,
    person: &Person<'_>,
    name: &str,
) -> Result<BTreeSet<NumberId>, Problem> {
    let inbox = directory.inbox_by_name(person.company.id, name).filter(|inbox| person.knows(&inbox.members));
    let numbers = inbox.map(|inbox| inbox.numbers.iter().copied().collect());
    known_to(person, numbers.ok_or(Problem::NotFound { what: "inbox" }))
}

/// What a query asks for, by ids. An admin is told of a name that nothing has; for others nothing
/// fits it, as nothing fits what they may not know of.
pub(super) fn filter(directory: &Directory, person: &Person<'_>, query: &CallQuery) -> Result<CallFilter, Problem> {
    let (company, viewer) = (person.company, person.listener());
    let CallQuery {
        before,
        limit: _,
        from,
        until,
        direction,
        number,
        inbox,
        group,
        user,
        recorded,
        missed,
        played,
        contact,
        text,
    } = query;
    // Who has listened is known of recordings only.
    let recorded = match (played, recorded) {
        (None, recorded) => *recorded,
        (Some(_), None | Some(true)) => Some(true),
        (Some(played), Some(false)) => {
            return Err(Problem::Invalid {
                key: "played",
                value: played.to_string(),
                expected: "only together with recorded=true, or without `recorded`",
            });
        }
    };
    let mut numbers: Option<BTreeSet<NumberId>> = None;
    let mut narrow = |more: BTreeSet<NumberId>| {
        numbers = Some(match numbers.take() {
            Some(numbers) => numbers.intersection(&more).copied().collect(),
            None => more,
        });
    };
    let named = |found| known_to(person, found);
    if let Some(e164) = number {
        narrow(named(number_of(directory, company, e164).map(|number| BTreeSet::from([number.id])))?);
    }
    if let Some(name) = inbox {
        narrow(numbers_of_inbox(directory, person, name)?);
    }
    if let Some(name) = group {
        let group = directory.group_by_name(company.id, name).filter(|group| person.knows(&group.members));
        let group = group.ok_or(Problem::NotFound { what: "group" });
        let routed = |group: &Group| {
            let of_it = |number: &&Number| directory.reach_of(number).groups.contains(&group.id);
            directory.numbers_of(company.id).filter(of_it).map(|number| number.id).collect()
        };
        narrow(named(group.map(routed))?);
    }
    let user = match user {
        Some(extension) => match directory.user_ever_by_extension(company.id, extension) {
            Some(user) => Some(user.id),
            None if person.is_admin() => return Err(NO_USER),
            None => Some(NOBODY),
        },
        None => None,
    };
    Ok(CallFilter {
        before: *before,
        from: *from,
        until: *until,
        direction: *direction,
        numbers: numbers.map(|numbers| numbers.into_iter().collect()),
        user,
        recorded,
        missed: *missed,
        heard: played.map(|played| (viewer, played)),
        contact: contact.clone(),
        text: text.clone(),
    })
}
