//! Groups, inboxes, call flows and prompts as calls see them: names have become ids.

use super::Directory;
use crate::base::{CompanyId, FlowId, GroupId, InboxId, NumberId, UserId};
use crate::directory::{
    CompanyFlow, Facility, FacilityKind, Group, GroupText, Inbox, InboxText, MessageRoute, Number, Route, Sound, User,
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

    pub fn flow(&self, id: FlowId) -> Option<&CompanyFlow> {
        self.facilities.flows.get(&id)
    }

    /// The company's own prompt of that name.
    pub fn prompt(&self, company: CompanyId, name: &str) -> Option<&Sound> {
        self.facilities.prompts.get(&(company, name.to_owned()))
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
        groups.chain(inboxes).chain(flows).chain(prompts)
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
