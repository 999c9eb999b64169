//! Whether a target answers, and which one is next.

use crate::base::{Random, Span, Time};
use crate::directory::TrunkTarget;

/// A target that was silent and is not asked by OPTIONS is tried again after this.
const REST: Span = Span::from_secs(30);
/// The longest Retry-After that is believed.
const MOST_REST: Span = Span::from_secs(3_600);
/// A target that is down is asked at least so often, in s.
const ASK_DOWN_S: u32 = 10;

/// What is known of a target.
///
/// ```text
/// Up ─silence─► Down ─any answer to OPTIONS─► Up        with keep-alive
/// Up ─silence, 503 with Retry-After─► Resting ─time─► Up
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Up,
    /// It did not answer, and is skipped until it does.
    Down,
    /// Skipped until then.
    Resting {
        until: Time,
    },
}

/// One target of a trunk.
#[derive(Clone, Debug)]
pub struct Health {
    standing: Standing,
    /// Interval of OPTIONS; `None`: none are sent.
    interval: Option<Span>,
    /// When the next OPTIONS is due; `None` while one waits for its answer.
    ask_at: Option<Time>,
}

impl Health {
    /// `after`: when the first OPTIONS goes out, so that all trunks do not ask at once.
    pub fn new(keepalive_s: u32, after: Time) -> Self {
        let interval = (keepalive_s > 0).then(|| Span::from_secs(u64::from(keepalive_s)));
        Health { standing: Standing::Up, interval, ask_at: interval.map(|_| after) }
    }

    pub fn standing(&self, now: Time) -> Standing {
        match self.standing {
            Standing::Resting { until } if now >= until => Standing::Up,
            standing => standing,
        }
    }

    pub fn is_usable(&self, now: Time) -> bool {
        self.standing(now) == Standing::Up
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.ask_at
    }

    /// Whether an OPTIONS is to be sent now; its outcome is told by the other methods.
    pub fn asks(&mut self, now: Time) -> bool {
        self.ask_at.take_if(|at| *at <= now).is_some()
    }

    /// It said something: it is there. `retry_after_s` of a 503 asks to be left alone for so long.
    pub fn note_answer(&mut self, status: u16, retry_after_s: Option<u32>, now: Time) {
        self.standing = match (status, retry_after_s, self.standing(now)) {
            (503, Some(seconds @ 1..), _) => {
                Standing::Resting { until: now + Span::from_secs(u64::from(seconds)).min(MOST_REST) }
            }
            // What was asked to rest is not woken by an answer to something older.
            (_, _, Standing::Resting { until }) => Standing::Resting { until },
            (_, _, Standing::Up | Standing::Down) => Standing::Up,
        };
    }

    /// It said nothing, or could not be reached.
    pub fn note_silence(&mut self, now: Time) {
        self.standing = match self.interval {
            Some(_) => Standing::Down,
            None => Standing::Resting { until: now + REST },
        };
        // An OPTIONS that is under way goes on; one that is not, goes out soon.
        let soon = self.interval.map(|interval| now + interval.min(Span::from_secs(u64::from(ASK_DOWN_S))));
        self.ask_at = self.ask_at.and(soon);
    }

    /// The OPTIONS that waited for an answer is over: the next one is due later.
    pub fn ask_again(&mut self, now: Time) {
        let Some(interval) = self.interval else { return };
        let wait = match self.standing {
            Standing::Down => interval.min(Span::from_secs(u64::from(ASK_DOWN_S))),
            Standing::Up | Standing::Resting { .. } => interval,
        };
        self.ask_at = Some(now + wait);
    }
}

