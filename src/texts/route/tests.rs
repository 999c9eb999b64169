use super::*;
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;

const OUTSIDE: &str = "+12025550147";

fn directory() -> Directory {
    let file = r#"
[[company]]
key = "acme"
domains = ["acme.example"]
[company.settings]
country_code = "1"
service_numbers = ["12345"]
destinations = ["+", "!+49"]
[[user]]
extension = "201"
password = "first-secret"
number = "+12025550101"
[[user]]
extension = "202"
password = "first-secret"
default_inbox = "sales"
[[user]]
extension = "203"
password = "first-secret"
[[number]]
number = "+12025550100"
dial_prefix = "*7"
[[number]]
number = "+12025550101"
route = "user:201"
[[number]]
number = "+12025550102"
[[number]]
number = "+12025550103"
[[inbox]]
name = "sales"
members = ["202"]
primary = "+12025550100"
numbers = ["+12025550102"]
messaging = ["+12025550100"]
"#;
    standalone(&CompanyFile::parse(file).unwrap()).unwrap()
}

/// What came of it, in a word.
fn word(directory: &Directory, goes: Result<Goes, Refused>) -> String {
    let e164 = |id: NumberId| directory.number(id).unwrap().e164.clone();
    match goes {
        Ok(Goes::Colleague(user)) => format!("colleague {}", directory.user(user).unwrap().extension),
        Ok(Goes::Out { called, number: Ok(number), .. }) => format!("{called} as {}", e164(number)),
        Ok(Goes::Out { number: Err(refused), .. }) | Err(refused) => {
            let word = format!("{refused:?}");
            word.split(['(', ' ']).next().unwrap().to_owned()
        }
    }
}

#[test]
fn a_text_goes_to_colleagues_and_out_as_a_number_that_an_answer_comes_back_to() {
    let directory = directory();
    let company = directory.company_by_key("acme").unwrap().id;
    let own = "+12025550147 as +12025550101";
    let shared = "+12025550147 as +12025550100";
    let rows: &[(&str, &str, Option<&str>, &str)] = &[
        ("201", OUTSIDE, None, own),
        ("202", OUTSIDE, None, shared),
        ("202", "2025550147", None, shared),
        ("203", OUTSIDE, None, "NoNumber"),
        ("202", "*7+12025550147", None, shared),
        ("201", "*7+12025550147", None, "NotYours"),
        ("202", OUTSIDE, Some("+12025550100"), shared),
        ("202", OUTSIDE, Some("+12025550102"), "NoAnswers"),
        ("202", OUTSIDE, Some("+12025550101"), "NotYours"),
        ("202", OUTSIDE, Some("+12025550999"), "NotYours"),
        ("202", OUTSIDE, Some("202"), shared),
        ("202", "12345", None, "12345 as +12025550100"),
        ("202", "201", None, "colleague 201"),
        ("202", "+12025550101", None, "colleague 201"),
        ("201", "+12025550100", None, "OwnNumber"),
        ("201", "+12025550103", None, "NoMessages"),
        ("201", "911", None, "Emergency"),
        ("201", "+4930555", None, "Barred"),
        ("201", "nobody", None, "Unknown"),
    ];
    for (user, dialled, said, expected) in rows {
        let who = directory.user_by_extension(company, user).unwrap();
        let goes = destination(&directory, who, dialled, *said);
        assert_eq!(word(&directory, goes), *expected, "{user} to {dialled} as {said:?}");
    }
}

#[test]
fn every_refusal_has_a_status_that_fits() {
    for (refused, status) in [
        (Refused::Unknown(String::new()), 404),
        (Refused::NoMessages(String::new()), 404),
        (Refused::Emergency(String::new()), 403),
        (Refused::NoNumber, 403),
        (Refused::NoTrunk, 480),
        (Refused::Empty, 400),
        (Refused::TooLong(1), 413),
    ] {
        assert_eq!(refused.status(), status, "{refused}");
    }
}
