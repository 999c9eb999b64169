//! From a link-layer frame to its UDP datagram.

use super::capture::Reason;
use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice, ip_number};
use std::net::SocketAddr;

/// The outermost header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    /// IPv4 or IPv6 at once.
    Ip,
    /// BSD loopback: 4 bytes whose value differs between systems; the IP version tells as much.
    Loopback,
    /// Linux "any" device: the EtherType stands in bytes 14 and 15.
    CookedV1,
    /// Linux "any" device, version 2: the EtherType stands in the first two bytes.
    CookedV2,
}

impl Link {
    /// By the number in the file (the registry of tcpdump.org).
    pub fn of_type(number: i32) -> Option<Self> {
        match number {
            1 => Some(Link::Ethernet),
            // 12 and 14: what some systems write for "raw" in place of 101.
            12 | 14 | 101 | 228 | 229 => Some(Link::Ip),
            0 | 108 => Some(Link::Loopback),
            113 => Some(Link::CookedV1),
            276 => Some(Link::CookedV2),
            _ => None,
        }
    }
}

/// Addresses and payload of a datagram, borrowed from the frame.
pub(super) struct Udp<'a> {
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub payload: &'a [u8],
}

/// The datagram of a frame. `Malformed` also stands for one that is shorter than its headers say.
pub(super) fn udp(link: Link, frame: &[u8]) -> Result<Udp<'_>, Reason> {
    let packet = open(link, frame)?;
    let (src, dst, payload) = match &packet.net {
        Some(LaxNetSlice::Ipv4(v4)) => {
            let header = v4.header();
            (header.source_addr().into(), header.destination_addr().into(), v4.payload())
        }
        Some(LaxNetSlice::Ipv6(v6)) => {
            let header = v6.header();
            (header.source_addr().into(), header.destination_addr().into(), v6.payload())
        }
        None if packet.stop_err.is_some() => return Err(Reason::Malformed),
        Some(LaxNetSlice::Arp(_)) | None => return Err(Reason::NotIp),
    };
    if payload.fragmented {
        return Err(Reason::Fragment);
    }
    let Some(TransportSlice::Udp(udp)) = &packet.transport else {
        let broken = packet.stop_err.is_some() || payload.ip_number == ip_number::UDP;
        return Err(if broken { Reason::Malformed } else { Reason::NotUdp });
    };
    if payload.incomplete || usize::from(udp.length()) > payload.payload.len() {
        return Err(Reason::Malformed);
    }
    Ok(Udp {
        src: SocketAddr::new(src, udp.source_port()),
        dst: SocketAddr::new(dst, udp.destination_port()),
        payload: udp.payload(),
    })
}

fn open(link: Link, frame: &[u8]) -> Result<LaxSlicedPacket<'_>, Reason> {
    let cooked = |kind_at: usize, header: usize| {
        let kind = frame.get(kind_at..).and_then(|bytes| bytes.first_chunk::<2>());
        let (kind, rest) = kind.zip(frame.get(header..)).ok_or(Reason::Malformed)?;
        Ok(LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes(*kind)), rest))
    };
    let ip = |bytes: Option<&'_ [u8]>| match bytes.and_then(|bytes| bytes.first()) {
        None => Reason::Malformed,
        Some(first) if matches!(first >> 4, 4 | 6) => Reason::Malformed,
        Some(_) => Reason::NotIp,
    };
    match link {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(frame).map_err(|_| Reason::Malformed),
        Link::Ip => LaxSlicedPacket::from_ip(frame).map_err(|_| ip(Some(frame))),
        Link::Loopback => {
            let inner = frame.get(4..);
            LaxSlicedPacket::from_ip(inner.unwrap_or_default()).map_err(|_| ip(inner))
        }
        Link::CookedV1 => cooked(14, 16),
        Link::CookedV2 => cooked(0, 20),
    }
}
