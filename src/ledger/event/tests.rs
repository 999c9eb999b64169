use super::*;
use crate::base::UserId;
use crate::ledger::{Because, By, Decision, How, JoinedBy, Refusal};

const fn at(second: i64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000 + second * 1_000_000)
}

fn call(record: bool) -> CallRecord {
    CallRecord {
        id: CallId::new(at(0), [1; 10]),
        company: CompanyId(1),
        direction: Direction::Inbound,
        caller: Party::default(),
        callee: Party::default(),
        number: None,
        started: at(0),
        answered: None,
        ended: None,
        outcome: Outcome::Ringing,
        end_reason: None,
        decision: Decision { record, because: Because::Number },
        changes: Vec::new(),
        joined: Vec::new(),
        ended_paused: false,
    }
}

fn answered(record: bool) -> CallRecord {
    CallRecord { answered: Some(at(5)), outcome: Outcome::Answered, ..call(record) }
}

fn change(second: i64, record: bool, refused: Option<Refusal>) -> Change {
    let by = By::User { id: UserId(1), name: String::new(), side: Side::Callee };
    let decision = Decision { record, because: Because::AgentCommand };
    Change { at: at(second), offset_ms: 0, by, how: How::Api, wanted: record, refused, decision }
}

fn joined(second: i64) -> Joined {
    Joined {
        at: at(second),
        offset_ms: 0,
        side: Side::Callee,
        party: Party::default(),
        codec: String::new(),
        how: JoinedBy::BlindTransfer,
        instead_of: Party::default(),
        from_call: None,
    }
}

fn ended(call: CallRecord) -> CallRecord {
    CallRecord { ended: Some(at(60)), outcome: Outcome::Completed, ..call }
}

fn kinds(before: Option<&CallRecord>, now: &CallRecord) -> Vec<&'static str> {
    happened(before, now).into_iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn what_happened_to_a_call_is_told_once_and_in_order_however_often_it_is_written() {
    let commanded = CallRecord {
        changes: vec![change(10, false, None), change(30, true, None), change(40, true, None)],
        joined: vec![joined(20)],
        ..answered(true)
    };
    let stages = [call(true), answered(true), commanded.clone(), ended(commanded)];
    let all = [
        "call.started",
        "call.answered",
        "recording.started",
        "recording.paused",
        "call.transferred",
        "recording.resumed",
        "call.ended",
    ];
    // Every way to leave stages out tells the same.
    for left_out in 0..8_u8 {
        let written = stages.iter().enumerate().filter(|(at, _)| *at == 3 || left_out & (1 << at) == 0);
        let mut told = Vec::new();
        let mut before = None;
        for (_, now) in written {
            told.extend(kinds(before, now));
            assert_eq!(kinds(Some(now), now), [""; 0], "written twice is told once");
            before = Some(now);
        }
        assert_eq!(told, all, "left out: {left_out:b}");
    }
}

#[test]
fn what_was_written_with_the_end_is_told_as_it_was_before_it() {
    let whole = ended(answered(true));
    for happened in happened(None, &whole) {
        let Told::Call { call, .. } = happened.told else { panic!("{:?} is told of the call", happened.kind) };
        let expected = match happened.kind {
            OutboxKind::CallEnded => (whole.ended, whole.outcome, whole.end_reason.clone()),
            _ => (None, Outcome::Answered, None),
        };
        assert_eq!((call.ended, call.outcome, call.end_reason), expected, "{:?}", happened.kind);
    }
}

#[test]
fn a_record_that_comes_late_tells_nothing() {
    let commanded = CallRecord { changes: vec![change(10, false, None)], ..answered(true) };
    let transferred = CallRecord { joined: vec![joined(20)], ..commanded.clone() };
    let over = ended(transferred.clone());
    for (before, now) in [
        (answered(true), call(true)),
        (commanded.clone(), answered(true)),
        (transferred, commanded),
        (over.clone(), answered(true)),
        (over.clone(), over),
    ] {
        assert_eq!(kinds(Some(&before), &now), [""; 0]);
    }
}

#[test]
fn a_recording_begins_where_the_gate_first_opens_and_a_refused_command_is_no_event() {
    let refused = change(8, true, Some(Refusal::AgentPauseOff));
    let off = CallRecord { changes: vec![refused, change(10, true, None), change(20, false, None)], ..answered(false) };
    assert_eq!(kinds(None, &off), ["call.started", "call.answered", "recording.started", "recording.paused"]);
    // What was commanded while it rang is in the decision at the answer.
    let before = CallRecord { changes: vec![change(2, false, None)], ..answered(false) };
    assert_eq!(kinds(None, &before), ["call.started", "call.answered"]);
    assert_eq!(kinds(None, &ended(call(true))), ["call.started", "call.ended"], "nobody answered");
}

#[test]
fn kinds_and_subjects_are_read_as_they_are_written() {
    for kind in OutboxKind::ALL {
        assert_eq!(OutboxKind::parse(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for subject in [Subject::Call(CallId::new(at(1), [3; 10])), Subject::Recording(RecordingId::new(at(1), [4; 10]))] {
        assert_eq!(Subject::parse(subject.word(), &subject.id()), Some(subject));
    }
}
