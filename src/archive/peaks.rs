//! The shape of a recording for the eye: how loud each stretch of it is, channel by channel.
//!
//! Beside the `.wav` as `.peaks`: `TGPEAKS1`, then little-endian rate (u32), samples per peak (u32),
//! samples (u64), channels (u32), peaks per channel (u32), the SHA-256 of the audio (32 bytes), and the
//! peaks, one byte each, channel after channel.

use super::FILE_MODE;
use crate::audio::wav::DATA_OFFSET;
use crate::ledger::Channels;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const MAGIC: &[u8; 8] = b"TGPEAKS1";
/// Stretches are not shorter than a hundredth of a second.
const A_SECOND: u32 = 100;
/// Bytes read at once; whole frames of one and two channels.
const BLOCK: usize = 64 * 1_024;

/// What is loudest in each stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peaks {
    /// Samples per second.
    pub rate: u32,
    /// Length in samples of one channel.
    pub samples: u64,
    /// Length of a stretch; the last one may be shorter.
    pub samples_per_peak: u32,
    /// Left and right, or both in one: the largest amount of each stretch, 0 to 255 for 0 to full scale,
    /// rounded up, so that 0 is silence alone.
    pub channels: Vec<Vec<u8>>,
}

impl Peaks {
    /// Of a channel at most: more than any screen has columns.
    pub const MOST: u32 = 20_000;

    /// Reads the whole file: a second for an hour, or so.
    pub fn of(mut file: File, rate: u32, samples: u64, channels: Channels) -> io::Result<Self> {
        let stretch = samples.div_ceil(u64::from(Self::MOST)).max(u64::from(rate / A_SECOND)).max(1);
        let count = usize::from(channels.count());
        let mut peaks = vec![Vec::new(); count];
        let mut loudest = vec![0u16; count];
        let mut inside = 0;
        file.seek(SeekFrom::Start(DATA_OFFSET))?;
        let mut audio = file.take(samples * channels.frame_bytes());
        let mut block = vec![0; BLOCK];
        loop {
            let read = fill(&mut audio, &mut block)?;
            let frames = block.get(..read).unwrap_or(&[]).chunks_exact(2 * count);
            for frame in frames {
                for (loudest, sample) in loudest.iter_mut().zip(frame.as_chunks::<2>().0) {
                    *loudest = (*loudest).max(i16::from_le_bytes(*sample).unsigned_abs());
                }
                inside += 1;
                if inside == stretch {
                    close(&mut peaks, &mut loudest);
                    inside = 0;
                }
            }
            if read < BLOCK {
                break;
            }
        }
        if inside > 0 {
            close(&mut peaks, &mut loudest);
        }
        let samples_per_peak = u32::try_from(stretch).unwrap_or(u32::MAX);
        Ok(Peaks { rate, samples, samples_per_peak, channels: peaks })
    }

    /// The same in at most so many points a channel: several stretches are one, as loud as the loudest of them.
    pub fn at_most(self, points: u32) -> Self {
        let Peaks { rate, samples, samples_per_peak, channels } = self;
        let count = channels.iter().map(Vec::len).max().unwrap_or(0);
        let together = count.div_ceil(usize::try_from(points).unwrap_or(count).max(1)).max(1);
        let loudest = |some: &[u8]| some.iter().copied().max().unwrap_or(0);
        let channels = channels.iter().map(|peaks| peaks.chunks(together).map(loudest).collect()).collect();
        let samples_per_peak = samples_per_peak.saturating_mul(u32::try_from(together).unwrap_or(u32::MAX));
        Peaks { rate, samples, samples_per_peak, channels }
    }

    /// Those that are kept at `path`, of audio with this digest; `None` where there are none, or those of
    /// other audio.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or is none.
    pub fn read(path: &Path, audio_sha256: &str) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::new(file);
        let mut magic = [0; 8];
        reader.read_exact(&mut magic)?;
        let (rate, samples_per_peak) = (u32_of(&mut reader)?, u32_of(&mut reader)?);
        let mut samples = [0; 8];
        reader.read_exact(&mut samples)?;
        let (channels, count) = (u32_of(&mut reader)?, u32_of(&mut reader)?);
        let mut digest = [0; 32];
        reader.read_exact(&mut digest)?;
        if magic != *MAGIC || !(1..=2).contains(&channels) || count > Self::MOST {
            return Err(io::Error::other("this is no file of peaks"));
        }
        if hex::encode(digest) != audio_sha256 {
            return Ok(None);
        }
        let mut all = Vec::new();
        for _ in 0..channels {
            let mut peaks = vec![0; usize::try_from(count).unwrap_or(0)];
            reader.read_exact(&mut peaks)?;
            all.push(peaks);
        }
        Ok(Some(Peaks { rate, samples: u64::from_le_bytes(samples), samples_per_peak, channels: all }))
    }

    /// Keeps them at `path`; a reader never sees half of them.
    pub fn write(&self, path: &Path, audio_sha256: &str) -> io::Result<()> {
        let Peaks { rate, samples, samples_per_peak, channels } = self;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(rate.to_le_bytes());
        bytes.extend(samples_per_peak.to_le_bytes());
        bytes.extend(samples.to_le_bytes());
        bytes.extend(count(channels.len()));
        bytes.extend(count(channels.first().map_or(0, Vec::len)));
        bytes.extend(hex::decode(audio_sha256).map_err(io::Error::other)?);
        channels.iter().for_each(|peaks| bytes.extend(peaks));
        // A start takes away what is left of a draft.
        let draft = path.with_extension("peaks.tmp");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&draft)?;
        file.write_all(&bytes)?;
        fs::rename(draft, path)
    }
}

