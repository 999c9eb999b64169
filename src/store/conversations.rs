//! Lists of conversations and texts by the rules of access: a [`TextScope`] and a filter as SQL.
//!
//! A scope is made of few sets, each read from an index in the order of the newest texts: the
//! conversations of each shared inbox that came after somebody joined, their own, and those with
//! colleagues. A text counts for a filter only where it is among what they see.

use super::lists::{trigrams, within};
use super::row::Reading;
use super::texts::{self, ConversationRow};
use super::{Store, StoreError};
use crate::base::{CompanyId, ConversationId, NumberId, TextId, UserId};
use crate::ledger::TextRecord;
use crate::subscription::{Holder, TextScope};
use sqlx::{QueryBuilder, Sqlite};

/// Which conversations of those that are seen; `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// Whose newest text is older than this one: for the next page.
    pub before: Option<i64>,
    /// With one of these numbers; empty: with none.
    pub numbers: Option<Vec<NumberId>>,
    /// With this outside number.
    pub contact: Option<String>,
    /// With this colleague.
    pub colleague: Option<UserId>,
    /// With a text that they have not read, or with none.
    pub unread: Option<bool>,
    /// Part of any of its texts, of the outside number or of its name.
    pub text: Option<String>,
}

/// A conversation as somebody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConversation {
    pub row: ConversationRow,
    pub last: TextRecord,
    pub unread: u64,
    /// Who answered last.
    pub answered_by: Option<UserId>,
}

/// A set of conversations: a condition on `c`, and from which text on they are seen.
struct Set {
    holder: Holder,
    after: i64,
}

impl Store {
    /// The conversations with the newest texts that `scope` sees and `filter` lets through.
    pub async fn conversations(
        &self,
        scope: &TextScope,
        filter: &ConversationFilter,
        limit: u32,
    ) -> Result<Vec<ListedConversation>, StoreError> {
        let Some(mut query) = page(&sets(scope, filter), scope, filter, limit, &|_| {}) else { return Ok(Vec::new()) };
        let rows = query.build().fetch_all(&self.readers).await?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in &rows {
            listed.push(self.listed(scope, texts::conversation(row)?).await?);
        }
        Ok(listed.into_iter().flatten().collect())
    }

