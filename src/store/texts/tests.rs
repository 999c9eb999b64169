use super::*;
use crate::base::{Random, Seeded};
use crate::directory::file::CompanyFile;
use crate::directory::plan::plan;
use crate::directory::{Directory, User};
use crate::store::access::tests::{Dice, at, store};
use crate::store::{ArrivedPart, By, ConversationFilter, SendOutcome, SendState};
use crate::subscription::{TextFacts, TextScope};
use std::collections::{BTreeMap, BTreeSet};

const USERS: u64 = 4;
const NUMBERS: u64 = 3;
const CONTACTS: [&str; 3] = ["+4930555", "+12025550147", "BANK"];

fn by(seconds: u64) -> By {
    By { at: at(seconds), user: None, who: "the operator".to_owned(), source: String::new(), keeps: None }
}

/// The company; of each number: whether it is shared, with history, and its members.
pub(in crate::store) fn file(places: &[(bool, bool, BTreeSet<u64>)]) -> String {
    let mut text = "[[company]]\nkey = \"a\"\ndomains = [\"a.example\"]\n".to_owned();
    for user in 0..USERS {
        text +=
            &format!("[[user]]\nextension = \"20{user}\"\npassword = \"first-secret\"\nnumber = \"+1555020{user}\"\n");
        text += &format!("[[number]]\nnumber = \"+1555020{user}\"\nroute = \"user:20{user}\"\n");
    }
    for (number, (shared, history, members)) in places.iter().enumerate() {
        let members: Vec<String> = members.iter().map(|user| format!("\"20{user}\"")).collect();
        text += &format!("[[number]]\nnumber = \"+1555010{number}\"\n[[inbox]]\nname = \"i{number}\"\n");
        let messaging = if *shared { format!("\"+1555010{number}\"") } else { String::new() };
        text += &format!("messaging = [{messaging}]\nhistory = {history}\nmembers = [{}]\n", members.join(", "));
    }
    text
}

pub(in crate::store) fn people(directory: &Directory) -> impl Iterator<Item = &User> {
    directory.users_of(directory.companies().next().unwrap().id)
}

pub(in crate::store) async fn apply(store: &Store, text: &str, seconds: u64) -> Directory {
    let now = store.load_directory().await.unwrap();
    let plan = plan(&now, &CompanyFile::parse(text).unwrap(), true).unwrap();
    store.apply_by(&plan, &by(seconds), &mut Seeded(seconds)).await.unwrap();
    store.load_directory().await.unwrap()
}

pub(in crate::store) fn new_text(
    dice: &mut Dice,
    kind: TextKind,
    user: Option<UserId>,
    body: &str,
    seconds: u64,
) -> NewText {
    NewText {
        id: TextId::new(at(seconds), dice.0.ten_bytes()),
        kind,
        at: at(seconds),
        user,
        body: body.to_owned(),
        state: TextState::Received,
        origin: None,
        parts: Vec::new(),
        ends: at(seconds),
    }
}

pub(in crate::store) fn shared(directory: &Directory, number: u64, contact: &str) -> Between {
    let number = directory.number_by_e164(&format!("+1555010{number}")).unwrap();
    let holder = Holder::Inbox(number.id);
    let (contact, name) = (contact.to_owned(), String::new());
    Between { company: number.company, holder, number: Some(number.id), contact, name }
}