/// Ends a stretch.
fn close(peaks: &mut [Vec<u8>], loudest: &mut [u16]) {
    for (peaks, loudest) in peaks.iter_mut().zip(loudest) {
        let of_full = (u32::from(std::mem::take(loudest)) * 255).div_ceil(1 << 15);
        peaks.push(u8::try_from(of_full).unwrap_or(u8::MAX));
    }
}

/// Reads until the block is full or nothing is left.
fn fill(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn u32_of(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, samples: impl Iterator<Item = i16>) -> File {
        let path = folder.join("a.wav");
        let mut bytes = vec![0; usize::try_from(DATA_OFFSET).unwrap()];
        samples.for_each(|sample| bytes.extend(sample.to_le_bytes()));
        bytes.extend([0x7f; 100]);
        fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    }

    #[test]
    fn each_channel_has_the_loudest_of_each_stretch_at_every_rate() {
        let folder = tempfile::tempdir().unwrap();
        for (rate, channels) in [(8_000, Channels::Stereo), (16_000, Channels::Mono), (48_000, Channels::Stereo)] {
            let stretch = u64::from(rate / 100);
            let samples = stretch * 3 + 1;
            // Of each channel the last sample of its own stretch is loud.
            let sample = |at: u64, channel: u64| match (at / stretch, at % stretch) {
                (of, last) if of == channel && last == stretch - 1 => i16::MIN,
                (3, _) => 1,
                _ => 0,
            };
            let count = u64::from(channels.count());
            let all = (0..samples).flat_map(|at| (0..count).map(move |channel| sample(at, channel)));
            let peaks = Peaks::of(file(folder.path(), all), rate, samples, channels).unwrap();
            assert_eq!(u64::from(peaks.samples_per_peak), stretch);
            let expected = [vec![255, 0, 0, 1], vec![0, 255, 0, 1]];
            assert_eq!(peaks.channels, expected[..peaks.channels.len()], "{rate}");
            assert_eq!(peaks.channels.len(), usize::from(channels.count()), "what stands behind the audio is none");
        }
    }

    #[test]
    fn a_long_recording_has_no_more_peaks_than_can_be_shown_and_they_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let most = u64::from(Peaks::MOST);
        let samples = 80 * most + 1;
        let peaks = Peaks::of(file(folder.path(), (0..samples).map(|_| 300)), 8_000, samples, Channels::Mono).unwrap();
        assert_eq!(peaks.samples_per_peak, 81);
        assert!(peaks.channels[0].len() <= usize::try_from(most).unwrap());
        assert!(peaks.channels[0].iter().all(|peak| *peak == 3));
        let path = folder.path().join("a.peaks");
        let (digest, other) = (hex::encode([7; 32]), hex::encode([8; 32]));
        assert_eq!(Peaks::read(&path, &digest).unwrap(), None);
        peaks.write(&path, &digest).unwrap();
        assert_eq!(Peaks::read(&path, &digest).unwrap(), Some(peaks));
        assert_eq!(Peaks::read(&path, &other).unwrap(), None, "those of other audio");
        fs::write(&path, "nonsense").unwrap();
        assert!(Peaks::read(&path, &digest).is_err());
    }

    #[test]
    fn fewer_points_are_as_loud_as_the_loudest_of_what_they_stand_for() {
        let peaks = Peaks {
            rate: 8_000,
            samples: 80 * 6 + 1,
            samples_per_peak: 80,
            channels: vec![vec![0, 1, 5, 2, 0, 0, 9], vec![7, 0, 0, 0, 0, 0, 0]],
        };
        for (points, samples_per_peak, left, right) in [
            (20_000, 80, vec![0, 1, 5, 2, 0, 0, 9], vec![7, 0, 0, 0, 0, 0, 0]),
            (7, 80, vec![0, 1, 5, 2, 0, 0, 9], vec![7, 0, 0, 0, 0, 0, 0]),
            (6, 160, vec![1, 5, 0, 9], vec![7, 0, 0, 0]),
            (3, 240, vec![5, 2, 9], vec![7, 0, 0]),
            (1, 560, vec![9], vec![7]),
        ] {
            let fewer = peaks.clone().at_most(points);
            assert_eq!((fewer.samples_per_peak, &fewer.channels), (samples_per_peak, &vec![left, right]), "{points}");
            let count = fewer.channels[0].len() as u64;
            assert_eq!(fewer.samples.div_ceil(u64::from(fewer.samples_per_peak)), count, "{points}");
        }
        let none = Peaks { rate: 8_000, samples: 0, samples_per_peak: 80, channels: vec![Vec::new()] };
        assert_eq!(none.clone().at_most(1), none, "of nothing there is nothing");
    }
}
