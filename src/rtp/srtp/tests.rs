use super::session::{Session, Use};
use super::*;
use crate::base::{Random, Seeded};
use crate::rtp::{HEADER, rewrite_header, rtcp};
use proptest::prelude::*;
use webrtc_srtp::context::Context as Published;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

fn key(suite: Suite, text: &str) -> MasterKey {
    MasterKey::from_bytes(suite, &bytes(text)).unwrap()
}

const KEY_128: &str = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";
const KEY_256: &str = "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2";

fn receiving(key: &MasterKey, mki_length: u8) -> Inbound {
    Inbound::new(&Keys { send: key.clone(), receive: key.clone(), mki_length })
}

fn packet(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; HEADER];
    rewrite_header(&mut header, false, 0, sequence, u32::from(sequence) * 160, ssrc);
    [&header, payload].concat()
}

fn protected(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    outbound.protect(packet, &mut [0; 2_048]).unwrap().to_vec()
}

fn opened(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let length = inbound.unprotect(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

/// RFC 3711 §B.3 and RFC 6188 §7.4: encryption key, salt, authentication key.
#[test]
fn session_keys_are_those_of_the_rfcs() {
    let rows = [
        (
            key(Suite::Aes128Tag80, KEY_128),
            "C61E7A93744F39EE10734AFE3FF7A087",
            "30CBBC08863D8C85D49DB34A9AE1",
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
        ),
        (
            key(Suite::Aes256Tag80, KEY_256),
            "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        ),
    ];
    for (master, encryption, salt, authentication) in rows {
        let suite = master.suite();
        let session = Session::derive(&master, Use::Rtp);
        assert_eq!(session.salt().to_be_bytes()[2..], bytes(salt), "{suite}: salt");
        let by_hand = Session::from_parts(&bytes(encryption), &bytes(authentication), session.salt());
        let (mut ours, mut theirs) = ([0; 40], [0; 40]);
        session.crypt(7, 9, &mut ours);
        by_hand.crypt(7, 9, &mut theirs);
        assert_eq!(ours, theirs, "{suite}: encryption key");
        assert_eq!(session.tag(b"abc", Some(3)), by_hand.tag(b"abc", Some(3)), "{suite}: authentication key");
    }
}

/// RFC 3711 §B.2 and RFC 6188 §7.1.
#[test]
fn the_keystream_is_that_of_the_rfcs() {
    let salt = 0xF0F1_F2F3_F4F5_F6F7_F8F9_FAFB_FCFD;
    let rows = [
        (
            "2B7E151628AED2A6ABF7158809CF4F3C",
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0",
        ),
        (
            "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31",
        ),
    ];
    for (key, expected) in rows {
        let mut stream = [0; 48];
        Session::from_parts(&bytes(key), &[0; 20], salt).crypt(0, 0, &mut stream);
        assert_eq!(stream.to_vec(), bytes(expected), "{key}");
    }
}

/// The reference packets of libsrtp's own test driver.
#[test]
fn whole_packets_are_those_of_the_reference_implementation() {
    let plain = bytes("800f1234decafbadcafebabe abababababababababababababababab");
    let rows = [
        (key(Suite::Aes128Tag80, KEY_128), "4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb"),
        (key(Suite::Aes256Tag80, KEY_256), "f1d9de17ff251ff1aa007774b0b4b40d a08d9d9a5b3a55d8873b"),
    ];
    for (key, expected) in rows {
        let sent = protected(&mut Outbound::new(&key), &plain);
        assert_eq!(sent[HEADER..], bytes(expected), "{}", key.suite());
        assert_eq!(opened(&mut receiving(&key, 0), &sent), Ok(plain.clone()), "{}", key.suite());
    }
    // Its SRTCP packet has index 1; ours begin with 0.
    let key = key(Suite::Aes128Tag80, KEY_128);
    let plain = bytes("81c8000bcafebabe abababababababababababababababab");
    let expected = bytes("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let mut outbound = Outbound::new(&key);
    outbound.protect_rtcp(&plain, &mut [0; 100]).unwrap();
    assert_eq!(outbound.protect_rtcp(&plain, &mut [0; 100]).unwrap(), expected);
    let mut packet = expected;
    let length = receiving(&key, 0).unprotect_rtcp(&mut packet).unwrap();
    assert_eq!(packet[..length], plain);
}

#[test]
fn the_published_crate_reads_what_we_write_and_we_read_what_it_writes() {
    let profiles = [
        ProtectionProfile::Aes128CmHmacSha1_80,
        ProtectionProfile::Aes128CmHmacSha1_32,
        ProtectionProfile::Aes256CmHmacSha1_80,
        ProtectionProfile::Aes256CmHmacSha1_32,
    ];
    for (suite, profile) in Suite::ALL.into_iter().zip(profiles) {
        let key = MasterKey::random(suite, &mut Seeded(7));
        let parts = key.expose(|bytes| (bytes[..bytes.len() - 14].to_vec(), bytes[bytes.len() - 14..].to_vec()));
        let published = || {
            let (replay, replay_rtcp) = (srtp_replay_protection(64), srtcp_replay_protection(64));
            Published::new(&parts.0, &parts.1, profile, Some(replay), Some(replay_rtcp)).unwrap()
        };
        let (mut theirs_in, mut theirs_out) = (published(), published());
        let (mut ours_out, mut ours_in) = (Outbound::new(&key), receiving(&key, 0));
        // Over two rollovers, with a few packets out of order.
        for step in 0..140_000u32 {
            let sequence = (65_000
                + if step % 50 == 7 {
                    step - 3
                } else if step % 50 == 4 {
                    step + 3
                } else {
                    step
                }) as u16;
            if step > 2_000 && (2_500..64_000).contains(&sequence) && !sequence.is_multiple_of(1_000) {
                continue;
            }
            let plain = packet(sequence, 0xdead_beef, &step.to_be_bytes());
            let sent = protected(&mut ours_out, &plain);
            assert_eq!(theirs_in.decrypt_rtp(&sent).unwrap(), plain, "{suite}: {step} to them");
            let sent = theirs_out.encrypt_rtp(&plain).unwrap();
            assert_eq!(opened(&mut ours_in, &sent), Ok(plain), "{suite}: {step} to us");
        }
        let report = rtcp::report(9, "telegraphone", None, None, true);
        for _ in 0..3 {
            let sent = ours_out.protect_rtcp(&report, &mut [0; 200]).unwrap().to_vec();
            assert_eq!(theirs_in.decrypt_rtcp(&sent).unwrap(), report, "{suite}: RTCP to them");
            let mut sent = theirs_out.encrypt_rtcp(&report).unwrap().to_vec();
            let length = ours_in.unprotect_rtcp(&mut sent).unwrap();
            assert_eq!(sent[..length], report, "{suite}: RTCP to us");
        }
    }
}

#[test]
fn a_packet_is_taken_once() {
    let key = key(Suite::Aes128Tag32, KEY_128);
    let (mut outbound, mut inbound) = (Outbound::new(&key), receiving(&key, 0));
    let sent: Vec<_> = (0..200).map(|n| protected(&mut outbound, &packet(n, 5, b"abc"))).collect();
    assert!(opened(&mut inbound, &sent[150]).is_ok());
    assert_eq!(opened(&mut inbound, &sent[150]), Err(SrtpError::Replayed { index: 150 }));
    assert!(opened(&mut inbound, &sent[23]).is_ok(), "127 behind is inside the window");
    assert_eq!(opened(&mut inbound, &sent[23]), Err(SrtpError::Replayed { index: 23 }));
    assert_eq!(opened(&mut inbound, &sent[22]), Err(SrtpError::Replayed { index: 22 }), "too old to know");
    let report = rtcp::report(9, "t", None, None, false);
    let sent = outbound.protect_rtcp(&report, &mut [0; 200]).unwrap().to_vec();
    assert!(inbound.unprotect_rtcp(&mut sent.clone()).is_ok());
    assert_eq!(inbound.unprotect_rtcp(&mut sent.clone()), Err(SrtpError::Replayed { index: 0 }));
}

#[test]
fn nothing_goes_out_twice_under_one_index() {
    let mut outbound = Outbound::new(&key(Suite::Aes128Tag80, KEY_128));
    protected(&mut outbound, &packet(9, 5, b"one"));
    let again = outbound.protect(&packet(9, 5, b"two"), &mut [0; 100]).map(<[u8]>::to_vec);
    assert_eq!(again, Err(SrtpError::Replayed { index: 9 }));
}

#[test]
fn a_forged_packet_changes_nothing() {
    let key = key(Suite::Aes128Tag80, KEY_128);
    let (mut outbound, mut inbound) = (Outbound::new(&key), receiving(&key, 0));
    let first = protected(&mut outbound, &packet(10, 5, b"abc"));
    let second = protected(&mut outbound, &packet(11, 5, b"abc"));
    opened(&mut inbound, &first).unwrap();
    let mut forged = packet(40_000, 5, b"no tag that fits");
    let before = forged.clone();
    assert_eq!(inbound.unprotect(&mut forged), Err(SrtpError::Unauthentic));
    assert_eq!(forged, before, "it is not decrypted either");
    assert!(opened(&mut inbound, &second).is_ok(), "the index that is expected is still the old one");
}

#[test]
fn a_stream_that_began_just_before_its_numbers_wrapped_is_opened() {
    let key = key(Suite::Aes128Tag80, KEY_128);
    let (mut outbound, mut inbound) = (Outbound::new(&key), receiving(&key, 0));
    protected(&mut outbound, &packet(65_535, 5, b"lost on the way"));
    let heard = protected(&mut outbound, &packet(3, 5, b"abc"));
    assert!(opened(&mut inbound, &heard).is_ok());
}

#[test]
fn after_a_new_key_both_ways_to_count_and_stragglers_are_understood() {
    let (old, new) = (key(Suite::Aes128Tag80, KEY_128), MasterKey::random(Suite::Aes256Tag32, &mut Seeded(3)));
    for begins_anew in [false, true] {
        let (mut outbound, mut inbound) = (Outbound::new(&old), receiving(&old, 0));
        for sequence in [40_000, 60_000, 10_000u16] {
            opened(&mut inbound, &protected(&mut outbound, &packet(sequence, 5, b"abc"))).unwrap();
        }
        let straggler = protected(&mut outbound, &packet(10_001, 5, b"late"));
        let mut outbound = if begins_anew { Outbound::new(&new) } else { outbound.rekeyed(&new) };
        let mut inbound = inbound.rekeyed(&Keys { send: new.clone(), receive: new.clone(), mki_length: 0 });
        assert!(opened(&mut inbound, &straggler).is_ok(), "{begins_anew}");
        for sequence in 10_002..10_010 {
            let sent = protected(&mut outbound, &packet(sequence, 5, b"new"));
            assert!(opened(&mut inbound, &sent).is_ok(), "{begins_anew}: {sequence}");
        }
        assert_eq!(opened(&mut inbound, &straggler), Err(SrtpError::Unauthentic), "the old key is gone");
    }
}

#[test]
fn an_identifier_of_the_master_key_is_stepped_over() {
    let key = key(Suite::Aes128Tag80, KEY_128);
    let mut outbound = Outbound::new(&key);
    let plain = packet(1, 5, b"abc");
    let mut sent = protected(&mut outbound, &plain);
    let tag = sent.split_off(plain.len());
    sent.extend([0, 0, 0, 1]);
    sent.extend(tag);
    assert_eq!(opened(&mut receiving(&key, 4), &sent), Ok(plain));
    let report = rtcp::report(9, "t", None, None, false);
    let mut sent = outbound.protect_rtcp(&report, &mut [0; 200]).unwrap().to_vec();
    let tag = sent.split_off(report.len() + 4);
    sent.extend([0, 0, 0, 1]);
    sent.extend(tag);
    let length = receiving(&key, 4).unprotect_rtcp(&mut sent).unwrap();
    assert_eq!(sent[..length], report);
}

#[test]
fn an_authentic_report_that_is_not_encrypted_is_refused() {
    let key = key(Suite::Aes128Tag80, KEY_128);
    let session = Session::derive(&key, Use::Rtcp);
    let mut sent = rtcp::report(9, "t", None, None, false);
    sent.extend([0, 0, 0, 5]);
    let tag = session.tag(&sent, None);
    sent.extend(tag);
    assert_eq!(receiving(&key, 0).unprotect_rtcp(&mut sent), Err(SrtpError::Unencrypted));
}

#[test]
fn many_streams_under_one_key_are_told_apart() {
    let key = key(Suite::Aes128Tag80, KEY_128);
    let (mut outbound, mut inbound) = (Outbound::new(&key), receiving(&key, 0));
    for round in 0..3u16 {
        for ssrc in 0..8 {
            let sent = protected(&mut outbound, &packet(round, ssrc, b"abc"));
            assert!(opened(&mut inbound, &sent).is_ok(), "{round} {ssrc}");
            assert_eq!(opened(&mut inbound, &sent), Err(SrtpError::Replayed { index: u64::from(round) }), "{ssrc}");
        }
    }
}

#[test]
fn a_key_is_shown_nowhere_and_has_its_length() {
    let key = key(Suite::Aes256Tag80, KEY_256);
    let shown = format!("{key:?} {:?}", Keys { send: key.clone(), receive: key.clone(), mki_length: 0 });
    let secret = hex::encode(key.expose(<[u8]>::to_vec));
    for at in 0..secret.len() - 4 {
        assert!(!shown.contains(&secret[at..at + 4]), "{shown}");
    }
    assert!(!shown.contains("240"), "nor as decimal numbers: {shown}");
    let short = MasterKey::from_bytes(Suite::Aes128Tag80, &[1; 29]).unwrap_err();
    assert_eq!(short.to_string(), "a key of AES_CM_128_HMAC_SHA1_80 has 30 bytes with its salt, not 29");
    assert!(MasterKey::from_bytes(Suite::Aes128Tag80, &[1; 31]).is_err());
    let mut random = Seeded(1);
    assert_ne!(random.u32(), random.u32());
}

fn suites() -> impl Strategy<Value = Suite> {
    proptest::sample::select(Suite::ALL.to_vec())
}

proptest! {
    /// Whatever is sent in whatever order within the window comes out as it went in.
    #[test]
    fn what_goes_in_comes_out(
        suite in suites(),
        seed in any::<u64>(),
        first in any::<u16>(),
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..60),
        swaps in proptest::collection::vec((0usize..60, 0usize..60), 0..20),
    ) {
        let key = MasterKey::random(suite, &mut Seeded(seed));
        let (mut outbound, mut inbound) = (Outbound::new(&key), receiving(&key, 0));
        let mut sent: Vec<(Vec<u8>, Vec<u8>)> = payloads.iter().enumerate().map(|(at, payload)| {
            let plain = packet(first.wrapping_add(at as u16), 5, payload);
            let sent = protected(&mut outbound, &plain);
            (plain, sent)
        }).collect();
        // The first stays: before it nothing of the stream is known.
        let count = sent.len();
        for (one, other) in swaps {
            if count > 1 {
                sent.swap(1 + one % (count - 1), 1 + other % (count - 1));
            }
        }
        for (plain, sent) in sent {
            prop_assert_eq!(sent.len(), plain.len() + suite.tag_length());
            prop_assert_eq!(opened(&mut inbound, &sent), Ok(plain));
        }
    }

    /// No single byte can be changed without being noticed, and no bytes make either half panic.
    #[test]
    fn a_changed_byte_is_noticed(suite in suites(), at in 0usize..1_000, change in 1u8..=255) {
        let key = MasterKey::random(suite, &mut Seeded(5));
        let mut outbound = Outbound::new(&key);
        let mut sent = protected(&mut outbound, &packet(7, 5, &[1; 160]));
        let at = at % sent.len();
        sent[at] ^= change;
        prop_assert!(opened(&mut receiving(&key, 0), &sent).is_err());
        let report = rtcp::report(9, "telegraphone", None, None, true);
        let mut sent = outbound.protect_rtcp(&report, &mut [0; 200]).unwrap().to_vec();
        let at = at % sent.len();
        sent[at] ^= change;
        prop_assert!(receiving(&key, 0).unprotect_rtcp(&mut sent).is_err());
    }

    #[test]
    fn no_bytes_break_either_half(
        suite in suites(),
        mki in 0u8..=255,
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20),
        room in 0usize..100,
    ) {
        let key = MasterKey::random(suite, &mut Seeded(5));
        let (mut outbound, mut inbound) = (Outbound::new(&key), receiving(&key, mki));
        for mut packet in packets {
            if let Some(first) = packet.first_mut() {
                *first = (*first & 0x3f) | 0x80;
            }
            let mut place = vec![0; room];
            if let Ok(sent) = outbound.protect(&packet, &mut place) {
                prop_assert_eq!(sent.len(), packet.len() + suite.tag_length());
            }
            let _ = outbound.protect_rtcp(&packet, &mut place);
            let _ = inbound.unprotect(&mut packet.clone());
            let _ = inbound.unprotect_rtcp(&mut packet);
        }
    }
}
