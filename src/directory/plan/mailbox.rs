//! Voicemail boxes: what the file lays over them, what must hold between them and the rest of the
//! company, and how they are shown. Their passwords are never.

use super::super::file::{
    BoxPassword, CompanyFile, Entry, FileError, Place, Problem, VoicemailKeys, VoicemailSettingKeys,
};
use super::super::{BoxAccess, BoxOwnerText, BoxSettings, BoxText, Facility, FacilityKind, VoicemailSettings};
use super::Replacement;
use super::check::contested;
use super::facility::{FacilityState, Names, put};
use super::keys::{Keys, text, value};
use super::state::{Field, World, on_off, own};
use super::target::{set, world_of};
use std::collections::{BTreeMap, BTreeSet};

/// Lays the boxes of the file over those of the companies.
pub(super) fn lay_over(worlds: &mut BTreeMap<String, World>, file: &CompanyFile, errors: &mut Vec<FileError>) {
    for entry in &file.voicemails {
        if let Some(world) = world_of(worlds, &entry.company, entry.place_of(FacilityKind::Voicemail), errors) {
            voicemail(world, entry);
        }
    }
}

fn voicemail(world: &mut World, entry: &Entry<VoicemailKeys>) {
    let VoicemailKeys {
        company: _,
        number: _,
        context: _,
        name,
        owner,
        access,
        password,
        email,
        pager,
        language,
        time_zone,
        max_messages,
        attach_audio,
        delete_messages,
        ask_password,
        enabled,
        subscribe_members,
        max_s,
        min_s,
        review,
        options,
    } = &entry.keys;
    let before = world.facilities.get(&(FacilityKind::Voicemail, entry.name.clone())).map(|state| &state.facility);
    let mut mailbox = match before {
        Some(Facility::Voicemail(mailbox)) => mailbox.clone(),
        Some(_) | None => {
            let mut mailbox = BoxText::new(&entry.name);
            mailbox.settings.attach_audio = world.company.settings.voicemail.attach_audio;
            mailbox
        }
    };
    set(&mut mailbox.name, name.as_ref().map(ToString::to_string));
    set(&mut mailbox.owner, owner.clone());
    set(&mut mailbox.access, *access);
    let settings = &mut mailbox.settings;
    set(&mut settings.password, password.as_ref().map(|BoxPassword(secret)| secret.reveal().to_owned()));
    set(&mut settings.email, email.as_ref().map(ToString::to_string));
    set(&mut settings.pager, pager.as_ref().map(ToString::to_string));
    set(&mut settings.language, language.map(|language| language.0));
    set(&mut settings.time_zone, time_zone.as_ref().map(|zone| zone.0.clone()));
    set(&mut settings.max_messages, max_messages.map(|own| own.value().map(|most| most.0)));
    set(&mut settings.attach_audio, *attach_audio);
    set(&mut settings.delete_messages, *delete_messages);
    set(&mut settings.ask_password, *ask_password);
    set(&mut settings.enabled, *enabled);
    set(&mut settings.subscribe_members, *subscribe_members);
    set(&mut settings.max_s, max_s.map(|own| own.value().map(|seconds| seconds.0)));
    set(&mut settings.min_s, min_s.map(|own| own.value().map(|seconds| seconds.0)));
    set(&mut settings.review, *review);
    set(&mut settings.options, options.clone());
    put(world, entry, Facility::Voicemail(mailbox));
}

/// Lays the keys of `[company.settings.voicemail]` over the settings.
pub(super) fn settings(settings: &mut VoicemailSettings, said: &VoicemailSettingKeys) {
    let VoicemailSettingKeys {
        language,
        max_s,
        min_s,
        max_silence_s,
        max_messages,
        max_logins,
        review,
        attach_audio,
        email_subject,
        email_body,
        from_name,
        from_address,
        other,
    } = said;
    set(&mut settings.language, *language);
    set(&mut settings.max_s, max_s.map(|seconds| seconds.0));
    set(&mut settings.min_s, min_s.map(|seconds| seconds.0));
    set(&mut settings.max_silence_s, max_silence_s.map(|seconds| seconds.0));
    set(&mut settings.max_messages, max_messages.map(|most| most.0));
    set(&mut settings.max_logins, max_logins.map(|most| most.0));
    set(&mut settings.review, *review);
    set(&mut settings.attach_audio, *attach_audio);
    set(&mut settings.email_subject, email_subject.clone());
    set(&mut settings.email_body, email_body.clone());
    set(&mut settings.from_name, from_name.clone());
    set(&mut settings.from_address, from_address.as_ref().map(ToString::to_string));
    set(&mut settings.other, other.clone());
}

