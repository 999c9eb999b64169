//! How recordings are kept, go, and are proven: deletion, retention, the check of files against rows.

mod messages;

pub use messages::verify_messages;

use super::Handle;
use super::clock::Clock;
use crate::api::{Answer, Eraser, HoldView, Verified, erased_told, sweep_files};
use crate::archive::{Rest, problems};
use crate::base::{RecordingId, Span, Wall};
use crate::directory::{Company, Directory, Number};
use crate::policy::{Kept, Retention, retention};
use crate::store::{
    Access, Candidate, Deletion, Erasure, Gone, OldMessage, RecordingFile, RecordingFilter, Store, StoreError,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks for recordings whose time is over.
const LOOK: Duration = Duration::from_secs(3_600);
/// Between two looks for calls that are to be erased and have ended.
const LATER: Duration = Duration::from_secs(2);
const MOST_LATER: Duration = Duration::from_secs(300);
/// Between two batches: whoever hands a recording over does not wait for long.
const PAUSE: Duration = Duration::from_millis(50);
/// Recordings that are looked at for one batch.
const PAGE: u32 = 500;
/// Recordings that are deleted in one transaction.
const BATCH: usize = 50;
/// Recordings that are proven for one answer.
pub const VERIFIED: u32 = 20;

/// What everybody has thrown away can be brought back for so long.
const THROWN_AWAY: Span = Span::from_secs(7 * 86_400);
const NOBODYS: &str = "thrown away by everybody";

/// What one look did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub expired: u64,
    /// Their time is over, and a hold keeps them.
    pub held: u64,
    /// Recordings whose files stay, against our will.
    pub stuck: u64,
    /// Messages whose time is over, or that everybody had thrown away.
    pub messages: u64,
}

/// Applies the retention of every company, again and again.
pub(super) async fn keep(handle: Handle) {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = handle.clock.wall();
        match sweep(&handle.store, &handle.recordings, now).await {
            Ok(swept) if swept == Swept::default() => {}
            Ok(Swept { expired, held, stuck, messages }) => {
                tracing::info!(expired, held, stuck, messages, "recordings whose retention is over were deleted");
            }
            Err(error) => tracing::error!(%error, "retention could not be applied; it is tried again in an hour"),
        }
    }
}

