//! The way back: into an empty folder, and proven.

use super::{BackupError, DATABASE, HEADS, KEY, Line, RECORDINGS, copy_file, failed, read_manifest};
use crate::api::Answer;
use crate::archive::FOLDER_MODE;
use crate::base::{CallId, RecordingId};
use crate::service::config::Config;
use crate::service::keeping;
use crate::store::Store;
use serde::Serialize;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// RFC 3339, UTC: when the backup was begun.
    pub made: String,
    pub files: u64,
    pub bytes: u64,
    pub recordings: u64,
    /// Calls that were up: the first start ends them, and says that they have no recording.
    pub open_calls: Vec<CallId>,
    /// Recordings that are not what was recorded, as the backup said already.
    pub problems: Vec<String>,
}

/// Copies a backup into the data directory of `config`, which has to be empty. What is not what the
/// manifest says stops it, and nothing of it stays.
pub async fn restore(config: &Config, folder: &Path, progress: impl Fn(u64)) -> Result<Restored, BackupError> {
    let (top, lines) = read_manifest(folder)?;
    for dir in [&config.data_dir, &config.recording.dir] {
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            let text = format!("{} is not empty: a backup comes back into a new data directory", dir.display());
            return Err(BackupError::Refused(text));
        }
    }
    let (from, to) = (folder.to_owned(), config.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&from, &to, &lines)).await;
    let copied = copied.map_err(|error| BackupError::Refused(error.to_string()))?;
    let proven = match copied {
        Ok((files, bytes)) => {
            let restored = Restored { made: top.made, files, bytes, open_calls: top.open_calls, ..Restored::default() };
            prove(config, restored, progress).await
        }
        Err(error) => Err(error),
    };
    if proven.is_err() {
        clear(config);
    }
    proven
}

/// Where a file of the manifest belongs.
fn place(config: &Config, line: &Line) -> Result<PathBuf, BackupError> {
    let path = Path::new(&line.path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match line.path.as_str() {
        DATABASE => Ok(config.data_dir.join(DATABASE)),
        KEY => Ok(config.audit.key.clone()),
        HEADS => Ok(config.audit.heads.clone()),
        _ => match path.strip_prefix(RECORDINGS) {
            Ok(below) if plain => Ok(config.recording.dir.join(below)),
            Ok(_) | Err(_) => {
                Err(BackupError::Refused(format!("the manifest names {}, which is none of ours", line.path)))
            }
        },
    }
}

fn copy(folder: &Path, config: &Config, lines: &[Line]) -> Result<(u64, u64), BackupError> {
    for dir in [&config.data_dir, &config.recording.dir] {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(dir).map_err(failed(dir))?;
    }
    let mut bytes = 0;
    for line in lines {
        let (from, to) = (folder.join(&line.path), place(config, line)?);
        // Heads on another machine's disk may know more than the backup: they stay.
        if matches!(line.path.as_str(), KEY | HEADS) && to.exists() {
            continue;
        }
        let (sha256, length) = copy_file(&from, &to).map_err(failed(&from))?;
        if (&sha256, length) != (&line.sha256, line.bytes) {
            return Err(BackupError::Refused(format!(
                "{} is not what the manifest says: the backup was damaged, or interrupted; make it again",
                from.display()
            )));
        }
        bytes += length;
    }
    Ok((lines.len() as u64, bytes))
}

/// The database as such, and every file against its row.
async fn prove(config: &Config, mut restored: Restored, progress: impl Fn(u64)) -> Result<Restored, BackupError> {
    let store = Store::open(&config.data_dir.join(DATABASE)).await?;
    if let Some(problem) = store.integrity().await? {
        return Err(BackupError::Refused(format!("the database is damaged: {problem}")));
    }
    // Their files are in no backup.
    store.forget_exports().await?;
    let mut before: Option<RecordingId> = None;
    loop {
        match keeping::verify(&store, &config.recording.dir, None, before).await {
            Answer::Verified { results, next } => {
                restored.recordings += results.len() as u64;
                progress(restored.recordings);
                let wrong = results.into_iter().filter(|result| !result.problem.is_empty());
                let told = wrong.map(|result| format!("recording {}: {}", result.recording, result.problem));
                restored.problems.extend(told);
                before = next;
            }
            other => return Err(BackupError::Refused(format!("the recordings could not be read: {other:?}"))),
        }
        if before.is_none() {
            break;
        }
    }
    prove_messages(config, &store, &mut restored).await?;
    store.close().await;
    Ok(restored)
}

/// Every file of voicemail against its row.
async fn prove_messages(config: &Config, store: &Store, restored: &mut Restored) -> Result<(), BackupError> {
    let mut after = None;
    loop {
        match keeping::verify_messages(store, &config.recording.dir, after).await {
            Answer::VerifiedMessages { results, next } => {
                let wrong = results.into_iter().filter(|result| !result.problem.is_empty());
                restored.problems.extend(wrong.map(|result| format!("{}: {}", result.what, result.problem)));
                after = next;
            }
            other => return Err(BackupError::Refused(format!("the messages could not be read: {other:?}"))),
        }
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Both were empty before.
fn clear(config: &Config) {
    for dir in [&config.data_dir, &config.recording.dir] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = gone {
                tracing::warn!(%error, path = %path.display(), "what was restored could not be taken away");
            }
        }
    }
}
