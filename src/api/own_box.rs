//! A user's own voicemail box: what its owner sees and changes of it. The rest of it is for admins.

use super::Permission;
use super::directory::Fits;
use crate::base::{BoxId, Language};
use crate::directory::{BoxSettings, Mailbox};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The keys that its owner changes, as the company file has them.
pub const OWN_KEYS: [&str; 6] = ["email", "attach_audio", "password", "language", "time_zone", "review"];

/// A request of a user about their own box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnBoxAsk {
    Show,
    /// What is not said stays; `null` is none, or the company's own.
    Change {
        keys: Map<String, Value>,
        fits: Fits,
    },
}

impl OwnBoxAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            OwnBoxAsk::Show => Permission::ReadMessages,
            OwnBoxAsk::Change { .. } => Permission::ManageMessages,
        }
    }
}

/// A box as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnBoxView {
    pub id: BoxId,
    /// `NUMBER`, or `NUMBER@CONTEXT` outside the default context.
    pub key: String,
    /// For people.
    pub name: String,
    /// Where new messages are told of; `null`: nowhere.
    pub email: Option<String>,
    /// The message is in the mail.
    pub attach_audio: bool,
    /// The password itself is never shown.
    pub has_password: bool,
    /// Of prompts and mail; `null`: the company's.
    pub language: Option<Language>,
    /// IANA name, of the times that are spoken and mailed; `null`: the company's.
    pub time_zone: Option<String>,
    /// Callers can hear and leave again what they have left.
    pub review: bool,
}

impl OwnBoxView {
    pub fn of(mailbox: &Mailbox) -> Self {
        let BoxSettings { password, email, language, time_zone, attach_audio, review, .. } = &*mailbox.settings;
        OwnBoxView {
            id: mailbox.id,
            key: mailbox.key(),
            name: mailbox.name.clone(),
            email: Some(email.clone()).filter(|email| !email.is_empty()),
            attach_audio: *attach_audio,
            has_password: !password.is_empty(),
            language: *language,
            time_zone: time_zone.as_ref().map(|zone| zone.as_str().to_owned()),
            review: *review,
        }
    }
}

/// What its owner changes of a box; what is not said stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the description only: the keys are read as those of the company file are")]
pub struct OwnBoxKeys {
    /// `null` for none.
    email: Option<String>,
    #[schema(nullable = false)]
    attach_audio: Option<bool>,
    /// 1 to 16 digits; `null` for none.
    #[schema(write_only)]
    password: Option<String>,
    /// `null` for the company's.
    language: Option<Language>,
    /// IANA name; `null` for the company's.
    time_zone: Option<String>,
    #[schema(nullable = false)]
    review: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::FacilityKind;
    use crate::directory::file::{Kind, none_of};
    use std::collections::BTreeSet;

    #[test]
    fn the_keys_of_an_owner_are_described_and_null_stands_where_it_means_something() {
        let api = crate::api::http::description();
        let schema = serde_json::to_value(&api.components.unwrap().schemas["OwnBoxKeys"]).unwrap();
        let described = schema["properties"].as_object().unwrap();
        let names: BTreeSet<&str> = described.keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(OWN_KEYS));
        for (key, schema) in described {
            let takes_null = none_of(Kind::Facility(FacilityKind::Voicemail), key).is_some();
            assert_eq!(schema.to_string().contains("null"), takes_null, "{key}: {schema}");
        }
        assert_eq!((&schema["additionalProperties"], schema.get("required")), (&Value::Bool(false), None), "{schema}");
        assert_eq!(schema["properties"]["password"]["writeOnly"], true, "{schema}");
    }
}
