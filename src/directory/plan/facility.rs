//! Groups, inboxes, call flows, prompts and voicemail boxes: as they were, what the file lays over them, and what
//! must hold between them and the rest of the company.

use super::super::file::{
    CompanyFile, Entry, FileError, FlowKeys, GroupKeys, InboxKeys, Place, Problem, PromptKeys, RouteTo,
};
use super::super::flow::{self, Flaw, Known, Schedule};
use super::super::{BUILT_IN_PROMPTS, Facility, FacilityKind, GroupText, InboxText, Sound};
use super::check::contested;
use super::state::{Field, NumberState, UserState, World, list, on_off, or_none};
use super::target::{reference, set, world_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A facility and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct FacilityState {
    pub company: String,
    pub name: String,
    pub facility: Facility,
}

impl FacilityState {
    pub fn kind(&self) -> FacilityKind {
        self.facility.kind()
    }

    pub(super) fn place(&self) -> Place {
        Place::Facility { company: self.company.clone(), kind: self.kind(), name: self.name.clone() }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        match &self.facility {
            Facility::Group(GroupText { label, members, subscribe_members }) => vec![
                ("label", label.clone()),
                ("members", list(members)),
                ("subscribe_members", on_off(*subscribe_members)),
            ],
            Facility::Inbox(inbox) => inbox_fields(inbox),
            Facility::Flow(flow) => vec![("start", flow.start.to_string()), ("steps", steps_text(flow))],
            Facility::Prompt(sound) => vec![("sound", sound.to_string())],
            Facility::Voicemail(text) => super::mailbox::fields(text),
        }
    }
}

fn inbox_fields(inbox: &InboxText) -> Vec<Field> {
    let InboxText { label, numbers, primary, members, schedule, flow, closed_flow, messaging, history } = inbox;
    let hours = |Schedule { time_zone, hours, holidays }: &Schedule| {
        let holidays = if holidays.is_empty() { String::new() } else { format!(" except {}", list(holidays)) };
        format!("{} {time_zone}{holidays}", list(hours))
    };
    vec![
        ("label", label.clone()),
        ("numbers", list(numbers)),
        ("primary", or_none(primary)),
        ("members", list(members)),
        ("hours", schedule.as_ref().map_or_else(|| "none".to_owned(), hours)),
        ("flow", or_none(flow)),
        ("closed_flow", or_none(closed_flow)),
        ("messaging", list(messaging)),
        ("history", on_off(*history)),
    ]
}

/// All steps on one line, in the words of the company file.
fn steps_text(flow: &flow::Flow) -> String {
    let step = |(name, step): (&flow::StepName, &flow::Step)| {
        let text = serde_json::to_string(step).unwrap_or_default();
        format!("{name} {}", text.replace('"', ""))
    };
    flow.steps.iter().map(step).collect::<Vec<_>>().join("; ")
}

/// Lays what the file says over the facilities of the companies.
pub(super) fn lay_over(worlds: &mut BTreeMap<String, World>, file: &CompanyFile, errors: &mut Vec<FileError>) {
    for entry in &file.groups {
        if let Some(world) = world_of(worlds, &entry.company, entry.place_of(FacilityKind::Group), errors) {
            group(world, entry);
        }
    }
    for entry in &file.inboxes {
        if let Some(world) = world_of(worlds, &entry.company, entry.place_of(FacilityKind::Inbox), errors) {
            inbox(world, entry, errors);
        }
    }
    for entry in &file.flows {
        if let Some(world) = world_of(worlds, &entry.company, entry.place_of(FacilityKind::Flow), errors) {
            call_flow(world, entry, errors);
        }
    }
    for entry in &file.prompts {
        if let Some(world) = world_of(worlds, &entry.company, entry.place_of(FacilityKind::Prompt), errors) {
            prompt(world, entry, errors);
        }
    }
    super::mailbox::lay_over(worlds, file, errors);
}

/// Takes out what `file` does not name.
pub(super) fn keep_named(world: &mut World, file: &CompanyFile) {
    let company = world.company.key.clone();
    let mut named: BTreeSet<(FacilityKind, &String)> = BTreeSet::new();
    named.extend(names(&file.groups, &company).map(|name| (FacilityKind::Group, name)));
    named.extend(names(&file.inboxes, &company).map(|name| (FacilityKind::Inbox, name)));
    named.extend(names(&file.flows, &company).map(|name| (FacilityKind::Flow, name)));
    named.extend(names(&file.prompts, &company).map(|name| (FacilityKind::Prompt, name)));
    named.extend(names(&file.voicemails, &company).map(|name| (FacilityKind::Voicemail, name)));
    world.facilities.retain(|(kind, name), _| named.contains(&(*kind, name)));
}

fn names<'a, K>(entries: &'a [Entry<K>], company: &'a str) -> impl Iterator<Item = &'a String> {
    entries.iter().filter(move |entry| entry.company == company).map(|entry| &entry.name)
}

pub(super) fn put<K>(world: &mut World, entry: &Entry<K>, facility: Facility) {
    let state = FacilityState { company: entry.company.clone(), name: entry.name.clone(), facility };
    world.facilities.insert((state.kind(), state.name.clone()), state);
}

fn group(world: &mut World, entry: &Entry<GroupKeys>) {
    let GroupKeys { company: _, name: _, label, members, subscribe_members } = &entry.keys;
    let before = world.facilities.get(&(FacilityKind::Group, entry.name.clone())).map(|state| &state.facility);
    let mut group = match before {
        Some(Facility::Group(group)) => group.clone(),
        Some(_) | None => GroupText { label: entry.name.clone(), ..GroupText::default() },
    };
    set(&mut group.label, label.as_ref().map(ToString::to_string));
    set(&mut group.members, members.as_ref().map(|members| members.iter().map(ToString::to_string).collect()));
    set(&mut group.subscribe_members, *subscribe_members);
    put(world, entry, Facility::Group(group));
}

fn inbox(world: &mut World, entry: &Entry<InboxKeys>, errors: &mut Vec<FileError>) {
    let keys = &entry.keys;
    let before = world.facilities.get(&(FacilityKind::Inbox, entry.name.clone())).map(|state| &state.facility);
    let mut inbox = match before {
        Some(Facility::Inbox(inbox)) => inbox.clone(),
        Some(_) | None => InboxText { label: entry.name.clone(), ..InboxText::default() },
    };
    set(&mut inbox.label, keys.label.as_ref().map(ToString::to_string));
    set(&mut inbox.numbers, keys.numbers.as_ref().map(|numbers| numbers.iter().map(ToString::to_string).collect()));
    set(&mut inbox.primary, reference(&keys.primary));
    set(&mut inbox.members, keys.members.as_ref().map(|members| members.iter().map(ToString::to_string).collect()));
    set(&mut inbox.flow, keys.flow.as_ref().map(|name| name.0.clone()));
    set(&mut inbox.closed_flow, keys.closed_flow.as_ref().map(|name| name.0.clone()));
    set(&mut inbox.messaging, keys.messaging.as_ref().map(|numbers| numbers.iter().map(ToString::to_string).collect()));
    set(&mut inbox.history, keys.history);
    match hours_of(inbox.schedule.take(), keys) {
        Ok(schedule) => inbox.schedule = schedule,
        Err(missing) => {
            let place = entry.place_of(FacilityKind::Inbox);
            errors.push(FileError { place, problem: Problem::HalfSchedule(missing) });
        }
    }
    put(world, entry, Facility::Inbox(inbox));
}

/// The schedule with what the file says laid over it, or the key that is missing to make one.
fn hours_of(before: Option<Schedule>, keys: &InboxKeys) -> Result<Option<Schedule>, &'static str> {
    let InboxKeys { time_zone, hours, holidays, .. } = keys;
    if hours.as_ref().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    match before {
        Some(mut schedule) => {
            set(&mut schedule.time_zone, time_zone.clone());
            set(&mut schedule.hours, hours.clone());
            set(&mut schedule.holidays, holidays.clone());
            Ok(Some(schedule))
        }
        None if time_zone.is_none() && hours.is_none() && holidays.is_none() => Ok(None),
        None => Ok(Some(Schedule {
            time_zone: time_zone.clone().ok_or("time_zone")?,
            hours: hours.clone().ok_or("hours")?,
            holidays: holidays.clone().unwrap_or_default(),
        })),
    }
}

