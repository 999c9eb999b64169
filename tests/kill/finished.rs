//! The states between the first write and the event, each made out of a finished recording.

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use telegraphone::audio::wav::DATA_OFFSET;
use telegraphone::ledger::{OutboxKind, RecordingRecord, Sidecar};
use telegraphone::recording::{Draft, JournalLine};

/// What the next start has to make of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Complete,
    /// With so many samples less than there were.
    Recovered {
        lost: u64,
    },
    Failed,
    Missing,
    Deleted,
}

/// What the process had done when it died.
pub struct Row {
    pub name: &'static str,
    audio: Audio,
    journal: Journal,
    sidecar: SidecarFile,
    database: Database,
    pub expected: Expected,
    pub events: &'static [OutboxKind],
    /// The call had no end.
    pub crashed: bool,
}

#[derive(Clone, Copy)]
enum Audio {
    Gone,
    /// A header without sizes and all but the last `0` bytes of the audio.
    Written(u64),
    /// Only the size of the audio stands in the header.
    HalfSized,
    /// The sizes stand in the header, the trailer does not follow.
    Sized,
    /// Whole, but not renamed.
    Sealed,
    Renamed,
}

#[derive(Clone, Copy)]
enum Journal {
    Gone,
    There,
    /// Its last line is torn.
    Torn,
    /// Its only line is torn.
    Nothing,
}

#[derive(Clone, Copy)]
enum SidecarFile {
    Gone,
    /// Half of it stands under the name that it is written by.
    Half,
    There,
}

#[derive(Clone, Copy)]
enum Database {
    /// Neither row nor outbox entry; the call goes on.
    CallUp,
    /// Neither row nor outbox entry; the call was not even written.
    NoCall,
    /// Neither row nor outbox entry; the call has ended.
    CallEnded,
    /// A failed row of the same recording, with its event.
    Failed,
    Deleted,
    /// The row and its outbox entry, but no event.
    Unfed,
    Whole,
}

use OutboxKind::{RecordingDeleted, RecordingFailed, RecordingFinished, RecordingRecovered};

const FINISHED: &[OutboxKind] = &[RecordingFinished];
const WHOLE: Expected = Expected::Recovered { lost: 0 };

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("a call without a file", Audio::Gone, Journal::Gone, SidecarFile::Gone, Database::CallUp, Expected::Failed, &[RecordingFailed]),
    row("a torn journal without a file", Audio::Gone, Journal::Nothing, SidecarFile::Gone, Database::CallUp, Expected::Failed, &[RecordingFailed]),
    row("a journal without a file", Audio::Gone, Journal::There, SidecarFile::Gone, Database::CallUp, Expected::Failed, &[RecordingFailed]),
    row("written", Audio::Written(0), Journal::There, SidecarFile::Gone, Database::CallUp, WHOLE, FINISHED),
    row("torn in the middle of a sample, and the journal in a line", Audio::Written(3), Journal::Torn, SidecarFile::Gone, Database::CallUp, Expected::Recovered { lost: 1 }, FINISHED),
    row("written, and the call was not", Audio::Written(0), Journal::There, SidecarFile::Gone, Database::NoCall, WHOLE, FINISHED),
    row("closed, and the call ended", Audio::Written(0), Journal::There, SidecarFile::Gone, Database::CallEnded, WHOLE, FINISHED),
    row("one size set", Audio::HalfSized, Journal::There, SidecarFile::Gone, Database::CallUp, WHOLE, FINISHED),
    row("sizes set, no trailer", Audio::Sized, Journal::There, SidecarFile::Gone, Database::CallUp, WHOLE, FINISHED),
    row("sealed and synced", Audio::Sealed, Journal::There, SidecarFile::Gone, Database::CallEnded, WHOLE, FINISHED),
    row("sealed, and half a sidecar", Audio::Sealed, Journal::There, SidecarFile::Half, Database::CallEnded, WHOLE, FINISHED),
    row("sealed and described", Audio::Sealed, Journal::There, SidecarFile::There, Database::CallEnded, Expected::Complete, FINISHED),
    row("renamed", Audio::Renamed, Journal::There, SidecarFile::There, Database::CallEnded, Expected::Complete, FINISHED),
    row("renamed, without a journal", Audio::Renamed, Journal::Gone, SidecarFile::There, Database::CallEnded, Expected::Complete, FINISHED),
    row("renamed, without a sidecar", Audio::Renamed, Journal::There, SidecarFile::Gone, Database::CallEnded, WHOLE, FINISHED),
    row("described, and the audio is gone", Audio::Gone, Journal::There, SidecarFile::There, Database::CallEnded, Expected::Failed, &[RecordingFailed]),
    row("handed over as failed, then repaired", Audio::Written(0), Journal::There, SidecarFile::Gone, Database::Failed, WHOLE, &[RecordingFailed, RecordingRecovered]),
    row("handed over, the journal still there", Audio::Renamed, Journal::There, SidecarFile::There, Database::Whole, Expected::Complete, FINISHED),
    row("handed over, the file gone", Audio::Gone, Journal::Gone, SidecarFile::Gone, Database::Whole, Expected::Missing, FINISHED),
    row("deleted, the file still there", Audio::Renamed, Journal::Gone, SidecarFile::There, Database::Deleted, Expected::Deleted, &[RecordingFinished, RecordingDeleted]),
    row("finished", Audio::Renamed, Journal::Gone, SidecarFile::There, Database::Whole, Expected::Complete, FINISHED),
    // The last: its event is the newest.
    row("handed over, no event", Audio::Renamed, Journal::There, SidecarFile::There, Database::Unfed, Expected::Complete, FINISHED),
];

