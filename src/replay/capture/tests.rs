//! Captures made by our writer, by hand byte for byte, and damaged ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use etherparse::{IpNumber, Ipv6RawExtHeader, PacketBuilder, VlanId};
use proptest::prelude::*;

/// A datagram with its payload kept.
type Kept = (i64, String, String, Vec<u8>);

const AT: i64 = 1_700_000_000_123_456;

fn all(file: &[u8]) -> (Vec<Kept>, Skipped, Option<CaptureError>) {
    let mut capture = match Capture::from_reader(file, file.len() as u64) {
        Ok(capture) => capture,
        Err(error) => return (Vec::new(), Skipped::default(), Some(error)),
    };
    let mut kept = Vec::new();
    let mut failed = None;
    while let Some(next) = capture.next() {
        match next {
            Ok(datagram) => kept.push(keep(&datagram)),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    assert!(capture.position() <= capture.size());
    (kept, *capture.skipped(), failed)
}

fn keep(datagram: &Datagram<'_>) -> Kept {
    let Datagram { at, src, dst, payload } = datagram;
    (at.unix_micros(), src.to_string(), dst.to_string(), payload.to_vec())
}

fn read(file: &[u8]) -> (Vec<Kept>, Skipped) {
    let (kept, skipped, failed) = all(file);
    assert!(failed.is_none(), "{failed:?}");
    (kept, skipped)
}

fn skipped(change: impl FnOnce(&mut Skipped)) -> Skipped {
    let mut skipped = Skipped::default();
    change(&mut skipped);
    skipped
}

fn hello() -> Kept {
    (AT, "10.0.0.1:5060".into(), "10.0.0.2:5062".into(), b"hello".to_vec())
}

fn ipv4(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(5060, 5062).write(&mut packet, payload).unwrap();
    packet
}

fn ethernet(kind: u16, rest: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &kind.to_be_bytes(), rest].concat()
}

/// A number in the byte order of the file.
fn number<const N: usize>(big: bool, little: [u8; N]) -> [u8; N] {
    let mut bytes = little;
    if big {
        bytes.reverse();
    }
    bytes
}

struct Pcap {
    big: bool,
    bytes: Vec<u8>,
}

impl Pcap {
    fn new(big: bool, magic: u32, link: u32) -> Self {
        let mut pcap = Pcap { big, bytes: Vec::new() };
        pcap.u32(magic);
        pcap.bytes.extend([number(big, 2_u16.to_le_bytes()), number(big, 4_u16.to_le_bytes())].concat());
        [0, 0, 65_535, link].into_iter().for_each(|word| pcap.u32(word));
        pcap
    }

    fn micros(link: u32) -> Self {
        Pcap::new(false, 0xa1b2_c3d4, link)
    }

    fn u32(&mut self, word: u32) {
        self.bytes.extend(number(self.big, word.to_le_bytes()));
    }

    fn packet(mut self, fraction: u32, original: usize, frame: &[u8]) -> Self {
        [1_700_000_000, fraction, frame.len() as u32, original as u32].into_iter().for_each(|word| self.u32(word));
        self.bytes.extend(frame);
        self
    }

    fn whole(self, frame: &[u8]) -> Self {
        self.packet(123_456, frame.len(), frame)
    }
}

#[derive(Default)]
struct PcapNg {
    big: bool,
    bytes: Vec<u8>,
}

impl PcapNg {
    fn section(mut self, big: bool) -> Self {
        self.big = big;
        let body = [
            &self.word(0x1a2b_3c4d)[..],
            &number(big, 1_u16.to_le_bytes()),
            &number(big, 0_u16.to_le_bytes()),
            &[0xff; 8],
        ]
        .concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn word(&self, word: u32) -> [u8; 4] {
        number(self.big, word.to_le_bytes())
    }

    fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = self.word((12 + body.len() + padding.len()) as u32);
        let block = [&self.word(kind)[..], &length, body, &padding, &length].concat();
        self.bytes.extend(block);
        self
    }

    fn interface(self, link: u16, options: &[(u16, &[u8])]) -> Self {
        let big = self.big;
        let short = |value: u16| number(big, value.to_le_bytes()).to_vec();
        let mut body = [short(link), short(0), self.word(65_535).to_vec()].concat();
        for (code, value) in options {
            body.extend([short(*code), short(value.len() as u16), value.to_vec()].concat());
            body.resize(body.len().next_multiple_of(4), 0);
        }
        body.extend(if options.is_empty() { vec![] } else { vec![0; 4] });
        self.block(1, &body)
    }

    fn enhanced(self, interface: u32, ticks: u64, original: usize, frame: &[u8]) -> Self {
        let head = [interface, (ticks >> 32) as u32, ticks as u32, frame.len() as u32, original as u32];
        let body = [head.map(|word| self.word(word)).concat(), frame.to_vec()].concat();
        self.block(6, &body)
    }

    fn packet(self, interface: u32, ticks: u64, frame: &[u8]) -> Self {
        self.enhanced(interface, ticks, frame.len(), frame)
    }
}

// ---- formats ----

#[test]
fn pcap_is_read_in_both_byte_orders_and_both_resolutions() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let rows = [
        ("little, µs", false, 0xa1b2_c3d4, 123_456),
        ("big, µs", true, 0xa1b2_c3d4, 123_456),
        ("little, ns", false, 0xa1b2_3c4d, 123_456_789),
        ("big, ns", true, 0xa1b2_3c4d, 123_456_789),
    ];
    for (name, big, magic, fraction) in rows {
        let file = Pcap::new(big, magic, 1).packet(fraction, frame.len(), &frame).bytes;
        assert_eq!(read(&file), (vec![hello()], Skipped::default()), "{name}");
    }
}

