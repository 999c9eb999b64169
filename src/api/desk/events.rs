//! Open streams of events.
//!
//! ```text
//! feed ─► publish: once per event its call's facts and its JSON ─► lane of the company ─► its streams
//!                                                                     └ what is older: from the feed
//! ```
//! A stream holds no queue: it waits for its company's lane, and reads on from where it stands when
//! its reader has taken what was sent. So a slow reader costs nobody anything, and one that comes
//! back with its position misses nothing and gets nothing twice. Whether a viewer may know an event
//! is asked for every event; what the answer is made of (directory, subscriptions, the token) is read
//! again when it has changed, which one number says. A stream can ask to be told of that: then it is told
//! where the rules give its viewer something else, or anything of its company has another name or setting,
//! and never of what happens to others.

use super::filter::numbers_of_inbox;
use super::{Desk, person};
use crate::api::{Permission, Problem, Scopes, Viewer};
use crate::base::{CompanyId, NumberId, RecordingId, Span, Time, Wall};
use crate::directory::Directory;
use crate::ledger::{Family, OutboxKind};
use crate::store::AccessVersion;
use crate::subscription::{
    About, AboutMessage, AboutMessageFacts, Asker, CallFacts, CompatibleEvent, FeedEntry, Holder, Kinds, MessageFacts,
    MessageScope, Patterns, Scope, TextFacts, TextScope, Uuids,
};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::watch;

/// Events of a company that are at hand for its streams; who is further behind reads the feed.
const RECENT: usize = 256;
/// Entries of the feed that are read at once.
const BATCH: u32 = 100;
/// What was read of the rules holds for so long, unless an event came since.
const HOLDS: Span = Span::from_millis(50);
/// A stream that has nothing to tell says that it is there.
pub const KEEP_ALIVE: Span = Span::from_secs(15);

/// An event on its way to streams: made once for all of them.
#[derive(Debug)]
pub struct Shown {
    pub seq: i64,
    pub kind: OutboxKind,
    /// By which it is told: that of its kind, or of the compatible API.
    pub name: &'static str,
    /// As it is told.
    pub json: String,
    facts: Facts,
    /// Of a message: under the names of the compatible API.
    compatible: Option<Compatible>,
}

/// An event as the compatible API tells it, but for whom.
#[derive(Clone, Debug)]
struct Compatible {
    event: CompatibleEvent,
    uuids: Arc<Uuids>,
}

/// What the rules look at.
#[derive(Clone, Debug)]
enum Facts {
    Call(CallFacts),
    /// Of a message: for whom it happened, and who heard what has gone.
    Message {
        message: MessageFacts,
        of: AboutMessageFacts,
    },
    Text(TextFacts),
    /// There is nothing any more that they could look at.
    Nothing,
}

impl Shown {
    /// By the rules, and within the inbox that the stream is narrowed to.
    fn may_be_known(&self, rights: &Rights, scopes: &Scopes) -> bool {
        let calls = scopes.allow(Permission::ReadEvents);
        let number = match &self.facts {
            Facts::Call(facts) => facts.number,
            Facts::Message { message: _, of } => of.number,
            Facts::Text(TextFacts { holder: Holder::Inbox(number), .. }) => Some(*number),
            Facts::Text(TextFacts { holder: Holder::User(_) | Holder::Pair(..), .. }) | Facts::Nothing => None,
        };
        let of_inbox = |numbers: &BTreeSet<NumberId>| number.is_some_and(|number| numbers.contains(&number));
        rights.numbers.as_ref().is_none_or(of_inbox)
            && match (&self.facts, self.kind.family()) {
                (Facts::Call(facts), Family::Call) => calls && rights.scope.visible(facts).is_some(),
                (Facts::Call(facts), Family::Recording) => calls && rights.scope.playable(facts),
                (Facts::Message { message, of }, Family::Voicemail) => {
                    let given = |names: &[&str], asker: Asker<'_>| scopes.access_any(names, asker);
                    rights.hears(message, of) && self.is_given(rights, given)
                }
                (Facts::Text(text), Family::Text) => calls && rights.texts.sees(text),
                (Facts::Call(_), Family::Voicemail | Family::Text)
                | (Facts::Message { .. }, Family::Call | Family::Recording | Family::Text)
                | (Facts::Text(_), Family::Call | Family::Recording | Family::Voicemail)
                | (Facts::Nothing, _) => false,
            }
    }

