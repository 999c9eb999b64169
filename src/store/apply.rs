//! Carrying out a plan: all of it in one transaction, or nothing.

use super::{Access, Store, StoreError, box_rights, facilities, journal, shared};
use crate::base::{CompanyId, Random, UserId, Wall};
use crate::directory::file::{RouteTo, Secret};
use crate::directory::plan::{
    Change, CompanyState, Drawn, Hashes, NewPassword, Note, NumberState, Plan, TrunkState, UserState,
};
use crate::directory::{LoginSecret, NoticeTo};
use sqlx::SqliteConnection;

/// What carrying out a plan left.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// The directory's version afterwards.
    pub version: i64,
    /// To be shown once: nothing that is stored gives them back.
    pub generated: Vec<GeneratedPassword>,
    /// Messages that went with their boxes.
    pub messages_gone: u64,
}

/// A password that the service made.
#[derive(Debug, PartialEq, Eq)]
pub struct GeneratedPassword {
    pub company: String,
    pub extension: String,
    pub auth_name: String,
    pub password: Secret,
}

/// Who carries a plan out, and when: for the access log, and for what ends or begins by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    pub at: Wall,
    /// `None`: the operator.
    pub user: Option<UserId>,
    pub who: String,
    pub source: String,
    /// The session or token that this is done with: it outlives a change of its own user's password.
    pub keeps: Option<i64>,
}

impl By {
    /// A line of the access log on what they did.
    pub fn access(&self, company: CompanyId, action: &str, thing: String) -> Access {
        let By { at, user, who, source, keeps: _ } = self.clone();
        Access { at, company, user, who, source, action: action.to_owned(), thing }
    }
}

impl Store {
    /// Carries out `plan`, or changes nothing: a plan that was made for another version of
    /// the directory is refused. Nothing is written to the access log; where rights end or move,
    /// [`Store::apply_by`] has to be told when.
    pub async fn apply(&self, plan: &Plan, random: &mut (dyn Random + Send)) -> Result<Applied, StoreError> {
        self.carry_out(plan, None, random).await
    }

    /// The same, with a line of the access log for each change.
    pub async fn apply_by(
        &self,
        plan: &Plan,
        by: &By,
        random: &mut (dyn Random + Send),
    ) -> Result<Applied, StoreError> {
        self.carry_out(plan, Some(by), random).await
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        by: Option<&By>,
        random: &mut (dyn Random + Send),
    ) -> Result<Applied, StoreError> {
        if plan.is_empty() {
            return Ok(Applied { version: plan.version, generated: Vec::new(), messages_gone: 0 });
        }
        let drawn: Vec<Option<Drawn>> = plan
            .changes
            .iter()
            .map(|change| {
                user_of(change).and_then(|(_, password)| password).map(|password| password.draw(&mut *random))
            })
            .collect();
        let generated = plan.changes.iter().zip(&drawn).filter_map(|(change, drawn)| generated(change, drawn.as_ref()));
        let generated = generated.collect();
        let hashes = hash(drawn).await?;
        let mut transaction = self.write().await?;
        take_version(&mut transaction, plan.version).await?;
        let boxes = match box_rights::concerns(plan) {
            true => Some(box_rights::before(&mut transaction).await?),
            false => None,
        };
        for change in &plan.changes {
            end_rights(&mut transaction, change, by.map(|by| by.at)).await?;
            free_names(&mut transaction, change).await?;
        }
        for (change, hashes) in plan.changes.iter().zip(&hashes) {
            rows(&mut transaction, change, hashes.as_ref(), by).await?;
        }
        for change in &plan.changes {
            references(&mut transaction, change).await?;
            added_deactivated(&mut transaction, change, by.map(|by| by.at)).await?;
            if let Some(by) = by {
                note(&mut transaction, change, by).await?;
            }
        }
        shared::settle(&mut transaction, &plan.changes, by.map(|by| by.at)).await?;
        let messages_gone = match boxes {
            Some(before) => box_rights::follow(&mut transaction, before, plan, by).await?,
            None => 0,
        };
        transaction.commit().await?;
        Ok(Applied { version: plan.version + 1, generated, messages_gone })
    }
}

