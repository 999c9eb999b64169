//! A copy of everything, and its way back.
//!
//! ```text
//! FOLDER/telegraphone.db        one moment of the database
//!        recordings/…           every file that a row of it names, .wav and .json
//!        audit-key.p8, audit-heads.jsonl
//!        manifest.jsonl         what is there, with digests; written last
//! ```
//! The heads come first, then the database, then the files: what is recorded in between is not in the copy, and what is
//! deleted in between is marked as deleted in the copy too. A second backup into the same folder copies
//! only what is new.

mod restore;

pub use restore::{Restored, restore};

use super::config::Config;
use crate::archive::{FILE_MODE, FOLDER_MODE, Rest, file_digest, problems};
use crate::base::{CallId, CompanyId, RecordingId, Wall};
use crate::ledger::{RecordingRecord, RecordingState};
use crate::store::{Access, Deletion, Greeting, RecordingFilter, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const DATABASE: &str = "telegraphone.db";
const RECORDINGS: &str = "recordings";
const MANIFEST: &str = "manifest.jsonl";
/// Says that a folder is ours before its first manifest is written.
const MARK: &str = "telegraphone-backup";
const KEY: &str = "audit-key.p8";
const HEADS: &str = "audit-heads.jsonl";
const VERSION: u32 = 1;
/// Recordings that are read at a time.
const PAGE: u32 = 200;

/// Why there is no backup, or none comes back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Refused(String),
}

/// The first line of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Top {
    telegraphone_backup: u32,
    /// RFC 3339, UTC: when it was begun.
    made: String,
    service: String,
    /// So many lines follow.
    files: u64,
    /// Calls that were up: their recordings are not in it.
    open_calls: Vec<CallId>,
}

/// Each further line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Below the folder.
    path: String,
    bytes: u64,
    sha256: String,
    /// Of a `.wav`: the digests of its row, which say what it has to be.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    row: String,
}

/// What a backup did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// Recordings that have their files in it.
    pub recordings: u64,
    /// Voicemail messages and greetings that have theirs.
    pub messages: u64,
    /// Of them those that were copied now; the others were there.
    pub copied: u64,
    /// Bytes that were copied now.
    pub bytes: u64,
    /// Files of a backup before that are of no row any more.
    pub removed: u64,
    /// Deleted while the backup was made.
    pub deleted_meanwhile: u64,
    pub open_calls: Vec<CallId>,
    /// Recordings whose files are not what their rows say, here or in the service.
    pub problems: Vec<String>,
}

/// Copies everything to `folder`. `check`: files that are there are read again, not only looked at.
pub async fn backup(
    config: &Config,
    folder: &Path,
    check: bool,
    now: Wall,
    progress: impl Fn(u64),
) -> Result<BackedUp, BackupError> {
    let database = config.data_dir.join(DATABASE);
    if !database.exists() {
        return Err(BackupError::Refused(format!("{} is not there: nothing to back up", database.display())));
    }
    claim(folder)?;
    let live = Store::open(&database).await?;
    note(&live, folder, now).await?;
    // Before the database: a head that is written in between must not know more than the copy does.
    let heads = copy_heads(folder, config)?;
    let draft = folder.join("telegraphone.db.new");
    remove_database(&draft)?;
    live.copy_to(&draft).await?;
    let copy = Store::open(&draft).await?;
    let mut work = Work {
        from: config.recording.dir.clone(),
        to: folder.join(RECORDINGS),
        known: known(folder),
        lines: heads,
        done: BackedUp::default(),
        check,
    };
    work.done.open_calls = copy.open_calls().await?.iter().map(|call| call.id).collect();
    copy_recordings(&live, &copy, &mut work, progress).await?;
    copy_voicemail(&copy, &mut work).await?;
    copy.settle().await?;
    copy.close().await;
    live.close().await;
    let Work { lines, done, .. } = work;
    let (folder, mut done) = (folder.to_owned(), done);
    let finished = tokio::task::spawn_blocking(move || {
        done.removed = prune(&folder, &lines)?;
        finish(&folder, lines, &done.open_calls, now)?;
        Ok(done)
    });
    finished.await.map_err(|error| BackupError::Refused(error.to_string()))?
}

