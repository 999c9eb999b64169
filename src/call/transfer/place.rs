//! Whom a transfer goes to, and the INVITEs that call them.

use super::super::codecs::offer_again;
use super::super::encryption::{contact_for, demanded, exchange, safe_ways};
use super::super::fork::Branch;
use super::super::identity::Wish;
use super::super::path::Start;
use super::super::route::{Destination, NoRoute, Origin, Target, called_number_leads, route_from_user, user_part};
use super::super::session::{Leg, Session};
use super::super::setup::{Way, Whom, unavailable};
use super::super::switch::{Cx, Dice, Purpose, Switch};
use super::super::{LegPort, Note};
use super::{Refusal, Transfer};
use crate::base::{Direction, Side, UserId};
use crate::directory::{Company, Directory, User, normalise_number};
use crate::ledger::{JoinedBy, Party};
use crate::sdp::{Codec, Events, Flow};
use crate::sip::message::{Method, Request, Response};
use crate::sip::reliable;
use crate::sip::session_timer;
use crate::sip::token;
use crate::sip::uri::{Host, NameAddr, Scheme, Uri};
use std::sync::Arc;

const EVENTS: Events = Events { pt: 101, clock: 8_000 };
/// Hops that a call may have taken in all (RFC 3261 §8.1.1.6); every transfer is one.
const HOPS: usize = 70;

impl Switch {
    /// Where a transfer by the party on `side` leads. A user's transfer is routed like a call of
    /// that user; the outside party's stays within the company.
    pub(super) fn transfer_destination(
        &self,
        session: &Session,
        side: Side,
        to: &Uri,
        request: &Request,
        directory: &Directory,
        cx: &mut Cx<'_>,
    ) -> Result<Destination, Box<Response>> {
        let answer = |status: u16, reason: String| Box::new(request.response(status).with_reason(&reason));
        let refused = |refusal: Refusal| answer(refusal.status(), refusal.to_string());
        let no_route = |error: NoRoute| answer(error.status(), error.to_string());
        let company =
            directory.company(session.record.company).ok_or_else(|| answer(404, "The company is gone".to_owned()))?;
        self.check_host(company, directory, to).map_err(refused)?;
        let dialled = user_part(to);
        let user = session.leg(side).user.and_then(|id| directory.user(id));
        let mut found = match user {
            Some(user) => route_from_user(directory, user, &dialled, &Wish::default())
                .inspect_err(|error| note_refused(error, company, user, cx))
                .map_err(no_route)?,
            None => route_within(directory, company, &dialled).map_err(no_route)?,
        };
        let transferee = session.record.party(side.other());
        // Nobody listens to a box by being transferred.
        if matches!(found.target, Target::Path(Start::Menu(_))) {
            return Err(no_route(NoRoute::Unknown(dialled)));
        }
        if found.callee.user.is_some() && found.callee.user == transferee.user {
            return Err(refused(Refusal::SameParty(dialled)));
        }
        found.origin.caller = transferee.clone();
        // The party that stays is shown to the target as it was to the one who leaves.
        found.origin.withheld = session.withheld && side == Side::Callee;
        Ok(found)
    }

    /// A name has to be the company's own domain; another company's is as unknown as any.
    fn check_host(&self, company: &Company, directory: &Directory, to: &Uri) -> Result<(), Refusal> {
        let ours = match (&to.scheme, &to.host) {
            (Scheme::Tel, _) | (_, Host::Ip(_)) => true,
            (Scheme::Sip | Scheme::Sips | Scheme::Other(_), Host::Name(name)) => {
                directory.company_of_domain(name).is_some_and(|of| of.id == company.id)
            }
        };
        if ours { Ok(()) } else { Err(Refusal::Domain(to.host.to_string())) }
    }

