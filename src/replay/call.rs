//! One captured call in the media path: the same bridge, tap, gate and take as in the service.

use super::calls::Joins;
use super::dialog::Agreed;
use super::file::DiskFile;
use super::negotiated::{Negotiated, leg};
use super::policy::{Ruling, name_of};
use super::report::{CallReport, CallSide, FileReport, seconds};
use crate::audio::Coding;
use crate::base::{CallId, Direction, Random, Rate, RecordingId, Seeded, Side, Span, Time, Wall};
use crate::ledger::{By, Change, EndReason, How, Joined, JoinedBy, Outcome, Party, RecordingState};
use crate::media::{Bridge, BridgeConfig, Fact, Joining, LegMedia, MovedLeg, Out, TakeSlot, TapEvent};
use crate::policy::{Command, Facts, decide};
use crate::recording::{Closed, Draft, Finish, Layout, Take, TimelineConfig, sidecar};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// How long samples wait for late ones before they are written.
const WINDOW: Span = Span::from_millis(300);
/// RTCP of our own goes nowhere here; its interval is that of the service.
const RTCP_INTERVAL: Span = Span::from_secs(5);

/// Turns the machine's time into that of people.
#[derive(Clone, Copy, Debug)]
pub struct Epoch(pub Wall);

impl Epoch {
    pub fn wall(self, at: Time) -> Wall {
        self.0.plus(Span(at.0))
    }

    /// The machine's time of a moment; zero before the epoch.
    pub fn time(self, at: Wall) -> Time {
        let micros = at.unix_micros().saturating_sub(self.0.unix_micros());
        Time(u64::try_from(micros).unwrap_or(0))
    }
}

/// What a call is made with.
pub struct Begin<'a> {
    pub call_id: String,
    pub ruling: Ruling,
    pub epoch: Epoch,
    pub now: Time,
    pub folder: &'a Path,
    pub stem: String,
    /// Audio bytes of a part at most.
    pub most_bytes: u64,
}

/// A call that is being replayed.
pub struct Call {
    call_id: String,
    id: CallId,
    random: Seeded,
    ruling: Ruling,
    /// Those that the call began with; the ruling has those of now.
    first_parties: [Party; 2],
    /// What they spoke before another took their place.
    first_codecs: [Option<Vec<String>>; 2],
    joined: Vec<Joined>,
    epoch: Epoch,
    bridge: Bridge,
    tape: Tape,
    started: Time,
    answered: Option<Time>,
    /// The decision at the answer.
    decision: crate::ledger::Decision,
    codecs: [Vec<String>; 2],
    codings: [Coding; 2],
    /// A codec was agreed that we lack.
    unknown: Option<String>,
    addresses: [Option<(SocketAddr, IpAddr)>; 2],
    stranger: [Option<SocketAddr>; 2],
    after_end: [u64; 2],
    over: bool,
    changes: Vec<Change>,
    notes: Vec<String>,
    /// Reused between packets.
    packet: Vec<u8>,
}

/// What comes out of the bridge: the tap goes to the take, packets go nowhere.
struct Tape {
    take: Take,
    file: DiskFile,
    closed: Vec<Closed>,
    facts: Vec<Fact>,
    failure: Option<String>,
}

impl Out for Tape {
    /// Counted by the bridge, like everything that it sends.
    fn rtp(&mut self, _: Side, _: SocketAddr, _: &[u8]) {}

    fn rtcp(&mut self, _: Side, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, event: &TapEvent<'_>) -> bool {
        match self.take.handle(event, &mut self.file) {
            Ok(closed) => self.closed.extend(closed),
            Err(error) => self.failure = Some(error.to_string()),
        }
        true
    }

    /// A captured call is recorded as a whole: nobody begins a take in it.
    fn tap_take(&mut self, _: TakeSlot, _: &TapEvent<'_>) -> bool {
        true
    }

    fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }
}