/// Texts are written while inboxes and their members change; then every list is what the rules say,
/// text by text.
#[tokio::test]
async fn lists_show_what_the_rules_say() {
    for seed in 0..8 {
        let (_folder, store) = store().await;
        let mut dice = Dice(Seeded(seed));
        let mut places: Vec<(bool, bool, BTreeSet<u64>)> = vec![(true, false, BTreeSet::new()); NUMBERS as usize];
        let mut directory = apply(&store, &file(&places), 0).await;
        let mut all: Vec<(TextRecord, Between)> = Vec::new();
        for step in 1..60 {
            if dice.roll(5) == 0 {
                let place = &mut places[dice.roll(NUMBERS) as usize];
                place.0 = dice.roll(4) > 0;
                place.1 = dice.roll(2) == 0;
                place.2 = (0..USERS).filter(|_| dice.roll(2) == 0).collect();
                directory = apply(&store, &file(&places), step).await;
            }
            let users: Vec<UserId> = people(&directory).map(|user| user.id).collect();
            let (writer, contact) = (dice.pick(&users), dice.pick(&CONTACTS));
            let company = directory.companies().next().unwrap().id;
            let between = match dice.roll(4) {
                0 => Between::users(company, writer, users[(writer.0 % users.len() as i64) as usize]),
                1 => {
                    let number = directory.user(writer).unwrap().number;
                    let holder = Holder::User(writer);
                    Between { company, holder, number, contact: contact.to_owned(), name: String::new() }
                }
                _ => shared(&directory, dice.roll(NUMBERS), contact),
            };
            let (kind, user) = match (between.holder, dice.roll(3)) {
                (Holder::Pair(..), _) => (TextKind::Out, Some(writer)),
                (_, 0) => (TextKind::Out, Some(writer)),
                (_, 1) => (TextKind::Note, Some(writer)),
                _ => (TextKind::In, None),
            };
            let body = dice.pick(&["Your table is booked", "äpfel", "ok", "a_b 100%"]);
            let text = store.add_text(&between, &new_text(&mut dice, kind, user, body, step)).await.unwrap().record();
            all.push((text, between));
        }
        let mut seen = 0;
        for user in people(&directory) {
            seen += check(&store, &directory, user, &all).await;
        }
        assert!(seen > 0, "seed {seed}: nobody sees anything");
        let nothing = TextScope::nothing(directory.companies().next().unwrap().id);
        let filter = ConversationFilter::default();
        assert!(store.conversations(&nothing, &filter, 100).await.unwrap().is_empty());
    }
}

async fn check(store: &Store, directory: &Directory, user: &User, all: &[(TextRecord, Between)]) -> usize {
    let scope = TextScope::of(directory, user, &store.joined(user.id).await.unwrap());
    let sees = |(text, between): &&(TextRecord, Between)| {
        scope.sees(&TextFacts { company: between.company, holder: between.holder, seq: text.seq })
    };
    let mut expected: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let visible: Vec<&(TextRecord, Between)> = all.iter().filter(sees).collect();
    for (text, _) in &visible {
        expected.entry(text.conversation.0).or_default().push(text.seq);
    }
    let listed = store.conversations(&scope, &ConversationFilter::default(), 100).await.unwrap();
    let places: Vec<i64> = listed.iter().map(|one| one.row.last).collect();
    assert!(places.is_sorted_by(|one, next| one > next), "{places:?}");
    let mut found = BTreeMap::new();
    for one in &listed {
        let texts = store.texts_of(&scope, &one.row, None, 1_000).await.unwrap();
        assert_eq!(texts.first(), Some(&one.last));
        found.insert(one.row.id.0, texts.iter().rev().map(|text| text.seq).collect::<Vec<i64>>());
        assert_eq!(store.conversation(&scope, one.row.id).await.unwrap().as_ref(), Some(one));
    }
    assert_eq!(found, expected, "user {}", user.extension);
    for (text, _) in all {
        let there = store.visible_text(&scope, text.id).await.unwrap().is_some();
        assert_eq!(there, visible.iter().any(|(seen, _)| seen.id == text.id));
        let conversation = store.conversation(&scope, text.conversation).await.unwrap();
        assert_eq!(conversation.is_some(), expected.contains_key(&text.conversation.0));
    }
    filters(store, &scope, &visible).await;
    visible.len()
}

