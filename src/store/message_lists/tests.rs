use super::*;
use crate::base::{CompanyId, NumberId, Span, UserId};
use crate::base::{Random, Seeded};
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;
use crate::directory::{Directory, Mailbox};
use crate::ledger::{MessageRecord, Party};
use crate::store::MessageState;
use crate::store::messages::message_facts;
use crate::subscription::Receivers;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Over which messages were left.
const NUMBERS: [NumberId; 2] = [NumberId(1), NumberId(2)];

struct Dice(Seeded);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % below
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize].clone()
    }

    fn some<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(2) == 0).then(|| value(self))
    }
}

fn at(seconds: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
}

/// Two companies with the same numbers: boxes of users, of a group, of nobody, and of all.
fn directory() -> Directory {
    let mut text = String::new();
    for company in ["acme", "other"] {
        writeln!(text, "[[company]]\nkey = \"{company}\"\ndomains = [\"{company}.example\"]").unwrap();
        for user in 0..4 {
            writeln!(text, "[[user]]\ncompany = \"{company}\"\nextension = \"20{user}\"").unwrap();
        }
        writeln!(text, "[[group]]\ncompany = \"{company}\"\nname = \"g\"\nmembers = [\"202\"]").unwrap();
        for (number, more) in [
            ("1", "owner = \"user:200\""),
            ("2", "owner = \"user:201\""),
            ("3", "owner = \"group:g\""),
            ("4", ""),
            ("5", "access = \"global\""),
            ("6", "access = \"global\"\ncontext = \"night\""),
        ] {
            writeln!(text, "[[voicemail]]\ncompany = \"{company}\"\nnumber = \"{number}\"\n{more}").unwrap();
        }
    }
    standalone(&CompanyFile::parse(&text).unwrap()).unwrap()
}

fn boxes(directory: &Directory) -> Vec<Mailbox> {
    directory.companies().flat_map(|company| directory.mailboxes_of(company.id)).cloned().collect()
}

fn some_message(mailbox: &Mailbox, dice: &mut Dice) -> MessageRecord {
    let left = at(dice.roll(1_000));
    let mut ten = [0; 10];
    dice.0.fill(&mut ten);
    let id = MessageId::new(left, ten);
    let caller = dice.pick(&[("+4930555", "Äpfel & Birnen"), ("201", "Jane"), ("+16660001", "")]);
    MessageRecord {
        id,
        company: mailbox.company,
        mailbox: mailbox.id,
        call: None,
        caller: Party { user: None, address: caller.0.to_owned(), name: caller.1.to_owned() },
        number: dice.some(|dice| dice.pick(&NUMBERS)),
        left,
        samples: 8_000,
        rate: 8_000,
        path: format!("{id}.wav"),
        bytes: 16_044,
        digest: String::new(),
        urgent: dice.roll(3) == 0,
        forwarded: None,
    }
}

fn some_filter(boxes: &[Mailbox], dice: &mut Dice) -> MessageFilter {
    let folders = [Folder::Inbox, Folder::Old, Folder::Urgent, Folder::Work];
    MessageFilter {
        before: None,
        mailboxes: dice.some(|dice| {
            let mut some = vec![dice.pick(boxes).id, dice.pick(boxes).id];
            some.dedup();
            some
        }),
        numbers: (dice.roll(4) == 0).then(|| some_numbers(dice)),
        folders: dice.some(|dice| {
            let mut some = vec![dice.pick(&folders), dice.pick(&folders)];
            some.dedup();
            some
        }),
        caller: (dice.roll(4) == 0).then(|| dice.pick(&["+4930555", "201", "nobody"]).to_owned()),
        from: dice.some(|dice| at(dice.roll(500))),
        until: dice.some(|dice| at(500 + dice.roll(500))),
        text: dice.some(|dice| dice.pick(&["Äpf", "55", "%", "jan", "+4930"]).to_owned()),
        removed: dice.roll(5) == 0,
    }
}

fn some_numbers(dice: &mut Dice) -> Vec<NumberId> {
    NUMBERS.into_iter().filter(|_| dice.roll(2) == 0).collect()
}

fn is_over(message: &MessageRecord, numbers: &[NumberId]) -> bool {
    message.number.is_some_and(|number| numbers.contains(&number))
}

