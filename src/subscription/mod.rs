//! What people may come to know: the rules of access, and the feed of events. The feed reads the
//! outbox, and nothing else hands a recording over to it.

mod access;
mod compatible;
mod feed;
mod kinds;
mod messages;
mod patterns;
mod texts;

pub use access::{CallFacts, Reason, Rights, Scope, Subscribed, knows_names};
pub use compatible::{CompatibleEvent, MessageBody, Uuids, VoicemailBody, folder_body};
pub use feed::{
    About, AboutCall, AboutMessage, AboutMessageFacts, AboutRecording, AboutText, Event, EventChange, EventJoined,
    EventNote, EventParty, FeedEntry, Named, fold, reason_word,
};
pub use kinds::Kinds;
pub use messages::{BoxSubscribed, MessageFacts, MessageReason, MessageScope, Reader, Receivers};
pub use patterns::{Asker, MOST as MOST_PATTERNS, Patterns, is_pattern};
pub use texts::{Holder, InboxNumber, Joined, MemberChange, TextFacts, TextScope, member_changes};
