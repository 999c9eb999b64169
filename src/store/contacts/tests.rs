use super::*;
use crate::base::{CompanyId, NumberId, UserId};
use crate::ledger::{CallRecord, TextKind, TextRecord};
use crate::store::access::tests::{Dice, generated, some_call, store};
use crate::store::facts;
use crate::store::texts::Between;
use crate::store::texts::tests::{apply, file, new_text, people, shared};
use crate::subscription::{Holder, TextFacts, TextScope};
use std::collections::BTreeMap;

/// Outside parties of a call, as the rules of [`ContactRow`] say, read from the record.
fn outside(call: &CallRecord) -> BTreeSet<String> {
    let first = match call.direction {
        Direction::Inbound => Some(&call.caller),
        Direction::Outbound => Some(&call.callee),
        Direction::Internal => None,
    };
    let joined = call.joined.iter().map(|joined| &joined.party);
    let parties = first.into_iter().chain(joined).filter(|party| party.user.is_none());
    parties.filter(|party| party.address.starts_with('+')).map(|party| party.address.clone()).collect()
}

/// Newest first, with the number of calls.
fn expected(scope: &Scope, over: Option<&[NumberId]>, calls: &[CallRecord]) -> Vec<(ContactCursor, u64)> {
    let mut found: BTreeMap<String, (CallId, u64)> = BTreeMap::new();
    let is_over = |call: &&CallRecord| over.is_none_or(|over| call.number.is_some_and(|number| over.contains(&number)));
    for call in calls.iter().filter(|call| scope.visible(&facts(call, false)).is_some()).filter(is_over) {
        for e164 in outside(call) {
            let (last, count) = found.entry(e164).or_insert((call.id, 0));
            (*last, *count) = ((*last).max(call.id), *count + 1);
        }
    }
    let mut listed: Vec<(ContactCursor, u64)> =
        found.into_iter().map(|(e164, (call, count))| (ContactCursor { call, e164 }, count)).collect();
    listed.sort_by(|a, b| b.0.cmp(&a.0));
    listed
}

async fn listed(
    store: &Store,
    (scope, over): (&Scope, Option<&[NumberId]>),
    text: Option<&str>,
    limit: u32,
) -> Vec<(ContactCursor, u64)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.contacts(scope, over, after.as_ref(), text, limit).await.unwrap();
        assert!(page.contacts.len() <= limit as usize);
        all.extend(page.contacts.iter().map(|contact| (cursor(contact), contact.calls)));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Calls with some of 15 outside numbers, so that numbers come again and again.
fn calls_of(dice: &mut Dice, count: usize, directory: &crate::directory::Directory) -> Vec<CallRecord> {
    let mut call = || {
        let mut call = some_call(directory, dice);
        for party in [&mut call.caller, &mut call.callee] {
            if party.user.is_none() {
                party.address = format!("+4930{}", 100 + dice.roll(15));
            }
        }
        call
    };
    (0..count).map(|_| call()).collect()
}

#[tokio::test]
async fn contacts_are_those_of_the_calls_that_are_seen() {
    for seed in 0..6 {
        let mut dice = Dice(crate::base::Seeded(100 + seed));
        let directory = generated(&mut dice);
        let (_folder, store) = store().await;
        let calls = calls_of(&mut dice, 150, &directory);
        store.save_calls(&calls).await.unwrap();
        // Saving once more, and in parts, changes nothing.
        store.save_calls(&calls[..50]).await.unwrap();
        for company in directory.companies() {
            for user in directory.users_of(company.id) {
                let scope = Scope::of(&directory, company, user, Vec::new());
                let numbers: Vec<NumberId> = directory.numbers_of(company.id).map(|number| number.id).collect();
                for over in [None, Some(numbers.get(1..).unwrap_or(&[])), Some(&[])] {
                    let which = (&scope, over);
                    let expected = expected(&scope, over, &calls);
                    assert_eq!(listed(&store, which, None, 200).await, expected, "seed {seed}, user {}", user.id);
                    assert_eq!(listed(&store, which, None, 3).await, expected, "seed {seed}, in pages");
                    for text in ["4930107", "07"] {
                        let with: Vec<_> =
                            expected.iter().filter(|(contact, _)| contact.e164.contains(text)).cloned().collect();
                        assert_eq!(listed(&store, which, Some(text), 2).await, with, "seed {seed}, {text}");
                    }
                    for (contact, count) in &expected {
                        let found = store.contact(&scope, over, &contact.e164).await.unwrap().unwrap();
                        assert_eq!((cursor(&found), found.calls), (contact.clone(), *count));
                    }
                }
                assert_eq!(store.contact(&scope, None, "+1").await.unwrap(), None);
            }
        }
    }
}

