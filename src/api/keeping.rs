//! The keeping of recordings: what can be asked, and what the answers look like.

use super::{CallQuery, PeaksView, Permission, Points, Problem};
use crate::base::{CallId, RecordingId, Wall};
use crate::directory::{Company, Directory, Role};
use crate::policy::{Lift, Lifter, Second, lift};
use crate::store::{ExportRow, Held, Hold, LiftAsked, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// A request about how recordings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepingAsk {
    /// Nobody deletes it until two have lifted that.
    Hold {
        thing: Held,
        reason: String,
    },
    /// Asks to lift the hold, or confirms what another one asked.
    Lift {
        thing: Held,
    },
    /// Holds of the company after this one.
    Holds {
        after: i64,
        limit: u32,
    },
    /// In at most so many points a channel.
    Peaks {
        recording: RecordingId,
        points: Points,
    },
    /// An archive of what the viewer sees and may fetch.
    Export(ExportWhat),
    /// The viewer's own, the newest first: those before this one.
    Exports {
        before: Option<i64>,
        limit: u32,
    },
    ExportShow {
        id: i64,
    },
    ExportFile {
        id: i64,
    },
    ExportRemove {
        id: i64,
    },
    /// Deletes the recordings of every call with a number of the outside and every text, and blanks it
    /// everywhere.
    Erase {
        contact: String,
        /// The number once more, where it is for real.
        confirm: Option<String>,
        dry_run: bool,
    },
}

impl KeepingAsk {
    pub const fn needs(&self) -> Permission {
        match self {
            KeepingAsk::Hold { .. } | KeepingAsk::Lift { .. } | KeepingAsk::Holds { .. } => Permission::HoldRecordings,
            KeepingAsk::Peaks { .. } => Permission::ListenRecordings,
            KeepingAsk::Export(_)
            | KeepingAsk::Exports { .. }
            | KeepingAsk::ExportShow { .. }
            | KeepingAsk::ExportFile { .. }
            | KeepingAsk::ExportRemove { .. } => Permission::ExportRecordings,
            KeepingAsk::Erase { .. } => Permission::EraseContacts,
        }
    }
}

/// What is to be in an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportWhat {
    /// Those of the list of calls.
    Calls(Box<CallQuery>),
    /// Everything with a number of the outside, E.164.
    Contact(String),
}

/// The answer.
#[derive(Clone, Debug)]
pub enum KeepingReply {
    Hold(HoldView),
    /// It was asked, and waits for another one.
    LiftAsked(LiftView),
    Lifted,
    Holds(HoldPage),
    Peaks(Box<PeaksView>),
    /// One that will be made.
    Exporting(ExportView),
    Export(ExportView),
    Exports(ExportPage),
    File {
        path: PathBuf,
        name: String,
    },
    Removed,
    Erased(EraseReport),
}

/// A legal hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    pub id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    pub reason: String,
    pub placed: String,
    pub by: String,
    /// Who asked to lift it, and when; another one confirms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift_asked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift_asked: Option<String>,
}

impl From<&Hold> for HoldView {
    fn from(hold: &Hold) -> Self {
        let Hold { id, company: _, thing, reason, placed, by, asked } = hold;
        let (recording, call) = match thing {
            Held::Recording(recording) => (Some(*recording), None),
            Held::Call(call) => (None, Some(*call)),
        };
        HoldView {
            id: *id,
            recording,
            call,
            reason: reason.clone(),
            placed: placed.to_string(),
            by: by.clone(),
            lift_asked_by: asked.as_ref().map(|asked| asked.by.clone()),
            lift_asked: asked.as_ref().map(|asked| asked.at.to_string()),
        }
    }
}

/// A page of holds, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldPage {
    pub holds: Vec<HoldView>,
    /// `after` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// Somebody asked to lift a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiftView {
    pub lifted: bool,
    /// Who confirms.
    pub confirm: String,
}

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportView {
    pub id: i64,
    /// `waiting`, `making`, `ready`, `failed`, `withdrawn` (something in it was deleted), `expired`.
    pub state: String,
    /// Why it failed or was withdrawn; empty else.
    pub problem: String,
    /// The number that it is about; absent where it is about calls of the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    pub created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// When it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    pub calls: u64,
    pub recordings: u64,
    pub bytes: u64,
    /// Of the whole file, hex; empty before it is ready.
    pub sha256: String,
}

