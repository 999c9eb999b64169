use super::*;
use crate::sip::parse::parse_datagram;

fn request() -> Request {
    Request::new(Method::Invite, Uri::parse("sip:bob@example.com").unwrap())
        .with_header("v", "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport, SIP/2.0/TCP x.example.com;branch=z9hG4bK2")
        .with_header("Via", "SIP/2.0/UDP [::1];branch=z9hG4bK3;received=::2")
        .with_header("f", "\"Alice\" <sip:alice@example.com>;tag=a1")
        .with_header("t", "<sip:bob@example.com>")
        .with_header("i", "abc@10.0.0.1")
        .with_header("CSeq", "7 INVITE")
        .with_header("Record-Route", "<sip:p1;lr>, <sip:p2;lr>")
        .with_header("Timestamp", "54")
}

#[test]
fn headers_are_found_by_full_name_in_any_case_whatever_form_they_had() {
    let request = request();
    assert_eq!(request.headers.get("call-id"), Some("abc@10.0.0.1"));
    assert_eq!(request.headers.get("FROM"), request.headers.get("From"));
    assert_eq!(request.headers.all("Via").count(), 2);
    assert_eq!(request.headers.list("via").len(), 3);
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name).take(5).collect();
    assert_eq!(names, ["Via", "Via", "From", "To", "Call-ID"]);
}

#[test]
fn lists_split_at_commas_outside_quotes_and_brackets() {
    let mut headers = Headers::default();
    headers.push("Contact", "\"a, b\" <sip:x@y>;p=\"1,2\" , <sip:a,b@c>,,");
    headers.push("m", "sip:z@z");
    let expected = ["\"a, b\" <sip:x@y>;p=\"1,2\"", "<sip:a,b@c>", "sip:z@z"];
    assert_eq!(headers.list("Contact"), expected);
}

#[test]
fn header_lines_are_set_in_place_removed_and_put_first() {
    let mut headers = Headers::default();
    for (name, value) in [("AA", "1"), ("BB", "2"), ("aa", "3")] {
        headers.push(name, value);
    }
    headers.set("aa", "4");
    let flat = |headers: &Headers| headers.iter().map(|(n, v)| format!("{n}{v}")).collect::<Vec<_>>().join(" ");
    headers.prepend("CC", "5");
    assert_eq!(flat(&headers), "CC5 aa4 BB2");
    headers.remove("AA");
    assert_eq!(flat(&headers), "CC5 BB2");
}

#[test]
fn the_first_value_of_a_list_can_be_taken_and_replaced_across_lines() {
    let mut request = request();
    let first = request.headers.replace_first_value("Via", "SIP/2.0/UDP new;branch=z9hG4bK9");
    assert!(first.unwrap().contains("z9hG4bK1"));
    let branches = |request: &Request| -> Vec<String> {
        request.vias().unwrap().iter().map(|via| via.branch().unwrap().to_owned()).collect()
    };
    assert_eq!(branches(&request), ["z9hG4bK9", "z9hG4bK2", "z9hG4bK3"]);
    request.headers.remove_first_value("Via");
    request.headers.remove_first_value("Via");
    assert_eq!(branches(&request), ["z9hG4bK3"]);
    request.headers.remove_first_value("Via");
    assert_eq!(request.via_top(), Err(HeaderError::Missing("Via")));
    assert_eq!(request.headers.remove_first_value("Via"), None);
}

#[test]
fn setting_a_header_removes_its_repetitions_whatever_case_they_have() {
    let mut headers = Headers::default();
    for value in ["1", "2"] {
        headers.push("x-Thing", value);
    }
    headers.push("X-THING", "3");
    headers.set("X-Thing", "4");
    assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-Thing", "4")]);
}