/// Numbers of texts by the rules: those with more than notes and no call that is seen, each at the newest
/// conversation with it; among those of calls.
fn expected_of_both(
    (scope, texts): (&Scope, &TextScope),
    over: Option<&[NumberId]>,
    calls: &[CallRecord],
    all: &[(TextRecord, Between)],
) -> Vec<(CallId, String)> {
    let mut listed: Vec<(CallId, String)> =
        expected(scope, over, calls).into_iter().map(|(at, _)| (at.call, at.e164)).collect();
    let called: BTreeSet<String> = listed.iter().map(|(_, e164)| e164.clone()).collect();
    let sees = |(text, of): &&(TextRecord, Between)| {
        texts.sees(&TextFacts { company: of.company, holder: of.holder, seq: text.seq })
    };
    let seen: Vec<&(TextRecord, Between)> = all.iter().filter(sees).collect();
    let is_said = |one: &TextRecord| {
        seen.iter().any(|(text, _)| text.conversation == one.conversation && text.kind != TextKind::Note)
    };
    let mut newest: BTreeMap<&str, &TextRecord> = BTreeMap::new();
    for (text, of) in seen.iter().filter(|(text, of)| of.contact.starts_with('+') && is_said(text)) {
        let place = newest.entry(&of.contact).or_insert(text);
        *place = if text.seq > place.seq { text } else { place };
    }
    let written = newest.into_iter().filter(|(e164, _)| !called.contains(*e164));
    listed.extend(written.map(|(e164, text)| (CallId::parse(&text.id.to_string()).unwrap(), e164.to_owned())));
    listed.sort_by(|a, b| b.cmp(a));
    listed
}

async fn list_of_both(
    store: &Store,
    (scopes, over): ((&Scope, &TextScope), Option<&[NumberId]>),
    text: Option<&str>,
    limit: u32,
) -> Vec<(CallId, String)> {
    let (mut all, mut after) = (Vec::new(), OutsideCursor::default());
    for _ in 0..1_000 {
        let page = store.outside_numbers(scopes, over, &after, text, limit).await.unwrap();
        assert!(page.numbers.len() <= limit as usize);
        all.extend(page.numbers.into_iter().map(|number| match number {
            OutsideNumber::Called(row) => (row.call, row.e164),
            OutsideNumber::Written(row) => (CallId::parse(&row.text.to_string()).unwrap(), row.e164),
        }));
        match page.next {
            Some(next) => after = next,
            None => return all,
        }
    }
    panic!("the list does not end");
}

/// Inboxes whose members and history change while texts come from some of 12 numbers and from a name; a
/// third of the numbers calls as well.
#[tokio::test]
async fn numbers_that_only_wrote_stand_between_those_of_calls_for_whom_they_wrote_to() {
    for seed in 0..6 {
        let (_folder, store) = store().await;
        let mut dice = Dice(crate::base::Seeded(300 + seed));
        let mut places: Vec<(bool, bool, BTreeSet<u64>)> = vec![(true, false, (0..3).collect()); 3];
        let mut directory = apply(&store, &file(&places), 0).await;
        let (mut calls, mut texts) = (Vec::new(), Vec::new());
        for step in 1..120 {
            if dice.roll(12) == 0 {
                let members = (0..4).filter(|_| dice.roll(2) == 0).collect();
                places[dice.roll(3) as usize] = (dice.roll(4) > 0, dice.roll(2) == 0, members);
                directory = apply(&store, &file(&places), step).await;
            }
            let contact = match dice.roll(13) {
                12 => "BANK".to_owned(),
                number => format!("+4930{}", 100 + number),
            };
            if dice.roll(4) == 0 {
                let mut call = some_call(&directory, &mut dice);
                for party in [&mut call.caller, &mut call.callee] {
                    party.address = format!("+4930{}", 100 + dice.roll(4));
                }
                calls.push(call);
                continue;
            }
            let writer = dice.pick(&people(&directory).map(|user| user.id).collect::<Vec<_>>());
            let mut between = shared(&directory, dice.roll(3), &contact);
            if dice.roll(4) == 0 {
                let number = directory.user(writer).unwrap().number;
                between = Between { holder: Holder::User(writer), number, ..between };
            }
            let (kind, user) = match dice.roll(3) {
                0 => (TextKind::Out, Some(writer)),
                1 => (TextKind::Note, Some(writer)),
                _ => (TextKind::In, None),
            };
            let text = new_text(&mut dice, kind, user, "ok", step);
            texts.push((store.add_text(&between, &text).await.unwrap().record(), between));
        }
        store.save_calls(&calls).await.unwrap();
        let company = directory.companies().next().unwrap();
        let numbers: Vec<NumberId> = directory.numbers_of(company.id).map(|number| number.id).collect();
        let mut written = 0;
        for user in people(&directory) {
            let scope = Scope::of(&directory, company, user, Vec::new());
            let whole = Scope::of_whole(company.id);
            let reads = TextScope::of(&directory, user, &store.joined(user.id).await.unwrap());
            for (scope, over) in
                [(&scope, None), (&whole, None), (&scope, Some(&numbers[3..])), (&scope, Some(&[][..]))]
            {
                let reads = over.map_or_else(|| reads.clone(), |over| reads.clone().over(over));
                let which = ((scope, &reads), over);
                let expected = expected_of_both(which.0, over, &calls, &texts);
                written += expected.len() - self::expected(scope, over, &calls).len();
                for limit in [200, 3, 1] {
                    assert_eq!(list_of_both(&store, which, None, limit).await, expected, "seed {seed}, by {limit}");
                }
                let with: Vec<_> = expected.into_iter().filter(|(_, e164)| e164.contains("4930110")).collect();
                assert_eq!(list_of_both(&store, which, Some("4930110"), 2).await, with, "seed {seed}");
            }
        }
        assert!(written > 10, "seed {seed}: nobody only wrote");
    }
}

