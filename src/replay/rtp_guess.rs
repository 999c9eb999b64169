//! Which UDP flows are RTP, and which belong together, where a capture has no signalling.
//!
//! ```text
//! datagrams ─see─► flows (source → destination) ─calls─► pairs of RTP streams
//! ```
//!
//! RTP has no mark of its own. A flow is taken for it when its first packets have the
//! version, a payload type of audio, one SSRC, and sequence numbers that go up by one or
//! nearly so (RFC 3550 §5.1, Appendix A.1); random data does not do this four times in a row.

use crate::base::{Span, Wall};
use std::collections::{BTreeSet, HashMap, hash_map::Entry};
use std::net::SocketAddr;

/// So many steps from packet to packet must look right before a flow is believed.
const GOOD_STEPS: u8 = 4;
/// So many wrong ones, and it is not RTP.
const BAD_STEPS: u8 = 12;
/// A step over more lost packets than this is wrong.
const MAX_LOST: u16 = 32;
/// After such a pause a new SSRC is another call between the same ports.
const NEW_CALL_AFTER: Span = Span::from_secs(10);
/// Flows in memory; what comes beyond is counted.
const MAX_FLOWS: usize = 65_536;

/// One direction between two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    pub src: SocketAddr,
    pub dst: SocketAddr,
}

impl FlowKey {
    pub const fn reversed(self) -> Self {
        FlowKey { src: self.dst, dst: self.src }
    }
}

/// A flow that is RTP, for the length of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpStream {
    pub flow: FlowKey,
    /// The first SSRC.
    pub ssrc: u32,
    /// Payload types seen, 0 to 127.
    pub payload_types: BTreeSet<u8>,
    /// RTP packets.
    pub packets: u64,
    pub first: Wall,
    pub last: Wall,
}

/// Two streams that answer each other, or one alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuessedCall {
    /// The stream that began first; nothing says that its sender placed the call.
    pub one: RtpStream,
    /// `None`: the capture has only one side.
    pub other: Option<RtpStream>,
}

/// What a pass over the datagrams came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guess {
    /// In the order of their beginnings.
    pub calls: Vec<GuessedCall>,
    /// Flows that are not RTP, or too short to tell.
    pub other_flows: u64,
    /// Packets of flows that there was no room for.
    pub unlooked_packets: u64,
}

/// Watches flows. Memory is bounded by the number of flows, not of packets.
#[derive(Debug, Default)]
pub struct RtpGuess {
    flows: HashMap<FlowKey, Watched>,
    done: Vec<RtpStream>,
    unlooked_packets: u64,
}

#[derive(Debug)]
struct Watched {
    belief: Belief,
    stream: RtpStream,
    sequence: u16,
    /// The SSRC now.
    ssrc: u32,
}

/// ```text
/// Unsure ─GOOD_STEPS─► Rtp
///    └────BAD_STEPS──► Other
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belief {
    Unsure { good: u8, bad: u8 },
    Rtp,
    Other,
}

/// The fields of a header that the guess looks at.
#[derive(Clone, Copy)]
struct Header {
    payload_type: u8,
    sequence: u16,
    ssrc: u32,
}

/// What a packet may be by itself.
enum Look {
    Rtp(Header),
    /// RTCP, STUN or DTLS: they share ports with RTP (RFC 5761 §4, RFC 7983).
    Companion,
    Alien,
}

impl RtpGuess {
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at one datagram, in the order of the capture.
    pub fn see(&mut self, at: Wall, src: SocketAddr, dst: SocketAddr, payload: &[u8]) {
        let header = match look(payload) {
            Look::Rtp(header) => Some(header),
            Look::Companion => return,
            Look::Alien => None,
        };
        let flow = FlowKey { src, dst };
        let room = self.flows.len() < MAX_FLOWS;
        match self.flows.entry(flow) {
            Entry::Occupied(mut entry) => {
                if let Some(ended) = entry.get_mut().see(at, header) {
                    self.done.push(ended);
                }
            }
            Entry::Vacant(entry) if room => {
                entry.insert(Watched::new(at, flow, header));
            }
            Entry::Vacant(_) => self.unlooked_packets += 1,
        }
    }

