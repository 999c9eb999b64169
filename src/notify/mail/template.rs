//! Texts of mails: Asterisk's variables, the texts of the service in four languages, dates.

use crate::base::{Language, Span, Wall};
use jiff::Zoned;
use jiff::tz::TimeZone;

/// Asterisk writes no address of the message; this is ours.
const LINK: &str = "${VM_LINK}";

/// What a mail tells of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Of the box.
    pub name: String,
    pub mailbox: String,
    pub context: String,
    pub company: String,
    /// How many messages the box has with this one.
    pub number: u64,
    pub message: String,
    pub length: Span,
    pub caller_name: String,
    pub caller_number: String,
    pub left: Wall,
    pub urgent: bool,
    /// Where it can be heard; empty where the service has no such place.
    pub link: String,
}

/// Subject and text of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub subject: String,
    pub body: String,
}

/// What the service writes: `pager`: the short one.
pub fn default_template(language: Language, pager: bool) -> Template {
    let (subject, body) = match (language, pager) {
        (Language::English, false) => (
            "New voicemail from ${VM_CALLERID} in box ${VM_MAILBOX}",
            "Hello ${VM_NAME},\n\nthere is a new message in your voicemail box ${VM_MAILBOX}.\n\n\
             From: ${VM_CALLERID}\nLeft: ${VM_DATE}\nLength: ${VM_DUR}\nMessages in the box: ${VM_MSGNUM}\n\n\
             Listen to it: ${VM_LINK}\n",
        ),
        (Language::English, true) => ("Voicemail", "New voicemail from ${VM_CALLERID}, ${VM_DUR}, ${VM_DATE}"),
        (Language::German, false) => (
            "Neue Sprachnachricht von ${VM_CALLERID} im Postfach ${VM_MAILBOX}",
            "Guten Tag ${VM_NAME},\n\nin Ihrem Postfach ${VM_MAILBOX} ist eine neue Sprachnachricht.\n\n\
             Von: ${VM_CALLERID}\nEingegangen: ${VM_DATE}\nLänge: ${VM_DUR}\nNachrichten im Postfach: ${VM_MSGNUM}\n\n\
             Anhören: ${VM_LINK}\n",
        ),
        (Language::German, true) => {
            ("Sprachnachricht", "Neue Sprachnachricht von ${VM_CALLERID}, ${VM_DUR}, ${VM_DATE}")
        }
        (Language::French, false) => (
            "Nouveau message vocal de ${VM_CALLERID} dans la boîte ${VM_MAILBOX}",
            "Bonjour ${VM_NAME},\n\nil y a un nouveau message dans votre boîte vocale ${VM_MAILBOX}.\n\n\
             De : ${VM_CALLERID}\nReçu : ${VM_DATE}\nDurée : ${VM_DUR}\nMessages dans la boîte : ${VM_MSGNUM}\n\n\
             Écouter : ${VM_LINK}\n",
        ),
        (Language::French, true) => ("Message vocal", "Nouveau message vocal de ${VM_CALLERID}, ${VM_DUR}, ${VM_DATE}"),
        (Language::Spanish, false) => (
            "Nuevo mensaje de voz de ${VM_CALLERID} en el buzón ${VM_MAILBOX}",
            "Hola, ${VM_NAME}:\n\nhay un mensaje nuevo en su buzón de voz ${VM_MAILBOX}.\n\n\
             De: ${VM_CALLERID}\nRecibido: ${VM_DATE}\nDuración: ${VM_DUR}\nMensajes en el buzón: ${VM_MSGNUM}\n\n\
             Escuchar: ${VM_LINK}\n",
        ),
        (Language::Spanish, true) => {
            ("Mensaje de voz", "Nuevo mensaje de voz de ${VM_CALLERID}, ${VM_DUR}, ${VM_DATE}")
        }
    };
    Template { subject: subject.to_owned(), body: body.to_owned() }
}

