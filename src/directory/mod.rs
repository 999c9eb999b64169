//! The entities of a company and the rules between them, as one snapshot in memory.
//!
//! The store fills a [`Directory`]; calls read it. A call that is up keeps the
//! values that it started with. [`mod@file`] is the company file that people write,
//! [`mod@plan`] what applying it would change.

mod dangers;
mod destination;
mod dialled;
mod entity;
mod facility;
pub mod file;
pub mod flow;
mod mailbox;
pub mod plan;
mod snapshot;
mod trunk;

pub use dangers::Danger;
pub use destination::{BadDestination, Barred, DestinationRule, may_call};
pub use dialled::{ShortNumber, normalise_number, short_number};
pub use entity::{
    AudioCodec, AuthAlgorithm, CallHandling, CallVisibility, Commands, Company, MessageRoute, NoticeTo, Number,
    NumberRecording, OnRecordingFailure, Play, Role, Route, Settings, Transport, User, UserOverrides,
};
pub use facility::{BUILT_IN_PROMPTS, CompanyFlow, Facility, FacilityKind, Group, GroupText, Inbox, InboxText, Sound};
pub use mailbox::{
    BadOwner, BoxAccess, BoxOwner, BoxOwnerText, BoxSettings, BoxText, DEFAULT_CONTEXT, Mailbox, VoicemailSettings,
    box_name, is_box_name, split_box_name,
};
pub use snapshot::{Directory, FacilityRow, Reach, may_command, normal_domain};
pub use trunk::{
    BadNetwork, InboundLogin, Login, LoginSecret, Network, NumberFormat, TextsBy, Trunk, TrunkSettings, TrunkTarget,
};
