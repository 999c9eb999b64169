//! The files of a recording at rest: which they are, whether they are what was recorded, and how they go.

use super::{Peaks, audio_digest, frame_digest};
use crate::ledger::{RecordingRecord, RecordingState, Sidecar};
use crate::recording::offset_of;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The audio, what is known of it, and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    pub wav: PathBuf,
    pub sidecar: PathBuf,
    pub peaks: PathBuf,
}

impl Rest {
    /// `path` as the row has it, below the folder of the recordings.
    pub fn of(dir: &Path, path: &str) -> Self {
        let wav = dir.join(path);
        Rest { sidecar: wav.with_extension("json"), peaks: wav.with_extension("peaks"), wav }
    }

    pub fn all(&self) -> [&Path; 3] {
        [&self.wav, &self.sidecar, &self.peaks]
    }

    /// Takes all of them away; what is not there is no error.
    ///
    /// # Errors
    /// The first of those that stay; the others are gone all the same.
    pub fn remove(&self) -> io::Result<()> {
        let mut gone = Ok(());
        for path in self.all() {
            gone = gone.and(match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
                }
                Ok(()) | Err(_) => Ok(()),
            });
        }
        gone
    }
}

/// Everything that is wrong with the files of a recording, by its row. Reads all of them.
pub fn problems(dir: &Path, row: &RecordingRecord) -> Vec<String> {
    if row.path.is_empty() {
        return Vec::new();
    }
    let rest = Rest::of(dir, &row.path);
    match row.state {
        RecordingState::Complete | RecordingState::Incomplete | RecordingState::Recovered => whole(&rest, row),
        RecordingState::Missing => match rest.wav.exists() {
            true => vec!["the row says that the file is missing, and it is there".to_owned()],
            false => vec!["the file is not there".to_owned()],
        },
        RecordingState::Deleted => {
            let left = rest.all().into_iter().filter(|path| path.exists());
            left.map(|path| format!("it was deleted, and {} is there", path.display())).collect()
        }
        RecordingState::Failed => Vec::new(),
    }
}

fn whole(rest: &Rest, row: &RecordingRecord) -> Vec<String> {
    let mut problems = audio(rest, row).unwrap_or_else(|error| vec![format!("the audio cannot be read: {error}")]);
    problems.extend(sidecar(rest, row));
    problems.extend(match Peaks::read(&rest.peaks, &row.audio_sha256) {
        Ok(Some(kept)) => peaks(rest, row, &kept),
        // Made when somebody asks for them.
        Ok(None) => None,
        Err(error) => Some(format!("the peaks cannot be read: {error}")),
    });
    problems
}

fn audio(rest: &Rest, row: &RecordingRecord) -> io::Result<Vec<String>> {
    let file = File::open(&rest.wav)?;
    let data_end = offset_of(row.samples, row.sidecar.channels);
    let mut problems = Vec::new();
    let bytes = file.metadata()?.len();
    if bytes != row.bytes {
        problems.push(format!("the file has {bytes} bytes, the row says {}", row.bytes));
    }
    if audio_digest(&file, data_end)? != row.audio_sha256 {
        problems.push("the audio is not what was recorded".to_owned());
    }
    if frame_digest(&file, data_end)? != row.frame_sha256 {
        problems.push("header or markers are not what was written".to_owned());
    }
    Ok(problems)
}

fn sidecar(rest: &Rest, row: &RecordingRecord) -> Option<String> {
    let read = fs::read(&rest.sidecar).and_then(|bytes| Ok(serde_json::from_slice::<Sidecar>(&bytes)?));
    match read {
        Ok(sidecar) if sidecar == row.sidecar => None,
        Ok(_) => Some("the sidecar is not what the row says".to_owned()),
        Err(error) => Some(format!("the sidecar cannot be read: {error}")),
    }
}

fn peaks(rest: &Rest, row: &RecordingRecord, kept: &Peaks) -> Option<String> {
    let made = File::open(&rest.wav).and_then(|file| Peaks::of(file, row.rate, row.samples, row.sidecar.channels));
    match made {
        Ok(made) if made == *kept => None,
        Ok(_) => Some("the peaks are not those of the audio".to_owned()),
        // Told of the audio already.
        Err(_) => None,
    }
}
