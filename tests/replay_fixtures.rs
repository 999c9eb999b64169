//! Every capture of `fixtures/captures` goes through the replay and is compared with what others
//! found in it: `fixtures/expected` (tshark), the table below (what happened, as the README of the
//! fixtures tells it), and a decoder of its own that shares no code with the media path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use telegraphone::base::{Direction, Side};
use telegraphone::ledger::{EndReason, JoinedBy, MarkerKind, Outcome};
use telegraphone::replay::{CallReport, Options, Policy, Report, replay, stems};

const RATE: f64 = 8_000.0;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn run(name: &str, rtp_only: bool) -> (tempfile::TempDir, Report) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(folder.path());
    options.rtp_only = rtp_only;
    let path = fixtures().join("captures").join(name);
    let stem = &stems(std::slice::from_ref(&path))[0];
    let report = replay(&path, stem, &Policy::default(), &options, &mut |_| {}).unwrap();
    (folder, report)
}

fn facts(name: &str) -> Value {
    let file = name.strip_suffix(".pcap").unwrap_or(name);
    let text = fs::read_to_string(fixtures().join("expected").join(format!("{file}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// One row for each capture: what the README says happened, in the words of the report.
struct Row {
    name: &'static str,
    direction: Direction,
    outcome: Outcome,
    /// Seconds from the answer to the first packet of the key that paused and of the one that resumed.
    pause: Option<(f64, f64)>,
    other_digits: [u32; 2],
    holds: [usize; 2],
    recorded: bool,
    /// A part of a note.
    note: &'static str,
}

const fn row(name: &'static str, direction: Direction) -> Row {
    let (outcome, pause, other_digits, holds) = (Outcome::Completed, None, [0, 0], [0, 0]);
    Row { name, direction, outcome, pause, other_digits, holds, recorded: true, note: "" }
}

fn rows() -> Vec<Row> {
    use Direction::{Inbound, Internal, Outbound};
    vec![
        row("plain-pcmu.pcap", Internal),
        row("plain-pcmu.pcapng", Internal),
        row("plain-vlan.pcap", Internal),
        row("plain-qinq.pcap", Internal),
        row("plain-rawip.pcap", Internal),
        row("plain-sll.pcap", Internal),
        row("plain-sll2.pcap", Internal),
        row("plain-fragments.pcap", Internal),
        row("plain-ipv6-fragments.pcap", Internal),
        row("plain-tcp.pcap", Internal),
        row("plain-ipv6.pcap", Internal),
        row("plain-pcma.pcap", Inbound),
        row("plain-g722.pcap", Internal),
        row("plain-opus.pcap", Internal),
        row("late-offer.pcap", Internal),
        row("loss-reorder.pcap", Internal),
        row("reinvite.pcap", Internal),
        row("reinvite-g722.pcap", Internal),
        row("srtp-sdes.pcap", Internal),
        row("mixed-codecs.pcap", Internal),
        row("opus-dtx.pcap", Internal),
        row("early-media.pcap", Outbound),
        Row { note: "no RTP of the callee", ..row("one-sided.pcap", Internal) },
        Row { note: "came from 198.51.100.99", ..row("sdp-differs.pcap", Internal) },
        Row { recorded: false, note: "GSM, which is not supported", ..row("unknown-codec.pcap", Internal) },
        Row { other_digits: [3, 1], ..row("digits-rfc4733.pcap", Internal) },
        Row { other_digits: [3, 0], ..row("digits-info.pcap", Internal) },
        Row { holds: [0, 1], ..row("hold-resume.pcap", Internal) },
        Row { holds: [0, 1], ..row("hold-by-address.pcap", Internal) },
        Row { holds: [1, 0], ..row("hold-resume-baresip.pcap", Internal) },
        Row { pause: Some((3.0648, 7.4644)), ..row("pause-rfc4733.pcap", Internal) },
        Row { pause: Some((5.1597, 11.3105)), ..row("pause-info.pcap", Internal) },
        Row { pause: Some((5.1645, 11.3241)), ..row("linphone-pause-rfc4733.pcap", Internal) },
        Row { pause: Some((3.0613, 7.4636)), ..row("loss-pause.pcap", Internal) },
        Row { other_digits: [1, 0], ..row("voicemail-left.pcap", Internal) },
        Row { other_digits: [6, 0], ..row("voicemail-menu.pcap", Internal) },
        Row { outcome: Outcome::Cancelled, recorded: false, ..row("cancelled.pcap", Internal) },
        Row { outcome: Outcome::Busy, recorded: false, ..row("busy.pcap", Internal) },
    ]
}

#[test]
fn every_call_comes_out_as_it_happened() {
    for row in rows() {
        let (_folder, report) = run(row.name, false);
        let name = row.name;
        let [call] = report.calls.as_slice() else { panic!("{name}: {} calls", report.calls.len()) };
        assert_eq!((call.direction, call.outcome), (row.direction, row.outcome), "{name}");
        assert!(call.decision.record, "{name}: every direction is recorded");
        assert_eq!(call.files.len(), usize::from(row.recorded), "{name}: {:?}", call.notes);
        assert_eq!([call.caller.other_digits, call.callee.other_digits], row.other_digits, "{name}");
        let holds = |side| markers(call, MarkerKind::Hold).iter().filter(|marker| marker.1 == Some(side)).count();
        assert_eq!([holds(Side::Caller), holds(Side::Callee)], row.holds, "{name}");
        match row.note {
            "" => {
                assert!(call.notes.is_empty() && report.notes.is_empty(), "{name}: {:?} {:?}", call.notes, report.notes)
            }
            note => assert!(call.notes.iter().any(|found| found.contains(note)), "{name}: {:?}", call.notes),
        }
        the_pause_stands_where_the_keys_were(&row, call);
    }
}

fn markers(call: &CallReport, kind: MarkerKind) -> Vec<(f64, Option<Side>)> {
    let all = call.files.iter().flat_map(|file| &file.markers);
    all.filter(|marker| marker.kind == kind).map(|marker| (marker.at as f64 / RATE, marker.side)).collect()
}

fn the_pause_stands_where_the_keys_were(row: &Row, call: &CallReport) {
    let name = row.name;
    let (pauses, resumes) = (markers(call, MarkerKind::Pause), markers(call, MarkerKind::Resume));
    let Some((pause, resume)) = row.pause else {
        assert_eq!((call.commands.len(), pauses.len(), resumes.len()), (0, 0, 0), "{name}");
        return;
    };
    let wanted: Vec<bool> = call.commands.iter().map(|change| change.wanted).collect();
    assert_eq!(wanted, [false, true], "{name}");
    assert!(call.commands.iter().all(|change| change.refused.is_none()) && !call.ended_paused, "{name}");
    let near = |found: f64, expected: f64| (found - expected).abs() <= 0.05;
    assert!(near(pauses[0].0, pause), "{name}: paused at {}, the key at {pause}", pauses[0].0);
    assert!(near(resumes[0].0, resume), "{name}: resumed at {}, the key at {resume}", resumes[0].0);
    assert!(near(resumes[0].0 - pauses[0].0, resume - pause), "{name}: the pause is as long as it was");
    let wav = Wav::read(&call.files[0].path);
    let (from, to) = ((pauses[0].0 * RATE) as usize + 200, (resumes[0].0 * RATE) as usize - 200);
    for (side, channel) in wav.channels.iter().enumerate() {
        assert!(channel[from..to].iter().all(|sample| *sample == 0), "{name}: channel {side} is silent while paused");
        assert!(
            channel[to + 400..].iter().any(|sample| sample.unsigned_abs() > 1_000),
            "{name}: channel {side} comes back"
        );
    }
    let gap =
        call.files[0].markers.iter().filter(|marker| marker.kind == MarkerKind::Gap).map(|marker| marker.length).max();
    assert!(gap.unwrap_or(0) < 1_600, "{name}: the pause is no loss");
}

#[test]
fn parties_packets_losses_keys_and_times_are_what_tshark_found() {
    let captures = rows().into_iter().map(|row| row.name).chain(["two-calls.pcap"]);
    for name in captures {
        let (_folder, report) = run(name, false);
        let facts = facts(name);
        assert_eq!(report.datagrams, facts["udp_packets"], "{name}");
        assert_eq!(report.sip, facts["sip_packets"], "{name}");
        let calls = facts["calls"].as_array().unwrap();
        assert_eq!(report.calls.len(), calls.len(), "{name}");
        for (call, fact) in report.calls.iter().zip(calls) {
            compare_call(name, &report, call, fact);
        }
        if calls.len() == 1 {
            compare_streams(name, &report.calls[0], &facts);
        }
    }
}

/// Samples per second of a capture's recording: as many as both parties can speak.
fn rate_of(name: &str) -> f64 {
    match name {
        "plain-g722.pcap" => 16_000.0,
        "plain-opus.pcap" | "opus-dtx.pcap" => 48_000.0,
        _ => RATE,
    }
}

fn compare_call(name: &str, report: &Report, call: &CallReport, fact: &Value) {
    assert_eq!(call.caller.party.address, fact["caller"].as_str().unwrap(), "{name}");
    assert_eq!(call.callee.party.address, fact["callee"].as_str().unwrap(), "{name}");
    let at = |wall: telegraphone::base::Wall| (wall.unix_micros() - report.began.unix_micros()) as f64 / 1e6;
    let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 2e-6,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    assert!(close(call.answered.map(at), fact["answer_at_s"].as_f64()), "{name}: {:?}", call.answered.map(at));
    if let Some(bye) = fact["bye_at_s"].as_f64() {
        assert!(close(Some(at(call.ended)), Some(bye)), "{name}: {} is not {bye}", at(call.ended));
        let by = match fact["ended_by"].as_str() {
            Some("caller") => EndReason::CallerHungUp,
            _ => EndReason::CalleeHungUp,
        };
        assert_eq!(call.end_reason, Some(by), "{name}");
        let length = bye - fact["answer_at_s"].as_f64().unwrap();
        for file in &call.files {
            assert!(
                (file.samples as f64 / rate_of(name) - length).abs() < 1e-3,
                "{name}: {} s of {length} s",
                file.length_s
            );
        }
    }
}

fn compare_streams(name: &str, call: &CallReport, facts: &Value) {
    for (side, leg) in [("caller", &call.caller), ("callee", &call.callee)] {
        let streams: Vec<&Value> =
            facts["streams"].as_array().unwrap().iter().filter(|stream| stream["from"] == side).collect();
        let sum = |key: &str| streams.iter().map(|stream| stream[key].as_u64().unwrap()).sum::<u64>();
        if name == "sdp-differs.pcap" && side == "caller" {
            // RTCP of the stranger is refused too.
            assert!(leg.packets == 0 && leg.strangers >= sum("packets"), "{name}: {}", leg.strangers);
            continue;
        }
        assert_eq!(leg.packets + leg.after_end, sum("packets"), "{name}: packets of the {side}");
        let counted = [leg.lost, leg.late, leg.duplicates];
        assert_eq!(
            counted,
            [sum("lost"), sum("overtaken"), sum("repeated")],
            "{name}: lost, overtaken, repeated of the {side}"
        );
        let info = facts["calls"][0]["info_keys"][side].as_str().unwrap().len();
        let keys = streams.iter().map(|stream| stream["keys"].as_str().unwrap().len()).sum::<usize>() + info;
        let commands = if side == "caller" { call.commands.len() } else { 0 };
        assert_eq!(leg.other_digits as usize + 4 * commands, keys, "{name}: keys of the {side}");
        let mut codecs: Vec<&str> = streams
            .iter()
            .flat_map(|stream| stream["by_payload"].as_object().unwrap().keys())
            .map(String::as_str)
            .collect();
        codecs.retain(|codec| *codec != "telephone-event");
        codecs.sort_unstable();
        codecs.dedup();
        let mut found: Vec<&str> = leg.codecs.iter().map(String::as_str).collect();
        found.sort_unstable();
        let expected = if streams.is_empty() { found.clone() } else { codecs };
        assert_eq!(found, expected, "{name}: codecs of the {side}");
    }
}

#[test]
fn the_container_of_a_capture_makes_no_difference_to_the_audio() {
    let digest = |name: &str| run(name, false).1.calls[0].files[0].audio_sha256.clone();
    let plain = digest("plain-pcmu.pcap");
    let other = ["pcmu.pcapng", "vlan.pcap", "qinq.pcap", "rawip.pcap", "sll.pcap", "sll2.pcap", "fragments.pcap"];
    for name in other.into_iter().chain(["tcp.pcap"]) {
        assert_eq!(digest(&format!("plain-{name}")), plain, "{name}");
    }
    assert_eq!(digest("plain-ipv6-fragments.pcap"), digest("plain-ipv6.pcap"));
}

#[test]
fn a_replay_run_again_gives_the_same_bytes() {
    let bytes = || {
        let (_folder, report) = run("pause-rfc4733.pcap", false);
        let file = &report.calls[0].files[0];
        (fs::read(&file.path).unwrap(), fs::read(&file.sidecar).unwrap())
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn calls_that_overlap_in_time_come_out_as_they_do_alone() {
    let (_folder, both) = run("two-calls.pcap", false);
    let [first, second] = both.calls.as_slice() else { panic!("{} calls", both.calls.len()) };
    let alone = |name| run(name, false).1.calls[0].files[0].audio_sha256.clone();
    assert_eq!(first.files[0].audio_sha256, alone("plain-pcmu.pcap"));
    assert_eq!(second.files[0].audio_sha256, alone("plain-pcma.pcap"));
}

#[test]
fn a_call_without_its_invite_is_reported_and_replayed_by_its_rtp() {
    let (_folder, report) = run("midcall.pcap", false);
    assert!(report.calls.is_empty());
    assert_eq!(report.unclaimed.len(), 1);
    assert_eq!(report.unclaimed[0].packets, [316, 316]);
    let said = |part: &str| report.notes.iter().any(|note| note.contains(part));
    assert!(said("--rtp-only") && said("INVITE is missing"), "{:?}", report.notes);
    for (name, packets, length) in [("midcall.pcap", 316, 6.32), ("rtp-only.pcap", 426, 8.52)] {
        let (_folder, report) = run(name, true);
        let [call] = report.calls.as_slice() else { panic!("{name}: {} calls", report.calls.len()) };
        assert_eq!((call.caller.packets, call.callee.packets), (packets, packets), "{name}");
        assert!((call.files[0].length_s - length).abs() < 0.01, "{name}: {}", call.files[0].length_s);
        assert!(call.notes.iter().any(|note| note.contains("no signalling")), "{name}");
    }
    let (_folder, report) = run("rtp-only.pcap", false);
    assert!(report.notes.iter().any(|note| note.contains("--rtp-only")), "{:?}", report.notes);
}

#[test]
fn files_end_in_cues_and_texts_and_have_a_sidecar_that_names_no_other_digit() {
    let (folder, report) = run("digits-rfc4733.pcap", false);
    let file = &report.calls[0].files[0];
    let wav = Wav::read(&file.path);
    assert_eq!(wav.texts.get("INAM").map(String::as_str), Some("internal call 201 to 202"));
    assert!(wav.texts.get("ISFT").is_some_and(|text| text.starts_with("Telegraphone ")));
    let blanked = wav.labels.iter().filter(|label| label.starts_with("digit blanked")).count();
    assert_eq!(
        (wav.labels.first().map(String::as_str), blanked, wav.labels.last().map(String::as_str)),
        (Some("start"), 4, Some("end"))
    );
    let sidecar: Value = serde_json::from_slice(&fs::read(&file.sidecar).unwrap()).unwrap();
    assert_eq!(sidecar["parties"][0]["channel"], "left");
    assert_eq!(sidecar["samples"], file.samples);
    assert_eq!(sidecar["changes"], Value::Array(vec![]));
    let left: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "no .part is left: {left:?}");
}

/// A company file decides instead of the default: internal calls are off, so nothing is written
/// until the agent starts it; the other's commands are refused.
#[test]
fn a_company_file_decides_who_is_recorded_and_who_may_command() {
    let file = "
        [[company]]
        key = 'acme'
        domains = ['example.test']
        [company.settings]
        record_inbound = true
        agent_pause = true
        [[user]]
        extension = '201'
        agent_pause = false
        [[user]]
        extension = '202'
    ";
    let policy = Policy::from_company_file(file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let replayed = |name: &str| {
        let path = fixtures().join("captures").join(name);
        replay(&path, name, &policy, &Options::new(folder.path()), &mut |_| {}).unwrap().calls.remove(0)
    };
    let refused = replayed("pause-rfc4733.pcap");
    assert!(!refused.decision.record && refused.files.is_empty());
    assert!(refused.commands.len() == 2 && refused.commands.iter().all(|change| change.refused.is_some()));
    let inbound = replayed("plain-pcma.pcap");
    assert!(inbound.decision.record && inbound.files.len() == 1 && inbound.direction == Direction::Inbound);
}

// -- the decoder of the test -----------------------------------------------------------------

/// Sample for sample, the channels are the payloads of the capture, each at the place that its RTP
/// timestamp gives it, and silence elsewhere.
#[test]
fn the_channels_are_the_payloads_of_the_capture_sample_for_sample() {
    let clean = [
        "plain-pcmu.pcap",
        "plain-pcma.pcap",
        "digits-info.pcap",
        "digits-rfc4733.pcap",
        "early-media.pcap",
        "hold-resume.pcap",
        "loss-reorder.pcap",
    ];
    for name in clean {
        let (_folder, report) = run(name, false);
        let call = &report.calls[0];
        let wav = Wav::read(&call.files[0].path);
        let facts = facts(name);
        let answer = facts["calls"][0]["answer_at_s"].as_f64().unwrap();
        let bye = facts["calls"][0]["bye_at_s"].as_f64().unwrap();
        for (side, channel) in ["caller", "callee"].into_iter().zip(&wav.channels) {
            let stream = facts["streams"].as_array().unwrap().iter().find(|stream| stream["from"] == side).unwrap();
            let ssrc = u32::from_str_radix(stream["ssrc"].as_str().unwrap(), 16).unwrap();
            let packets: Vec<Packet> =
                packets(name).into_iter().filter(|packet| packet.ssrc == ssrc && packet.at < bye).collect();
            let blanked: Vec<(usize, usize)> = call.files[0]
                .markers
                .iter()
                .filter(|marker| {
                    marker.kind == MarkerKind::DigitBlanked
                        && marker.side.map(|side| side.to_string()).as_deref() == Some(side)
                })
                .map(|marker| (marker.at as usize, marker.at as usize + marker.length as usize))
                .collect();
            compare_channel(&format!("{name}, {side}"), channel, &packets, answer, &blanked);
        }
    }
}

fn compare_channel(name: &str, channel: &[i16], packets: &[Packet], answer: f64, blanked: &[(usize, usize)]) {
    let audio: Vec<&Packet> =
        packets.iter().filter(|packet| packet.payload_type == 0 || packet.payload_type == 8).collect();
    let base = audio[0].timestamp;
    let place = |packet: &Packet| i64::from(packet.timestamp.wrapping_sub(base) as i32);
    // The fastest packet of the first ones gives the start, give or take the window of the rule.
    let heard: Vec<&&Packet> = audio.iter().filter(|packet| packet.at >= answer).collect();
    let arrival = |packet: &Packet| ((packet.at - answer) * RATE).floor() as i64;
    // Nothing of a call is older than its answer.
    let start =
        heard.iter().take(12).map(|packet| arrival(packet) - place(packet)).min().unwrap().max(-place(heard[0]));
    let first = place(heard[0]) + start;
    let expected_at = |offset: i64| {
        let mut expected: Vec<i16> = vec![0; channel.len()];
        for packet in &heard {
            for (n, byte) in packet.payload.iter().enumerate() {
                let at = place(packet) + offset + n as i64;
                if let Some(slot) = usize::try_from(at).ok().and_then(|at| expected.get_mut(at)) {
                    *slot = decode(packet.payload_type, *byte);
                }
            }
        }
        blanked.iter().for_each(|(from, to)| expected[*from..*to].fill(0));
        expected
    };
    // Of a packet on its way at the answer the first samples belong to the time before.
    let from = usize::try_from(first).unwrap_or(0) + 160;
    let wrong = |offset: i64| {
        let expected = expected_at(offset);
        (from..channel.len()).find(|at| channel[*at] != expected[*at])
    };
    let first_wrong: Vec<Option<usize>> = (-1..=1).map(|off| wrong(start + off)).collect();
    assert!(first_wrong.contains(&None), "{name}: wrong from sample {first_wrong:?} of {} on", channel.len());
    assert!(channel.iter().any(|sample| sample.unsigned_abs() > 4_000), "{name}: speech is loud");
}

/// One call that goes on with another party, as one file; its times are from the answer.
#[test]
fn a_blind_transfer_goes_on_as_one_file_with_the_new_party_on_the_channel() {
    let (_folder, report) = run("transfer-blind.pcap", false);
    let [call] = report.calls.as_slice() else { panic!("{} calls", report.calls.len()) };
    let facts = facts("transfer-blind.pcap");
    let at = |call: usize, key: &str| facts["calls"][call][key].as_f64().unwrap();
    let (answer, transfer, bye) = (at(0, "answer_at_s"), at(1, "answer_at_s"), at(1, "bye_at_s"));
    assert!(report.notes.is_empty() && call.notes.is_empty(), "{:?} {:?}", report.notes, call.notes);
    assert_eq!((call.outcome, &call.end_reason), (Outcome::Completed, &Some(EndReason::CallerHungUp)));
    let joined: Vec<_> = call.joined.iter().map(|j| (j.side, j.party.address.as_str(), j.how)).collect();
    assert_eq!(joined, [(Side::Callee, "203", JoinedBy::BlindTransfer)]);
    let [file] = call.files.as_slice() else { panic!("{} files", call.files.len()) };
    assert!((file.samples as f64 / RATE - (bye - answer)).abs() < 1e-3, "{} s", file.length_s);
    let [(marked, side)] = markers(call, MarkerKind::Transfer)[..] else { panic!("{:?}", file.markers) };
    assert!((marked - (transfer - answer)).abs() < 0.01 && side == Some(Side::Callee), "{marked}");
    let sums = |side: &str| {
        let own = |stream: &&Value| stream["from"] == side;
        facts["streams"].as_array().unwrap().iter().filter(own).map(|s| s["packets"].as_u64().unwrap()).sum::<u64>()
    };
    // What the transferor still sent after the transfer is of no call.
    assert!(sums("caller").abs_diff(call.caller.packets) < 10 && sums("callee").abs_diff(call.callee.packets) < 10);
    let wav = Wav::read(&file.path);
    let backwards: Vec<i16> = voice("agent").into_iter().rev().collect();
    is_like(&wav.channels[0], 0.1..marked - 0.1, &voice("customer"));
    is_like(&wav.channels[1], 0.1..marked - 0.1, &voice("agent"));
    is_like(&wav.channels[0], marked + 0.1..bye - answer, &voice("customer"));
    is_like(&wav.channels[1], marked + 0.1..bye - answer, &backwards);
}

/// The call in which the REFER came goes on; the consultation is a file of its own, with its true length.
#[test]
fn an_attended_transfer_is_two_files_and_each_says_who_came() {
    let (_folder, report) = run("transfer-attended.pcap", false);
    let [call, consultation] = report.calls.as_slice() else { panic!("{} calls", report.calls.len()) };
    let facts = facts("transfer-attended.pcap");
    let at = |call: usize, key: &str| facts["calls"][call][key].as_f64().unwrap();
    let (answer, transfer, bye) = (at(0, "answer_at_s"), at(2, "answer_at_s"), at(2, "bye_at_s"));
    assert_eq!((call.outcome, &call.end_reason), (Outcome::Completed, &Some(EndReason::CalleeHungUp)));
    let joined: Vec<_> = call.joined.iter().map(|j| (j.side, j.party.address.as_str(), j.how)).collect();
    assert_eq!(joined, [(Side::Caller, "203", JoinedBy::AttendedTransfer)]);
    let length = |call: &CallReport| call.files[0].samples as f64 / RATE;
    assert!((length(call) - (bye - answer)).abs() < 1e-3, "{}", length(call));
    assert!((length(consultation) - (transfer - at(1, "answer_at_s"))).abs() < 1e-3, "{}", length(consultation));
    let named = |call: &CallReport| {
        let marks = call.files[0].markers.iter().filter(|marker| marker.kind == MarkerKind::Transfer);
        marks.map(|marker| (marker.side, marker.name.clone())).collect::<Vec<_>>()
    };
    assert_eq!(named(call), [(Some(Side::Caller), "203".to_owned())]);
    assert_eq!(named(consultation), [(Some(Side::Caller), "202".to_owned())]);
    let wav = Wav::read(&call.files[0].path);
    let backwards: Vec<i16> = voice("agent").into_iter().rev().collect();
    let joined_at = transfer - answer;
    is_like(&wav.channels[1], 0.2..1.9, &voice("agent"));
    let heard = is_loud(&wav.channels[0], joined_at + 0.3..bye - answer);
    assert!(heard && is_loud(&wav.channels[1], joined_at + 0.3..bye - answer));
    let third = Wav::read(&consultation.files[0].path);
    is_like(&third.channels[1], 0.2..length(consultation) - 0.1, &backwards);
}

#[test]
fn what_is_encrypted_mixed_or_changed_is_what_the_parties_spoke() {
    for name in ["srtp-sdes.pcap", "mixed-codecs.pcap"] {
        let (_folder, report) = run(name, false);
        let wav = Wav::read(&report.calls[0].files[0].path);
        for (channel, said) in wav.channels.iter().zip(["customer", "agent"]) {
            is_like(channel, 0.1..7.0, &voice(said));
        }
    }
    let (_folder, report) = run("reinvite-g722.pcap", false);
    assert_eq!(report.calls[0].caller.codecs, ["PCMU", "G722"]);
    let wav = Wav::read(&report.calls[0].files[0].path);
    // baresip says its file from the beginning again when the codec changes.
    for (channel, said, again) in [(0, "customer", 4 * RATE as usize), (1, "agent", 0)] {
        is_like(&wav.channels[channel], 0.1..3.9, &voice(said));
        is_like(&wav.channels[channel], 4.2..7.9, &voice(said)[again..]);
    }
}

/// Silence that is hardly sent is silence, and nothing is lost by it.
#[test]
fn discontinuous_opus_is_speech_and_silence() {
    let (_folder, report) = run("opus-dtx.pcap", false);
    let file = &report.calls[0].files[0];
    assert!(file.markers.iter().all(|marker| marker.kind != MarkerKind::Gap), "{:?}", file.markers);
    let wav = Wav::read(&file.path);
    for channel in &wav.channels {
        let level = |from: usize, to: usize| {
            let part = &channel[48_000 * from / 10..48_000 * to / 10];
            part.iter().map(|sample| u64::from(sample.unsigned_abs())).sum::<u64>() / part.len() as u64
        };
        let (first, pause, second) = (level(2, 28), level(35, 58), level(65, 80));
        assert!(first > 300 && second > 300 && pause < 30, "{first}, {pause}, {second}");
    }
}

/// Between two seconds of a channel of 8 kHz, it swells and falls as the voice.
fn is_like(channel: &[i16], seconds: std::ops::Range<f64>, voice: &[i16]) {
    let (from, to) = ((seconds.start * RATE) as usize, (seconds.end * RATE) as usize);
    let like = likeness(&envelope(&channel[from..to.min(channel.len())], 160), &envelope(voice, 160));
    assert!(like > 0.9, "{seconds:?}: {like}");
}

fn is_loud(channel: &[i16], seconds: std::ops::Range<f64>) -> bool {
    let (from, to) = ((seconds.start * RATE) as usize, (seconds.end * RATE) as usize);
    channel[from..to.min(channel.len())].iter().any(|sample| sample.unsigned_abs() > 4_000)
}

/// The clients spoke the two voices of `fixtures/speech`: each channel swells and falls as its own.
#[test]
fn wideband_channels_are_the_voices_that_the_parties_spoke() {
    for name in ["plain-g722.pcap", "plain-opus.pcap"] {
        let (_folder, report) = run(name, false);
        let file = &report.calls[0].files[0];
        let header = fs::read(&file.path).unwrap();
        let rate = u32::from_le_bytes(header[24..28].try_into().unwrap());
        assert_eq!(f64::from(rate), rate_of(name), "{name}");
        assert!(file.markers.iter().all(|marker| marker.kind != MarkerKind::Gap), "{name}: {:?}", file.markers);
        let wav = Wav::read(&file.path);
        let voices = ["customer", "agent"].map(voice);
        for (side, channel) in wav.channels.iter().enumerate() {
            let heard = envelope(channel, rate as usize / 50);
            let like = voices.each_ref().map(|voice| likeness(&heard, &envelope(voice, 160)));
            assert!(like[side] > 0.9 && like[1 - side] < 0.6, "{name}: channel {side} is like {like:?}");
        }
    }
}

/// A voice of the fixtures, 8 kHz.
fn voice(name: &str) -> Vec<i16> {
    let file = fs::read(fixtures().join("speech").join(format!("{name}.wav"))).unwrap();
    let chunks = chunks(&file[12..]);
    let (_, audio) = chunks.iter().find(|(name, _)| name == "data").unwrap();
    audio.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()
}

/// The samples of a file of one channel.
fn mono(path: &Path) -> Vec<i16> {
    let file = fs::read(path).unwrap();
    let chunks = chunks(&file[12..]);
    let body = |wanted: &str| chunks.iter().find(|(name, _)| name == wanted).unwrap().1;
    assert_eq!(body("fmt ")[..8], [1, 0, 1, 0, 0x40, 0x1f, 0, 0], "PCM, one channel, 8 kHz");
    body("data").chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()
}

/// What a side of a clean capture in PCMU has sent, packet by packet.
fn sent(name: &str, side: &str) -> Vec<i16> {
    let facts = facts(name);
    let stream = facts["streams"].as_array().unwrap().iter().find(|stream| stream["from"] == side).unwrap();
    let ssrc = u32::from_str_radix(stream["ssrc"].as_str().unwrap(), 16).unwrap();
    let voice = packets(name).into_iter().filter(|packet| packet.ssrc == ssrc && packet.payload_type == 0);
    voice.flat_map(|packet| packet.payload.into_iter().map(|byte| decode(0, byte))).collect()
}

/// The messages beside these captures are those that the service wrote when they were made.
#[test]
fn what_a_caller_said_is_the_message_and_what_its_listener_hears() {
    // What is the same begins a moment after both have begun.
    const MARGIN: usize = 160;
    for (name, side) in [("voicemail-left", "caller"), ("voicemail-menu", "callee")] {
        let (message, sent) =
            (mono(&fixtures().join("expected").join(format!("{name}.wav"))), sent(&format!("{name}.pcap"), side));
        let key = &message[MARGIN..MARGIN + 400];
        let at = sent.windows(key.len()).position(|window| window == key).unwrap_or_else(|| panic!("{name}"));
        let same = message[MARGIN..].iter().zip(&sent[at..]).take_while(|(one, other)| one == other).count();
        // The listener hangs up in the middle of it.
        let whole = (message.len() - MARGIN).min(sent.len() - at);
        assert!(same == whole && same > 3 * 8_000, "{name}: {same} of {whole} samples");
        let level = message.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / message.len() as f64;
        assert!(level.sqrt() > 1_000.0, "{name}: nothing is said");
    }
    // The greeting, which was skipped, and the tone are not in it: the caller's first second was not either.
    let (message, sent) =
        (mono(&fixtures().join("expected/voicemail-left.wav")), sent("voicemail-left.pcap", "caller"));
    assert!(message.len() + 8_000 < sent.len(), "{} of {}", message.len(), sent.len());
}

/// The mean level of each 20 ms.
fn envelope(samples: &[i16], step: usize) -> Vec<f64> {
    let mean = |part: &[i16]| part.iter().map(|sample| f64::from(sample.unsigned_abs())).sum::<f64>() / step as f64;
    samples.chunks_exact(step).map(mean).collect()
}

/// The correlation of a call's envelope with a voice that began at most a second before or after it.
fn likeness(call: &[f64], voice: &[f64]) -> f64 {
    let correlation = |call: &[f64], voice: &[f64]| {
        let count = call.len().min(voice.len());
        let (call, voice) = (&call[..count], &voice[..count]);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / count as f64;
        let (of_call, of_voice) = (mean(call), mean(voice));
        let (mut both, mut one, mut other) = (0.0, 1e-9, 1e-9);
        for (c, v) in call.iter().zip(voice) {
            both += (c - of_call) * (v - of_voice);
            one += (c - of_call).powi(2);
            other += (v - of_voice).powi(2);
        }
        both / f64::sqrt(one * other)
    };
    let later = (0..50).map(|lag| correlation(&call[lag..], voice));
    let earlier = (0..50).map(|lag| correlation(call, &voice[lag..]));
    later.chain(earlier).fold(-1.0, f64::max)
}

struct Packet {
    /// Seconds from the first packet of the capture.
    at: f64,
    payload_type: u8,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

/// RTP of a classic little-endian pcap with Ethernet and IPv4, by the positions of the fields.
fn packets(name: &str) -> Vec<Packet> {
    let file = fs::read(fixtures().join("captures").join(name)).unwrap();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut found, mut first) = (24, Vec::new(), None);
    while at + 16 <= file.len() {
        let micros = u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4));
        let frame = &file[at + 16..at + 16 + word(at + 8) as usize];
        at += 16 + frame.len();
        let udp = 14 + 4 * usize::from(frame[14] & 15);
        if frame[12..14] != [8, 0] || frame[23] != 17 {
            continue;
        }
        let first = *first.get_or_insert(micros);
        let rtp = &frame[udp + 8..];
        if rtp.len() < 12 || rtp[0] >> 6 != 2 || (192..=223).contains(&rtp[1]) {
            continue;
        }
        found.push(Packet {
            at: (micros - first) as f64 / 1e6,
            payload_type: rtp[1] & 0x7f,
            timestamp: u32::from_be_bytes(rtp[4..8].try_into().unwrap()),
            ssrc: u32::from_be_bytes(rtp[8..12].try_into().unwrap()),
            payload: rtp[12 + 4 * usize::from(rtp[0] & 15)..].to_vec(),
        });
    }
    found
}

/// G.711 after the formulas of ITU-T G.711, table 1a and 2a, without a table.
fn decode(payload_type: u8, byte: u8) -> i16 {
    if payload_type == 0 {
        let code = !byte;
        let magnitude = (((i32::from(code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132;
        return if code & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 };
    }
    let code = byte ^ 0x55;
    let (segment, step) = (u32::from((code >> 4) & 7), i32::from(code & 15) << 4);
    let magnitude = if segment == 0 { step + 8 } else { (step + 264) << (segment - 1) };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

/// A `.wav` read chunk by chunk.
struct Wav {
    channels: [Vec<i16>; 2],
    labels: Vec<String>,
    texts: BTreeMap<String, String>,
}

impl Wav {
    fn read(path: &Path) -> Wav {
        let file = fs::read(path).unwrap();
        let mut wav = Wav { channels: Default::default(), labels: Vec::new(), texts: BTreeMap::new() };
        assert_eq!((&file[..4], &file[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
        assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize, file.len() - 8);
        for (name, body) in chunks(&file[12..]) {
            match (&name[..], body.get(..4)) {
                ("data", _) => {
                    for frame in body.chunks_exact(4) {
                        wav.channels[0].push(i16::from_le_bytes([frame[0], frame[1]]));
                        wav.channels[1].push(i16::from_le_bytes([frame[2], frame[3]]));
                    }
                }
                ("LIST", Some(b"adtl")) => {
                    let labels = chunks(&body[4..]).into_iter().filter(|(name, _)| name == "labl");
                    wav.labels.extend(labels.map(|(_, body)| text(&body[4..])));
                }
                ("LIST", Some(b"INFO")) => {
                    wav.texts.extend(chunks(&body[4..]).into_iter().map(|(name, body)| (name, text(body))))
                }
                _ => {}
            }
        }
        wav
    }
}

fn chunks(mut bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= 8 {
        let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        found.push((String::from_utf8_lossy(&bytes[..4]).into_owned(), &bytes[8..8 + length]));
        bytes = &bytes[8 + length + length % 2..];
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
