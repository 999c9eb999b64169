//! Outside numbers that calls were with.
//!
//! Whoever sees every call reads the table of contacts, in the order of their newest calls. For others
//! the calls that they see are walked, the newest first, and each number counts where it is met first.
//! Numbers that only texts are seen with stand between those of calls: `written` says where.

mod written;

pub use written::{OutsideCursor, OutsideNumber, OutsidePage, WrittenRow};

use super::lists::{CallFilter, Drive, MISSED, has, page, push_scope, trigrams, within};
use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CallId, Direction, NumberId, Wall};
use crate::subscription::Scope;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::collections::BTreeSet;

/// An outside number, as far as somebody sees calls with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRow {
    pub e164: String,
    /// The one of the newest call; empty where it had none.
    pub name: String,
    /// For whoever does not see every call at most [`ContactRow::COUNTED`].
    pub calls: u64,
    /// The newest call.
    pub call: CallId,
    pub at: Wall,
    pub direction: Direction,
    pub missed: bool,
}

impl ContactRow {
    /// Calls with one number are counted up to here for those who do not see every call.
    pub const COUNTED: u32 = 1_000;
}

/// Where a list of contacts goes on: behind this number's newest call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContactCursor {
    pub call: CallId,
    pub e164: String,
}

/// A page, and where the next one begins. It may have fewer contacts than were asked for and still
/// not be the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    pub contacts: Vec<ContactRow>,
    pub next: Option<ContactCursor>,
}

/// Calls that are looked at for a page at most: these, so many times. With a text, most of them are not
/// asked for more than their numbers.
const WALK: (u32, usize) = (150, 30);
const WALK_FOR_TEXT: (u32, usize) = (1_500, 3);
/// Numbers with a text that are looked at one by one.
const FEW: i64 = 500;

/// Whose calls count: those that the scope sees, over these numbers only.
#[derive(Clone, Copy)]
struct Seen<'a> {
    scope: &'a Scope,
    over: Option<&'a [NumberId]>,
}

const COLUMNS: &str = "c.started AS started, c.direction AS direction, ";

impl Store {
    /// Outside numbers of calls that `scope` sees, those of the newest calls first; with `text` in the
    /// number or its name. `over`: of calls over these numbers of the company only.
    pub async fn contacts(
        &self,
        scope: &Scope,
        over: Option<&[NumberId]>,
        after: Option<&ContactCursor>,
        text: Option<&str>,
        limit: u32,
    ) -> Result<Contacts, StoreError> {
        let every = scope.all.is_some() && over.is_none();
        let few = match text.and_then(trigrams) {
            Some(grams) => self.few_contacts(&grams, if every { 10 * FEW } else { FEW }).await?,
            None => None,
        };
        let seen = Seen { scope, over };
        match (every, few) {
            (true, few) => self.all_contacts(scope, after, text, few, limit).await,
            (false, Some(few)) => self.contacts_of(seen, after, text, &few, limit).await,
            (false, None) => self.walked_contacts(seen, after, text, limit).await,
        }
    }

    /// One of them; `None` where `scope` sees no call with it (`over`: over these numbers).
    pub async fn contact(
        &self,
        scope: &Scope,
        over: Option<&[NumberId]>,
        e164: &str,
    ) -> Result<Option<ContactRow>, StoreError> {
        let mut found = match scope.all.is_some() && over.is_none() {
            true => {
                let id = sqlx::query_scalar("SELECT id FROM contacts WHERE company_id = $1 AND e164 = $2");
                let id: Option<i64> = id.bind(scope.company.0).bind(e164).fetch_optional(&self.readers).await?;
                let Some(id) = id else { return Ok(None) };
                self.all_contacts(scope, None, None, Some(vec![id]), 1).await?
            }
            false => {
                let contacts = self.seen(Seen { scope, over }, &[e164.to_owned()]).await?;
                Contacts { contacts, next: None }
            }
        };
        Ok(found.contacts.pop())
    }

    /// Ids of the contacts that have the text, of all companies; `None` where they are many.
    async fn few_contacts(&self, grams: &str, most: i64) -> Result<Option<Vec<i64>>, StoreError> {
        let query = sqlx::query_scalar("SELECT rowid FROM contact_search WHERE contact_search MATCH $1 LIMIT $2");
        let found: Vec<i64> = query.bind(grams).bind(most).fetch_all(&self.readers).await?;
        Ok((i64::try_from(found.len()).unwrap_or(i64::MAX) < most).then_some(found))
    }

