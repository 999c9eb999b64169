//! The tables of the company file, key by key. `None` is an absent key: the value stays.

use super::super::flow::Zone;
use super::super::{
    AudioCodec, AuthAlgorithm, CallVisibility, NoticeTo, NumberFormat, NumberRecording, OnRecordingFailure, Play, Role,
    TextsBy, Transport,
};
use super::facility::{FlowKeys, GroupKeys, InboxKeys, PromptKeys, VoicemailKeys};
use super::value::{
    AuthName, Command, CountryCode, DestinationText, DialPrefix, DialledCode, DigitOrOff, Domain, DomainOrNone, E164,
    EmailOrNone, Extension, ForwardOrNext, Host, KeepAlive, Key, KeyOrNone, LoginPassword, LoginUser, MaxHold,
    MaxLogins, MaxMessages, MaxPause, MessageSeconds, Name, NationalPrefix, NumberOrNone, Own, Patience, PauseReminder,
    PeerAddress, Port, Realm, RealmOrNone, RegisterFor, RetentionDays, RingSeconds, RouteTo, Secret, SecretOrNone,
    SilenceSeconds, UrlOrNone, Weight,
};
use crate::base::Language;
use crate::ledger::{Channels, PauseInFile};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawFile {
    pub company: Vec<CompanyKeys>,
    pub user: Vec<UserKeys>,
    pub number: Vec<NumberKeys>,
    pub trunk: Vec<TrunkKeys>,
    pub group: Vec<GroupKeys>,
    pub inbox: Vec<InboxKeys>,
    pub flow: Vec<FlowKeys>,
    pub prompt: Vec<PromptKeys>,
    pub voicemail: Vec<VoicemailKeys>,
}

/// `[[company]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompanyKeys {
    /// Short name; required.
    #[schema(value_type = Option<String>)]
    pub key: Option<Key>,
    /// For people; a new company's is its key.
    #[schema(value_type = Option<String>)]
    pub name: Option<Name>,
    /// All SIP domains of the company: what is not listed any more goes.
    #[schema(value_type = Option<Vec<String>>)]
    pub domains: Option<Vec<Domain>>,
    /// Digest realm; a new company's is its first domain. Never changes.
    #[schema(value_type = Option<String>)]
    pub realm: Option<Realm>,
    /// Caller id of users without a number of their own; `""` for none.
    #[schema(value_type = Option<String>)]
    pub default_number: Option<NumberOrNone>,
    #[serde(default)]
    #[schema(write_only)]
    pub settings: SettingKeys,
}

/// `[company.settings]`: the keys of [`crate::directory::Settings`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingKeys {
    pub record_inbound: Option<bool>,
    pub record_outbound: Option<bool>,
    pub record_internal: Option<bool>,
    pub agent_pause: Option<bool>,
    pub call_visibility: Option<CallVisibility>,
    pub play: Option<Play>,
    pub download: Option<bool>,
    pub on_recording_failure: Option<OnRecordingFailure>,
    pub notice: Option<NoticeTo>,
    #[schema(value_type = Option<String>)]
    pub notice_refuse: Option<DigitOrOff>,
    #[schema(value_type = Option<u16>)]
    pub notice_beep_s: Option<RingSeconds>,
    pub channels: Option<Channels>,
    pub pause: Option<PauseInFile>,
    #[schema(value_type = Option<u16>)]
    pub pause_reminder_s: Option<PauseReminder>,
    #[schema(value_type = Option<u32>)]
    pub max_pause_s: Option<MaxPause>,
    #[schema(value_type = Option<u32>)]
    pub retention_days: Option<RetentionDays>,
    pub record_while_held: Option<bool>,
    pub only_encrypted: Option<bool>,
    pub transfer: Option<bool>,
    pub transfer_from_outside: Option<bool>,
    #[serde(default)]
    pub commands: CommandKeys,
    #[schema(value_type = Option<u32>)]
    pub max_hold_ms: Option<MaxHold>,
    pub codecs: Option<Vec<AudioCodec>>,
    pub auth: Option<Vec<AuthAlgorithm>>,
    #[schema(value_type = Option<String>)]
    pub country_code: Option<CountryCode>,
    /// `"inherit"` for what the country code implies.
    #[schema(value_type = Option<String>)]
    pub national_prefix: Option<Own<NationalPrefix>>,
    /// All of them: what is not listed is no emergency number any more.
    #[schema(value_type = Option<Vec<String>>)]
    pub emergency_numbers: Option<Vec<DialledCode>>,
    /// All of them.
    #[schema(value_type = Option<Vec<String>>)]
    pub service_numbers: Option<Vec<DialledCode>>,
    /// Where users may call outside; `"inherit"` for what the country code implies.
    #[schema(value_type = Option<Vec<String>>)]
    pub destinations: Option<Own<Vec<DestinationText>>>,
    /// IANA name, e.g. `Europe/Berlin`.
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<Zone>,
    #[serde(default)]
    pub voicemail: VoicemailSettingKeys,
}

