//! Empties the rings of the media workers into memory, whatever the recorder is waiting for.
//!
//! ```text
//! worker ─► ring ─► intake thread ─► Bytes, Bytes, Until(time), … (bounded) ─► recorder
//! ```
//! A disk can keep a write waiting for seconds (another file's sync is enough), and a ring holds
//! less than one second of a full machine. So the thread that drains never touches a file, and
//! the memory in between is only used while the recorder is late. Where that is full too, the
//! rings fill, and what a worker cannot put into its ring is counted and becomes marked silence.
//!
//! The recorder's clock is [`Intake::Until`]: it knows then that it has seen all there was. By the
//! clock on the wall a recorder that is late would take what still waits for lost, write silence
//! there, and have to patch every packet into the file afterwards, which makes it later still.

use super::clock::Clock;
use super::priority::{WorkerClass, lower_recorder};
use crate::base::Time;
use crate::media::{TAP_HEADER, TapEvent, decode_tap, payload_length};
use rtrb::Consumer;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Most bytes that are moved at once.
const CHUNK: usize = 64 << 10;
/// Bytes that wait for the recorder at most: three seconds of 1,000 calls.
const BACKLOG: usize = 64 << 20;
/// Messages that wait at most; there are a few of them every ten ms.
const MESSAGES: usize = 65_536;
/// How long the thread sleeps when the rings are empty.
const NAP: Duration = Duration::from_millis(10);

/// What a recorder gets.
#[derive(Debug)]
pub enum Intake {
    Bytes(Chunk),
    /// Everything that a worker has put into its ring before this moment came before this.
    Until(Time),
}

