//! The shell of the lab: it writes down what it is told, and can play real bridges.

use crate::base::UserId;
use crate::base::{CallId, Random, Seeded, Side, Span, Time};
use crate::call::{
    AskId, JoinFrom, LegPort, MailboxAsk, MediaOrder, Note, Preparation, Shell, Shortage, TakeOrder, TextDone, TextIn,
};
use crate::ledger::{CallRecord, Change, Joined};
use crate::media::{Bridge, Fact, Joining, LegMedia, Out, TakeSlot, TapEvent};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// Packets and tap events of the bridges.
#[derive(Default)]
pub struct Tape {
    pub rtp: Vec<(Side, SocketAddr, Vec<u8>)>,
    pub tapped: Vec<String>,
    /// Of takes.
    pub taken: Vec<(TakeSlot, String)>,
    facts: Vec<Fact>,
}

impl Out for Tape {
    fn rtp(&mut self, side: Side, to: SocketAddr, packet: &[u8]) {
        self.rtp.push((side, to, packet.to_vec()));
    }
    fn rtcp(&mut self, _: Side, _: SocketAddr, _: &[u8]) {}
    fn tap(&mut self, event: &TapEvent<'_>) -> bool {
        self.tapped.push(format!("{event:?}"));
        true
    }
    fn tap_take(&mut self, take: TakeSlot, event: &TapEvent<'_>) -> bool {
        self.taken.push((take, format!("{event:?}")));
        true
    }
    fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }
}

pub struct Desk {
    pub now: Time,
    dice: Seeded,
    /// Ports that may still be given out.
    pub free_ports: usize,
    pub shortage: Option<Shortage>,
    pub legs: HashMap<CallId, usize>,
    pub orders: Vec<(CallId, MediaOrder)>,
    pub prepared: Vec<Preparation>,
    /// Codecs that were told after the preparation.
    pub spoken: Vec<(Side, String)>,
    pub changes: Vec<Change>,
    pub joined: Vec<Joined>,
    /// Calls with a port for the target of a transfer.
    targets: HashSet<CallId>,
    /// Legs of real bridges on their way: who waits for one.
    awaited: HashMap<CallId, Joining>,
    pub begun: Vec<CallRecord>,
    pub saved: Vec<CallRecord>,
    pub not_recorded: Vec<String>,
    pub notes: Vec<Note>,
    /// What is to be recorded of one party alone.
    pub takes: Vec<(CallId, TakeOrder)>,
    /// What voicemail wants to know.
    pub asks: Vec<(CallId, AskId, MailboxAsk)>,
    pub facts: VecDeque<(CallId, Fact)>,
    /// Texts that came and are not answered for yet.
    pub texts: Vec<TextIn>,
    /// What came of texts that were sent.
    pub texts_done: Vec<(u64, TextDone)>,
    /// Users whose devices have registered.
    pub registered: Vec<UserId>,
    /// Real bridges follow the orders.
    pub plays: bool,
    pub bridges: BTreeMap<CallId, Bridge>,
    pub tape: Tape,
    /// All that the switch sent, as text.
    pub said: Vec<Bytes>,
}

impl Desk {
    pub fn new(seed: u64) -> Self {
        Desk {
            now: Time::ZERO,
            dice: Seeded(seed),
            free_ports: usize::MAX,
            shortage: None,
            legs: HashMap::new(),
            orders: Vec::new(),
            prepared: Vec::new(),
            spoken: Vec::new(),
            changes: Vec::new(),
            joined: Vec::new(),
            targets: HashSet::new(),
            awaited: HashMap::new(),
            begun: Vec::new(),
            saved: Vec::new(),
            not_recorded: Vec::new(),
            notes: Vec::new(),
            takes: Vec::new(),
            asks: Vec::new(),
            facts: VecDeque::new(),
            texts: Vec::new(),
            texts_done: Vec::new(),
            registered: Vec::new(),
            plays: false,
            bridges: BTreeMap::new(),
            tape: Tape::default(),
            said: Vec::new(),
        }
    }

    pub fn note(&mut self, bytes: &Bytes) {
        self.said.push(bytes.clone());
    }

    /// The media of a leg as its worker was last told.
    pub fn media_of(&self, side: Side) -> &LegMedia {
        self.medias(side).last().expect("media was set")
    }

    pub fn medias(&self, of: Side) -> Vec<&LegMedia> {
        let set = self.orders.iter().filter_map(|(_, order)| match order {
            MediaOrder::SetMedia { side, media } if *side == of => Some(&**media),
            _ => None,
        });
        set.collect()
    }

    pub fn info_keys(&self) -> Vec<(Side, char)> {
        let keys = self.orders.iter().filter_map(|(_, order)| match order {
            MediaOrder::InfoKey { side, key } => Some((*side, char::from(*key))),
            _ => None,
        });
        keys.collect()
    }

