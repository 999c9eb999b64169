//! How many times faster than real time one G.711 call is replayed, file included.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::io::Read;
use std::time::Instant;
use telegraphone::replay::{Options, Policy, replay_from};

const SECONDS: u64 = 1_200;
const ROUNDS: u32 = 5;

fn main() {
    let mut capture = Vec::new();
    synthetic::Call::of_seconds(SECONDS).read_to_end(&mut capture).expect("made in memory");
    let folder = tempfile::tempdir().expect("a folder for the files");
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let options = Options::new(folder.path());
        let report =
            replay_from(&capture[..], capture.len() as u64, "bench", &Policy::default(), &options, &mut |_| {});
        let report = report.expect("the capture can be replayed");
        best = best.min(began.elapsed().as_secs_f64());
        assert_eq!(report.calls.first().map(|call| call.samples()), Some(SECONDS * 8_000));
    }
    println!("replay: {:.0} × real time (one G.711 call of {SECONDS} s, best of {ROUNDS})", SECONDS as f64 / best);
}