#[test]
fn the_longer_packet_header_of_a_patched_libpcap_is_read() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let mut file = Pcap::new(false, 0xa1b2_cd34, 1).whole(&frame).bytes;
    let header = file.len() - frame.len();
    file.splice(header..header, [0; 8]);
    assert_eq!(read(&file), (vec![hello()], Skipped::default()));
}

#[test]
fn pcapng_is_read_in_both_byte_orders_with_every_interfaces_own_clock() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let seconds = 1_700_000_000_u64;
    let offset = 1_000_i64;
    for big in [false, true] {
        let offset_bytes = number(big, offset.to_le_bytes());
        let binary = (u128::from(seconds) << 20) + (123_456_u128 << 20) / 1_000_000 + 1;
        let file = PcapNg::default()
            .section(big)
            .interface(1, &[])
            .interface(101, &[(2, b"eth0"), (9, &[9])])
            .interface(1, &[(9, &[0x80 | 20])])
            .interface(1, &[(9, &[3]), (14, &offset_bytes)])
            .packet(0, AT as u64, &frame)
            .block(5, &[0; 12])
            .packet(1, AT as u64 * 1_000 + 789, &ipv4(b"hello"))
            .packet(2, binary as u64, &frame)
            .packet(3, (seconds - 1_000) * 1_000 + 123, &frame)
            .bytes;
        let (kept, skipped) = read(&file);
        let times: Vec<i64> = kept.iter().map(|kept| kept.0).collect();
        assert_eq!(times, [AT, AT, AT, AT - 456], "big endian: {big}");
        assert_eq!(skipped, Skipped::default());
    }
}

#[test]
fn a_new_section_forgets_the_interfaces_and_may_change_the_byte_order() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let file = PcapNg::default()
        .section(false)
        .interface(1, &[])
        .packet(0, AT as u64, &frame)
        .section(true)
        .packet(0, AT as u64, &frame)
        .interface(1, &[])
        .packet(0, AT as u64, &frame)
        .bytes;
    assert_eq!(read(&file), (vec![hello(), hello()], skipped(|skipped| skipped.malformed = 1)));
}

#[test]
fn a_simple_packet_takes_the_time_of_the_packet_before_it() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let simple = [&(frame.len() as u32).to_le_bytes()[..], &frame].concat();
    let file = PcapNg::default().section(false).interface(1, &[]).packet(0, AT as u64, &frame).block(3, &simple).bytes;
    assert_eq!(read(&file).0, [hello(), hello()]);
}

