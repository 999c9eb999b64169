use super::*;
use crate::directory::{
    CallHandling, Company, Facility, FacilityRow, InboxText, Number, NumberRecording, Role, Route, Settings,
    UserOverrides,
};
use proptest::prelude::*;

const COMPANY: CompanyId = CompanyId(1);
const USERS: i64 = 3;
const NUMBERS: i64 = 2;

fn user(id: i64) -> User {
    User {
        id: UserId(id),
        company: COMPANY,
        extension: format!("20{id}"),
        name: format!("User {id}"),
        auth_name: format!("20{id}"),
        ha1_md5: String::new(),
        ha1_sha256: String::new(),
        role: Role::Admin,
        overrides: UserOverrides::default(),
        number: None,
        auth: None,
        calls: CallHandling::default(),
        destinations: None,
    }
}

/// The inbox of one number as an admin left it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Place {
    /// In an inbox at all.
    there: bool,
    shared: bool,
    history: bool,
    members: BTreeSet<UserId>,
}

fn directory(places: &BTreeMap<NumberId, Place>) -> Directory {
    let company = Company {
        id: COMPANY,
        key: "a".to_owned(),
        name: "A".to_owned(),
        domains: Vec::new(),
        realm: "a".to_owned(),
        settings: Settings::default(),
        default_number: None,
    };
    let number = |id: i64| Number {
        id: NumberId(id),
        company: COMPANY,
        e164: format!("+155501{id:02}"),
        route: Route::Unrouted,
        recording: NumberRecording::Inherit,
        notice: None,
        dial_prefix: None,
        retention_days: None,
    };
    let inbox = |(id, place): (&NumberId, &Place)| {
        let e164 = vec![format!("+155501{:02}", id.0)];
        let members = place.members.iter().map(|user| format!("20{}", user.0)).collect();
        let (numbers, messaging) = if place.shared { (Vec::new(), e164) } else { (e164, Vec::new()) };
        let text = InboxText { numbers, members, messaging, history: place.history, ..InboxText::default() };
        FacilityRow { id: id.0, company: COMPANY, name: format!("inbox-{}", id.0), facility: Facility::Inbox(text) }
    };
    let rows: Vec<FacilityRow> = places.iter().filter(|(_, place)| place.there).map(inbox).collect();
    Directory::new([company], (1..=USERS).map(user), (1..=NUMBERS).map(number), []).with_facilities(rows)
}

#[test]
fn a_member_reads_what_came_after_they_joined_or_everything_and_nobody_else_reads_anything() {
    let (number, inbox) = (NumberId(1), Holder::Inbox(NumberId(1)));
    let place = |shared, history, members: &[i64]| {
        let members = members.iter().map(|id| UserId(*id)).collect();
        BTreeMap::from([(number, Place { there: true, shared, history, members })])
    };
    let since = Wall::from_unix_micros(7);
    let joined = [Joined { number, since, after: 5 }];
    let rows = [
        ("what came before they joined", place(true, false, &[1]), inbox, 5, false),
        ("what came after", place(true, false, &[1]), inbox, 6, true),
        ("everything with history", place(true, true, &[1]), inbox, 1, true),
        ("nothing of one that is off", place(false, true, &[1]), inbox, 6, false),
        ("nothing of one that they are not in, admin or not", place(true, true, &[2]), inbox, 6, false),
        ("nothing of another number", place(true, true, &[1]), Holder::Inbox(NumberId(2)), 6, false),
        ("their own", place(true, true, &[2]), Holder::User(UserId(1)), 1, true),
        ("nobody else's own", place(true, true, &[1]), Holder::User(UserId(2)), 6, false),
        ("with a colleague", place(true, true, &[1]), Holder::Pair(UserId(1), UserId(2)), 1, true),
        ("and not between others", place(true, true, &[1]), Holder::Pair(UserId(2), UserId(3)), 1, false),
    ];
    for (what, places, holder, seq, expected) in rows {
        let scope = TextScope::of(&directory(&places), &user(1), &joined);
        assert_eq!(scope.sees(&TextFacts { company: COMPANY, holder, seq }), expected, "{what}");
        let other = TextFacts { company: CompanyId(2), holder, seq };
        assert!(!scope.sees(&other), "{what}: of another company");
    }
}