impl Template {
    /// With every variable that is known; others stay as they are. A subject is one line.
    pub fn fill(&self, facts: &Facts, language: Language, zone: &TimeZone) -> Template {
        // What others call themselves writes no line of its own.
        let value = |name: &str| facts.value(name, language, zone).map(|text| one_line(&text));
        let body = unescape(&self.body);
        // Where there is no link there is no line about it.
        let lines = body.split('\n').filter(|line| !facts.link.is_empty() || !line.contains(LINK));
        let body: Vec<String> = lines.map(|line| fill(line, &value)).collect();
        Template { subject: one_line(&fill(&unescape(&self.subject), &value)), body: body.join("\n") }
    }
}

impl Facts {
    fn value(&self, name: &str, language: Language, zone: &TimeZone) -> Option<String> {
        let Facts {
            name: owner,
            mailbox,
            context,
            company,
            number,
            message,
            length,
            caller_name,
            caller_number,
            left,
            urgent,
            link,
        } = self;
        let seconds = (length.as_millis() + 500) / 1_000;
        Some(match name {
            "VM_NAME" => owner.clone(),
            "VM_MAILBOX" => mailbox.clone(),
            "VM_CONTEXT" => context.clone(),
            "VM_COMPANY" => company.clone(),
            "VM_MSGNUM" => number.to_string(),
            "VM_MESSAGEFILE" => message.clone(),
            "VM_DUR" => format!("{}:{:02}", seconds / 60, seconds % 60),
            "VM_CALLERID" | "ORIG_VM_CALLERID" => self.caller(language),
            "VM_CIDNAME" | "ORIG_VM_CIDNAME" if caller_name.is_empty() => unknown(language).to_owned(),
            "VM_CIDNAME" | "ORIG_VM_CIDNAME" => caller_name.clone(),
            "VM_CIDNUM" | "ORIG_VM_CIDNUM" if caller_number.is_empty() => unknown(language).to_owned(),
            "VM_CIDNUM" | "ORIG_VM_CIDNUM" => caller_number.clone(),
            "VM_DATE" => date(language, *left, zone),
            "VM_FLAG" if *urgent => "Urgent".to_owned(),
            "VM_FLAG" | "VM_CATEGORY" => String::new(),
            "VM_LINK" => link.clone(),
            _ => return None,
        })
    }

    fn caller(&self, language: Language) -> String {
        match (self.caller_name.as_str(), self.caller_number.as_str()) {
            ("", "") => unknown(language).to_owned(),
            ("", number) => number.to_owned(),
            (name, "") => name.to_owned(),
            (name, number) => format!("{name} <{number}>"),
        }
    }
}

const fn unknown(language: Language) -> &'static str {
    match language {
        Language::English => "an unknown caller",
        Language::German => "unbekannt",
        Language::French => "un correspondant inconnu",
        Language::Spanish => "un número desconocido",
    }
}

