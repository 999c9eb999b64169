//! Tells of new voicemail messages: by mail, by Web Push, over a company's gateway.
//!
//! ```text
//! feed: voicemail.created ─► a notice for each who is to be told, and each way ─► attempt ─► sent
//!                              (a row: a restart goes on there)        └ later and later ─► dead
//! ```
//! What is told is made at each attempt, of what is so then: whoever may not hear the message any
//! more is told nothing, and nothing is told of what has gone.

use super::courier::World;
use super::mail::{Letter, Sender, Smtp, SmtpError};
use super::post::Postman;
use super::push::{PushKeys, VapidKey, encrypt};
use super::sign::{signature, timestamp};
use super::written;
use crate::base::{Span, UserId, Wall};
use crate::directory::{BoxOwner, Directory, Mailbox};
use crate::ledger::{MessageRecord, OutboxKind};
use crate::store::{Channel, NewNotice, NoticeOutcome, NoticeRow, NoticeState, Store, StoreError, message_facts};
use crate::subscription::{FeedEntry, MessageScope, Receivers};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A mail that no server takes for so long is dead; a push is of no use by then.
pub const MAIL_ENDS: Span = Span::from_secs(2 * 86_400);
pub const PUSH_ENDS: Span = Span::from_secs(86_400);
/// Attempts that are under way at a time: a mail server that hangs holds up no push.
const MAILS: usize = 8;
const PUSHES: usize = 32;
const BATCH: u32 = 200;
const TOGETHER: Duration = Duration::from_millis(50);
const FIRST_PAUSE: Span = Span::from_secs(2);
const LONGEST_PAUSE: Span = Span::from_secs(3_600);
/// How long what is done with is shown, and what is dead.
const SHOW_DONE: Span = Span::from_secs(7 * 86_400);
const SHOW_DEAD: Span = Span::from_secs(30 * 86_400);
const PURGE_EVERY: Span = Span::from_secs(600);
const IDLE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(1);
/// A push service keeps it for a browser that is off for so long, in seconds.
const TTL_S: &str = "86400";

/// How mails are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    pub from: Sender,
    /// Where a message can be heard; `{id}` stands for it. Empty: nowhere.
    pub link: String,
    /// Bytes of audio in a mail at most.
    pub most_attached: u64,
}

/// What takes notices further.
pub struct Carriers {
    /// `None`: no mail is sent.
    pub mail: Option<(Smtp, MailSettings)>,
    pub postman: Postman,
    pub vapid: VapidKey,
    /// Whom the operators of push services can reach; empty: nobody.
    pub contact: String,
    /// Folder of the recordings, which messages are below.
    pub recordings: PathBuf,
}

/// The one who tells.
pub struct Herald {
    store: Store,
    carriers: Arc<Carriers>,
    world: Arc<dyn World>,
    under_way: HashMap<i64, Channel>,
    attempts: JoinSet<(NoticeRow, Told)>,
    /// How far the feed was looked through, where nothing there had to be written.
    looked_at: i64,
    purged: Wall,
}

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// `erase`: the message goes, since it is in the mail.
    Sent {
        erase: bool,
    },
    Nothing(&'static str),
    Never(String),
    Later(String),
}

impl Herald {
    pub fn new(store: Store, carriers: Carriers, world: Arc<dyn World>) -> Self {
        let (under_way, attempts) = (HashMap::new(), JoinSet::new());
        let (carriers, purged) = (Arc::new(carriers), Wall::default());
        Herald { store, carriers, world, under_way, attempts, looked_at: 0, purged }
    }

