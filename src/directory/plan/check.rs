//! What must hold between the things of a directory, in the state that the plan leads to.

use super::super::file::{FileError, Place, Problem, RouteTo};
use super::super::{AuthAlgorithm, DestinationRule, FacilityKind};
use super::facility;
use super::state::{CompanyState, NumberState, UserState, World};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that would not hold in `worlds`. `before` tells whose a contested thing is.
pub(super) fn check(before: &BTreeMap<String, World>, worlds: &BTreeMap<String, World>, errors: &mut Vec<FileError>) {
    domains(before, worlds, errors);
    owners(before, worlds, errors);
    for (key, world) in worlds {
        company(world, errors);
        auth_names(before.get(key), world, errors);
        world.users.values().for_each(|user| check_user(world, user, errors));
        world.numbers.values().for_each(|number| check_route(world, number, errors));
        assigned(before.get(key), world, errors);
        shared_or_assigned(before.get(key), world, errors);
        facility::check(before.get(key), world, errors);
        dial_prefixes(world, errors);
        super::trunk::check(world, errors);
    }
}

/// A thing that can belong to one only, and who claims it besides its owner.
pub(super) struct Contested<'a> {
    pub thing: &'a str,
    pub claimant: &'a str,
    /// Who had it before, where they still claim it; else the first.
    pub owner: &'a str,
}

/// `before` and `claims` are things with those to whom they belong.
pub(super) fn contested<'a>(
    before: impl Iterator<Item = (&'a str, &'a str)>,
    claims: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Contested<'a>> {
    let before: BTreeMap<_, _> = before.collect();
    let mut claimants: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    claims.for_each(|(thing, claimant)| claimants.entry(thing).or_default().push(claimant));
    let mut contested = Vec::new();
    for (thing, mut claimants) in claimants {
        let had = before.get(thing).and_then(|owner| claimants.iter().position(|claimant| claimant == owner));
        let owner = claimants.remove(had.unwrap_or(0));
        contested.extend(claimants.into_iter().map(|claimant| Contested { thing, claimant, owner }));
    }
    contested
}

fn domains(before: &BTreeMap<String, World>, worlds: &BTreeMap<String, World>, errors: &mut Vec<FileError>) {
    for Contested { thing, claimant, owner } in contested(domains_of(before), domains_of(worlds)) {
        let problem = match owner == claimant {
            true => Problem::DomainTwice(thing.to_owned()),
            false => Problem::DomainOwned { domain: thing.to_owned(), owner: owner.to_owned() },
        };
        errors.push(FileError { place: Place::Company { key: claimant.to_owned() }, problem });
    }
}

fn domains_of(worlds: &BTreeMap<String, World>) -> impl Iterator<Item = (&str, &str)> {
    let companies = worlds.values().map(|world| &world.company);
    companies.flat_map(|company| company.domains.iter().map(|domain| (domain.as_str(), company.key.as_str())))
}

fn owners(before: &BTreeMap<String, World>, worlds: &BTreeMap<String, World>, errors: &mut Vec<FileError>) {
    for Contested { thing, claimant, owner } in contested(numbers_of(before), numbers_of(worlds)) {
        let place = Place::Number { company: claimant.to_owned(), e164: thing.to_owned() };
        let problem = Problem::NumberOwned { e164: thing.to_owned(), owner: owner.to_owned() };
        errors.push(FileError { place, problem });
    }
}

fn numbers_of(worlds: &BTreeMap<String, World>) -> impl Iterator<Item = (&str, &str)> {
    let numbers = worlds.values().flat_map(|world| world.numbers.values());
    numbers.map(|number| (number.e164.as_str(), number.company.as_str()))
}

fn company(world: &World, errors: &mut Vec<FileError>) {
    let CompanyState { key, name: _, domains, realm: _, default_number, settings } = &world.company;
    let mut say = |problem| errors.push(FileError { place: Place::Company { key: key.clone() }, problem });
    if domains.is_empty() {
        say(Problem::NoDomain);
    }
    if let Some(e164) = default_number.as_ref().filter(|e164| !world.numbers.contains_key(*e164)) {
        say(Problem::UnknownNumber { key: "default_number", e164: e164.clone() });
    }
    let (pause, start) = (&settings.commands.pause, &settings.commands.start);
    if pause.contains(start.as_str()) || start.contains(pause.as_str()) {
        say(Problem::Commands { pause: pause.clone(), start: start.clone() });
    }
    if let Some(problem) = algorithms(&settings.auth) {
        say(problem);
    }
    if settings.emergency_numbers.is_empty() {
        say(Problem::NoEmergencyNumber);
    }
    let own_words = || world.facilities.contains_key(&(FacilityKind::Prompt, "recorded-refuse".to_owned()));
    if let Some(key) = settings.notice_refuse.filter(|key| *key != '9' && !own_words()) {
        say(Problem::RefusePrompt(key));
    }
    if let Some(problem) = settings.destinations.as_deref().and_then(twice) {
        say(problem);
    }
}

fn algorithms(auth: &[AuthAlgorithm]) -> Option<Problem> {
    match auth {
        [] => Some(Problem::NoAlgorithm),
        [first, rest @ ..] if rest.contains(first) => Some(Problem::AlgorithmTwice),
        [_, rest @ ..] => algorithms(rest).filter(|_| !rest.is_empty()),
    }
}

