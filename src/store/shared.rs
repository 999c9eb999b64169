//! Shared inboxes in time: who is a member since when, and the licences that companies have.
//!
//! The directory says how it is; what is here follows it, in the transaction of every plan.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CompanyId, NumberId, UserId, Wall};
use crate::directory::plan::Change;
use crate::directory::{FacilityKind, InboxText};
use crate::subscription::{InboxNumber, Joined, MemberChange, member_changes};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use std::collections::{BTreeMap, BTreeSet};

/// A shared inbox that a company pays for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    pub id: i64,
    pub company: CompanyId,
    pub allocated: Wall,
    /// The number that it is on, or was on last.
    pub number: NumberId,
    pub in_use: bool,
    /// Since when it is free.
    pub freed: Option<Wall>,
}

/// What came of releasing a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    Done,
    /// The shared inbox is on.
    InUse,
    NotThere,
}

impl Store {
    /// Where a user is a member now, and since which text.
    pub async fn joined(&self, user: UserId) -> Result<Vec<Joined>, StoreError> {
        let query =
            sqlx::query("SELECT number_id, since, after_seq FROM inbox_members WHERE user_id = $1 AND until IS NULL");
        let rows = query.bind(user.0).fetch_all(&self.readers).await?;
        let joined = |row: &SqliteRow| {
            let row = Reading::new("inbox_members", row);
            let number = NumberId(row.get("number_id")?);
            Ok(Joined { number, since: row.wall("since")?, after: row.get("after_seq")? })
        };
        rows.iter().map(joined).collect()
    }

    /// Licences that were not released.
    pub async fn licences(&self, company: CompanyId) -> Result<Vec<Licence>, StoreError> {
        let query = sqlx::query("SELECT * FROM inbox_licences WHERE company_id = $1 AND released IS NULL ORDER BY id");
        query.bind(company.0).fetch_all(&self.readers).await?.iter().map(licence).collect()
    }

    /// The company pays for one less. One that is in use stays.
    pub async fn release_licence(
        &self,
        company: CompanyId,
        id: i64,
        by: &str,
        now: Wall,
    ) -> Result<Release, StoreError> {
        let mut transaction = self.write().await?;
        let query = sqlx::query_scalar(
            "SELECT in_use FROM inbox_licences WHERE id = $1 AND company_id = $2 AND released IS NULL",
        );
        let in_use: Option<bool> = query.bind(id).bind(company.0).fetch_optional(&mut *transaction).await?;
        match in_use {
            None => return Ok(Release::NotThere),
            Some(true) => return Ok(Release::InUse),
            Some(false) => {}
        }
        let query = sqlx::query("UPDATE inbox_licences SET released = $2, released_by = $3 WHERE id = $1");
        query.bind(id).bind(now.unix_micros()).bind(by).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Release::Done)
    }
}

fn licence(row: &SqliteRow) -> Result<Licence, StoreError> {
    let row = Reading::new("inbox_licences", row);
    Ok(Licence {
        id: row.get("id")?,
        company: CompanyId(row.get("company_id")?),
        allocated: row.wall("allocated")?,
        number: NumberId(row.get("number_id")?),
        in_use: row.get("in_use")?,
        freed: row.wall_or_none("freed")?,
    })
}

/// Members and licences follow what `changes` have made of the directory.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    changes: &[Change],
    at: Option<Wall>,
) -> Result<(), StoreError> {
    if !changes.iter().any(concerns) {
        return Ok(());
    }
    let open = open_intervals(connection).await?;
    let active = active_users(connection).await?;
    let numbers = inbox_numbers(connection, &open, &active).await?;
    let is_active = |user: UserId| active.values().any(|id| *id == user);
    let changes = member_changes(&open, &numbers, is_active);
    let shared: BTreeMap<NumberId, CompanyId> =
        numbers.iter().filter(|place| place.shared).map(|place| (place.number, place.company)).collect();
    for change in changes {
        note(connection, change, at.ok_or(StoreError::Unsigned)?).await?;
    }
    licences(connection, &shared, at).await
}

/// Whether a change can have touched an inbox or its members.
fn concerns(change: &Change) -> bool {
    match change {
        Change::AddFacility { to } | Change::ChangeFacility { from: _, to } => to.kind() == FacilityKind::Inbox,
        Change::RemoveFacility { kind, .. } => *kind == FacilityKind::Inbox,
        Change::RemoveUser { .. } | Change::RemoveNumber { .. } => true,
        Change::ChangeUser { from, to, .. } => from.deactivated != to.deactivated,
        Change::HandOver { .. }
        | Change::RemoveTrunk { .. }
        | Change::AddCompany { .. }
        | Change::ChangeCompany { .. }
        | Change::AddUser { .. }
        | Change::AddNumber { .. }
        | Change::ChangeNumber { .. }
        | Change::AddTrunk { .. }
        | Change::ChangeTrunk { .. } => false,
    }
}

