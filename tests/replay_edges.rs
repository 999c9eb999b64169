//! Captures that are not what one would like them to be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

mod synthetic;

use std::io::Read;
use std::path::PathBuf;
use telegraphone::audio::mix;
use telegraphone::base::{Span, Wall};
use telegraphone::ledger::{EndReason, MarkerKind, Outcome};
use telegraphone::replay::capture::{CaptureWriter, Resolution};
use telegraphone::replay::{Options, Policy, Progress, Report, replay_from, stems};

fn bytes(seconds: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    synthetic::Call::of_seconds(seconds).read_to_end(&mut bytes).unwrap();
    bytes
}

fn run(capture: &[u8], change: impl FnOnce(&mut Options)) -> (tempfile::TempDir, Report) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(folder.path());
    change(&mut options);
    let report = replay_from(capture, capture.len() as u64, "x", &Policy::default(), &options, &mut |_| {}).unwrap();
    (folder, report)
}

#[test]
fn a_file_that_is_full_goes_on_in_the_next_without_a_lost_sample() {
    let capture = bytes(10);
    let whole = run(&capture, |_| {});
    let parts = run(&capture, |options| options.most_bytes = 4 * 8_000 * 3);
    let audio = |report: &Report| -> Vec<u8> {
        let files = report.calls[0].files.iter();
        files.flat_map(|file| std::fs::read(&file.path).unwrap()[44..44 + 4 * file.samples as usize].to_vec()).collect()
    };
    let lengths: Vec<u64> = parts.1.calls[0].files.iter().map(|file| file.samples).collect();
    assert_eq!(lengths, [24_000, 24_000, 24_000, 8_000]);
    assert_eq!(audio(&parts.1), audio(&whole.1));
    let started: Vec<i64> = parts.1.calls[0].files.iter().map(|file| file.started.unix_micros()).collect();
    assert_eq!(started[1] - started[0], 3_000_000);
}

/// The only file of a capture with a pause, replayed for a company with these settings.
fn paused(settings: &str) -> (Vec<(MarkerKind, u64, i64)>, Vec<i16>) {
    let company = format!(
        "[[company]]\nkey = 'a'\ndomains = ['example.test']\n[company.settings]\nrecord_internal = true\n\
         agent_pause = true\n{settings}\n[[user]]\nextension = '201'\n[[user]]\nextension = '202'\n"
    );
    let policy = Policy::from_company_file(&company).unwrap();
    let capture = std::fs::read("fixtures/captures/pause-rfc4733.pcap").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path());
    let report = replay_from(&capture[..], capture.len() as u64, "x", &policy, &options, &mut |_| {}).unwrap();
    let [file] = &report.calls[0].files[..] else { panic!("one file: {report:#?}") };
    let markers = file.markers.iter().map(|marker| (marker.kind, marker.at, marker.length)).collect();
    let wav = hound::WavReader::open(&file.path).unwrap();
    assert_eq!(u64::from(wav.duration()), file.samples);
    (markers, wav.into_samples().map(Result::unwrap).collect())
}

#[test]
fn a_capture_is_cut_and_mixed_as_the_company_says() {
    let (silent, stereo) = paused("");
    let at = |markers: &[(MarkerKind, u64, i64)], kind| markers.iter().find(|(of, ..)| *of == kind).unwrap().1;
    let pause = at(&silent, MarkerKind::Resume) - at(&silent, MarkerKind::Pause);
    let (cut, shorter) = paused("pause = 'cut'");
    let [(_, place, left_out)] = cut.iter().filter(|(kind, ..)| *kind == MarkerKind::PauseCut).collect::<Vec<_>>()[..]
    else {
        panic!("one cut: {cut:?}")
    };
    assert_eq!(shorter.len() / 2 + *left_out as usize, stereo.len() / 2);
    assert!(pause.abs_diff(*left_out as u64) < 1_000, "{left_out} of {pause} samples were cut");
    let place = 2 * *place as usize;
    assert_eq!(shorter[..place], stereo[..place]);
    assert_eq!(shorter[place..], stereo[place + 2 * *left_out as usize..]);
    let (markers, mono) = paused("channels = 'mono'");
    assert_eq!(markers, silent);
    let mixed: Vec<i16> = stereo.chunks_exact(2).map(|frame| mix(frame[0], frame[1])).collect();
    assert!(mono == mixed, "both at half their level");
}

