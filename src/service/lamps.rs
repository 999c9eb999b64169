//! What waits for whom: counted anew where something happened, and told to call control, which tells
//! the devices.
//!
//! Every event of a message names its box, so only those who hear that box are counted then. Where the
//! directory or somebody's rights changed, everybody is.

use super::Handle;
use super::core::Order;
use crate::base::{BoxId, UserId};
use crate::directory::{Directory, User};
use crate::ledger::Waiting;
use crate::store::{AccessVersion, StoreError};
use crate::subscription::{About, MessageScope, Receivers};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Between two looks whether somebody's rights have changed, where nothing happens.
const LOOK: Duration = Duration::from_secs(1);
/// Events that are read at once.
const BATCH: u32 = 500;

/// Runs until the service ends.
pub async fn keep(handle: Handle) {
    let mut fed = handle.fed.subscribe();
    let mut lamps = Lamps::default();
    loop {
        let newest = *fed.borrow_and_update();
        match lamps.look(&handle, newest).await {
            Ok(counts) if counts.is_empty() => {}
            Ok(counts) => {
                if handle.orders.send(Order::Waiting(counts)).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!(%error, "messages that wait could not be counted; it is tried again"),
        }
        let _ = tokio::time::timeout(LOOK, fed.changed()).await;
    }
}

#[derive(Default)]
struct Lamps {
    version: Option<AccessVersion>,
    directory: Directory,
    /// Events up to this one are counted.
    position: i64,
    /// What call control was told.
    told: HashMap<UserId, Waiting>,
}

impl Lamps {
    /// Those for whom something else waits than they were told.
    async fn look(&mut self, handle: &Handle, newest: i64) -> Result<Vec<(UserId, Waiting)>, StoreError> {
        let version = handle.store.access_version().await?;
        let concerned = if self.version.as_ref() == Some(&version) {
            self.concerned(handle, newest).await?
        } else {
            self.directory = handle.store.load_directory().await?;
            self.everybody()
        };
        let mut changed = Vec::new();
        for user in concerned {
            let waiting = self.count(handle, user).await?;
            // Whoever hears no box is not told of it, unless they heard one before.
            let waiting = waiting.or_else(|| self.told.contains_key(&user).then(Waiting::default));
            let Some(waiting) = waiting else { continue };
            if self.told.insert(user, waiting) != Some(waiting) {
                changed.push((user, waiting));
            }
        }
        self.version = Some(version);
        self.position = newest;
        Ok(changed)
    }

    fn everybody(&self) -> BTreeSet<UserId> {
        let companies = self.directory.companies();
        let with_boxes = companies.filter(|company| self.directory.mailboxes_of(company.id).next().is_some());
        let users = with_boxes.flat_map(|company| self.directory.users_of(company.id)).map(|user| user.id);
        users.chain(self.told.keys().copied()).collect()
    }

    /// Who hears the boxes in which something happened.
    async fn concerned(&self, handle: &Handle, newest: i64) -> Result<BTreeSet<UserId>, StoreError> {
        let mut boxes = BTreeSet::new();
        let mut after = self.position;
        while after < newest {
            let events = handle.store.feed_after(None, after, BATCH).await?;
            let Some(last) = events.last() else { break };
            after = last.seq;
            boxes.extend(events.iter().filter_map(|entry| match &entry.event.about {
                Some(About::Message(message)) => Some(message.mailbox_id),
                Some(About::Call(_) | About::Recording(_) | About::Text(_)) | None => None,
            }));
        }
        let mut users = BTreeSet::new();
        for mailbox in boxes {
            users.extend(self.hearers(handle, mailbox).await?);
        }
        Ok(users)
    }

    async fn hearers(&self, handle: &Handle, id: BoxId) -> Result<Vec<UserId>, StoreError> {
        let Some(mailbox) = self.directory.mailbox(id) else { return Ok(Vec::new()) };
        let owner = match Receivers::of(mailbox) {
            Receivers::Everybody => {
                return Ok(self.directory.users_of(mailbox.company).map(|user| user.id).collect());
            }
            Receivers::Owner(owner) => Some(owner),
            Receivers::Subscribers => None,
        };
        let subscribers = handle.store.box_subscribers(id).await?;
        Ok(subscribers.into_iter().map(|one| one.user).chain(owner).collect())
    }

    /// `None`: they hear no box.
    async fn count(&self, handle: &Handle, user: UserId) -> Result<Option<Waiting>, StoreError> {
        let Some(user) = self.directory.user(user) else { return Ok(None) };
        let scope = self.scope(handle, user).await?;
        let hears = !(scope.owned.is_empty() && scope.global.is_empty() && scope.subscribed.is_empty());
        match hears {
            true => handle.store.waiting(&scope, None).await.map(Some),
            false => Ok(None),
        }
    }

    async fn scope(&self, handle: &Handle, user: &User) -> Result<MessageScope, StoreError> {
        Ok(MessageScope::of(&self.directory, user, handle.store.box_subscriptions_of(user.id).await?))
    }
}