async fn open_intervals(connection: &mut SqliteConnection) -> Result<BTreeSet<(NumberId, UserId)>, StoreError> {
    let rows =
        sqlx::query("SELECT number_id, user_id FROM inbox_members WHERE until IS NULL").fetch_all(connection).await?;
    let pair = |row: &SqliteRow| {
        let row = Reading::new("inbox_members", row);
        Ok((NumberId(row.get("number_id")?), UserId(row.get("user_id")?)))
    };
    rows.iter().map(pair).collect()
}

type ByExtension = BTreeMap<(CompanyId, String), UserId>;

async fn active_users(connection: &mut SqliteConnection) -> Result<ByExtension, StoreError> {
    let rows = sqlx::query("SELECT id, company_id, extension FROM users WHERE deactivated IS NULL")
        .fetch_all(connection)
        .await?;
    let user = |row: &SqliteRow| {
        let row = Reading::new("users", row);
        Ok(((CompanyId(row.get("company_id")?), row.text("extension")?), UserId(row.get("id")?)))
    };
    rows.iter().map(user).collect()
}

/// Numbers that have a shared inbox, and those that have members from when they had one.
async fn inbox_numbers(
    connection: &mut SqliteConnection,
    open: &BTreeSet<(NumberId, UserId)>,
    active: &ByExtension,
) -> Result<Vec<InboxNumber>, StoreError> {
    let rows = sqlx::query("SELECT id, company_id, detail FROM facilities WHERE kind = 'inbox' ORDER BY id")
        .fetch_all(&mut *connection)
        .await?;
    let known: BTreeSet<NumberId> = open.iter().map(|(number, _)| *number).collect();
    let mut numbers = Vec::new();
    for row in &rows {
        let row = Reading::new("facilities", row);
        let company = CompanyId(row.get("company_id")?);
        let inbox: InboxText = row.json("detail")?;
        if inbox.messaging.is_empty() && known.is_empty() {
            continue;
        }
        let named = |extension: &String| active.get(&(company, extension.clone())).copied();
        let members: BTreeSet<UserId> = inbox.members.iter().filter_map(named).collect();
        let all: BTreeSet<&String> = inbox.numbers.iter().chain(&inbox.messaging).collect();
        for e164 in all {
            let query = sqlx::query_scalar("SELECT id FROM numbers WHERE e164 = $1 AND company_id = $2");
            let id: Option<i64> = query.bind(e164).bind(company.0).fetch_optional(&mut *connection).await?;
            let Some(number) = id.map(NumberId) else { continue };
            let shared = inbox.messaging.contains(e164);
            if shared || known.contains(&number) {
                numbers.push(InboxNumber { company, number, shared, members: members.clone() });
            }
        }
    }
    Ok(numbers)
}

async fn note(connection: &mut SqliteConnection, change: MemberChange, at: Wall) -> Result<(), StoreError> {
    match change {
        MemberChange::Leaves { number, user } => {
            let query = sqlx::query(
                "UPDATE inbox_members SET until = $3 WHERE number_id = $1 AND user_id = $2 AND until IS NULL",
            );
            query.bind(number.0).bind(user.0).bind(at.unix_micros()).execute(connection).await?;
        }
        MemberChange::Joins { company, number, user } => {
            let query = sqlx::query(
                "INSERT INTO inbox_members (company_id, number_id, user_id, since, after_seq)
                 VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(seq), 0) FROM texts))",
            );
            let query = query.bind(company.0).bind(number.0).bind(user.0);
            query.bind(at.unix_micros()).execute(connection).await?;
        }
    }
    Ok(())
}

/// A shared inbox that is on has a licence: one that is free, the one that its number had first, else a
/// new one. One that is off has freed its own.
async fn licences(
    connection: &mut SqliteConnection,
    shared: &BTreeMap<NumberId, CompanyId>,
    at: Option<Wall>,
) -> Result<(), StoreError> {
    let used: Vec<i64> = sqlx::query_scalar("SELECT number_id FROM inbox_licences WHERE in_use ORDER BY id")
        .fetch_all(&mut *connection)
        .await?;
    for number in used.iter().filter(|number| !shared.contains_key(&NumberId(**number))) {
        let at = at.ok_or(StoreError::Unsigned)?;
        let query = sqlx::query("UPDATE inbox_licences SET in_use = FALSE, freed = $2 WHERE number_id = $1 AND in_use");
        query.bind(number).bind(at.unix_micros()).execute(&mut *connection).await?;
    }
    for (number, company) in shared.iter().filter(|(number, _)| !used.contains(&number.0)) {
        let at = at.ok_or(StoreError::Unsigned)?;
        let query = sqlx::query(
            "UPDATE inbox_licences SET in_use = TRUE, number_id = $1, freed = NULL WHERE id = (
                 SELECT id FROM inbox_licences WHERE company_id = $2 AND NOT in_use AND released IS NULL
                 ORDER BY number_id = $1 DESC, id LIMIT 1)",
        );
        let moved = query.bind(number.0).bind(company.0).execute(&mut *connection).await?;
        if moved.rows_affected() == 0 {
            let query = sqlx::query(
                "INSERT INTO inbox_licences (company_id, allocated, number_id, in_use) VALUES ($1, $2, $3, TRUE)",
            );
            query.bind(company.0).bind(at.unix_micros()).bind(number.0).execute(&mut *connection).await?;
        }
    }
    Ok(())
}
