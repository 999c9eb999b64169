//! The company file: companies, domains, users, numbers, trunks, groups, inboxes, call flows,
//! prompts, voicemail boxes and settings as people write them (TOML).
//!
//! An absent key leaves the value as it is, an absent user stays: the file says what must
//! hold, not all that there is. [`super::plan`] compares it with the directory.

mod error;
mod facility;
mod raw;
mod single;
mod value;

pub use error::{FileError, Place, Problem};
pub use facility::{FlowKeys, GroupKeys, InboxKeys, PromptKeys, StepKeys, VoicemailKeys};
pub use raw::{
    CommandKeys, CompanyKeys, NumberKeys, SettingKeys, TargetKeys, TrunkKeys, UserKeys, VoicemailSettingKeys,
};
pub use single::{Kind, none_of, place, table_of_json};
pub use value::{
    BadValue, BoxPassword, DestinationText, DialledCode, ForwardOrNext, KeyOrNone, LoginPassword, LoginUser,
    NumberOrNone, Own, RingSeconds, RouteTo, Secret,
};

use super::{DEFAULT_CONTEXT, FacilityKind, box_name};
use crate::base::leaves::{self, Dotted, LeafError, Step};
use raw::RawFile;
use std::collections::BTreeSet;
use toml::Table;
use value::Key;

/// A company file whose every value is well formed and which says nothing twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompanyFile {
    pub companies: Vec<Entry<CompanyKeys>>,
    pub users: Vec<Entry<UserKeys>>,
    pub numbers: Vec<Entry<NumberKeys>>,
    pub trunks: Vec<Entry<TrunkKeys>>,
    pub groups: Vec<Entry<GroupKeys>>,
    pub inboxes: Vec<Entry<InboxKeys>>,
    pub flows: Vec<Entry<FlowKeys>>,
    pub prompts: Vec<Entry<PromptKeys>>,
    /// Named `NUMBER`, or `NUMBER@CONTEXT`.
    pub voicemails: Vec<Entry<VoicemailKeys>>,
}

/// One table of the file: what it is about, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<K> {
    /// Key of the company.
    pub company: String,
    /// The company's key, the extension, the number, the trunk's name.
    pub name: String,
    pub keys: K,
}

impl CompanyFile {
    /// Reads `text`, or says everything that is wrong with it by itself. What depends on
    /// the directory is checked by [`super::plan::plan`].
    pub fn parse(text: &str) -> Result<Self, Vec<FileError>> {
        let table: Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or("").lines().count().max(1));
            let message = format!("line {line}: {}", error.message());
            vec![FileError { place: Place::File, problem: Problem::Syntax(message) }]
        })?;
        Self::of_table(&table)
    }

    /// The same of a text that was read already.
    pub fn of_table(table: &Table) -> Result<Self, Vec<FileError>> {
        let (raw, bad) = leaves::read::<RawFile>(table);
        let mut reader = Reader { table, sole: sole_company(&raw), errors: Vec::new() };
        bad.into_iter().for_each(|error| reader.bad_leaf(error));
        let file = reader.entries(raw);
        file.say_twice(&mut reader.errors);
        match reader.errors.is_empty() {
            true => Ok(file),
            false => Err(reader.errors),
        }
    }

    /// Keys of the companies that it says something of; some more than once.
    pub fn companies(&self) -> impl Iterator<Item = &String> {
        let of_people = self.users.iter().map(|entry| &entry.company);
        let of_lines = self.numbers.iter().map(|entry| &entry.company);
        let of_trunks = self.trunks.iter().map(|entry| &entry.company);
        let of_groups = self.groups.iter().map(|entry| &entry.company);
        let of_inboxes = self.inboxes.iter().map(|entry| &entry.company);
        let of_flows = self.flows.iter().map(|entry| &entry.company);
        let of_prompts = self.prompts.iter().map(|entry| &entry.company);
        let of_boxes = self.voicemails.iter().map(|entry| &entry.company);
        let whole = self.companies.iter().map(|entry| &entry.name);
        whole
            .chain(of_people)
            .chain(of_lines)
            .chain(of_trunks)
            .chain(of_groups)
            .chain(of_inboxes)
            .chain(of_flows)
            .chain(of_prompts)
            .chain(of_boxes)
    }

    fn say_twice(&self, errors: &mut Vec<FileError>) {
        twice(self.companies.iter().map(Entry::place_of_company), errors);
        twice(self.users.iter().map(Entry::place_of_user), errors);
        twice(self.trunks.iter().map(Entry::place_of_trunk), errors);
        twice(self.groups.iter().map(|entry| entry.place_of(FacilityKind::Group)), errors);
        twice(self.inboxes.iter().map(|entry| entry.place_of(FacilityKind::Inbox)), errors);
        twice(self.flows.iter().map(|entry| entry.place_of(FacilityKind::Flow)), errors);
        twice(self.prompts.iter().map(|entry| entry.place_of(FacilityKind::Prompt)), errors);
        twice(self.voicemails.iter().map(|entry| entry.place_of(FacilityKind::Voicemail)), errors);
        // A number is one in the whole service, whatever company it stands under.
        let mut seen = BTreeSet::new();
        for number in &self.numbers {
            if !seen.insert(&number.name) {
                errors.push(FileError { place: number.place_of_number(), problem: Problem::Twice });
            }
        }
    }
}

