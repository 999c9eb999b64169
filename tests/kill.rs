//! The service under `kill -9`: a real `telegraphone serve` is killed with calls up, at random
//! moments and between any two steps from the first write to the event. The next start puts
//! everything right.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it measures time"
)]
#![allow(dead_code, reason = "the process serves other tests too")]

#[path = "kill/finished.rs"]
mod finished;
#[path = "kill/phones.rs"]
mod phones;
mod process;
mod scene;
#[path = "kill/service.rs"]
mod service;

use finished::{Expected, ROWS};
use phones::Phones;
use process::{data_dir, files_in};
use service::{DEADLINE, Service, runtime};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use telegraphone::audio::{Law, mix};
use telegraphone::base::{CallId, Random, RecordingId, Seeded};
use telegraphone::ledger::{CallRecord, Channels, EndReason, MarkerKind, OutboxKind, RecordingRecord, RecordingState};
use telegraphone::subscription::FeedEntry;

/// Each ends with a kill.
const ROUNDS: u64 = 52;
/// Calls of a round.
const CALLS: usize = 4;
/// Samples of one channel in a second: what a crash may cost at most.
const SECOND: usize = 8_000;

/// When the process is killed, in ms.
struct Round {
    /// From the first INVITE to the hanging up, if it comes to that.
    talk: u64,
    /// From the first INVITE to the kill.
    kill: u64,
}

impl Round {
    /// Every twelfth is long enough to lose a second in; of the others, half die at the hanging
    /// up, the rest anywhere.
    fn drawn(number: u64, random: &mut Seeded) -> Round {
        let mut below = |most: u32| u64::from(random.u32() % most);
        match number % 12 {
            5 => Round { talk: u64::MAX, kill: 1_400 + below(500) },
            even if even % 2 == 0 => {
                let talk = 120 + below(150);
                Round { talk, kill: talk + below(45) }
            }
            _ => Round { talk: 100 + below(300), kill: below(500) },
        }
    }
}

/// What the phones know of a call at the moment of the kill.
struct Dead {
    /// Since the caller has heard of the answer.
    up: Option<Duration>,
    /// Samples that each party has sent.
    sent: [usize; 2],
}

#[test]
fn nothing_is_lost_or_doubled_wherever_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Seeded(0x7e1e);
    let mut phones = Phones::new();
    let mut service = Service::start(folder.path());
    let mut dead = Vec::new();
    let mut found = BTreeMap::new();
    for number in 0..ROUNDS {
        let round = Round::drawn(number, &mut random);
        play(&round, &mut phones, &mut service);
        dead.extend(phones.dead());
        for state in files_in(&data_dir(folder.path())).iter().filter_map(|file| left_over(file)) {
            *found.entry(state).or_insert(0) += 1;
        }
        service = Service::start(folder.path());
        check(&service, folder.path(), &dead, number);
    }
    println!("found after {ROUNDS} kills: {found:?}");
    assert!(found.contains_key("written"), "no kill left an unfinished file: {found:?}");
}

/// Calls, then the kill at its moment.
fn play(round: &Round, phones: &mut Phones, service: &mut Service) {
    phones.turn_to(service.sip);
    let begun = Instant::now();
    let at = |ms: u64| begun.checked_add(Duration::from_millis(ms));
    for _ in 0..CALLS {
        phones.invite();
    }
    let kill = at(round.kill).unwrap();
    if let Some(talk) = at(round.talk).filter(|talk| *talk < kill) {
        phones.run_until(talk);
        phones.hang_up();
    }
    phones.run_until(kill);
    service.kill();
}

/// How far a recording was that is not handed over, told by its most telling file.
fn left_over(file: &Path) -> Option<&'static str> {
    let beside = |ending: &str| file.with_extension(ending).exists();
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("part") if beside("json") => Some("described, not renamed"),
        Some("part") if sealed(file) => Some("sealed, not described"),
        Some("part") => Some("written"),
        Some("wav") if beside("journal") => Some("renamed, journal there"),
        Some("journal") if !beside("part") && !beside("wav") => Some("journal alone"),
        Some("tmp") => Some("half a sidecar"),
        Some(_) | None => None,
    }
}

