//! "This call is recorded": said when the recording begins, and to who joins later.
//!
//! ```text
//! at the answer:  gates open ─► the notice is said over it
//! in mid-call:    the recorder begins ─► the notice is said and stands in the file
//!                 ─► it is over: now the parties are let through
//! ```
//! Until a notice in mid-call is over nothing of either party passes.
//!
//! A party that may refuse does so by a key while the notice is said to it or in the 5 s after it.
//! Nobody else's keys are looked at for it, and no others.

use super::{Bridge, Fact, Out};
use crate::audio::Tone;
use crate::audio::prompt::Pcm;
use crate::base::{Rate, Samples, Side, Span, Time};
use crate::ledger::How;
use crate::media::player::{PlayId, Player, Prompt, Times};
use crate::media::tap::TapEvent;

/// What is said of a recording, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub pcm: Pcm,
    /// Caller, callee.
    pub to: [bool; 2],
    /// Said again and again while the call is recorded: a beep.
    pub every: Option<Span>,
    pub refuse: Option<Refuse>,
}

/// How a recording is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuse {
    pub key: u8,
    /// Caller, callee: who may.
    pub by: [bool; 2],
}

/// After the end of the notice it may still be refused for so long.
const REFUSE: Span = Span::from_secs(5);

/// The name of every notice; prompts of call control count up from 1.
const NOTICE: PlayId = PlayId(u32::MAX);

/// Who has heard what.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    notice: Option<Notice>,
    told: [bool; 2],
    /// A notice in mid-call that is still heard on these sides: the parties wait for its end.
    opening: Option<[bool; 2]>,
    next_at: Time,
    /// Until when a party may refuse.
    refusable: [Option<Time>; 2],
    /// When a party came that was not there from the beginning.
    joined: [Option<Time>; 2],
}

impl Notices {
    /// The recorder runs for the notice alone.
    pub const fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Whether a key refuses the recording now.
    pub fn is_refusal(&self, side: Side, key: u8, now: Time) -> bool {
        let refuse = self.notice.as_ref().and_then(|notice| notice.refuse);
        let until = self.refusable.get(side.channel()).copied().flatten();
        refuse.is_some_and(|refuse| refuse.key == key) && until.is_some_and(|until| now <= until)
    }

    /// `side` is being told: from now on it may refuse, where it may at all.
    fn offer_refusal(&mut self, side: Side, said: usize, now: Time) {
        let may = self.notice.as_ref().and_then(|notice| notice.refuse).is_some_and(|refuse| flag(refuse.by, side));
        let until = now + Rate::NARROW.span(Samples(said as u64)) + REFUSE;
        if let Some(refusable) = self.refusable.get_mut(side.channel()) {
            *refusable = may.then_some(until);
        }
    }

    fn is_for(&self, side: Side) -> bool {
        flag(self.notice.as_ref().map_or([false; 2], |notice| notice.to), side)
    }
}

impl Bridge {
    /// What is to be said when this call is recorded.
    pub fn set_notice(&mut self, notice: Option<Notice>) {
        self.notices.notice = notice;
    }

    /// Where the call is recorded, who came and has heard no notice yet hears one now; the recording
    /// goes on.
    pub(super) fn tell_newcomer(&mut self, side: Side, now: Time) {
        if self.connected && (self.leg(side).gate.is_open() || self.notices.is_opening()) {
            self.say_notice(now);
        }
    }

    /// Whoever is on `side` from now on has been told nothing.
    pub(super) fn forget_told(&mut self, side: Side, now: Time) {
        set_flag(&mut self.notices.told, side, false);
        if let Some(joined) = self.notices.joined.get_mut(side.channel()) {
            *joined = Some(now);
        }
        if let Some(refusable) = self.notices.refusable.get_mut(side.channel()) {
            *refusable = None;
        }
    }

    /// A party does not want to be recorded: the gates are shut for good. Of a party that was
    /// there from the beginning nothing remains, of one that came later nothing of its own.
    pub(super) fn refuse(&mut self, side: Side, how: How, now: Time, out: &mut impl Out) {
        let was_open = self.leg(side).gate.is_open() || self.notices.opening.is_some();
        self.rules.facts.refused = true;
        self.notices.opening = None;
        self.notices.refusable = [None; 2];
        Side::BOTH.into_iter().for_each(|side| self.break_notice(side, now));
        if self.connected {
            let since = self.notices.joined.get(side.channel()).copied().flatten();
            out.tap(&TapEvent::Refused { since, at: now });
        }
        if was_open {
            self.shift_gates(false, None, now, out);
        }
        self.play(side, Tone::Obeyed);
        out.fact(Fact::Refused { side, how, at: now });
    }

