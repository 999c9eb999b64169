//! One call while it is up: two legs and a phase.

use super::LegPort;
use super::codecs::coding_of;
use super::path::Path;
use super::pausing::Paused;
use super::setup::Ringing;
use super::transfer::Transfer;
use super::voicemail::Voicemail;
use crate::audio::Coding;
use crate::audio::prompt::Pcm;
use crate::base::{CallId, CompanyId, Side, Span, Time, TrunkId, UserId};
use crate::directory::{Settings, User, may_command};
use crate::ledger::{CallRecord, Decision, RecordingStep};
use crate::media::{Commander, LegMedia, PlayId};
use crate::policy::{Facts, Matcher, Rules, decide};
use crate::sdp::{Events, Flow, Format, Local, Negotiated, OfferAnswer};
use crate::sip::Peer;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{ClientTx, ServerTx};
use crate::sip::message::{Request, Response};
use crate::sip::reliable::Provisionals;
use crate::sip::session_timer::Agreed;
use serde::{Deserialize, Serialize};

/// Length of a packet where nothing was said of it, in ms (RFC 3551 §4.2).
const USUAL_PTIME: u16 = 20;

/// Two legs, from the INVITE to the last BYE.
///
/// ```text
/// Ringing ─2xx of a device─► Talking ─BYE, silence, expiry, order─► (gone)
///    └─refused, cancelled, timed out─► (gone)
/// ```
#[derive(Debug)]
pub struct Session {
    pub record: CallRecord,
    pub company_key: String,
    pub company_name: String,
    /// As they were when the call started.
    pub settings: Settings,
    pub facts: Facts,
    /// The recording step that the facts go by.
    pub passed: Option<RecordingStep>,
    pub recording_failed: bool,
    /// A person has paused the recording.
    pub paused: Option<Paused>,
    pub phase: Phase,
    pub caller: Leg,
    pub callee: Leg,
    /// The moment of the answer.
    pub answered: Option<Time>,
    /// The path of a call that a flow leads; its directory is the one that the call began with.
    pub path: Option<Box<Path>>,
    /// What a party hears that is on hold; `None`: silence.
    pub hold_music: Option<Pcm>,
    /// Prompts that were played so far.
    pub plays: u32,
    /// A place in the call that is about to be taken.
    pub transfer: Option<Box<Transfer>>,
    /// The caller's number is not shown to those who are called.
    pub withheld: bool,
    /// A voicemail box is at the other end, or the call back of a message is under way.
    pub voicemail: Option<Box<Voicemail>>,
}

#[derive(Debug)]
pub enum Phase {
    Ringing(Box<Ringing>),
    Talking,
}

/// One leg of a call.
#[derive(Debug)]
pub struct Leg {
    /// Where its signalling goes, hop by hop.
    pub peer: Peer,
    pub dialog: Option<Dialog>,
    /// Our Contact value on this leg.
    pub contact: String,
    pub exchange: OfferAnswer,
    pub port: LegPort,
    pub user: Option<UserId>,
    /// Through which trunk it comes or goes.
    pub trunk: Option<TrunkId>,
    pub timer: Option<Timer>,
    /// What the far side says that it understands (Allow).
    pub allows_info: bool,
    pub allows_update: bool,
    /// A re-INVITE or UPDATE of ours that has no final response yet.
    pub ours: Option<Change>,
    /// A re-INVITE of theirs that we have not answered, or answered with an offer of ours.
    pub theirs: Option<Theirs>,
    /// Media as the worker has it.
    pub media: Option<Negotiated>,
    /// The last INVITE of theirs that is not answered, or whose 2xx has no ACK yet.
    pub inviting: Option<ServerTx>,
    /// Our provisional responses, where the far side's INVITE requires reliable ones.
    pub provisionals: Option<Provisionals>,
}

/// A running session timer (RFC 4028).
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    pub agreed: Agreed,
    pub refresh_at: Option<Time>,
    pub ends_at: Time,
}

impl Timer {
    /// The timer in our 2xx (RFC 4028 §9).
    pub fn announce(&self, response: Response) -> Response {
        let response = response.with_header("Session-Expires", self.agreed.answer_value());
        match self.agreed.requires_timer() {
            true => response.with_header("Require", "timer"),
            false => response,
        }
    }

