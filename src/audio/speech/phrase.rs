//! What is said to a party, in no language yet.

use super::super::prompt::Pcm;
use crate::base::Wall;

/// One piece of what is said; pieces follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    Phrase(Phrase),
    /// "You have two urgent, one new and three saved messages", "You have no messages."
    YouHave {
        urgent: u32,
        new: u32,
        old: u32,
    },
    /// "Message three."
    Message(u32),
    /// "Received today at two thirty", "received yesterday at …", "received on Monday, the third of
    /// March, at …".
    Received(Wall),
    /// A cardinal number.
    Number(u32),
    /// One by one: an extension, a telephone number (what is no digit is left out, but for `+`).
    Digits(String),
    /// Recorded by a person: a greeting, a name, a message. Mono, 8 kHz.
    Clip(Pcm),
    /// Nothing, for so many milliseconds.
    Pause(u16),
    /// The tone after which a message begins.
    Tone,
}

macro_rules! phrases {
    ($($(#[$doc:meta])* $name:ident = $file:literal,)*) => {
        /// A sentence, or a part of one, that never changes. The text is the English one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Phrase { $($(#[$doc])* $name,)* }

        impl Phrase {
            pub const ALL: &'static [Phrase] = &[$(Phrase::$name,)*];

            /// Its file's name, without the ending.
            pub const fn name(self) -> &'static str {
                match self { $(Phrase::$name => $file,)* }
            }
        }
    };
}

phrases! {
    /// "The person at extension" (digits follow, then [`Phrase::IsNotAvailable`] or [`Phrase::IsBusy`])
    ThePersonAtExtension = "the-person-at-extension",
    /// "You have reached the voicemail box" (digits follow; a group's or the company's box)
    YouHaveReachedTheBox = "you-have-reached-the-box",
    /// "is not available." (follows digits or a recorded name)
    IsNotAvailable = "is-not-available",
    /// "is in another call." (follows digits or a recorded name)
    IsBusy = "is-busy",
    /// "Please leave your message after the tone. When you are done, hang up, or press the pound key."
    LeaveYourMessage = "leave-your-message",
    /// "The voicemail box is full. Your message cannot be taken. Goodbye."
    BoxIsFull = "box-is-full",
    /// "This voicemail box takes no messages. Goodbye."
    BoxIsClosed = "box-is-closed",
    /// "Your message is too short and was not kept."
    TooShort = "too-short",
    /// "Your message has reached its greatest length."
    TooLong = "too-long",
    /// "To listen to your message, press one. To record it again, press two. To send it, press three.
    /// To mark it as urgent and send it, press four."
    ReviewMessage = "review-message",
    /// "Thank you. Your message was sent. Goodbye."
    MessageSent = "message-sent",
    /// "Your message could not be kept. Please call again later."
    NotKept = "not-kept",

    /// "Welcome to voicemail."
    Welcome = "welcome",
    /// "Please enter the number of your voicemail box, then press the pound key."
    EnterBox = "enter-box",
    /// "Please enter your password, then press the pound key."
    EnterPassword = "enter-password",
    /// "The password is wrong."
    WrongPassword = "wrong-password",
    /// "There were too many wrong passwords. Goodbye."
    TooManyFailures = "too-many-failures",
    /// "You have no voicemail box."
    NoBox = "no-box",

    /// "To listen to new messages, press one. To listen to saved messages, press two. For greetings and
    /// your password, press zero. To leave, press the pound key."
    MainMenu = "main-menu",
    /// "There are no new messages."
    NoNewMessages = "no-new-messages",
    /// "There are no saved messages."
    NoSavedMessages = "no-saved-messages",
    /// "There are no more messages."
    NoMoreMessages = "no-more-messages",
    /// "Urgent." (before the message)
    Urgent = "urgent",
    /// "From extension" (digits follow)
    FromExtension = "from-extension",
    /// "From" (a telephone number follows)
    From = "from",
    /// "From an unknown caller."
    FromUnknown = "from-unknown",
    /// "Forwarded by" (digits follow)
    ForwardedBy = "forwarded-by",
    /// "To hear the message again, press five. For the next one, press six. For the one before, press four.
    /// To delete it, or to bring it back, press seven. To save it, press nine. To forward it, press eight. To call back, press two.
    /// To pause, or to go on, press zero. For the menu, press the pound key."
    MessageMenu = "message-menu",
    /// "Message deleted."
    MessageDeleted = "message-deleted",
    /// "Message brought back."
    MessageUndeleted = "message-undeleted",
    /// "Message saved."
    MessageSaved = "message-saved",
    /// "This is the first message."
    FirstMessage = "first-message",
    /// "Pause."
    Paused = "paused",
    /// "This caller cannot be called back."
    NoCallBack = "no-call-back",
    /// "You are being connected."
    Connecting = "connecting",
    /// "The call could not be connected."
    NotConnected = "not-connected",

    /// "Please enter the number of the voicemail box that the message is to be forwarded to, then press the pound key."
    EnterForward = "enter-forward",
    /// "To speak an introduction first, press one. To forward the message without one, press three. To give up, press the star key."
    ForwardMenu = "forward-menu",
    /// "Speak your introduction after the tone, then press the pound key."
    SpeakIntroduction = "speak-introduction",
    /// "To listen to your introduction, press one. To record it again, press two. To forward the message with it, press three. To give up, press the star key."
    ReviewIntroduction = "review-introduction",
    /// "The message was forwarded."
    MessageForwarded = "message-forwarded",
    /// "There is no such voicemail box."
    NoSuchBox = "no-such-box",

    /// "For the greeting when you are not available, press one. For the greeting when you are in a call, press two. For your name, press three.
    /// To change your password, press four. To go back, press the pound key."
    OptionsMenu = "options-menu",
    /// "Speak your greeting after the tone, then press the pound key."
    SpeakGreeting = "speak-greeting",
    /// "Say your name after the tone, then press the pound key."
    SpeakName = "speak-name",
    /// "To listen to it, press one. To record it again, press two. To keep it, press three. To use the greeting of the service instead,
    /// press four. To leave it as it was, press the star key."
    ReviewGreeting = "review-greeting",
    /// "Greeting saved."
    GreetingSaved = "greeting-saved",
    /// "The greeting of the service is used."
    GreetingRemoved = "greeting-removed",
    /// "Please enter your new password, then press the pound key."
    NewPassword = "new-password",
    /// "Please enter it again, then press the pound key."
    PasswordAgain = "password-again",
    /// "The two do not match."
    PasswordsDiffer = "passwords-differ",
    /// "A password has at least four digits."
    PasswordTooShort = "password-too-short",
    /// "Your password was changed."
    PasswordChanged = "password-changed",

    /// "This key means nothing here."
    WrongKey = "wrong-key",
    /// "Sorry, that did not work. Please try again later."
    Failed = "failed",
    /// "Goodbye."
    Goodbye = "goodbye",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_phrase_has_a_file_of_its_own() {
        let names: BTreeSet<&str> = Phrase::ALL.iter().map(|phrase| phrase.name()).collect();
        assert_eq!(names.len(), Phrase::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase())));
    }
}
