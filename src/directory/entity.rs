//! What a company consists of.

use super::flow::{Unanswered, Zone};
use super::{DestinationRule, VoicemailSettings};
use crate::base::{CompanyId, FlowId, GroupId, InboxId, NumberId, UserId};
use crate::ledger::{Channels, PauseInFile};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A tenant. Two companies never see, reach or name each other's things.
#[derive(Clone, Debug, PartialEq)]
pub struct Company {
    pub id: CompanyId,
    /// Short name in files and on the command line: `[a-z0-9-]`, unique.
    pub key: String,
    pub name: String,
    /// SIP domains that belong to this company, lower case; each once in the service.
    pub domains: Vec<String>,
    /// Digest realm (RFC 7616 §3.4). Part of every stored password hash: it never changes.
    pub realm: String,
    pub settings: Settings,
    /// Caller id of outbound calls of users without a number of their own.
    pub default_number: Option<NumberId>,
}

/// Known to carriers in most of the world (3GPP TS 22.101 §10.1.1).
const EMERGENCY_NUMBERS: [&str; 2] = ["112", "911"];

/// What an admin sets for the whole company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Record calls that come in through a trunk.
    pub record_inbound: bool,
    /// Record calls that leave through a trunk.
    pub record_outbound: bool,
    /// Record calls between users of the company.
    pub record_internal: bool,
    /// Agents, supervisors and admins may pause and start recordings by command.
    pub agent_pause: bool,
    pub call_visibility: CallVisibility,
    pub play: Play,
    pub download: bool,
    pub on_recording_failure: OnRecordingFailure,
    /// Who is told that the call is recorded.
    pub notice: NoticeTo,
    /// The key with which the outside party refuses a recording that it was told of; `None`: it cannot.
    pub notice_refuse: Option<char>,
    /// Between two beeps of `notice = "beep"`, in seconds.
    pub notice_beep_s: u16,
    /// Whether its recordings have a channel for each party or one for both.
    pub channels: Channels,
    /// What becomes of a pause in the recording.
    pub pause: PauseInFile,
    /// Between two tones that remind of a pause who may end it, in seconds; 0: none.
    pub pause_reminder_s: u16,
    /// A pause by a person ends by itself after this, in seconds; 0: never.
    pub max_pause_s: u32,
    /// Recordings are deleted so many days after their call; 0: never.
    pub retention_days: u32,
    /// Write the microphone of a held party instead of silence.
    pub record_while_held: bool,
    /// Calls whose media is not SRTP are refused, and so are keys that do not come over TLS.
    pub only_encrypted: bool,
    /// Users may transfer their calls (REFER).
    pub transfer: bool,
    /// The outside party may transfer a call within the company.
    pub transfer_from_outside: bool,
    pub commands: Commands,
    /// A run of digits that can still become a command is held back this long after its last key, in ms.
    pub max_hold_ms: u32,
    /// Audio codecs that its calls may use, in order of preference. Empty: all, in the caller's order.
    pub codecs: Vec<AudioCodec>,
    /// Digest algorithms that phones are challenged with, one header each, in this order.
    pub auth: Vec<AuthAlgorithm>,
    /// Country calling code without `+`, e.g. `49`: national numbers can be dialled. Empty:
    /// only international ones can.
    pub country_code: String,
    /// What stands before a number dialled inside the country and is not part of it.
    /// `None`: `1` in country 1, `0` elsewhere. Italy, which has none, says `""`.
    pub national_prefix: Option<String>,
    /// What is dialled for help: routed as it stands through the company's trunk, before all else
    /// and whatever forbids other calls. At least one.
    pub emergency_numbers: Vec<String>,
    /// Other short numbers that mean something to the carrier only, e.g. `11833`: they leave as
    /// they stand.
    pub service_numbers: Vec<String>,
    /// Where users may call outside; `None`: in the company's country, see
    /// [`super::DestinationRule::home`].
    pub destinations: Option<Vec<DestinationRule>>,
    /// Where the company's days begin and end, in figures and for people; data are in UTC.
    pub time_zone: Zone,
    pub voicemail: VoicemailSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            record_inbound: false,
            record_outbound: false,
            record_internal: false,
            agent_pause: false,
            call_visibility: CallVisibility::OwnAndMissed,
            play: Play::Own,
            download: false,
            on_recording_failure: OnRecordingFailure::Continue,
            notice: NoticeTo::Off,
            notice_refuse: None,
            notice_beep_s: 15,
            channels: Channels::Stereo,
            pause: PauseInFile::Silence,
            pause_reminder_s: 0,
            max_pause_s: 0,
            retention_days: 0,
            record_while_held: false,
            only_encrypted: false,
            transfer: true,
            transfer_from_outside: false,
            commands: Commands::default(),
            max_hold_ms: 3000,
            codecs: Vec::new(),
            auth: vec![AuthAlgorithm::Md5],
            country_code: String::new(),
            national_prefix: None,
            emergency_numbers: EMERGENCY_NUMBERS.map(str::to_owned).to_vec(),
            service_numbers: Vec::new(),
            destinations: None,
            time_zone: Zone::default(),
            voicemail: VoicemailSettings::default(),
        }
    }
}

/// An audio codec as the company file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    Opus,
    G722,
    Pcmu,
    Pcma,
    G729,
    /// What we cannot decode: passed through where both parties speak it, and not recorded.
    Other,
}

