#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::super::{Events, Flow, Format, Local, Negotiated, OfferAnswer, parse as parse_sdp};
use super::*;
use crate::base::Seeded;
use proptest::prelude::*;

/// As the examples of RFC 4568 §4.1.
const KEY_128: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
const OTHER_128: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
/// 46 bytes.
const KEY_256: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ==";

fn far(proto: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 {proto} 0 101\r\na=rtpmap:101 telephone-event/8000\r\n{lines}"
    )
}

fn local() -> Local {
    Local {
        session_id: 0,
        version: 0,
        address: "192.0.2.1".parse().unwrap(),
        port: 10_000,
        formats: vec![Format::PCMU, Format::PCMA],
        events: Some(Events { pt: 101, clock: 8_000 }),
        flow: Flow::SendRecv,
        ptime: None,
        rtcp_mux: true,
        security: Security::default(),
    }
}

fn leg(encryption: Encryption) -> OfferAnswer {
    OfferAnswer::new(7).secured(Security::new(encryption, &mut Seeded(1)))
}

fn answered(leg: &mut OfferAnswer, offer: &str) -> Result<(String, Negotiated), SdpError> {
    leg.receive_offer(offer.as_bytes())?;
    let answer = leg.answer(local(), None);
    if answer.is_err() {
        leg.roll_back();
    }
    answer.map(|(body, negotiated)| (String::from_utf8(body.to_vec()).unwrap(), negotiated))
}

fn line(text: &str, start: &str) -> String {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
}

#[test]
fn lines_are_read_as_phones_write_them() {
    let rows = [
        (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"), Suite::Aes128Tag80, 0),
        (format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY_128}|2^20"), Suite::Aes128Tag32, 0),
        (format!("99 aes_cm_128_hmac_sha1_80 INLINE:{KEY_128}|1048576|1:4"), Suite::Aes128Tag80, 4),
        (format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|1:1 WSH=128"), Suite::Aes128Tag80, 1),
        (format!("3 AES_256_CM_HMAC_SHA1_80 inline:{KEY_256}"), Suite::Aes256Tag80, 0),
        (format!("3 AES_256_CM_HMAC_SHA1_32 inline:{}", KEY_256.trim_end_matches('=')), Suite::Aes256Tag32, 0),
        (format!("4 AES_CM_256_HMAC_SHA1_80 inline:{KEY_256} -optional=1"), Suite::Aes256Tag80, 0),
    ];
    for (value, suite, mki_length) in rows {
        let crypto = parse(&value).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!((crypto.suite, crypto.mki_length), (suite, mki_length), "{value}");
        let key = if suite.master_length() == 30 { KEY_128 } else { KEY_256 };
        assert_eq!(crypto.key.expose(|bytes| BASE64.encode(bytes)), key, "{value}");
    }
}

#[test]
fn lines_that_cannot_be_used_say_why_and_never_the_key() {
    let rows = [
        (String::new(), "a=crypto is malformed"),
        ("x AES_CM_128_HMAC_SHA1_80 inline:k".to_owned(), "a=crypto is malformed"),
        ("1 AES_CM_128_HMAC_SHA1_80".to_owned(), "a=crypto is malformed"),
        (
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY_128}"),
            "a=crypto 1: cipher suite F8_128_HMAC_SHA1_80 is not supported",
        ),
        (
            format!("1 inline:{KEY_128} AES_CM_128_HMAC_SHA1_80"),
            "a=crypto 1: cipher suite of another spelling is not supported",
        ),
        (format!("1 AES_CM_128_HMAC_SHA1_80 other:{KEY_128}"), "a=crypto 1: key method other than inline"),
        (format!("2 AES_CM_128_HMAC_SHA1_80 inline:!{KEY_128}"), "a=crypto 2: the key is not base64"),
        (
            format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY_128}"),
            "a=crypto 1: a key of AES_256_CM_HMAC_SHA1_80 has 46 bytes with its salt, not 30",
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|1:4;inline:{OTHER_128}|2:4"),
            "a=crypto 1: more than one key",
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|soon"),
            "a=crypto 1: malformed lifetime or key identifier",
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|1:200"),
            "a=crypto 1: malformed lifetime or key identifier",
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} KDR=1"),
            "a=crypto 1: session parameter KDR is not supported",
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} UNENCRYPTED_SRTP"),
            "a=crypto 1: session parameter UNENCRYPTED_SRTP is not supported",
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} WSH=64 UNAUTHENTICATED_SRTP"),
            "a=crypto 1: session parameter UNAUTHENTICATED_SRTP is not supported",
        ),
        (
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} {OTHER_128}"),
            "a=crypto 1: session parameter of another name is not supported",
        ),
    ];
    for (value, expected) in rows {
        assert_eq!(parse(&value).unwrap_err().to_string(), expected, "{value}");
    }
}