/// `[company.settings.voicemail]`: the keys of [`crate::directory::VoicemailSettings`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoicemailSettingKeys {
    pub language: Option<Language>,
    #[schema(value_type = Option<u32>)]
    pub max_s: Option<MessageSeconds>,
    #[schema(value_type = Option<u32>)]
    pub min_s: Option<MessageSeconds>,
    #[schema(value_type = Option<u32>)]
    pub max_silence_s: Option<SilenceSeconds>,
    #[schema(value_type = Option<u32>)]
    pub max_messages: Option<MaxMessages>,
    #[schema(value_type = Option<u32>)]
    pub max_logins: Option<MaxLogins>,
    pub review: Option<bool>,
    pub attach_audio: Option<bool>,
    pub email_subject: Option<String>,
    pub email_body: Option<String>,
    pub from_name: Option<String>,
    #[schema(value_type = Option<String>)]
    pub from_address: Option<EmailOrNone>,
    /// All of them.
    pub other: Option<BTreeMap<String, String>>,
}

/// `[company.settings.commands]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandKeys {
    #[schema(value_type = Option<String>)]
    pub pause: Option<Command>,
    #[schema(value_type = Option<String>)]
    pub start: Option<Command>,
}

/// `[[user]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserKeys {
    /// Key of the company; may be left out where the file has one company.
    #[schema(value_type = Option<String>)]
    pub company: Option<Key>,
    /// Required.
    #[schema(value_type = Option<String>)]
    pub extension: Option<Extension>,
    /// A new user's is the extension.
    #[schema(value_type = Option<String>)]
    pub name: Option<Name>,
    /// A new user's is the extension.
    #[schema(value_type = Option<String>)]
    pub auth_name: Option<AuthName>,
    /// In clear; only hashes are stored.
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<Secret>,
    /// Make a password where the user has none, and show it once.
    #[schema(write_only)]
    pub generate_password: Option<bool>,
    /// A new user is an agent.
    pub role: Option<Role>,
    #[schema(value_type = Option<bool>)]
    pub agent_pause: Option<Own<bool>>,
    #[schema(value_type = Option<CallVisibility>)]
    pub call_visibility: Option<Own<CallVisibility>>,
    #[schema(value_type = Option<Play>)]
    pub play: Option<Own<Play>>,
    #[schema(value_type = Option<bool>)]
    pub download: Option<Own<bool>>,
    /// The user's own number; `""` for none.
    #[schema(value_type = Option<String>)]
    pub number: Option<NumberOrNone>,
    /// Digest algorithms for this user's phones; `[]` for the company's.
    pub auth: Option<Vec<AuthAlgorithm>>,
    /// An inbox that the user is in; `""` for none.
    #[schema(value_type = Option<String>)]
    pub default_inbox: Option<KeyOrNone>,
    /// So long the user's devices ring; `"inherit"` for as long as the service lets.
    #[schema(value_type = Option<u16>)]
    pub ring_s: Option<Own<RingSeconds>>,
    /// Where a call goes that the user cannot take: `user:…`, `group:…`, `number:…` or `next`.
    #[schema(value_type = Option<String>)]
    pub on_busy: Option<ForwardOrNext>,
    #[schema(value_type = Option<String>)]
    pub on_no_answer: Option<ForwardOrNext>,
    #[schema(value_type = Option<String>)]
    pub on_unregistered: Option<ForwardOrNext>,
    /// Where the user may call outside, instead of where the company may.
    #[schema(value_type = Option<Vec<String>>)]
    pub destinations: Option<Own<Vec<DestinationText>>>,
    /// The user can neither call, register nor log in, and nothing may lead to them.
    pub deactivated: Option<bool>,
}