/// The user that a change makes or changes, with the new password.
fn user_of(change: &Change) -> Option<(&UserState, Option<&NewPassword>)> {
    match change {
        Change::AddUser { to, password } => Some((to, Some(password))),
        Change::ChangeUser { from: _, to, password } => Some((to, password.as_ref())),
        Change::HandOver { .. }
        | Change::RemoveUser { .. }
        | Change::RemoveNumber { .. }
        | Change::RemoveTrunk { .. }
        | Change::RemoveFacility { .. }
        | Change::AddCompany { .. }
        | Change::ChangeCompany { .. }
        | Change::AddNumber { .. }
        | Change::ChangeNumber { .. }
        | Change::AddTrunk { .. }
        | Change::ChangeTrunk { .. }
        | Change::AddFacility { .. }
        | Change::ChangeFacility { .. } => None,
    }
}

fn generated(change: &Change, drawn: Option<&Drawn>) -> Option<GeneratedPassword> {
    let (user, _) = user_of(change)?;
    Some(GeneratedPassword {
        company: user.company.clone(),
        extension: user.extension.clone(),
        auth_name: user.auth_name.clone(),
        password: drawn?.generated()?.clone(),
    })
}

/// Argon2 takes tens of ms for each on purpose: not on a thread that answers others, and not
/// while the database is locked.
async fn hash(drawn: Vec<Option<Drawn>>) -> Result<Vec<Option<Hashes>>, StoreError> {
    let hashing = move || drawn.iter().map(|drawn| drawn.as_ref().map(Drawn::hash).transpose()).collect();
    let hashes: Result<Vec<Option<Hashes>>, _> =
        tokio::task::spawn_blocking(hashing).await.map_err(|error| StoreError::Task(error.to_string()))?;
    Ok(hashes?)
}

/// Two plans for the same version cannot both be carried out.
async fn take_version(connection: &mut SqliteConnection, version: i64) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE directory_version SET version = version + 1 WHERE version = $1").bind(version);
    match query.execute(connection).await?.rows_affected() {
        0 => Err(StoreError::Stale(version)),
        _ => Ok(()),
    }
}

/// Rights that end with a change, or go to others.
async fn end_rights(connection: &mut SqliteConnection, change: &Change, at: Option<Wall>) -> Result<(), StoreError> {
    match change {
        Change::HandOver { company, from, to } => {
            let at = at.ok_or(StoreError::Unsigned)?;
            let Some(from) = user_id(connection, company, from).await? else { return Ok(()) };
            for heir in to {
                let Some(heir) = user_id(connection, company, heir).await? else { continue };
                let query = sqlx::query(
                    "INSERT INTO number_subscriptions (company_id, number_id, user_id, since)
                     SELECT company_id, number_id, $2, $3 FROM number_subscriptions
                     WHERE user_id = $1 AND until IS NULL
                     ON CONFLICT DO NOTHING",
                );
                query.bind(from).bind(heir).bind(at.unix_micros()).execute(&mut *connection).await?;
                let query = sqlx::query(
                    "INSERT INTO box_subscriptions (company_id, box_id, user_id, since)
                     SELECT company_id, box_id, $2, $3 FROM box_subscriptions WHERE user_id = $1 AND until IS NULL
                     ON CONFLICT DO NOTHING",
                );
                query.bind(from).bind(heir).bind(at.unix_micros()).execute(&mut *connection).await?;
            }
            end_subscriptions(connection, from, at).await
        }
        Change::ChangeUser { from, to, .. } if from.deactivated != to.deactivated => {
            let at = at.ok_or(StoreError::Unsigned)?;
            let Some(id) = user_id(connection, &to.company, &to.extension).await? else { return Ok(()) };
            let since = to.deactivated.then(|| at.unix_micros());
            let query = sqlx::query("UPDATE users SET deactivated = $2 WHERE id = $1").bind(id).bind(since);
            query.execute(&mut *connection).await?;
            end_subscriptions(connection, id, at).await?;
            for sql in [
                "DELETE FROM tokens WHERE user_id = $1",
                "DELETE FROM bindings WHERE user_id = $1",
                "DELETE FROM push_subscriptions WHERE user_id = $1",
            ] {
                sqlx::query(sql).bind(id).execute(&mut *connection).await?;
            }
            Ok(())
        }
        Change::RemoveUser { company, extension, name: _ } => {
            match (user_id(connection, company, extension).await?, at) {
                (Some(id), Some(at)) => end_subscriptions(connection, id, at).await,
                (Some(_) | None, _) => Ok(()),
            }
        }
        Change::ChangeUser { .. }
        | Change::RemoveNumber { .. }
        | Change::RemoveTrunk { .. }
        | Change::RemoveFacility { .. }
        | Change::AddCompany { .. }
        | Change::ChangeCompany { .. }
        | Change::AddUser { .. }
        | Change::AddNumber { .. }
        | Change::ChangeNumber { .. }
        | Change::AddTrunk { .. }
        | Change::ChangeTrunk { .. }
        | Change::AddFacility { .. }
        | Change::ChangeFacility { .. } => Ok(()),
    }
}

