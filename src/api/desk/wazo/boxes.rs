//! Boxes and what is set for all of them.

use super::{NO_BOX, box_by_id};
use crate::api::desk::{Desk, Person};
use crate::api::directory::{DirectoryAsk, DirectoryReply, Fits};
use crate::api::wazo::{
    BoxList, WazoAsk, WazoReply, box_body, box_keys, general_body, general_keys, zone_messages, zone_messages_body,
    zone_messages_keys,
};
use crate::api::{Problem, Reply, VoicemailAsk};
use crate::base::{BoxId, UserId};
use crate::directory::file::Kind;
use crate::directory::{BoxAccess, BoxOwner, Company, Directory, FacilityKind, Mailbox, User};
use serde_json::{Map, Value, json};

const BOXES: Kind = Kind::Facility(FacilityKind::Voicemail);
const NOT_GLOBAL: &str = "Resource Error - Operation not permitted. A global voicemail cannot be associated to users.";

impl Desk {
    pub(super) async fn wazo_boxes(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: WazoAsk,
    ) -> Result<WazoReply, Problem> {
        if let WazoAsk::UserBoxes(named) = &ask {
            let user = self.wazo_user(directory, person, named).await?;
            return self.boxes_of_user(directory, user).await;
        }
        person.must_be_admin()?;
        match ask {
            WazoAsk::Boxes(list) => self.list_boxes(directory, person, &list).await,
            WazoAsk::Box(id) => {
                let mailbox = box_by_id(directory, person, id)?;
                Ok(WazoReply::Json(box_body(directory, &self.store.uuids(person.company.id).await?, mailbox)))
            }
            WazoAsk::AddBox(body) => self.add_box(directory, person, &body, None).await,
            WazoAsk::AddUserBox(named, body) => {
                let user = self.wazo_user(directory, person, &named).await?;
                self.add_box(directory, person, &body, Some(user)).await
            }
            WazoAsk::ChangeBox(id, body) => self.change_box(directory, person, id, &body).await,
            WazoAsk::RemoveBox(id) => self.remove_mailbox(directory, person, id).await,
            WazoAsk::AttachBox(named, id) => {
                let user = self.wazo_user(directory, person, &named).await?;
                let mailbox = box_by_id(directory, person, id)?;
                self.attach(directory, person, user, mailbox).await
            }
            WazoAsk::DetachBoxes(named) => {
                let user = self.wazo_user(directory, person, &named).await?;
                if let Some(mailbox) = directory.mailbox_of_user(user.id) {
                    self.set_owner(directory, person, mailbox, "").await?;
                }
                Ok(WazoReply::Done)
            }
            WazoAsk::General => Ok(WazoReply::Json(general_body(&self.settings_of(directory, person)?))),
            WazoAsk::SetGeneral(body) => {
                let keys = general_keys(&body, &self.settings_of(directory, person)?).map_err(Problem::Unfit)?;
                self.set_settings(directory, person, Value::Object(keys)).await
            }
            WazoAsk::ZoneMessages => Ok(WazoReply::Json(zone_messages_body(&self.settings_of(directory, person)?))),
            WazoAsk::SetZoneMessages(body) => {
                let other = zone_messages_keys(&body, &self.settings_of(directory, person)?).map_err(Problem::Unfit)?;
                self.set_settings(directory, person, json!({ "other": other })).await
            }
            WazoAsk::User(_)
            | WazoAsk::Infos
            | WazoAsk::UserBoxes(_)
            | WazoAsk::Mailbox(_)
            | WazoAsk::Folder(..)
            | WazoAsk::Messages(_)
            | WazoAsk::AllMessages(_)
            | WazoAsk::Message(..)
            | WazoAsk::MoveMessage(..)
            | WazoAsk::RemoveMessage(..)
            | WazoAsk::Recording(..)
            | WazoAsk::Greeting(..)
            | WazoAsk::SetGreeting { .. }
            | WazoAsk::RemoveGreeting(..)
            | WazoAsk::CopyGreeting { .. } => Err(Problem::Internal),
        }
    }

    async fn list_boxes(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        list: &BoxList,
    ) -> Result<WazoReply, Problem> {
        let uuids = self.store.uuids(person.company.id).await?;
        let (boxes, total) = list.of(directory.mailboxes_of(person.company.id));
        let items: Vec<Value> = boxes.into_iter().map(|mailbox| box_body(directory, &uuids, mailbox)).collect();
        Ok(WazoReply::Json(json!({ "items": items, "total": total })))
    }

    async fn boxes_of_user(&self, directory: &Directory, user: &User) -> Result<WazoReply, Problem> {
        let uuids = self.store.uuids(user.company).await?;
        let items = directory.mailbox_of_user(user.id).into_iter();
        let items: Vec<Value> = items.map(|mailbox| box_body(directory, &uuids, mailbox)).collect();
        Ok(WazoReply::Json(json!({ "total": items.len(), "items": items })))
    }