    /// By the names that a message's event has for this viewer.
    fn is_given(&self, rights: &Rights, gives: impl FnOnce(&[&str], Asker<'_>) -> bool) -> bool {
        let Some(Compatible { event, uuids: _ }) = &self.compatible else { return false };
        let names = event.asked(self.told_to(rights).unwrap_or_default());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        gives(&names, Asker { user: &rights.uuid, session: "" })
    }

    /// UUID of whom it is told to: the viewer where it is for them, else whose it is.
    fn told_to(&self, rights: &Rights) -> Option<&str> {
        let Compatible { event, uuids } = self.compatible.as_ref()?;
        let user = match &self.facts {
            Facts::Message { message, of } => rights.messages.user.filter(|_| rights.hears_for_themselves(message, of)),
            Facts::Call(_) | Facts::Text(_) | Facts::Nothing => None,
        };
        uuids.users.get(&user.or(event.user())?).map(String::as_str)
    }

    /// The same as the compatible API tells it to this viewer, where `patterns` want it.
    fn compatible(&self, rights: &Rights, patterns: &Patterns) -> Option<Arc<Shown>> {
        if !self.is_given(rights, |names, asker| patterns.allow_any(names, asker)) {
            return None;
        }
        let Compatible { event, uuids } = self.compatible.as_ref()?;
        let json = event.json(&uuids.company, self.told_to(rights)).to_string();
        let Shown { seq, kind, name: _, json: _, facts, compatible: _ } = self;
        Some(Arc::new(Shown {
            seq: *seq,
            kind: *kind,
            name: event.name(),
            json,
            facts: facts.clone(),
            compatible: None,
        }))
    }
}

/// What is new on a stream.
#[derive(Debug)]
pub enum News {
    Event(Arc<Shown>),
    /// What the viewer may see can be something else from here on.
    Rights,
    /// Nothing that the viewer may know, up to this position.
    Position(i64),
    /// The viewer may read no more.
    Over(Over),
}

/// Why a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// The session or token has ended, or its user has gone.
    LoggedOut,
    /// Events that it had not come to were deleted after their retention.
    Gone { purged: i64 },
    /// The service stops, or cannot read its database.
    Unable,
}

/// What the streams of this service share.
#[derive(Default)]
pub(super) struct Lanes {
    /// Companies that somebody listens to.
    open: Mutex<HashMap<CompanyId, Weak<Lane>>>,
    rules: tokio::sync::Mutex<Option<(Rules, Time)>>,
    /// Those for which streams were woken last; somebody else may have read newer ones since.
    woken: Mutex<Option<AccessVersion>>,
    /// Everything up to here that belongs on a lane is on it.
    fed: AtomicI64,
    /// The service stops.
    closed: AtomicBool,
    /// Held by every open stream.
    streams: Arc<()>,
}

/// What answers are made of, as it was at one moment.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) directory: Arc<Directory>,
    pub(super) version: AccessVersion,
}

/// The newest events of one company.
struct Lane {
    company: CompanyId,
    /// Grows with every event, and is touched when rights have changed.
    newest: watch::Sender<i64>,
    recent: Mutex<Recent>,
    /// The newest directory that a stream of the company has seen, and how many different ones there were.
    edition: Mutex<Option<(Arc<Directory>, u64)>>,
}

/// All events of the company after a position, up to the newest that was published.
#[derive(Default)]
struct Recent {
    /// `None` before the first.
    after: Option<i64>,
    events: VecDeque<Arc<Shown>>,
}

impl Recent {
    fn push(&mut self, shown: Arc<Shown>) {
        self.after.get_or_insert(shown.seq - 1);
        self.events.push_back(shown);
        if self.events.len() > RECENT
            && let Some(oldest) = self.events.pop_front()
        {
            self.after = Some(oldest.seq);
        }
    }

