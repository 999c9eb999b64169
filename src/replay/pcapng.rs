//! pcapng: sections of blocks, each section with its byte order and interfaces.

use super::capture::{CaptureError, Reason};
use super::frames::{Frame, Record, end_of_file, word};
use super::packet::Link;
use super::window::Window;
use crate::base::Wall;
use pcap_parser::pcapng::{
    Block, EnhancedPacketBlock, InterfaceDescriptionBlock, OptionCode, SimplePacketBlock, parse_block_be,
    parse_block_le,
};
use std::io::Read;
use std::ops::Range;

/// Interfaces of one section; more cannot be honest and would grow memory.
const MAX_INTERFACES: usize = 4_096;

/// Types of the blocks that we open.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// As a section's own byte order writes it.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// The least that a block has: type, length, length again.
const BLOCK: usize = 12;
/// Where a packet begins in its block.
const SIMPLE_DATA: usize = 12;
const ENHANCED_DATA: usize = 28;

/// The section that is being read.
#[derive(Default)]
pub(super) struct PcapNg {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Time of the last packet that had one.
    last: Wall,
}

#[derive(Clone, Copy)]
struct Interface {
    /// `None`: a link type that we do not know.
    link: Option<Link>,
    /// Ticks per second of its timestamps.
    resolution: u128,
    /// Seconds to add to them.
    offset: i64,
    /// Bytes that it keeps of a packet; 0: all.
    snaplen: u32,
}

impl PcapNg {
    /// Whether a file that begins so is one; its mark reads the same in both byte orders.
    pub fn begins(bytes: &[u8]) -> bool {
        word(bytes, 0, false) == Some(SECTION)
    }

    /// Blocks until one holds a packet.
    pub fn next<R: Read>(&mut self, window: &mut Window<R>) -> Result<Record, CaptureError> {
        loop {
            if !window.fill(BLOCK)? {
                return Ok(end_of_file(window));
            }
            let (kind, length) = self.block_header(window)?;
            let is_packet = matches!(kind, ENHANCED_PACKET | SIMPLE_PACKET);
            let opened = is_packet || matches!(kind, SECTION | INTERFACE);
            if !opened || length as usize > window.capacity() {
                if !window.skip(u64::from(length))? {
                    return Ok(Record::Skipped(Reason::Truncated));
                }
                if is_packet {
                    return Ok(Record::Skipped(Reason::Malformed));
                }
                continue;
            }
            if !window.fill(length as usize)? {
                return Ok(end_of_file(window));
            }
            let place = window.consume(length as usize);
            if let Some(record) = self.open_block(window.at(place.clone()), place.start) {
                return Ok(record);
            }
        }
    }

    /// Type and length of the block that comes; a section's header sets the byte order.
    fn block_header<R: Read>(&mut self, window: &Window<R>) -> Result<(u32, u32), CaptureError> {
        let bytes = window.unread();
        if PcapNg::begins(bytes) {
            self.big_endian = word(bytes, 8, true) == Some(BYTE_ORDER);
        }
        let kind = word(bytes, 0, self.big_endian).unwrap_or(0);
        let length = word(bytes, 4, self.big_endian).unwrap_or(0);
        if (length as usize) < BLOCK {
            return Err(CaptureError::Record { at: window.position(), length });
        }
        Ok((kind, length))
    }

    /// Opens a whole block, which lies at `start` in the window; `None` where it holds no packet.
    fn open_block(&mut self, bytes: &[u8], start: usize) -> Option<Record> {
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        let Ok((_, block)) = parse(bytes) else {
            return Some(Record::Skipped(Reason::Malformed));
        };
        match block {
            Block::SectionHeader(_) => self.interfaces.clear(),
            Block::InterfaceDescription(described) if self.interfaces.len() < MAX_INTERFACES => {
                self.interfaces.push(Interface::read(&described, self.big_endian));
            }
            Block::EnhancedPacket(packet) => return Some(self.enhanced(&packet, start)),
            Block::SimplePacket(packet) => return Some(self.simple(&packet, start)),
            _ => {}
        }
        None
    }

    fn enhanced(&mut self, packet: &EnhancedPacketBlock<'_>, start: usize) -> Record {
        let Some(interface) = self.interfaces.get(packet.if_id as usize) else {
            return Record::Skipped(Reason::Malformed);
        };
        self.last = interface.time(packet.ts_high, packet.ts_low);
        let from = start + ENHANCED_DATA;
        let place = from..from + packet.caplen as usize;
        interface.frame(self.last, place, packet.caplen < packet.origlen)
    }

    /// It has no time of its own: that of the packet before it is the nearest truth.
    fn simple(&self, packet: &SimplePacketBlock<'_>, start: usize) -> Record {
        let Some(interface) = self.interfaces.first() else {
            return Record::Skipped(Reason::Malformed);
        };
        let kept = packet.origlen.min(interface.limit()) as usize;
        let from = start + SIMPLE_DATA;
        let place = from..from + kept.min(packet.data.len());
        interface.frame(self.last, place, kept < packet.origlen as usize)
    }
}

impl Interface {
    fn read(block: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        let option = |code| block.options.iter().find(|option| option.code == code);
        let resolution = option(OptionCode::IfTsresol).and_then(|option| option.value.first());
        let offset = option(OptionCode::IfTsoffset)
            .and_then(|option| option.value.first_chunk::<8>())
            .map(|bytes| if big_endian { i64::from_be_bytes(*bytes) } else { i64::from_le_bytes(*bytes) });
        Interface {
            link: Link::of_type(block.linktype.0),
            resolution: resolution.and_then(|code| ticks_per_second(*code)).unwrap_or(1_000_000),
            offset: offset.unwrap_or(0),
            snaplen: block.snaplen,
        }
    }

    fn limit(self) -> u32 {
        if self.snaplen == 0 { u32::MAX } else { self.snaplen }
    }

    fn time(self, high: u32, low: u32) -> Wall {
        let ticks = (u128::from(high) << 32) | u128::from(low);
        let micros = ticks.saturating_mul(1_000_000) / self.resolution.max(1);
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        Wall::from_unix_micros(micros.saturating_add(self.offset.saturating_mul(1_000_000)))
    }

    fn frame(self, at: Wall, place: Range<usize>, cut: bool) -> Record {
        match self.link {
            Some(link) => Record::Frame(Frame { at, link, place, cut }),
            None => Record::Skipped(Reason::UnknownLink),
        }
    }
}

/// `if_tsresol`: a negative power of 10, or of 2 where the highest bit is set.
fn ticks_per_second(code: u8) -> Option<u128> {
    let exponent = u32::from(code & 0x7f);
    let base: u128 = if code & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(exponent)
}
