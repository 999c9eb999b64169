//! Archives of calls and recordings: asked for, made in the background, fetched, and gone after a while.

mod make;
mod write;

use super::contacts::contact;
use super::filter::filter;
use super::keeping::who;
use super::{Actor, Desk, Person};
use crate::api::keeping::{ExportPage, ExportView, ExportWhat, KeepingReply};
use crate::api::view::has_file;
use crate::api::{AudioUse, CallQuery, Problem, Scopes, Viewer};
use crate::base::{CallId, RecordingId, Span, StaffId};
use crate::directory::{Company, Directory};
use crate::ledger::CallRecord;
use crate::store::{ExportRow, ExportState, NewExport, Owner, StaffKind, StaffRow, StoreError, facts};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use tokio::sync::Notify;

/// Archives of a page at most.
const PAGE: u32 = 200;
/// Items whose rights are looked at together.
const ITEMS: u32 = 400;
/// As whom archives of the command line are kept.
pub const OPERATORS: &str = "staff 0";
/// Nobody who logs in has this id.
const COMMAND_LINE: StaffId = StaffId(0);
const NO_EXPORT: Problem = Problem::NotFound { what: "export" };

/// How archives are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// Where they stand; made, mode 0700, when the first one is.
    pub dir: PathBuf,
    /// Bytes of one at most.
    pub max_bytes: u64,
    /// Of one person at a time.
    pub per_user: u32,
    /// How long one is kept.
    pub keep: Span,
    /// Bytes that stay free on the disk.
    pub reserve: u64,
}

/// What the desk has of them.
pub(super) struct Exports {
    pub settings: ExportSettings,
    /// There is one to be made, or a file to be taken away.
    pub changed: Notify,
}

impl Exports {
    pub fn new(settings: ExportSettings) -> Self {
        Exports { settings, changed: Notify::new() }
    }

    pub fn file(&self, id: i64) -> PathBuf {
        self.settings.dir.join(format!("{id}.zip"))
    }
}

impl Desk {
    pub(super) async fn export(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        what: ExportWhat,
    ) -> Result<KeepingReply, Problem> {
        match &what {
            ExportWhat::Calls(query) => {
                // A filter that names nothing is told now, not by an archive that failed.
                filter(directory, person, query)?;
                if !self.scope(directory, person).await?.download {
                    return Err(Problem::Forbidden("you may not fetch recordings"));
                }
            }
            ExportWhat::Contact(said) => {
                person.must_be_admin()?;
                contact(directory, person.company, said)?;
            }
        }
        let owner = who(person);
        let what = serde_json::to_string(&what).map_err(StoreError::from)?;
        let created = self.world.wall();
        let new = NewExport { company: person.company.id, owner: owner.key, who: owner.name, what, created };
        let most = self.exports.settings.per_user;
        let Some(row) = self.store.add_export(&new, most).await? else {
            return Err(Problem::TooMuch(format!("you have {most} exports: remove one, or wait until one is over")));
        };
        self.note(person, "export.make", format!("export {}", row.id)).await?;
        self.exports.changed.notify_one();
        Ok(KeepingReply::Exporting(ExportView::from(&row)))
    }

