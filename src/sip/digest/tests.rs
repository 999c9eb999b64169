use super::*;
use crate::base::{Seeded, Span, Time};
use crate::sip::uri::Uri;
use proptest::prelude::*;

const RFC_7616: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

fn field<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = value.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

#[test]
fn the_examples_of_the_rfcs_come_out() {
    let rows = [
        // RFC 7616 §3.9.1.
        ("http-auth@example.org", RFC_7616, "MD5", "Circle of Life", CNONCE, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "http-auth@example.org",
            RFC_7616,
            "SHA-256",
            "Circle of Life",
            CNONCE,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        // RFC 2617 §3.5.
        (
            "testrealm@host.com",
            "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            "MD5",
            "Circle Of Life",
            "0a4f113b",
            "6629fae49393a05397450978507c4ef1",
        ),
    ];
    for (realm, nonce, algorithm, password, cnonce, expected) in rows {
        let challenge = format!(
            "Digest realm=\"{realm}\", qop=\"auth, auth-int\", algorithm={algorithm}, nonce=\"{nonce}\", opaque=\"o\""
        );
        let value = respond(&[&challenge], "Mufasa", password, "GET", "/dir/index.html", cnonce, 1).unwrap();
        assert_eq!(field(&value, "response"), Some(expected), "{value}");
        assert!(value.contains("opaque=\"o\"") && value.contains("nc=00000001"), "{value}");
        let credentials = Credentials::parse(&value).unwrap();
        let md5 = ha1(Algorithm::Md5, "Mufasa", realm, password);
        let sha = ha1(Algorithm::Sha256, "Mufasa", realm, password);
        assert!(verify(&credentials, "GET", Some(&md5), Some(&sha), b""));
        assert!(!verify(&credentials, "PUT", Some(&md5), Some(&sha), b""));
        assert!(!verify(&credentials, "GET", Some(&sha), Some(&md5), b""));
        assert!(!verify(&credentials, "GET", None, None, b""));
        assert!(!verify(&credentials, "GET", Some(dummy_ha1(Algorithm::Md5)), Some(dummy_ha1(Algorithm::Sha256)), b""));
    }
}

#[test]
fn a_challenge_without_qop_is_answered_and_accepted_as_in_rfc_2069() {
    let challenge = "Digest realm=\"r\", nonce=\"n\"";
    let value = respond(&[challenge], "u", "p", "REGISTER", "sip:r", "c", 1).unwrap();
    assert!(!value.contains("qop") && !value.contains("algorithm"), "{value}");
    let credentials = Credentials::parse(&value).unwrap();
    assert_eq!(credentials.nonce_count(), None);
    assert!(verify(&credentials, "REGISTER", Some(&ha1(Algorithm::Md5, "u", "r", "p")), None, b""));
}

#[test]
fn auth_int_covers_the_body() {
    let md5 = ha1(Algorithm::Md5, "u", "r", "p");
    let mut credentials = Credentials::parse(
        "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", qop=auth-int, nc=00000001, cnonce=\"c\", response=\"\"",
    )
    .unwrap();
    credentials.response = credentials.expected(&md5, "INVITE", b"v=0");
    assert!(verify(&credentials, "INVITE", Some(&md5), None, b"v=0"));
    assert!(!verify(&credentials, "INVITE", Some(&md5), None, b"v=1"));
}

#[test]
fn the_strongest_known_challenge_is_taken_and_unknown_ones_left() {
    let value = |challenges: &[&str]| respond(challenges, "u", "p", "REGISTER", "sip:r", "c", 1);
    let md5 = "Digest realm=\"r\", nonce=\"m\", algorithm=MD5, qop=\"auth\"";
    let sha = "Digest realm=\"r\", nonce=\"s\", algorithm=SHA-256, qop=\"auth\"";
    let odd = "Digest realm=\"r\", nonce=\"o\", algorithm=SHA-512-256, qop=\"auth\"";
    for order in [[md5, sha, odd], [odd, sha, md5]] {
        assert!(value(&order).unwrap().contains("nonce=\"s\""));
    }
    assert_eq!(value(&[odd]), Err(DigestError::Algorithm("SHA-512-256".to_owned())));
    assert_eq!(value(&["NoOneKnowsThisScheme x"]), Err(DigestError::Scheme("NoOneKnowsThisScheme".to_owned())));
    assert_eq!(value(&[]), Err(DigestError::Missing("challenge")));
}

#[test]
fn a_challenge_prints_all_that_a_phone_needs() {
    let challenge = Challenge { realm: "a \"b\"".into(), nonce: "n".into(), algorithm: Algorithm::Sha256, stale: true };
    let expected = "Digest realm=\"a \\\"b\\\"\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\", stale=true";
    assert_eq!(challenge.value(), expected);
}

#[test]
fn credentials_that_lack_something_are_refused_without_repeating_them() {
    let whole = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", response=\"00\"";
    assert!(Credentials::parse(whole).is_ok());
    for (name, needle) in [("username", "username=\"u\", "), ("nonce", "nonce=\"n\", "), ("uri", "uri=\"sip:r\", ")] {
        let error = Credentials::parse(&whole.replace(needle, "")).unwrap_err();
        assert_eq!(error.to_string(), format!("{name} is missing"));
    }
    for bad in ["Basic abc", "Digest", "Digest a", "", &format!("{whole}, qop=auth"), &format!("{whole}, algorithm=X")]
    {
        assert!(Credentials::parse(bad).is_err(), "{bad}");
    }
    let counted = format!("{whole}, qop=auth, cnonce=\"c\", nc=xyz");
    assert_eq!(Credentials::parse(&counted).err(), Some(DigestError::NonceCount("xyz".into())));
    assert!(!format!("{:?}", Credentials::parse(whole).unwrap()).contains("00"));
}

#[test]
fn credentials_are_for_the_uri_that_they_name() {
    let fits = |named: &str, asked: &str| {
        let value = format!("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"{named}\", response=\"\"");
        Credentials::parse(&value).unwrap().uri_fits(&Uri::parse(asked).unwrap())
    };
    assert!(fits("sip:200@example.com", "sip:200@example.com:5060;transport=tcp"));
    assert!(fits("sip:%32%30%30@Example.com", "sip:200@example.com"));
    assert!(!fits("sip:201@example.com", "sip:200@example.com"));
    assert!(!fits("sip:200@example.org", "sip:200@example.com"));
    assert!(!fits("/dir/index.html", "sip:200@example.com"));
}

#[test]
fn a_nonce_is_ours_fresh_for_its_lifetime_and_stale_after() {
    let nonces = Nonces::new([7; 32], Span::from_secs(60));
    let now = Time(5_000_000);
    let nonce = nonces.issue(HERE, now, &mut Seeded(1));
    assert_eq!(nonces.check(&nonce, HERE, now), NonceState::Fresh);
    assert_eq!(nonces.check(&nonce, HERE, now + Span::from_secs(60)), NonceState::Fresh);
    assert_eq!(nonces.check(&nonce, HERE, now + Span::from_secs(61)), NonceState::Stale);
    assert_eq!(Nonces::new([8; 32], Span::from_secs(60)).check(&nonce, HERE, now), NonceState::Foreign);
    let forged = nonce.replacen('4', "5", 1);
    assert!(forged != nonce && nonces.check(&forged, HERE, now) == NonceState::Foreign);
    let elsewhere = "192.0.2.2".parse().unwrap();
    assert_eq!(nonces.check(&nonce, elsewhere, now), NonceState::Foreign, "given to another address");
    for foreign in ["", "a.b", "..", "x"] {
        assert_eq!(nonces.check(foreign, HERE, now), NonceState::Foreign, "{foreign}");
    }
}

#[test]
fn a_nonce_count_is_taken_once_within_a_window_of_64() {
    let mut counter = NonceCounter::new(10);
    let rows = [
        (1, true),
        (1, false),
        (3, true),
        (2, true),
        (2, false),
        (0, false),
        (100, true),
        (37, true),
        (36, false),
        (99, true),
        (99, false),
    ];
    for (count, new) in rows {
        assert_eq!(counter.take("1.n", count) == Replay::New, new, "{count}");
    }
    assert_eq!(counter.take("1.n", u32::MAX), Replay::New);
    assert_eq!(counter.take("1.n", 100), Replay::Seen);
}

#[test]
fn the_table_is_bounded_and_what_went_out_is_not_new_again() {
    let nonces = Nonces::new([7; 32], Span::from_secs(60));
    let issued: Vec<String> = (0..5).map(|n| nonces.issue(HERE, Time(n), &mut Seeded(n))).collect();
    let mut counter = NonceCounter::new(3);
    for nonce in &issued {
        assert_eq!(counter.take(nonce, 1), Replay::New);
    }
    assert_eq!(counter.len(), 3);
    for nonce in &issued {
        assert_eq!(counter.take(nonce, 1), Replay::Seen);
    }
    assert_eq!(counter.take(&issued[0], 2), Replay::Seen);
    assert_eq!(counter.take(&issued[4], 2), Replay::New);
}

/// `rsip` shares no code with this module.
#[test]
fn our_answers_are_those_of_another_implementation() {
    use rsip::headers::{ToTypedHeader, UntypedHeader};
    for (algorithm, qop) in [("MD5", ", qop=\"auth\""), ("SHA-256", ", qop=\"auth\""), ("MD5", "")] {
        let challenge = format!("Digest realm=\"r\", nonce=\"n\", algorithm={algorithm}{qop}");
        let value = respond(&[&challenge], "u", "secret", "REGISTER", "sip:example.com", "cn", 7).unwrap();
        // It spells the algorithm in a way of its own.
        let spelled = value.replace("SHA-256", "SHA256");
        let theirs = rsip::headers::Authorization::new(spelled).typed().unwrap();
        let method = rsip::Method::Register;
        let generator = rsip::services::DigestGenerator::from(&theirs, "secret", &method);
        assert_eq!(Some(generator.compute().as_str()), field(&value, "response"), "{value}");
    }
}

proptest! {
    #[test]
    fn no_credentials_break_the_parser(value in "(Digest )?[ -~]{0,120}") {
        if let Ok(credentials) = Credentials::parse(&value) {
            prop_assert!(!verify(&credentials, "X", None, None, b""));
        }
        let _ = respond(&[&value], "u", "p", "X", "sip:x", "c", 1);
    }
}
