//! Lists and counts of messages by the rules of access: a [`MessageScope`] and a filter as SQL.
//!
//! ```text
//! MessageScope + MessageFilter ─► sets, each read from an index in the order of time ─► merged: a page
//! ```
//! What a user hears is a few sets: the states that are theirs, and each box of the whole company. A
//! folder has an index of its own, so the few new ones are found however many old ones there are.

use super::messages::{MessageRow, message, state};
use super::row::Reading;
use super::{Store, StoreError, lists};
use crate::base::{BoxId, MessageId, NumberId, Wall};
use crate::ledger::{Folder, Waiting};
use crate::subscription::{BoxSubscribed, MessageScope, Reader};
use sqlx::{QueryBuilder, Sqlite};
use std::collections::BTreeSet;

/// Sets that one statement is made of: SQLite takes 500.
const MOST_SETS: usize = 300;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageCursor {
    pub left: Wall,
    pub id: MessageId,
}

/// Which messages of those that are heard; `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Older than this one: for the next page.
    pub before: Option<MessageCursor>,
    pub mailboxes: Option<Vec<BoxId>>,
    /// Left over one of these numbers of the company; empty: none is.
    pub numbers: Option<Vec<NumberId>>,
    pub folders: Option<Vec<Folder>>,
    /// Address of the caller, as it is shown.
    pub caller: Option<String>,
    /// Left at this moment or later.
    pub from: Option<Wall>,
    /// Left before this moment.
    pub until: Option<Wall>,
    /// Part of the caller's name or address.
    pub text: Option<String>,
    /// Those that the reader has thrown away, instead of those that they have.
    pub removed: bool,
}

/// Messages that an index has in the order of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Set {
    /// Those of the user's states.
    Mine(Reader),
    /// Those of a box.
    Box(BoxId, Reader),
    /// Those of a box that stand in a folder.
    Folder(BoxId, Reader, Folder),
    /// With the caller of the filter.
    Caller,
    /// Of management: all of a box.
    Managed(BoxId),
    /// Of management: all of the company.
    Company,
}

impl Set {
    /// The columns that are in the order of time.
    pub(super) const fn order(self) -> (&'static str, &'static str) {
        match self {
            Set::Mine(_) | Set::Folder(..) => ("s.left_at", "s.message_id"),
            Set::Box(..) | Set::Caller | Set::Managed(_) | Set::Company => ("m.left_at", "m.id"),
        }
    }
}

impl Store {
    /// The newest messages that `scope` hears and `filter` lets through.
    pub async fn messages(
        &self,
        scope: &MessageScope,
        filter: &MessageFilter,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let Some(mut query) = page(scope, filter, limit) else { return Ok(Vec::new()) };
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(MessageRow { message: message(row)?, state: state(row)? })).collect()
    }

    /// How many there are.
    pub async fn count_messages(&self, scope: &MessageScope, filter: &MessageFilter) -> Result<u64, StoreError> {
        let filter = MessageFilter { before: None, ..filter.clone() };
        let Some(mut query) = count(scope, &filter) else { return Ok(0) };
        let count: i64 = query.build_query_scalar().fetch_one(&self.readers).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// What waits for the viewer, in one box or in all that they hear.
    pub async fn waiting(&self, scope: &MessageScope, mailbox: Option<BoxId>) -> Result<Waiting, StoreError> {
        self.waiting_over(scope, mailbox, None).await
    }

    /// What waits of that which was left over these numbers; `None`: over any, and over none.
    pub async fn waiting_over(
        &self,
        scope: &MessageScope,
        mailbox: Option<BoxId>,
        numbers: Option<&[NumberId]>,
    ) -> Result<Waiting, StoreError> {
        let mut waiting = Waiting::default();
        let boxes = heard_boxes(scope, mailbox.map(|mailbox| vec![mailbox]).as_deref());
        if boxes.is_empty() {
            return Ok(waiting);
        }
        let parts = boxes.chunks(MOST_SETS).flat_map(|boxes| [(boxes, false), (boxes, true)]);
        for (boxes, urgent) in parts {
            let rows = counted(scope, boxes, urgent, numbers).build().fetch_all(&self.readers).await?;
            for row in &rows {
                let row = Reading::new("message_states", row);
                let (folder, count): (i64, u64) = (row.get("folder")?, row.count("count")?);
                let is_new = Folder::of_number(folder).is_some_and(Folder::is_new);
                let counter = match (urgent, is_new) {
                    (false, true) => &mut waiting.new,
                    (false, false) => &mut waiting.old,
                    (true, true) => &mut waiting.urgent_new,
                    (true, false) => &mut waiting.urgent_old,
                };
                *counter += count;
            }
        }
        Ok(waiting)
    }
}

