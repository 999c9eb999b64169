//! Everything with one number of the outside: found, and erased.
//!
//! Each step finds what it erases by itself and is one transaction a call: done again after an
//! interruption, it goes on with what is left.

use super::holds::{Hold, hold_of};
use super::retention::{Deletion, Gone, delete};
use super::row::Reading;
use super::{RecordingFile, Store, StoreError, calls, exports, messages, notes, recordings};
use crate::base::{CallId, CompanyId, MessageId};
use crate::ledger::{CallRecord, MessageRecord, Party, RecordingState};
use serde_json::Value;
use sqlx::SqliteConnection;

/// What stands where a number or a name stood.
const ERASED: &str = "erased";

/// Events of a page.
const PAGE: u32 = 100;
/// Where events stand: how those of a company with some text are read, and how one is written anew.
const EVENTS: [(&str, &str); 3] = [
    (
        "SELECT seq AS place, call_id, event AS text FROM feed
         WHERE company_id = $1 AND seq > $2 AND instr(event, $3) > 0 AND ($5 IS NULL OR call_id = $5)
         ORDER BY seq LIMIT $4",
        "UPDATE feed SET event = $2 WHERE seq = $1",
    ),
    (
        "SELECT seq AS place, call_id, told AS text FROM outbox
         WHERE company_id = $1 AND seq > $2 AND instr(told, $3) > 0 AND ($5 IS NULL OR call_id = $5)
         ORDER BY seq LIMIT $4",
        "UPDATE outbox SET told = $2 WHERE seq = $1",
    ),
    (
        "SELECT d.id AS place, f.call_id AS call_id, d.body AS text FROM webhook_deliveries AS d
             JOIN webhooks AS w ON w.id = d.webhook_id LEFT JOIN feed AS f ON f.seq = d.seq
         WHERE w.company_id = $1 AND d.id > $2 AND instr(d.body, $3) > 0 AND ($5 IS NULL OR f.call_id = $5)
         ORDER BY d.id LIMIT $4",
        "UPDATE webhook_deliveries SET body = $2 WHERE id = $1",
    ),
];

/// A number of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// `+` and digits.
    e164: String,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Erased {
    /// Nothing was changed: a hold is on it, or on a recording of it.
    Held(Box<Hold>),
    /// Nothing was changed: it is up.
    Open,
    Done {
        /// Its recordings, whose files are to be taken away.
        files: Vec<RecordingFile>,
        /// Notes on it that were deleted.
        notes: u64,
    },
}

impl Contact {
    /// `None` where `text` is no E.164 number.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let good = (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| Contact { e164: text.to_owned() })
    }

    pub fn as_str(&self) -> &str {
        &self.e164
    }

    /// As some carriers write it.
    fn digits(&self) -> &str {
        self.e164.trim_start_matches('+')
    }

    fn is_address(&self, address: &str) -> bool {
        address.strip_prefix('+').unwrap_or(address) == self.digits()
    }

    /// A user of the company is never a contact, whatever their extension.
    pub fn is(&self, party: &Party) -> bool {
        party.user.is_none() && self.is_address(&party.address)
    }

    /// Whether it was a party of the call, from its beginning or by transfer.
    pub fn is_in(&self, call: &CallRecord) -> bool {
        let joined = call.joined.iter().flat_map(|joined| [&joined.party, &joined.instead_of]);
        [&call.caller, &call.callee].into_iter().chain(joined).any(|party| self.is(party))
    }

    fn blank(&self, party: &Party) -> Party {
        match self.is(party) {
            true => Party { user: None, address: ERASED.to_owned(), name: ERASED.to_owned() },
            false => party.clone(),
        }
    }

    /// Blanks every party in `value` that is the contact, every text that has its number in it, and its
    /// names where they stand alone; whether there was anything.
    fn scrub(&self, value: &mut Value) -> bool {
        let mut names = Vec::new();
        let found = self.scrub_parties(value, &mut names);
        names.sort_unstable();
        names.dedup();
        let texts = self.scrub_texts(value, &names);
        found || texts
    }

    fn scrub_parties(&self, value: &mut Value, names: &mut Vec<String>) -> bool {
        let mut found = false;
        if let Value::Object(fields) = value {
            let outside = fields.get("user").is_none_or(Value::is_null);
            let address = fields.get("address").and_then(Value::as_str);
            if outside && address.is_some_and(|address| self.is_address(address)) {
                let name = fields.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
                names.extend(name.map(str::to_owned));
                for key in ["address", "name"] {
                    fields.insert(key.to_owned(), ERASED.into());
                }
                found = true;
            }
        }
        for value in inside(value) {
            found |= self.scrub_parties(value, names);
        }
        found
    }

    /// A name is blanked in markers only: elsewhere it may be a word of ours, whatever the caller calls
    /// itself.
    fn scrub_texts(&self, value: &mut Value, names: &[String]) -> bool {
        let mut found = false;
        if let Value::Object(fields) = value
            && fields.contains_key("kind")
            && let Some(Value::String(name)) = fields.get_mut("name")
            && names.contains(name)
        {
            *name = ERASED.to_owned();
            found = true;
        }
        if let Value::String(text) = value
            && self.is_said_in(text)
        {
            *text = ERASED.to_owned();
            found = true;
        }
        for value in inside(value) {
            found |= self.scrub_texts(value, names);
        }
        found
    }

    /// The number with its `+`, and no digit after it that would make it another one.
    fn is_said_in(&self, text: &str) -> bool {
        text.match_indices(&self.e164).any(|(at, number)| {
            let rest = text.get(at + number.len()..).unwrap_or("");
            !rest.starts_with(|next: char| next.is_ascii_digit())
        })
    }
}

