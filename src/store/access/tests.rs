use super::*;
use crate::base::{Direction, Span};
use crate::base::{Random, Seeded};
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;
use crate::directory::{Directory, User};
use crate::ledger::{Because, Decision, Joined, JoinedBy, Outcome, Party};
use crate::store::lists::{Drive, page};
use crate::subscription::Rights;
use std::fmt::Write;

const USERS: i64 = 8;
const NUMBERS: i64 = 6;

pub struct Dice(pub Seeded);

impl Dice {
    /// 0 to `below` - 1.
    pub fn roll(&mut self, below: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % below
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }

    pub fn some<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(2) == 0).then(|| value(self))
    }
}

/// Two companies with the same shape: users in two groups and two inboxes, numbers routed anyhow.
pub fn generated(dice: &mut Dice) -> Directory {
    let levels = ["own_and_missed", "group_calls", "group_and_number_calls", "all"];
    let mut text = String::new();
    for company in ["acme", "other"] {
        let (level, play) = (dice.pick(&levels), dice.pick(&["all", "own", "none"]));
        writeln!(text, "[[company]]\nkey = \"{company}\"\ndomains = [\"{company}.example\"]").unwrap();
        writeln!(text, "[company.settings]\ncall_visibility = \"{level}\"\nplay = \"{play}\"").unwrap();
        for user in 0..USERS {
            let role = dice.pick(&["admin", "supervisor", "analyst", "agent", "agent", "agent"]);
            writeln!(text, "[[user]]\ncompany = \"{company}\"\nextension = \"20{user}\"\nrole = \"{role}\"").unwrap();
            writeln!(text, "password = \"first-secret\"").unwrap();
            if let Some(level) = dice.some(|dice| dice.pick(&levels)) {
                writeln!(text, "call_visibility = \"{level}\"").unwrap();
            }
        }
        for (kind, name) in [("group", "g0"), ("group", "g1"), ("inbox", "i0"), ("inbox", "i1")] {
            let members: Vec<String> =
                (0..USERS).filter(|_| dice.roll(3) == 0).map(|user| format!("\"20{user}\"")).collect();
            writeln!(text, "[[{kind}]]\ncompany = \"{company}\"\nname = \"{name}\"").unwrap();
            writeln!(text, "members = [{}]", members.join(", ")).unwrap();
            if kind == "inbox" {
                let number = if name == "i0" { 0 } else { 1 };
                writeln!(text, "numbers = [\"{}\"]", e164(company, number)).unwrap();
            }
        }
        for number in 0..NUMBERS {
            let route = dice.pick(&["unrouted", "user:200", "user:201", "group:g0", "group:g1", "inbox:i0"]);
            let e164 = e164(company, number);
            writeln!(text, "[[number]]\ncompany = \"{company}\"\nnumber = \"{e164}\"\nroute = \"{route}\"").unwrap();
        }
    }
    standalone(&CompanyFile::parse(&text).unwrap()).unwrap()
}

fn e164(company: &str, number: i64) -> String {
    format!("+1555{}{number}", if company == "acme" { "0100" } else { "0200" })
}

pub fn at(seconds: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
}

fn party(user: Option<UserId>) -> Party {
    let address = user.map_or("+4930555".to_owned(), |user| format!("20{user}"));
    let name = if user.is_none() { "Äpfel & Birnen" } else { "" };
    Party { user, address, name: name.to_owned() }
}

