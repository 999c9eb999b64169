//! Telegraphone: a SIP-aware call-recording media service.

pub mod audio;
pub mod base;
pub mod directory;
pub mod ledger;
pub mod media;
pub mod policy;
pub mod recording;
pub mod rtp;