impl From<&ExportRow> for ExportView {
    fn from(row: &ExportRow) -> Self {
        let ExportRow {
            id,
            company: _,
            owner: _,
            who: _,
            what,
            state,
            problem,
            tries: _,
            created,
            finished,
            expires,
            calls,
            recordings,
            bytes,
            sha256,
        } = row;
        let contact = match serde_json::from_str(what) {
            Ok(ExportWhat::Contact(contact)) => Some(contact),
            // Of an erased contact nothing is said any more.
            Ok(ExportWhat::Calls(_)) | Err(_) => None,
        };
        ExportView {
            id: *id,
            state: state.as_str().to_owned(),
            problem: problem.clone(),
            contact,
            created: created.to_string(),
            finished: finished.map(|at| at.to_string()),
            expires: expires.map(|at| at.to_string()),
            calls: *calls,
            recordings: *recordings,
            bytes: *bytes,
            sha256: sha256.clone(),
        }
    }
}

/// A page of archives, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportPage {
    pub exports: Vec<ExportView>,
    /// `before` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// What was erased, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EraseReport {
    pub dry_run: bool,
    /// Calls in which the number and its names were blanked; the calls stay.
    pub calls: u64,
    /// Recordings that were deleted, with their sidecars and peaks.
    pub recordings: u64,
    /// Notes on those calls that were deleted.
    pub notes: u64,
    /// Bytes of their audio, and of that of the messages.
    pub bytes: u64,
    /// Voicemail messages that were deleted.
    pub messages: u64,
    /// Text messages and notes that were deleted, with their conversations.
    pub texts: u64,
    /// Events in which the number was blanked.
    pub events: u64,
    /// Archives that were asked for by this number.
    pub exports: u64,
    /// Recordings of which a file could not be taken away yet; it is tried again.
    pub files_left: u64,
    /// Recordings that were never finished, whose files were taken away.
    pub leftovers: u64,
    /// The first [`EraseReport::MOST`] files of those, below the folder of the recordings.
    pub leftover_files: Vec<String>,
    /// Calls that are up, or whose recording is being written: they are kept now, and erased by themselves
    /// when they are over.
    pub put_off: u64,
    pub kept: u64,
    /// The first [`EraseReport::MOST`] calls of which nothing was touched, and why.
    pub kept_calls: Vec<KeptCall>,
}

impl EraseReport {
    pub const MOST: usize = 1_000;
}

/// A call that was not erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptCall {
    pub call: CallId,
    pub because: String,
}

/// What came of a wish to lift a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiftOutcome {
    Asked(Second),
    Lifted,
}

/// Lifts a hold or notes who asked, by the rule of two: for the API and for the command line.
pub async fn lift_hold(
    store: &Store,
    directory: &Directory,
    company: &Company,
    hold: &Hold,
    (lifter, name): (&Lifter, &str),
    now: Wall,
) -> Result<LiftOutcome, Problem> {
    let admin = |key: &str| {
        let id = key.strip_prefix("user ").and_then(|id| id.parse().ok()).map(crate::base::UserId);
        id.is_none_or(|id| directory.user(id).is_some_and(|user| user.role == Role::Admin))
    };
    // Who asked and is no admin any more has asked nothing.
    let said = hold.asked.as_ref().map(|asked| asked.key.as_str());
    let asked = said.filter(|key| admin(key));
    let admins = directory.users_of(company.id).filter(|user| user.role == Role::Admin).count();
    let done = |done: Result<bool, StoreError>, outcome| match done? {
        true => Ok(outcome),
        false => Err(Problem::Conflict("somebody else changed this hold just now: look at it again".to_owned())),
    };
    match lift(asked, lifter, admins) {
        Lift::Asked(second) => {
            let asks = LiftAsked { at: now, by: name.to_owned(), key: lifter.key().to_owned() };
            done(store.ask_to_lift(hold.id, said, &asks).await, LiftOutcome::Asked(second))
        }
        Lift::AskedAlready(second) => {
            Err(Problem::Conflict(format!("this was asked already: now {} confirms", second.as_str())))
        }
        Lift::NotTheOperator => Err(Problem::Conflict(format!("{admins} admins: another one of them confirms"))),
        Lift::Lifted => done(store.lift_hold(hold.id, said, name, now).await, LiftOutcome::Lifted),
    }
}
