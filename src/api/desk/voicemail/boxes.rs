//! Who receives the messages of a box, what its callers hear, and its end.
//!
//! A user manages their own box, admins every one. A box that is not one's own is for others as one that
//! there is not.

use super::files::greeting_path;
use super::{Desk, NO_BOX, Person, box_of};
use crate::api::desk::NO_USER;
use crate::api::directory::Fits;
use crate::api::voicemail::{
    BoxRemoved, BoxSubscriberList, BoxSubscriberView, GreetingList, GreetingView, VoicemailAsk, VoicemailReply,
};
use crate::api::{Problem, Reply};
use crate::audio::prompt::{Pcm, write_wav};
use crate::directory::file::Kind;
use crate::directory::{BoxAccess, BoxOwner, Directory, FacilityKind, Mailbox, User};
use crate::ledger::GreetingKind;
use crate::store::Greeting;

const NO_GREETING: Problem = Problem::NotFound { what: "greeting" };
const EVERYBODYS: Problem = Problem::Forbidden("a global box is everybody's: it has no subscribers");

impl Desk {
    pub(super) async fn of_box(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: VoicemailAsk,
    ) -> Result<Reply, Problem> {
        let reply = match ask {
            VoicemailAsk::Subscribers { mailbox } => {
                let mailbox = own_or_managed(directory, person, &mailbox)?;
                let subscribers = self.store.box_subscribers(mailbox.id).await?;
                let views = subscribers.iter().filter_map(|one| BoxSubscriberView::of(directory, one));
                VoicemailReply::Subscribers(BoxSubscriberList { subscribers: views.collect() })
            }
            VoicemailAsk::Subscribe { mailbox, extension } => {
                let (mailbox, user) = subscription(directory, person, &mailbox, &extension)?;
                if directory.is_deactivated(user.id) {
                    return Err(NO_USER);
                }
                if mailbox.owner == BoxOwner::User(user.id) {
                    return Err(Problem::Forbidden("it is their own box: they hear everything in it"));
                }
                let company = person.company.id;
                self.store.subscribe_to_box(company, mailbox.id, user.id, self.world.wall()).await?;
                self.note(person, "voicemail.subscribe", format!("{} {}", mailbox.key(), user.extension)).await?;
                return Ok(Reply::Done);
            }
            VoicemailAsk::Unsubscribe { mailbox, extension, withdraw } => {
                let (mailbox, user) = subscription(directory, person, &mailbox, &extension)?;
                let keeps = mailbox.owner == BoxOwner::User(user.id);
                match withdraw {
                    true => self.store.withdraw_box(mailbox.id, user.id, keeps).await?,
                    false => self.store.unsubscribe_from_box(mailbox.id, user.id, self.world.wall()).await?,
                }
                let action = if withdraw { "voicemail.withdraw" } else { "voicemail.unsubscribe" };
                self.note(person, action, format!("{} {}", mailbox.key(), user.extension)).await?;
                return Ok(Reply::Done);
            }
            VoicemailAsk::Greetings { mailbox } => {
                let mailbox = own_or_managed(directory, person, &mailbox)?;
                let greetings = self.store.greetings(mailbox.id).await?;
                VoicemailReply::Greetings(GreetingList {
                    greetings: greetings.iter().map(GreetingView::from).collect(),
                })
            }
            VoicemailAsk::GreetingAudio { mailbox, kind } => {
                let mailbox = own_or_managed(directory, person, &mailbox)?;
                let greeting = self.store.greeting(mailbox.id, kind).await?.ok_or(NO_GREETING)?;
                VoicemailReply::Audio { path: self.recordings.join(&greeting.path), name: None }
            }
            VoicemailAsk::SetGreeting { mailbox, kind, sound } => {
                self.set_greeting(directory, person, &mailbox, kind, &sound).await?;
                return Ok(Reply::Done);
            }
            VoicemailAsk::RemoveGreeting { mailbox, kind } => {
                let mailbox = own_or_managed(directory, person, &mailbox)?;
                self.store.greeting(mailbox.id, kind).await?.ok_or(NO_GREETING)?;
                self.note(person, "greeting.remove", format!("{} of {}", kind.as_str(), mailbox.key())).await?;
                self.store.remove_greeting(mailbox.id, kind).await?;
                self.sweep_files().await?;
                return Ok(Reply::Done);
            }
            VoicemailAsk::RemoveBox { mailbox, dry_run } => {
                self.remove_box(directory, person, &mailbox, dry_run).await?
            }
            VoicemailAsk::Messages(..)
            | VoicemailAsk::Message(..)
            | VoicemailAsk::Audio(..)
            | VoicemailAsk::Peaks(..)
            | VoicemailAsk::Move(..)
            | VoicemailAsk::Remove(..)
            | VoicemailAsk::BringBack(..)
            | VoicemailAsk::Forward(..)
            | VoicemailAsk::Counts(..) => return Err(Problem::Internal),
        };
        Ok(Reply::Voicemail(reply))
    }

