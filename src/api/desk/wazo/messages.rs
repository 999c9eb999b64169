//! Messages and greetings.

use super::{box_by_id, box_of, own, realm_of};
use crate::api::desk::{Desk, Person};
use crate::api::wazo::{AllMessages, MessageList, Place, VoicemailType, WazoAsk, WazoReply};
use crate::api::{AudioUse, Problem, Realm, Reply, VoicemailAsk, VoicemailReply};
use crate::audio::prompt::{Pcm, read_wav};
use crate::base::{BoxId, MessageId};
use crate::directory::{Directory, Mailbox};
use crate::ledger::{Folder, GreetingKind};
use crate::store::{MessageFilter, MessageRow, MessageSlice};
use crate::subscription::{MessageBody, MessageScope, folder_body};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const NO_MESSAGE: Problem = Problem::NotFound { what: "voicemail message" };
const NO_FOLDER: Problem = Problem::NotFound { what: "voicemail folder" };

impl Desk {
    pub(super) async fn wazo_messages(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: WazoAsk,
    ) -> Result<WazoReply, Problem> {
        match ask {
            WazoAsk::Mailbox(place) => self.whole_box(directory, person, place).await,
            WazoAsk::Folder(place, number) => {
                let folder = Folder::of_number(number).ok_or(NO_FOLDER)?;
                let mailbox = box_of(directory, person, place)?;
                let mut folders = self.folders(directory, person, mailbox, place, &[folder]).await?;
                folders.pop().map(WazoReply::Json).ok_or(NO_FOLDER)
            }
            WazoAsk::Messages(list) => self.own_messages(directory, person, list).await,
            WazoAsk::AllMessages(all) => self.all_messages(directory, person, &all).await,
            WazoAsk::Message(place, id) => {
                let row = self.message_there(directory, person, place, id).await?;
                let mailbox = directory.mailbox(row.message.mailbox).ok_or(NO_MESSAGE)?;
                Ok(WazoReply::Json(MessageBody::of(&row.message, row.state.folder, mailbox).json()))
            }
            WazoAsk::MoveMessage(place, id, number) => {
                let folder = Folder::of_number(number).ok_or(NO_FOLDER)?;
                self.message_there(directory, person, place, id).await?;
                let realm = realm_of(directory, person, place)?;
                self.voicemail(directory, person, VoicemailAsk::Move(realm, id, folder)).await?;
                Ok(WazoReply::Done)
            }
            WazoAsk::RemoveMessage(place, id) => {
                self.message_there(directory, person, place, id).await?;
                let realm = realm_of(directory, person, place)?;
                self.voicemail(directory, person, VoicemailAsk::Remove(realm, id)).await?;
                Ok(WazoReply::Done)
            }
            WazoAsk::Recording(place, id, download) => {
                self.message_there(directory, person, place, id).await?;
                let purpose = if download { AudioUse::Download } else { AudioUse::Play };
                let realm = realm_of(directory, person, place)?;
                self.audio_of(directory, person, VoicemailAsk::Audio(realm, id, purpose)).await.map(WazoReply::Audio)
            }
            WazoAsk::Greeting(place, kind) => {
                let mailbox = box_of(directory, person, place)?.key();
                let ask = VoicemailAsk::GreetingAudio { mailbox, kind };
                self.audio_of(directory, person, ask).await.map(WazoReply::Audio)
            }
            WazoAsk::SetGreeting { place, kind, sound, there } => {
                let mailbox = box_of(directory, person, place)?;
                match (self.store.greeting(mailbox.id, kind).await?.is_some(), there) {
                    (true, false) => Err(Problem::Conflict("Voicemail greeting already exists".to_owned())),
                    (false, true) => Err(Problem::NotFound { what: "voicemail greeting" }),
                    (true, true) | (false, false) => self.set_sound(directory, person, mailbox, kind, sound).await,
                }
            }
            WazoAsk::RemoveGreeting(place, kind) => {
                let mailbox = box_of(directory, person, place)?.key();
                self.voicemail(directory, person, VoicemailAsk::RemoveGreeting { mailbox, kind }).await?;
                Ok(WazoReply::Done)
            }
            WazoAsk::CopyGreeting { place, kind, to } => self.copy_greeting(directory, person, place, kind, to).await,
            WazoAsk::User(_)
            | WazoAsk::Infos
            | WazoAsk::Boxes(_)
            | WazoAsk::Box(_)
            | WazoAsk::AddBox(_)
            | WazoAsk::ChangeBox(..)
            | WazoAsk::RemoveBox(_)
            | WazoAsk::UserBoxes(_)
            | WazoAsk::AddUserBox(..)
            | WazoAsk::AttachBox(..)
            | WazoAsk::DetachBoxes(_)
            | WazoAsk::General
            | WazoAsk::SetGeneral(_)
            | WazoAsk::ZoneMessages
            | WazoAsk::SetZoneMessages(_) => Err(Problem::Internal),
        }
    }

