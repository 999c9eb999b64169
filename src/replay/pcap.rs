//! pcap: one header, then packets of one interface in one byte order.

use super::capture::{CaptureError, Reason};
use super::frames::{Frame, Record, end_of_file, word};
use super::packet::Link;
use super::window::Window;
use crate::base::Wall;
use pcap_parser::{parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header};
use std::io::Read;

/// Bytes of the file's header.
pub(super) const HEADER: usize = 24;

/// What the header says of all packets.
pub(super) struct Pcap {
    order: Order,
    nanoseconds: bool,
    link: Link,
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
    /// Little, with 8 more bytes per packet (an old patched libpcap).
    Modified,
}

impl Order {
    /// Bytes before each packet.
    const fn header(self) -> usize {
        match self {
            Order::Little | Order::Big => 16,
            Order::Modified => 24,
        }
    }
}

impl Pcap {
    pub fn open<R: Read>(window: &mut Window<R>) -> Result<Self, CaptureError> {
        let bytes = window.unread();
        let Ok((_, header)) = parse_pcap_header(bytes) else {
            return Err(CaptureError::NotACapture(bytes.iter().take(4).copied().collect()));
        };
        // The highest bits say how long a frame check sequence is.
        let link_type = header.network.0 & 0x03ff_ffff;
        let order = match (header.is_modified_format(), header.is_bigendian()) {
            (true, _) => Order::Modified,
            (false, true) => Order::Big,
            (false, false) => Order::Little,
        };
        let link = Link::of_type(link_type).ok_or(CaptureError::LinkType(link_type))?;
        window.consume(HEADER);
        Ok(Pcap { order, nanoseconds: header.is_nanosecond_precision(), link })
    }

    pub fn next<R: Read>(&self, window: &mut Window<R>) -> Result<Record, CaptureError> {
        let header = self.order.header();
        if !window.fill(header)? {
            return Ok(end_of_file(window));
        }
        let big_endian = matches!(self.order, Order::Big);
        let length = word(window.unread(), 8, big_endian).unwrap_or(0);
        let whole = header.saturating_add(length as usize);
        if whole > window.capacity() {
            return Err(CaptureError::Record { at: window.position(), length });
        }
        if !window.fill(whole)? {
            return Ok(end_of_file(window));
        }
        let parse = match self.order {
            Order::Little => parse_pcap_frame,
            Order::Big => parse_pcap_frame_be,
            Order::Modified => parse_pcap_frame_modified,
        };
        let Ok((_, packet)) = parse(window.unread()) else {
            window.consume(whole);
            return Ok(Record::Skipped(Reason::Malformed));
        };
        let at = self.time(packet.ts_sec, packet.ts_usec);
        let cut = packet.caplen < packet.origlen;
        let record = window.consume(whole);
        Ok(Record::Frame(Frame { at, link: self.link, place: record.start + header..record.end, cut }))
    }

    fn time(&self, seconds: u32, fraction: u32) -> Wall {
        let micros = if self.nanoseconds { fraction / 1_000 } else { fraction };
        Wall::from_unix_micros(i64::from(seconds) * 1_000_000 + i64::from(micros))
    }
}
