//! Hooks of a company, and what is to be told to them.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CompanyId, UserId, Wall};
use crate::subscription::Kinds;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use utoipa::ToSchema;

/// Whom a company tells of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRow {
    pub id: i64,
    pub company: CompanyId,
    pub url: String,
    pub kinds: Kinds,
    /// Each delivery is signed with it.
    pub secret: String,
    /// Told of nothing while it is not.
    pub active: bool,
    /// The admin who made it; `None` where nobody of the company did.
    pub made_by: Option<UserId>,
    pub created: Wall,
    /// Events of the feed up to here are in its queue.
    pub position: i64,
    pub last_success: Option<Wall>,
    pub last_failure: Option<Wall>,
    /// HTTP status of the last answer; `None` where there was none.
    pub last_status: Option<u16>,
    pub last_error: String,
    /// Since when nothing has come through; `None` while it works.
    pub failing_since: Option<Wall>,
    pub pending: u64,
    pub dead: u64,
}

/// A hook that is to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub company: CompanyId,
    pub url: String,
    pub kinds: Kinds,
    pub secret: String,
    pub made_by: Option<UserId>,
}

/// What became of a delivery so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Pending,
    Delivered,
    /// Given up after a day.
    Dead,
}

impl DeliveryState {
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// One event for one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    pub id: i64,
    pub webhook: i64,
    /// Position of the event; 0 of a test.
    pub seq: i64,
    pub kind: String,
    pub body: String,
    pub state: DeliveryState,
    pub attempts: u32,
    pub created: Wall,
    /// It is given up after this.
    pub ends: Wall,
    pub next_at: Wall,
    pub last_at: Option<Wall>,
    pub last_status: Option<u16>,
    pub last_error: String,
}

/// A delivery that is to be queued. Of one lane the later waits for the earlier.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub seq: i64,
    pub lane: String,
    pub kind: String,
    pub body: String,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub at: Wall,
    /// HTTP status; `None` where nothing answered.
    pub status: Option<u16>,
    /// Empty where it was taken.
    pub error: String,
    /// When it is tried again; `None`: never.
    pub again: Option<Wall>,
}

/// Hooks of a company at most.
pub const WEBHOOKS: u32 = 50;

const HOOKS: &str = "SELECT webhooks.*,
    (SELECT COUNT(*) FROM webhook_deliveries WHERE webhook_id = webhooks.id AND state = 'pending') AS pending,
    (SELECT COUNT(*) FROM webhook_deliveries WHERE webhook_id = webhooks.id AND state = 'dead') AS dead
    FROM webhooks WHERE ($1 IS NULL OR company_id = $1) AND ($2 IS NULL OR id = $2) ORDER BY id";

impl Store {
    /// Makes a hook, which is told of what happens from now on; `None` where the company has
    /// [`WEBHOOKS`] already.
    pub async fn add_webhook(&self, new: &NewWebhook, now: Wall) -> Result<Option<WebhookRow>, StoreError> {
        let NewWebhook { company, url, kinds, secret, made_by } = new;
        let query = sqlx::query_scalar(
            "INSERT INTO webhooks (company_id, url, kinds, secret, active, made_by, created, position)
             SELECT $1, $2, $3, $4, TRUE, $5, $6, (SELECT COALESCE(MAX(seq), 0) FROM feed)
             WHERE (SELECT COUNT(*) FROM webhooks WHERE company_id = $1) < $7 RETURNING id",
        );
        let query = query.bind(company.0).bind(url).bind(serde_json::to_string(kinds)?).bind(secret);
        let query = query.bind(made_by.map(|user| user.0)).bind(now.unix_micros()).bind(WEBHOOKS);
        let id: Option<i64> = query.fetch_optional(&self.writer).await?;
        let Some(id) = id else { return Ok(None) };
        let made = self.webhook(*company, id).await?;
        made.map(Some).ok_or_else(|| StoreError::Gone(format!("webhook {id}")))
    }

    /// Those of a company, or all.
    pub async fn webhooks(&self, company: Option<CompanyId>) -> Result<Vec<WebhookRow>, StoreError> {
        let query = sqlx::query(HOOKS).bind(company.map(|company| company.0)).bind(None::<i64>);
        query.fetch_all(&self.readers).await?.iter().map(webhook).collect()
    }

    pub async fn webhook(&self, company: CompanyId, id: i64) -> Result<Option<WebhookRow>, StoreError> {
        let query = sqlx::query(HOOKS).bind(company.0).bind(id);
        query.fetch_optional(&self.readers).await?.as_ref().map(webhook).transpose()
    }