#[test]
fn every_link_type_leads_to_the_same_datagram() {
    let ip = ipv4(b"hello");
    let tagged =
        |kind: u16, inner: u16, rest: &[u8]| ethernet(kind, &[&[0, 7][..], &inner.to_be_bytes(), rest].concat());
    let stacked = [&[0, 8, 0x08, 0x00][..], &ip].concat();
    let cooked1 = [&[0; 14][..], &[0x08, 0x00], &ip].concat();
    let cooked2 = [&[0x08, 0x00][..], &[0; 18], &ip].concat();
    let rows = [
        ("Ethernet", 1, ethernet(0x0800, &ip)),
        ("Ethernet with padding", 1, [ethernet(0x0800, &ip), vec![0; 13]].concat()),
        ("VLAN", 1, tagged(0x8100, 0x0800, &ip)),
        ("QinQ", 1, tagged(0x88a8, 0x8100, &stacked)),
        ("two 802.1Q tags", 1, tagged(0x8100, 0x8100, &stacked)),
        ("raw IP", 101, ip.clone()),
        ("IPv4", 228, ip.clone()),
        ("loopback, little", 0, [&[2, 0, 0, 0][..], &ip].concat()),
        ("loopback, big", 108, [&[0, 0, 0, 2][..], &ip].concat()),
        ("cooked", 113, cooked1),
        ("cooked 2", 276, cooked2),
    ];
    for (name, link, frame) in rows {
        assert_eq!(read(&Pcap::micros(link).whole(&frame).bytes), (vec![hello()], Skipped::default()), "{name}");
    }
}

#[test]
fn ipv6_is_read_also_behind_extension_headers() {
    let (src, dst) =
        ([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    let mut plain = Vec::new();
    PacketBuilder::ipv6(src, dst, 64).udp(5060, 5062).write(&mut plain, b"hello").unwrap();
    let options = Ipv6RawExtHeader::new_raw(IpNumber::UDP, &[0; 6]).unwrap().to_bytes();
    let mut extended = [&plain[..40], &options, &plain[40..]].concat();
    extended[5] += options.len() as u8;
    extended[6] = 0;
    for (name, link, packet) in [
        ("plain", 229, plain.clone()),
        ("hop by hop", 101, extended.clone()),
        ("over Ethernet", 1, ethernet(0x86dd, &extended)),
    ] {
        let (kept, skipped) = read(&Pcap::micros(link).whole(&packet).bytes);
        let expected = (AT, "[fd00::1]:5060".to_owned(), "[fd00::2]:5062".to_owned(), b"hello".to_vec());
        assert_eq!((kept, skipped), (vec![expected], Skipped::default()), "{name}");
    }
}

// ---- what is read over ----

#[test]
fn what_is_no_whole_datagram_is_counted_by_its_reason() {
    let ip = ipv4(&[7; 100]);
    let mut tcp = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1, 2, 3, 4).write(&mut tcp, b"x").unwrap();
    let with = |at: usize, byte: u8| {
        let mut changed = ip.clone();
        changed[at] = byte;
        ethernet(0x0800, &changed)
    };
    let mut vlan = Vec::new();
    PacketBuilder::ethernet2([0; 6], [0; 6])
        .single_vlan(VlanId::try_new(1).unwrap())
        .ipv4([0; 4], [0; 4], 1)
        .tcp(1, 2, 3, 4)
        .write(&mut vlan, b"x")
        .unwrap();
    type Counter = fn(&mut Skipped) -> &mut u64;
    let rows: Vec<(&str, Vec<u8>, usize, Counter)> = vec![
        ("ARP", ethernet(0x0806, &[0; 28]), 42, |skipped| &mut skipped.not_ip),
        ("LLDP", ethernet(0x88cc, &[0; 28]), 42, |skipped| &mut skipped.not_ip),
        ("TCP", ethernet(0x0800, &tcp), 55, |skipped| &mut skipped.not_sip),
        ("TCP in a VLAN", vlan, 59, |skipped| &mut skipped.not_sip),
        ("ICMP", with(9, 1), 142, |skipped| &mut skipped.not_udp),
        ("first fragment", with(6, 0x20), 142, |skipped| &mut skipped.fragments),
        ("last fragment", with(7, 0x10), 142, |skipped| &mut skipped.fragments),
        ("cut by snaplen", ethernet(0x0800, &ip)[..60].to_vec(), 142, |skipped| &mut skipped.truncated),
        ("cut inside Ethernet", ethernet(0x0800, &ip)[..9].to_vec(), 142, |skipped| &mut skipped.truncated),
        ("shorter than its IP header says", ethernet(0x0800, &ip[..60]), 74, |skipped| &mut skipped.malformed),
        ("shorter than its UDP header says", with(24, 9), 142, |skipped| &mut skipped.malformed),
        ("IP header length of 8", with(0, 0x42), 142, |skipped| &mut skipped.malformed),
        ("IP version 9", with(0, 0x95), 142, |skipped| &mut skipped.malformed),
        ("empty", vec![], 0, |skipped| &mut skipped.malformed),
    ];
    for (name, frame, original, counter) in rows {
        let file = Pcap::micros(1).packet(0, original, &frame).whole(&ethernet(0x0800, &ipv4(b"hello"))).bytes;
        let expected = skipped(|skipped| *counter(skipped) = 1);
        assert_eq!(read(&file), (vec![hello()], expected), "{name}");
        assert_eq!(expected.total(), 1);
    }
}

#[test]
fn an_unknown_kind_of_interface_loses_its_own_packets_only() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let file = PcapNg::default()
        .section(false)
        .interface(105, &[])
        .interface(1, &[])
        .packet(0, AT as u64, &frame)
        .packet(1, AT as u64, &frame)
        .packet(9, AT as u64, &frame)
        .bytes;
    let expected = skipped(|skipped| (skipped.unknown_link, skipped.malformed) = (1, 1));
    assert_eq!(read(&file), (vec![hello()], expected));
    let error = all(&Pcap::micros(105).bytes).2.unwrap();
    assert!(matches!(error, CaptureError::LinkType(105)), "{error}");
}