    pub(super) async fn exports(
        &self,
        person: &Person<'_>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<KeepingReply, Problem> {
        let limit = limit.clamp(1, PAGE);
        let mut rows = self.store.exports_of(person.company.id, &who(person).key, before, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().map(|row| row.id).filter(|_| more);
        Ok(KeepingReply::Exports(ExportPage { exports: rows.iter().map(ExportView::from).collect(), next }))
    }

    /// One's own; another one's is none.
    async fn own_export(&self, person: &Person<'_>, id: i64) -> Result<ExportRow, Problem> {
        let row = self.store.export(id).await?.ok_or(NO_EXPORT)?;
        match row.company == person.company.id && row.owner == who(person).key {
            true => Ok(row),
            false => Err(NO_EXPORT),
        }
    }

    pub(super) async fn export_show(&self, person: &Person<'_>, id: i64) -> Result<KeepingReply, Problem> {
        Ok(KeepingReply::Export(ExportView::from(&self.own_export(person, id).await?)))
    }

    pub(super) async fn export_remove(&self, person: &Person<'_>, id: i64) -> Result<KeepingReply, Problem> {
        self.own_export(person, id).await?;
        self.note(person, "export.remove", format!("export {id}")).await?;
        self.store.remove_export(id).await?;
        self.exports.changed.notify_one();
        Ok(KeepingReply::Removed)
    }

    /// The file, where everything in it may still be fetched by this person.
    pub(super) async fn export_file(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: i64,
    ) -> Result<KeepingReply, Problem> {
        let row = self.own_export(person, id).await?;
        let now = self.world.wall();
        let gone = |because: &str| Problem::Gone { what: "export", at: row.finished, because: because.to_owned() };
        match row.state {
            ExportState::Ready if row.expires.is_none_or(|expires| expires > now) => {}
            ExportState::Ready | ExportState::Expired => return Err(gone("its time is over: make it anew")),
            ExportState::Withdrawn | ExportState::Failed => return Err(gone(&row.problem)),
            ExportState::Waiting | ExportState::Making => {
                return Err(Problem::Conflict("it is still being made: ask for it again later".to_owned()));
            }
        }
        if !self.may_have_all_of(directory, person, &row).await? {
            const BECAUSE: &str = "you may no longer fetch everything in it: make it anew";
            self.store.end_export(id, ExportState::Withdrawn, BECAUSE, now).await?;
            self.exports.changed.notify_one();
            return Err(gone(BECAUSE));
        }
        if self.is_new_listening(person.viewer.token, export_as_recording(id), AudioUse::Download) {
            self.note(person, "export.fetch", format!("export {id}")).await?;
        }
        Ok(KeepingReply::File { path: self.exports.file(id), name: format!("export-{id}.zip") })
    }

    async fn may_have_all_of(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        row: &ExportRow,
    ) -> Result<bool, Problem> {
        let scope = self.scope(directory, person).await?;
        let about_contact = matches!(serde_json::from_str(&row.what), Ok(ExportWhat::Contact(_)));
        if about_contact && !person.is_admin() {
            return Ok(false);
        }
        let mut after = None;
        loop {
            let items = self.store.export_items(row.id, after, ITEMS).await?;
            let ids: Vec<CallId> = items.iter().map(|(call, _)| *call).collect();
            let calls = self.store.calls_by_ids(&ids).await?;
            let calls: HashMap<CallId, CallRecord> = calls.into_iter().map(|call| (call.id, call)).collect();
            let recordings = self.store.recordings_of_calls(&ids).await?;
            let there: HashMap<RecordingId, bool> =
                recordings.iter().map(|recording| (recording.id, has_file(recording))).collect();
            let recorded = |call: CallId| recordings.iter().any(|recording| recording.call == call);
            let may = |(call, recording): &(CallId, Option<RecordingId>)| {
                let Some(call) = calls.get(call) else { return false };
                match recording {
                    Some(id) => there.get(id) == Some(&true) && scope.downloadable(&facts(call, true)),
                    None => scope.visible(&facts(call, recorded(call.id))).is_some(),
                }
            };
            if !items.iter().all(may) {
                return Ok(false);
            }
            after = items.last().copied();
            if items.len() < ITEMS as usize {
                return Ok(true);
            }
        }
    }
}

/// Whoever runs the service and sits at its command line, who needs no log-in for that.
fn command_line() -> StaffRow {
    StaffRow { id: COMMAND_LINE, name: "command line".to_owned(), kind: StaffKind::Operator, companies: Vec::new() }
}

/// Whether everything that the query names is there, as an admin is told.
///
/// # Errors
/// The first that is not.
pub fn check_names(directory: &Directory, company: &Company, query: &CallQuery) -> Result<(), Problem> {
    let staff = command_line();
    let viewer = Viewer {
        owner: Owner::Staff(COMMAND_LINE),
        company: None,
        scopes: Scopes::All,
        token: 0,
        ends: None,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let person = Person { company, actor: Actor::Staff(&staff), viewer: &viewer };
    filter(directory, &person, query).map(drop)
}

/// Pieces of one archive are one fetch, as those of a recording are.
fn export_as_recording(id: i64) -> RecordingId {
    let mut bytes = [0; 10];
    bytes.iter_mut().rev().zip(id.to_le_bytes()).for_each(|(byte, of)| *byte = of);
    RecordingId::new(crate::base::Wall::default(), bytes)
}
