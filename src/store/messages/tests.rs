use super::*;
use crate::base::Span;
use crate::ledger::{OutboxEntry, Subject, Told, Waiting};
use crate::subscription::MessageScope;

const COMPANY: CompanyId = CompanyId(1);
const BOX: BoxId = BoxId(7);

pub fn at(seconds: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
}

pub fn left(mailbox: BoxId, seconds: u64, urgent: bool) -> MessageRecord {
    let id = MessageId::new(at(seconds), [seconds as u8; 10]);
    MessageRecord {
        id,
        company: COMPANY,
        mailbox,
        call: None,
        caller: Party { user: None, address: "+16660001".to_owned(), name: "Otto".to_owned() },
        number: None,
        left: at(seconds),
        samples: 16_000,
        rate: 8_000,
        path: format!("acme/messages/{id}.wav"),
        bytes: 32_044,
        digest: "ab".to_owned(),
        urgent,
        forwarded: None,
    }
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("t.db")).await.unwrap();
    (folder, store)
}

async fn told(store: &Store) -> Vec<(OutboxKind, MessageThen)> {
    let entries: Vec<OutboxEntry> = store.outbox_after(0, 100).await.unwrap();
    entries
        .into_iter()
        .map(|entry| match (entry.subject, entry.told) {
            (Subject::Message(_), Told::Message { message }) => (entry.kind, *message),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn user(id: i64) -> Reader {
    Reader::User(UserId(id))
}

/// The scope of the owner of [`BOX`].
fn owner(id: i64) -> MessageScope {
    MessageScope {
        company: COMPANY,
        user: Some(UserId(id)),
        all: false,
        owned: BTreeSet::from([BOX]),
        global: BTreeSet::new(),
        subscribed: Vec::new(),
        owners: Default::default(),
    }
}

#[tokio::test]
async fn a_message_is_delivered_once_to_its_owner_and_those_who_were_subscribed_then() {
    let (_folder, store) = store().await;
    store.subscribe_to_box(COMPANY, BOX, UserId(2), at(10)).await.unwrap();
    store.subscribe_to_box(COMPANY, BOX, UserId(3), at(10)).await.unwrap();
    store.unsubscribe_from_box(BOX, UserId(3), at(40)).await.unwrap();
    store.subscribe_to_box(COMPANY, BOX, UserId(4), at(60)).await.unwrap();
    let message = left(BOX, 50, false);
    assert!(store.deliver(&message, Receivers::Owner(UserId(1)), at(51)).await.unwrap());
    assert!(!store.deliver(&message, Receivers::Owner(UserId(1)), at(52)).await.unwrap(), "a repair delivers it again");
    assert_eq!(store.message(message.id).await.unwrap(), Some(message.clone()));
    for (reader, has) in [(1, true), (2, true), (3, false), (4, false), (0, false)] {
        assert_eq!(store.message_state(message.id, Reader::of_id(reader)).await.unwrap().is_some(), has, "{reader}");
    }
    let events = told(&store).await;
    assert_eq!(events, [(OutboxKind::VoicemailCreated, MessageThen::of(&message, false))]);
}

#[tokio::test]
async fn each_reader_has_their_own_state_and_every_change_is_told_once() {
    let (_folder, store) = store().await;
    store.subscribe_to_box(COMPANY, BOX, UserId(2), at(0)).await.unwrap();
    let message = left(BOX, 50, true);
    store.deliver(&message, Receivers::Owner(UserId(1)), at(50)).await.unwrap();
    let one = Some(UserId(1));
    let state = store.set_folder(message.id, user(1), Folder::Old, one, at(60)).await.unwrap().unwrap();
    let read = MessageState { folder: Folder::Old, removed: false, read_at: Some(at(60)), read_by: one };
    assert_eq!(state, read);
    store.set_folder(message.id, user(1), Folder::Old, one, at(61)).await.unwrap();
    let work = store.set_folder(message.id, user(1), Folder::Work, one, at(62)).await.unwrap().unwrap();
    assert_eq!(work.read_at, Some(at(60)), "it was read when it was first");
    let other = store.message_state(message.id, user(2)).await.unwrap().unwrap();
    assert_eq!((other.folder, other.read_at), (Folder::Urgent, None));
    assert!(store.remove_message(message.id, user(2), None, at(70)).await.unwrap().unwrap().removed);
    assert!(store.message_state(message.id, user(1)).await.unwrap().is_some_and(|state| !state.removed));
    assert!(!store.bring_back_message(message.id, user(2), None, at(71)).await.unwrap().unwrap().removed);
    assert_eq!(store.set_folder(message.id, user(9), Folder::Old, None, at(72)).await.unwrap(), None);
    let kinds: Vec<_> = told(&store).await.into_iter().map(|(kind, then)| (kind, then.reader, then.folder)).collect();
    let (created, updated, deleted) =
        (OutboxKind::VoicemailCreated, OutboxKind::VoicemailUpdated, OutboxKind::VoicemailDeleted);
    assert_eq!(
        kinds,
        [
            (created, None, Folder::Urgent),
            (updated, Some(UserId(1)), Folder::Old),
            (updated, Some(UserId(1)), Folder::Work),
            (deleted, Some(UserId(2)), Folder::Urgent),
            (updated, Some(UserId(2)), Folder::Urgent),
        ]
    );
}

#[tokio::test]
async fn what_is_erased_is_gone_for_everybody_and_told_to_those_who_had_it() {
    let (_folder, store) = store().await;
    store.subscribe_to_box(COMPANY, BOX, UserId(2), at(0)).await.unwrap();
    let message = left(BOX, 50, false);
    store.deliver(&message, Receivers::Owner(UserId(1)), at(50)).await.unwrap();
    store.remove_message(message.id, user(2), None, at(55)).await.unwrap();
    assert_eq!(store.gone_message(message.id).await.unwrap(), None, "thrown away by one is not gone");
    let file = store.erase_message(message.id, None, "expired after 3 days", at(60)).await.unwrap().unwrap();
    assert_eq!((file.path, file.mailbox), (message.path.clone(), BOX));
    assert_eq!(store.message(message.id).await.unwrap(), None);
    assert_eq!(store.message_state(message.id, user(1)).await.unwrap(), None);
    assert_eq!(store.erase_message(message.id, None, "again", at(61)).await.unwrap(), None);
    let gone = store.gone_message(message.id).await.unwrap().unwrap();
    assert_eq!(
        gone,
        GoneMessage { facts: message_facts(&message), at: at(60), because: "expired after 3 days".into() }
    );
    let (kind, then) = told(&store).await.pop().unwrap();
    assert_eq!((kind, then.reader, then.heard_by), (OutboxKind::VoicemailDeleted, None, vec![UserId(1)]));
}

#[tokio::test]
async fn a_message_can_be_brought_back_until_everybody_has_thrown_it_away_long_ago() {
    let (_folder, store) = store().await;
    store.subscribe_to_box(COMPANY, BOX, UserId(2), at(0)).await.unwrap();
    let message = left(BOX, 50, false);
    store.deliver(&message, Receivers::Owner(UserId(1)), at(50)).await.unwrap();
    store.remove_message(message.id, user(1), None, at(60)).await.unwrap();
    assert_eq!(store.thrown_away(at(1_000), 10).await.unwrap(), []);
    assert_eq!(store.messages_in(BOX).await.unwrap(), 1);
    store.remove_message(message.id, user(2), None, at(70)).await.unwrap();
    assert_eq!(store.messages_in(BOX).await.unwrap(), 0, "it takes no place in its box any more");
    assert_eq!(store.thrown_away(at(70), 10).await.unwrap(), []);
    assert_eq!(store.thrown_away(at(71), 10).await.unwrap().len(), 1);
    store.bring_back_message(message.id, user(2), None, at(72)).await.unwrap();
    assert_eq!(store.thrown_away(at(1_000), 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_waits_is_what_was_not_read_and_not_thrown_away() {
    let (_folder, store) = store().await;
    let scope = owner(1);
    for (seconds, urgent) in [(1, false), (2, true), (3, false), (4, true)] {
        store.deliver(&left(BOX, seconds, urgent), Receivers::Owner(UserId(1)), at(seconds)).await.unwrap();
    }
    let all = Waiting { new: 4, old: 0, urgent_new: 2, urgent_old: 0 };
    assert_eq!(store.waiting(&scope, None).await.unwrap(), all);
    store.set_folder(left(BOX, 2, true).id, user(1), Folder::Family, None, at(9)).await.unwrap();
    store.remove_message(left(BOX, 3, false).id, user(1), None, at(9)).await.unwrap();
    let some = Waiting { new: 2, old: 1, urgent_new: 1, urgent_old: 1 };
    assert_eq!(store.waiting(&scope, Some(BOX)).await.unwrap(), some);
    assert_eq!(store.waiting(&scope, Some(BoxId(99))).await.unwrap(), Waiting::default());
    assert_eq!(store.waiting(&owner(2), None).await.unwrap(), Waiting::default());
}

#[tokio::test]
async fn what_is_withdrawn_is_taken_back_and_what_is_ones_own_stays() {
    let (_folder, store) = store().await;
    for subscriber in [1, 2] {
        store.subscribe_to_box(COMPANY, BOX, UserId(subscriber), at(0)).await.unwrap();
    }
    let message = left(BOX, 50, false);
    store.deliver(&message, Receivers::Owner(UserId(1)), at(50)).await.unwrap();
    store.withdraw_box(BOX, UserId(2), false).await.unwrap();
    store.withdraw_box(BOX, UserId(1), true).await.unwrap();
    assert_eq!(store.box_subscribers(BOX).await.unwrap(), []);
    assert_eq!(store.message_state(message.id, user(2)).await.unwrap(), None);
    assert!(store.message_state(message.id, user(1)).await.unwrap().is_some());
}