    pub fn count(&self, matches: impl Fn(&MediaOrder) -> bool) -> usize {
        self.orders.iter().filter(|(_, order)| matches(order)).count()
    }

    /// A packet from the party on `side` of the only call.
    pub fn rtp(&mut self, side: Side, from: SocketAddr, packet: &mut [u8]) {
        let now = self.now;
        let (call, bridge) = self.bridges.iter_mut().next().expect("a bridge");
        let call = *call;
        bridge.on_rtp(side, from, packet, now, &mut self.tape);
        self.take_facts(call);
    }

    fn take_facts(&mut self, call: CallId) {
        self.facts.extend(self.tape.facts.drain(..).map(|fact| (call, fact)));
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.bridges.values().any(Bridge::is_busy).then(|| self.now + Span::from_millis(5))
    }

    pub fn tick(&mut self) {
        let now = self.now;
        let calls: Vec<CallId> = self.bridges.keys().copied().collect();
        for call in calls {
            if let Some(bridge) = self.bridges.get_mut(&call) {
                bridge.tick(now, &mut self.tape);
            }
            self.take_facts(call);
        }
    }

    fn play(&mut self, call: CallId, order: &MediaOrder) {
        let (now, tape) = (self.now, &mut self.tape);
        if let MediaOrder::Open(config) = order {
            self.bridges.insert(call, Bridge::new((**config).clone(), now));
            return;
        }
        let Some(bridge) = self.bridges.get_mut(&call) else { return };
        match order {
            MediaOrder::Open(_) => {}
            MediaOrder::SetMedia { side, media } => bridge.set_media(*side, (**media).clone(), now, tape),
            MediaOrder::Connect => bridge.connect(now, tape),
            MediaOrder::SetRules(rules) => bridge.set_rules(*rules, now, tape),
            MediaOrder::InfoKey { side, key } => bridge.on_info_key(*side, *key, now, tape),
            MediaOrder::Play { side, tone } => bridge.play(*side, *tone),
            MediaOrder::PlayPrompt { side, prompt } => bridge.play_prompt(*side, prompt.clone(), now),
            MediaOrder::StopPrompt { side } => bridge.stop_prompt(*side),
            MediaOrder::Collect { side, on } => bridge.collect_keys(*side, *on),
            MediaOrder::Watch { side } => bridge.watch(*side, now),
            MediaOrder::SetNotice(notice) => bridge.set_notice(notice.clone()),
            MediaOrder::SetHoldMusic(music) => bridge.set_hold_music(music.clone()),
            MediaOrder::SetCommander { side, commander } => bridge.set_commander(*side, *commander),
            MediaOrder::BeginTake { side, slot } => bridge.begin_take(*side, *slot, now, tape),
            MediaOrder::EndTake { slot } => bridge.end_take(*slot, now, tape),
            MediaOrder::Join(join) => match join.from {
                JoinFrom::Target => bridge.join(join.joining.clone(), None, now, 0, tape),
                JoinFrom::Call { .. } => drop(self.awaited.insert(call, join.joining.clone())),
            },
            MediaOrder::GiveUp { side, to, told } => {
                let moved = bridge.give_up(*side, told, now, tape);
                bridge.end(now, 0, tape);
                self.bridges.remove(&call);
                let joining = self.awaited.remove(to).expect("somebody waits for the leg");
                if let Some(bridge) = self.bridges.get_mut(to) {
                    bridge.join(joining, Some(moved), now, 0, tape);
                }
            }
            MediaOrder::CloseTarget => {}
            MediaOrder::End => {
                bridge.end(now, 0, tape);
                self.bridges.remove(&call);
            }
        }
        self.take_facts(call);
    }

    /// The party that a worker was told of last, on that side.
    pub fn joining(&self, of: Side) -> &Joining {
        let joins = self.orders.iter().rev().filter_map(|(_, order)| match order {
            MediaOrder::Join(join) if join.joining.side == of => Some(&join.joining),
            _ => None,
        });
        joins.into_iter().next().expect("somebody joined")
    }