    /// The message, where the viewer hears it there and has not thrown it away.
    async fn message_there(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        place: Place,
        id: MessageId,
    ) -> Result<MessageRow, Problem> {
        let realm = realm_of(directory, person, place)?;
        let scope = self.scope_there(directory, person, &realm).await?;
        let reply = self.voicemail(directory, person, VoicemailAsk::Message(realm, id)).await?;
        let Reply::Voicemail(VoicemailReply::Message(view)) = reply else { return Err(Problem::Internal) };
        if view.removed {
            return Err(NO_MESSAGE);
        }
        let reader = scope.reader(view.mailbox.id);
        self.store.message_of(id, reader).await?.ok_or(NO_MESSAGE)
    }

    async fn scope_there(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
    ) -> Result<MessageScope, Problem> {
        match realm {
            Realm::Mine => self.message_scope(directory, person).await,
            Realm::Managed(_) => Ok(MessageScope::of_whole(directory, person.company.id)),
        }
    }

    async fn audio_of(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: VoicemailAsk,
    ) -> Result<PathBuf, Problem> {
        let Reply::Voicemail(VoicemailReply::Audio { path, name: _ }) = self.voicemail(directory, person, ask).await?
        else {
            return Err(Problem::Internal);
        };
        Ok(path)
    }

    async fn own_messages(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        list: MessageList,
    ) -> Result<WazoReply, Problem> {
        own(person)?;
        let scope = self.message_scope(directory, person).await?;
        let filter = MessageFilter { mailboxes: Some(boxes_of(&scope, list.kind)), ..MessageFilter::default() };
        let rows = self.store.message_slice(&scope, &filter, list.slice).await?;
        let total = self.store.count_messages(&scope, &filter).await?;
        let items: Vec<Value> = rows.iter().filter_map(|row| body_of(directory, row)).collect();
        Ok(WazoReply::Json(json!({ "items": items, "total": total })))
    }

