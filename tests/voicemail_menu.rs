//! Boxes that are listened to by telephone: real phones at a real service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it waits for conditions"
)]
#![allow(dead_code, reason = "the process serves other tests too")]

mod process;

use process::{Home, Process, data_dir, files_in};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use telegraphone::base::{MessageId, Span, Wall};
use telegraphone::demo::phone::LivePhone;
use telegraphone::directory::Directory;
use telegraphone::ledger::{Folder, MessageRecord};
use telegraphone::service::clock::OsRandom;
use telegraphone::sip::{Peer, Transport};
use telegraphone::store::{MessageFilter, MessageRow, Store};
use telegraphone::subscription::MessageScope;
use telegraphone::ua::{PhoneConfig, PhoneEvent, Voice};

/// Longer than anything here should take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Bytes of something spoken that is longer than its minimum.
const LONG_ENOUGH: u64 = 44 + 2 * 8_000 * 5 / 2;

/// Bob is on vacation; Jane is in the sales team, whose box is 8000. Carol calls both.
const COMPANY: &str = r#"
[[company]]
key = "vm"
name = "VM"
domains = ["vm.example"]
realm = "vm.example"
[[user]]
extension = "201"
name = "Jane"
password = "vm-secret"
[[user]]
extension = "202"
name = "Bob"
password = "vm-secret"
[[user]]
extension = "203"
name = "Carol"
password = "vm-secret"
[[group]]
name = "sales"
label = "Sales"
members = ["201"]
[[voicemail]]
number = "202"
name = "Bob"
owner = "user:202"
password = "4711"
review = false
[[voicemail]]
number = "8000"
name = "Sales Team"
owner = "group:sales"
password = "2580"
review = false
[[number]]
number = "+49301110001"
route = "group:sales"
"#;

