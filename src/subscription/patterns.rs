//! Rights by patterns, as the compatible API has them: `calld.users.me.voicemails.#`,
//! `!confd.voicemails.*.delete`.
//!
//! What is asked for has a name of words with dots between. A pattern is such a name, in which `*` stands
//! for anything but a dot, and `#` for anything. The word `me` is the asking user by their UUID too,
//! `my_session` their session, and `edit` is `update`. A pattern with `!` in front takes away, whatever
//! others give and in whichever order they stand.

/// Patterns of a token at most.
pub const MOST: usize = 100;
/// Bytes of a pattern at most.
pub const LONGEST: usize = 200;

/// What somebody may, or wants to be told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<String>);

/// Who asks: what the reserved words stand for. Empty: nobody, no session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asker<'a> {
    /// UUID of the user.
    pub user: &'a str,
    pub session: &'a str,
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'p> {
    Text(&'p str),
    /// A reserved word: one or the other.
    Either(&'p str, &'p str),
    /// `*`
    InWord,
    /// `#`
    Any,
}

impl Patterns {
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        Patterns(patterns.into_iter().collect())
    }

    pub fn texts(&self) -> &[String] {
        &self.0
    }

    /// Whether what is asked for by that name is given.
    pub fn allow(&self, asked: &str, asker: Asker<'_>) -> bool {
        self.allow_any(&[asked], asker)
    }

    /// The same of a thing that has several names: one has to be given, and none taken away.
    pub fn allow_any(&self, names: &[&str], asker: Asker<'_>) -> bool {
        let fit = |pattern: &str| names.iter().any(|name| fits(pattern, name, asker));
        let taken = self.0.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(fit);
        !taken && self.0.iter().filter(|pattern| !pattern.starts_with('!')).any(|pattern| fit(pattern))
    }

    /// Something that begins so is given, as far as nothing else takes it away.
    pub fn reach(&self, service: &str) -> bool {
        let given = self.0.iter().filter(|pattern| !pattern.starts_with('!'));
        given
            .map(|pattern| pattern.split('.').next().unwrap_or_default())
            .any(|word| word.contains('#') || fits(word, service, Asker::default()))
    }
}

/// Whether a text is a pattern: words of letters, digits, `-`, `_`, `*` and `#` with dots between, and `!`
/// in front where it takes away.
pub fn is_pattern(text: &str) -> bool {
    let bare = text.strip_prefix('!').unwrap_or(text);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_*#".contains(&byte);
    text.len() <= LONGEST && bare.split('.').all(|word| !word.is_empty() && word.bytes().all(letter))
}

/// All places of `name` at which what has been read of the pattern can end, moved on part by part: as many
/// steps as the pattern has parts times the length of the name.
fn fits(pattern: &str, name: &str, asker: Asker<'_>) -> bool {
    let mut ends = vec![false; name.len() + 1];
    if let Some(first) = ends.first_mut() {
        *first = true;
    }
    for part in parts(pattern, asker) {
        ends = step(part, &ends, name);
    }
    ends.last().copied().unwrap_or(false)
}

fn step(part: Part<'_>, from: &[bool], name: &str) -> Vec<bool> {
    let mut to = vec![false; from.len()];
    let begins = |at: &usize| from.get(*at).copied().unwrap_or(false);
    let mut mark = |at: usize| {
        if let Some(end) = to.get_mut(at) {
            *end = true;
        }
    };
    let texts: &[&str] = match part {
        Part::Text(text) => &[text],
        Part::Either(one, other) => &[one, other],
        Part::InWord | Part::Any => &[],
    };
    for at in (0..from.len()).filter(begins) {
        let rest = name.as_bytes().get(at..).unwrap_or_default();
        for text in texts.iter().filter(|text| rest.starts_with(text.as_bytes())) {
            mark(at + text.len());
        }
        match part {
            Part::Text(_) | Part::Either(..) => {}
            Part::InWord => {
                let word = rest.iter().take_while(|byte| !b".#".contains(byte)).count();
                (at..=at + word).for_each(&mut mark);
            }
            Part::Any => (at..=name.len()).for_each(&mut mark),
        }
    }
    to
}