    /// What came after `position`; `None` where that is not all at hand.
    fn since(&self, position: i64) -> Option<Vec<Arc<Shown>>> {
        self.after.filter(|after| *after <= position)?;
        let at = self.events.partition_point(|shown| shown.seq <= position);
        Some(self.events.range(at..).take(BATCH as usize).cloned().collect())
    }
}

/// What a stream is about, of all that its viewer may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    pub kinds: Kinds,
    /// Only calls over the numbers of this inbox, by name.
    pub inbox: Option<String>,
    /// It is told when what its viewer may see can have changed.
    pub rights: bool,
}

/// One stream, where it stands, and what its viewer may know.
pub struct EventStream {
    viewer: Viewer,
    which: Which,
    /// It is told as the compatible API does.
    patterns: Option<Patterns>,
    lane: Arc<Lane>,
    newest: watch::Receiver<i64>,
    /// Looked at up to here.
    position: i64,
    ready: VecDeque<Arc<Shown>>,
    rights: Option<Rights>,
    /// Of the company's part of the directory, as `rights` were worked out.
    edition: u64,
    /// What the viewer may see is to be read anew, and they do not know yet.
    tells_rights: bool,
    /// When it says that it is there, unless it has told something by then. What happens to others does not
    /// put that off.
    due: Time,
    /// It is counted while it is there.
    _open: Arc<()>,
}

/// Worked out from rules of that version.
pub(super) struct Rights {
    pub(super) version: AccessVersion,
    pub(super) scope: Scope,
    texts: TextScope,
    messages: MessageScope,
    /// An admin, or whoever stands above the company: they are told of every message.
    manages: bool,
    /// Of the inbox that the stream is narrowed to, as it is now.
    pub(super) numbers: Option<BTreeSet<NumberId>>,
    /// Of the user; empty for who is not of the company.
    uuid: String,
    pub(super) until: Wall,
}

impl Rights {
    fn hears(&self, message: &MessageFacts, of: &AboutMessageFacts) -> bool {
        if self.manages {
            return message.company == self.messages.company;
        }
        self.hears_for_themselves(message, of)
    }

    fn hears_for_themselves(&self, message: &MessageFacts, of: &AboutMessageFacts) -> bool {
        let AboutMessageFacts { left: _, number: _, reader, heard_by } = of;
        let user = self.messages.user;
        // Of a box that has gone only those know who had its messages.
        let had = user.is_some_and(|user| heard_by.contains(&user));
        let heard = self.messages.hears(message).is_some() || had;
        heard && reader.is_none_or(|reader| user == Some(reader))
    }

    /// Whether they let the viewer see what `before` did, and no more.
    fn give_the_same_as(&self, before: &Rights) -> bool {
        let Rights { version: _, scope, texts, messages, manages, numbers, uuid: _, until: _ } = self;
        (scope, texts, messages) == (&before.scope, &before.texts, &before.messages)
            && (manages, numbers) == (&before.manages, &before.numbers)
    }
}

impl EventStream {
    /// Up to here it has read.
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// Up to here everything was told, or was not for the viewer.
    pub fn told(&self) -> i64 {
        self.ready.front().map_or(self.position, |next| next.seq - 1)
    }

    /// Rights that were worked out anew, from that directory.
    fn now_has(&mut self, anew: Option<Rights>, directory: &Arc<Directory>) {
        let edition = self.lane.edition(directory);
        let same = match (&anew, &self.rights) {
            (Some(anew), Some(before)) => anew.give_the_same_as(before) && edition == self.edition,
            // It ends.
            (None, _) | (_, None) => true,
        };
        self.tells_rights |= self.which.rights && !same;
        (self.rights, self.edition) = (anew, edition);
    }
}

