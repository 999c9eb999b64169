//! Browsers and apps that are told of messages, and what they know the service by.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CompanyId, UserId, Wall};
use sqlx::sqlite::SqliteRow;

/// A browser or an app of a user (RFC 8030).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSubscription {
    pub id: i64,
    pub user: UserId,
    pub endpoint: String,
    /// Base64url, as the browser said them.
    pub p256dh: String,
    pub auth: String,
    pub name: String,
    pub created: Wall,
    pub last_success: Option<Wall>,
    pub last_error: String,
}

/// One that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPushSubscription {
    pub user: UserId,
    pub endpoint: String,
    pub p256dh: String,
    pub auth: String,
    pub name: String,
}

/// Who wakes the mobile apps of a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushGateway {
    pub company: CompanyId,
    pub url: String,
    /// Each delivery is signed with it.
    pub secret: String,
    pub created: Wall,
}

impl Store {
    /// Makes a subscription; the same address of the same user again is the same one with new keys.
    pub async fn add_push(&self, new: &NewPushSubscription, now: Wall) -> Result<PushSubscription, StoreError> {
        let NewPushSubscription { user, endpoint, p256dh, auth, name } = new;
        let query = sqlx::query(
            "INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, name, created)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (user_id, endpoint) DO UPDATE SET p256dh = $3, auth = $4, name = $5, last_error = ''
             RETURNING *",
        );
        let query = query.bind(user.0).bind(endpoint).bind(p256dh).bind(auth).bind(name).bind(now.unix_micros());
        subscription(&query.fetch_one(&self.writer).await?)
    }

    pub async fn push_subscriptions(&self, user: UserId) -> Result<Vec<PushSubscription>, StoreError> {
        let query = sqlx::query("SELECT * FROM push_subscriptions WHERE user_id = $1 ORDER BY id").bind(user.0);
        query.fetch_all(&self.readers).await?.iter().map(subscription).collect()
    }

    /// Of all users of a company.
    pub async fn push_subscriptions_in(&self, company: CompanyId) -> Result<Vec<PushSubscription>, StoreError> {
        let query = sqlx::query(
            "SELECT p.* FROM push_subscriptions AS p JOIN users AS u ON u.id = p.user_id WHERE u.company_id = $1
             ORDER BY p.id",
        );
        query.bind(company.0).fetch_all(&self.readers).await?.iter().map(subscription).collect()
    }

    pub async fn push_subscription(&self, id: i64) -> Result<Option<PushSubscription>, StoreError> {
        let query = sqlx::query("SELECT * FROM push_subscriptions WHERE id = $1").bind(id);
        query.fetch_optional(&self.readers).await?.as_ref().map(subscription).transpose()
    }

    pub async fn remove_push(&self, user: UserId, id: i64) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM push_subscriptions WHERE user_id = $1 AND id = $2").bind(user.0).bind(id);
        Ok(query.execute(&self.writer).await?.rows_affected() > 0)
    }

    /// What came of a push; `error` is empty where it was taken.
    pub async fn note_push(&self, id: i64, at: Wall, error: &str) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE push_subscriptions SET last_error = $3, last_success = CASE WHEN $3 = '' THEN $2 ELSE last_success END
             WHERE id = $1",
        );
        query.bind(id).bind(at.unix_micros()).bind(error).execute(&self.writer).await?;
        Ok(())
    }

    pub async fn push_gateway(&self, company: CompanyId) -> Result<Option<PushGateway>, StoreError> {
        let query = sqlx::query("SELECT * FROM push_gateways WHERE company_id = $1").bind(company.0);
        query.fetch_optional(&self.readers).await?.as_ref().map(gateway).transpose()
    }

    /// In place of the one that the company has.
    pub async fn set_push_gateway(&self, gateway: &PushGateway) -> Result<(), StoreError> {
        let PushGateway { company, url, secret, created } = gateway;
        let query = sqlx::query(
            "INSERT INTO push_gateways (company_id, url, secret, created) VALUES ($1, $2, $3, $4)
             ON CONFLICT (company_id) DO UPDATE SET url = $2, secret = $3, created = $4",
        );
        query.bind(company.0).bind(url).bind(secret).bind(created.unix_micros()).execute(&self.writer).await?;
        Ok(())
    }

    pub async fn remove_push_gateway(&self, company: CompanyId) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM push_gateways WHERE company_id = $1").bind(company.0);
        Ok(query.execute(&self.writer).await?.rows_affected() > 0)
    }

    /// The service's key for Web Push (PKCS #8): the first that is ever given.
    pub async fn push_key(&self, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
        let query = sqlx::query("INSERT INTO push_key (id, pkcs8) VALUES (1, $1) ON CONFLICT DO NOTHING");
        query.bind(fresh).execute(&self.writer).await?;
        Ok(sqlx::query_scalar("SELECT pkcs8 FROM push_key").fetch_one(&self.writer).await?)
    }
}

fn subscription(row: &SqliteRow) -> Result<PushSubscription, StoreError> {
    let row = Reading::new("push_subscriptions", row);
    Ok(PushSubscription {
        id: row.get("id")?,
        user: UserId(row.get("user_id")?),
        endpoint: row.text("endpoint")?,
        p256dh: row.text("p256dh")?,
        auth: row.text("auth")?,
        name: row.text("name")?,
        created: row.wall("created")?,
        last_success: row.wall_or_none("last_success")?,
        last_error: row.text("last_error")?,
    })
}

fn gateway(row: &SqliteRow) -> Result<PushGateway, StoreError> {
    let row = Reading::new("push_gateways", row);
    Ok(PushGateway {
        company: CompanyId(row.get("company_id")?),
        url: row.text("url")?,
        secret: row.text("secret")?,
        created: row.wall("created")?,
    })
}
