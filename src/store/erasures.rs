//! Calls that are erased when they are over: their erasing was asked while they were up.

use super::erase::Contact;
use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, Wall};
use sqlx::sqlite::SqliteRow;

/// A call that is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    pub id: i64,
    pub company: CompanyId,
    pub call: CallId,
    pub contact: Contact,
    /// Who asked, as they were called then.
    pub by: String,
}

impl Store {
    /// Notes that a call is to be erased when it is over; once for each contact.
    pub async fn put_off_erasure(
        &self,
        company: CompanyId,
        call: CallId,
        contact: &Contact,
        (by, at): (&str, Wall),
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO erasures (company_id, call_id, contact, asked, asked_by) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        );
        let query = query.bind(company.0).bind(call.to_string()).bind(contact.as_str()).bind(at.unix_micros());
        query.bind(by).execute(&self.writer).await?;
        Ok(())
    }

    /// Those whose calls have ended, the oldest first.
    pub async fn erasures_due(&self) -> Result<Vec<Erasure>, StoreError> {
        let query = sqlx::query(
            "SELECT e.* FROM erasures AS e LEFT JOIN calls AS c ON c.id = e.call_id
             WHERE c.id IS NULL OR c.ended IS NOT NULL ORDER BY e.id LIMIT 100",
        );
        query.fetch_all(&self.readers).await?.iter().map(erasure).collect()
    }

    /// It is done, or nothing is left that could be done.
    pub async fn erasure_is_over(&self, id: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM erasures WHERE id = $1").bind(id).execute(&self.writer).await?;
        Ok(())
    }
}

fn erasure(row: &SqliteRow) -> Result<Erasure, StoreError> {
    let row = Reading::new("erasures", row);
    Ok(Erasure {
        id: row.get("id")?,
        company: CompanyId(row.get("company_id")?),
        call: row.word("call_id", CallId::parse)?,
        contact: row.word("contact", Contact::parse)?,
        by: row.text("asked_by")?,
    })
}
