//! What answers look like: JSON, ids as text, times in UTC (RFC 3339).

use super::{HoldView, MeMore, Permission, Viewer};
use crate::base::{CallId, Direction, Rate, RecordingId, Samples, Side};
use crate::call::CallView;
use crate::directory::{CallVisibility, Company, Directory, Number, Play, Role, User, may_command};
use crate::ledger::{
    Because, By, CallRecord, Change, How, Joined, JoinedBy, Marker, Outcome, Party, RecordingRecord, RecordingState,
    RecordingStep, Refusal,
};
use crate::store::{AccessLine, Held, Hold, TokenRow, facts};
use crate::subscription::{CallFacts, Reason, Rights, Scope, reason_word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who I am and what I may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeView {
    pub company: String,
    pub company_name: String,
    pub extension: String,
    pub name: String,
    pub role: Role,
    pub call_visibility: CallVisibility,
    pub play: Play,
    pub download: bool,
    /// Scopes of the token; absent for a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    #[serde(flatten)]
    pub more: Box<MeMore>,
}

impl MeView {
    pub(super) fn of(company: &Company, user: &User, viewer: &Viewer, more: Box<MeMore>) -> Self {
        let Rights { visibility, play, download } = Rights::of(company, user);
        let scopes = match &viewer.scopes {
            super::Scopes::All => None,
            super::Scopes::Only(granted) => {
                let permissions = granted.permissions.iter().map(|scope| scope.as_str().to_owned());
                let patterns = granted.patterns.texts().iter().cloned();
                Some(if granted.permissions.is_empty() { patterns.collect() } else { permissions.collect() })
            }
        };
        MeView {
            company: company.key.clone(),
            company_name: company.name.clone(),
            extension: user.extension.clone(),
            name: user.name.clone(),
            role: user.role,
            call_visibility: visibility,
            play,
            download,
            scopes,
            more,
        }
    }
}

/// A party of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartyView {
    /// Extension, where it is a user of the company.
    pub user: Option<String>,
    /// Extension or E.164 number as dialled or received.
    pub address: String,
    pub name: String,
}

impl PartyView {
    pub(super) fn of(directory: &Directory, party: &Party) -> Self {
        let Party { user, address, name } = party;
        let user = user.and_then(|user| directory.user_ever(user)).map(|user| user.extension.clone());
        PartyView { user, address: address.clone(), name: name.clone() }
    }
}

/// A party that came by transfer. From which call is not told: it may be none of the viewer's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinedView {
    pub at: String,
    pub side: Side,
    pub party: PartyView,
    pub instead_of: PartyView,
    pub how: JoinedBy,
}

impl JoinedView {
    fn of(directory: &Directory, joined: &Joined) -> Self {
        let Joined { at, offset_ms: _, side, party, codec: _, how, instead_of, from_call: _ } = joined;
        JoinedView {
            at: at.to_string(),
            side: *side,
            party: PartyView::of(directory, party),
            instead_of: PartyView::of(directory, instead_of),
            how: *how,
        }
    }
}

/// A command during a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    pub at: String,
    /// After the answer, in ms.
    pub offset_ms: u64,
    /// `user`, `colleague`, `operator`, `outside` or `service`.
    pub by: String,
    /// The person's name; empty where it was nobody of the company.
    pub name: String,
    pub how: How,
    /// To record (`true`) or to pause (`false`).
    pub wanted: bool,
    /// Why it changed nothing; absent where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// What held after it, and the source that said so.
    pub record: bool,
    pub because: String,
    /// The step of a flow that says so, as it was called then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_step: Option<RecordingStep>,
}

impl ChangeView {
    fn of(change: &Change) -> Self {
        let Change { at, offset_ms, by, how, wanted, refused, decision } = change;
        let (by, name) = match by {
            By::User { id: _, name, side: _ } => ("user", name.as_str()),
            By::Colleague { id: _, name } => ("colleague", name.as_str()),
            By::Operator => ("operator", ""),
            By::Outside { side: _ } => ("outside", ""),
            By::Service => ("service", ""),
        };
        ChangeView {
            at: at.to_string(),
            offset_ms: *offset_ms,
            by: by.to_owned(),
            name: name.to_owned(),
            how: *how,
            wanted: *wanted,
            refused: *refused,
            record: decision.record,
            because: decision.because.source().to_owned(),
            recording_step: decision.because.step().cloned(),
        }
    }
}

/// A call with what the viewer may do with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallItem {
    pub id: CallId,
    pub direction: Direction,
    pub started: String,
    pub answered: Option<String>,
    pub ended: Option<String>,
    pub outcome: Outcome,
    pub missed: bool,
    /// A word of ours, e.g. `caller_hung_up`.
    pub end_reason: Option<String>,
    pub caller: PartyView,
    pub callee: PartyView,
    /// Parties that came by transfer.
    pub joined: Vec<JoinedView>,
    /// The company's number, E.164.
    pub number: Option<String>,
    /// Inbox that the number is in, where the viewer may know of it.
    pub inbox: Option<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_label: Option<String>,
    /// Whether it was recorded at the answer, and the source that said so.
    pub record: bool,
    pub because: String,
    /// The step of a flow that says so, as it was called then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_step: Option<RecordingStep>,
    /// Commands during the call.
    pub changes: Vec<ChangeView>,
    pub ended_paused: bool,
    /// Why the viewer sees this call.
    pub seen: Reason,
    pub can_play: bool,
    pub can_download: bool,
    /// Those that the viewer can play.
    pub recordings: Vec<RecordingItem>,
    /// How many notes people have written on it.
    pub notes: u64,
    /// The legal hold on all of the call, for admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldView>,
}