    /// Tells until it is stopped. `fed` is the newest position of the feed.
    pub async fn run(mut self, mut fed: watch::Receiver<i64>) {
        loop {
            fed.borrow_and_update();
            if let Err(error) = self.turn().await {
                tracing::error!(%error, "nobody could be told of new messages; it is tried again");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let wait = self.wait().await;
            tokio::select! {
                changed = fed.changed() => match changed {
                    Ok(()) => tokio::time::sleep(TOGETHER).await,
                    Err(_) => return,
                },
                () = self.store.notices_have_changed() => {}
                Some(done) = self.attempts.join_next() => self.note(done.ok()).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Queues what is new, sends what is due, and deletes what was mailed and is not to stay.
    async fn turn(&mut self) -> Result<(), StoreError> {
        self.queue().await?;
        self.send_due().await?;
        for message in self.store.mailed_messages().await? {
            let erased = self.store.erase_message(message, None, "mailed", self.world.wall()).await?;
            if let Some(file) = erased {
                tracing::info!(message = %message, "a message was mailed, and is deleted as its box says");
                let path = self.carriers.recordings.join(&file.path);
                if let Err(error) = tokio::fs::remove_file(&path).await {
                    tracing::warn!(%error, message = %message, "the file of a message that was mailed is still there");
                }
            }
            self.store.forget_mailed(message).await?;
        }
        let now = self.world.wall();
        if now >= self.purged.plus(PURGE_EVERY) {
            self.store.purge_notices(now.minus(SHOW_DONE), now.minus(SHOW_DEAD)).await?;
            self.purged = now;
        }
        Ok(())
    }

    async fn queue(&mut self) -> Result<(), StoreError> {
        let newest = self.store.feed_newest().await?;
        let mut position = self.store.notices_position().await?.max(self.looked_at);
        let mut directory = None;
        while position < newest {
            let entries = self.store.feed_after(None, position, BATCH).await?;
            let whole = entries.len() < BATCH as usize;
            let last = entries.last().map_or(newest, |entry| entry.seq);
            position = if whole { newest.max(last) } else { last };
            let (mut notices, mut seen) = (Vec::new(), false);
            for entry in entries.iter().filter(|entry| entry.kind == OutboxKind::VoicemailCreated) {
                seen = true;
                if entry.at.plus(MAIL_ENDS) < self.world.wall() {
                    // Nobody waits for it any more: it was left while nothing here could tell of it.
                    continue;
                }
                if directory.is_none() {
                    directory = Some(self.store.load_directory().await?);
                }
                if let Some(directory) = &directory {
                    notices.extend(self.notices_of(entry, directory).await?);
                }
            }
            if seen || !whole {
                self.store.queue_notices(&notices, position).await?;
            }
            self.looked_at = position;
        }
        Ok(())
    }

    /// Everybody who is to be told of a message, by every way.
    async fn notices_of(&self, entry: &FeedEntry, directory: &Directory) -> Result<Vec<NewNotice>, StoreError> {
        let Some(id) = entry.message() else { return Ok(Vec::new()) };
        let Some(message) = self.store.message(id).await? else { return Ok(Vec::new()) };
        let Some(mailbox) = directory.mailbox(message.mailbox) else { return Ok(Vec::new()) };
        let created = self.world.wall();
        let notice = |channel, target: String, lasts| NewNotice {
            company: message.company,
            channel,
            message: id,
            mailbox: mailbox.id,
            target,
            created,
            ends: created.plus(lasts),
        };
        let mut notices = Vec::new();
        if self.carriers.mail.is_some() {
            let ways = [(Channel::Mail, &mailbox.settings.email), (Channel::Pager, &mailbox.settings.pager)];
            let ways = ways.into_iter().filter(|(_, address)| !address.is_empty());
            notices.extend(ways.map(|(channel, address)| notice(channel, address.clone(), MAIL_ENDS)));
        }
        let subscriptions = self.store.push_subscriptions_in(message.company).await?;
        let gateway = self.store.push_gateway(message.company).await?;
        if subscriptions.is_empty() && gateway.is_none() {
            return Ok(notices);
        }
        let readers = self.readers(mailbox, &message, directory).await?;
        let wanted = subscriptions.iter().filter(|subscription| readers.contains(&subscription.user));
        notices.extend(wanted.map(|wanted| notice(Channel::Push, wanted.id.to_string(), PUSH_ENDS)));
        if gateway.is_some() {
            notices.extend(readers.iter().map(|user| notice(Channel::Gateway, user.to_string(), PUSH_ENDS)));
        }
        Ok(notices)
    }

    async fn readers(
        &self,
        mailbox: &Mailbox,
        message: &MessageRecord,
        directory: &Directory,
    ) -> Result<BTreeSet<UserId>, StoreError> {
        let mut readers = match Receivers::of(mailbox) {
            Receivers::Everybody => return Ok(directory.users_of(message.company).map(|user| user.id).collect()),
            Receivers::Owner(user) => BTreeSet::from([user]),
            Receivers::Subscribers => BTreeSet::new(),
        };
        let subscribers = self.store.box_subscribers(mailbox.id).await?;
        let now = subscribers
            .into_iter()
            .filter(|one| one.from <= message.left && one.until.is_none_or(|until| message.left < until));
        readers.extend(now.map(|one| one.user));
        Ok(readers)
    }

    async fn send_due(&mut self) -> Result<(), StoreError> {
        let mut directory = None;
        for (channels, most) in [([Channel::Mail, Channel::Pager], MAILS), ([Channel::Push, Channel::Gateway], PUSHES)]
        {
            let of_these = self.under_way.values().filter(|channel| channels.contains(channel)).count();
            let room = u32::try_from(most.saturating_sub(of_these)).unwrap_or(0);
            if room == 0 {
                continue;
            }
            let under_way: Vec<i64> = self.under_way.keys().copied().collect();
            for notice in self.store.due_notices(channels, &under_way, self.world.wall(), room).await? {
                if directory.is_none() {
                    directory = Some(Arc::new(self.store.load_directory().await?));
                }
                let Some(directory) = directory.clone() else { continue };
                self.under_way.insert(notice.id, notice.channel);
                let attempt = Attempt {
                    store: self.store.clone(),
                    carriers: Arc::clone(&self.carriers),
                    directory,
                    world: Arc::clone(&self.world),
                };
                self.attempts.spawn(async move {
                    let told = attempt.tell(&notice).await;
                    let told = told.unwrap_or_else(|error| Told::Later(error.to_string()));
                    (notice, told)
                });
            }
        }
        Ok(())
    }

    /// Writes what came of attempts: this one and those that are over as well.
    async fn note(&mut self, first: Option<(NoticeRow, Told)>) {
        let mut done: Vec<_> = first.into_iter().collect();
        while let Some(more) = self.attempts.try_join_next() {
            done.extend(more.ok());
        }
        for (notice, told) in done {
            self.under_way.remove(&notice.id);
            let outcome = self.judge(&notice, told);
            if let Err(error) = self.store.note_notice(notice.id, &outcome).await {
                // It stays pending, and is told again.
                tracing::error!(%error, notice = notice.id, "what came of a notice could not be written");
            }
        }
    }

    fn judge(&self, notice: &NoticeRow, told: Told) -> NoticeOutcome {
        let at = self.world.wall();
        let dice = u64::from(self.world.random().u32());
        let again = at.plus(pause(notice.attempts, dice)).min(notice.ends);
        let (state, error, erases) = match told {
            Told::Sent { erase } => (NoticeState::Sent, String::new(), erase),
            Told::Nothing(why) => (NoticeState::Dropped, why.to_owned(), false),
            Told::Later(error) if at < notice.ends => (NoticeState::Pending, error, false),
            Told::Later(error) | Told::Never(error) => (NoticeState::Dead, error, false),
        };
        let (id, channel, attempts) = (notice.id, notice.channel.as_str(), notice.attempts + 1);
        match state {
            NoticeState::Dead => {
                tracing::warn!(notice = id, channel, attempts, "a notice of a new message is dead: nobody took it");
                tracing::debug!(notice = id, error);
            }
            NoticeState::Pending => tracing::debug!(notice = id, channel, attempts, error, "it is told again later"),
            NoticeState::Sent | NoticeState::Dropped => {}
        }
        NoticeOutcome { at, state, again, error, erases }
    }

    /// Until the next one is due.
    async fn wait(&self) -> Duration {
        let now = self.world.wall();
        let next = self.store.next_notice_at(now).await.ok().flatten();
        let until = next.map(|at| u64::try_from(at.unix_micros() - now.unix_micros()).unwrap_or(0));
        until.map_or(IDLE, Duration::from_micros).min(IDLE)
    }
}

/// Twice as long each time, and by chance between half of that and all.
fn pause(attempts: u32, dice: u64) -> Span {
    let whole = FIRST_PAUSE.times(1 << attempts.min(20)).0.min(LONGEST_PAUSE.0);
    Span(whole / 2 + (whole / 2).saturating_mul(dice & 0xffff) / 0xffff)
}

/// All that one attempt needs.
struct Attempt {
    store: Store,
    carriers: Arc<Carriers>,
    directory: Arc<Directory>,
    world: Arc<dyn World>,
}

impl Attempt {
    async fn tell(&self, notice: &NoticeRow) -> Result<Told, StoreError> {
        let Some(message) = self.store.message(notice.message).await? else {
            return Ok(Told::Nothing("the message has gone"));
        };
        let Some(mailbox) = self.directory.mailbox(message.mailbox) else {
            return Ok(Told::Nothing("the box has gone"));
        };
        match notice.channel {
            Channel::Mail | Channel::Pager => self.mail(notice, &message, mailbox).await,
            Channel::Push => self.push(notice, &message, mailbox).await,
            Channel::Gateway => self.gateway(notice, &message, mailbox).await,
        }
    }

    async fn mail(&self, notice: &NoticeRow, message: &MessageRecord, mailbox: &Mailbox) -> Result<Told, StoreError> {
        let Some((smtp, settings)) = &self.carriers.mail else {
            return Ok(Told::Later("`mail.server` is not set".to_owned()));
        };
        let pager = notice.channel == Channel::Pager;
        let address = if pager { &mailbox.settings.pager } else { &mailbox.settings.email };
        if let BoxOwner::User(owner) = mailbox.owner
            && self.directory.user(owner).is_none()
        {
            return Ok(Told::Nothing("the owner of the box is deactivated"));
        }
        if *address != notice.target {
            return Ok(Told::Nothing("the box has another address by now"));
        }
        let Some(company) = self.directory.company(message.company) else {
            return Ok(Told::Nothing("the company has gone"));
        };
        let count = self.store.messages_in(mailbox.id).await?;
        let (from, text) = written::mail(written::About { company, mailbox, message, count }, settings, pager);
        let attached = match mailbox.settings.attach_audio && !pager && message.bytes <= settings.most_attached {
            true => written::audio(&self.carriers.recordings.join(&message.path), message, count).await,
            false => None,
        };
        let erase = mailbox.settings.delete_messages && attached.is_some();
        let id = format!("{}.{}", message.id, notice.id);
        let (to, subject, body) = (address.clone(), text.subject, text.body);
        let letter = Letter { to, from, subject, body, attachment: attached, id };
        Ok(match smtp.send(&letter).await {
            Ok(()) => Told::Sent { erase },
            Err(SmtpError::Never(error)) => Told::Never(error),
            Err(SmtpError::Later(error)) => Told::Later(error),
        })
    }

    async fn push(&self, notice: &NoticeRow, message: &MessageRecord, mailbox: &Mailbox) -> Result<Told, StoreError> {
        let found = match notice.target.parse() {
            Ok(id) => self.store.push_subscription(id).await?,
            Err(_) => None,
        };
        let Some(subscription) = found else { return Ok(Told::Nothing("the subscription has gone")) };
        if let Some(why) = self.not_for(subscription.user, message).await? {
            return Ok(Told::Nothing(why));
        }
        let body = written::push(mailbox, message).to_string();
        let outcome = match self.encrypted(&subscription.endpoint, &subscription.p256dh, &subscription.auth, &body) {
            Ok((authorization, body)) => {
                let topic = message.id.to_string().replace('-', "");
                let headers = [
                    ("Authorization", authorization.as_str()),
                    ("Content-Encoding", "aes128gcm"),
                    ("TTL", TTL_S),
                    ("Urgency", if message.urgent { "high" } else { "normal" }),
                    ("Topic", topic.as_str()),
                ];
                let kind = "application/octet-stream";
                self.carriers.postman.send(&subscription.endpoint, &headers, kind, body.into()).await
            }
            Err(error) => return Ok(Told::Never(error)),
        };
        let told = answered(outcome.map_err(|error| error.to_string()));
        if matches!(told, Told::Nothing(_)) {
            self.store.remove_push(subscription.user, subscription.id).await?;
            return Ok(told);
        }
        let error = match &told {
            Told::Sent { .. } | Told::Nothing(_) => "",
            Told::Never(error) | Told::Later(error) => error,
        };
        self.store.note_push(subscription.id, self.world.wall(), error).await?;
        Ok(told)
    }

    fn encrypted(&self, endpoint: &str, p256dh: &str, auth: &str, body: &str) -> Result<(String, Vec<u8>), String> {
        let keys = PushKeys::parse(p256dh, auth).map_err(|error| error.to_string())?;
        let body = encrypt(&keys, body.as_bytes()).map_err(|error| error.to_string())?;
        let target = super::guard::Target::parse(endpoint, self.carriers.postman.guard());
        let origin = target.map_err(|error| error.to_string())?.origin();
        let now = self.world.wall();
        let authorization = self.carriers.vapid.authorization(&origin, &self.carriers.contact, now);
        Ok((authorization.map_err(|error| error.to_string())?, body))
    }

    async fn gateway(
        &self,
        notice: &NoticeRow,
        message: &MessageRecord,
        mailbox: &Mailbox,
    ) -> Result<Told, StoreError> {
        let user = notice.target.parse().ok().and_then(|id| self.directory.user(UserId(id)));
        let Some(user) = user.filter(|user| user.company == message.company) else {
            return Ok(Told::Nothing("the user has gone"));
        };
        let Some(gateway) = self.store.push_gateway(message.company).await? else {
            return Ok(Told::Nothing("the gateway has gone"));
        };
        if let Some(why) = self.not_for(user.id, message).await? {
            return Ok(Told::Nothing(why));
        }
        let body = written::gateway(user, mailbox, message).to_string();
        let (id, stamp) = (notice.id.to_string(), timestamp(self.world.wall()));
        let signature = signature(&gateway.secret, &stamp, &body);
        let headers = [
            ("Telegraphone-Event-Id", id.as_str()),
            ("Telegraphone-Event", OutboxKind::VoicemailCreated.as_str()),
            ("Telegraphone-Timestamp", stamp.as_str()),
            ("Telegraphone-Signature", signature.as_str()),
        ];
        let outcome = self.carriers.postman.post(&gateway.url, &headers, &body).await;
        Ok(match answered(outcome.map_err(|error| error.to_string())) {
            // One device that has gone is nothing that a gateway answers so.
            Told::Nothing(why) => Told::Later(why.to_owned()),
            told => told,
        })
    }

    /// Why a user is not to be told of a message now; `None`: they are.
    async fn not_for(&self, user: UserId, message: &MessageRecord) -> Result<Option<&'static str>, StoreError> {
        let Some(user) = self.directory.user(user) else { return Ok(Some("the user has gone")) };
        let scope = MessageScope::of(&self.directory, user, self.store.box_subscriptions_of(user.id).await?);
        if scope.hears(&message_facts(message)).is_none() {
            return Ok(Some("the message is not for this user any more"));
        }
        let Some(reader) = scope.reader(message.mailbox) else { return Ok(None) };
        let state = self.store.message_state(message.id, reader).await?;
        let done = state.is_some_and(|state| state.removed || !state.folder.is_new());
        Ok(done.then_some("the message was heard or thrown away before"))
    }
}

/// What the status of a push service means (RFC 8030 §5, §7.3).
fn answered(outcome: Result<u16, String>) -> Told {
    match outcome {
        Ok(200..=299) => Told::Sent { erase: false },
        Ok(404 | 410) => Told::Nothing("the receiver says that the subscription has gone"),
        Ok(status @ (408 | 425 | 429 | 500..)) => Told::Later(format!("the receiver answered {status}")),
        Ok(status) => Told::Never(format!("the receiver answered {status}")),
        Err(error) => Told::Later(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let seconds = |attempts, dice| pause(attempts, dice).as_millis() / 1_000;
        assert_eq!((seconds(0, 0), seconds(0, 0xffff)), (1, 2));
        assert_eq!((seconds(3, 0), seconds(3, 0xffff)), (8, 16));
        assert_eq!((seconds(40, 0), seconds(40, 0xffff)), (1_800, 3_600));
    }

    #[test]
    fn an_answer_is_sent_later_never_or_gone() {
        for (status, expected) in [
            (Ok(201), Told::Sent { erase: false }),
            (Ok(410), Told::Nothing("the receiver says that the subscription has gone")),
            (Ok(429), Told::Later("the receiver answered 429".to_owned())),
            (Ok(503), Told::Later("the receiver answered 503".to_owned())),
            (Ok(413), Told::Never("the receiver answered 413".to_owned())),
            (Ok(302), Told::Never("the receiver answered 302".to_owned())),
            (Err("no answer".to_owned()), Told::Later("no answer".to_owned())),
        ] {
            assert_eq!(answered(status), expected);
        }
    }
}
