//! From the ring to the box: real recorder, archivist, files and database; only the worker is played.

use super::*;
use crate::archive::{file_digest, load_sound};
use crate::audio::{Coding, Law};
use crate::base::{CallId, CompanyId, Random, Seeded, Side, Span, Time};
use crate::call::{TakeFact, TakeSetting};
use crate::directory::Directory;
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;
use crate::ledger::{Forwarded, Keep, OutboxKind, Party, Subject, TakeId};
use crate::media::{TapEvent, encode_tap};
use crate::service::archivist::{ArchiveOrder, ArchivistHandle, TakeWord};
use crate::service::clock::Clock;
use crate::service::priority::WorkerClass;
use crate::service::recorder::{RecorderConfig, RecorderHandle, RecorderOrder, RecorderReport, TakeNews, TakeStart};
use crate::service::recover::recover;
use crate::store::Store;
use rtrb::{Producer, RingBuffer};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

const COMPANIES: &str = "
[[company]]
key = \"acme\"
domains = [\"acme.example\"]
[[user]]
company = \"acme\"
extension = \"202\"
password = \"four-words-and-a-half\"
[[voicemail]]
company = \"acme\"
number = \"8202\"
owner = \"user:202\"
";

/// A recorder and an archivist, and a caller whose packets come as fast as the test likes.
struct Studio {
    folder: tempfile::TempDir,
    store: Store,
    clock: Clock,
    ring: Option<Producer<u8>>,
    recorder: RecorderHandle,
    archivist: ArchivistHandle,
    facts: mpsc::Receiver<RecorderReport>,
    company: CompanyId,
    mailbox: BoxId,
    call: CallId,
    slot: u32,
    /// Where the caller's clock stands.
    now: Time,
    timestamp: u32,
    sequence: u16,
}

fn directory() -> Directory {
    standalone(&CompanyFile::parse(COMPANIES).unwrap()).unwrap()
}

/// What somebody says: loud, and no two stretches of it alike.
fn speech(seed: u64, frames: usize) -> Vec<u8> {
    let mut bytes = vec![0; frames * 160];
    Seeded(seed).fill(&mut bytes);
    bytes.iter_mut().for_each(|byte| *byte &= 0xbf);
    bytes
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|byte| Law::Mu.decode(*byte)).collect()
}

impl Studio {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        let store = Store::open(&folder.path().join("t.db")).await.unwrap();
        let directory = Arc::new(directory());
        let mailbox = directory.companies().flat_map(|company| directory.mailboxes_of(company.id)).next().unwrap();
        let (company, mailbox) = (mailbox.company, mailbox.id);
        let clock = Clock::start();
        let (reports, facts) = mpsc::channel(1_000);
        let runtime = tokio::runtime::Handle::current();
        let places = (files.clone(), files.join("reserve"));
        let archivist = ArchivistHandle::start(clock, store.clone(), runtime, places, reports.clone()).unwrap();
        archivist.sender().send(ArchiveOrder::Directory(directory)).unwrap();
        let (ring, taken) = RingBuffer::new(1 << 22);
        let millis = Span::from_millis;
        let config =
            RecorderConfig { dir: files, window: millis(300), write_interval: millis(20), max_part_bytes: 1 << 30 };
        let recorder = RecorderHandle::start(
            "recorder-test".to_owned(),
            WorkerClass::Usual,
            clock,
            config,
            vec![taken],
            archivist.sender(),
            reports,
        );
        Studio {
            folder,
            store,
            clock,
            ring: Some(ring),
            recorder: recorder.unwrap(),
            archivist,
            facts,
            company,
            mailbox,
            call: CallId::new(clock.wall(), [3; 10]),
            slot: 40,
            now: clock.now(),
            timestamp: 5_000,
            sequence: 1,
        }
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    fn draft(&self) -> MessageDraft {
        MessageDraft {
            mailbox: self.mailbox,
            call: self.call,
            caller: Party { user: None, address: "+16660001".to_owned(), name: "Otto".to_owned() },
            number: None,
            urgent: false,
            forwarded: None,
            minimum: Span::from_secs(1),
        }
    }

    fn event(&mut self, event: &TapEvent<'_>) {
        let ring = self.ring.as_mut().unwrap();
        ring.push_entire_slice(&encode_tap(self.slot, event)).unwrap();
        ring.push_entire_slice(event.payload()).unwrap();
    }

