//! What a crash left is put right at the start, before the first call is taken.
//!
//! | found | done |
//! |---|---|
//! | `.part` with audio | trailer, sizes, sidecar, rename; handed over as recovered |
//! | `.journal` without a file | a failed recording is handed over |
//! | `.journal` of a recording that was refused | its files are taken away |
//! | `.wav` without a row | handed over from its sidecar |
//! | a row without its `.wav` | marked as missing |
//! | a row of a deleted recording with its `.wav` | the file is taken away |
//! | a call without an end | ended as crashed |
//! | a call that should be recorded, without a recording | a failed recording is handed over |
//!
//! Messages and greetings have rules of their own, in `takes`.

mod takes;

use super::archivist::{failed_recording, finish_file};
use super::clock::OsRandom;
use super::messages::is_of_voicemail;
use super::recorder::Paths;
use super::refused::discard;
use crate::archive::{Rest, Sealed};
use crate::base::{Random, Rate, RecordingId, Wall};
use crate::ledger::{
    Because, CallRecord, Change, EndReason, OutboxKind, Outcome, RecordingRecord, RecordingState, Sidecar,
};
use crate::recording::{Draft, Finish, Repaired, repair, sidecar};
use crate::store::{Store, StoreError};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What was put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Files that were written when the process died.
    pub repaired: usize,
    /// Final files whose row was missing.
    pub handed_over: usize,
    /// Recordings of which nothing could be saved.
    pub failed: usize,
    /// Rows whose file is gone.
    pub missing: usize,
    /// Calls that had no end.
    pub calls: usize,
    /// Messages that reached their box only now.
    pub messages: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error("recordings folder {}: {error}", path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks through the recordings folder and the database.
pub async fn recover(dir: &Path, store: &Store, now: Wall) -> Result<Recovered, RecoverError> {
    let mut recovered = Recovered::default();
    let mut all = Vec::new();
    walk(dir, &mut all).map_err(|error| RecoverError::Folder { path: dir.to_owned(), error })?;
    let of_voicemail = |path: &PathBuf| is_of_voicemail(path.strip_prefix(dir).unwrap_or(path));
    let (voicemail, files): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().partition(of_voicemail);
    let mut rows = all_rows(store).await?;
    for path in files.iter().filter(|path| has_ending(path, "journal")) {
        if let Some(record) = recover_journal(dir, path, store, now, &mut recovered.calls).await? {
            match record.state {
                RecordingState::Failed => recovered.failed += 1,
                RecordingState::Complete
                | RecordingState::Incomplete
                | RecordingState::Recovered
                | RecordingState::Deleted
                | RecordingState::Missing => recovered.repaired += 1,
            }
            rows.insert(record.path);
        }
    }
    for path in files.iter().filter(|path| has_ending(path, "wav")) {
        let relative = path.strip_prefix(dir).unwrap_or(path).display().to_string();
        if rows.contains(&relative) {
            continue;
        }
        match from_sidecar(dir, path) {
            Ok(record) => {
                recovered.calls += hand_over(store, record, OutboxKind::RecordingFinished, now).await?;
                recovered.handed_over += 1;
            }
            Err(error) => {
                let call = Paths::call_of(path).map(tracing::field::display);
                tracing::error!(call, file = %path.display(), %error, "a recording without a row has no readable sidecar")
            }
        }
    }
    for path in files.iter().chain(&voicemail).filter(|path| has_ending(path, "tmp")) {
        // A sidecar, or two messages in one, that was not whole yet; its recording has another by now.
        let _ = fs::remove_file(path);
    }
    let takes = takes::recover(dir, &voicemail, store, now).await?;
    (recovered.messages, recovered.calls) = (takes.delivered, recovered.calls + takes.calls);
    recovered.missing = compare_rows(dir, store).await?;
    recovered.calls += end_open_calls(store, now).await?;
    recovered.failed += fail_unrecorded_calls(store, now).await?;
    Ok(recovered)
}

/// Repairs and hands over what a journal is left of; the journal goes when the row is there. What
/// cannot be repaired is handed over as failed, and tried again at the next start.
async fn recover_journal(
    dir: &Path,
    journal: &Path,
    store: &Store,
    now: Wall,
    calls: &mut usize,
) -> Result<Option<RecordingRecord>, StoreError> {
    if let Ok(repaired) = read_journal(journal)
        && is_refused(&repaired, store).await?
    {
        // Of what stays the journal stays too, and nothing is handed over.
        let _ = discard(&paths_of(dir, journal));
        return Ok(None);
    }
    let (record, done) = match from_journal(dir, journal) {
        Ok(record) => (record, true),
        Err(error) => {
            let call = Paths::call_of(journal).map(tracing::field::display);
            tracing::error!(call, file = %journal.display(), %error, "a recording could not be repaired");
            let problem = format!("the file could not be repaired: {error}");
            (read_journal(journal).ok().and_then(|repaired| nothing_saved(&repaired, &problem)), false)
        }
    };
    if let Some(record) = &record {
        let kind = match record.state {
            RecordingState::Failed => OutboxKind::RecordingFailed,
            RecordingState::Complete
            | RecordingState::Incomplete
            | RecordingState::Recovered
            | RecordingState::Deleted
            | RecordingState::Missing => OutboxKind::RecordingFinished,
        };
        *calls += hand_over(store, record.clone(), kind, now).await?;
    }
    if done {
        let _ = fs::remove_file(journal);
    }
    Ok(record)
}

/// Hands a recording over with its call, whose end the crash cut off: whoever is told of the recording
/// was told before that the call has ended. How many calls were ended by that.
async fn hand_over(store: &Store, record: RecordingRecord, kind: OutboxKind, now: Wall) -> Result<usize, StoreError> {
    let (call, cut_off) = match store.call(record.call).await? {
        Some(call) if call.ended.is_some() => (None, 0),
        Some(call) => (Some(ended(call, Some(record.sidecar.answered), now)), 1),
        None => (Some(call_of(&record.sidecar, now)), 0),
    };
    store.hand_over_with_calls(&[(record, kind)], call.as_slice(), now).await?;
    Ok(cut_off)
}

/// As its journal says, or the row of its call where the recorder had not come so far.
async fn is_refused(repaired: &Repaired, store: &Store) -> Result<bool, StoreError> {
    let Some(draft) = repaired.draft.as_ref().filter(|_| !repaired.refused) else { return Ok(repaired.refused) };
    Ok(store.call(draft.call).await?.is_some_and(|call| call.is_refused_from_the_beginning()))
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => walk(&entry.path(), found)?,
            false => found.push(entry.path()),
        }
    }
    Ok(())
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

