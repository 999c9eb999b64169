//! The directory by its natural keys, as the company file speaks of it: what was there,
//! and what shall be.

use super::super::file::RouteTo;
use super::super::flow::{ForwardTo, Unanswered};
use super::super::{
    AudioCodec, AuthAlgorithm, CallHandling, CallVisibility, Commands, Company, DestinationRule, Directory,
    FacilityKind, NoticeTo, Number, NumberRecording, OnRecordingFailure, Play, Role, Route, Settings, User,
    UserOverrides,
};
use super::facility::FacilityState;
use super::trunk::TrunkState;
use std::collections::{BTreeMap, BTreeSet};

/// One company and all that is in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct World {
    pub company: CompanyState,
    /// By extension.
    pub users: BTreeMap<String, UserState>,
    /// By E.164.
    pub numbers: BTreeMap<String, NumberState>,
    /// By name.
    pub trunks: BTreeMap<String, TrunkState>,
    pub facilities: BTreeMap<(FacilityKind, String), FacilityState>,
    /// Flows of which steps could not be read: what else is said of them follows from that.
    pub half_read: BTreeSet<String>,
}

/// A company's own values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyState {
    pub key: String,
    pub name: String,
    pub domains: Vec<String>,
    pub realm: String,
    /// E.164.
    pub default_number: Option<String>,
    pub settings: Settings,
}

/// A user's values, except passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserState {
    pub company: String,
    pub extension: String,
    pub name: String,
    pub auth_name: String,
    pub role: Role,
    pub overrides: UserOverrides,
    /// E.164.
    pub number: Option<String>,
    pub auth: Option<Vec<AuthAlgorithm>>,
    pub calls: CallHandling,
    pub destinations: Option<Vec<DestinationRule>>,
    pub deactivated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberState {
    pub company: String,
    pub e164: String,
    pub route: RouteTo,
    pub recording: NumberRecording,
    pub notice: Option<NoticeTo>,
    pub dial_prefix: Option<String>,
    pub retention_days: Option<u32>,
}

