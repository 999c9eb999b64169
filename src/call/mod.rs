//! The composition of calls: every leg terminated (B2BUA), routed, offered, answered, recorded.
//!
//! ```text
//! bytes ─► Endpoint ─► Event ─► Switch ─► Session (two legs) ─► Endpoint ─► bytes
//!                                 │            └─► Shell: media orders, records, recordings
//!                                 └─ auth, registrar, route
//! ```
//! [`Switch`] is pure: the clock, randomness, ports, media workers and storage are behind
//! [`Shell`], which comes as an argument.

mod again;
mod auth;
mod codecs;
mod encryption;
mod end;
mod flowing;
mod fork;
mod identity;
mod info;
mod lockout;
mod modify;
mod path;
mod pausing;
mod prompts;
mod reliable;
mod route;
mod session;
mod setup;
mod status;
mod switch;
mod take;
mod text;
mod transfer;
mod trial;
mod trunks;
mod voicemail;
mod waiting;

pub use identity::Wish;
pub use info::{InfoError, key_of_info};
pub use lockout::{LockOver, LockView, Lockout, Name as LockName, Source as LockSource};
pub use path::{Action, Event as PathEvent, Moment, Passed, Path, Start, Unable};
pub use route::{Destination, NoRoute, Origin, route_from_trunk, route_from_user};
pub use session::{CallView, LegView};
pub use switch::{Listener, Switch, SwitchConfig};
pub use take::{TakeFact, TakeOrder, TakeSetting};
pub use text::{TextDone, TextFrom, TextIn, TextOut, TextWay};
pub use trial::{Exit, Supposed, TrialEnd, Tried, TriedStep, try_flow};
pub use voicemail::{AskId, Entry, MailboxAnswer, MailboxAsk, PAGE, Pile};

use crate::audio::Tone;
use crate::audio::prompt::Pcm;
use crate::base::{CallId, CompanyId, Random, Rate, Side, UserId};
use crate::ledger::{CallRecord, Change, Channels, Joined, Party, PauseInFile};
use crate::media::{BridgeConfig, Commander, Joining, LegMedia, Notice, Prompt, TakeSlot};
use crate::policy::Rules;
use std::net::{IpAddr, SocketAddr};

/// What a call tells its media worker.
#[derive(Debug)]
pub enum MediaOrder {
    Open(Box<BridgeConfig>),
    SetMedia {
        side: Side,
        media: Box<LegMedia>,
    },
    Connect,
    SetRules(Rules),
    /// A digit that came as SIP INFO.
    InfoKey {
        side: Side,
        key: u8,
    },
    Play {
        side: Side,
        tone: Tone,
    },
    /// A prompt to one party, in the place of the other one.
    PlayPrompt {
        side: Side,
        prompt: Prompt,
    },
    StopPrompt {
        side: Side,
    },
    /// Keys of this party are for call control, or for the other party again.
    Collect {
        side: Side,
        on: bool,
    },
    /// This party was answered before the others: it is expected to be heard from now on.
    Watch {
        side: Side,
    },
    /// What is said when the call is recorded, from now on.
    SetNotice(Option<Notice>),
    /// What a party hears that is on hold; before the answer.
    SetHoldMusic(Pcm),
    /// Another party is on this leg: who may command there.
    SetCommander {
        side: Side,
        commander: Option<Commander>,
    },
    /// Another party takes a place in the call.
    Join(Box<Join>),
    /// Nobody answered at the port that was opened for the target of a transfer.
    CloseTarget,
    /// The call is over as well, but the leg of that side goes on in the call `to`, which is told
    /// to [`MediaOrder::Join`]. `told` is whom its party talks to from now on.
    GiveUp {
        side: Side,
        to: CallId,
        told: String,
    },
    /// What this party says goes to the recorder as that take too, from the next packet on. Given by the
    /// shell itself, for [`Shell::take`].
    BeginTake {
        side: Side,
        slot: TakeSlot,
    },
    /// The same, at its end.
    EndTake {
        slot: TakeSlot,
    },
    /// The call is over: ports are given back, the recording ends.
    End,
}

/// Another party comes into a call that is up.
#[derive(Debug)]
pub struct Join {
    pub joining: Joining,
    pub from: JoinFrom,
}

/// Where the leg of a party that joins is.
#[derive(Debug)]
pub enum JoinFrom {
    /// It uses the port of [`Shell::open_target`].
    Target,
    /// Another call gives it up.
    Call { call: CallId, side: Side },
}

/// What the recorder has to know before the gate may open.
#[derive(Clone, Debug)]
pub struct Preparation {
    pub call: CallId,
    pub company: CompanyId,
    pub company_key: String,
    pub company_name: String,
    /// Caller and callee, with the codec of each leg.
    pub parties: [(Party, String); 2],
    /// Samples per second of the recording.
    pub rate: Rate,
    pub channels: Channels,
    pub pause: PauseInFile,
    pub record: CallRecord,
}

/// Where media of a leg can be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegPort {
    /// As the SDP is to call it.
    pub address: IpAddr,
    /// RTP; RTCP is on the next one.
    pub port: u16,
}

