use super::*;
use crate::base::{MessageId, Seeded, Span};
use crate::directory::Directory;
use crate::directory::file::CompanyFile;
use crate::directory::plan::{Edit, plan, plan_edit};
use crate::ledger::{Folder, MessageRecord, Party};
use crate::store::{MessageFilter, Store};
use crate::subscription::{MessageScope, Reader, Receivers};

const COMPANY: &str = r#"
[[company]]
key = "acme"
domains = ["acme.example"]
[[user]]
extension = "201"
password = "first-secret"
[[user]]
extension = "202"
password = "first-secret"
[[user]]
extension = "203"
password = "first-secret"
[[group]]
name = "sales"
members = ["202"]
[[voicemail]]
number = "8201"
owner = "user:201"
[[voicemail]]
number = "8100"
owner = "group:sales"
subscribe_members = true
"#;

fn at(seconds: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
}

fn by(seconds: u64) -> By {
    By { at: at(seconds), user: None, who: "operator".to_owned(), source: "test".to_owned(), keeps: None }
}

struct Lab {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db")).await.unwrap();
        let lab = Lab { store, _folder: folder };
        lab.apply(COMPANY, 0).await;
        lab
    }

    async fn directory(&self) -> Directory {
        self.store.load_directory().await.unwrap()
    }

    async fn carry_out(&self, plan: &Plan, seconds: u64) -> u64 {
        let mut random = Seeded(seconds);
        self.store.apply_by(plan, &by(seconds), &mut random).await.unwrap().messages_gone
    }

    async fn apply(&self, text: &str, seconds: u64) {
        let text =
            if text.contains("[[company]]") { text.to_owned() } else { format!("[[company]]\nkey='acme'\n{text}") };
        let plan = plan(&self.directory().await, &CompanyFile::parse(&text).unwrap(), false).unwrap();
        self.carry_out(&plan, seconds).await;
    }

    async fn leave(&self, number: &str, seconds: u64) -> MessageId {
        let directory = self.directory().await;
        let company = directory.company_by_key("acme").unwrap().id;
        let mailbox = directory.mailbox_by_number(company, "default", number).unwrap();
        let id = MessageId::new(at(seconds), [u8::try_from(seconds).unwrap(); 10]);
        let message = MessageRecord {
            id,
            company,
            mailbox: mailbox.id,
            call: None,
            caller: Party::default(),
            number: None,
            left: at(seconds),
            samples: 8_000,
            rate: 8_000,
            path: format!("{id}.wav"),
            bytes: 16_044,
            digest: String::new(),
            urgent: false,
            forwarded: None,
        };
        self.store.deliver(&message, Receivers::of(mailbox), at(seconds)).await.unwrap();
        id
    }

    async fn user(&self, extension: &str) -> UserId {
        let directory = self.directory().await;
        let company = directory.company_by_key("acme").unwrap().id;
        directory.user_ever_by_extension(company, extension).unwrap().id
    }

    /// What the user hears, the newest first, by the second in which it was left.
    async fn hears(&self, extension: &str) -> Vec<u64> {
        let directory = self.directory().await;
        let user = self.user(extension).await;
        let Some(user) = directory.user(user) else { return Vec::new() };
        let subscribed = self.store.box_subscriptions_of(user.id).await.unwrap();
        let scope = MessageScope::of(&directory, user, subscribed);
        let rows = self.store.messages(&scope, &MessageFilter::default(), 100).await.unwrap();
        let waiting = self.store.waiting(&scope, None).await.unwrap();
        assert_eq!(waiting.new + waiting.old, rows.len() as u64, "the lamp counts what the list has");
        let second = |left: Wall| u64::try_from((left.unix_micros() - at(0).unix_micros()) / 1_000_000).unwrap();
        rows.iter().map(|row| second(row.message.left)).collect()
    }
}

#[tokio::test]
async fn members_receive_while_they_are_members_and_keep_what_they_received() {
    let lab = Lab::new().await;
    lab.leave("8100", 10).await;
    assert_eq!(lab.hears("202").await, [10]);
    lab.apply("[[group]]\nname='sales'\nmembers=['203']", 20).await;
    lab.leave("8100", 30).await;
    assert_eq!((lab.hears("202").await, lab.hears("203").await), (vec![10], vec![30]));
    lab.apply("[[voicemail]]\nnumber='8100'\nsubscribe_members=false", 40).await;
    lab.leave("8100", 50).await;
    assert_eq!((lab.hears("202").await, lab.hears("203").await), (vec![10], vec![30]), "nobody receives it any more");
}