fn call_flow(world: &mut World, entry: &Entry<FlowKeys>, errors: &mut Vec<FileError>) {
    let (flow, flaws) = entry.keys.flow();
    let place = entry.place_of(FacilityKind::Flow);
    let broken = !flaws.is_empty();
    errors.extend(
        flaws.into_iter().map(|(step, flaw)| FileError { place: place.clone(), problem: Problem::Step { step, flaw } }),
    );
    let known = world.facilities.contains_key(&(FacilityKind::Flow, entry.name.clone()));
    let only_start = entry.keys.step.is_empty() && known && entry.keys.start.is_some();
    match flow {
        // Of a flow that is there another step becomes the first.
        Some(flow) if only_start => {
            if let Some(FacilityState { facility: Facility::Flow(there), .. }) =
                world.facilities.get_mut(&(FacilityKind::Flow, entry.name.clone()))
            {
                there.start = flow.start;
            }
        }
        Some(flow) => {
            put(world, entry, Facility::Flow(flow));
            world.half_read.extend(broken.then(|| entry.name.clone()));
        }
        // A flow that is there and of which only the name is said stays.
        None if known => {}
        None => errors.push(FileError { place, problem: Problem::NoSteps }),
    }
}

fn prompt(world: &mut World, entry: &Entry<PromptKeys>, errors: &mut Vec<FileError>) {
    let known = world.facilities.contains_key(&(FacilityKind::Prompt, entry.name.clone()));
    match (&entry.keys.sound, &entry.keys.file) {
        (Some(sound), _) => put(world, entry, Facility::Prompt(sound.clone())),
        (None, None) if !known => {
            errors.push(FileError { place: entry.place_of(FacilityKind::Prompt), problem: Problem::NoSound });
        }
        // The file was not read here (a replay needs no sound).
        (None, Some(_)) if !known => put(world, entry, Facility::Prompt(Sound(Arc::new([])))),
        (None, _) => {}
    }
}

