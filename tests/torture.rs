//! SIP torture messages: RFC 4475 where its archive is at hand, RFC 5118 always; each over a
//! datagram and over a stream, driven through the endpoint.
//!
//! The archive is looked for in `TELEGRAPHONE_TORTURE`, else in `../shared/rfc4475`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use telegraphone::base::{Seeded, Time};
use telegraphone::sip::endpoint::{Endpoint, EndpointConfig, Event};
use telegraphone::sip::message::{Message, Method, Request};
use telegraphone::sip::parse::{Frame, Framer, parse_datagram};
use telegraphone::sip::uri::{Host, NameAddr};
use telegraphone::sip::{ConnectionId, Peer, Transport};

/// What has to come of a message.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// The user gets the request.
    Accepted(&'static str),
    /// The endpoint answers with one of these.
    Answered(&'static [u16]),
    /// Nothing at all.
    Silence,
}

use Expect::{Accepted, Answered, Silence};

/// File, over a datagram, over a stream (`None`: the same).
const RFC_4475: &[(&str, Expect, Option<Expect>)] = &[
    ("wsinv", Accepted("INVITE"), None),
    ("intmeth", Answered(&[405, 501]), None),
    ("esc01", Accepted("INVITE"), None),
    ("escnull", Accepted("REGISTER"), None),
    ("esc02", Answered(&[501]), None),
    ("lwsdisp", Accepted("OPTIONS"), None),
    ("longreq", Accepted("INVITE"), None),
    ("dblreq", Accepted("REGISTER"), None),
    ("semiuri", Accepted("OPTIONS"), None),
    ("transports", Accepted("OPTIONS"), None),
    ("mpart01", Answered(&[405, 415]), None),
    ("unreason", Silence, None),
    ("noreason", Silence, None),
    ("badinv01", Answered(&[400]), None),
    ("clerr", Answered(&[400]), Some(Silence)),
    ("ncl", Answered(&[400]), None),
    ("scalar02", Answered(&[400]), None),
    ("scalarlg", Silence, None),
    ("quotbal", Answered(&[400]), None),
    ("ltgtruri", Answered(&[400]), None),
    ("lwsruri", Answered(&[400]), None),
    ("lwsstart", Accepted("INVITE"), None),
    ("trws", Accepted("OPTIONS"), None),
    ("escruri", Answered(&[400]), None),
    ("baddate", Accepted("INVITE"), None),
    ("regbadct", Answered(&[400]), None),
    ("badaspec", Accepted("OPTIONS"), None),
    // The archive's file ends before the headers do.
    ("baddn", Answered(&[400]), Some(Silence)),
    ("badvers", Answered(&[505]), None),
    ("mismatch01", Answered(&[400]), None),
    ("mismatch02", Answered(&[501]), None),
    ("bigcode", Silence, None),
    ("badbranch", Answered(&[400]), None),
    ("insuf", Answered(&[400]), None),
    ("unkscm", Answered(&[416]), None),
    ("novelsc", Answered(&[416]), None),
    ("unksm2", Accepted("REGISTER"), None),
    ("bext01", Answered(&[420]), None),
    ("invut", Answered(&[415]), None),
    ("regaut01", Accepted("REGISTER"), None),
    ("multi01", Answered(&[400]), None),
    ("mcl01", Answered(&[400]), None),
    ("bcast", Silence, None),
    ("zeromf", Accepted("OPTIONS"), None),
    ("cparam01", Accepted("REGISTER"), None),
    ("cparam02", Accepted("REGISTER"), None),
    ("regescrt", Accepted("REGISTER"), None),
    ("sdp01", Answered(&[406]), None),
    // Without Content-Length a stream has no framing; a datagram needs none.
    ("inv2543", Accepted("INVITE"), Some(Answered(&[400]))),
    // No Via to answer by.
    ("test", Silence, None),
];

fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("TELEGRAPHONE_TORTURE").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/rfc4475"));
    folder.is_dir().then_some(folder)
}

