//! The one place where the rules of access are applied.
//!
//! For each request the directory and the viewer's subscriptions are read as they are then, and a
//! [`Scope`] is made of them: a change of a setting or of a membership acts on the next request,
//! and on the next event of a stream that is open. What a viewer may not see is answered like what
//! does not exist, by the same code.

mod calls;
mod contacts;
mod devices;
mod directory;
mod events;
mod exports;
mod filter;
mod insight;
mod keeping;
mod levels;
mod listening;
mod locks;
mod notes;
mod notices;
mod peaks;
mod provisioning;
mod recordings;
mod session;
mod shared;
mod staff;
mod subscriptions;
mod texts;
mod tokens;
mod trying;
mod voicemail;
mod wazo;
mod webhooks;

pub use events::{EventStream, News, Over, Shown, Which};
pub use levels::{LevelStream, Loudness};

pub use voicemail::sweep as sweep_files;

pub use contacts::{Eraser, erased_name, erased_told};
pub use exports::{ExportSettings, OPERATORS, check_names};

use super::provisioning::{Links, ProvisioningSettings};
use super::trunks::TrunkStateView;
use super::{AccessList, Answer, Ask, LogInLocks, Problem, Reply, Request, Viewer};
use crate::base::{CallId, CompanyId, Random, Time, UserId, Wall};
use crate::directory::{Company, Directory, Number, Role, User};
use crate::notify::Guard;
use crate::store::{By, Owner, StaffRow, Store, SubscriptionChange};
use crate::subscription::{MessageScope, Scope, knows_names};
use events::Lanes;
use listening::Listenings;
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

/// What only the service can do: with files, and with calls that are up.
pub trait Operator: Send + Sync {
    fn ask(&self, request: Request) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;

    /// How loud the parties of these calls, which are sorted, were in the last window of 200 ms that is over
    /// ([`LevelsView::WINDOW`](super::LevelsView::WINDOW)), the caller first: RMS in dBFS. They are measured from now
    /// on, until nobody has asked for a second or two.
    fn levels(&self, calls: &[CallId]) -> Vec<[Option<f32>; 2]>;
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
    /// Of log-ins.
    locks: LogInLocks,
    checks: Semaphore,
    waiting: Semaphore,
    /// Where hooks may lead.
    guard: Guard,
    /// What open streams of events share.
    lanes: Lanes,
    /// Calls that are up, for those who watch them.
    up: levels::Up,
    listenings: Mutex<Listenings>,
    /// Peaks are made one after the other.
    peaking: Arc<Semaphore>,
    exports: exports::Exports,
    provisioning: ProvisioningSettings,
    /// Links that set softphones up.
    links: Links,
}

/// Who asks, as they are now, and of which company.
struct Person<'d> {
    company: &'d Company,
    actor: Actor<'d>,
    viewer: &'d Viewer,
}

/// Who does something, for the access log.
struct Doer {
    /// Whose log it is; 0 of what is of no one company.
    company: CompanyId,
    by: By,
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