fn paths_of(dir: &Path, path: &Path) -> Paths {
    let stem = path.strip_prefix(dir).unwrap_or(path).with_extension("");
    Paths { stem, dir: dir.to_owned() }
}

/// Rows are read in pages; only their paths are kept.
const PAGE: u32 = 1_000;

async fn all_rows(store: &Store) -> Result<HashSet<String>, StoreError> {
    let mut paths = HashSet::new();
    let mut before = None;
    loop {
        let page = store.recording_files(None, before, PAGE).await?;
        before = page.last().map(|file| file.id);
        let more = page.len() == PAGE as usize;
        paths.extend(page.into_iter().map(|file| file.path));
        if !more {
            return Ok(paths);
        }
    }
}

/// The journal alone: nothing is known of the audio.
fn read_journal(journal: &Path) -> io::Result<Repaired> {
    Ok(repair(0, &String::from_utf8_lossy(&fs::read(journal)?)))
}

/// A journal that nobody has taken away: the recording was not handed over. `None` when it says
/// nothing (the process died while it was made).
fn from_journal(dir: &Path, journal: &Path) -> io::Result<Option<RecordingRecord>> {
    let paths = paths_of(dir, journal);
    let text = fs::read(journal)?;
    let text = String::from_utf8_lossy(&text);
    // Final already, and only the row is missing.
    if paths.wav().exists() && paths.sidecar().exists() {
        return from_sidecar(dir, &paths.wav()).map(Some);
    }
    // Finishing was interrupted after the sidecar: it is done once more.
    if paths.part().exists()
        && let Some(sidecar) =
            fs::read(paths.sidecar()).ok().and_then(|bytes| serde_json::from_slice::<Sidecar>(&bytes).ok())
    {
        return finish_file(&paths, &sidecar, None).map(Some);
    }
    let audio = if paths.part().exists() { paths.part() } else { paths.wav() };
    let repaired = repair(audio_end(&audio), &text);
    let draft = match &repaired.draft {
        Some(draft) if repaired.samples != 0 => draft,
        Some(_) | None => {
            // Nothing, or a header; and a sidecar would describe what is not there.
            let _ = fs::remove_file(paths.part());
            let _ = fs::remove_file(paths.sidecar());
            return Ok(nothing_saved(&repaired, "the process died before the first sample was written"));
        }
    };
    let problem = "the process died during the call";
    let sidecar = crashed_sidecar(draft, &repaired, rate_of(&audio), RecordingState::Recovered, problem);
    finish_file(&paths, &sidecar, None).map(Some)
}

/// Offset of the sampling rate in the header of a `.wav`.
const RATE_AT: u64 = 24;
/// Offsets of the two sizes in the header of a `.wav`.
const RIFF_SIZE_AT: usize = 4;
const DATA_SIZE_AT: usize = 40;

