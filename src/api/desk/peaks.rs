//! The shapes of recordings and messages, for whoever may hear them.
//!
//! That of a recording is made once and kept beside it. A message is short: its shape is made each time,
//! and nothing of it stays.

use super::{Desk, NO_RECORDING, Person};
use crate::api::keeping::KeepingReply;
use crate::api::view::has_file;
use crate::api::{PeaksView, Points, Problem, ShapeView};
use crate::archive::{Peaks, Rest};
use crate::base::RecordingId;
use crate::directory::Directory;
use crate::ledger::{Channels, MessageRecord, RecordingRecord, RecordingState};
use std::fs::File;
use std::io;
use std::sync::Arc;

impl Desk {
    pub(super) async fn peaks(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: RecordingId,
        points: Points,
    ) -> Result<KeepingReply, Problem> {
        let (recording, _, _) = self.playable(directory, person, id).await?;
        self.gone(&recording).await?;
        if !has_file(&recording) {
            return Err(Problem::NotFound { what: "audio of this recording" });
        }
        let peaks = self.peaks_of(recording).await?;
        // Deleted while they were made: nothing of it is told, and nothing of it stays.
        let now = self.store.recording(id).await?.ok_or(NO_RECORDING)?;
        self.gone(&now).await?;
        let shape = ShapeView::from(&peaks.at_most(points.get()));
        Ok(KeepingReply::Peaks(Box::new(PeaksView { recording: id, shape })))
    }

    /// Those that are kept, or made and kept now.
    async fn peaks_of(&self, recording: RecordingRecord) -> Result<Peaks, Problem> {
        let rest = Rest::of(&self.recordings, &recording.path);
        let digest = recording.audio_sha256.clone();
        let path = rest.peaks.clone();
        let kept = tokio::task::spawn_blocking(move || Peaks::read(&path, &digest)).await;
        match kept.map_err(|_| Problem::Internal)? {
            Ok(Some(peaks)) => return Ok(peaks),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(call = %recording.call, recording = %recording.id, %error, "peaks cannot be read: they are made anew")
            }
        }
        let (store, turn, call) = (self.store.clone(), Arc::clone(&self.peaking), recording.call);
        // Whoever asked may go away: what was begun is finished, and one after the other.
        let made = tokio::spawn(async move {
            let _turn = turn.acquire_owned().await.map_err(io::Error::other)?;
            let (id, keep) = (recording.id, rest.clone());
            let made = tokio::task::spawn_blocking(move || make_peaks(&rest, &recording)).await??;
            let deleted = match store.recording(id).await {
                Ok(row) => row.is_none_or(|row| row.state == RecordingState::Deleted),
                Err(_) => false,
            };
            if deleted {
                let _ = std::fs::remove_file(&keep.peaks);
            }
            Ok::<Peaks, io::Error>(made)
        });
        match made.await.map_err(|_| Problem::Internal)? {
            Ok(peaks) => Ok(peaks),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Problem::NotFound { what: "audio of this recording" })
            }
            Err(error) => {
                tracing::error!(%call, %error, "the peaks of a recording could not be made");
                Err(Problem::Internal)
            }
        }
    }

    /// Made now.
    pub(super) async fn peaks_of_message(&self, message: &MessageRecord, points: Points) -> Result<ShapeView, Problem> {
        let (path, rate, samples) = (self.recordings.join(&message.path), message.rate, message.samples);
        let turn = Arc::clone(&self.peaking).acquire_owned().await.map_err(|_| Problem::Internal)?;
        let made = tokio::task::spawn_blocking(move || {
            // The next one waits also where whoever asked for this one has gone away.
            let _turn = turn;
            Peaks::of(File::open(path)?, rate, samples, Channels::Mono)
        });
        match made.await.map_err(|_| Problem::Internal)? {
            Ok(peaks) => Ok(ShapeView::from(&peaks.at_most(points.get()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Problem::NotFound { what: "audio of this message" })
            }
            Err(error) => {
                tracing::error!(message = %message.id, %error, "the shape of a message could not be made");
                Err(Problem::Internal)
            }
        }
    }
}

/// Another one may have made them while this one waited.
fn make_peaks(rest: &Rest, recording: &RecordingRecord) -> io::Result<Peaks> {
    let digest = &recording.audio_sha256;
    if let Ok(Some(peaks)) = Peaks::read(&rest.peaks, digest) {
        return Ok(peaks);
    }
    let peaks = Peaks::of(File::open(&rest.wav)?, recording.rate, recording.samples, recording.sidecar.channels)?;
    if let Err(error) = peaks.write(&rest.peaks, digest) {
        tracing::warn!(call = %recording.call, recording = %recording.id, %error, "peaks cannot be kept");
    }
    Ok(peaks)
}
