//! The one place where the rules of access are applied.
//!
//! For each request the directory and the viewer's subscriptions are read as they are then, and a
//! [`Scope`] is made of them: a change of a setting or of a membership acts on the next request,
//! and on the next event of a stream that is open. What a viewer may not see is answered like what
//! does not exist, by the same code.

mod contacts;
mod directory;
mod events;
mod exports;
mod insight;
mod keeping;
mod shared;
mod staff;
mod texts;
mod webhooks;

pub use events::{EventStream, News, Over, Shown};

pub use contacts::{Eraser, erased_name, erased_told};
pub use exports::ExportSettings;

use super::view::{has_file, scopes_of};
use super::{
    AccessView, Answer, Ask, AudioUse, CallItem, CallPage, CallQuery, Grant, HeardView, LiveCommand, LiveItem,
    Permission, Problem, RecordingItem, RecordingView, Reply, Request, TokenView, Viewer, login,
};
use crate::base::{CallId, CompanyId, NumberId, Random, RecordingId, Span, Time, UserId, Wall};
use crate::call::{LockName, LockSource, Lockout};
use crate::directory::{Company, Directory, Group, Number, Role, User};
use crate::ledger::{CallRecord, RecordingRecord, RecordingState};
use crate::notify::Guard;
use crate::store::{Access, CallFilter, Owner, StaffRow, Store, TokenKind, facts};
use crate::subscription::{CallFacts, Scope};
use events::Lanes;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

const NO_RECORDING: Problem = Problem::NotFound { what: "recording" };
const NO_CALL: Problem = Problem::NotFound { what: "call" };
const NO_NUMBER: Problem = Problem::NotFound { what: "number" };
const NO_USER: Problem = Problem::NotFound { what: "user" };
const NO_COMPANY: Problem = Problem::NotFound { what: "company" };
const NO_PAGE: Problem = Problem::NotFound { what: "page" };
/// Passwords that are checked at a time: each takes tens of ms of a core and 19 MiB.
const CHECKS: usize = 1;
/// Log-ins that wait for that; further ones are asked to come back.
const WAITING: usize = 16;
/// Pieces of a recording that are fetched within this time of each other are one listening.
const WHILE: Span = Span::from_secs(600);
/// Listenings that are remembered at a time.
const FETCHES: usize = 10_000;

/// What only the service can do: with files, and with calls that are up.
pub trait Operator: Send + Sync {
    fn ask(&self, request: Request) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// The service's clocks and randomness.
pub trait World: Send + Sync {
    fn now(&self) -> Time;
    fn wall(&self) -> Wall;
    fn random(&self) -> Box<dyn Random + Send>;
}

/// Answers whatever people and programs ask.
pub struct Desk {
    store: Store,
    /// Folder of the recordings.
    recordings: PathBuf,
    world: Box<dyn World>,
    operator: Box<dyn Operator>,
    /// As it was last read; its version says whether it still holds.
    directory: Mutex<Arc<Directory>>,
    lockout: Mutex<Lockout>,
    checks: Semaphore,
    waiting: Semaphore,
    /// Where hooks may lead.
    guard: Guard,
    /// What open streams of events share.
    lanes: Lanes,
    /// When what was last fetched, by token: of the last minutes.
    fetched: Mutex<HashMap<(i64, RecordingId, AudioUse), Time>>,
    /// Peaks are made one after the other.
    peaking: Arc<Semaphore>,
    exports: exports::Exports,
}

/// Who asks, as they are now, and of which company.
struct Person<'d> {
    company: &'d Company,
    actor: Actor<'d>,
    viewer: &'d Viewer,
}

