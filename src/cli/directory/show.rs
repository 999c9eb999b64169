//! Things of a company as tables for people, and as JSON.

use super::list_name;
use crate::api::TokenView;
use crate::cli::show::table;
use crate::directory::FacilityKind;
use crate::directory::file::Kind;
use serde_json::{Map, Value, json};

/// The keys that a list shows of each kind: the others are in the thing's own view.
const fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Company => &["key", "name", "domains", "default_number"],
        Kind::Settings => &[],
        Kind::User => &["extension", "name", "role", "number", "default_inbox", "deactivated"],
        Kind::Number => &["number", "type", "assigned_to", "route", "inbox", "primary", "recording"],
        Kind::Trunk => &["name", "addresses", "number_format", "register"],
        Kind::Facility(FacilityKind::Group) => &["name", "label", "members"],
        Kind::Facility(FacilityKind::Inbox) => &["name", "label", "numbers", "primary", "members", "flow"],
        Kind::Facility(FacilityKind::Flow) => &["name", "start"],
        Kind::Facility(FacilityKind::Prompt) => &["name", "seconds"],
        Kind::Facility(FacilityKind::Voicemail) => &["number", "context", "name", "owner", "access", "enabled"],
    }
}

pub fn list(kind: Kind, views: Vec<Map<String, Value>>, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(&json!({ list_name(kind): views }))?)?;
        return Ok(());
    }
    if views.is_empty() {
        say!("No {}.", list_name(kind))?;
        return Ok(());
    }
    let columns = columns(kind);
    let mut table = table(columns);
    for view in &views {
        table.add_row(columns.iter().map(|key| view.get(*key).map_or_else(String::new, text)));
    }
    say!("{table}")?;
    Ok(())
}

pub fn one(view: &Map<String, Value>, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(view)?)?;
        return Ok(());
    }
    let mut table = table(&["key", "value"]);
    for (key, value) in view {
        table.add_row([key.clone(), text(value)]);
    }
    say!("{table}")?;
    Ok(())
}

pub fn tokens(tokens: &[TokenView], json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(&json!({ "tokens": tokens }))?)?;
        return Ok(());
    }
    let mut table = table(&["id", "name", "scopes", "created", "expires"]);
    for TokenView { id, name, scopes, created, expires } in tokens {
        table.add_row([id.to_string(), name.clone(), scopes.join(", "), created.clone(), expires.clone()]);
    }
    say!("{table}")?;
    Ok(())
}

/// A value on one line; nothing where there is none.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
