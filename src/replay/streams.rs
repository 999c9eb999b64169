//! SIP messages out of TCP segments (RFC 9293 §3.4, RFC 3261 §18.3). Pure, and bounded whatever comes.
//!
//! ```text
//! segment ─ in order? ─► Framer ─► messages
//!         ├ too early ─► kept ─ what was missing comes ─► Framer
//!         │                   └ it does not come ─► from the next that begins with a message
//!         └ there before ─► nothing
//! ```
//! Each direction is a stream of its own. It is followed from its SYN, or from a segment that
//! begins with a SIP message; other streams are not kept.

use super::packet::Segment;
use crate::base::Wall;
use crate::sip::parse::Framer;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// Streams at a time; beyond them the one that was silent longest is forgotten.
const MOST_STREAMS: usize = 4_096;
/// Octets of all streams together.
const MOST_HELD: usize = 8 * 1024 * 1024;
/// Segments of a stream that came too early.
const MOST_EARLY: usize = 64;
/// µs until a segment that is missing is taken for not captured: TCP has sent it again by then.
const PATIENCE: i64 = 3_000_000;
/// Octets after which a first line that is none of SIP is recognised.
const TELLING: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flow {
    src: SocketAddr,
    dst: SocketAddr,
}

/// A message, when its last octet was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub at: Wall,
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub bytes: Bytes,
}

/// What a segment was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Of a stream that carries SIP, or may yet.
    Sip,
    /// Nothing but a handshake or an acknowledgement.
    Nothing,
    Other,
}

/// All streams that carry SIP.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: HashMap<Flow, Stream>,
    seen: u64,
    held: usize,
    /// When the first gap is taken for lost.
    due: Option<Wall>,
    lost: u64,
}

#[derive(Debug)]
struct Stream {
    /// Sequence number of the SYN.
    syn: Option<u32>,
    next: u32,
    head: Head,
    framer: Framer,
    /// By distance from where it was first missing; `gap` says since when.
    early: BTreeMap<u32, Vec<u8>>,
    gap: Option<(u32, Wall)>,
    /// When it was last seen, in segments.
    last: u64,
    held: usize,
}

/// Whether it is SIP.
#[derive(Debug)]
enum Head {
    Unknown(Vec<u8>),
    Sip,
}

impl Streams {
    /// Takes a segment; whole messages are added to `out`.
    pub fn take(&mut self, at: Wall, segment: &Segment<'_>, out: &mut Vec<Heard>) -> Of {
        let Segment { src, dst, sequence, syn, payload } = *segment;
        let flow = Flow { src, dst };
        self.seen += 1;
        let known = self.streams.remove(&flow);
        self.held -= known.as_ref().map_or(0, |stream| stream.held);
        let mut stream = match known {
            Some(stream) if !syn || stream.syn == Some(sequence) => stream,
            Some(_) | None if syn => Stream::after_syn(sequence),
            Some(_) | None => match carries_sip(payload) {
                Some(true) => Stream::from(sequence),
                Some(false) | None if payload.is_empty() => return Of::Nothing,
                Some(false) | None => return Of::Other,
            },
        };
        stream.last = self.seen;
        let first = sequence.wrapping_add(u32::from(syn));
        let goes_on = stream.take(at, first, payload);
        let found = stream.messages(at, flow, out);
        if !goes_on || !found {
            self.lost += u64::from(!found);
            return if found { Of::Other } else { Of::Sip };
        }
        self.keep(flow, stream);
        Of::Sip
    }

    /// When [`pass`](Self::pass) has something to do.
    pub const fn due(&self) -> Option<Wall> {
        self.due
    }

    /// Lets time pass: what is missing for too long is not in the capture, and streams go on
    /// behind it.
    pub fn pass(&mut self, now: Wall, out: &mut Vec<Heard>) {
        let missing = |stream: &Stream| stream.gap.is_some_and(|(_, since)| is_over(since, now));
        let late: Vec<Flow> = self.streams.iter().filter(|(_, s)| missing(s)).map(|(flow, _)| *flow).collect();
        for flow in late {
            self.go_on_behind_the_gap(flow, now, out);
        }
        let gaps = self.streams.values().filter_map(|stream| stream.gap);
        self.due = gaps.map(|(_, since)| Wall::from_unix_micros(since.unix_micros().saturating_add(PATIENCE))).min();
    }

    /// Nothing more comes.
    pub fn finish(&mut self, now: Wall, out: &mut Vec<Heard>) {
        let mut late: Vec<(u64, Flow)> =
            self.streams.iter().filter(|(_, s)| s.gap.is_some()).map(|(flow, s)| (s.last, *flow)).collect();
        late.sort_by_key(|(last, _)| *last);
        for (_, flow) in late {
            self.go_on_behind_the_gap(flow, now, out);
        }
        self.due = None;
    }

    /// Places where octets are missing or cannot be read, since the last time.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn keep(&mut self, flow: Flow, stream: Stream) {
        if let Some((_, since)) = stream.gap {
            let due = Wall::from_unix_micros(since.unix_micros().saturating_add(PATIENCE));
            self.due = Some(self.due.map_or(due, |other| other.min(due)));
        }
        let mut stream = stream;
        stream.held = stream.count();
        self.held += stream.held;
        self.streams.insert(flow, stream);
        while self.streams.len() > MOST_STREAMS || self.held > MOST_HELD {
            let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.last).map(|(flow, _)| *flow);
            let Some(stream) = oldest.and_then(|flow| self.streams.remove(&flow)) else { break };
            self.held -= stream.held;
            self.lost += u64::from(stream.gap.is_some());
        }
    }

    fn go_on_behind_the_gap(&mut self, flow: Flow, now: Wall, out: &mut Vec<Heard>) {
        let Some(mut stream) = self.streams.remove(&flow) else { return };
        self.held -= stream.held;
        self.lost += 1;
        while stream.gap.is_some() && stream.skip() {
            if !stream.messages(now, flow, out) {
                return;
            }
        }
        if stream.gap.is_none() {
            self.keep(flow, stream);
        }
    }
}

