//! Which call a datagram belongs to.

use super::*;

const CALLER: &str = "198.51.100.11:5060";
const CALLEE: &str = "198.51.100.12:5060";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn sdp(host: &str, port: u16) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}

fn text(start: &str, call_id: &str, cseq: &str, tags: (&str, &str), body: &str) -> String {
    let (from, to) = tags;
    let to = if to.is_empty() { String::new() } else { format!(";tag={to}") };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:201@e.test>;tag={from}\r\nTo: <sip:202@e.test>{to}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn inputs(seen: Seen) -> Vec<&'static str> {
    let Seen::Sip { inputs, .. } = seen else { panic!("{seen:?}") };
    inputs
        .iter()
        .filter_map(|input| match input {
            Input::Begin { .. } => Some("begin"),
            // With each description, whatever it means.
            Input::Listens { .. } => None,
            Input::Agreed { .. } => Some("agreed"),
            Input::Answered => Some("answered"),
            Input::Key { .. } => Some("key"),
            Input::Joined(_) => Some("joined"),
            Input::Consulted(_) => Some("consulted"),
            Input::Note(_) => Some("note"),
            Input::Ended => Some("ended"),
        })
        .collect()
}

fn call_up(calls: &mut Calls, call_id: &str, ports: (u16, u16)) {
    let invite = text("INVITE sip:202@e.test SIP/2.0", call_id, "1 INVITE", ("a", ""), &sdp("198.51.100.11", ports.0));
    assert_eq!(inputs(calls.see(address(CALLER), address(CALLEE), invite.as_bytes())), ["begin"]);
    let ok = text("SIP/2.0 200 OK", call_id, "1 INVITE", ("a", "b"), &sdp("198.51.100.12", ports.1));
    assert_eq!(inputs(calls.see(address(CALLEE), address(CALLER), ok.as_bytes())), ["agreed", "answered"]);
}

#[test]
fn a_packet_belongs_to_the_party_that_does_not_listen_at_its_destination() {
    let mut calls = Calls::default();
    call_up(&mut calls, "one", (4_000, 5_000));
    call_up(&mut calls, "two", (4_002, 5_002));
    let (one, two) = (CallKey(1), CallKey(2));
    let rows = [
        ("198.51.100.11:4000", "198.51.100.12:5000", Seen::Rtp { call: one, side: Side::Caller }),
        ("198.51.100.12:5000", "198.51.100.11:4000", Seen::Rtp { call: one, side: Side::Callee }),
        ("192.0.2.9:9", "198.51.100.12:5002", Seen::Rtp { call: two, side: Side::Caller }),
        ("198.51.100.11:4002", "192.0.2.9:9", Seen::Rtp { call: two, side: Side::Caller }),
        ("198.51.100.11:4001", "198.51.100.12:5001", Seen::Rtcp { call: one, side: Side::Caller }),
        ("192.0.2.9:9", "192.0.2.8:8", Seen::Unclaimed),
    ];
    for (from, to, expected) in rows {
        assert_eq!(calls.see(address(from), address(to), &[0x80; 172]), expected, "{from} to {to}");
    }
}

#[test]
fn a_call_that_is_forgotten_leaves_no_address_behind_and_takes_none_of_another() {
    let mut calls = Calls::default();
    call_up(&mut calls, "one", (4_000, 5_000));
    call_up(&mut calls, "two", (4_000, 5_002));
    calls.forget(CallKey(1));
    let packet = calls.see(address("198.51.100.12:5002"), address("198.51.100.11:4000"), &[0x80; 172]);
    assert_eq!(packet, Seen::Rtp { call: CallKey(2), side: Side::Callee }, "the port is in use again");
    calls.forget(CallKey(2));
    assert_eq!(calls.addresses(), 0);
    assert_eq!(calls.see(address("198.51.100.12:5000"), address("198.51.100.11:4000"), &[0x80; 172]), Seen::Unclaimed);
}

#[test]
fn messages_without_their_invite_are_counted_by_call_and_registrations_are_not() {
    let mut calls = Calls::default();
    for (start, cseq) in [
        ("BYE sip:a@e.test SIP/2.0", "2 BYE"),
        ("SIP/2.0 200 OK", "2 BYE"),
        ("REGISTER sip:e.test SIP/2.0", "1 REGISTER"),
    ] {
        let message = text(start, if cseq.contains("REG") { "r" } else { "x" }, cseq, ("a", "b"), "");
        assert_eq!(inputs(calls.see(address(CALLER), address(CALLEE), message.as_bytes())), [""; 0]);
    }
    assert_eq!(calls.headless(), 1);
    assert_eq!(calls.see(address(CALLER), address(CALLEE), b"INVITE sip:a SIP/2.0\r\nno header"), Seen::BadSip);
}

/// Who speaks, to whom, and what: the messages of a transfer from 202 to 203.
const THIRD: &str = "198.51.100.13:5060";

fn said(calls: &mut Calls, (from, to): (&str, &str), message: &str) -> Vec<&'static str> {
    inputs(calls.see(address(from), address(to), message.as_bytes()))
}

fn refer(calls: &mut Calls, to: &str) {
    let start = format!("REFER sip:201@e.test SIP/2.0\r\nRefer-To: {to}");
    assert_eq!(said(calls, (CALLEE, CALLER), &text(&start, "one", "1 REFER", ("b", "a"), "")), [""; 0]);
}

