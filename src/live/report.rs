//! What came of a placed call, beside what `replay` makes of the same capture.

use super::fetch::{Fetched, fetch, find};
use super::{Channel, PlaceError, Target, place};
use crate::base::{CallId, Side, Wall};
use crate::ledger::{Change, Channels, Decision, Marker};
use crate::replay::{CallReport, Options, Policy, Script, replay};
use crate::service::clock::Clock;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One capture that was placed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveReport {
    pub capture: PathBuf,
    /// The SIP Call-ID in the capture.
    pub call_id: String,
    /// Packets of the script, caller and callee.
    pub packets: [usize; 2],
    /// Of those, what was not agreed and therefore not sent.
    pub unsent: [u64; 2],
    /// What `replay` makes of it.
    pub replay: CallReport,
    /// What the service made of it; `None` where nobody was asked.
    pub live: Option<Recorded>,
    pub notes: Vec<String>,
}

/// The call as the service has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    pub call: CallId,
    pub decision: Decision,
    pub commands: Vec<Change>,
    /// One for each part of the recording.
    pub files: Vec<PathBuf>,
    pub samples: u64,
    /// Live − replay, in ms.
    pub longer_by_ms: i64,
    pub markers: Vec<Marker>,
    /// Caller, callee; `None` where not each of both has exactly one file.
    pub channels: Option<[Channel; 2]>,
}

impl Recorded {
    /// Whether the same commands came the same way to the same effect, in the same order.
    pub fn commands_agree(&self, replay: &CallReport) -> bool {
        let told = |changes: &[Change]| -> Vec<_> {
            changes.iter().map(|change| (change.how, change.wanted, change.refused)).collect()
        };
        told(&self.commands) == told(&replay.commands)
    }
}

/// Replays a capture into `options.folder`, places its call, and compares where a control socket
/// is given.
pub async fn run(
    capture: &Path,
    stem: &str,
    target: &Target,
    socket: Option<&Path>,
    policy: &Policy,
    options: &Options,
) -> Result<LiveReport, PlaceError> {
    let script = Script::read(capture)?;
    let (path, name, ruling, how) = (capture.to_owned(), stem.to_owned(), policy.clone(), options.clone());
    let replayed = tokio::task::spawn_blocking(move || replay(&path, &name, &ruling, &how, &mut |_| {}));
    let replayed = replayed.await.map_err(|error| PlaceError::Service(error.to_string()))??;
    let call = replayed.calls.into_iter().find(|call| call.call_id == script.call_id);
    let call = call.ok_or(crate::replay::ScriptError::NoCall)?;
    let since = Clock::start().wall();
    let parties = [target.caller.user.as_str(), target.callee.user.as_str()];
    let (unsent, found) = place_and_find(&script, target, socket, parties, since).await?;
    let mut notes = script.notes;
    let live = match (socket, found) {
        (None, _) => {
            notes.push("not compared: no control socket of the service is known (--data)".to_owned());
            None
        }
        (Some(_), None) => {
            let [caller, callee] = parties.map(str::to_owned);
            return Err(PlaceError::NotFound { caller, callee });
        }
        (Some(socket), Some(id)) => Some(recorded(fetch(socket, id).await?, &call)?),
    };
    let packets = script.parts.map(|part| part.cues.len());
    Ok(LiveReport { capture: capture.to_owned(), call_id: script.call_id, packets, unsent, replay: call, live, notes })
}

/// Places the call and asks for its id while it is up.
async fn place_and_find(
    script: &Script,
    target: &Target,
    socket: Option<&Path>,
    parties: [&str; 2],
    since: Wall,
) -> Result<([u64; 2], Option<CallId>), PlaceError> {
    let placing = place(script, target);
    tokio::pin!(placing);
    let mut found = None;
    loop {
        tokio::select! {
            done = &mut placing => return Ok((done?, found)),
            () = sleep(LOOK_AGAIN), if socket.is_some() && found.is_none() => {
                if let Some(socket) = socket {
                    found = find(socket, parties, since).await?;
                }
            }
        }
    }
}

fn recorded(fetched: Fetched, replay: &CallReport) -> Result<Recorded, PlaceError> {
    let Fetched { record, recordings, folder } = fetched;
    let files: Vec<PathBuf> =
        recordings.iter().filter(|r| !r.path.is_empty()).map(|recording| folder.join(&recording.path)).collect();
    let samples = recordings.iter().map(|recording| recording.samples).sum::<u64>();
    let channels = match (files.as_slice(), recordings.as_slice(), replay.files.as_slice()) {
        ([file], [recording], [expected]) => {
            let marks = [expected.markers.as_slice(), recording.sidecar.markers.as_slice()];
            let both = stereo(&expected.path)?.zip(stereo(file)?);
            both.map(|(replayed, live)| compare([&replayed, &live], marks))
        }
        _ => None,
    };
    let longer = i64::try_from(samples).unwrap_or(0) - i64::try_from(replay.samples()).unwrap_or(0);
    Ok(Recorded {
        call: record.id,
        decision: record.decision,
        commands: record.changes,
        files,
        samples,
        longer_by_ms: longer / 8,
        markers: recordings.into_iter().flat_map(|recording| recording.sidecar.markers).collect(),
        channels,
    })
}

/// Replay and live, channel by channel.
fn compare([replay, live]: [&[Vec<i16>; 2]; 2], [expected, found]: [&[Marker]; 2]) -> [Channel; 2] {
    let [left, right] = replay;
    let [live_left, live_right] = live;
    [
        Channel::compare((left, expected), (live_left, found), Side::Caller),
        Channel::compare((right, expected), (live_right, found), Side::Callee),
    ]
}

/// Both channels of a `.wav`; `None` of a mono one, where the parties cannot be told apart.
fn stereo(path: &Path) -> Result<Option<[Vec<i16>; 2]>, hound::Error> {
    let mut reader = hound::WavReader::open(path)?;
    if reader.spec().channels != Channels::Stereo.count() {
        return Ok(None);
    }
    let mut channels = [Vec::new(), Vec::new()];
    for (at, sample) in reader.samples::<i16>().enumerate() {
        if let Some(channel) = channels.get_mut(at % 2) {
            channel.push(sample?);
        }
    }
    Ok(Some(channels))
}