    pub fn start(agreed: Agreed, now: Time) -> Self {
        Timer { agreed, refresh_at: agreed.refresh_at(now), ends_at: agreed.ends_at(now) }
    }
}

/// A change of the session that we asked a leg for.
#[derive(Clone, Debug)]
pub struct Change {
    pub tx: ClientTx,
    pub request: Request,
    /// The request of the other leg that waits for the outcome.
    pub for_other: Option<(ServerTx, Request)>,
}

/// A re-INVITE of the far side.
#[derive(Clone, Debug)]
pub enum Theirs {
    /// It waits for what the other leg says.
    Waiting,
    /// It had no offer: ours went out in the 2xx, the answer comes in the ACK.
    OfferedInAnswer,
}

impl Session {
    /// A name for the next prompt of this call.
    pub fn next_play(&mut self) -> PlayId {
        self.plays = self.plays.wrapping_add(1);
        PlayId(self.plays)
    }

    pub fn id(&self) -> CallId {
        self.record.id
    }

    pub fn leg(&self, side: Side) -> &Leg {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    pub fn leg_mut(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    /// The direction that `side` should be told, where it is not what it was told last: the other
    /// leg's own one.
    pub fn out_of_step(&self, side: Side) -> Option<Flow> {
        let due = self.told_of(self.leg(side.other()).media.as_ref()?.flow.reversed());
        let said = self.leg(side).exchange.local()?.flow;
        (due != said).then_some(due)
    }

    /// What a party is told of a direction that the other one wants: who is to hear music is not
    /// told that nothing comes.
    pub fn told_of(&self, flow: Flow) -> Flow {
        match (flow, &self.hold_music) {
            (Flow::Inactive, Some(_)) => Flow::SendOnly,
            (Flow::SendRecv | Flow::SendOnly | Flow::RecvOnly | Flow::Inactive, _) => flow,
        }
    }

    /// Whether it is recorded as things stand, and why.
    pub fn decision(&self) -> Decision {
        decide(&self.facts).named(self.passed.as_ref())
    }

    /// A path has come through that recording step, which holds from here on. `None`: it is the one that holds
    /// already, or there is none; else whether the call was recorded until now.
    pub fn pass(&mut self, recording: Option<(bool, RecordingStep)>, now: Time) -> Option<bool> {
        let (on, step) = recording?;
        // A flow can have been changed since the call passed the same step in it.
        if (self.facts.step, self.passed.as_ref()) == (Some(on), Some(&step)) {
            return None;
        }
        let before = self.facts;
        self.facts.step = Some(on);
        self.passed = Some(step);
        self.follow_pause(before, now);
        Some(decide(&before).record)
    }

    /// What commands of a user who is on it come to, by the settings that it began with.
    pub fn commander(&self, user: &User) -> Commander {
        let settings = &self.settings;
        Commander {
            matcher: Matcher::new(&settings.commands.pause, &settings.commands.start),
            permitted: may_command(settings, user, true),
            max_hold: Span::from_millis(u64::from(settings.max_hold_ms)),
        }
    }

    pub fn rules(&self) -> Rules {
        Rules { facts: self.facts, failed: self.recording_failed }
    }

    /// When the session next wants to be called.
    pub fn next_timeout(&self) -> Option<Time> {
        match &self.phase {
            Phase::Ringing(ringing) => {
                let patience = ringing.branches.iter().filter_map(|branch| branch.give_up_at);
                let again = self.caller.provisionals.as_ref().and_then(Provisionals::next_timeout);
                let timer = self.caller.timer.filter(|_| ringing.answered);
                let timer = timer.map(|timer| timer.refresh_at.map_or(timer.ends_at, |at| at.min(timer.ends_at)));
                patience.chain(again).chain(timer).chain([ringing.deadline]).min()
            }
            Phase::Talking => {
                let timers = [&self.caller, &self.callee].into_iter().filter_map(|leg| leg.timer);
                let transfer = self.transfer.as_ref().and_then(|transfer| transfer.next_timeout());
                let pause = self.paused.and_then(|paused| paused.next_timeout());
                let own = transfer.into_iter().chain(pause);
                timers.flat_map(|timer| [timer.refresh_at, Some(timer.ends_at)]).flatten().chain(own).min()
            }
        }
    }

    pub fn view(&self) -> CallView {
        let decision = self.decision();
        let leg = |leg: &Leg| LegView {
            peer: leg.peer.remote.to_string(),
            transport: leg.peer.transport.to_string(),
            codec: leg.media.as_ref().map_or_else(String::new, |media| media.send.codec.name().to_owned()),
            held: leg.media.as_ref().is_some_and(|media| media.held),
            encrypted: leg.media.as_ref().is_some_and(|media| media.keys.is_some()),
        };
        CallView {
            record: self.record.clone(),
            recording: self.answered.is_some() && decision.record && !self.recording_failed,
            recording_failed: self.recording_failed,
            caller: leg(&self.caller),
            callee: leg(&self.callee),
        }
    }
}

/// A call that is up, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallView {
    pub record: CallRecord,
    pub recording: bool,
    pub recording_failed: bool,
    pub caller: LegView,
    pub callee: LegView,
}

impl CallView {
    pub fn company(&self) -> CompanyId {
        self.record.company
    }
}

/// One leg, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LegView {
    /// Where its signalling comes from.
    pub peer: String,
    pub transport: String,
    /// As in SDP; empty before the answer.
    pub codec: String,
    /// This party has put the other on hold.
    pub held: bool,
    /// Its media is SRTP.
    #[serde(default)]
    pub encrypted: bool,
}

