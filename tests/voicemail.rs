//! Messages that real phones leave at a real service, and what is left of them when it is killed.

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
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telegraphone::audio::Law;
use telegraphone::base::{MessageId, Span};
use telegraphone::demo::phone::LivePhone;
use telegraphone::ledger::{CallRecord, EndReason, MessageRecord, OutboxKind, Outcome};
use telegraphone::service::clock::OsRandom;
use telegraphone::sip::{Peer, Transport};
use telegraphone::store::Store;
use telegraphone::subscription::FeedEntry;
use telegraphone::ua::{PhoneConfig, PhoneEvent, Voice};

/// Longer than anything here should take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Bytes of a message that is longer than its minimum.
const LONG_ENOUGH: u64 = 44 + 2 * 8_000 * 5 / 2;

/// The company of Jane, who is not there, and of `callers`.
fn company(callers: usize) -> String {
    let mut text = String::from(
        "[[company]]\nkey = \"vm\"\nname = \"VM\"\ndomains = [\"vm.example\"]\nrealm = \"vm.example\"\n\
         [[user]]\nextension = \"201\"\nname = \"Jane\"\npassword = \"vm-secret\"\n\
         [[voicemail]]\nnumber = \"8201\"\nowner = \"user:201\"\nreview = false\n",
    );
    for caller in 0..callers {
        let extension = 300 + caller;
        text +=
            &format!("[[user]]\nextension = \"{extension}\"\nname = \"Caller {caller}\"\npassword = \"vm-secret\"\n");
    }
    text
}

