//! Lists of calls by the rules of access: a [`Scope`] and a filter as SQL.
//!
//! ```text
//! Scope + CallFilter ─► sets of calls, each read from an index in the order of time ─► merged: a page
//! ```
//! A scope is made of a few sets (those of a party, those over a number, …). Direction, recorded and
//! missed are one value, the *kind*, that every index has: a filter by them makes sets of fewer kinds,
//! not a search. So a page costs what the page costs, however long the history is. What no index of a
//! set can answer (a text that few have, what somebody has heard) is read from its own index, and the
//! rules are asked of each call found: [`push_scope`].

use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, Direction, NumberId, Span, UserId, Wall};
use crate::subscription::{Scope, Subscribed};
use sqlx::{QueryBuilder, Sqlite};

/// Which calls of those that are seen; `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Older than this one: for the next page.
    pub before: Option<CallId>,
    /// Begun at this moment or later.
    pub from: Option<Wall>,
    /// Begun before this moment.
    pub until: Option<Wall>,
    pub direction: Option<Direction>,
    /// Over one of these numbers; empty: over none, so there is no such call.
    pub numbers: Option<Vec<NumberId>>,
    /// A party of it.
    pub user: Option<UserId>,
    pub recorded: Option<bool>,
    /// Ended without an answer, or not.
    pub missed: Option<bool>,
    /// With a recording that this user has listened to (`true`), or with none that they have.
    pub heard: Option<(UserId, bool)>,
    /// With this outside number, E.164.
    pub contact: Option<String>,
    /// Part of a party's name or address.
    pub text: Option<String>,
}

/// Sets that one statement is made of: SQLite takes 500.
const MOST_SETS: usize = 300;
/// A call that lasts longer than this is not looked for among those of before a subscription.
const LONGEST: Span = Span::from_secs(86_400);
/// Calls with a text that are looked at one by one; a text that more have is met soon in any set.
const FEW: i64 = 5_000;
/// As [`crate::ledger::CallRecord::is_missed`], and the condition of the index of missed calls.
pub(super) const MISSED: &str = "c.answered IS NULL AND c.ended IS NOT NULL AND c.direction <> 'outbound'";

/// Kinds of calls, a bit each: `calls.kind` is direction (0, 4, 8), recorded (1) and missed (2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds(u16);

impl Kinds {
    const EVERY: Kinds = Kinds(0x0fff);
    const RECORDED: Kinds = Kinds(0b1010_1010_1010);
    const MISSED: Kinds = Kinds(0b1100_1100_1100);

    const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 & other.0)
    }

    const fn not(self) -> Kinds {
        Kinds(!self.0 & Kinds::EVERY.0)
    }

    fn of(filter: &CallFilter) -> Self {
        let direction = match filter.direction {
            None => Kinds::EVERY,
            Some(Direction::Inbound) => Kinds(0x00f),
            Some(Direction::Outbound) => Kinds(0x0f0),
            Some(Direction::Internal) => Kinds(0xf00),
        };
        let either = |wanted: Option<bool>, kinds: Kinds| match wanted {
            None => Kinds::EVERY,
            Some(true) => kinds,
            Some(false) => kinds.not(),
        };
        direction.and(either(filter.recorded, Kinds::RECORDED)).and(either(filter.missed, Kinds::MISSED))
    }

    fn each(self) -> impl Iterator<Item = i64> {
        (0..12).filter(move |kind| self.0 >> kind & 1 == 1)
    }
}

/// Calls that an index has in the order of time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Base {
    Company,
    Number(NumberId),
    Party(UserId),
    PartyOver(UserId, NumberId),
    /// With a recording that the user has listened to.
    Heard(UserId),
    /// With the outside number of the filter.
    Contact,
    /// With the text of the filter; few.
    Text,
}

/// A set of calls: those of `base` that are of these kinds, and ended within the interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Set {
    base: Base,
    kinds: Kinds,
    interval: Option<Subscribed>,
}

impl Set {
    const fn of(base: Base, kinds: Kinds) -> Self {
        Set { base, kinds, interval: None }
    }

