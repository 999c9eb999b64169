//! Answers as tables for people.

use crate::api::{Answer, Part, Readiness, Registered, Status, Verified, VerifiedFile};
use crate::base::{Rate, Samples};
use crate::call::{CallView, LockView};
use crate::ledger::{CallRecord, Change, RecordingRecord, Refusal};
use crate::live::{Channel, LiveCall, LiveReport};
use crate::replay::{CallReport, Report};
use crate::service::config::KeyDoc;
use crate::service::doctor::{Finding, Verdict};
use crate::store::{AccessLine, GeneratedPassword};
use crate::subscription::FeedEntry;
use crate::trunk::{RegistrationView, TrunkView};
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};

pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(head.to_vec());
    table
}

pub fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Status { status } => status_text(status),
        Answer::Ready { readiness } => ready_text(readiness),
        Answer::Done => "Done.".to_owned(),
        Answer::Calls { calls } if calls.is_empty() => "No call is up.".to_owned(),
        Answer::Calls { calls } => call_table(calls),
        Answer::Call { up, record, recordings } => call_text(up.as_deref(), record, recordings),
        Answer::Devices { devices } => {
            let line = |Registered { user: _, device }: &Registered| {
                format!("{} {} {}", device.transport, device.source, device.agent)
            };
            devices.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        Answer::Recordings { recordings } if recordings.is_empty() => "No recordings yet.".to_owned(),
        Answer::Recordings { recordings } => recording_table(recordings),
        Answer::Recording { recording } => recording_text(recording),
        Answer::Held { hold } => format!("A legal hold of {} by {}: {}", hold.placed, hold.by, hold.reason),
        Answer::Verified { results, next: _ } => verified(results),
        Answer::VerifiedMessages { results, next: _ } => verified_messages(results),
        Answer::Events { events, purged } => event_text(events, *purged),
        Answer::Lockouts { locks } if locks.is_empty() => "Nobody is locked out.".to_owned(),
        Answer::Lockouts { locks } => lock_table(locks),
        Answer::Cleared { entries } => format!("{entries} entries forgotten."),
        Answer::Trunks { trunks } if trunks.is_empty() => "No trunks.".to_owned(),
        Answer::Trunks { trunks } => trunk_table(trunks),
        Answer::Trunk { trunk } => trunk_text(trunk),
        Answer::Refused { refusal: why } => refusal(*why).to_owned(),
        Answer::NotFound { what } => format!("Not found: {what}"),
        Answer::Failed { problem } => problem.clone(),
    }
}

/// The events, and a word where the first ones are not the first that there were.
fn event_text(events: &[FeedEntry], purged: i64) -> String {
    let table = if events.is_empty() { "No events.".to_owned() } else { event_table(events) };
    match purged {
        0 => table,
        purged => format!("{table}\nThose up to {purged} were deleted (events.retention_days)."),
    }
}

/// What `doctor` found, the way out below what is not right.
pub fn findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let Finding { check, verdict, found, way_out } = finding;
        let verdict = match verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let way = if way_out.is_empty() { String::new() } else { format!("\n      ─► {way_out}") };
        format!("{verdict}  {check}: {found}{way}")
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn ready_text(readiness: &Readiness) -> String {
    let line = |part: &Part| match part.ok {
        true => format!("{}: ready", part.part),
        false => format!("{}: {}", part.part, part.problem),
    };
    readiness.parts.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub const fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::AgentPauseOff => "agent_pause is off for this user",
        Refusal::Role => "this role may not command recordings",
        Refusal::FlowStep => "a recording step of the call flow decides",
        Refusal::RecordingFailed => "the recording cannot be made",
        Refusal::OutsideRefused => "the outside party does not want to be recorded",
        Refusal::Voicemail => "a voicemail box is at the other end, of which no recording is made",
    }
}