/// Erases calls whose erasing was asked while they were up, soon after their ends. Never ends.
pub(super) async fn erase_later(handle: Handle) {
    let mut wait = LATER;
    loop {
        // What stays is being written, or cannot be: it is not looked for all the time.
        wait = match erase_due(&handle.store, &handle.recordings, handle.clock.wall()).await {
            Ok(0) => LATER,
            Ok(_) => MOST_LATER.min(wait * 2),
            Err(error) => {
                tracing::error!(%error, "calls with an erased contact could not be erased; it is tried again");
                MOST_LATER
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Those that are over and finished; how many are still being written, and wait for the next look.
pub async fn erase_due(store: &Store, dir: &Path, now: Wall) -> Result<usize, StoreError> {
    let mut waiting = 0;
    for Erasure { id, company, call, contact, by } in store.erasures_due().await? {
        let gone = Gone { at: now, because: "erased".to_owned(), by: by.clone() };
        let report = Eraser::new(store, dir, company, &contact, gone, false).run_one(call).await?;
        if report.put_off > 0 || report.files_left > 0 {
            waiting += 1;
            continue;
        }
        store.erasure_is_over(id).await?;
        let (action, thing) = ("contact.erased".to_owned(), erased_told(&contact, &report));
        let source = "service".to_owned();
        store.log_access(&Access { at: now, company, user: None, who: by, source, action, thing }).await?;
        tracing::info!(%company, %call, kept = report.kept, "a call with an erased contact is over and was erased");
    }
    Ok(waiting)
}

/// Deletes what is over at `now`, in bounded batches, and takes away files that an earlier deletion
/// left.
pub async fn sweep(store: &Store, dir: &Path, now: Wall) -> Result<Swept, StoreError> {
    let directory = store.load_directory().await?;
    let mut swept = Swept::default();
    for company in directory.companies() {
        expire(store, &directory, company, now, &mut swept).await?;
        expire_messages(store, &directory, company, now, &mut swept).await?;
    }
    for file in store.thrown_away(now.minus(THROWN_AWAY), PAGE).await? {
        swept.messages += u64::from(store.erase_message(file.id, None, NOBODYS, now).await?.is_some());
    }
    sweep_files(store, dir).await?;
    swept.stuck = remove_files(store, dir).await?;
    Ok(swept)
}

/// What is from before this may be older than the company's shortest retention; `None`: all is kept.
fn may_have_expired(directory: &Directory, company: &Company, now: Wall) -> Option<Wall> {
    let own = directory.numbers_of(company.id).filter_map(|number| number.retention_days);
    let shortest = own.chain([company.settings.retention_days]).filter(|days| *days > 0).min()?;
    Some(now.minus(Span::from_secs(u64::from(shortest) * 86_400)))
}

async fn expire(
    store: &Store,
    directory: &Directory,
    company: &Company,
    now: Wall,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let Some(begun) = may_have_expired(directory, company, now) else { return Ok(()) };
    let mut after = None;
    loop {
        let page = store.old_recordings(company.id, begun, after, PAGE).await?;
        let mut over = Vec::new();
        for candidate in &page {
            match judge(directory, company, candidate, now) {
                Retention::Expired { days } => over.push((candidate.id, expired(days, now))),
                Retention::Held => swept.held += 1,
                Retention::ForEver | Retention::Open | Retention::Until(_) => {}
            }
        }
        for batch in over.chunks(BATCH) {
            for deletion in store.delete_recordings(batch).await? {
                match deletion {
                    Deletion::Done(record) => {
                        tracing::info!(company = %company.id, call = %record.call, recording = %record.id, "a recording has expired");
                        swept.expired += 1;
                    }
                    Deletion::Held(_) => swept.held += 1,
                    Deletion::NotFound => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        after = page.last().map(|candidate| candidate.id);
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// Messages follow the retention of recordings: what was said is kept as long, whoever wrote it down.
async fn expire_messages(
    store: &Store,
    directory: &Directory,
    company: &Company,
    now: Wall,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let Some(left) = may_have_expired(directory, company, now) else { return Ok(()) };
    let mut after = None;
    loop {
        let page = store.old_messages(company.id, left, after, PAGE).await?;
        for OldMessage { id, number, left, held } in &page {
            after = Some(*id);
            let number_days = number.and_then(|number| directory.number(number)).and_then(|one| one.retention_days);
            let kept =
                Kept { company_days: company.settings.retention_days, number_days, ended: Some(*left), held: *held };
            match retention(kept, now) {
                Retention::Expired { days } => {
                    let because = expired(days, now).because;
                    swept.messages += u64::from(store.erase_message(*id, None, &because, now).await?.is_some());
                }
                Retention::Held => swept.held += 1,
                Retention::ForEver | Retention::Open | Retention::Until(_) => {}
            }
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn judge(directory: &Directory, company: &Company, candidate: &Candidate, now: Wall) -> Retention {
    let Candidate { id: _, number, ended, held } = *candidate;
    let number = number.and_then(|number| directory.number(number));
    let number_days = number.and_then(|number: &Number| number.retention_days);
    retention(Kept { company_days: company.settings.retention_days, number_days, ended, held }, now)
}

fn expired(days: u32, now: Wall) -> Gone {
    let unit = if days == 1 { "day" } else { "days" };
    Gone { at: now, because: format!("expired after {days} {unit}"), by: "retention".to_owned() }
}

/// Takes away the files of recordings whose rows say that they were deleted; of how many they stay.
pub async fn remove_files(store: &Store, dir: &Path) -> Result<u64, StoreError> {
    let (mut after, mut stuck) = (None, 0);
    loop {
        let page = store.files_to_remove(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(stuck) };
        after = Some(last.id);
        let (count, dir) = (page.len(), dir.to_owned());
        let gone = tokio::task::spawn_blocking(move || remove(&dir, &page)).await;
        let gone = gone.map_err(|error| StoreError::Task(error.to_string()))?;
        stuck += (count - gone.len()) as u64;
        store.files_are_gone(&gone).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Those whose files are gone.
fn remove(dir: &Path, files: &[RecordingFile]) -> Vec<RecordingId> {
    let gone = |file: &&RecordingFile| match file.path.is_empty() {
        true => true,
        false => match Rest::of(dir, &file.path).remove() {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(call = %file.call, recording = %file.id, %error, "a file of a deleted recording stays");
                false
            }
        },
    };
    files.iter().filter(gone).map(|file| file.id).collect()
}

/// Deletes a recording, unless a hold is on it: the row says so first, then the files go.
pub async fn delete(store: &Store, dir: &Path, recording: RecordingId, by: &str, clock: Clock) -> Answer {
    let gone = Gone { at: clock.wall(), because: format!("deleted by {by}"), by: by.to_owned() };
    match store.delete_recording(recording, &gone).await {
        Ok(Deletion::Done(row)) => {
            let gone = match row.path.is_empty() {
                true => Ok(()),
                false => Rest::of(dir, &row.path).remove(),
            };
            match gone {
                Ok(()) => match store.files_are_gone(&[recording]).await {
                    Ok(()) => Answer::Done,
                    Err(error) => super::failed(&error),
                },
                Err(error) => Answer::Failed { problem: format!("the row is marked, but a file stays: {error}") },
            }
        }
        Ok(Deletion::Held(hold)) => Answer::Held { hold: Box::new(HoldView::from(&*hold)) },
        Ok(Deletion::NotFound) => Answer::NotFound { what: format!("recording {recording}") },
        Err(error) => super::failed(&error),
    }
}

/// Compares files with their rows: one recording, or a page of all, the newest first, before `before`.
pub async fn verify(store: &Store, dir: &Path, recording: Option<RecordingId>, before: Option<RecordingId>) -> Answer {
    let (rows, more) = match recording {
        Some(id) => match store.recording(id).await {
            Ok(Some(row)) => (vec![row], false),
            Ok(None) => return Answer::NotFound { what: format!("recording {id}") },
            Err(error) => return super::failed(&error),
        },
        None => match store.recordings(&RecordingFilter { before, ..RecordingFilter::default() }, VERIFIED).await {
            Ok(rows) => {
                let more = rows.len() == VERIFIED as usize;
                (rows, more)
            }
            Err(error) => return super::failed(&error),
        },
    };
    let next = rows.last().map(|row| row.id).filter(|_| more);
    let dir: PathBuf = dir.to_owned();
    let checked = tokio::task::spawn_blocking(move || {
        let with_file = rows.iter().filter(|row| !row.path.is_empty());
        with_file
            .map(|row| Verified {
                recording: row.id,
                path: row.path.clone(),
                state: row.state,
                problem: problems(&dir, row).join("; "),
            })
            .collect()
    });
    match checked.await {
        Ok(results) => Answer::Verified { results, next },
        Err(error) => Answer::Failed { problem: error.to_string() },
    }
}
