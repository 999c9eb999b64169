//! One table of a company file by itself, as the API and the command line say it: JSON, or `key=value`.

use super::super::{DEFAULT_CONTEXT, FacilityKind, box_name, split_box_name};
use super::{CompanyFile, FileError, Place, Problem, RawFile};
use crate::base::leaves;
use serde_json::Value as Json;
use toml::{Table, Value};

/// The kinds of tables of a company file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Company,
    /// `[company.settings]`
    Settings,
    User,
    Number,
    Trunk,
    Facility(FacilityKind),
}

impl Kind {
    /// Name of its table, and of one of it for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Company => "company",
            Kind::Settings => "settings",
            Kind::User => "user",
            Kind::Number => "number",
            Kind::Trunk => "trunk",
            Kind::Facility(kind) => kind.as_str(),
        }
    }

    /// The key that a thing is named by.
    pub const fn name_key(self) -> &'static str {
        match self {
            Kind::Company | Kind::Settings => "key",
            Kind::User => "extension",
            Kind::Number | Kind::Facility(FacilityKind::Voicemail) => "number",
            Kind::Trunk
            | Kind::Facility(FacilityKind::Group | FacilityKind::Inbox | FacilityKind::Flow | FacilityKind::Prompt) => {
                "name"
            }
        }
    }

    /// The keys that say `name`: of a box two, of everything else one.
    pub fn named(self, name: &str) -> Vec<(&'static str, String)> {
        match self {
            Kind::Facility(FacilityKind::Voicemail) => {
                let (number, context) = split_box_name(name);
                vec![("number", number.to_owned()), ("context", context.to_owned())]
            }
            Kind::Company | Kind::Settings | Kind::User | Kind::Number | Kind::Trunk | Kind::Facility(_) => {
                vec![(self.name_key(), name.to_owned())]
            }
        }
    }

    /// The name that keys say.
    pub fn name_in(self, keys: &serde_json::Map<String, Json>) -> Option<String> {
        let name = keys.get(self.name_key())?.as_str()?;
        match self {
            Kind::Facility(FacilityKind::Voicemail) => {
                let context = keys.get("context").and_then(Json::as_str);
                Some(box_name(name, context.unwrap_or(DEFAULT_CONTEXT)))
            }
            Kind::Company | Kind::Settings | Kind::User | Kind::Number | Kind::Trunk | Kind::Facility(_) => {
                Some(name.to_owned())
            }
        }
    }
}

/// What `null` stands for: the way in which the company file says that there is none, or that the
/// company's own holds. `None` where the key cannot be without a value.
pub fn none_of(kind: Kind, key: &str) -> Option<Value> {
    const NOTHING: &str = "";
    let inherit = || Some(Value::String("inherit".to_owned()));
    let nothing = || Some(Value::String(NOTHING.to_owned()));
    let empty = || Some(Value::Array(Vec::new()));
    match (kind, key) {
        (Kind::Company, "default_number") => nothing(),
        (Kind::Settings, "national_prefix" | "destinations") => inherit(),
        (Kind::Settings, "notice_refuse") => Some(Value::String("off".to_owned())),
        (Kind::Settings, "country_code") => nothing(),
        (Kind::Settings, "codecs" | "service_numbers") => empty(),
        (Kind::User, "number" | "default_inbox") => nothing(),
        (Kind::User, "agent_pause" | "call_visibility" | "play" | "download" | "ring_s" | "destinations") => inherit(),
        (Kind::User, "auth") => empty(),
        (Kind::User, "on_busy" | "on_no_answer" | "on_unregistered") => Some(Value::String("next".to_owned())),
        (Kind::Number, "route") => Some(Value::String("unrouted".to_owned())),
        (Kind::Number, "notice" | "recording" | "retention_days") => inherit(),
        (Kind::Settings, "retention_days") => Some(Value::Integer(0)),
        (Kind::Settings, "time_zone") => Some(Value::String("UTC".to_owned())),
        (Kind::Number, "dial_prefix") => nothing(),
        (Kind::Trunk, "domain" | "username" | "realm" | "inbound_username" | "texts_url" | "texts_secret") => nothing(),
        (Kind::Trunk, "max_calls" | "keepalive_s") => Some(Value::Integer(0)),
        (Kind::Trunk, "transfer_from_outside") => inherit(),
        (Kind::Facility(FacilityKind::Group), "members") => empty(),
        (Kind::Facility(FacilityKind::Inbox), "primary" | "flow" | "closed_flow") => nothing(),
        (Kind::Facility(FacilityKind::Inbox), "hours" | "numbers" | "members" | "holidays" | "messaging") => empty(),
        (
            Kind::Facility(FacilityKind::Voicemail),
            "owner" | "password" | "email" | "pager" | "language" | "time_zone",
        ) => nothing(),
        (Kind::Facility(FacilityKind::Voicemail), "max_messages" | "max_s" | "min_s") => inherit(),
        (Kind::Facility(FacilityKind::Voicemail), "options") => empty(),
        (Kind::Company | Kind::Settings | Kind::User | Kind::Number | Kind::Trunk | Kind::Facility(_), _) => None,
    }
}