    async fn all_contacts(
        &self,
        scope: &Scope,
        after: Option<&ContactCursor>,
        text: Option<&str>,
        few: Option<Vec<i64>>,
        limit: u32,
    ) -> Result<Contacts, StoreError> {
        let mut query = QueryBuilder::new("SELECT k.e164 AS e164, k.name AS name, k.calls AS calls, c.id AS call_id, ");
        query.push(COLUMNS).push(MISSED).push(" AS missed FROM contacts AS k CROSS JOIN calls AS c ");
        query.push("WHERE c.id = k.last_call AND k.company_id = ").push_bind(scope.company.0);
        if let Some(few) = few {
            query.push(" AND k.id IN (SELECT value FROM json_each(").push_bind(serde_json::to_string(&few)?).push("))");
        }
        push_text(&mut query, "k", text);
        if let Some(ContactCursor { call, e164 }) = after {
            query.push(" AND (k.last_call, k.e164) < (").push_bind(call.to_string()).push(", ");
            query.push_bind(e164.clone()).push(")");
        }
        query.push(" ORDER BY k.last_call DESC, k.e164 DESC LIMIT ").push_bind(limit + 1);
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(cut(rows.iter().map(contact).collect::<Result<_, _>>()?, limit))
    }

    /// Of these few contacts those that are seen.
    async fn contacts_of(
        &self,
        which: Seen<'_>,
        after: Option<&ContactCursor>,
        text: Option<&str>,
        few: &[i64],
        limit: u32,
    ) -> Result<Contacts, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT e164 FROM contacts WHERE company_id = $1 AND id IN (SELECT value FROM json_each($2))",
        );
        let query = query.bind(which.scope.company.0).bind(serde_json::to_string(few)?);
        let numbers: Vec<String> = query.fetch_all(&self.readers).await?;
        let mut seen = self.seen(which, &numbers).await?;
        seen.retain(|contact| {
            after.is_none_or(|after| cursor(contact) < *after)
                && text.is_none_or(|text| reads(&contact.e164, &contact.name, text))
        });
        seen.sort_by_key(|contact| std::cmp::Reverse(cursor(contact)));
        Ok(cut(seen, limit))
    }

    async fn walked_contacts(
        &self,
        which: Seen<'_>,
        after: Option<&ContactCursor>,
        text: Option<&str>,
        limit: u32,
    ) -> Result<Contacts, StoreError> {
        let mut contacts: Vec<ContactRow> = Vec::new();
        let mut met: BTreeSet<String> = BTreeSet::new();
        let (walk, steps) = if text.is_some() { WALK_FOR_TEXT } else { WALK };
        // The call of the cursor is looked at again: another number may have been on it too.
        let mut before = after.map(|after| after.call.next());
        for _ in 0..steps {
            let numbers = which.over.map(<[NumberId]>::to_vec);
            let filter = CallFilter { before, numbers, ..CallFilter::default() };
            let Some(ids) = page(which.scope, &filter, &Drive::Scope, walk) else { break };
            let (calls, numbers) = self.numbers_of(ids).await?;
            // A number is met first in its newest call, whose name is the one that is shown.
            let new: Vec<String> = numbers
                .into_iter()
                .filter(|(number, _)| met.insert(number.clone()))
                .filter(|(number, name)| text.is_none_or(|text| reads(number, name, text)))
                .map(|(number, _)| number)
                .collect();
            // A number whose newest call is before the cursor: the others were on a page before.
            let seen = self.seen(which, &new).await?;
            contacts.extend(seen.into_iter().filter(|contact| {
                after.is_none_or(|after| cursor(contact) < *after)
                    && text.is_none_or(|text| reads(&contact.e164, &contact.name, text))
            }));
            let Some(last) = calls.last().filter(|_| calls.len() == walk as usize) else {
                contacts.sort_by_key(|contact| std::cmp::Reverse(cursor(contact)));
                return Ok(cut(contacts, limit));
            };
            before = Some(*last);
            if contacts.len() > limit as usize {
                break;
            }
        }
        contacts.sort_by_key(|contact| std::cmp::Reverse(cursor(contact)));
        let mut page = cut(contacts, limit);
        // What lies behind was not looked at.
        let walked = before.map(|call| ContactCursor { call, e164: String::new() });
        page.next = page.next.or(walked);
        Ok(page)
    }

    /// The calls of a page, and the outside numbers that they were with, each with the name of its newest
    /// call among them.
    async fn numbers_of(
        &self,
        mut page: QueryBuilder<Sqlite>,
    ) -> Result<(Vec<CallId>, Vec<(String, String)>), StoreError> {
        let rows = page.build().fetch_all(&self.readers).await?;
        let calls: Vec<CallId> =
            rows.iter().map(|row| Reading::new("calls", row).word("id", CallId::parse)).collect::<Result<_, _>>()?;
        let ids: Vec<String> = calls.iter().map(ToString::to_string).collect();
        // The other columns of a MAX are those of its row.
        let query = sqlx::query_as(
            "SELECT e164, name, MAX(call_id) FROM call_contacts
             WHERE call_id IN (SELECT value FROM json_each($1)) GROUP BY e164",
        );
        let met: Vec<(String, String, String)> =
            query.bind(serde_json::to_string(&ids)?).fetch_all(&self.readers).await?;
        Ok((calls, met.into_iter().map(|(number, name, _)| (number, name)).collect()))
    }

    /// Each of these numbers that a call is seen with, with its newest one and their count.
    async fn seen(&self, Seen { scope, over }: Seen<'_>, numbers: &[String]) -> Result<Vec<ContactRow>, StoreError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let over = over.map(serde_json::to_string).transpose()?;
        let with = |query: &mut QueryBuilder<Sqlite>| {
            query.push(" FROM call_contacts AS k CROSS JOIN calls AS c WHERE k.company_id = ");
            query.push_bind(scope.company.0).push(" AND k.e164 = n.value AND c.id = k.call_id AND ");
            push_scope(query, scope);
            if let Some(over) = &over {
                query.push(" AND c.number_id + 0 IN (SELECT value FROM json_each(").push_bind(over.clone()).push("))");
            }
        };
        let mut query = QueryBuilder::new("SELECT n.value AS e164, (SELECT COUNT(*) FROM (SELECT 1");
        with(&mut query);
        query.push(" LIMIT ").push_bind(ContactRow::COUNTED).push(") AS counted) AS calls, l.name AS name, ");
        query.push("c.id AS call_id, ").push(COLUMNS).push(MISSED).push(" AS missed FROM json_each(");
        query
            .push_bind(serde_json::to_string(numbers)?)
            .push(") AS n CROSS JOIN call_contacts AS l CROSS JOIN calls AS c ");
        query.push("WHERE l.company_id = ").push_bind(scope.company.0);
        query.push(" AND l.e164 = n.value AND c.id = l.call_id AND l.call_id = (SELECT k.call_id");
        with(&mut query);
        query.push(" ORDER BY k.call_id DESC LIMIT 1)");
        query.build().fetch_all(&self.readers).await?.iter().map(contact).collect()
    }
}

