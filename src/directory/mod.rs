//! The entities of a company and the rules between them, as one snapshot in memory.
//!
//! The store fills a [`Directory`]; calls read it. A call that is up keeps the
//! values that it started with.

mod entity;

pub use entity::{
    AuthAlgorithm, CallVisibility, Commands, Company, Number, NumberRecording, OnRecordingFailure, Play, Role,
    Route, Settings, Transport, Trunk, User, UserOverrides,
};
