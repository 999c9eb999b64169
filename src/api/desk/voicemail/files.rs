//! The files of messages and greetings, below the folder of recordings.

use crate::api::Problem;
use crate::api::desk::Desk;
use crate::base::{BoxId, MessageId, Wall};
use crate::ledger::GreetingKind;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Files that are deleted before the database is told.
const BATCH: u32 = 100;

/// `<company>/messages/<year>/<month>/<day>/<id>.wav`: no names or numbers of people.
pub fn message_path(company: &str, left: Wall, id: MessageId) -> String {
    let date = left.to_string();
    let day = date.get(..10).unwrap_or("undated").replace('-', "/");
    format!("{company}/messages/{day}/{id}.wav")
}

/// `<company>/greetings/<box>-<kind>.wav`
pub fn greeting_path(company: &str, mailbox: BoxId, kind: GreetingKind) -> String {
    format!("{company}/greetings/{mailbox}-{}.wav", kind.as_str())
}

impl Desk {
    /// A copy that outlives a loss of power, before its row is written.
    pub(super) async fn copy_file(&self, from: &str, to: &str) -> Result<(), Problem> {
        let (from, to) = (self.recordings.join(from), self.recordings.join(to));
        self.on_disk(move || copy(&from, &to)).await
    }

    pub(super) async fn write_file(&self, path: &str, content: Vec<u8>) -> Result<(), Problem> {
        let path = self.recordings.join(path);
        self.on_disk(move || write(&path, &content)).await
    }

    async fn on_disk(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Problem> {
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| Problem::Internal)?;
        done.map_err(|error| {
            tracing::error!(%error, "a file of voicemail could not be written");
            match error.kind() {
                io::ErrorKind::NotFound => Problem::NotFound { what: "audio of this" },
                _ => Problem::Internal,
            }
        })
    }

    /// Deletes the files that no row names any more. What cannot be deleted stays doomed: the service
    /// tries again at its next start.
    pub(super) async fn sweep_files(&self) -> Result<(), Problem> {
        sweep(&self.store, &self.recordings).await.map_err(Problem::from)
    }
}

/// The same for whoever has the database and the folder.
pub async fn sweep(store: &crate::store::Store, dir: &Path) -> Result<(), crate::store::StoreError> {
    loop {
        let doomed = store.doomed_files(BATCH).await?;
        if doomed.is_empty() {
            return Ok(());
        }
        let folder: PathBuf = dir.to_owned();
        let paths = doomed.clone();
        let deleting = move || paths.into_iter().filter(|path| is_gone(&folder.join(path))).collect::<Vec<_>>();
        let gone = tokio::task::spawn_blocking(deleting).await;
        let gone = gone.map_err(|error| crate::store::StoreError::Task(error.to_string()))?;
        store.doomed_are_gone(&gone).await?;
        if gone.len() < doomed.len() {
            return Ok(());
        }
    }
}

/// Deletes the file; whether there is none any more.
fn is_gone(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::error!(%error, "a file of voicemail could not be deleted");
            false
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    write(to, &fs::read(from)?)
}

/// Written beside it, synced, and renamed: nobody sees half of it.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("no folder"))?;
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("tmp");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_name_nobody() {
        let at = Wall::from_unix_micros(1_700_000_000_000_000);
        let id = MessageId::new(at, [1; 10]);
        assert_eq!(message_path("acme", at, id), format!("acme/messages/2023/11/14/{id}.wav"));
        assert_eq!(greeting_path("acme", BoxId(7), GreetingKind::Busy), "acme/greetings/7-busy.wav");
    }

    #[test]
    fn what_is_written_is_whole_and_what_is_gone_is_gone_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a/b/c.wav"), folder.path().join("d/e.wav"));
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        copy(&path, &other).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1, "nothing is left beside it");
        assert!(is_gone(&path) && is_gone(&path));
    }
}
