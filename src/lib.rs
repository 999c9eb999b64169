//! Telegraphone: a SIP-aware call-recording media service.

pub mod audio;
pub mod base;
pub mod directory;
pub mod ledger;
pub mod policy;
pub mod rtp;
