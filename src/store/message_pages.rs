//! Pages of messages by number and in an order that is chosen, as the compatible API asks for them.

use super::message_lists::{Set, push_set, sets};
use super::messages::{MessageRow, message, state};
use super::{MessageFilter, Store, StoreError};
use crate::subscription::MessageScope;
use sqlx::{QueryBuilder, Sqlite};

/// What messages are in the order of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageOrder {
    Id,
    CallerName,
    Length,
    #[default]
    Left,
}

impl MessageOrder {
    pub const ALL: [MessageOrder; 4] =
        [MessageOrder::Id, MessageOrder::CallerName, MessageOrder::Length, MessageOrder::Left];

    /// The first of these differs mostly; the last is unique.
    const fn columns(self) -> &'static [&'static str] {
        match self {
            MessageOrder::Id => &["m.id"],
            MessageOrder::CallerName => &["m.caller_name", "m.left_at", "m.id"],
            MessageOrder::Length => &["m.samples * 1.0 / m.rate", "m.left_at", "m.id"],
            MessageOrder::Left => &["m.left_at", "m.id"],
        }
    }
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageSlice {
    pub order: MessageOrder,
    pub descending: bool,
    /// `None`: all that there are.
    pub limit: Option<u32>,
    pub offset: u32,
}

impl Store {
    /// That part of the messages that `scope` hears and `filter` lets through. In the order of time only as
    /// many are read as stand before its end.
    pub async fn message_slice(
        &self,
        scope: &MessageScope,
        filter: &MessageFilter,
        slice: MessageSlice,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let filter = MessageFilter { before: None, ..filter.clone() };
        let Some(mut query) = statement(scope, &filter, slice) else { return Ok(Vec::new()) };
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(MessageRow { message: message(row)?, state: state(row)? })).collect()
    }
}

/// `None` where nothing can be in it.
fn statement(scope: &MessageScope, filter: &MessageFilter, slice: MessageSlice) -> Option<QueryBuilder<Sqlite>> {
    let sets = sets(scope, filter);
    if sets.is_empty() {
        return None;
    }
    let MessageSlice { order, descending, limit, offset } = slice;
    let (direction, limit) = (if descending { " DESC" } else { " ASC" }, limit.map_or(i64::MAX, i64::from));
    let mut query = QueryBuilder::new(
        "SELECT m.*, COALESCE(t.folder, CASE WHEN m.urgent THEN 3 ELSE 1 END) AS folder,
                COALESCE(t.removed, FALSE) AS removed, t.read_at AS read_at, t.read_by AS read_by FROM (",
    );
    for (at, set) in sets.into_iter().enumerate() {
        query.push(if at == 0 { "SELECT * FROM (" } else { ") UNION ALL SELECT * FROM (" });
        push_set(&mut query, scope, filter, set);
        if order == MessageOrder::Left {
            push_end(&mut query, set, direction, limit.saturating_add(i64::from(offset)));
        }
    }
    query.push(
        ")) AS p CROSS JOIN messages AS m LEFT JOIN message_states AS t ON t.message_id = m.id AND t.reader_id = p.reader
         WHERE m.id = p.id ORDER BY ",
    );
    for (at, column) in order.columns().iter().enumerate() {
        query.push(if at == 0 { "" } else { ", " }).push(*column).push(direction);
    }
    query.push(" LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(i64::from(offset));
    Some(query)
}

/// No more of a set than can be in the slice.
fn push_end(query: &mut QueryBuilder<Sqlite>, set: Set, direction: &str, most: i64) {
    let (left, id) = set.order();
    query.push(" ORDER BY ").push(left).push(direction).push(", ").push(id).push(direction);
    query.push(" LIMIT ").push_bind(most);
}

#[cfg(test)]
mod tests;