    /// Writes address, kinds, secret and whether it is active. One that becomes active again is told
    /// of what happens from then on.
    pub async fn save_webhook(&self, hook: &WebhookRow) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE webhooks SET url = $2, kinds = $3, secret = $4, active = $5, position = CASE
                 WHEN $5 AND NOT active THEN (SELECT COALESCE(MAX(seq), 0) FROM feed) ELSE position END
             WHERE id = $1",
        );
        let query = query.bind(hook.id).bind(&hook.url).bind(serde_json::to_string(&hook.kinds)?);
        query.bind(&hook.secret).bind(hook.active).execute(&self.writer).await?;
        self.deliveries.notify_one();
        Ok(())
    }

    /// Hooks that are to be told, without counts but for whether anything is pending.
    pub async fn active_webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        let query = sqlx::query(
            "SELECT webhooks.*, 0 AS dead, EXISTS (SELECT 1 FROM webhook_deliveries
                 WHERE webhook_id = webhooks.id AND state = 'pending') AS pending
             FROM webhooks WHERE active ORDER BY id",
        );
        query.fetch_all(&self.readers).await?.iter().map(webhook).collect()
    }

    /// With all that was to be told to it.
    pub async fn remove_webhook(&self, company: CompanyId, id: i64) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM webhooks WHERE company_id = $1 AND id = $2").bind(company.0).bind(id);
        Ok(query.execute(&self.writer).await?.rows_affected() > 0)
    }

    /// Queues what a hook is to be told, and moves its position, in one transaction: each event is
    /// queued once, whenever the process dies. The ids, of those that are new.
    pub async fn queue_deliveries(
        &self,
        hook: i64,
        deliveries: &[NewDelivery],
        position: i64,
        (now, ends): (Wall, Wall),
    ) -> Result<Vec<i64>, StoreError> {
        let mut transaction = self.write().await?;
        let mut ids = Vec::new();
        for NewDelivery { seq, lane, kind, body } in deliveries {
            let query = sqlx::query_scalar(
                "INSERT INTO webhook_deliveries (webhook_id, seq, lane, kind, body, state, attempts, created, ends, next_at)
                 SELECT $1, $2, $3, $4, $5, 'pending', 0, $6, $7, $6 WHERE EXISTS (SELECT 1 FROM webhooks WHERE id = $1)
                 ON CONFLICT DO NOTHING RETURNING id",
            );
            let query = query.bind(hook).bind(seq).bind(lane).bind(kind).bind(body);
            let query = query.bind(now.unix_micros()).bind(ends.unix_micros());
            let id: Option<i64> = query.fetch_optional(&mut *transaction).await?;
            ids.extend(id);
        }
        let query = sqlx::query("UPDATE webhooks SET position = $2 WHERE id = $1 AND position < $2");
        query.bind(hook).bind(position).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.deliveries.notify_one();
        Ok(ids)
    }

    /// Deliveries whose turn it is, for a hook: of each lane only the first that is pending.
    /// `under_way` are left out.
    pub async fn due_deliveries(
        &self,
        hook: i64,
        under_way: &[i64],
        now: Wall,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM webhook_deliveries AS d
             WHERE d.webhook_id = $1 AND d.state = 'pending' AND d.next_at <= $2
               AND d.id NOT IN (SELECT value FROM json_each($3))
               AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS e
                   WHERE e.webhook_id = d.webhook_id AND e.lane = d.lane AND e.state = 'pending' AND e.id < d.id)
             ORDER BY d.id LIMIT $4",
        );
        let query = query.bind(hook).bind(now.unix_micros()).bind(serde_json::to_string(under_way)?).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(delivery).collect()
    }

    /// When the next delivery of an active hook is due; `None` where nothing waits.
    pub async fn next_delivery_at(&self, after: Wall) -> Result<Option<Wall>, StoreError> {
        let query =
            sqlx::query_scalar("SELECT MIN(next_at) FROM webhook_deliveries WHERE state = 'pending' AND next_at > $1");
        let at: Option<i64> = query.bind(after.unix_micros()).fetch_one(&self.readers).await?;
        Ok(at.map(Wall::from_unix_micros))
    }

    /// Writes what came of attempts, with the deliveries and with their hooks, in one transaction.
    pub async fn note_attempts(&self, attempts: &[(Attempt, DeliveryRow)]) -> Result<(), StoreError> {
        if attempts.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        for (attempt, delivery) in attempts {
            note_attempt(&mut transaction, attempt, delivery).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Of a hook, the newest first; those before `before`, where it is given.
    pub async fn deliveries(
        &self,
        hook: i64,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND ($2 IS NULL OR state = $2)
               AND ($3 IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
        );
        let query = query.bind(hook).bind(state.map(DeliveryState::as_str)).bind(before).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(delivery).collect()
    }

    /// Sends it anew, now, and for as long as a new one: one delivery, or all dead ones of the hook.
    /// How many.
    pub async fn replay_deliveries(
        &self,
        hook: i64,
        only: Option<i64>,
        (now, ends): (Wall, Wall),
    ) -> Result<u64, StoreError> {
        let query = sqlx::query(
            "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_at = $3, ends = $4
             WHERE webhook_id = $1 AND (id = $2 OR ($2 IS NULL AND state = 'dead'))",
        );
        let query = query.bind(hook).bind(only).bind(now.unix_micros()).bind(ends.unix_micros());
        let replayed = query.execute(&self.writer).await?.rows_affected();
        self.deliveries.notify_one();
        Ok(replayed)
    }

    /// Deletes deliveries whose last attempt was before: those that were taken, and dead ones.
    pub async fn purge_deliveries(&self, taken: Wall, dead: Wall) -> Result<u64, StoreError> {
        let query = sqlx::query(
            "DELETE FROM webhook_deliveries WHERE (state = 'delivered' AND last_at < $1)
             OR (state = 'dead' AND last_at < $2)",
        );
        let query = query.bind(taken.unix_micros()).bind(dead.unix_micros());
        Ok(query.execute(&self.writer).await?.rows_affected())
    }

    /// Woken when this process has queued something, or changed a hook. For the one who delivers.
    pub async fn deliveries_have_changed(&self) {
        self.deliveries.notified().await;
    }
}

async fn note_attempt(
    connection: &mut SqliteConnection,
    attempt: &Attempt,
    delivery: &DeliveryRow,
) -> Result<(), StoreError> {
    let Attempt { at, status, error, again } = attempt;
    let state = match (error.is_empty(), again) {
        (true, _) => DeliveryState::Delivered,
        (false, Some(_)) => DeliveryState::Pending,
        (false, None) => DeliveryState::Dead,
    };
    let query = sqlx::query(
        "UPDATE webhook_deliveries SET state = $2, attempts = attempts + 1, next_at = $3, last_at = $4,
             last_status = $5, last_error = $6 WHERE id = $1",
    );
    let query = query.bind(delivery.id).bind(state.as_str()).bind(again.unwrap_or(*at).unix_micros());
    let query = query.bind(at.unix_micros()).bind(status.map(i64::from)).bind(error);
    query.execute(&mut *connection).await?;
    let query = match state {
        DeliveryState::Delivered => sqlx::query(
            "UPDATE webhooks SET last_success = $2, last_status = $3, last_error = $4, failing_since = NULL
             WHERE id = $1",
        ),
        DeliveryState::Pending | DeliveryState::Dead => sqlx::query(
            "UPDATE webhooks SET last_failure = $2, last_status = $3, last_error = $4,
                 failing_since = COALESCE(failing_since, $2) WHERE id = $1",
        ),
    };
    let query = query.bind(delivery.webhook).bind(at.unix_micros()).bind(status.map(i64::from)).bind(error);
    query.execute(connection).await?;
    Ok(())
}

fn webhook(row: &SqliteRow) -> Result<WebhookRow, StoreError> {
    let row = Reading::new("webhooks", row);
    Ok(WebhookRow {
        id: row.get("id")?,
        company: CompanyId(row.get("company_id")?),
        url: row.text("url")?,
        kinds: row.json("kinds")?,
        secret: row.text("secret")?,
        active: row.get("active")?,
        made_by: row.get::<Option<i64>>("made_by")?.map(UserId),
        created: row.wall("created")?,
        position: row.get("position")?,
        last_success: row.wall_or_none("last_success")?,
        last_failure: row.wall_or_none("last_failure")?,
        last_status: status(&row)?,
        last_error: row.text("last_error")?,
        failing_since: row.wall_or_none("failing_since")?,
        pending: row.count("pending")?,
        dead: row.count("dead")?,
    })
}

fn delivery(row: &SqliteRow) -> Result<DeliveryRow, StoreError> {
    let row = Reading::new("webhook_deliveries", row);
    Ok(DeliveryRow {
        id: row.get("id")?,
        webhook: row.get("webhook_id")?,
        seq: row.get("seq")?,
        kind: row.text("kind")?,
        body: row.text("body")?,
        state: row.word("state", DeliveryState::parse)?,
        attempts: row.count("attempts")?,
        created: row.wall("created")?,
        ends: row.wall("ends")?,
        next_at: row.wall("next_at")?,
        last_at: row.wall_or_none("last_at")?,
        last_status: status(&row)?,
        last_error: row.text("last_error")?,
    })
}

fn status(row: &Reading<'_>) -> Result<Option<u16>, StoreError> {
    Ok(row.get::<Option<i64>>("last_status")?.and_then(|status| u16::try_from(status).ok()))
}