/// What somebody says at a place of their clock: a byte that is never silence.
fn byte(who: u64, at: u64) -> u8 {
    let x = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (who + 1).wrapping_mul(0xd134_2543_de82_ef95);
    let code = ((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
    if code & 0x40 != 0 { code ^ 0x40 } else { code }
}

struct House {
    folder: tempfile::TempDir,
    home: Home,
    process: Process,
    store: Store,
}

impl House {
    async fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let home = Home { binary: env!("CARGO_BIN_EXE_telegraphone").into(), folder: folder.path().to_owned() };
        let config = "[media]\nworkers = 1\npin = false\n[log]\nfilter = \"info\"\n\
                      [recording]\nwarn_free_mib = 2\nrefuse_free_mib = 1\n";
        home.set_up(config, COMPANY);
        let process = home.serve();
        let store = Store::open(&data_dir(folder.path()).join("telegraphone.db")).await.unwrap();
        House { folder, home, process, store }
    }

    fn data(&self) -> PathBuf {
        data_dir(self.folder.path())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn phone(&self, extension: &str) -> LivePhone {
        let (ip, server) = (IpAddr::from([127, 0, 0, 1]), self.process.sip);
        let peer = Peer { transport: Transport::Udp, local: server, remote: server, connection: None };
        let mut config = PhoneConfig::new(extension, "vm.example", peer, SocketAddr::new(ip, 0));
        config.password = "vm-secret".to_owned();
        let who = extension.parse().unwrap();
        config.voice = Voice::Payload(Arc::new(move |at| byte(who, at)));
        config.register_for = Span::from_secs(300);
        let mut phone = LivePhone::start(config, ip, 0, Box::new(OsRandom)).await.unwrap();
        assert_eq!(phone.register(DEADLINE).await.unwrap(), PhoneEvent::Registered);
        phone
    }

    /// Waits for `what` to become something.
    async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begun.elapsed() < DEADLINE, "{what}; {}", self.log());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Something is being recorded, and is long enough.
    async fn spoken(&self) {
        let long = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() >= LONG_ENOUGH);
        let part = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "part");
        self.until("nothing is being recorded", async || {
            files_in(&self.data()).iter().filter(part).any(long).then_some(())
        })
        .await;
    }

    /// `caller` leaves a message for that extension or number, and it is there.
    async fn leaves(&self, caller: &mut LivePhone, called: &str) -> MessageRecord {
        let before = self.messages().await.len();
        caller.call(called).await.unwrap();
        caller.wait_for(|event| *event == PhoneEvent::Answered, DEADLINE).await.unwrap();
        caller.digits("#").await.unwrap();
        self.spoken().await;
        caller.hang_up().await.unwrap();
        self.until("no message was left", async || {
            let mut messages = self.messages().await;
            (messages.len() > before).then(|| messages.pop().unwrap())
        })
        .await
    }

    /// The oldest first.
    async fn messages(&self) -> Vec<MessageRecord> {
        let mut messages = Vec::new();
        for file in self.store.all_message_files(None::<MessageId>, 100).await.unwrap() {
            messages.push(self.store.message(file.id).await.unwrap().unwrap());
        }
        messages
    }

    /// What that user has of a box.
    async fn messages_of(&self, extension: &str, number: &str) -> Vec<MessageRow> {
        let directory = self.store.load_directory().await.unwrap();
        let company = directory.company_by_key("vm").unwrap().id;
        let user = directory.user_by_extension(company, extension).unwrap();
        let subscribed = self.store.box_subscriptions_of(user.id).await.unwrap();
        let scope = MessageScope::of(&directory, user, subscribed);
        let mailbox = directory.mailbox_by_number(company, "default", number).unwrap().id;
        let filter = MessageFilter { mailboxes: Some(vec![mailbox]), ..MessageFilter::default() };
        let rows = self.store.messages(&scope, &filter, 100).await.unwrap();
        rows.into_iter().filter(|row| !row.state.removed).collect()
    }

    async fn directory(&self) -> Directory {
        self.store.load_directory().await.unwrap()
    }

    /// From now on the user receives what is left in the box.
    async fn subscribe(&self, extension: &str, number: &str) {
        let directory = self.directory().await;
        let company = directory.company_by_key("vm").unwrap().id;
        let user = directory.user_by_extension(company, extension).unwrap().id;
        let mailbox = directory.mailbox_by_number(company, "default", number).unwrap().id;
        self.store.subscribe_to_box(company, mailbox, user, now()).await.unwrap();
    }

    async fn unsubscribe(&self, extension: &str, number: &str) {
        let directory = self.directory().await;
        let company = directory.company_by_key("vm").unwrap().id;
        let user = directory.user_by_extension(company, extension).unwrap().id;
        let mailbox = directory.mailbox_by_number(company, "default", number).unwrap().id;
        self.store.unsubscribe_from_box(mailbox, user, now()).await.unwrap();
    }

    /// The phone dials a box and its password, and presses `keys` there.
    async fn opens(&self, phone: &mut LivePhone, dialled: &str, keys: &str) {
        phone.call(dialled).await.unwrap();
        phone.wait_for(|event| *event == PhoneEvent::Answered, DEADLINE).await.unwrap();
        phone.digits(keys).await.unwrap();
    }

    /// Waits until the phone has heard a second out of the file, sample by sample.
    async fn hears(&self, phone: &LivePhone, path: &str) {
        let reader = hound::WavReader::open(self.data().join("recordings").join(path)).unwrap();
        let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
        let needle = samples[4_000..12_000].to_vec();
        self.until("it was not heard", async || contains(&phone.heard().await.unwrap(), &needle).then_some(())).await;
    }
}

fn now() -> Wall {
    telegraphone::service::clock::Clock::start().wall()
}

