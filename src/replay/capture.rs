//! The datagrams of a capture, one after the other, without copying them; SIP over TCP as if each
//! message were one.
//!
//! ```text
//! file ─► window (1 MiB) ─► frames (pcap, pcapng) ─► packet (link, IP) ─┬─► UDP ──────────────┬─► Datagram
//!                                                        fragments ◄────┤  (joined) ──────────┤
//!                                                        streams ◄──────┴─► TCP: messages ────┘
//! ```
//!
//! Memory does not grow with the file. What is neither UDP nor SIP is counted by its reason and
//! read over; only a file whose records cannot be told apart any more is an error.

pub use super::writer::{CaptureWriter, Resolution};

use super::fragments::{Joined, Joiner};
use super::frames::{Frame, Frames, Record};
use super::packet::{Packet, Segment, Udp, open, open_whole};
use super::streams::{Heard, Of, Streams};
use crate::base::Wall;
use std::collections::VecDeque;
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
    /// ICMP and the like.
    NotUdp,
    /// TCP that carries no SIP.
    NotSip,
    /// A part of an IP packet whose other parts are missing or contradict it.
    Fragment,
    /// A place in a TCP stream of SIP where segments are missing, or no message can be told.
    Gap,
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
    pub not_sip: u64,
    pub fragments: u64,
    pub gaps: u64,
    pub truncated: u64,
    pub malformed: u64,
    pub unknown_link: u64,
}

impl Skipped {
    pub fn total(&self) -> u64 {
        let Skipped { not_ip, not_udp, not_sip, fragments, gaps, truncated, malformed, unknown_link } = self;
        not_ip + not_udp + not_sip + fragments + gaps + truncated + malformed + unknown_link
    }

    fn count(&mut self, reason: Reason) {
        self.add(reason, 1);
    }

    fn add(&mut self, reason: Reason, count: u64) {
        let counter = match reason {
            Reason::NotIp => &mut self.not_ip,
            Reason::NotUdp => &mut self.not_udp,
            Reason::NotSip => &mut self.not_sip,
            Reason::Fragment => &mut self.fragments,
            Reason::Gap => &mut self.gaps,
            Reason::Truncated => &mut self.truncated,
            Reason::Malformed => &mut self.malformed,
            Reason::UnknownLink => &mut self.unknown_link,
        };
        *counter += count;
    }
}

/// A UDP datagram, or a SIP message that came over TCP, lent until the next one is asked for.
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
    joiner: Joiner,
    streams: Streams,
    /// Messages that one frame completed.
    heard: VecDeque<Heard>,
    /// What is lent and lies in no frame.
    whole: Vec<u8>,
    last: Wall,
}

/// A datagram and where its payload is.
struct Found {
    at: Wall,
    src: SocketAddr,
    dst: SocketAddr,
    payload: Place,
}

enum Place {
    Window(Range<usize>),
    /// In what was joined of fragments.
    Whole(Range<usize>),
    /// Taken out of a stream.
    Stream(Heard),
}

/// Where `part` lies in the bytes that it was borrowed from.
fn place_of(part: &[u8], bytes: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
    start..start + part.len()
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
        Ok(Capture {
            frames: Frames::new(source)?,
            size,
            skipped: Skipped::default(),
            joiner: Joiner::default(),
            streams: Streams::default(),
            heard: VecDeque::new(),
            whole: Vec::new(),
            last: Wall::default(),
        })
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
        let payload = match payload {
            Place::Window(place) => self.frames.window.at(place),
            Place::Whole(place) => self.whole.get(place).unwrap_or_default(),
            Place::Stream(heard) => {
                self.whole.clear();
                self.whole.extend_from_slice(&heard.bytes);
                &self.whole
            }
        };
        Some(Ok(Datagram { at, src, dst, payload }))
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
            if let Some(heard) = self.heard.pop_front() {
                let Heard { at, src, dst, .. } = heard;
                return Ok(Some(Found { at, src, dst, payload: Place::Stream(heard) }));
            }
            match self.frames.next()? {
                Record::End => {
                    self.end();
                    if self.heard.is_empty() {
                        return Ok(None);
                    }
                }
                Record::Skipped(reason) => self.skipped.count(reason),
                Record::Frame(frame) => {
                    self.let_pass(frame.at);
                    match self.open_frame(&frame) {
                        Ok(Some(found)) => return Ok(Some(found)),
                        Ok(None) => {}
                        Err(reason) => self.skipped.count(reason),
                    }
                }
            }
        }
    }

    /// A datagram; `None` where the frame belongs to a packet or stream that is put together.
    fn open_frame(&mut self, frame: &Frame) -> Result<Option<Found>, Reason> {
        let bytes = self.frames.window.at(frame.place.clone());
        let opened = open(frame.link, bytes).map_err(|reason| match reason {
            Reason::Malformed if frame.cut => Reason::Truncated,
            other => other,
        })?;
        let at = frame.at;
        match opened {
            Packet::Udp(Udp { src, dst, payload }) => {
                let place = place_of(payload, bytes);
                let place = frame.place.start + place.start..frame.place.start + place.end;
                Ok(Some(Found { at, src, dst, payload: Place::Window(place) }))
            }
            Packet::Tcp(segment) => {
                let mut out = Vec::new();
                let of = self.streams.take(at, &segment, &mut out);
                self.segment(of, out).map(|()| None)
            }
            Packet::Fragment(fragment) => {
                let of = fragment.of;
                let joined = self.joiner.take(at, fragment);
                self.skipped.add(Reason::Fragment, self.joiner.take_lost(false));
                match joined {
                    Joined::Waits => Ok(None),
                    Joined::Whole(whole) => {
                        self.whole = whole;
                        self.open_whole(at, of)
                    }
                }
            }
        }
    }

    fn open_whole(&mut self, at: Wall, of: super::packet::Whole) -> Result<Option<Found>, Reason> {
        match open_whole(of, &self.whole)? {
            Packet::Udp(Udp { src, dst, payload }) => {
                let place = place_of(payload, &self.whole);
                Ok(Some(Found { at, src, dst, payload: Place::Whole(place) }))
            }
            Packet::Tcp(segment @ Segment { .. }) => {
                let mut out = Vec::new();
                let of = self.streams.take(at, &segment, &mut out);
                self.segment(of, out).map(|()| None)
            }
            Packet::Fragment(_) => Err(Reason::Malformed),
        }
    }

    fn segment(&mut self, of: Of, heard: Vec<Heard>) -> Result<(), Reason> {
        self.heard.extend(heard);
        self.skipped.add(Reason::Gap, self.streams.take_lost());
        match of {
            Of::Sip | Of::Nothing => Ok(()),
            Of::Other => Err(Reason::NotSip),
        }
    }

    /// What a stream lacks for too long is not waited for any more.
    fn let_pass(&mut self, now: Wall) {
        self.last = now;
        if self.streams.due().is_some_and(|due| due <= now) {
            let mut out = Vec::new();
            self.streams.pass(now, &mut out);
            let _ = self.segment(Of::Nothing, out);
        }
    }

    fn end(&mut self) {
        let mut out = Vec::new();
        self.streams.finish(self.last, &mut out);
        let _ = self.segment(Of::Nothing, out);
        self.skipped.add(Reason::Fragment, self.joiner.take_lost(true));
    }
}

#[cfg(test)]
mod tests;