impl CompanyFile {
    /// A file that says `keys` of one thing of a company, or everything that is wrong with them.
    pub fn of_one(kind: Kind, company: &str, name: &str, mut keys: Table) -> Result<Self, Vec<FileError>> {
        let text = |text: &str| Value::String(text.to_owned());
        let whole = match kind {
            Kind::Settings => {
                Table::from_iter([("key".to_owned(), text(company)), ("settings".to_owned(), keys.into())])
            }
            Kind::Company | Kind::User | Kind::Number | Kind::Trunk | Kind::Facility(_) => {
                // A company is named by its key, whatever else it was called.
                let name = if kind == Kind::Company { company } else { name };
                let named = std::iter::once(("company", company.to_owned())).chain(kind.named(name));
                for (key, said) in named.filter(|(key, _)| kind != Kind::Company || *key == "key") {
                    let other = keys.insert(key.to_owned(), text(&said)).filter(|other| *other != text(&said));
                    if let Some(other) = other {
                        let other = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                        let problem = Problem::OtherName { key, said: other, is: said };
                        return Err(vec![FileError { place: place(kind, company, name), problem }]);
                    }
                }
                keys
            }
        };
        let of = match kind {
            Kind::Settings => Kind::Company.as_str(),
            Kind::Company | Kind::User | Kind::Number | Kind::Trunk | Kind::Facility(_) => kind.as_str(),
        };
        Self::of_table(&Table::from_iter([(of.to_owned(), Value::Array(vec![Value::Table(whole)]))]))
    }

    /// What `text`, whose values are as people type them, says of one thing. A value is a text where
    /// a text can stand, else what TOML reads in it, else the parts between commas.
    pub fn of_pairs(kind: Kind, company: &str, name: &str, pairs: &[(String, String)]) -> Result<Self, Vec<FileError>> {
        let mut keys = Table::new();
        for (key, said) in pairs {
            let read = readings(said).into_iter();
            let fitting = read.clone().find(|value| fits(kind, key, value));
            // What cannot stand there in any way is complained of as it was meant most likely.
            let value = fitting.or_else(|| read.last()).unwrap_or_else(|| Value::String(said.clone()));
            insert(&mut keys, key, value);
        }
        Self::of_one(kind, company, name, keys)
    }
}

/// What a value of the command line can mean, the likeliest first.
fn readings(said: &str) -> Vec<Value> {
    let toml = toml::from_str::<Table>(&format!("v = {said}")).ok().and_then(|mut table| table.remove("v"));
    let parts = said.split(',').map(str::trim).filter(|part| !part.is_empty());
    let parts = Value::Array(parts.map(|part| Value::String(part.to_owned())).collect());
    let text = Value::String(said.to_owned());
    let toml = toml.filter(|value| *value != text);
    // A text that TOML reads as a number or a truth is complained of as one.
    match toml {
        Some(toml) => vec![text, parts, toml],
        None => vec![parts, text],
    }
}

fn fits(kind: Kind, key: &str, value: &Value) -> bool {
    let mut keys = Table::new();
    insert(&mut keys, key, value.clone());
    let of = if kind == Kind::Settings { Kind::Company } else { kind };
    let whole = if kind == Kind::Settings { Table::from_iter([("settings".to_owned(), keys.into())]) } else { keys };
    let table = Table::from_iter([(of.as_str().to_owned(), Value::Array(vec![Value::Table(whole)]))]);
    leaves::read::<RawFile>(&table).1.is_empty()
}

/// `a.b` is the key `b` in the table `a`.
fn insert(keys: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        Some((table, inner)) => {
            let there = keys.entry(table).or_insert_with(|| Value::Table(Table::new()));
            if let Some(there) = there.as_table_mut() {
                insert(there, inner, value);
            }
        }
        None => drop(keys.insert(key.to_owned(), value)),
    }
}

/// A JSON object as a table: `null` is what the company file writes for nothing. `Err` names the keys
/// that cannot be without a value.
pub fn table_of_json(kind: Kind, object: &serde_json::Map<String, Json>) -> Result<Table, Vec<Problem>> {
    let mut table = Table::new();
    let mut problems = Vec::new();
    for (key, json) in object {
        let value = match json {
            Json::Null => none_of(kind, key).ok_or_else(|| Problem::NotNull(key.clone())),
            other => value_of_json(other)
                .ok_or_else(|| Problem::Value { key: key.clone(), message: format!("`{other}` cannot stand here") }),
        };
        match value {
            Ok(value) => drop(table.insert(key.clone(), value)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

/// Without what is `null` deeper down, where an absent key is the same. `None` for a number that is
/// too great.
fn value_of_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Float(number.as_f64().filter(|_| !number.is_u64())?),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(value_of_json).collect::<Option<_>>()?),
        Json::Object(object) => {
            let said = object.iter().filter(|(_, value)| !value.is_null());
            let pairs = said.map(|(key, value)| Some((key.clone(), value_of_json(value)?)));
            Value::Table(pairs.collect::<Option<Table>>()?)
        }
    })
}

