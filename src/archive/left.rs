//! What is not at rest: files of recordings that are being written, or that could not be finished.

use crate::base::{CallId, CompanyId, RecordingId};
use crate::ledger::Party;
use crate::recording::repair;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Endings of files that have not come to their final names.
const UNFINISHED: [&str; 3] = ["part", "journal", "tmp"];
/// Digits of an id in a file's name.
const ID: usize = 36;

/// The files of one recording without a final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub call: CallId,
    pub recording: RecordingId,
    /// As its journal says; `None` where that says nothing.
    pub company: Option<CompanyId>,
    /// Everybody whom its journal names.
    pub parties: Vec<Party>,
    /// All of them, sidecar and digest included; below the folder of the recordings.
    pub files: Vec<PathBuf>,
}

impl Left {
    /// All in the folder and below.
    pub fn all(dir: &Path) -> io::Result<Vec<Self>> {
        let mut found: BTreeMap<(CallId, RecordingId), Left> = BTreeMap::new();
        walk(dir, &mut |path| {
            let Some(id) = ids(path) else { return };
            let left = found.entry(id).or_insert_with(|| Left {
                call: id.0,
                recording: id.1,
                company: None,
                parties: Vec::new(),
                files: Vec::new(),
            });
            if path.extension().is_some_and(|ending| ending == "journal") {
                left.read(path);
            }
            left.files.push(path.strip_prefix(dir).unwrap_or(path).to_owned());
            // A sidecar is written before the last step.
            let sidecar = path.with_extension("json");
            if !path.with_extension("wav").exists() && sidecar.exists() {
                left.files.push(sidecar.strip_prefix(dir).unwrap_or(&sidecar).to_owned());
            }
        })?;
        let mut all: Vec<Left> = found.into_values().collect();
        for left in &mut all {
            left.files.sort_unstable();
            left.files.dedup();
        }
        Ok(all)
    }

    fn read(&mut self, journal: &Path) {
        let Ok(text) = fs::read(journal) else { return };
        let repaired = repair(0, &String::from_utf8_lossy(&text));
        let joined = repaired.joined.into_iter().flat_map(|joined| [joined.party, joined.instead_of]);
        self.parties.extend(joined);
        if let Some(draft) = repaired.draft {
            self.company = Some(draft.company);
            self.parties.extend(draft.parties.map(|(party, _)| party));
        }
    }

    /// Takes its files away; what is not there is no error.
    ///
    /// # Errors
    /// The first of those that stay; the others are gone all the same. The journal goes last: while
    /// something of it stays, the next start finds it.
    pub fn remove(&self, dir: &Path) -> io::Result<()> {
        let is_journal = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "journal");
        let mut gone = Ok(());
        for file in self.files.iter().filter(|file| !is_journal(file)) {
            gone = gone.and(remove(&dir.join(file)));
        }
        gone?;
        self.files.iter().filter(is_journal).try_for_each(|file| remove(&dir.join(file)))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// `<call>-<recording>` of the name of an unfinished file.
fn ids(path: &Path) -> Option<(CallId, RecordingId)> {
    let ending = path.extension()?.to_str()?;
    let stem = path.file_stem()?.to_str().filter(|_| UNFINISHED.contains(&ending))?;
    let recording = stem.get(ID..)?.strip_prefix('-')?;
    // Of a sidecar that is being written another ending stands between.
    let recording = recording.get(..ID)?;
    Some((CallId::parse(stem.get(..ID)?)?, RecordingId::parse(recording)?))
}

fn walk(dir: &Path, look: &mut impl FnMut(&Path)) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => walk(&entry.path(), look)?,
            false => look(&entry.path()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const ONE: &str = "01890a5d-ac96-774b-bcce-b302099a8058";
    const OTHER: &str = "01890a5d-ac96-774b-bcce-b302099a8059";

    #[test]
    fn what_has_no_final_name_is_found_with_all_of_it_and_what_is_at_rest_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("a/2026/11/27");
        fs::create_dir_all(&day).unwrap();
        for (name, text) in [
            (format!("{CALL}-{ONE}.part"), ""),
            (format!("{CALL}-{ONE}.journal"), "{\"line\":\"torn"),
            (format!("{CALL}-{ONE}.json"), "{}"),
            (format!("{CALL}-{OTHER}.wav"), ""),
            (format!("{CALL}-{OTHER}.json"), "{}"),
            ("notes.part".to_owned(), ""),
        ] {
            fs::write(day.join(name), text).unwrap();
        }
        let all = Left::all(folder.path()).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        let left = &all[0];
        assert_eq!((left.call.to_string(), left.recording.to_string()), (CALL.to_owned(), ONE.to_owned()));
        let names: Vec<_> = left.files.iter().map(|file| file.extension().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["journal", "json", "part"]);
        left.remove(folder.path()).unwrap();
        left.remove(folder.path()).unwrap();
        assert_eq!(fs::read_dir(&day).unwrap().count(), 3, "the rest stays");
    }
}
