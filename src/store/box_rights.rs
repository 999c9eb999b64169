//! What a change of the directory changes for the messages of boxes: whose they are, who receives what
//! is left from now on, and what goes with a box that goes.
//!
//! ```text
//! boxes before ─┐
//!               ├─ difference ─► states of new owners, subscriptions of members, messages that go
//! boxes after  ─┘
//! ```

use super::row::Reading;
use super::{By, StoreError, holds, mailboxes};
use crate::base::{BoxId, CompanyId, UserId, Wall};
use crate::directory::plan::{Change, Plan};
use crate::directory::{BoxAccess, BoxOwnerText, BoxText, FacilityKind, GroupText};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Who has rights to a box by what the directory says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BoxRight {
    company: CompanyId,
    access: BoxAccess,
    owner: Option<UserId>,
    /// Members of its group, where they receive its messages.
    members: BTreeSet<UserId>,
}

type Boxes = BTreeMap<BoxId, BoxRight>;

/// Whether the plan can change anything here. What does not is not read for it.
pub(super) fn concerns(plan: &Plan) -> bool {
    plan.changes.iter().any(|change| match change {
        Change::HandOver { .. } | Change::RemoveUser { .. } => true,
        Change::ChangeUser { from, to, .. } => from.deactivated != to.deactivated,
        Change::RemoveFacility { kind, .. } => is_of_boxes(*kind),
        Change::AddFacility { to } | Change::ChangeFacility { from: _, to } => is_of_boxes(to.kind()),
        Change::RemoveNumber { .. }
        | Change::RemoveTrunk { .. }
        | Change::AddCompany { .. }
        | Change::ChangeCompany { .. }
        | Change::AddUser { .. }
        | Change::AddNumber { .. }
        | Change::ChangeNumber { .. }
        | Change::AddTrunk { .. }
        | Change::ChangeTrunk { .. } => false,
    })
}

const fn is_of_boxes(kind: FacilityKind) -> bool {
    match kind {
        FacilityKind::Group | FacilityKind::Voicemail => true,
        FacilityKind::Inbox | FacilityKind::Flow | FacilityKind::Prompt => false,
    }
}

/// The boxes as the database has them now.
pub(super) struct Before(Boxes);

pub(super) async fn before(connection: &mut SqliteConnection) -> Result<Before, StoreError> {
    read(connection).await.map(Before)
}

/// Carries out what follows from the boxes being others than before; how many messages went with theirs.
pub(super) async fn follow(
    connection: &mut SqliteConnection,
    Before(before): Before,
    plan: &Plan,
    by: Option<&By>,
) -> Result<u64, StoreError> {
    let after = read(connection).await?;
    let mut gone = 0;
    for mailbox in before.keys().filter(|mailbox| !after.contains_key(mailbox)) {
        gone += remove_box(connection, *mailbox).await?;
    }
    let nothing = BTreeSet::new();
    let at = || by.map(|by| by.at).ok_or(StoreError::Unsigned);
    for (mailbox, now) in &after {
        let was = before.get(mailbox);
        if was == Some(now) {
            continue;
        }
        let members = was.map_or(&nothing, |was| &was.members);
        for user in now.members.difference(members) {
            mailboxes::subscribe(connection, now.company, *mailbox, *user, at()?).await?;
        }
        for user in members.difference(&now.members) {
            mailboxes::unsubscribe(connection, *mailbox, *user, at()?).await?;
        }
        if let Some(was) = was {
            change_hands(connection, *mailbox, (was, now), plan).await?;
        }
    }
    Ok(gone)
}

/// Whose states hold where the owner or the access is another one.
async fn change_hands(
    connection: &mut SqliteConnection,
    mailbox: BoxId,
    (was, now): (&BoxRight, &BoxRight),
    plan: &Plan,
) -> Result<(), StoreError> {
    let reader = |right: &BoxRight| match right.access {
        BoxAccess::Global => Some(0),
        BoxAccess::Personal => right.owner.map(|owner| owner.0),
    };
    let (old, new) = (reader(was), reader(now));
    if old == new {
        return Ok(());
    }
    if let Some(new) = new {
        copy_states(connection, mailbox, old, new).await?;
    }
    if was.access == BoxAccess::Personal && now.access == BoxAccess::Personal && now.owner.is_none() {
        // It has no owner any more: who takes over from the one it had hears it as a subscriber.
        for heir in heirs(connection, was, plan).await? {
            mailboxes::subscribe(connection, now.company, mailbox, heir, Wall::from_unix_micros(0)).await?;
            copy_states(connection, mailbox, old, heir.0).await?;
        }
    }
    if was.access == BoxAccess::Global {
        // What subscribers of before had is theirs again.
        for subscriber in mailboxes::users_of(connection, mailbox).await? {
            copy_states(connection, mailbox, Some(0), subscriber.0).await?;
            drop_uncovered(connection, mailbox, subscriber.0).await?;
        }
    }
    match (now.access, old) {
        (BoxAccess::Global, _) => {
            let query = sqlx::query("DELETE FROM message_states WHERE box_id = $1 AND reader_id <> 0");
            query.bind(mailbox.0).execute(connection).await?;
        }
        (BoxAccess::Personal, Some(old)) => drop_uncovered(connection, mailbox, old).await?,
        (BoxAccess::Personal, None) => {}
    }
    Ok(())
}

