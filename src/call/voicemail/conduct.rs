//! Voicemail in a call: what the machines want done, and what came of it.
//!
//! The caller was answered for it, and the call rings nowhere; it is told as one that nobody took
//! ([`Outcome::Voicemail`]). Of a call that was answered and then transferred the party that stays
//! is at the box. Either way no recording of it is made from here on.

use super::super::MediaOrder;
use super::super::codecs::coding_of;
use super::super::flowing::wait;
use super::super::lockout::Name;
use super::super::route::context_of;
use super::super::session::{Phase, Session};
use super::super::switch::{Cx, Switch};
use super::super::{Note, TakeOrder, TakeSetting};
use super::digits::{Typed, matches};
use super::leave::{Leave, Recipient};
use super::menu::{Entrance, House, Menu, Visitor};
use super::{Act, Door, Input, Names, Step};
use crate::audio::prompt::Pcm;
use crate::audio::{Coding, prompt};
use crate::base::{BoxId, Language, Side, Span, Time, UserId};
use crate::directory::{BoxOwner, Mailbox};
use crate::ledger::{EndReason, Joined, JoinedBy, Keep, MessageDraft, Outcome, Party, TakeId};
use crate::media::PlayId;
use jiff::tz::TimeZone;
use std::collections::VecDeque;
use std::sync::Arc;

/// The box that a user dialled to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Their own.
    Own,
    /// Its number is asked for.
    Ask,
    Box(BoxId),
    /// There is none of that number.
    Unknown,
}

#[derive(Debug)]
enum Machine {
    Leave(Box<Leave>),
    Menu(Box<Menu>),
}

/// The voicemail of one call.
#[derive(Debug)]
pub struct Voicemail {
    machine: Machine,
    names: Names,
    /// Who is at the box.
    pub(super) side: Side,
    /// As the call is told of, while it is here.
    callee: Party,
    pub(super) language: Language,
    pub(super) zone: TimeZone,
    /// So much silence ends what is spoken.
    silence: Option<Span>,
    pub(super) playing: Option<PlayId>,
    /// What is said after it.
    pub(super) rest: VecDeque<Pcm>,
    /// The machine waits for the end of what is said.
    pub(super) says: bool,
    /// The call is elsewhere, to come back here where nobody is reached.
    pub(super) away: bool,
}

impl Voicemail {
    fn handle(&mut self, input: Input, now: Time) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut step = Step { now, acts: &mut acts, names: &mut self.names };
        match &mut self.machine {
            Machine::Leave(leave) => leave.handle(&input, &mut step),
            Machine::Menu(menu) => menu.handle(input, &mut step),
        }
        acts
    }

    fn finish(&mut self, now: Time) -> Vec<Act> {
        let mut acts = Vec::new();
        match &mut self.machine {
            // What was said so far is a message.
            Machine::Leave(_) => {}
            Machine::Menu(menu) => menu.finish(&mut Step { now, acts: &mut acts, names: &mut self.names }),
        }
        acts
    }
}

impl Session {
    /// A voicemail box is at the other end now.
    pub(in crate::call) fn is_at_voicemail(&self) -> bool {
        self.voicemail.as_ref().is_some_and(|voicemail| !voicemail.away)
    }

    /// Who is at the box: the caller, or the party that a transfer leads there.
    fn side_at_voicemail(&self) -> Side {
        self.transfer.as_ref().map_or(Side::Caller, |transfer| transfer.side.other())
    }

    /// The time that the machine gives begins.
    pub(super) fn voicemail_waits(&mut self, span: Span, cx: &Cx<'_>) {
        match self.phase {
            Phase::Ringing(_) => wait(self, span, cx),
            Phase::Talking => self.led_waits(span, cx),
        }
    }
}

/// What follows an act.
enum After {
    Goes,
    Hears(Input),
    Acts(Vec<Act>),
    HangsUp,
    Calls(String),
    /// The caller cannot be answered.
    Fails(u16),
}