    async fn set_greeting(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        mailbox: &str,
        kind: GreetingKind,
        sound: &Pcm,
    ) -> Result<(), Problem> {
        let mailbox = own_or_managed(directory, person, mailbox)?;
        self.note(person, "greeting.set", format!("{} of {}", kind.as_str(), mailbox.key())).await?;
        let path = greeting_path(&person.company.key, mailbox.id, kind);
        self.write_file(&path, write_wav(sound)).await?;
        let (samples, changed) = (sound.len() as u64, self.world.wall());
        self.store.set_greeting(&Greeting { mailbox: mailbox.id, kind, path, samples, changed }).await?;
        Ok(())
    }

    /// Irreversible: its messages and their files go with it.
    async fn remove_box(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        name: &str,
        dry_run: bool,
    ) -> Result<VoicemailReply, Problem> {
        person.must_be_admin()?;
        let mailbox = box_of(directory, person, name)?;
        self.box_is_not_held(mailbox).await?;
        if dry_run {
            let messages = self.store.message_files(mailbox.id).await?.len() as u64;
            return Ok(VoicemailReply::Removed(BoxRemoved { messages, dry_run }));
        }
        let kind = Kind::Facility(FacilityKind::Voicemail);
        let applied = self.remove(person, kind, name, None, &Fits::default()).await?;
        self.sweep_files().await?;
        Ok(VoicemailReply::Removed(BoxRemoved { messages: applied.messages_gone, dry_run }))
    }

    async fn box_is_not_held(&self, mailbox: &Mailbox) -> Result<(), Problem> {
        match self.store.hold_in_box(mailbox.id).await? {
            Some(hold) => Err(Problem::Held(Box::new((&hold).into()))),
            None => Ok(()),
        }
    }
}

/// One's own box, or any for an admin.
fn own_or_managed<'d>(directory: &'d Directory, person: &Person<'_>, name: &str) -> Result<&'d Mailbox, Problem> {
    let mailbox = box_of(directory, person, name)?;
    let owns = person.user().is_some_and(|user| mailbox.owner == BoxOwner::User(user.id));
    match (owns || person.is_admin(), mailbox.access) {
        (true, _) => Ok(mailbox),
        // That it is there everybody knows.
        (false, BoxAccess::Global) => Err(Problem::Forbidden("only an admin may do that")),
        (false, BoxAccess::Personal) => Err(NO_BOX),
    }
}

/// The box and the user of a subscription that the person may change.
fn subscription<'d>(
    directory: &'d Directory,
    person: &Person<'_>,
    mailbox: &str,
    extension: &str,
) -> Result<(&'d Mailbox, &'d User), Problem> {
    let mailbox = own_or_managed(directory, person, mailbox)?;
    match mailbox.access {
        BoxAccess::Global => Err(EVERYBODYS),
        BoxAccess::Personal => {
            let user = directory.user_ever_by_extension(person.company.id, extension);
            Ok((mailbox, user.filter(|user| user.company == person.company.id).ok_or(NO_USER)?))
        }
    }
}