/// Whoever has a backup has everything: that it was made is in the access log, of no one company.
async fn note(live: &Store, folder: &Path, now: Wall) -> Result<(), StoreError> {
    let access = Access {
        at: now,
        company: CompanyId(0),
        user: None,
        who: "operator".to_owned(),
        source: "command line".to_owned(),
        action: "backup.make".to_owned(),
        thing: folder.display().to_string(),
    };
    live.log_access(&access).await.map(drop)
}

/// The heads of the access log and their key, where there are any.
fn copy_heads(folder: &Path, config: &Config) -> Result<Vec<Line>, BackupError> {
    let mut lines = Vec::new();
    for (from, name) in [(&config.audit.key, KEY), (&config.audit.heads, HEADS)] {
        match copy_file(from, &folder.join(name)) {
            Ok((sha256, bytes)) => lines.push(Line { path: name.to_owned(), bytes, sha256, row: String::new() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(from)(error)),
        }
    }
    Ok(lines)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError {
    |error| BackupError::File { path: path.to_owned(), error }
}

/// A folder that is new, empty, or a backup of before.
fn claim(folder: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed(folder))?;
    let mark = folder.join(MARK);
    let mut entries = fs::read_dir(folder).map_err(failed(folder))?;
    if entries.next().is_some() && !mark.exists() {
        let text = format!("{} has other files in it: name a new folder, or one of a backup", folder.display());
        return Err(BackupError::Refused(text));
    }
    write_file(&mark, b"A backup of Telegraphone: telegraphone restore FOLDER --data DIR\n").map_err(failed(&mark))
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove_database(path: &Path) -> Result<(), BackupError> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let path = PathBuf::from(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The files of a backup before, by path; none where there is no manifest that can be read.
fn known(folder: &Path) -> HashMap<String, Line> {
    let read = read_manifest(folder).map(|(_, lines)| lines).unwrap_or_default();
    read.into_iter().map(|line| (line.path.clone(), line)).collect()
}

fn read_manifest(folder: &Path) -> Result<(Top, Vec<Line>), BackupError> {
    let path = folder.join(MANIFEST);
    let unreadable = |error: serde_json::Error| failed(&path)(error.into());
    let mut lines = BufReader::new(File::open(&path).map_err(failed(&path))?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new())).map_err(failed(&path))?;
    let top: Top = serde_json::from_str(&first).map_err(unreadable)?;
    if top.telegraphone_backup != VERSION {
        let text = format!("{} is of another version: {}", path.display(), top.telegraphone_backup);
        return Err(BackupError::Refused(text));
    }
    let read = |line: io::Result<String>| serde_json::from_str(&line.map_err(failed(&path))?).map_err(unreadable);
    let lines: Vec<Line> = lines.map(read).collect::<Result<_, _>>()?;
    match lines.len() as u64 == top.files {
        true => Ok((top, lines)),
        false => {
            let text = format!("{} says {} files and names {}", path.display(), top.files, lines.len());
            Err(BackupError::Refused(text))
        }
    }
}

/// One run; moved to where files may be waited for, and back.
struct Work {
    from: PathBuf,
    to: PathBuf,
    known: HashMap<String, Line>,
    lines: Vec<Line>,
    done: BackedUp,
    check: bool,
}

async fn copy_recordings(
    live: &Store,
    copy: &Store,
    work: &mut Work,
    progress: impl Fn(u64),
) -> Result<(), BackupError> {
    let mut filter = RecordingFilter::default();
    loop {
        let page = copy.recordings(&filter, PAGE).await?;
        filter.before = page.last().map(|row| row.id);
        let more = page.len() == PAGE as usize;
        let mut moved = std::mem::replace(work, Work::none());
        let copied = tokio::task::spawn_blocking(move || {
            let missing = page.iter().map(|row| moved.recording(row)).collect::<Result<Vec<_>, _>>();
            (moved, missing)
        });
        let (moved, missing) = copied.await.map_err(|error| BackupError::Refused(error.to_string()))?;
        *work = moved;
        for id in missing?.into_iter().flatten() {
            reconcile(live, copy, id, &mut work.done).await?;
        }
        progress(work.done.recordings);
        if !more {
            return Ok(());
        }
    }
}

/// Files of messages and greetings. One that has gone in between is told: the copy names it.
async fn copy_voicemail(copy: &Store, work: &mut Work) -> Result<(), BackupError> {
    let mut after = None;
    loop {
        let page = copy.all_message_files(after, PAGE).await?;
        after = page.last().map(|file| file.id);
        let more = page.len() == PAGE as usize;
        let files = page.into_iter().map(|file| (format!("message {}", file.id), file.path, file.digest)).collect();
        copy_plain(work, files).await?;
        if !more {
            break;
        }
    }
    let greetings = copy.all_greetings().await?.into_iter();
    let name = |greeting: &Greeting| format!("greeting {} of voicemail {}", greeting.kind.as_str(), greeting.mailbox);
    copy_plain(work, greetings.map(|one| (name(&one), one.path, String::new())).collect()).await
}

/// Files that are whole by themselves: what each is, where it is, and the digest of its row.
async fn copy_plain(work: &mut Work, files: Vec<(String, String, String)>) -> Result<(), BackupError> {
    let mut moved = std::mem::replace(work, Work::none());
    let copied = tokio::task::spawn_blocking(move || {
        let done = files.iter().try_for_each(|(what, path, digest)| moved.plain(what, path, digest));
        (moved, done)
    });
    let (moved, done) = copied.await.map_err(|error| BackupError::Refused(error.to_string()))?;
    *work = moved;
    done
}

/// The copy names a file that is not there any more.
async fn reconcile(live: &Store, copy: &Store, id: RecordingId, done: &mut BackedUp) -> Result<(), BackupError> {
    let gone = match live.recording(id).await? {
        Some(row) if row.state == RecordingState::Deleted => live.gone(id).await?,
        Some(_) | None => None,
    };
    if let Some(gone) = gone
        && matches!(copy.delete_recording(id, &gone).await?, Deletion::Done(_))
    {
        copy.files_are_gone(&[id]).await?;
        done.deleted_meanwhile += 1;
        return Ok(());
    }
    copy.mark_missing(id).await?;
    done.problems.push(format!("recording {id}: the file is not there; the copy says so"));
    Ok(())
}

impl Work {
    fn none() -> Self {
        let (from, to, known, lines) = Default::default();
        Work { from, to, known, lines, done: BackedUp::default(), check: false }
    }

    /// Copies what is not there yet; the id, where the service has no file.
    fn recording(&mut self, row: &RecordingRecord) -> Result<Option<RecordingId>, BackupError> {
        match row.state {
            RecordingState::Complete | RecordingState::Incomplete | RecordingState::Recovered => {}
            RecordingState::Failed | RecordingState::Deleted | RecordingState::Missing => return Ok(None),
        }
        if row.path.is_empty() {
            return Ok(None);
        }
        let (from, to) = (Rest::of(&self.from, &row.path), Rest::of(&self.to, &row.path));
        let digests = format!("{} {}", row.audio_sha256, row.frame_sha256);
        let wav = format!("{RECORDINGS}/{}", row.path);
        let kept = self.known.get(&wav).filter(|line| line.row == digests && line.bytes == row.bytes).cloned();
        let there = |line: &Line| fs::metadata(&to.wav).is_ok_and(|file| file.len() == line.bytes);
        let kept = kept
            .filter(there)
            .filter(|line| !self.check || file_digest(&to.wav).is_ok_and(|(sha256, _)| sha256 == line.sha256));
        let line = match kept {
            Some(line) => line,
            None => match copy_file(&from.wav, &to.wav) {
                Ok((sha256, bytes)) => {
                    self.done.copied += 1;
                    self.done.bytes += bytes;
                    Line { path: wav, bytes, sha256, row: digests }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(row.id)),
                Err(error) => return Err(failed(&from.wav)(error)),
            },
        };
        match copy_file(&from.sidecar, &to.sidecar) {
            Ok((sha256, bytes)) => {
                let path = Path::new(&line.path).with_extension("json").display().to_string();
                self.lines.push(Line { path, bytes, sha256, row: String::new() });
            }
            // Deleted in between, or lost.
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.kept_sidecar(&line, &to) {
                Some(kept) => self.lines.push(kept),
                None if !from.wav.exists() => return Ok(Some(row.id)),
                // What is wrong with it is told below.
                None => {}
            },
            Err(error) => return Err(failed(&from.sidecar)(error)),
        }
        if self.known.get(&line.path) != Some(&line) || self.check {
            let found = problems(&self.to, row).into_iter().map(|problem| format!("recording {}: {problem}", row.id));
            self.done.problems.extend(found);
        }
        self.lines.push(line);
        self.done.recordings += 1;
        Ok(None)
    }

    /// Copies a file that is not there yet. `digest`: SHA-256 that it has to have; empty: it is not known.
    fn plain(&mut self, what: &str, path: &str, digest: &str) -> Result<(), BackupError> {
        let (from, to) = (self.from.join(path), self.to.join(path));
        let name = format!("{RECORDINGS}/{path}");
        let same = |line: &&Line| {
            let there = fs::metadata(&to).is_ok_and(|file| file.len() == line.bytes);
            let read = || file_digest(&to).is_ok_and(|(sha256, _)| sha256 == line.sha256);
            !digest.is_empty() && line.sha256 == digest && there && (!self.check || read())
        };
        let line = match self.known.get(&name).filter(same).cloned() {
            Some(line) => line,
            None => match copy_file(&from, &to) {
                Ok((sha256, bytes)) => {
                    self.done.bytes += bytes;
                    Line { path: name, bytes, sha256, row: String::new() }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.done.problems.push(format!("{what}: the file is not there"));
                    return Ok(());
                }
                Err(error) => return Err(failed(&from)(error)),
            },
        };
        if !digest.is_empty() && line.sha256 != digest {
            self.done.problems.push(format!("{what}: the file is not what was left"));
        }
        self.lines.push(line);
        self.done.messages += 1;
        Ok(())
    }

    fn kept_sidecar(&self, wav: &Line, to: &Rest) -> Option<Line> {
        let path = Path::new(&wav.path).with_extension("json").display().to_string();
        self.known.get(&path).filter(|_| to.sidecar.exists()).cloned()
    }
}

/// Copies a file under a draft's name first; its digest and size.
fn copy_file(from: &Path, to: &Path) -> io::Result<(String, u64)> {
    let mut source = File::open(from)?;
    if let Some(folder) = to.parent() {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    }
    let mut draft = to.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&draft)?;
    io::copy(&mut source, &mut file)?;
    file.sync_all()?;
    drop(file);
    // Read back: what is promised is what arrived.
    let digest = file_digest(&draft)?;
    fs::rename(draft, to)?;
    Ok(digest)
}

/// Takes away files that no row names: deleted, expired, erased recordings are in no backup either.
fn prune(folder: &Path, lines: &[Line]) -> Result<u64, BackupError> {
    let named: std::collections::HashSet<&str> = lines.iter().map(|line| line.path.as_str()).collect();
    let mut removed = 0;
    let mut folders = vec![folder.join(RECORDINGS)];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.map_err(failed(&next))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if !named.contains(below.as_str()) {
                fs::remove_file(&path).map_err(failed(&path))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// The database under its name, and the manifest, which makes it a backup.
fn finish(folder: &Path, mut lines: Vec<Line>, open_calls: &[CallId], now: Wall) -> Result<(), BackupError> {
    let database = folder.join(DATABASE);
    remove_database(&database)?;
    fs::rename(folder.join("telegraphone.db.new"), &database).map_err(failed(&database))?;
    let (sha256, bytes) = file_digest(&database).map_err(failed(&database))?;
    lines.push(Line { path: DATABASE.to_owned(), bytes, sha256, row: String::new() });
    let top = Top {
        telegraphone_backup: VERSION,
        made: now.to_string(),
        service: env!("CARGO_PKG_VERSION").to_owned(),
        files: lines.len() as u64,
        open_calls: open_calls.to_vec(),
    };
    let draft = folder.join("manifest.jsonl.new");
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&draft);
    let write = |file: File| -> io::Result<()> {
        let mut file = BufWriter::new(file);
        writeln!(file, "{}", serde_json::to_string(&top)?)?;
        for line in &lines {
            writeln!(file, "{}", serde_json::to_string(line)?)?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    written.and_then(write).map_err(failed(&draft))?;
    let manifest = folder.join(MANIFEST);
    fs::rename(&draft, &manifest).map_err(failed(&manifest))
}
