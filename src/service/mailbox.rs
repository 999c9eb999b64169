//! What voicemail by telephone asks of the storage: messages and their states, sounds, greetings, passwords.
//!
//! ```text
//! Core (Shell::mailbox) ─► Asked ─► one of [`LANES`] tasks, by call ─► store, files ─► Order::Mailbox ─► Core
//! ```
//! What one call asks is done in its order; a slow file of one call does not hold up the others.

use super::Handle;
use super::clock::{Clock, OsRandom};
use super::core::Order;
use super::messages;
use crate::archive::load_sound;
use crate::audio::prompt::Pcm;
use crate::base::{BoxId, CallId, MessageId, Random, Span, UserId};
use crate::call::{AskId, Entry, MailboxAnswer, MailboxAsk, PAGE, Pile};
use crate::directory::file::{CompanyFile, Kind};
use crate::directory::plan::plan;
use crate::directory::{Directory, FacilityKind, Mailbox};
use crate::ledger::{Folder, Forwarded, GreetingKind, Keep, MessageDraft, Party, TakeId};
use crate::recording::TakeDraft;
use crate::store::{Access, By, Held, MessageCursor, MessageFilter, MessageRow, Store, StoreError};
use crate::subscription::{MessageScope, Reader, Receivers};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use toml::Table;

/// Calls that are served at the same time.
const LANES: usize = 8;
/// What waits for one of them.
const QUEUE: usize = 256;
/// Longest message that is played by telephone, with its introductions.
const MOST: Span = Span::from_secs(1_800);
/// New messages that are listened to in one go, and as many urgent ones. The oldest come first, so all
/// of them are looked at.
const MOST_NEW: u32 = 1_000;
/// How often a password is set anew because somebody else changed the directory meanwhile.
const TRIES: usize = 5;
/// Where it was done, in the access log.
const SOURCE: &str = "telephone";

/// One thing that a call asks.
pub struct Asked {
    pub call: CallId,
    pub ask: AskId,
    pub what: MailboxAsk,
    /// As it is now.
    pub directory: Arc<Directory>,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0} is not there any more")]
    Gone(&'static str),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: String },
    #[error("the change of the password does not fit: {0}")]
    Unfit(String),
}

/// The queue for all calls, and the tasks that serve it.
pub fn start() -> (mpsc::Sender<Asked>, mpsc::Receiver<Asked>) {
    mpsc::channel(LANES * QUEUE)
}

/// Deals what is asked out to the lanes, until call control has gone.
pub async fn serve(handle: Handle, mut queue: mpsc::Receiver<Asked>) {
    let lanes: Vec<mpsc::Sender<Asked>> = (0..LANES)
        .map(|_| {
            let (sender, lane) = mpsc::channel(QUEUE);
            tokio::spawn(serve_lane(handle.clone(), lane));
            sender
        })
        .collect();
    while let Some(asked) = queue.recv().await {
        let mut hasher = DefaultHasher::new();
        asked.call.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0);
        if let Some(lane) = lanes.get(lane) {
            let _ = lane.send(asked).await;
        }
    }
}

async fn serve_lane(handle: Handle, mut lane: mpsc::Receiver<Asked>) {
    let clerk = Clerk { store: handle.store.clone(), dir: handle.recordings.clone(), clock: handle.clock, handle };
    while let Some(Asked { call, ask, what, directory }) = lane.recv().await {
        let answer = clerk.answer(&what, &directory, call).await.unwrap_or_else(|trouble| {
            tracing::warn!(%call, what = ?what, problem = %trouble, "voicemail could not do what a caller wanted");
            MailboxAnswer::Failed { problem: trouble.to_string() }
        });
        if clerk.handle.orders.send(Order::Mailbox { call, ask, answer }).await.is_err() {
            return;
        }
    }
}

/// Whoever serves.
struct Clerk {
    store: Store,
    dir: PathBuf,
    clock: Clock,
    handle: Handle,
}

/// As whom a box is read.
struct Listener {
    scope: MessageScope,
    /// Whose states are shown and changed; `None`: of a box without an owner, to whoever knows its
    /// password and receives nothing of it.
    reader: Option<Reader>,
}