#[allow(clippy::too_many_arguments, reason = "the columns of the table")]
const fn row(
    name: &'static str,
    audio: Audio,
    journal: Journal,
    sidecar: SidecarFile,
    database: Database,
    expected: Expected,
    events: &'static [OutboxKind],
) -> Row {
    let crashed = matches!(database, Database::CallUp | Database::NoCall);
    Row { name, audio, journal, sidecar, database, expected, events, crashed }
}

/// Takes a finished recording back to where the row's process died.
pub async fn bring_into(row: &Row, data: &Path, recording: &RecordingRecord) {
    let wav = data.join("recordings").join(&recording.path);
    bring_journal(row.journal, &wav.with_extension("journal"), &recording.sidecar);
    bring_audio(row.audio, &wav, recording);
    bring_sidecar(row.sidecar, &wav.with_extension("json"));
    let options = SqliteConnectOptions::new().filename(data.join("telegraphone.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    for statement in statements(row.database) {
        let query = sqlx::query(*statement).bind(recording.id.to_string()).bind(recording.call.to_string());
        query.execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
}

fn bring_audio(audio: Audio, wav: &Path, recording: &RecordingRecord) {
    let end = DATA_OFFSET + 4 * recording.samples;
    let part = wav.with_extension("part");
    let cut = |length: u64, sizes: &[u64]| {
        fs::rename(wav, &part).unwrap();
        let file = OpenOptions::new().write(true).open(&part).unwrap();
        file.set_len(length).unwrap();
        for at in sizes {
            file.write_all_at(&[0; 4], *at).unwrap();
        }
    };
    match audio {
        Audio::Gone => fs::remove_file(wav).unwrap(),
        Audio::Written(lost) => cut(end - lost, &[4, 40]),
        Audio::HalfSized => cut(end, &[4]),
        Audio::Sized => cut(end, &[]),
        Audio::Sealed => fs::rename(wav, &part).unwrap(),
        Audio::Renamed => {}
    }
}

fn bring_journal(journal: Journal, path: &Path, sidecar: &Sidecar) {
    let line = |line: &JournalLine| serde_json::to_string(line).unwrap() + "\n";
    let whole =
        line(&JournalLine::Draft { draft: Box::new(draft(sidecar)) }) + &line(&JournalLine::Part { part: 0, from: 0 });
    match journal {
        Journal::Gone => {}
        Journal::There => fs::write(path, whole).unwrap(),
        Journal::Torn => fs::write(path, whole + "{\"line\":\"mark").unwrap(),
        Journal::Nothing => fs::write(path, &whole[..whole.len() / 3]).unwrap(),
    }
}

/// The journal's first line as it was.
fn draft(sidecar: &Sidecar) -> Draft {
    let party = |at: usize| (sidecar.parties[at].party.clone(), sidecar.parties[at].codec.clone());
    Draft {
        recording: sidecar.recording,
        call: sidecar.call,
        company: sidecar.company,
        company_name: sidecar.company_name.clone(),
        direction: sidecar.direction,
        number: sidecar.number,
        parties: [party(0), party(1)],
        answered: sidecar.answered,
        started: sidecar.started,
        offset_ms: sidecar.offset_ms,
        part: 0,
        decision: sidecar.decision.clone(),
        channels: sidecar.channels,
    }
}

fn bring_sidecar(sidecar: SidecarFile, path: &Path) {
    match sidecar {
        SidecarFile::There => {}
        SidecarFile::Gone => fs::remove_file(path).unwrap(),
        SidecarFile::Half => {
            let whole = fs::read(path).unwrap();
            fs::write(PathBuf::from(format!("{}.tmp", path.display())), &whole[..whole.len() / 2]).unwrap();
            fs::remove_file(path).unwrap();
        }
    }
}

/// `$1` is the recording, `$2` its call.
const fn statements(database: Database) -> &'static [&'static str] {
    const NO_EVENT: &str = "DELETE FROM feed WHERE subject_id = $1 AND $2 <> ''";
    const NO_ENTRY: &str = "DELETE FROM outbox WHERE subject_id = $1 AND $2 <> ''";
    const NO_ROW: &str = "DELETE FROM recordings WHERE id = $1 AND $2 <> ''";
    // The row and this mark are written in one transaction.
    const UNMARKED: &str = "UPDATE calls SET recorded = FALSE WHERE id = $2 AND $1 <> ''";
    const CALL_UP: &str = "UPDATE calls SET ended = NULL, outcome = 'answered' WHERE id = $2 AND $1 <> ''";
    const NO_CALL: &str = "DELETE FROM calls WHERE id = $2 AND $1 <> ''";
    const FAILED: &str = "UPDATE recordings SET state = 'failed', path = '', samples = 0, bytes = 0, audio_sha256 = '',
        frame_sha256 = '', problem = 'no room' WHERE id = $1 AND $2 <> ''";
    const FAILED_ENTRY: &str = "UPDATE outbox SET kind = 'recording.failed', once = 'recording.failed ' || $1
        WHERE subject_id = $1 AND $2 <> ''";
    const FAILED_EVENT: &str = "UPDATE feed SET kind = 'recording.failed' WHERE subject_id = $1 AND $2 <> ''";
    const DELETED: &str = "UPDATE recordings SET state = 'deleted' WHERE id = $1 AND $2 <> ''";
    const DELETED_ENTRY: &str = "INSERT INTO outbox (at, kind, company_id, call_id, subject, subject_id, told, once)
        SELECT at, 'recording.deleted', company_id, $2, subject, $1, told, 'recording.deleted ' || $1
        FROM outbox WHERE subject_id = $1";
    const UNREAD: &str = "UPDATE outbox_readers
        SET position = (SELECT seq - 1 FROM outbox WHERE subject_id = $1 AND $2 <> '')";
    match database {
        Database::CallUp => &[NO_EVENT, NO_ENTRY, NO_ROW, UNMARKED, CALL_UP],
        Database::NoCall => &[NO_EVENT, NO_ENTRY, NO_ROW, NO_CALL],
        Database::CallEnded => &[NO_EVENT, NO_ENTRY, NO_ROW, UNMARKED],
        Database::Failed => &[FAILED, FAILED_ENTRY, FAILED_EVENT],
        Database::Deleted => &[DELETED, DELETED_ENTRY],
        Database::Unfed => &[NO_EVENT, UNREAD],
        Database::Whole => &[],
    }
}
