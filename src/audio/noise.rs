//! Comfort noise (RFC 3389): a level, and reflection coefficients of its spectrum.

/// Coefficients that are looked at; RFC 3389 §3.1 leaves their number to the sender.
const ORDER: usize = 10;

/// Noise as a payload describes it.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    /// Root mean square of the samples.
    level: f32,
    reflection: [f32; ORDER],
    state: [f32; ORDER + 1],
    random: u32,
}

impl ComfortNoise {
    /// Reads a payload (RFC 3389 §3): −dBov in seven bits, then coefficients as k·127 + 127.
    /// `None`: it is empty.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (level, coefficients) = payload.split_first()?;
        let decibel = f32::from(level & 0x7f);
        let mut reflection = [0.0; ORDER];
        for (place, byte) in reflection.iter_mut().zip(coefficients) {
            *place = ((f32::from(*byte) - 127.0) / 127.0).clamp(-0.98, 0.98);
        }
        // A square wave of full scale is 0 dBov.
        Some(ComfortNoise {
            level: 32_768.0 * 10f32.powf(-decibel / 20.0),
            reflection,
            state: [0.0; ORDER + 1],
            random: 0x2545_f491,
        })
    }

    /// The payload for white noise of this many −dBov.
    pub const fn payload(below_full: u8) -> [u8; 1] {
        [if below_full > 127 { 127 } else { below_full }]
    }

    /// The next samples.
    pub fn fill(&mut self, out: &mut [i16]) {
        // The synthesis filter raises the power of white noise by this factor.
        let gain: f32 = self.reflection.iter().map(|k| 1.0 - k * k).product::<f32>().sqrt();
        for sample in out {
            let noise = self.level * gain * self.white();
            let value = self.shape(noise);
            *sample = value.clamp(-32_768.0, 32_767.0) as i16;
        }
    }

    /// Uniform noise with a power of one.
    fn white(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        (self.random as f32 / u32::MAX as f32 - 0.5) * 12f32.sqrt()
    }

    /// An all-pole lattice filter.
    fn shape(&mut self, input: f32) -> f32 {
        let mut forward = input;
        let mut carried = [0.0; ORDER + 1];
        for at in (0..ORDER).rev() {
            let k = self.reflection.get(at).copied().unwrap_or(0.0);
            let backward = self.state.get(at).copied().unwrap_or(0.0);
            forward -= k * backward;
            if let Some(place) = carried.get_mut(at + 1) {
                *place = backward + k * forward;
            }
        }
        if let Some(place) = carried.first_mut() {
            *place = forward;
        }
        self.state = carried;
        forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(payload: &[u8]) -> f64 {
        let mut out = [0; 8_000];
        ComfortNoise::parse(payload).unwrap().fill(&mut out);
        let power: f64 = out.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / out.len() as f64;
        10.0 * (power / 32_768f64.powi(2)).log10()
    }

    #[test]
    fn the_noise_has_the_level_of_its_payload_whatever_its_spectrum() {
        for (payload, expected) in [(&[30u8][..], -30.0), (&[50], -50.0), (&[40, 200, 90, 127], -40.0)] {
            assert!((level(payload) - expected).abs() < 1.0, "{payload:?}: {}", level(payload));
        }
        assert_eq!(ComfortNoise::payload(200), [127]);
        assert!(ComfortNoise::parse(&[]).is_none());
    }
}