/// The names of a company, to ask whether they exist.
pub(super) struct Names<'a>(pub &'a World);

impl Names<'_> {
    pub(super) fn has(&self, kind: FacilityKind, name: &str) -> bool {
        self.0.facilities.contains_key(&(kind, name.to_owned()))
    }
}

impl Known for Names<'_> {
    fn user(&self, extension: &str) -> bool {
        self.0.has_active(extension)
    }

    fn group(&self, name: &str) -> bool {
        self.has(FacilityKind::Group, name)
    }

    fn inbox(&self, name: &str) -> bool {
        self.has(FacilityKind::Inbox, name)
    }

    fn prompt(&self, name: &str) -> bool {
        BUILT_IN_PROMPTS.contains(&name) || self.has(FacilityKind::Prompt, name)
    }

    fn mailbox(&self, name: &str) -> bool {
        self.has(FacilityKind::Voicemail, name)
    }
}

/// Everything that would not hold about the facilities of `world`.
pub(super) fn check(before: Option<&World>, world: &World, errors: &mut Vec<FileError>) {
    for state in world.facilities.values() {
        match &state.facility {
            Facility::Group(group) => members(world, state, &group.members, errors),
            Facility::Inbox(inbox) => {
                members(world, state, &inbox.members, errors);
                check_inbox(world, state, inbox, errors);
            }
            Facility::Flow(flow) => check_flow(world, state, flow, errors),
            Facility::Prompt(_) => {}
            Facility::Voicemail(text) => super::mailbox::check(world, state, text, errors),
        }
    }
    numbers_in_two(before, world, errors);
    super::mailbox::check_together(before, world, errors);
}

fn members(world: &World, state: &FacilityState, members: &[String], errors: &mut Vec<FileError>) {
    let mut say = |problem| errors.push(FileError { place: state.place(), problem });
    for name in members.iter().filter(|extension| !world.has_active(extension)) {
        say(match world.has_deactivated(name) {
            true => Problem::DeactivatedUser { key: "members", to: name.clone() },
            false => Problem::UnknownName { key: "members", name: name.clone() },
        });
    }
    for name in repeated(members) {
        say(Problem::NamedTwice { key: "members", name });
    }
}

fn check_inbox(world: &World, state: &FacilityState, inbox: &InboxText, errors: &mut Vec<FileError>) {
    let mut say = |problem| errors.push(FileError { place: state.place(), problem });
    for (key, numbers) in [("numbers", &inbox.numbers), ("messaging", &inbox.messaging)] {
        for e164 in numbers.iter().filter(|e164| !world.numbers.contains_key(*e164)) {
            say(Problem::UnknownNumber { key, e164: e164.clone() });
        }
        for name in repeated(numbers) {
            say(Problem::NamedTwice { key, name });
        }
    }
    let is_in = |e164: &String| inbox.numbers.contains(e164) || inbox.messaging.contains(e164);
    if let Some(primary) = inbox.primary.as_ref().filter(|primary| !is_in(primary)) {
        say(Problem::PrimaryElsewhere(primary.clone()));
    }
    for (key, name) in [("flow", &inbox.flow), ("closed_flow", &inbox.closed_flow)] {
        if let Some(name) = name.as_ref().filter(|name| !Names(world).has(FacilityKind::Flow, name)) {
            say(Problem::UnknownName { key, name: name.clone() });
        }
    }
}

fn check_flow(world: &World, state: &FacilityState, flow: &flow::Flow, errors: &mut Vec<FileError>) {
    let place = state.place();
    match flow::check(flow, &Names(world)) {
        Ok(flaws) => errors.extend(flaws.into_iter().filter(|(_, flaw)| !follows_from_others(world, state, flaw)).map(
            |(step, flaw)| FileError {
                place: place.clone(),
                problem: Problem::Step { step, flaw: or_deactivated(world, flaw) },
            },
        )),
        // A start that could not be read was complained of.
        Err(_) if world.half_read.contains(&state.name) => {}
        Err(start) => errors.push(FileError { place, problem: Problem::UnknownStart(start) }),
    }
}

