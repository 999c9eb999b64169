//! Who receives, hears and manages a message in a voicemail box.
//!
//! ```text
//! directory (owner, access) + subscriptions (intervals) ─► MessageScope
//! MessageScope + facts of a message ─► heard, because … · or it does not exist
//! ```
//! Neither role nor `play` nor `call_visibility` takes away what is left for somebody: they are about
//! calls. What an admin may do with the messages of others is another scope ([`MessageScope::of_whole`])
//! and asked for by other routes, so that nobody finds the messages of a colleague among their own.

use crate::base::{BoxId, CompanyId, UserId, Wall};
use crate::directory::{BoxAccess, BoxOwner, Directory, Mailbox, User};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// The right to the messages of a box that are left in an interval. What was withdrawn is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxSubscribed {
    pub mailbox: BoxId,
    pub from: Wall,
    /// `None`: it goes on. What was received stays.
    pub until: Option<Wall>,
}

impl BoxSubscribed {
    /// Whether what was left at `left` is among what is received.
    pub fn covers(&self, left: Wall) -> bool {
        self.from <= left && self.until.is_none_or(|until| left < until)
    }
}

/// What the rules look at of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFacts {
    pub company: CompanyId,
    pub mailbox: BoxId,
    pub left: Wall,
}

/// Why somebody hears a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageReason {
    /// An admin, or whoever stands above the company, by the routes of management.
    Admin,
    /// It is in their own box.
    Owner,
    /// It is in the box of the whole company.
    Global,
    /// They were subscribed to its box when it was left.
    Subscription,
}

/// Whose state a message has for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reader {
    /// That of a global box is shared.
    Everybody,
    User(UserId),
}

impl Reader {
    /// As the database has it.
    pub const fn id(self) -> i64 {
        match self {
            Reader::Everybody => 0,
            Reader::User(user) => user.0,
        }
    }

    pub const fn of_id(id: i64) -> Self {
        match id {
            0 => Reader::Everybody,
            user => Reader::User(UserId(user)),
        }
    }
}

/// Whom a new message of a box is for, besides those who are subscribed to the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receivers {
    /// The whole company, with one state for all.
    Everybody,
    /// Its owner.
    Owner(UserId),
    /// Subscribers only: of a group, or standalone.
    Subscribers,
}

impl Receivers {
    pub const fn of(mailbox: &Mailbox) -> Self {
        match (mailbox.access, mailbox.owner) {
            (BoxAccess::Global, _) => Receivers::Everybody,
            (BoxAccess::Personal, BoxOwner::User(user)) => Receivers::Owner(user),
            (BoxAccess::Personal, BoxOwner::Group(_) | BoxOwner::Nobody) => Receivers::Subscribers,
        }
    }
}

/// All that somebody may come to know of a company's messages, as the rules are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageScope {
    pub company: CompanyId,
    /// `None` for those who are not of the company.
    pub user: Option<UserId>,
    /// Every message of the company, by the routes of management.
    pub all: bool,
    /// The user's own box.
    pub owned: BTreeSet<BoxId>,
    pub global: BTreeSet<BoxId>,
    /// Intervals of personal boxes.
    pub subscribed: Vec<BoxSubscribed>,
    /// Of management: whose state is shown of a personal box, its owner's.
    pub owners: BTreeMap<BoxId, UserId>,
}

impl MessageScope {
    /// What a user hears. `subscribed` are all intervals of that user that were not withdrawn.
    pub fn of(directory: &Directory, user: &User, subscribed: Vec<BoxSubscribed>) -> Self {
        let owns = |mailbox: &&Mailbox| Receivers::of(mailbox) == Receivers::Owner(user.id);
        let owned = directory.mailboxes_of(user.company).filter(owns).map(|mailbox| mailbox.id).collect();
        // A box that has gone has no messages; one of another company was never theirs.
        let personal = |one: &BoxSubscribed| {
            let mailbox = directory.mailbox(one.mailbox).filter(|mailbox| mailbox.company == user.company);
            mailbox.is_some_and(|mailbox| mailbox.access == BoxAccess::Personal)
        };
        let subscribed = subscribed.into_iter().filter(personal).collect();
        MessageScope { user: Some(user.id), owned, subscribed, ..Self::of_staff(directory, user.company) }
    }

    /// What an operator or a reseller hears who is not of the company: as much as its admin, who has no
    /// box there.
    pub fn of_staff(directory: &Directory, company: CompanyId) -> Self {
        let shared = |mailbox: &&Mailbox| Receivers::of(mailbox) == Receivers::Everybody;
        let global = directory.mailboxes_of(company).filter(shared).map(|mailbox| mailbox.id).collect();
        MessageScope { global, ..Self::nothing(company) }
    }

    /// Every message of the company, by the routes of management.
    pub fn of_whole(directory: &Directory, company: CompanyId) -> Self {
        let owner = |mailbox: &Mailbox| match Receivers::of(mailbox) {
            Receivers::Owner(owner) => Some((mailbox.id, owner)),
            Receivers::Everybody | Receivers::Subscribers => None,
        };
        let owners = directory.mailboxes_of(company).filter_map(owner).collect();
        MessageScope { all: true, owners, ..Self::of_staff(directory, company) }
    }

    const fn nothing(company: CompanyId) -> Self {
        MessageScope {
            company,
            user: None,
            all: false,
            owned: BTreeSet::new(),
            global: BTreeSet::new(),
            subscribed: Vec::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Why the message is heard; `None`: for this viewer it does not exist.
    pub fn hears(&self, message: &MessageFacts) -> Option<MessageReason> {
        let MessageFacts { company, mailbox, left } = message;
        if *company != self.company {
            return None;
        }
        let manages = self.all.then_some(MessageReason::Admin);
        let owns = || self.owned.contains(mailbox).then_some(MessageReason::Owner);
        let shares = || self.global.contains(mailbox).then_some(MessageReason::Global);
        let receives = || self.receives(*mailbox, *left).then_some(MessageReason::Subscription);
        manages.or_else(owns).or_else(shares).or_else(receives)
    }

    /// Whose state the messages of that box have for this viewer; `None`: they have none there.
    pub fn reader(&self, mailbox: BoxId) -> Option<Reader> {
        match self.global.contains(&mailbox) {
            true => Some(Reader::Everybody),
            false => self.user.or_else(|| self.owners.get(&mailbox).copied()).map(Reader::User),
        }
    }

    /// The box has something for this viewer, or could have.
    pub fn sees_box(&self, mailbox: BoxId) -> bool {
        self.all
            || self.owned.contains(&mailbox)
            || self.global.contains(&mailbox)
            || self.subscribed.iter().any(|one| one.mailbox == mailbox)
    }

    /// Personal boxes that messages can be in, owned or subscribed to now or before.
    pub fn personal(&self) -> BTreeSet<BoxId> {
        self.owned.iter().copied().chain(self.subscribed.iter().map(|one| one.mailbox)).collect()
    }

    fn receives(&self, mailbox: BoxId, left: Wall) -> bool {
        self.subscribed.iter().any(|one| one.mailbox == mailbox && one.covers(left))
    }
}

#[cfg(test)]
mod tests;
