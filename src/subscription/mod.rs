//! What people may come to know: the feed of events. It reads the outbox, and nothing else
//! hands a recording over to it.

mod feed;

pub use feed::{AboutRecording, EventParty, FeedEntry, RecordingEvent, fold};