/// Boxes with a state for the viewer, and whose that is.
fn heard_boxes(scope: &MessageScope, only: Option<&[BoxId]>) -> Vec<(BoxId, Reader)> {
    let wanted = |mailbox: &BoxId| only.is_none_or(|only| only.contains(mailbox));
    let boxes: BTreeSet<BoxId> =
        scope.personal().into_iter().chain(scope.global.iter().copied()).chain(scope.owners.keys().copied()).collect();
    let boxes = boxes.into_iter().filter(wanted);
    boxes.filter_map(|mailbox| Some((mailbox, scope.reader(mailbox)?))).collect()
}

pub(super) fn sets(scope: &MessageScope, filter: &MessageFilter) -> Vec<Set> {
    if filter.caller.is_some() {
        return vec![Set::Caller];
    }
    if scope.all {
        return match &filter.mailboxes {
            Some(boxes) => boxes.iter().copied().map(Set::Managed).collect(),
            None => vec![Set::Company],
        };
    }
    let boxes = heard_boxes(scope, filter.mailboxes.as_deref());
    let of_each = |(mailbox, reader): (BoxId, Reader)| -> Vec<Set> {
        match &filter.folders {
            Some(folders) if !filter.removed => {
                folders.iter().map(|folder| Set::Folder(mailbox, reader, *folder)).collect()
            }
            Some(_) | None => vec![Set::Box(mailbox, reader)],
        }
    };
    let narrow = filter.folders.is_some() || filter.mailboxes.is_some() || filter.removed;
    let sets: Vec<Set> = boxes.iter().copied().flat_map(of_each).collect();
    if narrow && sets.len() <= MOST_SETS {
        return sets;
    }
    let mine = scope.user.filter(|_| !filter.removed && boxes.iter().any(|(_, reader)| *reader != Reader::Everybody));
    let shared = boxes.into_iter().filter(|(_, reader)| *reader == Reader::Everybody).flat_map(of_each);
    mine.map(|user| Set::Mine(Reader::User(user))).into_iter().chain(shared).collect()
}

