//! Log-ins: who comes in, and passwords that are proven. Guessing is slowed down as over SIP.

use super::Desk;
use crate::api::{LoggedIn, Problem, Reply, Request, Viewer, login};
use crate::base::CompanyId;
use crate::call::{LockName, LockSource};
use crate::directory::Directory;
use crate::store::{By, Owner, TokenKind};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::SemaphorePermit;

/// One's turn to have a password checked or hashed, which takes tens of ms of a core and 19 MiB: one at
/// a time, and few wait for it. It ends when this is dropped.
pub(super) struct Turn<'d> {
    _place: SemaphorePermit<'d>,
    _turn: SemaphorePermit<'d>,
}

/// The name of an operator or a reseller, as guesses are counted.
pub(super) fn staff_lock(name: &str) -> LockName {
    LockName::new(CompanyId(0), name)
}

impl Desk {
    /// Waits for one's turn; where too many wait already one is asked to come back.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Problem> {
        let place = self.waiting.try_acquire().map_err(|_| Problem::LockedOut { retry_s: 1 })?;
        let turn = self.checks.acquire().await.map_err(|_| Problem::Internal)?;
        Ok(Turn { _place: place, _turn: turn })
    }

    /// Whether the password is right. A wrong one counts towards the lock-out of `name` at that address.
    /// The lock is asked for when it is one's turn: many guesses at once are no more than one after the
    /// other.
    pub(super) async fn proves(
        &self,
        _turn: &Turn<'_>,
        (name, source): (&LockName, IpAddr),
        owner: Option<Owner>,
        password: &str,
    ) -> Result<bool, Problem> {
        let from = LockSource::of(source);
        self.locks.pass(name, from, self.world.now())?;
        let fits = login::check_password(&self.store, owner, password).await?;
        let now = self.world.now();
        match fits {
            true => self.locks.proven(name, from, now),
            false => self.locks.failed(name, from, now),
        }
        Ok(fits)
    }

    /// Whoever changes their own password proves the present one: a session may have been left open.
    pub(super) async fn proves_present(
        &self,
        turn: &Turn<'_>,
        name: &LockName,
        viewer: &Viewer,
        present: &str,
    ) -> Result<(), Problem> {
        match self.proves(turn, (name, viewer.source), Some(viewer.owner), present).await? {
            true => Ok(()),
            false => {
                let expected = "your present password";
                Err(Problem::Invalid { key: "present", value: "…".to_owned(), expected })
            }
        }
    }

    /// Opens a session for whoever knows their password: a user of the company `key`, by extension or by
    /// the name that their phones log in with; without a company an operator or a reseller.
    pub async fn log_in(
        &self,
        key: Option<&str>,
        user: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<LoggedIn, Problem> {
        let (directory, owner) = self.proven(key, user, password, source).await?;
        let random = &mut *self.world.random();
        let logged_in = login::open_session(&self.store, owner, source, self.world.wall(), random).await?;
        self.note_session(&directory, &logged_in.viewer, "session.open").await?;
        Ok(logged_in)
    }

    /// Who it is that knows the password.
    pub(super) async fn proven(
        &self,
        key: Option<&str>,
        user: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<(Arc<Directory>, Owner), Problem> {
        let directory = self.directory().await?;
        // Keys are in small letters; people write names.
        let company = key.and_then(|key| directory.company_by_key(&key.trim().to_lowercase()));
        let found = match (key, company) {
            (None, _) => self.store.staff_by_name(user).await?.map(|staff| Owner::Staff(staff.id)),
            (Some(_), None) => None,
            (Some(_), Some(company)) => directory
                .user_by_extension(company.id, user)
                .or_else(|| directory.user_by_auth(company.id, user))
                .map(|user| Owner::User(user.id)),
        };
        // Names of companies that are not there are counted as well, each for itself: nobody learns
        // which there are.
        let name = match (key, company) {
            (_, Some(company)) => LockName::new(company.id, user),
            (Some(key), None) => LockName::new(CompanyId(0), &format!("{key}/{user}")),
            (None, None) => staff_lock(user),
        };
        let turn = self.turn().await?;
        let fits = self.proves(&turn, (&name, source), found, password).await?;
        drop(turn);
        let owner = found.filter(|_| fits).ok_or(Problem::WrongPassword)?;
        Ok((directory, owner))
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

    pub(super) async fn log_out(&self, directory: &Directory, viewer: &Viewer) -> Result<Reply, Problem> {
        self.store.remove_token(viewer.owner, viewer.token).await?;
        self.note_session(directory, viewer, "session.close").await?;
        self.operator.ask(Request::Wake).await;
        Ok(Reply::Done)
    }

    /// A line of the access log on a session that began or ended.
    pub(super) async fn note_session(
        &self,
        directory: &Directory,
        viewer: &Viewer,
        action: &str,
    ) -> Result<(), Problem> {
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
        let by = By { at: self.world.wall(), user, who, source: viewer.source.to_string(), keeps: None };
        self.store.log_access(&by.access(company, action, format!("session {}", viewer.token))).await?;
        Ok(())
    }
}
