//! A call that is always up.

use super::office::{Office, SUPPORT};
use crate::audio::Law;
use crate::demo::calls::{SOON, Voices, outsider, registered};
use crate::demo::company::CUSTOMER;
use crate::demo::phone::{LiveError, LivePhone};
use crate::demo::{DemoError, Stage, carrier_ip};
use crate::sip::Transport;
use crate::ua::PhoneEvent;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How long each of the two speaks while the other one listens, in samples at 8 kHz.
const TURN: usize = 4 * 8_000;
/// How long such a call lasts at most.
const TALK: Duration = Duration::from_secs(180);
/// Between one and the next.
const BREATH: Duration = Duration::from_secs(3);

/// Finn of the support team, and a customer.
pub struct Talker {
    finn: LivePhone,
    customer: LivePhone,
}

impl Talker {
    pub async fn start(stage: &Stage, office: &Office, voices: &Voices) -> Result<Self, DemoError> {
        let turns = [turns(&voices.agent, false), turns(&voices.customer, true)];
        let [agent, customer] = turns;
        let finn = registered(stage.server, Transport::Udp, &office.finn, agent).await?;
        // Finn answers when it is time to talk.
        finn.act(|phone, _| {
            phone.answers_after(None);
            Ok(())
        })
        .await?;
        let customer = outsider(stage.server, carrier_ip(), CUSTOMER, customer).await?;
        Ok(Talker { finn, customer })
    }

    /// Waits until Finn's telephone rings no more: until then it would be busy.
    pub async fn rang_out(&mut self) -> Result<(), LiveError> {
        self.finn.wait_for(|event| matches!(event, PhoneEvent::Ended(_)), SOON).await.map(|_| ())
    }

    /// One call to its end: customers call, and Finn calls customers.
    async fn talk(&mut self, inbound: bool) -> Result<(), LiveError> {
        let Talker { finn, customer } = self;
        // Of the call before, or of one that nobody answered.
        finn.forget();
        customer.forget();
        // A visitor who rings there is answered first.
        let is_visited = finn.answer().await.is_ok();
        match inbound {
            _ if is_visited => {}
            true => {
                customer.call(SUPPORT).await?;
                finn.wait_for(|event| matches!(event, PhoneEvent::Incoming { from, .. } if from == CUSTOMER), SOON)
                    .await?;
                finn.answer().await?;
            }
            false => finn.call(CUSTOMER).await?,
        }
        finn.wait_for(|event| *event == PhoneEvent::Answered, SOON).await?;
        // Somebody may hang up on the page.
        let ended = finn.wait_for(|event| matches!(event, PhoneEvent::Ended(_)), TALK).await;
        match ended {
            Err(LiveError::Timeout(..)) => finn.hang_up().await,
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Whatever became of a call, the next one begins anew.
    async fn rest(&mut self) {
        for phone in [&mut self.finn, &mut self.customer] {
            // There may be nothing to end.
            let _ = phone.hang_up().await;
        }
        sleep(BREATH).await;
    }
}

/// Talks until it is dropped.
pub async fn for_ever(mut talker: Talker) {
    let mut inbound = true;
    loop {
        if let Err(error) = talker.talk(inbound).await {
            tracing::debug!(%error, "a call of the demo did not come about");
        }
        talker.rest().await;
        inbound = !inbound;
    }
}

/// The voice by turns with silence of the same length.
fn turns(voice: &[i16], second: bool) -> Arc<[i16]> {
    let silence = Law::Mu.decode(Law::Mu.silence());
    let mut said = Vec::with_capacity(voice.len() * 2 + 2 * TURN);
    for part in voice.chunks(TURN) {
        let quiet = std::iter::repeat_n(silence, TURN);
        let spoken = part.iter().copied().chain(std::iter::repeat_n(silence, TURN - part.len()));
        match second {
            true => said.extend(quiet.chain(spoken)),
            false => said.extend(spoken.chain(quiet)),
        }
    }
    said.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_who_talk_by_turns_one_is_silent() {
        let voice = vec![1_000; TURN * 2 + 7];
        let (first, second) = (turns(&voice, false), turns(&voice, true));
        assert_eq!((first.len(), second.len()), (6 * TURN, 6 * TURN));
        assert_eq!(first.iter().filter(|sample| **sample == 1_000).count(), voice.len());
        let overlap = first.iter().zip(second.iter()).filter(|(one, other)| **one == 1_000 && **other == 1_000);
        assert_eq!(overlap.count(), 0);
    }
}
