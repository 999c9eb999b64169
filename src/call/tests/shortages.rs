//! What runs out: 503 with Retry-After for new calls, the running ones untouched.

use super::*;
use crate::call::Shortage;

fn with_a_call() -> (Lab, Id, Id, Id, Id) {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    let (otto, olga) = (lab.phone(BOLT, "201"), lab.phone(BOLT, "202"));
    lab.talk(alice, bob, "202");
    (lab, alice, bob, otto, olga)
}

fn refused_while_alice_talks(shorten: impl FnOnce(&mut Lab)) {
    let (mut lab, alice, bob, otto, _) = with_a_call();
    shorten(&mut lab);
    lab.calls(otto, "202").run(secs(1));
    assert_eq!(lab.heard(otto), [503]);
    assert!(lab.phones[otto].last_response(Method::Invite).headers.has("Retry-After"));
    lab.reinvites(alice, "sendonly").run(secs(1));
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
    lab.hangs_up(bob).run(secs(1));
    assert_eq!(lab.ended().0, Outcome::Completed);
    lab.finish();
}

#[test]
fn without_ports_new_calls_are_refused_and_the_running_ones_go_on() {
    refused_while_alice_talks(|lab| lab.desk.free_ports = 0);
}

#[test]
fn with_one_port_only_it_is_given_back() {
    refused_while_alice_talks(|lab| lab.desk.free_ports = 1);
}

#[test]
fn beyond_the_limit_of_calls_new_ones_are_refused() {
    refused_while_alice_talks(|lab| lab.switch.config.max_calls = 1);
}

#[test]
fn a_machine_without_files_refuses_new_calls() {
    refused_while_alice_talks(|lab| lab.desk.shortage = Some(Shortage::Files));
}

#[test]
fn a_service_that_stops_takes_no_new_calls() {
    refused_while_alice_talks(|lab| lab.switch.stop_taking_calls());
}

#[test]
fn ports_that_were_given_back_can_be_taken_again() {
    let (mut lab, alice, bob, otto, olga) = with_a_call();
    lab.desk.free_ports = 0;
    lab.hangs_up(alice).run(secs(1));
    assert!(!lab.phones[bob].is_talking());
    lab.talk(otto, olga, "202").hangs_up(otto).run(secs(1));
    lab.finish();
}

#[test]
fn above_the_memory_or_the_cpu_limit_new_calls_are_refused() {
    for shortage in [Shortage::Memory, Shortage::Cpu] {
        refused_while_alice_talks(|lab| lab.desk.shortage = Some(shortage));
    }
}

#[test]
fn below_the_limit_again_calls_are_taken_again() {
    let (mut lab, alice, bob, otto, olga) = with_a_call();
    lab.desk.shortage = Some(Shortage::Memory);
    lab.calls(otto, "202").run(secs(1));
    assert_eq!(lab.heard(otto), [503]);
    let wait: u64 = lab.phones[otto].last_response(Method::Invite).headers.get("Retry-After").unwrap().parse().unwrap();
    lab.run(secs(wait));
    lab.desk.shortage = None;
    lab.talk(otto, olga, "202");
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
    lab.hangs_up(otto).hangs_up(alice).run(secs(1));
    lab.finish();
}
