//! Boxes as `confd` knows them: its fields, and the keys of the company file.

use super::query::Params;
use crate::base::Language;
use crate::directory::{BoxOwner, Directory, Mailbox, User};
use crate::subscription::Uuids;
use serde_json::{Map, Value, json};

/// What boxes are listed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoxColumn {
    Name,
    #[default]
    Number,
    Email,
    Context,
    Language,
    TimeZone,
    Pager,
    Access,
}

impl BoxColumn {
    pub const ALL: [BoxColumn; 8] = [
        BoxColumn::Name,
        BoxColumn::Number,
        BoxColumn::Email,
        BoxColumn::Context,
        BoxColumn::Language,
        BoxColumn::TimeZone,
        BoxColumn::Pager,
        BoxColumn::Access,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            BoxColumn::Name => "name",
            BoxColumn::Number => "number",
            BoxColumn::Email => "email",
            BoxColumn::Context => "context",
            BoxColumn::Language => "language",
            BoxColumn::TimeZone => "timezone",
            BoxColumn::Pager => "pager",
            BoxColumn::Access => "accesstype",
        }
    }

    fn of(self, mailbox: &Mailbox) -> String {
        let settings = &mailbox.settings;
        match self {
            BoxColumn::Name => mailbox.name.clone(),
            BoxColumn::Number => mailbox.number.clone(),
            BoxColumn::Email => settings.email.clone(),
            BoxColumn::Context => mailbox.context.clone(),
            BoxColumn::Language => settings.language.map(locale).unwrap_or_default().to_owned(),
            BoxColumn::TimeZone => settings.time_zone.as_ref().map(|zone| zone.as_str().to_owned()).unwrap_or_default(),
            BoxColumn::Pager => settings.pager.clone(),
            BoxColumn::Access => mailbox.access.as_str().to_owned(),
        }
    }
}

/// Columns that a search looks at.
const SEARCHED: [BoxColumn; 4] = [BoxColumn::Name, BoxColumn::Number, BoxColumn::Email, BoxColumn::Pager];

/// Which boxes of a company, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxList {
    pub search: Option<String>,
    /// Columns that have to be so.
    pub only: Vec<(BoxColumn, String)>,
    pub order: BoxColumn,
    pub descending: bool,
    pub limit: Option<usize>,
    pub offset: usize,
}

impl BoxList {
    /// # Errors
    /// Everything that is wrong with the query.
    pub fn read(params: &Params) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let order = params.one_of("order", &BoxColumn::ALL.map(|column| (column.as_str(), column)), &mut errors);
        let list = BoxList {
            search: params.get("search").map(str::to_owned),
            only: BoxColumn::ALL
                .into_iter()
                .filter_map(|column| Some((column, params.get(column.as_str())?.to_owned())))
                .collect(),
            order: order.unwrap_or_default(),
            descending: params.descending(&mut errors),
            limit: params.number("limit", 0, &mut errors).map(|limit| limit as usize),
            offset: params.number("offset", 0, &mut errors).unwrap_or(0) as usize,
        };
        // There are no companies below a company: with it or without it, it is the same.
        let _recurse = params.truth("recurse", &mut errors);
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    /// The boxes that it asks for, and how many there are without `limit` and `offset`.
    pub fn of<'m>(&self, all: impl Iterator<Item = &'m Mailbox>) -> (Vec<&'m Mailbox>, usize) {
        let BoxList { search, only, order, descending, limit, offset } = self;
        let searched = search.as_ref().map(|text| text.to_lowercase());
        let found = |mailbox: &&Mailbox| {
            searched.as_ref().is_none_or(|text| {
                SEARCHED.iter().any(|column| column.of(mailbox).to_lowercase().contains(text.as_str()))
            }) && only.iter().all(|(column, value)| column.of(mailbox) == *value)
        };
        let mut fitting: Vec<&Mailbox> = all.filter(found).collect();
        fitting.sort_by_cached_key(|mailbox| (order.of(mailbox), mailbox.id));
        if *descending {
            fitting.reverse();
        }
        let total = fitting.len();
        (fitting.into_iter().skip(*offset).take(limit.unwrap_or(usize::MAX)).collect(), total)
    }
}

/// The name of a locale for a language that is spoken here.
const fn locale(language: Language) -> &'static str {
    match language {
        Language::English => "en_US",
        Language::German => "de_DE",
        Language::French => "fr_FR",
        Language::Spanish => "es_ES",
    }
}

