//! Templates, and the words that they have for values.

use super::words::{Language, Words};
use super::{assets, day, words};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State};
use rust_embed::RustEmbed;
use serde_json::Value as Json;
use std::sync::OnceLock;

/// The templates, in the binary; a debug build reads them from the source tree.
#[derive(RustEmbed)]
#[folder = "src/page/templates"]
struct Files;

/// All templates, read once; in a debug build for each page, so that a changed one shows at once.
#[derive(Default)]
pub struct Templates(OnceLock<Environment<'static>>);

impl Templates {
    pub fn render(&self, name: &str, context: &Json) -> Result<String, Error> {
        let context = Value::from(Serde(context));
        match cfg!(debug_assertions) {
            true => environment().get_template(name)?.render(context),
            false => self.0.get_or_init(environment).get_template(name)?.render(context),
        }
    }
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_loader(|name| Ok(Files::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned())));
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    // A template is laid out for who reads it: its tags leave no lines behind.
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default());
    env.add_function("_", said);
    env.add_function("_n", counted);
    env.add_function("asset", |name: &str| Value::from_safe_string(assets::place(name)));
    env.add_filter("date", |state: &State<'_, '_>, at: &str| local(state, at, day::date));
    env.add_filter("clock", |state: &State<'_, '_>, at: &str| local(state, at, |at, _| day::clock(at)));
    env.add_filter("time", |state: &State<'_, '_>, at: &str| local(state, at, |at, _| day::time(at)));
    env.add_filter("moment", |state: &State<'_, '_>, at: &str| {
        local(state, at, |at, language| format!("{}, {}", day::date(at, language), day::clock(at)))
    });
    // The day as filters take it.
    env.add_filter("day", |state: &State<'_, '_>, at: &str| local(state, at, |at, _| at.date().to_string()));
    env.add_filter("duration", |ms: u64| day::length(ms));
    env.add_filter("between", |from: &str, until: &str| between(from, until));
    env.add_filter("num", |state: &State<'_, '_>, number: i64| language(state).number(number));
    env.add_filter("percent", |share: f64| format!("{:.0} %", share * 100.0));
    env.add_filter("bytes", bytes);
    env.add_filter("plain", |value: Value| plain(&value));
    // What the API says, in the reader's language.
    env.add_filter("told", |state: &State<'_, '_>, text: &str| words::told(language(state), text).into_owned());
    env.add_filter("quoted", |text: &str| super::ask::quoted(text));
    env
}

fn language(state: &State<'_, '_>) -> Language {
    let code = state.lookup("lang");
    code.as_ref().and_then(|code| code.as_str()).and_then(Language::parse).unwrap_or_default()
}

/// A time in the company's zone; what is none stays as it is.
fn local(state: &State<'_, '_>, at: &str, shown: impl Fn(&jiff::Zoned, Language) -> String) -> String {
    let zone = state.lookup("zone");
    let zone = zone.as_ref().and_then(|zone| zone.as_str()).unwrap_or("UTC");
    day::local(at, zone).map_or_else(|| at.to_owned(), |at| shown(&at, language(state)))
}

/// The time between two, as a length; empty where either is none.
fn between(from: &str, until: &str) -> String {
    let read = |at: &str| at.parse::<jiff::Timestamp>().ok();
    let (Some(from), Some(until)) = (read(from), read(until)) else { return String::new() };
    day::length(u64::try_from(until.as_millisecond() - from.as_millisecond()).unwrap_or(0))
}

fn bytes(state: &State<'_, '_>, count: u64) -> String {
    const KIB: f64 = 1_024.0;
    let count = count as f64;
    let text = match count {
        count if count < KIB * KIB => format!("{:.0} KiB", count / KIB),
        count if count < KIB * KIB * KIB => format!("{:.1} MiB", count / KIB / KIB),
        count => format!("{:.1} GiB", count / KIB / KIB / KIB),
    };
    match language(state) {
        Language::English => text,
        Language::German | Language::French | Language::Spanish => text.replace('.', ","),
    }
}

/// A sentence in the reader's language, with its `{name}`s filled in.
fn said(state: &State<'_, '_>, text: &str, names: Kwargs) -> Result<Value, Error> {
    fill(state, language(state).of(text), text.contains('<'), &names)
}

/// One of two sentences by how many (`n`) there are.
fn counted(state: &State<'_, '_>, one: &str, many: &str, n: i64, names: Kwargs) -> Result<String, Error> {
    let language = language(state);
    let text = language.of(if language.counts_as_one(n) { one } else { many });
    let text = text.replace("{n}", &language.number(n));
    Ok(fill(state, &text, false, &names)?.to_string())
}

/// What is filled in is escaped where the sentence itself has markup.
fn fill(_: &State<'_, '_>, text: &str, markup: bool, names: &Kwargs) -> Result<Value, Error> {
    let mut filled = text.to_owned();
    for name in names.args() {
        let value: Value = names.get(name)?;
        let value = plain(&value);
        let value = if markup { words::escaped(&value) } else { value };
        filled = filled.replace(&format!("{{{name}}}"), &value);
    }
    if let Some(missing) = missing(&filled) {
        let detail = format!("`{missing}` of `{text}` has no value");
        return Err(Error::new(ErrorKind::MissingArgument, detail));
    }
    Ok(if markup { Value::from_safe_string(filled) } else { Value::from(filled) })
}

/// What a macro has written, as text again: it is escaped where it stands at last, and only there.
fn plain(value: &Value) -> String {
    let text = value.to_string();
    match value.is_safe() {
        true => words::unescaped(text.trim()),
        false => text,
    }
}

/// A `{name}` that was not filled in: only in what stands in our own text, and so found by the tests.
fn missing(filled: &str) -> Option<&str> {
    if !cfg!(debug_assertions) {
        return None;
    }
    let (_, rest) = filled.split_once('{')?;
    let (name, _) = rest.split_once('}')?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(text: &str, context: &Json) -> String {
        environment().render_str(text, Value::from(Serde(context))).unwrap()
    }

    #[test]
    fn values_are_said_in_the_readers_language_and_zone() {
        let context = json!({ "lang": "de", "zone": "Europe/Berlin", "at": "2026-11-27T23:30:00Z", "ms": 61_000 });
        assert_eq!(
            rendered("{{ at|date }} {{ at|clock }} {{ ms|duration }}", &context),
            "28. November 2026 00:30 1:01"
        );
        assert_eq!(rendered("{{ 12345|num }} {{ 0.5|percent }}", &context), "12.345 50 %");
    }

    #[test]
    fn what_is_filled_in_is_no_markup() {
        let context = json!({ "lang": "en", "name": "<b>&" });
        assert_eq!(rendered("{{ _('Hello {name}', name=name) }}", &context), "Hello &lt;b&gt;&amp;");
        assert_eq!(rendered("{{ _('Hello <b>{name}</b>', name=name) }}", &context), "Hello <b>&lt;b&gt;&amp;</b>");
        // Nor twice, where a macro has written it.
        let by = "{% macro who() %}{{ name }}{% endmacro %}";
        for text in ["{{ _('Hello {name}', name=who()) }}", "Hello {{ who()|plain }}"] {
            assert_eq!(rendered(&format!("{by}{text}"), &context), "Hello &lt;b&gt;&amp;");
        }
    }

    #[test]
    fn every_template_can_be_read() {
        let env = environment();
        for name in Files::iter() {
            env.get_template(&name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }
}
