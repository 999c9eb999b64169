//! Voicemail boxes in the company file.

use super::*;
use crate::base::{BoxId, Language};
use crate::directory::{BoxAccess, BoxOwner, FacilityKind, FacilityRow};

/// Laid over [`current`]: a box of 201, one of a group, and that of the company.
const BOXES: &str = "
    [[company]]
    key = 'a'
    [[group]]
    name = 'sales'
    members = ['201', '202']
    [[voicemail]]
    number = '8201'
    name = 'Jane'
    owner = 'user:201'
    password = '4711'
    email = 'jane@a.example'
    attach_audio = true
    delete_messages = true
    language = 'de'
    time_zone = 'Europe/Berlin'
    max_messages = 20
    [[voicemail]]
    number = '8100'
    owner = 'group:sales'
    password = '4712'
    subscribe_members = true
    [[voicemail]]
    number = '8000'
    access = 'global'
    password = '4713'
    [[voicemail]]
    number = '8000'
    context = 'night'
    password = '4714'
";

/// [`current`] with what the file adds to its facilities.
fn applied(current: &Directory, text: &str) -> Directory {
    let plan = plan(current, &file(text), false).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let company = current.company_by_key("a").unwrap().id;
    let kept = FacilityKind::ALL.into_iter().flat_map(|kind| {
        let of_kind = current.facilities_of(company).filter(move |(_, facility)| facility.kind() == kind);
        of_kind.map(|(name, facility)| FacilityState { company: "a".to_owned(), name, facility })
    });
    let mut states: BTreeMap<(FacilityKind, String), FacilityState> =
        kept.map(|state| ((state.kind(), state.name.clone()), state)).collect();
    for change in plan.changes {
        if let Change::AddFacility { to } | Change::ChangeFacility { from: _, to } = change {
            states.insert((to.kind(), to.name.clone()), to);
        }
    }
    let row =
        |(id, state): (i64, FacilityState)| FacilityRow { id, company, name: state.name, facility: state.facility };
    super::current().with_facilities((1..).zip(states.into_values()).map(row))
}

#[test]
fn boxes_are_found_by_number_owner_and_context() {
    let directory = applied(&current(), BOXES);
    let company = directory.company_by_key("a").unwrap().id;
    let jane = directory.user_by_extension(company, "201").unwrap().id;
    let own = directory.mailbox_of_user(jane).unwrap();
    assert_eq!((own.number.as_str(), own.owner, own.key()), ("8201", BoxOwner::User(jane), "8201".to_owned()));
    assert_eq!((own.settings.language, own.settings.max_messages), (Some(Language::German), Some(20)));
    let group = directory.group_by_name(company, "sales").unwrap().id;
    assert_eq!(directory.mailbox_of_group(group).unwrap().number, "8100");
    let global = directory.global_mailbox(company, "default").unwrap();
    assert_eq!((global.number.as_str(), global.access), ("8000", BoxAccess::Global));
    assert!(directory.global_mailbox(company, "night").is_none());
    assert_eq!(directory.mailbox_by_number(company, "night", "8000").unwrap().key(), "8000@night");
    assert_eq!(directory.mailboxes_of(company).count(), 4);
    let other = directory.company_by_key("b").unwrap().id;
    assert!(directory.mailbox_by_number(other, "default", "8000").is_none());
    assert!(directory.mailbox(BoxId(999)).is_none());
}

#[test]
fn a_plan_and_its_note_never_show_a_password() {
    let before = applied(&current(), BOXES);
    let text = "[[company]]\nkey = 'a'\n[[voicemail]]\nnumber = '8201'\npassword = '9999'";
    let plan = plan(&before, &file(text), false).unwrap();
    let [change] = plan.changes.as_slice() else { panic!("{plan}") };
    assert_eq!(change.to_string(), "~ voicemail 8201 of a: password as given");
    assert_eq!(change.note().thing, "voicemail 8201: password");
    let added = planned(&current(), BOXES, false).join("\n");
    assert!(!added.contains("4711") && added.contains("password as given"), "{added}");
    assert!(!format!("{plan:?}").contains("9999"));
}

#[test]
fn what_is_exported_changes_nothing_and_has_no_password() {
    let directory = applied(&current(), BOXES);
    let exported = export(&directory, Some("a"), Prompts::Named).unwrap().text;
    assert!(!exported.contains("4711"), "{exported}");
    assert!(exported.contains("# password is not exported"), "{exported}");
    let lines = planned(&directory, &exported, false);
    assert_eq!(lines, [] as [&str; 0], "{exported}");
}

#[test]
fn everything_that_cannot_be_of_a_box_is_refused() {
    let before = applied(&current(), BOXES);
    let rows = [
        (
            "number = '8001'\naccess = 'global'",
            "voicemail 8001 of a: There can be only one global voicemail per context.",
        ),
        (
            "number = '8100'\naccess = 'global'",
            "voicemail 8100 of a: There can be only one global voicemail per context.",
        ),
        (
            "number = '8001'\ncontext = 'day'\naccess = 'global'\nowner = 'user:202'",
            "voicemail 8001@day of a: owner `user:202`: a global box is everybody's: take the owner out, or make it personal",
        ),
        (
            "number = '8001'\nowner = 'user:201'",
            "voicemail 8001 of a: owner `user:201` has box 8201 already: a user and a group have one at most",
        ),
        (
            "number = '8001'\nowner = 'user:999'",
            "voicemail 8001 of a: owner `user:999`: the company has none of that name",
        ),
        (
            "number = '8001'\nowner = 'group:x'",
            "voicemail 8001 of a: owner `group:x`: the company has none of that name",
        ),
        (
            "number = '8001'\ndelete_messages = true\nemail = 'a@b.example'",
            "voicemail 8001 of a: `delete_messages` without `email` and `attach_audio`: messages would be lost unheard: set both, or leave it off",
        ),
        (
            "number = '8201'\nemail = ''",
            "voicemail 8201 of a: `delete_messages` without `email` and `attach_audio`: messages would be lost unheard: set both, or leave it off",
        ),
        (
            "number = '8001'\nmin_s = 200",
            "voicemail 8001 of a: `min_s` 200 is longer than `max_s` 180: no message fits",
        ),
    ];
    for (keys, expected) in rows {
        let text = format!("[[company]]\nkey = 'a'\n[[voicemail]]\n{keys}");
        let said = refused(&before, &text, false);
        assert!(said.iter().any(|line| line == expected), "{keys}: {said:#?}");
    }
}

