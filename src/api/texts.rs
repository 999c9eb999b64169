//! Conversations by text message: what is asked of them, and the answers.

use super::Permission;
use crate::base::{ConversationId, TextId, UserId, Wall};
use crate::directory::Directory;
use crate::ledger::{TextKind, TextRecord, TextState};
use crate::store::{ConversationRow, ListedConversation};
use crate::subscription::{Holder, TextScope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request of a user about their conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextsAsk {
    List(Box<ConversationQuery>),
    Show {
        id: ConversationId,
    },
    Messages {
        id: ConversationId,
        before: Option<TextId>,
        limit: u32,
    },
    /// To whomever is dialled; in the conversation with them, which is made where there is none yet.
    Write(NewText),
    Answer {
        id: ConversationId,
        text: String,
    },
    Note {
        id: ConversationId,
        text: String,
    },
    /// Up to a text, or all of it.
    Read {
        id: ConversationId,
        message: Option<TextId>,
    },
}

impl TextsAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            TextsAsk::List(_) | TextsAsk::Show { .. } | TextsAsk::Messages { .. } => Permission::ReadConversations,
            TextsAsk::Write(_) | TextsAsk::Answer { .. } | TextsAsk::Note { .. } | TextsAsk::Read { .. } => {
                Permission::WriteConversations
            }
        }
    }
}

/// Which conversations, as they are asked for: things are named as people name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationQuery {
    pub before: Option<i64>,
    /// 1 to 200.
    pub limit: u32,
    /// By name.
    pub inbox: Option<String>,
    /// E.164.
    pub number: Option<String>,
    /// The outside number, E.164.
    pub contact: Option<String>,
    /// A colleague, by extension.
    pub user: Option<String>,
    pub unread: Option<bool>,
    pub text: Option<String>,
}

/// A text to be written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewText {
    /// As it would be dialled: an outside number, or an extension.
    pub to: String,
    #[schema(min_length = 1, max_length = 1600)]
    pub text: String,
    /// The number that it leaves from, E.164; by the rule where none is said.
    #[serde(default)]
    pub number: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextsReply {
    List(ConversationPage),
    One(Box<ConversationView>),
    Messages(TextPage),
    Message(Box<TextView>),
}

/// A user, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WriterView {
    pub extension: String,
    pub name: String,
}

impl WriterView {
    /// Whoever it is, or was.
    pub fn of(directory: &Directory, user: UserId) -> Option<Self> {
        let user = directory.user_ever(user)?;
        Some(WriterView { extension: user.extension.clone(), name: user.name.clone() })
    }
}

/// Whose a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Of a shared inbox.
    Shared,
    /// The viewer's own, over their number.
    Own,
    /// With a colleague.
    Colleague,
}

/// A conversation as its viewer sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationView {
    pub id: ConversationId,
    pub kind: ConversationKind,
    /// The company's number, E.164; absent between colleagues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Name of the shared inbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When the viewer joined the shared inbox (RFC 3339, UTC): they see what was written from then on. Absent
    /// where they see all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The other side: an outside number or an extension.
    pub contact: String,
    pub contact_name: String,
    /// Texts that the viewer has not read; counted up to 1,000.
    pub unread: u64,
    /// The newest text.
    pub last: TextView,
    /// Who answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<WriterView>,
}

impl ConversationView {
    /// As whoever reads that sees it.
    pub fn of(directory: &Directory, scope: &TextScope, listed: &ListedConversation) -> Self {
        let ListedConversation { row, last, unread, answered_by } = listed;
        let between = &row.between;
        let inbox = match between.holder {
            Holder::Inbox(number) => directory.shared_inbox(number),
            Holder::User(_) | Holder::Pair(..) => None,
        };
        let (contact, contact_name) = other_side(directory, scope.user, row);
        ConversationView {
            id: row.id,
            kind: match between.holder {
                Holder::Inbox(_) => ConversationKind::Shared,
                Holder::User(_) => ConversationKind::Own,
                Holder::Pair(..) => ConversationKind::Colleague,
            },
            number: number_of(directory, row),
            inbox: inbox.map(|inbox| inbox.name.clone()),
            label: inbox.map(|inbox| inbox.label.clone()),
            since: scope.since(between.holder).map(|since| since.to_string()),
            contact,
            contact_name,
            unread: *unread,
            last: TextView::of(directory, last),
            answered_by: answered_by.and_then(|user| WriterView::of(directory, user)),
        }
    }
}

