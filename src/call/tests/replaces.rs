//! INVITE with Replaces: a phone that takes a place in a call, and what no phone may take.

use super::*;
use crate::base::{CompanyId, Side};
use crate::call::MediaOrder;
use crate::directory::{Facility, FacilityRow, GroupText};
use crate::ledger::JoinedBy;
use crate::policy::Command;

/// Our Contact: what a phone that was told of a dialog would call.
const US: &str = "sip:telegraphone@192.0.2.1:5060";

/// The value of Replaces: a phone's dialog as we have it.
fn naming(dialog: &Dialog) -> String {
    format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag, dialog.local_tag)
}

/// The early dialog of a phone that rings, as we have it.
fn naming_what_rings_at(lab: &Lab, id: Id) -> String {
    let (_, invite) = lab.phones[id].incoming.clone().expect("a call rings");
    format!("{};to-tag={};from-tag=phone{id}", invite.call_id().unwrap(), invite.from_tag().unwrap())
}

impl Lab {
    /// A phone that is not called: it has not registered.
    fn spare(&mut self, extension: &str) -> Id {
        self.new_phone(ACME, extension, Transport::Udp)
    }

    fn replaces(&mut self, id: Id, value: &str) -> &mut Self {
        self.phones[id].extra.retain(|(name, _)| name != "Replaces");
        self.phones[id].extra.push(("Replaces".to_owned(), value.to_owned()));
        self.phones[id].extra.push(("Require".to_owned(), "replaces".to_owned()));
        self.calls(id, US).run(ms(300))
    }

    fn told(&self, id: Id) -> (u16, String) {
        let response = self.phones[id].last_response(Method::Invite);
        (response.status, response.reason.clone())
    }
}

#[test]
fn a_user_takes_a_call_over_to_another_phone_and_the_file_goes_on() {
    for (taken, side) in [(0, Side::Caller), (1, Side::Callee)] {
        let mut lab = Lab::new();
        lab.desk.plays = true;
        let phones = [lab.phone(ACME, "201"), lab.phone(ACME, "202")];
        lab.talk(phones[0], phones[1], "202");
        let extension = lab.phones[phones[taken]].extension.clone();
        let spare = lab.spare(&extension);
        let dialog = lab.phones[phones[taken]].dialog.clone().unwrap();
        lab.replaces(spare, &naming(&dialog));
        assert_eq!(lab.phones[spare].statuses(Method::Invite), [401, 200], "the password is asked for");
        let supported = lab.phones[spare].last_response(Method::Invite).headers.get("Supported");
        assert!(supported.unwrap().contains("replaces"));
        assert_eq!(lab.phones[phones[taken]].got(Method::Bye), 1, "the one before hears BYE");
        assert!(lab.phones[phones[1 - taken]].is_talking() && lab.phones[spare].is_talking());
        let joined = lab.record().joined.last().unwrap().clone();
        assert_eq!((joined.side, joined.how, &joined.instead_of), (side, JoinedBy::Replaces, &joined.party));
        assert_eq!(lab.desk.joining(side).name, joined.party.to_string(), "the marker has the name");
        let call = lab.record().id;
        assert!(lab.desk.bridges[&call].rules().open() && lab.switch.call_count() == 1);
        lab.reinvites(spare, "sendonly").run(ms(200)).reinvites(spare, "sendrecv").run(ms(200));
        assert_eq!(lab.phones[spare].last_status(Method::Invite), Some(200), "it is a leg like any other");
        lab.hangs_up(spare).run(secs(1));
        assert_eq!(lab.ended().0, Outcome::Completed);
        assert!(!lab.phones[phones[1 - taken]].is_talking());
        lab.finish();
    }
}

#[test]
fn a_pause_outlasts_the_phone_that_is_replaced_and_who_holds_goes_on_holding() {
    let mut lab = Lab::new();
    lab.desk.plays = true;
    let (alice, bob, spare) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.spare("202"));
    lab.talk(alice, bob, "202").reinvites(alice, "sendonly").run(ms(200));
    let call = lab.switch.calls()[0].record.id;
    lab.operate(|switch, now, wall, desk| switch.command(call, Command::Pause, now, wall, desk));
    let dialog = lab.phones[bob].dialog.clone().unwrap();
    lab.replaces(spare, &naming(&dialog));
    let body = &lab.phones[spare].last_response(Method::Invite).body;
    assert_eq!(super::sdp::flow_of(body), "sendonly");
    assert!(!lab.desk.bridges[&call].rules().open());
    lab.hangs_up(alice).run(secs(1));
    assert!(lab.record().ended_paused);
    lab.finish();
}

