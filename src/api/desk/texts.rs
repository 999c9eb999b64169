//! Conversations, for those who are in them; and what carriers bring over HTTP.

use super::filter::numbers_of_inbox;
use super::{Desk, NO_NUMBER, NO_USER, Person, number_of};
use crate::api::login::hash_of;
use crate::api::texts::{
    CarrierReceipt, CarrierText, Concatenation, ConversationPage, ConversationQuery, ConversationView, NewText, Proof,
    ReceiptState, TextPage, TextView, TextsAsk, TextsReply, is_fresh,
};
use crate::api::{CallQuery, Problem, Reply};
use crate::base::{ConversationId, NumberId, TextId};
use crate::directory::{Directory, TextsBy, Trunk, User};
use crate::ledger::TextRecord;
use crate::notify::signature;
use crate::store::{ArrivedPart, ConversationFilter, ConversationRow};
use crate::subscription::TextScope;
use crate::texts::{Arrived, NotTaken, Office, origin_of};

const NO_CONVERSATION: Problem = Problem::NotFound { what: "conversation" };
const NO_MESSAGE: Problem = Problem::NotFound { what: "message" };
/// Characters of what a carrier says beside the text.
const LONGEST_WORD: usize = 100;
const LONGEST_TEXT: usize = 8 << 10;

impl Desk {
    /// The texts that somebody reads as the directory is: staff read none, admins those of inboxes that they
    /// are in.
    pub(super) async fn text_scope(&self, directory: &Directory, person: &Person<'_>) -> Result<TextScope, Problem> {
        let Some(user) = person.user() else { return Ok(TextScope::nothing(person.company.id)) };
        Ok(TextScope::of(directory, user, &self.store.joined(user.id).await?))
    }

    pub(super) async fn texts(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: TextsAsk,
    ) -> Result<Reply, Problem> {
        let scope = self.text_scope(directory, person).await?;
        let reply = match ask {
            TextsAsk::List(query) => TextsReply::List(self.conversations(directory, person, &scope, &query).await?),
            TextsAsk::Show { id } => {
                let listed = self.store.conversation(&scope, id).await?.ok_or(NO_CONVERSATION)?;
                TextsReply::One(Box::new(ConversationView::of(directory, &scope, &listed)))
            }
            TextsAsk::Messages { id, before, limit } => {
                TextsReply::Messages(self.texts_page(directory, &scope, id, before, limit).await?)
            }
            TextsAsk::Write(new) => self.write(directory, person, new).await?,
            TextsAsk::Answer { id, text } => {
                let (user, row) = self.writable(person, &scope, id).await?;
                let (now, random) = (self.world.wall(), &mut *self.world.random());
                let written = self.office().answer(directory, user, &row, text, now, random).await;
                self.written(directory, person, "message.send", &written.map_err(problem)?.text).await?
            }
            TextsAsk::Note { id, text } => {
                let (user, row) = self.writable(person, &scope, id).await?;
                let (now, random) = (self.world.wall(), &mut *self.world.random());
                let note = self.office().note(user, &row, text, now, random).await.map_err(problem)?;
                self.written(directory, person, "message.note", &note).await?
            }
            TextsAsk::Read { id, message } => {
                let (user, row) = self.writable(person, &scope, id).await?;
                let text = match message {
                    Some(id) => self.text_in(&scope, &row, id).await?,
                    None => self.store.texts_of(&scope, &row, None, 1).await?.pop().ok_or(NO_CONVERSATION)?,
                };
                self.store.mark_read(&row, &text, user.id, self.world.wall()).await?;
                return Ok(Reply::Done);
            }
        };
        Ok(Reply::Texts(reply))
    }

    fn office(&self) -> Office {
        Office::new(self.store.clone())
    }

