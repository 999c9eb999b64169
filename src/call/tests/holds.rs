//! Music on hold: who is told what, and who hears it.

use super::sdp::flow_of;
use super::*;
use crate::base::{CompanyId, Side};
use crate::directory::{Facility, FacilityRow, Sound};

/// Acme with a prompt `hold-music`.
fn lab() -> (Lab, Id, Id) {
    let music = Facility::Prompt(Sound(vec![8_031; 1_600].into()));
    let row = FacilityRow { id: 62, company: CompanyId(1), name: "hold-music".to_owned(), facility: music };
    let mut lab = Lab::new();
    lab.desk.plays = true;
    lab.switch.set_directory(Arc::new(directory::build(companies()).with_facilities([row])));
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202");
    (lab, alice, bob)
}

impl Lab {
    /// Packets of music to a party since the last look.
    fn music_to(&mut self, of: Side) -> usize {
        let byte = crate::audio::Law::Mu.encode(8_031);
        let packets = std::mem::take(&mut self.desk.tape.rtp);
        packets.iter().filter(|(side, _, packet)| *side == of && packet.get(12) == Some(&byte)).count()
    }
}

#[test]
fn every_style_of_hold_lets_the_held_party_hear_music() {
    for style in ["sendonly", "inactive", "zero"] {
        let (mut lab, alice, bob) = lab();
        lab.reinvites(bob, style).run(secs(1));
        assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendonly", "{style}");
        let answered = if style == "inactive" { "inactive" } else { "recvonly" };
        assert_eq!(flow_of(&lab.phones[bob].last_response(Method::Invite).body), answered, "{style}");
        assert!((40..=51).contains(&lab.music_to(Side::Caller)), "{style}");
        assert!(lab.desk.media_of(Side::Caller).held && !lab.desk.media_of(Side::Callee).held, "{style}");
        // Nothing is out of step, so nobody is asked again.
        let asked = lab.phones[alice].got(Method::Invite);
        lab.run(secs(5));
        assert_eq!(lab.phones[alice].got(Method::Invite), asked, "{style}");
        lab.music_to(Side::Caller);
        lab.reinvites(bob, "sendrecv").run(secs(1));
        assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendrecv", "{style}");
        assert!(lab.music_to(Side::Caller) <= 2, "{style}: not after it was taken up again");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_held_party_that_is_transferred_hears_music_until_the_target_is_there() {
    let (mut lab, alice, bob) = lab();
    let carol = lab.phone(ACME, "203");
    lab.reinvites(bob, "inactive").run(ms(200));
    lab.act(bob, |phone, now| phone.refer("<sip:203@acme.test>", &[], now));
    lab.run(ms(200)).rings(carol, 180);
    lab.music_to(Side::Caller);
    lab.run(secs(2));
    assert!((95..=101).contains(&lab.music_to(Side::Caller)), "while the target rings");
    lab.answers(carol).run(ms(300));
    lab.music_to(Side::Caller);
    lab.run(secs(2));
    assert_eq!(lab.music_to(Side::Caller), 0);
    let media = lab.desk.media_of(Side::Caller);
    assert!(media.sends && media.receives && !media.held);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn the_music_stands_in_the_recording_on_the_channel_of_who_holds() {
    let (mut lab, alice, bob) = lab();
    lab.reinvites(bob, "sendonly").run(secs(1));
    let frames = lab.desk.tape.tapped.iter().filter(|event| event.starts_with("Frame"));
    let of: Vec<bool> = frames.map(|event| event.contains("side: Callee")).collect();
    assert!(of.len() >= 40 && of.iter().all(|callee| *callee), "{}", of.len());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}