impl Call {
    pub fn new(begin: Begin<'_>) -> Self {
        let Begin { call_id, ruling, epoch, now, folder, stem, most_bytes } = begin;
        // The same capture gives the same ids, and the files of a second run replace the first's.
        let mut random = Seeded(seed(&call_id, epoch.wall(now)));
        let wall = epoch.wall(now);
        let id = CallId::new(wall, random.ten_bytes());
        let mut start = || (random.u32(), random.u16(), random.u32());
        let config = BridgeConfig {
            start: [start(), start()],
            rules: ruling.rules,
            commanders: ruling.commanders,
            record_while_held: ruling.record_while_held,
            // Of a captured call the end is known.
            silence_timeout: Span(u64::MAX),
            rtcp_interval: RTCP_INTERVAL,
            cnames: ["caller".to_owned(), "callee".to_owned()],
        };
        let (layout, pause) = (Layout::of(ruling.channels), ruling.pause);
        let shape = TimelineConfig { window: WINDOW, rate: Rate::NARROW, layout, pause };
        let take = Take::new(shape, most_bytes);
        let file = DiskFile::new(folder, stem);
        let notes = ruling.note.iter().cloned().collect();
        Call {
            call_id,
            id,
            decision: decide(&ruling.rules.facts),
            first_parties: ruling.parties.clone(),
            first_codecs: [None, None],
            joined: Vec::new(),
            ruling,
            epoch,
            bridge: Bridge::new(config, now),
            random,
            tape: Tape { take, file, closed: Vec::new(), facts: Vec::new(), failure: None },
            started: now,
            answered: None,
            codecs: Default::default(),
            codings: [Coding::PCMU; 2],
            unknown: None,
            addresses: [None; 2],
            stranger: [None; 2],
            after_end: [0; 2],
            over: false,
            changes: Vec::new(),
            notes,
            packet: Vec::new(),
        }
    }

    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Who is on that side now.
    pub fn party(&self, side: Side) -> &Party {
        let [caller, callee] = &self.ruling.parties;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    /// The party on `side` goes on in another call, with the one that `name` names.
    pub fn give_up(&mut self, side: Side, name: &str, now: Time) -> MovedLeg {
        self.bridge.give_up(side, name, now, &mut self.tape)
    }

    /// Another party takes a place.
    pub fn join(&mut self, joins: Joins, ruling: Ruling, moved: Option<MovedLeg>, now: Time) {
        let Joins { side, how, asked: _, agreed, signalling, info, from: _ } = joins;
        let recorded = decide(&self.bridge.rules().facts).record;
        let ([caller_from, callee_from], [caller_info, callee_info]) = (signalling, info);
        let of_caller = leg(&agreed, Side::Caller, caller_from, caller_info);
        let of_callee = leg(&agreed, Side::Callee, callee_from, callee_info);
        let (newcomer, stayed) = match side {
            Side::Caller => (of_caller, of_callee),
            Side::Callee => (of_callee, of_caller),
        };
        let [_, party] = ruling.parties.clone();
        let [_, commander] = ruling.commanders;
        let facts = self.facts_with(&party, &ruling);
        self.note_joined(side, how, &party, &newcomer.codec, now);
        let joining = Joining {
            side,
            start: (self.random.u32(), self.random.u16(), self.random.u32()),
            cname: side.to_string(),
            media: newcomer.media.clone(),
            commander,
            name: party.to_string(),
            facts,
        };
        self.bridge.join(joining, moved, now, self.epoch.wall(now).ntp(), &mut self.tape);
        for (side, Negotiated { media, codec, coding, unknown }) in [(side, newcomer), (side.other(), stayed)] {
            if let Some(slot) = self.codings.get_mut(side.channel()) {
                *slot = coding;
            }
            if unknown {
                self.note(format!("codec {codec} of the {side} cannot be decoded"));
            }
            self.set_media(side, media, codec, now);
        }
        self.note_gate_moved(recorded, side, now);
        self.after(now);
    }

    /// An internal call that goes outside counts as outbound from there on.
    fn facts_with(&mut self, party: &Party, ruling: &Ruling) -> Facts {
        let facts = self.bridge.rules().facts;
        if facts.direction != Direction::Internal || party.user.is_some() {
            return facts;
        }
        self.ruling.direction = Direction::Outbound;
        self.ruling.number = ruling.number;
        let Facts { step: _, command: _, number, direction: _, toggle, refused: _, voicemail: _ } = ruling.rules.facts;
        Facts { number, direction: Direction::Outbound, toggle, ..facts }
    }

    fn note_joined(&mut self, side: Side, how: JoinedBy, party: &Party, codec: &str, now: Time) {
        let spoken = self.codecs.get(side.channel()).cloned();
        if let Some(first) = self.first_codecs.get_mut(side.channel()).filter(|first| first.is_none()) {
            *first = spoken;
        }
        let Some(place) = self.ruling.parties.get_mut(side.channel()) else { return };
        let instead_of = std::mem::replace(place, party.clone());
        self.joined.push(Joined {
            at: self.epoch.wall(now),
            offset_ms: now.since(self.answered.unwrap_or(now)).as_millis(),
            side,
            party: party.clone(),
            codec: codec.to_owned(),
            how,
            instead_of,
            from_call: None,
        });
    }

    /// Where the transfer itself changed whether the call is recorded, that is written down.
    fn note_gate_moved(&mut self, before: bool, side: Side, now: Time) {
        let decision = decide(&self.bridge.rules().facts);
        if decision.record == before {
            return;
        }
        self.changes.push(Change {
            at: self.epoch.wall(now),
            offset_ms: now.since(self.answered.unwrap_or(now)).as_millis(),
            by: By::Outside { side },
            how: How::Transfer,
            wanted: decision.record,
            refused: None,
            decision,
        });
    }

    /// Both parties agreed on media.
    pub fn agreed(&mut self, agreed: &Agreed, signalling: [Option<IpAddr>; 2], info: [bool; 2], now: Time) {
        for ((side, signalling), info) in Side::BOTH.into_iter().zip(signalling).zip(info) {
            let Negotiated { media, codec, coding, unknown } = leg(agreed, side, signalling, info);
            if let Some(slot) = self.codings.get_mut(side.channel()) {
                *slot = coding;
            }
            if unknown {
                self.note(format!("codec {codec} of the {side} cannot be decoded"));
            }
            self.unknown = unknown.then(|| codec.clone());
            self.set_media(side, media, codec, now);
        }
    }

    pub fn set_media(&mut self, side: Side, media: LegMedia, codec: String, now: Time) {
        if let Some(codecs) = self.codecs.get_mut(side.channel()).filter(|codecs| !codecs.contains(&codec)) {
            codecs.push(codec);
        }
        if let Some(slot) = self.addresses.get_mut(side.channel()) {
            *slot = Some((media.remote, media.signalling_ip));
        }
        self.bridge.set_media(side, media, now, &mut self.tape);
    }

    /// The call is answered. Where the agreed codec is none of ours nothing can be recorded.
    pub fn connect(&mut self, now: Time) {
        if self.answered.is_some() {
            return;
        }
        self.answered = Some(now);
        self.decision = decide(&self.bridge.rules().facts);
        let [caller, callee] = self.codings;
        self.tape.take.set_rate(Coding::rate_of_both(caller, callee));
        match &self.unknown {
            Some(codec) if self.decision.record => {
                self.note(format!("not recorded: the parties speak {codec}, which is not supported"));
            }
            Some(_) => {}
            None => self.bridge.connect(now, &mut self.tape),
        }
        self.after(now);
    }

    pub fn rtp(&mut self, side: Side, from: SocketAddr, payload: &[u8], now: Time) {
        if self.over {
            if let Some(count) = self.after_end.get_mut(side.channel()) {
                *count += 1;
            }
            return;
        }
        if let (Some(Some((remote, signalling))), Some(stranger)) =
            (self.addresses.get(side.channel()), self.stranger.get_mut(side.channel()))
            && *remote != from
            && *signalling != from.ip()
        {
            stranger.get_or_insert(from);
        }
        self.packet.clear();
        self.packet.extend_from_slice(payload);
        self.bridge.on_rtp(side, from, &mut self.packet, now, &mut self.tape);
        self.after(now);
    }

    pub fn rtcp(&mut self, side: Side, from: SocketAddr, payload: &[u8], now: Time) {
        // Some phones open the way with RTCP before anything is agreed.
        let agreed = self.addresses.get(side.channel()).is_some_and(Option::is_some);
        if agreed && !self.over {
            self.packet.clear();
            self.packet.extend_from_slice(payload);
            self.bridge.on_rtcp(side, from, &mut self.packet, now);
        }
    }

    pub fn key(&mut self, side: Side, key: u8, now: Time) {
        if !self.over {
            self.bridge.on_info_key(side, key, now, &mut self.tape);
            self.after(now);
        }
    }

    /// Every few milliseconds: digits that wait, tones that are played.
    pub fn tick(&mut self, now: Time) {
        if !self.over && self.bridge.is_busy() {
            self.bridge.tick(now, &mut self.tape);
            self.after(now);
        }
    }

    /// Several times a second: what is old enough is written.
    pub fn advance(&mut self, now: Time) {
        if !self.over {
            let closed = self.tape.take.advance(now, &mut self.tape.file);
            self.tape.closed.extend(closed);
        }
    }

    pub fn every_second(&mut self, now: Time) {
        if !self.over {
            self.bridge.every_second(now, self.epoch.wall(now).ntp(), &mut self.tape);
        }
    }

    /// The call has ended.
    pub fn end(&mut self, now: Time) {
        if !self.over {
            self.bridge.end(now, self.epoch.wall(now).ntp(), &mut self.tape);
            self.over = true;
        }
    }

    fn after(&mut self, now: Time) {
        if self.tape.facts.is_empty() {
            return;
        }
        for fact in std::mem::take(&mut self.tape.facts) {
            match fact {
                Fact::Commanded { side, how, command, refused, rules, at } => {
                    let (id, name) = name_of(&self.ruling, side);
                    let wanted = match command {
                        Command::Pause => false,
                        Command::Start => true,
                    };
                    self.changes.push(Change {
                        at: self.epoch.wall(at),
                        offset_ms: at.since(self.answered.unwrap_or(now)).as_millis(),
                        by: By::User { id, name, side },
                        how,
                        wanted,
                        refused,
                        decision: decide(&rules.facts),
                    });
                }
                Fact::Heard { .. }
                | Fact::Refused { .. }
                | Fact::SendInfo { .. }
                | Fact::Silent { .. }
                | Fact::Played { .. }
                | Fact::Key { .. } => {}
            }
        }
    }

    /// Completes the files and says what came of the call.
    pub fn report(mut self, outcome: Outcome, end_reason: Option<EndReason>, ended: Time) -> io::Result<CallReport> {
        let facts = self.bridge.rules().facts;
        let ended_paused = self.answered.is_some() && facts.command == Some(Command::Pause) && facts.step.is_none();
        let closed = std::mem::take(&mut self.tape.closed);
        let mut files = Vec::new();
        for closed in closed {
            files.push(self.finish(&closed, ended_paused, end_reason.as_ref())?);
        }
        if let Some(failure) = self.tape.failure.take() {
            self.note(format!("not recorded: {failure}"));
        }
        self.note_packets();
        let stats = self.bridge.stats();
        let [caller, callee] = self.first_parties;
        let [caller_codecs, callee_codecs] = self.codecs;
        let ([caller_stats, callee_stats], [caller_late, callee_late]) = (stats, self.after_end);
        let mut sides = [
            CallSide::new(caller, caller_codecs, caller_stats, caller_late),
            CallSide::new(callee, callee_codecs, callee_stats, callee_late),
        ];
        for (side, stats) in self.bridge.left() {
            sides.iter_mut().skip(side.channel()).take(1).for_each(|own| own.add(*stats));
        }
        let [caller, callee] = sides;
        Ok(CallReport {
            call_id: self.call_id,
            direction: self.ruling.direction,
            caller,
            callee,
            joined: self.joined,
            started: self.epoch.wall(self.started),
            answered: self.answered.map(|at| self.epoch.wall(at)),
            ended: self.epoch.wall(ended),
            outcome,
            end_reason,
            decision: self.decision,
            commands: self.changes,
            ended_paused,
            files,
            notes: self.notes,
        })
    }

    fn note_packets(&mut self) {
        let strangers = self.stranger;
        for ((side, leg), stranger) in Side::BOTH.into_iter().zip(self.bridge.stats()).zip(strangers) {
            let counters = leg.counters;
            if let (Some(from), 1..) = (stranger, counters.strangers) {
                let count = counters.strangers;
                self.note(format!("{count} packets for the {} came from {from}, which neither SDP nor SIP of the {side} names: refused", side.other()));
            }
            if counters.unknown_payload > 0 && self.unknown.is_none() {
                self.note(format!(
                    "{} packets of the {side} have a payload type that was not agreed",
                    counters.unknown_payload
                ));
            }
            if self.answered.is_some() && counters.received == 0 && counters.strangers == 0 {
                self.note(format!("no RTP of the {side} is in the capture"));
            }
        }
    }

    fn finish(
        &mut self,
        closed: &Closed,
        ended_paused: bool,
        end_reason: Option<&EndReason>,
    ) -> io::Result<FileReport> {
        let draft = self.draft(closed);
        let state = if closed.problem.is_some() { RecordingState::Incomplete } else { RecordingState::Complete };
        let problem = closed.problem.clone().unwrap_or_default();
        let finish = Finish {
            samples: closed.samples,
            rate: closed.rate,
            state,
            markers: closed.markers.clone(),
            markers_left_out: closed.markers_left_out,
            changes: self.changes.clone(),
            ended_paused,
            end_reason: end_reason.cloned(),
            problem: problem.clone(),
            legs: self.bridge.stats(),
            joined: self.joined.clone(),
            left: self.bridge.left().to_vec(),
        };
        let started = draft.started;
        let sidecar = sidecar(&draft, finish);
        let done = self.tape.file.finish(closed, &sidecar)?;
        Ok(FileReport {
            path: done.path,
            sidecar: done.sidecar,
            state,
            started,
            samples: closed.samples,
            length_s: seconds(closed.samples, closed.rate),
            audio_sha256: done.audio_sha256,
            markers: closed.markers.clone(),
            problem,
        })
    }

    fn draft(&mut self, closed: &Closed) -> Draft {
        let started = self.epoch.wall(closed.started);
        let recording = RecordingId::new(started, self.random.ten_bytes());
        let [caller, callee] = self.first_parties.clone();
        let [caller_codecs, callee_codecs] = &self.codecs;
        let [caller_first, callee_first] = &self.first_codecs;
        let caller_codecs = caller_first.as_ref().unwrap_or(caller_codecs);
        let callee_codecs = callee_first.as_ref().unwrap_or(callee_codecs);
        let answered = self.answered.unwrap_or(self.started);
        Draft {
            recording,
            call: self.id,
            company: self.ruling.company,
            company_name: self.ruling.company_name.clone(),
            direction: self.ruling.direction,
            number: self.ruling.number,
            parties: [(caller, caller_codecs.join(", ")), (callee, callee_codecs.join(", "))],
            answered: self.epoch.wall(answered),
            started,
            offset_ms: closed.started.since(answered).as_millis(),
            part: closed.part,
            decision: self.decision.clone(),
            channels: self.ruling.channels,
        }
    }
}

/// FNV-1a over the Call-ID and the time of its INVITE.
fn seed(call_id: &str, at: Wall) -> u64 {
    let bytes = call_id.bytes().chain(at.unix_micros().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
