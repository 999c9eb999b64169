//! Opus (RFC 6716). It decodes to and encodes from 8, 16 and 48 kHz by itself; a stereo payload
//! becomes one channel.

use super::{CodecError, Decode, Encode, MOST_PAYLOAD, MOST_SAMPLES};
use crate::audio::Coding;
use crate::base::Rate;
use opus_rs::{Application, OpusDecoder, OpusEncoder};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bits per second for 8 kHz, and for more.
const NARROW_BITS: i32 = 16_000;
const WIDE_BITS: i32 = 28_000;
/// Of 10. More costs twice the time and is hardly heard in speech.
const COMPLEXITY: i32 = 1;
/// Stretches of this length can be concealed: 2.5 ms.
const PER_SECOND: usize = 400;
/// So long the library makes something up, in parts of a second; a longer loss is silence.
const CONCEALED: usize = 10;

pub struct Decoder {
    inner: OpusDecoder,
    rate: Rate,
    /// Samples that were made up since something was heard.
    made: usize,
    scratch: [f32; MOST_SAMPLES],
}

fn new_decoder(rate: Rate) -> Option<OpusDecoder> {
    OpusDecoder::new(i32::try_from(rate.0).ok()?, 1).ok()
}

impl Decoder {
    pub fn new(rate: Rate) -> Option<Self> {
        Some(Decoder { inner: new_decoder(rate)?, rate, made: 0, scratch: [0.0; MOST_SAMPLES] })
    }

    /// Runs the library. Where it panics its state is worthless: it is made anew.
    fn guarded(&mut self, work: impl FnOnce(&mut OpusDecoder, &mut [f32]) -> Option<usize>) -> Option<usize> {
        let (inner, scratch) = (&mut self.inner, self.scratch.as_mut_slice());
        match catch_unwind(AssertUnwindSafe(|| work(inner, scratch))) {
            Ok(written) => written,
            Err(_) => {
                self.inner = new_decoder(self.rate)?;
                None
            }
        }
    }

    fn copy(&self, count: usize, out: &mut [i16]) -> Result<usize, CodecError> {
        let out = out.get_mut(..count).ok_or(CodecError::NoRoom)?;
        for (sample, value) in out.iter_mut().zip(&self.scratch) {
            *sample = (value * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
        }
        Ok(count)
    }
}

impl Decode for Decoder {
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let malformed = CodecError::Malformed { bytes: payload.len() };
        let ticks = Coding::Opus.ticks(payload).ok_or(malformed)?;
        let samples = (u64::from(ticks) * u64::from(self.rate.0) / u64::from(Rate::FULL.0)) as usize;
        let count = self.guarded(|inner, scratch| inner.decode(payload, samples, scratch.get_mut(..samples)?).ok());
        self.made = 0;
        self.copy(count.filter(|count| *count == samples).ok_or(malformed)?, out)
    }

    fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) {
        let step = self.rate.0 as usize / PER_SECOND;
        let samples = (out.len() / step.max(1) * step).min(MOST_SAMPLES);
        self.made += samples;
        if self.made > self.rate.0 as usize / CONCEALED && next.is_none() {
            return out.fill(0);
        }
        let copy = next.filter(|next| Coding::Opus.ticks(next).is_some());
        let done = self.guarded(|inner, scratch| {
            let scratch = scratch.get_mut(..samples)?;
            match copy {
                Some(next) => inner.decode_fec(next, samples, scratch).ok(),
                None => inner.decode(&[], samples, scratch).ok(),
            }
        });
        let written = done.and_then(|count| self.copy(count.min(samples), out).ok()).unwrap_or(0);
        out.iter_mut().skip(written).for_each(|sample| *sample = 0);
    }
}

pub struct Encoder {
    inner: OpusEncoder,
    rate: Rate,
}

fn new_encoder(rate: Rate) -> Option<OpusEncoder> {
    let mut inner = OpusEncoder::new(i32::try_from(rate.0).ok()?, 1, Application::Voip).ok()?;
    inner.bitrate_bps = if rate == Rate::NARROW { NARROW_BITS } else { WIDE_BITS };
    inner.complexity = COMPLEXITY;
    inner.use_cbr = false;
    Some(inner)
}

impl Encoder {
    pub fn new(rate: Rate) -> Option<Self> {
        Some(Encoder { inner: new_encoder(rate)?, rate })
    }
}

impl Encode for Encoder {
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let wrong = CodecError::FrameLength { samples: samples.len() };
        let room = out.len().min(MOST_PAYLOAD);
        let out = out.get_mut(..room).ok_or(CodecError::NoRoom)?;
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| inner.encode_i16(samples, samples.len(), out))) {
            Ok(encoded) => encoded.map_err(|_| wrong),
            Err(_) => {
                self.inner = new_encoder(self.rate).ok_or(wrong)?;
                Err(wrong)
            }
        }
    }
}