    /// The column of its index that is in the order of time.
    const fn id(self) -> &'static str {
        match self.base {
            Base::Party(_) | Base::PartyOver(..) => "u.call_id",
            Base::Heard(_) => "h.call_id",
            Base::Contact => "k.call_id",
            Base::Text => "t.call_id",
            Base::Company | Base::Number(_) => "c.id",
        }
    }
}

/// The index that a list is read from, where it is none of the scope's.
pub(super) enum Drive {
    Scope,
    /// Few calls have the text: trigrams that they all have.
    Text(String),
}

impl Drive {
    /// Looks how many calls have the text of the filter.
    pub(super) async fn choose(store: &Store, filter: &CallFilter) -> Result<Self, StoreError> {
        if filter.contact.is_some() {
            return Ok(Drive::Scope);
        }
        let Some(grams) = filter.text.as_deref().and_then(trigrams) else { return Ok(Drive::Scope) };
        let query = sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT rowid FROM call_search WHERE call_search MATCH $1 LIMIT $2) AS found",
        );
        let found: i64 = query.bind(&grams).bind(FEW).fetch_one(&store.readers).await?;
        Ok(if found < FEW { Drive::Text(grams) } else { Drive::Scope })
    }
}

/// What the index of texts is asked for: the last few runs of three characters, since numbers differ
/// in their ends. `None` for a text that is shorter than that.
pub(super) fn trigrams(text: &str) -> Option<String> {
    const MOST: usize = 3;
    let characters: Vec<char> = text.chars().collect();
    let mut grams: Vec<String> = Vec::new();
    for three in characters.windows(3).rev() {
        let gram: String = three.iter().collect();
        // What a C string would end at, and what is no whole character, the index does not know.
        if gram.contains('\0') {
            return None;
        }
        let quoted = format!("\"{}\"", gram.replace('"', "\"\""));
        if !grams.contains(&quoted) {
            grams.push(quoted);
        }
        if grams.len() == MOST {
            break;
        }
    }
    (!grams.is_empty()).then(|| grams.join(" AND "))
}