    /// Whether a group or an inbox with these members is theirs to know by name.
    fn knows(&self, members: &[UserId]) -> bool {
        match self.actor {
            Actor::User(user) => knows_names(self.company, user) || members.contains(&user.id),
            Actor::Staff(_) => true,
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
        (exports, provisioning): (ExportSettings, ProvisioningSettings),
        guard: Guard,
        locks: LogInLocks,
        world: Box<dyn World>,
        operator: Box<dyn Operator>,
    ) -> Self {
        let (checks, waiting) = (Semaphore::new(CHECKS), Semaphore::new(WAITING));
        Desk {
            store,
            recordings,
            world,
            operator,
            directory: Mutex::default(),
            locks,
            checks,
            waiting,
            guard,
            lanes: Lanes::default(),
            up: levels::Up::default(),
            listenings: Mutex::default(),
            peaking: Arc::new(Semaphore::new(1)),
            exports: exports::Exports::new(exports),
            provisioning,
            links: Links::default(),
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

    /// Answers what `viewer` asks.
    pub async fn answer(&self, viewer: &Viewer, ask: Ask) -> Result<Reply, Problem> {
        if let Some(permission) = ask.needs().filter(|permission| !viewer.scopes.allow(*permission)) {
            return Err(Problem::NoScope(permission.as_str()));
        }
        let directory = self.directory().await?;
        let staff = self.staff_of(viewer).await?;
        let person = match ask.is_of_a_company(staff.is_some(), viewer.company.is_some()) {
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
            Ask::Notes(ask) => self.notes(&directory, &person, ask).await,
            Ask::Notices(ask) => self.notice(&directory, &person, ask).await,
            Ask::Wazo(ask) => self.wazo(&directory, &person, ask).await.map(Reply::Wazo),
            Ask::Webhooks(ask) => self.webhook(&directory, &person, ask).await,
            Ask::Directory(ask) => self.of_directory(&directory, &person, ask).await,
            Ask::Provision(ask) => Ok(Reply::Provision(Box::new(self.provision(&directory, &person, *ask).await?))),
            Ask::TryFlow(ask) => Ok(Reply::TryFlow(Box::new(self.try_call_flow(&person, *ask).await?))),
            Ask::Calls(query) => self.calls(&directory, &person, &query).await,
            Ask::Call { call } => self.call(&directory, &person, call).await,
            Ask::Live { inbox } => self.live(&directory, &person, inbox.as_deref()).await,
            Ask::Command { call, what } => self.command(&directory, &person, call, what).await,
            Ask::Recording { recording } => self.recording(&directory, &person, recording).await,
            Ask::Audio { recording, purpose } => self.audio(&directory, &person, recording, purpose).await,
            Ask::DeleteRecording { recording } => self.delete(&directory, &person, recording).await,
            Ask::Subscribers { number } => self.subscribers(&directory, &person, &number).await,
            Ask::Subscribe { number, extension } => {
                let of = (number.as_str(), extension.as_str());
                self.change_subscription(&directory, &person, of, SubscriptionChange::Add).await
            }
            Ask::Unsubscribe { number, extension, withdraw } => {
                let of = (number.as_str(), extension.as_str());
                let change = if withdraw { SubscriptionChange::Withdraw } else { SubscriptionChange::End };
                self.change_subscription(&directory, &person, of, change).await
            }
            Ask::Tokens(ask) => self.tokens(viewer, &self.doer(&person), ask).await,
            Ask::AccessLog { filter, limit } => {
                person.must_be_admin()?;
                let limit = limit.clamp(1, 1_000);
                let lines = self.store.access_lines(company.id, &filter, limit).await?;
                Ok(Reply::AccessLog(AccessList::of(lines, limit)))
            }
            Ask::TrunkState { name } => {
                person.must_be_admin()?;
                self.trunk_state(&directory, company, &name).await
            }
            Ask::Devices(ask) => self.devices(&directory, &person, ask).await,
            Ask::Lockouts(ask) => {
                person.must_be_admin()?;
                self.lockouts(&self.doer(&person), Some(company.id), ask).await
            }
            Ask::Keeping(ask) => self.keeping(&directory, &person, ask).await.map(Reply::Keeping),
            Ask::Shared(ask) => self.shared(&directory, &person, ask).await,
            Ask::Texts(ask) => self.texts(&directory, &person, ask).await,
            Ask::Voicemail(ask) => self.voicemail(&directory, &person, ask).await,
        }
    }

    async fn trunk_state(&self, directory: &Directory, company: &Company, name: &str) -> Result<Reply, Problem> {
        let nothing = Problem::NotFound { what: "trunk" };
        let there = directory.trunks_of(company.id).any(|trunk| trunk.name == name);
        if !there {
            return Err(nothing);
        }
        match self.operator.ask(Request::TrunkShow { name: format!("{}/{name}", company.key) }).await {
            Answer::Trunk { trunk } => Ok(Reply::TrunkState(Box::new(TrunkStateView::from(*trunk)))),
            // It was added a moment ago.
            Answer::NotFound { .. } => Err(nothing),
            _ => Err(Problem::Internal),
        }
    }

    async fn scope(&self, directory: &Directory, person: &Person<'_>) -> Result<Scope, Problem> {
        let user = match person.actor {
            Actor::User(user) => user,
            Actor::Staff(_) => return Ok(Scope::of_whole(person.company.id)),
        };
        let subscribed = self.store.subscriptions_of(user.id).await?;
        Ok(Scope::of(directory, person.company, user, subscribed))
    }

    /// The operator or reseller that asks; `None` where it is a user.
    async fn staff_of(&self, viewer: &Viewer) -> Result<Option<StaffRow>, Problem> {
        Ok(match viewer.owner {
            Owner::User(_) => None,
            Owner::Staff(id) => Some(self.store.staff(id).await?.ok_or(Problem::NotLoggedIn)?),
        })
    }

    /// The messages that somebody finds among their own.
    async fn message_scope(&self, directory: &Directory, person: &Person<'_>) -> Result<MessageScope, Problem> {
        match person.actor {
            Actor::User(user) => {
                let subscribed = self.store.box_subscriptions_of(user.id).await?;
                Ok(MessageScope::of(directory, user, subscribed))
            }
            Actor::Staff(_) => Ok(MessageScope::of_staff(directory, person.company.id)),
        }
    }

    /// Who carries out what `person` asks.
    fn by(&self, person: &Person<'_>) -> By {
        By {
            at: self.world.wall(),
            user: person.user().map(|user| user.id),
            who: person.who(),
            source: person.viewer.source.to_string(),
            keeps: Some(person.viewer.token),
        }
    }

    fn doer(&self, person: &Person<'_>) -> Doer {
        Doer { company: person.company.id, by: self.by(person) }
    }

    /// A line of the access log.
    async fn log(&self, doer: &Doer, action: &str, thing: String) -> Result<(), Problem> {
        self.store.log_access(&doer.by.access(doer.company, action, thing)).await?;
        Ok(())
    }

    async fn note(&self, person: &Person<'_>, action: &str, thing: String) -> Result<(), Problem> {
        self.log(&self.doer(person), action, thing).await
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