    async fn conversations(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        scope: &TextScope,
        query: &ConversationQuery,
    ) -> Result<ConversationPage, Problem> {
        let limit = query.limit.clamp(1, CallQuery::MOST);
        let filter = filter(directory, person, query)?;
        let mut found = self.store.conversations(scope, &filter, limit + 1).await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|listed| listed.row.last);
        let view = |listed| ConversationView::of(directory, scope, listed);
        Ok(ConversationPage { conversations: found.iter().map(view).collect(), next })
    }

    async fn texts_page(
        &self,
        directory: &Directory,
        scope: &TextScope,
        id: ConversationId,
        before: Option<TextId>,
        limit: u32,
    ) -> Result<TextPage, Problem> {
        let row = self.store.conversation(scope, id).await?.ok_or(NO_CONVERSATION)?.row;
        let before = match before {
            Some(id) => Some(self.text_in(scope, &row, id).await?.seq),
            None => None,
        };
        let limit = limit.clamp(1, CallQuery::MOST);
        let mut found = self.store.texts_of(scope, &row, before, limit + 1).await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|text| text.id);
        Ok(TextPage { messages: found.iter().map(|text| TextView::of(directory, text)).collect(), next })
    }

    /// A text of that conversation, by its id.
    async fn text_in(&self, scope: &TextScope, row: &ConversationRow, id: TextId) -> Result<TextRecord, Problem> {
        let found = self.store.visible_text(scope, id).await?;
        found.filter(|(text, _)| text.conversation == row.id).map(|(text, _)| text).ok_or(NO_MESSAGE)
    }

    /// A conversation that whoever asks sees, and who they are there.
    async fn writable<'p>(
        &self,
        person: &'p Person<'_>,
        scope: &TextScope,
        id: ConversationId,
    ) -> Result<(&'p User, ConversationRow), Problem> {
        let listed = self.store.conversation(scope, id).await?.ok_or(NO_CONVERSATION)?;
        Ok((person.user().ok_or(NO_CONVERSATION)?, listed.row))
    }

    async fn write(&self, directory: &Directory, person: &Person<'_>, new: NewText) -> Result<TextsReply, Problem> {
        let user = person.user().ok_or(Problem::Forbidden("only users of the company write text messages"))?;
        let NewText { to, text, number } = new;
        let to = (to.trim(), number.as_deref());
        let (now, random) = (self.world.wall(), &mut *self.world.random());
        let written = self.office().write(directory, user, to, (text, None), now, random).await.map_err(problem)?;
        self.written(directory, person, "message.send", &written.text).await
    }

    async fn written(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        action: &str,
        text: &TextRecord,
    ) -> Result<TextsReply, Problem> {
        self.note(person, action, format!("message {}", text.id)).await?;
        Ok(TextsReply::Message(Box::new(TextView::of(directory, text))))
    }

    /// A text that a carrier brings for one of the company's numbers. One that comes again is taken once.
    ///
    /// # Errors
    /// Where the carrier is not known, and where the number takes no texts.
    pub async fn carrier_text(&self, (company, trunk): (&str, &str), proof: &Proof, body: &str) -> Result<(), Problem> {
        let directory = self.directory().await?;
        let trunk = self.carrier_of(&directory, (company, trunk), proof, body)?;
        let CarrierText { id, from, to, text, concatenation } = parsed(body)?;
        let company = directory.company(trunk.company).ok_or(Problem::Internal)?;
        let format = trunk.settings.number_format;
        let called = format.read(&to, company).and_then(|e164| directory.number_by_e164(&e164));
        let number = called.filter(|number| number.company == company.id).ok_or(NO_NUMBER)?;
        let contact = format.read(&from, company).unwrap_or_else(|| from.trim().to_owned());
        for (key, value) in [("id", &id), ("from", &contact)] {
            if value.is_empty() || value.chars().count() > LONGEST_WORD || value.chars().any(char::is_control) {
                return Err(Problem::Invalid { key, value: value.clone(), expected: "1 to 100 characters" });
            }
        }
        if text.len() > LONGEST_TEXT || text.contains('\0') {
            return Err(Problem::Invalid {
                key: "text",
                value: "…".to_owned(),
                expected: "8 KiB at most, without NUL",
            });
        }
        let (at, random) = (self.world.wall(), &mut *self.world.random());
        let Some(Concatenation { reference, part, parts }) = concatenation else {
            let origin = origin_of(trunk.id, &id);
            let arrived = Arrived { number: number.id, contact, name: String::new(), body: text, origin };
            self.office().arrived(&directory, arrived, at, random).await.map_err(problem)?;
            return Ok(());
        };
        if !(1..=255).contains(&parts) || !(1..=parts).contains(&part) || reference.len() > LONGEST_WORD {
            let value = format!("{part} of {parts}");
            return Err(Problem::Invalid { key: "concatenation", value, expected: "part 1 to parts, of 255 at most" });
        }
        let part = ArrivedPart {
            company: company.id,
            trunk: trunk.id,
            id,
            number: number.id,
            contact,
            reference,
            part,
            parts,
            body: text,
            at,
        };
        self.office().part_arrived(&directory, &part, at, random).await.map_err(problem)?;
        Ok(())
    }

    /// What became of a text that the carrier took.
    ///
    /// # Errors
    /// Where the carrier is not known, and where it did not take such a text.
    pub async fn carrier_receipt(
        &self,
        (company, trunk): (&str, &str),
        proof: &Proof,
        body: &str,
    ) -> Result<(), Problem> {
        let directory = self.directory().await?;
        let trunk = self.carrier_of(&directory, (company, trunk), proof, body)?;
        let CarrierReceipt { id, part, state, reason } = parsed(body)?;
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(LONGEST_WORD).collect();
        let delivered = state == ReceiptState::Delivered;
        match self.store.receipt(trunk.id, id, part, delivered, &reason, self.world.wall()).await? {
            true => Ok(()),
            false => Err(NO_MESSAGE),
        }
    }

    /// The trunk that a request is of. One that is not there, or brings no texts, is answered as one
    /// whose secret is wrong.
    fn carrier_of<'d>(
        &self,
        directory: &'d Directory,
        (company, name): (&str, &str),
        proof: &Proof,
        body: &str,
    ) -> Result<&'d Trunk, Problem> {
        let company = directory.company_by_key(company).ok_or(Problem::NotLoggedIn)?;
        let mut trunks = directory.trunks_of(company.id);
        let trunk = trunks.find(|trunk| trunk.name == name).ok_or(Problem::NotLoggedIn)?;
        let secret = trunk.texts_secret.as_ref().filter(|_| trunk.settings.texts == TextsBy::Http);
        let secret = secret.ok_or(Problem::NotLoggedIn)?.reveal();
        // Hashes are compared: how long it takes tells nothing of the secret.
        let fits = match proof {
            Proof::Bearer(said) => hash_of(said) == hash_of(secret),
            Proof::Signed { timestamp, signature: said } => {
                let signed = signature(secret, timestamp, body);
                hash_of(said) == hash_of(&signed) && is_fresh(timestamp, self.world.wall())
            }
            Proof::None => false,
        };
        if fits { Ok(trunk) } else { Err(Problem::NotLoggedIn) }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, Problem> {
    serde_json::from_str(body).map_err(|error| Problem::Invalid {
        key: "body",
        value: error.to_string(),
        expected: "a JSON object with the fields of this request",
    })
}