fn invite_third(calls: &mut Calls, extra: &str) -> Seen {
    let start = format!("INVITE sip:203@e.test SIP/2.0{extra}");
    let invite = text(&start, "new", "1 INVITE", ("n", ""), &sdp("198.51.100.11", 4_010));
    calls.see(address(CALLER), address(THIRD), invite.as_bytes())
}

fn third_says(calls: &mut Calls, status: &str, body: &str) -> Seen {
    let response = text(&format!("SIP/2.0 {status}"), "new", "1 INVITE", ("n", "t"), body);
    calls.see(address(THIRD), address(CALLER), response.as_bytes())
}

fn bye(calls: &mut Calls, call_id: &str, tags: (&str, &str)) -> Vec<&'static str> {
    said(calls, (CALLEE, CALLER), &text("BYE sip:x@e.test SIP/2.0", call_id, "9 BYE", tags, ""))
}

#[test]
fn an_invite_that_obeys_a_refer_goes_on_with_the_call() {
    let mut calls = Calls::default();
    call_up(&mut calls, "one", (4_000, 5_000));
    refer(&mut calls, "<sip:203@e.test>");
    assert_eq!(inputs(invite_third(&mut calls, "")), [""; 0], "no call of its own");
    let packet = |calls: &mut Calls, from: &str, to: &str| calls.see(address(from), address(to), &[0x80; 172]);
    let rtp = |side| Seen::Rtp { call: CallKey(1), side };
    assert_eq!(packet(&mut calls, "198.51.100.11:4010", "198.51.100.13:6000"), Seen::Aside);
    assert_eq!(packet(&mut calls, "198.51.100.12:5000", "198.51.100.11:4000"), rtp(Side::Callee));
    // The transferor leaves before the target has answered: the call is not over.
    assert_eq!(bye(&mut calls, "one", ("b", "a")), [""; 0]);
    assert_eq!(inputs(third_says(&mut calls, "200 OK", &sdp("198.51.100.13", 6_000))), ["joined"]);
    assert_eq!(packet(&mut calls, "198.51.100.13:6000", "198.51.100.11:4010"), rtp(Side::Callee));
    assert_eq!(packet(&mut calls, "198.51.100.11:4010", "198.51.100.13:6000"), rtp(Side::Caller));
    assert_eq!(packet(&mut calls, "198.51.100.12:5000", "198.51.100.11:4000"), Seen::Aside, "who has left");
    assert_eq!(bye(&mut calls, "new", ("t", "n")), ["ended"]);
    assert_eq!(calls.outcome(CallKey(1)), (Outcome::Completed, Some(EndReason::CalleeHungUp)));
    calls.forget(CallKey(1));
    assert_eq!(calls.addresses(), 0);
}

#[test]
fn a_transfer_that_comes_to_nothing_leaves_the_call_or_ends_it_where_the_transferor_has_left() {
    for left in [false, true] {
        let mut calls = Calls::default();
        call_up(&mut calls, "one", (4_000, 5_000));
        refer(&mut calls, "<sip:203@e.test>");
        invite_third(&mut calls, "");
        if left {
            assert_eq!(bye(&mut calls, "one", ("b", "a")), [""; 0]);
        }
        let refused = inputs(third_says(&mut calls, "486 Busy", ""));
        assert_eq!(refused, if left { vec!["ended"] } else { Vec::new() });
        if !left {
            assert_eq!(bye(&mut calls, "one", ("b", "a")), ["ended"]);
        }
        assert_eq!(calls.outcome(CallKey(1)), (Outcome::Completed, Some(EndReason::CalleeHungUp)));
    }
}

#[test]
fn an_invite_to_somebody_else_or_from_elsewhere_is_a_call_of_its_own() {
    let replaces = "?Replaces=two%3Bto-tag%3Db%3Bfrom-tag%3Da";
    for to in ["<sip:204@e.test>".to_owned(), format!("<sip:203@e.test{replaces}>")] {
        let mut calls = Calls::default();
        call_up(&mut calls, "one", (4_000, 5_000));
        refer(&mut calls, &to);
        assert_eq!(inputs(invite_third(&mut calls, "")), ["begin"], "{to}");
    }
}

#[test]
fn an_attended_transfer_ends_the_consultation_when_it_comes_about() {
    let replaces = "\r\nReplaces: two;to-tag=b;from-tag=a";
    let mut calls = Calls::default();
    call_up(&mut calls, "one", (4_000, 5_000));
    call_up(&mut calls, "two", (4_002, 5_002));
    refer(&mut calls, "<sip:203@e.test?Replaces=two%3Bto-tag%3Db%3Bfrom-tag%3Da>");
    assert_eq!(inputs(invite_third(&mut calls, replaces)), [""; 0]);
    assert_eq!(bye(&mut calls, "two", ("b", "a")), [""; 0], "the consulted party hangs up for it");
    let Seen::Sip { inputs, .. } = third_says(&mut calls, "200 OK", &sdp("198.51.100.13", 6_000)) else {
        panic!("no SIP")
    };
    let [Input::Joined(joins)] = inputs.as_slice() else { panic!("{inputs:?}") };
    assert_eq!((joins.side, joins.how), (Side::Callee, JoinedBy::AttendedTransfer));
    assert_eq!(joins.from, Some((CallKey(2), Side::Callee)));
}