    /// Calls the target: an INVITE to each of its devices, or to the trunk.
    pub(super) fn place(
        &mut self,
        session: &Session,
        side: Side,
        to: Destination,
        request: &Request,
        directory: &Directory,
        cx: &mut Cx<'_>,
    ) -> Result<Transfer, Box<Response>> {
        let ways = self.ways_of_target(session, &to, request, directory, cx)?;
        let local = ways.first().map_or(session.leg(side).peer.local, |(way, _)| way.peer.local);
        let port = cx
            .shell
            .open_target(session.id(), local.ip())
            .map_err(|shortage| Box::new(unavailable(request, &shortage)))?;
        let branches = self.call_ways(session, side, port, ways, cx);
        let deadline = cx.now + self.config.ring_timeout;
        let Destination { callee: party, number, .. } = to;
        let trunk = branches.first().and_then(|branch| branch.line).map(|line| line.trunk);
        let (how, media_of, reports, refused) = (JoinedBy::BlindTransfer, None, None, None);
        let led = None;
        Ok(Transfer { side, how, party, number, trunk, branches, port, media_of, reports, refused, deadline, led })
    }

    /// An INVITE each way.
    pub(super) fn call_ways(
        &mut self,
        session: &Session,
        side: Side,
        port: LegPort,
        ways: Vec<(Way, Whom)>,
        cx: &mut Cx<'_>,
    ) -> Vec<Branch> {
        let directory = Arc::clone(&self.directory);
        let domain = directory.company(session.record.company).and_then(|company| company.domains.first()).cloned();
        let mut branches = Vec::with_capacity(ways.len());
        for (mut way, whom) in ways {
            let (line, otherwise) = (way.line, std::mem::take(&mut way.otherwise));
            let trunk = line.map(|line| line.trunk);
            let exchange = exchange(demanded(&session.settings, line), &way.peer, cx);
            // RFC 3892, for our own phones: the outside is not told who sent it there.
            let domain = domain.clone().filter(|_| trunk.is_none());
            let mut leg = self.leg(way.peer, exchange, port, whom.user, trunk);
            leg.contact = contact_for(&way.uri.scheme, leg.contact);
            let Some(invite) = self.invite_to_target(session, side, &mut leg, way, domain, cx) else {
                continue;
            };
            let purpose = Purpose::Ring { call: session.id() };
            let Leg { peer, contact, exchange, .. } = leg;
            let mut branch = self.send_branch(purpose, invite, peer, contact, exchange, whom, cx);
            self.goes_over(&mut branch, line, otherwise, 0, cx);
            branches.push(branch);
        }
        branches
    }

    fn invite_to_target(
        &self,
        session: &Session,
        side: Side,
        leg: &mut Leg,
        way: Way,
        domain: Option<String>,
        cx: &mut Cx<'_>,
    ) -> Option<Request> {
        // The transferee may hold: the target is told at once.
        let held = session.leg(side.other()).media.as_ref().filter(|media| media.held);
        let flow = held.map_or(Flow::SendRecv, |media| media.flow.reversed());
        let codec = session.leg(side.other()).media.as_ref().map_or(Codec::Pcmu, |media| media.send.codec.clone());
        let formats = offer_again(session.leg(side.other()), &session.settings, &codec);
        let local = leg.local(formats, Some(EVENTS), flow, None);
        let offer = leg.exchange.offer(local).ok()?;
        let mut invite = Request::new(Method::Invite, way.uri);
        invite.headers.push("From", way.from.with_tag(&token(&mut Dice(cx.shell), 8)).to_string());
        invite.headers.push("To", way.to.to_string());
        invite.headers.push("Call-ID", token(&mut Dice(cx.shell), 16));
        invite.headers.push("CSeq", "1 INVITE");
        invite.headers.push("Max-Forwards", HOPS.saturating_sub(session.record.joined.len()).to_string());
        invite.headers.push("Contact", leg.contact.clone());
        invite.headers.push("Allow", self.endpoint.capabilities().allow());
        for (name, value) in &way.headers {
            invite.headers.push(name, value.clone());
        }
        if let Some(host) = &domain {
            let by = NameAddr::new(Uri::sip(&session.record.party(side).address, host));
            invite.headers.push("Referred-By", by.to_string());
        }
        session_timer::offer(&mut invite.headers, &self.config.session_timer);
        invite.headers.push("Supported", reliable::OPTION);
        Some(invite.with_body("application/sdp", offer))
    }

