//! What a company consists of, in the description of the API.
//!
//! The keys are those of the company file, as [`crate::directory::file`] reads them: from their schema come
//! that of a body (where `null` can stand, and where not) and that of a view.

use crate::directory::FacilityKind;
use crate::directory::file::{Kind, none_of};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Components, RefOr};

/// A kind of things, and how its schemas are called.
struct Entity {
    kind: Kind,
    /// Its keys in a body.
    keys: &'static str,
    view: &'static str,
    /// The list of it in a page; `None`: there is one.
    all: Option<&'static str>,
    /// Keys of a body that no view has.
    hidden: &'static [&'static str],
}

const ENTITIES: [Entity; 9] = [
    Entity { kind: Kind::Company, keys: "CompanyKeys", view: "Company", all: None, hidden: &["settings"] },
    Entity { kind: Kind::Settings, keys: "SettingKeys", view: "Settings", all: None, hidden: &[] },
    Entity {
        kind: Kind::User,
        keys: "UserKeys",
        view: "User",
        all: Some("users"),
        hidden: &["company", "password", "generate_password"],
    },
    Entity {
        kind: Kind::Facility(FacilityKind::Group),
        keys: "GroupKeys",
        view: "Group",
        all: Some("groups"),
        hidden: &["company"],
    },
    Entity { kind: Kind::Number, keys: "NumberKeys", view: "Number", all: Some("numbers"), hidden: &["company"] },
    Entity {
        kind: Kind::Facility(FacilityKind::Inbox),
        keys: "InboxKeys",
        view: "Inbox",
        all: Some("inboxes"),
        hidden: &["company"],
    },
    Entity {
        kind: Kind::Facility(FacilityKind::Flow),
        keys: "FlowKeys",
        view: "Flow",
        all: Some("flows"),
        hidden: &["company"],
    },
    Entity {
        kind: Kind::Trunk,
        keys: "TrunkKeys",
        view: "Trunk",
        all: Some("trunks"),
        hidden: &["company", "host", "port", "transport", "password", "inbound_password", "texts_secret"],
    },
    Entity {
        kind: Kind::Facility(FacilityKind::Voicemail),
        keys: "VoicemailKeys",
        view: "Voicemail",
        all: Some("voicemails"),
        hidden: &["company", "password"],
    },
];

/// Makes the schemas of bodies strict, and adds those of views and of pages.
pub fn describe(components: &mut Components) {
    for entity in &ENTITIES {
        let Some(keys) = components.schemas.get(entity.keys).and_then(|keys| serde_json::to_value(keys).ok()) else {
            continue;
        };
        put(components, entity.keys, body(entity.kind, keys.clone()));
        put(components, entity.view, view(entity, keys));
        if let Some(all) = entity.all {
            put(components, &format!("{}Page", entity.view), page(all, entity.view));
        }
    }
    put(components, "Prompt", prompt());
    put(components, "PromptPage", page("prompts", "Prompt"));
}

fn put(components: &mut Components, name: &str, schema: Value) {
    if let Ok(schema) = serde_json::from_value::<RefOr<Schema>>(schema) {
        components.schemas.insert(name.to_owned(), schema);
    }
}

fn properties(schema: &mut Value) -> Option<&mut Map<String, Value>> {
    schema.get_mut("properties")?.as_object_mut()
}

/// `null` stands where the company file has a word for nothing.
fn body(kind: Kind, mut keys: Value) -> Value {
    for (key, schema) in properties(&mut keys).into_iter().flatten() {
        if none_of(kind, key).is_none() {
            never_null(schema);
        }
    }
    keys
}

fn never_null(schema: &mut Value) {
    let null = |schema: &Value| *schema == json!("null") || *schema == json!({ "type": "null" });
    for of in ["type", "oneOf"] {
        let Some(Value::Array(choices)) = schema.get_mut(of) else { continue };
        choices.retain(|choice| !null(choice));
        if let [Value::String(only)] = choices.as_slice() {
            let only = Value::String(only.clone());
            schema[of] = only;
        }
    }
}

/// What is shown: to an admin all keys of it, to others those that they need.
fn view(entity: &Entity, mut keys: Value) -> Value {
    if let Some(shown) = properties(&mut keys) {
        shown.retain(|key, _| !entity.hidden.contains(&key.as_str()));
        for schema in shown.values_mut().filter_map(Value::as_object_mut) {
            schema.remove("writeOnly");
        }
        if entity.kind != Kind::Settings {
            shown.insert("id".to_owned(), json!({ "type": "integer", "format": "int64" }));
        }
        shown.extend(also(entity.kind));
    }
    if let Some(schema) = keys.as_object_mut() {
        schema.remove("additionalProperties");
        let text = "In the keys of the company file: an admin sees all of them, others what they need.";
        schema.insert("description".to_owned(), text.into());
        let named: &[&str] = if entity.kind == Kind::Settings { &[] } else { &["id", entity.kind.name_key()] };
        schema.insert("required".to_owned(), json!(named));
    }
    keys
}

