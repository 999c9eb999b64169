//! What the API says in English, in the languages of the page.
//!
//! A sentence of the API is its own name here as well, with a `{name}` where a value stands: which sentence a text is
//! is found by what stands around the values. So the API speaks one language, its problems can be searched for, and a
//! reader of the page is told in theirs. What nobody has translated stays English.

use super::{Language, Translated};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;

const GERMAN: &str = include_str!("said/de.json");
const FRENCH: &str = include_str!("said/fr.json");
const SPANISH: &str = include_str!("said/es.json");

/// Values within values (a step's flaw in a flow's problem) at most.
const DEPTH: u8 = 3;

/// A text of the API in this language.
pub fn told(language: Language, text: &str) -> Cow<'_, str> {
    let said = sentences(language).and_then(|sentences| sentences.say(text, DEPTH));
    said.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The same for what stands in an answer under one of these keys, in lists too.
pub fn tell(language: Language, answer: &mut Value, keys: &[&str]) {
    tell_below(language, answer, keys, false);
}

/// `is_said`: it stands under one of the keys.
fn tell_below(language: Language, answer: &mut Value, keys: &[&str], is_said: bool) {
    match answer {
        Value::String(text) if is_said => *text = told(language, text).into_owned(),
        Value::Object(members) => {
            for (key, value) in members {
                tell_below(language, value, keys, keys.contains(&key.as_str()));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| tell_below(language, value, keys, is_said)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A text with values in it: what stands around them, and their names.
struct Sentence {
    around: Vec<String>,
    names: Vec<String>,
}

impl Sentence {
    fn read(text: &str) -> Self {
        let (mut around, mut names) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((before, name, after)) = rest
            .split_once('{')
            .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, name, after)))
        {
            around.push(before.to_owned());
            names.push(name.to_owned());
            rest = after;
        }
        around.push(rest.to_owned());
        Sentence { around, names }
    }

    /// The values in `text`, if it is this sentence.
    fn values<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let (first, others) = self.around.split_first()?;
        let (last, between) = others.split_last()?;
        let mut rest = text.strip_prefix(first.as_str())?.strip_suffix(last.as_str())?;
        let mut values = Vec::with_capacity(self.names.len());
        for part in between {
            let (value, after) = rest.split_once(part.as_str())?;
            values.push(value);
            rest = after;
        }
        values.push(rest);
        Some(values)
    }

    /// How much of it is no value.
    fn weight(&self) -> usize {
        self.around.iter().map(String::len).sum()
    }
}

/// Those of a language.
#[derive(Default)]
struct Sentences {
    whole: HashMap<String, String>,
    /// With values, and what is said for them; the ones that say the most first.
    open: Vec<(Sentence, Sentence)>,
}

impl Sentences {
    fn read(text: &str) -> Self {
        let table: HashMap<String, String> = serde_json::from_str(text).unwrap_or_default();
        let mut sentences = Sentences::default();
        for (english, said) in table {
            match english.contains('{') {
                false => drop(sentences.whole.insert(english, said)),
                true => sentences.open.push((Sentence::read(&english), Sentence::read(&said))),
            }
        }
        sentences.open.sort_by_key(|(english, _)| (std::cmp::Reverse(english.weight()), english.around.clone()));
        sentences
    }

    fn say(&self, text: &str, depth: u8) -> Option<String> {
        if let Some(said) = self.whole.get(text) {
            return Some(said.clone());
        }
        let depth = depth.checked_sub(1)?;
        if let Some(said) = self.open.iter().find_map(|(english, said)| {
            let values = english.values(text)?;
            let value = |name: &String| {
                let place = english.names.iter().position(|one| one == name)?;
                let value = *values.get(place)?;
                // A single word is a key of a field, unless it is the thing that is missing.
                let is_said = name == "what" || value.contains(' ');
                let said = is_said.then(|| self.say(value, depth)).flatten();
                Some(said.unwrap_or_else(|| value.to_owned()))
            };
            let names = said.names.iter().map(|name| value(name).unwrap_or_default()).chain([String::new()]);
            Some(said.around.iter().zip(names).map(|(part, value)| format!("{part}{value}")).collect())
        }) {
            return Some(said);
        }
        // Where it is stands before it (`user 201 of acme: `), which the page takes away where it is plain.
        text.match_indices(": ").find_map(|(at, colon)| {
            let (place, rest) = (text.get(..at)?, text.get(at + colon.len()..)?);
            Some(format!("{place}: {}", self.say(rest, depth)?))
        })
    }
}

fn sentences(language: Language) -> Option<&'static Sentences> {
    static ALL: Translated<Sentences> = Translated::new([GERMAN, FRENCH, SPANISH]);
    ALL.of(language, Sentences::read)
}

#[cfg(test)]
mod tests;
