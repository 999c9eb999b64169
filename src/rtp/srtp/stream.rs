//! One SSRC's packet indices: the rollover counter guessed, replays refused (RFC 3711 §3.3).

use super::SrtpError;

/// How far behind the newest packet another is still taken; RFC 3711 §3.3.2 asks for 64.
const WINDOW: u32 = u128::BITS;
/// Streams of one sender that are remembered. A phone has one; a gateway changes it with each
/// announcement.
const STREAMS: usize = 8;

/// What has come of one SSRC.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    ssrc: u32,
    /// The highest index so far.
    highest: u64,
    /// Bit n: the packet with index `highest − n` has come.
    window: u128,
}

impl Stream {
    const fn new(ssrc: u32, index: u64) -> Self {
        Stream { ssrc, highest: index, window: 0 }
    }

    /// The index that `sequence` most probably has (RFC 3711 §3.3.1): the nearest to the highest.
    pub fn guess(&self, sequence: u16) -> u64 {
        let behind = (self.highest as u16).wrapping_sub(sequence);
        if behind < 0x8000 {
            // Older than the first packet: it cannot be, and fails authentication as this.
            return self.highest.checked_sub(u64::from(behind)).unwrap_or(u64::from(sequence));
        }
        self.highest + u64::from(sequence.wrapping_sub(self.highest as u16))
    }

    /// # Errors
    /// When `index` has been taken before, or is older than the window.
    pub fn check(&self, index: u64) -> Result<(), SrtpError> {
        let Some(behind) = self.highest.checked_sub(index) else { return Ok(()) };
        let bit = u32::try_from(behind).ok().filter(|behind| *behind < WINDOW).map(|behind| 1u128 << behind);
        match bit {
            Some(bit) if self.window & bit == 0 => Ok(()),
            Some(_) | None => Err(SrtpError::Replayed { index }),
        }
    }

    fn take(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                let shifted = u32::try_from(ahead).ok().and_then(|ahead| self.window.checked_shl(ahead));
                self.window = shifted.unwrap_or(0) | 1;
                self.highest = index;
            }
            None => {
                let behind = u32::try_from(self.highest - index).unwrap_or(WINDOW);
                self.window |= 1u128.checked_shl(behind).unwrap_or(0);
            }
        }
    }
}

/// The streams under one key, the one that was heard last in front.
#[derive(Clone, Debug, Default)]
pub struct Streams([Option<Stream>; STREAMS]);

impl Streams {
    pub fn get(&self, ssrc: u32) -> Option<&Stream> {
        self.0.iter().flatten().find(|stream| stream.ssrc == ssrc)
    }

    /// Takes note of a packet that was authentic, or that we protected. Where all places are
    /// taken the stream that was silent longest is forgotten.
    pub fn take(&mut self, ssrc: u32, index: u64) {
        let at = self.0.iter().position(|stream| stream.is_some_and(|stream| stream.ssrc == ssrc));
        let up_to = at.unwrap_or(STREAMS - 1);
        if up_to > 0
            && let Some(front) = self.0.get_mut(..=up_to)
        {
            front.rotate_right(1);
        }
        let Some(first) = self.0.first_mut() else { return };
        let stream = match first {
            Some(stream) if stream.ssrc == ssrc => stream,
            Some(_) | None => first.insert(Stream::new(ssrc, index)),
        };
        stream.take(index);
    }

    /// After a new key the counters go on (RFC 3711 §3.3.1), and nothing has been seen under it.
    pub fn rekeyed(&self) -> Self {
        Streams(self.0.map(|stream| stream.map(|stream| Stream { window: 0, ..stream })))
    }
}