/// A user of the company, or somebody above it who has an admin's rights in it.
#[derive(Clone, Copy)]
enum Actor<'d> {
    User(&'d User),
    Staff(&'d StaffRow),
}

impl Person<'_> {
    /// The user of the company; `None` for an operator or a reseller.
    fn user(&self) -> Option<&User> {
        match self.actor {
            Actor::User(user) => Some(user),
            Actor::Staff(_) => None,
        }
    }

    /// As whom they have listened to recordings: nobody above the company has, and no user has this id.
    fn listener(&self) -> UserId {
        self.user().map_or(UserId(0), |user| user.id)
    }

    fn is_admin(&self) -> bool {
        match self.actor {
            Actor::User(user) => user.role == Role::Admin,
            Actor::Staff(_) => true,
        }
    }

    /// As the access log names them.
    fn who(&self) -> String {
        match self.actor {
            Actor::User(user) => format!("{} {}", user.extension, user.name),
            Actor::Staff(staff) => format!("{} {}", staff.kind.as_str(), staff.name),
        }
    }

    fn must_be_admin(&self) -> Result<(), Problem> {
        match self.is_admin() {
            true => Ok(()),
            false => Err(Problem::Forbidden("only an admin may do that")),
        }
    }
}

impl Desk {
    pub fn new(
        store: Store,
        recordings: PathBuf,
        exports: ExportSettings,
        guard: Guard,
        world: Box<dyn World>,
        operator: Box<dyn Operator>,
    ) -> Self {
        let (directory, lockout) = (Mutex::default(), Mutex::new(Lockout::default()));
        let (checks, waiting) = (Semaphore::new(CHECKS), Semaphore::new(WAITING));
        Desk {
            store,
            recordings,
            world,
            operator,
            directory,
            lockout,
            checks,
            waiting,
            guard,
            lanes: Lanes::default(),
            fetched: Mutex::default(),
            peaking: Arc::new(Semaphore::new(1)),
            exports: exports::Exports::new(exports),
        }
    }

    /// The service's clock, for whoever measures.
    pub fn now(&self) -> Time {
        self.world.now()
    }

    /// Whether calls can be taken and recorded; anybody may know.
    pub async fn ready(&self) -> Answer {
        self.operator.ask(Request::Ready).await
    }