/// Every message of the box gets a state for `new`: as it is for `old`, else as for who has done nothing.
async fn copy_states(
    connection: &mut SqliteConnection,
    mailbox: BoxId,
    old: Option<i64>,
    new: i64,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO message_states (message_id, reader_id, box_id, left_at, folder, removed, removed_at, read_at, read_by)
         SELECT m.id, $3, m.box_id, m.left_at, COALESCE(s.folder, CASE WHEN m.urgent THEN 3 ELSE 1 END),
                COALESCE(s.removed, FALSE), s.removed_at, s.read_at, s.read_by
         FROM messages AS m LEFT JOIN message_states AS s ON s.message_id = m.id AND s.reader_id = $2
         WHERE m.box_id = $1
         ON CONFLICT DO NOTHING",
    );
    query.bind(mailbox.0).bind(old.unwrap_or(-1)).bind(new).execute(connection).await?;
    Ok(())
}

/// Of somebody who does not own the box any more what they are not subscribed to goes.
async fn drop_uncovered(connection: &mut SqliteConnection, mailbox: BoxId, reader: i64) -> Result<(), StoreError> {
    let query = sqlx::query(
        "DELETE FROM message_states WHERE box_id = $1 AND reader_id = $2 AND NOT EXISTS (
             SELECT 1 FROM box_subscriptions AS b WHERE b.box_id = $1 AND b.user_id = $2
             AND b.since <= message_states.left_at AND (b.until IS NULL OR b.until > message_states.left_at))",
    );
    query.bind(mailbox.0).bind(reader).execute(connection).await?;
    Ok(())
}

/// Who takes over from the owner that the box had, in this plan.
async fn heirs(connection: &mut SqliteConnection, was: &BoxRight, plan: &Plan) -> Result<Vec<UserId>, StoreError> {
    let Some(owner) = was.owner else { return Ok(Vec::new()) };
    let mut heirs = Vec::new();
    for change in &plan.changes {
        if let Change::HandOver { company, from, to, .. } = change
            && super::apply::user_id(connection, company, from).await?.is_none_or(|id| id == owner.0)
        {
            for heir in to {
                heirs.extend(super::apply::user_id(connection, company, heir).await?.map(UserId));
            }
        }
    }
    Ok(heirs)
}

/// Messages, states, subscriptions and greetings of a box that has gone; its files are doomed. How many
/// messages that were.
async fn remove_box(connection: &mut SqliteConnection, mailbox: BoxId) -> Result<u64, StoreError> {
    if holds::in_box(connection, mailbox).await?.is_some() {
        return Err(StoreError::Held(format!("a message in voicemail {mailbox}")));
    }
    for sql in [
        "INSERT INTO doomed_files (path) SELECT path FROM messages WHERE box_id = $1 ON CONFLICT DO NOTHING",
        "INSERT INTO doomed_files (path) SELECT path FROM greetings WHERE box_id = $1 ON CONFLICT DO NOTHING",
        "DELETE FROM greetings WHERE box_id = $1",
        "DELETE FROM box_subscriptions WHERE box_id = $1",
    ] {
        sqlx::query(sql).bind(mailbox.0).execute(&mut *connection).await?;
    }
    let gone = sqlx::query("DELETE FROM messages WHERE box_id = $1").bind(mailbox.0).execute(connection).await?;
    Ok(gone.rows_affected())
}

async fn read(connection: &mut SqliteConnection) -> Result<Boxes, StoreError> {
    let rows = sqlx::query("SELECT id, company_id, extension FROM users").fetch_all(&mut *connection).await?;
    let mut users: HashMap<(i64, String), UserId> = HashMap::new();
    for row in &rows {
        let row = Reading::new("users", row);
        users.insert((row.get("company_id")?, row.text("extension")?), UserId(row.get("id")?));
    }
    let rows =
        sqlx::query("SELECT id, company_id, kind, name, detail FROM facilities WHERE kind IN ('group', 'voicemail')")
            .fetch_all(connection)
            .await?;
    let (mut groups, mut boxes) = (HashMap::new(), Vec::new());
    for row in &rows {
        let row = Reading::new("facilities", row);
        let company: i64 = row.get("company_id")?;
        match row.word("kind", FacilityKind::parse)? {
            FacilityKind::Group => drop(groups.insert((company, row.text("name")?), row.json::<GroupText>("detail")?)),
            FacilityKind::Voicemail => boxes.push((BoxId(row.get("id")?), company, row.json::<BoxText>("detail")?)),
            FacilityKind::Inbox | FacilityKind::Flow | FacilityKind::Prompt => {}
        }
    }
    let right = |(id, company, text): (BoxId, i64, BoxText)| {
        let user = |extension: &String| users.get(&(company, extension.clone())).copied();
        let (owner, members) = match &text.owner {
            BoxOwnerText::Nobody => (None, BTreeSet::new()),
            BoxOwnerText::User(extension) => (user(extension), BTreeSet::new()),
            BoxOwnerText::Group(name) => {
                let group = groups.get(&(company, name.clone()));
                let group = group.filter(|group| group.subscribe_members || text.settings.subscribe_members);
                (None, group.into_iter().flat_map(|group| &group.members).filter_map(user).collect())
            }
        };
        (id, BoxRight { company: CompanyId(company), access: text.access, owner, members })
    };
    Ok(boxes.into_iter().map(right).collect())
}

#[cfg(test)]
mod tests;
