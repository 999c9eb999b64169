//! What is told, and under which name. Labels are words of ours: states, routes, statuses; never a
//! number, a name or an id.

use super::Watched;
use super::page::{Kind, Page};
use crate::api::http::{BUCKETS_MS, Requests, Seen};
use crate::api::{Answer, Request, Status};
use crate::call::LockOver;
use crate::service::gauge::MediaGauge;
use crate::service::monitor;
use crate::service::ready::Parts;
use crate::trunk::TrunkView;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Everything, as it is now.
pub async fn page(watched: &Watched) -> String {
    let mut page = Page::default();
    let handle = &watched.handle;
    page.family("telegraphone_info", Kind::Gauge, "The version that runs.");
    page.sample("telegraphone_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    if let Answer::Ready { readiness } = handle.answer(Request::Ready).await {
        page.gauge("telegraphone_ready", "1 where calls can be taken and recorded.", flag(readiness.ready));
        let parts: Vec<(&str, f64)> = readiness.parts.iter().map(|part| (part.part.as_str(), flag(part.ok))).collect();
        page.by(("telegraphone_part_ready", Kind::Gauge, "1 for each part that works."), "part", &parts);
    }
    if let Answer::Status { status } = handle.answer(Request::Status).await {
        signalling(&mut page, &status);
    }
    if let Answer::Trunks { trunks } = handle.answer(Request::TrunkList).await {
        of_trunks(&mut page, &trunks);
    }
    let held = match handle.answer(Request::LockoutList { company: None }).await {
        Answer::Lockouts { locks } => locks,
        _ => Vec::new(),
    };
    let over = |over: LockOver| number(held.iter().filter(|lock| lock.over == over).count());
    let locks = [LockOver::Sip, LockOver::Http].map(|kind| (kind.as_str(), over(kind)));
    page.by(("telegraphone_lockouts", Kind::Gauge, "Locks after wrong passwords that hold."), "over", &locks);
    media(&mut page, &handle.parts);
    recorders(&mut page, &handle.parts);
    disk(&mut page, &handle.parts);
    events(&mut page, watched).await;
    requests(&mut page, &watched.requests);
    process(&mut page);
    page.text()
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

#[expect(clippy::cast_precision_loss, reason = "the format knows no other numbers")]
fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "the format knows no other numbers")]
fn long(count: u64) -> f64 {
    count as f64
}

fn signed(count: i64) -> f64 {
    long(u64::try_from(count).unwrap_or(0))
}