fn problem(error: NotTaken) -> Problem {
    match error {
        NotTaken::Refused(refused) => Problem::Unfit(vec![refused.to_string()]),
        NotTaken::Store(error) => error.into(),
    }
}

/// What a query asks for, by ids. Of a name that nothing has an admin is told; for others nothing fits it.
fn filter(
    directory: &Directory,
    person: &Person<'_>,
    query: &ConversationQuery,
) -> Result<ConversationFilter, Problem> {
    let ConversationQuery { before, limit: _, inbox, number, contact, user, unread, text } = query;
    let company = person.company;
    let mut numbers: Option<Vec<NumberId>> = None;
    if let Some(name) = inbox {
        numbers = Some(numbers_of_inbox(directory, person, name)?.into_iter().collect());
    }
    if let Some(e164) = number {
        let id = match number_of(directory, company, e164) {
            Ok(number) => vec![number.id],
            Err(problem) if person.is_admin() => return Err(problem),
            Err(_) => Vec::new(),
        };
        numbers = Some(match numbers {
            Some(numbers) => numbers.into_iter().filter(|number| id.contains(number)).collect(),
            None => id,
        });
    }
    let colleague = match user {
        Some(extension) => Some(directory.user_ever_by_extension(company.id, extension).ok_or(NO_USER)?.id),
        None => None,
    };
    Ok(ConversationFilter {
        before: *before,
        numbers,
        contact: contact.clone(),
        colleague,
        unread: *unread,
        text: text.clone(),
    })
}
