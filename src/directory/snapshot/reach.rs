//! Whom a call to a number can reach: the users and groups that the number is routed to, through
//! its inbox and every branch of its call flows.

use super::Directory;
use crate::base::{BoxId, CompanyId, FlowId, GroupId, InboxId, NumberId, UserId};
use crate::directory::flow::{ForwardTo, RingTo, Step};
use crate::directory::{BoxOwner, Inbox, Number, Route};
use std::collections::BTreeSet;

/// Whom a number is routed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// By name, not as members of a group or an inbox.
    pub users: BTreeSet<UserId>,
    pub groups: BTreeSet<GroupId>,
    /// Boxes that messages are left in by name, not as a user's own.
    pub boxes: BTreeSet<BoxId>,
}

/// What is being followed: a number may lead to itself again.
struct Walk<'a> {
    directory: &'a Directory,
    company: CompanyId,
    reach: Reach,
    numbers: BTreeSet<NumberId>,
    inboxes: BTreeSet<InboxId>,
    flows: BTreeSet<FlowId>,
}

impl Directory {
    /// Whom a call to `number` can reach on any branch, by day and by night.
    pub fn reach_of(&self, number: &Number) -> Reach {
        let (company, reach) = (number.company, Reach::default());
        let (numbers, inboxes, flows) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut walk = Walk { directory: self, company, reach, numbers, inboxes, flows };
        walk.number(number);
        walk.reach
    }
}

impl Walk<'_> {
    fn number(&mut self, number: &Number) {
        if !self.numbers.insert(number.id) {
            return;
        }
        match self.directory.route_of(number) {
            Route::Unrouted => {}
            Route::User(user) => drop(self.reach.users.insert(user)),
            Route::Group(group) => drop(self.reach.groups.insert(group)),
            Route::Inbox(inbox) => self.inbox_by_id(inbox),
            Route::Flow(flow) => self.flow(flow),
        }
    }

    fn inbox_by_id(&mut self, id: InboxId) {
        if let Some(inbox) = self.directory.inbox(id) {
            self.inbox(inbox);
        }
    }

    fn inbox(&mut self, inbox: &Inbox) {
        if !self.inboxes.insert(inbox.id) {
            return;
        }
        match inbox.flow {
            Some(flow) => self.flow(flow),
            // Every member rings.
            None => self.reach.users.extend(&inbox.members),
        }
        if let Some(flow) = inbox.closed_flow {
            self.flow(flow);
        }
    }

    fn flow(&mut self, id: FlowId) {
        if !self.flows.insert(id) {
            return;
        }
        let Some(flow) = self.directory.flow(id) else { return };
        for step in flow.flow.steps.values() {
            match step {
                Step::Ring { target, .. } => self.ring(target),
                Step::Forward { to } => self.forward(to),
                Step::Recording { .. }
                | Step::Announce { .. }
                | Step::Schedule { .. }
                | Step::Menu { .. }
                | Step::Hangup { .. } => {}
                Step::Voicemail { mailbox } => self.mailbox(mailbox),
            }
        }
    }

    fn ring(&mut self, target: &RingTo) {
        match target {
            RingTo::User(extension) => self.user(extension),
            RingTo::Group(name) => self.group(name),
            RingTo::Inbox(name) => {
                if let Some(inbox) = self.directory.inbox_by_name(self.company, name) {
                    self.reach.users.extend(&inbox.members);
                }
            }
        }
    }

    fn forward(&mut self, to: &ForwardTo) {
        match to {
            ForwardTo::User(extension) => self.user(extension),
            ForwardTo::Group(name) => self.group(name),
            ForwardTo::Voicemail(name) => self.mailbox(name),
            ForwardTo::Number(e164) => {
                let number = self.directory.number_by_e164(e164);
                if let Some(number) = number.filter(|number| number.company == self.company) {
                    self.number(number);
                }
            }
        }
    }

    /// Whoever's box it is.
    fn mailbox(&mut self, name: &str) {
        let mailbox = self.directory.mailbox_by_name(self.company, name);
        self.reach.boxes.extend(mailbox.map(|mailbox| mailbox.id));
        match mailbox.map(|mailbox| mailbox.owner) {
            Some(BoxOwner::User(user)) => drop(self.reach.users.insert(user)),
            Some(BoxOwner::Group(group)) => drop(self.reach.groups.insert(group)),
            Some(BoxOwner::Nobody) | None => {}
        }
    }

    fn user(&mut self, extension: &str) {
        let user = self.directory.user_by_extension(self.company, extension);
        self.reach.users.extend(user.map(|user| user.id));
    }

    fn group(&mut self, name: &str) {
        let group = self.directory.group_by_name(self.company, name);
        self.reach.groups.extend(group.map(|group| group.id));
    }
}
