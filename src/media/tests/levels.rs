//! How loud the parties are.

use super::*;
use crate::audio::codec::{MOST_PAYLOAD, encoder};
use crate::base::Rate;

/// A sample as the party writes it.
fn byte(side: Side, sample: i16) -> u8 {
    if side == Side::Caller { Law::Mu.encode(sample) } else { Law::A.encode(sample) }
}

fn says(lab: &mut Lab, side: Side, sample: i16) {
    for _ in 0..5 {
        lab.talk(side, byte(side, sample));
    }
}

#[test]
fn nobody_is_measured_until_somebody_watches_and_nobody_any_more_after_that() {
    let mut lab = lab(true, Ok(()));
    says(&mut lab, Side::Caller, 8_000);
    assert!(!lab.bridge.is_metered());
    assert_eq!(lab.bridge.take_levels(), [None; 2]);
    lab.bridge.meter(true);
    assert_eq!(lab.bridge.take_levels(), [None; 2], "what came before is not known");
    says(&mut lab, Side::Caller, 8_000);
    let [caller, callee] = lab.bridge.take_levels();
    assert!((-12.5..-12.0).contains(&caller.unwrap()), "8,000 of 32,768: {caller:?}");
    assert_eq!(callee, None, "nothing came");
    says(&mut lab, Side::Callee, 800);
    lab.bridge.meter(true);
    let [caller, callee] = lab.bridge.take_levels();
    assert_eq!(caller, None, "since the last time");
    assert!((-32.6..-32.0).contains(&callee.unwrap()), "{callee:?}");
    says(&mut lab, Side::Callee, 800);
    lab.bridge.meter(false);
    assert_eq!((lab.bridge.take_levels(), lab.bridge.is_metered()), ([None; 2], false));
}

#[test]
fn a_party_is_as_loud_while_the_recording_is_paused_and_nothing_of_it_stays() {
    let mut lab = lab(true, Ok(()));
    lab.run(10);
    lab.dial(Side::Caller, "#11#");
    lab.bridge.meter(true);
    let before = lab.frames(Side::Callee);
    let left = lab.talk(Side::Callee, byte(Side::Callee, 8_000));
    let [_, callee] = lab.bridge.take_levels();
    assert!((-12.5..-12.0).contains(&callee.unwrap()), "{callee:?}");
    assert!(left.iter().all(|byte| *byte == 0));
    assert_eq!(lab.frames(Side::Callee), before, "nothing of it is recorded");
}

#[test]
fn what_comes_from_elsewhere_or_twice_is_no_party() {
    let mut lab = lab(true, Ok(()));
    lab.run(1);
    lab.bridge.meter(true);
    let mut packet = vec![0; HEADER];
    rewrite_header(packet.first_chunk_mut().unwrap(), false, 0, 102, 5_000, 0xa0);
    packet.extend([byte(Side::Caller, 8_000); 160]);
    let mut copy = packet.clone();
    let stranger = "192.0.2.66:4000".parse().unwrap();
    lab.bridge.on_rtp(Side::Caller, stranger, &mut copy, lab.now, &mut lab.out);
    assert_eq!(lab.bridge.take_levels(), [None; 2]);
    lab.talk(Side::Caller, byte(Side::Caller, 800));
    rewrite_header(packet.first_chunk_mut().unwrap(), false, 0, lab.sequence[0] - 1, lab.timestamp[0] - 160, 0xa0);
    lab.bridge.on_rtp(Side::Caller, address(Side::Caller), &mut packet, lab.now, &mut lab.out);
    let [caller, _] = lab.bridge.take_levels();
    assert!((-32.6..-32.0).contains(&caller.unwrap()), "what came first: {caller:?}");
}

/// Wideband between both legs, or between one and G.711: decoded for nobody, or for the other leg.
#[test]
fn a_codec_is_measured_the_same_whether_the_other_leg_needs_it_decoded_or_not() {
    let levels = [Coding::G722, Coding::PCMU].map(|far| {
        let mut lab = lab(true, Ok(()));
        let own = |side: Side, payload_type: u8, coding: Coding| LegMedia {
            send: (payload_type, coding),
            receive: LegMedia::received([(payload_type, coding)]),
            ..media(side, Law::Mu)
        };
        lab.bridge.set_media(Side::Caller, own(Side::Caller, 9, Coding::G722), lab.now, &mut lab.out);
        let far_type = if far == Coding::G722 { 9 } else { 0 };
        lab.bridge.set_media(Side::Callee, own(Side::Callee, far_type, far), lab.now, &mut lab.out);
        lab.bridge.meter(true);
        let mut encoder = encoder(Coding::G722, Rate::NARROW).unwrap();
        for packet in 0..20u32 {
            let tone = |at: u32| (f64::from(packet * 160 + at) * std::f64::consts::TAU / 20.0).sin() * 8_000.0;
            let samples: Vec<i16> = (0..160).map(|at| tone(at) as i16).collect();
            let mut payload = [0; MOST_PAYLOAD];
            let bytes = encoder.encode(&samples, &mut payload).unwrap();
            lab.send(Side::Caller, 9, false, packet * 160, &payload[..bytes]);
        }
        let [caller, callee] = lab.bridge.take_levels();
        assert_eq!(callee, None);
        caller.unwrap()
    });
    let [alone, for_the_other] = levels;
    assert!((-18.0..-13.0).contains(&alone), "{alone}");
    assert!((alone - for_the_other).abs() < 1.0, "{alone} and {for_the_other}");
}
