//! Sounds of any WAV file as one channel at the rate that is wanted: for the telephone, for joining two.
//!
//! Everything goes block by block, so that nothing is held twice.

use super::prompt::chunk;
use super::{Law, Resampler};
use crate::base::Rate;
use thiserror::Error;

/// Why a file is no sound. Each names what was found and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SoundError {
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
    #[error("longer than {0} s")]
    Long(u64),
}

const CONVERT: &str = "PCM of 8, 16, 24 or 32 bits, A-law and µ-law of one or two channels at 4 to 192 kHz are \
                       understood; `sox IN -b 16 OUT.wav` makes one";

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// Unsigned where it is one byte, else signed, little-endian.
    Pcm {
        bytes: usize,
    },
    G711(Law),
}

/// What the head of a WAV file says of its audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    encoding: Encoding,
    channels: usize,
    pub rate: Rate,
    /// Where the audio begins in the file, and its length, in bytes.
    pub from: u64,
    pub bytes: u64,
}

const EXTENSIBLE: u16 = 0xfffe;

impl Shape {
    /// Of a file of ours with one channel, whether or not its header is complete.
    pub const fn mono(rate: Rate, samples: u64) -> Self {
        let (encoding, from) = (Encoding::Pcm { bytes: 2 }, super::wav::DATA_OFFSET);
        Shape { encoding, channels: 1, rate, from, bytes: samples * 2 }
    }

    /// Reads the head of a file, up to the beginning of its audio at least.
    ///
    /// # Errors
    /// Where it is no WAV file, or one that is not understood.
    pub fn read(head: &[u8]) -> Result<Self, SoundError> {
        let chunks =
            head.strip_prefix(b"RIFF").and_then(|rest| rest.get(4..)).and_then(|rest| rest.strip_prefix(b"WAVE"));
        let chunks = chunks.ok_or(SoundError::NotWav)?;
        let format = chunk(chunks, b"fmt ").ok_or(SoundError::Missing("fmt "))?;
        let fields = format.first_chunk::<16>().ok_or(SoundError::Missing("fmt "))?;
        let [t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1] = *fields;
        let (channels, rate) = (u16::from_le_bytes([c0, c1]), u32::from_le_bytes([r0, r1, r2, r3]));
        let bits = u16::from_le_bytes([b0, b1]);
        let kind = match (u16::from_le_bytes([t0, t1]), format.get(24..26)) {
            (EXTENSIBLE, Some(&[s0, s1])) => u16::from_le_bytes([s0, s1]),
            (kind, _) => kind,
        };
        let encoding = match (kind, bits) {
            (1, 8 | 16 | 24 | 32) => Encoding::Pcm { bytes: usize::from(bits / 8) },
            (6, 8) => Encoding::G711(Law::A),
            (7, 8) => Encoding::G711(Law::Mu),
            (format, bits) => return Err(SoundError::Encoding { format, bits }),
        };
        if !(1..=2).contains(&channels) {
            return Err(SoundError::Channels(channels));
        }
        if !(4_000..=192_000).contains(&rate) {
            return Err(SoundError::Rate(rate));
        }
        let (from, bytes) = data_of(chunks, head.len()).ok_or(SoundError::Missing("data"))?;
        let shape = Shape { encoding, channels: usize::from(channels), rate: Rate(rate), from, bytes };
        match shape.samples() {
            0 => Err(SoundError::Empty),
            _ => Ok(shape),
        }
    }

    /// Bytes of one sample of all channels.
    pub const fn frame(&self) -> usize {
        self.channels
            * match self.encoding {
                Encoding::Pcm { bytes } => bytes,
                Encoding::G711(_) => 1,
            }
    }

    /// Samples of one channel.
    pub const fn samples(&self) -> u64 {
        self.bytes / self.frame() as u64
    }

    /// Whole frames as samples of one channel; of two, their mean.
    pub fn decode(&self, bytes: &[u8], out: &mut Vec<i16>) {
        let of = bytes.chunks_exact(self.frame());
        out.extend(of.map(|frame| {
            let each = frame.chunks_exact(self.frame() / self.channels).map(|sample| i32::from(self.sample(sample)));
            let sum: i32 = each.sum();
            i16::try_from(sum / self.channels as i32).unwrap_or(i16::MAX)
        }));
    }

