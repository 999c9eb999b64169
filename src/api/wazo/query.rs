//! Queries of lists, as Wazo's services read them: unknown parameters are passed over.

use crate::base::{BoxId, Wall};
use crate::store::{MessageOrder, MessageSlice};

/// The parameters of a URL, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<(String, String)>);

impl Params {
    /// The last one of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str, least: u32, errors: &mut Vec<String>) -> Option<u32> {
        let text = self.get(name)?;
        let number = text.parse().ok().filter(|number| *number >= least);
        if number.is_none() {
            errors.push(format!("Input Error - {name}: `{text}` is not a number from {least} on"));
        }
        number
    }

    pub(super) fn truth(&self, name: &str, errors: &mut Vec<String>) -> Option<bool> {
        let text = self.get(name)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
            _ => {
                errors.push(format!("Input Error - {name}: `{text}` is neither true nor false"));
                None
            }
        }
    }

    pub(super) fn descending(&self, errors: &mut Vec<String>) -> bool {
        match self.get("direction") {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => {
                errors.push("Input Error - direction: must be 'asc' or 'desc'".to_owned());
                false
            }
        }
    }

    pub(super) fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)], errors: &mut Vec<String>) -> Option<T> {
        let text = self.get(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            errors.push(format!("Input Error - {name}: '{text}' was not found; must be one of: {}", words.join(", ")));
        }
        found
    }

    fn moment(&self, name: &str, errors: &mut Vec<String>) -> Option<Wall> {
        // A `+` that was not written as `%2B` comes as a space.
        let text = self.get(name)?.replace(' ', "+");
        let at = text.parse::<jiff::Timestamp>().ok();
        if at.is_none() {
            errors.push(format!("Input Error - {name}: `{text}` is not a time such as 2026-11-27T09:00:00+00:00"));
        }
        at.map(|at| Wall::from_unix_micros(at.as_microsecond()))
    }
}

/// Messages of which boxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VoicemailType {
    #[default]
    All,
    Personal,
    Global,
}

/// A list of messages that a user hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageList {
    pub kind: VoicemailType,
    pub slice: MessageSlice,
}

impl MessageList {
    /// # Errors
    /// Everything that is wrong with the query.
    pub fn read(params: &Params) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let list = Self::collect(params, &mut errors);
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    fn collect(params: &Params, errors: &mut Vec<String>) -> Self {
        let kinds =
            [("all", VoicemailType::All), ("personal", VoicemailType::Personal), ("global", VoicemailType::Global)];
        let orders = [
            ("id", MessageOrder::Id),
            ("caller_id_name", MessageOrder::CallerName),
            ("duration", MessageOrder::Length),
            ("timestamp", MessageOrder::Left),
        ];
        MessageList {
            kind: params.one_of("voicemail_type", &kinds, errors).unwrap_or_default(),
            slice: MessageSlice {
                order: params.one_of("order", &orders, errors).unwrap_or_default(),
                descending: params.descending(errors),
                limit: params.number("limit", 1, errors),
                offset: params.number("offset", 0, errors).unwrap_or(0),
            },
        }
    }
}

/// A list of all messages of a company.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllMessages {
    pub list: MessageList,
    /// Those that this user hears.
    pub user: Option<String>,
    pub mailbox: Option<BoxId>,
    pub from: Option<Wall>,
    pub until: Option<Wall>,
    /// With a transcription: there are none.
    pub transcribed: Option<bool>,
}

impl AllMessages {
    /// # Errors
    /// Everything that is wrong with the query.
    pub fn read(params: &Params) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let mailbox = params.number("voicemail_id", 0, &mut errors);
        let all = AllMessages {
            list: MessageList::collect(params, &mut errors),
            user: params.get("user_uuid").map(str::to_owned),
            mailbox: mailbox.map(|id| BoxId(i64::from(id))),
            from: params.moment("from", &mut errors),
            until: params.moment("until", &mut errors),
            transcribed: params.truth("transcribed", &mut errors),
        };
        let _recurse = params.truth("recurse", &mut errors);
        if errors.is_empty() { Ok(all) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_list_of_messages_is_in_the_order_of_time_where_nothing_is_said() {
        assert_eq!(MessageList::read(&params(&[("unknown", "x")])), Ok(MessageList::default()));
        let said = [
            ("voicemail_type", "global"),
            ("order", "duration"),
            ("direction", "desc"),
            ("limit", "5"),
            ("offset", "10"),
        ];
        let slice = MessageSlice { order: MessageOrder::Length, descending: true, limit: Some(5), offset: 10 };
        assert_eq!(MessageList::read(&params(&said)), Ok(MessageList { kind: VoicemailType::Global, slice }));
    }

    #[test]
    fn every_parameter_that_makes_no_sense_is_named_at_once() {
        let wrong = [("voicemail_type", "x"), ("order", "x"), ("direction", "x"), ("limit", "0"), ("offset", "-1")];
        let errors = MessageList::read(&params(&wrong)).unwrap_err();
        assert_eq!(errors.len(), 5, "{errors:?}");
        let errors = AllMessages::read(&params(&[("from", "yesterday"), ("voicemail_id", "x"), ("transcribed", "x")]));
        assert_eq!(errors.unwrap_err().len(), 3);
    }

    #[test]
    fn a_moment_may_have_lost_its_plus() {
        let read = AllMessages::read(&params(&[("from", "2023-11-14T22:13:20 00:00")])).unwrap();
        assert_eq!(read.from, Some(Wall::from_unix_micros(1_700_000_000_000_000)));
    }
}
