use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ALL: [(Language, &str); 3] =
    [(Language::German, GERMAN), (Language::French, FRENCH), (Language::Spanish, SPANISH)];
/// Where what a person at the page can be told is written.
const FOLDERS: [&str; 4] = ["directory", "api", "texts", "call/route.rs"];
/// Where some of what is said to people stands among what is said to nobody.
const ALSO: [&str; 4] = ["call", "notify", "policy", "store"];
/// What only programs are told, and the compatible API, whose clients know its words.
const OTHERS: [&str; 3] = ["api/http/events.rs", "api/http/socket.rs", "wazo"];
/// What stands before a sentence in the source.
const MARKS: [&str; 7] = ["#[error(", "Forbidden(", "Conflict(", "TooMuch(", "expected = ", "expected: ", "what: "];
/// Where whatever has a space is said to people, but for what stands in sentences that the page makes itself.
const SENTENCES: &str = "call/trial.rs";
const OWN_OF_PAGE: [&str; 2] = ["Not recorded", ", if anybody answered: nobody does"];
/// Frames around a sentence, which are none.
const FRAMES: [&str; 3] = ["{}: {}", "{}", "{}: `{}`: {}"];

fn table(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).unwrap()
}

/// A sentence whatever its values are called.
fn nameless(text: &str) -> String {
    Sentence::read(text).around.join("{}")
}

