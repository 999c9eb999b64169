//! Which kinds of events somebody wants to be told of.

use super::patterns::{MOST, Patterns, is_pattern};
use crate::ledger::{Family, OutboxKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Patterns, one of which has to fit: the name of a kind, a family (`recording.*`), or everything
/// (`*`). A family holds kinds that come with a later version too. Or names of the compatible API, and
/// then all of them: `events.voicemails.global.messages.#`. What happens is told as that API does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kinds(Vec<String>);

impl Kinds {
    /// Everything.
    pub fn all() -> Self {
        Kinds(vec!["*".to_owned()])
    }

    /// Patterns with commas between, e.g. `recording.*,call.ended`.
    ///
    /// # Errors
    /// The first that names nothing there is.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of(text.split(',').map(str::trim))
    }

    /// # Errors
    /// The first pattern that names nothing there is; an empty text where there is none at all.
    pub fn of<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, String> {
        let patterns: Vec<String> = patterns.into_iter().map(str::to_owned).collect();
        if patterns.iter().any(|pattern| is_compatible(pattern)) {
            let other = patterns.iter().find(|pattern| !is_compatible(pattern) || !is_pattern(pattern));
            return match other.or(patterns.get(MOST)) {
                Some(pattern) => Err(pattern.clone()),
                None => Ok(Kinds(patterns)),
            };
        }
        let unknown = |pattern: &&String| !OutboxKind::ALL.into_iter().any(|kind| fits(pattern, kind.as_str()));
        match patterns.iter().find(unknown) {
            Some(pattern) => Err(pattern.clone()),
            None if patterns.is_empty() => Err(String::new()),
            None => Ok(Kinds(patterns)),
        }
    }

    /// Of names of the compatible API all kinds that may be told under one of them.
    pub fn contain(&self, kind: OutboxKind) -> bool {
        if self.0.iter().any(|pattern| is_compatible(pattern)) {
            return kind.family() == Family::Voicemail;
        }
        self.0.iter().any(|pattern| fits(pattern, kind.as_str()))
    }

    /// The patterns of the compatible API, where that is how it shall be told.
    pub fn compatible(&self) -> Option<Patterns> {
        let compatible = self.0.iter().any(|pattern| is_compatible(pattern));
        compatible.then(|| Patterns::new(self.0.iter().cloned()))
    }

    pub fn patterns(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

fn is_compatible(pattern: &str) -> bool {
    pattern.strip_prefix('!').unwrap_or(pattern).starts_with("events.")
}

fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(family) => family.ends_with('.') && kind.starts_with(family),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_holds_its_kinds_and_a_pattern_that_names_nothing_is_refused() {
        for (text, kind, fits) in [
            ("*", OutboxKind::CallStarted, true),
            ("recording.*", OutboxKind::RecordingPaused, true),
            ("recording.*", OutboxKind::CallEnded, false),
            ("recording.*, call.ended", OutboxKind::CallEnded, true),
            ("call.ended", OutboxKind::CallStarted, false),
            ("events.voicemails.global.messages.#", OutboxKind::VoicemailCreated, true),
            ("events.#,!events.users.*.voicemails", OutboxKind::CallEnded, false),
        ] {
            assert_eq!(Kinds::parse(text).unwrap().contain(kind), fits, "{text} {kind:?}");
        }
        for (text, wrong) in [
            ("", ""),
            ("call.ended,", ""),
            ("call.ende", "call.ende"),
            ("call*", "call*"),
            ("call.e*", "call.e*"),
            ("calls.*", "calls.*"),
            ("**", "**"),
            ("events.#,call.ended", "call.ended"),
            ("events..#", "events..#"),
        ] {
            assert_eq!(Kinds::parse(text), Err(wrong.to_owned()), "{text}");
        }
    }
}
