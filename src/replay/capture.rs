//! The datagrams of a capture, one after the other, without copying them.
//!
//! ```text
//! file ─► window (1 MiB) ─► frames (pcap, pcapng) ─► packet (link, IP, UDP) ─► Datagram
//! ```
//!
//! Memory does not grow with the file. What is not a whole UDP datagram is counted
//! by its reason and read over; only a file whose records cannot be told apart any
//! more is an error.

pub use super::writer::{CaptureWriter, Resolution};

use super::frames::{Frame, Frames, Record};
use super::packet::udp;
use crate::base::Wall;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a capture cannot be read, or not further, or not written.
#[derive(Debug, Error)]
pub enum CaptureError {
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("cannot read the capture: {0}")]
    Read(#[from] std::io::Error),
    #[error("cannot write the capture: {0}")]
    Write(std::io::Error),
    #[error("not a pcap or pcapng file: it begins with {0:02x?}")]
    NotACapture(Vec<u8>),
    #[error("link type {0} is not supported (Ethernet, raw IP, loopback and Linux cooked are)")]
    LinkType(i32),
    #[error("damaged at byte {at}: a record of {length} bytes")]
    Record { at: u64, length: u32 },
    #[error("{src} and {dst} are of two address families")]
    MixedFamilies { src: SocketAddr, dst: SocketAddr },
    #[error("{bytes} bytes do not fit a datagram")]
    TooLong { bytes: usize },
}

/// Why a packet is not among the datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// ARP, spanning tree and the like.
    NotIp,
    /// TCP, ICMP and the like.
    NotUdp,
    /// A part of an IP packet that was sent in parts.
    Fragment,
    /// The capture, or the file, has only its beginning.
    Truncated,
    /// Headers that contradict each other or the packet's length.
    Malformed,
    /// Captured on a kind of interface that we do not know.
    UnknownLink,
}

/// Packets that were read over, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub not_ip: u64,
    pub not_udp: u64,
    pub fragments: u64,
    pub truncated: u64,
    pub malformed: u64,
    pub unknown_link: u64,
}

impl Skipped {
    pub fn total(&self) -> u64 {
        let Skipped { not_ip, not_udp, fragments, truncated, malformed, unknown_link } = self;
        not_ip + not_udp + fragments + truncated + malformed + unknown_link
    }

    fn count(&mut self, reason: Reason) {
        let counter = match reason {
            Reason::NotIp => &mut self.not_ip,
            Reason::NotUdp => &mut self.not_udp,
            Reason::Fragment => &mut self.fragments,
            Reason::Truncated => &mut self.truncated,
            Reason::Malformed => &mut self.malformed,
            Reason::UnknownLink => &mut self.unknown_link,
        };
        *counter += 1;
    }
}

/// A UDP datagram, lent until the next one is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// When it was captured.
    pub at: Wall,
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub payload: &'a [u8],
}

/// A capture file that is being read.
pub struct Capture<R: Read = File> {
    frames: Frames<R>,
    size: u64,
    skipped: Skipped,
}

/// A datagram whose payload stays in the window.
struct Found {
    at: Wall,
    src: SocketAddr,
    dst: SocketAddr,
    payload: Range<usize>,
}

impl Capture<File> {
    /// Opens a pcap or pcapng file; which of them it is, its first bytes say.
    ///
    /// # Errors
    /// When the file cannot be opened or is no capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let path = path.as_ref();
        let refused = |source| CaptureError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(refused)?;
        let size = file.metadata().map_err(refused)?.len();
        Self::from_reader(file, size)
    }
}

impl<R: Read> Capture<R> {
    /// Reads a capture of `size` bytes (0: not known). No need to buffer `source`.
    ///
    /// # Errors
    /// When it is no capture.
    pub fn from_reader(source: R, size: u64) -> Result<Self, CaptureError> {
        Ok(Capture { frames: Frames::new(source)?, size, skipped: Skipped::default() })
    }

    /// The next datagram; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged so that no next record can be found.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Option<Result<Datagram<'_>, CaptureError>> {
        let found = match self.find() {
            Ok(found) => found?,
            Err(error) => return Some(Err(error)),
        };
        let Found { at, src, dst, payload } = found;
        Some(Ok(Datagram { at, src, dst, payload: self.frames.window.at(payload) }))
    }

    /// What was read over so far.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Bytes of the file that are behind us.
    pub fn position(&self) -> u64 {
        self.frames.window.position()
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn find(&mut self) -> Result<Option<Found>, CaptureError> {
        loop {
            match self.frames.next()? {
                Record::End => return Ok(None),
                Record::Skipped(reason) => self.skipped.count(reason),
                Record::Frame(frame) => match self.open_frame(&frame) {
                    Ok(found) => return Ok(Some(found)),
                    Err(reason) => self.skipped.count(reason),
                },
            }
        }
    }

    fn open_frame(&self, frame: &Frame) -> Result<Found, Reason> {
        let bytes = self.frames.window.at(frame.place.clone());
        let opened = udp(frame.link, bytes).map_err(|reason| match reason {
            Reason::Malformed if frame.cut => Reason::Truncated,
            other => other,
        })?;
        // The payload is a part of `bytes`: the difference is where it begins there.
        let offset = opened.payload.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
        let start = frame.place.start + offset;
        Ok(Found { at: frame.at, src: opened.src, dst: opened.dst, payload: start..start + opened.payload.len() })
    }
}

#[cfg(test)]
mod tests;