fn is_over(since: Wall, now: Wall) -> bool {
    now.unix_micros().saturating_sub(since.unix_micros()) >= PATIENCE
}

impl Stream {
    fn new(syn: Option<u32>, next: u32, head: Head) -> Self {
        let (framer, early) = (Framer::new(), BTreeMap::new());
        Stream { syn, next, head, framer, early, gap: None, last: 0, held: 0 }
    }

    fn after_syn(sequence: u32) -> Self {
        Self::new(Some(sequence), sequence.wrapping_add(1), Head::Unknown(Vec::new()))
    }

    /// From a segment that begins with a message.
    fn from(sequence: u32) -> Self {
        Self::new(None, sequence, Head::Sip)
    }

    fn count(&self) -> usize {
        let head = match &self.head {
            Head::Unknown(head) => head.len(),
            Head::Sip => 0,
        };
        head + self.framer.buffered() + self.early.values().map(Vec::len).sum::<usize>()
    }

    /// Takes octets that begin at `first`; false where this is no stream of SIP.
    fn take(&mut self, at: Wall, first: u32, payload: &[u8]) -> bool {
        // Numbers wrap: the nearer way round is meant.
        let ahead = first.wrapping_sub(self.next).cast_signed();
        if ahead > 0 {
            if !payload.is_empty() {
                self.take_early(at, first, payload);
            }
            return true;
        }
        let known = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
        let Some(new) = payload.get(known..).filter(|new| !new.is_empty()) else { return true };
        self.push(new) && self.take_what_follows()
    }

    fn take_early(&mut self, at: Wall, first: u32, payload: &[u8]) {
        let (missing, _) = *self.gap.get_or_insert((self.next, at));
        let place = self.early.entry(first.wrapping_sub(missing)).or_default();
        if place.len() < payload.len() {
            *place = payload.to_vec();
        }
        while self.early.len() > MOST_EARLY {
            self.early.pop_last();
        }
    }

    /// What came too early and is not so any more.
    fn take_what_follows(&mut self) -> bool {
        let Some((missing, _)) = self.gap else { return true };
        while let Some((place, early)) = self.early.pop_first() {
            let ahead = missing.wrapping_add(place).wrapping_sub(self.next).cast_signed();
            if ahead > 0 {
                self.early.insert(place, early);
                return true;
            }
            let known = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
            let new = early.get(known..).unwrap_or(&[]);
            if !self.push(new) {
                return false;
            }
        }
        self.gap = None;
        true
    }

    /// The next octets in order; false where they are none of SIP.
    fn push(&mut self, bytes: &[u8]) -> bool {
        self.next = self.next.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
        let Head::Unknown(head) = &mut self.head else {
            self.framer.push(bytes);
            return true;
        };
        head.extend_from_slice(bytes);
        let keep_alive = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        head.drain(..keep_alive);
        match carries_sip(head) {
            Some(true) => {
                self.framer.push(head);
                self.head = Head::Sip;
                true
            }
            Some(false) => false,
            None => true,
        }
    }

    /// Whole messages; false where the next one cannot be found any more.
    fn messages(&mut self, at: Wall, flow: Flow, out: &mut Vec<Heard>) -> bool {
        while let Some(message) = self.framer.next_bytes() {
            let Ok(bytes) = message else { return false };
            out.push(Heard { at, src: flow.src, dst: flow.dst, bytes });
        }
        true
    }

    /// Goes on at the first early segment that begins with a message; false where there is none.
    fn skip(&mut self) -> bool {
        let Some((missing, since)) = self.gap else { return false };
        while let Some((place, early)) = self.early.pop_first() {
            if carries_sip(&early) != Some(true) {
                continue;
            }
            self.framer = Framer::new();
            self.head = Head::Sip;
            self.next = missing.wrapping_add(place);
            self.push(&early);
            self.gap = Some((missing, since));
            return self.take_what_follows();
        }
        false
    }
}

/// Whether octets begin like a SIP message, line breaks before it apart; `None`: too few to tell.
fn carries_sip(bytes: &[u8]) -> Option<bool> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let bytes = bytes.get(start..)?;
    let begins = |wanted: &[u8]| {
        let common = bytes.len().min(wanted.len());
        bytes.get(..common).zip(wanted.get(..common)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    if begins(b"SIP/2.0 ") {
        return (bytes.len() >= 8).then_some(true);
    }
    let method = bytes.iter().position(|byte| !byte.is_ascii_uppercase());
    let Some(method) = method else { return if bytes.len() < TELLING { None } else { Some(false) } };
    let (space, uri) = bytes.split_at_checked(method)?.1.split_first()?;
    if *space != b' ' || method == 0 {
        return Some(false);
    }
    let schemes: [&[u8]; 3] = [b"sip:", b"sips:", b"tel:"];
    let begins = |scheme: &&[u8]| uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    match schemes.iter().any(begins) {
        true => Some(true),
        false if uri.len() < 5 => None,
        false => Some(false),
    }
}

#[cfg(test)]
mod tests;
