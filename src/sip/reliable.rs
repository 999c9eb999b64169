//! Reliable provisional responses (RFC 3262): what is sent until it is acknowledged by PRACK, and
//! what a received one asks for. Pure; the caller sends.

use super::message::{CSeq, Method, Request, Response};
use crate::base::{Span, Time};
use std::collections::VecDeque;

/// The option tag.
pub const OPTION: &str = "100rel";
/// Responses that wait behind an unacknowledged one; more are not said, but for the one that describes.
const MOST_WAITING: usize = 8;
/// The first RSeq is below this, so that none of a transaction wraps (RFC 3262 §3).
const FIRST_BELOW: u32 = 1 << 31;

/// RSeq of a provisional response that wants to be acknowledged; `None` for any other.
pub fn rseq(response: &Response) -> Option<u32> {
    let wants = (101..200).contains(&response.status) && response.headers.names("Require", OPTION);
    response.headers.get("RSeq").filter(|_| wants)?.trim().parse().ok().filter(|rseq| *rseq > 0)
}

/// What a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    pub rseq: u32,
    pub cseq: CSeq,
}

impl RAck {
    /// Of a PRACK; `None` where it is missing or cannot be read.
    pub fn of(request: &Request) -> Option<Self> {
        let (rseq, cseq) = request.headers.get("RAck")?.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        Some(RAck { rseq: rseq.parse().ok()?, cseq: CSeq::parse(cseq)? })
    }

    /// The value of the header.
    pub fn value(&self) -> String {
        format!("{} {}", self.rseq, self.cseq)
    }
}

/// Our reliable provisional responses to one INVITE, one after the other (RFC 3262 §3).
///
/// ```text
/// (quiet) ─say─► unacknowledged, sent again at T1, 2·T1, 4·T1, … ─PRACK─► the next that waits, or (quiet)
///                      ├─64·T1─► given up: the INVITE is to be refused
///                      └─final response─► sent no more, its PRACK still has an answer
/// ```
#[derive(Clone, Debug)]
pub struct Provisionals {
    /// CSeq of the INVITE.
    cseq: u32,
    next: u32,
    t1: Span,
    sent: Option<Unacknowledged>,
    waiting: VecDeque<Response>,
    /// One of them had a description: it is the answer, or the offer, and is not said again.
    described: bool,
}

#[derive(Clone, Debug)]
struct Unacknowledged {
    rseq: u32,
    response: Response,
    interval: Span,
    /// `None` once a final response was sent.
    resend_at: Option<Time>,
    ends_at: Time,
}

/// What the time asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tick {
    Nothing,
    Send(Response),
    /// Nobody acknowledges: the INVITE is refused.
    GiveUp,
}

impl Provisionals {
    /// `random` makes the first RSeq.
    pub fn new(invite: &Request, random: u32, t1: Span) -> Self {
        let cseq = invite.cseq().map_or(0, |cseq| cseq.seq);
        Provisionals {
            cseq,
            next: random % FIRST_BELOW + 1,
            t1,
            sent: None,
            waiting: VecDeque::new(),
            described: false,
        }
    }

    /// Whether the INVITE asks for them.
    pub fn are_required(invite: &Request) -> bool {
        invite.headers.names("Require", OPTION)
    }

    /// A response to say: at once where none is unacknowledged, else in its turn. What was said
    /// last is not said again.
    pub fn say(&mut self, response: Response, now: Time) -> Option<Response> {
        self.described |= !response.body.is_empty();
        let Some(sent) = &self.sent else { return Some(self.send(response, now)) };
        let last = self.waiting.back().unwrap_or(&sent.response);
        if last.status == response.status && last.body == response.body {
            return None;
        }
        if self.waiting.len() < MOST_WAITING || !response.body.is_empty() {
            self.waiting.push_back(response);
        }
        None
    }

    fn send(&mut self, response: Response, now: Time) -> Response {
        let rseq = self.next;
        self.next = self.next.saturating_add(1);
        let response = response.with_header("Require", OPTION).with_header("RSeq", rseq.to_string());
        self.sent = Some(Unacknowledged {
            rseq,
            response: response.clone(),
            interval: self.t1,
            resend_at: Some(now + self.t1),
            ends_at: now + self.t1.times(64),
        });
        response
    }

    /// A PRACK. `Err` where it acknowledges nothing that was sent and is unacknowledged; else what
    /// is to be sent now.
    pub fn acknowledged(&mut self, rack: &RAck, now: Time) -> Result<Option<Response>, UnknownRAck> {
        let ours = |sent: &mut Unacknowledged| sent.rseq == rack.rseq && rack.cseq.method == Method::Invite;
        let in_order = rack.cseq.seq == self.cseq;
        let sent = self.sent.take_if(|sent| in_order && ours(sent)).ok_or(UnknownRAck)?;
        // After the final response nothing more is said.
        let next = self.waiting.pop_front().filter(|_| sent.resend_at.is_some());
        Ok(next.map(|next| self.send(next, now)))
    }

    /// The final response goes out.
    pub fn stop(&mut self) {
        self.waiting.clear();
        if let Some(sent) = &mut self.sent {
            sent.resend_at = None;
        }
    }

    pub const fn has_described(&self) -> bool {
        self.described
    }

    /// Whether a description is not acknowledged yet: a 2xx has to wait for it (RFC 3262 §3).
    pub fn holds_description(&self) -> bool {
        let sent = self.sent.as_ref().filter(|sent| sent.resend_at.is_some()).map(|sent| &sent.response);
        sent.into_iter().chain(&self.waiting).any(|response| !response.body.is_empty())
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let sent = self.sent.as_ref()?;
        Some(sent.resend_at?.min(sent.ends_at))
    }