/// `[[number]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberKeys {
    #[schema(value_type = Option<String>)]
    pub company: Option<Key>,
    /// E.164; required.
    #[schema(value_type = Option<String>)]
    pub number: Option<E164>,
    /// `user:EXTENSION`, `group:NAME`, `inbox:NAME`, `flow:NAME` or `unrouted`, which a new number is.
    #[schema(value_type = Option<String>)]
    pub route: Option<RouteTo>,
    pub recording: Option<NumberRecording>,
    /// `"inherit"` for the company's.
    #[schema(value_type = Option<NoticeTo>)]
    pub notice: Option<Own<NoticeTo>>,
    /// Dialled before a number, it makes this one the caller id; `""` for none.
    #[schema(value_type = Option<String>)]
    pub dial_prefix: Option<DialPrefix>,
    /// `"inherit"` for the company's; 0: its recordings are kept for ever.
    #[schema(value_type = Option<u32>)]
    pub retention_days: Option<Own<RetentionDays>>,
}

/// `[[trunk]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrunkKeys {
    #[schema(value_type = Option<String>)]
    pub company: Option<Key>,
    /// Required.
    #[schema(value_type = Option<String>)]
    pub name: Option<Key>,
    /// Addresses and networks that its requests come from; a new trunk's is `host`, where that is an
    /// address.
    #[schema(value_type = Option<Vec<String>>)]
    pub addresses: Option<Vec<PeerAddress>>,
    /// Where outbound calls go; this or `targets` is required for a new trunk.
    #[schema(value_type = Option<String>)]
    pub host: Option<Host>,
    /// A new trunk's is 5060.
    #[schema(value_type = Option<u16>)]
    pub port: Option<Port>,
    /// A new trunk's is `udp`.
    pub transport: Option<Transport>,
    /// Several places instead of `host`, `port` and `transport`.
    pub targets: Option<Vec<TargetKeys>>,
    /// How numbers are written: `plus`, `international`, `national`.
    pub number_format: Option<NumberFormat>,
    /// It is told and believed who calls (P-Asserted-Identity).
    pub trusted: Option<bool>,
    /// Calls at a time; 0: no limit.
    pub max_calls: Option<u32>,
    /// Seconds between OPTIONS; 0: none.
    #[schema(value_type = Option<u16>)]
    pub keepalive_s: Option<KeepAlive>,
    /// How long a target may say nothing to an INVITE before the next is tried, in ms.
    #[schema(value_type = Option<u32>)]
    pub patience_ms: Option<Patience>,
    /// Register with `username` and `password`.
    pub register: Option<bool>,
    #[schema(value_type = Option<u32>)]
    pub register_expires_s: Option<RegisterFor>,
    /// Domain of our address there; `""`: the first target's host.
    #[schema(value_type = Option<String>)]
    pub domain: Option<DomainOrNone>,
    /// Its legs are encrypted or refused.
    pub only_encrypted: Option<bool>,
    /// `"inherit"` for the company's.
    #[schema(value_type = Option<bool>)]
    pub transfer_from_outside: Option<Own<bool>>,
    /// Who we are there; `""` for nobody.
    #[schema(value_type = Option<String>)]
    pub username: Option<LoginUser>,
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<LoginPassword>,
    /// Its digest realm. Where it is named, only hashes of the password are stored.
    #[schema(value_type = Option<String>)]
    pub realm: Option<RealmOrNone>,
    /// User name that it proves towards us; `""` for none.
    #[schema(value_type = Option<String>)]
    pub inbound_username: Option<LoginUser>,
    /// In clear; only hashes are stored.
    #[schema(value_type = Option<String>, write_only)]
    pub inbound_password: Option<LoginPassword>,
    /// How text messages go out: `sip`, `http`, `none`.
    pub texts: Option<TextsBy>,
    /// Where they are sent to over HTTP; `""` for nowhere.
    #[schema(value_type = Option<String>)]
    pub texts_url: Option<UrlOrNone>,
    /// Long ones go out as parts of the size of an SMS.
    pub texts_split: Option<bool>,
    /// What texts over HTTP are signed with, both ways; `""` for none any more.
    #[schema(value_type = Option<String>, write_only)]
    pub texts_secret: Option<SecretOrNone>,
}

/// One of `targets`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetKeys {
    /// Required.
    #[schema(value_type = Option<String>)]
    pub host: Option<Host>,
    /// 5060 where it is not said.
    #[schema(value_type = Option<u16>)]
    pub port: Option<Port>,
    /// `udp` where it is not said.
    pub transport: Option<Transport>,
    /// Lower ones are tried first; 0 where it is not said.
    pub order: Option<u16>,
    /// Share of calls among those of one order; 1 where it is not said.
    #[schema(value_type = Option<u16>)]
    pub weight: Option<Weight>,
}
