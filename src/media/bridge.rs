//! The two legs of a call in the media path.

mod hold;
mod levels;
mod notice;
mod play;
mod take;

pub use notice::{Notice, Refuse};
pub use take::{LegTake, TakeSlot};

use super::inject::{FRAME, Injection, Slot};
use super::leg::{Commander, Kind, Leg, LegMedia, LegStats};
use super::player::PlayId;
use super::receive::{Extended, Place};
use super::tap::TapEvent;
use super::transcode::passes;
use crate::audio::codec::MOST_PAYLOAD;
use crate::audio::prompt::Pcm;
use crate::audio::{Coding, Tone};
use crate::base::{Rate, Samples, Side, Span, Time};
use crate::ledger::{How, Refusal};
use crate::policy::{Command, Facts, Gate, Rules, Source, Verdict};
use crate::rtp::rtcp::{self, Sent};
use crate::rtp::{EventPayload, HEADER, Seen, View};
use std::net::SocketAddr;

/// Where the machine's results go: sockets and the recorder's ring, or a test.
pub trait Out {
    fn rtp(&mut self, side: Side, to: SocketAddr, packet: &[u8]);
    fn rtcp(&mut self, side: Side, to: SocketAddr, packet: &[u8]);
    /// `false` when the recorder's queue is full: the place becomes marked silence.
    fn tap(&mut self, event: &TapEvent<'_>) -> bool;
    /// The same for what one party alone says.
    fn tap_take(&mut self, take: TakeSlot, event: &TapEvent<'_>) -> bool;
    fn fact(&mut self, fact: Fact);
}

/// What call control learns from the media path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The first packet of this leg that was let in.
    Heard { side: Side },
    /// A command, with what came of it. `rules` hold from here on.
    Commanded { side: Side, how: How, command: Command, refused: Option<Refusal>, rules: Rules, at: Time },
    /// The outside party does not want to be recorded. The gates are shut already.
    Refused { side: Side, how: How, at: Time },
    /// The other leg understands digits as SIP INFO only. Never logged, never stored.
    SendInfo { side: Side, key: u8 },
    /// A prompt was played to its end.
    Played { side: Side, id: PlayId },
    /// A key that call control asked for ([`Bridge::collect_keys`]). Never logged, never stored.
    Key { side: Side, key: u8 },
    /// Neither RTP nor RTCP came from this leg for the configured time.
    Silent { side: Side },
}

/// What a bridge is made with.
#[derive(Clone, Debug)]
pub struct BridgeConfig {
    /// Our SSRC, first sequence number and first timestamp per leg: random (RFC 3550 §5.1).
    pub start: [(u32, u16, u32); 2],
    pub rules: Rules,
    pub commanders: [Option<Commander>; 2],
    pub record_while_held: bool,
    pub silence_timeout: Span,
    pub rtcp_interval: Span,
    /// Our CNAME (RFC 3550 §6.5.1); the same on both legs would tie them together, so one each.
    pub cnames: [String; 2],
}

/// A party that takes the place of another.
#[derive(Clone, Debug)]
pub struct Joining {
    pub side: Side,
    /// Our SSRC, first sequence number and first timestamp towards it. A leg that comes from
    /// another call goes on with its own.
    pub start: (u32, u16, u32),
    pub cname: String,
    pub media: LegMedia,
    pub commander: Option<Commander>,
    /// Who it is, for the recording.
    pub name: String,
    /// What the decision depends on from now on. The last command stands here and in the bridge:
    /// the bridge knows it first.
    pub facts: Facts,
}

/// A leg that left its call for another one, with all that its far side would notice a change of.
#[derive(Debug)]
pub struct MovedLeg {
    leg: Leg,
    cname: String,
    /// A person has paused the recording of the call that it comes from.
    paused: bool,
    /// The outside party of that call does not want to be recorded.
    refused: bool,
}

/// A packet is at most this late before our own pacing takes over, while audio comes.
const PACE: Span = Span::from_millis(20);
const PACE_PATIENCE: Span = Span::from_millis(15);
/// A key without packets for this long is taken for released.
const KEY_LOST: Span = Span::from_millis(200);

/// A packet of audio that was let in.
struct Speech {
    coding: Coding,
    view: View,
    extended: Extended,
    now: Time,
}

/// Two legs, the rules between them, and what is played to them.
#[derive(Debug)]
pub struct Bridge {
    legs: [Leg; 2],
    rules: Rules,
    connected: bool,
    record_while_held: bool,
    silence_timeout: Span,
    rtcp_interval: Span,
    cnames: [String; 2],
    /// What was counted of parties whose place another took, in order.
    left: Vec<(Side, LegStats)>,
    notices: notice::Notices,
    /// What a held party hears.
    hold_music: Option<Pcm>,
}

impl Bridge {
    pub fn new(config: BridgeConfig, now: Time) -> Self {
        let BridgeConfig { start, rules, commanders, record_while_held, silence_timeout, rtcp_interval, cnames } =
            config;
        let legs = start.map(|(ssrc, sequence, timestamp)| Leg::new(ssrc, sequence, timestamp, now));
        let (left, notices) = (Vec::new(), notice::Notices::default());
        let mut bridge = Bridge {
            legs,
            rules,
            connected: false,
            record_while_held,
            silence_timeout,
            rtcp_interval,
            cnames,
            left,
            notices,
            hold_music: None,
        };
        for (side, commander) in Side::BOTH.into_iter().zip(commanders) {
            bridge.leg_mut(side).commander = commander;
        }
        bridge
    }