/// What follows from other things, and the password that is shown once.
fn also(kind: Kind) -> Map<String, Value> {
    let text_or_none = |description: &str| json!({ "type": ["string", "null"], "description": description });
    let also = match kind {
        Kind::Number => json!({
            "type": { "type": "string", "enum": ["assigned", "company"], "description": "Assigned: it is a user's." },
            "assigned_to": text_or_none("`user:EXTENSION`, or `Shared Inbox [label]`; for admins."),
            "inbox": text_or_none("The inbox that it is in, where the viewer may know of it."),
            "primary": { "type": "boolean", "description": "Members of its inbox call with it." },
            "warnings": warnings(),
        }),
        Kind::User => json!({
            "password": { "type": "string", "description": "One that was just made: it is shown this once." },
        }),
        Kind::Facility(FacilityKind::Voicemail) => json!({
            "has_password": { "type": "boolean", "description": "The password itself is never shown." },
            "warnings": warnings(),
        }),
        Kind::Facility(FacilityKind::Flow) => json!({ "warnings": warnings() }),
        Kind::Company
        | Kind::Settings
        | Kind::Trunk
        | Kind::Facility(FacilityKind::Group | FacilityKind::Inbox | FacilityKind::Prompt) => json!({}),
    };
    match also {
        Value::Object(also) => also,
        _ => Map::new(),
    }
}

fn warnings() -> Value {
    json!({
        "type": "array",
        "items": { "type": "string" },
        "description": "What is dangerous about how voicemail is set up here; absent where nothing is. For admins.",
    })
}

fn prompt() -> Value {
    json!({
        "type": "object",
        "description": "A sound that call flows play; `GET /prompts/{name}/audio` is the sound itself.",
        "required": ["id", "name"],
        "properties": {
            "id": { "type": "integer", "format": "int64" },
            "name": { "type": "string" },
            "seconds": { "type": "number", "description": "How long it is." },
            "sha256": { "type": "string", "description": "Of its samples, hex." },
        },
    })
}

fn page(all: &str, view: &str) -> Value {
    json!({
        "type": "object",
        "description": "A page, in the order of their names.",
        "required": [all],
        "properties": {
            all: { "type": "array", "items": { "$ref": format!("#/components/schemas/{view}") } },
            "next": { "type": "string", "description": "`after` of the next page; absent on the last one." },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::directory::view as shown;
    use crate::api::http::description;
    use crate::directory::file::CompanyFile;
    use crate::directory::plan::{listed, standalone};
    use std::collections::BTreeSet;

    const COMPANY: &str = r#"
        [[company]]
        key = "a"
        domains = ["a.example"]
        [[user]]
        extension = "201"
        password = "alice-secret"
        [[group]]
        name = "sales"
        members = ["201"]
        [[inbox]]
        name = "front"
        numbers = ["+15550100"]
        [[number]]
        number = "+15550100"
        route = "user:201"
        [[flow]]
        name = "main"
        [[flow.step]]
        name = "ring"
        do = "ring"
        target = "user:201"
        [[trunk]]
        name = "t"
        host = "192.0.2.1"
        [[voicemail]]
        number = "8000"
        password = "4711"
    "#;

    fn schema(name: &str) -> Value {
        let api = description();
        serde_json::to_value(&api.components.unwrap().schemas[name]).unwrap()
    }

    #[test]
    fn every_key_of_a_view_is_described_and_nothing_else_is() {
        let file = CompanyFile::parse(COMPANY).unwrap();
        let directory = standalone(&file).unwrap();
        let company = directory.companies().next().unwrap();
        for entity in &ENTITIES {
            let thing = listed(&directory, company, entity.kind).pop().unwrap();
            let keys: BTreeSet<String> =
                shown(&directory, company, entity.kind, &thing).into_iter().map(|(key, _)| key).collect();
            let described = schema(entity.view);
            let mut described: BTreeSet<String> =
                described["properties"].as_object().unwrap().keys().cloned().collect();
            // Only where one was just made.
            described.remove("password");
            // Only where something is dangerous.
            described.remove("warnings");
            assert_eq!(described, keys, "{}", entity.view);
        }
    }

    #[test]
    fn null_stands_in_a_body_where_the_company_file_has_a_word_for_nothing() {
        let user = schema("UserKeys");
        let kind = |key: &str| user["properties"][key].clone();
        assert_eq!(kind("name")["type"], "string");
        assert_eq!(kind("number")["type"], json!(["string", "null"]));
        assert_eq!(kind("download")["type"], json!(["boolean", "null"]));
        assert!(kind("call_visibility").to_string().contains("null"), "{user}");
        assert!(!kind("role").to_string().contains("null"), "{user}");
        assert_eq!(kind("password")["writeOnly"], true, "{user}");
        assert_eq!(user["additionalProperties"], false, "{user}");
    }
}
