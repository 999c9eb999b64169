//! The compatible API, by the rules of access: boxes, messages and greetings under Wazo's names.
//!
//! What changes something goes through the asks of the directory and of voicemail, whose rules it has.

mod boxes;
mod messages;
mod token;

use super::{Actor, Desk, NO_COMPANY, Person};
use crate::api::wazo::{Place, WazoAsk, WazoReply, infos_body, user_body};
use crate::api::{Problem, Realm, Scopes};
use crate::base::BoxId;
use crate::directory::{Directory, Mailbox, User};
use crate::subscription::Asker;

const NO_BOX: Problem = Problem::NotFound { what: "Voicemail" };
const NO_USER: Problem = Problem::NotFound { what: "User" };

impl Desk {
    pub(super) async fn wazo(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: WazoAsk,
    ) -> Result<WazoReply, Problem> {
        self.must_have_access(person, &ask).await?;
        match ask {
            WazoAsk::User(named) => {
                let user = self.wazo_user(directory, person, &named).await?;
                let uuids = self.store.uuids(person.company.id).await?;
                let mailbox = directory.mailbox_of_user(user.id);
                Ok(WazoReply::Json(user_body(&uuids, user, &person.company.key, mailbox)))
            }
            WazoAsk::Infos => Ok(WazoReply::Json(infos_body(&self.store.uuids(person.company.id).await?))),
            WazoAsk::Boxes(_)
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
            | WazoAsk::SetZoneMessages(_) => self.wazo_boxes(directory, person, ask).await,
            WazoAsk::Mailbox(_)
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
            | WazoAsk::CopyGreeting { .. } => self.wazo_messages(directory, person, ask).await,
        }
    }

    /// A token has to give it by a pattern.
    async fn must_have_access(&self, person: &Person<'_>, ask: &WazoAsk) -> Result<(), Problem> {
        let viewer = person.viewer;
        if viewer.scopes == Scopes::All {
            return Ok(());
        }
        let user = match person.user() {
            Some(user) => self.store.user_uuid(user.id).await?.unwrap_or_default(),
            None => String::new(),
        };
        let session = crate::api::wazo::session_uuid(viewer.token);
        match viewer.scopes.access_any(&[&ask.access()], Asker { user: &user, session: &session }) {
            true => Ok(()),
            false => Err(Problem::NoScope(service_of(ask))),
        }
    }

    /// The key of the company that a request names by its UUID or its key. What names none is as what names
    /// one that is not the viewer's.
    pub async fn company_named(&self, tenant: &str) -> Result<String, Problem> {
        let Some(id) = self.store.company_of_uuid(tenant).await? else { return Ok(tenant.to_owned()) };
        let directory = self.directory().await?;
        directory.company(id).map(|company| company.key.clone()).ok_or(NO_COMPANY)
    }

    /// The user of the company by UUID, id or `me`; whoever is no admin knows nobody but themselves.
    async fn wazo_user<'d>(
        &self,
        directory: &'d Directory,
        person: &Person<'_>,
        named: &str,
    ) -> Result<&'d User, Problem> {
        let own = person.user().map(|user| user.id);
        let id = match (named, named.parse()) {
            ("me", _) => own,
            (_, Ok(id)) => Some(crate::base::UserId(id)),
            (_, Err(_)) => self.store.user_of_uuid(named).await?,
        };
        let user = id.and_then(|id| directory.user(id)).filter(|user| user.company == person.company.id);
        match person.is_admin() || (own.is_some() && id == own) {
            true => user.ok_or(NO_USER),
            false => Err(Problem::Forbidden("only an admin may do that")),
        }
    }
}

/// What the patterns of a token have to name for it.
const fn service_of(ask: &WazoAsk) -> &'static str {
    match ask {
        WazoAsk::User(_) => "confd.users.*.read",
        WazoAsk::Infos => "confd.infos.read",
        WazoAsk::Boxes(_) | WazoAsk::Box(_) | WazoAsk::AddBox(_) | WazoAsk::ChangeBox(..) | WazoAsk::RemoveBox(_) => {
            "confd.voicemails.#"
        }
        WazoAsk::UserBoxes(_) | WazoAsk::AddUserBox(..) | WazoAsk::AttachBox(..) | WazoAsk::DetachBoxes(_) => {
            "confd.users.*.voicemails.#"
        }
        WazoAsk::General | WazoAsk::SetGeneral(_) | WazoAsk::ZoneMessages | WazoAsk::SetZoneMessages(_) => {
            "confd.asterisk.voicemail.#"
        }
        WazoAsk::Messages(_) => "calld.users.me.voicemails.#",
        WazoAsk::AllMessages(_) => "calld.voicemails.#",
        WazoAsk::Mailbox(place)
        | WazoAsk::Folder(place, _)
        | WazoAsk::Message(place, _)
        | WazoAsk::MoveMessage(place, ..)
        | WazoAsk::RemoveMessage(place, _)
        | WazoAsk::Recording(place, ..)
        | WazoAsk::Greeting(place, _)
        | WazoAsk::SetGreeting { place, .. }
        | WazoAsk::RemoveGreeting(place, _)
        | WazoAsk::CopyGreeting { place, .. } => match place {
            Place::Mine => "calld.users.me.voicemails.#",
            Place::Box(_) => "calld.voicemails.#",
        },
    }
}

/// A box of the company, by its id.
fn box_by_id<'d>(directory: &'d Directory, person: &Person<'_>, id: BoxId) -> Result<&'d Mailbox, Problem> {
    directory.mailbox(id).filter(|mailbox| mailbox.company == person.company.id).ok_or(NO_BOX)
}

/// The box that is meant: the user's own, or any for an admin.
fn box_of<'d>(directory: &'d Directory, person: &Person<'_>, place: Place) -> Result<&'d Mailbox, Problem> {
    match place {
        Place::Mine => directory.mailbox_of_user(own(person)?.id).ok_or(NO_BOX),
        Place::Box(id) => {
            person.must_be_admin()?;
            box_by_id(directory, person, id)
        }
    }
}

/// Where messages are looked for.
fn realm_of(directory: &Directory, person: &Person<'_>, place: Place) -> Result<Realm, Problem> {
    match place {
        Place::Mine => own(person).map(|_| Realm::Mine),
        Place::Box(_) => Ok(Realm::Managed(box_of(directory, person, place)?.key())),
    }
}

/// The user who asks; whoever stands above the companies is none.
fn own<'p>(person: &'p Person<'_>) -> Result<&'p User, Problem> {
    match person.actor {
        Actor::User(user) => Ok(user),
        Actor::Staff(_) => Err(Problem::Forbidden("only a user of a company has that")),
    }
}
