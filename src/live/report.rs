//! What came of a placed call, beside what `replay` makes of the same capture.

use super::fetch::{Fetched, fetch, find};
use super::{Channel, PlaceError, Placed, Target, place};
use crate::base::{CallId, Rate, Samples, Side, Wall};
use crate::ledger::{Change, Decision, EndReason, Marker, Outcome};
use crate::replay::{CallReport, Options, Policy, Script, Unplaceable, replay};
use crate::service::clock::Clock;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One capture whose calls were placed, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveReport {
    pub capture: PathBuf,
    /// In the order of their beginnings; none where the capture shows no call from its beginning.
    pub calls: Vec<LiveCall>,
    /// What the replay says of the capture as a whole.
    pub notes: Vec<String>,
}

/// One call of a capture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveCall {
    /// The SIP Call-ID in the capture.
    pub call_id: String,
    /// Packets of the script, caller and callee.
    pub packets: [usize; 2],
    /// Of those, what was not agreed and therefore not sent.
    pub unsent: [u64; 2],
    /// How long after its time a packet was sent at most, in ms: by so much a machine that is too busy for
    /// this sets the recordings apart.
    pub late_ms: u64,
    /// What `replay` makes of it.
    pub replay: CallReport,
    /// What the service made of it; `None` where nobody was asked, or it was not placed.
    pub live: Option<Recorded>,
    /// With the reason where it was not placed.
    pub notes: Vec<String>,
}

/// The call as the service has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    pub call: CallId,
    pub outcome: Outcome,
    pub end_reason: Option<EndReason>,
    pub decision: Decision,
    pub commands: Vec<Change>,
    /// One for each part of the recording.
    pub files: Vec<PathBuf>,
    pub samples: u64,
    /// Live − replay, in ms.
    pub longer_by_ms: i64,
    pub markers: Vec<Marker>,
    /// Caller, callee; `None` where not each of both has exactly one file, of the same rate.
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

    /// Whether the call went and ended alike.
    pub fn ended_alike(&self, replay: &CallReport) -> bool {
        self.outcome == replay.outcome && self.end_reason == replay.end_reason
    }
}

/// Replays a capture into `options.folder`, places its calls, and compares where a control socket
/// is given.
pub async fn run(
    capture: &Path,
    stem: &str,
    target: &Target,
    socket: Option<&Path>,
    policy: &Policy,
    options: &Options,
) -> Result<LiveReport, PlaceError> {
    let (path, name, ruling, how) = (capture.to_owned(), stem.to_owned(), policy.clone(), options.clone());
    let replayed = tokio::task::spawn_blocking(move || {
        let scripts = Script::read(&path)?;
        Ok::<_, PlaceError>((scripts, replay(&path, &name, &ruling, &how, &mut |_| {})?))
    });
    let (scripts, replayed) = replayed.await.map_err(|error| PlaceError::Service(error.to_string()))??;
    let mut calls = Vec::new();
    for call in replayed.calls {
        let script = scripts.iter().find(|(call_id, _)| *call_id == call.call_id);
        calls.push(match script {
            Some((_, Ok(script))) => one(script, call, target, socket).await?,
            Some((_, Err(why))) => not_placed(call, why),
            None => not_placed(call, &Unplaceable::NoAudio),
        });
    }
    let mut notes = replayed.notes;
    if calls.is_empty() {
        notes.push("nothing is placed: the capture shows no call from its beginning".to_owned());
    }
    Ok(LiveReport { capture: capture.to_owned(), calls, notes })
}

fn not_placed(replay: CallReport, why: &Unplaceable) -> LiveCall {
    let notes = replay.notes.iter().cloned().chain([why.to_string()]).collect();
    let call_id = replay.call_id.clone();
    LiveCall { call_id, packets: [0; 2], unsent: [0; 2], late_ms: 0, replay, live: None, notes }
}

/// Places a call.
async fn one(
    script: &Script,
    replay: CallReport,
    target: &Target,
    socket: Option<&Path>,
) -> Result<LiveCall, PlaceError> {
    let since = Clock::start().wall();
    let parties = [target.caller.user.as_str(), target.callee.user.as_str()];
    let (placed, found) = place_and_find(script, target, socket, parties, since).await?;
    let mut notes: Vec<String> = replay.notes.iter().chain(&script.notes).cloned().collect();
    let live = match (socket, found) {
        (None, _) => {
            notes.push("not compared: no control socket of the service is known (--data)".to_owned());
            None
        }
        (Some(_), None) => {
            let [caller, callee] = parties.map(str::to_owned);
            return Err(PlaceError::NotFound { caller, callee });
        }
        (Some(socket), Some(id)) => Some(recorded(fetch(socket, id).await?, &replay)?),
    };
    let (call_id, packets, late_ms) = (replay.call_id.clone(), script.packets(), placed.late.as_millis());
    Ok(LiveCall { call_id, packets, unsent: placed.unsent, late_ms, replay, live, notes })
}

/// Places the call and asks for its id while it is up.
async fn place_and_find(
    script: &Script,
    target: &Target,
    socket: Option<&Path>,
    parties: [&str; 2],
    since: Wall,
) -> Result<(Placed, Option<CallId>), PlaceError> {
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
    let (mut channels, mut longer_by_ms) = (None, 0);
    if let ([file], [recording], [expected]) = (files.as_slice(), recordings.as_slice(), replay.files.as_slice()) {
        let (replayed, live) = (Sound::read(&expected.path)?, Sound::read(file)?);
        let ms = |wav: &Sound| wav.rate.span(Samples(wav.length())).as_millis();
        longer_by_ms = i64::try_from(ms(&live)).unwrap_or(0) - i64::try_from(ms(&replayed)).unwrap_or(0);
        let marks = (&expected.markers, &recording.sidecar.markers);
        let compare =
            |one: &[i16], other: &[i16], side| Channel::compare(live.rate, (one, marks.0), (other, marks.1), side);
        if live.rate == replayed.rate
            && let ([left, right], [live_left, live_right]) = (replayed.channels.as_slice(), live.channels.as_slice())
        {
            channels = Some([compare(left, live_left, Side::Caller), compare(right, live_right, Side::Callee)]);
        }
    }
    Ok(Recorded {
        call: record.id,
        outcome: record.outcome,
        end_reason: record.end_reason,
        decision: record.decision,
        commands: record.changes,
        files,
        samples,
        longer_by_ms,
        markers: recordings.into_iter().flat_map(|recording| recording.sidecar.markers).collect(),
        channels,
    })
}

/// A `.wav`.
struct Sound {
    rate: Rate,
    /// One or two: of a mono file the parties cannot be told apart.
    channels: Vec<Vec<i16>>,
}

impl Sound {
    fn length(&self) -> u64 {
        self.channels.first().and_then(|channel| u64::try_from(channel.len()).ok()).unwrap_or(0)
    }

    fn read(path: &Path) -> Result<Self, hound::Error> {
        let mut reader = hound::WavReader::open(path)?;
        let (rate, count) = (Rate(reader.spec().sample_rate), usize::from(reader.spec().channels.max(1)));
        let mut channels = vec![Vec::new(); count];
        for (at, sample) in reader.samples::<i16>().enumerate() {
            if let Some(channel) = channels.get_mut(at % count) {
                channel.push(sample?);
            }
        }
        Ok(Sound { rate, channels })
    }
}
