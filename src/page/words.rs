//! The languages of the page. A text is its own name: English stands in the templates, the others in
//! `words/LANGUAGE.json`. What the API says is in `said`.

mod said;

use crate::api::http::cookie_named;
pub use crate::base::Language;
use axum::http::{HeaderMap, header};
pub use said::{tell, told};
use std::collections::HashMap;
use std::sync::OnceLock;

const GERMAN: &str = include_str!("words/de.json");
const FRENCH: &str = include_str!("words/fr.json");
const SPANISH: &str = include_str!("words/es.json");

/// What a language says.
pub trait Words {
    /// A text in this language; what nobody has translated is English.
    fn of(self, text: &str) -> &str;
    /// Whether it is one of something, by grammar.
    fn counts_as_one(self, count: i64) -> bool;
    /// A whole number with its thousands set apart.
    fn number(self, number: i64) -> String;
}

impl Words for Language {
    fn of(self, text: &str) -> &str {
        table(self).and_then(|table| table.get(text)).map_or(text, |said| said.as_str())
    }

    fn counts_as_one(self, count: i64) -> bool {
        match self {
            Language::English | Language::German | Language::Spanish => count == 1,
            Language::French => count == 0 || count == 1,
        }
    }

    fn number(self, number: i64) -> String {
        let digits = number.unsigned_abs().to_string();
        let separator = match self {
            Language::English => ',',
            Language::German | Language::Spanish => '.',
            Language::French => '\u{202f}',
        };
        let mut text = String::from(if number < 0 { "−" } else { "" });
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }
}

fn table(language: Language) -> Option<&'static HashMap<String, String>> {
    static TABLES: Translated<HashMap<String, String>> = Translated::new([GERMAN, FRENCH, SPANISH]);
    TABLES.of(language, |text| serde_json::from_str(text).unwrap_or_default())
}

/// What is read from a text in each language but English, when it is first wanted.
struct Translated<T> {
    /// German, French, Spanish.
    texts: [&'static str; 3],
    read: [OnceLock<T>; 3],
}

impl<T> Translated<T> {
    const fn new(texts: [&'static str; 3]) -> Self {
        Translated { texts, read: [const { OnceLock::new() }; 3] }
    }

    fn of(&'static self, language: Language, read: impl FnOnce(&str) -> T) -> Option<&'static T> {
        let ([german, french, spanish], [in_german, in_french, in_spanish]) = (&self.read, self.texts);
        let (place, text) = match language {
            Language::English => return None,
            Language::German => (german, in_german),
            Language::French => (french, in_french),
            Language::Spanish => (spanish, in_spanish),
        };
        Some(place.get_or_init(|| read(text)))
    }
}

/// The language that was chosen on the page, else the first that the browser asks for and there is.
pub fn language(headers: &HeaderMap) -> Language {
    if let Some(chosen) = cookie_named(headers, "telegraphone_lang").and_then(Language::parse) {
        return chosen;
    }
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let codes = asked.split(',').filter_map(|part| part.trim().split([';', '-']).next());
    codes.filter_map(Language::parse).next().unwrap_or_default()
}

/// As it stands in HTML.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            character => escaped.push(character),
        }
    }
    escaped
}

/// What [`escaped`] and templates make, as it was.
pub fn unescaped(text: &str) -> String {
    const NAMES: [(&str, &str); 7] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    NAMES.iter().fold(text.to_owned(), |text, (name, character)| text.replace(name, character))
}

#[cfg(test)]
mod tests;