impl Clerk {
    async fn answer(&self, what: &MailboxAsk, directory: &Directory, call: CallId) -> Result<MailboxAnswer, Trouble> {
        let found = |id: BoxId| directory.mailbox(id).ok_or(Trouble::Gone("the box"));
        match what {
            MailboxAsk::Greet { mailbox, busy } => self.greet(found(*mailbox)?, *busy, directory).await,
            MailboxAsk::Open { mailbox, reader } => self.open(found(*mailbox)?, *reader, directory).await,
            MailboxAsk::List { mailbox, reader, pile, after } => {
                let listener = self.listener(found(*mailbox)?, *reader, directory).await?;
                let entries = self.list(*mailbox, &listener, *pile, *after).await?;
                Ok(MailboxAnswer::Listed { entries })
            }
            MailboxAsk::Load { mailbox, reader, message } => {
                let mailbox = found(*mailbox)?;
                let pcm = self.load(mailbox.id, *message).await?;
                self.note(directory, mailbox, *reader, "message.play", format!("message {message}")).await?;
                Ok(MailboxAnswer::Sound { pcm })
            }
            MailboxAsk::Move { mailbox, reader, message, folder } => {
                let listener = self.listener(found(*mailbox)?, *reader, directory).await?;
                if let Some(of) = listener.reader {
                    self.store.set_folder(*message, of, *folder, *reader, self.clock.wall()).await?;
                    let thing = format!("message {message}: {}", folder.as_str());
                    self.note(directory, found(*mailbox)?, *reader, "message.move", thing).await?;
                }
                Ok(MailboxAnswer::Done)
            }
            MailboxAsk::Remove { mailbox, reader, message } => {
                self.remove(found(*mailbox)?, *reader, *message, directory).await?;
                Ok(MailboxAnswer::Done)
            }
            MailboxAsk::Forward { message, to, by } => {
                self.forward(*message, found(*to)?, by, directory, call).await?;
                Ok(MailboxAnswer::Done)
            }
            MailboxAsk::RemoveGreeting { mailbox, reader, kind } => {
                let mailbox = found(*mailbox)?;
                self.remove_greeting(mailbox.id, *kind).await?;
                let thing = format!("{} of {}", kind.as_str(), mailbox.key());
                self.note(directory, mailbox, *reader, "greeting.remove", thing).await?;
                Ok(MailboxAnswer::Done)
            }
            MailboxAsk::SetPassword { mailbox, reader, password } => {
                self.set_password(*mailbox, *reader, password).await?;
                Ok(MailboxAnswer::Done)
            }
        }
    }

    /// What is played of a greeting that cannot be read is that of the service.
    async fn greet(&self, mailbox: &Mailbox, busy: bool, directory: &Directory) -> Result<MailboxAnswer, Trouble> {
        let most = mailbox.settings.max_messages.map(u64::from);
        let usual = || directory.company(mailbox.company).map(|company| company.settings.voicemail.max_messages);
        let most = most.or_else(|| usual().map(u64::from)).unwrap_or(u64::MAX);
        let full = self.store.messages_in(mailbox.id).await? >= most;
        let kind = if busy { GreetingKind::Busy } else { GreetingKind::Unavailable };
        let own = match self.sound_of(mailbox.id, kind).await? {
            None if busy => self.sound_of(mailbox.id, GreetingKind::Unavailable).await?,
            own => own,
        };
        let name = self.sound_of(mailbox.id, GreetingKind::Name).await?;
        Ok(MailboxAnswer::Greeting { own, name, full })
    }

    async fn sound_of(&self, mailbox: BoxId, kind: GreetingKind) -> Result<Option<Pcm>, Trouble> {
        let Some(greeting) = self.store.greeting(mailbox, kind).await? else { return Ok(None) };
        match self.sound(&greeting.path).await {
            Ok(pcm) => Ok(Some(pcm)),
            Err(trouble) => {
                tracing::error!(mailbox = mailbox.0, problem = %trouble, "a greeting cannot be played: callers hear that of the service");
                Ok(None)
            }
        }
    }

