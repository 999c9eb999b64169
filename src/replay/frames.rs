//! The records of a capture file: link-layer frames with their times.
//!
//! Framing is done here, record by record, so that a damaged one costs itself only
//! where the format allows; `pcap-parser` opens the single record.

use super::capture::{CaptureError, Reason};
use super::packet::Link;
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::window::Window;
use crate::base::Wall;
use std::io::Read;
use std::ops::Range;

/// Tools capture 262,144 bytes of a packet at most; a record that is longer than this is damage.
const WINDOW: usize = 1024 * 1024;

/// A frame that lies in the window until the next one is asked for.
pub(super) struct Frame {
    pub at: Wall,
    pub link: Link,
    pub place: Range<usize>,
    /// The capture kept only its beginning.
    pub cut: bool,
}

pub(super) enum Record {
    Frame(Frame),
    Skipped(Reason),
    End,
}

/// A file that gives its frames in order.
pub(super) struct Frames<R> {
    pub window: Window<R>,
    format: Format,
}

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl<R: Read> Frames<R> {
    pub fn new(source: R) -> Result<Self, CaptureError> {
        let mut window = Window::new(source, WINDOW);
        window.fill(super::pcap::HEADER)?;
        let format = if PcapNg::begins(window.unread()) {
            Format::PcapNg(PcapNg::default())
        } else {
            Format::Pcap(Pcap::open(&mut window)?)
        };
        Ok(Frames { window, format })
    }

    pub fn next(&mut self) -> Result<Record, CaptureError> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.window),
            Format::PcapNg(sections) => sections.next(&mut self.window),
        }
    }
}

/// A record that the file ends in the middle of is lost; a file that ends between two is just over.
pub(super) fn end_of_file<R: Read>(window: &mut Window<R>) -> Record {
    let rest = window.unread().len();
    window.consume(rest);
    if rest == 0 { Record::End } else { Record::Skipped(Reason::Truncated) }
}

/// The 32-bit number at `at`.
pub(super) fn word(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(if big_endian { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) })
}