fn sealed(part: &Path) -> bool {
    let bytes = std::fs::read(part).unwrap();
    bytes.get(4..8).is_some_and(|size| size != [0; 4]) || bytes.get(40..44).is_some_and(|size| size != [0; 4])
}

fn check(service: &Service, folder: &Path, dead: &[Dead], number: u64) {
    let rows = service.recordings();
    check_rows(service, folder, &rows, number);
    let by_call = by_call(&rows);
    let mut recorded = BTreeSet::new();
    let calls = service.stored_calls();
    check_call_events(service, &calls, number);
    for call in calls {
        assert!(call.ended.is_some(), "round {number}: call {} has no end", call.id);
        let recordings = by_call.get(&call.id).map_or(&[][..], Vec::as_slice);
        if call.end_reason == Some(EndReason::Crashed) {
            let state = recordings.first().map(|row| row.state);
            assert_ne!(state, Some(RecordingState::Incomplete), "round {number}: call {}", call.id);
        }
        if call.answered.is_none() {
            assert!(recordings.is_empty(), "round {number}: call {} was not answered", call.id);
            continue;
        }
        assert_eq!(recordings.len(), 1, "round {number}: recordings of the answered call {}", call.id);
        let at = scene::call_of_caller(&call.caller.address);
        recorded.insert(at);
        check_audio(folder, recordings[0], &dead[at], at, number);
    }
    for (at, call) in dead.iter().enumerate() {
        // What happened in the last second may be lost, not more.
        if call.up.is_some_and(|up| up >= Duration::from_secs(1)) {
            assert!(recorded.contains(&at), "round {number}: call {at} was up and nothing is known of it");
        }
    }
}

/// Of every call it is told once that it began and once that it ended, also where the process died in
/// between, and its recording only after that.
fn check_call_events(service: &Service, calls: &[CallRecord], number: u64) {
    let ends = |event: &FeedEntry| event.kind == OutboxKind::CallEnded;
    assert_eq!(service.events_until(ends, calls.len()).len(), calls.len(), "round {number}: ends of calls");
    let events = service.events_until(|_| true, 0);
    for call in calls {
        let of_call: Vec<_> =
            events.iter().filter(|event| event.call == Some(call.id)).map(|event| event.kind).collect();
        let places = |kind| of_call.iter().enumerate().filter(|(_, other)| **other == kind).map(|(at, _)| at).collect();
        let (begun, ended): (Vec<usize>, Vec<usize>) = (places(OutboxKind::CallStarted), places(OutboxKind::CallEnded));
        assert_eq!((begun.as_slice(), ended.len()), ([0].as_slice(), 1), "round {number}: {of_call:?}");
        let finished: Vec<usize> = places(OutboxKind::RecordingFinished);
        assert!(finished.iter().all(|at| *at > ended[0]), "round {number}: {of_call:?}");
    }
}

/// Files, rows and events belong together, each once.
fn check_rows(service: &Service, folder: &Path, rows: &[RecordingRecord], number: u64) {
    let finals = files_and_rows_agree(folder, rows);
    assert_eq!(finals, Vec::<String>::new(), "round {number}: files and rows");
    assert_eq!(service.verify(), Vec::<String>::new(), "round {number}: recording verify");
    let events = service.events(rows.len());
    let told: BTreeSet<RecordingId> = events.iter().filter_map(FeedEntry::recording).collect();
    assert_eq!(told, rows.iter().map(|row| row.id).collect(), "round {number}: events and rows");
    assert_eq!(events.len(), rows.len(), "round {number}: one event per recording");
    for event in &events {
        let row = rows.iter().find(|row| Some(row.id) == event.recording()).unwrap();
        let kind = match row.state {
            RecordingState::Failed => OutboxKind::RecordingFailed,
            RecordingState::Complete | RecordingState::Recovered => OutboxKind::RecordingFinished,
            RecordingState::Incomplete | RecordingState::Deleted | RecordingState::Missing => {
                panic!("round {number}: recording {} is {}: {}", row.id, row.state.as_str(), row.problem)
            }
        };
        assert_eq!(event.kind, kind, "round {number}: recording {}", row.id);
    }
}

