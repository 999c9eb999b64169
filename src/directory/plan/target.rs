//! What shall be: the worlds as they are, with what the company file says laid over them.

use super::super::file::{
    CommandKeys, CompanyFile, CompanyKeys, DestinationText, DialledCode, Entry, FileError, ForwardOrNext, NumberKeys,
    NumberOrNone, Own, Place, Problem, RingSeconds, RouteTo, SettingKeys, UserKeys,
};
use super::super::{CallHandling, Commands, DestinationRule, Role, Settings, UserOverrides};
use super::facility;
use super::state::{CompanyState, NumberState, UserState, World};
use std::collections::{BTreeMap, BTreeSet};

/// Lays `file` over `worlds`. With `prune`, what the file does not name goes, in the
/// companies that it has a `[[company]]` for.
pub(super) fn lay_over(
    worlds: &mut BTreeMap<String, World>,
    file: &CompanyFile,
    prune: bool,
    errors: &mut Vec<FileError>,
) {
    for entry in &file.companies {
        company(worlds, entry, errors);
        if let Some(world) = worlds.get_mut(&entry.name).filter(|_| prune) {
            keep_named(world, file);
        }
    }
    for entry in &file.users {
        let place = Place::User { company: entry.company.clone(), extension: entry.name.clone() };
        if let Some(world) = world_of(worlds, &entry.company, place, errors) {
            user(world, entry);
        }
    }
    for entry in &file.numbers {
        let place = Place::Number { company: entry.company.clone(), e164: entry.name.clone() };
        if let Some(world) = world_of(worlds, &entry.company, place, errors) {
            number(world, entry);
        }
    }
    facility::lay_over(worlds, file, errors);
    for entry in &file.trunks {
        let place = Place::Trunk { company: entry.company.clone(), name: entry.name.clone() };
        if let Some(world) = world_of(worlds, &entry.company, place.clone(), errors) {
            super::trunk::lay_over(world, entry, &place, errors);
        }
    }
}

pub(super) fn world_of<'a>(
    worlds: &'a mut BTreeMap<String, World>,
    company: &str,
    place: Place,
    errors: &mut Vec<FileError>,
) -> Option<&'a mut World> {
    let world = worlds.get_mut(company);
    if world.is_none() {
        errors.push(FileError { place, problem: Problem::UnknownCompany(company.to_owned()) });
    }
    world
}

/// Takes out what `file` does not name.
fn keep_named(world: &mut World, file: &CompanyFile) {
    let key = &world.company.key;
    let users: BTreeSet<_> = file.users.iter().filter(|e| &e.company == key).map(|e| &e.name).collect();
    let numbers: BTreeSet<_> = file.numbers.iter().filter(|e| &e.company == key).map(|e| &e.name).collect();
    let trunks: BTreeSet<_> = file.trunks.iter().filter(|e| &e.company == key).map(|e| &e.name).collect();
    world.users.retain(|extension, _| users.contains(extension));
    world.numbers.retain(|e164, _| numbers.contains(e164));
    world.trunks.retain(|name, _| trunks.contains(name));
    facility::keep_named(world, file);
}

fn company(worlds: &mut BTreeMap<String, World>, entry: &Entry<CompanyKeys>, errors: &mut Vec<FileError>) {
    let CompanyKeys { key: _, name, domains, realm, default_number, settings: said } = &entry.keys;
    let domains = domains.as_ref().map(|domains| domains.iter().map(|domain| domain.as_str().to_owned()).collect());
    let world = worlds
        .entry(entry.name.clone())
        .or_insert_with(|| new_world(&entry.name, realm.as_ref().map(|realm| realm.as_str()), domains.as_ref()));
    let company = &mut world.company;
    if let Some(realm) = realm.as_ref().filter(|realm| realm.as_str() != company.realm) {
        let problem = Problem::RealmChange { old: company.realm.clone(), new: realm.to_string() };
        errors.push(FileError { place: Place::Company { key: entry.name.clone() }, problem });
    }
    set(&mut company.name, name.as_ref().map(ToString::to_string));
    set(&mut company.domains, domains);
    set(&mut company.default_number, reference(default_number));
    settings(&mut company.settings, said);
}