impl Switch {
    /// The path leads to a box: a message is left.
    pub(in crate::call) fn leave_message(
        &mut self,
        mut session: Session,
        mailbox: BoxId,
        busy: bool,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let directory = Arc::clone(&self.directory);
        let Some(mailbox) = directory.mailbox(mailbox).filter(|mailbox| mailbox.company == session.record.company)
        else {
            return self.no_such_box(session, cx);
        };
        let (side, house) = (session.side_at_voicemail(), &session.settings.voicemail);
        let own = &mailbox.settings;
        let minimum = seconds(own.min_s.unwrap_or(house.min_s));
        let recipient = Recipient {
            number: mailbox.number.clone(),
            is_person: matches!(mailbox.owner, BoxOwner::User(_)),
            busy,
            enabled: own.enabled,
            // A call that was answered before does not become one to listen.
            may_log_in: !own.password.is_empty() && matches!(session.phase, Phase::Ringing(_)),
            most: seconds(own.max_s.unwrap_or(house.max_s)),
            silence: seconds(house.max_silence_s),
            review: own.review && house.review,
        };
        let caller = if session.withheld { Party::default() } else { session.record.party(side).clone() };
        let (call, number) = (session.id(), session.record.number);
        let draft = MessageDraft { mailbox: mailbox.id, call, caller, number, urgent: false, forwarded: None, minimum };
        let mut acts = Vec::new();
        let mut names = self.leave_box(&mut session, cx).map(|left| left.names).unwrap_or_default();
        let machine = Leave::begin(recipient, draft, &mut Step { now: cx.now, acts: &mut acts, names: &mut names });
        let callee = party_of(mailbox, session.record.callee.user);
        self.begin_voicemail(&mut session, Machine::Leave(Box::new(machine)), names, callee, Some(mailbox), cx);
        self.do_all(session, acts, cx)
    }

    /// A user listens to a box.
    pub(in crate::call) fn open_menu(
        &mut self,
        mut session: Session,
        chosen: Chosen,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let directory = Arc::clone(&self.directory);
        let user = session.caller.user;
        let mailbox = match chosen {
            Chosen::Own => user.and_then(|user| directory.mailbox_of_user(user)),
            Chosen::Box(id) => directory.mailbox(id).filter(|mailbox| mailbox.company == session.record.company),
            Chosen::Ask | Chosen::Unknown => None,
        };
        let entrance = match (chosen, mailbox) {
            (Chosen::Own, None) => Entrance::Nowhere,
            (Chosen::Ask, _) => Entrance::Number,
            (Chosen::Own | Chosen::Box(_) | Chosen::Unknown, mailbox) => Entrance::Door(door(&session, mailbox)),
        };
        let mut acts = Vec::new();
        let mut names = self.leave_box(&mut session, cx).map(|left| left.names).unwrap_or_default();
        let mut step = Step { now: cx.now, acts: &mut acts, names: &mut names };
        let machine = Menu::begin(visitor(&session), house(&session), entrance, &mut step);
        let callee = match mailbox {
            Some(mailbox) => party_of(mailbox, None),
            None => session.record.callee.clone(),
        };
        // Somebody of the company talks to the service: it is a call that was taken.
        session.record.answered = Some(cx.wall);
        self.begin_voicemail(&mut session, Machine::Menu(Box::new(machine)), names, callee, mailbox, cx);
        self.do_all(session, acts, cx)
    }

    /// The box has gone since the path was chosen.
    fn no_such_box(&mut self, session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        match session.phase {
            Phase::Ringing(_) => self.refuse(session, 480, EndReason::Rejected { status: 480 }, cx),
            Phase::Talking => self.transfer_failed(session, 480, cx),
        }
    }

