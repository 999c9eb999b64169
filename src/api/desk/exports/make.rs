//! How an archive is made: page by page, by the rights that its owner has at that moment.

use super::super::{Desk, Person, contacts::contact, filter::filter, person};
use super::write::{Entry, Unmade, Work};
use super::{COMMAND_LINE, command_line};
use crate::api::keeping::ExportWhat;
use crate::api::texts::TextView;
use crate::api::view::{CallItem, has_file};
use crate::api::{CallQuery, MessageView, NoteView, Scopes, Viewer};
use crate::base::{CallId, RecordingId, Span, StaffId, UserId};
use crate::directory::Directory;
use crate::ledger::{CallRecord, RecordingRecord};
use crate::store::{ExportRow, ExportState, Owner, facts};
use crate::subscription::MessageReason;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Calls of a page.
const PAGE: u32 = 100;
/// Times that one is begun at most: what takes the service down with it is not made for ever.
const TRIES: u32 = 3;
/// Between two looks for archives whose time is over.
const LOOK: Span = Span::from_secs(60);
/// Between two looks whether one is asked for.
const GLANCE: Duration = Duration::from_secs(2);

impl Desk {
    /// Makes what waits, one after the other, and takes away what is over. Never ends.
    pub async fn keep_exports(&self) {
        if let Err(error) = self.store.begin_exports_again(TRIES, self.world.wall()).await {
            tracing::error!(%error, "exports that were being made could not be begun again");
        }
        loop {
            if let Err(error) = self.make_all().await {
                tracing::error!(%error, "exports could not be looked after; it is tried again");
            }
            self.wait_for_work().await;
        }
    }

    /// Until there is something to do, at the latest for [`LOOK`]. Of what the command line asks nobody tells.
    async fn wait_for_work(&self) {
        let since = self.world.now();
        while self.world.now().since(since) < LOOK {
            let told = tokio::time::timeout(GLANCE, self.exports.changed.notified()).await.is_ok();
            if told || self.store.export_waits().await.unwrap_or(false) {
                return;
            }
        }
    }

    async fn make_all(&self) -> Result<(), Unmade> {
        self.tidy().await?;
        while let Some(row) = self.store.next_export().await? {
            match self.make(&row).await {
                Ok(()) => tracing::info!(export = row.id, company = %row.company, "an export is ready"),
                Err(Unmade::Over) => tracing::info!(export = row.id, "an export was not wanted any more"),
                Err(error) => {
                    tracing::warn!(export = row.id, %error, "an export could not be made");
                    // What people can do nothing about may name folders.
                    let problem = match &error {
                        Unmade::Told(text) => text.as_str(),
                        Unmade::Store(_) | Unmade::File(_) | Unmade::Over => "it could not be written: see the log",
                    };
                    self.store.end_export(row.id, ExportState::Failed, problem, self.world.wall()).await?;
                }
            }
            self.tidy().await?;
        }
        Ok(())
    }

