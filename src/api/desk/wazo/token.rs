//! Tokens of the compatible API: sessions that end when they say, with patterns.

use super::NO_USER;
use crate::api::desk::{Desk, NO_COMPANY};
use crate::api::wazo::{TokenAsk, TokenBody, grants_of, session_uuid};
use crate::api::{Problem, Scopes, login};
use crate::base::Span;
use crate::directory::{Directory, Role};
use crate::store::{Owner, TokenKind, TokenRow};
use crate::subscription::Asker;
use std::net::IpAddr;

impl Desk {
    /// A token for whoever knows their password. `name`: `EXTENSION@COMPANY`, with the key or a SIP domain of
    /// the company; the company can also be said beside it. Without one it is an operator or a reseller.
    pub async fn wazo_log_in(
        &self,
        name: &str,
        password: &str,
        ask: &TokenAsk,
        source: IpAddr,
    ) -> Result<TokenBody, Problem> {
        let directory = self.directory().await?;
        let (key, user) = self.login_of(&directory, name, ask).await?;
        let (directory, owner) = self.proven(key.as_deref(), &user, password, source).await?;
        let acl = match &ask.acl {
            Some(acl) => acl.clone(),
            None => grants_of(role_of(&directory, owner)),
        };
        let now = self.world.wall();
        let expires = now.plus(Span::from_secs(ask.expiration));
        let random = &mut *self.world.random();
        let logged_in = login::open_narrow_session(&self.store, owner, (acl, expires), source, now, random).await?;
        self.note_session(&directory, &logged_in.viewer, "session.open").await?;
        self.token_body(&directory, &logged_in.grant.secret, &logged_in.grant.row, source).await
    }

    /// A token by its secret. `scope`: what it must give; `tenant`: a company of which it must be.
    ///
    /// # Errors
    /// Not found: nobody's, or nobody's any more. Forbidden: it does not give that.
    pub async fn wazo_token(
        &self,
        secret: &str,
        (scope, tenant): (Option<&str>, Option<&str>),
        source: IpAddr,
    ) -> Result<TokenBody, Problem> {
        let no_token = Problem::NotFound { what: "token" };
        let row = self.store.token_by_hash(&login::hash_of(secret), self.world.wall()).await?.ok_or(no_token)?;
        let directory = self.directory().await?;
        let body = self.token_body(&directory, secret, &row, source).await?;
        let asker = Asker { user: &body.uuid, session: &session_uuid(row.id) };
        let scopes = match row.kind {
            TokenKind::Session if row.scopes.is_empty() => Scopes::All,
            TokenKind::Session | TokenKind::Token => Scopes::of(&row.scopes),
        };
        if scope.is_some_and(|scope| !scopes.access_any(&[scope], asker)) {
            return Err(Problem::Forbidden("the token does not give that"));
        }
        if let Some(tenant) = tenant
            && !self.is_of(&directory, row.owner, tenant).await?
        {
            return Err(Problem::Forbidden("the token is of no such tenant"));
        }
        Ok(body)
    }

    /// Ends a token, whoever knows its secret; one that is over already stays so.
    pub async fn wazo_log_out(&self, secret: &str, source: IpAddr) -> Result<(), Problem> {
        match login::viewer_of(&self.store, secret, None, source, self.world.wall()).await? {
            // Of a session and of a token it is the same.
            Some((viewer, _)) => {
                let directory = self.directory().await?;
                self.log_out(&directory, &viewer).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// Key of the company, and whom of it.
    async fn login_of(
        &self,
        directory: &Directory,
        name: &str,
        ask: &TokenAsk,
    ) -> Result<(Option<String>, String), Problem> {
        let by_domain = |domain: &str| directory.company_of_domain(domain).map(|company| company.key.clone());
        if let Some(tenant) = &ask.tenant {
            return Ok((Some(self.company_named(tenant).await?), name.to_owned()));
        }
        if let Some(domain) = &ask.domain {
            return Ok((Some(by_domain(domain).unwrap_or_else(|| domain.clone())), name.to_owned()));
        }
        Ok(match name.rsplit_once('@') {
            Some((user, company)) => {
                let key = directory.company_by_key(company).map(|company| company.key.clone());
                let key = key.or_else(|| by_domain(company)).unwrap_or_else(|| company.to_owned());
                (Some(key), user.to_owned())
            }
            None => (None, name.to_owned()),
        })
    }

    /// Whether the owner has rights in that company.
    async fn is_of(&self, directory: &Directory, owner: Owner, tenant: &str) -> Result<bool, Problem> {
        let key = self.company_named(tenant).await?;
        let Some(company) = directory.company_by_key(&key) else { return Ok(false) };
        Ok(match owner {
            Owner::User(user) => directory.user(user).is_some_and(|user| user.company == company.id),
            Owner::Staff(staff) => self.store.staff(staff).await?.is_some_and(|staff| staff.administers(company.id)),
        })
    }

    async fn token_body(
        &self,
        directory: &Directory,
        secret: &str,
        row: &TokenRow,
        source: IpAddr,
    ) -> Result<TokenBody, Problem> {
        let (uuid, company_uuid, name) = match row.owner {
            Owner::User(id) => {
                let user = directory.user(id).ok_or(NO_USER)?;
                let uuid = self.store.user_uuid(id).await?.ok_or(NO_USER)?;
                let company = directory.company(user.company).ok_or(NO_COMPANY)?;
                let name = format!("{}@{}", user.extension, company.key);
                (uuid, self.store.company_uuid(company.id).await?, name)
            }
            Owner::Staff(id) => {
                let staff = self.store.staff(id).await?.ok_or(NO_USER)?;
                (crate::api::wazo::uuid_named("staff", id.0), None, staff.name)
            }
        };
        let role = role_of(directory, row.owner);
        let acl = match (row.kind, row.scopes.is_empty()) {
            (TokenKind::Session, true) => grants_of(role),
            (TokenKind::Session | TokenKind::Token, _) => match Scopes::of(&row.scopes) {
                Scopes::All => grants_of(role),
                Scopes::Only(granted) => granted.patterns.texts().to_vec(),
            },
        };
        Ok(TokenBody {
            token: secret.to_owned(),
            id: row.id,
            uuid,
            is_user: matches!(row.owner, Owner::User(_)),
            company_uuid,
            name,
            is_admin: matches!(role, Some(Role::Admin) | None),
            acl,
            created: row.created,
            expires: row.expires,
            source: source.to_string(),
        })
    }
}

/// The role of a user; whoever stands above the companies has none.
fn role_of(directory: &Directory, owner: Owner) -> Option<Role> {
    match owner {
        Owner::User(user) => Some(directory.user(user).map_or(Role::Agent, |user| user.role)),
        Owner::Staff(_) => None,
    }
}