fn twice(places: impl Iterator<Item = Place>, errors: &mut Vec<FileError>) {
    let mut seen = BTreeSet::new();
    for place in places {
        if !seen.insert(place.clone()) {
            errors.push(FileError { place, problem: Problem::Twice });
        }
    }
}

impl Entry<CompanyKeys> {
    fn place_of_company(&self) -> Place {
        Place::Company { key: self.name.clone() }
    }
}

impl Entry<UserKeys> {
    fn place_of_user(&self) -> Place {
        Place::User { company: self.company.clone(), extension: self.name.clone() }
    }
}

impl Entry<NumberKeys> {
    fn place_of_number(&self) -> Place {
        Place::Number { company: self.company.clone(), e164: self.name.clone() }
    }
}

impl<K> Entry<K> {
    /// Where a facility stands.
    pub fn place_of(&self, kind: FacilityKind) -> Place {
        Place::Facility { company: self.company.clone(), kind, name: self.name.clone() }
    }
}

impl Entry<TrunkKeys> {
    fn place_of_trunk(&self) -> Place {
        Place::Trunk { company: self.company.clone(), name: self.name.clone() }
    }
}

/// The only company of the file, which tables without `company` belong to.
fn sole_company(raw: &RawFile) -> Option<String> {
    match raw.company.as_slice() {
        [only] => only.key.as_ref().map(|key| key.as_str().to_owned()),
        [] | [_, _, ..] => None,
    }
}

/// Turns raw tables into entries and gathers what is wrong.
struct Reader<'a> {
    table: &'a Table,
    sole: Option<String>,
    errors: Vec<FileError>,
}

