//! Writes datagrams as a pcap file that every tool reads.

use super::capture::CaptureError;
use crate::base::Wall;
use etherparse::PacketBuilder;
use std::io::Write;
use std::net::SocketAddr;

const SNAPLEN: u32 = 262_144;
const LINKTYPE_ETHERNET: u32 = 1;
const TTL: u8 = 64;
/// Locally administered addresses: nobody's.
const SRC_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const DST_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 2];

/// The unit of the fraction in a pcap file's timestamps. Times here are whole µs either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    Micros,
    Nanos,
}

/// Writes UDP datagrams with Ethernet, IP and UDP headers made up around them.
pub struct CaptureWriter<W: Write> {
    sink: W,
    resolution: Resolution,
    frame: Vec<u8>,
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the file's header. `sink` wants to be buffered.
    ///
    /// # Errors
    /// When the sink cannot be written to.
    pub fn new(mut sink: W, resolution: Resolution) -> Result<Self, CaptureError> {
        let magic: u32 = match resolution {
            Resolution::Micros => 0xa1b2_c3d4,
            Resolution::Nanos => 0xa1b2_3c4d,
        };
        let versions = (4_u32 << 16) | 2;
        for word in [magic, versions, 0, 0, SNAPLEN, LINKTYPE_ETHERNET] {
            sink.write_all(&word.to_le_bytes()).map_err(CaptureError::Write)?;
        }
        Ok(CaptureWriter { sink, resolution, frame: Vec::with_capacity(2_048) })
    }

    /// Appends one datagram. A time before 1970 is written as its beginning.
    ///
    /// # Errors
    /// When the addresses are of two families, the payload is too long for a
    /// datagram, or the sink cannot be written to.
    pub fn write(&mut self, at: Wall, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Result<(), CaptureError> {
        let ethernet = PacketBuilder::ethernet2(SRC_MAC, DST_MAC);
        let ip = match (src, dst) {
            (SocketAddr::V4(src), SocketAddr::V4(dst)) => ethernet.ipv4(src.ip().octets(), dst.ip().octets(), TTL),
            (SocketAddr::V6(src), SocketAddr::V6(dst)) => ethernet.ipv6(src.ip().octets(), dst.ip().octets(), TTL),
            (SocketAddr::V4(_), SocketAddr::V6(_)) | (SocketAddr::V6(_), SocketAddr::V4(_)) => {
                return Err(CaptureError::MixedFamilies { src, dst });
            }
        };
        self.frame.clear();
        ip.udp(src.port(), dst.port())
            .write_to_vec(&mut self.frame, payload)
            .map_err(|_| CaptureError::TooLong { bytes: payload.len() })?;
        self.append(at)
    }

    /// Flushes what was written and gives the sink back.
    ///
    /// # Errors
    /// When the sink cannot be written to.
    pub fn finish(mut self) -> Result<W, CaptureError> {
        self.sink.flush().map_err(CaptureError::Write)?;
        Ok(self.sink)
    }

    fn append(&mut self, at: Wall) -> Result<(), CaptureError> {
        let micros = at.unix_micros().max(0);
        let fraction = u32::try_from(micros % 1_000_000).unwrap_or(0);
        let fraction = match self.resolution {
            Resolution::Micros => fraction,
            Resolution::Nanos => fraction * 1_000,
        };
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX);
        let bytes = self.frame.len();
        let length = u32::try_from(bytes).map_err(|_| CaptureError::TooLong { bytes })?;
        for word in [seconds, fraction, length, length] {
            self.sink.write_all(&word.to_le_bytes()).map_err(CaptureError::Write)?;
        }
        self.sink.write_all(&self.frame).map_err(CaptureError::Write)
    }
}