#[test]
fn a_via_gives_its_parts() {
    let vias = request().vias().unwrap();
    assert_eq!(vias[0].transport, "UDP");
    assert_eq!((vias[0].port, vias[0].wants_rport(), vias[0].rport()), (Some(5070), true, None));
    assert_eq!(vias[2].received(), Some("::2".parse().unwrap()));
    assert_eq!(Via::parse("SIP / 2.0 / UDP host : 5070 ; rport=99").unwrap().rport(), Some(99));
    for bad in ["", "SIP/2.0/UDP", "SIP/3.0/UDP x", "SIP/2.0/UDP x;;", "HTTP/2.0/UDP x", "SIP/2.0/UDP 192.0.2.15;;,;,,"]
    {
        assert!(Via::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn numbers_beyond_their_range_are_capped_and_nonsense_counts_as_absent() {
    let rows = [
        ("70", Some(70), Some(70)),
        ("0068", Some(68), Some(68)),
        ("300", Some(255), Some(300)),
        ("99999999999999999999", Some(255), Some(u32::MAX)),
        ("-1", None, None),
        ("x", None, None),
    ];
    for (text, hops, expires) in rows {
        let request = request().with_header("Max-Forwards", text).with_header("Expires", text);
        assert_eq!((request.max_forwards(), request.expires()), (hops, expires), "{text}");
    }
}

#[test]
fn cseq_takes_32_bits_and_a_method() {
    assert_eq!(CSeq::parse("0009\t INVITE"), Some(CSeq { seq: 9, method: Method::Invite }));
    assert_eq!(CSeq::parse("4294967295 invite"), Some(CSeq { seq: u32::MAX, method: Method::Other("invite".into()) }));
    for bad in ["4294967296 INVITE", "INVITE", "1", "", "-1 INVITE", "1 IN VITE"] {
        assert_eq!(CSeq::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_reply_copies_what_it_must_and_what_lacks_stays_away() {
    let request = request();
    let response = request.response(180).with_to_tag("b1").with_to_tag("b2");
    assert_eq!((response.status, response.reason.as_str()), (180, "Ringing"));
    assert_eq!(response.vias().unwrap(), request.vias().unwrap());
    assert_eq!(response.to_tag().as_deref(), Some("b1"));
    assert_eq!(response.from_tag().as_deref(), Some("a1"));
    assert_eq!(response.call_id(), request.call_id());
    assert_eq!(response.cseq(), request.cseq());
    assert_eq!(response.record_routes().unwrap().len(), 2);
    assert_eq!(request.response(486).record_routes().unwrap().len(), 0);
    let bare = Request::new(Method::Invite, Uri::sip("a", "b")).response(400).with_to_tag("x");
    assert!(bare.headers.is_empty());
}

#[test]
fn no_value_starts_a_header_of_its_own() {
    let bytes = request().with_header("Subject", "a\r\nEvil: 1\nb").to_bytes();
    let Ok(Message::Request(again)) = parse_datagram(&bytes) else { panic!() };
    assert_eq!(again.headers.get("Evil"), None);
    assert_eq!(again.headers.get("Subject"), Some("a  Evil: 1 b"));
}

#[test]
fn content_length_is_the_printers_own() {
    let request = request().with_header("Content-Length", "999").with_body("application/sdp", "v=0\r\n");
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    assert_eq!(text.matches("Content-Length").count(), 1);
    assert!(text.ends_with("Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"), "{text}");
}

/// `rsip` shares no code with this module.
#[test]
fn what_is_printed_reads_the_same_elsewhere() {
    let request = request().with_header("Max-Forwards", "70").with_body("application/sdp", "v=0\r\n");
    let theirs = rsip::Request::try_from(request.to_bytes().to_vec()).unwrap();
    assert_eq!(theirs.method.to_string(), "INVITE");
    assert_eq!(theirs.uri.to_string(), "sip:bob@example.com");
    assert_eq!(theirs.body, b"v=0\r\n");
    let lines: Vec<String> = theirs.headers.iter().map(ToString::to_string).collect();
    for (name, value) in request.headers.iter() {
        assert!(lines.contains(&format!("{name}: {value}")), "{name}: {value} in {lines:?}");
    }

    let response = request.response(486).with_to_tag("b1");
    let theirs = rsip::Response::try_from(response.to_bytes().to_vec()).unwrap();
    assert_eq!(theirs.status_code, rsip::StatusCode::BusyHere);
    let lines: Vec<String> = theirs.headers.iter().map(ToString::to_string).collect();
    assert!(lines.contains(&"To: <sip:bob@example.com>;tag=b1".to_owned()), "{lines:?}");
}
