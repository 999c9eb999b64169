use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_uri_prints_as_it_was_read() {
    let rows = [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:[2001:db8::10]:5070;lr",
        "sip:*98@10.0.0.1:5062",
        "tel:+358-555-1234567;postd=pp22",
        "urn:service:sos",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com",
    ];
    for text in rows {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn what_is_no_uri_is_refused_and_the_error_names_it() {
    let rows = [
        "",
        "alice",
        "alice@example.com",
        "<sip:alice@example.com>",
        "sip:",
        "sip:@example.com",
        "sip:alice@",
        "sip:alice@exa mple.com",
        "sip:alice@example.com:port",
        "sip:alice@example.com:99999",
        "sip:alice@example.com:0",
        "sip:alice@example.com:",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[nonsense]",
        "sip:[::1]x",
        "sip:a\r\nb@example.com",
        "tel:",
        "1sip:x@y",
    ];
    for text in rows {
        assert!(Uri::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn escapes_of_the_user_are_resolved_once() {
    assert_eq!(uri("sip:sips%3Auser%40example.com@example.net").user_unescaped().unwrap(), "sips:user@example.com");
    assert_eq!(uri("sip:a%2541@b").user_unescaped().unwrap(), "a%41");
    assert_eq!(uri("sip:a%00b@b").user_unescaped().unwrap(), "a\0b");
    assert_eq!(uri("sip:a%ZZ%4@b").user_unescaped().unwrap(), "a%ZZ%4");
    assert_eq!(uri("sip:b").user_unescaped(), None);
}

#[test]
fn a_made_uri_escapes_what_the_user_part_does_not_take() {
    let made = Uri::sip("#11 @x", "example.com:5070");
    assert_eq!(made.to_string(), "sip:%2311%20%40x@example.com:5070");
    assert_eq!(uri(&made.to_string()).user_unescaped().unwrap(), "#11 @x");
    assert_eq!(Uri::sip("200", "[::1]:5060").to_string(), "sip:200@[::1]:5060");
    assert_eq!(Uri::sip("", "10.0.0.1").to_string(), "sip:10.0.0.1");
}

/// The examples of RFC 3261 §19.1.4.
#[test]
fn uris_compare_by_the_rfc() {
    let equal = [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
    ];
    for (a, b) in equal {
        assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
    }
    let different = [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b;p=value%2541", "sip:a@b;p=value%41"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b;maddr=1.2.3.4", "sip:a@b"),
    ];
    for (a, b) in different {
        assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
    }
}

#[test]
fn parameters_belong_to_the_header_without_brackets_and_to_the_uri_inside() {
    let bare = NameAddr::parse("sip:alice@example.com;expires=60").unwrap();
    assert_eq!((bare.params.get("EXPIRES"), bare.uri.params.get("expires")), (Some("60"), None));
    let inside = NameAddr::parse("<sip:alice@example.com;lr>;q=0.5").unwrap();
    assert_eq!((inside.params.get("q"), inside.uri.params.get("lr")), (Some("0.5"), Some("")));
}

#[test]
fn display_names_are_read_in_every_form_and_printed_quoted() {
    let rows = [
        ("\"Bob \\\"B\\\" Smith\" <sip:bob@b>", Some("Bob \"B\" Smith"), "\"Bob \\\"B\\\" Smith\" <sip:bob@b>"),
        ("Bob Smith <sip:bob@b>;tag=1", Some("Bob Smith"), "\"Bob Smith\" <sip:bob@b>;tag=1"),
        ("caller<sip:bob@b>", Some("caller"), "\"caller\" <sip:bob@b>"),
        ("\"\" <sip:bob@b>", None, "<sip:bob@b>"),
        ("< sip:bob@b >", None, "<sip:bob@b>"),
        ("Bell, Alexander <sip:bob@b>", Some("Bell, Alexander"), "\"Bell, Alexander\" <sip:bob@b>"),
        ("sip:bob@b;tag=1", None, "<sip:bob@b>;tag=1"),
        ("\"<sip:no@no>\" <sip:bob@b>", Some("<sip:no@no>"), "\"<sip:no@no>\" <sip:bob@b>"),
    ];
    for (text, display, printed) in rows {
        let address = NameAddr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(address.display.as_deref(), display, "{text}");
        assert_eq!(address.to_string(), printed, "{text}");
        assert_eq!(NameAddr::parse(printed).unwrap(), address, "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let rows = [
        "",
        "\"Mr. J. User <sip:j.user@example.com>",
        "<sip:bob@b",
        "<sip:bob@b>;;",
        "<sip:bob@b> x",
        "\"Bob\" sip:bob@b",
        "sip:bob@b?Route=x",
        "<sip:bob@b>;a=\"open",
        "<sip:bob@b>;=x",
        "a\"b <sip:bob@b>",
    ];
    for text in rows {
        assert!(NameAddr::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn params_are_set_in_place_and_removed_without_case() {
    let mut params = uri("sip:a@b;One=1;two;THREE=3").params;
    params.set("one", Some("x"));
    params.set("four", None);
    params.remove("three");
    assert_eq!(params.to_string(), ";One=x;two;four");
    assert_eq!(params.get("TWO"), Some(""));
    assert!(!params.has("three"));
}