    pub fn handle_timeout(&mut self, now: Time) -> Tick {
        let Some(sent) = &mut self.sent else { return Tick::Nothing };
        match sent.resend_at {
            Some(_) if sent.ends_at <= now => Tick::GiveUp,
            Some(at) if at <= now => {
                sent.interval = sent.interval.times(2);
                sent.resend_at = Some(now + sent.interval);
                Tick::Send(sent.response.clone())
            }
            Some(_) | None => Tick::Nothing,
        }
    }
}

/// A PRACK that acknowledges nothing: 481.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The PRACK acknowledges no response that waits for one")]
pub struct UnknownRAck;

/// Which of the far side's reliable responses in one early dialog are news (RFC 3262 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    last: Option<u32>,
}

impl Received {
    /// True for the first one and for each that follows the one before it. The others are dropped:
    /// repeated ones, whose PRACK is under way, and those that another should have come before.
    pub fn is_next(&mut self, rseq: u32) -> bool {
        let next = self.last.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if next {
            self.last = Some(rseq);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::uri::Uri;

    const T1: Span = Span::from_millis(500);

    fn invite() -> Request {
        Request::new(Method::Invite, Uri::sip("201", "acme.test")).with_header("CSeq", "7 INVITE")
    }

    fn said(status: u16, body: &'static str) -> Response {
        let response = invite().response(status);
        if body.is_empty() { response } else { response.with_body("application/sdp", body) }
    }

    fn rack(response: &Response) -> RAck {
        RAck { rseq: rseq(response).unwrap(), cseq: CSeq { seq: 7, method: Method::Invite } }
    }

    #[test]
    fn one_waits_for_the_acknowledgement_of_the_one_before() {
        let mut ours = Provisionals::new(&invite(), u32::MAX, T1);
        let first = ours.say(said(180, ""), Time(0)).unwrap();
        assert_eq!(rseq(&first), Some(1 << 31), "random, and below 2^31 + 1");
        assert_eq!(ours.say(said(180, ""), Time(0)), None, "what was said is not said again");
        assert_eq!(ours.say(said(183, "x"), Time(0)), None);
        assert!(ours.holds_description());
        let second = ours.acknowledged(&rack(&first), Time(0)).unwrap().unwrap();
        assert_eq!((second.status, rseq(&second)), (183, rseq(&first).map(|rseq| rseq + 1)));
        assert_eq!(ours.acknowledged(&rack(&first), Time(0)), Err(UnknownRAck), "again");
        assert_eq!(ours.acknowledged(&rack(&second), Time(0)), Ok(None));
        assert!(!ours.holds_description() && ours.next_timeout().is_none());
    }

    #[test]
    fn it_is_sent_again_at_doubled_intervals_and_given_up_after_64_t1() {
        let mut ours = Provisionals::new(&invite(), 0, T1);
        let first = ours.say(said(183, "x"), Time(0)).unwrap();
        let mut at = Vec::new();
        loop {
            let now = ours.next_timeout().unwrap();
            match ours.handle_timeout(now) {
                Tick::Send(again) => assert_eq!(again, first),
                Tick::GiveUp => break assert_eq!(now, Time(0) + T1.times(64)),
                Tick::Nothing => panic!("woken for nothing"),
            }
            at.push(now.since(Time(0)).as_millis());
        }
        assert_eq!(at, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    }

    #[test]
    fn after_the_final_response_it_is_sent_no_more_and_its_prack_has_an_answer() {
        let mut ours = Provisionals::new(&invite(), 0, T1);
        let first = ours.say(said(180, ""), Time(0)).unwrap();
        ours.say(said(183, ""), Time(0));
        ours.stop();
        assert_eq!((ours.next_timeout(), ours.handle_timeout(Time(60_000_000))), (None, Tick::Nothing));
        assert_eq!(ours.acknowledged(&rack(&first), Time(0)), Ok(None));
    }

    #[test]
    fn a_prack_counts_for_its_own_invite_only() {
        let mut ours = Provisionals::new(&invite(), 0, T1);
        let first = ours.say(said(180, ""), Time(0)).unwrap();
        for value in ["1 8 INVITE", "2 7 INVITE", "1 7 UPDATE"] {
            let prack = Request::new(Method::Prack, Uri::sip("201", "acme.test")).with_header("RAck", value);
            assert_eq!(ours.acknowledged(&RAck::of(&prack).unwrap(), Time(0)), Err(UnknownRAck), "{value}");
        }
        assert_eq!(rack(&first).value(), "1 7 INVITE");
        for value in ["", "1", "x 7 INVITE", "1 7", "4294967296 7 INVITE"] {
            let prack = Request::new(Method::Prack, Uri::sip("201", "acme.test")).with_header("RAck", value);
            assert_eq!(RAck::of(&prack), None, "{value:?}");
        }
    }

    #[test]
    fn of_what_comes_duplicates_and_what_overtook_another_are_dropped() {
        let mut received = Received::default();
        let news: Vec<bool> = [41, 41, 43, 42, 43, 42].into_iter().map(|rseq| received.is_next(rseq)).collect();
        assert_eq!(news, [true, false, false, true, true, false]);
    }

    #[test]
    fn only_a_provisional_response_that_requires_it_is_reliable() {
        let of = |status: u16, require: &str, rseq: &str| {
            invite().response(status).with_header("Require", require).with_header("RSeq", rseq)
        };
        assert_eq!(rseq(&of(183, "timer, 100Rel", "9")), Some(9));
        for response in [of(100, "100rel", "9"), of(200, "100rel", "9"), of(183, "timer", "9"), of(183, "100rel", "0")]
        {
            assert_eq!(rseq(&response), None, "{response:?}");
        }
    }
}
