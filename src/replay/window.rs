//! A fixed stretch of a file in memory, through which the whole file slides.

use std::io::{ErrorKind, Read, Result};
use std::ops::Range;

/// Records lie whole in the window, so nothing is copied out of it but the rest
/// of one record when it slides.
pub(super) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of `buffer` is read from the source and not consumed.
    unread: Range<usize>,
    /// Bytes of the source that have left the window.
    passed: u64,
}

impl<R: Read> Window<R> {
    pub fn new(source: R, capacity: usize) -> Self {
        Window { source, buffer: vec![0; capacity], unread: 0..0, passed: 0 }
    }

    /// What a record may have at most.
    pub fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes of the source that were consumed.
    pub fn position(&self) -> u64 {
        self.passed.saturating_add(self.unread.start as u64)
    }

    /// The bytes that are here and not consumed.
    pub fn unread(&self) -> &[u8] {
        self.at(self.unread.clone())
    }

    /// Bytes at a place that [`consume`](Self::consume) gave; they stay until the next `fill`.
    pub fn at(&self, place: Range<usize>) -> &[u8] {
        self.buffer.get(place).unwrap_or_default()
    }

    /// Reads until `wanted` bytes are here; false where the source ends before that.
    pub fn fill(&mut self, wanted: usize) -> Result<bool> {
        if self.unread.len() >= wanted {
            return Ok(true);
        }
        if wanted > self.buffer.len() {
            return Ok(false);
        }
        self.slide();
        while self.unread.len() < wanted {
            let space = self.buffer.get_mut(self.unread.end..).unwrap_or_default();
            match self.source.read(space) {
                Ok(0) => return Ok(false),
                Ok(count) => self.unread.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Steps over `count` bytes that are here and says where they lie.
    pub fn consume(&mut self, count: usize) -> Range<usize> {
        let from = self.unread.start;
        self.unread.start = from.saturating_add(count).min(self.unread.end);
        from..self.unread.start
    }

    /// Steps over `count` bytes, here or not; false where the source ends before that.
    pub fn skip(&mut self, mut count: u64) -> Result<bool> {
        while count > 0 {
            if !self.fill(1)? {
                return Ok(false);
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(self.unread.len());
            self.consume(step);
            count = count.saturating_sub(step as u64);
        }
        Ok(true)
    }

    fn slide(&mut self) {
        self.passed = self.position();
        let length = self.unread.len();
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..length;
    }
}