/// What a filter says, read one message at a time.
fn lets_through(filter: &MessageFilter, message: &MessageRecord, state: &MessageState) -> bool {
    let MessageFilter { before: _, mailboxes, numbers, folders, caller, from, until, text, removed } = filter;
    // As LIKE has it: ASCII in any case.
    let has = |whole: &str, text: &str| whole.to_ascii_lowercase().contains(&text.to_ascii_lowercase());
    let in_caller = |text: &String| has(&message.caller.address, text) || has(&message.caller.name, text);
    mailboxes.as_ref().is_none_or(|boxes| boxes.contains(&message.mailbox))
        && numbers.as_ref().is_none_or(|numbers| is_over(message, numbers))
        && folders.as_ref().is_none_or(|folders| folders.contains(&state.folder))
        && caller.as_ref().is_none_or(|caller| message.caller.address == *caller)
        && from.is_none_or(|from| message.left >= from)
        && until.is_none_or(|until| message.left < until)
        && text.as_ref().is_none_or(in_caller)
        && state.removed == *removed
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("t.db")).await.unwrap();
    (folder, store)
}

/// Messages anywhere, left for those who were subscribed then, and what readers did with them.
async fn filled(
    store: &Store,
    directory: &Directory,
    dice: &mut Dice,
) -> (Vec<MessageRecord>, BTreeMap<(MessageId, Reader), MessageState>) {
    let boxes = boxes(directory);
    let users: Vec<(CompanyId, UserId)> = directory
        .companies()
        .flat_map(|company| directory.users_of(company.id).map(move |user| (company.id, user.id)))
        .collect();
    for _ in 0..12 {
        let mailbox = dice.pick(&boxes);
        let (_, user) = dice.pick(&users);
        let until = dice.some(|dice| at(500 + dice.roll(500)));
        store.subscribe_to_box(mailbox.company, mailbox.id, user, at(dice.roll(500))).await.unwrap();
        if let Some(until) = until {
            store.unsubscribe_from_box(mailbox.id, user, until).await.unwrap();
        }
    }
    let mut messages = Vec::new();
    let mut states = BTreeMap::new();
    for _ in 0..90 {
        let mailbox = dice.pick(&boxes);
        let message = some_message(&mailbox, dice);
        store.deliver(&message, Receivers::of(&mailbox), message.left).await.unwrap();
        for reader in std::iter::once(Reader::Everybody).chain(users.iter().map(|(_, user)| Reader::User(*user))) {
            match dice.roll(4) {
                0 => drop(store.set_folder(message.id, reader, Folder::Old, None, message.left).await.unwrap()),
                1 => drop(store.set_folder(message.id, reader, Folder::Work, None, message.left).await.unwrap()),
                2 => drop(store.remove_message(message.id, reader, None, message.left).await.unwrap()),
                _ => {}
            }
            if let Some(state) = store.message_state(message.id, reader).await.unwrap() {
                states.insert((message.id, reader), state);
            }
        }
        messages.push(message);
    }
    messages.sort_by_key(|message| std::cmp::Reverse((message.left, message.id.to_string())));
    (messages, states)
}

#[tokio::test]
async fn a_list_is_what_the_rules_say_of_each_message_and_its_pages_are_the_whole() {
    let directory = directory();
    let boxes = boxes(&directory);
    for seed in 0..6 {
        let mut dice = Dice(Seeded(seed));
        let (_folder, store) = store().await;
        let (messages, states) = filled(&store, &directory, &mut dice).await;
        let mut scopes = Vec::new();
        for company in directory.companies() {
            scopes.push(MessageScope::of_whole(&directory, company.id));
            for user in directory.users_of(company.id) {
                let subscribed = store.box_subscriptions_of(user.id).await.unwrap();
                scopes.push(MessageScope::of(&directory, user, subscribed));
            }
        }
        for scope in &scopes {
            for turn in 0..8 {
                let filter = match turn {
                    0 => MessageFilter::default(),
                    _ => some_filter(&boxes, &mut dice),
                };
                let expected: Vec<(MessageId, MessageState)> = messages
                    .iter()
                    .filter(|message| scope.hears(&message_facts(message)).is_some())
                    .map(|message| {
                        let state = scope.reader(message.mailbox).and_then(|of| states.get(&(message.id, of)));
                        let untouched = crate::store::messages::untouched(message);
                        (message, state.copied().unwrap_or(untouched))
                    })
                    .filter(|(message, state)| lets_through(&filter, message, state))
                    .map(|(message, state)| (message.id, state))
                    .collect();
                let listed = paged(&store, scope, &filter).await;
                assert_eq!(listed, expected, "seed {seed}: {filter:?} of {scope:?}");
                let count = store.count_messages(scope, &filter).await.unwrap();
                assert_eq!(count, expected.len() as u64, "seed {seed}: {filter:?} of {scope:?}");
            }
            waits(&store, scope, &messages, &states, None).await;
            let numbers = some_numbers(&mut dice);
            waits(&store, scope, &messages, &states, Some(&numbers)).await;
        }
    }
}