impl Leg {
    /// What we say on this leg, with `formats` in order of preference.
    pub fn local(&self, formats: Vec<Format>, events: Option<Events>, flow: Flow, ptime: Option<u16>) -> Local {
        let free = |pt: &u8| formats.iter().all(|format| format.pt != *pt);
        let events = events.map(|events| match free(&events.pt) {
            true => events,
            false => Events { pt: (96..=127).rev().find(free).unwrap_or(events.pt), ..events },
        });
        Local {
            session_id: 0,
            version: 0,
            address: self.port.address,
            port: self.port.port,
            formats,
            events,
            flow,
            ptime,
            rtcp_mux: true,
            // The exchange fills it in.
            security: Default::default(),
        }
    }

    /// The media of this leg for its worker. `held`: the other party holds this one.
    pub fn media_for_worker(&self, strict_source: bool, held: bool) -> Option<LegMedia> {
        let agreed = self.media.as_ref()?;
        let send = coding_of(&agreed.send.codec);
        // What can only be passed through is accepted where it is what was agreed.
        let usable = |coding: &Coding| !matches!(coding, Coding::Foreign { .. }) || *coding == send;
        let receive = agreed.receive.iter().map(|format| (format.pt, coding_of(&format.codec)));
        Some(LegMedia {
            remote: agreed.remote,
            remote_rtcp: agreed.remote_rtcp,
            rtcp_mux: agreed.rtcp_mux,
            signalling_ip: if strict_source { agreed.remote.ip() } else { self.peer.remote.ip() },
            send: (agreed.send.pt, send),
            receive: LegMedia::received(receive.filter(|(_, coding)| usable(coding))),
            ptime: agreed.ptime.unwrap_or(USUAL_PTIME),
            send_events: agreed.send_events.map(|events| (events.pt, events.clock)),
            receive_events: agreed.receive_events.map(|events| (events.pt, events.clock)),
            info: self.allows_info,
            sends: agreed.flow.sends(),
            receives: agreed.flow.receives(),
            held,
            keys: agreed.keys.clone(),
        })
    }

    /// A 2xx has to wait: the far side has not acknowledged a description.
    pub fn awaits_prack(&self) -> bool {
        self.provisionals.as_ref().is_some_and(Provisionals::holds_description)
    }

    /// Name of the codec that the leg speaks, as in SDP.
    pub fn codec_name(&self) -> String {
        self.media.as_ref().map_or_else(String::new, |media| media.send.codec.name().to_owned())
    }

    /// Takes from a message what the far side understands.
    pub fn learn_methods(&mut self, headers: &crate::sip::message::Headers) {
        if headers.has("Allow") {
            self.allows_info = headers.names("Allow", "INFO");
            self.allows_update = headers.names("Allow", "UPDATE");
        }
    }
}