fn loaded(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn signalling(page: &mut Page, status: &Status) {
    let [_, _, _, dialogs, _] = status.leftovers;
    page.gauge("telegraphone_calls", "Calls that ring or are up.", number(status.calls));
    page.gauge("telegraphone_registrations", "Devices that are registered.", number(status.devices));
    page.gauge("telegraphone_sip_transactions", "SIP transactions under way.", number(status.transactions));
    page.gauge("telegraphone_sip_dialogs", "SIP dialogs, those that have just ended too.", number(dialogs));
    page.gauge("telegraphone_rtp_ports_free", "Ports of media that are free.", number(status.free_ports));
    let possible = flag(status.no_recording.is_none());
    page.gauge("telegraphone_recording_possible", "1 where new recordings can be begun.", possible);
}

fn of_trunks(page: &mut Page, trunks: &[TrunkView]) {
    let up = trunks.iter().filter(|trunk| trunk.is_up()).count();
    let samples = [("up", number(up)), ("down", number(trunks.len() - up))];
    page.by(("telegraphone_trunks", Kind::Gauge, "Trunks by whether they can be called through."), "state", &samples);
}

fn media(page: &mut Page, parts: &Parts) {
    let all = |of: fn(&MediaGauge) -> &AtomicU64| long(parts.workers.iter().map(|worker| loaded(of(worker))).sum());
    let legs = 2.0 * all(|worker| &worker.calls);
    page.gauge("telegraphone_legs", "Legs of calls that media workers look after.", legs);
    for (name, help, value) in [
        ("telegraphone_rtp_packets_received_total", "RTP packets of parties.", all(|worker| &worker.received)),
        ("telegraphone_rtp_packets_sent_total", "RTP packets to parties.", all(|worker| &worker.sent)),
        (
            "telegraphone_rtp_packets_lost_total",
            "Packets that were missing when their call was looked at, once a second.",
            all(|worker| &worker.lost),
        ),
        ("telegraphone_rtp_packets_late_total", "Packets behind a later one.", all(|worker| &worker.late)),
        ("telegraphone_rtp_packets_duplicate_total", "Packets that came twice.", all(|worker| &worker.duplicates)),
        (
            "telegraphone_recorder_frames_dropped_total",
            "Frames for which the queue of the recorder had no room: marked silence in recordings.",
            all(|worker| &worker.dropped),
        ),
    ] {
        page.counter(name, help, value);
    }
    let refused = [
        ("stranger", all(|worker| &worker.strangers)),
        ("malformed", all(|worker| &worker.malformed)),
        ("payload", all(|worker| &worker.unknown_payload)),
        ("unauthentic", all(|worker| &worker.unauthentic)),
    ];
    let name = "telegraphone_rtp_packets_refused_total";
    page.by((name, Kind::Counter, "Packets that were dropped, and why."), "why", &refused);
    page.gauge(
        "telegraphone_recorder_queue_bytes",
        "Bytes that wait between media workers and recorders.",
        all(|worker| &worker.ring_used),
    );
    page.gauge(
        "telegraphone_recorder_queue_size_bytes",
        "Bytes for which there is room there; what does not fit is dropped.",
        all(|worker| &worker.ring_size),
    );
}

fn recorders(page: &mut Page, parts: &Parts) {
    let all = |of: fn(&crate::service::gauge::RecorderGauge) -> &AtomicUsize| {
        number(parts.recorders.iter().map(|recorder| of(recorder).load(Ordering::Relaxed)).sum())
    };
    page.gauge(
        "telegraphone_recorder_backlog_bytes",
        "Bytes that were taken from the queue and wait for the recorders.",
        all(|recorder| &recorder.backlog),
    );
    page.gauge("telegraphone_recorder_calls", "Answered calls that recorders look after.", all(|of| &of.calls));
    let archive = &parts.archive;
    let states = [
        ("complete", long(loaded(&archive.complete))),
        ("incomplete", long(loaded(&archive.incomplete))),
        ("recovered", long(loaded(&archive.recovered))),
        ("failed", long(loaded(&archive.failed))),
    ];
    let name = "telegraphone_recordings_handed_over_total";
    page.by((name, Kind::Counter, "Recordings that were handed over since the start."), "state", &states);
    page.gauge(
        "telegraphone_recordings_waiting",
        "Finished recordings that are not in the database yet.",
        number(archive.waiting.load(Ordering::Relaxed)),
    );
}

fn disk(page: &mut Page, parts: &Parts) {
    if let Some(free) = monitor::free_bytes(&parts.recording.dir) {
        page.gauge("telegraphone_disk_free_bytes", "Free bytes where the recordings are.", long(free));
    }
    let refuse = long(parts.recording.refuse_free);
    page.gauge("telegraphone_disk_refuse_bytes", "Below this no new recording is begun.", refuse);
}

async fn events(page: &mut Page, watched: &Watched) {
    let streams = watched.desk.as_ref().map_or(0, |desk| desk.open_streams());
    page.gauge("telegraphone_event_streams", "Streams of events that are open.", number(streams));
    let Ok(progress) = watched.handle.store.progress().await else { return };
    page.gauge("telegraphone_feed_position", "Position of the newest event.", signed(progress.feed));
    let lag = signed(progress.outbox_lag);
    page.gauge("telegraphone_outbox_lag", "What happened and is no event yet.", lag);
    let deliveries = [("pending", signed(progress.pending)), ("dead", signed(progress.dead))];
    let name = "telegraphone_webhook_deliveries";
    page.by((name, Kind::Gauge, "Deliveries to hooks that wait, and that nobody took."), "state", &deliveries);
}

fn requests(page: &mut Page, requests: &Requests) {
    let all = requests.all();
    let name = "telegraphone_http_requests_total";
    page.family(name, Kind::Counter, "Requests to the API by route.");
    for (route, seen) in &all {
        for (status, count) in &seen.statuses {
            let status = status.to_string();
            let labels = [("method", route.method), ("route", route.template.as_str()), ("status", status.as_str())];
            page.sample(name, &labels, long(*count));
        }
    }
    let name = "telegraphone_http_request_duration_seconds";
    page.family(name, Kind::Histogram, "Until the head of the answer was there.");
    for (route, seen) in &all {
        histogram(page, name, [("method", route.method), ("route", route.template.as_str())], seen);
    }
}

fn histogram(page: &mut Page, name: &str, [method, route]: [(&str, &str); 2], seen: &Seen) {
    let Seen { statuses: _, buckets, count, took } = seen;
    let mut below = 0;
    for (end, here) in BUCKETS_MS.iter().zip(buckets) {
        below += here;
        let end = (long(*end) / 1_000.0).to_string();
        page.sample(&format!("{name}_bucket"), &[method, route, ("le", &end)], long(below));
    }
    page.sample(&format!("{name}_bucket"), &[method, route, ("le", "+Inf")], long(*count));
    page.sample(&format!("{name}_sum"), &[method, route], long(took.0) / 1_000_000.0);
    page.sample(&format!("{name}_count"), &[method, route], long(*count));
}

fn process(page: &mut Page) {
    if let Some(bytes) = monitor::resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Resident memory.", long(bytes));
    }
    if let Some(open) = monitor::open_files() {
        page.gauge("process_open_fds", "Open file descriptors.", number(open));
    }
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(most) = most {
        page.gauge("process_max_fds", "File descriptors that may be open.", long(most));
    }
    if let Some(seconds) = monitor::cpu_seconds() {
        page.counter("process_cpu_seconds_total", "User and system time.", seconds);
    }
}