async fn paged(store: &Store, scope: &MessageScope, filter: &MessageFilter) -> Vec<(MessageId, MessageState)> {
    let mut listed = Vec::new();
    let mut filter = filter.clone();
    loop {
        let page = store.messages(scope, &filter, 7).await.unwrap();
        listed.extend(page.iter().map(|row| (row.message.id, row.state)));
        match page.last().filter(|_| page.len() == 7) {
            Some(last) => filter.before = Some(MessageCursor { left: last.message.left, id: last.message.id }),
            None => return listed,
        }
    }
}

/// The lamp counts what the list has.
async fn waits(
    store: &Store,
    scope: &MessageScope,
    messages: &[MessageRecord],
    states: &BTreeMap<(MessageId, Reader), MessageState>,
    numbers: Option<&[NumberId]>,
) {
    let mut expected = Waiting::default();
    let is_meant = |message: &&MessageRecord| numbers.is_none_or(|numbers| is_over(message, numbers));
    let heard = messages.iter().filter(|message| scope.hears(&message_facts(message)).is_some());
    for message in heard.filter(is_meant) {
        let state = scope.reader(message.mailbox).and_then(|reader| states.get(&(message.id, reader)));
        let Some(state) = state.filter(|state| !state.removed) else { continue };
        match state.folder.is_new() {
            true => expected.new += 1,
            false => expected.old += 1,
        }
        match (message.urgent, state.folder.is_new()) {
            (true, true) => expected.urgent_new += 1,
            (true, false) => expected.urgent_old += 1,
            (false, _) => {}
        }
    }
    assert_eq!(store.waiting_over(scope, None, numbers).await.unwrap(), expected, "{numbers:?} of {scope:?}");
}

/// How SQLite means to carry a statement out.
async fn steps(store: &Store, query: QueryBuilder<Sqlite>) -> Vec<String> {
    let rows = sqlx::query_as::<_, (i64, i64, i64, String)>(sqlx::AssertSqlSafe(format!(
        "EXPLAIN QUERY PLAN {}",
        query.sql().as_str()
    )));
    rows.fetch_all(&store.readers).await.unwrap().into_iter().map(|(_, _, _, step)| step).collect()
}

/// A page and a count look at what is on the page and at what is counted, however much there is besides.
#[tokio::test]
async fn a_page_is_read_from_an_index_in_its_order() {
    let directory = directory();
    let company = directory.company_by_key("acme").unwrap().id;
    let (_folder, store) = store().await;
    let user = directory.user_by_extension(company, "200").unwrap();
    let scope = MessageScope::of(&directory, user, Vec::new());
    let own = *scope.owned.first().unwrap();
    let of_box = MessageFilter { mailboxes: Some(vec![own]), ..MessageFilter::default() };
    let new = MessageFilter { folders: Some(vec![Folder::Inbox, Folder::Urgent]), ..MessageFilter::default() };
    let caller = MessageFilter { caller: Some("201".to_owned()), ..MessageFilter::default() };
    let whole = MessageScope::of_whole(&directory, company);
    let rows = [
        ("everything", &scope, MessageFilter::default(), "message_states_in_order"),
        ("one box", &scope, of_box.clone(), "messages_of_box"),
        ("what is new", &scope, new, "message_states_of_reader"),
        ("one caller", &scope, caller, "messages_of_caller"),
        ("a box, managed", &whole, of_box, "messages_of_box"),
        ("a company, managed", &whole, MessageFilter::default(), "messages_of_company"),
    ];
    for (what, scope, filter, index) in rows {
        let steps = steps(&store, page(scope, &filter, 50).unwrap()).await;
        assert!(steps.iter().any(|step| step.contains(index)), "{what}: {steps:#?}");
        let scans = |step: &&String| step.starts_with("SCAN m") || step.starts_with("SCAN s");
        assert_eq!(steps.iter().find(scans), None, "{what}: {steps:#?}");
    }
    let counting = counted(&scope, &heard_boxes(&scope, None), false, None);
    let steps = steps(&store, counting).await;
    let covering = |step: &String| step.contains("COVERING INDEX message_states_of_reader");
    assert!(steps.iter().any(covering), "{steps:#?}");
}