    /// Locks after wrong passwords over HTTP that hold.
    pub fn locks_now(&self) -> usize {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner).list(self.world.now(), |_| String::new()).len()
    }

    /// The directory as it is now.
    async fn directory(&self) -> Result<Arc<Directory>, Problem> {
        let version = self.store.directory_version().await?;
        let known = Arc::clone(&self.directory.lock().unwrap_or_else(PoisonError::into_inner));
        if known.version() == version {
            return Ok(known);
        }
        let directory = Arc::new(self.store.load_directory().await?);
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&directory);
        Ok(directory)
    }

    /// Opens a session for whoever knows their password: a user of the company `key`, by extension or by
    /// the name that their phones log in with; without a company an operator or a reseller.
    pub async fn log_in(
        &self,
        key: Option<&str>,
        user: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<login::LoggedIn, Problem> {
        let directory = self.directory().await?;
        let company = key.and_then(|key| directory.company_by_key(key));
        let found = match (key, company) {
            (None, _) => self.store.staff_by_name(user).await?.map(|staff| Owner::Staff(staff.id)),
            (Some(_), None) => None,
            (Some(_), Some(company)) => directory
                .user_by_extension(company.id, user)
                .or_else(|| directory.user_by_auth(company.id, user))
                .map(|user| Owner::User(user.id)),
        };
        let key = key.unwrap_or_default();
        // Names of companies that are not there are counted as well, each for itself: nobody learns
        // which there are.
        let name = match company {
            Some(company) => LockName::new(company.id, user),
            None => LockName::new(CompanyId(0), &login::hash_of(&format!("{key}/{user}"))),
        };
        let from = LockSource::of(source);
        // One check at a time, and the lock is asked for when it is one's turn: many guesses at once
        // are no more than one after the other.
        let _place = self.waiting.try_acquire().map_err(|_| Problem::LockedOut { retry_s: 1 })?;
        let _turn = self.checks.acquire().await.map_err(|_| Problem::Internal)?;
        let locked = self.lockout.lock().unwrap_or_else(PoisonError::into_inner).locked(&name, from, self.world.now());
        if let Some(left) = locked {
            return Err(Problem::LockedOut { retry_s: left.0.div_ceil(1_000_000) });
        }
        let fits = login::check_password(&self.store, found, password).await?;
        let now = self.world.now();
        let Some(owner) = found.filter(|_| fits) else {
            let mut lockout = self.lockout.lock().unwrap_or_else(PoisonError::into_inner);
            for lock in lockout.failed(&name, from, now) {
                tracing::warn!(what = lock.what, seconds = lock.seconds, "locked out after wrong passwords over HTTP");
            }
            return Err(Problem::WrongPassword);
        };
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner).proven(&name, from, now);
        let random = &mut *self.world.random();
        let logged_in = login::open_session(&self.store, owner, source, self.world.wall(), random).await?;
        self.note_session(&directory, &logged_in.viewer, "session.open").await?;
        Ok(logged_in)
    }

    /// Whose session or token this is.
    /// `company`: key of the company that is asked of, where the request says it.
    pub async fn viewer(
        &self,
        secret: &str,
        company: Option<String>,
        source: IpAddr,
    ) -> Result<(Viewer, TokenKind), Problem> {
        let found = login::viewer_of(&self.store, secret, company, source, self.world.wall()).await?;
        found.ok_or(Problem::NotLoggedIn)
    }

    /// Answers what `viewer` asks.
    pub async fn answer(&self, viewer: &Viewer, ask: Ask) -> Result<Reply, Problem> {
        if let Some(permission) = ask.needs().filter(|permission| !viewer.scopes.allow(*permission)) {
            return Err(Problem::NoScope(permission.as_str()));
        }
        let directory = self.directory().await?;
        let staff = self.staff_of(viewer).await?;
        let person = match ask.is_of_a_company(staff.is_some()) {
            true => person(&directory, viewer, staff.as_ref())?,
            false => return self.answer_staff(&directory, viewer, staff.as_ref(), ask).await,
        };
        let company = person.company;
        match ask {
            Ask::Me => match person.actor {
                Actor::User(user) => self.me(&directory, company, user, viewer).await,
                Actor::Staff(staff) => Ok(Reply::StaffMe(self.staff_view(&directory, staff))),
            },
            Ask::LogOut => self.log_out(&directory, viewer).await,
            Ask::Staff(_) => Err(NO_PAGE),
            Ask::Insight(ask) => self.insight(&directory, &person, ask).await,
            Ask::Webhooks(ask) => self.webhook(&directory, &person, ask).await,
            Ask::Directory(ask) => self.of_directory(&directory, &person, ask).await,
            Ask::Calls(query) => self.calls(&directory, &person, &query).await,
            Ask::Call { call } => self.call(&directory, &person, call).await,
            Ask::Live => self.live(&directory, &person).await,
            Ask::Command { call, what } => self.command(&directory, &person, call, what).await,
            Ask::Recording { recording } => self.recording(&directory, &person, recording).await,
            Ask::Audio { recording, purpose } => self.audio(&directory, &person, recording, purpose).await,
            Ask::DeleteRecording { recording } => self.delete(&directory, &person, recording).await,
            Ask::Subscribers { number } => self.subscribers(&directory, &person, &number).await,
            Ask::Subscribe { number, extension } => {
                let (number, user) = subscription(&directory, &person, &number, &extension)?;
                self.store.subscribe(company.id, number.id, user.id, self.world.wall()).await?;
                self.note(&person, "subscription.add", format!("{} {}", number.e164, user.extension)).await?;
                Ok(Reply::Done)
            }
            Ask::Unsubscribe { number, extension, withdraw } => {
                let (number, user) = subscription(&directory, &person, &number, &extension)?;
                match withdraw {
                    true => self.store.withdraw(number.id, user.id).await?,
                    false => self.store.unsubscribe(number.id, user.id, self.world.wall()).await?,
                }
                let action = if withdraw { "subscription.withdraw" } else { "subscription.end" };
                self.note(&person, action, format!("{} {}", number.e164, user.extension)).await?;
                Ok(Reply::Done)
            }
            Ask::Tokens => {
                let rows = self.store.tokens_of(viewer.owner, self.world.wall()).await?;
                Ok(Reply::Tokens(rows.iter().map(TokenView::from).collect()))
            }
            Ask::NewToken { name, scopes, days } => self.new_token(&person, name, &scopes, days).await,
            Ask::RemoveToken { id } => match self.store.remove_token(viewer.owner, id).await? {
                true => {
                    self.note(&person, "token.remove", format!("token {id}")).await?;
                    self.operator.ask(Request::Wake).await;
                    Ok(Reply::Done)
                }
                false => Err(Problem::NotFound { what: "token" }),
            },
            Ask::AccessLog { after, limit } => {
                person.must_be_admin()?;
                let lines = self.store.access_log(company.id, after, limit.clamp(1, 1_000)).await?;
                Ok(Reply::AccessLog(lines.into_iter().map(AccessView::from).collect()))
            }
            Ask::Keeping(ask) => self.keeping(&directory, &person, ask).await.map(Reply::Keeping),
            Ask::Shared(ask) => self.shared(&directory, &person, ask).await,
            Ask::Texts(ask) => self.texts(&directory, &person, ask).await,
        }
    }

    async fn log_out(&self, directory: &Directory, viewer: &Viewer) -> Result<Reply, Problem> {
        self.store.remove_token(viewer.owner, viewer.token).await?;
        self.note_session(directory, viewer, "session.close").await?;
        self.operator.ask(Request::Wake).await;
        Ok(Reply::Done)
    }

    /// A line of the access log on a session that began or ended.
    async fn note_session(&self, directory: &Directory, viewer: &Viewer, action: &str) -> Result<(), Problem> {
        let (company, user, who) = match viewer.owner {
            Owner::User(id) => {
                let user = directory.user(id).ok_or(Problem::NotLoggedIn)?;
                (user.company, Some(id), format!("{} {}", user.extension, user.name))
            }
            Owner::Staff(id) => {
                let staff = self.store.staff(id).await?.ok_or(Problem::NotLoggedIn)?;
                (CompanyId(0), None, format!("{} {}", staff.kind.as_str(), staff.name))
            }
        };
        let (at, source) = (self.world.wall(), viewer.source.to_string());
        let (action, thing) = (action.to_owned(), format!("session {}", viewer.token));
        self.store.log_access(&Access { at, company, user, who, source, action, thing }).await?;
        Ok(())
    }

    async fn scope(&self, directory: &Directory, person: &Person<'_>) -> Result<Scope, Problem> {
        let user = match person.actor {
            Actor::User(user) => user,
            Actor::Staff(_) => return Ok(Scope::of_whole(person.company.id)),
        };
        let subscribed = self.store.subscriptions_of(user.id).await?;
        Ok(Scope::of(directory, person.company, user, subscribed))
    }

    async fn calls(&self, directory: &Directory, person: &Person<'_>, query: &CallQuery) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let limit = query.limit.clamp(1, CallQuery::MOST);
        let filter = filter(directory, person, query)?;
        // Whether a call was recorded is told to those who may play it.
        let asked = if filter.recorded.is_some() { &scope.playing() } else { &scope };
        let records = self.store.visible_calls(asked, &filter, limit + 1).await?;
        Ok(Reply::Calls(self.page_of(directory, person, &scope, records, limit).await?))
    }

    /// A page out of one call more than it has, with the recordings that the viewer can play.
    async fn page_of(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        scope: &Scope,
        mut records: Vec<CallRecord>,
        limit: u32,
    ) -> Result<CallPage, Problem> {
        let more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| more).map(|call| call.id);
        let ids: Vec<CallId> = records.iter().map(|call| call.id).collect();
        let recordings = self.store.recordings_of_calls(&ids).await?;
        let heard = self.store.heard_of(person.listener(), &ids).await?;
        let calls = records.iter().filter_map(|call| {
            let own: Vec<RecordingRecord> = recordings.iter().filter(|one| one.call == call.id).cloned().collect();
            let facts = facts(call, !own.is_empty());
            let mut item = CallItem::of(directory, scope, (call, &facts), &own)?;
            item.recordings.iter_mut().for_each(|recording| recording.played = heard.contains(&recording.id));
            Some(item)
        });
        Ok(CallPage { calls: calls.collect(), next })
    }

    async fn call(&self, directory: &Directory, person: &Person<'_>, id: CallId) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let (call, facts) = self.store.call_with_facts(id).await?.ok_or(NO_CALL)?;
        let recordings = self.store.recordings_of(id).await?;
        let mut item = CallItem::of(directory, &scope, (&call, &facts), &recordings).ok_or(NO_CALL)?;
        let heard = self.store.heard_of(person.listener(), &[id]).await?;
        item.recordings.iter_mut().for_each(|recording| recording.played = heard.contains(&recording.id));
        Ok(Reply::Call(Box::new(item)))
    }

    /// A recording that the viewer can play, with the rights to it.
    async fn playable(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: RecordingId,
    ) -> Result<(RecordingRecord, CallFacts, Scope), Problem> {
        let scope = self.scope(directory, person).await?;
        let (recording, facts) = self.store.recording_with_facts(id).await?.ok_or(NO_RECORDING)?;
        match scope.playable(&facts) {
            true => Ok((recording, facts, scope)),
            false => Err(NO_RECORDING),
        }
    }

    async fn recording(&self, directory: &Directory, person: &Person<'_>, id: RecordingId) -> Result<Reply, Problem> {
        let (recording, facts, scope) = self.playable(directory, person, id).await?;
        self.gone(&recording).await?;
        let heard = self.store.heard_by(id).await?;
        let played = heard.iter().any(|(user, _)| *user == person.listener());
        let heard = heard.into_iter().filter_map(|(user, at)| {
            let user = directory.user_ever(user)?;
            Some(HeardView { extension: user.extension.clone(), name: user.name.clone(), at: at.to_string() })
        });
        Ok(Reply::Recording(Box::new(RecordingView {
            item: RecordingItem { played, ..RecordingItem::of(&recording) },
            call: recording.call,
            rate: recording.rate,
            audio_sha256: recording.audio_sha256.clone(),
            // It may name folders.
            problem: if person.is_admin() { recording.problem.clone() } else { String::new() },
            markers: recording.sidecar.markers.clone(),
            can_download: scope.downloadable(&facts) && has_file(&recording),
            heard: heard.collect(),
        })))
    }

    /// A deleted recording answers that it is gone, to those who could see it.
    async fn gone(&self, recording: &RecordingRecord) -> Result<(), Problem> {
        match recording.state {
            RecordingState::Deleted => {
                let gone = self.store.gone(recording.id).await?;
                let (at, because) = gone.map_or((None, String::new()), |gone| (Some(gone.at), gone.because));
                Err(Problem::Gone { what: "recording", at, because })
            }
            RecordingState::Complete
            | RecordingState::Incomplete
            | RecordingState::Recovered
            | RecordingState::Failed
            | RecordingState::Missing => Ok(()),
        }
    }

    async fn audio(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: RecordingId,
        purpose: AudioUse,
    ) -> Result<Reply, Problem> {
        let (recording, facts, scope) = self.playable(directory, person, id).await?;
        self.gone(&recording).await?;
        let (action, name) = match purpose {
            AudioUse::Play => ("recording.play", None),
            AudioUse::Download if scope.downloadable(&facts) => {
                ("recording.download", Some(format!("{}.wav", recording.id)))
            }
            AudioUse::Download => return Err(Problem::Forbidden("you may listen to recordings, not fetch them")),
        };
        if !has_file(&recording) {
            return Err(Problem::NotFound { what: "audio of this recording" });
        }
        if self.is_first_of_a_while(person.viewer.token, id, purpose) {
            self.note(person, action, format!("recording {id}")).await?;
            if let Some(user) = person.user() {
                self.store.mark_heard(id, user.id, self.world.wall()).await?;
            }
        }
        Ok(Reply::Audio { path: self.recordings.join(&recording.path), name })
    }

    /// A player fetches a recording piece by piece: that is one listening, and one line of the log.
    fn is_first_of_a_while(&self, token: i64, recording: RecordingId, purpose: AudioUse) -> bool {
        let now = self.world.now();
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.retain(|_, last| now.since(*last) < WHILE);
        if fetched.len() >= FETCHES {
            // More listeners than are remembered: each piece is a line then, and none is lost.
            return true;
        }
        fetched.insert((token, recording, purpose), now).is_none()
    }

    async fn delete(&self, directory: &Directory, person: &Person<'_>, id: RecordingId) -> Result<Reply, Problem> {
        let (recording, _, _) = self.playable(directory, person, id).await?;
        self.gone(&recording).await?;
        person.must_be_admin()?;
        // What is logged may not have happened; what happened is always logged.
        self.note(person, "recording.delete", format!("recording {id}")).await?;
        let by = Some(keeping::who(person).name);
        done(self.operator.ask(Request::RecordingDelete { recording: id, by }).await)
    }

    /// Calls that are up and that the viewer sees.
    async fn live(&self, directory: &Directory, person: &Person<'_>) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let Answer::Calls { calls } = self.operator.ask(Request::CallsOf { company: person.company.id }).await else {
            return Err(Problem::Internal);
        };
        let items = calls.iter().filter_map(|call| LiveItem::of(directory, &scope, person.user(), call));
        Ok(Reply::Live(items.collect()))
    }

    /// What somebody does to a call that is up: they have to see it.
    async fn command(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        call: CallId,
        what: LiveCommand,
    ) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let Answer::Call { up: Some(up), .. } = self.operator.ask(Request::CallUp { call }).await else {
            return Err(NO_CALL);
        };
        let item = LiveItem::of(directory, &scope, person.user(), &up).ok_or(NO_CALL)?;
        if what == LiveCommand::HangUp && !item.can_end {
            return Err(Problem::Forbidden("only who is on the call, an admin or a supervisor ends it"));
        }
        let user = person.user().map(|user| user.id);
        let (action, request) = match (what, user) {
            (LiveCommand::Pause, Some(user)) => ("call.pause", Request::CallCommand { call, user, start: false }),
            (LiveCommand::Pause, None) => ("call.pause", Request::CallPause { call }),
            (LiveCommand::Record, Some(user)) => ("call.record", Request::CallCommand { call, user, start: true }),
            (LiveCommand::Record, None) => ("call.record", Request::CallResume { call }),
            (LiveCommand::HangUp, Some(user)) => ("call.hang_up", Request::CallEnd { call, user }),
            (LiveCommand::HangUp, None) => ("call.hang_up", Request::CallHangUp { call }),
        };
        self.note(person, action, format!("call {call}")).await?;
        tracing::info!(%call, company = %person.company.id, action, "an order over the API");
        done(self.operator.ask(request).await)
    }

    async fn subscribers(&self, directory: &Directory, person: &Person<'_>, e164: &str) -> Result<Reply, Problem> {
        person.must_be_admin()?;
        let number = number_of(directory, person.company, e164)?;
        let users = self.store.subscribers_of(number.id).await?;
        let extensions = users.into_iter().filter_map(|user| directory.user(user)).map(|user| user.extension.clone());
        Ok(Reply::Subscribers(extensions.collect()))
    }

    async fn new_token(
        &self,
        person: &Person<'_>,
        name: String,
        scopes: &[String],
        days: u32,
    ) -> Result<Reply, Problem> {
        let grant = self.make_token(person.viewer, name, scopes, days).await?;
        self.note(person, "token.add", format!("token {}", grant.row.id)).await?;
        Ok(Reply::NewToken(grant))
    }

    /// A token for whoever asks.
    async fn make_token(&self, viewer: &Viewer, name: String, scopes: &[String], days: u32) -> Result<Grant, Problem> {
        const DAYS: &str = "a number of days from 1 to 366";
        if !(1..=login::TOKEN_DAYS).contains(&days) {
            return Err(Problem::Invalid { key: "days", value: days.to_string(), expected: DAYS });
        }
        if name.is_empty() || name.chars().count() > 80 {
            return Err(Problem::Invalid { key: "name", value: name, expected: "1 to 80 characters" });
        }
        let scopes = scopes_of(scopes).map_err(|value| Problem::Invalid {
            key: "scopes",
            value,
            expected: "one of the scopes that GET /api/v1/openapi.json lists (NewToken)",
        })?;
        // A token cannot give away more than it has.
        let allowed = |scope: &String| Permission::parse(scope).is_some_and(|scope| viewer.scopes.allow(scope));
        if !scopes.iter().all(allowed) {
            return Err(Problem::Forbidden("a token cannot make one that may do more than itself"));
        }
        let now = self.world.wall();
        let expires = now.plus(Span::from_secs(u64::from(days) * 86_400));
        if viewer.ends.is_some_and(|ends| expires > ends) {
            return Err(Problem::Forbidden("a token cannot make one that outlives itself: give it fewer days"));
        }
        if self.store.tokens_of(viewer.owner, now).await?.len() >= login::TOKENS {
            let text = format!("you have {} tokens, which is as many as there may be: remove one", login::TOKENS);
            return Err(Problem::Conflict(text));
        }
        let random = &mut *self.world.random();
        login::grant(&self.store, TokenKind::Token, viewer.owner, &name, scopes, expires, now, random).await
    }

    /// The operator or reseller that asks; `None` where it is a user.
    async fn staff_of(&self, viewer: &Viewer) -> Result<Option<StaffRow>, Problem> {
        Ok(match viewer.owner {
            Owner::User(_) => None,
            Owner::Staff(id) => Some(self.store.staff(id).await?.ok_or(Problem::NotLoggedIn)?),
        })
    }

    /// What a viewer sees as the directory is.
    async fn scope_of(&self, directory: &Directory, viewer: &Viewer) -> Result<Scope, Problem> {
        let staff = self.staff_of(viewer).await?;
        self.scope(directory, &person(directory, viewer, staff.as_ref())?).await
    }

    async fn note(&self, person: &Person<'_>, action: &str, thing: String) -> Result<(), Problem> {
        let access = Access {
            at: self.world.wall(),
            company: person.company.id,
            user: person.user().map(|user| user.id),
            who: person.who(),
            source: person.viewer.source.to_string(),
            action: action.to_owned(),
            thing,
        };
        self.store.log_access(&access).await?;
        Ok(())
    }
}

