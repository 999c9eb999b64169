//! Music for a party that the other one has put on hold, where the company has any.
//!
//! It is played like any prompt: in the place of the other party's packets, and it stands in the
//! recording on that party's channel. Whatever else is said to the held party goes before it.

use super::Bridge;
use crate::audio::prompt::Pcm;
use crate::base::{Side, Time};
use crate::media::player::{PlayId, Player, Prompt, Times};

/// The name of all music; prompts of call control count up from 1.
const MUSIC: PlayId = PlayId(u32::MAX - 1);

impl Bridge {
    /// What a held party hears, again and again.
    pub fn set_hold_music(&mut self, music: Pcm) {
        self.hold_music = Some(music).filter(|music| !music.is_empty());
    }

    /// Begins the music for a party that is held and hears nothing else, and ends it for one that
    /// is not held any more.
    pub(super) fn follow_hold(&mut self, side: Side, now: Time) {
        let held = self.connected && self.leg(side).media.as_ref().is_some_and(|media| media.held);
        let playing = self.leg(side).player.as_ref().map(Player::id);
        match (held, playing, self.hold_music.clone()) {
            (true, None, Some(pcm)) => {
                self.play_prompt(side, Prompt { id: MUSIC, pcm, times: Times::Forever, recorded: true }, now);
            }
            (false, Some(MUSIC), _) => self.stop_prompt(side),
            (true | false, Some(_) | None, _) => {}
        }
    }

    /// A codec with another clock is spoken from now on: the music goes on in that.
    pub(super) fn restart_music(&mut self, side: Side) {
        if self.leg(side).player.as_ref().map(Player::id) == Some(MUSIC) {
            self.stop_prompt(side);
        }
    }
}
