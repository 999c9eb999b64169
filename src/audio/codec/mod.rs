//! Codecs behind two traits. A stream has one decoder or encoder, made when it begins; after that
//! nothing is allocated.
//!
//! ```text
//! payload ─► Decode (in the codec's rate) ─► Resampler ─► samples at the rate that is wanted
//! samples ─► Resampler ─► Encode ─► payload
//! ```
//! What comes from the network is measured by [`Coding::ticks`] before a library sees it, and a
//! panic of a library is caught here: the stream's state is made anew, the payload is malformed.

mod g711;
mod g722;
mod g729;
mod opus;
#[cfg(test)]
mod tests;

use super::conceal::Concealer;
use super::{Coding, Resampler};
use crate::base::Rate;
use thiserror::Error;

/// Samples of one channel that a payload decodes to at most: 120 ms at 48 kHz.
pub const MOST_SAMPLES: usize = 5_760;
/// Bytes of a payload of ours at most.
pub const MOST_PAYLOAD: usize = 1_276;

/// A payload that cannot be decoded, or samples that cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    #[error("{bytes} bytes are no payload of this codec")]
    Malformed { bytes: usize },
    #[error("{samples} samples are no frame of this codec")]
    FrameLength { samples: usize },
    #[error("there is no room for the result")]
    NoRoom,
}

/// Turns the payloads of one stream, in order, into samples of one channel.
pub trait Decode: Send {
    /// Decodes a payload; returns how many samples were written.
    ///
    /// # Errors
    /// When the payload is malformed. The next one can be decoded again.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError>;

    /// Fills all of `out` for payloads that were lost. `next` is the payload behind them, which
    /// may carry a second copy (Opus FEC); it has to be decoded afterwards all the same.
    fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]);
}

/// Turns samples of one channel into the payloads of one stream.
pub trait Encode: Send {
    /// Encodes one packet's samples; returns how many bytes were written.
    ///
    /// # Errors
    /// When the codec has no frame of that length.
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError>;
}

/// A decoder whose samples come at `rate` (8, 16 or 48 kHz). `None`: the coding has no samples.
pub fn decoder(coding: Coding, rate: Rate) -> Option<Box<dyn Decode>> {
    let (decoder, native): (Box<dyn Decode>, Rate) = match coding {
        Coding::G711(law) => (Box::new(g711::Decoder::new(law)), Rate::NARROW),
        Coding::G722 => (Box::new(g722::Decoder::new()), Rate::WIDE),
        Coding::G729 => (Box::new(g729::Decoder::new()), Rate::NARROW),
        // It brings its own rates.
        Coding::Opus => return opus::Decoder::new(rate).map(|decoder| Box::new(decoder) as Box<dyn Decode>),
        Coding::Noise | Coding::Foreign { .. } => return None,
    };
    match native == rate {
        true => Some(decoder),
        false => Some(Box::new(Resampled {
            inner: decoder,
            resampler: Resampler::new(native, rate)?,
            native,
            rate,
            scratch: [0; MOST_SAMPLES],
        })),
    }
}

/// An encoder that takes samples at `rate`. `None`: the coding has no samples.
pub fn encoder(coding: Coding, rate: Rate) -> Option<Box<dyn Encode>> {
    let (encoder, native): (Box<dyn Encode>, Rate) = match coding {
        Coding::G711(law) => (Box::new(g711::Encoder::new(law)), Rate::NARROW),
        Coding::G722 => (Box::new(g722::Encoder::new()), Rate::WIDE),
        Coding::G729 => (Box::new(g729::Encoder::new()), Rate::NARROW),
        Coding::Opus => return opus::Encoder::new(rate).map(|encoder| Box::new(encoder) as Box<dyn Encode>),
        Coding::Noise | Coding::Foreign { .. } => return None,
    };
    match native == rate {
        true => Some(encoder),
        false => Some(Box::new(ResampledEncoder {
            inner: encoder,
            resampler: Resampler::new(rate, native)?,
            scratch: [0; MOST_SAMPLES],
        })),
    }
}

/// A decoder with a resampler behind it.
struct Resampled {
    inner: Box<dyn Decode>,
    resampler: Resampler,
    native: Rate,
    rate: Rate,
    scratch: [i16; MOST_SAMPLES],
}

impl Decode for Resampled {
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let decoded = self.inner.decode(payload, &mut self.scratch)?;
        let samples = self.scratch.get(..decoded).ok_or(CodecError::NoRoom)?;
        self.resampler.process(samples, out).ok_or(CodecError::NoRoom)
    }

    fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) {
        let wanted = out.len() * self.native.0 as usize / self.rate.0.max(1) as usize;
        let Some(samples) = self.scratch.get_mut(..wanted) else { return out.fill(0) };
        self.inner.conceal(next, samples);
        let written = self.resampler.process(samples, out).unwrap_or(0);
        out.iter_mut().skip(written).for_each(|sample| *sample = 0);
    }
}

/// An encoder with a resampler before it.
struct ResampledEncoder {
    inner: Box<dyn Encode>,
    resampler: Resampler,
    scratch: [i16; MOST_SAMPLES],
}

impl Encode for ResampledEncoder {
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let count = self.resampler.process(samples, &mut self.scratch).ok_or(CodecError::NoRoom)?;
        self.inner.encode(self.scratch.get(..count).ok_or(CodecError::NoRoom)?, out)
    }
}