impl Reader<'_> {
    fn entries(&mut self, raw: RawFile) -> CompanyFile {
        let RawFile { company, user, number, trunk, group, inbox, flow, prompt, voicemail } = raw;
        let mut file = CompanyFile::default();
        for (index, keys) in company.into_iter().enumerate() {
            let name = keys.key.as_ref().map(|key| key.as_str().to_owned());
            if let Some(name) = self.name(name, "company", "key", index) {
                file.companies.push(Entry { company: name.clone(), name, keys });
            }
        }
        for (index, keys) in user.into_iter().enumerate() {
            let name = keys.extension.as_ref().map(|extension| extension.as_str().to_owned());
            let company = keys.company.as_ref().map(|key| key.as_str().to_owned());
            file.users.extend(self.entry((company, name), keys, ("user", "extension"), index));
        }
        for (index, keys) in number.into_iter().enumerate() {
            let name = keys.number.as_ref().map(|number| number.as_str().to_owned());
            let company = keys.company.as_ref().map(|key| key.as_str().to_owned());
            file.numbers.extend(self.entry((company, name), keys, ("number", "number"), index));
        }
        for (index, keys) in trunk.into_iter().enumerate() {
            let name = keys.name.as_ref().map(|name| name.as_str().to_owned());
            let company = keys.company.as_ref().map(|key| key.as_str().to_owned());
            file.trunks.extend(self.entry((company, name), keys, ("trunk", "name"), index));
        }
        file.groups = self.facilities("group", group, |keys| (&keys.company, &keys.name));
        file.inboxes = self.facilities("inbox", inbox, |keys| (&keys.company, &keys.name));
        file.flows = self.facilities("flow", flow, |keys| (&keys.company, &keys.name));
        file.prompts = self.facilities("prompt", prompt, |keys| (&keys.company, &keys.name));
        for (index, keys) in voicemail.into_iter().enumerate() {
            let context = keys.context.as_ref().map_or(DEFAULT_CONTEXT, |context| context.as_str());
            let name = keys.number.as_ref().map(|number| box_name(number.as_str(), context));
            let company = keys.company.as_ref().map(|key| key.as_str().to_owned());
            file.voicemails.extend(self.entry((company, name), keys, ("voicemail", "number"), index));
        }
        file
    }

    fn facilities<K>(
        &mut self,
        kind: &'static str,
        tables: Vec<K>,
        names: impl Fn(&K) -> (&Option<Key>, &Option<Key>),
    ) -> Vec<Entry<K>> {
        let text = |key: &Option<Key>| key.as_ref().map(ToString::to_string);
        let mut entries = Vec::new();
        for (index, keys) in tables.into_iter().enumerate() {
            let (company, name) = names(&keys);
            let named = (text(company), text(name));
            entries.extend(self.entry(named, keys, (kind, "name"), index));
        }
        entries
    }

    fn entry<K>(
        &mut self,
        (company, name): (Option<String>, Option<String>),
        keys: K,
        (kind, key): (&'static str, &'static str),
        index: usize,
    ) -> Option<Entry<K>> {
        let name = self.name(name, kind, key, index);
        let company = company.or_else(|| self.sole.clone());
        if company.is_none() && self.item(kind, index).is_none_or(|item| !item.contains_key("company")) {
            self.complain(kind, index, Problem::WhichCompany);
        }
        Some(Entry { company: company?, name: name?, keys })
    }

    /// `name`, or the complaint that it is missing; a name that could not be read has been
    /// complained of already.
    fn name(&mut self, name: Option<String>, kind: &'static str, key: &'static str, index: usize) -> Option<String> {
        if name.is_none() && self.item(kind, index).is_none_or(|item| !item.contains_key(key)) {
            self.complain(kind, index, Problem::Missing(key));
        }
        name
    }

    fn complain(&mut self, kind: &'static str, index: usize, problem: Problem) {
        let place = self.place(kind, index);
        self.errors.push(FileError { place, problem });
    }

    fn bad_leaf(&mut self, error: LeafError) {
        let LeafError { path, value: _, message } = error;
        let kinds = ["company", "user", "number", "trunk", "group", "inbox", "flow", "prompt", "voicemail"];
        let (place, inner) = match path.as_slice() {
            [Step::Key(key), Step::Index(index), inner @ ..] => match kinds.into_iter().find(|kind| kind == key) {
                Some(kind) => (self.place(kind, *index), inner),
                None => (Place::File, path.as_slice()),
            },
            whole => (Place::File, whole),
        };
        let problem = match inner.last() {
            // Serde's message would show a password of the wrong type.
            Some(Step::Key(key)) if key == "texts_secret" && !message.starts_with("the secret is") => {
                Problem::Value { key: key.clone(), message: "not a string".to_owned() }
            }
            Some(Step::Key(key)) if key.ends_with("password") && !message.starts_with("the password is") => {
                Problem::Value { key: key.clone(), message: "not a string".to_owned() }
            }
            Some(_) => Problem::Value { key: Dotted(inner).to_string(), message },
            None => Problem::Syntax(message),
        };
        self.errors.push(FileError { place, problem });
    }

    fn item(&self, kind: &str, index: usize) -> Option<&Table> {
        self.table.get(kind)?.get(index)?.as_table()
    }

    /// What a table calls itself, as far as it can be read.
    fn place(&self, kind: &'static str, index: usize) -> Place {
        let said = |key: &str| Some(self.item(kind, index)?.get(key)?.as_str()?.to_owned());
        let company = said("company").or_else(|| self.sole.clone());
        let place = match kind {
            "company" => said("key").map(|key| Place::Company { key }),
            "user" => said("extension").zip(company).map(|(extension, company)| Place::User { company, extension }),
            "number" => said("number").zip(company).map(|(e164, company)| Place::Number { company, e164 }),
            "trunk" => said("name").zip(company).map(|(name, company)| Place::Trunk { company, name }),
            "voicemail" => said("number").zip(company).map(|(number, company)| {
                let name = box_name(&number, said("context").as_deref().unwrap_or(DEFAULT_CONTEXT));
                Place::Facility { company, kind: FacilityKind::Voicemail, name }
            }),
            _ => FacilityKind::parse(kind).and_then(|kind| {
                said("name").zip(company).map(|(name, company)| Place::Facility { company, kind, name })
            }),
        };
        place.unwrap_or(Place::Item { kind, position: index + 1 })
    }
}

#[cfg(test)]
mod tests;
