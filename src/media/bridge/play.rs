//! Prompts in the place of the other party's packets, and keys that call control asks for.

use super::{Bridge, Fact, Out};
use crate::audio::codec::MOST_PAYLOAD;
use crate::audio::{Coding, Law};
use crate::base::{Rate, Side, Span, Time};
use crate::media::leg::{Commander, Leg};
use crate::media::player::{FRAME, Player, Prompt};
use crate::media::tap::TapEvent;
use crate::rtp::HEADER;

/// The packet that went out last lasts this long: a prompt begins after it.
const PACKET: Span = Span::from_millis(20);

impl Bridge {
    /// Plays a prompt to the party on `side`, in the place of what was played to it so far. Its
    /// end is told by [`Fact::Played`], unless something else takes its place before. A notice is
    /// heard to its end: the prompt begins after it.
    pub fn play_prompt(&mut self, side: Side, prompt: Prompt, now: Time) {
        let player = Player::new(prompt);
        match self.hears_notice(side) {
            true => self.leg_mut(side).next_player = Some(player),
            false => self.begin(side, player, now),
        }
    }

    pub(super) fn begin(&mut self, side: Side, mut player: Player, now: Time) {
        let leg = self.leg_mut(side);
        let begins = leg.sender.last_at().map_or(now, |last| now.max(last + PACKET));
        let clock = leg.media.as_ref().map_or(Rate::NARROW, |media| media.send.1.clock());
        player.begin(begins, leg.sender.timestamp_at(begins), clock);
        leg.player = Some(player);
        if let Some(mouth) = &mut leg.mouth {
            mouth.untie();
        }
    }

    /// What waited for the end of a notice.
    pub(super) fn begin_next(&mut self, side: Side, now: Time) {
        if let Some(player) = self.leg_mut(side).next_player.take() {
            self.begin(side, player, now);
        }
    }

    /// The other party is heard again, after a notice that is being said.
    pub fn stop_prompt(&mut self, side: Side) {
        let notice = self.hears_notice(side);
        let leg = self.leg_mut(side);
        leg.next_player = None;
        leg.player.take_if(|_| !notice);
    }

    /// While it is on, keys of the party on `side` are told as [`Fact::Key`] and go no further.
    /// Commands are found in them all the same.
    pub fn collect_keys(&mut self, side: Side, on: bool) {
        self.leg_mut(side).collects = on;
    }

    /// The party on `side` was answered for a prompt: before the call is connected its silence is
    /// told as that of any party.
    pub fn watch(&mut self, side: Side, now: Time) {
        let leg = self.leg_mut(side);
        leg.watched = true;
        leg.last_heard = now;
    }

    /// Who commands on `side` from now on: another party is on the leg. Keys of the old one that
    /// were held back are given up.
    pub fn set_commander(&mut self, side: Side, commander: Option<Commander>) {
        let leg = self.leg_mut(side);
        leg.commander = commander;
        leg.hold_until = None;
    }

    /// Whether the microphone of `side` is replaced in the recording by what the other party hears.
    pub(super) fn speaks_over(&self, side: Side) -> bool {
        self.leg(side.other()).player.as_ref().is_some_and(Player::is_recorded)
    }

    /// Sends the packets of a prompt that are due.
    pub(super) fn tick_player(&mut self, side: Side, now: Time, out: &mut impl Out) {
        let pressed = self.pressed(side.other(), now);
        loop {
            // The notice that opens a recording stands in it, before either party does.
            let open = self.leg(side.other()).gate.is_open() || self.notices.is_opening();
            let taped = self.connected && open;
            let leg = self.leg_mut(side);
            let Some(player) = &mut leg.player else { return };
            let mut samples = [0; FRAME];
            let Some(timestamp) = player.next(now, leg.sender.timestamp_at(now), &mut samples) else { return };
            let (id, over, taped) = (player.id(), player.is_over(), taped && player.is_recorded());
            if over {
                leg.player = None;
            }
            let sequence = leg.sender.insert(timestamp, now);
            let place = (sequence, timestamp);
            match leg.injector.is_busy() {
                true => Self::send_injection(leg, side, place, pressed, out),
                false => Self::send_samples(leg, side, place, &samples, out),
            }
            if taped {
                Self::tape_samples(leg, side.other(), place, &samples, now, out);
            }
            if over && !self.notice_played(side, id, now) {
                out.fact(Fact::Played { side, id });
            }
            if over {
                self.begin_next(side, now);
                self.follow_hold(side, now);
            }
        }
    }

    fn send_samples(leg: &mut Leg, side: Side, place: (u16, u32), samples: &[i16; FRAME], out: &mut impl Out) {
        let Some((payload_type, coding)) = leg.media.as_ref().map(|media| media.send) else { return };
        let Some(to) = leg.destination() else { return };
        let mut packet = [0u8; HEADER + MOST_PAYLOAD];
        let Some((header, payload)) = packet.split_first_chunk_mut::<HEADER>() else { return };
        let Some(bytes) = leg.encode_tone(coding, samples, payload) else { return };
        leg.sender.stamp(header, false, payload_type, place, bytes);
        if let Some(packet) = packet.get(..HEADER + bytes) {
            leg.send(side, to, packet, out);
        }
    }

    /// What a party hears stands on the other one's channel.
    fn tape_samples(
        leg: &mut Leg,
        channel: Side,
        (sequence, timestamp): (u16, u32),
        samples: &[i16; FRAME],
        now: Time,
        out: &mut impl Out,
    ) {
        let mut payload = [0u8; FRAME];
        for (byte, sample) in payload.iter_mut().zip(samples) {
            *byte = Law::Mu.encode(*sample);
        }
        let (ssrc, coding) = (leg.sender.ssrc(), Coding::PCMU);
        // The stream's clock may be another one than that of this copy.
        let clock = leg.media.as_ref().map_or(Rate::NARROW, |media| media.send.1.clock());
        let timestamp = timestamp / (clock.0 / Rate::NARROW.0).max(1);
        let payload = payload.as_slice();
        let event = TapEvent::Frame { side: channel, coding, ssrc, sequence, timestamp, arrival: now, payload };
        if !out.tap(&event) {
            leg.receiver.counters.tap_overflow += 1;
        }
    }
}