    /// A new box; of `user`, where it is one's.
    async fn add_box(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        body: &Map<String, Value>,
        user: Option<&User>,
    ) -> Result<WazoReply, Problem> {
        let mut keys = box_keys(body, true, zone_in(person.company)).map_err(Problem::Unfit)?;
        if let Some(user) = user {
            if keys.get("access") == Some(&json!(BoxAccess::Global.as_str())) {
                return Err(Problem::Conflict(NOT_GLOBAL.to_owned()));
            }
            keys.insert("owner".to_owned(), format!("user:{}", user.extension).into());
        }
        let ask = DirectoryAsk::Add { kind: BOXES, keys };
        let Reply::Directory(DirectoryReply::Added { name, .. }) = self.of_directory(directory, person, ask).await?
        else {
            return Err(Problem::Internal);
        };
        let directory = self.directory().await?;
        let mailbox = directory.mailbox_by_name(person.company.id, &name).ok_or(NO_BOX)?;
        let body = box_body(&directory, &self.store.uuids(person.company.id).await?, mailbox);
        Ok(WazoReply::Made(body, format!("/api/confd/1.1/voicemails/{}", mailbox.id)))
    }

    async fn change_box(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: BoxId,
        body: &Map<String, Value>,
    ) -> Result<WazoReply, Problem> {
        let mailbox = box_by_id(directory, person, id)?;
        let keys = box_keys(body, false, zone_in(person.company)).map_err(Problem::Unfit)?;
        let is_global = keys.get("access") == Some(&json!(BoxAccess::Global.as_str()));
        if is_global && matches!(mailbox.owner, BoxOwner::User(_)) {
            return Err(Problem::Conflict(NOT_GLOBAL.to_owned()));
        }
        let ask = DirectoryAsk::Change { kind: BOXES, name: mailbox.key(), keys, fits: Fits::default() };
        self.of_directory(directory, person, ask).await?;
        Ok(WazoReply::Done)
    }

    async fn remove_mailbox(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: BoxId,
    ) -> Result<WazoReply, Problem> {
        let mailbox = box_by_id(directory, person, id)?;
        if let BoxOwner::User(user) = mailbox.owner {
            return Err(associated(mailbox, user));
        }
        let ask = VoicemailAsk::RemoveBox { mailbox: mailbox.key(), dry_run: false };
        self.voicemail(directory, person, ask).await?;
        Ok(WazoReply::Done)
    }

    async fn attach(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        user: &User,
        mailbox: &Mailbox,
    ) -> Result<WazoReply, Problem> {
        match mailbox.owner {
            BoxOwner::User(owner) if owner == user.id => return Ok(WazoReply::Done),
            BoxOwner::User(owner) => return Err(associated(mailbox, owner)),
            BoxOwner::Group(_) => {
                let text =
                    format!("Resource Error - Voicemail is associated with a Group ('voicemail_id': {})", mailbox.id);
                return Err(Problem::Conflict(text));
            }
            BoxOwner::Nobody => {}
        }
        if mailbox.access == BoxAccess::Global {
            return Err(Problem::Conflict(NOT_GLOBAL.to_owned()));
        }
        if directory.mailbox_of_user(user.id).is_some() {
            let ids = format!("'user_id': {}, 'voicemail_id': {}", user.id, mailbox.id);
            return Err(Problem::Conflict(format!("Resource Error - User is associated with a Voicemail ({ids})")));
        }
        self.set_owner(directory, person, mailbox, &format!("user:{}", user.extension)).await
    }

    async fn set_owner(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        mailbox: &Mailbox,
        owner: &str,
    ) -> Result<WazoReply, Problem> {
        let keys = Map::from_iter([("owner".to_owned(), Value::from(owner))]);
        let ask = DirectoryAsk::Change { kind: BOXES, name: mailbox.key(), keys, fits: Fits::default() };
        self.of_directory(directory, person, ask).await?;
        Ok(WazoReply::Done)
    }

    fn settings_of(
        &self,
        directory: &Directory,
        person: &Person<'_>,
    ) -> Result<crate::directory::VoicemailSettings, Problem> {
        let company = directory.company(person.company.id).ok_or(Problem::NotLoggedIn)?;
        Ok(company.settings.voicemail.clone())
    }

    async fn set_settings(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        settings: Value,
    ) -> Result<WazoReply, Problem> {
        let keys = Map::from_iter([("voicemail".to_owned(), settings)]);
        let name = person.company.key.clone();
        let ask = DirectoryAsk::Change { kind: Kind::Settings, name, keys, fits: Fits::default() };
        self.of_directory(directory, person, ask).await?;
        Ok(WazoReply::Done)
    }
}

/// The time zone that a name of the company's own stands for; any other text is one itself.
fn zone_in(company: &Company) -> impl Fn(&str) -> String {
    |named| {
        let mut zones = zone_messages(&company.settings.voicemail);
        zones.find(|(name, ..)| *name == named).map_or(named, |(_, zone, _)| zone).to_owned()
    }
}

fn associated(mailbox: &Mailbox, user: UserId) -> Problem {
    let ids = format!("'voicemail_id': {}, 'user_ids': '{user}'", mailbox.id);
    Problem::Conflict(format!("Resource Error - Voicemail is associated with a User ({ids})"))
}