fn new_world(key: &str, realm: Option<&str>, domains: Option<&Vec<String>>) -> World {
    let first = domains.and_then(|domains| domains.first()).map(String::as_str);
    let company = CompanyState {
        key: key.to_owned(),
        name: key.to_owned(),
        domains: Vec::new(),
        realm: realm.or(first).unwrap_or(key).to_owned(),
        default_number: None,
        settings: Settings::default(),
    };
    World {
        company,
        users: BTreeMap::new(),
        numbers: BTreeMap::new(),
        trunks: BTreeMap::new(),
        facilities: BTreeMap::new(),
        half_read: BTreeSet::new(),
    }
}

fn settings(settings: &mut Settings, said: &SettingKeys) {
    let SettingKeys {
        record_inbound,
        record_outbound,
        record_internal,
        agent_pause,
        call_visibility,
        play,
        download,
        on_recording_failure,
        notice,
        notice_refuse,
        notice_beep_s,
        channels,
        pause,
        pause_reminder_s,
        max_pause_s,
        retention_days,
        record_while_held,
        only_encrypted,
        transfer,
        transfer_from_outside,
        commands: CommandKeys { pause: pause_keys, start },
        max_hold_ms,
        codecs,
        auth,
        country_code,
        national_prefix,
        emergency_numbers,
        service_numbers,
        destinations,
        time_zone,
        voicemail,
    } = said;
    set(&mut settings.record_inbound, *record_inbound);
    set(&mut settings.record_outbound, *record_outbound);
    set(&mut settings.record_internal, *record_internal);
    set(&mut settings.agent_pause, *agent_pause);
    set(&mut settings.call_visibility, *call_visibility);
    set(&mut settings.play, *play);
    set(&mut settings.download, *download);
    set(&mut settings.on_recording_failure, *on_recording_failure);
    set(&mut settings.notice, *notice);
    set(&mut settings.notice_refuse, notice_refuse.map(|key| key.0));
    set(&mut settings.notice_beep_s, notice_beep_s.map(|RingSeconds(seconds)| seconds));
    set(&mut settings.channels, *channels);
    set(&mut settings.pause, *pause);
    set(&mut settings.pause_reminder_s, pause_reminder_s.map(|reminder| reminder.0));
    set(&mut settings.max_pause_s, max_pause_s.map(|most| most.0));
    set(&mut settings.retention_days, retention_days.map(|days| days.0));
    set(&mut settings.record_while_held, *record_while_held);
    set(&mut settings.only_encrypted, *only_encrypted);
    set(&mut settings.transfer, *transfer);
    set(&mut settings.transfer_from_outside, *transfer_from_outside);
    let Commands { pause: pause_now, start: start_now } = &mut settings.commands;
    set(pause_now, pause_keys.as_ref().map(ToString::to_string));
    set(start_now, start.as_ref().map(ToString::to_string));
    set(&mut settings.max_hold_ms, max_hold_ms.map(|hold| hold.0));
    set(&mut settings.codecs, codecs.clone());
    set(&mut settings.auth, auth.clone());
    set(&mut settings.country_code, country_code.as_ref().map(ToString::to_string));
    let prefix = national_prefix.clone().map(|own| own.value().map(|prefix| prefix.to_string()));
    set(&mut settings.national_prefix, prefix);
    let codes = |codes: &Option<Vec<DialledCode>>| {
        codes.as_ref().map(|codes| codes.iter().map(|code| code.as_str().to_owned()).collect())
    };
    set(&mut settings.emergency_numbers, codes(emergency_numbers));
    set(&mut settings.service_numbers, codes(service_numbers));
    set(&mut settings.destinations, rules(destinations));
    set(&mut settings.time_zone, time_zone.clone());
    super::mailbox::settings(&mut settings.voicemail, voicemail);
}