/// Where the audio of a file ends: what its header says once it was sealed (the size of the whole
/// or of the audio is set), else its length.
fn audio_end(part: &Path) -> u64 {
    let Ok(mut file) = File::open(part) else { return 0 };
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut header = [0; crate::audio::wav::DATA_OFFSET as usize];
    if io::Read::read_exact(&mut file, &mut header).is_err() {
        return 0;
    }
    let size_at = |at: usize| {
        let bytes = header.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
    };
    match (size_at(RIFF_SIZE_AT), size_at(DATA_SIZE_AT)) {
        (0, 0) => length,
        (_, size) => length.min(crate::audio::wav::DATA_OFFSET + size),
    }
}

/// A recording without a file; `None` where the journal does not say whose it is.
fn nothing_saved(repaired: &Repaired, problem: &str) -> Option<RecordingRecord> {
    let draft = repaired.draft.as_ref()?;
    let nothing = Repaired { samples: 0, markers: Vec::new(), ..repaired.clone() };
    let sidecar = crashed_sidecar(draft, &nothing, Rate::NARROW, RecordingState::Failed, problem);
    Some(Sealed::default().row(sidecar, String::new()))
}

/// Samples per second, as the header of a `.wav` says.
fn rate_of(part: &Path) -> Rate {
    let mut bytes = [0; 4];
    let read = File::open(part).and_then(|file| file.read_exact_at(&mut bytes, RATE_AT));
    match (read, u32::from_le_bytes(bytes)) {
        (Ok(()), rate) if rate > 0 => Rate(rate),
        (Ok(()) | Err(_), _) => Rate::NARROW,
    }
}

fn crashed_sidecar(draft: &Draft, repaired: &Repaired, rate: Rate, state: RecordingState, problem: &str) -> Sidecar {
    let last = repaired.changes.iter().rfind(|change| change.refused.is_none());
    let finish = Finish {
        samples: repaired.samples,
        rate,
        state,
        markers: repaired.markers.clone(),
        markers_left_out: 0,
        changes: repaired.changes.clone(),
        ended_paused: last.is_some_and(paused),
        end_reason: Some(EndReason::Crashed),
        problem: problem.to_owned(),
        legs: Default::default(),
        joined: repaired.joined.clone(),
        left: Vec::new(),
    };
    sidecar(draft, finish)
}

/// Whether the recording was paused by a person after this.
fn paused(change: &Change) -> bool {
    !change.decision.record && change.decision.because == Because::AgentCommand
}

/// A final file as its sidecar tells it; the digests are made anew.
fn from_sidecar(dir: &Path, wav: &Path) -> io::Result<RecordingRecord> {
    let paths = paths_of(dir, wav);
    let sidecar: Sidecar = serde_json::from_slice(&fs::read(paths.sidecar())?)?;
    let sealed = Sealed::of(&File::open(wav)?, sidecar.samples, sidecar.channels)?;
    Ok(sealed.row(sidecar, paths.relative_wav()))
}

