//! What can be asked over HTTP, and the answers.

use super::devices::{DeviceList, DevicesAsk};
use super::directory::{DirectoryAsk, DirectoryReply};
use super::locks::{LockAsk, LockReply};
use super::notes::{NotesAsk, NotesReply};
use super::notices::{NoticeAsk, NoticeReply};
use super::provisioning::{ProvisionAsk, ProvisionView};
use super::shared::{SharedAsk, SharedReply};
use super::staff::{StaffAsk, StaffReply, StaffView};
use super::texts::{TextsAsk, TextsReply};
use super::tokens::TokenAsk;
use super::trunks::TrunkStateView;
use super::trying::{TryAsk, TryView};
use super::view::{AccessList, CallItem, CallPage, LiveItem, MeView, RecordingView, TokenView};
use super::voicemail::{VoicemailAsk, VoicemailReply};
use super::wazo::{WazoAsk, WazoReply};
use super::webhooks::{WebhookAsk, WebhookReply};
use super::{Grant, InsightAsk, InsightReply, KeepingAsk, KeepingReply, Permission};
use crate::base::{CallId, Direction, RecordingId, Wall};
use crate::store::LogFilter;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which calls, as they are asked for: things are named as people name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallQuery {
    pub before: Option<CallId>,
    /// At most [`CallQuery::MOST`].
    pub limit: u32,
    pub from: Option<Wall>,
    pub until: Option<Wall>,
    pub direction: Option<Direction>,
    /// E.164.
    pub number: Option<String>,
    /// By name.
    pub inbox: Option<String>,
    /// By name: calls over numbers that are routed to it.
    pub group: Option<String>,
    /// By extension.
    pub user: Option<String>,
    pub recorded: Option<bool>,
    pub missed: Option<bool>,
    /// With a recording that the viewer has listened to, or not; calls without one are in neither.
    pub played: Option<bool>,
    /// The outside number that it was with, E.164.
    pub contact: Option<String>,
    pub text: Option<String>,
}

impl CallQuery {
    pub const MOST: u32 = 200;
}

/// What the audio is fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioUse {
    /// To be heard: no file is offered.
    Play,
    /// To be kept: needs the right to download.
    Download,
}

/// What is done to a call that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveCommand {
    /// As `#11#`.
    Pause,
    /// As `#12#`: starts a recording that was off, resumes one that was paused.
    Record,
    HangUp,
}

/// A request of a person or a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Me,
    LogOut,
    /// Of operators and resellers, above the companies.
    Staff(StaffAsk),
    Webhooks(WebhookAsk),
    /// Who is told of new messages.
    Notices(NoticeAsk),
    /// As the compatible API asks; what a token needs for it is named there.
    Wazo(WazoAsk),
    /// What the company consists of.
    Directory(DirectoryAsk),
    /// A link that sets a softphone up.
    Provision(Box<ProvisionAsk>),
    /// A call flow with a supposed call.
    TryFlow(Box<TryAsk>),
    Calls(Box<CallQuery>),
    Call {
        call: CallId,
    },
    /// What people write on a call.
    Notes(NotesAsk),
    /// What people look up: outside numbers and figures.
    Insight(InsightAsk),
    /// Calls that are up; of an inbox, by name.
    Live {
        inbox: Option<String>,
    },
    Command {
        call: CallId,
        what: LiveCommand,
    },
    Recording {
        recording: RecordingId,
    },
    Audio {
        recording: RecordingId,
        purpose: AudioUse,
    },
    DeleteRecording {
        recording: RecordingId,
    },
    /// Who receives the recordings of a number.
    Subscribers {
        number: String,
    },
    Subscribe {
        number: String,
        extension: String,
    },
    /// `withdraw`: what was received is taken back as well.
    Unsubscribe {
        number: String,
        extension: String,
        withdraw: bool,
    },
    /// One's own.
    Tokens(TokenAsk),
    AccessLog {
        filter: Box<LogFilter>,
        limit: u32,
    },
    /// How a trunk is now, by name.
    TrunkState {
        name: String,
    },
    /// Phones that are registered now.
    Devices(DevicesAsk),
    /// Who is locked out after wrong passwords.
    Lockouts(LockAsk),
    Keeping(KeepingAsk),
    Shared(SharedAsk),
    Texts(TextsAsk),
    /// Messages and boxes.
    Voicemail(VoicemailAsk),
}

