use super::*;

/// A company with user 201, group `sales`, inbox `support` and the prompt `welcome`.
struct Acme;

impl Known for Acme {
    fn user(&self, extension: &str) -> bool {
        extension == "201"
    }
    fn group(&self, name: &str) -> bool {
        name == "sales"
    }
    fn inbox(&self, name: &str) -> bool {
        name == "support"
    }
    fn prompt(&self, name: &str) -> bool {
        name == "welcome"
    }
    fn mailbox(&self, name: &str) -> bool {
        name == "8000"
    }
}

fn to(name: &str) -> Branch {
    (!name.is_empty()).then(|| StepName(name.to_owned()))
}

fn flow(start: &str, steps: Vec<(&str, Step)>) -> Flow {
    let steps = steps.into_iter().map(|(name, step)| (StepName(name.to_owned()), step)).collect();
    Flow { start: StepName(start.to_owned()), steps }
}

fn announce(next: &str) -> Step {
    Step::Announce { prompt: "welcome".to_owned(), next: to(next) }
}

fn ring(target: &str, next: &str) -> Step {
    let target = RingTo::try_from(target.to_owned()).unwrap();
    Step::Ring { target, how: RingHow::All, seconds: 20, next: to(next) }
}

fn menu(digits: &[(char, &str)], timeout: &str, invalid: &str) -> Step {
    Step::Menu {
        prompt: "welcome".to_owned(),
        digits: digits.iter().map(|(key, name)| (*key, StepName((*name).to_owned()))).collect(),
        timeout: to(timeout),
        invalid: to(invalid),
        seconds: 5,
    }
}

fn flaws(flow: &Flow) -> Vec<String> {
    check(flow, &Acme).unwrap().into_iter().map(|(step, flaw)| format!("{step}: {flaw}")).collect()
}

#[test]
fn a_whole_flow_has_no_flaw_and_reads_back_as_it_was_written() {
    let whole = flow(
        "record",
        vec![
            ("record", Step::Recording { on: true, next: to("hello") }),
            ("hello", announce("choose")),
            ("choose", menu(&[('1', "sales"), ('2', "elsewhere")], "choose", "choose")),
            ("sales", ring("group:sales", "bye")),
            ("elsewhere", Step::Forward { to: ForwardTo::Number("+4930555".to_owned()) }),
            ("bye", Step::Hangup { cause: 486 }),
        ],
    );
    assert_eq!(flaws(&whole), [""; 0]);
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Flow>(&text).unwrap(), whole, "{text}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let broken = flow(
        "a",
        vec![
            ("a", menu(&[('1', "gone"), ('2', "b")], "nowhere", "")),
            ("b", ring("user:999", "c")),
            ("c", Step::Forward { to: ForwardTo::Group("nobody".to_owned()) }),
            ("d", Step::Announce { prompt: "missing".to_owned(), next: None }),
        ],
    );
    let found = flaws(&broken);
    let expected = [
        "a: timeout leads to step `nowhere`, which does not exist",
        "a: digit 1 leads to step `gone`, which does not exist",
        "b: user:999: the company has none of that name",
        "c: group:nobody: the company has none of that name",
        "d: prompt `missing` is neither",
        "d: is never reached",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    assert_eq!(check(&flow("x", vec![("a", announce(""))]), &Acme), Err(StepName("x".to_owned())));
}

#[test]
fn a_loop_is_named_only_where_no_way_leads_out_of_it() {
    let rows: [(Vec<(&str, Step)>, &[&str]); 5] = [
        (
            vec![("a", announce("b")), ("b", announce("a"))],
            &["a: a caller who comes here never comes out again: a → b;"],
        ),
        (vec![("a", menu(&[('1', "a")], "a", "a"))], &["a: a caller who comes here never comes out again: a;"]),
        // Somebody may answer.
        (vec![("a", ring("user:201", "b")), ("b", announce("a"))], &[]),
        (vec![("a", menu(&[('1', "b")], "a", "a")), ("b", announce(""))], &[]),
        (
            vec![("a", announce("b")), ("b", announce("c")), ("c", announce("b"))],
            &["a: a caller who comes here never comes out again: a → b → c;"],
        ),
    ];
    for (steps, expected) in rows {
        let found = flaws(&flow("a", steps));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{found:?}");
    }
}

#[test]
fn targets_are_read_and_written_alike_and_others_refused() {
    for text in ["user:201", "group:sales", "inbox:support"] {
        assert_eq!(RingTo::try_from(text.to_owned()).unwrap().to_string(), text);
    }
    for text in ["user:201", "group:sales", "number:+4930555"] {
        assert_eq!(ForwardTo::try_from(text.to_owned()).unwrap().to_string(), text);
    }
    for text in ["201", "user:", "user:bob", "number:+4930555", "group:"] {
        assert_eq!(RingTo::try_from(text.to_owned()), Err(BadTarget::Ring(text.to_owned())));
    }
    for text in ["number:030555", "inbox:support", "number:"] {
        assert_eq!(ForwardTo::try_from(text.to_owned()), Err(BadTarget::Forward(text.to_owned())));
    }
}