/// Who asks, and of which company: their own, or the one that they name and have rights in. Any other
/// company is as one that does not exist.
fn person<'d>(
    directory: &'d Directory,
    viewer: &'d Viewer,
    staff: Option<&'d StaffRow>,
) -> Result<Person<'d>, Problem> {
    let named = viewer.company.as_deref();
    let (company, actor) = match (viewer.owner, staff) {
        (Owner::User(user), _) => {
            let user = directory.user(user).ok_or(Problem::NotLoggedIn)?;
            let company = directory.company(user.company).ok_or(Problem::NotLoggedIn)?;
            if named.is_some_and(|key| key != company.key) {
                return Err(NO_COMPANY);
            }
            (company, Actor::User(user))
        }
        (Owner::Staff(_), None) => return Err(Problem::NotLoggedIn),
        (Owner::Staff(_), Some(staff)) => {
            let company = directory.company_by_key(named.ok_or(Problem::NoCompany)?);
            (company.filter(|company| staff.administers(company.id)).ok_or(NO_COMPANY)?, Actor::Staff(staff))
        }
    };
    Ok(Person { company, actor, viewer })
}

/// What came of an order to the service.
fn done(answer: Answer) -> Result<Reply, Problem> {
    match answer {
        Answer::Done => Ok(Reply::Done),
        Answer::Refused { refusal } => Err(Problem::Refused(refusal)),
        Answer::Held { hold } => Err(Problem::Held(hold)),
        Answer::NotFound { .. } => Err(NO_CALL),
        other => {
            tracing::error!(answer = ?other, "an order of the API was not carried out");
            Err(Problem::Internal)
        }
    }
}