    /// Files of archives that are over, and what an interruption left.
    async fn tidy(&self) -> Result<(), Unmade> {
        let now = self.world.wall();
        self.store.expire_exports(now, now.minus(self.exports.settings.keep)).await?;
        let wanted = self.store.exports_with_file().await?;
        let dir = self.exports.settings.dir.clone();
        let tidied = tokio::task::spawn_blocking(move || {
            let Ok(entries) = fs::read_dir(&dir) else { return };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let id = name.to_str().and_then(|name| name.split('.').next()).and_then(|id| id.parse::<i64>().ok());
                if id.is_some_and(|id| !wanted.contains(&id))
                    && let Err(error) = fs::remove_file(entry.path())
                {
                    tracing::warn!(%error, file = %entry.path().display(), "an export's file stays");
                }
            }
        });
        tidied.await.map_err(io::Error::other)?;
        Ok(())
    }

    async fn make(&self, row: &ExportRow) -> Result<(), Unmade> {
        let Ok(what) = serde_json::from_str::<ExportWhat>(&row.what) else { return Err(Unmade::Over) };
        let (settings, recordings, id) = (self.exports.settings.clone(), self.recordings.clone(), row.id);
        let mut work = blocking(move || Work::begin(settings, recordings, id)).await?;
        let mut position = None;
        loop {
            let (entries, next) = self.page(row, &what, position).await?;
            work = blocking(move || work.add(entries)).await?;
            let still = self.store.export(row.id).await?.is_some_and(|row| row.state == ExportState::Making);
            match next {
                _ if !still => return Err(Unmade::Over),
                Some(next) => position = Some(next),
                None => break,
            }
        }
        if let ExportWhat::Contact(said) = &what {
            let texts = self.texts_of_contact(row, said).await?;
            work = blocking(move || work.add_texts(&texts)).await?;
            work = self.add_messages(row, said, work).await?;
        }
        let made = blocking(move || work.finish(id)).await?;
        let now = self.world.wall();
        match self.store.export_is_ready(row.id, &made, now, now.plus(self.exports.settings.keep)).await? {
            true => Ok(()),
            false => Err(Unmade::Over),
        }
    }

    /// Voicemail of the number, for an admin as its calls were.
    async fn add_messages(&self, row: &ExportRow, said: &str, mut work: Work) -> Result<Work, Unmade> {
        let directory = self.directory().await?;
        let company = directory.company(row.company).ok_or(Unmade::Over)?;
        let (contact, mut after) = (contact(&directory, company, said)?, None);
        loop {
            let page = self.store.messages_with(row.company, &contact, after, PAGE).await?;
            after = page.last().map(|message| message.id);
            let more = page.len() == PAGE as usize;
            let mut items = Vec::with_capacity(page.len());
            for message in page {
                let Some(row) = self.store.message_of(message.id, None).await? else { continue };
                let view = MessageView::of(&directory, &row, MessageReason::Admin, true);
                items.extend(view.and_then(|view| Some((message, serde_json::to_value(view).ok()?))));
            }
            work = blocking(move || work.add_messages(items)).await?;
            if !more {
                return Ok(work);
            }
        }
    }

    /// A page by the rights of its owner as they are now, and where the next one goes on.
    async fn page(
        &self,
        row: &ExportRow,
        what: &ExportWhat,
        position: Option<CallId>,
    ) -> Result<(Vec<Entry>, Option<CallId>), Unmade> {
        let directory = self.directory().await?;
        let gone = || Unmade::Told("whoever asked for it may not do that any more".to_owned());
        let company = directory.company(row.company).ok_or_else(gone)?;
        let owner = owner_of(&row.owner).ok_or_else(gone)?;
        let staff = match owner {
            Owner::User(_) => None,
            Owner::Staff(COMMAND_LINE) => Some(command_line()),
            Owner::Staff(id) => Some(self.store.staff(id).await?.ok_or_else(gone)?),
        };
        let viewer = Viewer {
            owner,
            company: Some(company.key.clone()),
            scopes: Scopes::All,
            token: 0,
            ends: None,
            source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let person = person(&directory, &viewer, staff.as_ref()).map_err(|_| gone())?;
        if person.company.id != row.company {
            return Err(gone());
        }
        let found = self.found(&directory, &person, what, position).await?;
        let next = found.last().map(|call| call.id).filter(|_| found.len() == PAGE as usize);
        let ids: Vec<CallId> = found.iter().map(|call| call.id).collect();
        Ok((self.entries(&directory, &person, row.id, &ids).await?, next))
    }

    /// Every conversation with the number, whoever reads it: admins ask for it, and may decide who does.
    async fn texts_of_contact(&self, row: &ExportRow, said: &str) -> Result<Value, Unmade> {
        let directory = self.directory().await?;
        let conversations = self.store.conversations_with(row.company, said).await?;
        let told = conversations.iter().map(|(conversation, texts)| {
            let number = conversation.between.number.and_then(|number| directory.number(number));
            let texts: Vec<TextView> = texts.iter().map(|text| TextView::of(&directory, text)).collect();
            json!({
                "conversation": conversation.id,
                "number": number.map(|number| &number.e164),
                "contact": conversation.between.contact,
                "name": conversation.between.name,
                "messages": texts,
            })
        });
        Ok(json!({ "conversations": told.collect::<Vec<Value>>() }))
    }

    async fn found(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        what: &ExportWhat,
        position: Option<CallId>,
    ) -> Result<Vec<CallRecord>, Unmade> {
        Ok(match what {
            ExportWhat::Calls(query) => {
                let query = CallQuery { before: position, ..CallQuery::clone(query) };
                let filter = filter(directory, person, &query)?;
                let scope = self.scope(directory, person).await?;
                let scope = if filter.recorded.is_some() { scope.playing() } else { scope };
                self.store.visible_calls(&scope, &filter, PAGE).await?
            }
            ExportWhat::Contact(said) => {
                person.must_be_admin()?;
                let contact = contact(directory, person.company, said)?;
                self.store.calls_with(person.company.id, &contact, position, PAGE).await?
            }
        })
    }

    /// What is to be in it is noted before it is read: what goes in between takes the archive with it.
    async fn entries(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        export: i64,
        ids: &[CallId],
    ) -> Result<Vec<Entry>, Unmade> {
        let scope = self.scope(directory, person).await?;
        let recordings = self.store.recordings_of_calls(ids).await?;
        let mut items: Vec<(CallId, Option<RecordingId>)> = ids.iter().map(|call| (*call, None)).collect();
        for call in self.store.calls_by_ids(ids).await? {
            let own = || recordings.iter().filter(|recording| recording.call == call.id);
            let may = scope.downloadable(&facts(&call, own().next().is_some()));
            items.extend(own().filter(|one| may && has_file(one)).map(|one| (call.id, Some(one.id))));
        }
        self.store.add_export_items(export, &items).await?;
        let (calls, recordings) = (self.store.calls_by_ids(ids).await?, self.store.recordings_of_calls(ids).await?);
        let notes = self.store.notes_of_calls(ids).await?;
        let entry = |call: &CallRecord| {
            let own: Vec<RecordingRecord> = recordings.iter().filter(|one| one.call == call.id).cloned().collect();
            let facts = facts(call, !own.is_empty());
            let mut item = CallItem::of(directory, &scope, (call, &facts), &own)?;
            let notes: Vec<NoteView> =
                notes.iter().filter(|note| note.call == call.id).cloned().map(NoteView::from).collect();
            item.notes = notes.len() as u64;
            let noted = |one: &RecordingRecord| has_file(one) && items.contains(&(call.id, Some(one.id)));
            let recordings = own.into_iter().filter(noted).collect();
            let mut item = serde_json::to_value(item).ok()?;
            item.as_object_mut()?.insert("written_notes".to_owned(), serde_json::to_value(notes).ok()?);
            Some(Entry { item, recordings })
        };
        // The order of the list: the newest first.
        Ok(calls.iter().rev().filter_map(entry).collect())
    }
}

/// As [`super::who`] writes it.
fn owner_of(key: &str) -> Option<Owner> {
    let (kind, id) = key.split_once(' ')?;
    let id = id.parse().ok()?;
    match kind {
        "user" => Some(Owner::User(UserId(id))),
        "staff" => Some(Owner::Staff(StaffId(id))),
        _ => None,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Unmade> + Send + 'static) -> Result<T, Unmade> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Unmade::File(io::Error::other(error)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_as_it_is_written() {
        assert_eq!(owner_of("user 7"), Some(Owner::User(UserId(7))));
        assert_eq!(owner_of("staff 7"), Some(Owner::Staff(StaffId(7))));
        for text in ["", "user", "user x", "operator 7"] {
            assert_eq!(owner_of(text), None, "{text}");
        }
    }
}