impl Desk {
    /// Opens a stream of what happens after the event `after`, or from now on.
    ///
    /// # Errors
    /// Where the viewer may not read events, where events after that one were deleted, and where an admin
    /// names an inbox that is not there.
    pub async fn open_stream(&self, viewer: Viewer, after: Option<i64>, which: Which) -> Result<EventStream, Problem> {
        if !viewer.scopes.allow(Permission::ReadEvents) && !viewer.scopes.reach("events") {
            return Err(Problem::NoScope(Permission::ReadEvents.as_str()));
        }
        let rules = self.rules().await?;
        self.narrowed(&rules.directory, &viewer, which.inbox.as_deref()).await?;
        let rights = self.rights(&rules, &viewer, &which).await?.ok_or(Problem::NotLoggedIn)?;
        // Before the position is read: what comes between is in the feed or on the lane.
        let lane = self.lanes.lane(rights.scope.company);
        let newest = self.store.feed_newest().await?;
        lane.begins_after(newest);
        let position = after.unwrap_or(newest);
        // From the very beginning: whatever there still is.
        if position > 0
            && let purged = self.store.feed_purged().await?
            && position < purged
        {
            return Err(Problem::EventsGone { purged });
        }
        let newest = lane.newest.subscribe();
        Ok(EventStream {
            viewer,
            patterns: which.kinds.compatible(),
            edition: lane.edition(&rules.directory),
            // What has changed while it was not open is not known.
            tells_rights: which.rights && after.is_some(),
            which,
            lane,
            newest,
            position,
            ready: VecDeque::new(),
            rights: Some(rights),
            due: self.world.now() + KEEP_ALIVE,
            _open: self.lanes.opened(),
        })
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        Arc::strong_count(&self.lanes.streams) - 1
    }

    /// The next news of a stream; waits for it. May be dropped and asked again: nothing is lost.
    pub async fn next_news(&self, stream: &mut EventStream) -> News {
        match self.news(stream).await {
            Ok(news) => news,
            Err(problem) => News::Over(over(&problem)),
        }
    }

    async fn news(&self, stream: &mut EventStream) -> Result<News, Problem> {
        loop {
            // A session that is over ends its streams also where nothing happens.
            if let Some(news) = self.look(stream).await? {
                stream.due = self.world.now() + KEEP_ALIVE;
                return Ok(news);
            }
            let left = stream.due.since(self.world.now());
            if left == Span::ZERO {
                stream.due = self.world.now() + KEEP_ALIVE;
                return Ok(News::Position(stream.position));
            }
            // Marked before it is read: what comes after this is waited for by the next turn.
            stream.newest.borrow_and_update();
            if self.read_on(stream).await? {
                continue;
            }
            if self.lanes.are_closed() {
                return Ok(News::Over(Over::Unable));
            }
            // Whether something came or it is time to say so: one looks again.
            let _ = tokio::time::timeout(left.into(), stream.newest.changed()).await;
        }
    }

    /// The next of what was read that the viewer may know, as the rules are now; that they have changed first.
    async fn look(&self, stream: &mut EventStream) -> Result<Option<News>, Problem> {
        loop {
            let rules = self.rules().await?;
            let holds = stream.rights.as_ref().is_some_and(|rights| rights.version == rules.version);
            if !holds {
                let anew = self.rights(&rules, &stream.viewer, &stream.which).await?;
                stream.now_has(anew, &rules.directory);
            }
            let now = self.world.wall();
            let rights = stream.rights.as_ref().filter(|rights| now < rights.until).ok_or(Problem::NotLoggedIn)?;
            if std::mem::take(&mut stream.tells_rights) {
                return Ok(Some(News::Rights));
            }
            let Some(shown) = stream.ready.pop_front() else { return Ok(None) };
            if !shown.may_be_known(rights, &stream.viewer.scopes) {
                continue;
            }
            match &stream.patterns {
                None => return Ok(Some(News::Event(shown))),
                Some(patterns) => match shown.compatible(rights, patterns) {
                    Some(shown) => return Ok(Some(News::Event(shown))),
                    None => continue,
                },
            }
        }
    }

    /// Takes what came after the stream's position; whether anything did.
    async fn read_on(&self, stream: &mut EventStream) -> Result<bool, Problem> {
        // Before the lane is looked at: up to here it has all.
        let fed = self.lanes.fed.load(Ordering::Acquire);
        let at_hand = stream.lane.recent.lock().unwrap_or_else(PoisonError::into_inner).since(stream.position);
        let shown = match at_hand {
            Some(shown) => shown,
            None => self.read_feed(stream).await?,
        };
        let Some(last) = shown.last() else {
            stream.position = stream.position.max(fed);
            return Ok(false);
        };
        stream.position = last.seq;
        let kinds = &stream.which.kinds;
        stream.ready.extend(shown.into_iter().filter(|shown| kinds.contain(shown.kind)));
        Ok(true)
    }

