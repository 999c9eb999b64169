//! Voicemail boxes: as they are written down, as calls see them, and what a company sets for all of
//! them.

use super::flow::Zone;
use crate::base::{BoxId, CompanyId, GroupId, Language, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use utoipa::ToSchema;

/// The context of a box that names none.
pub const DEFAULT_CONTEXT: &str = "default";

/// A voicemail box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub id: BoxId,
    pub company: CompanyId,
    /// 1 to 40 digits; unique in its context.
    pub number: String,
    pub context: String,
    /// For people.
    pub name: String,
    pub owner: BoxOwner,
    pub access: BoxAccess,
    pub settings: Arc<BoxSettings>,
}

impl Mailbox {
    /// By which it is named in its company.
    pub fn key(&self) -> String {
        box_name(&self.number, &self.context)
    }
}

/// Whose messages these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BoxOwner {
    /// Standalone, or the whole company's.
    Nobody,
    User(UserId),
    Group(GroupId),
}

/// Who can hear what is in a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BoxAccess {
    /// Its owner and its subscribers.
    #[default]
    Personal,
    /// Every user of the company; one box of a context at most.
    Global,
}

impl BoxAccess {
    pub const fn as_str(self) -> &'static str {
        match self {
            BoxAccess::Personal => "personal",
            BoxAccess::Global => "global",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [BoxAccess::Personal, BoxAccess::Global].into_iter().find(|access| access.as_str() == text)
    }
}

/// What is set for one box.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoxSettings {
    /// Digits; empty: none. In clear, since the compatible API gives it back to those with the
    /// right. Never in logs, exports, events and listings of plans.
    pub password: String,
    /// Where a new message is told of; empty: nowhere.
    pub email: String,
    /// A second, short mail; empty: none.
    pub pager: String,
    /// `None`: the company's.
    pub language: Option<Language>,
    /// Of the times that are spoken and mailed; `None`: the company's.
    pub time_zone: Option<Zone>,
    /// Messages that it holds; `None`: as many as the company's settings say.
    pub max_messages: Option<u32>,
    /// The message is in the mail.
    pub attach_audio: bool,
    /// A message goes once it was mailed.
    pub delete_messages: bool,
    /// Its password is asked for from inside too.
    pub ask_password: bool,
    /// Messages can be left.
    pub enabled: bool,
    /// Of a group: every member receives its messages.
    pub subscribe_members: bool,
    /// Longest message, in seconds; `None`: the company's.
    pub max_s: Option<u32>,
    /// Shortest one, in seconds; `None`: the company's.
    pub min_s: Option<u32>,
    /// Callers can hear and leave again what they have left.
    pub review: bool,
    /// Pairs of the compatible API that mean nothing here, given back as they came.
    pub options: Vec<(String, String)>,
}

impl Default for BoxSettings {
    fn default() -> Self {
        BoxSettings {
            password: String::new(),
            email: String::new(),
            pager: String::new(),
            language: None,
            time_zone: None,
            max_messages: None,
            attach_audio: false,
            delete_messages: false,
            ask_password: true,
            enabled: true,
            subscribe_members: false,
            max_s: None,
            min_s: None,
            review: true,
            options: Vec::new(),
        }
    }
}

impl fmt::Debug for BoxSettings {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BoxSettings { password, email, language, ask_password, enabled, .. } = self;
        f.debug_struct("BoxSettings")
            .field("password", &if password.is_empty() { "none" } else { "…" })
            .field("email", email)
            .field("language", language)
            .field("ask_password", ask_password)
            .field("enabled", enabled)
            .finish_non_exhaustive()
    }
}

/// A box by the names of its company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxText {
    pub number: String,
    pub context: String,
    /// For people.
    pub name: String,
    pub owner: BoxOwnerText,
    pub access: BoxAccess,
    pub settings: BoxSettings,
}

impl BoxText {
    /// A new one of that name.
    pub fn new(key: &str) -> Self {
        let (number, context) = split_box_name(key);
        BoxText {
            number: number.to_owned(),
            context: context.to_owned(),
            name: key.to_owned(),
            owner: BoxOwnerText::Nobody,
            access: BoxAccess::Personal,
            settings: BoxSettings::default(),
        }
    }
}

/// Whose box it is, as the company file says it: `user:201`, `group:sales`, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BoxOwnerText {
    #[default]
    Nobody,
    /// By extension.
    User(String),
    Group(String),
}

