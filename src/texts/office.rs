//! Takes texts: from trunks, from devices, and from people over the API.

use super::route::{Goes, Refused, destination, may_write_as};
use super::{LONGEST, parts};
use crate::base::{NumberId, Random, Span, TextId, TrunkId, UserId, Wall};
use crate::directory::{Directory, MessageRoute, TextsBy, Transport, Trunk, User};
use crate::ledger::{TextKind, TextRecord, TextState};
use crate::store::{
    ArrivedPart, Between, ConversationFilter, ConversationRow, JoinedParts, NewText, Store, StoreError, Taken,
};
use crate::subscription::{Holder, TextScope};

/// A text that no carrier takes for so long has failed.
const GIVE_UP: Span = Span::from_secs(86_400);
/// Parts of a text wait so long for each other.
pub const GATHER: Span = Span::from_secs(600);

/// A text from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub number: NumberId,
    /// E.164 where it is one.
    pub contact: String,
    pub name: String,
    pub body: String,
    /// The same where it comes again.
    pub origin: String,
}

/// What became of a text that a user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub text: TextRecord,
    /// A colleague, who has it in their conversations; `None`: it goes out.
    pub colleague: Option<UserId>,
}

/// Why nothing came of it: refused, or the database cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where texts are taken.
#[derive(Clone, Debug)]
pub struct Office {
    store: Store,
}

/// Now, and an id of that moment.
fn fresh(now: Wall, random: &mut (dyn Random + Send)) -> TextId {
    TextId::new(now, random.ten_bytes())
}

impl Office {
    pub const fn new(store: Store) -> Self {
        Office { store }
    }

