//! Outside numbers that somebody sees texts with, and no call.
//!
//! ```text
//! numbers of calls ─► by the newest call ─┐
//!                                         ├─► one list, the newest first; each goes on where it stood
//! numbers of texts ─► by the newest text ─┘
//! ```
//! Conversations are walked in the order of their newest texts, no further than the page of calls goes:
//! what is older comes with a later page. A number stands at the newest conversation with it.

use super::{ContactCursor, ContactRow, Contacts, Seen, cursor};
use crate::base::{CallId, ConversationId, NumberId, TextId, Wall};
use crate::store::conversations::after;
use crate::store::lists::push_scope;
use crate::store::row::Reading;
use crate::store::texts::{self, ConversationRow};
use crate::store::{Store, StoreError};
use crate::subscription::{Scope, TextScope};
use sqlx::{QueryBuilder, Row};
use std::collections::{BTreeMap, BTreeSet};

/// Conversations that are looked at for a page at most: these, so many times.
const WALK: (u32, usize) = (200, 10);

/// An outside number with texts that somebody sees, and without calls that they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRow {
    pub e164: String,
    /// As it calls itself; empty where it does not.
    pub name: String,
    /// The newest text or note of the newest conversation with it.
    pub text: TextId,
    pub at: Wall,
    /// Its place in the order in which texts came.
    pub seq: i64,
}

/// An outside number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideNumber {
    Called(ContactRow),
    Written(WrittenRow),
}

/// Where a list goes on: behind these places among calls and among texts; `None`: at the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideCursor {
    pub calls: Option<ContactCursor>,
    pub texts: Option<i64>,
}

/// A page, and where the next one begins. It may have fewer numbers than were asked for, or none, and
/// still not be the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsidePage {
    pub numbers: Vec<OutsideNumber>,
    pub next: Option<OutsideCursor>,
}

/// What was found among texts.
#[derive(Debug, Default)]
struct Written {
    rows: Vec<WrittenRow>,
    /// Up to where was looked.
    place: Option<i64>,
    /// Nothing is left to look at.
    done: bool,
    /// What is older than this was not looked at; only where the walk ended before the calls did.
    bound: Option<CallId>,
}

impl Store {
    /// Outside numbers of calls that `scope` sees and of texts that `texts` sees, those with the newest call,
    /// or where there is none text, first; with `text` in the number or its name. `over`: of calls over these
    /// numbers of the company only.
    pub async fn outside_numbers(
        &self,
        (scope, texts): (&Scope, &TextScope),
        over: Option<&[NumberId]>,
        after: &OutsideCursor,
        text: Option<&str>,
        limit: u32,
    ) -> Result<OutsidePage, StoreError> {
        let called = self.contacts(scope, over, after.calls.as_ref(), text, limit).await?;
        let floor = called.next.as_ref().map(|next| next.call);
        let written = self.written((Seen { scope, over }, texts), after.texts, text, floor, limit).await?;
        Ok(merged(called, written, after, limit))
    }

