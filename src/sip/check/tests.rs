use super::*;
use crate::sip::message::Message;
use crate::sip::parse::parse_datagram;

/// A sound request, its lines edited: `-Name` drops a header, anything else is one more line.
fn edited(method: &str, edits: &[&str], body: &str) -> Request {
    let mut lines: Vec<String> = [
        "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1",
        "From: <sip:a@b>;tag=1",
        "To: <sip:b@b>",
        "Call-ID: x",
        "Contact: <sip:a@10.0.0.1>",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.push(format!("CSeq: 1 {method}"));
    let mut uri = "sip:b@b";
    for edit in edits {
        match (edit.strip_prefix('-'), edit.strip_prefix('=')) {
            (Some(name), _) => lines.retain(|line| !line.starts_with(&format!("{name}:"))),
            (None, Some(other)) => uri = other,
            (None, None) => lines.push((*edit).to_owned()),
        }
    }
    let text = format!("{method} {uri} SIP/2.0\r\n{}\r\n\r\n{body}", lines.join("\r\n"));
    match parse_datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn status(method: &str, edits: &[&str], body: &str) -> u16 {
    match check_request(&edited(method, edits, body), &Capabilities::default()) {
        Ok(()) => 200,
        Err(response) => response.status,
    }
}

#[test]
fn each_objection_has_its_status() {
    let sdp = "Content-Type: application/sdp";
    let rows: &[(&str, &[&str], &str, u16)] = &[
        ("INVITE", &[], "", 200),
        ("INVITE", &[sdp], "v=0", 200),
        ("INVITE", &["Max-Forwards: 0"], "", 200),
        ("INVITE", &["-Contact"], "", 200),
        ("INVITE", &["-Via"], "", 400),
        ("INVITE", &["-From"], "", 400),
        ("INVITE", &["-To"], "", 400),
        ("INVITE", &["-Call-ID"], "", 400),
        ("INVITE", &["-CSeq"], "", 400),
        ("INVITE", &["Call-ID: y"], "", 400),
        ("INVITE", &["f: <sip:x@y>"], "", 400),
        ("INVITE", &["-CSeq", "CSeq: 1 BYE"], "", 400),
        ("INVITE", &["-CSeq", "CSeq: 4294967296 INVITE"], "", 400),
        ("INVITE", &["-Contact", "Contact: <sip:a@b>;;;"], "", 400),
        ("INVITE", &["Route: sip:p;;"], "", 400),
        ("INVITE", &["-Via", "Via: SIP/2.0/UDP x;branch=z9hG4bK"], "", 400),
        ("PUBLISH", &[], "", 405),
        ("NEWMETHOD", &[], "", 501),
        ("NEWMETHOD", &["-CSeq", "CSeq: 1 INVITE"], "", 501),
        ("invite", &[], "", 501),
        ("OPTIONS", &["=soap.beep://x"], "", 416),
        ("INVITE", &["=tel:+123"], "", 200),
        ("INVITE", &["Require: timer"], "", 200),
        ("INVITE", &["Require: timer, precondition"], "", 420),
        ("CANCEL", &["Require: precondition"], "", 200),
        ("INVITE", &["Proxy-Require: x"], "", 200),
        ("INVITE", &["Content-Type: text/plain"], "hi", 415),
        ("INVITE", &["Content-Type: text/plain", "Content-Disposition: x;handling=optional"], "hi", 200),
        ("BYE", &["Content-Type: text/plain"], "hi", 200),
        ("INVITE", &["Content-Type: text/plain"], "", 200),
        ("INVITE", &[], "v=0", 400),
        ("INVITE", &[sdp, "Content-Encoding: gzip"], "v=0", 415),
        ("INVITE", &[sdp, "Content-Encoding: identity"], "v=0", 200),
        ("INVITE", &["c: Application / SDP ; x=y"], "v=0", 200),
        ("INVITE", &["Accept: text/plain"], "", 406),
        ("INVITE", &["Accept: text/plain, application/sdp;level=1"], "", 200),
        ("INVITE", &["Accept: application/*"], "", 200),
        ("INVITE", &["Accept: */*"], "", 200),
        ("OPTIONS", &["Accept: text/plain"], "", 200),
    ];
    for (method, edits, body, expected) in rows {
        assert_eq!(status(method, edits, body), *expected, "{method} {edits:?} {body:?}");
    }
}

#[test]
fn the_first_objection_in_the_order_of_the_rfc_wins() {
    let all = ["-CSeq", "CSeq: x", "=urn:x", "Require: foo", "Content-Type: text/plain", "Accept: text/plain"];
    assert_eq!(status("PUBLISH", &all, "hi"), 400);
    assert_eq!(status("PUBLISH", &all[2..], "hi"), 405);
    assert_eq!(status("INVITE", &all[2..], "hi"), 416);
    assert_eq!(status("INVITE", &all[3..], "hi"), 420);
    assert_eq!(status("INVITE", &all[4..], "hi"), 415);
    assert_eq!(status("INVITE", &all[5..], ""), 406);
}

#[test]
fn an_objection_says_what_would_do() {
    let objection = |method: &str, edits: &[&str], body: &str| {
        check_request(&edited(method, edits, body), &Capabilities::default()).unwrap_err()
    };
    let refused = objection("PUBLISH", &[], "");
    assert_eq!(
        refused.headers.get("Allow"),
        Some("INVITE, ACK, BYE, CANCEL, REGISTER, OPTIONS, INFO, UPDATE, PRACK, REFER, MESSAGE, SUBSCRIBE")
    );
    assert_eq!(objection("INVITE", &["Require: a, timer, b"], "").headers.get("Unsupported"), Some("a, b"));
    assert!(objection("INVITE", &["Content-Type: x/y"], "z").headers.has("Accept"));
    let missing = objection("INVITE", &["-From", "-Call-ID"], "");
    assert_eq!(missing.reason, "Missing From, Call-ID");
}