fn status_text(status: &Status) -> String {
    let Status {
        version,
        started,
        listeners,
        calls,
        devices,
        transactions,
        free_ports,
        leftovers: _,
        no_recording,
        recordings_folder,
        http,
        stopping,
    } = status;
    let recording =
        no_recording.as_ref().map_or_else(|| "possible".to_owned(), |problem| format!("impossible: {problem}"));
    format!(
        "Telegraphone {version}, up since {started}{}\nlistening    {}\ncalls        {calls}\ndevices      {devices}\ntransactions {transactions}\nfree ports   {free_ports} pairs\nrecording    {recording}\nrecordings   {recordings_folder}",
        if *stopping { ", stopping: no new calls" } else { "" },
        listeners
            .iter()
            .cloned()
            .chain(http.iter().map(|address| format!("HTTP {address}")))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

fn call_table(calls: &[CallView]) -> String {
    let mut table = table(&["call", "direction", "caller", "callee", "since", "recording", "why"]);
    for view in calls {
        let record = &view.record;
        let since = record.answered.map_or_else(|| "ringing".to_owned(), |at| at.to_string());
        table.add_row(vec![
            record.id.to_string(),
            record.direction.to_string(),
            record.caller.to_string(),
            record.callee.to_string(),
            since,
            if view.recording { "on" } else { "off" }.to_owned(),
            record
                .changes
                .last()
                .map_or_else(|| record.decision.because.to_string(), |change| change.decision.because.to_string()),
        ]);
    }
    table.to_string()
}

fn call_text(up: Option<&CallView>, record: &CallRecord, recordings: &[RecordingRecord]) -> String {
    let mut lines = vec![
        format!("call       {}", record.id),
        format!("direction  {}", record.direction),
        format!("caller     {}", record.caller),
        format!("callee     {}", record.callee),
        format!("started    {}", record.started),
    ];
    lines.extend(record.answered.map(|at| format!("answered   {at}")));
    lines.extend(record.ended.map(|at| format!("ended      {at}")));
    lines.push(format!("outcome    {:?}", record.outcome));
    lines.extend(record.end_reason.as_ref().map(|reason| format!("ended by   {reason:?}")));
    lines.push(format!(
        "recorded   {}: {}",
        if record.decision.record { "yes" } else { "no" },
        record.decision.because
    ));
    lines.extend(record.changes.iter().map(change));
    if let Some(view) = up {
        lines.push(format!("recording  {} now", if view.recording { "on" } else { "off" }));
    }
    lines.extend(recordings.iter().map(|recording| format!("file       {}", recording.path)));
    lines.join("\n")
}

fn length(recording: &RecordingRecord) -> String {
    let ms = Rate(recording.rate).span(Samples(recording.samples)).as_millis();
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

fn recording_table(recordings: &[RecordingRecord]) -> String {
    let mut table = table(&["recording", "started", "direction", "parties", "length", "state", "file"]);
    for recording in recordings {
        let parties: Vec<String> = recording.sidecar.parties.iter().map(|party| party.party.to_string()).collect();
        table.add_row(vec![
            recording.id.to_string(),
            recording.started.to_string(),
            recording.sidecar.direction.to_string(),
            parties.join(" → "),
            length(recording),
            recording.state.as_str().to_owned(),
            recording.path.clone(),
        ]);
    }
    table.to_string()
}

fn recording_text(recording: &RecordingRecord) -> String {
    let sidecar = &recording.sidecar;
    let mut lines = vec![
        format!("recording  {}", recording.id),
        format!("call       {}", recording.call),
        format!("state      {}", recording.state.as_str()),
        format!("file       {}", recording.path),
        format!("started    {}", recording.started),
        format!("length     {}", length(recording)),
        format!("recorded   {}", sidecar.decision.because),
        format!("sha-256    audio {}", recording.audio_sha256),
        format!("           rest  {}", recording.frame_sha256),
    ];
    if !recording.problem.is_empty() {
        lines.push(format!("problem    {}", recording.problem));
    }
    if sidecar.ended_paused {
        lines.push("note       the call ended while the recording was paused".to_owned());
    }
    for party in &sidecar.parties {
        lines.push(format!(
            "{:<10} {} ({}, {} packets, {} lost)",
            party.channel, party.party, party.codec, party.packets, party.lost
        ));
    }
    for marker in &sidecar.markers {
        let at = Rate(recording.rate).span(Samples(marker.at)).as_millis();
        let side = marker.side.map_or_else(String::new, |side| format!(" ({side})"));
        lines.push(format!("marker     {:>9} ms  {}{side}", at, marker.kind.as_str()));
    }
    lines.join("\n")
}

pub fn verified(results: &[Verified]) -> String {
    let good = results.iter().filter(|result| result.problem.is_empty()).count();
    let mut lines = vec![format!("{good} of {} recordings are what was recorded.", results.len())];
    let bad = results.iter().filter(|result| !result.problem.is_empty());
    lines.extend(bad.map(|result| format!("{} {}: {}", result.recording, result.path, result.problem)));
    lines.join("\n")
}

/// Those that are not what was said, a line each.
pub fn verified_messages(results: &[VerifiedFile]) -> String {
    let bad = results.iter().filter(|result| !result.problem.is_empty());
    let lines: Vec<String> = bad.map(|result| format!("{} {}: {}", result.what, result.path, result.problem)).collect();
    lines.join("\n")
}

fn event_table(events: &[FeedEntry]) -> String {
    let mut table = table(&["seq", "at", "event", "company", "call", "recording"]);
    for event in events {
        table.add_row(vec![
            event.seq.to_string(),
            event.at.to_string(),
            event.kind.as_str().to_owned(),
            event.company.to_string(),
            event.call.map(|call| call.to_string()).unwrap_or_default(),
            event.recording().map(|recording| recording.to_string()).unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn lock_table(locks: &[LockView]) -> String {
    let mut table = table(&["locked", "over", "address", "name", "for", "times"]);
    for LockView { over, what, source, name, ends_in_s, locks } in locks {
        let (over, ends) = (over.as_str().to_uppercase(), format!("{ends_in_s} s"));
        table.add_row(vec![what.clone(), over, source.clone(), name.clone(), ends, locks.to_string()]);
    }
    table.to_string()
}

fn trunk_table(trunks: &[TrunkView]) -> String {
    let mut table = table(&["trunk", "registration", "targets", "calls"]);
    for trunk in trunks {
        let up = trunk.targets.iter().filter(|target| target.state == "up").count();
        let limit = trunk.max_calls.map_or_else(String::new, |limit| format!(" of {limit}"));
        table.add_row(vec![
            format!("{}/{}", trunk.company, trunk.name),
            trunk.registration.as_ref().map_or_else(|| "–".to_owned(), |registration| registration.state.clone()),
            format!("{up} of {} up", trunk.targets.len()),
            format!("{}{limit}", trunk.calls),
        ]);
    }
    table.to_string()
}

fn trunk_text(trunk: &TrunkView) -> String {
    let none = |text: Option<&String>| text.cloned().unwrap_or_else(|| "none".to_owned());
    let limit = trunk.max_calls.map_or_else(String::new, |limit| format!(" of {limit}"));
    let realm = if trunk.realm.is_empty() { "not seen yet" } else { &trunk.realm };
    let mut lines = vec![
        format!("trunk         {}/{}", trunk.company, trunk.name),
        format!("calls         {}{limit}", trunk.calls),
        format!(
            "comes from    {}",
            if trunk.addresses.is_empty() { "–".to_owned() } else { trunk.addresses.join(", ") }
        ),
        format!("proves itself {}", none(trunk.inbound_username.as_ref())),
        format!("our login     {}", none(trunk.username.as_ref())),
        format!("its realm     {realm}"),
    ];
    for target in &trunk.targets {
        let again = target.again_in_s.map_or_else(String::new, |seconds| format!(", again in {seconds} s"));
        lines.push(format!("target        {} {}{again}", target.target, target.state));
    }
    if let Some(registration) = &trunk.registration {
        lines.push(format!("registration  {}", registration_text(registration)));
    }
    lines.join("\n")
}

fn registration_text(view: &RegistrationView) -> String {
    let RegistrationView { state, expires_in_s, next_try_in_s, failures, problem } = view;
    let seconds = |what: &str, seconds: &Option<u64>| seconds.map(|seconds| format!("{what} {seconds} s"));
    let failed = (!problem.is_empty()).then(|| format!("{problem} ({failures} times in a row)"));
    let parts = [Some(state.clone()), seconds("ends in", expires_in_s), seconds("next in", next_try_in_s), failed];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The calls of captures, one a row, and what else there is to say below.
pub fn replayed(reports: &[Report]) -> String {
    let mut table = table(&[
        "capture",
        "parties",
        "direction",
        "codec",
        "packets",
        "lost",
        "commands",
        "other digits",
        "recorded",
        "file",
    ]);
    let mut notes = Vec::new();
    for report in reports {
        let name = report.capture.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for call in &report.calls {
            let both = |one: &dyn std::fmt::Display, other: &dyn std::fmt::Display| format!("{one} / {other}");
            let (caller, callee) = (&call.caller, &call.callee);
            let commands: Vec<String> = call.commands.iter().map(command_text).collect();
            let files: Vec<String> =
                call.files.iter().map(|file| format!("{} ({:.3} s)", file.path.display(), file.length_s)).collect();
            let verdict = if call.decision.record { "yes" } else { "no" };
            table.add_row(vec![
                name.clone(),
                parties(call),
                call.direction.to_string(),
                both(&caller.codecs.join(" "), &callee.codecs.join(" ")),
                both(&caller.packets, &callee.packets),
                both(&caller.lost, &callee.lost),
                commands.join(", "),
                both(&caller.other_digits, &callee.other_digits),
                format!("{verdict}: {}", call.decision.because),
                files.join("\n"),
            ]);
            notes.extend(call.notes.iter().map(|note| format!("{name}, {}: {note}", parties(call))));
        }
        notes.extend(report.notes.iter().map(|note| format!("{name}: {note}")));
    }
    match notes.is_empty() {
        true => table.to_string(),
        false => format!("{table}\n{}", notes.join("\n")),
    }
}

/// Who talked, and who came by transfer instead of whom.
fn parties(call: &CallReport) -> String {
    let came = call.joined.iter().map(|joined| format!(", then {} for {}", joined.party, joined.instead_of));
    format!("{} → {}{}", call.caller.party, call.callee.party, came.collect::<String>())
}

/// Calls of captures that were placed, one a row, and what else there is to say below.
pub fn placed(reports: &[LiveReport]) -> String {
    let mut table = table(&[
        "capture",
        "packets",
        "outcome",
        "recorded",
        "commands",
        "length",
        "identical left",
        "identical right",
        "file",
    ]);
    let mut notes = Vec::new();
    for report in reports {
        let name = report.capture.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for call in &report.calls {
            let mut said = Vec::new();
            table.add_row(placed_row(&name, call, &mut said));
            notes.extend(said.into_iter().chain(call.notes.iter().cloned()).map(|note| format!("{name}: {note}")));
        }
        notes.extend(report.notes.iter().map(|note| format!("{name}: {note}")));
    }
    notes.push(
        "Streams begin a few samples apart (delay of the network); samples are compared at that offset.".to_owned(),
    );
    format!("{table}\n{}", notes.join("\n"))
}

/// What is sent so much after its time is worth a note: jitter is less.
const LATE_MS: u64 = 60;

fn placed_row(name: &str, call: &LiveCall, notes: &mut Vec<String>) -> Vec<String> {
    let [caller, callee] = call.packets;
    let mut row = vec![name.to_owned(), format!("{caller} / {callee}")];
    let [caller, callee] = call.unsent;
    if caller + callee > 0 {
        notes.push(format!("{caller} / {callee} packets could not be sent as agreed"));
    }
    if call.late_ms > LATE_MS {
        let late = call.late_ms;
        notes.push(format!(
            "packets were sent up to {late} ms late, this machine is busy: edges and lengths differ by it"
        ));
    }
    let Some(live) = &call.live else { return row };
    let commands: Vec<String> = live.commands.iter().map(command_text).collect();
    let files: Vec<String> = live.files.iter().map(|file| file.display().to_string()).collect();
    let verdict = if live.decision.record { "yes" } else { "no" };
    let channel = |at: usize| live.channels.as_ref().and_then(|both| both.get(at)).map_or("–".to_owned(), shares);
    row.extend([
        live.outcome.as_str().to_owned(),
        format!("{verdict}: {}", live.decision.because),
        commands.join(", "),
        format!("{:+} ms", live.longer_by_ms),
        channel(0),
        channel(1),
        files.join("\n"),
    ]);
    if !live.commands_agree(&call.replay) {
        notes.push("the commands are not those of the replay".to_owned());
    }
    if !live.ended_alike(&call.replay) {
        notes.push(format!("in the replay the call was {}", call.replay.outcome.as_str()));
    }
    if live.decision != call.replay.decision {
        let replay = &call.replay.decision.because;
        notes.push(format!("the replay was decided by {replay}; --company names the service's rules"));
    }
    row
}

fn shares(channel: &Channel) -> String {
    let offsets: Vec<String> = channel.offsets.iter().map(|offset| format!("{offset:+}")).collect();
    let (share, longest) = (channel.share() * 100.0, channel.longest);
    format!("{share:.2} % at {}, longest {longest} samples", offsets.join(" "))
}

/// A command as a line about its call.
pub fn change(change: &Change) -> String {
    let wanted = if change.wanted { "start" } else { "pause" };
    let outcome = change.refused.map_or_else(|| "obeyed".to_owned(), |why| format!("refused: {}", refusal(why)));
    format!("command    {wanted} by {} at {} ms, {outcome}", change.by, change.offset_ms)
}

/// Who did what.
pub fn access_log(lines: &[AccessLine]) -> String {
    if lines.is_empty() {
        return "Nobody has played, fetched, deleted or changed anything.".to_owned();
    }
    let mut table = table(&["line", "when", "who", "from", "what", "with"]);
    for AccessLine { seq, at, company: _, user: _, who, source, action, thing, chain: _ } in lines {
        let (seq, at) = (seq.to_string(), at.to_string());
        table.add_row(vec![seq, at, who.clone(), source.clone(), action.clone(), thing.clone()]);
    }
    table.to_string()
}

fn command_text(change: &Change) -> String {
    let wanted = if change.wanted { "start" } else { "pause" };
    match change.refused {
        None => format!("{wanted} at {:.1} s", change.offset_ms as f64 / 1_000.0),
        Some(why) => format!("{wanted} refused ({})", refusal(why)),
    }
}

pub fn config_keys(keys: &[KeyDoc]) -> String {
    let mut table = table(&["key", "default", "unit", "meaning"]);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(140);
    for key in keys {
        table.add_row(vec![key.key.to_string(), key.default.to_string(), key.unit.to_string(), key.doc.to_string()]);
    }
    table.to_string()
}

pub fn generated_owner(generated: &GeneratedPassword) -> String {
    format!("user {} of {}", generated.extension, generated.company)
}