/// A flaw that says of a user who is there that there is none, as it is.
fn or_deactivated(world: &World, flaw: Flaw) -> Flaw {
    match flaw {
        Flaw::UnknownTarget(to) if to.strip_prefix("user:").is_some_and(|user| world.has_deactivated(user)) => {
            Flaw::DeactivatedUser(to)
        }
        other => other,
    }
}

/// Where steps could not be read, what leads to them and through them says nothing new.
fn follows_from_others(world: &World, state: &FacilityState, flaw: &Flaw) -> bool {
    world.half_read.contains(&state.name)
        && matches!(flaw, Flaw::UnknownStep { .. } | Flaw::Unreachable | Flaw::NoExit(_))
}

fn numbers_in_two(before: Option<&World>, world: &World, errors: &mut Vec<FileError>) {
    let before = before.into_iter().flat_map(inbox_numbers);
    for claim in contested(before, inbox_numbers(world)) {
        if claim.owner == claim.claimant {
            continue;
        }
        let (company, name) = (world.company.key.clone(), claim.claimant.to_owned());
        let place = Place::Facility { company, kind: FacilityKind::Inbox, name };
        let problem = Problem::NumberInTwo { e164: claim.thing.to_owned(), owner: claim.owner.to_owned() };
        errors.push(FileError { place, problem });
    }
}

fn inbox_numbers(world: &World) -> impl Iterator<Item = (&str, &str)> {
    world.facilities.values().flat_map(|state| {
        let numbers: BTreeSet<&str> = match &state.facility {
            Facility::Inbox(inbox) => inbox.numbers.iter().chain(&inbox.messaging).map(String::as_str).collect(),
            Facility::Group(_) | Facility::Flow(_) | Facility::Prompt(_) | Facility::Voicemail(_) => BTreeSet::new(),
        };
        numbers.into_iter().map(|number| (number, state.name.as_str()))
    })
}

/// Numbers with a shared inbox, and its label.
pub(super) fn shared_numbers(world: &World) -> impl Iterator<Item = (&str, &FacilityState, &str)> {
    world.facilities.values().flat_map(|state| {
        let (numbers, label) = match &state.facility {
            Facility::Inbox(inbox) => (inbox.messaging.as_slice(), inbox.label.as_str()),
            Facility::Group(_) | Facility::Flow(_) | Facility::Prompt(_) | Facility::Voicemail(_) => (&[][..], ""),
        };
        numbers.iter().map(move |number| (number.as_str(), state, label))
    })
}

/// What is wrong with how a user takes and makes calls.
pub(super) fn check_calls(world: &World, user: &UserState) -> Vec<Problem> {
    let mut problems = Vec::new();
    let unanswered = &user.calls.unanswered;
    let ways = [
        ("on_busy", &unanswered.busy),
        ("on_no_answer", &unanswered.no_answer),
        ("on_unregistered", &unanswered.unregistered),
    ];
    for (key, to) in ways.into_iter().filter_map(|(key, to)| to.as_ref().map(|to| (key, to))) {
        if !flow::forward_exists(to, &Names(world)) {
            problems.push(match to {
                flow::ForwardTo::User(user) if world.has_deactivated(user) => {
                    Problem::DeactivatedUser { key, to: to.to_string() }
                }
                flow::ForwardTo::User(_)
                | flow::ForwardTo::Group(_)
                | flow::ForwardTo::Number(_)
                | flow::ForwardTo::Voicemail(_) => Problem::UnknownForward { key, to: to.to_string() },
            });
        }
        if *to == flow::ForwardTo::User(user.extension.clone()) {
            problems.push(Problem::ForwardLoop { key, to: to.to_string() });
        }
    }
    if let Some(name) = &user.calls.default_inbox {
        match world.facilities.get(&(FacilityKind::Inbox, name.clone())).map(|state| &state.facility) {
            Some(Facility::Inbox(inbox)) if inbox.members.contains(&user.extension) => {}
            Some(_) => problems.push(Problem::NotAMember(name.clone())),
            None => problems.push(Problem::UnknownName { key: "default_inbox", name: name.clone() }),
        }
    }
    problems
}

/// Whether a number's route leads to something that exists.
pub(super) fn route_exists(world: &World, number: &NumberState) -> bool {
    match &number.route {
        RouteTo::Unrouted => true,
        RouteTo::User(extension) => world.has_active(extension),
        RouteTo::Group(name) => Names(world).has(FacilityKind::Group, name),
        RouteTo::Inbox(name) => Names(world).has(FacilityKind::Inbox, name),
        RouteTo::Flow(name) => Names(world).has(FacilityKind::Flow, name),
    }
}

fn repeated(names: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.iter().filter(|name| !seen.insert(*name)).cloned().collect()
}