    /// A text from outside to a number.
    ///
    /// # Errors
    /// Where the number takes none.
    pub async fn arrived(
        &self,
        directory: &Directory,
        arrived: Arrived,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<Taken, NotTaken> {
        let Arrived { number, contact, name, body, origin } = arrived;
        let between = to_number(directory, number, contact, name)?;
        let new = NewText {
            id: fresh(now, random),
            kind: TextKind::In,
            at: now,
            user: None,
            body,
            state: TextState::Received,
            origin: Some(origin),
            parts: Vec::new(),
            ends: now,
        };
        Ok(self.store.add_text(&between, &new).await?)
    }

    /// A part of a text from outside; the text where it is whole now.
    pub async fn part_arrived(
        &self,
        directory: &Directory,
        part: &ArrivedPart,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<Option<Taken>, NotTaken> {
        to_number(directory, part.number, part.contact.clone(), String::new())?;
        match self.store.add_part(part).await? {
            Some(joined) => Ok(Some(self.joined(directory, &joined, now, random).await?)),
            None => Ok(None),
        }
    }

    /// Texts of which some parts never came are shown with what there is of them.
    pub async fn gather_late_parts(
        &self,
        directory: &Directory,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<(), StoreError> {
        for joined in self.store.parts_since_before(now.minus(GATHER)).await? {
            match self.joined(directory, &joined, now, random).await {
                Ok(_) => {}
                // The number takes none any more.
                Err(NotTaken::Refused(_)) => self.store.forget_parts(&joined).await?,
                Err(NotTaken::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn joined(
        &self,
        directory: &Directory,
        joined: &JoinedParts,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<Taken, NotTaken> {
        let JoinedParts { company: _, trunk, number, contact, reference, at, bodies } = joined;
        // References are used again: one of another time is another text.
        let origin = format!("parts {trunk} {number} {contact} {reference} {}", at.unix_micros());
        let arrived = Arrived {
            number: *number,
            contact: contact.clone(),
            name: String::new(),
            body: parts::join(bodies),
            origin,
        };
        let taken = self.arrived(directory, arrived, now, random).await?;
        self.store.forget_parts(joined).await?;
        Ok(taken)
    }

    /// A text of a user to what they dialled. An answer leaves from the number that the other side wrote
    /// to, unless they chose another; a new text from the one that the rule of calls says.
    pub async fn write(
        &self,
        directory: &Directory,
        user: &User,
        (dialled, said): (&str, Option<&str>),
        body: String,
        origin: Option<String>,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<Written, NotTaken> {
        good(&body)?;
        let (called, number) = match destination(directory, user, dialled, said)? {
            Goes::Colleague(colleague) => {
                let between = Between::users(user.company, user.id, colleague);
                let text = self.add(&between, user, body, origin, Vec::new(), now, random).await?;
                return Ok(Written { text, colleague: Some(colleague) });
            }
            Goes::Out { called, number, chosen: true } => (called, number),
            Goes::Out { called, number, chosen: false } => {
                let last = self.last_with(directory, user, &called).await?;
                (called, last.map_or(number, Ok))
            }
        };
        let number = number?;
        let between = as_number(directory, user, number, called)?;
        let parts = outgoing(directory, user, &body)?;
        let text = self.add(&between, user, body, origin, parts, now, random).await?;
        Ok(Written { text, colleague: None })
    }

    /// An answer in a conversation that the user sees: it leaves from the conversation's number.
    pub async fn answer(
        &self,
        directory: &Directory,
        user: &User,
        conversation: &ConversationRow,
        body: String,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<Written, NotTaken> {
        good(&body)?;
        let between = &conversation.between;
        let (number, colleague) = match (between.holder, between.number) {
            (Holder::Pair(one, other), _) => (None, Some(if one == user.id { other } else { one })),
            (Holder::Inbox(number), _) => (Some(number), None),
            (Holder::User(_), number) => (Some(number.ok_or(Refused::NoNumber)?), None),
        };
        let parts = match number {
            Some(id) => {
                let number = directory.number(id).ok_or_else(|| Refused::NotYours(between.contact.clone()))?;
                may_write_as(directory, user, number)?;
                if !is_answerable(&between.contact) {
                    return Err(Refused::Withheld.into());
                }
                outgoing(directory, user, &body)?
            }
            None => Vec::new(),
        };
        let text = self.add(between, user, body, None, parts, now, random).await?;
        Ok(Written { text, colleague })
    }

    /// A note for colleagues in a conversation that the user sees.
    pub async fn note(
        &self,
        user: &User,
        conversation: &ConversationRow,
        body: String,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<TextRecord, NotTaken> {
        good(&body)?;
        let new = NewText {
            id: fresh(now, random),
            kind: TextKind::Note,
            at: now,
            user: Some(user.id),
            body,
            state: TextState::Received,
            origin: None,
            parts: Vec::new(),
            ends: now,
        };
        Ok(self.store.add_text(&conversation.between, &new).await?.record())
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a text that a user wrote")]
    async fn add(
        &self,
        between: &Between,
        user: &User,
        body: String,
        origin: Option<String>,
        parts: Vec<String>,
        now: Wall,
        random: &mut (dyn Random + Send),
    ) -> Result<TextRecord, StoreError> {
        let state = if parts.is_empty() { TextState::Received } else { TextState::Queued };
        let (id, ends, user) = (fresh(now, random), now.plus(GIVE_UP), Some(user.id));
        let new = NewText { id, kind: TextKind::Out, at: now, user, body, state, origin, parts, ends };
        Ok(self.store.add_text(between, &new).await?.record())
    }

    /// The number of the newest conversation with the other side that the user may still answer in.
    async fn last_with(
        &self,
        directory: &Directory,
        user: &User,
        contact: &str,
    ) -> Result<Option<NumberId>, StoreError> {
        let scope = TextScope::of(directory, user, &self.store.joined(user.id).await?);
        let filter = ConversationFilter { contact: Some(contact.to_owned()), ..ConversationFilter::default() };
        let found = self.store.conversations(&scope, &filter, 20).await?;
        let numbers = found.iter().filter_map(|listed| directory.number(listed.row.between.number?));
        let mut usable = numbers.filter(|number| may_write_as(directory, user, number).is_ok());
        Ok(usable.next().map(|number| number.id))
    }
}

/// Whose conversation a text to a number is in.
fn to_number(directory: &Directory, id: NumberId, contact: String, name: String) -> Result<Between, Refused> {
    let number = directory.number(id).ok_or_else(|| Refused::Unknown(contact.clone()))?;
    let holder = match directory.message_route(number) {
        MessageRoute::Inbox(_) => Holder::Inbox(id),
        MessageRoute::User(user) => Holder::User(user),
        MessageRoute::Nowhere => return Err(Refused::NoMessages(number.e164.clone())),
    };
    Ok(Between { company: number.company, holder, number: Some(id), contact, name })
}

/// Whose conversation a text of the user as a number is in.
fn as_number(directory: &Directory, user: &User, id: NumberId, contact: String) -> Result<Between, Refused> {
    let number = directory.number(id).ok_or(Refused::NoNumber)?;
    may_write_as(directory, user, number)?;
    to_number(directory, id, contact, String::new())
}

/// A text as it goes out, in parts where the first trunk wants them. Other trunks take the same parts.
fn outgoing(directory: &Directory, user: &User, body: &str) -> Result<Vec<String>, Refused> {
    let mut trunks = directory.trunks_of(user.company).filter(|trunk| trunk.settings.texts != TextsBy::None);
    let first: &Trunk = trunks.next().ok_or(Refused::NoTrunk)?;
    Ok(match first.settings.texts {
        _ if first.settings.texts_split => parts::for_sms(body),
        TextsBy::Sip if first.targets.iter().any(|target| target.transport == Transport::Udp) => {
            parts::for_datagrams(body)
        }
        TextsBy::Sip | TextsBy::Http | TextsBy::None => vec![body.to_owned()],
    })
}

fn is_answerable(contact: &str) -> bool {
    let digits = contact.strip_prefix('+').unwrap_or(contact);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn good(body: &str) -> Result<(), Refused> {
    if body.trim().is_empty() || body.contains('\0') {
        return Err(Refused::Empty);
    }
    match body.chars().count() > LONGEST {
        true => Err(Refused::TooLong(LONGEST)),
        false => Ok(()),
    }
}

/// The trunk that a text came through over HTTP.
pub fn origin_of(trunk: TrunkId, id: &str) -> String {
    format!("http {trunk} {id}")
}
