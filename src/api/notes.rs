//! Notes on a call: what colleagues tell each other about it.

use super::{Permission, Problem};
use crate::base::CallId;
use crate::store::CallNote;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters of a note at most.
pub const LONGEST_NOTE: usize = 4_000;
/// Notes of one call at most.
pub const MOST_NOTES: u32 = 1_000;

/// A note as it is kept, without white space around it.
///
/// # Errors
/// Nothing is left of it, it is longer than 4,000 characters, or it has a control character that is neither a
/// tab nor the end of a line.
pub fn note_text(said: &str) -> Result<&str, Problem> {
    let text = said.trim();
    let unfit = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if !text.is_empty() && text.chars().count() <= LONGEST_NOTE && !text.contains(unfit) {
        return Ok(text);
    }
    let value = text.chars().take(40).filter(|c| !c.is_control()).collect();
    let expected = "1 to 4000 characters, of control characters only tabs and ends of lines";
    Err(Problem::Invalid { key: "text", value, expected })
}

/// A request about the notes of a call. Whoever sees the call reads and writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotesAsk {
    List {
        call: CallId,
        /// The last one of the page before.
        after: Option<i64>,
        limit: u32,
    },
    Write {
        call: CallId,
        text: String,
    },
    /// Its writer, or an admin.
    Delete {
        call: CallId,
        note: i64,
    },
}

impl NotesAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            NotesAsk::List { .. } => Permission::ReadCalls,
            NotesAsk::Write { .. } | NotesAsk::Delete { .. } => Permission::NoteCalls,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotesReply {
    Page(NotePage),
    Written(NoteView),
}

/// A note on a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoteView {
    pub id: i64,
    pub at: String,
    pub by: NoteBy,
    pub text: String,
}

/// Who wrote it, as they were called then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoteBy {
    /// `null` of an operator or a reseller.
    pub extension: Option<String>,
    pub name: String,
}

impl From<CallNote> for NoteView {
    fn from(note: CallNote) -> Self {
        let CallNote { id, call: _, at, writer, text } = note;
        let by = NoteBy { extension: writer.extension, name: writer.name };
        NoteView { id, at: at.to_string(), by, text }
    }
}

/// A page of notes, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotePage {
    pub notes: Vec<NoteView>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}