    fn begin_voicemail(
        &mut self,
        session: &mut Session,
        machine: Machine,
        names: Names,
        callee: Party,
        mailbox: Option<&Mailbox>,
        cx: &mut Cx<'_>,
    ) {
        let house = &session.settings.voicemail;
        let settings = mailbox.map(|mailbox| &mailbox.settings);
        let zone = settings.and_then(|settings| settings.time_zone.as_ref()).unwrap_or(&session.settings.time_zone);
        let side = session.side_at_voicemail();
        let voicemail = Voicemail {
            machine,
            names,
            side,
            callee,
            language: settings.and_then(|settings| settings.language).unwrap_or(house.language),
            zone: TimeZone::get(zone.as_str()).unwrap_or(TimeZone::UTC),
            silence: (house.max_silence_s > 0).then(|| seconds(house.max_silence_s)),
            playing: None,
            rest: VecDeque::new(),
            says: false,
            away: false,
        };
        session.voicemail = Some(Box::new(voicemail));
        self.arrive(session, cx);
    }

    /// The call is at the box: nothing of it is recorded, and keys are for the box.
    pub(super) fn arrive(&mut self, session: &mut Session, cx: &mut Cx<'_>) {
        let Some(voicemail) = &mut session.voicemail else { return };
        voicemail.away = false;
        let (side, callee, call) = (voicemail.side, voicemail.callee.clone(), session.record.id);
        let outcome = outcome_of(&voicemail.machine);
        let before = session.facts;
        session.facts.voicemail = true;
        session.follow_pause(before, cx.now);
        cx.shell.media(call, MediaOrder::SetRules(session.rules()));
        // Here `#` ends something, and begins no command.
        cx.shell.media(call, MediaOrder::SetCommander { side, commander: None });
        cx.shell.media(call, MediaOrder::Collect { side, on: true });
        match &session.transfer {
            None => {
                session.record.callee = callee;
                session.record.decision = session.decision();
                session.record.outcome = match outcome {
                    Outcome::Completed => Outcome::Answered,
                    outcome => outcome,
                };
            }
            Some(transfer) => {
                let joined = Joined {
                    at: cx.wall,
                    offset_ms: session.answered.map_or(0, |answered| cx.now.since(answered).as_millis()),
                    side: transfer.side,
                    party: callee,
                    codec: session.leg(side).codec_name(),
                    how: JoinedBy::BlindTransfer,
                    instead_of: session.record.party(transfer.side).clone(),
                    from_call: None,
                };
                cx.shell.joined(call, &joined);
                session.record.joined.push(joined);
            }
        }
        cx.shell.save(&session.record);
    }

    /// Something happened that voicemail may wait for.
    pub(in crate::call) fn voicemail_input(
        &mut self,
        mut session: Session,
        input: Input,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some(voicemail) = &mut session.voicemail else { return Some(session) };
        let acts = voicemail.handle(input, cx.now);
        self.do_all(session, acts, cx)
    }

    fn do_all(&mut self, mut session: Session, acts: Vec<Act>, cx: &mut Cx<'_>) -> Option<Session> {
        let mut acts = VecDeque::from(acts);
        while let Some(act) = acts.pop_front() {
            let more = match self.do_one(&mut session, act, cx) {
                After::Goes => continue,
                After::Acts(more) => more,
                After::Hears(input) => match &mut session.voicemail {
                    Some(voicemail) => voicemail.handle(input, cx.now),
                    None => return Some(session),
                },
                After::HangsUp => return self.end(session, EndReason::CalleeHungUp, None, cx),
                After::Calls(address) => return self.call_back(session, &address, cx),
                After::Fails(status) => return self.refuse(session, status, EndReason::Rejected { status }, cx),
            };
            acts.extend(more);
        }
        Some(session)
    }