/// Why a new call cannot be taken: 503 with Retry-After.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    #[error("no free RTP port")]
    Ports,
    #[error("the open-file limit is reached")]
    Files,
    #[error("the memory limit is reached")]
    Memory,
    #[error("the CPU limit is reached")]
    Cpu,
    #[error("the limit of {0} calls is reached")]
    Calls(usize),
    #[error("the service is stopping")]
    Stopping,
    #[error("the trunk {trunk} carries {limit} calls already, which is its limit")]
    Trunk { trunk: String, limit: u32 },
    #[error("no trunk of the company answers")]
    NoTrunk,
    #[error("the trunk's host {0} is not known yet")]
    Unresolved(String),
}

/// Something that happened, for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    #[error("target {target} of trunk {trunk} {}", if *.usable { "answers again" } else { "is skipped: it does not answer, or asked to be left alone" })]
    Target { trunk: String, target: String, usable: bool },
    #[error("registered at trunk {trunk} for {expires_s} s")]
    Registered { trunk: String, expires_s: u64 },
    #[error("not registered at trunk {trunk}: {problem}")]
    NotRegistered { trunk: String, problem: String },
    #[error("challenge of trunk {trunk}: {problem}")]
    NotProven { trunk: String, problem: String },
    #[error("call {call} goes out another way after {status}")]
    NextTarget { call: CallId, status: u16 },
    #[error("too many wrong passwords: {what} is locked for {seconds} s, see `telegraphone lockout list`")]
    LockedOut { what: String, seconds: u64 },
    #[error("a call of user {user} of company {company} was refused: {why}")]
    Refused { company: String, user: UserId, why: String },
    #[error("call {call} of company {company} was not forwarded outside: {why}")]
    NotForwarded { company: String, call: CallId, why: String },
    #[error("a call through trunk {trunk} goes in circles and was refused")]
    Loop { trunk: String },
    #[error("call {call} of company {company} was ended: too many wrong passwords at a voicemail box")]
    ShutOut { company: String, call: CallId },
}

impl Note {
    /// The call that it tells of, where it is one.
    pub const fn call(&self) -> Option<CallId> {
        match self {
            Note::NextTarget { call, status: _ }
            | Note::NotForwarded { company: _, call, why: _ }
            | Note::ShutOut { company: _, call } => Some(*call),
            Note::Target { .. }
            | Note::Registered { .. }
            | Note::NotRegistered { .. }
            | Note::NotProven { .. }
            | Note::LockedOut { .. }
            | Note::Refused { .. }
            | Note::Loop { .. } => None,
        }
    }

    /// Whether somebody should look at it.
    pub const fn is_warning(&self) -> bool {
        match self {
            Note::Target { usable, .. } => !*usable,
            Note::NotRegistered { .. }
            | Note::NotProven { .. }
            | Note::NextTarget { .. }
            | Note::LockedOut { .. }
            | Note::Refused { .. }
            | Note::NotForwarded { .. }
            | Note::Loop { .. }
            | Note::ShutOut { .. } => true,
            Note::Registered { .. } => false,
        }
    }
}

/// Everything outside: what the shell does for calls.
pub trait Shell: Random {
    /// Whether a new call may be taken at all.
    fn admit(&mut self) -> Result<(), Shortage>;
    /// A pair of RTP and RTCP ports for a leg whose signalling arrives at `local`.
    fn open_leg(&mut self, call: CallId, side: Side, local: IpAddr) -> Result<LegPort, Shortage>;
    /// Ports for the target of a transfer of a call that is up; one at a time.
    fn open_target(&mut self, call: CallId, local: IpAddr) -> Result<LegPort, Shortage>;
    /// In order, per call. Orders after [`MediaOrder::End`] or [`MediaOrder::GiveUp`] are not given.
    fn media(&mut self, call: CallId, order: MediaOrder);
    /// The call is answered: a recording can begin at any moment from now on.
    fn prepare(&mut self, preparation: Preparation);
    /// The codec of a leg whose offer was ours is known now, after [`Shell::prepare`].
    fn spoken(&mut self, call: CallId, side: Side, codec: &str);
    /// A command changed (or failed to change) whether the call is recorded.
    fn changed(&mut self, call: CallId, change: &Change);
    /// Another party is on the call.
    fn joined(&mut self, call: CallId, joined: &Joined);
    /// A call was taken and will ring: the record as it begins.
    fn begun(&mut self, record: &CallRecord);
    /// The call was answered, was changed or has ended: the record as it stands.
    fn save(&mut self, record: &CallRecord);
    /// Policy said to record, and no recording can be made.
    fn not_recorded(&mut self, record: &CallRecord, problem: &str);
    /// What one party alone says is recorded, or is over, kept or thrown away. In order with [`Shell::media`];
    /// what comes of it is told to [`Switch::on_take`].
    fn take(&mut self, call: CallId, order: TakeOrder);
    /// Something that voicemail has to know or wants done. What the storage says is told to
    /// [`Switch::on_mailbox`].
    fn mailbox(&mut self, call: CallId, ask: AskId, what: MailboxAsk);
    /// Something happened that belongs into the log.
    fn note(&mut self, note: &Note);
    /// A text message has come: [`Switch::answer_text`] follows once it is stored.
    fn text(&mut self, text: TextIn);
    /// What came of a text message that was sent.
    fn text_done(&mut self, ticket: u64, done: TextDone);
    /// A device of the user has registered.
    fn registered(&mut self, user: UserId);
    /// The address that a trunk's host name stands for, if it is known by now.
    fn resolve(&mut self, host: &str, port: u16) -> Option<SocketAddr>;
}

#[cfg(test)]
mod tests;