    async fn read_feed(&self, stream: &EventStream) -> Result<Vec<Arc<Shown>>, Problem> {
        let Some(rights) = &stream.rights else { return Err(Problem::NotLoggedIn) };
        let entries = self.store.feed_after(Some(rights.scope.company), stream.position, BATCH).await?;
        if !entries.is_empty()
            && stream.position > 0
            && let purged = self.store.feed_purged().await?
            && stream.position < purged
        {
            return Err(Problem::EventsGone { purged });
        }
        let rules = self.rules().await?;
        self.show(&rules.directory, entries).await
    }

    /// What was fed goes to those who listen. In the order in which it was fed.
    pub async fn publish(&self, entries: Vec<FeedEntry>) {
        let Some(newest) = entries.last().map(|entry| entry.seq) else { return };
        let lanes = self.put_on_lanes(entries).await;
        self.lanes.fed.store(newest, Ordering::Release);
        for (lane, newest) in lanes {
            lane.newest.send_replace(newest);
        }
    }

    /// The lanes that have something new, each with its newest position.
    async fn put_on_lanes(&self, entries: Vec<FeedEntry>) -> Vec<(Arc<Lane>, i64)> {
        let mut of_each: HashMap<CompanyId, Vec<FeedEntry>> = HashMap::new();
        for entry in entries {
            of_each.entry(entry.company).or_default().push(entry);
        }
        let mut changed = Vec::new();
        // Read after the events were written: a change that came before them counts for them.
        let mut rules = None;
        for (company, entries) in of_each {
            let (Some(lane), Some(newest)) = (self.lanes.open(company), entries.last().map(|entry| entry.seq)) else {
                continue;
            };
            match self.shown_now(&mut rules, entries).await {
                Ok(shown) => lane.take(shown),
                Err(problem) => {
                    tracing::error!(%problem, "streams of events read the feed by themselves");
                    lane.forget();
                }
            }
            changed.push((lane, newest));
        }
        changed
    }

    async fn shown_now(&self, rules: &mut Option<Rules>, entries: Vec<FeedEntry>) -> Result<Vec<Arc<Shown>>, Problem> {
        let rules = match rules {
            Some(rules) => rules,
            None => rules.insert(self.rules_anew().await?),
        };
        self.show(&rules.directory, entries).await
    }

    /// Ends every stream: the service stops.
    pub fn close_streams(&self) {
        self.lanes.closed.store(true, Ordering::Relaxed);
        self.lanes.all().iter().for_each(|lane| lane.newest.send_modify(|_| {}));
    }

    /// Wakes streams when what their viewers may know has changed; to be asked now and then.
    pub async fn look_at_rights(&self) {
        let lanes = self.lanes.all();
        if lanes.is_empty() {
            return;
        }
        let Ok(rules) = self.rules_anew().await else { return };
        let before = self.lanes.woken.lock().unwrap_or_else(PoisonError::into_inner).replace(rules.version);
        if before != Some(rules.version) {
            lanes.iter().for_each(|lane| lane.newest.send_modify(|_| {}));
        }
    }