#[test]
fn since_when_a_member_reads_is_told_where_that_is_not_everything() {
    let (number, since) = (NumberId(1), Wall::from_unix_micros(7));
    let joined = [Joined { number, since, after: 5 }];
    let inbox = Holder::Inbox(number);
    let colleague = Holder::Pair(UserId(1), UserId(2));
    for (shared, history, member, holder, expected) in [
        (true, false, 1, inbox, Some(since)),
        (true, true, 1, inbox, None),
        (false, false, 1, inbox, None),
        (true, false, 2, inbox, None),
        (true, false, 1, Holder::Inbox(NumberId(2)), None),
        (true, false, 1, Holder::User(UserId(1)), None),
        (true, false, 1, colleague, None),
    ] {
        let place = Place { there: true, shared, history, members: BTreeSet::from([UserId(member)]) };
        let scope = TextScope::of(&directory(&BTreeMap::from([(number, place)])), &user(1), &joined);
        assert_eq!(scope.since(holder), expected, "{shared} {history} {member} {holder:?}");
        assert_eq!(scope.over(&[]).since(holder), None);
    }
}

/// What an admin, or a customer, does.
#[derive(Clone, Debug)]
enum Step {
    Set(NumberId, Place),
    Text(NumberId),
}

fn step() -> impl Strategy<Value = Step> {
    let number = || (1..=NUMBERS).prop_map(NumberId);
    let members = proptest::collection::btree_set((1..=USERS).prop_map(UserId), 0..=3);
    let place = (any::<bool>(), any::<bool>(), any::<bool>(), members).prop_map(|(there, shared, history, members)| {
        Place { there, shared: shared && there, history, members: if there { members } else { BTreeSet::new() } }
    });
    prop_oneof![(number(), place).prop_map(|(number, place)| Step::Set(number, place)), number().prop_map(Step::Text)]
}

/// The rule, worked out anew from all that ever happened: since when the user has been a member without
/// a break, where a number that is in no inbox for a while breaks nothing.
fn since(steps: &[Step], number: NumberId, user: UserId) -> Option<usize> {
    let mut member = None;
    for (at, step) in steps.iter().enumerate() {
        let Step::Set(of, place) = step else { continue };
        if *of != number || !place.there {
            continue;
        }
        member = match (place.members.contains(&user), place.shared, member) {
            (false, _, _) => None,
            (true, _, Some(since)) => Some(since),
            (true, true, None) => Some(at),
            (true, false, None) => None,
        };
    }
    member
}

proptest! {
    #[test]
    fn no_sequence_of_changes_shows_what_a_fresh_evaluation_hides(steps in proptest::collection::vec(step(), 1..40)) {
        let mut places: BTreeMap<NumberId, Place> = BTreeMap::new();
        let mut open: BTreeMap<(NumberId, UserId), i64> = BTreeMap::new();
        let mut texts: Vec<(NumberId, i64, usize)> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Text(number) => {
                    let seq = i64::try_from(texts.len()).unwrap() + 1;
                    texts.push((*number, seq, at));
                }
                Step::Set(number, place) => {
                    places.insert(*number, place.clone());
                    let there = places.iter().filter(|(_, place)| place.there);
                    let numbers: Vec<InboxNumber> = there
                        .map(|(number, place)| InboxNumber {
                            company: COMPANY,
                            number: *number,
                            shared: place.shared,
                            members: place.members.clone(),
                        })
                        .collect();
                    let newest = i64::try_from(texts.len()).unwrap();
                    for change in member_changes(&open.keys().copied().collect(), &numbers, |_| true) {
                        match change {
                            MemberChange::Leaves { number, user } => drop(open.remove(&(number, user))),
                            MemberChange::Joins { number, user, .. } => drop(open.insert((number, user), newest)),
                        }
                    }
                }
            }
            let now = directory(&places);
            for id in 1..=USERS {
                let joined: Vec<Joined> = open
                    .iter()
                    .filter(|((_, user), _)| user.0 == id)
                    .map(|((number, _), after)| Joined { number: *number, since: Wall::from_unix_micros(*after), after: *after })
                    .collect();
                let scope = TextScope::of(&now, &user(id), &joined);
                for (number, seq, came) in &texts {
                    let place = places.get(number).cloned().unwrap_or_default();
                    let is_member = place.there && place.shared && place.members.contains(&UserId(id));
                    let joined = since(steps.get(..=at).unwrap(), *number, UserId(id));
                    let fresh = is_member && (place.history || joined.is_some_and(|since| since < *came));
                    let facts = TextFacts { company: COMPANY, holder: Holder::Inbox(*number), seq: *seq };
                    prop_assert_eq!(scope.sees(&facts), fresh, "user {} text {} after step {}", id, seq, at);
                }
            }
        }
    }
}