    fn sample(&self, bytes: &[u8]) -> i16 {
        match (self.encoding, bytes) {
            (Encoding::G711(law), [byte, ..]) => law.decode(*byte),
            (Encoding::Pcm { .. }, [byte]) => (i16::from(*byte) - 128) << 8,
            (Encoding::Pcm { .. }, [.., low, high]) => i16::from_le_bytes([*low, *high]),
            (Encoding::G711(_) | Encoding::Pcm { .. }, _) => 0,
        }
    }
}

/// Where the `data` chunk's content begins in the file, and its length as it says.
fn data_of(mut rest: &[u8], head: usize) -> Option<(u64, u64)> {
    while let Some((name, body)) = rest.split_first_chunk::<8>() {
        let [n0, n1, n2, n3, l0, l1, l2, l3] = *name;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if [n0, n1, n2, n3] == *b"data" {
            return Some(((head - body.len()) as u64, u64::from(length)));
        }
        let length = usize::try_from(length).ok()?;
        rest = body.get(length.checked_add(length % 2)?..)?;
    }
    None
}

/// From one rate to another, block by block.
pub struct Converter {
    way: Way,
    ratio: usize,
    block: Vec<i16>,
}

enum Way {
    Same,
    Whole(Box<Resampler>),
    Any(Box<Any>),
}

impl Converter {
    pub fn new(from: Rate, to: Rate) -> Self {
        let way = match (from == to, Resampler::new(from, to)) {
            (true, _) => Way::Same,
            (false, Some(resampler)) => Way::Whole(Box::new(resampler)),
            (false, None) => Way::Any(Box::new(Any::new(from, to))),
        };
        let ratio = usize::try_from(to.0.div_ceil(from.0.max(1))).unwrap_or(1);
        Converter { way, ratio, block: Vec::new() }
    }

    /// The next samples.
    pub fn convert(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        match &mut self.way {
            Way::Same => out.extend_from_slice(samples),
            Way::Whole(resampler) => {
                self.block.resize(samples.len() * self.ratio, 0);
                let written = resampler.process(samples, &mut self.block).unwrap_or(0);
                out.extend_from_slice(self.block.get(..written).unwrap_or(&[]));
            }
            Way::Any(any) => any.convert(samples, out),
        }
    }

    /// There are no more.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        match &mut self.way {
            Way::Same | Way::Whole(_) => {}
            Way::Any(any) => any.finish(out),
        }
    }
}

/// Zero crossings of the filter on each side.
const CROSSINGS: f64 = 16.0;

/// Between any two rates: a windowed sinc (Hann) around each sample that comes out.
struct Any {
    step: f64,
    /// Of the rate that goes in: what passes, as a part of it.
    cutoff: f64,
    /// Samples on each side.
    half: usize,
    /// What went in and is still needed; the first has place `first`.
    recent: Vec<f32>,
    first: i64,
    /// How many came out.
    out: u64,
}

impl Any {
    fn new(from: Rate, to: Rate) -> Self {
        let (from, to) = (f64::from(from.0), f64::from(to.0));
        let cutoff = 0.92 * (to / from).min(1.0);
        let half = (CROSSINGS / cutoff).ceil() as usize;
        // Before the first there was silence.
        Any { step: from / to, cutoff, half, recent: vec![0.0; half], first: -(half as i64), out: 0 }
    }

    fn convert(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.recent.extend(samples.iter().map(|sample| f32::from(*sample)));
        let end = self.first + self.recent.len() as i64;
        self.put_out(end - self.half as i64, out);
    }

    fn finish(&mut self, out: &mut Vec<i16>) {
        let end = self.first + self.recent.len() as i64;
        self.recent.extend(std::iter::repeat_n(0.0, self.half + 1));
        self.put_out(end, out);
    }

    /// Everything whose place lies before `until`.
    fn put_out(&mut self, until: i64, out: &mut Vec<i16>) {
        loop {
            let place = self.out as f64 * self.step;
            if place >= until as f64 {
                break;
            }
            out.push(self.at(place));
            self.out += 1;
        }
        let needed = (self.out as f64 * self.step) as i64 - self.half as i64;
        let done = usize::try_from(needed - self.first).unwrap_or(0).min(self.recent.len());
        self.recent.drain(..done);
        self.first += done as i64;
    }