    fn do_one(&mut self, session: &mut Session, act: Act, cx: &mut Cx<'_>) -> After {
        let call = session.id();
        match act {
            Act::Say(say) => match self.say_pieces(session, say, cx) {
                Ok(()) => After::Goes,
                Err(status) => After::Fails(status),
            },
            Act::Quiet => {
                if let Some(voicemail) = &mut session.voicemail {
                    (voicemail.playing, voicemail.says) = (None, false);
                    voicemail.rest.clear();
                    cx.shell.media(call, MediaOrder::StopPrompt { side: voicemail.side });
                }
                After::Goes
            }
            Act::Wait(span) => {
                session.voicemail_waits(span, cx);
                After::Goes
            }
            Act::Begin { take, keep } => {
                begin_take(session, take, keep, cx);
                After::Goes
            }
            Act::End { take, cut } => {
                cx.shell.take(call, TakeOrder::End { take, cut });
                After::Goes
            }
            Act::Keep { take, keep } => {
                cx.shell.take(call, TakeOrder::Keep { take, keep: Box::new(keep) });
                After::Goes
            }
            Act::Discard { take } => {
                cx.shell.take(call, TakeOrder::Discard { take });
                After::Goes
            }
            Act::Ask(id, ask) => {
                cx.shell.mailbox(call, id, ask);
                After::Goes
            }
            Act::Check { mailbox, typed } => {
                After::Hears(Input::Checked(self.is_password(session, mailbox, &typed, cx)))
            }
            Act::FindDoor(typed) => After::Hears(Input::Door(door(session, self.box_named(session, &typed)))),
            Act::FindBox(typed) => {
                let found = self.box_named(session, &typed).filter(|mailbox| mailbox.settings.enabled);
                After::Hears(Input::Found(found.map(|mailbox| mailbox.id)))
            }
            Act::Call(address) => After::Calls(address),
            Act::LogIn => After::Acts(self.log_in(session, cx)),
            Act::ShutOut => {
                cx.shell.note(&Note::ShutOut { company: session.company_key.clone(), call });
                After::Goes
            }
            Act::HangUp => After::HangsUp,
        }
    }

    /// Who was to leave a message listens instead: from outside always by password.
    fn log_in(&mut self, session: &mut Session, cx: &mut Cx<'_>) -> Vec<Act> {
        let (visitor, house) = (visitor(session), house(session));
        let Some(voicemail) = &mut session.voicemail else { return Vec::new() };
        let mailbox = match &voicemail.machine {
            Machine::Leave(leave) => leave.mailbox(),
            Machine::Menu(_) => return Vec::new(),
        };
        let entrance = Entrance::Door(Door { mailbox: Some(mailbox), asks: true });
        let mut acts = Vec::new();
        let mut step = Step { now: cx.now, acts: &mut acts, names: &mut voicemail.names };
        voicemail.machine = Machine::Menu(Box::new(Menu::begin(visitor, house, entrance, &mut step)));
        // They have missed nobody, and nobody them.
        (session.record.answered, session.record.outcome) = (Some(cx.wall), Outcome::Answered);
        cx.shell.save(&session.record);
        acts
    }

    fn box_named(&self, session: &Session, typed: &Typed) -> Option<&Mailbox> {
        let context = session.caller.user.map_or("default", |user| context_of(&self.directory, user));
        self.directory.mailbox_by_number(session.record.company, context, typed.as_str())
    }

    /// Whether that is the box's password, from a caller who is not locked out. A box without one has
    /// none that is right.
    fn is_password(&mut self, session: &Session, mailbox: Option<BoxId>, typed: &Typed, cx: &mut Cx<'_>) -> bool {
        let company = session.record.company;
        let mailbox = mailbox.and_then(|id| self.directory.mailbox(id));
        let password = mailbox.map_or("", |mailbox| mailbox.settings.password.as_str());
        let right = matches(typed.as_str(), password) && !password.is_empty();
        let caller = Name::new(company, &session.record.party(session.side_at_voicemail()).address);
        let outside = user_at(session).is_none();
        let tried = mailbox.filter(|_| outside).map(|mailbox| Name::new(company, &mailbox.number));
        if self.guesses.is_locked(&caller, tried.as_ref(), cx.now) {
            return false;
        }
        if !right {
            for locked in self.guesses.failed(&caller, tried.as_ref(), cx.now) {
                cx.shell.note(&Note::LockedOut { what: locked.what, seconds: locked.seconds });
            }
        }
        right
    }