/// A text that names no owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` owns no box: write \"user:EXTENSION\", \"group:NAME\", or \"\" for nobody")]
pub struct BadOwner(pub String);

impl TryFrom<String> for BoxOwnerText {
    type Error = BadOwner;
    fn try_from(text: String) -> Result<Self, BadOwner> {
        match text.split_once(':') {
            None if text.is_empty() => Ok(BoxOwnerText::Nobody),
            Some(("user", extension)) if is_digits(extension) => Ok(BoxOwnerText::User(extension.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(BoxOwnerText::Group(name.to_owned())),
            Some(_) | None => Err(BadOwner(text)),
        }
    }
}

impl fmt::Display for BoxOwnerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoxOwnerText::Nobody => Ok(()),
            BoxOwnerText::User(extension) => write!(f, "user:{extension}"),
            BoxOwnerText::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl From<BoxOwnerText> for String {
    fn from(owner: BoxOwnerText) -> Self {
        owner.to_string()
    }
}

/// `NUMBER`, or `NUMBER@CONTEXT` outside the default context.
pub fn box_name(number: &str, context: &str) -> String {
    if context == DEFAULT_CONTEXT { number.to_owned() } else { format!("{number}@{context}") }
}

/// Number and context of a name.
pub fn split_box_name(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, DEFAULT_CONTEXT))
}

/// Whether a text can name a box.
pub fn is_box_name(text: &str) -> bool {
    let (number, context) = split_box_name(text);
    is_box_number(number) && is_context(context) && box_name(number, context) == text
}

pub(super) fn is_box_number(text: &str) -> bool {
    text.len() <= 40 && is_digits(text)
}

pub(super) fn is_context(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=79).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a company sets for all its boxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VoicemailSettings {
    /// Of prompts and mail.
    pub language: Language,
    /// Longest message, in seconds.
    pub max_s: u32,
    /// A shorter one is discarded, in seconds.
    pub min_s: u32,
    /// So much silence ends a message, in seconds; 0: none does.
    pub max_silence_s: u32,
    /// Messages that a box holds.
    pub max_messages: u32,
    /// Wrong passwords that end a call.
    pub max_logins: u32,
    /// Callers can hear and leave again what they have left; a box can say no.
    pub review: bool,
    /// A new box's `attach_audio`.
    pub attach_audio: bool,
    /// Subject of the mail, with Asterisk's variables; empty: that of the service.
    pub email_subject: String,
    /// Text of the mail, with Asterisk's variables; empty: that of the service.
    pub email_body: String,
    /// Name that mails come from; empty: that of the service.
    pub from_name: String,
    /// Address that mails come from; empty: that of the service.
    pub from_address: String,
    /// What the compatible API sets besides and nothing here acts on, given back as it came.
    pub other: BTreeMap<String, String>,
}

impl Default for VoicemailSettings {
    fn default() -> Self {
        VoicemailSettings {
            language: Language::English,
            max_s: 180,
            min_s: 2,
            max_silence_s: 10,
            max_messages: 100,
            max_logins: 3,
            review: true,
            attach_audio: false,
            email_subject: String::new(),
            email_body: String::new(),
            from_name: String::new(),
            from_address: String::new(),
            other: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_named_by_its_number_and_outside_the_default_context_by_that_too() {
        for (number, context, name) in [("8000", "default", "8000"), ("1", "sales-2", "1@sales-2")] {
            assert_eq!(box_name(number, context), name);
            assert_eq!(split_box_name(name), (number, context));
            assert!(is_box_name(name));
        }
        for name in ["", "80a", "8000@", "8000@default", "@x", "8000@x y", &"1".repeat(41)] {
            assert!(!is_box_name(name), "{name}");
        }
    }

    #[test]
    fn an_owner_is_written_as_it_is_read() {
        for text in ["", "user:201", "group:sales"] {
            assert_eq!(BoxOwnerText::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        for text in ["201", "user:", "user:x", "group:", "inbox:a"] {
            assert_eq!(BoxOwnerText::try_from(text.to_owned()), Err(BadOwner(text.to_owned())));
        }
    }

    #[test]
    fn the_password_of_a_box_is_never_printed() {
        let settings = BoxSettings { password: "4711".to_owned(), ..BoxSettings::default() };
        assert!(!format!("{settings:?}").contains("4711"));
    }
}