#[test]
fn an_answer_takes_the_first_line_that_can_be_used_with_its_tag_and_spelling() {
    let rows = [
        (
            vec![
                format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY_256}"),
                format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"),
            ],
            "a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:",
        ),
        (
            vec![format!("1 AEAD_AES_256_GCM inline:{KEY_256}"), format!("2 AES_CM_128_HMAC_SHA1_32 inline:{KEY_128}")],
            "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:",
        ),
        (vec![format!("7 AES_CM_256_HMAC_SHA1_32 inline:{KEY_256}")], "a=crypto:7 AES_CM_256_HMAC_SHA1_32 inline:"),
        (
            vec![
                format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} UNENCRYPTED_SRTCP"),
                format!("2 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_128}"),
            ],
            "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:",
        ),
    ];
    for (lines, expected) in rows {
        for proto in ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"] {
            let (answer, negotiated) = answered(&mut leg(Encryption::Accepted), &far(proto, &lines)).unwrap();
            assert!(line(&answer, "a=crypto").starts_with(expected), "{proto} {lines:?}\n{answer}");
            assert_eq!(answer.matches("a=crypto").count(), 1, "{answer}");
            assert!(line(&answer, "m=").starts_with(&format!("m=audio 10000 {proto} ")), "{answer}");
            let keys = negotiated.keys.expect("encrypted");
            let ours = parse(line(&answer, "a=crypto").trim_start_matches("a=crypto:")).unwrap();
            assert_eq!(ours.key, keys.send, "what we say is what we use");
            assert_ne!(keys.send, keys.receive, "each side has its own key");
        }
    }
}