fn number_of(directory: &Directory, row: &ConversationRow) -> Option<String> {
    row.between.number.and_then(|number| directory.number(number)).map(|number| number.e164.clone())
}

/// Address and name.
fn other_side(directory: &Directory, viewer: Option<UserId>, row: &ConversationRow) -> (String, String) {
    match row.between.holder {
        Holder::Pair(one, other) => {
            let colleague = if viewer == Some(one) { other } else { one };
            let colleague = WriterView::of(directory, colleague);
            colleague.map_or_else(Default::default, |WriterView { extension, name }| (extension, name))
        }
        Holder::Inbox(_) | Holder::User(_) => (row.between.contact.clone(), row.between.name.clone()),
    }
}

/// Conversations, those with the newest texts first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    pub conversations: Vec<ConversationView>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// A text, or a note for colleagues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextView {
    pub id: TextId,
    pub conversation: ConversationId,
    pub kind: TextKind,
    pub at: String,
    pub text: String,
    /// Who wrote it, of the company; absent where it came from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<WriterView>,
    pub state: TextState,
    pub state_at: String,
    /// Why it has failed, or is not sent yet.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub problem: String,
}

impl TextView {
    pub fn of(directory: &Directory, text: &TextRecord) -> Self {
        TextView {
            id: text.id,
            conversation: text.conversation,
            kind: text.kind,
            at: text.at.to_string(),
            text: text.body.clone(),
            user: text.user.and_then(|user| WriterView::of(directory, user)),
            state: text.state,
            state_at: text.state_at.to_string(),
            problem: text.problem.clone(),
        }
    }
}

/// Texts of a conversation, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextPage {
    pub messages: Vec<TextView>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<TextId>,
}

/// A text with an outside number, beside the calls with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextEntry {
    #[serde(rename = "way")]
    pub kind: TextKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    pub id: TextId,
    pub conversation: ConversationId,
    pub at: String,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<WriterView>,
    pub state: TextState,
}

impl TextEntry {
    pub fn of(directory: &Directory, text: &TextRecord, row: &ConversationRow) -> Self {
        TextEntry {
            kind: text.kind,
            number: number_of(directory, row),
            id: text.id,
            conversation: text.conversation,
            at: text.at.to_string(),
            text: text.body.clone(),
            user: text.user.and_then(|user| WriterView::of(directory, user)),
            state: text.state,
        }
    }
}

/// How a carrier proves that it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The trunk's secret itself.
    Bearer(String),
    Signed {
        timestamp: String,
        signature: String,
    },
    None,
}

/// A text that a carrier brings, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct CarrierText {
    /// The carrier's own: the same where it comes again.
    pub id: String,
    pub from: String,
    /// A number of the company.
    pub to: String,
    pub text: String,
    /// Of a part.
    #[serde(default)]
    pub concatenation: Option<Concatenation>,
}

/// Which part of which text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct Concatenation {
    /// The same for all parts of a text.
    pub reference: String,
    /// From 1.
    pub part: u32,
    /// At most 255.
    pub parts: u32,
}

/// What became of a text that a carrier took.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct CarrierReceipt {
    /// As it was sent to the carrier.
    pub id: TextId,
    /// Of one part of it; of all where none is said.
    #[serde(default)]
    pub part: Option<u32>,
    pub state: ReceiptState,
    #[serde(default)]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    Delivered,
    Failed,
}

/// Whether a timestamp of a signature is of these minutes.
pub fn is_fresh(timestamp: &str, now: Wall) -> bool {
    const MOST_S: i64 = 300;
    timestamp.parse::<i64>().is_ok_and(|then| (now.unix_micros() / 1_000_000).saturating_sub(then).abs() <= MOST_S)
}