/// A box as `confd` shows it. Its password is shown: only whoever may change it asks for this.
pub fn box_body(directory: &Directory, uuids: &Uuids, mailbox: &Mailbox) -> Value {
    let settings = &mailbox.settings;
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let owner = match mailbox.owner {
        BoxOwner::User(user) => directory.user(user),
        BoxOwner::Group(_) | BoxOwner::Nobody => None,
    };
    let users: Vec<Value> = owner.into_iter().map(|user| user_body(uuids, user)).collect();
    json!({
        "id": mailbox.id,
        "tenant_uuid": uuids.company,
        "name": mailbox.name,
        "number": mailbox.number,
        "context": mailbox.context,
        "password": said(&settings.password),
        "email": said(&settings.email),
        "pager": said(&settings.pager),
        "language": settings.language.map(locale),
        "timezone": settings.time_zone.as_ref().map(|zone| zone.as_str()),
        "max_messages": settings.max_messages,
        "attach_audio": settings.attach_audio,
        "delete_messages": settings.delete_messages,
        "ask_password": settings.ask_password,
        "enabled": settings.enabled,
        "accesstype": mailbox.access.as_str(),
        "options": settings.options,
        "users": users,
        "links": [{ "rel": "voicemails", "href": format!("/api/confd/1.1/voicemails/{}", mailbox.id) }],
    })
}

fn user_body(uuids: &Uuids, user: &User) -> Value {
    let (first, last) = user.name.split_once(' ').unwrap_or((&user.name, ""));
    json!({ "uuid": uuids.users.get(&user.id), "firstname": first, "lastname": last, "links": [] })
}

/// The keys of the company file that a body says. `zone` knows the time zone that a name stands for.
///
/// # Errors
/// Everything that is wrong with the body, each with its field.
pub fn box_keys(
    body: &Map<String, Value>,
    is_new: bool,
    zone: impl Fn(&str) -> String,
) -> Result<Map<String, Value>, Vec<String>> {
    let mut reading = Reading { body, keys: Map::new(), errors: Vec::new() };
    for field in ["name", "number", "context"] {
        if is_new && !body.contains_key(field) {
            reading.wrong(field, "Missing data for required field.");
        }
        reading.text(field, field, 80, false);
    }
    reading.text("password", "password", 80, true);
    reading.text("email", "email", 80, true);
    reading.text("pager", "pager", 80, true);
    reading.language();
    reading.zone(zone);
    reading.max_messages();
    reading.truth("attach_audio", true);
    for field in ["delete_messages", "ask_password", "enabled"] {
        reading.truth(field, false);
    }
    reading.access();
    reading.options();
    let Reading { keys, errors, body: _ } = reading;
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

struct Reading<'b> {
    body: &'b Map<String, Value>,
    keys: Map<String, Value>,
    errors: Vec<String>,
}

