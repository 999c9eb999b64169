//! The memory of a replay does not grow with the length of the capture: every byte is counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]
#![allow(unsafe_code, reason = "an allocator that counts can be had in no other way")]

mod synthetic;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use telegraphone::replay::{Options, Policy, replay_from};

/// Counts what is allocated now and what was at most.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that a replay of a call of `seconds` holds at most.
fn most_bytes(seconds: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let call = synthetic::Call::of_seconds(seconds);
    let report = replay_from(call, 0, "long", &Policy::default(), &Options::new(folder.path()), &mut |_| {}).unwrap();
    let most = MOST.load(Ordering::Relaxed) - before;
    let file = &report.calls[0].files[0];
    assert_eq!(file.samples, seconds * 8_000, "the call is whole");
    assert_eq!(file.markers.len(), 2, "start and end, no gap: {:?}", file.markers);
    most
}

#[test]
fn a_call_of_half_an_hour_takes_no_more_memory_than_one_of_half_a_minute() {
    let (short, long) = (most_bytes(30), most_bytes(1_800));
    assert!(long < short + 64 * 1024, "{short} bytes for 30 s, {long} bytes for 1800 s");
    assert!(long < 4 * 1024 * 1024, "{long} bytes");
}
