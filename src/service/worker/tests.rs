//! A worker that was late: what has waited is there all at once when it looks.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its expectation fails")]

use super::*;
use crate::base::Wall;
use crate::media::tests::plain;
use crate::media::{decode_tap, payload_length};
use crate::service::meters::Meters;
use crate::service::ports::Ports;

const SLOT: Slot = Slot(7);
const TAKE: TakeSlot = TakeSlot(8);

/// A worker with one recorded call whose parties are two sockets of the test.
struct Late {
    handle: WorkerHandle,
    worker: Worker,
    ring: rtrb::Consumer<u8>,
    reports: tokio::sync::mpsc::Receiver<Report>,
    parties: [UdpSocket; 2],
    ours: [SocketAddr; 2],
}

impl Late {
    fn with_a_call() -> Self {
        let (producer, ring) = rtrb::RingBuffer::new(RESERVE + (1 << 16));
        let (told, reports) = tokio::sync::mpsc::channel(64);
        let meter = Arc::new(Meters::default()).worker();
        let (handle, worker) = WorkerHandle::prepare(Clock::start(), producer, told, meter).unwrap();
        let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
        let mut ports = Ports::new(20_000, 30_000);
        let sockets = [ports.open(loopback).unwrap(), ports.open(loopback).unwrap()];
        let ours = [0, 1].map(|at: usize| sockets[at].rtp.local_addr().unwrap());
        let parties = [(), ()].map(|()| UdpSocket::bind((loopback, 0)).unwrap());
        let call = CallId::new(Wall::from_unix_micros(0), [1; 10]);
        handle.send(Command::Add {
            slot: SLOT,
            call,
            sockets: Box::new(sockets),
            config: Box::new(plain::config(true)),
        });
        let late = Late { handle, worker, ring, reports, parties, ours };
        for side in Side::BOTH {
            let remote = late.parties[side.channel()].local_addr().unwrap();
            late.order(MediaOrder::SetMedia { side, media: Box::new(plain::media(remote)) });
        }
        late.order(MediaOrder::Connect);
        late
    }

    fn order(&self, order: MediaOrder) {
        self.handle.send(Command::Order { slot: SLOT, order });
    }

    /// Packets of 20 ms of one party; they wait in the call's socket.
    fn say(&self, side: Side, packets: std::ops::Range<u16>) {
        for number in packets {
            let mut packet = vec![0x80, 0];
            packet.extend(number.to_be_bytes());
            packet.extend((u32::from(number) * 160).to_be_bytes());
            packet.extend([0, 0, 0, 9]);
            packet.extend([0x2a; 160]);
            let sent = self.parties[side.channel()].send_to(&packet, self.ours[side.channel()]).unwrap();
            assert_eq!(sent, packet.len());
        }
    }

    /// Lets the worker do all that waits, and end. Sequence numbers that the recorder is given of a
    /// slot, by side.
    fn heard_of(mut self, slot: u32) -> [Vec<u16>; 2] {
        self.handle.send(Command::Stop);
        self.worker.run();
        let mut heard = [Vec::new(), Vec::new()];
        let length = self.ring.slots();
        let bytes: Vec<u8> = self.ring.read_chunk(length).unwrap().into_iter().collect();
        let mut rest = bytes.as_slice();
        while let Some((header, after)) = rest.split_first_chunk::<TAP_HEADER>() {
            let (payload, after) = after.split_at(payload_length(header));
            rest = after;
            if let Some((of, TapEvent::Frame { side, sequence, .. })) = decode_tap(header, payload)
                && of == slot
            {
                heard[side.channel()].push(sequence);
            }
        }
        drop(self.reports);
        heard
    }
}

#[test]
fn what_was_said_before_the_end_is_recorded_when_the_worker_is_late() {
    let late = Late::with_a_call();
    late.say(Side::Caller, 0..15);
    late.say(Side::Callee, 100..110);
    late.order(MediaOrder::End);
    assert_eq!(late.heard_of(SLOT.0), [(0..15).collect::<Vec<_>>(), (100..110).collect()]);
}

#[test]
fn what_was_said_before_the_service_stops_is_recorded_when_the_worker_is_late() {
    let late = Late::with_a_call();
    late.say(Side::Caller, 0..15);
    assert_eq!(late.heard_of(SLOT.0), [(0..15).collect::<Vec<_>>(), Vec::new()]);
}

#[test]
fn the_last_words_of_a_message_are_in_it_when_the_worker_is_late() {
    let late = Late::with_a_call();
    late.order(MediaOrder::BeginTake { side: Side::Caller, slot: TAKE });
    late.say(Side::Caller, 0..15);
    late.order(MediaOrder::EndTake { slot: TAKE });
    late.order(MediaOrder::End);
    assert_eq!(late.heard_of(TAKE.0), [(0..15).collect::<Vec<_>>(), Vec::new()]);
}

#[test]
fn a_sender_that_never_pauses_does_not_keep_a_call_from_ending() {
    let late = Late::with_a_call();
    let most = u16::try_from(MOST_WAITING).unwrap();
    late.say(Side::Callee, 0..most + 20);
    late.order(MediaOrder::End);
    assert_eq!(late.heard_of(SLOT.0), [Vec::new(), (0..most).collect()]);
}
