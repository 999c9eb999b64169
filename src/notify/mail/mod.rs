//! E-mail: what is written, and how it gets to the server that takes it.

mod letter;
mod smtp;
mod template;

pub use letter::{Audio, Letter, LetterError, Sender, address, sender};
pub use smtp::{Encryption, Smtp, SmtpConfig, SmtpError, SmtpSetupError};
pub use template::{Facts, Template, date, default_template};