fn archive(name: &str) -> Option<Vec<u8>> {
    let path = folder()?.join(format!("{name}.dat"));
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn peer(transport: Transport) -> Peer {
    Peer {
        transport,
        local: "192.0.2.200:5060".parse().unwrap(),
        remote: "198.51.100.7:6060".parse().unwrap(),
        connection: transport.is_reliable().then_some(ConnectionId(1)),
    }
}

/// What came of some bytes.
#[derive(Debug, Default)]
struct Outcome {
    requests: Vec<Request>,
    answers: Vec<(SocketAddr, telegraphone::sip::message::Response)>,
    closed: bool,
    partial: bool,
}

fn run(bytes: &[u8], transport: Transport, chunk: usize) -> Outcome {
    let mut endpoint = Endpoint::new(EndpointConfig::default());
    let mut random = Seeded(1);
    let mut outcome = Outcome::default();
    let peer = peer(transport);
    if transport.is_reliable() {
        let mut framer = Framer::new();
        for chunk in bytes.chunks(chunk) {
            framer.push(chunk);
            for frame in framer.by_ref() {
                match frame {
                    Ok(Frame::Ping) => {}
                    Ok(Frame::Message(message)) => endpoint.receive_message(Ok(message), peer, Time(0), &mut random),
                    Err(error) => {
                        outcome.closed |= error.fatal;
                        endpoint.receive_message(Err(error), peer, Time(0), &mut random);
                    }
                }
            }
        }
        outcome.partial = framer.is_partial();
    } else {
        endpoint.receive(bytes, peer, Time(0), &mut random);
    }
    while let Some(event) = endpoint.poll_event() {
        if let Event::Request { request, tx, .. } = event {
            assert_eq!(endpoint.peer_of(tx), Some(peer));
            outcome.requests.push(request);
        }
    }
    while let Some(transmit) = endpoint.poll_transmit() {
        match parse_datagram(&transmit.bytes) {
            Ok(Message::Response(response)) => outcome.answers.push((transmit.peer.remote, response)),
            other => panic!("sent {other:?}"),
        }
    }
    outcome
}

fn hold(name: &str, expect: Expect, outcome: &Outcome) {
    let methods: Vec<&str> = outcome.requests.iter().map(|r| r.method.as_str()).collect();
    let statuses: Vec<u16> = outcome.answers.iter().map(|(_, r)| r.status).collect();
    match expect {
        Accepted(method) => {
            assert_eq!(methods.first(), Some(&method), "{name}: {statuses:?} {outcome:?}");
            assert_eq!(statuses, [0u16; 0], "{name}");
        }
        Answered(allowed) => {
            assert_eq!(methods, [""; 0], "{name}");
            let first = outcome.answers.first().unwrap_or_else(|| panic!("{name}: no answer"));
            assert!(allowed.contains(&first.1.status), "{name}: {statuses:?}");
            assert!(
                first.1.to_tag().is_some() || !first.1.headers.has("To") || first.1.to().is_err(),
                "{name}: To tag"
            );
        }
        Silence => {
            assert_eq!(methods, [""; 0], "{name}");
            assert_eq!(statuses, [0u16; 0], "{name}");
        }
    }
}

#[test]
fn every_message_of_rfc_4475_gets_its_reaction_over_datagrams() {
    for (name, expect, _) in RFC_4475 {
        let Some(bytes) = archive(name) else { return };
        let outcome = run(&bytes, Transport::Udp, 1);
        hold(name, *expect, &outcome);
        assert!(outcome.requests.len() <= 1 && outcome.answers.len() <= 1, "{name}: one reaction");
    }
}

#[test]
fn every_message_of_rfc_4475_gets_its_reaction_over_a_stream_however_it_is_cut() {
    for (name, datagram, stream) in RFC_4475 {
        let Some(bytes) = archive(name) else { return };
        for chunk in [1, 7, 100, 65_536] {
            let outcome = run(&bytes, Transport::Tcp, chunk);
            hold(&format!("{name} in {chunk}"), stream.unwrap_or(*datagram), &outcome);
        }
    }
}

#[test]
fn the_archive_has_no_message_that_is_not_in_the_table() {
    let Some(folder) = folder() else { return };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "dat") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(RFC_4475.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }
}

fn accepted(name: &str) -> Option<Request> {
    let outcome = run(&archive(name)?, Transport::Udp, 1);
    Some(outcome.requests.into_iter().next().unwrap_or_else(|| panic!("{name} was not accepted")))
}