/// A call of some company, of anybody, over any number, begun within the first 1,000 s.
pub fn some_call(directory: &Directory, dice: &mut Dice) -> CallRecord {
    let companies: Vec<CompanyId> = directory.companies().map(|company| company.id).collect();
    let company = dice.pick(&companies);
    let users: Vec<UserId> = directory.users_of(company).map(|user| user.id).collect();
    let numbers: Vec<NumberId> = directory.numbers_of(company).map(|number| number.id).collect();
    let started = at(dice.roll(1_000));
    let mut ten = [0; 10];
    dice.0.fill(&mut ten);
    let answered = dice.some(|_| started.plus(Span::from_secs(5)));
    let ended = (dice.roll(10) > 0).then(|| started.plus(Span::from_secs(60)));
    let because = Because::AgentCommand;
    let joined = dice.some(|dice| Joined {
        at: started,
        offset_ms: 0,
        side: crate::base::Side::Caller,
        party: party(dice.some(|dice| dice.pick(&users))),
        codec: String::new(),
        how: JoinedBy::BlindTransfer,
        instead_of: party(None),
        from_call: None,
    });
    CallRecord {
        id: CallId::new(started, ten),
        company,
        direction: dice.pick(&[Direction::Inbound, Direction::Outbound, Direction::Internal]),
        caller: party(dice.some(|dice| dice.pick(&users))),
        callee: party(dice.some(|dice| dice.pick(&users))),
        number: dice.some(|dice| dice.pick(&numbers)),
        started,
        answered,
        ended,
        outcome: Outcome::Completed,
        end_reason: None,
        decision: Decision { record: true, because },
        changes: Vec::new(),
        joined: joined.into_iter().collect(),
        ended_paused: false,
    }
}

fn some_filter(directory: &Directory, company: CompanyId, dice: &mut Dice) -> CallFilter {
    let users: Vec<UserId> = directory.users_of(company).map(|user| user.id).collect();
    let numbers: Vec<NumberId> = directory.numbers_of(company).map(|number| number.id).collect();
    CallFilter {
        before: None,
        from: dice.some(|dice| at(dice.roll(500))),
        until: dice.some(|dice| at(500 + dice.roll(500))),
        direction: dice.some(|dice| dice.pick(&[Direction::Inbound, Direction::Outbound])),
        numbers: dice.some(|dice| vec![dice.pick(&numbers), dice.pick(&numbers)]),
        user: dice.some(|dice| dice.pick(&users)),
        recorded: dice.some(|dice| dice.roll(2) == 0),
        missed: dice.some(|dice| dice.roll(2) == 0),
        heard: dice.some(|dice| (dice.pick(&users), dice.roll(2) == 0)).filter(|_| dice.roll(2) == 0),
        contact: (dice.roll(4) == 0).then(|| "+4930555".to_owned()),
        text: dice.some(|dice| dice.pick(&["20", "49", "+4930", "30555", "205", "%", "Äpf", "nobody"]).to_owned()),
    }
}

/// Who has listened to what, of the calls that were recorded.
fn has_heard(user: UserId, call: &CallRecord, recorded: bool) -> bool {
    recorded && (call.started.unix_micros() / 1_000_000 + user.0) % 2 == 0
}

/// The only outside number is a party of it, on the outside.
fn is_outside(call: &CallRecord) -> bool {
    let first = match call.direction {
        Direction::Inbound => call.caller.user.is_none(),
        Direction::Outbound => call.callee.user.is_none(),
        Direction::Internal => false,
    };
    first || call.joined.iter().any(|joined| joined.party.user.is_none())
}

/// What a filter says, read one call at a time.
fn lets_through(filter: &CallFilter, call: &CallRecord, recorded: bool) -> bool {
    let has = |party: &Party, text: &String| party.address.contains(text) || party.name.contains(text);
    let text = |text: &String| [&call.caller, &call.callee].into_iter().any(|party| has(party, text));
    filter.from.is_none_or(|from| call.started >= from)
        && filter.until.is_none_or(|until| call.started < until)
        && filter.direction.is_none_or(|direction| call.direction == direction)
        && filter.numbers.as_ref().is_none_or(|numbers| call.number.is_some_and(|number| numbers.contains(&number)))
        && filter.user.is_none_or(|user| call.users().contains(&user))
        && filter.recorded.is_none_or(|wanted| recorded == wanted)
        && filter.missed.is_none_or(|missed| call.is_missed() == missed)
        && filter.contact.as_ref().is_none_or(|_| is_outside(call))
        && filter.heard.is_none_or(|(user, heard)| has_heard(user, call, recorded) == heard)
        && filter.text.as_ref().is_none_or(text)
}