    /// Facts and text of events, each call's facts once.
    async fn show(&self, directory: &Directory, entries: Vec<FeedEntry>) -> Result<Vec<Arc<Shown>>, Problem> {
        let mut calls = HashMap::new();
        let mut recordings: HashMap<RecordingId, Option<CallFacts>> = HashMap::new();
        let mut shown = Vec::with_capacity(entries.len());
        let mut uuids: HashMap<CompanyId, Arc<Uuids>> = HashMap::new();
        for entry in entries {
            let compatible = self.compatible(directory, &entry, &mut uuids).await?;
            let facts = match (entry.recording(), entry.call.filter(|_| entry.message().is_none())) {
                (Some(recording), _) => match recordings.get(&recording) {
                    Some(facts) => facts.clone(),
                    None => {
                        let found = self.store.recording_with_facts(recording).await?.map(|(_, facts)| facts);
                        recordings.insert(recording, found.clone());
                        found
                    }
                },
                (None, Some(call)) => match calls.get(&call) {
                    Some(facts) => Option::clone(facts),
                    None => {
                        let found = self.store.call_with_facts(call).await?.map(|(_, facts)| facts);
                        calls.insert(call, found.clone());
                        found
                    }
                },
                (None, None) => None,
            };
            let text = entry.text_facts();
            let FeedEntry { seq, at: _, kind, company, call: _, subject: _, event } = entry;
            let facts = match (facts, &event.about) {
                (Some(facts), _) => Facts::Call(facts),
                (None, Some(About::Message(about))) => of_message(company, about),
                (None, Some(About::Text(_))) => text.map_or(Facts::Nothing, Facts::Text),
                (None, Some(About::Call(_) | About::Recording(_)) | None) => Facts::Nothing,
            };
            let json = event.json(directory).to_string();
            shown.push(Arc::new(Shown { seq, kind, name: kind.as_str(), json, facts, compatible }));
        }
        Ok(shown)
    }

    /// An event of a message under the names of the compatible API; UUIDs are read once.
    async fn compatible(
        &self,
        directory: &Directory,
        entry: &FeedEntry,
        uuids: &mut HashMap<CompanyId, Arc<Uuids>>,
    ) -> Result<Option<Compatible>, Problem> {
        let Some(event) = CompatibleEvent::of(directory, entry) else { return Ok(None) };
        let uuids = match uuids.get(&entry.company) {
            Some(uuids) => Arc::clone(uuids),
            None => {
                let read = Arc::new(self.store.uuids(entry.company).await?);
                uuids.insert(entry.company, Arc::clone(&read));
                read
            }
        };
        Ok(Some(Compatible { event, uuids }))
    }

    pub(super) async fn rules(&self) -> Result<Rules, Problem> {
        let now = self.world.now();
        let mut known = self.lanes.rules.lock().await;
        match &*known {
            Some((rules, read)) if now.since(*read) < HOLDS => Ok(rules.clone()),
            Some(_) | None => self.read_rules(&mut known).await,
        }
    }

    async fn rules_anew(&self) -> Result<Rules, Problem> {
        self.read_rules(&mut *self.lanes.rules.lock().await).await
    }

    async fn read_rules(&self, known: &mut Option<(Rules, Time)>) -> Result<Rules, Problem> {
        let read = self.world.now();
        let version = self.store.access_version().await?;
        let directory = self.directory().await?;
        let rules = Rules { directory, version };
        *known = Some((rules.clone(), read));
        Ok(rules)
    }

    /// `None` where the session or token is over.
    pub(super) async fn rights(
        &self,
        rules: &Rules,
        viewer: &Viewer,
        which: &Which,
    ) -> Result<Option<Rights>, Problem> {
        let Some(until) = self.store.token_holds_until(viewer.token, self.world.wall()).await? else { return Ok(None) };
        let staff = self.staff_of(viewer).await?;
        let person = person(&rules.directory, viewer, staff.as_ref())?;
        let scope = self.scope(&rules.directory, &person).await?;
        let messages = self.message_scope(&rules.directory, &person).await?;
        let texts = self.text_scope(&rules.directory, &person).await?;
        let numbers = match self.narrowed(&rules.directory, viewer, which.inbox.as_deref()).await {
            // It was there when the stream was opened: nothing is in it any more.
            Err(Problem::NotFound { .. }) => Some(BTreeSet::new()),
            found => found?,
        };
        let manages = person.is_admin();
        let uuid = match messages.user {
            Some(user) => self.store.user_uuid(user).await?.unwrap_or_default(),
            None => String::new(),
        };
        Ok(Some(Rights { version: rules.version, scope, messages, texts, manages, numbers, uuid, until }))
    }

    /// The numbers of the inbox that a stream is narrowed to.
    pub(super) async fn narrowed(
        &self,
        directory: &Directory,
        viewer: &Viewer,
        inbox: Option<&str>,
    ) -> Result<Option<BTreeSet<NumberId>>, Problem> {
        let Some(name) = inbox else { return Ok(None) };
        let staff = self.staff_of(viewer).await?;
        let person = person(directory, viewer, staff.as_ref())?;
        numbers_of_inbox(directory, &person, name).map(Some)
    }
}