#[test]
fn wsinv_reads_as_if_written_plainly() {
    let Some(request) = accepted("wsinv") else { return };
    assert_eq!(request.cseq().unwrap().seq, 9);
    assert_eq!(request.max_forwards(), Some(68));
    assert_eq!(request.to_tag().as_deref(), Some("1918181833n"));
    assert_eq!(request.from_tag().as_deref(), Some("98asjd8"));
    assert_eq!(request.from().unwrap().display.as_deref(), Some("J Rosenberg \\\""));
    let vias = request.vias().unwrap();
    let transports: Vec<&str> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "TCP", "UDP"]);
    assert_eq!(vias[1].branch(), Some("z9hG4bK9ikj8"));
    assert_eq!(vias[2].branch(), Some("z9hG4bK30239"));
    let contact = request.contact().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params.get("newparam"), Some("newvalue"));
    assert!(contact.params.has("secondparam"));
    assert_eq!(contact.params.get("q"), Some("0.33"));
    assert_eq!(request.headers.get("NewFangledHeader"), Some("newfangled value continued newfangled value"));
    assert_eq!(request.body.len(), 150);
}

#[test]
fn escapes_are_resolved_once_and_nul_ends_nothing() {
    let Some(request) = accepted("esc01") else { return };
    assert_eq!(request.uri.user_unescaped().as_deref(), Some("sips:user@example.com"));
    let contacts = request.contacts().unwrap();
    assert_eq!(contacts.len(), 1);

    let Some(request) = accepted("escnull") else { return };
    let users: Vec<_> = request.contacts().unwrap().iter().map(|c| c.uri.user_unescaped().unwrap()).collect();
    assert_eq!(users, ["\0", "\0\0"]);
    assert_eq!(request.to().unwrap().uri.user_unescaped().unwrap(), "null-\0-null");
}

