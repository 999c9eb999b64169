//! Spoken prompts: the ones that come with the service, and those of a company's own WAV files.
//!
//! All are mono at 8 kHz. The service's own were made with espeak-ng (`prompts/make.sh`) and are
//! stored as µ-law; a company replaces one by a prompt of the same name.

use super::Law;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// Samples of a prompt: mono, 8 kHz, 16 bit.
pub type Pcm = Arc<[i16]>;

/// Longest prompt of a company, in seconds. It is kept in memory.
pub const MOST_SECONDS: usize = 120;
const RATE: u32 = 8_000;

/// What the service itself can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// "This call is recorded."
    Recorded,
    /// The same, with "Press nine if you do not agree."
    RecordedRefuse,
    /// The recording has failed: `on_recording_failure = "announce"`.
    NotRecorded,
    /// Outside opening hours.
    Closed,
    /// The key means nothing here.
    Invalid,
    /// Nobody can take the call.
    Goodbye,
    /// A tone: the call is recorded (1400 Hz, as 47 CFR 64.501 has it).
    Beep,
    /// One period of the tone that a caller hears while devices ring (425 Hz, 1 s of 5 s).
    Ringback,
}

impl BuiltIn {
    pub const ALL: [BuiltIn; 8] = [
        BuiltIn::Recorded,
        BuiltIn::RecordedRefuse,
        BuiltIn::NotRecorded,
        BuiltIn::Closed,
        BuiltIn::Invalid,
        BuiltIn::Goodbye,
        BuiltIn::Beep,
        BuiltIn::Ringback,
    ];

    /// Its name in the company file. A company's own prompt of that name is said instead.
    pub const fn name(self) -> &'static str {
        match self {
            BuiltIn::Recorded => "recorded",
            BuiltIn::RecordedRefuse => "recorded-refuse",
            BuiltIn::NotRecorded => "not-recorded",
            BuiltIn::Closed => "closed",
            BuiltIn::Invalid => "invalid",
            BuiltIn::Goodbye => "goodbye",
            BuiltIn::Beep => "beep",
            BuiltIn::Ringback => "ringback",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prompt| prompt.name() == name)
    }

    fn decode(self) -> Pcm {
        let wav: &'static [u8] = match self {
            BuiltIn::Recorded => include_bytes!("prompts/recorded.wav"),
            BuiltIn::RecordedRefuse => include_bytes!("prompts/recorded-refuse.wav"),
            BuiltIn::NotRecorded => include_bytes!("prompts/not-recorded.wav"),
            BuiltIn::Closed => include_bytes!("prompts/closed.wav"),
            BuiltIn::Invalid => include_bytes!("prompts/invalid.wav"),
            BuiltIn::Goodbye => include_bytes!("prompts/goodbye.wav"),
            BuiltIn::Beep => return tone(1_400.0, 2_000, 2_000),
            BuiltIn::Ringback => return tone(425.0, 8_000, 40_000),
        };
        // A file of ours that could not be read is silence; a test reads them all.
        read_wav(wav).unwrap_or_default()
    }

    /// Decoded once, then shared.
    pub fn pcm(self) -> Pcm {
        static DECODED: [OnceLock<Pcm>; 8] = [const { OnceLock::new() }; 8];
        let at = Self::ALL.iter().position(|prompt| *prompt == self);
        let slot = at.and_then(|at| DECODED.get(at));
        slot.map_or_else(|| self.decode(), |slot| slot.get_or_init(|| self.decode()).clone())
    }
}

/// A tone of `on` samples with ramps of 5 ms against clicks, then silence up to `length`.
pub(super) fn tone(hertz: f32, on: usize, length: usize) -> Pcm {
    const AMPLITUDE: f32 = 5_000.0;
    let ramp = RATE as usize / 200;
    let sample = |at: usize| {
        let edge = at.min(on.saturating_sub(at)).min(ramp) as f32 / ramp as f32;
        let wave = (std::f32::consts::TAU * hertz * at as f32 / RATE as f32).sin();
        (wave * AMPLITUDE * edge) as i16
    };
    (0..length).map(|at| if at < on { sample(at) } else { 0 }).collect()
}

/// Why a file cannot be a prompt. Each names what was found and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PromptError {
    #[error("not a WAV file")]
    NotWav,
    #[error("the WAV file has no `{0}` chunk, or it is cut off")]
    Missing(&'static str),
    #[error("encoding {format} with {bits} bits: {CONVERT}")]
    Encoding { format: u16, bits: u16 },
    #[error("{0} Hz: {CONVERT}")]
    Rate(u32),
    #[error("{0} channels: {CONVERT}")]
    Channels(u16),
    #[error("no sound in it")]
    Empty,
    #[error("{0} s long: {MOST_SECONDS} s at most")]
    Long(usize),
}

const CONVERT: &str =
    "a prompt is mono, 8000 Hz, 16-bit PCM, A-law or µ-law; `sox IN.wav -r 8000 -c 1 -b 16 OUT.wav` makes one";

#[derive(Clone, Copy)]
enum Encoding {
    Pcm16,
    G711(Law),
}