#[tokio::test]
async fn a_box_that_becomes_everybodys_has_one_state_and_comes_back_as_its_owners() {
    let lab = Lab::new().await;
    let first = lab.leave("8201", 10).await;
    let owner = Reader::User(lab.user("201").await);
    lab.store.set_folder(first, owner, Folder::Old, None, at(11)).await.unwrap();
    lab.apply("[[voicemail]]\nnumber='8201'\nowner=''\naccess='global'", 20).await;
    lab.leave("8201", 30).await;
    for extension in ["201", "202", "203"] {
        assert_eq!(lab.hears(extension).await, [30, 10], "{extension}");
    }
    let shared = lab.store.message_state(first, Reader::Everybody).await.unwrap().unwrap();
    assert_eq!(shared.folder, Folder::Old, "as it was for its owner");
    assert_eq!(lab.store.message_state(first, owner).await.unwrap(), None);
    lab.apply("[[voicemail]]\nnumber='8201'\nowner='user:202'\naccess='personal'", 40).await;
    assert_eq!((lab.hears("201").await, lab.hears("202").await), (vec![], vec![30, 10]));
}

#[tokio::test]
async fn who_takes_over_from_a_user_hears_their_box_and_what_they_were_subscribed_to() {
    let lab = Lab::new().await;
    let first = lab.leave("8201", 10).await;
    let owner = Reader::User(lab.user("201").await);
    lab.store.set_folder(first, owner, Folder::Work, None, at(11)).await.unwrap();
    let group = lab.directory().await;
    let company = group.company_by_key("acme").unwrap().id;
    let of_group = group.mailbox_by_number(company, "default", "8100").unwrap().id;
    lab.store.subscribe_to_box(company, of_group, lab.user("201").await, at(12)).await.unwrap();
    lab.leave("8100", 13).await;
    let edit = Edit::Deactivate { company: "acme".into(), extension: "201".into(), to: "user:203".parse().unwrap() };
    lab.carry_out(&plan_edit(&lab.directory().await, &edit).unwrap(), 20).await;
    lab.leave("8100", 30).await;
    lab.leave("8201", 31).await;
    assert_eq!(lab.hears("203").await, [31, 30, 10], "not what was left for the group before");
    let heir = lab.store.message_state(first, Reader::User(lab.user("203").await)).await.unwrap().unwrap();
    assert_eq!(heir.folder, Folder::Work, "it stands where it stood");
    assert_eq!(lab.hears("201").await, [] as [u64; 0]);
}

#[tokio::test]
async fn a_group_that_takes_over_hears_the_box_as_its_subscribers() {
    let lab = Lab::new().await;
    lab.leave("8201", 10).await;
    let edit = Edit::Deactivate { company: "acme".into(), extension: "201".into(), to: "group:sales".parse().unwrap() };
    lab.carry_out(&plan_edit(&lab.directory().await, &edit).unwrap(), 20).await;
    lab.leave("8201", 30).await;
    assert_eq!((lab.hears("202").await, lab.hears("203").await), (vec![30, 10], vec![]));
}

#[tokio::test]
async fn a_box_that_goes_takes_all_of_it_along() {
    let lab = Lab::new().await;
    let id = lab.leave("8201", 10).await;
    lab.leave("8201", 11).await;
    let thing = crate::directory::plan::Thing::Facility(FacilityKind::Voicemail, "8201".into());
    let edit = Edit::Remove { company: "acme".into(), thing };
    assert_eq!(lab.carry_out(&plan_edit(&lab.directory().await, &edit).unwrap(), 20).await, 2);
    assert_eq!(lab.store.message(id).await.unwrap(), None);
    assert_eq!(lab.hears("201").await, [] as [u64; 0]);
    let doomed = lab.store.doomed_files(10).await.unwrap();
    assert_eq!(doomed.len(), 2, "{doomed:?}");
    lab.store.doomed_are_gone(&doomed).await.unwrap();
    assert_eq!(lab.store.doomed_files(10).await.unwrap(), [] as [String; 0]);
}
