//! Who may read which text messages.
//!
//! ```text
//! inbox as the directory has it + members so far ─► joins and leaves, as they happen ─► intervals
//! directory + a user's open intervals ─► TextScope ─► sees(text): yes or no
//! ```
//! A text is in a conversation, which is a shared inbox's or users' own. Whoever is a member of a
//! shared inbox now sees all of it where its history is on, else what came after they joined, this
//! time. Nobody else sees anything of it, admins included: they decide who is a member.
//!
//! "After" is a place in the order in which texts came, not a time: no clock that is put back shows
//! what came before.

use crate::base::{CompanyId, NumberId, UserId, Wall};
use crate::directory::{Directory, Inbox, User};
use std::collections::{BTreeMap, BTreeSet};

/// Whose a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The shared inbox of the number.
    Inbox(NumberId),
    /// A user whom the number was assigned to.
    User(UserId),
    /// Both of them.
    Pair(UserId, UserId),
}

/// What the rules look at of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextFacts {
    pub company: CompanyId,
    pub holder: Holder,
    /// Its place in the order in which texts came.
    pub seq: i64,
}

/// An interval of a member that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    pub number: NumberId,
    /// When they joined: for people, who do not count texts.
    pub since: Wall,
    /// The newest text when they joined.
    pub after: i64,
}

/// All texts that somebody may read, as the rules are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextScope {
    pub company: CompanyId,
    /// `None` for those who are not of the company.
    pub user: Option<UserId>,
    /// By the number of a shared inbox: what came after this text is seen.
    pub inboxes: BTreeMap<NumberId, i64>,
    /// When they joined those without history; nothing is decided by it.
    pub since: BTreeMap<NumberId, Wall>,
}

impl TextScope {
    /// What a user reads. `joined` are all open intervals of that user.
    pub fn of(directory: &Directory, user: &User, joined: &[Joined]) -> Self {
        let mut scope = TextScope { user: Some(user.id), ..Self::nothing(user.company) };
        for one in joined {
            let is_in = |inbox: &&Inbox| inbox.company == user.company && inbox.members.contains(&user.id);
            let Some(inbox) = directory.shared_inbox(one.number).filter(is_in) else { continue };
            scope.inboxes.insert(one.number, if inbox.history { 0 } else { one.after });
            if !inbox.history {
                scope.since.insert(one.number, one.since);
            }
        }
        scope
    }

    /// What goes to a user's devices: never what came before they joined, whether they may read it or not.
    pub fn of_devices(directory: &Directory, user: &User, joined: &[Joined]) -> Self {
        let mut scope = Self::of(directory, user, joined);
        let since = |number: &NumberId| joined.iter().find(|one| one.number == *number).map(|one| one.after);
        scope.inboxes.iter_mut().for_each(|(number, after)| *after = since(number).unwrap_or(*after).max(*after));
        scope
    }

    /// Whoever stands above the company reads nothing of it.
    pub const fn nothing(company: CompanyId) -> Self {
        TextScope { company, user: None, inboxes: BTreeMap::new(), since: BTreeMap::new() }
    }

    /// Within these numbers: nothing of one's own, and nothing between colleagues.
    #[must_use]
    pub fn over(mut self, numbers: &[NumberId]) -> Self {
        self.inboxes.retain(|number, _| numbers.contains(number));
        self.since.retain(|number, _| numbers.contains(number));
        TextScope { user: None, ..self }
    }

    /// From which text on they see a conversation of that holder; `None`: for them there is none.
    pub fn after(&self, holder: Holder) -> Option<i64> {
        match holder {
            Holder::Inbox(number) => self.inboxes.get(&number).copied(),
            Holder::User(owner) => (self.user == Some(owner)).then_some(0),
            Holder::Pair(one, other) => (self.user == Some(one) || self.user == Some(other)).then_some(0),
        }
    }

    /// From when on they see what is written in a conversation of that holder, where that is not all of it.
    pub fn since(&self, holder: Holder) -> Option<Wall> {
        match holder {
            Holder::Inbox(number) => self.since.get(&number).copied(),
            Holder::User(_) | Holder::Pair(..) => None,
        }
    }

    pub fn sees(&self, text: &TextFacts) -> bool {
        text.company == self.company && self.after(text.holder).is_some_and(|after| text.seq > after)
    }
}

/// A number of an inbox and who is in it, as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxNumber {
    pub company: CompanyId,
    pub number: NumberId,
    /// Messaging is switched on.
    pub shared: bool,
    pub members: BTreeSet<UserId>,
}

/// What changes about who is a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Joins { company: CompanyId, number: NumberId, user: UserId },
    Leaves { number: NumberId, user: UserId },
}

/// What begins and ends as inboxes are now. `open` are the intervals that go on so far.
///
/// A number in no inbox keeps its members, unseen: where it is switched on again, those who are
/// chosen again go on where they stood, and the others leave.
pub fn member_changes(
    open: &BTreeSet<(NumberId, UserId)>,
    numbers: &[InboxNumber],
    is_active: impl Fn(UserId) -> bool,
) -> Vec<MemberChange> {
    let places: BTreeMap<NumberId, &InboxNumber> = numbers.iter().map(|place| (place.number, place)).collect();
    let stays = |(number, user): &&(NumberId, UserId)| {
        is_active(*user) && places.get(number).is_none_or(|place| place.members.contains(user))
    };
    let leave = open.iter().filter(|one| !stays(one)).map(|(number, user)| {
        let (number, user) = (*number, *user);
        MemberChange::Leaves { number, user }
    });
    let shared = places.values().filter(|place| place.shared);
    let join = shared.flat_map(|place| {
        let new = place.members.iter().filter(|user| is_active(**user) && !open.contains(&(place.number, **user)));
        new.map(|user| MemberChange::Joins { company: place.company, number: place.number, user: *user })
    });
    leave.chain(join).collect()
}

#[cfg(test)]
mod tests;