impl AudioCodec {
    pub const fn as_str(self) -> &'static str {
        match self {
            AudioCodec::Opus => "opus",
            AudioCodec::G722 => "g722",
            AudioCodec::Pcmu => "pcmu",
            AudioCodec::Pcma => "pcma",
            AudioCodec::G729 => "g729",
            AudioCodec::Other => "other",
        }
    }
}

/// What a user dials to pause and to start: `0-9A-D*#`, one to eight keys each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    pub pause: String,
    pub start: String,
}

impl Default for Commands {
    fn default() -> Self {
        Commands { pause: "#11#".to_owned(), start: "#12#".to_owned() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum AuthAlgorithm {
    #[serde(rename = "md5")]
    Md5,
    #[serde(rename = "sha-256")]
    Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallVisibility {
    OwnAndMissed,
    GroupCalls,
    GroupAndNumberCalls,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Play {
    All,
    Own,
    None,
}

/// Who is told that a call is recorded, and how. A call that is not recorded has no notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeTo {
    #[default]
    Off,
    /// The outside party hears the prompt `recorded`.
    Outside,
    /// Both parties hear it.
    Both,
    /// Both parties hear a beep, again and again.
    Beep,
}

impl NoticeTo {
    pub const fn as_str(self) -> &'static str {
        match self {
            NoticeTo::Off => "off",
            NoticeTo::Outside => "outside",
            NoticeTo::Both => "both",
            NoticeTo::Beep => "beep",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [NoticeTo::Off, NoticeTo::Outside, NoticeTo::Both, NoticeTo::Beep].into_iter().find(|to| to.as_str() == text)
    }
}

/// What happens to a call whose recording cannot be made or goes on failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRecordingFailure {
    /// The call goes on; the failure is recorded and shown.
    Continue,
    /// The call goes on; both parties hear that it is not recorded.
    Announce,
    /// The call is ended with 500 or BYE.
    Hangup,
    /// New calls are refused with 503; calls that are up go on.
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Admin,
    Supervisor,
    Analyst,
    Agent,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Supervisor => "supervisor",
            Role::Analyst => "analyst",
            Role::Agent => "agent",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Role::Admin, Role::Supervisor, Role::Analyst, Role::Agent].into_iter().find(|role| role.as_str() == text)
    }
}

/// A person with an extension and SIP credentials.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub id: UserId,
    pub company: CompanyId,
    /// Digits that others in the company dial; unique in the company.
    pub extension: String,
    pub name: String,
    /// User name of SIP digest; the extension unless said otherwise; unique in the company.
    pub auth_name: String,
    /// MD5(auth_name:realm:password) in lower-case hex (RFC 7616 §3.4.2).
    pub ha1_md5: String,
    /// SHA-256 of the same, in lower-case hex (RFC 8760).
    pub ha1_sha256: String,
    pub role: Role,
    pub overrides: UserOverrides,
    /// The user's own number, where one is assigned.
    pub number: Option<NumberId>,
    /// Digest algorithms for this user's phones instead of the company's.
    pub auth: Option<Vec<AuthAlgorithm>>,
    pub calls: CallHandling,
    /// Where the user may call outside, instead of the company's list.
    pub destinations: Option<Vec<DestinationRule>>,
}

/// How a user makes and takes calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallHandling {
    /// Name of an inbox that the user is in: its primary number is the caller id of their calls.
    pub default_inbox: Option<String>,
    /// So long the devices ring before nobody is there, in seconds; `None`: as long as the service lets.
    pub ring_s: Option<u16>,
    pub unanswered: Unanswered,
}

/// A user's own setting; `None` follows the company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserOverrides {
    pub agent_pause: Option<bool>,
    pub call_visibility: Option<CallVisibility>,
    pub play: Option<Play>,
    pub download: Option<bool>,
}

/// An E.164 number, once in the whole service: the called number picks the company.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub id: NumberId,
    pub company: CompanyId,
    /// `+` and 2 to 15 digits.
    pub e164: String,
    pub route: Route,
    pub recording: NumberRecording,
    /// Instead of the company's `notice`, for calls over this number.
    pub notice: Option<NoticeTo>,
    /// Dialled before a number, it makes this one the caller id of that call.
    pub dial_prefix: Option<String>,
    /// Instead of the company's `retention_days`, for calls over this number.
    pub retention_days: Option<u32>,
}

/// Where a call to a number goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nowhere of its own: to the inbox that the number is in; in none, callers hear "not found".
    Unrouted,
    User(UserId),
    /// Every member rings.
    Group(GroupId),
    /// As the inbox says: its schedule and flow.
    Inbox(InboxId),
    Flow(FlowId),
}

/// Where a text message to a number goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageRoute {
    /// The number takes none.
    Nowhere,
    /// To the conversations of the user whom the number is assigned to.
    User(UserId),
    /// To the shared inbox.
    Inbox(InboxId),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberRecording {
    /// The company's toggle speaks.
    #[default]
    Inherit,
    On,
    Off,
}

impl NumberRecording {
    pub const fn as_str(self) -> &'static str {
        match self {
            NumberRecording::Inherit => "inherit",
            NumberRecording::On => "on",
            NumberRecording::Off => "off",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [NumberRecording::Inherit, NumberRecording::On, NumberRecording::Off]
            .into_iter()
            .find(|recording| recording.as_str() == text)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    pub const fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().find(|transport| transport.as_str() == text)
    }
}