#[test]
fn an_encrypted_stream_is_taken_before_a_plain_one() {
    let lines = [format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")];
    let offer = format!("{}m=audio 5002 RTP/AVP 8\r\n", far("RTP/SAVP", &lines));
    let plain_first = offer.replacen("m=audio", "m=audio 4998 RTP/AVP 0\r\nm=audio", 1);
    for (offer, at) in [(offer, 0), (plain_first, 1)] {
        assert_eq!(parse_sdp(offer.as_bytes()).unwrap().audio_index, at, "{offer}");
    }
}

#[test]
fn what_is_plain_or_encrypted_is_accepted_as_the_leg_says() {
    use Encryption::{Accepted, Offered, Required};
    let usable = vec![format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")];
    let useless = vec![format!("1 AEAD_AES_128_GCM inline:{KEY_128}")];
    let unsupported = SdpError::Crypto(CryptoError::Suite { tag: 1, name: "AEAD_AES_128_GCM".to_owned() });
    let rows = [
        ("RTP/AVP", vec![], vec![Accepted, Offered], Ok(false)),
        ("RTP/AVP", vec![], vec![Required], Err(SdpError::NotEncrypted)),
        ("RTP/AVP", useless.clone(), vec![Accepted, Offered], Ok(false)),
        ("RTP/AVP", useless.clone(), vec![Required], Err(unsupported.clone())),
        ("RTP/SAVP", useless, vec![Accepted, Offered, Required], Err(unsupported)),
        ("RTP/SAVP", usable.clone(), vec![Accepted, Offered, Required], Ok(true)),
        ("RTP/SAVP", vec![], vec![Accepted, Offered, Required], Err(SdpError::Transport("RTP/SAVP".to_owned()))),
        ("UDP/TLS/RTP/SAVPF", usable, vec![Accepted], Err(SdpError::Transport("UDP/TLS/RTP/SAVPF".to_owned()))),
    ];
    for (proto, lines, legs, expected) in rows {
        for encryption in legs {
            let got = answered(&mut leg(encryption), &far(proto, &lines)).map(|(_, agreed)| agreed.keys.is_some());
            assert_eq!(got, expected, "{proto} {lines:?} {encryption:?}");
            if let Err(error) = got {
                assert_eq!(error.status(), 488, "{error}");
            }
        }
    }
    let keyless =
        answered(&mut OfferAnswer::new(7), &far("RTP/SAVP", &[format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")]));
    assert_eq!(keyless.unwrap_err(), SdpError::Transport("RTP/SAVP".to_owned()), "a leg without keys cannot");
}

#[test]
fn an_offer_has_a_key_of_its_own_in_each_line() {
    let offer = leg(Encryption::Offered).offer(local()).unwrap();
    let text = String::from_utf8(offer.to_vec()).unwrap();
    assert!(text.contains("m=audio 10000 RTP/SAVP 0 8 101\r\n"), "{text}");
    let read = parse_sdp(&offer).unwrap().audio.unwrap();
    let lines: Vec<_> = read.crypto.iter().map(|crypto| (crypto.tag, crypto.suite)).collect();
    assert_eq!(lines, [(1, Suite::Aes128Tag80), (2, Suite::Aes256Tag80), (3, Suite::Aes128Tag32)]);
    let [first, _, third] = &read.crypto[..] else { panic!("{text}") };
    assert!(first.key.expose(<[u8]>::to_vec) != third.key.expose(<[u8]>::to_vec));
    let plain = leg(Encryption::Accepted).offer(local()).unwrap();
    assert!(!String::from_utf8(plain.to_vec()).unwrap().contains("crypto"));
}

#[test]
fn an_answer_to_our_offer_is_held_to_it() {
    let rows = [
        ("RTP/SAVP", vec![format!("2 AES_256_CM_HMAC_SHA1_80 inline:{KEY_256}")], Ok(Suite::Aes256Tag80)),
        ("RTP/AVP", vec![format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")], Ok(Suite::Aes128Tag80)),
        (
            "RTP/SAVP",
            vec![format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")],
            Err(SdpError::Crypto(CryptoError::NotOffered { tag: 2 })),
        ),
        (
            "RTP/SAVP",
            vec![format!("9 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")],
            Err(SdpError::Crypto(CryptoError::NotOffered { tag: 9 })),
        ),
        ("RTP/SAVP", vec![], Err(SdpError::NotEncrypted)),
        ("RTP/AVP", vec![], Err(SdpError::NotEncrypted)),
    ];
    for (proto, lines, expected) in rows {
        let mut leg = leg(Encryption::Offered);
        leg.offer(local()).unwrap();
        let got = leg.receive_answer(far(proto, &lines).as_bytes());
        assert_eq!(got.map(|agreed| agreed.keys.unwrap().receive.suite()), expected, "{proto} {lines:?}");
    }
    let mut plain = leg(Encryption::Accepted);
    plain.offer(local()).unwrap();
    let savp = far("RTP/SAVP", &[format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")]);
    assert_eq!(plain.receive_answer(savp.as_bytes()).unwrap_err(), SdpError::Transport("RTP/SAVP".to_owned()));
}

#[test]
fn a_new_key_of_the_far_side_leaves_ours_and_a_later_offer_repeats_it() {
    let mut leg = leg(Encryption::Accepted);
    let offer = |key: &str| far("RTP/AVP", &[format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}")]);
    let (_, first) = answered(&mut leg, &offer(KEY_128)).unwrap();
    let (_, second) = answered(&mut leg, &offer(OTHER_128)).unwrap();
    let (first, second) = (first.keys.unwrap(), second.keys.unwrap());
    assert_eq!(first.send, second.send);
    assert_ne!(first.receive, second.receive);
    let again = leg.offer(local()).unwrap();
    let read = parse_sdp(&again).unwrap();
    assert_eq!(read.audio_proto(), "RTP/AVP", "as the far side wrote it");
    let audio = read.audio.unwrap();
    assert_eq!(audio.crypto.len(), 1, "only what holds");
    assert_eq!(audio.crypto[0].key, first.send);
}

#[test]
fn a_refused_encrypted_offer_becomes_a_plain_one_only_where_that_is_allowed() {
    let mut offered = leg(Encryption::Offered);
    assert_eq!(offered.offer_plainly(), None, "nothing was offered");
    offered.offer(local()).unwrap();
    let plain = String::from_utf8(offered.offer_plainly().unwrap().to_vec()).unwrap();
    assert!(plain.contains("m=audio 10000 RTP/AVP 0 8 101\r\n") && !plain.contains("crypto"), "{plain}");
    assert!(line(&plain, "o=").contains(" 2 IN"), "a new version: {plain}");
    assert_eq!(offered.offer_plainly(), None, "once");
    assert_eq!(offered.receive_answer(far("RTP/AVP", &[]).as_bytes()).unwrap().keys, None);
    let mut required = leg(Encryption::Required);
    required.offer(local()).unwrap();
    assert_eq!(required.offer_plainly(), None);
}

#[test]
fn no_debug_shows_a_key() {
    let mut leg = leg(Encryption::Offered);
    leg.offer(local()).unwrap();
    let said = String::from_utf8(leg.said().unwrap().to_vec()).unwrap();
    let ours: Vec<&str> = said.split("inline:").skip(1).filter_map(|rest| rest.split('\r').next()).collect();
    assert_eq!(ours.len(), 3);
    let answer = far("RTP/SAVP", &[format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")]);
    let read = parse_sdp(answer.as_bytes()).unwrap();
    let agreed = leg.receive_answer(answer.as_bytes()).unwrap();
    let shown = format!("{:?} {read:?} {agreed:?}", leg.local());
    for key in ours.iter().chain([&KEY_128]) {
        assert!(!shown.contains(&key[..12]), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(value in "[ -~]{0,120}") {
        let _ = parse(&value);
    }

    #[test]
    fn near_misses_do_not_break_it(
        tag in 0u64..100_000_000_000,
        suite in "(AES_CM_128_HMAC_SHA1_80|AES_256_CM_HMAC_SHA1_32|X)",
        key in "[A-Za-z0-9+/=]{0,140}",
        rest in "(\\|[0-9^:]{0,9}){0,3}( [A-Z_=0-9-]{0,20}){0,3}",
    ) {
        let _ = parse(&format!("{tag} {suite} inline:{key}{rest}"));
    }

    /// What one leg of ours offers, another answers, and both have the same two keys crosswise.
    #[test]
    fn two_legs_of_ours_agree(seed in any::<u64>(), other in any::<u64>()) {
        let security = |encryption, seed| Security::new(encryption, &mut Seeded(seed));
        let mut one = OfferAnswer::new(1).secured(security(Encryption::Required, seed));
        let mut two = OfferAnswer::new(2).secured(security(Encryption::Accepted, other));
        let offer = one.offer(local()).unwrap();
        two.receive_offer(&offer).unwrap();
        let (answer, theirs) = two.answer(local(), None).unwrap();
        let ours = one.receive_answer(&answer).unwrap();
        let (ours, theirs) = (ours.keys.unwrap(), theirs.keys.unwrap());
        prop_assert_eq!(&ours.send, &theirs.receive);
        prop_assert_eq!(&ours.receive, &theirs.send);
    }
}