async fn filters(store: &Store, scope: &TextScope, visible: &[&(TextRecord, Between)]) {
    let of = |keep: &dyn Fn(&TextRecord, &Between) -> bool| -> BTreeSet<i64> {
        visible.iter().filter(|(text, between)| keep(text, between)).map(|(text, _)| text.conversation.0).collect()
    };
    let contact =
        |contact: &str| ConversationFilter { contact: Some(contact.to_owned()), ..ConversationFilter::default() };
    let text = |text: &str| ConversationFilter { text: Some(text.to_owned()), ..ConversationFilter::default() };
    let unread = |unread| ConversationFilter { unread: Some(unread), ..ConversationFilter::default() };
    let mut rows = vec![];
    for other in CONTACTS {
        rows.push((contact(other), of(&|_, between| between.contact == other)));
    }
    for word in ["table is", "äpfel", "ok", "_", "100%", "%", "nothing of it"] {
        let fits = |text: &TextRecord, between: &Between| text.body.contains(word) || between.contact.contains(word);
        rows.push((text(word), of(&fits)));
    }
    let me = scope.user.unwrap();
    let all = of(&|_, _| true);
    let written: BTreeMap<i64, i64> = BTreeMap::from_iter(
        visible.iter().filter(|(text, _)| text.user == Some(me)).map(|(text, _)| (text.conversation.0, text.seq)),
    );
    let is_unread = |text: &TextRecord, between: &Between| {
        let theirs = text.kind == TextKind::In
            || (text.kind == TextKind::Out && matches!(between.holder, Holder::Pair(..)) && text.user != Some(me));
        theirs && written.get(&text.conversation.0).is_none_or(|read| text.seq > *read)
    };
    let with_unread = of(&is_unread);
    rows.push((unread(true), with_unread.clone()));
    rows.push((unread(false), all.difference(&with_unread).copied().collect()));
    for (filter, expected) in rows {
        let found = store.conversations(scope, &filter, 100).await.unwrap();
        let found: BTreeSet<i64> = found.iter().map(|one| one.row.id.0).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    // Page by page it is the same.
    let (mut pages, mut before) = (BTreeSet::new(), None);
    loop {
        let filter = ConversationFilter { before, ..ConversationFilter::default() };
        let page = store.conversations(scope, &filter, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.row.last);
        pages.extend(page.iter().map(|one| one.row.id.0));
    }
    assert_eq!(pages, all);
}

#[tokio::test]
async fn what_comes_twice_is_there_once_and_tells_of_itself_once() {
    let (_folder, store) = store().await;
    let directory = apply(&store, &file(&[(true, false, BTreeSet::from([0]))]), 0).await;
    let between = shared(&directory, 0, "+4930555");
    let mut dice = Dice(Seeded(1));
    let new = NewText { origin: Some("sip 1".to_owned()), ..new_text(&mut dice, TextKind::In, None, "hello", 1) };
    let again = NewText { id: TextId::new(at(2), dice.0.ten_bytes()), ..new.clone() };
    let first = store.add_text(&between, &new).await.unwrap();
    let second = store.add_text(&between, &again).await.unwrap();
    assert!(matches!((&first, &second), (Taken::New(one), Taken::Again(other)) if one == other));
    let events = store.pump_feed(at(3), 100).await.unwrap();
    let kinds: Vec<OutboxKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [OutboxKind::TextReceived]);
}

/// A text of two parts: the second waits for the first, a restart goes on, and the state is that of all.
#[tokio::test]
async fn a_text_goes_out_part_by_part_and_is_what_all_its_parts_are() {
    let (_folder, store) = store().await;
    let directory = apply(&store, &file(&[(true, false, BTreeSet::from([0]))]), 0).await;
    let (between, user) = (shared(&directory, 0, "+4930555"), people(&directory).next().unwrap().id);
    let mut dice = Dice(Seeded(1));
    let new = NewText {
        state: TextState::Queued,
        parts: vec!["one".to_owned(), "two".to_owned()],
        ends: at(100),
        ..new_text(&mut dice, TextKind::Out, Some(user), "onetwo", 1)
    };
    let text = store.add_text(&between, &new).await.unwrap().record();
    let state = async || store.text(text.id).await.unwrap().unwrap().0.state;
    let due = async |seconds| {
        let rows = store.due_sends(&[], at(seconds), 10).await.unwrap();
        rows.into_iter().map(|row| (row.body.clone(), row)).collect::<Vec<_>>()
    };
    let outcome = |state, seconds| SendOutcome {
        at: at(seconds),
        trunk: Some(crate::base::TrunkId(7)),
        state,
        problem: String::new(),
    };
    let (body, row) = due(1).await.pop().unwrap();
    assert_eq!((body.as_str(), row.part, row.parts), ("one", 1, 2));
    store.note_send(&row, &outcome(SendState::Pending { next: at(5) }, 2)).await.unwrap();
    assert!(due(4).await.is_empty(), "the second part waits for the first");
    assert_eq!(store.next_send_at(at(4)).await.unwrap(), Some(at(5)));
    let (_, row) = due(5).await.pop().unwrap();
    assert_eq!(row.attempts, 1);
    store.note_send(&row, &outcome(SendState::Sent, 5)).await.unwrap();
    assert_eq!(state().await, TextState::Queued);
    let (body, row) = due(5).await.pop().unwrap();
    assert_eq!(body, "two");
    store.note_send(&row, &outcome(SendState::Sent, 6)).await.unwrap();
    assert_eq!(state().await, TextState::Sent);
    let trunk = crate::base::TrunkId(7);
    assert!(!store.receipt(crate::base::TrunkId(8), text.id, None, true, "", at(7)).await.unwrap(), "another carrier");
    assert!(store.receipt(trunk, text.id, Some(1), true, "", at(7)).await.unwrap());
    assert_eq!(state().await, TextState::Sent);
    assert!(store.receipt(trunk, text.id, Some(2), true, "", at(8)).await.unwrap());
    assert_eq!(state().await, TextState::Delivered);
    let events = store.pump_feed(at(9), 100).await.unwrap();
    let kinds: Vec<OutboxKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [OutboxKind::TextSent, OutboxKind::TextDelivered]);
}

