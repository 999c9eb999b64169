//! What is dangerous about the boxes of a company as they are set up: told where it is set up, not when
//! somebody makes use of it.

use super::flow::{ForwardTo, Step};
use super::{BoxAccess, Company, CompanyFlow, Directory, Mailbox, Number};
use crate::base::{BoxId, CompanyId};
use std::collections::BTreeSet;

/// Something that may not be what was meant. Written for people, with the way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Danger {
    #[error(
        "voicemail {name}: it has no password: whoever dials *99{number} inside hears its messages and changes its greetings; give it one"
    )]
    NoPassword { name: String, number: String },
    #[error(
        "voicemail {name}: `ask_password` is off: whoever dials *99{number} inside hears its messages and changes its greetings; switch it on"
    )]
    NotAsked { name: String, number: String },
    #[error(
        "voicemail {name}: it has no password, and {through} leads callers from outside to it: its menu stays shut for them, since nobody could tell them from its owner; give it a password"
    )]
    FromOutside { name: String, through: String },
}

impl Directory {
    /// All of a company, box by box.
    pub fn dangers(&self, company: CompanyId) -> Vec<Danger> {
        let mut dangers: Vec<Danger> =
            self.mailboxes_of(company).flat_map(|mailbox| self.dangers_inside(mailbox)).collect();
        if self.mailboxes_of(company).any(|mailbox| mailbox.settings.password.is_empty()) {
            dangers.extend(self.numbers_of(company).flat_map(|number| self.dangers_of_number(number)));
        }
        dangers
    }

    /// Of one box: from inside, and from every number that leads to it.
    pub fn dangers_of_box(&self, mailbox: &Mailbox) -> Vec<Danger> {
        let mut dangers = self.dangers_inside(mailbox);
        if mailbox.settings.password.is_empty() {
            let numbers = self.numbers_of(mailbox.company);
            let leading = numbers.filter(|number| self.boxes_behind(number).contains(&mailbox.id));
            dangers.extend(leading.map(|number| from_outside(mailbox, format!("number {}", number.e164))));
        }
        dangers
    }

    /// Of the boxes that a number leads to.
    pub fn dangers_of_number(&self, number: &Number) -> Vec<Danger> {
        let boxes = self.boxes_behind(number).into_iter().filter_map(|id| self.mailbox(id));
        let open = boxes.filter(|mailbox| mailbox.settings.password.is_empty());
        open.map(|mailbox| from_outside(mailbox, format!("number {}", number.e164))).collect()
    }

    /// Of the boxes that the steps of a flow name.
    pub fn dangers_of_flow(&self, flow: &CompanyFlow) -> Vec<Danger> {
        let named = flow.flow.steps.values().filter_map(|step| match step {
            Step::Voicemail { mailbox } | Step::Forward { to: ForwardTo::Voicemail(mailbox) } => Some(mailbox),
            Step::Forward { to: ForwardTo::User(_) | ForwardTo::Group(_) | ForwardTo::Number(_) }
            | Step::Recording { .. }
            | Step::Announce { .. }
            | Step::Schedule { .. }
            | Step::Menu { .. }
            | Step::Ring { .. }
            | Step::Hangup { .. } => None,
        });
        let boxes = named.filter_map(|name| self.mailbox_by_name(flow.company, name));
        let open = boxes.filter(|mailbox| mailbox.settings.password.is_empty());
        open.map(|mailbox| from_outside(mailbox, format!("flow {}", flow.name))).collect()
    }

    /// Of a global box everybody inside hears the messages anyway.
    fn dangers_inside(&self, mailbox: &Mailbox) -> Vec<Danger> {
        let (name, number) = (mailbox.key(), mailbox.number.clone());
        match (mailbox.access, mailbox.settings.password.is_empty(), mailbox.settings.ask_password) {
            (BoxAccess::Global, _, _) | (BoxAccess::Personal, false, true) => Vec::new(),
            (BoxAccess::Personal, true, _) => vec![Danger::NoPassword { name, number }],
            (BoxAccess::Personal, false, false) => vec![Danger::NotAsked { name, number }],
        }
    }

    /// The boxes that a call to the number can end in, those of users who do not answer among them.
    fn boxes_behind(&self, number: &Number) -> BTreeSet<BoxId> {
        let reach = self.reach_of(number);
        let mut boxes = reach.boxes;
        for user in reach.users {
            boxes.extend(self.mailbox_of_user(user).map(|mailbox| mailbox.id));
        }
        boxes
    }
}

fn from_outside(mailbox: &Mailbox, through: String) -> Danger {
    Danger::FromOutside { name: mailbox.key(), through }
}

/// What is dangerous after a change of a company that was not before, for people.
pub(super) fn new_dangers(before: &Directory, after: &Directory, company: &Company) -> Vec<String> {
    let known: BTreeSet<String> = match before.company_by_key(&company.key) {
        Some(company) => before.dangers(company.id).iter().map(ToString::to_string).collect(),
        None => BTreeSet::new(),
    };
    let now = after.dangers(company.id).into_iter().map(|danger| danger.to_string());
    now.filter(|danger| !known.contains(danger)).map(|danger| format!("company {}: {danger}", company.key)).collect()
}
