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
        .map(|input| match input {
            Input::Begin { .. } => "begin",
            Input::Agreed { .. } => "agreed",
            Input::Answered => "answered",
            Input::Key { .. } => "key",
            Input::Note(_) => "note",
            Input::Ended => "ended",
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