impl CallItem {
    pub(super) fn of(
        directory: &Directory,
        scope: &Scope,
        (call, facts): (&CallRecord, &CallFacts),
        recordings: &[RecordingRecord],
    ) -> Option<Self> {
        let seen = scope.visible(facts)?;
        let can_play = scope.playable(facts);
        let number = call.number.and_then(|number| directory.number(number));
        let (inbox, inbox_label) = number.and_then(|number| inbox_of(directory, scope, number)).unzip();
        let recordings: Vec<RecordingItem> = match can_play {
            true => recordings.iter().map(RecordingItem::of).collect(),
            false => Vec::new(),
        };
        let has_file = recordings.iter().any(|recording| recording.has_file);
        Some(CallItem {
            id: call.id,
            direction: call.direction,
            started: call.started.to_string(),
            answered: call.answered.map(|at| at.to_string()),
            ended: call.ended.map(|at| at.to_string()),
            outcome: call.outcome,
            missed: facts.missed,
            end_reason: call.end_reason.as_ref().and_then(reason_word),
            caller: PartyView::of(directory, &call.caller),
            callee: PartyView::of(directory, &call.callee),
            joined: call.joined.iter().map(|joined| JoinedView::of(directory, joined)).collect(),
            number: number.map(|number| number.e164.clone()),
            inbox,
            inbox_label,
            record: call.decision.record,
            because: call.decision.because.source().to_owned(),
            recording_step: call.decision.because.step().cloned(),
            changes: call.changes.iter().map(ChangeView::of).collect(),
            ended_paused: call.ended_paused,
            seen,
            can_play: can_play && has_file,
            can_download: scope.downloadable(facts) && has_file,
            recordings,
            notes: 0,
            hold: None,
        })
    }

    /// Tells of the holds on it and on its recordings.
    pub(super) fn hold_by(&mut self, holds: &[Hold]) {
        for hold in holds {
            match hold.thing {
                Held::Call(call) if call == self.id => self.hold = Some(hold.into()),
                Held::Call(_) => {}
                Held::Recording(id) => {
                    let held = self.recordings.iter_mut().filter(|recording| recording.id == id);
                    held.for_each(|recording| recording.hold = Some(hold.into()));
                }
            }
        }
    }
}

/// The inbox of a number and what it is called, where the viewer may know of it.
fn inbox_of(directory: &Directory, scope: &Scope, number: &Number) -> Option<(String, String)> {
    let inbox = directory.inbox_of_number(number.id).filter(|inbox| scope.knows(&inbox.members))?;
    Some((inbox.name.clone(), inbox.label.clone()))
}

/// A call that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveItem {
    pub id: CallId,
    pub direction: Direction,
    pub started: String,
    pub answered: Option<String>,
    /// Who is on it now.
    pub caller: PartyView,
    pub callee: PartyView,
    /// The company's number, E.164.
    pub number: Option<String>,
    /// Inbox that the number is in, where the viewer may know of it.
    pub inbox: Option<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_label: Option<String>,
    /// Samples go into the file now.
    pub recording: bool,
    /// It should be recorded and cannot be.
    pub recording_failed: bool,
    /// The source that decided at the answer.
    pub because: String,
    /// The step of a flow that says so, as it was called then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_step: Option<RecordingStep>,
    pub changes: Vec<ChangeView>,
    pub held: [bool; 2],
    pub seen: Reason,
    /// The viewer is on it, or is an admin or a supervisor, or stands above the company.
    pub can_end: bool,
    /// The viewer may pause and start its recording, by what is set now: no step of the call flow decides over it,
    /// nobody has refused it, and `agent_pause` is on for them.
    pub can_command: bool,
}

impl LiveItem {
    pub(super) fn of(directory: &Directory, scope: &Scope, user: Option<&User>, call: &CallView) -> Option<Self> {
        let CallView { record, recording, recording_failed, caller, callee } = call;
        let seen = scope.visible(&facts(record, false))?;
        let parties = Side::BOTH.map(|side| record.party(side));
        let is_on = parties.iter().any(|party| user.is_some_and(|user| party.user == Some(user.id)));
        let number = record.number.and_then(|number| directory.number(number));
        let [from, to] = parties.map(|party| PartyView::of(directory, party));
        let (inbox, inbox_label) = number.and_then(|number| inbox_of(directory, scope, number)).unzip();
        Some(LiveItem {
            id: record.id,
            direction: record.direction,
            started: record.started.to_string(),
            answered: record.answered.map(|at| at.to_string()),
            caller: from,
            callee: to,
            number: number.map(|number| number.e164.clone()),
            inbox,
            inbox_label,
            recording: *recording,
            recording_failed: *recording_failed,
            because: record.decision.because.source().to_owned(),
            recording_step: record.decision.because.step().cloned(),
            changes: record.changes.iter().map(ChangeView::of).collect(),
            held: [caller.held, callee.held],
            seen,
            can_end: is_on || user.is_none_or(|user| matches!(user.role, Role::Admin | Role::Supervisor)),
            can_command: can_command(directory, user, is_on, record),
        })
    }
}

