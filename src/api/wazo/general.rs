//! `/asterisk/voicemail`: what is set for all boxes of a company, under Asterisk's names.
//!
//! Options that mean something here are the company's settings. Others are kept and given back, in
//! [`VoicemailSettings::other`]; zone messages are there too, under `zonemessages.NAME`.

use crate::directory::VoicemailSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ZONES: &str = "zonemessages.";
/// Options of a company that are kept, and their characters.
const MOST: usize = 200;
const LONGEST: usize = 8_192;
/// Messages are WAV files, and so is what is mailed.
const FORMAT: &str = "wav";

/// All options, those that are the company's settings included.
pub fn general_body(settings: &VoicemailSettings) -> Value {
    let VoicemailSettings {
        language: _,
        max_s,
        min_s,
        max_silence_s,
        max_messages,
        max_logins,
        review: _,
        attach_audio,
        email_subject,
        email_body,
        from_name,
        from_address,
        other,
    } = settings;
    let attach = if *attach_audio { "yes" } else { "no" };
    let known = [
        ("maxsecs", max_s.to_string()),
        ("minsecs", min_s.to_string()),
        ("maxsilence", max_silence_s.to_string()),
        ("maxmsg", max_messages.to_string()),
        ("maxlogins", max_logins.to_string()),
        ("attach", attach.to_owned()),
        ("format", FORMAT.to_owned()),
        ("emailsubject", email_subject.clone()),
        ("emailbody", email_body.clone()),
        ("fromstring", from_name.clone()),
        ("serveremail", from_address.clone()),
    ];
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    let known = known.map(|(key, value)| (key.to_owned(), Value::String(value)));
    let kept = other.iter().filter(|(key, _)| !key.starts_with(ZONES));
    let kept = kept.map(|(key, value)| (key.clone(), Value::String(value.clone())));
    // What was written for a setting is given back as it was written.
    json!({ "options": known.chain(kept).collect::<Map<String, Value>>() })
}

