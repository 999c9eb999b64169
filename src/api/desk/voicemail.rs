//! Messages, by the rules of access: what a viewer hears and does with it, and what admins do with the
//! messages of any box.

mod boxes;
mod files;

pub use files::sweep;

use super::filter::numbers_of_inbox;
use super::{Actor, Desk, Person};
use crate::api::voicemail::{
    BoxCounts, BoxView, CountsView, ForwardedView, MessagePage, MessageQuery, MessageView, Realm, VoicemailAsk,
    VoicemailReply, write_message_cursor,
};
use crate::api::{AudioUse, HoldView, MessagePeaksView, Points, Problem, Reply};
use crate::base::{BoxId, CallId, MessageId, NumberId, RecordingId, UserId};
use crate::directory::{Directory, Mailbox};
use crate::ledger::{Folder, Forwarded, MessageRecord, Party};
use crate::store::{GoneMessage, Held, MessageCursor, MessageFilter, MessageRow, message_facts};
use crate::subscription::{MessageReason, MessageScope, Reader, Receivers, Rights};

const NO_MESSAGE: Problem = Problem::NotFound { what: "message" };
const NO_BOX: Problem = Problem::NotFound { what: "voicemail" };
/// Boxes that a message is forwarded to at a time.
const MOST_TARGETS: usize = 20;

impl Desk {
    pub(super) async fn voicemail(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: VoicemailAsk,
    ) -> Result<Reply, Problem> {
        let reply = match ask {
            VoicemailAsk::Messages(realm, query) => self.messages(directory, person, &realm, &query).await?,
            VoicemailAsk::Message(realm, id) => {
                let (row, because, _) = self.heard(directory, person, &realm, id).await?;
                VoicemailReply::Message(Box::new(self.message_view(directory, person, &row, because).await?))
            }
            VoicemailAsk::Audio(realm, id, purpose) => {
                self.message_audio(directory, person, &realm, id, purpose).await?
            }
            VoicemailAsk::Peaks(realm, id, points) => self.message_peaks(directory, person, &realm, id, points).await?,
            VoicemailAsk::Move(realm, id, folder) => self.move_message(directory, person, &realm, id, folder).await?,
            VoicemailAsk::Remove(realm, id) => {
                self.remove_message(directory, person, &realm, id).await?;
                return Ok(Reply::Done);
            }
            VoicemailAsk::BringBack(realm, id) => self.bring_back(directory, person, &realm, id).await?,
            VoicemailAsk::Forward(realm, id, to) => self.forward_message(directory, person, &realm, id, &to).await?,
            VoicemailAsk::Counts(realm, inbox) => self.counts(directory, person, &realm, inbox.as_deref()).await?,
            VoicemailAsk::Subscribers { .. }
            | VoicemailAsk::Subscribe { .. }
            | VoicemailAsk::Unsubscribe { .. }
            | VoicemailAsk::Greetings { .. }
            | VoicemailAsk::GreetingAudio { .. }
            | VoicemailAsk::SetGreeting { .. }
            | VoicemailAsk::RemoveGreeting { .. }
            | VoicemailAsk::RemoveBox { .. } => return self.of_box(directory, person, ask).await,
        };
        Ok(Reply::Voicemail(reply))
    }