/// Each `${NAME}` by its value, once: what a value says is not filled in again.
fn fill(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let named = after.split_once('}').and_then(|(name, after)| Some((value(name)?, after)));
        match named {
            Some((found, after)) => {
                out.push_str(&found);
                rest = after;
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Asterisk's files are one line a value: `\n`, `\r` and `\t` are written out in them.
fn unescape(text: &str) -> String {
    text.replace("\\r", "").replace("\\n", "\n").replace("\\t", "\t").replace('\r', "")
}

/// Without anything that ends a header.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    plain.trim().to_owned()
}

/// Day and time by the clocks of `zone`, as people of the language write them.
pub fn date(language: Language, at: Wall, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_microsecond(at.unix_micros()).unwrap_or_default().to_zoned(zone.clone());
    let (day, year, hour, minute) = (at.day(), at.year(), at.hour(), at.minute());
    let (weekday, month) = (weekday(language, &at), language.month(at.month()));
    match language {
        Language::English => {
            let (half, hour) = (if hour < 12 { "a.m." } else { "p.m." }, if hour % 12 == 0 { 12 } else { hour % 12 });
            format!("{weekday}, {month} {day}, {year}, {hour}:{minute:02} {half}")
        }
        Language::German => format!("{weekday}, {day}. {month} {year}, {hour}:{minute:02} Uhr"),
        Language::French if day == 1 => format!("{weekday} 1er {month} {year}, {hour} h {minute:02}"),
        Language::French => format!("{weekday} {day} {month} {year}, {hour} h {minute:02}"),
        Language::Spanish => format!("{weekday}, {day} de {month} de {year}, {hour}:{minute:02}"),
    }
}

fn weekday(language: Language, at: &Zoned) -> &'static str {
    let names = match language {
        Language::English => ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        Language::German => ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
        Language::French => ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        Language::Spanish => ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    };
    names.get(usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            name: "Jane".to_owned(),
            mailbox: "8000".to_owned(),
            context: "default".to_owned(),
            company: "Acme".to_owned(),
            number: 3,
            message: "0192".to_owned(),
            length: Span::from_millis(65_400),
            caller_name: "Bob".to_owned(),
            caller_number: "+4930123".to_owned(),
            left: wall("2026-06-03T12:30:00Z"),
            urgent: false,
            link: "https://voice.example/m/0192".to_owned(),
        }
    }

    fn wall(text: &str) -> Wall {
        Wall::from_unix_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    #[test]
    fn variables_are_filled_in_and_those_that_are_not_known_stay() {
        let rows = [
            ("${VM_NAME}/${VM_MAILBOX}@${VM_CONTEXT}", "Jane/8000@default"),
            ("${VM_DUR} ${VM_MSGNUM}", "1:05 3"),
            ("${VM_CALLERID}|${VM_CIDNAME}|${VM_CIDNUM}", "Bob <+4930123>|Bob|+4930123"),
            ("${VM_DATE}", "Wednesday, June 3, 2026, 12:30 p.m."),
            ("${VM_LINK}", "https://voice.example/m/0192"),
            ("${VM_NOTHING} $VM_NAME ${", "${VM_NOTHING} $VM_NAME ${"),
            ("${IF($[1]?a)}${VM_NAME}", "${IF($[1]?a)}Jane"),
            ("a\\n\\tb", "a\n\tb"),
        ];
        for (text, expected) in rows {
            let template = Template { subject: String::new(), body: text.to_owned() };
            assert_eq!(template.fill(&facts(), Language::English, &TimeZone::UTC).body, expected, "{text}");
        }
    }

    #[test]
    fn what_a_caller_is_called_is_no_variable_and_ends_no_header() {
        let facts = Facts { caller_name: "x\r\nBcc: a@b ${VM_NAME}".to_owned(), ..facts() };
        let template = Template { subject: "From ${VM_CIDNAME}".to_owned(), body: String::new() };
        let filled = template.fill(&facts, Language::English, &TimeZone::UTC);
        assert_eq!(filled.subject, "From x  Bcc: a@b ${VM_NAME}");
    }

    #[test]
    fn a_date_is_of_the_zone_and_of_the_language() {
        let (at, zone) = (wall("2026-02-28T23:05:00Z"), TimeZone::get("Europe/Berlin").unwrap());
        for (language, expected) in [
            (Language::English, "Sunday, March 1, 2026, 12:05 a.m."),
            (Language::German, "Sonntag, 1. März 2026, 0:05 Uhr"),
            (Language::French, "dimanche 1er mars 2026, 0 h 05"),
            (Language::Spanish, "domingo, 1 de marzo de 2026, 0:05"),
        ] {
            assert_eq!(date(language, at, &zone), expected);
        }
    }

    #[test]
    fn the_texts_of_the_service_leave_nothing_open_and_say_nothing_of_a_link_where_there_is_none() {
        for language in Language::ALL {
            for pager in [false, true] {
                for link in ["", "https://voice.example/m"] {
                    for (name, number) in [("", ""), ("Bob", ""), ("", "201")] {
                        let facts = Facts {
                            link: link.to_owned(),
                            caller_name: name.to_owned(),
                            caller_number: number.to_owned(),
                            ..facts()
                        };
                        let filled = default_template(language, pager).fill(&facts, language, &TimeZone::UTC);
                        assert!(!format!("{filled:?}").contains("${"), "{filled:?}");
                        assert_eq!(filled.body.contains("://"), !link.is_empty() && !pager, "{filled:?}");
                    }
                }
            }
        }
    }
}
