//! The two voices, and finding them again in what was recorded.

use crate::audio::Law;
use std::io::Cursor;
use std::sync::Arc;

const AGENT: &[u8] = include_bytes!("../../fixtures/speech/agent.wav");
const CUSTOMER: &[u8] = include_bytes!("../../fixtures/speech/customer.wav");

/// Samples that are compared at a time: one packet of 20 ms.
const BLOCK: usize = 160;
/// A block whose loudest sample is below this is a pause in the speech: it could stand anywhere.
const VOICED: u16 = 200;
/// How often the whole voice is searched for one block before that is given up.
const SEARCHES: usize = 40;

/// One of the voices, 16-bit at 8 kHz.
pub fn agent() -> Result<Arc<[i16]>, hound::Error> {
    read(AGENT)
}

pub fn customer() -> Result<Arc<[i16]>, hound::Error> {
    read(CUSTOMER)
}

fn read(wav: &[u8]) -> Result<Arc<[i16]>, hound::Error> {
    hound::WavReader::new(Cursor::new(wav))?.into_samples::<i16>().collect()
}

/// How much of the speech in `sound` is this voice, bit for bit, from 0 to 1; 0 where nothing is
/// spoken. The voice was said in a loop, in either law of G.711, perhaps turned into the other on
/// its way, and may stand at any place.
pub fn share(sound: &[i16], voice: &[i16]) -> f64 {
    let laws = [Law::Mu, Law::A];
    let ways = laws.into_iter().flat_map(|from| laws.into_iter().map(move |to| (from, to)));
    ways.map(|(from, to)| share_of(sound, &through(voice, from, to))).fold(0.0, f64::max)
}

/// As it sounds after `from`, and then `to`.
fn through(voice: &[i16], from: Law, to: Law) -> Vec<i16> {
    let mut payload: Vec<u8> = voice.iter().map(|sample| from.encode(*sample)).collect();
    from.transcode(to, &mut payload);
    payload.into_iter().map(|byte| to.decode(byte)).collect()
}

fn share_of(sound: &[i16], voice: &[i16]) -> f64 {
    let mut at: Option<usize> = None;
    let (mut voiced, mut found, mut searches) = (0u32, 0u32, 0);
    for (index, block) in sound.chunks_exact(BLOCK).enumerate() {
        let start = index * BLOCK;
        if block.iter().all(|sample| sample.unsigned_abs() < VOICED) {
            continue;
        }
        voiced += 1;
        if at.is_some_and(|at| stands_at(voice, start + at, block)) {
            found += 1;
        } else if searches < SEARCHES {
            searches += 1;
            let place = (0..voice.len()).find(|place| stands_at(voice, *place, block));
            if let Some(place) = place {
                found += 1;
                // What to add to a position in `sound`, so that it never has to be negative.
                at = Some((place + voice.len() - start % voice.len()) % voice.len());
            }
        }
    }
    if voiced == 0 { 0.0 } else { f64::from(found) / f64::from(voiced) }
}

fn stands_at(voice: &[i16], place: usize, block: &[i16]) -> bool {
    let Some(place) = place.checked_rem(voice.len()) else { return false };
    voice.iter().cycle().skip(place).zip(block).all(|(said, heard)| said == heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looped(voice: &[i16], law: Law, from: usize, length: usize) -> Vec<i16> {
        voice.iter().cycle().skip(from).take(length).map(|sample| law.decode(law.encode(*sample))).collect()
    }

    #[test]
    fn a_voice_is_found_wherever_it_begins_and_no_other_is() {
        let (agent, customer) = (agent().unwrap(), customer().unwrap());
        for (law, from) in [(Law::Mu, 0), (Law::A, 70_000), (Law::Mu, 12_345)] {
            let sound = looped(&agent, law, from, 80_000);
            assert!(share(&sound, &agent) > 0.99, "{law:?} from {from}");
            assert!(share(&sound, &customer) < 0.02, "{law:?} from {from}");
        }
    }

    #[test]
    fn a_hole_and_a_slip_cost_only_themselves() {
        let agent = agent().unwrap();
        let mut sound = looped(&agent, Law::Mu, 500, 80_000);
        sound[30_000..40_000].fill(0);
        sound.drain(50_000..50_007);
        assert!(share(&sound, &agent) > 0.97);
    }

    #[test]
    fn silence_and_a_voice_that_was_touched_are_not_the_voice() {
        let agent = agent().unwrap();
        assert!(share(&[0; 16_000], &agent).abs() < f64::EPSILON);
        let louder: Vec<i16> = looped(&agent, Law::Mu, 0, 40_000).into_iter().map(|s| s.saturating_add(64)).collect();
        assert!(share(&louder, &agent) < 0.1);
    }
}