    pub(in crate::call) fn voicemail_key(
        &mut self,
        session: Session,
        side: Side,
        key: u8,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        match session.voicemail.as_ref().is_some_and(|voicemail| voicemail.side == side) {
            true => self.voicemail_input(session, Input::Key(key), cx),
            false => Some(session),
        }
    }

    /// Voicemail is over for this call; what it tells of a call that ends there.
    pub(in crate::call) fn leave_voicemail(&mut self, session: &mut Session, cx: &mut Cx<'_>) -> Option<Outcome> {
        self.leave_box(session, cx).map(|left| outcome_of(&left.machine))
    }

    /// The call leaves the box that it is at, also where its call back leads to another: what was thrown
    /// away goes. Names of takes and asks go on from those that were given there.
    fn leave_box(&mut self, session: &mut Session, cx: &mut Cx<'_>) -> Option<Box<Voicemail>> {
        let mut voicemail = session.voicemail.take()?;
        for act in voicemail.finish(cx.now) {
            self.do_one(session, act, cx);
        }
        Some(voicemail)
    }
}

const fn outcome_of(machine: &Machine) -> Outcome {
    match machine {
        Machine::Leave(_) => Outcome::Voicemail,
        Machine::Menu(_) => Outcome::Completed,
    }
}

fn begin_take(session: &Session, take: TakeId, keep: Keep, cx: &mut Cx<'_>) {
    let Some(voicemail) = &session.voicemail else { return };
    let side = voicemail.side;
    let coding = session.leg(side).media.as_ref().map_or(Coding::PCMU, |media| coding_of(&media.send.codec));
    let setting = TakeSetting {
        company: session.record.company,
        company_key: session.company_key.clone(),
        rate: coding.bandwidth(),
        silence: voicemail.silence,
        review: true,
    };
    let (keep, setting) = (Box::new(keep), Box::new(setting));
    cx.shell.take(session.id(), TakeOrder::Begin { take, side, keep, setting });
}

/// A user of the company on a device of theirs.
pub(super) fn user_at(session: &Session) -> Option<UserId> {
    let leg = session.leg(session.side_at_voicemail());
    leg.user.filter(|_| leg.trunk.is_none())
}

fn visitor(session: &Session) -> Visitor {
    let party = session.record.party(session.side_at_voicemail()).clone();
    Visitor { call: session.id(), party, user: user_at(session) }
}

/// Introductions and greetings are as long as a prompt may be.
fn house(session: &Session) -> House {
    let settings = &session.settings.voicemail;
    House {
        tries: u8::try_from(settings.max_logins.max(1)).unwrap_or(u8::MAX),
        most: Span::from_secs(u64::try_from(prompt::MOST_SECONDS).unwrap_or(120)),
        minimum: seconds(settings.min_s),
        silence: seconds(settings.max_silence_s),
    }
}

/// The password is not asked for from inside where the box says so, or has none.
fn door(session: &Session, mailbox: Option<&Mailbox>) -> Door {
    let open = |mailbox: &Mailbox| !mailbox.settings.ask_password || mailbox.settings.password.is_empty();
    let asks = user_at(session).is_none() || !mailbox.is_some_and(open);
    Door { mailbox: mailbox.map(|mailbox| mailbox.id), asks }
}

/// The box as the other party of the call. Whoever was called has missed it.
fn party_of(mailbox: &Mailbox, called: Option<UserId>) -> Party {
    let user = match mailbox.owner {
        BoxOwner::User(user) => Some(user),
        BoxOwner::Nobody | BoxOwner::Group(_) => None,
    };
    Party { user: user.or(called), address: mailbox.number.clone(), name: mailbox.name.clone() }
}

fn seconds(seconds: u32) -> Span {
    Span::from_secs(u64::from(seconds))
}