fn of_message(company: CompanyId, about: &AboutMessage) -> Facts {
    match &about.facts {
        Some(of) => {
            let message = MessageFacts { company, mailbox: about.mailbox_id, left: of.left };
            Facts::Message { message, of: of.clone() }
        }
        None => Facts::Nothing,
    }
}

const fn over(problem: &Problem) -> Over {
    match problem {
        Problem::EventsGone { purged } => Over::Gone { purged: *purged },
        Problem::Internal => Over::Unable,
        Problem::NotLoggedIn
        | Problem::WrongPassword
        | Problem::LockedOut { .. }
        | Problem::NotFound { .. }
        | Problem::Forbidden(_)
        | Problem::Refused(_)
        | Problem::NoScope(_)
        | Problem::Invalid { .. }
        | Problem::Gone { .. }
        | Problem::Held(_)
        | Problem::TooMuch(_)
        | Problem::NoCompany
        | Problem::Conflict(_)
        | Problem::Unfit(_)
        | Problem::InUse(_)
        | Problem::Changed
        | Problem::NoCsrf => Over::LoggedOut,
    }
}

impl Lane {
    fn take(&self, shown: Vec<Arc<Shown>>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        shown.into_iter().for_each(|shown| recent.push(shown));
    }

    /// What comes after this position is on the lane, which was there before that was the newest.
    fn begins_after(&self, position: i64) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).after.get_or_insert(position);
    }

    /// Which of the company's different directories that is. What has changed is looked for once for all streams.
    fn edition(&self, directory: &Arc<Directory>) -> u64 {
        let mut known = self.edition.lock().unwrap_or_else(PoisonError::into_inner);
        let edition = match &*known {
            Some((newest, edition)) if directory.version() <= newest.version() => return *edition,
            Some((newest, edition)) => edition + u64::from(!directory.is_same_for(newest, self.company)),
            None => 0,
        };
        *known = Some((Arc::clone(directory), edition));
        edition
    }

    /// A hole: what is at hand is not all any more.
    fn forget(&self) {
        *self.recent.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
    }
}

impl Lanes {
    /// Another stream; it is counted as long as this is held.
    pub(super) fn opened(&self) -> Arc<()> {
        Arc::clone(&self.streams)
    }

    /// The service stops.
    pub(super) fn are_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The lane of a company, made where nobody listens to it yet.
    fn lane(&self, company: CompanyId) -> Arc<Lane> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, lane| lane.strong_count() > 0);
        if let Some(lane) = open.get(&company).and_then(Weak::upgrade) {
            return lane;
        }
        let (recent, edition) = (Mutex::default(), Mutex::default());
        let lane = Arc::new(Lane { company, newest: watch::Sender::new(0), recent, edition });
        open.insert(company, Arc::downgrade(&lane));
        lane
    }

    fn open(&self, company: CompanyId) -> Option<Arc<Lane>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&company)?.upgrade()
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(seq: i64) -> Arc<Shown> {
        Arc::new(Shown {
            seq,
            kind: OutboxKind::CallStarted,
            name: "call.started",
            json: String::new(),
            facts: Facts::Nothing,
            compatible: None,
        })
    }

    #[test]
    fn a_lane_says_when_it_does_not_have_all_that_a_stream_asks_for() {
        let mut recent = Recent::default();
        assert!(recent.since(0).is_none(), "nothing was published yet: the feed knows");
        for seq in 10..(10 + RECENT as i64 + 5) {
            recent.push(shown(seq));
        }
        // The first five went.
        let seqs = |position| recent.since(position).map(|events| events.iter().map(|one| one.seq).collect::<Vec<_>>());
        assert_eq!(seqs(13), None);
        assert_eq!(seqs(14).unwrap()[..2], [15, 16]);
        assert_eq!(seqs(14).unwrap().len(), BATCH as usize);
        let last = 10 + RECENT as i64 + 4;
        assert_eq!(seqs(last - 1), Some(vec![last]));
        assert_eq!(seqs(last), Some(Vec::new()));
    }
}
