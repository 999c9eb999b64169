//! The files of one replayed call: `.part` while they grow, `.wav` with a `.json` beside when done.

use crate::archive::{Durability, FILE_MODE, FOLDER_MODE, Places, Sealed, finish};
use crate::ledger::Sidecar;
use crate::recording::{Closed, JournalLine, PartFile};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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

    /// Puts the chunks behind the audio of a part, writes the sidecar, and gives it its name. A
    /// replay that is cut short is run again: nothing waits for the disk.
    pub fn finish(&mut self, closed: &Closed, sidecar: &Sidecar) -> io::Result<Finished> {
        let (part, wav, json) =
            (self.path(closed.part, "wav.part"), self.path(closed.part, "wav"), self.path(closed.part, "json"));
        let places = Places { part: &part, wav: &wav, sidecar: &json };
        let Sealed { bytes: _, audio_sha256, frame_sha256: _ } =
            finish(places, sidecar, closed.audio_sha256.clone(), Durability::Unsynced)?;
        Ok(Finished { path: wav, sidecar: json, audio_sha256 })
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

    /// In a capture nobody refuses: the notice was another service's.
    fn discard(&mut self) -> io::Result<()> {
        Ok(())
    }
}