    fn word(&self, word: TakeWord) {
        self.archivist.sender().send(ArchiveOrder::Take(word)).unwrap();
    }

    fn begin(&mut self, take: u32, keep: Keep, silence: Option<Span>) {
        self.slot += 1;
        let (call, take) = (self.call, TakeId(take));
        self.word(TakeWord::Begun { call, take });
        let (company, company_key, rate, review) = (self.company, "acme".to_owned(), Rate::NARROW, true);
        let setting = TakeSetting { company, company_key, rate, silence, review };
        let start = Box::new(TakeStart { call, take, side: Side::Caller, keep, setting });
        self.recorder.send(RecorderOrder::BeginTake { slot: self.slot, start });
        self.event(&TapEvent::Gate { open: true, at: self.now, edge: None });
    }

    fn begin_message(&mut self, take: u32) {
        self.begin(take, Keep::Message(self.draft()), None);
    }

    fn say(&mut self, bytes: &[u8]) {
        for payload in bytes.chunks(160) {
            let (sequence, timestamp, arrival) = (self.sequence, self.timestamp, self.now);
            let (side, coding, ssrc) = (Side::Caller, Coding::PCMU, 7);
            self.event(&TapEvent::Frame { side, coding, ssrc, sequence, timestamp, arrival, payload });
            self.sequence = sequence.wrapping_add(1);
            self.timestamp = timestamp.wrapping_add(160);
            self.now = self.now + Span::from_millis(20);
        }
    }

    fn end(&mut self, cut: Span) {
        self.recorder.send(RecorderOrder::CutTake { slot: self.slot, cut });
        self.event(&TapEvent::End { at: self.now });
    }

    fn keep(&self, take: u32, keep: Keep) {
        self.word(TakeWord::Keep { call: self.call, take: TakeId(take), keep: Box::new(keep) });
    }

    async fn news(&mut self) -> (u32, TakeNews) {
        let report = tokio::time::timeout(std::time::Duration::from_secs(20), self.facts.recv());
        match report.await.expect("a fact comes").unwrap() {
            RecorderReport::Take { take, news, .. } => (take.0, news),
            other => panic!("{other:?}"),
        }
    }

    async fn closed(&mut self, take: u32) -> Span {
        match self.news().await {
            (of, TakeNews::Closed { length, review: Some(_) }) if of == take => length,
            other => panic!("{other:?}"),
        }
    }

    async fn kept(&mut self, take: u32) -> Option<MessageRecord> {
        match self.news().await {
            (of, TakeNews::Fact(TakeFact::Kept { message })) if of == take => match message {
                Some(id) => Some(self.store.message(id).await.unwrap().expect("a message that was kept is there")),
                None => None,
            },
            other => panic!("{other:?}"),
        }
    }

    /// Everything ends as when the service is stopped.
    async fn stop(self) -> (tempfile::TempDir, Store) {
        let Studio { folder, store, ring, mut recorder, mut archivist, .. } = self;
        drop(ring);
        tokio::task::spawn_blocking(move || {
            recorder.stop();
            archivist.stop();
        })
        .await
        .unwrap();
        (folder, store)
    }
}

/// Files below a folder, by their endings.
fn endings(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path().extension().unwrap().to_string_lossy().into_owned()),
            }
        }
    }
    found.sort();
    found
}