/// What is wrong between the folder and the rows of files: nothing unfinished is left, every file
/// has its row and every row its file and sidecar.
fn files_and_rows_agree(folder: &Path, rows: &[RecordingRecord]) -> Vec<String> {
    let dir = data_dir(folder).join("recordings");
    let mut wrong = Vec::new();
    let mut expected = BTreeSet::new();
    let with_file = |row: &&RecordingRecord| match row.state {
        RecordingState::Complete | RecordingState::Incomplete | RecordingState::Recovered => true,
        RecordingState::Failed | RecordingState::Deleted | RecordingState::Missing => false,
    };
    for row in rows.iter().filter(with_file) {
        for path in [dir.join(&row.path), dir.join(&row.path).with_extension("json")] {
            if !expected.insert(path.clone()) {
                wrong.push(format!("two rows for {}", path.display()));
            }
        }
    }
    let there: BTreeSet<_> = files_in(&dir).into_iter().filter(|path| *path != dir.join("reserve")).collect();
    wrong.extend(there.difference(&expected).map(|path| format!("{} has no row", path.display())));
    wrong.extend(expected.difference(&there).map(|path| format!("{} is not there", path.display())));
    wrong
}

fn by_call(rows: &[RecordingRecord]) -> BTreeMap<CallId, Vec<&RecordingRecord>> {
    let mut by_call: BTreeMap<CallId, Vec<&RecordingRecord>> = BTreeMap::new();
    for row in rows {
        by_call.entry(row.call).or_default().push(row);
    }
    by_call
}

/// Nothing but this call's own samples stands in each channel, and at most a second less of them
/// than was sent.
fn check_audio(folder: &Path, row: &RecordingRecord, call: &Dead, at: usize, number: u64) {
    let audio = match row.path.is_empty() {
        true => Vec::new(),
        false => {
            let bytes = std::fs::read(data_dir(folder).join("recordings").join(&row.path)).unwrap();
            bytes[44..44 + 4 * usize::try_from(row.samples).unwrap()].to_vec()
        }
    };
    for side in 0..2 {
        let spoken = Law::Mu.decode(phones::code(at, side));
        let channel = audio.chunks_exact(4).map(|frame| i16::from_le_bytes([frame[2 * side], frame[2 * side + 1]]));
        let heard: Vec<i16> = channel.filter(|sample| *sample != 0).collect();
        let context = format!("round {number}, call {at}, side {side}, recording {} ({})", row.id, row.state.as_str());
        assert!(heard.iter().all(|sample| *sample == spoken), "{context}: not what was spoken");
        let sent = call.sent[side];
        assert!(heard.len() <= sent, "{context}: {} of {sent} samples", heard.len());
        assert!(heard.len() + SECOND >= sent, "{context}: only {} of {sent} samples were saved", heard.len());
    }
}

/// Bytes of a part: two seconds and a little.
const PART: usize = 65_536;