fn cursor(contact: &ContactRow) -> ContactCursor {
    ContactCursor { call: contact.call, e164: contact.e164.clone() }
}

fn reads(number: &str, name: &str, text: &str) -> bool {
    has(number, text) || has(name, text)
}

fn push_text(query: &mut QueryBuilder<Sqlite>, table: &str, text: Option<&str>) {
    let Some(text) = text else { return };
    query.push(" AND (").push(table).push(".e164 LIKE ").push_bind(within(text)).push(" ESCAPE '\\' OR ");
    query.push(table).push(".name LIKE ").push_bind(within(text)).push(" ESCAPE '\\')");
}

/// A page out of a list that may have more.
fn cut(mut contacts: Vec<ContactRow>, limit: u32) -> Contacts {
    let more = contacts.len() > limit as usize;
    contacts.truncate(limit as usize);
    let next = contacts.last().filter(|_| more).map(cursor);
    Contacts { contacts, next }
}

fn contact(row: &SqliteRow) -> Result<ContactRow, StoreError> {
    let missed: bool = row.try_get("missed")?;
    let row = Reading::new("contacts", row);
    Ok(ContactRow {
        e164: row.text("e164")?,
        name: row.text("name")?,
        calls: row.count("calls")?,
        call: row.word("call_id", CallId::parse)?,
        at: row.wall("started")?,
        direction: row.word("direction", Direction::parse)?,
        missed,
    })
}

#[cfg(test)]
mod tests;