impl Ask {
    /// Whether it is asked of one company. What operators and resellers (`staff`) ask of their log-in,
    /// and of the companies as such, is not. `named`: the request names a company.
    pub(super) const fn is_of_a_company(&self, staff: bool, named: bool) -> bool {
        match self {
            Ask::Me | Ask::LogOut | Ask::Tokens(_) | Ask::Staff(_) => !staff,
            Ask::Lockouts(_) => !staff || named,
            Ask::Directory(_)
            | Ask::TryFlow(_)
            | Ask::Provision(_)
            | Ask::Calls(_)
            | Ask::Call { .. }
            | Ask::Insight(_)
            | Ask::Notes(_)
            | Ask::Live { .. }
            | Ask::Command { .. }
            | Ask::Recording { .. }
            | Ask::Audio { .. }
            | Ask::DeleteRecording { .. }
            | Ask::Subscribers { .. }
            | Ask::Subscribe { .. }
            | Ask::Unsubscribe { .. }
            | Ask::AccessLog { .. }
            | Ask::TrunkState { .. }
            | Ask::Devices(_)
            | Ask::Keeping(_)
            | Ask::Shared(_)
            | Ask::Texts(_)
            | Ask::Notices(_)
            | Ask::Voicemail(_)
            | Ask::Wazo(_)
            | Ask::Webhooks(_) => true,
        }
    }

    /// What a token must be made for.
    pub const fn needs(&self) -> Option<Permission> {
        match self {
            Ask::Me | Ask::LogOut | Ask::Wazo(_) => None,
            Ask::Staff(ask) => Some(ask.needs()),
            Ask::Insight(ask) => Some(ask.needs()),
            Ask::Notes(ask) => Some(ask.needs()),
            Ask::Webhooks(ask) => Some(ask.needs()),
            Ask::Notices(ask) => Some(ask.needs()),
            Ask::Directory(ask) => Some(ask.needs()),
            Ask::TryFlow(_) => Some(TryAsk::NEEDS),
            Ask::Provision(_) => Some(ProvisionAsk::NEEDS),
            Ask::Calls(_) | Ask::Call { .. } | Ask::Live { .. } | Ask::Recording { .. } => Some(Permission::ReadCalls),
            Ask::Command { .. } => Some(Permission::CommandCalls),
            Ask::Audio { purpose: AudioUse::Play, .. } => Some(Permission::ListenRecordings),
            Ask::Audio { purpose: AudioUse::Download, .. } => Some(Permission::DownloadRecordings),
            Ask::DeleteRecording { .. } => Some(Permission::DeleteRecordings),
            Ask::Subscribers { .. } | Ask::Subscribe { .. } | Ask::Unsubscribe { .. } => {
                Some(Permission::ManageSubscriptions)
            }
            Ask::Tokens(ask) => Some(ask.needs()),
            Ask::Lockouts(ask) => Some(ask.needs()),
            Ask::AccessLog { .. } => Some(Permission::ReadAccessLog),
            Ask::TrunkState { .. } => Some(Permission::ReadDirectory),
            Ask::Devices(_) => Some(DevicesAsk::NEEDS),
            Ask::Keeping(ask) => Some(ask.needs()),
            Ask::Shared(ask) => Some(ask.needs()),
            Ask::Texts(ask) => Some(ask.needs()),
            Ask::Voicemail(ask) => Some(ask.needs()),
        }
    }
}

/// The answer.
#[derive(Clone, Debug)]
pub enum Reply {
    Done,
    Me(MeView),
    StaffMe(StaffView),
    Staff(StaffReply),
    Insight(InsightReply),
    Notes(NotesReply),
    Webhooks(WebhookReply),
    Notices(NoticeReply),
    Wazo(WazoReply),
    Directory(DirectoryReply),
    TryFlow(Box<TryView>),
    Provision(Box<ProvisionView>),
    Calls(CallPage),
    Call(Box<CallItem>),
    Live(Vec<LiveItem>),
    Recording(Box<RecordingView>),
    /// The file, and under which name it is offered (`None`: it is not).
    Audio {
        path: PathBuf,
        name: Option<String>,
    },
    Subscribers(Vec<String>),
    Tokens(Vec<TokenView>),
    NewToken(Grant),
    AccessLog(AccessList),
    TrunkState(Box<TrunkStateView>),
    Devices(DeviceList),
    Lockouts(LockReply),
    Keeping(KeepingReply),
    Shared(SharedReply),
    Texts(TextsReply),
    Voicemail(VoicemailReply),
}
