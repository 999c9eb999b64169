use super::*;
use crate::base::Span;
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;
use proptest::prelude::*;

/// 202's own box, that of `sales` (203 and 204), a standalone one, the company's; and another company
/// with the same numbers.
const COMPANIES: &str = r#"
[[company]]
key = "acme"
domains = ["acme.example"]
[company.settings]
play = "none"
call_visibility = "own_and_missed"
[[user]]
company = "acme"
extension = "201"
role = "admin"
[[user]]
company = "acme"
extension = "202"
[[user]]
company = "acme"
extension = "203"
play = "none"
[[user]]
company = "acme"
extension = "204"
[[group]]
company = "acme"
name = "sales"
members = ["203", "204"]
[[voicemail]]
company = "acme"
number = "8202"
owner = "user:202"
[[voicemail]]
company = "acme"
number = "8100"
owner = "group:sales"
[[voicemail]]
company = "acme"
number = "8300"
[[voicemail]]
company = "acme"
number = "8000"
access = "global"
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "202"
[[voicemail]]
company = "other"
number = "8202"
owner = "user:202"
[[voicemail]]
company = "other"
number = "8000"
access = "global"
"#;

fn directory() -> Directory {
    standalone(&CompanyFile::parse(COMPANIES).unwrap()).unwrap()
}

fn at(seconds: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
}

fn mailbox(directory: &Directory, company: &str, number: &str) -> BoxId {
    let company = directory.company_by_key(company).unwrap().id;
    directory.mailbox_by_number(company, "default", number).unwrap().id
}

fn scope(directory: &Directory, company: &str, extension: &str, subscribed: &[BoxSubscribed]) -> MessageScope {
    let company = directory.company_by_key(company).unwrap().id;
    MessageScope::of(directory, directory.user_by_extension(company, extension).unwrap(), subscribed.to_vec())
}

/// Left at 100 s.
fn message(directory: &Directory, company: &str, number: &str) -> MessageFacts {
    let mailbox = mailbox(directory, company, number);
    MessageFacts { company: directory.company_by_key(company).unwrap().id, mailbox, left: at(100) }
}

#[test]
fn a_message_is_heard_by_the_owner_of_its_box_and_in_the_companys_by_everybody() {
    let directory = directory();
    let (owner, global) = (Some(MessageReason::Owner), Some(MessageReason::Global));
    // The box; what 201 (an admin), 202, 203 and 204 hear of it.
    let rows = [
        ("8202", [None, owner, None, None]),
        // Members of the group are not subscribed by being members.
        ("8100", [None, None, None, None]),
        ("8300", [None, None, None, None]),
        ("8000", [global, global, global, global]),
    ];
    for (number, heard) in rows {
        let message = message(&directory, "acme", number);
        for (extension, reason) in ["201", "202", "203", "204"].into_iter().zip(heard) {
            let scope = scope(&directory, "acme", extension, &[]);
            assert_eq!(scope.hears(&message), reason, "{extension} of {number}: `play` is about calls");
        }
        assert_eq!(MessageScope::of_whole(&directory, message.company).hears(&message), Some(MessageReason::Admin));
        let staff = MessageScope::of_staff(&directory, message.company).hears(&message);
        assert_eq!(staff, heard[0], "{number}: an operator hears as much as an admin without a box");
    }
}

#[test]
fn a_subscriber_hears_what_was_left_in_their_interval_and_keeps_it() {
    let directory = directory();
    let rows = [
        ("from before, and on", 50, None, true),
        ("begun at that moment", 100, None, true),
        ("begun after it", 101, None, false),
        ("over before it", 0, Some(100), false),
        ("over after it: what was received stays", 0, Some(101), true),
    ];
    for number in ["8202", "8100", "8300"] {
        let message = message(&directory, "acme", number);
        for (what, from, until, hears) in rows {
            let one = BoxSubscribed { mailbox: message.mailbox, from: at(from), until: until.map(at) };
            let heard = scope(&directory, "acme", "204", &[one]).hears(&message);
            assert_eq!(heard, hears.then_some(MessageReason::Subscription), "{number}, {what}");
        }
        assert_eq!(scope(&directory, "acme", "204", &[]).hears(&message), None, "{number}: withdrawn");
    }
}

