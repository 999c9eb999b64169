//! Operators and resellers, who stand above the companies.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CompanyId, StaffId, Wall};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use utoipa::ToSchema;

/// What somebody of the staff may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaffKind {
    /// Runs the service: an admin's rights in every company, and the staff itself.
    Operator,
    /// An admin's rights in the companies that were given to them, and none elsewhere.
    Reseller,
}

impl StaffKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            StaffKind::Operator => "operator",
            StaffKind::Reseller => "reseller",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [StaffKind::Operator, StaffKind::Reseller].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One of the staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffRow {
    pub id: StaffId,
    /// What they log in with; unique.
    pub name: String,
    pub kind: StaffKind,
    /// Those given to a reseller. An operator has all without being given any.
    pub companies: Vec<CompanyId>,
}

impl StaffRow {
    /// Whether they have an admin's rights in that company.
    pub fn administers(&self, company: CompanyId) -> bool {
        match self.kind {
            StaffKind::Operator => true,
            StaffKind::Reseller => self.companies.contains(&company),
        }
    }
}

impl Store {
    /// Everybody of the staff, by name.
    pub async fn all_staff(&self) -> Result<Vec<StaffRow>, StoreError> {
        let mut transaction = self.read().await?;
        let rows = sqlx::query("SELECT * FROM staff ORDER BY name").fetch_all(&mut *transaction).await?;
        let mut staff = Vec::with_capacity(rows.len());
        for row in &rows {
            staff.push(with_companies(&mut transaction, row).await?);
        }
        Ok(staff)
    }

    pub async fn staff(&self, id: StaffId) -> Result<Option<StaffRow>, StoreError> {
        let mut transaction = self.read().await?;
        let row = sqlx::query("SELECT * FROM staff WHERE id = $1").bind(id.0).fetch_optional(&mut *transaction).await?;
        match row {
            Some(row) => Ok(Some(with_companies(&mut transaction, &row).await?)),
            None => Ok(None),
        }
    }

    pub async fn staff_by_name(&self, name: &str) -> Result<Option<StaffRow>, StoreError> {
        let mut transaction = self.read().await?;
        let row =
            sqlx::query("SELECT * FROM staff WHERE name = $1").bind(name).fetch_optional(&mut *transaction).await?;
        match row {
            Some(row) => Ok(Some(with_companies(&mut transaction, &row).await?)),
            None => Ok(None),
        }
    }

    /// Adds somebody; `None` where the name is taken. `argon2`: PHC string of the password.
    pub async fn add_staff(
        &self,
        name: &str,
        kind: StaffKind,
        argon2: &str,
        now: Wall,
    ) -> Result<Option<StaffId>, StoreError> {
        let query = sqlx::query_scalar(
            "INSERT INTO staff (name, kind, password_hash, created) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO NOTHING RETURNING id",
        );
        let query = query.bind(name).bind(kind.as_str()).bind(argon2).bind(now.unix_micros());
        let id: Option<i64> = query.fetch_optional(&self.writer).await?;
        Ok(id.map(StaffId))
    }

    /// Makes the first operator, where there is nobody of the staff yet; whether it did.
    pub async fn add_first_operator(&self, name: &str, argon2: &str, now: Wall) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "INSERT INTO staff (name, kind, password_hash, created)
             SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM staff)",
        );
        let query = query.bind(name).bind(StaffKind::Operator.as_str()).bind(argon2).bind(now.unix_micros());
        Ok(query.execute(&self.writer).await?.rows_affected() > 0)
    }

    /// The Argon2 hash of a password (PHC string).
    pub async fn staff_password_hash(&self, id: StaffId) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT password_hash FROM staff WHERE id = $1").bind(id.0);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// A new password: whoever knew the old one is out.
    pub async fn set_staff_password(&self, id: StaffId, argon2: &str) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let query = sqlx::query("UPDATE staff SET password_hash = $2 WHERE id = $1").bind(id.0).bind(argon2);
        query.execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM tokens WHERE staff_id = $1").bind(id.0).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Removes somebody with their sessions and tokens; `false`: they are the last operator, and stay.
    pub async fn remove_staff(&self, id: StaffId) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "DELETE FROM staff WHERE id = $1
             AND (kind <> 'operator' OR EXISTS (SELECT 1 FROM staff WHERE kind = 'operator' AND id <> $1))",
        );
        Ok(query.bind(id.0).execute(&self.writer).await?.rows_affected() > 0)
    }

    /// Gives a company to a reseller.
    pub async fn give_company(&self, id: StaffId, company: CompanyId) -> Result<(), StoreError> {
        let query =
            sqlx::query("INSERT INTO staff_companies (staff_id, company_id) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        query.bind(id.0).bind(company.0).execute(&self.writer).await?;
        Ok(())
    }

    /// Takes it back: it acts on the next request.
    pub async fn take_company(&self, id: StaffId, company: CompanyId) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM staff_companies WHERE staff_id = $1 AND company_id = $2");
        query.bind(id.0).bind(company.0).execute(&self.writer).await?;
        Ok(())
    }
}

async fn with_companies(connection: &mut SqliteConnection, row: &SqliteRow) -> Result<StaffRow, StoreError> {
    let row = Reading::new("staff", row);
    let id: i64 = row.get("id")?;
    let query = sqlx::query_scalar("SELECT company_id FROM staff_companies WHERE staff_id = $1 ORDER BY company_id");
    let companies: Vec<i64> = query.bind(id).fetch_all(connection).await?;
    Ok(StaffRow {
        id: StaffId(id),
        name: row.text("name")?,
        kind: row.word("kind", StaffKind::parse)?,
        companies: companies.into_iter().map(CompanyId).collect(),
    })
}

/// Whether somebody of the staff can be called so: 1 to 40 of `a-z`, `0-9`, `-`, `_`, `.` and `@`.
pub fn is_staff_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.@".contains(&byte);
    (1..=40).contains(&name.len()) && name.bytes().all(letter)
}