    async fn all_messages(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        all: &AllMessages,
    ) -> Result<WazoReply, Problem> {
        person.must_be_admin()?;
        let AllMessages { list, user, mailbox, from, until, transcribed } = all;
        let (scope, mut boxes) = match user {
            None => {
                let scope = MessageScope::of_whole(directory, person.company.id);
                let of_kind = |mailbox: &&Mailbox| match list.kind {
                    VoicemailType::All => true,
                    VoicemailType::Personal => !scope.global.contains(&mailbox.id),
                    VoicemailType::Global => scope.global.contains(&mailbox.id),
                };
                let boxes = directory.mailboxes_of(person.company.id).filter(of_kind).map(|mailbox| mailbox.id);
                let boxes = boxes.collect();
                (scope, boxes)
            }
            Some(named) => match self.wazo_user(directory, person, named).await {
                Ok(user) => {
                    let subscribed = self.store.box_subscriptions_of(user.id).await?;
                    let scope = MessageScope::of(directory, user, subscribed);
                    let boxes = boxes_of(&scope, list.kind);
                    (scope, boxes)
                }
                // Of a user that there is not there are no messages.
                Err(Problem::NotFound { .. }) => (MessageScope::of_whole(directory, person.company.id), Vec::new()),
                Err(problem) => return Err(problem),
            },
        };
        if let Some(only) = mailbox {
            let known = box_by_id(directory, person, *only).is_ok();
            boxes.retain(|id| known && id == only);
        }
        let whole = MessageFilter { mailboxes: Some(boxes), ..MessageFilter::default() };
        let filter = MessageFilter { from: *from, until: *until, ..whole.clone() };
        let total = self.store.count_messages(&scope, &whole).await?;
        // Nothing is transcribed.
        if *transcribed == Some(true) {
            return Ok(WazoReply::Json(json!({ "items": [], "total": total, "filtered": 0 })));
        }
        let filtered = self.store.count_messages(&scope, &filter).await?;
        let rows = self.store.message_slice(&scope, &filter, list.slice).await?;
        let mut items: Vec<Value> = rows.iter().filter_map(|row| body_of(directory, row)).collect();
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.insert("transcribed".to_owned(), false.into());
        }
        Ok(WazoReply::Json(json!({ "items": items, "total": total, "filtered": filtered })))
    }

    async fn whole_box(&self, directory: &Directory, person: &Person<'_>, place: Place) -> Result<WazoReply, Problem> {
        let mailbox = box_of(directory, person, place)?;
        let folders = self.folders(directory, person, mailbox, place, &Folder::ALL).await?;
        Ok(WazoReply::Json(json!({
            "id": mailbox.id,
            "name": mailbox.name,
            "number": mailbox.number,
            "accesstype": mailbox.access.as_str(),
            "folders": folders,
        })))
    }

    /// Folders of a box with what is in them, the newest first.
    async fn folders(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        mailbox: &Mailbox,
        place: Place,
        folders: &[Folder],
    ) -> Result<Vec<Value>, Problem> {
        let scope = self.scope_there(directory, person, &realm_of(directory, person, place)?).await?;
        let filter = MessageFilter {
            mailboxes: Some(vec![mailbox.id]),
            folders: Some(folders.to_vec()),
            ..MessageFilter::default()
        };
        let slice = MessageSlice { descending: true, ..MessageSlice::default() };
        let rows = self.store.message_slice(&scope, &filter, slice).await?;
        let of_folder = |folder: &Folder| {
            let messages: Vec<Map<String, Value>> = rows
                .iter()
                .filter(|row| row.state.folder == *folder)
                .map(|row| MessageBody::of(&row.message, *folder, mailbox).bare())
                .collect();
            let mut body = folder_body(*folder);
            body.insert("messages".to_owned(), json!(messages));
            Value::Object(body)
        };
        Ok(folders.iter().map(of_folder).collect())
    }

    async fn set_sound(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        mailbox: &Mailbox,
        kind: GreetingKind,
        sound: Pcm,
    ) -> Result<WazoReply, Problem> {
        let ask = VoicemailAsk::SetGreeting { mailbox: mailbox.key(), kind, sound };
        self.voicemail(directory, person, ask).await?;
        Ok(WazoReply::Done)
    }

    async fn copy_greeting(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        place: Place,
        kind: GreetingKind,
        to: GreetingKind,
    ) -> Result<WazoReply, Problem> {
        let mailbox = box_of(directory, person, place)?;
        let ask = VoicemailAsk::GreetingAudio { mailbox: mailbox.key(), kind };
        let path = self.audio_of(directory, person, ask).await?;
        let missing = Problem::NotFound { what: "voicemail greeting" };
        let wav = tokio::fs::read(&path).await.map_err(|_| missing)?;
        let sound = read_wav(&wav).map_err(|error| Problem::Unfit(vec![error.to_string()]))?;
        self.set_sound(directory, person, mailbox, to, sound).await
    }
}

/// Boxes of that kind that somebody hears something of.
fn boxes_of(scope: &MessageScope, kind: VoicemailType) -> Vec<BoxId> {
    let personal = scope.personal();
    match kind {
        VoicemailType::All => personal.union(&scope.global).copied().collect(),
        VoicemailType::Personal => personal.into_iter().filter(|id| !scope.global.contains(id)).collect(),
        VoicemailType::Global => scope.global.iter().copied().collect(),
    }
}

fn body_of(directory: &Directory, row: &MessageRow) -> Option<Value> {
    let mailbox = directory.mailbox(row.message.mailbox)?;
    Some(MessageBody::of(&row.message, row.state.folder, mailbox).json())
}