#[test]
fn every_part_of_a_recording_is_repaired_and_nothing_is_lost_between_them() {
    let folder = tempfile::tempdir().unwrap();
    Service::set_up(folder.path(), &format!("max_part_bytes = {PART}\n"));
    let mut phones = Phones::new();
    let mut service = Service::start(folder.path());
    phones.turn_to(service.sip);
    phones.invite();
    // Three parts are full, and the fourth has begun.
    let deadline = Instant::now() + DEADLINE;
    while parts(folder.path()) < 4 {
        assert!(Instant::now() < deadline, "only {} parts", parts(folder.path()));
        phones.run_until(Instant::now() + Duration::from_millis(20));
    }
    phones.run_until(Instant::now() + Duration::from_millis(700));
    service.kill();
    let dead = phones.dead();
    let service = Service::start(folder.path());
    let mut rows = service.recordings();
    rows.sort_by_key(|row| row.id);
    check_rows(&service, folder.path(), &rows, 0);
    assert_eq!(rows.len(), 4, "{rows:#?}");
    let spoken = [0, 1].map(|side| Law::Mu.decode(phones::code(0, side)));
    let mut heard = [0, 0];
    for (at, row) in rows.iter().enumerate() {
        assert_eq!((row.state, row.call), (RecordingState::Recovered, rows[0].call), "part {at}: {}", row.problem);
        let bytes = std::fs::read(data_dir(folder.path()).join("recordings").join(&row.path)).unwrap();
        if at < 3 {
            assert!(bytes.len() <= PART + 4_096 && row.samples > 15_000, "part {at} has {} samples", row.samples);
        }
        let frames: Vec<[i16; 2]> = bytes[44..44 + 4 * usize::try_from(row.samples).unwrap()]
            .chunks_exact(4)
            .map(|frame| [i16::from_le_bytes([frame[0], frame[1]]), i16::from_le_bytes([frame[2], frame[3]])])
            .collect();
        for side in [0, 1] {
            let of_side = frames.iter().map(|frame| frame[side]).filter(|sample| *sample != 0);
            heard[side] += of_side.inspect(|sample| assert_eq!(*sample, spoken[side], "part {at}")).count();
        }
        // Both parties speak without a break: where one part ends the next goes on.
        let edges = [frames.get(..10).unwrap_or(&[]), frames.get(frames.len() - 10..).unwrap_or(&[])];
        let inner = [at > 0, at < 3].into_iter().zip(edges).filter(|(inner, _)| *inner);
        assert!(inner.flat_map(|(_, edge)| edge).all(|frame| *frame == spoken), "part {at}: silence at an edge");
    }
    for side in [0, 1] {
        let sent = dead[0].sent[side];
        assert!(heard[side] <= sent && heard[side] + SECOND >= sent, "side {side}: {} of {sent} samples", heard[side]);
    }
}

#[test]
fn a_mono_recording_is_finished_and_repaired_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    Service::set_up_with(folder.path(), "channels = \"mono\"");
    let mut phones = Phones::new();
    let mut service = Service::start(folder.path());
    finish_calls(&service, &mut phones, 1);
    phones.invite();
    phones.run_until(Instant::now() + Duration::from_millis(1_500));
    service.kill();
    let dead = phones.dead();
    let service = Service::start(folder.path());
    let mut rows = service.recordings();
    rows.sort_by_key(|row| row.id);
    check_rows(&service, folder.path(), &rows, 0);
    let states: Vec<RecordingState> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [RecordingState::Complete, RecordingState::Recovered]);
    for (at, (row, call)) in rows.iter().zip(&dead).enumerate() {
        let wav = hound::WavReader::open(data_dir(folder.path()).join("recordings").join(&row.path)).unwrap();
        assert_eq!((wav.spec().channels, u64::from(wav.duration())), (1, row.samples), "call {at}");
        assert_eq!(row.sidecar.channels, Channels::Mono, "call {at}");
        let samples: Vec<i16> = wav.into_samples().map(Result::unwrap).collect();
        let spoken = [0, 1].map(|side| Law::Mu.decode(phones::code(at, side)));
        let [caller, callee] = spoken.map(|sample| sample / 2);
        let both = mix(spoken[0], spoken[1]);
        assert!(samples.iter().all(|sample| [0, caller, callee, both].contains(sample)), "call {at}");
        let mixed = samples.iter().filter(|sample| **sample == both).count();
        assert!(mixed + SECOND >= call.sent[0].min(call.sent[1]), "call {at}: only {mixed} samples have both");
        assert!(mixed > 1_600, "call {at}: {mixed}");
    }
}

