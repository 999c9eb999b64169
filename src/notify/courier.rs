//! Takes events to hooks.
//!
//! What a hook is to be told is a row, written with the hook's position; so a restart goes on where
//! the last process stood. Of one call the later event waits for the earlier; others go on.

use super::post::Postman;
use super::sign::{signature, timestamp};
use crate::base::{Random, Span, Wall};
use crate::directory::Directory;
use crate::ledger::Subject;
use crate::store::{Attempt, DeliveryRow, NewDelivery, Store, StoreError, WebhookRow};
use crate::subscription::{Asker, CompatibleEvent, FeedEntry, Patterns, Uuids};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A delivery that nobody takes for so long is dead.
pub const GIVE_UP: Span = Span::from_secs(86_400);
/// Deliveries of one hook that are under way at a time.
const OF_ONE: usize = 4;
/// Of all hooks.
const OF_ALL: usize = 64;
/// Events that are queued at once.
const BATCH: u32 = 200;
/// What comes within so long is queued together.
const TOGETHER: Duration = Duration::from_millis(50);
/// The first pause between two attempts; each is twice the one before.
const FIRST_PAUSE: Span = Span::from_secs(1);
const LONGEST_PAUSE: Span = Span::from_secs(3_600);
/// How long a delivery that was taken is shown, and a dead one.
const SHOW_TAKEN: Span = Span::from_secs(86_400);
const SHOW_DEAD: Span = Span::from_secs(30 * 86_400);
/// The longest sleep.
const IDLE: Duration = Duration::from_secs(60);
const PURGE_EVERY: Span = Span::from_secs(600);
const RETRY: Duration = Duration::from_secs(1);

/// The calendar and randomness of the service.
pub trait World: Send + Sync {
    fn wall(&self) -> Wall;
    fn random(&self) -> Box<dyn Random + Send>;
}

/// The one who delivers.
pub struct Courier {
    store: Store,
    postman: Arc<Postman>,
    world: Box<dyn World>,
    /// By delivery, the hook that it goes to.
    under_way: HashMap<i64, i64>,
    attempts: JoinSet<(DeliveryRow, Result<u16, String>)>,
    /// How far each hook's queue is, where that is further than its row says: events that it is not
    /// told of are not worth a write each.
    looked_at: HashMap<i64, i64>,
    purged: Wall,
}

impl Courier {
    pub fn new(store: Store, postman: Postman, world: Box<dyn World>) -> Self {
        let (under_way, looked_at, attempts) = (HashMap::new(), HashMap::new(), JoinSet::new());
        Courier { store, postman: Arc::new(postman), world, under_way, attempts, looked_at, purged: Wall::default() }
    }