/// The order in which the targets at `usable` are tried: by `order`, and among those of one order
/// at random by `weight` (RFC 2782).
pub fn ordered(targets: &[TrunkTarget], usable: &[usize], random: &mut dyn Random) -> Vec<usize> {
    let mut left: Vec<(usize, &TrunkTarget)> = usable.iter().filter_map(|at| Some((*at, targets.get(*at)?))).collect();
    let mut sequence = Vec::with_capacity(left.len());
    while let Some(first) = left.iter().map(|(_, target)| target.order).min() {
        let total: u32 = left.iter().filter(|(_, t)| t.order == first).map(|(_, t)| u32::from(t.weight)).sum();
        let mut ticket = random.u32() % total.max(1);
        let taken = left.iter().position(|(_, target)| {
            let weight = u32::from(target.weight);
            let hit = target.order == first && ticket < weight;
            if target.order == first {
                ticket = ticket.saturating_sub(weight);
            }
            hit
        });
        // Weights of 0 only: the first of them.
        let taken = taken.or_else(|| left.iter().position(|(_, target)| target.order == first));
        let Some(taken) = taken else { break };
        sequence.push(left.remove(taken).0);
    }
    sequence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seeded;

    fn secs(seconds: u64) -> Span {
        Span::from_secs(seconds)
    }

    fn target(order: u16, weight: u16) -> TrunkTarget {
        TrunkTarget { host: "192.0.2.1".to_owned(), port: 5060, transport: Default::default(), order, weight }
    }

    #[test]
    fn without_keep_alive_a_silent_target_rests_and_is_tried_again() {
        let mut health = Health::new(0, Time(0));
        health.note_silence(Time(0));
        assert!(!health.is_usable(Time(0) + secs(29)) && health.is_usable(Time(0) + secs(30)));
        assert_eq!(health.next_timeout(), None);
    }

    #[test]
    fn with_keep_alive_a_silent_target_is_skipped_until_it_answers() {
        let mut health = Health::new(60, Time(0));
        assert!(health.asks(Time(0)) && !health.asks(Time(0)), "one OPTIONS at a time");
        health.note_silence(Time(0) + secs(32));
        health.ask_again(Time(0) + secs(32));
        assert!(!health.is_usable(Time(0) + secs(3_000)));
        assert_eq!(health.next_timeout(), Some(Time(0) + secs(42)), "one that is down is asked sooner");
        assert!(health.asks(Time(0) + secs(42)));
        health.note_answer(404, None, Time(0) + secs(43));
        health.ask_again(Time(0) + secs(43));
        assert!(health.is_usable(Time(0) + secs(43)));
        assert_eq!(health.next_timeout(), Some(Time(0) + secs(103)));
    }

    #[test]
    fn an_invite_without_an_answer_makes_the_next_options_come_soon() {
        let mut health = Health::new(600, Time(0) + secs(500));
        health.note_silence(Time(0));
        assert_eq!(health.next_timeout(), Some(Time(0) + secs(10)));
    }

    #[test]
    fn retry_after_is_respected_up_to_an_hour() {
        for (asked, least) in [(20, 20), (1_000_000, 3_600)] {
            let mut health = Health::new(0, Time(0));
            health.note_answer(503, Some(asked), Time(0));
            assert!(!health.is_usable(Time(0) + secs(least - 1)) && health.is_usable(Time(0) + secs(least)));
            health.note_answer(503, Some(asked), Time(0));
            health.note_answer(200, None, Time(0) + secs(1));
            assert!(!health.is_usable(Time(0) + secs(2)), "an answer to something older does not end the rest");
        }
        let mut health = Health::new(0, Time(0));
        health.note_answer(503, None, Time(0));
        assert!(health.is_usable(Time(0)));
    }

    #[test]
    fn targets_are_tried_by_order_then_by_weight() {
        let targets = [target(1, 1), target(0, 1), target(0, 3)];
        let mut first = [0; 3];
        let mut random = Seeded(5);
        for _ in 0..4_000 {
            let sequence = ordered(&targets, &[0, 1, 2], &mut random);
            assert_eq!((sequence.len(), sequence[2]), (3, 0), "the later order comes last");
            first[sequence[0]] += 1;
        }
        assert!((900..1_100).contains(&first[1]) && (2_900..3_100).contains(&first[2]), "{first:?}");
        assert_eq!(ordered(&targets, &[0, 2], &mut random), [2, 0]);
        assert!(ordered(&targets, &[], &mut random).is_empty());
    }
}