/// A user who comes as one that is deactivated, as in the file of another service.
async fn added_deactivated(
    connection: &mut SqliteConnection,
    change: &Change,
    at: Option<Wall>,
) -> Result<(), StoreError> {
    let Change::AddUser { to, .. } = change else { return Ok(()) };
    if !to.deactivated {
        return Ok(());
    }
    let at = at.ok_or(StoreError::Unsigned)?;
    let id = user_id(connection, &to.company, &to.extension).await?;
    let query = sqlx::query("UPDATE users SET deactivated = $2 WHERE id = $1").bind(id).bind(at.unix_micros());
    query.execute(connection).await?;
    Ok(())
}

pub(super) async fn user_id(
    connection: &mut SqliteConnection,
    company: &str,
    extension: &str,
) -> Result<Option<i64>, StoreError> {
    let query = sqlx::query_scalar(
        "SELECT id FROM users WHERE extension = $2 AND company_id = (SELECT id FROM companies WHERE key = $1)",
    );
    Ok(query.bind(company).bind(extension).fetch_optional(connection).await?)
}

async fn end_subscriptions(connection: &mut SqliteConnection, user: i64, at: Wall) -> Result<(), StoreError> {
    for sql in [
        "UPDATE number_subscriptions SET until = $2 WHERE user_id = $1 AND until IS NULL",
        "UPDATE box_subscriptions SET until = $2 WHERE user_id = $1 AND until IS NULL",
    ] {
        sqlx::query(sql).bind(user).bind(at.unix_micros()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The line of the access log.
async fn note(connection: &mut SqliteConnection, change: &Change, by: &By) -> Result<(), StoreError> {
    let Note { company, action, thing } = change.note();
    let query = sqlx::query_scalar("SELECT id FROM companies WHERE key = $1").bind(company);
    let company = CompanyId(query.fetch_one(&mut *connection).await?);
    journal::append(connection, &by.access(company, &action, thing)).await?;
    Ok(())
}

/// Gives up the unique names that a later change of the same plan may take over.
async fn free_names(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::ChangeUser { from, to, .. } if from.auth_name != to.auth_name => {
            // No digest user name contains a `#`.
            let query = sqlx::query(
                "UPDATE users SET auth_name = '#' || id
                 WHERE extension = $2 AND company_id = (SELECT id FROM companies WHERE key = $1)",
            );
            query.bind(&to.company).bind(&to.extension).execute(connection).await?;
        }
        Change::ChangeCompany { to, .. } => {
            let query = sqlx::query("DELETE FROM domains WHERE company_id = (SELECT id FROM companies WHERE key = $1)");
            query.bind(&to.key).execute(connection).await?;
        }
        Change::RemoveUser { company, extension, .. } => {
            remove(connection, "DELETE FROM users WHERE extension = $2 AND company_id = $1", company, extension)
                .await?;
        }
        Change::RemoveNumber { company, e164 } => {
            remove(connection, "DELETE FROM numbers WHERE e164 = $2 AND company_id = $1", company, e164).await?;
        }
        Change::RemoveTrunk { company, name } => {
            remove(connection, "DELETE FROM trunks WHERE name = $2 AND company_id = $1", company, name).await?;
        }
        Change::RemoveFacility { company, kind, name } => {
            let gone = facilities::remove(connection, company, *kind, name).await?;
            one(gone, || format!("{kind} {name} of {company}"))?;
        }
        Change::HandOver { .. }
        | Change::ChangeUser { .. }
        | Change::AddCompany { .. }
        | Change::AddUser { .. }
        | Change::AddNumber { .. }
        | Change::ChangeNumber { .. }
        | Change::AddTrunk { .. }
        | Change::ChangeTrunk { .. }
        | Change::AddFacility { .. }
        | Change::ChangeFacility { .. } => {}
    }
    Ok(())
}

/// Takes away the row of a company that `sql` finds by the company's id and the row's name.
async fn remove(
    connection: &mut SqliteConnection,
    sql: &'static str,
    company: &str,
    name: &str,
) -> Result<(), StoreError> {
    let id: Option<i64> = sqlx::query_scalar("SELECT id FROM companies WHERE key = $1")
        .bind(company)
        .fetch_optional(&mut *connection)
        .await?;
    let done = sqlx::query(sql).bind(id).bind(name).execute(connection).await?;
    one(done.rows_affected(), || format!("{name} of {company}"))
}

fn one(rows: u64, what: impl FnOnce() -> String) -> Result<(), StoreError> {
    match rows {
        0 => Err(StoreError::Gone(what())),
        _ => Ok(()),
    }
}

/// The rows themselves, without what refers to rows that may come later.
async fn rows(
    connection: &mut SqliteConnection,
    change: &Change,
    hashes: Option<&Hashes>,
    by: Option<&By>,
) -> Result<(), StoreError> {
    match change {
        // Done already: see `end_rights`.
        Change::HandOver { .. } => Ok(()),
        // Gone already: see `free_names`.
        Change::RemoveUser { .. }
        | Change::RemoveNumber { .. }
        | Change::RemoveTrunk { .. }
        | Change::RemoveFacility { .. } => Ok(()),
        Change::AddCompany { to } | Change::ChangeCompany { from: _, to } => company(connection, to).await,
        Change::AddUser { to, password: _ } | Change::ChangeUser { from: _, to, password: _ } => {
            user(connection, to).await?;
            match hashes {
                Some(hashes) => password(connection, to, hashes, by.and_then(|by| by.keeps)).await,
                None => Ok(()),
            }
        }
        Change::AddNumber { to } | Change::ChangeNumber { from: _, to } => number(connection, to).await,
        Change::AddTrunk { to } | Change::ChangeTrunk { from: _, to } => trunk(connection, to).await,
        Change::AddFacility { to } | Change::ChangeFacility { from: _, to } => facilities::write(connection, to).await,
    }
}

async fn company(connection: &mut SqliteConnection, to: &CompanyState) -> Result<(), StoreError> {
    let CompanyState { key, name, domains, realm, default_number: _, settings } = to;
    // The realm of a company that is there stays: the passwords depend on it.
    let query = sqlx::query(
        "INSERT INTO companies (key, name, realm, settings) VALUES ($1, $2, $3, $4)
         ON CONFLICT (key) DO UPDATE SET name = excluded.name, settings = excluded.settings",
    );
    let settings = serde_json::to_string(settings)?;
    query.bind(key).bind(name).bind(realm).bind(settings).execute(&mut *connection).await?;
    for (position, domain) in (0_i64..).zip(domains) {
        let query = sqlx::query(
            "INSERT INTO domains (domain, company_id, position)
             VALUES ($1, (SELECT id FROM companies WHERE key = $2), $3)",
        );
        query.bind(domain).bind(key).bind(position).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn user(connection: &mut SqliteConnection, to: &UserState) -> Result<(), StoreError> {
    let UserState {
        company,
        extension,
        name,
        auth_name,
        role,
        overrides,
        number: _,
        auth,
        calls,
        destinations,
        deactivated: _,
    } = to;
    let auth = auth.as_ref().map(serde_json::to_string).transpose()?;
    let destinations = destinations.as_ref().map(serde_json::to_string).transpose()?;
    let query = sqlx::query(
        "INSERT INTO users (company_id, extension, name, auth_name, role, overrides, auth,
                            calls, destinations, ha1_md5, ha1_sha256, password_hash)
         VALUES ((SELECT id FROM companies WHERE key = $1), $2, $3, $4, $5, $6, $7, $8, $9, '', '', '')
         ON CONFLICT (company_id, extension) DO UPDATE SET name = excluded.name, auth_name = excluded.auth_name,
             role = excluded.role, overrides = excluded.overrides, auth = excluded.auth,
             calls = excluded.calls, destinations = excluded.destinations",
    );
    let query = query.bind(company).bind(extension).bind(name).bind(auth_name).bind(role.as_str());
    let query = query.bind(serde_json::to_string(overrides)?).bind(auth);
    query.bind(serde_json::to_string(calls)?).bind(destinations).execute(connection).await?;
    Ok(())
}

async fn password(
    connection: &mut SqliteConnection,
    to: &UserState,
    hashes: &Hashes,
    keeps: Option<i64>,
) -> Result<(), StoreError> {
    let Hashes { ha1_md5, ha1_sha256, argon2 } = hashes;
    let query = sqlx::query(
        "UPDATE users SET ha1_md5 = $3, ha1_sha256 = $4, password_hash = $5
         WHERE extension = $2 AND company_id = (SELECT id FROM companies WHERE key = $1)",
    );
    let query = query.bind(&to.company).bind(&to.extension).bind(ha1_md5).bind(ha1_sha256).bind(argon2);
    let done = query.execute(&mut *connection).await?;
    // Whoever knew the old one is out.
    let opened = sqlx::query(
        "DELETE FROM tokens WHERE user_id IN (SELECT id FROM users
         WHERE extension = $2 AND company_id = (SELECT id FROM companies WHERE key = $1)) AND id <> $3",
    );
    opened.bind(&to.company).bind(&to.extension).bind(keeps.unwrap_or(0)).execute(connection).await?;
    one(done.rows_affected(), || format!("user {} of {}", to.extension, to.company))
}

async fn number(connection: &mut SqliteConnection, to: &NumberState) -> Result<(), StoreError> {
    let NumberState { company, e164, route, recording, notice, dial_prefix, retention_days } = to;
    let (extension, facility) = match route {
        RouteTo::Unrouted => (None, None),
        RouteTo::User(extension) => (Some(extension), None),
        RouteTo::Group(_) | RouteTo::Inbox(_) | RouteTo::Flow(_) => (None, Some(route.to_string())),
    };
    let query = sqlx::query(
        "INSERT INTO numbers (company_id, e164, recording, route_user_id, route, notice, dial_prefix,
                              retention_days)
         SELECT id, $2, $3, (SELECT users.id FROM users WHERE users.company_id = companies.id AND extension = $4),
             $5, $6, $7, $8
         FROM companies WHERE key = $1
         ON CONFLICT (e164) DO UPDATE SET recording = excluded.recording, route_user_id = excluded.route_user_id,
             route = excluded.route, notice = excluded.notice, dial_prefix = excluded.dial_prefix,
             retention_days = excluded.retention_days",
    );
    let query = query.bind(company).bind(e164).bind(recording.as_str()).bind(extension).bind(facility);
    let query = query.bind(notice.map(NoticeTo::as_str)).bind(dial_prefix).bind(retention_days.map(i64::from));
    let done = query.execute(connection).await?;
    one(done.rows_affected(), || format!("company {company}"))
}

async fn trunk(connection: &mut SqliteConnection, to: &TrunkState) -> Result<(), StoreError> {
    let TrunkState { company, name, addresses, targets, settings, login, inbound, texts_secret } = to;
    let (realm, md5, sha256, password) = match login.as_ref().map(|login| &login.secret) {
        Some(LoginSecret::Hashes { realm, md5, sha256 }) => (Some(realm.as_str()), md5.as_str(), sha256.as_str(), ""),
        Some(LoginSecret::Clear(secret)) => (None, "", "", secret.reveal()),
        None => (None, "", "", ""),
    };
    let query = sqlx::query(
        "INSERT INTO trunks (company_id, name, addresses, targets, settings, login_user, login_realm,
                             login_ha1_md5, login_ha1_sha256, login_password,
                             inbound_user, inbound_ha1_md5, inbound_ha1_sha256, texts_secret)
         VALUES ((SELECT id FROM companies WHERE key = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (company_id, name) DO UPDATE SET addresses = excluded.addresses, targets = excluded.targets,
             settings = excluded.settings, login_user = excluded.login_user, login_realm = excluded.login_realm,
             login_ha1_md5 = excluded.login_ha1_md5, login_ha1_sha256 = excluded.login_ha1_sha256,
             login_password = excluded.login_password, inbound_user = excluded.inbound_user,
             inbound_ha1_md5 = excluded.inbound_ha1_md5, inbound_ha1_sha256 = excluded.inbound_ha1_sha256,
             texts_secret = excluded.texts_secret",
    );
    let query = query.bind(company).bind(name).bind(serde_json::to_string(addresses)?);
    let query = query.bind(serde_json::to_string(targets)?).bind(serde_json::to_string(settings)?);
    let query = query.bind(login.as_ref().map(|login| &login.user)).bind(realm).bind(md5).bind(sha256).bind(password);
    let query = query.bind(inbound.as_ref().map(|inbound| &inbound.user));
    let (md5, sha256) = inbound.as_ref().map_or(("", ""), |inbound| (&inbound.ha1_md5, &inbound.ha1_sha256));
    let texts_secret = texts_secret.as_ref().map_or("", |secret| secret.reveal());
    query.bind(md5).bind(sha256).bind(texts_secret).execute(connection).await?;
    Ok(())
}

/// What refers from companies and users to numbers, once the numbers are there.
async fn references(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::AddCompany { to } | Change::ChangeCompany { from: _, to } => {
            let query = sqlx::query(
                "UPDATE companies SET default_number_id = (SELECT id FROM numbers WHERE e164 = $2) WHERE key = $1",
            );
            query.bind(&to.key).bind(&to.default_number).execute(connection).await?;
        }
        Change::AddUser { to, .. } | Change::ChangeUser { from: _, to, .. } => {
            let query = sqlx::query(
                "UPDATE users SET number_id = (SELECT id FROM numbers WHERE e164 = $3)
                 WHERE extension = $2 AND company_id = (SELECT id FROM companies WHERE key = $1)",
            );
            query.bind(&to.company).bind(&to.extension).bind(&to.number).execute(connection).await?;
        }
        Change::HandOver { .. }
        | Change::RemoveUser { .. }
        | Change::RemoveNumber { .. }
        | Change::RemoveTrunk { .. }
        | Change::RemoveFacility { .. }
        | Change::AddNumber { .. }
        | Change::ChangeNumber { .. }
        | Change::AddTrunk { .. }
        | Change::ChangeTrunk { .. }
        | Change::AddFacility { .. }
        | Change::ChangeFacility { .. } => {}
    }
    Ok(())
}
