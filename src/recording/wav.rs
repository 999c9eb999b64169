//! The bytes of a `.wav`: `hound` writes header and samples into a block buffer, the chunks
//! after the audio and the sizes are ours.

use super::timeline::Stereo;
use crate::audio::mix;
use crate::audio::wav::{Cue, DATA_OFFSET, sizes, trailer};
use crate::base::Side;
use crate::ledger::Channels;
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::io::{self, Seek, SeekFrom, Write};
use std::rc::Rc;

thread_local! {
    /// A block's buffer between two uses.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What of the two parties stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A channel each.
    Stereo,
    /// Both on one channel, each at half its level.
    Mixed,
    /// One of them, as it was sent.
    Alone(Side),
}

impl Layout {
    pub const fn of(channels: Channels) -> Self {
        match channels {
            Channels::Stereo => Layout::Stereo,
            Channels::Mono => Layout::Mixed,
        }
    }

    pub const fn channels(self) -> Channels {
        match self {
            Layout::Stereo => Channels::Stereo,
            Layout::Mixed | Layout::Alone(_) => Channels::Mono,
        }
    }
}

/// What `hound` has written and nobody has taken yet: one run of bytes from `start` on.
#[derive(Debug, Default)]
struct Block {
    start: u64,
    bytes: Vec<u8>,
    at: u64,
}

/// The writer behind `hound`. It only ever appends: the sizes in the header are patched by
/// [`seal`] when the file is complete.
#[derive(Clone, Debug, Default)]
struct BlockWriter(Rc<RefCell<Block>>);

impl Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut block = self.0.borrow_mut();
        if block.at == block.start + block.bytes.len() as u64 {
            block.bytes.extend_from_slice(bytes);
        }
        block.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for BlockWriter {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut block = self.0.borrow_mut();
        let end = block.start + block.bytes.len() as u64;
        block.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => end.saturating_add_signed(by),
            SeekFrom::Current(by) => block.at.saturating_add_signed(by),
        };
        Ok(block.at)
    }
}

/// One `.wav` that grows.
pub struct Wav {
    hound: hound::WavWriter<BlockWriter>,
    block: BlockWriter,
    audio: Sha256,
    layout: Layout,
    frames: u64,
    saved: u64,
    patched: bool,
}