/// What a body with all options changes in the settings: those that it leaves out are the service's again.
///
/// # Errors
/// Everything that is wrong with it.
pub fn general_keys(
    body: &Map<String, Value>,
    settings: &VoicemailSettings,
) -> Result<Map<String, Value>, Vec<String>> {
    let options = options_of(body)?;
    let mut errors = Vec::new();
    let defaults = VoicemailSettings::default();
    let mut keys = Map::new();
    for (name, key, default) in [
        ("maxsecs", "max_s", defaults.max_s),
        ("minsecs", "min_s", defaults.min_s),
        ("maxsilence", "max_silence_s", defaults.max_silence_s),
        ("maxmsg", "max_messages", defaults.max_messages),
        ("maxlogins", "max_logins", defaults.max_logins),
    ] {
        let number = match options.get(name) {
            None => Some(default),
            Some(text) => text.trim().parse().ok(),
        };
        match number {
            Some(number) => drop(keys.insert(key.to_owned(), number.into())),
            None => errors.push(format!("Input Error - field '{name}': Not a valid integer.")),
        }
    }
    match options.get("attach").map(|text| truth(text)) {
        Some(None) => errors.push("Input Error - field 'attach': must be yes or no".to_owned()),
        Some(Some(attach)) => drop(keys.insert("attach_audio".to_owned(), attach.into())),
        None => drop(keys.insert("attach_audio".to_owned(), defaults.attach_audio.into())),
    }
    for (name, key) in [
        ("emailsubject", "email_subject"),
        ("emailbody", "email_body"),
        ("fromstring", "from_name"),
        ("serveremail", "from_address"),
    ] {
        keys.insert(key.to_owned(), options.get(name).cloned().unwrap_or_default().into());
    }
    if options.get("format").is_some_and(|formats| !formats.split(['|', ',']).any(|format| format.trim() == FORMAT)) {
        errors
            .push("Input Error - field 'format': messages are WAV files: wav has to be one of the formats".to_owned());
    }
    const ACT: [&str; 10] = [
        "maxsecs",
        "minsecs",
        "maxsilence",
        "maxmsg",
        "maxlogins",
        "attach",
        "emailsubject",
        "emailbody",
        "fromstring",
        "serveremail",
    ];
    let zones = settings.other.iter().filter(|(key, _)| key.starts_with(ZONES));
    let zones = zones.map(|(key, value)| (key.clone(), value.clone()));
    let kept = options.into_iter().filter(|(key, _)| !ACT.contains(&key.as_str())).chain(zones);
    keys.insert("other".to_owned(), json!(kept.collect::<BTreeMap<String, String>>()));
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

/// `{name: value}`, or a list of `{key, value}`.
fn options_of(body: &Map<String, Value>) -> Result<BTreeMap<String, String>, Vec<String>> {
    const MISSING: &str = "Input Error - field 'options': Missing data for required field.";
    let pairs: Vec<(Option<&str>, Option<&Value>)> = match body.get("options") {
        Some(Value::Object(options)) => options.iter().map(|(key, value)| (Some(key.as_str()), Some(value))).collect(),
        Some(Value::Array(options)) => {
            options.iter().map(|pair| (pair.get("key").and_then(Value::as_str), pair.get("value"))).collect()
        }
        Some(_) | None => return Err(vec![MISSING.to_owned()]),
    };
    if pairs.len() > MOST {
        return Err(vec![format!("Input Error - field 'options': {MOST} at most")]);
    }
    let mut errors = Vec::new();
    let mut options = BTreeMap::new();
    for (key, value) in pairs {
        let key = key.filter(|key| !key.is_empty() && key.len() <= 128 && !key.starts_with(ZONES));
        match (key, value.and_then(Value::as_str).filter(|value| value.len() <= LONGEST)) {
            (Some(key), Some(value)) => drop(options.insert(key.to_owned(), value.to_owned())),
            (Some(key), None) => errors.push(format!("Input Error - field '{key}': Not a valid string.")),
            (None, _) => errors.push("Input Error - field 'options': a key is 1 to 128 characters".to_owned()),
        }
    }
    if errors.is_empty() { Ok(options) } else { Err(errors) }
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => Some(true),
        "no" | "false" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// Time zones by names of the company's own, each with the time zone and what is spoken in it.
pub fn zone_messages(settings: &VoicemailSettings) -> impl Iterator<Item = (&str, &str, &str)> {
    let zones = settings.other.iter().filter_map(|(key, value)| Some((key.strip_prefix(ZONES)?, value)));
    zones.map(|(name, value)| {
        let (zone, message) = value.split_once('|').unwrap_or((value, ""));
        (name, zone, message)
    })
}

/// `{items: [{name, timezone, message}]}` of the settings.
pub fn zone_messages_body(settings: &VoicemailSettings) -> Value {
    let item = |(name, zone, message): (&str, &str, &str)| {
        let message = (!message.is_empty()).then_some(message);
        json!({ "name": name, "timezone": zone, "message": message })
    };
    json!({ "items": zone_messages(settings).map(item).collect::<Vec<_>>() })
}

/// What a body with all of them changes in [`VoicemailSettings::other`].
///
/// # Errors
/// Everything that is wrong with it.
pub fn zone_messages_keys(
    body: &Map<String, Value>,
    settings: &VoicemailSettings,
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let Some(items) = body.get("items").and_then(Value::as_array).filter(|items| items.len() <= MOST) else {
        return Err(vec!["Input Error - field 'items': Missing data for required field.".to_owned()]);
    };
    let kept = settings.other.iter().filter(|(key, _)| !key.starts_with(ZONES));
    let mut other: BTreeMap<String, String> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut errors = Vec::new();
    for item in items {
        let text = |key: &str, most: usize| {
            item.get(key).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= most)
        };
        let message = match item.get("message") {
            None | Some(Value::Null) => Some(""),
            Some(message) => message.as_str().filter(|message| message.len() <= LONGEST),
        };
        match (text("name", 128), text("timezone", 128).filter(|zone| !zone.contains('|')), message) {
            (Some(name), Some(zone), Some(message)) => {
                if jiff::tz::TimeZone::get(zone).is_err() {
                    errors
                        .push(format!("Input Error - field 'timezone': `{zone}` is no time zone: write an IANA name"));
                }
                other.insert(format!("{ZONES}{name}"), format!("{zone}|{message}"));
            }
            _ => errors.push(format!("Input Error - field 'items': {item}: name and timezone are strings")),
        }
    }
    if errors.is_empty() { Ok(other) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn known_options_are_settings_and_others_are_kept() {
        let settings = VoicemailSettings::default();
        let body = json!({ "options": { "maxsecs": "60", "attach": "yes", "emailsubject": "New: ${VM_NAME}",
            "format": "wav49|wav", "silencethreshold": "128" } });
        let keys = general_keys(&object(body), &settings).unwrap();
        assert_eq!((&keys["max_s"], &keys["min_s"], &keys["attach_audio"]), (&json!(60), &json!(2), &json!(true)));
        assert_eq!(keys["email_subject"], "New: ${VM_NAME}");
        assert_eq!(keys["other"], json!({ "format": "wav49|wav", "silencethreshold": "128" }));
        let other = serde_json::from_value(keys["other"].clone()).unwrap();
        let back = general_body(&VoicemailSettings { max_s: 60, other, ..settings });
        assert_eq!((&back["options"]["maxsecs"], &back["options"]["format"]), (&json!("60"), &json!("wav49|wav")));
        assert_eq!((&back["options"]["silencethreshold"], &back["options"]["attach"]), (&json!("128"), &json!("no")));
    }

    #[test]
    fn what_an_option_cannot_be_is_said() {
        for (body, part) in [
            (json!({}), "options"),
            (json!({ "options": { "maxsecs": "x" } }), "maxsecs"),
            (json!({ "options": { "maxsecs": 7 } }), "maxsecs"),
            (json!({ "options": { "attach": "perhaps" } }), "attach"),
            (json!({ "options": { "format": "gsm" } }), "format"),
            (json!({ "options": [{ "value": "x" }] }), "options"),
        ] {
            let errors = general_keys(&object(body.clone()), &VoicemailSettings::default()).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(part), "{body}: {errors:?}");
        }
    }

    #[test]
    fn zone_messages_stand_beside_the_options_and_neither_takes_the_other_away() {
        let mut settings = VoicemailSettings::default();
        let items = json!({ "items": [{ "name": "eu-fr", "timezone": "Europe/Paris", "message": "'vm-received' q" },
            { "name": "utc", "timezone": "UTC" }] });
        settings.other = zone_messages_keys(&object(items.clone()), &settings).unwrap();
        let told = zone_messages_body(&settings);
        assert_eq!(told["items"][0], items["items"][0]);
        assert_eq!(told["items"][1], json!({ "name": "utc", "timezone": "UTC", "message": null }));
        let keys = general_keys(&object(json!({ "options": { "a": "b" } })), &settings).unwrap();
        assert_eq!(keys["other"].as_object().unwrap().len(), 3);
        assert_eq!(general_body(&settings)["options"].get("zonemessages.utc"), None);
        let wrong = json!({ "items": [{ "name": "x", "timezone": "Mars/Base" }, { "name": "y" }] });
        assert_eq!(zone_messages_keys(&object(wrong), &settings).unwrap_err().len(), 2);
    }
}
