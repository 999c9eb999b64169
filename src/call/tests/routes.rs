//! Who reaches whom: directions, caller ids, companies apart from each other.

use super::*;
use crate::base::{CompanyId, Direction, NumberId, UserId};

#[test]
fn an_extension_rings_the_user_of_the_callers_own_company_only() {
    let mut lab = Lab::new();
    let (acme_201, bolt_201) = (lab.phone(ACME, "201"), lab.phone(BOLT, "201"));
    let (acme_202, bolt_202) = (lab.phone(ACME, "202"), lab.phone(BOLT, "202"));
    for (caller, own, foreign, company) in [(acme_202, acme_201, bolt_201, 1), (bolt_202, bolt_201, acme_201, 2)] {
        let before = lab.phones[foreign].got(Method::Invite);
        lab.talk(caller, own, "201");
        assert_eq!(lab.phones[foreign].got(Method::Invite), before);
        assert_eq!(lab.record().company, CompanyId(company));
        assert_eq!(lab.record().direction, Direction::Internal);
        lab.hangs_up(caller).run(secs(1));
    }
    lab.finish();
}

#[test]
fn a_user_cannot_call_into_another_company_by_its_domain() {
    let mut lab = Lab::new();
    let (alice, otto) = (lab.phone(ACME, "201"), lab.phone(BOLT, "201"));
    lab.calls(alice, "sip:201@bolt.test").run(secs(1));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(401), "Bolt does not know Alice's password");
    assert_eq!(lab.phones[otto].got(Method::Invite), 0);
    lab.finish();
}

#[test]
fn the_called_number_decides_whose_call_it_is_behind_a_shared_carrier_address() {
    let mut lab = Lab::new();
    let (alice, otto) = (lab.phone(ACME, "201"), lab.phone(BOLT, "201"));
    let carrier = lab.carrier();
    for (number, callee, company, other) in [("+49301110001", alice, 1, otto), ("49302220001", otto, 2, alice)] {
        let before = lab.phones[other].got(Method::Invite);
        lab.talk(carrier, callee, number);
        assert_eq!(lab.phones[other].got(Method::Invite), before);
        let record = lab.record();
        assert_eq!((record.company, record.direction), (CompanyId(company), Direction::Inbound));
        assert_eq!(record.caller.user, None);
        lab.hangs_up(callee).run(secs(1));
    }
    lab.finish();
}

#[test]
fn numbers_that_lead_nowhere_are_404_for_the_carrier() {
    for number in ["+49301110009", "+4989000", "201"] {
        let mut lab = Lab::new();
        let carrier = lab.carrier();
        lab.phone(ACME, "201");
        lab.calls(carrier, number).run(secs(1));
        assert_eq!(lab.heard(carrier), [404], "{number}");
        lab.finish();
    }
}

