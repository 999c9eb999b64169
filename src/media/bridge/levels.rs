//! How loud the parties are, while somebody watches.
//!
//! It is what they say, whether it is recorded or not: also while a recording is paused. Of it only a number
//! is known, and nothing is stored.

use super::{Bridge, Speech, passes};
use crate::audio::Coding;
use crate::base::Side;

impl Bridge {
    /// From now on the parties are measured, or no longer.
    pub fn meter(&mut self, on: bool) {
        for leg in &mut self.legs {
            leg.meter = on.then(|| leg.meter.take().unwrap_or_default());
        }
    }

    /// How loud each was since they were asked last, the caller first: RMS in dBFS. `None`: nothing came, or
    /// it is not measured, or in a coding that we lack.
    pub fn take_levels(&mut self) -> [Option<f32>; 2] {
        self.legs.each_mut().map(|leg| leg.meter.as_mut().and_then(|meter| meter.take()))
    }

    /// Whether anybody is measured.
    pub fn is_metered(&self) -> bool {
        self.legs.iter().any(|leg| leg.meter.is_some())
    }

    /// A packet of a party that is measured. What is decoded for the other leg is measured there.
    pub(super) fn measure(&mut self, side: Side, speech: &Speech, packet: &[u8]) {
        let Speech { coding, ref view, extended, now: _ } = *speech;
        let (leg, far) = self.pair(side);
        let (Some(meter), Some(payload)) = (&mut leg.meter, packet.get(view.payload.clone())) else { return };
        let heard = leg.media.as_ref().is_some_and(|media| media.receives) && far.player.is_none();
        let other = far.media.as_ref().is_some_and(|media| !passes(coding, media.send.1));
        let decoded = heard && other && leg.ear.is_some();
        match coding {
            Coding::G722 | Coding::Opus | Coding::G729 if decoded => {}
            Coding::G711(_) | Coding::G722 | Coding::Opus | Coding::G729 | Coding::Noise | Coding::Foreign { .. } => {
                meter.hear(coding, extended, payload)
            }
        }
    }
}