    /// Those with numbers of the outside whose newest text is older than `before`, the newest first; with
    /// `text` in the number or in its name.
    pub(super) async fn conversations_outside(
        &self,
        scope: &TextScope,
        before: Option<i64>,
        text: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ConversationRow>, StoreError> {
        let filter = ConversationFilter { before, ..ConversationFilter::default() };
        let mut sets = sets(scope, &filter);
        sets.retain(|set| !matches!(set.holder, Holder::Pair(..)));
        let more = |query: &mut QueryBuilder<Sqlite>| {
            query.push(" AND c.contact GLOB '+[0-9]*'");
            if let Some(text) = text {
                query.push(" AND (c.contact LIKE ").push_bind(within(text)).push(" ESCAPE '\\' OR c.name LIKE ");
                query.push_bind(within(text)).push(" ESCAPE '\\')");
            }
        };
        let Some(mut query) = page(&sets, scope, &filter, limit, &more) else { return Ok(Vec::new()) };
        query.build().fetch_all(&self.readers).await?.iter().map(texts::conversation).collect()
    }

    /// One of them; `None` where `scope` sees no text of it.
    pub async fn conversation(
        &self,
        scope: &TextScope,
        id: ConversationId,
    ) -> Result<Option<ListedConversation>, StoreError> {
        let mut transaction = self.read().await?;
        let row = texts::conversation_by_id(&mut transaction, id).await?;
        transaction.commit().await?;
        match row.filter(|row| after(scope, row).is_some_and(|after| row.last > after)) {
            Some(row) => self.listed(scope, row).await,
            None => Ok(None),
        }
    }

    async fn listed(&self, scope: &TextScope, row: ConversationRow) -> Result<Option<ListedConversation>, StoreError> {
        let Some(after) = after(scope, &row) else { return Ok(None) };
        let user = scope.user.map_or(0, |user| user.0);
        let query = sqlx::query(
            "SELECT t.*,
                 (SELECT COUNT(*) FROM (SELECT 1 FROM texts AS n WHERE n.conversation_id = t.conversation_id
                      AND n.seq > MAX($2, COALESCE((SELECT r.seq FROM text_reads AS r
                          WHERE r.conversation_id = t.conversation_id AND r.user_id = $3), 0))
                      AND (n.kind = 'in' OR (n.kind = 'out' AND $4 AND n.user_id <> $3)) LIMIT 1000)) AS unread,
                 (SELECT o.user_id FROM texts AS o WHERE o.conversation_id = t.conversation_id AND o.kind = 'out'
                      AND o.seq > $2 ORDER BY o.seq DESC LIMIT 1) AS answered_by
             FROM texts AS t WHERE t.conversation_id = $1 AND t.seq > $2 ORDER BY t.seq DESC LIMIT 1",
        );
        let is_pair = matches!(row.between.holder, Holder::Pair(..));
        let query = query.bind(row.id.0).bind(after).bind(user).bind(is_pair);
        let Some(found) = query.fetch_optional(&self.readers).await? else { return Ok(None) };
        let reading = Reading::new("texts", &found);
        Ok(Some(ListedConversation {
            last: texts::text(&found)?,
            unread: reading.count("unread")?,
            answered_by: reading.get::<Option<i64>>("answered_by")?.map(UserId),
            row,
        }))
    }

    /// The texts of a conversation that `scope` sees, the newest first: those before that one.
    pub async fn texts_of(
        &self,
        scope: &TextScope,
        conversation: &ConversationRow,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<TextRecord>, StoreError> {
        let Some(after) = after(scope, conversation) else { return Ok(Vec::new()) };
        let query = sqlx::query(
            "SELECT * FROM texts WHERE conversation_id = $1 AND seq > $2 AND seq < $3 ORDER BY seq DESC LIMIT $4",
        );
        let query = query.bind(conversation.id.0).bind(after).bind(before.unwrap_or(i64::MAX)).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(texts::text).collect()
    }

    /// Texts with an outside number that `scope` sees, the newest first, by their ids: those before that
    /// one. Notes are none.
    pub async fn texts_with(
        &self,
        scope: &TextScope,
        contact: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(TextRecord, ConversationRow)>, StoreError> {
        let query = sqlx::query("SELECT * FROM conversations WHERE company_id = $1 AND contact = $2 ORDER BY id");
        let rows = query.bind(scope.company.0).bind(contact).fetch_all(&self.readers).await?;
        let mut found = Vec::new();
        for row in &rows {
            let row = texts::conversation(row)?;
            let Some(after) = after(scope, &row) else { continue };
            let query = sqlx::query(
                "SELECT * FROM texts WHERE conversation_id = $1 AND seq > $2 AND kind <> 'note' AND ($3 IS NULL OR id < $3)
                 ORDER BY seq DESC LIMIT $4",
            );
            let query = query.bind(row.id.0).bind(after).bind(before).bind(limit);
            for text in query.fetch_all(&self.readers).await? {
                found.push((texts::text(&text)?, row.clone()));
            }
        }
        found.sort_by_key(|(text, _)| std::cmp::Reverse(text.id));
        found.truncate(limit as usize);
        Ok(found)
    }

    /// What has come for the devices of a user after a text, in order: what they wrote themselves is not
    /// among it.
    pub async fn texts_for_devices(
        &self,
        scope: &TextScope,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(TextRecord, ConversationRow)>, StoreError> {
        let user = scope.user.map_or(0, |user| user.0);
        let query = sqlx::query(
            "SELECT t.* FROM texts AS t JOIN conversations AS c ON c.id = t.conversation_id
             WHERE t.seq > $1 AND c.company_id = $2
               AND ((t.kind = 'in' AND (c.owner_id = $3 OR (c.owner_id = 0 AND EXISTS (
                        SELECT 1 FROM json_each($4) AS i WHERE json_extract(i.value, '$[0]') = c.number_id
                            AND t.seq > json_extract(i.value, '$[1]')))))
                    OR (t.kind = 'out' AND c.peer_id > 0 AND t.user_id <> $3 AND (c.owner_id = $3 OR c.peer_id = $3)))
             ORDER BY t.seq LIMIT $5",
        );
        let numbers: Vec<(i64, i64)> = scope.inboxes.iter().map(|(number, after)| (number.0, *after)).collect();
        let query = query.bind(after).bind(scope.company.0).bind(user);
        let rows = query.bind(serde_json::to_string(&numbers)?).bind(limit).fetch_all(&self.readers).await?;
        let mut found = Vec::new();
        for row in &rows {
            let text = texts::text(row)?;
            if let Some(listed) = self.text(text.id).await? {
                found.push(listed);
            }
        }
        found.retain(|(text, row)| self::after(scope, row).is_some_and(|after| text.seq > after));
        Ok(found)
    }

    /// Conversations of a company, whoever reads them: for the operator.
    pub async fn all_conversations(
        &self,
        company: CompanyId,
        limit: u32,
    ) -> Result<Vec<(ConversationRow, TextRecord)>, StoreError> {
        let query = sqlx::query("SELECT * FROM conversations WHERE company_id = $1 ORDER BY last_seq DESC LIMIT $2");
        let rows = query.bind(company.0).bind(limit).fetch_all(&self.readers).await?;
        let mut found = Vec::new();
        for row in &rows {
            let row = texts::conversation(row)?;
            let query = sqlx::query("SELECT * FROM texts WHERE conversation_id = $1 ORDER BY seq DESC LIMIT 1");
            if let Some(text) = query.bind(row.id.0).fetch_optional(&self.readers).await? {
                found.push((row, texts::text(&text)?));
            }
        }
        Ok(found)
    }

    /// All texts of a conversation, the oldest first, whoever reads them: for the operator.
    pub async fn whole_conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<(ConversationRow, Vec<TextRecord>)>, StoreError> {
        let mut transaction = self.read().await?;
        let Some(row) = texts::conversation_by_id(&mut transaction, id).await? else { return Ok(None) };
        let query = sqlx::query("SELECT * FROM texts WHERE conversation_id = $1 ORDER BY seq").bind(id.0);
        let rows = query.fetch_all(&mut *transaction).await?;
        Ok(Some((row, rows.iter().map(texts::text).collect::<Result<_, _>>()?)))
    }

    /// Conversations with an outside number and all their texts, whoever reads them: for an archive.
    pub async fn conversations_with(
        &self,
        company: CompanyId,
        contact: &str,
    ) -> Result<Vec<(ConversationRow, Vec<TextRecord>)>, StoreError> {
        let query =
            sqlx::query_scalar("SELECT id FROM conversations WHERE company_id = $1 AND contact = $2 ORDER BY id");
        let ids: Vec<i64> = query.bind(company.0).bind(contact).fetch_all(&self.readers).await?;
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.whole_conversation(ConversationId(id)).await?);
        }
        Ok(found)
    }

    /// A text by its id, where `scope` sees it.
    pub async fn visible_text(
        &self,
        scope: &TextScope,
        id: TextId,
    ) -> Result<Option<(TextRecord, ConversationRow)>, StoreError> {
        let found = self.text(id).await?;
        Ok(found.filter(|(text, row)| after(scope, row).is_some_and(|after| text.seq > after)))
    }
}

/// From which text on a conversation is seen.
pub(super) fn after(scope: &TextScope, row: &ConversationRow) -> Option<i64> {
    if row.between.company != scope.company {
        return None;
    }
    scope.after(row.between.holder)
}

fn sets(scope: &TextScope, filter: &ConversationFilter) -> Vec<Set> {
    let wanted = |number: &NumberId| filter.numbers.as_ref().is_none_or(|numbers| numbers.contains(number));
    let inboxes = scope.inboxes.iter().filter(|(number, _)| wanted(number));
    let inboxes = inboxes.map(|(number, after)| Set { holder: Holder::Inbox(*number), after: *after });
    let own = scope.user.into_iter().flat_map(|user| {
        // Between two users: as the one with the smaller id, and as the other one.
        let nobody = UserId(0);
        [Holder::User(user), Holder::Pair(user, nobody), Holder::Pair(nobody, user)]
            .map(|holder| Set { holder, after: 0 })
    });
    let pairs_too = filter.numbers.is_none() && filter.contact.is_none();
    let sets = inboxes.chain(own.filter(|set| pairs_too || matches!(set.holder, Holder::User(_))));
    sets.collect()
}

/// The newest of all sets; `None` where there is none. `more` adds conditions on `c`.
fn page(
    sets: &[Set],
    scope: &TextScope,
    filter: &ConversationFilter,
    limit: u32,
    more: &dyn Fn(&mut QueryBuilder<Sqlite>),
) -> Option<QueryBuilder<Sqlite>> {
    let mut query = QueryBuilder::new("SELECT * FROM (");
    for (at, set) in sets.iter().enumerate() {
        if at > 0 {
            query.push(" UNION ALL ");
        }
        push_set(&mut query, set, scope);
        push_filter(&mut query, set.after, scope, filter);
        more(&mut query);
        query.push(" ORDER BY c.last_seq DESC LIMIT ").push_bind(limit).push(")");
    }
    query.push(") ORDER BY last_seq DESC LIMIT ").push_bind(limit);
    (!sets.is_empty()).then_some(query)
}

fn push_set(query: &mut QueryBuilder<Sqlite>, set: &Set, scope: &TextScope) {
    query.push("SELECT * FROM (SELECT c.* FROM conversations AS c WHERE ");
    match set.holder {
        Holder::Inbox(number) => {
            query.push("c.owner_id = 0 AND c.number_id = ").push_bind(number.0);
        }
        Holder::User(owner) => {
            query.push("c.owner_id > 0 AND c.peer_id = 0 AND c.owner_id = ").push_bind(owner.0);
        }
        Holder::Pair(UserId(0), user) => {
            query.push("c.peer_id > 0 AND c.peer_id = ").push_bind(user.0);
        }
        Holder::Pair(user, _) => {
            query.push("c.owner_id > 0 AND c.peer_id > 0 AND c.owner_id = ").push_bind(user.0);
        }
    }
    query.push(" AND c.company_id + 0 = ").push_bind(scope.company.0);
    query.push(" AND c.last_seq > ").push_bind(set.after);
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, after: i64, scope: &TextScope, filter: &ConversationFilter) {
    let ConversationFilter { before, numbers, contact, colleague, unread, text } = filter;
    if let Some(before) = before {
        query.push(" AND c.last_seq < ").push_bind(*before);
    }
    if let Some(numbers) = numbers {
        let list = serde_json::json!(numbers).to_string();
        query.push(" AND c.number_id + 0 IN (SELECT value FROM json_each(").push_bind(list).push("))");
    }
    if let Some(contact) = contact {
        query.push(" AND c.contact = ").push_bind(contact.clone());
    }
    if let Some(colleague) = colleague {
        query.push(" AND c.peer_id > 0 AND ").push_bind(colleague.0).push(" IN (c.owner_id, c.peer_id)");
    }
    if let Some(unread) = unread {
        let user = scope.user.map_or(0, |user| user.0);
        query.push(if *unread { " AND EXISTS" } else { " AND NOT EXISTS" });
        query.push(" (SELECT 1 FROM texts AS n WHERE n.conversation_id = c.id AND n.seq > MAX(").push_bind(after);
        query.push(", COALESCE((SELECT r.seq FROM text_reads AS r WHERE r.conversation_id = c.id AND r.user_id = ");
        query.push_bind(user).push("), 0)) AND (n.kind = 'in' OR (n.kind = 'out' AND c.peer_id > 0 AND n.user_id <> ");
        query.push_bind(user).push(")))");
    }
    if let Some(text) = text {
        push_text(query, after, text);
    }
}

/// Over whole conversations, as far as they are seen.
fn push_text(query: &mut QueryBuilder<Sqlite>, after: i64, text: &str) {
    let pattern = within(text);
    query.push(" AND (c.contact LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
    query.push(" OR c.name LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\' OR ");
    match trigrams(text) {
        Some(grams) => {
            query.push(
                "c.id IN (SELECT m.conversation_id FROM text_search AS s CROSS JOIN texts AS m
                 WHERE m.seq = s.rowid AND s.text_search MATCH ",
            );
            query.push_bind(grams);
        }
        None => {
            query.push("EXISTS (SELECT 1 FROM texts AS m WHERE m.conversation_id = c.id");
        }
    }
    query.push(" AND m.seq > ").push_bind(after).push(" AND m.body LIKE ").push_bind(pattern).push(" ESCAPE '\\'))");
}
