use super::*;
use std::collections::BTreeSet;
use std::path::Path;

/// Texts that templates and scripts say: `_('…')`, `_("…")`, and both of `_n(…)`.
fn texts_of(source: &str) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for (start, _) in source.match_indices("_(").chain(source.match_indices("_n(")) {
        let before = source.get(..start).and_then(|text| text.chars().next_back());
        if before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
            continue;
        }
        let called = source.get(start..).unwrap_or_default();
        let wanted = if called.starts_with("_n(") { 2 } else { 1 };
        let mut rest = called.split_once('(').unwrap_or_default().1;
        for _ in 0..wanted {
            rest = rest.trim_start_matches([',', ' ', '\n']);
            let Some(quote) = rest.chars().next().filter(|quote| ['"', '\''].contains(quote)) else { break };
            let Some((text, after)) = rest.get(1..).and_then(|rest| rest.split_once(quote)) else { break };
            texts.insert(text.to_owned());
            rest = after;
        }
    }
    texts
}

fn all_texts() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let mut texts = BTreeSet::new();
    for folder in ["templates", "assets"] {
        for entry in std::fs::read_dir(page.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "html" || kind == "js") {
                texts.extend(texts_of(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    texts
}

#[test]
fn texts_are_found_where_they_are_said() {
    let source = r#"{{ _('Calls') }} {{ _("It's {n}", n=1) }} {{ _n('{n} call', '{n} calls', n) }} foo_('no') _(name)"#;
    let found: Vec<String> = texts_of(source).into_iter().collect();
    assert_eq!(found, ["Calls", "It's {n}", "{n} call", "{n} calls"]);
}

#[test]
fn every_text_is_in_every_language_and_says_the_same_names() {
    let texts = all_texts();
    assert!(texts.len() > 100, "{}", texts.len());
    let mut wrong = Vec::new();
    for language in [Language::German, Language::French, Language::Spanish] {
        let table = table(language).unwrap();
        for text in &texts {
            match table.get(text) {
                None => wrong.push(format!("{}: `{text}` is missing", language.as_str())),
                Some(said) if names_of(said) != names_of(text) => {
                    wrong.push(format!("{}: `{said}` has other names than `{text}`", language.as_str()));
                }
                Some(_) => {}
            }
        }
        let unused = table.keys().filter(|text| !texts.contains(*text));
        wrong.extend(unused.map(|text| format!("{}: `{text}` is said nowhere", language.as_str())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `{name}`s and tags.
fn names_of(text: &str) -> BTreeSet<&str> {
    let names = text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    let tags = text.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(tag, _)| tag);
    names.chain(tags).collect()
}

#[test]
fn the_chosen_language_goes_before_the_browsers() {
    let mut headers = HeaderMap::new();
    assert_eq!(language(&headers), Language::English);
    headers.insert(header::ACCEPT_LANGUAGE, "it, fr-CH;q=0.9, de;q=0.8".parse().unwrap());
    assert_eq!(language(&headers), Language::French);
    headers.insert(header::COOKIE, "telegraphone_lang=es".parse().unwrap());
    assert_eq!(language(&headers), Language::Spanish);
}

#[test]
fn numbers_are_as_they_are_written_there() {
    for (language, text) in [(Language::English, "1,234,567"), (Language::German, "1.234.567")] {
        assert_eq!(language.number(1_234_567), text);
    }
    assert_eq!(Language::English.number(-42), "−42");
}
