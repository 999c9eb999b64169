//! G.729 with annexes A and B: frames of 10 ms in 10 bytes, or two bytes of comfort noise.

use super::{CodecError, Decode, Encode};
use crate::audio::Coding;
use g729_sys::{FRAME_SAMPLES, VOICE_FRAME_BYTES};

pub struct Decoder(g729_sys::Decoder);

impl Decoder {
    pub fn new() -> Self {
        Decoder(g729_sys::Decoder::new())
    }

    fn frame(&mut self, bytes: &[u8], lost: bool, out: &mut [i16]) {
        let silence = bytes.len() == 2;
        let decoded = self.0.decode(bytes, lost, silence, false);
        for (sample, value) in out.iter_mut().zip(decoded) {
            *sample = value;
        }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let malformed = CodecError::Malformed { bytes: payload.len() };
        let samples = Coding::G729.ticks(payload).ok_or(malformed)? as usize;
        let out = out.get_mut(..samples).ok_or(CodecError::NoRoom)?;
        for (bytes, samples) in payload.chunks(VOICE_FRAME_BYTES).zip(out.chunks_mut(FRAME_SAMPLES)) {
            self.frame(bytes, false, samples);
        }
        Ok(samples)
    }

    fn conceal(&mut self, _: Option<&[u8]>, out: &mut [i16]) {
        for samples in out.chunks_mut(FRAME_SAMPLES) {
            self.frame(&[], true, samples);
        }
    }
}

pub struct Encoder(g729_sys::Encoder);

impl Encoder {
    pub fn new() -> Self {
        Encoder(g729_sys::Encoder::new(false))
    }
}

impl Encode for Encoder {
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        if samples.is_empty() || !samples.len().is_multiple_of(FRAME_SAMPLES) {
            return Err(CodecError::FrameLength { samples: samples.len() });
        }
        let length = samples.len() / FRAME_SAMPLES * VOICE_FRAME_BYTES;
        let out = out.get_mut(..length).ok_or(CodecError::NoRoom)?;
        for (frame, bytes) in samples.chunks_exact(FRAME_SAMPLES).zip(out.chunks_exact_mut(VOICE_FRAME_BYTES)) {
            let (Some(frame), Some(bytes)) = (frame.first_chunk(), bytes.first_chunk_mut()) else { continue };
            self.0.encode_into(frame, bytes);
        }
        Ok(length)
    }
}