#[tokio::test]
async fn parts_that_come_one_by_one_are_whole_once() {
    let (_folder, store) = store().await;
    let directory = apply(&store, &file(&[(true, false, BTreeSet::from([0]))]), 0).await;
    let number = directory.number_by_e164("+15550100").unwrap();
    let part = |id: &str, part, body: &str| ArrivedPart {
        company: number.company,
        trunk: crate::base::TrunkId(7),
        id: id.to_owned(),
        number: number.id,
        contact: "+4930555".to_owned(),
        reference: "42".to_owned(),
        part,
        parts: 2,
        body: body.to_owned(),
        at: at(1),
    };
    assert_eq!(store.add_part(&part("b", 2, " world")).await.unwrap(), None);
    assert_eq!(store.add_part(&part("b", 2, " world")).await.unwrap(), None);
    let joined = store.add_part(&part("a", 1, "hello")).await.unwrap().unwrap();
    assert_eq!(joined.bodies, [Some("hello".to_owned()), Some(" world".to_owned())]);
    // The answer was lost: it is whole again, under the same moment.
    assert_eq!(store.add_part(&part("a", 1, "hello")).await.unwrap(), Some(joined.clone()));
    store.forget_parts(&joined).await.unwrap();
    assert_eq!(store.add_part(&part("a", 1, "hello")).await.unwrap(), None, "it comes late");
    assert!(store.parts_since_before(at(1_000)).await.unwrap().is_empty());
    // The reference is used again, for another text.
    assert_eq!(store.add_part(&part("c", 1, "new")).await.unwrap(), None);
    let late = store.parts_since_before(at(1_000)).await.unwrap();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].bodies, [Some("new".to_owned()), None]);
}

#[tokio::test]
async fn a_device_has_missed_nothing_at_first_and_goes_on_where_it_stood() {
    let (_folder, store) = store().await;
    let directory = apply(&store, &file(&[(true, true, BTreeSet::from([0]))]), 0).await;
    let (between, user) = (shared(&directory, 0, "+4930555"), people(&directory).next().unwrap());
    let mut dice = Dice(Seeded(1));
    store.add_text(&between, &new_text(&mut dice, TextKind::In, None, "before", 1)).await.unwrap();
    let position = store.device_position(user.id, "phone", at(2)).await.unwrap();
    let scope = async || TextScope::of_devices(&directory, user, &store.joined(user.id).await.unwrap());
    assert!(store.texts_for_devices(&scope().await, position, 10).await.unwrap().is_empty());
    let note = new_text(&mut dice, TextKind::Note, Some(user.id), "a note", 3);
    store.add_text(&between, &note).await.unwrap();
    let text = store.add_text(&between, &new_text(&mut dice, TextKind::In, None, "after", 3)).await.unwrap().record();
    let missed = store.texts_for_devices(&scope().await, position, 10).await.unwrap();
    assert_eq!(missed.iter().map(|(text, _)| text.body.as_str()).collect::<Vec<_>>(), ["after"]);
    store.move_device(user.id, "phone", text.seq, at(4)).await.unwrap();
    assert_eq!(store.device_position(user.id, "phone", at(5)).await.unwrap(), text.seq);
    assert_eq!(store.device_position(user.id, "another phone", at(5)).await.unwrap(), text.seq);
}
