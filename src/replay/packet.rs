//! From a link-layer frame to what its IP packet carries.

use super::capture::Reason;
use etherparse::{
    EtherType, IpNumber, Ipv6ExtensionSlice, LaxIpPayloadSlice, LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice,
    UdpSlice, ip_number,
};
use std::net::{IpAddr, SocketAddr};

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

/// What an IP packet carries, borrowed from the frame.
#[derive(Debug)]
pub(super) enum Packet<'a> {
    Udp(Udp<'a>),
    Tcp(Segment<'a>),
    Fragment(Fragment<'a>),
}

/// Addresses and payload of a datagram.
#[derive(Debug)]
pub(super) struct Udp<'a> {
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub payload: &'a [u8],
}

/// A piece of one direction of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub src: SocketAddr,
    pub dst: SocketAddr,
    /// Of its first octet, or of the SYN before it.
    pub sequence: u32,
    pub syn: bool,
    pub payload: &'a [u8],
}

/// A part of an IP packet that was sent in parts (RFC 791 §2.3, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub of: Whole,
    /// Octets before it.
    pub offset: usize,
    /// Others follow it.
    pub more: bool,
    pub payload: &'a [u8],
}

/// The packet that a fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Whole {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: u8,
    pub id: u32,
}

/// What a frame carries. `Malformed` also stands for a packet that is shorter than its headers say.
pub(super) fn open(link: Link, frame: &[u8]) -> Result<Packet<'_>, Reason> {
    let packet = slice(link, frame)?;
    let (src, dst, payload): (IpAddr, IpAddr, &LaxIpPayloadSlice<'_>) = match &packet.net {
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
        return fragment(&packet, src, dst, payload);
    }
    let known = matches!(payload.ip_number, ip_number::UDP | ip_number::TCP);
    match &packet.transport {
        Some(TransportSlice::Udp(_) | TransportSlice::Tcp(_)) if payload.incomplete => Err(Reason::Malformed),
        Some(TransportSlice::Udp(udp)) if usize::from(udp.length()) > payload.payload.len() => Err(Reason::Malformed),
        Some(TransportSlice::Udp(udp)) => Ok(datagram(src, dst, udp)),
        Some(TransportSlice::Tcp(tcp)) => Ok(segment(src, dst, tcp)),
        Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_)) | None => {
            Err(if packet.stop_err.is_some() || known { Reason::Malformed } else { Reason::NotUdp })
        }
    }
}

/// What a packet carries that was put together from its fragments.
pub(super) fn open_whole(of: Whole, payload: &[u8]) -> Result<Packet<'_>, Reason> {
    match IpNumber(of.protocol) {
        ip_number::UDP => {
            UdpSlice::from_slice(payload).map(|udp| datagram(of.src, of.dst, &udp)).map_err(|_| Reason::Malformed)
        }
        ip_number::TCP => {
            TcpSlice::from_slice(payload).map(|tcp| segment(of.src, of.dst, &tcp)).map_err(|_| Reason::Malformed)
        }
        _ => Err(Reason::NotUdp),
    }
}

fn datagram<'a>(src: IpAddr, dst: IpAddr, udp: &UdpSlice<'a>) -> Packet<'a> {
    Packet::Udp(Udp {
        src: SocketAddr::new(src, udp.source_port()),
        dst: SocketAddr::new(dst, udp.destination_port()),
        payload: udp.payload(),
    })
}

fn segment<'a>(src: IpAddr, dst: IpAddr, tcp: &TcpSlice<'a>) -> Packet<'a> {
    Packet::Tcp(Segment {
        src: SocketAddr::new(src, tcp.source_port()),
        dst: SocketAddr::new(dst, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        syn: tcp.syn(),
        payload: tcp.payload(),
    })
}

fn fragment<'a>(
    packet: &LaxSlicedPacket<'a>,
    src: IpAddr,
    dst: IpAddr,
    payload: &LaxIpPayloadSlice<'a>,
) -> Result<Packet<'a>, Reason> {
    let (id, offset, more) = match &packet.net {
        Some(LaxNetSlice::Ipv4(v4)) => {
            let header = v4.header();
            (u32::from(header.identification()), header.fragments_offset(), header.more_fragments())
        }
        Some(LaxNetSlice::Ipv6(v6)) => {
            let header = v6.extensions().clone().into_iter().find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(header) => Some(header),
                Ipv6ExtensionSlice::HopByHop(_)
                | Ipv6ExtensionSlice::Routing(_)
                | Ipv6ExtensionSlice::DestinationOptions(_)
                | Ipv6ExtensionSlice::Authentication(_) => None,
            });
            let header = header.ok_or(Reason::Malformed)?;
            (header.identification(), header.fragment_offset(), header.more_fragments())
        }
        Some(LaxNetSlice::Arp(_)) | None => return Err(Reason::NotIp),
    };
    if payload.incomplete {
        return Err(Reason::Malformed);
    }
    let of = Whole { src, dst, protocol: payload.ip_number.0, id };
    // The header counts in units of 8 octets.
    let offset = usize::from(offset.value()) * 8;
    Ok(Packet::Fragment(Fragment { of, offset, more, payload: payload.payload }))
}

fn slice(link: Link, frame: &[u8]) -> Result<LaxSlicedPacket<'_>, Reason> {
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
