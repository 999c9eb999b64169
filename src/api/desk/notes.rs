//! Notes on a call, for whoever sees it.

use super::{Actor, Desk, NO_CALL, Person};
use crate::api::notes::{MOST_NOTES, NotePage, NoteView, NotesAsk, NotesReply, note_text};
use crate::api::{CallQuery, Problem, Reply};
use crate::base::CallId;
use crate::directory::Directory;
use crate::store::{Noted, Unnoted, Writer};

const NO_NOTE: Problem = Problem::NotFound { what: "note" };

impl Desk {
    pub(super) async fn notes(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: NotesAsk,
    ) -> Result<Reply, Problem> {
        let reply = match ask {
            NotesAsk::List { call, after, limit } => {
                self.sees(directory, person, call).await?;
                NotesReply::Page(self.notes_page(call, after, limit).await?)
            }
            NotesAsk::Write { call, text } => {
                self.sees(directory, person, call).await?;
                NotesReply::Written(self.write_note(person, call, &text).await?)
            }
            NotesAsk::Delete { call, note } => {
                self.sees(directory, person, call).await?;
                self.delete_note(person, call, note).await?;
                return Ok(Reply::Done);
            }
        };
        Ok(Reply::Notes(reply))
    }

    /// A call that somebody does not see is as one that there is not.
    async fn sees(&self, directory: &Directory, person: &Person<'_>, call: CallId) -> Result<(), Problem> {
        let scope = self.scope(directory, person).await?;
        let (_, facts) = self.store.call_with_facts(call).await?.ok_or(NO_CALL)?;
        scope.visible(&facts).map(drop).ok_or(NO_CALL)
    }

    async fn notes_page(&self, call: CallId, after: Option<i64>, limit: u32) -> Result<NotePage, Problem> {
        let limit = limit.clamp(1, CallQuery::MOST);
        let mut found = self.store.call_notes(call, after.unwrap_or(0), limit + 1).await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|note| note.id);
        Ok(NotePage { notes: found.into_iter().map(NoteView::from).collect(), next })
    }

    async fn delete_note(&self, person: &Person<'_>, call: CallId, id: i64) -> Result<(), Problem> {
        let note = self.store.call_note(call, id).await?.ok_or(NO_NOTE)?;
        let is_own = person.user().is_some_and(|user| note.writer.user == Some(user.id));
        if !is_own && !person.is_admin() {
            return Err(Problem::Forbidden("only who wrote a note, or an admin, deletes it"));
        }
        match self.store.delete_call_note(call, id).await? {
            Unnoted::Done => self.note(person, "call.note.delete", format!("note {id} of call {call}")).await,
            Unnoted::NotThere => Err(NO_NOTE),
            Unnoted::Held(hold) => Err(Problem::Held(Box::new((&*hold).into()))),
        }
    }

    async fn write_note(&self, person: &Person<'_>, call: CallId, text: &str) -> Result<NoteView, Problem> {
        let text = note_text(text)?;
        let writer = match person.actor {
            Actor::User(user) => {
                Writer { user: Some(user.id), extension: Some(user.extension.clone()), name: user.name.clone() }
            }
            Actor::Staff(_) => Writer { user: None, extension: None, name: person.who() },
        };
        match self.store.add_call_note(call, (&writer, text), self.world.wall(), MOST_NOTES).await? {
            Noted::Done(note) => {
                self.note(person, "call.note", format!("note {} of call {call}", note.id)).await?;
                Ok(note.into())
            }
            Noted::NoCall => Err(NO_CALL),
            Noted::Full => {
                Err(Problem::Conflict(format!("the call has {MOST_NOTES} notes, as many as it may have: delete some")))
            }
        }
    }
}
