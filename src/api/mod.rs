//! Requests and answers as enums, before they are HTTP or a command line.
//!
//! ```text
//! control socket ─► Request ─► Answer                       (the operator: everything)
//! HTTP ─► Login ─► Viewer ─┐
//!                          ├─► Desk::answer(viewer, Ask) ─► Reply or Problem
//!            Scope (rules) ┘
//! ```
//! [`Desk`] is the one place where the rules of access are applied: whatever HTTP asks goes
//! through it. Orders for live calls are carried out by the service.

mod ask;
mod desk;
mod devices;
pub mod directory;
pub mod http;
mod insight;
mod keeping;
mod levels;
mod locks;
mod login;
mod notes;
mod notices;
mod operator;
pub mod own_box;
mod peaks;
mod problem;
mod provisioning;
pub mod shared;
mod staff;
pub mod texts;
mod tokens;
mod trunks;
mod trying;
mod view;
mod voicemail;
pub mod wazo;
mod webhooks;

pub use ask::{Ask, AudioUse, CallQuery, LiveCommand, Reply};
pub use desk::{
    Desk, Eraser, EventStream, ExportSettings, LevelStream, Loudness, News, OPERATORS, Operator, Over, Shown, Which,
    World, check_names, erased_name, erased_told, sweep_files,
};
pub use insight::{
    AnalyticsQuery, AnalyticsView, Bucket, BucketBy, ContactItem, ContactPage, ContactQuery, ContactView, Entry,
    InsightAsk, InsightReply, MeMore,
};
pub use keeping::{
    EraseReport, ExportPage, ExportView, ExportWhat, HoldPage, HoldView, KeepingAsk, KeepingReply, KeptCall,
    LiftOutcome, LiftView, lift_hold,
};
pub use levels::{CallLevels, LevelsView};
pub use locks::{LockAsk, LockCleared, LockPage, LockReply, LogInLocks};
pub use login::csrf_of;
pub use login::{Grant, Granted, LoggedIn, Permission, Scopes, Viewer, secret_token};
pub use notes::{MOST_NOTES, NoteBy, NotePage, NoteView, NotesAsk, NotesReply, note_text};
pub use notices::{GatewaySecret, GatewayView, NoticeAsk, NoticeList, NoticeReply, NoticeView, PushItem, PushView};
pub use operator::{Answer, DeviceView, Part, Readiness, Registered, Request, Status, Verified, VerifiedFile};
pub use peaks::{MessagePeaksView, PeaksView, Points, ShapeView};
pub use problem::{Problem, Use};
pub use provisioning::{ProvisionAsk, ProvisionView, ProvisioningSettings, SipServer};
pub use staff::{
    CompanyItem, CompanyList, MadeCompany, NewCompany, StaffAsk, StaffList, StaffPassword, StaffReply, StaffView,
};
pub use tokens::TokenAsk;
pub use trunks::{TargetStateView, TrunkRegistrationView, TrunkStateView};
pub use trying::{TryAsk, TryEnd, TryError, TryExit, TryStep, TryView, WhichFlow};
pub use view::{
    AccessList, AccessView, CallItem, CallPage, ChangeView, HeardView, LiveItem, LiveList, MeView, NewTokenView,
    PartyView, RecordingItem, RecordingView, SubscriberList, TokenList, TokenView,
};
pub use voicemail::{
    BoxCounts, BoxRemoved, BoxSubscriberList, BoxSubscriberView, BoxView, CountsView, ForwardView, ForwardedView,
    GreetingList, GreetingView, MessagePage, MessageQuery, MessageView, Realm, VoicemailAsk, VoicemailReply,
    read_message_cursor, write_message_cursor,
};
pub use webhooks::{
    DeliveryList, DeliveryView, Replayed, WebhookAsk, WebhookList, WebhookReply, WebhookSecret, WebhookView,
};