/// Marks rows whose file is gone, and takes away files whose row says that they were deleted;
/// how many are missing.
async fn compare_rows(dir: &Path, store: &Store) -> Result<usize, StoreError> {
    let mut missing = 0;
    for state in
        [RecordingState::Complete, RecordingState::Incomplete, RecordingState::Recovered, RecordingState::Deleted]
    {
        let mut before = None;
        loop {
            let page = store.recording_files(Some(state), before, PAGE).await?;
            before = page.last().map(|record| record.id);
            for record in page.iter().filter(|record| !record.path.is_empty()) {
                let rest = Rest::of(dir, &record.path);
                if state == RecordingState::Deleted {
                    // What stays is tried again, as the row says.
                    let _ = rest.remove();
                } else if !rest.wav.exists() {
                    store.mark_missing(record.id).await?;
                    tracing::warn!(recording = %record.id, call = %record.call, "the file of a recording is missing");
                    missing += 1;
                }
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
    }
    Ok(missing)
}

async fn end_open_calls(store: &Store, now: Wall) -> Result<usize, StoreError> {
    let mut open = store.open_calls().await?;
    for call in &mut open {
        let recordings = store.recordings_of(call.id).await?;
        *call = ended(call.clone(), recordings.first().map(|recording| recording.sidecar.answered), now);
    }
    store.save_calls(&open).await?;
    Ok(open.len())
}

/// The call as the crash ended it. `recorded` is when it was answered, as its recording says: the
/// answer may not have been written yet, though the recording that began with it was.
fn ended(call: CallRecord, recorded: Option<Wall>, now: Wall) -> CallRecord {
    let answered = call.answered.or(recorded);
    let outcome = match (call.outcome, answered) {
        // Nobody took it: it was at a voicemail box.
        (Outcome::Voicemail, _) => Outcome::Voicemail,
        (_, Some(_)) => Outcome::Completed,
        (_, None) => Outcome::Failed,
    };
    CallRecord {
        answered,
        ended: Some(now),
        end_reason: Some(EndReason::Crashed),
        ended_paused: answered.is_some() && call.changes.last().is_some_and(paused),
        outcome,
        ..call
    }
}

/// A call of which the crash left a recording and no row.
fn call_of(sidecar: &Sidecar, now: Wall) -> CallRecord {
    let mut parties = sidecar.parties.iter().map(|side| side.party.clone());
    CallRecord {
        id: sidecar.call,
        company: sidecar.company,
        direction: sidecar.direction,
        caller: parties.next().unwrap_or_default(),
        callee: parties.next().unwrap_or_default(),
        number: sidecar.number,
        started: sidecar.answered,
        answered: Some(sidecar.answered),
        ended: Some(now),
        outcome: Outcome::Completed,
        end_reason: Some(EndReason::Crashed),
        decision: sidecar.decision.clone(),
        changes: sidecar.changes.clone(),
        joined: Vec::new(),
        ended_paused: sidecar.ended_paused,
    }
}

/// Every call that policy said to record ends in a recording or in a visible failure: also one
/// that the process died of before its file was begun.
async fn fail_unrecorded_calls(store: &Store, now: Wall) -> Result<usize, StoreError> {
    let calls = store.unrecorded_calls().await?;
    if calls.is_empty() {
        return Ok(0);
    }
    let directory = store.load_directory().await?;
    let mut failed = Vec::with_capacity(calls.len());
    for call in &calls {
        let company_name = directory.company(call.company).map_or("", |company| company.name.as_str());
        let id = RecordingId::new(now, OsRandom.ten_bytes());
        let problem = "the process died before the recording was begun".to_owned();
        let record = failed_recording(id, call, company_name, Default::default(), problem);
        failed.push((record, OutboxKind::RecordingFailed));
    }
    store.hand_over_all(&failed, now).await?;
    Ok(failed.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CallId, CompanyId, Direction, Side};
    use crate::ledger::{By, Channels, Decision, How, Joined, JoinedBy, Party};
    use crate::recording::JournalLine;

    fn draft() -> Draft {
        Draft {
            recording: RecordingId::new(Wall::default(), [1; 10]),
            call: CallId::new(Wall::default(), [2; 10]),
            company: CompanyId(1),
            company_name: String::new(),
            direction: Direction::Inbound,
            number: None,
            parties: Default::default(),
            answered: Wall::default(),
            started: Wall::default(),
            offset_ms: 0,
            part: 0,
            decision: Decision { record: true, because: Because::Number },
            channels: Channels::Stereo,
        }
    }

    fn refusal() -> Change {
        let decision = Decision { record: false, because: Because::OutsideRefusal };
        let by = By::Outside { side: Side::Caller };
        Change { at: Wall::default(), offset_ms: 0, by, how: How::Info, wanted: false, refused: None, decision }
    }

    #[tokio::test]
    async fn what_the_row_says_was_refused_is_taken_away_though_its_journal_does_not_say_so_yet() {
        let joined = Joined {
            at: Wall::default(),
            offset_ms: 0,
            side: Side::Caller,
            party: Party::default(),
            codec: String::new(),
            how: JoinedBy::BlindTransfer,
            instead_of: Party::default(),
            from_call: None,
        };
        let brought = Change { how: How::Transfer, ..refusal() };
        let rows = [
            (vec![refusal()], vec![], 0),
            (vec![], vec![], 1),
            (vec![refusal()], vec![joined], 1),
            (vec![brought], vec![], 1),
        ];
        for (changes, joined, kept) in rows {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("db")).await.unwrap();
            let files = dir.path().join("files");
            fs::create_dir(&files).unwrap();
            let line = serde_json::to_string(&JournalLine::Draft { draft: Box::new(draft()) }).unwrap();
            fs::write(files.join("a.journal"), &line).unwrap();
            fs::write(files.join("a.part"), [0; 20]).unwrap();
            let sidecar = crashed_sidecar(&draft(), &repair(0, &line), Rate::NARROW, RecordingState::Failed, "");
            let call = CallRecord { changes: changes.clone(), joined, ..call_of(&sidecar, Wall::default()) };
            store.save_call(&call).await.unwrap();
            let recovered = recover(&files, &store, Wall::default()).await.unwrap();
            assert_eq!(recovered.failed, kept, "{changes:?}");
            assert_eq!(fs::read_dir(&files).unwrap().count(), 0);
        }
    }
}
