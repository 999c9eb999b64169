use super::*;

fn wire(text: &'static str) -> Wire {
    Wire::from_static(text.as_bytes())
}

fn ms(millis: u64) -> Time {
    Time(millis * 1_000)
}

/// When a machine sends by itself, in ms, and when it ends.
macro_rules! timeline {
    ($machine:expr, $send:pat) => {{
        let (mut times, mut last) = (Vec::new(), 0);
        while let Some(at) = $machine.next_timeout() {
            last = at.0 / 1_000;
            if let $send = $machine.handle_timeout(at) {
                times.push(last);
            }
        }
        assert!($machine.is_terminated());
        (times, last)
    }};
}

#[test]
fn timer_a_and_b_of_an_invite() {
    let mut machine = InviteClient::new(Timers::default(), false, wire("INVITE"), ms(0));
    assert_eq!(timeline!(machine, ClientStep::Send(_)), (vec![500, 1_500, 3_500, 7_500, 15_500, 31_500], 32_000));
    let mut machine = InviteClient::new(Timers::default(), true, wire("INVITE"), ms(0));
    assert_eq!(timeline!(machine, ClientStep::Send(_)), (vec![], 32_000));
}

#[test]
fn timer_e_and_f_of_another_request() {
    let mut machine = NonInviteClient::new(Timers::default(), false, wire("BYE"), ms(0));
    let expected = vec![500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(timeline!(machine, ClientStep::Send(_)), (expected, 32_000));
    let mut machine = NonInviteClient::new(Timers::default(), false, wire("BYE"), ms(0));
    machine.received(100, ms(100));
    let expected = vec![4_100, 8_100, 12_100, 16_100, 20_100, 24_100, 28_100];
    assert_eq!(timeline!(machine, ClientStep::Send(_)), (expected, 32_000));
}

#[test]
fn timer_d_and_k_hold_a_finished_client_only_where_messages_repeat() {
    for (reliable, d, k) in [(false, 32_100, 5_100), (true, 100, 100)] {
        let mut machine = InviteClient::new(Timers::default(), reliable, wire("INVITE"), ms(0));
        assert_eq!(machine.received(486, || wire("ACK"), ms(100)), ClientStep::DeliverAndSend(wire("ACK")));
        assert_eq!(machine.received(486, || wire("other"), ms(100)), ClientStep::Send(wire("ACK")));
        assert_eq!(timeline!(machine, ClientStep::Send(_)), (vec![], d));
        let mut machine = NonInviteClient::new(Timers::default(), reliable, wire("BYE"), ms(0));
        assert_eq!(machine.received(200, ms(100)), ClientStep::Deliver);
        assert_eq!(machine.received(200, ms(100)), ClientStep::Nothing);
        assert_eq!(timeline!(machine, ClientStep::Send(_)), (vec![], k));
    }
}

#[test]
fn timer_m_lets_every_2xx_through_and_nothing_else() {
    let mut machine = InviteClient::new(Timers::default(), false, wire("INVITE"), ms(0));
    for _ in 0..3 {
        assert_eq!(machine.received(200, || wire("ACK"), ms(100)), ClientStep::Deliver);
    }
    for status in [180, 486] {
        assert_eq!(machine.received(status, || wire("ACK"), ms(200)), ClientStep::Nothing);
    }
    assert_eq!(timeline!(machine, ClientStep::Send(_)), (vec![], 32_100));
}

#[test]
fn a_proceeding_invite_waits_for_ever_and_a_cancelled_one_64_t1() {
    let mut machine = InviteClient::new(Timers::default(), false, wire("INVITE"), ms(0));
    machine.received(180, || wire("ACK"), ms(100));
    assert_eq!(machine.next_timeout(), None);
    machine.cancelled(ms(1_000));
    machine.received(183, || wire("ACK"), ms(2_000));
    assert_eq!(machine.next_timeout(), Some(ms(33_000)));
    assert_eq!(machine.handle_timeout(ms(33_000)), ClientStep::TimedOut);
}

#[test]
fn timer_g_h_and_i_of_a_refusal() {
    let refused = |reliable| {
        let mut machine = InviteServer::new(Timers::default(), reliable, wire("100"), ms(0));
        assert_eq!(machine.respond(486, wire("486"), ms(0)), ServerStep::Send(wire("486")));
        machine
    };
    let expected = vec![500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut machine = refused(false);
    assert_eq!(timeline!(machine, ServerStep::Send(_)), (expected, 32_000));
    let mut machine = refused(true);
    assert_eq!(timeline!(machine, ServerStep::Send(_)), (vec![], 32_000));
    for (reliable, ends) in [(false, 5_100), (true, 100)] {
        let mut machine = refused(reliable);
        assert_eq!(machine.retransmitted(), ServerStep::Send(wire("486")));
        machine.acked(ms(100));
        assert_eq!(machine.retransmitted(), ServerStep::Nothing);
        assert_eq!(timeline!(machine, ServerStep::Send(_)), (vec![], ends));
    }
}

#[test]
fn timer_l_absorbs_the_invite_after_a_2xx() {
    let mut machine = InviteServer::new(Timers::default(), false, wire("100"), ms(0));
    machine.respond(200, wire("200"), ms(0));
    assert_eq!(machine.retransmitted(), ServerStep::Nothing);
    assert_eq!(machine.respond(486, wire("486"), ms(1)), ServerStep::Nothing);
    assert!(machine.accepted_acked() && !machine.accepted_acked());
    assert_eq!(timeline!(machine, ServerStep::Send(_)), (vec![], 32_000));
}

#[test]
fn timer_j_repeats_the_answer_only_where_requests_repeat() {
    for (reliable, ends) in [(false, 32_100), (true, 100)] {
        let mut machine = NonInviteServer::new(Timers::default(), reliable, ms(0));
        assert_eq!(machine.retransmitted(), ServerStep::Nothing);
        machine.respond(200, wire("200"), ms(100));
        assert_eq!(machine.retransmitted(), ServerStep::Send(wire("200")));
        assert_eq!(machine.respond(500, wire("500"), ms(100)), ServerStep::Nothing);
        assert_eq!(timeline!(machine, ServerStep::Send(_)), (vec![], ends));
    }
}
