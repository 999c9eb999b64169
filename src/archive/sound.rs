//! Files with one party alone: finished, joined, and loaded for the telephone.

use super::{Durability, complete, settle};
use crate::audio::prompt::Pcm;
use crate::audio::sound::{Converter, Shape, SoundError};
use crate::base::{Rate, Side, Span};
use crate::ledger::Channels;
use crate::recording::{Dress, Info, Layout, Wav};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use thiserror::Error;

/// Bytes of a file in which its audio has to begin.
const HEAD: u64 = 64 * 1_024;
/// Bytes that are converted at once.
const BLOCK: u64 = 32 * 1_024;

/// Audio in a file: where it is, and how much of it counts.
#[derive(Clone, Copy, Debug)]
pub struct Spoken<'a> {
    pub path: &'a Path,
    pub shape: Shape,
}

/// Why a sound was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Sound(#[from] SoundError),
}

/// Makes the file of a take final: sizes, trailer, sync, rename. Can be done again after any interruption.
/// Returns its size and its SHA-256, hex.
///
/// # Errors
/// When the file is not there, or the disk does not take what is to be written.
pub fn finish_sound(part: &Path, wav: &Path, samples: u64, info: Vec<Info>) -> io::Result<(u64, String)> {
    let from = if part.exists() { part } else { wav };
    let file = OpenOptions::new().read(true).write(true).open(from)?;
    let bytes = complete(&file, samples, Channels::Mono, &Dress { cues: Vec::new(), info })?;
    let digest = digest(&file)?;
    file.sync_all()?;
    settle(from, wav, Durability::Synced)?;
    Ok((bytes, digest))
}

fn digest(mut file: &File) -> io::Result<String> {
    let (mut digest, mut block) = (Sha256::new(), vec![0; super::BLOCK]);
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex::encode(digest.finalize())),
            read => digest.update(block.get(..read).unwrap_or(&[])),
        }
    }
}

/// What the head of a WAV file says of it.
///
/// # Errors
/// When it cannot be read, or is no sound.
pub fn shape_of(path: &Path) -> Result<Shape, LoadError> {
    let mut head = Vec::new();
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    file.take(HEAD).read_to_end(&mut head)?;
    let mut shape = Shape::read(&head)?;
    shape.bytes = shape.bytes.min(length.saturating_sub(shape.from));
    match shape.samples() {
        0 => Err(SoundError::Empty.into()),
        _ => Ok(shape),
    }
}

/// A sound of any rate for the telephone: 8 kHz, one channel. A longer one than `most` is refused before
/// it is read, so that the memory it takes is known: 16,000 bytes a second, and one block.
///
/// # Errors
/// When it cannot be read, is no sound, or is too long.
pub fn load_sound(path: &Path, most: Span) -> Result<Pcm, LoadError> {
    load(Spoken { path, shape: shape_of(path)? }, most)
}

/// The same of a take that is not finished.
///
/// # Errors
/// When it cannot be read, or is too long.
pub fn load_part(path: &Path, rate: Rate, samples: u64, most: Span) -> Result<Pcm, LoadError> {
    load(Spoken { path, shape: Shape::mono(rate, samples) }, most)
}

fn load(spoken: Spoken<'_>, most: Span) -> Result<Pcm, LoadError> {
    if spoken.shape.samples() > spoken.shape.rate.samples(most).0 {
        return Err(SoundError::Long(most.0 / 1_000_000).into());
    }
    let mut all = Vec::new();
    read(spoken, Rate::NARROW, |samples| {
        all.extend_from_slice(samples);
        Ok(())
    })?;
    Ok(all.into())
}

/// Reads a sound block by block, at `rate`.
fn read(spoken: Spoken<'_>, rate: Rate, mut take: impl FnMut(&[i16]) -> io::Result<()>) -> io::Result<()> {
    let Spoken { path, shape } = spoken;
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(shape.from))?;
    let mut audio = file.take(shape.samples() * shape.frame() as u64);
    let mut converter = Converter::new(shape.rate, rate);
    let (mut bytes, mut samples, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let block = BLOCK - BLOCK % shape.frame() as u64;
    loop {
        bytes.clear();
        if audio.by_ref().take(block).read_to_end(&mut bytes)? == 0 {
            break;
        }
        samples.clear();
        shape.decode(&bytes, &mut samples);
        converter.convert(&samples, &mut out);
        take(&out)?;
        out.clear();
    }
    converter.finish(&mut out);
    take(&out)
}

