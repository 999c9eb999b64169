use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn invite(record_routes: &[&str]) -> Request {
    let mut request = Request::new(Method::Invite, uri("sip:bob@b.example"))
        .with_header("Via", "SIP/2.0/UDP a.example;branch=z9hG4bK1")
        .with_header("From", "\"Alice\" <sip:alice@a.example>;tag=a1")
        .with_header("To", "Bob <sip:bob@b.example>")
        .with_header("Call-ID", "c1")
        .with_header("CSeq", "10 INVITE")
        .with_header("Contact", "<sip:alice@10.0.0.1:5070>");
    for route in record_routes {
        request.headers.push("Record-Route", *route);
    }
    request
}

fn ok(request: &Request) -> Response {
    request.response(200).with_to_tag("b1").with_header("Contact", "<sip:bob@10.0.0.2;transport=tcp>")
}

fn headers(request: &Request, name: &str) -> Vec<String> {
    request.headers.all(name).map(str::to_owned).collect()
}

#[test]
fn both_ends_make_the_same_dialog_seen_from_two_sides() {
    let request = invite(&["<sip:p2;lr>", "<sip:p1;lr>"]);
    let uas = Dialog::uas(&request, "b1").unwrap();
    let uac = Dialog::uac(&request, &ok(&request)).unwrap();
    assert_eq!((uas.call_id.as_str(), uas.local_tag.as_str(), uas.remote_tag.as_str()), ("c1", "b1", "a1"));
    assert_eq!((uac.local_tag.as_str(), uac.remote_tag.as_str()), ("a1", "b1"));
    assert_eq!(uas.remote_target, uri("sip:alice@10.0.0.1:5070"));
    assert_eq!(uac.remote_target, uri("sip:bob@10.0.0.2;transport=tcp"));
    let hops = |dialog: &Dialog| dialog.route_set.iter().map(|r| r.uri.to_string()).collect::<Vec<_>>();
    assert_eq!(hops(&uas), ["sip:p2;lr", "sip:p1;lr"]);
    assert_eq!(hops(&uac), ["sip:p1;lr", "sip:p2;lr"]);
}

#[test]
fn a_request_of_one_end_is_accepted_by_the_other() {
    let request = invite(&[]);
    let mut uas = Dialog::uas(&request, "b1").unwrap();
    let mut uac = Dialog::uac(&request, &ok(&request)).unwrap();
    for method in [Method::Info, Method::Update, Method::Bye] {
        let down = uac.request(method.clone(), "<sip:alice@10.0.0.1>");
        assert_eq!(uas.accept(&down), Ok(()));
        let up = uas.request(method, "<sip:bob@10.0.0.2>");
        assert_eq!(uac.accept(&up), Ok(()));
    }
    assert_eq!((uac.local_seq, uas.local_seq), (13, 3));
}

#[test]
fn loose_routes_go_into_route_and_strict_ones_into_the_request_uri() {
    let request = invite(&[]);
    let mut dialog = Dialog::uac(&request, &ok(&request)).unwrap();
    let target = "sip:bob@10.0.0.2;transport=tcp";
    let rows: [(&[&str], &str, &[&str], &str); 4] = [
        (&[], target, &[], target),
        (&["<sip:p1;lr>", "<sip:p2;lr>"], target, &["<sip:p1;lr>", "<sip:p2;lr>"], "sip:p1;lr"),
        (&["<sip:p1>", "<sip:p2;lr>"], "sip:p1", &["<sip:p2;lr>", "<sip:bob@10.0.0.2;transport=tcp>"], "sip:p1"),
        (&["<sip:p1;method=BYE>"], "sip:p1", &["<sip:bob@10.0.0.2;transport=tcp>"], "sip:p1;method=BYE"),
    ];
    for (routes, request_uri, route, next_hop) in rows {
        dialog.route_set = routes.iter().map(|route| NameAddr::parse(route).unwrap()).collect();
        let bye = dialog.request(Method::Bye, "");
        assert_eq!(bye.uri.to_string(), request_uri, "{routes:?}");
        assert_eq!(headers(&bye, "Route"), route, "{routes:?}");
        assert_eq!(dialog.next_hop().to_string(), next_hop, "{routes:?}");
    }
}

#[test]
fn requests_carry_tags_count_up_and_an_ack_does_not() {
    let request = invite(&[]);
    let mut dialog = Dialog::uac(&request, &ok(&request)).unwrap();
    let ack = dialog.ack(10, "<sip:me>");
    assert_eq!(ack.cseq().unwrap().to_string(), "10 ACK");
    assert_eq!(headers(&ack, "Contact"), [""; 0]);
    let again = dialog.request(Method::Invite, "<sip:me>");
    assert_eq!(again.cseq().unwrap().to_string(), "11 INVITE");
    assert_eq!(headers(&again, "Contact"), ["<sip:me>"]);
    assert_eq!((again.from_tag().unwrap(), again.to_tag().unwrap()), ("a1".to_owned(), "b1".to_owned()));
    assert_eq!(again.from().unwrap().display.as_deref(), Some("Alice"));
}

#[test]
fn another_dialogs_request_is_481_and_a_late_one_500() {
    let mut uas = Dialog::uas(&invite(&[]), "b1").unwrap();
    let mut uac = Dialog::uac(&invite(&[]), &ok(&invite(&[]))).unwrap();
    let first = uac.request(Method::Info, "");
    let second = uac.request(Method::Info, "");
    let mut stranger = second.clone();
    stranger.headers.set("From", "<sip:alice@a.example>;tag=other");
    assert_eq!(uas.accept(&stranger).unwrap_err().status(), 481);
    assert_eq!(uas.accept(&second), Ok(()));
    let late = uas.accept(&first).unwrap_err();
    assert_eq!((late.clone(), late.status()), (DialogError::OutOfOrder { got: 11, last: 12 }, 500));
    assert_eq!(uas.accept(&uac.ack(10, "")), Ok(()));
}

#[test]
fn the_2xx_replaces_target_and_routes_of_the_provisional_answer() {
    let request = invite(&[]);
    let early = request
        .response(180)
        .with_to_tag("b1")
        .with_header("Contact", "<sip:early@x>")
        .with_header("Record-Route", "<sip:p9;lr>");
    let mut dialog = Dialog::uac(&request, &early).unwrap();
    assert_eq!((dialog.remote_target.to_string().as_str(), dialog.route_set.len()), ("sip:early@x", 1));
    dialog.confirm(&ok(&request)).unwrap();
    assert_eq!(
        (dialog.remote_target.to_string().as_str(), dialog.route_set.len()),
        ("sip:bob@10.0.0.2;transport=tcp", 0)
    );
    assert_eq!(Dialog::uac(&request, &request.response(180)), Err(DialogError::NoTag));
}

#[test]
fn peers_of_rfc_2543_need_neither_tag_nor_contact() {
    let mut request = invite(&[]);
    request.headers.remove("Contact");
    request.headers.set("From", "<sip:alice@a.example>");
    let mut uas = Dialog::uas(&request, "b1").unwrap();
    assert_eq!((uas.remote_tag.as_str(), uas.remote_target.to_string().as_str()), ("", "sip:alice@a.example"));
    let bye = uas.request(Method::Bye, "");
    assert_eq!(bye.to_tag(), None);
}
