//! Guessing of passwords, slowed down until it is of no use.
//!
//! Three counters, each with its own lock, which grows with every further series of failures:
//!
//! | counter | counts wrong passwords | shuts out |
//! |---|---|---|
//! | source | from one address, for whatever name | that address, except its known pairs |
//! | name | for one name, from addresses where it is not known | that name from such addresses |
//! | pair | of a name at an address where it has proven its password | that pair |
//!
//! A pair is *known* once its password was proven there, and for [`KNOWN`] after. A known pair obeys
//! its own counter only: an outsider who guesses at a name, or a broken phone next door, shuts
//! nobody out of the address that they are known at. Who shares that address (a colleague, a
//! neighbour behind one NAT) can shut a pair out, for five minutes at most a time. What counts is a
//! wrong answer to a nonce that was given to that very address: datagrams with a forged source
//! cannot have one, so that nobody can make failures for another.
//!
//! Names are counted whether they exist or not, and every lock has the same answer.

use crate::base::{CompanyId, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// How long a pair stays known after it proved its password.
pub const KNOWN: Span = Span::from_secs(30 * 86_400);
/// Failures are forgotten so long after the last one, or after its lock.
const FORGET: Span = Span::from_secs(3_600);
/// Entries of each table; the one that was touched longest ago makes room.
const CAPACITY: usize = 10_000;
/// Known pairs.
const PAIRS: usize = 50_000;

const SOURCE: Limit = Limit { failures: 10, first: Span::from_secs(30), most: Span::from_secs(3_600) };
const NAME: Limit = Limit { failures: 20, first: Span::from_secs(30), most: Span::from_secs(900) };
const PAIR: Limit = Limit { failures: 10, first: Span::from_secs(10), most: Span::from_secs(300) };

/// How many failures lock, and for how long: twice as long each further time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub failures: u32,
    pub first: Span,
    pub most: Span,
}

/// An address as guessers are counted: all of an IPv6 /64 belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Source(IpAddr::V4(ip)),
            IpAddr::V6(ip) => Source(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64))),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => write!(f, "{ip}"),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

/// Longest name that is kept; longer ones share their beginning.
const NAME_BYTES: usize = 64;

/// A digest user name of a company, whether it exists or not; by telephone a caller, or a box.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pub company: CompanyId,
    name: String,
}

impl Name {
    pub fn new(company: CompanyId, name: &str) -> Self {
        let end = name.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= NAME_BYTES).last();
        Name { company, name: name.get(..end.unwrap_or(0)).unwrap_or("").to_owned() }
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// For people. What is of no company is called by itself.
    pub(super) fn said(&self, key: String) -> String {
        match key.is_empty() {
            true => self.name.clone(),
            false => format!("{key}/{}", self.name),
        }
    }
}

/// Failures of one key.
///
/// ```text
/// Counting ─enough failures─► Locked ─time─► Counting (the next lock is twice as long)
///    └─an hour without one─► (forgotten)
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Failures {
    count: u32,
    /// Locks so far.
    locks: u32,
    locked_until: Option<Time>,
    last: Time,
}

impl Failures {
    /// Locks so far.
    pub const fn locks(&self) -> u32 {
        self.locks
    }

    fn locked(&self, now: Time) -> Option<Time> {
        self.locked_until.filter(|until| now < *until)
    }

    /// When nothing of it matters any more.
    fn ends(&self) -> Time {
        self.locked_until.unwrap_or(self.last).max(self.last) + FORGET
    }
}

/// Failures by key, the one touched longest ago first to go.
#[derive(Debug)]
pub(super) struct Table<K> {
    limit: Limit,
    entries: HashMap<K, Failures>,
    by_age: BTreeSet<(Time, K)>,
}

impl<K: Clone + Eq + Hash + Ord> Table<K> {
    pub fn new(limit: Limit) -> Self {
        Table { limit, entries: HashMap::new(), by_age: BTreeSet::new() }
    }

    pub fn locked(&self, key: &K, now: Time) -> Option<Time> {
        self.entries.get(key)?.locked(now)
    }