impl Wav {
    /// A file of 16-bit samples.
    pub fn new(rate: u32, layout: Layout) -> io::Result<Self> {
        let spec = hound::WavSpec {
            channels: layout.channels().count(),
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let block = BlockWriter::default();
        let hound = hound::WavWriter::new(block.clone(), spec).map_err(io_error)?;
        Ok(Wav { hound, block, audio: Sha256::new(), layout, frames: 0, saved: 0, patched: false })
    }

    /// Appends samples.
    pub fn append(&mut self, frames: &[Stereo]) -> io::Result<()> {
        let samples = frames.len() * usize::from(self.layout.channels().count());
        let count = u32::try_from(samples).map_err(|_| io::Error::other("a block of more than 2^31 samples"))?;
        let mut writer = self.hound.get_i16_writer(count);
        match self.layout {
            Layout::Stereo => frames.iter().flatten().for_each(|sample| writer.write_sample(*sample)),
            Layout::Mixed => frames.iter().for_each(|[one, other]| writer.write_sample(mix(*one, *other))),
            Layout::Alone(Side::Caller) => frames.iter().for_each(|[one, _]| writer.write_sample(*one)),
            Layout::Alone(Side::Callee) => frames.iter().for_each(|[_, other]| writer.write_sample(*other)),
        }
        writer.flush().map_err(io_error)?;
        self.frames += frames.len() as u64;
        Ok(())
    }

    /// What has to be written to the file since the last call: offset and bytes.
    pub fn take_block(&mut self, write: impl FnOnce(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut block = self.block.0.borrow_mut();
        if block.bytes.is_empty() {
            return Ok(());
        }
        let audio_from = usize::try_from(DATA_OFFSET.saturating_sub(block.start)).unwrap_or(0).min(block.bytes.len());
        write(block.start, &block.bytes)?;
        let audio = block.bytes.get(audio_from..).unwrap_or(&[]);
        self.audio.update(audio);
        self.saved += audio.len() as u64 / self.layout.channels().frame_bytes();
        block.start += block.bytes.len() as u64;
        // Between two writes a recording needs no block: one serves all of a thread.
        let mut bytes = std::mem::take(&mut block.bytes);
        bytes.clear();
        SPARE.set(bytes);
        Ok(())
    }

    /// Samples of one channel that were written without an error.
    pub const fn saved(&self) -> u64 {
        self.saved
    }

    /// Samples of one channel so far.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes that were already written have changed: the running digest is void.
    pub const fn mark_patched(&mut self) {
        self.patched = true;
    }

    /// SHA-256 of the audio, hex; `None` when it has to be read again.
    pub fn audio_sha256(&self) -> Option<String> {
        (!self.patched).then(|| hex::encode(self.audio.clone().finalize()))
    }
}

fn io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// Puts one party's samples into interleaved bytes that were read back from the file.
pub fn merge(bytes: &mut [u8], side: Side, samples: &[i16]) {
    for (frame, sample) in bytes.chunks_exact_mut(4).zip(samples) {
        let place = match side {
            Side::Caller => frame.first_chunk_mut::<2>(),
            Side::Callee => frame.last_chunk_mut::<2>(),
        };
        if let Some(place) = place {
            *place = sample.to_le_bytes();
        }
    }
}

/// Offset of a sample in the file.
pub const fn offset_of(position: u64, channels: Channels) -> u64 {
    DATA_OFFSET + position * channels.frame_bytes()
}

/// What completes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Written at the end of the audio.
    pub trailer: Vec<u8>,
    /// Offsets and bytes of the two sizes in the header.
    pub sizes: [(u64, [u8; 4]); 2],
}

/// Chunks and sizes for a finished file whose audio has `frames` samples per channel.
pub fn seal(frames: u64, channels: Channels, cues: &[Cue], info: &[([u8; 4], String)]) -> Seal {
    let trailer = trailer(cues, info);
    let sizes = sizes(frames * channels.frame_bytes(), trailer.len() as u64);
    Seal { trailer, sizes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hound_writes_the_header_that_the_offsets_stand_on_and_reads_the_sealed_file() {
        let mut wav = Wav::new(8_000, Layout::Stereo).unwrap();
        let mut file = Vec::new();
        for block in 0..3i16 {
            let frames: Vec<Stereo> = (0..100).map(|n| [block * 100 + n, -n]).collect();
            wav.append(&frames).unwrap();
            wav.take_block(|offset, bytes| {
                assert_eq!(offset as usize, file.len());
                file.extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(file.len() as u64, offset_of(300, Channels::Stereo));
        assert_eq!(wav.audio_sha256().unwrap(), hex::encode(Sha256::digest(&file[44..])));
        let seal = seal(
            wav.frames(),
            Channels::Stereo,
            &[Cue { at: 5, length: 7, text: "pause".into() }],
            &[(*b"ISFT", "Telegraphone".into())],
        );
        file.extend(&seal.trailer);
        for (offset, bytes) in seal.sizes {
            file[offset as usize..offset as usize + 4].copy_from_slice(&bytes);
        }
        let reader = hound::WavReader::new(&file[..]).unwrap();
        assert_eq!(reader.duration(), 300);
        let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
        assert_eq!(samples[2 * 299], 299);
        assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize, file.len() - 8);
    }

    #[test]
    fn a_patch_changes_one_channel_only() {
        let mut bytes = vec![1, 2, 3, 4, 5, 6, 7, 8];
        merge(&mut bytes, Side::Callee, &[0, -1]);
        assert_eq!(bytes, [1, 2, 0, 0, 5, 6, 0xff, 0xff]);
    }
}