/// What stands in these folders and files.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    fn take(path: &Path, found: &mut Vec<(String, String)>) {
        let text = std::fs::read_to_string(path).unwrap();
        found.push((path.to_string_lossy().into_owned(), text.split("#[cfg(test)]").next().unwrap().to_owned()));
    }
    fn read(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                read(&path, found);
            } else if name.ends_with(".rs") && !name.contains("tests") && !OTHERS.iter().any(|one| name.contains(one)) {
                take(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for folder in folders.iter().map(|folder| root.join(folder)) {
        if folder.is_dir() { read(&folder, &mut found) } else { take(&folder, &mut found) }
    }
    found
}

/// The string that begins here, as it is at run time.
fn string(source: &str) -> Option<String> {
    let mut characters = source.strip_prefix('"')?.chars();
    let mut text = String::new();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                // A string that goes on in the next line.
                '\n' => {
                    let rest = characters.as_str().trim_start();
                    characters = rest.chars();
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

#[test]
fn whatever_can_be_said_is_in_every_language_with_the_same_values() {
    let sources = sources(&FOLDERS);
    let mut said = BTreeMap::new();
    for (name, source) in &sources {
        for mark in MARKS {
            for (at, mark) in source.match_indices(mark) {
                let rest = source[at + mark.len()..].trim_start();
                let rest = rest.strip_prefix("format!(").unwrap_or(rest).trim_start();
                let Some(text) = string(rest).map(|text| nameless(&text)) else { continue };
                let is_sentence = mark == "what: " || text.contains(' ') && !FRAMES.contains(&text.as_str());
                if is_sentence && text.chars().any(char::is_alphabetic) {
                    said.insert(text, name.clone());
                }
            }
        }
    }
    for (name, source) in self::sources(&[SENTENCES]) {
        let texts = source.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| {
            let odd = line.match_indices('"').step_by(2);
            odd.filter_map(|(at, _)| string(&line[at..])).collect::<Vec<_>>()
        });
        let texts = texts.filter(|text| text.contains(' ') && !OWN_OF_PAGE.contains(&text.as_str()));
        let texts =
            texts.map(|text| nameless(&text)).filter(|text| text.chars().filter(|one| one.is_alphabetic()).count() > 2);
        said.extend(texts.map(|text| (text, name.clone())));
    }
    assert!(said.len() > 200, "{}", said.len());
    let mut wrong = Vec::new();
    for (language, text) in ALL {
        let table = table(text);
        let known: BTreeSet<String> = table.keys().map(|text| nameless(text)).collect();
        let missing = said.iter().filter(|(text, _)| !known.contains(*text));
        wrong.extend(missing.map(|(text, name)| format!("{}: `{text}` is missing: {name}", language.as_str())));
        for (english, said) in &table {
            let names = |text: &str| {
                let mut names = Sentence::read(text).names;
                names.sort();
                names
            };
            if names(english) != names(said) {
                wrong.push(format!("{}: `{said}` has other values than `{english}`", language.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_translated_that_nobody_says() {
    let mut all = String::new();
    for (_, source) in sources(&[&FOLDERS[..], &ALSO].concat()) {
        for (at, _) in source.match_indices('"') {
            all.extend(string(&source[at..]).map(|text| format!("{}\0", nameless(&text))));
        }
    }
    for (language, text) in ALL {
        for english in table(text).keys() {
            assert!(
                all.contains(&format!("{}\0", nameless(english))),
                "{}: `{english}` is said nowhere",
                language.as_str()
            );
        }
    }
}

#[test]
fn a_sentence_is_known_by_what_stands_around_its_values() {
    let told = |text: &str| told(Language::German, text).into_owned();
    let mut table = table(GERMAN);
    let mut german = |text: &str| table.remove(text).unwrap();
    assert_eq!(told("only an admin may do that"), german("only an admin may do that"));
    let key = "`{0}` is not an extension: write 1 to 32 digits";
    let extension = german(key).replace("{0}", "12 34");
    // The place and the key stand before it, and stay.
    assert_eq!(
        told("user 12 34 of acme: extension: `12 34` is not an extension: write 1 to 32 digits"),
        format!("user 12 34 of acme: extension: {extension}")
    );
    // A value that is a word of ours is said in the language, too.
    let missing = german("there is no such thing: {what}").replace("{what}", &german("recording"));
    assert_eq!(told("there is no such thing: recording"), missing);
    for other in ["", "what nobody says: `x`", "{0}", "`` is"] {
        assert_eq!(told(other), other);
    }
    let mut answer = serde_json::json!({
        "title": "unfit", "detail": "only an admin may do that", "name": "recording",
        "errors": ["only an admin may do that", { "key": "recording", "expected": "recording" }],
    });
    tell(Language::German, &mut answer, &["detail", "errors", "expected"]);
    let admin = told("only an admin may do that");
    assert_eq!(
        answer,
        serde_json::json!({
            "title": "unfit", "detail": admin, "name": "recording",
            "errors": [admin, { "key": "recording", "expected": told("recording") }],
        })
    );
}

#[test]
fn what_a_tried_flow_would_do_is_said_with_what_is_said_in_it() {
    let rows = [
        ("The call goes on to the group Sales.", "Der Anruf geht weiter an die Gruppe Sales."),
        ("The call is for the user 201.", "Der Anruf ist für den Benutzer 201."),
        ("It rings for 25 s: Alice (201), Carol (203).", "Es klingelt 25 s lang bei: Alice (201), Carol (203)."),
        ("the caller presses 1", "der Anrufer drückt 1"),
        (
            "the caller presses 9, which stands for nothing here",
            "der Anrufer drückt 9; die Taste ist hier nicht belegt",
        ),
        (
            "fri 2026-11-27 12:00 (Europe/Berlin) is outside the opening hours (mon-fri 13:00-17:00)",
            "fri 2026-11-27 12:00 (Europe/Berlin) liegt außerhalb der Öffnungszeiten (mon-fri 13:00-17:00)",
        ),
        (
            "The call goes on to the inbox Support: sat 2026-11-28 12:00 (UTC) is on a holiday.",
            "Der Anruf geht weiter an das Postfach Support: sat 2026-11-28 12:00 (UTC) ist ein Feiertag.",
        ),
    ];
    for (english, german) in rows {
        assert_eq!(told(Language::German, english), german);
    }
}

proptest! {
    #[test]
    fn whatever_a_value_is_the_sentence_around_it_is_found(value in "[^{}]{0,40}", any in "\\PC{0,200}") {
        for (language, text) in ALL {
            // Whatever comes is answered.
            told(language, &any);
            for (english, said) in table(text).iter().filter(|(english, _)| Sentence::read(english).names.len() == 1) {
                let name = format!("{{{}}}", Sentence::read(english).names[0]);
                // A value that says something itself is another sentence.
                prop_assume!(told(language, &value) == value.as_str());
                let is_said = told(language, &english.replace(&name, &value)) == said.replace(&name, &value);
                prop_assert!(is_said || value.contains(": ") || english.starts_with('{'), "{english} with {value:?}");
            }
        }
    }
}