fn rules(said: &Option<Own<Vec<DestinationText>>>) -> Option<Option<Vec<DestinationRule>>> {
    let rules = |texts: Vec<DestinationText>| texts.into_iter().map(|text| text.0).collect();
    said.clone().map(|own| own.value().map(rules))
}

fn user(world: &mut World, entry: &Entry<UserKeys>) {
    let UserKeys {
        company: _,
        extension: _,
        name,
        auth_name,
        password: _,
        generate_password: _,
        role,
        agent_pause,
        call_visibility,
        play,
        download,
        number,
        auth,
        default_inbox,
        ring_s,
        on_busy,
        on_no_answer,
        on_unregistered,
        destinations,
        deactivated,
    } = &entry.keys;
    let user = world.users.entry(entry.name.clone()).or_insert_with(|| new_user(&entry.company, &entry.name));
    set(&mut user.name, name.as_ref().map(ToString::to_string));
    set(&mut user.auth_name, auth_name.as_ref().map(ToString::to_string));
    set(&mut user.role, *role);
    set(&mut user.overrides.agent_pause, agent_pause.map(Own::value));
    set(&mut user.overrides.call_visibility, call_visibility.map(Own::value));
    set(&mut user.overrides.play, play.map(Own::value));
    set(&mut user.overrides.download, download.map(Own::value));
    set(&mut user.number, reference(number));
    let CallHandling { default_inbox: inbox_now, ring_s: ring_now, unanswered } = &mut user.calls;
    set(inbox_now, default_inbox.as_ref().map(|name| name.0.clone()));
    set(ring_now, ring_s.map(|own| own.value().map(|RingSeconds(seconds)| seconds)));
    let forward = |to: &Option<ForwardOrNext>| to.as_ref().map(|to| to.0.clone());
    set(&mut unanswered.busy, forward(on_busy));
    set(&mut unanswered.no_answer, forward(on_no_answer));
    set(&mut unanswered.unregistered, forward(on_unregistered));
    set(&mut user.auth, auth.clone().map(|auth| Some(auth).filter(|auth| !auth.is_empty())));
    set(&mut user.destinations, rules(destinations));
    set(&mut user.deactivated, *deactivated);
    if user.deactivated {
        user.leaves_behind();
    }
}

fn new_user(company: &str, extension: &str) -> UserState {
    UserState {
        company: company.to_owned(),
        extension: extension.to_owned(),
        name: extension.to_owned(),
        auth_name: extension.to_owned(),
        role: Role::Agent,
        overrides: UserOverrides::default(),
        number: None,
        auth: None,
        calls: CallHandling::default(),
        destinations: None,
        deactivated: false,
    }
}

fn number(world: &mut World, entry: &Entry<NumberKeys>) {
    let NumberKeys { company: _, number: _, route, recording, notice, dial_prefix, retention_days } = &entry.keys;
    let number = world.numbers.entry(entry.name.clone()).or_insert_with(|| NumberState {
        company: entry.company.clone(),
        e164: entry.name.clone(),
        route: RouteTo::Unrouted,
        recording: Default::default(),
        notice: None,
        dial_prefix: None,
        retention_days: None,
    });
    set(&mut number.route, route.clone());
    set(&mut number.recording, *recording);
    set(&mut number.notice, notice.map(Own::value));
    set(&mut number.dial_prefix, dial_prefix.as_ref().map(|prefix| prefix.0.clone()));
    set(&mut number.retention_days, retention_days.map(|own| own.value().map(|days| days.0)));
}

/// The number that a key names: absent, none any more, or this one.
pub(super) fn reference(key: &Option<NumberOrNone>) -> Option<Option<String>> {
    key.as_ref().map(|number| number.0.clone())
}

/// An absent key leaves the value as it is.
pub(super) fn set<T>(value: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *value = said;
    }
}
