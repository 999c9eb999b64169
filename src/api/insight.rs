//! What people look up about calls: outside numbers, figures, and what is theirs.

use super::texts::TextEntry;
use super::{CallItem, CallQuery, DeviceView, MessageView, Permission};
use crate::base::{CallId, Direction};
use crate::store::{ContactCursor, ContactRow, Figures, OutsideCursor, OutsideNumber, WrittenRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request of a person or a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InsightAsk {
    Contacts(ContactQuery),
    /// Everything with one outside number, the newest first.
    Contact {
        e164: String,
        /// Of calls over the numbers of this inbox, by name.
        inbox: Option<String>,
        before: Option<CallId>,
        limit: u32,
    },
    Analytics(Box<AnalyticsQuery>),
}

impl InsightAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            InsightAsk::Contacts(_) | InsightAsk::Contact { .. } | InsightAsk::Analytics(_) => Permission::ReadCalls,
        }
    }
}

/// The answer.
#[derive(Clone, Debug)]
pub enum InsightReply {
    Contacts(ContactPage),
    Contact(Box<ContactView>),
    Analytics(Box<AnalyticsView>),
}

/// Which outside numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactQuery {
    pub after: OutsideCursor,
    /// 1 to 200.
    pub limit: u32,
    /// Part of the number or of its name.
    pub text: Option<String>,
    /// Of calls over the numbers of this inbox, by name.
    pub inbox: Option<String>,
}

/// Calls and texts with an outside number, as far as the viewer sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactItem {
    /// With its `+`.
    pub number: String,
    /// As it came with the newest call, or else with a text; empty where none did.
    pub name: String,
    /// Counted up to 1,000 for whoever does not see every call, and of an inbox.
    pub calls: u64,
    /// Absent where there are texts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastCall>,
    /// When the newest text came or went, RFC 3339; only where there are texts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_text: Option<String>,
}

/// The newest call with an outside number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastCall {
    pub call: CallId,
    pub at: String,
    pub direction: Direction,
    pub missed: bool,
}

impl From<ContactRow> for ContactItem {
    fn from(contact: ContactRow) -> Self {
        let ContactRow { e164, name, calls, call, at, direction, missed } = contact;
        let last = Some(LastCall { call, at: at.to_string(), direction, missed });
        ContactItem { number: e164, name, calls, last, last_text: None }
    }
}

impl From<OutsideNumber> for ContactItem {
    fn from(number: OutsideNumber) -> Self {
        match number {
            OutsideNumber::Called(contact) => contact.into(),
            OutsideNumber::Written(WrittenRow { e164, name, text: _, at, seq: _ }) => {
                ContactItem { number: e164, name, calls: 0, last: None, last_text: Some(at.to_string()) }
            }
        }
    }
}

/// A page of outside numbers, those of the newest calls and texts first. It may have fewer than were asked for,
/// or none, and still not be the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactPage {
    pub contacts: Vec<ContactItem>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A cursor as it is written: the newest call, the digits of its number, and the place among texts. What
/// is not said is empty.
pub fn write_cursor(cursor: &OutsideCursor) -> String {
    let OutsideCursor { calls, texts } = cursor;
    let calls = calls.as_ref().map(|calls| (calls.call.to_string(), calls.e164.trim_start_matches('+')));
    let (call, digits) = calls.unwrap_or_default();
    format!("{call}~{digits}~{}", texts.map_or_else(String::new, |seq| seq.to_string()))
}

/// Reads what [`write_cursor`] wrote.
pub fn read_cursor(text: &str) -> Option<OutsideCursor> {
    let [call, digits, texts] = text.split('~').collect::<Vec<_>>().try_into().ok()?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let calls = match (call, digits) {
        ("", "") => None,
        (call, "") => Some(ContactCursor { call: CallId::parse(call)?, e164: String::new() }),
        (call, digits) if number(digits) => {
            Some(ContactCursor { call: CallId::parse(call)?, e164: format!("+{digits}") })
        }
        _ => return None,
    };
    let texts = match texts {
        "" => None,
        seq if number(seq) => Some(seq.parse().ok()?),
        _ => return None,
    };
    Some(OutsideCursor { calls, texts })
}

/// Everything with one outside number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContactView {
    #[serde(flatten)]
    pub contact: ContactItem,
    /// The newest first.
    pub entries: Vec<Entry>,
    /// For the next page: the id of the last entry; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<CallId>,
}

/// One thing with an outside number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    Call(Box<CallItem>),
    Text(Box<TextEntry>),
    /// A message in a box that the viewer hears.
    Voicemail(Box<MessageView>),
}

impl Entry {
    /// Ids are in the order of time, whatever they are of. Pages end at calls and texts.
    pub fn id(&self) -> Option<CallId> {
        match self {
            Entry::Call(call) => Some(call.id),
            Entry::Text(text) => CallId::parse(&text.id.to_string()),
            Entry::Voicemail(_) => None,
        }
    }

    /// RFC 3339, UTC.
    pub fn at(&self) -> &str {
        match self {
            Entry::Call(call) => &call.started,
            Entry::Text(text) => &text.at,
            Entry::Voicemail(message) => &message.left,
        }
    }
}

/// What calls are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BucketBy {
    /// Days of the company's time zone.
    #[default]
    Day,
    /// Each user who was a party.
    User,
    /// Each group that the call's number leads to now, of those that the viewer may know of.
    Group,
    Number,
    /// The inbox that the call's number is in now; one that the viewer may not know of is none.
    Inbox,
}