/// What a caller says at a place of their clock: a byte that is never silence, and any 16 of them name
/// the place.
fn byte(caller: usize, at: u64) -> u8 {
    let x = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (caller as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95);
    let code = ((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
    if code & 0x40 != 0 { code ^ 0x40 } else { code }
}

struct House {
    folder: tempfile::TempDir,
    home: Home,
    process: Process,
}

impl House {
    fn new(callers: usize) -> House {
        let folder = tempfile::tempdir().unwrap();
        let home = Home { binary: env!("CARGO_BIN_EXE_telegraphone").into(), folder: folder.path().to_owned() };
        let config = "[media]\nworkers = 1\npin = false\n[log]\nfilter = \"info\"\n\
                      [recording]\nwarn_free_mib = 2\nrefuse_free_mib = 1\n";
        home.set_up(config, &company(callers));
        let process = home.serve();
        House { folder, home, process }
    }

    /// `kill -9`, and what is there is found by the next start.
    fn killed(self) -> House {
        let House { folder, home, mut process } = self;
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        let process = home.serve();
        House { folder, home, process }
    }

    fn data(&self) -> std::path::PathBuf {
        data_dir(self.folder.path())
    }

    /// Callers, all in a call with Jane's box and at its tone.
    async fn callers(&self, count: usize) -> Vec<LivePhone> {
        let mut phones = Vec::new();
        for caller in 0..count {
            phones.push(start(self.process.sip, caller).await);
        }
        for phone in &phones {
            phone.call("201").await.unwrap();
        }
        for phone in &mut phones {
            phone.wait_for(|event| *event == PhoneEvent::Answered, DEADLINE).await.unwrap();
            // They know the greeting.
            phone.digits("#").await.unwrap();
        }
        phones
    }

    /// Waits until that many messages are on the disk as far as they have to be.
    async fn spoken(&self, count: usize) {
        let begun = Instant::now();
        loop {
            let files = files_in(&self.data());
            let parts = files.iter().filter(|path| is_part(path));
            let long = parts.filter(|path| std::fs::metadata(path).is_ok_and(|file| file.len() >= LONG_ENOUGH)).count();
            if long >= count {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{long} of {count} messages are being recorded; {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn events(&self) -> Vec<FeedEntry> {
        let answer = self.home.ask(&["event", "list", "--limit", "100000"]);
        serde_json::from_value(answer["events"].clone()).unwrap()
    }

    /// All messages, once there are `count` of them and each was told.
    async fn messages(&self, count: usize) -> Vec<MessageRecord> {
        let begun = Instant::now();
        let told =
            |events: &[FeedEntry]| events.iter().filter(|event| event.kind == OutboxKind::VoicemailCreated).count();
        let mut events = self.events();
        while told(&events) < count {
            assert!(begun.elapsed() < DEADLINE, "{} of {count} messages were told; {}", told(&events), self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
            events = self.events();
        }
        assert_eq!(told(&events), count, "each once");
        let store = Store::open(&self.data().join("telegraphone.db")).await.unwrap();
        let mut messages = Vec::new();
        for file in store.all_message_files(None::<MessageId>, 1_000).await.unwrap() {
            messages.push(store.message(file.id).await.unwrap().unwrap());
        }
        store.close().await;
        assert_eq!(messages.len(), count);
        messages
    }

    /// What is left of messages that are not handed over.
    fn leftovers(&self) -> usize {
        let files = files_in(&self.data());
        files.iter().filter(|path| is_part(path) || has_ending(path, "journal") || has_ending(path, "tmp")).count()
    }
}

fn is_part(path: &Path) -> bool {
    has_ending(path, "part")
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

async fn start(server: SocketAddr, caller: usize) -> LivePhone {
    let ip = IpAddr::from([127, 0, 0, 1]);
    let peer = Peer { transport: Transport::Udp, local: server, remote: server, connection: None };
    let mut config = PhoneConfig::new(&(300 + caller).to_string(), "vm.example", peer, SocketAddr::new(ip, 0));
    config.password = "vm-secret".to_owned();
    config.voice = Voice::Payload(Arc::new(move |at| byte(caller, at)));
    config.register_for = Span::from_secs(300);
    let mut phone = LivePhone::start(config, ip, 0, Box::new(OsRandom)).await.unwrap();
    assert_eq!(phone.register(DEADLINE).await.unwrap(), PhoneEvent::Registered);
    phone
}

/// Who left a message.
fn caller_of(message: &MessageRecord) -> usize {
    message.caller.address.parse::<usize>().unwrap() - 300
}

/// The file holds what its caller said, every sample of it, from where it begins to where it ends.
fn assert_exact(data: &Path, message: &MessageRecord) -> usize {
    let caller = caller_of(message);
    let reader = hound::WavReader::open(data.join("recordings").join(&message.path)).unwrap();
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (1, 8_000));
    let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
    assert_eq!(samples.len() as u64, message.samples);
    // Before the first packet and after the last there are some milliseconds of nothing.
    let from = samples.iter().position(|sample| *sample != 0).expect("something was said");
    let to = samples.iter().rposition(|sample| *sample != 0).unwrap() + 1;
    assert!(
        from <= 800 && samples.len() - to <= 1_600,
        "caller {caller}: {from} and {} of silence",
        samples.len() - to
    );
    let said = |at: u64| Law::Mu.decode(byte(caller, at));
    let spoken = &samples[from..to];
    let is_place = |at: &u64| spoken.iter().take(16).zip(*at..).all(|(sample, at)| *sample == said(at));
    let place = (0..8_000 * 120).find(is_place).expect("a place of what the caller said");
    let wrong = spoken.iter().zip(place..).position(|(sample, at)| *sample != said(at));
    assert_eq!(wrong, None, "caller {caller}: of {} samples", spoken.len());
    spoken.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_many_callers_at_the_same_time_is_what_they_said() {
    const CALLERS: usize = 16;
    let house = House::new(CALLERS);
    let phones = house.callers(CALLERS).await;
    house.spoken(CALLERS).await;
    // Every second one ends it with the key, the others just hang up.
    for (caller, phone) in phones.iter().enumerate() {
        match caller % 2 {
            0 => phone.digits("#").await.unwrap(),
            _ => phone.hang_up().await.unwrap(),
        }
    }
    let messages = house.messages(CALLERS).await;
    let by_caller: BTreeMap<usize, &MessageRecord> =
        messages.iter().map(|message| (caller_of(message), message)).collect();
    assert_eq!(by_caller.len(), CALLERS, "one of each");
    for message in &messages {
        assert!(assert_exact(&house.data(), message) >= 2 * 8_000);
        assert!(message.call.is_some() && message.path.starts_with("vm/messages/"));
    }
    assert_eq!(house.leftovers(), 0);
    let verified = house.home.ask(&["recording", "verify"]);
    let checked = verified["messages"].as_array().unwrap();
    assert!(checked.len() == CALLERS && checked.iter().all(|file| file["problem"] == ""), "{verified}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_said_when_the_service_was_killed_reaches_its_box_at_the_next_start() {
    const CALLERS: usize = 3;
    let house = House::new(CALLERS);
    let phones = house.callers(CALLERS).await;
    house.spoken(CALLERS).await;
    let house = house.killed();
    drop(phones);
    let messages = house.messages(CALLERS).await;
    for message in &messages {
        assert!(assert_exact(&house.data(), message) >= 2 * 8_000);
    }
    assert_eq!(house.leftovers(), 0);
    let store = Store::open(&house.data().join("telegraphone.db")).await.unwrap();
    let calls = store.calls(u32::MAX, None).await.unwrap();
    let at_the_box =
        |call: &CallRecord| (call.end_reason.clone(), call.outcome) == (Some(EndReason::Crashed), Outcome::Voicemail);
    assert!(calls.len() == CALLERS && calls.iter().all(at_the_box), "{calls:?}");
    store.close().await;
    // What was handed over once is not handed over again.
    let house = house.killed();
    assert_eq!(house.messages(CALLERS).await, messages);
}
