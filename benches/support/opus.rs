//! The caller's end of Opus: packets that were coded before the first call, so that sending them
//! costs no more than sending others.

use telegraphone::audio::Coding;
use telegraphone::audio::codec::{MOST_PAYLOAD, decoder, encoder};
use telegraphone::base::Rate;

/// Payload type of the caller.
pub const PT: u8 = 96;
/// Ticks of a packet, and what it decodes to at 8 kHz.
pub const TICKS: u32 = 960;
const FRAME: usize = 160;
/// Packets that are coded, 20 s of them; after the last comes the first again.
const PACKETS: usize = 1_000;
/// Where the place of the channel is looked for: samples of it, from which on, and how far.
const PROBE: usize = 800;
const PROBE_AT: usize = 8_000;
const FAR: usize = 8_000;
/// Below this a channel is not what was said.
const LEAST: f64 = 0.99;

/// What all callers say, each from another packet on: no two packets are the same.
pub struct Voice(Vec<Vec<u8>>);

impl Voice {
    pub fn new() -> Voice {
        let mut encoder = encoder(Coding::Opus, Rate::NARROW).unwrap();
        let mut room = [0; MOST_PAYLOAD];
        let mut phase = 0.0f64;
        let mut say = |at: usize| {
            let t = at as f64 / 8_000.0;
            phase += (180.0 + 60.0 * (t * 4.4).sin() + 6.0 * t) / 8_000.0;
            let harmonics: f64 =
                (1..=8).map(|n| (phase * f64::from(n) * std::f64::consts::TAU).sin() / f64::from(n)).sum();
            (harmonics * 5_000.0 * (0.6 + 0.4 * (t * 21.0).sin())) as i16
        };
        let packets = (0..PACKETS).map(|number| {
            let samples: Vec<i16> = (number * FRAME..(number + 1) * FRAME).map(&mut say).collect();
            let length = encoder.encode(&samples, &mut room).unwrap();
            room[..length].to_vec()
        });
        Voice(packets.collect())
    }

    /// The offer of a caller who speaks Opus and nothing else.
    pub fn offer(plain: &str) -> String {
        let (head, tail) = plain.split_once("RTP/AVP 0 101\r\n").unwrap();
        let attributes = tail.replace("a=rtpmap:0 PCMU/8000", &format!("a=rtpmap:{PT} opus/48000/2"));
        let attributes = attributes.replace("telephone-event/8000", "telephone-event/48000");
        format!("{head}RTP/AVP {PT} 101\r\n{attributes}")
    }

    pub fn packet(&self, call: usize, number: u32) -> &[u8] {
        &self.0[(call * 37 + number as usize) % PACKETS]
    }

    /// How much a channel of 8 kHz is like the first `packets` of a call, 0 to 1.
    ///
    /// # Errors
    /// Where it is too little, or the channel is longer or shorter by more than two packets.
    pub fn likeness(&self, channel: &[i16], call: usize, packets: u32) -> Result<f64, String> {
        let mut decoder = decoder(Coding::Opus, Rate::NARROW).unwrap();
        let mut said = vec![0; packets as usize * FRAME];
        for (number, place) in said.chunks_mut(FRAME).enumerate() {
            decoder.decode(self.packet(call, number as u32), place).unwrap();
        }
        let probe = said.get(PROBE_AT..PROBE_AT + PROBE).ok_or("the call is too short to compare")?;
        let at =
            |lag: usize| channel.get(PROBE_AT + lag..PROBE_AT + lag + PROBE).map_or(-1.0, |part| like(part, probe));
        let lag = (0..FAR).max_by(|a, b| at(*a).total_cmp(&at(*b))).unwrap();
        let end = channel.iter().rposition(|sample| *sample != 0).map_or(0, |last| last + 1);
        if end.abs_diff(lag + said.len()) > 2 * FRAME {
            return Err(format!("{} samples of Opus instead of {}", end.saturating_sub(lag), said.len()));
        }
        let likeness = like(&channel[lag..end], &said);
        if likeness < LEAST {
            return Err(format!("the channel of Opus is like what was said by {likeness:.3} only"));
        }
        Ok(likeness)
    }
}

/// The normalised correlation of as much as both have.
fn like(one: &[i16], other: &[i16]) -> f64 {
    let (mut both, mut of_one, mut of_other) = (0.0, 1e-9, 1e-9);
    for (a, b) in one.iter().zip(other) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        both += a * b;
        of_one += a * a;
        of_other += b * b;
    }
    both / f64::sqrt(of_one * of_other)
}