#[test]
fn who_is_consulted_takes_the_place_of_the_one_who_consults_and_nobody_else_does() {
    let mut lab = Lab::new();
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(alice, bob, "202");
    let first = lab.switch.calls()[0].record.id;
    let dialog = lab.phones[bob].dialog.clone().unwrap();
    lab.replaces(carol, &naming(&dialog));
    assert_eq!(lab.told(carol).0, 481, "a colleague of whom nobody wanted anything");
    lab.phones[bob].park();
    lab.phones[carol].extra.retain(|(name, _)| !matches!(name.as_str(), "Replaces" | "Require"));
    lab.talk(bob, carol, "203");
    lab.phones[carol].park();
    lab.replaces(carol, &naming(&dialog));
    assert_eq!(lab.told(carol).0, 200);
    let joined = lab.switch.call(first).unwrap().record.joined;
    assert_eq!(
        joined.iter().map(|j| (j.how, j.party.name.as_str())).collect::<Vec<_>>(),
        [(JoinedBy::Replaces, "Carol")]
    );
    assert_eq!(lab.switch.call_count(), 2, "the consultation is for its phones to end");
    lab.hangs_up(bob).run(secs(1)).hangs_up(alice).run(secs(1));
    assert_eq!(lab.switch.call_count(), 0);
    lab.finish();
}

#[test]
fn what_is_not_the_senders_is_answered_as_what_does_not_exist() {
    let mut lab = Lab::new();
    let (alice, bob, otto) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(BOLT, "202"));
    let (carrier, dave, spare) = (lab.carrier(), lab.phone(ACME, "203"), lab.spare("201"));
    lab.talk(alice, bob, "202").talk(dave, carrier, "+4915155555");
    lab.replaces(spare, "nothing;to-tag=a;from-tag=b");
    let unknown = lab.told(spare);
    assert_eq!(unknown.0, 481);
    let his = naming(&lab.phones[bob].dialog.clone().unwrap());
    let outside = naming(&lab.phones[carrier].dialog.clone().unwrap());
    lab.replaces(otto, &his);
    assert_eq!(lab.told(otto), unknown, "another company's");
    lab.replaces(dave, &his);
    assert_eq!(lab.told(dave), unknown, "another call's");
    lab.replaces(dave, &outside);
    assert_eq!(lab.told(dave), unknown, "a trunk's");
    lab.phones[spare].password = "wrong".to_owned();
    let hers = naming(&lab.phones[alice].dialog.clone().unwrap());
    lab.replaces(spare, &hers);
    assert_eq!(lab.phones[spare].last_status(Method::Invite), Some(401), "without the password nothing is said");
    lab.replaces(carrier, &outside);
    assert_eq!(lab.told(carrier), unknown, "nor to whom is no user");
    assert_eq!(lab.switch.call_count(), 2);
    assert!(lab.desk.joined.is_empty());
    lab.hangs_up(alice).run(secs(1)).hangs_up(dave).run(secs(1));
    lab.finish();
}

#[test]
fn a_replaces_that_cannot_be_done_says_why() {
    let mut lab = Lab::new();
    let (alice, bob, spare) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.spare("202"));
    lab.talk(alice, bob, "202");
    let his = naming(&lab.phones[bob].dialog.clone().unwrap());
    let rows = [
        (format!("{his};early-only"), 486),
        (naming(&lab.phones[alice].dialog.clone().unwrap()), 403),
        ("x;to-tag=a".to_owned(), 400),
    ];
    for (value, status) in rows {
        lab.replaces(spare, &value);
        assert_eq!(lab.told(spare).0, status, "{value}");
    }
    lab.phones[spare].late_offer = true;
    lab.replaces(spare, &his);
    assert_eq!(lab.told(spare).0, 488);
    lab.phones[spare].late_offer = false;
    lab.desk.free_ports = 0;
    lab.replaces(spare, &his);
    assert_eq!(lab.told(spare).0, 503);
    lab.phones[spare].voice.formats = vec![3];
    lab.desk.free_ports = 10;
    lab.replaces(spare, &his);
    assert_eq!(lab.told(spare).0, 488);
    assert_eq!(lab.desk.count(|order| matches!(order, MediaOrder::CloseTarget)), 2, "ports are given back");
    assert!(lab.phones[bob].is_talking());
    lab.hangs_up(alice).run(secs(1));
    lab.replaces(spare, &his);
    assert_eq!(lab.told(spare).0, 603, "it has ended");
    let carol = lab.phone(ACME, "203");
    lab.replaces(carol, &his);
    assert_eq!(lab.told(carol).0, 481, "which is no news for others");
    lab.run(secs(40)).replaces(spare, &his);
    assert_eq!(lab.told(spare).0, 481, "and is forgotten");
    lab.finish();
}