pub fn some_subscriptions(directory: &Directory, user: &User, dice: &mut Dice) -> Vec<Subscribed> {
    let numbers: Vec<NumberId> = directory.numbers_of(user.company).map(|number| number.id).collect();
    let interval = |dice: &mut Dice| Subscribed {
        number: dice.pick(&numbers),
        from: at(dice.roll(500)),
        until: dice.some(|dice| at(500 + dice.roll(500))),
    };
    (0..dice.roll(3)).map(|_| interval(dice)).collect()
}

pub async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("t.db")).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn a_list_is_what_the_rules_say_of_each_call() {
    for seed in 0..12 {
        let mut dice = Dice(Seeded(seed));
        let directory = generated(&mut dice);
        let (_folder, store) = store().await;
        let mut calls: Vec<CallRecord> = (0..120).map(|_| some_call(&directory, &mut dice)).collect();
        store.save_calls(&calls).await.unwrap();
        sqlx::raw_sql(
            "UPDATE calls SET recorded = answered IS NOT NULL AND (CAST(started / 1000000 AS INTEGER) % 3 > 0)",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        sqlx::raw_sql(
            "INSERT INTO heard (recording_id, user_id, played, call_id)
             SELECT calls.id, users.id, 0, calls.id FROM calls, (WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 16) SELECT id FROM n) AS users
             WHERE recorded AND (CAST(started / 1000000 AS INTEGER) + users.id) % 2 = 0",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        let recorded = |call: &CallRecord| call.answered.is_some() && (call.started.unix_micros() / 1_000_000) % 3 > 0;
        calls.sort_by_key(|call| std::cmp::Reverse(call.id));
        for company in directory.companies() {
            for user in directory.users_of(company.id) {
                let subscribed = some_subscriptions(&directory, user, &mut dice);
                let scope = Scope::of(&directory, company, user, subscribed.clone());
                let analytics = Scope::in_analytics(&directory, company, user, subscribed);
                for scope in [&scope, &scope.playing(), &analytics] {
                    let filters = [CallFilter::default(), some_filter(&directory, company.id, &mut dice)];
                    for filter in filters {
                        let expected: Vec<CallId> = calls
                            .iter()
                            .filter(|call| scope.visible(&facts(call, recorded(call))).is_some())
                            .filter(|call| lets_through(&filter, call, recorded(call)))
                            .map(|call| call.id)
                            .collect();
                        let listed = store.visible_calls(scope, &filter, 1_000).await.unwrap();
                        let listed: Vec<CallId> = listed.iter().map(|call| call.id).collect();
                        let rights = Rights::of(company, user);
                        assert_eq!(listed, expected, "seed {seed}, user {}, {rights:?}, {filter:?}", user.id);
                        // Read without the index of texts it is the same list.
                        if let Some(mut query) = page(scope, &filter, &Drive::Scope, 1_000) {
                            let rows = query.build().fetch_all(&store.readers).await.unwrap();
                            let scanned: Vec<CallId> = rows.iter().map(|row| call(row).unwrap().id).collect();
                            assert_eq!(scanned, expected, "seed {seed}, {filter:?}");
                        } else {
                            assert_eq!(expected, []);
                        }
                        // Page by page it is the same list.
                        let mut paged = Vec::new();
                        let mut next = filter.clone();
                        loop {
                            let page = store.visible_calls(scope, &next, 7).await.unwrap();
                            next.before = page.last().map(|call| call.id);
                            paged.extend(page.iter().map(|call| call.id));
                            if page.len() < 7 {
                                break;
                            }
                        }
                        assert_eq!(paged, expected, "seed {seed}, in pages");
                    }
                }
            }
        }
    }
}

/// Close together lately and far apart before: the stretches that are searched for a text end in each of both.
#[tokio::test]
async fn a_text_that_many_have_is_found_however_far_apart_the_calls_are() {
    let mut dice = Dice(Seeded(41));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let company = directory.companies().next().unwrap();
    let user = directory.users_of(company.id).next().unwrap();
    let number = directory.numbers_of(company.id).next().unwrap().id;
    let mut calls: Vec<CallRecord> = Vec::new();
    for place in 0..900u64 {
        let mut call = some_call(&directory, &mut dice);
        let started = if place < 600 { at(20_000 + place) } else { at(dice.roll(20_000)) };
        let mut ten = [0; 10];
        dice.0.fill(&mut ten);
        (call.id, call.started, call.answered) = (CallId::new(started, ten), started, Some(started));
        (call.company, call.number, call.joined) = (company.id, Some(number), Vec::new());
        call.caller.name = if dice.roll(20) == 0 { "Zo".to_owned() } else { String::new() };
        calls.push(call);
    }
    store.save_calls(&calls).await.unwrap();
    calls.sort_by_key(|call| std::cmp::Reverse(call.id));
    let mut scope = Scope::of(&directory, company, user, Vec::new());
    (scope.all, scope.missed) = (None, Default::default());
    scope.numbers = [(number, crate::subscription::Reason::OwnNumber)].into();
    for from in [None, Some(at(9_000)), Some(at(20_500))] {
        let mut filter = CallFilter { text: Some("Zo".to_owned()), from, ..CallFilter::default() };
        let expected = calls.iter().filter(|call| lets_through(&filter, call, false)).map(|call| call.id);
        let expected: Vec<CallId> = expected.collect();
        assert!(expected.len() > 2, "{}", expected.len());
        for limit in [3, 12, 400] {
            let mut paged = Vec::new();
            filter.before = None;
            loop {
                let page = store.visible_calls(&scope, &filter, limit).await.unwrap();
                filter.before = page.last().map(|call| call.id);
                paged.extend(page.iter().map(|call| call.id));
                if page.len() < limit as usize {
                    break;
                }
            }
            assert_eq!(paged, expected, "{limit} at a time, from {from:?}");
        }
    }
}

#[tokio::test]
async fn a_viewer_of_very_many_numbers_sees_the_same() {
    let mut dice = Dice(Seeded(77));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let calls: Vec<CallRecord> = (0..120).map(|_| some_call(&directory, &mut dice)).collect();
    store.save_calls(&calls).await.unwrap();
    let company = directory.companies().next().unwrap();
    let user = directory.users_of(company.id).next().unwrap();
    let mut scope = Scope::of(&directory, company, user, Vec::new());
    scope.all = None;
    let reason = crate::subscription::Reason::OwnNumber;
    scope.numbers = (1..4).chain(1_000..1_600).map(|number| (NumberId(number), reason)).collect();
    scope.missed = (4..5).chain(2_000..2_600).map(|number| (NumberId(number), reason)).collect();
    let mut expected: Vec<CallId> =
        calls.iter().filter(|call| scope.visible(&facts(call, false)).is_some()).map(|call| call.id).collect();
    expected.sort_by_key(|id| std::cmp::Reverse(*id));
    let listed = store.visible_calls(&scope, &CallFilter::default(), 1_000).await.unwrap();
    assert!(!expected.is_empty());
    assert_eq!(listed.iter().map(|call| call.id).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_subscription_is_an_interval_and_withdrawing_takes_it_back() {
    let (_folder, store) = store().await;
    let (company, number, user) = (CompanyId(1), NumberId(2), UserId(3));
    store.subscribe(company, number, user, at(10)).await;
    store.subscribe(company, number, user, at(20)).await;
    assert_eq!(store.subscribers_of(number).await.unwrap(), [user]);
    store.unsubscribe(company, number, user, at(30)).await;
    store.unsubscribe(company, number, user, at(40)).await;
    store.subscribe(company, number, user, at(50)).await;
    let interval = |from, until: Option<u64>| Subscribed { number, from: at(from), until: until.map(at) };
    assert_eq!(store.subscriptions_of(user).await.unwrap(), [interval(10, Some(30)), interval(50, None)]);
    store.withdraw(company, number, user).await;
    assert_eq!(store.subscriptions_of(user).await.unwrap(), []);
}

/// Seed 001: missed calls *to* numbers; the number of a call outside is who called.
#[tokio::test]
async fn a_call_outside_that_nobody_took_is_not_missed_by_those_whose_number_it_came_from() {
    let mut dice = Dice(Seeded(9));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let company = directory.companies().next().unwrap();
    let user = directory.users_of(company.id).next().unwrap();
    let number = directory.numbers_of(company.id).next().unwrap().id;
    let mut scope = Scope::of(&directory, company, user, Vec::new());
    (scope.all, scope.numbers) = (None, Default::default());
    scope.missed = [(number, crate::subscription::Reason::MissedOfNumber)].into();
    for (direction, seen) in [(Direction::Inbound, 1), (Direction::Internal, 2), (Direction::Outbound, 2)] {
        let mut call = some_call(&directory, &mut dice);
        (call.company, call.number, call.direction) = (company.id, Some(number), direction);
        (call.answered, call.ended, call.joined) = (None, Some(call.started), Vec::new());
        (call.caller, call.callee) = (party(None), party(None));
        store.save_call(&call).await.unwrap();
        let listed = store.visible_calls(&scope, &CallFilter::default(), 10).await.unwrap();
        assert_eq!(listed.len(), seen, "{direction}");
        let filter = CallFilter { missed: Some(true), ..CallFilter::default() };
        let whole = Scope::of_whole(company.id);
        assert_eq!(store.visible_calls(&whole, &filter, 10).await.unwrap().len(), seen, "{direction}, as a filter");
    }
}

/// A phone that only rang is no party, also where it was thought to be one for a while.
#[tokio::test]
async fn whoever_did_not_come_on_the_call_is_no_party_of_it() {
    let mut dice = Dice(Seeded(10));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let mut call = some_call(&directory, &mut dice);
    call.joined.clear();
    (call.caller, call.callee) = (party(None), party(Some(UserId(1))));
    store.save_call(&call).await.unwrap();
    call.callee = party(Some(UserId(2)));
    store.save_call(&call).await.unwrap();
    let users: Vec<i64> = sqlx::query_scalar("SELECT user_id FROM call_users").fetch_all(&store.writer).await.unwrap();
    assert_eq!(users, [2]);
}

/// Calls of before were saved without their parties beside.
#[tokio::test]
async fn parties_of_old_calls_are_found_by_the_migration() {
    let mut dice = Dice(Seeded(5));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let calls: Vec<CallRecord> = (0..40).map(|_| some_call(&directory, &mut dice)).collect();
    store.save_calls(&calls).await.unwrap();
    let parties = "SELECT group_concat(user_id || call_id) FROM (SELECT * FROM call_users ORDER BY user_id, call_id)";
    let kept: String = sqlx::query_scalar(parties).fetch_one(&store.writer).await.unwrap();
    let migration = include_str!("../migrations/0009_access.sql");
    let inserts = migration.split(';').filter(|step| step.contains("INSERT OR IGNORE INTO call_users"));
    sqlx::raw_sql("DELETE FROM call_users").execute(&store.writer).await.unwrap();
    let mut count = 0;
    for insert in inserts {
        sqlx::raw_sql(sqlx::AssertSqlSafe(insert.to_owned())).execute(&store.writer).await.unwrap();
        count += 1;
    }
    assert_eq!(count, 3);
    let found: String = sqlx::query_scalar(parties).fetch_one(&store.writer).await.unwrap();
    assert_eq!(found, kept);
}

/// A record that was queued before the end must not bring a call back to life.
#[tokio::test]
async fn a_call_that_has_ended_stays_ended_whatever_comes_late() {
    let mut dice = Dice(Seeded(11));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let mut call = some_call(&directory, &mut dice);
    call.ended = Some(call.started.plus(Span::from_secs(60)));
    let late = CallRecord { ended: None, ..call.clone() };
    store.save_call(&call).await.unwrap();
    store.save_call(&late).await.unwrap();
    assert_eq!(store.call(call.id).await.unwrap(), Some(call.clone()));
    let again = CallRecord { ended_paused: true, ..call };
    store.save_call(&again).await.unwrap();
    assert_eq!(store.call(again.id).await.unwrap(), Some(again));
}