    async fn written(
        &self,
        (which, scope): (Seen<'_>, &TextScope),
        after: Option<i64>,
        text: Option<&str>,
        floor: Option<CallId>,
        limit: u32,
    ) -> Result<Written, StoreError> {
        let mut written = Written { place: after, ..Written::default() };
        for _ in 0..WALK.1 {
            let page = self.conversations_outside(scope, written.place, text, WALK.0).await?;
            let is_last = page.len() < WALK.0 as usize;
            let met = self.newest_of(page).await?;
            let count = met.len();
            let met: Vec<WrittenRow> =
                met.into_iter().take_while(|row| floor.is_none_or(|floor| id(row) >= floor)).collect();
            let reached_floor = met.len() < count;
            let last = met.last().map(|row| (row.seq, id(row)));
            written.rows.extend(self.only_written((which, scope), met).await?);
            if let Some((seq, id)) = last {
                (written.place, written.bound) = (Some(seq), Some(id));
            }
            if reached_floor || is_last {
                return Ok(Written { done: !reached_floor, bound: None, ..written });
            }
            if written.rows.len() >= limit as usize {
                break;
            }
        }
        Ok(written)
    }

    /// Conversations with their newest texts.
    async fn newest_of(&self, page: Vec<ConversationRow>) -> Result<Vec<WrittenRow>, StoreError> {
        let places: Vec<i64> = page.iter().map(|row| row.last).collect();
        let query = sqlx::query("SELECT seq, id, at FROM texts WHERE seq IN (SELECT value FROM json_each($1))");
        let mut newest = BTreeMap::new();
        for row in &query.bind(serde_json::to_string(&places)?).fetch_all(&self.readers).await? {
            let row = Reading::new("texts", row);
            newest.insert(row.get::<i64>("seq")?, (row.word("id", TextId::parse)?, row.wall("at")?));
        }
        let row = |row: ConversationRow| {
            let (text, at) = newest.get(&row.last).copied()?;
            Some(WrittenRow { e164: row.between.contact, name: row.between.name, text, at, seq: row.last })
        };
        Ok(page.into_iter().filter_map(row).collect())
    }

    /// Those that stand at the newest conversation with their numbers, and that no call is seen with.
    async fn only_written(
        &self,
        (which, scope): (Seen<'_>, &TextScope),
        mut met: Vec<WrittenRow>,
    ) -> Result<Vec<WrittenRow>, StoreError> {
        let numbers: BTreeSet<&str> = met.iter().map(|row| row.e164.as_str()).collect();
        let numbers = serde_json::to_string(&numbers)?;
        let (newest, called) = (self.newest_said(scope, &numbers).await?, self.called(which, &numbers).await?);
        met.retain(|row| newest.get(&row.e164) == Some(&row.seq) && !called.contains(&row.e164));
        Ok(met)
    }

    /// Where each of these numbers stands: the newest text of a conversation in which more than notes are seen.
    async fn newest_said(&self, scope: &TextScope, numbers: &str) -> Result<BTreeMap<String, i64>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM conversations WHERE company_id = $1 AND contact IN (SELECT value FROM json_each($2))",
        );
        let mut seen: BTreeMap<ConversationId, (i64, ConversationRow)> = BTreeMap::new();
        for row in &query.bind(scope.company.0).bind(numbers).fetch_all(&self.readers).await? {
            let row = texts::conversation(row)?;
            if let Some(after) = after(scope, &row).filter(|after| row.last > *after) {
                seen.insert(row.id, (after, row));
            }
        }
        let query = sqlx::query_scalar(
            "SELECT json_extract(i.value, '$[0]') FROM json_each($1) AS i WHERE EXISTS (
                 SELECT 1 FROM texts AS t WHERE t.conversation_id = json_extract(i.value, '$[0]')
                     AND t.seq > json_extract(i.value, '$[1]') AND t.kind <> 'note')",
        );
        let places: Vec<(i64, i64)> = seen.iter().map(|(id, (after, _))| (id.0, *after)).collect();
        let said: Vec<i64> = query.bind(serde_json::to_string(&places)?).fetch_all(&self.readers).await?;
        let mut newest: BTreeMap<String, i64> = BTreeMap::new();
        for (_, row) in said.into_iter().filter_map(|id| seen.remove(&ConversationId(id))) {
            let place = newest.entry(row.between.contact).or_default();
            *place = row.last.max(*place);
        }
        Ok(newest)
    }

    /// Those of the numbers that a call is seen with.
    async fn called(&self, Seen { scope, over }: Seen<'_>, numbers: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut query = QueryBuilder::new("SELECT n.value AS e164 FROM json_each(");
        query.push_bind(numbers.to_owned()).push(") AS n WHERE EXISTS (SELECT 1 FROM ");
        match scope.all.is_some() && over.is_none() {
            true => {
                query.push("contacts AS k WHERE k.company_id = ").push_bind(scope.company.0);
                query.push(" AND k.e164 = n.value)");
            }
            false => {
                query.push("call_contacts AS k CROSS JOIN calls AS c WHERE k.company_id = ");
                query.push_bind(scope.company.0).push(" AND k.e164 = n.value AND c.id = k.call_id AND ");
                push_scope(&mut query, scope);
                if let Some(over) = over {
                    query.push(" AND c.number_id + 0 IN (SELECT value FROM json_each(");
                    query.push_bind(serde_json::to_string(over)?).push("))");
                }
                query.push(")");
            }
        }
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(row.try_get("e164")?)).collect()
    }
}

/// Ids are in the order of time, whatever they are of.
fn id(row: &WrittenRow) -> CallId {
    CallId::parse(&row.text.to_string()).unwrap_or_else(|| CallId::first_of(row.at))
}

/// Takes the newest of either, as long as both are known so far.
fn merged(called: Contacts, written: Written, after: &OutsideCursor, limit: u32) -> OutsidePage {
    let (mut calls, mut texts) = (called.contacts.into_iter().peekable(), written.rows.into_iter().peekable());
    let (mut numbers, mut next) = (Vec::new(), after.clone());
    while numbers.len() < limit as usize {
        let is_call = match (calls.peek(), texts.peek()) {
            (Some(call), Some(text)) => call.call >= id(text),
            (Some(call), None) if written.bound.is_none_or(|bound| call.call >= bound) => true,
            (None, Some(text)) if called.next.as_ref().is_none_or(|bound| id(text) >= bound.call) => false,
            (Some(_), None) | (None, Some(_)) | (None, None) => break,
        };
        if is_call {
            numbers.extend(calls.next().map(|call| {
                next.calls = Some(cursor(&call));
                OutsideNumber::Called(call)
            }));
        } else {
            numbers.extend(texts.next().map(|text| {
                next.texts = Some(text.seq);
                OutsideNumber::Written(text)
            }));
        }
    }
    let mut more = calls.peek().is_some() || texts.peek().is_some();
    if calls.peek().is_none() {
        more |= called.next.is_some();
        next.calls = called.next.or(next.calls);
    }
    if texts.peek().is_none() {
        more |= !written.done;
        next.texts = written.place;
    }
    OutsidePage { numbers, next: more.then_some(next) }
}