#[test]
fn a_file_that_ends_inside_a_record_gives_what_was_whole() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let pcap = Pcap::micros(1).whole(&frame).whole(&frame).bytes;
    let ng = PcapNg::default()
        .section(false)
        .interface(1, &[])
        .packet(0, AT as u64, &frame)
        .packet(0, AT as u64, &frame)
        .bytes;
    for file in [pcap, ng] {
        for missing in 1..frame.len() {
            let (kept, skipped) = read(&file[..file.len() - missing]);
            assert_eq!((kept, skipped.truncated), (vec![hello()], 1), "{missing} bytes missing");
        }
    }
}

#[test]
fn a_damaged_block_of_pcapng_costs_itself_only() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let file = PcapNg::default()
        .section(false)
        .interface(1, &[])
        .block(6, &[&[0; 12][..], &0xffff_0000_u32.to_le_bytes(), &[0; 8]].concat())
        .block(6, &[0; 4])
        .packet(0, AT as u64, &frame)
        .bytes;
    assert_eq!(read(&file), (vec![hello()], skipped(|skipped| skipped.malformed = 2)));
}

#[test]
fn a_block_larger_than_the_window_is_stepped_over() {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let huge = vec![0; 3 * 1024 * 1024];
    let file = PcapNg::default()
        .section(false)
        .interface(1, &[])
        .block(0x0bad, &huge)
        .enhanced(0, 0, huge.len(), &huge)
        .packet(0, AT as u64, &frame)
        .bytes;
    assert_eq!(read(&file), (vec![hello()], skipped(|skipped| skipped.malformed = 1)));
}

#[test]
fn what_is_no_capture_or_cannot_be_followed_is_an_error_that_names_the_place() {
    assert!(matches!(all(b"").2, Some(CaptureError::NotACapture(bytes)) if bytes.is_empty()));
    assert!(matches!(all(b"RIFF....WAVEfmt and so on.").2, Some(CaptureError::NotACapture(bytes)) if bytes == b"RIFF"));
    let mut file = Pcap::micros(1).whole(&ethernet(0x0800, &ipv4(b"hello"))).bytes;
    let at = file.len() as u64;
    file.extend([0xff; 40]);
    let (kept, _, error) = all(&file);
    assert_eq!(kept, [hello()]);
    assert!(matches!(error, Some(CaptureError::Record { at: place, .. }) if place == at), "{error:?}");
    assert!(matches!(Capture::open("/nonexistent/x.pcap"), Err(CaptureError::Open { .. })));
}

// ---- memory, progress, writing ----

#[test]
fn position_runs_to_the_size_of_the_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = CaptureWriter::new(&mut file, Resolution::Micros).unwrap();
    let (src, dst) = ("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:4002".parse().unwrap());
    // More than the window, so that it slides.
    for packet in 0..2_000_u32 {
        let mut payload = vec![0; 1_200];
        payload[..4].copy_from_slice(&packet.to_be_bytes());
        writer.write(Wall::from_unix_micros(i64::from(packet)), src, dst, &payload).unwrap();
    }
    writer.finish().unwrap();
    let mut capture = Capture::open(file.path()).unwrap();
    let mut before = 0;
    for packet in 0..2_000_u32 {
        let datagram = capture.next().unwrap().unwrap();
        assert_eq!(datagram.payload[..4], packet.to_be_bytes());
        assert_eq!((datagram.at.unix_micros(), datagram.payload.len()), (i64::from(packet), 1_200));
        assert!(capture.position() > before);
        before = capture.position();
    }
    assert!(capture.next().is_none() && capture.next().is_none());
    assert_eq!((capture.position(), capture.skipped().total()), (capture.size(), 0));
}