impl Reading<'_> {
    fn wrong(&mut self, field: &str, why: &str) {
        self.errors.push(format!("Input Error - field '{field}': {why}"));
    }

    fn put(&mut self, key: &str, value: Value) {
        self.keys.insert(key.to_owned(), value);
    }

    fn text(&mut self, field: &str, key: &str, most: usize, may_be_null: bool) {
        match self.body.get(field) {
            None => {}
            Some(Value::Null) if may_be_null => self.put(key, Value::Null),
            Some(Value::String(text)) if text.is_empty() => self.wrong(field, "Shorter than minimum length 1."),
            Some(Value::String(text)) if text.chars().count() <= most => self.put(key, text.as_str().into()),
            Some(Value::String(_)) => self.wrong(field, &format!("Longer than maximum length {most}.")),
            Some(_) => self.wrong(field, "Not a valid string."),
        }
    }

    fn language(&mut self) {
        match self.body.get("language") {
            None => {}
            Some(Value::Null) => self.put("language", Value::Null),
            Some(Value::String(text)) => match Language::parse(text).filter(|_| is_locale(text)) {
                Some(language) => self.put("language", language.as_str().into()),
                None => self.wrong("language", &format!("`{text}` is not spoken here: en_US, de_DE, fr_FR or es_ES")),
            },
            Some(_) => self.wrong("language", "Not a valid string."),
        }
    }

    fn zone(&mut self, zone: impl Fn(&str) -> String) {
        match self.body.get("timezone") {
            None => {}
            Some(Value::Null) => self.put("time_zone", Value::Null),
            Some(Value::String(text)) => self.put("time_zone", zone(text).into()),
            Some(_) => self.wrong("timezone", "Not a valid string."),
        }
    }

    fn max_messages(&mut self) {
        match self.body.get("max_messages") {
            None => {}
            Some(Value::Null) => self.put("max_messages", Value::Null),
            Some(Value::Number(number)) if number.as_u64().is_some_and(|number| number <= u64::from(u32::MAX)) => {
                self.put("max_messages", Value::Number(number.clone()));
            }
            Some(Value::Number(_)) => self.wrong("max_messages", "Must be greater than or equal to 0."),
            Some(_) => self.wrong("max_messages", "Not a valid integer."),
        }
    }

    fn truth(&mut self, field: &str, may_be_null: bool) {
        match self.body.get(field) {
            None => {}
            Some(Value::Null) if may_be_null => self.put(field, false.into()),
            Some(Value::Bool(truth)) => self.put(field, (*truth).into()),
            Some(_) => self.wrong(field, "Not a valid boolean."),
        }
    }

    fn access(&mut self) {
        match self.body.get("accesstype") {
            None => {}
            Some(Value::String(text)) if ["personal", "global"].contains(&text.as_str()) => {
                self.put("access", text.as_str().into());
            }
            Some(_) => self.wrong("accesstype", "Must be one of: personal, global."),
        }
    }

    fn options(&mut self) {
        let Some(said) = self.body.get("options") else { return };
        let is_pair =
            |pair: &Value| pair.as_array().is_some_and(|two| two.len() == 2 && two.iter().all(Value::is_string));
        match said.as_array().filter(|pairs| pairs.iter().all(is_pair)) {
            Some(pairs) => self.put("options", pairs.clone().into()),
            None => self.wrong("options", "Not a list of pairs of strings."),
        }
    }
}

/// `de` or `de_DE`.
fn is_locale(text: &str) -> bool {
    let is = |part: &str, letter: fn(&u8) -> bool| part.len() == 2 && part.bytes().all(|byte| letter(&byte));
    match text.split_once('_') {
        None => is(text, u8::is_ascii_lowercase),
        Some((language, country)) => is(language, u8::is_ascii_lowercase) && is(country, u8::is_ascii_uppercase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(body: Value, is_new: bool) -> Result<Value, Vec<String>> {
        let zone = |name: &str| if name == "eu" { "Europe/Paris".to_owned() } else { name.to_owned() };
        box_keys(body.as_object().unwrap(), is_new, zone).map(Value::Object)
    }

    #[test]
    fn a_body_says_the_keys_of_the_company_file_and_what_is_unknown_is_passed_over() {
        let body = json!({
            "id": 7, "tenant_uuid": "t", "users": [], "links": [], "name": "Shared", "number": "8000",
            "context": "default", "password": "1234", "email": null, "language": "de_DE", "timezone": "eu",
            "max_messages": 10, "attach_audio": null, "delete_messages": false, "ask_password": true,
            "enabled": true, "accesstype": "global", "options": [["saycid", "yes"]],
        });
        let expected = json!({
            "name": "Shared", "number": "8000", "context": "default", "password": "1234", "email": null,
            "language": "de", "time_zone": "Europe/Paris", "max_messages": 10, "attach_audio": false,
            "delete_messages": false, "ask_password": true, "enabled": true, "access": "global",
            "options": [["saycid", "yes"]],
        });
        assert_eq!(keys(body, true), Ok(expected));
        assert_eq!(keys(json!({ "accesstype": "global" }), false), Ok(json!({ "access": "global" })));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_field() {
        assert_eq!(keys(json!({}), true).unwrap_err().len(), 3);
        for (field, value) in [
            ("name", json!(1)),
            ("name", json!(null)),
            ("name", json!("x".repeat(81))),
            ("number", json!("")),
            ("password", json!(true)),
            ("language", json!("not-allowed")),
            ("language", json!("it_IT")),
            ("timezone", json!(1)),
            ("max_messages", json!(-1)),
            ("max_messages", json!("1")),
            ("attach_audio", json!("false")),
            ("delete_messages", json!(null)),
            ("ask_password", json!({})),
            ("accesstype", json!("all")),
            ("options", json!(null)),
            ("options", json!([["a"]])),
            ("options", json!([["a", 1]])),
        ] {
            let errors = keys(json!({ field: value }), false).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(&format!("'{field}'")), "{field} {value}: {errors:?}");
        }
    }
}
