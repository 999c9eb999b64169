//! The files of one replayed call: `.part` while they grow, `.wav` with a `.json` beside when done.

use crate::audio::wav::{Cue, DATA_OFFSET};
use crate::ledger::Sidecar;
use crate::recording::{Closed, Dress, JournalLine, PartFile, offset_of, seal};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Recordings are nobody else's business.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Bytes read at once where the digest has to be made anew.
const BLOCK: usize = 64 * 1024;

/// Where the parts of a call's recording go.
#[derive(Debug)]
pub struct DiskFile {
    folder: PathBuf,
    /// File name without ending.
    stem: String,
    current: Option<File>,
}

/// A finished part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub path: PathBuf,
    pub sidecar: PathBuf,
    pub audio_sha256: String,
}

impl DiskFile {
    pub fn new(folder: &Path, stem: String) -> Self {
        DiskFile { folder: folder.to_owned(), stem, current: None }
    }

    fn path(&self, part: u32, ending: &str) -> PathBuf {
        let number = if part == 0 { String::new() } else { format!("-part{}", u64::from(part) + 1) };
        self.folder.join(format!("{}{number}.{ending}", self.stem))
    }

    fn current(&self) -> io::Result<&File> {
        self.current.as_ref().ok_or_else(|| io::Error::other("no part was begun"))
    }

    /// Puts the chunks behind the audio of a part, gives it its name, and writes the sidecar.
    pub fn finish(&mut self, closed: &Closed, dress: &Dress, sidecar: &Sidecar) -> io::Result<Finished> {
        let (part, wav, json) =
            (self.path(closed.part, "wav.part"), self.path(closed.part, "wav"), self.path(closed.part, "json"));
        let mut file = OpenOptions::new().read(true).write(true).open(&part)?;
        let Dress { cues, info } = dress;
        complete(&file, closed.samples, cues, info)?;
        let audio_sha256 = match &closed.audio_sha256 {
            Some(digest) => digest.clone(),
            None => digest(&mut file, closed.samples)?,
        };
        let text = serde_json::to_vec_pretty(sidecar).map_err(io::Error::other)?;
        OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&json)?.write_all(&text)?;
        fs::rename(&part, &wav)?;
        Ok(Finished { path: wav, sidecar: json, audio_sha256 })
    }
}

fn complete(file: &File, samples: u64, cues: &[Cue], info: &[([u8; 4], String)]) -> io::Result<()> {
    let seal = seal(samples, cues, info);
    let end = offset_of(samples);
    file.set_len(end)?;
    file.write_all_at(&seal.trailer, end)?;
    for (offset, bytes) in seal.sizes {
        file.write_all_at(&bytes, offset)?;
    }
    Ok(())
}

fn digest(file: &mut File, samples: u64) -> io::Result<String> {
    let mut sha = Sha256::new();
    file.seek(SeekFrom::Start(DATA_OFFSET))?;
    let mut left = file.take(offset_of(samples) - DATA_OFFSET);
    let mut block = vec![0; BLOCK];
    loop {
        let read = left.read(&mut block)?;
        if read == 0 {
            return Ok(hex::encode(sha.finalize()));
        }
        sha.update(block.get(..read).unwrap_or(&[]));
    }
}

/// The folder for the files, made where it is not there.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
}

impl PartFile for DiskFile {
    fn create(&mut self, part: u32) -> io::Result<()> {
        let path = self.path(part, "wav.part");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(FILE_MODE).open(path);
        self.current = Some(options?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.current()?.write_all_at(bytes, offset)
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.current()?.read_exact_at(bytes, offset)
    }

    /// A replay that is cut short is run again: nothing has to be repaired.
    fn journal(&mut self, _line: &JournalLine) -> io::Result<()> {
        Ok(())
    }
}