#[test]
fn an_outbound_call_leaves_through_the_trunk_with_the_users_number() {
    // The user's own number, else the company's default.
    for (extension, caller_id, number) in [("201", "+49301110001", 1), ("203", "+49301110002", 2)] {
        let mut lab = Lab::new();
        let (caller, carrier) = (lab.phone(ACME, extension), lab.carrier());
        lab.talk(caller, carrier, "089555123");
        let invite = lab.phones[carrier].last_request(Method::Invite);
        assert_eq!(invite.uri.user_unescaped().as_deref(), Some("+4989555123"));
        assert_eq!(invite.from().unwrap().uri.user_unescaped().as_deref(), Some(caller_id));
        let record = lab.record();
        assert_eq!((record.direction, record.number), (Direction::Outbound, Some(NumberId(number))));
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn without_any_caller_id_an_outbound_call_is_refused_and_says_why() {
    let mut lab = Lab::new();
    let olga = lab.phone(BOLT, "202");
    lab.calls(olga, "+4989555123").run(secs(1));
    assert_eq!(lab.heard(olga), [403]);
    assert!(lab.phones[olga].last_response(Method::Invite).reason.contains("caller id"));
    lab.finish();
}

#[test]
fn a_user_who_dials_a_number_of_the_company_calls_internally() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "030-1110002");
    let record = lab.record();
    assert_eq!(
        (record.direction, record.number, record.callee.user),
        (Direction::Internal, Some(NumberId(2)), Some(UserId(2)))
    );
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_call_between_two_companies_goes_through_the_trunks() {
    let mut lab = Lab::new();
    let (alice, carrier, otto) = (lab.phone(ACME, "201"), lab.carrier(), lab.phone(BOLT, "201"));
    lab.calls(alice, "+49302220001").run(ms(100));
    assert_eq!(lab.phones[otto].got(Method::Invite), 0);
    assert_eq!(lab.phones[carrier].got(Method::Invite), 1);
    lab.cancels(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_phone_behind_the_carriers_address_is_still_asked_for_its_password() {
    let mut lab = Lab::new();
    let bob = lab.phone(ACME, "202");
    let alice = lab.add_phone(ACME, "201", Transport::Udp, &format!("{CARRIER}:5099"));
    lab.talk(alice, bob, "+49301110002");
    assert!(lab.phones[alice].statuses(Method::Invite).contains(&401));
    assert_eq!(lab.record().caller.user, Some(UserId(1)));
    assert_eq!(lab.record().direction, Direction::Internal);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_call_for_a_domain_that_is_not_served_is_404() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    lab.calls(alice, "sip:202@elsewhere.test").run(secs(1));
    assert_eq!(lab.heard(alice), [404]);
    lab.finish();
}

#[test]
fn a_stranger_without_password_calls_nobody() {
    let mut lab = Lab::new();
    let (bob, mallory) = (lab.phone(ACME, "202"), lab.new_phone(ACME, "201", Transport::Udp));
    lab.phones[mallory].password = "guess".to_owned();
    lab.calls(mallory, "202").run(secs(1));
    assert_eq!(lab.phones[mallory].last_status(Method::Invite), Some(401));
    assert_eq!(lab.phones[bob].got(Method::Invite), 0);
    lab.finish();
}

/// What Acme's settings are, with a change.
fn acme_with(lab: &mut Lab, change: impl FnOnce(&mut super::directory::Parts)) {
    let mut parts = companies();
    change(&mut parts);
    lab.operate(|switch, _, _, _| switch.set_directory(Arc::new(super::directory::build(parts))));
}

#[test]
fn emergency_numbers_leave_through_the_trunk_as_they_were_dialled() {
    for (own, dialled, sent) in
        [(None, "112", "112"), (None, "911", "911"), (None, "9-1-1", "911"), (Some(["110"]), "110", "110")]
    {
        let mut lab = Lab::new();
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        acme_with(&mut lab, |parts| {
            if let Some(own) = own {
                parts.companies[0].settings.emergency_numbers = own.map(str::to_owned).to_vec();
            }
        });
        lab.talk(alice, carrier, dialled);
        let invite = lab.phones[carrier].last_request(Method::Invite);
        assert_eq!(invite.uri.user_unescaped().as_deref(), Some(sent));
        assert_eq!(invite.from().unwrap().uri.user_unescaped().as_deref(), Some("+49301110001"), "the call back");
        assert_eq!((lab.record().direction, lab.record().callee.address.as_str()), (Direction::Outbound, sent));
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn nothing_that_refuses_other_calls_stands_in_the_way_of_an_emergency_call() {
    use crate::call::Shortage;
    use crate::directory::OnRecordingFailure;
    type Obstacle = fn(&mut Lab);
    let rows: [(&str, Obstacle); 7] = [
        ("the limit of calls", |lab| lab.switch.config.max_calls = 0),
        ("the memory limit", |lab| lab.desk.shortage = Some(Shortage::Memory)),
        ("the CPU limit", |lab| lab.desk.shortage = Some(Shortage::Cpu)),
        ("a full disk, where that refuses calls", |lab| {
            acme_with(lab, |parts| parts.companies[0].settings.on_recording_failure = OnRecordingFailure::Refuse);
            lab.operate(|switch, _, _, _| switch.set_recording_problem(Some("the disk is full".to_owned())));
        }),
        ("a full disk, where that ends calls", |lab| {
            acme_with(lab, |parts| parts.companies[0].settings.on_recording_failure = OnRecordingFailure::Hangup);
            lab.operate(|switch, _, _, _| switch.set_recording_problem(Some("the disk is full".to_owned())));
        }),
        ("a user with that extension", |lab| acme_with(lab, |parts| parts.users[1].extension = "112".to_owned())),
        ("no caller id", |lab| {
            acme_with(lab, |parts| {
                parts.users[0].number = None;
                parts.companies[0].default_number = None;
            });
        }),
    ];
    for (obstacle, set_up) in rows {
        let mut lab = Lab::new();
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        set_up(&mut lab);
        lab.talk(alice, carrier, "112").run(secs(5));
        assert!(lab.phones[alice].is_talking() && lab.phones[carrier].is_talking(), "{obstacle}");
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn an_emergency_call_whose_recording_fails_is_not_hung_up() {
    use crate::directory::OnRecordingFailure;
    let mut lab = Lab::new();
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    acme_with(&mut lab, |parts| parts.companies[0].settings.on_recording_failure = OnRecordingFailure::Hangup);
    for (dialled, goes_on) in [("112", true), ("089555123", false)] {
        lab.talk(alice, carrier, dialled);
        let call = lab.record().id;
        lab.operate(|switch, now, wall, desk| switch.recording_failed(call, now, wall, desk));
        lab.run(secs(1));
        assert_eq!(lab.phones[carrier].is_talking(), goes_on, "{dialled}");
        if goes_on {
            lab.hangs_up(carrier).run(secs(1));
        }
    }
    lab.finish();
}

#[test]
fn without_any_number_an_emergency_call_still_leaves() {
    let mut lab = Lab::new();
    let (otto, carrier) = (lab.phone(BOLT, "202"), lab.carrier());
    acme_with(&mut lab, |parts| {
        parts.numbers.retain(|number| number.company != CompanyId(2));
        parts.users.iter_mut().for_each(|user| user.number = user.number.filter(|id| id.0 < 10));
    });
    lab.talk(otto, carrier, "112");
    let invite = lab.phones[carrier].last_request(Method::Invite);
    assert_eq!(invite.from().unwrap().uri.user_unescaped().as_deref(), Some("anonymous"));
    lab.hangs_up(otto).run(secs(1));
    lab.finish();
}

#[test]
fn service_numbers_leave_as_dialled_and_obey_what_other_calls_obey() {
    let mut lab = Lab::new();
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    lab.calls(alice, "118").run(secs(1));
    assert_eq!(lab.heard(alice), [404], "a code that nobody has listed");
    acme_with(&mut lab, |parts| {
        parts.companies[0].settings.service_numbers = vec!["118".to_owned(), "11833".to_owned()];
    });
    for code in ["118", "11833"] {
        lab.talk(alice, carrier, code);
        let invite = lab.phones[carrier].last_request(Method::Invite);
        assert_eq!(invite.uri.user_unescaped().as_deref(), Some(code));
        lab.hangs_up(carrier).run(secs(1));
    }
    lab.switch.config.max_calls = 0;
    lab.calls(alice, "118").run(secs(1));
    assert_eq!(lab.heard(alice).last(), Some(&503));
    lab.finish();
}
