//! The WAV files that a company file names, read and checked.

use crate::audio::prompt::read_wav;
use crate::directory::file::{CompanyFile, FileError, Problem};
use crate::directory::{FacilityKind, Sound};
use std::path::Path;

/// Fills in the sound of every prompt of `file`; names stand beside `folder` unless they are
/// whole paths. Returns everything that cannot be read.
pub fn read(file: &mut CompanyFile, folder: &Path) -> Vec<FileError> {
    let mut errors = Vec::new();
    for entry in &mut file.prompts {
        let Some(name) = entry.keys.file.clone() else { continue };
        let read = std::fs::read(folder.join(&name)).map_err(|error| error.to_string());
        match read.and_then(|bytes| read_wav(&bytes).map_err(|error| error.to_string())) {
            Ok(pcm) => entry.keys.sound = Some(Sound(pcm)),
            Err(problem) => {
                let place = entry.place_of(FacilityKind::Prompt);
                errors.push(FileError { place, problem: Problem::Sound { file: name, problem } });
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_read_beside_the_company_file_and_each_bad_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = include_bytes!("../audio/prompts/recorded.wav");
        std::fs::write(folder.path().join("good.wav"), good).unwrap();
        std::fs::write(folder.path().join("bad.wav"), b"ID3").unwrap();
        let text = "[[company]]\nkey = 'a'\n[[prompt]]\nname = 'x'\nfile = 'good.wav'
            [[prompt]]\nname = 'y'\nfile = 'bad.wav'\n[[prompt]]\nname = 'z'\nfile = 'none.wav'";
        let mut file = CompanyFile::parse(text).unwrap();
        let errors: Vec<String> = read(&mut file, folder.path()).iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert_eq!(errors[0], "prompt y of a: bad.wav: not a WAV file");
        assert!(errors[1].starts_with("prompt z of a: none.wav: No such file"));
        assert!(file.prompts[0].keys.sound.as_ref().is_some_and(|sound| sound.0.len() > 8_000));
    }
}
