//! Who is locked out after wrong passwords: of log-ins over HTTP here, of SIP's in call control.

use super::{Permission, Problem};
use crate::base::{CompanyId, Time};
use crate::call::{LockName, LockOver, LockSource, LockView, Lockout};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use utoipa::ToSchema;

/// A request of an admin, or of an operator, about lock-outs of both kinds.
///
/// An admin sees and ends those over names of the company. An address is no company's: locks over
/// addresses are the operator's, else an admin of one company could let a guesser at another go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockAsk {
    /// `after`: `next` of the page before.
    List { after: Option<String>, limit: u32 },
    /// Forgets failures: of one name or address as the list shows it, or all.
    Clear { only: Option<String> },
}

impl LockAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            LockAsk::List { .. } => Permission::ReadAccessLog,
            LockAsk::Clear { .. } => Permission::ClearLockouts,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockReply {
    Page(LockPage),
    Cleared(LockCleared),
}

/// Locks that hold now, by where they hold, what is locked, address and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockPage {
    pub locks: Vec<LockView>,
    /// For the next page, as `after`; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl LockPage {
    /// Locks of a page at most.
    pub const MOST: u32 = 1_000;

    /// The page after `after`, out of all locks.
    pub(super) fn of(locks: Vec<LockView>, after: Option<&str>, limit: u32) -> Self {
        let mut locks: Vec<(String, LockView)> = locks.into_iter().map(|lock| (place(&lock), lock)).collect();
        locks.sort_by(|(one, _), (other, _)| one.cmp(other));
        locks.retain(|(place, _)| after.is_none_or(|after| place.as_str() > after));
        let limit = limit.clamp(1, LockPage::MOST) as usize;
        let more = locks.len() > limit;
        locks.truncate(limit);
        let next = locks.last().filter(|_| more).map(|(place, _)| place.clone());
        LockPage { locks: locks.into_iter().map(|(_, lock)| lock).collect(), next }
    }
}

/// Where a lock stands in the list.
fn place(lock: &LockView) -> String {
    format!("{} {} {} {}", lock.over.as_str(), lock.what, lock.source, lock.name)
}

/// How much was forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockCleared {
    /// Addresses, names, and names at addresses whose failures were forgotten.
    pub entries: usize,
}

/// Guesses at log-ins over HTTP. Clones share them.
#[derive(Clone, Debug)]
pub struct LogInLocks(Arc<Mutex<Lockout>>);

impl Default for LogInLocks {
    fn default() -> Self {
        LogInLocks(Arc::new(Mutex::new(Lockout::new(LockOver::Http))))
    }
}

impl LogInLocks {
    fn lockout(&self) -> MutexGuard<'_, Lockout> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Err` while that name is locked out at that address, right password or not.
    pub(super) fn pass(&self, name: &LockName, from: LockSource, now: Time) -> Result<(), Problem> {
        match self.lockout().locked(name, from, now) {
            Some(left) => Err(Problem::LockedOut { retry_s: left.0.div_ceil(1_000_000) }),
            None => Ok(()),
        }
    }

    /// A wrong password.
    pub(super) fn failed(&self, name: &LockName, from: LockSource, now: Time) {
        for lock in self.lockout().failed(name, from, now) {
            tracing::warn!(what = lock.what, seconds = lock.seconds, "locked out after wrong passwords over HTTP");
        }
    }

    /// The right password.
    pub(super) fn proven(&self, name: &LockName, from: LockSource, now: Time) {
        self.lockout().proven(name, from, now);
    }

    /// Whether no lock holds now.
    pub fn is_idle(&self, now: Time) -> bool {
        self.lockout().is_idle(now)
    }

    /// See [`Lockout::list`].
    pub fn list(&self, now: Time, of: Option<CompanyId>, key: impl Fn(CompanyId) -> String) -> Vec<LockView> {
        self.lockout().list(now, of, key)
    }

    /// See [`Lockout::clear`].
    pub fn clear(&self, only: Option<&str>, of: Option<CompanyId>, key: impl Fn(CompanyId) -> String) -> usize {
        self.lockout().clear(only, of, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lock_is_on_one_page() {
        let lock = |over, name: &str| LockView {
            over,
            what: "name".to_owned(),
            source: String::new(),
            name: name.to_owned(),
            ends_in_s: 30,
            locks: 1,
        };
        let names: Vec<String> = (0..7).map(|at| format!("acme/20{at}")).collect();
        let all: Vec<LockView> =
            names.iter().rev().flat_map(|name| [lock(LockOver::Sip, name), lock(LockOver::Http, name)]).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = LockPage::of(all.clone(), after.as_deref(), 3);
            assert!(page.locks.len() <= 3);
            seen.extend(page.locks);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<LockView> = [LockOver::Http, LockOver::Sip]
            .into_iter()
            .flat_map(|over| names.iter().map(move |n| lock(over, n)))
            .collect();
        assert_eq!(seen, expected);
    }
}