    /// One failure more; the end of the lock where this one locks.
    pub fn fail(&mut self, key: &K, now: Time) -> Option<Time> {
        let fresh = Failures { count: 0, locks: 0, locked_until: None, last: now };
        let old = self.remove(key).filter(|old| now < old.ends()).unwrap_or(fresh);
        let mut failures = Failures { count: old.count.saturating_add(1), last: now, ..old };
        let locks = failures.count >= self.limit.failures && failures.locked(now).is_none();
        if locks {
            let factor = 1u64.checked_shl(failures.locks).unwrap_or(u64::MAX);
            let length = Span(self.limit.first.0.saturating_mul(factor)).min(self.limit.most);
            failures = Failures {
                // After a lock a few failures are enough for the next.
                count: self.limit.failures.saturating_sub(3),
                locks: failures.locks.saturating_add(1),
                locked_until: Some(now + length),
                last: now,
            };
        }
        if self.entries.len() >= CAPACITY
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.by_age.insert((now, key.clone()));
        self.entries.insert(key.clone(), failures);
        failures.locked_until.filter(|_| locks)
    }

    fn remove(&mut self, key: &K) -> Option<Failures> {
        let old = self.entries.remove(key)?;
        self.by_age.remove(&(old.last, key.clone()));
        Some(old)
    }

    pub fn forget(&mut self, gone: impl Fn(&K) -> bool) -> usize {
        let keys: Vec<K> = self.entries.keys().filter(|key| gone(key)).cloned().collect();
        keys.iter().filter_map(|key| self.remove(key)).count()
    }

    pub fn locks(&self, now: Time) -> impl Iterator<Item = (&K, &Failures, Time)> {
        self.entries.iter().filter_map(move |(key, failures)| Some((key, failures, failures.locked(now)?)))
    }
}

/// What a wrong password has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    pub what: String,
    pub seconds: u64,
}

/// All counters.
#[derive(Debug)]
pub struct Lockout {
    over: LockOver,
    sources: Table<Source>,
    names: Table<Name>,
    pairs: Table<(Name, Source)>,
    known: HashMap<(Name, Source), Time>,
    known_by_age: BTreeSet<(Time, Name, Source)>,
}

impl Lockout {
    pub fn new(over: LockOver) -> Self {
        Lockout {
            over,
            sources: Table::new(SOURCE),
            names: Table::new(NAME),
            pairs: Table::new(PAIR),
            known: HashMap::new(),
            known_by_age: BTreeSet::new(),
        }
    }

    /// How long the name is shut out at that address, right password or not.
    pub fn locked(&self, name: &Name, source: Source, now: Time) -> Option<Span> {
        let pair = (name.clone(), source);
        let until = match self.is_known(&pair, now) {
            true => self.pairs.locked(&pair, now),
            false => self.sources.locked(&source, now).max(self.names.locked(name, now)),
        };
        until.map(|until| until.since(now))
    }

    /// How long the address is shut out, but for its known pairs. A known pair with a wrong password
    /// gets the answer of the others there, so that it is not told from them.
    pub fn shut(&self, source: Source, now: Time) -> Option<Span> {
        self.sources.locked(&source, now).map(|until| until.since(now))
    }

    fn is_known(&self, pair: &(Name, Source), now: Time) -> bool {
        self.known.get(pair).is_some_and(|last| now.since(*last) < KNOWN)
    }

    /// A wrong password; what it locks.
    pub fn failed(&mut self, name: &Name, source: Source, now: Time) -> Vec<Locked> {
        let pair = (name.clone(), source);
        let lock = |what: String, until: Time| Locked { what, seconds: until.since(now).0 / 1_000_000 };
        if self.is_known(&pair, now) {
            let until = self.pairs.fail(&pair, now);
            return until.map(|until| lock(format!("a name at {source}"), until)).into_iter().collect();
        }
        let address = self.sources.fail(&source, now).map(|until| lock(format!("address {source}"), until));
        let user = self.names.fail(name, now).map(|until| lock("a name".to_owned(), until));
        address.into_iter().chain(user).collect()
    }

    /// The right password, while it was not locked: the pair is known from now on. The address keeps
    /// its failures, else a guesser with one account could begin anew whenever it likes.
    pub fn proven(&mut self, name: &Name, source: Source, now: Time) {
        let pair = (name.clone(), source);
        self.pairs.remove(&pair);
        if let Some(last) = self.known.insert(pair, now) {
            self.known_by_age.remove(&(last, name.clone(), source));
        }
        self.known_by_age.insert((now, name.clone(), source));
        if self.known.len() > PAIRS
            && let Some((_, name, source)) = self.known_by_age.pop_first()
        {
            self.known.remove(&(name, source));
        }
    }

