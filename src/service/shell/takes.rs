//! Takes of one party alone: their slots, and who has to know of them.

use super::super::archivist::{ArchiveOrder, TakeWord};
use super::super::recorder::{RecorderOrder, TakeStart};
use super::{Place, ServiceShell};
use crate::base::{CallId, Side, Span, Time};
use crate::call::{MediaOrder, Shell, TakeOrder, TakeSetting};
use crate::ledger::{Keep, TakeId};
use crate::media::TakeSlot;

impl ServiceShell {
    pub(super) fn take_order(&mut self, call: CallId, order: TakeOrder) {
        match order {
            TakeOrder::Begin { take, side, keep, setting } => self.begin_take(call, take, side, *keep, *setting),
            TakeOrder::End { take, cut } => self.end_take(call, take, cut),
            TakeOrder::Keep { take, keep } => self.to_archive(ArchiveOrder::Take(TakeWord::Keep { call, take, keep })),
            TakeOrder::Discard { take } => self.to_archive(ArchiveOrder::Take(TakeWord::Discard { call, take })),
        }
    }

    /// The archivist hears of it first, then the recorder, and the worker last: whoever gets something
    /// of the take knows of it by then.
    fn begin_take(&mut self, call: CallId, take: TakeId, side: Side, keep: Keep, setting: TakeSetting) {
        let slot = TakeSlot(self.next_slot.wrapping_add(1));
        let Some(place) = self.places.get_mut(&call) else { return };
        self.next_slot = slot.0;
        place.takes.push((take, slot));
        let worker = place.worker;
        self.to_archive(ArchiveOrder::Take(TakeWord::Begun { call, take }));
        let start = Box::new(TakeStart { call, take, side, keep, setting });
        if let Some(recorder) = self.recorder_of(worker) {
            recorder.send(RecorderOrder::BeginTake { slot: slot.0, start });
        }
        self.media(call, MediaOrder::BeginTake { side, slot });
    }

    fn end_take(&mut self, call: CallId, take: TakeId, cut: Span) {
        let Some(place) = self.places.get(&call) else { return };
        let Some((_, slot)) = place.takes.iter().copied().find(|(of, _)| *of == take) else { return };
        if let Some(recorder) = self.recorder_of(place.worker) {
            recorder.send(RecorderOrder::CutTake { slot: slot.0, cut });
        }
        self.media(call, MediaOrder::EndTake { slot });
    }

    /// The call is over, and so is what its parties said.
    pub(super) fn takes_over(&self, call: CallId, place: &Place, at: Time) {
        if place.takes.is_empty() {
            return;
        }
        let slots = place.takes.iter().map(|(_, slot)| slot.0).collect();
        if let Some(recorder) = self.recorder_of(place.worker) {
            recorder.send(RecorderOrder::TakesOver { slots, at });
        }
        self.to_archive(ArchiveOrder::Take(TakeWord::Over { call, record: place.ended.clone() }));
    }
}
