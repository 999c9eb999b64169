//! Guessing of boxes' passwords by telephone, slowed down: apart from those of SIP, so that who
//! mistypes at their box still makes calls.

use super::super::lockout::{Limit, LockOver, LockView, Locked, Name, Table};
use crate::base::{CompanyId, Span, Time};

/// A caller: an extension, or a number outside.
const CALLER: Limit = Limit { failures: 10, first: Span::from_secs(30), most: Span::from_secs(3_600) };
/// A box, from outside: callers' numbers can be forged.
const BOX: Limit = Limit { failures: 20, first: Span::from_secs(30), most: Span::from_secs(900) };

/// Counters of callers, and of boxes that were tried from outside.
#[derive(Debug)]
pub struct Guesses {
    callers: Table<Name>,
    boxes: Table<Name>,
}

impl Default for Guesses {
    fn default() -> Self {
        Guesses { callers: Table::new(CALLER), boxes: Table::new(BOX) }
    }
}

impl Guesses {
    /// Whether that caller is not listened to now, right password or not. `tried`: the box, for a
    /// caller from outside.
    pub fn is_locked(&self, caller: &Name, tried: Option<&Name>, now: Time) -> bool {
        self.callers.locked(caller, now).is_some() || tried.is_some_and(|tried| self.boxes.locked(tried, now).is_some())
    }

    /// A wrong password; what it locks.
    pub fn failed(&mut self, caller: &Name, tried: Option<&Name>, now: Time) -> Vec<Locked> {
        let lock = |what: &str, until: Time| Locked { what: what.to_owned(), seconds: until.since(now).0 / 1_000_000 };
        let caller = self.callers.fail(caller, now).map(|until| lock("a caller of voicemail", until));
        let tried = tried.and_then(|tried| self.boxes.fail(tried, now));
        caller.into_iter().chain(tried.map(|until| lock("a voicemail box, for callers from outside", until))).collect()
    }

    /// Locks that hold now: all, or those over names of one company.
    pub fn list(&self, now: Time, of: Option<CompanyId>, company: impl Fn(CompanyId) -> String) -> Vec<LockView> {
        let callers = self.callers.locks(now).map(|(name, failures, until)| ("caller", name, failures, until));
        let boxes = self.boxes.locks(now).map(|(name, failures, until)| ("box", name, failures, until));
        let mut locks: Vec<LockView> = callers
            .chain(boxes)
            .filter(|(_, name, _, _)| of.is_none_or(|of| name.company == of))
            .map(|(what, name, failures, until)| LockView {
                over: LockOver::Voicemail,
                what: what.to_owned(),
                source: String::new(),
                name: name.said(company(name.company)),
                ends_in_s: until.since(now).0.div_ceil(1_000_000),
                locks: failures.locks(),
            })
            .collect();
        locks.sort_by(|a, b| (&a.what, &a.name).cmp(&(&b.what, &b.name)));
        locks
    }

    /// Forgets failures of one name (as [`Guesses::list`] writes it, also without its company), or all;
    /// with `of` those over names of that company alone.
    pub fn clear(&mut self, only: Option<&str>, of: Option<CompanyId>, company: impl Fn(CompanyId) -> String) -> usize {
        let meant = |name: &Name| {
            let whole = || name.said(company(name.company));
            let may = of.is_none_or(|of| name.company == of);
            may && only.is_none_or(|only| only == name.as_str() || only == whole())
        };
        self.callers.forget(meant) + self.boxes.forget(meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(CompanyId(1), text)
    }

    #[test]
    fn a_caller_is_locked_after_ten_wrong_passwords_whatever_the_box() {
        let mut guesses = Guesses::default();
        for at in 0..10 {
            assert!(!guesses.is_locked(&name("201"), None, Time(at)));
            guesses.failed(&name("201"), None, Time(at));
        }
        assert!(guesses.is_locked(&name("201"), None, Time(10)));
        assert!(!guesses.is_locked(&name("202"), None, Time(10)));
        assert!(!guesses.is_locked(&name("201"), None, Time(10) + Span::from_secs(30)));
        let shown = guesses.list(Time(10), None, |_| "acme".to_owned());
        assert_eq!(
            shown.iter().map(|lock| (lock.what.as_str(), lock.name.as_str())).collect::<Vec<_>>(),
            [("caller", "acme/201")]
        );
        assert_eq!(guesses.clear(Some("acme/201"), None, |_| "acme".to_owned()), 1);
        assert!(!guesses.is_locked(&name("201"), None, Time(10)));
    }

    #[test]
    fn callers_with_many_numbers_shut_a_box_for_the_outside_and_not_for_the_house() {
        let mut guesses = Guesses::default();
        for at in 0..20 {
            guesses.failed(&name(&format!("+49301{at}")), Some(&name("8000")), Time(at));
        }
        assert!(guesses.is_locked(&name("+4940"), Some(&name("8000")), Time(20)));
        assert!(!guesses.is_locked(&name("201"), None, Time(20)));
    }
}