    async fn sound(&self, path: &str) -> Result<Pcm, Trouble> {
        let path = self.dir.join(path);
        let shown = path.clone();
        let failed = move |error: String| Trouble::File { path: shown.clone(), error };
        let loaded = tokio::task::spawn_blocking(move || load_sound(&path, MOST)).await;
        match loaded {
            Ok(Ok(pcm)) => Ok(pcm),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// A user reads what they own or receive by their own state. Whoever else knows the password reads
    /// as the owner.
    async fn listener(
        &self,
        mailbox: &Mailbox,
        user: Option<UserId>,
        directory: &Directory,
    ) -> Result<Listener, Trouble> {
        if let Some(user) = user.and_then(|user| directory.user(user)) {
            let subscribed = self.store.box_subscriptions_of(user.id).await?;
            let scope = MessageScope::of(directory, user, subscribed);
            if scope.sees_box(mailbox.id) {
                let reader = scope.reader(mailbox.id);
                return Ok(Listener { scope, reader });
            }
        }
        let whole = MessageScope::of_whole(directory, mailbox.company);
        let Some(reader) = whole.reader(mailbox.id) else { return Ok(Listener { scope: whole, reader: None }) };
        let mut scope = MessageScope { all: false, ..whole };
        match reader {
            Reader::Everybody => drop(scope.global.insert(mailbox.id)),
            Reader::User(owner) => {
                scope.user = Some(owner);
                scope.owned.insert(mailbox.id);
            }
        }
        Ok(Listener { scope, reader: Some(reader) })
    }

    async fn open(
        &self,
        mailbox: &Mailbox,
        user: Option<UserId>,
        directory: &Directory,
    ) -> Result<MailboxAnswer, Trouble> {
        let listener = self.listener(mailbox, user, directory).await?;
        let count = |of: u64| u32::try_from(of).unwrap_or(u32::MAX);
        if listener.reader.is_none() {
            let filter = MessageFilter { mailboxes: Some(vec![mailbox.id]), ..MessageFilter::default() };
            let all = self.store.count_messages(&listener.scope, &filter).await?;
            return Ok(MailboxAnswer::Opened { urgent: 0, new: count(all), saved: 0 });
        }
        let waiting = self.store.waiting(&listener.scope, Some(mailbox.id)).await?;
        let new = waiting.new.saturating_sub(waiting.urgent_new);
        Ok(MailboxAnswer::Opened { urgent: count(waiting.urgent_new), new: count(new), saved: count(waiting.old) })
    }

    async fn list(
        &self,
        mailbox: BoxId,
        listener: &Listener,
        pile: Pile,
        after: Option<MessageId>,
    ) -> Result<Vec<Entry>, Trouble> {
        let last = match after {
            Some(after) => Some(self.store.message(after).await?.ok_or(Trouble::Gone("the message before"))?),
            None => None,
        };
        let mailboxes = Some(vec![mailbox]);
        let filter = |folders: &[Folder]| MessageFilter {
            mailboxes: mailboxes.clone(),
            folders: listener.reader.map(|_| folders.to_vec()),
            ..MessageFilter::default()
        };
        let rows = match pile {
            Pile::Saved if listener.reader.is_none() => Vec::new(),
            Pile::Saved => {
                let before = last.map(|last| MessageCursor { left: last.left, id: last.id });
                let saved = [Folder::Old, Folder::Work, Folder::Family, Folder::Friends];
                let filter = MessageFilter { before, ..filter(&saved) };
                self.store.messages(&listener.scope, &filter, PAGE as u32).await?
            }
            Pile::New => {
                let mut rows = Vec::new();
                // Without a state all of them are new.
                let folders: &[&[Folder]] = match listener.reader {
                    Some(_) => &[&[Folder::Urgent], &[Folder::Inbox]],
                    None => &[&[]],
                };
                for folders in folders {
                    rows.extend(self.store.messages(&listener.scope, &filter(folders), MOST_NEW).await?);
                }
                let place = |row: &MessageRow| (!row.message.urgent, row.message.left, row.message.id);
                rows.sort_by_key(place);
                let last = last.map(|last| (!last.urgent, last.left, last.id));
                rows.retain(|row| last.is_none_or(|last| place(row) > last));
                rows.truncate(PAGE);
                rows
            }
        };
        Ok(rows.into_iter().filter(|row| !row.state.removed).map(entry).collect())
    }

    async fn load(&self, mailbox: BoxId, message: MessageId) -> Result<Pcm, Trouble> {
        let message = self.store.message(message).await?.filter(|message| message.mailbox == mailbox);
        self.sound(&message.ok_or(Trouble::Gone("the message"))?.path).await
    }

    /// Thrown away for whoever reads it; from a box that nobody receives, for good.
    async fn remove(
        &self,
        mailbox: &Mailbox,
        user: Option<UserId>,
        message: MessageId,
        directory: &Directory,
    ) -> Result<(), Trouble> {
        let listener = self.listener(mailbox, user, directory).await?;
        let thing = format!("message {message}");
        if let Some(reader) = listener.reader {
            self.store.remove_message(message, reader, user, self.clock.wall()).await?;
            return self.note(directory, mailbox, user, "message.remove", thing).await;
        }
        let call = self.store.message(message).await?.and_then(|message| message.call);
        let held = match call {
            Some(call) => self.store.hold_on(Held::Call(call)).await?.is_some(),
            None => false,
        };
        if held || !self.store.box_subscribers(mailbox.id).await?.is_empty() {
            return Ok(());
        }
        self.note(directory, mailbox, user, "message.delete", thing).await?;
        let because = "deleted by telephone";
        if let Some(file) = self.store.erase_message(message, user, because, self.clock.wall()).await? {
            let _ = tokio::fs::remove_file(self.dir.join(file.path)).await;
        }
        Ok(())
    }

    async fn forward(
        &self,
        message: MessageId,
        to: &Mailbox,
        by: &Party,
        directory: &Directory,
        call: CallId,
    ) -> Result<(), Trouble> {
        let old = self.store.message(message).await?.filter(|old| old.company == to.company);
        let old = old.ok_or(Trouble::Gone("the message"))?;
        let company = directory.company(to.company).ok_or(Trouble::Gone("the company"))?;
        let now = self.clock.wall();
        let id = MessageId::new(now, ten_bytes());
        let forwarded = Forwarded { from: old.mailbox, message: old.id, by: by.clone(), introduced: false };
        let draft = MessageDraft {
            mailbox: to.id,
            call,
            caller: old.caller.clone(),
            number: old.number,
            urgent: old.urgent,
            forwarded: Some(forwarded),
            minimum: Span::ZERO,
        };
        let take = TakeDraft {
            id,
            call,
            take: TakeId(0),
            company: to.company,
            started: now,
            rate: old.rate,
            keep: Keep::Message(draft.clone()),
        };
        let (dir, key, path) = (self.dir.clone(), company.key.clone(), self.dir.join(&old.path));
        let shown = path.clone();
        let failed = move |error: String| Trouble::File { path: shown.clone(), error };
        let copied = tokio::task::spawn_blocking(move || messages::copy(&dir, &key, &take, &draft, &path, now)).await;
        let record = match copied {
            Ok(Ok(record)) => record,
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(error) => return Err(failed(error.to_string())),
        };
        self.store.deliver(&record, Receivers::of(to), now).await?;
        self.note(directory, to, by.user, "message.forward", format!("message {message} to {}", to.key())).await
    }

    async fn remove_greeting(&self, mailbox: BoxId, kind: GreetingKind) -> Result<(), Trouble> {
        if let Some(greeting) = self.store.remove_greeting(mailbox, kind).await? {
            let _ = tokio::fs::remove_file(self.dir.join(greeting.path)).await;
        }
        Ok(())
    }

    /// By the plan that a company file is applied by, so that all that must hold still does.
    async fn set_password(&self, mailbox: BoxId, user: Option<UserId>, password: &str) -> Result<(), Trouble> {
        for _ in 0..TRIES {
            let directory = self.store.load_directory().await?;
            let mailbox = directory.mailbox(mailbox).ok_or(Trouble::Gone("the box"))?;
            let company = directory.company(mailbox.company).ok_or(Trouble::Gone("the company"))?;
            let keys = Table::from_iter([("password".to_owned(), password.to_owned().into())]);
            let kind = Kind::Facility(FacilityKind::Voicemail);
            let unfit = |errors: Vec<crate::directory::file::FileError>| {
                Trouble::Unfit(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            };
            let file = CompanyFile::of_one(kind, &company.key, &mailbox.key(), keys).map_err(unfit)?;
            let plan = plan(&directory, &file, false).map_err(unfit)?;
            let by =
                By { at: self.clock.wall(), user, who: who(&directory, user), source: SOURCE.to_owned(), keeps: None };
            match self.store.apply_by(&plan, &by, &mut OsRandom).await {
                Ok(_) => {
                    self.handle.reload().await;
                    return Ok(());
                }
                Err(StoreError::Stale(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Trouble::Unfit("others change the directory all the time".to_owned()))
    }

    async fn note(
        &self,
        directory: &Directory,
        mailbox: &Mailbox,
        user: Option<UserId>,
        action: &str,
        thing: String,
    ) -> Result<(), Trouble> {
        let access = Access {
            at: self.clock.wall(),
            company: mailbox.company,
            user,
            who: who(directory, user),
            source: SOURCE.to_owned(),
            action: action.to_owned(),
            thing,
        };
        self.store.log_access(&access).await?;
        Ok(())
    }
}

fn who(directory: &Directory, user: Option<UserId>) -> String {
    let user = user.and_then(|user| directory.user(user));
    user.map_or_else(
        || "a caller with the password of the box".to_owned(),
        |user| format!("{} {}", user.extension, user.name),
    )
}

fn ten_bytes() -> [u8; 10] {
    OsRandom.ten_bytes()
}

fn entry(row: MessageRow) -> Entry {
    let MessageRow { message, state } = row;
    Entry {
        id: message.id,
        left: message.left,
        length: message.length(),
        urgent: message.urgent,
        folder: state.folder,
        forwarded_by: message.forwarded.map(|from| from.by),
        caller: message.caller,
    }
}