    /// Delivers until it is stopped. `fed` is the newest position of the feed.
    pub async fn run(mut self, mut fed: watch::Receiver<i64>) {
        loop {
            fed.borrow_and_update();
            if let Err(error) = self.turn().await {
                tracing::error!(%error, "events could not be brought to hooks; it is tried again");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let wait = self.wait().await;
            tokio::select! {
                changed = fed.changed() => match changed {
                    Ok(()) => tokio::time::sleep(TOGETHER).await,
                    Err(_) => return,
                },
                () = self.store.deliveries_have_changed() => {}
                Some(done) = self.attempts.join_next() => {
                    if let Err(error) = self.note(done.ok()).await {
                        // It stays pending, and goes out again.
                        tracing::error!(%error, "what came of a delivery to a hook could not be written");
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Queues what is new, and sends what is due.
    async fn turn(&mut self) -> Result<(), StoreError> {
        let newest = self.store.feed_newest().await?;
        let mut directory = None;
        for mut hook in self.store.active_webhooks().await? {
            hook.position = hook.position.max(self.looked_at.get(&hook.id).copied().unwrap_or(0));
            let hook = match hook.position < newest {
                true => self.queue(hook, newest, &mut directory).await?,
                false => hook,
            };
            if hook.pending > 0 {
                self.send_due(&hook).await?;
            }
        }
        let now = self.world.wall();
        if now >= self.purged.plus(PURGE_EVERY) {
            self.store.purge_deliveries(now.minus(SHOW_TAKEN), now.minus(SHOW_DEAD)).await?;
            self.purged = now;
        }
        Ok(())
    }

    async fn queue(
        &mut self,
        mut hook: WebhookRow,
        newest: i64,
        directory: &mut Option<Arc<Directory>>,
    ) -> Result<WebhookRow, StoreError> {
        while hook.position < newest {
            let entries = self.store.feed_after(Some(hook.company), hook.position, BATCH).await?;
            let whole = entries.len() < BATCH as usize;
            let last = entries.last().map_or(newest, |entry| entry.seq);
            let position = if whole { newest.max(last) } else { last };
            let wanted: Vec<FeedEntry> = entries.into_iter().filter(|entry| hook.kinds.contain(entry.kind)).collect();
            if wanted.is_empty() && whole {
                self.looked_at.insert(hook.id, position);
                return Ok(WebhookRow { position, ..hook });
            }
            if directory.is_none() {
                *directory = Some(Arc::new(self.store.load_directory().await?));
            }
            let known = directory.as_deref();
            let deliveries: Vec<NewDelivery> = match hook.kinds.compatible() {
                None => wanted.into_iter().filter_map(|entry| Some(delivery_of(entry, known?))).collect(),
                Some(patterns) => {
                    let uuids = self.store.uuids(hook.company).await?;
                    wanted.iter().filter_map(|entry| compatible_of(entry, known?, &uuids, &patterns)).collect()
                }
            };
            let queued = self.store.queue_deliveries(hook.id, &deliveries, position, self.times()).await?;
            hook.pending += queued.len() as u64;
            hook.position = position;
        }
        Ok(hook)
    }

    fn times(&self) -> (Wall, Wall) {
        let now = self.world.wall();
        (now, now.plus(GIVE_UP))
    }

    async fn send_due(&mut self, hook: &WebhookRow) -> Result<(), StoreError> {
        let of_hook = self.under_way.values().filter(|other| **other == hook.id).count();
        let room = OF_ONE.saturating_sub(of_hook).min(OF_ALL.saturating_sub(self.under_way.len()));
        if room == 0 {
            return Ok(());
        }
        let under_way: Vec<i64> = self.under_way.keys().copied().collect();
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        for delivery in self.store.due_deliveries(hook.id, &under_way, self.world.wall(), limit).await? {
            self.under_way.insert(delivery.id, hook.id);
            let (postman, url, secret) = (Arc::clone(&self.postman), hook.url.clone(), hook.secret.clone());
            let stamp = timestamp(self.world.wall());
            self.attempts.spawn(async move {
                let outcome = attempt(&postman, &url, &secret, &stamp, &delivery).await;
                (delivery, outcome)
            });
        }
        Ok(())
    }

    /// Writes what came of attempts: this one and those that are over as well.
    async fn note(&mut self, first: Option<(DeliveryRow, Result<u16, String>)>) -> Result<(), StoreError> {
        let mut done: Vec<_> = first.into_iter().collect();
        while let Some(more) = self.attempts.try_join_next() {
            done.extend(more.ok());
        }
        let mut noted = Vec::with_capacity(done.len());
        for (delivery, outcome) in done {
            self.under_way.remove(&delivery.id);
            noted.push((self.judge(&delivery, outcome), delivery));
        }
        self.store.note_attempts(&noted).await
    }

    fn judge(&self, delivery: &DeliveryRow, outcome: Result<u16, String>) -> Attempt {
        let at = self.world.wall();
        let (status, error) = match outcome {
            Ok(status) if (200..300).contains(&status) => (Some(status), String::new()),
            Ok(status) => (Some(status), format!("the receiver answered {status}")),
            Err(error) => (None, error),
        };
        let dice = u64::from(self.world.random().u32());
        let again = (at < delivery.ends).then(|| at.plus(pause(delivery.attempts, dice)).min(delivery.ends));
        if !error.is_empty() {
            let (webhook, seq, attempts) = (delivery.webhook, delivery.seq, delivery.attempts + 1);
            let event = serde_json::from_str::<serde_json::Value>(&delivery.body).unwrap_or_default();
            let call = event.get("call").and_then(serde_json::Value::as_str);
            match again {
                Some(_) => tracing::debug!(call, webhook, seq, attempts, error, "a hook has not taken an event"),
                None => {
                    tracing::warn!(call, webhook, seq, attempts, error, "an event for a hook is dead: nobody took it")
                }
            }
        }
        Attempt { at, status, error, again }
    }

    /// Until the next delivery is due.
    async fn wait(&self) -> Duration {
        let now = self.world.wall();
        let next = self.store.next_delivery_at(now).await.ok().flatten();
        let until = next.map(|at| u64::try_from(at.unix_micros() - now.unix_micros()).unwrap_or(0));
        until.map_or(IDLE, Duration::from_micros).min(IDLE)
    }
}

async fn attempt(
    postman: &Postman,
    url: &str,
    secret: &str,
    stamp: &str,
    delivery: &DeliveryRow,
) -> Result<u16, String> {
    let (id, signature) = (delivery.seq.to_string(), signature(secret, stamp, &delivery.body));
    let headers = [
        ("Telegraphone-Event-Id", id.as_str()),
        ("Telegraphone-Event", delivery.kind.as_str()),
        ("Telegraphone-Timestamp", stamp),
        ("Telegraphone-Signature", signature.as_str()),
    ];
    postman.post(url, &headers, &delivery.body).await.map_err(|error| error.to_string())
}

/// Between attempt `attempts` (from 0) and the next: twice as long each time, and by chance between
/// half of that and all, so that what failed together does not come back together.
fn pause(attempts: u32, dice: u64) -> Span {
    let whole = FIRST_PAUSE.times(1 << attempts.min(20)).0.min(LONGEST_PAUSE.0);
    Span(whole / 2 + (whole / 2).saturating_mul(dice & 0xffff) / 0xffff)
}

fn delivery_of(entry: FeedEntry, directory: &Directory) -> NewDelivery {
    let FeedEntry { seq, at: _, kind, company: _, call, subject, event } = entry;
    let lane = call.map(Subject::Call).unwrap_or(subject).id();
    NewDelivery { seq, lane, kind: kind.as_str().to_owned(), body: event.json(directory).to_string() }
}

/// As the compatible API tells it; `None`: it is none of `patterns`. Of a personal box it is told for whom it
/// happened, or whose box it is.
fn compatible_of(entry: &FeedEntry, directory: &Directory, uuids: &Uuids, patterns: &Patterns) -> Option<NewDelivery> {
    let event = CompatibleEvent::of(directory, entry)?;
    let user = event.user().and_then(|user| uuids.users.get(&user)).map(String::as_str);
    let names = event.asked(user.unwrap_or_default());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let given = patterns.allow_any(&names, Asker::default());
    let lane = entry.call.map(Subject::Call).unwrap_or(entry.subject).id();
    let (kind, body) = (event.name().to_owned(), event.json(&uuids.company, user).to_string());
    given.then_some(NewDelivery { seq: entry.seq, lane, kind, body })
}

/// A delivery that tells of nothing but that the hook is reached.
pub fn test_delivery(now: Wall) -> NewDelivery {
    let kind = "webhook.test".to_owned();
    let body = json!({ "event": kind, "seq": 0, "at": now.to_string() }).to_string();
    NewDelivery { seq: 0, lane: format!("test {}", now.unix_micros()), kind, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_are_never_the_same_for_all() {
        let seconds = |attempts, dice| pause(attempts, dice).as_millis();
        assert_eq!((seconds(0, 0), seconds(0, 0xffff)), (500, 1_000));
        assert_eq!((seconds(3, 0), seconds(3, 0xffff)), (4_000, 8_000));
        assert_eq!((seconds(40, 0), seconds(40, 0xffff)), (1_800_000, 3_600_000));
        let mut day = 0;
        let tries = (0..).take_while(|attempts| {
            day += seconds(*attempts, 0xffff);
            day < GIVE_UP.as_millis()
        });
        assert_eq!(tries.count(), 34, "so often in a day at least");
    }
}