/// Writes sounds one after the other into a new file, at the highest of their rates, but 16 kHz at most. Its sizes
/// are not set: [`finish_sound`] does that. Returns its rate and its samples.
///
/// # Errors
/// When one cannot be read, or the disk does not take what is to be written.
pub fn join_sounds(sounds: &[Spoken<'_>], to: &Path) -> io::Result<(Rate, u64)> {
    let rate = sounds.iter().map(|sound| sound.shape.rate.0).max().unwrap_or(Rate::NARROW.0);
    let rate = if rate > Rate::NARROW.0 { Rate::WIDE } else { Rate::NARROW };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(super::FILE_MODE).open(to)?;
    let mut wav = Wav::new(rate.0, Layout::Alone(Side::Caller))?;
    for sound in sounds {
        read(*sound, rate, |samples| {
            let frames: Vec<[i16; 2]> = samples.iter().map(|sample| [*sample, 0]).collect();
            wav.append(&frames)?;
            wav.take_block(|offset, bytes| file.write_all_at(bytes, offset))
        })?;
    }
    Ok((rate, wav.frames()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::prompt::write_wav;
    use std::fs;

    fn samples(from: i16, count: usize) -> Vec<i16> {
        (0..count).map(|at| from + (at % 1_000) as i16).collect()
    }

    #[test]
    fn a_finished_take_is_read_as_it_was_written_and_can_be_finished_again() {
        let folder = tempfile::tempdir().unwrap();
        let (part, wav) = (folder.path().join("a.part"), folder.path().join("a.wav"));
        let spoken = samples(1, 20_000);
        fs::write(&part, write_wav(&spoken)).unwrap();
        let info = || vec![(*b"ISFT", "Telegraphone".to_owned())];
        // Of what was recorded the last 4,000 samples were cut.
        let first = finish_sound(&part, &wav, 16_000, info()).unwrap();
        assert!(!part.exists());
        assert_eq!(load_sound(&wav, Span::from_secs(2)).unwrap()[..], spoken[..16_000]);
        assert_eq!(finish_sound(&part, &wav, 16_000, info()).unwrap(), first);
        assert_eq!(first, {
            let (digest, bytes) = super::super::file_digest(&wav).unwrap();
            (bytes, digest)
        });
        let reader = hound::WavReader::open(&wav).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate, reader.duration()), (1, 8_000, 16_000));
    }

    #[test]
    fn a_sound_that_is_too_long_or_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        fs::write(&path, write_wav(&samples(0, 8_001))).unwrap();
        let refused = load_sound(&path, Span::from_secs(1)).unwrap_err();
        assert_eq!(refused.to_string(), "longer than 1 s");
        assert_eq!(load_sound(&path, Span::from_secs(2)).unwrap().len(), 8_001);
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(load_sound(&path, Span::from_secs(1)), Err(LoadError::Sound(SoundError::NotWav))));
        assert!(matches!(load_sound(&folder.path().join("b"), Span::from_secs(1)), Err(LoadError::File(_))));
    }

    #[test]
    fn an_introduction_and_a_message_become_one_file_in_that_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (one, two) = (samples(1, 3_000), samples(-500, 5_000));
        fs::write(path("one"), write_wav(&one)).unwrap();
        fs::write(path("two"), write_wav(&two)).unwrap();
        let spoken = |path| Spoken { path, shape: shape_of(path).unwrap() };
        let (one_path, two_path) = (path("one"), path("two"));
        let joined = join_sounds(&[spoken(&one_path), spoken(&two_path)], &path("both.part")).unwrap();
        assert_eq!(joined, (Rate::NARROW, 8_000));
        finish_sound(&path("both.part"), &path("both.wav"), 8_000, Vec::new()).unwrap();
        assert_eq!(load_sound(&path("both.wav"), Span::from_secs(1)).unwrap()[..], [one, two].concat());
    }

    #[test]
    fn where_one_of_two_is_wide_the_whole_is_wide() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut wide = write_wav(&samples(0, 16_000));
        wide[24..28].copy_from_slice(&16_000u32.to_le_bytes());
        fs::write(path("wide"), wide).unwrap();
        fs::write(path("narrow"), write_wav(&samples(0, 8_000))).unwrap();
        let (narrow, wide) = (path("narrow"), path("wide"));
        let spoken = |path| Spoken { path, shape: shape_of(path).unwrap() };
        let joined = join_sounds(&[spoken(&narrow), spoken(&wide)], &path("both.part")).unwrap();
        assert_eq!(joined, (Rate::WIDE, 32_000));
        finish_sound(&path("both.part"), &path("both.wav"), 32_000, Vec::new()).unwrap();
        assert_eq!(load_sound(&path("both.wav"), Span::from_secs(2)).unwrap().len(), 16_000);
        let second = &hound::WavReader::open(path("both.wav"))
            .unwrap()
            .into_samples::<i16>()
            .map(Result::unwrap)
            .collect::<Vec<_>>()[16_000..];
        assert_eq!(second, samples(0, 16_000), "what was wide stays as it was");
    }
}
