//! The bytes of recordings at rest: how a `.part` becomes a final file, and what proves it whole.
//!
//! ```text
//! .part ─ sizes, trailer ─► sync ─ sidecar ─► rename ─► sync of the folder ─► Sealed ─► its row
//! ```
//! One way for the service, the repair after a crash and the replay. [`Rest`] are the files of one
//! recording afterwards, [`Left`] those of one that has not come so far, [`Peaks`] its shape, [`Bundle`]
//! many of them in one. What one party alone said ([`finish_sound`]) has no sidecar: its row says all.

mod bundle;
mod left;
mod peaks;
mod rest;
mod sound;

pub use bundle::{Bundle, file_digest};
pub use left::Left;
pub use peaks::Peaks;
pub use rest::{Rest, problems};
pub use sound::{LoadError, Spoken, finish_sound, join_sounds, load_part, load_sound, shape_of};

use crate::audio::wav::DATA_OFFSET;
use crate::ledger::{Channels, RecordingRecord, Sidecar};
use crate::recording::{Dress, dress, offset_of, seal};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Recordings are nobody else's business.
pub const FILE_MODE: u32 = 0o600;
/// Nor are their folders.
pub const FOLDER_MODE: u32 = 0o700;
/// Bytes read at once where a digest is made.
const BLOCK: usize = 64 * 1_024;

/// Where a recording is on its way to its final name.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    pub part: &'a Path,
    pub wav: &'a Path,
    pub sidecar: &'a Path,
}

/// Whether each step is on the disk before the next is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// What a crash leaves can be repaired.
    Synced,
    /// The system writes when it likes: of what can be made again.
    Unsynced,
}

/// What a final file is known by; of a recording without a file, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    pub bytes: u64,
    /// SHA-256 of the content of the `data` chunk, hex.
    pub audio_sha256: String,
    /// SHA-256 of everything before and after it, hex.
    pub frame_sha256: String,
}

impl Sealed {
    /// A final file as it lies there, whose audio has `samples` per channel.
    pub fn of(file: &File, samples: u64, channels: Channels) -> io::Result<Self> {
        let end = offset_of(samples, channels);
        let (audio_sha256, frame_sha256) = (audio_digest(file, end)?, frame_digest(file, end)?);
        Ok(Sealed { bytes: file.metadata()?.len(), audio_sha256, frame_sha256 })
    }

    /// The row of the recording that the sidecar describes, at `path` below the recordings folder.
    pub fn row(self, sidecar: Sidecar, path: String) -> RecordingRecord {
        let Sealed { bytes, audio_sha256, frame_sha256 } = self;
        RecordingRecord {
            id: sidecar.recording,
            call: sidecar.call,
            company: sidecar.company,
            state: sidecar.state,
            path,
            started: sidecar.started,
            samples: sidecar.samples,
            rate: sidecar.rate,
            bytes,
            audio_sha256,
            frame_sha256,
            problem: sidecar.problem.clone(),
            sidecar,
        }
    }
}

/// Makes a `.part` final: sizes, trailer, sync, sidecar, rename. `audio_sha256` is the running
/// digest of the audio, `None` to read it again. Can be done again after any interruption.
///
/// # Errors
/// When the file is not there, or the disk does not take what is to be written.
pub fn finish(
    places: Places<'_>,
    sidecar: &Sidecar,
    audio_sha256: Option<String>,
    durability: Durability,
) -> io::Result<Sealed> {
    let from = if places.part.exists() { places.part } else { places.wav };
    let file = OpenOptions::new().read(true).write(true).open(from)?;
    let bytes = complete(&file, sidecar.samples, sidecar.channels, &dress(sidecar))?;
    let end = offset_of(sidecar.samples, sidecar.channels);
    let audio_sha256 = match audio_sha256 {
        Some(digest) => digest,
        None => audio_digest(&file, end)?,
    };
    let frame_sha256 = frame_digest(&file, end)?;
    durability.sync(&file)?;
    write_sidecar(places.sidecar, sidecar, durability)?;
    settle(from, places.wav, durability)?;
    Ok(Sealed { bytes, audio_sha256, frame_sha256 })
}

/// Sizes, and what stands behind the audio of a file; returns its length in bytes.
fn complete(file: &File, samples: u64, channels: Channels, dressed: &Dress) -> io::Result<u64> {
    let seal = seal(samples, channels, &dressed.cues, &dressed.info);
    let end = offset_of(samples, channels);
    // The sizes come first, that of the audio before that of the whole: a crash right after
    // leaves a header that says where the audio ends.
    for (offset, bytes) in seal.sizes.into_iter().rev() {
        file.write_all_at(&bytes, offset)?;
    }
    file.set_len(end)?;
    file.write_all_at(&seal.trailer, end)?;
    Ok(end + seal.trailer.len() as u64)
}

/// Gives a file its final name; what had it before is gone at once.
fn settle(from: &Path, to: &Path, durability: Durability) -> io::Result<()> {
    if from != to {
        fs::rename(from, to)?;
    }
    if let (Durability::Synced, Some(folder)) = (durability, to.parent()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

impl Durability {
    fn sync(self, file: &File) -> io::Result<()> {
        match self {
            Durability::Synced => file.sync_all(),
            Durability::Unsynced => Ok(()),
        }
    }
}

/// SHA-256 of the content of the `data` chunk, which ends at `data_end`; hex.
pub fn audio_digest(file: &File, data_end: u64) -> io::Result<String> {
    digest_of(file, DATA_OFFSET, data_end, Sha256::new()).map(|digest| hex::encode(digest.finalize()))
}

/// SHA-256 of everything before and after it, hex.
pub fn frame_digest(file: &File, data_end: u64) -> io::Result<String> {
    let head = digest_of(file, 0, DATA_OFFSET, Sha256::new())?;
    let whole = digest_of(file, data_end, u64::MAX, head)?;
    Ok(hex::encode(whole.finalize()))
}

fn digest_of(mut file: &File, from: u64, to: u64, mut digest: Sha256) -> io::Result<Sha256> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = file.take(to - from);
    let mut block = vec![0; BLOCK];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(digest),
            read => digest.update(block.get(..read).unwrap_or(&[])),
        }
    }
}

fn write_sidecar(path: &Path, sidecar: &Sidecar, durability: Durability) -> io::Result<()> {
    let mut draft = path.to_owned().into_os_string();
    draft.push(".tmp");
    let draft = PathBuf::from(draft);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&draft)?;
    let mut text = serde_json::to_vec_pretty(sidecar)?;
    text.push(b'\n');
    file.write_all(&text)?;
    durability.sync(&file)?;
    fs::rename(draft, path)
}
