//! What is stored, in the words of the company file: each key with its value. The API shows it, and
//! an export writes it.

use super::super::flow::{ForwardTo, RingTo, Schedule, Step, StepName, Unanswered};
use super::super::{
    CallHandling, Facility, GroupText, InboundLogin, InboxText, Login, LoginSecret, NumberFormat, Settings,
    TrunkSettings, TrunkTarget, UserOverrides,
};
use super::facility::FacilityState;
use super::state::{CompanyState, NumberState, UserState};
use super::trunk::TrunkState;
use serde::Serialize;
use toml::{Table, Value};

/// The keys of one table, in the order in which people write them. `None`: none, or as the company
/// has it.
pub type Keys = Vec<(&'static str, Option<Value>)>;

impl CompanyState {
    /// Without the settings.
    pub fn keys(&self) -> Keys {
        let CompanyState { key, name, domains, realm, default_number, settings: _ } = self;
        vec![
            ("key", text(key)),
            ("name", text(name)),
            ("domains", value(domains)),
            ("realm", text(realm)),
            ("default_number", or_none(default_number)),
        ]
    }
}

/// `[company.settings]`
pub fn setting_keys(settings: &Settings) -> Keys {
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
        commands,
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
    vec![
        ("record_inbound", value(record_inbound)),
        ("record_outbound", value(record_outbound)),
        ("record_internal", value(record_internal)),
        ("agent_pause", value(agent_pause)),
        ("call_visibility", value(call_visibility)),
        ("play", value(play)),
        ("download", value(download)),
        ("on_recording_failure", value(on_recording_failure)),
        ("notice", value(notice)),
        ("notice_refuse", notice_refuse.map(|key| Value::String(key.to_string()))),
        ("notice_beep_s", value(notice_beep_s)),
        ("channels", value(channels)),
        ("pause", value(pause)),
        ("pause_reminder_s", value(pause_reminder_s)),
        ("max_pause_s", value(max_pause_s)),
        ("retention_days", value(retention_days)),
        ("record_while_held", value(record_while_held)),
        ("only_encrypted", value(only_encrypted)),
        ("transfer", value(transfer)),
        ("transfer_from_outside", value(transfer_from_outside)),
        ("commands", value(commands)),
        ("max_hold_ms", value(max_hold_ms)),
        ("codecs", value(codecs)),
        ("auth", value(auth)),
        ("country_code", text(country_code)),
        ("national_prefix", or_none(national_prefix)),
        ("emergency_numbers", value(emergency_numbers)),
        ("service_numbers", value(service_numbers)),
        ("destinations", destinations.as_ref().and_then(value)),
        ("time_zone", value(time_zone)),
        ("voicemail", value(voicemail)),
    ]
}

impl UserState {
    /// No password: of it only hashes are stored.
    pub fn keys(&self) -> Keys {
        let UserState {
            company: _,
            extension,
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
        let UserOverrides { agent_pause, call_visibility, play, download } = overrides;
        let CallHandling { default_inbox, ring_s, unanswered: Unanswered { busy, no_answer, unregistered } } = calls;
        let forward = |to: &Option<ForwardTo>| to.as_ref().map(|to| Value::String(to.to_string()));
        vec![
            ("extension", text(extension)),
            ("name", text(name)),
            ("auth_name", text(auth_name)),
            ("role", value(role)),
            ("number", or_none(number)),
            ("default_inbox", or_none(default_inbox)),
            ("agent_pause", agent_pause.as_ref().and_then(value)),
            ("call_visibility", call_visibility.as_ref().and_then(value)),
            ("play", play.as_ref().and_then(value)),
            ("download", download.as_ref().and_then(value)),
            ("auth", auth.as_ref().and_then(value)),
            ("ring_s", ring_s.as_ref().and_then(value)),
            ("on_busy", forward(busy)),
            ("on_no_answer", forward(no_answer)),
            ("on_unregistered", forward(unregistered)),
            ("destinations", destinations.as_ref().and_then(value)),
            ("deactivated", value(deactivated)),
        ]
    }
}

impl NumberState {
    pub fn keys(&self) -> Keys {
        let NumberState { company: _, e164, route, recording, notice, dial_prefix, retention_days } = self;
        vec![
            ("number", text(e164)),
            ("route", Some(Value::String(route.to_string()))),
            ("recording", value(recording)),
            ("notice", notice.as_ref().and_then(value)),
            ("dial_prefix", or_none(dial_prefix)),
            ("retention_days", retention_days.as_ref().and_then(value)),
        ]
    }
}

impl TrunkState {
    /// No passwords: [`TrunkState::secrets`] says which there are.
    pub fn keys(&self) -> Keys {
        let TrunkState { company: _, name, addresses, targets, settings, login, inbound, texts_secret: _ } = self;
        let TrunkSettings {
            number_format,
            trusted,
            max_calls,
            keepalive_s,
            patience_ms,
            register,
            register_expires_s,
            domain,
            only_encrypted,
            transfer_from_outside,
            texts,
            texts_url,
            texts_split,
        } = settings;
        let realm = login.as_ref().and_then(|login| match &login.secret {
            LoginSecret::Hashes { realm, .. } => Some(realm),
            LoginSecret::Clear(_) => None,
        });
        vec![
            ("name", text(name)),
            ("addresses", value(addresses)),
            ("targets", Some(Value::Array(targets.iter().map(target).collect()))),
            ("number_format", Some(Value::String(NumberFormat::as_str(*number_format).to_owned()))),
            ("trusted", value(trusted)),
            ("max_calls", max_calls.as_ref().and_then(value)),
            ("keepalive_s", value(keepalive_s)),
            ("patience_ms", value(patience_ms)),
            ("register", value(register)),
            ("register_expires_s", value(register_expires_s)),
            ("domain", Some(domain).filter(|domain| !domain.is_empty()).and_then(value)),
            ("only_encrypted", value(only_encrypted)),
            ("transfer_from_outside", transfer_from_outside.as_ref().and_then(value)),
            ("username", login.as_ref().and_then(|Login { user, .. }| value(user))),
            ("realm", realm.and_then(value)),
            ("inbound_username", inbound.as_ref().and_then(|InboundLogin { user, .. }| value(user))),
            ("texts", value(texts)),
            ("texts_url", Some(texts_url).filter(|url| !url.is_empty()).and_then(value)),
            ("texts_split", value(texts_split)),
        ]
    }

    /// The keys of its passwords, which are not shown.
    pub fn secrets(&self) -> Vec<&'static str> {
        let login = self.login.is_some().then_some("password");
        let inbound = self.inbound.is_some().then_some("inbound_password");
        login.into_iter().chain(inbound).chain(self.texts_secret.is_some().then_some("texts_secret")).collect()
    }
}

fn target(target: &TrunkTarget) -> Value {
    let TrunkTarget { host, port, transport, order, weight } = target;
    let keys = [
        ("host", text(host)),
        ("port", value(port)),
        ("transport", value(transport)),
        ("order", value(order)),
        ("weight", value(weight)),
    ];
    Value::Table(table(keys))
}

impl FacilityState {
    /// Of a prompt its name only, and how long it is: the sound is a file.
    pub fn keys(&self) -> Keys {
        let mut keys = vec![("name", text(&self.name))];
        match &self.facility {
            Facility::Group(GroupText { label, members, subscribe_members }) => keys.extend([
                ("label", text(label)),
                ("members", value(members)),
                ("subscribe_members", value(subscribe_members)),
            ]),
            Facility::Inbox(inbox) => keys.extend(inbox_keys(inbox)),
            Facility::Flow(flow) => {
                let steps = flow.steps.iter().map(|(name, step)| Value::Table(table(step_keys(name, step))));
                keys.extend([("start", text(&flow.start.0)), ("step", Some(Value::Array(steps.collect())))]);
            }
            Facility::Prompt(_) => {}
            // Named by its number; the name is one of its keys.
            Facility::Voicemail(text) => return super::mailbox::keys(text),
        }
        keys
    }
}

fn inbox_keys(inbox: &InboxText) -> Keys {
    let InboxText { label, numbers, primary, members, schedule, flow, closed_flow, messaging, history } = inbox;
    let mut keys = vec![
        ("label", text(label)),
        ("numbers", value(numbers)),
        ("primary", or_none(primary)),
        ("members", value(members)),
    ];
    keys.extend(match schedule {
        Some(schedule) => schedule_keys(schedule),
        None => vec![("time_zone", None), ("hours", None), ("holidays", None)],
    });
    keys.extend([("flow", or_none(flow)), ("closed_flow", or_none(closed_flow))]);
    keys.extend([("messaging", value(messaging)), ("history", value(history))]);
    keys
}

fn schedule_keys(schedule: &Schedule) -> Keys {
    let Schedule { time_zone, hours, holidays } = schedule;
    vec![("time_zone", value(time_zone)), ("hours", value(hours)), ("holidays", value(holidays))]
}

/// The keys of a `[[flow.step]]`.
pub(super) fn step_keys(name: &StepName, step: &Step) -> Keys {
    let branch = |to: &Option<StepName>| to.as_ref().and_then(value);
    let kind = |kind: &str| Some(Value::String(kind.to_owned()));
    let mut keys = vec![("name", text(&name.0))];
    match step {
        Step::Recording { on, next } => {
            keys.extend([("do", kind("recording")), ("on", value(on)), ("next", branch(next))]);
        }
        Step::Announce { prompt, next } => {
            keys.extend([("do", kind("announce")), ("prompt", text(prompt)), ("next", branch(next))]);
        }
        Step::Schedule { schedule, open, closed } => {
            keys.push(("do", kind("schedule")));
            keys.extend(schedule_keys(schedule));
            keys.extend([("open", branch(open)), ("closed", branch(closed))]);
        }
        Step::Menu { prompt, digits, timeout, invalid, seconds } => {
            let digits = digits.iter().map(|(key, to)| (key.to_string(), Value::String(to.0.clone())));
            let digits = Some(Value::Table(digits.collect()));
            keys.extend([("do", kind("menu")), ("prompt", text(prompt)), ("digits", digits)]);
            keys.extend([("timeout", branch(timeout)), ("invalid", branch(invalid)), ("seconds", value(seconds))]);
        }
        Step::Ring { target, how, seconds, next } => {
            let target = Some(Value::String(RingTo::to_string(target)));
            keys.extend([("do", kind("ring")), ("target", target), ("how", value(how))]);
            keys.extend([("seconds", value(seconds)), ("next", branch(next))]);
        }
        Step::Forward { to } => {
            keys.extend([("do", kind("forward")), ("to", Some(Value::String(ForwardTo::to_string(to))))]);
        }
        Step::Voicemail { mailbox } => keys.extend([("do", kind("voicemail")), ("box", text(mailbox))]),
        Step::Hangup { cause } => keys.extend([("do", kind("hangup")), ("cause", value(cause))]),
    }
    keys
}

/// Keys with a value.
pub(super) fn table(keys: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Table {
    keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

pub(super) fn text(text: &str) -> Option<Value> {
    Some(Value::String(text.to_owned()))
}

fn or_none(text: &Option<String>) -> Option<Value> {
    text.clone().map(Value::String)
}

/// Every value of ours can stand in TOML.
pub(super) fn value<T: Serialize + ?Sized>(value: &T) -> Option<Value> {
    Value::try_from(value).ok()
}