/// What an object or an array holds.
fn inside(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

impl Store {
    /// Calls of the company that the contact was a party of, the oldest first, after `after`.
    pub async fn calls_with(
        &self,
        company: CompanyId,
        contact: &Contact,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM calls WHERE company_id = $1 AND ($2 IS NULL OR id > $2)
               AND (caller_address IN ($3, $4) OR callee_address IN ($3, $4) OR instr(detail, $4) > 0)
             ORDER BY id LIMIT $5",
        );
        let query = query.bind(company.0).bind(after.map(|after| after.to_string()));
        let query = query.bind(contact.as_str()).bind(contact.digits()).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(calls::call).collect()
    }

    /// Voicemail messages of the contact, by id, after `after`.
    pub async fn messages_with(
        &self,
        company: CompanyId,
        contact: &Contact,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM messages WHERE company_id = $1 AND caller_address IN ($3, $4) AND caller_user_id IS NULL
             AND ($2 IS NULL OR id > $2) ORDER BY id LIMIT $5",
        );
        let query = query.bind(company.0).bind(after.map(|after| after.to_string()));
        let query = query.bind(contact.as_str()).bind(contact.digits()).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(messages::message).collect()
    }

    /// Calls of recordings that tell of the contact, whatever the calls themselves say.
    pub async fn calls_of_recordings_with(
        &self,
        company: CompanyId,
        contact: &Contact,
    ) -> Result<Vec<CallId>, StoreError> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let query = sqlx::query(
                "SELECT id, call_id, sidecar FROM recordings
                 WHERE company_id = $1 AND id > $2 AND instr(sidecar, $3) > 0 ORDER BY id LIMIT 100",
            );
            let query = query.bind(company.0).bind(&after).bind(contact.digits());
            let rows = query.fetch_all(&self.readers).await?;
            for row in &rows {
                let row = Reading::new("recordings", row);
                after = row.text("id")?;
                // Another number may begin with this one.
                if contact.scrub(&mut row.json("sidecar")?) {
                    found.push(row.word("call_id", CallId::parse)?);
                }
            }
            if rows.is_empty() {
                found.dedup();
                return Ok(found);
            }
        }
    }

    /// The hold that is on the call, or on a recording of it.
    pub async fn hold_on_any_of(&self, call: CallId) -> Result<Option<Hold>, StoreError> {
        let mut transaction = self.read().await?;
        hold_of(&mut transaction, None, call).await
    }

    /// Deletes the recordings of a call and the notes on it, and blanks the contact in its row and in theirs, in one
    /// transaction, unless it is up or held.
    pub async fn erase_call(&self, call: CallId, contact: &Contact, gone: &Gone) -> Result<Erased, StoreError> {
        let mut transaction = self.write().await?;
        if let Some(hold) = hold_of(&mut transaction, None, call).await? {
            return Ok(Erased::Held(Box::new(hold)));
        }
        let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(call.to_string());
        let row = query.fetch_optional(&mut *transaction).await?;
        let record = row.as_ref().map(calls::call).transpose()?;
        if record.as_ref().is_some_and(|record| record.ended.is_none()) {
            return Ok(Erased::Open);
        }
        let query = sqlx::query("SELECT * FROM recordings WHERE call_id = $1 ORDER BY id").bind(call.to_string());
        let mut files = Vec::new();
        for row in &query.fetch_all(&mut *transaction).await? {
            let recording = recordings::recording(row)?;
            // First, so that not even the event of its deletion tells of the contact.
            let mut sidecar = serde_json::to_value(&recording.sidecar)?;
            if contact.scrub(&mut sidecar) {
                let query = sqlx::query("UPDATE recordings SET sidecar = $2 WHERE id = $1");
                let query = query.bind(recording.id.to_string()).bind(sidecar.to_string());
                query.execute(&mut *transaction).await?;
            }
            let deletion = delete(&mut transaction, recording.id, gone).await?;
            if recording.state != RecordingState::Deleted && matches!(deletion, Deletion::Done(_)) {
                files.push(RecordingFile { id: recording.id, call, path: recording.path.clone() });
            }
        }
        if let (Some(row), Some(record)) = (&row, &record) {
            blank_call(&mut transaction, row, record, contact).await?;
        }
        let notes = notes::erase(&mut transaction, call).await?;
        let query = sqlx::query(
            "UPDATE exports SET state = 'withdrawn', problem = $2
             WHERE state IN ('ready', 'making') AND id IN (SELECT export_id FROM export_items WHERE call_id = $1)",
        );
        query.bind(call.to_string()).bind(exports::CONTACT_ERASED).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(Erased::Done { files, notes })
    }

    /// Blanks the contact in events whose calls are not held: in the feed, before it, and on their way to
    /// hooks; in how many. `only`: in those of this call. With `dry` nothing is changed.
    pub async fn erase_events(
        &self,
        company: CompanyId,
        contact: &Contact,
        only: Option<CallId>,
        dry: bool,
    ) -> Result<u64, StoreError> {
        let mut count = 0;
        for (read, write) in EVENTS {
            let mut after = Some(0);
            while let Some(place) = after {
                let (blanked, next) = self.erase_page(company, (contact, only), (read, write), place, dry).await?;
                (count, after) = (count + blanked, next);
            }
        }
        Ok(count)
    }

    /// Of one page, and where the next one goes on.
    async fn erase_page(
        &self,
        company: CompanyId,
        (contact, only): (&Contact, Option<CallId>),
        (read, write): (&'static str, &'static str),
        after: i64,
        dry: bool,
    ) -> Result<(u64, Option<i64>), StoreError> {
        let query = sqlx::query(read).bind(company.0).bind(after).bind(contact.digits()).bind(PAGE);
        let query = query.bind(only.map(|call| call.to_string()));
        let rows = query.fetch_all(&self.readers).await?;
        let mut transaction = if dry { self.read().await? } else { self.write().await? };
        let (mut count, mut last) = (0, None);
        for row in &rows {
            let row = Reading::new("events", row);
            let place: i64 = row.get("place")?;
            last = Some(place);
            let call = row.word_or_none("call_id", CallId::parse)?;
            if let Some(call) = call
                && hold_of(&mut transaction, None, call).await?.is_some()
            {
                continue;
            }
            let mut text: Value = row.json("text")?;
            if contact.scrub(&mut text) {
                count += 1;
                if !dry {
                    let query = sqlx::query(write).bind(place).bind(text.to_string());
                    query.execute(&mut *transaction).await?;
                }
            }
        }
        transaction.commit().await?;
        Ok((count, last.filter(|_| rows.len() == PAGE as usize)))
    }

    /// Deletes the conversations with the contact, whoever reads them, and what of them waits to go out; how
    /// many texts. With `dry` nothing is changed.
    pub async fn erase_texts(&self, company: CompanyId, contact: &Contact, dry: bool) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT COUNT(*) FROM texts WHERE conversation_id IN (
                 SELECT id FROM conversations WHERE company_id = $1 AND contact IN ($2, $3))",
        );
        let query = query.bind(company.0).bind(contact.as_str()).bind(contact.digits());
        let count: i64 = query.fetch_one(&self.readers).await?;
        if !dry {
            let mut transaction = self.write().await?;
            // Texts by themselves: what goes with its conversation would stay in the index.
            for statement in [
                "DELETE FROM text_sends WHERE conversation_id IN (
                     SELECT id FROM conversations WHERE company_id = $1 AND contact IN ($2, $3))",
                "DELETE FROM texts WHERE conversation_id IN (
                     SELECT id FROM conversations WHERE company_id = $1 AND contact IN ($2, $3))",
                "DELETE FROM text_reads WHERE conversation_id IN (
                     SELECT id FROM conversations WHERE company_id = $1 AND contact IN ($2, $3))",
                "DELETE FROM conversations WHERE company_id = $1 AND contact IN ($2, $3)",
                "DELETE FROM text_parts WHERE company_id = $1 AND contact IN ($2, $3)",
            ] {
                let query = sqlx::query(statement).bind(company.0).bind(contact.as_str()).bind(contact.digits());
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
        }
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Withdraws archives that were asked for by this number, and forgets that they were; how many.
    pub async fn erase_exports(&self, company: CompanyId, contact: &Contact, dry: bool) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar("SELECT COUNT(*) FROM exports WHERE company_id = $1 AND instr(what, $2) > 0");
        let count: i64 = query.bind(company.0).bind(contact.digits()).fetch_one(&self.readers).await?;
        if !dry && count > 0 {
            let query = sqlx::query(
                "UPDATE exports SET what = 'null', problem = $3,
                     state = CASE WHEN state IN ('waiting', 'making', 'ready') THEN 'withdrawn' ELSE state END
                 WHERE company_id = $1 AND instr(what, $2) > 0",
            );
            query.bind(company.0).bind(contact.digits()).bind(exports::CONTACT_ERASED).execute(&self.writer).await?;
        }
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