    /// The calls, once all was seen.
    pub fn finish(self) -> Guess {
        let mut other_flows = 0;
        let mut streams = self.done;
        for watched in self.flows.into_values() {
            match watched.belief {
                Belief::Rtp => streams.push(watched.stream),
                Belief::Unsure { .. } | Belief::Other => other_flows += 1,
            }
        }
        streams.sort_by_key(|stream| (stream.first, stream.flow));
        Guess { calls: pair(streams), other_flows, unlooked_packets: self.unlooked_packets }
    }
}

impl Watched {
    fn new(at: Wall, flow: FlowKey, header: Option<Header>) -> Self {
        let stream = RtpStream {
            flow,
            ssrc: header.map_or(0, |header| header.ssrc),
            payload_types: header.iter().map(|header| header.payload_type).collect(),
            packets: u64::from(header.is_some()),
            first: at,
            last: at,
        };
        let bad = u8::from(header.is_none());
        let (ssrc, sequence) = header.map_or((0, 0), |header| (header.ssrc, header.sequence));
        Watched { belief: Belief::Unsure { good: 0, bad }, stream, sequence, ssrc }
    }

    /// Counts a packet in; gives the stream that it ends, where it begins a new call.
    fn see(&mut self, at: Wall, header: Option<Header>) -> Option<RtpStream> {
        if self.belief == Belief::Other {
            return None;
        }
        let Some(header) = header else {
            self.doubt();
            return None;
        };
        let other_call = header.ssrc != self.ssrc && self.silent_until(at) > NEW_CALL_AFTER;
        if other_call {
            let before = std::mem::replace(self, Watched::new(at, self.stream.flow, Some(header)));
            return (before.belief == Belief::Rtp).then_some(before.stream);
        }
        if self.follows(header) {
            self.believe();
        } else {
            self.doubt();
        }
        if self.stream.packets == 0 {
            (self.stream.first, self.stream.ssrc) = (at, header.ssrc);
        }
        (self.sequence, self.ssrc) = (header.sequence, header.ssrc);
        self.stream.payload_types.insert(header.payload_type);
        self.stream.packets += 1;
        self.stream.last = self.stream.last.max(at);
        None
    }

    fn silent_until(&self, at: Wall) -> Span {
        let micros = at.unix_micros().saturating_sub(self.stream.last.unix_micros());
        Span(u64::try_from(micros).unwrap_or(0))
    }

    /// One to a few numbers on; one back or the same, for reordered and doubled packets, also counts.
    fn follows(&self, header: Header) -> bool {
        let step = header.sequence.wrapping_sub(self.sequence).wrapping_add(2);
        header.ssrc == self.ssrc && step <= MAX_LOST + 3
    }

    fn believe(&mut self) {
        if let Belief::Unsure { good, bad } = self.belief {
            let good = good + 1;
            self.belief = if good >= GOOD_STEPS { Belief::Rtp } else { Belief::Unsure { good, bad } };
        }
    }

    /// Good steps must come in a row; what was believed once stays believed.
    fn doubt(&mut self) {
        if let Belief::Unsure { good: _, bad } = self.belief {
            let bad = bad + 1;
            self.belief = if bad >= BAD_STEPS { Belief::Other } else { Belief::Unsure { good: 0, bad } };
        }
    }
}

fn look(payload: &[u8]) -> Look {
    let [flags, marked_type, s0, s1, _, _, _, _, a, b, c, d, rest @ ..] = payload else {
        return Look::Alien;
    };
    // STUN: 0 to 3; DTLS: 20 to 63 (RFC 7983 §7).
    if matches!(flags, 0..=3 | 20..=63) {
        return Look::Companion;
    }
    if flags >> 6 != 2 {
        return Look::Alien;
    }
    // RTCP: 192 to 223 in the second byte (RFC 5761 §4).
    if matches!(marked_type, 192..=223) {
        return Look::Companion;
    }
    let payload_type = marked_type & 0x7f;
    let contributors = usize::from(flags & 0x0f) * 4;
    // 35 to 95 belong to nobody (RFC 3551 §6).
    if matches!(payload_type, 35..=95) || rest.len() < contributors {
        return Look::Alien;
    }
    Look::Rtp(Header {
        payload_type,
        sequence: u16::from_be_bytes([*s0, *s1]),
        ssrc: u32::from_be_bytes([*a, *b, *c, *d]),
    })
}

