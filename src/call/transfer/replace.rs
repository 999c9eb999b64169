//! INVITE with Replaces (RFC 3891): a user's phone takes a place that it names by its dialog.
//!
//! | that dialog | and the new phone |
//! |---|---|
//! | is up | is on the call; the one before it hears BYE |
//! | is one of ours that still rings | has answered the call; what rings hears CANCEL |
//! | is that of a caller who waits, of another company, or of a call that is none of the sender's | hears 481 |
//! | has ended a moment ago | hears 603 |

use super::super::MediaOrder;
use super::super::auth::Identity;
use super::super::codecs::accepted;
use super::super::encryption::{admit_caller, contact_for, demanded, exchange};
use super::super::session::{Leg, Phase, Session, Timer};
use super::super::setup::{Whom, unavailable};
use super::super::switch::{Cx, Dice, Switch};
use super::super::{LegPort, Shortage};
use super::Refusal;
use super::join::Newcomer;
use crate::base::{CallId, CompanyId, Side, Span, Time, UserId};
use crate::directory::{Company, Directory, User};
use crate::ledger::{JoinedBy, Party};
use crate::sdp::{Codec, Events, Flow};
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{Request, Response};
use crate::sip::refer::Replaces;
use crate::sip::{Peer, session_timer, token};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

const EVENTS: Events = Events { pt: 101, clock: 8_000 };
/// So long a dialog that has ended is told from one that never was: 64 × T1 of the default T1.
const REMEMBERED: Span = Span::from_secs(32);
/// Dialogs that are remembered; beyond it the oldest is forgotten.
const MOST: usize = 10_000;

/// Users' dialogs that ended a moment ago.
#[derive(Debug, Default)]
pub struct Ended {
    whose: HashMap<DialogId, (CompanyId, UserId)>,
    oldest_first: VecDeque<(Time, DialogId)>,
}

impl Ended {
    pub fn len(&self) -> usize {
        self.whose.len()
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.oldest_first.front().map(|(at, _)| *at)
    }

    fn remember(&mut self, dialog: DialogId, whose: (CompanyId, UserId), now: Time) {
        if self.whose.len() >= MOST
            && let Some((_, oldest)) = self.oldest_first.pop_front()
        {
            self.whose.remove(&oldest);
        }
        self.oldest_first.push_back((now + REMEMBERED, dialog.clone()));
        self.whose.insert(dialog, whose);
    }

    pub fn forget_old(&mut self, now: Time) {
        while let Some((_, dialog)) = self.oldest_first.pop_front_if(|(at, _)| *at <= now) {
            self.whose.remove(&dialog);
        }
    }
}

/// What is taken.
#[derive(Clone, Copy, Debug)]
enum Place {
    Leg(Side),
    /// The call that still rings.
    Ringing,
}

/// The phone that comes.
struct Arrival<'a> {
    tx: ServerTx,
    request: &'a Request,
    peer: Peer,
    user: &'a User,
}

impl Arrival<'_> {
    fn party(&self) -> Party {
        let User { id, extension, name, .. } = self.user;
        Party { user: Some(*id), address: extension.clone(), name: name.clone() }
    }
}

impl Switch {
    pub(in crate::call) fn on_replacing_invite(
        &mut self,
        tx: ServerTx,
        request: &Request,
        peer: Peer,
        replaces: &Replaces,
        cx: &mut Cx<'_>,
    ) {
        let directory = Arc::clone(&self.directory);
        if self.stopping {
            return self.endpoint.respond(tx, unavailable(request, &Shortage::Stopping), cx.now);
        }
        let user = match self.who_replaces(request, &peer, &directory, cx) {
            Ok(user) => user,
            Err(response) => return self.endpoint.respond(tx, *response, cx.now),
        };
        let (call, place) = match self.place_named(user, replaces, &directory) {
            Ok(found) => found,
            Err(refusal) => {
                let response = request.response(refusal.status()).with_reason(&refusal.to_string());
                return self.endpoint.respond(tx, response, cx.now);
            }
        };
        let arrival = Arrival { tx, request, peer, user };
        self.with_session(call, cx, |this, session, cx| match place {
            Place::Leg(side) => Some(this.take_leg(session, side, &arrival, cx)),
            Place::Ringing => this.take_call(session, &arrival, cx),
        });
    }

