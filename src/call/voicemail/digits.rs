//! Digits that a party types: a number or a password, ended by `#` or by waiting.

use crate::base::Span;
use std::fmt;

/// So long the first digit is waited for, after what was said.
pub const FIRST: Span = Span::from_secs(10);
/// And each further one.
pub const NEXT: Span = Span::from_secs(5);
/// As many as a box number has at most.
const MOST: usize = 40;

/// What was typed so far.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Typed(String);

impl fmt::Debug for Typed {
    /// It may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

/// What a key makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// More may follow.
    More,
    /// `#`.
    End,
    /// `*`: begin anew, or go back where nothing was typed.
    Star,
}

impl Typed {
    pub fn key(&mut self, key: u8) -> Stroke {
        match key {
            b'#' => Stroke::End,
            b'*' => Stroke::Star,
            digit => {
                // Those beyond are dropped: what is that long is wrong anyway, also with them.
                if self.0.len() <= MOST {
                    self.0.push(char::from(digit));
                }
                Stroke::More
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The same effort for every wrong password, whatever its length or its first digit.
pub fn matches(typed: &str, password: &str) -> bool {
    let (typed, password) = (typed.as_bytes(), password.as_bytes());
    let length = typed.len().max(password.len());
    let at = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
    let differences = (0..length).fold(0, |found, place| found | (at(typed, place) ^ at(password, place)));
    differences == 0 && typed.len() == password.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_password_matches() {
        for (typed, password, right) in
            [("4711", "4711", true), ("4710", "4711", false), ("471", "4711", false), ("47110", "4711", false)]
        {
            assert_eq!(matches(typed, password), right, "{typed}");
        }
    }

    #[test]
    fn what_is_typed_is_bounded_and_never_printed() {
        let mut typed = Typed::default();
        for _ in 0..1_000 {
            typed.key(b'7');
        }
        assert_eq!(typed.as_str().len(), MOST + 1, "longer than any number or password");
        assert!(!format!("{typed:?}").contains('7'));
    }
}