#[test]
fn the_writer_refuses_what_is_no_datagram() {
    let mut writer = CaptureWriter::new(Vec::new(), Resolution::Micros).unwrap();
    let (v4, v6) = ("10.0.0.1:1".parse().unwrap(), "[fd00::1]:1".parse().unwrap());
    let mixed = writer.write(Wall::default(), v4, v6, b"");
    assert!(matches!(mixed, Err(CaptureError::MixedFamilies { .. })));
    let long = writer.write(Wall::default(), v4, v4, &[0; 65_536]);
    assert!(matches!(long, Err(CaptureError::TooLong { bytes: 65_536 })));
    assert_eq!(writer.finish().unwrap().len(), 24, "nothing of them was written");
}

fn any_socket(v6: bool) -> impl Strategy<Value = SocketAddr> {
    (any::<[u8; 16]>(), any::<u16>()).prop_map(move |(address, port)| {
        let v4 = [address[0], address[1], address[2], address[3]];
        if v6 { (address, port).into() } else { (v4, port).into() }
    })
}

fn any_datagrams() -> impl Strategy<Value = Vec<(i64, SocketAddr, SocketAddr, Vec<u8>)>> {
    let one = any::<bool>().prop_flat_map(|v6| {
        let payload = prop::collection::vec(any::<u8>(), 0..300);
        (0..4_000_000_000_000_000_i64, any_socket(v6), any_socket(v6), payload)
    });
    prop::collection::vec(one, 0..12)
}

fn written(datagrams: &[(i64, SocketAddr, SocketAddr, Vec<u8>)], resolution: Resolution) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), resolution).unwrap();
    for (at, src, dst, payload) in datagrams {
        writer.write(Wall::from_unix_micros(*at), *src, *dst, payload).unwrap();
    }
    writer.finish().unwrap()
}

fn sample_files() -> Vec<Vec<u8>> {
    let frame = ethernet(0x0800, &ipv4(b"hello"));
    let simple = [&(frame.len() as u32).to_le_bytes()[..], &frame].concat();
    let ng = |big| {
        PcapNg::default()
            .section(big)
            .interface(1, &[(2, b"eth0"), (9, &[9])])
            .packet(0, AT as u64, &frame)
            .interface(101, &[(14, &[0; 8])])
            .packet(1, AT as u64, &ipv4(b"hello"))
            .block(3, &simple)
            .packet(0, AT as u64, &frame)
            .bytes
    };
    vec![
        Pcap::micros(1)
            .whole(&frame)
            .whole(&ethernet(0x8100, &[&[0, 1, 8, 0][..], &ipv4(b"x")].concat()))
            .whole(&frame)
            .bytes,
        Pcap::new(true, 0xa1b2_3c4d, 0).whole(&[&[0; 4][..], &ipv4(b"hello")].concat()).bytes,
        ng(false),
        ng(true),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(datagrams in any_datagrams(), nanos in any::<bool>()) {
        let resolution = if nanos { Resolution::Nanos } else { Resolution::Micros };
        let (kept, skipped) = read(&written(&datagrams, resolution));
        let expected: Vec<Kept> = datagrams
            .into_iter()
            .map(|(at, src, dst, payload)| (at, src.to_string(), dst.to_string(), payload))
            .collect();
        prop_assert_eq!(kept, expected);
        prop_assert_eq!(skipped, Skipped::default());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        all(&bytes);
        all(&[&Pcap::micros(1).bytes[..], &bytes].concat());
        all(&[&PcapNg::default().section(false).interface(1, &[]).bytes[..], &bytes].concat());
    }

    #[test]
    fn no_damage_to_a_capture_makes_the_reader_panic(
        file in prop::sample::select(sample_files()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..8),
    ) {
        let mut bytes = file;
        for (place, byte, kind) in edits {
            let at = place.index(bytes.len().max(1));
            match kind {
                0 | 1 if at < bytes.len() => bytes[at] = byte,
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        all(&bytes);
    }
}