/// A pattern of LIKE for a text within another one.
pub(super) fn within(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// What [`within`] finds: the text somewhere, letters of ASCII in either case.
pub(super) fn has(of: &str, text: &str) -> bool {
    of.to_ascii_lowercase().contains(&text.to_ascii_lowercase())
}

/// Sets, and whether the rules have to be asked of each call in them.
struct Plan {
    sets: Vec<Set>,
    ask: bool,
}

impl Plan {
    fn of(scope: &Scope, filter: &CallFilter, drive: &Drive) -> Self {
        let kinds = Kinds::of(filter);
        let asked = scope.all.is_none();
        let alone = |base| Plan { sets: vec![Set::of(base, kinds)], ask: asked };
        match (drive, &filter.contact, filter.heard) {
            (_, Some(_), _) => return alone(Base::Contact),
            (Drive::Text(_), None, _) => return alone(Base::Text),
            (Drive::Scope, None, Some((user, true))) => return alone(Base::Heard(user)),
            (Drive::Scope, None, Some((_, false)) | None) => {}
        }
        let whole = Self::of_company(filter, kinds);
        let sets = if asked { Self::of_scope(scope, filter, kinds) } else { whole.clone() };
        match (sets.len() > MOST_SETS, filter.user) {
            (false, _) => Plan { sets, ask: false },
            // Very many: what is less is read, call by call.
            (true, Some(user)) => Plan { sets: vec![Set::of(Base::Party(user), kinds)], ask: asked },
            (true, None) if whole.len() <= MOST_SETS => Plan { sets: whole, ask: asked },
            (true, None) => Plan { sets: vec![Set::of(Base::Company, kinds)], ask: asked },
        }
    }

    /// All calls of the company that the filter is about.
    fn of_company(filter: &CallFilter, kinds: Kinds) -> Vec<Set> {
        let bases: Vec<Base> = match (filter.user, &filter.numbers) {
            (Some(user), None) => vec![Base::Party(user)],
            (Some(user), Some(numbers)) => numbers.iter().map(|number| Base::PartyOver(user, *number)).collect(),
            (None, Some(numbers)) => numbers.iter().copied().map(Base::Number).collect(),
            (None, None) => vec![Base::Company],
        };
        bases.into_iter().map(|base| Set::of(base, kinds)).collect()
    }

    /// What the viewer sees, and the filter is about.
    fn of_scope(scope: &Scope, filter: &CallFilter, kinds: Kinds) -> Vec<Set> {
        let wanted = |number: &NumberId| filter.numbers.as_ref().is_none_or(|numbers| numbers.contains(number));
        let over = |number: NumberId| match filter.user {
            Some(user) => Base::PartyOver(user, number),
            None => Base::Number(number),
        };
        let party: Vec<Base> = match (scope.user, &filter.numbers) {
            (None, _) => Vec::new(),
            (Some(user), None) => vec![Base::Party(user)],
            (Some(user), Some(numbers)) => numbers.iter().map(|number| Base::PartyOver(user, *number)).collect(),
        };
        let party = party.into_iter().map(|base| Set::of(base, kinds));
        let numbers = scope.numbers.keys().filter(|number| wanted(number));
        let numbers = numbers.map(|number| Set::of(over(*number), kinds));
        let missed = scope.missed.keys().filter(|number| wanted(number));
        let missed = missed.map(|number| Set::of(over(*number), kinds.and(Kinds::MISSED)));
        let subscribed = scope.subscribed.iter().filter(|one| wanted(&one.number));
        let subscribed = subscribed.map(|one| {
            let kinds = kinds.and(Kinds::RECORDED);
            Set { base: over(one.number), kinds, interval: Some(*one) }
        });
        party.chain(numbers).chain(missed).chain(subscribed).collect()
    }
}

/// The statement of a page; `None` where nothing can be in it.
pub(super) fn page(scope: &Scope, filter: &CallFilter, drive: &Drive, limit: u32) -> Option<QueryBuilder<Sqlite>> {
    let Plan { sets, ask } = Plan::of(scope, filter, drive);
    let sets: Vec<(Set, Option<i64>)> = sets.into_iter().flat_map(by_kind).collect();
    if sets.is_empty() {
        return None;
    }
    let mut query = QueryBuilder::new("SELECT * FROM calls WHERE id IN (");
    for (at, (set, kind)) in sets.into_iter().enumerate() {
        query.push(if at == 0 { "SELECT id FROM (" } else { ") UNION SELECT id FROM (" });
        push_set(&mut query, set, kind, scope.company, (drive, filter));
        if ask {
            query.push(" AND ");
            push_scope(&mut query, scope);
        }
        push_filter(&mut query, filter, set.id());
        query.push(" ORDER BY ").push(set.id()).push(" DESC LIMIT ").push_bind(limit);
    }
    query.push(") ORDER BY id DESC LIMIT ").push_bind(limit).push(") ORDER BY id DESC");
    Some(query)
}

/// The calls that `scope` sees and `filter` lets through, as a condition on a call `c` of the company; all of
/// them, so the filter should have a range of time.
pub(super) fn push_seen(query: &mut QueryBuilder<Sqlite>, scope: &Scope, filter: &CallFilter) {
    let Plan { sets, ask } = Plan::of(scope, filter, &Drive::Scope);
    if ask {
        return push_scope(query, scope);
    }
    query.push("c.id IN (SELECT NULL WHERE FALSE");
    for (set, kind) in sets.into_iter().flat_map(by_kind) {
        query.push(" UNION SELECT id FROM (");
        push_set(query, set, kind, scope.company, (&Drive::Scope, filter));
        push_filter(query, filter, set.id());
        query.push(")");
    }
    query.push(")");
}

/// A set for each of its kinds, since an index is in the order of time for one of them; one set where
/// there is an index for all of them together, or where they are few anyway.
fn by_kind(set: Set) -> Vec<(Set, Option<i64>)> {
    let together = match set.base {
        Base::Company | Base::Party(_) => set.kinds == Kinds::EVERY,
        Base::Number(_) => [Kinds::EVERY, Kinds::RECORDED, Kinds::MISSED].contains(&set.kinds),
        Base::PartyOver(..) | Base::Heard(_) | Base::Contact | Base::Text => true,
    };
    match (set.kinds.0, together) {
        (0, _) => Vec::new(),
        (_, true) => vec![(set, None)],
        (_, false) => set.kinds.each().map(|kind| (set, Some(kind))).collect(),
    }
}

/// The calls of a set. `+ 0` makes a condition that is no invitation to read another index.
fn push_set(
    query: &mut QueryBuilder<Sqlite>,
    set: Set,
    kind: Option<i64>,
    company: CompanyId,
    (drive, filter): (&Drive, &CallFilter),
) {
    const PARTY: &str = "SELECT u.call_id AS id FROM call_users AS u CROSS JOIN calls AS c WHERE c.id = u.call_id";
    let of_company = |query: &mut QueryBuilder<Sqlite>| {
        query.push(" AND c.company_id + 0 = ").push_bind(company.0);
    };
    let mut column = "c.kind";
    match set.base {
        Base::Company => {
            query.push("SELECT c.id AS id FROM calls AS c WHERE c.company_id = ").push_bind(company.0);
        }
        Base::Number(number) => {
            query.push("SELECT c.id AS id FROM calls AS c WHERE c.number_id = ").push_bind(number.0);
            of_company(query);
        }
        Base::Party(user) => {
            query.push(PARTY).push(" AND u.user_id = ").push_bind(user.0);
            of_company(query);
            column = "u.kind";
        }
        Base::PartyOver(user, number) => {
            query.push(PARTY).push(" AND u.user_id = ").push_bind(user.0);
            query.push(" AND u.number_id = ").push_bind(number.0);
            of_company(query);
            column = "u.kind";
        }
        Base::Heard(user) => {
            query.push("SELECT DISTINCT h.call_id AS id FROM heard AS h CROSS JOIN calls AS c WHERE c.id = h.call_id");
            query.push(" AND h.user_id = ").push_bind(user.0);
            of_company(query);
        }
        Base::Contact => {
            query.push("SELECT k.call_id AS id FROM call_contacts AS k CROSS JOIN calls AS c WHERE c.id = k.call_id");
            query.push(" AND k.company_id = ").push_bind(company.0);
            query.push(" AND k.e164 = ").push_bind(filter.contact.clone().unwrap_or_default());
        }
        Base::Text => {
            query.push(
                "SELECT t.call_id AS id FROM call_search AS s CROSS JOIN call_texts AS t CROSS JOIN calls AS c
                 WHERE t.seq = s.rowid AND c.id = t.call_id AND s.call_search MATCH ",
            );
            if let Drive::Text(grams) = drive {
                query.push_bind(grams.clone());
            }
            of_company(query);
        }
    }
    push_kinds(query, column, set, kind);
    if let Some(interval) = set.interval {
        push_interval(query, interval, set.id());
    }
}

fn push_kinds(query: &mut QueryBuilder<Sqlite>, column: &str, set: Set, kind: Option<i64>) {
    let is_number = matches!(set.base, Base::Number(_));
    match (kind, set.kinds) {
        (Some(kind), _) => drop(query.push(" AND ").push(column).push(" = ").push_bind(kind)),
        (None, Kinds::EVERY) => {}
        (None, Kinds::RECORDED) if is_number => drop(query.push(" AND c.recorded")),
        (None, Kinds::MISSED) if is_number => drop(query.push(" AND ").push(MISSED)),
        (None, kinds) => {
            let list = serde_json::json!(kinds.each().collect::<Vec<_>>()).to_string();
            query.push(" AND ").push(column).push(" + 0 IN (SELECT value FROM json_each(").push_bind(list).push("))");
        }
    }
}

fn push_interval(query: &mut QueryBuilder<Sqlite>, interval: Subscribed, id: &str) {
    let Subscribed { number: _, from, until } = interval;
    query.push(" AND c.ended >= ").push_bind(from.unix_micros());
    // Ids begin with the time at which the call began: what is far from the interval is not read.
    query.push(" AND ").push(id).push(" >= ").push_bind(CallId::first_of(from.minus(LONGEST)).to_string());
    if let Some(until) = until {
        query.push(" AND c.ended < ").push_bind(until.unix_micros());
        query.push(" AND ").push(id).push(" <= ").push_bind(CallId::last_of(until).to_string());
    }
}

/// [`Scope::visible`] of a call `c`, company apart.
pub(super) fn push_scope(query: &mut QueryBuilder<Sqlite>, scope: &Scope) {
    let Scope { company: _, user, all, numbers, missed, subscribed, play: _, download: _, names: _ } = scope;
    if all.is_some() {
        query.push("TRUE");
        return;
    }
    let list = |numbers: Vec<NumberId>| serde_json::json!(numbers).to_string();
    query.push("(FALSE");
    if let Some(user) = user {
        query.push(" OR EXISTS (SELECT 1 FROM call_users AS v WHERE v.call_id = c.id AND v.user_id = ");
        query.push_bind(user.0).push(")");
    }
    if !numbers.is_empty() {
        query.push(" OR c.number_id IN (SELECT value FROM json_each(");
        query.push_bind(list(numbers.keys().copied().collect())).push("))");
    }
    if !missed.is_empty() {
        query.push(" OR (").push(MISSED).push(" AND c.number_id IN (SELECT value FROM json_each(");
        query.push_bind(list(missed.keys().copied().collect())).push(")))");
    }
    if !subscribed.is_empty() {
        let intervals = subscribed.iter().map(|Subscribed { number, from, until }| {
            serde_json::json!([number, from.unix_micros(), until.map(Wall::unix_micros)])
        });
        query.push(" OR (c.recorded AND EXISTS (SELECT 1 FROM json_each(");
        query.push_bind(serde_json::Value::from_iter(intervals).to_string());
        query.push(
            ") AS i WHERE json_extract(i.value, '$[0]') = c.number_id AND c.ended >= json_extract(i.value, '$[1]')
             AND c.ended < COALESCE(json_extract(i.value, '$[2]'), 9223372036854775807)))",
        );
    }
    query.push(")");
}

