//! G.722 at 64 kbit/s: a byte is two samples at 16 kHz.

use super::{CodecError, Concealer, Decode, Encode};
use crate::base::Rate;
use audio_codec::Encoder as _;
use audio_codec::g722::{G722Decoder, G722Encoder};

pub struct Decoder {
    inner: G722Decoder,
    concealer: Concealer,
}

impl Decoder {
    pub fn new() -> Self {
        Decoder { inner: G722Decoder::new(), concealer: Concealer::new(Rate::WIDE) }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let out = out.get_mut(..payload.len() * 2).ok_or(CodecError::NoRoom)?;
        let written = self.inner.decode_frame_into(payload, out).map_err(|_| CodecError::NoRoom)?;
        self.concealer.heard(out);
        Ok(written)
    }

    fn conceal(&mut self, _: Option<&[u8]>, out: &mut [i16]) {
        self.concealer.fill(out);
    }
}

pub struct Encoder(G722Encoder);

impl Encoder {
    pub fn new() -> Self {
        Encoder(G722Encoder::new())
    }
}

impl Encode for Encoder {
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        if !samples.len().is_multiple_of(2) {
            return Err(CodecError::FrameLength { samples: samples.len() });
        }
        self.0.encode_into(samples, out).map_err(|_| CodecError::NoRoom)
    }
}
