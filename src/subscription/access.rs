//! Who may see, play and download a call and its recording.
//!
//! ```text
//! user, role, settings, groups, inboxes, numbers, subscriptions ─► Scope
//! Scope + facts of a call ─► Visible { because } or hidden; playable; downloadable
//! ```
//! A [`Scope`] is worked out anew for every request and every event, so that each change of a
//! setting or a membership acts on the next one. Lists are the same rules as SQL: the store makes
//! a query out of the scope's fields, and a test holds that both agree.

use crate::base::{CompanyId, GroupId, InboxId, NumberId, UserId, Wall};
use crate::directory::{CallVisibility, Company, Directory, Play, Role, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The right to the recordings of a number that end in an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    pub number: NumberId,
    pub from: Wall,
    /// `None`: it goes on. What was received stays.
    pub until: Option<Wall>,
}

impl Subscribed {
    /// Whether what ended at `ended` is among what is received.
    pub fn covers(&self, ended: Wall) -> bool {
        self.from <= ended && self.until.is_none_or(|until| ended < until)
    }
}

/// What the rules look at of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFacts {
    pub company: CompanyId,
    /// Every user who was a party of it, from its beginning or by transfer.
    pub users: Vec<UserId>,
    pub number: Option<NumberId>,
    /// It has ended, and nobody had answered.
    pub missed: bool,
    pub ended: Option<Wall>,
    /// There is a recording of it.
    pub recorded: bool,
}

/// Why somebody sees a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Reason {
    /// An admin sees everything of the company; so do its reseller and the operator.
    Admin,
    /// The level is `all`.
    EveryCall,
    /// They made or took it.
    Party,
    /// Its number is in an inbox that they are in.
    Inbox { inbox: InboxId },
    /// Its number is routed to a group that they are in.
    Group { group: GroupId },
    /// Its number is routed to them.
    OwnNumber,
    /// Nobody answered it, and its number is routed to a group that they are in.
    MissedOfGroup { group: GroupId },
    /// Nobody answered it, and its number is routed to them.
    MissedOfNumber,
    /// They were subscribed to its number's recordings when it ended.
    Subscription,
}

/// What settings give to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    pub visibility: CallVisibility,
    pub play: Play,
    pub download: bool,
}

const EVERYTHING: Rights = Rights { visibility: CallVisibility::All, play: Play::All, download: true };

impl Rights {
    /// In lists of calls and in the apps: company settings are for agents; of supervisors and
    /// analysts only their own settings count; an admin has all.
    pub fn of(company: &Company, user: &User) -> Self {
        match user.role {
            Role::Admin => EVERYTHING,
            Role::Supervisor | Role::Analyst => Self::own_or(user, EVERYTHING),
            Role::Agent => Self::own_or(user, Self::of_company(company)),
        }
    }

    /// In analytics the settings are for every role, admins included.
    pub fn in_analytics(company: &Company, user: &User) -> Self {
        Self::own_or(user, Self::of_company(company))
    }

    fn of_company(company: &Company) -> Self {
        let settings = &company.settings;
        Rights { visibility: settings.call_visibility, play: settings.play, download: settings.download }
    }

    fn own_or(user: &User, other: Rights) -> Self {
        let own = &user.overrides;
        Rights {
            visibility: own.call_visibility.unwrap_or(other.visibility),
            play: own.play.unwrap_or(other.play),
            download: own.download.unwrap_or(other.download),
        }
    }
}

/// All that somebody may come to know of a company's calls, as the rules are now.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    pub company: CompanyId,
    /// Who is a party; `None` for those who are not of the company.
    pub user: Option<UserId>,
    /// Every call of the company is seen, and why.
    pub all: Option<Reason>,
    /// Numbers of which every call is seen.
    pub numbers: BTreeMap<NumberId, Reason>,
    /// Numbers of which calls are seen that nobody answered.
    pub missed: BTreeMap<NumberId, Reason>,
    pub subscribed: Vec<Subscribed>,
    pub play: Play,
    pub download: bool,
    /// Groups and inboxes are theirs to know by name also where they are not in them.
    pub names: bool,
}

/// Whether every group and inbox of the company is the user's to know by name: an admin's, and that of
/// supervisors and analysts who see every call. Others know those that they are in.
pub fn knows_names(company: &Company, user: &User) -> bool {
    match user.role {
        Role::Admin => true,
        Role::Supervisor | Role::Analyst => Rights::of(company, user).visibility == CallVisibility::All,
        Role::Agent => false,
    }
}

impl Scope {
    /// What a user sees. `subscribed` are all intervals of that user that were not withdrawn.
    pub fn of(directory: &Directory, company: &Company, user: &User, subscribed: Vec<Subscribed>) -> Self {
        Self::with(directory, company, user, subscribed, Rights::of(company, user))
    }

    /// What counts in a user's analytics.
    pub fn in_analytics(directory: &Directory, company: &Company, user: &User, subscribed: Vec<Subscribed>) -> Self {
        Self::with(directory, company, user, subscribed, Rights::in_analytics(company, user))
    }

    /// What the operator sees of a company, and a reseller of those given to them.
    pub fn of_whole(company: CompanyId) -> Self {
        Scope { all: Some(Reason::Admin), play: Play::All, download: true, names: true, ..Self::nothing(company, None) }
    }

