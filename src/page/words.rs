//! The languages of the page. A text is its own name: English stands in the templates, the others in
//! `words/LANGUAGE.json`.

use axum::http::{HeaderMap, header};
use std::collections::HashMap;
use std::sync::OnceLock;

const GERMAN: &str = include_str!("words/de.json");
const FRENCH: &str = include_str!("words/fr.json");
const SPANISH: &str = include_str!("words/es.json");

/// A language of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    German,
    French,
    Spanish,
}

impl Language {
    pub const ALL: [Language; 4] = [Language::English, Language::German, Language::French, Language::Spanish];

    /// As in `lang=` and in cookies.
    pub const fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
            Language::French => "fr",
            Language::Spanish => "es",
        }
    }

    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| code.eq_ignore_ascii_case(language.code()))
    }

    /// A text in this language; what nobody has translated is English.
    pub fn of(self, text: &str) -> &str {
        self.table().and_then(|table| table.get(text)).map_or(text, |said| said.as_str())
    }

    fn table(self) -> Option<&'static HashMap<String, String>> {
        static TABLES: [OnceLock<HashMap<String, String>>; 3] = [const { OnceLock::new() }; 3];
        let [german, french, spanish] = &TABLES;
        let (table, text) = match self {
            Language::English => return None,
            Language::German => (german, GERMAN),
            Language::French => (french, FRENCH),
            Language::Spanish => (spanish, SPANISH),
        };
        Some(table.get_or_init(|| serde_json::from_str(text).unwrap_or_default()))
    }

    /// Whether it is one of something, by grammar.
    pub const fn is_one(self, count: i64) -> bool {
        match self {
            Language::English | Language::German | Language::Spanish => count == 1,
            Language::French => count == 0 || count == 1,
        }
    }

    /// A whole number with its thousands set apart.
    pub fn number(self, number: i64) -> String {
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

    /// 1 to 12.
    pub fn month(self, month: i8) -> &'static str {
        let names = match self {
            Language::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            Language::German => [
                "Januar",
                "Februar",
                "März",
                "April",
                "Mai",
                "Juni",
                "Juli",
                "August",
                "September",
                "Oktober",
                "November",
                "Dezember",
            ],
            Language::French => [
                "janvier",
                "février",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "août",
                "septembre",
                "octobre",
                "novembre",
                "décembre",
            ],
            Language::Spanish => [
                "enero",
                "febrero",
                "marzo",
                "abril",
                "mayo",
                "junio",
                "julio",
                "agosto",
                "septiembre",
                "octubre",
                "noviembre",
                "diciembre",
            ],
        };
        usize::try_from(month - 1).ok().and_then(|at| names.get(at)).copied().unwrap_or("")
    }
}

/// The language that was chosen on the page, else the first that the browser asks for and there is.
pub fn language(headers: &HeaderMap) -> Language {
    if let Some(chosen) = super::ask::plain_cookie(headers, "telegraphone_lang").and_then(Language::parse) {
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

#[cfg(test)]
mod tests;
