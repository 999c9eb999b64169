//! Telegraphone: a SIP-aware call-recording media service.

pub mod api;
pub mod audio;
pub mod base;
pub mod call;
pub mod cli;
pub mod directory;
pub mod ledger;
pub mod media;
pub mod policy;
pub mod recording;
pub mod registrar;
pub mod replay;
pub mod rtp;
pub mod sdp;
pub mod service;
pub mod sip;
pub mod store;
pub mod subscription;
