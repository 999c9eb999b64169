//! A prompt on its way to one party: linear samples at 8 kHz, 20 ms at a time, on a clock of its
//! own. While it plays, the other party's packets do not go out; digits and tones go before it.

use crate::audio::prompt::Pcm;
use crate::base::{Rate, Span, Time};

/// Names what is played within its call: the end of one prompt is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayId(pub u32);

/// How often a prompt is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Once,
    /// Until it is stopped: music, ringing.
    Forever,
}

/// Something to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub id: PlayId,
    pub pcm: Pcm,
    pub times: Times,
    /// What this party hears stands in the recording, on the other party's channel.
    pub recorded: bool,
}

/// Samples in a packet of ours.
pub const FRAME: usize = 160;
const FRAME_SPAN: Span = Span::from_millis(20);
/// Further behind than this it goes on from now instead of sending a burst.
const LATE: Span = Span::from_millis(200);

/// A prompt and how far it is.
#[derive(Clone, Debug)]
pub struct Player {
    prompt: Prompt,
    at: usize,
    next_at: Time,
    /// RTP timestamp of the next packet.
    timestamp: u32,
    /// A packet in ticks of that.
    ticks: u32,
}

impl Player {
    /// Nothing is heard of it before [`Player::begin`].
    pub const fn new(prompt: Prompt) -> Self {
        Player { prompt, at: 0, next_at: Time::ZERO, timestamp: 0, ticks: 0 }
    }

    /// It is heard from `now` on: from its beginning, or from where it was interrupted. `timestamp`:
    /// what the stream towards the party shows now, counted at `clock`.
    pub fn begin(&mut self, now: Time, timestamp: u32, clock: Rate) {
        self.ticks = u32::try_from(clock.samples(FRAME_SPAN).0).unwrap_or(0);
        (self.next_at, self.timestamp) = (now, timestamp);
    }

    pub const fn id(&self) -> PlayId {
        self.prompt.id
    }

    pub const fn is_recorded(&self) -> bool {
        self.prompt.recorded
    }

    /// The RTP timestamp of a packet that is due at `now`, and the samples in it: filled up with
    /// silence at the end. The clock moves on whether they are sent or not.
    pub fn next(&mut self, now: Time, timestamp_now: u32, samples: &mut [i16; FRAME]) -> Option<u32> {
        if now < self.next_at || self.is_over() {
            return None;
        }
        if now.since(self.next_at) > LATE {
            (self.next_at, self.timestamp) = (now, timestamp_now);
        }
        for sample in samples.iter_mut() {
            *sample = self.prompt.pcm.get(self.at).copied().unwrap_or(0);
            self.at += 1;
            if self.at >= self.prompt.pcm.len() && self.prompt.times == Times::Forever {
                self.at = 0;
            }
        }
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(self.ticks);
        self.next_at = self.next_at + FRAME_SPAN;
        Some(timestamp)
    }

    /// All of it was played.
    pub fn is_over(&self) -> bool {
        self.at >= self.prompt.pcm.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(length: i16, times: Times) -> Player {
        let pcm: Vec<i16> = (1..=length).collect();
        let mut player = Player::new(Prompt { id: PlayId(1), pcm: pcm.into(), times, recorded: false });
        player.begin(Time(1_000_000), 500, Rate::NARROW);
        player
    }

    fn at(ms: u64) -> Time {
        Time(1_000_000) + Span::from_millis(ms)
    }

    #[test]
    fn a_prompt_comes_in_packets_of_20_ms_whose_last_is_filled_with_silence() {
        let mut player = player(200, Times::Once);
        let mut samples = [9; FRAME];
        assert_eq!(player.next(at(0), 500, &mut samples), Some(500));
        assert_eq!((samples[0], samples[159]), (1, 160));
        assert_eq!(player.next(at(19), 652, &mut samples), None, "not due yet");
        assert_eq!(player.next(at(23), 684, &mut samples), Some(660), "its own clock, not the look at it");
        assert_eq!((samples[0], samples[39], samples[40]), (161, 200, 0));
        assert!(player.is_over());
        assert_eq!(player.next(at(40), 820, &mut samples), None);
    }

    #[test]
    fn what_is_played_for_ever_has_no_seam() {
        let mut player = player(100, Times::Forever);
        let mut samples = [0; FRAME];
        player.next(at(0), 500, &mut samples);
        assert_eq!((samples[99], samples[100], samples[159]), (100, 1, 60));
        player.next(at(20), 660, &mut samples);
        assert_eq!(samples[0], 61);
        assert!(!player.is_over());
    }

    #[test]
    fn after_a_stall_it_goes_on_from_now_without_a_burst() {
        let mut player = player(2_000, Times::Once);
        let mut samples = [0; FRAME];
        player.next(at(0), 500, &mut samples);
        assert_eq!(player.next(at(1_000), 8_500, &mut samples), Some(8_500));
        assert_eq!(samples[0], 161, "nothing of the prompt is left out");
        assert_eq!(player.next(at(1_000), 8_500, &mut samples), None);
    }
}
