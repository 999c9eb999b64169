//! Where a text goes and as which number: pure functions of the directory that say why not.

use crate::base::{NumberId, UserId};
use crate::directory::{
    Barred, Company, Directory, MessageRoute, Number, ShortNumber, User, may_call, normalise_number, short_number,
};

/// Where the text of a user goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goes {
    Colleague(UserId),
    /// Outside, as that number.
    Out {
        called: String,
        /// As they chose, or as the rule says; `Err`: why there is none.
        number: Result<NumberId, Refused>,
        /// They chose it for this text.
        chosen: bool,
    },
}

/// Why a text is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0} is neither an extension nor a number that a text can go to")]
    Unknown(String),
    #[error("the number {0} takes no text messages: it has no shared inbox and is no user's")]
    NoMessages(String),
    #[error("{0} is a number of this company: a text to it comes from outside only")]
    OwnNumber(String),
    #[error("{0} is an emergency number: call it, a text does not reach help from here")]
    Emergency(String),
    #[error(transparent)]
    Barred(#[from] Barred),
    #[error("no number: the user is in no inbox with a primary number, has none, and the company has no default one")]
    NoNumber,
    #[error("{0} is not a number that this user may write as")]
    NotYours(String),
    #[error("{0} takes no text messages, so that nobody would read an answer: choose another number")]
    NoAnswers(String),
    #[error("the other side has withheld its number: it cannot be answered")]
    Withheld,
    #[error("no trunk of the company carries text messages")]
    NoTrunk,
    #[error("there is nothing in it")]
    Empty,
    #[error("it is longer than {0} characters")]
    TooLong(usize),
}

impl Refused {
    /// As SIP says it.
    pub const fn status(&self) -> u16 {
        match self {
            Refused::Unknown(_) | Refused::NoMessages(_) => 404,
            Refused::OwnNumber(_)
            | Refused::Emergency(_)
            | Refused::Barred(_)
            | Refused::NoNumber
            | Refused::NotYours(_)
            | Refused::NoAnswers(_)
            | Refused::Withheld => 403,
            Refused::NoTrunk => 480,
            Refused::Empty => 400,
            Refused::TooLong(_) => 413,
        }
    }
}

/// Where a text of `user` to what they dialled goes. `said`: the number that they want to write as, as
/// it is written; their own extension there says nothing.
pub fn destination(directory: &Directory, user: &User, dialled: &str, said: Option<&str>) -> Result<Goes, Refused> {
    let unknown = || Refused::Unknown(dialled.to_owned());
    let company = directory.company(user.company).ok_or_else(unknown)?;
    let service = match short_number(dialled, company) {
        Some(ShortNumber::Emergency(called)) => return Err(Refused::Emergency(called)),
        Some(ShortNumber::Service(called)) => Some(called),
        None => None,
    };
    if let Some(colleague) = directory.user_by_extension(company.id, dialled) {
        return Ok(Goes::Colleague(colleague.id));
    }
    let (prefixed, rest) = match directory.by_dial_prefix(company.id, dialled) {
        Some((number, rest)) if service.is_none() => (Some(number), rest),
        Some(_) | None => (None, dialled),
    };
    let is_short = service.is_some();
    let called = service.or_else(|| normalise_number(rest, company)).ok_or_else(unknown)?;
    if let Some(number) = directory.number_by_e164(&called).filter(|number| number.company == company.id) {
        return match directory.message_route(number) {
            MessageRoute::User(colleague) => Ok(Goes::Colleague(colleague)),
            MessageRoute::Inbox(_) => Err(Refused::OwnNumber(called)),
            MessageRoute::Nowhere => Err(Refused::NoMessages(called)),
        };
    }
    if !is_short {
        may_call(company, Some(user), &called)?;
    }
    let said = said.filter(|said| *said != user.extension && *said != user.auth_name);
    let chosen = match (prefixed, said) {
        (Some(number), _) => Some(number),
        (None, Some(said)) => Some(named(directory, company, said)?),
        (None, None) => None,
    };
    let number = match chosen {
        Some(number) => Ok(may_write_as(directory, user, number)?.id),
        None => usual(directory, user),
    };
    Ok(Goes::Out { called, number, chosen: chosen.is_some() })
}

fn named<'d>(directory: &'d Directory, company: &Company, said: &str) -> Result<&'d Number, Refused> {
    let number = normalise_number(said, company).and_then(|e164| directory.number_by_e164(&e164));
    number.filter(|number| number.company == company.id).ok_or_else(|| Refused::NotYours(said.to_owned()))
}

/// The number that texts of the user go out with: by the rule of calls.
fn usual(directory: &Directory, user: &User) -> Result<NumberId, Refused> {
    let number = directory.caller_id_of(user).and_then(|id| directory.number(id)).ok_or(Refused::NoNumber)?;
    Ok(may_write_as(directory, user, number)?.id)
}

/// The number, where the user may write as it: an answer to it must come to them.
pub fn may_write_as<'d>(directory: &Directory, user: &User, number: &'d Number) -> Result<&'d Number, Refused> {
    let not_yours = || Refused::NotYours(number.e164.clone());
    match directory.message_route(number) {
        MessageRoute::User(owner) if owner == user.id => Ok(number),
        MessageRoute::Inbox(inbox) => {
            let inbox = directory.inbox(inbox).filter(|inbox| inbox.company == user.company);
            inbox.filter(|inbox| inbox.members.contains(&user.id)).map(|_| number).ok_or_else(not_yours)
        }
        MessageRoute::User(_) => Err(not_yours()),
        MessageRoute::Nowhere if directory.may_call_as(user, number) => Err(Refused::NoAnswers(number.e164.clone())),
        MessageRoute::Nowhere => Err(not_yours()),
    }
}

#[cfg(test)]
mod tests;