fn can_command(directory: &Directory, user: Option<&User>, is_on: bool, call: &CallRecord) -> bool {
    let last = call.changes.iter().rev().find(|change| change.refused.is_none());
    let decided = last.map_or(&call.decision.because, |change| &change.decision.because);
    let may = || {
        let Some(user) = user else { return true };
        directory.company(call.company).is_some_and(|company| may_command(&company.settings, user, is_on).is_ok())
    };
    match decided {
        Because::OutsideRefusal | Because::Voicemail | Because::FlowStep { .. } => false,
        Because::AgentCommand | Because::Number | Because::Company { .. } => call.answered.is_some() && may(),
    }
}

/// A page of calls, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallPage {
    pub calls: Vec<CallItem>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<CallId>,
}

/// A recording in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingItem {
    pub id: RecordingId,
    pub state: RecordingState,
    pub has_file: bool,
    pub started: String,
    pub length_ms: u64,
    pub bytes: u64,
    /// The viewer has listened to it.
    pub played: bool,
    /// The legal hold on it, for admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldView>,
}

impl RecordingItem {
    pub(super) fn of(recording: &RecordingRecord) -> Self {
        RecordingItem {
            id: recording.id,
            state: recording.state,
            has_file: has_file(recording),
            started: recording.started.to_string(),
            length_ms: Rate(recording.rate).span(Samples(recording.samples)).as_millis(),
            bytes: recording.bytes,
            played: false,
            hold: None,
        }
    }
}

/// Whether there is something to hear.
pub(super) fn has_file(recording: &RecordingRecord) -> bool {
    match recording.state {
        RecordingState::Complete | RecordingState::Incomplete | RecordingState::Recovered => !recording.path.is_empty(),
        RecordingState::Failed | RecordingState::Deleted | RecordingState::Missing => false,
    }
}

/// One recording as a whole. No path: files are fetched by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordingView {
    #[serde(flatten)]
    pub item: RecordingItem,
    pub call: CallId,
    /// The legal hold on all of its call, for admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_hold: Option<HoldView>,
    pub rate: u32,
    pub audio_sha256: String,
    /// What went wrong; empty when nothing did.
    pub problem: String,
    pub markers: Vec<Marker>,
    pub can_download: bool,
    pub heard: Vec<HeardView>,
}

/// Somebody has listened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeardView {
    pub extension: String,
    pub name: String,
    /// The last time.
    pub at: String,
}

/// A token of a program, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<String>,
    pub created: String,
    pub expires: String,
}

impl From<&TokenRow> for TokenView {
    fn from(row: &TokenRow) -> Self {
        let TokenRow { id, kind: _, owner: _, name, scopes, created, expires } = row;
        TokenView {
            id: *id,
            name: name.clone(),
            scopes: scopes.clone(),
            created: created.to_string(),
            expires: expires.to_string(),
        }
    }
}

/// A line of the access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessView {
    pub seq: i64,
    pub at: String,
    pub who: String,
    pub source: String,
    pub action: String,
    pub thing: String,
    pub chain: String,
}

impl From<AccessLine> for AccessView {
    fn from(line: AccessLine) -> Self {
        let AccessLine { seq, at, company: _, user: _, who, source, action, thing, chain } = line;
        AccessView { seq, at: at.to_string(), who, source, action, thing, chain }
    }
}

/// Calls that are up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveList {
    pub calls: Vec<LiveItem>,
}

/// Who receives the recordings of a number: extensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriberList {
    pub subscribers: Vec<String>,
}

/// Tokens of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    pub tokens: Vec<TokenView>,
}

/// A token that was just made. Its secret is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewTokenView {
    pub token: TokenView,
    pub secret: String,
}

/// Lines of the access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessList {
    pub lines: Vec<AccessView>,
    /// `after` of the next page, or `before` where the newest come first; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

impl AccessList {
    /// A page of up to `limit` lines.
    pub(super) fn of(lines: Vec<AccessLine>, limit: u32) -> Self {
        let full = u32::try_from(lines.len()).is_ok_and(|count| count >= limit);
        let next = lines.last().map(|line| line.seq).filter(|_| full);
        AccessList { lines: lines.into_iter().map(AccessView::from).collect(), next }
    }
}

/// The scopes that a token asks for, or the first that there is not.
pub(super) fn scopes_of(texts: &[String]) -> Result<Vec<String>, String> {
    let scope = |text: &String| match Permission::parse(text) {
        Some(permission) => Ok(permission.as_str().to_owned()),
        None if super::login::is_access(text) => Ok(text.clone()),
        None => Err(text.clone()),
    };
    texts.iter().map(scope).collect()
}