fn contains(heard: &[i16], needle: &[i16]) -> bool {
    let first = &needle[..16];
    heard.windows(needle.len()).any(|window| window.starts_with(first) && window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_hears_every_sample_of_a_message_saves_it_and_deletes_it() {
    let house = House::new().await;
    let mut carol = house.phone("203").await;
    let message = house.leaves(&mut carol, "202").await;
    assert_eq!(message.caller.address, "203");
    // Bob comes back; his phone did not ring.
    let mut bob = house.phone("202").await;
    house.opens(&mut bob, "*98", "4711#1").await;
    house.hears(&bob, &message.path).await;
    house
        .until("it is still new", async || {
            let rows = house.messages_of("202", "202").await;
            (rows[0].state.folder == Folder::Old && rows[0].state.read_at.is_some()).then_some(())
        })
        .await;
    bob.digits("7").await.unwrap();
    // It is gone once he leaves the pile.
    bob.digits("#").await.unwrap();
    house.until("it is still there", async || house.messages_of("202", "202").await.is_empty().then_some(())).await;
    bob.hang_up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jane_receives_bobs_messages_while_he_is_on_vacation_and_those_of_the_sales_team() {
    let house = House::new().await;
    let mut carol = house.phone("203").await;
    house.leaves(&mut carol, "202").await;
    house.subscribe("201", "202").await;
    house.subscribe("201", "8000").await;
    let during = house.leaves(&mut carol, "202").await;
    house.unsubscribe("201", "202").await;
    house.leaves(&mut carol, "202").await;
    let of_jane: Vec<MessageId> = house.messages_of("201", "202").await.iter().map(|row| row.message.id).collect();
    assert_eq!(of_jane, [during.id], "neither what was left before nor what came after");
    assert_eq!(house.messages_of("202", "202").await.len(), 3);

    // The sales team does not answer: nobody of it has a phone.
    let for_sales = house.leaves(&mut carol, "+49301110001").await;
    let mut jane = house.phone("201").await;
    house.opens(&mut jane, "*998000", "2580#1").await;
    house.hears(&jane, &for_sales.path).await;
    jane.hang_up().await.unwrap();
    jane.wait_for(|event| matches!(event, PhoneEvent::Ended { .. }), DEADLINE).await.unwrap();
    // With Bob's password Jane hears what she received, by her own state.
    house.opens(&mut jane, "*99202", "4711#1").await;
    house.hears(&jane, &during.path).await;
    house
        .until("Jane has not read it", async || {
            (house.messages_of("201", "202").await[0].state.folder == Folder::Old).then_some(())
        })
        .await;
    let of_bob = house.messages_of("202", "202").await;
    assert!(of_bob.iter().all(|row| row.state.folder == Folder::Inbox), "Bob has not: {of_bob:?}");
    jane.hang_up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_that_was_recorded_by_telephone_is_what_callers_hear_and_a_new_password_is_the_only_one() {
    let house = House::new().await;
    let mut bob = house.phone("202").await;
    house.opens(&mut bob, "*98", "4711#01#").await;
    house.spoken().await;
    bob.digits("#3").await.unwrap();
    let greeting = house
        .until("no greeting was kept", async || {
            let path = |path: &PathBuf| {
                let relative = path.strip_prefix(house.data().join("recordings")).ok()?;
                relative.starts_with(Path::new("vm/greetings")).then(|| relative.display().to_string())
            };
            files_in(&house.data()).iter().find_map(path).filter(|path| path.ends_with("unavailable.wav"))
        })
        .await;
    house
        .until("its row is missing", async || {
            let greetings = house.store.all_greetings().await.unwrap();
            greetings.iter().any(|row| row.path == greeting).then_some(())
        })
        .await;
    bob.digits("48888#8888#").await.unwrap();
    house
        .until("the password is the old one", async || {
            let directory = house.directory().await;
            let company = directory.company_by_key("vm").unwrap().id;
            let mailbox = directory.mailbox_by_number(company, "default", "202").unwrap();
            (mailbox.settings.password == "8888").then_some(())
        })
        .await;
    bob.hang_up().await.unwrap();
    bob.unregister().await.unwrap();

    let mut carol = house.phone("203").await;
    carol.call("202").await.unwrap();
    carol.wait_for(|event| *event == PhoneEvent::Answered, DEADLINE).await.unwrap();
    house.hears(&carol, &greeting).await;
    house.spoken().await;
    carol.hang_up().await.unwrap();
    let message = house.until("no message", async || house.messages().await.pop()).await;

    let mut jane = house.phone("201").await;
    house.opens(&mut jane, "*99202", "4711#8888#1").await;
    house.hears(&jane, &message.path).await;
    jane.hang_up().await.unwrap();
}