fn parts<'p>(pattern: &'p str, asker: Asker<'p>) -> Vec<Part<'p>> {
    let mut parts = Vec::new();
    for (at, word) in pattern.split('.').enumerate() {
        if at > 0 {
            parts.push(Part::Text("."));
        }
        let reserved = match word {
            "me" => Some((word, asker.user)),
            "my_session" => Some((word, asker.session)),
            "edit" => Some((word, "update")),
            _ => None,
        };
        match reserved {
            Some((word, other)) if !other.is_empty() => parts.push(Part::Either(word, other)),
            Some(_) | None => {
                parts.extend(word.split_inclusive(['*', '#']).flat_map(|piece| {
                    let (text, wild) = match piece.strip_suffix('*') {
                        Some(text) => (text, Some(Part::InWord)),
                        None => match piece.strip_suffix('#') {
                            Some(text) => (text, Some(Part::Any)),
                            None => (piece, None),
                        },
                    };
                    let text = (!text.is_empty()).then_some(Part::Text(text));
                    text.into_iter().chain(wild)
                }));
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASKER: Asker<'static> = Asker { user: "u-1", session: "s-1" };

    fn patterns(texts: &[&str]) -> Patterns {
        Patterns::new(texts.iter().map(|text| (*text).to_owned()))
    }

    #[test]
    fn what_patterns_give_and_take_away() {
        let rows: [(&[&str], &str, bool); 34] = [
            (&["foo.bar.#"], "foo.bar", false),
            (&["foo.bar.#"], "foo.bar.toto", true),
            (&["foo.bar.#"], "foo.bar.toto.tata", true),
            (&["foo.bar.#"], "other.bar.toto", false),
            (&["foo.bar.toto"], "foo.bar.toto", true),
            (&["foo.bar.toto"], "foo.bar.toto.tata", false),
            (&["foo.bar.toto"], "foo.bar", false),
            (&["foo.*.*"], "foo.bar.toto", true),
            (&["foo.*.*"], "foo.bar.toto.tata", false),
            (&["foo.*"], "foo.bar", true),
            (&["foo.b*r"], "foo.bar", true),
            (&["foo.b*r"], "foo.b.r", false),
            (&["foo.#.bar"], "foo.x.y.bar", true),
            (&["foo.#.bar"], "foo.bar", false),
            (&["foo.#.bar"], "foo.x.y", false),
            (&["#"], "anything.at.all", true),
            (&["*"], "anything.at", false),
            (&[], "foo", false),
            (&["foo.me"], "foo.me", true),
            (&["foo.me"], "foo.u-1", true),
            (&["foo.me"], "foo.u-2", false),
            (&["foo.me.bar"], "foo.u-1.bar", true),
            (&["foo.mean"], "foo.u-1an", false),
            (&["foo.my_session"], "foo.s-1", true),
            (&["foo.edit"], "foo.update", true),
            (&["foo.update"], "foo.edit", false),
            (&["foo.#", "!foo.bar"], "foo.bar", false),
            (&["!foo.bar", "foo.#"], "foo.bar", false),
            (&["foo.#", "!foo.bar"], "foo.toto", true),
            (&["!foo.*.delete", "foo.#"], "foo.1.delete", false),
            (&["!foo.*.delete", "foo.#"], "foo.1.2.delete", true),
            (&["!foo.bar"], "foo.toto", false),
            (&["foo.bar", "!foo.me", "foo.u-1"], "foo.u-1", false),
            (&["events.voicemails.global.messages.#"], "events.voicemails.global.messages.created", true),
        ];
        for (texts, asked, given) in rows {
            assert_eq!(patterns(texts).allow(asked, ASKER), given, "{texts:?} {asked}");
        }
        assert!(!patterns(&["foo.me"]).allow("foo.", Asker::default()), "nobody is no word");
    }

    #[test]
    fn a_thing_of_several_names_is_given_by_one_and_taken_away_by_one() {
        let names = ["events.users.u-1.voicemails", "events.users.u-1.voicemails.messages.created"];
        for (texts, given) in [
            (vec!["events.users.me.voicemails"], true),
            (vec!["events.users.me.voicemails.#"], true),
            (vec!["events.#", "!events.users.*.voicemails.messages.created"], false),
            (vec!["events.users.u-2.#"], false),
        ] {
            assert_eq!(patterns(&texts).allow_any(&names, ASKER), given, "{texts:?}");
        }
    }

    #[test]
    fn a_pattern_reaches_the_services_that_its_first_word_fits() {
        for (text, service, reaches) in [
            ("events.#", "events", true),
            ("#", "events", true),
            ("e*.x", "events", true),
            ("calld.#", "events", false),
            ("!events.#", "events", false),
        ] {
            assert_eq!(patterns(&[text]).reach(service), reaches, "{text}");
        }
    }

    #[test]
    fn only_words_with_dots_between_are_a_pattern() {
        for (text, is) in [
            ("calld.users.me.voicemails.#", true),
            ("!confd.voicemails.*.delete", true),
            ("#", true),
            ("", false),
            ("!", false),
            ("!!a", false),
            ("a..b", false),
            ("a b", false),
            ("a.(b|c)", false),
        ] {
            assert_eq!(is_pattern(text), is, "{text:?}");
        }
        assert!(!is_pattern(&"a".repeat(LONGEST + 1)));
    }

    /// The same rule, written as one would say it.
    fn said(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => {
                let word = name.iter().take_while(|byte| !b".#".contains(byte)).count();
                (0..=word).any(|taken| said(rest, &name[taken..]))
            }
            Some((b'#', rest)) => (0..=name.len()).any(|taken| said(rest, &name[taken..])),
            Some((letter, rest)) => name.first() == Some(letter) && said(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_it_says(pattern in "[ab.*#]{0,8}", name in "[ab.]{0,10}") {
            prop_assert_eq!(fits(&pattern, &name, Asker::default()), said(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn what_is_taken_away_is_given_by_nothing_and_more_patterns_never_take_away_without_a_mark(
            given in proptest::collection::vec("[ab.*#]{1,6}", 0..4),
            more in proptest::collection::vec("[ab.*#]{1,6}", 0..4),
            taken in "[ab.*#]{1,6}",
            name in "[ab.]{1,8}",
        ) {
            let few = Patterns::new(given.clone());
            let many = Patterns::new(given.iter().chain(&more).cloned());
            prop_assert!(!few.allow(&name, ASKER) || many.allow(&name, ASKER));
            let all = Patterns::new(given.into_iter().chain(more).chain([format!("!{taken}")]));
            let expected = many.allow(&name, ASKER) && !fits(&taken, &name, ASKER);
            prop_assert_eq!(all.allow(&name, ASKER), expected);
        }
    }
}