#[test]
fn a_user_takes_places_only_where_the_company_lets_them_transfer() {
    let mut lab = Lab::with(|parts| parts.companies[0].settings.transfer = false);
    let (alice, bob, spare) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.spare("202"));
    lab.talk(alice, bob, "202");
    let his = naming(&lab.phones[bob].dialog.clone().unwrap());
    lab.replaces(spare, &his);
    assert_eq!(lab.told(spare).0, 403);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_call_that_rings_is_picked_up_by_another_phone_of_the_user() {
    for early_only in ["", ";early-only"] {
        let mut lab = Lab::new();
        lab.desk.plays = true;
        let (carrier, bob, spare) = (lab.carrier(), lab.phone(ACME, "202"), lab.spare("202"));
        lab.calls(carrier, "+49301110002").run(ms(100)).rings(bob, 180).run(secs(1));
        let ringing = naming_what_rings_at(&lab, bob);
        lab.replaces(spare, &format!("{ringing}{early_only}"));
        assert_eq!((lab.told(spare).0, lab.phones[bob].cancelled), (200, 1));
        assert_eq!(lab.heard(carrier), [180, 200]);
        assert!(lab.phones[carrier].is_talking() && lab.phones[spare].is_talking());
        let record = lab.record().clone();
        assert_eq!((record.outcome, record.callee.name.as_str(), record.joined.len()), (Outcome::Answered, "Bob", 0));
        assert!(lab.desk.bridges[&record.id].rules().open());
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_call_that_rings_is_picked_up_within_the_group_and_by_nobody_else() {
    let members = ["202", "203"].map(str::to_owned).to_vec();
    let group = GroupText { label: "Sales".to_owned(), members, subscribe_members: false };
    let row = FacilityRow { id: 60, company: CompanyId(1), name: "sales".to_owned(), facility: Facility::Group(group) };
    let mut lab = Lab::new();
    lab.switch.set_directory(Arc::new(directory::build(companies()).with_facilities(vec![row])));
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    let (bob, carol) = (lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.calls(carrier, "+49301110002").run(ms(100)).rings(bob, 180).run(secs(1));
    let ringing = naming_what_rings_at(&lab, bob);
    lab.replaces(alice, &ringing);
    assert_eq!(lab.told(alice).0, 481);
    lab.replaces(carol, &ringing).run(ms(300));
    assert_eq!((lab.told(carol).0, lab.phones[bob].cancelled), (200, 1));
    assert_eq!(lab.record().callee.name, "Carol");
    lab.hangs_up(carol).run(secs(1));
    lab.finish();
}

#[test]
fn an_early_dialog_that_the_caller_began_is_not_taken() {
    let mut lab = Lab::new();
    let (alice, bob, spare) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.spare("201"));
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(300));
    let (_, invite) = lab.phones[alice].outgoing.clone().unwrap();
    let hers = naming(&dialog_of(&invite, lab.phones[alice].last_response(Method::Invite)));
    lab.replaces(spare, &hers);
    assert_eq!(lab.told(spare).0, 481);
    lab.cancels(alice).run(secs(1));
    lab.finish();
}

#[test]
fn places_are_taken_on_a_lossy_network_too() {
    for seed in 1..=5 {
        let mut lab = Lab::seeded(seed);
        let (alice, bob, spare) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.spare("202"));
        lab.talk(alice, bob, "202");
        let his = naming(&lab.phones[bob].dialog.clone().unwrap());
        (lab.loss_percent, lab.jitter) = (20, ms(20));
        lab.replaces(spare, &his).run(secs(20));
        lab.loss_percent = 0;
        assert!(lab.phones[alice].is_talking() && lab.phones[spare].is_talking(), "seed {seed}");
        assert!(!lab.phones[bob].is_talking() && lab.record().joined.len() == 1, "seed {seed}");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}