#[test]
fn a_value_that_no_box_can_have_names_itself_but_for_the_password() {
    for (keys, part) in [
        ("number = '80a'", "number: `80a` is not the number of a box"),
        ("number = '1'\ncontext = 'a b'", "context: `a b` is not a context"),
        ("number = '1'\nemail = 'nobody'", "email: `nobody` is not an address of mail"),
        ("number = '1'\nlanguage = 'it'", "language: `it` is not spoken here"),
        ("number = '1'\npassword = '12x'", "password: the password is not one of a box"),
        ("number = '1'\npassword = 1234", "password: not a string"),
        ("number = '1'\nmax_messages = 0", "max_messages: 0 messages"),
        ("number = '1'\nowner = '201'", "owner: `201` owns no box"),
        ("name = 'x'", "`number` is missing"),
    ] {
        let text = format!("[[company]]\nkey = 'a'\n[[voicemail]]\n{keys}");
        let errors = CompanyFile::parse(&text).unwrap_err();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.contains(part)), "{keys}: {said:?}");
        assert!(!said.iter().any(|line| line.contains("12x") || line.contains("1234")), "{said:?}");
    }
}

#[test]
fn dangers_are_said_when_they_are_set_up_and_not_again() {
    let before = applied(&current(), BOXES);
    let flow = "[[flow]]\nname = 'f'\n[[flow.step]]\nname = 'x'\ndo = 'voicemail'\nbox = '8300'\n[[number]]\nnumber = '+100'\nroute = 'flow:f'";
    let rows = [
        ("[[voicemail]]\nnumber = '8300'".to_owned(), vec!["no password: whoever dials *998300 inside"]),
        (
            format!("[[voicemail]]\nnumber = '8300'\n{flow}"),
            vec!["no password: whoever dials", "and number +100 leads callers from outside to it"],
        ),
        (format!("[[voicemail]]\nnumber = '8300'\npassword = '1'\n{flow}"), vec![]),
        (
            "[[voicemail]]\nnumber = '8100'\nask_password = false".to_owned(),
            vec!["`ask_password` is off: whoever dials *998100"],
        ),
        ("[[voicemail]]\nnumber = '8300'\naccess = 'global'\ncontext = 'x'".to_owned(), vec![]),
        ("[[voicemail]]\nnumber = '8100'\nname = 'Sales'".to_owned(), vec![]),
    ];
    for (text, expected) in rows {
        let plan = plan(&before, &file(&format!("[[company]]\nkey = 'a'\n{text}")), false).unwrap();
        assert_eq!(plan.warnings.len(), expected.len(), "{text}: {:?}", plan.warnings);
        for (warning, part) in plan.warnings.iter().zip(expected) {
            assert!(warning.starts_with("company a: voicemail ") && warning.contains(part), "{text}: {warning}");
        }
    }
}

#[test]
fn a_box_goes_to_the_replacement_or_to_nobody_where_they_have_one() {
    let before = applied(&current(), BOXES);
    let owner_after = |directory: &Directory, to: &str| {
        let (company, extension) = ("a".to_owned(), "201".to_owned());
        let plan = plan_edit(directory, &Edit::Deactivate { company, extension, to: to.parse().unwrap() }).unwrap();
        let changed = plan.changes.into_iter().find_map(|change| match change {
            Change::ChangeFacility { from: _, to } if to.name == "8201" => Some(to),
            _ => None,
        });
        match changed.unwrap().facility {
            crate::directory::Facility::Voicemail(text) => text.owner.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(owner_after(&before, "user:202"), "user:202");
    assert_eq!(owner_after(&before, "group:sales"), "", "the group has one");
    let both = format!("{BOXES}\n[[voicemail]]\nnumber = '8202'\nowner = 'user:202'\npassword = '1'");
    assert_eq!(owner_after(&applied(&current(), &both), "user:202"), "");
}

#[test]
fn a_box_is_in_use_while_a_flow_or_a_user_leads_to_it() {
    let text = format!(
        "{BOXES}\n[[user]]\nextension = '202'\non_busy = 'voicemail:8201'\n[[flow]]\nname = 'f'\n[[flow.step]]\nname = 'x'\ndo = 'voicemail'\nbox = '8000@night'"
    );
    let said = refused(&current(), &text.replace("number = '8000'\n    context = 'night'", "number = '8009'"), false);
    assert!(said.iter().any(|line| line.contains("no such box `8000@night`")), "{said:#?}");
    let plan = plan(&current(), &file(&text), false).unwrap();
    assert!(plan.to_string().contains("on_busy none → voicemail:8201"), "{plan}");
}
