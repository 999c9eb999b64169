//! Speech from a folder: WAV files that are said instead of the service's own.

use crate::audio::prompt::{PromptError, read_wav};
use crate::audio::speech::{Clip, Voices};
use crate::base::Language;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with the folder, all of it.
#[derive(Debug, thiserror::Error)]
#[error("prompts: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct VoicesError(pub Vec<VoiceFileError>);

#[derive(Debug, thiserror::Error)]
pub enum VoiceFileError {
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}: no language is spoken of that name: en, de, fr and es are", path.display())]
    Language { path: PathBuf },
    #[error("{}: nothing of that name is said; `telegraphone speech list` shows what is", path.display())]
    Name { path: PathBuf },
    #[error("{}: {error}", path.display())]
    Sound { path: PathBuf, error: PromptError },
}

/// The service's speech, with what the folder replaces of it.
///
/// # Errors
/// Every file and folder in it that cannot be what it is there for.
pub fn load(folder: Option<&Path>) -> Result<Voices, VoicesError> {
    let Some(folder) = folder else { return Ok(Voices::default()) };
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for path in entries(folder, &mut errors) {
        let language = Language::ALL.into_iter().find(|language| path.file_name() == Some(language.as_str().as_ref()));
        match language {
            Some(language) => {
                for file in entries(&path, &mut errors) {
                    match read(file) {
                        Ok((clip, pcm)) => found.push((language, clip, pcm)),
                        Err(error) => errors.push(error),
                    }
                }
            }
            None => errors.push(VoiceFileError::Language { path }),
        }
    }
    if errors.is_empty() { Ok(Voices::with(found)) } else { Err(VoicesError(errors)) }
}

fn read(path: PathBuf) -> Result<(Clip, crate::audio::prompt::Pcm), VoiceFileError> {
    let is_wav = path.extension().is_some_and(|ending| ending == "wav");
    let name = path.file_stem().and_then(|name| name.to_str()).filter(|_| is_wav);
    let Some(clip) = name.and_then(Clip::named) else { return Err(VoiceFileError::Name { path }) };
    match std::fs::read(&path) {
        Ok(bytes) => match read_wav(&bytes) {
            Ok(pcm) => Ok((clip, pcm)),
            Err(error) => Err(VoiceFileError::Sound { path, error }),
        },
        Err(error) => Err(VoiceFileError::Unreadable { path, error }),
    }
}

/// What is in a folder, in order, without what is hidden.
fn entries(folder: &Path, errors: &mut Vec<VoiceFileError>) -> Vec<PathBuf> {
    let unreadable = |error| VoiceFileError::Unreadable { path: folder.to_owned(), error };
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match listed {
        Ok(listed) => {
            let mut paths: Vec<PathBuf> = listed.into_iter().map(|entry| entry.path()).collect();
            paths.retain(|path| !hidden(path));
            paths.sort();
            paths
        }
        Err(error) => {
            errors.push(unreadable(error));
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::prompt::write_wav;
    use crate::audio::speech::Phrase;
    use std::fs;

    #[test]
    fn a_file_of_the_folder_is_said_instead_in_its_language_only() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("de")).unwrap();
        fs::write(folder.path().join("de/welcome.wav"), write_wav(&[5; 100])).unwrap();
        fs::write(folder.path().join("de/.hidden"), b"x").unwrap();
        let voices = load(Some(folder.path())).unwrap();
        let welcome = Clip::Phrase(Phrase::Welcome);
        assert_eq!(voices.pcm(Language::German, welcome)[..], [5; 100]);
        assert_ne!(voices.pcm(Language::English, welcome)[..], [5; 100]);
    }

    #[test]
    fn everything_that_is_wrong_with_the_folder_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["de", "it"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for (name, bytes) in [("de/welcome.wav", &b"ID3"[..]), ("de/hello.wav", b"x"), ("de/goodbye.mp3", b"x")] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let text = load(Some(folder.path())).unwrap_err().to_string();
        for part in [
            "de/welcome.wav: not a WAV file",
            "de/hello.wav: nothing of that name is said",
            "de/goodbye.mp3: nothing of that name is said",
            "it: no language is spoken of that name",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let missing = load(Some(Path::new("/nowhere/at/all"))).unwrap_err().to_string();
        assert!(missing.starts_with("prompts: /nowhere/at/all: No such file"), "{missing}");
    }
}