/// Bytes of one ring, in the order in which they were put in; an event may go over several.
#[derive(Debug)]
pub struct Chunk {
    ring: usize,
    bytes: Vec<u8>,
    /// What waits in all, to be counted down with this.
    waiting: Arc<AtomicUsize>,
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Starts the thread. It ends when the rings are empty and nobody can fill them any more, or
/// when nobody takes what it drains. `waiting` counts the bytes that wait.
pub fn start(
    name: String,
    workers: WorkerClass,
    clock: Clock,
    rings: Vec<Consumer<u8>>,
    waiting: Arc<AtomicUsize>,
) -> io::Result<Receiver<Intake>> {
    let (drained, taken) = sync_channel(MESSAGES);
    thread::Builder::new().name(name).spawn(move || {
        lower_recorder(workers);
        run(clock, rings, &drained, &waiting);
    })?;
    Ok(taken)
}

fn run(clock: Clock, mut rings: Vec<Consumer<u8>>, drained: &SyncSender<Intake>, waiting: &Arc<AtomicUsize>) {
    loop {
        // Asked first: what was put in before the worker ended is drained below.
        let over = rings.iter().all(Consumer::is_abandoned);
        let now = clock.now();
        let mut moved = false;
        for (ring, consumer) in rings.iter_mut().enumerate() {
            while let Some(bytes) = take(consumer) {
                moved = true;
                while waiting.load(Ordering::Relaxed) > BACKLOG {
                    thread::sleep(NAP);
                }
                waiting.fetch_add(bytes.len(), Ordering::Relaxed);
                let chunk = Chunk { ring, bytes, waiting: Arc::clone(waiting) };
                if drained.send(Intake::Bytes(chunk)).is_err() {
                    return;
                }
            }
        }
        if drained.send(Intake::Until(now)).is_err() || (over && !moved) {
            return;
        }
        thread::sleep(NAP);
    }
}

fn take(ring: &mut Consumer<u8>) -> Option<Vec<u8>> {
    let count = ring.slots().min(CHUNK);
    let chunk = ring.read_chunk(count).ok().filter(|_| count > 0)?;
    let (first, second) = chunk.as_slices();
    let bytes = [first, second].concat();
    chunk.commit_all();
    Some(bytes)
}

/// Puts chunks together again to events, ring by ring.
#[derive(Debug, Default)]
pub struct Assembly {
    /// Per ring, the beginning of an event whose end has not come yet.
    begun: Vec<Vec<u8>>,
}

impl Assembly {
    /// Calls `each` with every event that is complete with this chunk; returns how many there were.
    pub fn take(&mut self, chunk: &Chunk, mut each: impl FnMut(u32, &TapEvent<'_>)) -> usize {
        let ring = chunk.ring;
        if self.begun.len() <= ring {
            self.begun.resize_with(ring + 1, Vec::new);
        }
        let Some(begun) = self.begun.get_mut(ring) else { return 0 };
        let joined = match begun.is_empty() {
            true => None,
            false => {
                begun.extend_from_slice(&chunk.bytes);
                Some(std::mem::take(begun))
            }
        };
        let (mut rest, mut count) = (joined.as_ref().unwrap_or(&chunk.bytes).as_slice(), 0);
        while let Some((header, payload, after)) = split(rest) {
            rest = after;
            count += 1;
            if let Some((slot, event)) = decode_tap(header, payload) {
                each(slot, &event);
            }
        }
        begun.extend_from_slice(rest);
        count
    }
}

/// The first event of `bytes`, where it is there as a whole, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8; TAP_HEADER], &[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk()?;
    let (payload, after) = rest.split_at_checked(payload_length(header))?;
    Some((header, payload, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Coding, Law};
    use crate::base::{Side, Time};
    use crate::media::encode_tap;
    use rtrb::{Producer, RingBuffer};

    fn put(ring: &mut Producer<u8>, number: u16) -> bool {
        let payload = [number as u8; 160];
        let coding = Coding::G711(Law::Mu);
        let (sequence, timestamp) = (number, u32::from(number) * 160);
        let event = TapEvent::Frame {
            side: Side::Caller,
            coding,
            ssrc: 1,
            sequence,
            timestamp,
            arrival: Time::ZERO,
            payload: &payload,
        };
        if ring.slots() < TAP_HEADER + payload.len() {
            return false;
        }
        ring.push_entire_slice(&encode_tap(7, &event)).is_ok() && ring.push_entire_slice(&payload).is_ok()
    }

    fn chunk(ring: usize, bytes: &[u8]) -> Chunk {
        Chunk { ring, bytes: bytes.to_vec(), waiting: Arc::new(AtomicUsize::new(bytes.len())) }
    }

    fn sequences(chunks: impl IntoIterator<Item = Chunk>) -> Vec<u16> {
        let (mut assembly, mut found) = (Assembly::default(), Vec::new());
        for chunk in chunks {
            assembly.take(&chunk, |slot, event| match event {
                TapEvent::Frame { sequence, payload, .. } => {
                    assert_eq!((slot, payload.len()), (7, 160));
                    assert!(payload.iter().all(|byte| *byte == *sequence as u8));
                    found.push(*sequence);
                }
                other => panic!("{other:?}"),
            });
        }
        found
    }

    #[test]
    fn a_recorder_that_waits_for_its_disk_costs_no_frame() {
        // A ring of five frames, and a recorder that takes nothing until 1,000 were sent.
        let (mut producer, consumer) = RingBuffer::new(5 * (TAP_HEADER + 160));
        let waiting =
            start("intake-test".to_owned(), WorkerClass::Usual, Clock::start(), vec![consumer], Arc::default())
                .unwrap();
        for number in 0..1_000 {
            while !put(&mut producer, number) {
                thread::yield_now();
            }
        }
        drop(producer);
        let (mut chunks, mut last) = (Vec::new(), Time::ZERO);
        for intake in waiting {
            match intake {
                Intake::Bytes(chunk) => chunks.push(chunk),
                Intake::Until(time) => {
                    assert!(time >= last, "time does not go back");
                    last = time;
                }
            }
        }
        assert_eq!(sequences(chunks), (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn events_that_are_cut_anywhere_are_put_together_again() {
        let (mut producer, mut consumer) = RingBuffer::new(1 << 16);
        assert!((0..20).all(|number| put(&mut producer, number)));
        let bytes = take(&mut consumer).unwrap();
        for size in [1, 3, TAP_HEADER, TAP_HEADER + 1, 191, 200, 1_000] {
            let chunks = bytes.chunks(size).map(|part| chunk(0, part));
            assert_eq!(sequences(chunks), (0..20).collect::<Vec<_>>(), "cut every {size} bytes");
        }
    }

    #[test]
    fn rings_are_not_mixed() {
        let (mut producer, mut consumer) = RingBuffer::new(1 << 16);
        assert!(put(&mut producer, 1) && put(&mut producer, 2));
        let bytes = take(&mut consumer).unwrap();
        let (head, tail) = bytes.split_at(100);
        let found = sequences([chunk(0, head), chunk(1, head), chunk(0, tail), chunk(1, tail)]);
        assert_eq!(found, [1, 2, 1, 2]);
    }
}