impl BucketBy {
    pub fn parse(text: &str) -> Option<Self> {
        [BucketBy::Day, BucketBy::User, BucketBy::Group, BucketBy::Number, BucketBy::Inbox]
            .into_iter()
            .find(|by| by.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            BucketBy::Day => "day",
            BucketBy::User => "user",
            BucketBy::Group => "group",
            BucketBy::Number => "number",
            BucketBy::Inbox => "inbox",
        }
    }
}

/// Which figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnalyticsQuery {
    /// A moment, or a day of the company's zone (`2026-11-27`); the range is 400 days at most.
    pub from: Option<String>,
    /// As `from`, and not in the range itself.
    pub until: Option<String>,
    pub by: BucketBy,
    /// Direction, number, inbox, group and user.
    pub which: CallQuery,
}

/// Figures of calls that the viewer's effective settings let them see; the settings hold for every
/// role here, admins included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnalyticsView {
    pub from: String,
    pub until: String,
    /// IANA name of the zone whose days are meant.
    pub time_zone: String,
    pub by: BucketBy,
    /// Days in their order, each of the range; else those with the most calls first.
    pub buckets: Vec<Bucket>,
    /// Each call once.
    pub total: FigureView,
}

/// The figures of one day, user, group, number or inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bucket {
    /// The day (`2026-11-27`), extension, name or E.164 number; empty for calls without one.
    pub key: String,
    /// A user's name, or the label of a group or an inbox; else empty.
    pub label: String,
    #[serde(flatten)]
    pub figures: FigureView,
}

/// Sums over some calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FigureView {
    pub calls: u64,
    pub answered: u64,
    pub missed: u64,
    /// From answer to end.
    pub talk_s: u64,
    /// Answered calls with a recording that the viewer may play.
    pub recorded: u64,
    /// Of the answered calls whose recording the viewer may play, how many have one: 0 to 1; absent
    /// where there is no such call.
    pub recorded_share: Option<f64>,
}

impl From<Figures> for FigureView {
    fn from(figures: Figures) -> Self {
        let Figures { calls, answered, missed, talk, playable, recorded } = figures;
        // Four digits: what a page shows, and what does not depend on a processor.
        let share = |part: u64, whole: u64| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0;
        FigureView {
            calls,
            answered,
            missed,
            talk_s: talk / 1_000_000,
            recorded,
            recorded_share: (playable > 0).then(|| share(recorded, playable)),
        }
    }
}

impl AnalyticsView {
    /// One line a bucket, the total last (RFC 4180).
    pub fn csv(&self) -> String {
        let mut text = "key,label,calls,answered,missed,talk_s,recorded,recorded_share\r\n".to_owned();
        let total = Bucket { key: "total".to_owned(), label: String::new(), figures: self.total.clone() };
        for Bucket { key, label, figures } in self.buckets.iter().chain([&total]) {
            let FigureView { calls, answered, missed, talk_s, recorded, recorded_share } = figures;
            let share = recorded_share.map_or_else(String::new, |share| share.to_string());
            let (key, label) = (csv_field(key), csv_field(label));
            text.push_str(&format!("{key},{label},{calls},{answered},{missed},{talk_s},{recorded},{share}\r\n"));
        }
        text
    }
}

/// Quoted, and never what a table program takes for a formula.
fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '@', '-', '\t']) || (text.starts_with('+') && !is_e164(text));
    let safe = if formula { format!("'{text}") } else { text.to_owned() };
    match safe.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What is a user's, beside who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeMore {
    /// IANA name: times are in UTC, and shown in this zone.
    pub time_zone: String,
    pub rights: RightsView,
    /// Numbers that lead to them, or that they call with.
    pub numbers: Vec<String>,
    pub groups: Vec<String>,
    pub inboxes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_inbox: Option<String>,
    pub subscriptions: Vec<SubscriptionView>,
    /// Registered now.
    pub devices: Vec<DeviceView>,
}

/// Each right and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RightsView {
    pub call_visibility: RightSource,
    pub play: RightSource,
    pub download: RightSource,
    pub agent_pause: RightSource,
}

/// A right as it holds, and what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RightSource {
    pub value: String,
    /// `role`, `company` or `own`.
    pub from: String,
}

/// An interval in which they receive the recordings of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionView {
    pub number: String,
    pub since: String,
    /// Absent while it goes on; what was received stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let call = CallId::parse("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let calls = |e164: &str| Some(ContactCursor { call, e164: e164.to_owned() });
        for calls in [calls("+4930123"), calls(""), None] {
            for texts in [Some(7), None] {
                let cursor = OutsideCursor { calls: calls.clone(), texts };
                assert_eq!(read_cursor(&write_cursor(&cursor)), Some(cursor));
            }
        }
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        for wrong in ["", "x~1~", id, &format!("{id}~a~"), &format!("{id}~1"), &format!("{id}~1~-1"), "~1~1"] {
            assert_eq!(read_cursor(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_field_of_a_table_is_a_formula_or_more_than_one_field() {
        for (text, field) in [
            ("Alice", "Alice"),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("=1+1", "'=1+1"),
            ("+4930123", "+4930123"),
            ("+cmd", "'+cmd"),
            ("@x", "'@x"),
        ] {
            assert_eq!(csv_field(text), field);
        }
    }
}
