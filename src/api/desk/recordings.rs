//! Recordings that the viewer can play: looked at, listened to, fetched, deleted.

use super::{Desk, NO_RECORDING, Person, done, keeping};
use crate::api::view::has_file;
use crate::api::{AudioUse, HeardView, HoldView, Problem, RecordingItem, RecordingView, Reply, Request};
use crate::base::{CallId, RecordingId};
use crate::directory::Directory;
use crate::ledger::{RecordingRecord, RecordingState};
use crate::store::{Held, Hold};
use crate::subscription::{CallFacts, Scope};
use std::sync::PoisonError;

impl Desk {
    /// A recording that the viewer can play, with the rights to it.
    pub(super) async fn playable(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: RecordingId,
    ) -> Result<(RecordingRecord, CallFacts, Scope), Problem> {
        let scope = self.scope(directory, person).await?;
        let (recording, facts) = self.store.recording_with_facts(id).await?.ok_or(NO_RECORDING)?;
        match scope.playable(&facts) {
            true => Ok((recording, facts, scope)),
            false => Err(NO_RECORDING),
        }
    }

    pub(super) async fn recording(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: RecordingId,
    ) -> Result<Reply, Problem> {
        let (recording, facts, scope) = self.playable(directory, person, id).await?;
        self.gone(&recording).await?;
        let heard = self.store.heard_by(id).await?;
        let played = heard.iter().any(|(user, _)| *user == person.listener());
        let heard = heard.into_iter().filter_map(|(user, at)| {
            let user = directory.user_ever(user)?;
            Some(HeardView { extension: user.extension.clone(), name: user.name.clone(), at: at.to_string() })
        });
        let holds = self.holds_of(person, &[recording.call]).await?;
        let on = |thing: Held| holds.iter().find(|hold| hold.thing == thing).map(HoldView::from);
        let hold = on(Held::Recording(id));
        Ok(Reply::Recording(Box::new(RecordingView {
            item: RecordingItem { played, hold, ..RecordingItem::of(&recording) },
            call_hold: on(Held::Call(recording.call)),
            call: recording.call,
            rate: recording.rate,
            audio_sha256: recording.audio_sha256.clone(),
            // It may name folders.
            problem: if person.is_admin() { recording.problem.clone() } else { String::new() },
            markers: recording.sidecar.markers.clone(),
            can_download: scope.downloadable(&facts) && has_file(&recording),
            heard: heard.collect(),
        })))
    }

    /// Legal holds on calls and their recordings, for those who place and lift them.
    pub(super) async fn holds_of(&self, person: &Person<'_>, calls: &[CallId]) -> Result<Vec<Hold>, Problem> {
        match person.is_admin() {
            true => Ok(self.store.holds_of_calls(person.company.id, calls).await?),
            false => Ok(Vec::new()),
        }
    }

    /// A deleted recording answers that it is gone, to those who could see it.
    pub(super) async fn gone(&self, recording: &RecordingRecord) -> Result<(), Problem> {
        match recording.state {
            RecordingState::Deleted => {
                let gone = self.store.gone(recording.id).await?;
                let (at, because) = gone.map_or((None, String::new()), |gone| (Some(gone.at), gone.because));
                Err(Problem::Gone { what: "recording", at, because })
            }
            RecordingState::Complete
            | RecordingState::Incomplete
            | RecordingState::Recovered
            | RecordingState::Failed
            | RecordingState::Missing => Ok(()),
        }
    }

    pub(super) async fn audio(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: RecordingId,
        purpose: AudioUse,
    ) -> Result<Reply, Problem> {
        let (recording, facts, scope) = self.playable(directory, person, id).await?;
        self.gone(&recording).await?;
        let (action, name) = match purpose {
            AudioUse::Play => ("recording.play", None),
            AudioUse::Download if scope.downloadable(&facts) => {
                ("recording.download", Some(format!("{}.wav", recording.id)))
            }
            AudioUse::Download => return Err(Problem::Forbidden("you may listen to recordings, not fetch them")),
        };
        if !has_file(&recording) {
            return Err(Problem::NotFound { what: "audio of this recording" });
        }
        if self.is_new_listening(person.viewer.token, id, purpose) {
            self.note(person, action, format!("recording {id} of call {}", recording.call)).await?;
            if let Some(user) = person.user() {
                self.store.mark_heard(id, user.id, self.world.wall()).await?;
            }
        }
        Ok(Reply::Audio { path: self.recordings.join(&recording.path), name })
    }

    pub(super) async fn delete(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        id: RecordingId,
    ) -> Result<Reply, Problem> {
        let (recording, _, _) = self.playable(directory, person, id).await?;
        self.gone(&recording).await?;
        person.must_be_admin()?;
        // What is logged may not have happened; what happened is always logged.
        self.note(person, "recording.delete", format!("recording {id} of call {}", recording.call)).await?;
        let by = Some(keeping::who(person).name);
        done(self.operator.ask(Request::RecordingDelete { recording: id, by }).await)
    }

    /// A player fetches a recording piece by piece: that is one listening, and one line of the log.
    pub(super) fn is_new_listening(&self, token: i64, recording: RecordingId, purpose: AudioUse) -> bool {
        let now = self.world.now();
        self.listenings.lock().unwrap_or_else(PoisonError::into_inner).begins((token, recording, purpose), now)
    }
}