/// Who erases a number changes or removes calls: nothing of it is left in lists and indexes.
#[tokio::test]
async fn what_is_taken_out_of_calls_is_taken_out_of_contacts_and_texts() {
    let mut dice = Dice(crate::base::Seeded(7));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let company = directory.companies().next().unwrap();
    let mut call = some_call(&directory, &mut dice);
    (call.company, call.direction, call.number) = (company.id, Direction::Inbound, Some(NumberId(1)));
    (call.caller.user, call.callee.user) = (None, Some(UserId(1)));
    (call.caller.address, call.caller.name) = ("+4930999".to_owned(), "Otto Geheim".to_owned());
    call.joined.clear();
    let other = CallRecord { id: call.id.next(), ..call.clone() };
    store.save_calls(&[call.clone(), other.clone()]).await.unwrap();
    let scope = Scope::of_whole(company.id);
    let found = |text: &'static str| {
        let filter = CallFilter { text: Some(text.to_owned()), ..CallFilter::default() };
        let (store, scope) = (store.clone(), scope.clone());
        async move {
            let calls = store.visible_calls(&scope, &filter, 10).await.unwrap().len();
            (calls, store.contacts(&scope, None, None, Some(text), 10).await.unwrap().contacts.len())
        }
    };
    assert_eq!((found("Geheim").await, found("0999").await), ((2, 1), (2, 1)));
    let run = |sql: &'static str| sqlx::raw_sql(sql).execute(&store.writer);
    run("DELETE FROM calls WHERE id = (SELECT MAX(id) FROM calls)").await.unwrap();
    let left = store.contact(&scope, None, "+4930999").await.unwrap().unwrap();
    assert_eq!((left.calls, left.call), (1, call.id));
    run("UPDATE calls SET caller_address = '', caller_name = ''").await.unwrap();
    assert_eq!((found("Geheim").await, found("0999").await), ((0, 0), (0, 0)));
    assert_eq!(store.contact(&scope, None, "+4930999").await.unwrap(), None);
    for table in ["call_search", "contact_search"] {
        let whole = format!("INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(whole)).execute(&store.writer).await.unwrap();
    }
    let parts: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT block FROM call_search_data").fetch_all(&store.writer).await.unwrap();
    assert!(!parts.iter().any(|part| part.windows(3).any(|three| three == b"hei")), "no trace in the index");
}

/// A name comes with the newest call that has one, of this company's calls only.
#[tokio::test]
async fn a_contact_is_called_as_in_its_newest_call() {
    let mut dice = Dice(crate::base::Seeded(8));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let mut call = some_call(&directory, &mut dice);
    (call.company, call.direction) = (CompanyId(1), Direction::Outbound);
    (call.callee.user, call.callee.address) = (None, "+4930999".to_owned());
    call.joined.clear();
    let scope = Scope::of_whole(CompanyId(1));
    for (name, expected) in [("Old", "Old"), ("New", "New"), ("", "New")] {
        call.id = call.id.next();
        call.callee.name = name.to_owned();
        store.save_call(&call).await.unwrap();
        assert_eq!(store.contact(&scope, None, "+4930999").await.unwrap().unwrap().name, expected);
    }
    call.callee.name = "Now".to_owned();
    store.save_call(&call).await.unwrap();
    assert_eq!(store.contact(&scope, None, "+4930999").await.unwrap().unwrap().name, "Now");
    assert_eq!(store.contact(&Scope::of_whole(CompanyId(2)), None, "+4930999").await.unwrap(), None);
}
