//! What the operator can ask of a running service, over the local control socket. Orders for live
//! calls are carried out by the service.

use super::HoldView;
use crate::base::{CallId, CompanyId, MessageId, NumberId, RecordingId, UserId};
use crate::call::{CallView, LockView};
use crate::ledger::{CallRecord, RecordingRecord, RecordingState, Refusal};
use crate::subscription::FeedEntry;
use crate::trunk::TrunkView;
use serde::{Deserialize, Serialize};

/// What an operator can ask a running service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Status,
    /// Whether calls can be taken and recorded.
    Ready,
    /// The directory was changed: read it again.
    Reload,
    /// A session or token has ended: streams that are open look whether they still may.
    Wake,
    CallList,
    /// Calls over these numbers that are up.
    CallsOver {
        numbers: Vec<NumberId>,
    },
    CallShow {
        call: CallId,
    },
    CallHangUp {
        call: CallId,
    },
    CallPause {
        call: CallId,
    },
    CallResume {
        call: CallId,
    },
    /// Calls of one company that are up.
    CallsOf {
        company: CompanyId,
    },
    /// One call that is up; nothing is read from the database for it.
    CallUp {
        call: CallId,
    },
    /// What users have registered.
    DevicesOf {
        users: Vec<UserId>,
    },
    /// A user of the company wants it recorded, or not; whether they see the call was asked before.
    CallCommand {
        call: CallId,
        user: UserId,
        start: bool,
    },
    /// A user of the company ends the call.
    CallEnd {
        call: CallId,
        user: UserId,
    },
    RecordingList {
        limit: u32,
        /// Of calls over these numbers only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numbers: Option<Vec<NumberId>>,
    },
    RecordingShow {
        recording: RecordingId,
    },
    /// One, or a page of all, the newest first: those before `before`.
    RecordingVerify {
        recording: Option<RecordingId>,
        #[serde(default)]
        before: Option<RecordingId>,
    },
    /// The files of voicemail: a page of messages after `after`, and with the last one the greetings.
    MessageVerify {
        #[serde(default)]
        after: Option<MessageId>,
    },
    RecordingDelete {
        recording: RecordingId,
        /// Who does it, as they are called; `None`: the operator.
        #[serde(default)]
        by: Option<String>,
    },
    Events {
        after: i64,
        limit: u32,
        /// Of calls over these numbers only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numbers: Option<Vec<NumberId>>,
    },
    TrunkList,
    /// Of log-ins over SIP and HTTP: all, or those over names of one company.
    LockoutList {
        #[serde(default)]
        company: Option<CompanyId>,
    },
    /// Of an address or a name; of all where none is said. An address is no company's.
    LockoutClear {
        only: Option<String>,
        #[serde(default)]
        company: Option<CompanyId>,
    },
    /// By `company/name`, or by name where only one company has such a trunk.
    TrunkShow {
        name: String,
    },
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Status {
        status: Box<Status>,
    },
    Ready {
        readiness: Box<Readiness>,
    },
    Done,
    Calls {
        calls: Vec<CallView>,
    },
    /// A call that is up, or the record of one that is over.
    Call {
        up: Option<Box<CallView>>,
        record: Box<CallRecord>,
        recordings: Vec<RecordingRecord>,
    },
    /// In the order of the users that were asked for, each one's newest first.
    Devices {
        devices: Vec<Registered>,
    },
    Recordings {
        recordings: Vec<RecordingRecord>,
    },
    Recording {
        recording: Box<RecordingRecord>,
    },
    Verified {
        results: Vec<Verified>,
        /// For the next page; absent on the last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<RecordingId>,
    },
    VerifiedMessages {
        results: Vec<VerifiedFile>,
        /// For the next page; absent on the last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<MessageId>,
    },
    /// Nothing was deleted: a legal hold is on it.
    Held {
        hold: Box<HoldView>,
    },
    Events {
        events: Vec<FeedEntry>,
        /// Events up to this position were deleted after their retention (0: none): a reader that
        /// had not come so far has missed some.
        #[serde(default)]
        purged: i64,
    },
    Lockouts {
        locks: Vec<LockView>,
    },
    /// So many entries were forgotten.
    Cleared {
        entries: usize,
    },
    Trunks {
        trunks: Vec<TrunkView>,
    },
    Trunk {
        trunk: Box<TrunkView>,
    },
    /// A command that changed nothing.
    Refused {
        refusal: Refusal,
    },
    NotFound {
        what: String,
    },
    Failed {
        problem: String,
    },
}

/// How the service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub started: String,
    pub listeners: Vec<String>,
    pub calls: usize,
    pub devices: usize,
    pub transactions: usize,
    pub free_ports: usize,
    /// Leftovers that a leak would show in: sessions, transactions, requests, dialogs, timers.
    pub leftovers: [usize; 5],
    /// Why no recording can be made now.
    pub no_recording: Option<String>,
    pub recordings_folder: String,
    /// Addresses of the API and of metrics.
    #[serde(default)]
    pub http: Vec<String>,
    /// It was told to stop: no new calls.
    #[serde(default)]
    pub stopping: bool,
}

/// Whether calls can be taken and recorded now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// All parts are.
    pub ready: bool,
    pub parts: Vec<Part>,
}

/// One part of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `database`, `disk`, `signalling`, `media`, `recorder`, `archivist`.
    pub part: String,
    pub ok: bool,
    /// Empty where it is; names no path and nobody.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

/// Whether a file is what its row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub recording: RecordingId,
    pub path: String,
    pub state: RecordingState,
    /// Empty when everything is as it should be.
    pub problem: String,
}

/// Whether a file of voicemail is what its row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFile {
    /// `message ID`, or `greeting KIND of box ID`.
    pub what: String,
    pub path: String,
    /// Empty when everything is as it should be.
    pub problem: String,
}

/// A device and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub user: UserId,
    pub device: DeviceView,
}

/// A device of a user, as it is registered now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeviceView {
    /// As the device calls itself; empty where it does not.
    pub agent: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Where it registered from.
    pub source: String,
    pub expires_in_s: u64,
}
