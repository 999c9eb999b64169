//! A called device that takes none of the codecs that it was offered is offered the others.

use super::sdp::formats_of;
use super::*;
use crate::audio::Coding;
use crate::base::Side;
use crate::directory::AudioCodec;

const G722: u8 = 9;
const OPUS: u8 = 96;

/// Alice with what she has, Bob with what he has; the company with its own list.
fn two(hers: &[u8], his: &[u8], company: &[AudioCodec]) -> (Lab, Id, Id) {
    let mut lab = Lab::with(|parts| parts.companies[0].settings.codecs = company.to_vec());
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.phones[alice].voice.formats = hers.to_vec();
    lab.phones[bob].voice.formats = his.to_vec();
    (lab, alice, bob)
}

fn offered(lab: &Lab, id: Id) -> String {
    formats_of(&lab.phones[id].last_request(Method::Invite).body).join(" ")
}

fn spoken(lab: &Lab) -> [Coding; 2] {
    Side::BOTH.map(|side| lab.desk.media_of(side).send.1)
}

#[test]
fn a_refused_device_is_offered_the_companys_other_codecs_behind_the_callers() {
    for refusal in [415, 488, 606] {
        let (mut lab, alice, bob) = two(&[8], &[G722], &[]);
        lab.calls(alice, "202").run(ms(100));
        assert_eq!(offered(&lab, bob), "8 0 101", "{refusal}");
        lab.refuses(bob, refusal).run(ms(100));
        assert_eq!(offered(&lab, bob), "8 0 9 96 18 101 97", "{refusal}");
        assert_eq!(lab.heard(alice), [0; 0], "the caller knows nothing of it");
        lab.rings(bob, 180).run(ms(100)).answers(bob).run(secs(1));
        assert_eq!(spoken(&lab), [Coding::PCMA, Coding::G722], "{refusal}");
        assert_eq!(lab.switch.calls()[0].callee.codec, "G722");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_caller_with_opus_alone_talks_to_a_phone_with_g722_alone() {
    let (mut lab, alice, bob) = two(&[OPUS], &[G722], &[]);
    lab.calls(alice, "202").run(ms(100)).refuses(bob, 488).run(ms(100));
    assert!(offered(&lab, bob).starts_with("96 0 8 9 18 "), "{}", offered(&lab, bob));
    lab.answers(bob).run(secs(1));
    assert_eq!(spoken(&lab), [Coding::Opus, Coding::G722]);
    lab.hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn only_what_the_company_allows_is_offered_in_its_order() {
    use AudioCodec::{G722 as Wide, Pcma, Pcmu};
    let rows: [(&[AudioCodec], &str, usize); 3] =
        [(&[Wide, Pcma], "9 8 101", 2), (&[Pcma, Wide], "8 9 101", 2), (&[Pcma, Pcmu], "8 0 101", 1)];
    for (company, last, invites) in rows {
        let (mut lab, alice, bob) = two(&[8], &[G722], company);
        lab.phones[bob].on_call = OnCall::Refuse(488);
        lab.calls(alice, "202").run(secs(1));
        assert_eq!((offered(&lab, bob).as_str(), lab.phones[bob].got(Method::Invite)), (last, invites), "{company:?}");
        assert_eq!(lab.heard(alice), [488], "the second refusal is the last word: {company:?}");
        lab.finish();
    }
}

#[test]
fn a_caller_whose_codec_cannot_be_decoded_is_not_promised_a_transcoder() {
    const GSM: u8 = 3;
    let (mut lab, alice, bob) = two(&[GSM], &[G722], &[]);
    lab.phones[bob].on_call = OnCall::Refuse(488);
    lab.calls(alice, "202").run(secs(1));
    assert_eq!((lab.phones[bob].got(Method::Invite), lab.heard(alice)), (1, vec![488]));
    lab.finish();
}

#[test]
fn the_second_offer_survives_a_group_that_rings_and_a_lossy_network() {
    for seed in 1..=4 {
        let mut lab = Lab::seeded(seed);
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.phones[bob].voice.formats = vec![G722];
        let desk = lab.add_phone(ACME, "202", Transport::Udp, "192.0.2.78:5060");
        lab.act(desk, |phone, now| phone.register(&[("Expires", "36000")], now));
        lab.run(secs(1));
        lab.loss_percent = 20;
        lab.calls(alice, "202").run(secs(12));
        lab.refuses(bob, 488).run(secs(8));
        lab.answers(bob).run(secs(8));
        lab.loss_percent = 0;
        assert!(lab.phones[bob].is_talking() && lab.phones[alice].is_talking(), "seed {seed}");
        assert_eq!((spoken(&lab)[1], lab.phones[desk].cancelled), (Coding::G722, 1), "seed {seed}");
        lab.hangs_up(alice).run(secs(8));
        lab.finish();
    }
}

#[test]
fn the_target_of_a_transfer_is_offered_them_too() {
    let mut lab = Lab::new();
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.phones[carol].voice.formats = vec![G722];
    lab.talk(alice, bob, "202");
    lab.act(bob, |phone, now| phone.refer("<sip:203@acme.test>", &[], now));
    lab.run(ms(100)).refuses(carol, 488).run(ms(100)).answers(carol).run(ms(500));
    assert_eq!(lab.phones[bob].progress(), [100, 200], "the transferor knows nothing of it");
    assert_eq!(lab.desk.joining(Side::Callee).media.send.1, Coding::G722);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn the_second_offer_is_as_safe_as_the_first_and_the_third_is_plain_where_that_may_be() {
    let crypto = "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
    for only_encrypted in [false, true] {
        let mut lab = Lab::with(|parts| parts.companies[0].settings.only_encrypted = only_encrypted);
        let (alice, bob) = (lab.phone_over(ACME, "201", Transport::Tls), lab.phone_over(ACME, "202", Transport::Tls));
        lab.phones[alice].voice.proto = "RTP/SAVP";
        lab.phones[alice].voice.crypto = vec![crypto.to_owned()];
        lab.phones[bob].on_call = OnCall::Refuse(488);
        lab.calls(alice, "202").run(secs(1));
        let invites = lab.phones[bob].requests.iter().filter(|(_, request)| request.method == Method::Invite);
        let said: Vec<(bool, bool)> = invites
            .map(|(_, invite)| {
                let text = String::from_utf8_lossy(&invite.body);
                (text.contains("RTP/SAVP"), formats_of(&invite.body).contains(&"9".to_owned()))
            })
            .collect();
        let expected = [(true, false), (true, true), (false, true)];
        assert_eq!(said, expected[..if only_encrypted { 2 } else { 3 }], "{only_encrypted}");
        assert_eq!(lab.heard(alice), [488]);
        lab.finish();
    }
}