/// A number is assigned to one user at most: as their own number, or because it rings them.
fn assigned(before: Option<&World>, world: &World, errors: &mut Vec<FileError>) {
    let before = before.into_iter().flat_map(assigned_of);
    for Contested { thing, claimant, owner } in contested(before, assigned_of(world)) {
        if claimant != owner {
            let place = Place::User { company: world.company.key.clone(), extension: claimant.to_owned() };
            let problem = Problem::AssignedToTwo { e164: thing.to_owned(), other: owner.to_owned() };
            errors.push(FileError { place, problem });
        }
    }
}

/// Messages go to one place: a number is a user's, or has a shared inbox. What was so before stays, and
/// what is new is refused.
fn shared_or_assigned(before: Option<&World>, world: &World, errors: &mut Vec<FileError>) {
    let users: BTreeMap<&str, &str> = assigned_of(world).collect();
    for (e164, inbox, label) in facility::shared_numbers(world) {
        let Some(extension) = users.get(e164) else { continue };
        let was_shared = before.is_some_and(|world| facility::shared_numbers(world).any(|(shared, ..)| shared == e164));
        let (place, problem) = match was_shared {
            true => {
                let (company, extension) = (world.company.key.clone(), (*extension).to_owned());
                let problem = Problem::SharedNumber { e164: e164.to_owned(), label: label.to_owned() };
                (Place::User { company, extension }, problem)
            }
            false => {
                let (e164, user) = (e164.to_owned(), (*extension).to_owned());
                (inbox.place(), Problem::AssignedNumber { e164, user })
            }
        };
        errors.push(FileError { place, problem });
    }
}

fn assigned_of(world: &World) -> impl Iterator<Item = (&str, &str)> {
    let users = world.users.values().filter(|user| !user.deactivated);
    let own = users.filter_map(|user| Some((user.number.as_deref()?, user.extension.as_str())));
    let routed = world.numbers.values().filter_map(|number| match &number.route {
        RouteTo::User(extension) => Some((number.e164.as_str(), extension.as_str())),
        RouteTo::Unrouted | RouteTo::Group(_) | RouteTo::Inbox(_) | RouteTo::Flow(_) => None,
    });
    own.chain(routed)
}

/// A prefix that is both allowed and forbidden, or said twice.
fn twice(rules: &[DestinationRule]) -> Option<Problem> {
    let mut seen = BTreeSet::new();
    let rule = rules.iter().find(|rule| !seen.insert(rule.prefix()))?;
    Some(Problem::DestinationTwice(rule.prefix().to_owned()))
}

fn dial_prefixes(world: &World, errors: &mut Vec<FileError>) {
    let prefixes = world.numbers.values().filter_map(|number| Some((number.dial_prefix.as_deref()?, number)));
    let mut owners: BTreeMap<&str, &NumberState> = BTreeMap::new();
    for (prefix, number) in prefixes {
        if let Some(other) = owners.insert(prefix, number) {
            let problem = Problem::DialPrefixTaken { prefix: prefix.to_owned(), other: other.e164.clone() };
            errors.push(FileError { place: place_of_number(number), problem });
        }
    }
}

fn auth_names(before: Option<&World>, world: &World, errors: &mut Vec<FileError>) {
    let before = before.into_iter().flat_map(auth_names_of);
    for Contested { thing, claimant, owner } in contested(before, auth_names_of(world)) {
        let place = Place::User { company: world.company.key.clone(), extension: claimant.to_owned() };
        let problem = Problem::AuthNameTaken { auth_name: thing.to_owned(), other: owner.to_owned() };
        errors.push(FileError { place, problem });
    }
}

fn auth_names_of(world: &World) -> impl Iterator<Item = (&str, &str)> {
    world.users.values().map(|user| (user.auth_name.as_str(), user.extension.as_str()))
}

fn check_user(world: &World, user: &UserState, errors: &mut Vec<FileError>) {
    // What they refer to is looked at when they are activated.
    if user.deactivated {
        return;
    }
    if let Some(e164) = user.number.as_ref().filter(|e164| !world.numbers.contains_key(*e164)) {
        let problem = Problem::UnknownNumber { key: "number", e164: e164.clone() };
        errors.push(FileError { place: place_of_user(user), problem });
    }
    if world.company.settings.emergency_numbers.contains(&user.extension) {
        let problem = Problem::EmergencyExtension(user.extension.clone());
        errors.push(FileError { place: place_of_user(user), problem });
    }
    let wrong = user.auth.as_deref().and_then(algorithms);
    let wrong = wrong.into_iter().chain(user.destinations.as_deref().and_then(twice));
    for problem in wrong.chain(facility::check_calls(world, user)) {
        errors.push(FileError { place: place_of_user(user), problem });
    }
}

fn check_route(world: &World, number: &NumberState, errors: &mut Vec<FileError>) {
    if !facility::route_exists(world, number) {
        let problem = match &number.route {
            RouteTo::User(extension) if world.has_deactivated(extension) => {
                Problem::DeactivatedUser { key: "route", to: number.route.to_string() }
            }
            RouteTo::User(extension) => Problem::UnknownRoute(extension.clone()),
            RouteTo::Unrouted | RouteTo::Group(_) | RouteTo::Inbox(_) | RouteTo::Flow(_) => {
                Problem::UnknownFacility(number.route.clone())
            }
        };
        errors.push(FileError { place: place_of_number(number), problem });
    }
}

pub(super) fn place_of_user(user: &UserState) -> Place {
    Place::User { company: user.company.clone(), extension: user.extension.clone() }
}

fn place_of_number(number: &NumberState) -> Place {
    Place::Number { company: number.company.clone(), e164: number.e164.clone() }
}