    /// Every device of whom the transfer leads to, as safe as the call was to be when it began. A
    /// group or an inbox rings all its members at once.
    fn ways_of_target(
        &mut self,
        session: &Session,
        to: &Destination,
        request: &Request,
        directory: &Directory,
        cx: &mut Cx<'_>,
    ) -> Result<Vec<(Way, Whom)>, Box<Response>> {
        let Target::Path(start) = to.target else {
            let whom = Whom { user: to.callee.user, party: to.callee.clone() };
            let ways = safe_ways(&session.settings, request, self.ways_to(to, directory, request, cx)?)?;
            return Ok(ways.into_iter().map(|way| (way, whom.clone())).collect());
        };
        let mut ways = Vec::new();
        for user in members_of(directory, start).into_iter().filter_map(|id| directory.user(id)) {
            let party = Party { user: Some(user.id), address: user.extension.clone(), name: user.name.clone() };
            let member = Destination { callee: party.clone(), target: Target::User(user.id), ..to.clone() };
            let whom = Whom { user: Some(user.id), party };
            // Who is not registered, or not to be reached safely, does not speak for the others.
            let found = self.ways_to(&member, directory, request, cx);
            let found = found.and_then(|ways| safe_ways(&session.settings, request, ways)).unwrap_or_default();
            ways.extend(found.into_iter().map(|way| (way, whom.clone())));
        }
        match ways.is_empty() {
            true => Err(Box::new(request.response(480).with_reason("Nobody of the group is registered"))),
            false => Ok(ways),
        }
    }
}

/// A transfer that the list of destinations, or a caller id, forbids is seen by the admin like a call.
fn note_refused(error: &NoRoute, company: &Company, user: &User, cx: &mut Cx<'_>) {
    if error.status() == 403 {
        let (company, why) = (company.key.clone(), error.for_log());
        cx.shell.note(&Note::Refused { company, user: user.id, why });
    }
}

/// Who rings where a path begins without a flow.
fn members_of(directory: &Directory, start: Start) -> Vec<UserId> {
    match start {
        Start::User(user) => vec![user],
        Start::Group(group) => directory.group(group).map(|group| group.members.clone()).unwrap_or_default(),
        Start::Inbox(inbox) => directory.inbox(inbox).map(|inbox| inbox.members.clone()).unwrap_or_default(),
        Start::Flow(_) | Start::Menu(_) => Vec::new(),
    }
}

/// Where the outside party may transfer a call to: extensions and numbers of the company.
fn route_within(directory: &Directory, company: &Company, dialled: &str) -> Result<Destination, NoRoute> {
    let unknown = || NoRoute::Unknown(dialled.to_owned());
    let number = normalise_number(dialled, company)
        .and_then(|e164| directory.number_by_e164(&e164))
        .filter(|number| number.company == company.id);
    let (callee, target) = match (directory.user_by_extension(company.id, dialled), number) {
        (Some(user), _) => {
            let callee = Party { user: Some(user.id), address: user.extension.clone(), name: user.name.clone() };
            (callee, Target::User(user.id))
        }
        (None, Some(number)) => {
            called_number_leads(directory, number).ok_or_else(|| NoRoute::Unrouted(dialled.to_owned()))?
        }
        (None, None) => return Err(unknown()),
    };
    Ok(Destination {
        direction: Direction::Internal,
        origin: Origin { company: company.id, caller: Party::default(), trunk: None, withheld: false },
        callee,
        number: number.map(|number| number.id),
        target,
        emergency: false,
    })
}