/// Reads a WAV file as a prompt (RIFF; `fmt ` with format 1, 6 or 7).
pub fn read_wav(bytes: &[u8]) -> Result<Pcm, PromptError> {
    let chunks = bytes.strip_prefix(b"RIFF").and_then(|rest| rest.get(4..)).and_then(|rest| rest.strip_prefix(b"WAVE"));
    let chunks = chunks.ok_or(PromptError::NotWav)?;
    let encoding = encoding_of(chunk(chunks, b"fmt ").ok_or(PromptError::Missing("fmt "))?)?;
    let data = chunk(chunks, b"data").ok_or(PromptError::Missing("data"))?;
    let samples: Vec<i16> = match encoding {
        Encoding::Pcm16 => data.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect(),
        Encoding::G711(law) => data.iter().map(|byte| law.decode(*byte)).collect(),
    };
    let seconds = samples.len() / RATE as usize;
    match (samples.is_empty(), seconds >= MOST_SECONDS) {
        (true, _) => Err(PromptError::Empty),
        (false, true) => Err(PromptError::Long(seconds)),
        (false, false) => Ok(samples.into()),
    }
}

/// A prompt as a WAV file that [`read_wav`] reads.
pub fn write_wav(samples: &[i16]) -> Vec<u8> {
    let bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut wav = b"RIFF".to_vec();
    wav.extend(bytes.saturating_add(36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}

fn encoding_of(format: &[u8]) -> Result<Encoding, PromptError> {
    let head = format.first_chunk::<16>().ok_or(PromptError::Missing("fmt "))?;
    let [t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1] = *head;
    let (kind, channels, bits) =
        (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([c0, c1]), u16::from_le_bytes([b0, b1]));
    let rate = u32::from_le_bytes([r0, r1, r2, r3]);
    if channels != 1 {
        return Err(PromptError::Channels(channels));
    }
    if rate != RATE {
        return Err(PromptError::Rate(rate));
    }
    match (kind, bits) {
        (1, 16) => Ok(Encoding::Pcm16),
        (6, 8) => Ok(Encoding::G711(Law::A)),
        (7, 8) => Ok(Encoding::G711(Law::Mu)),
        (format, bits) => Err(PromptError::Encoding { format, bits }),
    }
}

/// The content of the first chunk of that name; one that claims more than there is ends with the file.
pub(super) fn chunk<'a>(mut rest: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let [n0, n1, n2, n3, l0, l1, l2, l3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if [n0, n1, n2, n3] == *name {
            return body.get(..length.min(body.len()));
        }
        rest = body.get(length.checked_add(length % 2)?..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_read_as_it_was_written() {
        let samples: Vec<i16> = (0..8_000).map(|n| n as i16 * 3).collect();
        assert_eq!(*read_wav(&write_wav(&samples)).unwrap(), *samples);
    }

    /// A WAV file with one `LIST` chunk of odd length before the data.
    fn wav(format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        out.extend(format.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend([0; 6]);
        out.extend(bits.to_le_bytes());
        out.extend(b"LIST\x03\0\0\0abc\0data");
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(data);
        out
    }

    #[test]
    fn a_prompt_is_read_from_all_three_encodings() {
        let linear: Vec<u8> = [100i16, -100].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(read_wav(&wav(1, 1, 8_000, 16, &linear)).unwrap()[..], [100, -100]);
        for (format, law) in [(6, Law::A), (7, Law::Mu)] {
            let bytes = [law.encode(1_000), law.encode(-1_000)];
            let expected = bytes.map(|byte| law.decode(byte));
            assert_eq!(read_wav(&wav(format, 1, 8_000, 8, &bytes)).unwrap()[..], expected, "{format}");
        }
    }

    #[test]
    fn what_cannot_be_a_prompt_is_named_with_what_it_is() {
        let long = vec![0; 2 * 8_000 * MOST_SECONDS];
        let rows: [(Vec<u8>, PromptError); 8] = [
            (b"ID3\x04".to_vec(), PromptError::NotWav),
            (b"RIFF\0\0\0\0WAVE".to_vec(), PromptError::Missing("fmt ")),
            (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0ab".to_vec(), PromptError::Missing("fmt ")),
            (wav(1, 2, 8_000, 16, &[0; 4]), PromptError::Channels(2)),
            (wav(1, 1, 44_100, 16, &[0; 4]), PromptError::Rate(44_100)),
            (wav(1, 1, 8_000, 24, &[0; 6]), PromptError::Encoding { format: 1, bits: 24 }),
            (wav(1, 1, 8_000, 16, &[]), PromptError::Empty),
            (wav(1, 1, 8_000, 16, &long), PromptError::Long(MOST_SECONDS)),
        ];
        for (bytes, expected) in rows {
            assert_eq!(read_wav(&bytes), Err(expected));
        }
    }

    #[test]
    fn every_prompt_of_ours_speaks_and_is_short() {
        for prompt in BuiltIn::ALL {
            let pcm = prompt.pcm();
            let loudest = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((2_000..48_000).contains(&pcm.len()), "{prompt:?} has {} samples", pcm.len());
            assert!(loudest > 4_500, "{prompt:?} peaks at {loudest}");
            assert_eq!(BuiltIn::named(prompt.name()), Some(prompt));
        }
    }
}
