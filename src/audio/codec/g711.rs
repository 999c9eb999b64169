//! G.711: every byte by itself.

use super::{CodecError, Concealer, Decode, Encode};
use crate::audio::Law;
use crate::base::Rate;

pub struct Decoder {
    law: Law,
    concealer: Concealer,
}

impl Decoder {
    pub fn new(law: Law) -> Self {
        Decoder { law, concealer: Concealer::new(Rate::NARROW) }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let out = out.get_mut(..payload.len()).ok_or(CodecError::NoRoom)?;
        for (sample, byte) in out.iter_mut().zip(payload) {
            *sample = self.law.decode(*byte);
        }
        self.concealer.heard(out);
        Ok(payload.len())
    }

    fn conceal(&mut self, _: Option<&[u8]>, out: &mut [i16]) {
        self.concealer.fill(out);
    }
}

pub struct Encoder(Law);

impl Encoder {
    pub const fn new(law: Law) -> Self {
        Encoder(law)
    }
}

impl Encode for Encoder {
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let out = out.get_mut(..samples.len()).ok_or(CodecError::NoRoom)?;
        for (byte, sample) in out.iter_mut().zip(samples) {
            *byte = self.0.encode(*sample);
        }
        Ok(samples.len())
    }
}