    const fn nothing(company: CompanyId, user: Option<UserId>) -> Self {
        Scope {
            company,
            user,
            all: None,
            numbers: BTreeMap::new(),
            missed: BTreeMap::new(),
            subscribed: Vec::new(),
            play: Play::None,
            download: false,
            names: false,
        }
    }

    /// Whether a group or an inbox with these members is theirs to know by name.
    pub fn knows(&self, members: &[UserId]) -> bool {
        self.names || self.user.is_some_and(|user| members.contains(&user))
    }

    fn with(
        directory: &Directory,
        company: &Company,
        user: &User,
        subscribed: Vec<Subscribed>,
        rights: Rights,
    ) -> Self {
        let Rights { visibility, play, download } = rights;
        let all = match (user.role, visibility) {
            (Role::Admin, CallVisibility::All) => Some(Reason::Admin),
            (Role::Supervisor | Role::Analyst | Role::Agent, CallVisibility::All) => Some(Reason::EveryCall),
            (_, CallVisibility::OwnAndMissed | CallVisibility::GroupCalls | CallVisibility::GroupAndNumberCalls) => {
                None
            }
        };
        // A subscription is the right to recordings: where none of a call can be played, it shows none.
        let subscribed = if play == Play::None { Vec::new() } else { subscribed };
        let names = knows_names(company, user);
        let mut scope = Scope { all, subscribed, play, download, names, ..Self::nothing(company.id, Some(user.id)) };
        if all.is_none() {
            scope.take_numbers(directory, user, visibility);
        }
        scope
    }

    fn take_numbers(&mut self, directory: &Directory, user: &User, visibility: CallVisibility) {
        let (of_groups, of_numbers) = match visibility {
            CallVisibility::OwnAndMissed => (false, false),
            CallVisibility::GroupCalls => (true, false),
            CallVisibility::GroupAndNumberCalls | CallVisibility::All => (true, true),
        };
        for number in directory.numbers_of(user.company) {
            let inbox = directory.inbox_of_number(number.id).filter(|inbox| inbox.members.contains(&user.id));
            let reach = directory.reach_of(number);
            let group = reach
                .groups
                .iter()
                .find(|group| directory.group(**group).is_some_and(|group| group.members.contains(&user.id)));
            let routed = reach.users.contains(&user.id) || user.number == Some(number.id);
            let whole = match (inbox, group, routed) {
                (Some(inbox), _, _) => Some(Reason::Inbox { inbox: inbox.id }),
                (None, Some(group), _) if of_groups => Some(Reason::Group { group: *group }),
                (None, _, true) if of_numbers => Some(Reason::OwnNumber),
                (None, _, _) => None,
            };
            let missed = match (group, routed) {
                (Some(group), _) => Some(Reason::MissedOfGroup { group: *group }),
                (None, true) => Some(Reason::MissedOfNumber),
                (None, false) => None,
            };
            match (whole, missed) {
                (Some(reason), _) => drop(self.numbers.insert(number.id, reason)),
                (None, Some(reason)) => drop(self.missed.insert(number.id, reason)),
                (None, None) => {}
            }
        }
    }

    /// Why the call is seen; `None`: for this viewer it does not exist.
    pub fn visible(&self, call: &CallFacts) -> Option<Reason> {
        if call.company != self.company {
            return None;
        }
        let of_number = call.number.and_then(|number| self.numbers.get(&number));
        let of_missed = call.number.filter(|_| call.missed).and_then(|number| self.missed.get(&number));
        self.all
            .or_else(|| self.is_party(call).then_some(Reason::Party))
            .or(of_number.copied())
            .or(of_missed.copied())
            .or_else(|| self.receives(call).then_some(Reason::Subscription))
    }

    /// Whether the call's recording can be listened to. One that cannot is not listed either.
    pub fn playable(&self, call: &CallFacts) -> bool {
        self.visible(call).is_some()
            && match self.play {
                Play::All => true,
                Play::Own => self.is_party(call) || self.receives(call),
                Play::None => false,
            }
    }

    /// Whether its `.wav` can be fetched.
    pub fn downloadable(&self, call: &CallFacts) -> bool {
        self.download && self.playable(call)
    }

    /// The scope of those calls whose recordings can be played, to be asked for visibility only.
    pub fn playing(&self) -> Self {
        let Scope { company, user, all: _, numbers: _, missed: _, subscribed, play, download, names } = self;
        match play {
            Play::All => self.clone(),
            Play::Own => Scope {
                subscribed: subscribed.clone(),
                play: *play,
                download: *download,
                names: *names,
                ..Self::nothing(*company, *user)
            },
            Play::None => Self::nothing(*company, None),
        }
    }

    fn is_party(&self, call: &CallFacts) -> bool {
        self.user.is_some_and(|user| call.users.contains(&user))
    }

    fn receives(&self, call: &CallFacts) -> bool {
        let (Some(number), Some(ended)) = (call.number, call.ended) else { return false };
        call.recorded && self.subscribed.iter().any(|one| one.number == number && one.covers(ended))
    }
}

#[cfg(test)]
mod tests;