async fn created(store: &Store) -> Vec<MessageId> {
    let entries = store.outbox_after(0, 100).await.unwrap();
    let of = |subject| match subject {
        Subject::Message(id) => id,
        other => panic!("{other:?}"),
    };
    entries
        .into_iter()
        .filter(|entry| entry.kind == OutboxKind::VoicemailCreated)
        .map(|entry| of(entry.subject))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_what_was_said_sample_for_sample_and_is_delivered_once() {
    let mut studio = Studio::new().await;
    let spoken = speech(1, 150);
    studio.begin_message(1);
    studio.say(&spoken);
    studio.end(Span::ZERO);
    assert_eq!(studio.closed(1).await, Span::from_secs(3));
    let urgent = MessageDraft { urgent: true, ..studio.draft() };
    studio.keep(1, Keep::Message(urgent));
    let record = studio.kept(1).await.unwrap();
    assert!(record.urgent, "as it was kept, not as it was begun");
    assert_eq!(
        (record.mailbox, record.call, record.samples, record.rate),
        (studio.mailbox, Some(studio.call), 24_000, 8_000)
    );
    let path = studio.files().join(&record.path);
    assert_eq!(load_sound(&path, Span::from_secs(3)).unwrap()[..], samples(&spoken));
    assert_eq!((record.digest.clone(), record.bytes), file_digest(&path).unwrap());
    let date = record.left.to_string()[..10].replace('-', "/");
    assert_eq!(record.path, format!("acme/messages/{date}/{}.wav", record.id));
    // It is said again, and the call is over, and the service stops: it stays one message.
    studio.keep(1, Keep::Message(studio.draft()));
    studio.word(TakeWord::Over { call: studio.call, record: None });
    let files = studio.files();
    let (_folder, store) = studio.stop().await;
    assert_eq!(created(&store).await, [record.id]);
    assert_eq!(endings(&files), ["wav"], "journals go with the rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_in_the_middle_has_left_what_they_said() {
    let mut studio = Studio::new().await;
    let spoken = speech(2, 100);
    studio.begin_message(1);
    studio.say(&spoken);
    // The call's end: the worker ends the take, and nobody says what it is to be.
    studio.end(Span::ZERO);
    studio.word(TakeWord::Over { call: studio.call, record: None });
    studio.closed(1).await;
    let record = studio.kept(1).await.unwrap();
    let path = studio.files().join(&record.path);
    assert_eq!(load_sound(&path, Span::from_secs(3)).unwrap()[..], samples(&spoken));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shorter_than_its_minimum_is_no_message_and_leaves_nothing() {
    let mut studio = Studio::new().await;
    studio.begin_message(1);
    studio.say(&speech(3, 49));
    studio.end(Span::ZERO);
    studio.keep(1, Keep::Message(studio.draft()));
    studio.closed(1).await;
    assert_eq!(studio.kept(1).await, None);
    studio.word(TakeWord::Over { call: studio.call, record: None });
    let files = studio.files();
    let (_folder, store) = studio.stop().await;
    assert!(created(&store).await.is_empty() && endings(&files).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_spoken_again_is_the_second_one() {
    let mut studio = Studio::new().await;
    studio.begin_message(1);
    studio.say(&speech(4, 100));
    studio.end(Span::ZERO);
    studio.closed(1).await;
    studio.word(TakeWord::Discard { call: studio.call, take: TakeId(1) });
    let again = speech(5, 75);
    studio.begin_message(2);
    studio.say(&again);
    studio.end(Span::ZERO);
    studio.closed(2).await;
    studio.word(TakeWord::Over { call: studio.call, record: None });
    let record = studio.kept(2).await.unwrap();
    assert_eq!(load_sound(&studio.files().join(&record.path), Span::from_secs(3)).unwrap()[..], samples(&again));
    let files = studio.files();
    let (_folder, store) = studio.stop().await;
    assert_eq!((created(&store).await.len(), endings(&files)), (1, vec!["wav".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_ends_a_message_is_not_in_it_nor_is_a_key_in_its_middle_heard() {
    let mut studio = Studio::new().await;
    let spoken = speech(6, 100);
    studio.begin_message(1);
    studio.say(&spoken[..8_000]);
    // An in-band key that the caller pressed by mistake: 40 ms of it were let through.
    let key = |timestamp, length, first| TapEvent::Key { side: Side::Caller, ssrc: 7, timestamp, length, first };
    let from = studio.timestamp;
    studio.say(&spoken[8_000..8_640]);
    studio.event(&key(from, 640, true));
    studio.say(&spoken[8_640..]);
    let from = studio.timestamp;
    studio.say(&speech(7, 3));
    studio.event(&key(from, 480, true));
    studio.end(Span::ZERO);
    studio.closed(1).await;
    studio.keep(1, Keep::Message(studio.draft()));
    let record = studio.kept(1).await.unwrap();
    let heard = load_sound(&studio.files().join(&record.path), Span::from_secs(3)).unwrap();
    let mut expected = samples(&spoken);
    expected[8_000..8_640].fill(0);
    assert_eq!(heard[..], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_told_and_taken_off_the_end() {
    let mut studio = Studio::new().await;
    let limit = Span::from_millis(400);
    let draft = MessageDraft { minimum: Span::ZERO, ..studio.draft() };
    studio.begin(1, Keep::Message(draft.clone()), Some(limit));
    let spoken = speech(8, 25);
    studio.say(&spoken);
    // The idle code of µ-law.
    studio.say(&[0xff; 160 * 60]);
    assert_eq!(studio.news().await, (1, TakeNews::Fact(TakeFact::Silent)));
    studio.end(limit);
    studio.closed(1).await;
    studio.keep(1, Keep::Message(draft));
    let record = studio.kept(1).await.unwrap();
    let heard = load_sound(&studio.files().join(&record.path), Span::from_secs(3)).unwrap();
    assert_eq!(heard[..4_000], samples(&spoken), "nothing of what was said");
    assert!((4_000..4_000 + 2_400).contains(&heard.len()), "{} samples: a little of the silence stays", heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_takes_the_place_of_the_one_before_and_one_that_nobody_confirms_does_not() {
    let mut studio = Studio::new().await;
    let keep = Keep::Greeting { mailbox: studio.mailbox, kind: GreetingKind::Busy };
    let texts = [speech(9, 30), speech(10, 40)];
    for (take, spoken) in (1..).zip(&texts) {
        studio.begin(take, keep.clone(), None);
        studio.say(spoken);
        studio.end(Span::ZERO);
        studio.closed(take).await;
        studio.keep(take, keep.clone());
        assert_eq!(studio.kept(take).await, None);
        let greeting = studio.store.greeting(studio.mailbox, GreetingKind::Busy).await.unwrap().unwrap();
        assert_eq!(greeting.path, format!("acme/greetings/{}-busy.wav", studio.mailbox.0));
        assert_eq!(greeting.samples, spoken.len() as u64);
        assert_eq!(load_sound(&studio.files().join(&greeting.path), Span::from_secs(3)).unwrap()[..], samples(spoken));
    }
    studio.begin(3, keep, None);
    studio.say(&speech(11, 50));
    studio.end(Span::ZERO);
    studio.closed(3).await;
    studio.word(TakeWord::Over { call: studio.call, record: None });
    let (files, mailbox) = (studio.files(), studio.mailbox);
    let (_folder, store) = studio.stop().await;
    let greeting = store.greeting(mailbox, GreetingKind::Busy).await.unwrap().unwrap();
    assert_eq!(greeting.samples, 40 * 160);
    assert_eq!(endings(&files), ["wav"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_introduction_and_the_message_that_is_sent_on_are_one_new_message() {
    let mut studio = Studio::new().await;
    let (old, introduction) = (speech(12, 60), speech(13, 40));
    studio.begin_message(1);
    studio.say(&old);
    studio.end(Span::ZERO);
    studio.closed(1).await;
    studio.keep(1, Keep::Message(studio.draft()));
    let first = studio.kept(1).await.unwrap();
    let by = Party { user: None, address: "202".to_owned(), name: String::new() };
    let forwarded = Some(Forwarded { from: studio.mailbox, message: first.id, by, introduced: true });
    let keep = Keep::Introduction { forward: first.id, draft: MessageDraft { forwarded, ..studio.draft() } };
    studio.begin(2, keep.clone(), None);
    studio.say(&introduction);
    studio.end(Span::ZERO);
    studio.closed(2).await;
    studio.keep(2, keep);
    let second = studio.kept(2).await.unwrap();
    assert_eq!((second.call, second.forwarded.as_ref().map(|forwarded| forwarded.message)), (None, Some(first.id)));
    let heard = |record: &MessageRecord| load_sound(&studio.files().join(&record.path), Span::from_secs(9)).unwrap();
    assert_eq!(heard(&second)[..], samples(&[introduction, old.clone()].concat()));
    assert_eq!(heard(&first)[..], samples(&old), "the first stays as it was");
    assert_eq!(endings(&studio.files()), ["wav", "wav"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_file_can_be_made_the_caller_is_told_and_nothing_else_happens() {
    let mut studio = Studio::new().await;
    fs::write(studio.files().join("acme"), "in the place of the company's folder").unwrap();
    studio.begin_message(1);
    studio.say(&speech(14, 10));
    let (1, TakeNews::Fact(TakeFact::Failed { problem })) = studio.news().await else { panic!("it failed") };
    assert!(!problem.is_empty());
    studio.end(Span::ZERO);
    studio.keep(1, Keep::Message(studio.draft()));
    studio.word(TakeWord::Over { call: studio.call, record: None });
    fs::remove_file(studio.files().join("acme")).unwrap();
    // The next one is recorded.
    studio.call = CallId::new(studio.clock.wall(), [4; 10]);
    studio.begin_message(1);
    studio.say(&speech(15, 60));
    studio.end(Span::ZERO);
    studio.closed(1).await;
    studio.keep(1, Keep::Message(studio.draft()));
    assert!(studio.kept(1).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_database_does_not_take_is_kept_and_handed_over_later_once() {
    use sqlx::Connection;
    let mut studio = Studio::new().await;
    let path = studio.folder.path().join("t.db");
    let mut other = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql("ALTER TABLE messages RENAME TO hidden").execute(&mut other).await.unwrap();
    let spoken = speech(19, 60);
    studio.begin_message(1);
    studio.say(&spoken);
    studio.end(Span::ZERO);
    studio.closed(1).await;
    studio.keep(1, Keep::Message(studio.draft()));
    let (1, TakeNews::Fact(TakeFact::Kept { message: Some(id) })) = studio.news().await else { panic!("it is kept") };
    assert_eq!(endings(&studio.files()), ["journal", "wav"], "a crash loses nothing of it");
    sqlx::raw_sql("ALTER TABLE hidden RENAME TO messages").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    while endings(&studio.files()) != ["wav"] {
        tokio::task::yield_now().await;
    }
    let record = studio.store.message(id).await.unwrap().unwrap();
    assert_eq!(load_sound(&studio.files().join(&record.path), Span::from_secs(3)).unwrap()[..], samples(&spoken));
    assert_eq!(created(&studio.store).await, [id]);
}

/// What is on the disk at this moment, for a service that begins there.
fn image(files: &Path, to: &Path) {
    for entry in fs::read_dir(files).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => {
                fs::create_dir(&target).unwrap();
                image(&entry.path(), &target);
            }
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_killed_delivers_what_was_being_said_and_nothing_that_nobody_confirmed() {
    let mut studio = Studio::new().await;
    let spoken = speech(16, 200);
    let greeting = Keep::Greeting { mailbox: studio.mailbox, kind: GreetingKind::Name };
    studio.begin(1, greeting, None);
    studio.say(&speech(17, 100));
    studio.end(Span::ZERO);
    studio.closed(1).await;
    studio.begin_message(2);
    studio.say(&spoken);
    studio.end(Span::ZERO);
    studio.closed(2).await;
    // A second try while the first is not thrown away, in the middle.
    studio.begin_message(3);
    studio.say(&speech(18, 100));
    // Until it is written, as far as the window lets it.
    while endings(&studio.files()).iter().filter(|ending| *ending == "part").count() < 3 {
        tokio::task::yield_now().await;
    }
    let later = tempfile::tempdir().unwrap();
    image(&studio.files(), later.path());
    let store = Store::open(&later.path().join("t.db")).await.unwrap();
    apply(&store).await;
    let recovered = recover(later.path(), &store, studio.clock.wall()).await.unwrap();
    assert_eq!((recovered.messages, recovered.repaired, recovered.failed), (1, 0, 0));
    let [id] = created(&store).await[..] else { panic!("one message") };
    let record = store.message(id).await.unwrap().unwrap();
    assert_eq!(load_sound(&later.path().join(&record.path), Span::from_secs(9)).unwrap()[..], samples(&spoken));
    let again = recover(later.path(), &store, studio.clock.wall()).await.unwrap();
    assert_eq!((again.messages, created(&store).await.len()), (0, 1), "the next start has nothing to do");
    assert_eq!(endings(later.path()).iter().filter(|ending| ["part", "journal"].contains(&ending.as_str())).count(), 0);
}

/// The company file in a database of its own; ids are given in the same order.
async fn apply(store: &Store) {
    use crate::directory::plan::plan;
    let current = store.load_directory().await.unwrap();
    let plan = plan(&current, &CompanyFile::parse(COMPANIES).unwrap(), false).unwrap();
    store.apply(&plan, &mut Seeded(1)).await.unwrap();
}