/// What two streams must have in common to be the two directions of a call, best first.
#[derive(Clone, Copy)]
enum Common {
    /// Both ends.
    Flow,
    /// One end: the other side sends from elsewhere (NAT, a media proxy, separate ports).
    Port,
    /// The two hosts. Inside one host this would say nothing.
    Hosts,
}

/// The ends that count, with port 0 where it does not.
type Key = (Option<SocketAddr>, Option<SocketAddr>);

impl Common {
    fn keys(self, flow: FlowKey) -> Vec<Key> {
        let FlowKey { src, dst } = flow;
        let host = |end: SocketAddr| Some(SocketAddr::new(end.ip(), 0));
        match self {
            Common::Flow => vec![(Some(src), Some(dst))],
            Common::Port => vec![(Some(src), None), (None, Some(dst))],
            Common::Hosts if src.ip() == dst.ip() => vec![],
            Common::Hosts => vec![(host(src), host(dst))],
        }
    }
}

/// Pairs streams, which come in the order of their beginnings; of several fitting partners
/// the one that began nearest.
fn pair(streams: Vec<RtpStream>) -> Vec<GuessedCall> {
    let mut partner: Vec<Option<usize>> = vec![None; streams.len()];
    for common in [Common::Flow, Common::Port, Common::Hosts] {
        let by_key = index_by_key(&streams, &partner, common);
        for (index, stream) in streams.iter().enumerate() {
            let candidates = common.keys(stream.flow.reversed());
            let best = candidates
                .iter()
                .filter_map(|key| by_key.get(key))
                .flatten()
                .filter(|other| **other != index && free(&partner, index) && free(&partner, **other))
                .filter_map(|other| Some((*other, distance(stream, streams.get(*other)?)?)))
                .min_by_key(|(_, distance)| *distance);
            if let Some((other, _)) = best {
                link(&mut partner, index, other);
            }
        }
    }
    calls_of(streams, &partner)
}

/// The streams that have no partner yet.
fn index_by_key(streams: &[RtpStream], partner: &[Option<usize>], common: Common) -> HashMap<Key, Vec<usize>> {
    let mut by_key: HashMap<Key, Vec<usize>> = HashMap::new();
    let alone = streams.iter().enumerate().filter(|(index, _)| free(partner, *index));
    for (index, stream) in alone {
        for key in common.keys(stream.flow) {
            by_key.entry(key).or_default().push(index);
        }
    }
    by_key
}

fn calls_of(streams: Vec<RtpStream>, partner: &[Option<usize>]) -> Vec<GuessedCall> {
    let mut streams: Vec<Option<RtpStream>> = streams.into_iter().map(Some).collect();
    let mut take = |index: usize| streams.get_mut(index).and_then(Option::take);
    let mut calls = Vec::new();
    for (index, partner) in partner.iter().enumerate() {
        if let Some(one) = take(index) {
            calls.push(GuessedCall { one, other: partner.and_then(&mut take) });
        }
    }
    calls
}

fn free(partner: &[Option<usize>], index: usize) -> bool {
    partner.get(index).is_some_and(Option::is_none)
}

fn link(partner: &mut [Option<usize>], one: usize, other: usize) {
    for (from, to) in [(one, other), (other, one)] {
        if let Some(slot) = partner.get_mut(from) {
            *slot = Some(to);
        }
    }
}

/// µs between the beginnings of two streams; `None` where they are not there at the same
/// time, give or take the pause that separates calls.
fn distance(one: &RtpStream, other: &RtpStream) -> Option<u64> {
    let apart = one.first > other.last.plus(NEW_CALL_AFTER) || other.first > one.last.plus(NEW_CALL_AFTER);
    let between = one.first.unix_micros().abs_diff(other.first.unix_micros());
    (!apart).then_some(between)
}

#[cfg(test)]
mod tests;
