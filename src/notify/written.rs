//! What a notice says of a message.

use super::herald::MailSettings;
use super::mail::{Audio, Facts, Sender, Template, address, default_template};
use crate::base::Language;
use crate::directory::{Company, Mailbox, User, VoicemailSettings};
use crate::ledger::MessageRecord;
use serde_json::{Value, json};
use std::path::Path;

/// What a mail is about.
pub struct About<'a> {
    pub company: &'a Company,
    pub mailbox: &'a Mailbox,
    pub message: &'a MessageRecord,
    /// Messages in the box.
    pub count: u64,
}

/// Who a mail comes from, and its text: in the language and by the clocks of the box.
pub fn mail(about: About<'_>, service: &MailSettings, pager: bool) -> (Sender, Template) {
    let About { company, mailbox, message, count } = about;
    let settings = &company.settings.voicemail;
    let language = mailbox.settings.language.unwrap_or(settings.language);
    let zone = mailbox.settings.time_zone.as_ref().unwrap_or(&company.settings.time_zone).time_zone();
    let facts = Facts {
        name: mailbox.name.clone(),
        mailbox: mailbox.number.clone(),
        context: mailbox.context.clone(),
        company: company.name.clone(),
        number: count,
        message: message.id.to_string(),
        length: message.length(),
        caller_name: message.caller.name.clone(),
        caller_number: message.caller.address.clone(),
        left: message.left,
        urgent: message.urgent,
        link: service.link.replace("{id}", &message.id.to_string()),
    };
    let template = template(mailbox, settings, language, pager);
    (sender(mailbox, settings, service), template.fill(&facts, language, &zone))
}

/// The box's own text, else the company's in that language, else the company's, else the service's.
fn template(mailbox: &Mailbox, settings: &VoicemailSettings, language: Language, pager: bool) -> Template {
    let (subject, body) = if pager { ("pagersubject", "pagerbody") } else { ("emailsubject", "emailbody") };
    let company = |key: &str, own: &str| {
        let of_language = settings.other.get(&format!("{key}-{}", language.as_str()));
        let text = of_language.or_else(|| settings.other.get(key)).map_or(own, String::as_str);
        Some(text.to_owned()).filter(|text| !text.is_empty())
    };
    let (own_subject, own_body) = match pager {
        true => ("", ""),
        false => (settings.email_subject.as_str(), settings.email_body.as_str()),
    };
    let default = default_template(language, pager);
    Template {
        subject: option(mailbox, subject).or_else(|| company(subject, own_subject)).unwrap_or(default.subject),
        body: option(mailbox, body).or_else(|| company(body, own_body)).unwrap_or(default.body),
    }
}

/// Of the box, the company, or the service; an address that is none is the service's.
fn sender(mailbox: &Mailbox, settings: &VoicemailSettings, service: &MailSettings) -> Sender {
    let said = |own: Option<String>, company: &str, service: &str| {
        let company = || Some(company.to_owned()).filter(|text| !text.is_empty());
        own.or_else(company).unwrap_or_else(|| service.to_owned())
    };
    let from = said(option(mailbox, "serveremail"), &settings.from_address, &service.from.address);
    let name = said(option(mailbox, "fromstring"), &settings.from_name, &service.from.name);
    match address(&from) {
        Ok(_) => Sender { name, address: from },
        Err(error) => {
            tracing::warn!(%error, mailbox = %mailbox.id, "a mail comes from the service's address instead");
            Sender { name, address: service.from.address.clone() }
        }
    }
}

fn option(mailbox: &Mailbox, key: &str) -> Option<String> {
    let found = mailbox.settings.options.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

/// The message's sound; `None`, with a word in the log, where its file cannot be read.
pub async fn audio(path: &Path, message: &MessageRecord, count: u64) -> Option<Audio> {
    match tokio::fs::read(path).await {
        // Short, as a longer name is written in a way that not every reader of mail knows (RFC 2231).
        Ok(wav) => Some(Audio { name: format!("msg{count:04}.wav"), wav }),
        Err(error) => {
            tracing::warn!(%error, message = %message.id, "a message is mailed without its audio");
            None
        }
    }
}

/// What a push message says: no more than a list of messages shows whoever hears it.
pub fn push(mailbox: &Mailbox, message: &MessageRecord) -> Value {
    json!({
        "event": "voicemail.created",
        "message": message.id,
        "mailbox": { "number": mailbox.number, "context": mailbox.context, "name": mailbox.name },
        "caller": { "name": message.caller.name, "number": message.caller.address },
        "left": message.left.to_string(),
        "length_ms": message.length().as_millis(),
        "urgent": message.urgent,
    })
}

/// The same for a gateway, which has to know whose devices it is for.
pub fn gateway(user: &User, mailbox: &Mailbox, message: &MessageRecord) -> Value {
    let mut body = push(mailbox, message);
    if let Some(body) = body.as_object_mut() {
        body.insert("user".to_owned(), json!({ "extension": user.extension, "name": user.name }));
    }
    body
}