    fn at(&self, place: f64) -> i16 {
        let from = place as i64 - self.half as i64 + 1;
        let skip = usize::try_from(from - self.first).unwrap_or(0);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (at, sample) in (from..).zip(self.recent.iter().skip(skip).take(2 * self.half)) {
            let x = at as f64 - place;
            let window = 0.5 + 0.5 * (std::f64::consts::PI * x / (self.half + 1) as f64).cos();
            let phase = std::f64::consts::PI * self.cutoff * x;
            let sinc = if phase.abs() < 1e-9 { 1.0 } else { phase.sin() / phase };
            weights += sinc * window;
            sum += f64::from(*sample) * sinc * window;
        }
        let value = if weights == 0.0 { 0.0 } else { sum / weights };
        value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn tone(hertz: f64, rate: u32, samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..samples).map(|at| ((at as f64 * step).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn every_encoding_is_read_as_one_channel() {
        let rows: [(&str, Vec<u8>, &[i16]); 6] = [
            ("16 bit", wav(1, 1, 8_000, 16, &[100, 0, 0x9c, 0xff]), &[100, -100]),
            ("8 bit", wav(1, 1, 11_025, 8, &[128, 0, 255]), &[0, -32_768, 32_512]),
            ("24 bit", wav(1, 1, 48_000, 24, &[9, 100, 0, 9, 0x9c, 0xff]), &[100, -100]),
            ("32 bit", wav(1, 1, 48_000, 32, &[9, 9, 100, 0]), &[100]),
            ("stereo", wav(1, 2, 8_000, 16, &[100, 0, 200, 0, 0xff, 0x7f, 0xff, 0x7f]), &[150, 32_767]),
            ("µ-law", wav(7, 1, 8_000, 8, &[0xff, 0x00]), &[0, -32_124]),
        ];
        for (name, file, expected) in rows {
            let shape = Shape::read(&file).unwrap();
            let from = usize::try_from(shape.from).unwrap();
            let mut out = Vec::new();
            shape.decode(&file[from..], &mut out);
            assert_eq!((out.as_slice(), shape.samples()), (expected, expected.len() as u64), "{name}");
        }
    }

    #[test]
    fn what_is_no_sound_is_named_with_what_it_is() {
        let rows = [
            (b"ID3\x04".to_vec(), SoundError::NotWav),
            (b"RIFF\0\0\0\0WAVE".to_vec(), SoundError::Missing("fmt ")),
            (wav(3, 1, 8_000, 32, &[0; 4]), SoundError::Encoding { format: 3, bits: 32 }),
            (wav(1, 6, 8_000, 16, &[0; 12]), SoundError::Channels(6)),
            (wav(1, 1, 1_000, 16, &[0; 2]), SoundError::Rate(1_000)),
            (wav(1, 1, 8_000, 16, &[]), SoundError::Empty),
            (wav(1, 1, 8_000, 16, &[])[..40].to_vec(), SoundError::Missing("data")),
        ];
        for (bytes, expected) in rows {
            assert_eq!(Shape::read(&bytes), Err(expected));
        }
    }

    #[test]
    fn every_rate_comes_out_with_its_length_and_its_tone_however_it_is_cut() {
        for from in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
            let second = usize::try_from(from).unwrap();
            let whole = tone(1_000.0, from, second);
            let mut outs = Vec::new();
            for cut in [1, 7, 4_096, second] {
                let (mut converter, mut out) = (Converter::new(Rate(from), Rate::NARROW), Vec::new());
                whole.chunks(cut).for_each(|part| converter.convert(part, &mut out));
                converter.finish(&mut out);
                outs.push(out);
            }
            assert!(outs.iter().all(|out| *out == outs[0]), "{from}: the same however it is cut");
            let out = &outs[0];
            assert!((7_999..=8_001).contains(&out.len()), "{from}: {} samples", out.len());
            // What is left when the tone is taken out, against the tone.
            let (mut re, mut im) = (0.0, 0.0);
            let middle = &out[1_000..7_000];
            for (at, sample) in middle.iter().enumerate() {
                let angle = std::f64::consts::TAU * at as f64 / 8.0;
                re += f64::from(*sample) * angle.cos();
                im += f64::from(*sample) * angle.sin();
            }
            let amplitude = re.hypot(im) * 2.0 / middle.len() as f64;
            assert!((7_600.0..8_400.0).contains(&amplitude), "{from}: amplitude {amplitude}");
        }
    }
}