/// The statement of a page; `None` where nothing can be in it.
fn page(scope: &MessageScope, filter: &MessageFilter, limit: u32) -> Option<QueryBuilder<Sqlite>> {
    let sets = sets(scope, filter);
    if sets.is_empty() {
        return None;
    }
    let mut query = QueryBuilder::new(
        "SELECT m.*, COALESCE(t.folder, CASE WHEN m.urgent THEN 3 ELSE 1 END) AS folder,
                COALESCE(t.removed, FALSE) AS removed, t.read_at AS read_at, t.read_by AS read_by FROM (",
    );
    for (at, set) in sets.into_iter().enumerate() {
        query.push(if at == 0 { "SELECT * FROM (" } else { ") UNION ALL SELECT * FROM (" });
        push_set(&mut query, scope, filter, set);
        let (left, id) = set.order();
        if let Some(MessageCursor { left: at, id: last }) = filter.before {
            query.push(" AND (").push(left).push(", ").push(id).push(") < (").push_bind(at.unix_micros());
            query.push(", ").push_bind(last.to_string()).push(")");
        }
        query.push(" ORDER BY ").push(left).push(" DESC, ").push(id).push(" DESC LIMIT ").push_bind(limit);
    }
    query.push(") ORDER BY left_at DESC, id DESC LIMIT ");
    query.push_bind(limit);
    query.push(
        ") AS p CROSS JOIN messages AS m LEFT JOIN message_states AS t ON t.message_id = m.id AND t.reader_id = p.reader
         WHERE m.id = p.id ORDER BY p.left_at DESC, p.id DESC",
    );
    Some(query)
}

fn count(scope: &MessageScope, filter: &MessageFilter) -> Option<QueryBuilder<Sqlite>> {
    let sets = sets(scope, filter);
    if sets.is_empty() {
        return None;
    }
    let mut query = QueryBuilder::new("SELECT COUNT(*) FROM (");
    for (at, set) in sets.into_iter().enumerate() {
        query.push(if at == 0 { "" } else { " UNION ALL " });
        push_set(&mut query, scope, filter, set);
    }
    query.push(")");
    Some(query)
}

/// The messages of a set, as id, time and reader, as far as `scope` hears them and `filter` lets them
/// through. `+ 0` makes a condition that is no invitation to read another index.
pub(super) fn push_set(query: &mut QueryBuilder<Sqlite>, scope: &MessageScope, filter: &MessageFilter, set: Set) {
    const OF_STATE: &str = "SELECT s.message_id AS id, s.left_at AS left_at, s.reader_id AS reader
        FROM message_states AS s CROSS JOIN messages AS m WHERE m.id = s.message_id AND s.reader_id = ";
    const OF_BOX: &str = "SELECT m.id AS id, m.left_at AS left_at, s.reader_id AS reader
        FROM messages AS m CROSS JOIN message_states AS s WHERE s.message_id = m.id AND s.reader_id = ";
    const MANAGED: &str = "SELECT m.id AS id, m.left_at AS left_at, s.reader_id AS reader
        FROM messages AS m LEFT JOIN message_states AS s ON s.message_id = m.id AND s.reader_id = ";
    match set {
        Set::Mine(reader) => {
            query.push(OF_STATE).push_bind(reader.id()).push(" AND NOT s.removed");
        }
        Set::Folder(mailbox, reader, folder) => {
            query.push(OF_STATE).push_bind(reader.id()).push(" AND NOT s.removed");
            query.push(" AND s.box_id = ").push_bind(mailbox.0).push(" AND s.folder = ").push_bind(folder.number());
        }
        Set::Box(mailbox, reader) => {
            query.push(OF_BOX).push_bind(reader.id());
            query.push(" AND m.box_id = ").push_bind(mailbox.0);
        }
        Set::Managed(mailbox) => {
            query.push(MANAGED);
            push_reader(query, scope);
            query.push(" WHERE m.box_id = ").push_bind(mailbox.0);
        }
        Set::Company => {
            query.push(MANAGED);
            push_reader(query, scope);
            query.push(" WHERE TRUE");
        }
        Set::Caller => {
            query.push(if scope.all { MANAGED } else { OF_BOX });
            push_reader(query, scope);
            query.push(if scope.all { " WHERE TRUE" } else { "" });
        }
    }
    let by_company = matches!(set, Set::Caller | Set::Company);
    query.push(if by_company { " AND m.company_id = " } else { " AND m.company_id + 0 = " }).push_bind(scope.company.0);
    if !scope.all {
        query.push(" AND ");
        push_hears(query, scope, "m.box_id", "m.left_at");
    }
    push_filter(query, filter, set);
}

/// Whose state a message `m` has, as [`MessageScope::reader`] says.
fn push_reader(query: &mut QueryBuilder<Sqlite>, scope: &MessageScope) {
    let globals = serde_json::json!(scope.global).to_string();
    query.push("(CASE WHEN m.box_id IN (SELECT value FROM json_each(").push_bind(globals).push(")) THEN 0 ELSE ");
    match scope.user {
        Some(user) => drop(query.push_bind(user.0)),
        None => {
            let owners = scope.owners.iter().map(|(mailbox, user)| (mailbox.to_string(), user.0.into()));
            let owners = serde_json::Value::Object(owners.collect()).to_string();
            query.push("COALESCE(json_extract(").push_bind(owners).push(", '$.\"' || m.box_id || '\"'), -1)");
        }
    }
    query.push(" END)");
}

/// [`MessageScope::hears`] of a message, by the columns of its box and its time; company apart.
fn push_hears(query: &mut QueryBuilder<Sqlite>, scope: &MessageScope, box_id: &str, left: &str) {
    let MessageScope { company: _, user: _, all, owned, global, subscribed, owners: _ } = scope;
    if *all {
        query.push("TRUE");
        return;
    }
    query.push("(FALSE");
    let whole: BTreeSet<BoxId> = owned.union(global).copied().collect();
    if !whole.is_empty() {
        query.push(" OR ").push(box_id).push(" + 0 IN (SELECT value FROM json_each(");
        query.push_bind(serde_json::json!(whole).to_string()).push("))");
    }
    if !subscribed.is_empty() {
        let intervals = subscribed.iter().map(|BoxSubscribed { mailbox, from, until }| {
            serde_json::json!([mailbox, from.unix_micros(), until.map(Wall::unix_micros)])
        });
        query.push(" OR EXISTS (SELECT 1 FROM json_each(");
        query.push_bind(serde_json::Value::from_iter(intervals).to_string());
        query.push(") AS i WHERE json_extract(i.value, '$[0]') = ").push(box_id);
        query.push(" AND ").push(left).push(" + 0 >= json_extract(i.value, '$[1]') AND ").push(left);
        query.push(" + 0 < COALESCE(json_extract(i.value, '$[2]'), 9223372036854775807))");
    }
    query.push(")");
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &MessageFilter, set: Set) {
    let MessageFilter { before: _, mailboxes, numbers, folders, caller, from, until, text, removed } = filter;
    if let Some(boxes) = mailboxes {
        query.push(" AND m.box_id + 0 IN (SELECT value FROM json_each(");
        query.push_bind(serde_json::json!(boxes).to_string()).push("))");
    }
    if let Some(numbers) = numbers {
        push_numbers(query, numbers);
    }
    if let Some(folders) = folders.as_ref().filter(|_| !matches!(set, Set::Folder(..))) {
        let numbers: Vec<i64> = folders.iter().map(|folder| folder.number()).collect();
        query.push(" AND COALESCE(s.folder, CASE WHEN m.urgent THEN 3 ELSE 1 END) IN (SELECT value FROM json_each(");
        query.push_bind(serde_json::json!(numbers).to_string()).push("))");
    }
    match (set, removed) {
        (Set::Mine(_) | Set::Folder(..), _) => {}
        (Set::Box(..) | Set::Caller | Set::Managed(_) | Set::Company, false) => {
            query.push(" AND NOT COALESCE(s.removed, FALSE)");
        }
        (Set::Box(..) | Set::Caller | Set::Managed(_) | Set::Company, true) => {
            query.push(" AND s.removed");
        }
    }
    let (left, _) = set.order();
    if let Some(from) = from {
        query.push(" AND ").push(left).push(" >= ").push_bind(from.unix_micros());
    }
    if let Some(until) = until {
        query.push(" AND ").push(left).push(" < ").push_bind(until.unix_micros());
    }
    if let Some(caller) = caller {
        query.push(" AND m.caller_address = ").push_bind(caller.clone());
    }
    if let Some(text) = text {
        let pattern = lists::within(text);
        query.push(" AND (m.caller_address LIKE ").push_bind(pattern.clone());
        query.push(" ESCAPE '\\' OR m.caller_name LIKE ").push_bind(pattern).push(" ESCAPE '\\')");
    }
}

/// Only messages `m` that were left over these numbers.
fn push_numbers(query: &mut QueryBuilder<Sqlite>, numbers: &[NumberId]) {
    query.push(" AND m.number_id + 0 IN (SELECT value FROM json_each(");
    query.push_bind(serde_json::json!(numbers).to_string()).push("))");
}

/// Messages of these boxes by folder, as far as `scope` hears them; only urgent ones, or all. All of them are
/// counted in the index of their states alone; those over some numbers one by one.
fn counted(
    scope: &MessageScope,
    boxes: &[(BoxId, Reader)],
    urgent: bool,
    numbers: Option<&[NumberId]>,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT folder, SUM(count) AS count FROM (");
    for (at, (mailbox, reader)) in boxes.iter().enumerate() {
        query.push(if at == 0 { "" } else { " UNION ALL " });
        if urgent {
            query.push(
                "SELECT s.folder AS folder, COUNT(*) AS count FROM messages AS m CROSS JOIN message_states AS s
                 WHERE m.urgent AND s.message_id = m.id AND s.reader_id = ",
            );
            query.push_bind(reader.id()).push(" AND m.box_id = ").push_bind(mailbox.0);
        } else {
            query.push("SELECT s.folder AS folder, COUNT(*) AS count FROM message_states AS s");
            query.push(if numbers.is_some() {
                " CROSS JOIN messages AS m WHERE m.id = s.message_id AND"
            } else {
                " WHERE"
            });
            query.push(" s.reader_id = ").push_bind(reader.id()).push(" AND s.box_id = ").push_bind(mailbox.0);
        }
        if let Some(numbers) = numbers {
            push_numbers(&mut query, numbers);
        }
        query.push(" AND NOT s.removed AND ");
        let whole = scope.all || scope.owned.contains(mailbox) || scope.global.contains(mailbox);
        match whole {
            true => drop(query.push("TRUE")),
            false => push_hears(&mut query, scope, "s.box_id", "s.left_at"),
        }
        query.push(" GROUP BY s.folder");
    }
    query.push(") GROUP BY folder");
    query
}

#[cfg(test)]
mod tests;