fn number_of<'d>(directory: &'d Directory, company: &Company, e164: &str) -> Result<&'d Number, Problem> {
    directory.number_by_e164(e164).filter(|number| number.company == company.id).ok_or(NO_NUMBER)
}

/// The number and the user of a subscription that the person may change.
fn subscription<'d>(
    directory: &'d Directory,
    person: &Person<'_>,
    e164: &str,
    extension: &str,
) -> Result<(&'d Number, &'d User), Problem> {
    person.must_be_admin()?;
    let number = number_of(directory, person.company, e164)?;
    let user = directory.user_by_extension(person.company.id, extension).ok_or(NO_USER)?;
    Ok((number, user))
}

/// What a query asks for, by ids. An admin is told of a name that nothing has; for others nothing
/// fits it, as nothing fits what they do not see.
fn filter(directory: &Directory, person: &Person<'_>, query: &CallQuery) -> Result<CallFilter, Problem> {
    let (company, viewer) = (person.company, person.listener());
    let CallQuery {
        before,
        limit: _,
        from,
        until,
        direction,
        number,
        inbox,
        group,
        user,
        recorded,
        missed,
        played,
        contact,
        text,
    } = query;
    // Who has listened is known of recordings only.
    let recorded = match (played, recorded) {
        (None, recorded) => *recorded,
        (Some(_), None | Some(true)) => Some(true),
        (Some(played), Some(false)) => {
            return Err(Problem::Invalid {
                key: "played",
                value: played.to_string(),
                expected: "only together with recorded=true, or without `recorded`",
            });
        }
    };
    let mut numbers: Option<BTreeSet<NumberId>> = None;
    let mut narrow = |more: BTreeSet<NumberId>| {
        numbers = Some(match numbers.take() {
            Some(numbers) => numbers.intersection(&more).copied().collect(),
            None => more,
        });
    };
    let named = |found: Result<BTreeSet<NumberId>, Problem>| match found {
        Err(_) if !person.is_admin() => Ok(BTreeSet::new()),
        found => found,
    };
    if let Some(e164) = number {
        narrow(named(number_of(directory, company, e164).map(|number| BTreeSet::from([number.id])))?);
    }
    if let Some(name) = inbox {
        let inbox = directory.inbox_by_name(company.id, name).ok_or(Problem::NotFound { what: "inbox" });
        narrow(named(inbox.map(|inbox| inbox.numbers.iter().copied().collect()))?);
    }
    if let Some(name) = group {
        let group = directory.group_by_name(company.id, name).ok_or(Problem::NotFound { what: "group" });
        let routed = |group: &Group| {
            let of_it = |number: &&Number| directory.reach_of(number).groups.contains(&group.id);
            directory.numbers_of(company.id).filter(of_it).map(|number| number.id).collect()
        };
        narrow(named(group.map(routed))?);
    }
    let user = match user {
        Some(extension) => Some(directory.user_ever_by_extension(company.id, extension).ok_or(NO_USER)?.id),
        None => None,
    };
    Ok(CallFilter {
        before: *before,
        from: *from,
        until: *until,
        direction: *direction,
        numbers: numbers.map(|numbers| numbers.into_iter().collect()),
        user,
        recorded,
        missed: *missed,
        heard: played.map(|played| (viewer, played)),
        contact: contact.clone(),
        text: text.clone(),
    })
}
