//! What messages mean for a call.

use super::*;
use crate::sip::uri::Uri;

const CALLER: &str = "198.51.100.11";
const CALLEE: &str = "198.51.100.12";

fn sdp(host: &str, flow: &str) -> String {
    format!("v=0\r\nc=IN IP4 {host}\r\nm=audio 4000 RTP/AVP 0\r\na={flow}\r\n")
}

/// A request of the caller (`a`) or the callee (`b`), after the callee's first tag is known.
fn request(side: Side, method: &str, seq: u32, callee_tag: &str, body: &str) -> Request {
    let (from, to) = match side {
        Side::Caller => ("a", callee_tag),
        Side::Callee => (callee_tag, "a"),
    };
    let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let request = Request::new(Method::parse(method).unwrap(), Uri::sip("202", "e.test"))
        .with_header("From", format!("<sip:201@e.test>{}", tag(from)))
        .with_header("To", format!("<sip:202@e.test>{}", tag(to)))
        .with_header("Call-ID", "x")
        .with_header("CSeq", format!("{seq} {method}"));
    if body.is_empty() { request } else { request.with_body("application/sdp", body.to_owned()) }
}

fn response(request: &Request, status: u16, tag: &str, body: &str) -> Message {
    let response = request.response(status).with_to_tag(tag);
    Message::Response(if body.is_empty() { response } else { response.with_body("application/sdp", body.to_owned()) })
}

struct Lab {
    dialog: Dialog,
    invite: Request,
}

impl Lab {
    fn ringing() -> Self {
        Self::with(request(Side::Caller, "INVITE", 1, "", &sdp(CALLER, "sendrecv")))
    }

    fn with(invite: Request) -> Self {
        let (dialog, _) = Dialog::new(&invite, CALLER.parse().unwrap()).unwrap();
        let mut lab = Lab { dialog, invite: invite.clone() };
        lab.see(Message::Request(invite));
        lab
    }

    fn talking() -> Self {
        let mut lab = Self::ringing();
        let answer = response(&lab.invite, 200, "b", &sdp(CALLEE, "sendrecv"));
        assert_eq!(lab.see(answer), ["listens", "agreed", "answered"]);
        lab
    }

    fn see(&mut self, message: Message) -> Vec<&'static str> {
        let source = match self.dialog.sender(&message) {
            Side::Caller => CALLER,
            Side::Callee => CALLEE,
        };
        let signals = self.dialog.handle(&message, source.parse().unwrap());
        signals
            .iter()
            .map(|signal| match signal {
                Signal::Listens { .. } => "listens",
                Signal::Refers { .. } => "refers",
                Signal::Agreed(_) => "agreed",
                Signal::Answered => "answered",
                Signal::Key { .. } => "key",
                Signal::BadSdp(_) => "bad sdp",
                Signal::HungUp => "hung up",
            })
            .collect()
    }
}

#[test]
fn a_call_is_offered_answered_and_hung_up_once_however_often_it_is_seen() {
    let mut lab = Lab::talking();
    let invite = lab.invite.clone();
    assert_eq!(lab.see(Message::Request(invite)), [""; 0], "a retransmission, or the next hop");
    let again = response(&lab.invite, 200, "b", &sdp(CALLEE, "sendrecv"));
    assert_eq!(lab.see(again), ["listens", "agreed"], "the answer twice is the same answer");
    let bye = || Message::Request(request(Side::Callee, "BYE", 7, "b", ""));
    assert_eq!((lab.see(bye()), lab.see(bye())), (vec!["hung up"], vec![]));
    assert_eq!(lab.dialog.outcome(), (Outcome::Completed, Some(EndReason::CalleeHungUp)));
}

#[test]
fn an_offer_in_the_200_is_answered_by_the_ack() {
    let mut lab = Lab::with(request(Side::Caller, "INVITE", 1, "", ""));
    let ok = response(&lab.invite, 200, "b", &sdp(CALLEE, "sendrecv"));
    assert_eq!(lab.see(ok), ["listens", "answered"]);
    let ack = Message::Request(request(Side::Caller, "ACK", 1, "b", &sdp(CALLER, "sendrecv")));
    let source = CALLER.parse().unwrap();
    let signals = lab.dialog.handle(&ack, source);
    let Some(Signal::Agreed(agreed)) = signals.last() else { panic!("{signals:?}") };
    assert_eq!((agreed.offerer, agreed.said[0].addr), (Side::Callee, source));
}

#[test]
fn a_refused_change_changes_nothing_and_an_accepted_one_is_agreed() {
    let mut lab = Lab::talking();
    let hold = request(Side::Callee, "INVITE", 50, "b", &sdp(CALLEE, "sendonly"));
    lab.see(Message::Request(hold.clone()));
    assert_eq!(lab.see(response(&hold, 491, "a", "")), [""; 0]);
    assert_eq!(lab.dialog.outcome().0, Outcome::Answered);
    let hold = request(Side::Callee, "INVITE", 51, "b", &sdp(CALLEE, "sendonly"));
    lab.see(Message::Request(hold.clone()));
    assert_eq!(lab.see(response(&hold, 200, "a", &sdp(CALLER, "recvonly"))), ["listens", "agreed"]);
}

#[test]
fn the_other_branches_of_a_fork_cannot_end_or_change_the_call() {
    let mut lab = Lab::talking();
    let other = response(&lab.invite, 200, "c", &sdp("192.0.2.7", "sendrecv"));
    assert_eq!(lab.see(other), [""; 0]);
    assert_eq!(lab.see(Message::Request(request(Side::Caller, "BYE", 2, "c", ""))), [""; 0]);
    assert_eq!(lab.dialog.outcome().0, Outcome::Answered);
}

#[test]
fn a_challenge_is_no_end_and_refusals_and_cancels_are() {
    let mut lab = Lab::ringing();
    lab.see(response(&lab.invite.clone(), 407, "p", ""));
    lab.see(Message::Request(request(Side::Caller, "ACK", 1, "p", "")));
    let second = request(Side::Caller, "INVITE", 2, "", &sdp(CALLER, "sendrecv"));
    lab.see(Message::Request(second.clone()));
    assert_eq!(lab.see(response(&second, 200, "b", &sdp(CALLEE, "sendrecv"))), ["listens", "agreed", "answered"]);

    for (status, outcome) in [(486, Outcome::Busy), (480, Outcome::NoAnswer), (503, Outcome::Failed)] {
        let mut lab = Lab::ringing();
        lab.see(response(&lab.invite.clone(), status, "b", ""));
        assert_eq!(lab.dialog.outcome(), (outcome, Some(EndReason::Rejected { status })));
    }
    let mut lab = Lab::ringing();
    lab.see(Message::Request(request(Side::Caller, "CANCEL", 1, "", "")));
    lab.see(response(&lab.invite.clone(), 487, "b", ""));
    assert_eq!(lab.dialog.outcome().0, Outcome::Cancelled);
}

#[test]
fn a_digit_by_info_counts_once_however_often_it_is_sent() {
    let mut lab = Lab::talking();
    let info = |seq| {
        let request = request(Side::Caller, "INFO", seq, "b", "");
        Message::Request(request.with_body("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"))
    };
    assert_eq!((lab.see(info(2)), lab.see(info(2)), lab.see(info(3))), (vec!["key"], vec![], vec!["key"]));
}
