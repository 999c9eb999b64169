//! What a machine says: put into words, and played piece by piece.

use super::super::MediaOrder;
use super::super::flowing::PLAYED_LATEST;
use super::super::session::{Phase, Session};
use super::super::switch::{Cx, Switch};
use super::Input;
use crate::audio::speech::{Manner, Say};
use crate::base::{Rate, Samples, Span};
use crate::media::{PlayId, Prompt, Times};
use std::collections::VecDeque;
use std::sync::Arc;

/// So long after a timer nothing is waited for anew, where the machine does not say.
const IDLE: Span = Span::from_secs(60);
/// What is empty is over after that.
const NOTHING: Span = Span::from_millis(10);

impl Switch {
    /// Says it piece by piece: what was recorded is played as it is.
    pub(super) fn say_pieces(&mut self, session: &mut Session, say: Vec<Say>, cx: &mut Cx<'_>) -> Result<(), u16> {
        if matches!(session.phase, Phase::Ringing(_)) {
            self.answer_for_prompt(session, cx)?;
        }
        let (directory, company) = (Arc::clone(&self.directory), session.record.company);
        let own = |name: &str| directory.prompt(company, name).map(|sound| sound.0.clone());
        let Some(voicemail) = &mut session.voicemail else { return Ok(()) };
        let manner = Manner { language: voicemail.language, zone: &voicemail.zone, now: cx.wall };
        let mut rest = VecDeque::new();
        let mut run = Vec::new();
        for piece in say {
            match piece {
                Say::Clip(pcm) => {
                    rest.push_back(self.voices.speak(&std::mem::take(&mut run), manner, &own));
                    rest.push_back(pcm);
                }
                piece => run.push(piece),
            }
        }
        rest.push_back(self.voices.speak(&run, manner, &own));
        rest.retain(|pcm| !pcm.is_empty());
        (voicemail.rest, voicemail.says) = (rest, true);
        say_next(session, cx);
        Ok(())
    }

    /// A piece was said to its end.
    pub(in crate::call) fn voicemail_played(
        &mut self,
        mut session: Session,
        id: PlayId,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some(voicemail) = &mut session.voicemail else { return Some(session) };
        match voicemail.playing.take_if(|playing| *playing == id) {
            Some(_) => self.piece_said(session, cx),
            None => Some(session),
        }
    }

    fn piece_said(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        let Some(voicemail) = &mut session.voicemail else { return Some(session) };
        if !voicemail.rest.is_empty() {
            say_next(&mut session, cx);
            return Some(session);
        }
        (voicemail.playing, voicemail.says) = (None, false);
        session.voicemail_waits(IDLE, cx);
        self.voicemail_input(session, Input::Said, cx)
    }

    pub(in crate::call) fn voicemail_timeout(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        session.voicemail_waits(IDLE, cx);
        match session.voicemail.as_ref().is_some_and(|voicemail| voicemail.says) {
            // Its end was lost.
            true => self.piece_said(session, cx),
            false => self.voicemail_input(session, Input::TimedOut, cx),
        }
    }
}

/// The next piece, or a moment where there is none.
fn say_next(session: &mut Session, cx: &mut Cx<'_>) {
    let id = session.next_play();
    let call = session.id();
    let Some(voicemail) = &mut session.voicemail else { return };
    let span = match voicemail.rest.pop_front() {
        Some(pcm) => {
            let length = Rate::NARROW.span(Samples(u64::try_from(pcm.len()).unwrap_or(0)));
            voicemail.playing = Some(id);
            let prompt = Prompt { id, pcm, times: Times::Once, recorded: false };
            cx.shell.media(call, MediaOrder::PlayPrompt { side: voicemail.side, prompt });
            length + PLAYED_LATEST
        }
        None => {
            voicemail.playing = None;
            cx.shell.media(call, MediaOrder::StopPrompt { side: voicemail.side });
            NOTHING
        }
    };
    session.voicemail_waits(span, cx);
}