    /// Every call that took a port opened once at most and ended once, as its last order.
    pub fn assert_balanced(&self) {
        assert!(self.targets.is_empty(), "a port for a target was left open");
        assert!(self.awaited.is_empty(), "a leg never came");
        for call in self.legs.keys() {
            let orders: Vec<&MediaOrder> =
                self.orders.iter().filter(|(of, _)| of == call).map(|(_, order)| order).collect();
            let is_last = |order: &MediaOrder| matches!(order, MediaOrder::End | MediaOrder::GiveUp { .. });
            let ends = orders.iter().filter(|order| is_last(order)).count();
            let opens = orders.iter().filter(|order| matches!(order, MediaOrder::Open(_))).count();
            assert_eq!(ends, 1, "one End for {call}");
            assert!(orders.last().is_some_and(|order| is_last(order)), "End is the last order");
            let opened_first = matches!(orders.first(), Some(MediaOrder::Open(_)));
            assert!(opens == 1 && opened_first || orders.len() == 1, "one Open before all else: {opens}");
            let begun = self.begun.iter().filter(|record| record.id == *call);
            assert_eq!(begun.count(), opens, "a call that was opened has begun once");
            let saved: Vec<&CallRecord> = self.saved.iter().filter(|record| record.id == *call).collect();
            if opens == 1 {
                let last = saved.last().expect("a call that was opened is saved");
                assert!(last.ended.is_some() && last.end_reason.is_some(), "saved with its end");
                // A call that comes back to a box is there anew.
                let is_there =
                    |order: &&&MediaOrder| matches!(order, MediaOrder::SetRules(rules) if rules.facts.voicemail);
                let visits = orders.iter().filter(is_there).count();
                let events = last.changes.len() + last.joined.len() + visits;
                assert!(
                    saved.len() <= 2 + events,
                    "saved at the answer, each command, each transfer, at a box, and at the end only"
                );
            }
        }
    }
}

impl Random for Desk {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.dice.fill(bytes);
    }
}

impl Shell for Desk {
    fn admit(&mut self) -> Result<(), Shortage> {
        self.shortage.clone().map_or(Ok(()), Err)
    }

    fn open_leg(&mut self, call: CallId, side: Side, local: IpAddr) -> Result<LegPort, Shortage> {
        if self.free_ports == 0 {
            return Err(Shortage::Ports);
        }
        self.free_ports -= 1;
        *self.legs.entry(call).or_default() += 1;
        let base = if side == Side::Caller { 10_000 } else { 20_000 };
        Ok(LegPort { address: local, port: base + 2 * u16::try_from(self.legs.len() % 1_000).unwrap() })
    }

    fn open_target(&mut self, call: CallId, local: IpAddr) -> Result<LegPort, Shortage> {
        if self.free_ports == 0 {
            return Err(Shortage::Ports);
        }
        assert!(self.targets.insert(call), "one target at a time");
        Ok(LegPort { address: local, port: 30_000 })
    }

    fn media(&mut self, call: CallId, order: MediaOrder) {
        match &order {
            MediaOrder::Join(join) if matches!(join.from, JoinFrom::Target) => {
                assert!(self.targets.remove(&call), "a target joins on its port");
            }
            MediaOrder::CloseTarget => assert!(self.targets.remove(&call), "the port was open"),
            MediaOrder::End | MediaOrder::GiveUp { .. } => drop(self.targets.remove(&call)),
            _ => {}
        }
        assert!(self.legs.contains_key(&call), "orders are for calls that have ports");
        if self.plays {
            self.play(call, &order);
        }
        if matches!(order, MediaOrder::End) && self.free_ports < 1_000 {
            self.free_ports += self.legs.get(&call).copied().unwrap_or(0);
        }
        self.orders.push((call, order));
    }

    fn prepare(&mut self, preparation: Preparation) {
        self.prepared.push(preparation);
    }

    fn spoken(&mut self, _: CallId, side: Side, codec: &str) {
        self.spoken.push((side, codec.to_owned()));
    }

    fn changed(&mut self, _: CallId, change: &Change) {
        self.changes.push(change.clone());
    }

    fn joined(&mut self, _: CallId, joined: &Joined) {
        self.joined.push(joined.clone());
    }

    fn begun(&mut self, record: &CallRecord) {
        self.begun.push(record.clone());
    }

    fn save(&mut self, record: &CallRecord) {
        self.saved.push(record.clone());
    }

    fn not_recorded(&mut self, _: &CallRecord, problem: &str) {
        self.not_recorded.push(problem.to_owned());
    }

    fn take(&mut self, call: CallId, order: TakeOrder) {
        self.takes.push((call, order));
    }

    fn mailbox(&mut self, call: CallId, ask: AskId, what: MailboxAsk) {
        self.asks.push((call, ask, what));
    }

    fn note(&mut self, note: &Note) {
        self.notes.push(note.clone());
    }

    fn text(&mut self, text: TextIn) {
        self.texts.push(text);
    }

    fn text_done(&mut self, ticket: u64, done: TextDone) {
        self.texts_done.push((ticket, done));
    }

    fn registered(&mut self, user: UserId) {
        self.registered.push(user);
    }

    fn resolve(&mut self, host: &str, port: u16) -> Option<SocketAddr> {
        Some(SocketAddr::new(host.parse().ok()?, port))
    }
}
