use super::*;
use crate::base::{BoxId, CompanyId, MessageId, Span, UserId, Wall};
use crate::ledger::{MessageRecord, Party};
use crate::subscription::Receivers;

const BOX: BoxId = BoxId(7);
const OWNER: UserId = UserId(3);

fn message(n: u8, left_s: u64, seconds: u64, name: &str) -> MessageRecord {
    let left = Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(left_s));
    let id = MessageId::new(Wall::from_unix_micros(1), [n; 10]);
    MessageRecord {
        id,
        company: CompanyId(1),
        mailbox: BOX,
        call: None,
        caller: Party { user: None, address: "+4930".to_owned(), name: name.to_owned() },
        number: None,
        left,
        samples: seconds * 8_000,
        rate: 8_000,
        path: format!("{n}.wav"),
        bytes: 44,
        digest: String::new(),
        urgent: false,
        forwarded: None,
    }
}

fn scope() -> MessageScope {
    MessageScope {
        company: CompanyId(1),
        user: Some(OWNER),
        all: false,
        owned: [BOX].into(),
        global: [].into(),
        subscribed: Vec::new(),
        owners: [].into(),
    }
}

/// The last digit of the ids, in the order of the list.
async fn listed(store: &Store, order: MessageOrder, descending: bool, limit: Option<u32>, offset: u32) -> Vec<u8> {
    let slice = MessageSlice { order, descending, limit, offset };
    let rows = store.message_slice(&scope(), &MessageFilter::default(), slice).await.unwrap();
    rows.iter().map(|row| row.message.path.trim_end_matches(".wav").parse().unwrap()).collect()
}

#[tokio::test]
async fn a_slice_is_in_its_order_and_pages_lie_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("t.db")).await.unwrap();
    for (n, left, seconds, name) in [(1, 30, 9, "b"), (2, 10, 3, "c"), (3, 20, 6, "a"), (4, 40, 3, "a")] {
        let message = message(n, left, seconds, name);
        store.deliver(&message, Receivers::Owner(OWNER), message.left).await.unwrap();
    }
    for (order, ascending) in [
        (MessageOrder::Id, [1, 2, 3, 4]),
        (MessageOrder::CallerName, [3, 4, 1, 2]),
        (MessageOrder::Length, [2, 4, 3, 1]),
        (MessageOrder::Left, [2, 3, 1, 4]),
    ] {
        assert_eq!(listed(&store, order, false, None, 0).await, ascending, "{order:?}");
        let mut descending = ascending;
        descending.reverse();
        assert_eq!(listed(&store, order, true, None, 0).await, descending, "{order:?}");
        for offset in 0..5 {
            let page = listed(&store, order, false, Some(2), offset).await;
            let expected: Vec<u8> = ascending.into_iter().skip(offset as usize).take(2).collect();
            assert_eq!(page, expected, "{order:?} from {offset}");
        }
    }
    assert_eq!(MessageOrder::ALL.len(), 4);
}

#[tokio::test]
async fn each_company_and_user_has_a_uuid_of_their_own_that_stays() {
    use crate::base::Seeded;
    use crate::directory::file::CompanyFile;
    use crate::directory::plan::plan;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let store = Store::open(&path).await.unwrap();
    let text = "[[company]]\nkey='a'\ndomains=['a.example']\n[[user]]\nextension='1'\npassword='one-secret'\n\
                [[user]]\nextension='2'\npassword='two-secret'\n";
    let plan = plan(&store.load_directory().await.unwrap(), &CompanyFile::parse(text).unwrap(), false).unwrap();
    store.apply(&plan, &mut Seeded(7)).await.unwrap();
    let directory = store.load_directory().await.unwrap();
    let company = directory.company_by_key("a").unwrap().id;
    let uuids = store.uuids(company).await.unwrap();
    assert_eq!(uuids.users.len(), 2);
    let mut all: Vec<&String> = uuids.users.values().chain([&uuids.company]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 3, "{all:?}");
    for uuid in all {
        let read = uuid::Uuid::parse_str(uuid).unwrap();
        assert_eq!((read.get_version_num(), read.get_variant()), (4, uuid::Variant::RFC4122), "{uuid}");
    }
    assert_eq!(store.company_of_uuid(&uuids.company.to_uppercase()).await.unwrap(), Some(company));
    let (user, uuid) = uuids.users.first_key_value().unwrap();
    assert_eq!(store.user_of_uuid(uuid).await.unwrap(), Some(*user));
    assert_eq!(store.user_of_uuid("nobody").await.unwrap(), None);
    store.close().await;
    let again = Store::open(&path).await.unwrap();
    assert_eq!(again.uuids(company).await.unwrap(), uuids);
}