    /// Locks that hold now: all, or those over names of one company.
    pub fn list(&self, now: Time, only: Option<CompanyId>, company: impl Fn(CompanyId) -> String) -> Vec<LockView> {
        let seconds = |until: Time| until.since(now).0.div_ceil(1_000_000);
        let view = |what: &str, source: String, name: String, of: &Failures, until| LockView {
            over: self.over,
            what: what.to_owned(),
            source,
            name,
            ends_in_s: seconds(until),
            locks: of.locks,
        };
        let said = |name: &Name| name.said(company(name.company));
        let wanted = |name: &Name| only.is_none_or(|only| name.company == only);
        let sources = self.sources.locks(now).filter(|_| only.is_none());
        let sources = sources.map(|(k, of, until)| view("source", k.to_string(), String::new(), of, until));
        let names = self.names.locks(now).filter(|(k, _, _)| wanted(k));
        let names = names.map(|(k, of, until)| view("name", String::new(), said(k), of, until));
        let pairs = self.pairs.locks(now).filter(|(k, _, _)| wanted(&k.0));
        let pairs = pairs.map(|(k, of, until)| view("pair", k.1.to_string(), said(&k.0), of, until));
        let mut locks: Vec<LockView> = sources.chain(names).chain(pairs).collect();
        locks.sort_by(|a, b| (&a.what, &a.source, &a.name).cmp(&(&b.what, &b.source, &b.name)));
        locks
    }

    /// Whether any lock holds now.
    pub fn is_idle(&self, now: Time) -> bool {
        self.sources.locks(now).next().is_none()
            && self.names.locks(now).next().is_none()
            && self.pairs.locks(now).next().is_none()
    }

    /// Forgets failures: of one address or name (as [`Lockout::list`] writes them, a name also
    /// without its company), or all. With `of` those over names of that company alone: an address is
    /// no company's. How many keys it forgot.
    pub fn clear(&mut self, only: Option<&str>, of: Option<CompanyId>, company: impl Fn(CompanyId) -> String) -> usize {
        let address = only.and_then(|text| text.trim_end_matches("/64").parse().ok()).map(Source::of);
        let is_source = |source: &Source| only.is_none() || address == Some(*source);
        let is_name = |name: &Name| {
            let whole = || name.said(company(name.company));
            only.is_none_or(|only| only == name.name || only == whole())
        };
        let may = |name: &Name| of.is_none_or(|of| name.company == of);
        self.sources.forget(|source| of.is_none() && is_source(source))
            + self.names.forget(|name| may(name) && is_name(name))
            + self.pairs.forget(|(name, source)| may(name) && (is_name(name) || is_source(source)))
    }
}

/// Where the passwords were wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockOver {
    #[default]
    Sip,
    Http,
    /// By telephone, at a box.
    Voicemail,
}

impl LockOver {
    pub const fn as_str(self) -> &'static str {
        match self {
            LockOver::Sip => "sip",
            LockOver::Http => "http",
            LockOver::Voicemail => "voicemail",
        }
    }
}