/// Where a thing of that kind stands.
pub fn place(kind: Kind, company: &str, name: &str) -> Place {
    let (company, name) = (company.to_owned(), name.to_owned());
    match kind {
        Kind::Company | Kind::Settings => Place::Company { key: company },
        Kind::User => Place::User { company, extension: name },
        Kind::Number => Place::Number { company, e164: name },
        Kind::Trunk => Place::Trunk { company, name },
        Kind::Facility(kind) => Place::Facility { company, kind, name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pairs(kind: Kind, said: &[(&str, &str)]) -> Result<CompanyFile, Vec<String>> {
        let said: Vec<_> = said.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let file = CompanyFile::of_pairs(kind, "acme", "201", &said);
        file.map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn typed_values_mean_what_can_stand_there() {
        let said = [
            ("role", "supervisor"),
            ("play", "inherit"),
            ("download", "true"),
            ("number", "+15550100"),
            ("ring_s", "30"),
            ("auth", "md5,sha-256"),
            ("name", "12"),
            ("destinations", "+49, !+49900"),
        ];
        let written = "[[user]]\ncompany='acme'\nextension='201'\nrole='supervisor'\nplay='inherit'\ndownload=true
            number='+15550100'\nring_s=30\nauth=['md5','sha-256']\nname='12'\ndestinations=['+49','!+49900']";
        assert_eq!(pairs(Kind::User, &said).unwrap(), CompanyFile::parse(written).unwrap());
        let settings = pairs(Kind::Settings, &[("commands.pause", "*1"), ("record_inbound", "true")]).unwrap();
        let written =
            "[[company]]\nkey='acme'\n[company.settings]\nrecord_inbound=true\n[company.settings.commands]\npause='*1'";
        assert_eq!(settings, CompanyFile::parse(written).unwrap());
        let one = pairs(Kind::Facility(FacilityKind::Group), &[("name", "201"), ("members", "202")]).unwrap();
        assert_eq!(one.groups[0].keys.members.as_ref().map(Vec::len), Some(1));
    }

    #[test]
    fn every_typed_value_that_cannot_stand_is_named_at_once() {
        let errors = pairs(Kind::User, &[("role", "boss"), ("ring_s", "700"), ("colour", "red")]).unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
        for (error, part) in errors.iter().zip(["colour", "ring_s: 700 s cannot ring", "role: unknown variant `boss`"])
        {
            assert!(error.starts_with("user 201 of acme: ") && error.contains(part), "{error}");
        }
        let other = pairs(Kind::User, &[("extension", "202")]).unwrap_err();
        assert_eq!(
            other,
            ["user 201 of acme: extension `202`: this is 201, and what a thing is named by never changes"]
        );
    }

    #[test]
    fn null_is_nothing_or_the_companys_own_and_every_such_key_can_be_read() {
        let rows: [(Kind, &[&str]); 9] = [
            (Kind::Company, &["default_number"]),
            (
                Kind::Settings,
                &["national_prefix", "destinations", "notice_refuse", "country_code", "codecs", "service_numbers"],
            ),
            (
                Kind::User,
                &[
                    "number",
                    "default_inbox",
                    "agent_pause",
                    "call_visibility",
                    "play",
                    "download",
                    "ring_s",
                    "destinations",
                    "auth",
                    "on_busy",
                    "on_no_answer",
                    "on_unregistered",
                ],
            ),
            (Kind::Number, &["route", "notice", "recording", "dial_prefix"]),
            (
                Kind::Trunk,
                &[
                    "domain",
                    "username",
                    "realm",
                    "inbound_username",
                    "max_calls",
                    "keepalive_s",
                    "transfer_from_outside",
                ],
            ),
            (Kind::Facility(FacilityKind::Group), &["members"]),
            (
                Kind::Facility(FacilityKind::Inbox),
                &["primary", "flow", "closed_flow", "hours", "numbers", "members", "holidays"],
            ),
            (Kind::Facility(FacilityKind::Flow), &[]),
            (
                Kind::Facility(FacilityKind::Voicemail),
                &[
                    "owner",
                    "password",
                    "email",
                    "pager",
                    "language",
                    "time_zone",
                    "max_messages",
                    "max_s",
                    "min_s",
                    "options",
                ],
            ),
        ];
        for (kind, keys) in rows {
            let object = keys.iter().map(|key| ((*key).to_owned(), Json::Null)).collect();
            let table = table_of_json(kind, &object).unwrap();
            let name = if kind == Kind::Number { "+15550100" } else { "201" };
            CompanyFile::of_one(kind, "acme", name, table).unwrap_or_else(|errors| panic!("{kind:?}: {errors:?}"));
        }
        let named = json!({ "name": null, "number": 18446744073709551615_u64 });
        let problems = table_of_json(Kind::User, named.as_object().unwrap()).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