/// What is left of a filter. `id` is the column that the set is read in the order of.
fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &CallFilter, id: &str) {
    // Direction, recorded and missed are kinds.
    let CallFilter { before, from, until, direction: _, numbers, user, recorded: _, missed: _, heard, contact, text } =
        filter;
    // Ids begin with the time at which the call began.
    if let Some(before) = before {
        query.push(" AND ").push(id).push(" < ").push_bind(before.to_string());
    }
    // `+ 0`: the index in the order of `started` is for figures, which have no order.
    if let Some(from) = from {
        query.push(" AND c.started + 0 >= ").push_bind(from.unix_micros());
        query.push(" AND ").push(id).push(" >= ").push_bind(CallId::first_of(*from).to_string());
    }
    if let Some(until) = until {
        query.push(" AND c.started + 0 < ").push_bind(until.unix_micros());
        query.push(" AND ").push(id).push(" <= ").push_bind(CallId::last_of(*until).to_string());
    }
    if let Some(numbers) = numbers {
        let list = serde_json::json!(numbers).to_string();
        query.push(" AND c.number_id + 0 IN (SELECT value FROM json_each(").push_bind(list).push("))");
    }
    if let Some(user) = user {
        query.push(" AND EXISTS (SELECT 1 FROM call_users AS p WHERE p.call_id = c.id AND p.user_id = ");
        query.push_bind(user.0).push(")");
    }
    if let Some((user, heard)) = heard {
        query.push(if *heard { " AND EXISTS" } else { " AND NOT EXISTS" });
        query.push(" (SELECT 1 FROM heard AS o WHERE o.call_id = ").push(id).push(" AND o.user_id = ");
        query.push_bind(user.0).push(")");
    }
    if let Some(contact) = contact {
        query.push(" AND EXISTS (SELECT 1 FROM call_contacts AS w WHERE w.call_id = c.id AND w.e164 = ");
        query.push_bind(contact.clone()).push(")");
    }
    if let Some(text) = text {
        let pattern = within(text);
        query.push(" AND (FALSE");
        for column in ["caller_address", "caller_name", "callee_address", "callee_name"] {
            query.push(" OR c.").push(column).push(" LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
        }
        query.push(")");
    }
}
