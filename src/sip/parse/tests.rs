use super::*;
use proptest::prelude::*;

const OPTIONS: &str = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";

fn with_body(length: &str, body: &str) -> Vec<u8> {
    format!("{OPTIONS}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn request(bytes: &[u8]) -> Request {
    match parse_datagram(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn folding_space_around_colons_compact_names_and_bare_line_feeds_are_read() {
    let text = "\r\nOPTIONS sip:b SIP/2.0\nv  : SIP/2.0/UDP\n\t10.0.0.1\r\n ;branch=z9hG4bK1\nsubject:\n  two\n  lines\nX-Odd: ;;,\n\nbody\0";
    let request = request(text.as_bytes());
    assert_eq!(request.via_top().unwrap().branch(), Some("z9hG4bK1"));
    assert_eq!(request.headers.get("Subject").map(str::trim), Some("two lines"));
    assert_eq!(request.headers.get("x-odd"), Some(";;,"));
    assert_eq!(request.body.as_ref(), b"body\0");
}

#[test]
fn content_length_rules_over_a_datagram() {
    assert_eq!(request(&with_body("3", "abcdef")).body.as_ref(), b"abc");
    assert_eq!(request(format!("{OPTIONS}\r\nabc").as_bytes()).body.as_ref(), b"abc");
    for length in ["7", "-1", "x", "", "99999999999999999999", "+3", "3, 3"] {
        let error = parse_datagram(&with_body(length, "abcdef")).unwrap_err();
        assert_eq!((error.status, error.defect), (400, Defect::ContentLength), "{length}");
        assert_eq!(error.reply_to.unwrap().call_id(), Ok("x"), "{length}");
    }
}

#[test]
fn status_lines_take_three_digits_from_100_to_699() {
    let status = |line: &str| match parse_datagram(format!("{line}\r\n\r\n").as_bytes()) {
        Ok(Message::Response(response)) => Some((response.status, response.reason)),
        Ok(Message::Request(_)) | Err(_) => None,
    };
    assert_eq!(status("SIP/2.0 200 OK"), Some((200, "OK".to_owned())));
    assert_eq!(status("SIP/2.0 100 "), Some((100, String::new())));
    assert_eq!(status("SIP/2.0 180"), Some((180, String::new())));
    for line in ["SIP/2.0 99 x", "SIP/2.0 700 x", "SIP/2.0 4294967301 x", "SIP/2.0 0200 x", "SIP/3.0 200 OK", "SIP/2.0"]
    {
        assert_eq!(status(line), None, "{line}");
    }
}

#[test]
fn an_error_names_the_offending_value_and_whom_to_answer() {
    let rows = [
        ("OPTIONS sip:b SIP/7.0", 505, "SIP/7.0"),
        ("OPTIONS <sip:b> SIP/2.0", 400, "<sip:b>"),
        ("OPTIONS sip:b;a b SIP/2.0", 400, "a b"),
        ("OPT(IONS sip:b SIP/2.0", 400, "OPT(IONS"),
        ("OPTIONS sip:b", 400, "OPTIONS sip:b"),
        ("OPTIONS sip:b?a=b SIP/2.0", 400, "a=b"),
    ];
    for (line, status, part) in rows {
        let bytes = with_body("0", "");
        let text = String::from_utf8(bytes).unwrap().replacen("OPTIONS sip:bob@example.com SIP/2.0", line, 1);
        let error = parse_datagram(text.as_bytes()).unwrap_err();
        assert_eq!(error.status, status, "{line}");
        assert!(error.reason.contains(part), "{line}: {}", error.reason);
        assert_eq!(error.reply_to.unwrap().cseq().unwrap().seq, 1, "{line}");
    }
}

#[test]
fn an_unknown_version_is_505_even_where_more_is_wrong() {
    let text = format!("{}no colon\r\n\r\n", OPTIONS.replace("2.0\r\nVia", "3.0\r\nVia"));
    assert_eq!(parse_datagram(text.as_bytes()).unwrap_err().status, 505);
}

#[test]
fn malformed_responses_and_acks_have_nobody_to_answer() {
    for text in
        ["SIP/2.0 abc\r\nVia: SIP/2.0/UDP x\r\n\r\n", "ACK sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nbad\r\n\r\n", "x"]
    {
        assert_eq!(parse_datagram(text.as_bytes()).unwrap_err().reply_to, None, "{text}");
    }
}

fn frames(framer: &mut Framer) -> Vec<Result<Frame, ParseError>> {
    framer.by_ref().collect()
}

#[test]
fn a_stream_is_cut_at_content_length_wherever_it_is_torn() {
    let mut bytes = with_body("5", "abcde");
    bytes.extend(b"\r\n\r\n");
    bytes.extend(with_body("0", ""));
    bytes.extend(b"\r\n");
    for cut in 1..bytes.len() {
        let mut framer = Framer::new();
        let mut all = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]] {
            framer.push(part);
            all.extend(frames(&mut framer));
        }
        let bodies: Vec<Option<usize>> = all
            .iter()
            .map(|frame| match frame {
                Ok(Frame::Message(Message::Request(request))) => Some(request.body.len()),
                Ok(Frame::Ping) => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(bodies, [Some(5), None, Some(0)], "{cut}");
    }
}

#[test]
fn a_ping_is_two_line_breaks_and_one_is_nothing() {
    let mut framer = Framer::new();
    framer.push(b"\r\n");
    assert_eq!(frames(&mut framer), []);
    framer.push(b"\r\n\r\n\r\n");
    assert_eq!(frames(&mut framer), [Ok(Frame::Ping), Ok(Frame::Ping)]);
}

#[test]
fn a_message_with_a_bad_header_does_not_cost_the_stream() {
    let mut framer = Framer::new();
    framer.push(format!("{OPTIONS}no colon\r\nContent-Length: 2\r\n\r\nab").as_bytes());
    framer.push(&with_body("0", ""));
    let all = frames(&mut framer);
    assert!(matches!(&all[0], Err(error) if !error.fatal && error.status == 400));
    assert!(matches!(&all[1], Ok(Frame::Message(_))));
}

#[test]
fn lost_framing_and_size_end_the_stream() {
    let endless = vec![b'a'; MAX_MESSAGE + 1];
    let rows: [(&str, Vec<u8>, u16); 4] = [
        ("no length", format!("{OPTIONS}\r\nabc").into_bytes(), 400),
        ("two lengths", format!("{OPTIONS}l: 1\r\nContent-Length: 2\r\n\r\nabc").into_bytes(), 400),
        ("too long", with_body("70000", ""), 513),
        ("endless", endless, 513),
    ];
    for (name, bytes, status) in rows {
        let mut framer = Framer::new();
        framer.push(&bytes);
        let all = frames(&mut framer);
        assert!(matches!(all.as_slice(), [Err(error)] if error.fatal && error.status == status), "{name}: {all:?}");
        framer.push(&with_body("0", ""));
        assert_eq!(frames(&mut framer), [], "{name}");
        assert!(framer.is_dead(), "{name}");
    }
}

#[test]
fn equal_content_lengths_may_be_repeated() {
    let text = format!("{OPTIONS}l: 3\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(request(text.as_bytes()).body.len(), 3);
}

fn valid() -> impl Strategy<Value = Vec<u8>> {
    let header = ("[A-Za-z-]{1,12}", "[ -~]{0,40}");
    (prop::collection::vec(header, 0..8), prop::collection::vec(any::<u8>(), 0..64)).prop_map(|(headers, body)| {
        let mut text = OPTIONS.to_owned();
        for (name, value) in headers {
            if !["l", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend(body);
        bytes
    })
}

/// Everything that a user may ask of a message.
fn ask(message: &Message) {
    let headers = message.headers();
    let _ = (headers.vias(), headers.cseq(), headers.content_type(), headers.number("Expires"));
    for name in ["From", "To", "Contact", "Route"] {
        let _ = (headers.address(name), headers.addresses(name));
    }
    if let Message::Request(request) = message {
        let _ = (request.response(200).with_to_tag("x").to_bytes(), request.uri.user_unescaped());
        let _ = crate::sip::check::check_request(request, &crate::sip::check::Capabilities::default());
        let _ = crate::sip::dialog::Dialog::uas(request, "x");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = parse_datagram(&bytes) { ask(&message); }
        let mut framer = Framer::new();
        framer.push(&bytes);
        while framer.next().is_some() {}
    }

    #[test]
    fn mutated_messages_never_break_the_parser(
        bytes in valid(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..12),
    ) {
        let mut bytes = bytes;
        for (at, byte, kind) in edits {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        match parse_datagram(&bytes) {
            Ok(message) => ask(&message),
            Err(error) => if let Some(request) = error.reply_to { let _ = request.response(error.status).to_bytes(); },
        }
    }

    #[test]
    fn what_is_printed_reads_the_same(bytes in valid()) {
        let first = parse_datagram(&bytes).unwrap();
        let again = parse_datagram(&first.to_bytes()).unwrap();
        let kept = |message: &Message| -> Vec<(String, String)> {
            message.headers().iter().filter(|(n, _)| *n != "Content-Length").map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
        };
        prop_assert_eq!(kept(&again), kept(&first));
        let body = |message: &Message| match message {
            Message::Request(request) => request.body.clone(),
            Message::Response(response) => response.body.clone(),
        };
        prop_assert_eq!(body(&again), body(&first));
        prop_assert_eq!(again.to_bytes(), first.to_bytes());
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut(
        messages in prop::collection::vec(valid(), 1..4),
        sizes in prop::collection::vec(1usize..200, 1..20),
    ) {
        let bytes = messages.concat();
        let mut framer = Framer::new();
        let mut found = Vec::new();
        let mut rest = bytes.as_slice();
        for size in sizes.iter().cycle() {
            let (part, tail) = rest.split_at((*size).min(rest.len()));
            framer.push(part);
            found.extend(framer.by_ref());
            rest = tail;
            if rest.is_empty() { break; }
        }
        let expected: Vec<_> = messages.iter().map(|m| parse_datagram(m).map(Frame::Message)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_uri_and_address_that_reads_prints_so_that_it_reads_the_same(text in "(sip|tel|sips|x):[!-~]{0,30}") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri.clone()));
            prop_assert!(uri.equivalent(&uri));
            let address = crate::sip::uri::NameAddr::new(uri).with_display("a \"b\" \\c").with_tag("1");
            prop_assert_eq!(crate::sip::uri::NameAddr::parse(&address.to_string()), Ok(address));
        }
    }
}