#[test]
fn transports_are_all_echoed_in_order() {
    let Some(request) = accepted("transports") else { return };
    let response = request.response(200);
    let names: Vec<String> = response.vias().unwrap().into_iter().map(|via| via.transport).collect();
    assert_eq!(names, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn semicolons_in_the_user_part_belong_to_it() {
    let Some(request) = accepted("semiuri") else { return };
    assert_eq!(request.uri.user_unescaped().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(request.uri.host, Host::Name("example.com".to_owned()));
}

#[test]
fn long_values_come_back_whole() {
    let Some(request) = accepted("longreq") else { return };
    let response = request.response(200);
    assert_eq!(response.call_id().unwrap(), request.call_id().unwrap());
    assert_eq!(response.from_tag(), request.from_tag());
    assert_eq!(response.vias().unwrap(), request.vias().unwrap());
    assert!(response.to_bytes().len() > 2_000);
}

#[test]
fn a_datagram_holds_one_request_and_a_stream_two() {
    let Some(bytes) = archive("dblreq") else { return };
    assert_eq!(run(&bytes, Transport::Udp, 1).requests.len(), 1);
    let outcome = run(&bytes, Transport::Tcp, 65_536);
    let methods: Vec<&Method> = outcome.requests.iter().map(|r| &r.method).collect();
    assert_eq!(methods, [&Method::Register, &Method::Invite]);
}

#[test]
fn lost_framing_closes_the_stream_and_a_missing_body_waits() {
    for name in ["ncl", "mcl01"] {
        let Some(bytes) = archive(name) else { return };
        assert!(run(&bytes, Transport::Tcp, 10).closed, "{name}");
    }
    let Some(bytes) = archive("clerr") else { return };
    let outcome = run(&bytes, Transport::Tcp, 10);
    assert!(outcome.partial && !outcome.closed);
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let rows = [
        ("insuf", "Missing From, To, Call-ID"),
        ("scalar02", "CSeq"),
        ("ncl", "-999"),
        ("badvers", "SIP/7.0"),
        ("multi01", "Repeated"),
    ];
    for (name, part) in rows {
        let Some(bytes) = archive(name) else { return };
        let outcome = run(&bytes, Transport::Udp, 1);
        let reason = &outcome.answers[0].1.reason;
        assert!(reason.contains(part), "{name}: {reason}");
    }
}

#[test]
fn refusals_carry_what_the_peer_needs() {
    let rows = [
        ("bext01", "Unsupported", "nothingSupportsThis, nothingSupportsThisEither"),
        ("invut", "Accept", "application/sdp, application/dtmf-relay, application/dtmf"),
    ];
    for (name, header, value) in rows {
        let Some(bytes) = archive(name) else { return };
        let outcome = run(&bytes, Transport::Udp, 1);
        assert_eq!(outcome.answers[0].1.headers.get(header), Some(value), "{name}");
    }
}

#[test]
fn contact_parameters_stay_on_their_side_of_the_bracket() {
    let Some(request) = accepted("cparam01") else { return };
    let contact = request.contact().unwrap();
    assert!(contact.params.has("unknownparam") && !contact.uri.params.has("unknownparam"));
    let Some(request) = accepted("cparam02") else { return };
    let contact = request.contact().unwrap();
    assert!(!contact.params.has("unknownparam") && contact.uri.params.has("unknownparam"));
    let Some(request) = accepted("regescrt") else { return };
    let contact = request.contact().unwrap();
    assert_eq!(contact.uri.headers.as_deref(), Some("Route=%3Csip:sip.example.com%3E"));
}

#[test]
fn what_the_parser_accepts_it_prints_so_that_it_reads_the_same() {
    for (name, ..) in RFC_4475 {
        let Some(bytes) = archive(name) else { return };
        if let Ok(message) = parse_datagram(&bytes) {
            let again = parse_datagram(&message.to_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
            let lines = |m: &Message| -> Vec<(String, String)> {
                let kept = m.headers().iter().filter(|(n, _)| *n != "Content-Length");
                kept.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
            };
            assert_eq!(lines(&again), lines(&message), "{name}");
        }
    }
}

/// The messages that RFC 5118 describes, section by section.
const RFC_5118: &[(&str, Expect, &str)] = &[
    (
        "ipv6-good",
        Accepted("REGISTER"),
        "REGISTER sip:[2001:db8::10] SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER\nContent-Length: 0\n\n",
    ),
    (
        "ipv6-bad",
        Answered(&[400]),
        "REGISTER sip:2001:db8::10 SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER\nContent-Length: 0\n\n",
    ),
    (
        "port-ambiguous",
        Accepted("REGISTER"),
        "REGISTER sip:[2001:db8::10:5070] SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER\nContent-Length: 0\n\n",
    ),
    (
        "port-unambiguous",
        Accepted("REGISTER"),
        "REGISTER sip:[2001:db8::10]:5070 SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER\nContent-Length: 0\n\n",
    ),
    (
        "via-received-param-with-delim",
        Accepted("BYE"),
        "BYE sip:[2001:db8::10] SIP/2.0\nTo: sip:user@example.com;tag=bd76ya\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111\n\
         Call-ID: SSG9559905523997077@hlau_4100\nMax-Forwards: 70\nCSeq: 321 BYE\nContent-Length: 0\n\n",
    ),
    (
        "via-received-param-no-delim",
        Accepted("OPTIONS"),
        "OPTIONS sip:[2001:db8::10] SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3\n\
         Call-ID: SSG95523997077@hlau_4100\nMax-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::9:1]>\n\
         CSeq: 921 OPTIONS\nContent-Length: 0\n\n",
    ),
    (
        "ipv6-in-sdp",
        Accepted("INVITE"),
        "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Contact: \"Caller\" <sip:caller@[2001:db8::20]>\nCSeq: 8612 INVITE\nMax-Forwards: 70\n\
         Content-Type: application/sdp\nContent-Length: 132\n\nv=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\n\
         s=Live video feed\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n",
    ),
    (
        "mult-ip-in-header",
        Accepted("BYE"),
        "BYE sip:user@host.example.net SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n\
         Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\n\
         Call-ID: 997077@lau_4100\nMax-Forwards: 70\nCSeq: 89187 BYE\nTo: sip:user@example.net;tag=9817--94\n\
         From: sip:user@example.com;tag=81x2\nContent-Length: 0\n\n",
    ),
    (
        "mult-ip-in-sdp",
        Accepted("INVITE"),
        "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>\nMax-Forwards: 70\nCSeq: 8912 INVITE\n\
         Content-Type: application/sdp\n\nv=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\n\
         m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n",
    ),
    (
        "ipv4-mapped-ipv6",
        Accepted("INVITE"),
        "INVITE sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@east.example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\n\
         Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>\nCSeq: 612 INVITE\nMax-Forwards: 70\n\
         Content-Type: application/sdp\n\nv=0\r\no=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2\r\n\
         s=Call me soon, please!\r\nc=IN IP6 ::ffff:192.0.2.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n",
    ),
    (
        "ipv6-bug-abnf-3-colons",
        Accepted("OPTIONS"),
        "OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0\nTo: sip:user@[2001:db8:::192.0.2.1]\n\
         From: sip:user@example.com;tag=810x2\nVia: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111\n\
         Call-ID: G9559905523997077@hlau_4100\nCSeq: 689 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n",
    ),
    (
        "ipv6-correct-abnf-2-colons",
        Accepted("OPTIONS"),
        "OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0\nTo: sip:user@[2001:db8::192.0.2.1]\n\
         From: sip:user@example.com;tag=810x2\nVia: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111\n\
         Call-ID: G9559905523997077@hlau_4100\nCSeq: 689 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n",
    ),
];

/// Headers with CRLF, body as it stands, Content-Length right.
fn rfc_5118(text: &str) -> Vec<u8> {
    let (head, body) = text.split_once("\n\n").unwrap();
    let lines: Vec<&str> = head.split('\n').filter(|line| !line.starts_with("Content-Length")).collect();
    format!("{}\r\nContent-Length: {}\r\n\r\n{body}", lines.join("\r\n"), body.len()).into_bytes()
}

fn rfc_5118_request(name: &str) -> Request {
    let (_, _, text) = RFC_5118.iter().find(|(n, ..)| *n == name).unwrap();
    let outcome = run(&rfc_5118(text), Transport::Udp, 1);
    outcome.requests.into_iter().next().unwrap()
}

#[test]
fn every_message_of_rfc_5118_gets_its_reaction() {
    for (name, expect, text) in RFC_5118 {
        hold(name, *expect, &run(&rfc_5118(text), Transport::Udp, 1));
        hold(name, *expect, &run(&rfc_5118(text), Transport::Tcp, 3));
    }
}

#[test]
fn ipv6_addresses_and_ports_are_told_apart() {
    let host = |text: &str| Host::Ip(text.parse().unwrap());
    let uri = rfc_5118_request("port-ambiguous").uri;
    assert_eq!((uri.host, uri.port), (host("2001:db8::10:5070"), None));
    let uri = rfc_5118_request("port-unambiguous").uri;
    assert_eq!((uri.host, uri.port), (host("2001:db8::10"), Some(5070)));
    let uri = rfc_5118_request("ipv6-bug-abnf-3-colons").uri;
    assert_eq!(uri.host, host("2001:db8::192.0.2.1"));
    let contact: NameAddr = rfc_5118_request("ipv4-mapped-ipv6").contact().unwrap();
    assert_eq!(contact.uri.host, host("::ffff:192.0.2.2"));
}

#[test]
fn received_is_read_with_and_without_brackets() {
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let (_, _, text) = RFC_5118.iter().find(|(n, ..)| *n == name).unwrap();
        let Ok(Message::Request(request)) = parse_datagram(&rfc_5118(text)) else { panic!("{name}") };
        assert_eq!(request.via_top().unwrap().received(), Some("2001:db8::9:255".parse().unwrap()), "{name}");
    }
}

#[test]
fn a_forged_received_is_replaced_and_the_answer_goes_to_the_source() {
    let request = rfc_5118_request("via-received-param-no-delim");
    assert_eq!(request.via_top().unwrap().received(), Some("198.51.100.7".parse().unwrap()));
    let (_, _, text) = RFC_5118.iter().find(|(n, ..)| *n == "ipv6-bad").unwrap();
    let outcome = run(&rfc_5118(text), Transport::Udp, 1);
    assert_eq!(outcome.answers[0].0, "198.51.100.7:5060".parse().unwrap());
}
