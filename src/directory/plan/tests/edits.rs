//! One thing goes; a user leaves and another takes over.

use super::*;

/// Laid over [`current`]: everything that can lead to 201 does, and 203 is there.
const LEADS: &str = "
    [[user]]
    company = 'a'
    extension = '201'
    number = '+100'
    default_inbox = 'support'
    [[user]]
    company = 'a'
    extension = '202'
    on_busy = 'user:201'
    [[user]]
    company = 'a'
    extension = '203'
    password = 'password-203'
    on_no_answer = 'user:201'
    [[group]]
    company = 'a'
    name = 'sales'
    members = ['201', '202']
    [[group]]
    company = 'a'
    name = 'alone'
    members = ['201']
    [[inbox]]
    company = 'a'
    name = 'support'
    members = ['201', '202']
    [[flow]]
    company = 'a'
    name = 'main'
    step = [{ name = 'ring', do = 'ring', target = 'user:201', next = 'on' }, { name = 'on', do = 'forward', to = 'user:201' }]
";

fn leads() -> Directory {
    let (current, file) = (current(), file(LEADS));
    let mut worlds = state::worlds(&current);
    let mut errors = Vec::new();
    target::lay_over(&mut worlds, &file, false, &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
    standalone::directory(worlds).with_version(7)
}

fn edited(directory: &Directory, edit: &Edit) -> Vec<String> {
    let plan = plan_edit(directory, edit).unwrap_or_else(|errors| panic!("{errors:#?}"));
    plan.changes.iter().map(ToString::to_string).collect()
}

fn refusals(directory: &Directory, edit: &Edit) -> Vec<String> {
    plan_edit(directory, edit).expect_err("accepted").iter().map(ToString::to_string).collect()
}

fn remove(thing: Thing) -> Edit {
    Edit::Remove { company: "a".to_owned(), thing }
}

fn deactivate(extension: &str, to: &str) -> Edit {
    Edit::Deactivate { company: "a".to_owned(), extension: extension.to_owned(), to: to.parse().unwrap() }
}

#[test]
fn what_nothing_refers_to_goes() {
    let current = current();
    for (thing, line) in [
        (Thing::User("202".to_owned()), "- user 202 of a (202)"),
        (Thing::Number("+100".to_owned()), "- number +100 of a"),
        (Thing::Trunk("t".to_owned()), "- trunk t of a"),
    ] {
        assert_eq!(edited(&current, &remove(thing)), [line]);
    }
    let flow = Thing::Facility(FacilityKind::Flow, "main".to_owned());
    assert_eq!(edited(&leads(), &remove(flow)), ["- flow main of a"]);
}

#[test]
fn everything_that_still_refers_to_a_thing_is_named() {
    let said = refusals(&leads(), &remove(Thing::User("201".to_owned())));
    let expected = [
        "user 202 of a: on_busy `user:201`",
        "user 203 of a: on_no_answer `user:201`",
        "number +100 of a: route `user:201`",
        "group alone of a: members `201`",
        "group sales of a: members `201`",
        "inbox support of a: members `201`",
        "flow main of a: step on: user:201",
        "flow main of a: step ring: user:201",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
    let number = refusals(&leads(), &remove(Thing::Number("+100".to_owned())));
    assert!(number.iter().all(|line| line.starts_with("user 201 of a: number +100")), "{number:?}");
    assert_eq!(refusals(&leads(), &remove(Thing::Trunk("x".to_owned()))), ["trunk x of a: is not there"]);
    let foreign = Edit::Remove { company: "b".to_owned(), thing: Thing::Trunk("t".to_owned()) };
    assert_eq!(refusals(&leads(), &foreign), ["trunk t of b: is not there"]);
}

#[test]
fn whoever_takes_over_has_every_place_of_the_user_who_leaves() {
    let lines = edited(&leads(), &deactivate("201", "user:203"));
    let expected = [
        "~ subscriptions of user 201 of a: go to 203",
        "~ user 201 of a: number +100 → none, default_inbox support → none, deactivated none → yes",
        "~ user 202 of a: on_busy user:201 → user:203",
        "~ user 203 of a: number none → +100, on_no_answer user:201 → none",
        "~ number +100 of a: route user:201 → user:203",
        "~ group alone of a: members 201 → none",
        "~ group sales of a: members 201, 202 → 202",
        "~ inbox support of a: members 201, 202 → 202",
    ];
    assert_eq!(lines[..8], expected, "{lines:#?}");
    assert!(lines[8].starts_with("~ flow main of a: steps ") && lines.len() == 9, "{lines:#?}");
    let after = lines[8].split(" → ").last().unwrap();
    assert!(after.contains("user:203") && !after.contains("user:201"), "{after}");
}

#[test]
fn a_group_takes_over_with_those_of_its_members_who_stay() {
    let lines = edited(&leads(), &deactivate("201", "group:sales"));
    assert_eq!(lines[0], "~ subscriptions of user 201 of a: go to 202");
    assert!(lines.contains(&"~ number +100 of a: route user:201 → group:sales".to_owned()), "{lines:#?}");
    let remove = Edit::RemoveUser {
        company: "a".to_owned(),
        extension: "201".to_owned(),
        to: Replacement::Group("sales".to_owned()),
    };
    let lines = edited(&leads(), &remove);
    assert_eq!(lines[..2], ["~ subscriptions of user 201 of a: go to 202", "- user 201 of a (201)"]);
}

#[test]
fn nobody_is_no_replacement() {
    for to in ["user:201", "user:9", "group:alone", "group:none"] {
        let said = refusals(&leads(), &deactivate("201", to));
        assert!(said[0].starts_with(&format!("user 201 of a: replacement `{to}`")), "{said:?}");
    }
    assert_eq!(refusals(&leads(), &deactivate("9", "user:203")), ["user 9 of a: is not there"]);
    for text in ["inbox:support", "203", "flow:main", "unrouted", "user:x"] {
        assert!(text.parse::<Replacement>().is_err(), "{text}");
    }
}

#[test]
fn nothing_may_lead_to_a_user_who_is_deactivated() {
    let text = format!(
        "{LEADS}\n[[user]]\ncompany = 'a'\nextension = '204'\npassword = 'password-204'\ndeactivated = true
        [[number]]\ncompany = 'a'\nnumber = '+101'\nroute = 'user:204'
        [[group]]\ncompany = 'a'\nname = 'more'\nmembers = ['204']
        [[flow]]\ncompany = 'a'\nname = 'other'\nstep = [{{ name = 'ring', do = 'ring', target = 'user:204' }}]
        [[user]]\ncompany = 'a'\nextension = '205'\npassword = 'password-205'\non_busy = 'user:204'"
    );
    let said = refused(&current(), &text, false);
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(
        said.iter().all(|line| line.contains("the user is deactivated: name another, or activate them")),
        "{said:#?}"
    );
    // Who is deactivated keeps their name, and what they refer to is asked when they are activated.
    let rest = "[[user]]\ncompany = 'a'\nextension = '204'\npassword = 'password-204'\ndeactivated = true\non_busy = 'user:9'\nnumber = '+100'";
    assert_eq!(planned(&current(), rest, false).len(), 1);
    let back = rest.replace("deactivated = true", "deactivated = false");
    assert_eq!(
        refused(&current(), &back, false),
        [
            "user 204 of a: on_busy `user:9`: the company has none of that name",
            "user 204 of a: number +100 is assigned to user 201: a number is one user's at most, so take it from them first"
        ]
    );
}

#[test]
fn the_access_log_tells_keys_and_no_values() {
    let plan = plan_edit(&leads(), &deactivate("201", "user:203")).unwrap();
    let notes: Vec<(String, String)> = plan.changes.iter().map(Change::note).map(|n| (n.action, n.thing)).collect();
    let said = |action: &str, thing: &str| (action.to_owned(), thing.to_owned());
    assert_eq!(notes[0], said("user.hand-over", "user 201: to 203"));
    assert_eq!(notes[1], said("user.deactivate", "user 201: number, default_inbox, deactivated"));
    assert_eq!(notes[4], said("number.change", "number +100: route"));
    let text = "[[user]]\ncompany = 'a'\nextension = '201'\npassword = 'another-secret'\nrole = 'admin'
        [[trunk]]\ncompany = 'a'\nname = 't'\nusername = 'we'\npassword = 'carrier-secret'";
    let plan = super::plan(&current(), &file(text), false).unwrap();
    let notes: Vec<String> = plan.changes.iter().map(|change| change.note().thing).collect();
    assert_eq!(notes, ["user 201: role, password", "trunk t: username, password"]);
}

#[test]
fn another_step_of_a_flow_becomes_its_first_and_the_others_stay() {
    let flow = "[[flow]]\ncompany = 'a'\nname = 'main'\nstart = 'on'";
    let said = refused(&leads(), flow, false);
    assert_eq!(said, ["flow main of a: step ring: is never reached: no branch leads to it from the start"]);
}