/// A key of the company file and its value, for people.
pub(super) type Field = (&'static str, String);

/// Everything in `directory`, by key of the company.
pub(super) fn worlds(directory: &Directory) -> BTreeMap<String, World> {
    directory.companies().map(|company| (company.key.clone(), world(directory, company))).collect()
}

fn world(directory: &Directory, company: &Company) -> World {
    let key = &company.key;
    World {
        company: CompanyState::of(directory, company),
        users: directory
            .users_of(company.id)
            .chain(directory.deactivated_of(company.id))
            .map(|u| (u.extension.clone(), UserState::of(directory, key, u)))
            .collect(),
        numbers: directory
            .numbers_of(company.id)
            .map(|n| (n.e164.clone(), NumberState::of(directory, key, n)))
            .collect(),
        trunks: directory.trunks_of(company.id).map(|t| (t.name.clone(), TrunkState::of(company, t))).collect(),
        facilities: directory
            .facilities_of(company.id)
            .map(|(name, facility)| FacilityState { company: key.clone(), name, facility })
            .map(|state| ((state.kind(), state.name.clone()), state))
            .collect(),
        half_read: BTreeSet::new(),
    }
}

impl CompanyState {
    pub(super) fn of(directory: &Directory, company: &Company) -> Self {
        let Company { id: _, key, name, domains, realm, settings, default_number } = company;
        let e164 = |id| directory.number(id).map(|number| number.e164.clone());
        CompanyState {
            key: key.clone(),
            name: name.clone(),
            domains: domains.clone(),
            realm: realm.clone(),
            default_number: default_number.and_then(e164),
            settings: settings.clone(),
        }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let CompanyState { key: _, name, domains, realm, default_number, settings } = self;
        let mut fields = vec![
            ("name", name.clone()),
            ("domains", list(domains)),
            ("realm", realm.clone()),
            ("default_number", or_none(default_number)),
        ];
        fields.extend(setting_fields(settings));
        fields
    }
}

fn setting_fields(settings: &Settings) -> Vec<Field> {
    let Settings {
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
        commands: Commands { pause: pause_keys, start },
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
    } = settings;
    let mut fields = vec![
        ("record_inbound", on_off(*record_inbound)),
        ("record_outbound", on_off(*record_outbound)),
        ("record_internal", on_off(*record_internal)),
        ("agent_pause", on_off(*agent_pause)),
        ("call_visibility", visibility(*call_visibility).to_owned()),
        ("play", play_text(*play).to_owned()),
        ("download", on_off(*download)),
        ("on_recording_failure", failure(*on_recording_failure).to_owned()),
        ("notice", notice.as_str().to_owned()),
        ("notice_refuse", notice_refuse.map_or_else(|| "off".to_owned(), String::from)),
        ("notice_beep_s", notice_beep_s.to_string()),
        ("channels", channels.as_str().to_owned()),
        ("pause", pause.as_str().to_owned()),
        ("pause_reminder_s", pause_reminder_s.to_string()),
        ("max_pause_s", max_pause_s.to_string()),
        ("retention_days", retention_days.to_string()),
        ("record_while_held", on_off(*record_while_held)),
        ("only_encrypted", on_off(*only_encrypted)),
        ("transfer", on_off(*transfer)),
        ("transfer_from_outside", on_off(*transfer_from_outside)),
        ("commands.pause", pause_keys.clone()),
        ("commands.start", start.clone()),
        ("max_hold_ms", max_hold_ms.to_string()),
        ("codecs", codec_names(codecs)),
        ("auth", algorithms(auth)),
        ("country_code", if country_code.is_empty() { "none".to_owned() } else { country_code.clone() }),
        ("national_prefix", national_prefix.as_ref().map_or("inherit".to_owned(), |prefix| format!("\"{prefix}\""))),
        ("emergency_numbers", list(emergency_numbers)),
        ("service_numbers", if service_numbers.is_empty() { "none".to_owned() } else { list(service_numbers) }),
        ("destinations", own(destinations.as_deref().map(list))),
        ("time_zone", time_zone.as_str().to_owned()),
    ];
    fields.extend(super::mailbox::setting_fields(voicemail));
    fields
}

fn codec_names(codecs: &[AudioCodec]) -> String {
    let names: Vec<&str> = codecs.iter().map(|codec| codec.as_str()).collect();
    if names.is_empty() { "all".to_owned() } else { names.join(" ") }
}

impl World {
    /// Whether the company has that user, and they are not deactivated.
    pub(super) fn has_active(&self, extension: &str) -> bool {
        self.users.get(extension).is_some_and(|user| !user.deactivated)
    }

    /// Whether the company has that user, who is deactivated.
    pub(super) fn has_deactivated(&self, extension: &str) -> bool {
        self.users.get(extension).is_some_and(|user| user.deactivated)
    }
}

impl UserState {
    /// What a user who is deactivated has no more.
    pub(super) fn leaves_behind(&mut self) {
        self.number = None;
        self.calls.default_inbox = None;
    }

    pub(super) fn of(directory: &Directory, company: &str, user: &User) -> Self {
        let User {
            id,
            company: _,
            extension,
            name,
            auth_name,
            ha1_md5: _,
            ha1_sha256: _,
            role,
            overrides,
            number,
            auth,
            calls,
            destinations,
        } = user;
        let e164 = |id| directory.number(id).map(|number| number.e164.clone());
        UserState {
            company: company.to_owned(),
            extension: extension.clone(),
            name: name.clone(),
            auth_name: auth_name.clone(),
            role: *role,
            overrides: *overrides,
            number: number.and_then(e164),
            auth: auth.clone(),
            calls: calls.clone(),
            destinations: destinations.clone(),
            deactivated: directory.is_deactivated(*id),
        }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let UserState {
            company: _,
            extension: _,
            name,
            auth_name,
            role,
            overrides,
            number,
            auth,
            calls,
            destinations,
            deactivated,
        } = self;
        let CallHandling { default_inbox, ring_s, unanswered: Unanswered { busy, no_answer, unregistered } } = calls;
        let next = |to: &Option<ForwardTo>| to.as_ref().map_or("none".to_owned(), ToString::to_string);
        let UserOverrides { agent_pause, call_visibility, play, download } = overrides;
        vec![
            ("name", name.clone()),
            ("auth_name", auth_name.clone()),
            ("role", role.as_str().to_owned()),
            ("number", or_none(number)),
            ("agent_pause", own(agent_pause.map(on_off))),
            ("call_visibility", own(call_visibility.map(|value| visibility(value).to_owned()))),
            ("play", own(play.map(|value| play_text(value).to_owned()))),
            ("download", own(download.map(on_off))),
            ("auth", own(auth.as_deref().map(algorithms))),
            ("default_inbox", or_none(default_inbox)),
            ("ring_s", own(ring_s.map(|seconds| seconds.to_string()))),
            ("on_busy", next(busy)),
            ("on_no_answer", next(no_answer)),
            ("on_unregistered", next(unregistered)),
            ("destinations", own(destinations.as_deref().map(list))),
            ("deactivated", if *deactivated { "yes" } else { "none" }.to_owned()),
        ]
    }
}

impl NumberState {
    pub(super) fn of(directory: &Directory, company: &str, number: &Number) -> Self {
        let Number { id: _, company: _, e164, route, recording, notice, dial_prefix, retention_days } = number;
        let route = match route {
            Route::Unrouted => None,
            Route::User(id) => directory.user(*id).map(|user| RouteTo::User(user.extension.clone())),
            Route::Group(id) => directory.group(*id).map(|group| RouteTo::Group(group.name.clone())),
            Route::Inbox(id) => directory.inbox(*id).map(|inbox| RouteTo::Inbox(inbox.name.clone())),
            Route::Flow(id) => directory.flow(*id).map(|flow| RouteTo::Flow(flow.name.clone())),
        };
        let route = route.unwrap_or(RouteTo::Unrouted);
        NumberState {
            company: company.to_owned(),
            e164: e164.clone(),
            route,
            recording: *recording,
            notice: *notice,
            dial_prefix: dial_prefix.clone(),
            retention_days: *retention_days,
        }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let NumberState { company: _, e164: _, route, recording, notice, dial_prefix, retention_days } = self;
        vec![
            ("route", route.to_string()),
            ("recording", recording.as_str().to_owned()),
            ("notice", own(notice.map(|notice| notice.as_str().to_owned()))),
            ("dial_prefix", or_none(dial_prefix)),
            ("retention_days", own(retention_days.map(|days| days.to_string()))),
        ]
    }
}

pub(super) fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

pub(super) fn own(value: Option<String>) -> String {
    value.unwrap_or_else(|| "inherit".to_owned())
}

pub(super) fn or_none(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "none".to_owned())
}

pub(super) fn list<T: ToString>(items: &[T]) -> String {
    match items {
        [] => "none".to_owned(),
        items => items.iter().map(T::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn algorithms(auth: &[AuthAlgorithm]) -> String {
    let name = |algorithm: &AuthAlgorithm| match algorithm {
        AuthAlgorithm::Md5 => "md5",
        AuthAlgorithm::Sha256 => "sha-256",
    };
    list(&auth.iter().map(name).collect::<Vec<_>>())
}

fn visibility(value: CallVisibility) -> &'static str {
    match value {
        CallVisibility::OwnAndMissed => "own_and_missed",
        CallVisibility::GroupCalls => "group_calls",
        CallVisibility::GroupAndNumberCalls => "group_and_number_calls",
        CallVisibility::All => "all",
    }
}

fn play_text(value: Play) -> &'static str {
    match value {
        Play::All => "all",
        Play::Own => "own",
        Play::None => "none",
    }
}

fn failure(value: OnRecordingFailure) -> &'static str {
    match value {
        OnRecordingFailure::Continue => "continue",
        OnRecordingFailure::Announce => "announce",
        OnRecordingFailure::Hangup => "hangup",
        OnRecordingFailure::Refuse => "refuse",
    }
}