    /// Says the notice to everybody who has not heard it. `true` when there is somebody.
    pub(super) fn say_notice(&mut self, now: Time) -> bool {
        let Some(Notice { pcm, every, .. }) = self.notices.notice.clone() else { return false };
        let mut said = false;
        for side in Side::BOTH {
            if self.notices.is_for(side) && !flag(self.notices.told, side) {
                set_flag(&mut self.notices.told, side, true);
                said = true;
                self.notices.offer_refusal(side, pcm.len(), now);
                let prompt = Prompt { id: NOTICE, pcm: pcm.clone(), times: Times::Once, recorded: true };
                self.interrupt(side, prompt, now);
            }
        }
        if said {
            self.notices.next_at = every.map_or(Time(u64::MAX), |every| now + every);
        }
        said
    }

    /// Says a notice at once. A prompt that it interrupts goes on after it.
    fn interrupt(&mut self, side: Side, notice: Prompt, now: Time) {
        if !self.hears_notice(side) {
            let leg = self.leg_mut(side);
            leg.next_player = leg.player.take();
        }
        self.begin(side, Player::new(notice), now);
    }

    pub(super) fn hears_notice(&self, side: Side) -> bool {
        self.leg(side).player.as_ref().is_some_and(|player| player.id() == NOTICE)
    }

    /// The notice on `side`, if it is being said, is heard no further.
    fn break_notice(&mut self, side: Side, now: Time) {
        if self.hears_notice(side) {
            self.leg_mut(side).player = None;
            self.begin_next(side, now);
        }
    }

    /// The recording begins in mid-call: first the notice, where somebody has not heard it. The
    /// recorder runs for it already. `false`: the gates can open at once.
    pub(super) fn tell_before_opening(&mut self, now: Time, out: &mut impl Out) -> bool {
        let before = self.notices.told;
        if !self.say_notice(now) {
            return false;
        }
        let told = self.notices.told;
        let hears = |side| flag(told, side) && !flag(before, side);
        self.notices.opening = Some(Side::BOTH.map(hears));
        out.tap(&TapEvent::Gate { open: true, at: now, edge: None });
        true
    }

    /// The recording is shut before its notice was over: nobody was let through.
    pub(super) fn stop_telling(&mut self, now: Time) {
        let Some(waiting) = self.notices.opening.take() else { return };
        for side in Side::BOTH {
            if flag(waiting, side) {
                self.break_notice(side, now);
                set_flag(&mut self.notices.told, side, false);
            }
        }
    }

    /// A prompt was said to its end; `true` where it was a notice.
    pub(super) fn notice_played(&mut self, side: Side, id: PlayId, now: Time) -> bool {
        if id != NOTICE {
            return false;
        }
        self.waits_no_longer(side, now);
        true
    }

    /// The party on `side` does not hear the notice that the gates wait for, any more. With the
    /// last one they open.
    pub(super) fn waits_no_longer(&mut self, side: Side, now: Time) {
        let Some(waiting) = &mut self.notices.opening else { return };
        set_flag(waiting, side, false);
        if *waiting == [false; 2] {
            self.notices.opening = None;
            for side in Side::BOTH {
                let leg = self.leg_mut(side);
                let at = leg.receiver.clock_at(now);
                leg.gate.open(at);
            }
        }
    }

    /// A beep that is due.
    pub(super) fn repeat_notice(&mut self, now: Time) {
        let open = self.legs.iter().all(|leg| leg.gate.is_open());
        if self.connected && open && now >= self.notices.next_at && self.notices.notice.is_some() {
            self.notices.told = [false; 2];
            self.say_notice(now);
        }
    }
}

fn flag(flags: [bool; 2], side: Side) -> bool {
    flags.get(side.channel()).copied().unwrap_or(false)
}

fn set_flag(flags: &mut [bool; 2], side: Side, on: bool) {
    if let Some(flag) = flags.get_mut(side.channel()) {
        *flag = on;
    }
}