#[test]
fn a_capture_that_ends_in_the_call_gives_what_it_has_and_says_so() {
    let capture = bytes(10);
    let (_folder, report) = run(&capture[..capture.len() / 2], |_| {});
    let call = &report.calls[0];
    assert_eq!((call.outcome, &call.end_reason), (Outcome::Answered, &None));
    assert!((4.9..5.1).contains(&call.files[0].length_s), "{}", call.files[0].length_s);
    assert!(call.notes.iter().any(|note| note.contains("capture ends before the call")), "{:?}", call.notes);
    assert!(report.notes.iter().any(|note| note.contains("only in part")), "{:?}", report.notes);
}

#[test]
fn a_damaged_capture_is_replayed_up_to_the_damage() {
    let mut capture = bytes(10);
    let middle = capture.len() / 2;
    capture.truncate(middle);
    capture.extend([0xff; 4_096]);
    let (_folder, report) = run(&capture, |_| {});
    assert!(report.calls[0].files[0].length_s > 4.0);
    assert!(report.notes.iter().any(|note| note.contains("replayed up to here")), "{:?}", report.notes);
}

/// A clock that was set, or two captures in one file.
#[test]
fn a_jump_of_a_year_ends_the_call_after_its_idle_time() {
    let mut capture = bytes(2);
    // Without its BYE, which is the last record.
    let bye = capture.windows(4).rposition(|part| part == b"BYE ").unwrap();
    capture.truncate(bye - 42 - 16);
    let mut later = Vec::new();
    let mut writer = CaptureWriter::new(&mut later, Resolution::Micros).unwrap();
    let year = Wall::from_unix_micros(1_750_000_000_000_000).plus(Span::from_secs(365 * 86_400));
    writer.write(year, "192.0.2.1:9".parse().unwrap(), "192.0.2.2:9".parse().unwrap(), b"\x80\x00late").unwrap();
    writer.finish().unwrap();
    capture.extend(&later[24..]);
    let (_folder, report) = run(&capture, |options| options.idle = Span::from_secs(20));
    let call = &report.calls[0];
    assert_eq!((call.outcome, &call.end_reason), (Outcome::Completed, &Some(EndReason::PeerGone)));
    assert!((21.0..24.0).contains(&call.files[0].length_s), "{}", call.files[0].length_s);
    assert!(call.notes.iter().any(|note| note.contains("20 s")), "{:?}", call.notes);
}

#[test]
fn progress_comes_again_and_again_and_at_the_end() {
    let capture = bytes(120);
    let folder = tempfile::tempdir().unwrap();
    let mut seen: Vec<Progress> = Vec::new();
    let options = Options::new(folder.path());
    replay_from(&capture[..], capture.len() as u64, "x", &Policy::default(), &options, &mut |progress| {
        seen.push(*progress)
    })
    .unwrap();
    assert!(seen.len() > 2 && seen.is_sorted_by_key(|progress| progress.position));
    assert_eq!(seen.last().map(|progress| progress.position), Some(capture.len() as u64));
}

#[test]
fn captures_of_one_name_get_files_of_different_names() {
    let captures: Vec<PathBuf> = ["a/x.pcap", "b/x.pcapng", "y.pcap"].into_iter().map(PathBuf::from).collect();
    assert_eq!(stems(&captures), ["x", "x_2", "y"]);
}

#[test]
fn what_is_no_capture_is_refused_with_its_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let result = replay_from(
        &b"not a capture at all, really"[..],
        0,
        "x",
        &Policy::default(),
        &Options::new(folder.path()),
        &mut |_| {},
    );
    assert!(result.unwrap_err().to_string().contains("not a pcap or pcapng file"));
}