#[test]
fn of_a_recording_that_the_outside_party_refused_nothing_remains_and_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    Service::set_up_with(folder.path(), "notice = \"outside\"\nnotice_refuse = \"9\"");
    let mut phones = Phones::new();
    let mut service = Service::start(folder.path());
    phones.turn_to(service.sip);
    phones.invite();
    phones.invite();
    let left = || files_in(&data_dir(folder.path()).join("recordings")).len();
    let deadline = Instant::now() + DEADLINE;
    let wait_until = |phones: &mut Phones, what: &str, done: &dyn Fn(&Phones) -> bool| {
        while !done(phones) {
            assert!(Instant::now() < deadline, "{what}");
            phones.run_until(Instant::now() + Duration::from_millis(20));
        }
    };
    // Part and journal of each, and the reserve where there is one.
    wait_until(&mut phones, "both are recorded", &|phones| phones.up() == 2 && parts(folder.path()) == 2);
    let both = left();
    phones.run_until(Instant::now() + Duration::from_millis(400));
    phones.press(0, 2, '9');
    wait_until(&mut phones, "the first is not recorded any more", &|_| left() == both - 2);
    phones.run_until(Instant::now() + Duration::from_millis(500));
    assert_eq!(left(), both - 2, "and not again");
    phones.hang_up();
    wait_until(&mut phones, "the second is finished", &|_| service.recordings().len() == 1);
    let told = service.events(1);
    assert_eq!(told.len(), 1);
    let calls = service.stored_calls();
    let refused: Vec<CallId> = calls.iter().filter(|call| call.is_refused()).map(|call| call.id).collect();
    assert_eq!(refused.len(), 1);
    assert_ne!(service.recordings()[0].call, refused[0]);
    for file in files_in(&data_dir(folder.path()).join("recordings")) {
        assert!(!file.display().to_string().contains(&refused[0].to_string()), "{}", file.display());
    }
    // Nor is it missed at the next start.
    service.kill();
    let service = Service::start(folder.path());
    assert_eq!((service.recordings().len(), service.events(1).len()), (1, 1));
}

#[test]
fn a_pause_that_is_cut_is_in_no_file_and_a_crash_in_it_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    Service::set_up_with(folder.path(), "pause = \"cut\"");
    let mut phones = Phones::new();
    let mut service = Service::start(folder.path());
    phones.turn_to(service.sip);
    let talk = |phones: &mut Phones, ms: u64| phones.run_until(Instant::now() + Duration::from_millis(ms));
    let deadline = Instant::now() + DEADLINE;
    let call = |phones: &mut Phones, up: usize| {
        phones.invite();
        while phones.up() < up {
            assert!(Instant::now() < deadline, "the call is not up");
            phones.run_until(Instant::now() + Duration::from_millis(10));
        }
    };
    call(&mut phones, 1);
    talk(&mut phones, 500);
    service.command("pause");
    talk(&mut phones, 1_000);
    service.command("resume");
    talk(&mut phones, 500);
    phones.hang_up();
    while service.recordings().is_empty() {
        assert!(Instant::now() < deadline, "the recording is not finished");
        talk(&mut phones, 20);
    }
    let cut = |row: &RecordingRecord| {
        let cuts = row.sidecar.markers.iter().filter(|marker| marker.kind == MarkerKind::PauseCut);
        let [marker] = cuts.collect::<Vec<_>>()[..] else { panic!("one cut: {:?}", row.sidecar.markers) };
        (marker.at, marker.length)
    };
    let rows = service.recordings();
    let record = &service.stored_calls()[0];
    let length = (record.ended.unwrap().unix_micros() - record.answered.unwrap().unix_micros()) / 125;
    let (at, left_out) = cut(&rows[0]);
    assert!(left_out > 7_000 && at < rows[0].samples, "{left_out} samples were cut at {at} of {}", rows[0].samples);
    let whole = i64::try_from(rows[0].samples).unwrap() + left_out;
    assert!((whole - length).abs() < 1_200, "file and cut have {whole} samples, the call {length}");

    call(&mut phones, 2);
    talk(&mut phones, 500);
    service.command("pause");
    talk(&mut phones, 1_000);
    service.kill();
    let service = Service::start(folder.path());
    let rows = service.recordings();
    check_rows(&service, folder.path(), &rows, 0);
    let row = rows.iter().find(|row| row.state == RecordingState::Recovered).unwrap();
    assert_eq!(cut(row), (row.samples, 0), "the pause lasted when the process died");
    assert!(row.sidecar.ended_paused);
}

/// Parts that are begun, full or not.
fn parts(folder: &Path) -> usize {
    let files = files_in(&data_dir(folder).join("recordings"));
    files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "part")).count()
}

