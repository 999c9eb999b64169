//! Companies and users by the UUIDs of the compatible API.

use super::{Store, StoreError};
use crate::base::{CompanyId, UserId};
use crate::subscription::Uuids;
use sqlx::Row;
use std::collections::BTreeMap;

impl Store {
    /// `None`: there is no such company.
    pub async fn company_uuid(&self, company: CompanyId) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT uuid FROM company_uuids WHERE company_id = $1").bind(company.0);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    pub async fn company_of_uuid(&self, uuid: &str) -> Result<Option<CompanyId>, StoreError> {
        let query = sqlx::query_scalar("SELECT company_id FROM company_uuids WHERE uuid = $1");
        let id: Option<i64> = query.bind(uuid.to_ascii_lowercase()).fetch_optional(&self.readers).await?;
        Ok(id.map(CompanyId))
    }

    /// `None`: there is no such user.
    pub async fn user_uuid(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT uuid FROM user_uuids WHERE user_id = $1").bind(user.0);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    pub async fn user_of_uuid(&self, uuid: &str) -> Result<Option<UserId>, StoreError> {
        let query = sqlx::query_scalar("SELECT user_id FROM user_uuids WHERE uuid = $1");
        let id: Option<i64> = query.bind(uuid.to_ascii_lowercase()).fetch_optional(&self.readers).await?;
        Ok(id.map(UserId))
    }

    /// Of a company and all its users.
    pub async fn uuids(&self, company: CompanyId) -> Result<Uuids, StoreError> {
        let of_company = self.company_uuid(company).await?.unwrap_or_default();
        Ok(Uuids { company: of_company, users: self.user_uuids(company).await? })
    }

    async fn user_uuids(&self, company: CompanyId) -> Result<BTreeMap<UserId, String>, StoreError> {
        let query = sqlx::query(
            "SELECT u.user_id AS user_id, u.uuid AS uuid FROM users AS o CROSS JOIN user_uuids AS u
             WHERE o.company_id = $1 AND u.user_id = o.id",
        );
        let rows = query.bind(company.0).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((UserId(row.try_get("user_id")?), row.try_get("uuid")?))).collect()
    }
}
