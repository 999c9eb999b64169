//! Groups, inboxes, call flows, prompts and voicemail boxes as calls see them: names have become ids.

use super::Directory;
use crate::base::{BoxId, CompanyId, FlowId, GroupId, InboxId, NumberId, UserId};
use crate::directory::{
    BoxAccess, BoxOwner, BoxOwnerText, BoxText, CompanyFlow, Facility, FacilityKind, Group, GroupText, Inbox,
    InboxText, Mailbox, MessageRoute, Number, Route, Sound, User, box_name,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A facility as it is stored.
#[derive(Clone, Debug)]
pub struct FacilityRow {
    pub id: i64,
    pub company: CompanyId,
    pub name: String,
    pub facility: Facility,
}

/// What is looked up of facilities.
#[derive(Clone, Debug, Default)]
pub(super) struct Facilities {
    ids: HashMap<(CompanyId, FacilityKind, String), i64>,
    groups: BTreeMap<GroupId, Group>,
    inboxes: BTreeMap<InboxId, Inbox>,
    flows: BTreeMap<FlowId, CompanyFlow>,
    prompts: HashMap<(CompanyId, String), Sound>,
    inbox_of: HashMap<NumberId, InboxId>,
    boxes: BTreeMap<BoxId, Mailbox>,
    /// A user and a group have one at most.
    box_of: HashMap<BoxOwner, BoxId>,
    /// By company and context.
    global_boxes: HashMap<(CompanyId, String), BoxId>,
}

impl Directory {
    /// The same with facilities. Names in them that nobody has are left out: what is stored was
    /// checked as a whole.
    pub fn with_facilities(mut self, rows: impl IntoIterator<Item = FacilityRow>) -> Self {
        let rows: Vec<FacilityRow> = rows.into_iter().collect();
        for row in &rows {
            self.facilities.ids.insert((row.company, row.facility.kind(), row.name.clone()), row.id);
        }
        for FacilityRow { id, company, name, facility } in rows {
            match facility {
                Facility::Group(text) => {
                    let group = self.group_of(GroupId(id), company, name, text);
                    self.facilities.groups.insert(group.id, group);
                }
                Facility::Inbox(text) => {
                    let inbox = self.inbox_of_text(InboxId(id), company, name, text);
                    self.facilities.inbox_of.extend(inbox.numbers.iter().map(|number| (*number, inbox.id)));
                    self.facilities.inboxes.insert(inbox.id, inbox);
                }
                Facility::Flow(flow) => {
                    let flow = CompanyFlow { id: FlowId(id), company, name, flow: Arc::new(flow) };
                    self.facilities.flows.insert(flow.id, flow);
                }
                Facility::Prompt(sound) => drop(self.facilities.prompts.insert((company, name), sound)),
                Facility::Voicemail(text) => self.add_mailbox(BoxId(id), company, text),
            }
        }
        self
    }

    fn group_of(&self, id: GroupId, company: CompanyId, name: String, text: GroupText) -> Group {
        let GroupText { label, members, subscribe_members } = text;
        Group { id, company, name, label, members: self.users_named(company, &members), subscribe_members }
    }

    fn inbox_of_text(&self, id: InboxId, company: CompanyId, name: String, text: InboxText) -> Inbox {
        let InboxText { label, numbers, primary, members, schedule, flow, closed_flow, messaging, history } = text;
        let number = |e164: &String| self.number_by_e164(e164).map(|number| number.id);
        let flow_id = |name: Option<String>| name.and_then(|name| self.facility_id(company, FacilityKind::Flow, &name));
        let routed: Vec<NumberId> = numbers.iter().filter_map(number).collect();
        let messaging: Vec<NumberId> = messaging.iter().filter_map(number).collect();
        let only_texts = messaging.iter().copied().filter(|number| !routed.contains(number));
        Inbox {
            id,
            company,
            name,
            label,
            numbers: routed.iter().copied().chain(only_texts).collect(),
            routed,
            messaging,
            history,
            primary: primary.as_ref().and_then(number),
            members: self.users_named(company, &members),
            schedule,
            flow: flow_id(flow).map(FlowId),
            closed_flow: flow_id(closed_flow).map(FlowId),
        }
    }

    fn add_mailbox(&mut self, id: BoxId, company: CompanyId, text: BoxText) {
        let BoxText { number, context, name, owner, access, settings } = text;
        let owner = match owner {
            BoxOwnerText::Nobody => None,
            BoxOwnerText::User(extension) => {
                self.user_by_extension(company, &extension).map(|user| BoxOwner::User(user.id))
            }
            BoxOwnerText::Group(name) => {
                self.facility_id(company, FacilityKind::Group, &name).map(|group| BoxOwner::Group(GroupId(group)))
            }
        };
        if let Some(owner) = owner {
            self.facilities.box_of.insert(owner, id);
        }
        match access {
            BoxAccess::Personal => {}
            BoxAccess::Global => drop(self.facilities.global_boxes.insert((company, context.clone()), id)),
        }
        let owner = owner.unwrap_or(BoxOwner::Nobody);
        let mailbox = Mailbox { id, company, number, context, name, owner, access, settings: Arc::new(settings) };
        self.facilities.boxes.insert(id, mailbox);
    }

    fn users_named(&self, company: CompanyId, extensions: &[String]) -> Vec<UserId> {
        extensions
            .iter()
            .filter_map(|extension| self.user_by_extension(company, extension))
            .map(|user| user.id)
            .collect()
    }

    /// Id of the row of a facility.
    pub fn facility_id(&self, company: CompanyId, kind: FacilityKind, name: &str) -> Option<i64> {
        self.facilities.ids.get(&(company, kind, name.to_owned())).copied()
    }

    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.facilities.groups.get(&id)
    }

    pub fn group_by_name(&self, company: CompanyId, name: &str) -> Option<&Group> {
        self.group(GroupId(self.facility_id(company, FacilityKind::Group, name)?))
    }

    pub fn inbox(&self, id: InboxId) -> Option<&Inbox> {
        self.facilities.inboxes.get(&id)
    }

    pub fn inbox_by_name(&self, company: CompanyId, name: &str) -> Option<&Inbox> {
        self.inbox(InboxId(self.facility_id(company, FacilityKind::Inbox, name)?))
    }

    /// The inbox that a number is in.
    pub fn inbox_of_number(&self, number: NumberId) -> Option<&Inbox> {
        self.inbox(*self.facilities.inbox_of.get(&number)?)
    }

    /// The inbox whose primary number `user` calls with.
    pub fn default_inbox(&self, user: &User) -> Option<&Inbox> {
        self.inbox_by_name(user.company, user.calls.default_inbox.as_ref()?)
    }

    /// By id.
    pub fn groups_of(&self, company: CompanyId) -> impl Iterator<Item = &Group> {
        self.facilities.groups.values().filter(move |group| group.company == company)
    }

    /// By id.
    pub fn inboxes_of(&self, company: CompanyId) -> impl Iterator<Item = &Inbox> {
        self.facilities.inboxes.values().filter(move |inbox| inbox.company == company)
    }

    /// Whether groups, inboxes, flows, prompts and boxes of that company are the same in `other`.
    pub(super) fn has_same_facilities(&self, other: &Directory, company: CompanyId) -> bool {
        let flows = |of: &Directory| -> Vec<CompanyFlow> {
            of.facilities.flows.values().filter(|flow| flow.company == company).cloned().collect()
        };
        let prompts = |of: &Directory| -> BTreeMap<String, Sound> {
            let own = of.facilities.prompts.iter().filter(|((of, _), _)| *of == company);
            own.map(|((_, name), sound)| (name.clone(), sound.clone())).collect()
        };
        self.groups_of(company).eq(other.groups_of(company))
            && self.inboxes_of(company).eq(other.inboxes_of(company))
            && self.mailboxes_of(company).eq(other.mailboxes_of(company))
            && flows(self) == flows(other)
            && prompts(self) == prompts(other)
    }

    pub fn flow(&self, id: FlowId) -> Option<&CompanyFlow> {
        self.facilities.flows.get(&id)
    }

    /// The company's own prompt of that name.
    pub fn prompt(&self, company: CompanyId, name: &str) -> Option<&Sound> {
        self.facilities.prompts.get(&(company, name.to_owned()))
    }

    pub fn mailbox(&self, id: BoxId) -> Option<&Mailbox> {
        self.facilities.boxes.get(&id)
    }

    pub fn mailbox_by_number(&self, company: CompanyId, context: &str, number: &str) -> Option<&Mailbox> {
        self.mailbox_by_name(company, &box_name(number, context))
    }

    /// By `NUMBER`, or `NUMBER@CONTEXT` outside the default context.
    pub fn mailbox_by_name(&self, company: CompanyId, name: &str) -> Option<&Mailbox> {
        self.mailbox(BoxId(self.facility_id(company, FacilityKind::Voicemail, name)?))
    }

    /// The user's own box.
    pub fn mailbox_of_user(&self, user: UserId) -> Option<&Mailbox> {
        self.mailbox(*self.facilities.box_of.get(&BoxOwner::User(user))?)
    }

    pub fn mailbox_of_group(&self, group: GroupId) -> Option<&Mailbox> {
        self.mailbox(*self.facilities.box_of.get(&BoxOwner::Group(group))?)
    }

    /// The box of the context that every user of the company reads.
    pub fn global_mailbox(&self, company: CompanyId, context: &str) -> Option<&Mailbox> {
        self.mailbox(*self.facilities.global_boxes.get(&(company, context.to_owned()))?)
    }

    /// By id.
    pub fn mailboxes_of(&self, company: CompanyId) -> impl Iterator<Item = &Mailbox> {
        self.facilities.boxes.values().filter(move |mailbox| mailbox.company == company)
    }

    /// Whom a number is assigned to (seed 002): one that a user is routed or given is an assigned
    /// number, every other one a company number.
    pub fn assigned_to(&self, number: &Number) -> Option<&User> {
        let routed = match number.route {
            Route::User(user) => self.user(user),
            Route::Unrouted | Route::Group(_) | Route::Inbox(_) | Route::Flow(_) => None,
        };
        routed.or_else(|| self.users_of(number.company).find(|user| user.number == Some(number.id)))
    }

    /// The shared inbox of a number: the inbox that its text messages come to.
    pub fn shared_inbox(&self, number: NumberId) -> Option<&Inbox> {
        self.inbox_of_number(number).filter(|inbox| inbox.messaging.contains(&number))
    }

    /// Where a text to `number` goes: one place at most.
    pub fn message_route(&self, number: &Number) -> MessageRoute {
        match (self.shared_inbox(number.id), self.assigned_to(number)) {
            (Some(inbox), _) => MessageRoute::Inbox(inbox.id),
            (None, Some(user)) => MessageRoute::User(user.id),
            (None, None) => MessageRoute::Nowhere,
        }
    }

    /// Where a call to `number` goes: its own route, else to the inbox that it is in.
    pub fn route_of(&self, number: &Number) -> Route {
        let inbox = || self.inbox_of_number(number.id).filter(|inbox| inbox.routed.contains(&number.id));
        match number.route {
            Route::Unrouted => inbox().map_or(Route::Unrouted, |inbox| Route::Inbox(inbox.id)),
            Route::User(_) | Route::Group(_) | Route::Inbox(_) | Route::Flow(_) => number.route,
        }
    }

    /// Every facility of a company with its name, as it is written down.
    pub fn facilities_of(&self, company: CompanyId) -> impl Iterator<Item = (String, Facility)> {
        let groups = self.groups_of(company).map(|group| (group.name.clone(), Facility::Group(self.group_text(group))));
        let inboxes =
            self.inboxes_of(company).map(|inbox| (inbox.name.clone(), Facility::Inbox(self.inbox_text(inbox))));
        let flows = self.facilities.flows.values().filter(move |flow| flow.company == company);
        let flows = flows.map(|flow| (flow.name.clone(), Facility::Flow((*flow.flow).clone())));
        let prompts = self.facilities.prompts.iter().filter(move |((of, _), _)| *of == company);
        let prompts = prompts.map(|((_, name), sound)| (name.clone(), Facility::Prompt(sound.clone())));
        let boxes =
            self.mailboxes_of(company).map(|mailbox| (mailbox.key(), Facility::Voicemail(self.box_text(mailbox))));
        groups.chain(inboxes).chain(flows).chain(prompts).chain(boxes)
    }

    /// A box by the names of its company.
    pub fn box_text(&self, mailbox: &Mailbox) -> BoxText {
        let Mailbox { id: _, company: _, number, context, name, owner, access, settings } = mailbox;
        let owner = match owner {
            BoxOwner::Nobody => None,
            BoxOwner::User(id) => self.user_ever(*id).map(|user| BoxOwnerText::User(user.extension.clone())),
            BoxOwner::Group(id) => self.group(*id).map(|group| BoxOwnerText::Group(group.name.clone())),
        };
        BoxText {
            number: number.clone(),
            context: context.clone(),
            name: name.clone(),
            owner: owner.unwrap_or_default(),
            access: *access,
            settings: (**settings).clone(),
        }
    }

    fn group_text(&self, group: &Group) -> GroupText {
        let Group { id: _, company: _, name: _, label, members, subscribe_members } = group;
        GroupText { label: label.clone(), members: self.extensions(members), subscribe_members: *subscribe_members }
    }

    fn inbox_text(&self, inbox: &Inbox) -> InboxText {
        let Inbox {
            id: _,
            company: _,
            name: _,
            label,
            numbers: _,
            routed,
            messaging,
            history,
            primary,
            members,
            schedule,
            flow,
            closed_flow,
        } = inbox;
        let e164 = |id: &NumberId| self.number(*id).map(|number| number.e164.clone());
        let flow_name = |id: &Option<FlowId>| id.and_then(|id| self.flow(id)).map(|flow| flow.name.clone());
        InboxText {
            label: label.clone(),
            numbers: routed.iter().filter_map(e164).collect(),
            primary: primary.as_ref().and_then(e164),
            members: self.extensions(members),
            schedule: schedule.clone(),
            flow: flow_name(flow),
            closed_flow: flow_name(closed_flow),
            messaging: messaging.iter().filter_map(e164).collect(),
            history: *history,
        }
    }

    fn extensions(&self, users: &[UserId]) -> Vec<String> {
        users.iter().filter_map(|id| self.user(*id)).map(|user| user.extension.clone()).collect()
    }
}
