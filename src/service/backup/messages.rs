//! The files of voicemail in a backup.

use super::{BackupError, Line, PAGE, RECORDINGS, Work, copy_file, failed};
use crate::archive::file_digest;
use crate::store::{MessageFile, Store};
use std::fs;
use std::io;

/// Copies every file that a message or a greeting of the copy names.
pub(super) async fn copy_messages(copy: &Store, work: &mut Work) -> Result<(), BackupError> {
    let mut after = None;
    loop {
        let page = copy.all_message_files(after, PAGE).await?;
        after = page.last().map(|file| file.id);
        let more = page.len() == PAGE as usize;
        let greetings = match more {
            true => Vec::new(),
            false => copy.all_greetings().await?,
        };
        let mut moved = std::mem::replace(work, Work::none());
        let copied = tokio::task::spawn_blocking(move || {
            let messages = page.iter().try_for_each(|file| moved.message(file));
            let all = messages.and_then(|()| greetings.iter().try_for_each(|of| moved.greeting(&of.path)));
            (moved, all)
        });
        let (moved, copied) = copied.await.map_err(|error| BackupError::Refused(error.to_string()))?;
        *work = moved;
        copied?;
        if !more {
            return Ok(());
        }
    }
}

impl Work {
    fn message(&mut self, file: &MessageFile) -> Result<(), BackupError> {
        let (path, to) = (format!("{RECORDINGS}/{}", file.path), self.to.join(&file.path));
        let kept = self.known.get(&path).filter(|line| (&line.sha256, line.bytes) == (&file.digest, file.bytes));
        let kept = kept
            .filter(|line| fs::metadata(&to).is_ok_and(|found| found.len() == line.bytes))
            .filter(|line| !self.check || file_digest(&to).is_ok_and(|(sha256, _)| sha256 == line.sha256));
        match kept.cloned() {
            Some(line) => self.lines.push(line),
            None => self.copy_of(&file.path, &format!("message {}", file.id), Some(&file.digest))?,
        }
        self.done.messages += 1;
        Ok(())
    }

    /// Another one may stand there since the last backup: it is copied again.
    fn greeting(&mut self, path: &str) -> Result<(), BackupError> {
        self.copy_of(path, "a greeting", None)
    }

    fn copy_of(&mut self, path: &str, what: &str, digest: Option<&str>) -> Result<(), BackupError> {
        let (from, to) = (self.from.join(path), self.to.join(path));
        match copy_file(&from, &to) {
            Ok((sha256, bytes)) => {
                if digest.is_some_and(|digest| digest != sha256) {
                    self.done.problems.push(format!("{what}: {path} is not what was written"));
                }
                self.done.bytes += bytes;
                self.lines.push(Line { path: format!("{RECORDINGS}/{path}"), bytes, sha256, row: String::new() });
                Ok(())
            }
            // Thrown away in between, or lost: the check of what comes back tells of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.done.problems.push(format!("{what}: {path} is not there"));
                Ok(())
            }
            Err(error) => Err(failed(&from)(error)),
        }
    }
}