async fn blank_call(
    connection: &mut SqliteConnection,
    row: &sqlx::sqlite::SqliteRow,
    record: &CallRecord,
    contact: &Contact,
) -> Result<(), StoreError> {
    let (caller, callee) = (contact.blank(&record.caller), contact.blank(&record.callee));
    let mut detail: Value = Reading::new("calls", row).json("detail")?;
    contact.scrub(&mut detail);
    let query = sqlx::query(
        "UPDATE calls SET caller_address = $2, caller_name = $3, callee_address = $4, callee_name = $5, detail = $6
         WHERE id = $1",
    );
    let query = query.bind(record.id.to_string()).bind(caller.address).bind(caller.name);
    query.bind(callee.address).bind(callee.name).bind(detail.to_string()).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_contact_is_blanked_wherever_it_stands_and_nobody_else_is() {
        let contact = Contact::parse("+16660000").unwrap();
        let mut value = json!({
            "parties": [
                { "party": { "user": null, "address": "+16660000", "name": "Carol" } },
                { "party": { "user": 7, "address": "16660000", "name": "Alice" } },
                { "channel": "left", "user": null, "address": "16660000", "name": "" },
                { "user": null, "address": "+166600001", "name": "Dave" },
            ],
            "markers": [
                { "kind": "transfer", "name": "Carol" },
                { "kind": "transfer", "name": "Carol <+16660000>" },
                { "kind": "transfer", "name": "Dave <+166600001>" },
                { "kind": "transfer", "name": "Caroline" },
            ],
            "samples": 16660000,
            "state": "Carol",
        });
        assert!(contact.scrub(&mut value));
        let expected = json!({
            "parties": [
                { "party": { "user": null, "address": "erased", "name": "erased" } },
                { "party": { "user": 7, "address": "16660000", "name": "Alice" } },
                { "channel": "left", "user": null, "address": "erased", "name": "erased" },
                { "user": null, "address": "+166600001", "name": "Dave" },
            ],
            "markers": [
                { "kind": "transfer", "name": "erased" },
                { "kind": "transfer", "name": "erased" },
                { "kind": "transfer", "name": "Dave <+166600001>" },
                { "kind": "transfer", "name": "Caroline" },
            ],
            "samples": 16660000,
            "state": "Carol",
        });
        assert_eq!(value, expected);
        assert!(!contact.scrub(&mut value), "a second time finds nothing");
    }

    #[test]
    fn only_an_e164_number_is_a_contact() {
        for text in ["16660000", "+", "+1", "+1234567890123456", "+1 666", "anonymous"] {
            assert_eq!(Contact::parse(text), None, "{text}");
        }
    }
}