/// What must hold of one box.
pub(super) fn check(world: &World, state: &FacilityState, mailbox: &BoxText, errors: &mut Vec<FileError>) {
    let mut say = |problem| errors.push(FileError { place: state.place(), problem });
    match &mailbox.owner {
        BoxOwnerText::Nobody => {}
        BoxOwnerText::User(extension) if world.has_active(extension) => {}
        BoxOwnerText::User(extension) if world.has_deactivated(extension) => {
            say(Problem::DeactivatedUser { key: "owner", to: mailbox.owner.to_string() });
        }
        BoxOwnerText::Group(name) if Names(world).has(FacilityKind::Group, name) => {}
        BoxOwnerText::User(_) | BoxOwnerText::Group(_) => {
            say(Problem::UnknownName { key: "owner", name: mailbox.owner.to_string() });
        }
    }
    if mailbox.access == BoxAccess::Global && mailbox.owner != BoxOwnerText::Nobody {
        say(Problem::GlobalOwned(mailbox.owner.to_string()));
    }
    let BoxSettings { email, attach_audio, delete_messages, min_s, max_s, .. } = &mailbox.settings;
    if *delete_messages && (email.is_empty() || !attach_audio) {
        say(Problem::DeleteUnmailed);
    }
    let company = &world.company.settings.voicemail;
    let (min, max) = (min_s.unwrap_or(company.min_s), max_s.unwrap_or(company.max_s));
    if min >= max {
        say(Problem::NoMessageFits { min, max });
    }
}

/// What must hold between the boxes of a company.
pub(super) fn check_together(before: Option<&World>, world: &World, errors: &mut Vec<FileError>) {
    let globals =
        |world: &World| in_pairs(world, |text| (text.access == BoxAccess::Global).then(|| text.context.clone()));
    let owners =
        |world: &World| in_pairs(world, |text| (text.owner != BoxOwnerText::Nobody).then(|| text.owner.to_string()));
    said_of(before, world, globals, |_, _| Problem::SecondGlobalBox, errors);
    said_of(before, world, owners, |owner, other| Problem::SecondBox { owner, other }, errors);
}

/// A thing that one box has at most, and the name of a box that claims it.
type Claims = Vec<(String, String)>;

fn in_pairs(world: &World, thing: impl Fn(&BoxText) -> Option<String>) -> Claims {
    let boxes = boxes(world);
    boxes.filter_map(|(name, text)| Some((thing(text)?, name.to_owned()))).collect()
}

fn said_of(
    before: Option<&World>,
    world: &World,
    claims: impl Fn(&World) -> Claims,
    problem: impl Fn(String, String) -> Problem,
    errors: &mut Vec<FileError>,
) {
    let (before, now) = (before.map(&claims).unwrap_or_default(), claims(world));
    fn borrowed(claims: &Claims) -> impl Iterator<Item = (&str, &str)> {
        claims.iter().map(|(thing, name)| (thing.as_str(), name.as_str()))
    }
    for claim in contested(borrowed(&before), borrowed(&now)) {
        let (company, name) = (world.company.key.clone(), claim.claimant.to_owned());
        let place = Place::Facility { company, kind: FacilityKind::Voicemail, name };
        errors.push(FileError { place, problem: problem(claim.thing.to_owned(), claim.owner.to_owned()) });
    }
}

/// The boxes of a company, by name.
pub(super) fn boxes(world: &World) -> impl Iterator<Item = (&str, &BoxText)> {
    world.facilities.values().filter_map(|state| match &state.facility {
        Facility::Voicemail(text) => Some((state.name.as_str(), text)),
        Facility::Group(_) | Facility::Inbox(_) | Facility::Flow(_) | Facility::Prompt(_) => None,
    })
}

/// The user's box becomes the replacement's, or nobody's where they have one already: the heirs hear
/// its messages then as its subscribers.
pub(super) fn hand_over(world: &mut World, extension: &str, to: &Replacement) {
    let heir = match to {
        Replacement::User(extension) => BoxOwnerText::User(extension.clone()),
        Replacement::Group(name) => BoxOwnerText::Group(name.clone()),
    };
    let owners: BTreeSet<BoxOwnerText> = boxes(world).map(|(_, text)| text.owner.clone()).collect();
    let owner = if owners.contains(&heir) { BoxOwnerText::Nobody } else { heir };
    for state in world.facilities.values_mut() {
        match &mut state.facility {
            Facility::Voicemail(text) if text.owner == BoxOwnerText::User(extension.to_owned()) => {
                text.owner = owner.clone();
            }
            Facility::Voicemail(_)
            | Facility::Group(_)
            | Facility::Inbox(_)
            | Facility::Flow(_)
            | Facility::Prompt(_) => {}
        }
    }
}