#[test]
fn every_state_between_the_first_write_and_the_event_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut phones = Phones::new();
    let mut service = Service::start(folder.path());
    let mut recordings = finish_calls(&service, &mut phones, ROWS.len());
    service.kill();
    // The oldest event first: the last row takes the newest event away.
    recordings.sort_by_key(|(seq, _)| *seq);
    runtime().block_on(async {
        for (row, (_, recording)) in ROWS.iter().zip(&recordings) {
            finished::bring_into(row, &data_dir(folder.path()), recording).await;
        }
    });
    for pass in ["first", "second"] {
        let mut service = Service::start(folder.path());
        check_states(&service, folder.path(), &recordings, pass);
        service.kill();
    }
}

/// Makes that many finished recordings, each with the position of its event.
fn finish_calls(service: &Service, phones: &mut Phones, count: usize) -> Vec<(i64, RecordingRecord)> {
    phones.turn_to(service.sip);
    for _ in 0..count {
        phones.invite();
    }
    let deadline = Instant::now() + DEADLINE;
    while phones.up() < count {
        assert!(Instant::now() < deadline, "only {} of {count} calls are up", phones.up());
        phones.run_until(Instant::now() + Duration::from_millis(10));
    }
    phones.run_until(Instant::now() + Duration::from_millis(400));
    phones.hang_up();
    while service.recordings().len() < count {
        assert!(Instant::now() < deadline, "the recordings are not finished");
        phones.run_until(Instant::now() + Duration::from_millis(10));
    }
    let events = service.events(count);
    let seq = |id: RecordingId| events.iter().find(|event| event.recording() == Some(id)).unwrap().seq;
    service.recordings().into_iter().map(|row| (seq(row.id), row)).collect()
}

fn check_states(service: &Service, folder: &Path, before: &[(i64, RecordingRecord)], pass: &str) {
    let rows = service.recordings();
    let kinds: Vec<OutboxKind> = ROWS.iter().flat_map(|row| row.events).copied().collect();
    let events = service.events(kinds.len());
    let calls = service.stored_calls();
    for (row, (_, recording)) in ROWS.iter().zip(before) {
        let context = format!("{} ({pass} start)", row.name);
        let found: Vec<_> = rows.iter().filter(|found| found.call == recording.call).collect();
        assert_eq!(found.len(), 1, "{context}: rows");
        check_state(row.expected, found[0], recording, &context);
        let told: Vec<_> =
            events.iter().filter(|event| event.call == Some(recording.call)).map(|event| event.kind).collect();
        assert_eq!(told, row.events, "{context}: events");
        let call = calls.iter().find(|call| call.id == recording.call);
        assert!(call.is_some_and(|call| call.ended.is_some()), "{context}: the call has no end");
        if row.crashed {
            assert_eq!(call.unwrap().end_reason, Some(EndReason::Crashed), "{context}");
        }
    }
    assert_eq!(rows.len(), ROWS.len(), "no recording came from nowhere");
    assert_eq!(files_and_rows_agree(folder, &rows), Vec::<String>::new(), "{pass} start");
    let missing = ROWS.iter().filter(|row| row.expected == Expected::Missing).count();
    assert_eq!(service.verify().len(), missing, "{pass} start: recording verify: {:?}", service.verify());
}

fn check_state(expected: Expected, found: &RecordingRecord, before: &RecordingRecord, context: &str) {
    let (state, samples) = match expected {
        Expected::Complete => (RecordingState::Complete, before.samples),
        Expected::Recovered { lost } => (RecordingState::Recovered, before.samples - lost),
        Expected::Failed => (RecordingState::Failed, 0),
        Expected::Missing => (RecordingState::Missing, before.samples),
        Expected::Deleted => (RecordingState::Deleted, before.samples),
    };
    assert_eq!((found.state, found.samples), (state, samples), "{context}: {}", found.problem);
    if samples == before.samples && samples != 0 {
        assert_eq!(found.audio_sha256, before.audio_sha256, "{context}: the audio");
    }
}