    fn leg(&self, side: Side) -> &Leg {
        let [caller, callee] = &self.legs;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    fn leg_mut(&mut self, side: Side) -> &mut Leg {
        let [caller, callee] = &mut self.legs;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    /// The leg and the one opposite.
    fn pair(&mut self, side: Side) -> (&mut Leg, &mut Leg) {
        let [caller, callee] = &mut self.legs;
        match side {
            Side::Caller => (caller, callee),
            Side::Callee => (callee, caller),
        }
    }

    /// Signalling has agreed on something new for a leg. A new address opens the latch again.
    pub fn set_media(&mut self, side: Side, media: LegMedia, now: Time, out: &mut impl Out) {
        let connected = self.connected;
        let leg = self.leg_mut(side);
        let moved =
            leg.media.as_ref().is_none_or(|old| old.remote != media.remote || old.signalling_ip != media.signalling_ip);
        if moved {
            leg.latch = Default::default();
            leg.rtcp_latch = None;
        }
        let was_held = leg.media.as_ref().is_some_and(|old| old.held);
        let held = media.held;
        let old = leg.follow(media);
        leg.media_changed(old.as_ref());
        let clock = |media: &LegMedia| media.send.1.clock();
        let reclocked = old.as_ref().map(clock) != leg.media.as_ref().map(clock);
        leg.last_heard = leg.last_heard.max(now);
        leg.silent = false;
        let [caller, callee] = &mut self.legs;
        Leg::join(caller, callee);
        Leg::join(callee, caller);
        if connected && was_held != held {
            out.tap(&TapEvent::Hold { side, on: held, at: now });
        }
        if reclocked {
            self.restart_music(side);
        }
        self.follow_hold(side, now);
    }

    /// The call is answered: from here on the gate decides.
    pub fn connect(&mut self, now: Time, out: &mut impl Out) {
        if self.connected {
            return;
        }
        self.connected = true;
        for leg in &mut self.legs {
            leg.last_heard = now;
            leg.next_report = now + self.rtcp_interval;
        }
        if self.rules.open() {
            self.shift_gates(true, None, now, out);
            self.say_notice(now);
        }
        for side in Side::BOTH {
            if self.leg(side).media.as_ref().is_some_and(|media| media.held) {
                out.tap(&TapEvent::Hold { side, on: true, at: now });
            }
            self.follow_hold(side, now);
        }
    }

    /// Call control pushes new rules: an admin's command, a flow step, a failed recording.
    pub fn set_rules(&mut self, rules: Rules, now: Time, out: &mut impl Out) {
        // A refusal holds for good, also where call control does not know of it yet.
        let refused = self.rules.facts.refused || rules.facts.refused;
        let rules = Rules { facts: Facts { refused, ..rules.facts }, ..rules };
        let (before, after) = (self.rules.open(), rules.open());
        self.rules = rules;
        if self.connected && before != after {
            self.move_gates(after, None, now, out);
        }
    }

    pub const fn rules(&self) -> Rules {
        self.rules
    }

    pub fn stats(&self) -> [LegStats; 2] {
        let [caller, callee] = &self.legs;
        [caller.stats(), callee.stats()]
    }

    /// What was counted of those who left before the end, in order.
    pub fn left(&self) -> &[(Side, LegStats)] {
        &self.left
    }

    /// Another party takes a place: its own leg, or one `moved` from another call. A gate that a
    /// person shut stays shut, on whichever of the two calls.
    pub fn join(&mut self, joining: Joining, moved: Option<MovedLeg>, now: Time, ntp: u64, out: &mut impl Out) {
        let Joining { side, start: (ssrc, sequence, timestamp), cname, media, commander, name, facts } = joining;
        self.send_report(side, now, ntp, true, out);
        let paused = moved.as_ref().is_some_and(|moved| moved.paused) || facts.command == Some(Command::Pause);
        let refused = self.rules.facts.refused || facts.refused || moved.as_ref().is_some_and(|moved| moved.refused);
        let command = if paused { Some(Command::Pause) } else { self.rules.facts.command };
        let MovedLeg { mut leg, cname, .. } = moved.unwrap_or_else(|| {
            let leg = Leg::new(ssrc, sequence, timestamp, now);
            MovedLeg { leg, cname, paused: false, refused: false }
        });
        leg.commander = commander;
        leg.next_report = now + self.rtcp_interval;
        if let Some(media) = &mut leg.media {
            media.held = false;
        }
        let clock = leg.receiver.clock_at(now);
        self.end_take_of(side, now, out);
        // Who leaves hears no notice to its end, and nobody waits for that.
        self.waits_no_longer(side, now);
        match self.connected && self.rules.open() && !self.notices.is_opening() {
            true => leg.gate.open(clock),
            false => leg.gate.shut(clock),
        }
        let [caller_name, callee_name] = &mut self.cnames;
        *(if side == Side::Caller { caller_name } else { callee_name }) = cname;
        let old = std::mem::replace(self.leg_mut(side), leg);
        self.left.push((side, old.stats()));
        for leg in &mut self.legs {
            leg.sender.new_source();
        }
        if self.connected {
            if old.media.as_ref().is_some_and(|media| media.held) {
                out.tap(&TapEvent::Hold { side, on: false, at: now });
            }
            out.tap(&TapEvent::Joined { side, at: now, name: name.as_bytes() });
        }
        self.forget_told(side, now);
        self.set_rules(Rules { facts: Facts { command, refused, ..facts }, failed: self.rules.failed }, now, out);
        self.set_media(side, media, now, out);
        self.tell_newcomer(side, now);
    }

    /// Gives a leg up to another call; this one ends. `name` is who is at the other end of it
    /// there, for this call's recording.
    pub fn give_up(&mut self, side: Side, name: &str, now: Time, out: &mut impl Out) -> MovedLeg {
        if self.connected {
            out.tap(&TapEvent::Joined { side: side.other(), at: now, name: name.as_bytes() });
        }
        let Facts { refused, command, .. } = self.rules.facts;
        let paused = command == Some(Command::Pause);
        self.end_take_of(side, now, out);
        let mut leg = std::mem::replace(self.leg_mut(side), Leg::new(0, 0, 0, now));
        // What was counted here stays with this call.
        self.leg_mut(side).receiver.counters = std::mem::take(&mut leg.receiver.counters);
        self.leg_mut(side).other_keys = std::mem::take(&mut leg.other_keys);
        leg.hold_until = None;
        (leg.player, leg.next_player) = (None, None);
        leg.collects = false;
        let [caller_name, callee_name] = &self.cnames;
        let cname = if side == Side::Caller { caller_name } else { callee_name };
        MovedLeg { leg, cname: cname.clone(), paused, refused }
    }

    /// A tone to one party. It is in no recording.
    pub fn play(&mut self, side: Side, tone: Tone) {
        self.leg_mut(side).injector.push(Injection::Tone(tone));
    }

    /// The call has ended: held keys are dropped, the far sides get RTCP BYE, the recorder its end.
    pub fn end(&mut self, now: Time, ntp: u64, out: &mut impl Out) {
        for side in Side::BOTH {
            self.send_report(side, now, ntp, true, out);
            self.end_take_of(side, now, out);
        }
        if self.connected {
            out.tap(&TapEvent::End { at: now });
        }
    }

    /// A datagram on the RTP port of a leg. It is rewritten in place where it is relayed, and
    /// overwritten where the gate is shut: nothing of it stays in the buffer.
    pub fn on_rtp(&mut self, side: Side, from: SocketAddr, packet: &mut [u8], now: Time, out: &mut impl Out) {
        self.handle_rtp(side, from, packet, now, out);
        if self.connected && !self.leg(side).gate.is_open() {
            packet.fill(0);
        }
    }

    fn handle_rtp(&mut self, side: Side, from: SocketAddr, packet: &mut [u8], now: Time, out: &mut impl Out) {
        let leg = self.leg_mut(side);
        let Some(media) = &leg.media else {
            leg.receiver.counters.strangers += 1;
            return;
        };
        if media.rtcp_mux && rtcp::is_rtcp(packet) {
            return self.on_rtcp(side, from, packet, now);
        }
        // Before the cipher: a copy from elsewhere must not use up the index of the original.
        if leg.cipher.is_some() && leg.latch.excludes(from, media) {
            leg.receiver.counters.strangers += 1;
            return;
        }
        let Some(packet) = leg.open(packet) else { return };
        let Ok(view) = View::parse(packet) else {
            leg.receiver.counters.malformed += 1;
            return;
        };
        let Some(media) = &leg.media else { return };
        let kind = media.kind(view.payload_type);
        if !leg.latch.accepts(from, media, kind != Kind::Unknown) {
            leg.receiver.counters.strangers += 1;
            return;
        }
        let receives = media.receives || self.record_while_held;
        let leg = self.leg_mut(side);
        let first = leg.receiver.ssrc().is_none();
        leg.last_heard = now;
        leg.silent = false;
        let rate = leg.clock_of(kind);
        let extended = leg.receiver.note(&view, rate, now);
        if extended.place == Place::NewStream {
            leg.gate.new_stream(view.ssrc);
            if let Some(take) = &mut leg.take {
                take.gate.new_stream(view.ssrc);
            }
        }
        if first {
            out.fact(Fact::Heard { side });
        }
        match kind {
            Kind::Unknown => self.leg_mut(side).receiver.counters.unknown_payload += 1,
            Kind::Audio(_) | Kind::Events if extended.place == Place::Duplicate || !receives => {}
            Kind::Audio(coding) => self.on_audio(side, &Speech { coding, view, extended, now }, packet, out),
            Kind::Events => self.on_event(side, &view, extended, packet, now, out),
        }
    }

    fn on_audio(&mut self, side: Side, speech: &Speech, packet: &mut [u8], out: &mut impl Out) {
        self.tap_audio(side, speech, packet, out);
        if self.leg(side).meter.is_some() {
            self.measure(side, speech, packet);
        }
        if self.leg(side).tones.is_some() {
            self.listen(side, speech, packet, out);
        }
        let Speech { coding, ref view, extended, now } = *speech;
        let (leg, far) = self.pair(side);
        if !leg.media.as_ref().is_some_and(|media| media.receives) {
            return;
        }
        if far.player.is_some() {
            return far.sender.swallow(view.ssrc, extended);
        }
        let Some((mut payload_type, send)) = far.media.as_ref().map(|media| media.send) else { return };
        if !passes(coding, send) {
            if leg.ear.is_none() && coding.has_samples() && send.has_samples() {
                // It switched to something else that was agreed, without asking.
                Leg::interpret(leg, far);
            }
            if leg.ear.is_some() {
                return self.transcode(side, speech, packet, out);
            }
            match far.media.as_ref().and_then(|media| media.noise()).filter(|_| coding == Coding::Noise) {
                Some(noise) => payload_type = noise,
                None => return far.sender.swallow(view.ssrc, extended),
            }
        }
        if far.injector.is_busy() {
            return self.replace_with_injection(side, view, extended, now, out);
        }
        let Some(to) = far.destination() else { return };
        let Some(place) = far.sender.map(view.ssrc, extended, view.timestamp, now) else {
            return;
        };
        // Extensions and padding end here: the header that goes out is always plain, and moves
        // right up to the payload.
        let Some(start) = view.payload.start.checked_sub(HEADER) else { return };
        let Some(outgoing) = packet.get_mut(start..view.payload.end) else { return };
        let Some((header, payload)) = outgoing.split_first_chunk_mut::<HEADER>() else { return };
        if let (Coding::G711(law), Coding::G711(send)) = (coding, send) {
            law.transcode(send, payload);
        }
        far.sender.stamp(header, view.marker, payload_type, place, payload.len());
        far.send(side.other(), to, outgoing, out);
    }

    fn tap_audio(&mut self, side: Side, speech: &Speech, packet: &[u8], out: &mut impl Out) {
        let recorded = self.connected && !self.speaks_over(side);
        let record_while_held = self.record_while_held;
        let leg = self.leg_mut(side);
        let muted = !record_while_held && leg.media.as_ref().is_some_and(|media| media.held);
        if muted || (!recorded && leg.take.is_none()) {
            return;
        }
        let Speech { coding, ref view, .. } = *speech;
        let Some(payload) = packet.get(view.payload.clone()) else { return };
        let Some(ticks) = coding.ticks(payload) else {
            leg.receiver.counters.malformed += 1;
            return;
        };
        // Noise stands at a moment; of what we lack there is nothing to record.
        let count = if coding == Coding::Noise { 1 } else { ticks as usize };
        if recorded
            && let Some(event) = passed(&leg.gate, side, speech, count, payload)
            && !out.tap(&event)
        {
            leg.receiver.counters.tap_overflow += 1;
        }
        Self::tap_take(leg, side, speech, count, payload, out);
    }

    /// Keys in the audio of a leg without telephone events.
    fn listen(&mut self, side: Side, speech: &Speech, packet: &[u8], out: &mut impl Out) {
        let Speech { coding, ref view, extended, now } = *speech;
        let connected = self.connected;
        let leg = self.leg_mut(side);
        let (Some(tones), Some(payload)) = (&mut leg.tones, packet.get(view.payload.clone())) else { return };
        let Some(heard) = tones.hear(coding, extended, payload) else { return };
        let timestamp = heard.began as u32;
        let (length, first) = (heard.length, heard.pressed.is_some());
        let event = TapEvent::Key { side, ssrc: view.ssrc, timestamp, length, first };
        if connected && leg.gate.is_open() {
            out.tap(&event);
        }
        if let Some(take) = &leg.take {
            out.tap_take(take.slot, &event);
        }
        if let Some(key) = heard.pressed {
            self.on_key(side, key, How::InBand, Some((view.ssrc, timestamp)), now, out);
        }
    }

    /// A packet that the other leg wants in another coding.
    fn transcode(&mut self, side: Side, speech: &Speech, packet: &[u8], out: &mut impl Out) {
        let Speech { coding, ref view, extended, now } = *speech;
        let pressed = self.pressed(side, now);
        let (leg, far) = self.pair(side);
        let (Some(ear), Some(payload)) = (&mut leg.ear, packet.get(view.payload.clone())) else { return };
        let rate = ear.rate();
        let Some(heard) = ear.hear(coding, extended, payload) else { return };
        if let Some(meter) = &mut leg.meter {
            meter.decoded(coding, heard.samples);
        }
        far.sender.unmap();
        let current = far.sender.timestamp_at(now);
        let (Some(mouth), Some(media)) = (&mut far.mouth, &far.media) else { return };
        let (payload_type, _) = media.send;
        let at = mouth.place(view.ssrc, coding.clock(), heard.from, current);
        if far.injector.is_busy() {
            far.given_way += rate.span(Samples(heard.samples.len() as u64)).0;
            while far.given_way >= PACE.0 {
                far.given_way -= PACE.0;
                let sequence = far.sender.insert(at, now);
                Self::send_injection(far, side.other(), (sequence, at), pressed, out);
            }
            return;
        }
        far.given_way = 0;
        let Some(to) = far.destination() else { return };
        let Some(mut mouth) = far.mouth.take() else { return };
        mouth.say(at, heard.samples, |spoken| {
            let mut packet = [0u8; HEADER + MOST_PAYLOAD];
            let Some((header, body)) = packet.split_first_chunk_mut::<HEADER>() else { return };
            let Some(place) = body.get_mut(..spoken.payload.len()) else { return };
            place.copy_from_slice(spoken.payload);
            let sequence = far.sender.insert(spoken.timestamp, now);
            far.sender.stamp(header, spoken.marker, payload_type, (sequence, spoken.timestamp), spoken.payload.len());
            if let Some(bytes) = packet.get(..HEADER + spoken.payload.len()) {
                far.send(side.other(), to, bytes, out);
            }
        });
        far.mouth = Some(mouth);
    }

    /// The packet's slot in the stream towards the other party is used for what we play to it.
    fn replace_with_injection(&mut self, side: Side, view: &View, extended: Extended, now: Time, out: &mut impl Out) {
        let pressed = self.pressed(side, now);
        let far = self.leg_mut(side.other());
        match far.sender.map(view.ssrc, extended, view.timestamp, now) {
            Some(place) => Self::send_injection(far, side.other(), place, pressed, out),
            None => far.sender.swallow(view.ssrc, extended),
        }
    }

    fn send_injection(far: &mut Leg, to_side: Side, place: (u16, u32), pressed: bool, out: &mut impl Out) {
        let Some(media) = &far.media else { return };
        let (payload_type, coding) = media.send;
        let events = media.send_events;
        let ticks = events.map_or(Rate::NARROW, |(_, clock)| Rate(clock)).samples(PACE).0;
        let mut packet = [0u8; HEADER + MOST_PAYLOAD];
        let mut samples = [0i16; FRAME];
        let Some((header, payload)) = packet.split_first_chunk_mut::<HEADER>() else { return };
        let ticks = u32::try_from(ticks).unwrap_or(0);
        let Some(slot) = far.injector.next(place.1, ticks, &mut samples, pressed) else { return };
        let length = match (slot, events) {
            (Slot::Audio, _) => {
                let Some(bytes) = far.encode_tone(coding, &samples, payload) else { return };
                far.sender.stamp(header, false, payload_type, place, bytes);
                bytes
            }
            (Slot::Event { payload: event, timestamp, marker }, Some((event_type, _))) => {
                let bytes = event.to_bytes();
                if let Some(body) = payload.first_chunk_mut::<4>() {
                    *body = bytes;
                }
                far.sender.stamp(header, marker, event_type, (place.0, timestamp), bytes.len());
                bytes.len()
            }
            (Slot::Event { .. }, None) => return,
        };
        let Some(to) = far.destination() else { return };
        if let Some(bytes) = packet.get(..HEADER + length) {
            far.send(to_side, to, bytes, out);
        }
    }

    fn on_event(&mut self, side: Side, view: &View, extended: Extended, packet: &[u8], now: Time, out: &mut impl Out) {
        let (leg, far) = self.pair(side);
        far.sender.swallow(view.ssrc, extended);
        let Some(payload) = packet.get(view.payload.clone()).and_then(EventPayload::parse) else {
            leg.receiver.counters.malformed += 1;
            return;
        };
        leg.last_event_at = now;
        let seen = leg.detector.handle(view.marker, view.timestamp, payload);
        let length = match seen {
            Seen::Press(_) => u32::from(payload.duration),
            Seen::Going { length } | Seen::Ended { length } => length,
            Seen::Old => return,
        };
        let first = matches!(seen, Seen::Press(_));
        if first {
            leg.pressed_at = leg.place_of_event(view.timestamp, now);
        }
        let (timestamp, length) = leg.key_in_audio(view.timestamp, length);
        let event = TapEvent::Key { side, ssrc: view.ssrc, timestamp, length, first };
        if leg.gate.is_open() {
            out.tap(&event);
        }
        if let Some(take) = &leg.take {
            out.tap_take(take.slot, &event);
        }
        if let Seen::Press(press) = seen {
            let edge = self.edge_of(side, view, press.timestamp);
            self.on_key(side, press.key, How::Rfc4733, edge, now, out);
        }
    }

    /// Where in the leg's audio stream a key went down; only when both share a clock.
    fn edge_of(&self, side: Side, view: &View, timestamp: u32) -> Option<(u32, u32)> {
        let leg = self.leg(side);
        let clock = leg.receiver.rate().0;
        let same_clock = leg.media.as_ref().and_then(|media| media.receive_events).is_some_and(|(_, own)| own == clock);
        (same_clock && leg.receiver.ssrc() == Some(view.ssrc)).then_some((view.ssrc, timestamp))
    }

    /// A digit came as SIP INFO on this leg.
    pub fn on_info_key(&mut self, side: Side, key: u8, now: Time, out: &mut impl Out) {
        self.on_key(side, key, How::Info, None, now, out);
    }

    fn on_key(&mut self, side: Side, key: u8, how: How, edge: Option<(u32, u32)>, now: Time, out: &mut impl Out) {
        let source = match how {
            How::Rfc4733 => Source::Event,
            How::Info | How::Cli | How::Api | How::Transfer | How::MaxPause => Source::Info,
            How::InBand => Source::Tone,
        };
        // Tones are the audio itself: the other party has them already.
        let passed_on = how != How::InBand;
        let leg = self.leg_mut(side);
        if !leg.presses.is_new(key, source, now) {
            return;
        }
        if self.notices.is_refusal(side, key, now) {
            return self.refuse(side, how, now, out);
        }
        let leg = self.leg_mut(side);
        let Some(commander) = &mut leg.commander else {
            leg.other_keys += 1;
            if passed_on {
                self.pass_on(side, &[key], how == How::Rfc4733, out);
            }
            return;
        };
        let matched = commander.matcher.handle(key);
        leg.hold_until = commander.matcher.holds().then_some(now + commander.max_hold);
        leg.holds_tones = !passed_on;
        let permitted = commander.permitted;
        leg.other_keys += u32::try_from(matched.release.as_slice().len()).unwrap_or(0);
        if passed_on {
            self.pass_on(side, matched.release.as_slice(), how == How::Rfc4733, out);
        }
        if let Some(command) = matched.command {
            self.obey(side, command, permitted, how, edge, now, out);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call site; each is a different fact of the command")]
    fn obey(
        &mut self,
        side: Side,
        command: Command,
        permitted: Result<(), Refusal>,
        how: How,
        edge: Option<(u32, u32)>,
        now: Time,
        out: &mut impl Out,
    ) {
        let before = self.rules.open();
        let verdict = self.rules.command(command, permitted);
        let (tone, refused) = match verdict {
            Verdict::Obeyed => (Tone::Obeyed, None),
            Verdict::Refused(refusal) => (Tone::Refused, Some(refusal)),
        };
        let after = self.rules.open();
        if self.connected && before != after {
            self.move_gates(after, edge.map(|(ssrc, timestamp)| (side, ssrc, timestamp)), now, out);
        }
        self.play(side, tone);
        out.fact(Fact::Commanded { side, how, command, refused, rules: self.rules, at: now });
    }

    /// Moves both gates, after the notice where somebody has to hear it first.
    fn move_gates(&mut self, open: bool, edge: Option<(Side, u32, u32)>, now: Time, out: &mut impl Out) {
        match open {
            true if self.tell_before_opening(now, out) => {}
            true => self.shift_gates(true, edge, now, out),
            false => {
                self.stop_telling(now);
                self.shift_gates(false, edge, now, out);
            }
        }
    }

    /// Moves both gates: the commanding leg's at the key, the other's at the arrival of the key.
    fn shift_gates(&mut self, open: bool, edge: Option<(Side, u32, u32)>, now: Time, out: &mut impl Out) {
        for side in Side::BOTH {
            let leg = self.leg_mut(side);
            let at = match edge {
                Some((by, _, timestamp)) if by == side => Some(leg.receiver.extend(timestamp)),
                Some(_) | None => leg.receiver.clock_at(now),
            };
            match open {
                true => leg.gate.open(at),
                false => leg.gate.shut(at),
            }
        }
        out.tap(&TapEvent::Gate { open, at: now, edge });
    }

    /// Keys that are no command go to the other party, in the form that it negotiated.
    fn pass_on(&mut self, from: Side, keys: &[u8], live: bool, out: &mut impl Out) {
        if self.leg(from).collects {
            return keys.iter().for_each(|key| out.fact(Fact::Key { side: from, key: *key }));
        }
        let far = self.leg_mut(from.other());
        let Some(media) = &far.media else { return };
        let (events, info) = (media.send_events.is_some(), media.info);
        for (at, key) in (1..).zip(keys) {
            let injection = match (events, info) {
                (true, _) => Injection::Key { key: *key, live: live && at == keys.len() },
                (false, true) => {
                    out.fact(Fact::SendInfo { side: from.other(), key: *key });
                    continue;
                }
                (false, false) => Injection::Tone(Tone::Key(*key)),
            };
            far.injector.push(injection);
        }
    }

    /// Whether the party on `side` holds down the key that it pressed last.
    fn pressed(&self, side: Side, now: Time) -> bool {
        let leg = self.leg(side);
        leg.detector.length().is_some_and(|(_, ended)| !ended) && now.since(leg.last_event_at) < KEY_LOST
    }

    /// Whether [`Bridge::tick`] wants to be called every few milliseconds.
    pub fn is_busy(&self) -> bool {
        self.legs.iter().any(|leg| leg.injector.is_busy() || leg.player.is_some() || leg.hold_until.is_some())
    }

    /// Paces what we play where no packets of the other party do, and ends waiting runs of keys.
    pub fn tick(&mut self, now: Time, out: &mut impl Out) {
        for side in Side::BOTH {
            self.give_up_held_keys(side, now, out);
            self.tick_player(side, now, out);
            let from = side.other();
            let pressed = self.pressed(from, now);
            let audio_comes = now.since(self.leg(from).last_heard) < PACE.times(3) && !pressed;
            let far = self.leg_mut(side);
            if !far.injector.is_busy() || far.player.is_some() || far.media.is_none() {
                continue;
            }
            let patience = if audio_comes { PACE + PACE_PATIENCE } else { PACE };
            if far.sender.last_at().is_none_or(|last| now.since(last) >= patience) {
                let timestamp = far.sender.timestamp_at(now);
                let sequence = far.sender.insert(timestamp, now);
                Self::send_injection(far, side, (sequence, timestamp), pressed, out);
            }
        }
    }

    fn give_up_held_keys(&mut self, side: Side, now: Time, out: &mut impl Out) {
        let leg = self.leg_mut(side);
        if leg.hold_until.is_none_or(|until| now < until) {
            return;
        }
        leg.hold_until = None;
        let Some(commander) = &mut leg.commander else { return };
        let keys = commander.matcher.release();
        leg.other_keys += u32::try_from(keys.as_slice().len()).unwrap_or(0);
        if !leg.holds_tones {
            self.pass_on(side, keys.as_slice(), false, out);
        }
    }

    /// A datagram on the RTCP port of a leg.
    pub fn on_rtcp(&mut self, side: Side, from: SocketAddr, packet: &mut [u8], now: Time) {
        let leg = self.leg_mut(side);
        let Some(media) = &leg.media else {
            leg.receiver.counters.strangers += 1;
            return;
        };
        let known = match media.rtcp_mux {
            true => leg.latch.address().unwrap_or(media.remote) == from,
            false => leg
                .rtcp_latch
                .map_or(from == media.remote_rtcp || from.ip() == media.signalling_ip, |latched| latched == from),
        };
        if !known {
            leg.receiver.counters.strangers += 1;
            return;
        }
        let Some(packet) = leg.open_rtcp(packet) else { return };
        let Some(heard) = rtcp::read(packet) else {
            leg.receiver.counters.malformed += 1;
            return;
        };
        leg.rtcp_latch = Some(from);
        leg.last_heard = now;
        leg.silent = false;
        if let Some(ntp) = heard.sender_report {
            leg.receiver.note_sender_report(ntp, now);
        }
    }

    /// To be called about once a second: reports that are due, parties that have gone silent.
    /// `ntp` is the wall clock as NTP timestamp (RFC 3550 §4).
    pub fn every_second(&mut self, now: Time, ntp: u64, out: &mut impl Out) {
        self.repeat_notice(now);
        // Where something else has taken its place for a while.
        Side::BOTH.into_iter().for_each(|side| self.follow_hold(side, now));
        for side in Side::BOTH {
            if self.connected && now >= self.leg(side).next_report {
                self.leg_mut(side).next_report = now + self.rtcp_interval;
                self.send_report(side, now, ntp, false, out);
            }
            let timeout = self.silence_timeout;
            let connected = self.connected;
            let leg = self.leg_mut(side);
            let expected = leg.media.as_ref().is_some_and(|media| media.receives && !media.held);
            if (connected || leg.watched) && expected && !leg.silent && now.since(leg.last_heard) >= timeout {
                leg.silent = true;
                out.fact(Fact::Silent { side });
            }
        }
    }

    fn send_report(&mut self, side: Side, now: Time, ntp: u64, bye: bool, out: &mut impl Out) {
        let [caller_name, callee_name] = &self.cnames;
        let cname = match side {
            Side::Caller => caller_name.clone(),
            Side::Callee => callee_name.clone(),
        };
        let leg = self.leg_mut(side);
        let Some(to) = leg.rtcp_destination() else { return };
        let sender = &leg.sender;
        let sent = (sender.packets > 0).then(|| Sent {
            ntp,
            rtp_time: sender.timestamp_at(now),
            packets: sender.packets,
            octets: sender.octets,
        });
        let received = leg.receiver.report(now);
        let bytes = rtcp::report(leg.sender.ssrc(), &cname, sent, received, bye);
        leg.send_rtcp(side, to, &bytes, out);
    }
}

/// What a gate lets through of a packet that is `count` ticks long, in bytes of the payload where its
/// coding goes byte by byte.
fn passed<'a>(gate: &Gate, side: Side, speech: &Speech, count: usize, payload: &'a [u8]) -> Option<TapEvent<'a>> {
    let Speech { coding, ref view, extended, now } = *speech;
    let mut passed = gate.pass(extended.timestamp, count)?;
    if !coding.is_bytewise() {
        // A frame that lies in a shut stretch with one sample is refused as a whole.
        if passed != (0..count) {
            return None;
        }
        passed = 0..payload.len();
    }
    let skipped = u32::try_from(passed.start).unwrap_or(0);
    let (ssrc, sequence, timestamp) = (view.ssrc, view.sequence, view.timestamp.wrapping_add(skipped));
    Some(TapEvent::Frame { side, coding, ssrc, sequence, timestamp, arrival: now, payload: payload.get(passed)? })
}