/// A lock, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LockView {
    #[serde(default)]
    pub over: LockOver,
    /// `source`, `name` or `pair`; of voicemail `caller` or `box`.
    pub what: String,
    /// Address; empty for a name.
    pub source: String,
    /// `COMPANY/NAME`, of an operator or a reseller the name alone; empty for a source.
    pub name: String,
    pub ends_in_s: u64,
    /// How often it was locked.
    pub locks: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(CompanyId(1), text)
    }

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    fn secs(seconds: u64) -> Span {
        Span::from_secs(seconds)
    }

    fn key(company: CompanyId) -> String {
        format!("c{}", company.0)
    }

    /// Fails until it is locked, and says for how long and after how many failures.
    fn until_locked(lockout: &mut Lockout, name: &Name, source: Source, now: Time) -> (u32, u64) {
        for tries in 1..1_000 {
            lockout.failed(name, source, now);
            if let Some(left) = lockout.locked(name, source, now) {
                return (tries, left.0 / 1_000_000);
            }
        }
        panic!("never locked");
    }

    #[test]
    fn a_source_is_locked_after_ten_failures_and_each_time_for_twice_as_long() {
        let (mut lockout, evil) = (Lockout::new(LockOver::Sip), source("203.0.113.66"));
        let mut now = Time(0);
        let mut lengths = Vec::new();
        for round in 0..9 {
            // A name of its own each time: only the source is the same.
            let (tries, length) = until_locked(&mut lockout, &name(&format!("u{round}")), evil, now);
            assert_eq!(tries, if round == 0 { 10 } else { 3 }, "round {round}");
            lengths.push(length);
            now = now + secs(length);
            assert_eq!(lockout.locked(&name("201"), evil, now), None, "it ends");
        }
        assert_eq!(lengths, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        assert_eq!(lockout.locked(&name("u0"), source("203.0.113.67"), now), None, "its neighbour is not locked");
    }

    #[test]
    fn failures_are_forgotten_after_an_hour_without_one() {
        let (mut lockout, evil) = (Lockout::new(LockOver::Sip), source("203.0.113.66"));
        for _ in 0..9 {
            lockout.failed(&name("201"), evil, Time(0));
        }
        lockout.failed(&name("201"), evil, Time(0) + secs(3_601));
        assert_eq!(lockout.locked(&name("201"), evil, Time(0) + secs(3_601)), None);
    }

    #[test]
    fn a_guesser_with_many_addresses_is_locked_by_name() {
        let mut lockout = Lockout::new(LockOver::Sip);
        for host in 0..20 {
            lockout.failed(&name("201"), source(&format!("203.0.113.{host}")), Time(0));
        }
        assert!(lockout.locked(&name("201"), source("198.51.100.1"), Time(0)).is_some());
        assert_eq!(lockout.locked(&name("202"), source("198.51.100.1"), Time(0)), None);
        assert_eq!(lockout.locked(&Name::new(CompanyId(2), "201"), source("198.51.100.1"), Time(0)), None);
    }

    #[test]
    fn no_outsider_shuts_a_user_out_of_their_known_address() {
        let (mut lockout, home) = (Lockout::new(LockOver::Sip), source("198.51.100.7"));
        lockout.proven(&name("201"), home, Time(0));
        for host in 0..200 {
            lockout.failed(&name("201"), source(&format!("203.0.113.{host}")), Time(0));
        }
        assert_eq!(lockout.locked(&name("201"), home, Time(0)), None);
        assert!(lockout.locked(&name("201"), source("198.51.100.8"), Time(0)).is_some());
        // A phone next door with an old password, behind the same address.
        until_locked(&mut lockout, &name("202"), home, Time(0));
        assert_eq!(lockout.locked(&name("201"), home, Time(0)), None);
    }

    #[test]
    fn at_a_known_address_guessing_is_slow_too_and_touches_nobody_else() {
        let (mut lockout, home) = (Lockout::new(LockOver::Sip), source("198.51.100.7"));
        for user in ["201", "202"] {
            lockout.proven(&name(user), home, Time(0));
        }
        assert_eq!(until_locked(&mut lockout, &name("201"), home, Time(0)), (10, 10));
        assert_eq!(lockout.locked(&name("202"), home, Time(0)), None);
        assert_eq!(lockout.locked(&name("203"), home, Time(0)), None, "nor a phone that is new there");
        let mut now = Time(0);
        for _ in 0..10 {
            now = now + secs(300);
            until_locked(&mut lockout, &name("201"), home, now);
        }
        assert_eq!(lockout.locked(&name("201"), home, now), Some(secs(300)), "five minutes at most");
    }

    #[test]
    fn the_right_password_does_not_let_a_guesser_begin_anew() {
        let (mut lockout, evil) = (Lockout::new(LockOver::Sip), source("203.0.113.66"));
        for _ in 0..9 {
            lockout.failed(&name("201"), evil, Time(0));
        }
        lockout.proven(&name("own"), evil, Time(0));
        lockout.failed(&name("201"), evil, Time(0));
        assert!(lockout.locked(&name("201"), evil, Time(0)).is_some());
    }

    #[test]
    fn names_that_do_not_exist_are_locked_like_others_and_memory_is_bounded() {
        let mut lockout = Lockout::new(LockOver::Sip);
        for at in 0..CAPACITY as u64 + 100 {
            let evil = Source::of(IpAddr::V6(Ipv6Addr::from_bits(u128::from(at) << 64)));
            lockout.failed(&name(&format!("nobody-{at}")), evil, Time(at));
        }
        assert_eq!((lockout.sources.entries.len(), lockout.names.entries.len()), (CAPACITY, CAPACITY));
        assert_eq!((lockout.sources.by_age.len(), lockout.names.by_age.len()), (CAPACITY, CAPACITY));
        for at in 0..PAIRS as u64 + 10 {
            lockout.proven(&name(&format!("{at}")), source("198.51.100.7"), Time(at));
        }
        assert_eq!((lockout.known.len(), lockout.known_by_age.len()), (PAIRS, PAIRS));
        assert_eq!(name(&"x".repeat(9_999)), name(&"x".repeat(64)));
    }

    #[test]
    fn of_a_company_its_names_alone_are_listed_and_forgotten() {
        let mut lockout = Lockout::new(LockOver::Http);
        let (own, other) = (CompanyId(1), CompanyId(2));
        let home = source("198.51.100.7");
        let (known, theirs) = (Name::new(own, "201"), Name::new(other, "201"));
        let staff = Name::new(CompanyId(0), "root");
        let unnamed = |id: CompanyId| if id.0 == 0 { String::new() } else { key(id) };
        for name in [&known, &theirs, &staff] {
            lockout.proven(name, home, Time(0));
            until_locked(&mut lockout, name, home, Time(0));
        }
        until_locked(&mut lockout, &Name::new(own, "202"), source("203.0.113.9"), Time(0));
        let listed = |lockout: &Lockout, of| -> Vec<String> {
            let locks = lockout.list(Time(0), of, unnamed);
            assert!(locks.iter().all(|lock| lock.over == LockOver::Http));
            locks.into_iter().map(|lock| format!("{} {}{}", lock.what, lock.source, lock.name)).collect()
        };
        let [first, second] = ["pair 198.51.100.7c1/201", "pair 198.51.100.7c2/201"];
        let rest = ["pair 198.51.100.7root", "source 203.0.113.9"];
        assert_eq!(listed(&lockout, None), [&[first, second], &rest[..]].concat());
        assert_eq!(
            (listed(&lockout, Some(own)), listed(&lockout, Some(other))),
            (vec![first.into()], vec![second.into()])
        );
        for nothing in ["c1/201", "root", "203.0.113.9", "nobody"] {
            assert_eq!(lockout.clear(Some(nothing), Some(other), unnamed), 0, "{nothing} is not theirs");
        }
        assert_eq!(lockout.clear(Some("198.51.100.7"), Some(other), unnamed), 1, "at an address what is theirs");
        assert_eq!(listed(&lockout, None), [&[first], &rest[..]].concat());
        assert_eq!(lockout.clear(Some("root"), None, unnamed), 1);
        assert_eq!(lockout.clear(None, Some(own), unnamed), 2, "the lock, and the failures of 202");
        assert_eq!(listed(&lockout, None), ["source 203.0.113.9"]);
        assert!(!lockout.is_idle(Time(0)) && lockout.is_idle(Time(0) + secs(30)));
        assert_eq!(lockout.clear(None, None, unnamed), 1);
    }

    #[test]
    fn an_ipv6_network_of_one_customer_is_one_source() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn locks_are_listed_and_cleared() {
        let (mut lockout, evil, home) = (Lockout::new(LockOver::Sip), source("203.0.113.66"), source("198.51.100.7"));
        lockout.proven(&name("202"), home, Time(0));
        until_locked(&mut lockout, &name("202"), home, Time(0));
        for _ in 0..20 {
            lockout.failed(&name("201"), evil, Time(0));
        }
        let shown: Vec<_> =
            lockout.list(Time(0), None, key).into_iter().map(|lock| (lock.what, lock.source, lock.name)).collect();
        let row = |what: &str, source: &str, name: &str| (what.to_owned(), source.to_owned(), name.to_owned());
        assert_eq!(
            shown,
            [row("name", "", "c1/201"), row("pair", "198.51.100.7", "c1/202"), row("source", "203.0.113.66", "")]
        );
        assert_eq!(lockout.clear(Some("203.0.113.66"), None, key), 1);
        assert_eq!(lockout.clear(Some("c1/202"), None, key), 1);
        assert_eq!(lockout.clear(Some("999"), None, key), 0);
        assert_eq!(lockout.clear(None, None, key), 1, "the name 201 is left");
        assert_eq!(lockout.list(Time(0), None, key), []);
    }
}