#[test]
fn everyone_has_a_state_of_their_own_and_the_companys_box_one_for_all() {
    let directory = directory();
    let (own, global) = (mailbox(&directory, "acme", "8202"), mailbox(&directory, "acme", "8000"));
    let whole = MessageScope::of_whole(&directory, directory.company_by_key("acme").unwrap().id);
    let scope = scope(&directory, "acme", "202", &[]);
    let user = scope.user.unwrap();
    assert_eq!(scope.reader(own), Some(Reader::User(user)));
    assert_eq!(scope.reader(global), Some(Reader::Everybody));
    assert_eq!(whole.reader(own), Some(Reader::User(user)), "management shows the owner's");
    assert_eq!(whole.reader(mailbox(&directory, "acme", "8100")), None);
    for reader in [Reader::Everybody, Reader::User(user)] {
        assert_eq!(Reader::of_id(reader.id()), reader);
    }
}

#[test]
fn a_message_is_for_its_owner_its_subscribers_or_the_whole_company() {
    let directory = directory();
    let company = directory.company_by_key("acme").unwrap().id;
    let owner = directory.user_by_extension(company, "202").unwrap().id;
    for (number, receivers) in [
        ("8202", Receivers::Owner(owner)),
        ("8100", Receivers::Subscribers),
        ("8300", Receivers::Subscribers),
        ("8000", Receivers::Everybody),
    ] {
        let mailbox = directory.mailbox_by_number(company, "default", number).unwrap();
        assert_eq!(Receivers::of(mailbox), receivers, "{number}");
    }
}

proptest! {
    /// Nobody hears a message of another company, whatever they were subscribed to; every reason to hear
    /// one is a fact; and who hears one sees its box and has a state of it.
    #[test]
    fn whoever_hears_a_message_has_a_reason(
        viewer in prop::sample::select(vec![("acme", "201"), ("acme", "202"), ("acme", "204"), ("other", "202")]),
        place in prop::sample::select(vec![
            ("acme", "8202"), ("acme", "8100"), ("acme", "8300"), ("acme", "8000"), ("other", "8202"), ("other", "8000"),
        ]),
        left in 0u64..200,
        intervals in prop::collection::vec((0usize..6, 0u64..200, prop::option::of(0u64..200)), 0..4),
    ) {
        let directory = directory();
        let places = [
            ("acme", "8202"), ("acme", "8100"), ("acme", "8300"), ("acme", "8000"), ("other", "8202"), ("other", "8000"),
        ];
        let subscribed: Vec<BoxSubscribed> = intervals
            .into_iter()
            .map(|(at_place, from, until)| {
                let (company, number) = places[at_place];
                BoxSubscribed { mailbox: mailbox(&directory, company, number), from: at(from), until: until.map(at) }
            })
            .collect();
        let scope = scope(&directory, viewer.0, viewer.1, &subscribed);
        let message = MessageFacts { left: at(left), ..message(&directory, place.0, place.1) };
        let covered = subscribed.iter().any(|one| one.mailbox == message.mailbox && one.covers(message.left));
        let (owns, global) = (place.1 == "8202" && viewer.1 == "202", place.1 == "8000");
        let expected = viewer.0 == place.0 && (owns || global || covered);
        let heard = scope.hears(&message);
        prop_assert_eq!(heard.is_some(), expected, "{:?}", heard);
        if heard.is_some() {
            prop_assert!(scope.sees_box(message.mailbox) && scope.reader(message.mailbox).is_some());
            prop_assert!(MessageScope::of_whole(&directory, message.company).hears(&message).is_some());
        }
    }
}