    /// What the viewer hears there, and the box where it is one.
    async fn realm<'d>(
        &self,
        directory: &'d Directory,
        person: &Person<'_>,
        realm: &Realm,
    ) -> Result<(MessageScope, Option<&'d Mailbox>), Problem> {
        match realm {
            Realm::Mine => Ok((self.message_scope(directory, person).await?, None)),
            Realm::Managed(name) => {
                person.must_be_admin()?;
                let mailbox = box_of(directory, person, name)?;
                Ok((MessageScope::of_whole(directory, person.company.id), Some(mailbox)))
            }
        }
    }

    /// A message that the viewer hears there, with its state for them, and why.
    async fn heard(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        id: MessageId,
    ) -> Result<(MessageRow, MessageReason, Option<Reader>), Problem> {
        let (scope, mailbox) = self.realm(directory, person, realm).await?;
        let Some(message) = self.store.message(id).await? else {
            return Err(self.gone_message(&scope, mailbox, id).await?);
        };
        let because = scope.hears(&message_facts(&message)).ok_or(NO_MESSAGE)?;
        if mailbox.is_some_and(|mailbox| mailbox.id != message.mailbox) {
            return Err(NO_MESSAGE);
        }
        let reader = scope.reader(message.mailbox);
        let row = self.store.message_of(id, reader).await?.ok_or(NO_MESSAGE)?;
        Ok((row, because, reader))
    }

    /// That it was deleted is told to those who could hear it.
    async fn gone_message(
        &self,
        scope: &MessageScope,
        mailbox: Option<&Mailbox>,
        id: MessageId,
    ) -> Result<Problem, Problem> {
        let Some(gone) = self.store.gone_message(id).await? else { return Ok(NO_MESSAGE) };
        let GoneMessage { facts, at, because } = gone;
        let is_there = mailbox.is_none_or(|mailbox| mailbox.id == facts.mailbox);
        Ok(match is_there && scope.hears(&facts).is_some() {
            true => Problem::Gone { what: "message", at: Some(at), because },
            false => NO_MESSAGE,
        })
    }

    async fn messages(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        query: &MessageQuery,
    ) -> Result<VoicemailReply, Problem> {
        let (scope, mailbox) = self.realm(directory, person, realm).await?;
        let MessageQuery { before, limit, mailbox: named, inbox, folders, caller, from, until, text, removed } =
            query.clone();
        let numbers = over_inbox(directory, person, inbox.as_deref())?;
        let mailboxes = match (mailbox, named) {
            (Some(mailbox), _) => Some(vec![mailbox.id]),
            (None, None) => None,
            (None, Some(name)) => {
                let found = directory.mailbox_by_name(person.company.id, &name).map(|mailbox| mailbox.id);
                // One that they hear nothing of is as one that there is not.
                Some(found.filter(|mailbox| scope.sees_box(*mailbox)).into_iter().collect())
            }
        };
        let filter = MessageFilter { before, mailboxes, numbers, folders, caller, from, until, text, removed };
        let limit = limit.clamp(1, MessageQuery::MOST);
        let mut rows = self.store.messages(&scope, &filter, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let cursor = |row: &MessageRow| MessageCursor { left: row.message.left, id: row.message.id };
        let next = rows.last().filter(|_| more).map(|row| write_message_cursor(cursor(row)));
        let downloads = may_download(person);
        let view = |row: &MessageRow| {
            let because = scope.hears(&message_facts(&row.message))?;
            MessageView::of(directory, row, because, downloads)
        };
        Ok(VoicemailReply::Messages(MessagePage { messages: rows.iter().filter_map(view).collect(), next }))
    }

    async fn message_view(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        row: &MessageRow,
        because: MessageReason,
    ) -> Result<MessageView, Problem> {
        let mut view = MessageView::of(directory, row, because, may_download(person)).ok_or(NO_MESSAGE)?;
        if let Some(call) = row.message.call {
            view.call = self.sees_call(directory, person, call).await?.then_some(call);
        }
        Ok(view)
    }

    async fn sees_call(&self, directory: &Directory, person: &Person<'_>, call: CallId) -> Result<bool, Problem> {
        let scope = self.scope(directory, person).await?;
        let found = self.store.call_with_facts(call).await?;
        Ok(found.is_some_and(|(_, facts)| scope.visible(&facts).is_some()))
    }

    /// Fetching the audio marks nothing as read.
    async fn message_audio(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        id: MessageId,
        purpose: AudioUse,
    ) -> Result<VoicemailReply, Problem> {
        let (row, _, _) = self.heard(directory, person, realm, id).await?;
        let (action, name) = match purpose {
            AudioUse::Play => ("message.play", None),
            AudioUse::Download if may_download(person) => ("message.download", Some(format!("{id}.wav"))),
            AudioUse::Download => return Err(Problem::Forbidden("you may listen to messages, not fetch them")),
        };
        if self.is_new_listening(person.viewer.token, message_as_recording(id), purpose) {
            self.note(person, action, format!("message {id}")).await?;
        }
        Ok(VoicemailReply::Audio { path: self.recordings.join(&row.message.path), name })
    }

    /// For whoever hears it; as a look at a recording's shape, it is no listening.
    async fn message_peaks(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        id: MessageId,
        points: Points,
    ) -> Result<VoicemailReply, Problem> {
        let (row, _, _) = self.heard(directory, person, realm, id).await?;
        let shape = self.peaks_of_message(&row.message, points).await?;
        // Deleted while it was made: nothing of it is told.
        self.store.message(id).await?.ok_or(NO_MESSAGE)?;
        Ok(VoicemailReply::Peaks(Box::new(MessagePeaksView { message: id, shape })))
    }

    async fn move_message(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        id: MessageId,
        folder: Folder,
    ) -> Result<VoicemailReply, Problem> {
        let (row, because, reader) = self.heard(directory, person, realm, id).await?;
        let reader =
            reader.ok_or(Problem::Forbidden("nobody owns this box: each subscriber has folders of their own"))?;
        // What was thrown away is brought back first, not moved.
        if row.state.removed {
            return Err(NO_MESSAGE);
        }
        self.note(person, "message.move", format!("message {id}: {}", folder.as_str())).await?;
        let state =
            self.store.set_folder(id, reader, folder, by(person), self.world.wall()).await?.ok_or(NO_MESSAGE)?;
        let row = MessageRow { state, ..row };
        Ok(VoicemailReply::Message(Box::new(self.message_view(directory, person, &row, because).await?)))
    }

    async fn remove_message(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        id: MessageId,
    ) -> Result<(), Problem> {
        let (row, _, reader) = self.heard(directory, person, realm, id).await?;
        match realm {
            Realm::Mine => {
                let reader = reader.ok_or(Problem::Forbidden("say of which box: it is nobody's of yours"))?;
                if row.state.removed {
                    return Err(NO_MESSAGE);
                }
                self.note(person, "message.remove", format!("message {id}")).await?;
                self.store.remove_message(id, reader, by(person), self.world.wall()).await?.ok_or(NO_MESSAGE)?;
            }
            Realm::Managed(_) => {
                self.not_held(&row.message).await?;
                self.note(person, "message.delete", format!("message {id}")).await?;
                let because = format!("deleted by {}", person.who());
                let erased = self.store.erase_message(id, by(person), &because, self.world.wall()).await?;
                erased.ok_or(NO_MESSAGE)?;
                self.sweep_files().await?;
            }
        }
        Ok(())
    }

    /// A message is kept as long as the call that left it is.
    async fn not_held(&self, message: &MessageRecord) -> Result<(), Problem> {
        let Some(call) = message.call else { return Ok(()) };
        match self.store.hold_on(Held::Call(call)).await? {
            Some(hold) => Err(Problem::Held(Box::new(HoldView::from(&hold)))),
            None => Ok(()),
        }
    }

    async fn bring_back(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        id: MessageId,
    ) -> Result<VoicemailReply, Problem> {
        let (row, because, reader) = self.heard(directory, person, realm, id).await?;
        let reader = reader.ok_or(NO_MESSAGE)?;
        self.note(person, "message.restore", format!("message {id}")).await?;
        let state = self.store.bring_back_message(id, reader, by(person), self.world.wall()).await?;
        let row = MessageRow { state: state.ok_or(NO_MESSAGE)?, ..row };
        Ok(VoicemailReply::Message(Box::new(self.message_view(directory, person, &row, because).await?)))
    }

    /// A message of its own in each box: what becomes of one does not touch the others.
    async fn forward_message(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        id: MessageId,
        to: &[String],
    ) -> Result<VoicemailReply, Problem> {
        let (row, _, _) = self.heard(directory, person, realm, id).await?;
        if to.is_empty() || to.len() > MOST_TARGETS {
            let (key, expected) = ("to", "1 to 20 boxes, by NUMBER or NUMBER@CONTEXT");
            return Err(Problem::Invalid { key, value: to.join(", "), expected });
        }
        let mut targets: Vec<&Mailbox> = Vec::new();
        for name in to {
            let target = box_of(directory, person, name)?;
            self.has_room(person, target).await?;
            if !targets.iter().any(|one| one.id == target.id) {
                targets.push(target);
            }
        }
        let mut messages = Vec::new();
        for target in targets {
            self.note(person, "message.forward", format!("message {id} to {}", target.key())).await?;
            messages.push(self.copy_message(person, &row.message, target).await?);
        }
        Ok(VoicemailReply::Forwarded(ForwardedView { messages }))
    }

    /// What the viewer hears of a number of the outside, between two pages of its calls.
    pub(super) async fn messages_of_contact(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        e164: &str,
        (before, next): (Option<CallId>, Option<CallId>),
    ) -> Result<Vec<Box<MessageView>>, Problem> {
        let scope = self.message_scope(directory, person).await?;
        let filter = MessageFilter {
            caller: Some(e164.to_owned()),
            from: next.map(CallId::begun),
            until: before.map(CallId::begun),
            ..MessageFilter::default()
        };
        let downloads = may_download(person);
        let rows = self.store.messages(&scope, &filter, MessageQuery::MOST).await?;
        let view = |row: &MessageRow| {
            let because = scope.hears(&message_facts(&row.message))?;
            MessageView::of(directory, row, because, downloads).map(Box::new)
        };
        Ok(rows.iter().filter_map(view).collect())
    }

    async fn has_room(&self, person: &Person<'_>, target: &Mailbox) -> Result<(), Problem> {
        let most = target.settings.max_messages.unwrap_or(person.company.settings.voicemail.max_messages);
        match target.settings.enabled {
            false => {
                Err(Problem::Conflict(format!("voicemail {} takes no messages: it is switched off", target.key())))
            }
            true if self.store.messages_in(target.id).await? >= u64::from(most) => {
                Err(Problem::Conflict(format!("voicemail {} is full: {most} messages are in it", target.key())))
            }
            true => Ok(()),
        }
    }

    async fn copy_message(
        &self,
        person: &Person<'_>,
        message: &MessageRecord,
        target: &Mailbox,
    ) -> Result<MessageId, Problem> {
        let now = self.world.wall();
        let mut ten = [0; 10];
        self.world.random().fill(&mut ten);
        let id = MessageId::new(now, ten);
        let path = files::message_path(&person.company.key, now, id);
        self.copy_file(&message.path, &path).await?;
        let by = Party {
            user: by(person),
            address: person.user().map_or_else(String::new, |user| user.extension.clone()),
            name: person.user().map_or_else(|| person.who(), |user| user.name.clone()),
        };
        let forwarded = Some(Forwarded { from: message.mailbox, message: message.id, by, introduced: false });
        let copy = MessageRecord { id, mailbox: target.id, call: None, left: now, path, forwarded, ..message.clone() };
        self.store.deliver(&copy, Receivers::of(target), now).await?;
        Ok(id)
    }

    async fn counts(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        realm: &Realm,
        inbox: Option<&str>,
    ) -> Result<VoicemailReply, Problem> {
        let (scope, mailbox) = self.realm(directory, person, realm).await?;
        let numbers = over_inbox(directory, person, inbox)?;
        let numbers = numbers.as_deref();
        let boxes: Vec<BoxId> = match mailbox {
            Some(mailbox) => vec![mailbox.id],
            None => scope.personal().into_iter().chain(scope.global.iter().copied()).collect(),
        };
        let mut of_each = Vec::new();
        for mailbox in boxes.into_iter().filter_map(|id| directory.mailbox(id)) {
            let waiting = self.store.waiting_over(&scope, Some(mailbox.id), numbers).await?;
            let messages = match realm {
                Realm::Mine => None,
                Realm::Managed(_) => {
                    let numbers = numbers.map(<[NumberId]>::to_vec);
                    let inside =
                        MessageFilter { mailboxes: Some(vec![mailbox.id]), numbers, ..MessageFilter::default() };
                    Some(self.store.count_messages(&scope, &inside).await?)
                }
            };
            of_each.push(BoxCounts { mailbox: BoxView::of(mailbox), waiting, messages });
        }
        let all = self.store.waiting_over(&scope, mailbox.map(|mailbox| mailbox.id), numbers).await?;
        Ok(VoicemailReply::Counts(CountsView { all, boxes: of_each }))
    }
}

/// The numbers of the inbox that messages shall have been left over, where one is named.
fn over_inbox(
    directory: &Directory,
    person: &Person<'_>,
    inbox: Option<&str>,
) -> Result<Option<Vec<NumberId>>, Problem> {
    let numbers = inbox.map(|name| numbers_of_inbox(directory, person, name)).transpose()?;
    Ok(numbers.map(|numbers| numbers.into_iter().collect()))
}

fn box_of<'d>(directory: &'d Directory, person: &Person<'_>, name: &str) -> Result<&'d Mailbox, Problem> {
    directory.mailbox_by_name(person.company.id, name).ok_or(NO_BOX)
}

fn by(person: &Person<'_>) -> Option<UserId> {
    person.user().map(|user| user.id)
}

/// Pieces of one message are one listening, as those of a recording are: no two things have one id.
fn message_as_recording(id: MessageId) -> RecordingId {
    RecordingId::parse(&id.to_string()).unwrap_or_else(|| RecordingId::first_of(id.begun()))
}

/// Fetching a file is a right of its own (`download`), also of what one can hear.
fn may_download(person: &Person<'_>) -> bool {
    match person.actor {
        Actor::User(user) => Rights::of(person.company, user).download,
        Actor::Staff(_) => true,
    }
}