impl FacilityState {
    /// Two boxes that differ in nothing that is shown.
    pub(super) fn has_other_password(&self, other: &FacilityState) -> bool {
        match (&self.facility, &other.facility) {
            (Facility::Voicemail(one), Facility::Voicemail(other)) => one.settings.password != other.settings.password,
            (
                Facility::Group(_)
                | Facility::Inbox(_)
                | Facility::Flow(_)
                | Facility::Prompt(_)
                | Facility::Voicemail(_),
                _,
            ) => false,
        }
    }
}

fn said_or_none(text: &str) -> String {
    if text.is_empty() { "none" } else { text }.to_owned()
}

/// For people.
pub(super) fn fields(mailbox: &BoxText) -> Vec<Field> {
    let BoxText { number: _, context: _, name, owner, access, settings } = mailbox;
    let BoxSettings {
        password,
        email,
        pager,
        language,
        time_zone,
        max_messages,
        attach_audio,
        delete_messages,
        ask_password,
        enabled,
        subscribe_members,
        max_s,
        min_s,
        review,
        options,
    } = settings;
    let options: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        ("name", name.clone()),
        ("owner", said_or_none(&owner.to_string())),
        ("access", access.as_str().to_owned()),
        ("password", if password.is_empty() { "none" } else { "as given" }.to_owned()),
        ("email", said_or_none(email)),
        ("pager", said_or_none(pager)),
        ("language", own(language.map(|language| language.as_str().to_owned()))),
        ("time_zone", own(time_zone.as_ref().map(|zone| zone.as_str().to_owned()))),
        ("max_messages", own(max_messages.map(|most| most.to_string()))),
        ("attach_audio", on_off(*attach_audio)),
        ("delete_messages", on_off(*delete_messages)),
        ("ask_password", on_off(*ask_password)),
        ("enabled", on_off(*enabled)),
        ("subscribe_members", on_off(*subscribe_members)),
        ("max_s", own(max_s.map(|seconds| seconds.to_string()))),
        ("min_s", own(min_s.map(|seconds| seconds.to_string()))),
        ("review", on_off(*review)),
        ("options", said_or_none(&options.join(" "))),
    ]
}

/// In the words of the company file; `has_password` instead of the password.
pub(super) fn keys(mailbox: &BoxText) -> Keys {
    let BoxText { number, context, name, owner, access, settings } = mailbox;
    let BoxSettings {
        password,
        email,
        pager,
        language,
        time_zone,
        max_messages,
        attach_audio,
        delete_messages,
        ask_password,
        enabled,
        subscribe_members,
        max_s,
        min_s,
        review,
        options,
    } = settings;
    let said = |said: &str| if said.is_empty() { None } else { text(said) };
    vec![
        ("number", text(number)),
        ("context", text(context)),
        ("name", text(name)),
        ("owner", said(&owner.to_string())),
        ("access", value(access)),
        ("has_password", value(&!password.is_empty())),
        ("email", said(email)),
        ("pager", said(pager)),
        ("language", language.as_ref().and_then(value)),
        ("time_zone", time_zone.as_ref().and_then(value)),
        ("max_messages", max_messages.as_ref().and_then(value)),
        ("attach_audio", value(attach_audio)),
        ("delete_messages", value(delete_messages)),
        ("ask_password", value(ask_password)),
        ("enabled", value(enabled)),
        ("subscribe_members", value(subscribe_members)),
        ("max_s", max_s.as_ref().and_then(value)),
        ("min_s", min_s.as_ref().and_then(value)),
        ("review", value(review)),
        ("options", value(options)),
    ]
}

/// The settings of all boxes, for people.
pub(super) fn setting_fields(settings: &VoicemailSettings) -> Vec<Field> {
    let VoicemailSettings {
        language,
        max_s,
        min_s,
        max_silence_s,
        max_messages,
        max_logins,
        review,
        attach_audio,
        email_subject,
        email_body,
        from_name,
        from_address,
        other,
    } = settings;
    let other: Vec<String> = other.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        ("voicemail.language", language.as_str().to_owned()),
        ("voicemail.max_s", max_s.to_string()),
        ("voicemail.min_s", min_s.to_string()),
        ("voicemail.max_silence_s", max_silence_s.to_string()),
        ("voicemail.max_messages", max_messages.to_string()),
        ("voicemail.max_logins", max_logins.to_string()),
        ("voicemail.review", on_off(*review)),
        ("voicemail.attach_audio", on_off(*attach_audio)),
        ("voicemail.email_subject", said_or_none(email_subject)),
        ("voicemail.email_body", said_or_none(email_body)),
        ("voicemail.from_name", said_or_none(from_name)),
        ("voicemail.from_address", said_or_none(from_address)),
        ("voicemail.other", said_or_none(&other.join(" "))),
    ]
}
