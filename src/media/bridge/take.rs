//! What one party alone says, for a message or a greeting: a tap of its own beside that of the call.
//!
//! It has its own gate, which opens at the party's RTP clock as that of a recording does; what the
//! gate of the call does is nothing to it. What is played to the party is never in it.

use super::{Bridge, Out, Speech};
use crate::base::{Side, Time};
use crate::media::leg::Leg;
use crate::media::tap::TapEvent;
use crate::policy::Gate;

/// Names a take in the ring, as the slot of a call names its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TakeSlot(pub u32);

/// A take of the party on a leg.
#[derive(Clone, Debug)]
pub struct LegTake {
    pub slot: TakeSlot,
    pub gate: Gate,
}

impl Bridge {
    /// From now on what the party on `side` says goes to the recorder as the take `slot`, from the next
    /// packet on. One that it has already ends.
    pub fn begin_take(&mut self, side: Side, slot: TakeSlot, now: Time, out: &mut impl Out) {
        self.end_take_of(side, now, out);
        let leg = self.leg_mut(side);
        let mut gate = Gate::new(false);
        if let Some(ssrc) = leg.receiver.ssrc() {
            gate.new_stream(ssrc);
        }
        gate.open(leg.receiver.clock_at(now));
        leg.take = Some(Box::new(LegTake { slot, gate }));
        out.tap_take(slot, &TapEvent::Gate { open: true, at: now, edge: None });
    }

    /// The take is over, whosever it is; one that is over already stays as it is.
    pub fn end_take(&mut self, slot: TakeSlot, now: Time, out: &mut impl Out) {
        let of = |side: &Side| self.leg(*side).take.as_ref().is_some_and(|take| take.slot == slot);
        if let Some(side) = Side::BOTH.into_iter().find(of) {
            self.end_take_of(side, now, out);
        }
    }

    pub(super) fn end_take_of(&mut self, side: Side, now: Time, out: &mut impl Out) {
        if let Some(take) = self.leg_mut(side).take.take() {
            out.tap_take(take.slot, &TapEvent::End { at: now });
        }
    }

    /// A packet of a party that has a take. `count` as the gate counts.
    pub(super) fn tap_take(
        leg: &mut Leg,
        side: Side,
        speech: &Speech,
        count: usize,
        payload: &[u8],
        out: &mut impl Out,
    ) {
        let Some(take) = &leg.take else { return };
        let Some(event) = super::passed(&take.gate, side, speech, count, payload) else { return };
        if !out.tap_take(take.slot, &event) {
            leg.receiver.counters.tap_overflow += 1;
        }
    }
}
