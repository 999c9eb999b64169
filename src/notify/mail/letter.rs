//! A mail as bytes: headers that nobody's name can break, text, and the audio where it is asked for.

use super::template::one_line;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

/// Longest address, as RFC 5321 §4.5.3.1 has it.
const LONGEST: usize = 254;

/// Why a mail cannot be written: it will never be, so it is dead.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    #[error("{0:?} is no address of a mailbox: write one like name@example.org")]
    Address(String),
    #[error("the mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("the mail cannot be written: {0}")]
    Type(#[from] lettre::message::header::ContentTypeErr),
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// An address alone.
    pub to: String,
    pub from: Sender,
    pub subject: String,
    pub body: String,
    pub attachment: Option<Audio>,
    /// The same for every attempt, so that whoever gets two of them can tell: unique in the service.
    pub id: String,
}

/// Who a mail comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// For people; empty: the address alone.
    pub name: String,
    pub address: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    pub name: String,
    pub wav: Vec<u8>,
}

/// The address that a text is: one, of a host with a name, without anything else.
pub fn address(text: &str) -> Result<Address, LetterError> {
    let wrong = || LetterError::Address(text.to_owned());
    if text.len() > LONGEST || text.chars().any(|sign| sign.is_control() || sign.is_whitespace()) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// The sender that a text names: `name@example.org`, or `Name <name@example.org>`.
pub fn sender(text: &str) -> Result<Sender, LetterError> {
    let (name, bare) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, bare)) => (one_line(name.trim().trim_matches('"')), bare),
        None => (String::new(), text.trim()),
    };
    Ok(Sender { name, address: address(bare)?.to_string() })
}

impl Letter {
    pub fn message(&self) -> Result<Message, LetterError> {
        let Letter { to, from, subject, body, attachment, id } = self;
        let sender = address(&from.address)?;
        let name = Some(one_line(&from.name)).filter(|name| !name.is_empty());
        let message_id = format!("<{}@{}>", one_line(id), sender.domain());
        let builder = Message::builder()
            .from(Mailbox::new(name, sender))
            .to(Mailbox::new(None, address(to)?))
            .subject(one_line(subject))
            .message_id(Some(message_id))
            // Nobody's absence note is to answer it (RFC 3834 §5).
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()));
        let text = SinglePart::plain(body.clone());
        Ok(match attachment {
            None => builder.singlepart(text)?,
            Some(Audio { name, wav }) => {
                let audio = Attachment::new(one_line(name)).body(wav.clone(), ContentType::parse("audio/wav")?);
                builder.multipart(MultiPart::mixed().singlepart(text).singlepart(audio))?
            }
        })
    }
}

const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            to: "jane@example.org".to_owned(),
            from: Sender { name: "Voicemail".to_owned(), address: "voice@example.org".to_owned() },
            subject: "Neue Nachricht für Jürgen".to_owned(),
            body: "Hello\n.\nworld\n".to_owned(),
            attachment: None,
            id: "7.1".to_owned(),
        }
    }

    fn written(letter: &Letter) -> String {
        String::from_utf8(letter.message().unwrap().formatted()).unwrap()
    }

    #[test]
    fn an_address_is_one_address_and_nothing_else() {
        for text in ["jane@example.org", "j.a+ne@mail.example.org"] {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
        let long = format!("{}@example.org", "a".repeat(LONGEST));
        for text in [
            "",
            "jane",
            "@example.org",
            "jane@",
            "a@b.org, c@d.org",
            "a@b.org\r\nRCPT TO:<c@d.org>",
            "a @b.org",
            "Jane <jane@example.org>",
            &long,
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_sender_has_a_name_or_none() {
        for (text, name) in [
            ("voice@example.org", ""),
            ("Voicemail <voice@example.org>", "Voicemail"),
            ("\"Acme, Inc.\" <voice@example.org>", "Acme, Inc."),
        ] {
            let expected = Sender { name: name.to_owned(), address: "voice@example.org".to_owned() };
            assert_eq!(sender(text).unwrap(), expected);
        }
        assert!(sender("Voicemail").is_err());
        assert!(sender("Voicemail <voice>").is_err());
    }

    #[test]
    fn no_text_makes_a_header_of_its_own() {
        let evil = "x\r\nBcc: victim@example.org\r\n\r\nBody";
        let mut letter = letter();
        letter.subject = evil.to_owned();
        letter.from.name = evil.to_owned();
        letter.id = evil.to_owned();
        letter.attachment = Some(Audio { name: evil.to_owned(), wav: vec![1, 2, 3] });
        let text = written(&letter);
        assert!(!text.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc:")), "{text}");
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(head.contains("multipart/mixed"), "{head}");
    }

    #[test]
    fn a_letter_has_its_text_and_its_audio() {
        let plain = written(&letter());
        assert!(plain.contains("Auto-Submitted: auto-generated\r\n") && plain.contains("To: jane@example.org\r\n"));
        assert!(plain.contains("Message-ID: <7.1@example.org>\r\n"), "{plain}");
        assert!(plain.contains("=?utf-8?b?ZsO8ciBKw7xyZ2Vu?="), "{plain}");
        let audio = Audio { name: "message.wav".to_owned(), wav: b"RIFF\xff\0".to_vec() };
        let with = written(&Letter { attachment: Some(audio), ..letter() });
        assert!(with.contains("Content-Type: audio/wav") && with.contains("filename=\"message.wav\""), "{with}");
        assert!(with.contains("UklGRv8A"), "{with}");
    }
}