    /// The user whose password the INVITE proves. It may be addressed to us instead of to a domain:
    /// then its sender's counts.
    fn who_replaces<'a>(
        &mut self,
        request: &Request,
        peer: &Peer,
        directory: &'a Directory,
        cx: &mut Cx<'_>,
    ) -> Result<&'a User, Box<Response>> {
        let no_dialog =
            || Box::new(request.response(Refusal::NoDialog.status()).with_reason(&Refusal::NoDialog.to_string()));
        let unknown = || match self.trunks_at(directory, peer.remote.ip()).is_empty() {
            true => Box::new(request.response(404).with_reason("This domain is not served here")),
            false => no_dialog(),
        };
        let from = request.from().map(|from| from.uri.host.to_string()).unwrap_or_default();
        let of = |host: &str| directory.company_of_domain(host);
        let company: &Company = of(&request.uri.host.to_string()).or_else(|| of(&from)).ok_or_else(unknown)?;
        let source = peer.remote.ip();
        match self
            .auth
            .verify_any(request, company, directory, source, cx.now, &mut Dice(cx.shell))
            .map_err(Box::new)?
        {
            Identity::User(user) => Ok(user),
            Identity::Trunk(_) => Err(no_dialog()),
        }
    }

    /// What a dialog stands for. One that the user may not name is answered as one that does not
    /// exist.
    fn place_named(&self, user: &User, replaces: &Replaces, directory: &Directory) -> Result<(CallId, Place), Refusal> {
        let id = replaces.dialog();
        if let Some((call, side)) = self.dialogs.get(&id).copied() {
            let session = self.sessions.get(&call).ok_or(Refusal::NoDialog)?;
            let owner = session.leg(side).user.filter(|_| session.record.company == user.company);
            owner.filter(|owner| self.may_name(user, *owner)).ok_or(Refusal::NoDialog)?;
            return match &session.phase {
                Phase::Ringing(ringing) if ringing.answered => Err(Refusal::Ringing),
                // Only an early dialog that we began can be taken (RFC 3891 §3).
                Phase::Ringing(_) => Err(Refusal::NoDialog),
                Phase::Talking if replaces.early_only => Err(Refusal::Answered),
                Phase::Talking => {
                    self.may_transfer(session, side)?;
                    other_than(session.record.party(side.other()), user)?;
                    Ok((call, Place::Leg(side)))
                }
            };
        }
        if let Some(session) = self.rings_as(&id, user, directory) {
            return match (session.settings.transfer, &session.phase) {
                (false, _) => Err(Refusal::Users),
                (true, Phase::Talking) => Err(Refusal::UnderWay),
                (true, Phase::Ringing(ringing)) if ringing.held.is_some() || session.caller.awaits_prack() => {
                    Err(Refusal::UnderWay)
                }
                (true, Phase::Ringing(_)) => {
                    other_than(session.record.party(Side::Caller), user)?;
                    Ok((session.id(), Place::Ringing))
                }
            };
        }
        match self.ended.whose.get(&id) {
            Some((company, owner)) if *company == user.company && self.may_name(user, *owner) => Err(Refusal::Over),
            Some(_) | None => Err(Refusal::NoDialog),
        }
    }

    /// The call that rings at a phone by this early dialog: one of the user's own phones, or that
    /// of somebody who is in a group with the user.
    fn rings_as(&self, id: &DialogId, user: &User, directory: &Directory) -> Option<&Session> {
        let together = |other: UserId| {
            let mut groups = directory.groups_of(user.company);
            other == user.id || groups.any(|group| [other, user.id].iter().all(|id| group.members.contains(id)))
        };
        let ours = self.sessions.values().filter(|session| session.record.company == user.company);
        let mut ours = ours.filter(|session| {
            let mut branches = session.branches().iter();
            branches.any(|branch| branch.has_dialog(id) && branch.whom.user.is_some_and(together))
        });
        ours.next()
    }

    /// A user may name their own dialogs, and those of somebody whom they talk to: who consults
    /// them, to hand over a call.
    fn may_name(&self, user: &User, owner: UserId) -> bool {
        let talk = |session: &Session| {
            let users = Side::BOTH.map(|side| session.leg(side).user);
            matches!(session.phase, Phase::Talking) && users.contains(&Some(user.id)) && users.contains(&Some(owner))
        };
        owner == user.id || self.sessions.values().any(talk)
    }

    /// The new phone is on the call in the place of the one before it.
    fn take_leg(&mut self, mut session: Session, side: Side, arrival: &Arrival<'_>, cx: &mut Cx<'_>) -> Session {
        let port = match cx.shell.open_target(session.id(), arrival.peer.local.ip()) {
            Ok(port) => port,
            Err(shortage) => {
                self.endpoint.respond(arrival.tx, unavailable(arrival.request, &shortage), cx.now);
                return session;
            }
        };
        let stays = session.leg(side.other()).media.as_ref();
        let codec = stays.map_or(Codec::Pcmu, |media| media.send.codec.clone());
        let flow = stays.filter(|media| media.held).map_or(Flow::SendRecv, |media| media.flow.reversed());
        match self.leg_of(&session, arrival, port, &codec, flow, cx) {
            Ok(mut leg) => {
                self.welcome(&mut leg, arrival, session.id(), cx);
                let (party, how) = (arrival.party(), JoinedBy::Replaces);
                let newcomer =
                    Newcomer { side, party, leg, how, from: None, number: None, paused: false, refused: false };
                self.replace_leg(&mut session, newcomer, None, cx);
            }
            Err(response) => {
                cx.shell.media(session.id(), MediaOrder::CloseTarget);
                self.endpoint.respond(arrival.tx, *response, cx.now);
            }
        }
        session
    }

    /// The new phone has answered the call that rings elsewhere.
    fn take_call(&mut self, mut session: Session, arrival: &Arrival<'_>, cx: &mut Cx<'_>) -> Option<Session> {
        let (port, codec) = (session.callee.port, session.wish_of_caller());
        let mut leg = match self.leg_of(&session, arrival, port, &codec, Flow::SendRecv, cx) {
            Ok(leg) => leg,
            Err(response) => {
                self.endpoint.respond(arrival.tx, *response, cx.now);
                return Some(session);
            }
        };
        let Phase::Ringing(ringing) = std::mem::replace(&mut session.phase, Phase::Talking) else {
            return Some(session);
        };
        self.welcome(&mut leg, arrival, session.id(), cx);
        let whom = Whom { user: leg.user, party: arrival.party() };
        self.flow_answered(&mut session, &whom, cx);
        session.record.callee = whom.party;
        if let Some(dialog) = &leg.dialog {
            self.dialogs.insert(dialog.id(), (session.id(), Side::Callee));
        }
        session.callee = leg;
        let commander = self.commander_of(&session, Side::Callee, &self.directory);
        cx.shell.media(session.id(), MediaOrder::SetCommander { side: Side::Callee, commander });
        self.connect(session, *ringing, cx)
    }

    /// The leg of the phone that comes, with our answer to its offer.
    fn leg_of(
        &self,
        session: &Session,
        arrival: &Arrival<'_>,
        port: LegPort,
        codec: &Codec,
        flow: Flow,
        cx: &mut Cx<'_>,
    ) -> Result<Leg, Box<Response>> {
        let Arrival { tx, request, peer, user } = arrival;
        let refuse = |status: u16, reason: &str| Box::new(request.response(status).with_reason(reason));
        let only_encrypted = demanded(&session.settings, None);
        admit_caller(only_encrypted, request, peer)?;
        let timer = session_timer::negotiate_uas(request, &self.config.session_timer).map_err(Box::new)?;
        let tag = token(&mut Dice(cx.shell), 8);
        let dialog = Dialog::uas(request, &tag).map_err(|error| refuse(error.status(), &error.to_string()))?;
        let mut leg = self.leg(*peer, exchange(only_encrypted, peer, cx), port, Some(user.id), None);
        leg.contact = contact_for(&request.uri.scheme, leg.contact);
        leg.learn_methods(&request.headers);
        let local = leg.local(accepted(&session.settings, codec), Some(EVENTS), flow, None);
        let offered = match request.body.is_empty() {
            true => return Err(refuse(488, "An INVITE that takes a place needs an offer")),
            false => leg.exchange.receive_offer(&request.body),
        };
        let answered = offered.and_then(|_| leg.exchange.answer(local, Some(codec)));
        let (_, media) = answered.map_err(|error| refuse(error.status(), &error.to_string()))?;
        leg.media = Some(media);
        leg.timer = Some(Timer::start(timer, cx.now));
        leg.inviting = Some(*tx);
        leg.dialog = Some(dialog);
        Ok(leg)
    }

    /// The 200 to the phone that comes.
    fn welcome(&mut self, leg: &mut Leg, arrival: &Arrival<'_>, call: CallId, cx: &mut Cx<'_>) {
        let Some(tag) = leg.dialog.as_ref().map(|dialog| dialog.local_tag.clone()) else { return };
        self.incoming.insert(arrival.tx, call);
        let body = leg.exchange.said().cloned();
        self.accept_on(leg, arrival.tx, arrival.request, &tag, body, cx);
    }

    /// A user's dialog ends: for a while it is known that it was.
    pub(in crate::call) fn remember_dialog(&mut self, session: &Session, leg: &Leg, now: Time) {
        if let (Some(dialog), Some(user)) = (&leg.dialog, leg.user) {
            self.ended.remember(dialog.id(), (session.record.company, user), now);
        }
    }
}

impl Session {
    /// The codec that the caller speaks, or would like to.
    fn wish_of_caller(&self) -> Codec {
        let offered = self.caller.exchange.open_offer().and_then(|offer| offer.audio.as_ref());
        let first = offered.and_then(|audio| audio.formats.first()).map(|format| format.codec.clone());
        let spoken = self.caller.media.as_ref().map(|media| media.send.codec.clone());
        spoken.or(first).unwrap_or(Codec::Pcmu)
    }
}

/// Nobody talks to themselves.
fn other_than(party: &Party, user: &User) -> Result<(), Refusal> {
    match party.user == Some(user.id) {
        true => Err(Refusal::SameParty(party.address.clone())),
        false => Ok(()),
    }
}
