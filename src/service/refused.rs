//! What an outside party does not want recorded is taken away.

use super::recorder::Paths;
use crate::recording::JournalLine;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Takes away what was written of a part. Its journal says first what is to be done, for a process
/// that dies in between, and stays while something else does: the next start tries again.
pub fn discard(paths: &Paths) -> io::Result<()> {
    // A full disk takes no line; the files go all the same.
    let noted = note_refused(&paths.journal());
    let mut gone = Ok(());
    for path in [paths.part(), paths.wav(), paths.sidecar()] {
        gone = gone.and(remove(&path));
    }
    match (&gone, noted) {
        (Ok(()), _) => remove(&paths.journal()),
        (Err(_), Ok(())) => gone,
        // By now there may be room.
        (Err(_), Err(_)) => note_refused(&paths.journal()).and(gone),
    }
}

fn note_refused(journal: &Path) -> io::Result<()> {
    // The line before it may be torn.
    let mut text = b"\n".to_vec();
    serde_json::to_writer(&mut text, &JournalLine::Refused)?;
    text.push(b'\n');
    OpenOptions::new().append(true).open(journal)?.write_all(&text)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let call = Paths::call_of(path).map(tracing::field::display);
            tracing::error!(call, file = %path.display(), %error, "a refused recording could not be taken away");
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::repair;
    use std::os::unix::fs::symlink;

    fn written(name: &str, dir: &Path) -> Paths {
        let paths = Paths { stem: name.into(), dir: dir.to_owned() };
        for path in [paths.part(), paths.sidecar(), paths.journal()] {
            fs::write(path, b"{\"line\":\"torn").unwrap();
        }
        paths
    }

    fn left(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_file_says_by_its_name_which_call_it_is_of() {
        let call = "01890a5d-ac96-774b-bcce-b302099a8057";
        let name = format!("acme/{call}-01890a5d-ac96-774b-bcce-b302099a8058.part");
        assert_eq!(Paths::call_of(Path::new(&name)).unwrap().to_string(), call);
        assert_eq!(Paths::call_of(Path::new("acme/reserve")), None);
    }

    #[test]
    fn on_a_full_disk_all_of_it_goes_too() {
        let dir = tempfile::tempdir().unwrap();
        let paths = written("a", dir.path());
        fs::remove_file(paths.journal()).unwrap();
        symlink("/dev/full", paths.journal()).unwrap();
        assert!(note_refused(&paths.journal()).is_err(), "no room for a line");
        discard(&paths).unwrap();
        assert_eq!(left(dir.path()), 0);
        discard(&paths).unwrap();
    }

    #[test]
    fn where_something_stays_its_journal_says_that_it_has_to_go() {
        let dir = tempfile::tempdir().unwrap();
        let paths = written("a", dir.path());
        fs::remove_file(paths.part()).unwrap();
        fs::create_dir(paths.part()).unwrap();
        assert!(discard(&paths).is_err(), "a folder is no file");
        assert!(!paths.sidecar().exists(), "the others go all the same");
        let journal = fs::read_to_string(paths.journal()).unwrap();
        assert!(repair(0, &journal).refused, "{journal}");
    }
}
